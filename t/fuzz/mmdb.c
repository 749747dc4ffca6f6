/*
 * Any bytes as a database: opened, checked, and asked for addresses and all
 * their fields, also when the check refuses them.  Whatever they are, nothing
 * outside of them is read, each call ends, and a place has only what its
 * contract says.
 */


#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gate_mmdb.h"


/* pieces of a check, more than any input of the fuzzer may need */
#define ROUNDS  100000


static int
sound(const gate_mmdb_t *db)
{
    int                       rc, rounds;
    static gate_mmdb_check_t  check;

    gate_mmdb_check_init(&check, db, 0);

    for (rounds = 0; rounds < ROUNDS; rounds++) {
        rc = gate_mmdb_check(&check, 1000);

        if (rc != GATE_MMDB_AGAIN) {
            return rc == GATE_MMDB_OK;
        }
    }

    abort();
}


static void
look(const gate_mmdb_t *db, const uint8_t *address, unsigned bits,
    int is_sound)
{
    int           rc;
    size_t        i;
    uint32_t      record;
    gate_place_t  place;

    rc = gate_mmdb_lookup(db, address, bits, &record);

    if (rc != GATE_MMDB_OK) {
        return;
    }

    if (is_sound && record >= db->section.size) {
        abort();
    }

    memset(&place, 0xff, sizeof(place));
    place.fields = 0;

    gate_mmdb_read(db, record, GATE_PLACE_ALL, &place);

    if ((place.fields & GATE_PLACE_COUNTRY)
        && (place.country[0] < 'A' || place.country[0] > 'Z'
            || place.country[1] < 'A' || place.country[1] > 'Z'))
    {
        abort();
    }

    if ((place.fields & GATE_PLACE_LOCATION)
        && !(place.latitude >= -90 && place.latitude <= 90
             && place.longitude >= -180 && place.longitude <= 180))
    {
        abort();
    }

    if (place.fields & GATE_PLACE_CITY) {

        if (place.city_len == 0 || place.city_len > GATE_PLACE_CITY_MAX) {
            abort();
        }

        for (i = 0; i < place.city_len; i++) {
            if ((uint8_t) place.city[i] < 0x20) {
                abort();
            }
        }
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int          is_sound;
    size_t       i;
    uint8_t      address[16];
    gate_mmdb_t  db;

    if (gate_mmdb_open(&db, data, size) != GATE_MMDB_OK) {
        return 0;
    }

    is_sound = sound(&db);

    for (i = 0; i < 16; i++) {
        memset(address, (int) (i * 17), sizeof(address));
        memcpy(address, data, size < i ? size : i);

        look(&db, address, 32, is_sound);
        look(&db, address, 128, is_sound);
    }

    return 0;
}
