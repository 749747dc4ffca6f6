/*
 * The holds as this worker knows them: a copy of the register that is made
 * anew when its generation is another one.  To look is one load and a compare
 * as long as nobody is held.
 */


#ifndef NGX_HTTP_GATE_HOLDS_H_INCLUDED
#define NGX_HTTP_GATE_HOLDS_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>

#include "gate_extra.h"
#include "ngx_http_gate_zone.h"


/*
 * A hold was set, or changed (old is NULL, or the one before), or lifted (held
 * is NULL, or what is left of it, which says who lifted it): in one worker of
 * each host, once.  Both are gone after the call.  One that ends by itself is
 * not told, nor those that are there at the start.
 */
typedef void (*ngx_http_gate_held_pt)(void *data, const gate_held_t *held,
    const gate_held_t *old);


typedef struct {
    ngx_http_gate_zone_t     *zone;
    ngx_log_t                *log;
    ngx_uint_t                generation;   /* that the copy is of */
    ngx_uint_t                n;
    gate_held_t              *list;         /* by id */
    gate_held_t              *order;        /* as they are found */
    ngx_uint_t                extras;       /* of these: they are the last */
    u_char                   *text;
    ngx_http_gate_held_pt     handler;      /* NULL: nobody wants to know */
    void                     *data;
} ngx_http_gate_holds_t;


/*
 * Looks whether there is something new.  1: there is, and the copy is made.
 * tell: the handler is called for each that is another one.
 */
ngx_uint_t ngx_http_gate_holds_refresh(ngx_http_gate_holds_t *holds,
    ngx_uint_t tell);

/*
 * The strictest one, of what is known now, about one of these subjects; NULL:
 * none.  It is there until the next refresh.
 */
const gate_held_t *ngx_http_gate_holds_find(ngx_http_gate_holds_t *holds,
    const gate_text_t subjects[GATE_HELD_SUBJECTS]);

/*
 * What is known to be given beyond a quota, as gate_extra_find() tells it.
 */
uint64_t ngx_http_gate_holds_extra(ngx_http_gate_holds_t *holds,
    const gate_extra_t *extra, uint64_t *ends);

/* How many of the list hold somebody, or slow him. */
ngx_uint_t ngx_http_gate_holds_number(ngx_http_gate_holds_t *holds);

/* Frees the copy. */
void ngx_http_gate_holds_close(ngx_http_gate_holds_t *holds);


#endif /* NGX_HTTP_GATE_HOLDS_H_INCLUDED */
