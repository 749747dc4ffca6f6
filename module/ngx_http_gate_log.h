/*
 * What the error log is told of a request: one line, whose parts that come
 * from a client are short and cannot break it.
 */


#ifndef NGX_HTTP_GATE_LOG_H_INCLUDED
#define NGX_HTTP_GATE_LOG_H_INCLUDED


#include "ngx_http_gate.h"


/* ctx->verdict refused, or would have in a dry run; at "gate_log_level". */
void ngx_http_gate_log_refused(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);

/*
 * What was wrong with a certificate, which its user has no other way to find
 * out; or "".
 */
const char *ngx_http_gate_log_fault(ngx_http_gate_ctx_t *ctx);

/* It passed, and ctx->notices are to be told; at "gate_log_level". */
void ngx_http_gate_log_notice(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);

/* A limit came out as this value, which is no number. */
void ngx_http_gate_log_limit(ngx_http_gate_ctx_t *ctx, const ngx_str_t *quota,
    const ngx_str_t *value);

/* One line for a list of countries that is none; "word" is its directive. */
void ngx_http_gate_log_countries(ngx_http_gate_ctx_t *ctx, const char *word,
    const ngx_str_t *value);


#endif /* NGX_HTTP_GATE_LOG_H_INCLUDED */
