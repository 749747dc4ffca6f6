/*
 * One connection to one server of Redis, or to a Sentinel, on which questions
 * are pipelined.  It speaks RESP2 by hiredis' formatter and reader, over
 * nginx's own events and TLS.  It believes nothing that a server says before
 * it was measured: shape, size and nesting of replies are bounded.
 *
 * It never connects by itself, and is not used again after a timeout or a
 * fault of the protocol: its owner is told, and opens it anew.
 */


#ifndef NGX_HTTP_GATE_LINK_H_INCLUDED
#define NGX_HTTP_GATE_LINK_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>

#include "ngx_http_gate_replies.h"


/* who is greeted: must it be the primary, is it a Sentinel? */
#define NGX_HTTP_GATE_GREET_PRIMARY   0x01
#define NGX_HTTP_GATE_GREET_SENTINEL  0x02


/* A server was lost, for some reason, or is connected; 0: the only one. */
typedef void (*ngx_http_gate_link_news_pt)(void *data, uint64_t server,
    ngx_uint_t up, const char *why);


/* how it was last, for who wants to know later; a worker's own */

typedef struct {
    time_t              since;              /* 0: from the beginning */
    time_t              lost;               /* when it was last; 0: never */
    char                why[64];
} ngx_http_gate_link_told_t;


typedef struct {
    ngx_str_t           username;           /* empty: none */
    ngx_str_t           password;           /* empty: none */
    ngx_uint_t          database;
    ngx_msec_t          connect_timeout;
    ngx_msec_t          timeout;            /* of one question */
    ngx_uint_t          queue;              /* questions under way, at most */
    ngx_uint_t          wait_replicas;      /* that have what is sure */
    ngx_ssl_t          *ssl;                /* NULL: no TLS */
    ngx_flag_t          ssl_verify;
    ngx_str_t           ssl_name;           /* empty: the server's host */
    ngx_http_gate_link_news_pt  news;       /* a worker's; NULL: nobody asks */
    void               *news_data;
    ngx_http_gate_link_told_t  told;
} ngx_http_gate_link_conf_t;


/* where a server is */

typedef struct {
    ngx_str_t           host;               /* as nginx.conf has it */
    ngx_str_t           name;               /* of the address, for logs */
    ngx_sockaddr_t      sockaddr;
    socklen_t           socklen;
} ngx_http_gate_server_t;


/* one that a server names, with its strings */

typedef struct {
    ngx_http_gate_server_t  server;
    u_char                  host[NGX_SOCKADDR_STRLEN];
    u_char                  name[NGX_SOCKADDR_STRLEN];
} ngx_http_gate_named_t;


typedef struct ngx_http_gate_link_s  ngx_http_gate_link_t;


/*
 * The end of a question.  reply is NULL if there is none: a timeout, a lost
 * connection, a fault of the protocol.  It is freed after the call.
 */
typedef void (*ngx_http_gate_link_handler_pt)(void *data, redisReply *reply);


/* Who uses a link; each of these may close it, and open it again. */

typedef struct {

    /* it was let in: questions go out now */
    void              (*ready)(void *data);

    /*
     * Why it ended.  idle: it was ready, and nobody waited for anything.
     * again: no question was sent yet; NGX_AGAIN keeps them for another
     * server, which the owner opens.  Otherwise they are answered after this.
     */
    ngx_int_t         (*lost)(void *data, const char *why, ngx_err_t err,
                              ngx_uint_t idle, ngx_uint_t again);

    /* what nobody asked for; NULL: that is a fault.  NGX_ERROR: so is this */
    ngx_int_t         (*message)(void *data, redisReply *reply);

    void               *data;
} ngx_http_gate_link_owner_t;


/* Once per worker; connects to nobody yet.  NULL: no memory. */
ngx_http_gate_link_t *ngx_http_gate_link_create(ngx_pool_t *pool,
    ngx_http_gate_link_conf_t *conf, const ngx_http_gate_link_owner_t *owner,
    ngx_log_t *log);

/*
 * Begins to connect; it must be away.  What the server's strings point to must
 * last as long.  quiet: nginx does not log what is wrong with TLS.  NGX_OK: the
 * owner will hear how it went.  NGX_DECLINED: it went wrong at once, errno
 * says why.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_link_open(ngx_http_gate_link_t *link,
    const ngx_http_gate_server_t *server, ngx_uint_t greeting,
    ngx_uint_t quiet);

/*
 * Keeps a command, and sends it as soon as the link is ready.  sure: there is
 * no reply unless as many replicas as wait_replicas have what it wrote.
 * NGX_OK: the handler will be called exactly once, later, never from inside
 * this call.  NGX_BUSY: the queue is full.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_link_ask(ngx_http_gate_link_t *link, ngx_uint_t argc,
    const ngx_str_t *argv, ngx_uint_t sure,
    ngx_http_gate_link_handler_pt handler, void *data);

/* Is it connected and let in?  Is it not even being connected? */
ngx_uint_t ngx_http_gate_link_ready(const ngx_http_gate_link_t *link);
ngx_uint_t ngx_http_gate_link_away(const ngx_http_gate_link_t *link);

/* Where it is, or was last. */
const ngx_http_gate_server_t *ngx_http_gate_link_server(
    const ngx_http_gate_link_t *link);

/* Tells whoever wants to know, and keeps it in conf->told. */
void ngx_http_gate_link_news(ngx_http_gate_link_conf_t *conf,
    uint64_t server, ngx_uint_t up, const char *why);

/* A log that names the server. */
ngx_log_t *ngx_http_gate_link_log(ngx_http_gate_link_t *link);

/* Ends it, tells the owner why, and answers what is under way with NULL. */
void ngx_http_gate_link_fail(ngx_http_gate_link_t *link, const char *why);

/* Ends it, tells nobody, and answers what is under way with NULL. */
void ngx_http_gate_link_close(ngx_http_gate_link_t *link);


#endif /* NGX_HTTP_GATE_LINK_H_INCLUDED */
