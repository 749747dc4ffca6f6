/*
 * nginx evaluates a complex value into a copy, in two passes: for the length
 * and for the text.  Of one variable there is nothing to put together.
 */


#include "ngx_http_gate_value.h"


static ngx_int_t ngx_http_gate_value_variable(ngx_conf_t *cf,
    const ngx_str_t *text);


ngx_int_t
ngx_http_gate_value_compile(ngx_conf_t *cf, ngx_str_t *text,
    ngx_http_gate_value_t *value)
{
    ngx_http_compile_complex_value_t   ccv;

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = text;
    ccv.complex_value = &value->complex;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_ERROR;
    }

    value->variable = ngx_http_gate_value_variable(cf, text);

    return NGX_OK;
}


/* "$name", or "${name}"; captures are of the request, and no variables */

static ngx_int_t
ngx_http_gate_value_variable(ngx_conf_t *cf, const ngx_str_t *text)
{
    u_char      c;
    size_t      i;
    ngx_str_t   name;

    if (text->len < 2 || text->data[0] != '$') {
        return NGX_ERROR;
    }

    name.data = text->data + 1;
    name.len = text->len - 1;

    if (name.len > 2 && name.data[0] == '{' && name.data[name.len - 1] == '}') {
        name.data++;
        name.len -= 2;
    }

    if (name.data[0] >= '0' && name.data[0] <= '9') {
        return NGX_ERROR;
    }

    for (i = 0; i < name.len; i++) {
        c = name.data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '_'))
        {
            return NGX_ERROR;
        }
    }

    return ngx_http_get_variable_index(cf, &name);
}


char *
ngx_http_gate_value_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    ngx_str_t               *text;
    ngx_http_gate_value_t  **value;

    value = (ngx_http_gate_value_t **) (p + cmd->offset);

    if (*value) {
        return "is duplicate";
    }

    *value = ngx_pcalloc(cf->pool, sizeof(ngx_http_gate_value_t));
    if (*value == NULL) {
        return NGX_CONF_ERROR;
    }

    text = cf->args->elts;

    return ngx_http_gate_value_compile(cf, &text[1], *value) == NGX_OK
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


ngx_int_t
ngx_http_gate_value(ngx_http_request_t *r, ngx_http_gate_value_t *value,
    ngx_str_t *text)
{
    ngx_http_variable_value_t  *vv;

    if (value->variable == NGX_ERROR) {
        return ngx_http_complex_value(r, &value->complex, text);
    }

    vv = ngx_http_get_flushed_variable(r, value->variable);

    if (vv == NULL || vv->not_found) {
        ngx_str_null(text);
        return NGX_OK;
    }

    text->data = vv->data;
    text->len = vv->len;

    return NGX_OK;
}
