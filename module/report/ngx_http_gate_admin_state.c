/*
 * v1/state: which node answers, and how what it stands on is.
 */


#include "ngx_http_gate_admin_inner.h"


static json_t *ngx_http_gate_admin_redis(ngx_http_gate_admin_ctx_t *ctx);


ngx_int_t
ngx_http_gate_admin_state(ngx_http_gate_admin_ctx_t *ctx)
{
    ngx_str_t  node;

    node = ngx_cycle->hostname;

    return ngx_http_gate_answer_json(ctx->request, NGX_HTTP_OK,
                json_pack("{s:o, s:o, s:b, s:o}",
                          "node", ngx_http_gate_answer_string(node.data,
                                                              node.len),
                          "by", ngx_http_gate_answer_string(
                                    ctx->admin.by.data, ctx->admin.by.len),
                          "write", (int) ctx->admin.write,
                          "redis", ngx_http_gate_admin_redis(ctx)));
}


/* null where the zone is the ledger */

static json_t *
ngx_http_gate_admin_redis(ngx_http_gate_admin_ctx_t *ctx)
{
    ngx_http_gate_redis_t  *redis;

    redis = ctx->admin.ledger ? ngx_http_gate_ledger_redis(ctx->admin.ledger)
                              : NULL;

    return redis ? json_pack("{s:b}", "up",
                             (int) ngx_http_gate_redis_ready(redis))
                 : json_null();
}
