/*
 * One walk over the quotas of the request's policy; what is written of each is
 * the caller's.  Names of quotas are letters, digits, "-" and "_", so strings
 * need no escapes.  No partition key is told: it would be the user.
 */


#include "ngx_http_gate_ratelimit.h"

#include "ngx_http_gate_header.h"

#include "gate_window.h"
#include "ngx_http_gate_access.h"


/* of an item: a name of 32, two numbers of 20, the rest */
#define NGX_HTTP_GATE_RATELIMIT_ITEM  128

/* the largest integer of a structured field (RFC 9651 3.3.1) */
#define NGX_HTTP_GATE_RATELIMIT_MAX   999999999999999ULL


typedef u_char *(*ngx_http_gate_ratelimit_item_pt)(u_char *p,
    const ngx_http_gate_quota_t *quota, uint64_t limit,
    const gate_standing_t *standing);


static ngx_int_t ngx_http_gate_ratelimit_list(ngx_http_request_t *r,
    ngx_http_gate_ratelimit_item_pt item, ngx_str_t *value);
static u_char *ngx_http_gate_ratelimit_policy_item(u_char *p,
    const ngx_http_gate_quota_t *quota, uint64_t limit,
    const gate_standing_t *standing);
static u_char *ngx_http_gate_ratelimit_item(u_char *p,
    const ngx_http_gate_quota_t *quota, uint64_t limit,
    const gate_standing_t *standing);
static ngx_int_t ngx_http_gate_ratelimit_header(ngx_http_request_t *r,
    const char *name, const ngx_str_t *value);


ngx_uint_t
ngx_http_gate_ratelimit_asked(ngx_conf_t *cf)
{
    ngx_uint_t                  i;
    ngx_http_variable_t        *v;
    ngx_http_core_main_conf_t  *cmcf;

    static const ngx_str_t  name = ngx_string("gate_ratelimit");

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    v = cmcf->variables.elts;

    for (i = 0; i < cmcf->variables.nelts; i++) {
        if (v[i].name.len == name.len
            && ngx_strncmp(v[i].name.data, name.data, name.len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_gate_ratelimit_policy(ngx_http_request_t *r, ngx_str_t *value)
{
    return ngx_http_gate_ratelimit_list(r, ngx_http_gate_ratelimit_policy_item,
                                        value);
}


ngx_int_t
ngx_http_gate_ratelimit(ngx_http_request_t *r, ngx_str_t *value)
{
    return ngx_http_gate_ratelimit_list(r, ngx_http_gate_ratelimit_item,
                                        value);
}


static ngx_int_t
ngx_http_gate_ratelimit_list(ngx_http_request_t *r,
    ngx_http_gate_ratelimit_item_pt item, ngx_str_t *value)
{
    u_char                        *p, *last;
    ngx_uint_t                     i, k;
    ngx_http_gate_ctx_t           *ctx;
    const ngx_http_gate_kind_t    *kind;
    const ngx_http_gate_account_t *account;

    ngx_str_null(value);

    ctx = ngx_http_gate_access_ctx(r);

    if (ctx == NULL || ctx->accounts == NULL) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, ctx->policy->ngroups * NGX_HTTP_GATE_QUOTAS
                             * NGX_HTTP_GATE_RATELIMIT_ITEM);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value->data = p;

    for (i = 0; i < ctx->policy->ngroups; i++) {
        account = &ctx->accounts[i];
        kind = account->kind;

        for (k = 0; k < kind->nquotas; k++) {

            if (account->limits[k] == GATE_UNBOUNDED) {
                continue;
            }

            last = p == value->data ? p : ngx_cpymem(p, ", ", 2);
            last = item(last, &kind->quotas[k], account->limits[k],
                        &ctx->facts.quotas[i * NGX_HTTP_GATE_QUOTAS + k]
                             .standing);

            p = last ? last : p;
        }
    }

    value->len = p - value->data;

    return NGX_OK;
}


static u_char *
ngx_http_gate_ratelimit_policy_item(u_char *p,
    const ngx_http_gate_quota_t *quota, uint64_t limit,
    const gate_standing_t *standing)
{
    int64_t      width;
    gate_slot_t  slot;

    static const char *const  units[] = {
        "content-bytes", "requests", "documents"
    };

    width = quota->window.length;

    if (quota->window.per != GATE_PER_TIME) {
        gate_window_slot(&quota->window, ngx_time(), &slot);
        width = slot.end - slot.start;
    }

    return ngx_sprintf(p, "\"%V\";q=%uL;w=%L;qu=\"%s\"", &quota->name,
                       ngx_min(limit, NGX_HTTP_GATE_RATELIMIT_MAX), width,
                       units[quota->unit]);
}


/* NULL: nothing is known */

static u_char *
ngx_http_gate_ratelimit_item(u_char *p, const ngx_http_gate_quota_t *quota,
    uint64_t limit, const gate_standing_t *standing)
{
    uint64_t  left;

    if (!standing->known) {
        return NULL;
    }

    left = limit > standing->used ? limit - standing->used : 0;

    return ngx_sprintf(p, "\"%V\";r=%uL;t=%uL", &quota->name,
                       ngx_min(left, NGX_HTTP_GATE_RATELIMIT_MAX),
                       standing->reset);
}


ngx_int_t
ngx_http_gate_ratelimit_send(ngx_http_request_t *r)
{
    ngx_str_t  policy, limit;

    if (ngx_http_gate_ratelimit_policy(r, &policy) != NGX_OK
        || ngx_http_gate_ratelimit(r, &limit) != NGX_OK
        || ngx_http_gate_ratelimit_header(r, "RateLimit-Policy", &policy)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_gate_ratelimit_header(r, "RateLimit", &limit);
}


static ngx_int_t
ngx_http_gate_ratelimit_header(ngx_http_request_t *r, const char *name,
    const ngx_str_t *value)
{
    return value->len ? ngx_http_gate_header_add(r, name, value->data,
                                                 value->len)
                      : NGX_OK;
}
