/*
 * Lines for the error log.
 */


#include "ngx_http_gate_log.h"

#include "gate_certificate.h"
#include "ngx_http_gate_quota.h"


/* of a hostile text, this much is logged */
#define NGX_HTTP_GATE_LOGGED  128


static size_t ngx_http_gate_log_text(u_char *text, const ngx_str_t *value);


void
ngx_http_gate_log_refused(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    size_t                     n;
    u_char                     user[NGX_HTTP_GATE_LOGGED];
    const char                *country, *fault;
    const ngx_str_t           *quota;
    ngx_http_gate_loc_conf_t  *glcf;

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

    if (r->connection->log->log_level < glcf->log_level) {
        return;
    }

    n = ngx_http_gate_log_text(user, &ctx->user);
    quota = ctx->verdict.reason == GATE_REASON_HELD
            ? &ctx->hold : ngx_http_gate_quota_name(ctx);
    country = ctx->facts.country[0] ? ctx->facts.country : "??";
    fault = ngx_http_gate_log_fault(ctx);

    ngx_log_error(glcf->log_level, r->connection->log, 0,
                  "gate: %s%s%s%V%s%s, policy \"%V\", user \"%*s\", "
                  "country %*s",
                  ctx->dry_run ? "dry run, would refuse: " : "refused: ",
                  gate_reason_name(ctx->verdict.reason),
                  quota->len ? " " : "", quota, *fault ? ", " : "", fault,
                  &ctx->policy->name, n, user, (size_t) 2, country);
}


const char *
ngx_http_gate_log_fault(ngx_http_gate_ctx_t *ctx)
{
    if (ctx->verdict.fault == GATE_FAULT_INVALID
        && ctx->certificate->error)
    {
        return ctx->certificate->error;
    }

    return gate_fault_name(ctx->verdict.fault);
}


void
ngx_http_gate_log_notice(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    char                       notices[GATE_NOTICES_LEN];
    size_t                     n, words;
    u_char                     user[NGX_HTTP_GATE_LOGGED];
    const char                *country;
    ngx_http_gate_loc_conf_t  *glcf;

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

    n = ngx_http_gate_log_text(user, &ctx->user);
    words = gate_notices_text(ctx->notices, notices);
    country = ctx->facts.country[0] ? ctx->facts.country : "??";

    ngx_log_error(glcf->log_level, r->connection->log, 0,
                  "gate: passed, notice: %*s, policy \"%V\", user \"%*s\", "
                  "country %*s", words, notices,
                  &ctx->policy->name, n, user, (size_t) 2, country);
}


void
ngx_http_gate_log_limit(ngx_http_gate_ctx_t *ctx, const ngx_str_t *quota,
    const ngx_str_t *value)
{
    size_t  n;
    u_char  text[NGX_HTTP_GATE_LOGGED];

    n = ngx_http_gate_log_text(text, value);

    ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                  "gate: the limit of quota \"%V\" of policy \"%V\" is "
                  "no number: \"%*s\"", quota, &ctx->policy->name, n, text);
}


void
ngx_http_gate_log_countries(ngx_http_gate_ctx_t *ctx, const char *word,
    const ngx_str_t *value)
{
    size_t  n;
    u_char  text[NGX_HTTP_GATE_LOGGED];

    n = ngx_http_gate_log_text(text, value);

    ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                  "gate: the \"%s\" of policy \"%V\" is no list of "
                  "countries: \"%*s\"", word, &ctx->policy->name, n, text);
}


static size_t
ngx_http_gate_log_text(u_char *text, const ngx_str_t *value)
{
    size_t  i, n;
    u_char  c;

    n = ngx_min(value->len, NGX_HTTP_GATE_LOGGED);

    for (i = 0; i < n; i++) {
        c = value->data[i];
        text[i] = c < 0x20 || c == '"' || c == 0x7f ? '?' : c;
    }

    return n;
}
