/*
 * One timer.  Each worker looks; who sees something new claims the store, and
 * what the others have found out by then is on the shared page, which is read
 * and written under a claim only.
 */


#include "ngx_http_gate_geo_watch.h"


/* between two looks, and when somebody else is at it, at most: ms */
#define NGX_HTTP_GATE_GEO_AGAIN  1000

/* between two pieces of a file, ms: they take less */
#define NGX_HTTP_GATE_GEO_PAUSE  5


static void ngx_http_gate_geo_watch_handler(ngx_event_t *ev);
static ngx_msec_t ngx_http_gate_geo_watch_look(
    ngx_http_gate_geo_watch_t *watch);
static ngx_msec_t ngx_http_gate_geo_watch_claim(
    ngx_http_gate_geo_watch_t *watch);
static ngx_uint_t ngx_http_gate_geo_watch_told(
    ngx_http_gate_geo_watch_t *watch);
static ngx_msec_t ngx_http_gate_geo_watch_load(
    ngx_http_gate_geo_watch_t *watch, ngx_fd_t to);
static ngx_msec_t ngx_http_gate_geo_watch_done(
    ngx_http_gate_geo_watch_t *watch);
static void ngx_http_gate_geo_watch_news(ngx_http_gate_geo_watch_t *watch,
    ngx_uint_t used, const ngx_str_t *words);
static void ngx_http_gate_geo_watch_warn(ngx_http_gate_geo_watch_t *watch);
static ngx_uint_t ngx_http_gate_geo_watch_same(
    const ngx_http_gate_geo_mark_t *one, const ngx_http_gate_geo_mark_t *two);


void
ngx_http_gate_geo_watch_start(ngx_http_gate_geo_watch_t *watch,
    ngx_log_t *log)
{
    if (watch->reload == 0) {
        return;
    }

    watch->event.handler = ngx_http_gate_geo_watch_handler;
    watch->event.data = watch;
    watch->event.log = log;
    watch->event.cancelable = 1;

    ngx_add_timer(&watch->event, watch->reload);
}


void
ngx_http_gate_geo_watch_close(ngx_http_gate_geo_watch_t *watch)
{
    if (watch->event.timer_set) {
        ngx_del_timer(&watch->event);
    }

    if (watch->load) {
        ngx_http_gate_geo_load_close(watch->load);
        ngx_free(watch->load);
        watch->load = NULL;
    }
}


static void
ngx_http_gate_geo_watch_handler(ngx_event_t *ev)
{
    ngx_http_gate_geo_watch_t *watch = ev->data;

    ngx_msec_t  next;

    /* its successors do it */

    if (ngx_exiting) {
        ngx_http_gate_geo_watch_close(watch);
        return;
    }

    if (watch->load == NULL) {
        next = ngx_http_gate_geo_watch_look(watch);

    } else if (ngx_http_gate_geo_load_step(watch->load) == NGX_AGAIN) {
        next = NGX_HTTP_GATE_GEO_PAUSE;

    } else {
        next = ngx_http_gate_geo_watch_done(watch);
    }

    ngx_add_timer(ev, next);
}


static ngx_msec_t
ngx_http_gate_geo_watch_look(ngx_http_gate_geo_watch_t *watch)
{
    ngx_fd_t                  fd;
    ngx_http_gate_geo_mark_t  mark;

    if (ngx_http_gate_geo_store_follow(&watch->store) == NGX_ERROR) {
        ngx_log_error(NGX_LOG_ERR, watch->event.log, ngx_errno,
                      "opening the new geo database \"%V\" failed, "
                      "this worker keeps the old one", &watch->file);
    }

    ngx_http_gate_geo_load_mark(&watch->file, &mark);

    if (ngx_http_gate_geo_watch_same(&mark, &watch->known)) {

        /* the last worker to leave an old file empties it */

        if (ngx_http_gate_geo_store_claim(&watch->store, &fd) == NGX_OK) {
            ngx_http_gate_geo_store_release(&watch->store);
        }

        return watch->reload;
    }

    if (ngx_http_gate_geo_watch_same(&mark, &watch->seen)) {
        return ngx_http_gate_geo_watch_claim(watch);
    }

    /* somebody may be writing */

    watch->seen = mark;

    return ngx_min(watch->reload, NGX_HTTP_GATE_GEO_AGAIN);
}


static ngx_msec_t
ngx_http_gate_geo_watch_claim(ngx_http_gate_geo_watch_t *watch)
{
    ngx_fd_t                     fd;
    ngx_http_gate_geo_shared_t  *shared;

    static const ngx_str_t  failed = ngx_string(ngx_file_info_n " failed");

    if (ngx_http_gate_geo_store_claim(&watch->store, &fd) != NGX_OK) {
        return ngx_min(watch->reload, NGX_HTTP_GATE_GEO_AGAIN);
    }

    if (ngx_http_gate_geo_watch_told(watch)) {
        watch->known = watch->seen;
        ngx_http_gate_geo_store_release(&watch->store);
        return watch->reload;
    }

    if (watch->seen.err == 0) {
        return ngx_http_gate_geo_watch_load(watch, fd);
    }

    shared = watch->store.shared;
    shared->refused = watch->seen;
    watch->known = watch->seen;

    ngx_http_gate_geo_store_release(&watch->store);

    ngx_log_error(NGX_LOG_WARN, watch->event.log, watch->seen.err,
                  ngx_file_info_n " \"%V\" failed, "
                  "the geo database in use stays", &watch->file);

    ngx_http_gate_geo_watch_news(watch, 0, &failed);

    return watch->reload;
}


/* has it been loaded or refused by another worker? */

static ngx_uint_t
ngx_http_gate_geo_watch_told(ngx_http_gate_geo_watch_t *watch)
{
    ngx_http_gate_geo_shared_t  *shared;

    shared = watch->store.shared;

    if (ngx_http_gate_geo_watch_same(&watch->seen, &shared->refused)) {
        return 1;
    }

    if (!ngx_http_gate_geo_watch_same(&watch->seen, &shared->current)) {
        return 0;
    }

    /* it is back; were it lost again, that would be news */

    shared->trouble = 0;
    ngx_memzero(&shared->refused, sizeof(ngx_http_gate_geo_mark_t));

    return 1;
}


static ngx_msec_t
ngx_http_gate_geo_watch_load(ngx_http_gate_geo_watch_t *watch, ngx_fd_t to)
{
    watch->load = ngx_alloc(sizeof(ngx_http_gate_geo_load_t),
                            watch->event.log);
    if (watch->load == NULL) {
        ngx_http_gate_geo_store_release(&watch->store);
        return watch->reload;
    }

    return ngx_http_gate_geo_load_begin(watch->load, &watch->store, to,
                                        &watch->file)
           == NGX_AGAIN
           ? NGX_HTTP_GATE_GEO_PAUSE : ngx_http_gate_geo_watch_done(watch);
}


static ngx_msec_t
ngx_http_gate_geo_watch_done(ngx_http_gate_geo_watch_t *watch)
{
    ngx_msec_t                   next;
    ngx_http_gate_geo_shared_t  *shared;

    static const ngx_str_t  none = ngx_null_string;

    next = watch->reload;
    shared = watch->store.shared;

    switch (watch->load->end) {

    case NGX_HTTP_GATE_GEO_SOUND:
        ngx_log_error(NGX_LOG_NOTICE, watch->event.log, 0,
                      "geo database \"%V\" was reloaded", &watch->file);
        ngx_http_gate_geo_watch_news(watch, 1, &none);

        (void) ngx_http_gate_geo_store_follow(&watch->store);
        break;

    case NGX_HTTP_GATE_GEO_BAD:
        shared->refused = watch->seen;
        watch->known = watch->seen;
        ngx_http_gate_geo_watch_warn(watch);
        break;

    case NGX_HTTP_GATE_GEO_CHANGED:
        ngx_memzero(&watch->seen, sizeof(ngx_http_gate_geo_mark_t));
        next = ngx_min(next, NGX_HTTP_GATE_GEO_AGAIN);
        break;

    default: /* NGX_HTTP_GATE_GEO_TROUBLE */

        if (shared->trouble != watch->load->err) {
            shared->trouble = watch->load->err;
            ngx_http_gate_geo_watch_warn(watch);
        }
    }

    ngx_http_gate_geo_load_close(watch->load);
    ngx_free(watch->load);
    watch->load = NULL;

    return next;
}


static void
ngx_http_gate_geo_watch_warn(ngx_http_gate_geo_watch_t *watch)
{
    u_char     *p, words[NGX_MAX_ERROR_STR];
    ngx_str_t   text;

    p = ngx_http_gate_geo_load_words(watch->load, words,
                                     words + NGX_MAX_ERROR_STR);

    ngx_log_error(NGX_LOG_WARN, watch->event.log, watch->load->err,
                  "%*s, the one in use stays", (size_t) (p - words), words);

    text.data = words;
    text.len = p - words;

    ngx_http_gate_geo_watch_news(watch, 0, &text);
}


static void
ngx_http_gate_geo_watch_news(ngx_http_gate_geo_watch_t *watch,
    ngx_uint_t used, const ngx_str_t *words)
{
    if (watch->news) {
        watch->news(watch->news_data, &watch->file, used, words);
    }
}


static ngx_uint_t
ngx_http_gate_geo_watch_same(const ngx_http_gate_geo_mark_t *one,
    const ngx_http_gate_geo_mark_t *two)
{
    return ngx_memcmp(one, two, sizeof(ngx_http_gate_geo_mark_t)) == 0;
}
