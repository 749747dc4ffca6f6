/*
 * Text as JSON: whatever goes in, what comes out is valid UTF-8 without control
 * characters, quotes or marks of direction, not longer than it may be, and the
 * same text again when it is read, if it was whole.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gate_json.c"


/* random texts, and their length at most */
#define TEXTS  300000
#define LONG   40


static uint64_t  dice = 1;


static unsigned
some(unsigned n)
{
    dice = dice * 6364136223846793005 + 1442695040888963407;

    return (unsigned) (dice >> 33) % n;
}


static void
becomes(const char *text, size_t len, size_t most, const char *json, int whole)
{
    int   w;
    char  out[256], *last;

    last = gate_json_text(out, most, text, len, &w);
    *last = '\0';

    assert_string_equal(out, json);
    assert_int_equal(w, whole);
}


#define BECOMES(text, json, whole)                                           \
    becomes(text, sizeof(text) - 1, 200, json, whole)


static void
test_plain(void **state)
{
    (void) state;

    BECOMES("", "", 1);
    BECOMES("plain text, 1/2 ~", "plain text, 1/2 ~", 1);
    BECOMES("\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88",
            "\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88", 1);
    BECOMES("\xc2\xa0\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80",
            "\xc2\xa0\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80", 1);
    BECOMES("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
            "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 1);
}


static void
test_escaped(void **state)
{
    (void) state;

    BECOMES("\"\\", "\\u0022\\u005c", 1);
    BECOMES("<a href='b'>&", "\\u003ca href=\\u0027b\\u0027\\u003e\\u0026", 1);
    BECOMES("\0\t\n\r\x1f\x7f",
            "\\u0000\\u0009\\u000a\\u000d\\u001f\\u007f", 1);
    BECOMES("\xc2\x80\xc2\x9f", "\\u0080\\u009f", 1);
    BECOMES("\xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8f\xd8\x9c",
            "\\u202e\\u2066\\u200f\\u061c", 1);
    BECOMES("\xe2\x80\xa8\xe2\x80\xa9\xef\xbb\xbf", "\\u2028\\u2029\\ufeff",
            1);
}


/* RFC 3629 3: overlong, surrogates, beyond the last, cut, out of place */

static void
test_invalid(void **state)
{
    (void) state;

    BECOMES("\xff", "\\ufffd", 0);
    BECOMES("a\x80z", "a\\ufffdz", 0);
    BECOMES("\xc0\xaf", "\\ufffd\\ufffd", 0);
    BECOMES("\xe0\x9f\xbf", "\\ufffd\\ufffd\\ufffd", 0);
    BECOMES("\xf0\x8f\xbf\xbf", "\\ufffd\\ufffd\\ufffd\\ufffd", 0);
    BECOMES("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd", 0);
    BECOMES("\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd", 0);
    BECOMES("\xf8\x88\x80\x80\x80",
            "\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd", 0);
    BECOMES("a\xe3\x83", "a\\ufffd\\ufffd", 0);
    BECOMES("\xe3z", "\\ufffdz", 0);

    /* the character itself is a character */

    BECOMES("\xef\xbf\xbd", "\xef\xbf\xbd", 1);
}


static void
test_cut(void **state)
{
    (void) state;

    becomes("abc", 3, 3, "abc", 1);
    becomes("abc", 3, 2, "ab", 0);
    becomes("abc", 3, 0, "", 0);
    becomes("a\n", 2, 7, "a\\u000a", 1);
    becomes("a\n", 2, 6, "a", 0);
    becomes("a\xe3\x83\x86", 4, 4, "a\xe3\x83\x86", 1);
    becomes("a\xe3\x83\x86", 4, 3, "a", 0);
    becomes("a\xff", 2, 6, "a", 0);
}


/* what a reader of JSON makes of it; -1: it is none */

static int
read_back(const char *p, const char *last, unsigned char *text)
{
    char           hex[5];
    size_t         n;
    uint32_t       c;
    unsigned char *to = text;

    for ( ; p < last; p += n) {

        if (*p != '\\') {
            n = gate_json_read((const unsigned char *) p, last - p, &c);

            if (n == 0 || c < 0x20 || c == '"' || c == 0x7f) {
                return -1;
            }

            memcpy(to, p, n);
            to += n;
            continue;
        }

        if (last - p < 6 || p[1] != 'u') {
            return -1;
        }

        n = 6;
        memcpy(hex, p + 2, 4);
        hex[4] = '\0';
        c = (uint32_t) strtoul(hex, NULL, 16);

        if (c < 0x80) {
            *to++ = (unsigned char) c;

        } else if (c < 0x800) {
            *to++ = (unsigned char) (0xc0 | c >> 6);
            *to++ = (unsigned char) (0x80 | (c & 0x3f));

        } else {
            *to++ = (unsigned char) (0xe0 | c >> 12);
            *to++ = (unsigned char) (0x80 | (c >> 6 & 0x3f));
            *to++ = (unsigned char) (0x80 | (c & 0x3f));
        }
    }

    return (int) (to - text);
}


static void
test_random(void **state)
{
    int            whole, n, i;
    char           out[6 * LONG], *last;
    size_t         len, k, most;
    unsigned char  text[LONG], back[6 * LONG];

    static const char  likely[] = "\xe2\x80\xae\xf0\x90\xed\xbf\xc2";

    (void) state;

    for (i = 0; i < TEXTS; i++) {
        len = some(LONG);
        most = some(sizeof(out));

        for (k = 0; k < len; k++) {
            text[k] = some(3) ? (unsigned char) some(256)
                              : (unsigned char) likely[some(8)];
        }

        last = gate_json_text(out, most, text, len, &whole);

        assert_true((size_t) (last - out) <= most);

        n = read_back(out, last, back);
        assert_true(n >= 0);

        if (whole) {
            assert_int_equal(n, len);
            assert_memory_equal(back, text, len);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_escaped),
        cmocka_unit_test(test_invalid),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_random)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
