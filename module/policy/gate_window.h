/*
 * Windows of time.  A window is counted in slots: a calendar window is one
 * slot, a rolling one is cut into GATE_SLOTS and the slot that has begun is
 * added on top, so that whatever real span of its length one looks at lies
 * within the slots that are counted together.  Credit is spent only in the
 * slot it was granted for.  draw.lua computes the same from Redis' TIME.
 */


#ifndef GATE_WINDOW_H_INCLUDED
#define GATE_WINDOW_H_INCLUDED


#include "gate_policy.h"


/* slots that a rolling window is cut into */
#define GATE_SLOTS       12

/* the longest window, seconds */
#define GATE_WINDOW_MAX  (400 * 86400)


typedef struct {
    int64_t   start;        /* of the slot that holds "now", epoch seconds */
    int64_t   end;          /* the first second that is not in it */
    int64_t   oldest;       /* start of the first slot that counts with it */
    int64_t   width;        /* of a rolling slot, seconds; 0 for calendar */
} gate_slot_t;


/* The slot of a window at the time now (epoch seconds, 0 or more). */
void gate_window_slot(const gate_window_t *window, int64_t now,
    gate_slot_t *slot);

/*
 * The time when a window opens, if that is about "at" by a clock that may be
 * wrong: of a calendar window the nearest time at which one begins.
 */
int64_t gate_window_opens(const gate_window_t *window, int64_t at);

/*
 * When this host must stop spending credit of a slot (ms of its own
 * monotonic clock): "left" ms after "asked", the moment the question left,
 * less a thousandth, for clocks that do not run alike.  Never too late.
 */
uint64_t gate_window_until(uint64_t asked, uint64_t left);


#endif /* GATE_WINDOW_H_INCLUDED */
