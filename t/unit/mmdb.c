/*
 * Databases through the check and libmaxminddb: that each type, size and
 * pointer is known to both, which fields make a place, and that damage is
 * found before the library stumbles over it.
 *
 * A database of a test is written byte by byte: one node, so that addresses
 * from 128.0.0.0 have the record at offset 0, and the others none.
 */


#define _GNU_SOURCE     /* memfd_create() */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "gate_mmdb.c"
#include "gate_mmdb_place.c"


#define STRING   2
#define DOUBLE   3
#define BYTES    4
#define UINT16   5
#define UINT32   6
#define MAP      7
#define INT32    8
#define UINT64   9
#define UINT128  10
#define ARRAY    11
#define BOOLEAN  14
#define FLOAT    15


static uint8_t            bytes[4 * 1024 * 1024];
static size_t             used;
static int                is_open;
static MMDB_s             db;
static gate_mmdb_check_t  check;
static gate_place_t       place;

static const uint32_t     known = 0xcb007105;       /* 203.0.113.5 */
static const uint32_t     nowhere = 0x0a000001;     /* 10.0.0.1 */


static void
put(const void *p, size_t n)
{
    assert_true(used + n <= sizeof(bytes));
    memcpy(bytes + used, p, n);
    used += n;
}


static void
put_byte(unsigned byte)
{
    uint8_t  b = (uint8_t) byte;

    put(&b, 1);
}


static void
put_type(unsigned type, unsigned size)
{
    assert_true(size < 29);

    if (type < 8) {
        put_byte(type << 5 | size);
        return;
    }

    put_byte(size);
    put_byte(type - 7);
}


static void
put_string(const char *s)
{
    size_t  len = strlen(s);

    if (len < 29) {
        put_type(STRING, (unsigned) len);

    } else {
        put_byte(STRING << 5 | 29);
        put_byte((unsigned) len - 29);
    }

    put(s, len);
}


static void
put_number(const char *key, unsigned type, unsigned size, uint32_t n)
{
    put_string(key);
    put_type(type, size);

    while (size--) {
        put_byte(size > 3 ? 0 : n >> (8 * size) & 0xff);
    }
}


static void
put_double(double d)
{
    int       i;
    uint64_t  bits;

    memcpy(&bits, &d, 8);
    put_type(DOUBLE, 8);

    for (i = 7; i >= 0; i--) {
        put_byte(bits >> (8 * i) & 0xff);
    }
}


static void
begin(void)
{
    static const uint8_t  node[] = { 0, 0, 1,  0, 0, 1 + 16 };

    used = 0;
    put(node, 6);
    put("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
}


static void
put_metadata(unsigned nodes, unsigned bits, unsigned version)
{
    put(GATE_MMDB_MARKER, GATE_MMDB_MARKER_LEN);
    put_type(MAP, 9);
    put_number("binary_format_major_version", UINT16, 1, 2);
    put_number("binary_format_minor_version", UINT16, 0, 0);
    put_number("build_epoch", UINT64, 1, 1);
    put_number("node_count", UINT32, 4, nodes);
    put_number("record_size", UINT16, 1, bits);
    put_number("ip_version", UINT16, 1, version);
    put_string("database_type");    put_string("a test");
    put_string("languages");        put_type(ARRAY, 0);
    put_string("description");      put_type(MAP, 0);
}


/* as it is loaded: nothing is opened before its metadata is known */

static int
opened(const uint8_t *p, size_t size)
{
    int  fd, rc;

    if (is_open) {
        MMDB_close(&db);
        is_open = 0;
    }

    rc = gate_mmdb_metadata(p, size);

    if (rc != GATE_MMDB_OK) {
        return rc;
    }

    fd = memfd_create("mmdb", 0);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, size), size);

    rc = gate_mmdb_open(&db, fd);
    is_open = (rc == GATE_MMDB_OK);

    close(fd);

    return rc;
}


static int
checked(void)
{
    int  rc;

    rc = opened(bytes, used);

    if (rc == GATE_MMDB_OK) {
        rc = gate_mmdb_check_init(&check, &db, 0);
    }

    if (rc != GATE_MMDB_OK) {
        return rc;
    }

    do {
        rc = gate_mmdb_check(&check, 1);
    } while (rc == GATE_MMDB_AGAIN);

    return rc;
}


/* 1: there is a record; 0: none; -1: the library gave up */

static int
lookup4(uint32_t address, MMDB_entry_s *record)
{
    int                    rc;
    struct sockaddr_in     sin;
    MMDB_lookup_result_s   result;

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_addr.s_addr = htonl(address);

    result = MMDB_lookup_sockaddr(&db, (struct sockaddr *) &sin, &rc);
    *record = result.entry;

    return rc == MMDB_SUCCESS ? result.found_entry : -1;
}


static int
lookup6(const uint8_t *address, MMDB_entry_s *record)
{
    int                    rc;
    struct sockaddr_in6    sin6;
    MMDB_lookup_result_s   result;

    memset(&sin6, 0, sizeof(sin6));
    sin6.sin6_family = AF_INET6;
    memcpy(&sin6.sin6_addr, address, 16);

    result = MMDB_lookup_sockaddr(&db, (struct sockaddr *) &sin6, &rc);
    *record = result.entry;

    return rc == MMDB_SUCCESS ? result.found_entry : -1;
}


/* what is known of 203.0.113.5 in what was put since begin() */

static void
end(void)
{
    MMDB_entry_s  record;

    put_metadata(1, 24, 4);

    assert_int_equal(checked(), GATE_MMDB_OK);
    assert_int_equal(lookup4(known, &record), 1);

    memset(&place, 0, sizeof(place));
    gate_mmdb_read(&record, GATE_PLACE_ALL, &place);
    assert_int_equal(place.fields, check.fields);
}


static void
fault_is(int fault)
{
    put_metadata(1, 24, 4);
    assert_int_equal(checked(), fault);
}


static void
put_country(const char *code)
{
    put_type(MAP, 1);
    put_string("country");
    put_type(MAP, 1);
    put_string("iso_code");
    put_string(code);
}


static void
an_address_has_the_record_its_bits_lead_to(void **state)
{
    MMDB_entry_s  record;

    (void) state;

    begin();
    put_country("JP");
    end();

    assert_memory_equal(place.country, "JP", 2);
    assert_int_equal(place.fields, GATE_PLACE_COUNTRY);
    assert_int_equal(lookup4(nowhere, &record), 0);
}


static void
an_ipv4_database_knows_no_ipv6(void **state)
{
    MMDB_entry_s    record;
    static uint8_t  address[16] = { 0xff };

    (void) state;

    begin();
    put_country("JP");
    end();

    assert_int_equal(lookup6(address, &record), -1);
}


/* a chain of 96 zeros, where IPv4 begins */

static void
pointers_of_the_tree_have_24_28_or_32_bits(void **state)
{
    unsigned         bits, i, k;
    uint32_t         left, right, shift;
    MMDB_entry_s     record;
    static uint8_t   address[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                   203, 0, 113, 5 };
    static unsigned  sizes[] = { 24, 28, 32 };

    (void) state;

    for (k = 0; k < 3; k++) {
        bits = sizes[k];
        used = 0;

        for (i = 0; i < 97; i++) {
            left = i < 96 ? i + 1 : 97;
            right = i < 96 ? 97 : 97 + 16;

            if (bits == 28) {
                put_byte(left >> 16 & 0xff);
                put_byte(left >> 8 & 0xff);
                put_byte(left & 0xff);
                put_byte((left >> 20 & 0xf0) | right >> 24);
            } else {
                for (shift = bits; shift; shift -= 8) {
                    put_byte(left >> (shift - 8) & 0xff);
                }
            }

            for (shift = bits == 28 ? 24 : bits; shift; shift -= 8) {
                put_byte(right >> (shift - 8) & 0xff);
            }
        }

        put("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
        put_country("JP");
        put_metadata(97, bits, 6);

        assert_int_equal(checked(), GATE_MMDB_OK);
        assert_int_equal(lookup4(known, &record), 1);
        assert_int_equal(record.offset, 0);
        assert_int_equal(lookup6(address, &record), 1);
        assert_int_equal(record.offset, 0);
        assert_int_equal(lookup4(nowhere, &record), 0);
    }
}


static void
all_types_are_skipped_on_the_way_to_a_field(void **state)
{
    (void) state;

    begin();
    put_type(MAP, 13);
    put_string("double");   put_double(1.5);
    put_string("bytes");    put_type(BYTES, 3);     put("abc", 3);
    put_number("uint16", UINT16, 0, 0);
    put_number("uint32", UINT32, 3, 70000);
    put_number("int32", INT32, 4, 1);
    put_number("uint64", UINT64, 8, 1);
    put_number("uint128", UINT128, 16, 1);
    put_string("boolean");  put_type(BOOLEAN, 1);
    put_string("float");    put_type(FLOAT, 4);     put("\0\0\0\0", 4);
    put_string("array");    put_type(ARRAY, 2);     put_string("a");
                                                    put_country("DE");
    put_string("map");      put_country("FR");
    put_string("a string of more than 28 bytes, and less than 285");
    put_string("");
    put_string("country_code");                     put_string("JP");
    end();

    assert_memory_equal(place.country, "JP", 2);
}


/* 29, 285 and 65821 bytes need one, two and three bytes of size */

static void
a_size_has_up_to_three_more_bytes(void **state)
{
    size_t               i;
    static const size_t  sizes[] = { 28, 29, 284, 285, 65820, 65821, 100000 };

    (void) state;

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        begin();
        put_type(MAP, 2);
        put_string("long");

        if (sizes[i] < 29) {
            put_byte(STRING << 5 | (unsigned) sizes[i]);
        } else if (sizes[i] < 285) {
            put_byte(STRING << 5 | 29);
            put_byte((unsigned) sizes[i] - 29);
        } else if (sizes[i] < 65821) {
            put_byte(STRING << 5 | 30);
            put_byte((unsigned) (sizes[i] - 285) >> 8);
            put_byte((sizes[i] - 285) & 0xff);
        } else {
            put_byte(STRING << 5 | 31);
            put_byte((unsigned) (sizes[i] - 65821) >> 16);
            put_byte((sizes[i] - 65821) >> 8 & 0xff);
            put_byte((sizes[i] - 65821) & 0xff);
        }

        used += sizes[i];
        put_string("country");
        put_string("JP");
        end();

        assert_memory_equal(place.country, "JP", 2);
    }
}


/* the record is at 0, what it points to at 64, 4,096, 600,000, 3,000,000 */

static void
a_pointer_has_one_to_four_bytes(void **state)
{
    unsigned               i;
    uint32_t               n;
    static const uint32_t  there[] = { 64, 4096, 600000, 3000000 };
    static const uint32_t  base[] = { 0, 2048, 526336, 0 };

    (void) state;

    for (i = 0; i < 4; i++) {
        begin();
        memset(bytes + used, 0, there[i] + 64);

        put_type(MAP, 1);
        put_string("country");

        n = there[i] - base[i];

        switch (i) {

        case 0:
            put_byte(0x20 | n >> 8);
            break;

        case 1:
            put_byte(0x28 | n >> 16);
            put_byte(n >> 8 & 0xff);
            break;

        case 2:
            put_byte(0x30 | n >> 24);
            put_byte(n >> 16 & 0xff);
            put_byte(n >> 8 & 0xff);
            break;

        case 3:
            put_byte(0x38);
            put_byte(n >> 24);
            put_byte(n >> 16 & 0xff);
            put_byte(n >> 8 & 0xff);
        }

        put_byte(n & 0xff);

        used = 6 + 16 + there[i];
        put_string("JP");
        end();

        assert_memory_equal(place.country, "JP", 2);
    }
}


static void
a_key_may_be_a_pointer(void **state)
{
    (void) state;

    begin();
    put_type(MAP, 2);
    put_string("country_name");
    put_type(STRING, 7);
    put("country", 7);
    put_byte(0x20);                 /* 13: in the name, 7 bytes before */
    put_byte(1 + 1 + 12);
    put_string("JP");
    end();

    assert_memory_equal(place.country, "JP", 2);
}


static void
a_city_of_maxmind(void **state)
{
    (void) state;

    begin();
    put_type(MAP, 6);
    put_string("city");
    put_type(MAP, 2);
    put_number("geoname_id", UINT32, 4, 1850147);
    put_string("names");
    put_type(MAP, 2);
    put_string("de");           put_string("Tokio");
    put_string("en");           put_string("T\xc5\x8dky\xc5\x8d");
    put_string("continent");
    put_type(MAP, 1);
    put_string("code");         put_string("AS");
    put_string("country");
    put_type(MAP, 1);
    put_string("iso_code");     put_string("JP");
    put_string("location");
    put_type(MAP, 3);
    put_number("accuracy_radius", UINT16, 2, 1000);
    put_string("latitude");     put_double(35.6895);
    put_string("longitude");    put_double(-139.6917);
    put_string("traits");
    put_type(MAP, 1);
    put_string("is_anonymous_proxy");   put_type(BOOLEAN, 1);
    put_number("autonomous_system_number", UINT32, 4, 2497);
    end();

    assert_int_equal(place.fields, GATE_PLACE_ALL);
    assert_memory_equal(place.country, "JP", 2);
    assert_memory_equal(place.continent, "AS", 2);
    assert_int_equal(place.city_len, 7);
    assert_memory_equal(place.city, "T\xc5\x8dky\xc5\x8d", 7);
    assert_true(place.latitude == 35.6895 && place.longitude == -139.6917);
    assert_int_equal(place.radius, 1000);
    assert_int_equal(place.asn, 2497);
    assert_int_equal(place.anonymous, GATE_ANONYMOUS_PROXY);
}


static void
an_address_of_ipinfo(void **state)
{
    (void) state;

    begin();
    put_type(MAP, 11);
    put_string("country");      put_string("JP");
    put_string("continent");    put_string("AS");
    put_string("city");         put_string("Osaka");
    put_string("lat");          put_string("34.6937");
    put_string("lng");          put_string("-135.5");
    put_string("radius");       put_string("50");
    put_string("asn");          put_string("AS4294967295");
    put_string("vpn");          put_string("true");
    put_string("tor");          put_string("");
    put_string("hosting");      put_string("true");
    put_string("proxy");        put_string("false");
    end();

    assert_int_equal(place.fields, GATE_PLACE_ALL);
    assert_memory_equal(place.country, "JP", 2);
    assert_memory_equal(place.continent, "AS", 2);
    assert_memory_equal(place.city, "Osaka", 5);
    assert_true(place.latitude > 34.6936 && place.latitude < 34.6938);
    assert_true(place.longitude == -135.5);
    assert_int_equal(place.radius, 50);
    assert_int_equal(place.asn, 4294967295);
    assert_int_equal(place.anonymous,
                     GATE_ANONYMOUS_VPN|GATE_ANONYMOUS_HOSTING);
}


/* "country" and "continent" are names there */

static void
an_address_of_ipinfo_lite(void **state)
{
    (void) state;

    begin();
    put_type(MAP, 4);
    put_string("country");          put_string("Japan");
    put_string("country_code");     put_string("JP");
    put_string("continent");        put_string("Asia");
    put_string("continent_code");   put_string("AS");
    end();

    assert_int_equal(place.fields, GATE_PLACE_COUNTRY|GATE_PLACE_CONTINENT);
    assert_memory_equal(place.country, "JP", 2);
    assert_memory_equal(place.continent, "AS", 2);
}


static void
anonymous_addresses(void **state)
{
    (void) state;

    begin();
    put_type(MAP, 4);
    put_string("is_anonymous");             put_type(BOOLEAN, 1);
    put_string("is_anonymous_vpn");         put_type(BOOLEAN, 0);
    put_string("is_residential_proxy");     put_type(BOOLEAN, 1);
    put_string("is_tor_exit_node");         put_type(BOOLEAN, 1);
    end();

    assert_int_equal(place.fields, GATE_PLACE_ANONYMOUS);
    assert_int_equal(place.anonymous, GATE_ANONYMOUS_ANY
                                      |GATE_ANONYMOUS_PROXY
                                      |GATE_ANONYMOUS_TOR);
}


/* 10 is the good field that stands beside each bad one */

static void
values_of_a_wrong_shape_are_no_values(void **state)
{
    size_t  i;

    static const struct {
        const char  *key;
        const char  *value;
    } bad[] = {
        { "country", "jp" },
        { "country", "J" },
        { "country", "JPN" },
        { "country", "J1" },
        { "continent", "Asia" },
        { "city", "" },
        { "city", "a\nb" },
        { "city", "a\x7f" },
        { "city", "a\xc2\x85" },
        { "city", "\xc0\x8a" },
        { "city", "\xe2\x80\xae" "b" },
        { "city", "\xed\xa0\x80" },
        { "city", "\xf4\x90\x80\x80" },
        { "city", "\xe3\x81" },
        { "city", "\x81" },
        { "city", "\xff\xff\xff\xff" },
        { "city", "12345678901234567890123456789012345678901234567890"
                  "12345678901234567890123456789012345678901234567890"
                  "12345678901234567890123456789" },
        { "asn", "2497" },
        { "asn", "AS" },
        { "asn", "AS0" },
        { "asn", "AS1x" },
        { "asn", "AS4294967296" },
        { "asn", "AS18446744073709551617" },
        { "vpn", "yes" },
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        begin();
        put_type(MAP, 2);
        put_string(bad[i].key);
        put_string(bad[i].value);
        put_string("tor");
        put_string("true");
        end();

        assert_int_equal(place.fields, GATE_PLACE_ANONYMOUS);
        assert_int_equal(place.anonymous, GATE_ANONYMOUS_TOR);
    }
}


static void
a_location_is_on_earth_and_whole(void **state)
{
    size_t  i;

    static const struct {
        int          good;
        const char  *latitude;
        const char  *longitude;
    } locations[] = {
        { 1, "90", "180" },
        { 1, "-90.0", "-180.0" },
        { 1, "0", "-0.5" },
        { 0, "90.1", "0" },
        { 0, "-91", "0" },
        { 0, "0", "180.5" },
        { 0, "1e1", "0" },
        { 0, "", "0" },
        { 0, "-", "0" },
        { 0, ".5", "0" },
        { 0, "1.2.3", "0" },
        { 0, "nan", "0" },
        { 0, "+1", "0" },
        { 0, "1234567890123456789", "0" },
    };

    (void) state;

    for (i = 0; i < sizeof(locations) / sizeof(locations[0]); i++) {
        begin();
        put_type(MAP, 3);
        put_string("lat");
        put_string(locations[i].latitude);
        put_string("lng");
        put_string(locations[i].longitude);
        put_string("country");
        put_string("JP");
        end();

        assert_int_equal(place.fields, GATE_PLACE_COUNTRY
                         | (locations[i].good ? GATE_PLACE_LOCATION : 0));
    }

    begin();
    put_type(MAP, 3);
    put_string("lat");      put_string("35");
    put_string("latitude"); put_type(DOUBLE, 8);
                            put("\x7f\xf8\0\0\0\0\0\0", 8);
    put_string("country");  put_string("JP");
    end();

    assert_int_equal(place.fields, GATE_PLACE_COUNTRY);
}


static void
degrees_may_be_floats_but_nothing_else(void **state)
{
    (void) state;

    begin();
    put_type(MAP, 2);
    put_string("lat");      put_type(FLOAT, 4);     put("\x42\x0e\0\0", 4);
    put_string("lng");      put_type(FLOAT, 4);     put("\xc3\x07\0\0", 4);
    end();

    assert_int_equal(place.fields, GATE_PLACE_LOCATION);
    assert_true(place.latitude == 35.5 && place.longitude == -135);

    begin();
    put_type(MAP, 3);
    put_number("lat", UINT16, 1, 35);
    put_string("lng");      put_type(FLOAT, 4);     put("\xc3\x07\0\0", 4);
    put_string("country");  put_string("JP");
    end();

    assert_int_equal(place.fields, GATE_PLACE_COUNTRY);
}


/* 2^32 + 2497 is not 2497 */

static void
a_number_has_at_most_32_bits_however_it_is_kept(void **state)
{
    (void) state;

    begin();
    put_type(MAP, 1);
    put_number("autonomous_system_number", UINT64, 8, 2497);
    end();

    assert_int_equal(place.fields, GATE_PLACE_ASN);
    assert_int_equal(place.asn, 2497);

    begin();
    put_type(MAP, 3);
    put_string("autonomous_system_number");
    put_type(UINT64, 8);    put("\0\0\0\1\0\0\x09\xc1", 8);
    put_string("vpn");      put_type(ARRAY, 0);
    put_string("tor");      put_string("true");
    end();

    assert_int_equal(place.fields, GATE_PLACE_ANONYMOUS);
    assert_int_equal(place.anonymous, GATE_ANONYMOUS_TOR);
}


static void
only_what_is_asked_for_is_read(void **state)
{
    MMDB_entry_s  record;

    (void) state;

    begin();
    put_type(MAP, 2);
    put_string("country");      put_string("JP");
    put_string("continent");    put_string("AS");
    end();

    assert_int_equal(lookup4(known, &record), 1);
    memset(&place, 0, sizeof(place));
    gate_mmdb_read(&record, GATE_PLACE_CONTINENT|GATE_PLACE_CITY, &place);

    assert_int_equal(place.fields, GATE_PLACE_CONTINENT);
    assert_int_equal(place.country[0], 0);
}


/* "n" maps or arrays, one in the other; the last is empty */

static void
put_nested(unsigned type, unsigned n)
{
    while (--n) {
        put_type(type, 1);

        if (type == MAP) {
            put_string("");
        }
    }

    put_type(type, 0);
}


static void
what_is_nested_without_end_is_refused(void **state)
{
    (void) state;

    begin();
    put_nested(MAP, 400000);
    fault_is(GATE_MMDB_DEEP);

    begin();
    put_nested(ARRAY, 400000);
    fault_is(GATE_MMDB_DEEP);

    /* where a reader would only skip it */

    begin();
    put_type(MAP, 2);
    put_string("deep");
    put_nested(ARRAY, 400000);
    put_string("country");
    put_string("JP");
    fault_is(GATE_MMDB_DEEP);

    /* sixteen are not too deep */

    begin();
    put_type(MAP, 2);
    put_string("deep");
    put_nested(ARRAY, 15);
    put_string("country");
    put_string("JP");
    end();

    begin();
    put_type(MAP, 2);
    put_string("deep");
    put_nested(ARRAY, 16);
    put_string("country");
    put_string("JP");
    fault_is(GATE_MMDB_DEEP);
}


static void
nested_metadata_is_refused(void **state)
{
    (void) state;

    begin();
    put_country("JP");
    put(GATE_MMDB_MARKER, GATE_MMDB_MARKER_LEN);
    put_nested(MAP, 60000);

    assert_int_equal(checked(), GATE_MMDB_METADATA);
}


/* the library looks behind its end, which here is that of what is mapped */

static void
metadata_of_no_bytes_at_the_end_of_a_page_is_refused(void **state)
{
    unsigned  i;

    (void) state;

    for (i = 0; i < 3; i++) {
        begin();
        put_country("JP");
        memset(bytes + used, 0, 4096);
        used = 4096 - GATE_MMDB_MARKER_LEN - i;
        put(GATE_MMDB_MARKER, GATE_MMDB_MARKER_LEN);
        put("\xff\xff", i);

        assert_int_equal(used, 4096);
        assert_int_equal(checked(), GATE_MMDB_METADATA);
    }
}


/* the last one is it, as for the library */

static void
metadata_may_be_in_a_file_twice(void **state)
{
    (void) state;

    begin();
    put_country("JP");
    put_metadata(1000, 24, 4);
    end();

    begin();
    put_country("JP");
    put_metadata(1, 24, 4);
    put(GATE_MMDB_MARKER, GATE_MMDB_MARKER_LEN);
    put_nested(MAP, 10);
    assert_int_equal(checked(), GATE_MMDB_METADATA);
}


/* an array of 200 that are arrays of 200 that are ... */

static void
what_grows_by_pointers_is_refused(void **state)
{
    unsigned  i, level;

    (void) state;

    begin();
    put_type(MAP, 1);
    put_string("country");

    for (level = 0; level < 10; level++) {
        put_byte(29);
        put_byte(ARRAY - 7);
        put_byte(200 - 29);

        for (i = 0; i < 200; i++) {
            put_byte(0x28);
            put_byte(0);
            put_byte(0);
            bytes[used - 2] = (9 + (level + 1) * 603) < 2048 ? 0
                              : (uint8_t) ((9 + (level + 1) * 603 - 2048)
                                           >> 8);
            bytes[used - 1] = (9 + (level + 1) * 603) < 2048 ? 0
                              : (uint8_t) (9 + (level + 1) * 603 - 2048);
        }
    }

    put_string("JP");
    put_metadata(1, 24, 4);

    assert_true(checked() < 0);
}


static void
a_ring_of_pointers_is_refused(void **state)
{
    (void) state;

    /* to itself */

    begin();
    put_byte(0x20);
    put_byte(0);
    fault_is(GATE_MMDB_DAMAGED);

    /* a map whose value is the map */

    begin();
    put_type(MAP, 1);
    put_string("country");
    put_byte(0x20);
    put_byte(0);
    fault_is(GATE_MMDB_DEEP);

    /* to a pointer */

    begin();
    put_type(MAP, 1);
    put_string("country");
    put_byte(0x20);
    put_byte(11);
    put_byte(0x20);
    put_byte(13);
    put_string("JP");
    fault_is(GATE_MMDB_DAMAGED);
}


static void
damaged_values_are_refused(void **state)
{
    size_t  i;

    static const struct {
        size_t       len;
        const char  *bytes;
    } bad[] = {
        { 1, "\x00" },                      /* a type that is cut */
        { 2, "\x00\x05" },                  /* 12: a container */
        { 2, "\x00\x06" },                  /* 13: an end */
        { 2, "\x00\x09" },                  /* 16 */
        { 8, "\x67" "1234567" },            /* a double of 7 bytes */
        { 5, "\x03\x08" "123" },            /* a float of 3 */
        { 4, "\xa3" "123" },                /* a uint16 of 3 */
        { 6, "\xc5" "12345" },              /* a uint32 of 5 */
        { 7, "\x05\x01" "12345" },          /* an int32 of 5 */
        { 11, "\x09\x02" "123456789" },     /* a uint64 of 9 */
        { 19, "\x11\x03" "12345678901234567" },     /* a uint128 of 17 */
        { 5, "\x5f\xff\xff\xff" "a" },      /* a string of 16 M */
        { 5, "\xff\xff\xff\xff" "a" },      /* a map of 16 M */
        { 5, "\x1f\x04\xff\xff\xff" },      /* an array of 16 M */
        { 4, "\x3f\xff\xff\xff" },          /* a pointer to 4 G */
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        begin();
        put_type(MAP, 1);
        put_string("country");
        put(bad[i].bytes, bad[i].len);
        put_metadata(1, 24, 4);
        assert_true(checked() < 0);
    }

    /* a key that is a number */

    begin();
    put_type(MAP, 1);
    put_type(UINT16, 0);
    put_string("JP");
    fault_is(GATE_MMDB_DAMAGED);
}


static void
a_record_of_too_many_values_is_refused(void **state)
{
    unsigned  i;

    (void) state;

    begin();
    put_type(MAP, 1);
    put_string("country");
    put_byte(30);
    put_byte(ARRAY - 7);
    put_byte((5000 - 285) >> 8);
    put_byte((5000 - 285) & 0xff);

    for (i = 0; i < 5000; i++) {
        put_type(UINT16, 0);
    }

    fault_is(GATE_MMDB_LARGE);
}


static void
a_damaged_tree_is_refused(void **state)
{
    (void) state;

    /* into the zeros between tree and records */

    begin();
    bytes[5] = 1 + 15;
    put_country("JP");
    fault_is(GATE_MMDB_DAMAGED);

    /* behind the records */

    begin();
    bytes[4] = 1;
    put_country("JP");
    fault_is(GATE_MMDB_DAMAGED);

    /* no zeros */

    begin();
    bytes[10] = 1;
    put_country("JP");
    fault_is(GATE_MMDB_DAMAGED);
}


static void
a_tree_that_is_a_ring_ends_a_lookup(void **state)
{
    MMDB_entry_s  record;

    (void) state;

    begin();
    bytes[2] = 0;
    put_country("JP");
    fault_is(GATE_MMDB_DAMAGED);

    /* the second of two nodes: no check finds it, but who is sent there */

    used = 0;
    put("\0\0\1\0\0\x12" "\0\0\1\0\0\x12", 12);
    put("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    put_country("JP");
    put_metadata(2, 24, 4);
    assert_int_equal(checked(), GATE_MMDB_OK);

    assert_int_equal(lookup4(known, &record), 1);
    assert_int_equal(lookup4(nowhere, &record), 1);
    assert_int_equal(lookup4(0, &record), 1);

    place.fields = 0;
    gate_mmdb_read(&record, GATE_PLACE_ALL, &place);
    assert_int_equal(place.fields, 0);
}


static void
metadata_that_does_not_fit_is_refused(void **state)
{
    size_t  i;

    static const struct {
        int       fault;
        unsigned  nodes;
        unsigned  bits;
        unsigned  version;
    } bad[] = {
        { GATE_MMDB_METADATA, 100, 24, 4 },
        { GATE_MMDB_METADATA, 0xffffffff, 32, 4 },
        { GATE_MMDB_METADATA, 0x20000000, 32, 4 },      /* 2^32 bytes */
        { GATE_MMDB_METADATA, 0x20000001, 32, 4 },
        { GATE_MMDB_DAMAGED, 5, 24, 4 },
        { GATE_MMDB_METADATA, 0, 24, 4 },
        { GATE_MMDB_VERSION, 1, 23, 4 },
        { GATE_MMDB_METADATA, 1, 0, 4 },
        { GATE_MMDB_METADATA, 1, 24, 5 }
    };

    (void) state;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        begin();
        put_country("JP");
        put_metadata(bad[i].nodes, bad[i].bits, bad[i].version);
        assert_int_equal(checked(), bad[i].fault);
    }
}


static void
a_database_without_addresses_or_fields_is_refused(void **state)
{
    (void) state;

    begin();
    bytes[5] = 1;
    put_country("JP");
    fault_is(GATE_MMDB_EMPTY);

    begin();
    put_country("jp");
    fault_is(GATE_MMDB_USELESS);
}


/* copied to its own end, so that a sanitizer sees a byte too many */

static void
a_file_that_ends_early_is_refused_wherever_it_ends(void **state)
{
    int       rc;
    size_t    i;
    uint8_t  *cut;

    (void) state;

    begin();
    put_country("JP");
    end();

    for (i = 0; i < used; i++) {
        cut = malloc(i + 1);
        memcpy(cut, bytes, i);
        rc = opened(cut, i);
        free(cut);

        assert_int_equal(rc, GATE_MMDB_METADATA);
    }
}


/* any byte made any other: found, or read without harm */

static void
no_single_byte_does_harm(void **state)
{
    size_t    i;
    uint8_t   good;
    unsigned  byte;

    MMDB_entry_s  record;

    (void) state;

    begin();
    put_country("JP");
    end();

    for (i = 0; i < used; i++) {
        good = bytes[i];

        for (byte = 0; byte < 256; byte++) {
            bytes[i] = (uint8_t) byte;

            if (checked() == GATE_MMDB_OK && lookup4(known, &record) == 1) {
                gate_mmdb_read(&record, GATE_PLACE_ALL, &place);
            }
        }

        bytes[i] = good;
    }
}


static void
every_fault_has_words(void **state)
{
    int  i;

    (void) state;

    for (i = GATE_MMDB_USELESS; i < 0; i++) {
        assert_true(gate_mmdb_fault(i)[0] != '\0');
    }

    assert_string_equal(gate_mmdb_fault(GATE_MMDB_OK), "");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(an_address_has_the_record_its_bits_lead_to),
        cmocka_unit_test(an_ipv4_database_knows_no_ipv6),
        cmocka_unit_test(pointers_of_the_tree_have_24_28_or_32_bits),
        cmocka_unit_test(all_types_are_skipped_on_the_way_to_a_field),
        cmocka_unit_test(a_size_has_up_to_three_more_bytes),
        cmocka_unit_test(a_pointer_has_one_to_four_bytes),
        cmocka_unit_test(a_key_may_be_a_pointer),
        cmocka_unit_test(a_city_of_maxmind),
        cmocka_unit_test(an_address_of_ipinfo),
        cmocka_unit_test(an_address_of_ipinfo_lite),
        cmocka_unit_test(anonymous_addresses),
        cmocka_unit_test(values_of_a_wrong_shape_are_no_values),
        cmocka_unit_test(a_location_is_on_earth_and_whole),
        cmocka_unit_test(degrees_may_be_floats_but_nothing_else),
        cmocka_unit_test(a_number_has_at_most_32_bits_however_it_is_kept),
        cmocka_unit_test(only_what_is_asked_for_is_read),
        cmocka_unit_test(what_is_nested_without_end_is_refused),
        cmocka_unit_test(nested_metadata_is_refused),
        cmocka_unit_test(metadata_of_no_bytes_at_the_end_of_a_page_is_refused),
        cmocka_unit_test(metadata_may_be_in_a_file_twice),
        cmocka_unit_test(what_grows_by_pointers_is_refused),
        cmocka_unit_test(a_ring_of_pointers_is_refused),
        cmocka_unit_test(damaged_values_are_refused),
        cmocka_unit_test(a_record_of_too_many_values_is_refused),
        cmocka_unit_test(a_damaged_tree_is_refused),
        cmocka_unit_test(a_tree_that_is_a_ring_ends_a_lookup),
        cmocka_unit_test(metadata_that_does_not_fit_is_refused),
        cmocka_unit_test(a_database_without_addresses_or_fields_is_refused),
        cmocka_unit_test(a_file_that_ends_early_is_refused_wherever_it_ends),
        cmocka_unit_test(no_single_byte_does_harm),
        cmocka_unit_test(every_fault_has_words)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
