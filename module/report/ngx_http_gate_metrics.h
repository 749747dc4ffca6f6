/*
 * gate_metrics: what this host has done and how it is, for Prometheus.
 */


#ifndef NGX_HTTP_GATE_METRICS_H_INCLUDED
#define NGX_HTTP_GATE_METRICS_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_gate_ledger.h"
#include "ngx_http_gate_source.h"


/*
 * Answers a request with the text format of Prometheus, version 0.0.4.  ledger
 * is this worker's; NULL or without Redis: nothing of Redis is told.
 */
ngx_int_t ngx_http_gate_metrics_send(ngx_http_request_t *r,
    ngx_http_gate_zone_t *zone, ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_sources_pt sources);


#endif /* NGX_HTTP_GATE_METRICS_H_INCLUDED */
