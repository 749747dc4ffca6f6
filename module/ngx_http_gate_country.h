/*
 * The rules of geography of a policy: read from nginx.conf, and for each
 * request what its judge has to know.
 */


#ifndef NGX_HTTP_GATE_COUNTRY_H_INCLUDED
#define NGX_HTTP_GATE_COUNTRY_H_INCLUDED


#include "ngx_http_gate.h"


/* A policy without such rules. */
ngx_int_t ngx_http_gate_country_create(ngx_conf_t *cf,
    ngx_http_gate_policy_t *policy);

/*
 * "allow_country", "deny_country" and "usual_country", by cmd->offset, and
 * "allow_network".
 */
char *ngx_http_gate_country_conf(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_gate_country_network(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* All words of the policy were read: its lists become its rules. */
void ngx_http_gate_country_rules(ngx_http_gate_policy_t *policy);

/* Have the databases (NULL: none) what the policy asks?  NGX_ERROR: logged. */
ngx_int_t ngx_http_gate_country_check(ngx_conf_t *cf,
    ngx_http_gate_policy_t *policy, ngx_http_gate_geo_t *geo);

/*
 * Where the request is from, and which countries its user has of his own: into
 * ctx->facts, once ctx->user is known.  A list that is none is logged, and a
 * fact.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_country_facts(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);


#endif /* NGX_HTTP_GATE_COUNTRY_H_INCLUDED */
