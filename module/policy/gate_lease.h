/*
 * Leases: the credit one node holds of one quota, and its arithmetic.
 *
 * The ledger (Redis, or gate_ledger.c on one host) holds per slot how much
 * was granted, and to whom: a node's share.  The node spends its share
 * without asking again.  Every question states where the node stands (slot,
 * share, spent) and is answered with its new share, so a question or an
 * answer that is lost, late or repeated is mended by the next one.
 *
 * A request holds what it took; what it has not used it gives back.  Holds
 * belong to a generation: when the slot ends, what is left must be held anew
 * in the next slot, so no window is ever charged for another.
 *
 * Times are ms of the host's monotonic clock.  A caller guards a credit that
 * is shared (see the zone's lock); nothing here waits or allocates.
 */


#ifndef GATE_LEASE_H_INCLUDED
#define GATE_LEASE_H_INCLUDED


#include "gate_policy.h"


/* a refusal is believed this long before the ledger is asked again, ms */
#define GATE_REFUSED_FOR  200


typedef struct {
    uint32_t   id;              /* of the quota; 0: unused */
    uint32_t   gen;             /* counts the slots that were entered */
    uint32_t   slot;            /* start, epoch seconds; 0: not known */
    uint32_t   past;            /* the slot before, 0: none */
    uint64_t   until;           /* spend only before this time */
    uint64_t   share;           /* granted to this node in slot */
    uint64_t   spent;           /* held or used; above share: borrowed */
    uint64_t   seen;            /* granted to all in the window, when told */
    uint64_t   past_spent;
    uint64_t   refused_until;
    uint64_t   retry;           /* when the window opens again */
} gate_credit_t;


/* what a request holds of one quota; zeroed: nothing */

typedef struct {
    uint32_t   gen;
    uint64_t   until;           /* hold anew from this time on */
    uint64_t   n;               /* units held */
    uint64_t   used;            /* of n */
} gate_hold_t;


/* what the ledger answers for one quota */

typedef struct {
    int64_t    slot;            /* start of the slot that has begun */
    uint64_t   left;            /* ms until it ends */
    uint64_t   share;           /* of this node in slot, from now on */
    uint64_t   seen;            /* granted to all in the window */
    unsigned   refused:1;       /* what was needed does not fit */
    uint64_t   retry;           /* ms until it may, if refused */
} gate_grant_t;


/* what a question says and asks of one quota */

typedef struct {
    uint32_t   slot;
    uint32_t   past;
    uint64_t   share;
    uint64_t   spent;
    uint64_t   seen;
    uint64_t   past_spent;
    uint64_t   need;            /* all of it, or nothing is granted */
    uint64_t   more;            /* as much of it as there is */
    uint64_t   lease;           /* idle credit wanted on top, if plenty */
} gate_claim_t;


/* May what is known of the slot still be believed? */

static inline int
gate_lease_live(const gate_credit_t *credit, uint64_t now)
{
    return credit->slot != 0 && now < credit->until;
}


/* Is what was held still held in the slot that is being spent? */

static inline int
gate_lease_stands(const gate_credit_t *credit, const gate_hold_t *hold,
    uint64_t now)
{
    return hold->gen == credit->gen
           && (credit->slot == 0 || now < credit->until);
}


/* What has to be taken from the credit so that need more is held. */

static inline uint64_t
gate_lease_wanted(const gate_credit_t *credit, const gate_hold_t *hold,
    uint64_t need, uint64_t now)
{
    return gate_lease_stands(credit, hold, now)
           ? need : hold->n - hold->used + need;
}


/* Units to be had from the share without asking. */

static inline uint64_t
gate_lease_idle(const gate_credit_t *credit, uint64_t now)
{
    return gate_lease_live(credit, now) && credit->share > credit->spent
           ? credit->share - credit->spent : 0;
}


/*
 * May need more units be taken on top of a hold now?  A hold of an ended
 * slot needs all that is unused of it again.  borrow: units that may be spent
 * above the share; GATE_UNBOUNDED counts and never refuses.  SHORT: ask the
 * ledger; REFUSED: it refused a moment ago, and told what others were granted.
 */
gate_credit_e gate_lease_check(const gate_credit_t *credit,
    const gate_hold_t *hold, uint64_t limit, uint64_t need, uint64_t borrow,
    uint64_t now);

/* Takes what gate_lease_check() allowed into the hold. */
void gate_lease_take(gate_credit_t *credit, gate_hold_t *hold, uint64_t need,
    uint64_t now);

/* Gives back what is held and not used, and empties the hold. */
void gate_lease_give(gate_credit_t *credit, gate_hold_t *hold);

/* Is it time to draw ahead: less than a quarter of a lease is left? */
int gate_lease_low(const gate_credit_t *credit, uint64_t limit,
    uint64_t lease, uint64_t now);

/* What a question says of this credit; what it asks is left as it is. */
void gate_lease_claim(const gate_credit_t *credit, gate_claim_t *claim);

/*
 * Gives all idle credit up, before the ledger is told: from here on it must
 * be asked for again.
 */
void gate_lease_yield(gate_credit_t *credit);

/* Takes the ledger's answer in; "asked": when the question left. */
void gate_lease_grant(gate_credit_t *credit, const gate_grant_t *grant,
    uint64_t asked);

/*
 * How the quota stands.  What is held counts as used.  "clock" are epoch
 * seconds by this host, which may be wrong: the time until there is more is
 * never less than the ledger said, less the thousandth that
 * gate_window_until() takes, nor more than that thousandth above.  Not known:
 * the slot that the ledger told of is over, or it told of none.
 */
void gate_lease_standing(const gate_credit_t *credit,
    const gate_window_t *window, uint64_t now, int64_t clock,
    gate_standing_t *standing);

/* Units used by all, as far as this host knows: what is held counts. */
uint64_t gate_lease_used(const gate_credit_t *credit);

/* Is there anything the ledger should be told once this is quiet? */
int gate_lease_untold(const gate_credit_t *credit);

/*
 * The ledger's side: what a node's share becomes.  total: granted to all in
 * the window, "held" of it to this node in the slot that has begun; spent and
 * floor: the node's spent units and what must not be taken from it in that
 * slot.  Returns the new share; *refused is set if the need does not fit, the
 * share is then the floor.
 */
uint64_t gate_lease_share(const gate_claim_t *claim, uint64_t limit,
    uint64_t total, uint64_t held, uint64_t spent, uint64_t floor,
    unsigned *refused);

/*
 * The lease of a quota: bytes as configured, requests 1 % of limit, 1 at
 * least.  Documents are not leased: which they are matters.
 */
uint64_t gate_lease_size(gate_unit_e unit, uint64_t configured,
    uint64_t limit);


#endif /* GATE_LEASE_H_INCLUDED */
