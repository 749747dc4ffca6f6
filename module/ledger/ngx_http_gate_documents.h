/*
 * Documents that were taken in a window: a table in the zone's memory, of
 * which account, which quota, which document, and in which slot.  With Redis
 * it is a cache of what Redis has; without, it is the ledger itself, and an
 * entry stays until its window is over.
 *
 * Called with the zone's lock held.  An entry becomes valid by its last store,
 * so that a worker killed in the middle leaves a free one.
 */


#ifndef NGX_HTTP_GATE_DOCUMENTS_H_INCLUDED
#define NGX_HTTP_GATE_DOCUMENTS_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>


/* bytes of a document's name: of the SHA-256 of account and document */
#define NGX_HTTP_GATE_DIGEST_LEN  16


typedef struct {
    u_char     digest[NGX_HTTP_GATE_DIGEST_LEN];
    uint32_t   quota;       /* its id; 0: a free entry */
    uint32_t   slot;        /* in which it was taken last */
    uint32_t   until;       /* epoch seconds; nothing depends on it later */
    uint32_t   number;      /* of the question that had it counted, or 0 */
    uint16_t   users;       /* requests that rely on it and may be refused */
    uint8_t    sure;        /* one that relied on it was not refused */
    uint8_t    borrowed;    /* the ledger was not asked */
} ngx_http_gate_document_t;


typedef struct {
    uint32_t                   n;
    ngx_http_gate_document_t  *table;
} ngx_http_gate_documents_t;


/* n entries, all free, in memory of n * sizeof(ngx_http_gate_document_t) */
void ngx_http_gate_documents_init(ngx_http_gate_documents_t *documents,
    void *memory, uint32_t n);

/* It will be looked for soon; without the lock. */
void ngx_http_gate_documents_expect(
    const ngx_http_gate_documents_t *documents, const u_char *digest);

/* NULL: it is not known. */
ngx_http_gate_document_t *ngx_http_gate_documents_find(
    ngx_http_gate_documents_t *documents, const u_char *digest,
    uint32_t quota);

/*
 * A free entry for a document, filled with zeros: _add() makes it valid.  now:
 * epoch seconds, entries that end until then are free.  evict: others may have
 * to go, too, unless somebody uses them.  NULL: there is none.
 */
ngx_http_gate_document_t *ngx_http_gate_documents_place(
    ngx_http_gate_documents_t *documents, const u_char *digest, uint32_t now,
    ngx_uint_t evict);

void ngx_http_gate_documents_add(ngx_http_gate_document_t *document,
    const u_char *digest, uint32_t quota, uint32_t slot, uint32_t until);

void ngx_http_gate_documents_remove(ngx_http_gate_document_t *document);


#endif /* NGX_HTTP_GATE_DOCUMENTS_H_INCLUDED */
