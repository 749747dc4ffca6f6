/*
 * "identity_header": what the backend is told of who asks, and of nobody but
 * the gate.
 */


#ifndef NGX_HTTP_GATE_IDENTITY_H_INCLUDED
#define NGX_HTTP_GATE_IDENTITY_H_INCLUDED


#include "ngx_http_gate.h"


/* An "identity_header" line; conf is the policy. */
char *ngx_http_gate_identity_conf(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * Takes out of r's headers what the client has sent under the names of ctx's
 * policy, in any spelling, and puts in the policy's values; of a request that
 * was refused, none.  To be called each time r comes to the policy.  NGX_ERROR:
 * no memory; r must not go on then.  Never waits.
 */
ngx_int_t ngx_http_gate_identity_set(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);


#endif /* NGX_HTTP_GATE_IDENTITY_H_INCLUDED */
