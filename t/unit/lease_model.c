/*
 * A model of nodes, requests, a network and a ledger: it drives the pure code
 * of leases and windows with random histories and looks after every step
 * whether the promises of quotas hold.
 *
 * P1, never more: what was delivered in a window is at most its limit; for a
 * rolling window, in any span of its length.
 * P2, no false refusal: refused only if granted to all + needed > limit, all
 * quotas or none, idle credit at most a lease and 1/8 of what is left.
 * P3, exact: what is delivered was granted before; once quiet the ledger has
 * for each slot and node what that node delivered, and if something was
 * killed or lost never less.
 *
 * A node is the zone of ngx_http_gate_zone.c with one account; a request goes
 * the way of ngx_http_gate_quota.c; the ledger is lease_model.h.  Nodes'
 * clocks run up to 1/2000 wrong, Redis' is the true one.
 *
 *   lease_model [steps [seed]]         10 million steps; on failure prints
 *                                      the shortest history it can find
 *   lease_model --history n seed       prints n questions and their replies,
 *                                      for t/scripts.t
 */


#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gate_window.c"
#include "gate_lease.c"

#include "lease_model.h"


#define NODES     4
#define REQUESTS  10
#define MESSAGES  12
#define STEPS     400       /* of one history */

#define TIMEOUT   1350      /* ms until a question is given up */
#define LATEST    60000     /* ms until one cannot be executed any more */
#define ATTEMPTS  64        /* answers a request waits for */
#define BELIEVED  200       /* ms for which a refusal is */

/* ms at most until a node looks for a new epoch, by itself or having lost its
   connection; and from there until a question of it is executed */

#define SWEEP     250
#define BEAT      1500
#define BROKEN    350
#define RETELL    250


/* faults a history may have */

#define CRASHES   0x01      /* workers, nodes */
#define NETWORK   0x02      /* lost, late, repeated */
#define LOSS      0x04      /* the ledger forgets, or remembers an old state */
#define BORROW    0x08      /* store_down allow= */
#define LIMITS    0x10      /* limits change */
#define EVICTIONS 0x20      /* zones are full */


typedef enum {
    WAIT = 0,               /* a moment passes */
    SLOT_END,               /* time goes to about the end of a slot */
    ADMIT,
    RESERVE,
    USE,
    END,
    ASK,
    EXECUTE,
    REPLY,
    SETTLE,
    EVICT,
    LOSE_QUESTION,
    LOSE_REPLY,
    GIVE_UP,
    REPEAT_QUESTION,
    REPEAT_REPLY,
    KILL_WORKER,
    KILL_NODE,
    FLUSH,
    DROP,                   /* of the account, or of the epoch alone */
    SAVE,
    RESTORE,
    LIMIT,
    KINDS
} kind_t;


static const struct {
    int            weight;
    unsigned       fault;
} kinds[KINDS] = {
    { 10, 0 }, { 3, 0 }, { 14, 0 }, { 10, 0 }, { 16, 0 }, { 9, 0 },
    { 22, 0 }, { 22, 0 }, { 22, 0 }, { 5, 0 }, { 1, EVICTIONS },
    { 1, NETWORK }, { 1, NETWORK }, { 2, NETWORK }, { 1, NETWORK },
    { 1, NETWORK }, { 1, CRASHES }, { 1, CRASHES }, { 1, LOSS }, { 1, LOSS },
    { 1, LOSS }, { 1, LOSS }, { 2, LIMITS }
};


typedef struct {
    kind_t         kind;
    uint64_t       dice;
} step_t;


typedef struct {
    int            name;            /* of its incarnation */
    int            users;
    int            untold;
    int            wanted;          /* ask, though nobody waits */
    int            sent;
    uint64_t       number;
    uint64_t       answered;
    uint64_t       asking;          /* until when; 0: not */
    int            first;           /* name since it was started */
    uint64_t       epoch;           /* that it knows, 0: none */
    uint64_t       told;            /* epoch in which it was answered */
    uint64_t       learned;         /* when that was asked which told it */
    int            restate;         /* there may be more to tell */
    int            broken;          /* its connection */
    int            stuck;           /* the worker that asks */
    uint64_t       beat;            /* 0, or when it looks for an epoch, */
    uint64_t       retell;          /* when it tells again at the latest, */
    uint64_t       timer;           /* when its waiters ask again; w->now */
    uint64_t       boot;            /* its clock at the start of history */
    int64_t        drift;           /* parts of a million */
    gate_credit_t  credits[QUOTAS];
    uint64_t       others[QUOTAS];  /* had so much when it refused, until */
    uint64_t       vain_until[QUOTAS];
} node_t;


typedef struct {
    int            live;
    int            node;
    int            waits;
    int            attempts;
    uint64_t       turn;            /* of waiting */
    uint64_t       bytes;           /* what it waits for */
    uint64_t       requests;
    uint64_t       wanted[QUOTAS];
    gate_hold_t    holds[QUOTAS];
    uint64_t       left;            /* bytes in its last use */
    int            entry[QUOTAS];   /* where that is in the log */
} request_t;


typedef enum { NONE = 0, ASKED, ANSWERED } message_e;


typedef struct {
    message_e      state;
    int            node;
    uint64_t       left;            /* ms, when it was sent */
    int            again;           /* it was executed before */
    question_t     question;
    reply_t        reply;
} message_t;


/* what was delivered, of one quota */

typedef struct {
    uint64_t       at;              /* ms */
    uint64_t       n;
} delivery_t;


typedef struct {
    uint64_t       start;           /* ms */
    uint64_t       now;             /* ms, Redis' clock */
    unsigned       faults;
    int            trace;
    int            prints;          /* questions, for t/scripts.t */
    int            questions;
    int            unchecked;
    const char    *broken;

    int            nquotas;
    quota_t        quotas[QUOTAS];
    uint64_t       highest[QUOTAS]; /* limit there was */
    uint64_t       borrow;

    int            nnodes;
    int            names;
    int            dead[NAMES];     /* may be granted more than it delivered */
    uint64_t       executed[NAMES]; /* the latest of its questions */
    node_t         nodes[NODES];
    request_t      requests[REQUESTS];
    uint64_t       turns;
    message_t      messages[MESSAGES];

    account_t      account;
    account_t      saved;
    int            run;             /* of the server */
    uint64_t       dice;            /* of what happens by itself */
    int            forgot;          /* the ledger lost memory */
    int            unnoticed;       /* the account alone: see lose_account() */
    int            killed;          /* a node, and what it had not told */
    int            gone;            /* one was killed or forgot the account */
    int            outrun;          /* a slot ended, the one before untold */

    book_t         delivered[QUOTAS];
    delivery_t     log[QUOTAS][STEPS + 8];
    int            nlog[QUOTAS];
    int            tail[QUOTAS];
    uint64_t       within[QUOTAS];  /* of the log, from tail on */
} world_t;


static uint64_t
roll(uint64_t *dice, uint64_t n)
{
    uint64_t  z;

    z = (*dice += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;

    return n ? z % n : z;
}


static void
say(world_t *w, const char *fmt, ...)
{
    va_list  args;

    if (!w->trace) {
        return;
    }

    va_start(args, fmt);
    printf("#   +%" PRIu64 " ms  ", w->now - w->start);
    vprintf(fmt, args);
    printf("\n");
    va_end(args);
}


static void
hold_true(world_t *w, int truth, const char *what)
{
    if (!truth && !w->broken && !w->unchecked) {
        w->broken = what;
    }
}


/* a node's own clock, ms */

static uint64_t
clock_of(const world_t *w, const node_t *node)
{
    int64_t  passed;

    passed = (int64_t) (w->now - w->start);

    return (uint64_t) ((int64_t) node->boot + passed
                       + passed / 1000000 * node->drift
                       + passed % 1000000 * node->drift / 1000000);
}


static uint64_t
lease_of(const quota_t *quota)
{
    return gate_lease_size(quota->unit, quota->lease, quota->limit);
}


static void news(world_t *w);


/* the world of a history */

static void
node_start(world_t *w, node_t *node, uint64_t *dice)
{
    int  k;

    memset(node, 0, sizeof(node_t));

    node->name = w->names++;
    node->first = node->name;
    node->boot = 1000 + roll(dice, 1000000);
    node->drift = (int64_t) roll(dice, 1001) - 500;

    for (k = 0; k < w->nquotas; k++) {
        node->credits[k].id = 1;
        node->credits[k].gen = 1;
    }
}


static void
quota_start(quota_t *quota, uint64_t *dice)
{
    static const int64_t   lengths[] = { 1, 10, 60, 100, 3600, 7 * 86400,
                                         400 * 86400 };
    static const uint64_t  limits[] = { 0, 1, 10, 30, 100, 100, 1000, 1000,
                                        10000, 100000, GATE_LIMIT_MAX };
    static const uint64_t  leases[] = { 0, 0, 1, 10, 20, 4000 };

    quota->unit = roll(dice, 3) ? GATE_BYTES : GATE_REQUESTS;
    quota->window.per = (gate_per_e) (roll(dice, 2) ? GATE_PER_TIME
                                                    : roll(dice, 4));
    quota->window.length = quota->window.per == GATE_PER_TIME
                           ? lengths[roll(dice, 7)] : 0;
    quota->window.offset = quota->window.per == GATE_PER_TIME
                           ? 0 : ((int64_t) roll(dice, 27) - 12) * 3600;
    quota->limit = limits[roll(dice, 11)];
    quota->lease = leases[roll(dice, 6)];
}


static void
world_start(world_t *w, uint64_t seed)
{
    int       i;
    uint64_t  dice;

    memset(w, 0, sizeof(world_t));

    dice = seed;

    /* far ahead, so that Redis expires nothing of it in t/scripts.t */

    w->start = (2100000000 + roll(&dice, 1900000000)) * 1000
               + roll(&dice, 1000);
    w->now = w->start;

    w->nquotas = 1 + (int) roll(&dice, QUOTAS);
    w->nnodes = 1 + (int) roll(&dice, NODES);

    for (i = 0; i < w->nquotas; i++) {
        quota_start(&w->quotas[i], &dice);
        w->highest[i] = w->quotas[i].limit;
    }

    for (i = 0; i < w->nnodes; i++) {
        node_start(w, &w->nodes[i], &dice);
    }

    for (i = 0; i < 6; i++) {
        w->faults |= roll(&dice, 3) ? 0 : 1u << i;
    }

    w->borrow = w->faults & BORROW ? 1 + roll(&dice, 200) : 0;

    w->run = 1;
    w->dice = dice;

    if (roll(&dice, 8)) {
        w->account.epoch.id = w->start - roll(&dice, 100000);
        w->account.epoch.run = 1;
    }

    for (i = 0; i < w->nnodes; i++) {
        w->nodes[i].epoch = w->account.epoch.id;
    }

    news(w);
}


/* delivery: counted by what the clients got, not by what anybody granted */

static void
deliver(world_t *w, request_t *r, int k, uint64_t n)
{
    int           name;
    slot_t       *mine, *granted;
    gate_slot_t   slot;
    delivery_t   *d;

    name = w->nodes[r->node].name;

    gate_window_slot(&w->quotas[k].window, (int64_t) (w->now / 1000), &slot);

    mine = book_slot(&w->delivered[k], slot.start);
    mine->all += n;
    mine->share[name] += n;

    r->entry[k] = w->nlog[k]++;
    d = &w->log[k][r->entry[k]];
    d->at = w->now;
    d->n = n;
    w->within[k] += n;

    while (slot.width
           && w->log[k][w->tail[k]].at
              + (uint64_t) w->quotas[k].window.length * 1000 < w->now)
    {
        w->within[k] -= w->log[k][w->tail[k]++].n;
    }

    if (w->borrow) {
        return;
    }

    /* who knew has died or forgot, or nobody could notice: no promise then */

    hold_true(w, (w->forgot && w->gone) || w->unnoticed
                 || (slot.width ? w->within[k] : mine->all)
                 <= w->highest[k],
              "P1: more was delivered in a window than its limit");

    if (!w->forgot) {
        granted = book_find(&w->account.books[k], slot.start);
        hold_true(w, granted && granted->share[name] >= mine->share[name],
                  "P3: something was delivered that was not granted before");
    }
}


/* nginx did not write the last of it: it was not delivered */

static void
undeliver(world_t *w, request_t *r, int k, uint64_t n)
{
    slot_t       *mine;
    gate_slot_t   slot;
    delivery_t   *d;

    d = &w->log[k][r->entry[k]];

    gate_window_slot(&w->quotas[k].window, (int64_t) (d->at / 1000), &slot);

    mine = book_find(&w->delivered[k], slot.start);
    d->n -= n;

    if (mine) {
        mine->all -= n;
        mine->share[w->nodes[r->node].name] -= n;
    }

    if (r->entry[k] >= w->tail[k]) {
        w->within[k] -= n;
    }
}


static void
request_use(world_t *w, request_t *r, uint64_t bytes, uint64_t requests)
{
    int           k;
    uint64_t      n;
    gate_hold_t  *hold;

    for (k = 0; k < w->nquotas; k++) {
        hold = &r->holds[k];
        n = w->quotas[k].unit == GATE_BYTES ? bytes : requests;

        if (n == 0) {
            continue;
        }

        hold_true(w, n <= hold->n - hold->used, "more is used than held");
        hold->used += n;
        deliver(w, r, k, n);
    }

    if (bytes) {
        r->left = bytes;
    }
}


/* as ngx_http_gate_quota_held() */

static uint64_t
request_held(const world_t *w, const request_t *r)
{
    int                 k;
    uint64_t            held, now;
    const gate_hold_t  *hold;

    held = GATE_UNBOUNDED;
    now = clock_of(w, &w->nodes[r->node]);

    for (k = 0; k < w->nquotas; k++) {
        hold = &r->holds[k];

        if (w->quotas[k].unit != GATE_BYTES) {
            continue;
        }

        if (hold->n == hold->used || now >= hold->until) {
            return 0;
        }

        if (hold->n - hold->used < held) {
            held = hold->n - hold->used;
        }
    }

    return held;
}


/* as ngx_http_gate_zone_give(), after what did not leave was taken back */

static void
request_end(world_t *w, request_t *r, uint64_t unsent)
{
    int           k;
    uint64_t      n;
    node_t       *node;
    gate_hold_t  *hold;

    node = &w->nodes[r->node];

    for (k = 0; k < w->nquotas; k++) {
        hold = &r->holds[k];

        if (unsent && w->quotas[k].unit == GATE_BYTES) {
            undeliver(w, r, k, unsent);
            n = unsent < hold->used ? unsent : hold->used;
            hold->used -= n;

            if (n < unsent) {
                w->dead[node->name] = 1;
            }
        }

        if (hold->n == 0) {
            continue;
        }

        if (hold->gen != node->credits[k].gen) {
            node->untold = 1;
        }

        /* two slots back it is dropped: too much is counted, never less */

        if (hold->gen + 1 < node->credits[k].gen && hold->n > hold->used) {
            w->dead[node->name] = 1;
        }

        gate_lease_give(&node->credits[k], hold);
    }

    node->users--;
    r->live = 0;
}


/* as ngx_http_gate_quota_need() */

static uint64_t
request_need(const world_t *w, const request_t *r, int k)
{
    uint64_t            n, unused;
    const gate_hold_t  *hold;

    hold = &r->holds[k];
    unused = hold->n - hold->used;
    n = w->quotas[k].unit == GATE_BYTES ? r->bytes : r->requests;

    return n > unused ? n - unused : 0;
}


/* as ngx_http_gate_zone_check(), and what the judge makes of it */

static gate_credit_e
request_look(world_t *w, request_t *r, uint64_t borrow)
{
    int            k;
    node_t        *node;
    uint64_t       now, need;
    gate_credit_e  credit, worst;

    node = &w->nodes[r->node];
    now = clock_of(w, node);
    worst = GATE_CREDIT_TAKEN;

    for (k = 0; k < w->nquotas; k++) {
        need = request_need(w, r, k);
        credit = gate_lease_check(&node->credits[k], &r->holds[k],
                                  w->quotas[k].limit, need, borrow, now);
        r->wanted[k] = gate_lease_wanted(&node->credits[k], &r->holds[k],
                                         need, now);

        if (credit == GATE_CREDIT_REFUSED) {
            hold_true(w, now < node->vain_until[k]
                         && node->credits[k].spent + r->wanted[k]
                            + node->others[k] > w->quotas[k].limit,
                      "P2: refused what the ledger had not refused");
            worst = GATE_CREDIT_REFUSED;
        }

        if (credit == GATE_CREDIT_SHORT && worst == GATE_CREDIT_TAKEN) {
            worst = GATE_CREDIT_SHORT;
        }
    }

    return worst;
}


static void
request_hold(world_t *w, request_t *r)
{
    int             k;
    node_t         *node;
    uint64_t        now, need;
    gate_credit_t  *credit;

    node = &w->nodes[r->node];
    now = clock_of(w, node);

    for (k = 0; k < w->nquotas; k++) {
        need = request_need(w, r, k);
        credit = &node->credits[k];

        if (r->holds[k].gen + 1 < credit->gen
            && r->holds[k].n > r->holds[k].used)
        {
            w->dead[node->name] = 1;
        }

        /* what was held of the slot before goes back to it */

        if (r->holds[k].gen != credit->gen && r->holds[k].n) {
            node->untold = 1;
        }

        w->outrun |= node->untold && credit->past && credit->slot
                     && now >= credit->until;

        gate_lease_take(credit, &r->holds[k], need, now);

        node->wanted |= gate_lease_low(credit, w->quotas[k].limit,
                                       lease_of(&w->quotas[k]), now);

        hold_true(w, r->wanted[k] == 0 || w->borrow
                     || (credit->spent <= credit->share
                         && credit->spent <= w->quotas[k].limit),
                  "P1: a node spends more than it was granted");
    }
}


/* as ngx_http_gate_quota_take() */

static void
request_take(world_t *w, request_t *r, uint64_t borrow)
{
    gate_credit_e  credit;

    credit = request_look(w, r, borrow);
    r->waits = 0;

    if (credit == GATE_CREDIT_TAKEN) {
        request_hold(w, r);
        r->attempts = 0;

        if (r->requests) {
            request_use(w, r, 0, r->requests);
        }

        say(w, "  held");
        return;
    }

    if (credit == GATE_CREDIT_SHORT && r->attempts++ < ATTEMPTS) {
        r->waits = 1;
        r->turn = w->turns++;
        say(w, "  waits");
        return;
    }

    say(w, "  refused");
    request_end(w, r, 0);
}


/* those who wait look again, in the order they came */

static void
node_wake(world_t *w, int n, int down)
{
    int         i;
    uint64_t    end;
    request_t  *r, *first;

    end = w->turns;

    for ( ;; ) {
        first = NULL;

        for (i = 0; i < REQUESTS; i++) {
            r = &w->requests[i];

            if (r->live && r->node == n && r->waits && r->turn < end
                && (first == NULL || r->turn < first->turn))
            {
                first = r;
            }
        }

        if (first == NULL) {
            return;
        }

        if (down) {
            first->attempts = ATTEMPTS;
        }

        request_take(w, first, down ? w->borrow : 0);
    }
}


static int
node_waits(const world_t *w, int n)
{
    int  i;

    for (i = 0; i < REQUESTS; i++) {
        if (w->requests[i].live && w->requests[i].node == n
            && w->requests[i].waits)
        {
            return 1;
        }
    }

    return 0;
}


/* as ngx_http_gate_ledger_claim(): the first needs all, the others more */

static void
node_claim(world_t *w, int n, question_t *q)
{
    int         i, k;
    request_t  *r, *first;

    first = NULL;

    for (i = 0; i < REQUESTS; i++) {
        r = &w->requests[i];

        if (r->live && r->node == n && r->waits
            && (first == NULL || r->turn < first->turn))
        {
            first = r;
        }
    }

    for (k = 0; k < w->nquotas; k++) {
        q->claims[k].lease = lease_of(&w->quotas[k]);

        for (i = 0; i < REQUESTS; i++) {
            r = &w->requests[i];

            if (r == first) {
                q->claims[k].need = r->wanted[k];

            } else if (r->live && r->node == n && r->waits) {
                q->claims[k].more += r->wanted[k];
            }
        }

        if (q->claims[k].more > GATE_LIMIT_MAX) {
            q->claims[k].more = GATE_LIMIT_MAX;
        }
    }
}


/* as ngx_http_gate_zone_begin() */

static void
node_begin(world_t *w, int n, message_t *m, int settle)
{
    int          k;
    node_t      *node;
    question_t  *q;

    node = &w->nodes[n];
    q = &m->question;

    memset(m, 0, sizeof(message_t));

    if (!settle) {
        node_claim(w, n, q);
    }

    for (k = 0; k < w->nquotas; k++) {
        if (settle) {
            gate_lease_yield(&node->credits[k]);
        }

        gate_lease_claim(&node->credits[k], &q->claims[k]);

        if (q->claims[k].seen > GATE_LIMIT_MAX) {
            q->claims[k].seen = GATE_LIMIT_MAX;     /* _ledger_number() */
        }

        q->limits[k] = w->quotas[k].limit;
    }

    node->asking = clock_of(w, node) + TIMEOUT;
    node->untold = 1;
    node->wanted = 0;
    node->sent = 1;
    node->stuck = (w->faults & CRASHES) && roll(&w->dice, 8) == 0;

    q->settle = settle;
    q->node = node->name;
    q->more = node->restate;
    q->answered = node->answered;
    q->number = ++node->number;
    q->asked = clock_of(w, node);

    m->state = ASKED;
    m->node = n;
    m->left = w->now;

    say(w, "n%d asks #%" PRIu64 " (%s): need %" PRIu64 ", more %" PRIu64
        ", lease %" PRIu64 ", spent %" PRIu64 " of %" PRIu64, n, q->number,
        settle ? "settle" : "draw", q->claims[0].need, q->claims[0].more,
        q->claims[0].lease, q->claims[0].spent, q->claims[0].share);
}


static void
node_answered(world_t *w, node_t *node, const question_t *q,
    const reply_t *reply)
{
    int             k;
    gate_credit_t  *credit;

    node->answered = q->number;
    node->untold = 0;
    node->told = reply->epoch;

    for (k = 0; k < w->nquotas; k++) {
        credit = &node->credits[k];

        /* given back to the slot before last, while this was under way */

        if (credit->past == q->claims[k].past
            && credit->past_spent != q->claims[k].past_spent
            && credit->slot != (uint32_t) reply->grants[k].slot)
        {
            w->dead[node->name] = 1;
            w->outrun = 1;
        }

        gate_lease_grant(credit, &reply->grants[k], q->asked);

        if (credit->past != q->claims[k].past
            || credit->past_spent != q->claims[k].past_spent)
        {
            node->untold = 1;
        }

        if (reply->grants[k].refused) {
            node->others[k] = credit->seen - credit->share;
            node->vain_until[k] = q->asked + BELIEVED;
        }
    }
}


/* as ngx_http_gate_zone_enter_epoch() */

static int
node_enter(world_t *w, node_t *node, uint64_t epoch, uint64_t asked)
{
    uint64_t  before;

    before = node->epoch;

    /* it may be from before: who knows better asks again */

    if (before && before != epoch && asked <= node->learned) {
        say(w, "  n%d knows of another epoch", (int) (node - w->nodes));
        node->beat = w->now + 1 + roll(&w->dice, SWEEP);
        return 0;
    }

    node->epoch = epoch;

    if (node->learned < asked) {
        node->learned = asked;
    }

    if (before == 0 || before == epoch) {
        return 1;
    }

    say(w, "  n%d learns of a new epoch", (int) (node - w->nodes));

    node->restate = 1;

    node->retell = w->now + 1 + roll(&w->dice, RETELL);

    return 1;
}


/* an epoch has begun: who does not know of it will look for it */

static void
news(world_t *w)
{
    int      i;
    node_t  *node;

    for (i = 0; i < w->nnodes; i++) {
        node = &w->nodes[i];

        if (node->beat == 0
            && (node->epoch != w->account.epoch.id
                || w->account.epoch.run != w->run))
        {
            node->beat = w->now + 1 + roll(&w->dice, BEAT);
        }
    }
}


/* as ngx_http_gate_zone_end(), then the waiters are woken */

static void
node_end(world_t *w, int n, const question_t *q, const reply_t *reply)
{
    node_t         *node;
    const reply_t  *answer;

    node = &w->nodes[n];
    answer = reply && !reply->stale ? reply : NULL;

    if (answer && q->node >= node->first
        && !node_enter(w, node, answer->epoch, q->asked))
    {
        answer = NULL;
    }

    if (node->name != q->node || node->number != q->number) {
        say(w, "  too late");
        news(w);
        return;
    }

    node->asking = 0;
    node->sent = 0;

    if (answer) {
        node_answered(w, node, q, answer);
    }

    news(w);

    if (answer && answer->closed && node_waits(w, n)) {
        node->timer = w->now + answer->closed + 1;
        return;
    }

    node_wake(w, n, reply == NULL);
}


static int
node_untold(const world_t *w, const node_t *node)
{
    int  k;

    for (k = 0; k < w->nquotas; k++) {
        if (gate_lease_untold(&node->credits[k])) {
            return 1;
        }
    }

    return node->untold;
}


static int
node_asks(const world_t *w, const node_t *node)
{
    return node->asking && clock_of(w, node) < node->asking;
}


/* what the promises say of one answer of the ledger */

static void
ledger_check(world_t *w, const question_t *q, const turn_t *turns,
    const reply_t *reply)
{
    int                  k, i, refused;
    slot_t              *slot, *mine;
    uint64_t             sum, others, spoken, room, idle;
    const gate_claim_t  *claim;

    for (refused = 0, k = 0; k < w->nquotas; k++) {
        refused |= (int) reply->grants[k].refused;
    }

    for (k = 0; k < w->nquotas; k++) {
        claim = &q->claims[k];

        for (i = 0; !w->forgot && i < w->delivered[k].n; i++) {
            mine = &w->delivered[k].slots[i];
            slot = book_find(&w->account.books[k], mine->start);

            hold_true(w, mine->start < turns[k].kept || w->borrow
                         || mine->share[q->node] == 0
                         || (slot && slot->share[q->node]
                                     >= mine->share[q->node]),
                      "P3: the ledger forgot what was delivered");
        }

        for (sum = 0, i = 0; i < w->account.books[k].n; i++) {
            slot = &w->account.books[k].slots[i];
            sum += slot->start >= turns[k].slot.oldest ? slot->all : 0;
        }

        slot = book_find(&w->account.books[k], turns[k].slot.start);
        others = sum - (slot ? slot->share[q->node] : 0);
        spoken = turns[k].stated + claim->need;
        room = q->limits[k] > others ? q->limits[k] - others : 0;

        hold_true(w, reply->closed == 0 || !reply->grants[k].refused,
                  "P2: refused, though the epoch is closed");

        if (q->settle) {
            continue;
        }

        hold_true(w, reply->closed == 0
                     || reply->grants[k].share == turns[k].floor,
                  "P1: granted before the epoch opens");

        if (refused) {
            hold_true(w, reply->grants[k].share == turns[k].floor,
                      "P2: granted, though another quota refused");
            hold_true(w, !reply->grants[k].refused || spoken > room,
                      "P2: refused, though it fits");
            continue;
        }

        idle = reply->grants[k].share > turns[k].floor
               ? reply->grants[k].share - spoken : 0;

        hold_true(w, idle == 0 || reply->grants[k].share <= room,
                  "P1: the ledger granted more than there is");
        hold_true(w, idle <= claim->more
                     || (idle - claim->more <= claim->lease
                         && idle - claim->more
                            <= (room - spoken - claim->more) / 8),
                  "P2: more idle credit than a lease or 1/8 of what is left");
    }
}


/* a line for t/scripts.t */

static void
ledger_print(world_t *w, const question_t *q, const reply_t *reply)
{
    int                  k;
    const quota_t       *quota;
    const gate_claim_t  *c;
    const gate_grant_t  *g;

    printf("%s %" PRIu64 " r%d n%d %" PRIu64 " %" PRIu64 " %d",
           q->settle ? "settle" : "draw", w->now, w->run, q->node, q->number,
           q->answered, q->more);

    for (k = 0; k < w->nquotas; k++) {
        quota = &w->quotas[k];
        c = &q->claims[k];

        printf(" q%d %c %" PRId64 " %" PRId64 " %" PRIu64 " %" PRIu32
               " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu32 " %" PRIu64
               " %" PRIu64 " %" PRIu64 " %" PRIu64, k,
               "hdwmt"[quota->window.per], quota->window.length,
               quota->window.offset, q->limits[k], c->slot, c->share,
               c->spent, c->seen, c->past, c->past_spent, c->need, c->more,
               c->lease);
    }

    if (reply->stale) {
        printf(" = STALE question %" PRIu64 " after %" PRIu64 "\n",
               q->number, reply->last);
        return;
    }

    printf(" = %" PRIu64 " %" PRIu64 " %d", reply->epoch, reply->closed,
           reply->lost);

    for (k = 0; k < w->nquotas; k++) {
        g = &reply->grants[k];

        printf(" %" PRId64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %u %" PRIu64,
               g->slot, g->left, g->share, g->seen, g->refused, g->retry);
    }

    printf("\n");
}


/* the hashes as they should be at the end, for t/scripts.t */

static void
ledger_print_hash(const world_t *w)
{
    int            i, k, s;
    const slot_t  *slot;

    printf("epoch");

    if (w->account.epoch.id) {
        printf(" id=%" PRIu64 " run=r%d open=%" PRIu64, w->account.epoch.id,
               w->account.epoch.run, w->account.epoch.open);
    }

    printf("\naccount");

    for (i = 0; i < NAMES; i++) {
        if (w->account.last[i]) {
            printf(" #n%d=%" PRIu64, i, w->account.last[i]);
        }
    }

    for (k = 0; k < w->nquotas; k++) {

        if (w->account.books[k].lowered) {
            printf(" ~q%d=%" PRIu64, k, w->account.books[k].lowered);
        }

        for (s = 0; s < w->account.books[k].n; s++) {
            slot = &w->account.books[k].slots[s];

            if (slot->summed) {
                printf(" q%d:%" PRId64 "=%" PRIu64, k, slot->start, slot->all);
            }

            if (slot->is_told) {
                printf(" ~q%d:%" PRId64 "=%" PRIu64, k, slot->start,
                       slot->told);
            }

            for (i = 0; i < NAMES; i++) {
                if (slot->known[i]) {
                    printf(" q%d:%" PRId64 ":n%d=%" PRIu64, k, slot->start, i,
                           slot->share[i]);
                }
            }
        }
    }

    printf("\n");
}


static void
ledger_forget(world_t *w)
{
    epoch_t  epoch;

    if (w->prints) {
        printf("forget account\n");
    }

    epoch = w->account.epoch;
    memset(&w->account, 0, sizeof(account_t));
    w->account.epoch = epoch;
}


/* nobody counts any more what no window reaches */

static void
delivered_forget(world_t *w)
{
    int          k;
    gate_slot_t  slot;

    for (k = 0; k < w->nquotas; k++) {
        gate_window_slot(&w->quotas[k].window, (int64_t) (w->now / 1000),
                         &slot);

        while (w->delivered[k].n
               && w->delivered[k].slots[0].start < slot.oldest)
        {
            book_drop(&w->delivered[k], 0);
        }
    }
}


/* it has begun an epoch, or not */

static void
ledger_epoch(world_t *w, uint64_t before)
{
    if (w->account.epoch.id == before) {
        return;
    }

    say(w, "  an epoch begins, it opens %" PRIu64 " ms later",
        w->account.epoch.open - w->now);

    news(w);
}


static void
ledger_execute(world_t *w, message_t *m)
{
    int        i;
    node_t    *node;
    turn_t     turns[QUOTAS];
    uint64_t   before;

    if (w->now - m->left > LATEST) {
        say(w, "#%" PRIu64 " of n%d never arrives", m->question.number,
            m->node);
        m->state = NONE;
        return;
    }

    if (w->account.exists
        && w->now > (uint64_t) w->account.expires * 1000)
    {
        say(w, "the account expires");
        delivered_forget(w);
        ledger_forget(w);
    }

    for (i = 0; i < MESSAGES; i++) {
        w->messages[i].again |= w->messages[i].question.number
                                == m->question.number
                                && w->messages[i].question.node
                                   == m->question.node;
    }

    before = w->account.epoch.id;

    ledger_ask(&w->account, w->quotas, w->nquotas, &m->question, w->run,
               w->now, turns, &m->reply);
    m->state = ANSWERED;

    say(w, "#%" PRIu64 " of n%d is executed: %s, share %" PRIu64 ", seen %"
        PRIu64 "%s", m->question.number, m->node,
        m->reply.stale ? "stale" : "answered", m->reply.grants[0].share,
        m->reply.grants[0].seen, m->reply.grants[0].refused ? ", refused"
                                                            : "");

    if (m->reply.lost || m->reply.closed) {
        say(w, "  %sepoch %" PRIu64 " is closed for %" PRIu64 " ms",
            m->reply.lost ? "something was lost; " : "", m->reply.epoch,
            m->reply.closed);
    }

    if (w->prints) {
        ledger_print(w, &m->question, &m->reply);
        w->questions++;
    }

    ledger_epoch(w, before);

    if (m->reply.stale) {
        return;
    }

    node = &w->nodes[m->node];

    /* the ledger had swept the node's number: it grants to nobody */

    if (m->question.node != node->name
        || m->question.number < w->executed[m->question.node])
    {
        w->dead[m->question.node] = 1;
    }

    if (w->executed[m->question.node] < m->question.number) {
        w->executed[m->question.node] = m->question.number;
    }

    ledger_check(w, &m->question, turns, &m->reply);
}


/* what happens by itself: nodes look for an epoch, and tell again */

static void
node_beat(world_t *w, int n)
{
    node_t    *node;
    reply_t    reply;
    uint64_t   before;

    node = &w->nodes[n];
    before = w->account.epoch.id;

    node->beat = 0;
    node->broken = 0;

    say(w, "n%d looks for a new epoch", n);
    ledger_beat(&w->account, w->run, w->now, &reply);

    if (w->prints) {
        printf("beat %" PRIu64 " r%d = %" PRIu64 " %" PRIu64 "\n", w->now,
               w->run, reply.epoch, reply.closed);
    }

    ledger_epoch(w, before);
    node_enter(w, node, reply.epoch, clock_of(w, node));
}


/* the question that is under way is answered, or given up */

static void
node_hears(world_t *w, int n)
{
    int         i;
    node_t     *node;
    message_t  *m, at_hand;
    question_t  q;

    node = &w->nodes[n];

    for (i = 0; i < MESSAGES; i++) {
        m = &w->messages[i];

        if (m->state == NONE || m->question.node != node->name
            || m->question.number != node->number || roll(&w->dice, 2))
        {
            continue;
        }

        if (m->state == ASKED) {
            ledger_execute(w, m);
        }

        if (m->state == ANSWERED && roll(&w->dice, 2)) {
            say(w, "the reply to #%" PRIu64 " reaches n%d", node->number, n);
            at_hand = *m;
            m->state = NONE;
            node_end(w, n, &at_hand.question, &at_hand.reply);
            return;
        }
    }

    say(w, "n%d gives #%" PRIu64 " up", n, node->number);
    memset(&q, 0, sizeof(question_t));
    q.node = node->name;
    q.number = node->number;
    node_end(w, n, &q, NULL);
}


/* as ngx_http_gate_zone_restate(), in time */

static void
node_retell(world_t *w, int n)
{
    node_t     *node;
    message_t   m;

    node = &w->nodes[n];
    node->retell = 0;

    if (node->answered == 0 || node->told == node->epoch) {
        node->restate = 0;
        return;
    }

    node->retell = w->now + 25;

    if (node_asks(w, node)) {

        /* a worker that is stuck, or dead, asks for as long as it may */

        if (node->stuck || !node->sent) {
            return;
        }

        node_hears(w, n);
    }

    if (node->answered == 0 || node->told == node->epoch) {
        return;
    }

    if (node_waits(w, n)) {
        node->timer = 0;
    }

    node_begin(w, n, &m, !node_waits(w, n));
    ledger_execute(w, &m);
    node_end(w, n, &m.question, roll(&w->dice, 4) ? &m.reply : NULL);
}


static void
node_timer(world_t *w, int n)
{
    w->nodes[n].timer = 0;
    node_wake(w, n, 0);
}


/* time passes, and with it what has its time */

static void
pass(world_t *w, uint64_t until)
{
    int       i, n;
    void    (*what)(world_t *w, int n);
    node_t   *node;
    uint64_t  at;

    for ( ;; ) {
        n = -1;
        at = until;
        what = NULL;

        for (i = 0; i < w->nnodes; i++) {
            node = &w->nodes[i];

            if (node->beat && node->beat <= at) {
                n = i;
                at = node->beat;
                what = node_beat;
            }

            if (node->retell && node->retell <= at) {
                n = i;
                at = node->retell;
                what = node_retell;
            }

            if (node->timer && node->timer <= at) {
                n = i;
                at = node->timer;
                what = node_timer;
            }
        }

        if (n == -1 || w->broken) {
            break;
        }

        if (w->now < at) {
            w->now = at;
        }

        what(w, n);
    }

    if (w->now < until) {
        w->now = until;
    }
}


/* the steps */

static void
time_goes(world_t *w, kind_t kind, uint64_t dice)
{
    int           k;
    uint64_t      left, ms;
    gate_slot_t   slot;

    k = (int) roll(&dice, (uint64_t) w->nquotas);
    gate_window_slot(&w->quotas[k].window, (int64_t) (w->now / 1000), &slot);
    left = (uint64_t) slot.end * 1000 - w->now;

    if (kind == WAIT) {
        ms = roll(&dice, roll(&dice, 8) ? 60 : 2000);

        left = epoch_closed(&w->account.epoch, w->now);

        if (left && roll(&dice, 3) == 0) {
            ms = left - 1 + roll(&dice, 3);

        } else if (left && roll(&dice, 3) == 0) {
            ms = roll(&dice, left);
        }

        left = (uint64_t) slot.end * 1000 - w->now;

    } else {
        switch (roll(&dice, 6)) {

        case 0:         /* just before */
            ms = left - 1 - roll(&dice, left < 20 ? left : 20);
            break;

        case 1:         /* when nodes have stopped and Redis has not */
            ms = left - 1 - roll(&dice, left / 1000 + 1);
            break;

        case 2:
            ms = roll(&dice, left);
            break;

        case 3:         /* another one in between */
            ms = left + roll(&dice, 3 * (uint64_t) (slot.end - slot.start)
                                    * 1000);
            break;

        default:        /* just after */
            ms = left + roll(&dice, 20);
        }
    }

    pass(w, w->now + ms);
    say(w, "%" PRIu64 " ms later, %" PRIu64 " ms before the end of the slot",
        ms, ms < left ? left - ms : 0);
}


static void
admit(world_t *w, uint64_t dice)
{
    int         i;
    request_t  *r;

    for (i = 0; i < REQUESTS && w->requests[i].live; i++) { /* void */ }

    if (i == REQUESTS) {
        return;
    }

    r = &w->requests[i];
    memset(r, 0, sizeof(request_t));
    r->live = 1;
    r->node = (int) roll(&dice, (uint64_t) w->nnodes);
    r->bytes = roll(&dice, 2);
    r->requests = 1;
    w->nodes[r->node].users++;

    say(w, "r%d begins on n%d, with %" PRIu64 " byte", i, r->node, r->bytes);
    request_take(w, r, 0);
}


static uint64_t
size_of(const world_t *w, uint64_t *dice)
{
    uint64_t  limit;

    limit = w->quotas[roll(dice, (uint64_t) w->nquotas)].limit;

    switch (roll(dice, 6)) {

    case 0:
        return 1;
    case 1:
        return limit ? limit : 1;
    case 2:
        return limit / 2 + 1;
    default:
        return 1 + roll(dice, limit / 4 + 2);
    }
}


static void
act(world_t *w, kind_t kind, uint64_t dice)
{
    int         i, first;
    uint64_t    held, n;
    request_t  *r;

    first = (int) roll(&dice, REQUESTS);

    for (i = 0; i < REQUESTS; i++) {
        r = &w->requests[(first + i) % REQUESTS];

        if (!r->live || (r->waits && kind != KILL_WORKER && kind != END)) {
            continue;
        }

        switch (kind) {

        case RESERVE:
            r->bytes = size_of(w, &dice);
            r->requests = 0;
            say(w, "r%d reserves %" PRIu64, (first + i) % REQUESTS, r->bytes);
            request_take(w, r, 0);
            return;

        case USE:
            held = request_held(w, r);

            if (held == 0 || held == GATE_UNBOUNDED) {
                continue;
            }

            n = roll(&dice, 2) ? held : 1 + roll(&dice, held);
            say(w, "r%d delivers %" PRIu64, (first + i) % REQUESTS, n);
            request_use(w, r, n, 0);
            return;

        case END:
            n = roll(&dice, 3) ? 0 : roll(&dice, r->left + 1);
            say(w, "r%d ends, %" PRIu64 " was not sent",
                (first + i) % REQUESTS, n);
            request_end(w, r, n);
            return;

        default: /* KILL_WORKER: what it holds is never given back */
            say(w, "the worker of r%d dies", (first + i) % REQUESTS);
            w->dead[w->nodes[r->node].name] = 1;
            r->live = 0;
            return;
        }
    }
}


static message_t *
message(world_t *w, message_e state, uint64_t *dice)
{
    int         i, first;
    message_t  *m;

    first = (int) roll(dice, MESSAGES);

    for (i = 0; i < MESSAGES; i++) {
        m = &w->messages[(first + i) % MESSAGES];

        if (m->state == state) {
            return m;
        }
    }

    return NULL;
}


static void
ask(world_t *w, kind_t kind, uint64_t dice)
{
    int         i, n;
    node_t     *node;
    message_t  *m;

    m = message(w, NONE, &dice);
    n = (int) roll(&dice, (uint64_t) w->nnodes);

    for (i = 0; m && i < w->nnodes; i++, n = (n + 1) % w->nnodes) {
        node = &w->nodes[n];

        if (node_asks(w, node) || node->timer) {
            continue;
        }

        if (kind == SETTLE ? !node_waits(w, n)
                             && (node_untold(w, node) || node->restate)
                           : node_waits(w, n) || node->wanted)
        {
            node_begin(w, n, m, kind == SETTLE);
            return;
        }
    }
}


static void
carry(world_t *w, kind_t kind, uint64_t dice)
{
    message_t  *m, *copy, at_hand;

    m = message(w, kind == EXECUTE || kind == LOSE_QUESTION
                   || kind == REPEAT_QUESTION ? ASKED : ANSWERED, &dice);

    if (m == NULL) {
        return;
    }

    switch (kind) {

    case EXECUTE:
        ledger_execute(w, m);
        return;

    case REPLY:
    case REPEAT_REPLY:
        say(w, "the reply to #%" PRIu64 " reaches n%d%s", m->question.number,
            m->node, kind == REPLY ? "" : ", not for the last time");
        at_hand = *m;

        if (kind == REPLY) {
            m->state = NONE;
        }

        node_end(w, at_hand.node, &at_hand.question, &at_hand.reply);
        return;

    case REPEAT_QUESTION:
        copy = message(w, NONE, &dice);

        if (copy) {
            say(w, "#%" PRIu64 " of n%d is repeated", m->question.number,
                m->node);
            *copy = *m;
        }

        return;

    default: /* LOSE_QUESTION, LOSE_REPLY */
        say(w, "%s #%" PRIu64 " of n%d is lost",
            kind == LOSE_REPLY ? "the reply to" : "question",
            m->question.number, m->node);
        m->state = NONE;
    }
}


/* the transport of a node says: no answer will come */

static void
give_up(world_t *w, uint64_t dice)
{
    int         i, n;
    node_t     *node;
    question_t  q;

    n = (int) roll(&dice, (uint64_t) w->nnodes);

    for (i = 0; i < w->nnodes; i++, n = (n + 1) % w->nnodes) {
        node = &w->nodes[n];

        if (node->sent) {
            say(w, "n%d gives #%" PRIu64 " up", n, node->number);
            memset(&q, 0, sizeof(question_t));
            q.node = node->name;
            q.number = node->number;
            node_end(w, n, &q, NULL);
            return;
        }
    }
}


/* a node dies, or its account makes room for another: it is new afterwards */

static void
replace(world_t *w, kind_t kind, uint64_t dice)
{
    int      i, n;
    node_t  *node, before;

    n = (int) roll(&dice, (uint64_t) w->nnodes);
    node = &w->nodes[n];

    if (w->names == NAMES
        || (kind == EVICT && (node->users || node->asking
                              || (node->answered
                                  && node->told != node->epoch)
                              || node_untold(w, node))))
    {
        return;
    }

    before = *node;
    w->gone = 1;

    if (kind == KILL_NODE) {
        w->dead[node->name] = 1;
        w->killed = 1;

        for (i = 0; i < REQUESTS; i++) {
            if (w->requests[i].node == n) {
                w->requests[i].live = 0;
            }
        }
    }

    say(w, "n%d %s", n, kind == KILL_NODE ? "dies" : "forgets the account");
    node_start(w, node, &dice);

    /* what its process knows besides of the account */

    if (kind == EVICT) {
        node->boot = before.boot;
        node->drift = before.drift;
        node->learned = before.learned;
        node->first = before.first;
        node->epoch = before.epoch;
        node->broken = before.broken;
        node->beat = before.beat;
    }

    news(w);
}


/* another server answers: nodes see at once that theirs has gone */

static void
server_start(world_t *w)
{
    int  i;

    w->run++;

    for (i = 0; i < w->nnodes; i++) {
        w->nodes[i].broken = 1;
        w->nodes[i].beat = w->now + 1 + roll(&w->dice, BROKEN);
    }
}


/* what one server was asked is not asked of the next by itself */

static void
forget_repeated(world_t *w)
{
    int  i;

    for (i = 0; i < MESSAGES; i++) {
        if (w->messages[i].state == ASKED && w->messages[i].again) {
            w->messages[i].state = NONE;
        }
    }
}


/*
 * The account alone is lost, by eviction or DEL.  Nobody can know before a node
 * asks that had been answered: until then P1 holds only if it asks first.
 */

static void
lose_account(world_t *w)
{
    if (!w->account.exists) {
        return;
    }

    say(w, "the ledger forgets the account");

    ledger_forget(w);
    forget_repeated(w);

    w->forgot = 1;
    w->unnoticed = 1;
}


static void
lose_memory(world_t *w, kind_t kind, uint64_t dice)
{
    /* an epoch's id is the ms in which it began */

    pass(w, w->now + 1);

    switch (kind) {

    case SAVE:
        say(w, "the state of the ledger is kept");
        w->saved = w->account;
        break;

    case RESTORE:
        say(w, "another server answers, with the state that was kept");
        w->account = w->saved;
        server_start(w);
        break;

    case DROP:
        if (roll(&dice, 4)) {
            lose_account(w);
            return;
        }

        say(w, "the ledger forgets the epoch");
        memset(&w->account.epoch, 0, sizeof(epoch_t));
        break;

    default: /* FLUSH */
        say(w, "the ledger forgets all");
        memset(&w->account, 0, sizeof(account_t));

        if (roll(&dice, 2)) {
            server_start(w);
        }
    }

    if (w->prints) {
        printf("%s\n", kind == SAVE ? "save" : kind == RESTORE ? "restore"
                       : kind == DROP ? "forget epoch" : "flush");
    }

    if (kind != SAVE) {
        forget_repeated(w);
        w->forgot = 1;
            news(w);
    }
}


static void
change_limit(world_t *w, uint64_t dice)
{
    int  k;

    k = (int) roll(&dice, (uint64_t) w->nquotas);
    w->quotas[k].limit = roll(&dice, 2) ? w->quotas[k].limit / 2
                                        : roll(&dice, 2000);

    if (w->highest[k] < w->quotas[k].limit) {
        w->highest[k] = w->quotas[k].limit;
    }

    say(w, "the limit of q%d is %" PRIu64 " now", k, w->quotas[k].limit);
}


static void
step(world_t *w, const step_t *s)
{
    switch (s->kind) {

    case WAIT:
    case SLOT_END:
        time_goes(w, s->kind, s->dice);
        break;

    case ADMIT:
        admit(w, s->dice);
        break;

    case RESERVE:
    case USE:
    case END:
    case KILL_WORKER:
        act(w, s->kind, s->dice);
        break;

    case ASK:
    case SETTLE:
        ask(w, s->kind, s->dice);
        break;

    case GIVE_UP:
        give_up(w, s->dice);
        break;

    case EVICT:
    case KILL_NODE:
        replace(w, s->kind, s->dice);
        break;

    case FLUSH:
    case DROP:
    case SAVE:
    case RESTORE:
        lose_memory(w, s->kind, s->dice);
        break;

    case LIMIT:
        change_limit(w, s->dice);
        break;

    default: /* EXECUTE, REPLY, LOSE_*, REPEAT_* */
        carry(w, s->kind, s->dice);
    }
}


/* all requests end, what is under way arrives, all nodes settle */

static void
quiet(world_t *w)
{
    int        i, n;
    message_t  m;

    say(w, "all becomes quiet");

    for (i = 0; i < REQUESTS; i++) {
        if (w->requests[i].live) {
            request_end(w, &w->requests[i], 0);
        }
    }

    for (i = 0; i < MESSAGES && !w->broken; i++) {
        if (w->messages[i].state == ASKED) {
            ledger_execute(w, &w->messages[i]);
        }

        if (w->messages[i].state == ANSWERED) {
            m = w->messages[i];
            w->messages[i].state = NONE;
            node_end(w, m.node, &m.question, &m.reply);
        }
    }

    for (n = 0; n < w->nnodes; n++) {
        for (i = 0; i < 8 && node_untold(w, &w->nodes[n]); i++) {
            pass(w, w->now + 2);
            node_begin(w, n, &m, 1);
            ledger_execute(w, &m);
            node_end(w, n, &m.question, &m.reply);
        }

        hold_true(w, !node_untold(w, &w->nodes[n]),
                  "P3: a node never has told all");
    }
}


/* P3: per slot and node the ledger has what was delivered */

static void
exact(world_t *w)
{
    int           i, k, s;
    slot_t       *slot, *mine;
    uint64_t      n;
    gate_slot_t   now;

    for (k = 0; k < w->nquotas; k++) {
        gate_window_slot(&w->quotas[k].window, (int64_t) (w->now / 1000),
                         &now);

        for (s = 0; s < w->account.books[k].n; s++) {
            slot = &w->account.books[k].slots[s];

            if (slot->start < now.oldest) {
                continue;
            }

            mine = book_find(&w->delivered[k], slot->start);

            for (n = 0, i = 0; i < w->names; i++) {
                n += slot->share[i];

                hold_true(w, slot->share[i] >= (mine ? mine->share[i] : 0),
                          "P3: once quiet, the ledger has less than was "
                          "delivered");
                hold_true(w, w->dead[i]
                             || slot->share[i] == (mine ? mine->share[i] : 0),
                          "P3: once quiet, the ledger has more than was "
                          "delivered");
            }

            hold_true(w, slot->all == n,
                      "P3: a slot's sum is not that of its nodes");
        }
    }
}


/* what was borrowed is counted too, in the slot the ledger told next */

static void
repaid(world_t *w)
{
    int          i, k;
    uint64_t     all, got;
    gate_slot_t  first, now;

    for (k = 0; k < w->nquotas; k++) {
        gate_window_slot(&w->quotas[k].window, (int64_t) (w->start / 1000),
                         &first);
        gate_window_slot(&w->quotas[k].window, (int64_t) (w->now / 1000),
                         &now);

        /* a borrowed hold has no end: it may outlive the slot it is told to */

        if (first.start < now.oldest) {
            continue;
        }

        for (got = 0, i = 0; i < w->delivered[k].n; i++) {
            got += w->delivered[k].slots[i].all;
        }

        for (all = 0, i = 0; i < w->account.books[k].n; i++) {
            all += w->account.books[k].slots[i].all;
        }

        hold_true(w, all >= got, "P3: something borrowed was never counted");
    }
}


/* P2: what the limit leaves can be had */

static void
usable(world_t *w)
{
    int            k, over;
    uint64_t       sum, used;
    node_t        *node;
    message_t      m;
    gate_slot_t    slot;

    node = &w->nodes[0];
    node_begin(w, 0, &m, 0);

    for (over = 0, k = 0; k < w->nquotas; k++) {
        gate_window_slot(&w->quotas[k].window, (int64_t) (w->now / 1000),
                         &slot);
        sum = book_sum(&w->account.books[k], slot.oldest);
        used = m.question.claims[k].slot == slot.start ? node->credits[k].spent
                                                       : 0;
        over |= sum > w->quotas[k].limit;

        m.question.claims[k].need = sum > w->quotas[k].limit
                                    ? 1 : w->quotas[k].limit - sum;
        hold_true(w, used <= sum, "P3: a node has spent more than all have");
    }

    ledger_execute(w, &m);

    for (k = 0; k < w->nquotas; k++) {
        hold_true(w, over || !m.reply.grants[k].refused,
                  "P2: once quiet, what the limit leaves is refused");
    }
}


static int
full(const world_t *w)
{
    int  k;

    for (k = 0; k < w->nquotas; k++) {
        if (w->delivered[k].n >= SLOTS - 4
            || w->account.books[k].n >= SLOTS - 4)
        {
            return 1;
        }
    }

    return 0;
}


/* plays a history; returns how many of its steps, or -1 if a promise broke */

static int
play(world_t *w, const step_t *steps, int n)
{
    int  i;

    for (i = 0; i < n && !w->broken && !full(w); i++) {
        if ((kinds[steps[i].kind].fault & ~w->faults) == 0) {
            step(w, &steps[i]);
        }
    }

    if (w->broken) {
        return -1;
    }

    quiet(w);

    if (!w->borrow && !w->forgot) {
        exact(w);
        usable(w);

    } else if (!w->forgot && !w->killed && !w->outrun) {
        repaid(w);
    }

    return w->broken ? -1 : i;
}


static int
history(uint64_t seed, step_t *steps)
{
    int       i, n, kind, total;
    uint64_t  dice, r;

    dice = seed ^ 0x6761746521;
    n = 20 + (int) roll(&dice, STEPS - 20);
    total = 0;

    for (kind = 0; kind < KINDS; kind++) {
        total += kinds[kind].weight;
    }

    for (i = 0; i < n; i++) {
        r = roll(&dice, (uint64_t) total);

        for (kind = 0; r >= (uint64_t) kinds[kind].weight; kind++) {
            r -= (uint64_t) kinds[kind].weight;
        }

        steps[i].kind = (kind_t) kind;
        steps[i].dice = roll(&dice, 0);
    }

    return n;
}


/* leaves out what the failure does not need, by halves, down to single steps */

static int
shrink(world_t *w, uint64_t seed, step_t *steps, int n)
{
    int     i, size, before;
    step_t  fewer[STEPS];

    for (size = n / 2; size > 0; size = n < before ? size : size / 2) {
        before = n;

        for (i = 0; i + size <= n; ) {
            memcpy(fewer, steps, (size_t) i * sizeof(step_t));
            memcpy(fewer + i, steps + i + size,
                   (size_t) (n - i - size) * sizeof(step_t));

            world_start(w, seed);

            if (play(w, fewer, n - size) == -1) {
                n -= size;
                memcpy(steps, fewer, (size_t) n * sizeof(step_t));

            } else {
                i += size;
            }
        }
    }

    return n;
}


static void
tell(world_t *w, uint64_t seed, step_t *steps, int n)
{
    int  k;

    n = shrink(w, seed, steps, n);

    world_start(w, seed);
    w->trace = 1;

    printf("# history %" PRIu64 ", shrunk to %d steps, %d node(s), faults "
           "%02x\n", seed, n, w->nnodes, w->faults);

    for (k = 0; k < w->nquotas; k++) {
        printf("# q%d: %s, per %c %" PRId64 " s, offset %" PRId64
               ", limit %" PRIu64 ", lease %" PRIu64 "\n", k,
               w->quotas[k].unit == GATE_BYTES ? "bytes" : "requests",
               "hdwmt"[w->quotas[k].window.per], w->quotas[k].window.length,
               w->quotas[k].window.offset, w->quotas[k].limit,
               lease_of(&w->quotas[k]));
    }

    (void) play(w, steps, n);
    printf("# %s\n", w->broken);
}


static int
model(uint64_t limit, uint64_t seed)
{
    int              n, played;
    uint64_t         dice, done, one;
    static world_t   w;
    static step_t    steps[STEPS];

    dice = seed;

    for (done = 0; done < limit; done += (uint64_t) played) {
        one = roll(&dice, 0);
        n = history(one, steps);

        world_start(&w, one);
        played = play(&w, steps, n);

        if (played == -1) {
            printf("not ok 1 - P1, P2, P3 hold in every history\n");
            tell(&w, one, steps, n);
            return 1;
        }

        played++;
    }

    printf("ok 1 - P1, P2, P3 hold in every history: %" PRIu64 " steps\n",
           done);

    return 0;
}


/* histories for t/scripts.t: whether promises hold is not looked at */

static int
print(int limit, uint64_t seed)
{
    int              n, done;
    uint64_t         dice, one;
    static world_t   w;
    static step_t    steps[STEPS];

    dice = seed;

    for (done = 0; done < limit; done += w.questions) {
        one = roll(&dice, 0);
        n = history(one, steps);

        world_start(&w, one);
        w.unchecked = 1;
        w.prints = 1;

        printf("new");

        if (w.account.epoch.id) {
            printf(" id %" PRIu64 " run r%d open %" PRIu64,
                   w.account.epoch.id, w.account.epoch.run,
                   w.account.epoch.open);
        }

        printf("\n");
        (void) play(&w, steps, n);
        ledger_print_hash(&w);
    }

    return 0;
}


int
main(int argc, char **argv)
{
    uint64_t  steps, seed;

    if (argc == 4 && strcmp(argv[1], "--history") == 0) {
        return print(atoi(argv[2]), strtoull(argv[3], NULL, 10));
    }

    steps = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
    seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t) time(NULL);

    printf("1..1\n# seed %" PRIu64 "\n", seed);

    return model(steps, seed);
}
