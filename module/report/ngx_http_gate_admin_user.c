/*
 * v1/user: what is known of one user under each policy.  Redis is asked for
 * one account after the other, for a long name may lie in more than one slot;
 * then for what the stream has of him, and for his projects.
 */


#include "ngx_http_gate_admin_inner.h"

#include "gate_window.h"


/* fields of a hash that are told at most */
#define NGX_HTTP_GATE_USER_FIELDS    "4000"

/* days of usage, and projects that are told */
#define NGX_HTTP_GATE_USER_DAYS      30
#define NGX_HTTP_GATE_USER_PROJECTS  100


/* what is asked for now */

typedef struct {
    ngx_str_t     name;
    ngx_uint_t    policy;
    ngx_uint_t    kind;         /* of it, the next; beyond these: the rest */
    json_t       *policies;     /* of the answer */
    json_t       *object;       /* of this policy */
    ngx_uint_t    brief;        /* what is cheap to know */
} ngx_http_gate_admin_user_t;


static ngx_int_t ngx_http_gate_admin_user_query(
    ngx_http_gate_admin_ctx_t *ctx, ngx_http_gate_admin_user_t *user);
static ngx_int_t ngx_http_gate_admin_user_next(
    ngx_http_gate_admin_ctx_t *ctx);
static ngx_int_t ngx_http_gate_admin_user_policy(
    ngx_http_gate_admin_ctx_t *ctx,
    const ngx_http_gate_admin_policy_t *policy);
static ngx_int_t ngx_http_gate_admin_user_hash(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_str_t *suffix, const char *behind,
    ngx_http_gate_admin_heard_pt heard);
static ngx_int_t ngx_http_gate_admin_user_account(
    ngx_http_gate_admin_ctx_t *ctx, const ngx_str_t *cells, ngx_uint_t n);
static json_t *ngx_http_gate_admin_user_quota(
    const ngx_http_gate_quota_t *quota, int64_t now, uint64_t extra,
    const ngx_str_t *cells, ngx_uint_t n);
static uint64_t ngx_http_gate_admin_user_extra(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_http_gate_admin_policy_t *policy,
    const ngx_http_gate_quota_t *quota);
static ngx_int_t ngx_http_gate_admin_user_countries(
    ngx_http_gate_admin_ctx_t *ctx, const ngx_str_t *cells, ngx_uint_t n);
static json_t *ngx_http_gate_admin_user_country(const ngx_str_t *cells);
static ngx_int_t ngx_http_gate_admin_user_projects(
    ngx_http_gate_admin_ctx_t *ctx);
static ngx_int_t ngx_http_gate_admin_user_end(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_http_gate_usage_answer_t *usage);
static json_t *ngx_http_gate_admin_user_holds(ngx_http_gate_admin_ctx_t *ctx);
static ngx_uint_t ngx_http_gate_admin_user_is_held(
    ngx_http_gate_admin_ctx_t *ctx, const gate_held_t *held);
static ngx_int_t ngx_http_gate_admin_user_place(
    ngx_http_gate_admin_ctx_t *ctx, const ngx_str_t *cells, ngx_uint_t n);


ngx_int_t
ngx_http_gate_admin_user(ngx_http_gate_admin_ctx_t *ctx)
{
    ngx_int_t                    rc;
    ngx_http_gate_admin_user_t  *user;

    user = ngx_pcalloc(ctx->request->pool, sizeof(ngx_http_gate_admin_user_t));
    if (user == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_gate_admin_user_query(ctx, user);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc != NGX_OK) {
        return ngx_http_gate_answer_problem(ctx->request, NGX_HTTP_BAD_REQUEST,
                                            "Say which user: ?name=..., and "
                                            "only=policies if that is all.");
    }

    ctx->state = user;
    ctx->answer = json_pack("{s:o, s:[]}", "name",
                            ngx_http_gate_answer_string(user->name.data,
                                                        user->name.len),
                            "policies");
    if (ctx->answer == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    user->policies = json_object_get(ctx->answer, "policies");

    return ngx_http_gate_admin_user_next(ctx);
}


static ngx_int_t
ngx_http_gate_admin_user_query(ngx_http_gate_admin_ctx_t *ctx,
    ngx_http_gate_admin_user_t *user)
{
    ngx_int_t  rc;
    ngx_str_t  only;

    rc = ngx_http_gate_admin_argument(ctx, "name", &user->name);

    if (rc != NGX_OK) {
        return rc;
    }

    if (user->name.len == 0) {
        return NGX_DECLINED;
    }

    rc = ngx_http_gate_admin_argument(ctx, "only", &only);

    if (rc != NGX_OK) {
        return rc == NGX_DECLINED ? NGX_OK : rc;
    }

    user->brief = only.len == 8 && ngx_memcmp(only.data, "policies", 8) == 0;

    return user->brief ? NGX_OK : NGX_DECLINED;
}


/* asks for what comes next, or answers */

static ngx_int_t
ngx_http_gate_admin_user_next(ngx_http_gate_admin_ctx_t *ctx)
{
    ngx_int_t                    rc;
    ngx_http_gate_admin_user_t  *user;

    user = ctx->state;

    rc = ngx_http_gate_admin_policies(ctx, &user->policy, &user->kind,
                                      ngx_http_gate_admin_user_policy);

    if (rc != NGX_OK) {
        return rc;
    }

    if (user->brief) {
        return ngx_http_gate_admin_user_end(ctx, NULL);
    }

    return ngx_http_gate_admin_seen(ctx, &user->name,
                                    ngx_http_gate_admin_user_projects);
}


/* without usage he is shown all the same */

static ngx_int_t
ngx_http_gate_admin_user_projects(ngx_http_gate_admin_ctx_t *ctx)
{
    ngx_http_gate_admin_user_t   *user;
    ngx_http_gate_usage_query_t   query;

    user = ctx->state;

    ngx_memzero(&query, sizeof(ngx_http_gate_usage_query_t));

    query.of = NGX_HTTP_GATE_USAGE_OF_USER;
    query.name = user->name;
    query.to = (uint32_t) (ngx_time() / 86400);
    query.from = query.to - NGX_HTTP_GATE_USER_DAYS + 1;
    query.count = NGX_HTTP_GATE_USER_PROJECTS;

    return ngx_http_gate_admin_usage_ask(ctx, &query,
                                         ngx_http_gate_admin_user_end)
           == NGX_AGAIN ? NGX_AGAIN : ngx_http_gate_admin_user_end(ctx, NULL);
}


static ngx_int_t
ngx_http_gate_admin_user_end(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_http_gate_usage_answer_t *usage)
{
    json_t  *answer;

    answer = ctx->answer;

    if (json_object_set_new(answer, "holds",
                            ngx_http_gate_admin_user_holds(ctx))
        != 0
        || (usage
            && json_object_set_new(answer, "projects",
                                   ngx_http_gate_admin_usage_rows(usage))
               != 0))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->answer = NULL;

    return ngx_http_gate_answer_json(ctx->request, NGX_HTTP_OK, answer);
}


/* on him, or on a certificate that he had; NULL: no memory */

static json_t *
ngx_http_gate_admin_user_holds(ngx_http_gate_admin_ctx_t *ctx)
{
    json_t                 *list;
    uint64_t                now;
    ngx_uint_t              i;
    ngx_http_gate_holds_t  *holds;

    list = json_array();
    holds = ngx_http_gate_ledger_holds(ctx->admin.ledger);

    (void) ngx_http_gate_holds_refresh(holds, 0);

    now = ngx_http_gate_zone_holds_now(ctx->admin.zone);

    for (i = 0; i < holds->n; i++) {

        if (!gate_held_over(&holds->list[i], now)
            && ngx_http_gate_admin_user_is_held(ctx, &holds->list[i])
            && json_array_append_new(list,
                           ngx_http_gate_admin_hold(&holds->list[i], 0)) != 0)
        {
            json_decref(list);
            return NULL;
        }
    }

    return list;
}


static ngx_uint_t
ngx_http_gate_admin_user_is_held(ngx_http_gate_admin_ctx_t *ctx,
    const gate_held_t *held)
{
    size_t                       i;
    json_t                      *row;
    const char                  *fingerprint;
    ngx_http_gate_admin_user_t  *user;

    user = ctx->state;

    if (held->kind == GATE_HELD_USER) {
        return held->subject.len == user->name.len
               && ngx_memcmp(held->subject.data, user->name.data,
                             user->name.len)
                  == 0;
    }

    if (held->kind != GATE_HELD_CERTIFICATE) {
        return 0;
    }

    json_array_foreach(json_object_get(ctx->answer, "certificates"), i, row) {
        fingerprint = json_string_value(json_object_get(row, "fingerprint"));

        if (fingerprint && ngx_strlen(fingerprint) == held->subject.len
            && ngx_memcmp(fingerprint, held->subject.data, held->subject.len)
               == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* its accounts, then the countries, then the place; NGX_OK: that was all */

static ngx_int_t
ngx_http_gate_admin_user_policy(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_http_gate_admin_policy_t *policy)
{
    json_t                      *object;
    ngx_uint_t                   n;
    ngx_http_gate_admin_user_t  *user;

    user = ctx->state;
    n = user->kind++;

    if (n == 0) {
        object = json_pack("{s:o, s:[]}", "policy",
                           ngx_http_gate_answer_string(policy->name.data,
                                                       policy->name.len),
                           "quotas");

        if (json_array_append_new(user->policies, object) != 0) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        user->object = object;
    }

    if (n < policy->nkinds) {
        return ngx_http_gate_admin_user_hash(ctx, &policy->kinds[n]->suffix,
                                          "", ngx_http_gate_admin_user_account);
    }

    n -= policy->nkinds;

    if (n == 0 && policy->countries) {
        return ngx_http_gate_admin_user_hash(ctx, &policy->suffix,
                                       "/countries",
                                       ngx_http_gate_admin_user_countries);
    }

    if (n <= 1 && policy->place) {
        user->kind = policy->nkinds + 2;

        return ngx_http_gate_admin_user_hash(ctx, &policy->suffix, "/place",
                                             ngx_http_gate_admin_user_place);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_admin_user_hash(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_str_t *suffix, const char *behind,
    ngx_http_gate_admin_heard_pt heard)
{
    ngx_str_t                    argv[2];
    ngx_http_gate_admin_user_t  *user;

    user = ctx->state;

    if (ngx_http_gate_admin_key(ctx, &user->name, suffix, behind, &argv[0])
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&argv[1], NGX_HTTP_GATE_USER_FIELDS);

    return ngx_http_gate_admin_ask(ctx, NGX_HTTP_GATE_SCRIPT_INSPECT, 1, argv,
                                   2, heard);
}


ngx_int_t
ngx_http_gate_admin_key(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_str_t *user, const ngx_str_t *suffix, const char *behind,
    ngx_str_t *key)
{
    u_char           *p;
    const ngx_str_t  *prefix;

    ngx_str_null(key);

    if (ctx->admin.ledger == NULL) {
        return NGX_OK;
    }

    prefix = ngx_http_gate_ledger_prefix(ctx->admin.ledger);

    key->data = ngx_pnalloc(ctx->request->pool,
                            prefix->len + 1 + NGX_HTTP_GATE_NAME_MAX
                            + ngx_strlen(behind));
    if (key->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(key->data, "%V:", prefix);
    p = ngx_http_gate_zone_text(p, user, suffix);
    p = ngx_sprintf(p, "%s", behind);

    key->len = p - key->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_admin_user_account(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_str_t *cells, ngx_uint_t n)
{
    json_t                              *quotas;
    ngx_uint_t                           i;
    ngx_http_gate_admin_user_t          *user;
    const ngx_http_gate_kind_t          *kind;
    const ngx_http_gate_admin_policy_t  *policy;

    user = ctx->state;
    policy = (ngx_http_gate_admin_policy_t *) ctx->admin.policies->elts
             + user->policy;
    kind = policy->kinds[user->kind - 1];
    quotas = json_object_get(user->object, "quotas");

    for (i = 0; n >= 2 && i < kind->nquotas; i++) {
        if (json_array_append_new(quotas,
                          ngx_http_gate_admin_user_quota(&kind->quotas[i],
                              ngx_http_gate_admin_value(&cells[0]) / 1000,
                              ngx_http_gate_admin_user_extra(ctx, policy,
                                                          &kind->quotas[i]),
                              &cells[2], n - 2))
            != 0)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return ngx_http_gate_admin_user_next(ctx);
}


/* cells: fields and values of the account's hash, see account.lua */

static json_t *
ngx_http_gate_admin_user_quota(const ngx_http_gate_quota_t *quota, int64_t now,
    uint64_t extra, const ngx_str_t *cells, ngx_uint_t n)
{
    json_t           *limit;
    u_char           *rest;
    size_t            len;
    uint64_t          used, start;
    ngx_uint_t        i;
    gate_slot_t       slot;
    const ngx_str_t  *name;

    static const char *const  units[] = { "bytes", "requests", "documents" };

    name = &quota->name;
    used = 0;
    limit = NULL;

    gate_window_slot(&quota->window, now, &slot);

    for (i = 0; i + 1 < n; i += 2) {

        if (cells[i].len == name->len + 1 && cells[i].data[0] == '='
            && ngx_memcmp(cells[i].data + 1, name->data, name->len) == 0)
        {
            json_decref(limit);
            limit = json_integer(ngx_http_gate_admin_value(&cells[i + 1]));
        }

        if (cells[i].len <= name->len + 1 || cells[i].data[name->len] != ':'
            || ngx_memcmp(cells[i].data, name->data, name->len) != 0)
        {
            continue;
        }

        rest = cells[i].data + name->len + 1;
        len = cells[i].len - name->len - 1;
        start = ngx_atoof(rest, len) == NGX_ERROR ? 0 : ngx_atoof(rest, len);

        /* a slot, not a node's share of it */

        if ((int64_t) start >= slot.oldest && start > 0) {
            used += ngx_http_gate_admin_value(&cells[i + 1]);
        }

        if (len == sizeof("documents") - 1
            && ngx_memcmp(rest, "documents", len) == 0)
        {
            used += ngx_http_gate_admin_value(&cells[i + 1]);
        }
    }

    return json_pack("{s:o, s:s, s:o, s:I, s:I, s:I, s:I}",
                     "quota", ngx_http_gate_answer_string(name->data,
                                                          name->len),
                     "unit", units[quota->unit],
                     "limit", limit ? limit : json_null(),
                     "extra", (json_int_t) extra,
                     "used", (json_int_t) used,
                     "since", (json_int_t) slot.oldest,
                     "until", (json_int_t) slot.end);
}


static uint64_t
ngx_http_gate_admin_user_extra(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_http_gate_admin_policy_t *policy,
    const ngx_http_gate_quota_t *quota)
{
    uint64_t                     ends;
    gate_extra_t                 extra;
    ngx_http_gate_holds_t       *holds;
    ngx_http_gate_admin_user_t  *user;

    ends = 0;
    user = ctx->state;
    holds = ngx_http_gate_ledger_holds(ctx->admin.ledger);

    (void) ngx_http_gate_holds_refresh(holds, 0);

    extra.user.data = (char *) user->name.data;
    extra.user.len = user->name.len;
    extra.policy.data = (char *) policy->name.data;
    extra.policy.len = policy->name.len;
    extra.quota.data = (char *) quota->name.data;
    extra.quota.len = quota->name.len;

    return ngx_http_gate_holds_extra(holds, &extra, &ends);
}


static ngx_int_t
ngx_http_gate_admin_user_countries(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_str_t *cells, ngx_uint_t n)
{
    json_t                      *countries;
    ngx_uint_t                   i;
    ngx_http_gate_admin_user_t  *user;

    user = ctx->state;
    countries = json_array();

    for (i = 2; i + 1 < n; i += 2) {

        if (cells[i].len == 5 && ngx_memcmp(cells[i].data, "since", 5) == 0) {
            continue;
        }

        if (json_array_append_new(countries,
                               ngx_http_gate_admin_user_country(&cells[i]))
            != 0)
        {
            json_decref(countries);
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (json_object_set_new(user->object, "countries", countries) != 0) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_gate_admin_user_next(ctx);
}


/* a country and its days, the latest first: see familiar.lua */

static json_t *
ngx_http_gate_admin_user_country(const ngx_str_t *cells)
{
    u_char           *p, *last;
    ngx_str_t         day;
    ngx_uint_t        days;
    const ngx_str_t  *value;

    value = &cells[1];
    last = value->data + value->len;

    if (value->len == 6 && ngx_memcmp(value->data, "always", 6) == 0) {
        return json_pack("{s:o, s:b}", "country",
                         ngx_http_gate_answer_string(cells->data, cells->len),
                         "confirmed", 1);
    }

    for (days = 0, p = value->data; p < last; p++) {
        days += *p == ',';
    }

    p = ngx_strlchr(value->data, last, ',');

    day.data = value->data;
    day.len = (p ? p : last) - value->data;

    return json_pack("{s:o, s:b, s:I, s:I}", "country",
                     ngx_http_gate_answer_string(cells->data, cells->len),
                     "confirmed", 0, "days", (json_int_t) days + 1,
                     "last", (json_int_t) ngx_http_gate_admin_value(&day)
                             * 86400);
}


static ngx_int_t
ngx_http_gate_admin_user_place(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_str_t *cells, ngx_uint_t n)
{
    json_t                      *place;
    ngx_uint_t                   i;
    ngx_http_gate_admin_user_t  *user;

    user = ctx->state;
    place = json_object();

    for (i = 2; i + 1 < n; i += 2) {

        if (cells[i].len == 2 && ngx_memcmp(cells[i].data, "at", 2) == 0) {
            (void) json_object_set_new(place, "at",
                       json_integer(ngx_http_gate_admin_value(&cells[i + 1])
                                    / 1000));
        }

        if (cells[i].len == 5 && ngx_memcmp(cells[i].data, "place", 5) == 0) {
            (void) json_object_set_new(place, "place",
                       ngx_http_gate_answer_string(cells[i + 1].data,
                                                   cells[i + 1].len));
        }
    }

    if (json_object_set_new(user->object, "place", place) != 0) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_gate_admin_user_next(ctx);
}
