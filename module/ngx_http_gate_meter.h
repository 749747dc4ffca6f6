/*
 * The meter: counts the bytes of bodies as they leave.  It stands in nginx's
 * filter chain after compression and ranges and before chunking, so what it
 * sees is what the client gets.
 *
 * It reserves before it sends: a response of known length whole, before its
 * header leaves, one of unknown length piece by piece.  Either may wait for
 * the ledger; a header that waits, and the body behind it, are kept here.
 */


#ifndef NGX_HTTP_GATE_METER_H_INCLUDED
#define NGX_HTTP_GATE_METER_H_INCLUDED


#include "ngx_http_gate.h"


/* Puts the filters in their place.  At configuration. */
void ngx_http_gate_meter_init(void);

/* Bytes of the body that left under this policy, once the request ends. */
uint64_t ngx_http_gate_meter_left(ngx_http_gate_ctx_t *ctx);

/*
 * The end of a request, however it came: bytes that were passed on and did
 * not leave are given back with all that was held.  A pool cleanup; also the
 * mark by which the ctx is found after an internal redirect.
 */
void ngx_http_gate_meter_cleanup(void *data);


/*
 * Ends the response of a ctx whose verdict has become a refusal, which is to be
 * so at once: nothing more is sent.  whole: nor is anything else that is under
 * way on its connection.  One that has not begun is refused when it would.
 */
void ngx_http_gate_meter_stop(ngx_http_gate_ctx_t *ctx, ngx_uint_t whole);


#endif /* NGX_HTTP_GATE_METER_H_INCLUDED */
