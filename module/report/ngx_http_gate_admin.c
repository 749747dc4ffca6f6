/*
 * The door of the interface: which method and path is which answer, and what a
 * change must bring along.  A browser sends what another site has it send, so
 * a change must come from a page of the same origin (or from no page at all)
 * and be JSON, which no form can send.
 */


#include "ngx_http_gate_admin_inner.h"

#include "ngx_http_gate_header.h"


/* of a request's body; every change is a few short texts */
#define NGX_HTTP_GATE_ADMIN_BODY  (16 * 1024)


typedef struct {
    ngx_uint_t               method;
    ngx_str_t                path;
    ngx_http_gate_admin_pt   handler;
} ngx_http_gate_admin_route_t;


static ngx_uint_t ngx_http_gate_admin_route(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_str_t *path);
static ngx_int_t ngx_http_gate_admin_wrong(ngx_http_gate_admin_ctx_t *ctx,
    ngx_uint_t methods);
static ngx_int_t ngx_http_gate_admin_get(ngx_http_gate_admin_ctx_t *ctx);
static ngx_int_t ngx_http_gate_admin_change(ngx_http_gate_admin_ctx_t *ctx);
static ngx_int_t ngx_http_gate_admin_run(ngx_http_gate_admin_ctx_t *ctx);
static void ngx_http_gate_admin_read_handler(void *data, ngx_int_t rc,
    const ngx_str_t *cells, ngx_uint_t n);
static void ngx_http_gate_admin_usage_handler(void *data, ngx_int_t rc,
    const ngx_http_gate_usage_answer_t *usage);
static ngx_int_t ngx_http_gate_admin_unheard(ngx_http_gate_admin_ctx_t *ctx);
static ngx_int_t ngx_http_gate_admin_refuse(ngx_http_gate_admin_ctx_t *ctx,
    ngx_uint_t status, const char *detail);
static ngx_uint_t ngx_http_gate_admin_same_origin(ngx_http_request_t *r);
static ngx_str_t *ngx_http_gate_admin_header(ngx_http_request_t *r,
    const char *name);
static ngx_uint_t ngx_http_gate_admin_is_json(ngx_http_request_t *r);
static void ngx_http_gate_admin_body_handler(ngx_http_request_t *r);
static json_t *ngx_http_gate_admin_parse(ngx_http_request_t *r);
static void ngx_http_gate_admin_cleanup(void *data);


static const ngx_http_gate_admin_route_t  ngx_http_gate_admin_routes[] = {
    { NGX_HTTP_GET, ngx_string(""), ngx_http_gate_admin_page },
    { NGX_HTTP_GET, ngx_string("v1/state"), ngx_http_gate_admin_state },
    { NGX_HTTP_GET, ngx_string("v1/now"), ngx_http_gate_admin_now },
    { NGX_HTTP_GET, ngx_string("v1/user"), ngx_http_gate_admin_user },
    { NGX_HTTP_GET, ngx_string("v1/usage"), ngx_http_gate_admin_usage },
    { NGX_HTTP_GET, ngx_string("v1/exposure"), ngx_http_gate_admin_exposure },
    { NGX_HTTP_GET, ngx_string("v1/incident"), ngx_http_gate_admin_incident },
    { NGX_HTTP_GET, ngx_string("v1/holds"), ngx_http_gate_admin_holds },
    { NGX_HTTP_POST, ngx_string("v1/holds"), ngx_http_gate_admin_hold_set },
    { NGX_HTTP_DELETE, ngx_string("v1/holds"), ngx_http_gate_admin_hold_lift },
    { NGX_HTTP_GET, ngx_string("v1/extra"), ngx_http_gate_admin_extra },
    { NGX_HTTP_POST, ngx_string("v1/extra"), ngx_http_gate_admin_extra_give },
    { NGX_HTTP_DELETE, ngx_string("v1/extra"),
      ngx_http_gate_admin_extra_take },
    { NGX_HTTP_POST, ngx_string("v1/country"), ngx_http_gate_admin_country },
    { NGX_HTTP_POST, ngx_string("v1/place"), ngx_http_gate_admin_place }
};


ngx_int_t
ngx_http_gate_admin_handle(ngx_http_request_t *r,
    const ngx_http_gate_admin_t *admin, const ngx_str_t *base)
{
    ngx_str_t                   path;
    ngx_uint_t                  methods;
    ngx_pool_cleanup_t         *cln;
    ngx_http_gate_admin_ctx_t  *ctx;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_gate_admin_ctx_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_gate_admin_ctx_t));

    cln->handler = ngx_http_gate_admin_cleanup;

    ctx->request = r;
    ctx->admin = *admin;

    path.data = r->uri.data + base->len;
    path.len = r->uri.len - base->len;

    methods = ngx_http_gate_admin_route(ctx, &path);

    if (ctx->handler == NULL) {
        return ngx_http_gate_admin_wrong(ctx, methods);
    }

    return r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)
           ? ngx_http_gate_admin_get(ctx) : ngx_http_gate_admin_change(ctx);
}


/* finds ctx->handler, and which methods the path has: 0 if it is none */

static ngx_uint_t
ngx_http_gate_admin_route(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_str_t *path)
{
    ngx_uint_t                          i, methods, method;
    const ngx_http_gate_admin_route_t  *route;

    methods = 0;
    method = ctx->request->method == NGX_HTTP_HEAD ? NGX_HTTP_GET
                                                   : ctx->request->method;

    for (i = 0; i < sizeof(ngx_http_gate_admin_routes)
                    / sizeof(ngx_http_gate_admin_routes[0]); i++)
    {
        route = &ngx_http_gate_admin_routes[i];

        if (route->path.len != path->len
            || ngx_memcmp(route->path.data, path->data, path->len) != 0)
        {
            continue;
        }

        methods |= route->method;

        if (route->method == method) {
            ctx->handler = route->handler;
        }
    }

    return methods;
}


/* RFC 9110 15.5.6: with 405 comes what it may be */

static ngx_int_t
ngx_http_gate_admin_wrong(ngx_http_gate_admin_ctx_t *ctx, ngx_uint_t methods)
{
    ngx_uint_t  i;

    static const struct {
        ngx_uint_t   methods;
        const char  *names;
    } allow[] = {
        { NGX_HTTP_GET, "GET, HEAD" },
        { NGX_HTTP_POST, "POST" },
        { NGX_HTTP_GET|NGX_HTTP_POST, "GET, HEAD, POST" },
        { NGX_HTTP_POST|NGX_HTTP_DELETE, "POST, DELETE" },
        { NGX_HTTP_GET|NGX_HTTP_POST|NGX_HTTP_DELETE,
          "GET, HEAD, POST, DELETE" }
    };

    for (i = 0; i < sizeof(allow) / sizeof(allow[0]); i++) {

        if (allow[i].methods != methods) {
            continue;
        }

        if (ngx_http_gate_header_add(ctx->request, "Allow", allow[i].names,
                                     ngx_strlen(allow[i].names))
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_gate_admin_refuse(ctx, NGX_HTTP_NOT_ALLOWED,
                                          "This path has other methods.");
    }

    return ngx_http_gate_admin_refuse(ctx, NGX_HTTP_NOT_FOUND,
                                      "There is nothing at this path.");
}


static ngx_int_t
ngx_http_gate_admin_get(ngx_http_gate_admin_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_discard_request_body(ctx->request);

    return rc == NGX_OK ? ngx_http_gate_admin_run(ctx) : rc;
}


/* one that waits holds the request */

static ngx_int_t
ngx_http_gate_admin_run(ngx_http_gate_admin_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ctx->handler(ctx);

    if (rc == NGX_AGAIN) {
        ctx->request->main->count++;
        return NGX_DONE;
    }

    return rc;
}


ngx_int_t
ngx_http_gate_admin_ask(ngx_http_gate_admin_ctx_t *ctx,
    ngx_http_gate_script_e script, ngx_uint_t nkeys, const ngx_str_t *argv,
    ngx_uint_t argc, ngx_http_gate_admin_heard_pt heard)
{
    ctx->heard = heard;

    switch (ngx_http_gate_ledger_read(ctx->admin.ledger, script, nkeys, argv,
                                      argc, ngx_http_gate_admin_read_handler,
                                      ctx, &ctx->reading))
    {

    case NGX_OK:
        return NGX_AGAIN;

    case NGX_BUSY:
        return ngx_http_gate_admin_away(ctx);

    default: /* NGX_ERROR */
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}


static void
ngx_http_gate_admin_read_handler(void *data, ngx_int_t rc,
    const ngx_str_t *cells, ngx_uint_t n)
{
    ngx_http_gate_admin_ctx_t *ctx = data;

    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ctx->reading = NULL;

    ngx_http_set_log_request(c->log, r);

    rc = rc == NGX_OK ? ctx->heard(ctx, cells, n)
         : ctx->missed ? ctx->missed(ctx)
                       : ngx_http_gate_admin_unheard(ctx);

    if (rc != NGX_AGAIN) {
        ngx_http_finalize_request(r, rc);
    }

    ngx_http_run_posted_requests(c);
}


ngx_int_t
ngx_http_gate_admin_usage_ask(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_http_gate_usage_query_t *query,
    ngx_http_gate_admin_used_pt used)
{
    ngx_int_t  rc;

    ctx->used = used;

    rc = ngx_http_gate_usage_ask(ctx->admin.ledger, query,
                                 ngx_http_gate_admin_usage_handler, ctx,
                                 &ctx->usage);

    return rc == NGX_OK ? NGX_AGAIN : rc;
}


static void
ngx_http_gate_admin_usage_handler(void *data, ngx_int_t rc,
    const ngx_http_gate_usage_answer_t *usage)
{
    ngx_http_gate_admin_ctx_t *ctx = data;

    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ctx->usage = NULL;

    ngx_http_set_log_request(c->log, r);

    rc = ctx->used(ctx, rc == NGX_OK ? usage : NULL);

    if (rc != NGX_AGAIN) {
        ngx_http_finalize_request(r, rc);
    }

    ngx_http_run_posted_requests(c);
}


ngx_int_t
ngx_http_gate_admin_policies(ngx_http_gate_admin_ctx_t *ctx,
    ngx_uint_t *policy, ngx_uint_t *kind,
    ngx_http_gate_admin_policy_pt handler)
{
    ngx_int_t                      rc;
    ngx_http_gate_admin_policy_t  *policies;

    policies = ctx->admin.policies->elts;

    while (*policy < ctx->admin.policies->nelts) {
        rc = handler(ctx, &policies[*policy]);

        if (rc != NGX_OK) {
            return rc;
        }

        (*policy)++;
        *kind = 0;
    }

    return NGX_OK;
}


/* of a change it was told that somebody makes it */

static ngx_int_t
ngx_http_gate_admin_unheard(ngx_http_gate_admin_ctx_t *ctx)
{
    ngx_http_request_t  *r;

    static const ngx_str_t  words =
        ngx_string("Redis does not say that it is done.");

    r = ctx->request;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        ctx->admin.told(r, 1, &ctx->admin.by, &r->uri, &words);
    }

    return ngx_http_gate_admin_away(ctx);
}


ngx_int_t
ngx_http_gate_admin_order(ngx_http_gate_admin_ctx_t *ctx,
    ngx_http_gate_admin_done_pt done, ngx_int_t rc)
{
    if (ctx->order == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc == NGX_OK) {
        ctx->order->done = done;
        return NGX_AGAIN;
    }

    ngx_free(ctx->order);
    ctx->order = NULL;

    switch (rc) {

    case NGX_DECLINED:
        return done(ctx, NGX_DECLINED);

    case NGX_BUSY:
        return ngx_http_gate_admin_away(ctx);

    default: /* NGX_ERROR */
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}


void *
ngx_http_gate_admin_order_data(ngx_http_gate_admin_ctx_t *ctx)
{
    ctx->order = ngx_calloc(sizeof(ngx_http_gate_admin_order_t),
                            ctx->request->connection->log);
    if (ctx->order) {
        ctx->order->ctx = ctx;
    }

    return ctx->order;
}


void
ngx_http_gate_admin_order_handler(void *data, ngx_int_t rc)
{
    ngx_http_gate_admin_order_t *order = data;

    ngx_connection_t            *c;
    ngx_http_request_t          *r;
    ngx_http_gate_admin_ctx_t   *ctx;
    ngx_http_gate_admin_done_pt  done;

    if (order == NULL) {
        return;
    }

    ctx = order->ctx;
    done = order->done;

    ngx_free(order);

    if (ctx == NULL) {
        return;
    }

    ctx->order = NULL;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_http_finalize_request(r, rc == NGX_ERROR ? ngx_http_gate_admin_away(ctx)
                                                 : done(ctx, rc));
    ngx_http_run_posted_requests(c);
}


ngx_int_t
ngx_http_gate_admin_away(ngx_http_gate_admin_ctx_t *ctx)
{
    return ngx_http_gate_answer_problem(ctx->request,
                       NGX_HTTP_SERVICE_UNAVAILABLE,
                       ngx_http_gate_ledger_redis(ctx->admin.ledger)
                       ? "Redis does not answer."
                       : "This is known where there is a gate_redis only.");
}


static ngx_int_t
ngx_http_gate_admin_change(ngx_http_gate_admin_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = ctx->request;

    if (!ctx->admin.write) {
        return ngx_http_gate_admin_refuse(ctx, NGX_HTTP_FORBIDDEN,
                      "Nothing can be changed here: this gate_admin has no "
                      "write=on.");
    }

    if (!ngx_http_gate_admin_same_origin(r)) {
        return ngx_http_gate_admin_refuse(ctx, NGX_HTTP_FORBIDDEN,
                      "This comes from a page of another origin.");
    }

    if (r->method == NGX_HTTP_POST && !ngx_http_gate_admin_is_json(r)) {
        return ngx_http_gate_admin_refuse(ctx, NGX_HTTP_UNSUPPORTED_MEDIA_TYPE,
                      "Send what is to be changed as application/json.");
    }

    if (r->headers_in.content_length_n > NGX_HTTP_GATE_ADMIN_BODY) {
        return ngx_http_gate_admin_refuse(ctx,
                      NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                      "No change has more than 16 KiB.");
    }

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r,
                                           ngx_http_gate_admin_body_handler);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


static ngx_int_t
ngx_http_gate_admin_refuse(ngx_http_gate_admin_ctx_t *ctx, ngx_uint_t status,
    const char *detail)
{
    ngx_int_t            rc;
    ngx_str_t            words;
    ngx_http_request_t  *r;

    r = ctx->request;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        words.data = (u_char *) detail;
        words.len = ngx_strlen(detail);

        ctx->admin.told(r, 1, &ctx->admin.by, &r->uri, &words);

        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "gate: a change by \"%V\" was refused: %s",
                      &ctx->admin.by, detail);
    }

    rc = ngx_http_discard_request_body(r);

    return rc == NGX_OK ? ngx_http_gate_answer_problem(r, status, detail)
                        : rc;
}


/*
 * A browser says where a change comes from (Fetch, 3.2; Fetch Metadata, 2.4);
 * what is no browser does not.
 */

static ngx_uint_t
ngx_http_gate_admin_same_origin(ngx_http_request_t *r)
{
    ngx_str_t  *site, *origin, scheme;

    site = ngx_http_gate_admin_header(r, "sec-fetch-site");

    if (site && (site->len != 11
                 || ngx_memcmp(site->data, "same-origin", 11) != 0))
    {
        return 0;
    }

    origin = ngx_http_gate_admin_header(r, "origin");

    if (origin == NULL) {
        return 1;
    }

    ngx_str_set(&scheme, "http://");

#if (NGX_HTTP_SSL)
    if (r->connection->ssl) {
        ngx_str_set(&scheme, "https://");
    }
#endif

    if (r->headers_in.host == NULL) {
        return 0;
    }

    return origin->len == scheme.len + r->headers_in.host->value.len
           && ngx_strncasecmp(origin->data, scheme.data, scheme.len) == 0
           && ngx_strncasecmp(origin->data + scheme.len,
                              r->headers_in.host->value.data,
                              r->headers_in.host->value.len)
              == 0;
}


/* the only one of that name; of several none can be right */

static ngx_str_t *
ngx_http_gate_admin_header(ngx_http_request_t *r, const char *name)
{
    size_t            len;
    ngx_str_t        *value;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static ngx_str_t  several = ngx_string("");

    len = ngx_strlen(name);
    value = NULL;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
            {
                value = value ? &several : &h[i].value;
            }
        }
    }

    return value;
}


static ngx_uint_t
ngx_http_gate_admin_is_json(ngx_http_request_t *r)
{
    ngx_str_t  *type;

    static const char  json[] = "application/json";

    if (r->headers_in.content_type == NULL) {
        return 0;
    }

    type = &r->headers_in.content_type->value;

    return type->len >= sizeof(json) - 1
           && ngx_strncasecmp(type->data, (u_char *) json, sizeof(json) - 1)
              == 0
           && (type->len == sizeof(json) - 1
               || type->data[sizeof(json) - 1] == ';');
}


static void
ngx_http_gate_admin_body_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_pool_cleanup_t         *cln;
    ngx_http_gate_admin_ctx_t  *ctx;

    cln = r->pool->cleanup;

    while (cln->handler != ngx_http_gate_admin_cleanup) {
        cln = cln->next;
    }

    ctx = cln->data;

    if (r->method == NGX_HTTP_POST) {
        ctx->body = ngx_http_gate_admin_parse(r);

        if (ctx->body == NULL) {
            ngx_http_finalize_request(r,
                    ngx_http_gate_admin_refuse(ctx, NGX_HTTP_BAD_REQUEST,
                                    "The body is no JSON object of 16 KiB or "
                                    "less."));
            return;
        }
    }

    rc = ngx_http_gate_admin_run(ctx);

    ngx_http_finalize_request(r, rc);
}


/* NULL: it is no object, or longer than a change can be */

static json_t *
ngx_http_gate_admin_parse(ngx_http_request_t *r)
{
    u_char       *p, body[NGX_HTTP_GATE_ADMIN_BODY];
    size_t        n;
    json_t       *object;
    ngx_chain_t  *cl;

    p = body;

    for (cl = r->request_body ? r->request_body->bufs : NULL;
         cl;
         cl = cl->next)
    {
        n = cl->buf->last - cl->buf->pos;

        if (!ngx_buf_in_memory(cl->buf) && !ngx_buf_special(cl->buf)) {
            return NULL;
        }

        if (n > (size_t) (body + sizeof(body) - p)) {
            return NULL;
        }

        if (n) {
            p = ngx_cpymem(p, cl->buf->pos, n);
        }
    }

    object = json_loadb((char *) body, p - body, JSON_REJECT_DUPLICATES,
                        NULL);

    if (object && !json_is_object(object)) {
        json_decref(object);
        return NULL;
    }

    return object;
}


static void
ngx_http_gate_admin_cleanup(void *data)
{
    ngx_http_gate_admin_ctx_t *ctx = data;

    if (ctx->reading) {
        ngx_http_gate_ledger_read_close(ctx->reading);
    }

    if (ctx->usage) {
        ngx_http_gate_usage_close(ctx->usage);
    }

    if (ctx->order) {
        ctx->order->ctx = NULL;
    }

    json_decref(ctx->body);
    json_decref(ctx->answer);
}
