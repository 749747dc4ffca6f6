/*
 * Certificate revocation lists (RFC 5280 5): files of them that reload
 * themselves, and what they say of a chain.
 */


#ifndef NGX_HTTP_GATE_CRL_H_INCLUDED
#define NGX_HTTP_GATE_CRL_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>
#include "gate_policy.h"
#include "ngx_http_gate_chain.h"
#include "ngx_http_gate_watch.h"


/* who may sign: a CRL counts for chains with that very CA only */

typedef struct {
    STACK_OF(X509)  *certs;
} ngx_http_gate_crl_authorities_t;


/* Makes an empty set of them, freed with cf->pool. */
ngx_int_t ngx_http_gate_crl_init(ngx_conf_t *cf,
    ngx_http_gate_crl_authorities_t *authorities);

/* Adds all CAs of a store. */
ngx_int_t ngx_http_gate_crl_authorize(
    ngx_http_gate_crl_authorities_t *authorities, X509_STORE *store);

/*
 * The watch of a file of CRLs, PEM or DER, in which certificates of CAs may
 * stand, too.  It is to be read when all authorities are there, whom nothing
 * may be added to from then on.  NULL: logged.
 */
ngx_http_gate_watch_t *ngx_http_gate_crl_add(ngx_conf_t *cf,
    ngx_array_t *watches, ngx_str_t *file,
    ngx_http_gate_crl_authorities_t *authorities);

/*
 * What the CRLs of "files", an array of watches, say of a chain at "now": of
 * each certificate in it the newest CRL of its issuer; the worst of it.  What
 * was found is kept with the chain, until a file or the time changes it.  A CRL
 * that has expired is logged, once.  Never waits.
 */
gate_crl_e ngx_http_gate_crl_look(const ngx_array_t *files,
    ngx_http_gate_chain_t *chain, time_t now, ngx_log_t *log);

/* Logs those CRLs of a file that have expired at "now". */
void ngx_http_gate_crl_warn(const ngx_http_gate_watch_t *watch, time_t now,
    ngx_log_t *log);


/* what is in a file of CRLs */

typedef struct {
    size_t      entries;    /* certificates that are revoked */
    time_t      updated;    /* thisUpdate of its oldest CRL */
    time_t      next;       /* the earliest nextUpdate */
} ngx_http_gate_crl_told_t;

/* NGX_DECLINED: the watch is of something else, or nothing is in use. */
ngx_int_t ngx_http_gate_crl_tell(const ngx_http_gate_watch_t *watch,
    ngx_http_gate_crl_told_t *told);


#endif /* NGX_HTTP_GATE_CRL_H_INCLUDED */
