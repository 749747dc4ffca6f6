/*
 * The ledger of one host.  The node below does what the zone does: before a
 * request takes anything that its credit does not cover, the ledger grants
 * what the window has.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gate_window.c"
#include "gate_lease.c"
#include "gate_ledger.c"


#define DAY      ((uint64_t) 86400000)
#define MINUTE   ((uint64_t) 60000)

/* a midnight in May 2033, ms */
#define START    (UINT64_C(23148) * DAY)

#define STEPS    200000
#define DELIVERIES  4096


/* the node */

static gate_ledger_t  ledger;
static gate_credit_t  credit;
static gate_window_t  window;
static uint64_t       limit, now, retry;


static int
setup(void **state)
{
    (void) state;

    memset(&ledger, 0, sizeof(ledger));
    memset(&credit, 0, sizeof(credit));

    credit.gen = 1;
    now = START;
    limit = 100;

    return 0;
}


static void
per_day(void)
{
    window.per = GATE_PER_DAY;
    window.length = 0;
    window.offset = 0;
}


/* 12 slots of a minute and the one that has begun */

static void
per_12_minutes(void)
{
    window.per = GATE_PER_TIME;
    window.length = 12 * 60;
    window.offset = 0;
}


/* as ngx_http_gate_zone_draw() and _check(); the host's clocks are one */

static int
take(gate_hold_t *hold, uint64_t need)
{
    gate_claim_t  claim;
    gate_grant_t  grant;

    if (now >= credit.until
        || gate_lease_check(&credit, hold, limit, need, 0, now)
           != GATE_CREDIT_TAKEN)
    {
        gate_ledger_draw(&ledger, &window, limit, &credit, need, now, &grant);

        memset(&claim, 0, sizeof(claim));
        gate_lease_claim(&credit, &claim);
        claim.need = need;

        gate_ledger_keep(&ledger, &window, &credit, &grant);
        gate_lease_grant(&credit, &grant, now);

        if (credit.until <= now) {
            credit.until = now + 1;
        }
    }

    if (gate_lease_check(&credit, hold, limit, need, 0, now)
        != GATE_CREDIT_TAKEN)
    {
        retry = credit.retry - now;
        return 0;
    }

    gate_lease_take(&credit, hold, need, now);

    return 1;
}


/* a request that takes n and delivers all of it at once */

static int
get(uint64_t n)
{
    gate_hold_t  hold = { 0, 0, 0, 0 };

    if (!take(&hold, n)) {
        return 0;
    }

    hold.used = n;
    gate_lease_give(&credit, &hold);

    return 1;
}


static void
the_limit_is_had_to_its_last_unit(void **state)
{
    (void) state;

    per_day();

    assert_true(get(60));
    assert_false(get(41));
    assert_true(get(40));
    assert_false(get(1));
}


static void
one_node_is_granted_all_there_is(void **state)
{
    gate_grant_t  grant;

    (void) state;

    per_day();

    gate_ledger_draw(&ledger, &window, limit, &credit, 1, now, &grant);

    assert_int_equal(grant.slot, START / 1000);
    assert_int_equal(grant.left, DAY);
    assert_int_equal(grant.share, 100);
    assert_int_equal(grant.seen, 100);
    assert_int_equal(grant.refused, 0);
}


static void
the_next_day_begins_with_nothing_spent(void **state)
{
    (void) state;

    per_day();

    assert_true(get(100));
    now += DAY - 1000;
    assert_false(get(1));
    now += 1000;
    assert_true(get(100));
    assert_false(get(1));
}


static void
the_last_millisecond_of_a_day_is_part_of_it(void **state)
{
    (void) state;

    per_day();

    assert_true(get(60));
    now += DAY - 1;
    assert_false(get(41));
    assert_true(get(40));
}


/* a dry run takes without asking, after the credit's time and before the end */

static void
what_was_taken_without_asking_counts_once(void **state)
{
    gate_hold_t  hold = { 0, 0, 0, 0 };

    (void) state;

    per_12_minutes();

    assert_true(get(60));
    now += MINUTE - 1;
    credit.until = now;
    gate_lease_take(&credit, &hold, 10, now);

    assert_false(get(31));
    assert_true(get(30));

    for (limit = 101; limit < 106; limit++) {
        now += MINUTE;
        assert_true(get(1));
        assert_false(get(1));
    }
}


static void
a_refused_day_opens_at_midnight(void **state)
{
    (void) state;

    per_day();

    assert_true(get(100));
    now += DAY / 4;
    assert_false(get(1));
    assert_int_equal(retry, DAY * 3 / 4);
}


static void
what_comes_back_can_be_had_again(void **state)
{
    gate_hold_t  hold = { 0, 0, 0, 0 };

    (void) state;

    per_day();

    assert_true(take(&hold, 100));
    assert_false(get(1));

    hold.used = 70;
    gate_lease_give(&credit, &hold);

    assert_false(get(31));
    assert_true(get(30));
}


static void
a_lowered_limit_holds_at_once(void **state)
{
    (void) state;

    per_day();

    assert_true(get(50));
    limit = 60;
    assert_false(get(11));
    assert_true(get(10));
    limit = 20;
    assert_false(get(1));
}


static void
a_raised_limit_holds_at_once(void **state)
{
    (void) state;

    per_day();

    assert_true(get(100));
    limit = 150;
    assert_true(get(50));
    assert_false(get(1));
}


static void
a_limit_of_zero_refuses_everything(void **state)
{
    (void) state;

    per_day();

    limit = 0;
    assert_false(get(1));
}


static void
the_largest_limit_can_be_spent(void **state)
{
    (void) state;

    per_day();

    limit = GATE_LIMIT_MAX;
    assert_true(get(GATE_LIMIT_MAX));
    assert_false(get(1));
    assert_false(get(UINT64_MAX));
}


static void
a_rolling_window_counts_each_of_its_slots(void **state)
{
    int  i;

    (void) state;

    per_12_minutes();

    for (i = 0; i < 13; i++) {
        assert_true(get(1));
        now += MINUTE;
    }

    /* the first has left the window */

    limit = 13;
    assert_true(get(1));
    assert_false(get(1));
}


static void
what_was_spent_leaves_the_window_one_slot_after_its_length(void **state)
{
    (void) state;

    per_12_minutes();

    assert_true(get(100));

    now += 13 * MINUTE - 1;
    assert_false(get(1));
    now += 1;
    assert_true(get(100));
}


static void
a_rolling_window_opens_when_enough_has_left_it(void **state)
{
    (void) state;

    per_12_minutes();

    assert_true(get(30));
    now += MINUTE;
    assert_true(get(30));
    now += MINUTE;
    assert_true(get(40));
    now += MINUTE;

    /* 30 leave 13 minutes after the start, the next 30 a minute later */

    assert_false(get(1));
    assert_int_equal(retry, 10 * MINUTE);
    assert_false(get(30));
    assert_int_equal(retry, 10 * MINUTE);
    assert_false(get(31));
    assert_int_equal(retry, 11 * MINUTE);
    assert_false(get(61));
    assert_int_equal(retry, 12 * MINUTE);
}


static void
who_waits_as_told_is_let_in(void **state)
{
    (void) state;

    per_12_minutes();

    assert_true(get(30));
    now += MINUTE + 17;
    assert_true(get(70));
    now += 3 * MINUTE + 5;

    assert_false(get(31));
    now += retry - 1;
    assert_false(get(31));
    now += 1;
    assert_true(get(31));
}


static void
a_pause_of_a_window_forgets_all(void **state)
{
    (void) state;

    per_12_minutes();

    assert_true(get(30));
    now += MINUTE;
    assert_true(get(30));
    now += MINUTE;
    assert_true(get(40));
    now += 13 * MINUTE;
    assert_true(get(100));
    assert_false(get(1));
}


/* a clock that was set back has the node enter slots that are past */

static void
what_is_kept_stays_when_an_older_slot_is_told(void **state)
{
    gate_grant_t  grant = { 0, 0, 0, 0, 0, 0 };

    (void) state;

    per_12_minutes();

    ledger.newest = (uint32_t) (START / 1000);
    ledger.spent[0] = 7;
    ledger.spent[1] = 5;

    credit.slot = ledger.newest - 60;
    credit.past = ledger.newest - 120;
    credit.past_spent = 90;
    grant.slot = ledger.newest + 60;

    gate_ledger_keep(&ledger, &window, &credit, &grant);

    assert_int_equal(ledger.newest, START / 1000);
    assert_int_equal(ledger.spent[0], 7);
    assert_int_equal(ledger.spent[1], 5);
}


static void
a_late_give_comes_back_to_its_slot(void **state)
{
    gate_hold_t  hold = { 0, 0, 0, 0 };

    (void) state;

    per_12_minutes();

    assert_true(take(&hold, 100));
    now += MINUTE;
    assert_false(get(1));

    hold.used = 70;
    gate_lease_give(&credit, &hold);
    assert_false(get(31));
    assert_true(get(30));
}


static void
an_account_is_over_when_its_last_unit_has_left_the_window(void **state)
{
    (void) state;

    per_12_minutes();

    assert_true(gate_ledger_over(&ledger, &window, &credit, now));
    assert_true(get(1));
    assert_false(gate_ledger_over(&ledger, &window, &credit, now));

    now += 13 * MINUTE - 1;
    assert_false(gate_ledger_over(&ledger, &window, &credit, now));
    now += 1;
    assert_true(gate_ledger_over(&ledger, &window, &credit, now));
}


static void
an_account_is_over_when_its_day_is(void **state)
{
    (void) state;

    per_day();

    assert_true(get(1));
    now += DAY - 1;
    assert_false(gate_ledger_over(&ledger, &window, &credit, now));
    now += 1;
    assert_true(gate_ledger_over(&ledger, &window, &credit, now));
}


static void
an_account_is_not_over_while_a_slot_before_the_last_two_counts(void **state)
{
    (void) state;

    per_12_minutes();

    assert_true(get(1));
    now += MINUTE;
    assert_true(get(1));
    now += MINUTE;
    assert_true(get(1));
    now += MINUTE;
    assert_true(get(1));

    now += 9 * MINUTE;
    assert_false(gate_ledger_over(&ledger, &window, &credit, now));
    now += 4 * MINUTE;
    assert_true(gate_ledger_over(&ledger, &window, &credit, now));
}


/*
 * Anything may happen: what was delivered in any real span of the window is at
 * most the limit, and nobody is refused what the slots of the window leave.
 */

static uint64_t  dice = 1;

static struct {
    uint64_t     at;
    uint64_t     slot;
    uint64_t     n;
} delivered[DELIVERIES];

static size_t    ndelivered, first;


static uint64_t
some(uint64_t n)
{
    dice = dice * 6364136223846793005 + 1442695040888963407;

    return (dice >> 24) % n;
}


/* delivered in the slots that count now, and in the real span that ends now */

static void
look_back(uint64_t *slots, uint64_t *span)
{
    size_t       i;
    gate_slot_t  slot;

    gate_window_slot(&window, (int64_t) (now / 1000), &slot);

    *slots = 0;
    *span = 0;

    for (i = first; i < ndelivered; i++) {
        if (delivered[i].slot >= (uint64_t) slot.oldest) {
            *slots += delivered[i].n;
        }

        if (slot.width
            ? delivered[i].at + (uint64_t) window.length * 1000 >= now
            : delivered[i].slot == (uint64_t) slot.start)
        {
            *span += delivered[i].n;
        }
    }

    if (ndelivered == DELIVERIES) {
        first = 0;
        ndelivered = DELIVERIES / 2;
        memmove(delivered, delivered + DELIVERIES / 2, sizeof(delivered) / 2);
    }

    while (first < ndelivered
           && delivered[first].slot < (uint64_t) slot.oldest)
    {
        first++;
    }
}


static void
one_of_many(uint64_t n)
{
    uint64_t     slots, span;
    gate_slot_t  slot;

    look_back(&slots, &span);
    gate_window_slot(&window, (int64_t) (now / 1000), &slot);

    if (!get(n)) {
        assert_true(slots + n > limit);
        return;
    }

    delivered[ndelivered].at = now;
    delivered[ndelivered].slot = (uint64_t) slot.start;
    delivered[ndelivered++].n = n;

    look_back(&slots, &span);
    assert_true(slots <= limit);
    assert_true(span <= limit);
}


static void
many(uint64_t length)
{
    int  i;

    ndelivered = 0;
    first = 0;

    for (i = 0; i < STEPS; i++) {
        one_of_many(some(4) ? 1 + some(10) : 1 + some(limit));

        now += some(8) ? some(length * 1000 / 50 + 2)
                       : some(length * 3000 / 2);
    }
}


static void
any_day_delivers_at_most_its_limit(void **state)
{
    (void) state;

    per_day();
    many(86400);
}


static void
any_span_of_a_rolling_window_delivers_at_most_its_limit(void **state)
{
    (void) state;

    per_12_minutes();
    many(12 * 60);
}


/* a document that is taken again counts in the later slot, not in both */

static void
what_was_taken_again_counts_where_it_was_taken_last(void **state)
{
    uint32_t  slots[14];
    int       i;

    (void) state;

    per_12_minutes();
    limit = 14;

    for (i = 0; i < 12; i++) {
        assert_true(get(1));
        slots[i] = credit.slot;
        now += MINUTE;
    }

    assert_true(get(2));
    assert_false(get(1));

    /* of each slot, wherever it is kept by now: this one, the past, older */

    gate_ledger_unspend(&ledger, &window, &credit, credit.slot);
    assert_true(get(1));
    assert_false(get(1));

    for (i = 11; i >= 1; i--) {
        gate_ledger_unspend(&ledger, &window, &credit, slots[i]);
        assert_true(get(1));
        assert_false(get(1));
    }

    /* nothing is left of them to be taken back */

    gate_ledger_unspend(&ledger, &window, &credit, slots[5]);
    assert_false(get(1));
    gate_ledger_unspend(&ledger, &window, &credit, slots[0] - 86400);
    assert_false(get(1));
}


static void
any_span_of_a_second_delivers_at_most_its_limit(void **state)
{
    (void) state;

    per_12_minutes();
    window.length = 1;
    many(1);
}


static void
any_span_of_400_days_delivers_at_most_its_limit(void **state)
{
    (void) state;

    per_12_minutes();
    window.length = GATE_WINDOW_MAX;
    many(GATE_WINDOW_MAX / 5000);       /* four years in all */
}


#define test(name)  cmocka_unit_test_setup(name, setup)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        test(the_limit_is_had_to_its_last_unit),
        test(one_node_is_granted_all_there_is),
        test(the_next_day_begins_with_nothing_spent),
        test(the_last_millisecond_of_a_day_is_part_of_it),
        test(what_was_taken_without_asking_counts_once),
        test(a_refused_day_opens_at_midnight),
        test(what_comes_back_can_be_had_again),
        test(a_lowered_limit_holds_at_once),
        test(a_raised_limit_holds_at_once),
        test(a_limit_of_zero_refuses_everything),
        test(the_largest_limit_can_be_spent),
        test(a_rolling_window_counts_each_of_its_slots),
        test(what_was_spent_leaves_the_window_one_slot_after_its_length),
        test(a_rolling_window_opens_when_enough_has_left_it),
        test(who_waits_as_told_is_let_in),
        test(a_pause_of_a_window_forgets_all),
        test(what_is_kept_stays_when_an_older_slot_is_told),
        test(a_late_give_comes_back_to_its_slot),
        test(an_account_is_over_when_its_last_unit_has_left_the_window),
        test(an_account_is_over_when_its_day_is),
        test(an_account_is_not_over_while_a_slot_before_the_last_two_counts),
        test(what_was_taken_again_counts_where_it_was_taken_last),
        test(any_day_delivers_at_most_its_limit),
        test(any_span_of_a_rolling_window_delivers_at_most_its_limit),
        test(any_span_of_a_second_delivers_at_most_its_limit),
        test(any_span_of_400_days_delivers_at_most_its_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
