/*
 * Loads a file into a store: copied, checked and published in pieces, so that
 * a worker serves others meanwhile.  What is half written, damaged, or poorer
 * than what is in use is never published.
 */


#ifndef NGX_HTTP_GATE_GEO_LOAD_H_INCLUDED
#define NGX_HTTP_GATE_GEO_LOAD_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>

#include "gate_mmdb.h"
#include "ngx_http_gate_geo_store.h"


typedef enum {
    NGX_HTTP_GATE_GEO_SOUND = 0,
    NGX_HTTP_GATE_GEO_BAD,          /* the file is, until it changes */
    NGX_HTTP_GATE_GEO_CHANGED,      /* while it was read */
    NGX_HTTP_GATE_GEO_TROUBLE       /* of ours: no memory, no descriptor */
} ngx_http_gate_geo_end_e;


typedef struct {
    ngx_str_t                    *file;
    ngx_http_gate_geo_store_t    *store;
    ngx_http_gate_geo_mark_t      mark;     /* of the file that is loaded */
    ngx_fd_t                      from;
    ngx_fd_t                      to;
    off_t                         done;
    u_char                       *buffer;
    ngx_uint_t                    open;     /* once it is copied: mmdb */
    MMDB_s                        mmdb;
    gate_mmdb_check_t             check;

    /* at the end: */
    ngx_http_gate_geo_end_e       end;
    ngx_err_t                     err;
    const char                   *call;     /* which failed, or NULL */
    const char                   *fault;    /* what follows the file's name */
} ngx_http_gate_geo_load_t;


/* What the file is now. */
void ngx_http_gate_geo_load_mark(ngx_str_t *file,
    ngx_http_gate_geo_mark_t *mark);

/*
 * Begins to load a file, ended with zero, into what "store" was claimed for.
 * NGX_AGAIN: call step; NGX_ERROR: it is over, "end" and the rest say why.
 */
ngx_int_t ngx_http_gate_geo_load_begin(ngx_http_gate_geo_load_t *load,
    ngx_http_gate_geo_store_t *store, ngx_fd_t to, ngx_str_t *file);

/*
 * Goes on for about a millisecond, or for as long as a disk needs to read
 * 256 KiB.  NGX_AGAIN; NGX_OK: it was published; NGX_ERROR: it is over.
 */
ngx_int_t ngx_http_gate_geo_load_step(ngx_http_gate_geo_load_t *load);

/* Ends it, whether it is over or not, and the claim if it was not published. */
void ngx_http_gate_geo_load_close(ngx_http_gate_geo_load_t *load);

/*
 * What went wrong, in words for a log line that has load->err at its end: a
 * text at "p" that ends before "last".  Returns its end.
 */
u_char *ngx_http_gate_geo_load_words(ngx_http_gate_geo_load_t *load,
    u_char *p, u_char *last);


#endif /* NGX_HTTP_GATE_GEO_LOAD_H_INCLUDED */
