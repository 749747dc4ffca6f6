/*
 * What a policy's words on certificates make of the one that was shown.
 */


#ifndef NGX_HTTP_GATE_TRUST_H_INCLUDED
#define NGX_HTTP_GATE_TRUST_H_INCLUDED


#include "ngx_http_gate.h"


/*
 * What is true now of a certificate for this policy; of one that is not VALID,
 * nothing.  Never waits.
 */
void ngx_http_gate_trust_facts(const ngx_http_gate_policy_t *policy,
    ngx_http_gate_certificate_t *cert, gate_certificate_facts_t *facts,
    ngx_log_t *log);


#endif /* NGX_HTTP_GATE_TRUST_H_INCLUDED */
