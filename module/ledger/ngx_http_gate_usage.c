/*
 * Names of keys.
 */


#include "ngx_http_gate_usage.h"


u_char *
ngx_http_gate_usage_key(u_char *p, ngx_http_gate_usage_key_e key,
    const ngx_str_t *prefix, const ngx_str_t *name, uint32_t day,
    const ngx_str_t *node)
{
    u_char    *start, *blank;
    ngx_tm_t   tm;
    ngx_str_t  date, tag;
    u_char     text[sizeof("2026-11-25") + NGX_INT_T_LEN];

    static const char *const  format[] = {
        "%V:{%V}/projects:%V", "%V:{%V}/users:%V",
        "%V:{%V}/users", "%V:{%V}/projects", "%V:{%V}/largest",
        "%V:{%V}/projects:told:%V", "%V:{%V}/users:told:%V"
    };

    ngx_gmtime((time_t) day * 86400, &tm);

    date.data = text;
    date.len = ngx_sprintf(text, "%04d-%02d-%02d", tm.ngx_tm_year,
                           tm.ngx_tm_mon, tm.ngx_tm_mday)
               - text;
    tag = date;

    if (name && key != NGX_HTTP_GATE_USAGE_TOP_USERS
        && key != NGX_HTTP_GATE_USAGE_TOP_PROJECTS
        && key != NGX_HTTP_GATE_USAGE_LARGEST)
    {
        /* of one that is long or odd, the SHA-256 */

        tag = *name;
        blank = ngx_strlchr(tag.data, tag.data + tag.len, ' ');
        tag.len = blank ? (size_t) (blank - tag.data) : tag.len;
    }

    start = p;

    return ngx_snprintf(start, NGX_HTTP_GATE_USAGE_KEY, format[key], prefix,
                        &tag,
                        key >= NGX_HTTP_GATE_USAGE_TOLD_USERS ? node : &date);
}


time_t
ngx_http_gate_usage_ends(uint32_t day, time_t keep)
{
    return ((time_t) day + 1) * 86400
           + (keep ? keep : NGX_HTTP_GATE_USAGE_KEEP);
}
