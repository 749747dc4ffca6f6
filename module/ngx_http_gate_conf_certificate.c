/*
 * The words of a policy that are about certificates.
 */


#include "ngx_http_gate_conf.h"


static char *ngx_http_gate_conf_certificate_rule(ngx_conf_t *cf,
    ngx_http_gate_policy_t *policy, ngx_str_t *value);
static char *ngx_http_gate_conf_certificate_parameter(ngx_conf_t *cf,
    ngx_http_gate_policy_t *policy, ngx_str_t *value);
static ngx_int_t ngx_http_gate_conf_certificate_purpose(ngx_conf_t *cf,
    ngx_str_t *name, ngx_str_t *purpose);
static ngx_int_t ngx_http_gate_conf_certificate_keys(ngx_str_t *list,
    gate_certificate_rules_t *rules);
static ngx_uint_t ngx_http_gate_conf_certificate_dn(ngx_str_t *dn);
static u_char *ngx_http_gate_conf_certificate_value(u_char *p, u_char *last);


char *
ngx_http_gate_conf_certificate(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_policy_t *policy = conf;

    char        *rv;
    ngx_str_t   *value;
    ngx_uint_t   i;

    if (policy->certificate_set) {
        return "is duplicate";
    }

    policy->certificate_set = 1;
    value = cf->args->elts;

    rv = ngx_http_gate_conf_certificate_rule(cf, policy, &value[1]);

    for (i = 2; i < cf->args->nelts && rv == NGX_CONF_OK; i++) {

        if (policy->rules.certificate == GATE_OFF) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" in \"certificate off\" asks for what "
                               "is not looked at", &value[i]);
            return NGX_CONF_ERROR;
        }

        rv = ngx_http_gate_conf_certificate_parameter(cf, policy, &value[i]);
    }

    return rv;
}


static char *
ngx_http_gate_conf_certificate_rule(ngx_conf_t *cf,
    ngx_http_gate_policy_t *policy, ngx_str_t *value)
{
    ngx_uint_t  i;

    static const char *const  words[] = { "required", "optional", "off" };

    for (i = 0; i < 3; i++) {
        if (ngx_strcmp(value->data, words[i]) == 0) {
            policy->rules.certificate = (gate_certificate_rule_e) i;
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"certificate\", it must be "
                       "\"required\", \"optional\" or \"off\"", value);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_gate_conf_certificate_parameter(ngx_conf_t *cf,
    ngx_http_gate_policy_t *policy, ngx_str_t *value)
{
    time_t       age;
    ngx_str_t    arg;
    const char  *must;

    if (ngx_strncmp(value->data, "eku=", 4) == 0 && !policy->purpose.len) {
        arg.data = value->data + 4;
        arg.len = value->len - 4;

        policy->rules.papers.purpose = 1;

        if (ngx_http_gate_conf_certificate_purpose(cf, &arg,
                                                   &policy->purpose)
            == NGX_OK)
        {
            return NGX_CONF_OK;
        }

        must = "a name that OpenSSL has for it, such as \"clientAuth\", "
               "or an OID";

    } else if (ngx_strncmp(value->data, "max_age=", 8) == 0
               && !policy->rules.papers.age)
    {
        arg.data = value->data + 8;
        arg.len = value->len - 8;

        age = ngx_parse_time(&arg, 1);
        policy->rules.papers.age = age;

        if (age != (time_t) NGX_ERROR && age > 0) {
            return NGX_CONF_OK;
        }

        must = "a time from 1s";

    } else if (ngx_strncmp(value->data, "min_key=", 8) == 0
               && !policy->rules.papers.key)
    {
        arg.data = value->data + 8;
        arg.len = value->len - 8;

        policy->rules.papers.key = 1;

        if (ngx_http_gate_conf_certificate_keys(&arg, &policy->rules.papers)
            == NGX_OK)
        {
            return NGX_CONF_OK;
        }

        must = "\"rsa:bits\", \"ec:bits\", or both with a comma between";

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid or duplicate parameter \"%V\" "
                           "in \"certificate\"", value);
        return NGX_CONF_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"%V\" in \"certificate\", it must be %s",
                       value, must);

    return NGX_CONF_ERROR;
}


static ngx_int_t
ngx_http_gate_conf_certificate_purpose(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *purpose)
{
    ASN1_OBJECT  *oid;

    oid = OBJ_txt2obj((char *) name->data, 0);

    ERR_clear_error();

    if (oid == NULL) {
        return NGX_DECLINED;
    }

    purpose->len = OBJ_length(oid);
    purpose->data = ngx_pnalloc(cf->pool, purpose->len);

    if (purpose->data && purpose->len) {
        ngx_memcpy(purpose->data, OBJ_get0_data(oid), purpose->len);
    }

    ASN1_OBJECT_free(oid);

    return purpose->data && purpose->len ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_http_gate_conf_certificate_keys(ngx_str_t *list,
    gate_certificate_rules_t *rules)
{
    u_char      *p, *end, *last;
    size_t       len;
    ngx_int_t    bits;
    gate_key_e   key;

    last = list->data + list->len;

    for (p = list->data; p <= last; p = end + 1) {

        end = ngx_strlchr(p, last, ',');
        end = end ? end : last;

        if (ngx_strncmp(p, "rsa:", 4) == 0) {
            key = GATE_KEY_RSA;
            len = 4;

        } else if (ngx_strncmp(p, "ec:", 3) == 0) {
            key = GATE_KEY_EC;
            len = 3;

        } else {
            return NGX_DECLINED;
        }

        bits = ngx_atoi(p + len, end - p - len);

        if (bits <= 0 || bits > 65536 || rules->bits[key]) {
            return NGX_DECLINED;
        }

        rules->bits[key] = bits;
    }

    return NGX_OK;
}


char *
ngx_http_gate_conf_issuer(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_policy_t *policy = conf;

    ngx_str_t   *value, *issuer;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (!ngx_http_gate_conf_certificate_dn(&value[i])) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid DN \"%V\" in \"issuer\", it must be "
                               "as of RFC 2253, as \"$gate_cert_issuer\" "
                               "shows it: \"CN=ca,O=example\"", &value[i]);
            return NGX_CONF_ERROR;
        }

        issuer = ngx_array_push(&policy->issuers);
        if (issuer == NULL) {
            return NGX_CONF_ERROR;
        }

        *issuer = value[i];
    }

    policy->rules.papers.issuer = 1;

    return NGX_CONF_OK;
}


/*
 * A DN in another form, such as OpenSSL prints by default, would be that of
 * nobody, and that is found out by users.
 */

static ngx_uint_t
ngx_http_gate_conf_certificate_dn(ngx_str_t *dn)
{
    u_char  *p, *type, *last;

    p = dn->data;
    last = dn->data + dn->len;

    for ( ;; ) {
        type = p;

        while (p < last
               && ((*p >= '0' && *p <= '9') || *p == '.' || *p == '-'
                   || (ngx_tolower(*p) >= 'a' && ngx_tolower(*p) <= 'z')))
        {
            p++;
        }

        if (p == type || p == last || *p != '=') {
            return 0;
        }

        p = ngx_http_gate_conf_certificate_value(p + 1, last);

        if (p == NULL || p == last) {
            return p != NULL;
        }

        p++;
    }
}


/* its end, or NULL: it begins or ends with a blank that is not escaped */

static u_char *
ngx_http_gate_conf_certificate_value(u_char *p, u_char *last)
{
    u_char      *start;
    ngx_uint_t   blank;

    start = p;
    blank = 0;

    for ( /* void */ ; p < last && *p != ',' && *p != '+'; p++) {

        blank = *p == ' ';

        if (blank && p == start) {
            return NULL;
        }

        if (*p == '\\' && ++p == last) {
            return NULL;
        }
    }

    return blank ? NULL : p;
}


char *
ngx_http_gate_conf_fingerprints(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_gate_policy_t *policy = conf;

    u_char                     *p, fault[NGX_MAX_CONF_ERRSTR];
    ngx_err_t                   err;
    ngx_str_t                  *value;
    ngx_http_gate_main_conf_t  *gmcf;

    if (policy->fingerprints) {
        return "is duplicate";
    }

    value = cf->args->elts;
    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gate_module);

    policy->fingerprints = ngx_http_gate_fingerprints_add(cf, &gmcf->watches,
                                                          &value[1]);
    if (policy->fingerprints == NULL) {
        return NGX_CONF_ERROR;
    }

    policy->rules.papers.registered = 1;

    p = fault;

    if (ngx_http_gate_watch_load(policy->fingerprints, &p,
                                 fault + NGX_MAX_CONF_ERRSTR, &err)
        == NGX_OK)
    {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, err, "%*s", (size_t) (p - fault),
                       fault);

    return NGX_CONF_ERROR;
}


char *
ngx_http_gate_conf_certificate_complete(ngx_conf_t *cf,
    ngx_http_gate_policy_t *policy)
{
    const char  *word;

    if (policy->crl_expired_set && policy->crls.nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"crl\" is defined for \"crl_expired\" in "
                           "\"gate_policy\" \"%V\"", &policy->name);
        return NGX_CONF_ERROR;
    }

    word = policy->rules.papers.issuer ? "issuer"
           : policy->rules.papers.registered ? "fingerprints"
           : policy->rules.papers.crl ? "crl"
           : policy->balancer ? "certificate_header" : NULL;

    if (policy->rules.certificate != GATE_OFF || word == NULL) {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%s\" asks for certificates, but \"certificate\" is "
                       "\"off\" in \"gate_policy\" \"%V\"", word,
                       &policy->name);

    return NGX_CONF_ERROR;
}
