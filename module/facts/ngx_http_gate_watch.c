/*
 * A timer, and a look each time it fires.  The file is read, never mapped:
 * whatever its owner does with it meanwhile is an error of read() or a change
 * that is seen at the end, not a signal.
 */


#include "ngx_http_gate_watch.h"


/* between two looks, ms; a change is in use after two, and its reading */
#define NGX_HTTP_GATE_WATCH_AGAIN  200


static void ngx_http_gate_watch_cleanup(void *data);
#if (NGX_THREADS)
static ngx_int_t ngx_http_gate_watch_threads(ngx_conf_t *cf,
    ngx_http_gate_watch_t *watch);
#endif
static void ngx_http_gate_watch_timer_handler(ngx_event_t *ev);
static void ngx_http_gate_watch_done_handler(ngx_event_t *ev);
static void ngx_http_gate_watch_use(ngx_http_gate_watch_t *watch);
static void ngx_http_gate_watch_tell(ngx_http_gate_watch_t *watch,
    ngx_uint_t used, u_char *words, size_t len);
static void ngx_http_gate_watch_refuse(ngx_http_gate_watch_t *watch);
static u_char *ngx_http_gate_watch_words(ngx_http_gate_watch_look_t *look,
    u_char *p, u_char *last);

static void ngx_http_gate_watch_look_handler(void *data, ngx_log_t *log);
static void ngx_http_gate_watch_look(ngx_http_gate_watch_look_t *look);
static void ngx_http_gate_watch_open(ngx_http_gate_watch_look_t *look);
static void ngx_http_gate_watch_read(ngx_http_gate_watch_look_t *look,
    ngx_fd_t fd, u_char *text);
static void ngx_http_gate_watch_mark(ngx_http_gate_watch_mark_t *mark,
    const ngx_file_info_t *fi);
static ngx_uint_t ngx_http_gate_watch_same(
    const ngx_http_gate_watch_mark_t *one,
    const ngx_http_gate_watch_mark_t *two);
static void ngx_http_gate_watch_failed(ngx_http_gate_watch_look_t *look,
    const char *call);
static void ngx_http_gate_watch_bad(ngx_http_gate_watch_look_t *look,
    const char *fault);


#if (NGX_THREADS)
extern ngx_module_t  ngx_thread_pool_module;
#endif


ngx_http_gate_watch_t *
ngx_http_gate_watch_add(ngx_conf_t *cf, ngx_array_t *watches, ngx_str_t *file,
    const ngx_http_gate_watch_kind_t *kind, void *data)
{
    ngx_uint_t               i;
    ngx_pool_cleanup_t      *cln;
    ngx_http_gate_watch_t   *watch, **wp;

    if (ngx_conf_full_name(cf->cycle, file, 1) != NGX_OK) {
        return NULL;
    }

    wp = watches->elts;

    for (i = 0; i < watches->nelts; i++) {
        if (wp[i]->kind == kind
            && wp[i]->file.len == file->len
            && ngx_memcmp(wp[i]->file.data, file->data, file->len) == 0)
        {
            return wp[i];
        }
    }

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_http_gate_watch_t));
    wp = ngx_array_push(watches);

    if (cln == NULL || wp == NULL) {
        return NULL;
    }

    watch = cln->data;
    *wp = watch;

    ngx_memzero(watch, sizeof(ngx_http_gate_watch_t));

    watch->file = *file;
    watch->kind = kind;
    watch->data = data;
    watch->look.watch = watch;

    cln->handler = ngx_http_gate_watch_cleanup;

#if (NGX_THREADS)

    if (ngx_http_gate_watch_threads(cf, watch) != NGX_OK) {
        return NULL;
    }

#endif

    return watch;
}


static void
ngx_http_gate_watch_cleanup(void *data)
{
    ngx_http_gate_watch_t *watch = data;

    if (watch->event.timer_set) {
        ngx_del_timer(&watch->event);
    }

    if (watch->thing) {
        watch->kind->drop(watch->thing);
        watch->thing = NULL;
    }
}


#if (NGX_THREADS)

/*
 * One thread for all files, as if nginx.conf had said so: the pool "default"
 * would have 32 of them in each worker.
 */

static ngx_int_t
ngx_http_gate_watch_threads(ngx_conf_t *cf, ngx_http_gate_watch_t *watch)
{
    char           *rv;
    ngx_array_t     args, *saved;
    ngx_command_t  *cmd;

    static ngx_str_t  words[] = {
        ngx_string("thread_pool"),
        ngx_string("gate"),
        ngx_string("threads=1")
    };

    watch->threads = ngx_thread_pool_get(cf->cycle, &words[1]);

    if (watch->threads == NULL) {
        ngx_memzero(&args, sizeof(ngx_array_t));

        args.elts = words;
        args.nelts = sizeof(words) / sizeof(ngx_str_t);

        saved = cf->args;
        cf->args = &args;

        cmd = ngx_thread_pool_module.commands;
        rv = cmd->set(cf, cmd, ngx_get_conf(cf->cycle->conf_ctx,
                                            ngx_thread_pool_module));
        cf->args = saved;

        watch->threads = ngx_thread_pool_get(cf->cycle, &words[1]);

        if (rv != NGX_CONF_OK || watch->threads == NULL) {
            return NGX_ERROR;
        }
    }

    watch->task = ngx_thread_task_alloc(cf->pool, sizeof(void *));
    if (watch->task == NULL) {
        return NGX_ERROR;
    }

    *(ngx_http_gate_watch_look_t **) watch->task->ctx = &watch->look;

    watch->task->handler = ngx_http_gate_watch_look_handler;
    watch->task->event.handler = ngx_http_gate_watch_done_handler;
    watch->task->event.data = watch;

    return NGX_OK;
}

#endif


ngx_int_t
ngx_http_gate_watch_load(ngx_http_gate_watch_t *watch, u_char **p,
    u_char *last, ngx_err_t *err)
{
    ngx_http_gate_watch_look_t  *look;

    if (watch->thing) {
        return NGX_OK;
    }

    look = &watch->look;

    ngx_http_gate_watch_open(look);

    if (look->thing == NULL) {
        *p = ngx_http_gate_watch_words(look, *p, last);
        *err = look->err;
        return NGX_ERROR;
    }

    watch->thing = look->thing;
    watch->generation = 1;
    watch->read = ngx_time();

    look->thing = NULL;
    look->known = look->seen;

    return NGX_OK;
}


void
ngx_http_gate_watch_start(ngx_http_gate_watch_t *watch, ngx_cycle_t *cycle)
{
    watch->event.handler = ngx_http_gate_watch_timer_handler;
    watch->event.data = watch;
    watch->event.log = cycle->log;
    watch->event.cancelable = 1;

    ngx_add_timer(&watch->event, NGX_HTTP_GATE_WATCH_AGAIN);
}


static void
ngx_http_gate_watch_timer_handler(ngx_event_t *ev)
{
    ngx_http_gate_watch_t *watch = ev->data;

#if (NGX_THREADS)

    if (ngx_thread_task_post(watch->threads, watch->task) != NGX_OK) {
        ngx_add_timer(ev, NGX_HTTP_GATE_WATCH_AGAIN);
    }

#else

    ngx_http_gate_watch_look(&watch->look);
    ngx_http_gate_watch_done_handler(ev);

#endif
}


static void
ngx_http_gate_watch_done_handler(ngx_event_t *ev)
{
    ngx_http_gate_watch_t *watch = ev->data;

    if (watch->look.thing) {
        ngx_http_gate_watch_use(watch);

    } else if (watch->look.call || watch->look.fault[0]) {
        ngx_http_gate_watch_refuse(watch);
    }

    ngx_add_timer(&watch->event, NGX_HTTP_GATE_WATCH_AGAIN);
}


static void
ngx_http_gate_watch_use(ngx_http_gate_watch_t *watch)
{
    if (watch->thing) {
        watch->kind->drop(watch->thing);
    }

    watch->thing = watch->look.thing;
    watch->generation++;
    watch->read = ngx_time();
    watch->trouble = 0;
    watch->look.thing = NULL;

    /* all workers do it, one says so */

    if (ngx_worker == 0) {
        ngx_log_error(NGX_LOG_NOTICE, watch->event.log, 0,
                      "gate: %s \"%V\" was reloaded", watch->kind->what,
                      &watch->file);

        ngx_http_gate_watch_tell(watch, 1, NULL, 0);
    }
}


static void
ngx_http_gate_watch_tell(ngx_http_gate_watch_t *watch, ngx_uint_t used,
    u_char *words, size_t len)
{
    ngx_str_t  text;

    text.data = words;
    text.len = len;

    if (watch->news && ngx_worker == 0) {
        watch->news(watch->news_data, &watch->file, used, &text);
    }
}


static void
ngx_http_gate_watch_refuse(ngx_http_gate_watch_t *watch)
{
    u_char                      *p, words[NGX_MAX_ERROR_STR];
    ngx_uint_t                   told;
    ngx_http_gate_watch_look_t  *look;

    look = &watch->look;

    /* what failed is tried again, and what is wrong with a file is not */

    told = look->call ? watch->trouble == look->err : ngx_worker != 0;

    if (look->call) {
        watch->trouble = look->err;
    }

    if (!told) {
        p = ngx_http_gate_watch_words(look, words, words + NGX_MAX_ERROR_STR);

        ngx_log_error(NGX_LOG_ERR, watch->event.log, look->err,
                      "gate: %*s, the one in use stays",
                      (size_t) (p - words), words);

        ngx_http_gate_watch_tell(watch, 0, words, p - words);
    }
}


static u_char *
ngx_http_gate_watch_words(ngx_http_gate_watch_look_t *look, u_char *p,
    u_char *last)
{
    ngx_http_gate_watch_t  *watch;

    watch = look->watch;

    return look->call
           ? ngx_slprintf(p, last, "%s \"%V\" failed", look->call,
                          &watch->file)
           : ngx_slprintf(p, last, "%s \"%V\" %s", watch->kind->what,
                          &watch->file, look->fault);
}


/* from here on: by the thread */

static void
ngx_http_gate_watch_look_handler(void *data, ngx_log_t *log)
{
    ngx_http_gate_watch_look_t **look = data;

    (void) log;

    ngx_http_gate_watch_look(*look);
}


static void
ngx_http_gate_watch_look(ngx_http_gate_watch_look_t *look)
{
    ngx_file_info_t              fi;
    ngx_http_gate_watch_mark_t   mark;

    look->call = NULL;
    look->err = 0;
    look->fault[0] = '\0';

    if (ngx_file_info(look->watch->file.data, &fi) == NGX_FILE_ERROR
        || access((char *) look->watch->file.data, R_OK) == -1)
    {
        ngx_memzero(&mark, sizeof(ngx_http_gate_watch_mark_t));
        mark.err = ngx_errno;

    } else {
        ngx_http_gate_watch_mark(&mark, &fi);
    }

    if (ngx_http_gate_watch_same(&mark, &look->known)) {
        look->seen = mark;
        return;
    }

    if (!ngx_http_gate_watch_same(&mark, &look->seen)) {

        /* somebody may be writing */

        look->seen = mark;
        return;
    }

    if (mark.err) {
        look->known = mark;
        look->err = mark.err;
        ngx_http_gate_watch_bad(look, "cannot be read");
        return;
    }

    ngx_http_gate_watch_open(look);

    if (look->changing) {
        look->fault[0] = '\0';
        return;
    }

    if (look->call == NULL) {
        look->known = look->seen;
    }
}


static void
ngx_http_gate_watch_open(ngx_http_gate_watch_look_t *look)
{
    u_char           *text;
    ngx_fd_t          fd;
    ngx_file_info_t   fi;

    look->changing = 0;

    /* non-blocking: a FIFO must not hang nginx before it is refused */

    fd = ngx_open_file(look->watch->file.data,
                       NGX_FILE_RDONLY|NGX_FILE_NONBLOCK, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_http_gate_watch_failed(look, ngx_open_file_n);
        return;
    }

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        ngx_http_gate_watch_failed(look, ngx_fd_info_n);
        goto close;
    }

    ngx_http_gate_watch_mark(&look->seen, &fi);

    if (!ngx_is_file(&fi)) {
        ngx_http_gate_watch_bad(look, "is not a regular file");
        goto close;
    }

    if (look->seen.size > look->watch->kind->max) {
        ngx_http_gate_watch_bad(look, "is too large");
        goto close;
    }

    text = malloc(look->seen.size + 1);

    if (text == NULL) {
        ngx_http_gate_watch_failed(look, "reading");
        goto close;
    }

    ngx_http_gate_watch_read(look, fd, text);

    free(text);

close:

    (void) ngx_close_file(fd);
}


static void
ngx_http_gate_watch_read(ngx_http_gate_watch_look_t *look, ngx_fd_t fd,
    u_char *text)
{
    off_t                        done;
    ssize_t                      n;
    ngx_file_info_t              fi;
    ngx_http_gate_watch_t       *watch;
    ngx_http_gate_watch_mark_t   mark;

    watch = look->watch;

    for (done = 0; done < look->seen.size; done += n) {
        n = ngx_read_fd(fd, text + done, look->seen.size - done);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            n = 0;
            continue;
        }

        if (n == -1) {
            ngx_http_gate_watch_failed(look, ngx_read_fd_n);
            return;
        }

        if (n == 0) {
            break;
        }
    }

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        ngx_http_gate_watch_failed(look, ngx_fd_info_n);
        return;
    }

    ngx_http_gate_watch_mark(&mark, &fi);

    /* the time of an inode's change may be that of its old name's end */

    mark.changed = look->seen.changed;
    mark.changed_ns = look->seen.changed_ns;

    if (done < look->seen.size
        || !ngx_http_gate_watch_same(&mark, &look->seen))
    {
        look->changing = 1;
        ngx_http_gate_watch_bad(look, "was changed while it was read");
        return;
    }

    look->thing = watch->kind->make(watch->data, watch->thing, text,
                                    (size_t) done, look->fault);
}


static void
ngx_http_gate_watch_mark(ngx_http_gate_watch_mark_t *mark,
    const ngx_file_info_t *fi)
{
    ngx_memzero(mark, sizeof(ngx_http_gate_watch_mark_t));

    mark->dev = fi->st_dev;
    mark->ino = fi->st_ino;
    mark->size = fi->st_size;
    mark->modified = fi->st_mtime;
    mark->changed = fi->st_ctime;

#if !(NGX_DARWIN)
    mark->modified_ns = fi->st_mtim.tv_nsec;
    mark->changed_ns = fi->st_ctim.tv_nsec;
#endif
}


static ngx_uint_t
ngx_http_gate_watch_same(const ngx_http_gate_watch_mark_t *one,
    const ngx_http_gate_watch_mark_t *two)
{
    return ngx_memcmp(one, two, sizeof(ngx_http_gate_watch_mark_t)) == 0;
}


static void
ngx_http_gate_watch_failed(ngx_http_gate_watch_look_t *look, const char *call)
{
    look->call = call;
    look->err = ngx_errno;
}


static void
ngx_http_gate_watch_bad(ngx_http_gate_watch_look_t *look, const char *fault)
{
    (void) snprintf(look->fault, NGX_HTTP_GATE_WATCH_FAULT, "%s", fault);
}
