/*
 * Each server of nginx.conf is an entry, a name with two addresses is two of
 * them: they get what the name has now, one after another.
 */


#include "ngx_http_gate_names.h"


/* between two questions for a name, ms */
#define NGX_HTTP_GATE_NAMES_PAUSE  1000


typedef struct {
    ngx_http_gate_names_t         *names;
    ngx_http_gate_server_t        *server;  /* the first with this name */
    ngx_resolver_ctx_t            *ctx;     /* NULL: it is not asked for */
} ngx_http_gate_name_t;


struct ngx_http_gate_names_s {
    ngx_http_gate_names_conf_t     conf;
    ngx_array_t                   *servers;
    ngx_http_gate_name_t          *list;
    ngx_uint_t                     n;
    u_char                        *text;    /* of addresses */
    ngx_msec_t                     looked;
    ngx_log_t                     *log;
};


static ngx_uint_t ngx_http_gate_names_has(const ngx_http_gate_server_t *server);
static ngx_uint_t ngx_http_gate_names_same(
    const ngx_http_gate_server_t *one, const ngx_http_gate_server_t *other);
static void ngx_http_gate_names_ask(ngx_http_gate_name_t *name);
static void ngx_http_gate_names_handler(ngx_resolver_ctx_t *ctx);
static void ngx_http_gate_names_set(ngx_http_gate_names_t *names,
    ngx_uint_t i, const ngx_resolver_addr_t *address);


ngx_http_gate_names_t *
ngx_http_gate_names_create(ngx_pool_t *pool,
    const ngx_http_gate_names_conf_t *conf, ngx_array_t *servers,
    ngx_log_t *log)
{
    ngx_uint_t               i, k;
    ngx_http_gate_names_t   *names;
    ngx_http_gate_server_t  *server;

    names = ngx_pcalloc(pool, sizeof(ngx_http_gate_names_t));
    if (names == NULL) {
        return NULL;
    }

    names->conf = *conf;
    names->servers = servers;
    names->log = log;
    names->looked = ngx_current_msec - NGX_HTTP_GATE_NAMES_PAUSE;

    names->text = ngx_pnalloc(pool, servers->nelts * NGX_SOCKADDR_STRLEN);
    names->list = ngx_pcalloc(pool, servers->nelts
                                    * sizeof(ngx_http_gate_name_t));

    if (names->text == NULL || names->list == NULL) {
        return NULL;
    }

    server = servers->elts;

    for (i = 0; i < servers->nelts; i++) {

        for (k = 0; k < i; k++) {
            if (ngx_http_gate_names_same(&server[k], &server[i])) {
                break;
            }
        }

        if (k == i && ngx_http_gate_names_has(&server[i])) {
            names->list[names->n].names = names;
            names->list[names->n++].server = &server[i];
        }
    }

    return names;
}


void
ngx_http_gate_names_look(ngx_http_gate_names_t *names)
{
    ngx_uint_t  i;

    if (names->conf.resolver == NULL
        || ngx_current_msec - names->looked < NGX_HTTP_GATE_NAMES_PAUSE)
    {
        return;
    }

    names->looked = ngx_current_msec;

    for (i = 0; i < names->n; i++) {
        if (names->list[i].ctx == NULL) {
            ngx_http_gate_names_ask(&names->list[i]);
        }
    }
}


void
ngx_http_gate_names_close(ngx_http_gate_names_t *names)
{
    ngx_uint_t           i;
    ngx_resolver_ctx_t  *ctx;

    names->conf.resolver = NULL;

    for (i = 0; i < names->n; i++) {
        ctx = names->list[i].ctx;

        if (ctx) {
            names->list[i].ctx = NULL;
            ngx_resolve_name_done(ctx);
        }
    }
}


/* is its host a name, and no address? */

static ngx_uint_t
ngx_http_gate_names_has(const ngx_http_gate_server_t *server)
{
    const ngx_str_t  *host;

    host = &server->host;

    return server->sockaddr.sockaddr.sa_family != AF_UNIX && host->len
           && ngx_strlchr(host->data, host->data + host->len, ':') == NULL
           && ngx_inet_addr(host->data, host->len) == INADDR_NONE;
}


static ngx_uint_t
ngx_http_gate_names_same(const ngx_http_gate_server_t *one,
    const ngx_http_gate_server_t *other)
{
    return one->host.len == other->host.len
           && ngx_memcmp(one->host.data, other->host.data, one->host.len) == 0
           && ngx_inet_get_port((struct sockaddr *) &one->sockaddr)
              == ngx_inet_get_port((struct sockaddr *) &other->sockaddr);
}


static void
ngx_http_gate_names_ask(ngx_http_gate_name_t *name)
{
    ngx_resolver_ctx_t     *ctx;
    ngx_http_gate_names_t  *names;

    names = name->names;
    ctx = ngx_resolve_start(names->conf.resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        return;
    }

    ctx->name = name->server->host;
    ctx->handler = ngx_http_gate_names_handler;
    ctx->data = name;
    ctx->timeout = names->conf.timeout;

    name->ctx = ctx;

    /* which frees it if it fails, and may call the handler */

    if (ngx_resolve_name(ctx) != NGX_OK) {
        name->ctx = NULL;
    }
}


static void
ngx_http_gate_names_handler(ngx_resolver_ctx_t *ctx)
{
    ngx_uint_t               i, n;
    ngx_http_gate_name_t    *name;
    ngx_http_gate_server_t  *server;

    name = ctx->data;
    name->ctx = NULL;

    if (ctx->state || ctx->naddrs == 0) {
        ngx_log_error(NGX_LOG_NOTICE, name->names->log, 0,
                      "gate: redis: \"%V\" could not be resolved (%i: %s)",
                      &ctx->name, ctx->state,
                      ngx_resolver_strerror(ctx->state));
        ngx_resolve_name_done(ctx);
        return;
    }

    server = name->names->servers->elts;
    n = 0;

    for (i = 0; i < name->names->servers->nelts; i++) {

        if (ngx_http_gate_names_same(name->server, &server[i])) {
            ngx_http_gate_names_set(name->names, i,
                                    &ctx->addrs[n++ % ctx->naddrs]);
        }
    }

    ngx_resolve_name_done(ctx);
}


static void
ngx_http_gate_names_set(ngx_http_gate_names_t *names, ngx_uint_t i,
    const ngx_resolver_addr_t *address)
{
    in_port_t                port;
    ngx_http_gate_server_t  *server;

    server = names->servers->elts;
    server += i;

    port = ngx_inet_get_port(&server->sockaddr.sockaddr);

    if (address->socklen > sizeof(ngx_sockaddr_t)
        || ngx_cmp_sockaddr(&server->sockaddr.sockaddr, server->socklen,
                            address->sockaddr, address->socklen, 0)
           == NGX_OK)
    {
        return;
    }

    ngx_memcpy(&server->sockaddr, address->sockaddr, address->socklen);
    server->socklen = address->socklen;
    ngx_inet_set_port(&server->sockaddr.sockaddr, port);

    server->name.data = names->text + i * NGX_SOCKADDR_STRLEN;
    server->name.len = ngx_sock_ntop(&server->sockaddr.sockaddr,
                                     server->socklen, server->name.data,
                                     NGX_SOCKADDR_STRLEN, 1);

    ngx_log_error(NGX_LOG_NOTICE, names->log, 0,
                  "gate: redis: \"%V\" is at %V now", &server->host,
                  &server->name);
}
