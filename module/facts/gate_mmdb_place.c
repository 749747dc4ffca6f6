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


static int gate_mmdb_read_code(MMDB_entry_s *record,
    const gate_mmdb_path_t *path, char code[2]);
static int gate_mmdb_read_city(MMDB_entry_s *record, gate_place_t *place);
static int gate_mmdb_read_asn(MMDB_entry_s *record, gate_place_t *place);
static int gate_mmdb_read_location(MMDB_entry_s *record, gate_place_t *place);
static int gate_mmdb_read_radius(MMDB_entry_s *record,
    const gate_mmdb_path_t *path, uint32_t *radius);
static int gate_mmdb_read_anonymous(MMDB_entry_s *record,
    gate_place_t *place);
static int gate_mmdb_find(MMDB_entry_s *record, const char *const *path,
    MMDB_entry_data_s *value);
static int gate_mmdb_number(const MMDB_entry_data_s *value,
    uint32_t *number);
static int gate_mmdb_flag(const MMDB_entry_data_s *value);
static int gate_mmdb_degrees(const MMDB_entry_data_s *value, double max,
    double *degrees);
static int gate_mmdb_decimal(const char *p, size_t len, double *n);
static int gate_mmdb_digits(const char *p, size_t len, uint32_t *n);
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
gate_mmdb_read(MMDB_entry_s *record, unsigned fields, gate_place_t *place)
{
    if ((fields & GATE_PLACE_COUNTRY)
        && gate_mmdb_read_code(record, gate_mmdb_countries, place->country))
    {
        place->fields |= GATE_PLACE_COUNTRY;
    }

    if ((fields & GATE_PLACE_CONTINENT)
        && gate_mmdb_read_code(record, gate_mmdb_continents,
                               place->continent))
    {
        place->fields |= GATE_PLACE_CONTINENT;
    }

    if ((fields & GATE_PLACE_CITY) && gate_mmdb_read_city(record, place)) {
        place->fields |= GATE_PLACE_CITY;
    }

    if ((fields & GATE_PLACE_ASN) && gate_mmdb_read_asn(record, place)) {
        place->fields |= GATE_PLACE_ASN;
    }

    if ((fields & GATE_PLACE_LOCATION)
        && gate_mmdb_read_location(record, place))
    {
        place->fields |= GATE_PLACE_LOCATION;
    }

    if ((fields & GATE_PLACE_ANONYMOUS)
        && gate_mmdb_read_anonymous(record, place))
    {
        place->fields |= GATE_PLACE_ANONYMOUS;
    }
}


static int
gate_mmdb_read_code(MMDB_entry_s *record,
    const gate_mmdb_path_t *path, char code[2])
{
    MMDB_entry_data_s  value;

    for ( /* void */ ; path->path[0]; path++) {

        if (gate_mmdb_find(record, path->path, &value)
            && value.type == MMDB_DATA_TYPE_UTF8_STRING
            && value.data_size == 2
            && value.utf8_string[0] >= 'A' && value.utf8_string[0] <= 'Z'
            && value.utf8_string[1] >= 'A' && value.utf8_string[1] <= 'Z')
        {
            memcpy(code, value.utf8_string, 2);
            return 1;
        }
    }

    return 0;
}


static int
gate_mmdb_read_city(MMDB_entry_s *record, gate_place_t *place)
{
    MMDB_entry_data_s        value;
    const gate_mmdb_path_t  *path;

    for (path = gate_mmdb_cities; path->path[0]; path++) {

        if (gate_mmdb_find(record, path->path, &value)
            && value.type == MMDB_DATA_TYPE_UTF8_STRING
            && value.data_size <= GATE_PLACE_CITY_MAX
            && gate_mmdb_name((const uint8_t *) value.utf8_string,
                              value.data_size))
        {
            memcpy(place->city, value.utf8_string, value.data_size);
            place->city_len = value.data_size;
            return 1;
        }
    }

    return 0;
}


/* a number, or "AS" and a number */

static int
gate_mmdb_read_asn(MMDB_entry_s *record, gate_place_t *place)
{
    uint32_t                 asn;
    MMDB_entry_data_s        value;
    const gate_mmdb_path_t  *path;

    for (path = gate_mmdb_asns; path->path[0]; path++) {

        if (!gate_mmdb_find(record, path->path, &value)) {
            continue;
        }

        if (gate_mmdb_number(&value, &asn)
            || (value.type == MMDB_DATA_TYPE_UTF8_STRING
                && value.data_size > 2
                && memcmp(value.utf8_string, "AS", 2) == 0
                && gate_mmdb_digits(value.utf8_string + 2,
                                    value.data_size - 2, &asn)))
        {
            place->asn = asn;
            return asn != 0;
        }
    }

    return 0;
}


/* both degrees of one source, or none */

static int
gate_mmdb_read_location(MMDB_entry_s *record, gate_place_t *place)
{
    double                   latitude, longitude;
    MMDB_entry_data_s        value;
    const gate_mmdb_path_t  *path;

    for (path = gate_mmdb_locations; path->path[0]; path += 3) {

        if (!gate_mmdb_find(record, path[0].path, &value)
            || !gate_mmdb_degrees(&value, 90, &latitude)
            || !gate_mmdb_find(record, path[1].path, &value)
            || !gate_mmdb_degrees(&value, 180, &longitude))
        {
            continue;
        }

        place->latitude = latitude;
        place->longitude = longitude;
        place->radius = 0;

        (void) gate_mmdb_read_radius(record, &path[2], &place->radius);

        return 1;
    }

    return 0;
}


static int
gate_mmdb_read_radius(MMDB_entry_s *record,
    const gate_mmdb_path_t *path, uint32_t *radius)
{
    MMDB_entry_data_s  value;

    return gate_mmdb_find(record, path->path, &value)
           && (gate_mmdb_number(&value, radius)
               || (value.type == MMDB_DATA_TYPE_UTF8_STRING
                   && gate_mmdb_digits(value.utf8_string, value.data_size,
                                       radius)));
}


/* known if any flag is there, raised or not */

static int
gate_mmdb_read_anonymous(MMDB_entry_s *record, gate_place_t *place)
{
    int                      known;
    unsigned                 anonymous;
    MMDB_entry_data_s        value;
    const gate_mmdb_flag_t  *flag;

    known = 0;
    anonymous = 0;

    for (flag = gate_mmdb_flags; flag->path[0]; flag++) {

        if (!gate_mmdb_find(record, flag->path, &value)) {
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


static int
gate_mmdb_find(MMDB_entry_s *record, const char *const *path,
    MMDB_entry_data_s *value)
{
    return MMDB_aget_value(record, value, path) == MMDB_SUCCESS
           && value->has_data;
}


/* an unsigned one, of up to 32 bits */

static int
gate_mmdb_number(const MMDB_entry_data_s *value, uint32_t *number)
{
    switch (value->type) {

    case MMDB_DATA_TYPE_UINT16:
        *number = value->uint16;
        return 1;

    case MMDB_DATA_TYPE_UINT32:
        *number = value->uint32;
        return 1;

    case MMDB_DATA_TYPE_UINT64:

        if (value->uint64 > UINT32_MAX) {
            return 0;
        }

        *number = (uint32_t) value->uint64;
        return 1;

    default:
        return 0;
    }
}


/* 1, 0, or -1 for what is no flag; IPinfo writes "true" and "" */

static int
gate_mmdb_flag(const MMDB_entry_data_s *value)
{
    if (value->type == MMDB_DATA_TYPE_BOOLEAN) {
        return value->boolean;
    }

    if (value->type != MMDB_DATA_TYPE_UTF8_STRING) {
        return -1;
    }

    if (value->data_size == 0
        || (value->data_size == 5
            && memcmp(value->utf8_string, "false", 5) == 0))
    {
        return 0;
    }

    return value->data_size == 4 && memcmp(value->utf8_string, "true", 4) == 0
           ? 1 : -1;
}


static int
gate_mmdb_degrees(const MMDB_entry_data_s *value, double max, double *degrees)
{
    switch (value->type) {

    case MMDB_DATA_TYPE_DOUBLE:
        *degrees = value->double_value;
        break;

    case MMDB_DATA_TYPE_FLOAT:
        *degrees = value->float_value;
        break;

    case MMDB_DATA_TYPE_UTF8_STRING:

        if (!gate_mmdb_decimal(value->utf8_string, value->data_size, degrees))
        {
            return 0;
        }

        break;

    default:
        return 0;
    }

    /* not a number is neither */

    return *degrees >= -max && *degrees <= max;
}


/* "-139.6917": up to 3 digits, and 15 behind the point */

static int
gate_mmdb_decimal(const char *p, size_t len, double *n)
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
gate_mmdb_digits(const char *p, size_t len, uint32_t *n)
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
