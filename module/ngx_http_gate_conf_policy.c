/*
 * The "gate_policy" block: a table of its words, a function for each that is
 * more than a slot, and at its end what no single word can tell.
 */


#include "ngx_http_gate_conf.h"


/* what a "quota" line says, before it has its place */

typedef struct {
    ngx_str_t                  unit;
    ngx_str_t                  limit;
    ngx_str_t                  per;
    ngx_str_t                  offset;
    ngx_str_t                  name;
    ngx_str_t                  key;
} ngx_http_gate_quota_line_t;


static char *ngx_http_gate_policy_user(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gate_policy_certificate(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_gate_policy_country(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gate_policy_quota(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gate_policy_line(ngx_conf_t *cf,
    ngx_http_gate_quota_line_t *line);
static char *ngx_http_gate_policy_limit(ngx_conf_t *cf,
    ngx_http_gate_quota_line_t *line, ngx_http_complex_value_t *cv);
static char *ngx_http_gate_policy_window(ngx_conf_t *cf, ngx_str_t *arg,
    gate_window_t *window);
static char *ngx_http_gate_policy_offset(ngx_conf_t *cf, ngx_str_t *arg,
    gate_window_t *window);
static char *ngx_http_gate_policy_name(ngx_conf_t *cf,
    ngx_http_gate_policy_t *policy, ngx_http_gate_quota_t *quota,
    ngx_http_gate_quota_line_t *line);
static ngx_http_gate_group_t *ngx_http_gate_policy_group(ngx_conf_t *cf,
    ngx_http_gate_policy_t *policy, ngx_str_t *key);
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
      NGX_CONF_TAKE1,
      ngx_http_gate_policy_user,
      0, 0, NULL },

    { ngx_string("certificate"),
      NGX_CONF_TAKE1,
      ngx_http_gate_policy_certificate,
      0, 0, NULL },

    { ngx_string("allow_country"),
      NGX_CONF_1MORE,
      ngx_http_gate_policy_country,
      0, offsetof(ngx_http_gate_policy_t, allow), NULL },

    { ngx_string("deny_country"),
      NGX_CONF_1MORE,
      ngx_http_gate_policy_country,
      0, offsetof(ngx_http_gate_policy_t, deny), NULL },

    { ngx_string("quota"),
      NGX_CONF_1MORE,
      ngx_http_gate_policy_quota,
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


static ngx_str_t  ngx_http_gate_pers[] = {
    ngx_string("hour"),
    ngx_string("day"),
    ngx_string("week"),
    ngx_string("month")
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

    policy = ngx_pcalloc(cf->pool, sizeof(ngx_http_gate_policy_t));
    p = ngx_array_push(&gmcf->policies);

    if (policy == NULL || p == NULL
        || ngx_array_init(&policy->allow, cf->pool, 4, sizeof(gate_country_t))
           != NGX_OK
        || ngx_array_init(&policy->deny, cf->pool, 4, sizeof(gate_country_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    *p = policy;

    policy->name = value[1];
    policy->file = cf->conf_file->file.name.data;
    policy->line = cf->conf_file->line;

    for (i = 0; i < GATE_REASONS; i++) {
        policy->status[i] = NGX_HTTP_FORBIDDEN;
    }

    policy->status[GATE_REASON_QUOTA] = NGX_HTTP_TOO_MANY_REQUESTS;
    policy->status[GATE_REASON_UNAVAILABLE] = NGX_HTTP_SERVICE_UNAVAILABLE;

    rv = ngx_http_gate_conf_block(cf, ngx_http_gate_policy_commands, policy);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_http_gate_policy_complete(cf, gmcf, policy);
}


static char *
ngx_http_gate_policy_user(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_policy_t *policy = conf;

    ngx_str_t                         *value;
    ngx_http_compile_complex_value_t   ccv;

    if (policy->user) {
        return "is duplicate";
    }

    value = cf->args->elts;

    policy->user = ngx_pcalloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (policy->user == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = policy->user;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}


static char *
ngx_http_gate_policy_certificate(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_gate_policy_t *policy = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    static const char *const  words[] = { "required", "optional", "off" };

    if (policy->certificate_set) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 0; i < 3; i++) {
        if (ngx_strcmp(value[1].data, words[i]) == 0) {
            policy->certificate_set = 1;
            policy->rules.certificate = (gate_certificate_rule_e) i;
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"certificate\", it must be "
                       "\"required\", \"optional\" or \"off\"", &value[1]);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_gate_policy_country(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    ngx_str_t       *value;
    ngx_uint_t       i;
    ngx_array_t     *list;
    gate_country_t  *country;

    list = (ngx_array_t *) (p + cmd->offset);
    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        country = ngx_array_push(list);
        if (country == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(country, sizeof(gate_country_t));

        if (ngx_strcmp(value[i].data, "unknown") == 0) {
            continue;
        }

        country->code[0] = (char) ngx_toupper(value[i].data[0]);
        country->code[1] = value[i].len == 2
                           ? (char) ngx_toupper(value[i].data[1]) : '\0';

        if (country->code[0] < 'A' || country->code[0] > 'Z'
            || country->code[1] < 'A' || country->code[1] > 'Z')
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid country \"%V\" in \"%V\", it must be "
                               "two letters of ISO 3166-1 or \"unknown\"",
                               &value[i], &cmd->name);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gate_policy_quota(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_policy_t *policy = conf;

    char                        *rv;
    ngx_http_gate_quota_t        quota;
    ngx_http_gate_group_t       *group;
    ngx_http_gate_quota_line_t   line;

    ngx_memzero(&quota, sizeof(ngx_http_gate_quota_t));
    ngx_memzero(&line, sizeof(ngx_http_gate_quota_line_t));

    rv = ngx_http_gate_policy_line(cf, &line);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (line.unit.len == 0) {
        return "has no unit, say \"bytes=\" or \"requests=\"";
    }

    if (line.per.len == 0) {
        return "has no window, say \"per=hour\", \"day\", \"week\", "
               "\"month\" or a time";
    }

    quota.unit = line.unit.len == 5 ? GATE_BYTES : GATE_REQUESTS;

    rv = ngx_http_gate_policy_window(cf, &line.per, &quota.window);

    if (rv == NGX_CONF_OK && line.offset.data) {
        rv = ngx_http_gate_policy_offset(cf, &line.offset, &quota.window);
    }

    if (rv == NGX_CONF_OK) {
        rv = ngx_http_gate_policy_name(cf, policy, &quota, &line);
    }

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    group = ngx_http_gate_policy_group(cf, policy, &line.key);

    if (group == NULL) {
        return "is given too often, or with too many keys";
    }

    policy->bytes |= quota.unit == GATE_BYTES;

    rv = ngx_http_gate_policy_limit(cf, &line,
                                    &group->limits[group->kind->nquotas]);

    group->kind->quotas[group->kind->nquotas++] = quota;

    return rv;
}


static char *
ngx_http_gate_policy_line(ngx_conf_t *cf, ngx_http_gate_quota_line_t *line)
{
    ngx_str_t   *value, *field, arg;
    ngx_uint_t   i, k;

    static const struct {
        const char  *word;
        size_t       offset;
    } words[] = {
        { "bytes=", offsetof(ngx_http_gate_quota_line_t, limit) },
        { "requests=", offsetof(ngx_http_gate_quota_line_t, limit) },
        { "per=", offsetof(ngx_http_gate_quota_line_t, per) },
        { "offset=", offsetof(ngx_http_gate_quota_line_t, offset) },
        { "name=", offsetof(ngx_http_gate_quota_line_t, name) },
        { "key=", offsetof(ngx_http_gate_quota_line_t, key) }
    };

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        arg = value[i];

        for (k = 0; k < 6; k++) {
            if (ngx_strncmp(arg.data, words[k].word,
                            ngx_strlen(words[k].word))
                == 0)
            {
                break;
            }
        }

        if (k == 6) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" in \"quota\"", &arg);
            return NGX_CONF_ERROR;
        }

        field = (ngx_str_t *) ((char *) line + words[k].offset);

        if (field->data) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate parameter \"%V\" in \"quota\"",
                               &arg);
            return NGX_CONF_ERROR;
        }

        field->data = arg.data + ngx_strlen(words[k].word);
        field->len = arg.len - ngx_strlen(words[k].word);

        if (k < 2) {
            line->unit.data = arg.data;
            line->unit.len = ngx_strlen(words[k].word) - 1;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gate_policy_limit(ngx_conf_t *cf, ngx_http_gate_quota_line_t *line,
    ngx_http_complex_value_t *cv)
{
    uint64_t                           limit;
    ngx_http_compile_complex_value_t   ccv;

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &line->limit;
    ccv.complex_value = cv;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (cv->lengths) {
        return NGX_CONF_OK;
    }

    if (ngx_http_gate_conf_limit(&line->limit, &limit) != NGX_OK
        || limit == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid limit \"%V\" of %V, it must be a number "
                           "above 0, with k, m or g if you like, or \"off\"",
                           &line->limit, &line->unit);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/*
 * The group of a key that has room, or a new one.  Its accounts are told apart
 * by what stands behind the policy's name: nothing for the user, a number for
 * more than four quotas of him, a checksum for another key.
 */

static ngx_http_gate_group_t *
ngx_http_gate_policy_group(ngx_conf_t *cf, ngx_http_gate_policy_t *policy,
    ngx_str_t *key)
{
    u_char                            *p;
    ngx_uint_t                         i, same;
    ngx_http_gate_kind_t              *kind;
    ngx_http_gate_group_t             *group;
    ngx_http_compile_complex_value_t   ccv;

    same = 1;

    for (i = 0; i < policy->ngroups; i++) {
        group = &policy->groups[i];

        if (group->text.len != key->len
            || ngx_strncmp(group->text.data, key->data, key->len) != 0)
        {
            continue;
        }

        if (group->kind->nquotas < NGX_HTTP_GATE_QUOTAS) {
            return group;
        }

        same++;
    }

    if (policy->ngroups == NGX_HTTP_GATE_ACCOUNTS) {
        return NULL;
    }

    group = &policy->groups[policy->ngroups];
    group->text = *key;

    kind = ngx_pcalloc(cf->pool, sizeof(ngx_http_gate_kind_t));
    p = ngx_pnalloc(cf->pool, NGX_HTTP_GATE_SUFFIX_MAX + NGX_INT_T_LEN);

    if (kind == NULL || p == NULL) {
        return NULL;
    }

    kind->suffix.data = p;
    p = ngx_sprintf(p, ":%V", &policy->name);

    if (key->len) {
        p = ngx_sprintf(p, "/%08xD", ngx_crc32_long(key->data, key->len));

        group->key = ngx_pcalloc(cf->pool, sizeof(ngx_http_complex_value_t));
        if (group->key == NULL) {
            return NULL;
        }

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = key;
        ccv.complex_value = group->key;

        if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
            return NULL;
        }
    }

    if (same > 1) {
        p = ngx_sprintf(p, "/%ui", same);
    }

    kind->suffix.len = p - kind->suffix.data;
    kind->hash = ngx_murmur_hash2(kind->suffix.data, kind->suffix.len);

    group->kind = kind;
    policy->ngroups++;

    return group;
}


static char *
ngx_http_gate_policy_window(ngx_conf_t *cf, ngx_str_t *arg,
    gate_window_t *window)
{
    time_t      length;
    ngx_uint_t  i;

    for (i = 0; i < 4; i++) {
        if (arg->len == ngx_http_gate_pers[i].len
            && ngx_strncmp(arg->data, ngx_http_gate_pers[i].data, arg->len)
               == 0)
        {
            window->per = (gate_per_e) i;
            return NGX_CONF_OK;
        }
    }

    length = ngx_parse_time(arg, 1);

    if (length == (time_t) NGX_ERROR || length == 0
        || length > GATE_WINDOW_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid window \"per=%V\", it must be \"hour\", "
                           "\"day\", \"week\", \"month\" or a time from 1s "
                           "to 400d", arg);
        return NGX_CONF_ERROR;
    }

    window->per = GATE_PER_TIME;
    window->length = length;

    return NGX_CONF_OK;
}


/* UTC plus "9h", or minus "-5h" */

static char *
ngx_http_gate_policy_offset(ngx_conf_t *cf, ngx_str_t *arg,
    gate_window_t *window)
{
    time_t      offset;
    ngx_str_t   time;
    ngx_uint_t  minus;

    time = *arg;
    minus = time.len > 0 && time.data[0] == '-';
    time.data += minus;
    time.len -= minus;

    offset = ngx_parse_time(&time, 1);

    if (offset == (time_t) NGX_ERROR || offset >= 86400) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"offset=%V\", it must be a time below "
                           "24h, with \"-\" west of UTC", arg);
        return NGX_CONF_ERROR;
    }

    if (window->per == GATE_PER_TIME) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"offset=%V\" is for calendar windows only", arg);
        return NGX_CONF_ERROR;
    }

    window->offset = minus ? -offset : offset;

    return NGX_CONF_OK;
}


/* a quota is known by its name: in Redis, in logs, over reloads */

static char *
ngx_http_gate_policy_name(ngx_conf_t *cf, ngx_http_gate_policy_t *policy,
    ngx_http_gate_quota_t *quota, ngx_http_gate_quota_line_t *line)
{
    u_char                *p;
    uint32_t               crc;
    ngx_uint_t             i, k;
    ngx_http_gate_kind_t  *kind;

    quota->name = line->name;

    if (quota->name.data == NULL) {
        quota->name.len = line->unit.len + 1 + line->per.len;
        quota->name.data = ngx_pnalloc(cf->pool, quota->name.len);
        if (quota->name.data == NULL) {
            return NGX_CONF_ERROR;
        }

        p = ngx_cpymem(quota->name.data, line->unit.data, line->unit.len);
        *p++ = '-';
        ngx_memcpy(p, line->per.data, line->per.len);
    }

    for (i = 0; i < quota->name.len; i++) {
        p = &quota->name.data[i];

        if ((*p < 'a' || *p > 'z') && (*p < 'A' || *p > 'Z')
            && (*p < '0' || *p > '9') && *p != '-' && *p != '_')
        {
            break;
        }
    }

    if (quota->name.len == 0 || quota->name.len > 32 || i < quota->name.len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name \"%V\" of a quota: it may have 32 "
                           "letters, digits, \"-\" and \"_\"", &quota->name);
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < policy->ngroups; i++) {
        kind = policy->groups[i].kind;

        for (k = 0; k < kind->nquotas; k++) {
            if (kind->quotas[k].name.len == quota->name.len
                && ngx_strncmp(kind->quotas[k].name.data, quota->name.data,
                               quota->name.len)
                   == 0)
            {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "duplicate quota \"%V\" in policy \"%V\", "
                                   "give one of them a \"name=\"",
                                   &quota->name, &policy->name);
                return NGX_CONF_ERROR;
            }
        }
    }

    ngx_crc32_init(crc);
    ngx_crc32_update(&crc, quota->name.data, quota->name.len);
    ngx_crc32_update(&crc, line->unit.data, line->unit.len);
    ngx_crc32_update(&crc, (u_char *) &quota->window, sizeof(gate_window_t));
    ngx_crc32_final(crc);

    quota->id = crc ? crc : 1;

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

    policy->rules.allow = policy->allow.elts;
    policy->rules.nallow = policy->allow.nelts;
    policy->rules.deny = policy->deny.elts;
    policy->rules.ndeny = policy->deny.nelts;
    policy->rules.nquotas = policy->ngroups * NGX_HTTP_GATE_QUOTAS;

    if (policy->ngroups && policy->user == NULL) {
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
