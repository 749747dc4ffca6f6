/*
 * A Redis cluster: one link of this worker to each primary, and the map of
 * slots, which is asked of any node that answers; again when a node says that
 * a slot has moved, and while a primary is lost.
 *
 * To a script it adds where the epoch of its primary is written down: see
 * epoch.lua.
 */


#ifndef NGX_HTTP_GATE_CLUSTER_H_INCLUDED
#define NGX_HTTP_GATE_CLUSTER_H_INCLUDED


#include "ngx_http_gate_link.h"
#include "ngx_http_gate_names.h"


typedef struct ngx_http_gate_cluster_s  ngx_http_gate_cluster_t;


/*
 * Once per worker; connects to nobody yet.  servers: of ngx_http_gate_server_t,
 * some of the nodes; names are theirs.  prefix begins keys of epochs.  All last
 * as long as the pool.  NULL: no memory.
 */
ngx_http_gate_cluster_t *ngx_http_gate_cluster_create(ngx_pool_t *pool,
    ngx_http_gate_link_conf_t *conf, const ngx_array_t *servers,
    ngx_http_gate_names_t *names, const ngx_str_t *prefix, ngx_log_t *log);

/*
 * Sends a script to the primary that has the slot of "key".  sure: see
 * ngx_http_gate_link_ask().  NGX_OK: the
 * handler will be called exactly once, later, never from inside this call,
 * after redirections were followed.  NGX_BUSY: the queue is full, or that
 * primary is away.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_cluster_ask(ngx_http_gate_cluster_t *cluster,
    const ngx_str_t *key, ngx_uint_t argc, const ngx_str_t *argv,
    ngx_uint_t sure, ngx_http_gate_link_handler_pt handler, void *data);

/*
 * Sends a command, or a script without keys, to each primary.  Returns how
 * often the handler will be called.
 */
ngx_uint_t ngx_http_gate_cluster_ask_each(ngx_http_gate_cluster_t *cluster,
    ngx_uint_t script, ngx_uint_t argc, const ngx_str_t *argv,
    ngx_http_gate_link_handler_pt handler, void *data);

/* Inside a handler: which primary's reply it is.  Never 0. */
uint64_t ngx_http_gate_cluster_server(const ngx_http_gate_cluster_t *cluster);

/* Where one is; NULL: nowhere. */
const ngx_http_gate_server_t *ngx_http_gate_cluster_where(
    const ngx_http_gate_cluster_t *cluster);

/* Is there a primary that answers? */
ngx_uint_t ngx_http_gate_cluster_ready(const ngx_http_gate_cluster_t *cluster);

/* Closes, and answers what is under way with NULL.  At worker exit. */
void ngx_http_gate_cluster_close(ngx_http_gate_cluster_t *cluster);


#endif /* NGX_HTTP_GATE_CLUSTER_H_INCLUDED */
