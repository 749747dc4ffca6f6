/*
 * Questions and their replies.  An "asking" is an account this worker has
 * something to ask about: those who wait, and the question while it is under
 * way.  Its life: _open, _run (posted: wakes who can go on, asks for who can
 * not), _send, _reply, _end, and _run again until nobody is left.
 */


#include "ngx_http_gate_ledger_inner.h"


/* another worker asks about the account: look again after */
#define NGX_HTTP_GATE_ELSEWHERE   5

/* accounts that are kept while Redis is away, for documents to be given back */
#define NGX_HTTP_GATE_LATER       1024

/* and how often each looks whether it still is */
#define NGX_HTTP_GATE_AGAIN       250


struct ngx_http_gate_asking_s {
    ngx_str_node_t                node;
    ngx_http_gate_ledger_t       *ledger;
    ngx_queue_t                   waiting;
    ngx_queue_t                   woken;
    ngx_event_t                   run;      /* posted */
    ngx_event_t                   timer;    /* another worker asks */
    ngx_http_gate_question_t      question;
    ngx_uint_t                    given;    /* so many of its gives */
    ngx_msec_t                    since;    /* another worker asks */
    unsigned                      elsewhere:1;  /* it does, as was seen */
    unsigned                      sent:1;
    unsigned                      told:1;   /* it may have been executed */
    unsigned                      later:1;  /* the timer is for its gives */
    unsigned                      reload:1; /* Redis has not the script */
    unsigned                      wanted:1; /* ask, though nobody waits */
    unsigned                      settling:1;   /* ledger->settling has it */
    u_char                        name[NGX_HTTP_GATE_NAME_MAX];
};


static ngx_http_gate_asking_t *ngx_http_gate_ledger_open(
    ngx_http_gate_ledger_t *ledger, const ngx_str_t *name, uint32_t hash,
    const ngx_http_gate_kind_t *kind);
static void ngx_http_gate_ledger_limits(ngx_http_gate_asking_t *asking,
    const ngx_http_gate_account_t *account);
static void ngx_http_gate_ledger_run_handler(ngx_event_t *ev);
static void ngx_http_gate_ledger_later(ngx_http_gate_asking_t *asking);
static void ngx_http_gate_ledger_now(ngx_http_gate_asking_t *asking);
static void ngx_http_gate_ledger_timer_handler(ngx_event_t *ev);
static void ngx_http_gate_ledger_ask(ngx_http_gate_asking_t *asking);
static void ngx_http_gate_ledger_claim(ngx_http_gate_asking_t *asking);
static void ngx_http_gate_ledger_documents(ngx_http_gate_asking_t *asking,
    ngx_uint_t n);
static void ngx_http_gate_ledger_wake(ngx_http_gate_asking_t *asking,
    ngx_int_t rc);
static ngx_int_t ngx_http_gate_ledger_send(ngx_http_gate_asking_t *asking);
static void ngx_http_gate_ledger_reply_handler(void *data, redisReply *reply);
static void ngx_http_gate_ledger_error(ngx_http_gate_asking_t *asking,
    redisReply *reply);
static void ngx_http_gate_ledger_end(ngx_http_gate_asking_t *asking,
    const ngx_http_gate_answer_t *answer, ngx_int_t rc);
static void ngx_http_gate_ledger_give_back(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_account_t *account);
static void ngx_http_gate_ledger_giving(ngx_http_gate_asking_t *asking,
    ngx_uint_t quota, const u_char *document, uint64_t number);
static void ngx_http_gate_ledger_given(ngx_http_gate_asking_t *asking);
static void ngx_http_gate_ledger_unheard(ngx_http_gate_asking_t *asking);
static void ngx_http_gate_ledger_news(void *data, uint64_t server,
    ngx_uint_t up, const char *why);


ngx_http_gate_ledger_t *
ngx_http_gate_ledger_create(ngx_cycle_t *cycle, ngx_http_gate_zone_t *zone,
    ngx_http_gate_redis_conf_t *redis, ngx_str_t *prefix, time_t usage_keep)
{
    ngx_http_gate_ledger_t  *ledger;

    ledger = ngx_pcalloc(cycle->pool, sizeof(ngx_http_gate_ledger_t));
    if (ledger == NULL) {
        return NULL;
    }

    ledger->zone = zone;
    ledger->log = cycle->log;

    if (redis == NULL) {
        return ngx_http_gate_holding_create(ledger, cycle->pool) == NGX_OK
               ? ledger : NULL;
    }

    ledger->link = &redis->link;
    ledger->scripts.prefix = *prefix;
    ledger->scripts.cluster = redis->cluster;
    ledger->timeout = redis->link.connect_timeout
                      + redis->link.timeout + 100;
    ledger->usage_keep = usage_keep;
    ledger->flush = ngx_http_gate_flush_create(cycle->pool, ledger);

    ngx_rbtree_init(&ledger->askings, &ledger->sentinel,
                    ngx_str_rbtree_insert_value);

    ngx_rbtree_init(&ledger->habits, &ledger->habits_sentinel,
                    ngx_str_rbtree_insert_value);

    ngx_http_gate_script_init(&ledger->scripts);

    ledger->redis = ngx_http_gate_redis_create(cycle->pool, redis, prefix,
                                               cycle->log);
    if (ledger->flush == NULL || ledger->redis == NULL
        || ngx_http_gate_holding_create(ledger, cycle->pool) != NGX_OK
        || ngx_http_gate_sweep_create(ledger, cycle->pool) != NGX_OK)
    {
        return NULL;
    }

    return ledger;
}


ngx_int_t
ngx_http_gate_ledger_draw(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_account_t *account, ngx_http_gate_waiter_t *waiter)
{
    ngx_http_gate_asking_t  *asking;

    if (ledger->redis == NULL) {
        return NGX_BUSY;
    }

    asking = ngx_http_gate_ledger_open(ledger, &account->name, account->hash,
                                       account->kind);
    if (asking == NULL) {
        return NGX_ERROR;
    }

    ngx_http_gate_ledger_limits(asking, account);
    ngx_memcpy(waiter->document, account->document, sizeof(account->document));

    waiter->asking = asking;
    ngx_queue_insert_tail(&asking->waiting, &waiter->queue);

    return NGX_AGAIN;
}


void
ngx_http_gate_ledger_cancel(ngx_http_gate_waiter_t *waiter)
{
    if (waiter->asking) {
        waiter->asking = NULL;
        ngx_queue_remove(&waiter->queue);
    }
}


void
ngx_http_gate_ledger_ahead(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_account_t *account)
{
    ngx_http_gate_asking_t  *asking;

    account->low = 0;

    if (ledger->redis == NULL || !ngx_http_gate_redis_ready(ledger->redis)) {
        return;
    }

    asking = ngx_http_gate_ledger_open(ledger, &account->name, account->hash,
                                       account->kind);
    if (asking == NULL) {
        return;
    }

    ngx_http_gate_ledger_limits(asking, account);

    if (!asking->sent) {
        asking->wanted = 1;
    }
}


void
ngx_http_gate_ledger_give(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_account_t *account, ngx_http_gate_usage_t *usage)
{
    ngx_http_gate_zone_give(ledger->zone, account, usage);

    if (account->kind->documents && ledger->redis) {
        ngx_http_gate_ledger_give_back(ledger, account);
    }

    ngx_http_gate_sweep_leave(ledger);
}


/* documents that were counted and not taken */

static void
ngx_http_gate_ledger_give_back(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_account_t *account)
{
    ngx_uint_t               i;
    ngx_http_gate_asking_t  *asking;

    for (i = 0; i < account->kind->nquotas; i++) {

        if (account->gives[i] == 0) {
            continue;
        }

        asking = ngx_http_gate_ledger_open(ledger, &account->name,
                                           account->hash, account->kind);
        if (asking == NULL) {
            return;
        }

        ngx_http_gate_ledger_limits(asking, account);

        ngx_http_gate_ledger_giving(asking, i, account->document,
                                    account->gives[i]);
        account->gives[i] = 0;
        asking->wanted = 1;
    }
}


/* if there are too many, it stays as if it was taken */

static void
ngx_http_gate_ledger_giving(ngx_http_gate_asking_t *asking, ngx_uint_t quota,
    const u_char *document, uint64_t number)
{
    ngx_http_gate_giving_t  *giving;

    if (asking->question.ngives == NGX_HTTP_GATE_GIVEN) {
        return;
    }

    giving = &asking->question.gives[asking->question.ngives++];
    giving->quota = quota;
    giving->number = number;
    ngx_memcpy(giving->document, document, NGX_HTTP_GATE_DIGEST_LEN);
}


void
ngx_http_gate_ledger_watch(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_ledger_news_pt handler, void *data)
{
    if (ledger->redis) {
        ledger->news = handler;
        ledger->news_data = data;
        ledger->link->news = ngx_http_gate_ledger_news;
        ledger->link->news_data = ledger;
    }
}


static void
ngx_http_gate_ledger_news(void *data, uint64_t server, ngx_uint_t up,
    const char *why)
{
    ngx_http_gate_ledger_t *ledger = data;

    if (ngx_http_gate_counters_away(ngx_http_gate_zone_counters(ledger->zone),
                                    server, !up))
    {
        ledger->news(ledger->news_data, up, why);
    }
}


ngx_http_gate_redis_t *
ngx_http_gate_ledger_redis(ngx_http_gate_ledger_t *ledger)
{
    return ledger->redis;
}


void
ngx_http_gate_ledger_sent(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_asked_e asked, ngx_uint_t n)
{
    ngx_http_gate_counters_t  *counters;

    counters = ngx_http_gate_zone_counters(ledger->zone);

    if (n) {
        (void) ngx_atomic_fetch_add(&counters->asked[asked], n);
        return;
    }

    ngx_http_gate_ledger_faulty(ledger, NGX_HTTP_GATE_FAILED_UNSENT);
}


void
ngx_http_gate_ledger_faulty(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_failed_e failed)
{
    ngx_http_gate_counters_t  *counters;

    counters = ngx_http_gate_zone_counters(ledger->zone);

    (void) ngx_atomic_fetch_add(&counters->failed[failed], 1);
}


void
ngx_http_gate_ledger_close(ngx_http_gate_ledger_t *ledger)
{
    ngx_http_gate_sweep_close(ledger);
    ngx_http_gate_holding_close(ledger);

    if (ledger->redis) {
        ngx_http_gate_redis_close(ledger->redis);
    }
}


/* finds or makes what this worker asks of an account, and has it run soon */

static ngx_http_gate_asking_t *
ngx_http_gate_ledger_open(ngx_http_gate_ledger_t *ledger,
    const ngx_str_t *name, uint32_t hash, const ngx_http_gate_kind_t *kind)
{
    ngx_http_gate_asking_t  *asking;

    asking = (ngx_http_gate_asking_t *)
                 ngx_str_rbtree_lookup(&ledger->askings, (ngx_str_t *) name,
                                       hash);

    if (asking == NULL) {
        asking = ngx_calloc(sizeof(ngx_http_gate_asking_t), ledger->log);
        if (asking == NULL) {
            return NULL;
        }

        ngx_memcpy(asking->name, name->data, name->len);

        asking->ledger = ledger;
        asking->question.name.len = name->len;
        asking->question.name.data = asking->name;
        asking->question.hash = hash;

        ngx_queue_init(&asking->waiting);
        ngx_queue_init(&asking->woken);

        asking->run.handler = ngx_http_gate_ledger_run_handler;
        asking->run.data = asking;
        asking->run.log = ledger->log;

        asking->timer.handler = ngx_http_gate_ledger_timer_handler;
        asking->timer.data = asking;
        asking->timer.log = ledger->log;

        asking->node.node.key = hash;
        asking->node.str = asking->question.name;
        ngx_rbtree_insert(&ledger->askings, &asking->node.node);
    }

    if (!asking->sent) {
        asking->question.kind = kind;
        asking->question.settle = 0;
    }

    ngx_post_event(&asking->run, &ngx_posted_events);

    return asking;
}


ngx_int_t
ngx_http_gate_ledger_settle(ngx_http_gate_ledger_t *ledger,
    const ngx_http_gate_question_t *idle)
{
    ngx_http_gate_asking_t  *asking;

    asking = ngx_http_gate_ledger_open(ledger, &idle->name, idle->hash,
                                       idle->kind);
    if (asking == NULL) {
        return NGX_ERROR;
    }

    if (idle->again && asking->timer.timer_set) {

        /* who waits for an epoch to open tells of it: there is another */

        ngx_add_timer(&asking->timer, 0);
    }

    if (!asking->sent && ngx_queue_empty(&asking->waiting)
        && ngx_queue_empty(&asking->woken))
    {
        asking->question.settle = 1;
        asking->wanted = 1;
    }

    return NGX_OK;
}


static void
ngx_http_gate_ledger_limits(ngx_http_gate_asking_t *asking,
    const ngx_http_gate_account_t *account)
{
    ngx_memcpy(asking->question.limits, account->limits,
               sizeof(account->limits));
    asking->question.extras = account->extras;
}


static void
ngx_http_gate_ledger_run_handler(ngx_event_t *ev)
{
    ngx_queue_t             *q;
    ngx_http_gate_asking_t  *asking;
    ngx_http_gate_waiter_t  *waiter;

    asking = ev->data;

    while (!ngx_queue_empty(&asking->woken)) {
        q = ngx_queue_head(&asking->woken);
        waiter = ngx_queue_data(q, ngx_http_gate_waiter_t, queue);

        ngx_queue_remove(q);
        waiter->asking = NULL;

        waiter->handler(waiter->data, waiter->rc);
    }

    if (asking->later && !ngx_queue_empty(&asking->waiting)) {
        ngx_http_gate_ledger_now(asking);
    }

    if (asking->sent || asking->timer.timer_set) {
        return;
    }

    if (asking->question.ndocuments
        && ngx_http_gate_zone_unused(asking->ledger->zone, &asking->question))
    {
        asking->wanted = 1;
    }

    if (asking->wanted || !ngx_queue_empty(&asking->waiting)) {
        ngx_http_gate_ledger_ask(asking);
        return;
    }

    if (asking->question.ngives && !ngx_exiting
        && asking->ledger->later < NGX_HTTP_GATE_LATER)
    {
        ngx_http_gate_ledger_later(asking);
        return;
    }

    if (asking->run.posted) {
        ngx_delete_posted_event(&asking->run);
    }

    ngx_rbtree_delete(&asking->ledger->askings, &asking->node.node);
    ngx_free(asking);
}


/* what is to be given back waits for Redis */

static void
ngx_http_gate_ledger_later(ngx_http_gate_asking_t *asking)
{
    asking->later = 1;
    asking->elsewhere = 0;
    asking->ledger->later++;

    ngx_add_timer(&asking->timer, NGX_HTTP_GATE_AGAIN);
}


static void
ngx_http_gate_ledger_now(ngx_http_gate_asking_t *asking)
{
    asking->later = 0;
    asking->ledger->later--;

    if (asking->timer.timer_set) {
        ngx_del_timer(&asking->timer);
    }
}


static void
ngx_http_gate_ledger_timer_handler(ngx_event_t *ev)
{
    ngx_uint_t               early;
    ngx_http_gate_asking_t  *asking;

    asking = ev->data;

    if (asking->later) {
        ngx_http_gate_ledger_now(asking);
        asking->wanted = 1;
    }

    /* by now the other worker may have got enough for all; or still asks */

    early = asking->elsewhere
            && ngx_current_msec - asking->since < asking->ledger->timeout;

    ngx_http_gate_ledger_wake(asking, early ? NGX_AGAIN : NGX_OK);
}


static void
ngx_http_gate_ledger_ask(ngx_http_gate_asking_t *asking)
{
    ngx_http_gate_ledger_t  *ledger;

    ledger = asking->ledger;
    asking->wanted = 0;

    ngx_http_gate_ledger_claim(asking);

    switch (ngx_http_gate_zone_begin(ledger->zone, &asking->question,
                                     ledger->timeout))
    {

    case NGX_OK:
        asking->elsewhere = 0;
        break;

    case NGX_BUSY:
        if (!asking->elsewhere) {
            asking->elsewhere = 1;
            asking->since = ngx_current_msec;
        }

        ngx_add_timer(&asking->timer, NGX_HTTP_GATE_ELSEWHERE);
        return;

    default: /* NGX_DECLINED */
        ngx_http_gate_ledger_wake(asking, NGX_OK);
        return;
    }

    asking->reload = 0;

    if (ngx_http_gate_ledger_send(asking) != NGX_OK) {
        ngx_http_gate_ledger_end(asking, NULL, NGX_ERROR);
    }
}


/* the first needs all of it; the others as much as there is */

static void
ngx_http_gate_ledger_claim(ngx_http_gate_asking_t *asking)
{
    uint64_t                      limit, need;
    ngx_uint_t                    i;
    ngx_queue_t                  *q;
    gate_claim_t                 *claim;
    ngx_http_gate_waiter_t       *waiter;
    ngx_http_gate_question_t     *question;
    const ngx_http_gate_quota_t  *quota;

    question = &asking->question;
    question->ndocuments = 0;

    for (i = 0; i < question->kind->nquotas; i++) {
        quota = &question->kind->quotas[i];
        claim = &question->claims[i];
        limit = question->limits[i];

        claim->need = 0;
        claim->more = 0;
        claim->lease = 0;

        if (limit == GATE_UNBOUNDED || question->settle) {
            continue;
        }

        if (quota->unit == GATE_DOCUMENTS) {
            ngx_http_gate_ledger_documents(asking, i);
            continue;
        }

        claim->lease = gate_lease_size(quota->unit, quota->lease, limit);

        for (q = ngx_queue_head(&asking->waiting);
             q != ngx_queue_sentinel(&asking->waiting);
             q = ngx_queue_next(q))
        {
            waiter = ngx_queue_data(q, ngx_http_gate_waiter_t, queue);
            need = ngx_min(waiter->needs[i], GATE_LIMIT_MAX);

            if (q == ngx_queue_head(&asking->waiting)) {
                claim->need = need;

            } else {
                claim->more = ngx_min(claim->more + need, GATE_LIMIT_MAX);
            }
        }
    }
}


/* those that are not known, each once, the first one's first */

static void
ngx_http_gate_ledger_documents(ngx_http_gate_asking_t *asking, ngx_uint_t n)
{
    ngx_uint_t                 i;
    ngx_queue_t               *q;
    ngx_http_gate_waiter_t    *waiter;
    ngx_http_gate_question_t  *question;

    question = &asking->question;

    for (q = ngx_queue_head(&asking->waiting);
         q != ngx_queue_sentinel(&asking->waiting);
         q = ngx_queue_next(q))
    {
        waiter = ngx_queue_data(q, ngx_http_gate_waiter_t, queue);

        if (waiter->needs[n] == 0) {
            continue;
        }

        for (i = 0; i < question->ndocuments; i++) {
            if (ngx_memcmp(question->documents[i], waiter->document,
                           NGX_HTTP_GATE_DIGEST_LEN)
                == 0)
            {
                break;
            }
        }

        if (q == ngx_queue_head(&asking->waiting)) {
            question->claims[n].need = i == 0;
        }

        if (i == NGX_HTTP_GATE_ASKED) {
            return;
        }

        if (i == question->ndocuments) {
            ngx_memcpy(question->documents[i], waiter->document,
                       NGX_HTTP_GATE_DIGEST_LEN);
            question->ndocuments++;
        }
    }
}


static void
ngx_http_gate_ledger_wake(ngx_http_gate_asking_t *asking, ngx_int_t rc)
{
    ngx_queue_t             *q;
    ngx_http_gate_waiter_t  *waiter;

    while (!ngx_queue_empty(&asking->waiting)) {
        q = ngx_queue_head(&asking->waiting);
        waiter = ngx_queue_data(q, ngx_http_gate_waiter_t, queue);

        waiter->rc = rc;
        ngx_queue_remove(q);
        ngx_queue_insert_tail(&asking->woken, q);
    }

    ngx_post_event(&asking->run, &ngx_posted_events);
}


static ngx_int_t
ngx_http_gate_ledger_send(ngx_http_gate_asking_t *asking)
{
    ngx_http_gate_ledger_t   *ledger;
    ngx_http_gate_command_t   command;

    ledger = asking->ledger;

    ngx_http_gate_script_command(&command, &ledger->scripts, asking->reload,
                                 &asking->question);
    asking->sent = 1;
    asking->told = 1;
    asking->given = asking->question.ngives;

    if (ngx_http_gate_redis_ask(ledger->redis, &asking->question.name,
                                command.argc, command.argv,
                                !asking->question.settle,
                                ngx_http_gate_ledger_reply_handler, asking)
        != NGX_OK)
    {
        asking->sent = 0;
        asking->told = asking->reload;
        ngx_http_gate_ledger_sent(ledger, NGX_HTTP_GATE_ASKED_DRAW, 0);
        return NGX_ERROR;
    }

    if (asking->question.settle && !asking->settling) {
        asking->settling = 1;
        ledger->settling++;
    }

    ngx_http_gate_ledger_sent(ledger, asking->question.settle
                                      ? NGX_HTTP_GATE_ASKED_SETTLE
                                      : NGX_HTTP_GATE_ASKED_DRAW, 1);
    return NGX_OK;
}


static void
ngx_http_gate_ledger_reply_handler(void *data, redisReply *reply)
{
    ngx_http_gate_asking_t *asking = data;

    ngx_http_gate_answer_t   answer;
    ngx_http_gate_ledger_t  *ledger;

    ledger = asking->ledger;

    if (reply == NULL) {
        ngx_http_gate_ledger_faulty(ledger, NGX_HTTP_GATE_FAILED_UNANSWERED);
        ngx_http_gate_ledger_end(asking, NULL, NGX_ERROR);
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_http_gate_ledger_error(asking, reply);
        return;
    }

    if (ngx_http_gate_script_reply(reply, &asking->question, &answer)
        != NGX_OK)
    {
        ngx_http_gate_ledger_failed(ledger, "no grant in the reply",
                                    sizeof("no grant in the reply") - 1);
        ngx_http_gate_ledger_end(asking, NULL, NGX_ERROR);
        return;
    }

    answer.server = ngx_http_gate_redis_server(ledger->redis);

    ngx_http_gate_counters_answered(ngx_http_gate_zone_counters(ledger->zone),
                                    asking->question.asked);

    if (answer.lost) {
        ngx_log_error(NGX_LOG_INFO, ledger->log, 0,
                      "gate: redis had lost the count of account \"%V\", "
                      "it was told again", &asking->question.name);
    }

    ledger->farewell = 0;

    if (ledger->failing) {
        ledger->failing = 0;
        ngx_log_error(NGX_LOG_NOTICE, ledger->log, 0,
                      "gate: redis grants again");
    }

    ngx_http_gate_ledger_end(asking, &answer, NGX_OK);
}


static void
ngx_http_gate_ledger_error(ngx_http_gate_asking_t *asking, redisReply *reply)
{
    if (ngx_strncmp(reply->str, "NOSCRIPT", sizeof("NOSCRIPT") - 1) == 0
        && !asking->reload)
    {
        asking->reload = 1;

        if (ngx_http_gate_ledger_send(asking) == NGX_OK) {
            return;
        }

    } else if (ngx_strncmp(reply->str, "STALE", sizeof("STALE") - 1) == 0) {
        ngx_http_gate_ledger_end(asking, NULL, NGX_OK);
        return;
    }

    ngx_http_gate_ledger_failed(asking->ledger, reply->str, reply->len);
    ngx_http_gate_ledger_end(asking, NULL, NGX_ERROR);
}


void
ngx_http_gate_ledger_failed(ngx_http_gate_ledger_t *ledger, const char *what,
    size_t len)
{
    ngx_http_gate_ledger_faulty(ledger, NGX_HTTP_GATE_FAILED_ERROR);

    if (!ledger->failing) {
        ledger->failing = 1;
        ngx_log_error(NGX_LOG_ERR, ledger->log, 0,
                      "gate: redis grants nothing: \"%*s\"",
                      ngx_min(len, 256), what);
    }
}


static void
ngx_http_gate_ledger_end(ngx_http_gate_asking_t *asking,
    const ngx_http_gate_answer_t *answer, ngx_int_t rc)
{
    asking->sent = 0;

    if (asking->settling) {
        asking->settling = 0;
        ngx_http_gate_sweep_settled(asking->ledger, asking->question.asked,
                                    rc);
    }

    if (answer) {
        ngx_http_gate_ledger_given(asking);

    } else {
        ngx_http_gate_ledger_unheard(asking);
    }

    if (ngx_http_gate_zone_end(asking->ledger->zone, &asking->question,
                               answer))
    {
        ngx_http_gate_sweep_restate(asking->ledger);
    }

    if (answer && answer->closed && !ngx_queue_empty(&asking->waiting)) {

        /* nothing was granted, they ask again when something may be */

        ngx_add_timer(&asking->timer, answer->closed + 1);

    } else {
        ngx_http_gate_ledger_wake(asking, rc);
    }

    ngx_http_gate_sweep_leave(asking->ledger);
}


static void
ngx_http_gate_ledger_given(ngx_http_gate_asking_t *asking)
{
    ngx_http_gate_counters_t  *counters;
    ngx_http_gate_question_t  *question;

    counters = ngx_http_gate_zone_counters(asking->ledger->zone);

    (void) ngx_atomic_fetch_add(&counters->settled[GATE_DOCUMENTS],
                                asking->given);

    question = &asking->question;
    question->ngives -= asking->given;

    ngx_memmove(question->gives, &question->gives[asking->given],
                question->ngives * sizeof(ngx_http_gate_giving_t));

    asking->wanted |= question->ngives > 0;
}


/*
 * Nobody knows whether the question was executed: the documents it may have
 * taken are given back when somebody listens again.
 */

static void
ngx_http_gate_ledger_unheard(ngx_http_gate_asking_t *asking)
{
    ngx_uint_t                 i, k;
    ngx_http_gate_question_t  *question;

    question = &asking->question;

    for (i = 0; asking->told && i < question->kind->nquotas; i++) {

        if (question->kind->quotas[i].unit != GATE_DOCUMENTS) {
            continue;
        }

        for (k = 0; k < question->ndocuments; k++) {
            ngx_http_gate_ledger_giving(asking, i, question->documents[k],
                                        question->number);
        }
    }

    asking->told = 0;
    question->ndocuments = 0;
}
