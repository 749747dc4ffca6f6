/*
 * Two files, a page that all processes share, and locks.  The page says which
 * file is in use; it changes only under a write lock of the other one, and
 * who took a lock looks again whether that is still the other one.
 */


#include "ngx_http_gate_geo_store.h"


static ngx_fd_t ngx_http_gate_geo_store_private(ngx_log_t *log);
static ngx_int_t ngx_http_gate_geo_store_open(
    ngx_http_gate_geo_store_t *store, ngx_uint_t generation);
static ngx_int_t ngx_http_gate_geo_store_lock(
    ngx_http_gate_geo_store_t *store, ngx_uint_t generation, ngx_int_t type);


ngx_int_t
ngx_http_gate_geo_store_create(ngx_http_gate_geo_store_t *store,
    ngx_log_t *log)
{
    ngx_uint_t  i;

    store->fd[0] = NGX_INVALID_FILE;
    store->fd[1] = NGX_INVALID_FILE;
    store->locks = NGX_INVALID_FILE;
    store->generation = 0;

    store->shared = mmap(NULL, sizeof(ngx_http_gate_geo_shared_t),
                         PROT_READ|PROT_WRITE, MAP_ANON|MAP_SHARED, -1, 0);

    if (store->shared == MAP_FAILED) {
        store->shared = NULL;
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno, "mmap() failed");
        return NGX_ERROR;
    }

    for (i = 0; i < 2; i++) {
        store->fd[i] = ngx_http_gate_geo_store_private(log);

        if (store->fd[i] == NGX_INVALID_FILE) {
            return NGX_ERROR;
        }
    }

    store->locks = ngx_http_gate_geo_store_private(log);

    return store->locks == NGX_INVALID_FILE ? NGX_ERROR : NGX_OK;
}


/* an empty file that no other process can name */

static ngx_fd_t
ngx_http_gate_geo_store_private(ngx_log_t *log)
{
    ngx_fd_t  fd;
    char      name[] = "/tmp/nginx_gate_geo_XXXXXX";

#ifdef MFD_CLOEXEC

    fd = memfd_create("nginx_gate_geo", MFD_CLOEXEC);
    if (fd != NGX_INVALID_FILE) {
        return fd;
    }

#endif

    fd = mkstemp(name);
    if (fd == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                      "mkstemp(\"%s\") failed", name);
        return NGX_INVALID_FILE;
    }

    if (ngx_delete_file(name) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_WARN, log, ngx_errno,
                      ngx_delete_file_n " \"%s\" failed", name);
    }

    if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1) {
        ngx_log_error(NGX_LOG_WARN, log, ngx_errno,
                      "fcntl(FD_CLOEXEC) failed");
    }

    /* workers, which are another user, open it anew */

    if (fchmod(fd, 0444) == -1) {
        ngx_log_error(NGX_LOG_WARN, log, ngx_errno, "fchmod() failed");
    }

    return fd;
}


void
ngx_http_gate_geo_store_close(ngx_http_gate_geo_store_t *store)
{
    ngx_uint_t  i;

    if (store->generation) {
        MMDB_close(&store->mmdb);
        store->generation = 0;
    }

    for (i = 0; i < 2; i++) {
        if (store->fd[i] != NGX_INVALID_FILE) {
            (void) ngx_close_file(store->fd[i]);
            store->fd[i] = NGX_INVALID_FILE;
        }
    }

    if (store->locks != NGX_INVALID_FILE) {
        (void) ngx_close_file(store->locks);
        store->locks = NGX_INVALID_FILE;
    }

    if (store->shared) {
        (void) munmap(store->shared, sizeof(ngx_http_gate_geo_shared_t));
        store->shared = NULL;
    }
}


ngx_int_t
ngx_http_gate_geo_store_follow(ngx_http_gate_geo_store_t *store)
{
    ngx_int_t   rc;
    ngx_uint_t  generation;

    generation = store->shared->generation;

    if (generation == store->generation) {
        return NGX_DECLINED;
    }

    /* not the file that is open: as that is locked, nobody published it */

    rc = ngx_http_gate_geo_store_lock(store, generation, F_RDLCK);

    if (rc != NGX_OK) {
        return rc;
    }

    if (store->shared->generation != generation) {
        (void) ngx_http_gate_geo_store_lock(store, generation, F_UNLCK);
        return NGX_BUSY;
    }

    rc = ngx_http_gate_geo_store_open(store, generation);

    if (rc != NGX_OK) {
        (void) ngx_http_gate_geo_store_lock(store, generation, F_UNLCK);
    }

    return rc;
}


static ngx_int_t
ngx_http_gate_geo_store_open(ngx_http_gate_geo_store_t *store,
    ngx_uint_t generation)
{
    MMDB_s  mmdb;

    /* it could be opened when it was loaded: a failure is one of ours */

    if (gate_mmdb_open(&mmdb, store->fd[generation & 1]) != GATE_MMDB_OK) {
        return NGX_ERROR;
    }

    if (store->generation) {
        MMDB_close(&store->mmdb);
        (void) ngx_http_gate_geo_store_lock(store, store->generation,
                                            F_UNLCK);
    }

    store->mmdb = mmdb;
    store->generation = generation;

    return NGX_OK;
}


ngx_int_t
ngx_http_gate_geo_store_claim(ngx_http_gate_geo_store_t *store, ngx_fd_t *fd)
{
    ngx_int_t         rc;
    ngx_uint_t        generation;
    ngx_file_info_t   fi;

    generation = store->shared->generation;

    /* a lock of one's own is no obstacle: never claim what oneself reads */

    if (store->generation && store->generation != generation) {
        return NGX_BUSY;
    }

    *fd = store->fd[(generation + 1) & 1];

    rc = ngx_http_gate_geo_store_lock(store, generation + 1, F_WRLCK);

    if (rc != NGX_OK) {
        return rc;
    }

    if (store->shared->generation != generation) {
        (void) ngx_http_gate_geo_store_lock(store, generation + 1, F_UNLCK);
        return NGX_BUSY;
    }

    /* what was in use before is given back to the system */

    if (ngx_fd_info(*fd, &fi) == NGX_FILE_ERROR
        || (ngx_file_size(&fi) && ftruncate(*fd, 0) == -1))
    {
        ngx_http_gate_geo_store_release(store);
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_http_gate_geo_store_publish(ngx_http_gate_geo_store_t *store)
{
    ngx_uint_t  generation;

    generation = store->shared->generation + 1;

    /* may be read, and not be claimed, before it is said to be in use */

    (void) ngx_http_gate_geo_store_lock(store, generation, F_RDLCK);

    ngx_memory_barrier();
    store->shared->generation = generation;

    (void) ngx_http_gate_geo_store_lock(store, generation, F_UNLCK);
}


void
ngx_http_gate_geo_store_release(ngx_http_gate_geo_store_t *store)
{
    ngx_uint_t  generation;

    generation = store->shared->generation;

    (void) ngx_http_gate_geo_store_lock(store, generation + 1, F_UNLCK);
}


static ngx_int_t
ngx_http_gate_geo_store_lock(ngx_http_gate_geo_store_t *store,
    ngx_uint_t generation, ngx_int_t type)
{
    struct flock  lock;

    ngx_memzero(&lock, sizeof(struct flock));

    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = generation & 1;
    lock.l_len = 1;

    while (fcntl(store->locks, F_SETLK, &lock) == -1) {

        if (ngx_errno == NGX_EAGAIN || ngx_errno == NGX_EACCES) {
            return NGX_BUSY;
        }

        if (ngx_errno != NGX_EINTR) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
