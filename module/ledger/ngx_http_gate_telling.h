/*
 * Events that are written to the stream at once.  A writer numbers its batches:
 * one that is written a second time, for nobody heard of the first, is there
 * once.
 */


#ifndef NGX_HTTP_GATE_TELLING_H_INCLUDED
#define NGX_HTTP_GATE_TELLING_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_HTTP_GATE_TELLING  64


typedef struct {
    ngx_str_t              writer;      /* nobody else has this name */
    uint64_t               number;      /* from 1 */
    uint64_t               maxlen;      /* of the stream, about */
    ngx_uint_t             n;
    ngx_str_t              lines[NGX_HTTP_GATE_TELLING];
} ngx_http_gate_telling_t;


typedef void (*ngx_http_gate_telling_pt)(void *data, ngx_int_t rc);


#endif /* NGX_HTTP_GATE_TELLING_H_INCLUDED */
