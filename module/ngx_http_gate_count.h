/*
 * What one request adds to the counters of its host, which gate_metrics tells:
 * itself, when it is over, and the bytes of the response once they have left.
 * A byte is counted once, for the policy that the main request has come to.
 */


#ifndef NGX_HTTP_GATE_COUNT_H_INCLUDED
#define NGX_HTTP_GATE_COUNT_H_INCLUDED


#include "ngx_http_gate.h"


/* Gives each policy its place among the counters; the zone is there. */
void ngx_http_gate_count_init(ngx_http_gate_main_conf_t *gmcf);

/* So many bytes have left so far. */
void ngx_http_gate_count_left(ngx_http_gate_ctx_t *ctx, uint64_t left);

/* It is over: what passed may have been cut. */
void ngx_http_gate_count_end(ngx_http_gate_ctx_t *ctx, uint64_t left);

/* What it took of a quota came to 80, or 100, %. */
void ngx_http_gate_count_level(ngx_http_gate_ctx_t *ctx,
    const ngx_http_gate_quota_t *quota, ngx_uint_t level);

/* nginx itself refused it before any phase, for its certificate. */
void ngx_http_gate_count_early(ngx_http_request_t *r);


#endif /* NGX_HTTP_GATE_COUNT_H_INCLUDED */
