/*
 * Exposure: the most that a limit lets through in a day and in a month.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gate_exposure.c"


static uint64_t
most(gate_per_e per, int64_t length, uint64_t limit, int64_t span)
{
    gate_window_t  window = { per, length, 0 };

    return gate_exposure_most(&window, limit, span);
}


static uint64_t
day(gate_per_e per, int64_t length, uint64_t limit)
{
    return most(per, length, limit, GATE_EXPOSURE_DAY);
}


static uint64_t
month(gate_per_e per, int64_t length, uint64_t limit)
{
    return most(per, length, limit, GATE_EXPOSURE_MONTH);
}


static void
calendar(void **state)
{
    (void) state;

    assert_int_equal(day(GATE_PER_HOUR, 0, 100), 2400);
    assert_int_equal(day(GATE_PER_DAY, 0, 100), 100);
    assert_int_equal(day(GATE_PER_WEEK, 0, 100), 100);
    assert_int_equal(day(GATE_PER_MONTH, 0, 100), 100);

    assert_int_equal(month(GATE_PER_HOUR, 0, 100), 74400);
    assert_int_equal(month(GATE_PER_DAY, 0, 100), 3100);
    assert_int_equal(month(GATE_PER_MONTH, 0, 100), 100);

    /* from a Sunday to a Tuesday: 1 + 4 * 7 + 2 days, in six weeks */

    assert_int_equal(month(GATE_PER_WEEK, 0, 100), 600);
}


static void
rolling(void **state)
{
    (void) state;

    assert_int_equal(day(GATE_PER_TIME, 86400, 100), 100);
    assert_int_equal(day(GATE_PER_TIME, 3600, 100), 2400);
    assert_int_equal(day(GATE_PER_TIME, 50000, 100), 200);
    assert_int_equal(day(GATE_PER_TIME, 30 * 86400, 100), 100);
    assert_int_equal(month(GATE_PER_TIME, 30 * 86400, 100), 200);
    assert_int_equal(month(GATE_PER_TIME, 31 * 86400, 100), 100);
}


static void
bounds(void **state)
{
    (void) state;

    assert_int_equal(day(GATE_PER_DAY, 0, 0), 0);
    assert_int_equal(day(GATE_PER_DAY, 0, GATE_LIMIT_MAX), GATE_LIMIT_MAX);
    assert_true(day(GATE_PER_HOUR, 0, GATE_LIMIT_MAX) == GATE_UNBOUNDED);
    assert_true(day(GATE_PER_DAY, 0, GATE_UNBOUNDED) == GATE_UNBOUNDED);
    assert_int_equal(day(GATE_PER_HOUR, 0, GATE_LIMIT_MAX / 24),
                     GATE_LIMIT_MAX / 24 * 24);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(calendar),
        cmocka_unit_test(rolling),
        cmocka_unit_test(bounds)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
