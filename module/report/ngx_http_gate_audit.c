/*
 * A sink's buffer: lines are added at its end and taken from its front.  Who
 * has no room left is dropped: the sink is behind by then, or stuck.
 *
 * An event is written once, and copied to the sinks that want it; nothing is
 * allocated for it.
 */


#include "ngx_http_gate_audit_inner.h"


/* nothing dropped for so long: that was the end of it, ms */
#define NGX_HTTP_GATE_AUDIT_CALM      1000

/* timers of a worker that exits, for who lingers; then it goes */
#define NGX_HTTP_GATE_AUDIT_FAREWELL  8


static void ngx_http_gate_sink_add_line(ngx_http_gate_sink_t *sink,
    const u_char *line, size_t len);
static ngx_uint_t ngx_http_gate_sink_room(ngx_http_gate_sink_t *sink,
    size_t len);
static void ngx_http_gate_sink_drop(ngx_http_gate_sink_t *sink,
    ngx_uint_t lines);
static void ngx_http_gate_sink_timer(ngx_http_gate_sink_t *sink);
static void ngx_http_gate_sink_timer_handler(ngx_event_t *ev);
static void ngx_http_gate_sink_losing(ngx_http_gate_sink_t *sink);
static void ngx_http_gate_sink_calm(ngx_http_gate_sink_t *sink);
static ngx_int_t ngx_http_gate_audit_worker(ngx_http_gate_audit_t *audit,
    ngx_cycle_t *cycle);


ngx_http_gate_audit_t *
ngx_http_gate_audit_create(ngx_conf_t *cf)
{
    ngx_http_gate_audit_t  *audit;

    audit = ngx_pcalloc(cf->pool, sizeof(ngx_http_gate_audit_t));

    if (audit == NULL
        || ngx_array_init(&audit->sinks, cf->pool, 4,
                          sizeof(ngx_http_gate_sink_t *))
           != NGX_OK)
    {
        return NULL;
    }

    return audit;
}


ngx_http_gate_sink_t *
ngx_http_gate_sink_add(ngx_conf_t *cf, ngx_http_gate_audit_t *audit,
    const ngx_http_gate_sink_kind_t *kind, size_t size, const ngx_str_t *name)
{
    ngx_http_gate_sink_t  *sink, **p;

    sink = ngx_pcalloc(cf->pool, sizeof(ngx_http_gate_sink_t));
    p = ngx_array_push(&audit->sinks);

    if (sink == NULL || p == NULL) {
        return NULL;
    }

    sink->data = ngx_pcalloc(cf->pool, size);
    if (sink->data == NULL) {
        return NULL;
    }

    sink->kind = kind;
    sink->audit = audit;
    sink->name = *name;

    *p = sink;

    return sink;
}


void
ngx_http_gate_audit_states(ngx_http_gate_sink_t *sink)
{
    sink->states = 1;
}


ngx_int_t
ngx_http_gate_audit_start(ngx_http_gate_audit_t *audit, ngx_cycle_t *cycle,
    ngx_http_gate_zone_t *zone, ngx_http_gate_ledger_t *ledger)
{
    ngx_uint_t             i;
    ngx_http_gate_sink_t  *sink, **sinks;

    audit->zone = zone;
    audit->ledger = ledger;
    audit->log = cycle->log;
    audit->node = cycle->hostname;

    audit->line = ngx_pnalloc(cycle->pool, NGX_HTTP_GATE_EVENT_MAX);

    if (audit->line == NULL
        || ngx_http_gate_audit_worker(audit, cycle) != NGX_OK)
    {
        return NGX_ERROR;
    }

    sinks = audit->sinks.elts;

    for (i = 0; i < audit->sinks.nelts; i++) {
        sink = sinks[i];

        sink->start = ngx_pnalloc(cycle->pool, sink->kind->size);
        if (sink->start == NULL) {
            return NGX_ERROR;
        }

        sink->pos = sink->start;
        sink->last = sink->start;
        sink->end = sink->start + sink->kind->size;

        sink->timer.handler = ngx_http_gate_sink_timer_handler;
        sink->timer.data = sink;
        sink->timer.log = cycle->log;
        sink->timer.cancelable = !sink->kind->lingers;

        if (sink->kind->start(sink, cycle) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* no other process has this name, at any time */

static ngx_int_t
ngx_http_gate_audit_worker(ngx_http_gate_audit_t *audit, ngx_cycle_t *cycle)
{
    u_char      *p;
    ngx_time_t  *tp;

    p = ngx_pnalloc(cycle->pool, NGX_INT64_LEN + 1 + NGX_INT64_LEN
                                 + 1 + 8);
    if (p == NULL) {
        return NGX_ERROR;
    }

    tp = ngx_timeofday();

    audit->worker.data = p;
    audit->worker.len = ngx_sprintf(p, "%P-%T%03M-%08xD", ngx_pid, tp->sec,
                                    (ngx_msec_t) tp->msec,
                                    (uint32_t) ngx_random())
                        - p;
    return NGX_OK;
}


void
ngx_http_gate_audit_tell(ngx_http_gate_audit_t *audit,
    const ngx_array_t *lines, ngx_uint_t classes,
    const ngx_http_gate_event_t *event)
{
    u_char                      *last;
    ngx_uint_t                   i;
    ngx_http_gate_audit_line_t  *line;

    last = NULL;
    line = lines->elts;

    for (i = 0; i < lines->nelts; i++) {

        if (!(line[i].classes & classes) || line[i].sink->start == NULL) {
            continue;
        }

        if (last == NULL) {
            last = ngx_http_gate_event_write(audit->line, event,
                                             &audit->node);
        }

        ngx_http_gate_sink_add_line(line[i].sink, audit->line,
                                    last - audit->line);
    }
}


void
ngx_http_gate_audit_state(ngx_http_gate_audit_t *audit,
    const ngx_http_gate_event_t *event)
{
    ngx_http_gate_audit_others(audit, event, NULL);
}


void
ngx_http_gate_audit_others(ngx_http_gate_audit_t *audit,
    const ngx_http_gate_event_t *event, const ngx_http_gate_sink_t *except)
{
    ngx_uint_t              i;
    ngx_http_gate_sink_t  **sinks;

    sinks = audit->sinks.elts;

    for (i = 0; i < audit->sinks.nelts; i++) {

        /* who lingered is gone when a worker says its last words */

        if (sinks[i]->states && sinks[i]->start && sinks[i] != except
            && !(audit->closing && sinks[i]->kind->lingers))
        {
            ngx_http_gate_sink_tell(sinks[i], event);
        }
    }
}


void
ngx_http_gate_sink_tell(ngx_http_gate_sink_t *sink,
    const ngx_http_gate_event_t *event)
{
    u_char                 *last;
    ngx_http_gate_audit_t  *audit;

    audit = sink->audit;
    last = ngx_http_gate_event_write(audit->line, event, &audit->node);

    ngx_http_gate_sink_add_line(sink, audit->line, last - audit->line);
}


static void
ngx_http_gate_sink_add_line(ngx_http_gate_sink_t *sink, const u_char *line,
    size_t len)
{
    u_char  *p;

    /* with whatever seals it */

    if (!ngx_http_gate_sink_room(sink, len + NGX_HTTP_GATE_SEAL_MAX)) {
        ngx_http_gate_sink_drop(sink, 1);
        return;
    }

    p = ngx_cpymem(sink->last, line, len);

    if (sink->kind->seal) {
        p = sink->kind->seal(sink, sink->last, p);
    }

    *p++ = '}';
    *p++ = LF;

    sink->last = p;
    sink->lines++;

    if (sink->lines >= sink->kind->hurry && !sink->stuck) {
        sink->kind->drain(sink);
    }

    ngx_http_gate_sink_timer(sink);
}


static ngx_uint_t
ngx_http_gate_sink_room(ngx_http_gate_sink_t *sink, size_t len)
{
    if ((size_t) (sink->end - sink->last) >= len) {
        return 1;
    }

    if (!sink->stuck) {
        sink->kind->drain(sink);
    }

    if (sink->pos == sink->start
        || (size_t) (sink->end - sink->last) + (sink->pos - sink->start) < len)
    {
        return 0;
    }

    ngx_memmove(sink->start, sink->pos, sink->last - sink->pos);

    sink->last -= sink->pos - sink->start;
    sink->pos = sink->start;

    return 1;
}


static void
ngx_http_gate_sink_drop(ngx_http_gate_sink_t *sink, ngx_uint_t lines)
{
    ngx_http_gate_counters_t  *counters;

    if (sink->lost == 0) {
        sink->untold = 1;

        ngx_log_error(NGX_LOG_ERR, sink->audit->log, 0,
                      "gate: audit: %V does not take events in time, "
                      "they are dropped", &sink->name);
    }

    sink->lost += lines;
    sink->losing = ngx_current_msec;

    counters = ngx_http_gate_zone_counters(sink->audit->zone);
    (void) ngx_atomic_fetch_add(
                            &counters->sunk[sink->kind->counter].dropped,
                            lines);

    ngx_http_gate_sink_timer(sink);
}


void
ngx_http_gate_sink_written(ngx_http_gate_sink_t *sink, size_t len,
    ngx_uint_t lines)
{
    ngx_http_gate_counters_t  *counters;

    counters = ngx_http_gate_zone_counters(sink->audit->zone);
    (void) ngx_atomic_fetch_add(
                            &counters->sunk[sink->kind->counter].written,
                            lines);

    sink->pos += len;
    sink->lines -= lines;

    if (sink->pos == sink->last) {
        sink->pos = sink->start;
        sink->last = sink->start;
    }
}


void
ngx_http_gate_sink_given_up(ngx_http_gate_sink_t *sink, size_t len,
    ngx_uint_t lines)
{
    sink->pos += len;
    sink->lines -= lines;

    ngx_http_gate_sink_drop(sink, lines);
}


void
ngx_http_gate_sink_stuck(ngx_http_gate_sink_t *sink, const char *why,
    ngx_err_t err)
{
    sink->stuck = 1;

    if (why && !sink->complained) {
        sink->complained = 1;
        ngx_log_error(NGX_LOG_ERR, sink->audit->log, err,
                      "gate: audit: %V: %s", &sink->name, why);
    }
}


void
ngx_http_gate_sink_free(ngx_http_gate_sink_t *sink)
{
    sink->stuck = 0;
    sink->pause = 0;

    if (sink->complained) {
        sink->complained = 0;
        ngx_log_error(NGX_LOG_NOTICE, sink->audit->log, 0,
                      "gate: audit: %V takes events again", &sink->name);
    }
}


static void
ngx_http_gate_sink_timer(ngx_http_gate_sink_t *sink)
{
    if (sink->timer.timer_set || (sink->lines == 0 && sink->lost == 0)
        || sink->farewell > NGX_HTTP_GATE_AUDIT_FAREWELL)
    {
        return;
    }

    ngx_add_timer(&sink->timer, sink->pause ? sink->pause
                                            : sink->kind->delay);
}


static void
ngx_http_gate_sink_timer_handler(ngx_event_t *ev)
{
    ngx_http_gate_sink_t *sink = ev->data;

    if (ngx_exiting) {
        sink->farewell++;
    }

    if (sink->lines) {
        sink->kind->drain(sink);
    }

    if (sink->untold) {
        ngx_http_gate_sink_losing(sink);
    }

    if (sink->lost
        && ngx_current_msec - sink->losing >= NGX_HTTP_GATE_AUDIT_CALM)
    {
        ngx_http_gate_sink_calm(sink);
    }

    ngx_http_gate_sink_timer(sink);
}


/*
 * Told by the timer, as is the end of it: who drops a line is in the middle of
 * another event.
 */

static void
ngx_http_gate_sink_losing(ngx_http_gate_sink_t *sink)
{
    ngx_http_gate_event_t  event;

    sink->untold = 0;

    ngx_memzero(&event, sizeof(ngx_http_gate_event_t));

    event.what = NGX_HTTP_GATE_EVENT_DROPPING;
    event.subject = sink->name;

    ngx_http_gate_audit_others(sink->audit, &event, sink);
}


/* for now it keeps up */

static void
ngx_http_gate_sink_calm(ngx_http_gate_sink_t *sink)
{
    ngx_http_gate_event_t  event;

    ngx_log_error(NGX_LOG_NOTICE, sink->audit->log, 0,
                  "gate: audit: %V: %uL events were dropped", &sink->name,
                  sink->lost);

    ngx_memzero(&event, sizeof(ngx_http_gate_event_t));

    event.what = NGX_HTTP_GATE_EVENT_DROPPED;
    event.subject = sink->name;
    event.dropped = sink->lost;

    sink->lost = 0;

    ngx_http_gate_audit_state(sink->audit, &event);
}


void
ngx_http_gate_audit_close(ngx_http_gate_audit_t *audit)
{
    ngx_uint_t             i;
    ngx_http_gate_sink_t  *sink, **sinks;

    audit->closing = 1;
    sinks = audit->sinks.elts;

    /* chains end, and others are told how */

    for (i = 0; i < audit->sinks.nelts; i++) {
        if (sinks[i]->start && sinks[i]->kind->close) {
            sinks[i]->kind->close(sinks[i]);
        }
    }

    for (i = 0; i < audit->sinks.nelts; i++) {
        sink = sinks[i];

        if (sink->start == NULL) {
            continue;
        }

        if (sink->lines) {
            sink->kind->drain(sink);
        }

        if (sink->lines) {
            ngx_http_gate_sink_given_up(sink, sink->last - sink->pos,
                                        sink->lines);
        }

        if (sink->lost) {
            ngx_http_gate_sink_calm(sink);
        }

        if (sink->timer.timer_set) {
            ngx_del_timer(&sink->timer);
        }

        sink->start = NULL;
    }
}
