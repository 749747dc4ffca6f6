/*
 * Reads the peer certificate of a TLS connection: the verification result
 * as OpenSSL and nginx give it, the chain, the validity, the names.  Does not
 * cache, knows no request.  Every text that comes out of here may be logged,
 * sent in a header and used as a key.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include "gate_time.h"
#include "ngx_http_gate_certificate.h"


/* who takes the names */

typedef struct {
    ngx_pool_t                   *pool;
    ngx_http_gate_certificate_t  *cert;
} ngx_http_gate_certificate_names_t;


static ngx_int_t ngx_http_gate_certificate_verify(ngx_connection_t *c,
    SSL_CTX *ctx, X509 *x509, ngx_http_gate_chain_t *chain,
    const char **error);
static ngx_int_t ngx_http_gate_certificate_fingerprint(ngx_pool_t *pool,
    X509 *x509, ngx_http_gate_certificate_t *cert);
static ngx_int_t ngx_http_gate_certificate_purposes(ngx_pool_t *pool,
    X509 *x509, ngx_http_gate_certificate_t *cert);
static void ngx_http_gate_certificate_key(X509 *x509,
    ngx_http_gate_certificate_t *cert);
static ngx_int_t ngx_http_gate_certificate_date(ngx_pool_t *pool, time_t sec,
    ngx_str_t *s);
static ngx_int_t ngx_http_gate_certificate_serial(ngx_pool_t *pool,
    X509 *x509, ngx_str_t *s);
static ngx_int_t ngx_http_gate_certificate_issuer(ngx_pool_t *pool,
    X509 *x509, ngx_str_t *s);
static ngx_int_t ngx_http_gate_certificate_copy(ngx_pool_t *pool,
    const u_char *data, size_t len, ngx_str_t *s);
static int ngx_http_gate_certificate_name(void *data, gate_name_e which,
    const u_char *text, size_t len);


ngx_int_t
ngx_http_gate_certificate_read(ngx_connection_t *c, SSL_CTX *ctx,
    ngx_http_gate_certificate_t *cert)
{
    X509        *x509;
    ngx_int_t    rc;
    const char  *error;

    ngx_memzero(cert, sizeof(ngx_http_gate_certificate_t));

    if (c->ssl == NULL) {
        return NGX_OK;
    }

    x509 = SSL_get_peer_certificate(c->ssl->connection);
    if (x509 == NULL) {
        return NGX_OK;
    }

    error = NULL;

    rc = ngx_http_gate_certificate_verify(c, ctx, x509, &cert->chain, &error);

    if (rc != NGX_ERROR) {
        rc = ngx_http_gate_certificate_fill(c->pool, x509, error, cert);
    }

    X509_free(x509);

    /* or nginx finds them in the queue later and takes them for its own */
    ERR_clear_error();

    return rc;
}


ngx_int_t
ngx_http_gate_certificate_fill(ngx_pool_t *pool, X509 *x509,
    const char *error, ngx_http_gate_certificate_t *cert)
{
    ngx_http_gate_certificate_names_t  names;

    cert->state = GATE_CERTIFICATE_INVALID;

    if (ngx_http_gate_certificate_fingerprint(pool, x509, cert) != NGX_OK) {
        return NGX_ERROR;
    }

    if (error) {
        cert->error = error;
        return NGX_OK;
    }

    if (gate_time_read(X509_get0_notBefore(x509), &cert->not_before) != 0
        || gate_time_read(X509_get0_notAfter(x509), &cert->not_after) != 0)
    {
        cert->error = "malformed validity";
        return NGX_OK;
    }

    if (ngx_http_gate_certificate_serial(pool, x509, &cert->serial)
        != NGX_OK
        || ngx_http_gate_certificate_issuer(pool, x509, &cert->issuer)
           != NGX_OK
        || ngx_http_gate_certificate_date(pool, cert->not_before,
                                          &cert->begin)
           != NGX_OK
        || ngx_http_gate_certificate_date(pool, cert->not_after,
                                          &cert->end)
           != NGX_OK
        || ngx_http_gate_certificate_purposes(pool, x509, cert) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_gate_certificate_key(x509, cert);

    names.pool = pool;
    names.cert = cert;

    if (gate_names_read(x509, ngx_http_gate_certificate_name, &names) != 0) {
        return NGX_ERROR;
    }

    cert->state = GATE_CERTIFICATE_VALID;

    return NGX_OK;
}


gate_certificate_e
ngx_http_gate_certificate_state(const ngx_http_gate_certificate_t *cert,
    time_t now)
{
    if (cert->state != GATE_CERTIFICATE_VALID) {
        return cert->state;
    }

    /* both ends belong to the validity, RFC 5280 4.1.2.5 */

    if (now < cert->not_before || now > cert->not_after
        || (cert->chain.certs
            && (now < cert->chain.begin || now > cert->chain.end)))
    {
        return GATE_CERTIFICATE_INVALID;
    }

    return GATE_CERTIFICATE_VALID;
}


/* NGX_DECLINED, and why: not verified, revoked by OCSP, or by others' CAs */

static ngx_int_t
ngx_http_gate_certificate_verify(ngx_connection_t *c, SSL_CTX *ctx,
    X509 *x509, ngx_http_gate_chain_t *chain, const char **error)
{
    long  rc;

    rc = SSL_get_verify_result(c->ssl->connection);
    if (rc != X509_V_OK) {
        *error = X509_verify_cert_error_string(rc);
        return NGX_DECLINED;
    }

    if (ngx_ssl_ocsp_get_status(c, error) != NGX_OK) {
        return NGX_DECLINED;
    }

    return ngx_http_gate_chain_read(c, ctx, x509, chain, error);
}


static ngx_int_t
ngx_http_gate_certificate_fingerprint(ngx_pool_t *pool, X509 *x509,
    ngx_http_gate_certificate_t *cert)
{
    ngx_str_t  *s;

    if (X509_digest(x509, EVP_sha256(), cert->digest, NULL) == 0) {
        return NGX_ERROR;
    }

    s = &cert->fingerprint;

    s->data = ngx_pnalloc(pool, 2 * GATE_DIGEST);
    if (s->data == NULL) {
        return NGX_ERROR;
    }

    s->len = ngx_hex_dump(s->data, cert->digest, GATE_DIGEST) - s->data;

    return NGX_OK;
}


/* RFC 3339 5.6; the year is one of four digits, RFC 5280 4.1.2.5 */

static ngx_int_t
ngx_http_gate_certificate_date(ngx_pool_t *pool, time_t sec, ngx_str_t *s)
{
    ngx_tm_t  tm;

    s->data = ngx_pnalloc(pool, sizeof("1970-09-28T12:00:00Z") - 1);
    if (s->data == NULL) {
        return NGX_ERROR;
    }

    ngx_gmtime(sec, &tm);

    s->len = ngx_sprintf(s->data, "%4d-%02d-%02dT%02d:%02d:%02dZ",
                         tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                         tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec)
             - s->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_certificate_serial(ngx_pool_t *pool, X509 *x509, ngx_str_t *s)
{
    BIO        *bio;
    char       *data;
    long        len;
    ngx_int_t   rc;

    bio = BIO_new(BIO_s_mem());
    if (bio == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_OK;

    if (i2a_ASN1_INTEGER(bio, X509_get0_serialNumber(x509)) > 0) {
        len = BIO_get_mem_data(bio, &data);

        /* OpenSSL breaks lines after 35 octets, RFC 5280 4.1.2.2 allows 20 */

        if (ngx_strlchr((u_char *) data, (u_char *) data + len, '\n')
            == NULL)
        {
            rc = ngx_http_gate_certificate_copy(pool, (u_char *) data, len, s);
        }
    }

    BIO_free(bio);

    return rc;
}


static ngx_int_t
ngx_http_gate_certificate_issuer(ngx_pool_t *pool, X509 *x509, ngx_str_t *s)
{
    BIO        *bio;
    char       *data;
    long        len;
    ngx_int_t   rc;

    bio = BIO_new(BIO_s_mem());
    if (bio == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_OK;

    /* these flags escape all but printable ASCII */

    if (X509_NAME_print_ex(bio, X509_get_issuer_name(x509), 0,
                           XN_FLAG_RFC2253)
        >= 0)
    {
        len = BIO_get_mem_data(bio, &data);
        rc = ngx_http_gate_certificate_copy(pool, (u_char *) data, len, s);
    }

    BIO_free(bio);

    return rc;
}


/* RFC 5280 4.2.1.12; without the extension it is for nothing in particular */

static ngx_int_t
ngx_http_gate_certificate_purposes(ngx_pool_t *pool, X509 *x509,
    ngx_http_gate_certificate_t *cert)
{
    int                  i, n;
    ngx_int_t            rc;
    const ASN1_OBJECT   *oid;
    EXTENDED_KEY_USAGE  *usages;

    usages = X509_get_ext_d2i(x509, NID_ext_key_usage, NULL, NULL);
    if (usages == NULL) {
        return NGX_OK;
    }

    rc = NGX_OK;
    n = sk_ASN1_OBJECT_num(usages);
    n = ngx_min(n, NGX_HTTP_GATE_CERTIFICATE_PURPOSES);

    for (i = 0; i < n && rc == NGX_OK; i++) {
        oid = sk_ASN1_OBJECT_value(usages, i);

        rc = ngx_http_gate_certificate_copy(pool, OBJ_get0_data(oid),
                                            OBJ_length(oid),
                                            &cert->purposes[i]);
        cert->npurposes++;
    }

    EXTENDED_KEY_USAGE_free(usages);

    return rc;
}


static void
ngx_http_gate_certificate_key(X509 *x509, ngx_http_gate_certificate_t *cert)
{
    EVP_PKEY  *key;

    key = X509_get0_pubkey(x509);
    if (key == NULL) {
        return;
    }

    cert->bits = EVP_PKEY_bits(key);

    switch (EVP_PKEY_base_id(key)) {

    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
        cert->key = GATE_KEY_RSA;
        break;

    case EVP_PKEY_EC:
    case EVP_PKEY_ED25519:
    case EVP_PKEY_ED448:
        cert->key = GATE_KEY_EC;
        break;

    default:
        cert->key = GATE_KEY_OTHER;
    }
}


static ngx_int_t
ngx_http_gate_certificate_copy(ngx_pool_t *pool, const u_char *data,
    size_t len, ngx_str_t *s)
{
    if (len == 0) {
        return NGX_OK;
    }

    s->data = ngx_pnalloc(pool, len);
    if (s->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(s->data, data, len);
    s->len = len;

    return NGX_OK;
}


static int
ngx_http_gate_certificate_name(void *data, gate_name_e which,
    const u_char *text, size_t len)
{
    ngx_http_gate_certificate_names_t *names = data;

    return ngx_http_gate_certificate_copy(names->pool, text, len,
                                          &names->cert->names[which])
           == NGX_OK ? 0 : -1;
}
