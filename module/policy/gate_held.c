/*
 * Words are taken one by one, each once.  Text is decoded where it stands: it
 * only gets shorter.
 */


#include "gate_held.h"

#include <string.h>


/* digits of a number, which then fits */
#define GATE_HELD_DIGITS  15

#define GATE_HELD_DIGEST  64


/* the words, the first of them in the order of gate_held_kind_e */

typedef enum {
    GATE_HELD_SLOW = GATE_HELD_EXTRA + 1,
    GATE_HELD_SINCE,
    GATE_HELD_UNTIL,
    GATE_HELD_POLICY,
    GATE_HELD_QUOTA,
    GATE_HELD_NUMBER,
    GATE_HELD_BY,
    GATE_HELD_REASON,
    GATE_HELD_WORDS
} gate_held_word_e;


typedef struct {
    char                    *pos;
    char                    *last;
} gate_held_text_t;


static int gate_held_whole(const gate_held_t *held, unsigned seen);
static int gate_held_word_read(gate_held_text_t *text, gate_held_t *held,
    unsigned *seen);
static unsigned gate_held_word_find(const char *name, size_t len);
static int gate_held_set(gate_held_t *held, unsigned word, char *value,
    size_t len);
static int gate_held_subject(gate_held_t *held, char *value, size_t len);
static int gate_held_digest(char *value, size_t *len);
static int gate_held_decode(char *value, size_t *len);
static int gate_held_hex(char c);
static int gate_held_number(const char *value, size_t len, uint64_t *n);
static int gate_held_rate(const char *value, size_t len, uint64_t *rate);
static char *gate_held_write(char *p, const char *last, unsigned word,
    const gate_text_t *text);
static char *gate_held_write_number(char *p, const char *last, unsigned word,
    uint64_t n);
static int gate_held_order(const gate_held_t *held, gate_held_kind_e kind,
    const gate_text_t *subject);
static int gate_held_equal(const gate_text_t *one, const gate_text_t *two);


static const char *const  gate_held_words[GATE_HELD_WORDS] = {
    "user", "certificate", "org", "project", "country", "all", "lifted",
    "extra", "slow", "since", "until", "policy", "quota", "amount", "by",
    "reason"
};


int
gate_held_id(const char *id, size_t len)
{
    size_t  i;
    char    c;

    if (len == 0 || len > GATE_HELD_ID
        || (len == 7 && memcmp(id, "version", 7) == 0))
    {
        return 0;
    }

    for (i = 0; i < len; i++) {
        c = id[i];

        if ((c < '0' || c > '9') && (c < 'A' || c > 'Z')
            && (c < 'a' || c > 'z') && c != '.' && c != '_' && c != '-')
        {
            return 0;
        }
    }

    return 1;
}


int
gate_held_parse(const char *id, size_t idlen, char *value, size_t len,
    gate_held_t *held)
{
    unsigned          seen;
    gate_held_text_t  text;

    memset(held, 0, sizeof(gate_held_t));

    if (!gate_held_id(id, idlen) || len > GATE_HELD_VALUE) {
        return -1;
    }

    held->id.data = id;
    held->id.len = idlen;

    text.pos = value;
    text.last = value + len;
    seen = 0;

    while (text.pos < text.last) {

        if (*text.pos == ' ') {
            text.pos++;
            continue;
        }

        if (gate_held_word_read(&text, held, &seen) != 0) {
            return -1;
        }
    }

    return gate_held_whole(held, seen) ? 0 : -1;
}


/* about one, and no more; and what an extra has, and nothing else */

static int
gate_held_whole(const gate_held_t *held, unsigned seen)
{
    unsigned  who, what, all;

    who = seen & ((2U << GATE_HELD_EXTRA) - 1);

    if (who == 0 || (who & (who - 1))) {
        return 0;
    }

    all = 1U << GATE_HELD_POLICY | 1U << GATE_HELD_QUOTA
          | 1U << GATE_HELD_NUMBER;
    what = seen & (all | 1U << GATE_HELD_SLOW);

    return held->kind == GATE_HELD_EXTRA
           ? what == all && held->until && held->amount
           : (what & all) == 0;
}


static int
gate_held_word_read(gate_held_text_t *text, gate_held_t *held, unsigned *seen)
{
    char      *name, *end, *equals;
    unsigned   word;

    name = text->pos;

    for (end = name; end < text->last && *end != ' '; end++) { /* void */ }

    equals = memchr(name, '=', (size_t) (end - name));

    word = gate_held_word_find(name, (size_t) ((equals ? equals : end)
                                               - name));

    if (word == GATE_HELD_WORDS || (*seen & (1U << word))) {
        return -1;
    }

    *seen |= 1U << word;

    if (word == GATE_HELD_REASON) {
        end = text->last;
    }

    text->pos = end;

    if (word == GATE_HELD_ALL || word == GATE_HELD_LIFTED) {
        held->kind = (gate_held_kind_e) word;
        return equals ? -1 : 0;
    }

    return equals ? gate_held_set(held, word, equals + 1,
                                  (size_t) (end - equals - 1))
                  : -1;
}


static unsigned
gate_held_word_find(const char *name, size_t len)
{
    unsigned  word;

    for (word = 0; word < GATE_HELD_WORDS; word++) {
        if (strlen(gate_held_words[word]) == len
            && memcmp(gate_held_words[word], name, len) == 0)
        {
            break;
        }
    }

    return word;
}


static int
gate_held_set(gate_held_t *held, unsigned word, char *value, size_t len)
{
    gate_text_t  *text;

    switch (word) {

    case GATE_HELD_SLOW:
        return gate_held_rate(value, len, &held->rate);

    case GATE_HELD_SINCE:
        return gate_held_number(value, len, &held->since);

    case GATE_HELD_UNTIL:
        return gate_held_number(value, len, &held->until);

    case GATE_HELD_NUMBER:
        return gate_held_number(value, len, &held->amount);

    case GATE_HELD_POLICY:
    case GATE_HELD_QUOTA:
    case GATE_HELD_BY:
    case GATE_HELD_REASON:
        text = word == GATE_HELD_POLICY ? &held->policy
               : word == GATE_HELD_QUOTA ? &held->quota
               : word == GATE_HELD_BY ? &held->by : &held->reason;

        if (gate_held_decode(value, &len) != 0) {
            return -1;
        }

        text->data = value;
        text->len = len;

        return 0;

    default:
        held->kind = (gate_held_kind_e) word;
        return gate_held_subject(held, value, len);
    }
}


static int
gate_held_subject(gate_held_t *held, char *value, size_t len)
{
    int  bad;

    if (gate_held_decode(value, &len) != 0 || len == 0) {
        return -1;
    }

    switch (held->kind) {

    case GATE_HELD_CERTIFICATE:
        bad = gate_held_digest(value, &len);
        break;

    case GATE_HELD_COUNTRY:
        bad = (len != 2 || value[0] < 'A' || value[0] > 'Z'
               || value[1] < 'A' || value[1] > 'Z')
              && (len != 7 || memcmp(value, "unknown", 7) != 0);
        break;

    default:
        bad = 0;
    }

    held->subject.data = value;
    held->subject.len = len;

    return bad ? -1 : 0;
}


/* as $gate_cert_fingerprint has it: lower case, without colons */

static int
gate_held_digest(char *value, size_t *len)
{
    int     hex;
    size_t  i, n;

    for (i = 0, n = 0; i < *len; i++) {

        if (value[i] == ':') {
            continue;
        }

        hex = gate_held_hex(value[i]);

        if (hex < 0) {
            return -1;
        }

        value[n++] = "0123456789abcdef"[hex];
    }

    *len = n;

    return n == GATE_HELD_DIGEST ? 0 : -1;
}


/* control characters are in no text, however they are written */

static int
gate_held_decode(char *value, size_t *len)
{
    int            high, low;
    size_t         i, n;
    unsigned char  c;

    for (i = 0, n = 0; i < *len; i++) {
        c = (unsigned char) value[i];

        if (c == '%') {
            high = i + 2 < *len ? gate_held_hex(value[i + 1]) : -1;
            low = i + 2 < *len ? gate_held_hex(value[i + 2]) : -1;

            if (high < 0 || low < 0) {
                return -1;
            }

            c = (unsigned char) (high << 4 | low);
            i += 2;
        }

        if (c < 0x20 || c == 0x7f) {
            return -1;
        }

        value[n++] = (char) c;
    }

    *len = n;

    return 0;
}


static int
gate_held_hex(char c)
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
gate_held_number(const char *value, size_t len, uint64_t *n)
{
    size_t  i;

    if (len == 0 || len > GATE_HELD_DIGITS) {
        return -1;
    }

    for (i = 0, *n = 0; i < len; i++) {

        if (value[i] < '0' || value[i] > '9') {
            return -1;
        }

        *n = *n * 10 + (uint64_t) (value[i] - '0');
    }

    return 0;
}


/* one that is none would stop, not slow */

static int
gate_held_rate(const char *value, size_t len, uint64_t *rate)
{
    unsigned  shift;

    switch (len ? value[len - 1] : 0) {

    case 'k': case 'K':
        shift = 10;
        break;

    case 'm': case 'M':
        shift = 20;
        break;

    case 'g': case 'G':
        shift = 30;
        break;

    default:
        shift = 0;
    }

    if (gate_held_number(value, len - (shift > 0), rate) != 0
        || *rate == 0 || *rate > UINT32_MAX)
    {
        return -1;
    }

    *rate <<= shift;

    return 0;
}


size_t
gate_held_format(const gate_held_t *held, char *value)
{
    char         *p, copy[GATE_HELD_VALUE];
    size_t        len;
    const char   *last;
    gate_held_t   read;

    p = value;
    last = value + GATE_HELD_VALUE;

    if (held->kind == GATE_HELD_ALL || held->kind == GATE_HELD_LIFTED) {
        len = strlen(gate_held_words[held->kind]);
        memcpy(p, gate_held_words[held->kind], len);
        p += len;

    } else {
        p = gate_held_write(p, last, held->kind, &held->subject);
    }

    p = gate_held_write_number(p, last, GATE_HELD_SLOW, held->rate);
    p = gate_held_write_number(p, last, GATE_HELD_SINCE, held->since);
    p = gate_held_write_number(p, last, GATE_HELD_UNTIL, held->until);

    if (held->kind == GATE_HELD_EXTRA) {
        p = gate_held_write(p, last, GATE_HELD_POLICY, &held->policy);
        p = gate_held_write(p, last, GATE_HELD_QUOTA, &held->quota);
        p = gate_held_write_number(p, last, GATE_HELD_NUMBER, held->amount);
    }

    if (held->by.len) {
        p = gate_held_write(p, last, GATE_HELD_BY, &held->by);
    }

    if (held->reason.len) {
        p = gate_held_write(p, last, GATE_HELD_REASON, &held->reason);
    }

    if (p == NULL) {
        return 0;
    }

    len = (size_t) (p - value);
    memcpy(copy, value, len);

    return gate_held_parse(held->id.data, held->id.len, copy, len, &read) == 0
           ? len : 0;
}


/* NULL: there is no room */

static char *
gate_held_write(char *p, const char *last, unsigned word,
    const gate_text_t *text)
{
    size_t         i, len;
    unsigned char  c;

    len = strlen(gate_held_words[word]);

    if (p == NULL || (size_t) (last - p) < len + 2) {
        return NULL;
    }

    /* the first word is who it is about */

    if (word > GATE_HELD_EXTRA) {
        *p++ = ' ';
    }

    memcpy(p, gate_held_words[word], len);
    p += len;
    *p++ = '=';

    for (i = 0; i < text->len; i++) {
        c = (unsigned char) text->data[i];

        if (last - p < 3) {
            return NULL;
        }

        if (c != '%' && c != ' ') {
            *p++ = (char) c;
            continue;
        }

        *p++ = '%';
        *p++ = '2';
        *p++ = c == '%' ? '5' : '0';
    }

    return p;
}


static char *
gate_held_write_number(char *p, const char *last, unsigned word, uint64_t n)
{
    char         digits[20];
    size_t       len;
    gate_text_t  text;

    if (n == 0) {
        return p;
    }

    for (len = sizeof(digits); n && len; n /= 10) {
        digits[--len] = (char) ('0' + n % 10);
    }

    text.data = digits + len;
    text.len = sizeof(digits) - len;

    return gate_held_write(p, last, word, &text);
}


int
gate_held_compare(const gate_held_t *one, const gate_held_t *two)
{
    return gate_held_order(one, two->kind, &two->subject);
}


static int
gate_held_order(const gate_held_t *held, gate_held_kind_e kind,
    const gate_text_t *subject)
{
    if (held->kind != kind) {
        return held->kind < kind ? -1 : 1;
    }

    if (held->subject.len != subject->len) {
        return held->subject.len < subject->len ? -1 : 1;
    }

    return subject->len ? memcmp(held->subject.data, subject->data,
                                 subject->len)
                        : 0;
}


int
gate_held_same(const gate_held_t *one, const gate_held_t *two)
{
    return gate_held_compare(one, two) == 0
           && gate_held_equal(&one->id, &two->id)
           && gate_held_equal(&one->by, &two->by)
           && gate_held_equal(&one->reason, &two->reason)
           && gate_held_equal(&one->policy, &two->policy)
           && gate_held_equal(&one->quota, &two->quota)
           && one->amount == two->amount
           && one->since == two->since
           && one->until == two->until
           && one->rate == two->rate;
}


static int
gate_held_equal(const gate_text_t *one, const gate_text_t *two)
{
    return one->len == two->len
           && (one->len == 0 || memcmp(one->data, two->data, one->len) == 0);
}


int
gate_held_over(const gate_held_t *held, uint64_t now)
{
    return held->kind == GATE_HELD_LIFTED
           || (held->until && held->until <= now);
}


const gate_held_t *
gate_held_find(const gate_held_t *helds, size_t n,
    const gate_text_t subjects[GATE_HELD_SUBJECTS], uint64_t now)
{
    size_t              from, to, middle;
    unsigned            kind;
    const gate_held_t  *found;

    found = NULL;

    for (kind = 0; kind < GATE_HELD_SUBJECTS; kind++) {

        if (subjects[kind].len == 0 && kind != GATE_HELD_ALL) {
            continue;
        }

        for (from = 0, to = n; from < to; /* void */ ) {
            middle = from + (to - from) / 2;

            if (gate_held_order(&helds[middle], (gate_held_kind_e) kind,
                                &subjects[kind])
                < 0)
            {
                from = middle + 1;

            } else {
                to = middle;
            }
        }

        for ( /* void */ ;
             from < n && gate_held_order(&helds[from], (gate_held_kind_e) kind,
                                         &subjects[kind]) == 0;
             from++)
        {
            if (!gate_held_over(&helds[from], now)
                && (found == NULL || helds[from].rate < found->rate))
            {
                found = &helds[from];
            }
        }
    }

    return found;
}


const char *
gate_held_word(gate_held_kind_e kind)
{
    return kind <= GATE_HELD_EXTRA ? gate_held_words[kind] : "";
}
