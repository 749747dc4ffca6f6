/*
 * The geography room: which place an address is, according to the databases an
 * administrator named.  It knows no policy and does not remember what it was
 * asked.
 *
 * Of each file there is a copy in memory that all workers share; a new file
 * takes its place while nginx runs.
 */


#ifndef NGX_HTTP_GATE_GEO_H_INCLUDED
#define NGX_HTTP_GATE_GEO_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>

#include "gate_place.h"


typedef struct ngx_http_gate_geo_s  ngx_http_gate_geo_t;


/*
 * A set of no databases.  It and all that is opened in it lives as long as
 * cf->pool, whose cleanup closes everything.  NULL if there is no memory.
 */
ngx_http_gate_geo_t *ngx_http_gate_geo_create(ngx_conf_t *cf);

/*
 * Adds the database "file", which is taken relative to the configuration
 * and replaced by its full name, and is to be looked at anew each "reload" ms,
 * or never if that is 0.  Returns NGX_CONF_OK, or NGX_CONF_ERROR after the
 * fault has been logged: missing, over 2 GiB, truncated, damaged, not a
 * MaxMind database, without any field that is known here, named twice.
 */
char *ngx_http_gate_geo_open(ngx_conf_t *cf, ngx_http_gate_geo_t *geo,
    ngx_str_t *file, ngx_msec_t reload);

/* What some of the databases have: GATE_PLACE_COUNTRY and so on. */
ngx_uint_t ngx_http_gate_geo_fields(const ngx_http_gate_geo_t *geo);

/*
 * Has the handler called, in the one worker of this host that loads it, when a
 * new file is in use; or is not, for what words say.  Before it serves.
 */
typedef void (*ngx_http_gate_geo_news_pt)(void *data, const ngx_str_t *file,
    ngx_uint_t used, const ngx_str_t *words);

void ngx_http_gate_geo_news(ngx_http_gate_geo_t *geo,
    ngx_http_gate_geo_news_pt handler, void *data);

/* A worker begins, or ends, to look up and to watch.  NGX_ERROR: logged. */
ngx_int_t ngx_http_gate_geo_serve(ngx_http_gate_geo_t *geo, ngx_log_t *log);
void ngx_http_gate_geo_leave(ngx_http_gate_geo_t *geo);

/*
 * A number that is another one as soon as a new file is in use: places that
 * were read before are stale then.  Above 0 in a worker.
 */
ngx_uint_t ngx_http_gate_geo_generation(ngx_http_gate_geo_t *geo);

/*
 * Reads those of "fields" that are known of the address "sa" into the place
 * and adds them to place->fields: each from the first database, in the order
 * they were opened, that has it for this address.  An IPv4-mapped IPv6 address
 * is the IPv4 address.  Does not allocate, wait or log.
 */
void ngx_http_gate_geo_read(ngx_http_gate_geo_t *geo,
    const struct sockaddr *sa, ngx_uint_t fields, gate_place_t *place);

/* a database that is in use */

typedef struct {
    ngx_str_t    file;
    const char  *type;      /* what it calls itself, until one is looked up */
    uint64_t     built;     /* seconds since 1970 */
} ngx_http_gate_geo_told_t;

/* The n-th, from 0.  NGX_DECLINED: there are not so many. */
ngx_int_t ngx_http_gate_geo_tell(ngx_http_gate_geo_t *geo, ngx_uint_t n,
    ngx_http_gate_geo_told_t *told);


#endif /* NGX_HTTP_GATE_GEO_H_INCLUDED */
