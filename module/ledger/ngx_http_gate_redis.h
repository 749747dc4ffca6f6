/*
 * Which Redis: the primary among the servers of nginx.conf, found by asking
 * each for its role, or the one that Sentinels name.  One link of this worker
 * goes to it; when it is lost, or turns out to be a replica, the next is
 * tried.  Or those of a cluster.  It knows no quota.
 *
 * A link is made when somebody asks; after a failure not before a pause.
 */


#ifndef NGX_HTTP_GATE_REDIS_H_INCLUDED
#define NGX_HTTP_GATE_REDIS_H_INCLUDED


#include "ngx_http_gate_cluster.h"
#include "ngx_http_gate_link.h"
#include "ngx_http_gate_names.h"


typedef struct {
    ngx_http_gate_link_conf_t   link;
    ngx_array_t                 servers;    /* of ngx_http_gate_server_t */
    ngx_http_gate_names_conf_t  names;
    ngx_str_t                   sentinel;   /* what they call the primary;
                                               empty: they are no Sentinels */
    ngx_flag_t                  cluster;
    ngx_flag_t                  ssl;
    ngx_str_t                   ssl_trusted_certificate;
    ngx_str_t                   ssl_certificate;
    ngx_str_t                   ssl_certificate_key;
} ngx_http_gate_redis_conf_t;


typedef struct ngx_http_gate_redis_s  ngx_http_gate_redis_t;


/*
 * Once per worker; connects to nobody yet.  prefix: what the keys of scripts
 * begin with.  NULL: no memory.
 */
ngx_http_gate_redis_t *ngx_http_gate_redis_create(ngx_pool_t *pool,
    ngx_http_gate_redis_conf_t *conf, const ngx_str_t *prefix,
    ngx_log_t *log);

/*
 * Sends a script to the primary that has a key, of which the hash tag is
 * enough.  sure: see ngx_http_gate_link_ask().  NGX_OK: the handler will be
 * called exactly once, later, never from inside this call.  NGX_BUSY: nothing
 * was sent, for the queue is full or nobody is there and the pause is not over.
 * NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_redis_ask(ngx_http_gate_redis_t *redis,
    const ngx_str_t *key, ngx_uint_t argc, const ngx_str_t *argv,
    ngx_uint_t sure, ngx_http_gate_link_handler_pt handler, void *data);

/*
 * Sends a command, or a script without keys of its own, to the primary; in a
 * cluster to each.  Returns how often the handler will be called.
 */
ngx_uint_t ngx_http_gate_redis_ask_each(ngx_http_gate_redis_t *redis,
    ngx_uint_t script, ngx_uint_t argc, const ngx_str_t *argv,
    ngx_http_gate_link_handler_pt handler, void *data);

/* Inside a handler: which primary's reply it is; alone, 0. */
uint64_t ngx_http_gate_redis_server(ngx_http_gate_redis_t *redis);

/* Is there a primary that answers? */
ngx_uint_t ngx_http_gate_redis_ready(ngx_http_gate_redis_t *redis);

/*
 * Where a primary is that answers, for a link of one's own, and how one talks
 * to it.  NULL: nowhere.
 */
const ngx_http_gate_server_t *ngx_http_gate_redis_where(
    ngx_http_gate_redis_t *redis);
ngx_http_gate_link_conf_t *ngx_http_gate_redis_link(
    ngx_http_gate_redis_t *redis);

/* Closes, and answers what is under way with NULL.  At worker exit. */
void ngx_http_gate_redis_close(ngx_http_gate_redis_t *redis);


#endif /* NGX_HTTP_GATE_REDIS_H_INCLUDED */
