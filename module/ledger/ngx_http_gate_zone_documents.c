/*
 * Documents of an account, with the zone's lock held: a request relies on one
 * from the time it is admitted until it is sure that it took it.
 */


#include "ngx_http_gate_zone_inner.h"



/* what a quota needs of a request: a document that is known costs nothing */

uint64_t
ngx_http_gate_zone_need(ngx_http_gate_zone_t *zone,
    ngx_http_gate_account_t *account, ngx_uint_t n,
    const gate_credit_t *credit, uint64_t now)
{
    ngx_http_gate_document_t     *document;
    const ngx_http_gate_quota_t  *quota;

    quota = &account->kind->quotas[n];

    if (account->needs[n] == 0 || quota->unit != GATE_DOCUMENTS) {
        return account->needs[n];
    }

    if (account->relies[n]) {
        return 0;
    }

    document = ngx_http_gate_documents_find(&zone->cells->documents,
                                            account->document, quota->id);
    if (document == NULL) {
        return 1;
    }

    if (zone->embedded) {
        return document->until <= (uint32_t) ngx_time();
    }

    return !gate_lease_live(credit, now) || document->slot != credit->slot;
}


/* is there a place for one more?  Those of the ledger itself stay */

ngx_uint_t
ngx_http_gate_zone_place(ngx_http_gate_zone_t *zone,
    ngx_http_gate_account_t *account)
{
    if (ngx_http_gate_documents_place(&zone->cells->documents,
                                      account->document,
                                      (uint32_t) ngx_time(), 0))
    {
        return 1;
    }

    ngx_http_gate_zone_told_full(zone, "documents");

    return 0;
}


/* takes what was checked: the account relies on its document from now on */

void
ngx_http_gate_zone_rely(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell, ngx_http_gate_account_t *account,
    ngx_uint_t n, uint64_t now)
{
    uint64_t                      need;
    uint32_t                      clock;
    gate_slot_t                   slot;
    gate_credit_t                *credit;
    gate_ledger_t                *spendings;
    ngx_http_gate_document_t     *document;
    const ngx_http_gate_quota_t  *quota;

    if (account->needs[n] == 0 || account->relies[n]) {
        return;
    }

    quota = &account->kind->quotas[n];
    credit = ngx_http_gate_zone_nth(cell, account->kind, n);
    clock = (uint32_t) ngx_time();

    need = ngx_http_gate_zone_need(zone, account, n, credit, now);

    document = need ? ngx_http_gate_documents_place(&zone->cells->documents,
                                                    account->document, clock,
                                                    !zone->embedded)
                    : ngx_http_gate_documents_find(&zone->cells->documents,
                                                   account->document,
                                                   quota->id);
    if (zone->embedded) {

        /* it counts in the slot in which it was taken last */

        spendings = ngx_http_gate_zone_spendings(
                              ngx_http_gate_zone_ledger(zone->cells, cell),
                              quota);
        if (!need) {
            gate_ledger_unspend(spendings, &quota->window, credit,
                                document->slot);
        }

        credit->spent++;

    } else if (need) {

        /* borrowed: a unit as any other, for nobody could be asked */

        gate_lease_take(credit, &account->holds[n], need, now);
    }

    if (document == NULL || !gate_lease_live(credit, now)) {
        return;
    }

    if (need) {
        document->borrowed = !zone->embedded;
        ngx_http_gate_documents_add(document, account->document, quota->id,
                                    credit->slot,
                                    clock + (uint32_t) ((credit->until - now)
                                                        / 1000));
    }

    if (zone->embedded) {
        gate_window_slot(&quota->window, credit->slot, &slot);
        document->slot = credit->slot;
        document->until = (uint32_t) (slot.end + slot.start - slot.oldest);
    }

    document->users++;
    account->relies[n] = document->slot;
}


/*
 * Relies on its document no longer.  Nobody having taken it, it is forgotten.
 */

void
ngx_http_gate_zone_leave(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell, ngx_http_gate_account_t *account,
    ngx_uint_t n)
{
    uint32_t                      slot;
    gate_credit_t                *credit;
    ngx_http_gate_document_t     *document;
    const ngx_http_gate_quota_t  *quota;

    quota = &account->kind->quotas[n];
    slot = account->relies[n];
    account->relies[n] = 0;

    document = slot ? ngx_http_gate_documents_find(&zone->cells->documents,
                                                   account->document,
                                                   quota->id)
                    : NULL;

    if (document == NULL || document->slot != slot) {
        return;
    }

    document->users -= document->users > 0;
    document->sure |= account->sure;

    if (document->users || document->sure) {
        return;
    }

    if (zone->embedded) {
        credit = ngx_http_gate_zone_credit(cell, quota);

        if (credit && cell->ledger) {
            gate_ledger_unspend(ngx_http_gate_zone_spendings(
                              ngx_http_gate_zone_ledger(zone->cells, cell),
                              quota),
                              &quota->window, credit, slot);
        }

    } else {
        account->gives[n] = document->number;
    }

    ngx_http_gate_documents_remove(document);
}


/* remembers which documents the ledger has in the slot that has begun */

void
ngx_http_gate_zone_learn(ngx_http_gate_cells_t *cells,
    const ngx_http_gate_question_t *q, const ngx_http_gate_quota_t *quota,
    const gate_grant_t *grant, ngx_uint_t known, ngx_uint_t fresh)
{
    uint32_t                   now, until;
    ngx_uint_t                 i;
    ngx_http_gate_document_t  *document;

    now = (uint32_t) ngx_time();
    until = now + (uint32_t) (grant->left / 1000) + 1;

    for (i = 0; i < q->ndocuments; i++) {

        if (!(known & ((ngx_uint_t) 1 << i))) {
            continue;
        }

        document = ngx_http_gate_documents_find(&cells->documents,
                                                q->documents[i], quota->id);

        if (document && document->slot == (uint32_t) grant->slot) {
            continue;
        }

        if (document) {
            ngx_http_gate_documents_remove(document);
        }

        document = ngx_http_gate_documents_place(&cells->documents,
                                                 q->documents[i], now, 1);
        if (document == NULL) {
            continue;
        }

        if (fresh & ((ngx_uint_t) 1 << i)) {
            document->number = (uint32_t) q->number;

        } else {
            document->sure = 1;
        }

        ngx_http_gate_documents_add(document, q->documents[i], quota->id,
                                    (uint32_t) grant->slot, until);
    }
}


/* what somebody relies on by now is not given back */

void
ngx_http_gate_zone_still(ngx_http_gate_cells_t *cells,
    ngx_http_gate_question_t *q)
{
    ngx_uint_t                 i, n;
    ngx_http_gate_giving_t    *giving;
    ngx_http_gate_document_t  *document;

    n = 0;

    for (i = 0; i < q->ngives; i++) {
        giving = &q->gives[i];

        document = ngx_http_gate_documents_find(&cells->documents,
                                       giving->document,
                                       q->kind->quotas[giving->quota].id);

        if (document == NULL || document->borrowed) {
            q->gives[n++] = *giving;
        }
    }

    q->ngives = n;
}
