/*
 * Certificates in the text of a header, as load balancers write them.  Plain C:
 * it knows no nginx and no OpenSSL, and takes every byte for hostile.
 */


#ifndef GATE_CLIENT_CERT_H_INCLUDED
#define GATE_CLIENT_CERT_H_INCLUDED


#include <stddef.h>


/* bytes of text, all headers together; more is refused before it is read */
#define GATE_CLIENT_CERT_MAX  32768

/* certificates of one chain */
#define GATE_CLIENT_CERTS  8


typedef enum {
    GATE_CLIENT_CERT_LONG = -1,     /* more than GATE_CLIENT_CERT_MAX */
    GATE_CLIENT_CERT_FORM = -2,     /* none of the forms below */
    GATE_CLIENT_CERT_BASE64 = -3,
    GATE_CLIENT_CERT_MANY = -4,     /* certificates, or clients */
    GATE_CLIENT_CERT_NONE = -5      /* a form that has no certificate in it */
} gate_client_cert_error_e;


typedef struct {
    const unsigned char   *data;
    size_t                 len;
} gate_client_cert_der_t;


typedef struct {
    unsigned char          *pos;    /* room for as many bytes as all texts */
    size_t                  text;   /* bytes that were read until now */
    unsigned                n;
    gate_client_cert_der_t  der[GATE_CLIENT_CERTS];
} gate_client_cert_t;


/*
 * Appends what [text, end) holds to "certs", which begins as zeros with "pos"
 * set: the certificate of a client, and what may help to verify it behind it.
 * What comes out is what was encoded, not yet known to be a certificate.  0, or
 * an error; "certs" is of no use then.  The forms are
 *
 *   :base64 of DER:                      RFC 9440 2.2
 *   PEM, as it is or escaped as in URLs  $ssl_client_escaped_cert of nginx
 *   base64 of DER, plain or escaped      ssl_c_der,base64 of HAProxy
 *   Cert="..." or Chain="..." of PEM, escaped, among other words
 *                                        x-forwarded-client-cert of Envoy
 */
int gate_client_cert_read(gate_client_cert_t *certs,
    const unsigned char *text, const unsigned char *end);

/*
 * The same of a list of certificates, with commas between, that help to verify:
 * RFC 9440 2.3, or the other forms but Envoy's.
 */
int gate_client_cert_read_chain(gate_client_cert_t *certs,
    const unsigned char *text, const unsigned char *end);

/* An error in words. */
const char *gate_client_cert_error(int error);


#endif /* GATE_CLIENT_CERT_H_INCLUDED */
