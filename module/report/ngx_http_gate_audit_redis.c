/*
 * The Redis sink: batches go one after another into one stream.  A batch is
 * taken from the buffer when Redis has it; if it is not known whether it has,
 * the same is asked for again.
 */


#include "ngx_http_gate_audit_inner.h"


typedef struct {
    ngx_http_gate_telling_t  batch;       /* n is 0: none was asked for */
    size_t                 len;         /* of its lines in the buffer */
    ngx_uint_t             sending;
} ngx_http_gate_audit_redis_t;


static ngx_int_t ngx_http_gate_audit_redis_start(ngx_http_gate_sink_t *sink,
    ngx_cycle_t *cycle);
static void ngx_http_gate_audit_redis_drain(ngx_http_gate_sink_t *sink);
static void ngx_http_gate_audit_redis_fill(ngx_http_gate_sink_t *sink);
static void ngx_http_gate_audit_redis_handler(void *data, ngx_int_t rc);


const ngx_http_gate_sink_kind_t  ngx_http_gate_audit_redis_kind = {
    NGX_HTTP_GATE_SUNK_REDIS,
    "redis",
    512 * 1024,
    NGX_HTTP_GATE_TELLING,
    250,
    1,
    ngx_http_gate_audit_redis_start,
    ngx_http_gate_audit_redis_drain,
    NULL,
    NULL
};


ngx_http_gate_sink_t *
ngx_http_gate_audit_redis(ngx_conf_t *cf, ngx_http_gate_audit_t *audit,
    ngx_uint_t maxlen)
{
    ngx_str_t                     name;
    ngx_uint_t                    i;
    ngx_http_gate_sink_t         *sink, **sinks;
    ngx_http_gate_audit_redis_t  *redis;

    sinks = audit->sinks.elts;

    for (i = 0; i < audit->sinks.nelts; i++) {

        if (sinks[i]->kind != &ngx_http_gate_audit_redis_kind) {
            continue;
        }

        redis = sinks[i]->data;

        if (redis->batch.maxlen != maxlen) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"gate_audit redis\" has another \"maxlen\" "
                               "elsewhere, and there is one stream");
            return NULL;
        }

        return sinks[i];
    }

    ngx_str_set(&name, "redis");

    sink = ngx_http_gate_sink_add(cf, audit, &ngx_http_gate_audit_redis_kind,
                                  sizeof(ngx_http_gate_audit_redis_t), &name);
    if (sink == NULL) {
        return NULL;
    }

    redis = sink->data;
    redis->batch.maxlen = maxlen;

    return sink;
}


static ngx_int_t
ngx_http_gate_audit_redis_start(ngx_http_gate_sink_t *sink,
    ngx_cycle_t *cycle)
{
    ngx_http_gate_audit_redis_t  *redis;

    redis = sink->data;
    redis->batch.writer = sink->audit->worker;

    return NGX_OK;
}


static void
ngx_http_gate_audit_redis_drain(ngx_http_gate_sink_t *sink)
{
    ngx_int_t                     rc;
    ngx_http_gate_audit_redis_t  *redis;

    redis = sink->data;

    if (redis->sending || sink->audit->closing) {
        return;
    }

    /* one that may have been written is asked for as it was */

    if (redis->batch.n == 0) {
        redis->batch.number++;
        redis->batch.n = ngx_min(sink->lines, NGX_HTTP_GATE_TELLING);
    }

    ngx_http_gate_audit_redis_fill(sink);

    rc = ngx_http_gate_ledger_events(sink->audit->ledger, &redis->batch,
                                     ngx_http_gate_audit_redis_handler, sink);

    redis->sending = rc == NGX_AGAIN;

    if (!redis->sending) {
        ngx_http_gate_sink_stuck(sink, NULL, 0);
    }
}


/* where its lines are now */

static void
ngx_http_gate_audit_redis_fill(ngx_http_gate_sink_t *sink)
{
    u_char                       *p, *last;
    ngx_uint_t                    i;
    ngx_http_gate_audit_redis_t  *redis;

    redis = sink->data;
    p = sink->pos;

    for (i = 0; i < redis->batch.n; i++) {
        last = ngx_strlchr(p, sink->last, LF);

        redis->batch.lines[i].data = p;
        redis->batch.lines[i].len = last - p;

        p = last + 1;
    }

    redis->len = p - sink->pos;
}


static void
ngx_http_gate_audit_redis_handler(void *data, ngx_int_t rc)
{
    ngx_http_gate_sink_t *sink = data;

    ngx_http_gate_audit_redis_t  *redis;

    redis = sink->data;
    redis->sending = 0;

    if (rc == NGX_ERROR) {
        ngx_http_gate_sink_stuck(sink, NULL, 0);
        return;
    }

    if (rc == NGX_OK) {
        ngx_http_gate_sink_free(sink);
        ngx_http_gate_sink_written(sink, redis->len, redis->batch.n);
        redis->batch.n = 0;
    }

    if (rc == NGX_AGAIN || sink->lines >= NGX_HTTP_GATE_TELLING
        || (sink->lines && ngx_exiting))
    {
        ngx_http_gate_audit_redis_drain(sink);
    }
}
