/*
 * v1/state: which node answers, and how what it stands on is.  What is of a
 * worker is of the one that answers: its connection to Redis, and the files
 * that it has in use, of which all workers follow a change within a second.
 */


#include "ngx_http_gate_admin_inner.h"


static json_t *ngx_http_gate_admin_redis(ngx_http_gate_admin_ctx_t *ctx);
static json_t *ngx_http_gate_admin_time(time_t time);
static json_t *ngx_http_gate_admin_sources(const ngx_array_t *sources,
    ngx_http_gate_source_e kind);
static json_t *ngx_http_gate_admin_source(
    const ngx_http_gate_source_t *source);
static json_t *ngx_http_gate_admin_zone(ngx_http_gate_zone_t *zone);
static json_t *ngx_http_gate_admin_audit(ngx_http_gate_zone_t *zone);
static json_t *ngx_http_gate_admin_holds_told(ngx_http_gate_zone_t *zone);


ngx_int_t
ngx_http_gate_admin_state(ngx_http_gate_admin_ctx_t *ctx)
{
    ngx_str_t              node, by;
    ngx_array_t           *sources;
    ngx_http_gate_zone_t  *zone;

    node = ngx_cycle->hostname;
    by = ctx->admin.by;
    zone = ctx->admin.zone;

    sources = ctx->admin.sources(ctx->request);
    if (sources == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_gate_answer_json(ctx->request, NGX_HTTP_OK,
                json_pack("{s:o, s:I, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o,"
                          " s:o}",
                          "node", ngx_http_gate_answer_string(node.data,
                                                              node.len),
                          "time", (json_int_t) ngx_time(),
                          "by", ngx_http_gate_answer_string(by.data, by.len),
                          "write", (int) ctx->admin.write,
                          "redis", ngx_http_gate_admin_redis(ctx),
                          "databases", ngx_http_gate_admin_sources(sources,
                                          NGX_HTTP_GATE_SOURCE_DATABASE),
                          "crls", ngx_http_gate_admin_sources(sources,
                                          NGX_HTTP_GATE_SOURCE_CRL),
                          "fingerprints", ngx_http_gate_admin_sources(sources,
                                          NGX_HTTP_GATE_SOURCE_FINGERPRINTS),
                          "zone", ngx_http_gate_admin_zone(zone),
                          "audit", ngx_http_gate_admin_audit(zone),
                          "holds", ngx_http_gate_admin_holds_told(zone)));
}


/* null where the zone is the ledger */

static json_t *
ngx_http_gate_admin_redis(ngx_http_gate_admin_ctx_t *ctx)
{
    ngx_http_gate_redis_t            *redis;
    ngx_http_gate_counters_t         *counters;
    const ngx_http_gate_link_told_t  *told;

    redis = ctx->admin.ledger ? ngx_http_gate_ledger_redis(ctx->admin.ledger)
                              : NULL;

    if (redis == NULL) {
        return json_null();
    }

    told = &ngx_http_gate_redis_link(redis)->told;
    counters = ngx_http_gate_zone_counters(ctx->admin.zone);

    return json_pack("{s:b, s:o, s:o, s:o, s:f}",
                     "connected", (int) ngx_http_gate_redis_ready(redis),
                     "since", ngx_http_gate_admin_time(told->since),
                     "error", told->lost
                        ? ngx_http_gate_answer_string((u_char *) told->why,
                                                      ngx_strlen(told->why))
                        : json_null(),
                     "lost", ngx_http_gate_admin_time(told->lost),
                     "latency", counters->latency_now / 1024.0);
}


static json_t *
ngx_http_gate_admin_time(time_t time)
{
    return time ? json_integer((json_int_t) time) : json_null();
}


static json_t *
ngx_http_gate_admin_sources(const ngx_array_t *sources,
    ngx_http_gate_source_e kind)
{
    json_t                        *list;
    ngx_uint_t                     i;
    const ngx_http_gate_source_t  *source;

    list = json_array();
    source = sources->elts;

    for (i = 0; i < sources->nelts; i++) {
        if (source[i].kind == kind
            && json_array_append_new(list,
                                     ngx_http_gate_admin_source(&source[i]))
               != 0)
        {
            json_decref(list);
            return NULL;
        }
    }

    return list;
}


static json_t *
ngx_http_gate_admin_source(const ngx_http_gate_source_t *source)
{
    json_t  *file;

    file = ngx_http_gate_answer_string(source->file.data, source->file.len);

    switch (source->kind) {

    case NGX_HTTP_GATE_SOURCE_DATABASE:
        return json_pack("{s:o, s:o, s:I}", "file", file,
                         "type", ngx_http_gate_answer_string(source->type.data,
                                                             source->type.len),
                         "built", (json_int_t) source->built);

    case NGX_HTTP_GATE_SOURCE_CRL:
        return json_pack("{s:o, s:I, s:I, s:I, s:I}", "file", file,
                         "entries", (json_int_t) source->entries,
                         "updated", (json_int_t) source->updated,
                         "next_update", (json_int_t) source->next,
                         "read", (json_int_t) source->read);

    default: /* NGX_HTTP_GATE_SOURCE_FINGERPRINTS */
        return json_pack("{s:o, s:I, s:I}", "file", file,
                         "entries", (json_int_t) source->entries,
                         "read", (json_int_t) source->read);
    }
}


static json_t *
ngx_http_gate_admin_zone(ngx_http_gate_zone_t *zone)
{
    ngx_http_gate_zone_state_t  state;

    ngx_http_gate_zone_state(zone, &state);

    return json_pack("{s:s, s:I, s:I, s:I, s:I}",
                     "name", "gate",
                     "size", (json_int_t) state.size,
                     "room", (json_int_t) state.cells,
                     "free", (json_int_t) state.free,
                     "accounts", (json_int_t) state.accounts);
}


/* those that no configuration names are 0 */

static json_t *
ngx_http_gate_admin_audit(ngx_http_gate_zone_t *zone)
{
    json_t                    *audit;
    ngx_uint_t                 i;
    ngx_http_gate_sunk_t      *sunk;
    ngx_http_gate_counters_t  *counters;

    audit = json_object();
    counters = ngx_http_gate_zone_counters(zone);

    for (i = 0; i < NGX_HTTP_GATE_SUNK_KINDS; i++) {
        sunk = &counters->sunk[i];

        if (json_object_set_new(audit, ngx_http_gate_counters_sink(i),
                                json_pack("{s:I, s:I}",
                                    "written", (json_int_t) sunk->written,
                                    "dropped", (json_int_t) sunk->dropped))
            != 0)
        {
            json_decref(audit);
            return NULL;
        }
    }

    return audit;
}


static json_t *
ngx_http_gate_admin_holds_told(ngx_http_gate_zone_t *zone)
{
    uint64_t    version;
    ngx_uint_t  n;

    ngx_http_gate_zone_holds_told(zone, &n, &version);

    return json_pack("{s:I, s:I}", "number", (json_int_t) n,
                     "version", (json_int_t) version);
}
