/*
 * The words of refusals, in the languages there are.  Plain words for people
 * who did nothing wrong: what happened, and what they can do about it.
 */


#ifndef NGX_HTTP_GATE_REFUSAL_TEXTS_H_INCLUDED
#define NGX_HTTP_GATE_REFUSAL_TEXTS_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>

#include "gate_accept.h"
#include "gate_policy.h"


typedef struct {
    const char  *title;
    const char  *detail;        /* what happened */
    const char  *advice;        /* what to do */
} ngx_http_gate_refusal_text_t;


/* in them "@" stands for an amount, "#" for a length of time */

typedef struct {
    const char  *tag;           /* RFC 5646 */
    const char  *limit;
    const char  *used;
    const char  *opens;
    const char  *reference;
    const char  *pers[GATE_PER_TIME + 1];
    const char  *units[GATE_DOCUMENTS + 1];
    const char  *unit[GATE_DOCUMENTS + 1];      /* of one */
    const char  *times[4];      /* days, hours, minutes, seconds */
    const char  *time[4];       /* one of them */
} ngx_http_gate_refusal_words_t;


/* NULL: there is no text for this reason */
const ngx_http_gate_refusal_text_t *ngx_http_gate_refusal_text(
    gate_reason_e reason, gate_accept_language_e language);

const ngx_http_gate_refusal_words_t *ngx_http_gate_refusal_words(
    gate_accept_language_e language);


#endif /* NGX_HTTP_GATE_REFUSAL_TEXTS_H_INCLUDED */
