/*
 * What the two files of the cluster share, and nobody else includes: nodes and
 * the map of slots, and the questions that follow it.
 */


#ifndef NGX_HTTP_GATE_CLUSTER_INNER_H_INCLUDED
#define NGX_HTTP_GATE_CLUSTER_INNER_H_INCLUDED


#include "ngx_http_gate_cluster.h"
#include "ngx_http_gate_epochs.h"
#include "ngx_http_gate_slots.h"
#include "ngx_http_gate_topology.h"


/* nodes that are known: primaries, servers of nginx.conf, what was one */
#define NGX_HTTP_GATE_CLUSTER_NODES   (2 * NGX_HTTP_GATE_PRIMARIES)

/* copies of an epoch */
#define NGX_HTTP_GATE_CLUSTER_HOMES   4

/* "@", and the keys of the copies */
#define NGX_HTTP_GATE_CLUSTER_EPOCHS                                         \
    (2 + NGX_HTTP_GATE_CLUSTER_HOMES                                         \
         * (128 + sizeof(" :epoch:{}") + NGX_INT32_LEN))


typedef struct {
    ngx_http_gate_cluster_t       *cluster;
    ngx_http_gate_named_t          named;
    ngx_http_gate_link_t          *link;    /* NULL: the entry is free */
    uint64_t                       server;  /* its address, in short */
    ngx_uint_t                     slots;   /* that are its own */
    ngx_uint_t                     named_in;    /* which reading of the map */
    ngx_uint_t                     homes[NGX_HTTP_GATE_CLUSTER_HOMES];
    ngx_uint_t                     nhomes;
    uint32_t                       pause;   /* 0: no failure since */
    ngx_msec_t                     resume;  /* not before */
    time_t                         lost;    /* 0: no outage was told */
    const ngx_http_gate_server_t  *seed;    /* nginx.conf's; or NULL */
} ngx_http_gate_node_t;


struct ngx_http_gate_cluster_s {
    ngx_http_gate_link_conf_t     *conf;
    ngx_pool_t                    *pool;
    ngx_log_t                     *log;
    ngx_http_gate_names_t         *names;
    ngx_str_t                      prefix;
    uint32_t                      *tags;        /* of slots */
    ngx_http_gate_node_t          *nodes;
    uint8_t                       *map;         /* of slots: node + 1, or 0 */
    uint64_t                       answering;
    ngx_uint_t                     asked;
    ngx_queue_t                    parked;
    ngx_event_t                    tick;        /* they try again */
    ngx_event_t                    look;        /* at the map, when it is due */
    ngx_msec_t                     looked;      /* when it was, last */
    ngx_uint_t                     looking;     /* a node was asked */
    ngx_uint_t                     reading;     /* of the map, by number */
    ngx_uint_t                     next;        /* node to ask */
    ngx_uint_t                     known;       /* the map was told once */
    time_t                         blind;       /* 0: nobody tells it, said */
};


/* The servers of nginx.conf become nodes.  NGX_ERROR: no memory. */
ngx_int_t ngx_http_gate_cluster_map_init(ngx_http_gate_cluster_t *cluster,
    const ngx_array_t *servers);

/* Has the map looked at soon: what is known of it is wrong. */
void ngx_http_gate_cluster_look(ngx_http_gate_cluster_t *cluster);

/* The node at an address, which may be a new one; NULL: they are too many. */
ngx_http_gate_node_t *ngx_http_gate_cluster_node(
    ngx_http_gate_cluster_t *cluster, const ngx_http_gate_named_t *named);

/* Its link, which is opened if need be.  NULL: it is away, for now. */
ngx_http_gate_link_t *ngx_http_gate_cluster_link(ngx_http_gate_node_t *node);

/* Parked questions try again, after so many ms at the latest. */
void ngx_http_gate_cluster_retry(ngx_http_gate_cluster_t *cluster,
    ngx_msec_t after);


#endif /* NGX_HTTP_GATE_CLUSTER_INNER_H_INCLUDED */
