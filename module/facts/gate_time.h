/*
 * Times of certificates and CRLs.
 */


#ifndef GATE_TIME_H_INCLUDED
#define GATE_TIME_H_INCLUDED


#include <time.h>
#include <openssl/asn1.h>


/* Seconds since the epoch, in sec: 0; or -1, if it is no time. */
int gate_time_read(const ASN1_TIME *time, time_t *sec);


#endif /* GATE_TIME_H_INCLUDED */
