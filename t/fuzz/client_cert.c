/*
 * From the text of a header to the DER of certificates: whatever it is, what
 * comes out lies in the room that was given, one behind the other.  What
 * OpenSSL makes of it is tried, too.
 */


#include <stdlib.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "gate_client_cert.h"


/* the texts of the certificate and of the chain have a NUL between */

static int
client_cert_read(gate_client_cert_t *certs, const unsigned char *data,
    const unsigned char *end)
{
    int                   rc;
    const unsigned char  *chain;

    chain = memchr(data, '\0', (size_t) (end - data));

    rc = gate_client_cert_read(certs, data, chain ? chain : end);

    if (rc == 0 && chain) {
        rc = gate_client_cert_read_chain(certs, chain + 1, end);
    }

    return rc;
}


static void
client_cert_check(const gate_client_cert_t *certs, const unsigned char *room,
    size_t size)
{
    unsigned              i;
    X509                 *x509;
    const unsigned char  *p;

    for (i = 0, p = room; i < certs->n; i++) {

        if (certs->der[i].data != p && i == 0) {
            abort();
        }

        if (certs->der[i].data < p || certs->der[i].len == 0) {
            abort();
        }

        p = certs->der[i].data + certs->der[i].len;

        if ((size_t) (p - room) > size) {
            abort();
        }

        p = certs->der[i].data;
        x509 = d2i_X509(NULL, &p, (long) certs->der[i].len);
        X509_free(x509);

        p = certs->der[i].data + certs->der[i].len;
    }
}


int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    int                  rc;
    unsigned char       *room;
    gate_client_cert_t   certs;

    memset(&certs, 0, sizeof(gate_client_cert_t));

    room = malloc(size ? size : 1);
    if (room == NULL) {
        return 0;
    }

    certs.pos = room;
    rc = client_cert_read(&certs, data, data + size);

    if (certs.n > GATE_CLIENT_CERTS
        || (rc == 0 && certs.n == 0)
        || (rc != 0 && *gate_client_cert_error(rc) == '\0'))
    {
        abort();
    }

    client_cert_check(&certs, room, size);

    free(room);
    ERR_clear_error();

    return 0;
}
