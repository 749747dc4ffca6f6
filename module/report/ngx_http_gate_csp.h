/*
 * What a page that is built in allows itself: the hashes of its own style and
 * script, made of what is really sent, so that the two cannot differ.
 */


#ifndef NGX_HTTP_GATE_CSP_H_INCLUDED
#define NGX_HTTP_GATE_CSP_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * The hash of what stands between the first <tag> and its </tag>, as
 * "sha256-...", from the pool (CSP 3, 2.3.1).  NGX_ERROR: no memory, or logged
 * that there is no such tag.
 */
ngx_int_t ngx_http_gate_csp_hash(ngx_conf_t *cf, const ngx_str_t *html,
    const char *tag, ngx_str_t *hash);


#endif /* NGX_HTTP_GATE_CSP_H_INCLUDED */
