/*
 * The administrators' interface: what is known, as JSON, and what they may
 * change.  It asks the ledger and decides nothing of requests; who may come
 * here is for the location to say.
 */


#ifndef NGX_HTTP_GATE_ADMIN_H_INCLUDED
#define NGX_HTTP_GATE_ADMIN_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_gate_ledger.h"
#include "ngx_http_gate_source.h"


/* kinds of accounts of one policy */
#define NGX_HTTP_GATE_ADMIN_KINDS  8


/* accounts of a user, or of something else, under one policy */

typedef struct {
    ngx_str_t                      name;    /* of the policy */
    ngx_str_t                      suffix;  /* ":" and name */
    ngx_uint_t                     nkinds;
    const ngx_http_gate_kind_t    *kinds[NGX_HTTP_GATE_ADMIN_KINDS];
                                            /* of which he is the key */
    unsigned                       countries:1; /* they are known of him */
    unsigned                       place:1; /* and where he was last */
    unsigned                       hard:1;  /* bytes do not overrun limits */
} ngx_http_gate_admin_policy_t;


/*
 * Tells that somebody changed something, or was not allowed to: of what, and
 * what else there is to say.
 */
typedef void (*ngx_http_gate_admin_told_pt)(ngx_http_request_t *r,
    ngx_uint_t refused, const ngx_str_t *by, const ngx_str_t *subject,
    const ngx_str_t *words);


/* what the road knows and this room does not; lives as long as the request */

typedef struct {
    ngx_http_gate_zone_t    *zone;
    ngx_http_gate_ledger_t  *ledger;    /* this worker's */
    ngx_array_t             *policies;  /* of ngx_http_gate_admin_policy_t */
    ngx_str_t                by;        /* who asks, for what is changed */
    ngx_flag_t               write;     /* may change something */
    ngx_flag_t               stream;    /* events go to Redis, too */
    const ngx_str_t         *csp;       /* of _admin_csp() */
    ngx_http_gate_admin_told_pt  told;
    ngx_http_gate_sources_pt     sources;
} ngx_http_gate_admin_t;


/* Content-Security-Policy of the page.  At configuration; NGX_ERROR: logged. */
ngx_int_t ngx_http_gate_admin_csp(ngx_conf_t *cf, ngx_str_t *csp);

/*
 * Answers a request for what stands behind "base", the location's name, such
 * as "v1/state", or nothing, which is the page.  Returns what a content handler
 * returns; may wait for the ledger, or for the request's body.  Errors are
 * problem details (RFC 9457).
 */
ngx_int_t ngx_http_gate_admin_handle(ngx_http_request_t *r,
    const ngx_http_gate_admin_t *admin, const ngx_str_t *base);


#endif /* NGX_HTTP_GATE_ADMIN_H_INCLUDED */
