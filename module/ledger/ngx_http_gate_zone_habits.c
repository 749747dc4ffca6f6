/*
 * Habits of users, as this host was told of them.  Time between two days is
 * counted by this host, from the end of the day that Redis told: its date may
 * be wrong.
 */


#include "ngx_http_gate_zone_inner.h"

#include <openssl/sha.h>


#define NGX_HTTP_GATE_DAY  (24 * 60 * 60 * 1000)


ngx_int_t
ngx_http_gate_zone_habit_name(ngx_pool_t *pool, ngx_http_gate_habit_t *habit,
    const ngx_str_t *suffix, const ngx_str_t *user)
{
    u_char      *p, digest[SHA256_DIGEST_LENGTH];
    SHA256_CTX   sha;

    p = ngx_pnalloc(pool, NGX_HTTP_GATE_NAME_MAX);
    if (p == NULL) {
        return NGX_ERROR;
    }

    habit->name.data = p;
    habit->name.len = ngx_http_gate_zone_text(p, user, suffix) - p;

    /* Redis is asked for so many days: another number is another habit */

    SHA256_Init(&sha);
    SHA256_Update(&sha, habit->name.data, habit->name.len);
    SHA256_Update(&sha, "", 1);

    if (habit->country.len) {
        SHA256_Update(&sha, habit->country.data, habit->country.len);
        SHA256_Update(&sha, &habit->days, sizeof(habit->days));
    }

    SHA256_Final(digest, &sha);

    ngx_memcpy(habit->digest, digest, NGX_HTTP_GATE_HABIT_LEN);

    return NGX_OK;
}


void
ngx_http_gate_zone_habit(ngx_http_gate_zone_t *zone,
    ngx_http_gate_habit_t *habit)
{
    ngx_msec_int_t               since;
    ngx_http_gate_days_t        *days;
    ngx_http_gate_cells_t       *cells;
    const ngx_http_gate_told_t  *told;

    habit->told.epoch = 0;
    habit->here = 0;
    habit->fresh = 0;

    cells = ngx_http_gate_zone_lock(zone);

    told = ngx_http_gate_habits_find(&cells->habits, habit->digest);

    if (told) {
        habit->told = *told;
        habit->fresh = ngx_http_gate_epochs_current(&cells->epochs,
                                                    told->epoch)
                       && told->marks == cells->habits.marks;
    }

    ngx_http_gate_zone_unlock(zone);

    if (told == NULL || habit->country.len == 0) {
        return;
    }

    days = &habit->told.of.days;
    since = (ngx_msec_int_t) (ngx_current_msec - days->ends);

    habit->today = days->today
                   + (since < 0 ? 0 : 1 + since / NGX_HTTP_GATE_DAY);
    habit->here = since < 0 && days->here;
}


void
ngx_http_gate_zone_told(ngx_http_gate_zone_t *zone,
    const ngx_http_gate_habit_t *habit, ngx_http_gate_told_t *told)
{
    ngx_http_gate_cells_t  *cells;

    cells = ngx_http_gate_zone_lock(zone);

    told->marks = ngx_http_gate_epochs_mark(&cells->epochs, told->server,
                                            told->marks, told->asked);

    ngx_http_gate_habits_learn(&cells->habits, habit->digest, told);
    ngx_http_gate_habits_mark(&cells->habits, told->marks, told->asked);

    ngx_http_gate_zone_unlock(zone);
}


void
ngx_http_gate_zone_marks(ngx_http_gate_zone_t *zone, uint64_t server,
    uint32_t marks, ngx_msec_t asked)
{
    ngx_http_gate_cells_t  *cells;

    cells = ngx_http_gate_zone_lock(zone);

    marks = ngx_http_gate_epochs_mark(&cells->epochs, server, marks, asked);
    ngx_http_gate_habits_mark(&cells->habits, marks, asked);

    ngx_http_gate_zone_unlock(zone);
}
