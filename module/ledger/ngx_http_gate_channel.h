/*
 * A channel of Redis' Pub/Sub: a link of its own to the primary, or in a
 * cluster to any, on which somebody says that something has changed.  What he
 * says is not looked at.  A message may be lost: whoever listens must look by
 * himself from time to time, too.
 */


#ifndef NGX_HTTP_GATE_CHANNEL_H_INCLUDED
#define NGX_HTTP_GATE_CHANNEL_H_INCLUDED


#include "ngx_http_gate_redis.h"


typedef struct ngx_http_gate_channel_s  ngx_http_gate_channel_t;

typedef void (*ngx_http_gate_channel_pt)(void *data);


/*
 * Once per worker; listens to nobody yet.  The handler is called for each
 * message, and when it begins to listen.  NULL: no memory.
 */
ngx_http_gate_channel_t *ngx_http_gate_channel_create(ngx_pool_t *pool,
    ngx_http_gate_redis_t *redis, const ngx_str_t *name,
    ngx_http_gate_channel_pt handler, void *data, ngx_log_t *log);

/* Listens, if it does not yet and somebody is there.  To be called often. */
void ngx_http_gate_channel_listen(ngx_http_gate_channel_t *channel);

/* Listens no more. */
void ngx_http_gate_channel_close(ngx_http_gate_channel_t *channel);


#endif /* NGX_HTTP_GATE_CHANNEL_H_INCLUDED */
