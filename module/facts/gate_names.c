/*
 * Whoever asks a careless CA for a certificate chooses its names, so they are
 * taken for hostile: what is not a plain, short, printable text is no name at
 * all, and never a shortened or cleaned one.
 */


#include "gate_names.h"

#include <stdint.h>
#include <openssl/x509v3.h>


#define GATE_NAMES_BAD_UTF8  0xffffffff


static int gate_names_subject(X509 *x509, gate_name_e which, int nid,
    gate_names_pt sink, void *data);
static int gate_names_alternative(const GENERAL_NAMES *names,
    gate_name_e which, gate_names_pt sink, void *data);
static int gate_names_is(const GENERAL_NAME *name, gate_name_e which);
static int gate_names_tell(const GENERAL_NAME *name, gate_name_e which,
    gate_names_pt sink, void *data);
static int gate_names_token(const unsigned char *text, size_t len);
static uint32_t gate_names_utf8(const unsigned char **pos,
    const unsigned char *last);
static int gate_names_control(uint32_t code);


int
gate_names_read(X509 *x509, gate_names_pt sink, void *data)
{
    int             rc;
    gate_name_e     which;
    GENERAL_NAMES  *names;

    if (gate_names_subject(x509, GATE_NAME_CN, NID_commonName, sink, data)
        || gate_names_subject(x509, GATE_NAME_ORG, NID_organizationName, sink,
                              data)
        || gate_names_subject(x509, GATE_NAME_UNIT,
                              NID_organizationalUnitName, sink, data))
    {
        return -1;
    }

    names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    if (names == NULL) {
        return 0;
    }

    rc = 0;

    for (which = GATE_NAME_EMAIL; which < GATE_NAMES && rc == 0; which++) {
        rc = gate_names_alternative(names, which, sink, data);
    }

    GENERAL_NAMES_free(names);

    return rc;
}


/*
 * The subject is not kept in a variable: its constness differs between the
 * versions of OpenSSL.
 */

static int
gate_names_subject(X509 *x509, gate_name_e which, int nid, gate_names_pt sink,
    void *data)
{
    int             i, last, len, rc;
    unsigned char  *text;

    last = -1;

    for ( ;; ) {
        i = X509_NAME_get_index_by_NID(X509_get_subject_name(x509), nid, last);
        if (i < 0) {
            break;
        }

        last = i;
    }

    if (last < 0) {
        return 0;
    }

    len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(
                      X509_NAME_get_entry(X509_get_subject_name(x509), last)));
    if (len < 0) {
        return 0;
    }

    rc = gate_names_usable(text, (size_t) len)
         ? sink(data, which, text, (size_t) len) : 0;

    OPENSSL_free(text);

    return rc;
}


/* RFC 5280 4.2.1.6 */

static int
gate_names_alternative(const GENERAL_NAMES *names, gate_name_e which,
    gate_names_pt sink, void *data)
{
    int                  i, n;
    const GENERAL_NAME  *name;

    n = sk_GENERAL_NAME_num(names);

    for (i = 0; i < n; i++) {
        name = sk_GENERAL_NAME_value(names, i);

        if (gate_names_is(name, which)) {
            return gate_names_tell(name, which, sink, data);
        }
    }

    return 0;
}


static int
gate_names_is(const GENERAL_NAME *name, gate_name_e which)
{
    switch (which) {

    case GATE_NAME_EMAIL:
        return name->type == GEN_EMAIL;

    case GATE_NAME_DNS:
        return name->type == GEN_DNS;

    case GATE_NAME_URI:
        return name->type == GEN_URI;

    default: /* GATE_NAME_UPN */
        return name->type == GEN_OTHERNAME
               && OBJ_obj2nid(name->d.otherName->type_id) == NID_ms_upn;
    }
}


static int
gate_names_tell(const GENERAL_NAME *name, gate_name_e which,
    gate_names_pt sink, void *data)
{
    int                   usable;
    size_t                len;
    const ASN1_STRING    *value;
    const unsigned char  *text;

    if (which == GATE_NAME_UPN) {

        if (name->d.otherName->value->type != V_ASN1_UTF8STRING) {
            return 0;
        }

        value = name->d.otherName->value->value.utf8string;

    } else {
        value = name->d.ia5;
    }

    text = ASN1_STRING_get0_data(value);
    len = (size_t) ASN1_STRING_length(value);

    usable = which == GATE_NAME_UPN ? gate_names_usable(text, len)
                                    : gate_names_token(text, len);

    return usable ? sink(data, which, text, len) : 0;
}


/* an address, not a text: printable ASCII without spaces */

static int
gate_names_token(const unsigned char *text, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if (text[i] <= 0x20 || text[i] >= 0x7f) {
            return 0;
        }
    }

    return len > 0 && len <= GATE_NAME_MAX;
}


int
gate_names_usable(const unsigned char *text, size_t len)
{
    uint32_t              code;
    const unsigned char  *p, *last;

    if (len == 0 || len > GATE_NAME_MAX) {
        return 0;
    }

    p = text;
    last = text + len;

    while (p < last) {
        code = gate_names_utf8(&p, last);

        if (code == GATE_NAMES_BAD_UTF8 || gate_names_control(code)) {
            return 0;
        }
    }

    return 1;
}


/*
 * One code point, strictly as in RFC 3629 3: no overlong form, no surrogate,
 * nothing above U+10FFFF.
 */

static uint32_t
gate_names_utf8(const unsigned char **pos, const unsigned char *last)
{
    size_t                n;
    uint32_t              code, min;
    const unsigned char  *p;

    p = *pos;
    code = *p++;

    if (code < 0x80) {
        n = 0;
        min = 0;

    } else if ((code & 0xe0) == 0xc0) {
        n = 1;
        min = 0x80;
        code &= 0x1f;

    } else if ((code & 0xf0) == 0xe0) {
        n = 2;
        min = 0x800;
        code &= 0x0f;

    } else if ((code & 0xf8) == 0xf0) {
        n = 3;
        min = 0x10000;
        code &= 0x07;

    } else {
        return GATE_NAMES_BAD_UTF8;
    }

    if ((size_t) (last - p) < n) {
        return GATE_NAMES_BAD_UTF8;
    }

    for ( /* void */ ; n; n--) {
        if ((*p & 0xc0) != 0x80) {
            return GATE_NAMES_BAD_UTF8;
        }

        code = (code << 6) | (*p++ & 0x3f);
    }

    if (code < min || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        return GATE_NAMES_BAD_UTF8;
    }

    *pos = p;

    return code;
}


/* what breaks or turns around the line of a log that shows it */

static int
gate_names_control(uint32_t code)
{
    return code < 0x20
           || (code >= 0x7f && code <= 0x9f)        /* DEL and C1 */
           || code == 0x061c                        /* bidi marks: ALM, */
           || code == 0x200e || code == 0x200f      /* LRM, RLM, */
           || (code >= 0x202a && code <= 0x202e)    /* embeddings, */
           || (code >= 0x2066 && code <= 0x2069)    /* isolates */
           || code == 0x2028 || code == 0x2029;     /* line separators */
}
