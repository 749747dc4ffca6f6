/*
 * hiredis' own functions make the objects, after ours have looked at what they
 * are to make.
 */


#include "ngx_http_gate_replies.h"


static void *ngx_http_gate_replies_string(const redisReadTask *task,
    char *str, size_t len);
static void *ngx_http_gate_replies_array(const redisReadTask *task,
    int elements);


ngx_int_t
ngx_http_gate_replies_open(ngx_http_gate_replies_t *replies)
{
    ngx_http_gate_replies_close(replies);

    replies->reader = redisReaderCreate();
    if (replies->reader == NULL) {
        return NGX_ERROR;
    }

    replies->base = replies->reader->fn;

    replies->functions = *replies->reader->fn;
    replies->functions.createString = ngx_http_gate_replies_string;
    replies->functions.createArray = ngx_http_gate_replies_array;

    replies->reader->fn = &replies->functions;
    replies->reader->privdata = replies;

    replies->bytes = 0;
    replies->elements = 0;

    return NGX_OK;
}


ngx_int_t
ngx_http_gate_replies_feed(ngx_http_gate_replies_t *replies,
    const u_char *data, size_t len)
{
    return redisReaderFeed(replies->reader, (const char *) data, len)
           == REDIS_OK ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_gate_replies_next(ngx_http_gate_replies_t *replies,
    redisReply **reply)
{
    void         *next;
    redisReader  *reader;

    reader = replies->reader;

    if (redisReaderGetReply(reader, &next) != REDIS_OK) {
        return NGX_ERROR;
    }

    *reply = next;

    if (next == NULL) {
        return reader->len - reader->pos > NGX_HTTP_GATE_REPLY_BYTES
               ? NGX_ERROR : NGX_OK;
    }

    replies->bytes = 0;
    replies->elements = 0;

    return NGX_OK;
}


void
ngx_http_gate_replies_close(ngx_http_gate_replies_t *replies)
{
    if (replies->reader) {
        redisReaderFree(replies->reader);
        replies->reader = NULL;
    }
}


/* text lies in the reader's buffer, with what follows it */

static void *
ngx_http_gate_replies_string(const redisReadTask *task, char *str, size_t len)
{
    ngx_http_gate_replies_t  *replies;

    replies = task->privdata;

    if (len > NGX_HTTP_GATE_REPLY_STRING || str[len] != CR
        || str[len + 1] != LF
        || (replies->bytes += len) > NGX_HTTP_GATE_REPLY_BYTES)
    {
        return NULL;
    }

    return replies->base->createString(task, str, len);
}


static void *
ngx_http_gate_replies_array(const redisReadTask *task, int elements)
{
    ngx_uint_t                depth;
    const redisReadTask      *parent;
    ngx_http_gate_replies_t  *replies;

    replies = task->privdata;
    depth = 1;

    for (parent = task->parent; parent; parent = parent->parent) {
        depth++;
    }

    if (elements > NGX_HTTP_GATE_REPLY_ELEMENTS
        || depth > NGX_HTTP_GATE_REPLY_DEPTH
        || (replies->elements += elements) > NGX_HTTP_GATE_REPLY_ELEMENTS)
    {
        return NULL;
    }

    return replies->base->createArray(task, elements);
}
