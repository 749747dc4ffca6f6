/*
 * Which form a refusal takes, and the header that goes with it.  The style of
 * the page is allowed by its hash, which is made of what is really sent, so
 * that the two cannot differ.
 */


#include "ngx_http_gate_refusal.h"

#include "ngx_http_gate_csp.h"
#include "ngx_http_gate_header.h"

#include "gate_judge.h"
#include "ngx_http_gate_refusal_render.h"
#include "ngx_http_gate_refusal_texts.h"
#include "ngx_http_gate_refusal_template.h"


typedef void (*ngx_http_gate_refusal_read_pt)(gate_accept_t *accept,
    const unsigned char *p, const unsigned char *end);


static ngx_int_t ngx_http_gate_refusal_csp(ngx_conf_t *cf,
    const ngx_str_t *html, ngx_str_t *csp);
static void ngx_http_gate_refusal_accept(ngx_http_request_t *r,
    const char *name, ngx_http_gate_refusal_read_pt read,
    gate_accept_t *accept);


ngx_http_gate_refusal_page_t *
ngx_http_gate_refusal_create(ngx_conf_t *cf)
{
    ngx_str_t                      html;
    ngx_uint_t                     i;
    ngx_http_gate_refusal_page_t  *page;

    for (i = 1; i < GATE_REASONS; i++) {
        if (ngx_http_gate_refusal_text((gate_reason_e) i, GATE_ACCEPT_ENGLISH)
            == NULL)
        {
            ngx_log_error(NGX_LOG_ALERT, cf->log, 0,
                          "gate: no text for the reason \"%s\"",
                          gate_reason_name((gate_reason_e) i));
            return NULL;
        }
    }

    page = ngx_pcalloc(cf->pool, sizeof(ngx_http_gate_refusal_page_t));
    if (page == NULL) {
        return NULL;
    }

    html.data = (u_char *) ngx_http_gate_refusal_template;
    html.len = sizeof(ngx_http_gate_refusal_template) - 1;

    if (ngx_http_gate_refusal_read(cf, page, &html) != NGX_OK
        || ngx_http_gate_refusal_csp(cf, &html, &page->csp) != NGX_OK)
    {
        return NULL;
    }

    return page;
}


static ngx_int_t
ngx_http_gate_refusal_csp(ngx_conf_t *cf, const ngx_str_t *html,
    ngx_str_t *csp)
{
    ngx_str_t  style;

    static const char  format[] =
        "default-src 'none'; img-src data:; style-src '%V'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    if (ngx_http_gate_csp_hash(cf, html, "style", &style) != NGX_OK) {
        return NGX_ERROR;
    }

    csp->data = ngx_pnalloc(cf->pool, sizeof(format) + style.len);
    if (csp->data == NULL) {
        return NGX_ERROR;
    }

    csp->len = ngx_sprintf(csp->data, format, &style) - csp->data;

    return NGX_OK;
}


ngx_int_t
ngx_http_gate_refusal_answer(ngx_http_request_t *r,
    const ngx_http_gate_refusal_page_t *page,
    const ngx_http_gate_refusal_t *refusal, ngx_str_t *body)
{
    ngx_int_t                rc;
    ngx_uint_t               json;
    const char              *tag;
    gate_accept_t            media, languages;
    gate_accept_language_e   language;

    ngx_http_gate_refusal_accept(r, "accept", gate_accept_media, &media);
    ngx_http_gate_refusal_accept(r, "accept-language", gate_accept_language,
                                 &languages);

    json = gate_accept_media_best(&media) == GATE_ACCEPT_JSON;
    language = gate_accept_language_best(&languages);
    tag = ngx_http_gate_refusal_words(language)->tag;

    rc = json ? ngx_http_gate_refusal_json(r->pool, page, refusal, language,
                                           body)
              : ngx_http_gate_refusal_html(r->pool, page, refusal, language,
                                           body);

    if (rc != NGX_OK
        || ngx_http_gate_header_add(r, "Content-Language", (u_char *) tag,
                                        ngx_strlen(tag))
           != NGX_OK
        || ngx_http_gate_header_add(r, "Content-Security-Policy",
                                        page->csp.data, page->csp.len)
           != NGX_OK
        || ngx_http_gate_header_add(r, "X-Content-Type-Options",
                                        (u_char *) "nosniff", 7)
           != NGX_OK
        || ngx_http_gate_header_add(r, "Cache-Control",
                                        (u_char *) "no-store", 8)
           != NGX_OK
        || ngx_http_gate_header_add(r, "Vary",
                                        (u_char *) "Accept, Accept-Language",
                                        23)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* JSON has no charset (RFC 8259 11) */

    if (json) {
        ngx_str_set(&r->headers_out.content_type, "application/problem+json");
        ngx_str_null(&r->headers_out.charset);

    } else {
        ngx_str_set(&r->headers_out.content_type, "text/html");
        ngx_str_set(&r->headers_out.charset, "utf-8");
    }

    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    ngx_http_clear_content_length(r);
    r->headers_out.content_length_n = body->len;

    return NGX_OK;
}


/* all lines of a field of the request */

static void
ngx_http_gate_refusal_accept(ngx_http_request_t *r, const char *name,
    ngx_http_gate_refusal_read_pt read, gate_accept_t *accept)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    ngx_memzero(accept, sizeof(gate_accept_t));

    len = ngx_strlen(name);

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
            {
                read(accept, h[i].value.data,
                     h[i].value.data + h[i].value.len);
            }
        }
    }
}
