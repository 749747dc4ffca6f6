/*
 * The words of country lists.  The same for nginx.conf, which is read once,
 * and for what a variable holds, which is read for each request and may be
 * anything.
 */


#include "gate_country.h"

#include <string.h>


static int gate_country_code(const char *word, char code[2]);
static int gate_country_between(char c);
static int gate_country_same(const gate_country_t *a,
    const gate_country_t *b);


int
gate_country_read(const char *word, size_t len, gate_country_t *country)
{
    const char  *p;

    static const char  continents[] = "AFANASEUNAOCSA";

    country->code[0] = '\0';
    country->code[1] = '\0';
    country->scope = GATE_COUNTRY;

    if (len == 2) {
        return gate_country_code(word, country->code);
    }

    if (len == 7 && memcmp(word, "unknown", 7) == 0) {
        return 0;
    }

    if (len == 3 && memcmp(word, "any", 3) == 0) {
        country->scope = GATE_ANYWHERE;
        return 0;
    }

    if (len != 12 || memcmp(word, "continent:", 10) != 0
        || gate_country_code(word + 10, country->code) != 0)
    {
        return -1;
    }

    country->scope = GATE_CONTINENT;

    for (p = continents; *p; p += 2) {
        if (memcmp(p, country->code, 2) == 0) {
            return 0;
        }
    }

    return -1;
}


static int
gate_country_code(const char *word, char code[2])
{
    int  i;

    for (i = 0; i < 2; i++) {
        code[i] = word[i];

        if (code[i] >= 'a' && code[i] <= 'z') {
            code[i] = (char) (code[i] - 'a' + 'A');
        }

        if (code[i] < 'A' || code[i] > 'Z') {
            return -1;
        }
    }

    return 0;
}


int
gate_country_list(const char *text, size_t len, gate_country_t *list,
    size_t *n)
{
    size_t  i, begin;

    *n = 0;

    for (i = 0; i < len; i++) {

        if (gate_country_between(text[i])) {
            continue;
        }

        begin = i;

        while (i < len && !gate_country_between(text[i])) {
            i++;
        }

        if (gate_country_read(text + begin, i - begin, &list[*n]) != 0) {
            return -1;
        }

        ++*n;
    }

    return 0;
}


static int
gate_country_between(char c)
{
    return c == ',' || c == ' ' || c == '\t';
}


size_t
gate_country_room(size_t len)
{
    return (len + 1) / 3 + 1;
}


int
gate_country_listed(const gate_countries_t *list, const char country[2],
    const char continent[2])
{
    size_t                 i;
    const char            *code;
    const gate_country_t  *elt;

    for (i = 0; i < list->nelts; i++) {
        elt = &list->elts[i];

        if (elt->scope == GATE_ANYWHERE) {
            return 1;
        }

        code = elt->scope == GATE_CONTINENT ? continent : country;

        if (memcmp(elt->code, code, 2) == 0) {
            return 1;
        }
    }

    return 0;
}


int
gate_country_refused(const gate_countries_t *allow,
    const gate_countries_t *deny, const gate_country_t *country)
{
    size_t                 i;
    const gate_country_t  *elt;

    for (i = 0; i < deny->nelts; i++) {
        elt = &deny->elts[i];

        if (elt->scope == GATE_ANYWHERE || gate_country_same(elt, country)) {
            return 1;
        }
    }

    if (allow == NULL || (country->scope == GATE_ANYWHERE && allow->nelts)) {
        return 0;
    }

    /* a country may lie in any continent, and unknown ones do, too */

    for (i = 0; i < allow->nelts; i++) {
        elt = &allow->elts[i];

        if (elt->scope != country->scope || gate_country_same(elt, country)) {
            return 0;
        }
    }

    return 1;
}


static int
gate_country_same(const gate_country_t *a, const gate_country_t *b)
{
    return a->scope == b->scope && memcmp(a->code, b->code, 2) == 0;
}
