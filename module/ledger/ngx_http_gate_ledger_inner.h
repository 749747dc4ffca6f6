/*
 * What the files of the ledger share, and nobody else includes.
 */


#ifndef NGX_HTTP_GATE_LEDGER_INNER_H_INCLUDED
#define NGX_HTTP_GATE_LEDGER_INNER_H_INCLUDED


#include "ngx_http_gate_ledger.h"
#include "ngx_http_gate_script.h"


typedef struct ngx_http_gate_flush_s  ngx_http_gate_flush_t;


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
    ngx_log_t                    *log;
    ngx_uint_t                    failing;  /* it was said */
    ngx_uint_t                    silent;   /* of habits, it was said */
    ngx_uint_t                    later;    /* askings that wait for Redis */
    ngx_uint_t                    beating;  /* beats under way */
    ngx_msec_t                    beat;     /* since then */
    ngx_uint_t                    reload;   /* and Redis has not its script */
    ngx_uint_t                    reloading;    /* beats with their script */
    ngx_uint_t                    farewell;
    ngx_http_gate_question_t     *idle;
    u_char                       *names;
    ngx_http_gate_flush_t        *flush;    /* usage on its way */
    time_t                        usage_keep;
};


/* Counts that a question was sent, or not; that it had no good answer. */
void ngx_http_gate_ledger_sent(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_asked_e asked, ngx_uint_t n);
void ngx_http_gate_ledger_faulty(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_failed_e failed);

/* Something was given back: a worker that is leaving settles it. */
void ngx_http_gate_ledger_leave(ngx_http_gate_ledger_t *ledger);

/* What tells Redis of usage.  NULL: no memory. */
ngx_http_gate_flush_t *ngx_http_gate_flush_create(ngx_pool_t *pool,
    ngx_http_gate_ledger_t *ledger);

/*
 * Tells Redis of usage, if it is time; all: at once.  Returns, with all, how
 * many rows it does not know.
 */
ngx_uint_t ngx_http_gate_ledger_usage(ngx_http_gate_ledger_t *ledger,
    ngx_uint_t all);

/* There is a new epoch: logs it, and has all accounts told again. */
void ngx_http_gate_ledger_restate(ngx_http_gate_ledger_t *ledger);


#endif /* NGX_HTTP_GATE_LEDGER_INNER_H_INCLUDED */
