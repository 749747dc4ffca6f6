/*
 * Journeys: the words of a policy, and for a request whether its user can have
 * come from where he was last.  A request may wait here, for one answer at a
 * time.
 */


#ifndef NGX_HTTP_GATE_JOURNEY_H_INCLUDED
#define NGX_HTTP_GATE_JOURNEY_H_INCLUDED


#include "ngx_http_gate.h"


/* "max_speed" */
char *ngx_http_gate_journey_conf(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* All words of the policy were read: do they fit?  NGX_ERROR: logged. */
ngx_int_t ngx_http_gate_journey_complete(ngx_conf_t *cf,
    ngx_http_gate_policy_t *policy);

/*
 * Are there databases (NULL: none) that know places, and a Redis (NULL: none)
 * to keep them?  NGX_ERROR: logged.
 */
ngx_int_t ngx_http_gate_journey_check(ngx_conf_t *cf,
    ngx_http_gate_policy_t *policy, ngx_http_gate_geo_t *geo,
    ngx_http_gate_redis_conf_t *redis);

/*
 * Finds out ctx->facts.journey, which is not GATE_JOURNEY_IMPOSSIBLE only if
 * it is written by now that the user was last where he is, or near there.
 * NGX_OK: it is known, or known to be out of reach.  NGX_AGAIN: ctx->resume
 * will be called once, it is known then.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_journey_ask(ngx_http_gate_ctx_t *ctx);


#endif /* NGX_HTTP_GATE_JOURNEY_H_INCLUDED */
