/*
 * Certificates in the text of a header: each form in which load balancers write
 * them, and each fault.  Three bytes, 30 01 02, stand for a certificate: "MAEC".
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gate_client_cert.c"


#define PEM    "-----BEGIN CERTIFICATE-----\nMAEC\n-----END CERTIFICATE-----\n"
#define OTHER  "-----BEGIN CERTIFICATE-----\nMAED\n-----END CERTIFICATE-----\n"
#define ESCAPED                                                               \
    "-----BEGIN%20CERTIFICATE-----%0AMAEC%0A-----END%20CERTIFICATE-----%0A"
#define ANOTHER                                                               \
    "-----BEGIN%20CERTIFICATE-----%0aMAED%0a-----END%20CERTIFICATE-----%0a"


static unsigned char       room[2 * GATE_CLIENT_CERT_MAX];
static gate_client_cert_t  certs;


static int
setup(void **state)
{
    (void) state;

    memset(&certs, 0, sizeof(gate_client_cert_t));
    certs.pos = room;

    return 0;
}


static int
of(const char *text)
{
    setup(NULL);

    return gate_client_cert_read(&certs, (const unsigned char *) text,
                                 (const unsigned char *) text + strlen(text));
}


static int
chain_of(const char *text)
{
    return gate_client_cert_read_chain(&certs, (const unsigned char *) text,
                                       (const unsigned char *) text
                                       + strlen(text));
}


static void
is(unsigned i, const char *bytes, size_t len)
{
    assert_in_range(certs.n, i + 1, GATE_CLIENT_CERTS);
    assert_int_equal(certs.der[i].len, len);
    assert_memory_equal(certs.der[i].data, bytes, len);
}


static void
one(const char *text)
{
    assert_int_equal(of(text), 0);
    assert_int_equal(certs.n, 1);
    is(0, "\x30\x01\x02", 3);
}


static void
rfc_9440(void **state)
{
    (void) state;

    one(":MAEC:");
    one(" :MAEC:\t");

    assert_int_equal(of(":MAE=:"), 0);
    is(0, "\x30\x01", 2);
    assert_int_equal(of(":MA==:"), 0);
    is(0, "\x30", 1);
    assert_int_equal(of(":+/+/:"), 0);
    is(0, "\xfb\xff\xbf", 3);

    assert_int_equal(of(":abz059:"), 0);
    is(0, "\x69\xbc\xf4\xe7\xd", 4);

    /* the padding may lack, RFC 8941 4.2.7 */

    assert_int_equal(of(":MAE:"), 0);
    is(0, "\x30\x01", 2);

    assert_int_equal(of("::"), GATE_CLIENT_CERT_BASE64);
    assert_int_equal(of(":"), GATE_CLIENT_CERT_FORM);
    assert_int_equal(of(":MAEC"), GATE_CLIENT_CERT_FORM);
    assert_int_equal(of(":MAEC:;a=1"), GATE_CLIENT_CERT_FORM);
    assert_int_equal(of(":MAEC:, :MAEC:"), GATE_CLIENT_CERT_BASE64);
    assert_int_equal(of(":MA EC:"), GATE_CLIENT_CERT_BASE64);
    assert_int_equal(of(":MAEC%0A:"), GATE_CLIENT_CERT_BASE64);
    assert_int_equal(of(":-_-_:"), GATE_CLIENT_CERT_BASE64);
}


static void
base64_that_is_none(void **state)
{
    size_t  i;

    static const char *const  texts[] = {
        ":M:", ":MAECM:", ":=:", ":====:", ":MA=:", ":MA===:", ":MAE==:",
        ":MAEC=:", ":MA=E:", ":M=A=:", ":MA==MAEC:", ":MA\200C:", ":MA*C:"
    };

    (void) state;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(of(texts[i]), GATE_CLIENT_CERT_BASE64);
    }
}


static void
nginx_and_haproxy(void **state)
{
    (void) state;

    one(ESCAPED);
    one(PEM);
    one("-----BEGIN CERTIFICATE----- MAEC -----END CERTIFICATE-----");
    one("-----BEGIN CERTIFICATE-----\n\tMA\n\tEC\n\t"
        "-----END CERTIFICATE-----\n");
    one("-----BEGIN CERTIFICATE-----MAEC-----END CERTIFICATE-----");
    one("MAEC");
    one("MAE%43");
    one("MA\r\n EC");

    assert_int_equal(of("+%2B%2F/%3d"), GATE_CLIENT_CERT_BASE64);
    assert_int_equal(of("+%2B%2F/"), 0);
    is(0, "\xfb\xef\xff", 3);

    assert_int_equal(of(PEM OTHER), 0);
    assert_int_equal(certs.n, 2);
    is(0, "\x30\x01\x02", 3);
    is(1, "\x30\x01\x03", 3);
}


static void
pem_that_is_none(void **state)
{
    size_t  i;

    static const char *const  texts[] = {
        "-", "-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----MAEC",
        "-----BEGIN CERTIFICATE-----MAEC-----END CERTIFICATE----",
        "-----BEGIN CERTIFICATE-----MAEC-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----MAEC-----END PRIVATE KEY-----",
        "-----BEGIN CERTIFICATE-----MAEC-----BEGIN CERTIFICATE-----",
        PEM "MAEC", "-----BEGIN+CERTIFICATE-----MAEC-----END+CERTIFICATE-----",
        "%", "%4", "MAE%4", "MAE%4g", "MAE%%", "MAE%zz"
    };

    (void) state;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(of(texts[i]), GATE_CLIENT_CERT_FORM);
    }

    assert_int_equal(of("-----BEGIN CERTIFICATE-----"
                        "-----END CERTIFICATE-----"), GATE_CLIENT_CERT_BASE64);
    assert_int_equal(of("%00MAEC"), GATE_CLIENT_CERT_BASE64);
    assert_int_equal(of("MAEC" PEM), GATE_CLIENT_CERT_BASE64);
    assert_int_equal(of("MAEC,MAEC"), GATE_CLIENT_CERT_BASE64);
}


static void
envoy(void **state)
{
    (void) state;

    one("Cert=\"" ESCAPED "\"");
    one("By=spiffe://a/b;Hash=0a;Cert=\"" ESCAPED "\";Subject=\"CN=\\\"a\\\","
        "Cert=b;c\";URI=;DNS=a.example");
    one("hash=0a;CERT=" ESCAPED ";");

    /* whatever their order, the client's first */

    assert_int_equal(of("Chain=\"" ANOTHER "\";Cert=\"" ESCAPED "\""), 0);
    assert_int_equal(certs.n, 2);
    is(0, "\x30\x01\x02", 3);
    is(1, "\x30\x01\x03", 3);

    assert_int_equal(of("Hash=a;Chain=\"" ESCAPED ANOTHER "\""), 0);
    is(0, "\x30\x01\x02", 3);
    is(1, "\x30\x01\x03", 3);
}


static void
envoy_of_several_clients(void **state)
{
    (void) state;

    assert_int_equal(of("Cert=\"" ESCAPED "\",Cert=\"" ANOTHER "\""),
                     GATE_CLIENT_CERT_MANY);
    assert_int_equal(of("Hash=a,Cert=\"" ESCAPED "\""), GATE_CLIENT_CERT_MANY);
    assert_int_equal(of("Cert=\"" ESCAPED "\";cert=\"" ANOTHER "\""),
                     GATE_CLIENT_CERT_MANY);
    assert_int_equal(of("Chain=" ESCAPED ";Chain=" ESCAPED),
                     GATE_CLIENT_CERT_MANY);
}


static void
envoy_that_is_none(void **state)
{
    (void) state;

    assert_int_equal(of("By=a;Hash=b;Subject=\"Cert=c\""),
                     GATE_CLIENT_CERT_NONE);
    assert_int_equal(of("Cert=\"" ESCAPED), GATE_CLIENT_CERT_FORM);
    assert_int_equal(of("Cert=\"" ESCAPED "\\\""), GATE_CLIENT_CERT_FORM);
    assert_int_equal(of("Cert=\"" ESCAPED "\"x"), GATE_CLIENT_CERT_FORM);
    assert_int_equal(of("Hash=a;" ESCAPED), GATE_CLIENT_CERT_FORM);
    assert_int_equal(of("Hash=a;\"Cert=b"), GATE_CLIENT_CERT_FORM);
    assert_int_equal(of("Hash=a;Cert"), GATE_CLIENT_CERT_FORM);
    assert_int_equal(of("Cert="), GATE_CLIENT_CERT_BASE64);
    assert_int_equal(of("Cert=\"\\\\\""), GATE_CLIENT_CERT_BASE64);
}


static void
a_chain(void **state)
{
    (void) state;

    one(":MAEC:");
    assert_int_equal(chain_of(":MAED:, :MAEE:\t,:MAEF:"), 0);
    assert_int_equal(certs.n, 4);
    is(0, "\x30\x01\x02", 3);
    is(1, "\x30\x01\x03", 3);
    is(3, "\x30\x01\x05", 3);

    /* a header of several lines */

    assert_int_equal(chain_of(":MAEG:"), 0);
    is(4, "\x30\x01\x06", 3);

    one(ESCAPED);
    assert_int_equal(chain_of(ANOTHER "," ANOTHER), 0);
    assert_int_equal(chain_of(OTHER OTHER), 0);
    assert_int_equal(chain_of("MAED,MAED"), 0);
    assert_int_equal(certs.n, 7);
    is(6, "\x30\x01\x03", 3);
}


static void
a_chain_that_is_none(void **state)
{
    (void) state;

    one(":MAEC:");

    assert_int_equal(chain_of(""), 0);
    assert_int_equal(certs.n, 1);

    assert_int_equal(chain_of(","), GATE_CLIENT_CERT_FORM);
    assert_int_equal(chain_of(":MAED:,"), GATE_CLIENT_CERT_FORM);
    assert_int_equal(chain_of(",:MAED:"), GATE_CLIENT_CERT_FORM);
    assert_int_equal(chain_of(":MAED:, ,:MAED:"), GATE_CLIENT_CERT_FORM);
    assert_int_equal(chain_of(":MAED:;a=1"), GATE_CLIENT_CERT_FORM);
    assert_int_equal(chain_of("Chain=\"" ESCAPED "\""),
                     GATE_CLIENT_CERT_BASE64);
}


static void
too_many(void **state)
{
    (void) state;

    one(":MAEC:");
    assert_int_equal(chain_of("MAED,MAED,MAED,MAED,MAED,MAED,MAED"), 0);
    assert_int_equal(certs.n, GATE_CLIENT_CERTS);
    assert_int_equal(chain_of("MAED"), GATE_CLIENT_CERT_MANY);
    assert_int_equal(of(PEM PEM PEM PEM PEM PEM PEM PEM PEM),
                     GATE_CLIENT_CERT_MANY);
}


static void
too_long(void **state)
{
    static char  text[GATE_CLIENT_CERT_MAX + 2];

    (void) state;

    memset(text, 'A', GATE_CLIENT_CERT_MAX);
    assert_int_equal(of(text), 0);
    assert_int_equal(certs.der[0].len, GATE_CLIENT_CERT_MAX / 4 * 3);

    /* all texts of one client together */

    assert_int_equal(chain_of("M"), GATE_CLIENT_CERT_LONG);

    text[GATE_CLIENT_CERT_MAX] = 'A';
    assert_int_equal(of(text), GATE_CLIENT_CERT_LONG);
}


static void
nothing(void **state)
{
    (void) state;

    assert_int_equal(of(""), GATE_CLIENT_CERT_FORM);
    assert_int_equal(of(" \t"), GATE_CLIENT_CERT_FORM);
    assert_int_equal(of(","), GATE_CLIENT_CERT_BASE64);
    assert_int_equal(of("(null)"), GATE_CLIENT_CERT_BASE64);
}


static void
an_error_has_words(void **state)
{
    int  error;

    (void) state;

    for (error = GATE_CLIENT_CERT_NONE; error < 0; error++) {
        assert_string_not_equal(gate_client_cert_error(error), "");
    }

    assert_string_equal(gate_client_cert_error(0), "");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(rfc_9440),
        cmocka_unit_test(base64_that_is_none),
        cmocka_unit_test(nginx_and_haproxy),
        cmocka_unit_test(pem_that_is_none),
        cmocka_unit_test(envoy),
        cmocka_unit_test(envoy_of_several_clients),
        cmocka_unit_test(envoy_that_is_none),
        cmocka_unit_test(a_chain),
        cmocka_unit_test(a_chain_that_is_none),
        cmocka_unit_test(too_many),
        cmocka_unit_test(too_long),
        cmocka_unit_test(nothing),
        cmocka_unit_test(an_error_has_words)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
