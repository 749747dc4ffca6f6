/*
 * Exposure: what one user can take at most, by a limit, in a day or a month,
 * before anything has happened.
 */


#ifndef GATE_EXPOSURE_H_INCLUDED
#define GATE_EXPOSURE_H_INCLUDED


#include "gate_policy.h"


/* spans that are looked at, seconds; a month is the longest one */
#define GATE_EXPOSURE_DAY    86400
#define GATE_EXPOSURE_MONTH  (31 * 86400)


/*
 * The most units that "limit" lets through in one calendar day (or month) of
 * the window's own offset: as many windows as can touch it.  Any span of the
 * length of a rolling window holds its limit once.  GATE_UNBOUNDED: there is
 * no limit, or the sum is above GATE_LIMIT_MAX.
 */
uint64_t gate_exposure_most(const gate_window_t *window, uint64_t limit,
    int64_t span);


#endif /* GATE_EXPOSURE_H_INCLUDED */
