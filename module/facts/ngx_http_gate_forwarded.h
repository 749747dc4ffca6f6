/*
 * The room of certificates that others hand on: a load balancer that ends TLS
 * says in a header what its client has shown.  That the client has the key the
 * balancer alone can know; all else is looked at here.
 */


#ifndef NGX_HTTP_GATE_FORWARDED_H_INCLUDED
#define NGX_HTTP_GATE_FORWARDED_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_gate_certificate.h"


/* texts of one certificate: its own, and lines of its chain */
#define NGX_HTTP_GATE_FORWARDED_TEXTS  9


typedef struct ngx_http_gate_forwarded_cache_s
    ngx_http_gate_forwarded_cache_t;


typedef struct {
    ngx_http_gate_certificate_t       certificate;  /* VALID or INVALID */

    /* of the room: */

    ngx_http_gate_forwarded_cache_t  *cache;
    ngx_pool_t                       *pool;
    ngx_queue_t                       used;     /* the latest first */
    ngx_queue_t                       alike;    /* of the same slot */
    ngx_uint_t                        refs;
    ngx_uint_t                        ntexts;
    ngx_str_t                         texts[NGX_HTTP_GATE_FORWARDED_TEXTS];
    uint32_t                          hash;     /* of them */
    time_t                            until;    /* then looked at anew */
} ngx_http_gate_forwarded_t;


/*
 * A cache for certificates that are verified by the CAs of the PEM file "ca".
 * It is freed with cf->pool.  NULL: logged.
 */
ngx_http_gate_forwarded_cache_t *ngx_http_gate_forwarded_create(
    ngx_conf_t *cf, ngx_str_t *ca);

/*
 * The certificate that "texts" are of: read and verified, or found in the
 * cache.  It stays as it is until it is released.  "now": seconds since the
 * epoch; its state is still to be asked for.  NULL: no memory.  Never waits.
 */
ngx_http_gate_forwarded_t *ngx_http_gate_forwarded_get(
    ngx_http_gate_forwarded_cache_t *cache, const ngx_str_t *texts,
    ngx_uint_t n, time_t now);

void ngx_http_gate_forwarded_release(ngx_http_gate_forwarded_t *forwarded);

/* The CAs. */
X509_STORE *ngx_http_gate_forwarded_store(
    const ngx_http_gate_forwarded_cache_t *cache);


#endif /* NGX_HTTP_GATE_FORWARDED_H_INCLUDED */
