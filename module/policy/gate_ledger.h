/*
 * The ledger of one host: what draw.lua is for many, in the zone itself, for
 * an nginx that has no "gate_redis".  There is one node, so it is granted all
 * the room its window has, once a slot; what is kept here is what was spent in
 * slots before the last two (those are in the credit).
 */


#ifndef GATE_LEDGER_H_INCLUDED
#define GATE_LEDGER_H_INCLUDED


#include "gate_lease.h"
#include "gate_window.h"


/* zeroed: nothing was spent */

typedef struct {
    uint32_t   id;                  /* of the quota */
    uint32_t   newest;              /* start of slot 0, epoch seconds */
    uint64_t   spent[GATE_SLOTS];   /* newest first */
} gate_ledger_t;


/*
 * Grants a node that needs units more all the room there is.  now: epoch ms
 * of the host's clock.
 */
void gate_ledger_draw(const gate_ledger_t *ledger,
    const gate_window_t *window, uint64_t limit, const gate_credit_t *credit,
    uint64_t need, uint64_t now, gate_grant_t *grant);

/*
 * To be called before a credit takes a grant in: keeps what the credit is
 * about to forget.
 */
void gate_ledger_keep(gate_ledger_t *ledger, const gate_window_t *window,
    const gate_credit_t *credit, const gate_grant_t *grant);

/*
 * Takes back one unit that was spent in a slot, wherever it is kept by now.
 * What no window reaches any more is gone anyway.
 */
void gate_ledger_unspend(gate_ledger_t *ledger, const gate_window_t *window,
    gate_credit_t *credit, uint32_t slot);

/* Is every spent unit out of its window, so that this may be forgotten? */
int gate_ledger_over(const gate_ledger_t *ledger, const gate_window_t *window,
    const gate_credit_t *credit, uint64_t now);


#endif /* GATE_LEDGER_H_INCLUDED */
