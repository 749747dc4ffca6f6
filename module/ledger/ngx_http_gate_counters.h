/*
 * What this host has done, counted in shared memory by all workers, without a
 * lock: for gate_metrics.  Counts last as long as the zone.
 */


#ifndef NGX_HTTP_GATE_COUNTERS_H_INCLUDED
#define NGX_HTTP_GATE_COUNTERS_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>

#include "gate_policy.h"
#include "ngx_http_gate_minutes.h"


typedef enum {
    NGX_HTTP_GATE_ASKED_DRAW = 0,
    NGX_HTTP_GATE_ASKED_SETTLE,
    NGX_HTTP_GATE_ASKED_BEAT,
    NGX_HTTP_GATE_ASKED_HABIT,
    NGX_HTTP_GATE_ASKED_READ,           /* for an administrator */
    NGX_HTTP_GATE_ASKED_USAGE,
    NGX_HTTP_GATE_ASKED_HOLD,
    NGX_HTTP_GATE_ASKED_EVENTS,
    NGX_HTTP_GATE_ASKED_KINDS
} ngx_http_gate_asked_e;


typedef enum {
    NGX_HTTP_GATE_FAILED_UNSENT = 0,    /* Redis away, or the queue full */
    NGX_HTTP_GATE_FAILED_UNANSWERED,
    NGX_HTTP_GATE_FAILED_ERROR,         /* or something that is no answer */
    NGX_HTTP_GATE_FAILED_KINDS
} ngx_http_gate_failed_e;


typedef enum {
    NGX_HTTP_GATE_SAID_PASSED = 0,
    NGX_HTTP_GATE_SAID_DENIED,
    NGX_HTTP_GATE_SAID_DENIED_DRY_RUN,
    NGX_HTTP_GATE_SAID_KINDS
} ngx_http_gate_said_e;


/* what of usage was lost for want of room */

typedef enum {
    NGX_HTTP_GATE_DROPPED_BYTES = 0,
    NGX_HTTP_GATE_DROPPED_REQUESTS,
    NGX_HTTP_GATE_DROPPED_DOCUMENTS,
    NGX_HTTP_GATE_DROPPED_KINDS
} ngx_http_gate_dropped_e;


typedef enum {
    NGX_HTTP_GATE_SUNK_FILE = 0,
    NGX_HTTP_GATE_SUNK_SYSLOG,
    NGX_HTTP_GATE_SUNK_REDIS,
    NGX_HTTP_GATE_SUNK_KINDS
} ngx_http_gate_sunk_e;


/* events of the audit */

typedef struct {
    ngx_atomic_t            written;
    ngx_atomic_t            dropped;
} ngx_http_gate_sunk_t;


/* upper bounds of the latency's buckets, ms; and one without */
#define NGX_HTTP_GATE_LATENCIES  { 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000 }
#define NGX_HTTP_GATE_BUCKETS    10


/* policies, and quotas, that are told apart at most; bytes of a name */
#define NGX_HTTP_GATE_COUNTED      256
#define NGX_HTTP_GATE_COUNTED_LEN  32


/* whose counters they are: of the first of all, those of nobody else */

typedef struct {
    u_char                  policy[NGX_HTTP_GATE_COUNTED_LEN];
    u_char                  quota[NGX_HTTP_GATE_COUNTED_LEN];
    uint8_t                 policy_len;
    uint8_t                 quota_len;
    uint32_t                configured; /* when it was in use last */
} ngx_http_gate_owner_t;


/* what one policy judged, and the bodies' bytes that left under it */

typedef struct {
    ngx_http_gate_owner_t   owner;
    ngx_atomic_t            requests[NGX_HTTP_GATE_SAID_KINDS][GATE_REASONS];
    ngx_atomic_t            bytes;
} ngx_http_gate_counted_t;


/* accounts of one quota that rose to 80 and to 100 % of it */

typedef enum {
    NGX_HTTP_GATE_LEVEL_80 = 0,
    NGX_HTTP_GATE_LEVEL_100,
    NGX_HTTP_GATE_LEVELS
} ngx_http_gate_level_e;


typedef struct {
    ngx_http_gate_owner_t   owner;
    ngx_atomic_t            risen[NGX_HTTP_GATE_LEVELS];
} ngx_http_gate_risen_t;


typedef struct ngx_http_gate_counters_s {
    ngx_http_gate_counted_t  *policies;     /* the first has all others */
    ngx_uint_t                npolicies;
    ngx_http_gate_risen_t    *quotas;       /* the same */
    ngx_uint_t                nquotas;
    uint32_t                  configured;   /* configurations so far */
    ngx_http_gate_minutes_t   minutes;
    ngx_atomic_t              notices[GATE_REASONS];
    ngx_atomic_t              connections;  /* that were dropped */
    ngx_atomic_t              asked[NGX_HTTP_GATE_ASKED_KINDS];
    ngx_atomic_t              drawn[GATE_DOCUMENTS + 1];    /* of Redis, by
                                               unit */
    ngx_atomic_t              settled[GATE_DOCUMENTS + 1];
    ngx_atomic_t              failed[NGX_HTTP_GATE_FAILED_KINDS];
    ngx_atomic_t              latency[NGX_HTTP_GATE_BUCKETS + 1];
    ngx_atomic_t              latency_ms;   /* their sum */
    ngx_atomic_t              latency_now;  /* mean of the last, 1024ths */
    ngx_atomic_t              dropped[NGX_HTTP_GATE_DROPPED_KINDS];
    ngx_http_gate_sunk_t      sunk[NGX_HTTP_GATE_SUNK_KINDS];
    ngx_atomic_t              away;         /* servers that some worker lost */
} ngx_http_gate_counters_t;


/* Another configuration: its policies come next, and are counted from then. */
void ngx_http_gate_counters_configure(ngx_http_gate_counters_t *counters);

/*
 * Where a policy is counted: as before if it was there, where one was that is
 * no more, or with all others (0).  By the master alone.
 */
ngx_uint_t ngx_http_gate_counters_policy(ngx_http_gate_counters_t *counters,
    const ngx_str_t *policy);

/* The same of one of its quotas. */
ngx_uint_t ngx_http_gate_counters_quota(ngx_http_gate_counters_t *counters,
    const ngx_str_t *policy, const ngx_str_t *quota);

/* Is it in use now, and not that of all others? */
ngx_uint_t ngx_http_gate_counters_owned(
    const ngx_http_gate_counters_t *counters,
    const ngx_http_gate_owner_t *owner);

/* What all policies come to. */
void ngx_http_gate_counters_sum(const ngx_http_gate_counters_t *counters,
    ngx_http_gate_minute_t *sum);

/*
 * A server was lost, or is there: returns 1 if it was not known to be so.  Of
 * servers, a number tells them apart well enough.
 */
ngx_uint_t ngx_http_gate_counters_away(ngx_http_gate_counters_t *counters,
    uint64_t server, ngx_uint_t lost);

/* The word for a sink of the audit. */
const char *ngx_http_gate_counters_sink(ngx_http_gate_sunk_e sink);

/* Redis answered a question that was sent then. */
void ngx_http_gate_counters_answered(ngx_http_gate_counters_t *counters,
    ngx_msec_t asked);


#endif /* NGX_HTTP_GATE_COUNTERS_H_INCLUDED */
