/*
 * Two kinds of variables: what the gate said of this request, empty where no
 * policy was applied, and what is true of the peer, wherever one asks.
 */


#include "ngx_http_gate_variables.h"

#include "ngx_http_gate_access.h"
#include "ngx_http_gate_client_cert.h"
#include "ngx_http_gate_last.h"
#include "ngx_http_gate_peer.h"
#include "ngx_http_gate_quota.h"
#include "ngx_http_gate_ratelimit.h"
#include "ngx_http_gate_reference.h"


static ngx_int_t ngx_http_gate_variable_verdict(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gate_variable_reason(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gate_variable_quota(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gate_variable_hold(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gate_variable_notice(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gate_variable_policy(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gate_variable_user(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gate_variable_project(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gate_variable_event(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gate_variable_ratelimit(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gate_variable_place(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gate_variable_nowhere(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gate_variable_location(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gate_variable_certificate(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gate_variable_client_cert(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gate_variable_set(ngx_http_variable_value_t *v,
    const void *data, size_t len);


static ngx_http_variable_t  ngx_http_gate_vars[] = {

    { ngx_string("gate_verdict"), NULL, ngx_http_gate_variable_verdict,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_reason"), NULL, ngx_http_gate_variable_reason,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_quota"), NULL, ngx_http_gate_variable_quota,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_hold"), NULL, ngx_http_gate_variable_hold,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_notice"), NULL, ngx_http_gate_variable_notice,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_policy"), NULL, ngx_http_gate_variable_policy,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_user"), NULL, ngx_http_gate_variable_user,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_project"), NULL, ngx_http_gate_variable_project,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_event"), NULL, ngx_http_gate_variable_event,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_ratelimit"), NULL, ngx_http_gate_variable_ratelimit,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_ratelimit_policy"), NULL,
      ngx_http_gate_variable_ratelimit,
      1, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_country"), NULL, ngx_http_gate_variable_place,
      GATE_PLACE_COUNTRY, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_continent"), NULL, ngx_http_gate_variable_place,
      GATE_PLACE_CONTINENT, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_city"), NULL, ngx_http_gate_variable_place,
      GATE_PLACE_CITY, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_asn"), NULL, ngx_http_gate_variable_place,
      GATE_PLACE_ASN, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_latitude"), NULL, ngx_http_gate_variable_location,
      offsetof(gate_place_t, latitude), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_longitude"), NULL, ngx_http_gate_variable_location,
      offsetof(gate_place_t, longitude), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_cert_cn"), NULL,
      ngx_http_gate_variable_certificate,
      offsetof(ngx_http_gate_certificate_t, names[GATE_NAME_CN]),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_cert_org"), NULL,
      ngx_http_gate_variable_certificate,
      offsetof(ngx_http_gate_certificate_t, names[GATE_NAME_ORG]),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_cert_unit"), NULL,
      ngx_http_gate_variable_certificate,
      offsetof(ngx_http_gate_certificate_t, names[GATE_NAME_UNIT]),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_cert_email"), NULL,
      ngx_http_gate_variable_certificate,
      offsetof(ngx_http_gate_certificate_t, names[GATE_NAME_EMAIL]),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_cert_dns"), NULL,
      ngx_http_gate_variable_certificate,
      offsetof(ngx_http_gate_certificate_t, names[GATE_NAME_DNS]),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_cert_uri"), NULL,
      ngx_http_gate_variable_certificate,
      offsetof(ngx_http_gate_certificate_t, names[GATE_NAME_URI]),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_cert_upn"), NULL,
      ngx_http_gate_variable_certificate,
      offsetof(ngx_http_gate_certificate_t, names[GATE_NAME_UPN]),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_cert_serial"), NULL,
      ngx_http_gate_variable_certificate,
      offsetof(ngx_http_gate_certificate_t, serial),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_cert_issuer"), NULL,
      ngx_http_gate_variable_certificate,
      offsetof(ngx_http_gate_certificate_t, issuer),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_cert_not_before"), NULL,
      ngx_http_gate_variable_certificate,
      offsetof(ngx_http_gate_certificate_t, begin),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_cert_not_after"), NULL,
      ngx_http_gate_variable_certificate,
      offsetof(ngx_http_gate_certificate_t, end),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_cert_fingerprint"), NULL,
      ngx_http_gate_variable_certificate,
      offsetof(ngx_http_gate_certificate_t, fingerprint),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_client_cert"), NULL,
      ngx_http_gate_variable_client_cert, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_client_cert_chain"), NULL,
      ngx_http_gate_variable_client_cert, 1, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_gate_variables_add(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_gate_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_variable_verdict(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    gate_reason_e         reason;
    ngx_http_gate_ctx_t  *ctx;

    static const ngx_str_t  passed = ngx_string("PASSED");
    static const ngx_str_t  denied = ngx_string("DENIED");
    static const ngx_str_t  dry_run = ngx_string("DENIED_DRY_RUN");

    const ngx_str_t  *verdict;

    ctx = ngx_http_gate_access_ctx(r);

    if (ctx && ctx->judged) {
        verdict = ctx->denied ? &denied : ctx->dry_run ? &dry_run : &passed;

    } else if (ngx_http_gate_last_early(r, &reason)) {
        verdict = &denied;

    } else {
        return ngx_http_gate_variable_set(v, NULL, 0);
    }

    return ngx_http_gate_variable_set(v, verdict->data, verdict->len);
}


static ngx_int_t
ngx_http_gate_variable_reason(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const char           *name;
    gate_reason_e         reason;
    ngx_http_gate_ctx_t  *ctx;

    ctx = ngx_http_gate_access_ctx(r);
    reason = GATE_REASON_NONE;

    if (ctx && ctx->judged) {
        reason = ctx->denied || ctx->dry_run ? ctx->verdict.reason
                                             : GATE_REASON_NONE;

    } else if (!ngx_http_gate_last_early(r, &reason)) {
        reason = GATE_REASON_NONE;
    }

    name = gate_reason_name(reason);

    return ngx_http_gate_variable_set(v, name, ngx_strlen(name));
}


static ngx_int_t
ngx_http_gate_variable_quota(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const ngx_str_t      *name;
    ngx_http_gate_ctx_t  *ctx;

    ctx = ngx_http_gate_access_ctx(r);

    if (ctx == NULL || !ctx->judged || !(ctx->denied || ctx->dry_run)) {
        return ngx_http_gate_variable_set(v, NULL, 0);
    }

    name = ngx_http_gate_quota_name(ctx);

    return ngx_http_gate_variable_set(v, name->data, name->len);
}


static ngx_int_t
ngx_http_gate_variable_hold(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_gate_ctx_t  *ctx;

    ctx = ngx_http_gate_access_ctx(r);

    if (ctx == NULL || !ctx->judged) {
        return ngx_http_gate_variable_set(v, NULL, 0);
    }

    return ngx_http_gate_variable_set(v, ctx->hold.data, ctx->hold.len);
}


static ngx_int_t
ngx_http_gate_variable_notice(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    size_t                n;
    u_char               *p;
    ngx_http_gate_ctx_t  *ctx;

    ctx = ngx_http_gate_access_ctx(r);

    if (ctx == NULL || ctx->notices == 0) {
        return ngx_http_gate_variable_set(v, NULL, 0);
    }

    p = ngx_pnalloc(r->pool, GATE_NOTICES_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    n = gate_notices_text(ctx->notices, (char *) p);

    return ngx_http_gate_variable_set(v, p, n);
}


static ngx_int_t
ngx_http_gate_variable_policy(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_gate_ctx_t       *ctx;
    ngx_http_gate_loc_conf_t  *glcf;

    ctx = ngx_http_gate_access_ctx(r);

    if (ctx) {
        return ngx_http_gate_variable_set(v, ctx->policy->name.data,
                                          ctx->policy->name.len);
    }

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

    return glcf->policy ? ngx_http_gate_variable_set(v, glcf->name.data,
                                                     glcf->name.len)
                        : ngx_http_gate_variable_set(v, NULL, 0);
}


static ngx_int_t
ngx_http_gate_variable_user(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_gate_ctx_t  *ctx;

    ctx = ngx_http_gate_access_own(r);

    return ctx ? ngx_http_gate_variable_set(v, ctx->user.data, ctx->user.len)
               : ngx_http_gate_variable_set(v, NULL, 0);
}


static ngx_int_t
ngx_http_gate_variable_project(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_gate_ctx_t  *ctx;

    ctx = ngx_http_gate_access_own(r);

    return ctx ? ngx_http_gate_variable_set(v, ctx->project.data,
                                            ctx->project.len)
               : ngx_http_gate_variable_set(v, NULL, 0);
}


/* by its index it is the same for all who ask */

static ngx_int_t
ngx_http_gate_variable_event(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                   reference;
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gate_module);

    if (ngx_http_gate_reference(r, gmcf, &reference) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_gate_variable_set(v, reference.data, reference.len);
}


static ngx_int_t
ngx_http_gate_variable_ratelimit(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_int_t  rc;
    ngx_str_t  value;

    rc = data ? ngx_http_gate_ratelimit_policy(r, &value)
              : ngx_http_gate_ratelimit(r, &value);

    return rc == NGX_OK ? ngx_http_gate_variable_set(v, value.data, value.len)
                        : NGX_ERROR;
}


/* the place may be asked for again before this is used, so it is copied */

static ngx_int_t
ngx_http_gate_variable_place(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char              *p, *last;
    const gate_place_t  *place;

    place = ngx_http_gate_peer_place(r, data);
    if (place == NULL) {
        return NGX_ERROR;
    }

    if (!(place->fields & data)) {
        return ngx_http_gate_variable_nowhere(r, v, data);
    }

    p = ngx_pnalloc(r->pool, GATE_PLACE_CITY_MAX);
    if (p == NULL) {
        return NGX_ERROR;
    }

    switch (data) {

    case GATE_PLACE_COUNTRY:
        last = ngx_cpymem(p, place->country, 2);
        break;

    case GATE_PLACE_CONTINENT:
        last = ngx_cpymem(p, place->continent, 2);
        break;

    case GATE_PLACE_CITY:
        last = ngx_cpymem(p, place->city, place->city_len);
        break;

    default: /* GATE_PLACE_ASN */
        last = ngx_sprintf(p, "%uD", place->asn);
    }

    return ngx_http_gate_variable_set(v, p, last - p);
}


/* a code says that it is unknown, if there is who could know */

static ngx_int_t
ngx_http_gate_variable_nowhere(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gate_module);

    if (gmcf->geo == NULL
        || !(data & (GATE_PLACE_COUNTRY|GATE_PLACE_CONTINENT)))
    {
        return ngx_http_gate_variable_set(v, NULL, 0);
    }

    return ngx_http_gate_variable_set(v, "unknown", 7);
}


static ngx_int_t
ngx_http_gate_variable_location(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    double               degrees;
    u_char              *p, *last;
    const gate_place_t  *place;

    place = ngx_http_gate_peer_place(r, GATE_PLACE_LOCATION);
    if (place == NULL) {
        return NGX_ERROR;
    }

    if (!(place->fields & GATE_PLACE_LOCATION)) {
        return ngx_http_gate_variable_set(v, NULL, 0);
    }

    p = ngx_pnalloc(r->pool, sizeof("-180.0000") - 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(&degrees, (char *) place + data, sizeof(double));
    last = ngx_sprintf(p, "%.4f", degrees);

    return ngx_http_gate_variable_set(v, p, last - p);
}


static ngx_int_t
ngx_http_gate_variable_certificate(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                    *name;
    ngx_http_gate_certificate_t  *cert;

    cert = ngx_http_gate_peer_certificate(r);
    if (cert == NULL) {
        return NGX_ERROR;
    }

    name = (ngx_str_t *) ((char *) cert + data);

    return ngx_http_gate_variable_set(v, name->data, name->len);
}


/* a backend believes it, so it is one that is valid now */

static ngx_int_t
ngx_http_gate_variable_client_cert(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_int_t                     rc;
    ngx_str_t                     value;
    ngx_http_gate_certificate_t  *cert;

    cert = ngx_http_gate_peer_certificate(r);
    if (cert == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_gate_certificate_state(cert, ngx_time())
        != GATE_CERTIFICATE_VALID)
    {
        return ngx_http_gate_variable_set(v, NULL, 0);
    }

    rc = data ? ngx_http_gate_client_cert_list(cert, &value)
              : ngx_http_gate_client_cert_item(cert, &value);

    return rc == NGX_OK ? ngx_http_gate_variable_set(v, value.data, value.len)
                        : NGX_ERROR;
}


static ngx_int_t
ngx_http_gate_variable_set(ngx_http_variable_value_t *v, const void *data,
    size_t len)
{
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = len == 0;
    v->len = len;
    v->data = (u_char *) data;

    return NGX_OK;
}
