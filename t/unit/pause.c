/*
 * Pauses: they grow, up to a bound, and are not the same for all.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gate_pause.c"


static void
growth(void **state)
{
    (void) state;

    assert_int_equal(gate_pause_more(0), 50);
    assert_int_equal(gate_pause_more(50), 100);
    assert_int_equal(gate_pause_more(100), 200);
    assert_int_equal(gate_pause_more(200), 200);
}


/* whatever it was, it grows to the bound and stays there */

static void
bound(void **state)
{
    uint32_t  start, pause, more, n;

    (void) state;

    for (start = 0; start < 1000; start++) {
        pause = start;

        for (n = 0; n < 10; n++) {
            more = gate_pause_more(pause);

            assert_true(more > pause || more == GATE_PAUSE_MOST);
            assert_in_range(more, 1, GATE_PAUSE_MOST);
            pause = more;
        }

        assert_int_equal(pause, GATE_PAUSE_MOST);
    }

    assert_int_equal(gate_pause_more(UINT32_MAX), GATE_PAUSE_MOST);
}


/* never longer than the pause, nor shorter than three quarters of it */

static void
spread(void **state)
{
    uint32_t  pause, random;

    (void) state;

    for (pause = 0; pause <= 1000; pause++) {
        for (random = 0; random < 300; random++) {
            assert_in_range(gate_pause_spread(pause, random),
                            pause - pause / 4, pause);
        }
    }

    assert_int_equal(gate_pause_spread(200, 0), 200);
    assert_int_equal(gate_pause_spread(200, 49), 151);
    assert_int_equal(gate_pause_spread(200, 50), 200);
    assert_in_range(gate_pause_spread(UINT32_MAX, UINT32_MAX),
                    UINT32_MAX - UINT32_MAX / 4, UINT32_MAX);
}


/* who failed at the same time does not come back at the same time */

static void
differs(void **state)
{
    uint32_t  pause, random, i, n, seen[GATE_PAUSE_MOST + 1];

    (void) state;

    for (pause = GATE_PAUSE_FIRST; ; pause = gate_pause_more(pause)) {
        n = 0;

        for (i = 0; i <= GATE_PAUSE_MOST; i++) {
            seen[i] = 0;
        }

        for (random = 0; random < 10000; random++) {
            n += seen[gate_pause_spread(pause, random)]++ == 0;
        }

        assert_int_equal(n, pause / 4);

        if (pause == GATE_PAUSE_MOST) {
            break;
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(growth),
        cmocka_unit_test(bound),
        cmocka_unit_test(spread),
        cmocka_unit_test(differs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
