/*
 * Lists of countries: their words, and whether an address is in one.
 */


#ifndef GATE_COUNTRY_H_INCLUDED
#define GATE_COUNTRY_H_INCLUDED


#include "gate_policy.h"


/*
 * Reads a word of "len" bytes: two letters of either case, "continent:" and
 * one of AF AN AS EU NA OC SA, "unknown", or "any".  0, or -1: it is none.
 */
int gate_country_read(const char *word, size_t len, gate_country_t *country);

/*
 * Reads words with commas, spaces or tabs between them into "list", which has
 * room for gate_country_room(len).  0 and their number, or -1: one is none.
 */
int gate_country_list(const char *text, size_t len, gate_country_t *list,
    size_t *n);

/* How many words a text of "len" bytes may have. */
size_t gate_country_room(size_t len);

/*
 * Is the country, or else its continent, in the list?  Letters, or 0, 0 for an
 * unknown one, which is in no list but by "unknown" and "any".
 */
int gate_country_listed(const gate_countries_t *list, const char country[2],
    const char continent[2]);

/*
 * Is what a word means refused to everybody by a policy's lists, wherever its
 * databases say that the country lies?  allow NULL: all is allowed, or who
 * knows what to some.
 */
int gate_country_refused(const gate_countries_t *allow,
    const gate_countries_t *deny, const gate_country_t *country);


#endif /* GATE_COUNTRY_H_INCLUDED */
