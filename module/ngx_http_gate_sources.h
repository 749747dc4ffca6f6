/*
 * Which files facts are read from, and how they are, for those who look after
 * them.
 */


#ifndef NGX_HTTP_GATE_SOURCES_H_INCLUDED
#define NGX_HTTP_GATE_SOURCES_H_INCLUDED


#include "ngx_http_gate.h"
#include "ngx_http_gate_source.h"


/* An array of ngx_http_gate_source_t; see ngx_http_gate_sources_pt. */
ngx_array_t *ngx_http_gate_sources(ngx_http_request_t *r);


#endif /* NGX_HTTP_GATE_SOURCES_H_INCLUDED */
