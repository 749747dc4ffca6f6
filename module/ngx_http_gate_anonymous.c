/*
 * Which kinds a policy is against.  Hosting is none of them unless it is
 * named: whole companies leave through a cloud.
 */


#include "ngx_http_gate_anonymous.h"

#include "ngx_http_gate_conf.h"


#define NGX_HTTP_GATE_ANONYMOUS_USUAL                                        \
    (GATE_ANONYMOUS_ANY | GATE_ANONYMOUS_VPN | GATE_ANONYMOUS_PROXY          \
     | GATE_ANONYMOUS_TOR)


static unsigned ngx_http_gate_anonymous_kind(const ngx_str_t *value);


/* off | report | deny [vpn] [proxy] [tor] [hosting] */

char *
ngx_http_gate_anonymous_conf(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_policy_t *policy = conf;

    unsigned                kind;
    ngx_str_t              *value;
    ngx_uint_t              i;
    gate_anonymous_rule_t  *rule;

    if (policy->anonymous_set) {
        return "is duplicate";
    }

    policy->anonymous_set = 1;

    rule = &policy->rules.anonymous;
    value = cf->args->elts;

    if (ngx_http_gate_conf_mode(cf, cmd, &value[1], &rule->mode) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        kind = ngx_http_gate_anonymous_kind(&value[i]);

        if (kind == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid kind \"%V\" in "
                               "\"anonymous_network\", it must be \"vpn\", "
                               "\"proxy\", \"tor\" or \"hosting\"",
                               &value[i]);
            return NGX_CONF_ERROR;
        }

        if (rule->kinds & kind) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate kind \"%V\" in "
                               "\"anonymous_network\"", &value[i]);
            return NGX_CONF_ERROR;
        }

        rule->kinds |= kind;
    }

    if (rule->kinds == 0) {
        rule->kinds = NGX_HTTP_GATE_ANONYMOUS_USUAL;
    }

    return NGX_CONF_OK;
}


static unsigned
ngx_http_gate_anonymous_kind(const ngx_str_t *value)
{
    ngx_uint_t  i;

    static const struct {
        const char  *word;
        unsigned     kind;
    } kinds[] = {
        { "vpn", GATE_ANONYMOUS_VPN },
        { "proxy", GATE_ANONYMOUS_PROXY },
        { "tor", GATE_ANONYMOUS_TOR },
        { "hosting", GATE_ANONYMOUS_HOSTING }
    };

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (ngx_strcmp(value->data, kinds[i].word) == 0) {
            return kinds[i].kind;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_gate_anonymous_check(ngx_conf_t *cf, ngx_http_gate_policy_t *policy,
    ngx_http_gate_geo_t *geo)
{
    if (policy->rules.anonymous.mode == GATE_MODE_OFF
        || (geo && ngx_http_gate_geo_fields(geo) & GATE_PLACE_ANONYMOUS))
    {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "no \"gate_geoip\" %s for the \"anonymous_network\" of "
                  "\"gate_policy\" \"%V\" in %s:%ui",
                  geo ? "has a field" : "is defined", &policy->name,
                  policy->file, policy->line);

    return NGX_ERROR;
}
