/*
 * A sorted array: a hundred thousand digests are 3 MB, read by all who look
 * for one and written by nobody.
 */


#include "gate_digests.h"

#include <stdlib.h>
#include <string.h>


static int gate_digests_line(const unsigned char *line, size_t len,
    unsigned char digest[GATE_DIGEST]);
static size_t gate_digests_prefix(const unsigned char *line, size_t len);
static int gate_digests_hex(unsigned char c);
static int gate_digests_blank(unsigned char c);
static int gate_digests_compare(const void *one, const void *two);


long
gate_digests_read(gate_digests_t *set, const unsigned char *text, size_t len)
{
    long                  number;
    size_t                i;
    const unsigned char  *line, *end, *last;

    last = text + len;

    set->n = 0;
    set->elts = NULL;

    /* each takes a line of 64 digits at least */

    i = len / (2 * GATE_DIGEST) + 1;

    set->elts = malloc(i * GATE_DIGEST);
    if (set->elts == NULL) {
        return -1;
    }

    number = 0;

    for (line = text; line < last; line = end + 1) {
        number++;

        end = memchr(line, '\n', (size_t) (last - line));
        end = end ? end : last;

        switch (gate_digests_line(line, (size_t) (end - line),
                                  set->elts[set->n]))
        {
        case 0:
            break;

        case 1:
            set->n++;
            break;

        default:
            gate_digests_close(set);
            return number;
        }
    }

    gate_digests_sort(set);

    return 0;
}


/* 1: there is one; 0: there is nothing; -1: something else */

static int
gate_digests_line(const unsigned char *line, size_t len,
    unsigned char digest[GATE_DIGEST])
{
    int                   hex;
    size_t                n;
    const unsigned char  *p, *last;

    p = line;
    last = line + len;

    while (p < last && gate_digests_blank(*p)) {
        p++;
    }

    if (p == last || *p == '#') {
        return 0;
    }

    p += gate_digests_prefix(p, (size_t) (last - p));

    for (n = 0; n < 2 * GATE_DIGEST && p < last; p++) {

        if (*p == ':' && n && n % 2 == 0) {
            continue;
        }

        hex = gate_digests_hex(*p);
        if (hex < 0) {
            return -1;
        }

        digest[n / 2] = (unsigned char) (n % 2 ? digest[n / 2] | hex
                                               : hex << 4);
        n++;
    }

    return n == 2 * GATE_DIGEST && (p == last || gate_digests_blank(*p))
           ? 1 : -1;
}


/* as "openssl x509 -fingerprint -sha256" prints it, in either case */

static size_t
gate_digests_prefix(const unsigned char *line, size_t len)
{
    size_t         i;
    unsigned char  c;

    static const char  prefix[] = "sha256 fingerprint=";

    for (i = 0; i < sizeof(prefix) - 1; i++) {
        c = i < len ? line[i] : '\0';

        if (c >= 'A' && c <= 'Z') {
            c = (unsigned char) (c - 'A' + 'a');
        }

        if (c != (unsigned char) prefix[i]) {
            return 0;
        }
    }

    return i;
}


static int
gate_digests_hex(unsigned char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }

    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}


static int
gate_digests_blank(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}


void
gate_digests_sort(gate_digests_t *set)
{
    if (set->n) {
        qsort(set->elts, set->n, GATE_DIGEST, gate_digests_compare);
    }
}


int
gate_digests_have(const gate_digests_t *set,
    const unsigned char digest[GATE_DIGEST])
{
    return set->n
           && bsearch(digest, set->elts, set->n, GATE_DIGEST,
                      gate_digests_compare)
              != NULL;
}


static int
gate_digests_compare(const void *one, const void *two)
{
    return memcmp(one, two, GATE_DIGEST);
}


void
gate_digests_close(gate_digests_t *set)
{
    free(set->elts);

    set->n = 0;
    set->elts = NULL;
}
