/*
 * Databases in the order in which they are asked, then what is watched.
 */


#include "ngx_http_gate_sources.h"


static ngx_int_t ngx_http_gate_sources_databases(ngx_array_t *sources,
    ngx_http_gate_geo_t *geo);
static ngx_int_t ngx_http_gate_sources_type(ngx_pool_t *pool,
    const char *type, ngx_str_t *text);
static ngx_int_t ngx_http_gate_sources_watch(ngx_array_t *sources,
    const ngx_http_gate_watch_t *watch);


ngx_array_t *
ngx_http_gate_sources(ngx_http_request_t *r)
{
    ngx_uint_t                   i;
    ngx_array_t                 *sources;
    ngx_http_gate_watch_t      **watches;
    ngx_http_gate_main_conf_t   *gmcf;

    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gate_module);

    sources = ngx_array_create(r->pool, 4, sizeof(ngx_http_gate_source_t));

    if (sources == NULL
        || (gmcf->geo
            && ngx_http_gate_sources_databases(sources, gmcf->geo) != NGX_OK))
    {
        return NULL;
    }

    watches = gmcf->watches.elts;

    for (i = 0; i < gmcf->watches.nelts; i++) {
        if (ngx_http_gate_sources_watch(sources, watches[i]) != NGX_OK) {
            return NULL;
        }
    }

    return sources;
}


static ngx_int_t
ngx_http_gate_sources_databases(ngx_array_t *sources,
    ngx_http_gate_geo_t *geo)
{
    ngx_uint_t                 i;
    ngx_http_gate_source_t    *source;
    ngx_http_gate_geo_told_t   told;

    for (i = 0; ngx_http_gate_geo_tell(geo, i, &told) == NGX_OK; i++) {

        source = ngx_array_push(sources);
        if (source == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(source, sizeof(ngx_http_gate_source_t));

        source->kind = NGX_HTTP_GATE_SOURCE_DATABASE;
        source->file = told.file;
        source->built = (time_t) ngx_min(told.built, NGX_MAX_INT32_VALUE);

        if (ngx_http_gate_sources_type(sources->pool, told.type,
                                       &source->type)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* it is in the file, which may go */

static ngx_int_t
ngx_http_gate_sources_type(ngx_pool_t *pool, const char *type,
    ngx_str_t *text)
{
    text->len = type ? ngx_min(ngx_strlen(type), NGX_HTTP_GATE_SOURCE_TYPE)
                     : 0;
    text->data = ngx_pnalloc(pool, text->len + 1);

    if (text->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(text->data, type ? type : "", text->len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_sources_watch(ngx_array_t *sources,
    const ngx_http_gate_watch_t *watch)
{
    size_t                     n;
    ngx_http_gate_source_t    *source;
    ngx_http_gate_crl_told_t   told;

    source = ngx_array_push(sources);
    if (source == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(source, sizeof(ngx_http_gate_source_t));

    source->file = watch->file;
    source->read = watch->read;

    if (ngx_http_gate_crl_tell(watch, &told) == NGX_OK) {
        source->kind = NGX_HTTP_GATE_SOURCE_CRL;
        source->entries = told.entries;
        source->updated = told.updated;
        source->next = told.next;
        return NGX_OK;
    }

    if (ngx_http_gate_fingerprints_tell(watch, &n) == NGX_OK) {
        source->kind = NGX_HTTP_GATE_SOURCE_FINGERPRINTS;
        source->entries = n;
        return NGX_OK;
    }

    sources->nelts--;

    return NGX_OK;
}
