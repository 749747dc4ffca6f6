/*
 * CSV for spreadsheets: names in it are anybody's, and a cell that begins like
 * a formula would be one.
 */


#include "ngx_http_gate_answer.h"


/* of a number; of a text that is escaped, for each of its bytes; and around */
#define NGX_HTTP_GATE_CSV_NUMBER  21
#define NGX_HTTP_GATE_CSV_BYTE    6
#define NGX_HTTP_GATE_CSV_AROUND  4


static size_t ngx_http_gate_csv_size(json_t *rows,
    const char *const *columns, ngx_uint_t n);
static u_char *ngx_http_gate_csv_cell(u_char *p, json_t *value);
static u_char *ngx_http_gate_csv_text(u_char *p, u_char *text, size_t len);
static ngx_uint_t ngx_http_gate_csv_formula(const u_char *text, size_t len);
static ngx_uint_t ngx_http_gate_csv_hidden(uint32_t c);


ngx_int_t
ngx_http_gate_answer_csv(ngx_http_request_t *r, json_t *rows,
    const char *const *columns, ngx_uint_t n)
{
    size_t      k;
    u_char     *p;
    json_t     *row;
    ngx_str_t   text;
    ngx_uint_t  i;

    if (rows == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    text.data = ngx_pnalloc(r->pool, ngx_http_gate_csv_size(rows, columns, n));
    if (text.data == NULL) {
        json_decref(rows);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = text.data;

    for (i = 0; i < n; i++) {
        p = ngx_sprintf(p, "%s%s", columns[i], i + 1 < n ? "," : CRLF);
    }

    json_array_foreach(rows, k, row) {

        for (i = 0; i < n; i++) {
            p = ngx_http_gate_csv_cell(p, json_object_get(row, columns[i]));
            p = ngx_sprintf(p, "%s", i + 1 < n ? "," : CRLF);
        }
    }

    text.len = p - text.data;
    json_decref(rows);

    return ngx_http_gate_answer_text(r, NGX_HTTP_OK,
                                     "text/csv; charset=utf-8; header=present",
                                     &text);
}


static size_t
ngx_http_gate_csv_size(json_t *rows, const char *const *columns, ngx_uint_t n)
{
    size_t      k, size;
    json_t     *row;
    ngx_uint_t  i;

    size = 0;

    for (i = 0; i < n; i++) {
        size += ngx_strlen(columns[i]) + sizeof(CRLF);
    }

    json_array_foreach(rows, k, row) {

        for (i = 0; i < n; i++) {
            size += NGX_HTTP_GATE_CSV_NUMBER + NGX_HTTP_GATE_CSV_AROUND
                    + NGX_HTTP_GATE_CSV_BYTE
                      * json_string_length(json_object_get(row, columns[i]));
        }
    }

    return size;
}


static u_char *
ngx_http_gate_csv_cell(u_char *p, json_t *value)
{
    if (json_is_integer(value)) {
        return ngx_sprintf(p, "%L", (int64_t) json_integer_value(value));
    }

    if (!json_is_string(value)) {
        return p;
    }

    return ngx_http_gate_csv_text(p, (u_char *) json_string_value(value),
                                  json_string_length(value));
}


/* the text is valid UTF-8 */

static u_char *
ngx_http_gate_csv_text(u_char *p, u_char *text, size_t len)
{
    u_char    *last, *from;
    uint32_t   c;

    last = text + len;

    *p++ = '"';

    if (ngx_http_gate_csv_formula(text, len)) {
        *p++ = '\'';
    }

    while (text < last) {
        from = text;
        c = *text < 0x80 ? *text++ : ngx_utf8_decode(&text, last - text);

        if (ngx_http_gate_csv_hidden(c)) {
            p = ngx_sprintf(p, "\\u%04xD", c);

        } else {
            p = ngx_cpymem(p, from, text - from);
        }

        if (c == '"') {
            *p++ = '"';
        }
    }

    *p++ = '"';

    return p;
}


/* also in the full width of Japanese, which spreadsheets take for the same */

static ngx_uint_t
ngx_http_gate_csv_formula(const u_char *text, size_t len)
{
    static const char  wide[] = "\xef\xbc\x9d\xef\xbc\x8b\xef\xbc\x8d"
                                "\xef\xbc\xa0";
    ngx_uint_t         i;

    if (len == 0) {
        return 0;
    }

    if (ngx_strchr("=+-@\t\r\n", text[0]) && text[0]) {
        return 1;
    }

    for (i = 0; len >= 3 && i < sizeof(wide) - 1; i += 3) {
        if (ngx_memcmp(text, wide + i, 3) == 0) {
            return 1;
        }
    }

    return 0;
}


/* C0 and C1 controls; what turns the direction of text, or is not seen */

static ngx_uint_t
ngx_http_gate_csv_hidden(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0)
           || c == 0x061c || (c >= 0x200b && c <= 0x200f)
           || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x2069)
           || c == 0xfeff;
}
