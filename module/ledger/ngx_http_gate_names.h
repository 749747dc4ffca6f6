/*
 * The host names of servers, which nginx resolved when it started, and again
 * through nginx's resolver when connections fail.
 */


#ifndef NGX_HTTP_GATE_NAMES_H_INCLUDED
#define NGX_HTTP_GATE_NAMES_H_INCLUDED


#include "ngx_http_gate_link.h"


typedef struct {
    ngx_resolver_t                *resolver;    /* NULL: there is none */
    ngx_msec_t                     timeout;
} ngx_http_gate_names_conf_t;


typedef struct ngx_http_gate_names_s  ngx_http_gate_names_t;


/*
 * Once per worker.  servers: of ngx_http_gate_server_t, whose addresses will be
 * those that names have then; they last as long as the pool.  NULL: no memory.
 */
ngx_http_gate_names_t *ngx_http_gate_names_create(ngx_pool_t *pool,
    const ngx_http_gate_names_conf_t *conf, ngx_array_t *servers,
    ngx_log_t *log);

/* Connections fail: asks for the names, but not again within a second. */
void ngx_http_gate_names_look(ngx_http_gate_names_t *names);

/* Asks no more.  At worker exit. */
void ngx_http_gate_names_close(ngx_http_gate_names_t *names);


#endif /* NGX_HTTP_GATE_NAMES_H_INCLUDED */
