/*
 * The page of a refusal stands where nginx would put its own: whatever the
 * moment of the refusal, and only if no "error_page" is there for its status.
 */


#ifndef NGX_HTTP_GATE_PAGE_H_INCLUDED
#define NGX_HTTP_GATE_PAGE_H_INCLUDED


#include "ngx_http_gate.h"


/*
 * Puts the filters before all others.  When the configuration is complete, with
 * all modules' filters in place.
 */
void ngx_http_gate_page_init(void);

/*
 * Puts all modules' filters back as they were then.  When a worker starts: a
 * reload that failed may have built half of the chain anew.
 */
void ngx_http_gate_page_restore(void);


#endif /* NGX_HTTP_GATE_PAGE_H_INCLUDED */
