/*
 * Habits: a table in the zone's memory of what Redis said of users and
 * countries, and of where they were last, so that who is where he usually is
 * costs no question.  Only a cache: the entry that was told longest ago makes
 * room.
 *
 * Called with the zone's lock held.  An entry becomes valid by its last store,
 * so that a worker killed in the middle leaves a free one.
 */


#ifndef NGX_HTTP_GATE_HABITS_H_INCLUDED
#define NGX_HTTP_GATE_HABITS_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>

#include "gate_familiar.h"


/* bytes of what is looked for: of a SHA-256 */
#define NGX_HTTP_GATE_HABIT_LEN  16


/* of a user and a country */

typedef struct {
    uint32_t                   today;
    gate_habit_t               habit;
    uint32_t                   here;    /* it is written that he was, today */
    ngx_msec_t                 ends;    /* when that day does */
} ngx_http_gate_days_t;


/* of a user: where he was last */

typedef struct {
    uint64_t                   number;  /* another for each; 0: nowhere yet */
    ngx_msec_t                 seen;
    gate_spot_t                spot;
} ngx_http_gate_visit_t;


/* what Redis said, and when it was asked */

typedef struct {
    uint64_t                   server;  /* which primary */
    uint64_t                   epoch;   /* its id; never 0 */
    uint32_t                   marks;   /* of the epochs */
    ngx_msec_t                 asked;

    union {
        ngx_http_gate_days_t   days;
        ngx_http_gate_visit_t  visit;
    } of;
} ngx_http_gate_told_t;


typedef struct {
    u_char                     digest[NGX_HTTP_GATE_HABIT_LEN];
    ngx_http_gate_told_t       told;    /* epoch 0: a free entry */
} ngx_http_gate_habit_entry_t;


typedef struct {
    uint32_t                      n;
    uint32_t                      marks;    /* that this host has heard of */
    ngx_msec_t                    learned;  /* when was asked what told them */
    ngx_http_gate_habit_entry_t  *table;
} ngx_http_gate_habits_t;


/* n entries, all free, in memory of n * sizeof(ngx_http_gate_habit_entry_t) */
void ngx_http_gate_habits_init(ngx_http_gate_habits_t *habits, void *memory,
    uint32_t n);

/* NULL: nothing is known. */
const ngx_http_gate_told_t *ngx_http_gate_habits_find(
    ngx_http_gate_habits_t *habits, const u_char *digest);

/* The epoch had so many marks when Redis was asked. */
void ngx_http_gate_habits_mark(ngx_http_gate_habits_t *habits, uint32_t marks,
    ngx_msec_t asked);

/* Remembers what was told, instead of what was asked before. */
void ngx_http_gate_habits_learn(ngx_http_gate_habits_t *habits,
    const u_char *digest, const ngx_http_gate_told_t *told);


#endif /* NGX_HTTP_GATE_HABITS_H_INCLUDED */
