/*
 * An open table, as that of documents: an entry lies somewhere in the run of
 * places that begins where its digest says.
 */


#include "ngx_http_gate_habits.h"


/* places of a run */
#define NGX_HTTP_GATE_HABITS_RUN   8


static ngx_http_gate_habit_entry_t *ngx_http_gate_habits_at(
    ngx_http_gate_habits_t *habits, const u_char *digest, ngx_uint_t i);


void
ngx_http_gate_habits_init(ngx_http_gate_habits_t *habits, void *memory,
    uint32_t n)
{
    habits->n = n;
    habits->marks = 0;
    habits->learned = ngx_current_msec;
    habits->table = memory;

    ngx_memzero(memory, n * sizeof(ngx_http_gate_habit_entry_t));
}


const ngx_http_gate_told_t *
ngx_http_gate_habits_find(ngx_http_gate_habits_t *habits,
    const u_char *digest)
{
    ngx_uint_t                    i;
    ngx_http_gate_habit_entry_t  *entry;

    for (i = 0; habits->n && i < NGX_HTTP_GATE_HABITS_RUN; i++) {
        entry = ngx_http_gate_habits_at(habits, digest, i);

        if (entry->told.epoch
            && ngx_memcmp(entry->digest, digest, NGX_HTTP_GATE_HABIT_LEN)
               == 0)
        {
            return &entry->told;
        }
    }

    return NULL;
}


void
ngx_http_gate_habits_mark(ngx_http_gate_habits_t *habits, uint32_t marks,
    ngx_msec_t asked)
{
    if ((ngx_msec_int_t) (asked - habits->learned) >= 0) {
        habits->marks = marks;
        habits->learned = asked;
    }
}


void
ngx_http_gate_habits_learn(ngx_http_gate_habits_t *habits,
    const u_char *digest, const ngx_http_gate_told_t *told)
{
    ngx_uint_t                    i;
    ngx_http_gate_habit_entry_t  *entry, *place;

    place = NULL;

    for (i = 0; habits->n && i < NGX_HTTP_GATE_HABITS_RUN; i++) {
        entry = ngx_http_gate_habits_at(habits, digest, i);

        if (entry->told.epoch
            && ngx_memcmp(entry->digest, digest, NGX_HTTP_GATE_HABIT_LEN)
               == 0)
        {
            if ((ngx_msec_int_t) (entry->told.asked - told->asked) > 0) {
                return;
            }

            place = entry;
            break;
        }

        if (place && place->told.epoch == 0) {
            continue;
        }

        if (place == NULL || entry->told.epoch == 0
            || (ngx_msec_int_t) (place->told.asked - entry->told.asked) > 0)
        {
            place = entry;
        }
    }

    if (place == NULL) {
        return;
    }

    place->told.epoch = 0;
    ngx_memory_barrier();

    ngx_memcpy(place->digest, digest, NGX_HTTP_GATE_HABIT_LEN);

    place->told.marks = told->marks;
    place->told.asked = told->asked;
    place->told.of = told->of;

    ngx_memory_barrier();
    place->told.epoch = told->epoch;
}


static ngx_http_gate_habit_entry_t *
ngx_http_gate_habits_at(ngx_http_gate_habits_t *habits, const u_char *digest,
    ngx_uint_t i)
{
    uint32_t  n;

    ngx_memcpy(&n, digest, sizeof(uint32_t));

    return &habits->table[(n + i) % habits->n];
}
