/*
 * Two atomic additions for a request whose response is one buffer: its bytes,
 * and itself.
 */


#include "ngx_http_gate_count.h"


static void ngx_http_gate_count_quotas(ngx_http_gate_counters_t *counters,
    const ngx_str_t *policy, ngx_http_gate_kind_t *kind);
static void ngx_http_gate_count_request(ngx_http_gate_counters_t *counters,
    ngx_uint_t policy, ngx_http_gate_said_e said, ngx_uint_t reason);


void
ngx_http_gate_count_init(ngx_http_gate_main_conf_t *gmcf)
{
    ngx_uint_t                  i, k;
    ngx_http_gate_policy_t    **policies;
    ngx_http_gate_counters_t   *counters;

    counters = ngx_http_gate_zone_counters(gmcf->zone);
    ngx_http_gate_counters_configure(counters);

    policies = gmcf->policies.elts;

    for (i = 0; i < gmcf->policies.nelts; i++) {
        policies[i]->counted = ngx_http_gate_counters_policy(counters,
                                                         &policies[i]->name);

        for (k = 0; k < policies[i]->ngroups; k++) {
            ngx_http_gate_count_quotas(counters, &policies[i]->name,
                                       policies[i]->groups[k].kind);
        }
    }
}


static void
ngx_http_gate_count_quotas(ngx_http_gate_counters_t *counters,
    const ngx_str_t *policy, ngx_http_gate_kind_t *kind)
{
    ngx_uint_t  i;

    for (i = 0; i < kind->nquotas; i++) {
        kind->quotas[i].counted = ngx_http_gate_counters_quota(counters,
                                              policy, &kind->quotas[i].name);
    }
}


void
ngx_http_gate_count_level(ngx_http_gate_ctx_t *ctx,
    const ngx_http_gate_quota_t *quota, ngx_uint_t level)
{
    ngx_http_gate_counters_t  *counters;

    counters = ngx_http_gate_zone_counters(ctx->main->zone);

    (void) ngx_atomic_fetch_add(&counters->quotas[quota->counted].risen[
                                    level == 100 ? NGX_HTTP_GATE_LEVEL_100
                                                 : NGX_HTTP_GATE_LEVEL_80],
                                1);
}


void
ngx_http_gate_count_left(ngx_http_gate_ctx_t *ctx, uint64_t left)
{
    ngx_http_gate_counters_t  *counters;

    if (ctx->main->zone == NULL || left <= ctx->counted) {
        return;
    }

    counters = ngx_http_gate_zone_counters(ctx->main->zone);

    ngx_http_gate_minutes_turn(counters);

    (void) ngx_atomic_fetch_add(
                             &counters->policies[ctx->policy->counted].bytes,
                             left - ctx->counted);

    ctx->counted = left;
}


void
ngx_http_gate_count_end(ngx_http_gate_ctx_t *ctx, uint64_t left)
{
    ngx_uint_t                 reason;
    ngx_http_gate_said_e       said;
    ngx_http_gate_counters_t  *counters;

    if (ctx->main->zone == NULL || !ctx->judged) {
        return;
    }

    if (ctx->first->current == NULL || ctx->first->current == ctx) {
        ngx_http_gate_count_left(ctx, left);
    }

    counters = ngx_http_gate_zone_counters(ctx->main->zone);

    said = ctx->denied ? NGX_HTTP_GATE_SAID_DENIED
           : ctx->dry_run ? NGX_HTTP_GATE_SAID_DENIED_DRY_RUN
                          : NGX_HTTP_GATE_SAID_PASSED;

    reason = said == NGX_HTTP_GATE_SAID_PASSED ? GATE_REASON_NONE
                                               : ctx->verdict.reason;

    ngx_http_gate_count_request(counters, ctx->policy->counted, said, reason);

    for (reason = 1; ctx->notices && reason < GATE_REASONS; reason++) {
        if (ctx->notices & GATE_NOTICE(reason)) {
            (void) ngx_atomic_fetch_add(&counters->notices[reason], 1);
        }
    }
}


void
ngx_http_gate_count_early(ngx_http_request_t *r)
{
    ngx_http_gate_loc_conf_t   *glcf;
    ngx_http_gate_main_conf_t  *gmcf;

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);
    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gate_module);

    if (gmcf->zone) {
        ngx_http_gate_count_request(ngx_http_gate_zone_counters(gmcf->zone),
                                    glcf->policy ? glcf->policy->counted : 0,
                                    NGX_HTTP_GATE_SAID_DENIED,
                                    GATE_REASON_CERTIFICATE);
    }
}


static void
ngx_http_gate_count_request(ngx_http_gate_counters_t *counters,
    ngx_uint_t policy, ngx_http_gate_said_e said, ngx_uint_t reason)
{
    ngx_http_gate_minutes_turn(counters);

    (void) ngx_atomic_fetch_add(
                        &counters->policies[policy].requests[said][reason], 1);
}
