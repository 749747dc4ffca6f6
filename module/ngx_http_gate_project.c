/*
 * Values of nginx, usually of "map": which project and document a request is
 * for, and whether all is true that is required of it.
 */


#include "ngx_http_gate_project.h"


char *
ngx_http_gate_project_require(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_policy_t *policy = conf;

    ngx_str_t              *value;
    ngx_uint_t              i;
    ngx_http_gate_value_t  *required;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        required = ngx_array_push(&policy->required);

        if (required == NULL
            || ngx_http_gate_value_compile(cf, &value[i], required) != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }

        /* without one it is true of everybody or of nobody */

        if (required->complex.lengths == NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "no variable in \"%V\" of \"require\", give it "
                               "one that is empty or \"0\" for who may not "
                               "pass", &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_gate_project_facts(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_str_t               value;
    ngx_uint_t              i;
    ngx_http_gate_value_t  *required;

    if (ctx->policy->project
        && ngx_http_gate_value(r, ctx->policy->project, &ctx->project)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ctx->document = r->uri;

    if (ctx->policy->document
        && ngx_http_gate_value(r, ctx->policy->document, &ctx->document)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    required = ctx->policy->required.elts;

    for (i = 0; i < ctx->policy->required.nelts; i++) {

        if (ngx_http_gate_value(r, &required[i], &value) != NGX_OK) {
            return NGX_ERROR;
        }

        if (value.len == 0 || (value.len == 1 && value.data[0] == '0')) {
            ctx->facts.denied = 1;
            break;
        }
    }

    return NGX_OK;
}
