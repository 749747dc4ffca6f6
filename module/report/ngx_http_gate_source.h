/*
 * A source: a file that facts are read from, as the worker that answers has it
 * in use.  The road knows them, this room tells of them.
 */


#ifndef NGX_HTTP_GATE_SOURCE_H_INCLUDED
#define NGX_HTTP_GATE_SOURCE_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* bytes of what a database calls itself, at most */
#define NGX_HTTP_GATE_SOURCE_TYPE  64


typedef enum {
    NGX_HTTP_GATE_SOURCE_DATABASE = 0,
    NGX_HTTP_GATE_SOURCE_CRL,
    NGX_HTTP_GATE_SOURCE_FINGERPRINTS
} ngx_http_gate_source_e;


/* times are seconds since 1970 */

typedef struct {
    ngx_http_gate_source_e   kind;
    ngx_str_t                file;
    ngx_str_t                type;      /* of a database */
    time_t                   built;     /* the same */
    time_t                   read;      /* but of a database */
    time_t                   updated;   /* of the oldest CRL in it */
    time_t                   next;      /* the earliest that comes after one */
    uint64_t                 entries;   /* but of a database */
} ngx_http_gate_source_t;


/* All of them, from the request's pool.  NULL: no memory. */
typedef ngx_array_t *(*ngx_http_gate_sources_pt)(ngx_http_request_t *r);


#endif /* NGX_HTTP_GATE_SOURCE_H_INCLUDED */
