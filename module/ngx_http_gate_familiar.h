/*
 * Unusual countries: the words of a policy, and for a request what the ledger
 * knows of its user there.  A request may wait here, once, for one answer.
 */


#ifndef NGX_HTTP_GATE_FAMILIAR_H_INCLUDED
#define NGX_HTTP_GATE_FAMILIAR_H_INCLUDED


#include "ngx_http_gate.h"


/* "unusual_country" */
char *ngx_http_gate_familiar_conf(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* All words of the policy were read: do they fit?  NGX_ERROR: logged. */
ngx_int_t ngx_http_gate_familiar_complete(ngx_conf_t *cf,
    ngx_http_gate_policy_t *policy);

/* Is there a Redis (NULL: none) to keep what it needs?  NGX_ERROR: logged. */
ngx_int_t ngx_http_gate_familiar_check(ngx_conf_t *cf,
    ngx_http_gate_policy_t *policy, ngx_http_gate_redis_conf_t *redis);

/*
 * Finds out ctx->facts.familiar.  NGX_OK: it is known, or known to be out of
 * reach.  NGX_AGAIN: ctx->resume will be called once, it is known then.
 * NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_familiar_ask(ngx_http_gate_ctx_t *ctx);

/*
 * The request passes: tells the ledger, if it does not know yet, that the user
 * is there today.  Never waits.
 */
void ngx_http_gate_familiar_pass(ngx_http_gate_ctx_t *ctx);

/* Waits no longer. */
void ngx_http_gate_familiar_close(ngx_http_gate_ctx_t *ctx);


#endif /* NGX_HTTP_GATE_FAMILIAR_H_INCLUDED */
