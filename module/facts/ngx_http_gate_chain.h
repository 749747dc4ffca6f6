/*
 * The chain of a certificate: those that vouch for it, up to one that a server
 * trusts.
 */


#ifndef NGX_HTTP_GATE_CHAIN_H_INCLUDED
#define NGX_HTTP_GATE_CHAIN_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>
#include <openssl/x509.h>


/* what was found out of a chain, see ngx_http_gate_crl.h */
typedef struct ngx_http_gate_crl_memo_s  ngx_http_gate_crl_memo_t;


typedef struct {
    STACK_OF(X509)            *certs;       /* it first, then who signed it,
                                               the anchor last; NULL: none */
    time_t                     begin;       /* valid from, all of them */
    time_t                     end;
    ngx_pool_t                *pool;        /* that it lives in */
    ngx_http_gate_crl_memo_t  *memos;
} ngx_http_gate_chain_t;


/*
 * The chain of the peer of "c", whose handshake has verified it, by the CAs of
 * the server whose context "ctx" is: anew if the session was resumed, or is one
 * with another server, or else as the handshake has it.  It is freed with
 * c->pool.  NGX_DECLINED: there is none, with a static text in "error".
 * NGX_ERROR: no memory.  Never waits.
 */
ngx_int_t ngx_http_gate_chain_read(ngx_connection_t *c, SSL_CTX *ctx,
    X509 *x509, ngx_http_gate_chain_t *chain, const char **error);

/*
 * The chain of any certificate, of a client of TLS, up to one of "store", with
 * the help of "others" and by the rules of "param", if not NULL.  "level" is
 * OpenSSL's security level.  Lifetime and returns are as above.
 */
ngx_int_t ngx_http_gate_chain_verify(ngx_pool_t *pool, X509_STORE *store,
    const X509_VERIFY_PARAM *param, int level, X509 *x509,
    STACK_OF(X509) *others, ngx_http_gate_chain_t *chain, const char **error);


/*
 * Has clients of "ctx" whose chain it cannot build without what they send make
 * a whole handshake each time, in which they send it, instead of resuming a
 * session by a ticket, in which they do not.  At configuration.
 */
void ngx_http_gate_chain_tickets(SSL_CTX *ctx);


#endif /* NGX_HTTP_GATE_CHAIN_H_INCLUDED */
