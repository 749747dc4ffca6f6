/*
 * The ledger of one host.  Calendar windows need no history: their slot is
 * the window.  A rolling window keeps its slots newest first, shifted as time
 * goes on.
 */


#include "gate_ledger.h"


typedef struct {
    int64_t    start;
    uint64_t   spent;
} gate_spending_t;


static size_t gate_ledger_history(const gate_ledger_t *ledger,
    const gate_slot_t *slot, const gate_credit_t *credit,
    gate_spending_t *history);
static uint64_t gate_ledger_retry(const gate_window_t *window,
    const gate_slot_t *slot, const gate_spending_t *history, size_t n,
    uint64_t excess, uint64_t now);


void
gate_ledger_draw(const gate_ledger_t *ledger, const gate_window_t *window,
    uint64_t limit, const gate_credit_t *credit, uint64_t need, uint64_t now,
    gate_grant_t *grant)
{
    size_t           i, n;
    uint64_t         older, room, spent;
    gate_slot_t      slot;
    gate_spending_t  history[GATE_SLOTS + 2];

    gate_window_slot(window, (int64_t) (now / 1000), &slot);
    n = gate_ledger_history(ledger, &slot, credit, history);

    older = 0;

    for (i = 0; i < n; i++) {
        older += history[i].spent;
    }

    spent = credit->slot == (uint32_t) slot.start ? credit->spent : 0;

    /* left for a moment, to borrow: see gate_lease_rejoin() */

    if (credit->slot == 0 && credit->past == (uint32_t) slot.start) {
        spent = credit->spent + credit->past_spent;
    }

    room = limit > older ? limit - older : 0;

    grant->slot = slot.start;
    grant->left = (uint64_t) slot.end * 1000 - now;
    grant->share = room > spent ? room : spent;
    grant->seen = older + grant->share;
    grant->refused = spent > room || need > room - spent;
    grant->retry = 0;

    if (grant->refused) {
        grant->retry = gate_ledger_retry(window, &slot, history, n,
                                         older + spent + need - limit, now);
    }
}


/* what was spent in the slots before this one, oldest first */

static size_t
gate_ledger_history(const gate_ledger_t *ledger, const gate_slot_t *slot,
    const gate_credit_t *credit, gate_spending_t *history)
{
    size_t   i, n;
    int64_t  start;

    n = 0;

    for (i = GATE_SLOTS; slot->width && ledger->newest && i > 0; i--) {
        start = (int64_t) ledger->newest - (int64_t) (i - 1) * slot->width;

        if (start >= slot->oldest && ledger->spent[i - 1]) {
            history[n].start = start;
            history[n++].spent = ledger->spent[i - 1];
        }
    }

    if (credit->past && credit->past >= slot->oldest
        && credit->past < slot->start)
    {
        history[n].start = credit->past;
        history[n++].spent = credit->past_spent;
    }

    if (credit->slot && credit->slot >= slot->oldest
        && credit->slot < slot->start)
    {
        history[n].start = credit->slot;
        history[n++].spent = credit->spent;
    }

    return n;
}


/* ms until so much has left the window that "excess" is gone */

static uint64_t
gate_ledger_retry(const gate_window_t *window, const gate_slot_t *slot,
    const gate_spending_t *history, size_t n, uint64_t excess, uint64_t now)
{
    size_t   i;
    int64_t  at;

    if (window->per != GATE_PER_TIME) {
        return (uint64_t) slot->end * 1000 - now;
    }

    at = slot->start;

    for (i = 0; i < n; i++) {
        at = history[i].start;

        if (history[i].spent >= excess) {
            break;
        }

        excess -= history[i].spent;
    }

    if (i == n) {
        at = slot->start;
    }

    /* a slot counts until the first one begins that does not reach back */

    at += slot->start - slot->oldest + slot->width;

    return (uint64_t) at * 1000 - now;
}


void
gate_ledger_keep(gate_ledger_t *ledger, const gate_window_t *window,
    const gate_credit_t *credit, const gate_grant_t *grant)
{
    size_t       i;
    int64_t      shift;
    gate_slot_t  slot;

    if (window->per != GATE_PER_TIME || credit->past == 0
        || credit->slot == (uint32_t) grant->slot
        || credit->past == (uint32_t) grant->slot)
    {
        return;
    }

    gate_window_slot(window, credit->past, &slot);

    shift = ledger->newest
            ? ((int64_t) credit->past - ledger->newest) / slot.width
            : GATE_SLOTS;

    if (shift < 0) {
        return;
    }

    for (i = GATE_SLOTS; i > 0; i--) {
        ledger->spent[i - 1] = (int64_t) (i - 1) >= shift
                               ? ledger->spent[i - 1 - (size_t) shift] : 0;
    }

    ledger->newest = credit->past;
    ledger->spent[0] = credit->past_spent;
}


void
gate_ledger_unspend(gate_ledger_t *ledger, const gate_window_t *window,
    gate_credit_t *credit, uint32_t slot)
{
    int64_t      i;
    uint64_t    *spent;
    gate_slot_t  at;

    spent = NULL;

    if (credit->slot == slot) {
        spent = &credit->spent;

    } else if (credit->past == slot) {
        spent = &credit->past_spent;

    } else if (window->per == GATE_PER_TIME && slot <= ledger->newest) {
        gate_window_slot(window, slot, &at);
        i = ((int64_t) ledger->newest - (int64_t) slot) / at.width;

        if (i < GATE_SLOTS) {
            spent = &ledger->spent[i];
        }
    }

    if (spent && *spent) {
        (*spent)--;
    }
}


int
gate_ledger_over(const gate_ledger_t *ledger, const gate_window_t *window,
    const gate_credit_t *credit, uint64_t now)
{
    gate_slot_t      slot;
    gate_spending_t  history[GATE_SLOTS + 2];

    gate_window_slot(window, (int64_t) (now / 1000), &slot);

    return (credit->slot != (uint32_t) slot.start || credit->spent == 0)
           && gate_ledger_history(ledger, &slot, credit, history) == 0;
}
