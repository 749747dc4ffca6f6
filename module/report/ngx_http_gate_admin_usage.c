/*
 * v1/usage: what was taken, by users or projects, by the projects of one user,
 * or by the users of one project, in some days.
 */


#include "ngx_http_gate_admin_inner.h"

static ngx_int_t ngx_http_gate_admin_usage_query(
    ngx_http_gate_admin_ctx_t *ctx, ngx_http_gate_usage_query_t *query);
static ngx_int_t ngx_http_gate_admin_usage_of(ngx_http_gate_admin_ctx_t *ctx,
    ngx_http_gate_usage_query_t *query);
static ngx_int_t ngx_http_gate_admin_usage_day(ngx_http_gate_admin_ctx_t *ctx,
    const char *name, uint32_t other, uint32_t *day);
static ngx_int_t ngx_http_gate_admin_usage_told(
    ngx_http_gate_admin_ctx_t *ctx,
    const ngx_http_gate_usage_answer_t *answer);
static json_t *ngx_http_gate_admin_usage_days(
    const ngx_http_gate_usage_answer_t *answer);


ngx_int_t
ngx_http_gate_admin_usage(ngx_http_gate_admin_ctx_t *ctx)
{
    ngx_int_t                    rc;
    ngx_http_request_t          *r;
    ngx_http_gate_usage_query_t  query;

    r = ctx->request;

    rc = ngx_http_gate_admin_usage_query(ctx, &query);

    if (rc == NGX_OK) {
        rc = ngx_http_gate_admin_usage_ask(ctx, &query,
                                           ngx_http_gate_admin_usage_told);
    }

    switch (rc) {

    case NGX_AGAIN:
        return NGX_AGAIN;

    case NGX_BUSY:
        return ngx_http_gate_answer_problem(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                      "Redis is away, or there is none.");

    case NGX_DECLINED:
        return ngx_http_gate_answer_problem(r, NGX_HTTP_BAD_REQUEST,
                      "Ask with by=users, projects or largest, or with user= "
                      "or project=, and from= and to= of 400 days at most, "
                      "as 2026-11-25; skip= and limit= choose the page.");

    default: /* NGX_ERROR */
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}


static ngx_int_t
ngx_http_gate_admin_usage_query(ngx_http_gate_admin_ctx_t *ctx,
    ngx_http_gate_usage_query_t *query)
{
    ngx_int_t  rc;

    rc = ngx_http_gate_admin_usage_of(ctx, query);

    if (rc == NGX_OK) {
        rc = ngx_http_gate_admin_usage_day(ctx, "to",
                                        (uint32_t) (ngx_time() / 86400),
                                           &query->to);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_gate_admin_usage_day(ctx, "from", query->to,
                                           &query->from);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_gate_admin_number(ctx, "skip", 0, NGX_MAX_INT32_VALUE,
                                        &query->skip);
    }

    if (rc == NGX_OK) {
        rc = ngx_http_gate_admin_number(ctx, "limit",
                                        NGX_HTTP_GATE_ADMIN_ROWS,
                                        NGX_HTTP_GATE_ADMIN_ROWS_MAX,
                                        &query->count);
    }

    return rc;
}


static ngx_int_t
ngx_http_gate_admin_usage_of(ngx_http_gate_admin_ctx_t *ctx,
    ngx_http_gate_usage_query_t *query)
{
    ngx_int_t   rc;
    ngx_str_t   by;
    ngx_uint_t  i;

    static const ngx_str_t  words[] = {
        ngx_string("users"), ngx_string("projects"), ngx_string("largest")
    };

    ngx_memzero(query, sizeof(ngx_http_gate_usage_query_t));

    query->of = NGX_HTTP_GATE_USAGE_OF_USER;
    rc = ngx_http_gate_admin_argument(ctx, "user", &query->name);

    if (rc == NGX_DECLINED) {
        query->of = NGX_HTTP_GATE_USAGE_OF_PROJECT;
        rc = ngx_http_gate_admin_argument(ctx, "project", &query->name);
    }

    if (rc != NGX_DECLINED) {
        return rc;
    }

    rc = ngx_http_gate_admin_argument(ctx, "by", &by);

    for (i = 0; rc == NGX_OK && i < 3; i++) {
        if (by.len == words[i].len
            && ngx_memcmp(by.data, words[i].data, by.len) == 0)
        {
            query->of = (ngx_http_gate_usage_of_e) i;
            return NGX_OK;
        }
    }

    return rc == NGX_OK ? NGX_DECLINED : rc;
}


static ngx_int_t
ngx_http_gate_admin_usage_day(ngx_http_gate_admin_ctx_t *ctx,
    const char *name, uint32_t other, uint32_t *day)
{
    ngx_int_t  rc;
    ngx_str_t  text;

    *day = other;

    rc = ngx_http_gate_admin_argument(ctx, name, &text);

    if (rc == NGX_OK) {
        *day = ngx_http_gate_usage_day(&text);
        return *day ? NGX_OK : NGX_DECLINED;
    }

    return rc == NGX_DECLINED ? NGX_OK : rc;
}


static ngx_int_t
ngx_http_gate_admin_usage_told(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_http_gate_usage_answer_t *answer)
{
    if (answer == NULL) {
        return ngx_http_gate_admin_away(ctx);
    }

    return ngx_http_gate_answer_json(ctx->request, NGX_HTTP_OK,
                json_pack("{s:o, s:o, s:I, s:b}",
                          "rows", ngx_http_gate_admin_usage_rows(answer),
                          "days", ngx_http_gate_admin_usage_days(answer),
                          "names", (json_int_t) answer->names,
                          "exact", (int) answer->exact));
}


json_t *
ngx_http_gate_admin_usage_rows(const ngx_http_gate_usage_answer_t *answer)
{
    json_t                           *rows;
    ngx_uint_t                        i;
    const ngx_http_gate_usage_sum_t  *sum;

    rows = json_array();

    for (i = 0; rows && i < answer->n; i++) {
        sum = &answer->rows[i];

        if (json_array_append_new(rows,
                json_pack("{s:o, s:o, s:I, s:I, s:I}",
                          "key", ngx_http_gate_answer_string(sum->name.data,
                                                             sum->name.len),
                          "name", ngx_http_gate_admin_usage_name(&sum->name),
                          "bytes", (json_int_t) sum->bytes,
                          "requests", (json_int_t) sum->requests,
                          "documents", (json_int_t) sum->documents))
            != 0)
        {
            json_decref(rows);
            return NULL;
        }
    }

    return rows;
}


/* of a long or odd one, what is kept of it */

json_t *
ngx_http_gate_admin_usage_name(const ngx_str_t *name)
{
    u_char  *blank;

    blank = ngx_strlchr(name->data, name->data + name->len, ' ');
    blank = blank ? blank + 1 : name->data;

    return ngx_http_gate_answer_string(blank, name->data + name->len - blank);
}


static json_t *
ngx_http_gate_admin_usage_days(const ngx_http_gate_usage_answer_t *answer)
{
    u_char                            date[NGX_HTTP_GATE_USAGE_DATE], *p;
    json_t                           *days;
    ngx_uint_t                        i;
    const ngx_http_gate_usage_sum_t  *sum;

    days = json_array();

    for (i = 0; days && i < answer->ndays; i++) {
        sum = &answer->days[i];
        p = ngx_http_gate_usage_date(date, answer->from + (uint32_t) i);

        if (json_array_append_new(days,
                json_pack("{s:o, s:I, s:I, s:I}",
                          "day", ngx_http_gate_answer_string(date, p - date),
                          "bytes", (json_int_t) sum->bytes,
                          "requests", (json_int_t) sum->requests,
                          "documents", (json_int_t) sum->documents))
            != 0)
        {
            json_decref(days);
            return NULL;
        }
    }

    return days;
}
