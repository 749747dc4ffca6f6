/*
 * Tells the audit what happens on the road: what became of a request, once it
 * has ended, and changes of state.
 */


#ifndef NGX_HTTP_GATE_TELL_H_INCLUDED
#define NGX_HTTP_GATE_TELL_H_INCLUDED


#include "ngx_http_gate_end.h"


/* Once per worker, of a configuration with an audit.  NGX_ERROR: no memory. */
ngx_int_t ngx_http_gate_tell_start(ngx_http_gate_main_conf_t *gmcf,
    ngx_cycle_t *cycle);

/* A request has ended, in a place with an audit. */
void ngx_http_gate_tell_end(ngx_http_request_t *r,
    const ngx_http_gate_end_t *end);

/* The same of one that nginx refused before any phase. */
void ngx_http_gate_tell_early(ngx_http_request_t *r, gate_reason_e reason,
    ngx_uint_t status);

/* Some quota of the account may have risen to a level. */
void ngx_http_gate_tell_levels(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_account_t *account);

/*
 * A change that somebody made: NGX_HTTP_GATE_EVENT_HOLD_SET, _HOLD_LIFTED or
 * _ADMIN.  by: who; subject: of what, such as "user alice@example.jp"; words:
 * what else, such as reason and until when.  r is his request, or NULL.
 */
void ngx_http_gate_tell_change(ngx_http_gate_main_conf_t *gmcf,
    ngx_http_request_t *r, ngx_http_gate_event_e what, const ngx_str_t *by,
    const ngx_str_t *subject, const ngx_str_t *words);


#endif /* NGX_HTTP_GATE_TELL_H_INCLUDED */
