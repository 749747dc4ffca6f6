/*
 * The last gate: no response of a gated location leaves that nobody judged.
 */


#ifndef NGX_HTTP_GATE_LAST_H_INCLUDED
#define NGX_HTTP_GATE_LAST_H_INCLUDED


#include "ngx_http_gate.h"


/*
 * Judges, before its header is sent, a request that was answered before the
 * phase of the gate, as "return" does.  NGX_OK: it passes, or was judged, or
 * there is no gate.  NGX_DECLINED: it is refused; the verdict is in *ctx.
 * NGX_AGAIN: the ledger has been asked, and *ctx->resume is to be set by who
 * may wait, who then calls again; with "wait" 0 that is a refusal instead, in
 * *ctx.  NGX_ERROR.
 */
ngx_int_t ngx_http_gate_last_judge(ngx_http_request_t *r, ngx_uint_t wait,
    ngx_http_gate_ctx_t **ctx);

/*
 * Was it refused by nginx before any phase, where there is a gate?  *reason:
 * for its certificate, or for none of ours, as one that is malformed.  Of a
 * request that has ended, or is being answered.
 */
ngx_uint_t ngx_http_gate_last_early(ngx_http_request_t *r,
    gate_reason_e *reason);


#endif /* NGX_HTTP_GATE_LAST_H_INCLUDED */
