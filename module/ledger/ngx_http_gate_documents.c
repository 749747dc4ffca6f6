/*
 * An open table: an entry lies somewhere in the run of places that begins
 * where its digest says.  Nothing is moved, so a run is always looked at
 * whole.
 */


#include "ngx_http_gate_documents.h"


/* places of a run */
#define NGX_HTTP_GATE_DOCUMENTS_RUN   16


static ngx_http_gate_document_t *ngx_http_gate_documents_at(
    ngx_http_gate_documents_t *documents, const u_char *digest, ngx_uint_t i);


void
ngx_http_gate_documents_init(ngx_http_gate_documents_t *documents,
    void *memory, uint32_t n)
{
    documents->n = n;
    documents->table = memory;

    ngx_memzero(memory, n * sizeof(ngx_http_gate_document_t));
}


ngx_http_gate_document_t *
ngx_http_gate_documents_find(ngx_http_gate_documents_t *documents,
    const u_char *digest, uint32_t quota)
{
    ngx_uint_t                 i;
    ngx_http_gate_document_t  *document;

    for (i = 0; documents->n && i < NGX_HTTP_GATE_DOCUMENTS_RUN; i++) {
        document = ngx_http_gate_documents_at(documents, digest, i);

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
    ngx_uint_t                 i;
    ngx_http_gate_document_t  *document, *place;

    place = NULL;

    for (i = 0; documents->n && i < NGX_HTTP_GATE_DOCUMENTS_RUN; i++) {
        document = ngx_http_gate_documents_at(documents, digest, i);

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


static ngx_http_gate_document_t *
ngx_http_gate_documents_at(ngx_http_gate_documents_t *documents,
    const u_char *digest, ngx_uint_t i)
{
    uint32_t  n;

    ngx_memcpy(&n, digest, sizeof(uint32_t));

    return &documents->table[(n + i) % documents->n];
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
