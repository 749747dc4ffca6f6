/*
 * A refusal as text: HTML by the template that stands in refusal.html, or JSON.
 */


#ifndef NGX_HTTP_GATE_REFUSAL_RENDER_H_INCLUDED
#define NGX_HTTP_GATE_REFUSAL_RENDER_H_INCLUDED


#include "ngx_http_gate_refusal.h"

#include "gate_judge.h"


struct ngx_http_gate_refusal_page_s {
    ngx_array_t    parts;   /* of ngx_http_gate_refusal_part_t */
    ngx_array_t    texts[GATE_REASONS][GATE_ACCEPT_LANGUAGES];
                            /* the same, texts of the reason put in */
    ngx_str_t      titles[GATE_REASONS][GATE_ACCEPT_LANGUAGES];
    ngx_str_t      details[GATE_REASONS][GATE_ACCEPT_LANGUAGES];
                            /* as they stand in JSON */
    ngx_str_t      csp;     /* Content-Security-Policy of the page */
};


/*
 * Reads the template: "{{name}}" is a field, from "{{?name}}" to "{{/}}" is
 * left out if the field is empty.  What is the same for all refusals of a
 * reason is put in now.  NGX_ERROR: no memory, or logged.
 */
ngx_int_t ngx_http_gate_refusal_read(ngx_conf_t *cf,
    ngx_http_gate_refusal_page_t *page, ngx_str_t *html);

/* The same for JSON: texts of the reason are escaped.  NGX_ERROR: no memory. */
ngx_int_t ngx_http_gate_refusal_json_prepare(ngx_conf_t *cf,
    ngx_http_gate_refusal_page_t *page, gate_reason_e reason,
    gate_accept_language_e language);

/* When it opens, as RFC 3339 has it, up to "last"; returns the end. */
u_char *ngx_http_gate_refusal_time(u_char *p, u_char *last,
    const ngx_http_gate_refusal_t *refusal);

/* Write a refusal to *body.  NGX_ERROR: no memory. */
ngx_int_t ngx_http_gate_refusal_html(ngx_pool_t *pool,
    const ngx_http_gate_refusal_page_t *page,
    const ngx_http_gate_refusal_t *refusal, gate_accept_language_e language,
    ngx_str_t *body);
ngx_int_t ngx_http_gate_refusal_json(ngx_pool_t *pool,
    const ngx_http_gate_refusal_page_t *page,
    const ngx_http_gate_refusal_t *refusal, gate_accept_language_e language,
    ngx_str_t *body);


#endif /* NGX_HTTP_GATE_REFUSAL_RENDER_H_INCLUDED */
