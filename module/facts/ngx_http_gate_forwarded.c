/*
 * A balancer mixes its users on a few connections, so what was verified is kept
 * by the text of its header, for a worker, and not by connection.  The one that
 * was unused longest makes room.  One that did not verify is kept at that end:
 * whoever sends many of them does not drive out the others.
 */


#include "ngx_http_gate_forwarded.h"

#include <openssl/err.h>
#include "gate_client_cert.h"


#define NGX_HTTP_GATE_FORWARDED_MAX    256
#define NGX_HTTP_GATE_FORWARDED_SLOTS  256

/* seconds until one that did not verify is looked at anew */
#define NGX_HTTP_GATE_FORWARDED_AGAIN  10

/* OpenSSL's security level of the signatures: 112 bits, RSA from 2048 */
#define NGX_HTTP_GATE_FORWARDED_LEVEL  2


struct ngx_http_gate_forwarded_cache_s {
    X509_STORE   *store;
    ngx_uint_t    n;
    ngx_queue_t   used;
    ngx_queue_t   slots[NGX_HTTP_GATE_FORWARDED_SLOTS];
};


static void ngx_http_gate_forwarded_cleanup(void *data);
static uint32_t ngx_http_gate_forwarded_hash(const ngx_str_t *texts,
    ngx_uint_t n);
static ngx_http_gate_forwarded_t *ngx_http_gate_forwarded_find(
    ngx_http_gate_forwarded_cache_t *cache, const ngx_str_t *texts,
    ngx_uint_t n, uint32_t hash);
static ngx_http_gate_forwarded_t *ngx_http_gate_forwarded_make(
    const ngx_http_gate_forwarded_cache_t *cache, const ngx_str_t *texts,
    ngx_uint_t n, time_t now);
static ngx_int_t ngx_http_gate_forwarded_copy(
    ngx_http_gate_forwarded_t *forwarded, const ngx_str_t *texts,
    ngx_uint_t n);
static ngx_int_t ngx_http_gate_forwarded_read(X509_STORE *store,
    ngx_http_gate_forwarded_t *forwarded);
static ngx_int_t ngx_http_gate_forwarded_decode(gate_client_cert_t *certs,
    const ngx_http_gate_forwarded_t *forwarded, const char **error);
static ngx_int_t ngx_http_gate_forwarded_verify(X509_STORE *store,
    const gate_client_cert_t *certs, ngx_http_gate_forwarded_t *forwarded);
static X509 *ngx_http_gate_forwarded_x509(const gate_client_cert_der_t *der);
static STACK_OF(X509) *ngx_http_gate_forwarded_others(
    const gate_client_cert_t *certs, const char **error);
static void ngx_http_gate_forwarded_keep(
    ngx_http_gate_forwarded_cache_t *cache,
    ngx_http_gate_forwarded_t *forwarded);
static void ngx_http_gate_forwarded_forget(
    ngx_http_gate_forwarded_t *forwarded);


ngx_http_gate_forwarded_cache_t *
ngx_http_gate_forwarded_create(ngx_conf_t *cf, ngx_str_t *ca)
{
    ngx_uint_t                        i;
    const char                       *reason;
    ngx_pool_cleanup_t               *cln;
    ngx_http_gate_forwarded_cache_t  *cache;

    cache = ngx_pcalloc(cf->pool, sizeof(ngx_http_gate_forwarded_cache_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (cache == NULL || cln == NULL
        || ngx_conf_full_name(cf->cycle, ca, 1) != NGX_OK)
    {
        return NULL;
    }

    ngx_queue_init(&cache->used);

    for (i = 0; i < NGX_HTTP_GATE_FORWARDED_SLOTS; i++) {
        ngx_queue_init(&cache->slots[i]);
    }

    cache->store = X509_STORE_new();
    if (cache->store == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_gate_forwarded_cleanup;
    cln->data = cache;

    if (X509_STORE_load_locations(cache->store, (char *) ca->data, NULL) == 0) {
        reason = ERR_reason_error_string(ERR_peek_error());
        ERR_clear_error();

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no certificates of CAs could be read from "
                           "\"%V\": %s", ca, reason ? reason : "unknown");
        return NULL;
    }

    return cache;
}


static void
ngx_http_gate_forwarded_cleanup(void *data)
{
    ngx_http_gate_forwarded_cache_t *cache = data;

    while (!ngx_queue_empty(&cache->used)) {
        ngx_http_gate_forwarded_forget(
                                 ngx_queue_data(ngx_queue_head(&cache->used),
                                                ngx_http_gate_forwarded_t,
                                                used));
    }

    X509_STORE_free(cache->store);
}


X509_STORE *
ngx_http_gate_forwarded_store(const ngx_http_gate_forwarded_cache_t *cache)
{
    return cache->store;
}


ngx_http_gate_forwarded_t *
ngx_http_gate_forwarded_get(ngx_http_gate_forwarded_cache_t *cache,
    const ngx_str_t *texts, ngx_uint_t n, time_t now)
{
    uint32_t                    hash;
    ngx_http_gate_forwarded_t  *forwarded;

    hash = ngx_http_gate_forwarded_hash(texts, n);
    forwarded = ngx_http_gate_forwarded_find(cache, texts, n, hash);

    if (forwarded && now > forwarded->until) {
        ngx_http_gate_forwarded_forget(forwarded);
        forwarded = NULL;
    }

    if (forwarded == NULL) {
        forwarded = ngx_http_gate_forwarded_make(cache, texts, n, now);
        if (forwarded == NULL) {
            return NULL;
        }

        forwarded->hash = hash;
        ngx_http_gate_forwarded_keep(cache, forwarded);

    } else if (forwarded->certificate.state == GATE_CERTIFICATE_VALID) {
        ngx_queue_remove(&forwarded->used);
        ngx_queue_insert_head(&cache->used, &forwarded->used);
    }

    forwarded->refs++;

    return forwarded;
}


void
ngx_http_gate_forwarded_release(ngx_http_gate_forwarded_t *forwarded)
{
    if (--forwarded->refs == 0) {
        ngx_destroy_pool(forwarded->pool);
    }
}


static uint32_t
ngx_http_gate_forwarded_hash(const ngx_str_t *texts, ngx_uint_t n)
{
    uint32_t    hash;
    ngx_uint_t  i;

    ngx_crc32_init(hash);

    for (i = 0; i < n; i++) {
        ngx_crc32_update(&hash, texts[i].data, texts[i].len);
    }

    ngx_crc32_final(hash);

    return hash;
}


static ngx_http_gate_forwarded_t *
ngx_http_gate_forwarded_find(ngx_http_gate_forwarded_cache_t *cache,
    const ngx_str_t *texts, ngx_uint_t n, uint32_t hash)
{
    ngx_uint_t                  i;
    ngx_queue_t                *q, *slot;
    ngx_http_gate_forwarded_t  *forwarded;

    slot = &cache->slots[hash % NGX_HTTP_GATE_FORWARDED_SLOTS];

    for (q = ngx_queue_head(slot);
         q != ngx_queue_sentinel(slot);
         q = ngx_queue_next(q))
    {
        forwarded = ngx_queue_data(q, ngx_http_gate_forwarded_t, alike);

        if (forwarded->hash != hash || forwarded->ntexts != n) {
            continue;
        }

        for (i = 0; i < n; i++) {
            if (forwarded->texts[i].len != texts[i].len
                || ngx_memcmp(forwarded->texts[i].data, texts[i].data,
                              texts[i].len)
                   != 0)
            {
                break;
            }
        }

        if (i == n) {
            return forwarded;
        }
    }

    return NULL;
}


static ngx_http_gate_forwarded_t *
ngx_http_gate_forwarded_make(const ngx_http_gate_forwarded_cache_t *cache,
    const ngx_str_t *texts, ngx_uint_t n, time_t now)
{
    ngx_int_t                   rc;
    ngx_pool_t                 *pool;
    ngx_http_gate_forwarded_t  *forwarded;

    pool = ngx_create_pool(4096, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    forwarded = ngx_pcalloc(pool, sizeof(ngx_http_gate_forwarded_t));
    rc = NGX_ERROR;

    if (forwarded) {
        forwarded->pool = pool;
        rc = ngx_http_gate_forwarded_copy(forwarded, texts, n);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_gate_forwarded_read(cache->store, forwarded);
    }

    /* or nginx finds them in the queue later and takes them for its own */
    ERR_clear_error();

    if (rc != NGX_OK) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    forwarded->until = forwarded->certificate.state == GATE_CERTIFICATE_VALID
                       ? forwarded->certificate.chain.end
                       : now + NGX_HTTP_GATE_FORWARDED_AGAIN;

    return forwarded;
}


static ngx_int_t
ngx_http_gate_forwarded_copy(ngx_http_gate_forwarded_t *forwarded,
    const ngx_str_t *texts, ngx_uint_t n)
{
    ngx_uint_t  i;

    forwarded->ntexts = n;

    for (i = 0; i < n; i++) {
        forwarded->texts[i].len = texts[i].len;
        forwarded->texts[i].data = ngx_pstrdup(forwarded->pool,
                                               (ngx_str_t *) &texts[i]);

        if (forwarded->texts[i].data == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* into forwarded->certificate; NGX_ERROR: no memory */

static ngx_int_t
ngx_http_gate_forwarded_read(X509_STORE *store,
    ngx_http_gate_forwarded_t *forwarded)
{
    u_char              *room;
    size_t               size;
    ngx_int_t            rc;
    ngx_uint_t           i;
    gate_client_cert_t   certs;

    size = 1;

    for (i = 0; i < forwarded->ntexts; i++) {
        size += forwarded->texts[i].len;
    }

    forwarded->certificate.state = GATE_CERTIFICATE_INVALID;

    room = ngx_alloc(ngx_min(size, GATE_CLIENT_CERT_MAX), ngx_cycle->log);
    if (room == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&certs, sizeof(gate_client_cert_t));
    certs.pos = room;

    rc = ngx_http_gate_forwarded_decode(&certs, forwarded,
                                        &forwarded->certificate.error);

    if (rc == NGX_OK) {
        rc = ngx_http_gate_forwarded_verify(store, &certs, forwarded);
    }

    ngx_free(room);

    return rc == NGX_ERROR ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_http_gate_forwarded_decode(gate_client_cert_t *certs,
    const ngx_http_gate_forwarded_t *forwarded, const char **error)
{
    int               rc;
    ngx_uint_t        i;
    const ngx_str_t  *text;

    text = forwarded->texts;
    rc = gate_client_cert_read(certs, text[0].data,
                               text[0].data + text[0].len);

    for (i = 1; i < forwarded->ntexts && rc == 0; i++) {
        rc = gate_client_cert_read_chain(certs, text[i].data,
                                         text[i].data + text[i].len);
    }

    if (rc) {
        *error = gate_client_cert_error(rc);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_forwarded_verify(X509_STORE *store,
    const gate_client_cert_t *certs, ngx_http_gate_forwarded_t *forwarded)
{
    X509                         *x509;
    ngx_int_t                     rc;
    const char                   *error;
    STACK_OF(X509)               *others;
    ngx_http_gate_certificate_t  *cert;

    cert = &forwarded->certificate;
    error = NULL;

    x509 = ngx_http_gate_forwarded_x509(&certs->der[0]);
    if (x509 == NULL) {
        cert->error = "the certificate header holds no certificate";
        return NGX_DECLINED;
    }

    others = ngx_http_gate_forwarded_others(certs, &error);
    rc = others ? NGX_OK : error ? NGX_DECLINED : NGX_ERROR;

    if (rc == NGX_OK) {
        rc = ngx_http_gate_chain_verify(forwarded->pool, store, NULL,
                                        NGX_HTTP_GATE_FORWARDED_LEVEL, x509,
                                        others, &cert->chain, &error);
    }

    if (rc != NGX_ERROR) {
        rc = ngx_http_gate_certificate_fill(forwarded->pool, x509, error,
                                            cert);
    }

    sk_X509_pop_free(others, X509_free);
    X509_free(x509);

    return rc;
}


/* nothing may follow it */

static X509 *
ngx_http_gate_forwarded_x509(const gate_client_cert_der_t *der)
{
    X509          *x509;
    const u_char  *p;

    p = der->data;
    x509 = d2i_X509(NULL, &p, (long) der->len);

    if (x509 && p != der->data + der->len) {
        X509_free(x509);
        return NULL;
    }

    return x509;
}


static STACK_OF(X509) *
ngx_http_gate_forwarded_others(const gate_client_cert_t *certs,
    const char **error)
{
    X509            *x509;
    unsigned         i;
    STACK_OF(X509)  *others;

    others = sk_X509_new_null();
    if (others == NULL) {
        return NULL;
    }

    for (i = 1; i < certs->n; i++) {
        x509 = ngx_http_gate_forwarded_x509(&certs->der[i]);

        if (x509 == NULL) {
            *error = "the chain of the certificate header holds what is no "
                     "certificate";
            sk_X509_pop_free(others, X509_free);
            return NULL;
        }

        if (sk_X509_push(others, x509) == 0) {
            X509_free(x509);
            sk_X509_pop_free(others, X509_free);
            return NULL;
        }
    }

    return others;
}


static void
ngx_http_gate_forwarded_keep(ngx_http_gate_forwarded_cache_t *cache,
    ngx_http_gate_forwarded_t *forwarded)
{
    if (cache->n == NGX_HTTP_GATE_FORWARDED_MAX) {
        ngx_http_gate_forwarded_forget(
                                 ngx_queue_data(ngx_queue_last(&cache->used),
                                                ngx_http_gate_forwarded_t,
                                                used));
    }

    forwarded->cache = cache;
    forwarded->refs++;
    cache->n++;

    ngx_queue_insert_head(&cache->slots[forwarded->hash
                                        % NGX_HTTP_GATE_FORWARDED_SLOTS],
                          &forwarded->alike);

    if (forwarded->certificate.state == GATE_CERTIFICATE_VALID) {
        ngx_queue_insert_head(&cache->used, &forwarded->used);

    } else {
        ngx_queue_insert_tail(&cache->used, &forwarded->used);
    }
}


/* it lives on for those who still have it */

static void
ngx_http_gate_forwarded_forget(ngx_http_gate_forwarded_t *forwarded)
{
    ngx_queue_remove(&forwarded->used);
    ngx_queue_remove(&forwarded->alike);

    forwarded->cache->n--;

    ngx_http_gate_forwarded_release(forwarded);
}
