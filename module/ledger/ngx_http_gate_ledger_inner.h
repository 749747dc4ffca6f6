/*
 * What the files of the ledger share, and nobody else includes.
 */


#ifndef NGX_HTTP_GATE_LEDGER_INNER_H_INCLUDED
#define NGX_HTTP_GATE_LEDGER_INNER_H_INCLUDED


#include "ngx_http_gate_channel.h"
#include "ngx_http_gate_ledger_holds.h"
#include "ngx_http_gate_script.h"


typedef struct ngx_http_gate_flush_s  ngx_http_gate_flush_t;


/* how the register is loaded: one of these is done at a time */

typedef struct {
    ngx_http_gate_holds_t         holds;    /* this worker's copy */
    ngx_http_gate_channel_t      *channel;
    ngx_queue_t                   waiting;
    ngx_queue_t                   woken;
    ngx_int_t                     rc;       /* for them */
    ngx_event_t                   run;      /* posted: wakes them */
    ngx_event_t                   timer;    /* loads, soon */
    ngx_msec_t                    began;    /* the last */
    ngx_uint_t                    busy;
    ngx_uint_t                    again;    /* there was news meanwhile */
    ngx_uint_t                    telling;  /* else loading */
    ngx_uint_t                    told;     /* it was, this time */
    ngx_uint_t                    rounds;   /* in which it changed meanwhile */
    ngx_uint_t                    reload;   /* Redis has not the script */
    ngx_uint_t                    silent;   /* it was said */
    u_char                       *text;     /* NULL: none is needed */
    size_t                        size;
    size_t                        len;
    size_t                        pos;      /* to be told */
    size_t                        sent;     /* with what is under way */
    ngx_uint_t                    from;     /* to be loaded */
    ngx_uint_t                    number;   /* that were */
    ngx_uint_t                    bad;      /* that are no holds */
    ngx_uint_t                    most;     /* for which there is no room */
    ngx_http_gate_edition_t       edition;
    ngx_http_gate_edition_t       known;
} ngx_http_gate_holding_t;


struct ngx_http_gate_ledger_s {
    ngx_http_gate_zone_t         *zone;
    ngx_http_gate_redis_t        *redis;
    ngx_msec_t                    timeout;  /* until a question is given up */
    ngx_rbtree_t                  askings;
    ngx_rbtree_node_t             sentinel;
    ngx_rbtree_t                  habits;   /* that are asked for */
    ngx_rbtree_node_t             habits_sentinel;
    ngx_http_gate_scripts_t       scripts;
    ngx_event_t                   sweep;
    ngx_uint_t                    settling; /* accounts, at this moment */
    ngx_uint_t                    window;   /* as many at once, at most */
    ngx_uint_t                    more;     /* are idle, or to be told */
    ngx_msec_t                    late;     /* for an answer */
    ngx_log_t                    *log;
    ngx_uint_t                    failing;  /* it was said */
    ngx_uint_t                    silent;   /* of habits, it was said */
    ngx_uint_t                    deaf;     /* to events, it was said */
    ngx_uint_t                    untaught; /* their script goes with them */
    ngx_uint_t                    later;    /* askings that wait for Redis */
    ngx_uint_t                    beating;  /* beats under way */
    ngx_msec_t                    beat;     /* since then */
    ngx_uint_t                    reload;   /* and Redis has not its script */
    ngx_uint_t                    reloading;    /* beats with their script */
    ngx_uint_t                    farewell;
    ngx_http_gate_holding_t       holding;
    ngx_http_gate_question_t     *idle;
    u_char                       *names;
    ngx_http_gate_flush_t        *flush;    /* usage on its way */
    time_t                        usage_keep;
    ngx_http_gate_link_conf_t    *link;     /* of Redis */
    ngx_http_gate_ledger_news_pt  news;
    void                         *news_data;
};


/* Counts that a question was sent, or not; that it had no good answer. */
void ngx_http_gate_ledger_sent(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_asked_e asked, ngx_uint_t n);
void ngx_http_gate_ledger_faulty(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_failed_e failed);

/* Redis answered that it does not do what it was asked: counts and logs it. */
void ngx_http_gate_ledger_failed(ngx_http_gate_ledger_t *ledger,
    const char *what, size_t len);

/* An account that is idle: has Redis told.  NGX_ERROR: no memory. */
ngx_int_t ngx_http_gate_ledger_settle(ngx_http_gate_ledger_t *ledger,
    const ngx_http_gate_question_t *idle);

/* What a worker does by itself: begins; ends. */
ngx_int_t ngx_http_gate_sweep_create(ngx_http_gate_ledger_t *ledger,
    ngx_pool_t *pool);
void ngx_http_gate_sweep_close(ngx_http_gate_ledger_t *ledger);

/* One that was counted in ledger->settling, and asked then, was answered. */
void ngx_http_gate_sweep_settled(ngx_http_gate_ledger_t *ledger,
    ngx_msec_t asked, ngx_int_t rc);

/* Something was given back: a worker that is leaving settles it. */
void ngx_http_gate_sweep_leave(ngx_http_gate_ledger_t *ledger);

/* What tells Redis of usage.  NULL: no memory. */
ngx_http_gate_flush_t *ngx_http_gate_flush_create(ngx_pool_t *pool,
    ngx_http_gate_ledger_t *ledger);

/*
 * Tells Redis of usage, if it is time; all: at once.  Returns, with all, how
 * many rows it does not know.
 */
ngx_uint_t ngx_http_gate_ledger_usage(ngx_http_gate_ledger_t *ledger,
    ngx_uint_t all);

/* Holds: begins; ends; listens, if it is this worker's turn. */
ngx_int_t ngx_http_gate_holding_create(ngx_http_gate_ledger_t *ledger,
    ngx_pool_t *pool);
void ngx_http_gate_holding_close(ngx_http_gate_ledger_t *ledger);
void ngx_http_gate_holding_sweep(ngx_http_gate_ledger_t *ledger);

/* Has the register loaded soon. */
void ngx_http_gate_holding_news(void *data);

/* A beat told this: loads the register if it is another one. */
void ngx_http_gate_holding_beat(ngx_http_gate_ledger_t *ledger,
    const ngx_http_gate_answer_t *answer);

/* There is a new epoch: logs it, and has all accounts told again. */
void ngx_http_gate_sweep_restate(ngx_http_gate_ledger_t *ledger);


#endif /* NGX_HTTP_GATE_LEDGER_INNER_H_INCLUDED */
