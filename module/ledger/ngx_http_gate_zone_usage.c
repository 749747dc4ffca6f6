/*
 * Usage in the zone: what requests add, in the locks that they take anyway
 * where there are any; and the batches that Redis is told, one at a time, by
 * whichever worker comes first.
 */


#include "ngx_http_gate_zone_inner.h"

#include "ngx_http_gate_usage.h"

#include <openssl/sha.h>


/* how often Redis is told, ms */
#define NGX_HTTP_GATE_USAGE_EVERY  2000

/* rows looked at while the lock is held */
#define NGX_HTTP_GATE_USAGE_WALK   1024


static void ngx_http_gate_zone_usage_count(ngx_http_gate_cells_t *cells,
    ngx_http_gate_usage_t *usage, ngx_http_gate_usage_row_t *row);
static void ngx_http_gate_zone_usage_drop(ngx_http_gate_cells_t *cells,
    ngx_http_gate_usage_t *usage, ngx_http_gate_dropped_e dropped, uint64_t n);
static void ngx_http_gate_zone_usage_copy(ngx_http_gate_cells_t *cells,
    ngx_http_gate_batch_t *batch);


ngx_int_t
ngx_http_gate_zone_usage_name(ngx_http_gate_zone_t *zone, ngx_pool_t *pool,
    ngx_http_gate_usage_t *usage, const ngx_str_t *user,
    const ngx_str_t *project, ngx_http_gate_known_t *known)
{
    ngx_uint_t  knows;

    usage->named = 1;
    usage->hint = &known->row;

    if (known->row) {
        ngx_http_gate_prefetch(&zone->cells->usages.rows[known->row - 1],
                               sizeof(ngx_http_gate_usage_row_t));
    }

    knows = project->len == 0 && ngx_http_gate_zone_knows(known, user);

    if (knows && known->used) {
        usage->user = *user;
        usage->hash = known->usage;
        ngx_str_set(&usage->project, "#none");

        return NGX_OK;
    }

    if (ngx_http_gate_usage_text(pool, &usage->user, user) != NGX_OK
        || ngx_http_gate_usage_text(pool, &usage->project, project)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    usage->hash = ngx_http_gate_usages_hash(&zone->cells->usages,
                                            &usage->user, &usage->project);

    if (knows && usage->user.data == user->data) {
        known->usage = usage->hash;
        known->used = 1;
    }

    return NGX_OK;
}


void
ngx_http_gate_zone_usage_document(ngx_http_gate_usage_t *usage,
    const ngx_str_t *document)
{
    u_char      digest[SHA256_DIGEST_LENGTH];
    SHA256_CTX  sha;

    SHA256_Init(&sha);
    SHA256_Update(&sha, usage->project.data, usage->project.len);
    SHA256_Update(&sha, "", 1);
    SHA256_Update(&sha, document->data, document->len);
    SHA256_Final(digest, &sha);

    ngx_memcpy(usage->document, digest, NGX_HTTP_GATE_USAGE_DIGEST);
}


void
ngx_http_gate_zone_usage_add(ngx_http_gate_zone_t *zone,
    ngx_http_gate_usage_t *usage, int64_t bytes)
{
    ngx_http_gate_cells_t  *cells;

    usage->bytes += bytes;

    if (usage->homeless) {
        return;
    }

    if (ngx_http_gate_usages_count(&zone->cells->usages, usage,
                                   usage->bytes))
    {
        usage->bytes = 0;
        return;
    }

    cells = ngx_http_gate_zone_lock(zone);

    ngx_http_gate_zone_usage_enter(cells, usage);

    ngx_http_gate_zone_unlock(zone);
}


void
ngx_http_gate_zone_usage_enter(ngx_http_gate_cells_t *cells,
    ngx_http_gate_usage_t *usage)
{
    ngx_http_gate_usage_row_t  *row;

    ngx_http_gate_cells_touch(cells, NGX_HTTP_GATE_STRUCTURE);

    row = ngx_http_gate_usages_enter(&cells->usages, usage);

    if (row) {
        ngx_http_gate_zone_usage_count(cells, usage, row);

    } else {

        /* counted at the end, should there be room by then */

        usage->homeless = 1;
    }
}


/* with the lock nobody makes the row another's */

static void
ngx_http_gate_zone_usage_count(ngx_http_gate_cells_t *cells,
    ngx_http_gate_usage_t *usage, ngx_http_gate_usage_row_t *row)
{
#if (NGX_PTR_SIZE < 8)
    row->bytes = (row->bytes & ~NGX_HTTP_GATE_USAGE_MASK)
                 | ((row->bytes + usage->bytes) & NGX_HTTP_GATE_USAGE_MASK);
#else
    (void) row;
    (void) ngx_http_gate_usages_count(&cells->usages, usage, usage->bytes);
#endif

    usage->bytes = 0;
}


void
ngx_http_gate_zone_usage_close(ngx_http_gate_cells_t *cells,
    ngx_http_gate_usage_t *usage)
{
    ngx_http_gate_usage_row_t  *row;

    usage->closing = 0;

    ngx_http_gate_cells_touch(cells, NGX_HTTP_GATE_STRUCTURE);

    row = ngx_http_gate_usages_enter(&cells->usages, usage);

    if (row == NULL) {
        ngx_http_gate_zone_usage_drop(cells, usage,
                                      NGX_HTTP_GATE_DROPPED_BYTES,
                                      ngx_max(usage->bytes, 0));

        if (usage->counts) {
            ngx_http_gate_zone_usage_drop(cells, usage,
                                          NGX_HTTP_GATE_DROPPED_REQUESTS, 1);
        }

        return;
    }

    ngx_http_gate_zone_usage_count(cells, usage, row);

    if (!usage->counts) {
        return;
    }

    row->requests++;

    if (ngx_http_gate_usages_document(&cells->usages, row, usage->document)
        != NGX_OK)
    {
        usage->hurry = 1;
        ngx_http_gate_zone_usage_drop(cells, usage,
                                      NGX_HTTP_GATE_DROPPED_DOCUMENTS, 1);
    }

    usage->hurry |= row->ndocuments >= NGX_HTTP_GATE_USAGE_MANY;
}


static void
ngx_http_gate_zone_usage_drop(ngx_http_gate_cells_t *cells,
    ngx_http_gate_usage_t *usage, ngx_http_gate_dropped_e dropped, uint64_t n)
{
    ngx_uint_t  i;

    if (!cells->usages.dropping) {
        cells->usages.dropping = 1;
        usage->dropping = 1;

        for (i = 0; i < NGX_HTTP_GATE_DROPPED_KINDS; i++) {
            cells->usages.dropped[i] = cells->counters.dropped[i];
        }
    }

    (void) ngx_atomic_fetch_add(&cells->counters.dropped[dropped], n);
}


void
ngx_http_gate_zone_usage_end(ngx_http_gate_zone_t *zone,
    ngx_http_gate_usage_t *usage)
{
    ngx_http_gate_cells_t  *cells;

    cells = ngx_http_gate_zone_lock(zone);

    if (usage->closing) {
        ngx_http_gate_zone_usage_close(cells, usage);

    } else {
        ngx_http_gate_zone_usage_enter(cells, usage);
    }

    ngx_http_gate_zone_unlock(zone);
}


void
ngx_http_gate_zone_usage_hurry(ngx_http_gate_zone_t *zone)
{
    zone->cells->usages.due = ngx_current_msec;
}


ngx_uint_t
ngx_http_gate_zone_usage_due(ngx_http_gate_zone_t *zone)
{
    ngx_http_gate_usages_t  *usages;

    usages = &zone->cells->usages;

    return usages->used
           && (ngx_msec_int_t) (usages->due - ngx_current_msec) <= 0
           && (usages->until == 0
               || (ngx_msec_int_t) (usages->until - ngx_current_msec) <= 0);
}


ngx_int_t
ngx_http_gate_zone_usage_take(ngx_http_gate_zone_t *zone,
    ngx_http_gate_batch_t *batch, ngx_msec_t timeout)
{
    ngx_uint_t               walked;
    ngx_http_gate_cells_t   *cells;
    ngx_http_gate_usages_t  *usages;

    batch->nrows = 0;
    walked = 0;

    do {
        cells = ngx_http_gate_zone_lock(zone);
        usages = &cells->usages;

        if (usages->until
            && (ngx_msec_int_t) (usages->until - ngx_current_msec) > 0)
        {
            ngx_http_gate_zone_unlock(zone);
            return NGX_BUSY;
        }

        ngx_http_gate_cells_touch(cells, NGX_HTTP_GATE_STRUCTURE);

        usages->due = ngx_current_msec + NGX_HTTP_GATE_USAGE_EVERY;
        batch->known = usages->clock != 0;

        /* a batch that nobody was told of to the end goes first */

        if (usages->nbatch == 0 && batch->known) {
            usages->number++;
            (void) ngx_http_gate_usages_gather(usages,
                                               NGX_HTTP_GATE_USAGE_WALK);
        }

        ngx_http_gate_zone_usage_copy(cells, batch);

        walked += NGX_HTTP_GATE_USAGE_WALK;

        if (batch->nrows || !batch->known) {
            usages->until = ngx_current_msec + timeout;
        }

        ngx_http_gate_zone_unlock(zone);

    } while (batch->nrows == 0 && batch->known && walked < usages->fresh);

    return batch->nrows || !batch->known ? NGX_OK : NGX_DECLINED;
}


static void
ngx_http_gate_zone_usage_copy(ngx_http_gate_cells_t *cells,
    ngx_http_gate_batch_t *batch)
{
    u_char                     *p;
    ngx_uint_t                  i;
    ngx_http_gate_usages_t     *usages;
    ngx_http_gate_told_row_t   *told;
    ngx_http_gate_usage_row_t  *row;

    usages = &cells->usages;
    p = batch->text;

    ngx_memcpy(batch->node, cells->node, sizeof(batch->node));

    batch->number = usages->number;
    batch->nrows = usages->nbatch;

    for (i = 0; i < batch->nrows; i++) {
        row = &usages->rows[usages->batch[i] - 1];
        told = &batch->rows[i];

        told->user.data = p;
        told->user.len = row->user;
        told->project.data = p + row->user;
        told->project.len = row->project;

        p = ngx_http_gate_usages_names(usages, row, p);

        told->documents.data = p;
        p = ngx_http_gate_usages_flying(usages, row, p);
        told->documents.len = p - told->documents.data;

        told->bytes = ngx_http_gate_usages_bytes(row);
        told->requests = ngx_http_gate_usages_requests(row);

        batch->day = row->day ? row->day
                              : ngx_http_gate_usages_day(usages, row->since);
    }
}


ngx_uint_t
ngx_http_gate_zone_usage_hold(ngx_http_gate_zone_t *zone,
    const ngx_http_gate_batch_t *batch, ngx_msec_t timeout)
{
    ngx_uint_t               ours;
    ngx_http_gate_cells_t   *cells;

    cells = ngx_http_gate_zone_lock(zone);

    ours = cells->usages.number == batch->number
           && cells->usages.nbatch == batch->nrows;

    if (ours) {
        cells->usages.until = ngx_current_msec + timeout;
    }

    ngx_http_gate_zone_unlock(zone);

    return ours;
}


ngx_uint_t
ngx_http_gate_zone_usage_told(ngx_http_gate_zone_t *zone,
    ngx_http_gate_batch_t *batch, int64_t clock)
{
    ngx_uint_t               i, over;
    ngx_http_gate_cells_t   *cells;
    ngx_http_gate_usages_t  *usages;

    over = 0;

    cells = ngx_http_gate_zone_lock(zone);
    usages = &cells->usages;

    if (clock) {
        usages->clock = clock;
    }

    if (usages->number == batch->number && usages->nbatch == batch->nrows) {

        ngx_http_gate_cells_touch(cells, NGX_HTTP_GATE_STRUCTURE);

        if (clock) {
            ngx_http_gate_usages_told(usages);
            usages->until = 0;

            over = usages->dropping;
            usages->dropping = 0;

            for (i = 0; i < NGX_HTTP_GATE_DROPPED_KINDS; i++) {
                batch->dropped[i] = cells->counters.dropped[i]
                                    - usages->dropped[i];
            }

        } else {
            usages->until = ngx_current_msec + NGX_HTTP_GATE_USAGE_EVERY / 2;
        }
    }

    ngx_http_gate_zone_unlock(zone);

    return over;
}


ngx_uint_t
ngx_http_gate_zone_usage_waiting(ngx_http_gate_zone_t *zone)
{
    uint32_t                 n;
    ngx_uint_t               waiting;
    ngx_http_gate_cells_t   *cells;
    ngx_http_gate_usages_t  *usages;

    waiting = 0;

    cells = ngx_http_gate_zone_lock(zone);
    usages = &cells->usages;

    for (n = 0; n < usages->fresh; n++) {
        waiting += usages->rows[n].used
                   && !ngx_http_gate_usages_clean(usages, &usages->rows[n]);
    }

    ngx_http_gate_zone_unlock(zone);

    return waiting;
}
