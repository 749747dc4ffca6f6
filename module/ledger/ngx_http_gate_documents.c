/*
 * An open table: an entry lies somewhere in the run of places that begins
 * where its digest says.  Nothing is moved, so a run is always looked at
 * whole.
 */


#include "ngx_http_gate_documents.h"

#include "ngx_http_gate_prefetch.h"


/* places of a run */
#define NGX_HTTP_GATE_DOCUMENTS_RUN   16


static uint32_t ngx_http_gate_documents_begin(
    const ngx_http_gate_documents_t *documents, const u_char *digest);
static uint32_t ngx_http_gate_documents_next(
    const ngx_http_gate_documents_t *documents, uint32_t at);


void
ngx_http_gate_documents_init(ngx_http_gate_documents_t *documents,
    void *memory, uint32_t n)
{
    documents->n = n;
    documents->table = memory;

    ngx_memzero(memory, n * sizeof(ngx_http_gate_document_t));
}


void
ngx_http_gate_documents_expect(const ngx_http_gate_documents_t *documents,
    const u_char *digest)
{
    ngx_http_gate_prefetch(&documents->table[
                              ngx_http_gate_documents_begin(documents, digest)],
                           sizeof(ngx_http_gate_document_t));
}


ngx_http_gate_document_t *
ngx_http_gate_documents_find(ngx_http_gate_documents_t *documents,
    const u_char *digest, uint32_t quota)
{
    uint32_t                   at;
    ngx_uint_t                 i;
    ngx_http_gate_document_t  *document;

    at = ngx_http_gate_documents_begin(documents, digest);

    for (i = 0; documents->n && i < NGX_HTTP_GATE_DOCUMENTS_RUN; i++) {
        document = &documents->table[at];
        at = ngx_http_gate_documents_next(documents, at);

        if (document->quota == quota
            && ngx_memcmp(document->digest, digest, NGX_HTTP_GATE_DIGEST_LEN)
               == 0)
        {
            return document;
        }
    }

    return NULL;
}


ngx_http_gate_document_t *
ngx_http_gate_documents_place(ngx_http_gate_documents_t *documents,
    const u_char *digest, uint32_t now, ngx_uint_t evict)
{
    uint32_t                   at;
    ngx_uint_t                 i;
    ngx_http_gate_document_t  *document, *place;

    place = NULL;
    at = ngx_http_gate_documents_begin(documents, digest);

    for (i = 0; documents->n && i < NGX_HTTP_GATE_DOCUMENTS_RUN; i++) {
        document = &documents->table[at];
        at = ngx_http_gate_documents_next(documents, at);

        if (document->quota == 0 || document->until <= now) {
            place = document;
            break;
        }

        if (evict && document->users == 0
            && (place == NULL || document->until < place->until))
        {
            place = document;
        }
    }

    if (place) {
        ngx_http_gate_documents_remove(place);
    }

    return place;
}


/* the digest's part of all of them, without a division */

static uint32_t
ngx_http_gate_documents_begin(const ngx_http_gate_documents_t *documents,
    const u_char *digest)
{
    uint32_t  n;

    ngx_memcpy(&n, digest, sizeof(uint32_t));

    return (uint32_t) ((uint64_t) n * documents->n >> 32);
}


static uint32_t
ngx_http_gate_documents_next(const ngx_http_gate_documents_t *documents,
    uint32_t at)
{
    return at + 1 < documents->n ? at + 1 : 0;
}


void
ngx_http_gate_documents_add(ngx_http_gate_document_t *document,
    const u_char *digest, uint32_t quota, uint32_t slot, uint32_t until)
{
    ngx_memcpy(document->digest, digest, NGX_HTTP_GATE_DIGEST_LEN);
    document->slot = slot;
    document->until = until;

    ngx_memory_barrier();
    document->quota = quota;
}


void
ngx_http_gate_documents_remove(ngx_http_gate_document_t *document)
{
    document->quota = 0;
    ngx_memory_barrier();
    ngx_memzero(document, sizeof(ngx_http_gate_document_t));
}
