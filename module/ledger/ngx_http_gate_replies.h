/*
 * What a server of Redis sends, as replies: hiredis' reader, with bounds of
 * their shape, size and nesting before anything is allocated for them.
 */


#ifndef NGX_HTTP_GATE_REPLIES_H_INCLUDED
#define NGX_HTTP_GATE_REPLIES_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>

#include <hiredis/hiredis.h>


/* of one reply */
#define NGX_HTTP_GATE_REPLY_ELEMENTS  32768
#define NGX_HTTP_GATE_REPLY_DEPTH     4
#define NGX_HTTP_GATE_REPLY_STRING    (64 * 1024)
#define NGX_HTTP_GATE_REPLY_BYTES     (512 * 1024)


typedef struct {
    redisReader                     *reader;    /* NULL: closed */
    redisReplyObjectFunctions        functions;
    const redisReplyObjectFunctions *base;
    size_t                           bytes;     /* strings of this reply */
    ngx_uint_t                       elements;  /* arrays of it */
} ngx_http_gate_replies_t;


/* Of a connection that begins; zeroed or used before.  NGX_ERROR: no memory. */
ngx_int_t ngx_http_gate_replies_open(ngx_http_gate_replies_t *replies);

/* Takes what was read.  NGX_ERROR: no memory. */
ngx_int_t ngx_http_gate_replies_feed(ngx_http_gate_replies_t *replies,
    const u_char *data, size_t len);

/*
 * The next reply, for freeReplyObject(); NULL: it is not complete.  NGX_ERROR:
 * what comes is none, or beyond the bounds; nothing more can be read.
 */
ngx_int_t ngx_http_gate_replies_next(ngx_http_gate_replies_t *replies,
    redisReply **reply);

void ngx_http_gate_replies_close(ngx_http_gate_replies_t *replies);


#endif /* NGX_HTTP_GATE_REPLIES_H_INCLUDED */
