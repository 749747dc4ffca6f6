/*
 * The judge.  One function a rule, each answers "does it hold"; the order in
 * gate_judge_first() is the order of the reasons a refused user is told.
 */


#include "gate_judge.h"
#include "gate_country.h"

#include "gate_certificate.h"


static gate_verdict_t gate_judge_held(const gate_policy_t *policy,
    const gate_facts_t *facts);
static gate_reason_e gate_judge_country(const gate_policy_t *policy,
    const gate_facts_t *facts);
static int gate_judge_listed(const gate_countries_t *policys,
    const gate_countries_t *users, const gate_facts_t *facts);
static int gate_judge_hidden(const gate_policy_t *policy,
    const gate_facts_t *facts);
static gate_verdict_t gate_judge_familiar(const gate_policy_t *policy,
    const gate_facts_t *facts);
static gate_verdict_t gate_judge_journey(const gate_policy_t *policy,
    const gate_facts_t *facts);
static int gate_judge_travels(const gate_policy_t *policy,
    const gate_facts_t *facts);
static gate_verdict_t gate_judge_quotas(const gate_policy_t *policy,
    const gate_facts_t *facts);


gate_verdict_t
gate_judge(const gate_policy_t *policy, const gate_facts_t *facts)
{
    gate_verdict_t  verdict;

    verdict = gate_judge_first(policy, facts);

    return verdict.answer == GATE_PASS ? gate_judge_quotas(policy, facts)
                                       : verdict;
}


gate_verdict_t
gate_judge_first(const gate_policy_t *policy, const gate_facts_t *facts)
{
    gate_verdict_t  verdict = { GATE_DENY, GATE_REASON_NONE, 0, 0,
                                GATE_FAULT_NONE };

    verdict.fault = gate_certificate_fault(policy, facts);

    if (verdict.fault != GATE_FAULT_NONE) {
        verdict.reason = gate_fault_reason(verdict.fault);
        return verdict;
    }

    if (facts->denied) {
        verdict.reason = GATE_REASON_REQUIRE;
        return verdict;
    }

    verdict = gate_judge_held(policy, facts);

    if (verdict.answer != GATE_PASS) {
        return verdict;
    }

    verdict.answer = GATE_DENY;
    verdict.reason = gate_judge_country(policy, facts);

    if (verdict.reason != GATE_REASON_NONE) {
        return verdict;
    }

    if (policy->anonymous.mode == GATE_MODE_DENY
        && gate_judge_hidden(policy, facts))
    {
        verdict.reason = GATE_REASON_ANONYMOUS_NETWORK;
        return verdict;
    }

    verdict = gate_judge_familiar(policy, facts);

    return verdict.answer == GATE_PASS ? gate_judge_journey(policy, facts)
                                       : verdict;
}


static gate_verdict_t
gate_judge_held(const gate_policy_t *policy, const gate_facts_t *facts)
{
    gate_verdict_t  verdict = { GATE_PASS, GATE_REASON_NONE, 0, 0,
                                GATE_FAULT_NONE };

    switch (facts->held) {

    case GATE_HELD_NO:
        break;

    case GATE_HELD_YES:
        verdict.answer = GATE_DENY;
        verdict.reason = GATE_REASON_HELD;
        break;

    case GATE_HELD_DOWN:
        if (policy->store_down == 0) {
            verdict.answer = GATE_DENY;
            verdict.reason = GATE_REASON_UNAVAILABLE;
        }

        break;

    default: /* GATE_HELD_UNKNOWN */
        verdict.answer = GATE_ASK;
        verdict.reason = GATE_REASON_HELD;
    }

    return verdict;
}


static gate_reason_e
gate_judge_country(const gate_policy_t *policy, const gate_facts_t *facts)
{
    if (facts->exempt) {
        return GATE_REASON_NONE;
    }

    /* where nobody can say who may pass, nobody does */

    if (facts->countries_invalid) {
        return GATE_REASON_UNAVAILABLE;
    }

    if (gate_judge_listed(&policy->deny, &facts->deny, facts)
        || (policy->only_allowed
            && !gate_judge_listed(&policy->allow, &facts->allow, facts)))
    {
        return GATE_REASON_COUNTRY;
    }

    return GATE_REASON_NONE;
}


static int
gate_judge_listed(const gate_countries_t *policys,
    const gate_countries_t *users, const gate_facts_t *facts)
{
    return gate_country_listed(policys, facts->country, facts->continent)
           || gate_country_listed(users, facts->country, facts->continent);
}


/* "anonymous" alone counts as such; beside a kind it says nothing more */

static int
gate_judge_hidden(const gate_policy_t *policy, const gate_facts_t *facts)
{
    unsigned  kinds;

    kinds = facts->anonymous & ~GATE_ANONYMOUS_ANY;

    return !facts->exempt
           && ((kinds ? kinds : facts->anonymous) & policy->anonymous.kinds);
}


static gate_verdict_t
gate_judge_familiar(const gate_policy_t *policy, const gate_facts_t *facts)
{
    int             deny;
    gate_verdict_t  verdict = { GATE_PASS, GATE_REASON_NONE, 0, 0,
                                GATE_FAULT_NONE };

    if (gate_judge_usual(policy, facts)) {
        return verdict;
    }

    deny = policy->familiar.mode == GATE_MODE_DENY;

    switch (facts->familiar) {

    case GATE_FAMILIAR_LEARNING:
    case GATE_FAMILIAR_USUAL:
        break;

    case GATE_FAMILIAR_UNUSUAL:
        if (deny) {
            verdict.answer = GATE_DENY;
            verdict.reason = GATE_REASON_UNUSUAL_COUNTRY;
        }

        break;

    case GATE_FAMILIAR_DOWN:
        if (deny && policy->store_down == 0) {
            verdict.answer = GATE_DENY;
            verdict.reason = GATE_REASON_UNAVAILABLE;
        }

        break;

    default: /* GATE_FAMILIAR_UNKNOWN */
        verdict.answer = GATE_ASK;
        verdict.reason = GATE_REASON_UNUSUAL_COUNTRY;
    }

    return verdict;
}


static gate_verdict_t
gate_judge_journey(const gate_policy_t *policy, const gate_facts_t *facts)
{
    int             deny;
    gate_verdict_t  verdict = { GATE_PASS, GATE_REASON_NONE, 0, 0,
                                GATE_FAULT_NONE };

    if (!gate_judge_travels(policy, facts)) {
        return verdict;
    }

    deny = policy->journey.mode == GATE_MODE_DENY;

    switch (facts->journey) {

    case GATE_JOURNEY_NONE:
    case GATE_JOURNEY_POSSIBLE:
        break;

    case GATE_JOURNEY_IMPOSSIBLE:
        if (deny) {
            verdict.answer = GATE_DENY;
            verdict.reason = GATE_REASON_SPEED;
        }

        break;

    case GATE_JOURNEY_DOWN:
        if (deny && policy->store_down == 0) {
            verdict.answer = GATE_DENY;
            verdict.reason = GATE_REASON_UNAVAILABLE;
        }

        break;

    default: /* GATE_JOURNEY_UNKNOWN */
        verdict.answer = GATE_ASK;
        verdict.reason = GATE_REASON_SPEED;
    }

    return verdict;
}


/* who is nowhere on the map makes no journeys */

static int
gate_judge_travels(const gate_policy_t *policy, const gate_facts_t *facts)
{
    return policy->journey.mode != GATE_MODE_OFF && !facts->exempt
           && facts->located;
}


int
gate_judge_usual(const gate_policy_t *policy, const gate_facts_t *facts)
{
    return policy->familiar.mode == GATE_MODE_OFF || facts->exempt
           || gate_judge_listed(&policy->usual, &facts->usual, facts);
}


unsigned
gate_judge_notices(const gate_policy_t *policy, const gate_facts_t *facts)
{
    unsigned  notices;

    notices = 0;

    if (policy->anonymous.mode == GATE_MODE_REPORT
        && gate_judge_hidden(policy, facts))
    {
        notices |= GATE_NOTICE(GATE_REASON_ANONYMOUS_NETWORK);
    }

    if (facts->familiar == GATE_FAMILIAR_UNUSUAL
        && policy->familiar.mode == GATE_MODE_REPORT
        && !gate_judge_usual(policy, facts))
    {
        notices |= GATE_NOTICE(GATE_REASON_UNUSUAL_COUNTRY);
    }

    if (facts->journey == GATE_JOURNEY_IMPOSSIBLE
        && policy->journey.mode == GATE_MODE_REPORT
        && gate_judge_travels(policy, facts))
    {
        notices |= GATE_NOTICE(GATE_REASON_SPEED);
    }

    return notices;
}


static gate_verdict_t
gate_judge_quotas(const gate_policy_t *policy, const gate_facts_t *facts)
{
    size_t                    i;
    gate_verdict_t            verdict = { GATE_PASS, GATE_REASON_NONE, 0, 0,
                                          GATE_FAULT_NONE };
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
        "", "certificate", "issuer", "revoked", "require", "held", "country",
        "anonymous_network", "unusual_country", "speed", "quota",
        "unavailable"
    };

    return reason < GATE_REASONS ? names[reason] : "";
}


size_t
gate_notices_text(unsigned notices, char *text)
{
    char        *p;
    unsigned     i;
    const char  *name;

    p = text;

    for (i = 0; i < GATE_REASONS; i++) {

        if (!(notices & GATE_NOTICE(i))) {
            continue;
        }

        if (p != text) {
            *p++ = ',';
        }

        for (name = gate_reason_name((gate_reason_e) i); *name; name++) {
            *p++ = *name;
        }
    }

    return (size_t) (p - text);
}
