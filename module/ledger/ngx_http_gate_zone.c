/*
 * The zone: the lock, and what a request does to its account while it is held.
 * Where accounts lie and how they are found is told in ngx_http_gate_cells.h.
 */


#include "ngx_http_gate_zone_inner.h"

#include <openssl/sha.h>


static ngx_int_t ngx_http_gate_zone_init(ngx_shm_zone_t *shm_zone, void *data);
static ngx_int_t ngx_http_gate_zone_begin_holds(ngx_http_gate_zone_t *zone);
static u_char *ngx_http_gate_zone_plain(u_char *p, const ngx_str_t *user,
    const ngx_str_t *suffix);
static void ngx_http_gate_zone_hold(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell, ngx_http_gate_account_t *account,
    uint64_t now);
static ngx_int_t ngx_http_gate_zone_check(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell, ngx_http_gate_account_t *account,
    uint64_t borrow, gate_quota_fact_t *facts, uint64_t now);
static void ngx_http_gate_zone_tell(ngx_http_gate_cell_t *cell,
    const ngx_http_gate_account_t *account, gate_quota_fact_t *facts,
    ngx_int_t rc, uint64_t now);
static void ngx_http_gate_zone_draw(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell, ngx_http_gate_account_t *account,
    uint64_t now);
static ngx_http_gate_cell_t *ngx_http_gate_zone_enter(
    ngx_http_gate_zone_t *zone, ngx_http_gate_account_t *account);
static uint32_t ngx_http_gate_zone_alloc(ngx_http_gate_zone_t *zone);
static void ngx_http_gate_zone_begin_quota(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell, const ngx_http_gate_kind_t *kind, uint32_t id);
static ngx_uint_t ngx_http_gate_zone_idle_cell(void *data,
    ngx_http_gate_cell_t *cell);


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
    zone->size = size;

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
        return ngx_http_gate_zone_begin_holds(zone);
    }

    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (shm_zone->shm.exists) {
        zone->cells = zone->shpool->data;
        zone->generation = zone->cells->generation + 1;
        return ngx_http_gate_zone_begin_holds(zone);
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

    return ngx_http_gate_zone_begin_holds(zone);
}


/* where nobody could tell holds, none is known to be set */

static ngx_int_t
ngx_http_gate_zone_begin_holds(ngx_http_gate_zone_t *zone)
{
    if (zone->embedded && zone->cells->holds.generation == 0) {
        zone->cells->holds.generation = 1;
    }

    return NGX_OK;
}


ngx_http_gate_cells_t *
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


void
ngx_http_gate_zone_unlock(ngx_http_gate_zone_t *zone)
{
    ngx_http_gate_cells_touch(zone->cells, 0);
    ngx_shmtx_unlock(&zone->shpool->mutex);
}


ngx_int_t
ngx_http_gate_zone_name(ngx_http_gate_zone_t *zone, ngx_pool_t *pool,
    ngx_http_gate_account_t *account, const ngx_http_gate_kind_t *kind,
    const ngx_str_t *user, ngx_http_gate_known_t *known)
{
    u_char  *p;

    p = ngx_pnalloc(pool, NGX_HTTP_GATE_NAME_MAX);
    if (p == NULL) {
        return NGX_ERROR;
    }

    account->kind = kind;
    account->name.data = p;

    if (ngx_http_gate_zone_knows(known, user) && known->kind == kind) {
        account->name.len = ngx_http_gate_zone_plain(p, user, &kind->suffix)
                            - p;
        account->hash = known->hash;
        account->cell = known->cell;
        account->hint = &known->cell;

        if (account->cell) {
            ngx_http_gate_prefetch(&zone->cells->table[account->cell - 1],
                                   sizeof(ngx_http_gate_cell_t));
        }

        return NGX_OK;
    }

    account->name.len = ngx_http_gate_zone_text(p, user, &kind->suffix) - p;
    account->hash = ngx_murmur_hash2(account->name.data, account->name.len);

    /* what is named by a digest is digested again */

    if (known && p[1] != '#' && user->len) {
        known->kind = kind;
        known->hash = account->hash;
        known->cell = 0;
        known->row = 0;
        known->used = 0;
        known->len = (uint8_t) user->len;
        ngx_memcpy(known->user, user->data, user->len);

        account->hint = &known->cell;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_gate_zone_knows(const ngx_http_gate_known_t *known,
    const ngx_str_t *user)
{
    return known && known->len && known->len == user->len
           && ngx_memcmp(known->user, user->data, user->len) == 0;
}


u_char *
ngx_http_gate_zone_text(u_char *p, const ngx_str_t *user,
    const ngx_str_t *suffix)
{
    u_char     text[1 + 2 * SHA256_DIGEST_LENGTH];
    u_char     digest[SHA256_DIGEST_LENGTH];
    ngx_str_t  hex;

    if (user->len + suffix->len + 2 <= NGX_HTTP_GATE_NAME_MAX
        && user->len && user->data[0] != '#'
        && ngx_http_gate_usage_is_plain(user))
    {
        return ngx_http_gate_zone_plain(p, user, suffix);
    }

    SHA256(user->data, user->len, digest);

    text[0] = '#';
    hex.data = text;
    hex.len = ngx_hex_dump(text + 1, digest, sizeof(digest)) - text;

    return ngx_http_gate_zone_plain(p, &hex, suffix);
}


static u_char *
ngx_http_gate_zone_plain(u_char *p, const ngx_str_t *user,
    const ngx_str_t *suffix)
{
    *p++ = '{';
    p = ngx_cpymem(p, user->data, user->len);
    *p++ = '}';

    return ngx_cpymem(p, suffix->data, suffix->len);
}


void
ngx_http_gate_zone_document(ngx_http_gate_zone_t *zone,
    ngx_http_gate_account_t *account, const ngx_str_t *document)
{
    u_char      digest[SHA256_DIGEST_LENGTH];
    SHA256_CTX  sha;

    SHA256_Init(&sha);
    SHA256_Update(&sha, account->name.data, account->name.len);
    SHA256_Update(&sha, "", 1);
    SHA256_Update(&sha, document->data, document->len);
    SHA256_Final(digest, &sha);

    ngx_memcpy(account->document, digest, NGX_HTTP_GATE_DIGEST_LEN);

    ngx_http_gate_documents_expect(&zone->cells->documents,
                                   account->document);
}


ngx_int_t
ngx_http_gate_zone_take(ngx_http_gate_zone_t *zone,
    ngx_http_gate_account_t *account, uint64_t borrow,
    gate_quota_fact_t *facts, ngx_http_gate_usage_t *usage)
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
        ngx_http_gate_zone_draw(zone, cell, account, ngx_current_msec);
    }

    rc = ngx_http_gate_zone_check(zone, cell, account, borrow, facts,
                                  ngx_current_msec);

    if (rc == NGX_OK) {
        ngx_http_gate_zone_hold(zone, cell, account, ngx_current_msec);

        if (!zone->embedded) {
            ngx_http_gate_cells_activate(cells, cell);
        }

        if (usage) {
            ngx_http_gate_zone_usage_enter(cells, usage);
        }
    }

    if (zone->levels) {
        ngx_http_gate_zone_level(cell, account, facts, ngx_current_msec);
    }

    if (account->told || rc != NGX_OK) {
        ngx_http_gate_zone_tell(cell, account, facts, rc, ngx_current_msec);
    }

    ngx_http_gate_zone_unlock(zone);

    return rc;
}


/* all or none, for each quota that is counted */

static ngx_int_t
ngx_http_gate_zone_check(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell, ngx_http_gate_account_t *account,
    uint64_t borrow, gate_quota_fact_t *facts, uint64_t now)
{
    uint64_t                     need;
    ngx_int_t                    rc;
    ngx_uint_t                   i;
    gate_hold_t                 *hold;
    gate_credit_t               *credit;
    const ngx_http_gate_kind_t  *kind;

    rc = NGX_OK;
    kind = account->kind;
    account->low = 0;

    for (i = 0; i < kind->nquotas; i++) {
        facts[i].credit = GATE_CREDIT_TAKEN;
        account->wanted[i] = 0;

        if (account->limits[i] == GATE_UNBOUNDED) {
            continue;
        }

        credit = ngx_http_gate_zone_nth(cell, kind, i);
        hold = &account->holds[i];

        if (account->needs[i] == 0 && gate_lease_stands(credit, hold, now)) {
            continue;
        }

        need = ngx_http_gate_zone_need(zone, account, i, credit, now);

        facts[i].credit = gate_lease_check(credit, hold, account->limits[i],
                                           need, borrow, now);

        account->wanted[i] = gate_lease_wanted(credit, hold, need, now);

        if (facts[i].credit == GATE_CREDIT_TAKEN && zone->embedded && need
            && kind->quotas[i].unit == GATE_DOCUMENTS
            && !ngx_http_gate_zone_place(zone, account))
        {
            facts[i].credit = GATE_CREDIT_INVALID;
            rc = NGX_DECLINED;
            continue;
        }

        if (facts[i].credit != GATE_CREDIT_TAKEN) {

            /* the zone granted what there is: nobody is left to ask */

            if (zone->embedded) {
                facts[i].credit = GATE_CREDIT_REFUSED;
            }

            facts[i].retry = credit->retry > now ? credit->retry - now : 0;
            rc = NGX_DECLINED;
        }
    }

    return rc;
}


/* how each quota stands; what was declined gives back all that it holds */

static void
ngx_http_gate_zone_tell(ngx_http_gate_cell_t *cell,
    const ngx_http_gate_account_t *account, gate_quota_fact_t *facts,
    ngx_int_t rc, uint64_t now)
{
    ngx_uint_t                    i;
    gate_credit_t                *credit;
    gate_standing_t              *standing;
    const gate_hold_t            *hold;
    const ngx_http_gate_quota_t  *quota;

    for (i = 0; i < account->kind->nquotas; i++) {
        quota = &account->kind->quotas[i];
        credit = ngx_http_gate_zone_credit(cell, quota);
        hold = &account->holds[i];
        standing = &facts[i].standing;

        if (account->limits[i] == GATE_UNBOUNDED) {
            standing->known = 0;
            continue;
        }

        gate_lease_standing(credit, &quota->window, now, ngx_time(), standing);

        if (rc != NGX_OK && hold->gen == credit->gen) {
            standing->used -= ngx_min(hold->n, standing->used);
        }
    }
}


/* takes what was checked */

static void
ngx_http_gate_zone_hold(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell, ngx_http_gate_account_t *account,
    uint64_t now)
{
    ngx_uint_t                    i;
    gate_hold_t                  *hold;
    gate_credit_t                *credit;
    const ngx_http_gate_quota_t  *quota;

    for (i = 0; i < account->kind->nquotas; i++) {

        if (account->limits[i] == GATE_UNBOUNDED) {
            continue;
        }

        quota = &account->kind->quotas[i];
        credit = ngx_http_gate_zone_nth(cell, account->kind, i);
        hold = &account->holds[i];

        /* what was held of the slot before goes back to it */

        if (hold->gen != credit->gen && hold->n) {
            cell->untold = 1;
        }

        if (quota->unit == GATE_DOCUMENTS) {
            ngx_http_gate_zone_rely(zone, cell, account, i, now);
            continue;
        }

        if (hold->used) {
            cell->used = now;
        }

        if (account->needs[i] == 0 && gate_lease_stands(credit, hold, now)) {
            continue;
        }

        gate_lease_take(credit, hold, account->needs[i], now);

        account->low |= gate_lease_low(credit, account->limits[i],
                                       gate_lease_size(quota->unit,
                                                       quota->lease,
                                                       account->limits[i]),
                                       now);
    }
}


/* the zone is the ledger: grants on the spot what the window has */

static void
ngx_http_gate_zone_draw(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell, ngx_http_gate_account_t *account,
    uint64_t now)
{
    uint64_t                      clock, need;
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
        need = ngx_http_gate_zone_need(zone, account, i, credit, now);
        spendings = ngx_http_gate_zone_spendings(ledger, quota);

        if (account->limits[i] == GATE_UNBOUNDED
            || (now < credit->until
                && gate_lease_check(credit, &account->holds[i],
                                    account->limits[i], need, 0, now)
                   == GATE_CREDIT_TAKEN))
        {
            continue;
        }

        gate_ledger_draw(spendings, &quota->window, account->limits[i],
                         credit, need, clock, &grant);

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
    ngx_http_gate_account_t *account)
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

        if (n && account->needs[i]) {
            ngx_http_gate_zone_leave(zone, &cells->table[n - 1], account, i);
        }

        if (account->limits[i] == GATE_UNBOUNDED
            || account->holds[i].n - account->holds[i].used < account->needs[i])
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
        hold.n = account->needs[i];
        hold.used = 0;

        account->holds[i].n -= account->needs[i];
        gate_lease_give(credit, &hold);
    }

    ngx_http_gate_zone_unlock(zone);
}


void
ngx_http_gate_zone_give(ngx_http_gate_zone_t *zone,
    ngx_http_gate_account_t *account, ngx_http_gate_usage_t *usage)
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

            credit = ngx_http_gate_zone_nth(cell, account->kind, i);

            ngx_http_gate_zone_leave(zone, cell, account, i);

            if (account->holds[i].n == 0 || credit == NULL) {
                continue;
            }

            if (account->holds[i].gen != credit->gen) {
                cell->untold = 1;
            }

            /* who is refused, and comes again, keeps no credit from others */

            if (account->holds[i].used) {
                cell->used = ngx_current_msec;
            }

            gate_lease_give(credit, &account->holds[i]);
        }

        if (cell->users) {
            cell->users--;
        }

        if (!zone->embedded) {
            ngx_http_gate_cells_activate(cells, cell);
        }
    }

    if (usage && usage->closing) {
        ngx_http_gate_zone_usage_close(cells, usage);
    }

    ngx_http_gate_zone_unlock(zone);
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

    if (account->hint) {
        *account->hint = n;
    }

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

    if (n == 0) {
        ngx_http_gate_zone_told_full(zone, "accounts");
    }

    return n;
}


void
ngx_http_gate_zone_told_full(ngx_http_gate_zone_t *zone, const char *what)
{
    if (!zone->full) {
        zone->full = 1;
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "gate: \"gate_zone\" is too small: all %s are in use",
                      what);
    }
}


/*
 * Each quota of the kind has its credit in the cell.  Those that a reload took
 * out of the policy stay while there is room: they may come back.
 */

ngx_int_t
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
        if (ngx_http_gate_zone_nth(cell, kind, i) == NULL) {
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

gate_credit_t *
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


gate_ledger_t *
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


ngx_http_gate_ledger_cell_t *
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

    /* what Redis has forgotten is told first */

    if (cell->answered && zone->cells->restate
        && cell->era != zone->cells->epochs.era)
    {
        return 0;
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


ngx_http_gate_counters_t *
ngx_http_gate_zone_counters(ngx_http_gate_zone_t *zone)
{
    return &zone->cells->counters;
}


ngx_uint_t
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


const ngx_http_gate_kind_t *
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
