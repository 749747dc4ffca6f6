/*
 * The zone.  All its memory is taken at the start and cut into cells of one
 * size: an account is one cell, the ledger of an account (one host, no Redis)
 * another.  Cells are found by a hash table of their numbers and, while there
 * is credit to give back, stand in a list of active ones.  Numbers, not
 * pointers, and one mark of what is being changed, so that a worker killed in
 * the middle leaves something that can be put in order from the cells alone.
 */


#include "ngx_http_gate_zone.h"

#include <openssl/sha.h>


#define NGX_HTTP_GATE_FREE        0
#define NGX_HTTP_GATE_ACCOUNT     1
#define NGX_HTTP_GATE_LEDGER      2

/* "touched": the lists themselves are being changed */
#define NGX_HTTP_GATE_STRUCTURE   NGX_MAX_UINT32_VALUE

/* cells looked at for one to make room, and for accounts to settle */
#define NGX_HTTP_GATE_SAMPLE      32
#define NGX_HTTP_GATE_WALK        4096


typedef struct {
    uint32_t                      next;     /* in the hash chain, or free */
    uint32_t                      active_next;
    uint32_t                      active_prev;
    uint32_t                      hash;
    uint32_t                      kind;     /* hash of the kind's suffix */
    uint32_t                      ledger;   /* its cell, 0: none */
    uint32_t                      incarnation;
    uint32_t                      users;    /* requests that hold credit */
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
    uint8_t                       unused[60];
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
    uint32_t                      active;
    uint32_t                      hand;     /* the next cell to look at */
    uint32_t                      incarnations;
    uint32_t                      mask;
    uint32_t                      generation;
    uint32_t                     *buckets;
    ngx_http_gate_cell_t         *cells;    /* cell n is cells[n - 1] */
} ngx_http_gate_zone_sh_t;


struct ngx_http_gate_zone_s {
    ngx_http_gate_zone_sh_t      *sh;
    ngx_slab_pool_t              *shpool;
    ngx_array_t                  *kinds;
    ngx_uint_t                    embedded;
    ngx_uint_t                    full;     /* said once by this worker */
    uint32_t                      generation;
};


static ngx_int_t ngx_http_gate_zone_init(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_int_t ngx_http_gate_zone_cut(ngx_http_gate_zone_t *zone,
    size_t size);
static void ngx_http_gate_zone_node(ngx_http_gate_zone_sh_t *sh);
static ngx_http_gate_zone_sh_t *ngx_http_gate_zone_lock(
    ngx_http_gate_zone_t *zone);
static void ngx_http_gate_zone_unlock(ngx_http_gate_zone_t *zone);
static void ngx_http_gate_zone_touch(ngx_http_gate_zone_sh_t *sh, uint32_t n);
static void ngx_http_gate_zone_repair(ngx_http_gate_zone_sh_t *sh);
static uint32_t ngx_http_gate_zone_find(ngx_http_gate_zone_sh_t *sh,
    uint32_t hint, uint32_t hash, const ngx_str_t *name);
static ngx_http_gate_cell_t *ngx_http_gate_zone_enter(
    ngx_http_gate_zone_t *zone, ngx_http_gate_account_t *account);
static uint32_t ngx_http_gate_zone_alloc(ngx_http_gate_zone_t *zone);
static void ngx_http_gate_zone_evict(ngx_http_gate_zone_t *zone);
static ngx_uint_t ngx_http_gate_zone_idle_cell(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell);
static ngx_int_t ngx_http_gate_zone_assign(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell, const ngx_http_gate_kind_t *kind);
static ngx_http_gate_ledger_cell_t *ngx_http_gate_zone_ledger(
    ngx_http_gate_zone_sh_t *sh, ngx_http_gate_cell_t *cell);
static void ngx_http_gate_zone_draw(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell, ngx_http_gate_account_t *account,
    const uint64_t *needs, uint64_t now);
static ngx_int_t ngx_http_gate_zone_check(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell, ngx_http_gate_account_t *account,
    const uint64_t *needs, uint64_t borrow, gate_quota_fact_t *facts,
    uint64_t now);
static const ngx_http_gate_kind_t *ngx_http_gate_zone_kind(
    ngx_http_gate_zone_t *zone, uint32_t hash);
static void ngx_http_gate_zone_activate(ngx_http_gate_zone_sh_t *sh,
    ngx_http_gate_cell_t *cell);
static void ngx_http_gate_zone_deactivate(ngx_http_gate_zone_sh_t *sh,
    ngx_http_gate_cell_t *cell);
static ngx_uint_t ngx_http_gate_zone_untold(ngx_http_gate_cell_t *cell);


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
        zone->sh = old->sh;
        zone->generation = zone->sh->generation + 1;
        return NGX_OK;
    }

    zone->shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (shm_zone->shm.exists) {
        zone->sh = zone->shpool->data;
        zone->generation = zone->sh->generation + 1;
        return NGX_OK;
    }

    if (ngx_http_gate_zone_cut(zone, shm_zone->shm.size) != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, shm_zone->shm.log, 0,
                      "\"gate_zone\" is too small: %uz bytes",
                      shm_zone->shm.size);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* takes nearly all pages of the pool as cells, and a bucket for each */

static ngx_int_t
ngx_http_gate_zone_cut(ngx_http_gate_zone_t *zone, size_t size)
{
    size_t                    n, mask, bytes;
    u_char                   *p;
    ngx_http_gate_zone_sh_t  *sh;

    sh = ngx_slab_calloc(zone->shpool, sizeof(ngx_http_gate_zone_sh_t));
    if (sh == NULL) {
        return NGX_ERROR;
    }

    zone->shpool->log_nomem = 0;

    for (n = size / sizeof(ngx_http_gate_cell_t); n > 15; n -= n / 32 + 1) {

        for (mask = 1; mask < n / 2; mask <<= 1) { /* void */ }

        bytes = n * sizeof(ngx_http_gate_cell_t) + mask * sizeof(uint32_t);

        p = ngx_slab_alloc(zone->shpool, bytes);
        if (p == NULL) {
            continue;
        }

        sh->cells = (ngx_http_gate_cell_t *) p;
        sh->buckets = (uint32_t *) (p + n * sizeof(ngx_http_gate_cell_t));
        sh->ncells = (uint32_t) n;
        sh->mask = (uint32_t) mask - 1;
        ngx_memzero(sh->buckets, mask * sizeof(uint32_t));

        ngx_http_gate_zone_node(sh);

        zone->shpool->data = sh;
        zone->sh = sh;

        return NGX_OK;
    }

    return NGX_ERROR;
}


/* who we are to Redis: another node each time the memory is new */

static void
ngx_http_gate_zone_node(ngx_http_gate_zone_sh_t *sh)
{
    ngx_uint_t    i;
    static const  u_char  hex[] = "0123456789abcdef";

    for (i = 0; i < sizeof(sh->node); i++) {
        sh->node[i] = hex[(ngx_random() >> 8) & 0xf];
    }
}


static ngx_http_gate_zone_sh_t *
ngx_http_gate_zone_lock(ngx_http_gate_zone_t *zone)
{
    ngx_http_gate_zone_sh_t  *sh;

    sh = zone->sh;

    ngx_shmtx_lock(&zone->shpool->mutex);

    if (sh->touched) {
        ngx_http_gate_zone_repair(sh);
    }

    sh->locks++;

    return sh;
}


static void
ngx_http_gate_zone_unlock(ngx_http_gate_zone_t *zone)
{
    ngx_http_gate_zone_touch(zone->sh, 0);
    ngx_shmtx_unlock(&zone->shpool->mutex);
}


/* marks what is about to be changed: a cell or, when 0, nothing any more */

static void
ngx_http_gate_zone_touch(ngx_http_gate_zone_sh_t *sh, uint32_t n)
{
    ngx_memory_barrier();
    *(volatile uint32_t *) &sh->touched = n;
    ngx_memory_barrier();
}


/* a worker died with the lock: builds chains and lists again from the cells */

static void
ngx_http_gate_zone_repair(ngx_http_gate_zone_sh_t *sh)
{
    uint32_t               n;
    ngx_uint_t             i;
    ngx_http_gate_cell_t  *cell;

    ngx_memzero(sh->buckets, (sh->mask + 1) * sizeof(uint32_t));

    sh->free = 0;
    sh->active = 0;

    for (n = sh->fresh; n > 0; n--) {
        cell = &sh->cells[n - 1];

        if (cell->type == NGX_HTTP_GATE_FREE) {
            cell->next = sh->free;
            sh->free = n;
            continue;
        }

        if (cell->type != NGX_HTTP_GATE_ACCOUNT) {
            continue;
        }

        cell->next = sh->buckets[cell->hash & sh->mask];
        sh->buckets[cell->hash & sh->mask] = n;

        if (n == sh->touched) {

            /* half changed: nothing of it is spent before the ledger spoke */

            for (i = 0; i < NGX_HTTP_GATE_QUOTAS; i++) {
                cell->credits[i].until = 0;
            }

            cell->untold = 1;
        }

        if (cell->active || cell->untold) {
            cell->active = 0;
            ngx_http_gate_zone_activate(sh, cell);
        }
    }
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
    ngx_http_gate_zone_sh_t  *sh;

    sh = ngx_http_gate_zone_lock(zone);

    cell = ngx_http_gate_zone_enter(zone, account);

    if (cell == NULL) {
        ngx_http_gate_zone_unlock(zone);

        for (i = 0; i < account->kind->nquotas; i++) {
            facts[i].credit = GATE_CREDIT_INVALID;
        }

        return NGX_BUSY;
    }

    ngx_http_gate_zone_touch(sh, account->cell);

    if (zone->embedded) {
        ngx_http_gate_zone_draw(zone, cell, account, needs, ngx_current_msec);
    }

    rc = ngx_http_gate_zone_check(zone, cell, account, needs, borrow, facts,
                                  ngx_current_msec);

    cell->used = ngx_current_msec;

    if (!zone->embedded && rc == NGX_OK) {
        ngx_http_gate_zone_activate(sh, cell);
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

        credit = &cell->credits[i];
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

        credit = &cell->credits[i];
        quota = &account->kind->quotas[i];

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
    gate_claim_t                  claim;
    gate_grant_t                  grant;
    gate_credit_t                *credit;
    const ngx_http_gate_quota_t  *quota;
    ngx_http_gate_ledger_cell_t  *ledger;

    tp = ngx_timeofday();
    clock = (uint64_t) tp->sec * 1000 + tp->msec;
    ledger = ngx_http_gate_zone_ledger(zone->sh, cell);

    for (i = 0; i < account->kind->nquotas; i++) {
        credit = &cell->credits[i];
        quota = &account->kind->quotas[i];

        if (account->limits[i] == GATE_UNBOUNDED
            || (now < credit->until
                && gate_lease_check(credit, &account->holds[i],
                                    account->limits[i], needs[i], 0, now)
                   == GATE_CREDIT_TAKEN))
        {
            continue;
        }

        gate_ledger_draw(&ledger->quotas[i], &quota->window,
                         account->limits[i], credit, needs[i], clock, &grant);

        gate_lease_claim(credit, &claim);
        claim.need = needs[i];
        claim.more = 0;
        claim.lease = 0;

        gate_ledger_keep(&ledger->quotas[i], &quota->window, credit, &grant);
        gate_lease_grant(credit, &claim, &grant, now);
    }
}


void
ngx_http_gate_zone_untake(ngx_http_gate_zone_t *zone,
    ngx_http_gate_account_t *account, const uint64_t *needs)
{
    uint32_t                  n;
    ngx_uint_t                i;
    gate_hold_t               hold;
    ngx_http_gate_zone_sh_t  *sh;

    sh = ngx_http_gate_zone_lock(zone);

    n = ngx_http_gate_zone_find(sh, account->cell, account->hash,
                                &account->name);

    for (i = 0; n && i < account->kind->nquotas; i++) {

        if (account->limits[i] == GATE_UNBOUNDED
            || account->holds[i].n - account->holds[i].used < needs[i])
        {
            continue;
        }

        ngx_http_gate_zone_touch(sh, n);

        hold = account->holds[i];
        hold.n = needs[i];
        hold.used = 0;

        account->holds[i].n -= needs[i];
        gate_lease_give(&sh->cells[n - 1].credits[i], &hold);
    }

    ngx_http_gate_zone_unlock(zone);
}


void
ngx_http_gate_zone_give(ngx_http_gate_zone_t *zone,
    ngx_http_gate_account_t *account)
{
    uint32_t                  n;
    ngx_uint_t                i;
    ngx_http_gate_cell_t     *cell;
    ngx_http_gate_zone_sh_t  *sh;

    if (!account->entered) {
        return;
    }

    account->entered = 0;

    sh = ngx_http_gate_zone_lock(zone);

    n = ngx_http_gate_zone_find(sh, account->cell, account->hash,
                                &account->name);

    if (n) {
        ngx_http_gate_zone_touch(sh, n);

        cell = &sh->cells[n - 1];

        for (i = 0; i < account->kind->nquotas; i++) {

            if (account->holds[i].n == 0
                || cell->credits[i].id != account->kind->quotas[i].id)
            {
                continue;
            }

            if (account->holds[i].gen != cell->credits[i].gen) {
                cell->untold = 1;
            }

            gate_lease_give(&cell->credits[i], &account->holds[i]);
        }

        if (cell->users) {
            cell->users--;
        }

        cell->used = ngx_current_msec;

        if (!zone->embedded) {
            ngx_http_gate_zone_activate(sh, cell);
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
    ngx_http_gate_cell_t     *cell;
    ngx_http_gate_zone_sh_t  *sh;

    sh = ngx_http_gate_zone_lock(zone);

    n = ngx_http_gate_zone_find(sh, 0, q->hash, &q->name);

    if (n == 0) {
        ngx_http_gate_zone_unlock(zone);
        return NGX_DECLINED;
    }

    cell = &sh->cells[n - 1];

    if (cell->asking && (ngx_msec_int_t) (cell->asking - ngx_current_msec) > 0)
    {
        ngx_http_gate_zone_unlock(zone);
        return NGX_BUSY;
    }

    ngx_http_gate_zone_touch(sh, n);

    for (i = 0; i < q->kind->nquotas; i++) {
        if (q->settle) {
            gate_lease_yield(&cell->credits[i]);
        }

        gate_lease_claim(&cell->credits[i], &q->claims[i]);
    }

    cell->asking = ngx_current_msec + timeout;
    cell->untold = 1;

    q->answered = cell->answered;
    q->number = ++cell->number;
    q->incarnation = cell->incarnation;
    q->asked = ngx_current_msec;

    ngx_http_gate_zone_activate(sh, cell);

    ngx_sprintf(q->node, "%*s.%08xD", sizeof(sh->node), sh->node,
                q->incarnation);

    ngx_http_gate_zone_unlock(zone);

    return NGX_OK;
}


void
ngx_http_gate_zone_end(ngx_http_gate_zone_t *zone,
    ngx_http_gate_question_t *q, const gate_grant_t *grants)
{
    uint32_t                  n;
    ngx_uint_t                i;
    ngx_http_gate_cell_t     *cell;
    ngx_http_gate_zone_sh_t  *sh;

    sh = ngx_http_gate_zone_lock(zone);

    n = ngx_http_gate_zone_find(sh, 0, q->hash, &q->name);
    cell = n ? &sh->cells[n - 1] : NULL;

    /* another may have been asked since, or the account is a new one */

    if (cell && cell->incarnation == q->incarnation
        && cell->number == q->number)
    {
        ngx_http_gate_zone_touch(sh, n);

        cell->asking = 0;

        if (grants) {
            cell->answered = q->number;
            cell->untold = 0;

            for (i = 0; i < q->kind->nquotas; i++) {
                if (cell->credits[i].id != q->kind->quotas[i].id) {
                    continue;
                }

                gate_lease_grant(&cell->credits[i], &q->claims[i], &grants[i],
                                 q->asked);

                /* given back meanwhile, or a slot was left behind */

                if (cell->credits[i].past != q->claims[i].past
                    || cell->credits[i].past_spent
                       != q->claims[i].past_spent)
                {
                    cell->untold = 1;
                }
            }
        }
    }

    ngx_http_gate_zone_unlock(zone);
}


ngx_uint_t
ngx_http_gate_zone_idle(ngx_http_gate_zone_t *zone, ngx_uint_t all,
    ngx_http_gate_question_t *questions, ngx_uint_t n, u_char *text)
{
    uint32_t                     i, next;
    ngx_uint_t                   found, walked;
    ngx_http_gate_cell_t        *cell;
    const ngx_http_gate_kind_t  *kind;
    ngx_http_gate_zone_sh_t     *sh;

    found = 0;
    walked = 0;

    sh = ngx_http_gate_zone_lock(zone);

    for (i = sh->active; i && found < n && walked < NGX_HTTP_GATE_WALK;
         i = next)
    {
        cell = &sh->cells[i - 1];
        next = cell->active_next;
        walked++;

        kind = ngx_http_gate_zone_kind(zone, cell->kind);

        if (kind && !ngx_http_gate_zone_untold(cell)) {
            ngx_http_gate_zone_deactivate(sh, cell);
            continue;
        }

        if (kind == NULL
            || (cell->asking
                && (ngx_msec_int_t) (cell->asking - ngx_current_msec) > 0)
            || (!all && ngx_current_msec - cell->used < kind->idle))
        {
            continue;
        }

        questions[found].kind = kind;
        questions[found].hash = cell->hash;
        questions[found].name.len = cell->len;
        questions[found].name.data = text + found * NGX_HTTP_GATE_NAME_MAX;
        ngx_memcpy(questions[found].name.data, cell->name, cell->len);
        found++;
    }

    ngx_http_gate_zone_unlock(zone);

    return found;
}


void
ngx_http_gate_zone_serve(ngx_http_gate_zone_t *zone)
{
    zone->sh->generation = zone->generation;
}


ngx_uint_t
ngx_http_gate_zone_served(ngx_http_gate_zone_t *zone)
{
    return zone->sh->generation != zone->generation;
}


static uint32_t
ngx_http_gate_zone_find(ngx_http_gate_zone_sh_t *sh, uint32_t hint,
    uint32_t hash, const ngx_str_t *name)
{
    uint32_t               n;
    ngx_http_gate_cell_t  *cell;

    n = hint ? hint : sh->buckets[hash & sh->mask];

    while (n) {
        cell = &sh->cells[n - 1];

        if (cell->type == NGX_HTTP_GATE_ACCOUNT && cell->hash == hash
            && cell->len == name->len
            && ngx_memcmp(cell->name, name->data, name->len) == 0)
        {
            return n;
        }

        if (n == hint) {
            hint = 0;
            n = sh->buckets[hash & sh->mask];
            continue;
        }

        n = cell->next;
    }

    return 0;
}


/* finds or makes the account's cell, and counts the request as its user */

static ngx_http_gate_cell_t *
ngx_http_gate_zone_enter(ngx_http_gate_zone_t *zone,
    ngx_http_gate_account_t *account)
{
    uint32_t                  n;
    ngx_http_gate_cell_t     *cell;
    ngx_http_gate_zone_sh_t  *sh;

    sh = zone->sh;

    n = ngx_http_gate_zone_find(sh, account->cell, account->hash,
                                &account->name);

    if (n == 0) {
        n = ngx_http_gate_zone_alloc(zone);
        if (n == 0) {
            return NULL;
        }

        cell = &sh->cells[n - 1];

        ngx_http_gate_zone_touch(sh, NGX_HTTP_GATE_STRUCTURE);

        cell->hash = account->hash;
        cell->kind = account->kind->hash;
        cell->incarnation = ++sh->incarnations;
        cell->len = (uint8_t) account->name.len;
        ngx_memcpy(cell->name, account->name.data, account->name.len);
        cell->used = ngx_current_msec;
        cell->type = NGX_HTTP_GATE_ACCOUNT;
        cell->next = sh->buckets[cell->hash & sh->mask];
        sh->buckets[cell->hash & sh->mask] = n;

        ngx_http_gate_zone_touch(sh, 0);
    }

    cell = &sh->cells[n - 1];

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


/*
 * Each quota of the kind has its credit in the cell.  After a reload that
 * changed the quotas the credit of another one is forgotten: Redis goes on
 * counting it as spent until its window ends.
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

        ledger = ngx_http_gate_zone_ledger(zone->sh, cell);
        ledger->type = NGX_HTTP_GATE_LEDGER;
    }

    for (i = 0; i < kind->nquotas; i++) {

        if (cell->credits[i].id != kind->quotas[i].id) {
            ngx_memzero(&cell->credits[i], sizeof(gate_credit_t));
            cell->credits[i].id = kind->quotas[i].id;
            cell->credits[i].gen = 1;
        }

        if (cell->ledger) {
            ledger = ngx_http_gate_zone_ledger(zone->sh, cell);

            if (ledger->quotas[i].id != kind->quotas[i].id) {
                ngx_memzero(&ledger->quotas[i], sizeof(gate_ledger_t));
                ledger->quotas[i].id = kind->quotas[i].id;
            }
        }
    }

    return NGX_OK;
}


static ngx_http_gate_ledger_cell_t *
ngx_http_gate_zone_ledger(ngx_http_gate_zone_sh_t *sh,
    ngx_http_gate_cell_t *cell)
{
    return (ngx_http_gate_ledger_cell_t *) &sh->cells[cell->ledger - 1];
}


/* a zeroed cell, if need be in place of the least recently used: 0 if none */

static uint32_t
ngx_http_gate_zone_alloc(ngx_http_gate_zone_t *zone)
{
    uint32_t                  n;
    ngx_http_gate_zone_sh_t  *sh;

    sh = zone->sh;

    if (sh->free == 0 && sh->fresh == sh->ncells) {
        ngx_http_gate_zone_evict(zone);
    }

    if (sh->free) {
        ngx_http_gate_zone_touch(sh, NGX_HTTP_GATE_STRUCTURE);
        n = sh->free;
        sh->free = sh->cells[n - 1].next;

    } else if (sh->fresh < sh->ncells) {
        n = ++sh->fresh;

    } else {
        if (!zone->full) {
            zone->full = 1;
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "gate: \"gate_zone\" is too small: all %uD accounts "
                          "are in use", sh->ncells);
        }

        return 0;
    }

    ngx_memzero(&sh->cells[n - 1], sizeof(ngx_http_gate_cell_t));
    ngx_http_gate_zone_touch(sh, 0);

    return n;
}


/* of the next cells, frees the account that was unused for longest */

static void
ngx_http_gate_zone_evict(ngx_http_gate_zone_t *zone)
{
    uint32_t                  n, oldest, *p;
    ngx_uint_t                i;
    ngx_http_gate_cell_t     *cell, *ledger;
    ngx_http_gate_zone_sh_t  *sh;

    sh = zone->sh;
    oldest = 0;

    for (i = 0; i < sh->ncells && (i < NGX_HTTP_GATE_SAMPLE || !oldest); i++) {
        n = sh->hand % sh->ncells + 1;
        sh->hand = n;
        cell = &sh->cells[n - 1];

        if (!ngx_http_gate_zone_idle_cell(zone, cell)) {
            continue;
        }

        if (oldest == 0
            || (ngx_msec_int_t) (sh->cells[oldest - 1].used - cell->used) > 0)
        {
            oldest = n;
        }
    }

    if (oldest == 0) {
        return;
    }

    ngx_http_gate_zone_touch(sh, NGX_HTTP_GATE_STRUCTURE);

    cell = &sh->cells[oldest - 1];

    ngx_http_gate_zone_deactivate(sh, cell);

    p = &sh->buckets[cell->hash & sh->mask];

    while (*p != oldest) {
        p = &sh->cells[*p - 1].next;
    }

    *p = cell->next;

    if (cell->ledger) {
        ledger = &sh->cells[cell->ledger - 1];
        ledger->type = NGX_HTTP_GATE_FREE;
        ledger->next = sh->free;
        sh->free = cell->ledger;
    }

    cell->type = NGX_HTTP_GATE_FREE;
    cell->next = sh->free;
    sh->free = oldest;

    ngx_http_gate_zone_touch(sh, 0);
}


/* may this account be forgotten: nobody uses it, all is told or over? */

static ngx_uint_t
ngx_http_gate_zone_idle_cell(ngx_http_gate_zone_t *zone,
    ngx_http_gate_cell_t *cell)
{
    ngx_uint_t                    i;
    ngx_time_t                   *tp;
    const ngx_http_gate_kind_t   *kind;
    ngx_http_gate_ledger_cell_t  *ledger;

    if (cell->type != NGX_HTTP_GATE_ACCOUNT || cell->users) {
        return 0;
    }

    kind = ngx_http_gate_zone_kind(zone, cell->kind);

    if (kind == NULL) {
        return 1;
    }

    if (!zone->embedded || cell->ledger == 0) {
        return cell->asking == 0 && !ngx_http_gate_zone_untold(cell);
    }

    tp = ngx_timeofday();
    ledger = ngx_http_gate_zone_ledger(zone->sh, cell);

    for (i = 0; i < kind->nquotas; i++) {
        if (!gate_ledger_over(&ledger->quotas[i], &kind->quotas[i].window,
                              &cell->credits[i], (uint64_t) tp->sec * 1000))
        {
            return 0;
        }
    }

    return 1;
}


static ngx_uint_t
ngx_http_gate_zone_untold(ngx_http_gate_cell_t *cell)
{
    ngx_uint_t  i;

    if (cell->untold) {
        return 1;
    }

    for (i = 0; i < NGX_HTTP_GATE_QUOTAS; i++) {
        if (gate_lease_untold(&cell->credits[i])) {
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


static void
ngx_http_gate_zone_activate(ngx_http_gate_zone_sh_t *sh,
    ngx_http_gate_cell_t *cell)
{
    uint32_t  n, touched;

    if (cell->active) {
        return;
    }

    touched = sh->touched;
    ngx_http_gate_zone_touch(sh, NGX_HTTP_GATE_STRUCTURE);

    n = (uint32_t) (cell - sh->cells) + 1;

    cell->active = 1;
    cell->active_prev = 0;
    cell->active_next = sh->active;

    if (sh->active) {
        sh->cells[sh->active - 1].active_prev = n;
    }

    sh->active = n;

    ngx_http_gate_zone_touch(sh, touched);
}


static void
ngx_http_gate_zone_deactivate(ngx_http_gate_zone_sh_t *sh,
    ngx_http_gate_cell_t *cell)
{
    uint32_t  touched;

    if (!cell->active) {
        return;
    }

    touched = sh->touched;
    ngx_http_gate_zone_touch(sh, NGX_HTTP_GATE_STRUCTURE);

    if (cell->active_prev) {
        sh->cells[cell->active_prev - 1].active_next = cell->active_next;

    } else {
        sh->active = cell->active_next;
    }

    if (cell->active_next) {
        sh->cells[cell->active_next - 1].active_prev = cell->active_prev;
    }

    cell->active = 0;

    ngx_http_gate_zone_touch(sh, touched);
}
