/*
 * The fields of a record: where MaxMind, DB-IP and IPinfo write what, and what
 * of it is taken for true.  A value of the wrong shape is no value: a code
 * that is not two letters, a degree beyond the pole, a name that could forge
 * a line of a log.
 */


#include "gate_mmdb.h"

#include <string.h>


typedef struct {
    const char  *path[4];
} gate_mmdb_path_t;


typedef struct {
    const char  *path[3];
    unsigned     how;
} gate_mmdb_flag_t;


static int gate_mmdb_read_code(const gate_mmdb_t *db, uint32_t record,
    const gate_mmdb_path_t *path, char code[2]);
static int gate_mmdb_read_city(const gate_mmdb_t *db, uint32_t record,
    gate_place_t *place);
static int gate_mmdb_read_asn(const gate_mmdb_t *db, uint32_t record,
    gate_place_t *place);
static int gate_mmdb_read_location(const gate_mmdb_t *db, uint32_t record,
    gate_place_t *place);
static int gate_mmdb_read_radius(const gate_mmdb_t *db, uint32_t record,
    const gate_mmdb_path_t *path, uint32_t *radius);
static int gate_mmdb_read_anonymous(const gate_mmdb_t *db, uint32_t record,
    gate_place_t *place);
static int gate_mmdb_degrees(const gate_mmdb_value_t *value, double max,
    double *degrees);
static int gate_mmdb_decimal(const uint8_t *p, size_t len, double *n);
static int gate_mmdb_digits(const uint8_t *p, size_t len, uint32_t *n);
static int gate_mmdb_flag(const gate_mmdb_value_t *value);
static int gate_mmdb_name(const uint8_t *p, size_t len);
static size_t gate_mmdb_character(const uint8_t *p, size_t len,
    uint32_t *character);


/* each list in the order of belief; the last path is empty */

static const gate_mmdb_path_t  gate_mmdb_countries[] = {
    { { "country", "iso_code", NULL } },
    { { "country_code", NULL } },
    { { "country", NULL } },                /* IPinfo */
    { { NULL } }
};


static const gate_mmdb_path_t  gate_mmdb_continents[] = {
    { { "continent", "code", NULL } },
    { { "continent_code", NULL } },
    { { "continent", NULL } },              /* IPinfo */
    { { NULL } }
};


static const gate_mmdb_path_t  gate_mmdb_cities[] = {
    { { "city", "names", "en", NULL } },
    { { "city", NULL } },                   /* IPinfo */
    { { NULL } }
};


static const gate_mmdb_path_t  gate_mmdb_asns[] = {
    { { "autonomous_system_number", NULL } },
    { { "traits", "autonomous_system_number", NULL } },
    { { "asn", NULL } },                    /* IPinfo: "AS2497" */
    { { NULL } }
};


/* latitude, longitude, radius, by threes */

static const gate_mmdb_path_t  gate_mmdb_locations[] = {
    { { "location", "latitude", NULL } },
    { { "location", "longitude", NULL } },
    { { "location", "accuracy_radius", NULL } },

    { { "latitude", NULL } },
    { { "longitude", NULL } },
    { { "radius", NULL } },

    { { "lat", NULL } },                    /* IPinfo: "35.6895" */
    { { "lng", NULL } },
    { { "radius", NULL } },

    { { NULL } }
};


static const gate_mmdb_flag_t  gate_mmdb_flags[] = {
    { { "is_anonymous", NULL }, GATE_ANONYMOUS_ANY },
    { { "is_anonymous_vpn", NULL }, GATE_ANONYMOUS_VPN },
    { { "is_hosting_provider", NULL }, GATE_ANONYMOUS_HOSTING },
    { { "is_public_proxy", NULL }, GATE_ANONYMOUS_PROXY },
    { { "is_residential_proxy", NULL }, GATE_ANONYMOUS_PROXY },
    { { "is_tor_exit_node", NULL }, GATE_ANONYMOUS_TOR },

    /* of GeoIP2 Enterprise and DB-IP */

    { { "traits", "is_anonymous", NULL }, GATE_ANONYMOUS_ANY },
    { { "traits", "is_anonymous_proxy", NULL }, GATE_ANONYMOUS_PROXY },
    { { "traits", "is_anonymous_vpn", NULL }, GATE_ANONYMOUS_VPN },
    { { "traits", "is_hosting_provider", NULL }, GATE_ANONYMOUS_HOSTING },
    { { "traits", "is_public_proxy", NULL }, GATE_ANONYMOUS_PROXY },
    { { "traits", "is_residential_proxy", NULL }, GATE_ANONYMOUS_PROXY },
    { { "traits", "is_tor_exit_node", NULL }, GATE_ANONYMOUS_TOR },

    /* of IPinfo */

    { { "vpn", NULL }, GATE_ANONYMOUS_VPN },
    { { "proxy", NULL }, GATE_ANONYMOUS_PROXY },
    { { "relay", NULL }, GATE_ANONYMOUS_PROXY },
    { { "tor", NULL }, GATE_ANONYMOUS_TOR },
    { { "hosting", NULL }, GATE_ANONYMOUS_HOSTING },

    { { NULL }, 0 }
};


void
gate_mmdb_read(const gate_mmdb_t *db, uint32_t record, unsigned fields,
    gate_place_t *place)
{
    if ((fields & GATE_PLACE_COUNTRY)
        && gate_mmdb_read_code(db, record, gate_mmdb_countries,
                               place->country))
    {
        place->fields |= GATE_PLACE_COUNTRY;
    }

    if ((fields & GATE_PLACE_CONTINENT)
        && gate_mmdb_read_code(db, record, gate_mmdb_continents,
                               place->continent))
    {
        place->fields |= GATE_PLACE_CONTINENT;
    }

    if ((fields & GATE_PLACE_CITY)
        && gate_mmdb_read_city(db, record, place))
    {
        place->fields |= GATE_PLACE_CITY;
    }

    if ((fields & GATE_PLACE_ASN) && gate_mmdb_read_asn(db, record, place)) {
        place->fields |= GATE_PLACE_ASN;
    }

    if ((fields & GATE_PLACE_LOCATION)
        && gate_mmdb_read_location(db, record, place))
    {
        place->fields |= GATE_PLACE_LOCATION;
    }

    if ((fields & GATE_PLACE_ANONYMOUS)
        && gate_mmdb_read_anonymous(db, record, place))
    {
        place->fields |= GATE_PLACE_ANONYMOUS;
    }
}


static int
gate_mmdb_read_code(const gate_mmdb_t *db, uint32_t record,
    const gate_mmdb_path_t *path, char code[2])
{
    gate_mmdb_value_t  value;

    for ( /* void */ ; path->path[0]; path++) {

        if (gate_mmdb_find(&db->section, record, path->path, &value)
            == GATE_MMDB_OK
            && value.type == GATE_MMDB_STRING
            && value.size == 2
            && value.p[0] >= 'A' && value.p[0] <= 'Z'
            && value.p[1] >= 'A' && value.p[1] <= 'Z')
        {
            code[0] = (char) value.p[0];
            code[1] = (char) value.p[1];
            return 1;
        }
    }

    return 0;
}


static int
gate_mmdb_read_city(const gate_mmdb_t *db, uint32_t record,
    gate_place_t *place)
{
    gate_mmdb_value_t        value;
    const gate_mmdb_path_t  *path;

    for (path = gate_mmdb_cities; path->path[0]; path++) {

        if (gate_mmdb_find(&db->section, record, path->path, &value)
            == GATE_MMDB_OK
            && value.type == GATE_MMDB_STRING
            && value.size <= GATE_PLACE_CITY_MAX
            && gate_mmdb_name(value.p, value.size))
        {
            memcpy(place->city, value.p, value.size);
            place->city_len = value.size;
            return 1;
        }
    }

    return 0;
}


/* a number, or "AS" and a number */

static int
gate_mmdb_read_asn(const gate_mmdb_t *db, uint32_t record,
    gate_place_t *place)
{
    uint32_t                 asn;
    gate_mmdb_value_t        value;
    const gate_mmdb_path_t  *path;

    for (path = gate_mmdb_asns; path->path[0]; path++) {

        if (gate_mmdb_find(&db->section, record, path->path, &value)
            != GATE_MMDB_OK)
        {
            continue;
        }

        if (gate_mmdb_number(&value, &asn) == GATE_MMDB_OK
            || (value.type == GATE_MMDB_STRING && value.size > 2
                && value.p[0] == 'A' && value.p[1] == 'S'
                && gate_mmdb_digits(value.p + 2, value.size - 2, &asn)))
        {
            place->asn = asn;
            return asn != 0;
        }
    }

    return 0;
}


/* both degrees of one source, or none */

static int
gate_mmdb_read_location(const gate_mmdb_t *db, uint32_t record,
    gate_place_t *place)
{
    double                   latitude, longitude;
    gate_mmdb_value_t        value;
    const gate_mmdb_path_t  *path;

    for (path = gate_mmdb_locations; path->path[0]; path += 3) {

        if (gate_mmdb_find(&db->section, record, path[0].path, &value)
            != GATE_MMDB_OK
            || !gate_mmdb_degrees(&value, 90, &latitude)
            || gate_mmdb_find(&db->section, record, path[1].path, &value)
               != GATE_MMDB_OK
            || !gate_mmdb_degrees(&value, 180, &longitude))
        {
            continue;
        }

        place->latitude = latitude;
        place->longitude = longitude;
        place->radius = 0;

        (void) gate_mmdb_read_radius(db, record, &path[2], &place->radius);

        return 1;
    }

    return 0;
}


static int
gate_mmdb_read_radius(const gate_mmdb_t *db, uint32_t record,
    const gate_mmdb_path_t *path, uint32_t *radius)
{
    gate_mmdb_value_t  value;

    return gate_mmdb_find(&db->section, record, path->path, &value)
           == GATE_MMDB_OK
           && (gate_mmdb_number(&value, radius) == GATE_MMDB_OK
               || (value.type == GATE_MMDB_STRING
                   && gate_mmdb_digits(value.p, value.size, radius)));
}


/* known if any flag is there, raised or not */

static int
gate_mmdb_read_anonymous(const gate_mmdb_t *db, uint32_t record,
    gate_place_t *place)
{
    int                      known;
    unsigned                 anonymous;
    gate_mmdb_value_t        value;
    const gate_mmdb_flag_t  *flag;

    known = 0;
    anonymous = 0;

    for (flag = gate_mmdb_flags; flag->path[0]; flag++) {

        if (gate_mmdb_find(&db->section, record, flag->path, &value)
            != GATE_MMDB_OK)
        {
            continue;
        }

        switch (gate_mmdb_flag(&value)) {

        case 1:
            anonymous |= flag->how;
            /* fall through */

        case 0:
            known = 1;
            break;

        default:
            break;
        }
    }

    if (known) {
        place->anonymous = anonymous;
    }

    return known;
}


/* 1, 0, or -1 for what is no flag; IPinfo writes "true" and "" */

static int
gate_mmdb_flag(const gate_mmdb_value_t *value)
{
    if (value->type == GATE_MMDB_BOOLEAN) {
        return value->size;
    }

    if (value->type != GATE_MMDB_STRING) {
        return -1;
    }

    if (value->size == 0
        || (value->size == 5 && memcmp(value->p, "false", 5) == 0))
    {
        return 0;
    }

    return value->size == 4 && memcmp(value->p, "true", 4) == 0 ? 1 : -1;
}


static int
gate_mmdb_degrees(const gate_mmdb_value_t *value, double max, double *degrees)
{
    float     f;
    size_t    i;
    uint32_t  single;
    uint64_t  bits;

    if (value->type == GATE_MMDB_STRING) {

        if (!gate_mmdb_decimal(value->p, value->size, degrees)) {
            return 0;
        }

    } else if (value->type == GATE_MMDB_DOUBLE
               || value->type == GATE_MMDB_FLOAT)
    {
        /* IEEE 754, in network order */

        bits = 0;

        for (i = 0; i < value->size; i++) {
            bits = bits << 8 | value->p[i];
        }

        if (value->type == GATE_MMDB_DOUBLE) {
            memcpy(degrees, &bits, sizeof(double));

        } else {
            single = (uint32_t) bits;
            memcpy(&f, &single, sizeof(float));
            *degrees = f;
        }

    } else {
        return 0;
    }

    /* not a number is neither */

    return *degrees >= -max && *degrees <= max;
}


/* "-139.6917": up to 3 digits, and 15 behind the point */

static int
gate_mmdb_decimal(const uint8_t *p, size_t len, double *n)
{
    double  unit;
    size_t  i, digits, point;

    *n = 0;
    unit = 1;
    point = 0;
    digits = 0;

    for (i = len && p[0] == '-'; i < len; i++) {

        if (p[i] == '.' && !point && digits) {
            point = 1;
            continue;
        }

        if (p[i] < '0' || p[i] > '9' || ++digits > 18) {
            return 0;
        }

        *n = *n * 10 + (p[i] - '0');
        unit *= point ? 10 : 1;
    }

    *n /= len && p[0] == '-' ? -unit : unit;

    return digits > 0;
}


static int
gate_mmdb_digits(const uint8_t *p, size_t len, uint32_t *n)
{
    size_t    i;
    uint64_t  sum;

    sum = 0;

    for (i = 0; i < len; i++) {

        if (p[i] < '0' || p[i] > '9' || i == 10) {
            return 0;
        }

        sum = sum * 10 + (p[i] - '0');
    }

    *n = (uint32_t) sum;

    return len > 0 && sum <= UINT32_MAX;
}


/* UTF-8 (RFC 3629) without control characters and marks of direction */

static int
gate_mmdb_name(const uint8_t *p, size_t len)
{
    size_t    i, n;
    uint32_t  character;

    for (i = 0; i < len; i += n) {
        n = gate_mmdb_character(p + i, len - i, &character);

        if (n == 0
            || character < 0x20
            || (character >= 0x7f && character < 0xa0)
            || character == 0x061c
            || character == 0x200e || character == 0x200f
            || (character >= 0x2028 && character <= 0x202e)
            || (character >= 0x2066 && character <= 0x2069))
        {
            return 0;
        }
    }

    return len > 0;
}


/* its length in bytes, 0 if it is none */

static size_t
gate_mmdb_character(const uint8_t *p, size_t len, uint32_t *character)
{
    size_t    i, n;
    uint32_t  c;

    static const uint32_t  least[] = { 0, 0, 0x80, 0x800, 0x10000 };

    if (p[0] < 0x80) {
        *character = p[0];
        return 1;
    }

    n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;

    if (p[0] < 0xc0 || p[0] > 0xf7 || len < n) {
        return 0;
    }

    c = p[0] & (0x7f >> n);

    for (i = 1; i < n; i++) {

        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }

        c = c << 6 | (p[i] & 0x3f);
    }

    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
        return 0;
    }

    *character = c;

    return n;
}
