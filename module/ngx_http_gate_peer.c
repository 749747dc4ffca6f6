/*
 * The peer, found again through a cleanup of the connection's pool: neither
 * HTTP/1.1 nor HTTP/2 has a place of its own for a module's connection data.
 */


#include "ngx_http_gate_peer.h"

#include "ngx_http_gate_balancer.h"

#include <ngx_http_ssl_module.h>


static ngx_http_gate_certificate_t *ngx_http_gate_peer_shown(
    ngx_http_request_t *r, ngx_http_gate_peer_t *peer);
static ngx_connection_t *ngx_http_gate_peer_connection(ngx_http_request_t *r);
static SSL_CTX *ngx_http_gate_peer_server(ngx_http_request_t *r);
static void ngx_http_gate_peer_cleanup(void *data);


ngx_http_gate_certificate_t *
ngx_http_gate_peer_certificate(ngx_http_request_t *r)
{
    ngx_http_gate_peer_t         *peer;
    ngx_http_gate_loc_conf_t     *glcf;
    ngx_http_gate_certificate_t  *cert;

    peer = ngx_http_gate_peer(r);
    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

    if (peer == NULL) {
        return NULL;
    }

    if (glcf->policy && glcf->policy->balancer) {

        switch (ngx_http_gate_balancer_certificate(r, glcf->policy->balancer,
                                            ngx_http_gate_peer_connection(r),
                                            peer, &cert))
        {

        case NGX_OK:
            return cert;

        case NGX_ERROR:
            return NULL;

        default: /* NGX_DECLINED */
            break;
        }
    }

    return ngx_http_gate_peer_shown(r, peer);
}


ngx_http_gate_certificate_t *
ngx_http_gate_peer_handshake(ngx_http_request_t *r)
{
    ngx_http_gate_peer_t  *peer;

    peer = ngx_http_gate_peer(r);

    return peer ? ngx_http_gate_peer_shown(r, peer) : NULL;
}


static ngx_http_gate_certificate_t *
ngx_http_gate_peer_shown(ngx_http_request_t *r, ngx_http_gate_peer_t *peer)
{
    SSL_CTX                *ctx;
    ngx_connection_t       *c;
    ngx_http_gate_shown_t  *shown, *last;

    ctx = ngx_http_gate_peer_server(r);
    last = NULL;

    for (shown = &peer->shown; shown; shown = shown->next) {
        if (shown->ctx == ctx) {
            return &shown->certificate;
        }

        last = shown;
    }

    /* another server: as many as there are, and most see one only */

    c = ngx_http_gate_peer_connection(r);

    shown = ngx_pcalloc(c->pool, sizeof(ngx_http_gate_shown_t));
    if (shown == NULL) {
        return NULL;
    }

    shown->ctx = ctx;

    if (ngx_http_gate_certificate_read(c, ctx, &shown->certificate)
        != NGX_OK)
    {
        return NULL;
    }

    last->next = shown;

    return &shown->certificate;
}


ngx_http_gate_peer_t *
ngx_http_gate_peer(ngx_http_request_t *r)
{
    ngx_connection_t      *c;
    ngx_pool_cleanup_t    *cln;
    ngx_http_gate_peer_t  *peer;

    c = ngx_http_gate_peer_connection(r);

    for (cln = c->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_gate_peer_cleanup) {
            return cln->data;
        }
    }

    cln = ngx_pool_cleanup_add(c->pool, sizeof(ngx_http_gate_peer_t));
    if (cln == NULL) {
        return NULL;
    }

    peer = cln->data;
    ngx_memzero(peer, sizeof(ngx_http_gate_peer_t));

    peer->shown.ctx = ngx_http_gate_peer_server(r);

    if (ngx_http_gate_certificate_read(c, peer->shown.ctx,
                                       &peer->shown.certificate)
        != NGX_OK)
    {
        return NULL;
    }

    cln->handler = ngx_http_gate_peer_cleanup;

    return peer;
}


/* the connection that has the TLS session and lives as long as it */

static ngx_connection_t *
ngx_http_gate_peer_connection(ngx_http_request_t *r)
{
    ngx_connection_t  *c;

    c = r->connection;

#if (NGX_HTTP_V2)
    if (r->stream) {
        c = r->stream->connection->connection;
    }
#endif

#if (NGX_HTTP_V3)
    if (c->quic) {
        c = c->quic->parent;
    }
#endif

    return c;
}


static SSL_CTX *
ngx_http_gate_peer_server(ngx_http_request_t *r)
{
    ngx_http_ssl_srv_conf_t  *sscf;

    sscf = ngx_http_get_module_srv_conf(r, ngx_http_ssl_module);

    return sscf->ssl.ctx;
}


static void
ngx_http_gate_peer_cleanup(void *data)
{
    /* only marks what ngx_http_gate_peer() looks for */

    (void) data;
}


const gate_place_t *
ngx_http_gate_peer_place(ngx_http_request_t *r, ngx_uint_t fields)
{
    ngx_uint_t                  generation;
    ngx_connection_t           *c;
    ngx_http_gate_peer_t       *peer;
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gate_module);
    peer = ngx_http_gate_peer(r);
    c = r->connection;

    if (peer == NULL) {
        return NULL;
    }

    if (gmcf->geo == NULL || c->socklen > (socklen_t) sizeof(ngx_sockaddr_t)) {
        ngx_memzero(&peer->place, sizeof(gate_place_t));
        return &peer->place;
    }

    generation = ngx_http_gate_geo_generation(gmcf->geo);

    if (generation != peer->generation
        || ngx_cmp_sockaddr(&peer->address.sockaddr, peer->socklen,
                            c->sockaddr, c->socklen, 0)
           != NGX_OK)
    {
        ngx_memcpy(&peer->address, c->sockaddr, c->socklen);
        peer->socklen = c->socklen;
        peer->generation = generation;
        peer->asked = 0;

        ngx_memzero(&peer->place, sizeof(gate_place_t));
    }

    if (fields & ~peer->asked) {
        ngx_http_gate_geo_read(gmcf->geo, c->sockaddr, fields & ~peer->asked,
                               &peer->place);
        peer->asked |= fields;
    }

    return &peer->place;
}
