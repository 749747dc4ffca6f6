/*
 * Watches a database's file for a worker, and has one of them load what is
 * new.
 */


#ifndef NGX_HTTP_GATE_GEO_WATCH_H_INCLUDED
#define NGX_HTTP_GATE_GEO_WATCH_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_gate_geo.h"
#include "ngx_http_gate_geo_load.h"
#include "ngx_http_gate_geo_store.h"


typedef struct {
    ngx_str_t                     file;
    ngx_http_gate_geo_news_pt     news;     /* NULL: nobody asks */
    void                         *news_data;
    ngx_msec_t                    reload;   /* 0: it is not watched */
    ngx_http_gate_geo_store_t     store;
    ngx_event_t                   event;
    ngx_http_gate_geo_mark_t      seen;     /* at the last look */
    ngx_http_gate_geo_mark_t      known;    /* in use, or refused */
    ngx_http_gate_geo_load_t     *load;     /* this worker loads */
} ngx_http_gate_geo_watch_t;


/*
 * Looks at the file each watch->reload, in a worker, until that exits.  A file
 * is loaded that is not known and was the same at two looks; what is wrong
 * with it is said once, by one worker, and what was in use stays.
 */
void ngx_http_gate_geo_watch_start(ngx_http_gate_geo_watch_t *watch,
    ngx_log_t *log);

/* The worker exits: a load it was at is given up. */
void ngx_http_gate_geo_watch_close(ngx_http_gate_geo_watch_t *watch);


#endif /* NGX_HTTP_GATE_GEO_WATCH_H_INCLUDED */
