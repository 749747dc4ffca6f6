/*
 * What a query says: texts, numbers, spans of time, and the form of an answer;
 * the query that goes on after this one; and of whom a change is.
 */


#include "ngx_http_gate_admin_inner.h"

#include "ngx_http_gate_header.h"


/* days that a span has if nothing is said, and at most */
#define NGX_HTTP_GATE_SPAN_DAYS  30
#define NGX_HTTP_GATE_SPAN_MOST  400

#define NGX_HTTP_GATE_DAY        86400


static u_char *ngx_http_gate_admin_query(u_char *p, const ngx_str_t *args,
    const char *name);
static ngx_int_t ngx_http_gate_admin_time(ngx_http_gate_admin_ctx_t *ctx,
    const char *name, ngx_uint_t end, time_t *sec);
static ngx_int_t ngx_http_gate_admin_date(const ngx_str_t *text,
    ngx_uint_t end, time_t *sec);


ngx_int_t
ngx_http_gate_admin_argument(ngx_http_gate_admin_ctx_t *ctx,
    const char *name, ngx_str_t *value)
{
    u_char              *dst, *src;
    ngx_str_t            raw;
    ngx_http_request_t  *r;

    r = ctx->request;

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &raw) != NGX_OK) {
        return NGX_DECLINED;
    }

    dst = ngx_pnalloc(r->pool, raw.len);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    value->data = dst;
    src = raw.data;

    ngx_unescape_uri(&dst, &src, raw.len, 0);

    value->len = dst - value->data;

    return NGX_OK;
}


ngx_int_t
ngx_http_gate_admin_number(ngx_http_gate_admin_ctx_t *ctx, const char *name,
    ngx_uint_t other, ngx_uint_t most, ngx_uint_t *n)
{
    ngx_int_t  value;
    ngx_str_t  text;

    *n = other;

    switch (ngx_http_gate_admin_argument(ctx, name, &text)) {

    case NGX_DECLINED:
        return NGX_OK;

    case NGX_ERROR:
        return NGX_ERROR;

    default: /* NGX_OK */
        break;
    }

    value = ngx_atoi(text.data, text.len);

    if (value == NGX_ERROR || (ngx_uint_t) value > most) {
        return NGX_DECLINED;
    }

    *n = value;

    return NGX_OK;
}


ngx_uint_t
ngx_http_gate_admin_word(const char *word, const char *const *words,
    ngx_uint_t n)
{
    while (n--) {
        if (ngx_strcmp(word, words[n]) == 0) {
            return 1;
        }
    }

    return 0;
}


uint64_t
ngx_http_gate_admin_value(const ngx_str_t *cell)
{
    off_t  n;

    n = ngx_atoof(cell->data, cell->len);

    return n == NGX_ERROR ? 0 : (uint64_t) n;
}


const char *
ngx_http_gate_admin_whose(ngx_http_gate_admin_ctx_t *ctx,
    ngx_str_t *user, const ngx_http_gate_admin_policy_t **policy)
{
    ngx_str_t                      name;
    ngx_uint_t                     i;
    ngx_http_gate_admin_policy_t  *policies;

    if (!ngx_http_gate_admin_body_text(ctx->body, "user", user)
        || user->len == 0 || user->len > NGX_HTTP_GATE_ADMIN_USER)
    {
        return "\"user\" must be a name of 1 to 255 bytes.";
    }

    if (!ngx_http_gate_admin_body_text(ctx->body, "policy", &name)) {
        return "\"policy\" must be the name of one.";
    }

    policies = ctx->admin.policies->elts;

    for (i = 0; i < ctx->admin.policies->nelts; i++) {

        if (policies[i].name.len == name.len
            && ngx_memcmp(policies[i].name.data, name.data, name.len) == 0)
        {
            *policy = &policies[i];
            return NULL;
        }
    }

    return "There is no such policy.";
}


ngx_uint_t
ngx_http_gate_admin_body_text(json_t *body, const char *name,
    ngx_str_t *text)
{
    json_t  *value;

    value = json_object_get(body, name);

    if (!json_is_string(value)) {
        return 0;
    }

    text->data = (u_char *) json_string_value(value);
    text->len = json_string_length(value);

    return 1;
}


ngx_uint_t
ngx_http_gate_admin_body_number(json_t *body, const char *name, uint64_t *n)
{
    json_t  *value;

    value = json_object_get(body, name);

    if (value == NULL || json_is_null(value)) {
        return 1;
    }

    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return 0;
    }

    *n = json_integer_value(value);

    return 1;
}


ngx_uint_t
ngx_http_gate_admin_csv(ngx_http_gate_admin_ctx_t *ctx)
{
    ngx_str_t  format;

    return ngx_http_gate_admin_argument(ctx, "format", &format) == NGX_OK
           && format.len == 3 && ngx_memcmp(format.data, "csv", 3) == 0;
}


ngx_int_t
ngx_http_gate_admin_next(ngx_http_gate_admin_ctx_t *ctx, const char *name,
    const ngx_str_t *value)
{
    u_char              *p, *link;
    ngx_http_request_t  *r;

    r = ctx->request;

    link = ngx_pnalloc(r->pool, sizeof("<?&=>; rel=\"next\"") + 3 * r->args.len
                                + ngx_strlen(name) + value->len);
    if (link == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(link, "<?", 2);
    p = ngx_http_gate_admin_query(p, &r->args, name);
    p = ngx_sprintf(p, "%s=%V>; rel=\"next\"", name, value);

    return ngx_http_gate_header_add(r, "Link", link, p - link);
}


/*
 * The arguments that have another name, each with "&" behind; what RFC 3986 3.4
 * does not let stand in a query is percent-encoded.
 */

static u_char *
ngx_http_gate_admin_query(u_char *p, const ngx_str_t *args, const char *name)
{
    size_t   len;
    u_char  *pos, *end, *last;

    len = ngx_strlen(name);
    last = args->data + args->len;

    for (pos = args->data; pos < last; pos = end + 1) {
        end = ngx_strlchr(pos, last, '&');
        end = end ? end : last;

        if (end == pos
            || ((size_t) (end - pos) > len && pos[len] == '='
                && ngx_strncasecmp(pos, (u_char *) name, len) == 0))
        {
            continue;
        }

        while (pos < end) {
            p = *pos > ' ' && *pos < 0x7f && ngx_strchr("\"<>\\^`{|}", *pos)
                                             == NULL
                ? ngx_cpymem(p, pos, 1) : ngx_sprintf(p, "%%%02XD", *pos);
            pos++;
        }

        *p++ = '&';
    }

    return p;
}


ngx_int_t
ngx_http_gate_admin_span(ngx_http_gate_admin_ctx_t *ctx,
    ngx_http_gate_admin_span_t *span)
{
    ngx_tm_t    tm;
    ngx_uint_t  i;

    span->end = (ngx_time() / NGX_HTTP_GATE_DAY + 1) * NGX_HTTP_GATE_DAY - 1;

    if (ngx_http_gate_admin_time(ctx, "to", 1, &span->end) != NGX_OK) {
        return NGX_DECLINED;
    }

    span->begin = (span->end / NGX_HTTP_GATE_DAY - NGX_HTTP_GATE_SPAN_DAYS + 1)
                  * NGX_HTTP_GATE_DAY;

    if (ngx_http_gate_admin_time(ctx, "from", 0, &span->begin) != NGX_OK
        || span->begin < NGX_HTTP_GATE_DAY || span->begin > span->end)
    {
        return NGX_DECLINED;
    }

    span->from = (uint32_t) (span->begin / NGX_HTTP_GATE_DAY);
    span->to = (uint32_t) (span->end / NGX_HTTP_GATE_DAY);

    for (i = 0; i < 2; i++) {
        ngx_gmtime(i == 0 ? span->begin : span->end, &tm);

        *ngx_sprintf((u_char *) span->text[i], "%4d-%02d-%02dT%02d:%02d:%02dZ",
                     tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                     tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec) = '\0';
    }

    return span->to - span->from < NGX_HTTP_GATE_SPAN_MOST ? NGX_OK
                                                           : NGX_DECLINED;
}


static ngx_int_t
ngx_http_gate_admin_time(ngx_http_gate_admin_ctx_t *ctx, const char *name,
    ngx_uint_t end, time_t *sec)
{
    ngx_int_t  rc;
    ngx_str_t  text;

    rc = ngx_http_gate_admin_argument(ctx, name, &text);

    return rc == NGX_DECLINED ? NGX_OK
           : rc == NGX_OK ? ngx_http_gate_admin_date(&text, end, sec) : rc;
}


/* "2026-11-25", its last second if it is an end; or "2026-11-25T09:00:00Z" */

static ngx_int_t
ngx_http_gate_admin_date(const ngx_str_t *text, ngx_uint_t end, time_t *sec)
{
    ngx_int_t    n[6];
    ngx_uint_t   i, parts;
    struct tm    tm, read;

    static const u_char  at[] = { 0, 5, 8, 11, 14, 17 };
    static const char    behind[] = "--T::Z";

    if (text->len != 10 && text->len != 20) {
        return NGX_DECLINED;
    }

    parts = text->len == 10 ? 3 : 6;
    ngx_memzero(n, sizeof(n));

    for (i = 0; i < parts; i++) {
        n[i] = ngx_atoi(text->data + at[i], i == 0 ? 4 : 2);

        if (n[i] == NGX_ERROR
            || ((i != 2 || parts == 6)
                && text->data[at[i] + (i == 0 ? 4 : 2)] != behind[i]))
        {
            return NGX_DECLINED;
        }
    }

    ngx_memzero(&tm, sizeof(struct tm));

    tm.tm_year = (int) n[0] - 1900;
    tm.tm_mon = (int) n[1] - 1;
    tm.tm_mday = (int) n[2];
    tm.tm_hour = (int) n[3];
    tm.tm_min = (int) n[4];
    tm.tm_sec = (int) n[5];

    read = tm;
    *sec = timegm(&tm);

    /* there is no 31st of November */

    if (*sec <= 0 || tm.tm_mday != read.tm_mday || tm.tm_mon != read.tm_mon
        || tm.tm_hour != read.tm_hour || tm.tm_min != read.tm_min
        || tm.tm_sec != read.tm_sec)
    {
        return NGX_DECLINED;
    }

    if (parts == 3 && end) {
        *sec += NGX_HTTP_GATE_DAY - 1;
    }

    return NGX_OK;
}
