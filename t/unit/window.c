/*
 * Windows of time.  Calendar windows agree with the C library's calendar at
 * any time and offset; a rolling window's slots cover every real span of its
 * length.
 */


#define _DEFAULT_SOURCE     /* timegm() */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "gate_window.c"


#define HOUR   ((int64_t) 3600)
#define DAY    (24 * HOUR)

/* times looked at, of each kind */
#define TIMES  300000


static uint64_t  dice = 1;


static int64_t
some(int64_t n)
{
    dice = dice * 6364136223846793005 + 1442695040888963407;

    return (int64_t) ((dice >> 20) % (uint64_t) n);
}


/* "2024-02-29 23:59:59", UTC */

static int64_t
at(const char *text)
{
    int        n[6] = { 0, 0, 0, 0, 0, 0 }, i;
    struct tm  tm;

    for (i = 0; i < 6 && *text; text++) {
        if (*text >= '0' && *text <= '9') {
            n[i] = n[i] * 10 + *text - '0';

        } else {
            i++;
        }
    }

    memset(&tm, 0, sizeof(tm));
    tm.tm_year = n[0] - 1900;
    tm.tm_mon = n[1] - 1;
    tm.tm_mday = n[2];
    tm.tm_hour = n[3];
    tm.tm_min = n[4];
    tm.tm_sec = n[5];

    return (int64_t) timegm(&tm);
}


static void
slot_is(gate_per_e per, int64_t offset, const char *now, const char *start,
    const char *end)
{
    gate_slot_t    slot;
    gate_window_t  window = { per, 0, offset };

    gate_window_slot(&window, at(now), &slot);

    assert_int_equal(slot.start, at(start));
    assert_int_equal(slot.end, at(end));
    assert_int_equal(slot.oldest, slot.start);
    assert_int_equal(slot.width, 0);
}


static void
an_hour_begins_at_its_first_second(void **state)
{
    (void) state;

    slot_is(GATE_PER_HOUR, 0, "2024-05-06 07:00:00",
            "2024-05-06 07:00:00", "2024-05-06 08:00:00");
    slot_is(GATE_PER_HOUR, 0, "2024-05-06 07:59:59",
            "2024-05-06 07:00:00", "2024-05-06 08:00:00");

    /* India: half an hour off */

    slot_is(GATE_PER_HOUR, 5 * HOUR + HOUR / 2, "2024-05-06 07:29:59",
            "2024-05-06 06:30:00", "2024-05-06 07:30:00");
}


static void
a_day_in_japan_begins_at_15_utc(void **state)
{
    (void) state;

    slot_is(GATE_PER_DAY, 9 * HOUR, "2024-05-06 14:59:59",
            "2024-05-05 15:00:00", "2024-05-06 15:00:00");
    slot_is(GATE_PER_DAY, 9 * HOUR, "2024-05-06 15:00:00",
            "2024-05-06 15:00:00", "2024-05-07 15:00:00");
}


static void
a_day_in_new_york_begins_at_5_utc(void **state)
{
    (void) state;

    slot_is(GATE_PER_DAY, -5 * HOUR, "2024-05-06 04:59:59",
            "2024-05-05 05:00:00", "2024-05-06 05:00:00");
    slot_is(GATE_PER_DAY, -5 * HOUR, "2024-05-06 05:00:00",
            "2024-05-06 05:00:00", "2024-05-07 05:00:00");
}


static void
a_week_begins_on_monday(void **state)
{
    (void) state;

    /* the epoch was a Thursday, 2024-05-06 is a Monday */

    slot_is(GATE_PER_WEEK, 0, "1970-01-05 00:00:00",
            "1970-01-05 00:00:00", "1970-01-12 00:00:00");
    slot_is(GATE_PER_WEEK, 0, "2024-05-05 23:59:59",
            "2024-04-29 00:00:00", "2024-05-06 00:00:00");
    slot_is(GATE_PER_WEEK, 0, "2024-05-06 00:00:00",
            "2024-05-06 00:00:00", "2024-05-13 00:00:00");
    slot_is(GATE_PER_WEEK, 9 * HOUR, "2024-05-05 15:00:00",
            "2024-05-05 15:00:00", "2024-05-12 15:00:00");
}


static void
the_week_of_the_epoch_began_before_it(void **state)
{
    gate_slot_t    slot;
    gate_window_t  window = { GATE_PER_WEEK, 0, 0 };

    (void) state;

    gate_window_slot(&window, 0, &slot);
    assert_int_equal(slot.start, -3 * DAY);
    assert_int_equal(slot.end, 4 * DAY);
}


static void
a_month_has_its_days(void **state)
{
    int            i;
    gate_slot_t    slot;
    gate_window_t  window = { GATE_PER_MONTH, 0, 0 };

    static const int  days[] = { 31, 28, 31, 30, 31, 30,
                                 31, 31, 30, 31, 30, 31 };

    (void) state;

    slot.end = at("2023-01-01");

    for (i = 0; i < 12; i++) {
        gate_window_slot(&window, slot.end, &slot);
        assert_int_equal((slot.end - slot.start) / DAY, days[i]);
    }

    assert_int_equal(slot.end, at("2024-01-01"));
}


static void
leap_years_are_2000_and_2024_but_not_2100(void **state)
{
    (void) state;

    slot_is(GATE_PER_MONTH, 0, "2000-02-29 23:59:59",
            "2000-02-01", "2000-03-01");
    slot_is(GATE_PER_MONTH, 0, "2024-02-29 12:00:00",
            "2024-02-01", "2024-03-01");
    slot_is(GATE_PER_MONTH, 0, "2023-02-28 23:59:59",
            "2023-02-01", "2023-03-01");
    slot_is(GATE_PER_MONTH, 0, "2100-02-28 23:59:59",
            "2100-02-01", "2100-03-01");

    assert_int_equal(at("2000-03-01") - at("2000-02-01"), 29 * DAY);
    assert_int_equal(at("2100-03-01") - at("2100-02-01"), 28 * DAY);
}


static void
december_ends_with_the_year(void **state)
{
    (void) state;

    slot_is(GATE_PER_MONTH, 0, "2025-12-31 23:59:59",
            "2025-12-01", "2026-01-01");
    slot_is(GATE_PER_MONTH, 0, "2026-01-01 00:00:00",
            "2026-01-01", "2026-02-01");
    slot_is(GATE_PER_WEEK, 0, "2025-12-31 23:59:59",
            "2025-12-29", "2026-01-05");
}


static void
a_month_begins_at_local_midnight(void **state)
{
    (void) state;

    slot_is(GATE_PER_MONTH, 9 * HOUR, "2024-02-29 14:59:59",
            "2024-01-31 15:00:00", "2024-02-29 15:00:00");
    slot_is(GATE_PER_MONTH, 9 * HOUR, "2024-02-29 15:00:00",
            "2024-02-29 15:00:00", "2024-03-31 15:00:00");
    slot_is(GATE_PER_MONTH, -5 * HOUR, "2024-03-01 04:59:59",
            "2024-02-01 05:00:00", "2024-03-01 05:00:00");
}


/* the same by the C library: start is local midnight of the right day */

static void
calendar(gate_per_e per, int64_t now, int64_t offset, int64_t *start,
    int64_t *end)
{
    time_t     local;
    struct tm  tm;

    local = (time_t) (now + offset);
    gmtime_r(&local, &tm);

    tm.tm_sec = 0;
    tm.tm_min = 0;

    if (per != GATE_PER_HOUR) {
        tm.tm_hour = 0;
    }

    if (per == GATE_PER_WEEK) {
        tm.tm_mday -= (tm.tm_wday + 6) % 7;
    }

    if (per == GATE_PER_MONTH) {
        tm.tm_mday = 1;
    }

    *start = (int64_t) timegm(&tm) - offset;

    switch (per) {

    case GATE_PER_HOUR:
        tm.tm_hour++;
        break;
    case GATE_PER_DAY:
        tm.tm_mday++;
        break;
    case GATE_PER_WEEK:
        tm.tm_mday += 7;
        break;
    default: /* GATE_PER_MONTH */
        tm.tm_mon++;
    }

    *end = (int64_t) timegm(&tm) - offset;
}


static void
calendar_windows_are_those_of_the_c_library(void **state)
{
    int            i;
    int64_t        now, start, end;
    gate_slot_t    slot;
    gate_window_t  window;

    (void) state;

    memset(&window, 0, sizeof(window));

    for (i = 0; i < TIMES; i++) {
        window.per = (gate_per_e) some(4);
        window.offset = (some(27 * 4) - 12 * 4) * HOUR / 4;
        now = some((int64_t) 1 << 32);

        /* ends and beginnings are met too */

        if (i % 3 == 0) {
            calendar(window.per, now, window.offset, &start, &end);
            now = end - some(2);
        }

        calendar(window.per, now, window.offset, &start, &end);
        gate_window_slot(&window, now, &slot);

        assert_int_equal(slot.start, start);
        assert_int_equal(slot.end, end);
        assert_true(slot.start <= now && now < slot.end);
    }
}


static void
windows_follow_each_other_without_a_gap(void **state)
{
    int            i, per;
    gate_slot_t    slot, next;
    gate_window_t  window = { GATE_PER_HOUR, 0, 9 * HOUR };

    (void) state;

    for (per = GATE_PER_HOUR; per <= GATE_PER_MONTH; per++) {
        window.per = (gate_per_e) per;
        gate_window_slot(&window, at("1999-12-31"), &slot);

        for (i = 0; i < 5000; i++) {
            gate_window_slot(&window, slot.end, &next);
            assert_int_equal(next.start, slot.end);
            slot = next;
        }
    }
}


static void
an_hour_that_rolls_counts_13_slots_of_5_minutes(void **state)
{
    gate_slot_t    slot;
    gate_window_t  window = { GATE_PER_TIME, HOUR, 0 };

    (void) state;

    gate_window_slot(&window, 10 * HOUR + 299, &slot);
    assert_int_equal(slot.width, 300);
    assert_int_equal(slot.start, 10 * HOUR);
    assert_int_equal(slot.end, 10 * HOUR + 300);
    assert_int_equal(slot.oldest, 9 * HOUR);

    gate_window_slot(&window, 10 * HOUR + 300, &slot);
    assert_int_equal(slot.start, 10 * HOUR + 300);
    assert_int_equal(slot.oldest, 9 * HOUR + 300);
}


static void
a_second_that_rolls_counts_this_one_and_the_last(void **state)
{
    gate_slot_t    slot;
    gate_window_t  window = { GATE_PER_TIME, 1, 0 };

    (void) state;

    gate_window_slot(&window, 100, &slot);
    assert_int_equal(slot.width, 1);
    assert_int_equal(slot.start, 100);
    assert_int_equal(slot.end, 101);
    assert_int_equal(slot.oldest, 99);
}


static void
ten_seconds_that_roll_count_11_slots_of_a_second(void **state)
{
    gate_slot_t    slot;
    gate_window_t  window = { GATE_PER_TIME, 10, 0 };

    (void) state;

    gate_window_slot(&window, 100, &slot);
    assert_int_equal(slot.width, 1);
    assert_int_equal(slot.oldest, 90);

    /* 13 s do not divide by 12: slots of 2 s, 7 and the one that began */

    window.length = 13;
    gate_window_slot(&window, 101, &slot);
    assert_int_equal(slot.width, 2);
    assert_int_equal(slot.start, 100);
    assert_int_equal(slot.oldest, 86);
}


static void
offset_means_nothing_to_a_rolling_window(void **state)
{
    gate_slot_t    slot;
    gate_window_t  window = { GATE_PER_TIME, HOUR, 77 };

    (void) state;

    gate_window_slot(&window, 10 * HOUR, &slot);
    assert_int_equal(slot.start, 10 * HOUR);
}


/*
 * Whoever delivers at "now" is counted in the slot of now together with all
 * from "oldest" on: whatever span of the length ends now, or later in this
 * slot, lies within.  And not much more is counted than must be.
 */

static void
slots_cover_every_span(int64_t length, int64_t now)
{
    gate_slot_t    slot;
    gate_window_t  window = { GATE_PER_TIME, 0, 0 };

    window.length = length;
    gate_window_slot(&window, now, &slot);

    assert_true(slot.start <= now && now < slot.end);
    assert_int_equal(slot.end - slot.start, slot.width);
    assert_int_equal(slot.start % slot.width, 0);
    assert_int_equal((slot.start - slot.oldest) % slot.width, 0);

    assert_true(slot.oldest <= now - length);
    assert_true(slot.start - slot.oldest <= GATE_SLOTS * slot.width);
    assert_true(slot.start - slot.oldest < length + slot.width);
}


static void
every_real_span_lies_within_the_slots_counted(void **state)
{
    int  i;

    static const int64_t  lengths[] = { 1, 2, 10, 11, 12, 13, 60, HOUR,
                                        DAY, 7 * DAY, GATE_WINDOW_MAX };

    (void) state;

    for (i = 0; i < TIMES; i++) {
        slots_cover_every_span(lengths[i % 11], some((int64_t) 1 << 32));
        slots_cover_every_span(1 + some(GATE_WINDOW_MAX),
                               some((int64_t) 1 << 32));
    }
}


static void
credit_is_spent_a_thousandth_less_long_than_the_slot_lasts(void **state)
{
    (void) state;

    assert_int_equal(gate_window_until(5000, 1000000), 5000 + 999000);
    assert_int_equal(gate_window_until(5000, 1000), 5000 + 999);
    assert_int_equal(gate_window_until(5000, 0), 5000);
}


/* rounded for the ledger: with a ms left there is no time to spend in */

static void
the_thousandth_is_at_least_a_millisecond(void **state)
{
    (void) state;

    assert_int_equal(gate_window_until(5000, 1), 5000);
    assert_int_equal(gate_window_until(5000, 2), 5001);
    assert_int_equal(gate_window_until(5000, 1001), 5000 + 999);
}


static void
a_calendar_window_opens_when_one_begins_whatever_the_clock(void **state)
{
    gate_window_t  day = { GATE_PER_DAY, 0, 9 * HOUR };

    (void) state;

    assert_int_equal(gate_window_opens(&day, at("2026-11-25 15:00:00")),
                     at("2026-11-25 15:00:00"));
    assert_int_equal(gate_window_opens(&day, at("2026-11-25 14:59:58")),
                     at("2026-11-25 15:00:00"));
    assert_int_equal(gate_window_opens(&day, at("2026-11-25 17:30:00")),
                     at("2026-11-25 15:00:00"));
}


static void
a_rolling_window_opens_at_any_time(void **state)
{
    gate_window_t  hour = { GATE_PER_TIME, HOUR, 0 };

    (void) state;

    assert_int_equal(gate_window_opens(&hour, 1234567), 1234567);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(an_hour_begins_at_its_first_second),
        cmocka_unit_test(a_day_in_japan_begins_at_15_utc),
        cmocka_unit_test(a_day_in_new_york_begins_at_5_utc),
        cmocka_unit_test(a_week_begins_on_monday),
        cmocka_unit_test(the_week_of_the_epoch_began_before_it),
        cmocka_unit_test(a_month_has_its_days),
        cmocka_unit_test(leap_years_are_2000_and_2024_but_not_2100),
        cmocka_unit_test(december_ends_with_the_year),
        cmocka_unit_test(a_month_begins_at_local_midnight),
        cmocka_unit_test(calendar_windows_are_those_of_the_c_library),
        cmocka_unit_test(windows_follow_each_other_without_a_gap),
        cmocka_unit_test(an_hour_that_rolls_counts_13_slots_of_5_minutes),
        cmocka_unit_test(a_second_that_rolls_counts_this_one_and_the_last),
        cmocka_unit_test(ten_seconds_that_roll_count_11_slots_of_a_second),
        cmocka_unit_test(offset_means_nothing_to_a_rolling_window),
        cmocka_unit_test(every_real_span_lies_within_the_slots_counted),
        cmocka_unit_test(
            credit_is_spent_a_thousandth_less_long_than_the_slot_lasts),
        cmocka_unit_test(the_thousandth_is_at_least_a_millisecond),
        cmocka_unit_test(
            a_calendar_window_opens_when_one_begins_whatever_the_clock),
        cmocka_unit_test(a_rolling_window_opens_at_any_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
