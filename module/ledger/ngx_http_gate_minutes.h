/*
 * What happened in each of the last minutes on this host.  Nothing is counted
 * twice for that: when a minute begins, somebody notes what the counters come
 * to, and what happened in it is the difference to the next.  All workers do it
 * without a lock, who counts first in a minute; two at once note nearly the
 * same, and one that dies half-way is followed by the next.
 */


#ifndef NGX_HTTP_GATE_MINUTES_H_INCLUDED
#define NGX_HTTP_GATE_MINUTES_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>

#include "gate_policy.h"


#define NGX_HTTP_GATE_MINUTES  60


/* sums when a minute began; or, as it is read, what happened in it */

typedef struct {
    ngx_atomic_t            minute;     /* since 1970; 0: none, or half */
    ngx_atomic_t            requests;
    ngx_atomic_t            bytes;
    ngx_atomic_t            refused[GATE_REASONS];
} ngx_http_gate_minute_t;


typedef struct {
    ngx_atomic_t            last;       /* minute that has begun */
    ngx_http_gate_minute_t  ring[NGX_HTTP_GATE_MINUTES];
} ngx_http_gate_minutes_t;


struct ngx_http_gate_counters_s;


/* Before something is counted: has another minute begun? */
void ngx_http_gate_minutes_turn(struct ngx_http_gate_counters_s *counters);

/* Up to NGX_HTTP_GATE_MINUTES of them, the oldest first; returns how many. */
ngx_uint_t ngx_http_gate_minutes_read(
    struct ngx_http_gate_counters_s *counters,
    ngx_http_gate_minute_t *minutes);


#endif /* NGX_HTTP_GATE_MINUTES_H_INCLUDED */
