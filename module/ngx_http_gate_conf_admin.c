/*
 * "gate_admin": the directive, what it needs to know of a request, and that
 * nobody can change anything unless somebody looks at who he is.
 */


#include "ngx_http_gate_conf.h"

#include "ngx_http_gate_admin.h"
#include "ngx_http_gate_peer.h"
#include "ngx_http_gate_sources.h"
#include "ngx_http_gate_tell.h"

#include <ngx_http_ssl_module.h>


static ngx_int_t ngx_http_gate_conf_admin_handler(ngx_http_request_t *r);
static void ngx_http_gate_conf_admin_told(ngx_http_request_t *r,
    ngx_uint_t refused, const ngx_str_t *by, const ngx_str_t *subject,
    const ngx_str_t *words);
static ngx_int_t ngx_http_gate_conf_admin_by(ngx_http_request_t *r,
    ngx_str_t *by);
static ngx_int_t ngx_http_gate_conf_admin_show(ngx_conf_t *cf,
    ngx_http_gate_main_conf_t *gmcf);
static ngx_uint_t ngx_http_gate_conf_admin_guarded(ngx_conf_t *cf,
    const ngx_http_gate_guard_t *guard);
static ngx_uint_t ngx_http_gate_conf_admin_listed(ngx_conf_t *cf,
    void **loc_conf);


/* allow and deny: the module keeps a list for each family, NULL without any */

typedef struct {
    ngx_array_t  *rules;
#if (NGX_HAVE_INET6)
    ngx_array_t  *rules6;
#endif
#if (NGX_HAVE_UNIX_DOMAIN)
    ngx_array_t  *rules_un;
#endif
} ngx_http_gate_conf_lists_t;


char *
ngx_http_gate_conf_admin(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_loc_conf_t *glcf = conf;

    ngx_str_t                  *value;
    ngx_http_conf_ctx_t        *ctx;
    ngx_http_gate_guard_t      *guard;
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_gate_main_conf_t  *gmcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gate_module);

    if (glcf->admin) {
        return "is duplicate";
    }

    if (clcf->exact_match || clcf->noname || clcf->named
#if (NGX_PCRE)
        || clcf->regex
#endif
        || clcf->name.len == 0 || clcf->name.data[clcf->name.len - 1] != '/')
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"gate_admin\" must be in a location that is a "
                           "prefix and ends with \"/\", such as \"/admin/\"");
        return NGX_CONF_ERROR;
    }

    glcf->admin = 1;
    gmcf->admin = 1;
    clcf->handler = ngx_http_gate_conf_admin_handler;
    clcf->auto_redirect = 1;

    if (cf->args->nelts == 1) {
        return NGX_CONF_OK;
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "write=off") == 0) {
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[1].data, "write=on") != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" in \"gate_admin\", it "
                           "must be \"write=on\" or \"write=off\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    glcf->admin_write = 1;

    guard = ngx_array_push(&gmcf->guards);
    if (guard == NULL) {
        return NGX_CONF_ERROR;
    }

    ctx = cf->ctx;

    guard->loc_conf = ctx->loc_conf;
    guard->srv_conf = ctx->srv_conf;
    guard->file = cf->conf_file->file.name.data;
    guard->line = cf->conf_file->line;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_gate_conf_admin_handler(ngx_http_request_t *r)
{
    ngx_http_gate_admin_t      admin;
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_gate_loc_conf_t  *glcf;
    ngx_http_gate_main_conf_t  *gmcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);
    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gate_module);

    admin.zone = gmcf->zone;
    admin.ledger = gmcf->ledger;
    admin.policies = &gmcf->shown;
    admin.write = glcf->admin_write;
    admin.stream = gmcf->stream_file != NULL;
    admin.csp = &gmcf->admin_csp;
    admin.told = ngx_http_gate_conf_admin_told;
    admin.sources = ngx_http_gate_sources;

    if (ngx_http_gate_conf_admin_by(r, &admin.by) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_gate_admin_handle(r, &admin, &clcf->name);
}


static void
ngx_http_gate_conf_admin_told(ngx_http_request_t *r, ngx_uint_t refused,
    const ngx_str_t *by, const ngx_str_t *subject, const ngx_str_t *words)
{
    ngx_http_gate_tell_change(ngx_http_get_module_main_conf(r,
                                                        ngx_http_gate_module),
                              r, refused ? NGX_HTTP_GATE_EVENT_ADMIN_REFUSED
                                         : NGX_HTTP_GATE_EVENT_ADMIN,
                              by, subject, words);
}


/* who it is, by the best name there is */

static ngx_int_t
ngx_http_gate_conf_admin_by(ngx_http_request_t *r, ngx_str_t *by)
{
    ngx_http_gate_certificate_t  *cert;

    cert = ngx_http_gate_peer_certificate(r);
    if (cert == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_gate_certificate_state(cert, ngx_time())
        == GATE_CERTIFICATE_VALID)
    {
        *by = cert->names[GATE_NAME_EMAIL].len ? cert->names[GATE_NAME_EMAIL]
              : cert->names[GATE_NAME_CN].len ? cert->names[GATE_NAME_CN]
                                              : cert->fingerprint;
        return NGX_OK;
    }

    *by = r->headers_in.user.len ? r->headers_in.user
                                 : r->connection->addr_text;

    return NGX_OK;
}


ngx_int_t
ngx_http_gate_conf_admin_check(ngx_conf_t *cf,
    ngx_http_gate_main_conf_t *gmcf)
{
    ngx_uint_t              i;
    ngx_http_gate_guard_t  *guards;

    if (gmcf->admin
        && (ngx_http_gate_conf_admin_show(cf, gmcf) != NGX_OK
            || ngx_http_gate_admin_csp(cf, &gmcf->admin_csp) != NGX_OK))
    {
        return NGX_ERROR;
    }

    guards = gmcf->guards.elts;

    for (i = 0; i < gmcf->guards.nelts; i++) {

        if (ngx_http_gate_conf_admin_guarded(cf, &guards[i])) {
            continue;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"gate_admin write=on\" in %s:%ui is open to "
                      "everybody: give its location \"allow\" and \"deny\", "
                      "a \"gate\" that requires a certificate, or its server "
                      "\"ssl_verify_client on\"", guards[i].file,
                      guards[i].line);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* what administrators see of policies, in the order of nginx.conf */

static ngx_int_t
ngx_http_gate_conf_admin_show(ngx_conf_t *cf, ngx_http_gate_main_conf_t *gmcf)
{
    ngx_uint_t                      i, k;
    ngx_http_gate_policy_t        **policies;
    ngx_http_gate_admin_policy_t   *shown;

    if (ngx_array_init(&gmcf->shown, cf->pool, gmcf->policies.nelts + 1,
                       sizeof(ngx_http_gate_admin_policy_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    policies = gmcf->policies.elts;

    for (i = 0; i < gmcf->policies.nelts; i++) {

        shown = ngx_array_push(&gmcf->shown);
        if (shown == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(shown, sizeof(ngx_http_gate_admin_policy_t));

        shown->name = policies[i]->name;
        shown->suffix = policies[i]->suffix;
        shown->countries = policies[i]->rules.familiar.mode != GATE_MODE_OFF;
        shown->place = policies[i]->rules.journey.mode != GATE_MODE_OFF;
        shown->hard = policies[i]->overrun == NGX_HTTP_GATE_OVERRUN_REFUSE;

        for (k = 0; k < policies[i]->ngroups; k++) {
            if (policies[i]->groups[k].key == NULL) {
                shown->kinds[shown->nkinds++] = policies[i]->groups[k].kind;
            }
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_gate_conf_admin_guarded(ngx_conf_t *cf,
    const ngx_http_gate_guard_t *guard)
{
    ngx_http_ssl_srv_conf_t   *sscf;
    ngx_http_gate_loc_conf_t  *glcf;

    glcf = guard->loc_conf[ngx_http_gate_module.ctx_index];
    sscf = guard->srv_conf[ngx_http_ssl_module.ctx_index];

    return sscf->verify == 1
           || (glcf->policy && !glcf->dry_run
               && glcf->policy->rules.certificate == GATE_REQUIRED)
           || ngx_http_gate_conf_admin_listed(cf, guard->loc_conf);
}


static ngx_uint_t
ngx_http_gate_conf_admin_listed(ngx_conf_t *cf, void **loc_conf)
{
    ngx_uint_t                   i;
    ngx_module_t               **modules;
    ngx_http_gate_conf_lists_t  *lists;

    modules = cf->cycle->modules;

    for (i = 0; modules[i]; i++) {

        if (ngx_strcmp(modules[i]->name, "ngx_http_access_module") != 0) {
            continue;
        }

        lists = loc_conf[modules[i]->ctx_index];

        return lists->rules != NULL
#if (NGX_HAVE_INET6)
               || lists->rules6 != NULL
#endif
#if (NGX_HAVE_UNIX_DOMAIN)
               || lists->rules_un != NULL
#endif
               ;
    }

    return 0;
}
