/*
 * What a refused client is told: a page for people, or a problem in JSON for
 * programs (RFC 9457), in the language the client prefers.  Both say why, which
 * limit it was and when it opens again, and give a reference to quote; nothing
 * else of the request, and nothing of anybody else.
 */


#ifndef NGX_HTTP_GATE_REFUSAL_H_INCLUDED
#define NGX_HTTP_GATE_REFUSAL_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "gate_accept.h"
#include "ngx_http_gate_zone.h"


/* the page as it was read, and what belongs to it; of the configuration */
typedef struct ngx_http_gate_refusal_page_s  ngx_http_gate_refusal_page_t;


typedef struct {
    gate_reason_e                  reason;
    ngx_uint_t                     status;
    ngx_str_t                      reference;
    const ngx_http_gate_quota_t   *quota;       /* NULL: it was none */
    uint64_t                       limit;
    gate_standing_t                standing;
    int64_t                        opens;       /* epoch s, 0: not known */
    int64_t                        offset;      /* s east of UTC, to tell it */
} ngx_http_gate_refusal_t;


/* Reads the page.  At configuration; NULL: no memory, or logged. */
ngx_http_gate_refusal_page_t *ngx_http_gate_refusal_create(ngx_conf_t *cf);

/*
 * Chooses how to tell a refusal, writes it to *body, in r's pool, and sets all
 * of the header that has to do with it.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_refusal_answer(ngx_http_request_t *r,
    const ngx_http_gate_refusal_page_t *page,
    const ngx_http_gate_refusal_t *refusal, ngx_str_t *body);


#endif /* NGX_HTTP_GATE_REFUSAL_H_INCLUDED */
