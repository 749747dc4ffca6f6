/*
 * Days of the future, which a clock that was set back leaves behind, count as
 * today.
 */


#include "gate_familiar.h"


static int gate_familiar_within(const gate_familiar_rule_t *rule,
    uint32_t day, uint32_t today);


gate_familiar_e
gate_familiar(const gate_familiar_rule_t *rule, const gate_habit_t *habit,
    uint32_t today)
{
    if (gate_familiar_within(rule, habit->day, today)) {
        return GATE_FAMILIAR_USUAL;
    }

    if (habit->since == 0
        || today < (uint64_t) habit->since + rule->learn
        || (!rule->named && !gate_familiar_within(rule, habit->best, today)))
    {
        return GATE_FAMILIAR_LEARNING;
    }

    return GATE_FAMILIAR_UNUSUAL;
}


/* is the day one of the last that count? */

static int
gate_familiar_within(const gate_familiar_rule_t *rule, uint32_t day,
    uint32_t today)
{
    return day == GATE_FAMILIAR_ALWAYS
           || (day != 0 && today < (uint64_t) day + rule->remember);
}
