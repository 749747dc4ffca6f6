/*
 * What a user was given beyond his quotas, until a window ends: his limits have
 * it in them as long as it is in force.
 */


#ifndef NGX_HTTP_GATE_EXTRA_H_INCLUDED
#define NGX_HTTP_GATE_EXTRA_H_INCLUDED


#include "ngx_http_gate.h"


/*
 * Makes the limits of the accounts what they are now.  Is to be called before
 * each look at the zone; does nothing as long as the register is the same, and
 * nothing has ended.
 */
void ngx_http_gate_extra_look(ngx_http_gate_ctx_t *ctx);


#endif /* NGX_HTTP_GATE_EXTRA_H_INCLUDED */
