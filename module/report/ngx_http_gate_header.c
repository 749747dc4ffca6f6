/*
 * Since 1.23 headers of one name are linked to each other.
 */


#include "ngx_http_gate_header.h"


ngx_int_t
ngx_http_gate_header_add(ngx_http_request_t *r, const char *name,
    const void *value, size_t len)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value.data = (u_char *) value;
    h->value.len = len;

    return NGX_OK;
}
