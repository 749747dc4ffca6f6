/*
 * The meter's states: a response is not metered until its header was seen;
 * then its bytes pass, or the header waits, or the body waits.  Waiting marks
 * the connection as buffered, as filters do that keep data, so that nginx
 * neither finishes the request nor reads on from the backend.
 */


#include "ngx_http_gate_meter.h"

#include "ngx_http_gate_access.h"
#include "ngx_http_gate_count.h"
#include "ngx_http_gate_familiar.h"
#include "ngx_http_gate_hold.h"
#include "ngx_http_gate_last.h"
#include "ngx_http_gate_quota.h"
#include "ngx_http_gate_ratelimit.h"
#include "ngx_http_gate_tally.h"


/* a bit of c->buffered that no filter of nginx has */
#define NGX_HTTP_GATE_BUFFERED  0x80


static ngx_int_t ngx_http_gate_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_gate_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_uint_t ngx_http_gate_meter_bodyless(ngx_http_request_t *r);
static ngx_int_t ngx_http_gate_meter_upgrade(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_int_t ngx_http_gate_meter_header(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_int_t ngx_http_gate_meter_send(ngx_http_request_t *r);
static ngx_int_t ngx_http_gate_meter_refuse(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static void ngx_http_gate_meter_clear(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_int_t ngx_http_gate_meter_pass(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *first, ngx_chain_t *in);
static void ngx_http_gate_meter_told(ngx_http_gate_ctx_t *ctx);
static ngx_http_gate_ctx_t *ngx_http_gate_meter_added(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *first);
static ngx_int_t ngx_http_gate_meter_hold(ngx_http_gate_ctx_t *ctx,
    uint64_t size);
static void ngx_http_gate_meter_charge(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, uint64_t size);
static void ngx_http_gate_meter_slow(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_int_t ngx_http_gate_meter_keep(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *first, ngx_chain_t *in);
static uint64_t ngx_http_gate_meter_size(ngx_chain_t *in);
static void ngx_http_gate_meter_wait(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static void ngx_http_gate_meter_resume(ngx_http_gate_ctx_t *ctx);
static ngx_int_t ngx_http_gate_meter_again(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static void ngx_http_gate_meter_go_on(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static void ngx_http_gate_meter_refuse_late(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static void ngx_http_gate_meter_retry_handler(ngx_event_t *ev);
static void ngx_http_gate_meter_release(ngx_http_request_t *r);
static void ngx_http_gate_meter_cut(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static void ngx_http_gate_meter_end_handler(ngx_event_t *ev);
static void ngx_http_gate_meter_flush(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *first);
static void ngx_http_gate_meter_reset(ngx_http_request_t *r,
    ngx_uint_t whole);
static ngx_int_t ngx_http_gate_meter_next(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *first, ngx_chain_t *in);
static void ngx_http_gate_meter_broken(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *first, ngx_chain_t *missed, uint64_t framed);
static uint64_t ngx_http_gate_meter_unsent(ngx_http_request_t *r);


/* its buffers frame the body, they are no part of it */
extern ngx_module_t  ngx_http_chunked_filter_module;


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


void
ngx_http_gate_meter_init(void)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_gate_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_gate_body_filter;
}


static ngx_int_t
ngx_http_gate_header_filter(ngx_http_request_t *r)
{
    ngx_uint_t            wait;
    ngx_http_gate_ctx_t  *ctx;

    wait = r == r->main && !ngx_http_gate_meter_bodyless(r);

    switch (ngx_http_gate_last_judge(r, wait, &ctx)) {

    case NGX_OK:
        break;

    case NGX_AGAIN:
        ctx->first->header_waits = 1;
        ngx_http_gate_meter_wait(r, ctx);
        return NGX_OK;

    case NGX_DECLINED:
        return ngx_http_gate_meter_refuse(r, ctx);

    default: /* NGX_ERROR */
        return NGX_ERROR;
    }

    ctx = r == r->main ? ngx_http_gate_access_ctx(r) : NULL;

    if (ctx && ctx->stopped && !ctx->denied) {
        return ngx_http_gate_meter_refuse(r, ctx);
    }

    if (ctx && ctx->judged) {
        ngx_http_gate_hold_pace(ctx);
    }

    if (ctx == NULL || !ctx->judged || ctx->denied) {
        return ngx_http_gate_meter_send(r);
    }

    ctx->metered = !ngx_http_gate_meter_bodyless(r);
    ctx->upgraded = r->headers_out.status == NGX_HTTP_SWITCHING_PROTOCOLS;

    if (!ctx->policy->bytes || ctx->accounts == NULL) {
        return ngx_http_gate_meter_send(r);
    }

    if (!ctx->metered) {
        return ngx_http_gate_meter_upgrade(r, ctx);
    }

    if (r->headers_out.content_length_n < 0) {
        return ngx_http_gate_meter_header(r, ctx);
    }

    switch (ngx_http_gate_meter_hold(ctx, r->headers_out.content_length_n)) {

    case NGX_OK:
        return ngx_http_gate_meter_header(r, ctx);

    case NGX_AGAIN:
        ctx->first->header_waits = 1;
        ngx_http_gate_meter_wait(r, ctx);
        return NGX_OK;

    case NGX_DECLINED:
        return ngx_http_gate_meter_refuse(r, ctx);

    default: /* NGX_ERROR */
        return NGX_ERROR;
    }
}


/* such a response must not wait: nginx does not know yet that no body comes */

static ngx_uint_t
ngx_http_gate_meter_bodyless(ngx_http_request_t *r)
{
    return r->header_only
           || r->method == NGX_HTTP_HEAD
           || r->headers_out.status == NGX_HTTP_NO_CONTENT
           || r->headers_out.status == NGX_HTTP_NOT_MODIFIED
           || r->headers_out.status < NGX_HTTP_OK;
}


/* an upgraded connection is passed on without any body filter */

static ngx_int_t
ngx_http_gate_meter_upgrade(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_http_gate_loc_conf_t  *glcf;

    if (!ctx->upgraded) {
        return ngx_http_gate_meter_send(r);
    }

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

    if (!ctx->policy->upgrade) {

        /* no time to come back at: this would never fit */

        ctx->verdict.answer = GATE_DENY;
        ctx->verdict.reason = GATE_REASON_QUOTA;
        ctx->verdict.quota = 0;
        ctx->verdict.retry = 0;

        if (!glcf->dry_run) {
            ctx->upgraded = 0;
            return ngx_http_gate_meter_refuse(r, ctx);
        }

        ctx->dry_run = 1;
    }

    return ngx_http_gate_meter_header(r, ctx);
}


static ngx_int_t
ngx_http_gate_meter_header(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_http_gate_access_note(r, ctx);

    if (ctx->slow
        && (!r->limit_rate_set || r->limit_rate > ctx->policy->rate))
    {
        ngx_http_gate_meter_slow(r, ctx);
    }

    return ngx_http_gate_meter_send(r);
}


static ngx_int_t
ngx_http_gate_meter_send(ngx_http_request_t *r)
{
    ngx_http_gate_loc_conf_t  *glcf;

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

    if (glcf->ratelimit && glcf->policy && r == r->main
        && ngx_http_gate_ratelimit_send(r) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


/*
 * Before anything was sent: what filters above did to this response is
 * undone, and who sends it makes the refusal in its place.  An error page of
 * nginx's own does not look at what comes back from here, so it is replaced.
 */

static ngx_int_t
ngx_http_gate_meter_refuse(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_int_t  status;

    ngx_http_gate_meter_clear(r, ctx);

    status = ngx_http_gate_access_refuse(r, ctx);

    if (r->err_status) {
        r->error_page = 1;
        return ngx_http_filter_finalize_request(r, &ngx_http_gate_module,
                                                status);
    }

    return status;
}


static void
ngx_http_gate_meter_clear(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_http_clean_header(r);

    ngx_memzero(r->ctx, sizeof(void *) * ngx_http_max_module);
    ngx_http_set_ctx(r, ctx->first, ngx_http_gate_module);

    r->filter_need_in_memory = 0;
    r->main_filter_need_in_memory = 0;
    r->allow_ranges = 0;
}


static ngx_int_t
ngx_http_gate_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_http_gate_ctx_t  *first;

    first = ngx_http_gate_access_first(r);

    if (first == NULL) {
        return ngx_http_next_body_filter(r, in);
    }

    if (first->cut) {
        return NGX_AGAIN;
    }

    if (first->header_waits || first->body_waits) {
        return ngx_http_gate_meter_keep(r, first, in);
    }

    if (first->held) {

        if (ngx_http_gate_meter_keep(r, first, in) == NGX_ERROR) {
            return NGX_ERROR;
        }

        in = first->held;
        first->held = NULL;
    }

    return ngx_http_gate_meter_pass(r, first, in);
}


/* passes what credit is held for, or has it wait, or cuts the response */

static ngx_int_t
ngx_http_gate_meter_pass(ngx_http_request_t *r, ngx_http_gate_ctx_t *first,
    ngx_chain_t *in)
{
    uint64_t              size;
    ngx_uint_t            i;
    ngx_http_gate_ctx_t  *ctxs[2];

    size = ngx_http_gate_meter_size(in);

    if (size == 0) {

        /* who waited for us may flush what has long gone out */

        return in || r->out
               || (r->connection->buffered & NGX_LOWLEVEL_BUFFERED)
               ? ngx_http_gate_meter_next(r, first, in) : NGX_OK;
    }

    ctxs[0] = first->current && first->current->metered ? first->current
                                                        : NULL;
    ctxs[1] = ngx_http_gate_meter_added(r, first);

    for (i = 0; i < 2; i++) {

        switch (ngx_http_gate_meter_hold(ctxs[i], size)) {

        case NGX_OK:
            break;

        case NGX_AGAIN:
            first->body_waits = 1;
            first->added = ctxs[1];
            ngx_http_gate_meter_wait(r, ctxs[i]);
            return ngx_http_gate_meter_keep(r, first, in);

        case NGX_DECLINED:
            ngx_http_gate_meter_cut(r, ctxs[i]);
            return NGX_AGAIN;

        default: /* NGX_ERROR */
            return NGX_ERROR;
        }
    }

    first->added = NULL;

    ngx_http_gate_meter_told(ctxs[0] ? ctxs[0] : ctxs[1]);
    ngx_http_gate_tally_add(ctxs[0], ctxs[1], size);

    ngx_http_gate_meter_charge(r, ctxs[0], size);
    ngx_http_gate_meter_charge(r, ctxs[1], size);

    return ngx_http_gate_meter_next(r, first, in);
}


static ngx_int_t
ngx_http_gate_meter_next(ngx_http_request_t *r, ngx_http_gate_ctx_t *first,
    ngx_chain_t *in)
{
    off_t              framed;
    ngx_int_t          rc;
    ngx_uint_t         gone;
#if (NGX_HTTP_V2)
    off_t              sent, window;
    ngx_connection_t  *c;

    c = r->stream ? r->stream->connection->connection : r->connection;
    sent = c->sent;
    window = r->stream ? r->stream->send_window : 0;
#endif

    gone = r->connection->error;
    framed = 0;

    rc = ngx_http_next_body_filter(r, in);

    if (rc != NGX_ERROR || first == NULL || first->broken) {
        return rc;
    }

#if (NGX_HTTP_V2)

    /* HTTP/2 leaves all as it was before, though some frames were written */

    if (r->stream) {
        framed = ngx_min(window - r->stream->send_window, c->sent - sent);
    }

#endif

    ngx_http_gate_meter_broken(r, first, gone ? in : NULL, framed);

    return rc;
}


/*
 * When a connection breaks, what has left is known now and no more later: who
 * reads on from a backend uses the buffers again.  missed: what nobody looked
 * at; framed: bytes that were written and still stand in r->out.
 */

static void
ngx_http_gate_meter_broken(ngx_http_request_t *r, ngx_http_gate_ctx_t *first,
    ngx_chain_t *missed, uint64_t framed)
{
    uint64_t  charged, unsent;

    charged = first->current ? first->current->charged : 0;
    unsent = ngx_http_gate_meter_unsent(r->main)
             + ngx_http_gate_meter_size(missed);
    unsent -= ngx_min(framed, unsent);

    first->broken = 1;
    first->left = charged - ngx_min(unsent, charged);
}


/* what passed before, and is not here any more; this, when the next comes */

static void
ngx_http_gate_meter_told(ngx_http_gate_ctx_t *ctx)
{
    if (ctx && ctx->charged) {
        ngx_http_gate_count_left(ctx, ngx_http_gate_meter_left(ctx));
    }
}


/*
 * The policy of the subrequest whose output this is, if it is another one: the
 * postpone filter passes it in the name of the main request, but c->data is who
 * is active.  What had to wait keeps the one it had.
 */

static ngx_http_gate_ctx_t *
ngx_http_gate_meter_added(ngx_http_request_t *r, ngx_http_gate_ctx_t *first)
{
    ngx_http_request_t   *active;
    ngx_http_gate_ctx_t  *ctx;

    active = r->connection->data;

    if (first->added || active == r) {
        return first->added;
    }

    ctx = ngx_http_gate_access_own(active);

    return ctx && ctx != first->current && ctx->judged ? ctx : NULL;
}


/* sees to it that a policy's accounts hold what is to leave */

static ngx_int_t
ngx_http_gate_meter_hold(ngx_http_gate_ctx_t *ctx, uint64_t size)
{
    if (ctx == NULL || ctx->denied || !ctx->policy->bytes
        || ctx->accounts == NULL)
    {
        return NGX_OK;
    }

    return size <= ngx_http_gate_quota_held(ctx)
           ? NGX_OK : ngx_http_gate_quota_take(ctx, size, 0);
}


static void
ngx_http_gate_meter_charge(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    uint64_t size)
{
    if (ctx == NULL || ctx->denied) {
        return;
    }

    ngx_http_gate_access_note(r, ctx);
    ngx_http_gate_quota_use(ctx, size, 0);
    ctx->charged += size;

    if (ctx->slow) {
        ngx_http_gate_meter_slow(r, ctx);
    }
}


/* a hold may slow it more */

static void
ngx_http_gate_meter_slow(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    if (ctx->first->pace && ctx->first->pace < ctx->policy->rate) {
        return;
    }

    r->limit_rate = ctx->policy->rate;
    r->limit_rate_set = 1;
}


static ngx_int_t
ngx_http_gate_meter_keep(ngx_http_request_t *r, ngx_http_gate_ctx_t *first,
    ngx_chain_t *in)
{
    if (in && ngx_chain_add_copy(r->pool, &first->held, in) != NGX_OK) {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static uint64_t
ngx_http_gate_meter_size(ngx_chain_t *in)
{
    uint64_t  size;

    for (size = 0; in; in = in->next) {
        size += ngx_buf_size(in->buf);
    }

    return size;
}


static void
ngx_http_gate_meter_wait(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ctx->resume = ngx_http_gate_meter_resume;
    ctx->request = r;

    r->connection->buffered |= NGX_HTTP_GATE_BUFFERED;
}


/* the ledger answered */

static void
ngx_http_gate_meter_resume(ngx_http_gate_ctx_t *ctx)
{
    ngx_int_t             rc;
    ngx_connection_t     *c;
    ngx_http_request_t   *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    /* a body is taken for again as it passes */

    rc = ctx->first->header_waits ? ngx_http_gate_meter_again(r, ctx) : NGX_OK;

    switch (rc) {

    case NGX_AGAIN:
        ngx_http_gate_meter_wait(r, ctx);
        return;

    case NGX_OK:
        ngx_http_gate_meter_go_on(r, ctx);
        break;

    case NGX_DECLINED:
        ngx_http_gate_meter_refuse_late(r, ctx);
        break;

    default: /* NGX_ERROR */
        ngx_http_finalize_request(r, NGX_ERROR);
    }

    ngx_http_run_posted_requests(c);
}


/* the verdict, if that is what the header waited for, and the bytes */

static ngx_int_t
ngx_http_gate_meter_again(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (ctx->stopped) {
        return NGX_DECLINED;
    }

    if (!ctx->judged) {
        rc = ngx_http_gate_last_judge(r, 1, &ctx);

        if (rc != NGX_OK) {
            return rc;
        }

        ctx->metered = 1;
    }

    return r->headers_out.content_length_n < 0
           ? NGX_OK
           : ngx_http_gate_meter_hold(ctx, r->headers_out.content_length_n);
}


static void
ngx_http_gate_meter_go_on(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_int_t             rc;
    ngx_connection_t     *c;
    ngx_http_gate_ctx_t  *first;

    c = r->connection;
    first = ctx->first;

    first->body_waits = 0;

    if (first->header_waits) {
        first->header_waits = 0;

        rc = ngx_http_gate_meter_header(r, ctx);

        if (rc == NGX_ERROR || rc > NGX_OK) {
            ngx_http_finalize_request(r, rc);
            return;
        }
    }

    /* lets out what is held, then whoever writes this response goes on */

    rc = ngx_http_gate_body_filter(r, NULL);

    if (!first->body_waits && !first->cut) {
        c->buffered &= ~NGX_HTTP_GATE_BUFFERED;
    }

    if (rc == NGX_ERROR) {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    ngx_post_event(c->write, &ngx_posted_events);
}


/*
 * The response has begun for its handler, though nobody saw anything of it:
 * the backend is let go, what is held is dropped, and the refusal is sent as
 * if the handler had returned it.
 */

static void
ngx_http_gate_meter_refuse_late(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx)
{
    ngx_http_gate_ctx_t  *first;

    first = ctx->first;

    if (r->postponed || r->connection->data != r) {
        ngx_http_gate_meter_cut(r, ctx);
        return;
    }

    if (r->blocked) {

        /* a thread still reads the file */

        first->end.handler = ngx_http_gate_meter_retry_handler;
        first->end.data = ctx;
        first->end.log = r->connection->log;

        ngx_add_timer(&first->end, 1);
        return;
    }

    first->header_waits = 0;
    first->held = NULL;

    r->connection->buffered &= ~(NGX_HTTP_LOWLEVEL_BUFFERED
                                 | NGX_HTTP_GZIP_BUFFERED
                                 | NGX_HTTP_SSI_BUFFERED
                                 | NGX_HTTP_SUB_BUFFERED
                                 | NGX_HTTP_COPY_BUFFERED);

    ngx_http_gate_meter_release(r);

    r->buffered = 0;

    ngx_http_gate_meter_clear(r, ctx);

    ngx_http_finalize_request(r, ngx_http_gate_access_refuse(r, ctx));
}


static void
ngx_http_gate_meter_retry_handler(ngx_event_t *ev)
{
    ngx_connection_t     *c;
    ngx_http_request_t   *r;
    ngx_http_gate_ctx_t  *ctx;

    ctx = ev->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_http_gate_meter_refuse_late(r, ctx);
    ngx_http_run_posted_requests(c);
}


/*
 * Lets the backend go.  Its cleanup finalizes the request with NGX_DONE, which
 * takes one count: the one that is added here, so that the request stays.
 */

static void
ngx_http_gate_meter_release(ngx_http_request_t *r)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (u && u->cleanup) {
        r->main->count++;
        (*u->cleanup)(r);
    }
}


/*
 * Ends a response that has begun: HTTP/1.1 is closed before the end, HTTP/2
 * sends RST_STREAM.  That is done by an event of its own, for whoever called
 * the body filter still has the request in hand.
 */

static void
ngx_http_gate_meter_cut(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_http_gate_ctx_t  *first;

    first = ctx->first;

    first->cut = 1;
    first->header_waits = 0;
    first->body_waits = 0;
    first->held = NULL;

    (void) ngx_http_gate_access_refuse(r, ctx);

    r->connection->buffered |= NGX_HTTP_GATE_BUFFERED;

    first->end.handler = ngx_http_gate_meter_end_handler;
    first->end.data = r->main;
    first->end.log = r->connection->log;

    ngx_post_event(&first->end, &ngx_posted_events);
}


void
ngx_http_gate_meter_stop(ngx_http_gate_ctx_t *ctx, ngx_uint_t whole)
{
    ngx_http_request_t  *r;

    r = ctx->request->main;

    /* a header that has not gone yet becomes a refusal when it would */

    if (!r->header_sent || r->done || r->connection->error
        || ctx->first->cut || ctx->denied)
    {
        return;
    }

    ctx->first->reset = 1;
    ctx->first->whole = whole ? 1 : 0;

    ngx_http_gate_meter_cut(r, ctx);
}


static void
ngx_http_gate_meter_end_handler(ngx_event_t *ev)
{
    ngx_connection_t     *c;
    ngx_http_request_t   *r;
    ngx_http_gate_ctx_t  *first;

    r = ev->data;
    c = r->connection;
    first = ngx_http_gate_access_first(r);

    ngx_http_set_log_request(c->log, r);

    if (first && first->reset) {
        ngx_http_gate_meter_reset(r, first->whole);

    } else {
        ngx_http_gate_meter_flush(r, first);
    }

    ngx_http_gate_meter_release(r);

    ngx_http_finalize_request(r, NGX_ERROR);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_gate_meter_flush(ngx_http_request_t *r, ngx_http_gate_ctx_t *first)
{
    ngx_chain_t  out;

    /* what was charged shall leave, also from the buffer of TLS, and now */

    r->limit_rate = 0;
    r->limit_rate_set = 1;
    r->connection->write->delayed = 0;

    out.buf = ngx_calloc_buf(r->pool);
    out.next = NULL;

    if (out.buf) {
        out.buf->flush = 1;
        (void) ngx_http_gate_meter_next(r, first, &out);
    }
}


/*
 * The kernel drops what it has not sent yet: with HTTP/1 nothing else is there.
 * A connection of HTTP/2 is closed as if the client had closed it, unless one
 * of its other streams may go on.
 */

static void
ngx_http_gate_meter_reset(ngx_http_request_t *r, ngx_uint_t whole)
{
    struct linger      linger;
    ngx_uint_t         shut;
    ngx_connection_t  *c;

    c = r->connection;
    shut = 0;

#if (NGX_HTTP_V2)
    if (r->stream) {
        c = r->stream->connection->connection;
        shut = 1;
    }
#endif

#if (NGX_HTTP_V3)
    if (c->quic) {
        return;
    }
#endif

    if (shut && !whole) {
        return;
    }

    linger.l_onoff = 1;
    linger.l_linger = 0;

    if (setsockopt(c->fd, SOL_SOCKET, SO_LINGER, (const void *) &linger,
                   sizeof(struct linger))
        == -1)
    {
        ngx_log_error(NGX_LOG_ALERT, c->log, ngx_socket_errno,
                      "setsockopt(SO_LINGER) failed");
    }

#if (NGX_HTTP_SSL)
    if (c->ssl) {
        c->ssl->no_wait_shutdown = 1;
        c->ssl->no_send_shutdown = 1;
    }
#endif

    if (shut) {
        (void) shutdown(c->fd, SHUT_RD);
    }
}


void
ngx_http_gate_meter_cleanup(void *data)
{
    ngx_http_gate_ctx_t *ctx = data;

    uint64_t  left;

    if (ctx->end.posted) {
        ngx_delete_posted_event(&ctx->end);
    }

    if (ctx->end.timer_set) {
        ngx_del_timer(&ctx->end);
    }

    left = ngx_http_gate_meter_left(ctx);

    if (ctx->upgraded && ctx->policy->bytes) {
        ngx_http_gate_quota_owe(ctx, left);

    } else if (ctx->charged > left) {
        ngx_http_gate_quota_unuse(ctx, ctx->charged - left, 0);
    }

    ngx_http_gate_tally_end(ctx, left);
    ngx_http_gate_quota_close(ctx);
    ngx_http_gate_tally_close(ctx);
    ngx_http_gate_familiar_close(ctx);
    ngx_http_gate_hold_close(ctx);
    ngx_http_gate_hold_leave(ctx);

    ngx_http_gate_count_end(ctx, left);
}


uint64_t
ngx_http_gate_meter_left(ngx_http_gate_ctx_t *ctx)
{
    uint64_t             unsent;
    ngx_http_request_t  *r;

    r = ctx->request->main;

    if (ctx->upgraded) {
        return ngx_max(r->connection->sent - (off_t) r->header_size, 0);
    }

    if (ctx->charged == 0 || ctx != ctx->first->current) {
        return ctx->charged;
    }

    if (ctx->first->broken) {
        return ngx_min(ctx->first->left, ctx->charged);
    }

    unsent = ngx_http_gate_meter_unsent(r);

    return ctx->charged - ngx_min(unsent, ctx->charged);
}


/* bytes of the body that nginx had not written when the request ended */

static uint64_t
ngx_http_gate_meter_unsent(ngx_http_request_t *r)
{
    uint64_t           unsent;
    ngx_buf_t         *b;
    ngx_chain_t       *cl;
    ngx_connection_t  *c;

    unsent = 0;
    c = r->connection;

    for (cl = r->out; cl; cl = cl->next) {
        if (cl->buf->tag != (ngx_buf_tag_t) &ngx_http_chunked_filter_module) {
            unsent += ngx_buf_size(cl->buf);
        }
    }

    /* what TLS has gathered to write; of streams, or chunks, it is not known */

    if (c->ssl && c->ssl->buf && !r->chunked
#if (NGX_HTTP_V2)
        && r->stream == NULL
#endif
       )
    {
        b = c->ssl->buf;
        unsent += b->last - b->pos;
    }

    return unsent;
}
