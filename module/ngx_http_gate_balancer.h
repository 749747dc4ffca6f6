/*
 * "certificate_header": the certificate that a load balancer hands on, from
 * those who may.
 */


#ifndef NGX_HTTP_GATE_BALANCER_H_INCLUDED
#define NGX_HTTP_GATE_BALANCER_H_INCLUDED


#include "ngx_http_gate.h"


/* A "certificate_header" line; conf is the policy. */
char *ngx_http_gate_balancer_conf(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* The CAs of the clients; NULL for a policy that has no such line. */
X509_STORE *ngx_http_gate_balancer_store(
    const ngx_http_gate_balancer_t *balancer);

/*
 * The certificate that the balancer says the client of r has, of state NONE if
 * it says nothing.  "c" is the real connection, "peer" what is known of it.  It
 * is the same for the whole request, and lives as long as that.  NGX_DECLINED:
 * who has connected is no balancer; a header of his is warned of, once, and
 * ignored.  NGX_ERROR: no memory.  Never waits.
 */
ngx_int_t ngx_http_gate_balancer_certificate(ngx_http_request_t *r,
    ngx_http_gate_balancer_t *balancer, ngx_connection_t *c,
    ngx_http_gate_peer_t *peer, ngx_http_gate_certificate_t **cert);


#endif /* NGX_HTTP_GATE_BALANCER_H_INCLUDED */
