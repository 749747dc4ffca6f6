/*
 * The life of a connection: _connect, _greet (AUTH, SELECT, CLIENT SETNAME),
 * ready, _fail.  Questions asked meanwhile are kept and go out when the
 * greeting was answered: what is meant for one database must not be written to
 * another.  Every way ends in _fail(), which answers all that is under way.
 */


#include "ngx_http_gate_redis.h"


/* bounds of what a server may say */
#define NGX_HTTP_GATE_REDIS_ELEMENTS  1024
#define NGX_HTTP_GATE_REDIS_DEPTH     2
#define NGX_HTTP_GATE_REDIS_STRING    (64 * 1024)
#define NGX_HTTP_GATE_REDIS_REPLY     (128 * 1024)

/* arguments of a command */
#define NGX_HTTP_GATE_REDIS_ARGS      256

/* of what is kept to be sent, and read at once */
#define NGX_HTTP_GATE_REDIS_OUT       (8 * 1024 * 1024)
#define NGX_HTTP_GATE_REDIS_READ      (16 * 1024)

/* the pause after a failure, doubled each time, ms */
#define NGX_HTTP_GATE_REDIS_PAUSE     50
#define NGX_HTTP_GATE_REDIS_PAUSE_MAX 200


typedef enum {
    NGX_HTTP_GATE_REDIS_AWAY = 0,
    NGX_HTTP_GATE_REDIS_CONNECTING,
    NGX_HTTP_GATE_REDIS_GREETING,
    NGX_HTTP_GATE_REDIS_READY
} ngx_http_gate_redis_state_e;


typedef struct {
    ngx_queue_t                      queue;
    ngx_http_gate_redis_handler_pt   handler;
    void                            *data;
    ngx_msec_t                       deadline;
} ngx_http_gate_redis_question_t;


typedef struct {
    u_char                          *data;
    size_t                           pos;
    size_t                           len;
    size_t                           size;
} ngx_http_gate_redis_buffer_t;


struct ngx_http_gate_redis_s {
    ngx_http_gate_redis_conf_t      *conf;
    ngx_http_gate_redis_state_e      state;
    ngx_peer_connection_t            peer;
    ngx_addr_t                      *server;
    ngx_uint_t                       next;      /* server to try */
    redisReader                     *reader;
    redisReplyObjectFunctions        functions;
    const redisReplyObjectFunctions *base;
    ngx_queue_t                      questions; /* oldest first */
    ngx_uint_t                       asked;
    ngx_http_gate_redis_buffer_t     greeting;
    ngx_uint_t                       greetings; /* replies still to come */
    ngx_http_gate_redis_buffer_t     out;
    ngx_event_t                      timer;     /* the oldest's deadline */
    u_char                          *in;
    ngx_msec_t                       pause;     /* 0: no failure since */
    ngx_msec_t                       resume;    /* not before */
    time_t                           lost;      /* 0: no outage was told */
    ngx_log_t                        log;
    ngx_log_t                        quiet;     /* an outage was told */
};


static ngx_int_t ngx_http_gate_redis_connect(ngx_http_gate_redis_t *redis);
static ngx_int_t ngx_http_gate_redis_reader(ngx_http_gate_redis_t *redis);
static ngx_int_t ngx_http_gate_redis_greet(ngx_http_gate_redis_t *redis);
static ngx_int_t ngx_http_gate_redis_format(
    ngx_http_gate_redis_buffer_t *buffer, ngx_uint_t argc,
    const ngx_str_t *argv, ngx_log_t *log);
static void ngx_http_gate_redis_write_handler(ngx_event_t *wev);
static ngx_int_t ngx_http_gate_redis_test_connect(ngx_connection_t *c);
static ngx_int_t ngx_http_gate_redis_flush(ngx_http_gate_redis_t *redis,
    ngx_http_gate_redis_buffer_t *buffer);
static void ngx_http_gate_redis_read_handler(ngx_event_t *rev);
static ngx_int_t ngx_http_gate_redis_process(ngx_http_gate_redis_t *redis);
static ngx_int_t ngx_http_gate_redis_greeted(ngx_http_gate_redis_t *redis,
    redisReply *reply);
static void ngx_http_gate_redis_answer(ngx_http_gate_redis_t *redis,
    redisReply *reply);
static void ngx_http_gate_redis_timer_handler(ngx_event_t *ev);
static void ngx_http_gate_redis_schedule(ngx_http_gate_redis_t *redis);
static void ngx_http_gate_redis_fail(ngx_http_gate_redis_t *redis,
    const char *why);
static void ngx_http_gate_redis_pause(ngx_http_gate_redis_t *redis);
static void *ngx_http_gate_redis_string(const redisReadTask *task, char *str,
    size_t len);
static void *ngx_http_gate_redis_array(const redisReadTask *task,
    int elements);
static u_char *ngx_http_gate_redis_log_handler(ngx_log_t *log, u_char *buf,
    size_t len);


ngx_http_gate_redis_t *
ngx_http_gate_redis_create(ngx_pool_t *pool, ngx_http_gate_redis_conf_t *conf,
    ngx_log_t *log)
{
    ngx_http_gate_redis_t  *redis;

    redis = ngx_pcalloc(pool, sizeof(ngx_http_gate_redis_t));
    if (redis == NULL) {
        return NULL;
    }

    redis->in = ngx_pnalloc(pool, NGX_HTTP_GATE_REDIS_READ);
    if (redis->in == NULL) {
        return NULL;
    }

    redis->conf = conf;
    redis->server = conf->servers.elts;

    ngx_queue_init(&redis->questions);

    redis->log = *log;
    redis->log.handler = ngx_http_gate_redis_log_handler;
    redis->log.data = redis;
    redis->log.action = NULL;

    redis->quiet = redis->log;
    redis->quiet.log_level = NGX_LOG_ALERT;

    redis->timer.handler = ngx_http_gate_redis_timer_handler;
    redis->timer.data = redis;
    redis->timer.log = &redis->log;

    return redis;
}


ngx_int_t
ngx_http_gate_redis_ask(ngx_http_gate_redis_t *redis, ngx_uint_t argc,
    const ngx_str_t *argv, ngx_http_gate_redis_handler_pt handler, void *data)
{
    ngx_http_gate_redis_question_t  *question;

    if (redis->asked >= redis->conf->queue
        || redis->out.len - redis->out.pos >= NGX_HTTP_GATE_REDIS_OUT)
    {
        return NGX_BUSY;
    }

    if (redis->state == NGX_HTTP_GATE_REDIS_AWAY
        && ngx_http_gate_redis_connect(redis) != NGX_OK)
    {
        return NGX_BUSY;
    }

    question = ngx_alloc(sizeof(ngx_http_gate_redis_question_t), &redis->log);
    if (question == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_gate_redis_format(&redis->out, argc, argv, &redis->log)
        != NGX_OK)
    {
        ngx_free(question);
        return NGX_ERROR;
    }

    question->handler = handler;
    question->data = data;
    question->deadline = ngx_current_msec + redis->conf->timeout;

    if (redis->state != NGX_HTTP_GATE_REDIS_READY) {
        question->deadline += redis->conf->connect_timeout;
    }

    ngx_queue_insert_tail(&redis->questions, &question->queue);

    if (redis->asked++ == 0) {
        ngx_http_gate_redis_schedule(redis);
    }

    /* all that is asked in this turn of the event loop goes out at once */

    if (redis->state == NGX_HTTP_GATE_REDIS_READY
        && redis->peer.connection->write->ready)
    {
        ngx_post_event(redis->peer.connection->write, &ngx_posted_events);
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_gate_redis_ready(ngx_http_gate_redis_t *redis)
{
    return redis->state == NGX_HTTP_GATE_REDIS_READY;
}


void
ngx_http_gate_redis_close(ngx_http_gate_redis_t *redis)
{
    redis->lost = ngx_time();
    ngx_http_gate_redis_fail(redis, "closed");
}


static ngx_int_t
ngx_http_gate_redis_connect(ngx_http_gate_redis_t *redis)
{
    ngx_int_t          rc;
    ngx_addr_t        *servers;
    ngx_connection_t  *c;

    if (redis->pause
        && (ngx_msec_int_t) (redis->resume - ngx_current_msec) > 0)
    {
        return NGX_BUSY;
    }

    servers = redis->conf->servers.elts;
    redis->server = &servers[redis->next % redis->conf->servers.nelts];

    if (ngx_http_gate_redis_reader(redis) != NGX_OK
        || ngx_http_gate_redis_greet(redis) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_memzero(&redis->peer, sizeof(ngx_peer_connection_t));

    redis->peer.sockaddr = redis->server->sockaddr;
    redis->peer.socklen = redis->server->socklen;
    redis->peer.name = &redis->server->name;
    redis->peer.get = ngx_event_get_peer;
    redis->peer.log = redis->lost ? &redis->quiet : &redis->log;
    redis->peer.log_error = NGX_ERROR_ERR;

    rc = ngx_event_connect_peer(&redis->peer);

    if (rc == NGX_ERROR || rc == NGX_BUSY || rc == NGX_DECLINED) {

        /* nginx has logged it, the first time */

        if (redis->lost == 0) {
            redis->lost = ngx_time();
        }

        ngx_http_gate_redis_pause(redis);
        return NGX_BUSY;
    }

    c = redis->peer.connection;

    c->data = redis;
    c->log = &redis->log;
    c->read->log = c->log;
    c->write->log = c->log;
    c->read->handler = ngx_http_gate_redis_read_handler;
    c->write->handler = ngx_http_gate_redis_write_handler;

    redis->state = NGX_HTTP_GATE_REDIS_CONNECTING;

    ngx_add_timer(c->write, redis->conf->connect_timeout);

    if (rc == NGX_OK) {
        ngx_post_event(c->write, &ngx_posted_events);
    }

    return NGX_OK;
}


/* hiredis' own functions, with bounds before them */

static ngx_int_t
ngx_http_gate_redis_reader(ngx_http_gate_redis_t *redis)
{
    if (redis->reader) {
        redisReaderFree(redis->reader);
    }

    redis->reader = redisReaderCreate();
    if (redis->reader == NULL) {
        return NGX_ERROR;
    }

    redis->base = redis->reader->fn;

    redis->functions = *redis->reader->fn;
    redis->functions.createString = ngx_http_gate_redis_string;
    redis->functions.createArray = ngx_http_gate_redis_array;

    redis->reader->fn = &redis->functions;
    redis->reader->privdata = redis;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_redis_greet(ngx_http_gate_redis_t *redis)
{
    u_char      number[NGX_INT_T_LEN];
    ngx_int_t   rc;
    ngx_str_t   argv[3];
    ngx_uint_t  n;

    redis->greeting.pos = 0;
    redis->greeting.len = 0;
    redis->greetings = 1;
    rc = NGX_OK;

    if (redis->conf->password.len) {
        n = 0;
        ngx_str_set(&argv[n], "AUTH");
        n++;

        if (redis->conf->username.len) {
            argv[n++] = redis->conf->username;
        }

        argv[n++] = redis->conf->password;

        rc |= ngx_http_gate_redis_format(&redis->greeting, n, argv,
                                         &redis->log);
        redis->greetings++;
    }

    if (redis->conf->database) {
        ngx_str_set(&argv[0], "SELECT");
        argv[1].data = number;
        argv[1].len = ngx_sprintf(number, "%ui", redis->conf->database)
                      - number;

        rc |= ngx_http_gate_redis_format(&redis->greeting, 2, argv,
                                         &redis->log);
        redis->greetings++;
    }

    ngx_str_set(&argv[0], "CLIENT");
    ngx_str_set(&argv[1], "SETNAME");
    ngx_str_set(&argv[2], "nginx-gate");

    rc |= ngx_http_gate_redis_format(&redis->greeting, 3, argv, &redis->log);

    return rc;
}


/* appends a command */

static ngx_int_t
ngx_http_gate_redis_format(ngx_http_gate_redis_buffer_t *buffer,
    ngx_uint_t argc, const ngx_str_t *argv, ngx_log_t *log)
{
    int          len;
    char        *command;
    size_t       lens[NGX_HTTP_GATE_REDIS_ARGS], size;
    u_char      *data;
    ngx_uint_t   i;
    const char  *args[NGX_HTTP_GATE_REDIS_ARGS];

    if (argc > NGX_HTTP_GATE_REDIS_ARGS) {
        return NGX_ERROR;
    }

    for (i = 0; i < argc; i++) {
        args[i] = (const char *) argv[i].data;
        lens[i] = argv[i].len;
    }

    len = redisFormatCommandArgv(&command, (int) argc, args, lens);
    if (len < 0) {
        return NGX_ERROR;
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
            redisFreeCommand(command);
            return NGX_ERROR;
        }

        if (buffer->data) {
            ngx_memcpy(data, buffer->data, buffer->len);
            ngx_free(buffer->data);
        }

        buffer->data = data;
        buffer->size = size;
    }

    ngx_memcpy(buffer->data + buffer->len, command, len);
    buffer->len += len;

    redisFreeCommand(command);

    return NGX_OK;
}


static void
ngx_http_gate_redis_write_handler(ngx_event_t *wev)
{
    ngx_connection_t       *c;
    ngx_http_gate_redis_t  *redis;

    c = wev->data;
    redis = c->data;

    if (wev->timedout) {
        ngx_http_gate_redis_fail(redis, "connecting timed out");
        return;
    }

    if (redis->state == NGX_HTTP_GATE_REDIS_CONNECTING) {

        if (ngx_http_gate_redis_test_connect(c) != NGX_OK) {
            ngx_http_gate_redis_fail(redis, "connect() failed");
            return;
        }

        if (redis->server->sockaddr->sa_family != AF_UNIX) {
            (void) ngx_tcp_nodelay(c);
        }

        redis->state = NGX_HTTP_GATE_REDIS_GREETING;
    }

    if (ngx_http_gate_redis_flush(redis, &redis->greeting) == NGX_ERROR
        || (redis->state == NGX_HTTP_GATE_REDIS_READY
            && ngx_http_gate_redis_flush(redis, &redis->out) == NGX_ERROR)
        || ngx_handle_write_event(wev, 0) != NGX_OK
        || ngx_handle_read_event(c->read, 0) != NGX_OK)
    {
        ngx_http_gate_redis_fail(redis, "writing failed");
    }
}


static ngx_int_t
ngx_http_gate_redis_test_connect(ngx_connection_t *c)
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


/* NGX_AGAIN: the rest goes when the socket is writable */

static ngx_int_t
ngx_http_gate_redis_flush(ngx_http_gate_redis_t *redis,
    ngx_http_gate_redis_buffer_t *buffer)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = redis->peer.connection;

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
ngx_http_gate_redis_read_handler(ngx_event_t *rev)
{
    ssize_t                 n;
    ngx_connection_t       *c;
    ngx_http_gate_redis_t  *redis;

    c = rev->data;
    redis = c->data;

    /* whoever connects is told by the write event; nobody may speak first */

    if (redis->state == NGX_HTTP_GATE_REDIS_CONNECTING) {
        ngx_post_event(c->write, &ngx_posted_events);
        return;
    }

    for ( ;; ) {
        n = c->recv(c, redis->in, NGX_HTTP_GATE_REDIS_READ);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n == 0) {
            ngx_set_socket_errno(0);
            ngx_http_gate_redis_fail(redis, "closed by the server");
            return;
        }

        if (n == NGX_ERROR) {
            ngx_http_gate_redis_fail(redis, "reading failed");
            return;
        }

        if (redisReaderFeed(redis->reader, (char *) redis->in, n) != REDIS_OK
            || ngx_http_gate_redis_process(redis) != NGX_OK)
        {
            ngx_set_socket_errno(0);
            ngx_http_gate_redis_fail(redis, "a reply could not be understood");
            return;
        }

        if (redis->state == NGX_HTTP_GATE_REDIS_AWAY) {
            return;
        }
    }

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_http_gate_redis_fail(redis, "reading failed");
    }
}


static ngx_int_t
ngx_http_gate_redis_process(ngx_http_gate_redis_t *redis)
{
    void         *reply;
    ngx_int_t     rc;
    redisReader  *reader;

    reader = redis->reader;

    for ( ;; ) {
        if (redisReaderGetReply(reader, &reply) != REDIS_OK) {
            return NGX_ERROR;
        }

        if (reply == NULL) {
            return reader->len - reader->pos > NGX_HTTP_GATE_REDIS_REPLY
                   ? NGX_ERROR : NGX_OK;
        }

        rc = NGX_OK;

        if (redis->state == NGX_HTTP_GATE_REDIS_GREETING) {
            rc = ngx_http_gate_redis_greeted(redis, reply);

        } else if (ngx_queue_empty(&redis->questions)) {
            rc = NGX_ERROR;

        } else {
            ngx_http_gate_redis_answer(redis, reply);
        }

        freeReplyObject(reply);

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }
}


/*
 * AUTH and SELECT must be answered well.  The name is for Redis' own log only,
 * but the answer tells whether we are let in at all.
 */

static ngx_int_t
ngx_http_gate_redis_greeted(ngx_http_gate_redis_t *redis, redisReply *reply)
{
    ngx_uint_t         refused;
    ngx_connection_t  *c;

    c = redis->peer.connection;

    redis->greetings--;

    refused = reply->type == REDIS_REPLY_ERROR
              && (redis->greetings
                  || ngx_strncmp(reply->str, "NOAUTH", sizeof("NOAUTH") - 1)
                     == 0);

    if (refused && redis->lost == 0) {
        redis->lost = ngx_time();
        ngx_log_error(NGX_LOG_ERR, &redis->log, 0,
                      "gate: redis refuses us: \"%*s\"",
                      ngx_min(reply->len, 256), reply->str);
    }

    if (refused
        || (redis->greetings && reply->type != REDIS_REPLY_STATUS))
    {
        return NGX_ERROR;
    }

    if (redis->greetings) {
        return NGX_OK;
    }

    redis->state = NGX_HTTP_GATE_REDIS_READY;
    redis->pause = 0;

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    if (redis->lost) {
        ngx_log_error(NGX_LOG_NOTICE, &redis->log, 0,
                      "gate: redis connected again after %T s",
                      ngx_time() - redis->lost);
        redis->lost = 0;

    } else {
        ngx_log_error(NGX_LOG_NOTICE, &redis->log, 0, "gate: redis connected");
    }

    ngx_post_event(c->write, &ngx_posted_events);

    return NGX_OK;
}


static void
ngx_http_gate_redis_answer(ngx_http_gate_redis_t *redis, redisReply *reply)
{
    ngx_queue_t                     *q;
    ngx_http_gate_redis_question_t  *question;

    q = ngx_queue_head(&redis->questions);
    question = ngx_queue_data(q, ngx_http_gate_redis_question_t, queue);

    ngx_queue_remove(q);
    redis->asked--;

    ngx_http_gate_redis_schedule(redis);

    question->handler(question->data, reply);

    ngx_free(question);
}


static void
ngx_http_gate_redis_timer_handler(ngx_event_t *ev)
{
    ngx_set_socket_errno(0);
    ngx_http_gate_redis_fail(ev->data, "no answer in time");
}


/* the timer is the oldest question's */

static void
ngx_http_gate_redis_schedule(ngx_http_gate_redis_t *redis)
{
    ngx_msec_int_t                   left;
    ngx_http_gate_redis_question_t  *question;

    if (redis->timer.timer_set) {
        ngx_del_timer(&redis->timer);
    }

    if (ngx_queue_empty(&redis->questions)) {
        return;
    }

    question = ngx_queue_data(ngx_queue_head(&redis->questions),
                              ngx_http_gate_redis_question_t, queue);

    left = (ngx_msec_int_t) (question->deadline - ngx_current_msec);

    ngx_add_timer(&redis->timer, left > 0 ? (ngx_msec_t) left : 1);
}


/* the end of a connection, and of every question that was put on it */

static void
ngx_http_gate_redis_fail(ngx_http_gate_redis_t *redis, const char *why)
{
    ngx_err_t                        err;
    ngx_uint_t                       idle;
    ngx_queue_t                      failed, *q;
    ngx_http_gate_redis_question_t  *question;

    err = ngx_socket_errno;
    idle = redis->state == NGX_HTTP_GATE_REDIS_READY && redis->asked == 0;

    if (idle && redis->lost == 0) {
        ngx_log_error(NGX_LOG_NOTICE, &redis->log, 0,
                      "gate: redis connection %s", why);

    } else if (redis->lost == 0) {
        ngx_log_error(NGX_LOG_ERR, &redis->log, err,
                      "gate: redis is lost: %s", why);
        redis->lost = ngx_time();
    }

    if (redis->peer.connection) {
        ngx_close_connection(redis->peer.connection);
        redis->peer.connection = NULL;
    }

    if (redis->reader) {
        redisReaderFree(redis->reader);
        redis->reader = NULL;
    }

    if (redis->timer.timer_set) {
        ngx_del_timer(&redis->timer);
    }

    redis->state = NGX_HTTP_GATE_REDIS_AWAY;
    redis->out.pos = 0;
    redis->out.len = 0;
    redis->asked = 0;

    if (!idle) {
        ngx_http_gate_redis_pause(redis);
    }

    ngx_queue_init(&failed);

    if (!ngx_queue_empty(&redis->questions)) {
        ngx_queue_add(&failed, &redis->questions);
        ngx_queue_init(&redis->questions);
    }

    while (!ngx_queue_empty(&failed)) {
        q = ngx_queue_head(&failed);
        question = ngx_queue_data(q, ngx_http_gate_redis_question_t, queue);

        ngx_queue_remove(q);

        question->handler(question->data, NULL);

        ngx_free(question);
    }
}


static void
ngx_http_gate_redis_pause(ngx_http_gate_redis_t *redis)
{
    redis->pause = redis->pause ? ngx_min(2 * redis->pause,
                                          NGX_HTTP_GATE_REDIS_PAUSE_MAX)
                                : NGX_HTTP_GATE_REDIS_PAUSE;

    /* not all workers of all nodes at once */

    redis->resume = ngx_current_msec + redis->pause
                    - (ngx_msec_t) ngx_random() % (redis->pause / 4);
    redis->next++;
}


/* text lies in the reader's buffer, with what follows it */

static void *
ngx_http_gate_redis_string(const redisReadTask *task, char *str, size_t len)
{
    ngx_http_gate_redis_t  *redis;

    redis = task->privdata;

    if (len > NGX_HTTP_GATE_REDIS_STRING || str[len] != CR
        || str[len + 1] != LF)
    {
        return NULL;
    }

    return redis->base->createString(task, str, len);
}


static void *
ngx_http_gate_redis_array(const redisReadTask *task, int elements)
{
    ngx_uint_t              depth;
    const redisReadTask    *parent;
    ngx_http_gate_redis_t  *redis;

    redis = task->privdata;
    depth = 1;

    for (parent = task->parent; parent; parent = parent->parent) {
        depth++;
    }

    if (elements > NGX_HTTP_GATE_REDIS_ELEMENTS
        || depth > NGX_HTTP_GATE_REDIS_DEPTH)
    {
        return NULL;
    }

    return redis->base->createArray(task, elements);
}


static u_char *
ngx_http_gate_redis_log_handler(ngx_log_t *log, u_char *buf, size_t len)
{
    ngx_http_gate_redis_t  *redis;

    redis = log->data;

    return ngx_snprintf(buf, len, " while talking to redis \"%V\"",
                        &redis->server->name);
}
