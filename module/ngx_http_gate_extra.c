/*
 * A request may wait, or go on, while something is given, taken back, or ends
 * with its window: so limits are not those of its beginning.  Redis looks once
 * more, by its own clock, whether what is asked for has ended.
 */


#include "ngx_http_gate_extra.h"


static void ngx_http_gate_extra_account(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_holds_t *holds, ngx_http_gate_account_t *account);


void
ngx_http_gate_extra_look(ngx_http_gate_ctx_t *ctx)
{
    ngx_uint_t              i;
    ngx_http_gate_holds_t  *holds;

    holds = ngx_http_gate_ledger_holds(ctx->main->ledger);

    if (ctx->extras_of == holds->generation
        && (ctx->extras_end == 0
            || ngx_http_gate_zone_holds_now(ctx->main->zone)
               < ctx->extras_end))
    {
        return;
    }

    ctx->extras_of = holds->generation;

    if (holds->extras == 0 && ctx->extras_end == 0) {
        return;
    }

    ctx->extras_end = 0;

    for (i = 0; i < ctx->policy->ngroups; i++) {

        /* what others share with a user nobody gives him */

        if (ctx->policy->groups[i].key == NULL) {
            ngx_http_gate_extra_account(ctx, holds, &ctx->accounts[i]);
        }
    }
}


static void
ngx_http_gate_extra_account(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_holds_t *holds, ngx_http_gate_account_t *account)
{
    uint64_t                 n, ends;
    ngx_uint_t               i;
    gate_extra_t             extra;
    ngx_http_gate_extras_t  *extras;

    ends = 0;
    extras = &account->extras;

    extra.user.data = (char *) ctx->user.data;
    extra.user.len = ctx->user.len;
    extra.policy.data = (char *) ctx->policy->name.data;
    extra.policy.len = ctx->policy->name.len;

    for (i = 0; i < account->kind->nquotas; i++) {

        if (account->limits[i] == GATE_UNBOUNDED) {
            continue;
        }

        extra.quota.data = (char *) account->kind->quotas[i].name.data;
        extra.quota.len = account->kind->quotas[i].name.len;

        account->limits[i] -= extras->n[i];

        n = ngx_http_gate_holds_extra(holds, &extra, &ends);
        extras->n[i] = ngx_min(n, GATE_LIMIT_MAX - account->limits[i]);

        account->limits[i] += extras->n[i];
    }

    extras->ends = ends;

    if (ends && (ctx->extras_end == 0 || ends < ctx->extras_end)) {
        ctx->extras_end = ends;
    }
}
