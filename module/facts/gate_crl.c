/*
 * OpenSSL parses; what is kept of it is one sorted array for each CRL.  Taken
 * are complete CRLs whose issuer has signed them, maybe of user or CA
 * certificates alone.  All others are refused: whoever does not understand a
 * CRL must not say that a certificate is good by it (RFC 5280 5.2).
 */


#include "gate_crl.h"
#include "gate_time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>


/* of CRLs in a file, and of certificates: who signed which is tried out */
#define GATE_CRL_MOST  1024


/* a file while it is read */

typedef struct {
    STACK_OF(X509_CRL)  *crls;
    STACK_OF(X509)      *certs;
    STACK_OF(X509)      *authorities;
    char                *fault;
    size_t               size;
} gate_crl_file_t;


static gate_crl_t *gate_crl_take(gate_crl_file_t *file,
    const gate_crl_t *current);
static int gate_crl_ders(gate_crl_file_t *file, const unsigned char *text,
    size_t len);
static int gate_crl_pems(gate_crl_file_t *file, const unsigned char *text,
    size_t len);
static int gate_crl_pem(gate_crl_file_t *file, const char *what,
    const unsigned char *der, long len);
static int gate_crl_push(gate_crl_file_t *file, X509_CRL *x509_crl);
static int gate_crl_list(gate_crl_file_t *file, X509_CRL *x509_crl,
    gate_crl_list_t *list);
static X509 *gate_crl_issuer(STACK_OF(X509) *certs, X509_CRL *x509_crl);
static int gate_crl_extensions(gate_crl_file_t *file, X509_CRL *x509_crl,
    gate_crl_list_t *list);
static int gate_crl_scope(gate_crl_file_t *file, X509_CRL *x509_crl,
    gate_crl_list_t *list);
static int gate_crl_entries(gate_crl_file_t *file, X509_CRL *x509_crl,
    gate_crl_list_t *list);
static int gate_crl_serial(const ASN1_INTEGER *serial,
    unsigned char key[GATE_DIGEST]);
static int gate_crl_older(gate_crl_file_t *file, const gate_crl_t *crl,
    const gate_crl_t *current);
static int gate_crl_fault(gate_crl_file_t *file, const X509_NAME *issuer,
    const char *fault);


gate_crl_t *
gate_crl_read(STACK_OF(X509) *authorities, const gate_crl_t *current,
    const unsigned char *text, size_t len, char *fault, size_t size)
{
    int               rc;
    gate_crl_t       *crl;
    gate_crl_file_t   file;

    file.crls = sk_X509_CRL_new_null();
    file.certs = sk_X509_new_null();
    file.authorities = authorities;
    file.fault = fault;
    file.size = size;

    crl = NULL;
    rc = gate_crl_fault(&file, NULL, "does not fit into memory");

    /* DER is longer than 127 bytes, and no text begins like that */

    if (file.crls && file.certs) {
        rc = len > 1 && text[0] == 0x30 && text[1] & 0x80
             ? gate_crl_ders(&file, text, len)
             : gate_crl_pems(&file, text, len);
    }

    if (rc == 0) {
        crl = gate_crl_take(&file, current);
    }

    sk_X509_CRL_pop_free(file.crls, X509_CRL_free);
    sk_X509_pop_free(file.certs, X509_free);

    ERR_clear_error();

    return crl;
}


static gate_crl_t *
gate_crl_take(gate_crl_file_t *file, const gate_crl_t *current)
{
    int          i, n;
    gate_crl_t  *crl;

    n = sk_X509_CRL_num(file->crls);

    if (n == 0) {
        (void) gate_crl_fault(file, NULL, "has no CRL in it");
        return NULL;
    }

    crl = calloc(1, sizeof(gate_crl_t));

    if (crl) {
        crl->lists = calloc((size_t) n, sizeof(gate_crl_list_t));
    }

    if (crl == NULL || crl->lists == NULL) {
        free(crl);
        (void) gate_crl_fault(file, NULL, "does not fit into memory");
        return NULL;
    }

    for (i = 0; i < n; i++) {
        crl->n++;

        if (gate_crl_list(file, sk_X509_CRL_value(file->crls, i),
                          &crl->lists[i])
            != 0)
        {
            gate_crl_close(crl);
            return NULL;
        }
    }

    if (current && gate_crl_older(file, crl, current)) {
        gate_crl_close(crl);
        return NULL;
    }

    return crl;
}


void
gate_crl_close(gate_crl_t *crl)
{
    size_t  i;

    for (i = 0; i < crl->n; i++) {
        gate_digests_close(&crl->lists[i].serials);
        X509_free(crl->lists[i].issuer);
    }

    free(crl->lists);
    free(crl);
}


static int
gate_crl_ders(gate_crl_file_t *file, const unsigned char *text, size_t len)
{
    const unsigned char  *p, *last;

    p = text;
    last = text + len;

    while (p < last) {
        if (gate_crl_push(file, d2i_X509_CRL(NULL, &p, last - p)) != 0) {
            return -1;
        }
    }

    return 0;
}


static int
gate_crl_pems(gate_crl_file_t *file, const unsigned char *text, size_t len)
{
    int             rc;
    BIO            *bio;
    long            size;
    char           *what, *header;
    unsigned long   error;
    unsigned char  *der;

    bio = BIO_new_mem_buf(text, (int) len);
    if (bio == NULL) {
        return -1;
    }

    rc = 0;

    while (rc == 0 && PEM_read_bio(bio, &what, &header, &der, &size)) {
        rc = gate_crl_pem(file, what, der, size);

        OPENSSL_free(what);
        OPENSSL_free(header);
        OPENSSL_free(der);
    }

    error = ERR_peek_last_error();

    BIO_free(bio);

    if (rc != 0 || (ERR_GET_LIB(error) == ERR_LIB_PEM
                    && ERR_GET_REASON(error) == PEM_R_NO_START_LINE))
    {
        return rc;
    }

    return gate_crl_fault(file, NULL, "is broken, or cut");
}


static int
gate_crl_pem(gate_crl_file_t *file, const char *what,
    const unsigned char *der, long len)
{
    X509                 *x509;
    const unsigned char  *p;

    p = der;

    if (strcmp(what, PEM_STRING_X509_CRL) == 0) {
        return gate_crl_push(file, d2i_X509_CRL(NULL, &p, len));
    }

    if (strcmp(what, PEM_STRING_X509) != 0) {
        return gate_crl_fault(file, NULL,
                              "has something else in it than CRLs and CAs");
    }

    x509 = d2i_X509(NULL, &p, len);

    if (x509 == NULL
        || sk_X509_num(file->certs) == GATE_CRL_MOST
        || sk_X509_push(file->certs, x509) == 0)
    {
        X509_free(x509);
        return gate_crl_fault(file, NULL, "has a broken certificate in it, "
                                          "or too many");
    }

    return 0;
}


/* takes what was parsed, NULL if that failed */

static int
gate_crl_push(gate_crl_file_t *file, X509_CRL *x509_crl)
{
    if (x509_crl == NULL) {
        return gate_crl_fault(file, NULL, "is broken, or cut");
    }

    if (sk_X509_CRL_num(file->crls) == GATE_CRL_MOST
        || sk_X509_CRL_push(file->crls, x509_crl) == 0)
    {
        X509_CRL_free(x509_crl);
        return gate_crl_fault(file, NULL, "has too many CRLs in it");
    }

    return 0;
}


static int
gate_crl_list(gate_crl_file_t *file, X509_CRL *x509_crl,
    gate_crl_list_t *list)
{
    const X509_NAME  *name;

    name = X509_CRL_get_issuer(x509_crl);

    list->issuer = gate_crl_issuer(file->authorities, x509_crl);

    if (list->issuer == NULL) {
        list->issuer = gate_crl_issuer(file->certs, x509_crl);
    }

    if (list->issuer == NULL) {
        return gate_crl_fault(file, name, "is signed by no CA that is known "
                                          "here or stands in the file");
    }

    if (gate_time_read(X509_CRL_get0_lastUpdate(x509_crl), &list->begin) != 0
        || gate_time_read(X509_CRL_get0_nextUpdate(x509_crl), &list->end)
           != 0)
    {
        return gate_crl_fault(file, name, "does not say from when, or until "
                                          "when, it holds");
    }

    if (gate_crl_extensions(file, x509_crl, list) != 0) {
        return -1;
    }

    return gate_crl_entries(file, x509_crl, list);
}


/* RFC 5280 6.3.3 (f) and (g) */

static X509 *
gate_crl_issuer(STACK_OF(X509) *certs, X509_CRL *x509_crl)
{
    int    i;
    X509  *x509;

    for (i = 0; i < sk_X509_num(certs); i++) {
        x509 = sk_X509_value(certs, i);

        if (X509_NAME_cmp(X509_get_subject_name(x509),
                          X509_CRL_get_issuer(x509_crl))
            == 0
            && (X509_get_key_usage(x509) & KU_CRL_SIGN)
            && X509_get0_pubkey(x509)
            && X509_CRL_verify(x509_crl, X509_get0_pubkey(x509)) == 1)
        {
            X509_up_ref(x509);
            return x509;
        }
    }

    return NULL;
}


static int
gate_crl_extensions(gate_crl_file_t *file, X509_CRL *x509_crl,
    gate_crl_list_t *list)
{
    int               i;
    X509_EXTENSION   *extension;
    const X509_NAME  *name;

    name = X509_CRL_get_issuer(x509_crl);

    for (i = 0; i < X509_CRL_get_ext_count(x509_crl); i++) {
        extension = X509_CRL_get_ext(x509_crl, i);

        switch (OBJ_obj2nid(X509_EXTENSION_get_object(extension))) {

        case NID_delta_crl:
            return gate_crl_fault(file, name, "is a delta CRL, the complete "
                                              "one is needed");

        case NID_issuing_distribution_point:
        case NID_authority_key_identifier:
        case NID_crl_number:
            break;

        default:
            if (X509_EXTENSION_get_critical(extension)) {
                return gate_crl_fault(file, name, "has a critical extension "
                                                  "that is not known");
            }
        }
    }

    return gate_crl_scope(file, x509_crl, list);
}


static int
gate_crl_scope(gate_crl_file_t *file, X509_CRL *x509_crl,
    gate_crl_list_t *list)
{
    int                  part, critical;
    const X509_NAME     *name;
    ISSUING_DIST_POINT  *scope;

    name = X509_CRL_get_issuer(x509_crl);
    list->kinds = GATE_CRL_USERS|GATE_CRL_CAS;

    scope = X509_CRL_get_ext_d2i(x509_crl, NID_issuing_distribution_point,
                                 &critical, NULL);

    if (scope == NULL) {
        return critical == -1
               ? 0 : gate_crl_fault(file, name, "has a broken issuing "
                                                "distribution point");
    }

    if (scope->onlyuser) {
        list->kinds &= ~(unsigned) GATE_CRL_CAS;
    }

    if (scope->onlyCA) {
        list->kinds &= ~(unsigned) GATE_CRL_USERS;
    }

    part = scope->distpoint || scope->onlysomereasons || scope->onlyattr
           || scope->indirectCRL || list->kinds == 0;

    ISSUING_DIST_POINT_free(scope);

    return part ? gate_crl_fault(file, name, "is an indirect or partial CRL, "
                                             "the complete one is needed")
                : 0;
}


static int
gate_crl_entries(gate_crl_file_t *file, X509_CRL *x509_crl,
    gate_crl_list_t *list)
{
    int                      i, n;
    X509_REVOKED            *entry;
    const X509_NAME         *name;
    STACK_OF(X509_REVOKED)  *entries;

    name = X509_CRL_get_issuer(x509_crl);
    entries = X509_CRL_get_REVOKED(x509_crl);
    n = sk_X509_REVOKED_num(entries);

    if (n <= 0) {
        return 0;
    }

    list->serials.elts = malloc((size_t) n * GATE_DIGEST);

    if (list->serials.elts == NULL) {
        return gate_crl_fault(file, name, "does not fit into memory");
    }

    for (i = 0; i < n; i++) {
        entry = sk_X509_REVOKED_value(entries, i);

        /* that of an indirect CRL says whose certificates follow */

        if (X509_REVOKED_get_ext_by_critical(entry, 1, -1) >= 0
            || X509_REVOKED_get_ext_by_NID(entry, NID_certificate_issuer, -1)
               >= 0)
        {
            return gate_crl_fault(file, name, "has an entry with a critical "
                                              "extension");
        }

        if (gate_crl_serial(X509_REVOKED_get0_serialNumber(entry),
                            list->serials.elts[i])
            != 0)
        {
            return gate_crl_fault(file, name,
                                  "has a serial number that is too long");
        }

        list->serials.n++;
    }

    gate_digests_sort(&list->serials);

    return 0;
}


/*
 * A serial number has 20 bytes at most (RFC 5280 4.1.2.2): it fits into the
 * place of a digest, with its length and sign.
 */

static int
gate_crl_serial(const ASN1_INTEGER *serial, unsigned char key[GATE_DIGEST])
{
    int  len;

    len = ASN1_STRING_length(serial);

    if (len < 0 || len > GATE_DIGEST - 2) {
        return -1;
    }

    memset(key, 0, GATE_DIGEST);

    key[0] = (unsigned char) len;
    key[1] = ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER;

    if (len) {
        memcpy(key + 2, ASN1_STRING_get0_data(serial), (size_t) len);
    }

    return 0;
}


/*
 * Who puts an old CRL in the place of a new one, by mistake or not, lets those
 * in who were revoked since.
 */

static int
gate_crl_older(gate_crl_file_t *file, const gate_crl_t *crl,
    const gate_crl_t *current)
{
    size_t                  i;
    unsigned                kind;
    const gate_crl_list_t  *list, *now;

    for (i = 0; i < current->n; i++) {
        for (kind = GATE_CRL_USERS; kind <= GATE_CRL_CAS; kind <<= 1) {
            now = gate_crl_newest(current, current->lists[i].issuer, kind);
            list = gate_crl_newest(crl, current->lists[i].issuer, kind);

            if (now && list && list->begin < now->begin) {
                return gate_crl_fault(file,
                                      X509_get_subject_name(now->issuer),
                                      "is older than the one in use");
            }
        }
    }

    return 0;
}


gate_crl_list_t *
gate_crl_newest(const gate_crl_t *crl, X509 *ca, unsigned kind)
{
    size_t            i;
    gate_crl_list_t  *list, *newest;

    newest = NULL;

    for (i = 0; i < crl->n; i++) {
        list = &crl->lists[i];

        if ((list->kinds & kind)
            && (newest == NULL || list->begin > newest->begin)
            && ASN1_STRING_cmp(X509_get0_pubkey_bitstr(list->issuer),
                               X509_get0_pubkey_bitstr(ca))
               == 0
            && X509_NAME_cmp(X509_get_subject_name(list->issuer),
                             X509_get_subject_name(ca))
               == 0)
        {
            newest = list;
        }
    }

    return newest && (X509_get_key_usage(ca) & KU_CRL_SIGN) ? newest : NULL;
}


/* one that could not be in a list is not said to be good */

int
gate_crl_revoked(const gate_crl_list_t *list, X509 *x509)
{
    unsigned char  key[GATE_DIGEST];

    return gate_crl_serial(X509_get0_serialNumber(x509), key) != 0
           || gate_digests_have(&list->serials, key);
}


static int
gate_crl_fault(gate_crl_file_t *file, const X509_NAME *issuer,
    const char *fault)
{
    char  name[GATE_CRL_NAME];

    if (issuer == NULL) {
        (void) snprintf(file->fault, file->size, "%s", fault);
        return -1;
    }

    gate_crl_name(issuer, name);

    (void) snprintf(file->fault, file->size,
                    "cannot be used: that of \"%s\" %s", name, fault);

    return -1;
}


void
gate_crl_name(const X509_NAME *dn, char name[GATE_CRL_NAME])
{
    BIO   *bio;
    long   len;
    char  *text;

    name[0] = '\0';

    bio = BIO_new(BIO_s_mem());
    if (bio == NULL) {
        return;
    }

    /* these flags escape all but printable ASCII */

    if (X509_NAME_print_ex(bio, dn, 0, XN_FLAG_RFC2253) >= 0) {
        len = BIO_get_mem_data(bio, &text);
        len = len < GATE_CRL_NAME - 1 ? len : GATE_CRL_NAME - 1;

        memcpy(name, text, (size_t) len);
        name[len] = '\0';
    }

    BIO_free(bio);
}
