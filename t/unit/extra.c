/*
 * Extras: whose, and of what they are, and when they end.  It is second 1000.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gate_extra.c"
#include "gate_held.c"


static char         texts[8][80];
static gate_held_t  helds[8];
static size_t       n;
static uint64_t     ends;


static void
add(const char *value)
{
    size_t  len;

    len = strlen(value);
    memcpy(texts[n], value, len);

    assert_int_equal(gate_held_parse("x", 1, texts[n], len, &helds[n]), 0);
    n++;
}


static int
order(const void *one, const void *two)
{
    return gate_held_compare(one, two);
}


static uint64_t
find(const char *user, const char *policy, const char *quota)
{
    gate_extra_t  extra;

    extra.user.data = user;
    extra.user.len = strlen(user);
    extra.policy.data = policy;
    extra.policy.len = strlen(policy);
    extra.quota.data = quota;
    extra.quota.len = strlen(quota);

    ends = 0;

    return gate_extra_find(helds, n, &extra, 1000, &ends);
}


static void
those_of_one_quota_add_up_until_they_end(void **state)
{
    (void) state;

    n = 0;
    add("extra=bob policy=p quota=day amount=7 until=2000");
    add("extra=alice policy=p quota=day amount=3 until=2000");
    add("extra=alice policy=p quota=day amount=5 until=1500");
    add("extra=alice policy=p quota=day amount=100 until=1000");
    add("extra=alice policy=q quota=day amount=11 until=1600");
    add("extra=alice policy=p quota=hour amount=13 until=1700");
    add("user=alice");
    qsort(helds, n, sizeof(gate_held_t), order);

    assert_true(find("alice", "p", "day") == 8 && ends == 1500);
    assert_true(find("alice", "q", "day") == 11 && ends == 1600);
    assert_true(find("alice", "p", "hour") == 13 && ends == 1700);
    assert_true(find("bob", "p", "day") == 7 && ends == 2000);
    assert_true(find("carol", "p", "day") == 0 && ends == 0);
    assert_true(find("alice", "p", "week") == 0 && ends == 0);
    assert_true(find("alice", "", "") == 0);
}


static void
there_is_never_more_than_a_limit_can_be(void **state)
{
    int  i;

    (void) state;

    n = 0;

    for (i = 0; i < 8; i++) {
        add("extra=alice policy=p quota=day amount=999999999999999 until=2000");
    }

    assert_true(find("alice", "p", "day") == GATE_EXTRA_MAX);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(those_of_one_quota_add_up_until_they_end),
        cmocka_unit_test(there_is_never_more_than_a_limit_can_be)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
