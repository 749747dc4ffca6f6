/*
 * The ledger as a worker asks it: draws and settles of accounts, each a
 * question to Redis.  Requests that need credit of one account wait on one
 * question; an account has one question under way on this host at a time (the
 * zone sees to that), which states where the account stands, so one that was
 * lost is mended by the next.  Without Redis there is nothing to ask and this
 * room stands empty: the zone grants by itself.
 */


#ifndef NGX_HTTP_GATE_LEDGER_H_INCLUDED
#define NGX_HTTP_GATE_LEDGER_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_gate_telling.h"
#include "ngx_http_gate_redis.h"
#include "ngx_http_gate_zone.h"


typedef struct ngx_http_gate_ledger_s  ngx_http_gate_ledger_t;
typedef struct ngx_http_gate_asking_s  ngx_http_gate_asking_t;
typedef struct ngx_http_gate_wonder_s  ngx_http_gate_wonder_t;


/*
 * NGX_OK: something was answered, look at the zone again.  NGX_ERROR: the
 * store is down.
 */
typedef void (*ngx_http_gate_waiter_pt)(void *data, ngx_int_t rc);


/* one that waits for credit; its memory is the caller's */

typedef struct {
    ngx_queue_t               queue;
    ngx_http_gate_asking_t   *asking;   /* NULL: not waiting */
    uint64_t                  needs[NGX_HTTP_GATE_QUOTAS];
    u_char                    document[NGX_HTTP_GATE_DIGEST_LEN];
    ngx_http_gate_waiter_pt   handler;
    void                     *data;
    ngx_int_t                 rc;
} ngx_http_gate_waiter_t;


/* one that waits for a habit; its memory is the caller's */

typedef struct {
    ngx_queue_t               queue;
    ngx_http_gate_wonder_t   *wonder;   /* NULL: not waiting */
    ngx_http_gate_waiter_pt   handler;
    void                     *data;
    ngx_http_gate_told_t      told;     /* out, with NGX_OK */
} ngx_http_gate_habit_waiter_t;


/*
 * Once per worker.  redis NULL: no ledger but the zone's.  prefix begins the
 * keys.  usage_keep: seconds.  The sweep that settles idle accounts, and tells
 * of usage, starts here.  NULL: no memory.
 */
ngx_http_gate_ledger_t *ngx_http_gate_ledger_create(ngx_cycle_t *cycle,
    ngx_http_gate_zone_t *zone, ngx_http_gate_redis_conf_t *redis,
    ngx_str_t *prefix, time_t usage_keep);

/*
 * Asks for the units waiter->needs[] of an account.  NGX_AGAIN: the handler
 * will be called once, later, not from inside this call: with NGX_AGAIN if all
 * that is known is that another worker asks, and may yet be answered.
 * NGX_BUSY: the store is known to be away, the handler is not called.
 * NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_ledger_draw(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_account_t *account, ngx_http_gate_waiter_t *waiter);

/* The waiter waits no longer; nothing happens if it did not. */
void ngx_http_gate_ledger_cancel(ngx_http_gate_waiter_t *waiter);

/* Draws ahead for an account that runs low.  Never waits. */
void ngx_http_gate_ledger_ahead(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_account_t *account);

/*
 * Gives back what a request held and did not use.  A usage that is closing, if
 * it is not NULL, is counted with it, if the account was entered.
 */
void ngx_http_gate_ledger_give(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_account_t *account, ngx_http_gate_usage_t *usage);

/* A usage was counted: hurries to tell Redis, or says what is lost. */
void ngx_http_gate_ledger_used(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_usage_t *usage);

/*
 * Asks what is known of a user in a country, or where he was last, which is
 * remembered in the zone.  Then he was last where he is, if habit->move.from is
 * still the number of his last visit; but who joins a question under way is
 * told of that one: look at the spot.  Returns as ngx_http_gate_ledger_draw()
 * does.
 */
ngx_int_t ngx_http_gate_ledger_habit(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_habit_t *habit, ngx_http_gate_habit_waiter_t *waiter);

/* The waiter waits no longer; nothing happens if it did not. */
void ngx_http_gate_ledger_forgo(ngx_http_gate_habit_waiter_t *waiter);

/* Has it written that the user is there today.  Never waits. */
void ngx_http_gate_ledger_here(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_habit_t *habit);

/*
 * Writes a batch of events.  NGX_AGAIN: the handler will be called once, later,
 * not from inside this call: with NGX_OK, they are written; NGX_ERROR, nobody
 * knows; or NGX_AGAIN, not yet.  The latter two: ask again with the same number
 * and lines, later, or at once.  NGX_BUSY: Redis is away, the handler is not
 * called.  What is wrong is logged.  The lines are the caller's again when this
 * returns.
 */
ngx_int_t ngx_http_gate_ledger_events(ngx_http_gate_ledger_t *ledger,
    const ngx_http_gate_telling_t *batch, ngx_http_gate_telling_pt handler,
    void *data);

/*
 * Has the handler called when Redis, or a server of a cluster, is lost or back,
 * by the first worker of this host that sees it.
 */
typedef void (*ngx_http_gate_ledger_news_pt)(void *data, ngx_uint_t up,
    const char *why);

void ngx_http_gate_ledger_watch(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_ledger_news_pt handler, void *data);

/* Where it asks; NULL: it is the zone's alone. */
ngx_http_gate_redis_t *ngx_http_gate_ledger_redis(
    ngx_http_gate_ledger_t *ledger);

/* At worker exit. */
void ngx_http_gate_ledger_close(ngx_http_gate_ledger_t *ledger);


#endif /* NGX_HTTP_GATE_LEDGER_H_INCLUDED */
