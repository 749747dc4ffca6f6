/*
 * Any bytes as a database: opened and checked, and, if they are found sound,
 * asked for addresses and all their fields through libmaxminddb.  Whatever they
 * are, nothing behind their end is read, each call ends, and a place has only
 * what its contract says.
 */


#define _GNU_SOURCE     /* memfd_create() */

#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gate_mmdb.h"


/* pieces of a check, more than any input of the fuzzer may need */
#define ROUNDS  100000

#define PAGE    4096
#define ROOM    (16 * PAGE)


static int
sound(const MMDB_s *db)
{
    int                       rc, rounds;
    static gate_mmdb_check_t  check;

    if (gate_mmdb_check_init(&check, db, 0) != GATE_MMDB_OK) {
        return 0;
    }

    for (rounds = 0; rounds < ROUNDS; rounds++) {
        rc = gate_mmdb_check(&check, 1000);

        if (rc != GATE_MMDB_AGAIN) {
            return rc == GATE_MMDB_OK;
        }
    }

    abort();
}


static void
look(const MMDB_s *db, const struct sockaddr *sa)
{
    int                    rc;
    size_t                 i;
    gate_place_t           place;
    MMDB_lookup_result_s   result;

    result = MMDB_lookup_sockaddr(db, sa, &rc);

    if (rc != MMDB_SUCCESS || !result.found_entry) {
        return;
    }

    memset(&place, 0xff, sizeof(place));
    place.fields = 0;

    gate_mmdb_read(&result.entry, GATE_PLACE_ALL, &place);

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


/* a copy that ends where nothing is mapped */

static uint8_t *
walled(const uint8_t *data, size_t size)
{
    static uint8_t  *room;

    if (room == NULL) {
        room = mmap(NULL, ROOM + PAGE, PROT_READ|PROT_WRITE,
                    MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);

        if (room == MAP_FAILED
            || mprotect(room + ROOM, PAGE, PROT_NONE) == -1)
        {
            abort();
        }
    }

    return memcpy(room + ROOM - size, data, size);
}


static int
opened(MMDB_s *db, const uint8_t *data, size_t size)
{
    static int  fd = -1;

    if (fd == -1) {
        fd = memfd_create("mmdb", 0);
    }

    if (ftruncate(fd, 0) == -1
        || pwrite(fd, data, size, 0) != (ssize_t) size)
    {
        abort();
    }

    return gate_mmdb_open(db, fd) == GATE_MMDB_OK;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t                i;
    MMDB_s                db, wall;
    struct sockaddr_in    sin;
    struct sockaddr_in6   sin6;

    if (size > ROOM) {
        return 0;
    }

    data = walled(data, size);

    if (gate_mmdb_metadata(data, size) != GATE_MMDB_OK
        || !opened(&db, data, size))
    {
        return 0;
    }

    wall = db;
    wall.file_content = data;
    wall.data_section = data + (db.data_section - db.file_content);

    memset(&sin, 0, sizeof(sin));
    memset(&sin6, 0, sizeof(sin6));
    sin.sin_family = AF_INET;
    sin6.sin6_family = AF_INET6;

    for (i = sound(&wall) ? 0 : 16; i < 16; i++) {
        memset(&sin6.sin6_addr, (int) (i * 17), 16);
        memcpy(&sin6.sin6_addr, data, size < i ? size : i);
        memcpy(&sin.sin_addr, &sin6.sin6_addr, 4);

        look(&wall, (struct sockaddr *) &sin);
        look(&wall, (struct sockaddr *) &sin6);
    }

    MMDB_close(&db);

    return 0;
}
