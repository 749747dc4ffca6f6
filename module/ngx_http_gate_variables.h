/*
 * The variables $gate_...
 */


#ifndef NGX_HTTP_GATE_VARIABLES_H_INCLUDED
#define NGX_HTTP_GATE_VARIABLES_H_INCLUDED


#include "ngx_http_gate.h"


/* Adds them.  Before the configuration is read. */
ngx_int_t ngx_http_gate_variables_add(ngx_conf_t *cf);


#endif /* NGX_HTTP_GATE_VARIABLES_H_INCLUDED */
