/*
 * How many windows of one kind can touch a day, or a month.
 */


#include "gate_exposure.h"


static uint64_t gate_exposure_windows(const gate_window_t *window,
    int64_t span);


uint64_t
gate_exposure_most(const gate_window_t *window, uint64_t limit, int64_t span)
{
    uint64_t  n;

    n = gate_exposure_windows(window, span);

    return limit > GATE_LIMIT_MAX || limit > GATE_LIMIT_MAX / n
           ? GATE_UNBOUNDED : limit * n;
}


static uint64_t
gate_exposure_windows(const gate_window_t *window, int64_t span)
{
    switch (window->per) {

    case GATE_PER_HOUR:
        return (uint64_t) span / 3600;

    case GATE_PER_DAY:
        return (uint64_t) span / 86400;

    case GATE_PER_WEEK:

        /* one that began before a month, four within, one that goes on */

        return span > 86400 ? 6 : 1;

    case GATE_PER_MONTH:
        return 1;

    default: /* GATE_PER_TIME */
        return ((uint64_t) span + (uint64_t) window->length - 1)
               / (uint64_t) window->length;
    }
}
