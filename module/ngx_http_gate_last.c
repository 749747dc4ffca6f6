/*
 * "return" answers in the rewrite phase, and what other modules do there is
 * their own.  Such a response is judged when its header comes by, by the same
 * handler.  Pages that nginx itself makes of an error or a redirect tell
 * nothing, and whoever was refused must see one: they go by.
 */


#include "ngx_http_gate_last.h"

#include "ngx_http_gate_access.h"
#include "ngx_http_gate_peer.h"
#include "ngx_http_gate_quota.h"

#include <ngx_http_ssl_module.h>


static ngx_uint_t ngx_http_gate_last_certificate(ngx_http_request_t *r);
static ngx_int_t ngx_http_gate_last_enter(ngx_http_request_t *r);
static void ngx_http_gate_last_forget(ngx_http_gate_ctx_t *ctx);


ngx_int_t
ngx_http_gate_last_judge(ngx_http_request_t *r, ngx_uint_t wait,
    ngx_http_gate_ctx_t **ctx)
{
    ngx_int_t                  rc;
    ngx_uint_t                 page;
    ngx_http_gate_loc_conf_t  *glcf;

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

    /* what "error_page" has sent a request to may be anything */

    page = r->err_status >= NGX_HTTP_SPECIAL_RESPONSE
           && (r != r->main || !r->internal);

    if (glcf->policy == NULL || page) {
        return NGX_OK;
    }

    rc = ngx_http_gate_last_enter(r);

    if (rc == NGX_DECLINED) {
        return NGX_OK;
    }

    *ctx = ngx_http_gate_access_find(r, glcf->policy);

    if (*ctx == NULL) {
        return NGX_ERROR;
    }

    if (rc == NGX_AGAIN) {

        if (wait) {
            return NGX_AGAIN;
        }

        ngx_http_gate_quota_ahead(*ctx);

        (*ctx)->resume = ngx_http_gate_last_forget;
        (*ctx)->verdict.answer = GATE_DENY;
        (*ctx)->verdict.reason = GATE_REASON_UNAVAILABLE;

        return NGX_DECLINED;
    }

    return (*ctx)->denied ? NGX_DECLINED : NGX_ERROR;
}


/*
 * In what place the request would have come to is not known before the phases,
 * so that of the server as a whole tells.
 */

ngx_uint_t
ngx_http_gate_last_early(ngx_http_request_t *r, gate_reason_e *reason)
{
    ngx_http_gate_srv_conf_t  *gscf;

    gscf = ngx_http_get_module_srv_conf(r, ngx_http_gate_module);

    if (!gscf->gated) {
        return 0;
    }

    if (ngx_http_gate_last_certificate(r)) {
        *reason = GATE_REASON_CERTIFICATE;
        return 1;
    }

    *reason = GATE_REASON_NONE;

    /* an answer, and the phases have not begun */

    return r->err_status >= NGX_HTTP_BAD_REQUEST && !r->valid_location;
}


/*
 * What nginx answers to the client's certificate: 495, 496 and 497, which are
 * 400 unless "error_page" says otherwise.
 */

static ngx_uint_t
ngx_http_gate_last_certificate(ngx_http_request_t *r)
{
    long                          rc;
    const char                   *error;
    ngx_connection_t             *c;
    ngx_http_ssl_srv_conf_t      *sscf;
    ngx_http_gate_certificate_t  *cert;

    c = r->connection;
    sscf = ngx_http_get_module_srv_conf(r, ngx_http_ssl_module);

    if (!r->http_connection->ssl) {
        return 0;
    }

    if (c->ssl == NULL) {
        return 1;
    }

    if (!sscf->verify) {
        return 0;
    }

    cert = ngx_http_gate_peer_handshake(r);

    if (cert == NULL || cert->state == GATE_CERTIFICATE_NONE) {
        return sscf->verify == 1;
    }

    rc = SSL_get_verify_result(c->ssl->connection);

    return (rc != X509_V_OK
            && (sscf->verify != 3 || !ngx_ssl_verify_error_optional(rc)))
           || ngx_ssl_ocsp_get_status(c, &error) != NGX_OK;
}


/* whoever sends this response has handlers of his own by now */

static ngx_int_t
ngx_http_gate_last_enter(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_http_event_handler_pt  read, write;

    read = r->read_event_handler;
    write = r->write_event_handler;

    rc = ngx_http_gate_access_handler(r);

    r->read_event_handler = read;
    r->write_event_handler = write;

    return rc;
}


/* what is known by then is there for the next request */

static void
ngx_http_gate_last_forget(ngx_http_gate_ctx_t *ctx)
{
    (void) ctx;
}
