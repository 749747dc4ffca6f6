/*
 * The meter's states: a response is not metered until its header was seen;
 * then its bytes pass, or the header waits, or the body waits.  Waiting marks
 * the connection as buffered, as filters do that keep data, so that nginx
 * neither finishes the request nor reads on from the backend.
 */


#include "ngx_http_gate_meter.h"

#include "ngx_http_gate_access.h"
#include "ngx_http_gate_quota.h"


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
static ngx_int_t ngx_http_gate_meter_refuse(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static void ngx_http_gate_meter_clear(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_int_t ngx_http_gate_meter_pass(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, ngx_chain_t *in);
static ngx_int_t ngx_http_gate_meter_keep(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, ngx_chain_t *in);
static uint64_t ngx_http_gate_meter_size(ngx_chain_t *in);
static void ngx_http_gate_meter_wait(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static void ngx_http_gate_meter_resume(ngx_http_gate_ctx_t *ctx);
static void ngx_http_gate_meter_go_on(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static void ngx_http_gate_meter_refuse_late(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static void ngx_http_gate_meter_cut(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static void ngx_http_gate_meter_end_handler(ngx_event_t *ev);
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
    uint64_t              held, length;
    ngx_http_gate_ctx_t  *ctx;

    ctx = r == r->main ? ngx_http_gate_access_ctx(r) : NULL;

    if (ctx == NULL || !ctx->judged || ctx->denied || !ctx->policy->bytes
        || ctx->accounts == NULL)
    {
        return ngx_http_next_header_filter(r);
    }

    if (ngx_http_gate_meter_bodyless(r)) {
        ctx->metered = 0;
        return ngx_http_gate_meter_upgrade(r, ctx);
    }

    ctx->metered = 1;

    if (r->headers_out.content_length_n < 0) {
        return ngx_http_gate_meter_header(r, ctx);
    }

    length = r->headers_out.content_length_n;
    held = ngx_http_gate_quota_held(ctx);

    if (length <= held) {
        return ngx_http_gate_meter_header(r, ctx);
    }

    switch (ngx_http_gate_quota_take(ctx, length - held, 0)) {

    case NGX_OK:
        return ngx_http_gate_meter_header(r, ctx);

    case NGX_AGAIN:
        ctx->header_waits = 1;
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
    if (r->headers_out.status != NGX_HTTP_SWITCHING_PROTOCOLS) {
        return ngx_http_next_header_filter(r);
    }

    if (ctx->policy->upgrade) {
        ctx->upgraded = 1;
        return ngx_http_next_header_filter(r);
    }

    /* no time to come back at: this would never fit */

    ctx->verdict.answer = GATE_DENY;
    ctx->verdict.reason = GATE_REASON_QUOTA;
    ctx->verdict.quota = 0;
    ctx->verdict.retry = 0;

    return ngx_http_gate_meter_refuse(r, ctx);
}


static ngx_int_t
ngx_http_gate_meter_header(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    if (ctx->slow
        && (!r->limit_rate_set || r->limit_rate > ctx->policy->rate))
    {
        r->limit_rate = ctx->policy->rate;
        r->limit_rate_set = 1;
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
    ngx_http_gate_ctx_t  *ctx;

    ctx = ngx_http_gate_access_ctx(r);

    if (ctx && ctx->cut) {
        return NGX_AGAIN;
    }

    if (ctx == NULL || !ctx->metered || ctx->denied) {
        return ngx_http_next_body_filter(r, in);
    }

    if (ctx->header_waits || ctx->body_waits) {
        return ngx_http_gate_meter_keep(r, ctx, in);
    }

    if (ctx->held) {

        if (in && ngx_chain_add_copy(r->pool, &ctx->held, in) != NGX_OK) {
            return NGX_ERROR;
        }

        in = ctx->held;
        ctx->held = NULL;
    }

    return ngx_http_gate_meter_pass(r, ctx, in);
}


/* passes what credit is held for, or has it wait, or cuts the response */

static ngx_int_t
ngx_http_gate_meter_pass(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    ngx_chain_t *in)
{
    uint64_t  size, held;

    size = ngx_http_gate_meter_size(in);

    if (size == 0) {
        return ngx_http_next_body_filter(r, in);
    }

    held = ngx_http_gate_quota_held(ctx);

    if (size > held) {

        switch (ngx_http_gate_quota_take(ctx, size - held, 0)) {

        case NGX_OK:
            break;

        case NGX_AGAIN:
            ctx->body_waits = 1;
            ngx_http_gate_meter_wait(r, ctx);
            return ngx_http_gate_meter_keep(r, ctx, in);

        case NGX_DECLINED:
            ngx_http_gate_meter_cut(r, ctx);
            return NGX_AGAIN;

        default: /* NGX_ERROR */
            return NGX_ERROR;
        }
    }

    ngx_http_gate_quota_use(ctx, size, 0);
    ctx->charged += size;

    if (ctx->slow) {
        r->limit_rate = ctx->policy->rate;
        r->limit_rate_set = 1;
    }

    return ngx_http_next_body_filter(r, in);
}


static ngx_int_t
ngx_http_gate_meter_keep(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    ngx_chain_t *in)
{
    if (in && ngx_chain_add_copy(r->pool, &ctx->held, in) != NGX_OK) {
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
    uint64_t             need, held;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    need = ctx->header_waits ? (uint64_t) r->headers_out.content_length_n
                             : ngx_http_gate_meter_size(ctx->held);
    held = ngx_http_gate_quota_held(ctx);

    switch (need <= held ? NGX_OK
                         : ngx_http_gate_quota_take(ctx, need - held, 0))
    {

    case NGX_AGAIN:
        return;

    case NGX_OK:
        ngx_http_gate_meter_go_on(r, ctx);
        break;

    case NGX_DECLINED:
        if (ctx->header_waits) {
            ngx_http_gate_meter_refuse_late(r, ctx);
            break;
        }

        ngx_http_gate_meter_cut(r, ctx);
        break;

    default: /* NGX_ERROR */
        ngx_http_finalize_request(r, NGX_ERROR);
    }

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_gate_meter_go_on(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_int_t          rc;
    ngx_connection_t  *c;

    c = r->connection;

    c->buffered &= ~NGX_HTTP_GATE_BUFFERED;
    ctx->body_waits = 0;

    if (ctx->header_waits) {
        ctx->header_waits = 0;

        rc = ngx_http_gate_meter_header(r, ctx);

        if (rc == NGX_ERROR || rc > NGX_OK) {
            ngx_http_finalize_request(r, rc);
            return;
        }
    }

    /* lets out what is held, then whoever writes this response goes on */

    c->buffered |= NGX_HTTP_GATE_BUFFERED;
    rc = ngx_http_output_filter(r, NULL);

    if (!ctx->body_waits) {
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
    ngx_http_upstream_t  *u;

    r->connection->buffered &= ~(NGX_HTTP_LOWLEVEL_BUFFERED
                                 | NGX_HTTP_GZIP_BUFFERED
                                 | NGX_HTTP_SSI_BUFFERED
                                 | NGX_HTTP_SUB_BUFFERED
                                 | NGX_HTTP_COPY_BUFFERED);
    ctx->header_waits = 0;
    ctx->held = NULL;

    if (r->blocked || r->postponed || r->connection->data != r) {
        ngx_http_gate_meter_cut(r, ctx);
        return;
    }

    u = r->upstream;

    if (u && u->cleanup) {

        /* its cleanup ends with one count less, the handler's */

        r->main->count++;
        (*u->cleanup)(r);
    }

    r->buffered = 0;

    ngx_http_gate_meter_clear(r, ctx);

    ngx_http_finalize_request(r, ngx_http_gate_access_refuse(r, ctx));
}


/*
 * Ends a response that has begun: HTTP/1.1 is closed before the end, HTTP/2
 * sends RST_STREAM.  That is done by an event of its own, for whoever called
 * the body filter still has the request in hand.
 */

static void
ngx_http_gate_meter_cut(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ctx->cut = 1;
    ctx->header_waits = 0;
    ctx->body_waits = 0;
    ctx->held = NULL;

    (void) ngx_http_gate_access_refuse(r, ctx);

    r->connection->buffered |= NGX_HTTP_GATE_BUFFERED;

    ctx->end.handler = ngx_http_gate_meter_end_handler;
    ctx->end.data = ctx;
    ctx->end.log = r->connection->log;

    ngx_post_event(&ctx->end, &ngx_posted_events);
}


static void
ngx_http_gate_meter_end_handler(ngx_event_t *ev)
{
    ngx_chain_t           out;
    ngx_connection_t     *c;
    ngx_http_request_t   *r;
    ngx_http_gate_ctx_t  *ctx;

    ctx = ev->data;
    r = ctx->request->main;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    /* what was charged shall leave, also from the buffer of TLS */

    out.buf = ngx_calloc_buf(r->pool);
    out.next = NULL;

    if (out.buf) {
        out.buf->flush = 1;
        (void) ngx_http_next_body_filter(r, &out);
    }

    ngx_http_finalize_request(r, NGX_ERROR);
    ngx_http_run_posted_requests(c);
}


void
ngx_http_gate_meter_cleanup(void *data)
{
    ngx_http_gate_ctx_t *ctx = data;

    uint64_t             unsent;
    ngx_http_request_t  *r;

    r = ctx->request->main;

    if (ctx->end.posted) {
        ngx_delete_posted_event(&ctx->end);
    }

    if (ctx->upgraded) {
        ngx_http_gate_quota_owe(ctx, ngx_max(r->connection->sent
                                             - (off_t) r->header_size, 0));

    } else if (ctx->charged) {
        unsent = ngx_http_gate_meter_unsent(r);
        unsent = ngx_min(unsent, ctx->charged);
        ngx_http_gate_quota_unuse(ctx, unsent, 0);
    }

    ngx_http_gate_quota_close(ctx);
}


/* bytes of the body that nginx had not written when the request ended */

static uint64_t
ngx_http_gate_meter_unsent(ngx_http_request_t *r)
{
    uint64_t      unsent;
    ngx_chain_t  *cl;

    unsent = 0;

    for (cl = r->out; cl; cl = cl->next) {
        if (cl->buf->tag != (ngx_buf_tag_t) &ngx_http_chunked_filter_module) {
            unsent += ngx_buf_size(cl->buf);
        }
    }

    return unsent;
}
