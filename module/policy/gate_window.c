/*
 * Windows of time: calendar (hour, day, week from Monday, month; with an
 * offset from UTC) and rolling.  The Gregorian arithmetic counts years from
 * March, which puts the leap day last.
 */


#include "gate_window.h"


#define GATE_DAY         86400

/* 1970-01-01 was a Thursday: Monday came 3 days before */
#define GATE_MONDAY      3

/* days from 0000-03-01 to 1970-01-01 */
#define GATE_EPOCH_DAYS  719468


static int64_t gate_window_floor(int64_t n, int64_t step);
static void gate_window_month(int64_t day, int64_t *first, int64_t *next);
static int64_t gate_window_days(int64_t year, int64_t month);


void
gate_window_slot(const gate_window_t *window, int64_t now, gate_slot_t *slot)
{
    int64_t  local;

    local = now + window->offset;
    slot->width = 0;

    switch (window->per) {

    case GATE_PER_HOUR:
        slot->start = gate_window_floor(local, 3600);
        slot->end = slot->start + 3600;
        break;

    case GATE_PER_DAY:
        slot->start = gate_window_floor(local, GATE_DAY);
        slot->end = slot->start + GATE_DAY;
        break;

    case GATE_PER_WEEK:
        slot->start = gate_window_floor(local + GATE_MONDAY * GATE_DAY,
                                        7 * GATE_DAY)
                      - GATE_MONDAY * GATE_DAY;
        slot->end = slot->start + 7 * GATE_DAY;
        break;

    case GATE_PER_MONTH:
        gate_window_month(gate_window_floor(local, GATE_DAY) / GATE_DAY,
                          &slot->start, &slot->end);
        slot->start *= GATE_DAY;
        slot->end *= GATE_DAY;
        break;

    default: /* GATE_PER_TIME */
        slot->width = (window->length + GATE_SLOTS - 1) / GATE_SLOTS;
        slot->start = gate_window_floor(now, slot->width);
        slot->end = slot->start + slot->width;
        slot->oldest = slot->start
                       - (window->length + slot->width - 1) / slot->width
                         * slot->width;
        return;
    }

    slot->start -= window->offset;
    slot->end -= window->offset;
    slot->oldest = slot->start;
}


int64_t
gate_window_opens(const gate_window_t *window, int64_t at)
{
    gate_slot_t  slot;

    if (window->per == GATE_PER_TIME) {
        return at;
    }

    gate_window_slot(window, at, &slot);

    return at - slot.start < slot.end - at ? slot.start : slot.end;
}


uint64_t
gate_window_until(uint64_t asked, uint64_t left)
{
    return asked + left - (left + 999) / 1000;
}


static int64_t
gate_window_floor(int64_t n, int64_t step)
{
    int64_t  rest;

    rest = n % step;

    return rest < 0 ? n - rest - step : n - rest;
}


/* the first day of the month that holds a day, and of the next one */

static void
gate_window_month(int64_t day, int64_t *first, int64_t *next)
{
    int64_t  era, doe, yoe, doy, month, year;

    day += GATE_EPOCH_DAYS;
    era = gate_window_floor(day, 146097) / 146097;
    doe = day - era * 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    month = (5 * doy + 2) / 153;                /* 0 is March */
    year = era * 400 + yoe;

    *first = gate_window_days(year, month);
    *next = month == 11 ? gate_window_days(year + 1, 0)
                        : gate_window_days(year, month + 1);
}


/* days since the epoch of the first day of a month, both counted from March */

static int64_t
gate_window_days(int64_t year, int64_t month)
{
    int64_t  era, yoe;

    era = gate_window_floor(year, 400) / 400;
    yoe = year - era * 400;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100
           + (153 * month + 2) / 5 - GATE_EPOCH_DAYS;
}
