/*
 * The flat directives, and what is checked once all of nginx.conf was read.
 * The blocks "gate_policy" and "gate_redis" have files of their own.
 */


#include "ngx_http_gate_conf.h"

#include "ngx_http_gate_anonymous.h"
#include "ngx_http_gate_country.h"
#include "ngx_http_gate_drop.h"
#include "ngx_http_gate_familiar.h"
#include "ngx_http_gate_journey.h"
#include "ngx_http_gate_metrics.h"
#include "ngx_http_gate_sources.h"
#include "ngx_http_gate_tally.h"

#include <ngx_http_ssl_module.h>


#define NGX_HTTP_GATE_ZONE_SIZE  (16 * 1024 * 1024)


static char *ngx_http_gate_conf_block_handler(ngx_conf_t *cf,
    ngx_command_t *dummy, void *conf);
static ngx_uint_t ngx_http_gate_conf_arguments(ngx_conf_t *cf,
    ngx_command_t *cmd);
static ngx_int_t ngx_http_gate_metrics_handler(ngx_http_request_t *r);
static ngx_http_gate_policy_t *ngx_http_gate_conf_find(
    ngx_http_gate_main_conf_t *gmcf, ngx_str_t *name);
static void ngx_http_gate_conf_warn(ngx_conf_t *cf,
    ngx_http_gate_loc_conf_t *conf);


void *
ngx_http_gate_conf_create_main(ngx_conf_t *cf)
{
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_gate_main_conf_t));
    if (gmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&gmcf->policies, cf->pool, 4,
                       sizeof(ngx_http_gate_policy_t *))
        != NGX_OK
        || ngx_array_init(&gmcf->kinds, cf->pool, 4,
                          sizeof(ngx_http_gate_kind_t *))
           != NGX_OK
        || ngx_array_init(&gmcf->watches, cf->pool, 4,
                          sizeof(ngx_http_gate_watch_t *))
           != NGX_OK
        || ngx_http_gate_crl_init(cf, &gmcf->authorities) != NGX_OK
        || ngx_array_init(&gmcf->guards, cf->pool, 4,
                          sizeof(ngx_http_gate_guard_t))
           != NGX_OK)
    {
        return NULL;
    }

    return gmcf;
}


char *
ngx_http_gate_conf_init_main(ngx_conf_t *cf, void *conf)
{
    ngx_http_gate_main_conf_t *gmcf = conf;

    ngx_uint_t                i;
    ngx_http_gate_policy_t  **policies;

    static ngx_str_t  id = ngx_string("request_id");

    gmcf->event = ngx_http_get_variable_index(cf, &id);
    if (gmcf->event == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

    policies = gmcf->policies.elts;

    for (i = 0; i < gmcf->policies.nelts; i++) {

        if (ngx_http_gate_country_check(cf, policies[i], gmcf->geo) != NGX_OK
            || ngx_http_gate_anonymous_check(cf, policies[i], gmcf->geo)
               != NGX_OK
            || ngx_http_gate_familiar_check(cf, policies[i], gmcf->redis)
               != NGX_OK
            || ngx_http_gate_journey_check(cf, policies[i], gmcf->geo,
                                           gmcf->redis)
               != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    ngx_http_gate_tally_init(gmcf);

    if (ngx_http_gate_conf_audit_check(cf, gmcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    /* Redis has holds, too */

    if (gmcf->kinds.nelts == 0 && gmcf->redis == NULL && !gmcf->metrics
        && !gmcf->admin && !gmcf->usage && gmcf->audit == NULL)
    {
        return NGX_CONF_OK;
    }

    if (gmcf->zone_size == 0) {
        gmcf->zone_size = NGX_HTTP_GATE_ZONE_SIZE;
    }

    gmcf->zone = ngx_http_gate_zone_create(cf, gmcf->zone_size, &gmcf->kinds,
                                           &ngx_http_gate_module);
    if (gmcf->zone == NULL) {
        return NGX_CONF_ERROR;
    }

    if (gmcf->redis == NULL) {
        ngx_http_gate_zone_embed(gmcf->zone);
    }

    if (gmcf->audit) {
        ngx_http_gate_zone_levels(gmcf->zone);
    }

    return NGX_CONF_OK;
}


void *
ngx_http_gate_conf_create_srv(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_gate_srv_conf_t));
}


void *
ngx_http_gate_conf_create_loc(ngx_conf_t *cf)
{
    ngx_http_gate_loc_conf_t  *glcf;

    glcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_gate_loc_conf_t));
    if (glcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     glcf->name = { 0, NULL };
     *     glcf->audit = NULL;
     *     glcf->admin = 0;
     *     glcf->admin_write = 0;
     */

    glcf->policy = NGX_CONF_UNSET_PTR;
    glcf->dry_run = NGX_CONF_UNSET;
    glcf->log_level = NGX_CONF_UNSET_UINT;
    glcf->ratelimit = NGX_CONF_UNSET;

    return glcf;
}


char *
ngx_http_gate_conf_merge_loc(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_gate_loc_conf_t *prev = parent;
    ngx_http_gate_loc_conf_t *conf = child;

    ngx_http_gate_srv_conf_t   *gscf;
    ngx_http_gate_main_conf_t  *gmcf;

    ngx_conf_merge_value(conf->dry_run, prev->dry_run, 0);
    ngx_conf_merge_uint_value(conf->log_level, prev->log_level,
                              NGX_LOG_NOTICE);
    ngx_conf_merge_value(conf->ratelimit, prev->ratelimit, 0);

    if (conf->audit == NULL) {
        conf->audit = prev->audit;
    }

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gate_module);

    if (conf->name.data == NULL) {
        conf->name = prev->name;
        conf->file = prev->file;
        conf->line = prev->line;
    }

    if (conf->name.data == NULL || ngx_strcmp(conf->name.data, "off") == 0) {
        conf->policy = NULL;
        return NGX_CONF_OK;
    }

    conf->policy = ngx_http_gate_conf_find(gmcf, &conf->name);

    if (conf->policy == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no \"gate_policy\" \"%V\" is defined for \"gate\" "
                      "in %s:%ui", &conf->name, conf->file, conf->line);
        return NGX_CONF_ERROR;
    }

    gmcf->used = 1;

    ngx_http_gate_conf_warn(cf, conf);

    gscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_gate_module);
    gscf->gated = 1;

    return ngx_http_gate_drop_gate(cf, gscf, conf) == NGX_OK ? NGX_CONF_OK
                                                        : NGX_CONF_ERROR;
}


/* once for a server that asks nobody for a certificate */

static void
ngx_http_gate_conf_warn(ngx_conf_t *cf, ngx_http_gate_loc_conf_t *conf)
{
    ngx_http_conf_ctx_t       *ctx;
    ngx_http_ssl_srv_conf_t   *sscf;
    ngx_http_gate_srv_conf_t  *gscf;

    ctx = cf->ctx;
    sscf = ctx->srv_conf[ngx_http_ssl_module.ctx_index];
    gscf = ctx->srv_conf[ngx_http_gate_module.ctx_index];

    if (gscf->warned || conf->policy->balancer
        || conf->policy->rules.certificate == GATE_OFF
        || (sscf->verify && sscf->verify != NGX_CONF_UNSET_UINT))
    {
        return;
    }

    gscf->warned = 1;

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "\"gate %V\" in %s:%ui is used in a server without "
                  "\"ssl_verify_client\": no client will have a certificate",
                  &conf->name, conf->file, conf->line);
}


static ngx_http_gate_policy_t *
ngx_http_gate_conf_find(ngx_http_gate_main_conf_t *gmcf, ngx_str_t *name)
{
    ngx_uint_t                i;
    ngx_http_gate_policy_t  **policies;

    policies = gmcf->policies.elts;

    for (i = 0; i < gmcf->policies.nelts; i++) {
        if (policies[i]->name.len == name->len
            && ngx_strncmp(policies[i]->name.data, name->data, name->len)
               == 0)
        {
            return policies[i];
        }
    }

    return NULL;
}


char *
ngx_http_gate_conf_gate(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_loc_conf_t *glcf = conf;

    ngx_str_t  *value;

    if (glcf->name.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    /* the policy may be defined further down: it is looked up at the end */

    glcf->name = value[1];
    glcf->file = cf->conf_file->file.name.data;
    glcf->line = cf->conf_file->line;

    return NGX_CONF_OK;
}


char *
ngx_http_gate_conf_metrics(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_gate_main_conf_t  *gmcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gate_module);

    clcf->handler = ngx_http_gate_metrics_handler;
    gmcf->metrics = 1;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_gate_metrics_handler(ngx_http_request_t *r)
{
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gate_module);

    return ngx_http_gate_metrics_send(r, gmcf->zone, gmcf->ledger,
                                      ngx_http_gate_sources);
}


char *
ngx_http_gate_conf_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_main_conf_t *gmcf = conf;

    ssize_t     size;
    ngx_str_t  *value;

    if (gmcf->zone_size) {
        return "is duplicate";
    }

    value = cf->args->elts;
    size = ngx_parse_size(&value[1]);

    if (size == NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid size \"%V\" of \"gate_zone\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (size < (ssize_t) (16 * ngx_pagesize)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"gate_zone\" of \"%V\" is too small, give it "
                           "%uzk or more", &value[1],
                           16 * ngx_pagesize / 1024);
        return NGX_CONF_ERROR;
    }

    gmcf->zone_size = size;

    return NGX_CONF_OK;
}


char *
ngx_http_gate_conf_geoip(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_main_conf_t *gmcf = conf;

    ngx_int_t   reload;
    ngx_str_t  *value, time;

    if (gmcf->geo == NULL) {
        gmcf->geo = ngx_http_gate_geo_create(cf);
        if (gmcf->geo == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    value = cf->args->elts;
    reload = 60 * 1000;

    if (cf->args->nelts == 3) {

        if (ngx_strncmp(value[2].data, "reload=", 7) != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" in \"gate_geoip\"",
                               &value[2]);
            return NGX_CONF_ERROR;
        }

        time.data = value[2].data + 7;
        time.len = value[2].len - 7;
        reload = ngx_strcmp(time.data, "off") == 0
                 ? 0 : ngx_parse_time(&time, 0);

        if (reload == NGX_ERROR || (reload < 100 && *time.data != 'o')) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid \"%V\" in \"gate_geoip\", it must be "
                               "a time from 100ms, or \"off\"", &value[2]);
            return NGX_CONF_ERROR;
        }
    }

    return ngx_http_gate_geo_open(cf, gmcf->geo, &value[1], reload);
}


char *
ngx_http_gate_conf_block(ngx_conf_t *cf, ngx_command_t *commands, void *conf)
{
    char        *rv;
    void        *data[2];
    ngx_conf_t   save;

    data[0] = commands;
    data[1] = conf;

    save = *cf;
    cf->handler = ngx_http_gate_conf_block_handler;
    cf->handler_conf = (void *) data;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    return rv;
}


static char *
ngx_http_gate_conf_block_handler(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf)
{
    void **data = conf;

    char           *rv;
    ngx_str_t      *value;
    ngx_command_t  *cmd;

    value = cf->args->elts;

    for (cmd = data[0]; cmd->name.len; cmd++) {

        if (value[0].len != cmd->name.len
            || ngx_strcmp(value[0].data, cmd->name.data) != 0)
        {
            continue;
        }

        if (!ngx_http_gate_conf_arguments(cf, cmd)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid number of arguments in \"%V\"",
                               &cmd->name);
            return NGX_CONF_ERROR;
        }

        rv = cmd->set(cf, cmd, data[1]);

        if (rv != NGX_CONF_OK && rv != NGX_CONF_ERROR) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" %s",
                               &cmd->name, rv);
            return NGX_CONF_ERROR;
        }

        return rv;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "unknown word \"%V\"",
                       &value[0]);

    return NGX_CONF_ERROR;
}


static ngx_uint_t
ngx_http_gate_conf_arguments(ngx_conf_t *cf, ngx_command_t *cmd)
{
    if (cmd->type & NGX_CONF_1MORE) {
        return cf->args->nelts > 1;
    }

    if (cmd->type & NGX_CONF_TAKE12) {
        return (cf->args->nelts == 2 && (cmd->type & NGX_CONF_TAKE1))
               || (cf->args->nelts == 3 && (cmd->type & NGX_CONF_TAKE2));
    }

    return 0;
}


ngx_int_t
ngx_http_gate_conf_limit(const ngx_str_t *value, uint64_t *limit)
{
    off_t  n;

    if (value->len == 3 && ngx_strncmp(value->data, "off", 3) == 0) {
        *limit = GATE_UNBOUNDED;
        return NGX_OK;
    }

    n = ngx_parse_offset((ngx_str_t *) value);

    if (n < 0) {
        return NGX_ERROR;
    }

    *limit = ngx_min((uint64_t) n, GATE_LIMIT_MAX);

    return NGX_OK;
}


ngx_int_t
ngx_http_gate_conf_mode(ngx_conf_t *cf, const ngx_command_t *cmd,
    const ngx_str_t *value, gate_mode_e *mode)
{
    ngx_uint_t  i;

    static const char *const  words[] = { "off", "report", "deny" };

    for (i = 0; i < 3; i++) {
        if (ngx_strcmp(value->data, words[i]) == 0) {
            *mode = (gate_mode_e) i;
            return NGX_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\", it must be \"off\", "
                       "\"report\" or \"deny\"", value, &cmd->name);

    return NGX_ERROR;
}
