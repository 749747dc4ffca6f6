/*
 * The earth is a sphere here, which is wrong by half a percent at most: less
 * than databases are.
 */


#include "gate_journey.h"

#include <math.h>
#include <string.h>


/* mean radius, km (IUGG) */
#define GATE_JOURNEY_EARTH     6371.0088

#define GATE_JOURNEY_PI        3.14159265358979323846

/* steps of a degree in a spot */
#define GATE_JOURNEY_STEPS     10000.0

#define GATE_JOURNEY_HOUR      3600000.0    /* ms */


static double gate_journey_radians(uint32_t steps, double begin);


void
gate_spot(const gate_place_t *place, gate_spot_t *spot)
{
    spot->latitude = (uint32_t) ((place->latitude + 90) * GATE_JOURNEY_STEPS
                                 + 0.5);
    spot->longitude = (uint32_t) ((place->longitude + 180)
                                  * GATE_JOURNEY_STEPS + 0.5);
    spot->radius = place->radius < GATE_SPOT_RADIUS ? place->radius
                                                    : GATE_SPOT_RADIUS;

    memcpy(spot->country, place->country, 2);
}


/* haversine: exact where two spots are near, and where they are opposite */

double
gate_spot_distance(const gate_spot_t *from, const gate_spot_t *to)
{
    double  a, b, h, north, east;

    a = gate_journey_radians(from->latitude, 90);
    b = gate_journey_radians(to->latitude, 90);

    north = sin((b - a) / 2);
    east = sin((gate_journey_radians(to->longitude, 180)
                - gate_journey_radians(from->longitude, 180)) / 2);

    h = north * north + cos(a) * cos(b) * east * east;

    return 2 * GATE_JOURNEY_EARTH * asin(sqrt(h < 1 ? h : 1));
}


static double
gate_journey_radians(uint32_t steps, double begin)
{
    return (steps / GATE_JOURNEY_STEPS - begin) * GATE_JOURNEY_PI / 180;
}


gate_journey_e
gate_journey(const gate_journey_rule_t *rule, const gate_spot_t *from,
    const gate_spot_t *to, uint64_t elapsed)
{
    double  distance;

    if (from->country[0] && memcmp(from->country, to->country, 2) == 0) {
        return GATE_JOURNEY_NONE;
    }

    distance = gate_spot_distance(from, to) - from->radius - to->radius;

    if (distance <= rule->distance) {
        return GATE_JOURNEY_NONE;
    }

    return distance * GATE_JOURNEY_HOUR <= (double) rule->speed * elapsed
           ? GATE_JOURNEY_POSSIBLE : GATE_JOURNEY_IMPOSSIBLE;
}


gate_journey_step_e
gate_journey_step(const gate_journey_rule_t *rule, const gate_spot_t *from,
    const gate_spot_t *to, uint64_t elapsed, uint64_t age,
    gate_journey_e *journey)
{
    *journey = gate_journey(rule, from, to, elapsed);

    switch (*journey) {

    case GATE_JOURNEY_NONE:
        return elapsed < GATE_JOURNEY_FRESH ? GATE_JOURNEY_READY
                                            : GATE_JOURNEY_MOVE;

    case GATE_JOURNEY_IMPOSSIBLE:
        return age < GATE_JOURNEY_FRESH ? GATE_JOURNEY_READY
                                        : GATE_JOURNEY_LOOK;

    default: /* GATE_JOURNEY_POSSIBLE */
        return GATE_JOURNEY_MOVE;
    }
}


uint32_t
gate_journey_longest(const gate_journey_rule_t *rule)
{
    return GATE_SPOT_RADIUS * 3600U / rule->speed + 1;
}
