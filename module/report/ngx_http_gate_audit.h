/*
 * Audit: where events go, file, syslog or Redis.  Each place is a sink, with a
 * bounded buffer of its own in each worker, and none ever has a worker wait:
 * what a sink does not take in time is dropped, counted, and told at the begin
 * and at the end, not each time.
 */


#ifndef NGX_HTTP_GATE_AUDIT_H_INCLUDED
#define NGX_HTTP_GATE_AUDIT_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_gate_event.h"
#include "ngx_http_gate_ledger.h"


/* classes of events that a line of nginx.conf wants */
#define NGX_HTTP_GATE_AUDIT_REFUSED   0x01
#define NGX_HTTP_GATE_AUDIT_DOWNLOAD  0x02
#define NGX_HTTP_GATE_AUDIT_STATE     0x04
#define NGX_HTTP_GATE_AUDIT_ALL       0x07


typedef struct ngx_http_gate_audit_s  ngx_http_gate_audit_t;
typedef struct ngx_http_gate_sink_s   ngx_http_gate_sink_t;


/* a "gate_audit" line */

typedef struct {
    ngx_http_gate_sink_t  *sink;
    ngx_uint_t             classes;
} ngx_http_gate_audit_line_t;


/* No sinks yet.  At configuration.  NULL: no memory. */
ngx_http_gate_audit_t *ngx_http_gate_audit_create(ngx_conf_t *cf);

/*
 * A sink, which may be one that there is already.  A file is chained if anchor,
 * in ms, is not 0.  A syslog is told by the line that is being read.  NULL:
 * logged.
 */
ngx_http_gate_sink_t *ngx_http_gate_audit_file(ngx_conf_t *cf,
    ngx_http_gate_audit_t *audit, ngx_str_t *path, ngx_msec_t anchor);
ngx_http_gate_sink_t *ngx_http_gate_audit_syslog(ngx_conf_t *cf,
    ngx_http_gate_audit_t *audit);
ngx_http_gate_sink_t *ngx_http_gate_audit_redis(ngx_conf_t *cf,
    ngx_http_gate_audit_t *audit, ngx_uint_t maxlen);

/* Some line wants changes of state in this sink. */
void ngx_http_gate_audit_states(ngx_http_gate_sink_t *sink);

/* Once per worker.  NGX_ERROR: no memory. */
ngx_int_t ngx_http_gate_audit_start(ngx_http_gate_audit_t *audit,
    ngx_cycle_t *cycle, ngx_http_gate_zone_t *zone,
    ngx_http_gate_ledger_t *ledger);

/*
 * An event of these classes, to those of the lines that want one of them.
 * Never waits.
 */
void ngx_http_gate_audit_tell(ngx_http_gate_audit_t *audit,
    const ngx_array_t *lines, ngx_uint_t classes,
    const ngx_http_gate_event_t *event);

/* A change of state, to all sinks that want them.  Never waits. */
void ngx_http_gate_audit_state(ngx_http_gate_audit_t *audit,
    const ngx_http_gate_event_t *event);

/* At worker exit, when the ledger is closed. */
void ngx_http_gate_audit_close(ngx_http_gate_audit_t *audit);


#endif /* NGX_HTTP_GATE_AUDIT_H_INCLUDED */
