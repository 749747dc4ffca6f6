/*
 * Compares: texts with texts, OIDs with OIDs, a digest with a list, a chain
 * with CRLs.  Which of these must agree is for the judge to say.
 */


#include "ngx_http_gate_trust.h"


static ngx_uint_t ngx_http_gate_trust_listed(const ngx_str_t *list,
    ngx_uint_t n, const ngx_str_t *value);


void
ngx_http_gate_trust_facts(const ngx_http_gate_policy_t *policy,
    ngx_http_gate_certificate_t *cert, gate_certificate_facts_t *facts,
    ngx_log_t *log)
{
    ngx_memzero(facts, sizeof(gate_certificate_facts_t));

    if (cert->state != GATE_CERTIFICATE_VALID) {
        return;
    }

    facts->key = cert->key;
    facts->bits = cert->bits;
    facts->age = ngx_time() - cert->not_before;

    facts->purpose = ngx_http_gate_trust_listed(cert->purposes,
                                                cert->npurposes,
                                                &policy->purpose);

    facts->issuer = ngx_http_gate_trust_listed(policy->issuers.elts,
                                               policy->issuers.nelts,
                                               &cert->issuer);

    facts->registered = policy->fingerprints
                        && ngx_http_gate_fingerprints_have(
                                                       policy->fingerprints,
                                                       cert->digest);

    if (policy->crls.nelts) {
        facts->crl = ngx_http_gate_crl_look(&policy->crls, &cert->chain,
                                            ngx_time(), log);
    }
}


static ngx_uint_t
ngx_http_gate_trust_listed(const ngx_str_t *list, ngx_uint_t n,
    const ngx_str_t *value)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        if (list[i].len == value->len
            && ngx_memcmp(list[i].data, value->data, value->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}
