/*
 * Levels: what is used of a quota, and that it rose to 80 or 100 % of the
 * limit.  This host tells of each rise once; who has fallen below may rise
 * again, as after the end of a window.  Called with the zone's lock held.
 */


#include "ngx_http_gate_zone_inner.h"


void
ngx_http_gate_zone_levels(ngx_http_gate_zone_t *zone)
{
    zone->levels = 1;
}


void
ngx_http_gate_zone_level(ngx_http_gate_cell_t *cell,
    ngx_http_gate_account_t *account, const gate_quota_fact_t *facts,
    uint64_t now)
{
    uint8_t         level, *told;
    uint64_t        limit, used;
    ngx_uint_t      i;
    gate_credit_t  *credit;

    for (i = 0; i < account->kind->nquotas; i++) {
        limit = account->limits[i];
        credit = ngx_http_gate_zone_credit(cell, &account->kind->quotas[i]);

        account->risen[i] = 0;

        if (limit == GATE_UNBOUNDED || credit == NULL
            || !gate_lease_live(credit, now))
        {
            continue;
        }

        used = account->kind->quotas[i].unit == GATE_DOCUMENTS
               ? credit->seen : gate_lease_used(credit);

        level = facts[i].credit == GATE_CREDIT_REFUSED || used >= limit
                ? 100 : used >= limit - limit / 5 ? 80 : 0;

        /* it stays with its credit, wherever that lies in the cell */

        told = &cell->levels[credit - cell->credits];

        if (level > *told) {
            account->risen[i] = level;
        }

        account->used[i] = used;
        *told = level;
    }
}
