/*
 * Reading what Redis has, for whoever looks, and confirming it: a script is
 * asked, and its reply handed on as cells.  Nothing of it is kept here, and no
 * request of a user waits for it.
 */


#ifndef NGX_HTTP_GATE_LEDGER_READ_H_INCLUDED
#define NGX_HTTP_GATE_LEDGER_READ_H_INCLUDED


#include "ngx_http_gate_ledger.h"
#include "ngx_http_gate_script.h"


typedef struct ngx_http_gate_reading_s  ngx_http_gate_reading_t;


/*
 * The reply: n cells, texts, numbers as their decimal text; they are there
 * until this returns.  NGX_ERROR: there is none, and the error log may say why.
 */
typedef void (*ngx_http_gate_read_pt)(void *data, ngx_int_t rc,
    const ngx_str_t *cells, ngx_uint_t n);


/*
 * Asks a script whose first nkeys of argc arguments are keys of one slot; all
 * of them are copied.  To one that stands behind epoch.lua the key of the epoch
 * is added; what that writes, replicas have, as with other writes.  NGX_OK: the
 * handler will be called once, later, never from inside this call, unless
 * *reading is closed before.  NGX_BUSY: Redis is away, or there is none.
 * NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_ledger_read(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_script_e script, ngx_uint_t nkeys, const ngx_str_t *argv,
    ngx_uint_t argc, ngx_http_gate_read_pt handler, void *data,
    ngx_http_gate_reading_t **reading);

/* Nobody waits for it any longer; the handler is not called. */
void ngx_http_gate_ledger_read_close(ngx_http_gate_reading_t *reading);

/* What begins the keys. */
const ngx_str_t *ngx_http_gate_ledger_prefix(ngx_http_gate_ledger_t *ledger);


#endif /* NGX_HTTP_GATE_LEDGER_READ_H_INCLUDED */
