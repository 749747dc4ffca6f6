/*
 * Start, wait, act: one ctx, and a handler that is entered again.
 */


#include "ngx_http_gate_access.h"

#include "ngx_http_gate_country.h"
#include "ngx_http_gate_familiar.h"
#include "ngx_http_gate_header.h"
#include "ngx_http_gate_hold.h"
#include "ngx_http_gate_identity.h"
#include "ngx_http_gate_journey.h"
#include "ngx_http_gate_log.h"
#include "ngx_http_gate_meter.h"
#include "ngx_http_gate_peer.h"
#include "ngx_http_gate_project.h"
#include "ngx_http_gate_quota.h"
#include "ngx_http_gate_tally.h"
#include "ngx_http_gate_trust.h"


static ngx_int_t ngx_http_gate_access_enter(ngx_http_request_t *r,
    ngx_http_gate_policy_t *policy);
static ngx_http_gate_ctx_t *ngx_http_gate_access_create(
    ngx_http_request_t *r, ngx_http_gate_policy_t *policy);
static ngx_int_t ngx_http_gate_access_facts(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_int_t ngx_http_gate_access_user(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_int_t ngx_http_gate_access_judge(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_int_t ngx_http_gate_access_ask(ngx_http_gate_ctx_t *ctx);
static uint64_t ngx_http_gate_access_bytes(ngx_http_request_t *r);
static ngx_int_t ngx_http_gate_access_wait(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static void ngx_http_gate_access_resume(ngx_http_gate_ctx_t *ctx);
static ngx_int_t ngx_http_gate_access_pass(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static void ngx_http_gate_access_notice(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static void ngx_http_gate_access_arrive(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static void ngx_http_gate_access_deny(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_int_t ngx_http_gate_access_retry_after(ngx_http_request_t *r,
    uint64_t retry);


ngx_int_t
ngx_http_gate_access_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_http_gate_ctx_t       *ctx;
    ngx_http_gate_loc_conf_t  *glcf;

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

    if (glcf->policy == NULL) {
        return NGX_DECLINED;
    }

    rc = ngx_http_gate_access_enter(r, glcf->policy);

    if (rc != NGX_DECLINED || glcf->policy->identities.nelts == 0) {
        return rc;
    }

    ctx = ngx_http_gate_access_find(r, glcf->policy);

    return ctx && ngx_http_gate_identity_set(r, ctx) == NGX_OK
           ? NGX_DECLINED : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static ngx_int_t
ngx_http_gate_access_enter(ngx_http_request_t *r,
    ngx_http_gate_policy_t *policy)
{
    ngx_int_t             rc;
    ngx_http_gate_ctx_t  *ctx;

    ctx = ngx_http_gate_access_find(r, policy);

    if (ctx && !ctx->judged) {
        return ngx_http_gate_access_judge(r, ctx);
    }

    if (ctx && ctx->denied) {

        /* an error page may be shown to whom was refused, and no more */

        return r == r->main && r->internal
               ? NGX_DECLINED : (ngx_int_t)
                                ctx->policy->status[ctx->verdict.reason];
    }

    if (ctx) {
        ngx_http_gate_access_arrive(r, ctx);
        return NGX_DECLINED;
    }

    ctx = ngx_http_gate_access_create(r, policy);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->first->judging = ctx;
    rc = ngx_http_gate_access_facts(r, ctx);
    ctx->first->judging = NULL;

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_gate_access_judge(r, ctx);
}


ngx_http_gate_ctx_t *
ngx_http_gate_access_ctx(ngx_http_request_t *r)
{
    ngx_http_gate_ctx_t  *first;

    first = ngx_http_gate_access_first(r);

    return first ? first->current : NULL;
}


ngx_http_gate_ctx_t *
ngx_http_gate_access_own(ngx_http_request_t *r)
{
    ngx_http_gate_ctx_t       *first, *ctx;
    ngx_http_gate_loc_conf_t  *glcf;

    first = ngx_http_gate_access_first(r);

    if (first == NULL || first->judging) {
        return first ? first->judging : NULL;
    }

    if (r != r->main) {
        glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);
        ctx = ngx_http_gate_access_find(r, glcf->policy);

        if (ctx) {
            return ctx;
        }
    }

    return first->current;
}


ngx_http_gate_ctx_t *
ngx_http_gate_access_first(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t   *cln;
    ngx_http_gate_ctx_t  *ctx;

    r = r->main;
    ctx = ngx_http_get_module_ctx(r, ngx_http_gate_module);

    if (ctx || (!r->internal && !r->filter_finalize)) {
        return ctx;
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_gate_meter_cleanup) {
            ctx = cln->data;
            ngx_http_set_ctx(r, ctx->first, ngx_http_gate_module);
            return ctx->first;
        }
    }

    return NULL;
}


ngx_http_gate_ctx_t *
ngx_http_gate_access_find(ngx_http_request_t *r,
    ngx_http_gate_policy_t *policy)
{
    ngx_http_gate_ctx_t  *ctx;

    for (ctx = ngx_http_gate_access_first(r); ctx; ctx = ctx->next) {
        if (ctx->policy == policy && (ctx->judged || ctx->request == r)) {
            return ctx;
        }
    }

    return NULL;
}


static ngx_http_gate_ctx_t *
ngx_http_gate_access_create(ngx_http_request_t *r,
    ngx_http_gate_policy_t *policy)
{
    ngx_pool_cleanup_t   *cln;
    ngx_http_gate_ctx_t  *ctx, *first;

    first = ngx_http_gate_access_first(r);

    ctx = ngx_pcalloc(r->main->pool, sizeof(ngx_http_gate_ctx_t));
    if (ctx == NULL) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(r->main->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->data = ctx;

    ctx->request = r;
    ctx->policy = policy;
    ctx->main = ngx_http_get_module_main_conf(r, ngx_http_gate_module);

    if (first) {
        ctx->first = first;
        ctx->next = first->next;
        first->next = ctx;

    } else {
        ctx->first = ctx;
        ngx_http_set_ctx(r->main, ctx, ngx_http_gate_module);
    }

    cln->handler = ngx_http_gate_meter_cleanup;

    return ctx;
}


static ngx_int_t
ngx_http_gate_access_facts(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ctx->peer = ngx_http_gate_peer(r);
    ctx->certificate = ngx_http_gate_peer_certificate(r);

    if (ctx->peer == NULL || ctx->certificate == NULL) {
        return NGX_ERROR;
    }

    ctx->facts.certificate =
                ngx_http_gate_certificate_state(ctx->certificate, ngx_time());

    ngx_http_gate_trust_facts(ctx->policy, ctx->certificate,
                              &ctx->facts.papers, r->connection->log);

    if (ngx_http_gate_access_user(r, ctx) != NGX_OK
        || ngx_http_gate_project_facts(r, ctx) != NGX_OK
        || ngx_http_gate_country_facts(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx->policy->users.nelts == 0) {
        ctx->facts.user = 1;
        return NGX_OK;
    }

    ctx->facts.user = ctx->user.len > 0;

    if (ctx->facts.user && ngx_http_gate_quota_open(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    /* nobody is counted for an unknown user, who passes in a dry run only */

    if (!ctx->facts.user) {
        ctx->accounts = NULL;
    }

    return NGX_OK;
}


/* the first of the keys that is not empty */

static ngx_int_t
ngx_http_gate_access_user(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_uint_t              i;
    ngx_http_gate_value_t  *users;

    users = ctx->policy->users.elts;

    for (i = 0; i < ctx->policy->users.nelts; i++) {

        if (ngx_http_gate_value(r, &users[i], &ctx->user) != NGX_OK) {
            return NGX_ERROR;
        }

        if (ctx->user.len) {
            break;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_access_judge(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_http_gate_loc_conf_t  *glcf;

    if (ngx_http_gate_hold_facts(ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* what is cheap to know first */

    ctx->verdict = gate_judge_first(&ctx->policy->rules, &ctx->facts);

    if (ctx->verdict.answer == GATE_ASK) {

        switch (ngx_http_gate_access_ask(ctx)) {

        case NGX_OK:
            return ngx_http_gate_access_judge(r, ctx);

        case NGX_AGAIN:
            return ngx_http_gate_access_wait(r, ctx);

        default: /* NGX_ERROR */
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (ctx->verdict.answer == GATE_DENY) {
        glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

        if (!glcf->dry_run) {
            return ngx_http_gate_access_refuse(r, ctx);
        }

        ctx->dry_run = 1;
    }

    /* who is refused for less needs no digest, and no place to be counted */

    if (!ctx->opened) {
        ctx->opened = 1;

        ngx_http_gate_quota_document(ctx);

        if (ngx_http_gate_tally_open(ctx) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    switch (ngx_http_gate_quota_take(ctx, ngx_http_gate_access_bytes(r), 1)) {

    case NGX_OK:
        return ngx_http_gate_access_pass(r, ctx);

    case NGX_AGAIN:
        return ngx_http_gate_access_wait(r, ctx);

    case NGX_DECLINED:
        return ngx_http_gate_access_refuse(r, ctx);

    default: /* NGX_ERROR */
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}


static ngx_int_t
ngx_http_gate_access_ask(ngx_http_gate_ctx_t *ctx)
{
    switch (ctx->verdict.reason) {

    case GATE_REASON_HELD:
        return ngx_http_gate_hold_ask(ctx);

    case GATE_REASON_SPEED:
        return ngx_http_gate_journey_ask(ctx);

    default: /* GATE_REASON_UNUSUAL_COUNTRY */
        return ngx_http_gate_familiar_ask(ctx);
    }
}


/*
 * A request asks for one byte at least, so that one that can get nothing is
 * refused before the backend works for it; unless its answer may be empty.
 */

static uint64_t
ngx_http_gate_access_bytes(ngx_http_request_t *r)
{
    return r->method == NGX_HTTP_HEAD
           || r->headers_in.if_none_match
           || r->headers_in.if_modified_since ? 0 : 1;
}


static ngx_int_t
ngx_http_gate_access_wait(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ctx->resume = ngx_http_gate_access_resume;

    if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* a client that leaves ends the request, and the waiting with it */

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    return NGX_AGAIN;
}


static void
ngx_http_gate_access_resume(ngx_http_gate_ctx_t *ctx)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);
    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_gate_access_pass(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ctx->judged = 1;
    ctx->request = r->main;

    ngx_http_gate_access_arrive(r, ctx);
    ngx_http_gate_quota_use(ctx, 0, 1);
    ngx_http_gate_tally_pass(ctx);
    ngx_http_gate_hold_enter(ctx);

    ngx_http_gate_access_note(r, ctx);
    ngx_http_gate_access_notice(r, ctx);
    ngx_http_gate_familiar_pass(ctx);

    return NGX_DECLINED;
}


static void
ngx_http_gate_access_notice(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    if (ctx->dry_run) {
        return;
    }

    ctx->notices = gate_judge_notices(&ctx->policy->rules, &ctx->facts);

    if (ctx->notices) {
        ngx_http_gate_log_notice(r, ctx);
    }
}


void
ngx_http_gate_access_note(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    if (ctx->dry_run && !ctx->noted) {
        ctx->noted = 1;
        ngx_http_gate_log_refused(r, ctx);
    }
}


/* subrequests come and go, the main request is where it was */

static void
ngx_http_gate_access_arrive(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_http_gate_loc_conf_t  *glcf;

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

    if (r == r->main || ctx->audit == NULL) {
        ctx->audit = glcf->audit;
    }

    if (r == r->main) {
        ctx->first->current = ctx;
    }
}


ngx_int_t
ngx_http_gate_access_refuse(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    if (!ctx->denied) {
        ngx_http_gate_access_deny(r, ctx);
    }

    if (r == r->main) {
        ctx->first->uri_changes = r->uri_changes;
    }

    if (ctx->verdict.reason == GATE_REASON_QUOTA
        && ctx->verdict.retry
        && ngx_http_gate_access_retry_after(r, ctx->verdict.retry) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ctx->policy->status[ctx->verdict.reason];
}


static void
ngx_http_gate_access_deny(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ctx->judged = 1;
    ctx->denied = 1;
    ctx->request = r->main;

    ngx_http_gate_access_arrive(r, ctx);
    ngx_http_gate_hold_leave(ctx);

    /* a request that got nothing gives back its unit, and all it held */

    if (!ctx->first->cut) {
        ngx_http_gate_quota_unuse(ctx, 0, 1);
        ngx_http_gate_quota_close(ctx);
    }

    ngx_http_gate_log_refused(r, ctx);
}


/* RFC 9110 10.2.3: seconds */

static ngx_int_t
ngx_http_gate_access_retry_after(ngx_http_request_t *r, uint64_t retry)
{
    u_char  *p, *seconds;

    seconds = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (seconds == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(seconds, "%uL", (retry + 999) / 1000);

    return ngx_http_gate_header_add(r, "Retry-After", seconds, p - seconds);
}
