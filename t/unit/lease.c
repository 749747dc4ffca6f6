/*
 * Leases: what a node may spend without asking, what its requests hold, and
 * what the ledger grants.  In most tests the limit is 100, the node was granted
 * 40 of the slot that began at 1000 and may spend until 9000.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gate_window.c"
#include "gate_lease.c"


#define LIMIT  100
#define NOW    5000
#define UNTIL  9000
#define AFTER  9000     /* the first ms that is not in the slot */


static gate_credit_t  credit;
static gate_claim_t   claim;
static gate_hold_t    hold, other;


static int
setup(void **state)
{
    (void) state;

    memset(&credit, 0, sizeof(credit));
    memset(&claim, 0, sizeof(claim));
    memset(&hold, 0, sizeof(hold));
    memset(&other, 0, sizeof(other));

    credit.id = 1;
    credit.gen = 1;
    credit.slot = 1000;
    credit.until = UNTIL;
    credit.share = 40;
    credit.seen = 40;

    return 0;
}


static void
may(const gate_hold_t *h, uint64_t need, uint64_t now, gate_credit_e expected)
{
    assert_int_equal(gate_lease_check(&credit, h, LIMIT, need, 0, now),
                     expected);
}


static void
take(gate_hold_t *h, uint64_t need)
{
    may(h, need, NOW, GATE_CREDIT_TAKEN);
    gate_lease_take(&credit, h, need, NOW);
}


/* the ledger answers what was asked at NOW, the slot has 4000 ms left */

static void
grant(int64_t slot, uint64_t share, uint64_t seen)
{
    gate_grant_t  g = { 0, 4000, 0, 0, 0, 0 };

    g.slot = slot;
    g.share = share;
    g.seen = seen;

    gate_lease_grant(&credit, &g, NOW);
}


/* the ledger says: not so much; try again in 3000 ms */

static void
refuse(uint64_t need)
{
    gate_grant_t  g = { 1000, 4000, 40, 0, 1, 3000 };

    g.seen = 40 + LIMIT - need + 1;
    gate_lease_grant(&credit, &g, NOW);
}


/* check */

static void
a_new_account_has_to_ask(void **state)
{
    (void) state;

    memset(&credit, 0, sizeof(credit));
    may(&hold, 1, NOW, GATE_CREDIT_SHORT);
}


static void
who_needs_nothing_asks_nobody(void **state)
{
    (void) state;

    memset(&credit, 0, sizeof(credit));
    may(&hold, 0, NOW, GATE_CREDIT_TAKEN);
}


static void
the_share_is_spent_without_asking_to_its_last_unit(void **state)
{
    (void) state;

    may(&hold, 40, NOW, GATE_CREDIT_TAKEN);
    may(&hold, 41, NOW, GATE_CREDIT_SHORT);

    take(&hold, 39);
    may(&other, 1, NOW, GATE_CREDIT_TAKEN);
    may(&other, 2, NOW, GATE_CREDIT_SHORT);

    take(&other, 1);
    may(&hold, 1, NOW, GATE_CREDIT_SHORT);
}


static void
the_share_of_an_ended_slot_is_not_spent(void **state)
{
    (void) state;

    may(&hold, 1, UNTIL - 1, GATE_CREDIT_TAKEN);
    may(&hold, 1, UNTIL, GATE_CREDIT_SHORT);
}


static void
a_lowered_limit_holds_for_credit_drawn_under_the_old_one(void **state)
{
    (void) state;

    take(&hold, 10);

    assert_int_equal(gate_lease_check(&credit, &other, 15, 5, 0, NOW),
                     GATE_CREDIT_TAKEN);
    assert_int_equal(gate_lease_check(&credit, &other, 15, 6, 0, NOW),
                     GATE_CREDIT_SHORT);
    assert_int_equal(gate_lease_check(&credit, &other, 9, 1, 0, NOW),
                     GATE_CREDIT_SHORT);
}


static void
a_lowered_limit_leaves_room_for_what_others_were_granted(void **state)
{
    (void) state;

    /* 60 of 100 are another node's: of a limit of 70 there are 10 for us */

    credit.seen = 100;

    assert_int_equal(gate_lease_check(&credit, &hold, 70, 10, 0, NOW),
                     GATE_CREDIT_TAKEN);
    assert_int_equal(gate_lease_check(&credit, &hold, 70, 11, 0, NOW),
                     GATE_CREDIT_SHORT);
}


static void
a_limit_of_zero_lets_nothing_through(void **state)
{
    (void) state;

    assert_int_equal(gate_lease_check(&credit, &hold, 0, 1, 0, NOW),
                     GATE_CREDIT_SHORT);
    assert_int_equal(gate_lease_check(&credit, &hold, 0, 1, 1000, NOW),
                     GATE_CREDIT_SHORT);
}


static void
needs_beyond_all_numbers_do_not_wrap(void **state)
{
    (void) state;

    take(&hold, 10);

    may(&other, UINT64_MAX, NOW, GATE_CREDIT_SHORT);
    may(&other, UINT64_MAX - 9, NOW, GATE_CREDIT_SHORT);
    assert_int_equal(gate_lease_check(&credit, &other, GATE_LIMIT_MAX,
                                      UINT64_MAX, GATE_LIMIT_MAX, NOW),
                     GATE_CREDIT_SHORT);
    assert_int_equal(gate_lease_check(&credit, &other, GATE_LIMIT_MAX,
                                      UINT64_MAX - 9, UINT64_MAX - 1, NOW),
                     GATE_CREDIT_SHORT);
}


static void
the_largest_limit_can_be_spent(void **state)
{
    (void) state;

    credit.share = GATE_LIMIT_MAX;
    credit.seen = GATE_LIMIT_MAX;

    assert_int_equal(gate_lease_check(&credit, &hold, GATE_LIMIT_MAX,
                                      GATE_LIMIT_MAX, 0, NOW),
                     GATE_CREDIT_TAKEN);
    assert_int_equal(gate_lease_check(&credit, &hold, GATE_LIMIT_MAX,
                                      GATE_LIMIT_MAX + 1, 0, NOW),
                     GATE_CREDIT_SHORT);
}


/* borrow */

static void
borrowed_is_above_the_share(void **state)
{
    (void) state;

    take(&hold, 40);

    assert_int_equal(gate_lease_check(&credit, &other, LIMIT, 20, 20, NOW),
                     GATE_CREDIT_TAKEN);
    assert_int_equal(gate_lease_check(&credit, &other, LIMIT, 21, 20, NOW),
                     GATE_CREDIT_SHORT);

    gate_lease_take(&credit, &other, 20, NOW);
    assert_int_equal(gate_lease_check(&credit, &other, LIMIT, 1, 20, NOW),
                     GATE_CREDIT_SHORT);
}


static void
nobody_borrows_beyond_the_limit(void **state)
{
    (void) state;

    assert_int_equal(gate_lease_check(&credit, &hold, LIMIT, 100, 500, NOW),
                     GATE_CREDIT_TAKEN);
    assert_int_equal(gate_lease_check(&credit, &hold, LIMIT, 101, 500, NOW),
                     GATE_CREDIT_SHORT);
}


static void
a_new_account_may_borrow_and_tells_it_later(void **state)
{
    (void) state;

    memset(&credit, 0, sizeof(credit));
    credit.gen = 1;

    assert_int_equal(gate_lease_check(&credit, &hold, LIMIT, 20, 20, NOW),
                     GATE_CREDIT_TAKEN);
    gate_lease_take(&credit, &hold, 20, NOW);

    assert_int_equal(hold.until, GATE_UNBOUNDED);
    assert_true(gate_lease_untold(&credit));
    assert_int_equal(gate_lease_check(&credit, &other, LIMIT, 1, 20, NOW),
                     GATE_CREDIT_SHORT);

    gate_lease_claim(&credit, &claim);
    assert_int_equal(claim.slot, 0);
    assert_int_equal(claim.spent, 20);

    grant(1000, 20, 20);
    assert_int_equal(credit.spent, 20);
    assert_false(gate_lease_untold(&credit));
}


static void
what_is_borrowed_after_a_slot_is_not_charged_to_it(void **state)
{
    (void) state;

    take(&hold, 40);

    assert_int_equal(gate_lease_check(&credit, &other, LIMIT, 20, 20, AFTER),
                     GATE_CREDIT_TAKEN);
    gate_lease_take(&credit, &other, 20, AFTER);

    assert_int_equal(credit.slot, 0);
    assert_int_equal(credit.spent, 20);
    assert_int_equal(credit.past, 1000);
    assert_int_equal(credit.past_spent, 40);
}


static void
without_bound_everything_is_taken_and_counted(void **state)
{
    (void) state;

    assert_int_equal(gate_lease_check(&credit, &hold, LIMIT, 1000,
                                      GATE_UNBOUNDED, NOW),
                     GATE_CREDIT_TAKEN);
    gate_lease_take(&credit, &hold, 1000, NOW);

    assert_int_equal(credit.spent, 1000);
    assert_true(gate_lease_untold(&credit));
}


/* take, give, hold */

static void
what_is_not_used_comes_back(void **state)
{
    (void) state;

    take(&hold, 30);
    assert_int_equal(hold.n, 30);
    assert_int_equal(hold.until, UNTIL);

    hold.used = 12;
    gate_lease_give(&credit, &hold);

    assert_int_equal(credit.spent, 12);
    assert_int_equal(hold.n, 0);
    assert_int_equal(hold.used, 0);
    assert_int_equal(gate_lease_idle(&credit, NOW), 28);
}


static void
giving_twice_gives_once(void **state)
{
    (void) state;

    take(&hold, 30);
    take(&other, 5);

    gate_lease_give(&credit, &hold);
    gate_lease_give(&credit, &hold);

    assert_int_equal(credit.spent, 5);
}


static void
a_hold_grows(void **state)
{
    (void) state;

    take(&hold, 10);
    hold.used = 10;
    take(&hold, 7);

    assert_int_equal(hold.n, 17);
    assert_int_equal(hold.n - hold.used, 7);
    assert_int_equal(credit.spent, 17);
}


static void
what_was_held_when_the_slot_ended_is_held_anew(void **state)
{
    (void) state;

    take(&hold, 30);
    hold.used = 20;

    assert_int_equal(gate_lease_wanted(&credit, &hold, 5, NOW), 5);
    assert_int_equal(gate_lease_wanted(&credit, &hold, 5, AFTER), 15);

    /* the new slot, 40 of it for us */

    gate_lease_claim(&credit, &claim);
    grant(2000, 40, 40);
    credit.until = AFTER + 4000;

    assert_int_equal(gate_lease_wanted(&credit, &hold, 5, AFTER), 15);
    gate_lease_take(&credit, &hold, 5, AFTER);

    assert_int_equal(credit.spent, 15);
    assert_int_equal(credit.past, 1000);
    assert_int_equal(credit.past_spent, 20);
    assert_int_equal(hold.n - hold.used, 15);
    assert_int_equal(hold.until, AFTER + 4000);
}


static void
all_that_is_held_anew_must_fit(void **state)
{
    (void) state;

    take(&hold, 30);
    gate_lease_claim(&credit, &claim);
    grant(2000, 32, 32);

    may(&hold, 2, NOW, GATE_CREDIT_TAKEN);
    may(&hold, 3, NOW, GATE_CREDIT_SHORT);
}


static void
a_late_give_goes_to_the_slot_it_was_taken_from(void **state)
{
    (void) state;

    take(&hold, 30);
    gate_lease_claim(&credit, &claim);
    grant(2000, 40, 40);
    take(&other, 7);

    hold.used = 10;
    gate_lease_give(&credit, &hold);

    assert_int_equal(credit.spent, 7);
    assert_int_equal(credit.past_spent, 10);
}


static void
a_give_from_two_slots_back_is_dropped(void **state)
{
    (void) state;

    take(&hold, 30);
    gate_lease_claim(&credit, &claim);
    grant(2000, 40, 40);
    take(&other, 7);
    gate_lease_claim(&credit, &claim);
    grant(3000, 40, 40);
    credit.spent = 3;

    gate_lease_give(&credit, &hold);

    assert_int_equal(credit.spent, 3);
    assert_int_equal(credit.past, 2000);
    assert_int_equal(credit.past_spent, 7);
    assert_int_equal(hold.n, 0);
}


static void
nothing_is_ever_given_below_zero(void **state)
{
    (void) state;

    take(&hold, 30);
    credit.spent = 10;
    gate_lease_give(&credit, &hold);
    assert_int_equal(credit.spent, 0);

    take(&hold, 30);
    gate_lease_claim(&credit, &claim);
    grant(2000, 40, 40);
    credit.past_spent = 10;
    gate_lease_give(&credit, &hold);
    assert_int_equal(credit.past_spent, 0);
}


/* grant */

static void
a_grant_may_be_spent_until_a_thousandth_before_the_slot_ends(void **state)
{
    (void) state;

    gate_lease_claim(&credit, &claim);
    grant(2000, 50, 60);

    assert_int_equal(credit.slot, 2000);
    assert_int_equal(credit.share, 50);
    assert_int_equal(credit.seen, 60);
    assert_int_equal(credit.until, NOW + 4000 - 4);
}


static void
a_grant_for_the_same_slot_keeps_what_is_spent(void **state)
{
    (void) state;

    take(&hold, 40);
    gate_lease_claim(&credit, &claim);
    grant(1000, 80, 80);

    assert_int_equal(credit.spent, 40);
    assert_int_equal(credit.past, 0);
    assert_int_equal(gate_lease_idle(&credit, NOW), 40);
    assert_int_equal(gate_lease_wanted(&credit, &hold, 1, NOW), 1);
}


static void
a_grant_taken_in_twice_is_one_grant(void **state)
{
    (void) state;

    gate_lease_claim(&credit, &claim);
    grant(1000, 80, 80);
    take(&hold, 50);
    grant(1000, 80, 80);

    assert_int_equal(credit.spent, 50);
    assert_int_equal(gate_lease_idle(&credit, NOW), 30);
}


static void
what_was_given_back_under_way_stays_idle(void **state)
{
    (void) state;

    take(&hold, 40);
    gate_lease_claim(&credit, &claim);
    gate_lease_give(&credit, &hold);
    grant(1000, 60, 60);

    assert_int_equal(gate_lease_idle(&credit, NOW), 60);
}


/* this host stops a thousandth early; for Redis the slot may go on */

static void
who_takes_nothing_leaves_no_slot(void **state)
{
    (void) state;

    take(&hold, 40);
    gate_lease_take(&credit, &other, 0, AFTER);

    gate_lease_claim(&credit, &claim);
    assert_int_equal(claim.slot, 1000);
    assert_int_equal(claim.spent, 40);

    grant(1000, 60, 60);
    assert_int_equal(gate_lease_idle(&credit, NOW), 20);
}


static void
what_was_borrowed_joins_the_slot_that_goes_on(void **state)
{
    (void) state;

    take(&hold, 40);
    gate_lease_take(&credit, &other, 20, AFTER);

    gate_lease_claim(&credit, &claim);
    assert_int_equal(claim.slot, 0);
    assert_int_equal(claim.past, 1000);

    grant(1000, 60, 60);
    assert_int_equal(credit.spent, 60);
    assert_int_equal(credit.past, 0);
    assert_int_equal(gate_lease_idle(&credit, NOW), 0);
}


/* the refusal that is believed a while */

static void
a_refusal_is_believed_for_200_ms(void **state)
{
    (void) state;

    refuse(70);

    may(&hold, 70, NOW, GATE_CREDIT_REFUSED);
    may(&hold, 70, NOW + 199, GATE_CREDIT_REFUSED);
    may(&hold, 70, NOW + 200, GATE_CREDIT_SHORT);
    assert_int_equal(credit.retry, NOW + 3000);
}


static void
a_refusal_covers_more_but_not_less(void **state)
{
    (void) state;

    refuse(70);

    may(&hold, 71, NOW, GATE_CREDIT_REFUSED);
    may(&hold, 69, NOW, GATE_CREDIT_SHORT);
    may(&hold, 40, NOW, GATE_CREDIT_TAKEN);
}


static void
a_refusal_holds_for_the_limit_there_is_now(void **state)
{
    (void) state;

    refuse(70);

    /* others have 31 */

    assert_int_equal(gate_lease_check(&credit, &hold, 101, 70, 0, NOW),
                     GATE_CREDIT_SHORT);
    assert_int_equal(gate_lease_check(&credit, &hold, 101, 71, 0, NOW),
                     GATE_CREDIT_REFUSED);
    assert_int_equal(gate_lease_check(&credit, &hold, 60, 30, 0, NOW),
                     GATE_CREDIT_REFUSED);
    assert_int_equal(gate_lease_check(&credit, &hold, 60, 29, 0, NOW),
                     GATE_CREDIT_TAKEN);
    assert_int_equal(gate_lease_check(&credit, &hold, 31, 1, 0, NOW),
                     GATE_CREDIT_REFUSED);
}


static void
a_refusal_counts_what_was_spent_since(void **state)
{
    (void) state;

    refuse(70);
    take(&other, 30);

    /* 30 + 40 is what was refused */

    may(&hold, 40, NOW, GATE_CREDIT_REFUSED);
    may(&hold, 39, NOW, GATE_CREDIT_SHORT);

    gate_lease_give(&credit, &other);
    may(&hold, 69, NOW, GATE_CREDIT_SHORT);
}


static void
a_grant_ends_a_refusal(void **state)
{
    (void) state;

    refuse(70);
    gate_lease_claim(&credit, &claim);
    grant(1000, 45, 90);

    may(&hold, 70, NOW, GATE_CREDIT_SHORT);
}


static void
a_refusal_is_not_believed_in_the_next_slot(void **state)
{
    (void) state;

    refuse(70);
    gate_lease_claim(&credit, &claim);
    grant(2000, 0, 0);

    may(&hold, 70, NOW, GATE_CREDIT_SHORT);
}


/* idle, low, yield */

static void
idle_is_what_the_share_has_left(void **state)
{
    (void) state;

    assert_int_equal(gate_lease_idle(&credit, NOW), 40);
    take(&hold, 15);
    assert_int_equal(gate_lease_idle(&credit, NOW), 25);
    assert_int_equal(gate_lease_idle(&credit, AFTER), 0);

    credit.spent = 60;
    assert_int_equal(gate_lease_idle(&credit, NOW), 0);
}


static void
less_than_a_quarter_of_a_lease_is_low(void **state)
{
    (void) state;

    /* plenty left: 1000 of 1040, so a lease of 40 is had, a quarter is 10 */

    take(&hold, 30);
    assert_false(gate_lease_low(&credit, 1040, 40, NOW));
    take(&other, 1);
    assert_true(gate_lease_low(&credit, 1040, 40, NOW));
}


static void
near_the_limit_less_is_low(void **state)
{
    (void) state;

    /* 160 are left: a lease is 20 at most, a quarter of that 5 */

    take(&hold, 35);
    assert_false(gate_lease_low(&credit, 200, 4000, NOW));
    take(&other, 1);
    assert_true(gate_lease_low(&credit, 200, 4000, NOW));
}


static void
at_the_limit_there_is_nothing_to_draw_ahead(void **state)
{
    (void) state;

    take(&hold, 40);
    assert_false(gate_lease_low(&credit, 40, 4000, NOW));
    assert_false(gate_lease_low(&credit, 20, 4000, NOW));
}


static void
nobody_draws_ahead_for_an_ended_slot(void **state)
{
    (void) state;

    take(&hold, 40);
    assert_true(gate_lease_low(&credit, 1000, 40, NOW));
    assert_false(gate_lease_low(&credit, 1000, 40, AFTER));
}


static void
what_is_yielded_must_be_asked_for_again(void **state)
{
    (void) state;

    take(&hold, 15);
    assert_true(gate_lease_untold(&credit));
    gate_lease_yield(&credit);

    assert_int_equal(credit.share, 15);
    assert_false(gate_lease_untold(&credit));
    may(&other, 1, NOW, GATE_CREDIT_SHORT);
}


static void
what_is_borrowed_is_not_yielded(void **state)
{
    (void) state;

    credit.spent = 60;
    gate_lease_yield(&credit);

    assert_int_equal(credit.share, 40);
    assert_true(gate_lease_untold(&credit));
}


static void
a_question_states_where_the_node_stands(void **state)
{
    (void) state;

    take(&hold, 15);
    credit.past = 500;
    credit.past_spent = 9;
    claim.need = 7;

    gate_lease_claim(&credit, &claim);

    assert_int_equal(claim.slot, 1000);
    assert_int_equal(claim.share, 40);
    assert_int_equal(claim.spent, 15);
    assert_int_equal(claim.seen, 40);
    assert_int_equal(claim.past, 500);
    assert_int_equal(claim.past_spent, 9);
    assert_int_equal(claim.need, 7);
}


/* the ledger's side */

static uint64_t
share_of(uint64_t need, uint64_t more, uint64_t lease, uint64_t total,
    uint64_t held, uint64_t spent, uint64_t floor, unsigned expected)
{
    unsigned      refused;
    uint64_t      share;
    gate_claim_t  c = { 0, 0, 0, 0, 0, 0, 0, 0, 0 };

    c.need = need;
    c.more = more;
    c.lease = lease;

    share = gate_lease_share(&c, LIMIT, total, held, spent, floor, &refused);
    assert_int_equal(refused, expected);

    return share;
}


static void
what_is_needed_is_granted_with_an_eighth_of_the_rest(void **state)
{
    (void) state;

    /* 20 of 100, then an eighth of 80 */

    assert_int_equal(share_of(20, 0, 4000, 0, 0, 0, 0, 0), 20 + 10);
}


static void
a_lease_is_no_more_than_was_asked_for(void **state)
{
    (void) state;

    assert_int_equal(share_of(20, 0, 3, 0, 0, 0, 0, 0), 20 + 3);
    assert_int_equal(share_of(20, 0, 0, 0, 0, 0, 0, 0), 20);
}


static void
an_eighth_of_seven_is_nothing(void **state)
{
    (void) state;

    assert_int_equal(share_of(93, 0, 4000, 0, 0, 0, 0, 0), 93);
    assert_int_equal(share_of(92, 0, 4000, 0, 0, 0, 0, 0), 92 + 1);
}


static void
the_last_unit_is_granted_and_not_one_more(void **state)
{
    (void) state;

    assert_int_equal(share_of(100, 0, 4000, 0, 0, 0, 0, 0), 100);
    assert_int_equal(share_of(101, 0, 4000, 0, 0, 0, 0, 1), 0);

    /* 60 are another's */

    assert_int_equal(share_of(40, 0, 4000, 60, 0, 0, 0, 0), 40);
    assert_int_equal(share_of(41, 0, 4000, 60, 0, 0, 0, 1), 0);
}


static void
all_that_is_needed_or_nothing(void **state)
{
    (void) state;

    /* 15 are spent of 30; 85 more would fit, 86 do not: 30 are kept */

    assert_int_equal(share_of(85, 0, 0, 30, 30, 15, 30, 0), 100);
    assert_int_equal(share_of(86, 0, 0, 30, 30, 15, 30, 1), 30);
}


static void
others_who_wait_get_as_much_as_there_is(void **state)
{
    (void) state;

    assert_int_equal(share_of(20, 30, 0, 0, 0, 0, 0, 0), 50);
    assert_int_equal(share_of(20, 500, 4000, 0, 0, 0, 0, 0), 100);

    /* 20 + 40, then an eighth of 40 */

    assert_int_equal(share_of(20, 40, 4000, 0, 0, 0, 0, 0), 65);
}


static void
a_node_keeps_what_it_was_granted(void **state)
{
    (void) state;

    assert_int_equal(share_of(1, 0, 0, 40, 40, 10, 40, 0), 40);
    assert_int_equal(share_of(0, 0, 0, 40, 40, 10, 40, 0), 40);
}


static void
who_draws_ahead_is_never_refused(void **state)
{
    (void) state;

    assert_int_equal(share_of(0, 0, 4000, 100, 10, 10, 10, 0), 10);
    assert_int_equal(share_of(0, 0, 4000, 150, 10, 10, 10, 0), 10);
}


static void
beyond_the_limit_everything_is_refused(void **state)
{
    (void) state;

    /* borrowed while Redis was away: 150 of 100 */

    assert_int_equal(share_of(1, 0, 0, 150, 0, 0, 0, 1), 0);
    assert_int_equal(share_of(1, 0, 0, 0, 0, 150, 150, 1), 150);
}


static void
what_is_spent_is_granted_even_beyond_the_limit(void **state)
{
    (void) state;

    assert_int_equal(share_of(0, 0, 4000, 40, 40, 150, 150, 0), 150);
}


static void
a_node_that_holds_more_than_all_were_granted_does_no_harm(void **state)
{
    (void) state;

    /* such a sum has lost something; it does not wrap */

    assert_int_equal(share_of(20, 0, 0, 10, 40, 0, 0, 0), 20);
}


static void
the_largest_numbers_do_not_wrap_in_the_ledger(void **state)
{
    unsigned      refused;
    gate_claim_t  c = { 0, 0, 0, 0, 0, 0, GATE_LIMIT_MAX, GATE_LIMIT_MAX,
                        GATE_LIMIT_MAX };

    (void) state;

    assert_int_equal(gate_lease_share(&c, GATE_LIMIT_MAX, 0, 0, 0, 0,
                                      &refused),
                     GATE_LIMIT_MAX);
    assert_int_equal(refused, 0);

    assert_int_equal(gate_lease_share(&c, GATE_LIMIT_MAX, 1, 0, 0, 0,
                                      &refused), 0);
    assert_int_equal(refused, 1);

    c.need = UINT64_MAX;
    assert_int_equal(gate_lease_share(&c, GATE_LIMIT_MAX, 1, 1, 1, 1,
                                      &refused), 1);
    assert_int_equal(refused, 1);
}


static void
bytes_lease_as_set_requests_a_hundredth_documents_none(void **state)
{
    (void) state;

    assert_int_equal(gate_lease_size(GATE_BYTES, 4096, 10), 4096);
    assert_int_equal(gate_lease_size(GATE_DOCUMENTS, 4096, 3000), 0);
    assert_int_equal(gate_lease_size(GATE_REQUESTS, 4096, 3000), 30);
    assert_int_equal(gate_lease_size(GATE_REQUESTS, 4096, 100), 1);
    assert_int_equal(gate_lease_size(GATE_REQUESTS, 4096, 99), 1);
    assert_int_equal(gate_lease_size(GATE_REQUESTS, 4096, 0), 1);
}


/* the slot of 1000 is that of the hour from 0 to 3600 */

static void
standing(uint64_t now, int64_t clock, uint64_t used, uint64_t reset)
{
    gate_window_t    hour = { GATE_PER_HOUR, 0, 0 };
    gate_standing_t  s;

    memset(&s, 0xff, sizeof(s));
    gate_lease_standing(&credit, &hour, now, clock, &s);

    assert_int_equal(s.known, reset > 0);
    assert_int_equal(s.used, used);
    assert_int_equal(s.reset, reset);
}


static void
used_is_what_others_were_granted_and_what_is_spent_here(void **state)
{
    (void) state;

    credit.seen = 70;
    credit.spent = 5;
    credit.until = 3600 * 1000;

    standing(0, 0, 35, 3600);

    credit.spent = 45;      /* borrowed */
    standing(0, 0, 75, 3600);

    credit.seen = 10;       /* forgotten: never below what is spent here */
    standing(0, 0, 45, 3600);
}


static void
nothing_is_told_of_a_slot_that_is_over_or_none(void **state)
{
    (void) state;

    standing(UNTIL - 1, 3599, 0, 1);
    standing(UNTIL, 3599, 0, 0);

    credit.slot = 0;
    standing(NOW, 3599, 0, 0);
}


static void
there_is_more_when_the_slot_ends_by_a_clock_that_is_about_right(void **state)
{
    (void) state;

    credit.until = 3596 * 1000;         /* a thousandth less than 3600 s */

    standing(0, 0, 0, 3600);            /* right */
    standing(0, 2, 0, 3598);            /* 2 s ahead */
    standing(0, 1800, 0, 3596);         /* wrong: by what Redis said */
    standing(0, -1800, 0, 3600);        /* 3596 + 3 + 1 */
}


#define test(name)  cmocka_unit_test_setup(name, setup)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        test(a_new_account_has_to_ask),
        test(who_needs_nothing_asks_nobody),
        test(the_share_is_spent_without_asking_to_its_last_unit),
        test(the_share_of_an_ended_slot_is_not_spent),
        test(a_lowered_limit_holds_for_credit_drawn_under_the_old_one),
        test(a_lowered_limit_leaves_room_for_what_others_were_granted),
        test(a_limit_of_zero_lets_nothing_through),
        test(needs_beyond_all_numbers_do_not_wrap),
        test(the_largest_limit_can_be_spent),

        test(borrowed_is_above_the_share),
        test(nobody_borrows_beyond_the_limit),
        test(a_new_account_may_borrow_and_tells_it_later),
        test(what_is_borrowed_after_a_slot_is_not_charged_to_it),
        test(without_bound_everything_is_taken_and_counted),

        test(what_is_not_used_comes_back),
        test(giving_twice_gives_once),
        test(a_hold_grows),
        test(what_was_held_when_the_slot_ended_is_held_anew),
        test(all_that_is_held_anew_must_fit),
        test(a_late_give_goes_to_the_slot_it_was_taken_from),
        test(a_give_from_two_slots_back_is_dropped),
        test(nothing_is_ever_given_below_zero),

        test(a_grant_may_be_spent_until_a_thousandth_before_the_slot_ends),
        test(a_grant_for_the_same_slot_keeps_what_is_spent),
        test(a_grant_taken_in_twice_is_one_grant),
        test(what_was_given_back_under_way_stays_idle),
        test(who_takes_nothing_leaves_no_slot),
        test(what_was_borrowed_joins_the_slot_that_goes_on),

        test(a_refusal_is_believed_for_200_ms),
        test(a_refusal_covers_more_but_not_less),
        test(a_refusal_holds_for_the_limit_there_is_now),
        test(a_refusal_counts_what_was_spent_since),
        test(a_grant_ends_a_refusal),
        test(a_refusal_is_not_believed_in_the_next_slot),

        test(used_is_what_others_were_granted_and_what_is_spent_here),
        test(nothing_is_told_of_a_slot_that_is_over_or_none),
        test(there_is_more_when_the_slot_ends_by_a_clock_that_is_about_right),

        test(idle_is_what_the_share_has_left),
        test(less_than_a_quarter_of_a_lease_is_low),
        test(near_the_limit_less_is_low),
        test(at_the_limit_there_is_nothing_to_draw_ahead),
        test(nobody_draws_ahead_for_an_ended_slot),
        test(what_is_yielded_must_be_asked_for_again),
        test(what_is_borrowed_is_not_yielded),
        test(a_question_states_where_the_node_stands),

        test(what_is_needed_is_granted_with_an_eighth_of_the_rest),
        test(a_lease_is_no_more_than_was_asked_for),
        test(an_eighth_of_seven_is_nothing),
        test(the_last_unit_is_granted_and_not_one_more),
        test(all_that_is_needed_or_nothing),
        test(others_who_wait_get_as_much_as_there_is),
        test(a_node_keeps_what_it_was_granted),
        test(who_draws_ahead_is_never_refused),
        test(beyond_the_limit_everything_is_refused),
        test(what_is_spent_is_granted_even_beyond_the_limit),
        test(a_node_that_holds_more_than_all_were_granted_does_no_harm),
        test(the_largest_numbers_do_not_wrap_in_the_ledger),
        test(bytes_lease_as_set_requests_a_hundredth_documents_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
