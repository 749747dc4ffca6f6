/*
 * From the DER of a certificate to its names: whatever it is, every name that
 * comes out is one that a log, a header and a key can take.
 */


#include <stdlib.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "gate_names.h"


static int
names_sink(void *data, gate_name_e which, const unsigned char *text,
    size_t len)
{
    size_t     i;
    unsigned  *seen = data;

    /* once each, usable, and none of what breaks a line */

    if (*seen & (1u << which) || !gate_names_usable(text, len)) {
        abort();
    }

    *seen |= 1u << which;

    for (i = 0; i < len; i++) {
        if (text[i] < 0x20 || text[i] == 0x7f) {
            abort();
        }
    }

    return 0;
}


int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    X509                 *x509;
    unsigned              seen;
    const unsigned char  *p;

    p = data;
    seen = 0;

    x509 = d2i_X509(NULL, &p, (long) size);

    if (x509) {
        (void) gate_names_read(x509, names_sink, &seen);
        X509_free(x509);
    }

    (void) gate_names_usable(data, size);

    ERR_clear_error();

    return 0;
}
