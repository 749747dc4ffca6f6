/*
 * One main request may have stood under several policies.  The last it came to
 * counts what the client got; the others are heard of when they refused.
 */


#include "ngx_http_gate_end.h"

#include "ngx_http_gate_access.h"
#include "ngx_http_gate_meter.h"


static void ngx_http_gate_end_policy(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_uint_t ngx_http_gate_end_status(ngx_http_request_t *r);


ngx_int_t
ngx_http_gate_end_handler(ngx_http_request_t *r)
{
    ngx_http_gate_ctx_t  *ctx;

    if (r != r->main) {
        return NGX_OK;
    }

    for (ctx = ngx_http_gate_access_first(r); ctx; ctx = ctx->next) {
        if (ctx->judged) {
            ngx_http_gate_end_policy(r, ctx);
        }
    }

    return NGX_OK;
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

    /* who tells and counts takes it from here */

    (void) end;
}


static ngx_uint_t
ngx_http_gate_end_status(ngx_http_request_t *r)
{
    return r->err_status ? r->err_status : r->headers_out.status;
}
