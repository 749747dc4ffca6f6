/*
 * The store of one database: two files in memory, which nobody outside can
 * name, truncate or change.  All workers read the one in use; one of them may
 * claim the other, fill it, and publish it, and then everybody follows.
 *
 * Who reads a file holds a read lock for it, who fills it a write lock
 * (fcntl(), by process): so the one that is filled is read by nobody, and what
 * a worker held that was killed is free again.  The locks are those of a third
 * file: libmaxminddb opens and closes the one it maps, and a process that
 * closes a file loses all its locks of it.
 */


#ifndef NGX_HTTP_GATE_GEO_STORE_H_INCLUDED
#define NGX_HTTP_GATE_GEO_STORE_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>

#include "gate_mmdb.h"


/* a state of the administrator's file, padded with zeros: for memcmp() */

typedef struct {
    dev_t                         dev;
    ino_t                         ino;
    off_t                         size;
    time_t                        modified;
    time_t                        changed;
    long                          modified_ns;
    long                          changed_ns;
    ngx_err_t                     err;      /* it cannot be looked at */
} ngx_http_gate_geo_mark_t;


/* what all processes of a cycle share; written by who has a claim */

typedef struct {
    ngx_atomic_t                  generation;   /* its lowest bit: the file */
    ngx_uint_t                    fields;       /* of the one in use */
    ngx_http_gate_geo_mark_t      current;
    ngx_http_gate_geo_mark_t      refused;      /* and told so */
    ngx_err_t                     trouble;      /* of ours, told once */
} ngx_http_gate_geo_shared_t;


typedef struct {
    ngx_http_gate_geo_shared_t   *shared;
    ngx_fd_t                      fd[2];
    ngx_fd_t                      locks;        /* byte 0 and 1: for fd[] */

    /* of this process: */
    ngx_uint_t                    generation;   /* 0: none is open */
    MMDB_s                        mmdb;
} ngx_http_gate_geo_store_t;


/* NGX_ERROR: logged at emerg. */
ngx_int_t ngx_http_gate_geo_store_create(ngx_http_gate_geo_store_t *store,
    ngx_log_t *log);
void ngx_http_gate_geo_store_close(ngx_http_gate_geo_store_t *store);

/*
 * Opens what is in use, if this process has not already, instead of what it
 * had.  NGX_OK: there is a new one; NGX_DECLINED: nothing is new; NGX_BUSY or
 * NGX_ERROR (ngx_errno says why): the old one stays, try again.
 */
ngx_int_t ngx_http_gate_geo_store_follow(ngx_http_gate_geo_store_t *store);

/*
 * Claims the file that is not in use.  NGX_OK and its descriptor, it is empty;
 * NGX_BUSY: somebody else has it, or still reads it.  A claim ends with publish
 * or release.
 */
ngx_int_t ngx_http_gate_geo_store_claim(ngx_http_gate_geo_store_t *store,
    ngx_fd_t *fd);
void ngx_http_gate_geo_store_publish(ngx_http_gate_geo_store_t *store);
void ngx_http_gate_geo_store_release(ngx_http_gate_geo_store_t *store);


#endif /* NGX_HTTP_GATE_GEO_STORE_H_INCLUDED */
