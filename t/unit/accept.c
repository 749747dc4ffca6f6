/*
 * What a client prefers, by its Accept and Accept-Language: one row a case,
 * lines of one field are told apart by "\n".
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gate_accept.c"


typedef void (*read_pt)(gate_accept_t *accept, const unsigned char *p,
    const unsigned char *end);


static void
said(gate_accept_t *accept, const char *lines, read_pt read)
{
    const char  *end;

    memset(accept, 0, sizeof(*accept));

    for ( ;; ) {
        end = strchr(lines, '\n');

        read(accept, (const unsigned char *) lines,
             (const unsigned char *) (end ? end : lines + strlen(lines)));

        if (end == NULL) {
            return;
        }

        lines = end + 1;
    }
}


static void
media(void **state)
{
    size_t         i;
    gate_accept_t  accept;

    static const struct {
        const char           *lines;
        gate_accept_media_e   media;
    } rows[] = {
        { "", GATE_ACCEPT_HTML },
        { "*/*", GATE_ACCEPT_HTML },
        { "text/html", GATE_ACCEPT_HTML },
        { "image/png", GATE_ACCEPT_HTML },
        { "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
          GATE_ACCEPT_HTML },
        { "application/json", GATE_ACCEPT_JSON },
        { "application/problem+json", GATE_ACCEPT_JSON },
        { "APPLICATION/Problem+JSON", GATE_ACCEPT_JSON },
        { "application/*", GATE_ACCEPT_JSON },
        { "application/json, text/plain, */*", GATE_ACCEPT_JSON },
        { "text/html, application/json", GATE_ACCEPT_HTML },
        { "text/html;q=0.9, application/json", GATE_ACCEPT_JSON },
        { "text/html, application/json;q=0.9", GATE_ACCEPT_HTML },
        { "text/html;q=0.9\napplication/json", GATE_ACCEPT_JSON },
        { "text/*;q=0.5, application/*;q=0.6", GATE_ACCEPT_JSON },

        /* what fits best says the weight, not what is first or most */
        { "*/*, application/json;q=0.1, text/html;q=0.2", GATE_ACCEPT_HTML },
        { "text/*;q=0.1, text/html;q=0.9, application/json;q=0.5",
          GATE_ACCEPT_HTML },
        { "application/json, application/problem+json;q=0, text/html;q=0.1",
          GATE_ACCEPT_HTML },
        { "application/json;q=0", GATE_ACCEPT_HTML },
        { "text/html;q=0, */*;q=0.1", GATE_ACCEPT_JSON },
        { "text/html;q=0, application/json;q=0", GATE_ACCEPT_HTML },

        /* parameters, blanks, quotes, empty elements */
        { "application/json;charset=utf-8", GATE_ACCEPT_JSON },
        { "text/html ; q=0.1\t,\tapplication/json ; q=0.2", GATE_ACCEPT_JSON },
        { "text/html;a=\"b,c;q=0\\\",\";q=0.3, application/json;q=0.2",
          GATE_ACCEPT_HTML },
        { ", ,, application/json ,", GATE_ACCEPT_JSON },
        { "application/json;", GATE_ACCEPT_JSON },
        { "application/json;;Q=1", GATE_ACCEPT_JSON },
        { "text/html;q=0.001, application/json;q=0.002", GATE_ACCEPT_JSON },

        /* what is no element, is none */
        { "application/json;q=", GATE_ACCEPT_HTML },
        { "application/json;q=2", GATE_ACCEPT_HTML },
        { "application/json;q=1.001", GATE_ACCEPT_HTML },
        { "application/json;q=0.1234", GATE_ACCEPT_HTML },
        { "application/json;q=-1", GATE_ACCEPT_HTML },
        { "application/json;q=0.x", GATE_ACCEPT_HTML },
        { "application/json;q=0.5x", GATE_ACCEPT_HTML },
        { "application/json;q=.5", GATE_ACCEPT_HTML },
        { "application/json;q", GATE_ACCEPT_HTML },
        { "application/json;q=1 x", GATE_ACCEPT_HTML },
        { "application/json text/html", GATE_ACCEPT_HTML },
        { "application/json\x80", GATE_ACCEPT_HTML },
        { "\"application/json\"", GATE_ACCEPT_HTML },
        { "application/json;a=\"", GATE_ACCEPT_JSON },
        { "application/jsonx", GATE_ACCEPT_HTML },
        { "application/jso", GATE_ACCEPT_HTML }
    };

    (void) state;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        said(&accept, rows[i].lines, gate_accept_media);

        if (gate_accept_media_best(&accept) != rows[i].media) {
            fail_msg("Accept: %s", rows[i].lines);
        }
    }
}


static void
language(void **state)
{
    size_t         i;
    gate_accept_t  accept;

    static const struct {
        const char              *lines;
        gate_accept_language_e   language;
    } rows[] = {
        { "", GATE_ACCEPT_ENGLISH },
        { "*", GATE_ACCEPT_ENGLISH },
        { "fr", GATE_ACCEPT_ENGLISH },
        { "en", GATE_ACCEPT_ENGLISH },
        { "ja", GATE_ACCEPT_JAPANESE },
        { "JA", GATE_ACCEPT_JAPANESE },
        { "ja-JP", GATE_ACCEPT_JAPANESE },
        { "ja-Hira-JP-u-ca-japanese", GATE_ACCEPT_JAPANESE },
        { "ja,en-US;q=0.9,en;q=0.8", GATE_ACCEPT_JAPANESE },
        { "en-US,en;q=0.9,ja;q=0.8", GATE_ACCEPT_ENGLISH },
        { "fr;q=1, ja;q=0.3, de", GATE_ACCEPT_JAPANESE },
        { "fr, *;q=0.5", GATE_ACCEPT_ENGLISH },
        { "en;q=0.2, *;q=0.5", GATE_ACCEPT_JAPANESE },
        { "en;q=0, *", GATE_ACCEPT_JAPANESE },
        { "en;q=0", GATE_ACCEPT_ENGLISH },
        { "ja;q=0", GATE_ACCEPT_ENGLISH },
        { "ja;q=0, en;q=0", GATE_ACCEPT_ENGLISH },
        { "ja;q=0, *", GATE_ACCEPT_ENGLISH },

        /* of the same weight: who is first */
        { "ja, en", GATE_ACCEPT_JAPANESE },
        { "en, ja", GATE_ACCEPT_ENGLISH },
        { "fr\nja\nen", GATE_ACCEPT_JAPANESE },
        { "*, ja", GATE_ACCEPT_ENGLISH },

        /* a language says more than one of a country */
        { "en-GB, en;q=0.1, ja;q=0.5", GATE_ACCEPT_JAPANESE },
        { "en;q=0.1, en-GB, ja;q=0.5", GATE_ACCEPT_JAPANESE },
        { "en-GB;q=0.6, en-US;q=0.2, ja;q=0.5", GATE_ACCEPT_ENGLISH },

        { "jam", GATE_ACCEPT_ENGLISH },
        { "j", GATE_ACCEPT_ENGLISH },
        { "-ja", GATE_ACCEPT_ENGLISH },
        { "ja;q=1.5", GATE_ACCEPT_ENGLISH },
        { "ja_JP", GATE_ACCEPT_ENGLISH }
    };

    (void) state;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        said(&accept, rows[i].lines, gate_accept_language);

        if (gate_accept_language_best(&accept) != rows[i].language) {
            fail_msg("Accept-Language: %s", rows[i].lines);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(media),
        cmocka_unit_test(language)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
