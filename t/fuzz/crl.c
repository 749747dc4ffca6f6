/*
 * From a file to CRLs: whatever it is, it is refused with words or can be
 * looked up.  Who signed it is believed, so that what comes after is reached.
 */


#include <stdlib.h>
#include <string.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#define X509_CRL_verify(crl, key)  ((void) (crl), (void) (key), 1)
#define X509_NAME_cmp(one, two)    ((void) (one), (void) (two), 0)

#include "gate_crl.c"


static STACK_OF(X509) *
crl_authorities(void)
{
    X509            *ca;
    EVP_PKEY        *key;
    STACK_OF(X509)  *certs;

    ca = X509_new();
    certs = sk_X509_new_null();
    key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

    if (ca == NULL || certs == NULL || key == NULL
        || X509_set_pubkey(ca, key) != 1 || sk_X509_push(certs, ca) != 1)
    {
        abort();
    }

    EVP_PKEY_free(key);

    return certs;
}


static void
crl_look(const gate_crl_t *crl, X509 *ca)
{
    size_t                  i, k;
    const gate_crl_list_t  *list;

    for (i = 0; i < crl->n; i++) {
        list = &crl->lists[i];

        if (list->kinds == 0 || list->issuer == NULL) {
            abort();
        }

        (void) gate_crl_revoked(list, ca);

        for (k = 0; k < list->serials.n; k++) {
            if (!gate_digests_have(&list->serials, list->serials.elts[k])) {
                abort();
            }
        }
    }

    (void) gate_crl_newest(crl, ca, GATE_CRL_USERS);
    (void) gate_crl_newest(crl, ca, GATE_CRL_CAS);
}


int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    char                    fault[256];
    gate_crl_t             *crl, *again;

    static STACK_OF(X509)  *authorities;

    if (authorities == NULL) {
        authorities = crl_authorities();
    }

    fault[0] = '\0';
    crl = gate_crl_read(authorities, NULL, data, size, fault, sizeof(fault));

    if (crl == NULL) {

        if (fault[0] == '\0' || strlen(fault) >= sizeof(fault)) {
            abort();
        }

        return 0;
    }

    crl_look(crl, sk_X509_value(authorities, 0));

    /* it is not older than itself */

    again = gate_crl_read(authorities, crl, data, size, fault, sizeof(fault));

    if (again == NULL) {
        abort();
    }

    gate_crl_close(again);
    gate_crl_close(crl);

    return 0;
}
