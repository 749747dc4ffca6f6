/*
 * The geography room: which country an address belongs to, according to the
 * MaxMind databases an administrator named.  It knows no policy and does
 * not remember what it was asked.
 */


#ifndef NGX_HTTP_GATE_GEO_H_INCLUDED
#define NGX_HTTP_GATE_GEO_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>


typedef struct ngx_http_gate_geo_s  ngx_http_gate_geo_t;


/*
 * A set of no databases.  It and all that is opened in it lives as long as
 * cf->pool, whose cleanup closes everything.  NULL if there is no memory.
 */
ngx_http_gate_geo_t *ngx_http_gate_geo_create(ngx_conf_t *cf);

/*
 * Adds the database "file", which is taken relative to the configuration
 * and replaced by its full name.  Returns NGX_CONF_OK, or NGX_CONF_ERROR
 * after the fault has been logged: missing, over 2 GiB, truncated, not a
 * MaxMind database, without any country, named twice.
 *
 * The file is copied: what happens to it afterwards harms nobody.
 */
char *ngx_http_gate_geo_open(ngx_conf_t *cf, ngx_http_gate_geo_t *geo,
    ngx_str_t *file);

/*
 * Asks the databases in the order they were opened.  Returns NGX_OK and two
 * letters A-Z (no NUL) from the first that knows the country of the address
 * "sa", or NGX_DECLINED if none does; "country" is untouched then.  An
 * IPv4-mapped IPv6 address is the IPv4 address.  Does not allocate, wait or
 * log.
 */
ngx_int_t ngx_http_gate_geo_country(const ngx_http_gate_geo_t *geo,
    const struct sockaddr *sa, u_char country[2]);


#endif /* NGX_HTTP_GATE_GEO_H_INCLUDED */
