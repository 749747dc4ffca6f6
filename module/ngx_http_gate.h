/*
 * What the road's files share: the configuration as it is read, and what is
 * known of a request on its way.  The rooms below the road never see this.
 *
 * The words, one meaning each:
 *   gate      this module, and its directive: a policy stands at a location
 *   facts     what is true of a request: certificate, country, credit
 *   policy    the rules of one "gate_policy" block
 *   rule      one line of it
 *   verdict   what the judge says of a request
 *   reason    the rule that refused it, in one word
 *   quota     how many units (bytes, requests) in a window
 *   window    the time a quota counts over; it has one slot or more
 *   account   what one user has under one policy: a credit for each quota
 *   credit    what this host may still spend of a quota without asking
 *   lease     idle credit that is drawn ahead
 *   hold      what one request took of a credit
 *   draw      to ask the ledger for credit
 *   settle    to give it back what was not spent
 *   usage     what a user took of a project on one day
 *   held      whom an administrator has stopped, or slowed: see gate_held.h,
 *             operators call that a hold
 *   habit     on which days a user was in a country; or where he was last
 */


#ifndef NGX_HTTP_GATE_H_INCLUDED
#define NGX_HTTP_GATE_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "gate_judge.h"
#include "ngx_http_gate_audit.h"
#include "ngx_http_gate_certificate.h"
#include "ngx_http_gate_crl.h"
#include "ngx_http_gate_fingerprints.h"
#include "ngx_http_gate_geo.h"
#include "ngx_http_gate_ledger.h"
#include "ngx_http_gate_ledger_holds.h"
#include "ngx_http_gate_redis.h"
#include "ngx_http_gate_refusal.h"
#include "ngx_http_gate_value.h"
#include "ngx_http_gate_zone.h"


/* accounts that one request of a policy is counted on */
#define NGX_HTTP_GATE_ACCOUNTS  8


/* random bytes of a request's reference, as many as nginx's own has */
#define NGX_HTTP_GATE_REFERENCE  16


/* what happens to a response when its bytes are used up */

typedef enum {
    NGX_HTTP_GATE_OVERRUN_REFUSE = 0,
    NGX_HTTP_GATE_OVERRUN_FINISH,
    NGX_HTTP_GATE_OVERRUN_SLOW
} ngx_http_gate_overrun_e;


/* quotas of a policy that have the same key */

typedef struct {
    ngx_str_t                    text;      /* the key as written */
    ngx_http_complex_value_t    *key;       /* NULL: the user */
    ngx_http_gate_kind_t        *kind;
    ngx_http_complex_value_t     limits[NGX_HTTP_GATE_QUOTAS];
    uint64_t                     fixed[NGX_HTTP_GATE_QUOTAS];
                                            /* of limits without variables */
} ngx_http_gate_group_t;


/* "allow_country", or "deny_country", of a policy */

typedef struct {
    ngx_array_t                  fixed;     /* of gate_country_t */
    ngx_array_t                  values;    /* of ngx_http_complex_value_t */
} ngx_http_gate_countries_t;


typedef struct ngx_http_gate_balancer_s  ngx_http_gate_balancer_t;


typedef struct {
    ngx_str_t                    name;
    ngx_str_t                    suffix;    /* ":" and name */
    u_char                      *file;      /* where it was defined */
    ngx_uint_t                   line;
    gate_policy_t                rules;
    ngx_http_gate_countries_t    allow;
    ngx_http_gate_countries_t    deny;
    ngx_http_gate_countries_t    usual;
    ngx_array_t                  networks;  /* exempt: of ngx_cidr_t */
    ngx_array_t                  users;     /* of ngx_http_gate_value_t,
                                               none: nobody is counted */
    ngx_http_gate_value_t       *project;   /* NULL: not told */
    ngx_array_t                  required;  /* of ngx_http_gate_value_t */
    ngx_array_t                  identities;    /* "identity_header" lines */
    ngx_int_t                    connection;    /* index of
                                                   $http_connection */
    ngx_http_gate_value_t       *document;  /* NULL: $uri */
    ngx_http_gate_balancer_t    *balancer;  /* NULL: TLS ends here */
    ngx_array_t                  issuers;   /* of ngx_str_t, DNs */
    ngx_str_t                    purpose;   /* DER of an OID */
    ngx_http_gate_watch_t       *fingerprints;  /* NULL: any */
    ngx_array_t                  crls;      /* ngx_http_gate_watch_t * */
    ngx_uint_t                   crl_line;  /* in "file", of the first */
    ngx_uint_t                   ngroups;
    ngx_http_gate_group_t        groups[NGX_HTTP_GATE_ACCOUNTS];
    size_t                       lease;     /* bytes */
    ngx_msec_t                   idle;
    ngx_uint_t                   bytes;     /* has a quota of bytes */
    ngx_http_gate_overrun_e      overrun;
    size_t                       rate;      /* bytes/s, if slow */
    ngx_uint_t                   status[GATE_REASONS];
    ngx_uint_t                   counted;   /* where, among the counters */
    unsigned                     certificate_set:1;
    unsigned                     crl_expired_set:1;
    unsigned                     store_down_set:1;
    unsigned                     overrun_set:1;
    unsigned                     upgrade_set:1;
    unsigned                     anonymous_set:1;
    unsigned                     unusual_set:1;
    unsigned                     speed_set:1;
    unsigned                     upgrade:1; /* may bypass the meter */
} ngx_http_gate_policy_t;


typedef struct ngx_http_gate_drops_s  ngx_http_gate_drops_t;
typedef struct ngx_http_gate_hold_s   ngx_http_gate_hold_t;


/* a place where something can be changed, and where it was defined */

typedef struct {
    void                       **loc_conf;
    void                       **srv_conf;
    u_char                      *file;
    ngx_uint_t                   line;
} ngx_http_gate_guard_t;


/* for the references of a worker's next requests */

typedef struct {
    u_char                       bytes[256 * NGX_HTTP_GATE_REFERENCE];
    size_t                       left;
} ngx_http_gate_random_t;


typedef struct {
    ngx_array_t                  policies;  /* of ngx_http_gate_policy_t * */
    ngx_array_t                  kinds;     /* of ngx_http_gate_kind_t * */
    ngx_array_t                  watches;   /* of ngx_http_gate_watch_t * */
    ngx_http_gate_crl_authorities_t  authorities;
    ngx_array_t                  guards;    /* of ngx_http_gate_guard_t */
    ngx_array_t                  shown;     /* to administrators: of
                                               ngx_http_gate_admin_policy_t */
    ngx_str_t                    admin_csp; /* of their page */
    size_t                       zone_size;
    ngx_http_gate_zone_t        *zone;      /* NULL: there is no quota */
    ngx_http_gate_geo_t         *geo;       /* NULL: no database */
    ngx_http_gate_redis_conf_t  *redis;     /* NULL: the zone is the ledger */
    ngx_str_t                    prefix;
    time_t                       usage_keep;    /* seconds; 0: off */
    ngx_int_t                    event;     /* index of $request_id */
    ngx_http_gate_random_t       random;    /* this worker's */
    ngx_http_gate_ledger_t      *ledger;    /* this worker's */
    ngx_http_gate_audit_t       *audit;     /* NULL: nothing is told */
    u_char                      *stream_file;   /* where it goes to Redis */
    ngx_uint_t                   stream_line;
    ngx_http_gate_drops_t       *drops;     /* NULL: nobody is dropped */
    ngx_http_gate_hold_t        *hold;      /* this worker's; NULL: no zone */
    ngx_http_gate_refusal_page_t  *page;    /* if some location has a gate */
    unsigned                     used:1;    /* some location has a gate */
    unsigned                     metrics:1; /* or tells metrics */
    unsigned                     admin:1;   /* or is for administrators */
    unsigned                     dropping:1;    /* some server drops */
    unsigned                     usage:1;   /* some policy has any, kept */
    unsigned                     ratelimit:1;   /* its variable is asked for */
} ngx_http_gate_main_conf_t;


/* elts NULL: none of them */

typedef struct {
    ngx_uint_t                   warned;
    ngx_uint_t                   gated;     /* has a gate somewhere */
    ngx_array_t                  drop;      /* of gate_country_t */
    ngx_array_t                  words;     /* the same as they are written */
    ngx_array_t                  gates;     /* ngx_http_gate_loc_conf_t *,
                                               if something is dropped */
    u_char                      *file;
    ngx_uint_t                   line;
} ngx_http_gate_srv_conf_t;


typedef struct {
    ngx_http_gate_policy_t      *policy;    /* NULL: off */
    ngx_str_t                    name;      /* of the policy, as written */
    u_char                      *file;
    ngx_uint_t                   line;
    ngx_flag_t                   dry_run;
    ngx_uint_t                   log_level;
    ngx_array_t                 *audit;     /* of ngx_http_gate_audit_line_t,
                                               NULL: none */
    ngx_flag_t                   ratelimit;     /* "gate_ratelimit_headers" */
    unsigned                     admin:1;
    unsigned                     admin_write:1;
} ngx_http_gate_loc_conf_t;


/* the certificate of a connection, as it is to one server */

typedef struct ngx_http_gate_shown_s  ngx_http_gate_shown_t;

struct ngx_http_gate_shown_s {
    ngx_http_gate_shown_t       *next;
    SSL_CTX                     *ctx;       /* the server's */
    ngx_http_gate_certificate_t  certificate;
};


/* what is known of one connection, for all its requests */

typedef struct {
    ngx_http_gate_shown_t        shown;     /* the first server's */
    ngx_sockaddr_t               origin;    /* who has connected */
    ngx_sockaddr_t               address;   /* whose place it is */
    socklen_t                    socklen;
    ngx_uint_t                   generation;    /* of the databases */
    ngx_uint_t                   asked;     /* fields that were looked up */
    gate_place_t                 place;
    ngx_http_gate_known_t        known;     /* of whom it was last */
    ngx_uint_t                   running;   /* requests that passed */
    ngx_uint_t                   stopped;   /* of them, to be cut */
    unsigned                     origin_known:1;
    unsigned                     origin_warned:1;
} ngx_http_gate_peer_t;


/* what nginx had as rate of a response that is slowed */

typedef struct {
    size_t                       rate;
    size_t                       after;
    unsigned                     rate_set:1;
    unsigned                     after_set:1;
} ngx_http_gate_pace_t;


/*
 * One policy on the way of one main request.  There may be several: by an
 * internal redirect the main request comes to another, which then is the
 * current one and counts all that leaves; a subrequest may stand under a policy
 * of its own, which counts what the subrequest adds.  The first of them holds
 * the list, and the state of the one response they share.
 */

typedef struct ngx_http_gate_ctx_s  ngx_http_gate_ctx_t;

typedef void (*ngx_http_gate_resume_pt)(ngx_http_gate_ctx_t *ctx);

struct ngx_http_gate_ctx_s {
    ngx_http_gate_ctx_t         *first;
    ngx_http_gate_ctx_t         *next;
    ngx_http_request_t          *request;   /* who waits; else the main one */
    ngx_http_gate_main_conf_t   *main;
    ngx_http_gate_policy_t      *policy;
    ngx_http_gate_certificate_t *certificate;
    ngx_str_t                    user;
    ngx_str_t                    project;
    ngx_str_t                    document;
    gate_facts_t                 facts;
    gate_verdict_t               verdict;
    ngx_http_gate_account_t     *accounts;  /* policy->ngroups */
    ngx_uint_t                   extras_of; /* generation of the register */
    uint64_t                     extras_end;    /* of the first, s; 0: none */

    ngx_http_gate_habit_t       *habit;     /* NULL: not looked up yet */
    ngx_http_gate_habit_t       *visit;     /* the same */
    unsigned                     notices;   /* it passed, and is told */
    const ngx_array_t           *audit;     /* of its location, or NULL */

    ngx_http_gate_waiter_t       waiter;
    ngx_http_gate_habit_waiter_t habit_waiter;
    ngx_http_gate_resume_pt      resume;    /* called once, when it is over */
    ngx_uint_t                   attempts;
    ngx_uint_t                   journeys;  /* questions for them */

    uint64_t                     charged;   /* bytes passed on */
    uint64_t                     counted;   /* of them, as having left */
    ngx_http_gate_usage_t        usage;     /* what it adds to it */

    ngx_http_gate_holds_waiter_t hold_waiter;
    ngx_queue_t                  running;
    ngx_http_gate_peer_t        *peer;
    ngx_str_t                    hold;      /* id of what is held, or slow */
    uint64_t                     rate;      /* bytes/s by it; 0: not slow */

    unsigned                     judged:1;
    unsigned                     opened:1;      /* its document is named */
    unsigned                     dry_run:1;     /* refused, had it not been */
    unsigned                     noted:1;       /* and logged as such */
    unsigned                     denied:1;
    unsigned                     invalid:1;     /* a limit is no number */
    unsigned                     metered:1;     /* the header was seen */
    unsigned                     slow:1;        /* beyond its bytes */
    unsigned                     upgraded:1;    /* counted at its end */
    unsigned                     entered:1;     /* stands among the running */
    unsigned                     stopped:1;     /* held while it was */
    unsigned                     unheard:1;     /* nobody says who is held */

    /* of the first: */

    ngx_http_gate_ctx_t         *current;
    ngx_http_gate_ctx_t         *judging;   /* its facts are gathered now */
    ngx_http_gate_ctx_t         *added;     /* counts what is held, too */
    ngx_chain_t                 *held;      /* the body waits for credit */
    uint64_t                     left;      /* when the connection broke */
    ngx_event_t                  end;       /* posted when it is cut */
    uint64_t                     pace;      /* bytes/s by all holds; 0: none */
    ngx_http_gate_pace_t         before;
    ngx_uint_t                   uri_changes;   /* left when it was refused */

    unsigned                     header_waits:1;
    unsigned                     body_waits:1;
    unsigned                     broken:1;  /* what "left" says has left */
    unsigned                     cut:1;
    unsigned                     reset:1;   /* nothing more may arrive */
    unsigned                     whole:1;   /* nor anything else there */
};


extern ngx_module_t  ngx_http_gate_module;


#endif /* NGX_HTTP_GATE_H_INCLUDED */
