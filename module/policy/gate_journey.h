/*
 * Journeys: whether somebody can have come from one spot to another.
 */


#ifndef GATE_JOURNEY_H_INCLUDED
#define GATE_JOURNEY_H_INCLUDED


#include "gate_policy.h"


/* the largest number of each field of a spot */
#define GATE_SPOT_LATITUDE   1800000
#define GATE_SPOT_LONGITUDE  3600000
#define GATE_SPOT_RADIUS     20016      /* km: it may be anywhere */
#define GATE_SPOT_COUNTRY    65535


/* The spot of a place whose location is known. */
void gate_spot(const gate_place_t *place, gate_spot_t *spot);

/* km between two spots, along the earth's surface; of their middles. */
double gate_spot_distance(const gate_spot_t *from, const gate_spot_t *to);

/*
 * A journey that took "elapsed" ms.  GATE_JOURNEY_NONE: it is none, for the
 * spots are in one country, or no farther than rule->distance from each other.
 * GATE_JOURNEY_POSSIBLE, or GATE_JOURNEY_IMPOSSIBLE: faster than rule->speed.
 * Somebody may have been anywhere in the radius of a spot: it is the shortest
 * journey that is judged.
 */
gate_journey_e gate_journey(const gate_journey_rule_t *rule,
    const gate_spot_t *from, const gate_spot_t *to, uint64_t elapsed);

/* ms that what is known of somebody's last visit may be relied on */
#define GATE_JOURNEY_FRESH   60000

/* what is to be done before a journey is known */

typedef enum {
    GATE_JOURNEY_READY = 0,         /* nothing */
    GATE_JOURNEY_LOOK,              /* to ask where he was last */
    GATE_JOURNEY_MOVE               /* to ask, and have him written here */
} gate_journey_step_e;


/*
 * Of somebody who was last somewhere, "elapsed" ms ago, as was told "age" ms
 * ago: is that enough to know of his journey?  GATE_JOURNEY_READY: it is
 * *journey.  Nobody is written where he cannot be.
 */
gate_journey_step_e gate_journey_step(const gate_journey_rule_t *rule,
    const gate_spot_t *from, const gate_spot_t *to, uint64_t elapsed,
    uint64_t age, gate_journey_e *journey);

/* Seconds after which one may be anywhere. */
uint32_t gate_journey_longest(const gate_journey_rule_t *rule);


#endif /* GATE_JOURNEY_H_INCLUDED */
