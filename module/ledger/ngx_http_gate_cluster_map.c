/*
 * Nodes and the map.  CLUSTER SLOTS tells ranges of slots, each with its
 * primary and then its replicas, which are not spoken to.
 */


#include "ngx_http_gate_cluster_inner.h"
#include "gate_pause.h"


/* between two looks at the map, ms */
#define NGX_HTTP_GATE_CLUSTER_LOOK   20
#define NGX_HTTP_GATE_CLUSTER_AGAIN  100


static ngx_http_gate_node_t *ngx_http_gate_cluster_add(
    ngx_http_gate_cluster_t *cluster, const ngx_http_gate_named_t *named);
static void ngx_http_gate_cluster_identify(ngx_http_gate_node_t *node);
static void ngx_http_gate_cluster_ready_handler(void *data);
static ngx_int_t ngx_http_gate_cluster_lost_handler(void *data,
    const char *why, ngx_err_t err, ngx_uint_t idle, ngx_uint_t again);
static void ngx_http_gate_cluster_lost(ngx_http_gate_node_t *node,
    const char *why, ngx_err_t err);
static void ngx_http_gate_cluster_look_handler(ngx_event_t *ev);
static void ngx_http_gate_cluster_look_later(ngx_http_gate_cluster_t *cluster,
    ngx_msec_t after);
static ngx_http_gate_node_t *ngx_http_gate_cluster_teller(
    ngx_http_gate_cluster_t *cluster);
static void ngx_http_gate_cluster_told(void *data, redisReply *reply);
static ngx_int_t ngx_http_gate_cluster_read(ngx_http_gate_node_t *teller,
    redisReply *reply);
static ngx_int_t ngx_http_gate_cluster_range(ngx_http_gate_node_t *teller,
    redisReply *reply, uint8_t *map);
static void ngx_http_gate_cluster_apply(ngx_http_gate_cluster_t *cluster,
    const uint8_t *map);
static void ngx_http_gate_cluster_home(ngx_http_gate_node_t *node,
    ngx_uint_t slot);
static ngx_uint_t ngx_http_gate_cluster_rank(ngx_uint_t slot);


ngx_int_t
ngx_http_gate_cluster_map_init(ngx_http_gate_cluster_t *cluster,
    const ngx_array_t *servers)
{
    ngx_uint_t               i;
    ngx_http_gate_node_t    *node;
    ngx_http_gate_named_t    named;
    ngx_http_gate_server_t  *server;

    cluster->tags = ngx_pnalloc(cluster->pool,
                                NGX_HTTP_GATE_SLOTS * sizeof(uint32_t));
    cluster->map = ngx_pcalloc(cluster->pool, NGX_HTTP_GATE_SLOTS);
    cluster->nodes = ngx_pcalloc(cluster->pool,
                                 NGX_HTTP_GATE_CLUSTER_NODES
                                 * sizeof(ngx_http_gate_node_t));

    if (cluster->tags == NULL || cluster->map == NULL
        || cluster->nodes == NULL)
    {
        return NGX_ERROR;
    }

    ngx_http_gate_slot_tags(cluster->tags);

    cluster->look.handler = ngx_http_gate_cluster_look_handler;
    cluster->look.data = cluster;
    cluster->look.log = cluster->log;
    cluster->look.cancelable = 1;

    server = servers->elts;

    for (i = 0; i < servers->nelts && i < NGX_HTTP_GATE_PRIMARIES; i++) {
        ngx_memzero(&named, sizeof(ngx_http_gate_named_t));
        named.server = server[i];

        node = ngx_http_gate_cluster_add(cluster, &named);
        if (node == NULL) {
            return NGX_ERROR;
        }

        node->seed = &server[i];
    }

    return NGX_OK;
}


ngx_http_gate_node_t *
ngx_http_gate_cluster_node(ngx_http_gate_cluster_t *cluster,
    const ngx_http_gate_named_t *named)
{
    ngx_uint_t             i;
    ngx_http_gate_node_t  *node;

    for (i = 0; i < NGX_HTTP_GATE_CLUSTER_NODES; i++) {
        node = &cluster->nodes[i];

        if (node->link
            && ngx_cmp_sockaddr(&node->named.server.sockaddr.sockaddr,
                                node->named.server.socklen,
                                (struct sockaddr *) &named->server.sockaddr,
                                named->server.socklen, 1)
               == NGX_OK)
        {
            return node;
        }
    }

    return ngx_http_gate_cluster_add(cluster, named);
}


/*
 * Takes the entry of one that has neither slots nor a connection, if need be;
 * not of one that was just read of, and has its slots in a moment.
 */

static ngx_http_gate_node_t *
ngx_http_gate_cluster_add(ngx_http_gate_cluster_t *cluster,
    const ngx_http_gate_named_t *named)
{
    ngx_uint_t                   i;
    ngx_http_gate_node_t        *node;
    ngx_http_gate_link_owner_t   owner;

    node = NULL;

    for (i = 0; i < NGX_HTTP_GATE_CLUSTER_NODES; i++) {
        node = &cluster->nodes[i];

        if (node->link == NULL
            || (node->slots == 0 && !node->seed
                && node->named_in != cluster->reading
                && ngx_http_gate_link_away(node->link)))
        {
            break;
        }
    }

    if (i == NGX_HTTP_GATE_CLUSTER_NODES) {
        return NULL;
    }

    node->cluster = cluster;
    node->named = *named;
    node->named_in = 0;
    node->pause = 0;
    node->lost = 0;

    if (node->named.server.host.data == named->host) {
        node->named.server.host.data = node->named.host;
        node->named.server.name.data = node->named.name;
    }

    ngx_http_gate_cluster_identify(node);

    if (node->link == NULL) {
        owner.ready = ngx_http_gate_cluster_ready_handler;
        owner.lost = ngx_http_gate_cluster_lost_handler;
        owner.message = NULL;
        owner.data = node;

        node->link = ngx_http_gate_link_create(cluster->pool, cluster->conf,
                                               &owner, cluster->log);
    }

    return node->link ? node : NULL;
}


static void
ngx_http_gate_cluster_identify(ngx_http_gate_node_t *node)
{
    ngx_str_t  *name;

    name = &node->named.server.name;

    node->server = (uint64_t) ngx_crc32_long(name->data, name->len) << 32
                   | ngx_murmur_hash2(name->data, name->len) | 1;
}


ngx_http_gate_link_t *
ngx_http_gate_cluster_link(ngx_http_gate_node_t *node)
{
    if (!ngx_http_gate_link_away(node->link)) {
        return node->link;
    }

    if (node->pause
        && (ngx_msec_int_t) (node->resume - ngx_current_msec) > 0)
    {
        return NULL;
    }

    if (node->seed && node->slots == 0) {

        /* its name may have another address by now */

        node->named.server = *node->seed;
        ngx_http_gate_cluster_identify(node);
    }

    if (ngx_http_gate_link_open(node->link, &node->named.server, 0,
                                node->lost != 0)
        != NGX_OK)
    {
        ngx_http_gate_cluster_lost(node, "connect() failed",
                                   ngx_socket_errno);
        return NULL;
    }

    return node->link;
}


static void
ngx_http_gate_cluster_ready_handler(void *data)
{
    ngx_http_gate_node_t *node = data;

    ngx_log_t  *log;

    log = ngx_http_gate_link_log(node->link);
    node->pause = 0;

    if (node->lost) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "gate: redis connected again after %T s",
                      ngx_time() - node->lost);
        node->lost = 0;

    } else {
        ngx_log_error(NGX_LOG_NOTICE, log, 0, "gate: redis connected");
    }

    ngx_http_gate_link_news(node->cluster->conf, node->server, 1, "");
}


static ngx_int_t
ngx_http_gate_cluster_lost_handler(void *data, const char *why, ngx_err_t err,
    ngx_uint_t idle, ngx_uint_t again)
{
    ngx_http_gate_node_t *node = data;

    if (idle) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_http_gate_link_log(node->link), 0,
                      "gate: redis connection %s", why);

        /* it is opened again when the next asks, unless it has gone */

        node->resume = ngx_current_msec;
        ngx_http_gate_cluster_look(node->cluster);

    } else {
        ngx_http_gate_cluster_lost(node, why, err);
    }

    return NGX_OK;
}


static void
ngx_http_gate_cluster_lost(ngx_http_gate_node_t *node, const char *why,
    ngx_err_t err)
{
    if (node->lost == 0 && node->slots) {
        ngx_log_error(NGX_LOG_ERR, ngx_http_gate_link_log(node->link), err,
                      "gate: redis is lost: %s", why);
        node->lost = ngx_time();

        ngx_http_gate_link_news(node->cluster->conf, node->server, 0, why);
    }

    ngx_http_gate_names_look(node->cluster->names);

    /* not all workers of all nodes at once */

    node->pause = gate_pause_more(node->pause);
    node->resume = ngx_current_msec
                   + gate_pause_spread(node->pause, ngx_random());

    ngx_http_gate_cluster_look(node->cluster);
}


void
ngx_http_gate_cluster_look(ngx_http_gate_cluster_t *cluster)
{
    ngx_http_gate_cluster_look_later(cluster, NGX_HTTP_GATE_CLUSTER_LOOK);
}


static void
ngx_http_gate_cluster_look_later(ngx_http_gate_cluster_t *cluster,
    ngx_msec_t after)
{
    ngx_msec_int_t  left;

    if (cluster->looking || cluster->look.timer_set) {
        return;
    }

    after = gate_pause_spread(after, ngx_random());
    left = (ngx_msec_int_t) (cluster->looked + after - ngx_current_msec);

    ngx_add_timer(&cluster->look,
                  left > 1 && left <= (ngx_msec_int_t) after
                  ? (ngx_msec_t) left : 1);
}


static void
ngx_http_gate_cluster_look_handler(ngx_event_t *ev)
{
    ngx_http_gate_node_t     *node;
    ngx_http_gate_cluster_t  *cluster;

    static const ngx_str_t  argv[] = {
        ngx_string("CLUSTER"), ngx_string("SLOTS")
    };

    cluster = ev->data;
    cluster->looked = ngx_current_msec;

    node = ngx_http_gate_cluster_teller(cluster);

    if (node
        && ngx_http_gate_link_ask(node->link, 2, argv, 0,
                                  ngx_http_gate_cluster_told, node)
           == NGX_OK)
    {
        cluster->looking = 1;
        return;
    }

    if (cluster->blind == 0) {
        ngx_log_error(NGX_LOG_ERR, cluster->log, 0,
                      "gate: redis is lost: no node of the cluster answers");
        cluster->blind = ngx_time();
    }

    ngx_http_gate_cluster_look_later(cluster, NGX_HTTP_GATE_CLUSTER_AGAIN);
}


/* one after another: first who is connected, else who may be by now */

static ngx_http_gate_node_t *
ngx_http_gate_cluster_teller(ngx_http_gate_cluster_t *cluster)
{
    ngx_uint_t             i, pass;
    ngx_http_gate_node_t  *node;

    for (pass = 0; pass < 2; pass++) {

        for (i = 0; i < NGX_HTTP_GATE_CLUSTER_NODES; i++) {
            node = &cluster->nodes[cluster->next++
                                   % NGX_HTTP_GATE_CLUSTER_NODES];

            if (node->link
                && (ngx_http_gate_link_ready(node->link)
                    || (pass && ngx_http_gate_cluster_link(node))))
            {
                return node;
            }
        }
    }

    return NULL;
}


static void
ngx_http_gate_cluster_told(void *data, redisReply *reply)
{
    ngx_http_gate_node_t *teller = data;

    ngx_uint_t                i;
    ngx_http_gate_node_t     *node;
    ngx_http_gate_cluster_t  *cluster;

    cluster = teller->cluster;
    cluster->looking = 0;

    if (reply == NULL) {
        ngx_http_gate_cluster_look_later(cluster,
                                         NGX_HTTP_GATE_CLUSTER_LOOK);
        return;
    }

    if (ngx_http_gate_cluster_read(teller, reply) != NGX_OK) {

        if (cluster->blind == 0) {
            ngx_log_error(NGX_LOG_ERR, ngx_http_gate_link_log(teller->link),
                          0, "gate: redis is lost: it does not tell the slots "
                          "of a cluster: \"%*s\"",
                          reply->type == REDIS_REPLY_ERROR
                          ? (size_t) ngx_min(reply->len, 256) : (size_t) 0,
                          reply->str);
            cluster->blind = ngx_time();
        }

        ngx_http_gate_cluster_look_later(cluster,
                                         NGX_HTTP_GATE_CLUSTER_AGAIN);
        return;
    }

    if (cluster->blind) {
        ngx_log_error(NGX_LOG_NOTICE, cluster->log, 0,
                      "gate: redis cluster found again after %T s",
                      ngx_time() - cluster->blind);
        cluster->blind = 0;
    }

    ngx_http_gate_cluster_retry(cluster, 1);

    /* until another takes the place of who is lost */

    for (i = 0; i < NGX_HTTP_GATE_CLUSTER_NODES; i++) {
        node = &cluster->nodes[i];

        if (node->slots && (node->lost || node->pause)) {
            ngx_http_gate_cluster_look_later(cluster,
                                             NGX_HTTP_GATE_CLUSTER_AGAIN);
            return;
        }
    }
}


static ngx_int_t
ngx_http_gate_cluster_read(ngx_http_gate_node_t *teller, redisReply *reply)
{
    size_t   i;
    uint8_t  map[NGX_HTTP_GATE_SLOTS];

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0) {
        return NGX_ERROR;
    }

    ngx_memzero(map, NGX_HTTP_GATE_SLOTS);
    teller->cluster->reading++;

    for (i = 0; i < reply->elements; i++) {
        if (ngx_http_gate_cluster_range(teller, reply->element[i], map)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_http_gate_cluster_apply(teller->cluster, map);

    return NGX_OK;
}


/*
 * Who does not know its own address is where it was found.  Slots that two
 * have are no map.
 */

static ngx_int_t
ngx_http_gate_cluster_range(ngx_http_gate_node_t *teller, redisReply *reply,
    uint8_t *map)
{
    u_char                  text[NGX_SOCKADDR_STRLEN];
    ngx_uint_t              slot;
    ngx_http_gate_node_t   *node;
    ngx_http_gate_named_t   named;
    ngx_http_gate_range_t   range;

    if (ngx_http_gate_topology_range(&range, reply) != NGX_OK) {
        return NGX_ERROR;
    }

    if (range.host == NULL) {
        range.host = text;
        range.len = ngx_sock_ntop(&teller->named.server.sockaddr.sockaddr,
                                  teller->named.server.socklen, text,
                                  NGX_SOCKADDR_STRLEN, 0);
    }

    if (ngx_http_gate_topology_named(&named, range.host, range.len, range.port)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    node = ngx_http_gate_cluster_node(teller->cluster, &named);
    if (node == NULL) {
        return NGX_ERROR;
    }

    node->named_in = teller->cluster->reading;

    for (slot = range.first; slot <= range.last; slot++) {

        if (map[slot]) {
            return NGX_ERROR;
        }

        map[slot] = (uint8_t) (node - teller->cluster->nodes + 1);
    }

    return NGX_OK;
}


static void
ngx_http_gate_cluster_apply(ngx_http_gate_cluster_t *cluster,
    const uint8_t *map)
{
    ngx_uint_t             i, slot, primaries;
    ngx_http_gate_node_t  *node;

    for (i = 0; i < NGX_HTTP_GATE_CLUSTER_NODES; i++) {
        cluster->nodes[i].slots = 0;
        cluster->nodes[i].nhomes = 0;
    }

    primaries = 0;

    for (slot = 0; slot < NGX_HTTP_GATE_SLOTS; slot++) {

        if (map[slot]) {
            node = &cluster->nodes[map[slot] - 1];
            primaries += node->slots++ == 0;
            ngx_http_gate_cluster_home(node, slot);
        }
    }

    for (i = 0; i < NGX_HTTP_GATE_CLUSTER_NODES; i++) {
        node = &cluster->nodes[i];

        if (node->lost && node->slots == 0) {
            ngx_log_error(NGX_LOG_NOTICE, cluster->log, 0,
                          "gate: redis: others have the slots of \"%V\", lost "
                          "for %T s", &node->named.server.name,
                          ngx_time() - node->lost);
            node->lost = 0;
        }
    }

    ngx_memcpy(cluster->map, map, NGX_HTTP_GATE_SLOTS);

    if (!cluster->known) {
        cluster->known = 1;
        ngx_log_error(NGX_LOG_NOTICE, cluster->log, 0,
                      "gate: redis cluster of %ui primaries", primaries);
    }
}


/*
 * The first of its slots in an order that has nothing to do with where slots
 * move: when some of them go, others of the homes stay.
 */

static void
ngx_http_gate_cluster_home(ngx_http_gate_node_t *node, ngx_uint_t slot)
{
    ngx_uint_t  i, other;

    for (i = 0; i < node->nhomes; i++) {

        if (ngx_http_gate_cluster_rank(slot)
            < ngx_http_gate_cluster_rank(node->homes[i]))
        {
            other = node->homes[i];
            node->homes[i] = slot;
            slot = other;
        }
    }

    if (node->nhomes < NGX_HTTP_GATE_CLUSTER_HOMES) {
        node->homes[node->nhomes++] = slot;
    }
}


/* an odd factor: each slot has a rank of its own */

static ngx_uint_t
ngx_http_gate_cluster_rank(ngx_uint_t slot)
{
    return slot * 10007 % NGX_HTTP_GATE_SLOTS;
}
