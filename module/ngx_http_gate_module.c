/*
 * The front door: directives, phases, filters, and the worker's start and
 * stop.  What they do is in the files that they name.
 */


#include "ngx_http_gate_access.h"
#include "ngx_http_gate_conf.h"
#include "ngx_http_gate_count.h"
#include "ngx_http_gate_drop.h"
#include "ngx_http_gate_hold.h"
#include "ngx_http_gate_end.h"
#include "ngx_http_gate_meter.h"
#include "ngx_http_gate_tell.h"
#include "ngx_http_gate_page.h"
#include "ngx_http_gate_ratelimit.h"
#include "ngx_http_gate_variables.h"


static ngx_int_t ngx_http_gate_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_gate_postconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_gate_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_gate_init_process(ngx_cycle_t *cycle);
static void ngx_http_gate_exit_process(ngx_cycle_t *cycle);


static ngx_conf_enum_t  ngx_http_gate_log_levels[] = {
    { ngx_string("info"), NGX_LOG_INFO },
    { ngx_string("notice"), NGX_LOG_NOTICE },
    { ngx_string("warn"), NGX_LOG_WARN },
    { ngx_string("error"), NGX_LOG_ERR },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_http_gate_commands[] = {

    { ngx_string("gate"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_gate_conf_gate,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gate_dry_run"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gate_loc_conf_t, dry_run),
      NULL },

    { ngx_string("gate_log_level"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gate_loc_conf_t, log_level),
      &ngx_http_gate_log_levels },

    { ngx_string("gate_audit"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_gate_conf_audit,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gate_ratelimit_headers"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gate_loc_conf_t, ratelimit),
      NULL },

    { ngx_string("gate_drop_country"),
      NGX_HTTP_SRV_CONF|NGX_CONF_1MORE,
      ngx_http_gate_drop_conf,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gate_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_gate_conf_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gate_geoip"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_http_gate_conf_geoip,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gate_redis"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_NOARGS,
      ngx_http_gate_conf_redis,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gate_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_gate_conf_metrics,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gate_admin"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_gate_conf_admin,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gate_policy"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_gate_conf_policy,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gate_module_ctx = {
    ngx_http_gate_preconfiguration,        /* preconfiguration */
    ngx_http_gate_postconfiguration,       /* postconfiguration */

    ngx_http_gate_conf_create_main,        /* create main configuration */
    ngx_http_gate_conf_init_main,          /* init main configuration */

    ngx_http_gate_conf_create_srv,         /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_gate_conf_create_loc,         /* create location configuration */
    ngx_http_gate_conf_merge_loc           /* merge location configuration */
};


ngx_module_t  ngx_http_gate_module = {
    NGX_MODULE_V1,
    &ngx_http_gate_module_ctx,             /* module context */
    ngx_http_gate_commands,                /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_gate_init_module,             /* init module */
    ngx_http_gate_init_process,            /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_gate_exit_process,            /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_gate_preconfiguration(ngx_conf_t *cf)
{
    return ngx_http_gate_variables_add(cf);
}


static ngx_int_t
ngx_http_gate_postconfiguration(ngx_conf_t *cf)
{
    ngx_uint_t                  i;
    ngx_http_handler_pt        *h;
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_core_main_conf_t  *cmcf;
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gate_module);

    /*
     * Whatever this configuration has, and before it may turn out to be wrong:
     * the chain is the master's, which makes workers of the one before by it.
     */

    ngx_http_gate_meter_init();

    if (gmcf->dropping && ngx_http_gate_drop_check(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_gate_conf_admin_check(cf, gmcf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_gate_conf_crl_load(cf) != NGX_OK
        || ngx_http_gate_conf_servers(cf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!gmcf->used) {
        return NGX_OK;
    }

    if (gmcf->redis) {
        clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

        gmcf->redis->names.resolver = clcf->resolver;
        gmcf->redis->names.timeout = clcf->resolver_timeout;
        ngx_conf_init_msec_value(gmcf->redis->names.timeout, 30000);
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PREACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    /*
     * handlers run last to first: ours goes to the front, so that realip has
     * set the address and limit_req has turned floods away
     */

    h = cmcf->phases[NGX_HTTP_PREACCESS_PHASE].handlers.elts;
    i = cmcf->phases[NGX_HTTP_PREACCESS_PHASE].handlers.nelts;

    while (--i) {
        h[i] = h[i - 1];
    }

    h[0] = ngx_http_gate_access_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_gate_end_handler;

    gmcf->ratelimit = ngx_http_gate_ratelimit_asked(cf);

    gmcf->page = ngx_http_gate_refusal_create(cf);

    return gmcf->page ? NGX_OK : NGX_ERROR;
}


/* all modules have put their filters in place by now */

static ngx_int_t
ngx_http_gate_init_module(ngx_cycle_t *cycle)
{
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_gate_module);

    if (gmcf && gmcf->page) {
        ngx_http_gate_page_init();
    }

    if (gmcf && gmcf->zone) {
        ngx_http_gate_count_init(gmcf);
    }

    return ngx_http_gate_drop_init(cycle);
}


static ngx_int_t
ngx_http_gate_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                   i;
    ngx_http_gate_watch_t      **watches;
    ngx_http_gate_main_conf_t   *gmcf;

    gmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_gate_module);

    if (gmcf == NULL
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    if (gmcf->page) {
        ngx_http_gate_page_restore();
    }

    if (gmcf->geo
        && ngx_http_gate_geo_serve(gmcf->geo, cycle->log) != NGX_OK)
    {
        return NGX_ERROR;
    }

    watches = gmcf->watches.elts;

    for (i = 0; i < gmcf->watches.nelts; i++) {
        ngx_http_gate_watch_start(watches[i], cycle);
    }

    if (gmcf->zone == NULL) {
        return NGX_OK;
    }

    ngx_http_gate_zone_serve(gmcf->zone);

    gmcf->ledger = ngx_http_gate_ledger_create(cycle, gmcf->zone, gmcf->redis,
                                               &gmcf->prefix,
                                               gmcf->usage_keep);

    if (gmcf->ledger == NULL
        || (gmcf->audit && ngx_http_gate_tell_start(gmcf, cycle) != NGX_OK))
    {
        return NGX_ERROR;
    }

    return ngx_http_gate_hold_start(cycle, gmcf);
}


static void
ngx_http_gate_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_gate_module);

    if (gmcf && gmcf->drops) {
        ngx_http_gate_drop_close(gmcf->drops);
    }

    if (gmcf && gmcf->hold) {

        if (gmcf->audit) {
            ngx_http_gate_hold_each(gmcf, ngx_http_gate_end_early);
        }

        ngx_http_gate_hold_stop(gmcf);
    }

    if (gmcf && gmcf->ledger) {
        ngx_http_gate_ledger_close(gmcf->ledger);
    }

    if (gmcf && gmcf->ledger && gmcf->audit) {
        ngx_http_gate_audit_close(gmcf->audit);
    }

    if (gmcf && gmcf->geo) {
        ngx_http_gate_geo_leave(gmcf->geo);
    }
}
