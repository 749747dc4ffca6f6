/*
 * Each answer is counted in one bucket: who tells them adds up.  What servers
 * are away is a bit each.
 */


#include "ngx_http_gate_counters.h"


void
ngx_http_gate_counters_answered(ngx_http_gate_counters_t *counters,
    ngx_msec_t asked)
{
    ngx_uint_t  i;
    ngx_msec_t  ms;

    static const ngx_msec_t  bounds[NGX_HTTP_GATE_BUCKETS] =
        NGX_HTTP_GATE_LATENCIES;

    ms = ngx_current_msec - asked;

    for (i = 0; i < NGX_HTTP_GATE_BUCKETS && ms > bounds[i]; i++) {
        /* void */
    }

    (void) ngx_atomic_fetch_add(&counters->latency[i], 1);
    (void) ngx_atomic_fetch_add(&counters->latency_ms, ms);
}


ngx_uint_t
ngx_http_gate_counters_away(ngx_http_gate_counters_t *counters,
    uint64_t server, ngx_uint_t lost)
{
    ngx_atomic_uint_t  was, bit;

    bit = (ngx_atomic_uint_t) 1 << server % (8 * sizeof(ngx_atomic_uint_t));

    do {
        was = counters->away;

        if (!(was & bit) == !lost) {
            return 0;
        }

    } while (!ngx_atomic_cmp_set(&counters->away, was, was ^ bit));

    return 1;
}
