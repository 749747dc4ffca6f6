/*
 * Which countries are usual for a user: tables of days.  Today is the day 1000,
 * and the rule is that of a policy that says nothing else: 3 days of the last
 * 90, after 14 days of learning.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gate_familiar.c"


#define TODAY     1000
#define LEARNING  GATE_FAMILIAR_LEARNING
#define USUAL     GATE_FAMILIAR_USUAL
#define UNUSUAL   GATE_FAMILIAR_UNUSUAL


static const gate_familiar_rule_t  rule = { GATE_MODE_DENY, 14, 90, 3, 0 };


typedef struct {
    gate_familiar_e  familiar;
    gate_habit_t     habit;     /* since, day, best */
} row_t;


static void
rows(const gate_familiar_rule_t *by, const row_t *row, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (gate_familiar(by, &row[i].habit, TODAY) != row[i].familiar) {
            fail_msg("row %zu", i);
        }
    }
}

#define ROWS(by, table)  rows(by, table, sizeof(table) / sizeof(table[0]))


static void
a_country_is_usual_as_long_as_its_days_are_remembered(void **state)
{
    static const row_t  table[] = {
        { USUAL, { 500, 1000, 1000 } },
        { USUAL, { 500, 999, 1000 } },
        { USUAL, { 500, 911, 1000 } },
        { UNUSUAL, { 500, 910, 1000 } },
        { UNUSUAL, { 500, 1, 1000 } },
        { UNUSUAL, { 500, 0, 1000 } }
    };

    (void) state;

    ROWS(&rule, table);
}


static void
a_user_is_learned_for_a_while(void **state)
{
    static const row_t  table[] = {
        { LEARNING, { 0, 0, 0 } },
        { LEARNING, { 1000, 0, 0 } },
        { LEARNING, { 1000, 0, 1000 } },
        { LEARNING, { 987, 0, 1000 } },
        { UNUSUAL, { 986, 0, 1000 } },
        { UNUSUAL, { 1, 0, 1000 } },

        /* what is usual is so while others are learned, too */

        { USUAL, { 998, 998, 998 } }
    };

    (void) state;

    ROWS(&rule, table);
}


/* who comes seldom, or after a long time, is not locked out of everywhere */

static void
a_user_without_a_usual_country_is_learned(void **state)
{
    static const row_t  table[] = {
        { LEARNING, { 500, 0, 0 } },
        { LEARNING, { 500, 910, 910 } },
        { LEARNING, { 500, 0, 910 } },
        { UNUSUAL, { 500, 0, 911 } }
    };

    (void) state;

    ROWS(&rule, table);
}


static void
where_a_policy_names_usual_ones_he_has_one(void **state)
{
    static const row_t  table[] = {
        { LEARNING, { 0, 0, 0 } },
        { LEARNING, { 987, 0, 0 } },
        { UNUSUAL, { 986, 0, 0 } },
        { UNUSUAL, { 500, 910, 910 } },
        { USUAL, { 500, 911, 911 } }
    };

    static const gate_familiar_rule_t  named = {
        GATE_MODE_DENY, 14, 90, 3, 1
    };

    (void) state;

    ROWS(&named, table);
}


static void
what_an_administrator_says_is_for_ever(void **state)
{
    static const row_t  table[] = {
        { USUAL, { 0, GATE_FAMILIAR_ALWAYS, GATE_FAMILIAR_ALWAYS } },
        { USUAL, { 1, GATE_FAMILIAR_ALWAYS, GATE_FAMILIAR_ALWAYS } },
        { UNUSUAL, { 1, 0, GATE_FAMILIAR_ALWAYS } },
        { LEARNING, { 990, 0, GATE_FAMILIAR_ALWAYS } }
    };

    static const gate_familiar_rule_t  short_rule = {
        GATE_MODE_DENY, 14, 1, 1, 0
    };

    (void) state;

    ROWS(&rule, table);
    ROWS(&short_rule, table);
}


static void
nothing_may_be_learned_and_one_day_may_do(void **state)
{
    static const row_t  table[] = {
        { LEARNING, { 0, 0, 0 } },
        { LEARNING, { 1000, 0, 0 } },
        { UNUSUAL, { 1000, 0, 1000 } },
        { USUAL, { 1000, 1000, 1000 } },
        { UNUSUAL, { 1000, 999, 1000 } }
    };

    static const gate_familiar_rule_t  strict = {
        GATE_MODE_DENY, 0, 1, 1, 0
    };

    (void) state;

    ROWS(&strict, table);
}


/* nor does a sum that is too large */

static void
a_clock_that_was_set_back_makes_nobody_unusual(void **state)
{
    static const row_t  table[] = {
        { USUAL, { 500, 1001, 1001 } },
        { USUAL, { 2000, 65534, 65534 } },
        { LEARNING, { 1001, 0, 1000 } },
        { LEARNING, { UINT32_MAX, 0, 1000 } },
        { USUAL, { 500, UINT32_MAX, 1000 } }
    };

    (void) state;

    ROWS(&rule, table);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(
            a_country_is_usual_as_long_as_its_days_are_remembered),
        cmocka_unit_test(a_user_is_learned_for_a_while),
        cmocka_unit_test(a_user_without_a_usual_country_is_learned),
        cmocka_unit_test(where_a_policy_names_usual_ones_he_has_one),
        cmocka_unit_test(what_an_administrator_says_is_for_ever),
        cmocka_unit_test(nothing_may_be_learned_and_one_day_may_do),
        cmocka_unit_test(a_clock_that_was_set_back_makes_nobody_unusual)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
