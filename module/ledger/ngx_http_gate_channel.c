/*
 * The link is opened to where questions go just then; it is left when they go
 * elsewhere.  Nobody is hurt when it is lost: that is told once, and when it is
 * back.
 */


#include "ngx_http_gate_channel.h"


/* until it is tried again, ms */
#define NGX_HTTP_GATE_CHANNEL_PAUSE   1000

/* the same, when Redis does not let us */
#define NGX_HTTP_GATE_CHANNEL_DENIED  10000


struct ngx_http_gate_channel_s {
    ngx_http_gate_redis_t        *redis;
    ngx_http_gate_link_t         *link;
    ngx_http_gate_server_t        server;
    ngx_str_t                     name;
    ngx_http_gate_channel_pt      handler;
    void                         *data;
    ngx_msec_t                    resume;   /* not before */
    ngx_uint_t                    denied;   /* it was said */
};


static void ngx_http_gate_channel_ready(void *data);
static ngx_int_t ngx_http_gate_channel_lost(void *data, const char *why,
    ngx_err_t err, ngx_uint_t idle, ngx_uint_t again);
static ngx_int_t ngx_http_gate_channel_message(void *data, redisReply *reply);
static void ngx_http_gate_channel_listening(void *data, redisReply *reply);
static void ngx_http_gate_channel_later(ngx_http_gate_channel_t *channel,
    ngx_msec_t pause);


ngx_http_gate_channel_t *
ngx_http_gate_channel_create(ngx_pool_t *pool, ngx_http_gate_redis_t *redis,
    const ngx_str_t *name, ngx_http_gate_channel_pt handler, void *data,
    ngx_log_t *log)
{
    ngx_http_gate_channel_t     *channel;
    ngx_http_gate_link_owner_t   owner;

    channel = ngx_pcalloc(pool, sizeof(ngx_http_gate_channel_t));
    if (channel == NULL) {
        return NULL;
    }

    channel->redis = redis;
    channel->name = *name;
    channel->handler = handler;
    channel->data = data;
    channel->resume = ngx_current_msec;

    owner.ready = ngx_http_gate_channel_ready;
    owner.lost = ngx_http_gate_channel_lost;
    owner.message = ngx_http_gate_channel_message;
    owner.data = channel;

    channel->link = ngx_http_gate_link_create(pool,
                                              ngx_http_gate_redis_link(redis),
                                              &owner, log);

    return channel->link ? channel : NULL;
}


void
ngx_http_gate_channel_listen(ngx_http_gate_channel_t *channel)
{
    ngx_str_t                      argv[2];
    const ngx_http_gate_server_t  *server;

    server = ngx_http_gate_redis_where(channel->redis);

    if (server == NULL) {
        return;
    }

    if (!ngx_http_gate_link_away(channel->link)) {

        if (ngx_cmp_sockaddr((struct sockaddr *) &server->sockaddr,
                             server->socklen,
                             &channel->server.sockaddr.sockaddr,
                             channel->server.socklen, 1)
            == NGX_OK)
        {
            return;
        }

        ngx_http_gate_link_close(channel->link);
    }

    if ((ngx_msec_int_t) (channel->resume - ngx_current_msec) > 0) {
        return;
    }

    channel->server = *server;
    ngx_http_gate_channel_later(channel, NGX_HTTP_GATE_CHANNEL_PAUSE);

    if (ngx_http_gate_link_open(channel->link, &channel->server, 0, 1)
        != NGX_OK)
    {
        return;
    }

    ngx_str_set(&argv[0], "SUBSCRIBE");
    argv[1] = channel->name;

    (void) ngx_http_gate_link_ask(channel->link, 2, argv, 0,
                                  ngx_http_gate_channel_listening, channel);
}


void
ngx_http_gate_channel_close(ngx_http_gate_channel_t *channel)
{
    ngx_http_gate_link_close(channel->link);
}


static void
ngx_http_gate_channel_ready(void *data)
{
    /* what was kept for it goes out */

    (void) data;
}


static ngx_int_t
ngx_http_gate_channel_lost(void *data, const char *why, ngx_err_t err,
    ngx_uint_t idle, ngx_uint_t again)
{
    ngx_http_gate_channel_t *channel = data;

    (void) idle;
    (void) again;

    ngx_log_error(NGX_LOG_INFO, ngx_http_gate_link_log(channel->link), err,
                  "gate: redis: the channel \"%V\" is lost: %s",
                  &channel->name, why);

    ngx_http_gate_channel_later(channel, NGX_HTTP_GATE_CHANNEL_PAUSE);

    return NGX_OK;
}


/* "message", the channel, and what somebody says */

static ngx_int_t
ngx_http_gate_channel_message(void *data, redisReply *reply)
{
    ngx_http_gate_channel_t *channel = data;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3
        || reply->element[0] == NULL
        || reply->element[0]->type != REDIS_REPLY_STRING)
    {
        return NGX_ERROR;
    }

    channel->handler(channel->data);

    return NGX_OK;
}


static void
ngx_http_gate_channel_listening(void *data, redisReply *reply)
{
    ngx_http_gate_channel_t *channel = data;

    if (reply == NULL) {
        return;
    }

    if (reply->type != REDIS_REPLY_ERROR) {
        channel->denied = 0;

        /* what was said before nobody heard */

        channel->handler(channel->data);
        return;
    }

    if (!channel->denied) {
        channel->denied = 1;
        ngx_log_error(NGX_LOG_WARN, ngx_http_gate_link_log(channel->link), 0,
                      "gate: redis lets nobody listen to \"%V\": \"%*s\": "
                      "holds are seen within a second, not at once",
                      &channel->name, (size_t) ngx_min(reply->len, 256),
                      reply->str);
    }

    ngx_http_gate_link_close(channel->link);
    ngx_http_gate_channel_later(channel, NGX_HTTP_GATE_CHANNEL_DENIED);
}


static void
ngx_http_gate_channel_later(ngx_http_gate_channel_t *channel,
    ngx_msec_t pause)
{
    channel->resume = ngx_current_msec + pause;
}
