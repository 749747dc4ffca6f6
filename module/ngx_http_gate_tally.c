/*
 * Bytes are added without a lock; row and document in those of the quotas.
 * Where a policy has none, two are taken here.
 */


#include "ngx_http_gate_tally.h"


static ngx_uint_t ngx_http_gate_tally_counts(ngx_http_gate_ctx_t *ctx);


void
ngx_http_gate_tally_init(ngx_http_gate_main_conf_t *gmcf)
{
    ngx_uint_t                i;
    ngx_http_gate_policy_t  **policies;

    policies = gmcf->policies.elts;

    for (i = 0; i < gmcf->policies.nelts; i++) {
        if (gmcf->redis && gmcf->usage_keep && policies[i]->users.nelts) {
            gmcf->usage = 1;
        }
    }
}


ngx_int_t
ngx_http_gate_tally_open(ngx_http_gate_ctx_t *ctx)
{
    if (!ctx->main->usage || ctx->user.len == 0 || ctx->usage.named) {
        return NGX_OK;
    }

    return ngx_http_gate_zone_usage_name(ctx->main->zone, ctx->request->pool,
                                         &ctx->usage, &ctx->user,
                                         &ctx->project, &ctx->peer->known);
}


ngx_http_gate_usage_t *
ngx_http_gate_tally_usage(ngx_http_gate_ctx_t *ctx)
{
    return ctx->usage.named && ctx->usage.row == 0 && !ctx->usage.homeless
           ? &ctx->usage : NULL;
}


void
ngx_http_gate_tally_pass(ngx_http_gate_ctx_t *ctx)
{
    ngx_http_gate_usage_t  *usage;

    if (!ctx->usage.named) {
        return;
    }

    ngx_http_gate_zone_usage_document(&ctx->usage, &ctx->document);

    usage = ngx_http_gate_tally_usage(ctx);

    if (usage) {
        ngx_http_gate_zone_usage_end(ctx->main->zone, usage);
    }
}


void
ngx_http_gate_tally_add(ngx_http_gate_ctx_t *ctx, ngx_http_gate_ctx_t *added,
    uint64_t bytes)
{
    if (ctx == NULL) {
        ctx = added;
    }

    if (ctx && !ctx->denied && ctx->usage.named) {
        ngx_http_gate_zone_usage_add(ctx->main->zone, &ctx->usage, bytes);
    }
}


/* one that was cut has had some bytes */

static ngx_uint_t
ngx_http_gate_tally_counts(ngx_http_gate_ctx_t *ctx)
{
    return ctx->judged && (!ctx->denied || ctx->charged)
           && (ctx->first->current == NULL || ctx->first->current == ctx);
}


void
ngx_http_gate_tally_end(ngx_http_gate_ctx_t *ctx, uint64_t left)
{
    if (!ctx->usage.named) {
        return;
    }

    if (left != ctx->charged) {
        ngx_http_gate_zone_usage_add(ctx->main->zone, &ctx->usage,
                                     (int64_t) (left - ctx->charged));
    }

    ctx->usage.counts = ngx_http_gate_tally_counts(ctx) ? 1 : 0;
    ctx->usage.closing = ctx->usage.counts || ctx->usage.bytes;
}


void
ngx_http_gate_tally_close(ngx_http_gate_ctx_t *ctx)
{
    if (ctx->usage.closing) {
        ngx_http_gate_zone_usage_end(ctx->main->zone, &ctx->usage);
    }

    if (ctx->usage.named) {
        ngx_http_gate_ledger_used(ctx->main->ledger, &ctx->usage);
    }
}
