/*
 * One table names all metrics; each row has a function that writes its samples.
 * Names and units follow Prometheus' conventions.  Labels are of what the
 * configuration names, or of a fixed set: nothing that a client says is one.
 */


#include "ngx_http_gate_metrics.h"

#include "gate_judge.h"
#include "ngx_http_gate_metrics_text.h"


typedef struct {
    ngx_http_gate_metrics_text_t  text;
    ngx_http_gate_zone_t         *zone;
    ngx_http_gate_zone_state_t    state;
    ngx_http_gate_counters_t     *counters;
    ngx_http_gate_ledger_t       *ledger;   /* NULL: there is no Redis */
    ngx_array_t                  *sources;
} ngx_http_gate_metrics_t;


/* what is told of sources */

typedef enum {
    NGX_HTTP_GATE_METRICS_BUILT = 0,
    NGX_HTTP_GATE_METRICS_UPDATED,
    NGX_HTTP_GATE_METRICS_NEXT,
    NGX_HTTP_GATE_METRICS_CRL,
    NGX_HTTP_GATE_METRICS_FINGERPRINTS
} ngx_http_gate_metrics_source_e;


/* what: which of several that one function writes, see there */

typedef void (*ngx_http_gate_samples_pt)(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what);


typedef struct {
    const char                 *name;
    const char                 *type;
    const char                 *help;
    ngx_uint_t                  redis;      /* only where there is one */
    ngx_http_gate_samples_pt    samples;
    ngx_uint_t                  what;
} ngx_http_gate_metric_t;


static void ngx_http_gate_metrics_write(ngx_http_gate_metrics_t *metrics);
static ngx_int_t ngx_http_gate_metrics_output(ngx_http_request_t *r,
    ngx_http_gate_metrics_text_t *text);
static void ngx_http_gate_metrics_policy(ngx_http_gate_metrics_t *metrics,
    ngx_http_gate_counted_t *policy);
static void ngx_http_gate_metrics_source(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what);
static void ngx_http_gate_metrics_each(ngx_http_gate_metrics_t *metrics,
    const char *name, const char *const *words, ngx_atomic_t *values,
    ngx_uint_t n);
static ngx_str_t ngx_http_gate_metrics_word(const char *word);
static void ngx_http_gate_metrics_requests(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what);
static void ngx_http_gate_metrics_bytes(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what);
static void ngx_http_gate_metrics_notices(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what);
static void ngx_http_gate_metrics_levels(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what);
static void ngx_http_gate_metrics_connections(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what);
static void ngx_http_gate_metrics_holds(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what);
static void ngx_http_gate_metrics_version(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what);
static void ngx_http_gate_metrics_zone(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what);
static void ngx_http_gate_metrics_type(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what);
static void ngx_http_gate_metrics_up(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what);
static void ngx_http_gate_metrics_questions(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what);
static void ngx_http_gate_metrics_failures(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what);
static void ngx_http_gate_metrics_latency(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what);
static void ngx_http_gate_metrics_drawn(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what);
static void ngx_http_gate_metrics_settled(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what);
static void ngx_http_gate_metrics_dropped(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what);
static void ngx_http_gate_metrics_audit(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what);


static const ngx_http_gate_metric_t  ngx_http_gate_metrics[] = {

    { "nginx_gate_requests_total", "counter",
      "Requests that were judged, by policy, verdict and reason.",
      0, ngx_http_gate_metrics_requests, 0 },

    { "nginx_gate_sent_bytes_total", "counter",
      "Bytes of bodies that left, by policy.",
      0, ngx_http_gate_metrics_bytes, 0 },

    { "nginx_gate_notices_total", "counter",
      "Requests that passed a rule that only reports.",
      0, ngx_http_gate_metrics_notices, 0 },

    { "nginx_gate_quota_levels_total", "counter",
      "Accounts that rose to 80 or 100 percent of a quota.",
      0, ngx_http_gate_metrics_levels, 0 },

    { "nginx_gate_dropped_connections_total", "counter",
      "Connections that were closed for their country when accepted.",
      0, ngx_http_gate_metrics_connections, 0 },

    { "nginx_gate_holds", "gauge",
      "Holds of administrators that are in force.",
      0, ngx_http_gate_metrics_holds, 0 },

    { "nginx_gate_holds_version", "gauge",
      "Version of the holds, which is the same on all hosts.",
      0, ngx_http_gate_metrics_version, 0 },

    { "nginx_gate_zone_size_bytes", "gauge",
      "Size of the zone.",
      0, ngx_http_gate_metrics_zone,
      offsetof(ngx_http_gate_zone_state_t, size) },

    { "nginx_gate_zone_room_bytes", "gauge",
      "Bytes of the zone that accounts may have.",
      0, ngx_http_gate_metrics_zone,
      offsetof(ngx_http_gate_zone_state_t, cells) },

    { "nginx_gate_zone_free_bytes", "gauge",
      "Bytes of them that no account has.",
      0, ngx_http_gate_metrics_zone,
      offsetof(ngx_http_gate_zone_state_t, free) },

    { "nginx_gate_zone_accounts", "gauge",
      "Accounts in the zone.",
      0, ngx_http_gate_metrics_zone,
      offsetof(ngx_http_gate_zone_state_t, accounts) },

    { "nginx_gate_zone_evictions_total", "counter",
      "Accounts out of use that made room for others.",
      0, ngx_http_gate_metrics_zone,
      offsetof(ngx_http_gate_zone_state_t, evicted) },

    { "nginx_gate_zone_full_total", "counter",
      "Times that there was no room for an account.",
      0, ngx_http_gate_metrics_zone,
      offsetof(ngx_http_gate_zone_state_t, full) },

    { "nginx_gate_geo_database_build_timestamp_seconds", "gauge",
      "When a database of places was built.",
      0, ngx_http_gate_metrics_source,
      NGX_HTTP_GATE_METRICS_BUILT },

    { "nginx_gate_geo_database_info", "gauge",
      "What a database of places calls itself.",
      0, ngx_http_gate_metrics_type, 0 },

    { "nginx_gate_crl_this_update_timestamp_seconds", "gauge",
      "When the oldest CRL of a file was issued.",
      0, ngx_http_gate_metrics_source,
      NGX_HTTP_GATE_METRICS_UPDATED },

    { "nginx_gate_crl_next_update_timestamp_seconds", "gauge",
      "When the first CRL of a file is to be followed by another.",
      0, ngx_http_gate_metrics_source,
      NGX_HTTP_GATE_METRICS_NEXT },

    { "nginx_gate_crl_entries", "gauge",
      "Certificates that are revoked by the CRLs of a file.",
      0, ngx_http_gate_metrics_source,
      NGX_HTTP_GATE_METRICS_CRL },

    { "nginx_gate_fingerprints", "gauge",
      "Certificates that are registered in a file.",
      0, ngx_http_gate_metrics_source,
      NGX_HTTP_GATE_METRICS_FINGERPRINTS },

    { "nginx_gate_redis_up", "gauge",
      "Whether the worker that answers is connected to Redis.",
      1, ngx_http_gate_metrics_up, 0 },

    { "nginx_gate_redis_questions_total", "counter",
      "Questions sent to Redis, by what they ask.",
      1, ngx_http_gate_metrics_questions, 0 },

    { "nginx_gate_redis_failures_total", "counter",
      "Questions without a good answer, by cause.",
      1, ngx_http_gate_metrics_failures, 0 },

    { "nginx_gate_redis_latency_seconds", "histogram",
      "Time until Redis answered a question.",
      1, ngx_http_gate_metrics_latency, 0 },

    { "nginx_gate_drawn_bytes_total", "counter",
      "Bytes of quotas that Redis granted to this host.",
      1, ngx_http_gate_metrics_drawn, GATE_BYTES },

    { "nginx_gate_drawn_requests_total", "counter",
      "Requests of quotas that Redis granted to this host.",
      1, ngx_http_gate_metrics_drawn, GATE_REQUESTS },

    { "nginx_gate_drawn_documents_total", "counter",
      "Documents of quotas that Redis granted to this host.",
      1, ngx_http_gate_metrics_drawn, GATE_DOCUMENTS },

    { "nginx_gate_settled_bytes_total", "counter",
      "Granted bytes that this host gave back to Redis.",
      1, ngx_http_gate_metrics_settled, GATE_BYTES },

    { "nginx_gate_settled_requests_total", "counter",
      "Granted requests that this host gave back to Redis.",
      1, ngx_http_gate_metrics_settled, GATE_REQUESTS },

    { "nginx_gate_settled_documents_total", "counter",
      "Granted documents that this host gave back to Redis.",
      1, ngx_http_gate_metrics_settled, GATE_DOCUMENTS },

    { "nginx_gate_usage_dropped_bytes_total", "counter",
      "Bytes of usage lost because the zone was full and Redis away.",
      1, ngx_http_gate_metrics_dropped, NGX_HTTP_GATE_DROPPED_BYTES },

    { "nginx_gate_usage_dropped_requests_total", "counter",
      "Requests of usage lost because the zone was full and Redis away.",
      1, ngx_http_gate_metrics_dropped, NGX_HTTP_GATE_DROPPED_REQUESTS },

    { "nginx_gate_usage_dropped_documents_total", "counter",
      "Documents of usage lost because the zone was full and Redis away.",
      1, ngx_http_gate_metrics_dropped, NGX_HTTP_GATE_DROPPED_DOCUMENTS },

    { "nginx_gate_audit_events_total", "counter",
      "Events of the audit, by where they went, and whether they did.",
      0, ngx_http_gate_metrics_audit, 0 }
};


static const ngx_http_gate_source_e  ngx_http_gate_metrics_kinds[] = {
    NGX_HTTP_GATE_SOURCE_DATABASE,
    NGX_HTTP_GATE_SOURCE_CRL,
    NGX_HTTP_GATE_SOURCE_CRL,
    NGX_HTTP_GATE_SOURCE_CRL,
    NGX_HTTP_GATE_SOURCE_FINGERPRINTS
};


ngx_int_t
ngx_http_gate_metrics_send(ngx_http_request_t *r, ngx_http_gate_zone_t *zone,
    ngx_http_gate_ledger_t *ledger, ngx_http_gate_sources_pt sources)
{
    ngx_int_t                rc;
    ngx_http_gate_metrics_t  metrics;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_http_gate_metrics_text_init(&metrics.text, r->pool);
    ngx_http_gate_zone_state(zone, &metrics.state);

    metrics.zone = zone;
    metrics.counters = ngx_http_gate_zone_counters(zone);
    metrics.ledger = ledger && ngx_http_gate_ledger_redis(ledger) ? ledger
                                                                  : NULL;
    metrics.sources = sources(r);

    if (metrics.sources == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_gate_metrics_write(&metrics);

    if (ngx_http_gate_metrics_text_close(&metrics.text) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_gate_metrics_output(r, &metrics.text);
}


static void
ngx_http_gate_metrics_write(ngx_http_gate_metrics_t *metrics)
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

        ngx_http_gate_metrics_text_begin(&metrics->text, metric->name,
                                         metric->type, metric->help);
        metric->samples(metrics, metric->what);
    }
}


static ngx_int_t
ngx_http_gate_metrics_output(ngx_http_request_t *r,
    ngx_http_gate_metrics_text_t *text)
{
    ngx_int_t  rc;

    text->buf->last_buf = r == r->main;
    text->buf->last_in_chain = 1;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = text->size;
    ngx_str_set(&r->headers_out.content_type,
                "text/plain; version=0.0.4; charset=utf-8");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, text->chain);
}


/* those of the configuration, then what no policy of it has: policy="" */

static void
ngx_http_gate_metrics_requests(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what)
{
    ngx_uint_t                i;
    ngx_http_gate_counted_t  *policies;

    policies = metrics->counters->policies;

    for (i = 1; i < metrics->counters->npolicies; i++) {
        if (ngx_http_gate_counters_owned(metrics->counters,
                                         &policies[i].owner))
        {
            ngx_http_gate_metrics_policy(metrics, &policies[i]);
        }
    }

    ngx_http_gate_metrics_policy(metrics, &policies[0]);
}


static void
ngx_http_gate_metrics_policy(ngx_http_gate_metrics_t *metrics,
    ngx_http_gate_counted_t *policy)
{
    ngx_uint_t             said, reason;
    ngx_http_gate_label_t  labels[3];

    static const char *const  verdicts[NGX_HTTP_GATE_SAID_KINDS] = {
        "passed", "denied", "denied_dry_run"
    };

    labels[0].name = "policy";
    labels[0].value.data = policy->owner.policy;
    labels[0].value.len = policy->owner.policy_len;
    labels[1].name = "verdict";
    labels[2].name = "reason";

    for (said = 0; said < NGX_HTTP_GATE_SAID_KINDS; said++) {
        labels[1].value = ngx_http_gate_metrics_word(verdicts[said]);

        for (reason = 0; reason < GATE_REASONS; reason++) {

            if ((said == NGX_HTTP_GATE_SAID_PASSED)
                != (reason == GATE_REASON_NONE))
            {
                continue;
            }

            labels[2].value = ngx_http_gate_metrics_word(
                                                    gate_reason_name(reason));

            ngx_http_gate_metrics_text_add(&metrics->text, "", labels, 3,
                                           "%uA",
                                           policy->requests[said][reason]);
        }
    }
}


static ngx_str_t
ngx_http_gate_metrics_word(const char *word)
{
    ngx_str_t  text;

    text.data = (u_char *) word;
    text.len = ngx_strlen(word);

    return text;
}


static void
ngx_http_gate_metrics_bytes(ngx_http_gate_metrics_t *metrics, ngx_uint_t what)
{
    ngx_uint_t                i;
    ngx_http_gate_label_t     label;
    ngx_http_gate_counted_t  *policy;

    for (i = 0; i < metrics->counters->npolicies; i++) {
        policy = &metrics->counters->policies[i];

        if (i && !ngx_http_gate_counters_owned(metrics->counters,
                                               &policy->owner))
        {
            continue;
        }

        label.name = "policy";
        label.value.data = policy->owner.policy;
        label.value.len = policy->owner.policy_len;

        ngx_http_gate_metrics_text_add(&metrics->text, "", &label, 1, "%uA",
                                       policy->bytes);
    }
}


static void
ngx_http_gate_metrics_notices(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what)
{
    ngx_uint_t             i;
    ngx_http_gate_label_t  label;

    static const gate_reason_e  notices[] = {
        GATE_REASON_ANONYMOUS_NETWORK,
        GATE_REASON_UNUSUAL_COUNTRY,
        GATE_REASON_SPEED
    };

    label.name = "notice";

    for (i = 0; i < sizeof(notices) / sizeof(notices[0]); i++) {
        label.value = ngx_http_gate_metrics_word(
                                              gate_reason_name(notices[i]));

        ngx_http_gate_metrics_text_add(&metrics->text, "", &label, 1, "%uA",
                                       metrics->counters->notices[notices[i]]);
    }
}


static void
ngx_http_gate_metrics_levels(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what)
{
    ngx_uint_t              i, level;
    ngx_http_gate_risen_t  *quota;
    ngx_http_gate_label_t   labels[3];

    static const char *const  levels[NGX_HTTP_GATE_LEVELS] = { "80", "100" };

    labels[0].name = "policy";
    labels[1].name = "quota";
    labels[2].name = "level";

    for (i = 0; i < metrics->counters->nquotas; i++) {
        quota = &metrics->counters->quotas[i];

        if (i && !ngx_http_gate_counters_owned(metrics->counters,
                                               &quota->owner))
        {
            continue;
        }

        labels[0].value.data = quota->owner.policy;
        labels[0].value.len = quota->owner.policy_len;
        labels[1].value.data = quota->owner.quota;
        labels[1].value.len = quota->owner.quota_len;

        for (level = 0; level < NGX_HTTP_GATE_LEVELS; level++) {
            labels[2].value = ngx_http_gate_metrics_word(levels[level]);

            ngx_http_gate_metrics_text_add(&metrics->text, "", labels, 3,
                                           "%uA", quota->risen[level]);
        }
    }
}


static void
ngx_http_gate_metrics_connections(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what)
{
    ngx_http_gate_metrics_text_add(&metrics->text, "", NULL, 0, "%uA",
                                   metrics->counters->connections);
}


static void
ngx_http_gate_metrics_holds(ngx_http_gate_metrics_t *metrics, ngx_uint_t what)
{
    uint64_t    version;
    ngx_uint_t  n;

    ngx_http_gate_zone_holds_told(metrics->zone, &n, &version);
    ngx_http_gate_metrics_text_add(&metrics->text, "", NULL, 0, "%ui", n);
}


static void
ngx_http_gate_metrics_version(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what)
{
    uint64_t    version;
    ngx_uint_t  n;

    ngx_http_gate_zone_holds_told(metrics->zone, &n, &version);
    ngx_http_gate_metrics_text_add(&metrics->text, "", NULL, 0, "%uL",
                                   version);
}


/* what: an offset in its state, of a uint64_t */

static void
ngx_http_gate_metrics_zone(ngx_http_gate_metrics_t *metrics, ngx_uint_t what)
{
    uint64_t  *value;

    value = (uint64_t *) (void *) ((u_char *) &metrics->state + what);

    ngx_http_gate_metrics_text_add(&metrics->text, "", NULL, 0, "%uL",
                                   *value);
}


/* what: ngx_http_gate_metrics_source_e */

static void
ngx_http_gate_metrics_source(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what)
{
    uint64_t                 value;
    ngx_uint_t               i;
    ngx_http_gate_label_t    label;
    ngx_http_gate_source_t  *source;

    source = metrics->sources->elts;

    for (i = 0; i < metrics->sources->nelts; i++) {

        switch (what) {

        case NGX_HTTP_GATE_METRICS_BUILT:
            value = source[i].built;
            break;

        case NGX_HTTP_GATE_METRICS_UPDATED:
            value = source[i].updated;
            break;

        case NGX_HTTP_GATE_METRICS_NEXT:
            value = source[i].next;
            break;

        default: /* of entries */
            value = source[i].entries;
            break;
        }

        if (source[i].kind != ngx_http_gate_metrics_kinds[what]) {
            continue;
        }

        label.name = "file";
        label.value = source[i].file;

        ngx_http_gate_metrics_text_add(&metrics->text, "", &label, 1, "%uL",
                                       value);
    }
}


static void
ngx_http_gate_metrics_type(ngx_http_gate_metrics_t *metrics, ngx_uint_t what)
{
    ngx_uint_t               i;
    ngx_http_gate_label_t    labels[2];
    ngx_http_gate_source_t  *source;

    source = metrics->sources->elts;

    for (i = 0; i < metrics->sources->nelts; i++) {

        if (source[i].kind != NGX_HTTP_GATE_SOURCE_DATABASE) {
            continue;
        }

        labels[0].name = "file";
        labels[0].value = source[i].file;
        labels[1].name = "type";
        labels[1].value = source[i].type;

        ngx_http_gate_metrics_text_add(&metrics->text, "", labels, 2, "1");
    }
}


static void
ngx_http_gate_metrics_up(ngx_http_gate_metrics_t *metrics, ngx_uint_t what)
{
    ngx_http_gate_redis_t  *redis;

    redis = ngx_http_gate_ledger_redis(metrics->ledger);

    ngx_http_gate_metrics_text_add(&metrics->text, "", NULL, 0, "%ui",
                                   ngx_http_gate_redis_ready(redis));
}


static void
ngx_http_gate_metrics_questions(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what)
{
    static const char *const  questions[NGX_HTTP_GATE_ASKED_KINDS] = {
        "draw", "settle", "beat", "habit", "read", "usage", "hold", "events"
    };

    ngx_http_gate_metrics_each(metrics, "question", questions,
                               metrics->counters->asked,
                               NGX_HTTP_GATE_ASKED_KINDS);
}


static void
ngx_http_gate_metrics_each(ngx_http_gate_metrics_t *metrics, const char *name,
    const char *const *words, ngx_atomic_t *values, ngx_uint_t n)
{
    ngx_uint_t             i;
    ngx_http_gate_label_t  label;

    label.name = name;

    for (i = 0; i < n; i++) {
        label.value = ngx_http_gate_metrics_word(words[i]);

        ngx_http_gate_metrics_text_add(&metrics->text, "", &label, 1, "%uA",
                                       values[i]);
    }
}


static void
ngx_http_gate_metrics_failures(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what)
{
    static const char *const  causes[NGX_HTTP_GATE_FAILED_KINDS] = {
        "unsent", "unanswered", "error"
    };

    ngx_http_gate_metrics_each(metrics, "cause", causes,
                               metrics->counters->failed,
                               NGX_HTTP_GATE_FAILED_KINDS);
}


/* buckets count what is in those before, too */

static void
ngx_http_gate_metrics_latency(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what)
{
    u_char                  bound[NGX_INT_T_LEN + 5];
    ngx_uint_t              i;
    ngx_atomic_uint_t       n, ms;
    ngx_http_gate_label_t   label;

    static const ngx_uint_t  bounds[NGX_HTTP_GATE_BUCKETS] =
        NGX_HTTP_GATE_LATENCIES;

    label.name = "le";
    label.value.data = bound;

    for (n = 0, i = 0; i < NGX_HTTP_GATE_BUCKETS; i++) {
        n += metrics->counters->latency[i];
        label.value.len = ngx_sprintf(bound, "%ui.%03ui", bounds[i] / 1000,
                                      bounds[i] % 1000)
                          - bound;

        ngx_http_gate_metrics_text_add(&metrics->text, "_bucket", &label, 1,
                                       "%uA", n);
    }

    n += metrics->counters->latency[NGX_HTTP_GATE_BUCKETS];
    ms = metrics->counters->latency_ms;
    label.value = ngx_http_gate_metrics_word("+Inf");

    ngx_http_gate_metrics_text_add(&metrics->text, "_bucket", &label, 1,
                                   "%uA", n);
    ngx_http_gate_metrics_text_add(&metrics->text, "_sum", NULL, 0,
                                   "%uA.%03uA", ms / 1000, ms % 1000);
    ngx_http_gate_metrics_text_add(&metrics->text, "_count", NULL, 0, "%uA",
                                   n);
}


/* what: the unit */

static void
ngx_http_gate_metrics_drawn(ngx_http_gate_metrics_t *metrics, ngx_uint_t what)
{
    ngx_http_gate_metrics_text_add(&metrics->text, "", NULL, 0, "%uA",
                                   metrics->counters->drawn[what]);
}


static void
ngx_http_gate_metrics_settled(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what)
{
    ngx_http_gate_metrics_text_add(&metrics->text, "", NULL, 0, "%uA",
                                   metrics->counters->settled[what]);
}


static void
ngx_http_gate_metrics_dropped(ngx_http_gate_metrics_t *metrics,
    ngx_uint_t what)
{
    ngx_http_gate_metrics_text_add(&metrics->text, "", NULL, 0, "%uA",
                                   metrics->counters->dropped[what]);
}


static void
ngx_http_gate_metrics_audit(ngx_http_gate_metrics_t *metrics, ngx_uint_t what)
{
    ngx_uint_t              i;
    ngx_http_gate_sunk_t   *sunk;
    ngx_http_gate_label_t   labels[2];

    labels[0].name = "sink";
    labels[1].name = "result";

    for (i = 0; i < NGX_HTTP_GATE_SUNK_KINDS; i++) {
        sunk = &metrics->counters->sunk[i];

        labels[0].value = ngx_http_gate_metrics_word(
                                              ngx_http_gate_counters_sink(i));
        labels[1].value = ngx_http_gate_metrics_word("written");

        ngx_http_gate_metrics_text_add(&metrics->text, "", labels, 2, "%uA",
                                       sunk->written);

        labels[1].value = ngx_http_gate_metrics_word("dropped");

        ngx_http_gate_metrics_text_add(&metrics->text, "", labels, 2, "%uA",
                                       sunk->dropped);
    }
}
