/*
 * The zone: shared memory of one host, with an account for each user and
 * policy that was seen lately.  It holds the credit that workers spend
 * without asking, the questions that are under way, and, where there is no
 * Redis, the ledger itself.
 *
 * This is the only room with a lock: the slab pool's own, which the master
 * forces open when a worker dies holding it.  Each function below takes it
 * once, briefly, never waits inside and copies out what it tells.  What the
 * lock guards is repaired by whoever takes it next after such a death.
 */


#ifndef NGX_HTTP_GATE_ZONE_H_INCLUDED
#define NGX_HTTP_GATE_ZONE_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>

#include "gate_ledger.h"
#include "ngx_http_gate_documents.h"
#include "ngx_http_gate_counters.h"
#include "ngx_http_gate_habits.h"
#include "ngx_http_gate_usages.h"
#include "ngx_http_gate_register.h"


/* quotas of one account */
#define NGX_HTTP_GATE_QUOTAS    4

/* documents that one question takes, and gives back, at most */
#define NGX_HTTP_GATE_ASKED     8
#define NGX_HTTP_GATE_GIVEN     32

/* longest name of an account, and of a kind's suffix */
#define NGX_HTTP_GATE_NAME_MAX    124
#define NGX_HTTP_GATE_SUFFIX_MAX  32

/* bytes of a node's name: 16 hex digits of the zone, '.', 8 of the account */
#define NGX_HTTP_GATE_NODE_LEN  25


typedef struct {
    ngx_str_t                     name;
    uint32_t                      id;       /* of name and window, never 0 */
    gate_unit_e                   unit;
    gate_window_t                 window;
    uint64_t                      lease;    /* as configured, in bytes */
    ngx_uint_t                    counted;  /* where, among the counters */
} ngx_http_gate_quota_t;


/* what the accounts of one policy have in common; lives as long as a cycle */

typedef struct {
    ngx_str_t                     suffix;   /* ends the names: ":staff" */
    uint32_t                      hash;     /* of suffix */
    ngx_uint_t                    nquotas;
    ngx_http_gate_quota_t         quotas[NGX_HTTP_GATE_QUOTAS];
    ngx_uint_t                    documents;    /* quotas that count them */
    ngx_msec_t                    idle;     /* unused so long: give back */
} ngx_http_gate_kind_t;


/* what was given beyond limits, which have it in them already */

typedef struct {
    uint64_t                      n[NGX_HTTP_GATE_QUOTAS];
    uint64_t                      ends;     /* of the first, seconds since
                                               1970; 0: there is none */
} ngx_http_gate_extras_t;


/* an account as a request knows it; the owner of its holds */

typedef struct {
    const ngx_http_gate_kind_t   *kind;
    ngx_str_t                     name;     /* "{user}:policy" */
    uint32_t                      hash;
    uint32_t                      cell;     /* where it is, a hint; 0: none */
    uint32_t                     *hint;     /* the same, for the next request;
                                               NULL: is not kept */
    uint64_t                      limits[NGX_HTTP_GATE_QUOTAS];
    ngx_http_gate_extras_t        extras;
    gate_hold_t                   holds[NGX_HTTP_GATE_QUOTAS];
    uint64_t                      needs[NGX_HTTP_GATE_QUOTAS];
    uint64_t                      wanted[NGX_HTTP_GATE_QUOTAS];
                                            /* out: with what to hold anew */
    u_char                        document[NGX_HTTP_GATE_DIGEST_LEN];
    uint32_t                      relies[NGX_HTTP_GATE_QUOTAS];
                                            /* on its slot; 0: it does not */
    uint32_t                      gives[NGX_HTTP_GATE_QUOTAS];
                                            /* out: question, 0: none */
    uint64_t                      used[NGX_HTTP_GATE_QUOTAS];
                                            /* out: of the limit, as far as
                                               this host knows */
    uint8_t                       risen[NGX_HTTP_GATE_QUOTAS];
                                            /* out: to so many %, 0: not */
    unsigned                      sure:1;   /* the document is taken */
    unsigned                      entered:1;    /* counted as user of cell */
    unsigned                      low:1;    /* out: time to draw ahead */
    unsigned                      told:1;   /* how its quotas stand is asked */
} ngx_http_gate_account_t;


/*
 * What the names of a user came to, for who asks for the same again: of the
 * account of one kind, and of usage without a project; and where in the zone
 * they were last.  Zeroed: nothing.
 */

typedef struct {
    const ngx_http_gate_kind_t   *kind;
    uint32_t                      hash;     /* of the account's name */
    uint32_t                      usage;    /* hash of it */
    uint32_t                      cell;     /* hints, as those of requests */
    uint32_t                      row;
    unsigned                      used:1;   /* "usage" is known */
    uint8_t                       len;
    u_char                        user[NGX_HTTP_GATE_NAME_MAX];
} ngx_http_gate_known_t;


/* a document that was not taken in the end */

typedef struct {
    ngx_uint_t                    quota;    /* of the kind */
    uint64_t                      number;   /* of the question that took it */
    u_char                        document[NGX_HTTP_GATE_DIGEST_LEN];
} ngx_http_gate_giving_t;


typedef struct {
    ngx_str_t                     name;     /* in text, or the caller's */
    uint32_t                      hash;
    const ngx_http_gate_kind_t   *kind;
    ngx_uint_t                    settle;   /* give back instead of draw */
    ngx_uint_t                    again;    /* Redis forgot what it was told */
    uint64_t                      limits[NGX_HTTP_GATE_QUOTAS];
    ngx_http_gate_extras_t        extras;
    gate_claim_t                  claims[NGX_HTTP_GATE_QUOTAS];
    u_char                        documents[NGX_HTTP_GATE_ASKED]
                                           [NGX_HTTP_GATE_DIGEST_LEN];
    ngx_uint_t                    ndocuments;
    ngx_http_gate_giving_t        gives[NGX_HTTP_GATE_GIVEN];
    ngx_uint_t                    ngives;

    /* filled by ngx_http_gate_zone_begin() */
    u_char                        node[NGX_HTTP_GATE_NODE_LEN];
    uint32_t                      incarnation;
    uint64_t                      number;
    uint64_t                      answered; /* the last that was */
    ngx_uint_t                    more;     /* accounts are to be told again */
    ngx_msec_t                    asked;
} ngx_http_gate_question_t;


/* what Redis answers */

typedef struct {
    uint64_t               server;      /* which primary; alone: 0 */
    uint64_t               epoch;       /* its id */
    ngx_msec_t             closed;      /* ms until it grants again */
    ngx_uint_t             lost;        /* the account's count was lost */
    uint32_t               marks;       /* of the epoch, to a beat */
    uint64_t               holds;       /* version and 2; 1: that is none, 0:
                                           another's; to a beat */
    uint64_t               now;         /* ms since 1970, to a beat */
    gate_grant_t           grants[NGX_HTTP_GATE_QUOTAS];

    /* bits of the documents asked for: counted now, and not before */
    ngx_uint_t             known[NGX_HTTP_GATE_QUOTAS];
    ngx_uint_t             fresh[NGX_HTTP_GATE_QUOTAS];
} ngx_http_gate_answer_t;


/* as ngx_http_gate_move_t.from: nobody comes from there, only tell */
#define NGX_HTTP_GATE_LOOK      GATE_LIMIT_MAX


/* a user who is somewhere, by his last visit */

typedef struct {
    gate_spot_t                   to;
    uint64_t                      from;     /* its number, 0: from nowhere */
    uint32_t                      keep;     /* seconds that it is of use */
} ngx_http_gate_move_t;


/* a user in a country; or, without one, where he was last */

typedef struct {
    ngx_str_t                     name;     /* "{user}:policy" */
    ngx_str_t                     country;  /* two letters, or "unknown" */
    uint32_t                      days;     /* of the rule */
    uint32_t                      remember;
    ngx_http_gate_move_t          move;     /* without a country */
    u_char                        digest[NGX_HTTP_GATE_HABIT_LEN];

    /* filled by ngx_http_gate_zone_habit() */
    ngx_http_gate_told_t          told;     /* epoch 0: nothing is known */
    unsigned                      fresh:1;  /* and nobody changed it since */
    uint32_t                      today;    /* of a country */
    unsigned                      here:1;   /* it is written that he is */
} ngx_http_gate_habit_t;


/* what Redis is told of a user, a project and a day */

typedef struct {
    ngx_str_t                     user;
    ngx_str_t                     project;
    ngx_str_t                     documents;    /* digests */
    int64_t                       bytes;    /* it may be to be taken back */
    uint32_t                      requests;
} ngx_http_gate_told_row_t;


/* rows of one day; the text is the caller's, NGX_HTTP_GATE_USAGE_TEXT bytes */

typedef struct {
    u_char                        node[16];
    uint64_t                      number;
    uint32_t                      day;      /* since 1970 */
    ngx_uint_t                    known;    /* what day it is */
    ngx_uint_t                    nrows;
    ngx_http_gate_told_row_t      rows[NGX_HTTP_GATE_USAGE_ROWS];
    uint64_t                      dropped[NGX_HTTP_GATE_DROPPED_KINDS];
    u_char                       *text;
} ngx_http_gate_batch_t;


typedef struct ngx_http_gate_zone_s  ngx_http_gate_zone_t;


/*
 * Declares the shared memory "gate".  kinds is an array of pointers to kinds
 * that may still grow until the configuration is complete.  NULL: logged.
 */
ngx_http_gate_zone_t *ngx_http_gate_zone_create(ngx_conf_t *cf, size_t size,
    ngx_array_t *kinds, void *tag);

/* The zone itself is the ledger: there is no Redis.  At configuration. */
void ngx_http_gate_zone_embed(ngx_http_gate_zone_t *zone);

/*
 * Names the account of a user.  A user that is long or holds braces or
 * control characters is named by its SHA-256.  known, or NULL, is what came of
 * it before, and will be what comes of it now: it outlives the account.
 * NGX_ERROR: out of memory.
 */
ngx_int_t ngx_http_gate_zone_name(ngx_http_gate_zone_t *zone, ngx_pool_t *pool,
    ngx_http_gate_account_t *account, const ngx_http_gate_kind_t *kind,
    const ngx_str_t *user, ngx_http_gate_known_t *known);

/*
 * Writes the name of a user's account, of NGX_HTTP_GATE_NAME_MAX bytes at
 * most.  Returns its end.
 */
u_char *ngx_http_gate_zone_text(u_char *p, const ngx_str_t *user,
    const ngx_str_t *suffix);

/* Names the document that the account is about to take. */
void ngx_http_gate_zone_document(ngx_http_gate_zone_t *zone,
    ngx_http_gate_account_t *account, const ngx_str_t *document);

/*
 * Takes needs[] (one a quota of the kind) into the account's holds: all of
 * them or none.  facts[] tells how each stands.  NGX_OK: all are held.
 * NGX_DECLINED: not.  NGX_BUSY: the zone has no room for this account; each
 * fact is GATE_CREDIT_INVALID.  A quota whose limit is GATE_UNBOUNDED is not
 * counted.  One of documents needs nothing if its document is known.  With
 * NGX_OK the usage, unless it is NULL, has a row from then on.  How the quotas
 * stand then is in facts[], too, if the account is told or it was declined.
 */
ngx_int_t ngx_http_gate_zone_take(ngx_http_gate_zone_t *zone,
    ngx_http_gate_account_t *account, uint64_t borrow,
    gate_quota_fact_t *facts, ngx_http_gate_usage_t *usage);

/* Gives back needs[] of what was just taken; the account is not left. */
void ngx_http_gate_zone_untake(ngx_http_gate_zone_t *zone,
    ngx_http_gate_account_t *account);

/*
 * Gives back what the holds have not used; the account is left.  A document
 * that it relied on, and nobody else, is not taken unless the account is sure;
 * account->gives has the number of the question that had it counted, which the
 * ledger must be told.  A usage that is closing, if it is not NULL, is counted.
 */
void ngx_http_gate_zone_give(ngx_http_gate_zone_t *zone,
    ngx_http_gate_account_t *account, ngx_http_gate_usage_t *usage);

/*
 * Begins a question: states where the account stands in q->claims, whose
 * need, more and lease are the caller's.  A question to settle gives all idle
 * credit up.  timeout: ms after which another may be asked if no answer came.
 * NGX_BUSY: one is under way.  NGX_DECLINED: there is nothing to ask.
 */
ngx_int_t ngx_http_gate_zone_begin(ngx_http_gate_zone_t *zone,
    ngx_http_gate_question_t *q, ngx_msec_t timeout);

/*
 * Ends it with an answer, or NULL: there is none.  One from an epoch that has
 * passed is none.  Returns 1 if its epoch is a new one to this host.
 */
ngx_uint_t ngx_http_gate_zone_end(ngx_http_gate_zone_t *zone,
    ngx_http_gate_question_t *q, const ngx_http_gate_answer_t *answer);

/*
 * Those of q->documents that were counted for this question and that nobody
 * relies on are added to q->gives.  Returns how many there are to give.
 */
ngx_uint_t ngx_http_gate_zone_unused(ngx_http_gate_zone_t *zone,
    ngx_http_gate_question_t *q);

/* Is it time for this host to look for a new epoch?  Once every so many ms. */
ngx_uint_t ngx_http_gate_zone_beat(ngx_http_gate_zone_t *zone,
    ngx_msec_t every);

/*
 * A primary was in this epoch when it was asked then.  1: a new one, and all
 * accounts are told again.
 */
ngx_uint_t ngx_http_gate_zone_epoch(ngx_http_gate_zone_t *zone,
    uint64_t server, uint64_t epoch, ngx_msec_t asked);

/* Somebody wants to know what is used, and when that rises. */
void ngx_http_gate_zone_levels(ngx_http_gate_zone_t *zone);

/*
 * Names what is known of a user in a country, or of where he was last, under a
 * policy whose accounts end with suffix; country, days and remember are the
 * caller's and known.  NGX_ERROR: out of memory.
 */
ngx_int_t ngx_http_gate_zone_habit_name(ngx_pool_t *pool,
    ngx_http_gate_habit_t *habit, const ngx_str_t *suffix,
    const ngx_str_t *user);

/* Fills in what this host knows of it. */
void ngx_http_gate_zone_habit(ngx_http_gate_zone_t *zone,
    ngx_http_gate_habit_t *habit);

/* Redis has told it; told->marks becomes those of all primaries. */
void ngx_http_gate_zone_told(ngx_http_gate_zone_t *zone,
    const ngx_http_gate_habit_t *habit, ngx_http_gate_told_t *told);

/*
 * A primary's epoch had so many marks when it was asked then: what was told
 * under others is not fresh.
 */
void ngx_http_gate_zone_marks(ngx_http_gate_zone_t *zone, uint64_t server,
    uint32_t marks, ngx_msec_t asked);

/*
 * The register of holds: its generation, which is another one when it has
 * changed; 0: nobody has told it yet.  Takes no lock.  It has room for so many
 * bytes.
 */
ngx_uint_t ngx_http_gate_zone_holds(const ngx_http_gate_zone_t *zone);
size_t ngx_http_gate_zone_holds_room(const ngx_http_gate_zone_t *zone);

/* The time by which holds end, seconds since 1970: Redis', as it told it. */
uint64_t ngx_http_gate_zone_holds_now(const ngx_http_gate_zone_t *zone);
void ngx_http_gate_zone_holds_clock(ngx_http_gate_zone_t *zone, uint64_t ms);

/*
 * Copies the register, if it is not longer than *len, which then is its length;
 * and tells its edition, unless that is NULL.  Returns its generation.
 */
ngx_uint_t ngx_http_gate_zone_holds_read(ngx_http_gate_zone_t *zone,
    u_char *text, size_t *len, ngx_http_gate_edition_t *edition);

/* Replaces it; it has a new generation if it changes.  NGX_ERROR: no room. */
ngx_int_t ngx_http_gate_zone_holds_write(ngx_http_gate_zone_t *zone,
    const u_char *text, size_t len, const ngx_http_gate_edition_t *edition);

/* How many are in force, for metrics, and of what version it is. */
void ngx_http_gate_zone_holds_count(ngx_http_gate_zone_t *zone, ngx_uint_t n);
void ngx_http_gate_zone_holds_told(const ngx_http_gate_zone_t *zone,
    ngx_uint_t *number, uint64_t *version);

/* True once for a version: what is wrong with it is to be told. */
ngx_uint_t ngx_http_gate_zone_holds_say(ngx_http_gate_zone_t *zone,
    uint64_t version);

/*
 * Is this worker the one of its host that listens to Redis?  It is as long as
 * it says so every so many ms, or until it will no more; then another one.
 */
ngx_uint_t ngx_http_gate_zone_listens(ngx_http_gate_zone_t *zone,
    ngx_msec_t every);
void ngx_http_gate_zone_listens_no_more(ngx_http_gate_zone_t *zone);

/* True once in an era: Redis should be looked at. */
ngx_uint_t ngx_http_gate_zone_advise(ngx_http_gate_zone_t *zone);

/* Are there accounts left to be told again? */
ngx_uint_t ngx_http_gate_zone_restating(ngx_http_gate_zone_t *zone);

/*
 * Finds accounts that should be settled: to be told again; or, once Redis
 * grants, unused for their kind's idle time; or (all set) any.  Fills name,
 * hash, kind and limits of at most n questions, names copied into "text" of
 * n * NGX_HTTP_GATE_NAME_MAX bytes; returns how many.
 */
ngx_uint_t ngx_http_gate_zone_idle(ngx_http_gate_zone_t *zone,
    ngx_uint_t all, ngx_http_gate_question_t *questions, ngx_uint_t n,
    u_char *text);

/*
 * Names the user and the project of a usage as Redis has them; one that is
 * long or odd is copied.  No project is "#none".  known is what
 * ngx_http_gate_zone_name() left.  NGX_ERROR: out of memory.
 */
ngx_int_t ngx_http_gate_zone_usage_name(ngx_http_gate_zone_t *zone,
    ngx_pool_t *pool, ngx_http_gate_usage_t *usage, const ngx_str_t *user,
    const ngx_str_t *project, ngx_http_gate_known_t *known);

/* Its document, after its names. */
void ngx_http_gate_zone_usage_document(ngx_http_gate_usage_t *usage,
    const ngx_str_t *document);

/*
 * Adds bytes that leave, or takes back what did not: without the lock, unless
 * it has lost its row.
 */
void ngx_http_gate_zone_usage_add(ngx_http_gate_zone_t *zone,
    ngx_http_gate_usage_t *usage, int64_t bytes);

/* With a lock of its own: gives it a row or, if it is closing, counts it. */
void ngx_http_gate_zone_usage_end(ngx_http_gate_zone_t *zone,
    ngx_http_gate_usage_t *usage);

/* Redis should be told at once.  Is it time to, and does nobody else? */
void ngx_http_gate_zone_usage_hurry(ngx_http_gate_zone_t *zone);
ngx_uint_t ngx_http_gate_zone_usage_due(ngx_http_gate_zone_t *zone);

/*
 * What Redis is to be told next, for so many ms by nobody else.  Without
 * batch->known the clock must be told first.  NGX_BUSY: somebody else tells.
 * NGX_DECLINED: it knows all.
 */
ngx_int_t ngx_http_gate_zone_usage_take(ngx_http_gate_zone_t *zone,
    ngx_http_gate_batch_t *batch, ngx_msec_t timeout);

/* For so many ms more.  0: somebody else has told it meanwhile. */
ngx_uint_t ngx_http_gate_zone_usage_hold(ngx_http_gate_zone_t *zone,
    const ngx_http_gate_batch_t *batch, ngx_msec_t timeout);

/*
 * Redis was told, its clock being so many ms ahead of ngx_current_msec; 0: it
 * was not.  Returns 1 if usage had been dropped: batch->dropped tells what.
 */
ngx_uint_t ngx_http_gate_zone_usage_told(ngx_http_gate_zone_t *zone,
    ngx_http_gate_batch_t *batch, int64_t clock);

/* How many rows it was not told. */
ngx_uint_t ngx_http_gate_zone_usage_waiting(ngx_http_gate_zone_t *zone);

/* What is counted of this host; to be added to at any time. */
ngx_http_gate_counters_t *ngx_http_gate_zone_counters(
    ngx_http_gate_zone_t *zone);

/* how full it is; of its cells, which accounts and their ledgers are */

typedef struct {
    uint64_t                      size;     /* bytes, as configured */
    uint64_t                      cells;    /* of all of these */
    uint64_t                      free;     /* and of those not in use */
    uint64_t                      accounts;
    uint64_t                      evicted;  /* for others */
    uint64_t                      full;     /* times that there was no room */
} ngx_http_gate_zone_state_t;

/* Takes no lock. */
void ngx_http_gate_zone_state(const ngx_http_gate_zone_t *zone,
    ngx_http_gate_zone_state_t *state);

/*
 * A worker begins to serve the zone.  Once workers of a newer configuration
 * do, they settle, and "served" tells the older ones so.
 */
void ngx_http_gate_zone_serve(ngx_http_gate_zone_t *zone);
ngx_uint_t ngx_http_gate_zone_served(ngx_http_gate_zone_t *zone);


#endif /* NGX_HTTP_GATE_ZONE_H_INCLUDED */
