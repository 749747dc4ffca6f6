/*
 * Dropped countries: connections that are closed as soon as they are accepted,
 * before a TLS handshake is paid for.  Which server a client wants is not known
 * by then, so a country is dropped where all servers of an address say so; and
 * where it comes from is the peer's address.
 */


#ifndef NGX_HTTP_GATE_DROP_H_INCLUDED
#define NGX_HTTP_GATE_DROP_H_INCLUDED


#include "ngx_http_gate.h"


/* "gate_drop_country" */
char *ngx_http_gate_drop_conf(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* A policy stands at this location of a server. */
ngx_int_t ngx_http_gate_drop_gate(ngx_conf_t *cf,
    ngx_http_gate_srv_conf_t *gscf, ngx_http_gate_loc_conf_t *glcf);

/*
 * All of nginx.conf was read: would all that stands in a server refuse what it
 * drops, and is the peer's address the client's?  NGX_ERROR: logged.
 */
ngx_int_t ngx_http_gate_drop_check(ngx_conf_t *cf);

/* Listening sockets are there: takes those over where something is dropped. */
ngx_int_t ngx_http_gate_drop_init(ngx_cycle_t *cycle);

/* At worker exit: tells of what was dropped and not told yet. */
void ngx_http_gate_drop_close(ngx_http_gate_drops_t *drops);


#endif /* NGX_HTTP_GATE_DROP_H_INCLUDED */
