/*
 * The judge.  One function a rule, each answers "does it hold"; the order in
 * gate_judge() is the order of the reasons a refused user is told.
 */


#include "gate_judge.h"


static int gate_judge_certificate(const gate_policy_t *policy,
    const gate_facts_t *facts);
static int gate_judge_country(const gate_policy_t *policy,
    const gate_facts_t *facts);
static int gate_judge_listed(const gate_country_t *list, size_t n,
    const char *code);
static gate_verdict_t gate_judge_quotas(const gate_policy_t *policy,
    const gate_facts_t *facts);


gate_verdict_t
gate_judge(const gate_policy_t *policy, const gate_facts_t *facts)
{
    gate_verdict_t  verdict = { GATE_DENY, GATE_REASON_NONE, 0, 0 };

    if (!gate_judge_certificate(policy, facts) || !facts->user) {
        verdict.reason = GATE_REASON_CERTIFICATE;
        return verdict;
    }

    if (!gate_judge_country(policy, facts)) {
        verdict.reason = GATE_REASON_COUNTRY;
        return verdict;
    }

    return gate_judge_quotas(policy, facts);
}


static int
gate_judge_certificate(const gate_policy_t *policy, const gate_facts_t *facts)
{
    switch (policy->certificate) {

    case GATE_OFF:
        return 1;

    case GATE_OPTIONAL:
        return facts->certificate != GATE_CERTIFICATE_INVALID;

    default: /* GATE_REQUIRED */
        return facts->certificate == GATE_CERTIFICATE_VALID;
    }
}


static int
gate_judge_country(const gate_policy_t *policy, const gate_facts_t *facts)
{
    if (gate_judge_listed(policy->deny, policy->ndeny, facts->country)) {
        return 0;
    }

    return policy->nallow == 0
           || gate_judge_listed(policy->allow, policy->nallow, facts->country);
}


static int
gate_judge_listed(const gate_country_t *list, size_t n, const char *code)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (list[i].code[0] == code[0] && list[i].code[1] == code[1]) {
            return 1;
        }
    }

    return 0;
}


static gate_verdict_t
gate_judge_quotas(const gate_policy_t *policy, const gate_facts_t *facts)
{
    size_t                    i;
    gate_verdict_t            verdict = { GATE_PASS, GATE_REASON_NONE, 0, 0 };
    const gate_quota_fact_t  *fact;

    for (i = 0; i < policy->nquotas; i++) {
        fact = &facts->quotas[i];

        switch (fact->credit) {

        case GATE_CREDIT_TAKEN:
            break;

        case GATE_CREDIT_INVALID:
            verdict.answer = GATE_DENY;
            verdict.reason = GATE_REASON_UNAVAILABLE;
            return verdict;

        case GATE_CREDIT_REFUSED:
            if (verdict.answer != GATE_DENY || fact->retry > verdict.retry) {
                verdict.quota = i;
                verdict.retry = fact->retry;
            }

            verdict.answer = GATE_DENY;
            verdict.reason = GATE_REASON_QUOTA;
            break;

        default: /* GATE_CREDIT_UNKNOWN, GATE_CREDIT_SHORT */
            if (verdict.answer == GATE_PASS) {
                verdict.answer = GATE_ASK;
            }
        }
    }

    if (verdict.answer == GATE_ASK && facts->store == GATE_STORE_DOWN) {
        verdict.answer = GATE_DENY;
        verdict.reason = GATE_REASON_UNAVAILABLE;
    }

    return verdict;
}


uint64_t
gate_judge_borrow(const gate_policy_t *policy, const gate_facts_t *facts)
{
    return facts->store == GATE_STORE_DOWN ? policy->store_down : 0;
}


const char *
gate_reason_name(gate_reason_e reason)
{
    static const char *const  names[GATE_REASONS] = {
        "", "certificate", "country", "quota", "unavailable"
    };

    return reason < GATE_REASONS ? names[reason] : "";
}
