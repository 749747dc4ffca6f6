/*
 * Names of users, projects and keys.
 */


#include "ngx_http_gate_usage.h"

#include <openssl/sha.h>


#define NGX_HTTP_GATE_USAGE_ONES  ((uint64_t) 0x0101010101010101)


/* most names stay where they are */

ngx_int_t
ngx_http_gate_usage_text(ngx_pool_t *pool, ngx_str_t *text,
    const ngx_str_t *name)
{
    u_char  *p, digest[SHA256_DIGEST_LENGTH];

    if (name->len == 0) {
        ngx_str_set(text, "#none");
        return NGX_OK;
    }

    if (name->len <= NGX_HTTP_GATE_USAGE_PLAIN && name->data[0] != '#'
        && ngx_http_gate_usage_is_plain(name))
    {
        *text = *name;
        return NGX_OK;
    }

    p = ngx_pnalloc(pool, NGX_HTTP_GATE_USAGE_NAME);
    if (p == NULL) {
        return NGX_ERROR;
    }

    SHA256(name->data, name->len, digest);

    text->data = p;

    *p++ = '#';
    p = ngx_hex_dump(p, digest, sizeof(digest));
    *p++ = ' ';
    p = ngx_cpymem(p, name->data, ngx_min(name->len,
                                          NGX_HTTP_GATE_USAGE_KEPT));
    text->len = p - text->data;

    return NGX_OK;
}


/* eight bytes at a time: is one of them below n, which is 128 at most? */

#define ngx_http_gate_usage_below(word, n)                                   \
    (((word) - NGX_HTTP_GATE_USAGE_ONES * (n)) & ~(word)                     \
     & NGX_HTTP_GATE_USAGE_ONES * 0x80)

#define ngx_http_gate_usage_has(word, c)                                     \
    ngx_http_gate_usage_below((word) ^ NGX_HTTP_GATE_USAGE_ONES * (c), 1)


ngx_uint_t
ngx_http_gate_usage_is_plain(const ngx_str_t *name)
{
    size_t    i, n;
    uint64_t  word, odd;

    odd = 0;

    for (i = 0; i < name->len; i += 8) {
        n = ngx_min(name->len - i, 8);

        /* what is missing of the last is filled up; eight are one load */

        word = NGX_HTTP_GATE_USAGE_ONES * '-';

        if (n == 8) {
            ngx_memcpy(&word, name->data + i, 8);

        } else {
            ngx_memcpy(&word, name->data + i, n);
        }

        odd |= ngx_http_gate_usage_below(word, 0x21)
               | ngx_http_gate_usage_has(word, '{')
               | ngx_http_gate_usage_has(word, '}')
               | ngx_http_gate_usage_has(word, 0x7f);
    }

    return odd == 0;
}


ngx_uint_t
ngx_http_gate_usage_is_text(const ngx_str_t *name)
{
    size_t  i;

    if ((name->len == 5 && ngx_memcmp(name->data, "#none", 5) == 0)
        || (name->len == 7 && ngx_memcmp(name->data, "#others", 7) == 0))
    {
        return 1;
    }

    if (name->len < 65 || name->data[0] != '#'
        || (name->len > 65 && name->data[65] != ' '))
    {
        return 0;
    }

    for (i = 1; i < 65; i++) {
        if ((name->data[i] < '0' || name->data[i] > '9')
            && (name->data[i] < 'a' || name->data[i] > 'f'))
        {
            return 0;
        }
    }

    return 1;
}


u_char *
ngx_http_gate_usage_date(u_char *p, uint32_t day)
{
    ngx_tm_t  tm;

    ngx_gmtime((time_t) day * 86400, &tm);

    return ngx_sprintf(p, "%04d-%02d-%02d", tm.ngx_tm_year, tm.ngx_tm_mon,
                       tm.ngx_tm_mday);
}


uint32_t
ngx_http_gate_usage_day(const ngx_str_t *date)
{
    u_char     text[NGX_HTTP_GATE_USAGE_DATE], *p;
    uint32_t   day;
    ngx_int_t  year, month, mday;

    if (date->len != sizeof("2026-11-25") - 1) {
        return 0;
    }

    p = date->data;
    year = ngx_atoi(p, 4);
    month = ngx_atoi(p + 5, 2);
    mday = ngx_atoi(p + 8, 2);

    if (year < 1970 || month < 1 || month > 12 || mday < 1) {
        return 0;
    }

    /* Gauss' formula, for a year that begins in March */

    month -= 2;

    if (month <= 0) {
        month += 12;
        year--;
    }

    day = (uint32_t) (365 * year + year / 4 - year / 100 + year / 400
                      + 367 * month / 12 - 30 + mday - 1 - 719527 + 31 + 28);

    /* as it would be written */

    p = ngx_http_gate_usage_date(text, day);

    return (size_t) (p - text) == date->len
           && ngx_memcmp(text, date->data, date->len) == 0 ? day : 0;
}


u_char *
ngx_http_gate_usage_key(u_char *p, ngx_http_gate_usage_key_e key,
    ngx_http_gate_usage_span_e span, const ngx_str_t *prefix,
    const ngx_str_t *name, uint32_t day, const ngx_str_t *node)
{
    u_char    *start, *blank, text[NGX_HTTP_GATE_USAGE_DATE];
    ngx_str_t  date, tag;

    static const char *const  format[] = {
        "%V:{%V}/projects:%V", "%V:{%V}/users:%V",
        "%V:{%V}/users", "%V:{%V}/projects", "%V:{%V}/largest",
        "%V:{%V}/projects:told:%V", "%V:{%V}/users:told:%V"
    };

    date.data = text;
    date.len = ngx_http_gate_usage_date(text, day) - text;

    if (span == NGX_HTTP_GATE_USAGE_MONTH) {
        date.len -= sizeof("-25") - 1;
    }

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


uint32_t
ngx_http_gate_usage_next_month(uint32_t day)
{
    ngx_tm_t  tm;

    ngx_gmtime((time_t) day * 86400, &tm);

    /* the 28th of any month, and from there some days */

    for (day += 29 - tm.ngx_tm_mday; /* void */ ; day++) {
        ngx_gmtime((time_t) day * 86400, &tm);

        if (tm.ngx_tm_mday == 1) {
            return day;
        }
    }
}
