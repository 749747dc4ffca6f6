/*
 * The judge: facts and a policy in, a verdict out.  The order is fixed:
 * certificate, user, what is required, held, country, anonymous network,
 * unusual country, speed, then quotas, so that what is cheap to know is refused
 * before anybody is asked.  It is called again, with more facts, after it
 * answered GATE_ASK.
 */


#ifndef GATE_JUDGE_H_INCLUDED
#define GATE_JUDGE_H_INCLUDED


#include "gate_policy.h"


#define GATE_NOTICE(reason)  (1U << (reason))

/* bytes of the words of all notices at once, at most */
#define GATE_NOTICES_LEN     128


/*
 * GATE_PASS: every rule holds and each quota's credit is held.
 * GATE_DENY: reason says which rule; with several refused quotas the verdict
 * names the one that opens last.  GATE_ASK: credit is unknown or short; or, if
 * the reason is GATE_REASON_UNUSUAL_COUNTRY, facts->familiar is unknown; or
 * with GATE_REASON_SPEED facts->journey, with GATE_REASON_HELD facts->held.
 */
gate_verdict_t gate_judge(const gate_policy_t *policy,
    const gate_facts_t *facts);

/*
 * The same for the rules before the quotas: GATE_PASS if all of them hold.
 */
gate_verdict_t gate_judge_first(const gate_policy_t *policy,
    const gate_facts_t *facts);

/*
 * Of a request that passes: what is to be told of it, by the rules that only
 * report.  A bit GATE_NOTICE(reason) for each.
 */
unsigned gate_judge_notices(const gate_policy_t *policy,
    const gate_facts_t *facts);

/* Does the request pass as one of a country that is usual for all? */
int gate_judge_usual(const gate_policy_t *policy, const gate_facts_t *facts);

/*
 * How many units of a quota may be spent without the ledger's grant, by these
 * facts: none, unless the store is down and the policy says so.
 */
uint64_t gate_judge_borrow(const gate_policy_t *policy,
    const gate_facts_t *facts);

/* The word of a reason as operators and users read it, "" for none. */
const char *gate_reason_name(gate_reason_e reason);

/*
 * Writes the words of notices with commas between them, and no zero.  "text"
 * has room for GATE_NOTICES_LEN.  Returns how many bytes were written.
 */
size_t gate_notices_text(unsigned notices, char *text);


#endif /* GATE_JUDGE_H_INCLUDED */
