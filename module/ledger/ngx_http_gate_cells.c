/*
 * Cells: chains, lists and who makes room.  The order of stores matters only
 * between two marks: what is half done there is done again by _repair().
 */


#include "ngx_http_gate_cells.h"


/* cells looked at for one to make room */
#define NGX_HTTP_GATE_SAMPLE      32


static ngx_int_t ngx_http_gate_cells_policies(
    ngx_http_gate_counters_t *counters, ngx_slab_pool_t *shpool, size_t size);
static ngx_int_t ngx_http_gate_cells_table(ngx_http_gate_cells_t *cells,
    ngx_slab_pool_t *shpool, size_t size);
static void ngx_http_gate_cells_node(ngx_http_gate_cells_t *cells);
static void ngx_http_gate_cells_evict(ngx_http_gate_cells_t *cells,
    ngx_http_gate_cells_idle_pt idle, void *data);
static void ngx_http_gate_cells_free(ngx_http_gate_cells_t *cells,
    uint32_t n);


ngx_http_gate_cells_t *
ngx_http_gate_cells_create(ngx_slab_pool_t *shpool, size_t size)
{
    size_t                  n, bytes;
    u_char                 *p;
    ngx_http_gate_cells_t  *cells;

    cells = ngx_slab_calloc(shpool, sizeof(ngx_http_gate_cells_t));
    if (cells == NULL) {
        return NULL;
    }

    if (ngx_http_gate_cells_policies(&cells->counters, shpool, size)
        != NGX_OK)
    {
        return NULL;
    }

    bytes = size / 8;
    n = bytes / sizeof(ngx_http_gate_document_t);

    p = ngx_slab_alloc(shpool, bytes);
    if (p == NULL) {
        return NULL;
    }

    ngx_http_gate_documents_init(&cells->documents, p, (uint32_t) n);

    bytes = size / 32;
    n = bytes / sizeof(ngx_http_gate_habit_entry_t);

    p = ngx_slab_alloc(shpool, bytes);
    if (p == NULL) {
        return NULL;
    }

    ngx_http_gate_habits_init(&cells->habits, p, (uint32_t) n);

    bytes = size / 16;

    p = ngx_slab_alloc(shpool, bytes);
    if (p == NULL) {
        return NULL;
    }

    ngx_http_gate_usages_init(&cells->usages, p, bytes);

    bytes = ngx_min(size / 32, NGX_HTTP_GATE_REGISTER_MAX);

    p = ngx_slab_alloc(shpool, 2 * bytes);
    if (p == NULL) {
        return NULL;
    }

    cells->holds.texts[0] = p;
    cells->holds.texts[1] = p + bytes;
    cells->holds.size = bytes;

    if (ngx_http_gate_cells_table(cells, shpool, size) != NGX_OK) {
        return NULL;
    }

    ngx_http_gate_cells_node(cells);

    return cells;
}


static ngx_int_t
ngx_http_gate_cells_policies(ngx_http_gate_counters_t *counters,
    ngx_slab_pool_t *shpool, size_t size)
{
    ngx_uint_t  n;

    n = size / 32 / sizeof(ngx_http_gate_counted_t);
    n = ngx_max(n, 4);
    n = ngx_min(n, NGX_HTTP_GATE_COUNTED);

    counters->policies = ngx_slab_calloc(shpool,
                                         n * sizeof(ngx_http_gate_counted_t));
    if (counters->policies == NULL) {
        return NGX_ERROR;
    }

    counters->npolicies = n;

    n = size / 64 / sizeof(ngx_http_gate_risen_t);
    n = ngx_max(n, 4);
    n = ngx_min(n, NGX_HTTP_GATE_COUNTED);

    counters->quotas = ngx_slab_calloc(shpool,
                                       n * sizeof(ngx_http_gate_risen_t));
    if (counters->quotas == NULL) {
        return NGX_ERROR;
    }

    counters->nquotas = n;

    return NGX_OK;
}


/* all that is left, and a hash table of it */

static ngx_int_t
ngx_http_gate_cells_table(ngx_http_gate_cells_t *cells,
    ngx_slab_pool_t *shpool, size_t size)
{
    size_t   n, mask, bytes;
    u_char  *p;

    shpool->log_nomem = 0;

    for (n = size / sizeof(ngx_http_gate_cell_t); n > 15; n -= n / 32 + 1) {

        for (mask = 1; mask < n / 2; mask <<= 1) { /* void */ }

        bytes = n * sizeof(ngx_http_gate_cell_t) + mask * sizeof(uint32_t);

        p = ngx_slab_alloc(shpool, bytes);
        if (p == NULL) {
            continue;
        }

        cells->table = (ngx_http_gate_cell_t *) p;
        cells->buckets = (uint32_t *) (p + n * sizeof(ngx_http_gate_cell_t));
        cells->ncells = (uint32_t) n;
        cells->mask = (uint32_t) mask - 1;
        ngx_memzero(cells->buckets, mask * sizeof(uint32_t));

        return NGX_OK;
    }

    return NGX_ERROR;
}


/* who we are to Redis: another node each time the memory is new */

static void
ngx_http_gate_cells_node(ngx_http_gate_cells_t *cells)
{
    ngx_uint_t    i;
    static const  u_char  hex[] = "0123456789abcdef";

    for (i = 0; i < sizeof(cells->node); i++) {
        cells->node[i] = hex[(ngx_random() >> 8) & 0xf];
    }
}


void
ngx_http_gate_cells_touch(ngx_http_gate_cells_t *cells, uint32_t n)
{
    ngx_memory_barrier();
    *(volatile uint32_t *) &cells->touched = n;
    ngx_memory_barrier();
}


void
ngx_http_gate_cells_repair(ngx_http_gate_cells_t *cells)
{
    uint32_t               n;
    ngx_uint_t             i;
    ngx_http_gate_cell_t  *cell;

    ngx_memzero(cells->buckets, (cells->mask + 1) * sizeof(uint32_t));

    ngx_http_gate_usages_repair(&cells->usages);

    cells->free = 0;
    cells->used = 0;
    cells->accounts = 0;
    cells->active = 0;

    for (n = cells->fresh; n > 0; n--) {
        cell = &cells->table[n - 1];

        if (cell->type == NGX_HTTP_GATE_FREE) {
            cell->next = cells->free;
            cells->free = n;
            continue;
        }

        cells->used++;

        if (cell->type != NGX_HTTP_GATE_ACCOUNT) {
            continue;
        }

        cells->accounts++;

        cell->next = cells->buckets[cell->hash & cells->mask];
        cells->buckets[cell->hash & cells->mask] = n;

        if (n == cells->touched) {

            /* half changed: nothing of it is spent before the ledger spoke */

            for (i = 0; i < NGX_HTTP_GATE_QUOTAS; i++) {
                cell->credits[i].until = 0;
            }

            cell->untold = 1;
        }

        if (cell->active || cell->untold) {
            cell->active = 0;
            ngx_http_gate_cells_activate(cells, cell);
        }
    }
}


uint32_t
ngx_http_gate_cells_find(ngx_http_gate_cells_t *cells, uint32_t hint,
    uint32_t hash, const ngx_str_t *name)
{
    uint32_t               n;
    ngx_http_gate_cell_t  *cell;

    n = hint ? hint : cells->buckets[hash & cells->mask];

    while (n) {
        cell = &cells->table[n - 1];

        if (cell->type == NGX_HTTP_GATE_ACCOUNT && cell->hash == hash
            && cell->len == name->len
            && ngx_memcmp(cell->name, name->data, name->len) == 0)
        {
            return n;
        }

        if (n == hint) {
            hint = 0;
            n = cells->buckets[hash & cells->mask];
            continue;
        }

        n = cell->next;
    }

    return 0;
}


void
ngx_http_gate_cells_add(ngx_http_gate_cells_t *cells, uint32_t n,
    uint32_t hash, const ngx_str_t *name)
{
    ngx_http_gate_cell_t  *cell;

    cell = &cells->table[n - 1];

    ngx_http_gate_cells_touch(cells, NGX_HTTP_GATE_STRUCTURE);

    cell->hash = hash;
    cell->incarnation = ++cells->incarnations;
    cell->len = (uint8_t) name->len;
    ngx_memcpy(cell->name, name->data, name->len);
    cell->used = ngx_current_msec;
    cell->type = NGX_HTTP_GATE_ACCOUNT;
    cells->accounts++;
    cell->next = cells->buckets[hash & cells->mask];
    cells->buckets[hash & cells->mask] = n;

    ngx_http_gate_cells_touch(cells, 0);
}


uint32_t
ngx_http_gate_cells_alloc(ngx_http_gate_cells_t *cells,
    ngx_http_gate_cells_idle_pt idle, void *data)
{
    uint32_t  n;

    if (cells->free == 0 && cells->fresh == cells->ncells) {
        ngx_http_gate_cells_evict(cells, idle, data);
    }

    if (cells->free) {
        ngx_http_gate_cells_touch(cells, NGX_HTTP_GATE_STRUCTURE);
        n = cells->free;
        cells->free = cells->table[n - 1].next;

    } else if (cells->fresh < cells->ncells) {
        n = ++cells->fresh;

    } else {
        cells->full++;
        return 0;
    }

    cells->used++;

    ngx_memzero(&cells->table[n - 1], sizeof(ngx_http_gate_cell_t));
    ngx_http_gate_cells_touch(cells, 0);

    return n;
}


/* of the next cells, frees the account that was unused for longest */

static void
ngx_http_gate_cells_evict(ngx_http_gate_cells_t *cells,
    ngx_http_gate_cells_idle_pt idle, void *data)
{
    uint32_t               n, oldest;
    ngx_uint_t             i;
    ngx_http_gate_cell_t  *cell;

    oldest = 0;

    for (i = 0;
         i < cells->ncells && (i < NGX_HTTP_GATE_SAMPLE || !oldest);
         i++)
    {
        n = cells->hand % cells->ncells + 1;
        cells->hand = n;
        cell = &cells->table[n - 1];

        if (cell->type != NGX_HTTP_GATE_ACCOUNT || cell->users
            || !idle(data, cell))
        {
            continue;
        }

        if (oldest == 0
            || (ngx_msec_int_t) (cells->table[oldest - 1].used - cell->used)
               > 0)
        {
            oldest = n;
        }
    }

    if (oldest) {
        ngx_http_gate_cells_free(cells, oldest);
    }
}


static void
ngx_http_gate_cells_free(ngx_http_gate_cells_t *cells, uint32_t n)
{
    uint32_t              *p;
    ngx_http_gate_cell_t  *cell, *ledger;

    cell = &cells->table[n - 1];

    ngx_http_gate_cells_deactivate(cells, cell);

    ngx_http_gate_cells_touch(cells, NGX_HTTP_GATE_STRUCTURE);

    p = &cells->buckets[cell->hash & cells->mask];

    while (*p != n) {
        p = &cells->table[*p - 1].next;
    }

    *p = cell->next;

    if (cell->ledger) {
        ledger = &cells->table[cell->ledger - 1];
        ledger->type = NGX_HTTP_GATE_FREE;
        ledger->next = cells->free;
        cells->free = cell->ledger;
        cells->used--;
    }

    cells->used--;
    cells->accounts--;
    cells->evicted++;

    cell->type = NGX_HTTP_GATE_FREE;
    cell->next = cells->free;
    cells->free = n;

    ngx_http_gate_cells_touch(cells, 0);
}


void
ngx_http_gate_cells_activate(ngx_http_gate_cells_t *cells,
    ngx_http_gate_cell_t *cell)
{
    uint32_t  n, touched;

    if (cell->active) {
        return;
    }

    touched = cells->touched;
    ngx_http_gate_cells_touch(cells, NGX_HTTP_GATE_STRUCTURE);

    n = (uint32_t) (cell - cells->table) + 1;

    cell->active = 1;
    cell->active_prev = 0;
    cell->active_next = cells->active;

    if (cells->active) {
        cells->table[cells->active - 1].active_prev = n;
    }

    cells->active = n;

    ngx_http_gate_cells_touch(cells, touched);
}


void
ngx_http_gate_cells_deactivate(ngx_http_gate_cells_t *cells,
    ngx_http_gate_cell_t *cell)
{
    uint32_t  touched;

    if (!cell->active) {
        return;
    }

    touched = cells->touched;
    ngx_http_gate_cells_touch(cells, NGX_HTTP_GATE_STRUCTURE);

    if (cell->active_prev) {
        cells->table[cell->active_prev - 1].active_next = cell->active_next;

    } else {
        cells->active = cell->active_next;
    }

    if (cell->active_next) {
        cells->table[cell->active_next - 1].active_prev = cell->active_prev;
    }

    cell->active = 0;

    ngx_http_gate_cells_touch(cells, touched);
}
