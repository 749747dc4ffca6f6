/*
 * What the files of the zone share, and nobody else includes: the lock, and
 * what is called while it is held.
 */


#ifndef NGX_HTTP_GATE_ZONE_INNER_H_INCLUDED
#define NGX_HTTP_GATE_ZONE_INNER_H_INCLUDED


#include "ngx_http_gate_cells.h"
#include "ngx_http_gate_prefetch.h"


struct ngx_http_gate_zone_s {
    ngx_http_gate_cells_t        *cells;
    ngx_slab_pool_t              *shpool;
    size_t                        size;     /* as configured */
    ngx_array_t                  *kinds;
    ngx_uint_t                    embedded;
    ngx_uint_t                    levels;   /* somebody asks for them */
    ngx_uint_t                    full;     /* said once by this worker */
    uint32_t                      generation;
};


/* The cells, in order, for this worker alone; never wait before _unlock(). */
ngx_http_gate_cells_t *ngx_http_gate_zone_lock(ngx_http_gate_zone_t *zone);
void ngx_http_gate_zone_unlock(ngx_http_gate_zone_t *zone);

/* Is it of this user, whose name is a plain one? */
ngx_uint_t ngx_http_gate_zone_knows(const ngx_http_gate_known_t *known,
    const ngx_str_t *user);

/* Gives a usage its row, and the row what it counted without. */
void ngx_http_gate_zone_usage_enter(ngx_http_gate_cells_t *cells,
    ngx_http_gate_usage_t *usage);

/* Counts a usage that is over. */
void ngx_http_gate_zone_usage_close(ngx_http_gate_cells_t *cells,
    ngx_http_gate_usage_t *usage);

/* Fills in what is used of each quota, and which rose to a level. */
void ngx_http_gate_zone_level(ngx_http_gate_cell_t *cell,
    ngx_http_gate_account_t *account, const gate_quota_fact_t *facts,
    uint64_t now);

/* NULL: the cell has none for this quota. */
gate_credit_t *ngx_http_gate_zone_credit(ngx_http_gate_cell_t *cell,
    const ngx_http_gate_quota_t *quota);

/* The same of the kind's quota n, which mostly stands where the quota does. */

static ngx_inline gate_credit_t *
ngx_http_gate_zone_nth(ngx_http_gate_cell_t *cell,
    const ngx_http_gate_kind_t *kind, ngx_uint_t n)
{
    return cell->credits[n].id == kind->quotas[n].id
           ? &cell->credits[n]
           : ngx_http_gate_zone_credit(cell, &kind->quotas[n]);
}


/* What the ledger of one host has of this quota. */
gate_ledger_t *ngx_http_gate_zone_spendings(
    ngx_http_gate_ledger_cell_t *ledger,
    const ngx_http_gate_quota_t *quota);

ngx_http_gate_ledger_cell_t *ngx_http_gate_zone_ledger(
    ngx_http_gate_cells_t *cells, ngx_http_gate_cell_t *cell);

/* Each quota of the kind gets its place in the cell.  NGX_ERROR: no cell. */
ngx_int_t ngx_http_gate_zone_assign(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell, const ngx_http_gate_kind_t *kind);

/* Logs, once a worker, that there is no room. */
void ngx_http_gate_zone_told_full(ngx_http_gate_zone_t *zone,
    const char *what);

/* NULL: no policy has such accounts any more. */
const ngx_http_gate_kind_t *ngx_http_gate_zone_kind(ngx_http_gate_zone_t *zone,
    uint32_t hash);

/* Is there something that Redis does not know? */
ngx_uint_t ngx_http_gate_zone_untold(ngx_http_gate_cell_t *cell,
    const ngx_http_gate_kind_t *kind);

/* What needs[n] comes to: a known document costs nothing. */
uint64_t ngx_http_gate_zone_need(ngx_http_gate_zone_t *zone,
    ngx_http_gate_account_t *account, ngx_uint_t n,
    const gate_credit_t *credit, uint64_t now);

/* Is there a place for one more document?  Those of the ledger stay. */
ngx_uint_t ngx_http_gate_zone_place(ngx_http_gate_zone_t *zone,
    ngx_http_gate_account_t *account);

/* Takes what was checked: the account relies on its document. */
void ngx_http_gate_zone_rely(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell, ngx_http_gate_account_t *account,
    ngx_uint_t n, uint64_t now);

/* Relies on it no longer; nobody having taken it, it is forgotten. */
void ngx_http_gate_zone_leave(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell, ngx_http_gate_account_t *account,
    ngx_uint_t n);

/* Remembers which documents Redis has in the slot that has begun. */
void ngx_http_gate_zone_learn(ngx_http_gate_cells_t *cells,
    const ngx_http_gate_question_t *q, const ngx_http_gate_quota_t *quota,
    const gate_grant_t *grant, ngx_uint_t known, ngx_uint_t fresh);

/* Of what is to be given back, drops what somebody relies on by now. */
void ngx_http_gate_zone_still(ngx_http_gate_cells_t *cells,
    ngx_http_gate_question_t *q);


#endif /* NGX_HTTP_GATE_ZONE_INNER_H_INCLUDED */
