/*
 * A session that is resumed says that some server has verified the certificate
 * once, by whatever CAs; and so does a connection whose client then asks for
 * another server.  Neither says anything of this server's CAs, or of now.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <openssl/x509v3.h>
#include "gate_time.h"
#include "ngx_http_gate_chain.h"


static ngx_int_t ngx_http_gate_chain_keep(ngx_pool_t *pool,
    STACK_OF(X509) *certs, ngx_http_gate_chain_t *chain, const char **error);
static void ngx_http_gate_chain_cleanup(void *data);
static void ngx_http_gate_chain_times(ngx_http_gate_chain_t *chain);


ngx_int_t
ngx_http_gate_chain_read(ngx_connection_t *c, SSL_CTX *ctx, X509 *x509,
    ngx_http_gate_chain_t *chain, const char **error)
{
    SSL             *ssl;
    STACK_OF(X509)  *certs;

    ssl = c->ssl->connection;

    if (ctx == NULL) {
        *error = "the server has no CAs";
        return NGX_DECLINED;
    }

    if (SSL_session_reused(ssl) || SSL_get_SSL_CTX(ssl) != ctx) {
        return ngx_http_gate_chain_verify(c->pool,
                                          SSL_CTX_get_cert_store(ctx),
                                          SSL_CTX_get0_param(ctx),
                                          SSL_CTX_get_security_level(ctx),
                                          x509, SSL_get_peer_cert_chain(ssl),
                                          chain, error);
    }

    certs = SSL_get0_verified_chain(ssl);

    if (certs == NULL || sk_X509_num(certs) == 0) {
        *error = "no verified chain";
        return NGX_DECLINED;
    }

    certs = X509_chain_up_ref(certs);
    if (certs == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_gate_chain_keep(c->pool, certs, chain, error);
}


ngx_int_t
ngx_http_gate_chain_verify(ngx_pool_t *pool, X509_STORE *store,
    const X509_VERIFY_PARAM *param, int level, X509 *x509,
    STACK_OF(X509) *others, ngx_http_gate_chain_t *chain, const char **error)
{
    ngx_int_t        rc;
    STACK_OF(X509)  *certs;
    X509_STORE_CTX  *verify;

    rc = NGX_ERROR;
    certs = NULL;
    verify = X509_STORE_CTX_new();

    if (verify == NULL
        || X509_STORE_CTX_init(verify, store, x509, others) != 1
        || X509_STORE_CTX_set_default(verify, "ssl_client") != 1
        || (param && X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(verify),
                                            param) != 1))
    {
        goto done;
    }

    X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(verify), level);

    if (X509_verify_cert(verify) == 1) {
        certs = X509_STORE_CTX_get1_chain(verify);

    } else {
        *error = X509_verify_cert_error_string(
                                           X509_STORE_CTX_get_error(verify));
        rc = NGX_DECLINED;
    }

done:

    X509_STORE_CTX_free(verify);

    return certs ? ngx_http_gate_chain_keep(pool, certs, chain, error) : rc;
}


/*
 * Owns "certs" from here on.  A CA is nobody's user, though OpenSSL lets it be
 * a client; a certificate that a server trusts as it is may be anything.
 */

static ngx_int_t
ngx_http_gate_chain_keep(ngx_pool_t *pool, STACK_OF(X509) *certs,
    ngx_http_gate_chain_t *chain, const char **error)
{
    ngx_pool_cleanup_t  *cln;

    if (sk_X509_num(certs) > 1
        && (X509_get_extension_flags(sk_X509_value(certs, 0)) & EXFLAG_CA))
    {
        sk_X509_pop_free(certs, X509_free);
        *error = "a CA is no client";
        return NGX_DECLINED;
    }

    cln = ngx_pool_cleanup_add(pool, 0);
    if (cln == NULL) {
        sk_X509_pop_free(certs, X509_free);
        return NGX_ERROR;
    }

    cln->handler = ngx_http_gate_chain_cleanup;
    cln->data = certs;

    chain->certs = certs;
    chain->pool = pool;
    chain->memos = NULL;

    ngx_http_gate_chain_times(chain);

    return NGX_OK;
}


static void
ngx_http_gate_chain_cleanup(void *data)
{
    sk_X509_pop_free(data, X509_free);
}


/* a time that nobody can read is none at which it is valid */

static void
ngx_http_gate_chain_times(ngx_http_gate_chain_t *chain)
{
    int      i;
    X509    *x509;
    time_t   begin, end;

    chain->begin = 0;
    chain->end = NGX_MAX_TIME_T_VALUE;

    for (i = 0; i < sk_X509_num(chain->certs); i++) {
        x509 = sk_X509_value(chain->certs, i);

        if (gate_time_read(X509_get0_notBefore(x509), &begin) != 0
            || gate_time_read(X509_get0_notAfter(x509), &end) != 0)
        {
            chain->end = 0;
            return;
        }

        chain->begin = ngx_max(chain->begin, begin);
        chain->end = ngx_min(chain->end, end);
    }
}
