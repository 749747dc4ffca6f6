/*
 * Who has no certificate breaks one rule, that there be one; of a certificate
 * that is not valid nothing else is true; all other rules are for one that is.
 */


#include "gate_certificate.h"


static gate_fault_e gate_certificate_shown(const gate_policy_t *policy,
    const gate_facts_t *facts);
static gate_fault_e gate_certificate_papers(
    const gate_certificate_rules_t *rules,
    const gate_certificate_facts_t *facts);
static gate_fault_e gate_certificate_crl(
    const gate_certificate_rules_t *rules,
    const gate_certificate_facts_t *facts);
static int gate_certificate_key(const gate_certificate_rules_t *rules,
    const gate_certificate_facts_t *facts);


gate_fault_e
gate_certificate_fault(const gate_policy_t *policy, const gate_facts_t *facts)
{
    gate_fault_e  fault;

    fault = policy->certificate == GATE_OFF
            ? GATE_FAULT_NONE : gate_certificate_shown(policy, facts);

    if (fault == GATE_FAULT_NONE && !facts->user) {
        return GATE_FAULT_USER;
    }

    return fault;
}


static gate_fault_e
gate_certificate_shown(const gate_policy_t *policy, const gate_facts_t *facts)
{
    switch (facts->certificate) {

    case GATE_CERTIFICATE_VALID:
        return gate_certificate_papers(&policy->papers, &facts->papers);

    case GATE_CERTIFICATE_NONE:
        return policy->certificate == GATE_OPTIONAL ? GATE_FAULT_NONE
                                                    : GATE_FAULT_MISSING;

    default: /* GATE_CERTIFICATE_INVALID */
        return GATE_FAULT_INVALID;
    }
}


static gate_fault_e
gate_certificate_papers(const gate_certificate_rules_t *rules,
    const gate_certificate_facts_t *facts)
{
    gate_fault_e  fault;

    if (rules->issuer && !facts->issuer) {
        return GATE_FAULT_ISSUER;
    }

    fault = gate_certificate_crl(rules, facts);

    if (fault != GATE_FAULT_NONE) {
        return fault;
    }

    if (rules->registered && !facts->registered) {
        return GATE_FAULT_UNREGISTERED;
    }

    if (rules->purpose && !facts->purpose) {
        return GATE_FAULT_PURPOSE;
    }

    if (rules->key && !gate_certificate_key(rules, facts)) {
        return GATE_FAULT_KEY;
    }

    if (rules->age && facts->age > rules->age) {
        return GATE_FAULT_AGE;
    }

    return GATE_FAULT_NONE;
}


/* what no CRL says is as bad as what none says any more */

static gate_fault_e
gate_certificate_crl(const gate_certificate_rules_t *rules,
    const gate_certificate_facts_t *facts)
{
    if (!rules->crl) {
        return GATE_FAULT_NONE;
    }

    switch (facts->crl) {

    case GATE_CRL_GOOD:
        return GATE_FAULT_NONE;

    case GATE_CRL_EXPIRED:
        return rules->expired ? GATE_FAULT_NONE : GATE_FAULT_CRL_EXPIRED;

    case GATE_CRL_REVOKED:
        return GATE_FAULT_REVOKED;

    default: /* GATE_CRL_MISSING, GATE_CRL_UNKNOWN */
        return GATE_FAULT_CRL_MISSING;
    }
}


static int
gate_certificate_key(const gate_certificate_rules_t *rules,
    const gate_certificate_facts_t *facts)
{
    return facts->key < GATE_KEYS
           && rules->bits[facts->key]
           && facts->bits >= rules->bits[facts->key];
}


gate_reason_e
gate_fault_reason(gate_fault_e fault)
{
    switch (fault) {

    case GATE_FAULT_NONE:
        return GATE_REASON_NONE;

    case GATE_FAULT_ISSUER:
        return GATE_REASON_ISSUER;

    case GATE_FAULT_REVOKED:
    case GATE_FAULT_CRL_MISSING:
    case GATE_FAULT_CRL_EXPIRED:
        return GATE_REASON_REVOKED;

    default:
        return GATE_REASON_CERTIFICATE;
    }
}


const char *
gate_fault_name(gate_fault_e fault)
{
    static const char *const  names[GATE_FAULTS] = {
        "",
        "there is none",
        "not valid",
        "another issuer",
        "revoked",
        "no CRL of an issuer",
        "the CRL has expired",
        "not registered",
        "not for this purpose",
        "key too weak",
        "too old",
        "no name for the user"
    };

    return fault < GATE_FAULTS ? names[fault] : "";
}
