/*
 * The access decision: gathers the facts of a request, has them judged, waits
 * at most for the ledger, and lets the request go on or refuses it.
 *
 * It runs at the end of nginx's preaccess phase, not in the access phase: what
 * is there can be overruled by "satisfy any" and is skipped for subrequests.
 */


#ifndef NGX_HTTP_GATE_ACCESS_H_INCLUDED
#define NGX_HTTP_GATE_ACCESS_H_INCLUDED


#include "ngx_http_gate.h"


/* The phase handler.  NGX_DECLINED: go on; NGX_AGAIN: waits; or a status. */
ngx_int_t ngx_http_gate_access_handler(ngx_http_request_t *r);

/*
 * The first ctx of the main request of r; NULL: no policy was applied.  Found
 * also after an internal redirect has cleared the module's own place.
 */
ngx_http_gate_ctx_t *ngx_http_gate_access_first(ngx_http_request_t *r);

/* The policy that the main request of r has come to; NULL: none. */
ngx_http_gate_ctx_t *ngx_http_gate_access_ctx(ngx_http_request_t *r);

/*
 * The one that r itself stands under: that of the main request, of a subrequest
 * in another place, or the one whose facts are being gathered.
 */
ngx_http_gate_ctx_t *ngx_http_gate_access_own(ngx_http_request_t *r);

/*
 * What a policy has to do with r: it judges a main request once, or once for
 * each request that waits at a time.  NULL: nothing.
 */
ngx_http_gate_ctx_t *ngx_http_gate_access_find(ngx_http_request_t *r,
    ngx_http_gate_policy_t *policy);

/*
 * Makes ctx->verdict a refusal: logs it, once, sets Retry-After, and returns
 * the status to finalize the request with.
 */
ngx_int_t ngx_http_gate_access_refuse(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);


/* Logs, once, that ctx->verdict would have been a refusal. */
void ngx_http_gate_access_note(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);


#endif /* NGX_HTTP_GATE_ACCESS_H_INCLUDED */
