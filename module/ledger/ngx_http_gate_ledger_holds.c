/*
 * The life of a load: _load, _send, _reply; if Redis has forgotten something,
 * _tell and _send until all is told, and from the start; page by page until the
 * last, _install, _end.  What fails is begun again by the next beat.
 */


#include "ngx_http_gate_ledger_inner.h"


/* loads begin so many ms after another at the earliest */
#define NGX_HTTP_GATE_HOLDING_PAUSE   20

/* a worker that has listened so long ago, ms, listens no more */
#define NGX_HTTP_GATE_HOLDING_LISTEN  1000

/* holds that are told at once; loads that were overtaken */
#define NGX_HTTP_GATE_HOLDING_TOLD    40
#define NGX_HTTP_GATE_HOLDING_ROUNDS  4

/* numbers before what a reply is about */
#define NGX_HTTP_GATE_HOLDING_HEAD    4


static ngx_int_t ngx_http_gate_holding_load(ngx_http_gate_ledger_t *ledger);
static void ngx_http_gate_holding_timer_handler(ngx_event_t *ev);
static ngx_int_t ngx_http_gate_holding_send(ngx_http_gate_ledger_t *ledger);
static void ngx_http_gate_holding_tell(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_command_t *command);
static void ngx_http_gate_holding_reply(void *data, redisReply *reply);
static ngx_int_t ngx_http_gate_holding_head(ngx_http_gate_ledger_t *ledger,
    redisReply *reply, ngx_http_gate_edition_t *edition, ngx_uint_t n,
    long long *numbers);
static ngx_int_t ngx_http_gate_holding_told(ngx_http_gate_ledger_t *ledger,
    redisReply *reply);
static ngx_int_t ngx_http_gate_holding_page(ngx_http_gate_ledger_t *ledger,
    redisReply *reply);
static ngx_uint_t ngx_http_gate_holding_forgot(
    ngx_http_gate_ledger_t *ledger);
static ngx_int_t ngx_http_gate_holding_retell(ngx_http_gate_ledger_t *ledger);
static void ngx_http_gate_holding_take(ngx_http_gate_ledger_t *ledger,
    redisReply *id, redisReply *value);
static ngx_int_t ngx_http_gate_holding_install(
    ngx_http_gate_ledger_t *ledger);
static void ngx_http_gate_holding_complain(ngx_http_gate_ledger_t *ledger);
static void ngx_http_gate_holding_failed(ngx_http_gate_ledger_t *ledger,
    const char *what, size_t len);
static void ngx_http_gate_holding_end(ngx_http_gate_ledger_t *ledger,
    ngx_int_t rc);
static void ngx_http_gate_holding_run_handler(ngx_event_t *ev);


ngx_int_t
ngx_http_gate_holding_create(ngx_http_gate_ledger_t *ledger, ngx_pool_t *pool)
{
    u_char                   *p;
    ngx_str_t                 name;
    ngx_http_gate_holding_t  *holding;

    holding = &ledger->holding;

    holding->holds.zone = ledger->zone;
    holding->holds.log = ledger->log;

    ngx_queue_init(&holding->waiting);
    ngx_queue_init(&holding->woken);

    holding->run.handler = ngx_http_gate_holding_run_handler;
    holding->run.data = ledger;
    holding->run.log = ledger->log;

    holding->timer.handler = ngx_http_gate_holding_timer_handler;
    holding->timer.data = ledger;
    holding->timer.log = ledger->log;
    holding->timer.cancelable = 1;

    if (ledger->redis == NULL) {
        return NGX_OK;
    }

    name.len = ledger->scripts.prefix.len + sizeof(":holds") - 1;
    name.data = ngx_pnalloc(pool, name.len);
    if (name.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(name.data, ledger->scripts.prefix.data,
                   ledger->scripts.prefix.len);
    ngx_memcpy(p, ":holds", sizeof(":holds") - 1);

    holding->channel = ngx_http_gate_channel_create(pool, ledger->redis,
                                                    &name,
                                              ngx_http_gate_holding_news,
                                                    ledger, ledger->log);
    if (holding->channel == NULL) {
        return NGX_ERROR;
    }

    /* who is held is known, if it can be, before somebody asks */

    if (ngx_http_gate_zone_holds(ledger->zone) == 0) {
        ngx_add_timer(&holding->timer, 1);
    }

    return NGX_OK;
}


void
ngx_http_gate_holding_close(ngx_http_gate_ledger_t *ledger)
{
    ngx_http_gate_holding_t  *holding;

    holding = &ledger->holding;

    if (holding->timer.timer_set) {
        ngx_del_timer(&holding->timer);
    }

    if (holding->channel) {
        ngx_http_gate_channel_close(holding->channel);
        ngx_http_gate_zone_listens_no_more(ledger->zone);
    }
}


void
ngx_http_gate_holding_sweep(ngx_http_gate_ledger_t *ledger)
{
    ngx_http_gate_holding_t  *holding;

    holding = &ledger->holding;

    if (ngx_exiting) {
        ngx_http_gate_channel_close(holding->channel);
        ngx_http_gate_zone_listens_no_more(ledger->zone);
        return;
    }

    if (ngx_http_gate_zone_listens(ledger->zone,
                                   NGX_HTTP_GATE_HOLDING_LISTEN))
    {
        ngx_http_gate_channel_listen(holding->channel);

    } else {
        ngx_http_gate_channel_close(holding->channel);
    }
}


void
ngx_http_gate_holding_beat(ngx_http_gate_ledger_t *ledger,
    const ngx_http_gate_answer_t *answer)
{
    size_t                    len;
    ngx_uint_t                known;
    ngx_http_gate_edition_t   edition;

    if (answer->holds == 0) {
        return;
    }

    ngx_http_gate_zone_holds_clock(ledger->zone, answer->now);

    len = 0;
    known = ngx_http_gate_zone_holds_read(ledger->zone, NULL, &len, &edition);

    if (known && answer->holds >= 2 && edition.epoch == answer->epoch
        && edition.version == answer->holds - 2)
    {
        return;
    }

    (void) ngx_http_gate_holding_load(ledger);
}


/* somebody says so, and it may be anybody: not too often */

void
ngx_http_gate_holding_news(void *data)
{
    ngx_http_gate_ledger_t *ledger = data;

    ngx_msec_int_t            left;
    ngx_http_gate_holding_t  *holding;

    holding = &ledger->holding;

    if (holding->busy) {
        holding->again = 1;
        return;
    }

    left = NGX_HTTP_GATE_HOLDING_PAUSE
           - (ngx_msec_int_t) (ngx_current_msec - holding->began);

    if (!holding->timer.timer_set) {
        ngx_add_timer(&holding->timer, left > 1 ? (ngx_msec_t) left : 1);
    }
}


static void
ngx_http_gate_holding_timer_handler(ngx_event_t *ev)
{
    (void) ngx_http_gate_holding_load(ev->data);
}


static ngx_int_t
ngx_http_gate_holding_load(ngx_http_gate_ledger_t *ledger)
{
    ngx_int_t                 rc;
    ngx_http_gate_holding_t  *holding;

    holding = &ledger->holding;

    if (holding->busy) {
        return NGX_OK;
    }

    holding->size = ngx_http_gate_zone_holds_room(ledger->zone);
    holding->text = ngx_alloc(ngx_max(holding->size, 1), ledger->log);
    if (holding->text == NULL) {
        return NGX_ERROR;
    }

    holding->busy = 1;
    holding->again = 0;
    holding->telling = 0;
    holding->told = 0;
    holding->rounds = 0;
    holding->reload = 0;
    holding->from = 0;
    holding->began = ngx_current_msec;

    rc = ngx_http_gate_holding_send(ledger);

    if (rc != NGX_OK) {
        holding->busy = 0;
        ngx_free(holding->text);
        holding->text = NULL;
    }

    return rc;
}


static ngx_int_t
ngx_http_gate_holding_send(ngx_http_gate_ledger_t *ledger)
{
    u_char                   *p;
    ngx_int_t                 rc;
    ngx_http_gate_holding_t  *holding;
    ngx_http_gate_command_t   command;

    holding = &ledger->holding;

    p = ngx_http_gate_script_holds(&command, &ledger->scripts,
                                   holding->reload);

    if (holding->telling) {
        ngx_str_set(&command.argv[command.argc], "tell");
        command.argc++;
        (void) ngx_http_gate_script_number(&command, p,
                                           holding->known.version);
        ngx_http_gate_holding_tell(ledger, &command);

    } else {
        ngx_str_set(&command.argv[command.argc], "load");
        command.argc++;
        (void) ngx_http_gate_script_number(&command, p, holding->from);
    }

    /* behind the script and the number of keys stands the first of them */

    rc = ngx_http_gate_redis_ask(ledger->redis, &command.argv[3],
                                 command.argc, command.argv, 0,
                                 ngx_http_gate_holding_reply, ledger);

    ngx_http_gate_ledger_sent(ledger, NGX_HTTP_GATE_ASKED_HOLD, rc == NGX_OK);

    return rc;
}


/* the next of those that are known, and not over */

static void
ngx_http_gate_holding_tell(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_command_t *command)
{
    u_char                   *p, *next, *last;
    uint64_t                  now;
    ngx_str_t                 id, value;
    ngx_uint_t                n;
    gate_held_t               held;
    ngx_http_gate_holding_t  *holding;
    u_char                    copy[GATE_HELD_VALUE];

    holding = &ledger->holding;

    n = 0;
    now = ngx_http_gate_zone_holds_now(ledger->zone);
    p = holding->text + holding->pos;
    last = holding->text + holding->len;

    while (n < NGX_HTTP_GATE_HOLDING_TOLD
           && (next = ngx_http_gate_register_next(p, last, &id, &value))
              != NULL)
    {
        p = next;

        if (value.len > GATE_HELD_VALUE) {
            continue;
        }

        ngx_memcpy(copy, value.data, value.len);

        if (gate_held_parse((char *) id.data, id.len, (char *) copy,
                            value.len, &held)
            != 0
            || (held.until && held.until <= now))
        {
            continue;
        }

        command->argv[command->argc++] = id;
        command->argv[command->argc++] = value;
        n++;
    }

    holding->sent = (n ? p : last) - holding->text;
}


static void
ngx_http_gate_holding_reply(void *data, redisReply *reply)
{
    ngx_http_gate_ledger_t *ledger = data;

    ngx_int_t                 rc;
    ngx_http_gate_holding_t  *holding;

    holding = &ledger->holding;

    if (reply == NULL) {
        ngx_http_gate_ledger_faulty(ledger, NGX_HTTP_GATE_FAILED_UNANSWERED);
        ngx_http_gate_holding_end(ledger, NGX_ERROR);
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {

        if (ngx_strncmp(reply->str, "NOSCRIPT", sizeof("NOSCRIPT") - 1) == 0
            && !holding->reload)
        {
            holding->reload = 1;

            if (ngx_http_gate_holding_send(ledger) == NGX_OK) {
                return;
            }
        }

        ngx_http_gate_holding_failed(ledger, reply->str, reply->len);
        ngx_http_gate_holding_end(ledger, NGX_ERROR);
        return;
    }

    holding->reload = 0;

    rc = holding->telling ? ngx_http_gate_holding_told(ledger, reply)
                          : ngx_http_gate_holding_page(ledger, reply);

    if (rc == NGX_AGAIN && ngx_http_gate_holding_send(ledger) == NGX_OK) {
        return;
    }

    if (rc == NGX_DECLINED) {
        ngx_http_gate_holding_failed(ledger, "no holds in the reply",
                                     sizeof("no holds in the reply") - 1);
    }

    ngx_http_gate_holding_end(ledger, rc == NGX_OK ? NGX_OK : NGX_ERROR);
}


/* the epoch's and the version, and n numbers behind them */

static ngx_int_t
ngx_http_gate_holding_head(ngx_http_gate_ledger_t *ledger, redisReply *reply,
    ngx_http_gate_edition_t *edition, ngx_uint_t n, long long *numbers)
{
    long long  head[NGX_HTTP_GATE_HOLDING_HEAD];

    static const long long  most[NGX_HTTP_GATE_HOLDING_HEAD] = {
        (long long) GATE_LIMIT_MAX, (long long) GATE_LIMIT_MAX,
        (long long) GATE_LIMIT_MAX, (long long) GATE_LIMIT_MAX
    };

    if (reply->type != REDIS_REPLY_ARRAY
        || reply->elements < NGX_HTTP_GATE_HOLDING_HEAD + n
        || ngx_http_gate_script_numbers(reply->element, most, head,
                                        NGX_HTTP_GATE_HOLDING_HEAD)
           != NGX_OK
        || ngx_http_gate_script_numbers(reply->element
                                        + NGX_HTTP_GATE_HOLDING_HEAD,
                                        most, numbers, n)
           != NGX_OK
        || head[0] == 0)
    {
        return NGX_DECLINED;
    }

    edition->epoch = head[0];
    edition->version = head[2];

    ngx_http_gate_zone_holds_clock(ledger->zone, head[3]);

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_holding_told(ngx_http_gate_ledger_t *ledger, redisReply *reply)
{
    long long                 news;
    ngx_http_gate_edition_t   edition;
    ngx_http_gate_holding_t  *holding;

    holding = &ledger->holding;

    if (ngx_http_gate_holding_head(ledger, reply, &edition, 1, &news)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (news) {
        ngx_log_error(NGX_LOG_WARN, ledger->log, 0,
                      "gate: redis had lost %L holds, it was told again",
                      (int64_t) news);
    }

    holding->pos = holding->sent;

    if (holding->pos >= holding->len) {
        holding->telling = 0;
        holding->from = 0;
    }

    return NGX_AGAIN;
}


/* NGX_AGAIN: there is more, or it is begun again */

static ngx_int_t
ngx_http_gate_holding_page(ngx_http_gate_ledger_t *ledger, redisReply *reply)
{
    size_t                    i;
    long long                 n[2];
    ngx_http_gate_edition_t   edition;
    ngx_http_gate_holding_t  *holding;

    holding = &ledger->holding;

    if (ngx_http_gate_holding_head(ledger, reply, &edition, 2, n) != NGX_OK
        || (reply->elements - NGX_HTTP_GATE_HOLDING_HEAD) % 2
        || (n[1] && n[1] <= (long long) holding->from)
        || n[1] > NGX_HTTP_GATE_REPLY_ELEMENTS)
    {
        return NGX_DECLINED;
    }

    if (holding->from == 0) {
        holding->edition = edition;

        if (!holding->told && ngx_http_gate_holding_forgot(ledger)) {
            return ngx_http_gate_holding_retell(ledger);
        }

        holding->len = 0;
        holding->number = 0;
        holding->most = 0;
        holding->bad = n[0];

    } else if (edition.epoch != holding->edition.epoch
               || edition.version != holding->edition.version)
    {
        holding->from = 0;
        return ++holding->rounds < NGX_HTTP_GATE_HOLDING_ROUNDS ? NGX_AGAIN
                                                                : NGX_ERROR;
    }

    for (i = NGX_HTTP_GATE_HOLDING_HEAD + 2; i < reply->elements; i += 2) {
        ngx_http_gate_holding_take(ledger, reply->element[i],
                                   reply->element[i + 1]);
    }

    holding->from = n[1];

    return holding->from ? NGX_AGAIN : ngx_http_gate_holding_install(ledger);
}


/* has Redis less than this host, or may it? */

static ngx_uint_t
ngx_http_gate_holding_forgot(ngx_http_gate_ledger_t *ledger)
{
    size_t                    len;
    ngx_uint_t                known;
    ngx_http_gate_holding_t  *holding;

    holding = &ledger->holding;

    len = 0;
    known = ngx_http_gate_zone_holds_read(ledger->zone, NULL, &len,
                                          &holding->known);

    return known && (len || holding->known.version)
           && (holding->known.epoch != holding->edition.epoch
               || holding->known.version > holding->edition.version);
}


static ngx_int_t
ngx_http_gate_holding_retell(ngx_http_gate_ledger_t *ledger)
{
    ngx_http_gate_holding_t  *holding;

    holding = &ledger->holding;

    holding->telling = 1;
    holding->told = 1;
    holding->pos = 0;
    holding->len = holding->size;

    (void) ngx_http_gate_zone_holds_read(ledger->zone, holding->text,
                                         &holding->len, &holding->known);

    return holding->len <= holding->size ? NGX_AGAIN : NGX_ERROR;
}


/* only what is a hold goes into the register */

static void
ngx_http_gate_holding_take(ngx_http_gate_ledger_t *ledger, redisReply *id,
    redisReply *value)
{
    u_char                   *p, *end, *last;
    ngx_str_t                 name, text;
    gate_held_t               held;
    ngx_http_gate_holding_t  *holding;
    u_char                    copy[GATE_HELD_VALUE];

    holding = &ledger->holding;

    if (id == NULL || id->type != REDIS_REPLY_STRING
        || value == NULL || value->type != REDIS_REPLY_STRING
        || value->len > GATE_HELD_VALUE)
    {
        holding->bad++;
        return;
    }

    name.data = (u_char *) id->str;
    name.len = id->len;
    text.data = (u_char *) value->str;
    text.len = value->len;

    ngx_memcpy(copy, text.data, text.len);

    if (gate_held_parse(id->str, id->len, (char *) copy, text.len, &held)
        != 0)
    {
        holding->bad++;
        return;
    }

    p = holding->text + holding->len;
    last = holding->text + holding->size;

    end = holding->number < GATE_HELD_MAX
          ? ngx_http_gate_register_add(p, last, &name, &text) : NULL;

    if (end == NULL) {
        holding->most++;
        return;
    }

    holding->len += end - p;
    holding->number++;
}


static ngx_int_t
ngx_http_gate_holding_install(ngx_http_gate_ledger_t *ledger)
{
    ngx_http_gate_holding_t  *holding;

    holding = &ledger->holding;

    /* what others have written meanwhile is told to this worker first */

    (void) ngx_http_gate_holds_refresh(&holding->holds, 0);

    if (ngx_http_gate_zone_holds_write(ledger->zone, holding->text,
                                       holding->len, &holding->edition)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    (void) ngx_http_gate_holds_refresh(&holding->holds, 1);

    if (holding->silent) {
        holding->silent = 0;
        ngx_log_error(NGX_LOG_NOTICE, ledger->log, 0,
                      "gate: redis tells the holds again");
    }

    ngx_http_gate_holding_complain(ledger);

    return NGX_OK;
}


/* once for a version, and not while it is the same */

static void
ngx_http_gate_holding_complain(ngx_http_gate_ledger_t *ledger)
{
    ngx_http_gate_holding_t  *holding;

    holding = &ledger->holding;

    if ((holding->bad == 0 && holding->most == 0)
        || !ngx_http_gate_zone_holds_say(ledger->zone,
                                         holding->edition.version))
    {
        return;
    }

    if (holding->bad) {
        ngx_log_error(NGX_LOG_ERR, ledger->log, 0,
                      "gate: %ui fields of \"%V:holds\" in redis are no "
                      "holds, nobody is held by them", holding->bad,
                      &ledger->scripts.prefix);
    }

    if (holding->most) {
        ngx_log_error(NGX_LOG_ERR, ledger->log, 0,
                      "gate: there are too many holds for \"gate_zone\", "
                      "%ui of them are not in force", holding->most);
    }
}


static void
ngx_http_gate_holding_failed(ngx_http_gate_ledger_t *ledger, const char *what,
    size_t len)
{
    ngx_http_gate_ledger_faulty(ledger, NGX_HTTP_GATE_FAILED_ERROR);

    if (!ledger->holding.silent) {
        ledger->holding.silent = 1;
        ngx_log_error(NGX_LOG_ERR, ledger->log, 0,
                      "gate: redis does not tell the holds: \"%*s\": those "
                      "that are known stay in force", ngx_min(len, 256),
                      what);
    }
}


static void
ngx_http_gate_holding_end(ngx_http_gate_ledger_t *ledger, ngx_int_t rc)
{
    ngx_http_gate_holding_t  *holding;

    holding = &ledger->holding;

    ngx_free(holding->text);
    holding->text = NULL;

    holding->busy = 0;
    holding->rc = rc;

    if (!ngx_queue_empty(&holding->waiting)) {
        ngx_queue_add(&holding->woken, &holding->waiting);
        ngx_queue_init(&holding->waiting);
        ngx_post_event(&holding->run, &ngx_posted_events);
    }

    if (holding->again && rc == NGX_OK) {
        holding->again = 0;
        ngx_http_gate_holding_news(ledger);
    }
}


static void
ngx_http_gate_holding_run_handler(ngx_event_t *ev)
{
    ngx_queue_t                   *q;
    ngx_http_gate_ledger_t        *ledger;
    ngx_http_gate_holds_waiter_t  *waiter;

    ledger = ev->data;

    while (!ngx_queue_empty(&ledger->holding.woken)) {
        q = ngx_queue_head(&ledger->holding.woken);
        waiter = ngx_queue_data(q, ngx_http_gate_holds_waiter_t, queue);

        ngx_queue_remove(q);
        waiter->waiting = 0;

        waiter->handler(waiter->data, ledger->holding.rc);
    }
}


ngx_http_gate_holds_t *
ngx_http_gate_ledger_holds(ngx_http_gate_ledger_t *ledger)
{
    return &ledger->holding.holds;
}


ngx_int_t
ngx_http_gate_ledger_holds_ask(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_holds_waiter_t *waiter)
{
    if (ledger->redis == NULL
        || ngx_http_gate_holding_load(ledger) != NGX_OK)
    {
        return NGX_BUSY;
    }

    waiter->waiting = 1;
    ngx_queue_insert_tail(&ledger->holding.waiting, &waiter->queue);

    return NGX_AGAIN;
}


void
ngx_http_gate_ledger_holds_forgo(ngx_http_gate_holds_waiter_t *waiter)
{
    if (waiter->waiting) {
        waiter->waiting = 0;
        ngx_queue_remove(&waiter->queue);
    }
}
