/*
 * What will be looked at soon, and was not lately, is far from the processor:
 * asked for ahead, all of it comes while something else is done, and with the
 * zone's lock nobody waits for it.
 */


#ifndef NGX_HTTP_GATE_PREFETCH_H_INCLUDED
#define NGX_HTTP_GATE_PREFETCH_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>


/* bytes that come at once, on most processors */
#define NGX_HTTP_GATE_LINE  64


/* Has no effect but on time: p may be anything, and be another's. */

static ngx_inline void
ngx_http_gate_prefetch(const void *p, size_t size)
{
#if (__GNUC__)
    size_t  i;

    for (i = 0; i < size; i += NGX_HTTP_GATE_LINE) {
        __builtin_prefetch((const u_char *) p + i);
    }
#else
    (void) p;
    (void) size;
#endif
}


#endif /* NGX_HTTP_GATE_PREFETCH_H_INCLUDED */
