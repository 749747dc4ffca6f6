/*
 * Values of nginx.conf that may hold variables, evaluated for each request.
 * Most are one variable and nothing else: those are taken as they are, and not
 * copied.
 */


#ifndef NGX_HTTP_GATE_VALUE_H_INCLUDED
#define NGX_HTTP_GATE_VALUE_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


typedef struct {
    ngx_http_complex_value_t   complex;
    ngx_int_t                  variable;    /* its index; or NGX_ERROR: it is
                                               not one and nothing else */
} ngx_http_gate_value_t;


/* Reads one.  NGX_ERROR: logged. */
ngx_int_t ngx_http_gate_value_compile(ngx_conf_t *cf, ngx_str_t *text,
    ngx_http_gate_value_t *value);

/* As ngx_conf_set_str_slot(), for a pointer to one. */
char *ngx_http_gate_value_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/*
 * Evaluates one; a variable that has no value is empty.  What it answers lives
 * as long as the request.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_value(ngx_http_request_t *r,
    ngx_http_gate_value_t *value, ngx_str_t *text);


#endif /* NGX_HTTP_GATE_VALUE_H_INCLUDED */
