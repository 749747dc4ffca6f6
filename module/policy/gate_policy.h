/*
 * The words of the policy rooms: the facts that go in, the rules that are
 * applied, the verdict that comes out.  Everything in this directory is
 * plain C99: it knows neither nginx nor OpenSSL nor Redis, has no clock and
 * does no I/O, so that each rule can be tested with numbers on paper.
 */


#ifndef GATE_POLICY_H_INCLUDED
#define GATE_POLICY_H_INCLUDED


#include <stddef.h>
#include <stdint.h>

#include "gate_place.h"


/* "no bound": what a dry run may borrow, when a hold without end ends */
#define GATE_UNBOUNDED  UINT64_MAX

/* the largest limit and count; two of them a Lua number still adds exactly */
#define GATE_LIMIT_MAX  ((uint64_t) 1 << 52)


typedef enum {
    GATE_CERTIFICATE_NONE = 0,      /* no TLS, or none was sent */
    GATE_CERTIFICATE_INVALID,       /* sent, and not verified */
    GATE_CERTIFICATE_VALID
} gate_certificate_e;


typedef enum {
    GATE_REQUIRED = 0,
    GATE_OPTIONAL,                  /* none will do, an invalid one not */
    GATE_OFF
} gate_certificate_rule_e;


/* what kind of key, whose bits are those of its kind */

typedef enum {
    GATE_KEY_OTHER = 0,
    GATE_KEY_RSA,
    GATE_KEY_EC,                    /* Edwards curves, too */
    GATE_KEYS
} gate_key_e;


/* what the newest CRLs say of a chain, the worst of it */

typedef enum {
    GATE_CRL_UNKNOWN = 0,           /* not looked at */
    GATE_CRL_GOOD,
    GATE_CRL_EXPIRED,               /* as good as it was */
    GATE_CRL_MISSING,               /* of an issuer there is none */
    GATE_CRL_REVOKED
} gate_crl_e;


/* what else is true of a certificate that is VALID */

typedef struct {
    unsigned                 purpose:1;     /* it is for what it has to be */
    unsigned                 issuer:1;      /* is one that may issue */
    unsigned                 registered:1;
    gate_key_e               key;
    unsigned                 bits;
    int64_t                  age;           /* seconds since it began */
    gate_crl_e               crl;
} gate_certificate_facts_t;


typedef struct {
    unsigned                 purpose:1;     /* is asked for */
    unsigned                 issuer:1;
    unsigned                 registered:1;
    unsigned                 key:1;
    unsigned                 bits[GATE_KEYS];   /* fewest; 0: no such key */
    int64_t                  age;           /* seconds, the most; 0: any */
    unsigned                 crl:1;         /* it must not be revoked */
    unsigned                 expired:1;     /* a CRL that has may say so */
} gate_certificate_rules_t;


typedef enum {
    GATE_BYTES = 0,
    GATE_REQUESTS,
    GATE_DOCUMENTS                  /* distinct ones */
} gate_unit_e;


typedef enum {
    GATE_PER_HOUR = 0,              /* calendar windows */
    GATE_PER_DAY,
    GATE_PER_WEEK,
    GATE_PER_MONTH,
    GATE_PER_TIME                   /* a rolling window */
} gate_per_e;


typedef struct {
    gate_per_e               per;
    int64_t                  length;    /* seconds, of a rolling window */
    int64_t                  offset;    /* seconds east of UTC, calendar */
} gate_window_t;


/* what is known of the credit for one quota of this request */

typedef enum {
    GATE_CREDIT_UNKNOWN = 0,        /* not looked up yet */
    GATE_CREDIT_TAKEN,              /* held for this request */
    GATE_CREDIT_SHORT,              /* the ledger has to be asked */
    GATE_CREDIT_REFUSED,            /* the ledger said: it does not fit */
    GATE_CREDIT_INVALID             /* the limit is no number, or no room */
} gate_credit_e;


typedef enum {
    GATE_STORE_UP = 0,              /* or not asked */
    GATE_STORE_DOWN                 /* asked for this request, no answer */
} gate_store_e;


/* of a quota, as this host knows it; to be told to its user */

typedef struct {
    unsigned                 known:1;
    uint64_t                 used;      /* in the window; of other hosts, what
                                           they were granted */
    uint64_t                 reset;     /* seconds until there is more */
} gate_standing_t;


typedef struct {
    gate_credit_e            credit;
    uint64_t                 retry;     /* ms until it may fit, if refused */
    gate_standing_t          standing;
} gate_quota_fact_t;


typedef enum {
    GATE_COUNTRY = 0,
    GATE_CONTINENT,
    GATE_ANYWHERE                   /* every country, and unknown */
} gate_scope_e;


typedef struct {
    char                     code[2];   /* 0, 0: "unknown" */
    gate_scope_e             scope;
} gate_country_t;


typedef struct {
    const gate_country_t    *elts;
    size_t                   nelts;
} gate_countries_t;


/* what a rule does to whom it is against */

typedef enum {
    GATE_MODE_OFF = 0,              /* nobody looks */
    GATE_MODE_REPORT,               /* it is told, and passes */
    GATE_MODE_DENY
} gate_mode_e;


/* addresses that hide who uses them */

typedef struct {
    gate_mode_e              mode;
    unsigned                 kinds;     /* GATE_ANONYMOUS_VPN and so on */
} gate_anonymous_rule_t;


/* days, see gate_familiar.h */

typedef struct {
    gate_mode_e              mode;
    uint32_t                 learn;
    uint32_t                 remember;
    uint32_t                 days;      /* of a country, 1 at least */
    unsigned                 named:1;   /* the policy names usual ones */
} gate_familiar_rule_t;


/* what is known of a user in the country of this request */

typedef enum {
    GATE_FAMILIAR_UNKNOWN = 0,      /* the ledger has to be asked */
    GATE_FAMILIAR_LEARNING,
    GATE_FAMILIAR_USUAL,
    GATE_FAMILIAR_UNUSUAL,
    GATE_FAMILIAR_DOWN              /* asked for this request, no answer */
} gate_familiar_e;


/* a place on a map */

typedef struct {
    uint32_t                 latitude;  /* 1/10000 degree, from 90 south */
    uint32_t                 longitude;     /* the same, from 180 west */
    uint32_t                 radius;    /* km: somewhere in it */
    char                     country[2];    /* 0, 0: unknown */
} gate_spot_t;


typedef struct {
    gate_mode_e              mode;
    uint32_t                 speed;     /* km/h, 1 at least */
    uint32_t                 distance;  /* km: less is no journey */
} gate_journey_rule_t;


/* of a user, from where he was last */

typedef enum {
    GATE_JOURNEY_UNKNOWN = 0,       /* the ledger has to be asked */
    GATE_JOURNEY_NONE,
    GATE_JOURNEY_POSSIBLE,
    GATE_JOURNEY_IMPOSSIBLE,
    GATE_JOURNEY_DOWN               /* asked for this request, no answer */
} gate_journey_e;


/* has an administrator stopped this: "hold" */

typedef enum {
    GATE_HELD_NO = 0,
    GATE_HELD_YES,
    GATE_HELD_UNKNOWN,              /* the ledger has to be asked */
    GATE_HELD_DOWN                  /* asked for this request, no answer */
} gate_held_e;


typedef struct {
    gate_certificate_e       certificate;
    unsigned                 user:1;    /* the user key is not empty */
    unsigned                 denied:1;  /* something required is not so */
    unsigned                 exempt:1;  /* from the rules of geography */
    unsigned                 countries_invalid:1;
    unsigned                 located:1; /* the spot is known */
    gate_held_e              held;
    char                     country[2];    /* 0, 0: unknown */
    char                     continent[2];
    gate_countries_t         allow;     /* this user's, besides the policy's */
    gate_countries_t         deny;
    gate_countries_t         usual;
    unsigned                 anonymous;     /* bits, 0: no, or unknown */
    gate_familiar_e          familiar;
    gate_spot_t              spot;
    gate_journey_e           journey;
    gate_store_e             store;
    gate_quota_fact_t       *quotas;    /* as many as the policy has */
    gate_certificate_facts_t  papers;   /* of a certificate that is VALID */
} gate_facts_t;


typedef struct {
    gate_certificate_rule_e  certificate;
    unsigned                 only_allowed:1;    /* if none is: nobody */
    gate_countries_t         allow;
    gate_countries_t         deny;
    gate_countries_t         usual;         /* for all users */
    gate_anonymous_rule_t    anonymous;
    gate_familiar_rule_t     familiar;
    gate_journey_rule_t      journey;
    uint64_t                 store_down;    /* units that may be borrowed */
    size_t                   nquotas;
    gate_certificate_rules_t  papers;
} gate_policy_t;


typedef enum {
    GATE_PASS = 0,
    GATE_DENY,
    GATE_ASK                        /* a fact is still missing */
} gate_answer_e;


typedef enum {
    GATE_REASON_NONE = 0,
    GATE_REASON_CERTIFICATE,
    GATE_REASON_ISSUER,
    GATE_REASON_REVOKED,
    GATE_REASON_REQUIRE,
    GATE_REASON_HELD,
    GATE_REASON_COUNTRY,
    GATE_REASON_ANONYMOUS_NETWORK,
    GATE_REASON_UNUSUAL_COUNTRY,
    GATE_REASON_SPEED,
    GATE_REASON_QUOTA,
    GATE_REASON_UNAVAILABLE,
    GATE_REASONS
} gate_reason_e;


/* what is wrong with a certificate, for whoever has to find out */

typedef enum {
    GATE_FAULT_NONE = 0,
    GATE_FAULT_MISSING,
    GATE_FAULT_INVALID,             /* not verified, or not valid now */
    GATE_FAULT_ISSUER,
    GATE_FAULT_REVOKED,
    GATE_FAULT_CRL_MISSING,
    GATE_FAULT_CRL_EXPIRED,
    GATE_FAULT_UNREGISTERED,
    GATE_FAULT_PURPOSE,
    GATE_FAULT_KEY,
    GATE_FAULT_AGE,
    GATE_FAULT_USER,                /* no name that "user" asks for */
    GATE_FAULTS
} gate_fault_e;


typedef struct {
    gate_answer_e            answer;
    gate_reason_e            reason;    /* of GATE_ASK: what for, or none,
                                           which is the quotas */
    size_t                   quota;     /* which one, if reason is quota */
    uint64_t                 retry;     /* ms, if reason is quota */
    gate_fault_e             fault;
} gate_verdict_t;


#endif /* GATE_POLICY_H_INCLUDED */
