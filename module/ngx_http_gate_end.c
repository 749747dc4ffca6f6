/*
 * One main request may have stood under several policies.  The last it came to
 * counts what the client got; the others are heard of when they refused.
 */


#include "ngx_http_gate_end.h"

#include "ngx_http_gate_access.h"
#include "ngx_http_gate_count.h"
#include "ngx_http_gate_last.h"
#include "ngx_http_gate_meter.h"
#include "ngx_http_gate_tell.h"


static void ngx_http_gate_end_refused(ngx_http_request_t *r,
    gate_reason_e reason);
static void ngx_http_gate_end_policy(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_uint_t ngx_http_gate_end_status(ngx_http_request_t *r);


ngx_int_t
ngx_http_gate_end_handler(ngx_http_request_t *r)
{
    gate_reason_e         reason;
    ngx_http_gate_ctx_t  *ctx, *first;

    if (r != r->main) {
        return NGX_OK;
    }

    first = ngx_http_gate_access_first(r);

    if (first == NULL) {
        if (ngx_http_gate_last_early(r, &reason)) {
            ngx_http_gate_end_refused(r, reason);
        }

        return NGX_OK;
    }

    for (ctx = first; ctx; ctx = ctx->next) {
        if (ctx->judged) {
            ngx_http_gate_end_policy(r, ctx);
        }
    }

    return NGX_OK;
}


/* by nginx, before any phase */

static void
ngx_http_gate_end_refused(ngx_http_request_t *r, gate_reason_e reason)
{
    ngx_http_gate_loc_conf_t  *glcf;

    if (reason != GATE_REASON_NONE) {
        ngx_http_gate_count_early(r);
    }

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

    if (glcf->audit) {
        ngx_http_gate_tell_early(r, reason, ngx_http_gate_end_status(r));
    }
}


void
ngx_http_gate_end_early(ngx_http_gate_ctx_t *ctx)
{
    ngx_http_gate_end_policy(ctx->request->main, ctx);
}


static void
ngx_http_gate_end_policy(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_http_gate_end_t  end;

    end.ctx = ctx;
    end.bytes = ngx_http_gate_meter_left(ctx);
    end.status = ngx_http_gate_end_status(r);
    end.current = ctx == ctx->first->current;
    end.download = end.current && !ctx->denied
                   && (ctx->metered || ctx->upgraded) && r->header_sent;

    if (ctx->audit) {
        ngx_http_gate_tell_end(r, &end);
    }
}


static ngx_uint_t
ngx_http_gate_end_status(ngx_http_request_t *r)
{
    return r->err_status ? r->err_status : r->headers_out.status;
}
