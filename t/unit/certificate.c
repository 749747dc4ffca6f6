/*
 * The rules of a certificate: which of them a bad one breaks, in which order
 * they are told, and what they do not ask.
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gate_certificate.c"


/* RSA of 2048 bits, a day old, which keeps every rule there is */

static gate_facts_t   facts;
static gate_policy_t  policy;


static int
setup(void **state)
{
    gate_certificate_facts_t  papers = { 1, 1, 1, GATE_KEY_RSA, 2048, 86400,
                                         GATE_CRL_GOOD };
    gate_certificate_rules_t  rules = { 1, 1, 1, 1, { 0, 2048, 256 }, 86400,
                                        1, 0 };

    (void) state;

    memset(&facts, 0, sizeof(gate_facts_t));
    memset(&policy, 0, sizeof(gate_policy_t));

    facts.certificate = GATE_CERTIFICATE_VALID;
    facts.user = 1;
    facts.papers = papers;
    policy.papers = rules;

    return 0;
}


static void
fault_is(gate_fault_e fault, const char *words)
{
    assert_int_equal(gate_certificate_fault(&policy, &facts), fault);
    assert_string_equal(gate_fault_name(fault), words);
}


static void
what_keeps_every_rule_is_good(void **state)
{
    (void) state;

    fault_is(GATE_FAULT_NONE, "");
}


static void
none_is_missing_where_it_is_required_only(void **state)
{
    (void) state;

    facts.certificate = GATE_CERTIFICATE_NONE;
    memset(&facts.papers, 0, sizeof(gate_certificate_facts_t));

    fault_is(GATE_FAULT_MISSING, "there is none");

    policy.certificate = GATE_OPTIONAL;
    fault_is(GATE_FAULT_NONE, "");
}


static void
of_one_that_is_not_valid_nothing_else_is_asked(void **state)
{
    (void) state;

    facts.certificate = GATE_CERTIFICATE_INVALID;
    fault_is(GATE_FAULT_INVALID, "not valid");

    policy.certificate = GATE_OPTIONAL;
    fault_is(GATE_FAULT_INVALID, "not valid");

    policy.certificate = GATE_OFF;
    fault_is(GATE_FAULT_NONE, "");
}


static void
an_optional_one_keeps_all_rules(void **state)
{
    (void) state;

    policy.certificate = GATE_OPTIONAL;

    facts.papers.purpose = 0;
    fault_is(GATE_FAULT_PURPOSE, "not for this purpose");
}


static void
each_rule_has_its_fault(void **state)
{
    (void) state;

    facts.papers.age = 86401;
    fault_is(GATE_FAULT_AGE, "too old");

    facts.papers.bits = 2047;
    fault_is(GATE_FAULT_KEY, "key too weak");

    facts.papers.purpose = 0;
    fault_is(GATE_FAULT_PURPOSE, "not for this purpose");

    facts.papers.registered = 0;
    fault_is(GATE_FAULT_UNREGISTERED, "not registered");

    facts.papers.crl = GATE_CRL_EXPIRED;
    fault_is(GATE_FAULT_CRL_EXPIRED, "the CRL has expired");

    facts.papers.crl = GATE_CRL_MISSING;
    fault_is(GATE_FAULT_CRL_MISSING, "no CRL of an issuer");

    facts.papers.crl = GATE_CRL_REVOKED;
    fault_is(GATE_FAULT_REVOKED, "revoked");

    facts.papers.issuer = 0;
    fault_is(GATE_FAULT_ISSUER, "another issuer");
}


static void
a_rule_that_is_not_there_asks_nothing(void **state)
{
    (void) state;

    memset(&policy.papers, 0, sizeof(gate_certificate_rules_t));
    memset(&facts.papers, 0, sizeof(gate_certificate_facts_t));
    facts.papers.age = 1 << 30;

    fault_is(GATE_FAULT_NONE, "");
}


static void
a_key_has_the_bits_of_its_kind(void **state)
{
    (void) state;

    facts.papers.key = GATE_KEY_EC;
    facts.papers.bits = 256;
    fault_is(GATE_FAULT_NONE, "");

    facts.papers.bits = 255;
    fault_is(GATE_FAULT_KEY, "key too weak");
}


static void
a_kind_of_key_that_is_not_named_is_refused(void **state)
{
    (void) state;

    facts.papers.bits = 65536;

    facts.papers.key = GATE_KEY_OTHER;
    fault_is(GATE_FAULT_KEY, "key too weak");

    policy.papers.bits[GATE_KEY_RSA] = 0;
    facts.papers.key = GATE_KEY_RSA;
    fault_is(GATE_FAULT_KEY, "key too weak");
}


static void
who_has_no_name_is_told_so_last(void **state)
{
    (void) state;

    facts.user = 0;
    fault_is(GATE_FAULT_USER, "no name for the user");

    facts.papers.age = 86401;
    fault_is(GATE_FAULT_AGE, "too old");

    policy.certificate = GATE_OFF;
    fault_is(GATE_FAULT_USER, "no name for the user");
}


static void
an_expired_crl_is_taken_at_its_word_where_the_policy_says_so(void **state)
{
    (void) state;

    policy.papers.expired = 1;

    facts.papers.crl = GATE_CRL_EXPIRED;
    fault_is(GATE_FAULT_NONE, "");

    facts.papers.crl = GATE_CRL_REVOKED;
    fault_is(GATE_FAULT_REVOKED, "revoked");

    facts.papers.crl = GATE_CRL_MISSING;
    fault_is(GATE_FAULT_CRL_MISSING, "no CRL of an issuer");
}


static void
who_was_not_looked_up_in_any_crl_is_not_good(void **state)
{
    (void) state;

    facts.papers.crl = GATE_CRL_UNKNOWN;
    fault_is(GATE_FAULT_CRL_MISSING, "no CRL of an issuer");

    policy.papers.crl = 0;
    fault_is(GATE_FAULT_NONE, "");
}


static void
issuer_and_revocation_are_reasons_of_their_own(void **state)
{
    gate_fault_e   fault;
    gate_reason_e  reason;

    (void) state;

    for (fault = GATE_FAULT_MISSING; fault < GATE_FAULTS; fault++) {
        reason = fault == GATE_FAULT_ISSUER ? GATE_REASON_ISSUER
                 : fault == GATE_FAULT_REVOKED
                   || fault == GATE_FAULT_CRL_MISSING
                   || fault == GATE_FAULT_CRL_EXPIRED
                   ? GATE_REASON_REVOKED : GATE_REASON_CERTIFICATE;

        assert_int_equal(gate_fault_reason(fault), reason);
        assert_string_not_equal(gate_fault_name(fault), "");
    }

    assert_int_equal(gate_fault_reason(GATE_FAULT_NONE), GATE_REASON_NONE);
    assert_string_equal(gate_fault_name(GATE_FAULTS), "");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup(what_keeps_every_rule_is_good, setup),
        cmocka_unit_test_setup(none_is_missing_where_it_is_required_only,
                               setup),
        cmocka_unit_test_setup(of_one_that_is_not_valid_nothing_else_is_asked,
                               setup),
        cmocka_unit_test_setup(an_optional_one_keeps_all_rules, setup),
        cmocka_unit_test_setup(each_rule_has_its_fault, setup),
        cmocka_unit_test_setup(a_rule_that_is_not_there_asks_nothing, setup),
        cmocka_unit_test_setup(a_key_has_the_bits_of_its_kind, setup),
        cmocka_unit_test_setup(a_kind_of_key_that_is_not_named_is_refused,
                               setup),
        cmocka_unit_test_setup(who_has_no_name_is_told_so_last, setup),
        cmocka_unit_test_setup(
            an_expired_crl_is_taken_at_its_word_where_the_policy_says_so,
            setup),
        cmocka_unit_test_setup(who_was_not_looked_up_in_any_crl_is_not_good,
                               setup),
        cmocka_unit_test_setup(issuer_and_revocation_are_reasons_of_their_own,
                               setup)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
