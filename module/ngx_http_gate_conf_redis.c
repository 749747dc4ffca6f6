/*
 * The block "gate_redis".
 */


#include "ngx_http_gate_conf.h"

#include "ngx_http_gate_usage.h"


/* a password file is a line, not a document */
#define NGX_HTTP_GATE_PASSWORD      4096

/* certificates between that of Redis and the trusted one, and one more */
#define NGX_HTTP_GATE_VERIFY_DEPTH  4


static ngx_int_t ngx_http_gate_conf_redis_check(ngx_conf_t *cf,
    ngx_http_gate_redis_conf_t *redis);
static ngx_int_t ngx_http_gate_conf_cluster_check(ngx_conf_t *cf,
    ngx_http_gate_redis_conf_t *redis);
static char *ngx_http_gate_conf_ssl(ngx_conf_t *cf,
    ngx_http_gate_redis_conf_t *redis);
static ngx_int_t ngx_http_gate_conf_ssl_check(ngx_conf_t *cf,
    ngx_http_gate_redis_conf_t *redis);
static char *ngx_http_gate_conf_no_ssl(ngx_conf_t *cf,
    ngx_http_gate_redis_conf_t *redis);
static char *ngx_http_gate_conf_unusable(ngx_conf_t *cf, const char *word,
    ngx_str_t *file);
static char *ngx_http_gate_conf_server(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gate_conf_password(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gate_conf_prefix(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gate_conf_usage_keep(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);


static ngx_command_t  ngx_http_gate_redis_commands[] = {

    { ngx_string("server"),
      NGX_CONF_TAKE1,
      ngx_http_gate_conf_server,
      0, 0, NULL },

    { ngx_string("sentinel"),
      NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      0, offsetof(ngx_http_gate_redis_conf_t, sentinel), NULL },

    { ngx_string("cluster"),
      NGX_CONF_TAKE1,
      ngx_conf_set_flag_slot,
      0, offsetof(ngx_http_gate_redis_conf_t, cluster), NULL },

    { ngx_string("username"),
      NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      0, offsetof(ngx_http_gate_redis_conf_t, link.username), NULL },

    { ngx_string("password_file"),
      NGX_CONF_TAKE1,
      ngx_http_gate_conf_password,
      0, 0, NULL },

    { ngx_string("database"),
      NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      0, offsetof(ngx_http_gate_redis_conf_t, link.database), NULL },

    { ngx_string("prefix"),
      NGX_CONF_TAKE1,
      ngx_http_gate_conf_prefix,
      0, 0, NULL },

    { ngx_string("usage_keep"),
      NGX_CONF_TAKE1,
      ngx_http_gate_conf_usage_keep,
      0, 0, NULL },

    { ngx_string("connect_timeout"),
      NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      0, offsetof(ngx_http_gate_redis_conf_t, link.connect_timeout), NULL },

    { ngx_string("timeout"),
      NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      0, offsetof(ngx_http_gate_redis_conf_t, link.timeout), NULL },

    { ngx_string("wait_replicas"),
      NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      0, offsetof(ngx_http_gate_redis_conf_t, link.wait_replicas), NULL },

    { ngx_string("queue"),
      NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      0, offsetof(ngx_http_gate_redis_conf_t, link.queue), NULL },

    { ngx_string("ssl"),
      NGX_CONF_TAKE1,
      ngx_conf_set_flag_slot,
      0, offsetof(ngx_http_gate_redis_conf_t, ssl), NULL },

    { ngx_string("ssl_verify"),
      NGX_CONF_TAKE1,
      ngx_conf_set_flag_slot,
      0, offsetof(ngx_http_gate_redis_conf_t, link.ssl_verify), NULL },

    { ngx_string("ssl_trusted_certificate"),
      NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      0, offsetof(ngx_http_gate_redis_conf_t, ssl_trusted_certificate),
      NULL },

    { ngx_string("ssl_name"),
      NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      0, offsetof(ngx_http_gate_redis_conf_t, link.ssl_name), NULL },

    { ngx_string("ssl_certificate"),
      NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      0, offsetof(ngx_http_gate_redis_conf_t, ssl_certificate), NULL },

    { ngx_string("ssl_certificate_key"),
      NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      0, offsetof(ngx_http_gate_redis_conf_t, ssl_certificate_key), NULL },

      ngx_null_command
};


char *
ngx_http_gate_conf_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_main_conf_t *gmcf = conf;

    char                        *rv;
    ngx_http_gate_redis_conf_t  *redis;

    if (gmcf->redis) {
        return "is duplicate";
    }

    redis = ngx_pcalloc(cf->pool, sizeof(ngx_http_gate_redis_conf_t));
    if (redis == NULL
        || ngx_array_init(&redis->servers, cf->pool, 2,
                          sizeof(ngx_http_gate_server_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    gmcf->redis = redis;
    gmcf->usage_keep = NGX_CONF_UNSET;

    redis->link.connect_timeout = NGX_CONF_UNSET_MSEC;
    redis->link.timeout = NGX_CONF_UNSET_MSEC;
    redis->link.database = NGX_CONF_UNSET_UINT;
    redis->link.queue = NGX_CONF_UNSET_UINT;
    redis->link.wait_replicas = NGX_CONF_UNSET_UINT;
    redis->link.ssl_verify = NGX_CONF_UNSET;
    redis->ssl = NGX_CONF_UNSET;
    redis->cluster = NGX_CONF_UNSET;

    rv = ngx_http_gate_conf_block(cf, ngx_http_gate_redis_commands, redis);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    ngx_conf_init_msec_value(redis->link.connect_timeout, 1000);
    ngx_conf_init_msec_value(redis->link.timeout, 250);
    ngx_conf_init_uint_value(redis->link.database, 0);
    ngx_conf_init_uint_value(redis->link.queue, 4096);
    ngx_conf_init_uint_value(redis->link.wait_replicas, 0);

    ngx_conf_init_value(redis->ssl, 0);
    ngx_conf_init_value(redis->cluster, 0);

    if (ngx_http_gate_conf_redis_check(cf, redis) != NGX_OK
        || (redis->cluster
            && ngx_http_gate_conf_cluster_check(cf, redis) != NGX_OK))
    {
        return NGX_CONF_ERROR;
    }

    if (gmcf->prefix.data == NULL) {
        ngx_str_set(&gmcf->prefix, "gate");
    }

    ngx_conf_init_value(gmcf->usage_keep, NGX_HTTP_GATE_USAGE_KEEP);

    if (redis->ssl) {
        ngx_conf_init_value(redis->link.ssl_verify, 1);
        return ngx_http_gate_conf_ssl(cf, redis);
    }

    return ngx_http_gate_conf_no_ssl(cf, redis);
}


static ngx_int_t
ngx_http_gate_conf_redis_check(ngx_conf_t *cf,
    ngx_http_gate_redis_conf_t *redis)
{
    if (redis->servers.nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"server\" is defined in \"gate_redis\"");
        return NGX_ERROR;
    }

    if (redis->link.queue == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"queue 0\" of \"gate_redis\" would ask nothing");
        return NGX_ERROR;
    }

    if (redis->sentinel.data && redis->sentinel.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"sentinel\" of \"gate_redis\" is empty: it "
                           "is what Sentinels call the primary");
        return NGX_ERROR;
    }

    if (redis->link.username.len && redis->link.password.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"password_file\" is defined for \"username\" "
                           "in \"gate_redis\"");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* nodes are named by address, and have one database */

static ngx_int_t
ngx_http_gate_conf_cluster_check(ngx_conf_t *cf,
    ngx_http_gate_redis_conf_t *redis)
{
    ngx_uint_t               i;
    ngx_http_gate_server_t  *servers;

    if (redis->sentinel.len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"sentinel\" and \"cluster\" of \"gate_redis\" "
                           "exclude each other: a cluster has no Sentinels");
        return NGX_ERROR;
    }

    if (redis->link.database) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"database %ui\" of \"gate_redis\": a cluster "
                           "has only database 0", redis->link.database);
        return NGX_ERROR;
    }

    servers = redis->servers.elts;

    for (i = 0; i < redis->servers.nelts; i++) {
        if (servers[i].sockaddr.sockaddr.sa_family == AF_UNIX) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "server \"%V\" of \"gate_redis\": the nodes "
                               "of a cluster are reached by address and port",
                               &servers[i].name);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static char *
ngx_http_gate_conf_ssl(ngx_conf_t *cf, ngx_http_gate_redis_conf_t *redis)
{
    ngx_ssl_t                  *ssl;
    ngx_str_t                  *trusted, *certificate, *key;
    ngx_pool_cleanup_t         *cln;
    ngx_http_gate_link_conf_t  *link;

    link = &redis->link;
    trusted = &redis->ssl_trusted_certificate;
    certificate = &redis->ssl_certificate;
    key = &redis->ssl_certificate_key;

    if (ngx_http_gate_conf_ssl_check(cf, redis) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (ssl == NULL || cln == NULL) {
        return NGX_CONF_ERROR;
    }

    ssl->log = cf->log;

    if (ngx_ssl_create(ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = ssl;

    if (trusted->len
        && ngx_ssl_trusted_certificate(cf, ssl, trusted,
                                       NGX_HTTP_GATE_VERIFY_DEPTH)
           != NGX_OK)
    {
        return ngx_http_gate_conf_unusable(cf, "ssl_trusted_certificate",
                                           trusted);
    }

    if (certificate->len
        && ngx_ssl_certificate(cf, ssl, certificate, key, NULL) != NGX_OK)
    {
        return ngx_http_gate_conf_unusable(cf, "ssl_certificate",
                                           certificate);
    }

    if (ngx_ssl_client_session_cache(cf, ssl, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    link->ssl = ssl;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_gate_conf_ssl_check(ngx_conf_t *cf, ngx_http_gate_redis_conf_t *redis)
{
    ngx_uint_t               i;
    ngx_http_gate_server_t  *servers;

    if (redis->ssl_certificate.len == 0
        || redis->ssl_certificate_key.len == 0)
    {
        if (redis->ssl_certificate.len || redis->ssl_certificate_key.len) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "no \"%s\" is defined for \"%s\" in "
                               "\"gate_redis\"",
                               redis->ssl_certificate.len
                               ? "ssl_certificate_key" : "ssl_certificate",
                               redis->ssl_certificate.len
                               ? "ssl_certificate" : "ssl_certificate_key");
            return NGX_ERROR;
        }
    }

    if (!redis->link.ssl_verify) {
        return NGX_OK;
    }

    if (redis->ssl_trusted_certificate.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"ssl_trusted_certificate\" is defined for "
                           "\"ssl\" in \"gate_redis\": name the CA of your "
                           "Redis, or set \"ssl_verify off\"");
        return NGX_ERROR;
    }

    servers = redis->servers.elts;

    for (i = 0; i < redis->servers.nelts; i++) {

        if (redis->link.ssl_name.len
            || (redis->sentinel.len == 0 && !redis->cluster
                && servers[i].host.len
                && servers[i].sockaddr.sockaddr.sa_family != AF_UNIX))
        {
            continue;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"ssl_name\" is defined for \"ssl\" in "
                           "\"gate_redis\": \"%V\" does not tell which name "
                           "the certificate should have", &servers[i].name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static char *
ngx_http_gate_conf_no_ssl(ngx_conf_t *cf, ngx_http_gate_redis_conf_t *redis)
{
    const char  *word;

    word = redis->link.ssl_verify != NGX_CONF_UNSET ? "ssl_verify"
           : redis->ssl_trusted_certificate.len ? "ssl_trusted_certificate"
           : redis->link.ssl_name.len ? "ssl_name"
           : redis->ssl_certificate.len ? "ssl_certificate"
           : redis->ssl_certificate_key.len ? "ssl_certificate_key" : NULL;

    if (word == NULL) {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%s\" has no effect in \"gate_redis\" without "
                       "\"ssl on\"", word);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_gate_conf_unusable(ngx_conf_t *cf, const char *word, ngx_str_t *file)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "%s \"%V\" of \"gate_redis\" cannot be used",
                       word, file);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_gate_conf_server(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_redis_conf_t *redis = conf;

    ngx_url_t                u;
    ngx_str_t               *value;
    ngx_uint_t               i;
    ngx_http_gate_server_t  *server;

    value = cf->args->elts;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = value[1];
    u.default_port = 6379;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s in server \"%V\" of \"gate_redis\"",
                           u.err ? u.err : "no memory", &u.url);
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < u.naddrs; i++) {
        server = ngx_array_push(&redis->servers);
        if (server == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(server, sizeof(ngx_http_gate_server_t));

        server->host = u.host;
        server->name = u.addrs[i].name;
        server->socklen = u.addrs[i].socklen;
        ngx_memcpy(&server->sockaddr, u.addrs[i].sockaddr,
                   u.addrs[i].socklen);
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gate_conf_password(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_redis_conf_t *redis = conf;

    u_char           *p;
    ssize_t           n;
    ngx_fd_t          fd;
    ngx_str_t        *value, *password;
    ngx_file_info_t   fi;

    if (redis->link.password.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_conf_full_name(cf->cycle, &value[1], 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    p = ngx_pnalloc(cf->pool, NGX_HTTP_GATE_PASSWORD);
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    fd = ngx_open_file(value[1].data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed", &value[1]);
        return NGX_CONF_ERROR;
    }

    n = ngx_read_fd(fd, p, NGX_HTTP_GATE_PASSWORD);

    if (n == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_read_fd_n " \"%V\" failed", &value[1]);
        (void) ngx_close_file(fd);
        return NGX_CONF_ERROR;
    }

    if (ngx_fd_info(fd, &fi) != NGX_FILE_ERROR && (fi.st_mode & S_IROTH)) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"%V\" may be read by all: chmod o-r", &value[1]);
    }

    (void) ngx_close_file(fd);

    password = &redis->link.password;
    password->data = p;

    while (password->len < (size_t) n && p[password->len] != LF
           && p[password->len] != CR)
    {
        password->len++;
    }

    if (password->len == 0 || password->len == NGX_HTTP_GATE_PASSWORD) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no password in the first line of \"%V\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* the prefix belongs to the keys, not to the transport */

static char *
ngx_http_gate_conf_prefix(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                  *value;
    ngx_uint_t                  i;
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gate_module);

    if (gmcf->prefix.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 0; i < value[1].len; i++) {
        if (value[1].data[i] <= 0x20 || value[1].data[i] >= 0x7f
            || value[1].data[i] == '{' || value[1].data[i] == '}')
        {
            break;
        }
    }

    if (value[1].len == 0 || value[1].len > 128 || i < value[1].len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid prefix \"%V\": it may have 128 printable "
                           "characters but no braces", &value[1]);
        return NGX_CONF_ERROR;
    }

    gmcf->prefix = value[1];

    return NGX_CONF_OK;
}


/* days of what users took; in seconds */

static char *
ngx_http_gate_conf_usage_keep(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    time_t                      keep;
    ngx_str_t                  *value;
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gate_module);

    if (gmcf->usage_keep != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        gmcf->usage_keep = 0;
        return NGX_CONF_OK;
    }

    keep = ngx_parse_time(&value[1], 1);

    if (keep < NGX_HTTP_GATE_USAGE_KEEP_MIN
        || keep > NGX_HTTP_GATE_USAGE_KEEP_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid usage_keep \"%V\" of \"gate_redis\": "
                           "it may be from 1d to 10y, or off", &value[1]);
        return NGX_CONF_ERROR;
    }

    gmcf->usage_keep = keep;

    return NGX_CONF_OK;
}
