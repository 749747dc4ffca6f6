/*
 * What one request adds to the usage of its user and project: the bytes of
 * the response, as they leave; at its end itself, and its document.  Each byte
 * and each request is counted once, for the policy that the main request has
 * come to; and only if that policy knows the user.
 */


#ifndef NGX_HTTP_GATE_TALLY_H_INCLUDED
#define NGX_HTTP_GATE_TALLY_H_INCLUDED


#include "ngx_http_gate.h"


/* Does some policy have usage that is written down?  Sets gmcf->usage. */
void ngx_http_gate_tally_init(ngx_http_gate_main_conf_t *gmcf);

/* Names user and project, before credit is taken.  NGX_ERROR: no memory. */
ngx_int_t ngx_http_gate_tally_open(ngx_http_gate_ctx_t *ctx);

/* What is to have a row with the credit that is taken; NULL: nothing. */
ngx_http_gate_usage_t *ngx_http_gate_tally_usage(ngx_http_gate_ctx_t *ctx);

/* It passed: what it adds has a row, and it a document. */
void ngx_http_gate_tally_pass(ngx_http_gate_ctx_t *ctx);

/* Bytes leave; of a subrequest, if it is not NULL, which has its own policy. */
void ngx_http_gate_tally_add(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_ctx_t *added, uint64_t bytes);

/*
 * It is over, and so many bytes have left.  What it adds is counted when its
 * credit is given back; by _close() if it has none.
 */
void ngx_http_gate_tally_end(ngx_http_gate_ctx_t *ctx, uint64_t left);
void ngx_http_gate_tally_close(ngx_http_gate_ctx_t *ctx);


#endif /* NGX_HTTP_GATE_TALLY_H_INCLUDED */
