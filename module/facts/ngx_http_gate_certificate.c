/*
 * Reads the peer certificate of a TLS connection: the verification result
 * as OpenSSL and nginx give it, the validity, the names.  Does not verify
 * again, does not cache, knows no request.
 *
 * Whoever asks a careless CA for a certificate chooses its names, so they
 * are taken for hostile: what is not a plain, short, printable text is no
 * name at all, and never a shortened or cleaned one.  A name that comes out
 * of here may be logged, sent in a header and used as a key.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include "ngx_http_gate_certificate.h"


#define NGX_HTTP_GATE_CERTIFICATE_NAME_MAX   255         /* bytes */
#define NGX_HTTP_GATE_CERTIFICATE_BAD_UTF8   0xffffffff


static ngx_int_t ngx_http_gate_certificate_fill(ngx_connection_t *c,
    X509 *x509, ngx_http_gate_certificate_t *cert);
static const char *ngx_http_gate_certificate_verify(ngx_connection_t *c);
static ngx_int_t ngx_http_gate_certificate_fingerprint(ngx_pool_t *pool,
    X509 *x509, ngx_str_t *s);
static ngx_int_t ngx_http_gate_certificate_time(const ASN1_TIME *time,
    time_t *sec);
static ngx_int_t ngx_http_gate_certificate_serial(ngx_pool_t *pool,
    X509 *x509, ngx_str_t *s);
static ngx_int_t ngx_http_gate_certificate_issuer(ngx_pool_t *pool,
    X509 *x509, ngx_str_t *s);
static ngx_int_t ngx_http_gate_certificate_cn(ngx_pool_t *pool, X509 *x509,
    ngx_str_t *s);
static ngx_int_t ngx_http_gate_certificate_email(ngx_pool_t *pool,
    X509 *x509, ngx_str_t *s);
static ngx_int_t ngx_http_gate_certificate_copy(ngx_pool_t *pool,
    const u_char *data, size_t len, ngx_str_t *s);
static ngx_uint_t ngx_http_gate_certificate_usable(const u_char *data,
    size_t len);
static uint32_t ngx_http_gate_certificate_utf8(const u_char **pos,
    const u_char *last);
static ngx_uint_t ngx_http_gate_certificate_control(uint32_t code);


ngx_int_t
ngx_http_gate_certificate_read(ngx_connection_t *c,
    ngx_http_gate_certificate_t *cert)
{
    X509       *x509;
    ngx_int_t   rc;

    ngx_memzero(cert, sizeof(ngx_http_gate_certificate_t));

    if (c->ssl == NULL) {
        return NGX_OK;
    }

    x509 = SSL_get_peer_certificate(c->ssl->connection);
    if (x509 == NULL) {
        return NGX_OK;
    }

    rc = ngx_http_gate_certificate_fill(c, x509, cert);

    X509_free(x509);

    /* or nginx finds them in the queue later and takes them for its own */
    ERR_clear_error();

    return rc;
}


gate_certificate_e
ngx_http_gate_certificate_state(const ngx_http_gate_certificate_t *cert,
    time_t now)
{
    if (cert->state != GATE_CERTIFICATE_VALID) {
        return cert->state;
    }

    /* both ends belong to the validity, RFC 5280 4.1.2.5 */

    if (now < cert->not_before || now > cert->not_after) {
        return GATE_CERTIFICATE_INVALID;
    }

    return GATE_CERTIFICATE_VALID;
}


static ngx_int_t
ngx_http_gate_certificate_fill(ngx_connection_t *c, X509 *x509,
    ngx_http_gate_certificate_t *cert)
{
    cert->state = GATE_CERTIFICATE_INVALID;

    if (ngx_http_gate_certificate_fingerprint(c->pool, x509,
                                              &cert->fingerprint)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    cert->error = ngx_http_gate_certificate_verify(c);
    if (cert->error) {
        return NGX_OK;
    }

    if (ngx_http_gate_certificate_time(X509_get0_notBefore(x509),
                                       &cert->not_before)
        != NGX_OK
        || ngx_http_gate_certificate_time(X509_get0_notAfter(x509),
                                          &cert->not_after)
           != NGX_OK)
    {
        cert->error = "malformed validity";
        return NGX_OK;
    }

    if (ngx_http_gate_certificate_serial(c->pool, x509, &cert->serial)
        != NGX_OK
        || ngx_http_gate_certificate_issuer(c->pool, x509, &cert->issuer)
           != NGX_OK
        || ngx_http_gate_certificate_cn(c->pool, x509, &cert->cn) != NGX_OK
        || ngx_http_gate_certificate_email(c->pool, x509, &cert->email)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    cert->state = GATE_CERTIFICATE_VALID;

    return NGX_OK;
}


/* NULL if the chain is verified and, with ssl_ocsp, not revoked */

static const char *
ngx_http_gate_certificate_verify(ngx_connection_t *c)
{
    long         rc;
    const char  *error;

    rc = SSL_get_verify_result(c->ssl->connection);
    if (rc != X509_V_OK) {
        return X509_verify_cert_error_string(rc);
    }

    if (ngx_ssl_ocsp_get_status(c, &error) != NGX_OK) {
        return error;
    }

    return NULL;
}


static ngx_int_t
ngx_http_gate_certificate_fingerprint(ngx_pool_t *pool, X509 *x509,
    ngx_str_t *s)
{
    u_char        digest[EVP_MAX_MD_SIZE];
    unsigned int  len;

    if (X509_digest(x509, EVP_sha256(), digest, &len) == 0) {
        return NGX_ERROR;
    }

    s->data = ngx_pnalloc(pool, 2 * len);
    if (s->data == NULL) {
        return NGX_ERROR;
    }

    s->len = ngx_hex_dump(s->data, digest, len) - s->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_certificate_time(const ASN1_TIME *time, time_t *sec)
{
    struct tm  tm;

    if (ASN1_TIME_to_tm(time, &tm) == 0) {
        return NGX_DECLINED;
    }

    *sec = timegm(&tm);

    return (*sec == (time_t) -1) ? NGX_DECLINED : NGX_OK;
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


/*
 * The last commonName is the most specific.  The subject is not kept in a
 * variable: its constness differs between the versions of OpenSSL.
 */

static ngx_int_t
ngx_http_gate_certificate_cn(ngx_pool_t *pool, X509 *x509, ngx_str_t *s)
{
    int        i, last, len;
    u_char    *data;
    ngx_int_t  rc;

    last = -1;

    for ( ;; ) {
        i = X509_NAME_get_index_by_NID(X509_get_subject_name(x509),
                                       NID_commonName, last);
        if (i < 0) {
            break;
        }

        last = i;
    }

    if (last < 0) {
        return NGX_OK;
    }

    len = ASN1_STRING_to_UTF8(&data, X509_NAME_ENTRY_get_data(
                      X509_NAME_get_entry(X509_get_subject_name(x509), last)));
    if (len < 0) {
        return NGX_OK;
    }

    rc = NGX_OK;

    if (ngx_http_gate_certificate_usable(data, len)) {
        rc = ngx_http_gate_certificate_copy(pool, data, len, s);
    }

    OPENSSL_free(data);

    return rc;
}


/*
 * The first rfc822Name of the subjectAltName, RFC 5280 4.2.1.6.  If it is
 * unusable the next one does not stand in for it.
 */

static ngx_int_t
ngx_http_gate_certificate_email(ngx_pool_t *pool, X509 *x509, ngx_str_t *s)
{
    int                   i, n;
    size_t                len;
    ngx_int_t             rc;
    const u_char         *data, *p;
    GENERAL_NAMES        *names;
    const GENERAL_NAME   *name;

    names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    if (names == NULL) {
        return NGX_OK;
    }

    rc = NGX_OK;
    n = sk_GENERAL_NAME_num(names);

    for (i = 0; i < n; i++) {
        name = sk_GENERAL_NAME_value(names, i);

        if (name->type != GEN_EMAIL) {
            continue;
        }

        data = ASN1_STRING_get0_data(name->d.rfc822Name);
        len = ASN1_STRING_length(name->d.rfc822Name);

        /* no space: it is a mailbox, not a text */

        for (p = data; p < data + len && *p > 0x20 && *p < 0x7f; p++) {
            /* void */
        }

        if (p == data + len && len <= NGX_HTTP_GATE_CERTIFICATE_NAME_MAX) {
            rc = ngx_http_gate_certificate_copy(pool, data, len, s);
        }

        break;
    }

    GENERAL_NAMES_free(names);

    return rc;
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


static ngx_uint_t
ngx_http_gate_certificate_usable(const u_char *data, size_t len)
{
    uint32_t       code;
    const u_char  *p, *last;

    if (len == 0 || len > NGX_HTTP_GATE_CERTIFICATE_NAME_MAX) {
        return 0;
    }

    p = data;
    last = data + len;

    while (p < last) {
        code = ngx_http_gate_certificate_utf8(&p, last);

        if (code == NGX_HTTP_GATE_CERTIFICATE_BAD_UTF8
            || ngx_http_gate_certificate_control(code))
        {
            return 0;
        }
    }

    return 1;
}


/*
 * One code point, strictly as in RFC 3629 3: no overlong form, no
 * surrogate, nothing above U+10FFFF.  ngx_utf8_decode() is less strict.
 */

static uint32_t
ngx_http_gate_certificate_utf8(const u_char **pos, const u_char *last)
{
    size_t         n;
    uint32_t       code, min;
    const u_char  *p;

    p = *pos;
    code = *p++;

    if (code < 0x80) {
        n = 0;
        min = 0;

    } else if ((code & 0xe0) == 0xc0) {
        n = 1;
        min = 0x80;
        code &= 0x1f;

    } else if ((code & 0xf0) == 0xe0) {
        n = 2;
        min = 0x800;
        code &= 0x0f;

    } else if ((code & 0xf8) == 0xf0) {
        n = 3;
        min = 0x10000;
        code &= 0x07;

    } else {
        return NGX_HTTP_GATE_CERTIFICATE_BAD_UTF8;
    }

    if ((size_t) (last - p) < n) {
        return NGX_HTTP_GATE_CERTIFICATE_BAD_UTF8;
    }

    for ( /* void */ ; n; n--) {
        if ((*p & 0xc0) != 0x80) {
            return NGX_HTTP_GATE_CERTIFICATE_BAD_UTF8;
        }

        code = (code << 6) | (*p++ & 0x3f);
    }

    if (code < min || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        return NGX_HTTP_GATE_CERTIFICATE_BAD_UTF8;
    }

    *pos = p;

    return code;
}


/* what breaks or turns around the line of a log that shows it */

static ngx_uint_t
ngx_http_gate_certificate_control(uint32_t code)
{
    return code < 0x20
           || (code >= 0x7f && code <= 0x9f)        /* DEL and C1 */
           || code == 0x061c                        /* bidi marks: ALM, */
           || code == 0x200e || code == 0x200f      /* LRM, RLM, */
           || (code >= 0x202a && code <= 0x202e)    /* embeddings, */
           || (code >= 0x2066 && code <= 0x2069)    /* isolates */
           || code == 0x2028 || code == 0x2029;     /* line separators */
}
