/*
 * One character at a time: read, checked (RFC 3629 4), and written as it is or
 * as \u and four digits.
 */


#include "gate_json.h"

#include <stdint.h>
#include <string.h>


/* as a byte that begins no character is shown */
#define GATE_JSON_REPLACEMENT  0xfffd


static size_t gate_json_read(const unsigned char *p, size_t len,
    uint32_t *character);
static int gate_json_plain(uint32_t c);


char *
gate_json_text(char *p, size_t most, const void *text, size_t len, int *whole)
{
    size_t                n, i;
    uint32_t              c;
    const unsigned char  *from, *last;

    static const char  hex[] = "0123456789abcdef";

    *whole = 1;
    from = text;

    for (last = from + len; from < last; from += n) {

        n = gate_json_read(from, last - from, &c);

        if (n == 0) {
            n = 1;
            c = GATE_JSON_REPLACEMENT;
            *whole = 0;

        } else if (gate_json_plain(c)) {

            if (most < n) {
                *whole = 0;
                return p;
            }

            memcpy(p, from, n);
            p += n;
            most -= n;
            continue;
        }

        if (most < 6) {
            *whole = 0;
            return p;
        }

        *p++ = '\\';
        *p++ = 'u';

        for (i = 16; i; i -= 4) {
            *p++ = hex[c >> (i - 4) & 0xf];
        }

        most -= 6;
    }

    return p;
}


/* the length of the character at p; 0: there is none */

static size_t
gate_json_read(const unsigned char *p, size_t len, uint32_t *character)
{
    size_t    i, n;
    uint32_t  c;

    static const uint32_t  first[5] = { 0, 0, 0x80, 0x800, 0x10000 };

    c = p[0];

    if (c < 0x80) {
        *character = c;
        return 1;
    }

    n = c >= 0xf0 && c < 0xf8 ? 4 : c >= 0xe0 ? 3 : 2;

    if (c < 0xc0 || c >= 0xf8 || n > len) {
        return 0;
    }

    c &= 0xff >> (n + 1);

    for (i = 1; i < n; i++) {

        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }

        c = c << 6 | (p[i] & 0x3f);
    }

    if (c < first[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
        return 0;
    }

    *character = c;

    return n;
}


/* what shows, and nothing else: above U+FFFF there is no short escape */

static int
gate_json_plain(uint32_t c)
{
    if (c < 0x80) {
        return c >= 0x20 && c != 0x7f && c != '"' && c != '\\' && c != '<'
               && c != '>' && c != '&' && c != '\'';
    }

    return c >= 0xa0                            /* C1 */
           && c != 0x00ad && c != 0x061c        /* soft hyphen, bidi */
           && (c < 0x200b || c > 0x200f)        /* of no width, bidi */
           && (c < 0x2028 || c > 0x202e)        /* lines, bidi */
           && (c < 0x2060 || c > 0x206f)        /* of no width, bidi */
           && c != 0xfeff
           && (c < 0xfff0 || c > 0xfffb);
}
