/*
 * Advice: looks at the settings of Redis that may lose counts, and warns.
 */


#ifndef NGX_HTTP_GATE_ADVICE_H_INCLUDED
#define NGX_HTTP_GATE_ADVICE_H_INCLUDED


#include "ngx_http_gate_redis.h"


/*
 * Asks for them; what is to be warned of is logged when Redis answers.  What
 * it may not tell, it does not tell.  log must live as long as the cycle.
 */
void ngx_http_gate_advice_ask(ngx_http_gate_redis_t *redis, ngx_log_t *log);


#endif /* NGX_HTTP_GATE_ADVICE_H_INCLUDED */
