/*
 * The syslog sink: a datagram a line, with the header that nginx's own logs
 * have.  The socket is our own, for nginx's complains of each line that a
 * syslog does not take: here those wait in the buffer.
 */


#include "ngx_http_gate_audit_inner.h"


/* "<255>Jan 01 00:00:00 ", a host of 255, a tag of 32, and ": " */
#define NGX_HTTP_GATE_SYSLOG_HEADER  512


typedef struct {
    ngx_syslog_peer_t  peer;
    ngx_socket_t       fd;          /* -1: none */
} ngx_http_gate_audit_syslog_t;


static ngx_int_t ngx_http_gate_audit_syslog_start(ngx_http_gate_sink_t *sink,
    ngx_cycle_t *cycle);
static void ngx_http_gate_audit_syslog_drain(ngx_http_gate_sink_t *sink);
static ngx_int_t ngx_http_gate_audit_syslog_open(ngx_http_gate_sink_t *sink);
static void ngx_http_gate_audit_syslog_shut(ngx_http_gate_sink_t *sink);
static void ngx_http_gate_audit_syslog_failed(ngx_http_gate_sink_t *sink,
    size_t len, ngx_err_t err);


const ngx_http_gate_sink_kind_t  ngx_http_gate_audit_syslog_kind = {
    NGX_HTTP_GATE_SUNK_SYSLOG,
    "syslog",
    256 * 1024,
    1,
    50,
    0,
    ngx_http_gate_audit_syslog_start,
    ngx_http_gate_audit_syslog_drain,
    NULL,
    NULL
};


ngx_http_gate_sink_t *
ngx_http_gate_audit_syslog(ngx_conf_t *cf, ngx_http_gate_audit_t *audit)
{
    ngx_str_t                      name;
    ngx_http_gate_sink_t          *sink;
    ngx_http_gate_audit_syslog_t  *syslog;

    ngx_str_set(&name, "syslog");

    sink = ngx_http_gate_sink_add(cf, audit, &ngx_http_gate_audit_syslog_kind,
                                  sizeof(ngx_http_gate_audit_syslog_t),
                                  &name);
    if (sink == NULL) {
        return NULL;
    }

    syslog = sink->data;
    syslog->fd = (ngx_socket_t) -1;

    if (ngx_syslog_process_conf(cf, &syslog->peer) != NGX_CONF_OK) {
        return NULL;
    }

    sink->name = syslog->peer.server.name;

    return sink;
}


static ngx_int_t
ngx_http_gate_audit_syslog_start(ngx_http_gate_sink_t *sink,
    ngx_cycle_t *cycle)
{
    return NGX_OK;
}


static void
ngx_http_gate_audit_syslog_drain(ngx_http_gate_sink_t *sink)
{
    u_char                        *p, *last;
    ssize_t                        n;
    ngx_http_gate_audit_syslog_t  *syslog;
    u_char                         text[NGX_HTTP_GATE_SYSLOG_HEADER
                                        + NGX_HTTP_GATE_EVENT_MAX];

    syslog = sink->data;

    if (syslog->fd == (ngx_socket_t) -1
        && ngx_http_gate_audit_syslog_open(sink) != NGX_OK)
    {
        return;
    }

    while (sink->lines) {
        last = ngx_strlchr(sink->pos, sink->last, LF);

        p = ngx_syslog_add_header(&syslog->peer, text);
        p = ngx_cpymem(p, sink->pos, last - sink->pos);

        n = send(syslog->fd, text, p - text, MSG_NOSIGNAL|MSG_DONTWAIT);

        if (n == -1) {
            ngx_http_gate_audit_syslog_failed(sink, last + 1 - sink->pos,
                                              ngx_socket_errno);

            if (sink->stuck) {
                return;
            }

            continue;
        }

        ngx_http_gate_sink_free(sink);
        ngx_http_gate_sink_written(sink, last + 1 - sink->pos, 1);
    }
}


static ngx_int_t
ngx_http_gate_audit_syslog_open(ngx_http_gate_sink_t *sink)
{
    ngx_addr_t                    *server;
    ngx_http_gate_audit_syslog_t  *syslog;

    syslog = sink->data;
    server = &syslog->peer.server;

    syslog->fd = ngx_socket(server->sockaddr->sa_family, SOCK_DGRAM, 0);

    if (syslog->fd == (ngx_socket_t) -1) {
        ngx_http_gate_sink_stuck(sink, ngx_socket_n " failed",
                                 ngx_socket_errno);
        return NGX_ERROR;
    }

    if (ngx_nonblocking(syslog->fd) == -1
        || connect(syslog->fd, server->sockaddr, server->socklen) == -1)
    {
        ngx_http_gate_sink_stuck(sink, "connect() failed", ngx_socket_errno);
        ngx_http_gate_audit_syslog_shut(sink);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_gate_audit_syslog_shut(ngx_http_gate_sink_t *sink)
{
    ngx_http_gate_audit_syslog_t  *syslog;

    syslog = sink->data;

    (void) ngx_close_socket(syslog->fd);
    syslog->fd = (ngx_socket_t) -1;
}


static void
ngx_http_gate_audit_syslog_failed(ngx_http_gate_sink_t *sink, size_t len,
    ngx_err_t err)
{
    switch (err) {

    case NGX_EAGAIN:
    case ENOBUFS:

        /* its reader is behind, by some ten datagrams, or does not read */

        sink->pause = sink->pause ? ngx_min(2 * sink->pause,
                                            sink->kind->delay) : 1;

        ngx_http_gate_sink_stuck(sink, NULL, 0);
        return;

    case EMSGSIZE:

        /* this will never go */

        ngx_http_gate_sink_given_up(sink, len, 1);
        return;

    default:
        sink->pause = 0;
        ngx_http_gate_sink_stuck(sink, "send() failed", err);
        ngx_http_gate_audit_syslog_shut(sink);
    }
}
