/*
 * Holds in Redis: this host's register is loaded when somebody says that there
 * is a change (Pub/Sub), when the version that a beat tells is another one, and
 * at the start.  Before that, what this host knows is told to a Redis that may
 * have forgotten it.  Redis away, the register stays as it is.
 */


#ifndef NGX_HTTP_GATE_LEDGER_HOLDS_H_INCLUDED
#define NGX_HTTP_GATE_LEDGER_HOLDS_H_INCLUDED


#include "ngx_http_gate_holds.h"
#include "ngx_http_gate_ledger.h"


/* one that waits for the register; its memory is the caller's */

typedef struct {
    ngx_queue_t               queue;
    ngx_uint_t                waiting;
    ngx_http_gate_waiter_pt   handler;
    void                     *data;
} ngx_http_gate_holds_waiter_t;


/*
 * This worker's copy.  To list holds: ngx_http_gate_holds_refresh(holds, 0),
 * then holds->n of holds->list, by id, with those that are over or lifted: see
 * gate_held_over().  They are there until the next refresh: do not wait.  To
 * hear of changes (events): set holds->handler, once, at the worker's start.
 */
ngx_http_gate_holds_t *ngx_http_gate_ledger_holds(
    ngx_http_gate_ledger_t *ledger);

/*
 * Asks for the register, while its generation is 0: nobody knows who is held.
 * NGX_AGAIN: the handler will be called once, later, with NGX_OK or NGX_ERROR.
 * NGX_BUSY: the store is known to be away, the handler is not called.
 */
ngx_int_t ngx_http_gate_ledger_holds_ask(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_holds_waiter_t *waiter);

/* The waiter waits no longer; nothing happens if it did not. */
void ngx_http_gate_ledger_holds_forgo(ngx_http_gate_holds_waiter_t *waiter);

/*
 * Sets a hold, or replaces the one of that id, on all nodes.  The id must be
 * one (gate_held_id()); held->since is set to now, by Redis' clock, if it is 0.
 * Nothing of held is looked at after the call.
 *
 * NGX_OK: the handler will be called exactly once, later, never from inside
 * this call; with NGX_OK: it is set, and nodes will know within a second.
 * NGX_BUSY: there are too many.  NGX_ERROR: nobody knows, for Redis did not
 * answer, or refused: the error log says why.
 * NGX_DECLINED: it cannot be written, see gate_held.h: it is too long, or has
 * control characters.  NGX_BUSY: Redis is away.  NGX_ERROR: no memory.  In
 * these cases the handler is not called.
 *
 * data must live until the handler is called, or at exit never.
 */
ngx_int_t ngx_http_gate_ledger_hold_set(ngx_http_gate_ledger_t *ledger,
    const gate_held_t *held, ngx_http_gate_waiter_pt handler, void *data);

/*
 * Lifts the hold of that id; by (empty: unknown) is who did.  As above, and the
 * handler is called with NGX_DECLINED if there is no such hold.
 */
ngx_int_t ngx_http_gate_ledger_hold_lift(ngx_http_gate_ledger_t *ledger,
    const ngx_str_t *id, const ngx_str_t *by, ngx_http_gate_waiter_pt handler,
    void *data);


#endif /* NGX_HTTP_GATE_LEDGER_HOLDS_H_INCLUDED */
