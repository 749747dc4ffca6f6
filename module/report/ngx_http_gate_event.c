/*
 * Two tables: what each event is called, and in which field each of its texts
 * goes, with how many bytes at most.  All texts together, as long as they may
 * be, leave room for the rest.
 *
 * A text that was cut, or was no UTF-8, ends with the SHA-256 of the whole: so
 * two of them stay two.
 */


#include "ngx_http_gate_event.h"

#include "gate_json.h"

#include <openssl/sha.h>


/* the version of the schema whose names these are */
#define NGX_HTTP_GATE_ECS  "8.11.0"


typedef struct {
    const char  *action;
    const char  *kind;
    const char  *category;
    const char  *type;
    const char  *outcome;
} ngx_http_gate_event_name_t;


typedef struct {
    const char  *name;
    size_t       offset;
    size_t       most;
} ngx_http_gate_event_text_t;


static u_char *ngx_http_gate_event_head(u_char *p, u_char *last,
    const ngx_http_gate_event_t *event, const ngx_str_t *node);
static u_char *ngx_http_gate_event_text(u_char *p, const char *name,
    const ngx_str_t *value, size_t most);
static u_char *ngx_http_gate_event_quotas(u_char *p, u_char *last,
    const ngx_http_gate_event_t *event);


/* in the order of ngx_http_gate_event_e */

static const ngx_http_gate_event_name_t
    ngx_http_gate_event_names[NGX_HTTP_GATE_EVENTS] =
{
    { "refused", "event", "web", "access", "failure" },
    { "would-refuse", "event", "web", "access", "success" },
    { "download", "event", "web", "access", "success" },
    { "request", "event", "web", "access", "success" },
    { "redis-lost", "state", "database", "error", "failure" },
    { "redis-back", "state", "database", "info", "success" },
    { "file-reloaded", "state", "configuration", "change", "success" },
    { "file-refused", "state", "configuration", "error", "failure" },
    { "quota-80", "state", "web", "info", "unknown" },
    { "quota-100", "state", "web", "info", "unknown" },
    { "hold-set", "state", "iam", "change", "success" },
    { "hold-lifted", "state", "iam", "change", "success" },
    { "admin", "state", "iam", "change", "success" },
    { "admin-refused", "state", "iam", "change", "failure" },
    { "audit-dropping", "state", "process", "error", "failure" },
    { "audit-dropped", "state", "process", "error", "failure" },
    { "audit-begin", "state", "process", "start", "success" },
    { "audit-go-on", "state", "file", "creation", "success" },
    { "audit-anchor", "state", "file", "info", "success" },
    { "audit-move", "state", "file", "change", "success" },
    { "audit-end", "state", "process", "end", "success" }
};


#define NGX_HTTP_GATE_EVENT_TEXT(name, field, most)                          \
    { name, offsetof(ngx_http_gate_event_t, field), most }


static const ngx_http_gate_event_text_t  ngx_http_gate_event_texts[] = {
    NGX_HTTP_GATE_EVENT_TEXT("event.id", reference, 64),
    NGX_HTTP_GATE_EVENT_TEXT("event.reason", reason, 32),
    NGX_HTTP_GATE_EVENT_TEXT("gate.verdict", verdict, 32),
    NGX_HTTP_GATE_EVENT_TEXT("gate.notice", notice, 128),
    NGX_HTTP_GATE_EVENT_TEXT("gate.fault", fault, 128),
    NGX_HTTP_GATE_EVENT_TEXT("rule.ruleset", policy, 128),
    NGX_HTTP_GATE_EVENT_TEXT("rule.name", rule, 64),
    NGX_HTTP_GATE_EVENT_TEXT("user.name", user, 512),
    NGX_HTTP_GATE_EVENT_TEXT("tls.client.x509.serial_number", serial, 64),
    NGX_HTTP_GATE_EVENT_TEXT("tls.client.hash.sha256", fingerprint, 64),
    NGX_HTTP_GATE_EVENT_TEXT("tls.client.issuer", issuer, 512),
    NGX_HTTP_GATE_EVENT_TEXT("source.ip", address, 64),
    NGX_HTTP_GATE_EVENT_TEXT("source.geo.country_iso_code", country, 16),
    NGX_HTTP_GATE_EVENT_TEXT("gate.project", project, 512),
    NGX_HTTP_GATE_EVENT_TEXT("gate.document", document, 1024),
    NGX_HTTP_GATE_EVENT_TEXT("url.path", path, 1024),
    NGX_HTTP_GATE_EVENT_TEXT("http.request.method", method, 32),
    NGX_HTTP_GATE_EVENT_TEXT("gate.subject", subject, 512),
    NGX_HTTP_GATE_EVENT_TEXT("message", words, 512)
};


u_char *
ngx_http_gate_event_write(u_char *p, const ngx_http_gate_event_t *event,
    const ngx_str_t *node)
{
    u_char                            *last;
    ngx_uint_t                         i;
    const ngx_http_gate_event_text_t  *text;

    last = p + NGX_HTTP_GATE_EVENT_MAX;
    p = ngx_http_gate_event_head(p, last, event, node);

    for (i = 0; i < sizeof(ngx_http_gate_event_texts)
                    / sizeof(ngx_http_gate_event_texts[0]); i++)
    {
        text = &ngx_http_gate_event_texts[i];

        p = ngx_http_gate_event_text(p, text->name,
                                     (const ngx_str_t *)
                                     ((const u_char *) event + text->offset),
                                     text->most);
    }

    if (event->status) {
        p = ngx_slprintf(p, last, ",\"http.response.status_code\":%ui",
                         event->status);
    }

    if (event->counted || event->bytes) {
        p = ngx_slprintf(p, last, ",\"http.response.body.bytes\":%uL",
                         event->bytes);
    }

    if (event->dropped) {
        p = ngx_slprintf(p, last, ",\"gate.dropped\":%uL", event->dropped);
    }

    return event->nquotas ? ngx_http_gate_event_quotas(p, last, event) : p;
}


static u_char *
ngx_http_gate_event_head(u_char *p, u_char *last,
    const ngx_http_gate_event_t *event, const ngx_str_t *node)
{
    ngx_tm_t                           tm;
    ngx_time_t                        *tp;
    const ngx_http_gate_event_name_t  *name;

    tp = ngx_timeofday();
    ngx_gmtime(tp->sec, &tm);

    name = &ngx_http_gate_event_names[event->what];

    p = ngx_slprintf(p, last,
                     "{\"@timestamp\":\"%4d-%02d-%02dT%02d:%02d:%02d.%03MZ\","
                     "\"ecs.version\":\"" NGX_HTTP_GATE_ECS "\","
                     "\"event.kind\":\"%s\",\"event.category\":[\"%s\"],"
                     "\"event.type\":[\"%s\"],\"event.action\":\"%s\","
                     "\"event.outcome\":\"%s\"",
                     tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                     tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec,
                     (ngx_msec_t) tp->msec, name->kind, name->category,
                     name->type, name->action, name->outcome);

    return ngx_http_gate_event_text(p, "host.name", node, 256);
}


u_char *
ngx_http_gate_event_field(u_char *p, const char *name, const ngx_str_t *value)
{
    ngx_uint_t                         i;
    const ngx_http_gate_event_text_t  *text;

    for (i = 0; i < sizeof(ngx_http_gate_event_texts)
                    / sizeof(ngx_http_gate_event_texts[0]); i++)
    {
        text = &ngx_http_gate_event_texts[i];

        if (ngx_strcmp(text->name, name) == 0) {
            return ngx_http_gate_event_text(p, name, value, text->most);
        }
    }

    return p;
}


static u_char *
ngx_http_gate_event_text(u_char *p, const char *name, const ngx_str_t *value,
    size_t most)
{
    int     whole;
    u_char  digest[SHA256_DIGEST_LENGTH];

    if (value->len == 0) {
        return p;
    }

    p = ngx_sprintf(p, ",\"%s\":\"", name);
    p = (u_char *) gate_json_text((char *) p, most, value->data, value->len,
                                  &whole);

    if (!whole) {
        SHA256(value->data, value->len, digest);
        *p++ = '#';
        p = ngx_hex_dump(p, digest, SHA256_DIGEST_LENGTH);
    }

    *p++ = '"';

    return p;
}


static u_char *
ngx_http_gate_event_quotas(u_char *p, u_char *last,
    const ngx_http_gate_event_t *event)
{
    ngx_uint_t                          i;
    const ngx_http_gate_event_quota_t  *quota;

    p = ngx_cpymem(p, ",\"gate.quotas\":[", sizeof(",\"gate.quotas\":[") - 1);

    for (i = 0; i < event->nquotas; i++) {
        quota = &event->quotas[i];

        p = ngx_slprintf(p, last,
                         "%s{\"name\":\"%V\",\"limit\":%uL,\"used\":%uL}",
                         i ? "," : "", quota->name, quota->limit,
                         quota->used);
    }

    *p++ = ']';

    return p;
}
