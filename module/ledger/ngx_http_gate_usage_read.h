/*
 * Usage, to be read for a page: of one day or of many, by months as far as
 * these are whole, which are asked one by one and added up here.  Nothing of a
 * user waits for it.
 *
 * Of each day, or month, the first rows are asked for, by bytes: a thousand of
 * up to twenty, fewer of more.  Where there are more, who is on a page is asked
 * for again, by name, so that its sums are right; and "exact" says whether
 * somebody who is nowhere among the first of a day could still belong there.
 */


#ifndef NGX_HTTP_GATE_USAGE_READ_H_INCLUDED
#define NGX_HTTP_GATE_USAGE_READ_H_INCLUDED


#include "ngx_http_gate_ledger_read.h"
#include "ngx_http_gate_usage.h"


/* days of a query; rows of a page; and up to where it is asked for again */
#define NGX_HTTP_GATE_USAGE_DAYS    400
#define NGX_HTTP_GATE_USAGE_PAGE    1000
#define NGX_HTTP_GATE_USAGE_AGAIN   200


typedef enum {
    NGX_HTTP_GATE_USAGE_OF_USERS = 0,   /* bytes of each, in the days */
    NGX_HTTP_GATE_USAGE_OF_PROJECTS,
    NGX_HTTP_GATE_USAGE_OF_LARGEST,     /* projects: most bytes of one user
                                           in one of the days */
    NGX_HTTP_GATE_USAGE_OF_USER,        /* his projects */
    NGX_HTTP_GATE_USAGE_OF_PROJECT      /* its users */
} ngx_http_gate_usage_of_e;


typedef struct {
    ngx_http_gate_usage_of_e   of;
    ngx_str_t                  name;    /* of the user, or project; or as
                                           Redis has it, "#..." */
    uint32_t                   from;    /* days since 1970, both of them */
    uint32_t                   to;
    ngx_uint_t                 skip;    /* rows before the page */
    ngx_uint_t                 count;
    ngx_uint_t                 largest; /* of each day wanted; count is then
                                           up to _AGAIN */
} ngx_http_gate_usage_query_t;


typedef struct {
    ngx_str_t                  name;    /* as Redis has it: "#", a SHA-256, a
                                           blank and its first bytes, or
                                           "#none", "#others"; of days none */
    uint64_t                   bytes;
    uint64_t                   largest; /* of these, in one of the days, if
                                           it was wanted */
    uint64_t                   requests;    /* of a user, or project, only */
    uint64_t                   documents;   /* of each day, added up */
} ngx_http_gate_usage_sum_t;


typedef struct {
    ngx_uint_t                 n;       /* rows of the page, most bytes first */
    ngx_http_gate_usage_sum_t *rows;
    ngx_uint_t                 names;   /* how many rows were seen in all */
    ngx_uint_t                 exact;
    ngx_http_gate_usage_sum_t  total;   /* of a user, or project, only */
    uint32_t                   from;
    ngx_uint_t                 ndays;
    ngx_http_gate_usage_sum_t *days;    /* the same of each day */
} ngx_http_gate_usage_answer_t;


/* The answer is there until this returns.  NGX_ERROR: there is none. */
typedef void (*ngx_http_gate_usage_pt)(void *data, ngx_int_t rc,
    const ngx_http_gate_usage_answer_t *answer);


typedef struct ngx_http_gate_usage_asking_s  ngx_http_gate_usage_asking_t;


/*
 * NGX_OK: the handler will be called once, later, never from inside this call,
 * unless *asking is closed before.  NGX_BUSY: Redis is away, or there is none.
 * NGX_DECLINED: days or page beyond the bounds.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_usage_ask(ngx_http_gate_ledger_t *ledger,
    const ngx_http_gate_usage_query_t *query, ngx_http_gate_usage_pt handler,
    void *data, ngx_http_gate_usage_asking_t **asking);

/* Nobody waits for it any longer; the handler is not called. */
void ngx_http_gate_usage_close(ngx_http_gate_usage_asking_t *asking);


#endif /* NGX_HTTP_GATE_USAGE_READ_H_INCLUDED */
