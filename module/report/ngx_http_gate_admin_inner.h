/*
 * What the files of the administrators' interface share, and nobody else
 * includes.
 */


#ifndef NGX_HTTP_GATE_ADMIN_INNER_H_INCLUDED
#define NGX_HTTP_GATE_ADMIN_INNER_H_INCLUDED


#include "ngx_http_gate_admin.h"
#include "ngx_http_gate_answer.h"
#include "ngx_http_gate_ledger_holds.h"
#include "ngx_http_gate_ledger_read.h"
#include "ngx_http_gate_usage_read.h"


/* rows of an answer, without and with "limit" */
#define NGX_HTTP_GATE_ADMIN_ROWS      50
#define NGX_HTTP_GATE_ADMIN_ROWS_MAX  1000


/* bytes of a user, as certificates have it, where something is changed */
#define NGX_HTTP_GATE_ADMIN_USER      255

/* begins the ids of extras, and no others */
#define NGX_HTTP_GATE_ADMIN_EXTRA     "extra-"


/* what is wrong if a span is none */
#define NGX_HTTP_GATE_ADMIN_SPAN                                             \
    "\"from\" and \"to\" are days such as 2026-11-25, or times such as "     \
    "2026-11-25T09:00:00Z, 400 days apart at most."


/* a span of time, both ends within */

typedef struct {
    time_t                   begin;     /* seconds since 1970 */
    time_t                   end;
    uint32_t                 from;      /* its days, since 1970, UTC */
    uint32_t                 to;
    char                     text[2][sizeof("2026-11-25T09:00:00Z")];
} ngx_http_gate_admin_span_t;


typedef struct ngx_http_gate_admin_ctx_s  ngx_http_gate_admin_ctx_t;

/*
 * Answers, and returns what to finalize the request with; or NGX_AGAIN, what
 * ngx_http_gate_admin_ask() returned.
 */
typedef ngx_int_t (*ngx_http_gate_admin_pt)(ngx_http_gate_admin_ctx_t *ctx);

/* The same, when Redis has answered: n cells, there until it returns. */
typedef ngx_int_t (*ngx_http_gate_admin_heard_pt)(
    ngx_http_gate_admin_ctx_t *ctx, const ngx_str_t *cells, ngx_uint_t n);


/* The same, when usage was told; NULL: Redis did not answer. */
typedef ngx_int_t (*ngx_http_gate_admin_used_pt)(
    ngx_http_gate_admin_ctx_t *ctx, const ngx_http_gate_usage_answer_t *usage);

/* The same, when a change is done: NGX_OK, or what the ledger said. */
typedef ngx_int_t (*ngx_http_gate_admin_done_pt)(
    ngx_http_gate_admin_ctx_t *ctx, ngx_int_t rc);


/* a change under way; it may outlive the request that made it */

typedef struct {
    ngx_http_gate_admin_ctx_t   *ctx;       /* NULL: nobody waits */
    ngx_http_gate_admin_done_pt  done;
} ngx_http_gate_admin_order_t;


struct ngx_http_gate_admin_ctx_s {
    ngx_http_request_t      *request;
    ngx_http_gate_admin_t    admin;
    ngx_http_gate_admin_pt   handler;
    json_t                  *body;      /* of a change: an object */
    json_t                  *answer;    /* as far as it has been made */
    void                    *state;     /* the handler's own */

    ngx_http_gate_reading_t      *reading;  /* NULL: nothing is asked */
    ngx_http_gate_usage_asking_t *usage;    /* the same */
    ngx_http_gate_admin_used_pt   used;
    ngx_http_gate_admin_heard_pt  heard;
    ngx_http_gate_admin_pt        missed;   /* if Redis does not answer; NULL:
                                               that is told */
    void                         *seen;     /* what events are read for */
    ngx_http_gate_admin_order_t  *order;    /* NULL: none is under way */
};


/*
 * Asks a script, as ngx_http_gate_ledger_read() does.  NGX_AGAIN: heard() will
 * be called, or it is answered that Redis does not answer.  Else it was
 * answered already; to be returned in any case.
 */
ngx_int_t ngx_http_gate_admin_ask(ngx_http_gate_admin_ctx_t *ctx,
    ngx_http_gate_script_e script, ngx_uint_t nkeys, const ngx_str_t *argv,
    ngx_uint_t argc, ngx_http_gate_admin_heard_pt heard);

/*
 * Asks for usage.  NGX_AGAIN: used() will be called.  NGX_BUSY, NGX_DECLINED,
 * NGX_ERROR: as ngx_http_gate_usage_ask(), nothing was answered.
 */
ngx_int_t ngx_http_gate_admin_usage_ask(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_http_gate_usage_query_t *query,
    ngx_http_gate_admin_used_pt used);

/*
 * Calls a handler for each policy from *policy on, until it returns something
 * else than NGX_OK, which is returned; *kind is 0 at the begin of each.
 */
typedef ngx_int_t (*ngx_http_gate_admin_policy_pt)(
    ngx_http_gate_admin_ctx_t *ctx,
    const ngx_http_gate_admin_policy_t *policy);

ngx_int_t ngx_http_gate_admin_policies(ngx_http_gate_admin_ctx_t *ctx,
    ngx_uint_t *policy, ngx_uint_t *kind,
    ngx_http_gate_admin_policy_pt handler);

/*
 * Makes a change: rc is what the ledger returned, which was given
 * _order_handler() with _order_data().  Returns what to return; done() is
 * called when it is done, also at once, but not if Redis does not answer.
 */
ngx_int_t ngx_http_gate_admin_order(ngx_http_gate_admin_ctx_t *ctx,
    ngx_http_gate_admin_done_pt done, ngx_int_t rc);
void ngx_http_gate_admin_order_handler(void *data, ngx_int_t rc);
void *ngx_http_gate_admin_order_data(ngx_http_gate_admin_ctx_t *ctx);

/* Is it one of n words? */
ngx_uint_t ngx_http_gate_admin_word(const char *word,
    const char *const *words, ngx_uint_t n);

/* A number of a cell, 0 if it is none. */
uint64_t ngx_http_gate_admin_value(const ngx_str_t *cell);

/*
 * Of whom a change is: its "user" and "policy".  NULL: they were read; else
 * what is wrong with them.
 */
const char *ngx_http_gate_admin_whose(ngx_http_gate_admin_ctx_t *ctx,
    ngx_str_t *user, const ngx_http_gate_admin_policy_t **policy);

/* A text of a change, which must be there.  0: it is none. */
ngx_uint_t ngx_http_gate_admin_body_text(json_t *body, const char *name,
    ngx_str_t *text);

/* A number of a change; it stays as it is if there is none.  0: it is odd. */
ngx_uint_t ngx_http_gate_admin_body_number(json_t *body, const char *name,
    uint64_t *n);

/* A text as the register has it. */
json_t *ngx_http_gate_admin_text(const gate_text_t *text);

/*
 * Begins an entry of the register: an id that is new, behind "before", and by
 * whom.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_admin_held(ngx_http_gate_admin_ctx_t *ctx,
    const char *before, gate_held_t *held);

/* Answers when it is set: with ctx->answer. */
ngx_int_t ngx_http_gate_admin_held_done(ngx_http_gate_admin_ctx_t *ctx,
    ngx_int_t rc);

/* Is it the id of an extra? */
ngx_uint_t ngx_http_gate_admin_held_extra(const char *id, size_t len);

/* Lifts the hold, or takes the extra back, of the query's "id". */
ngx_int_t ngx_http_gate_admin_lift(ngx_http_gate_admin_ctx_t *ctx,
    ngx_uint_t extra);

/*
 * The key of what is known of a user, from the request's pool; empty without a
 * ledger, which knows nothing.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_admin_key(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_str_t *user, const ngx_str_t *suffix, const char *behind,
    ngx_str_t *key);

/* The page that asks for all this. */
ngx_int_t ngx_http_gate_admin_page(ngx_http_gate_admin_ctx_t *ctx);

/*
 * Asks for a page of the stream of events, from an id on to another, those that
 * have all of some texts, as ngx_http_gate_event_field() has them.  newest: the
 * newest first, and "to" is the older one.  As ngx_http_gate_admin_ask().
 */
ngx_int_t ngx_http_gate_admin_events(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_str_t *from, const ngx_str_t *to, ngx_uint_t newest,
    const ngx_str_t *texts, ngx_uint_t n, ngx_http_gate_admin_heard_pt heard);

/*
 * Adds to ctx->answer which certificates a user had lately, and which documents
 * he took, as far as the stream is read in so short a time.  Returns what
 * then() returns, which is called in any case, or NGX_AGAIN.
 */
ngx_int_t ngx_http_gate_admin_seen(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_str_t *user, ngx_http_gate_admin_pt then);

/* A hold, to be shown; over: it is no more in force. */
json_t *ngx_http_gate_admin_hold(const gate_held_t *held, ngx_uint_t over);

/* Rows of usage, to be shown. */
json_t *ngx_http_gate_admin_usage_rows(
    const ngx_http_gate_usage_answer_t *answer);

/* One user: his quotas, countries and place under each policy. */
ngx_int_t ngx_http_gate_admin_user(ngx_http_gate_admin_ctx_t *ctx);

/* Holds: the list, a new one, and to lift one. */
ngx_int_t ngx_http_gate_admin_holds(ngx_http_gate_admin_ctx_t *ctx);
ngx_int_t ngx_http_gate_admin_hold_set(ngx_http_gate_admin_ctx_t *ctx);
ngx_int_t ngx_http_gate_admin_hold_lift(ngx_http_gate_admin_ctx_t *ctx);

/* What users were given beyond a quota: the list, more, and to take it back. */
ngx_int_t ngx_http_gate_admin_extra(ngx_http_gate_admin_ctx_t *ctx);
ngx_int_t ngx_http_gate_admin_extra_give(ngx_http_gate_admin_ctx_t *ctx);
ngx_int_t ngx_http_gate_admin_extra_take(ngx_http_gate_admin_ctx_t *ctx);

/* A country that is usual for a user, or not; and where he was last. */
ngx_int_t ngx_http_gate_admin_country(ngx_http_gate_admin_ctx_t *ctx);
ngx_int_t ngx_http_gate_admin_place(ngx_http_gate_admin_ctx_t *ctx);

/* What was taken, by whom and from where, document by document. */
ngx_int_t ngx_http_gate_admin_incident(ngx_http_gate_admin_ctx_t *ctx);

/* What this host did in each of the last minutes. */
ngx_int_t ngx_http_gate_admin_now(ngx_http_gate_admin_ctx_t *ctx);

/* Which node this is, and how its parts are. */
ngx_int_t ngx_http_gate_admin_state(ngx_http_gate_admin_ctx_t *ctx);

/* What was taken in some days; and a name of that, to be shown. */
ngx_int_t ngx_http_gate_admin_usage(ngx_http_gate_admin_ctx_t *ctx);
json_t *ngx_http_gate_admin_usage_name(const ngx_str_t *name);

/* What can be taken at most, beside what was. */
ngx_int_t ngx_http_gate_admin_exposure(ngx_http_gate_admin_ctx_t *ctx);

/* Answers that Redis does not, or that there is none. */
ngx_int_t ngx_http_gate_admin_away(ngx_http_gate_admin_ctx_t *ctx);

/*
 * "from" and "to" of the query; without them the last 30 days.  NGX_DECLINED:
 * they are no span, see NGX_HTTP_GATE_ADMIN_SPAN.
 */
ngx_int_t ngx_http_gate_admin_span(ngx_http_gate_admin_ctx_t *ctx,
    ngx_http_gate_admin_span_t *span);

/* Is "format=csv" asked for? */
ngx_uint_t ngx_http_gate_admin_csv(ngx_http_gate_admin_ctx_t *ctx);

/*
 * Says in the answer's header with which query the next part is asked for: with
 * this one, but that an argument has another value, which is a plain word
 * (RFC 8288, "next").  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_admin_next(ngx_http_gate_admin_ctx_t *ctx,
    const char *name, const ngx_str_t *value);

/*
 * An argument of the query, decoded.  NGX_DECLINED: it is not there.
 * NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_admin_argument(ngx_http_gate_admin_ctx_t *ctx,
    const char *name, ngx_str_t *value);

/*
 * A number of the query from 0 to "most", or "other" if it is not there.
 * NGX_DECLINED: it is none.
 */
ngx_int_t ngx_http_gate_admin_number(ngx_http_gate_admin_ctx_t *ctx,
    const char *name, ngx_uint_t other, ngx_uint_t most, ngx_uint_t *n);


#endif /* NGX_HTTP_GATE_ADMIN_INNER_H_INCLUDED */
