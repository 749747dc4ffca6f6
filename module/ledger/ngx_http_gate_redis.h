/*
 * The transport to Redis: one connection of this worker, on which questions
 * are pipelined.  It speaks RESP2 by hiredis' formatter and reader, over
 * nginx's own events.  It knows no quota, and believes nothing that Redis says
 * before it was measured: shape, size and nesting of replies are bounded.
 *
 * A connection is never used again after a timeout or a fault of the protocol.
 * It is made when somebody asks; after a failure not before a pause.
 */


#ifndef NGX_HTTP_GATE_REDIS_H_INCLUDED
#define NGX_HTTP_GATE_REDIS_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>

#include <hiredis/hiredis.h>


typedef struct {
    ngx_array_t    servers;         /* of ngx_addr_t, tried in turn */
    ngx_str_t      username;        /* empty: none */
    ngx_str_t      password;        /* empty: none */
    ngx_uint_t     database;
    ngx_msec_t     connect_timeout;
    ngx_msec_t     timeout;         /* of one question */
    ngx_uint_t     queue;           /* questions under way, at most */
} ngx_http_gate_redis_conf_t;


typedef struct ngx_http_gate_redis_s  ngx_http_gate_redis_t;


/*
 * The end of a question.  reply is NULL if there is none: a timeout, a lost
 * connection, a fault of the protocol.  It is freed after the call.
 */
typedef void (*ngx_http_gate_redis_handler_pt)(void *data, redisReply *reply);


/* Once per worker; connects to nobody yet.  NULL: no memory. */
ngx_http_gate_redis_t *ngx_http_gate_redis_create(ngx_pool_t *pool,
    ngx_http_gate_redis_conf_t *conf, ngx_log_t *log);

/*
 * Sends a command.  NGX_OK: the handler will be called exactly once, later,
 * never from inside this call.  NGX_BUSY: nothing was sent, for the queue is
 * full or the server is away and the pause is not over.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_redis_ask(ngx_http_gate_redis_t *redis,
    ngx_uint_t argc, const ngx_str_t *argv,
    ngx_http_gate_redis_handler_pt handler, void *data);

/* Is there a connection that answers? */
ngx_uint_t ngx_http_gate_redis_ready(ngx_http_gate_redis_t *redis);

/* Closes, and answers what is under way with NULL.  At worker exit. */
void ngx_http_gate_redis_close(ngx_http_gate_redis_t *redis);


#endif /* NGX_HTTP_GATE_REDIS_H_INCLUDED */
