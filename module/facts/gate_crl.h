/*
 * From the text of a file to CRLs that can be looked up.  By whoever may take
 * his time: nothing here logs, takes from a pool or knows a connection.
 */


#ifndef GATE_CRL_H_INCLUDED
#define GATE_CRL_H_INCLUDED


#include <stddef.h>
#include <time.h>
#include <openssl/x509v3.h>

#include "gate_digests.h"


/* what certificates a CRL is about, RFC 5280 5.2.5 */
#define GATE_CRL_USERS  1
#define GATE_CRL_CAS    2

/* bytes of a DN in a log line, with the zero at its end */
#define GATE_CRL_NAME   128


typedef struct {
    X509                       *issuer;     /* has signed it */
    unsigned                    kinds;
    time_t                      begin;      /* thisUpdate */
    time_t                      end;        /* nextUpdate */
    gate_digests_t              serials;    /* not digests, but see there */
    unsigned                    told;       /* that it has expired */
} gate_crl_list_t;


typedef struct {
    size_t                      n;
    gate_crl_list_t   *lists;
} gate_crl_t;


/*
 * Reads all CRLs of a text.  Each must be signed by one of "authorities", or of
 * the certificates in the text, and none be older than what "current", which
 * may be NULL, has of its issuer.  NULL: one is no good, or there is none; why,
 * in "fault" of "size" bytes, in words that follow the file's name.
 */
gate_crl_t *gate_crl_read(STACK_OF(X509) *authorities,
    const gate_crl_t *current, const unsigned char *text, size_t len,
    char *fault, size_t size);

void gate_crl_close(gate_crl_t *crl);

/* The newest list of a CA on certificates of this kind, or NULL. */
gate_crl_list_t *gate_crl_newest(
    const gate_crl_t *crl, X509 *ca, unsigned kind);

/* Is it in the list of its issuer? */
int gate_crl_revoked(const gate_crl_list_t *list,
    X509 *x509);

/* A DN as of RFC 2253, ended with zero, cut if it is long. */
void gate_crl_name(const X509_NAME *dn,
    char name[GATE_CRL_NAME]);


#endif /* GATE_CRL_H_INCLUDED */
