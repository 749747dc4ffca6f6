/*
 * Where servers of Redis say that others are: what ROLE, a Sentinel, CLUSTER
 * SLOTS and a redirection are answered with.  It keeps nothing, and believes
 * nothing: what it accepts is an address and a port, or slots that there are.
 */


#ifndef NGX_HTTP_GATE_TOPOLOGY_H_INCLUDED
#define NGX_HTTP_GATE_TOPOLOGY_H_INCLUDED


#include "ngx_http_gate_link.h"


/* slots of a cluster that a primary has */

typedef struct {
    ngx_uint_t      first;
    ngx_uint_t      last;
    const u_char   *host;   /* in the reply; NULL: it is who tells */
    size_t          len;
    ngx_int_t       port;
} ngx_http_gate_range_t;


/*
 * An address, of len bytes, and a port.  The strings of named->server are its
 * own.  NGX_ERROR: no such thing.
 */
ngx_int_t ngx_http_gate_topology_named(ngx_http_gate_named_t *named,
    const u_char *host, size_t len, ngx_int_t port);

/* ROLE.  NGX_OK: the primary.  NGX_DECLINED: not.  NGX_ERROR: no role. */
ngx_int_t ngx_http_gate_topology_role(const redisReply *reply);

/* SENTINEL GET-MASTER-ADDR-BY-NAME.  NGX_ERROR: no address. */
ngx_int_t ngx_http_gate_topology_primary(ngx_http_gate_named_t *named,
    const redisReply *reply);

/*
 * What a Sentinel says on its channel: where the primary "name" is now.
 * NGX_DECLINED: another one has moved.  NGX_ERROR: no such message.
 */
ngx_int_t ngx_http_gate_topology_switched(ngx_http_gate_named_t *named,
    const redisReply *reply, const ngx_str_t *name);

/* "MOVED 3999 127.0.0.1:6381", or ASK.  NGX_ERROR: no address. */
ngx_int_t ngx_http_gate_topology_redirected(ngx_http_gate_named_t *named,
    const redisReply *reply);

/* One element of CLUSTER SLOTS.  NGX_ERROR: no range, or no slots. */
ngx_int_t ngx_http_gate_topology_range(ngx_http_gate_range_t *range,
    const redisReply *reply);


#endif /* NGX_HTTP_GATE_TOPOLOGY_H_INCLUDED */
