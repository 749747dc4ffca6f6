/*
 * Which journeys nobody can make: tables of cities and hours.  The rule is that
 * of the README, 900 km/h, and 100 km are no journey.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gate_journey.c"


#define NONE        GATE_JOURNEY_NONE
#define POSSIBLE    GATE_JOURNEY_POSSIBLE
#define IMPOSSIBLE  GATE_JOURNEY_IMPOSSIBLE

#define MINUTE      60000ULL
#define HOUR        3600000ULL


static const gate_journey_rule_t  rule = { GATE_MODE_DENY, 900, 100 };


typedef struct {
    const char  *country;
    double       latitude;
    double       longitude;
    uint32_t     radius;
} at_t;

#define TOKYO      { "JP", 35.6895, 139.6917, 0 }
#define OSAKA      { "JP", 34.6937, 135.5023, 0 }
#define FRANKFURT  { "DE", 50.1109, 8.6821, 0 }
#define SEOUL      { "KR", 37.5665, 126.9780, 0 }
#define SUVA       { "FJ", -18.1416, 178.4419, 0 }
#define APIA       { "WS", -13.8333, -171.7667, 0 }

#define NOBODYS_TOKYO  { "\0\0", 35.6895, 139.6917, 0 }
#define NOBODYS_OSAKA  { "\0\0", 34.6937, 135.5023, 0 }


typedef struct {
    gate_journey_e  journey;
    at_t            from;
    at_t            to;
    uint64_t        elapsed;
} row_t;


static gate_spot_t
spot(const at_t *at)
{
    gate_spot_t   spot;
    gate_place_t  place;

    place.latitude = at->latitude;
    place.longitude = at->longitude;
    place.radius = at->radius;
    memcpy(place.country, at->country, 2);

    gate_spot(&place, &spot);

    assert_true(spot.latitude <= GATE_SPOT_LATITUDE);
    assert_true(spot.longitude <= GATE_SPOT_LONGITUDE);
    assert_true(spot.radius <= GATE_SPOT_RADIUS);

    return spot;
}


/* the same there and back */

static void
rows(const gate_journey_rule_t *by, const row_t *row, size_t n)
{
    size_t       i;
    gate_spot_t  from, to;

    for (i = 0; i < n; i++) {
        from = spot(&row[i].from);
        to = spot(&row[i].to);

        if (gate_journey(by, &from, &to, row[i].elapsed) != row[i].journey
            || gate_journey(by, &to, &from, row[i].elapsed)
               != row[i].journey)
        {
            fail_msg("row %zu, %f km", i, gate_spot_distance(&from, &to));
        }
    }
}

#define ROWS(by, table)  rows(by, table, sizeof(table) / sizeof(table[0]))


static void
distance_is(at_t a, at_t b, double km)
{
    double       distance;
    gate_spot_t  from, to;

    from = spot(&a);
    to = spot(&b);
    distance = gate_spot_distance(&from, &to);

    if (!(distance > km * 0.995 - 0.02 && distance < km * 1.005 + 0.02)) {
        fail_msg("%f km, not %f", distance, km);
    }
}


static void
distances(void **state)
{
    at_t  tokyo = TOKYO, osaka = OSAKA, frankfurt = FRANKFURT;

    (void) state;

    distance_is(tokyo, tokyo, 0);
    distance_is(tokyo, osaka, 396);
    distance_is(tokyo, frankfurt, 9340);

    /* a degree along the equator, and along 60 north: half of it */

    distance_is((at_t) { "JP", 0, 10, 0 }, (at_t) { "JP", 0, 11, 0 }, 111.2);
    distance_is((at_t) { "JP", 60, 10, 0 }, (at_t) { "JP", 60, 11, 0 }, 55.6);

    /* the opposite end of the world */

    distance_is((at_t) { "JP", 0, 0, 0 }, (at_t) { "JP", 0, 180, 0 }, 20015);
    distance_is((at_t) { "JP", 35, 139, 0 }, (at_t) { "JP", -35, -41, 0 },
                20015);
}


static void
over_the_date_line_it_is_not_far(void **state)
{
    at_t  suva = SUVA, apia = APIA;

    static const row_t  table[] = {
        { POSSIBLE, SUVA, APIA, 2 * HOUR },
        { IMPOSSIBLE, SUVA, APIA, HOUR },
        { NONE, { "FJ", -17, 179.9, 0 }, { "WS", -17, -179.9, 0 }, 0 }
    };

    (void) state;

    distance_is(suva, apia, 1145);
    distance_is((at_t) { "FJ", 0, 180, 0 }, (at_t) { "FJ", 0, -180, 0 }, 0);
    distance_is((at_t) { "FJ", 0, 179.5, 0 }, (at_t) { "FJ", 0, -179.5, 0 },
                111.2);

    ROWS(&rule, table);
}


static void
at_a_pole_all_longitudes_are_one(void **state)
{
    (void) state;

    distance_is((at_t) { "AQ", -90, 0, 0 }, (at_t) { "AQ", -90, 180, 0 }, 0);
    distance_is((at_t) { "NO", 90, -180, 0 }, (at_t) { "NO", 90, 33, 0 }, 0);
    distance_is((at_t) { "NO", 90, 0, 0 }, (at_t) { "AQ", -90, 77, 0 },
                20015);

    /* over the pole, not around it */

    distance_is((at_t) { "NO", 89, 0, 0 }, (at_t) { "CA", 89, 180, 0 }, 222.4);
}


static void
a_train_passes_and_what_no_aeroplane_can_does_not(void **state)
{
    static const row_t  table[] = {
        { POSSIBLE, NOBODYS_TOKYO, NOBODYS_OSAKA, 150 * MINUTE },
        { POSSIBLE, NOBODYS_TOKYO, NOBODYS_OSAKA, 27 * MINUTE },
        { IMPOSSIBLE, NOBODYS_TOKYO, NOBODYS_OSAKA, 25 * MINUTE },

        { IMPOSSIBLE, TOKYO, FRANKFURT, HOUR },
        { IMPOSSIBLE, TOKYO, FRANKFURT, 10 * HOUR },
        { POSSIBLE, TOKYO, FRANKFURT, 11 * HOUR },
        { POSSIBLE, TOKYO, FRANKFURT, 13 * HOUR },
        { POSSIBLE, TOKYO, FRANKFURT, UINT64_MAX },

        { POSSIBLE, TOKYO, SEOUL, 2 * HOUR },
        { IMPOSSIBLE, TOKYO, SEOUL, HOUR }
    };

    (void) state;

    ROWS(&rule, table);
}


static void
in_no_time_nobody_gets_far(void **state)
{
    static const row_t  table[] = {
        { IMPOSSIBLE, TOKYO, FRANKFURT, 0 },
        { IMPOSSIBLE, TOKYO, FRANKFURT, 1 },
        { NONE, FRANKFURT, FRANKFURT, 0 },
        { NONE, { "DE", 50, 8, 0 }, { "FR", 50, 9.3, 0 }, 0 },
        { IMPOSSIBLE, { "DE", 50, 8, 0 }, { "FR", 50, 9.5, 0 }, 0 }
    };

    (void) state;

    ROWS(&rule, table);
}


/* addresses of mobile networks are in another city each hour */

static void
within_one_country_there_are_no_journeys(void **state)
{
    static const row_t  table[] = {
        { NONE, TOKYO, OSAKA, 0 },
        { NONE, { "US", 40, -74, 0 }, { "US", 34, -118, 0 }, 0 },

        /* who knows no country knows no more of two */

        { IMPOSSIBLE, NOBODYS_TOKYO, NOBODYS_OSAKA, 0 },
        { IMPOSSIBLE, TOKYO, NOBODYS_OSAKA, 0 }
    };

    (void) state;

    ROWS(&rule, table);
}


/* 9,340 km are 7,340, in which 8.16 h are enough */

static void
a_radius_of_1000_km_makes_a_journey_shorter(void **state)
{
    static const row_t  table[] = {
        { IMPOSSIBLE, { "JP", 35.6895, 139.6917, 1000 },
                      { "DE", 50.1109, 8.6821, 1000 }, 8 * HOUR },
        { POSSIBLE, { "JP", 35.6895, 139.6917, 1000 },
                    { "DE", 50.1109, 8.6821, 1000 }, 9 * HOUR },
        { IMPOSSIBLE, TOKYO, { "DE", 50.1109, 8.6821, 1000 }, 9 * HOUR },

        /* Seoul is 1,156 km from Tokyo */

        { NONE, { "JP", 35.6895, 139.6917, 1000 },
                { "KR", 37.5665, 126.9780, 100 }, 0 },
        { IMPOSSIBLE, { "JP", 35.6895, 139.6917, 1000 }, SEOUL, 0 },

        { NONE, { "JP", 35.6895, 139.6917, UINT32_MAX },
                { "DE", 50.1109, 8.6821, UINT32_MAX }, 0 }
    };

    (void) state;

    ROWS(&rule, table);
}


static void
a_rule_may_be_of_any_speed_and_distance(void **state)
{
    static const row_t  slow[] = {
        { POSSIBLE, TOKYO, FRANKFURT, 9400 * HOUR },
        { IMPOSSIBLE, TOKYO, FRANKFURT, 9200 * HOUR },
        { IMPOSSIBLE, { "DE", 50, 8, 0 }, { "FR", 50, 8.1, 0 }, HOUR },
        { NONE, FRANKFURT, FRANKFURT, 0 }
    };

    static const row_t  lax[] = {
        { NONE, TOKYO, FRANKFURT, 0 },
        { IMPOSSIBLE, { "NO", 90, 0, 0 }, { "AQ", -90, 0, 0 }, 0 }
    };

    static const gate_journey_rule_t  walks = { GATE_MODE_DENY, 1, 0 };
    static const gate_journey_rule_t  roams = { GATE_MODE_DENY, 1, 20000 };

    (void) state;

    ROWS(&walks, slow);
    ROWS(&roams, lax);

    assert_in_range(gate_journey_longest(&rule), 80064, 80066);
    assert_in_range(gate_journey_longest(&walks), 72057600, 72057602);
}


static void
step_is(at_t from, at_t to, uint64_t elapsed, uint64_t age,
    gate_journey_step_e step, gate_journey_e journey)
{
    gate_spot_t          a, b;
    gate_journey_e       got;
    gate_journey_step_e  next;

    a = spot(&from);
    b = spot(&to);
    next = gate_journey_step(&rule, &a, &b, elapsed, age, &got);

    assert_int_equal(next, step);
    assert_int_equal(got, journey);
}


/* what was told long ago is asked again; who can be here is written here */

static void
what_is_known_is_relied_on_for_a_minute(void **state)
{
    at_t  tokyo = TOKYO, osaka = OSAKA, frankfurt = FRANKFURT;

    (void) state;

    step_is(tokyo, osaka, 0, 0, GATE_JOURNEY_READY, NONE);
    step_is(tokyo, osaka, 59999, 59999, GATE_JOURNEY_READY, NONE);
    step_is(tokyo, tokyo, MINUTE, 0, GATE_JOURNEY_MOVE, NONE);
    step_is(tokyo, osaka, HOUR, HOUR, GATE_JOURNEY_MOVE, NONE);

    step_is(tokyo, frankfurt, 0, 0, GATE_JOURNEY_READY, IMPOSSIBLE);
    step_is(tokyo, frankfurt, HOUR, 59999, GATE_JOURNEY_READY, IMPOSSIBLE);
    step_is(tokyo, frankfurt, HOUR, MINUTE, GATE_JOURNEY_LOOK, IMPOSSIBLE);

    step_is(tokyo, frankfurt, 13 * HOUR, 0, GATE_JOURNEY_MOVE, POSSIBLE);
    step_is(tokyo, frankfurt, 13 * HOUR, HOUR, GATE_JOURNEY_MOVE, POSSIBLE);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(distances),
        cmocka_unit_test(over_the_date_line_it_is_not_far),
        cmocka_unit_test(at_a_pole_all_longitudes_are_one),
        cmocka_unit_test(a_train_passes_and_what_no_aeroplane_can_does_not),
        cmocka_unit_test(in_no_time_nobody_gets_far),
        cmocka_unit_test(within_one_country_there_are_no_journeys),
        cmocka_unit_test(a_radius_of_1000_km_makes_a_journey_shorter),
        cmocka_unit_test(a_rule_may_be_of_any_speed_and_distance),
        cmocka_unit_test(what_is_known_is_relied_on_for_a_minute)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
