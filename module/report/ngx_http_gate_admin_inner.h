/*
 * What the files of the administrators' interface share, and nobody else
 * includes.
 */


#ifndef NGX_HTTP_GATE_ADMIN_INNER_H_INCLUDED
#define NGX_HTTP_GATE_ADMIN_INNER_H_INCLUDED


#include "ngx_http_gate_admin.h"
#include "ngx_http_gate_answer.h"


/* rows of an answer, without and with "limit" */
#define NGX_HTTP_GATE_ADMIN_ROWS      50
#define NGX_HTTP_GATE_ADMIN_ROWS_MAX  1000


typedef struct ngx_http_gate_admin_ctx_s  ngx_http_gate_admin_ctx_t;

/*
 * Answers, and returns what to finalize the request with.  One that waits
 * holds the request (r->main->count) and returns NGX_DONE.
 */
typedef ngx_int_t (*ngx_http_gate_admin_pt)(ngx_http_gate_admin_ctx_t *ctx);


struct ngx_http_gate_admin_ctx_s {
    ngx_http_request_t      *request;
    ngx_http_gate_admin_t    admin;
    ngx_http_gate_admin_pt   handler;
    json_t                  *body;      /* of a change: an object */
    json_t                  *answer;    /* as far as it has been made */
};


/* Which node this is, and how its parts are. */
ngx_int_t ngx_http_gate_admin_state(ngx_http_gate_admin_ctx_t *ctx);

/*
 * An argument of the query, decoded.  NGX_DECLINED: it is not there.
 * NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_admin_argument(ngx_http_gate_admin_ctx_t *ctx,
    const char *name, ngx_str_t *value);

/*
 * A number of the query from 0 to "most", or "other" if it is not there.
 * NGX_DECLINED: it is none.
 */
ngx_int_t ngx_http_gate_admin_number(ngx_http_gate_admin_ctx_t *ctx,
    const char *name, ngx_uint_t other, ngx_uint_t most, ngx_uint_t *n);


#endif /* NGX_HTTP_GATE_ADMIN_INNER_H_INCLUDED */
