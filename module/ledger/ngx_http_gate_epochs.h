/*
 * The epochs of Redis as this host knows them: one of each primary, which is
 * one, or those of a cluster.  In shared memory, with the zone's lock held.
 *
 * Whenever one of them changes a new era begins, in which all accounts are
 * told again: which of them are that primary's is not known here.
 */


#ifndef NGX_HTTP_GATE_EPOCHS_H_INCLUDED
#define NGX_HTTP_GATE_EPOCHS_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>


/* primaries at most */
#define NGX_HTTP_GATE_PRIMARIES  64


typedef struct {
    uint64_t                     server;    /* which primary */
    uint64_t                     id;        /* of its epoch; 0: a free entry */
    ngx_msec_t                   learned;   /* when was asked what told it */
    ngx_msec_t                   marked;    /* and what told the marks */
    uint32_t                     marks;
} ngx_http_gate_epoch_t;


typedef struct {
    uint32_t                     era;       /* 0: nobody has answered yet */
    uint32_t                     hand;      /* the next to make room */
    ngx_http_gate_epoch_t        table[NGX_HTTP_GATE_PRIMARIES];
} ngx_http_gate_epochs_t;


/*
 * Was what tells of this epoch asked before this host learned of another one
 * of the server?  Then it may have been forgotten by now.
 */
ngx_uint_t ngx_http_gate_epochs_late(const ngx_http_gate_epochs_t *epochs,
    uint64_t server, uint64_t id, ngx_msec_t asked);

/*
 * The server was in this epoch when it was asked then.  1: it was not known,
 * and a new era has begun.
 */
ngx_uint_t ngx_http_gate_epochs_enter(ngx_http_gate_epochs_t *epochs,
    uint64_t server, uint64_t id, ngx_msec_t asked);

/* Is it the epoch that some server is in now? */
ngx_uint_t ngx_http_gate_epochs_current(const ngx_http_gate_epochs_t *epochs,
    uint64_t id);

/*
 * The server's epoch, which was entered, had so many marks when it was asked
 * then.  Returns the sum of all servers' with these.
 */
uint32_t ngx_http_gate_epochs_mark(ngx_http_gate_epochs_t *epochs,
    uint64_t server, uint32_t marks, ngx_msec_t asked);


#endif /* NGX_HTTP_GATE_EPOCHS_H_INCLUDED */
