/*
 * A client under which servers are measured: HTTP/1.1 over TLS connections,
 * each with a certificate of its own, one request at a time on each.  Either as
 * fast as answers come, or at a fixed rate; then the time of an answer counts
 * from when its request should have been sent, so that a server that stalls is
 * not spared the requests which that kept back.
 *
 *   load [option value]... certificate.pem...
 *
 *     port N          of 127.0.0.1
 *     uri URI         "/"
 *     from ADDRESS    X-Forwarded-For
 *     accept TYPE     Accept
 *     users N         X-User: "u" and a number below N, another each time
 *     order 1         the users one after the other, from 0
 *     connections N   64
 *     requests N      ends after so many,
 *     time MS         or after so long
 *     rate N          requests a second; 0: as fast as answers come
 *     close 1         a connection, and a handshake, for each request
 *     status N        what the answers must have; 200
 *     warm N          sends so many first that do not count, whatever their
 *                     answers, says "warm", and goes on when it reads a line;
 *                     with another line all of it begins again
 *
 * Prints "requests N seconds S bytes N p50 US p99 US", times in microseconds,
 * and exits 0; or says what went wrong and exits 1.
 */


#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>


#define LOAD_EVENTS   256
#define LOAD_BUFFER   65536
#define LOAD_HEADER   4096
#define LOAD_SECOND   1000000000ull
#define LOAD_MS       1000000ull


typedef enum {
    LOAD_CLOSED = 0,
    LOAD_HANDSHAKE,
    LOAD_IDLE,
    LOAD_WRITE,
    LOAD_HEAD,
    LOAD_BODY
} load_state_e;


typedef struct load_connection_s  load_connection_t;

struct load_connection_s {
    load_connection_t    *next;         /* of those that are idle */
    SSL_CTX              *ctx;
    SSL                  *ssl;
    load_state_e          state;
    uint32_t              events;
    int                   fd;
    uint64_t              begun;        /* ns */
    size_t                sent;
    size_t                request_len;
    size_t                head_len;
    uint64_t              rest;         /* of the body */
    char                  request[512];
    char                  head[LOAD_HEADER];
};


typedef struct {
    const char           *uri;
    const char           *from;
    const char           *accept;
    uint64_t              port;
    uint64_t              users;
    uint64_t              order;
    uint64_t              connections;
    uint64_t              requests;
    uint64_t              time;
    uint64_t              rate;
    uint64_t              close;
    uint64_t              status;
    uint64_t              warm;
} load_options_t;


typedef struct {
    load_options_t        options;
    load_connection_t    *idle;         /* who has been so longest, first */
    load_connection_t   **last;
    int                   epoll;
    int                   timer;
    uint64_t              start;        /* ns, as all times */
    uint64_t              end;
    uint64_t              next;         /* when one is due, at a rate */
    uint64_t              begun;        /* requests */
    uint64_t              done;
    uint64_t              most;         /* of them; 0: until the end */
    uint64_t              bytes;
    uint64_t              random;
    int                   warmed;
    uint32_t             *times;        /* us, of what is done */
    size_t                ntimes;
} load_t;


static int load_options(load_t *load, int argc, char **argv);
static uint64_t load_number(const char *word);
static void load_start(load_t *load, char **certificates, int n);
static SSL_CTX *load_context(const char *certificate);
static void load_run(load_t *load, uint64_t requests, uint64_t time);
static int load_wanted(void);
static void load_rest(load_t *load, load_connection_t *c);
static int load_over(load_t *load);
static void load_due(load_t *load);
static void load_timer(load_t *load);
static int load_more(load_t *load);
static void load_begin(load_t *load, load_connection_t *c, uint64_t begun);
static void load_text(load_t *load, load_connection_t *c);
static uint64_t load_user(load_t *load);
static void load_connect(load_t *load, load_connection_t *c);
static void load_step(load_t *load, load_connection_t *c);
static int load_write(load_connection_t *c);
static int load_read(load_t *load, load_connection_t *c);
static void load_head(load_t *load, load_connection_t *c, size_t n);
static void load_done(load_t *load, load_connection_t *c);
static void load_wait(load_t *load, load_connection_t *c, int n);
static void load_close(load_connection_t *c);
static void load_print(load_t *load);
static int load_compare(const void *one, const void *two);
static uint64_t load_now(void);
static void load_fail(const char *format, ...)
    __attribute__((format(printf, 1, 2), noreturn));


int
main(int argc, char **argv)
{
    int     i;
    load_t  load;

    signal(SIGPIPE, SIG_IGN);

    memset(&load, 0, sizeof(load));

    i = load_options(&load, argc, argv);

    load_start(&load, argv + i, argc - i);

    do {
        if (load.options.warm) {
            load.warmed = 0;
            load_run(&load, load.options.warm, 0);
            printf("warm\n");

            if (!load_wanted()) {
                break;
            }
        }

        load.warmed = 1;
        load_run(&load, load.options.requests, load.options.time);
        load_print(&load);

    } while (load.options.warm && load_wanted());

    return 0;
}


static int
load_options(load_t *load, int argc, char **argv)
{
    int              i;
    size_t           k;
    load_options_t  *o;

    o = &load->options;

    struct { const char *name; uint64_t *value; }  numbers[] = {
        { "port", &o->port }, { "users", &o->users },
        { "order", &o->order }, { "connections", &o->connections },
        { "requests", &o->requests }, { "time", &o->time },
        { "rate", &o->rate }, { "close", &o->close },
        { "status", &o->status }, { "warm", &o->warm }
    };

    o->uri = "/";
    o->from = "127.0.0.1";
    o->accept = "*/*";
    o->connections = 64;
    o->status = 200;

    for (i = 1; i + 1 < argc && strchr(argv[i], '.') == NULL; i += 2) {

        if (strcmp(argv[i], "uri") == 0) {
            o->uri = argv[i + 1];
            continue;
        }

        if (strcmp(argv[i], "from") == 0) {
            o->from = argv[i + 1];
            continue;
        }

        if (strcmp(argv[i], "accept") == 0) {
            o->accept = argv[i + 1];
            continue;
        }

        for (k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++) {
            if (strcmp(argv[i], numbers[k].name) == 0) {
                *numbers[k].value = load_number(argv[i + 1]);
                break;
            }
        }

        if (k == sizeof(numbers) / sizeof(numbers[0])) {
            load_fail("no option \"%s\"", argv[i]);
        }
    }

    if (i >= argc || o->port == 0 || o->connections == 0
        || (o->time == 0 && o->requests == 0))
    {
        load_fail("a port, a time or requests, and certificates are needed");
    }

    return i;
}


static uint64_t
load_number(const char *word)
{
    char      *end;
    uint64_t   n;

    n = strtoull(word, &end, 10);

    if (end == word || *end) {
        load_fail("\"%s\" is no number", word);
    }

    return n;
}


static void
load_start(load_t *load, char **certificates, int n)
{
    int                 i;
    uint64_t            k;
    SSL_CTX           **ctxs;
    struct epoll_event  event;
    load_connection_t  *c;

    ctxs = calloc(n, sizeof(*ctxs));
    c = calloc(load->options.connections, sizeof(*c));

    load->epoll = epoll_create1(0);
    load->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);

    if (ctxs == NULL || c == NULL || load->epoll == -1 || load->timer == -1) {
        load_fail("%s", strerror(errno));
    }

    for (i = 0; i < n; i++) {
        ctxs[i] = load_context(certificates[i]);
    }

    memset(&event, 0, sizeof(event));
    event.events = EPOLLIN;

    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, load->timer, &event) == -1) {
        load_fail("epoll_ctl: %s", strerror(errno));
    }

    load->random = load_now();
    load->last = &load->idle;

    for (k = 0; k < load->options.connections; k++) {
        c[k].ctx = ctxs[k % n];
        load_rest(load, &c[k]);
    }
}


/* no session is kept: each handshake is a whole one */

static SSL_CTX *
load_context(const char *certificate)
{
    SSL_CTX  *ctx;

    ctx = SSL_CTX_new(TLS_client_method());

    if (ctx == NULL
        || SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1
        || SSL_CTX_use_PrivateKey_file(ctx, certificate, SSL_FILETYPE_PEM) != 1
        || SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1)
    {
        load_fail("no certificate and key in \"%s\"", certificate);
    }

    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE);

    return ctx;
}


static void
load_run(load_t *load, uint64_t requests, uint64_t time)
{
    int                 i, n;
    uint64_t            expired;
    struct epoll_event  events[LOAD_EVENTS];

    load->begun = 0;
    load->done = 0;
    load->bytes = 0;
    load->most = requests;
    load->start = load_now();
    load->next = load->start;
    load->end = time ? load->start + time * LOAD_MS : UINT64_MAX;

    load_due(load);

    while (!load_over(load)) {
        n = epoll_wait(load->epoll, events, LOAD_EVENTS, 10000);

        if (n == 0) {
            load_fail("nothing happens any more");
        }

        for (i = 0; i < n; i++) {

            if (events[i].data.ptr) {
                load_step(load, events[i].data.ptr);

            } else if (read(load->timer, &expired, sizeof(expired)) == -1
                       && errno != EAGAIN)
            {
                load_fail("read: %s", strerror(errno));
            }
        }

        load_due(load);
    }

    load->end = load_now();
}


/* whoever started us may look first, for as long as he likes */

static int
load_wanted(void)
{
    char  line[64];

    fflush(stdout);

    return fgets(line, sizeof(line), stdin) != NULL;
}


/* what was begun is waited for: a slow answer counts as well */

static int
load_over(load_t *load)
{
    return !load_more(load) && load->done == load->begun;
}


/* all have their turn */

static void
load_rest(load_t *load, load_connection_t *c)
{
    c->next = NULL;
    *load->last = c;
    load->last = &c->next;
}


/* begins the requests whose time has come, as far as connections are idle */

static void
load_due(load_t *load)
{
    uint64_t            now, begun;
    load_connection_t  *c;

    while (load->idle && load_more(load)) {

        now = load_now();
        begun = now;

        if (load->options.rate) {

            if (load->next > now) {
                load_timer(load);
                return;
            }

            begun = load->next;
            load->next += LOAD_SECOND / load->options.rate;
        }

        c = load->idle;
        load->idle = c->next;

        if (load->idle == NULL) {
            load->last = &load->idle;
        }

        load_begin(load, c, begun);
    }
}


static void
load_timer(load_t *load)
{
    struct itimerspec  at;

    memset(&at, 0, sizeof(at));
    at.it_value.tv_sec = load->next / LOAD_SECOND;
    at.it_value.tv_nsec = load->next % LOAD_SECOND;

    if (timerfd_settime(load->timer, TFD_TIMER_ABSTIME, &at, NULL) == -1) {
        load_fail("timerfd_settime: %s", strerror(errno));
    }
}


static int
load_more(load_t *load)
{
    uint64_t  now;

    if (load->most && load->begun >= load->most) {
        return 0;
    }

    now = load->options.rate ? load->next : load_now();

    return now < load->end;
}


static void
load_begin(load_t *load, load_connection_t *c, uint64_t begun)
{
    load_text(load, c);

    load->begun++;

    c->begun = begun;
    c->sent = 0;
    c->head_len = 0;

    if (c->state == LOAD_CLOSED) {
        load_connect(load, c);

    } else {
        c->state = LOAD_WRITE;
    }

    load_step(load, c);
}


static void
load_text(load_t *load, load_connection_t *c)
{
    int              n;
    char             user[64];
    load_options_t  *o;

    o = &load->options;
    user[0] = '\0';

    if (o->users) {
        snprintf(user, sizeof(user), "X-User: u%llu\r\n",
                 (unsigned long long) load_user(load));
    }

    n = snprintf(c->request, sizeof(c->request),
                 "GET %s HTTP/1.1\r\nHost: localhost\r\n"
                 "X-Forwarded-For: %s\r\nAccept: %s\r\n%s%s\r\n",
                 o->uri, o->from, o->accept, user,
                 o->close ? "Connection: close\r\n" : "");

    if (n < 0 || (size_t) n >= sizeof(c->request)) {
        load_fail("too long a request");
    }

    c->request_len = n;
}


/* xorshift64: in no order, so that no cache helps */

static uint64_t
load_user(load_t *load)
{
    uint64_t  x;

    if (load->options.order) {
        return load->begun % load->options.users;
    }

    x = load->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    load->random = x;

    return x % load->options.users;
}


static void
load_connect(load_t *load, load_connection_t *c)
{
    int                 on;
    struct epoll_event  event;
    struct sockaddr_in  to;

    memset(&to, 0, sizeof(to));
    to.sin_family = AF_INET;
    to.sin_port = htons(load->options.port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    on = 1;
    c->events = EPOLLIN|EPOLLOUT;

    memset(&event, 0, sizeof(event));
    event.events = c->events;
    event.data.ptr = c;

    c->fd = socket(AF_INET, SOCK_STREAM|SOCK_NONBLOCK, 0);
    c->ssl = SSL_new(c->ctx);

    if (c->fd == -1 || c->ssl == NULL
        || setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == -1
        || (connect(c->fd, (struct sockaddr *) &to, sizeof(to)) == -1
            && errno != EINPROGRESS)
        || epoll_ctl(load->epoll, EPOLL_CTL_ADD, c->fd, &event) == -1
        || SSL_set_fd(c->ssl, c->fd) != 1)
    {
        load_fail("connect: %s", strerror(errno));
    }

    SSL_set_connect_state(c->ssl);
    SSL_set_tlsext_host_name(c->ssl, "localhost");

    c->state = LOAD_HANDSHAKE;
}


/* as far as it goes without waiting */

static void
load_step(load_t *load, load_connection_t *c)
{
    int  n;

    n = 1;

    if (c->state == LOAD_IDLE) {
        load_fail("connection lost between two requests");
    }

    if (c->state == LOAD_HANDSHAKE) {
        n = SSL_do_handshake(c->ssl);

        if (n == 1) {
            c->state = LOAD_WRITE;
        }
    }

    if (c->state == LOAD_WRITE) {
        n = load_write(c);
    }

    while (c->state >= LOAD_HEAD && n > 0) {
        n = load_read(load, c);
    }

    if (c->state == LOAD_IDLE && n > 0) {
        load_done(load, c);
        return;
    }

    if (c->state != LOAD_CLOSED) {
        load_wait(load, c, n);
    }
}


static int
load_write(load_connection_t *c)
{
    int  n;

    do {
        n = SSL_write(c->ssl, c->request + c->sent, c->request_len - c->sent);

        if (n <= 0) {
            return n;
        }

        c->sent += n;

    } while (c->sent < c->request_len);

    c->state = LOAD_HEAD;

    return n;
}


static int
load_read(load_t *load, load_connection_t *c)
{
    int          n;
    static char  body[LOAD_BUFFER];

    if (c->state == LOAD_HEAD) {
        n = SSL_read(c->ssl, c->head + c->head_len,
                     sizeof(c->head) - 1 - c->head_len);

        if (n > 0) {
            load_head(load, c, n);
        }

        return n;
    }

    n = SSL_read(c->ssl, body, sizeof(body));

    if (n > 0) {

        if ((uint64_t) n > c->rest) {
            load_fail("more than was announced");
        }

        c->rest -= n;
        load->bytes += n;

        if (c->rest == 0) {
            c->state = LOAD_IDLE;
        }
    }

    return n;
}


/* all servers here say how long the body is */

static void
load_head(load_t *load, load_connection_t *c, size_t n)
{
    char      *end, *length;
    size_t     body;
    uint64_t   status;

    c->head_len += n;
    c->head[c->head_len] = '\0';

    end = strstr(c->head, "\r\n\r\n");

    if (end == NULL) {

        if (c->head_len == sizeof(c->head) - 1) {
            load_fail("too long a header");
        }

        return;
    }

    length = strcasestr(c->head, "\r\nContent-Length: ");

    status = c->head_len > 12 ? strtoull(c->head + 9, NULL, 10) : 0;

    if (length == NULL || length > end
        || (load->warmed && status != load->options.status))
    {
        *end = '\0';
        load_fail("unexpected answer: %s", c->head);
    }

    body = c->head + c->head_len - (end + 4);

    c->rest = strtoull(length + 18, NULL, 10);
    c->state = LOAD_BODY;

    if (body > c->rest) {
        load_fail("more than was announced");
    }

    c->rest -= body;
    load->bytes += body;

    if (c->rest == 0) {
        c->state = LOAD_IDLE;
    }
}


static void
load_done(load_t *load, load_connection_t *c)
{
    if (load->done == load->ntimes) {
        load->ntimes = load->ntimes ? 2 * load->ntimes : 65536;
        load->times = realloc(load->times,
                              load->ntimes * sizeof(load->times[0]));

        if (load->times == NULL) {
            load_fail("%s", strerror(errno));
        }
    }

    load->times[load->done++] = (load_now() - c->begun) / 1000;

    if (load->options.close) {
        load_close(c);
    }

    load_rest(load, c);
}


/* for what OpenSSL wants; a connection that ends here ends too early */

static void
load_wait(load_t *load, load_connection_t *c, int n)
{
    uint32_t            events;
    struct epoll_event  event;

    events = EPOLLIN;

    switch (SSL_get_error(c->ssl, n)) {

    case SSL_ERROR_NONE:
    case SSL_ERROR_WANT_READ:
        break;

    case SSL_ERROR_WANT_WRITE:
        events = EPOLLOUT;
        break;

    default:
        load_fail("connection lost: %s",
                  ERR_reason_error_string(ERR_peek_last_error())
                  ? ERR_reason_error_string(ERR_peek_last_error())
                  : strerror(errno));
    }

    if (events == c->events) {
        return;
    }

    c->events = events;

    memset(&event, 0, sizeof(event));
    event.events = events;
    event.data.ptr = c;

    if (epoll_ctl(load->epoll, EPOLL_CTL_MOD, c->fd, &event) == -1) {
        load_fail("epoll_ctl: %s", strerror(errno));
    }
}


static void
load_close(load_connection_t *c)
{
    SSL_shutdown(c->ssl);
    SSL_free(c->ssl);
    close(c->fd);

    c->state = LOAD_CLOSED;
}


static void
load_print(load_t *load)
{
    qsort(load->times, load->done, sizeof(load->times[0]), load_compare);

    printf("requests %llu seconds %.6f bytes %llu p50 %u p99 %u\n",
           (unsigned long long) load->done,
           (double) (load->end - load->start) / LOAD_SECOND,
           (unsigned long long) load->bytes,
           load->done ? load->times[load->done / 2] : 0,
           load->done ? load->times[load->done * 99 / 100] : 0);
}


static int
load_compare(const void *one, const void *two)
{
    uint32_t  a, b;

    a = *(const uint32_t *) one;
    b = *(const uint32_t *) two;

    return a < b ? -1 : a > b;
}


static uint64_t
load_now(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return ts.tv_sec * LOAD_SECOND + ts.tv_nsec;
}


static void
load_fail(const char *format, ...)
{
    va_list  args;

    va_start(args, format);
    fprintf(stderr, "load: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);

    exit(1);
}
