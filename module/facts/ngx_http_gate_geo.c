/*
 * The set of databases: opened at configuration, asked by workers through
 * libmaxminddb.  Decides nothing and caches nothing.
 *
 * The library maps its file, and who reads what is mapped is killed (SIGBUS)
 * when its owner truncates it: what is asked is the copy in a store.
 */


#include "ngx_http_gate_geo.h"

#include "gate_mmdb.h"
#include "ngx_http_gate_geo_load.h"
#include "ngx_http_gate_geo_store.h"
#include "ngx_http_gate_geo_watch.h"


/* ms that a worker waits at its start, at most, for who publishes just then */
#define NGX_HTTP_GATE_GEO_PATIENCE  1000


typedef struct ngx_http_gate_geo_database_s  ngx_http_gate_geo_database_t;

struct ngx_http_gate_geo_database_s {
    ngx_http_gate_geo_watch_t      watch;
    ngx_http_gate_geo_database_t  *next;
};


struct ngx_http_gate_geo_s {
    ngx_http_gate_geo_database_t  *databases;
};


static void ngx_http_gate_geo_close(void *data);
static char *ngx_http_gate_geo_load(ngx_conf_t *cf,
    ngx_http_gate_geo_watch_t *watch);
static const struct sockaddr *ngx_http_gate_geo_address(
    const struct sockaddr *sa, struct sockaddr_in *sin);


ngx_http_gate_geo_t *
ngx_http_gate_geo_create(ngx_conf_t *cf)
{
    ngx_pool_cleanup_t   *cln;
    ngx_http_gate_geo_t  *geo;

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_http_gate_geo_t));
    if (cln == NULL) {
        return NULL;
    }

    geo = cln->data;
    geo->databases = NULL;

    cln->handler = ngx_http_gate_geo_close;

    return geo;
}


static void
ngx_http_gate_geo_close(void *data)
{
    ngx_http_gate_geo_t  *geo = data;

    ngx_http_gate_geo_database_t  *db;

    for (db = geo->databases; db; db = db->next) {
        ngx_http_gate_geo_store_close(&db->watch.store);
    }
}


void
ngx_http_gate_geo_news(ngx_http_gate_geo_t *geo,
    ngx_http_gate_geo_news_pt handler, void *data)
{
    ngx_http_gate_geo_database_t  *db;

    for (db = geo->databases; db; db = db->next) {
        db->watch.news = handler;
        db->watch.news_data = data;
    }
}


char *
ngx_http_gate_geo_open(ngx_conf_t *cf, ngx_http_gate_geo_t *geo,
    ngx_str_t *file, ngx_msec_t reload)
{
    ngx_str_t                      *name;
    ngx_http_gate_geo_database_t   *db, **last;

    if (ngx_conf_full_name(cf->cycle, file, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    for (last = &geo->databases; *last; last = &(*last)->next) {
        name = &(*last)->watch.file;

        if (name->len == file->len
            && ngx_memcmp(name->data, file->data, file->len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "geo database \"%V\" is duplicate", file);
            return NGX_CONF_ERROR;
        }
    }

    db = ngx_pcalloc(cf->pool, sizeof(ngx_http_gate_geo_database_t));
    if (db == NULL) {
        return NGX_CONF_ERROR;
    }

    db->watch.file = *file;
    db->watch.reload = reload;

    *last = db;

    if (ngx_http_gate_geo_store_create(&db->watch.store, cf->log) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_gate_geo_load(cf, &db->watch);
}


/* all of it at once: nobody waits for who reads nginx.conf */

static char *
ngx_http_gate_geo_load(ngx_conf_t *cf, ngx_http_gate_geo_watch_t *watch)
{
    u_char                    *p, words[NGX_MAX_CONF_ERRSTR];
    ngx_fd_t                   fd;
    ngx_int_t                  rc;
    ngx_http_gate_geo_load_t  *load;

    load = ngx_alloc(sizeof(ngx_http_gate_geo_load_t), cf->log);
    if (load == NULL) {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_gate_geo_store_claim(&watch->store, &fd) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno, "fcntl() failed");
        ngx_free(load);
        return NGX_CONF_ERROR;
    }

    rc = ngx_http_gate_geo_load_begin(load, &watch->store, fd, &watch->file);

    while (rc == NGX_AGAIN) {
        rc = ngx_http_gate_geo_load_step(load);
    }

    if (rc != NGX_OK) {
        p = ngx_http_gate_geo_load_words(load, words,
                                         words + NGX_MAX_CONF_ERRSTR);
        ngx_conf_log_error(NGX_LOG_EMERG, cf, load->err, "%*s",
                           (size_t) (p - words), words);
    }

    ngx_http_gate_geo_load_close(load);
    ngx_free(load);

    return rc == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
}


ngx_uint_t
ngx_http_gate_geo_fields(const ngx_http_gate_geo_t *geo)
{
    ngx_uint_t                           fields;
    const ngx_http_gate_geo_database_t  *db;

    fields = 0;

    for (db = geo->databases; db; db = db->next) {
        fields |= db->watch.store.shared->fields;
    }

    return fields;
}


ngx_int_t
ngx_http_gate_geo_serve(ngx_http_gate_geo_t *geo, ngx_log_t *log)
{
    ngx_int_t                      rc;
    ngx_uint_t                     waited;
    ngx_http_gate_geo_database_t  *db;

    for (db = geo->databases; db; db = db->next) {

        for (waited = 0; /* void */ ; waited++) {
            rc = ngx_http_gate_geo_store_follow(&db->watch.store);

            if (rc != NGX_BUSY || waited == NGX_HTTP_GATE_GEO_PATIENCE) {
                break;
            }

            ngx_msleep(1);
        }

        /* who cannot tell where a request is from must not serve it */

        if (db->watch.store.generation == 0) {
            ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                          "opening the geo database \"%V\" failed",
                          &db->watch.file);
            return NGX_ERROR;
        }

        ngx_http_gate_geo_watch_start(&db->watch, log);
    }

    return NGX_OK;
}


void
ngx_http_gate_geo_leave(ngx_http_gate_geo_t *geo)
{
    ngx_http_gate_geo_database_t  *db;

    for (db = geo->databases; db; db = db->next) {
        ngx_http_gate_geo_watch_close(&db->watch);
    }
}


ngx_uint_t
ngx_http_gate_geo_generation(ngx_http_gate_geo_t *geo)
{
    ngx_uint_t                     generation;
    ngx_http_gate_geo_database_t  *db;

    generation = 0;

    for (db = geo->databases; db; db = db->next) {
        (void) ngx_http_gate_geo_store_follow(&db->watch.store);
        generation += db->watch.store.generation;
    }

    return generation;
}


void
ngx_http_gate_geo_read(ngx_http_gate_geo_t *geo, const struct sockaddr *sa,
    ngx_uint_t fields, gate_place_t *place)
{
    int                            rc;
    ngx_uint_t                     rest;
    struct sockaddr_in             sin;
    MMDB_lookup_result_s           result;
    ngx_http_gate_geo_store_t     *store;
    ngx_http_gate_geo_database_t  *db;

    sa = ngx_http_gate_geo_address(sa, &sin);

    if (sa == NULL) {
        return;
    }

    for (db = geo->databases; db; db = db->next) {

        store = &db->watch.store;
        (void) ngx_http_gate_geo_store_follow(store);

        rest = fields & ~place->fields;

        if (rest == 0) {
            continue;
        }

        /* an IPv6 address in an IPv4 database is an error, not a fault */

        result = MMDB_lookup_sockaddr(&store->mmdb, sa, &rc);

        if (rc == MMDB_SUCCESS && result.found_entry) {
            gate_mmdb_read(&result.entry, rest, place);
        }
    }
}


ngx_int_t
ngx_http_gate_geo_tell(ngx_http_gate_geo_t *geo, ngx_uint_t n,
    ngx_http_gate_geo_told_t *told)
{
    ngx_http_gate_geo_database_t  *db;

    for (db = geo->databases; db && n; db = db->next) {
        n--;
    }

    if (db == NULL) {
        return NGX_DECLINED;
    }

    (void) ngx_http_gate_geo_store_follow(&db->watch.store);

    told->file = db->watch.file;
    told->type = db->watch.store.mmdb.metadata.database_type;
    told->built = db->watch.store.mmdb.metadata.build_epoch;

    return NGX_OK;
}


/* the address as the library wants it; NULL: it is on no net */

static const struct sockaddr *
ngx_http_gate_geo_address(const struct sockaddr *sa, struct sockaddr_in *sin)
{
#if (NGX_HAVE_INET6)
    const struct sockaddr_in6  *sin6;
#endif

    switch (sa->sa_family) {

    case AF_INET:
        return sa;

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (const struct sockaddr_in6 *) sa;

        if (!IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
            return sa;
        }

        ngx_memzero(sin, sizeof(struct sockaddr_in));
        sin->sin_family = AF_INET;
        ngx_memcpy(&sin->sin_addr, &sin6->sin6_addr.s6_addr[12], 4);

        return (const struct sockaddr *) sin;
#endif

    default:
        return NULL;
    }
}
