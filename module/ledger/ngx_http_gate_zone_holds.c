/*
 * The register of holds: reading and writing it takes the lock, as seldom as
 * it changes; all else is an atomic load or store.
 */


#include "ngx_http_gate_zone_inner.h"


u_char *
ngx_http_gate_register_add(u_char *p, u_char *last, const ngx_str_t *id,
    const ngx_str_t *value)
{
    if (id->len > GATE_HELD_ID || value->len > GATE_HELD_VALUE
        || (size_t) (last - p) < NGX_HTTP_GATE_REGISTER_HEAD + id->len
                                 + value->len)
    {
        return NULL;
    }

    *p++ = (u_char) (id->len >> 8);
    *p++ = (u_char) id->len;
    *p++ = (u_char) (value->len >> 8);
    *p++ = (u_char) value->len;

    p = ngx_cpymem(p, id->data, id->len);

    return ngx_cpymem(p, value->data, value->len);
}


u_char *
ngx_http_gate_register_next(u_char *p, u_char *last, ngx_str_t *id,
    ngx_str_t *value)
{
    if (last - p < NGX_HTTP_GATE_REGISTER_HEAD) {
        return NULL;
    }

    id->len = (size_t) p[0] << 8 | p[1];
    value->len = (size_t) p[2] << 8 | p[3];
    p += NGX_HTTP_GATE_REGISTER_HEAD;

    if ((size_t) (last - p) < id->len + value->len) {
        return NULL;
    }

    id->data = p;
    value->data = p + id->len;

    return value->data + value->len;
}


ngx_uint_t
ngx_http_gate_zone_holds(const ngx_http_gate_zone_t *zone)
{
    return zone->cells->holds.generation;
}


size_t
ngx_http_gate_zone_holds_room(const ngx_http_gate_zone_t *zone)
{
    return zone->cells->holds.size;
}


uint64_t
ngx_http_gate_zone_holds_now(const ngx_http_gate_zone_t *zone)
{
    uint64_t  ms;

    if (zone->embedded) {
        return (uint64_t) ngx_time();
    }

    ms = (uint64_t) zone->cells->holds.clock + ngx_current_msec;

    return ms / 1000;
}


void
ngx_http_gate_zone_holds_clock(ngx_http_gate_zone_t *zone, uint64_t ms)
{
    zone->cells->holds.clock = (ngx_atomic_uint_t) (ms - ngx_current_msec);
}


ngx_uint_t
ngx_http_gate_zone_holds_read(ngx_http_gate_zone_t *zone, u_char *text,
    size_t *len, ngx_http_gate_edition_t *edition)
{
    size_t                     room;
    ngx_uint_t                 generation;
    ngx_http_gate_register_t  *holds;

    holds = &ngx_http_gate_zone_lock(zone)->holds;

    generation = holds->generation;

    if (edition) {
        *edition = holds->edition;
    }

    room = *len;
    *len = holds->lens[holds->current];

    if (*len && *len <= room) {
        ngx_memcpy(text, holds->texts[holds->current], *len);
    }

    ngx_http_gate_zone_unlock(zone);

    return generation;
}


ngx_int_t
ngx_http_gate_zone_holds_write(ngx_http_gate_zone_t *zone,
    const u_char *text, size_t len, const ngx_http_gate_edition_t *edition)
{
    ngx_uint_t                 other;
    ngx_http_gate_register_t  *holds;

    holds = &ngx_http_gate_zone_lock(zone)->holds;

    if (len > holds->size) {
        ngx_http_gate_zone_unlock(zone);
        return NGX_ERROR;
    }

    other = !holds->current;

    if (holds->generation == 0 || len != holds->lens[holds->current]
        || ngx_memcmp(text, holds->texts[holds->current], len) != 0)
    {
        ngx_memcpy(holds->texts[other], text, len);
        holds->lens[other] = len;

        ngx_memory_barrier();
        holds->current = other;
        ngx_memory_barrier();

        if (++holds->generation == 0) {
            holds->generation = 1;
        }

        ngx_memory_barrier();
    }

    holds->edition = *edition;
    holds->version = (ngx_atomic_uint_t) edition->version;

    ngx_http_gate_zone_unlock(zone);

    return NGX_OK;
}


void
ngx_http_gate_zone_holds_count(ngx_http_gate_zone_t *zone, ngx_uint_t n)
{
    zone->cells->holds.number = n;
}


void
ngx_http_gate_zone_holds_told(const ngx_http_gate_zone_t *zone,
    ngx_uint_t *number, uint64_t *version)
{
    *number = zone->cells->holds.number;
    *version = zone->cells->holds.version;
}


ngx_uint_t
ngx_http_gate_zone_holds_say(ngx_http_gate_zone_t *zone, uint64_t version)
{
    ngx_atomic_uint_t          said;
    ngx_http_gate_register_t  *holds;

    holds = &zone->cells->holds;
    said = holds->said;

    return said != (ngx_atomic_uint_t) version + 1
           && ngx_atomic_cmp_set(&holds->said, said,
                                 (ngx_atomic_uint_t) version + 1);
}


ngx_uint_t
ngx_http_gate_zone_listens(ngx_http_gate_zone_t *zone, ngx_msec_t every)
{
    ngx_atomic_uint_t          listener;
    ngx_http_gate_register_t  *holds;

    holds = &zone->cells->holds;
    listener = holds->listener;

    if (listener == (ngx_atomic_uint_t) ngx_pid) {
        holds->listened = ngx_current_msec;
        return 1;
    }

    if (listener
        && (ngx_msec_int_t) (ngx_current_msec - holds->listened)
           < (ngx_msec_int_t) every)
    {
        return 0;
    }

    if (!ngx_atomic_cmp_set(&holds->listener, listener,
                            (ngx_atomic_uint_t) ngx_pid))
    {
        return 0;
    }

    holds->listened = ngx_current_msec;

    return 1;
}


void
ngx_http_gate_zone_listens_no_more(ngx_http_gate_zone_t *zone)
{
    (void) ngx_atomic_cmp_set(&zone->cells->holds.listener,
                              (ngx_atomic_uint_t) ngx_pid, 0);
}
