/*
 * The peer: facts that hold for a connection, gathered at its first request
 * that asks and kept in its pool.  The place is kept for one address, since
 * the realip module may give each request another, and until a database is
 * reloaded.
 */


#ifndef NGX_HTTP_GATE_PEER_H_INCLUDED
#define NGX_HTTP_GATE_PEER_H_INCLUDED


#include "ngx_http_gate.h"


/* The peer of a request, as long as its connection lives.  NULL: no memory. */
ngx_http_gate_peer_t *ngx_http_gate_peer(ngx_http_request_t *r);

/*
 * The certificate of who asks: what a load balancer hands on, where the policy
 * of r's place believes one, and else that of the handshake.  It lives as long
 * as the request.  Never waits.  NULL: no memory.
 */
ngx_http_gate_certificate_t *ngx_http_gate_peer_certificate(
    ngx_http_request_t *r);

/*
 * The certificate of the request's connection, as it is to the server that the
 * request has come to.  It lives as long as the connection.  Never waits.
 * NULL: no memory.
 */
ngx_http_gate_certificate_t *ngx_http_gate_peer_handshake(
    ngx_http_request_t *r);

/*
 * The place of the address that the request has now, with those of "fields"
 * (GATE_PLACE_COUNTRY and so on) that a database has; zeros where none has.  It
 * holds until it is asked for again.  Never waits.  NULL: no memory.
 */
const gate_place_t *ngx_http_gate_peer_place(ngx_http_request_t *r,
    ngx_uint_t fields);


#endif /* NGX_HTTP_GATE_PEER_H_INCLUDED */
