/*
 * The zone towards Redis: what a question states, what an answer changes, and
 * which accounts are due to be settled or told again.
 */


#include "ngx_http_gate_zone_inner.h"


/* accounts looked at in one walk for some to settle */
#define NGX_HTTP_GATE_WALK  4096


static ngx_uint_t ngx_http_gate_zone_restate(ngx_http_gate_zone_t *zone,
    ngx_http_gate_question_t *questions, ngx_uint_t n, u_char *text);
static ngx_uint_t ngx_http_gate_zone_asking(ngx_http_gate_cell_t *cell);
static void ngx_http_gate_zone_ask(ngx_http_gate_question_t *question,
    ngx_http_gate_cell_t *cell, const ngx_http_gate_kind_t *kind,
    u_char *text);
static void ngx_http_gate_zone_answer(ngx_http_gate_cells_t *cells,
    ngx_http_gate_cell_t *cell, ngx_http_gate_question_t *q,
    const ngx_http_gate_answer_t *answer);
static void ngx_http_gate_zone_count(ngx_atomic_t *units,
    const ngx_http_gate_quota_t *quota, uint64_t n);
static ngx_uint_t ngx_http_gate_zone_late(ngx_http_gate_cells_t *cells,
    uint64_t server, uint64_t epoch, ngx_msec_t asked);
static ngx_uint_t ngx_http_gate_zone_enter_epoch(ngx_http_gate_cells_t *cells,
    uint64_t server, uint64_t epoch, ngx_msec_t asked);
static ngx_uint_t ngx_http_gate_zone_rich(ngx_http_gate_cell_t *cell,
    const ngx_http_gate_kind_t *kind);


ngx_int_t
ngx_http_gate_zone_begin(ngx_http_gate_zone_t *zone,
    ngx_http_gate_question_t *q, ngx_msec_t timeout)
{
    uint32_t                  n;
    uint64_t                  share;
    ngx_uint_t                i;
    gate_credit_t            *credit;
    ngx_http_gate_cell_t     *cell;
    ngx_http_gate_cells_t    *cells;

    cells = ngx_http_gate_zone_lock(zone);

    n = ngx_http_gate_cells_find(cells, 0, q->hash, &q->name);

    if (n == 0) {
        ngx_http_gate_zone_unlock(zone);
        return NGX_DECLINED;
    }

    cell = &cells->table[n - 1];

    if (ngx_http_gate_zone_asking(cell)) {
        ngx_http_gate_zone_unlock(zone);
        return NGX_BUSY;
    }

    ngx_http_gate_cells_touch(cells, n);

    (void) ngx_http_gate_zone_assign(zone, cell, q->kind);

    for (i = 0; i < q->kind->nquotas; i++) {
        credit = ngx_http_gate_zone_credit(cell, &q->kind->quotas[i]);

        if (q->settle) {
            share = credit->share;
            gate_lease_yield(credit);
            ngx_http_gate_zone_count(cells->counters.settled,
                                     &q->kind->quotas[i],
                                     share - credit->share);
        }

        gate_lease_claim(credit, &q->claims[i]);
    }

    ngx_http_gate_zone_still(cells, q);

    cell->asking = ngx_current_msec + timeout;
    cell->untold = 1;

    q->more = cells->restate > 0;
    q->answered = cell->answered;
    q->number = ++cell->number;
    q->incarnation = cell->incarnation;
    q->asked = ngx_current_msec;

    ngx_http_gate_cells_activate(cells, cell);

    ngx_sprintf(q->node, "%*s.%08xD", sizeof(cells->node), cells->node,
                q->incarnation);

    ngx_http_gate_zone_unlock(zone);

    return NGX_OK;
}


ngx_uint_t
ngx_http_gate_zone_end(ngx_http_gate_zone_t *zone,
    ngx_http_gate_question_t *q, const ngx_http_gate_answer_t *answer)
{
    uint32_t                n;
    ngx_uint_t              entered;
    ngx_msec_t              opens;
    ngx_http_gate_cell_t   *cell;
    ngx_http_gate_cells_t  *cells;

    cells = ngx_http_gate_zone_lock(zone);

    if (answer && ngx_http_gate_zone_late(cells, answer->server,
                                          answer->epoch, q->asked))
    {
        answer = NULL;
    }

    entered = 0;

    if (answer) {
        entered = ngx_http_gate_zone_enter_epoch(cells, answer->server,
                                                 answer->epoch, q->asked);
        opens = ngx_current_msec + answer->closed;

        if ((ngx_msec_int_t) (opens - cells->opens) > 0) {
            cells->opens = opens;
        }
    }

    n = ngx_http_gate_cells_find(cells, 0, q->hash, &q->name);
    cell = n ? &cells->table[n - 1] : NULL;

    /* another may have been asked since, or the account is a new one */

    if (cell && cell->incarnation == q->incarnation
        && cell->number == q->number)
    {
        ngx_http_gate_cells_touch(cells, n);

        cell->asking = 0;

        if (answer) {
            ngx_http_gate_zone_answer(cells, cell, q, answer);
        }
    }

    ngx_http_gate_zone_unlock(zone);

    return entered;
}


static void
ngx_http_gate_zone_answer(ngx_http_gate_cells_t *cells,
    ngx_http_gate_cell_t *cell, ngx_http_gate_question_t *q,
    const ngx_http_gate_answer_t *answer)
{
    uint64_t        share;
    ngx_uint_t      i, fresh;
    gate_credit_t  *credit;

    cell->answered = q->number;
    cell->era = cells->epochs.era;

    /* what was lost is made up by who asks once it is open */

    cell->untold = answer->closed > 0;

    for (i = 0; i < q->kind->nquotas; i++) {
        credit = ngx_http_gate_zone_credit(cell, &q->kind->quotas[i]);

        if (credit == NULL) {
            continue;
        }

        share = credit->slot == (uint32_t) answer->grants[i].slot
                ? credit->share : 0;

        gate_lease_grant(credit, &answer->grants[i], q->asked);

        if (credit->share > share) {
            ngx_http_gate_zone_count(cells->counters.drawn,
                                     &q->kind->quotas[i],
                                     credit->share - share);
        }

        /* documents: a bit each */

        for (fresh = answer->fresh[i]; fresh; fresh &= fresh - 1) {
            ngx_http_gate_zone_count(cells->counters.drawn,
                                     &q->kind->quotas[i], 1);
        }

        ngx_http_gate_zone_learn(cells, q, &q->kind->quotas[i],
                                 &answer->grants[i], answer->known[i],
                                 answer->fresh[i]);

        /* given back meanwhile, or a slot was left behind */

        if (credit->past != q->claims[i].past
            || credit->past_spent != q->claims[i].past_spent)
        {
            cell->untold = 1;
        }
    }
}


static void
ngx_http_gate_zone_count(ngx_atomic_t *units,
    const ngx_http_gate_quota_t *quota, uint64_t n)
{
    (void) ngx_atomic_fetch_add(&units[quota->unit], n);
}


ngx_uint_t
ngx_http_gate_zone_unused(ngx_http_gate_zone_t *zone,
    ngx_http_gate_question_t *q)
{
    ngx_uint_t                 i, k;
    ngx_http_gate_cells_t     *cells;
    ngx_http_gate_giving_t    *giving;
    ngx_http_gate_document_t  *document;

    cells = ngx_http_gate_zone_lock(zone);

    for (i = 0; i < q->kind->nquotas * q->ndocuments; i++) {
        k = i / q->ndocuments;

        document = ngx_http_gate_documents_find(&cells->documents,
                                             q->documents[i % q->ndocuments],
                                             q->kind->quotas[k].id);

        if (document == NULL || document->number == 0 || document->sure
            || document->users || q->ngives == NGX_HTTP_GATE_GIVEN)
        {
            continue;
        }

        giving = &q->gives[q->ngives++];
        giving->quota = k;
        giving->number = document->number;
        ngx_memcpy(giving->document, document->digest,
                   NGX_HTTP_GATE_DIGEST_LEN);

        ngx_http_gate_documents_remove(document);
    }

    ngx_http_gate_zone_unlock(zone);

    q->ndocuments = 0;

    return q->ngives;
}


ngx_uint_t
ngx_http_gate_zone_idle(ngx_http_gate_zone_t *zone, ngx_uint_t all,
    ngx_http_gate_question_t *questions, ngx_uint_t n, u_char *text)
{
    uint32_t                     i, next;
    ngx_uint_t                   found, walked, full;
    ngx_http_gate_cell_t        *cell;
    const ngx_http_gate_kind_t  *kind;
    ngx_http_gate_cells_t       *cells;

    walked = 0;

    cells = ngx_http_gate_zone_lock(zone);

    /* who is settled may be forgotten: others wait for a place */

    full = cells->free == 0 && cells->fresh == cells->ncells;

    found = ngx_http_gate_zone_restate(zone, questions, n, text);

    if ((ngx_msec_int_t) (cells->opens - ngx_current_msec) > 0 && !all) {
        ngx_http_gate_zone_unlock(zone);
        return found;
    }

    for (i = cells->active; i && found < n && walked < NGX_HTTP_GATE_WALK;
         i = next)
    {
        cell = &cells->table[i - 1];
        next = cell->active_next;
        walked++;

        kind = ngx_http_gate_zone_kind(zone, cell->kind);

        if (kind && !ngx_http_gate_zone_untold(cell, kind)) {
            ngx_http_gate_cells_deactivate(cells, cell);
            continue;
        }

        if (kind == NULL
            || ngx_http_gate_zone_asking(cell)
            || (!all && ngx_current_msec - cell->used < kind->idle
                && !ngx_http_gate_zone_rich(cell, kind)
                && !(full && cell->users == 0)))
        {
            continue;
        }

        ngx_http_gate_zone_ask(&questions[found], cell, kind,
                               text + found * NGX_HTTP_GATE_NAME_MAX);
        found++;
    }

    ngx_http_gate_zone_unlock(zone);

    return found;
}


/* accounts that Redis was told of in an epoch before, pass after pass */

static ngx_uint_t
ngx_http_gate_zone_restate(ngx_http_gate_zone_t *zone,
    ngx_http_gate_question_t *questions, ngx_uint_t n, u_char *text)
{
    ngx_uint_t                   found, walked;
    ngx_http_gate_cell_t        *cell;
    const ngx_http_gate_kind_t  *kind;
    ngx_http_gate_cells_t       *cells;

    found = 0;
    cells = zone->cells;

    for (walked = 0;
         cells->restate && found < n && walked < NGX_HTTP_GATE_WALK;
         walked++)
    {
        cell = &cells->table[--cells->restate];

        kind = cell->type == NGX_HTTP_GATE_ACCOUNT && cell->answered
               && cell->era != cells->epochs.era
               ? ngx_http_gate_zone_kind(zone, cell->kind) : NULL;

        if (kind) {
            cells->again = 1;

            if (!ngx_http_gate_zone_asking(cell)) {
                ngx_http_gate_zone_ask(&questions[found], cell, kind,
                                       text + found * NGX_HTTP_GATE_NAME_MAX);
                questions[found++].again = 1;
            }
        }

        if (cells->restate == 0 && cells->again) {
            cells->again = 0;
            cells->restate = cells->fresh;
            break;
        }
    }

    return found;
}


static ngx_uint_t
ngx_http_gate_zone_asking(ngx_http_gate_cell_t *cell)
{
    return cell->asking
           && (ngx_msec_int_t) (cell->asking - ngx_current_msec) > 0;
}


static void
ngx_http_gate_zone_ask(ngx_http_gate_question_t *question,
    ngx_http_gate_cell_t *cell, const ngx_http_gate_kind_t *kind, u_char *text)
{
    ngx_memcpy(text, cell->name, cell->len);

    question->kind = kind;
    question->again = 0;
    question->hash = cell->hash;
    question->name.len = cell->len;
    question->name.data = text;
}


ngx_uint_t
ngx_http_gate_zone_beat(ngx_http_gate_zone_t *zone, ngx_msec_t every)
{
    ngx_uint_t              due;
    ngx_http_gate_cells_t  *cells;

    cells = ngx_http_gate_zone_lock(zone);

    due = ngx_current_msec - cells->beat >= every;

    if (due) {
        cells->beat = ngx_current_msec;
    }

    ngx_http_gate_zone_unlock(zone);

    return due;
}


ngx_uint_t
ngx_http_gate_zone_epoch(ngx_http_gate_zone_t *zone, uint64_t server,
    uint64_t epoch, ngx_msec_t asked)
{
    ngx_uint_t              entered;
    ngx_http_gate_cells_t  *cells;

    cells = ngx_http_gate_zone_lock(zone);

    entered = ngx_http_gate_zone_late(cells, server, epoch, asked)
              ? 0 : ngx_http_gate_zone_enter_epoch(cells, server, epoch,
                                                   asked);

    ngx_http_gate_zone_unlock(zone);

    return entered;
}


/*
 * What was asked before this host knew of its epoch, and tells of another one,
 * may be forgotten by now.  If it is the newer one, a look will tell.
 */

static ngx_uint_t
ngx_http_gate_zone_late(ngx_http_gate_cells_t *cells, uint64_t server,
    uint64_t epoch, ngx_msec_t asked)
{
    if (!ngx_http_gate_epochs_late(&cells->epochs, server, epoch, asked)) {
        return 0;
    }

    cells->beat = 0;

    return 1;
}


static ngx_uint_t
ngx_http_gate_zone_enter_epoch(ngx_http_gate_cells_t *cells, uint64_t server,
    uint64_t epoch, ngx_msec_t asked)
{
    uint32_t  before;

    before = cells->epochs.era;

    if (!ngx_http_gate_epochs_enter(&cells->epochs, server, epoch, asked)
        || before == 0)
    {
        return 0;
    }

    cells->restate = cells->fresh;
    cells->again = 0;

    return 1;
}


ngx_uint_t
ngx_http_gate_zone_advise(ngx_http_gate_zone_t *zone)
{
    ngx_uint_t              advise;
    ngx_http_gate_cells_t  *cells;

    cells = ngx_http_gate_zone_lock(zone);

    advise = cells->advised != cells->epochs.era;
    cells->advised = cells->epochs.era;

    ngx_http_gate_zone_unlock(zone);

    return advise;
}


ngx_uint_t
ngx_http_gate_zone_restating(ngx_http_gate_zone_t *zone)
{
    return zone->cells->restate > 0;
}


void
ngx_http_gate_zone_serve(ngx_http_gate_zone_t *zone)
{
    zone->cells->generation = zone->generation;
}


ngx_uint_t
ngx_http_gate_zone_served(ngx_http_gate_zone_t *zone)
{
    return zone->cells->generation != zone->generation;
}


/*
 * A large reservation that came back: more than leases are made of, and in
 * the way of other nodes even while this account is in use
 */

static ngx_uint_t
ngx_http_gate_zone_rich(ngx_http_gate_cell_t *cell,
    const ngx_http_gate_kind_t *kind)
{
    ngx_uint_t      i;
    gate_credit_t  *credit;

    for (i = 0; i < kind->nquotas; i++) {
        credit = ngx_http_gate_zone_credit(cell, &kind->quotas[i]);

        if (kind->quotas[i].unit == GATE_BYTES && credit
            && gate_lease_idle(credit, ngx_current_msec)
               > 2 * kind->quotas[i].lease)
        {
            return 1;
        }
    }

    return 0;
}
