/*
 * Headers that every answer has: it is nobody's but the administrator's, so it
 * is not stored, not sniffed, and not shown inside another page.
 */


#include "ngx_http_gate_answer.h"

#include "ngx_http_gate_header.h"


static ngx_int_t ngx_http_gate_answer_headers(ngx_http_request_t *r);
static void ngx_http_gate_answer_free(void *data);
static const char *ngx_http_gate_answer_title(ngx_uint_t status);


ngx_int_t
ngx_http_gate_answer_json(ngx_http_request_t *r, ngx_uint_t status,
    json_t *value)
{
    char                *text;
    ngx_str_t            json;
    ngx_pool_cleanup_t  *cln;

    if (value == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    text = json_dumps(value, JSON_COMPACT);
    json_decref(value);

    if (text == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        free(text);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_gate_answer_free;
    cln->data = text;

    json.data = (u_char *) text;
    json.len = ngx_strlen(text);

    return ngx_http_gate_answer_text(r, status,
                                     status < NGX_HTTP_BAD_REQUEST
                                     ? "application/json"
                                     : "application/problem+json",
                                     &json);
}


static void
ngx_http_gate_answer_free(void *data)
{
    free(data);
}


ngx_int_t
ngx_http_gate_answer_problem(ngx_http_request_t *r, ngx_uint_t status,
    const char *detail)
{
    return ngx_http_gate_answer_json(r, status,
                                     json_pack("{s:s, s:i, s:s}",
                                        "title",
                                        ngx_http_gate_answer_title(status),
                                        "status", (int) status,
                                        "detail", detail));
}


/* RFC 9457 4.2.1: without a type it is the HTTP status phrase */

static const char *
ngx_http_gate_answer_title(ngx_uint_t status)
{
    switch (status) {

    case NGX_HTTP_BAD_REQUEST:
        return "Bad Request";

    case NGX_HTTP_FORBIDDEN:
        return "Forbidden";

    case NGX_HTTP_NOT_FOUND:
        return "Not Found";

    case NGX_HTTP_NOT_ALLOWED:
        return "Method Not Allowed";

    case NGX_HTTP_CONFLICT:
        return "Conflict";

    case NGX_HTTP_REQUEST_ENTITY_TOO_LARGE:
        return "Content Too Large";

    case NGX_HTTP_UNSUPPORTED_MEDIA_TYPE:
        return "Unsupported Media Type";

    case NGX_HTTP_SERVICE_UNAVAILABLE:
        return "Service Unavailable";

    default:
        return "Internal Server Error";
    }
}


ngx_int_t
ngx_http_gate_answer_text(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, const ngx_str_t *text)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    r->headers_out.status = status;
    r->headers_out.content_length_n = text->len;
    r->headers_out.content_type.data = (u_char *) type;
    r->headers_out.content_type.len = ngx_strlen(type);
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    if (ngx_http_gate_answer_headers(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = text->data;
    b->last = text->data + text->len;
    b->memory = text->len > 0;
    b->last_buf = r == r->main;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    rc = ngx_http_output_filter(r, &out);

    /* what does not fit nginx sends later: nobody has to be waited for */

    return rc == NGX_AGAIN ? NGX_OK : rc;
}


static ngx_int_t
ngx_http_gate_answer_headers(ngx_http_request_t *r)
{
    ngx_uint_t  i;

    static const char *const  headers[][2] = {
        { "Cache-Control", "no-store" },
        { "X-Content-Type-Options", "nosniff" },
        { "Cross-Origin-Resource-Policy", "same-origin" }
    };

    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        if (ngx_http_gate_header_add(r, headers[i][0], headers[i][1],
                                     ngx_strlen(headers[i][1]))
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


json_t *
ngx_http_gate_answer_string(const u_char *data, size_t len)
{
    char     *text, *p;
    json_t   *value;
    u_char   *pos, *last, *from;
    uint32_t  c;

    static const char  unknown[] = "\xef\xbf\xbd";

    value = json_stringn((const char *) data, len);

    if (value) {
        return value;
    }

    text = ngx_alloc(3 * len + 1, ngx_cycle->log);
    if (text == NULL) {
        return NULL;
    }

    p = text;
    pos = (u_char *) data;
    last = pos + len;

    while (pos < last) {
        from = pos;
        c = ngx_utf8_decode(&pos, last - pos);

        /* nginx takes surrogates for characters, RFC 3629 3 does not */

        if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
            p = (char *) ngx_cpymem(p, unknown, 3);
            pos = from + 1;

        } else {
            p = (char *) ngx_cpymem(p, from, pos - from);
        }
    }

    value = json_stringn(text, p - text);
    ngx_free(text);

    return value;
}
