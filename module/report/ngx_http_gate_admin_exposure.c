/*
 * v1/exposure: the most that a user can take in a day and in a month, by the
 * limits in force, beside what he took; and what the largest user of a project
 * took.  The users of a page come from usage; then Redis is asked for one
 * account after the other, as for v1/user.
 */


#include "ngx_http_gate_admin_inner.h"

#include "gate_exposure.h"


/* days that are looked back, today included */
#define NGX_HTTP_GATE_EXPOSURE_DAYS    30

/* rows of a page: each is some questions to Redis */
#define NGX_HTTP_GATE_EXPOSURE_ROWS    100

/* fields of an account's hash that are told at most */
#define NGX_HTTP_GATE_EXPOSURE_FIELDS  "4000"

/* "#" and the SHA-256 of a name that is long or odd */
#define NGX_HTTP_GATE_EXPOSURE_DIGEST  65


/* what is asked for now */

typedef struct {
    json_t       *rows;         /* of the answer */
    ngx_uint_t    row;
    ngx_uint_t    policy;
    ngx_uint_t    kind;         /* of it, the next */
    uint64_t      day;          /* by this policy: bytes, at most */
    uint64_t      month;
} ngx_http_gate_admin_exposure_t;


static ngx_int_t ngx_http_gate_admin_exposure_query(
    ngx_http_gate_admin_ctx_t *ctx, ngx_http_gate_usage_query_t *query);
static ngx_int_t ngx_http_gate_admin_exposure_rows(
    ngx_http_gate_admin_ctx_t *ctx,
    const ngx_http_gate_usage_answer_t *answer);
static json_t *ngx_http_gate_admin_exposure_row(
    const ngx_http_gate_usage_sum_t *sum, ngx_uint_t users);
static ngx_int_t ngx_http_gate_admin_exposure_next(
    ngx_http_gate_admin_ctx_t *ctx);
static ngx_int_t ngx_http_gate_admin_exposure_policy(
    ngx_http_gate_admin_ctx_t *ctx,
    const ngx_http_gate_admin_policy_t *policy);
static ngx_int_t ngx_http_gate_admin_exposure_ask(
    ngx_http_gate_admin_ctx_t *ctx, const ngx_str_t *suffix);
static ngx_int_t ngx_http_gate_admin_exposure_account(
    ngx_http_gate_admin_ctx_t *ctx, const ngx_str_t *cells, ngx_uint_t n);
static void ngx_http_gate_admin_exposure_quota(
    ngx_http_gate_admin_exposure_t *exposure,
    const ngx_http_gate_quota_t *quota, const ngx_str_t *cells, ngx_uint_t n);
static json_t *ngx_http_gate_admin_exposure_most(uint64_t bytes);


ngx_int_t
ngx_http_gate_admin_exposure(ngx_http_gate_admin_ctx_t *ctx)
{
    ngx_int_t                        rc;
    ngx_http_gate_usage_query_t      query;
    ngx_http_gate_admin_exposure_t  *exposure;

    exposure = ngx_pcalloc(ctx->request->pool,
                           sizeof(ngx_http_gate_admin_exposure_t));
    if (exposure == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_gate_admin_exposure_query(ctx, &query);

    ctx->state = query.of == NGX_HTTP_GATE_USAGE_OF_USERS ? exposure : NULL;

    if (rc == NGX_OK) {
        rc = ngx_http_gate_admin_usage_ask(ctx, &query,
                                           ngx_http_gate_admin_exposure_rows);
    }

    switch (rc) {

    case NGX_AGAIN:
        return NGX_AGAIN;

    case NGX_BUSY:
        return ngx_http_gate_admin_away(ctx);

    case NGX_DECLINED:
        return ngx_http_gate_answer_problem(ctx->request, NGX_HTTP_BAD_REQUEST,
                      "Ask with by=users or by=projects; skip= and limit=, "
                      "which is at most 100, choose the page.");

    default: /* NGX_ERROR */
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}


static ngx_int_t
ngx_http_gate_admin_exposure_query(ngx_http_gate_admin_ctx_t *ctx,
    ngx_http_gate_usage_query_t *query)
{
    ngx_int_t  rc;
    ngx_str_t  by;

    ngx_memzero(query, sizeof(ngx_http_gate_usage_query_t));

    query->to = (uint32_t) (ngx_time() / GATE_EXPOSURE_DAY);
    query->from = query->to - NGX_HTTP_GATE_EXPOSURE_DAYS + 1;

    rc = ngx_http_gate_admin_argument(ctx, "by", &by);

    if (rc != NGX_OK) {
        return rc;
    }

    if (by.len == 8 && ngx_memcmp(by.data, "projects", 8) == 0) {
        query->of = NGX_HTTP_GATE_USAGE_OF_LARGEST;

    } else if (by.len != 5 || ngx_memcmp(by.data, "users", 5) != 0) {
        return NGX_DECLINED;
    }

    query->largest = query->of == NGX_HTTP_GATE_USAGE_OF_USERS;

    rc = ngx_http_gate_admin_number(ctx, "skip", 0, NGX_MAX_INT32_VALUE,
                                    &query->skip);

    return rc == NGX_OK
           ? ngx_http_gate_admin_number(ctx, "limit",
                                        NGX_HTTP_GATE_ADMIN_ROWS,
                                        NGX_HTTP_GATE_EXPOSURE_ROWS,
                                        &query->count)
           : rc;
}


static ngx_int_t
ngx_http_gate_admin_exposure_rows(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_http_gate_usage_answer_t *answer)
{
    json_t                          *rows;
    ngx_uint_t                       i;
    ngx_http_gate_admin_exposure_t  *exposure;

    exposure = ctx->state;

    if (answer == NULL) {
        return ngx_http_gate_admin_away(ctx);
    }

    ctx->answer = json_pack("{s:[], s:I, s:b}", "rows",
                            "names", (json_int_t) answer->names,
                            "exact", (int) answer->exact);

    rows = json_object_get(ctx->answer, "rows");

    for (i = 0; i < answer->n; i++) {
        if (json_array_append_new(rows,
                    ngx_http_gate_admin_exposure_row(&answer->rows[i],
                                                     exposure != NULL))
            != 0)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (exposure) {
        exposure->rows = rows;
    }

    return ngx_http_gate_admin_exposure_next(ctx);
}


static json_t *
ngx_http_gate_admin_exposure_row(const ngx_http_gate_usage_sum_t *sum,
    ngx_uint_t users)
{
    json_t  *row;

    row = json_pack("{s:o, s:o, s:I}",
                    "key", ngx_http_gate_answer_string(sum->name.data,
                                                       sum->name.len),
                    "name", ngx_http_gate_admin_usage_name(&sum->name),
                    "largest_day", (json_int_t) sum->largest);

    if (row && users
        && (json_object_set_new(row, "bytes", json_integer(sum->bytes)) != 0
            || json_object_set_new(row, "policies", json_array()) != 0))
    {
        json_decref(row);
        return NULL;
    }

    return row;
}


/* asks for what comes next, or answers */

static ngx_int_t
ngx_http_gate_admin_exposure_next(ngx_http_gate_admin_ctx_t *ctx)
{
    json_t                          *answer;
    ngx_int_t                        rc;
    ngx_http_gate_admin_exposure_t  *exposure;

    exposure = ctx->state;

    while (exposure && exposure->row < json_array_size(exposure->rows)) {

        rc = ngx_http_gate_admin_policies(ctx, &exposure->policy,
                                          &exposure->kind,
                                          ngx_http_gate_admin_exposure_policy);

        if (rc != NGX_OK) {
            return rc;
        }

        exposure->policy = 0;
        exposure->row++;
    }

    answer = ctx->answer;
    ctx->answer = NULL;

    return ngx_http_gate_answer_json(ctx->request, NGX_HTTP_OK, answer);
}


/* its accounts, one after the other; NGX_OK: that was all */

static ngx_int_t
ngx_http_gate_admin_exposure_policy(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_http_gate_admin_policy_t *policy)
{
    json_t                          *list;
    ngx_http_gate_admin_exposure_t  *exposure;

    exposure = ctx->state;

    if (exposure->kind == 0) {
        exposure->day = GATE_UNBOUNDED;
        exposure->month = GATE_UNBOUNDED;
    }

    if (policy->hard && exposure->kind < policy->nkinds) {
        return ngx_http_gate_admin_exposure_ask(ctx,
                                  &policy->kinds[exposure->kind++]->suffix);
    }

    list = json_object_get(json_array_get(exposure->rows, exposure->row),
                           "policies");

    return json_array_append_new(list,
                json_pack("{s:o, s:o, s:o}",
                          "policy",
                          ngx_http_gate_answer_string(policy->name.data,
                                                      policy->name.len),
                          "day",
                          ngx_http_gate_admin_exposure_most(exposure->day),
                          "month",
                          ngx_http_gate_admin_exposure_most(exposure->month)))
           == 0 ? NGX_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


/* a digest of usage is that of accounts, too */

static ngx_int_t
ngx_http_gate_admin_exposure_ask(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_str_t *suffix)
{
    u_char                          *p;
    json_t                          *key;
    ngx_str_t                        name, argv[2];
    const ngx_str_t                 *prefix;
    ngx_http_gate_admin_exposure_t  *exposure;

    exposure = ctx->state;
    key = json_object_get(json_array_get(exposure->rows, exposure->row),
                          "key");

    name.data = (u_char *) json_string_value(key);
    name.len = json_string_length(key);

    prefix = ngx_http_gate_ledger_prefix(ctx->admin.ledger);

    argv[0].data = ngx_pnalloc(ctx->request->pool,
                               prefix->len + 1 + NGX_HTTP_GATE_NAME_MAX);
    if (argv[0].data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_sprintf(argv[0].data, "%V:", prefix);

    if (name.len >= NGX_HTTP_GATE_EXPOSURE_DIGEST && name.data[0] == '#') {
        name.len = NGX_HTTP_GATE_EXPOSURE_DIGEST;
        p = ngx_sprintf(p, "{%V}%V", &name, suffix);

    } else {
        p = ngx_http_gate_zone_text(p, &name, suffix);
    }

    argv[0].len = p - argv[0].data;
    ngx_str_set(&argv[1], NGX_HTTP_GATE_EXPOSURE_FIELDS);

    return ngx_http_gate_admin_ask(ctx, NGX_HTTP_GATE_SCRIPT_INSPECT, 1, argv,
                                   2, ngx_http_gate_admin_exposure_account);
}


static ngx_int_t
ngx_http_gate_admin_exposure_account(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_str_t *cells, ngx_uint_t n)
{
    ngx_uint_t                           i;
    const ngx_http_gate_kind_t          *kind;
    const ngx_http_gate_admin_policy_t  *policy;
    ngx_http_gate_admin_exposure_t      *exposure;

    exposure = ctx->state;
    policy = (ngx_http_gate_admin_policy_t *) ctx->admin.policies->elts
             + exposure->policy;
    kind = policy->kinds[exposure->kind - 1];

    for (i = 0; n >= 2 && i < kind->nquotas; i++) {
        if (kind->quotas[i].unit == GATE_BYTES) {
            ngx_http_gate_admin_exposure_quota(exposure, &kind->quotas[i],
                                               &cells[2], n - 2);
        }
    }

    return ngx_http_gate_admin_exposure_next(ctx);
}


/* cells: fields and values of the account's hash, see account.lua */

static void
ngx_http_gate_admin_exposure_quota(ngx_http_gate_admin_exposure_t *exposure,
    const ngx_http_gate_quota_t *quota, const ngx_str_t *cells, ngx_uint_t n)
{
    uint64_t          limit, day, month;
    ngx_uint_t        i;
    const ngx_str_t  *name;

    name = &quota->name;

    for (i = 0; i + 1 < n; i += 2) {

        if (cells[i].len != name->len + 1 || cells[i].data[0] != '='
            || ngx_memcmp(cells[i].data + 1, name->data, name->len) != 0)
        {
            continue;
        }

        limit = ngx_http_gate_admin_value(&cells[i + 1]);

        day = gate_exposure_most(&quota->window, limit, GATE_EXPOSURE_DAY);
        month = gate_exposure_most(&quota->window, limit,
                                   GATE_EXPOSURE_MONTH);

        exposure->day = ngx_min(exposure->day, day);
        exposure->month = ngx_min(exposure->month, month);
    }
}


static json_t *
ngx_http_gate_admin_exposure_most(uint64_t bytes)
{
    return bytes == GATE_UNBOUNDED ? json_null() : json_integer(bytes);
}
