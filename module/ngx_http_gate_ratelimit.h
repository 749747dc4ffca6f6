/*
 * The fields RateLimit-Policy and RateLimit of draft-ietf-httpapi-ratelimit-
 * headers-10: structured lists (RFC 9651) with an item for each quota.  They
 * tell what was copied when credit was taken, and cost no look at the zone.
 */


#ifndef NGX_HTTP_GATE_RATELIMIT_H_INCLUDED
#define NGX_HTTP_GATE_RATELIMIT_H_INCLUDED


#include "ngx_http_gate.h"


/*
 * Whether somebody in this configuration asks for the variables.  When it is
 * read.
 */
ngx_uint_t ngx_http_gate_ratelimit_asked(ngx_conf_t *cf);

/*
 * The value of either field, in r's pool; empty, which is no list: there is
 * nothing to tell.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_ratelimit_policy(ngx_http_request_t *r,
    ngx_str_t *value);
ngx_int_t ngx_http_gate_ratelimit(ngx_http_request_t *r, ngx_str_t *value);

/* Sets both fields of the response.  NGX_ERROR: no memory. */
ngx_int_t ngx_http_gate_ratelimit_send(ngx_http_request_t *r);


#endif /* NGX_HTTP_GATE_RATELIMIT_H_INCLUDED */
