/*
 * Only addresses: a name would have to be resolved, and nobody may wait for
 * that while a primary is lost.
 */


#include "ngx_http_gate_slots.h"
#include "ngx_http_gate_topology.h"


static const u_char *ngx_http_gate_topology_word(const u_char *p,
    const u_char **last);


ngx_int_t
ngx_http_gate_topology_named(ngx_http_gate_named_t *named,
    const u_char *host, size_t len, ngx_int_t port)
{
    ngx_http_gate_server_t  *server;

    server = &named->server;
    ngx_memzero(server, sizeof(ngx_http_gate_server_t));

    if (len == 0 || len >= sizeof(named->host) || port < 1 || port > 65535) {
        return NGX_ERROR;
    }

    server->host.data = named->host;
    server->host.len = ngx_cpystrn(named->host, (u_char *) host, len + 1)
                       - named->host;
    server->name.data = named->name;

    /* it ended at a NUL */

    if (server->host.len != len) {
        return NGX_ERROR;
    }

    if (inet_pton(AF_INET, (char *) named->host,
                  &server->sockaddr.sockaddr_in.sin_addr)
        == 1)
    {
        server->sockaddr.sockaddr_in.sin_family = AF_INET;
        server->socklen = sizeof(struct sockaddr_in);

#if (NGX_HAVE_INET6)

    } else if (inet_pton(AF_INET6, (char *) named->host,
                         &server->sockaddr.sockaddr_in6.sin6_addr)
               == 1)
    {
        server->sockaddr.sockaddr_in6.sin6_family = AF_INET6;
        server->socklen = sizeof(struct sockaddr_in6);

#endif

    } else {
        return NGX_ERROR;
    }

    ngx_inet_set_port(&server->sockaddr.sockaddr, (in_port_t) port);

    server->name.len = ngx_sock_ntop(&server->sockaddr.sockaddr,
                                     server->socklen, named->name,
                                     sizeof(named->name), 1);

    return NGX_OK;
}


ngx_int_t
ngx_http_gate_topology_role(const redisReply *reply)
{
    const redisReply  *role;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0
        || reply->element[0]->type != REDIS_REPLY_STRING)
    {
        return NGX_ERROR;
    }

    role = reply->element[0];

    return role->len == sizeof("master") - 1
           && ngx_memcmp(role->str, "master", sizeof("master") - 1) == 0
           ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_http_gate_topology_primary(ngx_http_gate_named_t *named,
    const redisReply *reply)
{
    const redisReply  *host, *port;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
        return NGX_ERROR;
    }

    host = reply->element[0];
    port = reply->element[1];

    if (host->type != REDIS_REPLY_STRING || port->type != REDIS_REPLY_STRING) {
        return NGX_ERROR;
    }

    return ngx_http_gate_topology_named(named, (u_char *) host->str,
                                        host->len,
                                        ngx_atoi((u_char *) port->str,
                                                 port->len));
}


/* "message", the channel, and "name address port address port" */

ngx_int_t
ngx_http_gate_topology_switched(ngx_http_gate_named_t *named,
    const redisReply *reply, const ngx_str_t *name)
{
    ngx_int_t          port;
    const u_char      *p, *host, *last, *end;
    const redisReply  *what;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3
        || reply->element[2]->type != REDIS_REPLY_STRING)
    {
        return NGX_ERROR;
    }

    what = reply->element[2];
    p = (u_char *) what->str;
    last = p + what->len;

    if ((size_t) what->len <= name->len || p[name->len] != ' '
        || ngx_memcmp(p, name->data, name->len) != 0)
    {
        return NGX_DECLINED;
    }

    p += name->len + 1;
    end = last;

    host = ngx_http_gate_topology_word(p, &last);
    port = ngx_atoi((u_char *) host, end - host);

    end = last;
    host = ngx_http_gate_topology_word(p, &last);

    return ngx_http_gate_topology_named(named, host, end - host, port);
}


ngx_int_t
ngx_http_gate_topology_redirected(ngx_http_gate_named_t *named,
    const redisReply *reply)
{
    const u_char  *p, *host, *colon, *last, *end;

    p = (u_char *) reply->str;
    last = p + reply->len;
    end = last;

    host = ngx_http_gate_topology_word(p, &last);

    for (colon = end; colon > host && *colon != ':'; colon--) { /* void */ }

    if (colon == host) {
        return NGX_ERROR;
    }

    return ngx_http_gate_topology_named(named, host, colon - host,
                                        ngx_atoi((u_char *) colon + 1,
                                                 end - colon - 1));
}


ngx_int_t
ngx_http_gate_topology_range(ngx_http_gate_range_t *range,
    const redisReply *reply)
{
    long long     first, last, port;
    redisReply  **element, *primary;

    /* first slot, last slot, the primary, its replicas */

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 3) {
        return NGX_ERROR;
    }

    element = reply->element;
    primary = element[2];

    /* address, port and more */

    if (element[0]->type != REDIS_REPLY_INTEGER
        || element[1]->type != REDIS_REPLY_INTEGER
        || primary->type != REDIS_REPLY_ARRAY || primary->elements < 2
        || primary->element[1]->type != REDIS_REPLY_INTEGER)
    {
        return NGX_ERROR;
    }

    first = element[0]->integer;
    last = element[1]->integer;
    port = primary->element[1]->integer;

    if (first < 0 || last < first || last >= NGX_HTTP_GATE_SLOTS
        || port < 1 || port > 65535)
    {
        return NGX_ERROR;
    }

    range->first = (ngx_uint_t) first;
    range->last = (ngx_uint_t) last;
    range->port = (ngx_int_t) port;
    range->host = NULL;
    range->len = 0;

    /* who does not know its own address is where it was found */

    if (primary->element[0]->type == REDIS_REPLY_STRING
        && primary->element[0]->len > 0)
    {
        range->host = (u_char *) primary->element[0]->str;
        range->len = primary->element[0]->len;
    }

    return NGX_OK;
}


/* The last word before "last", which then is at the blank before it. */

static const u_char *
ngx_http_gate_topology_word(const u_char *p, const u_char **last)
{
    const u_char  *word;

    for (word = *last; word > p && word[-1] != ' '; word--) { /* void */ }

    *last = word > p ? word - 1 : p;

    return word;
}
