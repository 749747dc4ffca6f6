/*
 * nginx makes $request_id of 16 random bytes when somebody asks for it, which
 * was a third of what a refusal cost beyond nginx's own: OpenSSL's way to the
 * first byte is long.  So bytes are drawn for many requests at once, each used
 * once, and the variable is given its value before nginx makes one.  Nobody
 * guards by it: it has to be unique, and random only as nginx's own is.
 */


#include "ngx_http_gate_reference.h"

#include <openssl/rand.h>


static ngx_int_t ngx_http_gate_reference_make(ngx_http_request_t *r,
    ngx_http_gate_random_t *random, ngx_http_variable_value_t *v);


ngx_int_t
ngx_http_gate_reference(ngx_http_request_t *r,
    ngx_http_gate_main_conf_t *gmcf, ngx_str_t *reference)
{
    ngx_http_variable_value_t  *v;

    v = &r->variables[gmcf->event];

    if (!v->valid && !v->not_found
        && ngx_http_gate_reference_make(r, &gmcf->random, v) == NGX_ERROR)
    {
        return NGX_ERROR;
    }

    v = ngx_http_get_indexed_variable(r, gmcf->event);
    if (v == NULL) {
        return NGX_ERROR;
    }

    reference->data = v->data;
    reference->len = v->not_found ? 0 : v->len;

    return NGX_OK;
}


/* NGX_DECLINED: there is nothing random, nginx knows what to do then */

static ngx_int_t
ngx_http_gate_reference_make(ngx_http_request_t *r,
    ngx_http_gate_random_t *random, ngx_http_variable_value_t *v)
{
    u_char  *id;

    if (random->left == 0) {

        if (RAND_bytes(random->bytes, sizeof(random->bytes)) != 1) {
            ngx_ssl_error(NGX_LOG_ERR, r->connection->log, 0,
                          "RAND_bytes() failed");
            return NGX_DECLINED;
        }

        random->left = sizeof(random->bytes);
    }

    id = ngx_pnalloc(r->pool, 2 * NGX_HTTP_GATE_REFERENCE);
    if (id == NULL) {
        return NGX_ERROR;
    }

    random->left -= NGX_HTTP_GATE_REFERENCE;

    (void) ngx_hex_dump(id, &random->bytes[random->left],
                        NGX_HTTP_GATE_REFERENCE);

    v->data = id;
    v->len = 2 * NGX_HTTP_GATE_REFERENCE;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}
