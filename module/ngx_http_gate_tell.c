/*
 * Events are filled from what the ctx knows already, and point to it: nothing
 * is copied before they are written.
 */


#include "ngx_http_gate_tell.h"

#include "gate_certificate.h"
#include "ngx_http_gate_count.h"
#include "ngx_http_gate_log.h"
#include "ngx_http_gate_peer.h"
#include "ngx_http_gate_quota.h"
#include "ngx_http_gate_reference.h"


static void ngx_http_gate_tell_request(ngx_http_request_t *r,
    ngx_http_gate_event_t *event, ngx_uint_t status);
static void ngx_http_gate_tell_certificate(ngx_http_gate_event_t *event,
    const ngx_http_gate_certificate_t *cert);
static void ngx_http_gate_tell_policy(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_event_t *event);
static void ngx_http_gate_tell_verdict(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_event_t *event);
static void ngx_http_gate_tell_quotas(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_event_t *event, ngx_http_gate_event_quota_t *quotas);
static void ngx_http_gate_tell_redis(void *data, ngx_uint_t up,
    const char *why);
static void ngx_http_gate_tell_file(void *data, const ngx_str_t *file,
    ngx_uint_t used, const ngx_str_t *words);
static ngx_str_t ngx_http_gate_tell_word(const char *word);


ngx_int_t
ngx_http_gate_tell_start(ngx_http_gate_main_conf_t *gmcf, ngx_cycle_t *cycle)
{
    ngx_uint_t               i;
    ngx_http_gate_watch_t  **watches;

    ngx_http_gate_ledger_watch(gmcf->ledger, ngx_http_gate_tell_redis, gmcf);

    watches = gmcf->watches.elts;

    for (i = 0; i < gmcf->watches.nelts; i++) {
        watches[i]->news = ngx_http_gate_tell_file;
        watches[i]->news_data = gmcf;
    }

    if (gmcf->geo) {
        ngx_http_gate_geo_news(gmcf->geo, ngx_http_gate_tell_file, gmcf);
    }

    return ngx_http_gate_audit_start(gmcf->audit, cycle, gmcf->zone,
                                     gmcf->ledger);
}


void
ngx_http_gate_tell_end(ngx_http_request_t *r, const ngx_http_gate_end_t *end)
{
    char                          notices[GATE_NOTICES_LEN];
    ngx_uint_t                    classes;
    ngx_http_gate_ctx_t          *ctx;
    ngx_http_gate_event_t         event;
    ngx_http_gate_event_quota_t   quotas[NGX_HTTP_GATE_EVENT_QUOTAS];

    ctx = end->ctx;

    classes = ctx->denied || ctx->dry_run || ctx->notices
              ? NGX_HTTP_GATE_AUDIT_REFUSED : 0;

    if (end->download) {
        classes |= NGX_HTTP_GATE_AUDIT_DOWNLOAD;
    }

    if (classes == 0) {
        return;
    }

    ngx_memzero(&event, sizeof(ngx_http_gate_event_t));

    event.what = ctx->denied ? NGX_HTTP_GATE_EVENT_REFUSED
                 : ctx->dry_run ? NGX_HTTP_GATE_EVENT_WOULD_REFUSE
                 : end->download ? NGX_HTTP_GATE_EVENT_DOWNLOAD
                                 : NGX_HTTP_GATE_EVENT_REQUEST;

    /* what a subrequest took is counted with the request that it is part of */

    event.counted = 1;
    event.bytes = end->current ? end->bytes : 0;

    ngx_http_gate_tell_request(r, &event, end->status);
    ngx_http_gate_tell_certificate(&event, ctx->certificate);
    ngx_http_gate_tell_policy(ctx, &event);
    ngx_http_gate_tell_verdict(ctx, &event);
    ngx_http_gate_tell_quotas(ctx, &event, quotas);

    if (ctx->notices) {
        event.notice.data = (u_char *) notices;
        event.notice.len = gate_notices_text(ctx->notices, notices);
    }

    ngx_http_gate_audit_tell(ctx->main->audit, ctx->audit, classes, &event);
}


void
ngx_http_gate_tell_early(ngx_http_request_t *r, gate_reason_e reason,
    ngx_uint_t status)
{
    ngx_http_gate_event_t         event;
    ngx_http_gate_loc_conf_t     *glcf;
    ngx_http_gate_main_conf_t    *gmcf;
    ngx_http_gate_certificate_t  *cert;

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);
    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gate_module);

    ngx_memzero(&event, sizeof(ngx_http_gate_event_t));

    event.what = NGX_HTTP_GATE_EVENT_REFUSED;
    event.counted = 1;
    event.policy = glcf->name;
    event.verdict = ngx_http_gate_tell_word("DENIED");
    event.reason = ngx_http_gate_tell_word(gate_reason_name(reason));
    event.rule = event.reason;

    if (reason == GATE_REASON_NONE) {
        event.fault = ngx_http_gate_tell_word("malformed request");
    }

    ngx_http_gate_tell_request(r, &event, status);

    cert = ngx_http_gate_peer_handshake(r);

    if (cert) {
        ngx_http_gate_tell_certificate(&event, cert);

        if (cert->error && reason == GATE_REASON_CERTIFICATE) {
            event.fault = ngx_http_gate_tell_word(cert->error);
        }
    }

    ngx_http_gate_audit_tell(gmcf->audit, glcf->audit,
                             NGX_HTTP_GATE_AUDIT_REFUSED, &event);
}


static void
ngx_http_gate_tell_request(ngx_http_request_t *r,
    ngx_http_gate_event_t *event, ngx_uint_t status)
{
    ngx_connection_t           *c;
    const gate_place_t         *place;
    ngx_http_gate_main_conf_t  *gmcf;

    c = r->connection;
    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gate_module);

    (void) ngx_http_gate_reference(r, gmcf, &event->reference);

    if (c->sockaddr->sa_family != AF_UNIX) {
        event->address = c->addr_text;
    }

    place = gmcf->geo ? ngx_http_gate_peer_place(r, GATE_PLACE_COUNTRY) : NULL;

    if (place && (place->fields & GATE_PLACE_COUNTRY)) {
        event->country.data = (u_char *) place->country;
        event->country.len = 2;
    }

    event->path = r->uri;
    event->method = r->method_name;
    event->status = status;
}


static void
ngx_http_gate_tell_certificate(ngx_http_gate_event_t *event,
    const ngx_http_gate_certificate_t *cert)
{
    event->serial = cert->serial;
    event->fingerprint = cert->fingerprint;
    event->issuer = cert->issuer;
}


static void
ngx_http_gate_tell_policy(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_event_t *event)
{
    event->policy = ctx->policy->name;
    event->user = ctx->user;
    event->project = ctx->project;
    event->document = ctx->document;
}


static void
ngx_http_gate_tell_verdict(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_event_t *event)
{
    const ngx_str_t  *quota;

    if (!ctx->denied && !ctx->dry_run) {
        event->verdict = ngx_http_gate_tell_word("PASSED");
        return;
    }

    event->verdict = ngx_http_gate_tell_word(ctx->denied ? "DENIED"
                                                         : "DENIED_DRY_RUN");
    event->reason = ngx_http_gate_tell_word(
                                     gate_reason_name(ctx->verdict.reason));
    event->fault = ngx_http_gate_tell_word(ngx_http_gate_log_fault(ctx));

    quota = ngx_http_gate_quota_name(ctx);
    event->rule = quota->len ? *quota : event->reason;
}


/* as this host knew them when the request took of them last */

static void
ngx_http_gate_tell_quotas(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_event_t *event, ngx_http_gate_event_quota_t *quotas)
{
    ngx_uint_t                i, k;
    ngx_http_gate_account_t  *account;

    event->quotas = quotas;

    for (i = 0; ctx->accounts && i < ctx->policy->ngroups; i++) {
        account = &ctx->accounts[i];

        for (k = 0; k < account->kind->nquotas; k++) {

            if (account->limits[k] == GATE_UNBOUNDED
                || event->nquotas == NGX_HTTP_GATE_EVENT_QUOTAS)
            {
                continue;
            }

            quotas->name = &account->kind->quotas[k].name;
            quotas->limit = account->limits[k];
            quotas->used = account->used[k];

            quotas++;
            event->nquotas++;
        }
    }
}


void
ngx_http_gate_tell_levels(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_account_t *account)
{
    ngx_uint_t                   i;
    ngx_http_gate_event_t        event;
    ngx_http_gate_event_quota_t  quota;

    for (i = 0; i < account->kind->nquotas; i++) {

        if (account->risen[i] == 0) {
            continue;
        }

        quota.name = &account->kind->quotas[i].name;
        quota.limit = account->limits[i];
        quota.used = account->used[i];

        ngx_memzero(&event, sizeof(ngx_http_gate_event_t));

        event.what = account->risen[i] == 100 ? NGX_HTTP_GATE_EVENT_QUOTA_100
                                              : NGX_HTTP_GATE_EVENT_QUOTA_80;
        event.rule = *quota.name;
        event.quotas = &quota;
        event.nquotas = 1;

        ngx_http_gate_tell_policy(ctx, &event);
        ngx_str_null(&event.document);

        ngx_http_gate_count_level(ctx, &account->kind->quotas[i],
                                  account->risen[i]);

        account->risen[i] = 0;

        ngx_http_gate_audit_state(ctx->main->audit, &event);
    }
}


void
ngx_http_gate_tell_change(ngx_http_gate_main_conf_t *gmcf,
    ngx_http_request_t *r, ngx_http_gate_event_e what, const ngx_str_t *by,
    const ngx_str_t *subject, const ngx_str_t *words)
{
    ngx_http_gate_event_t  event;

    if (gmcf->audit == NULL) {
        return;
    }

    ngx_memzero(&event, sizeof(ngx_http_gate_event_t));

    if (r) {
        ngx_http_gate_tell_request(r, &event, 0);
    }

    event.what = what;
    event.user = *by;
    event.subject = *subject;
    event.words = *words;

    ngx_http_gate_audit_state(gmcf->audit, &event);
}


static void
ngx_http_gate_tell_redis(void *data, ngx_uint_t up, const char *why)
{
    ngx_http_gate_main_conf_t *gmcf = data;

    ngx_http_gate_event_t  event;

    ngx_memzero(&event, sizeof(ngx_http_gate_event_t));

    event.what = up ? NGX_HTTP_GATE_EVENT_REDIS_BACK
                    : NGX_HTTP_GATE_EVENT_REDIS_LOST;
    event.words = ngx_http_gate_tell_word(why);

    ngx_http_gate_audit_state(gmcf->audit, &event);
}


static void
ngx_http_gate_tell_file(void *data, const ngx_str_t *file, ngx_uint_t used,
    const ngx_str_t *words)
{
    ngx_http_gate_main_conf_t *gmcf = data;

    ngx_http_gate_event_t  event;

    ngx_memzero(&event, sizeof(ngx_http_gate_event_t));

    event.what = used ? NGX_HTTP_GATE_EVENT_FILE_RELOADED
                      : NGX_HTTP_GATE_EVENT_FILE_REFUSED;
    event.subject = *file;
    event.words = *words;

    ngx_http_gate_audit_state(gmcf->audit, &event);
}


static ngx_str_t
ngx_http_gate_tell_word(const char *word)
{
    ngx_str_t  text;

    text.data = (u_char *) word;
    text.len = ngx_strlen(word);

    return text;
}
