/*
 * Questions.  Each keeps its command until it is answered, for a node may say
 * that it is to be asked elsewhere (MOVED, ASK), or later (TRYAGAIN,
 * CLUSTERDOWN): then it is parked, and tries again until its deadline.  The
 * commands are scripts that may be asked twice, and none was executed by a
 * node that says so.
 *
 * The life of a question: _open, _route (or _park, until _tick), _reply, _end.
 */


#include "ngx_http_gate_cluster_inner.h"


/* until parked questions try again, ms */
#define NGX_HTTP_GATE_CLUSTER_TICK   10

/* arguments of a command, and one more */
#define NGX_HTTP_GATE_CLUSTER_ARGS   1024

/* redirections that are followed at once */
#define NGX_HTTP_GATE_CLUSTER_HOPS   4


typedef struct {
    ngx_queue_t                     queue;      /* parked */
    ngx_http_gate_cluster_t        *cluster;
    ngx_http_gate_link_handler_pt   handler;
    void                           *data;
    ngx_msec_t                      deadline;
    ngx_uint_t                      slot;
    ngx_http_gate_node_t           *node;       /* who is asked */
    ngx_http_gate_node_t           *importing;  /* to be asked, by ASK */
    ngx_uint_t                      hops;
    unsigned                        script:1;
    unsigned                        bound:1;    /* to this node */
    unsigned                        sure:1;
    ngx_uint_t                      argc;
    ngx_str_t                       argv[1];
} ngx_http_gate_cluster_question_t;


static ngx_http_gate_cluster_question_t *ngx_http_gate_cluster_open(
    ngx_http_gate_cluster_t *cluster, ngx_uint_t argc, const ngx_str_t *argv,
    ngx_http_gate_link_handler_pt handler, void *data);
static ngx_int_t ngx_http_gate_cluster_route(
    ngx_http_gate_cluster_question_t *q);
static ngx_int_t ngx_http_gate_cluster_send(
    ngx_http_gate_cluster_question_t *q, ngx_http_gate_link_t *link);
static u_char *ngx_http_gate_cluster_epochs(
    ngx_http_gate_cluster_question_t *q, u_char *p);
static void ngx_http_gate_cluster_asking(void *data, redisReply *reply);
static void ngx_http_gate_cluster_reply(void *data, redisReply *reply);
static ngx_int_t ngx_http_gate_cluster_redirected(
    ngx_http_gate_cluster_question_t *q, redisReply *reply);
static void ngx_http_gate_cluster_park(ngx_http_gate_cluster_question_t *q);
static void ngx_http_gate_cluster_tick_handler(ngx_event_t *ev);
static void ngx_http_gate_cluster_end(ngx_http_gate_cluster_question_t *q,
    redisReply *reply);


ngx_http_gate_cluster_t *
ngx_http_gate_cluster_create(ngx_pool_t *pool,
    ngx_http_gate_link_conf_t *conf, const ngx_array_t *servers,
    ngx_http_gate_names_t *names, const ngx_str_t *prefix, ngx_log_t *log)
{
    ngx_http_gate_cluster_t  *cluster;

    cluster = ngx_pcalloc(pool, sizeof(ngx_http_gate_cluster_t));
    if (cluster == NULL) {
        return NULL;
    }

    cluster->conf = conf;
    cluster->pool = pool;
    cluster->log = log;
    cluster->names = names;
    cluster->prefix = *prefix;
    cluster->looked = ngx_current_msec - 1000;

    ngx_queue_init(&cluster->parked);

    cluster->tick.handler = ngx_http_gate_cluster_tick_handler;
    cluster->tick.data = cluster;
    cluster->tick.log = log;

    return ngx_http_gate_cluster_map_init(cluster, servers) == NGX_OK
           ? cluster : NULL;
}


ngx_int_t
ngx_http_gate_cluster_ask(ngx_http_gate_cluster_t *cluster,
    const ngx_str_t *key, ngx_uint_t argc, const ngx_str_t *argv,
    ngx_uint_t sure, ngx_http_gate_link_handler_pt handler, void *data)
{
    ngx_int_t                          rc;
    ngx_http_gate_cluster_question_t  *q;

    if (cluster->asked >= cluster->conf->queue) {
        return NGX_BUSY;
    }

    q = ngx_http_gate_cluster_open(cluster, argc, argv, handler, data);
    if (q == NULL) {
        return NGX_ERROR;
    }

    q->slot = ngx_http_gate_slot(key);
    q->script = 1;
    q->sure = sure ? 1 : 0;

    rc = ngx_http_gate_cluster_route(q);

    if (rc != NGX_OK) {
        cluster->asked--;
        ngx_free(q);
    }

    return rc;
}


ngx_uint_t
ngx_http_gate_cluster_ask_each(ngx_http_gate_cluster_t *cluster,
    ngx_uint_t script, ngx_uint_t argc, const ngx_str_t *argv,
    ngx_http_gate_link_handler_pt handler, void *data)
{
    ngx_uint_t                         i, n;
    ngx_http_gate_node_t              *node;
    ngx_http_gate_cluster_question_t  *q;

    if (!cluster->known) {
        ngx_http_gate_cluster_look(cluster);
        return 0;
    }

    n = 0;

    for (i = 0; i < NGX_HTTP_GATE_CLUSTER_NODES; i++) {
        node = &cluster->nodes[i];

        if (node->slots == 0) {
            continue;
        }

        q = ngx_http_gate_cluster_open(cluster, argc, argv, handler, data);
        if (q == NULL) {
            break;
        }

        q->node = node;
        q->slot = node->homes[0];
        q->script = script ? 1 : 0;
        q->bound = 1;

        if (ngx_http_gate_cluster_route(q) == NGX_OK) {
            n++;

        } else {
            cluster->asked--;
            ngx_free(q);
        }
    }

    return n;
}


uint64_t
ngx_http_gate_cluster_server(const ngx_http_gate_cluster_t *cluster)
{
    return cluster->answering;
}


ngx_uint_t
ngx_http_gate_cluster_ready(const ngx_http_gate_cluster_t *cluster)
{
    return ngx_http_gate_cluster_where(cluster) != NULL;
}


const ngx_http_gate_server_t *
ngx_http_gate_cluster_where(const ngx_http_gate_cluster_t *cluster)
{
    ngx_uint_t             i;
    ngx_http_gate_node_t  *node;

    for (i = 0; i < NGX_HTTP_GATE_CLUSTER_NODES; i++) {
        node = &cluster->nodes[i];

        if (node->slots && ngx_http_gate_link_ready(node->link)) {
            return ngx_http_gate_link_server(node->link);
        }
    }

    return NULL;
}


void
ngx_http_gate_cluster_close(ngx_http_gate_cluster_t *cluster)
{
    ngx_uint_t    i;
    ngx_queue_t  *q;

    cluster->looking = 1;

    if (cluster->look.timer_set) {
        ngx_del_timer(&cluster->look);
    }

    for (i = 0; i < NGX_HTTP_GATE_CLUSTER_NODES; i++) {
        if (cluster->nodes[i].link) {
            ngx_http_gate_link_close(cluster->nodes[i].link);
        }
    }

    while (!ngx_queue_empty(&cluster->parked)) {
        q = ngx_queue_head(&cluster->parked);
        ngx_queue_remove(q);
        ngx_http_gate_cluster_end(
            ngx_queue_data(q, ngx_http_gate_cluster_question_t, queue), NULL);
    }

    if (cluster->tick.timer_set) {
        ngx_del_timer(&cluster->tick);
    }
}


static ngx_http_gate_cluster_question_t *
ngx_http_gate_cluster_open(ngx_http_gate_cluster_t *cluster, ngx_uint_t argc,
    const ngx_str_t *argv, ngx_http_gate_link_handler_pt handler, void *data)
{
    size_t                             len;
    u_char                            *p;
    ngx_uint_t                         i;
    ngx_http_gate_cluster_question_t  *q;

    len = sizeof(ngx_http_gate_cluster_question_t)
          + argc * sizeof(ngx_str_t);

    for (i = 0; i < argc; i++) {
        len += argv[i].len;
    }

    if (argc >= NGX_HTTP_GATE_CLUSTER_ARGS) {
        return NULL;
    }

    q = ngx_alloc(len, cluster->log);
    if (q == NULL) {
        return NULL;
    }

    ngx_memzero(q, sizeof(ngx_http_gate_cluster_question_t));

    q->cluster = cluster;
    q->handler = handler;
    q->data = data;
    q->deadline = ngx_current_msec + cluster->conf->connect_timeout
                  + cluster->conf->timeout;
    q->argc = argc;

    p = (u_char *) &q->argv[argc];

    for (i = 0; i < argc; i++) {
        q->argv[i].data = p;
        q->argv[i].len = argv[i].len;
        p = ngx_cpymem(p, argv[i].data, argv[i].len);
    }

    cluster->asked++;

    return q;
}


static ngx_int_t
ngx_http_gate_cluster_route(ngx_http_gate_cluster_question_t *q)
{
    ngx_int_t                 rc;
    ngx_uint_t                n;
    ngx_http_gate_link_t     *link;
    ngx_http_gate_cluster_t  *cluster;

    static const ngx_str_t  asking = ngx_string("ASKING");

    cluster = q->cluster;

    if (q->importing) {
        q->node = q->importing;

    } else if (!q->bound) {
        n = cluster->map[q->slot];

        if (n == 0) {
            ngx_http_gate_cluster_look(cluster);

            if (cluster->blind) {
                return NGX_BUSY;
            }

            ngx_http_gate_cluster_park(q);
            return NGX_OK;
        }

        q->node = &cluster->nodes[n - 1];
    }

    link = ngx_http_gate_cluster_link(q->node);
    if (link == NULL) {
        return NGX_BUSY;
    }

    if (q->importing) {
        q->importing = NULL;

        rc = ngx_http_gate_link_ask(link, 1, &asking, 0,
                                    ngx_http_gate_cluster_asking, NULL);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return ngx_http_gate_cluster_send(q, link);
}


static ngx_int_t
ngx_http_gate_cluster_send(ngx_http_gate_cluster_question_t *q,
    ngx_http_gate_link_t *link)
{
    u_char      epochs[NGX_HTTP_GATE_CLUSTER_EPOCHS];
    ngx_str_t   argv[NGX_HTTP_GATE_CLUSTER_ARGS];
    ngx_uint_t  argc;

    argc = q->argc;
    ngx_memcpy(argv, q->argv, argc * sizeof(ngx_str_t));

    if (q->script) {
        argv[argc].data = epochs;
        argv[argc].len = ngx_http_gate_cluster_epochs(q, epochs) - epochs;
        argc++;
    }

    return ngx_http_gate_link_ask(link, argc, argv, q->sure,
                                  ngx_http_gate_cluster_reply, q);
}


/* who has no slot yet has its epoch where the question goes */

static u_char *
ngx_http_gate_cluster_epochs(ngx_http_gate_cluster_question_t *q, u_char *p)
{
    ngx_uint_t                i, slot;
    ngx_http_gate_node_t     *node;
    ngx_http_gate_cluster_t  *cluster;

    node = q->node;
    cluster = q->cluster;

    *p++ = '@';

    for (i = 0; i < ngx_max(node->nhomes, 1); i++) {
        slot = node->nhomes ? node->homes[i] : q->slot;
        p = ngx_sprintf(p, " %V:epoch:{%uD}", &cluster->prefix,
                        cluster->tags[slot]);
    }

    return p;
}


/* the question behind it tells */

static void
ngx_http_gate_cluster_asking(void *data, redisReply *reply)
{
}


static void
ngx_http_gate_cluster_reply(void *data, redisReply *reply)
{
    ngx_http_gate_cluster_question_t *q = data;

    if (reply == NULL || reply->type != REDIS_REPLY_ERROR) {
        ngx_http_gate_cluster_end(q, reply);
        return;
    }

    switch (ngx_http_gate_cluster_redirected(q, reply)) {

    case NGX_DECLINED:
        ngx_http_gate_cluster_end(q, reply);
        return;

    case NGX_AGAIN:
        break;

    default: /* NGX_OK: to another node */

        if (++q->hops <= NGX_HTTP_GATE_CLUSTER_HOPS
            && ngx_http_gate_cluster_route(q) == NGX_OK)
        {
            return;
        }
    }

    if (q->bound) {
        ngx_http_gate_cluster_end(q, NULL);
        return;
    }

    q->hops = 0;
    ngx_http_gate_cluster_park(q);
}


/* NGX_OK: it is to be asked elsewhere.  NGX_AGAIN: later.  NGX_DECLINED: not */

static ngx_int_t
ngx_http_gate_cluster_redirected(ngx_http_gate_cluster_question_t *q,
    redisReply *reply)
{
    ngx_uint_t                i;
    const u_char             *p;
    ngx_http_gate_node_t     *node;
    ngx_http_gate_named_t     named;
    ngx_http_gate_cluster_t  *cluster;

    static const char *const  wrong[] = {
        "ELSEWHERE", "READONLY", "MASTERDOWN", "CLUSTERDOWN"
    };

    cluster = q->cluster;
    p = (u_char *) reply->str;

    if (ngx_strncmp(p, "MOVED ", 6) == 0 || ngx_strncmp(p, "ASK ", 4) == 0) {
        node = ngx_http_gate_topology_redirected(&named, reply) == NGX_OK
               ? ngx_http_gate_cluster_node(cluster, &named) : NULL;

        if (*p == 'M') {
            ngx_http_gate_cluster_look(cluster);

            if (node == NULL || node->slots == 0) {

                /* where its epoch is will be known with the map */

                return NGX_AGAIN;
            }

            cluster->map[q->slot] = (uint8_t) (node - cluster->nodes + 1);

        } else {
            q->importing = node;
        }

        return node ? NGX_OK : NGX_AGAIN;
    }

    if (ngx_strncmp(p, "TRYAGAIN", sizeof("TRYAGAIN") - 1) == 0) {
        return NGX_AGAIN;
    }

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (ngx_strncmp(p, wrong[i], ngx_strlen(wrong[i])) == 0) {
            ngx_http_gate_cluster_look(cluster);
            return NGX_AGAIN;
        }
    }

    return NGX_DECLINED;
}


static void
ngx_http_gate_cluster_park(ngx_http_gate_cluster_question_t *q)
{
    ngx_queue_insert_tail(&q->cluster->parked, &q->queue);

    ngx_http_gate_cluster_retry(q->cluster, NGX_HTTP_GATE_CLUSTER_TICK);
}


void
ngx_http_gate_cluster_retry(ngx_http_gate_cluster_t *cluster,
    ngx_msec_t after)
{
    if (ngx_queue_empty(&cluster->parked)
        || (cluster->tick.timer_set && after > 1))
    {
        return;
    }

    ngx_add_timer(&cluster->tick, after);
}


static void
ngx_http_gate_cluster_tick_handler(ngx_event_t *ev)
{
    ngx_queue_t                        parked, *item;
    ngx_http_gate_cluster_t           *cluster;
    ngx_http_gate_cluster_question_t  *q;

    cluster = ev->data;

    if (ngx_queue_empty(&cluster->parked)) {
        return;
    }

    ngx_queue_init(&parked);
    ngx_queue_add(&parked, &cluster->parked);
    ngx_queue_init(&cluster->parked);

    while (!ngx_queue_empty(&parked)) {
        item = ngx_queue_head(&parked);
        ngx_queue_remove(item);

        q = ngx_queue_data(item, ngx_http_gate_cluster_question_t, queue);

        if ((ngx_msec_int_t) (q->deadline - ngx_current_msec) <= 0
            || ngx_http_gate_cluster_route(q) != NGX_OK)
        {
            ngx_http_gate_cluster_end(q, NULL);
        }
    }
}


static void
ngx_http_gate_cluster_end(ngx_http_gate_cluster_question_t *q,
    redisReply *reply)
{
    ngx_http_gate_cluster_t  *cluster;

    cluster = q->cluster;

    cluster->asked--;
    cluster->answering = q->node ? q->node->server : 1;

    q->handler(q->data, reply);

    ngx_free(q);
}
