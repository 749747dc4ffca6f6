/*
 * What a worker does by itself, on a timer, and nobody waits for: what accounts
 * hold idle goes back to Redis, usage is told to it, and a new epoch is looked
 * for.  A worker that is leaving does it until nothing is left.
 */


#include "ngx_http_gate_ledger_inner.h"

#include "ngx_http_gate_advice.h"


/* how often idle accounts are looked for */
#define NGX_HTTP_GATE_SWEEP       250

/*
 * How many are settled, or told again, at once: nobody waits for these, so they
 * must not be what makes Redis late for others.  At first, at least, at most.
 */
#define NGX_HTTP_GATE_SETTLES_FIRST  32
#define NGX_HTTP_GATE_SETTLES_MIN    8
#define NGX_HTTP_GATE_SETTLES        256

/* the same while Redis is away, or told what it lost */
#define NGX_HTTP_GATE_HURRY       25

/* how often a host looks for a new epoch: see epoch.lua */
#define NGX_HTTP_GATE_BEAT        1000

/* sweeps of a worker that is leaving while Redis is away, then it goes */
#define NGX_HTTP_GATE_FAREWELL    8


static void ngx_http_gate_sweep_soon(ngx_http_gate_ledger_t *ledger);
static void ngx_http_gate_sweep_handler(ngx_event_t *ev);
static ngx_uint_t ngx_http_gate_sweep_settle(ngx_http_gate_ledger_t *ledger,
    ngx_uint_t all);
static void ngx_http_gate_sweep_beat(ngx_http_gate_ledger_t *ledger);
static void ngx_http_gate_sweep_beaten(void *data, redisReply *reply);
static void ngx_http_gate_sweep_epoch(ngx_http_gate_ledger_t *ledger,
    redisReply *reply);


ngx_int_t
ngx_http_gate_sweep_create(ngx_http_gate_ledger_t *ledger, ngx_pool_t *pool)
{
    ledger->late = ledger->link->timeout / 4;
    ledger->window = NGX_HTTP_GATE_SETTLES_FIRST;

    ledger->idle = ngx_pcalloc(pool, NGX_HTTP_GATE_SETTLES
                                     * sizeof(ngx_http_gate_question_t));
    ledger->names = ngx_pnalloc(pool, NGX_HTTP_GATE_SETTLES
                                      * NGX_HTTP_GATE_NAME_MAX);

    if (ledger->idle == NULL || ledger->names == NULL) {
        return NGX_ERROR;
    }

    ledger->sweep.handler = ngx_http_gate_sweep_handler;
    ledger->sweep.data = ledger;
    ledger->sweep.log = ledger->log;

    ngx_add_timer(&ledger->sweep, NGX_HTTP_GATE_SWEEP);

    return NGX_OK;
}


void
ngx_http_gate_sweep_close(ngx_http_gate_ledger_t *ledger)
{
    if (ledger->sweep.timer_set) {
        ngx_del_timer(&ledger->sweep);
    }
}


void
ngx_http_gate_sweep_leave(ngx_http_gate_ledger_t *ledger)
{
    if (ngx_exiting && ledger->redis && !ledger->sweep.timer_set
        && ledger->farewell < NGX_HTTP_GATE_FAREWELL
        && !ngx_http_gate_zone_served(ledger->zone))
    {
        ngx_add_timer(&ledger->sweep, 1);
    }
}


/*
 * The window grows with each answer that comes soon, and shrinks with each
 * that comes late: Redis may be slow, or have many gates that tell it a lot.
 */

void
ngx_http_gate_sweep_settled(ngx_http_gate_ledger_t *ledger, ngx_msec_t asked,
    ngx_int_t rc)
{
    ledger->settling--;

    if (rc != NGX_OK) {
        ledger->window = NGX_HTTP_GATE_SETTLES_MIN;
        return;
    }

    if (ngx_current_msec - asked > ledger->late) {
        ledger->window = ngx_max(ledger->window - 1,
                                 NGX_HTTP_GATE_SETTLES_MIN);
    } else {
        ledger->window = ngx_min(ledger->window + 1, NGX_HTTP_GATE_SETTLES);
    }

    if (ledger->more && ledger->settling <= ledger->window / 2) {
        ngx_http_gate_sweep_soon(ledger);
    }
}


/* a timer that is set is not moved by a little, so it is set anew */

static void
ngx_http_gate_sweep_soon(ngx_http_gate_ledger_t *ledger)
{
    if (ledger->sweep.timer_set) {
        ngx_del_timer(&ledger->sweep);
        ngx_add_timer(&ledger->sweep, 1);
    }
}


/*
 * Settles accounts that are idle, and at the end of the last worker all of
 * them: this timer holds the worker until that is done.
 */

static void
ngx_http_gate_sweep_handler(ngx_event_t *ev)
{
    ngx_uint_t               n, usage, hurry;
    ngx_http_gate_ledger_t  *ledger;

    ledger = ev->data;

    ngx_http_gate_holding_sweep(ledger);

    if (ngx_exiting && ngx_http_gate_zone_served(ledger->zone)) {
        return;
    }

    if (!ngx_http_gate_redis_ready(ledger->redis)
        || ngx_http_gate_zone_beat(ledger->zone, NGX_HTTP_GATE_BEAT))
    {
        ngx_http_gate_sweep_beat(ledger);
    }

    n = ngx_http_gate_sweep_settle(ledger, ngx_exiting);
    usage = ngx_http_gate_ledger_usage(ledger, ngx_exiting);

    if (!ngx_exiting) {
        hurry = ngx_http_gate_zone_restating(ledger->zone)
                || !ngx_http_gate_redis_ready(ledger->redis);

        ngx_add_timer(ev, hurry ? NGX_HTTP_GATE_HURRY : NGX_HTTP_GATE_SWEEP);
        return;
    }

    if ((n || usage) && ++ledger->farewell < NGX_HTTP_GATE_FAREWELL) {
        ngx_add_timer(ev, NGX_HTTP_GATE_SWEEP);
        return;
    }

    if (n) {
        ngx_log_error(NGX_LOG_WARN, ledger->log, 0,
                      "gate: credit of %ui accounts could not be given back",
                      n);
    }

    if (usage) {
        ngx_log_error(NGX_LOG_WARN, ledger->log, 0,
                      "gate: usage of %ui users and projects could not be "
                      "written down", usage);
    }
}


/* how many are not settled yet, as far as it was looked */

static ngx_uint_t
ngx_http_gate_sweep_settle(ngx_http_gate_ledger_t *ledger, ngx_uint_t all)
{
    ngx_uint_t  i, n, room;

    if (ledger->settling >= ledger->window) {
        return ledger->settling;
    }

    room = ledger->window - ledger->settling;
    n = ngx_http_gate_zone_idle(ledger->zone, all, ledger->idle, room,
                                ledger->names);
    ledger->more = n == room;

    if (n && !ngx_http_gate_redis_ready(ledger->redis)) {

        /* credit is kept while nobody takes it back */

        return n;
    }

    for (i = 0; i < n; i++) {
        if (ngx_http_gate_ledger_settle(ledger, &ledger->idle[i]) != NGX_OK) {
            break;
        }
    }

    return ledger->settling + n;
}


/* looks for a new epoch; and connects, if there is no connection */

static void
ngx_http_gate_sweep_beat(ngx_http_gate_ledger_t *ledger)
{
    ngx_http_gate_command_t  command;

    if (ledger->beating) {
        return;
    }

    ngx_http_gate_script_command(&command, &ledger->scripts, ledger->reload,
                                 NULL);

    ledger->reloading = ledger->reload;
    ledger->reload = 0;
    ledger->beat = ngx_current_msec;
    ledger->beating = ngx_http_gate_redis_ask_each(ledger->redis, 1,
                                                   command.argc, command.argv,
                                                 ngx_http_gate_sweep_beaten,
                                                   ledger);

    ngx_http_gate_ledger_sent(ledger, NGX_HTTP_GATE_ASKED_BEAT,
                              ledger->beating);
}


static void
ngx_http_gate_sweep_beaten(void *data, redisReply *reply)
{
    ngx_http_gate_ledger_t *ledger = data;

    ledger->beating--;

    if (reply) {
        ngx_http_gate_sweep_epoch(ledger, reply);

    } else {
        ngx_http_gate_ledger_faulty(ledger, NGX_HTTP_GATE_FAILED_UNANSWERED);
    }

    if (ledger->reload) {
        ngx_http_gate_sweep_beat(ledger);
    }
}


static void
ngx_http_gate_sweep_epoch(ngx_http_gate_ledger_t *ledger, redisReply *reply)
{
    uint64_t                server;
    ngx_http_gate_answer_t  answer;

    if (reply->type == REDIS_REPLY_ERROR) {

        if (ngx_strncmp(reply->str, "NOSCRIPT", sizeof("NOSCRIPT") - 1) == 0
            && !ledger->reloading)
        {
            ledger->reload = 1;

        } else {
            ngx_http_gate_ledger_failed(ledger, reply->str, reply->len);
        }

        return;
    }

    if (ngx_http_gate_script_reply(reply, NULL, &answer) != NGX_OK) {
        ngx_http_gate_ledger_failed(ledger, "no epoch in the reply",
                                    sizeof("no epoch in the reply") - 1);
        return;
    }

    server = ngx_http_gate_redis_server(ledger->redis);

    ngx_http_gate_counters_answered(ngx_http_gate_zone_counters(ledger->zone),
                                    ledger->beat);

    if (ngx_http_gate_zone_epoch(ledger->zone, server, answer.epoch,
                                 ledger->beat))
    {
        ngx_http_gate_sweep_restate(ledger);
    }

    ngx_http_gate_zone_marks(ledger->zone, server, answer.marks, ledger->beat);
    ngx_http_gate_holding_beat(ledger, &answer);

    if (ngx_http_gate_zone_advise(ledger->zone)) {
        ngx_http_gate_advice_ask(ledger->redis, ledger->log);
    }
}


void
ngx_http_gate_sweep_restate(ngx_http_gate_ledger_t *ledger)
{
    ngx_log_error(NGX_LOG_WARN, ledger->log, 0,
                  "gate: redis lost its memory, or another took its place: "
                  "it is told again what this host knows");

    ngx_http_gate_sweep_soon(ledger);
}
