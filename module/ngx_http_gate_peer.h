/*
 * The peer: facts that hold for a connection, gathered at its first request
 * that asks and kept in its pool.  The country is kept for one address, since
 * the realip module may give each request another.
 */


#ifndef NGX_HTTP_GATE_PEER_H_INCLUDED
#define NGX_HTTP_GATE_PEER_H_INCLUDED


#include "ngx_http_gate.h"


/*
 * The peer of a request, with the country of the address the request has now.
 * It lives as long as the connection.  Never waits.  NULL: no memory.
 */
ngx_http_gate_peer_t *ngx_http_gate_peer(ngx_http_request_t *r);


#endif /* NGX_HTTP_GATE_PEER_H_INCLUDED */
