/*
 * The names in a certificate, as texts that may be logged, sent in a header and
 * used as a key.  OpenSSL and plain C: it knows no nginx.
 */


#ifndef GATE_NAMES_H_INCLUDED
#define GATE_NAMES_H_INCLUDED


#include <stddef.h>
#include <openssl/x509.h>


/* bytes; a longer name is none */
#define GATE_NAME_MAX  255


typedef enum {
    GATE_NAME_CN = 0,       /* of the subject: the last, most specific one */
    GATE_NAME_ORG,
    GATE_NAME_UNIT,
    GATE_NAME_EMAIL,        /* of the subjectAltName: the first one */
    GATE_NAME_DNS,
    GATE_NAME_URI,
    GATE_NAME_UPN,          /* Microsoft's user principal name */
    GATE_NAMES
} gate_name_e;


/*
 * Takes a name, UTF-8 of 1 to GATE_NAME_MAX bytes that are the callee's for
 * the time of the call.  0, or -1 to end the reading.
 */
typedef int (*gate_names_pt)(void *data, gate_name_e which,
    const unsigned char *text, size_t len);


/*
 * Tells "sink" each name that the certificate has, once, in no order.  A name
 * with a NUL, controls, bidi marks or broken encoding is none, and another of
 * its kind does not stand in for it.  0, or -1 if "sink" said so.  Leaves
 * what it met in OpenSSL's error queue.
 */
int gate_names_read(X509 *x509, gate_names_pt sink, void *data);

/* Is it one that "sink" could be told? */
int gate_names_usable(const unsigned char *text, size_t len);


#endif /* GATE_NAMES_H_INCLUDED */
