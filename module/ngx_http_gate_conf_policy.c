/*
 * The "gate_policy" block: a table of its words, a function for each that is
 * more than a slot, and at its end what no single word can tell.
 */


#include "ngx_http_gate_conf.h"

#include "ngx_http_gate_anonymous.h"
#include "ngx_http_gate_balancer.h"
#include "ngx_http_gate_country.h"
#include "ngx_http_gate_familiar.h"
#include "ngx_http_gate_identity.h"
#include "ngx_http_gate_journey.h"
#include "ngx_http_gate_project.h"


static ngx_http_gate_policy_t *ngx_http_gate_policy_create(ngx_conf_t *cf,
    ngx_str_t *name);
static char *ngx_http_gate_policy_user(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gate_policy_lease(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gate_policy_store_down(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_gate_policy_overrun(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gate_policy_upgrade(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gate_policy_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gate_policy_complete(ngx_conf_t *cf,
    ngx_http_gate_main_conf_t *gmcf, ngx_http_gate_policy_t *policy);


static ngx_command_t  ngx_http_gate_policy_commands[] = {

    { ngx_string("user"),
      NGX_CONF_1MORE,
      ngx_http_gate_policy_user,
      0, 0, NULL },

    { ngx_string("project"),
      NGX_CONF_TAKE1,
      ngx_http_gate_value_slot,
      0, offsetof(ngx_http_gate_policy_t, project), NULL },

    { ngx_string("require"),
      NGX_CONF_1MORE,
      ngx_http_gate_project_require,
      0, 0, NULL },

    { ngx_string("identity_header"),
      NGX_CONF_TAKE2,
      ngx_http_gate_identity_conf,
      0, 0, NULL },

    { ngx_string("document"),
      NGX_CONF_TAKE1,
      ngx_http_gate_value_slot,
      0, offsetof(ngx_http_gate_policy_t, document), NULL },

    { ngx_string("certificate"),
      NGX_CONF_1MORE,
      ngx_http_gate_conf_certificate,
      0, 0, NULL },

    { ngx_string("certificate_header"),
      NGX_CONF_1MORE,
      ngx_http_gate_balancer_conf,
      0, 0, NULL },

    { ngx_string("issuer"),
      NGX_CONF_1MORE,
      ngx_http_gate_conf_issuer,
      0, 0, NULL },

    { ngx_string("fingerprints"),
      NGX_CONF_TAKE1,
      ngx_http_gate_conf_fingerprints,
      0, 0, NULL },

    { ngx_string("crl"),
      NGX_CONF_1MORE,
      ngx_http_gate_conf_crl,
      0, 0, NULL },

    { ngx_string("crl_expired"),
      NGX_CONF_TAKE1,
      ngx_http_gate_conf_crl_expired,
      0, 0, NULL },

    { ngx_string("allow_country"),
      NGX_CONF_1MORE,
      ngx_http_gate_country_conf,
      0, offsetof(ngx_http_gate_policy_t, allow), NULL },

    { ngx_string("deny_country"),
      NGX_CONF_1MORE,
      ngx_http_gate_country_conf,
      0, offsetof(ngx_http_gate_policy_t, deny), NULL },

    { ngx_string("unusual_country"),
      NGX_CONF_1MORE,
      ngx_http_gate_familiar_conf,
      0, 0, NULL },

    { ngx_string("usual_country"),
      NGX_CONF_1MORE,
      ngx_http_gate_country_conf,
      0, offsetof(ngx_http_gate_policy_t, usual), NULL },

    { ngx_string("anonymous_network"),
      NGX_CONF_1MORE,
      ngx_http_gate_anonymous_conf,
      0, 0, NULL },

    { ngx_string("max_speed"),
      NGX_CONF_1MORE,
      ngx_http_gate_journey_conf,
      0, 0, NULL },

    { ngx_string("allow_network"),
      NGX_CONF_1MORE,
      ngx_http_gate_country_network,
      0, 0, NULL },

    { ngx_string("quota"),
      NGX_CONF_1MORE,
      ngx_http_gate_conf_quota,
      0, 0, NULL },

    { ngx_string("lease"),
      NGX_CONF_TAKE12,
      ngx_http_gate_policy_lease,
      0, 0, NULL },

    { ngx_string("store_down"),
      NGX_CONF_TAKE1,
      ngx_http_gate_policy_store_down,
      0, 0, NULL },

    { ngx_string("overrun"),
      NGX_CONF_TAKE1,
      ngx_http_gate_policy_overrun,
      0, 0, NULL },

    { ngx_string("upgrade"),
      NGX_CONF_TAKE1,
      ngx_http_gate_policy_upgrade,
      0, 0, NULL },

    { ngx_string("status"),
      NGX_CONF_1MORE,
      ngx_http_gate_policy_status,
      0, 0, NULL },

      ngx_null_command
};


char *
ngx_http_gate_conf_policy(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_main_conf_t *gmcf = conf;

    char                     *rv;
    ngx_str_t                *value;
    ngx_uint_t                i;
    ngx_http_gate_policy_t   *policy, **p;

    value = cf->args->elts;
    p = gmcf->policies.elts;

    if (value[1].len == 0 || value[1].len > NGX_HTTP_GATE_SUFFIX_MAX - 12
        || ngx_strcmp(value[1].data, "off") == 0
        || ngx_strlchr(value[1].data, value[1].data + value[1].len, '/'))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid policy name \"%V\": it may have 20 "
                           "characters, no \"/\", and not be \"off\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < gmcf->policies.nelts; i++) {
        if (ngx_strcmp(p[i]->name.data, value[1].data) == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate \"gate_policy\" \"%V\", "
                               "the first is in %s:%ui", &value[1],
                               p[i]->file, p[i]->line);
            return NGX_CONF_ERROR;
        }
    }

    policy = ngx_http_gate_policy_create(cf, &value[1]);
    p = ngx_array_push(&gmcf->policies);

    if (policy == NULL || p == NULL) {
        return NGX_CONF_ERROR;
    }

    *p = policy;

    rv = ngx_http_gate_conf_block(cf, ngx_http_gate_policy_commands, policy);

    if (rv == NGX_CONF_OK) {
        rv = ngx_http_gate_conf_certificate_complete(cf, policy);
    }

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_http_gate_policy_complete(cf, gmcf, policy);
}


static ngx_http_gate_policy_t *
ngx_http_gate_policy_create(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_uint_t               i;
    ngx_http_gate_policy_t  *policy;

    policy = ngx_pcalloc(cf->pool, sizeof(ngx_http_gate_policy_t));

    if (policy == NULL
        || ngx_http_gate_country_create(cf, policy) != NGX_OK
        || ngx_array_init(&policy->users, cf->pool, 2,
                          sizeof(ngx_http_gate_value_t))
           != NGX_OK
        || ngx_array_init(&policy->required, cf->pool, 2,
                          sizeof(ngx_http_gate_value_t))
           != NGX_OK
        || ngx_array_init(&policy->issuers, cf->pool, 2, sizeof(ngx_str_t))
           != NGX_OK
        || ngx_array_init(&policy->crls, cf->pool, 2,
                          sizeof(ngx_http_gate_watch_t *))
           != NGX_OK)
    {
        return NULL;
    }

    policy->name = *name;
    policy->suffix.len = name->len + 1;
    policy->suffix.data = ngx_pnalloc(cf->pool, policy->suffix.len);
    if (policy->suffix.data == NULL) {
        return NULL;
    }

    ngx_sprintf(policy->suffix.data, ":%V", name);

    policy->file = cf->conf_file->file.name.data;
    policy->line = cf->conf_file->line;

    for (i = 0; i < GATE_REASONS; i++) {
        policy->status[i] = NGX_HTTP_FORBIDDEN;
    }

    policy->status[GATE_REASON_QUOTA] = NGX_HTTP_TOO_MANY_REQUESTS;
    policy->status[GATE_REASON_UNAVAILABLE] = NGX_HTTP_SERVICE_UNAVAILABLE;

    return policy;
}


static char *
ngx_http_gate_policy_user(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_policy_t *policy = conf;

    ngx_str_t              *value;
    ngx_uint_t              i;
    ngx_http_gate_value_t  *user;

    if (policy->users.nelts) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        user = ngx_array_push(&policy->users);

        if (user == NULL
            || ngx_http_gate_value_compile(cf, &value[i], user) != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gate_policy_lease(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_policy_t *policy = conf;

    ssize_t      size;
    ngx_int_t    idle;
    ngx_str_t   *value, time;

    if (policy->lease) {
        return "is duplicate";
    }

    value = cf->args->elts;
    size = ngx_parse_size(&value[1]);

    if (size == NGX_ERROR || size == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid size \"%V\" of \"lease\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    policy->lease = size;

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value[2].data, "idle=", 5) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" in \"lease\"",
                           &value[2]);
        return NGX_CONF_ERROR;
    }

    time.data = value[2].data + 5;
    time.len = value[2].len - 5;
    idle = ngx_parse_time(&time, 0);

    if (idle == NGX_ERROR || idle < 1000) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\" of \"lease\", it must be a time "
                           "from 1s", &value[2]);
        return NGX_CONF_ERROR;
    }

    policy->idle = idle;

    return NGX_CONF_OK;
}


static char *
ngx_http_gate_policy_store_down(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_gate_policy_t *policy = conf;

    uint64_t    size;
    ngx_str_t  *value, arg;

    if (policy->store_down_set) {
        return "is duplicate";
    }

    policy->store_down_set = 1;
    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "deny") == 0) {
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value[1].data, "allow=", 6) == 0) {
        arg.data = value[1].data + 6;
        arg.len = value[1].len - 6;

        if (ngx_http_gate_conf_limit(&arg, &size) == NGX_OK
            && size > 0 && size != GATE_UNBOUNDED)
        {
            policy->rules.store_down = size;
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"store_down\", it must be "
                       "\"deny\" or \"allow=size\"", &value[1]);

    return NGX_CONF_ERROR;
}


/* reason=code ... */

static char *
ngx_http_gate_policy_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_policy_t *policy = conf;

    u_char      *p, *last;
    ngx_int_t    code;
    ngx_str_t   *value;
    ngx_uint_t   i, n;
    const char  *name;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        last = value[i].data + value[i].len;
        p = ngx_strlchr(value[i].data, last, '=');

        if (p == NULL) {
            goto invalid;
        }

        for (n = 1; n < GATE_REASONS; n++) {
            name = gate_reason_name((gate_reason_e) n);

            if ((size_t) (p - value[i].data) == ngx_strlen(name)
                && ngx_strncmp(value[i].data, name, p - value[i].data) == 0)
            {
                break;
            }
        }

        code = ngx_atoi(p + 1, last - p - 1);

        if (n == GATE_REASONS || code < 400 || code > 599 || code == 499
            || (code > 493 && code < 499))
        {
            goto invalid;
        }

        policy->status[n] = code;
    }

    return NGX_CONF_OK;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"%V\" in \"status\", it must be a reason, "
                       "\"=\" and a code from 400 to 599", &value[i]);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_gate_policy_complete(ngx_conf_t *cf, ngx_http_gate_main_conf_t *gmcf,
    ngx_http_gate_policy_t *policy)
{
    ngx_uint_t              i, k;
    ngx_http_gate_kind_t   *kind, **kp;

    ngx_http_gate_country_rules(policy);

    if (ngx_http_gate_familiar_complete(cf, policy) != NGX_OK
        || ngx_http_gate_journey_complete(cf, policy) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    policy->rules.nquotas = policy->ngroups * NGX_HTTP_GATE_QUOTAS;

    if (policy->ngroups && policy->users.nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"user\" is defined for the quotas of "
                           "\"gate_policy\" \"%V\"", &policy->name);
        return NGX_CONF_ERROR;
    }

    policy->lease = policy->lease ? policy->lease : 4 * 1024 * 1024;
    policy->idle = policy->idle ? policy->idle : 2000;

    for (i = 0; i < policy->ngroups; i++) {
        kind = policy->groups[i].kind;

        kp = ngx_array_push(&gmcf->kinds);
        if (kp == NULL) {
            return NGX_CONF_ERROR;
        }

        *kp = kind;

        /* found by a sweep of every 250 ms, and back in time */

        kind->idle = policy->idle - 500;

        for (k = 0; k < kind->nquotas; k++) {
            kind->quotas[k].lease = policy->lease;
        }
    }

    return NGX_CONF_OK;
}


/* refuse | finish | slow=rate */

static char *
ngx_http_gate_policy_overrun(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_policy_t *policy = conf;

    ssize_t     rate;
    ngx_str_t  *value, arg;

    if (policy->overrun_set) {
        return "is duplicate";
    }

    policy->overrun_set = 1;
    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "refuse") == 0) {
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[1].data, "finish") == 0) {
        policy->overrun = NGX_HTTP_GATE_OVERRUN_FINISH;
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value[1].data, "slow=", 5) == 0) {
        arg.data = value[1].data + 5;
        arg.len = value[1].len - 5;
        rate = ngx_parse_size(&arg);

        if (rate != NGX_ERROR && rate > 0) {
            policy->overrun = NGX_HTTP_GATE_OVERRUN_SLOW;
            policy->rate = rate;
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"overrun\", it must be "
                       "\"refuse\", \"finish\" or \"slow=rate\"", &value[1]);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_gate_policy_upgrade(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_policy_t *policy = conf;

    ngx_str_t  *value;

    if (policy->upgrade_set) {
        return "is duplicate";
    }

    value = cf->args->elts;

    policy->upgrade_set = 1;
    policy->upgrade = ngx_strcmp(value[1].data, "allow") == 0;

    if (policy->upgrade || ngx_strcmp(value[1].data, "refuse") == 0) {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"upgrade\", it must be "
                       "\"refuse\" or \"allow\"", &value[1]);

    return NGX_CONF_ERROR;
}
