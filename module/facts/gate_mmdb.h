/*
 * Reads databases of the MaxMind DB format, version 2: a binary tree of
 * address bits whose leaves point to records, maps of fields.  Plain C99 over
 * a buffer: no nginx, no I/O, no allocation, no recursion that the buffer
 * could deepen.
 *
 * Nothing in the buffer is believed: whatever its bytes are, no function here
 * reads outside it, and each ends after a bounded number of steps.  What must
 * not change is the buffer, while it is in use.
 */


#ifndef GATE_MMDB_H_INCLUDED
#define GATE_MMDB_H_INCLUDED


#include "gate_place.h"


#define GATE_MMDB_OK         0
#define GATE_MMDB_AGAIN      1      /* go on with the check */
#define GATE_MMDB_NONE       2      /* no such address, or no such field */

/* faults: gate_mmdb_fault() has the words */
#define GATE_MMDB_METADATA  -1
#define GATE_MMDB_VERSION   -2
#define GATE_MMDB_DAMAGED   -3
#define GATE_MMDB_DEEP      -4
#define GATE_MMDB_LARGE     -5
#define GATE_MMDB_EMPTY     -6
#define GATE_MMDB_USELESS   -7

/* records that a check remembers to have seen */
#define GATE_MMDB_SEEN       4096


/* values that point to each other, at offsets from the first */

typedef struct {
    const uint8_t           *data;
    size_t                   size;
} gate_mmdb_section_t;


typedef enum {
    GATE_MMDB_POINTER = 1,
    GATE_MMDB_STRING,
    GATE_MMDB_DOUBLE,
    GATE_MMDB_BYTES,
    GATE_MMDB_UINT16,
    GATE_MMDB_UINT32,
    GATE_MMDB_MAP,
    GATE_MMDB_INT32,
    GATE_MMDB_UINT64,
    GATE_MMDB_UINT128,
    GATE_MMDB_ARRAY,
    GATE_MMDB_BOOLEAN = 14,
    GATE_MMDB_FLOAT
} gate_mmdb_type_e;


typedef struct {
    gate_mmdb_type_e         type;
    uint32_t                 size;          /* bytes, pairs, elements, 0 or 1;
                                               of a pointer: where it points */
    const uint8_t           *p;             /* its bytes */
    size_t                   next;          /* after its bytes; of a map or an
                                               array: its first value */
} gate_mmdb_value_t;


typedef struct {
    const uint8_t           *tree;
    gate_mmdb_section_t      section;       /* the records */
    uint32_t                 nodes;
    unsigned                 bits;          /* of a pointer of the tree */
    unsigned                 version;       /* 4 or 6 */
    uint32_t                 ipv4;          /* where IPv4 addresses begin */
} gate_mmdb_t;


typedef struct {
    gate_mmdb_t              db;
    uint32_t                 node;          /* the next to be checked */
    uint32_t                 records;       /* different ones, or so */
    unsigned                 wanted;        /* looked for to the end */
    unsigned                 fields;        /* that some record has */
    uint32_t                 seen[GATE_MMDB_SEEN];
} gate_mmdb_check_t;


/*
 * Reads the metadata of "size" bytes at "p", which must stay what they are as
 * long as "db" is used.  Returns GATE_MMDB_OK or a fault.
 */
int gate_mmdb_open(gate_mmdb_t *db, const uint8_t *p, size_t size);

/*
 * Checks all of a database that was opened, in pieces: each call does some
 * "budget" steps (of about 10 ns, and 4096 more at most) and returns
 * GATE_MMDB_AGAIN until all pointers of the tree and all records that they
 * lead to have been seen.  GATE_MMDB_OK: it is sound, and "fields" says which
 * are in it; of those that are rare only what is "wanted".  Else its fault.
 */
void gate_mmdb_check_init(gate_mmdb_check_t *check, const gate_mmdb_t *db,
    unsigned wanted);
int gate_mmdb_check(gate_mmdb_check_t *check, size_t budget);

/*
 * Finds the record of an address of 32 or 128 bits, in network order.  Returns
 * GATE_MMDB_OK and its offset for gate_mmdb_read(), GATE_MMDB_NONE, or a
 * fault.  IPv6 addresses are unknown to an IPv4 database.
 */
int gate_mmdb_lookup(const gate_mmdb_t *db, const uint8_t *address,
    unsigned bits, uint32_t *record);

/*
 * Reads those of "fields" that the record has into the place, and adds them to
 * place->fields; the rest of the place is untouched.  Fields may be named as
 * in the databases of MaxMind, DB-IP or IPinfo.
 */
void gate_mmdb_read(const gate_mmdb_t *db, uint32_t record, unsigned fields,
    gate_place_t *place);

/*
 * Finds the value at the end of a path of keys, which ends with NULL, in the
 * map at "at".  Pointers are followed.  GATE_MMDB_OK, GATE_MMDB_NONE: there is
 * no such key, or a fault.
 */
int gate_mmdb_find(const gate_mmdb_section_t *section, size_t at,
    const char *const *path, gate_mmdb_value_t *value);

/* An unsigned number of up to 32 bits.  GATE_MMDB_NONE: it is none. */
int gate_mmdb_number(const gate_mmdb_value_t *value, uint32_t *number);

/* What follows "the database ..." of a fault. */
const char *gate_mmdb_fault(int fault);


#endif /* GATE_MMDB_H_INCLUDED */
