/*
 * The certificate room: what the peer certificate of a TLS connection says.
 * It reads, it decides nothing and keeps nothing: the road calls it once per
 * connection and keeps the answer as long as the connection lives.
 */


#ifndef NGX_HTTP_GATE_CERTIFICATE_H_INCLUDED
#define NGX_HTTP_GATE_CERTIFICATE_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>
#include <openssl/x509.h>
#include "gate_digests.h"
#include "gate_names.h"
#include "gate_policy.h"
#include "ngx_http_gate_chain.h"


/* extended key usages that are looked at */
#define NGX_HTTP_GATE_CERTIFICATE_PURPOSES  16


typedef struct {
    gate_certificate_e   state;         /* at the handshake */
    time_t               not_before;    /* seconds since the epoch */
    time_t               not_after;

    /* an absent or unusable text has the length 0 */
    ngx_str_t            names[GATE_NAMES];
    ngx_str_t            serial;        /* as $ssl_client_serial */
    ngx_str_t            issuer;        /* as $ssl_client_i_dn */
    ngx_str_t            begin;         /* not_before, as of RFC 3339 */
    ngx_str_t            end;
    ngx_str_t            fingerprint;   /* SHA-256 of the DER, lower case */

    u_char               digest[GATE_DIGEST];   /* SHA-256 of the DER */
    gate_key_e           key;
    ngx_uint_t           bits;          /* of the key */
    ngx_uint_t           npurposes;
    ngx_str_t            purposes[NGX_HTTP_GATE_CERTIFICATE_PURPOSES];
                                        /* extended key usages: DER of OIDs */

    ngx_http_gate_chain_t  chain;       /* of a VALID one */
    ngx_str_t            item;          /* as RFC 9440 has them, if they */
    ngx_str_t            list;          /* have been asked for */

    const char          *error;         /* static, why it is INVALID */
} ngx_http_gate_certificate_t;


/*
 * Fills "cert" from the handshake of the real connection "c" (not the one
 * of an HTTP/2 stream), as it is to the server whose TLS context is "ctx": NONE
 * if there is no TLS or no certificate was sent, INVALID if one was sent and
 * not verified, or not by this server's CAs, else VALID.  Of an INVALID one
 * nothing is filled but the fingerprint and the error: its names are mere
 * claims and must not become a user.
 *
 * The texts live in c->pool and are freed with it.  Returns NGX_OK, or
 * NGX_ERROR if there is no memory; "cert" is of no use then.  Never waits.
 */
ngx_int_t ngx_http_gate_certificate_read(ngx_connection_t *c, SSL_CTX *ctx,
    ngx_http_gate_certificate_t *cert);

/*
 * The same from a certificate that came some other way, into a "cert" of zeros:
 * VALID, or, with "error", a static text that says why it is not verified,
 * INVALID.  Leaves what it met in OpenSSL's error queue.
 */
ngx_int_t ngx_http_gate_certificate_fill(ngx_pool_t *pool, X509 *x509,
    const char *error, ngx_http_gate_certificate_t *cert);

/*
 * What the certificate is worth at "now" (seconds since the epoch): a VALID
 * one is INVALID outside its validity, and that of its CAs.  To be asked at
 * each request, since a connection, and a TLS session even more, outlives a
 * certificate.
 */
gate_certificate_e ngx_http_gate_certificate_state(
    const ngx_http_gate_certificate_t *cert, time_t now);


#endif /* NGX_HTTP_GATE_CERTIFICATE_H_INCLUDED */
