/*
 * The check.  libmaxminddb decodes each value, within its bounds; here is
 * counted how many there are and how deep, which it does not.  What it makes
 * of the metadata happens when it opens a file, so that part is walked before,
 * as a section of its own, just as the library does then.
 */


#include "gate_mmdb.h"

#include <stdio.h>
#include <string.h>


/* the metadata follows the last marker of so many bytes at the file's end */
#define GATE_MMDB_MARKER      "\xab\xcd\xefMaxMind.com"
#define GATE_MMDB_MARKER_LEN  (sizeof(GATE_MMDB_MARKER) - 1)
#define GATE_MMDB_TAIL        (128 * 1024)

/* of less the library looks behind the end, and nothing fits in */
#define GATE_MMDB_SHORTEST    3

/* zeros between the tree and the records */
#define GATE_MMDB_SEPARATOR   16

/* real records have 5 levels and 200 values */
#define GATE_MMDB_DEPTH       16
#define GATE_MMDB_VALUES      4096

/* records that are looked at for any field, to know what a database has */
#define GATE_MMDB_TRIAL       65536

/* any, where a value of one type is asked for */
#define GATE_MMDB_TYPE_ANY    0


static int gate_mmdb_check_record(gate_mmdb_check_t *check, uint8_t type,
    MMDB_entry_s *record, size_t *steps);
static int gate_mmdb_walk(const MMDB_s *db, uint32_t *at, uint32_t type,
    unsigned depth, size_t *values);
static int gate_mmdb_walk_items(const MMDB_s *db,
    const MMDB_entry_data_s *data, uint32_t *at, unsigned depth,
    size_t *values);


int
gate_mmdb_metadata(const uint8_t *p, size_t size)
{
    MMDB_s    meta;
    size_t    i, tail, values;
    uint32_t  at;

    tail = size < GATE_MMDB_TAIL ? size : GATE_MMDB_TAIL;

    if (tail < GATE_MMDB_MARKER_LEN + GATE_MMDB_SHORTEST) {
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

    i += GATE_MMDB_MARKER_LEN;

    if (size - i < GATE_MMDB_SHORTEST) {
        return GATE_MMDB_METADATA;
    }

    memset(&meta, 0, sizeof(MMDB_s));

    meta.data_section = p + i;
    meta.data_section_size = (uint32_t) (size - i);

    at = 0;
    values = 0;

    return gate_mmdb_walk(&meta, &at, MMDB_DATA_TYPE_MAP, 0, &values)
           == GATE_MMDB_OK ? GATE_MMDB_OK : GATE_MMDB_METADATA;
}


int
gate_mmdb_open(MMDB_s *db, int fd)
{
    char  name[sizeof("/proc/self/fd/-2147483648")];

    (void) snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);

    switch (MMDB_open(name, MMDB_MODE_MMAP, db)) {

    case MMDB_SUCCESS:
        return GATE_MMDB_OK;

    case MMDB_FILE_OPEN_ERROR:
    case MMDB_IO_ERROR:
    case MMDB_OUT_OF_MEMORY_ERROR:
        return GATE_MMDB_FAILED;

    case MMDB_UNKNOWN_DATABASE_FORMAT_ERROR:
        return GATE_MMDB_VERSION;

    default:
        return GATE_MMDB_METADATA;
    }
}


int
gate_mmdb_check_init(gate_mmdb_check_t *check, const MMDB_s *db,
    unsigned wanted)
{
    unsigned  i;
    uint64_t  tree;

    memset(check, 0, sizeof(gate_mmdb_check_t));
    memset(check->seen, 0xff, sizeof(check->seen));

    check->db = db;
    check->wanted = wanted;

    /* 2^32 nodes of 8 bytes */

    tree = (uint64_t) db->metadata.node_count * db->full_record_byte_size;

    if ((uint64_t) (db->data_section - db->file_content)
        != tree + GATE_MMDB_SEPARATOR)
    {
        return GATE_MMDB_METADATA;
    }

    for (i = 1; i <= GATE_MMDB_SEPARATOR; i++) {
        if (*(db->data_section - i) != 0) {
            return GATE_MMDB_DAMAGED;
        }
    }

    return GATE_MMDB_OK;
}


int
gate_mmdb_check(gate_mmdb_check_t *check, size_t budget)
{
    int                  rc;
    size_t               steps;
    MMDB_search_node_s   node;

    steps = 0;

    for ( /* void */ ; check->node < check->db->metadata.node_count;
         check->node++)
    {
        if (steps >= budget) {
            return GATE_MMDB_AGAIN;
        }

        steps++;

        if (MMDB_read_node(check->db, check->node, &node) != MMDB_SUCCESS) {
            return GATE_MMDB_DAMAGED;
        }

        rc = gate_mmdb_check_record(check, node.left_record_type,
                                    &node.left_record_entry, &steps);

        if (rc == GATE_MMDB_OK) {
            rc = gate_mmdb_check_record(check, node.right_record_type,
                                        &node.right_record_entry, &steps);
        }

        if (rc != GATE_MMDB_OK) {
            return rc;
        }
    }

    if (check->records == 0) {
        return GATE_MMDB_EMPTY;
    }

    return check->fields ? GATE_MMDB_OK : GATE_MMDB_USELESS;
}


static int
gate_mmdb_check_record(gate_mmdb_check_t *check, uint8_t type,
    MMDB_entry_s *record, size_t *steps)
{
    int            rc;
    size_t         values;
    uint32_t       at, *seen;
    unsigned       missing;
    gate_place_t   place;

    if (type != MMDB_RECORD_TYPE_DATA) {
        return type == MMDB_RECORD_TYPE_INVALID ? GATE_MMDB_DAMAGED
                                                : GATE_MMDB_OK;
    }

    /* a pointer into the zeros is one below 0 */

    if (record->offset >= check->db->data_section_size) {
        return GATE_MMDB_DAMAGED;
    }

    /* neighbours in the tree often share a record */

    seen = &check->seen[record->offset % GATE_MMDB_SEEN];

    if (*seen == record->offset) {
        return GATE_MMDB_OK;
    }

    at = record->offset;
    values = 0;

    rc = gate_mmdb_walk(check->db, &at, GATE_MMDB_TYPE_ANY, 0, &values);
    *steps += values;

    if (rc != GATE_MMDB_OK) {
        return rc;
    }

    *seen = record->offset;

    missing = check->records < GATE_MMDB_TRIAL ? GATE_PLACE_ALL
                                               : check->wanted;
    missing &= ~check->fields;
    check->records++;

    if (missing) {
        place.fields = 0;
        gate_mmdb_read(record, missing, &place);
        check->fields |= place.fields;

        *steps += values;
    }

    return GATE_MMDB_OK;
}


/* all of a value, and what it points to; at is then after it */

static int
gate_mmdb_walk(const MMDB_s *db, uint32_t *at, uint32_t type, unsigned depth,
    size_t *values)
{
    uint32_t            there;
    MMDB_entry_s        entry;
    MMDB_entry_data_s   data;

    static const char *const  itself[] = { NULL };

    if (depth == GATE_MMDB_DEPTH) {
        return GATE_MMDB_DEEP;
    }

    if (++*values > GATE_MMDB_VALUES) {
        return GATE_MMDB_LARGE;
    }

    entry.mmdb = db;
    entry.offset = *at;

    /* a pointer to a pointer is an error there */

    if (MMDB_aget_value(&entry, &data, itself) != MMDB_SUCCESS
        || data.type == MMDB_DATA_TYPE_CONTAINER
        || data.type == MMDB_DATA_TYPE_END_MARKER
        || data.type > MMDB_DATA_TYPE_FLOAT
        || (type != GATE_MMDB_TYPE_ANY && data.type != type))
    {
        return GATE_MMDB_DAMAGED;
    }

    if (data.offset == *at) {
        *at = data.offset_to_next;
        return gate_mmdb_walk_items(db, &data, at, depth, values);
    }

    /* a pointer was followed, whose first byte has the number of the others */

    *at += 2 + (db->data_section[*at] >> 3 & 3);
    there = data.offset;

    return gate_mmdb_walk(db, &there, type, depth + 1, values);
}


/* keys and values of a map, or the values of an array */

static int
gate_mmdb_walk_items(const MMDB_s *db, const MMDB_entry_data_s *data,
    uint32_t *at, unsigned depth, size_t *values)
{
    int       rc;
    uint32_t  i;

    if (data->type != MMDB_DATA_TYPE_MAP
        && data->type != MMDB_DATA_TYPE_ARRAY)
    {
        return GATE_MMDB_OK;
    }

    for (i = 0; i < data->data_size; i++) {

        rc = data->type == MMDB_DATA_TYPE_MAP
             ? gate_mmdb_walk(db, at, MMDB_DATA_TYPE_UTF8_STRING, depth + 1,
                              values)
             : GATE_MMDB_OK;

        if (rc == GATE_MMDB_OK) {
            rc = gate_mmdb_walk(db, at, GATE_MMDB_TYPE_ANY, depth + 1,
                                values);
        }

        if (rc != GATE_MMDB_OK) {
            return rc;
        }
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
