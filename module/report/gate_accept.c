/*
 * Both fields are lists of ranges with parameters, of which only the weight
 * matters here.  A choice has the weight of the range that fits it best.
 */


#include "gate_accept.h"

#include <stddef.h>
#include <string.h>


/* how well a range fits */

#define GATE_ACCEPT_ANY       1
#define GATE_ACCEPT_GROUP     2     /* of a type, or a language of a country */
#define GATE_ACCEPT_KIN       3     /* any JSON, for a problem */
#define GATE_ACCEPT_SAME      4

#define GATE_ACCEPT_WEIGHT    1000


typedef struct {
    const unsigned char  *data;
    size_t                len;
} gate_accept_text_t;


typedef void (*gate_accept_range_pt)(gate_accept_t *accept,
    const gate_accept_text_t *range, unsigned weight);


static void gate_accept_read(gate_accept_t *accept, const unsigned char *p,
    const unsigned char *end, gate_accept_range_pt range);
static const unsigned char *gate_accept_parameters(const unsigned char *p,
    const unsigned char *end, int *weight);
static const unsigned char *gate_accept_value(const unsigned char *p,
    const unsigned char *end, gate_accept_text_t *value);
static const unsigned char *gate_accept_token(const unsigned char *p,
    const unsigned char *end, gate_accept_text_t *token);
static const unsigned char *gate_accept_blank(const unsigned char *p,
    const unsigned char *end);
static int gate_accept_weight(const gate_accept_text_t *value);
static void gate_accept_media_range(gate_accept_t *accept,
    const gate_accept_text_t *range, unsigned weight);
static void gate_accept_language_range(gate_accept_t *accept,
    const gate_accept_text_t *range, unsigned weight);
static void gate_accept_note(gate_accept_t *accept, size_t choice,
    unsigned exact, unsigned weight);
static int gate_accept_is(const gate_accept_text_t *text, const char *word);


void
gate_accept_media(gate_accept_t *accept, const unsigned char *p,
    const unsigned char *end)
{
    gate_accept_read(accept, p, end, gate_accept_media_range);
}


void
gate_accept_language(gate_accept_t *accept, const unsigned char *p,
    const unsigned char *end)
{
    gate_accept_read(accept, p, end, gate_accept_language_range);
}


/* RFC 9110 5.6.1.2: empty elements are no fault */

static void
gate_accept_read(gate_accept_t *accept, const unsigned char *p,
    const unsigned char *end, gate_accept_range_pt range)
{
    int                 weight;
    gate_accept_text_t  token;

    while (p < end) {
        p = gate_accept_token(gate_accept_blank(p, end), end, &token);

        weight = GATE_ACCEPT_WEIGHT;
        p = gate_accept_parameters(p, end, &weight);

        if (token.len && weight >= 0) {
            accept->place++;
            range(accept, &token, (unsigned) weight);
        }

        p += p < end;                               /* the comma */
    }
}


/* up to the comma, or the end; a weight of -1: the element is no good */

static const unsigned char *
gate_accept_parameters(const unsigned char *p, const unsigned char *end,
    int *weight)
{
    gate_accept_text_t  name, value;

    for ( ;; ) {
        p = gate_accept_blank(p, end);

        if (p == end || *p == ',') {
            return p;
        }

        if (*p != ';') {
            break;
        }

        p = gate_accept_token(gate_accept_blank(p + 1, end), end, &name);

        if (name.len == 0) {
            continue;
        }

        if (p == end || *p != '=') {
            break;
        }

        p = gate_accept_value(p + 1, end, &value);

        if (gate_accept_is(&name, "q")) {
            *weight = *weight < 0 ? -1 : gate_accept_weight(&value);
        }
    }

    *weight = -1;

    while (p < end && *p != ',') {
        p++;
    }

    return p;
}


/* a token, or what is between quotes: without them, escapes as they are */

static const unsigned char *
gate_accept_value(const unsigned char *p, const unsigned char *end,
    gate_accept_text_t *value)
{
    if (p == end || *p != '"') {
        return gate_accept_token(p, end, value);
    }

    value->data = ++p;

    while (p < end && *p != '"') {
        p += *p == '\\' && end - p > 1 ? 2 : 1;
    }

    value->len = (size_t) (p - value->data);

    return p < end ? p + 1 : p;
}


/* whatever has no meaning of its own here: what it is not, is not found */

static const unsigned char *
gate_accept_token(const unsigned char *p, const unsigned char *end,
    gate_accept_text_t *token)
{
    token->data = p;

    while (p < end && *p > ' ' && *p < 0x7f && *p != ',' && *p != ';'
           && *p != '=' && *p != '"')
    {
        p++;
    }

    token->len = (size_t) (p - token->data);

    return p;
}


static const unsigned char *
gate_accept_blank(const unsigned char *p, const unsigned char *end)
{
    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }

    return p;
}


/* RFC 9110 12.4.2: 0 to 1, three digits behind the point; -1: it is none */

static int
gate_accept_weight(const gate_accept_text_t *value)
{
    int     weight, unit;
    size_t  i;

    if (value->len == 0 || value->len > 5
        || (value->data[0] != '0' && value->data[0] != '1')
        || (value->len > 1 && value->data[1] != '.'))
    {
        return -1;
    }

    weight = (value->data[0] - '0') * GATE_ACCEPT_WEIGHT;
    unit = GATE_ACCEPT_WEIGHT / 10;

    for (i = 2; i < value->len; i++) {

        if (value->data[i] < '0' || value->data[i] > '9') {
            return -1;
        }

        weight += (value->data[i] - '0') * unit;
        unit /= 10;
    }

    return weight <= GATE_ACCEPT_WEIGHT ? weight : -1;
}


static void
gate_accept_media_range(gate_accept_t *accept, const gate_accept_text_t *range,
    unsigned weight)
{
    size_t  i;

    static const struct {
        const char           *word;
        gate_accept_media_e   media;
        unsigned              exact;
    } ranges[] = {
        { "*/*", GATE_ACCEPT_HTML, GATE_ACCEPT_ANY },
        { "*/*", GATE_ACCEPT_JSON, GATE_ACCEPT_ANY },
        { "text/*", GATE_ACCEPT_HTML, GATE_ACCEPT_GROUP },
        { "text/html", GATE_ACCEPT_HTML, GATE_ACCEPT_SAME },
        { "application/*", GATE_ACCEPT_JSON, GATE_ACCEPT_GROUP },
        { "application/json", GATE_ACCEPT_JSON, GATE_ACCEPT_KIN },
        { "application/problem+json", GATE_ACCEPT_JSON, GATE_ACCEPT_SAME }
    };

    for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (gate_accept_is(range, ranges[i].word)) {
            gate_accept_note(accept, ranges[i].media, ranges[i].exact,
                             weight);
        }
    }
}


/* RFC 4647 3.4: who asks for the Japanese of Japan is content with Japanese */

static void
gate_accept_language_range(gate_accept_t *accept,
    const gate_accept_text_t *range, unsigned weight)
{
    size_t              i;
    gate_accept_text_t  language;

    static const char *const  languages[GATE_ACCEPT_LANGUAGES] = {
        "en", "ja"
    };

    language.data = range->data;

    for (language.len = 0; language.len < range->len; language.len++) {
        if (range->data[language.len] == '-') {
            break;
        }
    }

    for (i = 0; i < GATE_ACCEPT_LANGUAGES; i++) {

        if (gate_accept_is(&language, languages[i])) {
            gate_accept_note(accept, i, language.len == range->len
                                        ? GATE_ACCEPT_SAME
                                        : GATE_ACCEPT_GROUP, weight);

        } else if (gate_accept_is(range, "*")) {
            gate_accept_note(accept, i, GATE_ACCEPT_ANY, weight);
        }
    }
}


static void
gate_accept_note(gate_accept_t *accept, size_t choice, unsigned exact,
    unsigned weight)
{
    if (exact > accept->choices[choice].exact
        || (exact == accept->choices[choice].exact
            && weight > accept->choices[choice].weight))
    {
        accept->choices[choice].exact = exact;
        accept->choices[choice].weight = weight;
        accept->choices[choice].place = accept->place;
    }
}


/* in whatever case; the word is in the lower one */

static int
gate_accept_is(const gate_accept_text_t *text, const char *word)
{
    size_t         i;
    unsigned char  c;

    if (text->len != strlen(word)) {
        return 0;
    }

    for (i = 0; i < text->len; i++) {
        c = text->data[i];

        if (c >= 'A' && c <= 'Z') {
            c = (unsigned char) (c | 0x20);
        }

        if (c != (unsigned char) word[i]) {
            return 0;
        }
    }

    return 1;
}


gate_accept_media_e
gate_accept_media_best(const gate_accept_t *accept)
{
    unsigned  html, json;

    html = accept->choices[GATE_ACCEPT_HTML].weight;
    json = accept->choices[GATE_ACCEPT_JSON].weight;

    return json > html
           || (json == html && json > 0
               && accept->choices[GATE_ACCEPT_JSON].exact
                  > accept->choices[GATE_ACCEPT_HTML].exact)
           ? GATE_ACCEPT_JSON : GATE_ACCEPT_HTML;
}


gate_accept_language_e
gate_accept_language_best(const gate_accept_t *accept)
{
    size_t  i, best;

    best = 0;

    for (i = 1; i < GATE_ACCEPT_LANGUAGES; i++) {
        if (accept->choices[i].weight > accept->choices[best].weight
            || (accept->choices[i].weight == accept->choices[best].weight
                && accept->choices[i].weight > 0
                && accept->choices[i].place < accept->choices[best].place))
        {
            best = i;
        }
    }

    return (gate_accept_language_e) best;
}
