/*
 * A set of SHA-256 digests.  Plain C.
 */


#ifndef GATE_DIGESTS_H_INCLUDED
#define GATE_DIGESTS_H_INCLUDED


#include <stddef.h>


#define GATE_DIGEST  32


typedef struct {
    size_t                   n;
    unsigned char          (*elts)[GATE_DIGEST];    /* of malloc(), sorted */
} gate_digests_t;


/*
 * Reads a text with a digest a line: 64 hex digits of either case, maybe with
 * ":" between the pairs and "sha256 Fingerprint=" before; what follows a blank
 * is a remark, as is a line that begins with "#".  0: "set" is to be closed.
 * -1: no memory.  Otherwise: the number of the line that is no such thing.
 */
long gate_digests_read(gate_digests_t *set, const unsigned char *text,
    size_t len);

/* Sorts what was put in, once. */
void gate_digests_sort(gate_digests_t *set);

/* Is it there?  As many steps as the number of digests has bits. */
int gate_digests_have(const gate_digests_t *set,
    const unsigned char digest[GATE_DIGEST]);

void gate_digests_close(gate_digests_t *set);


#endif /* GATE_DIGESTS_H_INCLUDED */
