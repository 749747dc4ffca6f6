/*
 * The file sink: lines are written many at a time, by one write() to the end of
 * the file, so those of several workers do not mix.  A file that is no regular
 * one is written without waiting for its reader.
 *
 * A chained file: each line has its number, the hash of the line before it of
 * the same worker, and its own, which is that of all that is left of it.  It is
 * a line of its own that begins a chain, goes on with it in another file, and
 * ends it; and an anchor now and then tells elsewhere where it stands.
 */


#include "ngx_http_gate_audit_inner.h"

#include <openssl/sha.h>


#define NGX_HTTP_GATE_HASH_LEN  (2 * SHA256_DIGEST_LENGTH)


typedef struct {
    ngx_open_file_t  *file;
    ngx_uint_t        fresh;        /* it was opened anew */
    ngx_uint_t        broken;       /* it ends within a line */
    ngx_msec_t        anchor;       /* 0: it has no chain */
    ngx_event_t       event;        /* the next anchor */
    uint64_t          number;       /* of the last line */
    u_char            hash[NGX_HTTP_GATE_HASH_LEN];
} ngx_http_gate_audit_file_t;


static ngx_int_t ngx_http_gate_audit_file_start(ngx_http_gate_sink_t *sink,
    ngx_cycle_t *cycle);
static void ngx_http_gate_audit_file_drain(ngx_http_gate_sink_t *sink);
static void ngx_http_gate_audit_file_prepare(ngx_http_gate_sink_t *sink);
static void ngx_http_gate_audit_file_wrote(ngx_http_gate_sink_t *sink,
    size_t len);
static u_char *ngx_http_gate_audit_file_seal(ngx_http_gate_sink_t *sink,
    u_char *line, u_char *p);
static void ngx_http_gate_audit_file_flush(ngx_open_file_t *of,
    ngx_log_t *log);
static void ngx_http_gate_audit_file_anchor_handler(ngx_event_t *ev);
static void ngx_http_gate_audit_file_record(ngx_http_gate_sink_t *sink,
    ngx_http_gate_event_e what);
static void ngx_http_gate_audit_file_close(ngx_http_gate_sink_t *sink);


const ngx_http_gate_sink_kind_t  ngx_http_gate_audit_file_kind = {
    NGX_HTTP_GATE_SUNK_FILE,
    "file",
    256 * 1024,
    64,
    500,
    0,
    ngx_http_gate_audit_file_start,
    ngx_http_gate_audit_file_drain,
    ngx_http_gate_audit_file_seal,
    ngx_http_gate_audit_file_close
};


ngx_http_gate_sink_t *
ngx_http_gate_audit_file(ngx_conf_t *cf, ngx_http_gate_audit_t *audit,
    ngx_str_t *path, ngx_msec_t anchor)
{
    ngx_open_file_t             *of;
    ngx_http_gate_sink_t        *sink;
    ngx_http_gate_audit_file_t  *file;

    of = ngx_conf_open_file(cf->cycle, path);
    if (of == NULL) {
        return NULL;
    }

    if (of->flush == ngx_http_gate_audit_file_flush) {
        sink = of->data;
        file = sink->data;

        if (file->anchor != anchor) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"gate_audit file %V\" has another \"chain\" "
                               "elsewhere", path);
            return NULL;
        }

        return sink;
    }

    if (of->flush || of->data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" of \"gate_audit\" is another log's file, "
                           "give it one of its own", path);
        return NULL;
    }

    sink = ngx_http_gate_sink_add(cf, audit, &ngx_http_gate_audit_file_kind,
                                  sizeof(ngx_http_gate_audit_file_t),
                                  &of->name);
    if (sink == NULL) {
        return NULL;
    }

    file = sink->data;
    file->file = of;
    file->anchor = anchor;

    of->flush = ngx_http_gate_audit_file_flush;
    of->data = sink;

    return sink;
}


static ngx_int_t
ngx_http_gate_audit_file_start(ngx_http_gate_sink_t *sink, ngx_cycle_t *cycle)
{
    ngx_http_gate_audit_file_t  *file;

    file = sink->data;
    file->fresh = 1;

    if (file->anchor == 0) {
        return NGX_OK;
    }

    ngx_memset(file->hash, '0', NGX_HTTP_GATE_HASH_LEN);

    file->event.handler = ngx_http_gate_audit_file_anchor_handler;
    file->event.data = sink;
    file->event.log = cycle->log;
    file->event.cancelable = 1;

    ngx_add_timer(&file->event, file->anchor);

    ngx_http_gate_audit_file_record(sink, NGX_HTTP_GATE_EVENT_CHAIN_BEGIN);

    return NGX_OK;
}


static void
ngx_http_gate_audit_file_drain(ngx_http_gate_sink_t *sink)
{
    ssize_t                      n;
    ngx_err_t                    err;
    struct iovec                 iov[2];
    ngx_http_gate_audit_file_t  *file;

    file = sink->data;

    if (file->fresh) {
        ngx_http_gate_audit_file_prepare(sink);
    }

    iov[0].iov_base = (void *) "\n";
    iov[0].iov_len = file->broken;
    iov[1].iov_base = sink->pos;
    iov[1].iov_len = sink->last - sink->pos;

    n = writev(file->file->fd, iov, 2);

    if (n == -1) {
        err = ngx_errno;

        ngx_http_gate_sink_stuck(sink, err == NGX_EAGAIN ? NULL
                                                         : "write() failed",
                                 err);
        return;
    }

    if (n && file->broken) {
        file->broken = 0;
        n--;
    }

    ngx_http_gate_audit_file_wrote(sink, n);
}


/* nobody waits for who reads a pipe */

static void
ngx_http_gate_audit_file_prepare(ngx_http_gate_sink_t *sink)
{
    ngx_fd_t                     fd;
    ngx_file_info_t              fi;
    ngx_http_gate_audit_file_t  *file;

    file = sink->data;
    file->fresh = 0;
    fd = file->file->fd;

    if (ngx_fd_info(fd, &fi) != NGX_FILE_ERROR && !ngx_is_file(&fi)
        && ngx_nonblocking(fd) == -1)
    {
        ngx_log_error(NGX_LOG_ERR, sink->audit->log, ngx_socket_errno,
                      "gate: audit: " ngx_nonblocking_n " \"%V\" failed",
                      &sink->name);
    }
}


/* the full lines of it; one that was cut is written once more */

static void
ngx_http_gate_audit_file_wrote(ngx_http_gate_sink_t *sink, size_t len)
{
    u_char                      *p, *last;
    size_t                       whole;
    ngx_uint_t                   lines;
    ngx_http_gate_audit_file_t  *file;

    file = sink->data;

    if (len == (size_t) (sink->last - sink->pos)) {
        ngx_http_gate_sink_free(sink);
        ngx_http_gate_sink_written(sink, len, sink->lines);
        return;
    }

    lines = 0;
    whole = 0;
    last = sink->pos + len;

    for (p = sink->pos; p < last; p++) {
        if (*p == LF) {
            lines++;
            whole = p + 1 - sink->pos;
        }
    }

    file->broken = whole != len;

    ngx_http_gate_sink_written(sink, whole, lines);
    ngx_http_gate_sink_stuck(sink, "write() wrote only a part", 0);
}


static u_char *
ngx_http_gate_audit_file_seal(ngx_http_gate_sink_t *sink, u_char *line,
    u_char *p)
{
    u_char                       digest[SHA256_DIGEST_LENGTH];
    ngx_http_gate_audit_file_t  *file;

    file = sink->data;

    if (file->anchor == 0) {
        return p;
    }

    p = ngx_sprintf(p, ",\"gate.chain.worker\":\"%V\","
                    "\"gate.chain.number\":%uL,"
                    "\"gate.chain.previous\":\"%*s\"",
                    &sink->audit->worker, ++file->number,
                    (size_t) NGX_HTTP_GATE_HASH_LEN, file->hash);

    SHA256(line, p - line, digest);
    ngx_hex_dump(file->hash, digest, SHA256_DIGEST_LENGTH);

    return ngx_sprintf(p, ",\"gate.chain.hash\":\"%*s\"",
                       (size_t) NGX_HTTP_GATE_HASH_LEN, file->hash);
}


/* the file is about to be opened anew; the master, too, comes by here */

static void
ngx_http_gate_audit_file_flush(ngx_open_file_t *of, ngx_log_t *log)
{
    ngx_http_gate_sink_t        *sink;
    ngx_http_gate_audit_file_t  *file;

    sink = of->data;
    file = sink->data;

    if (sink->start == NULL) {
        return;
    }

    if (file->anchor) {
        ngx_http_gate_audit_file_record(sink, NGX_HTTP_GATE_EVENT_CHAIN_MOVE);
    }

    if (sink->lines) {
        ngx_http_gate_audit_file_drain(sink);
    }

    /* whatever was wrong with it, the next one is another */

    file->fresh = 1;
    file->broken = 0;
    sink->stuck = 1;

    if (file->anchor) {
        ngx_http_gate_audit_file_record(sink, NGX_HTTP_GATE_EVENT_CHAIN_GO_ON);
    }
}


static void
ngx_http_gate_audit_file_anchor_handler(ngx_event_t *ev)
{
    ngx_http_gate_sink_t *sink = ev->data;

    ngx_http_gate_audit_file_t  *file;

    file = sink->data;

    ngx_http_gate_audit_file_record(sink, NGX_HTTP_GATE_EVENT_CHAIN_ANCHOR);

    if (!ngx_exiting) {
        ngx_add_timer(ev, file->anchor);
    }
}


/* a line of the chain's own, and the same to others: where it stands */

static void
ngx_http_gate_audit_file_record(ngx_http_gate_sink_t *sink,
    ngx_http_gate_event_e what)
{
    ngx_http_gate_event_t        event;
    ngx_http_gate_audit_file_t  *file;
    u_char                       words[NGX_HTTP_GATE_SEAL_MAX];

    file = sink->data;

    ngx_memzero(&event, sizeof(ngx_http_gate_event_t));

    event.what = what;
    event.subject = sink->name;

    ngx_http_gate_sink_tell(sink, &event);

    event.words.data = words;
    event.words.len = ngx_sprintf(words, "worker %V number %uL hash %*s",
                                  &sink->audit->worker, file->number,
                                  (size_t) NGX_HTTP_GATE_HASH_LEN,
                                  file->hash)
                      - words;

    ngx_http_gate_audit_others(sink->audit, &event, sink);
}


static void
ngx_http_gate_audit_file_close(ngx_http_gate_sink_t *sink)
{
    ngx_http_gate_audit_file_t  *file;

    file = sink->data;

    if (file->anchor) {
        ngx_http_gate_audit_file_record(sink, NGX_HTTP_GATE_EVENT_CHAIN_END);

        if (file->event.timer_set) {
            ngx_del_timer(&file->event);
        }
    }
}
