/*
 * v1/now: what this host did in each of the last minutes.
 */


#include "ngx_http_gate_admin_inner.h"

#include "gate_judge.h"
#include "ngx_http_gate_minutes.h"


static json_t *ngx_http_gate_admin_minute(
    const ngx_http_gate_minute_t *minute);


ngx_int_t
ngx_http_gate_admin_now(ngx_http_gate_admin_ctx_t *ctx)
{
    json_t                  *list;
    ngx_str_t                node;
    ngx_uint_t               i, n;
    ngx_http_gate_minute_t  *minutes;

    minutes = ngx_palloc(ctx->request->pool, NGX_HTTP_GATE_MINUTES
                                             * sizeof(ngx_http_gate_minute_t));
    if (minutes == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    n = ngx_http_gate_minutes_read(ngx_http_gate_zone_counters(
                                                            ctx->admin.zone),
                                   minutes);
    list = json_array();
    node = ngx_cycle->hostname;

    for (i = 0; i < n; i++) {
        if (json_array_append_new(list,
                                  ngx_http_gate_admin_minute(&minutes[i]))
            != 0)
        {
            json_decref(list);
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return ngx_http_gate_answer_json(ctx->request, NGX_HTTP_OK,
                json_pack("{s:o, s:I, s:o}",
                          "node", ngx_http_gate_answer_string(node.data,
                                                              node.len),
                          "time", (json_int_t) ngx_time(),
                          "minutes", list));
}


/* of the reasons only those that occurred */

static json_t *
ngx_http_gate_admin_minute(const ngx_http_gate_minute_t *minute)
{
    json_t      *refused;
    ngx_uint_t   reason;

    refused = json_object();

    for (reason = 1; reason < GATE_REASONS; reason++) {
        if (minute->refused[reason]
            && json_object_set_new(refused, gate_reason_name(reason),
                         json_integer((json_int_t) minute->refused[reason]))
               != 0)
        {
            json_decref(refused);
            return NULL;
        }
    }

    return json_pack("{s:I, s:I, s:I, s:o}",
                     "time", (json_int_t) minute->minute * 60,
                     "requests", (json_int_t) minute->requests,
                     "bytes", (json_int_t) minute->bytes,
                     "refused", refused);
}
