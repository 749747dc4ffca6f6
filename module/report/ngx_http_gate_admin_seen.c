/*
 * What the stream of events has of one user: his certificates, and what he
 * took, the newest first.  A page is a user's, and somebody waits for it: so it
 * is read for a short time only, and told whether that was all.
 */


#include "ngx_http_gate_admin_inner.h"

#include "ngx_http_gate_event.h"


/* events of one page */
#define NGX_HTTP_GATE_EVENTS_PAGE  500

/* subjects of a question, at most */
#define NGX_HTTP_GATE_EVENTS_TEXTS  4

/* seconds that are looked back; ms that it may take, until the last page */
#define NGX_HTTP_GATE_SEEN_BACK    (30 * 86400)
#define NGX_HTTP_GATE_SEEN_TIME    100

/* certificates and documents that are told; and that are summed up, at most */
#define NGX_HTTP_GATE_SEEN_TOLD    100
#define NGX_HTTP_GATE_SEEN_MOST    5000

/* an id of the stream, with "(" */
#define NGX_HTTP_GATE_SEEN_ID      48


typedef struct {
    ngx_http_gate_admin_pt  then;
    ngx_msec_t              began;
    ngx_str_t               user;       /* as events have it */
    ngx_str_t               before;     /* the id to go on before */
    ngx_uint_t              complete;
    json_t                 *found[2];   /* by fingerprint, by document */
    u_char                  ids[2][NGX_HTTP_GATE_SEEN_ID];
    u_char                  text[NGX_HTTP_GATE_EVENT_FIELD];
} ngx_http_gate_admin_seen_t;


static ngx_int_t ngx_http_gate_admin_seen_page(
    ngx_http_gate_admin_ctx_t *ctx);
static ngx_int_t ngx_http_gate_admin_seen_heard(
    ngx_http_gate_admin_ctx_t *ctx, const ngx_str_t *cells, ngx_uint_t n);
static void ngx_http_gate_admin_seen_event(ngx_http_gate_admin_seen_t *seen,
    const ngx_str_t *text);
static void ngx_http_gate_admin_seen_add(ngx_http_gate_admin_seen_t *seen,
    ngx_uint_t what, json_t *event);
static ngx_int_t ngx_http_gate_admin_seen_end(ngx_http_gate_admin_ctx_t *ctx);
static json_t *ngx_http_gate_admin_seen_list(ngx_http_gate_admin_ctx_t *ctx,
    json_t *found);
static int ngx_libc_cdecl ngx_http_gate_admin_seen_compare(const void *one,
    const void *two);


/* what is told of each, and where events have it; the first tells them apart */

static const char *const  ngx_http_gate_admin_seen_names[2][3][2] = {
    {
        { "fingerprint", "tls.client.hash.sha256" },
        { "serial", "tls.client.x509.serial_number" },
        { "issuer", "tls.client.issuer" }
    },
    {
        { "document", "gate.document" },
        { "project", "gate.project" },
        { NULL, NULL }
    }
};


ngx_int_t
ngx_http_gate_admin_events(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_str_t *from, const ngx_str_t *to, ngx_uint_t newest,
    const ngx_str_t *texts, ngx_uint_t n, ngx_http_gate_admin_heard_pt heard)
{
    u_char           *key, count[NGX_INT_T_LEN + 1];
    ngx_str_t         argv[4 + NGX_HTTP_GATE_EVENTS_TEXTS];
    ngx_uint_t        i;
    const ngx_str_t  *prefix;

    if (ctx->admin.ledger == NULL
        || ngx_http_gate_ledger_redis(ctx->admin.ledger) == NULL)
    {
        return ngx_http_gate_admin_away(ctx);
    }

    prefix = ngx_http_gate_ledger_prefix(ctx->admin.ledger);

    key = ngx_pnalloc(ctx->request->pool, prefix->len + sizeof(":events"));
    if (key == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    argv[0].data = key;
    argv[0].len = ngx_sprintf(key, "%V:events", prefix) - key;
    argv[1] = *from;
    argv[2] = *to;
    argv[3].data = count;
    argv[3].len = ngx_sprintf(count, "%s%d", newest ? "-" : "",
                              NGX_HTTP_GATE_EVENTS_PAGE)
                  - count;

    for (i = 0; i < n; i++) {
        argv[4 + i] = texts[i];
    }

    return ngx_http_gate_admin_ask(ctx, NGX_HTTP_GATE_SCRIPT_EVENTS_READ, 1,
                                   argv, 4 + n, heard);
}


ngx_int_t
ngx_http_gate_admin_seen(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_str_t *user, ngx_http_gate_admin_pt then)
{
    ngx_http_gate_admin_seen_t  *seen;

    if (!ctx->admin.stream) {
        return then(ctx);
    }

    seen = ngx_pcalloc(ctx->request->pool, sizeof(ngx_http_gate_admin_seen_t));

    if (seen == NULL
        || json_object_set_new(ctx->answer, "certificates", json_object()) != 0
        || json_object_set_new(ctx->answer, "documents", json_object()) != 0)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    seen->then = then;
    seen->began = ngx_current_msec;
    seen->found[0] = json_object_get(ctx->answer, "certificates");
    seen->found[1] = json_object_get(ctx->answer, "documents");

    seen->user.data = seen->text;
    seen->user.len = ngx_http_gate_event_field(seen->text, "user.name", user)
                     - seen->text;

    seen->before.data = seen->ids[0];
    seen->before.len = 1;
    seen->ids[0][0] = '+';

    ctx->seen = seen;
    ctx->missed = ngx_http_gate_admin_seen_end;

    return ngx_http_gate_admin_seen_page(ctx);
}


static ngx_int_t
ngx_http_gate_admin_seen_page(ngx_http_gate_admin_ctx_t *ctx)
{
    ngx_str_t                    to;
    ngx_http_gate_admin_seen_t  *seen;

    seen = ctx->seen;

    to.data = seen->ids[1];
    to.len = ngx_sprintf(seen->ids[1], "%T000",
                         ngx_time() - NGX_HTTP_GATE_SEEN_BACK)
             - seen->ids[1];

    return ngx_http_gate_admin_events(ctx, &seen->before, &to, 1, &seen->user,
                                      1, ngx_http_gate_admin_seen_heard);
}


/* as events_read.lua tells */

static ngx_int_t
ngx_http_gate_admin_seen_heard(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_str_t *cells, ngx_uint_t n)
{
    ngx_uint_t                   i;
    ngx_http_gate_admin_seen_t  *seen;

    seen = ctx->seen;

    if (n < 3 || cells[1].len > NGX_HTTP_GATE_SEEN_ID - 2) {
        return ngx_http_gate_admin_seen_end(ctx);
    }

    for (i = 3; i < n; i++) {
        ngx_http_gate_admin_seen_event(seen, &cells[i]);
    }

    if (cells[1].len == 0) {
        seen->complete = 1;
        return ngx_http_gate_admin_seen_end(ctx);
    }

    if (ngx_current_msec - seen->began >= NGX_HTTP_GATE_SEEN_TIME
        || json_object_size(seen->found[1]) >= NGX_HTTP_GATE_SEEN_MOST)
    {
        return ngx_http_gate_admin_seen_end(ctx);
    }

    /* "(" is for all before it */

    seen->before.len = ngx_sprintf(seen->ids[0], "(%V", &cells[1])
                       - seen->ids[0];

    return ngx_http_gate_admin_seen_page(ctx);
}


static void
ngx_http_gate_admin_seen_event(ngx_http_gate_admin_seen_t *seen,
    const ngx_str_t *text)
{
    json_t      *event;
    const char  *kind;

    event = json_loadb((char *) text->data, text->len, 0, NULL);
    kind = json_string_value(json_object_get(event, "event.kind"));

    if (kind && ngx_strcmp(kind, "event") == 0) {
        ngx_http_gate_admin_seen_add(seen, 0, event);
        ngx_http_gate_admin_seen_add(seen, 1, event);
    }

    json_decref(event);
}


/* the first that is seen is the last that was */

static void
ngx_http_gate_admin_seen_add(ngx_http_gate_admin_seen_t *seen,
    ngx_uint_t what, json_t *event)
{
    json_t      *row, *value, *at;
    ngx_uint_t   i;
    json_int_t   bytes;
    const char  *key;

    key = json_string_value(json_object_get(event,
                              ngx_http_gate_admin_seen_names[what][0][1]));

    if (key == NULL) {
        return;
    }

    at = json_object_get(event, "@timestamp");
    bytes = json_integer_value(json_object_get(event,
                                               "http.response.body.bytes"));
    row = json_object_get(seen->found[what], key);

    if (row == NULL) {

        row = json_object();

        for (i = 0; i < 3 && ngx_http_gate_admin_seen_names[what][i][0]; i++) {
            value = json_object_get(event,
                                 ngx_http_gate_admin_seen_names[what][i][1]);
            (void) json_object_set(row,
                                   ngx_http_gate_admin_seen_names[what][i][0],
                                   value);
        }

        (void) json_object_set(row, "last", at);

        if (json_object_set_new(seen->found[what], key, row) != 0) {
            return;
        }
    }

    value = json_object_get(row, "bytes");
    (void) json_object_set_new(row, "bytes",
                               json_integer(json_integer_value(value)
                                            + bytes));
    value = json_object_get(row, "requests");
    (void) json_object_set_new(row, "requests",
                               json_integer(json_integer_value(value) + 1));
    (void) json_object_set(row, "first", at);
}


static ngx_int_t
ngx_http_gate_admin_seen_end(ngx_http_gate_admin_ctx_t *ctx)
{
    json_t                      *certificates, *documents;
    ngx_http_gate_admin_seen_t  *seen;

    seen = ctx->seen;
    ctx->missed = NULL;

    certificates = ngx_http_gate_admin_seen_list(ctx, seen->found[0]);
    documents = ngx_http_gate_admin_seen_list(ctx, seen->found[1]);

    if (json_object_set_new(ctx->answer, "certificates", certificates) != 0
        || json_object_set_new(ctx->answer, "documents", documents) != 0
        || json_object_set_new(ctx->answer, "complete",
                               json_boolean(seen->complete))
           != 0)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return seen->then(ctx);
}


/* most bytes first; NULL: no memory */

static json_t *
ngx_http_gate_admin_seen_list(ngx_http_gate_admin_ctx_t *ctx, json_t *found)
{
    void        *iter;
    size_t       i, n;
    json_t      *list, **rows;

    n = json_object_size(found);
    list = json_array();

    rows = ngx_palloc(ctx->request->pool, (n + 1) * sizeof(json_t *));
    if (rows == NULL) {
        json_decref(list);
        return NULL;
    }

    i = 0;

    for (iter = json_object_iter(found);
         iter;
         iter = json_object_iter_next(found, iter))
    {
        rows[i++] = json_object_iter_value(iter);
    }

    ngx_qsort(rows, i, sizeof(json_t *), ngx_http_gate_admin_seen_compare);

    n = ngx_min(i, NGX_HTTP_GATE_SEEN_TOLD);

    for (i = 0; i < n; i++) {
        (void) json_array_append(list, rows[i]);
    }

    return list;
}


static int ngx_libc_cdecl
ngx_http_gate_admin_seen_compare(const void *one, const void *two)
{
    json_int_t  a, b;

    a = json_integer_value(json_object_get(*(json_t *const *) one, "bytes"));
    b = json_integer_value(json_object_get(*(json_t *const *) two, "bytes"));

    return a == b ? 0 : a < b ? 1 : -1;
}
