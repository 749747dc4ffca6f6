/*
 * How an administrator is answered: JSON, problem details, or a text that is
 * complete.  All of it is made in memory before the first byte is sent, so it
 * is for answers that are bounded.
 */


#ifndef NGX_HTTP_GATE_ANSWER_H_INCLUDED
#define NGX_HTTP_GATE_ANSWER_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <jansson.h>


/*
 * Sends a value, which it takes over; NULL: no memory for it.  status: an HTTP
 * status.  Returns what a handler passes on, to be finalized with.
 */
ngx_int_t ngx_http_gate_answer_json(ngx_http_request_t *r, ngx_uint_t status,
    json_t *value);

/*
 * Problem details, RFC 9457: the title is that of the status, detail a
 * sentence with what to do.
 */
ngx_int_t ngx_http_gate_answer_problem(ngx_http_request_t *r,
    ngx_uint_t status, const char *detail);

/* Sends a text of this media type; the text is in r->pool, or static. */
ngx_int_t ngx_http_gate_answer_text(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, const ngx_str_t *text);

/*
 * Sends rows, an array of objects that it takes over, as CSV (RFC 4180): the
 * columns are members of these, in that order, texts or numbers.  NULL: no
 * memory for them.  A text that a spreadsheet would take for a formula stands
 * behind "'"; control characters and bidi marks as \uXXXX.
 */
ngx_int_t ngx_http_gate_answer_csv(ngx_http_request_t *r, json_t *rows,
    const char *const *columns, ngx_uint_t n);

/*
 * A text of anybody's as JSON: what is no UTF-8 in it stands there as U+FFFD.
 * NULL: no memory.
 */
json_t *ngx_http_gate_answer_string(const u_char *data, size_t len);


#endif /* NGX_HTTP_GATE_ANSWER_H_INCLUDED */
