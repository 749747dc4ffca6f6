/*
 * The slots of a Redis cluster: which keys lie where, as its specification has
 * it.  And numbers that lie in each of them, for keys that are to be there.
 */


#ifndef NGX_HTTP_GATE_SLOTS_H_INCLUDED
#define NGX_HTTP_GATE_SLOTS_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_HTTP_GATE_SLOTS  16384


/* The slot of a key: CRC16 of its hash tag, or of all of it. */
ngx_uint_t ngx_http_gate_slot(const ngx_str_t *key);

/*
 * Fills tags[NGX_HTTP_GATE_SLOTS]: the least number whose decimal digits lie in
 * that slot.  Takes some ms.
 */
void ngx_http_gate_slot_tags(uint32_t *tags);


#endif /* NGX_HTTP_GATE_SLOTS_H_INCLUDED */
