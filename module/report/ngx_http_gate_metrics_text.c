/*
 * What a sample takes at most is known before it is written, and a buffer with
 * that much room is there.
 */


#include "ngx_http_gate_metrics_text.h"


/* bytes of a buffer, if a sample does not take more */
#define NGX_HTTP_GATE_METRICS_BUF    16384

/* of a number */
#define NGX_HTTP_GATE_METRICS_VALUE  64

/* what a byte of a label becomes at most: U+FFFD */
#define NGX_HTTP_GATE_METRICS_GROWS  3


static void ngx_http_gate_metrics_text_head(
    ngx_http_gate_metrics_text_t *text);
static u_char *ngx_http_gate_metrics_text_room(
    ngx_http_gate_metrics_text_t *text, size_t size);
static u_char *ngx_http_gate_metrics_text_label(u_char *p,
    const ngx_str_t *value);


void
ngx_http_gate_metrics_text_init(ngx_http_gate_metrics_text_t *text,
    ngx_pool_t *pool)
{
    ngx_memzero(text, sizeof(ngx_http_gate_metrics_text_t));

    text->pool = pool;
    text->next = &text->chain;
}


void
ngx_http_gate_metrics_text_begin(ngx_http_gate_metrics_text_t *text,
    const char *name, const char *type, const char *help)
{
    text->name = name;
    text->type = type;
    text->help = help;
    text->begun = 0;
}


void
ngx_http_gate_metrics_text_add(ngx_http_gate_metrics_text_t *text,
    const char *suffix, const ngx_http_gate_label_t *labels, ngx_uint_t n,
    const char *fmt, ...)
{
    size_t       size;
    u_char      *p;
    va_list      args;
    ngx_uint_t   i;

    ngx_http_gate_metrics_text_head(text);

    size = ngx_strlen(text->name) + ngx_strlen(suffix) + sizeof("{} \n")
           + NGX_HTTP_GATE_METRICS_VALUE;

    for (i = 0; i < n; i++) {
        size += ngx_strlen(labels[i].name) + sizeof("=\"\",")
                + labels[i].value.len * NGX_HTTP_GATE_METRICS_GROWS;
    }

    p = ngx_http_gate_metrics_text_room(text, size);
    if (p == NULL) {
        return;
    }

    p = ngx_sprintf(p, "%s%s", text->name, suffix);

    for (i = 0; i < n; i++) {
        p = ngx_sprintf(p, "%s%s=\"", i ? "," : "{", labels[i].name);
        p = ngx_http_gate_metrics_text_label(p, &labels[i].value);
        *p++ = '"';
    }

    p = ngx_sprintf(p, n ? "} " : " ");

    va_start(args, fmt);
    p = ngx_vslprintf(p, p + NGX_HTTP_GATE_METRICS_VALUE, fmt, args);
    va_end(args);

    *p++ = '\n';

    text->buf->last = p;
}


/* before the first sample of a metric */

static void
ngx_http_gate_metrics_text_head(ngx_http_gate_metrics_text_t *text)
{
    size_t   size;
    u_char  *p;

    if (text->begun) {
        return;
    }

    text->begun = 1;

    size = sizeof("# HELP  \n# TYPE  \n") + 2 * ngx_strlen(text->name)
           + ngx_strlen(text->help) + ngx_strlen(text->type);

    p = ngx_http_gate_metrics_text_room(text, size);

    if (p) {
        text->buf->last = ngx_sprintf(p, "# HELP %s %s\n# TYPE %s %s\n",
                                      text->name, text->help,
                                      text->name, text->type);
    }
}


static u_char *
ngx_http_gate_metrics_text_room(ngx_http_gate_metrics_text_t *text,
    size_t size)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    if (text->failed) {
        return NULL;
    }

    b = text->buf;

    if (b && (size_t) (b->end - b->last) >= size) {
        return b->last;
    }

    cl = ngx_alloc_chain_link(text->pool);
    b = ngx_create_temp_buf(text->pool,
                            ngx_max(size, NGX_HTTP_GATE_METRICS_BUF));

    if (cl == NULL || b == NULL) {
        text->failed = 1;
        return NULL;
    }

    cl->buf = b;
    cl->next = NULL;

    *text->next = cl;
    text->next = &cl->next;
    text->buf = b;

    return b->last;
}


/* escaped as the format wants it; what is no UTF-8 there would spoil it all */

static u_char *
ngx_http_gate_metrics_text_label(u_char *p, const ngx_str_t *value)
{
    u_char    *s, *start, *last;
    uint32_t   c;

    s = value->data;
    last = s + value->len;

    while (s < last) {
        start = s;
        c = *s < 0x80 ? *s++ : ngx_utf8_decode(&s, last - s);

        if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
            p = ngx_cpymem(p, "\xef\xbf\xbd", 3);
            s = start + 1;
            continue;
        }

        if (c == '\n') {
            *p++ = '\\';
            *p++ = 'n';
            continue;
        }

        if (c == '"' || c == '\\') {
            *p++ = '\\';
        }

        p = ngx_cpymem(p, start, s - start);
    }

    return p;
}


ngx_int_t
ngx_http_gate_metrics_text_close(ngx_http_gate_metrics_text_t *text)
{
    ngx_chain_t  *cl;

    for (cl = text->chain; cl; cl = cl->next) {
        text->size += cl->buf->last - cl->buf->pos;
    }

    return text->failed ? NGX_ERROR : NGX_OK;
}
