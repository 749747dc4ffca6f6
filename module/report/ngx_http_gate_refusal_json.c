/*
 * A refusal as a problem (RFC 9457).  What does not depend on the request is
 * escaped when nginx reads its configuration: a program that is refused tries
 * again, so this is what is written most.
 */


#include "ngx_http_gate_refusal_render.h"

#include "gate_judge.h"
#include "ngx_http_gate_refusal_texts.h"


/* all but the texts: names of members, words of ours, numbers, a time */
#define NGX_HTTP_GATE_REFUSAL_JSON  1024

/* of a time */
#define NGX_HTTP_GATE_REFUSAL_TIME  64


static ngx_int_t ngx_http_gate_refusal_json_text(ngx_pool_t *pool,
    ngx_str_t *text);
static u_char *ngx_http_gate_refusal_json_quota(u_char *p,
    const ngx_http_gate_refusal_t *refusal, const ngx_str_t *name);
static const char *ngx_http_gate_refusal_phrase(ngx_uint_t status);


/* "detail" is what happened and what to do about it, in two sentences */

ngx_int_t
ngx_http_gate_refusal_json_prepare(ngx_conf_t *cf,
    ngx_http_gate_refusal_page_t *page, gate_reason_e reason,
    gate_accept_language_e language)
{
    u_char                              *p;
    ngx_str_t                           *title, *detail;
    const ngx_http_gate_refusal_text_t  *text;

    text = ngx_http_gate_refusal_text(reason, language);
    title = &page->titles[reason][language];
    detail = &page->details[reason][language];

    title->data = (u_char *) text->title;
    title->len = ngx_strlen(text->title);

    p = ngx_pnalloc(cf->pool, ngx_strlen(text->detail) + 1
                              + ngx_strlen(text->advice));
    if (p == NULL) {
        return NGX_ERROR;
    }

    detail->data = p;
    p = ngx_cpymem(p, text->detail, ngx_strlen(text->detail));

    if (language == GATE_ACCEPT_ENGLISH) {
        *p++ = ' ';
    }

    p = ngx_cpymem(p, text->advice, ngx_strlen(text->advice));
    detail->len = p - detail->data;

    if (ngx_http_gate_refusal_json_text(cf->pool, title) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_gate_refusal_json_text(cf->pool, detail);
}


/* becomes the inside of a string */

static ngx_int_t
ngx_http_gate_refusal_json_text(ngx_pool_t *pool, ngx_str_t *text)
{
    size_t   len;
    u_char  *p;

    len = text->len + ngx_escape_json(NULL, text->data, text->len);

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_escape_json(p, text->data, text->len);

    text->data = p;
    text->len = len;

    return NGX_OK;
}


/* of quotas the type is draft-ietf-httpapi-ratelimit-headers' */

ngx_int_t
ngx_http_gate_refusal_json(ngx_pool_t *pool,
    const ngx_http_gate_refusal_page_t *page,
    const ngx_http_gate_refusal_t *refusal, gate_accept_language_e language,
    ngx_str_t *body)
{
    u_char           *p;
    ngx_str_t         title, quota;
    const char       *type, *phrase;
    const ngx_str_t  *detail;

    detail = &page->details[refusal->reason][language];
    title = page->titles[refusal->reason][language];
    phrase = ngx_http_gate_refusal_phrase(refusal->status);
    type = "about:blank";

    ngx_str_null(&quota);

    if (refusal->quota) {
        type = "https://iana.org/assignments/http-problem-types"
               "#quota-exceeded";
        quota = refusal->quota->name;

        if (ngx_http_gate_refusal_json_text(pool, &quota) != NGX_OK) {
            return NGX_ERROR;
        }

    } else if (*phrase) {

        /* RFC 9457 4.2.1: that of the status, if the type says no more */

        title.data = (u_char *) phrase;
        title.len = ngx_strlen(phrase);
    }

    p = ngx_pnalloc(pool, NGX_HTTP_GATE_REFUSAL_JSON + title.len + detail->len
                          + 2 * quota.len + refusal->reference.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    body->data = p;

    p = ngx_sprintf(p, "{\"type\":\"%s\",\"title\":\"%V\",\"status\":%ui,"
                    "\"detail\":\"%V\",\"reason\":\"%s\",",
                    type, &title, refusal->status, detail,
                    gate_reason_name(refusal->reason));

    if (refusal->quota) {
        p = ngx_http_gate_refusal_json_quota(p, refusal, &quota);
    }

    p = ngx_sprintf(p, "\"reference\":\"%V\"}\n", &refusal->reference);

    body->len = p - body->data;

    return NGX_OK;
}


static u_char *
ngx_http_gate_refusal_json_quota(u_char *p,
    const ngx_http_gate_refusal_t *refusal, const ngx_str_t *name)
{
    static const char *const  units[] = { "bytes", "requests", "documents" };

    p = ngx_sprintf(p, "\"violated-policies\":[\"%V\"],\"quota\":\"%V\","
                    "\"unit\":\"%s\",\"limit\":%uL,",
                    name, name, units[refusal->quota->unit], refusal->limit);

    if (refusal->standing.known) {
        p = ngx_sprintf(p, "\"used\":%uL,", refusal->standing.used);
    }

    if (refusal->opens) {
        p = ngx_sprintf(p, "\"opens\":\"");
        p = ngx_http_gate_refusal_time(p, p + NGX_HTTP_GATE_REFUSAL_TIME,
                                       refusal);
        p = ngx_sprintf(p, "\",");
    }

    return p;
}


/* RFC 9110 15, of the statuses that are likely; of others the title tells */

static const char *
ngx_http_gate_refusal_phrase(ngx_uint_t status)
{
    ngx_uint_t  i;

    static const struct {
        ngx_uint_t   status;
        const char  *phrase;
    } phrases[] = {
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 410, "Gone" },
        { 429, "Too Many Requests" },
        { 451, "Unavailable For Legal Reasons" },
        { 500, "Internal Server Error" },
        { 503, "Service Unavailable" }
    };

    for (i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
        if (phrases[i].status == status) {
            return phrases[i].phrase;
        }
    }

    return "";
}
