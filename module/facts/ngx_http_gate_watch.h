/*
 * Files that a worker reads again when they change: looked at, read and parsed
 * by a thread, so that neither a slow disk nor a large file stalls anybody.
 * What is no good is never used; what was in use stays.
 */


#ifndef NGX_HTTP_GATE_WATCH_H_INCLUDED
#define NGX_HTTP_GATE_WATCH_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#if (NGX_THREADS)
#include <ngx_thread_pool.h>
#endif


#define NGX_HTTP_GATE_WATCH_FAULT  256


typedef struct ngx_http_gate_watch_s  ngx_http_gate_watch_t;


typedef struct {
    const char               *what;         /* as a log line calls the file */
    off_t                     max;          /* bytes */

    /*
     * Makes a thing of a file's text, maybe in a thread: it neither logs nor
     * takes from a pool.  "current" is what is in use, or NULL.  Returns NULL
     * and a "fault" of less than NGX_HTTP_GATE_WATCH_FAULT bytes, ended with
     * zero, in words that follow the file's name.
     */
    void                   *(*make)(void *data, const void *current,
                                    const u_char *text, size_t len,
                                    char *fault);

    /* Frees it, quickly. */
    void                    (*drop)(void *thing);
} ngx_http_gate_watch_kind_t;


/*
 * A new file is in use; or is not, for what words say.  Called in one worker of
 * the host.
 */
typedef void (*ngx_http_gate_watch_news_pt)(void *data, const ngx_str_t *file,
    ngx_uint_t used, const ngx_str_t *words);


/* a state of a file; padded with zeros, for ngx_memcmp() */

typedef struct {
    dev_t                     dev;
    ino_t                     ino;
    off_t                     size;
    time_t                    modified;
    time_t                    changed;
    long                      modified_ns;
    long                      changed_ns;
    ngx_err_t                 err;          /* it cannot be looked at */
} ngx_http_gate_watch_mark_t;


/* one look at the file, its thread's while it lasts */

typedef struct {
    ngx_http_gate_watch_t      *watch;
    ngx_http_gate_watch_mark_t  known;      /* in use, or refused */
    ngx_http_gate_watch_mark_t  seen;       /* at the last look */
    ngx_uint_t                  changing;   /* while it was read */
    void                       *thing;      /* of a file that is new, or */
    const char                 *call;       /* what failed, */
    ngx_err_t                   err;        /* why, */
    char                        fault[NGX_HTTP_GATE_WATCH_FAULT];
                                            /* or what is wrong with it */
} ngx_http_gate_watch_look_t;


struct ngx_http_gate_watch_s {
    ngx_str_t                   file;       /* its full name */
    const ngx_http_gate_watch_kind_t  *kind;
    void                       *data;       /* for kind->make() */
    void                       *thing;      /* what is in use */
    ngx_uint_t                  generation; /* another one for each thing */
    time_t                      read;       /* when it was */
    ngx_event_t                 event;
    ngx_err_t                   trouble;    /* of ours, logged */
    ngx_http_gate_watch_news_pt  news;      /* NULL: nobody asks */
    void                       *news_data;
    ngx_http_gate_watch_look_t  look;
#if (NGX_THREADS)
    ngx_thread_pool_t          *threads;
    ngx_thread_task_t          *task;
#endif
};


/*
 * The watch of a file in "watches", an array of pointers; a new one if there
 * is none of this kind.  "file" is replaced by its full name.  It lives as long
 * as cf->pool.  NULL: logged.
 */
ngx_http_gate_watch_t *ngx_http_gate_watch_add(ngx_conf_t *cf,
    ngx_array_t *watches, ngx_str_t *file,
    const ngx_http_gate_watch_kind_t *kind, void *data);

/*
 * Reads the file now, if that has not been done.  NGX_ERROR: what is wrong is
 * at "p", words that end before "last"; its end is put there, and an error
 * number in "err".
 */
ngx_int_t ngx_http_gate_watch_load(ngx_http_gate_watch_t *watch, u_char **p,
    u_char *last, ngx_err_t *err);

/*
 * Looks at the file five times a second, in a worker, until it exits.  It is
 * read when two looks found it the same, and not what it was.
 */
void ngx_http_gate_watch_start(ngx_http_gate_watch_t *watch,
    ngx_cycle_t *cycle);


#endif /* NGX_HTTP_GATE_WATCH_H_INCLUDED */
