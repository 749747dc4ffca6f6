/*
 * The end of a request, in nginx's log phase: all is known of it then, and what
 * is told and counted of whole requests is told and counted here.  Credit is
 * given back afterwards, when the request's pool is freed.
 */


#ifndef NGX_HTTP_GATE_END_H_INCLUDED
#define NGX_HTTP_GATE_END_H_INCLUDED


#include "ngx_http_gate.h"


/* what ended: once for each policy that had judged it */

typedef struct {
    ngx_http_gate_ctx_t  *ctx;
    uint64_t              bytes;        /* of the body that left */
    ngx_uint_t            status;       /* as $status; 0: none was sent */
    unsigned              current:1;    /* it counts what the client got */
    unsigned              download:1;   /* passed, and a body was begun */
} ngx_http_gate_end_t;


/* The phase handler. */
ngx_int_t ngx_http_gate_end_handler(ngx_http_request_t *r);

/* A worker exits, and does not wait for this one to end. */
void ngx_http_gate_end_early(ngx_http_gate_ctx_t *ctx);


#endif /* NGX_HTTP_GATE_END_H_INCLUDED */
