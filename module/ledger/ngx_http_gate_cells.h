/*
 * Cells: the zone's memory, cut into pieces of one size at the start.  An
 * account is one cell, the ledger of an account (one host, no Redis) another.
 * Cells are found by a hash table of their numbers and, while there is credit
 * to give back, stand in a list of active ones.
 *
 * Numbers, not pointers, and one mark of what is being changed, so that a
 * worker killed in the middle leaves something that can be put in order from
 * the cells alone.  All of it is called with the zone's lock held.
 */


#ifndef NGX_HTTP_GATE_CELLS_H_INCLUDED
#define NGX_HTTP_GATE_CELLS_H_INCLUDED


#include "ngx_http_gate_counters.h"
#include "ngx_http_gate_documents.h"
#include "ngx_http_gate_epochs.h"
#include "ngx_http_gate_habits.h"
#include "ngx_http_gate_usages.h"
#include "ngx_http_gate_register.h"
#include "ngx_http_gate_zone.h"


#define NGX_HTTP_GATE_FREE        0
#define NGX_HTTP_GATE_ACCOUNT     1
#define NGX_HTTP_GATE_LEDGER      2

/* "touched": the lists themselves are being changed */
#define NGX_HTTP_GATE_STRUCTURE   NGX_MAX_UINT32_VALUE


typedef struct {
    uint32_t                      next;     /* in the hash chain, or free */
    uint32_t                      active_next;
    uint32_t                      active_prev;
    uint32_t                      hash;
    uint32_t                      kind;     /* hash of the kind's suffix */
    uint32_t                      ledger;   /* its cell, 0: none */
    uint32_t                      incarnation;
    uint32_t                      users;    /* requests that hold credit */
    uint32_t                      era;      /* in which it was answered */
    uint8_t                       levels[NGX_HTTP_GATE_QUOTAS];
                                            /* that were told of */
    uint64_t                      number;   /* of the last question */
    uint64_t                      answered;
    ngx_msec_t                    used;
    ngx_msec_t                    asking;   /* until when; 0: not */
    uint8_t                       type;
    uint8_t                       active;
    uint8_t                       untold;   /* the ledger may know less */
    uint8_t                       len;
    gate_credit_t                 credits[NGX_HTTP_GATE_QUOTAS];
    u_char                        name[NGX_HTTP_GATE_NAME_MAX];
} ngx_http_gate_cell_t;


typedef struct {
    uint32_t                      next;     /* where a cell has it: free */
    uint8_t                       unused[68];
    uint8_t                       type;     /* where a cell has it */
    gate_ledger_t                 quotas[NGX_HTTP_GATE_QUOTAS];
} ngx_http_gate_ledger_cell_t;


/* a ledger's type stands where an account's does */

typedef char  ngx_http_gate_cells_agree
    [offsetof(ngx_http_gate_cell_t, type)
     == offsetof(ngx_http_gate_ledger_cell_t, type)
     && sizeof(ngx_http_gate_ledger_cell_t) <= sizeof(ngx_http_gate_cell_t)
     && sizeof(ngx_http_gate_cell_t) <= 504
     ? 1 : -1];


typedef struct {
    u_char                        node[16];
    uint64_t                      locks;    /* times the lock was taken */
    uint32_t                      touched;  /* a cell, or STRUCTURE; 0: none */
    uint32_t                      ncells;
    uint32_t                      fresh;    /* cells never used start here */
    uint32_t                      free;
    uint32_t                      used;     /* cells, */
    uint32_t                      accounts; /* and of them these */
    uint32_t                      evicted;  /* accounts that made room */
    uint32_t                      full;     /* times that there was none */
    uint32_t                      active;
    uint32_t                      hand;     /* the next cell to look at */
    uint32_t                      incarnations;
    uint32_t                      mask;
    uint32_t                      generation;
    uint32_t                      restate;  /* cells to be told again, if so */
    uint32_t                      again;    /* and another pass after this */
    uint32_t                      advised;  /* Redis of this era */
    ngx_msec_t                    opens;    /* all of it grants from then on */
    ngx_msec_t                    beat;     /* when epochs were looked for */
    ngx_http_gate_epochs_t        epochs;
    ngx_http_gate_counters_t      counters;
    ngx_http_gate_documents_t     documents;
    ngx_http_gate_habits_t        habits;
    ngx_http_gate_usages_t        usages;
    ngx_http_gate_register_t      holds;
    uint32_t                     *buckets;
    ngx_http_gate_cell_t         *table;    /* cell n is table[n - 1] */
} ngx_http_gate_cells_t;


/* May this account be forgotten? */
typedef ngx_uint_t (*ngx_http_gate_cells_idle_pt)(void *data,
    ngx_http_gate_cell_t *cell);


/*
 * Takes nearly all pages of the pool: a 32nd for what policies count, an eighth
 * for documents, a 32nd for habits, 16ths for usage and for holds, the others
 * for cells, all free.  size:
 * of the pool's memory.  NULL: it is too small.
 */
ngx_http_gate_cells_t *ngx_http_gate_cells_create(ngx_slab_pool_t *shpool,
    size_t size);

/* Marks what is about to be changed: a cell, STRUCTURE or, when 0, nothing. */
void ngx_http_gate_cells_touch(ngx_http_gate_cells_t *cells, uint32_t n);

/* A worker died with the lock and its mark: puts everything in order. */
void ngx_http_gate_cells_repair(ngx_http_gate_cells_t *cells);

/* The account of a name, 0 if there is none.  hint: where it may be, or 0. */
uint32_t ngx_http_gate_cells_find(ngx_http_gate_cells_t *cells, uint32_t hint,
    uint32_t hash, const ngx_str_t *name);

/* Makes a free cell the account of a name. */
void ngx_http_gate_cells_add(ngx_http_gate_cells_t *cells, uint32_t n,
    uint32_t hash, const ngx_str_t *name);

/*
 * A zeroed cell; if need be that of the account that was unused longest among
 * some that idle() lets go.  0: there is none.
 */
uint32_t ngx_http_gate_cells_alloc(ngx_http_gate_cells_t *cells,
    ngx_http_gate_cells_idle_pt idle, void *data);

/* Puts an account into the list of active ones, or takes it out. */
void ngx_http_gate_cells_activate(ngx_http_gate_cells_t *cells,
    ngx_http_gate_cell_t *cell);
void ngx_http_gate_cells_deactivate(ngx_http_gate_cells_t *cells,
    ngx_http_gate_cell_t *cell);


#endif /* NGX_HTTP_GATE_CELLS_H_INCLUDED */
