/*
 * Usages: rows in the zone's memory, one for each user, project and day, with
 * what they took that Redis was not told yet: bytes, requests, documents.  What
 * Redis has is kept for a while, so that who comes again finds his row.
 *
 * Called with the zone's lock held, but for _count(), which adds bytes to a row
 * without it, as they leave: the row's number of bytes carries the number of
 * the row's life, so that a row that has become another's is not added to.
 *
 * A batch is some rows that are being told.  It is written down in here, too:
 * whoever tells it again, should a worker die, tells the same.
 */


#ifndef NGX_HTTP_GATE_USAGES_H_INCLUDED
#define NGX_HTTP_GATE_USAGES_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_gate_counters.h"
#include "ngx_http_gate_usage.h"


/* bytes of a document: of the SHA-256 of project and document */
#define NGX_HTTP_GATE_USAGE_DIGEST  14

/* documents of a row that Redis was not told yet, and from when it hurries */
#define NGX_HTTP_GATE_USAGE_DOCUMENTS  256
#define NGX_HTTP_GATE_USAGE_MANY       128

/* rows of a batch; and documents: when it has so many, no other row comes in */
#define NGX_HTTP_GATE_USAGE_ROWS    100
#define NGX_HTTP_GATE_USAGE_ENOUGH  2048

/* text of a batch */
#define NGX_HTTP_GATE_USAGE_TEXT                                             \
    (NGX_HTTP_GATE_USAGE_ROWS * 2 * NGX_HTTP_GATE_USAGE_NAME                 \
     + (NGX_HTTP_GATE_USAGE_ENOUGH + NGX_HTTP_GATE_USAGE_DOCUMENTS)          \
       * NGX_HTTP_GATE_USAGE_DIGEST)

#define NGX_HTTP_GATE_USAGE_CHUNK   56

/* of a row's bytes: the sum, modulo 2^48, and the number of its life above */
#define NGX_HTTP_GATE_USAGE_BITS    48
#define NGX_HTTP_GATE_USAGE_MASK    (((uint64_t) 1 << 48) - 1)


/* what one request adds to its user and project; zeroed at its beginning */

typedef struct {
    ngx_str_t                    user;      /* as Redis names them */
    ngx_str_t                    project;
    u_char                       document[NGX_HTTP_GATE_USAGE_DIGEST];
    uint16_t                     life;      /* of the row */
    uint32_t                     hash;
    uint32_t                     row;       /* 0: none yet */
    uint32_t                    *hint;      /* where it may be, and was, kept
                                               for the next; NULL: is not */
    uint32_t                     day;       /* on which it began */
    int64_t                      bytes;     /* not counted in a row yet */
    unsigned                     named:1;
    unsigned                     counts:1;  /* itself, and its document */
    unsigned                     dated:1;   /* the day is known, or never */
    unsigned                     homeless:1;    /* there is no row for it */
    unsigned                     closing:1; /* it is over: counts it */
    unsigned                     hurry:1;   /* out: Redis should be told */
    unsigned                     dropping:1;    /* out: the first that is
                                                   lost for want of room */
} ngx_http_gate_usage_t;


/* of names and documents; of which the latter fill it by and by */

typedef struct {
    uint32_t                     next;
    uint8_t                      n;         /* documents */
    uint8_t                      reached;   /* when all is put in order */
    uint16_t                     unused;
    u_char                       data[NGX_HTTP_GATE_USAGE_CHUNK];
} ngx_http_gate_usage_chunk_t;


typedef struct {
    uint32_t                     next;      /* in the hash chain, or free */
    uint32_t                     hash;
    uint32_t                     day;       /* since 1970, 0: not known */
    uint32_t                     names;     /* chunks: the user, the project */
    uint32_t                     documents; /* chunks */
    uint32_t                     flying;    /* chunks that are being told */
    uint16_t                     user;      /* bytes of the name */
    uint16_t                     project;
    uint16_t                     ndocuments;
    uint16_t                     nflying;   /* documents, too */
    uint32_t                     used;
    uint32_t                     requests;
    uint32_t                     requests_flying;
    uint32_t                     requests_told;
    uint64_t                     batch;     /* in which it is, or was */
    volatile uint64_t            bytes;     /* life, and 48 bits of bytes */
    uint64_t                     bytes_flying;  /* the sum then */
    uint64_t                     bytes_told;
    ngx_msec_t                   since;
    ngx_msec_t                   told;      /* when */
} ngx_http_gate_usage_row_t;


typedef struct {
    u_char                       key[16];   /* of the hash */
    uint32_t                     mask;
    uint32_t                     nrows;
    uint32_t                     fresh;     /* rows never used start here */
    uint32_t                     free;
    uint32_t                     hand;      /* the next row to look at */
    uint32_t                     used;
    uint32_t                     nchunks;
    uint32_t                     fresh_chunks;
    uint32_t                     free_chunks;
    uint32_t                     dropping;  /* it was said */
    uint32_t                     nbatch;    /* rows of it; 0: none is told */
    uint32_t                     batch[NGX_HTTP_GATE_USAGE_ROWS];
    uint64_t                     number;    /* of the last batch */
    uint64_t                     dropped[NGX_HTTP_GATE_DROPPED_KINDS];
                                            /* when it was said */
    ngx_msec_t                   until;     /* somebody tells it; 0: nobody */
    ngx_msec_t                   due;       /* the next */
    int64_t                      clock;     /* ms: Redis' less ours; 0: not
                                               known */
    uint32_t                    *buckets;
    ngx_http_gate_usage_row_t   *rows;      /* row n is rows[n - 1] */
    ngx_http_gate_usage_chunk_t *chunks;
} ngx_http_gate_usages_t;


/* In memory of that size, which must be some KiB. */
void ngx_http_gate_usages_init(ngx_http_gate_usages_t *usages, u_char *memory,
    size_t size);

/* A worker died while it changed something: puts everything in order. */
void ngx_http_gate_usages_repair(ngx_http_gate_usages_t *usages);

/* Of the names; without the lock, the key never changes. */
uint32_t ngx_http_gate_usages_hash(const ngx_http_gate_usages_t *usages,
    const ngx_str_t *user, const ngx_str_t *project);

/* The day, by Redis' clock, of an ngx_current_msec; 0: it is not known yet. */
uint32_t ngx_http_gate_usages_day(const ngx_http_gate_usages_t *usages,
    ngx_msec_t then);

/* Finds or makes the row; dates the usage.  NULL: there is no room. */
ngx_http_gate_usage_row_t *ngx_http_gate_usages_enter(
    ngx_http_gate_usages_t *usages, ngx_http_gate_usage_t *usage);

/*
 * Adds bytes (or takes some back) to the row that was entered.  Without the
 * lock.  0: it is another's by now.
 */
ngx_uint_t ngx_http_gate_usages_count(ngx_http_gate_usages_t *usages,
    const ngx_http_gate_usage_t *usage, int64_t bytes);

/* NGX_DECLINED: there is no room for the document. */
ngx_int_t ngx_http_gate_usages_document(ngx_http_gate_usages_t *usages,
    ngx_http_gate_usage_row_t *row, const u_char *document);

/*
 * Puts rows of one day into a new batch; looks at so many at most.  Returns
 * how many it has.
 */
ngx_uint_t ngx_http_gate_usages_gather(ngx_http_gate_usages_t *usages,
    ngx_uint_t walk);

/* Has Redis all of it? */
ngx_uint_t ngx_http_gate_usages_clean(const ngx_http_gate_usages_t *usages,
    const ngx_http_gate_usage_row_t *row);

/* What of a row is in the batch. */
int64_t ngx_http_gate_usages_bytes(const ngx_http_gate_usage_row_t *row);
uint32_t ngx_http_gate_usages_requests(const ngx_http_gate_usage_row_t *row);

/* Copies names, or documents, and answers their end. */
u_char *ngx_http_gate_usages_names(const ngx_http_gate_usages_t *usages,
    const ngx_http_gate_usage_row_t *row, u_char *p);
u_char *ngx_http_gate_usages_flying(const ngx_http_gate_usages_t *usages,
    const ngx_http_gate_usage_row_t *row, u_char *p);

/* Redis has the batch. */
void ngx_http_gate_usages_told(ngx_http_gate_usages_t *usages);


#endif /* NGX_HTTP_GATE_USAGES_H_INCLUDED */
