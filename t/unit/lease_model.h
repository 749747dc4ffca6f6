/*
 * The ledger of the lease model: in C what epoch.lua, account.lua, draw.lua,
 * settle.lua and beat.lua do in Redis, statement by statement, so that
 * t/scripts.t can hold one against the other.  It knows one account; nodes and
 * the runs of the server are small numbers.  Whoever changes a script changes
 * this file in the same commit.
 */


#ifndef LEASE_MODEL_H_INCLUDED
#define LEASE_MODEL_H_INCLUDED


#include <string.h>

#include "gate_lease.h"
#include "gate_window.h"


#define QUOTAS  3       /* of an account, at most */
#define NAMES   12      /* of nodes in one history, the dead included */
#define SLOTS   48      /* kept of one quota, at most */
#define KEPT    60      /* seconds the account stays, when it is over */

/* as epoch.lua has them, ms */

#define LOST      2000
#define REPLACED  700
#define MORE      500
#define LONGEST   10000


/* what the fields "<quota>:<slot>", those of nodes and with "~" hold */

typedef struct {
    int64_t        start;
    uint64_t       all;
    uint64_t       share[NAMES];
    uint64_t       told;            /* "~<quota>:<slot>" */
    uint8_t        known[NAMES];    /* the field is there */
    uint8_t        summed;          /* so is that of all */
    uint8_t        is_told;
} slot_t;


/* the slots of one quota, oldest first */

typedef struct {
    int            n;
    slot_t         slots[SLOTS];
    uint64_t       lowered;         /* "~<quota>", 0: no such field */
} book_t;


/* the hash of the epoch */

typedef struct {
    uint64_t       id;              /* 0: there is none */
    int            run;
    uint64_t       open;
} epoch_t;


/* the hash of one account, and what else the server has in memory */

typedef struct {
    epoch_t        epoch;
    int            exists;
    int64_t        expires;         /* epoch seconds */
    uint64_t       last[NAMES];     /* "#<node>", 0: no such field */
    book_t         books[QUOTAS];
} account_t;


typedef struct {
    gate_unit_e    unit;
    gate_window_t  window;
    uint64_t       limit;
    uint64_t       lease;           /* as configured */
} quota_t;


typedef struct {
    int            settle;
    int            node;
    uint64_t       number;
    uint64_t       answered;
    int            more;            /* to tell of an epoch before */
    uint64_t       asked;           /* by the node's clock */
    uint64_t       limits[QUOTAS];
    gate_claim_t   claims[QUOTAS];
} question_t;


typedef struct {
    int            stale;
    int            lost;
    uint64_t       last;
    uint64_t       epoch;
    uint64_t       closed;          /* ms until it opens */
    gate_grant_t   grants[QUOTAS];
} reply_t;


/* what a script works out of one quota before it decides */

typedef struct {
    gate_slot_t    slot;
    int64_t        span;
    int64_t        kept;
    uint64_t       had;             /* by the node, of the slot it named */
    uint64_t       stated;
    uint64_t       floor;
    uint64_t       share;
    uint64_t       retry;
    unsigned       refused;
} turn_t;


/* closed(): ms until this epoch opens */

static uint64_t
epoch_closed(const epoch_t *epoch, uint64_t now)
{
    uint64_t  left;

    left = epoch->open > now ? epoch->open - now : 0;

    return left > LONGEST ? 0 : left;
}


/* begin() */

static void
epoch_begin(epoch_t *epoch, int run, uint64_t pause, uint64_t now)
{
    uint64_t  closed;

    closed = epoch_closed(epoch, now);

    epoch->id = now > epoch->id ? now : epoch->id + 1;
    epoch->open = now + (pause > closed ? pause : closed);
    epoch->run = run;
}


/* prolong() */

static void
epoch_prolong(epoch_t *epoch, uint64_t now)
{
    if (now < epoch->id + LONGEST && epoch_closed(epoch, now) < MORE) {
        epoch->open = now + MORE;
    }
}


/* what stands in front of each script */

static void
epoch_look(epoch_t *epoch, int run, uint64_t now)
{
    if (epoch->id == 0) {
        epoch_begin(epoch, run, LOST, now);

    } else if (epoch->run != run) {
        epoch_begin(epoch, run, REPLACED, now);
    }
}


static slot_t *
book_find(book_t *book, int64_t start)
{
    int  i;

    for (i = book->n - 1; i >= 0; i--) {
        if (book->slots[i].start == start) {
            return &book->slots[i];
        }
    }

    return NULL;
}


static slot_t *
book_slot(book_t *book, int64_t start)
{
    int      i;
    slot_t  *slot;

    slot = book_find(book, start);

    if (slot) {
        return slot;
    }

    if (book->n == SLOTS) {
        memmove(&book->slots[0], &book->slots[1],
                (SLOTS - 1) * sizeof(slot_t));
        book->n--;
    }

    for (i = book->n++; i > 0 && book->slots[i - 1].start > start; i--) {
        book->slots[i] = book->slots[i - 1];
    }

    memset(&book->slots[i], 0, sizeof(slot_t));
    book->slots[i].start = start;

    return &book->slots[i];
}


static void
book_drop(book_t *book, int i)
{
    book->n--;
    memmove(&book->slots[i], &book->slots[i + 1],
            (size_t) (book->n - i) * sizeof(slot_t));
}


/* granted(): to all in the window */

static uint64_t
book_sum(const book_t *book, int64_t oldest)
{
    int       i;
    uint64_t  sum;

    for (sum = 0, i = 0; i < book->n; i++) {
        if (book->slots[i].start >= oldest) {
            sum += book->slots[i].all;
        }
    }

    return sum;
}


/* share(): sets a node's share of a slot, and the slot's sum with it */

static void
book_share(book_t *book, int64_t start, int node, uint64_t n)
{
    slot_t    *slot;
    uint64_t   had;

    slot = book_slot(book, start);
    had = slot->share[node];

    slot->all = slot->all + n > had ? slot->all + n - had : 0;
    slot->summed = 1;
    slot->share[node] = n;
    slot->known[node] = 1;
}


/* window() */

static void
turn_window(turn_t *turn, const gate_window_t *window, int64_t now)
{
    gate_window_slot(window, now, &turn->slot);

    if (window->per == GATE_PER_TIME) {
        turn->span = turn->slot.start - turn->slot.oldest;
        turn->kept = turn->slot.oldest;
        return;
    }

    turn->span = turn->slot.end - turn->slot.start;
    turn->kept = turn->slot.start
                 - (window->per == GATE_PER_MONTH ? 31 * 86400
                    : turn->span);
}


/* sweep(): drops what no window reaches any more, and idle nodes */

static void
ledger_sweep(account_t *account, const turn_t *turns, int n, int node)
{
    int      i, k, s, dropped;
    uint8_t  holds[NAMES] = { 0 };

    dropped = 0;

    for (k = 0; k < n; k++) {
        for (s = 0; s < account->books[k].n; s++) {

            if (account->books[k].slots[s].start < turns[k].kept) {
                book_drop(&account->books[k], s--);
                dropped = 1;
                continue;
            }

            for (i = 0; i < NAMES; i++) {
                holds[i] |= account->books[k].slots[s].known[i];
            }
        }
    }

    for (i = 0; dropped && i < NAMES; i++) {
        if (!holds[i] && i != node) {
            account->last[i] = 0;
        }
    }
}


/* heal(): this ledger forgot what the node was told */

static int
ledger_heal(book_t *book, const turn_t *turn, const gate_claim_t *claim,
    int node)
{
    int      i;
    slot_t  *slot;

    if (claim->slot == 0 || claim->slot < turn->slot.oldest) {
        return 0;
    }

    for (i = 0; i < book->n; i++) {
        slot = &book->slots[i];

        if (slot->start < claim->slot && slot->start != claim->past) {
            slot->share[node] = 0;
        }
    }

    book_share(book, claim->slot, node, claim->share);

    slot = book_find(book, claim->slot);

    if (slot->told < claim->seen) {
        slot->told = claim->seen;
    }

    slot->is_told = 1;

    return 1;
}


/* the units of a slot that are some node's */

static uint64_t
book_named(const slot_t *slot)
{
    int       i;
    uint64_t  sum;

    for (sum = 0, i = 0; i < NAMES; i++) {
        sum += slot->share[i];
    }

    return sum < slot->all ? sum : slot->all;
}


/* has some node told what this ledger forgot? */

static int
account_told(const account_t *account)
{
    int  k, s, told;

    for (told = 0, k = 0; k < QUOTAS; k++) {
        told |= account->books[k].lowered > 0;

        for (s = 0; s < account->books[k].n; s++) {
            told |= account->books[k].slots[s].is_told;
        }
    }

    return told;
}


/* complete(): what was known to be granted, and nobody named */

static void
ledger_complete(book_t *book, const turn_t *turn)
{
    int       i, k;
    slot_t   *slot, *known;
    uint64_t  has, free, missing;

    for (k = 0; k < book->n; k++) {
        known = &book->slots[k];

        if (!known->is_told) {
            continue;
        }

        for (has = 0, i = 0; i < book->n; i++) {
            slot = &book->slots[i];

            if (slot->start >= turn->slot.oldest) {
                has += i < k ? book_named(slot) : slot->all;
            }
        }

        has += book->lowered;
        missing = known->start >= turn->slot.oldest && known->told > has
                  ? known->told - has : 0;

        known->all += missing;

        for (i = 0; i < k; i++) {
            slot = &book->slots[i];

            if (slot->start >= turn->slot.oldest) {
                free = slot->all - book_named(slot);
                free = free < missing ? free : missing;
                slot->all -= free;
                missing -= free;
            }
        }
    }

    for (k = 0; k < book->n; k++) {
        book->slots[k].told = 0;
        book->slots[k].is_told = 0;
    }

    book->lowered = 0;
}


/* lowered(): what the node had in the slot that it named, and has no more */

static void
ledger_lowered(book_t *book, const turn_t *turn, const gate_claim_t *claim,
    int node)
{
    uint64_t       n;
    const slot_t  *slot;

    if (claim->slot == 0 || claim->slot < turn->slot.oldest) {
        return;
    }

    slot = book_find(book, claim->slot);
    n = slot ? slot->share[node] : 0;

    book->lowered += turn->had > n ? turn->had - n : 0;
}


/* a node spends nothing of a slot that it never heard of */

static void
ledger_release(book_t *book, const turn_t *turn, const gate_claim_t *claim,
    int node)
{
    int      i;
    slot_t  *slot;

    for (i = 0; i < book->n; i++) {
        slot = &book->slots[i];

        if (slot->known[node] && slot->start > claim->past
            && slot->start > claim->slot && slot->start < turn->slot.start)
        {
            book_share(book, slot->start, node, 0);
        }
    }
}


/* what the node says it spent belongs to the slot that it named */

static void
ledger_state(book_t *book, turn_t *turn, const gate_claim_t *claim, int node)
{
    slot_t  *past;

    past = claim->past && claim->past >= turn->kept
           ? book_find(book, claim->past) : NULL;

    if (past && past->known[node]) {
        book_share(book, claim->past, node, claim->past_spent);
    }

    /* borrowed in a slot that has ended: the node may name another next */

    if (claim->slot > 0 && claim->slot < turn->slot.start
        && claim->slot >= turn->kept && claim->spent > claim->share)
    {
        book_share(book, claim->slot, node, claim->spent);
    }

    turn->stated = 0;
    turn->floor = 0;

    if (claim->slot == turn->slot.start) {
        turn->stated = claim->spent;
        turn->floor = claim->share > claim->spent ? claim->share
                                                  : claim->spent;

    } else if (claim->slot == 0) {
        turn->stated = claim->spent;

        if (claim->past == turn->slot.start) {
            turn->stated += claim->past_spent;
        }

        turn->floor = turn->stated;
    }
}


/* retry(): ms until so much has left the window that the need fits */

static uint64_t
ledger_retry(const book_t *book, const turn_t *turn, uint64_t excess,
    uint64_t now)
{
    int      i;
    int64_t  at;

    if (turn->slot.width == 0) {
        return (uint64_t) turn->slot.end * 1000 - now;
    }

    at = turn->slot.start;

    for (i = 0; i < book->n; i++) {

        if (!book->slots[i].summed
            || book->slots[i].start < turn->slot.oldest)
        {
            continue;
        }

        at = book->slots[i].start;

        if (book->slots[i].all >= excess) {
            break;
        }

        excess -= book->slots[i].all;
    }

    return (uint64_t) (at + turn->span + turn->slot.width) * 1000 - now;
}


/* draw.lua of one quota */

static void
ledger_draw(book_t *book, turn_t *turn, const question_t *question, int k,
    uint64_t now)
{
    slot_t              *slot;
    uint64_t             sum, mine, others, room;
    const gate_claim_t  *claim;

    claim = &question->claims[k];
    slot = book_find(book, turn->slot.start);
    mine = slot ? slot->share[question->node] : 0;
    sum = book_sum(book, turn->slot.oldest);

    turn->share = gate_lease_share(claim, question->limits[k], sum, mine,
                                   turn->stated, turn->floor, &turn->refused);

    if (turn->refused) {
        others = sum > mine ? sum - mine : 0;
        room = question->limits[k] > others ? question->limits[k] - others : 0;
        turn->retry = ledger_retry(book, turn,
                                   turn->stated + claim->need - room, now);
    }
}


/* settle.lua of one quota */

static void
ledger_settle(book_t *book, const turn_t *turn, const gate_claim_t *claim,
    int node)
{
    if (claim->slot > 0 && claim->slot < turn->slot.start
        && claim->slot >= turn->kept)
    {
        book_share(book, claim->slot, node, claim->spent);
    }

    book_share(book, turn->slot.start, node, turn->stated);
}


/* done() */

static void
ledger_done(account_t *account, const question_t *question,
    const turn_t *turns, int n, uint64_t now, reply_t *reply)
{
    int            i, k;
    slot_t        *slot, *other;
    uint64_t       seen, told;
    gate_grant_t  *grant;

    reply->epoch = account->epoch.id;
    reply->closed = epoch_closed(&account->epoch, now);

    account->exists = 1;
    account->last[question->node] = question->number;
    account->expires = (int64_t) (now / 1000);

    for (k = 0; k < n; k++) {
        grant = &reply->grants[k];
        slot = book_find(&account->books[k], turns[k].slot.start);
        seen = book_sum(&account->books[k], turns[k].slot.oldest);

        for (i = 0; i < account->books[k].n; i++) {
            other = &account->books[k].slots[i];

            told = other->told > account->books[k].lowered
                   ? other->told - account->books[k].lowered : 0;

            if (other->start >= turns[k].slot.oldest && told > seen) {
                seen = told;
            }
        }

        grant->slot = turns[k].slot.start;
        grant->left = (uint64_t) turns[k].slot.end * 1000 - now;
        grant->share = slot ? slot->share[question->node] : 0;
        grant->seen = seen;
        grant->refused = turns[k].refused;
        grant->retry = turns[k].retry;

        if (account->expires < turns[k].slot.end + turns[k].span) {
            account->expires = turns[k].slot.end + turns[k].span;
        }
    }

    account->expires += KEPT;
}


/* beat.lua */

static void
ledger_beat(account_t *account, int run, uint64_t now, reply_t *reply)
{
    memset(reply, 0, sizeof(reply_t));

    epoch_look(&account->epoch, run, now);

    reply->epoch = account->epoch.id;
    reply->closed = epoch_closed(&account->epoch, now);
}


/* draw.lua or settle.lua at the epoch ms "now"; turns are for who looks on */

static void
ledger_ask(account_t *account, const quota_t *quotas, int n,
    const question_t *question, int run, uint64_t now, turn_t *turns,
    reply_t *reply)
{
    int       k, node, none;
    slot_t   *slot;
    uint64_t  last;

    node = question->node;
    last = account->last[node];

    memset(reply, 0, sizeof(reply_t));
    memset(turns, 0, (size_t) n * sizeof(turn_t));

    epoch_look(&account->epoch, run, now);

    if (question->number <= last) {
        reply->stale = 1;
        reply->last = last;
        return;
    }

    for (k = 0; k < n; k++) {
        turn_window(&turns[k], &quotas[k].window, (int64_t) (now / 1000));
    }

    ledger_sweep(account, turns, n, node);

    for (k = 0; k < n; k++) {
        if (last < question->answered) {
            reply->lost |= ledger_heal(&account->books[k], &turns[k],
                                       &question->claims[k], node);
        }

        slot = book_find(&account->books[k], question->claims[k].slot);
        turns[k].had = slot ? slot->share[node] : 0;

        ledger_release(&account->books[k], &turns[k],
                       &question->claims[k], node);
        ledger_state(&account->books[k], &turns[k], &question->claims[k],
                     node);
    }

    if (reply->lost && epoch_closed(&account->epoch, now) == 0) {
        epoch_begin(&account->epoch, run, LOST, now);
    }

    if (question->more) {
        epoch_prolong(&account->epoch, now);
    }

    none = epoch_closed(&account->epoch, now) > 0;

    for (k = 0; !none && k < n; k++) {
        ledger_complete(&account->books[k], &turns[k]);
    }

    for (k = 0; question->settle && k < n; k++) {
        ledger_settle(&account->books[k], &turns[k], &question->claims[k],
                      node);
    }

    for (k = 0; !question->settle && !none && k < n; k++) {
        ledger_draw(&account->books[k], &turns[k], question, k, now);
    }

    for (k = 0; k < n; k++) {
        none |= (int) turns[k].refused;
    }

    for (k = 0; !question->settle && k < n; k++) {
        book_share(&account->books[k], turns[k].slot.start, node,
                   none ? turns[k].floor : turns[k].share);
    }

    none = epoch_closed(&account->epoch, now) > 0 && account_told(account);

    for (k = 0; none && k < n; k++) {
        ledger_lowered(&account->books[k], &turns[k], &question->claims[k],
                       node);
    }

    ledger_done(account, question, turns, n, now, reply);
}


#endif /* LEASE_MODEL_H_INCLUDED */
