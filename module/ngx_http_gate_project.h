/*
 * "project" and "require": what is asked for, and who may have it as tables of
 * nginx.conf say.
 */


#ifndef NGX_HTTP_GATE_PROJECT_H_INCLUDED
#define NGX_HTTP_GATE_PROJECT_H_INCLUDED


#include "ngx_http_gate.h"


/* A "require" line; conf is the policy. */
char *ngx_http_gate_project_require(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * Evaluates them for a request whose user is known: ctx->project,
 * ctx->document and ctx->facts.denied.  NGX_ERROR: no memory.  Never waits.
 */
ngx_int_t ngx_http_gate_project_facts(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);


#endif /* NGX_HTTP_GATE_PROJECT_H_INCLUDED */
