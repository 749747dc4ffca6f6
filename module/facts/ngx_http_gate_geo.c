/*
 * Opens MaxMind databases and looks up countries in them; the only file
 * that knows libmaxminddb.  Decides nothing and caches nothing.
 *
 * The library maps its file, and a mapped file that somebody truncates
 * kills the worker that reads it (SIGBUS).  So what is mapped is a private
 * copy, in memory where the system can do that, which nobody can reach.  It
 * is made before the workers are forked and shared by all of them.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <maxminddb.h>
#include "ngx_http_gate_geo.h"


/* the largest file that is copied, bytes */
#define NGX_HTTP_GATE_GEO_MAX_SIZE   ((off_t) 2 * 1024 * 1024 * 1024)

/* nodes of the tree that are searched for a first country */
#define NGX_HTTP_GATE_GEO_MAX_TRIAL  (1024 * 1024)

#define NGX_HTTP_GATE_GEO_BUFFER     16384


typedef struct ngx_http_gate_geo_database_s  ngx_http_gate_geo_database_t;

struct ngx_http_gate_geo_database_s {
    MMDB_s                         mmdb;
    ngx_str_t                      file;
    ngx_http_gate_geo_database_t  *next;
};


struct ngx_http_gate_geo_s {
    ngx_http_gate_geo_database_t  *databases;
};


static void ngx_http_gate_geo_close(void *data);
static ngx_fd_t ngx_http_gate_geo_copy(ngx_conf_t *cf, ngx_str_t *file);
static ngx_int_t ngx_http_gate_geo_check_file(ngx_conf_t *cf,
    ngx_str_t *file, ngx_fd_t fd, off_t *size);
static ngx_fd_t ngx_http_gate_geo_private(ngx_conf_t *cf);
static ngx_int_t ngx_http_gate_geo_fill(ngx_conf_t *cf, ngx_str_t *file,
    ngx_fd_t from, ngx_fd_t to, off_t size);
static ngx_int_t ngx_http_gate_geo_write(ngx_fd_t fd, u_char *buf,
    size_t size);
static void ngx_http_gate_geo_seal(ngx_fd_t fd);
static ngx_int_t ngx_http_gate_geo_map(ngx_conf_t *cf, ngx_str_t *file,
    ngx_fd_t fd, MMDB_s *mmdb);
static const char *ngx_http_gate_geo_check(const MMDB_s *mmdb);
static ngx_int_t ngx_http_gate_geo_lookup(const MMDB_s *mmdb,
    const struct sockaddr *sa, u_char country[2]);
static ngx_int_t ngx_http_gate_geo_read(MMDB_entry_s *entry,
    u_char country[2]);


static const char  *ngx_http_gate_geo_path[] = {
    "country", "iso_code", NULL
};


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


char *
ngx_http_gate_geo_open(ngx_conf_t *cf, ngx_http_gate_geo_t *geo,
    ngx_str_t *file)
{
    ngx_fd_t                        fd;
    ngx_int_t                       rc;
    ngx_http_gate_geo_database_t   *db, **last;

    if (ngx_conf_full_name(cf->cycle, file, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    for (last = &geo->databases; *last; last = &(*last)->next) {
        db = *last;

        if (db->file.len == file->len
            && ngx_memcmp(db->file.data, file->data, file->len) == 0)
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

    db->file = *file;

    fd = ngx_http_gate_geo_copy(cf, file);
    if (fd == NGX_INVALID_FILE) {
        return NGX_CONF_ERROR;
    }

    rc = ngx_http_gate_geo_map(cf, file, fd, &db->mmdb);

    /* the mapping keeps the copy */
    (void) ngx_close_file(fd);

    if (rc != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    *last = db;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_gate_geo_country(const ngx_http_gate_geo_t *geo,
    const struct sockaddr *sa, u_char country[2])
{
    const ngx_http_gate_geo_database_t  *db;
#if (NGX_HAVE_INET6)
    struct sockaddr_in                   sin;
    const struct sockaddr_in6           *sin6;
#endif

    switch (sa->sa_family) {

    case AF_INET:
        break;

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (const struct sockaddr_in6 *) sa;

        if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
            ngx_memzero(&sin, sizeof(struct sockaddr_in));
            sin.sin_family = AF_INET;
            ngx_memcpy(&sin.sin_addr, &sin6->sin6_addr.s6_addr[12], 4);
            sa = (const struct sockaddr *) &sin;
        }

        break;
#endif

    default:
        return NGX_DECLINED;
    }

    for (db = geo->databases; db; db = db->next) {
        if (ngx_http_gate_geo_lookup(&db->mmdb, sa, country) == NGX_OK) {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static void
ngx_http_gate_geo_close(void *data)
{
    ngx_http_gate_geo_t  *geo = data;

    ngx_http_gate_geo_database_t  *db;

    for (db = geo->databases; db; db = db->next) {
        MMDB_close(&db->mmdb);
    }
}


static ngx_fd_t
ngx_http_gate_geo_copy(ngx_conf_t *cf, ngx_str_t *file)
{
    off_t     size;
    ngx_fd_t  from, to;

    /* non-blocking: a FIFO must not hang nginx before it is refused */

    from = ngx_open_file(file->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                         NGX_FILE_OPEN, 0);
    if (from == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed", file);
        return NGX_INVALID_FILE;
    }

    to = NGX_INVALID_FILE;

    if (ngx_http_gate_geo_check_file(cf, file, from, &size) == NGX_OK) {
        to = ngx_http_gate_geo_private(cf);
    }

    if (to != NGX_INVALID_FILE
        && ngx_http_gate_geo_fill(cf, file, from, to, size) != NGX_OK)
    {
        (void) ngx_close_file(to);
        to = NGX_INVALID_FILE;
    }

    (void) ngx_close_file(from);

    if (to != NGX_INVALID_FILE) {
        ngx_http_gate_geo_seal(to);
    }

    return to;
}


static ngx_int_t
ngx_http_gate_geo_check_file(ngx_conf_t *cf, ngx_str_t *file, ngx_fd_t fd,
    off_t *size)
{
    ngx_file_info_t  fi;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_fd_info_n " \"%V\" failed", file);
        return NGX_ERROR;
    }

    if (!ngx_is_file(&fi)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "geo database \"%V\" is not a regular file", file);
        return NGX_ERROR;
    }

    *size = ngx_file_size(&fi);

    if (*size == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "geo database \"%V\" is empty", file);
        return NGX_ERROR;
    }

    if (*size > NGX_HTTP_GATE_GEO_MAX_SIZE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "geo database \"%V\" is larger than 2 GiB", file);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* an empty file that no other process can name */

static ngx_fd_t
ngx_http_gate_geo_private(ngx_conf_t *cf)
{
    ngx_fd_t  fd;
    char      name[] = "/tmp/nginx_gate_geo_XXXXXX";

#ifdef MFD_ALLOW_SEALING

    fd = memfd_create("nginx_gate_geo", MFD_CLOEXEC|MFD_ALLOW_SEALING);
    if (fd != NGX_INVALID_FILE) {
        return fd;
    }

#endif

    fd = mkstemp(name);
    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "mkstemp(\"%s\") failed", name);
        return NGX_INVALID_FILE;
    }

    if (ngx_delete_file(name) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, ngx_errno,
                           ngx_delete_file_n " \"%s\" failed", name);
    }

    return fd;
}


static ngx_int_t
ngx_http_gate_geo_fill(ngx_conf_t *cf, ngx_str_t *file, ngx_fd_t from,
    ngx_fd_t to, off_t size)
{
    off_t    rest;
    ssize_t  n;
    u_char   buf[NGX_HTTP_GATE_GEO_BUFFER];

    for (rest = size; rest > 0; rest -= n) {
        n = read(from, buf, ngx_min(rest, (off_t) sizeof(buf)));

        if (n == -1 && ngx_errno == NGX_EINTR) {
            n = 0;
            continue;
        }

        if (n == -1) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                               ngx_read_fd_n " \"%V\" failed", file);
            return NGX_ERROR;
        }

        if (n == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "geo database \"%V\" was truncated "
                               "while it was read", file);
            return NGX_ERROR;
        }

        if (ngx_http_gate_geo_write(to, buf, n) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                               "copying geo database \"%V\" failed", file);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_geo_write(ngx_fd_t fd, u_char *buf, size_t size)
{
    ssize_t  n;

    while (size) {
        n = ngx_write_fd(fd, buf, size);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            continue;
        }

        if (n == -1) {
            return NGX_ERROR;
        }

        buf += n;
        size -= n;
    }

    return NGX_OK;
}


static void
ngx_http_gate_geo_seal(ngx_fd_t fd)
{
#ifdef F_ADD_SEALS

    /* a belt: what cannot be sealed cannot be reached by others either */

    (void) fcntl(fd, F_ADD_SEALS,
                 F_SEAL_SHRINK|F_SEAL_GROW|F_SEAL_WRITE|F_SEAL_SEAL);

#endif
}


static ngx_int_t
ngx_http_gate_geo_map(ngx_conf_t *cf, ngx_str_t *file, ngx_fd_t fd,
    MMDB_s *mmdb)
{
    int          rc;
    ngx_err_t    err;
    const char  *fault;
    u_char       name[sizeof("/proc/self/fd/") + NGX_INT_T_LEN];

    (void) ngx_sprintf(name, "/proc/self/fd/%d%Z", fd);

    rc = MMDB_open((char *) name, MMDB_MODE_MMAP, mmdb);

    if (rc != MMDB_SUCCESS) {
        err = (rc == MMDB_FILE_OPEN_ERROR || rc == MMDB_IO_ERROR) ? ngx_errno
                                                                  : 0;
        ngx_conf_log_error(NGX_LOG_EMERG, cf, err,
                           "geo database \"%V\" is truncated or not "
                           "a MaxMind database: %s",
                           file, MMDB_strerror(rc));
        return NGX_ERROR;
    }

    fault = ngx_http_gate_geo_check(mmdb);

    if (fault) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "geo database \"%V\" of type \"%s\" %s", file,
                           mmdb->metadata.database_type, fault);
        MMDB_close(mmdb);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* the fault of what was opened, NULL if it has at least one country */

static const char *
ngx_http_gate_geo_check(const MMDB_s *mmdb)
{
    u_char              country[2];
    uint32_t            i, n;
    MMDB_search_node_s  node;

    if (mmdb->metadata.ip_version != 4 && mmdb->metadata.ip_version != 6) {
        return "is for neither IPv4 nor IPv6";
    }

    n = ngx_min(mmdb->metadata.node_count, NGX_HTTP_GATE_GEO_MAX_TRIAL);

    for (i = 0; i < n; i++) {
        if (MMDB_read_node(mmdb, i, &node) != MMDB_SUCCESS
            || node.left_record_type == MMDB_RECORD_TYPE_INVALID
            || node.right_record_type == MMDB_RECORD_TYPE_INVALID)
        {
            return "is damaged";
        }

        if (node.left_record_type == MMDB_RECORD_TYPE_DATA
            && ngx_http_gate_geo_read(&node.left_record_entry, country)
               == NGX_OK)
        {
            return NULL;
        }

        if (node.right_record_type == MMDB_RECORD_TYPE_DATA
            && ngx_http_gate_geo_read(&node.right_record_entry, country)
               == NGX_OK)
        {
            return NULL;
        }
    }

    return "has no country/iso_code in it";
}


static ngx_int_t
ngx_http_gate_geo_lookup(const MMDB_s *mmdb, const struct sockaddr *sa,
    u_char country[2])
{
    int                   rc;
    MMDB_lookup_result_s  result;

    /* an IPv6 address in an IPv4 database is an error here, not a fault */

    result = MMDB_lookup_sockaddr(mmdb, sa, &rc);

    if (rc != MMDB_SUCCESS || !result.found_entry) {
        return NGX_DECLINED;
    }

    return ngx_http_gate_geo_read(&result.entry, country);
}


static ngx_int_t
ngx_http_gate_geo_read(MMDB_entry_s *entry, u_char country[2])
{
    const char         *p;
    MMDB_entry_data_s   data;

    if (MMDB_aget_value(entry, &data, ngx_http_gate_geo_path) != MMDB_SUCCESS
        || !data.has_data
        || data.type != MMDB_DATA_TYPE_UTF8_STRING
        || data.data_size != 2)
    {
        return NGX_DECLINED;
    }

    p = data.utf8_string;

    if (p[0] < 'A' || p[0] > 'Z' || p[1] < 'A' || p[1] > 'Z') {
        return NGX_DECLINED;
    }

    country[0] = (u_char) p[0];
    country[1] = (u_char) p[1];

    return NGX_OK;
}
