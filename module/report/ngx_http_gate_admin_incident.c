/*
 * v1/incident: what was taken, by whom, from where, document by document, as
 * the stream of events has it.  It is read page by page, and summed up here; a
 * span that is too long is answered as far as it was read, which is told, and
 * so is what to go on after.  Who says "after" is answered soon, with a part.
 */


#include "ngx_http_gate_admin_inner.h"

#include "ngx_http_gate_event.h"


/* events that are looked at, and rows, at most */
#define NGX_HTTP_GATE_INCIDENT_MOST  1000000
#define NGX_HTTP_GATE_INCIDENT_ROWS  20000

/* an event is in the stream so much later than it was, ms */
#define NGX_HTTP_GATE_INCIDENT_LATE  60000

/* ms that a part may take, until its last page */
#define NGX_HTTP_GATE_INCIDENT_TIME  100

#define NGX_HTTP_GATE_INCIDENT_SUBJECTS  4

/* first and last of a stream's ids */
#define NGX_HTTP_GATE_INCIDENT_ID    48


typedef struct {
    ngx_http_gate_admin_span_t   span;
    ngx_uint_t                   nsubjects;
    ngx_str_t                    subjects[NGX_HTTP_GATE_INCIDENT_SUBJECTS];
    ngx_str_t                    after;     /* the id to go on with */
    u_char                       ids[2][NGX_HTTP_GATE_INCIDENT_ID];
    ngx_msec_t                   began;
    ngx_uint_t                   part;      /* of it is wanted */
    ngx_uint_t                   looked;    /* at so many events */
    ngx_uint_t                   cut;       /* there is more, after this */
    ngx_uint_t                   whole;     /* the stream goes back so far */
    json_t                      *found;     /* by what tells rows apart */
    json_t                      *rows;
    json_t                      *totals;
} ngx_http_gate_admin_incident_t;


static ngx_int_t ngx_http_gate_admin_incident_subjects(
    ngx_http_gate_admin_ctx_t *ctx);
static ngx_int_t ngx_http_gate_admin_incident_after(
    ngx_http_gate_admin_ctx_t *ctx);
static ngx_int_t ngx_http_gate_admin_incident_page(
    ngx_http_gate_admin_ctx_t *ctx);
static ngx_int_t ngx_http_gate_admin_incident_heard(
    ngx_http_gate_admin_ctx_t *ctx, const ngx_str_t *cells, ngx_uint_t n);
static void ngx_http_gate_admin_incident_oldest(
    ngx_http_gate_admin_incident_t *incident, const ngx_str_t *id);
static ngx_int_t ngx_http_gate_admin_incident_event(
    ngx_http_gate_admin_incident_t *incident, const ngx_str_t *text);
static ngx_uint_t ngx_http_gate_admin_incident_within(
    ngx_http_gate_admin_incident_t *incident, json_t *event);
static json_t *ngx_http_gate_admin_incident_row(
    ngx_http_gate_admin_incident_t *incident, json_t *event);
static void ngx_http_gate_admin_incident_add(json_t *object,
    const char *name, json_int_t n);
static void ngx_http_gate_admin_incident_sum(json_t *totals, const char *name,
    json_t *key, json_int_t bytes);
static ngx_int_t ngx_http_gate_admin_incident_answer(
    ngx_http_gate_admin_ctx_t *ctx);


/* what tells rows apart, in them and in events */

static const char *const  ngx_http_gate_admin_incident_names[][2] = {
    { "user", "user.name" },
    { "certificate", "tls.client.hash.sha256" },
    { "country", "source.geo.country_iso_code" },
    { "address", "source.ip" },
    { "project", "gate.project" },
    { "document", "gate.document" }
};

#define NGX_HTTP_GATE_INCIDENT_NAMES                                         \
    (sizeof(ngx_http_gate_admin_incident_names)                              \
     / sizeof(ngx_http_gate_admin_incident_names[0]))


ngx_int_t
ngx_http_gate_admin_incident(ngx_http_gate_admin_ctx_t *ctx)
{
    ngx_int_t                        rc;
    ngx_http_gate_admin_incident_t  *incident;

    incident = ngx_pcalloc(ctx->request->pool,
                           sizeof(ngx_http_gate_admin_incident_t));
    ctx->answer = json_pack("{s:{}, s:[], s:{}}", "found", "rows", "totals");

    if (incident == NULL || ctx->answer == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->state = incident;

    incident->found = json_object_get(ctx->answer, "found");
    incident->rows = json_object_get(ctx->answer, "rows");
    incident->totals = json_object_get(ctx->answer, "totals");

    if (ngx_http_gate_admin_span(ctx, &incident->span) != NGX_OK) {
        return ngx_http_gate_answer_problem(ctx->request, NGX_HTTP_BAD_REQUEST,
                                            NGX_HTTP_GATE_ADMIN_SPAN);
    }

    rc = ngx_http_gate_admin_incident_subjects(ctx);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc != NGX_OK) {
        return ngx_http_gate_answer_problem(ctx->request, NGX_HTTP_BAD_REQUEST,
                                "Say of what: ?user=, ?project=, "
                                "?certificate= (its fingerprint) or "
                                "?country=, or several of these.");
    }

    rc = ngx_http_gate_admin_incident_after(ctx);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc != NGX_OK) {
        return ngx_http_gate_answer_problem(ctx->request, NGX_HTTP_BAD_REQUEST,
                                "\"after\" is what \"next\" said, or 0.");
    }

    return ngx_http_gate_admin_incident_page(ctx);
}


/* where to begin: "after" is an id of the stream; "(" is for all behind it */

static ngx_int_t
ngx_http_gate_admin_incident_after(ngx_http_gate_admin_ctx_t *ctx)
{
    ngx_int_t                        rc;
    ngx_str_t                        id;
    ngx_uint_t                       i;
    ngx_http_gate_admin_incident_t  *incident;

    incident = ctx->state;

    incident->began = ngx_current_msec;
    incident->after.data = incident->ids[0];
    incident->after.len = ngx_sprintf(incident->ids[0], "%T000",
                                      incident->span.begin)
                          - incident->ids[0];

    rc = ngx_http_gate_admin_argument(ctx, "after", &id);

    if (rc != NGX_OK) {
        return rc == NGX_DECLINED ? NGX_OK : NGX_ERROR;
    }

    incident->part = 1;

    if (id.len == 1 && id.data[0] == '0') {
        return NGX_OK;
    }

    for (i = 0; i < id.len; i++) {
        if ((id.data[i] < '0' || id.data[i] > '9')
            && (id.data[i] != '-' || i == 0 || i == id.len - 1))
        {
            return NGX_DECLINED;
        }
    }

    if (id.len == 0 || id.len > NGX_HTTP_GATE_INCIDENT_ID - 2
        || (u_char *) ngx_strlchr(id.data, id.data + id.len, '-') == NULL)
    {
        return NGX_DECLINED;
    }

    incident->after.len = ngx_sprintf(incident->ids[0], "(%V", &id)
                          - incident->ids[0];

    return NGX_OK;
}


/* NGX_DECLINED: there are none */

static ngx_int_t
ngx_http_gate_admin_incident_subjects(ngx_http_gate_admin_ctx_t *ctx)
{
    u_char                          *p;
    ngx_int_t                        rc;
    ngx_str_t                        value;
    ngx_uint_t                       i;
    ngx_http_gate_admin_incident_t  *incident;

    static const ngx_uint_t  asked[] = { 0, 1, 2, 4 };

    incident = ctx->state;

    for (i = 0; i < NGX_HTTP_GATE_INCIDENT_SUBJECTS; i++) {

        rc = ngx_http_gate_admin_argument(ctx,
                    ngx_http_gate_admin_incident_names[asked[i]][0], &value);

        if (rc == NGX_DECLINED || (rc == NGX_OK && value.len == 0)) {
            continue;
        }

        p = rc == NGX_OK ? ngx_pnalloc(ctx->request->pool,
                                       NGX_HTTP_GATE_EVENT_FIELD)
                         : NULL;
        if (p == NULL) {
            return NGX_ERROR;
        }

        incident->subjects[incident->nsubjects].data = p;
        incident->subjects[incident->nsubjects++].len =
            ngx_http_gate_event_field(p,
                       ngx_http_gate_admin_incident_names[asked[i]][1], &value)
            - p;
    }

    return incident->nsubjects ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_http_gate_admin_incident_page(ngx_http_gate_admin_ctx_t *ctx)
{
    ngx_str_t                        to;
    ngx_http_gate_admin_incident_t  *incident;

    incident = ctx->state;

    to.data = incident->ids[1];
    to.len = ngx_sprintf(incident->ids[1], "%L",
                         ((int64_t) incident->span.end + 1) * 1000
                         + NGX_HTTP_GATE_INCIDENT_LATE)
             - incident->ids[1];

    return ngx_http_gate_admin_events(ctx, &incident->after, &to, 0,
                                      incident->subjects, incident->nsubjects,
                                      ngx_http_gate_admin_incident_heard);
}


/* as events_read.lua tells */

static ngx_int_t
ngx_http_gate_admin_incident_heard(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_str_t *cells, ngx_uint_t n)
{
    uint64_t                         looked;
    ngx_uint_t                       i;
    ngx_http_gate_admin_incident_t  *incident;

    incident = ctx->state;

    if (n < 3 || cells[1].len > NGX_HTTP_GATE_INCIDENT_ID - 1) {
        return ngx_http_gate_admin_away(ctx);
    }

    looked = ngx_http_gate_admin_value(&cells[2]);

    /* what goes on and gets nowhere would have no end */

    if (cells[1].len
        && (looked == 0
            || (cells[1].len == incident->after.len - 1
                && ngx_memcmp(cells[1].data, incident->after.data + 1,
                              cells[1].len) == 0)))
    {
        return ngx_http_gate_admin_away(ctx);
    }

    ngx_http_gate_admin_incident_oldest(incident, &cells[0]);

    for (i = 3; i < n; i++) {
        if (ngx_http_gate_admin_incident_event(incident, &cells[i])
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    incident->looked += looked;

    if (cells[1].len == 0) {
        return ngx_http_gate_admin_incident_answer(ctx);
    }

    incident->after.len = ngx_sprintf(incident->ids[0], "(%V", &cells[1])
                          - incident->ids[0];

    if (incident->looked >= NGX_HTTP_GATE_INCIDENT_MOST
        || json_array_size(incident->rows) >= NGX_HTTP_GATE_INCIDENT_ROWS
        || (incident->part && ngx_current_msec - incident->began
                              >= NGX_HTTP_GATE_INCIDENT_TIME))
    {
        incident->cut = 1;
        return ngx_http_gate_admin_incident_answer(ctx);
    }

    return ngx_http_gate_admin_incident_page(ctx);
}


/* the stream is cut at its beginning: what is older is not known */

static void
ngx_http_gate_admin_incident_oldest(ngx_http_gate_admin_incident_t *incident,
    const ngx_str_t *id)
{
    u_char     *dash;
    ngx_str_t   ms;

    dash = ngx_strlchr(id->data, id->data + id->len, '-');

    ms.data = id->data;
    ms.len = dash ? (size_t) (dash - id->data) : 0;

    incident->whole = ms.len
                      && ngx_http_gate_admin_value(&ms)
                         <= (uint64_t) incident->span.begin * 1000;
}


static ngx_int_t
ngx_http_gate_admin_incident_event(ngx_http_gate_admin_incident_t *incident,
    const ngx_str_t *text)
{
    json_t      *event, *row, *bytes;
    json_int_t   n;
    const char  *action;

    event = json_loadb((char *) text->data, text->len, 0, NULL);

    if (event == NULL || !ngx_http_gate_admin_incident_within(incident, event))
    {
        json_decref(event);
        return NGX_OK;
    }

    bytes = json_object_get(event, "http.response.body.bytes");
    action = json_string_value(json_object_get(event, "event.action"));
    n = json_integer_value(bytes);

    row = ngx_http_gate_admin_incident_row(incident, event);

    if (row == NULL || action == NULL) {
        json_decref(event);
        return row ? NGX_OK : NGX_ERROR;
    }

    ngx_http_gate_admin_incident_add(row, "bytes", n);
    ngx_http_gate_admin_incident_add(incident->totals, "bytes", n);

    if (ngx_strcmp(action, "refused") == 0) {
        ngx_http_gate_admin_incident_add(row, "refused", 1);
        ngx_http_gate_admin_incident_add(incident->totals, "refused", 1);

    } else {
        ngx_http_gate_admin_incident_add(row, "requests", 1);
        ngx_http_gate_admin_incident_add(incident->totals, "requests", 1);
    }

    (void) json_object_set(row, "last", json_object_get(event, "@timestamp"));

    ngx_http_gate_admin_incident_sum(incident->totals, "by_user",
                                     json_object_get(row, "user"), n);
    ngx_http_gate_admin_incident_sum(incident->totals, "by_project",
                                     json_object_get(row, "project"), n);
    ngx_http_gate_admin_incident_sum(incident->totals, "by_country",
                                     json_object_get(row, "country"), n);
    ngx_http_gate_admin_incident_sum(incident->totals, "by_certificate",
                                     json_object_get(row, "certificate"), n);

    json_decref(event);

    return NGX_OK;
}


/* an event of a request, by the time that it has itself, to the second */

static ngx_uint_t
ngx_http_gate_admin_incident_within(ngx_http_gate_admin_incident_t *incident,
    json_t *event)
{
    size_t       n;
    const char  *at, *kind;

    n = sizeof("2026-11-25T09:00:00") - 1;

    at = json_string_value(json_object_get(event, "@timestamp"));
    kind = json_string_value(json_object_get(event, "event.kind"));

    return at && kind && ngx_strlen(at) >= n
           && ngx_strcmp(kind, "event") == 0
           && ngx_strncmp(at, incident->span.text[0], n) >= 0
           && ngx_strncmp(at, incident->span.text[1], n) <= 0;
}


/* the row of the same user, certificate, country, address, and document */

static json_t *
ngx_http_gate_admin_incident_row(ngx_http_gate_admin_incident_t *incident,
    json_t *event)
{
    char        *key;
    json_t      *row, *parts, *part;
    ngx_uint_t   i;

    row = json_object();
    parts = json_array();

    for (i = 0; i < NGX_HTTP_GATE_INCIDENT_NAMES; i++) {
        part = json_object_get(event,
                               ngx_http_gate_admin_incident_names[i][1]);

        (void) json_array_append(parts, json_is_string(part) ? part
                                                             : json_null());

        if (json_is_string(part)) {
            (void) json_object_set(row,
                            ngx_http_gate_admin_incident_names[i][0], part);
        }
    }

    key = json_dumps(parts, JSON_COMPACT);
    json_decref(parts);

    part = key ? json_object_get(incident->found, key) : NULL;

    if (key == NULL || part) {
        json_decref(row);
        free(key);
        return part;
    }

    (void) json_object_set_new(row, "bytes", json_integer(0));
    (void) json_object_set_new(row, "requests", json_integer(0));
    (void) json_object_set_new(row, "refused", json_integer(0));
    (void) json_object_set(row, "first",
                           json_object_get(event, "@timestamp"));

    if (json_object_set(incident->found, key, row) != 0
        || json_array_append_new(incident->rows, row) != 0)
    {
        row = NULL;
    }

    free(key);

    return row;
}


static void
ngx_http_gate_admin_incident_add(json_t *object, const char *name,
    json_int_t n)
{
    json_t  *value;

    value = json_object_get(object, name);

    (void) json_object_set_new(object, name,
                               json_integer(json_integer_value(value) + n));
}


static void
ngx_http_gate_admin_incident_sum(json_t *totals, const char *name,
    json_t *key, json_int_t bytes)
{
    json_t  *sums;

    if (key == NULL) {
        return;
    }

    sums = json_object_get(totals, name);

    if (sums == NULL) {
        sums = json_object();
        (void) json_object_set_new(totals, name, sums);
    }

    ngx_http_gate_admin_incident_add(sums, json_string_value(key), bytes);
}


static ngx_int_t
ngx_http_gate_admin_incident_answer(ngx_http_gate_admin_ctx_t *ctx)
{
    ngx_str_t                        next;
    ngx_http_gate_admin_incident_t  *incident;

    static const char *const  columns[] = {
        "user", "certificate", "country", "address", "project", "document",
        "bytes", "requests", "refused", "first", "last"
    };

    incident = ctx->state;

    /* without the "(" that stands before it */

    next.data = incident->after.data + 1;
    next.len = incident->after.len - 1;

    if (incident->cut
        && ngx_http_gate_admin_next(ctx, "after", &next) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_gate_admin_csv(ctx)) {
        return ngx_http_gate_answer_csv(ctx->request,
                                        json_incref(incident->rows), columns,
                                        sizeof(columns) / sizeof(columns[0]));
    }

    return ngx_http_gate_answer_json(ctx->request, NGX_HTTP_OK,
                  json_pack("{s:s, s:s, s:b, s:b, s:o, s:O, s:O}",
                            "from", incident->span.text[0],
                            "to", incident->span.text[1],
                            "complete", (int) (incident->whole
                                               && !incident->cut),
                            "cut", (int) incident->cut,
                            "next",
                            incident->cut
                            ? ngx_http_gate_answer_string(next.data, next.len)
                            : json_null(),
                            "totals", incident->totals,
                            "rows", incident->rows));
}
