/*
 * nginx.conf to structs.  What can be wrong is said here, at "nginx -t", with
 * the word, the file and the line.
 */


#ifndef NGX_HTTP_GATE_CONF_H_INCLUDED
#define NGX_HTTP_GATE_CONF_H_INCLUDED


#include "ngx_http_gate.h"


void *ngx_http_gate_conf_create_main(ngx_conf_t *cf);
char *ngx_http_gate_conf_init_main(ngx_conf_t *cf, void *conf);
void *ngx_http_gate_conf_create_srv(ngx_conf_t *cf);
void *ngx_http_gate_conf_create_loc(ngx_conf_t *cf);
char *ngx_http_gate_conf_merge_loc(ngx_conf_t *cf, void *parent,
    void *child);

char *ngx_http_gate_conf_gate(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_gate_conf_metrics(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_gate_conf_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_gate_conf_geoip(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_gate_conf_redis(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_gate_conf_policy(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

char *ngx_http_gate_conf_admin(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* Where something can be changed, is it seen to who does?  NGX_ERROR: not. */
ngx_int_t ngx_http_gate_conf_admin_check(ngx_conf_t *cf,
    ngx_http_gate_main_conf_t *gmcf);

/* "gate_audit", and what no line of it can tell by itself. */
char *ngx_http_gate_conf_audit(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_gate_conf_audit_check(ngx_conf_t *cf,
    ngx_http_gate_main_conf_t *gmcf);

/* A "quota" line; conf is the policy. */
char *ngx_http_gate_conf_quota(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* Lines about certificates; conf is the policy. */
char *ngx_http_gate_conf_certificate(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_gate_conf_issuer(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_gate_conf_fingerprints(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_gate_conf_crl(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_gate_conf_crl_expired(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* Reads all CRLs, once the CAs of all servers are known. */
ngx_int_t ngx_http_gate_conf_crl_load(ngx_conf_t *cf);

/* Warns of servers of one address whose client CAs are not the same. */
ngx_int_t ngx_http_gate_conf_servers(ngx_conf_t *cf);

/* What no single one of them can tell. */
char *ngx_http_gate_conf_certificate_complete(ngx_conf_t *cf,
    ngx_http_gate_policy_t *policy);

/*
 * Parses a block by a command table of its own: the same counts of arguments
 * and words of an error as nginx has for its directives.
 */
char *ngx_http_gate_conf_block(ngx_conf_t *cf, ngx_command_t *commands,
    void *conf);

/*
 * A limit: a number of units with an optional k, m or g, or "off", which is
 * GATE_UNBOUNDED.  More than GATE_LIMIT_MAX is GATE_LIMIT_MAX.  NGX_ERROR: it
 * is no such thing.
 */
ngx_int_t ngx_http_gate_conf_limit(const ngx_str_t *value, uint64_t *limit);

/* "off", "report" or "deny", a value of the word cmd.  NGX_ERROR: logged. */
ngx_int_t ngx_http_gate_conf_mode(ngx_conf_t *cf, const ngx_command_t *cmd,
    const ngx_str_t *value, gate_mode_e *mode);


#endif /* NGX_HTTP_GATE_CONF_H_INCLUDED */
