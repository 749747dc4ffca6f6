/*
 * The certificates that are registered: a file of SHA-256 fingerprints.
 */


#ifndef NGX_HTTP_GATE_FINGERPRINTS_H_INCLUDED
#define NGX_HTTP_GATE_FINGERPRINTS_H_INCLUDED


#include "gate_digests.h"
#include "ngx_http_gate_watch.h"


/* The watch of such a file; NULL: logged. */
ngx_http_gate_watch_t *ngx_http_gate_fingerprints_add(ngx_conf_t *cf,
    ngx_array_t *watches, ngx_str_t *file);

/* Is a certificate with this fingerprint registered, as the file is now? */
ngx_uint_t ngx_http_gate_fingerprints_have(const ngx_http_gate_watch_t *watch,
    const u_char digest[GATE_DIGEST]);

/* How many; NGX_DECLINED: the watch is of something else. */
ngx_int_t ngx_http_gate_fingerprints_tell(const ngx_http_gate_watch_t *watch,
    size_t *n);


#endif /* NGX_HTTP_GATE_FINGERPRINTS_H_INCLUDED */
