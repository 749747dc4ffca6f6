/*
 * The copy is one piece of text, and two tables that point into it.  What is no
 * hold is told once: by whoever makes the register, not here.
 */


#include "ngx_http_gate_holds.h"


static ngx_int_t ngx_http_gate_holds_copy(ngx_http_gate_holds_t *copy);
static ngx_uint_t ngx_http_gate_holds_parse(ngx_http_gate_holds_t *copy,
    size_t len);
static void ngx_http_gate_holds_tell(ngx_http_gate_holds_t *holds,
    const ngx_http_gate_holds_t *old);
static void ngx_http_gate_holds_log(ngx_http_gate_holds_t *holds,
    const gate_held_t *held, const gate_held_t *old);
static int ngx_http_gate_holds_by_id(const gate_held_t *one,
    const gate_held_t *two);
static const gate_held_t *ngx_http_gate_holds_force(const gate_held_t *held);
static int ngx_libc_cdecl ngx_http_gate_holds_order(const void *one,
    const void *two);


ngx_uint_t
ngx_http_gate_holds_refresh(ngx_http_gate_holds_t *holds, ngx_uint_t tell)
{
    ngx_http_gate_holds_t  old;

    if (holds->generation == ngx_http_gate_zone_holds(holds->zone)) {
        return 0;
    }

    old = *holds;

    if (ngx_http_gate_holds_copy(holds) != NGX_OK) {

        /* what was known stays in force, and is tried again */

        *holds = old;
        return 0;
    }

    if (tell && old.generation) {
        ngx_http_gate_holds_tell(holds, &old);
    }

    ngx_http_gate_holds_close(&old);

    return 1;
}


static ngx_int_t
ngx_http_gate_holds_copy(ngx_http_gate_holds_t *copy)
{
    size_t      len, room;
    u_char     *text;
    ngx_uint_t  n, generation;

    copy->n = 0;
    copy->extras = 0;
    copy->list = NULL;
    copy->order = NULL;
    copy->text = NULL;

    len = 0;
    generation = ngx_http_gate_zone_holds_read(copy->zone, NULL, &len, NULL);

    if (len == 0) {
        copy->generation = generation;
        return NGX_OK;
    }

    text = ngx_alloc(len, copy->log);
    if (text == NULL) {
        return NGX_ERROR;
    }

    room = len;
    copy->generation = ngx_http_gate_zone_holds_read(copy->zone, text, &len,
                                                     NULL);
    if (len > room) {
        ngx_free(text);
        return NGX_ERROR;
    }

    copy->text = text;
    n = ngx_http_gate_holds_parse(copy, len);

    copy->list = ngx_alloc(2 * ngx_max(n, 1) * sizeof(gate_held_t),
                           copy->log);
    if (copy->list == NULL) {
        ngx_free(text);
        return NGX_ERROR;
    }

    copy->order = copy->list + n;
    copy->n = ngx_http_gate_holds_parse(copy, len);

    ngx_memcpy(copy->order, copy->list, copy->n * sizeof(gate_held_t));
    ngx_qsort(copy->order, copy->n, sizeof(gate_held_t),
              ngx_http_gate_holds_order);

    for (n = copy->n; n && copy->order[n - 1].kind == GATE_HELD_EXTRA; n--) {
        copy->extras++;
    }

    return NGX_OK;
}


/* without a list it only counts, and changes nothing */

static ngx_uint_t
ngx_http_gate_holds_parse(ngx_http_gate_holds_t *copy, size_t len)
{
    u_char       *p;
    ngx_str_t     id, value;
    ngx_uint_t    n;
    gate_held_t  *held;

    n = 0;
    p = copy->text;

    while ((p = ngx_http_gate_register_next(p, copy->text + len, &id, &value))
           != NULL)
    {
        if (copy->list == NULL) {
            n++;
            continue;
        }

        held = &copy->list[n];

        if (gate_held_parse((char *) id.data, id.len, (char *) value.data,
                            value.len, held)
            == 0)
        {
            n++;
        }
    }

    return n;
}


static void
ngx_http_gate_holds_tell(ngx_http_gate_holds_t *holds,
    const ngx_http_gate_holds_t *old)
{
    int                 rc;
    ngx_uint_t          i, k;
    const gate_held_t  *now, *before;

    i = 0;
    k = 0;

    while (i < holds->n || k < old->n) {

        rc = i == holds->n ? 1
             : k == old->n ? -1
                           : ngx_http_gate_holds_by_id(&holds->list[i],
                                                       &old->list[k]);

        now = rc <= 0 ? &holds->list[i++] : NULL;
        before = rc >= 0 ? &old->list[k++] : NULL;

        if (now && before && gate_held_same(now, before)) {
            continue;
        }

        before = ngx_http_gate_holds_force(before);

        if (ngx_http_gate_holds_force(now) == NULL && before == NULL) {
            continue;
        }

        ngx_http_gate_holds_log(holds, now, before);

        if (holds->handler) {
            holds->handler(holds->data, now, before);
        }
    }
}


static void
ngx_http_gate_holds_log(ngx_http_gate_holds_t *holds, const gate_held_t *held,
    const gate_held_t *old)
{
    ngx_uint_t          set, extra;
    const gate_held_t  *it;

    set = ngx_http_gate_holds_force(held) != NULL;
    it = set ? held : old;
    extra = it->kind == GATE_HELD_EXTRA;
    held = held ? held : old;

    ngx_log_error(NGX_LOG_NOTICE, holds->log, 0,
                  "gate: %s %*s is %s: %s \"%*s\"%s, by \"%*s\"",
                  extra ? "quota" : "hold", it->id.len, it->id.data,
                  !set ? "lifted" : extra ? "given" : "set",
                  gate_held_word(it->kind), it->subject.len, it->subject.data,
                  it->rate ? ", slow" : "", held->by.len, held->by.data);
}


/* as the script sorts them */

static int
ngx_http_gate_holds_by_id(const gate_held_t *one, const gate_held_t *two)
{
    return (int) ngx_memn2cmp((u_char *) one->id.data,
                              (u_char *) two->id.data, one->id.len,
                              two->id.len);
}


/* what is left of one that was lifted is none */

static const gate_held_t *
ngx_http_gate_holds_force(const gate_held_t *held)
{
    return held && held->kind == GATE_HELD_LIFTED ? NULL : held;
}


static int ngx_libc_cdecl
ngx_http_gate_holds_order(const void *one, const void *two)
{
    return gate_held_compare(one, two);
}


const gate_held_t *
ngx_http_gate_holds_find(ngx_http_gate_holds_t *holds,
    const gate_text_t subjects[GATE_HELD_SUBJECTS])
{
    return holds->n == 0
           ? NULL
           : gate_held_find(holds->order, holds->n, subjects,
                            ngx_http_gate_zone_holds_now(holds->zone));
}


uint64_t
ngx_http_gate_holds_extra(ngx_http_gate_holds_t *holds,
    const gate_extra_t *extra, uint64_t *ends)
{
    return holds->extras == 0
           ? 0
           : gate_extra_find(holds->order + holds->n - holds->extras,
                             holds->extras, extra,
                             ngx_http_gate_zone_holds_now(holds->zone), ends);
}


ngx_uint_t
ngx_http_gate_holds_number(ngx_http_gate_holds_t *holds)
{
    uint64_t    now;
    ngx_uint_t  i, n;

    now = ngx_http_gate_zone_holds_now(holds->zone);

    for (i = 0, n = 0; i < holds->n; i++) {
        n += holds->list[i].kind != GATE_HELD_EXTRA
             && !gate_held_over(&holds->list[i], now);
    }

    return n;
}


void
ngx_http_gate_holds_close(ngx_http_gate_holds_t *holds)
{
    if (holds->list) {
        ngx_free(holds->list);
        holds->list = NULL;
    }

    if (holds->text) {
        ngx_free(holds->text);
        holds->text = NULL;
    }

    holds->n = 0;
    holds->extras = 0;
}
