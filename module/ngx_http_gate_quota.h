/*
 * What a request takes of its quotas: all of them or none.  This is the only
 * place where a request waits: for one answer of the ledger at a time.
 */


#ifndef NGX_HTTP_GATE_QUOTA_H_INCLUDED
#define NGX_HTTP_GATE_QUOTA_H_INCLUDED


#include "ngx_http_gate.h"


/*
 * Names the accounts of ctx->user, and of the keys that quotas have of their
 * own, and evaluates their limits.  An empty key is an unknown user.  A limit
 * that is no number is logged and makes the judge say
 * "unavailable".  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_quota_open(ngx_http_gate_ctx_t *ctx);

/* Names the document that they may count, once somebody may pass. */
void ngx_http_gate_quota_document(ngx_http_gate_ctx_t *ctx);

/*
 * Takes what is missing so that so many units can be used.  NGX_OK: they are
 * held (in a dry run they always are; ctx->verdict tells what would have
 * been).  NGX_DECLINED: refused, ctx->verdict says why.  NGX_AGAIN:
 * ctx->resume will be called once, then call again with the same units.
 * NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_quota_take(ngx_http_gate_ctx_t *ctx, uint64_t bytes,
    uint64_t requests);

/* Has credit drawn for the next request.  Documents cannot be.  Never waits. */
void ngx_http_gate_quota_ahead(ngx_http_gate_ctx_t *ctx);

/* The name of the quota that refused, empty if it was another reason. */
const ngx_str_t *ngx_http_gate_quota_name(ngx_http_gate_ctx_t *ctx);

/* Counts bytes that have left already, whatever the limit. */
void ngx_http_gate_quota_owe(ngx_http_gate_ctx_t *ctx, uint64_t bytes);

/* Bytes that can be used without taking more: held and in time. */
uint64_t ngx_http_gate_quota_held(ngx_http_gate_ctx_t *ctx);

/* Uses what is held. */
void ngx_http_gate_quota_use(ngx_http_gate_ctx_t *ctx, uint64_t bytes,
    uint64_t requests);

/* Takes back a use: those bytes did not leave. */
void ngx_http_gate_quota_unuse(ngx_http_gate_ctx_t *ctx, uint64_t bytes,
    uint64_t requests);

/* Waits no longer and gives back what is held and not used. */
void ngx_http_gate_quota_close(ngx_http_gate_ctx_t *ctx);


#endif /* NGX_HTTP_GATE_QUOTA_H_INCLUDED */
