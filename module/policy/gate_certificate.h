/*
 * The rules of a certificate: which of them does it break?
 */


#ifndef GATE_CERTIFICATE_H_INCLUDED
#define GATE_CERTIFICATE_H_INCLUDED


#include "gate_policy.h"


/*
 * The first fault of the request's certificate, whose user is known by it;
 * GATE_FAULT_NONE: it is good, or none is asked for.
 */
gate_fault_e gate_certificate_fault(const gate_policy_t *policy,
    const gate_facts_t *facts);

/* The reason that a fault is refused for. */
gate_reason_e gate_fault_reason(gate_fault_e fault);

/* A fault in the words of a log line, "" for none. */
const char *gate_fault_name(gate_fault_e fault);


#endif /* GATE_CERTIFICATE_H_INCLUDED */
