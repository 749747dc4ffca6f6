/*
 * A refusal is a status, which nginx answers as any other: by "error_page", or
 * by a page of its own.  That page is exchanged for ours at the top of the
 * filter chain, before anybody has seen it, so that headers, compression and
 * HEAD are what they are for every page.
 *
 * By then a request that "error_page" has sent elsewhere has fewer changes of
 * its URI left than when it was refused, or has another status.
 */


#include "ngx_http_gate_page.h"

#include "gate_window.h"
#include "ngx_http_gate_access.h"
#include "ngx_http_gate_reference.h"
#include "ngx_http_gate_refusal.h"


typedef struct {
    ngx_str_t    body;
    ngx_uint_t   sent;
} ngx_http_gate_page_t;


static ngx_int_t ngx_http_gate_page_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_gate_page_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_http_gate_ctx_t *ngx_http_gate_page_refused(ngx_http_request_t *r);
static ngx_int_t ngx_http_gate_page_refusal(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, ngx_http_gate_refusal_t *refusal);
static void ngx_http_gate_page_quota(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_refusal_t *refusal);
static int64_t ngx_http_gate_page_offset(const ngx_http_gate_policy_t *policy,
    const gate_window_t *window);
static ngx_http_gate_page_t *ngx_http_gate_page_find(ngx_http_request_t *r);
static void ngx_http_gate_page_mark(void *data);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


void
ngx_http_gate_page_init(void)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_gate_page_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_gate_page_body_filter;
}


/*
 * Each filter knows the next one, which is the same as long as the modules are;
 * only where the chain begins has changed.
 */

void
ngx_http_gate_page_restore(void)
{
    ngx_http_top_header_filter = ngx_http_gate_page_header_filter;
    ngx_http_top_body_filter = ngx_http_gate_page_body_filter;
}


static ngx_int_t
ngx_http_gate_page_header_filter(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t         *cln;
    ngx_http_gate_ctx_t        *ctx;
    ngx_http_gate_page_t       *page;
    ngx_http_gate_refusal_t     refusal;

    ctx = ngx_http_gate_page_refused(r);

    if (ctx == NULL) {
        return ngx_http_next_header_filter(r);
    }

    if (ngx_http_gate_page_refusal(r, ctx, &refusal) != NGX_OK) {
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_gate_page_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    page = cln->data;
    page->sent = 0;

    if (ngx_http_gate_refusal_answer(r, ctx->main->page, &refusal, &page->body)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_gate_page_mark;

    return ngx_http_next_header_filter(r);
}


/* of a main request that was refused, and that nginx now answers itself */

static ngx_http_gate_ctx_t *
ngx_http_gate_page_refused(ngx_http_request_t *r)
{
    ngx_http_gate_ctx_t  *ctx;

    if (r->err_status < NGX_HTTP_BAD_REQUEST || r != r->main) {
        return NULL;
    }

    ctx = ngx_http_gate_access_ctx(r);

    return ctx && ctx->denied
           && r->err_status == ctx->policy->status[ctx->verdict.reason]
           && r->uri_changes == ctx->first->uri_changes
           ? ctx : NULL;
}


static ngx_int_t
ngx_http_gate_page_refusal(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_refusal_t *refusal)
{
    ngx_memzero(refusal, sizeof(ngx_http_gate_refusal_t));

    refusal->reason = ctx->verdict.reason;
    refusal->status = r->err_status;

    if (ngx_http_gate_reference(r, ctx->main, &refusal->reference) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->verdict.reason == GATE_REASON_QUOTA) {
        ngx_http_gate_page_quota(ctx, refusal);
    }

    return NGX_OK;
}


/* what was refused for want of a unit: an upgrade, for example, was not */

static void
ngx_http_gate_page_quota(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_refusal_t *refusal)
{
    size_t                   n, k;
    uint64_t                 now;
    ngx_time_t              *tp;
    const gate_quota_fact_t *fact;

    n = ctx->verdict.quota / NGX_HTTP_GATE_QUOTAS;
    k = ctx->verdict.quota % NGX_HTTP_GATE_QUOTAS;
    fact = &ctx->facts.quotas[ctx->verdict.quota];

    if (fact->credit != GATE_CREDIT_REFUSED) {
        return;
    }

    refusal->quota = &ctx->policy->groups[n].kind->quotas[k];
    refusal->limit = ctx->accounts[n].limits[k];
    refusal->standing = fact->standing;
    refusal->offset = ngx_http_gate_page_offset(ctx->policy,
                                                &refusal->quota->window);

    if (ctx->verdict.retry == 0) {
        return;
    }

    tp = ngx_timeofday();
    now = (uint64_t) tp->sec * 1000 + tp->msec;

    refusal->opens = gate_window_opens(&refusal->quota->window,
                                (int64_t) ((now + ctx->verdict.retry + 999)
                                           / 1000));
}


/*
 * A rolling window has no offset: it is told by that of a calendar window of
 * the same policy, or else by the time of this host.
 */

static int64_t
ngx_http_gate_page_offset(const ngx_http_gate_policy_t *policy,
    const gate_window_t *window)
{
    ngx_uint_t                   i, k;
    ngx_time_t                  *tp;
    const ngx_http_gate_kind_t  *kind;

    if (window->per != GATE_PER_TIME) {
        return window->offset;
    }

    for (i = 0; i < policy->ngroups; i++) {
        kind = policy->groups[i].kind;

        for (k = 0; k < kind->nquotas; k++) {
            if (kind->quotas[k].window.per != GATE_PER_TIME) {
                return kind->quotas[k].window.offset;
            }
        }
    }

    tp = ngx_timeofday();

    return tp->gmtoff * 60;
}


static ngx_int_t
ngx_http_gate_page_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t             *b;
    ngx_chain_t            out;
    ngx_http_gate_page_t  *page;

    if (r->err_status < NGX_HTTP_BAD_REQUEST || r != r->main || in == NULL) {
        return ngx_http_next_body_filter(r, in);
    }

    page = ngx_http_gate_page_find(r);

    if (page == NULL) {
        return ngx_http_next_body_filter(r, in);
    }

    if (page->sent) {
        return ngx_http_next_body_filter(r, NULL);
    }

    page->sent = 1;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = page->body.data;
    b->last = b->pos + page->body.len;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_next_body_filter(r, &out);
}


/* the modules' contexts may have been cleared meanwhile, the pool's are not */

static ngx_http_gate_page_t *
ngx_http_gate_page_find(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_gate_page_mark) {
            return cln->data;
        }
    }

    return NULL;
}


static void
ngx_http_gate_page_mark(void *data)
{
    (void) data;
}
