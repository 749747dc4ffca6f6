/*
 * The register: the holds as this host knows them, in shared memory, as they
 * are written in Redis: one after the other, each with its id.
 *
 * Whoever looks takes no lock as long as the generation is the one that his
 * copy is of.  What is written goes where nobody reads, then that becomes what
 * is read, then the generation changes, and last the version: whoever dies in
 * between leaves the old register or the new one, and a version that has it
 * loaded again.
 */


#ifndef NGX_HTTP_GATE_REGISTER_H_INCLUDED
#define NGX_HTTP_GATE_REGISTER_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>

#include "gate_held.h"


/* what stands before each hold: the lengths of id and value */
#define NGX_HTTP_GATE_REGISTER_HEAD  4

/* bytes at most, of one copy */
#define NGX_HTTP_GATE_REGISTER_MAX   (512 * GATE_HELD_MAX)


/* of which state of Redis it is */

typedef struct {
    uint64_t                 epoch;
    uint64_t                 version;
} ngx_http_gate_edition_t;


typedef struct {
    ngx_atomic_t             generation;    /* 0: nobody has told it yet */
    ngx_http_gate_edition_t  edition;
    ngx_atomic_t             clock;     /* Redis' ms, less ours */
    ngx_atomic_t             number;    /* that are in force */
    ngx_atomic_t             version;   /* to be told: the edition's */
    ngx_atomic_t             said;      /* of which version, and 1: what is
                                           wrong with it */
    ngx_atomic_t             listener;  /* pid of who listens to Redis */
    ngx_atomic_t             listened;  /* ms, when it said so last */
    ngx_uint_t               current;
    size_t                   lens[2];
    u_char                  *texts[2];
    size_t                   size;      /* of one of them */
} ngx_http_gate_register_t;


/* Adds a hold; NULL: there is no room, or it is too long. */
u_char *ngx_http_gate_register_add(u_char *p, u_char *last,
    const ngx_str_t *id, const ngx_str_t *value);

/* The next one, and what is behind it; NULL: there is none. */
u_char *ngx_http_gate_register_next(u_char *p, u_char *last, ngx_str_t *id,
    ngx_str_t *value);


#endif /* NGX_HTTP_GATE_REGISTER_H_INCLUDED */
