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


/* OpenSSL has tickets with words of ours in them, from 1.1.1 */
#if (OPENSSL_VERSION_NUMBER >= 0x10101000L                                   \
     && !defined LIBRESSL_VERSION_NUMBER && !defined OPENSSL_IS_BORINGSSL)
#define NGX_HTTP_GATE_CHAIN_TICKETS  1
#endif


static ngx_int_t ngx_http_gate_chain_keep(ngx_pool_t *pool,
    STACK_OF(X509) *certs, ngx_http_gate_chain_t *chain, const char **error);
static void ngx_http_gate_chain_cleanup(void *data);
static void ngx_http_gate_chain_times(ngx_http_gate_chain_t *chain);
#if (NGX_HTTP_GATE_CHAIN_TICKETS)
static int ngx_http_gate_chain_give(SSL *ssl, void *data);
static SSL_TICKET_RETURN ngx_http_gate_chain_take(SSL *ssl,
    SSL_SESSION *session, const u_char *name, size_t len,
    SSL_TICKET_STATUS status, void *data);
static ngx_uint_t ngx_http_gate_chain_foreign(SSL *ssl);
#endif


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


void
ngx_http_gate_chain_tickets(SSL_CTX *ctx)
{
#if (NGX_HTTP_GATE_CHAIN_TICKETS)
    (void) SSL_CTX_set_session_ticket_cb(ctx, ngx_http_gate_chain_give,
                                         ngx_http_gate_chain_take, NULL);
#endif
}


#if (NGX_HTTP_GATE_CHAIN_TICKETS)

/* a ticket is made: 0 would end the connection */

static int
ngx_http_gate_chain_give(SSL *ssl, void *data)
{
    SSL_SESSION  *session;

    (void) data;

    session = SSL_get_session(ssl);

    if (session && ngx_http_gate_chain_foreign(ssl)) {
        (void) SSL_SESSION_set1_ticket_appdata(session, "foreign",
                                               sizeof("foreign") - 1);
    }

    return 1;
}


/* a ticket is shown; "session" is there if it is one of ours */

static SSL_TICKET_RETURN
ngx_http_gate_chain_take(SSL *ssl, SSL_SESSION *session, const u_char *name,
    size_t len, SSL_TICKET_STATUS status, void *data)
{
    void    *foreign;
    size_t   size;

    (void) ssl;
    (void) name;
    (void) len;
    (void) data;

    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) {
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    }

    if (SSL_SESSION_get0_ticket_appdata(session, &foreign, &size) == 1
        && size)
    {
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    }

    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE
                                        : SSL_TICKET_RETURN_USE_RENEW;
}


/* is there a CA in the chain that the server does not have? */

static ngx_uint_t
ngx_http_gate_chain_foreign(SSL *ssl)
{
    int              i;
    X509_STORE      *store;
    ngx_uint_t       foreign;
    X509_OBJECT     *object;
    STACK_OF(X509)  *certs;

    certs = SSL_get0_verified_chain(ssl);
    store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));

    if (certs == NULL || store == NULL) {
        return 0;
    }

    foreign = 0;

    for (i = 1; i < sk_X509_num(certs) && !foreign; i++) {
        object = X509_OBJECT_new();

        foreign = object == NULL
                  || X509_OBJECT_set1_X509(object, sk_X509_value(certs, i))
                     != 1
                  || X509_OBJECT_retrieve_match(
                                          X509_STORE_get0_objects(store),
                                          object)
                     == NULL;

        X509_OBJECT_free(object);
    }

    ERR_clear_error();

    return foreign;
}

#endif
