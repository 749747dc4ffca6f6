/*
 * A refusal as a page.  Fields are gathered once, as plain text in the
 * language, and escaped where they are put in; words, which do not depend on
 * the request, when nginx reads its configuration.  Numbers are for people: in
 * JSON they are exact.
 */


#include "ngx_http_gate_refusal_render.h"

#include "gate_judge.h"
#include "ngx_http_gate_refusal_texts.h"


/* of one field that is made here: an amount, a time */
#define NGX_HTTP_GATE_REFUSAL_TEXT  192


typedef enum {
    NGX_HTTP_GATE_PART_TEXT = 0,
    NGX_HTTP_GATE_PART_FIELD,
    NGX_HTTP_GATE_PART_IF,
    NGX_HTTP_GATE_PART_END
} ngx_http_gate_refusal_part_e;


typedef struct {
    ngx_http_gate_refusal_part_e   type;
    ngx_str_t                      text;
    size_t                         field;   /* its offset */
} ngx_http_gate_refusal_part_t;


typedef struct {
    ngx_str_t                      language;
    ngx_str_t                      title;
    ngx_str_t                      detail;
    ngx_str_t                      advice;
    ngx_str_t                      limit_label;
    ngx_str_t                      limit;
    ngx_str_t                      quota;
    ngx_str_t                      used_label;
    ngx_str_t                      used;
    ngx_str_t                      opens_label;
    ngx_str_t                      opens_iso;   /* RFC 3339 */
    ngx_str_t                      opens;
    ngx_str_t                      zone;
    ngx_str_t                      reference_label;
    ngx_str_t                      reference;
} ngx_http_gate_refusal_fields_t;


static ngx_int_t ngx_http_gate_refusal_tag(ngx_conf_t *cf,
    ngx_http_gate_refusal_part_t *part, ngx_str_t *name);
static ngx_int_t ngx_http_gate_refusal_prepare(ngx_conf_t *cf,
    ngx_http_gate_refusal_page_t *page, gate_reason_e reason,
    gate_accept_language_e language);
static void ngx_http_gate_refusal_set_words(
    ngx_http_gate_refusal_fields_t *fields, gate_reason_e reason,
    gate_accept_language_e language);
static ngx_int_t ngx_http_gate_refusal_fields(ngx_pool_t *pool,
    const ngx_http_gate_refusal_t *refusal, gate_accept_language_e language,
    ngx_http_gate_refusal_fields_t *fields);
static u_char *ngx_http_gate_refusal_limit(u_char *p, u_char *last,
    const ngx_http_gate_refusal_words_t *words,
    const ngx_http_gate_refusal_t *refusal);
static u_char *ngx_http_gate_refusal_amount(u_char *p, u_char *last,
    const ngx_http_gate_refusal_words_t *words, gate_unit_e unit, uint64_t n);
static u_char *ngx_http_gate_refusal_number(u_char *p, u_char *last,
    uint64_t n);
static u_char *ngx_http_gate_refusal_length(u_char *p, u_char *last,
    const ngx_http_gate_refusal_words_t *words, int64_t seconds);
static u_char *ngx_http_gate_refusal_put(u_char *p, u_char *last,
    const char *pattern, const ngx_str_t *amount, const ngx_str_t *length);
static u_char *ngx_http_gate_refusal_zone(u_char *p, u_char *last,
    int64_t offset);
static void ngx_http_gate_refusal_opens(ngx_http_gate_refusal_fields_t *fields,
    const ngx_http_gate_refusal_t *refusal, u_char *p, u_char *last);
static size_t ngx_http_gate_refusal_fill(u_char *p,
    const ngx_array_t *page, ngx_http_gate_refusal_fields_t *fields);


#define ngx_http_gate_refusal_field(name)                                     \
    { ngx_string(#name), offsetof(ngx_http_gate_refusal_fields_t, name) }


static const struct {
    ngx_str_t   name;
    size_t      offset;
} ngx_http_gate_refusal_names[] = {
    ngx_http_gate_refusal_field(language),
    ngx_http_gate_refusal_field(title),
    ngx_http_gate_refusal_field(detail),
    ngx_http_gate_refusal_field(advice),
    ngx_http_gate_refusal_field(limit_label),
    ngx_http_gate_refusal_field(limit),
    ngx_http_gate_refusal_field(quota),
    ngx_http_gate_refusal_field(used_label),
    ngx_http_gate_refusal_field(used),
    ngx_http_gate_refusal_field(opens_label),
    ngx_http_gate_refusal_field(opens_iso),
    ngx_http_gate_refusal_field(opens),
    ngx_http_gate_refusal_field(zone),
    ngx_http_gate_refusal_field(reference_label),
    ngx_http_gate_refusal_field(reference)
};


ngx_int_t
ngx_http_gate_refusal_read(ngx_conf_t *cf, ngx_http_gate_refusal_page_t *page,
    ngx_str_t *html)
{
    u_char                        *p, *last, *tag, *end;
    ngx_str_t                      name;
    ngx_uint_t                     reason, language;
    ngx_http_gate_refusal_part_t  *part;

    if (ngx_array_init(&page->parts, cf->pool, 64,
                       sizeof(ngx_http_gate_refusal_part_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = html->data;
    last = html->data + html->len;

    while (p < last) {

        part = ngx_array_push(&page->parts);
        if (part == NULL) {
            return NGX_ERROR;
        }

        tag = ngx_strnstr(p, "{{", last - p);
        end = tag ? ngx_strnstr(tag, "}}", last - tag) : NULL;

        if (tag != p) {
            part->type = NGX_HTTP_GATE_PART_TEXT;
            part->text.data = p;
            part->text.len = (end ? tag : last) - p;
            p += part->text.len;
            continue;
        }

        if (end == NULL) {
            ngx_log_error(NGX_LOG_ALERT, cf->log, 0,
                          "gate: unclosed \"{{\" in refusal.html");
            return NGX_ERROR;
        }

        name.data = tag + 2;
        name.len = end - name.data;

        if (ngx_http_gate_refusal_tag(cf, part, &name) != NGX_OK) {
            return NGX_ERROR;
        }

        p = end + 2;
    }

    for (reason = 1; reason < GATE_REASONS; reason++) {
        for (language = 0; language < GATE_ACCEPT_LANGUAGES; language++) {
            if (ngx_http_gate_refusal_prepare(cf, page,
                                           (gate_reason_e) reason,
                                           (gate_accept_language_e) language)
                != NGX_OK
                || ngx_http_gate_refusal_json_prepare(cf, page,
                                           (gate_reason_e) reason,
                                           (gate_accept_language_e) language)
                   != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


/* words become text; what stands for a request's own stays what it is */

static ngx_int_t
ngx_http_gate_refusal_prepare(ngx_conf_t *cf,
    ngx_http_gate_refusal_page_t *page, gate_reason_e reason,
    gate_accept_language_e language)
{
    ngx_str_t                       *field;
    ngx_uint_t                       i;
    ngx_array_t                     *parts;
    ngx_http_gate_refusal_part_t    *part;
    ngx_http_gate_refusal_fields_t   words;

    ngx_memzero(&words, sizeof(ngx_http_gate_refusal_fields_t));
    ngx_http_gate_refusal_set_words(&words, reason, language);

    parts = &page->texts[reason][language];

    if (ngx_array_init(parts, cf->pool, page->parts.nelts,
                       sizeof(ngx_http_gate_refusal_part_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    parts->nelts = page->parts.nelts;
    ngx_memcpy(parts->elts, page->parts.elts,
               parts->nelts * sizeof(ngx_http_gate_refusal_part_t));

    part = parts->elts;

    for (i = 0; i < parts->nelts; i++) {

        if (part[i].type != NGX_HTTP_GATE_PART_FIELD) {
            continue;
        }

        field = (ngx_str_t *) ((char *) &words + part[i].field);

        if (field->len == 0) {
            continue;
        }

        part[i].type = NGX_HTTP_GATE_PART_TEXT;
        part[i].text.len = field->len + ngx_escape_html(NULL, field->data,
                                                        field->len);
        part[i].text.data = ngx_pnalloc(cf->pool, part[i].text.len);
        if (part[i].text.data == NULL) {
            return NGX_ERROR;
        }

        (void) ngx_escape_html(part[i].text.data, field->data, field->len);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_refusal_tag(ngx_conf_t *cf, ngx_http_gate_refusal_part_t *part,
    ngx_str_t *name)
{
    ngx_uint_t  i;

    if (name->len == 1 && name->data[0] == '/') {
        part->type = NGX_HTTP_GATE_PART_END;
        return NGX_OK;
    }

    part->type = NGX_HTTP_GATE_PART_FIELD;

    if (name->len && name->data[0] == '?') {
        part->type = NGX_HTTP_GATE_PART_IF;
        name->data++;
        name->len--;
    }

    for (i = 0; i < sizeof(ngx_http_gate_refusal_names)
                    / sizeof(ngx_http_gate_refusal_names[0]); i++)
    {
        if (ngx_http_gate_refusal_names[i].name.len == name->len
            && ngx_strncmp(ngx_http_gate_refusal_names[i].name.data,
                           name->data, name->len)
               == 0)
        {
            part->field = ngx_http_gate_refusal_names[i].offset;
            return NGX_OK;
        }
    }

    ngx_log_error(NGX_LOG_ALERT, cf->log, 0,
                  "gate: unknown field \"%V\" in refusal.html", name);

    return NGX_ERROR;
}


ngx_int_t
ngx_http_gate_refusal_html(ngx_pool_t *pool,
    const ngx_http_gate_refusal_page_t *page,
    const ngx_http_gate_refusal_t *refusal, gate_accept_language_e language,
    ngx_str_t *body)
{
    const ngx_array_t               *parts;
    ngx_http_gate_refusal_fields_t   fields;

    if (ngx_http_gate_refusal_fields(pool, refusal, language, &fields)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    parts = &page->texts[refusal->reason][language];

    body->len = ngx_http_gate_refusal_fill(NULL, parts, &fields);

    body->data = ngx_pnalloc(pool, body->len);
    if (body->data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_http_gate_refusal_fill(body->data, parts, &fields);

    return NGX_OK;
}


/* returns the length; p NULL: nothing is written */

static size_t
ngx_http_gate_refusal_fill(u_char *p, const ngx_array_t *page,
    ngx_http_gate_refusal_fields_t *fields)
{
    size_t                         n;
    ngx_str_t                     *field, none;
    ngx_uint_t                     i, skipped;
    ngx_http_gate_refusal_part_t  *parts;

    ngx_str_null(&none);

    n = 0;
    skipped = 0;
    parts = page->elts;

    for (i = 0; i < page->nelts; i++) {

        field = &none;

        if (parts[i].type == NGX_HTTP_GATE_PART_FIELD
            || parts[i].type == NGX_HTTP_GATE_PART_IF)
        {
            field = (ngx_str_t *) ((char *) fields + parts[i].field);
        }

        if (parts[i].type == NGX_HTTP_GATE_PART_IF) {
            skipped += skipped || field->len == 0;
            continue;
        }

        if (parts[i].type == NGX_HTTP_GATE_PART_END) {
            skipped -= skipped > 0;
            continue;
        }

        if (skipped) {
            continue;
        }

        if (parts[i].type == NGX_HTTP_GATE_PART_TEXT) {

            if (p) {
                ngx_memcpy(p + n, parts[i].text.data, parts[i].text.len);
            }

            n += parts[i].text.len;
            continue;
        }

        if (p) {
            (void) ngx_escape_html(p + n, field->data, field->len);
        }

        n += field->len + ngx_escape_html(NULL, field->data, field->len);
    }

    return n;
}


static ngx_int_t
ngx_http_gate_refusal_fields(ngx_pool_t *pool,
    const ngx_http_gate_refusal_t *refusal, gate_accept_language_e language,
    ngx_http_gate_refusal_fields_t *fields)
{
    u_char                               *p;
    const ngx_http_gate_refusal_words_t  *words;

    ngx_memzero(fields, sizeof(ngx_http_gate_refusal_fields_t));
    ngx_http_gate_refusal_set_words(fields, refusal->reason, language);

    words = ngx_http_gate_refusal_words(language);

    fields->reference = refusal->reference;

    if (refusal->quota == NULL) {
        return NGX_OK;
    }

    p = ngx_pnalloc(pool, 3 * NGX_HTTP_GATE_REFUSAL_TEXT);
    if (p == NULL) {
        return NGX_ERROR;
    }

    fields->quota = refusal->quota->name;

    fields->limit.data = p;
    fields->limit.len = ngx_http_gate_refusal_limit(p,
                            p + NGX_HTTP_GATE_REFUSAL_TEXT, words, refusal)
                        - p;

    p += NGX_HTTP_GATE_REFUSAL_TEXT;

    if (refusal->standing.known) {
        fields->used.data = p;
        fields->used.len = ngx_http_gate_refusal_amount(p,
                               p + NGX_HTTP_GATE_REFUSAL_TEXT, words,
                               refusal->quota->unit, refusal->standing.used)
                           - p;
    }

    p += NGX_HTTP_GATE_REFUSAL_TEXT;

    if (refusal->opens) {
        ngx_http_gate_refusal_opens(fields, refusal, p,
                                    p + NGX_HTTP_GATE_REFUSAL_TEXT);
    }

    return NGX_OK;
}


static void
ngx_http_gate_refusal_set_words(ngx_http_gate_refusal_fields_t *fields,
    gate_reason_e reason, gate_accept_language_e language)
{
    const ngx_http_gate_refusal_text_t   *text;
    const ngx_http_gate_refusal_words_t  *words;

    text = ngx_http_gate_refusal_text(reason, language);
    words = ngx_http_gate_refusal_words(language);

#define ngx_http_gate_refusal_set(field, value)                               \
    fields->field.data = (u_char *) (value);                                  \
    fields->field.len = ngx_strlen(value)

    ngx_http_gate_refusal_set(language, words->tag);
    ngx_http_gate_refusal_set(title, text->title);
    ngx_http_gate_refusal_set(detail, text->detail);
    ngx_http_gate_refusal_set(advice, text->advice);
    ngx_http_gate_refusal_set(limit_label, words->limit);
    ngx_http_gate_refusal_set(used_label, words->used);
    ngx_http_gate_refusal_set(opens_label, words->opens);
    ngx_http_gate_refusal_set(reference_label, words->reference);
}


/* "2 GB per day", "3,000 requests within 1 hour" */

static u_char *
ngx_http_gate_refusal_limit(u_char *p, u_char *last,
    const ngx_http_gate_refusal_words_t *words,
    const ngx_http_gate_refusal_t *refusal)
{
    u_char     amount[NGX_HTTP_GATE_REFUSAL_TEXT / 3];
    u_char     length[NGX_HTTP_GATE_REFUSAL_TEXT / 3];
    ngx_str_t  texts[2];

    texts[0].data = amount;
    texts[0].len = ngx_http_gate_refusal_amount(amount,
                                                amount + sizeof(amount), words,
                                                refusal->quota->unit,
                                                refusal->limit)
                   - amount;

    texts[1].data = length;
    texts[1].len = ngx_http_gate_refusal_length(length,
                                          length + sizeof(length), words,
                                          refusal->quota->window.length)
                   - length;

    return ngx_http_gate_refusal_put(p, last,
                                 words->pers[refusal->quota->window.per],
                                 &texts[0], &texts[1]);
}


/* bytes as "1.9 GB", cut off and not rounded; what is counted with its word */

static u_char *
ngx_http_gate_refusal_amount(u_char *p, u_char *last,
    const ngx_http_gate_refusal_words_t *words, gate_unit_e unit, uint64_t n)
{
    u_char       number[NGX_HTTP_GATE_REFUSAL_TEXT / 6];
    uint64_t     tenths;
    ngx_str_t    text;
    ngx_uint_t   i;

    static const char *const  sizes[] = { "KB", "MB", "GB", "TB" };

    if (unit == GATE_BYTES && n >= 1024) {

        for (i = 0; i < 3 && n >= 1024 * 1024; i++) {
            n /= 1024;
        }

        tenths = n % 1024 * 10 / 1024;

        p = ngx_http_gate_refusal_number(p, last, n / 1024);

        return tenths ? ngx_slprintf(p, last, ".%uL %s", tenths, sizes[i])
                      : ngx_slprintf(p, last, " %s", sizes[i]);
    }

    text.data = number;
    text.len = ngx_http_gate_refusal_number(number, number + sizeof(number), n)
               - number;

    return ngx_http_gate_refusal_put(p, last, n == 1 ? words->unit[unit]
                                                     : words->units[unit],
                                     &text, NULL);
}


/* with commas: "3,000" */

static u_char *
ngx_http_gate_refusal_number(u_char *p, u_char *last, uint64_t n)
{
    size_t   i, len;
    u_char   digits[NGX_INT64_LEN], *end;

    end = ngx_sprintf(digits, "%uL", n);
    len = end - digits;

    for (i = 0; i < len && last - p > 1; i++) {

        if (i && (len - i) % 3 == 0) {
            *p++ = ',';
        }

        *p++ = digits[i];
    }

    return p;
}


/* in the largest unit that goes into it */

static u_char *
ngx_http_gate_refusal_length(u_char *p, u_char *last,
    const ngx_http_gate_refusal_words_t *words, int64_t seconds)
{
    u_char      number[NGX_HTTP_GATE_REFUSAL_TEXT / 6];
    uint64_t    n;
    ngx_str_t   text;
    ngx_uint_t  i;

    static const uint64_t  units[] = { 86400, 3600, 60, 1 };

    n = (uint64_t) seconds;

    for (i = 0; i < 3 && (n < units[i] || n % units[i]); i++) { /* void */ }

    n /= units[i];

    text.data = number;
    text.len = ngx_http_gate_refusal_number(number, number + sizeof(number), n)
               - number;

    return ngx_http_gate_refusal_put(p, last, n == 1 ? words->time[i]
                                                     : words->times[i],
                                     &text, NULL);
}


static u_char *
ngx_http_gate_refusal_put(u_char *p, u_char *last, const char *pattern,
    const ngx_str_t *amount, const ngx_str_t *length)
{
    for ( /* void */ ; *pattern && p < last; pattern++) {

        switch (*pattern) {

        case '@':
            p = ngx_slprintf(p, last, "%V", amount);
            break;

        case '#':
            p = ngx_slprintf(p, last, "%V", length);
            break;

        default:
            *p++ = (u_char) *pattern;
        }
    }

    return p;
}


/* for programs, and for people without "T", to the next whole minute */

static void
ngx_http_gate_refusal_opens(ngx_http_gate_refusal_fields_t *fields,
    const ngx_http_gate_refusal_t *refusal, u_char *p, u_char *last)
{
    ngx_tm_t  tm;

    fields->opens_iso.data = p;
    p = ngx_http_gate_refusal_time(p, last, refusal);
    fields->opens_iso.len = p - fields->opens_iso.data;

    ngx_gmtime((time_t) (refusal->opens + refusal->offset + 59), &tm);

    fields->opens.data = p;
    p = ngx_slprintf(p, last, "%04d-%02d-%02d %02d:%02d", tm.ngx_tm_year,
                     tm.ngx_tm_mon, tm.ngx_tm_mday, tm.ngx_tm_hour,
                     tm.ngx_tm_min);
    fields->opens.len = p - fields->opens.data;

    fields->zone.data = p;
    p = ngx_slprintf(p, last, "(UTC");
    p = ngx_http_gate_refusal_zone(p, last, refusal->offset);
    p = ngx_slprintf(p, last, ")");
    fields->zone.len = p - fields->zone.data;
}


static u_char *
ngx_http_gate_refusal_zone(u_char *p, u_char *last, int64_t offset)
{
    int64_t  minutes;

    minutes = (offset < 0 ? -offset : offset) / 60;

    return ngx_slprintf(p, last, "%s%02L:%02L", offset < 0 ? "-" : "+",
                        minutes / 60, minutes % 60);
}


u_char *
ngx_http_gate_refusal_time(u_char *p, u_char *last,
    const ngx_http_gate_refusal_t *refusal)
{
    ngx_tm_t  tm;

    ngx_gmtime((time_t) (refusal->opens + refusal->offset), &tm);

    p = ngx_slprintf(p, last, "%04d-%02d-%02dT%02d:%02d:%02d", tm.ngx_tm_year,
                     tm.ngx_tm_mon, tm.ngx_tm_mday, tm.ngx_tm_hour,
                     tm.ngx_tm_min, tm.ngx_tm_sec);

    return ngx_http_gate_refusal_zone(p, last, refusal->offset);
}
