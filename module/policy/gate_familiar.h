/*
 * Familiar: whether a user is in a country that is usual for him.  Days are
 * counted since 1970, by the clock of who remembers them.
 */


#ifndef GATE_FAMILIAR_H_INCLUDED
#define GATE_FAMILIAR_H_INCLUDED


#include "gate_policy.h"


/* the largest min_days: so many of a country's days are remembered */
#define GATE_FAMILIAR_DAYS    31

/* as a day: an administrator said that the country is usual, for ever */
#define GATE_FAMILIAR_ALWAYS  65535


/* what is remembered of a user, and of him in one country */

typedef struct {
    uint32_t                 since;     /* his first day; 0: never seen */
    uint32_t                 day;       /* rule->days ago among the days that
                                           he was there; 0: fewer */
    uint32_t                 best;      /* the latest such of any country */
} gate_habit_t;


/*
 * A country is usual if he was there on rule->days different days of the last
 * rule->remember.  Until he is known for rule->learn days, and until some
 * country is usual for him (or for all: rule->named), he is being learned.
 * GATE_FAMILIAR_LEARNING, GATE_FAMILIAR_USUAL or GATE_FAMILIAR_UNUSUAL.
 */
gate_familiar_e gate_familiar(const gate_familiar_rule_t *rule,
    const gate_habit_t *habit, uint32_t today);


#endif /* GATE_FAMILIAR_H_INCLUDED */
