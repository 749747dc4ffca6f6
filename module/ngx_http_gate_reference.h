/*
 * What a request is called where it is talked about: nginx's $request_id, in
 * what a refused client quotes, in logs and in the audit trail.
 */


#ifndef NGX_HTTP_GATE_REFERENCE_H_INCLUDED
#define NGX_HTTP_GATE_REFERENCE_H_INCLUDED


#include "ngx_http_gate.h"


/*
 * *reference lives as long as r, and is the same whenever it is asked for; by
 * nginx's variable, too.  Empty if nginx has none.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_reference(ngx_http_request_t *r,
    ngx_http_gate_main_conf_t *gmcf, ngx_str_t *reference);


#endif /* NGX_HTTP_GATE_REFERENCE_H_INCLUDED */
