/*
 * Holds of administrators on the way of a request: whether it is about one, and
 * what happens to responses that are under way when one is set, or lifted.
 *
 * Each worker has a list of the requests that passed and a timer, which looks
 * whether the register is another one: so a response is cut, or slowed, within
 * that time, whether it moves or waits.
 */


#ifndef NGX_HTTP_GATE_HOLD_H_INCLUDED
#define NGX_HTTP_GATE_HOLD_H_INCLUDED


#include "ngx_http_gate.h"


/* Once per worker, when it has its ledger.  NGX_ERROR: no memory. */
ngx_int_t ngx_http_gate_hold_start(ngx_cycle_t *cycle,
    ngx_http_gate_main_conf_t *gmcf);
void ngx_http_gate_hold_stop(ngx_http_gate_main_conf_t *gmcf);

/*
 * Is somebody held whom this request is about?  Into ctx->facts, once its user,
 * project and country are known.  As long as nobody is, that is one load.
 */
ngx_int_t ngx_http_gate_hold_facts(ngx_http_gate_ctx_t *ctx);

/*
 * Asks who is held, if nobody knows yet.  NGX_AGAIN: ctx->resume will be called
 * once.  NGX_OK: look again.
 */
ngx_int_t ngx_http_gate_hold_ask(ngx_http_gate_ctx_t *ctx);

/* It passed, and is to be cut when somebody sets a hold; it is over. */
void ngx_http_gate_hold_enter(ngx_http_gate_ctx_t *ctx);
void ngx_http_gate_hold_leave(ngx_http_gate_ctx_t *ctx);

/* Each that passed and is not over. */
void ngx_http_gate_hold_each(ngx_http_gate_main_conf_t *gmcf,
    ngx_http_gate_resume_pt handler);

/* It waits no longer for who is held. */
void ngx_http_gate_hold_close(ngx_http_gate_ctx_t *ctx);

/* Sets the rate of the response by all holds that slow it. */
void ngx_http_gate_hold_pace(ngx_http_gate_ctx_t *ctx);


#endif /* NGX_HTTP_GATE_HOLD_H_INCLUDED */
