/*
 * The zone: the lock, and what is done to an account while it is held.  Where
 * accounts lie and how they are found is told in ngx_http_gate_cells.h.
 */


#include "ngx_http_gate_cells.h"

#include <openssl/sha.h>


/* accounts looked at in one walk for some to settle */
#define NGX_HTTP_GATE_WALK  4096


struct ngx_http_gate_zone_s {
    ngx_http_gate_cells_t        *cells;
    ngx_slab_pool_t              *shpool;
    ngx_array_t                  *kinds;
    ngx_uint_t                    embedded;
    ngx_uint_t                    full;     /* said once by this worker */
    uint32_t                      generation;
};


static ngx_int_t ngx_http_gate_zone_init(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_http_gate_cells_t *ngx_http_gate_zone_lock(
    ngx_http_gate_zone_t *zone);
static void ngx_http_gate_zone_unlock(ngx_http_gate_zone_t *zone);
static ngx_http_gate_cell_t *ngx_http_gate_zone_enter(
    ngx_http_gate_zone_t *zone, ngx_http_gate_account_t *account);
static uint32_t ngx_http_gate_zone_alloc(ngx_http_gate_zone_t *zone);
static ngx_uint_t ngx_http_gate_zone_idle_cell(void *data,
    ngx_http_gate_cell_t *cell);
static ngx_int_t ngx_http_gate_zone_assign(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell, const ngx_http_gate_kind_t *kind);
static void ngx_http_gate_zone_begin_quota(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell, const ngx_http_gate_kind_t *kind,
    uint32_t id);
static gate_credit_t *ngx_http_gate_zone_credit(ngx_http_gate_cell_t *cell,
    const ngx_http_gate_quota_t *quota);
static gate_ledger_t *ngx_http_gate_zone_spendings(
    ngx_http_gate_ledger_cell_t *ledger, const ngx_http_gate_quota_t *quota);
static ngx_http_gate_ledger_cell_t *ngx_http_gate_zone_ledger(
    ngx_http_gate_cells_t *cells, ngx_http_gate_cell_t *cell);
static void ngx_http_gate_zone_draw(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell, ngx_http_gate_account_t *account,
    const uint64_t *needs, uint64_t now);
static ngx_int_t ngx_http_gate_zone_check(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell, ngx_http_gate_account_t *account,
    const uint64_t *needs, uint64_t borrow, gate_quota_fact_t *facts,
    uint64_t now);
static ngx_uint_t ngx_http_gate_zone_restate(ngx_http_gate_zone_t *zone,
    ngx_http_gate_question_t *questions, ngx_uint_t n, u_char *text);
static ngx_uint_t ngx_http_gate_zone_asking(ngx_http_gate_cell_t *cell);
static void ngx_http_gate_zone_ask(ngx_http_gate_question_t *question,
    ngx_http_gate_cell_t *cell, const ngx_http_gate_kind_t *kind,
    u_char *text);
static ngx_uint_t ngx_http_gate_zone_enter_epoch(
    ngx_http_gate_cells_t *cells, uint64_t epoch);
static const ngx_http_gate_kind_t *ngx_http_gate_zone_kind(
    ngx_http_gate_zone_t *zone, uint32_t hash);
static ngx_uint_t ngx_http_gate_zone_rich(ngx_http_gate_cell_t *cell,
    const ngx_http_gate_kind_t *kind);
static ngx_uint_t ngx_http_gate_zone_untold(ngx_http_gate_cell_t *cell,
    const ngx_http_gate_kind_t *kind);


ngx_http_gate_zone_t *
ngx_http_gate_zone_create(ngx_conf_t *cf, size_t size, ngx_array_t *kinds,
    void *tag)
{
    ngx_str_t              name = ngx_string("gate");
    ngx_shm_zone_t        *shm_zone;
    ngx_http_gate_zone_t  *zone;

    zone = ngx_pcalloc(cf->pool, sizeof(ngx_http_gate_zone_t));
    if (zone == NULL) {
        return NULL;
    }

    shm_zone = ngx_shared_memory_add(cf, &name, size, tag);
    if (shm_zone == NULL) {
        return NULL;
    }

    shm_zone->init = ngx_http_gate_zone_init;
    shm_zone->data = zone;

    zone->kinds = kinds;

    return zone;
}


void
ngx_http_gate_zone_embed(ngx_http_gate_zone_t *zone)
{
    zone->embedded = 1;
}


static ngx_int_t
ngx_http_gate_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_gate_zone_t  *old = data;

    ngx_http_gate_zone_t  *zone;

    zone = shm_zone->data;

    if (old) {
        zone->shpool = old->shpool;
        zone->cells = old->cells;
        zone->generation = zone->cells->generation + 1;
        return NGX_OK;
    }

    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (shm_zone->shm.exists) {
        zone->cells = zone->shpool->data;
        zone->generation = zone->cells->generation + 1;
        return NGX_OK;
    }

    zone->cells = ngx_http_gate_cells_create(zone->shpool,
                                             shm_zone->shm.size);
    if (zone->cells == NULL) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "\"gate_zone\" is too small: %uz bytes",
                      shm_zone->shm.size);
        return NGX_ERROR;
    }

    zone->shpool->data = zone->cells;

    return NGX_OK;
}


static ngx_http_gate_cells_t *
ngx_http_gate_zone_lock(ngx_http_gate_zone_t *zone)
{
    ngx_http_gate_cells_t    *cells;

    cells = zone->cells;

    ngx_shmtx_lock(&zone->shpool->mutex);

    if (cells->touched) {
        ngx_http_gate_cells_repair(cells);
    }

    cells->locks++;

    return cells;
}


static void
ngx_http_gate_zone_unlock(ngx_http_gate_zone_t *zone)
{
    ngx_http_gate_cells_touch(zone->cells, 0);
    ngx_shmtx_unlock(&zone->shpool->mutex);
}


ngx_int_t
ngx_http_gate_zone_name(ngx_pool_t *pool, ngx_http_gate_account_t *account,
    const ngx_http_gate_kind_t *kind, const ngx_str_t *user)
{
    size_t       i;
    u_char      *p, digest[SHA256_DIGEST_LENGTH];
    ngx_uint_t   plain;

    plain = user->len + kind->suffix.len + 2 <= NGX_HTTP_GATE_NAME_MAX
            && user->len && user->data[0] != '#';

    for (i = 0; plain && i < user->len; i++) {
        plain = user->data[i] > 0x20 && user->data[i] != '{'
                && user->data[i] != '}' && user->data[i] != 0x7f;
    }

    p = ngx_pnalloc(pool, NGX_HTTP_GATE_NAME_MAX);
    if (p == NULL) {
        return NGX_ERROR;
    }

    account->kind = kind;
    account->name.data = p;

    *p++ = '{';

    if (plain) {
        p = ngx_cpymem(p, user->data, user->len);

    } else {
        SHA256(user->data, user->len, digest);
        *p++ = '#';
        p = ngx_hex_dump(p, digest, sizeof(digest));
    }

    *p++ = '}';
    p = ngx_cpymem(p, kind->suffix.data, kind->suffix.len);

    account->name.len = p - account->name.data;
    account->hash = ngx_murmur_hash2(account->name.data, account->name.len);

    return NGX_OK;
}


ngx_int_t
ngx_http_gate_zone_take(ngx_http_gate_zone_t *zone,
    ngx_http_gate_account_t *account, const uint64_t *needs, uint64_t borrow,
    gate_quota_fact_t *facts)
{
    ngx_int_t                 rc;
    ngx_uint_t                i;
    ngx_http_gate_cell_t     *cell;
    ngx_http_gate_cells_t    *cells;

    cells = ngx_http_gate_zone_lock(zone);

    cell = ngx_http_gate_zone_enter(zone, account);

    if (cell == NULL) {
        ngx_http_gate_zone_unlock(zone);

        for (i = 0; i < account->kind->nquotas; i++) {
            facts[i].credit = GATE_CREDIT_INVALID;
        }

        return NGX_BUSY;
    }

    ngx_http_gate_cells_touch(cells, account->cell);

    if (zone->embedded) {
        ngx_http_gate_zone_draw(zone, cell, account, needs, ngx_current_msec);
    }

    rc = ngx_http_gate_zone_check(zone, cell, account, needs, borrow, facts,
                                  ngx_current_msec);

    cell->used = ngx_current_msec;

    if (!zone->embedded && rc == NGX_OK) {
        ngx_http_gate_cells_activate(cells, cell);
    }

    ngx_http_gate_zone_unlock(zone);

    return rc;
}


/* all or none, for each quota that is counted */

static ngx_int_t
ngx_http_gate_zone_check(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell, ngx_http_gate_account_t *account,
    const uint64_t *needs, uint64_t borrow, gate_quota_fact_t *facts,
    uint64_t now)
{
    ngx_int_t                     rc;
    ngx_uint_t                    i;
    gate_credit_t                *credit;
    const ngx_http_gate_quota_t  *quota;

    rc = NGX_OK;
    account->low = 0;

    for (i = 0; i < account->kind->nquotas; i++) {
        facts[i].credit = GATE_CREDIT_TAKEN;
        account->wanted[i] = 0;

        if (account->limits[i] == GATE_UNBOUNDED) {
            continue;
        }

        credit = ngx_http_gate_zone_credit(cell, &account->kind->quotas[i]);
        facts[i].credit = gate_lease_check(credit, &account->holds[i],
                                           account->limits[i], needs[i],
                                           borrow, now);

        account->wanted[i] = gate_lease_wanted(credit, &account->holds[i],
                                               needs[i], now);

        if (facts[i].credit != GATE_CREDIT_TAKEN) {

            /* the zone granted what there is: nobody is left to ask */

            if (zone->embedded) {
                facts[i].credit = GATE_CREDIT_REFUSED;
            }

            facts[i].retry = credit->retry > now ? credit->retry - now : 0;
            rc = NGX_DECLINED;
        }
    }

    for (i = 0; rc == NGX_OK && i < account->kind->nquotas; i++) {

        if (account->limits[i] == GATE_UNBOUNDED) {
            continue;
        }

        quota = &account->kind->quotas[i];
        credit = ngx_http_gate_zone_credit(cell, quota);

        /* what was held of the slot before goes back to it */

        if (account->holds[i].gen != credit->gen && account->holds[i].n) {
            cell->untold = 1;
        }

        gate_lease_take(credit, &account->holds[i], needs[i], now);

        account->low |= gate_lease_low(credit, account->limits[i],
                                       gate_lease_size(quota->unit,
                                                       quota->lease,
                                                       account->limits[i]),
                                       now);
    }

    return rc;
}


/* the zone is the ledger: grants on the spot what the window has */

static void
ngx_http_gate_zone_draw(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell, ngx_http_gate_account_t *account,
    const uint64_t *needs, uint64_t now)
{
    uint64_t                      clock;
    ngx_uint_t                    i;
    ngx_time_t                   *tp;
    gate_grant_t                  grant;
    gate_credit_t                *credit;
    gate_ledger_t                *spendings;
    const ngx_http_gate_quota_t  *quota;
    ngx_http_gate_ledger_cell_t  *ledger;

    tp = ngx_timeofday();
    clock = (uint64_t) tp->sec * 1000 + tp->msec;
    ledger = ngx_http_gate_zone_ledger(zone->cells, cell);

    for (i = 0; i < account->kind->nquotas; i++) {
        quota = &account->kind->quotas[i];
        credit = ngx_http_gate_zone_credit(cell, quota);
        spendings = ngx_http_gate_zone_spendings(ledger, quota);

        if (account->limits[i] == GATE_UNBOUNDED
            || (now < credit->until
                && gate_lease_check(credit, &account->holds[i],
                                    account->limits[i], needs[i], 0, now)
                   == GATE_CREDIT_TAKEN))
        {
            continue;
        }

        gate_ledger_draw(spendings, &quota->window, account->limits[i],
                         credit, needs[i], clock, &grant);

        gate_ledger_keep(spendings, &quota->window, credit, &grant);
        gate_lease_grant(credit, &grant, now);

        /* one host's clocks agree: its slot lasts to the last millisecond */

        if (credit->until <= now) {
            credit->until = now + 1;
        }
    }
}


void
ngx_http_gate_zone_untake(ngx_http_gate_zone_t *zone,
    ngx_http_gate_account_t *account, const uint64_t *needs)
{
    uint32_t                  n;
    ngx_uint_t                i;
    gate_hold_t               hold;
    gate_credit_t            *credit;
    ngx_http_gate_cells_t    *cells;

    cells = ngx_http_gate_zone_lock(zone);

    n = ngx_http_gate_cells_find(cells, account->cell, account->hash,
                                &account->name);

    for (i = 0; n && i < account->kind->nquotas; i++) {

        if (account->limits[i] == GATE_UNBOUNDED
            || account->holds[i].n - account->holds[i].used < needs[i])
        {
            continue;
        }

        credit = ngx_http_gate_zone_credit(&cells->table[n - 1],
                                           &account->kind->quotas[i]);
        if (credit == NULL) {
            continue;
        }

        ngx_http_gate_cells_touch(cells, n);

        hold = account->holds[i];
        hold.n = needs[i];
        hold.used = 0;

        account->holds[i].n -= needs[i];
        gate_lease_give(credit, &hold);
    }

    ngx_http_gate_zone_unlock(zone);
}


void
ngx_http_gate_zone_give(ngx_http_gate_zone_t *zone,
    ngx_http_gate_account_t *account)
{
    uint32_t                  n;
    ngx_uint_t                i;
    gate_credit_t            *credit;
    ngx_http_gate_cell_t     *cell;
    ngx_http_gate_cells_t    *cells;

    if (!account->entered) {
        return;
    }

    account->entered = 0;

    cells = ngx_http_gate_zone_lock(zone);

    n = ngx_http_gate_cells_find(cells, account->cell, account->hash,
                                &account->name);

    if (n) {
        ngx_http_gate_cells_touch(cells, n);

        cell = &cells->table[n - 1];

        for (i = 0; i < account->kind->nquotas; i++) {

            credit = ngx_http_gate_zone_credit(cell,
                                               &account->kind->quotas[i]);

            if (account->holds[i].n == 0 || credit == NULL) {
                continue;
            }

            if (account->holds[i].gen != credit->gen) {
                cell->untold = 1;
            }

            gate_lease_give(credit, &account->holds[i]);
        }

        if (cell->users) {
            cell->users--;
        }

        cell->used = ngx_current_msec;

        if (!zone->embedded) {
            ngx_http_gate_cells_activate(cells, cell);
        }
    }

    ngx_http_gate_zone_unlock(zone);
}


ngx_int_t
ngx_http_gate_zone_begin(ngx_http_gate_zone_t *zone,
    ngx_http_gate_question_t *q, ngx_msec_t timeout)
{
    uint32_t                  n;
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
            gate_lease_yield(credit);
        }

        gate_lease_claim(credit, &q->claims[i]);
    }

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
    ngx_http_gate_question_t *q, uint64_t epoch, const gate_grant_t *grants)
{
    uint32_t                  n;
    ngx_uint_t                i, entered;
    gate_credit_t            *credit;
    ngx_http_gate_cell_t     *cell;
    ngx_http_gate_cells_t    *cells;

    cells = ngx_http_gate_zone_lock(zone);

    entered = grants ? ngx_http_gate_zone_enter_epoch(cells, epoch) : 0;

    n = ngx_http_gate_cells_find(cells, 0, q->hash, &q->name);
    cell = n ? &cells->table[n - 1] : NULL;

    /* another may have been asked since, or the account is a new one */

    if (cell && cell->incarnation == q->incarnation
        && cell->number == q->number)
    {
        ngx_http_gate_cells_touch(cells, n);

        cell->asking = 0;

        if (grants) {
            cell->answered = q->number;
            cell->untold = 0;
            cell->epoch = (uint32_t) epoch;
            cells->beat = ngx_current_msec;

            for (i = 0; i < q->kind->nquotas; i++) {
                credit = ngx_http_gate_zone_credit(cell,
                                                   &q->kind->quotas[i]);
                if (credit == NULL) {
                    continue;
                }

                gate_lease_grant(credit, &grants[i], q->asked);

                /* given back meanwhile, or a slot was left behind */

                if (credit->past != q->claims[i].past
                    || credit->past_spent != q->claims[i].past_spent)
                {
                    cell->untold = 1;
                }
            }
        }
    }

    ngx_http_gate_zone_unlock(zone);

    return entered;
}


ngx_uint_t
ngx_http_gate_zone_idle(ngx_http_gate_zone_t *zone, ngx_uint_t all,
    ngx_http_gate_question_t *questions, ngx_uint_t n, u_char *text)
{
    uint32_t                     i, next;
    ngx_uint_t                   found, walked;
    ngx_http_gate_cell_t        *cell;
    const ngx_http_gate_kind_t  *kind;
    ngx_http_gate_cells_t       *cells;

    walked = 0;

    cells = ngx_http_gate_zone_lock(zone);

    found = ngx_http_gate_zone_restate(zone, questions, n, text);

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
                && !ngx_http_gate_zone_rich(cell, kind)))
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
               && cell->epoch != (uint32_t) cells->epoch
               ? ngx_http_gate_zone_kind(zone, cell->kind) : NULL;

        if (kind) {
            cells->again = 1;

            if (!ngx_http_gate_zone_asking(cell)) {
                ngx_http_gate_zone_ask(&questions[found], cell, kind,
                                       text + found * NGX_HTTP_GATE_NAME_MAX);
                found++;
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
ngx_http_gate_zone_epoch(ngx_http_gate_zone_t *zone, uint64_t epoch)
{
    ngx_uint_t  entered;

    entered = ngx_http_gate_zone_enter_epoch(ngx_http_gate_zone_lock(zone),
                                             epoch);
    ngx_http_gate_zone_unlock(zone);

    return entered;
}


static ngx_uint_t
ngx_http_gate_zone_enter_epoch(ngx_http_gate_cells_t *cells, uint64_t epoch)
{
    uint64_t  before;

    before = cells->epoch;
    cells->epoch = epoch;

    if (before == 0 || before == epoch) {
        return 0;
    }

    cells->restate = cells->fresh;
    cells->again = 0;

    return 1;
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


/* finds or makes the account's cell, and counts the request as its user */

static ngx_http_gate_cell_t *
ngx_http_gate_zone_enter(ngx_http_gate_zone_t *zone,
    ngx_http_gate_account_t *account)
{
    uint32_t                n;
    ngx_http_gate_cell_t   *cell;
    ngx_http_gate_cells_t  *cells;

    cells = zone->cells;

    n = ngx_http_gate_cells_find(cells, account->cell, account->hash,
                                 &account->name);

    if (n == 0) {
        n = ngx_http_gate_zone_alloc(zone);
        if (n == 0) {
            return NULL;
        }

        cells->table[n - 1].kind = account->kind->hash;
        ngx_http_gate_cells_add(cells, n, account->hash, &account->name);
    }

    cell = &cells->table[n - 1];

    if (ngx_http_gate_zone_assign(zone, cell, account->kind) != NGX_OK) {
        return NULL;
    }

    account->cell = n;

    if (!account->entered) {
        account->entered = 1;
        cell->users++;
    }

    return cell;
}


static uint32_t
ngx_http_gate_zone_alloc(ngx_http_gate_zone_t *zone)
{
    uint32_t  n;

    n = ngx_http_gate_cells_alloc(zone->cells, ngx_http_gate_zone_idle_cell,
                                  zone);

    if (n == 0 && !zone->full) {
        zone->full = 1;
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "gate: \"gate_zone\" is too small: all %uD accounts "
                      "are in use", zone->cells->ncells);
    }

    return n;
}


/*
 * Each quota of the kind has its credit in the cell.  Those that a reload took
 * out of the policy stay while there is room: they may come back.
 */

static ngx_int_t
ngx_http_gate_zone_assign(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell, const ngx_http_gate_kind_t *kind)
{
    ngx_uint_t                    i;
    ngx_http_gate_ledger_cell_t  *ledger;

    if (zone->embedded && cell->ledger == 0) {
        cell->ledger = ngx_http_gate_zone_alloc(zone);

        if (cell->ledger == 0) {
            return NGX_ERROR;
        }

        ledger = ngx_http_gate_zone_ledger(zone->cells, cell);
        ledger->type = NGX_HTTP_GATE_LEDGER;
    }

    for (i = 0; i < kind->nquotas; i++) {
        if (ngx_http_gate_zone_credit(cell, &kind->quotas[i]) == NULL) {
            ngx_http_gate_zone_begin_quota(zone, cell, kind,
                                           kind->quotas[i].id);
        }
    }

    return NGX_OK;
}


/* a place for a quota's credit: an unused one, or one the kind has not */

static void
ngx_http_gate_zone_begin_quota(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell, const ngx_http_gate_kind_t *kind, uint32_t id)
{
    uint32_t                      gen;
    ngx_uint_t                    i, k, n;
    ngx_http_gate_ledger_cell_t  *ledger;

    n = NGX_HTTP_GATE_QUOTAS;

    for (i = 0; i < NGX_HTTP_GATE_QUOTAS; i++) {

        if (cell->credits[i].id == 0) {
            n = i;
            break;
        }

        for (k = 0; k < kind->nquotas; k++) {
            if (cell->credits[i].id == kind->quotas[k].id) {
                break;
            }
        }

        if (k == kind->nquotas) {
            n = i;
        }
    }

    /*
     * Redis goes on counting what is forgotten here, as granted to a node
     * that is no more: all of the account's credit is drawn anew.
     */

    if (cell->credits[n].id && !zone->embedded) {
        cell->incarnation = ++zone->cells->incarnations;

        for (i = 0; i < NGX_HTTP_GATE_QUOTAS; i++) {
            gen = cell->credits[i].gen;
            k = cell->credits[i].id;

            ngx_memzero(&cell->credits[i], sizeof(gate_credit_t));
            cell->credits[i].id = (uint32_t) k;
            cell->credits[i].gen = gen + 2;
        }
    }

    gen = cell->credits[n].gen;

    ngx_memzero(&cell->credits[n], sizeof(gate_credit_t));
    cell->credits[n].id = id;
    cell->credits[n].gen = gen + 2;

    if (cell->ledger) {
        ledger = ngx_http_gate_zone_ledger(zone->cells, cell);

        ngx_memzero(&ledger->quotas[n], sizeof(gate_ledger_t));
        ledger->quotas[n].id = id;
    }
}


/* NULL: none */

static gate_credit_t *
ngx_http_gate_zone_credit(ngx_http_gate_cell_t *cell,
    const ngx_http_gate_quota_t *quota)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_GATE_QUOTAS; i++) {
        if (cell->credits[i].id == quota->id) {
            return &cell->credits[i];
        }
    }

    return NULL;
}


static gate_ledger_t *
ngx_http_gate_zone_spendings(ngx_http_gate_ledger_cell_t *ledger,
    const ngx_http_gate_quota_t *quota)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_GATE_QUOTAS; i++) {
        if (ledger->quotas[i].id == quota->id) {
            return &ledger->quotas[i];
        }
    }

    return NULL;
}


static ngx_http_gate_ledger_cell_t *
ngx_http_gate_zone_ledger(ngx_http_gate_cells_t *cells,
    ngx_http_gate_cell_t *cell)
{
    return (ngx_http_gate_ledger_cell_t *) &cells->table[cell->ledger - 1];
}


/* may this account, which nobody uses, be forgotten: all is told or over? */

static ngx_uint_t
ngx_http_gate_zone_idle_cell(void *data, ngx_http_gate_cell_t *cell)
{
    ngx_http_gate_zone_t *zone = data;

    ngx_uint_t                    i;
    ngx_time_t                   *tp;
    gate_credit_t                *credit;
    const ngx_http_gate_kind_t   *kind;
    const ngx_http_gate_quota_t  *quota;
    ngx_http_gate_ledger_cell_t  *ledger;

    kind = ngx_http_gate_zone_kind(zone, cell->kind);

    if (kind == NULL) {
        return 1;
    }

    if (!zone->embedded || cell->ledger == 0) {
        return cell->asking == 0 && !ngx_http_gate_zone_untold(cell, kind);
    }

    tp = ngx_timeofday();
    ledger = ngx_http_gate_zone_ledger(zone->cells, cell);

    for (i = 0; i < kind->nquotas; i++) {
        quota = &kind->quotas[i];
        credit = ngx_http_gate_zone_credit(cell, quota);

        if (credit
            && !gate_ledger_over(ngx_http_gate_zone_spendings(ledger, quota),
                                 &quota->window, credit,
                                 (uint64_t) tp->sec * 1000))
        {
            return 0;
        }
    }

    return 1;
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


static ngx_uint_t
ngx_http_gate_zone_untold(ngx_http_gate_cell_t *cell,
    const ngx_http_gate_kind_t *kind)
{
    ngx_uint_t      i;
    gate_credit_t  *credit;

    if (cell->untold) {
        return 1;
    }

    for (i = 0; i < kind->nquotas; i++) {
        credit = ngx_http_gate_zone_credit(cell, &kind->quotas[i]);

        if (credit && gate_lease_untold(credit)) {
            return 1;
        }
    }

    return 0;
}


static const ngx_http_gate_kind_t *
ngx_http_gate_zone_kind(ngx_http_gate_zone_t *zone, uint32_t hash)
{
    ngx_uint_t              i;
    ngx_http_gate_kind_t  **kinds;

    kinds = zone->kinds->elts;

    for (i = 0; i < zone->kinds->nelts; i++) {
        if (kinds[i]->hash == hash) {
            return kinds[i];
        }
    }

    return NULL;
}
