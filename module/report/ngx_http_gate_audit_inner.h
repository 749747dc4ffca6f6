/*
 * What the files of the audit share, and nobody else includes: the sink, a
 * buffer of whole lines, and what kinds of them there are.
 */


#ifndef NGX_HTTP_GATE_AUDIT_INNER_H_INCLUDED
#define NGX_HTTP_GATE_AUDIT_INNER_H_INCLUDED


#include <ngx_event.h>

#include "ngx_http_gate_audit.h"


/* what a seal adds, at most */
#define NGX_HTTP_GATE_SEAL_MAX  320


typedef struct {
    ngx_http_gate_sunk_e     counter;
    const char              *name;
    size_t                   size;      /* of the buffer */
    ngx_uint_t               hurry;     /* so many lines are not kept */
    ngx_msec_t               delay;     /* others are, so long */
    unsigned                 lingers:1; /* a worker that exits waits for it */

    /* Once per worker.  NGX_ERROR: no memory. */
    ngx_int_t              (*start)(ngx_http_gate_sink_t *sink,
                                    ngx_cycle_t *cycle);

    /*
     * Hands on what it can of the lines at sink->pos, and says so by
     * ngx_http_gate_sink_written().  What cannot be now is tried again when
     * the timer says so, or by who finds out that it can.
     */
    void                   (*drain)(ngx_http_gate_sink_t *sink);

    /* Adds to a line without its end, which is at most NGX_.._EVENT_MAX. */
    u_char                *(*seal)(ngx_http_gate_sink_t *sink, u_char *line,
                                   u_char *p);

    /* The worker exits: the last lines. */
    void                   (*close)(ngx_http_gate_sink_t *sink);
} ngx_http_gate_sink_kind_t;


struct ngx_http_gate_sink_s {
    const ngx_http_gate_sink_kind_t  *kind;
    ngx_http_gate_audit_t   *audit;
    ngx_str_t                name;      /* for words */
    void                    *data;      /* of its kind */
    ngx_uint_t               states;    /* are wanted */

    u_char                  *start;     /* NULL: not in a worker */
    u_char                  *pos;
    u_char                  *last;
    u_char                  *end;
    ngx_uint_t               lines;     /* from pos to last */

    ngx_event_t              timer;
    ngx_uint_t               stuck;     /* drain only by the timer */
    ngx_msec_t               pause;     /* until the timer; 0: kind->delay */
    ngx_uint_t               complained;
    uint64_t                 lost;      /* since this began, 0: it has not */
    ngx_uint_t               untold;    /* that it began */
    ngx_msec_t               losing;    /* when the last was */
    ngx_uint_t               farewell;
};


struct ngx_http_gate_audit_s {
    ngx_array_t              sinks;     /* of ngx_http_gate_sink_t * */
    ngx_str_t                node;
    ngx_str_t                worker;    /* "1234-176…": this process */
    ngx_http_gate_zone_t    *zone;
    ngx_http_gate_ledger_t  *ledger;
    ngx_log_t               *log;
    ngx_uint_t               closing;
    u_char                  *line;      /* of NGX_HTTP_GATE_EVENT_MAX */
};


extern const ngx_http_gate_sink_kind_t  ngx_http_gate_audit_file_kind;
extern const ngx_http_gate_sink_kind_t  ngx_http_gate_audit_syslog_kind;
extern const ngx_http_gate_sink_kind_t  ngx_http_gate_audit_redis_kind;


/* One more sink, with zeroed data of its kind.  NULL: no memory. */
ngx_http_gate_sink_t *ngx_http_gate_sink_add(ngx_conf_t *cf,
    ngx_http_gate_audit_t *audit, const ngx_http_gate_sink_kind_t *kind,
    size_t size, const ngx_str_t *name);

/* An event into one sink, of its own. */
void ngx_http_gate_sink_tell(ngx_http_gate_sink_t *sink,
    const ngx_http_gate_event_t *event);

/* So many bytes and lines at sink->pos were taken; or given up. */
void ngx_http_gate_sink_written(ngx_http_gate_sink_t *sink, size_t len,
    ngx_uint_t lines);
void ngx_http_gate_sink_given_up(ngx_http_gate_sink_t *sink, size_t len,
    ngx_uint_t lines);

/* It cannot take them (why NULL: a moment), or it can again: said once. */
void ngx_http_gate_sink_stuck(ngx_http_gate_sink_t *sink, const char *why,
    ngx_err_t err);
void ngx_http_gate_sink_free(ngx_http_gate_sink_t *sink);

/* As ngx_http_gate_audit_state(), but to no sink that is "except". */
void ngx_http_gate_audit_others(ngx_http_gate_audit_t *audit,
    const ngx_http_gate_event_t *event, const ngx_http_gate_sink_t *except);


#endif /* NGX_HTTP_GATE_AUDIT_INNER_H_INCLUDED */
