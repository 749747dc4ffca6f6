/*
 * The life of a connection: _open, _connected, a handshake if it is TLS, _greet
 * (AUTH, SELECT, CLIENT SETNAME, ROLE), ready, _end.  What is asked meanwhile
 * goes out when the greeting was answered: what is meant for one database must
 * not be written to another.  Every way ends in _end(), which answers all that
 * is under way.
 */


#include "ngx_http_gate_link.h"
#include "ngx_http_gate_topology.h"


/* arguments of a command */
#define NGX_HTTP_GATE_LINK_ARGS      1024

/* of what is kept to be sent, and read at once */
#define NGX_HTTP_GATE_LINK_OUT       (8 * 1024 * 1024)
#define NGX_HTTP_GATE_LINK_READ      (16 * 1024)

/* of why it ended */
#define NGX_HTTP_GATE_LINK_WHY       512


typedef enum {
    NGX_HTTP_GATE_LINK_AWAY = 0,
    NGX_HTTP_GATE_LINK_CONNECTING,
    NGX_HTTP_GATE_LINK_HANDSHAKE,
    NGX_HTTP_GATE_LINK_GREETING,
    NGX_HTTP_GATE_LINK_READY
} ngx_http_gate_link_state_e;


/* what a greeting says, in this order, each said or not */

typedef enum {
    NGX_HTTP_GATE_LINK_AUTH = 0,
    NGX_HTTP_GATE_LINK_SELECT,
    NGX_HTTP_GATE_LINK_SETNAME,
    NGX_HTTP_GATE_LINK_ROLE
} ngx_http_gate_link_greeting_e;


typedef struct {
    ngx_queue_t                      queue;
    ngx_http_gate_link_handler_pt    handler;
    void                            *data;
    ngx_msec_t                       deadline;
    ngx_uint_t                       sure;      /* WAIT was asked after it */
    redisReply                      *reply;     /* kept until that is said */
} ngx_http_gate_link_question_t;


typedef struct {
    u_char                          *data;
    size_t                           pos;
    size_t                           len;
    size_t                           size;
} ngx_http_gate_link_buffer_t;


struct ngx_http_gate_link_s {
    ngx_http_gate_link_conf_t       *conf;
    ngx_http_gate_link_owner_t       owner;
    ngx_http_gate_link_state_e       state;
    ngx_peer_connection_t            peer;
    ngx_uint_t                       ended;     /* connections, so far */
    ngx_http_gate_server_t           server;
    ngx_http_gate_replies_t          replies;
    ngx_queue_t                      questions; /* oldest first */
    ngx_uint_t                       asked;
    ngx_http_gate_link_buffer_t      greeting;
    ngx_uint_t                       greets;    /* NGX_HTTP_GATE_GREET_.. */
    ngx_uint_t                       said;      /* bits: of a greeting */
    ngx_uint_t                       heard;     /* the next to be answered */
    ngx_http_gate_link_buffer_t      out;
    ngx_event_t                      timer;     /* the oldest's deadline */
    ngx_ssl_session_t               *session;
    ngx_uint_t                       lagging;   /* replicas do, it was said */
    u_char                          *in;
    u_char                           why[NGX_HTTP_GATE_LINK_WHY];
    ngx_log_t                        log;
    ngx_log_t                        quiet;
};


static void ngx_http_gate_link_free(void *data);
static void ngx_http_gate_link_reset(ngx_http_gate_link_buffer_t *buffer);
static ngx_int_t ngx_http_gate_link_greet(ngx_http_gate_link_t *link,
    ngx_uint_t greeting);
static ngx_int_t ngx_http_gate_link_format(
    ngx_http_gate_link_buffer_t *buffer, ngx_uint_t argc,
    const ngx_str_t *argv, ngx_log_t *log);
static void ngx_http_gate_link_write_handler(ngx_event_t *wev);
static void ngx_http_gate_link_connected(ngx_http_gate_link_t *link);
static ngx_int_t ngx_http_gate_link_test_connect(ngx_connection_t *c);
static void ngx_http_gate_link_handshake(ngx_http_gate_link_t *link);
static void ngx_http_gate_link_handshaked(ngx_connection_t *c);
static void ngx_http_gate_link_save_session(ngx_connection_t *c);
static ngx_int_t ngx_http_gate_link_flush(ngx_http_gate_link_t *link,
    ngx_http_gate_link_buffer_t *buffer);
static void ngx_http_gate_link_read_handler(ngx_event_t *rev);
static ngx_int_t ngx_http_gate_link_process(ngx_http_gate_link_t *link);
static ngx_int_t ngx_http_gate_link_greeted(ngx_http_gate_link_t *link,
    redisReply *reply);
static ngx_int_t ngx_http_gate_link_heard(ngx_http_gate_link_t *link,
    redisReply *reply);
static ngx_int_t ngx_http_gate_link_wait(ngx_http_gate_link_t *link);
static ngx_uint_t ngx_http_gate_link_answer(ngx_http_gate_link_t *link,
    redisReply *reply);
static ngx_uint_t ngx_http_gate_link_moved(const redisReply *reply);
static redisReply *ngx_http_gate_link_sure(ngx_http_gate_link_t *link,
    redisReply *reply, redisReply *replicas);
static void ngx_http_gate_link_timer_handler(ngx_event_t *ev);
static void ngx_http_gate_link_schedule(ngx_http_gate_link_t *link);
static void ngx_http_gate_link_end(ngx_http_gate_link_t *link,
    const char *why, ngx_uint_t again);
static void ngx_http_gate_link_disconnect(ngx_http_gate_link_t *link);
static u_char *ngx_http_gate_link_log_handler(ngx_log_t *log, u_char *buf,
    size_t len);


ngx_http_gate_link_t *
ngx_http_gate_link_create(ngx_pool_t *pool, ngx_http_gate_link_conf_t *conf,
    const ngx_http_gate_link_owner_t *owner, ngx_log_t *log)
{
    ngx_pool_cleanup_t    *cln;
    ngx_http_gate_link_t  *link;

    cln = ngx_pool_cleanup_add(pool, sizeof(ngx_http_gate_link_t));
    if (cln == NULL) {
        return NULL;
    }

    link = cln->data;
    ngx_memzero(link, sizeof(ngx_http_gate_link_t));

    cln->handler = ngx_http_gate_link_free;

    link->in = ngx_pnalloc(pool, NGX_HTTP_GATE_LINK_READ);
    if (link->in == NULL) {
        return NULL;
    }

    link->conf = conf;
    link->owner = *owner;

    ngx_queue_init(&link->questions);

    link->log = *log;
    link->log.handler = ngx_http_gate_link_log_handler;
    link->log.data = link;
    link->log.action = NULL;

    link->quiet = link->log;
    link->quiet.log_level = NGX_LOG_ALERT;

    link->timer.handler = ngx_http_gate_link_timer_handler;
    link->timer.data = link;
    link->timer.log = &link->log;

    return link;
}


/* closed it is already: what it keeps from one connection to the next */

static void
ngx_http_gate_link_free(void *data)
{
    ngx_http_gate_link_t  *link = data;

    if (link->greeting.data) {
        ngx_free(link->greeting.data);
    }

    if (link->out.data) {
        ngx_free(link->out.data);
    }

    if (link->session) {
        ngx_ssl_free_session(link->session);
    }
}


ngx_int_t
ngx_http_gate_link_open(ngx_http_gate_link_t *link,
    const ngx_http_gate_server_t *server, ngx_uint_t greeting,
    ngx_uint_t quiet)
{
    ngx_int_t          rc;
    ngx_pool_t        *pool;
    ngx_connection_t  *c;

    /* a session is one server's */

    if (link->session
        && ngx_cmp_sockaddr(&link->server.sockaddr.sockaddr,
                            link->server.socklen,
                            (struct sockaddr *) &server->sockaddr,
                            server->socklen, 1)
           != NGX_OK)
    {
        ngx_ssl_free_session(link->session);
        link->session = NULL;
    }

    link->server = *server;

    if (ngx_http_gate_replies_open(&link->replies) != NGX_OK
        || ngx_http_gate_link_greet(link, greeting) != NGX_OK)
    {
        return NGX_ERROR;
    }

    pool = ngx_create_pool(512, &link->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&link->peer, sizeof(ngx_peer_connection_t));

    link->peer.sockaddr = &link->server.sockaddr.sockaddr;
    link->peer.socklen = link->server.socklen;
    link->peer.name = &link->server.name;
    link->peer.get = ngx_event_get_peer;
    link->peer.log = &link->quiet;
    link->peer.log_error = NGX_ERROR_ERR;

    rc = ngx_event_connect_peer(&link->peer);

    if (rc == NGX_ERROR || rc == NGX_BUSY || rc == NGX_DECLINED) {
        ngx_destroy_pool(pool);
        return NGX_DECLINED;
    }

    c = link->peer.connection;

    c->data = link;
    c->pool = pool;
    c->log = quiet ? &link->quiet : &link->log;
    c->read->log = c->log;
    c->write->log = c->log;
    c->read->handler = ngx_http_gate_link_read_handler;
    c->write->handler = ngx_http_gate_link_write_handler;

    link->state = NGX_HTTP_GATE_LINK_CONNECTING;

    ngx_add_timer(c->write, link->conf->connect_timeout);

    if (rc == NGX_OK) {
        ngx_post_event(c->write, &ngx_posted_events);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_gate_link_ask(ngx_http_gate_link_t *link, ngx_uint_t argc,
    const ngx_str_t *argv, ngx_uint_t sure,
    ngx_http_gate_link_handler_pt handler, void *data)
{
    size_t                          len;
    ngx_http_gate_link_question_t  *question;

    if (link->asked >= link->conf->queue
        || link->out.len - link->out.pos >= NGX_HTTP_GATE_LINK_OUT)
    {
        return NGX_BUSY;
    }

    question = ngx_alloc(sizeof(ngx_http_gate_link_question_t), &link->log);
    if (question == NULL) {
        return NGX_ERROR;
    }

    sure = sure && link->conf->wait_replicas;
    len = link->out.len - link->out.pos;

    if (ngx_http_gate_link_format(&link->out, argc, argv, &link->log)
        != NGX_OK
        || (sure && ngx_http_gate_link_wait(link) != NGX_OK))
    {
        link->out.len = link->out.pos + len;
        ngx_free(question);
        return NGX_ERROR;
    }

    question->handler = handler;
    question->data = data;
    question->sure = sure;
    question->reply = NULL;
    question->deadline = ngx_current_msec + link->conf->timeout;

    if (link->state != NGX_HTTP_GATE_LINK_READY) {
        question->deadline += link->conf->connect_timeout;
    }

    ngx_queue_insert_tail(&link->questions, &question->queue);

    if (link->asked++ == 0) {
        ngx_http_gate_link_schedule(link);
    }

    /* all that is asked in this turn of the event loop goes out at once */

    if (link->state == NGX_HTTP_GATE_LINK_READY
        && link->peer.connection->write->ready)
    {
        ngx_post_event(link->peer.connection->write, &ngx_posted_events);
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_gate_link_ready(const ngx_http_gate_link_t *link)
{
    return link->state == NGX_HTTP_GATE_LINK_READY;
}


ngx_uint_t
ngx_http_gate_link_away(const ngx_http_gate_link_t *link)
{
    return link->state == NGX_HTTP_GATE_LINK_AWAY;
}


const ngx_http_gate_server_t *
ngx_http_gate_link_server(const ngx_http_gate_link_t *link)
{
    return &link->server;
}


void
ngx_http_gate_link_news(ngx_http_gate_link_conf_t *conf, uint64_t server,
    ngx_uint_t up, const char *why)
{
    conf->told.since = ngx_time();

    if (!up) {
        conf->told.lost = ngx_time();
        (void) ngx_cpystrn((u_char *) conf->told.why, (u_char *) why,
                           sizeof(conf->told.why));
    }

    if (conf->news) {
        conf->news(conf->news_data, server, up, why);
    }
}


ngx_log_t *
ngx_http_gate_link_log(ngx_http_gate_link_t *link)
{
    return &link->log;
}


void
ngx_http_gate_link_close(ngx_http_gate_link_t *link)
{
    ngx_http_gate_link_end(link, NULL, 0);
}


void
ngx_http_gate_link_fail(ngx_http_gate_link_t *link, const char *why)
{
    ngx_set_socket_errno(0);
    ngx_http_gate_link_end(link, why, 1);
}


static ngx_int_t
ngx_http_gate_link_greet(ngx_http_gate_link_t *link, ngx_uint_t greeting)
{
    u_char      number[NGX_INT_T_LEN];
    ngx_int_t   rc;
    ngx_str_t   argv[3];
    ngx_uint_t  n;

    ngx_http_gate_link_reset(&link->greeting);

    link->greets = greeting;
    link->said = 1 << NGX_HTTP_GATE_LINK_SETNAME;
    link->heard = 0;
    rc = NGX_OK;

    if (link->conf->password.len) {
        n = 0;
        ngx_str_set(&argv[n], "AUTH");
        n++;

        if (link->conf->username.len) {
            argv[n++] = link->conf->username;
        }

        argv[n++] = link->conf->password;

        rc |= ngx_http_gate_link_format(&link->greeting, n, argv, &link->log);
        link->said |= 1 << NGX_HTTP_GATE_LINK_AUTH;
    }

    if (link->conf->database && !(greeting & NGX_HTTP_GATE_GREET_SENTINEL)) {
        ngx_str_set(&argv[0], "SELECT");
        argv[1].data = number;
        argv[1].len = ngx_sprintf(number, "%ui", link->conf->database)
                      - number;

        rc |= ngx_http_gate_link_format(&link->greeting, 2, argv, &link->log);
        link->said |= 1 << NGX_HTTP_GATE_LINK_SELECT;
    }

    ngx_str_set(&argv[0], "CLIENT");
    ngx_str_set(&argv[1], "SETNAME");
    ngx_str_set(&argv[2], "nginx-gate");

    rc |= ngx_http_gate_link_format(&link->greeting, 3, argv, &link->log);

    if (greeting & NGX_HTTP_GATE_GREET_PRIMARY) {
        ngx_str_set(&argv[0], "ROLE");

        rc |= ngx_http_gate_link_format(&link->greeting, 1, argv, &link->log);
        link->said |= 1 << NGX_HTTP_GATE_LINK_ROLE;
    }

    return rc;
}


/* appends a command */

static ngx_int_t
ngx_http_gate_link_format(ngx_http_gate_link_buffer_t *buffer,
    ngx_uint_t argc, const ngx_str_t *argv, ngx_log_t *log)
{
    size_t       len, size;
    u_char      *data, *p;
    ngx_uint_t   i;

    if (argc > NGX_HTTP_GATE_LINK_ARGS) {
        return NGX_ERROR;
    }

    len = sizeof("*" CRLF) + NGX_INT_T_LEN;

    for (i = 0; i < argc; i++) {
        len += sizeof("$" CRLF CRLF) + NGX_SIZE_T_LEN + argv[i].len;
    }

    if (buffer->pos) {
        ngx_memmove(buffer->data, buffer->data + buffer->pos,
                    buffer->len - buffer->pos);
        buffer->len -= buffer->pos;
        buffer->pos = 0;
    }

    if (buffer->len + len > buffer->size) {
        size = ngx_max(2 * buffer->size, buffer->len + len);

        data = ngx_alloc(size, log);
        if (data == NULL) {
            return NGX_ERROR;
        }

        if (buffer->data) {
            ngx_memcpy(data, buffer->data, buffer->len);
            ngx_free(buffer->data);
        }

        buffer->data = data;
        buffer->size = size;
    }

    /* hiredis' formatter took four times what all else of a question does */

    p = ngx_sprintf(buffer->data + buffer->len, "*%ui" CRLF, argc);

    for (i = 0; i < argc; i++) {
        p = ngx_sprintf(p, "$%uz" CRLF, argv[i].len);

        if (argv[i].len) {
            p = ngx_cpymem(p, argv[i].data, argv[i].len);
        }

        *p++ = CR;
        *p++ = LF;
    }

    buffer->len = p - buffer->data;

    return NGX_OK;
}


static void
ngx_http_gate_link_write_handler(ngx_event_t *wev)
{
    ngx_connection_t      *c;
    ngx_http_gate_link_t  *link;

    c = wev->data;
    link = c->data;

    if (wev->timedout) {
        ngx_http_gate_link_fail(link, "connecting timed out");
        return;
    }

    if (link->state == NGX_HTTP_GATE_LINK_CONNECTING) {
        ngx_http_gate_link_connected(link);
        return;
    }

    if (ngx_http_gate_link_flush(link, &link->greeting) == NGX_ERROR
        || (link->state == NGX_HTTP_GATE_LINK_READY
            && ngx_http_gate_link_flush(link, &link->out) == NGX_ERROR)
        || ngx_handle_write_event(wev, 0) != NGX_OK
        || ngx_handle_read_event(c->read, 0) != NGX_OK)
    {
        ngx_http_gate_link_end(link, "writing failed", 1);
    }
}


static void
ngx_http_gate_link_connected(ngx_http_gate_link_t *link)
{
    ngx_connection_t  *c;

    c = link->peer.connection;

    if (ngx_http_gate_link_test_connect(c) != NGX_OK) {
        ngx_http_gate_link_end(link, "connect() failed", 1);
        return;
    }

    if (link->peer.sockaddr->sa_family != AF_UNIX) {
        (void) ngx_tcp_nodelay(c);
    }

    if (link->conf->ssl) {
        link->state = NGX_HTTP_GATE_LINK_HANDSHAKE;
        ngx_http_gate_link_handshake(link);
        return;
    }

    link->state = NGX_HTTP_GATE_LINK_GREETING;
    ngx_http_gate_link_write_handler(c->write);
}


static ngx_int_t
ngx_http_gate_link_test_connect(ngx_connection_t *c)
{
    int        err;
    socklen_t  len;

    err = 0;
    len = sizeof(int);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    if (err) {
        ngx_set_socket_errno(err);
        return NGX_ERROR;
    }

    ngx_set_socket_errno(0);

    return NGX_OK;
}


static void
ngx_http_gate_link_handshake(ngx_http_gate_link_t *link)
{
    ngx_int_t          rc;
    ngx_str_t         *name;
    ngx_connection_t  *c;

    c = link->peer.connection;
    name = link->conf->ssl_name.len ? &link->conf->ssl_name
                                    : &link->server.host;

    if (ngx_ssl_create_connection(link->conf->ssl, c, NGX_SSL_CLIENT)
        != NGX_OK)
    {
        ngx_http_gate_link_fail(link, "TLS failed");
        return;
    }

    c->ssl->save_session = ngx_http_gate_link_save_session;

    /* an address is no name: RFC 6066 */

    if (name->len < NGX_HTTP_GATE_LINK_WHY
        && ngx_inet_addr(name->data, name->len) == INADDR_NONE
        && ngx_strlchr(name->data, name->data + name->len, ':') == NULL)
    {
        ngx_cpystrn(link->why, name->data, name->len + 1);
        (void) SSL_set_tlsext_host_name(c->ssl->connection,
                                        (char *) link->why);
    }

    if (link->session) {
        (void) ngx_ssl_set_session(c, link->session);
    }

    rc = ngx_ssl_handshake(c);

    if (rc == NGX_AGAIN) {
        c->ssl->handler = ngx_http_gate_link_handshaked;
        return;
    }

    ngx_http_gate_link_handshaked(c);
}


/* who is not what it should be is told nothing */

static void
ngx_http_gate_link_handshaked(ngx_connection_t *c)
{
    long                   rc;
    ngx_str_t             *name;
    ngx_http_gate_link_t  *link;

    link = c->data;
    name = link->conf->ssl_name.len ? &link->conf->ssl_name
                                    : &link->server.host;

    if (!c->ssl->handshaked) {
        ngx_http_gate_link_fail(link, c->write->timedout
                                      ? "connecting timed out"
                                      : "the TLS handshake failed");
        return;
    }

    rc = link->conf->ssl_verify ? SSL_get_verify_result(c->ssl->connection)
                                : X509_V_OK;

    if (rc != X509_V_OK) {
        ngx_snprintf(link->why, NGX_HTTP_GATE_LINK_WHY,
                     "its certificate does not verify: %s%Z",
                     X509_verify_cert_error_string(rc));
        ngx_http_gate_link_fail(link, (char *) link->why);
        return;
    }

    if (link->conf->ssl_verify && ngx_ssl_check_host(c, name) != NGX_OK) {
        ngx_snprintf(link->why, NGX_HTTP_GATE_LINK_WHY,
                     "its certificate is not for \"%V\"%Z", name);
        ngx_http_gate_link_fail(link, (char *) link->why);
        return;
    }

    c->read->handler = ngx_http_gate_link_read_handler;
    c->write->handler = ngx_http_gate_link_write_handler;

    link->state = NGX_HTTP_GATE_LINK_GREETING;

    ngx_http_gate_link_write_handler(c->write);
}


static void
ngx_http_gate_link_save_session(ngx_connection_t *c)
{
    ngx_ssl_session_t     *session;
    ngx_http_gate_link_t  *link;

    link = c->data;
    session = ngx_ssl_get_session(c);

    if (session) {

        if (link->session) {
            ngx_ssl_free_session(link->session);
        }

        link->session = session;
    }
}


/* NGX_AGAIN: the rest goes when the socket is writable */

static ngx_int_t
ngx_http_gate_link_flush(ngx_http_gate_link_t *link,
    ngx_http_gate_link_buffer_t *buffer)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = link->peer.connection;

    while (buffer->pos < buffer->len) {
        n = c->send(c, buffer->data + buffer->pos, buffer->len - buffer->pos);

        if (n == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        if (n <= 0) {
            return NGX_ERROR;
        }

        buffer->pos += n;
    }

    buffer->pos = 0;
    buffer->len = 0;

    return NGX_OK;
}


static void
ngx_http_gate_link_read_handler(ngx_event_t *rev)
{
    ssize_t                n;
    ngx_uint_t             ended;
    ngx_connection_t      *c;
    ngx_http_gate_link_t  *link;

    c = rev->data;
    link = c->data;
    ended = link->ended;

    /* whoever connects is told by the write event; nobody may speak first */

    if (link->state == NGX_HTTP_GATE_LINK_CONNECTING) {
        ngx_post_event(c->write, &ngx_posted_events);
        return;
    }

    for ( ;; ) {
        n = c->recv(c, link->in, NGX_HTTP_GATE_LINK_READ);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n == 0) {
            ngx_http_gate_link_fail(link, "closed by the server");
            return;
        }

        if (n == NGX_ERROR) {
            ngx_http_gate_link_end(link, "reading failed", 1);
            return;
        }

        if (ngx_http_gate_replies_feed(&link->replies, link->in, n) != NGX_OK
            || ngx_http_gate_link_process(link) != NGX_OK)
        {
            ngx_http_gate_link_fail(link, "a reply could not be understood");
            return;
        }

        if (link->ended != ended) {
            return;
        }
    }

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_http_gate_link_end(link, "reading failed", 1);
    }
}


static ngx_int_t
ngx_http_gate_link_process(ngx_http_gate_link_t *link)
{
    ngx_int_t    rc;
    ngx_uint_t   ended;
    redisReply  *reply;

    ended = link->ended;

    for ( ;; ) {
        rc = ngx_http_gate_replies_next(&link->replies, &reply);

        if (rc != NGX_OK || reply == NULL) {
            return rc;
        }

        if (link->state == NGX_HTTP_GATE_LINK_GREETING) {
            rc = ngx_http_gate_link_greeted(link, reply);

        } else if (!ngx_queue_empty(&link->questions)) {
            if (ngx_http_gate_link_answer(link, reply)) {
                continue;
            }

        } else {
            rc = link->owner.message
                 ? link->owner.message(link->owner.data, reply) : NGX_ERROR;
        }

        freeReplyObject(reply);

        /*
         * Its owner may have ended it, or opened another, which may well have
         * the same ngx_connection_t.
         */

        if (rc != NGX_OK || link->ended != ended) {
            return rc;
        }
    }
}


static ngx_int_t
ngx_http_gate_link_greeted(ngx_http_gate_link_t *link, redisReply *reply)
{
    ngx_uint_t         ended;
    ngx_connection_t  *c;

    ended = link->ended;
    c = link->peer.connection;

    if (ngx_http_gate_link_heard(link, reply) != NGX_OK) {
        return NGX_ERROR;
    }

    if (link->ended != ended || link->said >> ++link->heard) {
        return NGX_OK;
    }

    link->state = NGX_HTTP_GATE_LINK_READY;

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    c->log = &link->log;
    c->read->log = c->log;
    c->write->log = c->log;

    link->owner.ready(link->owner.data);

    if (link->ended == ended) {
        ngx_post_event(c->write, &ngx_posted_events);
    }

    return NGX_OK;
}


/*
 * AUTH, SELECT and ROLE must be answered well.  The name is for Redis' own log
 * only, but the answer tells whether we are let in at all: a Sentinel mostly
 * has no users.
 */

static ngx_int_t
ngx_http_gate_link_heard(ngx_http_gate_link_t *link, redisReply *reply)
{
    ngx_int_t  rc;

    while (!(link->said & (1 << link->heard))) {
        link->heard++;
    }

    if (reply->type == REDIS_REPLY_ERROR) {

        if ((link->heard == NGX_HTTP_GATE_LINK_SETNAME
             && ngx_strncmp(reply->str, "NOAUTH", sizeof("NOAUTH") - 1) != 0)
            || (link->heard == NGX_HTTP_GATE_LINK_AUTH
                && (link->greets & NGX_HTTP_GATE_GREET_SENTINEL)))
        {
            return NGX_OK;
        }

        ngx_snprintf(link->why, NGX_HTTP_GATE_LINK_WHY,
                     "it refuses us: \"%*s\"%Z",
                     (size_t) ngx_min(reply->len, 256), reply->str);
        ngx_http_gate_link_fail(link, (char *) link->why);
        return NGX_OK;
    }

    if (link->heard != NGX_HTTP_GATE_LINK_ROLE) {
        return reply->type == REDIS_REPLY_STATUS ? NGX_OK : NGX_ERROR;
    }

    rc = ngx_http_gate_topology_role(reply);

    if (rc == NGX_DECLINED) {
        ngx_http_gate_link_fail(link, "it is not the primary");
        return NGX_OK;
    }

    return rc;
}


/* all that was written on this connection is in so many replicas */

static ngx_int_t
ngx_http_gate_link_wait(ngx_http_gate_link_t *link)
{
    u_char     replicas[NGX_INT_T_LEN], ms[NGX_INT_T_LEN];
    ngx_str_t  argv[3];

    ngx_str_set(&argv[0], "WAIT");

    argv[1].data = replicas;
    argv[1].len = ngx_sprintf(replicas, "%ui", link->conf->wait_replicas)
                  - replicas;

    /* 0 would be for ever */

    argv[2].data = ms;
    argv[2].len = ngx_sprintf(ms, "%M", ngx_max(link->conf->timeout / 2, 1))
                  - ms;

    return ngx_http_gate_link_format(&link->out, 3, argv, &link->log);
}


/* 1: the reply is kept */

static ngx_uint_t
ngx_http_gate_link_answer(ngx_http_gate_link_t *link, redisReply *reply)
{
    ngx_uint_t                      ended, moved;
    redisReply                     *first;
    ngx_queue_t                    *q;
    ngx_http_gate_link_question_t  *question;

    ended = link->ended;

    q = ngx_queue_head(&link->questions);
    question = ngx_queue_data(q, ngx_http_gate_link_question_t, queue);

    if (question->sure && question->reply == NULL) {
        question->reply = reply;
        return 1;
    }

    ngx_queue_remove(q);
    link->asked--;

    ngx_http_gate_link_schedule(link);

    first = question->reply;

    if (first) {
        reply = ngx_http_gate_link_sure(link, first, reply);
    }

    moved = reply && reply->type == REDIS_REPLY_ERROR
            && ngx_http_gate_link_moved(reply);

    question->handler(question->data, reply);

    if (first) {
        freeReplyObject(first);
    }

    ngx_free(question);

    if (moved && link->ended == ended
        && (link->greets & NGX_HTTP_GATE_GREET_PRIMARY))
    {
        ngx_http_gate_link_fail(link, "it is not the primary any more");
    }

    return 0;
}


/* what was granted may be forgotten: then it is as if nobody had answered */

static redisReply *
ngx_http_gate_link_sure(ngx_http_gate_link_t *link, redisReply *reply,
    redisReply *replicas)
{
    ngx_uint_t  n;

    n = link->conf->wait_replicas;

    if (replicas->type == REDIS_REPLY_INTEGER
        && replicas->integer >= (long long) n)
    {
        if (link->lagging) {
            link->lagging = 0;
            ngx_log_error(NGX_LOG_NOTICE, &link->log, 0,
                          "gate: redis has %ui replicas again", n);
        }

        return reply;
    }

    if (!link->lagging) {
        link->lagging = 1;
        ngx_log_error(NGX_LOG_ERR, &link->log, 0,
                      "gate: less than %ui replicas have what redis "
                      "granted: it does not count as granted", n);
    }

    return reply->type == REDIS_REPLY_ERROR ? reply : NULL;
}


static ngx_uint_t
ngx_http_gate_link_moved(const redisReply *reply)
{
    return ngx_strncmp(reply->str, "READONLY", sizeof("READONLY") - 1) == 0
           || ngx_strncmp(reply->str, "MASTERDOWN",
                          sizeof("MASTERDOWN") - 1)
              == 0;
}


static void
ngx_http_gate_link_timer_handler(ngx_event_t *ev)
{
    ngx_set_socket_errno(0);
    ngx_http_gate_link_end(ev->data, "no answer in time", 0);
}


/* the timer is the oldest question's */

static void
ngx_http_gate_link_schedule(ngx_http_gate_link_t *link)
{
    ngx_msec_int_t                   left;
    ngx_http_gate_link_question_t  *question;

    if (link->timer.timer_set) {
        ngx_del_timer(&link->timer);
    }

    if (ngx_queue_empty(&link->questions)) {
        return;
    }

    question = ngx_queue_data(ngx_queue_head(&link->questions),
                              ngx_http_gate_link_question_t, queue);

    left = (ngx_msec_int_t) (question->deadline - ngx_current_msec);

    ngx_add_timer(&link->timer, left > 0 ? (ngx_msec_t) left : 1);
}


/* the end of a connection, and of what was asked on it */

static void
ngx_http_gate_link_end(ngx_http_gate_link_t *link, const char *why,
    ngx_uint_t again)
{
    ngx_err_t                       err;
    ngx_uint_t                      ready;
    ngx_queue_t                     failed, *q;
    ngx_http_gate_link_question_t  *question;

    err = ngx_socket_errno;
    ready = link->state == NGX_HTTP_GATE_LINK_READY;

    ngx_http_gate_link_disconnect(link);

    if (why
        && link->owner.lost(link->owner.data, why, err,
                            ready && link->asked == 0, again && !ready)
           == NGX_AGAIN)
    {
        return;
    }

    if (link->timer.timer_set) {
        ngx_del_timer(&link->timer);
    }

    ngx_http_gate_link_reset(&link->out);
    ngx_queue_init(&failed);

    if (link->asked) {
        ngx_queue_add(&failed, &link->questions);
        ngx_queue_init(&link->questions);
        link->asked = 0;
    }

    while (!ngx_queue_empty(&failed)) {
        q = ngx_queue_head(&failed);
        question = ngx_queue_data(q, ngx_http_gate_link_question_t, queue);

        ngx_queue_remove(q);

        question->handler(question->data, NULL);

        if (question->reply) {
            freeReplyObject(question->reply);
        }

        ngx_free(question);
    }
}


static void
ngx_http_gate_link_disconnect(ngx_http_gate_link_t *link)
{
    ngx_pool_t        *pool;
    ngx_connection_t  *c;

    c = link->peer.connection;

    if (c) {
        pool = c->pool;

        if (c->ssl) {
            c->ssl->no_wait_shutdown = 1;
            c->ssl->no_send_shutdown = 1;
            (void) ngx_ssl_shutdown(c);
        }

        ngx_close_connection(c);
        ngx_destroy_pool(pool);
        link->peer.connection = NULL;
        link->ended++;
    }

    ngx_http_gate_replies_close(&link->replies);

    link->state = NGX_HTTP_GATE_LINK_AWAY;
}


static void
ngx_http_gate_link_reset(ngx_http_gate_link_buffer_t *buffer)
{
    buffer->pos = 0;
    buffer->len = 0;
}


static u_char *
ngx_http_gate_link_log_handler(ngx_log_t *log, u_char *buf, size_t len)
{
    ngx_http_gate_link_t  *link;

    link = log->data;

    return ngx_snprintf(buf, len, " while talking to redis \"%V\"",
                        &link->server.name);
}
