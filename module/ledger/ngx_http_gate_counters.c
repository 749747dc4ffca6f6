/*
 * Each answer is counted in one bucket: who tells them adds up.  What servers
 * are away is a bit each.  A policy keeps its place through all reloads that
 * know its name, so that a request finds it by its number.
 */


#include "ngx_http_gate_counters.h"


static ngx_uint_t ngx_http_gate_counters_place(
    const ngx_http_gate_counters_t *counters, ngx_http_gate_owner_t *first,
    size_t size, ngx_uint_t n, const ngx_http_gate_owner_t *wanted,
    ngx_uint_t *fresh);
static ngx_int_t ngx_http_gate_counters_owner(
    const ngx_http_gate_counters_t *counters, ngx_http_gate_owner_t *owner,
    const ngx_str_t *policy, const ngx_str_t *quota);
static ngx_int_t ngx_http_gate_counters_match(
    const ngx_http_gate_counters_t *counters, ngx_http_gate_owner_t *owner,
    const ngx_http_gate_owner_t *wanted);
static void ngx_http_gate_counters_retire(ngx_http_gate_counters_t *counters,
    ngx_http_gate_counted_t *policy);


void
ngx_http_gate_counters_configure(ngx_http_gate_counters_t *counters)
{
    counters->configured++;
}


ngx_uint_t
ngx_http_gate_counters_policy(ngx_http_gate_counters_t *counters,
    const ngx_str_t *policy)
{
    ngx_uint_t             i, fresh;
    ngx_http_gate_owner_t  wanted;

    if (ngx_http_gate_counters_owner(counters, &wanted, policy, NULL)
        != NGX_OK)
    {
        return 0;
    }

    i = ngx_http_gate_counters_place(counters, &counters->policies[0].owner,
                                     sizeof(ngx_http_gate_counted_t),
                                     counters->npolicies, &wanted, &fresh);
    if (fresh) {
        ngx_http_gate_counters_retire(counters, &counters->policies[i]);
        counters->policies[i].owner = wanted;
    }

    return i;
}


ngx_uint_t
ngx_http_gate_counters_quota(ngx_http_gate_counters_t *counters,
    const ngx_str_t *policy, const ngx_str_t *quota)
{
    ngx_uint_t             i, fresh;
    ngx_http_gate_owner_t  wanted;

    if (ngx_http_gate_counters_owner(counters, &wanted, policy, quota)
        != NGX_OK)
    {
        return 0;
    }

    i = ngx_http_gate_counters_place(counters, &counters->quotas[0].owner,
                                     sizeof(ngx_http_gate_risen_t),
                                     counters->nquotas, &wanted, &fresh);
    if (fresh) {
        ngx_memzero(&counters->quotas[i], sizeof(ngx_http_gate_risen_t));
        counters->quotas[i].owner = wanted;
    }

    return i;
}


/*
 * The place of an owner: his own, or one that is free, which is then fresh; 0
 * if there is none.  first: the owner of place 0 of n, which lie "size" apart.
 */

static ngx_uint_t
ngx_http_gate_counters_place(const ngx_http_gate_counters_t *counters,
    ngx_http_gate_owner_t *first, size_t size, ngx_uint_t n,
    const ngx_http_gate_owner_t *wanted, ngx_uint_t *fresh)
{
    ngx_int_t               rc;
    ngx_uint_t              i, free;
    ngx_http_gate_owner_t  *owner;

    free = 0;
    *fresh = 0;

    for (i = 1; i < n; i++) {
        owner = (ngx_http_gate_owner_t *) ((u_char *) first + i * size);

        rc = ngx_http_gate_counters_match(counters, owner, wanted);

        if (rc == NGX_OK) {
            return i;
        }

        if (rc == NGX_DECLINED && free == 0) {
            free = i;
        }
    }

    *fresh = free != 0;

    return free;
}


static ngx_int_t
ngx_http_gate_counters_owner(const ngx_http_gate_counters_t *counters,
    ngx_http_gate_owner_t *owner, const ngx_str_t *policy,
    const ngx_str_t *quota)
{
    ngx_memzero(owner, sizeof(ngx_http_gate_owner_t));

    if (policy->len > NGX_HTTP_GATE_COUNTED_LEN
        || (quota && quota->len > NGX_HTTP_GATE_COUNTED_LEN))
    {
        return NGX_DECLINED;
    }

    ngx_memcpy(owner->policy, policy->data, policy->len);
    owner->policy_len = (uint8_t) policy->len;

    if (quota) {
        ngx_memcpy(owner->quota, quota->data, quota->len);
        owner->quota_len = (uint8_t) quota->len;
    }

    owner->configured = counters->configured;

    return NGX_OK;
}


/* NGX_OK: his, and in use from now on.  NGX_DECLINED: free.  NGX_BUSY */

static ngx_int_t
ngx_http_gate_counters_match(const ngx_http_gate_counters_t *counters,
    ngx_http_gate_owner_t *owner, const ngx_http_gate_owner_t *wanted)
{
    if (owner->policy_len == wanted->policy_len
        && owner->quota_len == wanted->quota_len
        && ngx_memcmp(owner->policy, wanted->policy, owner->policy_len) == 0
        && ngx_memcmp(owner->quota, wanted->quota, owner->quota_len) == 0)
    {
        owner->configured = wanted->configured;
        return NGX_OK;
    }

    /* workers of the configuration before this one may still count */

    return owner->policy_len == 0
           || owner->configured + 1 < counters->configured
           ? NGX_DECLINED : NGX_BUSY;
}


ngx_uint_t
ngx_http_gate_counters_owned(const ngx_http_gate_counters_t *counters,
    const ngx_http_gate_owner_t *owner)
{
    return owner->policy_len && owner->configured == counters->configured;
}


/* what it counted goes to the others: sums stay */

static void
ngx_http_gate_counters_retire(ngx_http_gate_counters_t *counters,
    ngx_http_gate_counted_t *policy)
{
    ngx_uint_t                said, reason;
    ngx_http_gate_counted_t  *others;

    others = counters->policies;

    for (said = 0; said < NGX_HTTP_GATE_SAID_KINDS; said++) {
        for (reason = 0; reason < GATE_REASONS; reason++) {
            (void) ngx_atomic_fetch_add(&others->requests[said][reason],
                                        policy->requests[said][reason]);
        }
    }

    (void) ngx_atomic_fetch_add(&others->bytes, policy->bytes);

    ngx_memzero(policy, sizeof(ngx_http_gate_counted_t));
}


void
ngx_http_gate_counters_sum(const ngx_http_gate_counters_t *counters,
    ngx_http_gate_minute_t *sum)
{
    ngx_uint_t                      i, said, reason;
    const ngx_http_gate_counted_t  *policy;

    ngx_memzero(sum, sizeof(ngx_http_gate_minute_t));

    for (i = 0; i < counters->npolicies; i++) {
        policy = &counters->policies[i];

        sum->bytes += policy->bytes;

        for (reason = 0; reason < GATE_REASONS; reason++) {

            for (said = 0; said < NGX_HTTP_GATE_SAID_KINDS; said++) {
                sum->requests += policy->requests[said][reason];
            }

            sum->refused[reason] +=
                          policy->requests[NGX_HTTP_GATE_SAID_DENIED][reason];
        }
    }
}


void
ngx_http_gate_counters_answered(ngx_http_gate_counters_t *counters,
    ngx_msec_t asked)
{
    ngx_uint_t         i;
    ngx_msec_t         ms;
    ngx_atomic_uint_t  now;

    static const ngx_msec_t  bounds[NGX_HTTP_GATE_BUCKETS] =
        NGX_HTTP_GATE_LATENCIES;

    ms = ngx_current_msec - asked;

    for (i = 0; i < NGX_HTTP_GATE_BUCKETS && ms > bounds[i]; i++) {
        /* void */
    }

    (void) ngx_atomic_fetch_add(&counters->latency[i], 1);
    (void) ngx_atomic_fetch_add(&counters->latency_ms, ms);

    /* of two at once, one may not be in it */

    now = counters->latency_now;
    counters->latency_now = now - now / 16 + ms * 64;
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


const char *
ngx_http_gate_counters_sink(ngx_http_gate_sunk_e sink)
{
    static const char *const  words[NGX_HTTP_GATE_SUNK_KINDS] = {
        "file", "syslog", "redis"
    };

    return words[sink];
}
