/*
 * Questions for habits.  A "wonder" is one that is under way: a user, a
 * country (or where he is), and those who wait.  Its life: _open, _send,
 * _reply, _end, and _run (posted), which wakes them and ends it.  One that was
 * lost is asked again by who comes next: what is told of a user is the same
 * however often it is told.
 */


#include "ngx_http_gate_ledger_inner.h"


/* "unknown" */
#define NGX_HTTP_GATE_COUNTRY_MAX  7


struct ngx_http_gate_wonder_s {
    ngx_str_node_t                node;     /* by the digest */
    ngx_http_gate_ledger_t       *ledger;
    ngx_queue_t                   waiting;
    ngx_event_t                   run;      /* posted */
    ngx_int_t                     rc;
    ngx_http_gate_habit_t         habit;
    ngx_http_gate_told_t          told;
    unsigned                      here:1;   /* asked to be written */
    unsigned                      wanted:1; /* to be, after this one */
    unsigned                      reload:1; /* Redis has not the script */
    u_char                        name[NGX_HTTP_GATE_NAME_MAX];
    u_char                        country[NGX_HTTP_GATE_COUNTRY_MAX];
};


static ngx_http_gate_wonder_t *ngx_http_gate_habits_find_wonder(
    ngx_http_gate_ledger_t *ledger, const ngx_http_gate_habit_t *habit);
static ngx_int_t ngx_http_gate_habits_open(ngx_http_gate_ledger_t *ledger,
    const ngx_http_gate_habit_t *habit, ngx_uint_t here,
    ngx_http_gate_wonder_t **wonder);
static ngx_int_t ngx_http_gate_habits_send(ngx_http_gate_wonder_t *wonder);
static void ngx_http_gate_habits_reply_handler(void *data, redisReply *reply);
static ngx_int_t ngx_http_gate_habits_told(ngx_http_gate_wonder_t *wonder,
    redisReply *reply);
static void ngx_http_gate_habits_failed(ngx_http_gate_ledger_t *ledger,
    const char *what, size_t len);
static void ngx_http_gate_habits_end(ngx_http_gate_wonder_t *wonder,
    ngx_int_t rc);
static void ngx_http_gate_habits_run_handler(ngx_event_t *ev);


ngx_int_t
ngx_http_gate_ledger_habit(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_habit_t *habit, ngx_http_gate_habit_waiter_t *waiter)
{
    ngx_int_t                rc;
    ngx_http_gate_wonder_t  *wonder;

    wonder = ngx_http_gate_habits_find_wonder(ledger, habit);

    if (wonder == NULL) {
        rc = ngx_http_gate_habits_open(ledger, habit, 0, &wonder);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    waiter->wonder = wonder;
    ngx_queue_insert_tail(&wonder->waiting, &waiter->queue);

    return NGX_AGAIN;
}


void
ngx_http_gate_ledger_forgo(ngx_http_gate_habit_waiter_t *waiter)
{
    if (waiter->wonder) {
        waiter->wonder = NULL;
        ngx_queue_remove(&waiter->queue);
    }
}


void
ngx_http_gate_ledger_here(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_habit_t *habit)
{
    ngx_http_gate_wonder_t  *wonder;

    wonder = ngx_http_gate_habits_find_wonder(ledger, habit);

    if (wonder) {
        wonder->wanted = !wonder->here;
        return;
    }

    (void) ngx_http_gate_habits_open(ledger, habit, 1, &wonder);
}


static ngx_http_gate_wonder_t *
ngx_http_gate_habits_find_wonder(ngx_http_gate_ledger_t *ledger,
    const ngx_http_gate_habit_t *habit)
{
    uint32_t   key;
    ngx_str_t  digest;

    digest.len = NGX_HTTP_GATE_HABIT_LEN;
    digest.data = (u_char *) habit->digest;

    ngx_memcpy(&key, habit->digest, sizeof(uint32_t));

    return (ngx_http_gate_wonder_t *)
               ngx_str_rbtree_lookup(&ledger->habits, &digest, key);
}


static ngx_int_t
ngx_http_gate_habits_open(ngx_http_gate_ledger_t *ledger,
    const ngx_http_gate_habit_t *habit, ngx_uint_t here,
    ngx_http_gate_wonder_t **opened)
{
    uint32_t                 key;
    ngx_int_t                rc;
    ngx_http_gate_wonder_t  *wonder;

    wonder = ngx_calloc(sizeof(ngx_http_gate_wonder_t), ledger->log);
    if (wonder == NULL) {
        return NGX_ERROR;
    }

    wonder->ledger = ledger;
    wonder->here = here;
    wonder->habit = *habit;

    wonder->habit.name.data = wonder->name;
    ngx_memcpy(wonder->name, habit->name.data, habit->name.len);

    wonder->habit.country.data = wonder->country;

    if (habit->country.len) {
        ngx_memcpy(wonder->country, habit->country.data, habit->country.len);
    }

    ngx_queue_init(&wonder->waiting);

    wonder->run.handler = ngx_http_gate_habits_run_handler;
    wonder->run.data = wonder;
    wonder->run.log = ledger->log;

    rc = ngx_http_gate_habits_send(wonder);

    if (rc != NGX_OK) {
        ngx_free(wonder);
        return rc;
    }

    ngx_memcpy(&key, habit->digest, sizeof(uint32_t));

    wonder->node.node.key = key;
    wonder->node.str.len = NGX_HTTP_GATE_HABIT_LEN;
    wonder->node.str.data = wonder->habit.digest;
    ngx_rbtree_insert(&ledger->habits, &wonder->node.node);

    *opened = wonder;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_habits_send(ngx_http_gate_wonder_t *wonder)
{
    ngx_int_t                 rc;
    ngx_http_gate_ledger_t   *ledger;
    ngx_http_gate_command_t   command;

    ledger = wonder->ledger;

    ngx_http_gate_script_habit(&command, &ledger->scripts, wonder->reload,
                               &wonder->habit, wonder->here);

    wonder->told.asked = ngx_current_msec;

    rc = ngx_http_gate_redis_ask(ledger->redis, &wonder->habit.name,
                                 command.argc, command.argv, 0,
                                 ngx_http_gate_habits_reply_handler, wonder);

    ngx_http_gate_ledger_sent(ledger, NGX_HTTP_GATE_ASKED_HABIT,
                              rc == NGX_OK);
    return rc;
}


static void
ngx_http_gate_habits_reply_handler(void *data, redisReply *reply)
{
    ngx_http_gate_wonder_t *wonder = data;

    if (reply == NULL) {
        ngx_http_gate_ledger_faulty(wonder->ledger,
                                    NGX_HTTP_GATE_FAILED_UNANSWERED);
        ngx_http_gate_habits_end(wonder, NGX_ERROR);
        return;
    }

    if (reply->type != REDIS_REPLY_ERROR) {
        ngx_http_gate_habits_end(wonder,
                                 ngx_http_gate_habits_told(wonder, reply));
        return;
    }

    if (ngx_strncmp(reply->str, "NOSCRIPT", sizeof("NOSCRIPT") - 1) == 0
        && !wonder->reload)
    {
        wonder->reload = 1;

        if (ngx_http_gate_habits_send(wonder) == NGX_OK) {
            return;
        }
    }

    ngx_http_gate_habits_failed(wonder->ledger, reply->str, reply->len);
    ngx_http_gate_habits_end(wonder, NGX_ERROR);
}


static ngx_int_t
ngx_http_gate_habits_told(ngx_http_gate_wonder_t *wonder, redisReply *reply)
{
    ngx_http_gate_told_t    *told;
    ngx_http_gate_ledger_t  *ledger;

    told = &wonder->told;
    ledger = wonder->ledger;

    if (ngx_http_gate_script_told(reply, &wonder->habit, told) != NGX_OK) {
        ngx_http_gate_habits_failed(ledger, "not in the reply",
                                    sizeof("not in the reply") - 1);
        return NGX_ERROR;
    }

    told->server = ngx_http_gate_redis_server(ledger->redis);

    ngx_http_gate_counters_answered(ngx_http_gate_zone_counters(ledger->zone),
                                    told->asked);

    if (ledger->silent) {
        ledger->silent = 0;
        ngx_log_error(NGX_LOG_NOTICE, ledger->log, 0,
                      "gate: redis knows the countries of users again");
    }

    if (ngx_http_gate_zone_epoch(ledger->zone, told->server, told->epoch,
                                 told->asked))
    {
        ngx_http_gate_sweep_restate(ledger);
    }

    ngx_http_gate_zone_told(ledger->zone, &wonder->habit, told);

    return NGX_OK;
}


static void
ngx_http_gate_habits_failed(ngx_http_gate_ledger_t *ledger, const char *what,
    size_t len)
{
    ngx_http_gate_ledger_faulty(ledger, NGX_HTTP_GATE_FAILED_ERROR);

    if (!ledger->silent) {
        ledger->silent = 1;
        ngx_log_error(NGX_LOG_ERR, ledger->log, 0,
                      "gate: redis does not tell the countries of users: "
                      "\"%*s\"", ngx_min(len, 256), what);
    }
}


static void
ngx_http_gate_habits_end(ngx_http_gate_wonder_t *wonder, ngx_int_t rc)
{
    wonder->rc = rc;

    ngx_rbtree_delete(&wonder->ledger->habits, &wonder->node.node);
    ngx_post_event(&wonder->run, &ngx_posted_events);
}


static void
ngx_http_gate_habits_run_handler(ngx_event_t *ev)
{
    ngx_queue_t                   *q;
    ngx_http_gate_wonder_t        *wonder;
    ngx_http_gate_habit_waiter_t  *waiter;

    wonder = ev->data;

    while (!ngx_queue_empty(&wonder->waiting)) {
        q = ngx_queue_head(&wonder->waiting);
        waiter = ngx_queue_data(q, ngx_http_gate_habit_waiter_t, queue);

        ngx_queue_remove(q);
        waiter->wonder = NULL;
        waiter->told = wonder->told;

        waiter->handler(waiter->data, wonder->rc);
    }

    if (wonder->wanted && wonder->rc == NGX_OK && !wonder->told.of.days.here)
    {
        wonder->habit.told = wonder->told;
        ngx_http_gate_ledger_here(wonder->ledger, &wonder->habit);
    }

    ngx_free(wonder);
}
