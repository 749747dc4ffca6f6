/*
 * Take, ask, take again.  The zone says how each credit stands, the judge says
 * what follows from it, and if that is GATE_ASK the ledger is asked for the
 * first account that is short.
 */


#include "ngx_http_gate_quota.h"

#include "ngx_http_gate_conf.h"
#include "ngx_http_gate_extra.h"
#include "ngx_http_gate_log.h"
#include "ngx_http_gate_tally.h"
#include "ngx_http_gate_tell.h"


/* answers a request may wait for before it gives up */
#define NGX_HTTP_GATE_ATTEMPTS  64


static void ngx_http_gate_quota_limits(ngx_http_gate_ctx_t *ctx,
    ngx_uint_t n);
static ngx_uint_t ngx_http_gate_quota_overrun(ngx_http_gate_ctx_t *ctx);
static ngx_int_t ngx_http_gate_quota_try(ngx_http_gate_ctx_t *ctx,
    uint64_t bytes, uint64_t requests, uint64_t borrow,
    ngx_http_gate_account_t **failed);
static void ngx_http_gate_quota_need(ngx_http_gate_account_t *account,
    uint64_t bytes, uint64_t requests);
static void ngx_http_gate_quota_move(ngx_http_gate_ctx_t *ctx,
    uint64_t bytes, uint64_t requests, ngx_uint_t back);
static ngx_int_t ngx_http_gate_quota_ask(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_account_t *account);
static void ngx_http_gate_quota_waiter(void *data, ngx_int_t rc);


ngx_int_t
ngx_http_gate_quota_open(ngx_http_gate_ctx_t *ctx)
{
    ngx_str_t                  key;
    ngx_uint_t                 i;
    ngx_pool_t                *pool;
    ngx_http_gate_group_t     *group;
    ngx_http_gate_policy_t    *policy;
    ngx_http_gate_loc_conf_t  *glcf;

    policy = ctx->policy;
    pool = ctx->request->pool;

    if (policy->ngroups == 0) {
        return NGX_OK;
    }

    ctx->facts.quotas = ngx_pcalloc(pool, policy->ngroups
                                          * NGX_HTTP_GATE_QUOTAS
                                          * sizeof(gate_quota_fact_t));
    ctx->accounts = ngx_pcalloc(pool, policy->ngroups
                                      * sizeof(ngx_http_gate_account_t));

    if (ctx->facts.quotas == NULL || ctx->accounts == NULL) {
        return NGX_ERROR;
    }

    glcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_gate_module);

    for (i = 0; i < policy->ngroups; i++) {
        group = &policy->groups[i];
        key = ctx->user;

        ctx->accounts[i].told = glcf->ratelimit || ctx->main->ratelimit;

        if (group->key
            && ngx_http_complex_value(ctx->request, group->key, &key)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        /* who belongs nowhere must not share the pool of all such */

        if (key.len == 0) {
            ctx->facts.user = 0;
        }

        if (ngx_http_gate_zone_name(ctx->main->zone, pool, &ctx->accounts[i],
                                    group->kind, &key,
                                    i ? NULL : &ctx->peer->known)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_http_gate_quota_limits(ctx, i);
    }

    return NGX_OK;
}


void
ngx_http_gate_quota_document(ngx_http_gate_ctx_t *ctx)
{
    ngx_uint_t  i;

    for (i = 0; ctx->accounts && i < ctx->policy->ngroups; i++) {
        if (ctx->policy->groups[i].kind->documents) {
            ngx_http_gate_zone_document(ctx->main->zone, &ctx->accounts[i],
                                        &ctx->document);
        }
    }
}


static void
ngx_http_gate_quota_limits(ngx_http_gate_ctx_t *ctx, ngx_uint_t n)
{
    ngx_str_t                 value;
    ngx_uint_t                i;
    gate_quota_fact_t        *facts;
    ngx_http_request_t       *r;
    ngx_http_gate_group_t    *group;
    ngx_http_gate_account_t  *account;

    r = ctx->request;
    group = &ctx->policy->groups[n];
    account = &ctx->accounts[n];
    facts = &ctx->facts.quotas[n * NGX_HTTP_GATE_QUOTAS];

    for (i = group->kind->nquotas; i < NGX_HTTP_GATE_QUOTAS; i++) {
        facts[i].credit = GATE_CREDIT_TAKEN;
    }

    for (i = 0; i < group->kind->nquotas; i++) {

        if (group->limits[i].lengths == NULL) {
            account->limits[i] = group->fixed[i];
            continue;
        }

        ngx_str_null(&value);

        if (ngx_http_complex_value(r, &group->limits[i], &value) == NGX_OK
            && ngx_http_gate_conf_limit(&value, &account->limits[i])
               == NGX_OK)
        {
            continue;
        }

        ctx->invalid = 1;
        facts[i].credit = GATE_CREDIT_INVALID;
        account->limits[i] = GATE_UNBOUNDED;

        ngx_http_gate_log_limit(ctx, &group->kind->quotas[i].name, &value);
    }
}


ngx_int_t
ngx_http_gate_quota_take(ngx_http_gate_ctx_t *ctx, uint64_t bytes,
    uint64_t requests)
{
    uint64_t                   borrow;
    ngx_http_gate_account_t   *failed = NULL;
    ngx_http_gate_loc_conf_t  *glcf;

    if (ctx->accounts == NULL) {
        return NGX_OK;
    }

    borrow = gate_judge_borrow(&ctx->policy->rules, &ctx->facts);

    if (!ctx->invalid
        && ngx_http_gate_quota_try(ctx, bytes, requests, borrow, &failed)
           == NGX_OK)
    {
        ctx->facts.store = GATE_STORE_UP;
        ctx->attempts = 0;
        return NGX_OK;
    }

    ctx->verdict = gate_judge(&ctx->policy->rules, &ctx->facts);

    /* nobody is asked of a limit that is none: that is refused */

    if (failed && ctx->verdict.answer == GATE_ASK) {

        switch (ngx_http_gate_quota_ask(ctx, failed)) {

        case NGX_AGAIN:
            return NGX_AGAIN;

        case NGX_BUSY:
            ctx->facts.store = GATE_STORE_DOWN;
            return ngx_http_gate_quota_take(ctx, bytes, requests);

        default: /* NGX_ERROR */
            return NGX_ERROR;
        }
    }

    ctx->attempts = 0;

    glcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_gate_module);

    if (glcf->dry_run) {
        ctx->dry_run = 1;
        (void) ngx_http_gate_quota_try(ctx, bytes, requests, GATE_UNBOUNDED,
                                       &failed);
        return NGX_OK;
    }

    if (ngx_http_gate_quota_overrun(ctx)) {
        return ngx_http_gate_quota_try(ctx, bytes, requests, GATE_UNBOUNDED,
                                       &failed);
    }

    return NGX_DECLINED;
}


/* may the bytes that do not fit leave all the same, to be counted as owed? */

static ngx_uint_t
ngx_http_gate_quota_overrun(ngx_http_gate_ctx_t *ctx)
{
    ngx_uint_t             i, k;
    ngx_http_gate_kind_t  *kind;

    if (ctx->verdict.reason != GATE_REASON_QUOTA
        || ctx->policy->overrun == NGX_HTTP_GATE_OVERRUN_REFUSE
        || (ctx->policy->overrun == NGX_HTTP_GATE_OVERRUN_FINISH
            && !ctx->judged))
    {
        return 0;
    }

    for (i = 0; i < ctx->policy->ngroups; i++) {
        kind = ctx->policy->groups[i].kind;

        for (k = 0; k < kind->nquotas; k++) {
            if (kind->quotas[k].unit != GATE_BYTES
                && ctx->facts.quotas[i * NGX_HTTP_GATE_QUOTAS + k].credit
                   != GATE_CREDIT_TAKEN)
            {
                return 0;
            }
        }
    }

    ctx->slow = ctx->policy->overrun == NGX_HTTP_GATE_OVERRUN_SLOW;

    return 1;
}


const ngx_str_t *
ngx_http_gate_quota_name(ngx_http_gate_ctx_t *ctx)
{
    ngx_http_gate_kind_t  *kind;

    static const ngx_str_t  none = ngx_null_string;

    if (ctx->verdict.reason != GATE_REASON_QUOTA) {
        return &none;
    }

    kind = ctx->policy->groups[ctx->verdict.quota / NGX_HTTP_GATE_QUOTAS].kind;

    return &kind->quotas[ctx->verdict.quota % NGX_HTTP_GATE_QUOTAS].name;
}


void
ngx_http_gate_quota_owe(ngx_http_gate_ctx_t *ctx, uint64_t bytes)
{
    ngx_http_gate_account_t  *failed;

    if (ctx->accounts
        && ngx_http_gate_quota_try(ctx, bytes, 0, GATE_UNBOUNDED, &failed)
           == NGX_OK)
    {
        ngx_http_gate_quota_use(ctx, bytes, 0);
    }
}


/* one look at the zone for each account; what was taken before is undone */

static ngx_int_t
ngx_http_gate_quota_try(ngx_http_gate_ctx_t *ctx, uint64_t bytes,
    uint64_t requests, uint64_t borrow, ngx_http_gate_account_t **failed)
{
    ngx_int_t                 rc;
    ngx_uint_t                i, last;
    ngx_http_gate_account_t  *account;

    ngx_http_gate_extra_look(ctx);

    for (i = 0; i < ctx->policy->ngroups; i++) {
        account = &ctx->accounts[i];
        last = i == ctx->policy->ngroups - 1;

        ngx_http_gate_quota_need(account, bytes, requests);

        rc = ngx_http_gate_zone_take(ctx->main->zone, account, borrow,
                              &ctx->facts.quotas[i * NGX_HTTP_GATE_QUOTAS],
                                     last ? ngx_http_gate_tally_usage(ctx)
                                          : NULL);

        if (ctx->main->audit) {
            ngx_http_gate_tell_levels(ctx, account);
        }

        if (rc != NGX_OK) {
            *failed = account;
            goto failed;
        }

        if (account->low) {
            ngx_http_gate_ledger_ahead(ctx->main->ledger, account);
        }
    }

    return NGX_OK;

failed:

    while (i--) {
        ngx_http_gate_zone_untake(ctx->main->zone, &ctx->accounts[i]);
    }

    return NGX_DECLINED;
}


/* what is held of a window that has ended is held anew besides, if need be */

static void
ngx_http_gate_quota_need(ngx_http_gate_account_t *account, uint64_t bytes,
    uint64_t requests)
{
    uint64_t            n, unused;
    ngx_uint_t          i;
    const gate_hold_t  *hold;

    for (i = 0; i < account->kind->nquotas; i++) {
        hold = &account->holds[i];
        unused = hold->n - hold->used;

        n = account->kind->quotas[i].unit == GATE_BYTES ? bytes : requests;

        account->needs[i] = n > unused ? n - unused : 0;
    }
}


void
ngx_http_gate_quota_ahead(ngx_http_gate_ctx_t *ctx)
{
    ngx_uint_t  i;

    for (i = 0; ctx->accounts && i < ctx->policy->ngroups; i++) {
        ngx_http_gate_ledger_ahead(ctx->main->ledger, &ctx->accounts[i]);
    }
}


static ngx_int_t
ngx_http_gate_quota_ask(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_account_t *account)
{
    if (++ctx->attempts > NGX_HTTP_GATE_ATTEMPTS) {
        return NGX_BUSY;
    }

    ctx->waiter.handler = ngx_http_gate_quota_waiter;
    ctx->waiter.data = ctx;

    ngx_memcpy(ctx->waiter.needs, account->wanted, sizeof(account->wanted));

    return ngx_http_gate_ledger_draw(ctx->main->ledger, account,
                                     &ctx->waiter);
}


static void
ngx_http_gate_quota_waiter(void *data, ngx_int_t rc)
{
    ngx_http_gate_ctx_t  *ctx = data;

    if (rc == NGX_AGAIN) {
        ctx->attempts--;

    } else if (rc != NGX_OK) {
        ctx->facts.store = GATE_STORE_DOWN;
    }

    ctx->resume(ctx);
}


uint64_t
ngx_http_gate_quota_held(ngx_http_gate_ctx_t *ctx)
{
    uint64_t                  held;
    ngx_uint_t                i, k;
    gate_hold_t              *hold;
    ngx_http_gate_account_t  *account;

    held = GATE_UNBOUNDED;

    for (i = 0; i < ctx->policy->ngroups; i++) {
        account = &ctx->accounts[i];

        for (k = 0; k < account->kind->nquotas; k++) {

            if (account->kind->quotas[k].unit != GATE_BYTES
                || account->limits[k] == GATE_UNBOUNDED)
            {
                continue;
            }

            hold = &account->holds[k];

            if (hold->n == hold->used || ngx_current_msec >= hold->until) {
                return 0;
            }

            held = ngx_min(held, hold->n - hold->used);
        }
    }

    return held;
}


void
ngx_http_gate_quota_use(ngx_http_gate_ctx_t *ctx, uint64_t bytes,
    uint64_t requests)
{
    ngx_http_gate_quota_move(ctx, bytes, requests, 0);
}


void
ngx_http_gate_quota_unuse(ngx_http_gate_ctx_t *ctx, uint64_t bytes,
    uint64_t requests)
{
    ngx_http_gate_quota_move(ctx, bytes, requests, 1);
}


static void
ngx_http_gate_quota_move(ngx_http_gate_ctx_t *ctx, uint64_t bytes,
    uint64_t requests, ngx_uint_t back)
{
    uint64_t                  n;
    ngx_uint_t                i, k;
    gate_hold_t              *hold;
    ngx_http_gate_account_t  *account;

    for (i = 0; ctx->accounts && i < ctx->policy->ngroups; i++) {
        account = &ctx->accounts[i];

        if (requests) {
            account->sure = !back;
        }

        for (k = 0; k < account->kind->nquotas; k++) {
            hold = &account->holds[k];
            n = account->kind->quotas[k].unit == GATE_BYTES ? bytes : requests;

            if (back) {
                hold->used -= ngx_min(n, hold->used);

            } else {
                hold->used += ngx_min(n, hold->n - hold->used);
            }
        }
    }
}


void
ngx_http_gate_quota_close(ngx_http_gate_ctx_t *ctx)
{
    ngx_uint_t  i;

    ngx_http_gate_ledger_cancel(&ctx->waiter);

    for (i = 0; ctx->accounts && i < ctx->policy->ngroups; i++) {
        ngx_http_gate_ledger_give(ctx->main->ledger, &ctx->accounts[i],
                                  &ctx->usage);
    }
}
