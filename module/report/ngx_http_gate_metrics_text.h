/*
 * Prometheus' text format, version 0.0.4, into buffers of a request as they are
 * needed.  Whatever a label has for its value, the line is one that can be
 * read.
 */


#ifndef NGX_HTTP_GATE_METRICS_TEXT_H_INCLUDED
#define NGX_HTTP_GATE_METRICS_TEXT_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct {
    const char                 *name;
    ngx_str_t                   value;
} ngx_http_gate_label_t;


typedef struct {
    ngx_pool_t                 *pool;
    ngx_chain_t                *chain;
    ngx_chain_t               **next;
    ngx_buf_t                  *buf;        /* the last of them, or NULL */
    off_t                       size;       /* of all, once it is closed */
    ngx_uint_t                  failed;     /* there was no memory */

    /* of the metric whose samples come: */
    const char                 *name;
    const char                 *type;
    const char                 *help;
    ngx_uint_t                  begun;      /* it has a sample */
} ngx_http_gate_metrics_text_t;


void ngx_http_gate_metrics_text_init(ngx_http_gate_metrics_text_t *text,
    ngx_pool_t *pool);

/* Another metric, of which samples are from now on; without any it is none. */
void ngx_http_gate_metrics_text_begin(ngx_http_gate_metrics_text_t *text,
    const char *name, const char *type, const char *help);

/*
 * A sample: what follows the metric's name, n labels, and a number in decimal
 * by ngx_sprintf(), of 64 bytes at most.
 */
void ngx_http_gate_metrics_text_add(ngx_http_gate_metrics_text_t *text,
    const char *suffix, const ngx_http_gate_label_t *labels, ngx_uint_t n,
    const char *fmt, ...);

/* Counts the size.  NGX_ERROR: there was no memory. */
ngx_int_t ngx_http_gate_metrics_text_close(ngx_http_gate_metrics_text_t *text);


#endif /* NGX_HTTP_GATE_METRICS_TEXT_H_INCLUDED */
