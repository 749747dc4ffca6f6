/*
 * The format: https://maxmind.github.io/MaxMind-DB/.  A reader of our own, as
 * the library that exists walks nested maps by recursion without end (a small
 * crafted file overflows the stack) and wants a file that it can map.
 *
 * A value is one byte of type and size, more bytes of size, and its bytes;
 * what a map or an array has follows it.  So a value is skipped by counting
 * what is still to come, without a stack.  Only the check follows nested
 * values and pointers, as deep as GATE_MMDB_DEPTH.
 */


#include "gate_mmdb.h"

#include <string.h>


/* the metadata follows the last marker of so many bytes at the file's end */
#define GATE_MMDB_MARKER      "\xab\xcd\xefMaxMind.com"
#define GATE_MMDB_MARKER_LEN  (sizeof(GATE_MMDB_MARKER) - 1)
#define GATE_MMDB_TAIL        (128 * 1024)

/* zeros between the tree and the records */
#define GATE_MMDB_SEPARATOR   16

/* real records have 5 levels and 200 values */
#define GATE_MMDB_DEPTH       16
#define GATE_MMDB_VALUES      4096

/* records that are looked at for any field, to know what a database has */
#define GATE_MMDB_TRIAL       65536


static int gate_mmdb_metadata(gate_mmdb_t *db,
    const gate_mmdb_section_t *meta);
static int gate_mmdb_meta_number(const gate_mmdb_section_t *meta,
    const char *key, uint32_t *number);
static uint32_t gate_mmdb_node(const gate_mmdb_t *db, uint32_t node,
    unsigned right);
static int gate_mmdb_leaf(const gate_mmdb_t *db, uint32_t pointer,
    uint32_t *record);
static int gate_mmdb_check_record(gate_mmdb_check_t *check, uint32_t record,
    size_t *steps);
static int gate_mmdb_walk(const gate_mmdb_section_t *section, size_t *at,
    unsigned depth, size_t *values);
static int gate_mmdb_walk_pairs(const gate_mmdb_section_t *section,
    const gate_mmdb_value_t *value, size_t *at, unsigned depth,
    size_t *values);
static int gate_mmdb_enter(const gate_mmdb_section_t *section, size_t *at,
    const char *key);
static int gate_mmdb_skip(const gate_mmdb_section_t *section, size_t *at,
    size_t *values);
static int gate_mmdb_follow(const gate_mmdb_section_t *section, size_t at,
    gate_mmdb_value_t *value);
static int gate_mmdb_value(const gate_mmdb_section_t *section, size_t at,
    gate_mmdb_value_t *value);
static int gate_mmdb_pointer(const gate_mmdb_section_t *section, size_t at,
    unsigned control, gate_mmdb_value_t *value);
static int gate_mmdb_fits(gate_mmdb_value_t *value, size_t rest);


int
gate_mmdb_open(gate_mmdb_t *db, const uint8_t *p, size_t size)
{
    int                  rc;
    size_t               i, tail, tree;
    unsigned             k;
    gate_mmdb_section_t  meta;

    tail = size < GATE_MMDB_TAIL ? size : GATE_MMDB_TAIL;

    if (tail < GATE_MMDB_MARKER_LEN) {
        return GATE_MMDB_METADATA;
    }

    for (i = size - GATE_MMDB_MARKER_LEN;
         memcmp(p + i, GATE_MMDB_MARKER, GATE_MMDB_MARKER_LEN) != 0;
         i--)
    {
        if (i == size - tail) {
            return GATE_MMDB_METADATA;
        }
    }

    meta.data = p + i + GATE_MMDB_MARKER_LEN;
    meta.size = size - i - GATE_MMDB_MARKER_LEN;

    rc = gate_mmdb_metadata(db, &meta);

    if (rc != GATE_MMDB_OK) {
        return rc;
    }

    /* 28 bits: seven bytes are a node; no overflow, as "i" is below 2^63 */

    if (db->nodes > i / (db->bits / 4)) {
        return GATE_MMDB_METADATA;
    }

    tree = (size_t) db->nodes * (db->bits / 4);

    if (i - tree < GATE_MMDB_SEPARATOR) {
        return GATE_MMDB_METADATA;
    }

    for (k = 0; k < GATE_MMDB_SEPARATOR; k++) {
        if (p[tree + k] != 0) {
            return GATE_MMDB_DAMAGED;
        }
    }

    db->tree = p;
    db->section.data = p + tree + GATE_MMDB_SEPARATOR;
    db->section.size = i - tree - GATE_MMDB_SEPARATOR;

    /* an IPv6 tree has IPv4 addresses below ::/96 */

    db->ipv4 = 0;

    for (k = 0; db->version == 6 && k < 96 && db->ipv4 < db->nodes; k++) {
        db->ipv4 = gate_mmdb_node(db, db->ipv4, 0);
    }

    return GATE_MMDB_OK;
}


static int
gate_mmdb_metadata(gate_mmdb_t *db, const gate_mmdb_section_t *meta)
{
    size_t    at, values;
    uint32_t  major, bits, version;

    at = 0;
    values = 0;

    if (gate_mmdb_walk(meta, &at, 0, &values) != GATE_MMDB_OK
        || gate_mmdb_meta_number(meta, "binary_format_major_version", &major)
           != GATE_MMDB_OK
        || gate_mmdb_meta_number(meta, "node_count", &db->nodes)
           != GATE_MMDB_OK
        || gate_mmdb_meta_number(meta, "record_size", &bits) != GATE_MMDB_OK
        || gate_mmdb_meta_number(meta, "ip_version", &version)
           != GATE_MMDB_OK)
    {
        return GATE_MMDB_METADATA;
    }

    if (major != 2
        || (bits != 24 && bits != 28 && bits != 32)
        || (version != 4 && version != 6))
    {
        return GATE_MMDB_VERSION;
    }

    db->bits = bits;
    db->version = version;

    return db->nodes ? GATE_MMDB_OK : GATE_MMDB_EMPTY;
}


static int
gate_mmdb_meta_number(const gate_mmdb_section_t *meta, const char *key,
    uint32_t *number)
{
    const char         *path[2];
    gate_mmdb_value_t   value;

    path[0] = key;
    path[1] = NULL;

    return gate_mmdb_find(meta, 0, path, &value) == GATE_MMDB_OK
           ? gate_mmdb_number(&value, number) : GATE_MMDB_NONE;
}


/* one of the two pointers of a node, which must be below db->nodes */

static uint32_t
gate_mmdb_node(const gate_mmdb_t *db, uint32_t node, unsigned right)
{
    const uint8_t  *p;

    p = db->tree + (size_t) node * (db->bits / 4);

    switch (db->bits) {

    case 24:
        p += right * 3;
        return (uint32_t) p[0] << 16 | (uint32_t) p[1] << 8 | p[2];

    case 28:
        return right ? (uint32_t) (p[3] & 0x0f) << 24 | (uint32_t) p[4] << 16
                       | (uint32_t) p[5] << 8 | p[6]
                     : (uint32_t) (p[3] & 0xf0) << 20 | (uint32_t) p[0] << 16
                       | (uint32_t) p[1] << 8 | p[2];

    default: /* 32 */
        p += right * 4;
        return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16
               | (uint32_t) p[2] << 8 | p[3];
    }
}


/* what a pointer means that is not a node */

static int
gate_mmdb_leaf(const gate_mmdb_t *db, uint32_t pointer, uint32_t *record)
{
    if (pointer == db->nodes) {
        return GATE_MMDB_NONE;
    }

    if (pointer - db->nodes < GATE_MMDB_SEPARATOR
        || pointer - db->nodes - GATE_MMDB_SEPARATOR >= db->section.size)
    {
        return GATE_MMDB_DAMAGED;
    }

    *record = pointer - db->nodes - GATE_MMDB_SEPARATOR;

    return GATE_MMDB_OK;
}


int
gate_mmdb_lookup(const gate_mmdb_t *db, const uint8_t *address, unsigned bits,
    uint32_t *record)
{
    unsigned  i;
    uint32_t  pointer;

    if (bits == 128 && db->version == 4) {
        return GATE_MMDB_NONE;
    }

    pointer = bits == 128 ? 0 : db->ipv4;

    for (i = 0; i < bits && pointer < db->nodes; i++) {
        pointer = gate_mmdb_node(db, pointer,
                                 address[i / 8] >> (7 - i % 8) & 1);
    }

    /* more levels than an address has bits */

    if (pointer < db->nodes) {
        return GATE_MMDB_DAMAGED;
    }

    return gate_mmdb_leaf(db, pointer, record);
}


void
gate_mmdb_check_init(gate_mmdb_check_t *check, const gate_mmdb_t *db,
    unsigned wanted)
{
    memset(check, 0, sizeof(gate_mmdb_check_t));
    memset(check->seen, 0xff, sizeof(check->seen));

    check->db = *db;
    check->wanted = wanted;
}


int
gate_mmdb_check(gate_mmdb_check_t *check, size_t budget)
{
    int       rc;
    size_t    steps;
    unsigned  right;
    uint32_t  pointer, record;

    for (steps = 0; check->node < check->db.nodes; check->node++) {

        if (steps >= budget) {
            return GATE_MMDB_AGAIN;
        }

        for (right = 0; right < 2; right++) {
            pointer = gate_mmdb_node(&check->db, check->node, right);
            steps++;

            if (pointer < check->db.nodes) {
                continue;
            }

            rc = gate_mmdb_leaf(&check->db, pointer, &record);

            if (rc == GATE_MMDB_OK) {
                rc = gate_mmdb_check_record(check, record, &steps);
            }

            if (rc < 0) {
                return rc;
            }
        }
    }

    if (check->records == 0) {
        return GATE_MMDB_EMPTY;
    }

    return check->fields ? GATE_MMDB_OK : GATE_MMDB_USELESS;
}


static int
gate_mmdb_check_record(gate_mmdb_check_t *check, uint32_t record,
    size_t *steps)
{
    int            rc;
    size_t         at, values;
    uint32_t      *seen;
    unsigned       missing;
    gate_place_t   place;

    /* neighbours in the tree often share a record */

    seen = &check->seen[record % GATE_MMDB_SEEN];

    if (*seen == record) {
        return GATE_MMDB_OK;
    }

    at = record;
    values = 0;

    rc = gate_mmdb_walk(&check->db.section, &at, 0, &values);
    *steps += values;

    if (rc != GATE_MMDB_OK) {
        return rc;
    }

    *seen = record;

    missing = check->records < GATE_MMDB_TRIAL ? GATE_PLACE_ALL
                                               : check->wanted;
    missing &= ~check->fields;
    check->records++;

    if (missing) {
        place.fields = 0;
        gate_mmdb_read(&check->db, record, missing, &place);
        check->fields |= place.fields;

        *steps += values;
    }

    return GATE_MMDB_OK;
}


/* all of a value, and what it points to; at is then after it */

static int
gate_mmdb_walk(const gate_mmdb_section_t *section, size_t *at, unsigned depth,
    size_t *values)
{
    int                rc;
    size_t             i, there;
    gate_mmdb_value_t  value;

    if (depth == GATE_MMDB_DEPTH) {
        return GATE_MMDB_DEEP;
    }

    if (++*values > GATE_MMDB_VALUES) {
        return GATE_MMDB_LARGE;
    }

    rc = gate_mmdb_value(section, *at, &value);

    if (rc != GATE_MMDB_OK) {
        return rc;
    }

    *at = value.next;

    switch (value.type) {

    case GATE_MMDB_POINTER:
        there = value.size;

        if (gate_mmdb_value(section, there, &value) != GATE_MMDB_OK
            || value.type == GATE_MMDB_POINTER)
        {
            return GATE_MMDB_DAMAGED;
        }

        return gate_mmdb_walk(section, &there, depth + 1, values);

    case GATE_MMDB_MAP:
        return gate_mmdb_walk_pairs(section, &value, at, depth, values);

    case GATE_MMDB_ARRAY:

        for (i = 0; i < value.size; i++) {
            rc = gate_mmdb_walk(section, at, depth + 1, values);

            if (rc != GATE_MMDB_OK) {
                return rc;
            }
        }

        return GATE_MMDB_OK;

    default:
        return GATE_MMDB_OK;
    }
}


static int
gate_mmdb_walk_pairs(const gate_mmdb_section_t *section,
    const gate_mmdb_value_t *value, size_t *at, unsigned depth, size_t *values)
{
    int                rc;
    size_t             i;
    gate_mmdb_value_t  key;

    for (i = 0; i < value->size; i++) {

        rc = gate_mmdb_follow(section, *at, &key);

        if (rc != GATE_MMDB_OK) {
            return rc;
        }

        if (key.type != GATE_MMDB_STRING) {
            return GATE_MMDB_DAMAGED;
        }

        rc = gate_mmdb_walk(section, at, depth + 1, values);

        if (rc == GATE_MMDB_OK) {
            rc = gate_mmdb_walk(section, at, depth + 1, values);
        }

        if (rc != GATE_MMDB_OK) {
            return rc;
        }
    }

    return GATE_MMDB_OK;
}


int
gate_mmdb_find(const gate_mmdb_section_t *section, size_t at,
    const char *const *path, gate_mmdb_value_t *value)
{
    int  rc;

    for ( /* void */ ; *path; path++) {
        rc = gate_mmdb_enter(section, &at, *path);

        if (rc != GATE_MMDB_OK) {
            return rc;
        }
    }

    return gate_mmdb_follow(section, at, value);
}


/* from a map to the value of its key */

static int
gate_mmdb_enter(const gate_mmdb_section_t *section, size_t *at,
    const char *key)
{
    int                rc;
    size_t             len, next, values;
    uint32_t           pairs;
    gate_mmdb_value_t  value;

    rc = gate_mmdb_follow(section, *at, &value);

    if (rc != GATE_MMDB_OK) {
        return rc;
    }

    if (value.type != GATE_MMDB_MAP) {
        return GATE_MMDB_NONE;
    }

    len = strlen(key);
    next = value.next;
    values = 0;

    for (pairs = value.size; pairs; pairs--) {

        rc = gate_mmdb_follow(section, next, &value);

        if (rc == GATE_MMDB_OK) {
            rc = gate_mmdb_skip(section, &next, &values);
        }

        if (rc != GATE_MMDB_OK) {
            return rc;
        }

        if (value.type == GATE_MMDB_STRING && value.size == len
            && memcmp(value.p, key, len) == 0)
        {
            *at = next;
            return GATE_MMDB_OK;
        }

        rc = gate_mmdb_skip(section, &next, &values);

        if (rc != GATE_MMDB_OK) {
            return rc;
        }
    }

    return GATE_MMDB_NONE;
}


/* over a value and all that is in it, but not where it points to */

static int
gate_mmdb_skip(const gate_mmdb_section_t *section, size_t *at, size_t *values)
{
    int                rc;
    uint64_t           rest;
    gate_mmdb_value_t  value;

    for (rest = 1; rest; rest--) {

        if (++*values > GATE_MMDB_VALUES) {
            return GATE_MMDB_LARGE;
        }

        rc = gate_mmdb_value(section, *at, &value);

        if (rc != GATE_MMDB_OK) {
            return rc;
        }

        *at = value.next;

        if (value.type == GATE_MMDB_MAP) {
            rest += (uint64_t) value.size * 2;

        } else if (value.type == GATE_MMDB_ARRAY) {
            rest += value.size;
        }
    }

    return GATE_MMDB_OK;
}


/* the value at "at", or the one it points to */

static int
gate_mmdb_follow(const gate_mmdb_section_t *section, size_t at,
    gate_mmdb_value_t *value)
{
    int  rc;

    rc = gate_mmdb_value(section, at, value);

    if (rc != GATE_MMDB_OK || value->type != GATE_MMDB_POINTER) {
        return rc;
    }

    rc = gate_mmdb_value(section, value->size, value);

    if (rc == GATE_MMDB_OK && value->type == GATE_MMDB_POINTER) {
        return GATE_MMDB_DAMAGED;
    }

    return rc;
}


static int
gate_mmdb_value(const gate_mmdb_section_t *section, size_t at,
    gate_mmdb_value_t *value)
{
    size_t          rest;
    unsigned        control, type, more;
    const uint8_t  *p;

    static const uint32_t  base[] = { 0, 29, 285, 65821 };

    if (at >= section->size) {
        return GATE_MMDB_DAMAGED;
    }

    p = section->data + at;
    rest = section->size - at - 1;

    control = *p++;
    type = control >> 5;

    if (type == GATE_MMDB_POINTER) {
        return gate_mmdb_pointer(section, at, control, value);
    }

    if (type == 0) {

        if (rest == 0 || *p == 0) {
            return GATE_MMDB_DAMAGED;
        }

        type = 7 + *p++;
        rest--;
    }

    value->type = (gate_mmdb_type_e) type;
    value->size = control & 0x1f;

    if (value->size >= 29) {
        more = value->size - 28;
        value->size = 0;

        if (rest < more) {
            return GATE_MMDB_DAMAGED;
        }

        for (rest -= more, control = more; control; control--) {
            value->size = value->size << 8 | *p++;
        }

        value->size += base[more];
    }

    value->p = p;

    if (gate_mmdb_fits(value, rest) != GATE_MMDB_OK) {
        return GATE_MMDB_DAMAGED;
    }

    value->next += p - section->data;

    return GATE_MMDB_OK;
}


/* one to four bytes; the shorter ones begin where the next shorter end */

static int
gate_mmdb_pointer(const gate_mmdb_section_t *section, size_t at,
    unsigned control, gate_mmdb_value_t *value)
{
    unsigned        i, n;
    uint32_t        there;
    const uint8_t  *p;

    static const uint32_t  base[] = { 0, 2048, 526336, 0 };

    n = (control >> 3 & 3) + 1;
    p = section->data + at + 1;

    if (section->size - at - 1 < n) {
        return GATE_MMDB_DAMAGED;
    }

    there = n == 4 ? 0 : control & 7;

    for (i = 0; i < n; i++) {
        there = there << 8 | p[i];
    }

    there += base[n - 1];

    if (there >= section->size) {
        return GATE_MMDB_DAMAGED;
    }

    value->type = GATE_MMDB_POINTER;
    value->size = there;
    value->p = p;
    value->next = at + 1 + n;

    return GATE_MMDB_OK;
}


/* is there room for its bytes, and are they as many as its type has? */

static int
gate_mmdb_fits(gate_mmdb_value_t *value, size_t rest)
{
    uint32_t  min, max;

    min = 0;
    max = value->size;

    switch (value->type) {

    case GATE_MMDB_STRING:
    case GATE_MMDB_BYTES:
        break;

    case GATE_MMDB_MAP:
    case GATE_MMDB_ARRAY:
        value->next = 0;
        return value->size <= rest ? GATE_MMDB_OK : GATE_MMDB_DAMAGED;

    case GATE_MMDB_BOOLEAN:
        value->next = 0;
        return value->size < 2 ? GATE_MMDB_OK : GATE_MMDB_DAMAGED;

    case GATE_MMDB_DOUBLE:
        min = max = 8;
        break;

    case GATE_MMDB_FLOAT:
        min = max = 4;
        break;

    case GATE_MMDB_UINT16:
        max = 2;
        break;

    case GATE_MMDB_UINT32:
    case GATE_MMDB_INT32:
        max = 4;
        break;

    case GATE_MMDB_UINT64:
        max = 8;
        break;

    case GATE_MMDB_UINT128:
        max = 16;
        break;

    default:
        return GATE_MMDB_DAMAGED;
    }

    value->next = value->size;

    return value->size >= min && value->size <= max && value->size <= rest
           ? GATE_MMDB_OK : GATE_MMDB_DAMAGED;
}


int
gate_mmdb_number(const gate_mmdb_value_t *value, uint32_t *number)
{
    uint32_t  i;

    if ((value->type != GATE_MMDB_UINT16 && value->type != GATE_MMDB_UINT32
         && value->type != GATE_MMDB_UINT64)
        || value->size > 4)
    {
        return GATE_MMDB_NONE;
    }

    *number = 0;

    for (i = 0; i < value->size; i++) {
        *number = *number << 8 | value->p[i];
    }

    return GATE_MMDB_OK;
}


const char *
gate_mmdb_fault(int fault)
{
    switch (fault) {

    case GATE_MMDB_METADATA:
        return "is truncated or not a MaxMind database";

    case GATE_MMDB_VERSION:
        return "is of a version or shape of MaxMind's format that is unknown";

    case GATE_MMDB_DAMAGED:
        return "is damaged";

    case GATE_MMDB_DEEP:
        return "is damaged: a record is nested too deep";

    case GATE_MMDB_LARGE:
        return "is damaged: a record has too many values";

    case GATE_MMDB_EMPTY:
        return "has no addresses";

    case GATE_MMDB_USELESS:
        return "has neither countries, continents, cities, locations, "
               "networks nor anonymous addresses";

    default:
        return "";
    }
}
