/*
 * Rows lie in a table and are found by a hash of their names, which is keyed:
 * whoever invents names of projects must not find long chains.  Names and
 * documents lie in chunks.  A row is full of what Redis has not been told, or
 * clean: then it may go.
 */


#include "ngx_http_gate_usages.h"

#include <openssl/rand.h>


/* a clean row is kept so long, ms */
#define NGX_HTTP_GATE_USAGE_IDLE    60000

/* rows looked at for one to make room, and so made for one request */
#define NGX_HTTP_GATE_USAGE_SAMPLE  64
#define NGX_HTTP_GATE_USAGE_EVICTS  8

#define NGX_HTTP_GATE_USAGE_DAY     (24 * 60 * 60 * 1000)


static uint64_t ngx_http_gate_usages_siphash(uint64_t k0, uint64_t k1,
    const ngx_str_t *text);
static uint32_t ngx_http_gate_usages_find(ngx_http_gate_usages_t *usages,
    const ngx_http_gate_usage_t *usage);
static ngx_uint_t ngx_http_gate_usages_same(ngx_http_gate_usages_t *usages,
    const ngx_http_gate_usage_row_t *row, const ngx_http_gate_usage_t *usage);
static uint32_t ngx_http_gate_usages_make(ngx_http_gate_usages_t *usages,
    ngx_http_gate_usage_t *usage);
static uint32_t ngx_http_gate_usages_row(ngx_http_gate_usages_t *usages);
static uint32_t ngx_http_gate_usages_chunk(ngx_http_gate_usages_t *usages,
    uint32_t next);
static uint32_t ngx_http_gate_usages_write(ngx_http_gate_usages_t *usages,
    const ngx_http_gate_usage_t *usage);
static void ngx_http_gate_usages_drop(ngx_http_gate_usages_t *usages,
    uint32_t chunk);
static ngx_uint_t ngx_http_gate_usages_evict(ngx_http_gate_usages_t *usages);
static ngx_uint_t ngx_http_gate_usages_free(ngx_http_gate_usages_t *usages,
    uint32_t n);
static void ngx_http_gate_usages_fly(ngx_http_gate_usages_t *usages,
    ngx_http_gate_usage_row_t *row);
static ngx_uint_t ngx_http_gate_usages_reach(ngx_http_gate_usages_t *usages,
    uint32_t chunk);


void
ngx_http_gate_usages_init(ngx_http_gate_usages_t *usages, u_char *memory,
    size_t size)
{
    size_t    n;
    uint32_t  buckets;

    /* names and a few documents are three chunks */

    n = size / (sizeof(ngx_http_gate_usage_row_t)
                + 3 * sizeof(ngx_http_gate_usage_chunk_t)
                + 2 * sizeof(uint32_t));

    for (buckets = 1; buckets < n; buckets <<= 1) { /* void */ }

    ngx_memzero(memory, size);

    usages->nrows = (uint32_t) n;
    usages->nchunks = (uint32_t) (3 * n);
    usages->mask = buckets - 1;

    usages->rows = (ngx_http_gate_usage_row_t *) memory;
    memory += n * sizeof(ngx_http_gate_usage_row_t);

    usages->chunks = (ngx_http_gate_usage_chunk_t *) memory;
    memory += 3 * n * sizeof(ngx_http_gate_usage_chunk_t);

    usages->buckets = (uint32_t *) memory;

    if (RAND_bytes(usages->key, sizeof(usages->key)) != 1) {
        for (n = 0; n < sizeof(usages->key); n++) {
            usages->key[n] = (u_char) (ngx_random() >> 8);
        }
    }
}


void
ngx_http_gate_usages_repair(ngx_http_gate_usages_t *usages)
{
    uint32_t                    n;
    ngx_http_gate_usage_row_t  *row;

    ngx_memzero(usages->buckets, (usages->mask + 1) * sizeof(uint32_t));

    usages->free = 0;
    usages->free_chunks = 0;
    usages->used = 0;

    for (n = 0; n < usages->fresh_chunks; n++) {
        usages->chunks[n].reached = 0;
    }

    for (n = usages->fresh; n > 0; n--) {
        row = &usages->rows[n - 1];

        if (!row->used) {
            row->next = usages->free;
            usages->free = n;
            continue;
        }

        /* half moved */

        if (row->documents == row->flying) {
            row->documents = 0;
        }

        row->next = usages->buckets[row->hash & usages->mask];
        usages->buckets[row->hash & usages->mask] = n;
        usages->used++;

        (void) ngx_http_gate_usages_reach(usages, row->names);
        row->nflying = (uint16_t)
                       ngx_http_gate_usages_reach(usages, row->flying);
        row->ndocuments = (uint16_t)
                          ngx_http_gate_usages_reach(usages, row->documents);
    }

    for (n = usages->fresh_chunks; n > 0; n--) {
        if (!usages->chunks[n - 1].reached) {
            usages->chunks[n - 1].next = usages->free_chunks;
            usages->free_chunks = n;
        }
    }
}


/* marks a chain; how many documents it has */

static ngx_uint_t
ngx_http_gate_usages_reach(ngx_http_gate_usages_t *usages, uint32_t chunk)
{
    ngx_uint_t  n;

    for (n = 0; chunk; chunk = usages->chunks[chunk - 1].next) {

        if (usages->chunks[chunk - 1].reached) {
            break;
        }

        usages->chunks[chunk - 1].reached = 1;
        n += usages->chunks[chunk - 1].n;
    }

    return n;
}


uint32_t
ngx_http_gate_usages_hash(const ngx_http_gate_usages_t *usages,
    const ngx_str_t *user, const ngx_str_t *project)
{
    uint64_t  k0, k1;

    ngx_memcpy(&k0, usages->key, 8);
    ngx_memcpy(&k1, usages->key + 8, 8);

    k0 ^= ngx_http_gate_usages_siphash(k0, k1, user);

    return (uint32_t) ngx_http_gate_usages_siphash(k0, k1, project);
}


/*
 * SipHash-1-3, of Aumasson and Bernstein; words in the order of this machine,
 * which alone looks at the result
 */

static uint64_t
ngx_http_gate_usages_siphash(uint64_t k0, uint64_t k1, const ngx_str_t *text)
{
    size_t    left;
    u_char   *p;
    uint64_t  v0, v1, v2, v3, m;

#define rotate(x, n)  ((x) << (n) | (x) >> (64 - (n)))

#define round()                                                              \
    v0 += v1; v1 = rotate(v1, 13); v1 ^= v0; v0 = rotate(v0, 32);            \
    v2 += v3; v3 = rotate(v3, 16); v3 ^= v2;                                 \
    v0 += v3; v3 = rotate(v3, 21); v3 ^= v0;                                 \
    v2 += v1; v1 = rotate(v1, 17); v1 ^= v2; v2 = rotate(v2, 32)

    v0 = k0 ^ 0x736f6d6570736575;
    v1 = k1 ^ 0x646f72616e646f6d;
    v2 = k0 ^ 0x6c7967656e657261;
    v3 = k1 ^ 0x7465646279746573;

    p = text->data;

    for (left = text->len; left >= 8; left -= 8, p += 8) {
        ngx_memcpy(&m, p, 8);
        v3 ^= m;
        round();
        v0 ^= m;
    }

    m = 0;
    ngx_memcpy(&m, p, left);
    m ^= (uint64_t) text->len << 56;
    v3 ^= m;
    round();
    v0 ^= m;

    v2 ^= 0xff;
    round();
    round();
    round();

#undef rotate
#undef round

    return v0 ^ v1 ^ v2 ^ v3;
}


uint32_t
ngx_http_gate_usages_day(const ngx_http_gate_usages_t *usages,
    ngx_msec_t then)
{
    int64_t  ms;

    if (usages->clock == 0) {
        return 0;
    }

    ms = usages->clock + (int64_t) ngx_current_msec
         - (ngx_msec_int_t) (ngx_current_msec - then);

    return ms > 0 ? (uint32_t) (ms / NGX_HTTP_GATE_USAGE_DAY) : 0;
}


ngx_http_gate_usage_row_t *
ngx_http_gate_usages_enter(ngx_http_gate_usages_t *usages,
    ngx_http_gate_usage_t *usage)
{
    uint32_t  n;

    n = usage->row;

    if (n && usages->rows[n - 1].used
        && usages->rows[n - 1].bytes >> NGX_HTTP_GATE_USAGE_BITS
           == usage->life)
    {
        return &usages->rows[n - 1];
    }

    usage->row = 0;

    if (!usage->dated) {
        usage->dated = 1;
        usage->day = ngx_http_gate_usages_day(usages, ngx_current_msec);
    }

    n = ngx_http_gate_usages_find(usages, usage);

    if (n == 0) {
        n = ngx_http_gate_usages_make(usages, usage);

        if (n == 0) {
            return NULL;
        }
    }

    if (usage->hint) {
        *usage->hint = n;
    }

    usage->row = n;
    usage->life = (uint16_t) (usages->rows[n - 1].bytes
                              >> NGX_HTTP_GATE_USAGE_BITS);

    return &usages->rows[n - 1];
}


static uint32_t
ngx_http_gate_usages_find(ngx_http_gate_usages_t *usages,
    const ngx_http_gate_usage_t *usage)
{
    uint32_t                    n;
    ngx_http_gate_usage_row_t  *row;

    n = usage->hint ? *usage->hint : 0;

    if (n && usages->rows[n - 1].used
        && ngx_http_gate_usages_same(usages, &usages->rows[n - 1], usage))
    {
        return n;
    }

    for (n = usages->buckets[usage->hash & usages->mask]; n; n = row->next) {
        row = &usages->rows[n - 1];

        if (ngx_http_gate_usages_same(usages, row, usage)) {
            return n;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_http_gate_usages_same(ngx_http_gate_usages_t *usages,
    const ngx_http_gate_usage_row_t *row, const ngx_http_gate_usage_t *usage)
{
    u_char  names[2 * NGX_HTTP_GATE_USAGE_NAME];

    if (row->hash != usage->hash || row->day != usage->day
        || row->user != usage->user.len || row->project != usage->project.len)
    {
        return 0;
    }

    (void) ngx_http_gate_usages_names(usages, row, names);

    return ngx_memcmp(names, usage->user.data, usage->user.len) == 0
           && ngx_memcmp(names + usage->user.len, usage->project.data,
                         usage->project.len)
              == 0;
}


/* the row becomes one by its last store */

static uint32_t
ngx_http_gate_usages_make(ngx_http_gate_usages_t *usages,
    ngx_http_gate_usage_t *usage)
{
    uint32_t                    n, names;
    ngx_uint_t                  i;
    ngx_http_gate_usage_row_t  *row;

    n = 0;
    names = 0;

    for (i = 0; i < NGX_HTTP_GATE_USAGE_EVICTS; i++) {

        names = ngx_http_gate_usages_write(usages, usage);
        n = names ? ngx_http_gate_usages_row(usages) : 0;

        if (n) {
            break;
        }

        ngx_http_gate_usages_drop(usages, names);
        usage->hurry = 1;

        if (!ngx_http_gate_usages_evict(usages)) {
            return 0;
        }
    }

    if (n == 0) {
        return 0;
    }

    row = &usages->rows[n - 1];

    row->hash = usage->hash;
    row->day = usage->day;
    row->names = names;
    row->documents = 0;
    row->flying = 0;
    row->user = (uint16_t) usage->user.len;
    row->project = (uint16_t) usage->project.len;
    row->ndocuments = 0;
    row->nflying = 0;
    row->batch = 0;
    row->bytes_flying = 0;
    row->bytes_told = 0;
    row->requests = 0;
    row->requests_flying = 0;
    row->requests_told = 0;
    row->since = ngx_current_msec;
    row->told = ngx_current_msec;

    ngx_memory_barrier();
    row->used = 1;

    row->next = usages->buckets[row->hash & usages->mask];
    usages->buckets[row->hash & usages->mask] = n;
    usages->used++;

    return n;
}


static uint32_t
ngx_http_gate_usages_row(ngx_http_gate_usages_t *usages)
{
    uint32_t  n;

    n = usages->free;

    if (n) {
        usages->free = usages->rows[n - 1].next;
        return n;
    }

    if (usages->fresh < usages->nrows) {
        return ++usages->fresh;
    }

    return 0;
}


static uint32_t
ngx_http_gate_usages_chunk(ngx_http_gate_usages_t *usages, uint32_t next)
{
    uint32_t                      n;
    ngx_http_gate_usage_chunk_t  *chunk;

    n = usages->free_chunks;

    if (n) {
        usages->free_chunks = usages->chunks[n - 1].next;

    } else if (usages->fresh_chunks < usages->nchunks) {
        n = ++usages->fresh_chunks;

    } else {
        return 0;
    }

    chunk = &usages->chunks[n - 1];
    chunk->next = next;
    chunk->n = 0;

    return n;
}


/* the names into chunks, from their end; 0: there are not enough */

static uint32_t
ngx_http_gate_usages_write(ngx_http_gate_usages_t *usages,
    const ngx_http_gate_usage_t *usage)
{
    size_t    at, n, len;
    u_char    names[2 * NGX_HTTP_GATE_USAGE_NAME], *p;
    uint32_t  chunk, next;

    p = ngx_cpymem(names, usage->user.data, usage->user.len);
    p = ngx_cpymem(p, usage->project.data, usage->project.len);

    len = p - names;
    next = 0;

    for (at = (len - 1) / NGX_HTTP_GATE_USAGE_CHUNK + 1; at > 0; at--) {

        chunk = ngx_http_gate_usages_chunk(usages, next);

        if (chunk == 0) {
            ngx_http_gate_usages_drop(usages, next);
            return 0;
        }

        p = names + (at - 1) * NGX_HTTP_GATE_USAGE_CHUNK;
        n = ngx_min(len - (p - names), NGX_HTTP_GATE_USAGE_CHUNK);

        ngx_memcpy(usages->chunks[chunk - 1].data, p, n);

        next = chunk;
    }

    return next;
}


static void
ngx_http_gate_usages_drop(ngx_http_gate_usages_t *usages, uint32_t chunk)
{
    uint32_t  next;

    for ( /* void */ ; chunk; chunk = next) {
        next = usages->chunks[chunk - 1].next;

        usages->chunks[chunk - 1].next = usages->free_chunks;
        usages->free_chunks = chunk;
    }
}


ngx_uint_t
ngx_http_gate_usages_count(ngx_http_gate_usages_t *usages,
    const ngx_http_gate_usage_t *usage, int64_t bytes)
{
#if (NGX_PTR_SIZE < 8)

    return 0;

#else

    uint64_t                    was, now;
    ngx_http_gate_usage_row_t  *row;

    if (usage->row == 0) {
        return 0;
    }

    row = &usages->rows[usage->row - 1];

    do {
        was = row->bytes;

        if (was >> NGX_HTTP_GATE_USAGE_BITS != usage->life) {
            return 0;
        }

        now = (was & ~NGX_HTTP_GATE_USAGE_MASK)
              | ((was + bytes) & NGX_HTTP_GATE_USAGE_MASK);

    } while (!ngx_atomic_cmp_set((ngx_atomic_t *) &row->bytes, was, now));

    return 1;

#endif
}


ngx_int_t
ngx_http_gate_usages_document(ngx_http_gate_usages_t *usages,
    ngx_http_gate_usage_row_t *row, const u_char *document)
{
    uint32_t                      n;
    ngx_uint_t                    i;
    ngx_http_gate_usage_chunk_t  *chunk;

    for (n = row->documents; n; n = chunk->next) {
        chunk = &usages->chunks[n - 1];

        for (i = 0; i < chunk->n; i++) {
            if (ngx_memcmp(chunk->data + i * NGX_HTTP_GATE_USAGE_DIGEST,
                           document, NGX_HTTP_GATE_USAGE_DIGEST)
                == 0)
            {
                return NGX_OK;
            }
        }
    }

    if (row->ndocuments == NGX_HTTP_GATE_USAGE_DOCUMENTS) {
        return NGX_DECLINED;
    }

    n = row->documents;

    if (n == 0 || (usages->chunks[n - 1].n + 1) * NGX_HTTP_GATE_USAGE_DIGEST
                  > NGX_HTTP_GATE_USAGE_CHUNK)
    {
        n = ngx_http_gate_usages_chunk(usages, row->documents);

        if (n == 0 && ngx_http_gate_usages_evict(usages)) {
            n = ngx_http_gate_usages_chunk(usages, row->documents);
        }

        if (n == 0) {
            return NGX_DECLINED;
        }

        row->documents = n;
    }

    chunk = &usages->chunks[n - 1];

    ngx_memcpy(chunk->data + chunk->n * NGX_HTTP_GATE_USAGE_DIGEST, document,
               NGX_HTTP_GATE_USAGE_DIGEST);

    chunk->n++;
    row->ndocuments++;

    return NGX_OK;
}


ngx_uint_t
ngx_http_gate_usages_clean(const ngx_http_gate_usages_t *usages,
    const ngx_http_gate_usage_row_t *row)
{
    return (row->bytes & NGX_HTTP_GATE_USAGE_MASK) == row->bytes_told
           && row->requests == row->requests_told
           && row->documents == 0 && row->flying == 0
           && (usages->nbatch == 0 || row->batch != usages->number);
}


/* 1: a clean row of those that were looked at has gone */

static ngx_uint_t
ngx_http_gate_usages_evict(ngx_http_gate_usages_t *usages)
{
    uint32_t                    n;
    ngx_uint_t                  i;
    ngx_http_gate_usage_row_t  *row;

    for (i = 0; i < NGX_HTTP_GATE_USAGE_SAMPLE && i < usages->fresh; i++) {
        n = usages->hand % usages->fresh + 1;
        usages->hand = n;
        row = &usages->rows[n - 1];

        if (row->used && ngx_http_gate_usages_clean(usages, row)
            && ngx_http_gate_usages_free(usages, n))
        {
            return 1;
        }
    }

    return 0;
}


/* 0: somebody has just added to it */

static ngx_uint_t
ngx_http_gate_usages_free(ngx_http_gate_usages_t *usages, uint32_t n)
{
    uint32_t                   *p;
    uint64_t                    was, next;
    ngx_http_gate_usage_row_t  *row;

    row = &usages->rows[n - 1];

    was = (row->bytes & ~NGX_HTTP_GATE_USAGE_MASK) | row->bytes_told;
    next = (was & ~NGX_HTTP_GATE_USAGE_MASK) + NGX_HTTP_GATE_USAGE_MASK + 1;

#if (NGX_PTR_SIZE < 8)
    row->bytes = next;
#else
    if (!ngx_atomic_cmp_set((ngx_atomic_t *) &row->bytes, was, next)) {
        return 0;
    }
#endif

    p = &usages->buckets[row->hash & usages->mask];

    while (*p != n) {
        p = &usages->rows[*p - 1].next;
    }

    *p = row->next;

    row->used = 0;
    row->next = usages->free;
    usages->free = n;
    usages->used--;

    ngx_http_gate_usages_drop(usages, row->names);

    return 1;
}


ngx_uint_t
ngx_http_gate_usages_gather(ngx_http_gate_usages_t *usages, ngx_uint_t walk)
{
    uint32_t                    n, day, of;
    ngx_uint_t                  documents;
    ngx_http_gate_usage_row_t  *row;

    day = 0;
    documents = 0;

    for (walk = ngx_min(walk, usages->fresh);
         walk && usages->nbatch < NGX_HTTP_GATE_USAGE_ROWS
         && documents < NGX_HTTP_GATE_USAGE_ENOUGH;
         walk--)
    {
        n = usages->hand % usages->fresh + 1;
        usages->hand = n;
        row = &usages->rows[n - 1];

        if (!row->used) {
            continue;
        }

        if (ngx_http_gate_usages_clean(usages, row)) {

            if (ngx_current_msec - row->told > NGX_HTTP_GATE_USAGE_IDLE) {
                (void) ngx_http_gate_usages_free(usages, n);
            }

            continue;
        }

        of = row->day ? row->day : ngx_http_gate_usages_day(usages,
                                                            row->since);

        if (usages->nbatch && of != day) {
            continue;
        }

        day = of;
        ngx_http_gate_usages_fly(usages, row);
        documents += row->nflying;

        usages->batch[usages->nbatch] = n;
        ngx_memory_barrier();
        usages->nbatch++;
    }

    return usages->nbatch;
}


static void
ngx_http_gate_usages_fly(ngx_http_gate_usages_t *usages,
    ngx_http_gate_usage_row_t *row)
{
    row->bytes_flying = row->bytes & NGX_HTTP_GATE_USAGE_MASK;
    row->requests_flying = row->requests;

    /* some may fly still, of a batch that came to nothing */

    if (row->flying == 0) {
        row->nflying = row->ndocuments;
        row->flying = row->documents;
        ngx_memory_barrier();
        row->documents = 0;
        row->ndocuments = 0;
    }

    ngx_memory_barrier();
    row->batch = usages->number;
}


int64_t
ngx_http_gate_usages_bytes(const ngx_http_gate_usage_row_t *row)
{
    uint64_t  n;

    n = (row->bytes_flying - row->bytes_told) & NGX_HTTP_GATE_USAGE_MASK;

    /* it may be less than was told before */

    return n >> (NGX_HTTP_GATE_USAGE_BITS - 1)
           ? (int64_t) n - (int64_t) NGX_HTTP_GATE_USAGE_MASK - 1
           : (int64_t) n;
}


uint32_t
ngx_http_gate_usages_requests(const ngx_http_gate_usage_row_t *row)
{
    return row->requests_flying - row->requests_told;
}


u_char *
ngx_http_gate_usages_names(const ngx_http_gate_usages_t *usages,
    const ngx_http_gate_usage_row_t *row, u_char *p)
{
    size_t    left, n;
    uint32_t  chunk;

    chunk = row->names;

    for (left = (size_t) row->user + row->project; left; left -= n) {
        n = ngx_min(left, NGX_HTTP_GATE_USAGE_CHUNK);

        p = ngx_cpymem(p, usages->chunks[chunk - 1].data, n);
        chunk = usages->chunks[chunk - 1].next;
    }

    return p;
}


u_char *
ngx_http_gate_usages_flying(const ngx_http_gate_usages_t *usages,
    const ngx_http_gate_usage_row_t *row, u_char *p)
{
    uint32_t                      n;
    ngx_http_gate_usage_chunk_t  *chunk;

    for (n = row->flying; n; n = chunk->next) {
        chunk = &usages->chunks[n - 1];

        p = ngx_cpymem(p, chunk->data,
                       chunk->n * NGX_HTTP_GATE_USAGE_DIGEST);
    }

    return p;
}


void
ngx_http_gate_usages_told(ngx_http_gate_usages_t *usages)
{
    uint32_t                    chunk;
    ngx_uint_t                  i;
    ngx_http_gate_usage_row_t  *row;

    for (i = 0; i < usages->nbatch; i++) {
        row = &usages->rows[usages->batch[i] - 1];

        row->bytes_told = row->bytes_flying;
        row->requests_told = row->requests_flying;
        row->told = ngx_current_msec;

        chunk = row->flying;
        row->flying = 0;
        row->nflying = 0;
        ngx_http_gate_usages_drop(usages, chunk);
    }

    usages->nbatch = 0;
}
