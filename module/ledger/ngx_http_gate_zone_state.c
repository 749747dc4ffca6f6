/*
 * How full the zone is.  Without the lock: each number is right, and two of
 * them may be of different moments.
 */


#include "ngx_http_gate_zone_inner.h"


void
ngx_http_gate_zone_state(const ngx_http_gate_zone_t *zone,
    ngx_http_gate_zone_state_t *state)
{
    uint32_t                      used;
    const ngx_http_gate_cells_t  *cells;

    cells = zone->cells;
    used = ngx_min(cells->used, cells->ncells);

    state->size = zone->size;
    state->cells = (uint64_t) cells->ncells * sizeof(ngx_http_gate_cell_t);
    state->free = (uint64_t) (cells->ncells - used)
                  * sizeof(ngx_http_gate_cell_t);
    state->accounts = cells->accounts;
    state->evicted = cells->evicted;
    state->full = cells->full;
}
