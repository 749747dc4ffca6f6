/*
 * Bytes as Redis might send them, through the path that replies take: the
 * bounded reader, and what the ledger makes of a reply to a question, a beat or
 * a habit, and the transport of one that says where other servers are.  The
 * first byte says what was asked, the second how the rest comes in pieces.
 */


#include "ngx_http_gate_replies.h"
#include "ngx_http_gate_script.h"
#include "ngx_http_gate_slots.h"
#include "ngx_http_gate_topology.h"


volatile ngx_msec_t  ngx_current_msec;


/* in place of nginx, of which only headers are there */

u_char *
ngx_cpystrn(u_char *dst, u_char *src, size_t n)
{
    while (n && --n && *src) {
        *dst++ = *src++;
    }

    *dst = '\0';

    return dst;
}


ngx_int_t
ngx_atoi(u_char *line, size_t n)
{
    ngx_int_t  value;

    if (n == 0) {
        return NGX_ERROR;
    }

    for (value = 0; n--; line++) {

        if (*line < '0' || *line > '9'
            || value > (NGX_MAX_INT_T_VALUE - 9) / 10)
        {
            return NGX_ERROR;
        }

        value = value * 10 + *line - '0';
    }

    return value;
}


void
ngx_inet_set_port(struct sockaddr *sa, in_port_t port)
{
    if (sa->sa_family == AF_INET6) {
        ((struct sockaddr_in6 *) sa)->sin6_port = htons(port);

    } else {
        ((struct sockaddr_in *) sa)->sin_port = htons(port);
    }
}


size_t
ngx_sock_ntop(struct sockaddr *sa, socklen_t socklen, u_char *text,
    size_t len, ngx_uint_t port)
{
    const void  *address;

    (void) socklen;
    (void) port;

    address = sa->sa_family == AF_INET6
              ? (void *) &((struct sockaddr_in6 *) sa)->sin6_addr
              : (void *) &((struct sockaddr_in *) sa)->sin_addr;

    return inet_ntop(sa->sa_family, address, (char *) text, (socklen_t) len)
           ? strlen((char *) text) : 0;
}


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void question(ngx_http_gate_question_t *q, ngx_http_gate_kind_t *kind,
    unsigned shape);
static void look(redisReply *reply, const ngx_http_gate_question_t *q);
static void place(const redisReply *reply);
static void named(const ngx_http_gate_named_t *to);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t                    at, n, piece;
    redisReply               *reply;
    ngx_http_gate_kind_t      kind;
    ngx_http_gate_replies_t   replies = { 0 };

    static ngx_http_gate_question_t  q;

    if (size < 2) {
        return 0;
    }

    question(&q, &kind, data[0]);
    piece = data[1] + 1;

    if (ngx_http_gate_replies_open(&replies) != NGX_OK) {
        return 0;
    }

    for (at = 2; at < size; at += n) {
        n = ngx_min(piece, size - at);

        if (ngx_http_gate_replies_feed(&replies, data + at, n) != NGX_OK) {
            break;
        }

        do {
            if (ngx_http_gate_replies_next(&replies, &reply) != NGX_OK) {
                goto close;
            }

            if (reply) {
                look(reply, &q);
                place(reply);
                freeReplyObject(reply);
            }

        } while (reply);
    }

close:

    ngx_http_gate_replies_close(&replies);

    return 0;
}


static void
question(ngx_http_gate_question_t *q, ngx_http_gate_kind_t *kind,
    unsigned shape)
{
    unsigned  i;

    memset(kind, 0, sizeof(ngx_http_gate_kind_t));
    kind->nquotas = 1 + shape % NGX_HTTP_GATE_QUOTAS;

    for (i = 0; i < kind->nquotas; i++) {
        kind->quotas[i].unit = shape >> (2 + i) & 1 ? GATE_DOCUMENTS : GATE_BYTES;
        kind->documents += kind->quotas[i].unit == GATE_DOCUMENTS;
    }

    q->kind = kind;
}


/* what is accepted is within what it may be */

static void
look(redisReply *reply, const ngx_http_gate_question_t *q)
{
    ngx_uint_t              i;
    ngx_http_gate_told_t    told;
    ngx_http_gate_habit_t   habit = { 0 };
    ngx_http_gate_answer_t  answer;

    if (ngx_http_gate_script_reply(reply, q, &answer) == NGX_OK) {

        if (answer.epoch == 0 || answer.epoch > GATE_LIMIT_MAX
            || answer.lost > 1)
        {
            __builtin_trap();
        }

        for (i = 0; i < q->kind->nquotas; i++) {
            if (answer.grants[i].share > 2 * GATE_LIMIT_MAX
                || answer.grants[i].seen > 2 * GATE_LIMIT_MAX
                || answer.grants[i].slot <= 0
                || (answer.fresh[i] & ~answer.known[i]))
            {
                __builtin_trap();
            }
        }
    }

    if (ngx_http_gate_script_reply(reply, NULL, &answer) == NGX_OK
        && answer.epoch == 0)
    {
        __builtin_trap();
    }

    /* of a user in a country, and of his last place */

    for (i = 0; i < 2; i++) {
        habit.country.len = 2 * i;

        if (ngx_http_gate_script_told(reply, &habit, &told) == NGX_OK
            && told.epoch == 0)
        {
            __builtin_trap();
        }
    }
}


/* of other servers: an address is one, and slots are there */

static void
place(const redisReply *reply)
{
    size_t                  i;
    ngx_http_gate_named_t   to;
    ngx_http_gate_range_t   range;

    static const ngx_str_t  name = ngx_string("main");

    (void) ngx_http_gate_topology_role(reply);

    if (ngx_http_gate_topology_primary(&to, reply) == NGX_OK) {
        named(&to);
    }

    if (ngx_http_gate_topology_switched(&to, reply, &name) == NGX_OK) {
        named(&to);
    }

    if (reply->type == REDIS_REPLY_ERROR
        && ngx_http_gate_topology_redirected(&to, reply) == NGX_OK)
    {
        named(&to);
    }

    for (i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {

        if (ngx_http_gate_topology_range(&range, reply->element[i]) != NGX_OK) {
            continue;
        }

        if (range.first > range.last || range.last >= NGX_HTTP_GATE_SLOTS
            || range.port < 1 || range.port > 65535
            || (range.host == NULL) != (range.len == 0))
        {
            __builtin_trap();
        }

        if (range.host
            && ngx_http_gate_topology_named(&to, range.host, range.len,
                                            range.port)
               == NGX_OK)
        {
            named(&to);
        }
    }
}


static void
named(const ngx_http_gate_named_t *to)
{
    const ngx_http_gate_server_t  *server;

    server = &to->server;

    if (server->host.data != to->host || server->name.data != to->name
        || server->host.len == 0 || server->host.len >= sizeof(to->host)
        || ngx_strlen(to->host) != server->host.len
        || server->name.len == 0 || server->name.len > sizeof(to->name)
        || (server->socklen != sizeof(struct sockaddr_in)
            && server->socklen != sizeof(struct sockaddr_in6))
        || server->sockaddr.sockaddr_in.sin_port == 0)
    {
        __builtin_trap();
    }
}
