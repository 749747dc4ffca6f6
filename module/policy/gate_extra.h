/*
 * What users were given beyond a quota, until its window ends: how much of it
 * is in force.  gate_held.h tells how it is written.
 */


#ifndef GATE_EXTRA_H_INCLUDED
#define GATE_EXTRA_H_INCLUDED


#include "gate_held.h"
#include "gate_policy.h"


/* units at most, beyond one limit */
#define GATE_EXTRA_MAX  GATE_LIMIT_MAX


/* Whose, of what; texts that are empty are nobody's. */

typedef struct {
    gate_text_t              user;
    gate_text_t              policy;
    gate_text_t              quota;
} gate_extra_t;


/*
 * Of n entries, in the order of gate_held_compare(), the units beyond this
 * quota at this time (seconds since 1970) in all.  *ends becomes the time when
 * the first of them ends, if that is earlier, or if it is 0: it never ends.
 */
uint64_t gate_extra_find(const gate_held_t *helds, size_t n,
    const gate_extra_t *extra, uint64_t now, uint64_t *ends);


#endif /* GATE_EXTRA_H_INCLUDED */
