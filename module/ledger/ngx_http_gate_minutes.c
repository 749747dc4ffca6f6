/*
 * A slot of the ring is valid while it says which minute it is of; that is
 * stored last.  Minutes in which nothing was counted are noted by who comes
 * next.
 */


#include "ngx_http_gate_counters.h"


static ngx_atomic_uint_t ngx_http_gate_minutes_first(
    ngx_http_gate_minutes_t *minutes, ngx_atomic_uint_t last,
    ngx_atomic_uint_t now);
static void ngx_http_gate_minutes_note(ngx_http_gate_minute_t *slot,
    const ngx_http_gate_minute_t *sum, ngx_atomic_uint_t minute);
static void ngx_http_gate_minutes_subtract(ngx_http_gate_minute_t *minute,
    const ngx_http_gate_minute_t *next);


void
ngx_http_gate_minutes_turn(ngx_http_gate_counters_t *counters)
{
    ngx_atomic_uint_t         m, now, last;
    ngx_http_gate_minute_t    sum;
    ngx_http_gate_minutes_t  *minutes;

    minutes = &counters->minutes;
    now = (ngx_atomic_uint_t) ngx_time() / 60;
    last = minutes->last;

    /* a worker whose time is a little behind counts with the others */

    if (last == now || last == now + 1) {
        return;
    }

    ngx_http_gate_counters_sum(counters, &sum);

    for (m = ngx_http_gate_minutes_first(minutes, last, now); m <= now; m++) {
        ngx_http_gate_minutes_note(&minutes->ring[m % NGX_HTTP_GATE_MINUTES],
                                   &sum, m);
    }

    (void) ngx_atomic_cmp_set(&minutes->last, last, now);
}


/* the first minute to note; a clock that was set back begins anew */

static ngx_atomic_uint_t
ngx_http_gate_minutes_first(ngx_http_gate_minutes_t *minutes,
    ngx_atomic_uint_t last, ngx_atomic_uint_t now)
{
    ngx_uint_t  i;

    if (last == 0 || last > now) {

        for (i = 0; i < NGX_HTTP_GATE_MINUTES; i++) {
            minutes->ring[i].minute = 0;
        }

        return now;
    }

    return now - last < NGX_HTTP_GATE_MINUTES
           ? last + 1 : now - NGX_HTTP_GATE_MINUTES + 1;
}


static void
ngx_http_gate_minutes_note(ngx_http_gate_minute_t *slot,
    const ngx_http_gate_minute_t *sum, ngx_atomic_uint_t minute)
{
    ngx_uint_t  i;

    slot->minute = 0;

    ngx_memory_barrier();

    slot->requests = sum->requests;
    slot->bytes = sum->bytes;

    for (i = 0; i < GATE_REASONS; i++) {
        slot->refused[i] = sum->refused[i];
    }

    ngx_memory_barrier();

    slot->minute = minute;
}


ngx_uint_t
ngx_http_gate_minutes_read(ngx_http_gate_counters_t *counters,
    ngx_http_gate_minute_t *minutes)
{
    ngx_uint_t               i, n;
    ngx_atomic_uint_t        m, last;
    ngx_http_gate_minute_t   sum, *slot;

    ngx_http_gate_minutes_turn(counters);

    last = counters->minutes.last;
    n = 0;

    for (m = last - NGX_HTTP_GATE_MINUTES + 1; m <= last; m++) {
        slot = &counters->minutes.ring[m % NGX_HTTP_GATE_MINUTES];

        minutes[n] = *slot;

        ngx_memory_barrier();

        if (minutes[n].minute == m && slot->minute == m) {
            n++;
        }
    }

    ngx_http_gate_counters_sum(counters, &sum);

    for (i = 0; i < n; i++) {
        ngx_http_gate_minutes_subtract(&minutes[i],
                                       i + 1 < n ? &minutes[i + 1] : &sum);
    }

    return n;
}


/* what two workers noted at once may be a little more than the next */

static void
ngx_http_gate_minutes_subtract(ngx_http_gate_minute_t *minute,
    const ngx_http_gate_minute_t *next)
{
    ngx_uint_t  i;

    minute->requests = next->requests
                       - ngx_min(next->requests, minute->requests);
    minute->bytes = next->bytes - ngx_min(next->bytes, minute->bytes);

    for (i = 0; i < GATE_REASONS; i++) {
        minute->refused[i] = next->refused[i]
                             - ngx_min(next->refused[i], minute->refused[i]);
    }
}
