/*
 * The arithmetic of leases.  Sums cannot overflow: limits, needs and shares
 * are at most GATE_LIMIT_MAX each, what is added is checked by subtraction.
 */


#include "gate_lease.h"

#include "gate_window.h"


static void gate_lease_enter(gate_credit_t *credit, uint32_t slot);
static void gate_lease_rejoin(gate_credit_t *credit, uint32_t slot);


gate_credit_e
gate_lease_check(const gate_credit_t *credit, const gate_hold_t *hold,
    uint64_t limit, uint64_t need, uint64_t borrow, uint64_t now)
{
    int       named, within;
    uint64_t  spent, share, others, fits;

    need = gate_lease_wanted(credit, hold, need, now);

    if (need == 0 || borrow == GATE_UNBOUNDED) {
        return GATE_CREDIT_TAKEN;
    }

    named = gate_lease_live(credit, now);
    spent = named || credit->slot == 0 ? credit->spent : 0;
    share = named ? credit->share : 0;
    others = named && credit->seen > share ? credit->seen - share : 0;

    /* a limit that was lowered holds for credit drawn under the old one */

    fits = limit > others ? limit - others : 0;

    within = need <= fits && spent <= fits - need;

    if (within
        && need <= GATE_LIMIT_MAX
        && borrow <= GATE_LIMIT_MAX
        && spent + need <= share + borrow)
    {
        return GATE_CREDIT_TAKEN;
    }

    return now < credit->refused_until && !within
           ? GATE_CREDIT_REFUSED : GATE_CREDIT_SHORT;
}


void
gate_lease_take(gate_credit_t *credit, gate_hold_t *hold, uint64_t need,
    uint64_t now)
{
    need = gate_lease_wanted(credit, hold, need, now);

    /* who takes nothing must not leave the slot: it may go on for Redis */

    if (need == 0) {
        return;
    }

    if (!gate_lease_stands(credit, hold, now)) {
        gate_lease_give(credit, hold);
    }

    if (credit->slot != 0 && now >= credit->until) {
        gate_lease_enter(credit, 0);
    }

    credit->spent += need;

    hold->gen = credit->gen;
    hold->until = credit->slot ? credit->until : GATE_UNBOUNDED;
    hold->n += need;
}


/* leaves the slot behind; its spent units stay until the next one is left */

static void
gate_lease_enter(gate_credit_t *credit, uint32_t slot)
{
    if (credit->slot) {
        credit->past = credit->slot;
        credit->past_spent = credit->spent;
    }

    credit->gen++;
    credit->slot = slot;
    credit->share = 0;
    credit->spent = 0;
    credit->seen = 0;
    credit->refused_until = 0;
}


/* what was borrowed belongs to a slot now: maybe the one that was left */

static void
gate_lease_rejoin(gate_credit_t *credit, uint32_t slot)
{
    credit->slot = slot;

    if (credit->past == slot) {
        credit->spent += credit->past_spent;
        credit->past = 0;
        credit->past_spent = 0;
    }
}


void
gate_lease_give(gate_credit_t *credit, gate_hold_t *hold)
{
    uint64_t  n;

    n = hold->n - hold->used;

    if (hold->gen == credit->gen) {
        credit->spent -= n < credit->spent ? n : credit->spent;

    } else if (hold->gen + 1 == credit->gen) {
        credit->past_spent -= n < credit->past_spent ? n : credit->past_spent;
    }

    /* an older slot keeps it as spent: too much, never too little */

    hold->n = 0;
    hold->used = 0;
}


int
gate_lease_low(const gate_credit_t *credit, uint64_t limit, uint64_t lease,
    uint64_t now)
{
    uint64_t  plenty;

    if (!gate_lease_live(credit, now) || credit->seen >= limit) {
        return 0;
    }

    plenty = (limit - credit->seen) / 8;

    if (plenty > lease) {
        plenty = lease;
    }

    return gate_lease_idle(credit, now) < plenty / 4;
}


void
gate_lease_claim(const gate_credit_t *credit, gate_claim_t *claim)
{
    claim->slot = credit->slot;
    claim->past = credit->past;
    claim->share = credit->share;
    claim->spent = credit->spent;
    claim->seen = credit->seen;
    claim->past_spent = credit->past_spent;
}


void
gate_lease_yield(gate_credit_t *credit)
{
    uint64_t  idle;

    if (credit->share > credit->spent) {
        idle = credit->share - credit->spent;

        credit->share -= idle;
        credit->seen -= idle < credit->seen ? idle : credit->seen;
    }
}


void
gate_lease_grant(gate_credit_t *credit, const gate_grant_t *grant,
    uint64_t asked)
{
    uint32_t  slot;

    slot = (uint32_t) grant->slot;

    if (credit->slot == 0) {
        gate_lease_rejoin(credit, slot);

    } else if (credit->slot != slot) {
        gate_lease_enter(credit, slot);
    }

    credit->share = grant->share;
    credit->seen = grant->seen;
    credit->until = gate_window_until(asked, grant->left);
    credit->refused_until = 0;

    if (grant->refused) {
        credit->refused_until = asked + GATE_REFUSED_FOR;
        credit->retry = asked + grant->retry;
    }
}


void
gate_lease_standing(const gate_credit_t *credit, const gate_window_t *window,
    uint64_t now, int64_t clock, gate_standing_t *standing)
{
    int64_t      least, most;
    gate_slot_t  slot;

    standing->known = (unsigned) gate_lease_live(credit, now);

    if (!standing->known) {
        standing->used = 0;
        standing->reset = 0;
        return;
    }

    standing->used = gate_lease_used(credit);

    gate_window_slot(window, credit->slot, &slot);

    least = (int64_t) ((credit->until - now + 999) / 1000);
    most = least + (slot.end - slot.start) / 1000 + 1;

    standing->reset = (uint64_t) (slot.end - clock < least ? least
                                  : slot.end - clock > most ? most
                                  : slot.end - clock);
}


uint64_t
gate_lease_used(const gate_credit_t *credit)
{
    return credit->spent + (credit->seen > credit->share
                            ? credit->seen - credit->share : 0);
}


int
gate_lease_untold(const gate_credit_t *credit)
{
    return credit->share != credit->spent;
}


uint64_t
gate_lease_share(const gate_claim_t *claim, uint64_t limit, uint64_t total,
    uint64_t held, uint64_t spent, uint64_t floor, unsigned *refused)
{
    uint64_t  others, room, left, more, lease, share;

    others = total > held ? total - held : 0;
    room = limit > others ? limit - others : 0;

    *refused = claim->need > 0
               && (spent > room || claim->need > room - spent);

    if (*refused || spent + claim->need >= room) {
        return *refused || floor > spent + claim->need
               ? floor : spent + claim->need;
    }

    left = room - spent - claim->need;
    more = claim->more < left ? claim->more : left;
    left -= more;
    lease = claim->lease < left / 8 ? claim->lease : left / 8;
    share = spent + claim->need + more + lease;

    return share > floor ? share : floor;
}


uint64_t
gate_lease_size(gate_unit_e unit, uint64_t configured, uint64_t limit)
{
    switch (unit) {

    case GATE_BYTES:
        return configured;

    case GATE_DOCUMENTS:
        return 0;

    default: /* GATE_REQUESTS */
        return limit < 100 ? 1 : limit / 100;
    }
}
