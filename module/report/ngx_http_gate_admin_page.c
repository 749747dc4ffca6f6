/*
 * The page of administrators: admin.html, which is built in.  It is the same
 * for all of them, and knows nothing but what it asks for below v1/.
 */


#include "ngx_http_gate_admin_inner.h"

#include "ngx_http_gate_admin_template.h"
#include "ngx_http_gate_csp.h"
#include "ngx_http_gate_header.h"


static const ngx_str_t  ngx_http_gate_admin_html = {
    sizeof(ngx_http_gate_admin_template) - 1,
    (u_char *) ngx_http_gate_admin_template
};


/* its icon is a "data:" of its own; with trusted types no text becomes HTML */

ngx_int_t
ngx_http_gate_admin_csp(ngx_conf_t *cf, ngx_str_t *csp)
{
    ngx_str_t  style, script;

    static const char  format[] =
        "default-src 'none'; style-src '%V'; script-src '%V'; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'; "
        "trusted-types 'none'";

    if (ngx_http_gate_csp_hash(cf, &ngx_http_gate_admin_html, "style", &style)
        != NGX_OK
        || ngx_http_gate_csp_hash(cf, &ngx_http_gate_admin_html, "script",
                                  &script)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    csp->data = ngx_pnalloc(cf->pool, sizeof(format) + style.len + script.len);
    if (csp->data == NULL) {
        return NGX_ERROR;
    }

    csp->len = ngx_sprintf(csp->data, format, &style, &script) - csp->data;

    return NGX_OK;
}


ngx_int_t
ngx_http_gate_admin_page(ngx_http_gate_admin_ctx_t *ctx)
{
    const ngx_str_t     *csp;
    ngx_http_request_t  *r;

    r = ctx->request;
    csp = ctx->admin.csp;

    if (ngx_http_gate_header_add(r, "Content-Security-Policy", csp->data,
                                 csp->len)
        != NGX_OK
        || ngx_http_gate_header_add(r, "Referrer-Policy", "no-referrer", 11)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&r->headers_out.charset, "utf-8");

    return ngx_http_gate_answer_text(r, NGX_HTTP_OK, "text/html",
                                     &ngx_http_gate_admin_html);
}
