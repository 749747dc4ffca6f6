/*
 * A text is decoded into the room behind what is there already, each step in
 * place: what is left after a step is never longer than what it was made of.
 */


#include "gate_client_cert.h"

#include <string.h>


typedef struct {
    const unsigned char  *data;
    const unsigned char  *end;
} gate_client_cert_text_t;


static int gate_client_cert_begin(gate_client_cert_t *certs,
    gate_client_cert_text_t *text);
static int gate_client_cert_member(gate_client_cert_t *certs,
    gate_client_cert_text_t text);
static int gate_client_cert_plain(gate_client_cert_t *certs,
    gate_client_cert_text_t text);
static int gate_client_cert_unescape(unsigned char *dst,
    gate_client_cert_text_t *text);
static int gate_client_cert_pem(gate_client_cert_t *certs,
    gate_client_cert_text_t text);
static int gate_client_cert_base64(gate_client_cert_t *certs,
    gate_client_cert_text_t text, int blanks);
static int gate_client_cert_digit(unsigned char ch);
static int gate_client_cert_envoy(gate_client_cert_t *certs,
    gate_client_cert_text_t text);
static int gate_client_cert_pair(gate_client_cert_text_t *text,
    gate_client_cert_text_t *key, gate_client_cert_text_t *value);
static int gate_client_cert_key(gate_client_cert_text_t key,
    const char *name);
static int gate_client_cert_pairs(gate_client_cert_text_t text);
static int gate_client_cert_skip(gate_client_cert_text_t *text,
    const char *word);
static void gate_client_cert_trim(gate_client_cert_text_t *text);
static int gate_client_cert_blank(unsigned char ch);
static int gate_client_cert_hex(unsigned char ch);
static unsigned char gate_client_cert_lower(unsigned char ch);


int
gate_client_cert_read(gate_client_cert_t *certs, const unsigned char *text,
    const unsigned char *end)
{
    int                      rc;
    unsigned                 n;
    gate_client_cert_text_t  all = { text, end };

    n = certs->n;
    rc = gate_client_cert_begin(certs, &all);

    if (rc == 0) {
        rc = gate_client_cert_pairs(all) ? gate_client_cert_envoy(certs, all)
                                         : gate_client_cert_member(certs, all);
    }

    return rc ? rc : certs->n == n ? GATE_CLIENT_CERT_NONE : 0;
}


int
gate_client_cert_read_chain(gate_client_cert_t *certs,
    const unsigned char *text, const unsigned char *end)
{
    int                      rc;
    gate_client_cert_text_t  all = { text, end }, member;

    rc = gate_client_cert_begin(certs, &all);

    while (rc == 0 && all.data < all.end) {
        member.data = all.data;
        member.end = memchr(all.data, ',', (size_t) (all.end - all.data));

        if (member.end == NULL) {
            member.end = all.end;
            all.data = all.end;

        } else {
            all.data = member.end + 1;

            /* nothing behind a comma, RFC 8941 4.2.1 */

            rc = all.data == all.end ? GATE_CLIENT_CERT_FORM : 0;
        }

        if (rc == 0) {
            gate_client_cert_trim(&member);
            rc = gate_client_cert_member(certs, member);
        }
    }

    return rc;
}


static int
gate_client_cert_begin(gate_client_cert_t *certs,
    gate_client_cert_text_t *text)
{
    size_t  size;

    size = (size_t) (text->end - text->data);

    if (size > GATE_CLIENT_CERT_MAX - certs->text) {
        return GATE_CLIENT_CERT_LONG;
    }

    certs->text += size;
    gate_client_cert_trim(text);

    return 0;
}


static int
gate_client_cert_member(gate_client_cert_t *certs,
    gate_client_cert_text_t text)
{
    if (text.data == text.end) {
        return GATE_CLIENT_CERT_FORM;
    }

    if (*text.data != ':') {
        return gate_client_cert_plain(certs, text);
    }

    /* RFC 8941 3.3.5; RFC 9440 has no parameters */

    if (text.end - text.data < 2 || text.end[-1] != ':') {
        return GATE_CLIENT_CERT_FORM;
    }

    text.data++;
    text.end--;

    return gate_client_cert_base64(certs, text, 0);
}


static int
gate_client_cert_plain(gate_client_cert_t *certs,
    gate_client_cert_text_t text)
{
    int  rc;

    rc = gate_client_cert_unescape(certs->pos, &text);
    if (rc) {
        return rc;
    }

    gate_client_cert_trim(&text);

    if (text.data < text.end && *text.data == '-') {
        return gate_client_cert_pem(certs, text);
    }

    return gate_client_cert_base64(certs, text, 1);
}


/* RFC 3986 2.1; a plus is a digit of base64, never a blank */

static int
gate_client_cert_unescape(unsigned char *dst, gate_client_cert_text_t *text)
{
    int                   high, low;
    unsigned char        *start;
    const unsigned char  *p;

    start = dst;

    for (p = text->data; p < text->end; p++) {

        if (*p != '%') {
            *dst++ = *p;
            continue;
        }

        if (text->end - p < 3) {
            return GATE_CLIENT_CERT_FORM;
        }

        high = gate_client_cert_hex(p[1]);
        low = gate_client_cert_hex(p[2]);

        if (high < 0 || low < 0) {
            return GATE_CLIENT_CERT_FORM;
        }

        *dst++ = (unsigned char) (high << 4 | low);
        p += 2;
    }

    text->data = start;
    text->end = dst;

    return 0;
}


/* RFC 7468 5; the line breaks may have become blanks, or be gone */

static int
gate_client_cert_pem(gate_client_cert_t *certs, gate_client_cert_text_t text)
{
    int                      rc;
    gate_client_cert_text_t  body;

    while (text.data < text.end) {

        if (!gate_client_cert_skip(&text, "-----BEGIN CERTIFICATE-----")) {
            return GATE_CLIENT_CERT_FORM;
        }

        body.data = text.data;

        while (text.data < text.end && *text.data != '-') {
            text.data++;
        }

        body.end = text.data;

        if (!gate_client_cert_skip(&text, "-----END CERTIFICATE-----")) {
            return GATE_CLIENT_CERT_FORM;
        }

        rc = gate_client_cert_base64(certs, body, 1);
        if (rc) {
            return rc;
        }

        gate_client_cert_trim(&text);
    }

    return 0;
}


/* RFC 4648 4; the padding may lack, RFC 8941 4.2.7 */

static int
gate_client_cert_base64(gate_client_cert_t *certs,
    gate_client_cert_text_t text, int blanks)
{
    int             digit;
    unsigned        bits, n, padding;
    unsigned char  *start;

    if (certs->n == GATE_CLIENT_CERTS) {
        return GATE_CLIENT_CERT_MANY;
    }

    start = certs->pos;
    bits = n = padding = 0;

    for ( /* void */ ; text.data < text.end; text.data++) {

        if (blanks && gate_client_cert_blank(*text.data)) {
            continue;
        }

        if (*text.data == '=') {
            padding++;
            continue;
        }

        digit = gate_client_cert_digit(*text.data);

        if (digit < 0 || padding) {
            return GATE_CLIENT_CERT_BASE64;
        }

        bits = bits << 6 | (unsigned) digit;

        if (n++ % 4) {
            *certs->pos++ = (unsigned char) (bits >> (6 - 2 * ((n - 1) % 4)));
        }
    }

    if (n % 4 == 1 || (padding && (n + padding) % 4) || padding > 2
        || certs->pos == start)
    {
        return GATE_CLIENT_CERT_BASE64;
    }

    certs->der[certs->n].data = start;
    certs->der[certs->n].len = (size_t) (certs->pos - start);
    certs->n++;

    return 0;
}


static int
gate_client_cert_digit(unsigned char ch)
{
    if (ch >= 'A' && ch <= 'Z') {
        return ch - 'A';
    }

    if (ch >= 'a' && ch <= 'z') {
        return ch - 'a' + 26;
    }

    if (ch >= '0' && ch <= '9') {
        return ch - '0' + 52;
    }

    return ch == '+' ? 62 : ch == '/' ? 63 : -1;
}


/*
 * Pairs with semicolons between.  A comma begins what another proxy said, or
 * the client himself: which of them speaks of him cannot be told.
 */

static int
gate_client_cert_envoy(gate_client_cert_t *certs,
    gate_client_cert_text_t text)
{
    int                       rc;
    gate_client_cert_text_t   key, value, cert, chain, *slot;

    cert.data = cert.end = chain.data = chain.end = NULL;

    while (text.data < text.end) {

        rc = gate_client_cert_pair(&text, &key, &value);
        if (rc) {
            return rc;
        }

        slot = gate_client_cert_key(key, "cert") ? &cert
               : gate_client_cert_key(key, "chain") ? &chain : NULL;

        if (slot && slot->data) {
            return GATE_CLIENT_CERT_MANY;
        }

        if (slot) {
            *slot = value;
        }
    }

    /* the chain begins with the client's own, as far as it is there */

    rc = cert.data ? gate_client_cert_plain(certs, cert) : 0;

    if (rc == 0 && chain.data) {
        rc = gate_client_cert_plain(certs, chain);
    }

    return rc;
}


/* a quoted value is what is between the quotes, with no escapes undone */

static int
gate_client_cert_pair(gate_client_cert_text_t *text,
    gate_client_cert_text_t *key, gate_client_cert_text_t *value)
{
    const unsigned char  *p, *end;

    end = text->end;
    key->data = text->data;

    for (p = text->data; p < end && *p != '='; p++) {
        if (*p == ',' || *p == ';' || *p == '"') {
            return GATE_CLIENT_CERT_FORM;
        }
    }

    if (p == end) {
        return GATE_CLIENT_CERT_FORM;
    }

    key->end = p++;
    value->data = p;

    if (p < end && *p == '"') {
        value->data = ++p;

        while (p < end && *p != '"') {
            p += *p == '\\' && end - p > 1 ? 2 : 1;
        }

        if (p == end) {
            return GATE_CLIENT_CERT_FORM;
        }

        value->end = p++;

    } else {
        while (p < end && *p != ';' && *p != ',') {
            p++;
        }

        value->end = p;
    }

    if (p < end && *p != ';') {
        return *p == ',' ? GATE_CLIENT_CERT_MANY : GATE_CLIENT_CERT_FORM;
    }

    text->data = p < end ? p + 1 : end;

    return 0;
}


static int
gate_client_cert_key(gate_client_cert_text_t key, const char *name)
{
    gate_client_cert_trim(&key);

    while (key.data < key.end && *name) {
        if (gate_client_cert_lower(*key.data) != (unsigned char) *name) {
            return 0;
        }

        key.data++;
        name++;
    }

    return key.data == key.end && *name == '\0';
}


/* Envoy's form begins with one of its words, and base64 ends with "=" */

static int
gate_client_cert_pairs(gate_client_cert_text_t text)
{
    size_t  i;

    static const char *const  words[] = { "by", "hash", "cert", "chain",
                                          "subject", "uri", "dns" };

    gate_client_cert_text_t  key;

    key.data = text.data;
    key.end = text.data < text.end
              ? memchr(text.data, '=', (size_t) (text.end - text.data)) : NULL;

    if (key.end == NULL) {
        return 0;
    }

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (gate_client_cert_key(key, words[i])) {
            return 1;
        }
    }

    return 0;
}


/* over the word, if it is there */

static int
gate_client_cert_skip(gate_client_cert_text_t *text, const char *word)
{
    size_t  len;

    len = strlen(word);

    if ((size_t) (text->end - text->data) < len
        || memcmp(text->data, word, len) != 0)
    {
        return 0;
    }

    text->data += len;

    return 1;
}


static void
gate_client_cert_trim(gate_client_cert_text_t *text)
{
    while (text->data < text->end && gate_client_cert_blank(*text->data)) {
        text->data++;
    }

    while (text->data < text->end && gate_client_cert_blank(text->end[-1])) {
        text->end--;
    }
}


static int
gate_client_cert_blank(unsigned char ch)
{
    return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n';
}


static int
gate_client_cert_hex(unsigned char ch)
{
    ch = gate_client_cert_lower(ch);

    return ch >= '0' && ch <= '9' ? ch - '0'
           : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}


static unsigned char
gate_client_cert_lower(unsigned char ch)
{
    return ch >= 'A' && ch <= 'Z' ? (unsigned char) (ch | 0x20) : ch;
}


const char *
gate_client_cert_error(int error)
{
    switch (error) {

    case GATE_CLIENT_CERT_LONG:
        return "the certificate header is too long";

    case GATE_CLIENT_CERT_FORM:
        return "the certificate header has no known form";

    case GATE_CLIENT_CERT_BASE64:
        return "the certificate header is no base64";

    case GATE_CLIENT_CERT_MANY:
        return "the certificate header has too many certificates";

    case GATE_CLIENT_CERT_NONE:
        return "the certificate header has no certificate";

    default:
        return "";
    }
}
