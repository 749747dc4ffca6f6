/*
 * Orders of an administrator: to set a hold, or to lift it.  With Redis an
 * order is a question to the script, and what is left of a hold that was lifted
 * stands there for a week, lest a node that was away all the time tells it
 * again.  Without, the register of this host is written.
 */


#include "ngx_http_gate_ledger_inner.h"


/* seconds that what is left of a hold is kept */
#define NGX_HTTP_GATE_ORDER_KEEP  (7 * 24 * 60 * 60)


typedef struct {
    ngx_http_gate_ledger_t     *ledger;
    ngx_http_gate_waiter_pt     handler;
    void                       *data;
    ngx_event_t                 run;        /* posted, without Redis */
    ngx_int_t                   rc;
    ngx_uint_t                  lift;
    ngx_uint_t                  reload;     /* Redis has not the script */
    ngx_str_t                   id;
    ngx_str_t                   value;
    u_char                      text[GATE_HELD_ID + GATE_HELD_VALUE];
} ngx_http_gate_order_t;


static ngx_int_t ngx_http_gate_order_open(ngx_http_gate_ledger_t *ledger,
    const gate_held_t *held, ngx_http_gate_waiter_pt handler, void *data);
static ngx_int_t ngx_http_gate_order_send(ngx_http_gate_order_t *order);
static void ngx_http_gate_order_reply(void *data, redisReply *reply);
static ngx_int_t ngx_http_gate_order_done(redisReply *reply);
static ngx_int_t ngx_http_gate_order_write(ngx_http_gate_order_t *order);
static size_t ngx_http_gate_order_edit(ngx_http_gate_order_t *order,
    u_char *text, size_t len, u_char *to, size_t size, ngx_int_t *rc);
static ngx_uint_t ngx_http_gate_order_over(ngx_http_gate_order_t *order,
    const ngx_str_t *id, const ngx_str_t *value);
static void ngx_http_gate_order_run_handler(ngx_event_t *ev);


ngx_int_t
ngx_http_gate_ledger_hold_set(ngx_http_gate_ledger_t *ledger,
    const gate_held_t *held, ngx_http_gate_waiter_pt handler, void *data)
{
    gate_held_t  copy;

    copy = *held;

    if (copy.since == 0) {
        copy.since = ngx_http_gate_zone_holds_now(ledger->zone);
    }

    return copy.kind == GATE_HELD_LIFTED
           ? NGX_DECLINED
           : ngx_http_gate_order_open(ledger, &copy, handler, data);
}


ngx_int_t
ngx_http_gate_ledger_hold_lift(ngx_http_gate_ledger_t *ledger,
    const ngx_str_t *id, const ngx_str_t *by, ngx_http_gate_waiter_pt handler,
    void *data)
{
    gate_held_t  held;

    ngx_memzero(&held, sizeof(gate_held_t));

    held.kind = GATE_HELD_LIFTED;
    held.id.data = (char *) id->data;
    held.id.len = id->len;
    held.by.data = (char *) by->data;
    held.by.len = by->len;
    held.since = ngx_http_gate_zone_holds_now(ledger->zone);
    held.until = held.since + NGX_HTTP_GATE_ORDER_KEEP;

    return ngx_http_gate_order_open(ledger, &held, handler, data);
}


static ngx_int_t
ngx_http_gate_order_open(ngx_http_gate_ledger_t *ledger,
    const gate_held_t *held, ngx_http_gate_waiter_pt handler, void *data)
{
    ngx_int_t               rc;
    ngx_http_gate_order_t  *order;

    if (!gate_held_id(held->id.data, held->id.len)) {
        return NGX_DECLINED;
    }

    order = ngx_calloc(sizeof(ngx_http_gate_order_t), ledger->log);
    if (order == NULL) {
        return NGX_ERROR;
    }

    order->ledger = ledger;
    order->handler = handler;
    order->data = data;
    order->lift = held->kind == GATE_HELD_LIFTED;

    order->id.data = order->text;
    order->id.len = held->id.len;
    ngx_memcpy(order->id.data, held->id.data, held->id.len);

    order->value.data = order->text + GATE_HELD_ID;
    order->value.len = gate_held_format(held, (char *) order->value.data);

    rc = order->value.len == 0 ? NGX_DECLINED
         : ledger->redis ? ngx_http_gate_order_send(order)
                         : ngx_http_gate_order_write(order);

    if (rc != NGX_OK) {
        ngx_free(order);
    }

    return rc;
}


static ngx_int_t
ngx_http_gate_order_send(ngx_http_gate_order_t *order)
{
    u_char                   *p;
    ngx_int_t                 rc;
    ngx_http_gate_ledger_t   *ledger;
    ngx_http_gate_command_t   command;

    ledger = order->ledger;

    p = ngx_http_gate_script_holds(&command, &ledger->scripts, order->reload);

    ngx_str_set(&command.argv[command.argc], "set");
    command.argc++;

    command.argv[command.argc++] = order->id;
    command.argv[command.argc++] = order->value;

    p = ngx_http_gate_script_number(&command, p, GATE_HELD_MAX);
    p = ngx_http_gate_script_number(&command, p,
                                 ngx_http_gate_zone_holds_room(ledger->zone));
    (void) ngx_http_gate_script_number(&command, p, order->lift);

    /* behind the script and the number of keys stands the first of them */

    rc = ngx_http_gate_redis_ask(ledger->redis, &command.argv[3],
                                 command.argc, command.argv, 1,
                                 ngx_http_gate_order_reply, order);

    ngx_http_gate_ledger_sent(ledger, NGX_HTTP_GATE_ASKED_HOLD, rc == NGX_OK);

    return rc;
}


static void
ngx_http_gate_order_reply(void *data, redisReply *reply)
{
    ngx_http_gate_order_t *order = data;

    ngx_int_t                rc;
    ngx_http_gate_ledger_t  *ledger;

    ledger = order->ledger;

    if (reply && reply->type == REDIS_REPLY_ERROR && !order->reload
        && ngx_strncmp(reply->str, "NOSCRIPT", sizeof("NOSCRIPT") - 1) == 0)
    {
        order->reload = 1;

        if (ngx_http_gate_order_send(order) == NGX_OK) {
            return;
        }
    }

    rc = reply ? ngx_http_gate_order_done(reply) : NGX_ERROR;

    if (rc == NGX_OK) {
        ngx_http_gate_holding_news(ledger);

    } else if (rc == NGX_ERROR) {
        ngx_http_gate_ledger_faulty(ledger,
                                    reply ? NGX_HTTP_GATE_FAILED_ERROR
                                          : NGX_HTTP_GATE_FAILED_UNANSWERED);
        ngx_log_error(NGX_LOG_ERR, ledger->log, 0,
                      "gate: redis did not %s hold %V: \"%s\"",
                      order->lift ? "lift" : "set", &order->id,
                      reply && reply->type == REDIS_REPLY_ERROR
                      ? reply->str : "no answer");
    }

    order->handler(order->data, rc);

    ngx_free(order);
}


/* as holds.lua has it: the last number */

static ngx_int_t
ngx_http_gate_order_done(redisReply *reply)
{
    redisReply  *last;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 5) {
        return NGX_ERROR;
    }

    last = reply->element[4];

    if (last == NULL || last->type != REDIS_REPLY_INTEGER) {
        return NGX_ERROR;
    }

    switch (last->integer) {

    case 0:
        return NGX_BUSY;

    case 1:
        return NGX_OK;

    case 2:
        return NGX_DECLINED;

    default:
        return NGX_ERROR;
    }
}


/* this host is all there is */

static ngx_int_t
ngx_http_gate_order_write(ngx_http_gate_order_t *order)
{
    size_t                    size, len;
    u_char                   *text;
    ngx_http_gate_holds_t    *holds;
    ngx_http_gate_ledger_t   *ledger;
    ngx_http_gate_edition_t   edition;

    ledger = order->ledger;
    holds = &ledger->holding.holds;
    size = ngx_http_gate_zone_holds_room(ledger->zone);

    text = ngx_alloc(2 * ngx_max(size, 1), ledger->log);
    if (text == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_http_gate_holds_refresh(holds, 0);

    len = size;
    (void) ngx_http_gate_zone_holds_read(ledger->zone, text, &len, &edition);

    len = ngx_http_gate_order_edit(order, text, ngx_min(len, size),
                                   text + size, size, &order->rc);

    if (order->rc == NGX_OK) {
        edition.version++;
        (void) ngx_http_gate_zone_holds_write(ledger->zone, text + size, len,
                                              &edition);
        (void) ngx_http_gate_holds_refresh(holds, 1);
    }

    ngx_free(text);

    order->run.handler = ngx_http_gate_order_run_handler;
    order->run.data = order;
    order->run.log = ledger->log;

    ngx_post_event(&order->run, &ngx_posted_events);

    return NGX_OK;
}


/* they stay in the order of their ids; what is over makes room */

static size_t
ngx_http_gate_order_edit(ngx_http_gate_order_t *order, u_char *text,
    size_t len, u_char *to, size_t size, ngx_int_t *rc)
{
    u_char      *p, *next, *end;
    ngx_int_t    cmp;
    ngx_str_t    id, value;
    ngx_uint_t   n, found, done;

    n = 0;
    found = 0;
    done = order->lift;
    p = to;

    for (next = text; p && next; /* void */ ) {
        next = ngx_http_gate_register_next(next, text + len, &id, &value);

        cmp = next ? ngx_memn2cmp(id.data, order->id.data, id.len,
                                  order->id.len)
                   : 1;
        found |= cmp == 0;

        if (cmp >= 0 && !done) {
            done = 1;
            n++;
            p = ngx_http_gate_register_add(p, to + size, &order->id,
                                           &order->value);
        }

        if (next && p && cmp && !ngx_http_gate_order_over(order, &id, &value))
        {
            end = ngx_http_gate_register_add(p, to + size, &id, &value);
            p = end;
            n++;
        }
    }

    *rc = order->lift && !found ? NGX_DECLINED
          : p == NULL || n > GATE_HELD_MAX ? NGX_BUSY
                                           : NGX_OK;

    return p ? (size_t) (p - to) : 0;
}


static ngx_uint_t
ngx_http_gate_order_over(ngx_http_gate_order_t *order, const ngx_str_t *id,
    const ngx_str_t *value)
{
    u_char       copy[GATE_HELD_VALUE];
    gate_held_t  held;

    if (value->len > GATE_HELD_VALUE) {
        return 1;
    }

    ngx_memcpy(copy, value->data, value->len);

    return gate_held_parse((char *) id->data, id->len, (char *) copy,
                           value->len, &held)
           != 0
           || gate_held_over(&held,
                          ngx_http_gate_zone_holds_now(order->ledger->zone));
}


static void
ngx_http_gate_order_run_handler(ngx_event_t *ev)
{
    ngx_http_gate_order_t  *order;

    order = ev->data;

    order->handler(order->data, order->rc);

    ngx_free(order);
}
