/*
 * Structured fields (RFC 8941): a certificate is a byte sequence, a chain a
 * list of them.
 */


#include "ngx_http_gate_client_cert.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>


static ngx_int_t ngx_http_gate_client_cert_text(
    const ngx_http_gate_chain_t *chain, int from, int to, ngx_str_t *value);
static size_t ngx_http_gate_client_cert_size(
    const ngx_http_gate_chain_t *chain, int from, int to);
static u_char *ngx_http_gate_client_cert_bytes(u_char *p, X509 *x509);


ngx_int_t
ngx_http_gate_client_cert_item(ngx_http_gate_certificate_t *cert,
    ngx_str_t *value)
{
    ngx_int_t  rc;

    rc = NGX_OK;

    if (cert->item.len == 0 && cert->chain.certs) {
        rc = ngx_http_gate_client_cert_text(&cert->chain, 0, 1, &cert->item);
    }

    *value = cert->item;

    return rc;
}


ngx_int_t
ngx_http_gate_client_cert_list(ngx_http_gate_certificate_t *cert,
    ngx_str_t *value)
{
    int        last;
    ngx_int_t  rc;

    rc = NGX_OK;

    if (cert->list.len == 0 && cert->chain.certs) {
        last = sk_X509_num(cert->chain.certs);

        if (last > 1
            && X509_get_extension_flags(sk_X509_value(cert->chain.certs,
                                                      last - 1))
               & EXFLAG_SS)
        {
            last--;
        }

        rc = ngx_http_gate_client_cert_text(&cert->chain, 1, last,
                                            &cert->list);
    }

    *value = cert->list;

    return rc;
}


static ngx_int_t
ngx_http_gate_client_cert_text(const ngx_http_gate_chain_t *chain, int from,
    int to, ngx_str_t *value)
{
    int     i;
    u_char  *p, *text;

    if (from >= to) {
        return NGX_OK;
    }

    text = ngx_pnalloc(chain->pool,
                       ngx_http_gate_client_cert_size(chain, from, to));
    if (text == NULL) {
        return NGX_ERROR;
    }

    p = text;

    for (i = from; i < to; i++) {

        if (i > from) {
            *p++ = ',';
            *p++ = ' ';
        }

        p = ngx_http_gate_client_cert_bytes(p,
                                            sk_X509_value(chain->certs, i));
        if (p == NULL) {
            ERR_clear_error();
            return NGX_ERROR;
        }
    }

    value->data = text;
    value->len = p - text;

    return NGX_OK;
}


static size_t
ngx_http_gate_client_cert_size(const ngx_http_gate_chain_t *chain, int from,
    int to)
{
    int     i, len;
    size_t  size;

    size = 0;

    for (i = from; i < to; i++) {
        len = i2d_X509(sk_X509_value(chain->certs, i), NULL);
        size += ngx_base64_encoded_length(ngx_max(len, 0))
                + sizeof("::, ") - 1;
    }

    return size;
}


static u_char *
ngx_http_gate_client_cert_bytes(u_char *p, X509 *x509)
{
    int         len;
    u_char     *data;
    ngx_str_t   der, text;

    data = NULL;

    len = i2d_X509(x509, &data);
    if (len <= 0) {
        return NULL;
    }

    der.data = data;
    der.len = len;

    *p++ = ':';

    text.data = p;
    ngx_encode_base64(&text, &der);
    p += text.len;

    *p++ = ':';

    OPENSSL_free(data);

    return p;
}
