/*
 * Networks that hide who uses them: the words of a policy.  What is true of an
 * address is the databases', what follows the judge's.
 */


#ifndef NGX_HTTP_GATE_ANONYMOUS_H_INCLUDED
#define NGX_HTTP_GATE_ANONYMOUS_H_INCLUDED


#include "ngx_http_gate.h"


/* "anonymous_network" */
char *ngx_http_gate_anonymous_conf(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* Does a database (NULL: none) know such networks?  NGX_ERROR: logged. */
ngx_int_t ngx_http_gate_anonymous_check(ngx_conf_t *cf,
    ngx_http_gate_policy_t *policy, ngx_http_gate_geo_t *geo);


#endif /* NGX_HTTP_GATE_ANONYMOUS_H_INCLUDED */
