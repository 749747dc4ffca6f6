/*
 * One table names all metrics; each row has a function that writes its samples.
 * Names and units follow Prometheus' conventions, labels are few and fixed.
 */


#include "ngx_http_gate_metrics.h"

#include "gate_judge.h"


/* of all text; a row takes less than a sixteenth of it */
#define NGX_HTTP_GATE_METRICS_SIZE  16384


typedef struct {
    ngx_http_gate_zone_t       *zone;
    ngx_http_gate_counters_t   *counters;
    ngx_http_gate_ledger_t     *ledger;     /* NULL: there is no Redis */
    const char                 *name;
} ngx_http_gate_metrics_t;


typedef u_char *(*ngx_http_gate_samples_pt)(u_char *p, u_char *last,
    const ngx_http_gate_metrics_t *metrics);


typedef struct {
    const char                 *name;
    const char                 *type;
    const char                 *help;
    ngx_uint_t                  redis;      /* only where there is one */
    ngx_http_gate_samples_pt    samples;
} ngx_http_gate_metric_t;


static u_char *ngx_http_gate_metrics_write(u_char *p, u_char *last,
    ngx_http_gate_metrics_t *metrics);
static u_char *ngx_http_gate_metrics_requests(u_char *p, u_char *last,
    const ngx_http_gate_metrics_t *metrics);
static u_char *ngx_http_gate_metrics_notices(u_char *p, u_char *last,
    const ngx_http_gate_metrics_t *metrics);
static u_char *ngx_http_gate_metrics_connections(u_char *p, u_char *last,
    const ngx_http_gate_metrics_t *metrics);
static u_char *ngx_http_gate_metrics_holds(u_char *p, u_char *last,
    const ngx_http_gate_metrics_t *metrics);
static u_char *ngx_http_gate_metrics_version(u_char *p, u_char *last,
    const ngx_http_gate_metrics_t *metrics);
static u_char *ngx_http_gate_metrics_up(u_char *p, u_char *last,
    const ngx_http_gate_metrics_t *metrics);
static u_char *ngx_http_gate_metrics_questions(u_char *p, u_char *last,
    const ngx_http_gate_metrics_t *metrics);
static u_char *ngx_http_gate_metrics_failures(u_char *p, u_char *last,
    const ngx_http_gate_metrics_t *metrics);
static u_char *ngx_http_gate_metrics_latency(u_char *p, u_char *last,
    const ngx_http_gate_metrics_t *metrics);
static u_char *ngx_http_gate_metrics_dropped(u_char *p, u_char *last,
    const ngx_http_gate_metrics_t *metrics);
static u_char *ngx_http_gate_metrics_audit(u_char *p, u_char *last,
    const ngx_http_gate_metrics_t *metrics);


static const ngx_http_gate_metric_t  ngx_http_gate_metrics[] = {

    { "nginx_gate_requests_total", "counter",
      "Requests that a policy judged, by verdict and reason.",
      0, ngx_http_gate_metrics_requests },

    { "nginx_gate_notices_total", "counter",
      "Requests that passed a rule that only reports.",
      0, ngx_http_gate_metrics_notices },

    { "nginx_gate_dropped_connections_total", "counter",
      "Connections that were closed for their country when accepted.",
      0, ngx_http_gate_metrics_connections },

    { "nginx_gate_holds", "gauge",
      "Holds of administrators that are in force.",
      0, ngx_http_gate_metrics_holds },

    { "nginx_gate_holds_version", "gauge",
      "Version of the holds, which is the same on all hosts.",
      0, ngx_http_gate_metrics_version },

    { "nginx_gate_redis_up", "gauge",
      "Whether the worker that answers is connected to Redis.",
      1, ngx_http_gate_metrics_up },

    { "nginx_gate_redis_questions_total", "counter",
      "Questions sent to Redis, by what they ask.",
      1, ngx_http_gate_metrics_questions },

    { "nginx_gate_redis_failures_total", "counter",
      "Questions without a good answer, by cause.",
      1, ngx_http_gate_metrics_failures },

    { "nginx_gate_redis_latency_seconds", "histogram",
      "Time until Redis answered a question.",
      1, ngx_http_gate_metrics_latency },

    { "nginx_gate_usage_dropped_total", "counter",
      "Usage that was lost because the zone was full and Redis away.",
      1, ngx_http_gate_metrics_dropped },

    { "nginx_gate_audit_events_total", "counter",
      "Events of the audit, by where they went, and whether they did.",
      0, ngx_http_gate_metrics_audit }
};


ngx_int_t
ngx_http_gate_metrics_send(ngx_http_request_t *r, ngx_http_gate_zone_t *zone,
    ngx_http_gate_ledger_t *ledger)
{
    ngx_int_t                rc;
    ngx_buf_t               *b;
    ngx_chain_t              out;
    ngx_http_gate_metrics_t  metrics;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    b = ngx_create_temp_buf(r->pool, NGX_HTTP_GATE_METRICS_SIZE);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    metrics.zone = zone;
    metrics.counters = ngx_http_gate_zone_counters(zone);
    metrics.ledger = ledger && ngx_http_gate_ledger_redis(ledger) ? ledger
                                                                  : NULL;

    b->last = ngx_http_gate_metrics_write(b->pos, b->end, &metrics);
    b->last_buf = r == r->main;
    b->last_in_chain = 1;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = b->last - b->pos;
    ngx_str_set(&r->headers_out.content_type,
                "text/plain; version=0.0.4; charset=utf-8");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static u_char *
ngx_http_gate_metrics_write(u_char *p, u_char *last,
    ngx_http_gate_metrics_t *metrics)
{
    ngx_uint_t                     i;
    const ngx_http_gate_metric_t  *metric;

    for (i = 0; i < sizeof(ngx_http_gate_metrics)
                    / sizeof(ngx_http_gate_metrics[0]); i++)
    {
        metric = &ngx_http_gate_metrics[i];

        if (metric->redis && metrics->ledger == NULL) {
            continue;
        }

        p = ngx_slprintf(p, last, "# HELP %s %s\n# TYPE %s %s\n",
                         metric->name, metric->help, metric->name,
                         metric->type);

        metrics->name = metric->name;
        p = metric->samples(p, last, metrics);
    }

    return p;
}


static u_char *
ngx_http_gate_metrics_requests(u_char *p, u_char *last,
    const ngx_http_gate_metrics_t *metrics)
{
    ngx_uint_t         i, said, reason;
    ngx_atomic_uint_t  n;

    static const char *const  verdicts[NGX_HTTP_GATE_SAID_KINDS] = {
        "passed", "denied", "denied_dry_run"
    };

    for (said = 0; said < NGX_HTTP_GATE_SAID_KINDS; said++) {
        for (reason = 0; reason < GATE_REASONS; reason++) {

            if ((said == NGX_HTTP_GATE_SAID_PASSED)
                != (reason == GATE_REASON_NONE))
            {
                continue;
            }

            for (n = 0, i = 0; i < metrics->counters->npolicies; i++) {
                n += metrics->counters->policies[i].requests[said][reason];
            }

            p = ngx_slprintf(p, last,
                             "%s{verdict=\"%s\",reason=\"%s\"} %uA\n",
                             metrics->name, verdicts[said],
                             gate_reason_name(reason), n);
        }
    }

    return p;
}


static u_char *
ngx_http_gate_metrics_notices(u_char *p, u_char *last,
    const ngx_http_gate_metrics_t *metrics)
{
    ngx_uint_t  i;

    static const gate_reason_e  notices[] = {
        GATE_REASON_ANONYMOUS_NETWORK,
        GATE_REASON_UNUSUAL_COUNTRY,
        GATE_REASON_SPEED
    };

    for (i = 0; i < sizeof(notices) / sizeof(notices[0]); i++) {
        p = ngx_slprintf(p, last, "%s{notice=\"%s\"} %uA\n", metrics->name,
                         gate_reason_name(notices[i]),
                         metrics->counters->notices[notices[i]]);
    }

    return p;
}


static u_char *
ngx_http_gate_metrics_holds(u_char *p, u_char *last,
    const ngx_http_gate_metrics_t *metrics)
{
    uint64_t    version;
    ngx_uint_t  n;

    ngx_http_gate_zone_holds_told(metrics->zone, &n, &version);

    return ngx_slprintf(p, last, "%s %ui\n", metrics->name, n);
}


static u_char *
ngx_http_gate_metrics_connections(u_char *p, u_char *last,
    const ngx_http_gate_metrics_t *metrics)
{
    return ngx_slprintf(p, last, "%s %uA\n", metrics->name,
                        metrics->counters->connections);
}


static u_char *
ngx_http_gate_metrics_version(u_char *p, u_char *last,
    const ngx_http_gate_metrics_t *metrics)
{
    uint64_t    version;
    ngx_uint_t  n;

    ngx_http_gate_zone_holds_told(metrics->zone, &n, &version);

    return ngx_slprintf(p, last, "%s %uL\n", metrics->name, version);
}


static u_char *
ngx_http_gate_metrics_up(u_char *p, u_char *last,
    const ngx_http_gate_metrics_t *metrics)
{
    return ngx_slprintf(p, last, "%s %ui\n", metrics->name,
                        ngx_http_gate_redis_ready(
                            ngx_http_gate_ledger_redis(metrics->ledger)));
}


static u_char *
ngx_http_gate_metrics_questions(u_char *p, u_char *last,
    const ngx_http_gate_metrics_t *metrics)
{
    ngx_uint_t  i;

    static const char *const  kinds[NGX_HTTP_GATE_ASKED_KINDS] = {
        "draw", "settle", "beat", "habit", "read", "usage", "hold", "events"
    };

    for (i = 0; i < NGX_HTTP_GATE_ASKED_KINDS; i++) {
        p = ngx_slprintf(p, last, "%s{question=\"%s\"} %uA\n", metrics->name,
                         kinds[i], metrics->counters->asked[i]);
    }

    return p;
}


static u_char *
ngx_http_gate_metrics_failures(u_char *p, u_char *last,
    const ngx_http_gate_metrics_t *metrics)
{
    ngx_uint_t  i;

    static const char *const  causes[NGX_HTTP_GATE_FAILED_KINDS] = {
        "unsent", "unanswered", "error"
    };

    for (i = 0; i < NGX_HTTP_GATE_FAILED_KINDS; i++) {
        p = ngx_slprintf(p, last, "%s{cause=\"%s\"} %uA\n", metrics->name,
                         causes[i], metrics->counters->failed[i]);
    }

    return p;
}


/* buckets count what is in those before, too */

static u_char *
ngx_http_gate_metrics_latency(u_char *p, u_char *last,
    const ngx_http_gate_metrics_t *metrics)
{
    ngx_uint_t         i;
    ngx_atomic_uint_t  n, ms;

    static const ngx_uint_t  bounds[NGX_HTTP_GATE_BUCKETS] =
        NGX_HTTP_GATE_LATENCIES;

    for (n = 0, i = 0; i < NGX_HTTP_GATE_BUCKETS; i++) {
        n += metrics->counters->latency[i];
        p = ngx_slprintf(p, last, "%s_bucket{le=\"%ui.%03ui\"} %uA\n",
                         metrics->name, bounds[i] / 1000, bounds[i] % 1000,
                         n);
    }

    n += metrics->counters->latency[NGX_HTTP_GATE_BUCKETS];
    ms = metrics->counters->latency_ms;

    return ngx_slprintf(p, last,
                        "%s_bucket{le=\"+Inf\"} %uA\n%s_sum %uA.%03uA\n"
                        "%s_count %uA\n", metrics->name, n, metrics->name,
                        ms / 1000, ms % 1000, metrics->name, n);
}


static u_char *
ngx_http_gate_metrics_dropped(u_char *p, u_char *last,
    const ngx_http_gate_metrics_t *metrics)
{
    ngx_uint_t  i;

    static const char *const  what[NGX_HTTP_GATE_DROPPED_KINDS] = {
        "bytes", "requests", "documents"
    };

    for (i = 0; i < NGX_HTTP_GATE_DROPPED_KINDS; i++) {
        p = ngx_slprintf(p, last, "%s{what=\"%s\"} %uA\n", metrics->name,
                         what[i], metrics->counters->dropped[i]);
    }

    return p;
}


static u_char *
ngx_http_gate_metrics_audit(u_char *p, u_char *last,
    const ngx_http_gate_metrics_t *metrics)
{
    ngx_uint_t                   i;
    const ngx_http_gate_sunk_t  *sunk;

    for (i = 0; i < NGX_HTTP_GATE_SUNK_KINDS; i++) {
        sunk = &metrics->counters->sunk[i];

        p = ngx_slprintf(p, last,
                         "%s{sink=\"%s\",result=\"written\"} %uA\n"
                         "%s{sink=\"%s\",result=\"dropped\"} %uA\n",
                         metrics->name, ngx_http_gate_counters_sink(i),
                         sunk->written,
                         metrics->name, ngx_http_gate_counters_sink(i),
                         sunk->dropped);
    }

    return p;
}
