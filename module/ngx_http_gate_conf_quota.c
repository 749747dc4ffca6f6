/*
 * The "quota" lines of a policy: unit, limit, window, name and key, and the
 * group of quotas that are counted on one account.
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


static char *ngx_http_gate_conf_quota_line(ngx_conf_t *cf,
    ngx_http_gate_quota_line_t *line);
static char *ngx_http_gate_conf_quota_limit(ngx_conf_t *cf,
    ngx_http_gate_quota_line_t *line, ngx_http_gate_group_t *group);
static ngx_http_gate_group_t *ngx_http_gate_conf_quota_group(ngx_conf_t *cf,
    ngx_http_gate_policy_t *policy, ngx_str_t *key);
static char *ngx_http_gate_conf_quota_window(ngx_conf_t *cf, ngx_str_t *arg,
    gate_window_t *window);
static char *ngx_http_gate_conf_quota_offset(ngx_conf_t *cf, ngx_str_t *arg,
    gate_window_t *window);
static char *ngx_http_gate_conf_quota_name(ngx_conf_t *cf,
    ngx_http_gate_policy_t *policy, ngx_http_gate_quota_t *quota,
    ngx_http_gate_quota_line_t *line);


static ngx_str_t  ngx_http_gate_pers[] = {
    ngx_string("hour"),
    ngx_string("day"),
    ngx_string("week"),
    ngx_string("month")
};


char *
ngx_http_gate_conf_quota(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_policy_t *policy = conf;

    char                        *rv;
    ngx_http_gate_quota_t        quota;
    ngx_http_gate_group_t       *group;
    ngx_http_gate_quota_line_t   line;

    ngx_memzero(&quota, sizeof(ngx_http_gate_quota_t));
    ngx_memzero(&line, sizeof(ngx_http_gate_quota_line_t));

    rv = ngx_http_gate_conf_quota_line(cf, &line);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (line.unit.len == 0) {
        return "has no unit, say \"bytes=\", \"requests=\" or "
               "\"documents=\"";
    }

    if (line.per.len == 0) {
        return "has no window, say \"per=hour\", \"day\", \"week\", "
               "\"month\" or a time";
    }

    quota.unit = line.unit.data[0] == 'b' ? GATE_BYTES
                 : line.unit.data[0] == 'r' ? GATE_REQUESTS : GATE_DOCUMENTS;

    rv = ngx_http_gate_conf_quota_window(cf, &line.per, &quota.window);

    if (rv == NGX_CONF_OK && line.offset.data) {
        rv = ngx_http_gate_conf_quota_offset(cf, &line.offset, &quota.window);
    }

    if (rv == NGX_CONF_OK) {
        rv = ngx_http_gate_conf_quota_name(cf, policy, &quota, &line);
    }

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    group = ngx_http_gate_conf_quota_group(cf, policy, &line.key);

    if (group == NULL) {
        return "is given too often, or with too many keys";
    }

    policy->bytes |= quota.unit == GATE_BYTES;

    rv = ngx_http_gate_conf_quota_limit(cf, &line, group);

    group->kind->quotas[group->kind->nquotas++] = quota;
    group->kind->documents += quota.unit == GATE_DOCUMENTS;

    return rv;
}


static char *
ngx_http_gate_conf_quota_line(ngx_conf_t *cf, ngx_http_gate_quota_line_t *line)
{
    ngx_str_t   *value, *field, arg;
    ngx_uint_t   i, k;

    static const struct {
        const char  *word;
        size_t       offset;
    } words[] = {
        { "bytes=", offsetof(ngx_http_gate_quota_line_t, limit) },
        { "requests=", offsetof(ngx_http_gate_quota_line_t, limit) },
        { "documents=", offsetof(ngx_http_gate_quota_line_t, limit) },
        { "per=", offsetof(ngx_http_gate_quota_line_t, per) },
        { "offset=", offsetof(ngx_http_gate_quota_line_t, offset) },
        { "name=", offsetof(ngx_http_gate_quota_line_t, name) },
        { "key=", offsetof(ngx_http_gate_quota_line_t, key) }
    };

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        arg = value[i];

        for (k = 0; k < 7; k++) {
            if (ngx_strncmp(arg.data, words[k].word,
                            ngx_strlen(words[k].word))
                == 0)
            {
                break;
            }
        }

        if (k == 7) {
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

        if (k < 3) {
            line->unit.data = arg.data;
            line->unit.len = ngx_strlen(words[k].word) - 1;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gate_conf_quota_limit(ngx_conf_t *cf, ngx_http_gate_quota_line_t *line,
    ngx_http_gate_group_t *group)
{
    uint64_t                          *limit;
    ngx_http_complex_value_t          *cv;
    ngx_http_compile_complex_value_t   ccv;

    cv = &group->limits[group->kind->nquotas];
    limit = &group->fixed[group->kind->nquotas];

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

    if (ngx_http_gate_conf_limit(&line->limit, limit) != NGX_OK
        || *limit == 0)
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
ngx_http_gate_conf_quota_group(ngx_conf_t *cf, ngx_http_gate_policy_t *policy,
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
            || (key->len && ngx_strncmp(group->text.data, key->data, key->len)
                            != 0))
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
ngx_http_gate_conf_quota_window(ngx_conf_t *cf, ngx_str_t *arg,
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
ngx_http_gate_conf_quota_offset(ngx_conf_t *cf, ngx_str_t *arg,
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
ngx_http_gate_conf_quota_name(ngx_conf_t *cf, ngx_http_gate_policy_t *policy,
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
