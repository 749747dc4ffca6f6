/*
 * With Sentinels there are two links: one asks a Sentinel where the primary is,
 * and then listens to what it says of changes; the other goes to the primary.
 * Without, the servers are tried in turn until one says that it is the primary.
 * A cluster is another file's.
 *
 * An outage begins with the first failure and ends when a primary lets us in:
 * both are logged once.
 */


#include "ngx_http_gate_redis.h"
#include "ngx_http_gate_topology.h"
#include "gate_pause.h"


/* until another Sentinel is listened to, ms */
#define NGX_HTTP_GATE_REDIS_LISTEN  1000


struct ngx_http_gate_redis_s {
    ngx_http_gate_redis_conf_t      *conf;
    ngx_http_gate_link_t            *link;      /* to the primary */
    ngx_http_gate_link_t            *sentinel;  /* NULL: there are none */
    ngx_http_gate_cluster_t         *cluster;   /* NULL: there is none */
    ngx_http_gate_names_t           *names;
    ngx_http_gate_named_t            primary;   /* as a Sentinel named it */
    ngx_uint_t                       finding;   /* a Sentinel was asked */
    ngx_msec_t                       listen;    /* to another, not before */
    ngx_uint_t                       next;      /* server to try first */
    ngx_uint_t                       tried;     /* servers, one after another */
    uint32_t                         pause;     /* 0: no failure since */
    ngx_msec_t                       resume;    /* not before */
    time_t                           lost;      /* 0: no outage was told */
};


static ngx_int_t ngx_http_gate_redis_send(ngx_http_gate_redis_t *redis,
    ngx_uint_t argc, const ngx_str_t *argv, ngx_uint_t sure,
    ngx_http_gate_link_handler_pt handler, void *data);
static ngx_int_t ngx_http_gate_redis_connect(ngx_http_gate_redis_t *redis);
static ngx_int_t ngx_http_gate_redis_try(ngx_http_gate_redis_t *redis);
static void ngx_http_gate_redis_connected(void *data);
static ngx_int_t ngx_http_gate_redis_lost(void *data, const char *why,
    ngx_err_t err, ngx_uint_t idle, ngx_uint_t again);
static void ngx_http_gate_redis_outage(ngx_http_gate_redis_t *redis,
    ngx_http_gate_link_t *link, const char *why, ngx_err_t err);
static ngx_int_t ngx_http_gate_redis_find(ngx_http_gate_redis_t *redis,
    const ngx_http_gate_server_t *server);
static void ngx_http_gate_redis_found(void *data, redisReply *reply);
static void ngx_http_gate_redis_listen(ngx_http_gate_redis_t *redis);
static void ngx_http_gate_redis_relisten(ngx_http_gate_redis_t *redis);
static void ngx_http_gate_redis_listening(void *data, redisReply *reply);
static void ngx_http_gate_redis_sentinel_ready(void *data);
static ngx_int_t ngx_http_gate_redis_sentinel_lost(void *data,
    const char *why, ngx_err_t err, ngx_uint_t idle, ngx_uint_t again);
static ngx_int_t ngx_http_gate_redis_switched(void *data, redisReply *reply);


ngx_http_gate_redis_t *
ngx_http_gate_redis_create(ngx_pool_t *pool, ngx_http_gate_redis_conf_t *conf,
    const ngx_str_t *prefix, ngx_log_t *log)
{
    ngx_http_gate_redis_t       *redis;
    ngx_http_gate_link_owner_t   owner;

    redis = ngx_pcalloc(pool, sizeof(ngx_http_gate_redis_t));
    if (redis == NULL) {
        return NULL;
    }

    redis->conf = conf;

    redis->names = ngx_http_gate_names_create(pool, &conf->names,
                                              &conf->servers, log);
    if (redis->names == NULL) {
        return NULL;
    }

    if (conf->cluster) {
        redis->cluster = ngx_http_gate_cluster_create(pool, &conf->link,
                                                      &conf->servers,
                                                      redis->names, prefix,
                                                      log);
        return redis->cluster ? redis : NULL;
    }

    owner.ready = ngx_http_gate_redis_connected;
    owner.lost = ngx_http_gate_redis_lost;
    owner.message = NULL;
    owner.data = redis;

    redis->link = ngx_http_gate_link_create(pool, &conf->link, &owner, log);

    if (redis->link == NULL || conf->sentinel.len == 0) {
        return redis->link ? redis : NULL;
    }

    owner.ready = ngx_http_gate_redis_sentinel_ready;
    owner.lost = ngx_http_gate_redis_sentinel_lost;
    owner.message = ngx_http_gate_redis_switched;

    redis->sentinel = ngx_http_gate_link_create(pool, &conf->link, &owner,
                                                log);

    return redis->sentinel ? redis : NULL;
}


ngx_int_t
ngx_http_gate_redis_ask(ngx_http_gate_redis_t *redis, const ngx_str_t *key,
    ngx_uint_t argc, const ngx_str_t *argv, ngx_uint_t sure,
    ngx_http_gate_link_handler_pt handler, void *data)
{
    if (redis->cluster) {
        return ngx_http_gate_cluster_ask(redis->cluster, key, argc, argv,
                                         sure, handler, data);
    }

    return ngx_http_gate_redis_send(redis, argc, argv, sure, handler, data);
}


ngx_uint_t
ngx_http_gate_redis_ask_each(ngx_http_gate_redis_t *redis, ngx_uint_t script,
    ngx_uint_t argc, const ngx_str_t *argv,
    ngx_http_gate_link_handler_pt handler, void *data)
{
    if (redis->cluster) {
        return ngx_http_gate_cluster_ask_each(redis->cluster, script, argc,
                                              argv, handler, data);
    }

    return ngx_http_gate_redis_send(redis, argc, argv, 0, handler, data)
           == NGX_OK;
}


uint64_t
ngx_http_gate_redis_server(ngx_http_gate_redis_t *redis)
{
    return redis->cluster ? ngx_http_gate_cluster_server(redis->cluster) : 0;
}


static ngx_int_t
ngx_http_gate_redis_send(ngx_http_gate_redis_t *redis, ngx_uint_t argc,
    const ngx_str_t *argv, ngx_uint_t sure,
    ngx_http_gate_link_handler_pt handler, void *data)
{
    if (ngx_http_gate_link_away(redis->link) && !redis->finding
        && ngx_http_gate_redis_connect(redis) != NGX_OK)
    {
        return NGX_BUSY;
    }

    if (redis->sentinel && ngx_http_gate_link_away(redis->sentinel)
        && (ngx_msec_int_t) (redis->listen - ngx_current_msec) <= 0)
    {
        ngx_http_gate_redis_relisten(redis);
    }

    return ngx_http_gate_link_ask(redis->link, argc, argv, sure, handler,
                                  data);
}


ngx_uint_t
ngx_http_gate_redis_ready(ngx_http_gate_redis_t *redis)
{
    return redis->cluster ? ngx_http_gate_cluster_ready(redis->cluster)
                          : ngx_http_gate_link_ready(redis->link);
}


const ngx_http_gate_server_t *
ngx_http_gate_redis_where(ngx_http_gate_redis_t *redis)
{
    if (redis->cluster) {
        return ngx_http_gate_cluster_where(redis->cluster);
    }

    return ngx_http_gate_link_ready(redis->link)
           ? ngx_http_gate_link_server(redis->link) : NULL;
}


ngx_http_gate_link_conf_t *
ngx_http_gate_redis_link(ngx_http_gate_redis_t *redis)
{
    return &redis->conf->link;
}


void
ngx_http_gate_redis_close(ngx_http_gate_redis_t *redis)
{
    redis->finding = 0;

    ngx_http_gate_names_close(redis->names);

    if (redis->cluster) {
        ngx_http_gate_cluster_close(redis->cluster);
        return;
    }

    ngx_http_gate_link_close(redis->link);

    if (redis->sentinel) {
        ngx_http_gate_link_close(redis->sentinel);
    }
}


static ngx_int_t
ngx_http_gate_redis_connect(ngx_http_gate_redis_t *redis)
{
    if (redis->pause
        && (ngx_msec_int_t) (redis->resume - ngx_current_msec) > 0)
    {
        return NGX_BUSY;
    }

    redis->tried = 0;

    if (ngx_http_gate_redis_try(redis) != NGX_OK) {
        ngx_http_gate_redis_outage(redis, redis->link, "connect() failed",
                                   ngx_socket_errno);
        return NGX_BUSY;
    }

    return NGX_OK;
}


/* each server once, from the one that was right before */

static ngx_int_t
ngx_http_gate_redis_try(ngx_http_gate_redis_t *redis)
{
    ngx_int_t                rc;
    ngx_uint_t               n;
    ngx_http_gate_server_t  *server;

    n = redis->conf->servers.nelts;

    for ( ;; ) {

        if (redis->tried == n) {
            return NGX_DECLINED;
        }

        if (redis->tried++) {
            redis->next++;
        }

        server = redis->conf->servers.elts;
        server += redis->next % n;

        rc = redis->sentinel
             ? ngx_http_gate_redis_find(redis, server)
             : ngx_http_gate_link_open(redis->link, server,
                                       n > 1 ? NGX_HTTP_GATE_GREET_PRIMARY
                                             : 0,
                                       redis->lost || n > 1);
        if (rc == NGX_OK) {
            return NGX_OK;
        }
    }
}


static void
ngx_http_gate_redis_connected(void *data)
{
    ngx_http_gate_redis_t *redis = data;

    ngx_log_t  *log;

    log = ngx_http_gate_link_log(redis->link);
    redis->pause = 0;

    if (redis->lost) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "gate: redis connected again after %T s",
                      ngx_time() - redis->lost);
        redis->lost = 0;

    } else {
        ngx_log_error(NGX_LOG_NOTICE, log, 0, "gate: redis connected");
    }

    ngx_http_gate_link_news(&redis->conf->link, 0, 1, "");
}


static ngx_int_t
ngx_http_gate_redis_lost(void *data, const char *why, ngx_err_t err,
    ngx_uint_t idle, ngx_uint_t again)
{
    ngx_http_gate_redis_t *redis = data;

    if (idle) {

        if (redis->lost == 0) {
            ngx_log_error(NGX_LOG_NOTICE, ngx_http_gate_link_log(redis->link),
                          0, "gate: redis connection %s", why);
        }

        return NGX_OK;
    }

    if (again && redis->tried < redis->conf->servers.nelts) {

        if (redis->lost == 0) {
            ngx_log_error(NGX_LOG_NOTICE, ngx_http_gate_link_log(redis->link),
                          err, "gate: redis: %s: the next is tried", why);
        }

        if (ngx_http_gate_redis_try(redis) == NGX_OK) {
            return NGX_AGAIN;
        }
    }

    ngx_http_gate_redis_outage(redis, redis->link, why, err);

    return NGX_OK;
}


static void
ngx_http_gate_redis_outage(ngx_http_gate_redis_t *redis,
    ngx_http_gate_link_t *link, const char *why, ngx_err_t err)
{
    if (redis->lost == 0) {
        ngx_log_error(NGX_LOG_ERR, ngx_http_gate_link_log(link), err,
                      "gate: redis is lost: %s", why);
        redis->lost = ngx_time();

        ngx_http_gate_link_news(&redis->conf->link, 0, 0, why);
    }

    ngx_http_gate_names_look(redis->names);

    /* not all workers of all nodes at once */

    redis->pause = gate_pause_more(redis->pause);
    redis->resume = ngx_current_msec
                    + gate_pause_spread(redis->pause, ngx_random());
}


/* asks a Sentinel, on a link of its own: who listens may not ask */

static ngx_int_t
ngx_http_gate_redis_find(ngx_http_gate_redis_t *redis,
    const ngx_http_gate_server_t *server)
{
    ngx_int_t  rc;
    ngx_str_t  argv[3];

    ngx_http_gate_link_close(redis->sentinel);

    rc = ngx_http_gate_link_open(redis->sentinel, server,
                                 NGX_HTTP_GATE_GREET_SENTINEL, 1);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_str_set(&argv[0], "SENTINEL");
    ngx_str_set(&argv[1], "GET-MASTER-ADDR-BY-NAME");
    argv[2] = redis->conf->sentinel;

    rc = ngx_http_gate_link_ask(redis->sentinel, 3, argv, 0,
                                ngx_http_gate_redis_found, redis);
    if (rc != NGX_OK) {
        ngx_http_gate_link_close(redis->sentinel);
        return rc;
    }

    redis->finding = 1;

    return NGX_OK;
}


static void
ngx_http_gate_redis_found(void *data, redisReply *reply)
{
    ngx_http_gate_redis_t *redis = data;

    if (!redis->finding) {
        return;
    }

    redis->finding = 0;

    if (reply
        && ngx_http_gate_topology_primary(&redis->primary, reply) == NGX_OK
        && ngx_http_gate_link_open(redis->link, &redis->primary.server,
                                   NGX_HTTP_GATE_GREET_PRIMARY, 1)
           == NGX_OK)
    {
        ngx_http_gate_redis_listen(redis);
        return;
    }

    if (ngx_http_gate_redis_try(redis) == NGX_OK) {
        return;
    }

    ngx_http_gate_redis_outage(redis, redis->sentinel,
                               "no Sentinel names a primary", 0);
    ngx_http_gate_link_close(redis->link);
}


/* the Sentinel that named the primary will say when it is another one */

static void
ngx_http_gate_redis_listen(ngx_http_gate_redis_t *redis)
{
    ngx_str_t  argv[2];

    ngx_str_set(&argv[0], "SUBSCRIBE");
    ngx_str_set(&argv[1], "+switch-master");

    (void) ngx_http_gate_link_ask(redis->sentinel, 2, argv, 0,
                                  ngx_http_gate_redis_listening, redis);
}


/* it has gone, the primary has not */

static void
ngx_http_gate_redis_relisten(ngx_http_gate_redis_t *redis)
{
    ngx_http_gate_server_t  *servers;

    servers = redis->conf->servers.elts;
    redis->listen = ngx_current_msec + NGX_HTTP_GATE_REDIS_LISTEN;

    if (ngx_http_gate_link_open(redis->sentinel,
                                &servers[redis->next++
                                         % redis->conf->servers.nelts],
                                NGX_HTTP_GATE_GREET_SENTINEL, 1)
        == NGX_OK)
    {
        ngx_http_gate_redis_listen(redis);
    }
}


static void
ngx_http_gate_redis_listening(void *data, redisReply *reply)
{
    ngx_http_gate_redis_t *redis = data;

    if (reply && reply->type == REDIS_REPLY_ERROR) {
        ngx_log_error(NGX_LOG_WARN, ngx_http_gate_link_log(redis->sentinel), 0,
                      "gate: the Sentinel will not tell of a new primary: "
                      "\"%*s\"", (size_t) ngx_min(reply->len, 256),
                      reply->str);
    }
}


static void
ngx_http_gate_redis_sentinel_ready(void *data)
{
    /* what was kept for it goes out */
}


static ngx_int_t
ngx_http_gate_redis_sentinel_lost(void *data, const char *why, ngx_err_t err,
    ngx_uint_t idle, ngx_uint_t again)
{
    ngx_http_gate_redis_t *redis = data;

    if (redis->lost == 0) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_http_gate_link_log(redis->sentinel),
                      err, "gate: redis: a Sentinel is lost: %s", why);
    }

    redis->listen = ngx_current_msec + NGX_HTTP_GATE_REDIS_LISTEN;

    return NGX_OK;
}


/* the primary of that name has moved, unless we are there already */

static ngx_int_t
ngx_http_gate_redis_switched(void *data, redisReply *reply)
{
    ngx_http_gate_redis_t *redis = data;

    ngx_int_t                rc;
    ngx_http_gate_named_t    named;
    ngx_http_gate_server_t  *server;

    rc = ngx_http_gate_topology_switched(&named, reply,
                                         &redis->conf->sentinel);
    if (rc != NGX_OK) {
        return rc == NGX_DECLINED ? NGX_OK : NGX_ERROR;
    }

    server = &redis->primary.server;

    if (!ngx_http_gate_link_away(redis->link)
        && ngx_cmp_sockaddr(&named.server.sockaddr.sockaddr,
                            named.server.socklen,
                            &server->sockaddr.sockaddr, server->socklen, 1)
           != NGX_OK)
    {
        ngx_http_gate_link_fail(redis->link, "the primary has moved");
        redis->pause = 0;
    }

    return NGX_OK;
}
