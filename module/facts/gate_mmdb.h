/*
 * Databases of MaxMind's format, through libmaxminddb: what has to be known of
 * a file before the library may have it, and what a record says of a place.
 * No nginx.
 *
 * The library (1.7.1) follows nested maps by recursion without end, multiplies
 * nodes in 32 bits and reads in front of what is too short; so a file is
 * checked once, whole, and then all of its records may be read.  What must not
 * change is the file, from the check on and while it is in use.
 */


#ifndef GATE_MMDB_H_INCLUDED
#define GATE_MMDB_H_INCLUDED


#include <maxminddb.h>

#include "gate_place.h"


#define GATE_MMDB_OK         0
#define GATE_MMDB_AGAIN      1      /* go on with the check */

/* faults of a file: gate_mmdb_fault() has the words */
#define GATE_MMDB_METADATA  -1
#define GATE_MMDB_VERSION   -2
#define GATE_MMDB_DAMAGED   -3
#define GATE_MMDB_DEEP      -4
#define GATE_MMDB_LARGE     -5
#define GATE_MMDB_EMPTY     -6
#define GATE_MMDB_USELESS   -7

/* not of the file: errno says what failed */
#define GATE_MMDB_FAILED    -8

/* records that a check remembers to have seen */
#define GATE_MMDB_SEEN       4096


typedef struct {
    const MMDB_s            *db;
    uint32_t                 node;          /* the next to be checked */
    uint32_t                 records;       /* different ones, or so */
    unsigned                 wanted;        /* looked for to the end */
    unsigned                 fields;        /* that some record has */
    uint32_t                 seen[GATE_MMDB_SEEN];
} gate_mmdb_check_t;


/*
 * May the file of "size" bytes at "p", 2 GiB at most, be opened?  Only its
 * metadata is looked at.  GATE_MMDB_OK or GATE_MMDB_METADATA.
 */
int gate_mmdb_metadata(const uint8_t *p, size_t size);

/*
 * Opens the file of a descriptor, which stays the caller's; MMDB_close() ends
 * it.  GATE_MMDB_OK, a fault, or GATE_MMDB_FAILED.
 */
int gate_mmdb_open(MMDB_s *db, int fd);

/*
 * Checks all of a database that was opened, in pieces: each call does some
 * "budget" steps (of about 20 ns, and as many as a record needs more) and
 * returns GATE_MMDB_AGAIN until all pointers of the tree and all records that
 * they lead to have been seen.  GATE_MMDB_OK: it is sound, and "fields" says
 * which are in it; of those that are rare only what is "wanted".  Else its
 * fault, which init may find, too.
 */
int gate_mmdb_check_init(gate_mmdb_check_t *check, const MMDB_s *db,
    unsigned wanted);
int gate_mmdb_check(gate_mmdb_check_t *check, size_t budget);

/*
 * Reads those of "fields" that the record has into the place, and adds them to
 * place->fields; the rest of the place is untouched.  Fields may be named as
 * in the databases of MaxMind, DB-IP or IPinfo.  The record is of a database
 * that was checked.
 */
void gate_mmdb_read(MMDB_entry_s *record, unsigned fields,
    gate_place_t *place);

/* What follows "the database ..." of a fault. */
const char *gate_mmdb_fault(int fault);


#endif /* GATE_MMDB_H_INCLUDED */
