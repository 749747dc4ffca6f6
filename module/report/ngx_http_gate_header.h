/*
 * A header that is added to a response, in the form that this nginx has.
 */


#ifndef NGX_HTTP_GATE_HEADER_H_INCLUDED
#define NGX_HTTP_GATE_HEADER_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Adds it; both texts stay as long as the request, and name ends with a zero.
 * NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_header_add(ngx_http_request_t *r, const char *name,
    const void *value, size_t len);


#endif /* NGX_HTTP_GATE_HEADER_H_INCLUDED */
