/*
 * The words "crl" and "crl_expired", and the first reading of the files: at the
 * end of nginx.conf, for the CAs that may have signed them are those of servers
 * and policies that stand anywhere in it.
 */


#include "ngx_http_gate_conf.h"

#include "ngx_http_gate_balancer.h"

#include <ngx_http_ssl_module.h>


static ngx_int_t ngx_http_gate_conf_crl_authorities(ngx_conf_t *cf,
    ngx_http_gate_main_conf_t *gmcf);
static ngx_int_t ngx_http_gate_conf_crl_policy(ngx_conf_t *cf,
    ngx_http_gate_policy_t *policy);


char *
ngx_http_gate_conf_crl(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_policy_t *policy = conf;

    ngx_str_t                   *value;
    ngx_uint_t                   i;
    ngx_http_gate_watch_t       *watch, **wp;
    ngx_http_gate_main_conf_t   *gmcf;

    value = cf->args->elts;
    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gate_module);

    if (policy->crls.nelts == 0) {
        policy->crl_line = cf->conf_file->line;
    }

    for (i = 1; i < cf->args->nelts; i++) {
        watch = ngx_http_gate_crl_add(cf, &gmcf->watches, &value[i],
                                      &gmcf->authorities);
        wp = ngx_array_push(&policy->crls);

        if (watch == NULL || wp == NULL) {
            return NGX_CONF_ERROR;
        }

        *wp = watch;
    }

    policy->rules.papers.crl = 1;

    return NGX_CONF_OK;
}


char *
ngx_http_gate_conf_crl_expired(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_policy_t *policy = conf;

    ngx_str_t  *value;

    if (policy->crl_expired_set) {
        return "is duplicate";
    }

    value = cf->args->elts;

    policy->crl_expired_set = 1;
    policy->rules.papers.expired = ngx_strcmp(value[1].data, "allow") == 0;

    if (policy->rules.papers.expired
        || ngx_strcmp(value[1].data, "deny") == 0)
    {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"crl_expired\", it must be "
                       "\"deny\" or \"allow\"", &value[1]);

    return NGX_CONF_ERROR;
}


ngx_int_t
ngx_http_gate_conf_crl_load(ngx_conf_t *cf)
{
    ngx_uint_t                   i;
    ngx_http_gate_policy_t     **policies;
    ngx_http_gate_main_conf_t   *gmcf;

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gate_module);

    if (ngx_http_gate_conf_crl_authorities(cf, gmcf) != NGX_OK) {
        return NGX_ERROR;
    }

    policies = gmcf->policies.elts;

    for (i = 0; i < gmcf->policies.nelts; i++) {
        if (ngx_http_gate_conf_crl_policy(cf, policies[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_conf_crl_authorities(ngx_conf_t *cf,
    ngx_http_gate_main_conf_t *gmcf)
{
    ngx_uint_t                   i;
    X509_STORE                  *store;
    ngx_http_gate_policy_t     **policies;
    ngx_http_ssl_srv_conf_t     *sscf;
    ngx_http_core_srv_conf_t   **servers;
    ngx_http_core_main_conf_t   *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    servers = cmcf->servers.elts;

    for (i = 0; i < cmcf->servers.nelts; i++) {
        sscf = servers[i]->ctx->srv_conf[ngx_http_ssl_module.ctx_index];

        if (sscf->ssl.ctx
            && ngx_http_gate_crl_authorize(&gmcf->authorities,
                                     SSL_CTX_get_cert_store(sscf->ssl.ctx))
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    policies = gmcf->policies.elts;

    for (i = 0; i < gmcf->policies.nelts; i++) {
        store = ngx_http_gate_balancer_store(policies[i]->balancer);

        if (store
            && ngx_http_gate_crl_authorize(&gmcf->authorities, store)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* one that has expired is better told now than by those it keeps out */

static ngx_int_t
ngx_http_gate_conf_crl_policy(ngx_conf_t *cf, ngx_http_gate_policy_t *policy)
{
    u_char                  *p, fault[NGX_MAX_CONF_ERRSTR];
    ngx_err_t                err;
    ngx_uint_t               i;
    ngx_http_gate_watch_t  **watches;

    watches = policy->crls.elts;

    for (i = 0; i < policy->crls.nelts; i++) {
        p = fault;

        if (ngx_http_gate_watch_load(watches[i], &p,
                                     fault + NGX_MAX_CONF_ERRSTR, &err)
            != NGX_OK)
        {
            ngx_log_error(NGX_LOG_EMERG, cf->log, err,
                          "%*s, in \"crl\" in %s:%ui", (size_t) (p - fault),
                          fault, policy->file, policy->crl_line);
            return NGX_ERROR;
        }

        ngx_http_gate_crl_warn(watches[i], ngx_time(), cf->log);
    }

    return NGX_OK;
}
