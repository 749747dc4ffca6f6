/*
 * Open, copy, check, publish; each step is small.  The file is read, never
 * mapped: whatever its owner does with it meanwhile is an error of read() or
 * a change that is seen at the end, not a signal.
 */


#include "ngx_http_gate_geo_load.h"


/* the largest file that is copied, bytes */
#define NGX_HTTP_GATE_GEO_MAX_SIZE  ((off_t) 2 * 1024 * 1024 * 1024)

/* copied in one step, bytes */
#define NGX_HTTP_GATE_GEO_PIECE     (256 * 1024)

/* of a check, in one step */
#define NGX_HTTP_GATE_GEO_BUDGET    50000


static ngx_int_t ngx_http_gate_geo_load_open(ngx_http_gate_geo_load_t *load);
static ngx_int_t ngx_http_gate_geo_load_copy(ngx_http_gate_geo_load_t *load);
static void ngx_http_gate_geo_load_ahead(ngx_http_gate_geo_load_t *load);
static ngx_int_t ngx_http_gate_geo_load_copied(
    ngx_http_gate_geo_load_t *load);
static ngx_int_t ngx_http_gate_geo_load_mmdb(ngx_http_gate_geo_load_t *load);
static ngx_int_t ngx_http_gate_geo_load_publish(
    ngx_http_gate_geo_load_t *load);
static ngx_int_t ngx_http_gate_geo_load_bad(ngx_http_gate_geo_load_t *load,
    const char *fault);
static ngx_int_t ngx_http_gate_geo_load_failed(ngx_http_gate_geo_load_t *load,
    const char *call);
static void ngx_http_gate_geo_load_fill(ngx_http_gate_geo_mark_t *mark,
    const ngx_file_info_t *fi);


void
ngx_http_gate_geo_load_mark(ngx_str_t *file, ngx_http_gate_geo_mark_t *mark)
{
    ngx_file_info_t  fi;

    if (ngx_file_info(file->data, &fi) == NGX_FILE_ERROR) {
        ngx_memzero(mark, sizeof(ngx_http_gate_geo_mark_t));
        mark->err = ngx_errno;
        return;
    }

    ngx_http_gate_geo_load_fill(mark, &fi);
}


static void
ngx_http_gate_geo_load_fill(ngx_http_gate_geo_mark_t *mark,
    const ngx_file_info_t *fi)
{
    ngx_memzero(mark, sizeof(ngx_http_gate_geo_mark_t));

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


ngx_int_t
ngx_http_gate_geo_load_begin(ngx_http_gate_geo_load_t *load,
    ngx_http_gate_geo_store_t *store, ngx_fd_t to, ngx_str_t *file)
{
    ngx_memzero(load, offsetof(ngx_http_gate_geo_load_t, mmdb));

    load->file = file;
    load->store = store;
    load->to = to;
    load->end = NGX_HTTP_GATE_GEO_SOUND;
    load->err = 0;
    load->call = NULL;
    load->fault = NULL;

    /* non-blocking: a FIFO must not hang nginx before it is refused */

    load->from = ngx_open_file(file->data,
                               NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                               NGX_FILE_OPEN, 0);
    if (load->from == NGX_INVALID_FILE) {
        return ngx_http_gate_geo_load_failed(load, ngx_open_file_n);
    }

    return ngx_http_gate_geo_load_open(load);
}


static ngx_int_t
ngx_http_gate_geo_load_open(ngx_http_gate_geo_load_t *load)
{
    ngx_file_info_t  fi;

    if (ngx_fd_info(load->from, &fi) == NGX_FILE_ERROR) {
        return ngx_http_gate_geo_load_failed(load, ngx_fd_info_n);
    }

    ngx_http_gate_geo_load_fill(&load->mark, &fi);

    if (!ngx_is_file(&fi)) {
        return ngx_http_gate_geo_load_bad(load, "is not a regular file");
    }

    if (load->mark.size == 0) {
        return ngx_http_gate_geo_load_bad(load, "is empty");
    }

    if (load->mark.size > NGX_HTTP_GATE_GEO_MAX_SIZE) {
        return ngx_http_gate_geo_load_bad(load, "is larger than 2 GiB");
    }

    load->buffer = malloc(NGX_HTTP_GATE_GEO_PIECE);
    if (load->buffer == NULL) {
        return ngx_http_gate_geo_load_failed(load, "malloc()");
    }

    ngx_http_gate_geo_load_ahead(load);

    return NGX_AGAIN;
}


ngx_int_t
ngx_http_gate_geo_load_step(ngx_http_gate_geo_load_t *load)
{
    int  rc;

    if (!load->open) {

        if (ngx_http_gate_geo_load_copy(load) != NGX_OK) {
            return NGX_ERROR;
        }

        return load->done < load->mark.size
               ? NGX_AGAIN : ngx_http_gate_geo_load_copied(load);
    }

    rc = gate_mmdb_check(&load->check, NGX_HTTP_GATE_GEO_BUDGET);

    if (rc == GATE_MMDB_AGAIN) {
        return NGX_AGAIN;
    }

    return rc == GATE_MMDB_OK
           ? ngx_http_gate_geo_load_publish(load)
           : ngx_http_gate_geo_load_bad(load, gate_mmdb_fault(rc));
}


static ngx_int_t
ngx_http_gate_geo_load_copy(ngx_http_gate_geo_load_t *load)
{
    size_t   size;
    ssize_t  n, written, part;

    size = ngx_min(load->mark.size - load->done, NGX_HTTP_GATE_GEO_PIECE);

    n = pread(load->from, load->buffer, size, load->done);

    if (n == -1) {
        return ngx_errno == NGX_EINTR
               ? NGX_OK : ngx_http_gate_geo_load_failed(load, "pread()");
    }

    if (n == 0) {
        load->end = NGX_HTTP_GATE_GEO_CHANGED;
        load->fault = "was truncated while it was read";
        return NGX_ERROR;
    }

    for (written = 0; written < n; written += part) {
        part = pwrite(load->to, load->buffer + written, n - written,
                      load->done + written);

        if (part == -1 && ngx_errno == NGX_EINTR) {
            part = 0;
            continue;
        }

        if (part == -1) {
            return ngx_http_gate_geo_load_failed(load, "pwrite()");
        }
    }

    load->done += n;
    ngx_http_gate_geo_load_ahead(load);

    return NGX_OK;
}


/* the system may read the next pieces from disk, until we come again */

static void
ngx_http_gate_geo_load_ahead(ngx_http_gate_geo_load_t *load)
{
#if (NGX_HAVE_POSIX_FADVISE)
    (void) posix_fadvise(load->from, load->done, 2 * NGX_HTTP_GATE_GEO_PIECE,
                         POSIX_FADV_WILLNEED);
#endif
}


static ngx_int_t
ngx_http_gate_geo_load_copied(ngx_http_gate_geo_load_t *load)
{
    ngx_file_info_t            fi;
    ngx_http_gate_geo_mark_t   mark;

    if (ngx_fd_info(load->from, &fi) == NGX_FILE_ERROR) {
        return ngx_http_gate_geo_load_failed(load, ngx_fd_info_n);
    }

    ngx_http_gate_geo_load_fill(&mark, &fi);

    /* the time of an inode's change may be that of its old name's end */

    mark.changed = load->mark.changed;
    mark.changed_ns = load->mark.changed_ns;

    if (ngx_memcmp(&mark, &load->mark, sizeof(ngx_http_gate_geo_mark_t))
        != 0)
    {
        load->end = NGX_HTTP_GATE_GEO_CHANGED;
        load->fault = "was changed while it was read";
        return NGX_ERROR;
    }

    return ngx_http_gate_geo_load_mmdb(load);
}


static ngx_int_t
ngx_http_gate_geo_load_mmdb(ngx_http_gate_geo_load_t *load)
{
    int     rc;
    void   *map;

    map = mmap(NULL, load->mark.size, PROT_READ, MAP_SHARED, load->to, 0);

    if (map == MAP_FAILED) {
        return ngx_http_gate_geo_load_failed(load, "mmap()");
    }

    rc = gate_mmdb_metadata(map, load->mark.size);

    (void) munmap(map, load->mark.size);

    if (rc == GATE_MMDB_OK) {
        rc = gate_mmdb_open(&load->mmdb, load->to);
        load->open = (rc == GATE_MMDB_OK);
    }

    if (rc == GATE_MMDB_FAILED) {
        return ngx_http_gate_geo_load_failed(load, "MMDB_open()");
    }

    if (rc == GATE_MMDB_OK) {
        rc = gate_mmdb_check_init(&load->check, &load->mmdb,
                                  load->store->shared->fields);
    }

    return rc == GATE_MMDB_OK
           ? NGX_AGAIN
           : ngx_http_gate_geo_load_bad(load, gate_mmdb_fault(rc));
}


/* an update that knows less is no update: with it, all would be unknown */

static ngx_int_t
ngx_http_gate_geo_load_publish(ngx_http_gate_geo_load_t *load)
{
    ngx_http_gate_geo_shared_t  *shared;

    shared = load->store->shared;

    if (shared->fields & ~load->check.fields) {
        return ngx_http_gate_geo_load_bad(load,
                                   "has not the fields that the old one has");
    }

    shared->fields = load->check.fields;
    shared->current = load->mark;
    shared->trouble = 0;
    ngx_memzero(&shared->refused, sizeof(ngx_http_gate_geo_mark_t));

    ngx_http_gate_geo_store_publish(load->store);

    load->store = NULL;
    load->end = NGX_HTTP_GATE_GEO_SOUND;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_geo_load_bad(ngx_http_gate_geo_load_t *load, const char *fault)
{
    load->end = NGX_HTTP_GATE_GEO_BAD;
    load->fault = fault;

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_gate_geo_load_failed(ngx_http_gate_geo_load_t *load,
    const char *call)
{
    load->end = NGX_HTTP_GATE_GEO_TROUBLE;
    load->err = ngx_errno;
    load->call = call;

    return NGX_ERROR;
}


void
ngx_http_gate_geo_load_close(ngx_http_gate_geo_load_t *load)
{
    if (load->open) {
        MMDB_close(&load->mmdb);
    }

    if (load->from != NGX_INVALID_FILE) {
        (void) ngx_close_file(load->from);
    }

    if (load->store) {
        ngx_http_gate_geo_store_release(load->store);
    }

    free(load->buffer);
}


u_char *
ngx_http_gate_geo_load_words(ngx_http_gate_geo_load_t *load, u_char *p,
    u_char *last)
{
    return load->call
           ? ngx_slprintf(p, last, "%s \"%V\" failed", load->call, load->file)
           : ngx_slprintf(p, last, "geo database \"%V\" %s", load->file,
                          load->fault);
}
