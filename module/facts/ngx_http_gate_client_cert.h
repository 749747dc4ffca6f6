/*
 * A certificate as a backend is told of it: the fields of RFC 9440.
 */


#ifndef NGX_HTTP_GATE_CLIENT_CERT_H_INCLUDED
#define NGX_HTTP_GATE_CLIENT_CERT_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_http_gate_certificate.h"


/*
 * Client-Cert, RFC 9440 2.2, of a certificate whose chain is known; it is made
 * once and kept with it.  Of another it is empty.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_client_cert_item(ngx_http_gate_certificate_t *cert,
    ngx_str_t *value);

/*
 * Client-Cert-Chain, RFC 9440 2.3, the same: who has signed it first, and so
 * on, without the CA that is trusted and has signed itself.
 */
ngx_int_t ngx_http_gate_client_cert_list(ngx_http_gate_certificate_t *cert,
    ngx_str_t *value);


#endif /* NGX_HTTP_GATE_CLIENT_CERT_H_INCLUDED */
