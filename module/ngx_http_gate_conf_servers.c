/*
 * What nobody sees in one server block: that others share its address, and
 * trust other CAs.  The gate refuses whom it must not let in there, but nobody
 * would be asked for the right certificate either.
 */


#include "ngx_http_gate_conf.h"

#include <ngx_http_ssl_module.h>


static void ngx_http_gate_conf_servers_address(ngx_conf_t *cf,
    ngx_http_conf_addr_t *addr);
static ngx_http_ssl_srv_conf_t *ngx_http_gate_conf_servers_ssl(
    ngx_http_core_srv_conf_t *cscf);
static ngx_uint_t ngx_http_gate_conf_servers_same(const ngx_str_t *one,
    const ngx_str_t *two);


ngx_int_t
ngx_http_gate_conf_servers(ngx_conf_t *cf)
{
    ngx_uint_t                   i, k;
    ngx_http_conf_addr_t        *addrs;
    ngx_http_conf_port_t        *ports;
    ngx_http_ssl_srv_conf_t     *sscf;
    ngx_http_core_srv_conf_t   **servers;
    ngx_http_core_main_conf_t   *cmcf;
    ngx_http_gate_main_conf_t   *gmcf;

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gate_module);
    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    ports = cmcf->ports ? cmcf->ports->elts : NULL;
    servers = cmcf->servers.elts;

    /* tickets are the default server's, whatever the client asks for then */

    for (i = 0; gmcf->used && i < cmcf->servers.nelts; i++) {
        sscf = ngx_http_gate_conf_servers_ssl(servers[i]);

        if (sscf->ssl.ctx) {
            ngx_http_gate_chain_tickets(sscf->ssl.ctx);
        }
    }

    for (i = 0; ports && i < cmcf->ports->nelts; i++) {
        addrs = ports[i].addrs.elts;

        for (k = 0; k < ports[i].addrs.nelts; k++) {
            ngx_http_gate_conf_servers_address(cf, &addrs[k]);
        }
    }

    return NGX_OK;
}


static void
ngx_http_gate_conf_servers_address(ngx_conf_t *cf, ngx_http_conf_addr_t *addr)
{
    ngx_uint_t                   i, gated, differ;
    ngx_http_ssl_srv_conf_t     *sscf, *first;
    ngx_http_gate_srv_conf_t    *gscf;
    ngx_http_core_srv_conf_t   **servers;

    if (ngx_http_gate_conf_servers_ssl(addr->default_server)
        ->reject_handshake == 1)
    {
        return;
    }

    gated = 0;
    differ = 0;
    first = NULL;
    servers = addr->servers.elts;

    for (i = 0; i < addr->servers.nelts; i++) {
        gscf = servers[i]->ctx->srv_conf[ngx_http_gate_module.ctx_index];
        sscf = ngx_http_gate_conf_servers_ssl(servers[i]);

        gated |= gscf->gated;

        if (sscf->ssl.ctx == NULL || !sscf->verify) {
            continue;
        }

        first = first ? first : sscf;

        differ |= !ngx_http_gate_conf_servers_same(&sscf->client_certificate,
                                                   &first->client_certificate)
                  || !ngx_http_gate_conf_servers_same(
                                                  &sscf->trusted_certificate,
                                                  &first->trusted_certificate);
    }

    if (gated && differ) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "servers of \"%V\" have different client CAs: who sends "
                      "no name in the handshake is asked for a certificate of "
                      "the default server, and is refused by the others; give "
                      "it a default server with \"ssl_reject_handshake on\"",
                      &addr->opt.addr_text);
    }
}


static ngx_http_ssl_srv_conf_t *
ngx_http_gate_conf_servers_ssl(ngx_http_core_srv_conf_t *cscf)
{
    return cscf->ctx->srv_conf[ngx_http_ssl_module.ctx_index];
}


static ngx_uint_t
ngx_http_gate_conf_servers_same(const ngx_str_t *one, const ngx_str_t *two)
{
    return one->len == two->len
           && ngx_memcmp(one->data, two->data, one->len) == 0;
}
