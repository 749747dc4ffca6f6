/*
 * Usage as it is kept in Redis: its keys, which everybody who reads or writes
 * it names here.  Days are those of Redis' clock, in UTC.
 *
 *   gate:{user}/projects:2026-11-25    hash: the user's day, by project
 *   gate:{project}/users:2026-11-25    hash: the project's day, by user
 *   gate:{2026-11-25}/users            sorted set: users by bytes, of the day
 *   gate:{2026-11-25}/projects         the same of projects
 *   gate:{2026-11-25}/largest          projects by bytes of their largest user
 *
 * and all of these again for the month, with 2026-11 in place of the day: what
 * is asked of many days is read by months as far as these are whole.
 *
 * All are known by name: nothing has to be looked for.  In a cluster the days
 * of a user lie in one slot, those of a project in another, and what is told
 * of all in a day in one more.  usage.lua tells the fields.
 */


#ifndef NGX_HTTP_GATE_USAGE_H_INCLUDED
#define NGX_HTTP_GATE_USAGE_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>


/* of a name as Redis has it: "#", a SHA-256, a blank, what is kept of it */
#define NGX_HTTP_GATE_USAGE_PLAIN   120
#define NGX_HTTP_GATE_USAGE_KEPT    255
#define NGX_HTTP_GATE_USAGE_NAME    (1 + 64 + 1 + NGX_HTTP_GATE_USAGE_KEPT)

/* of a day: 2026-11-25, or of a year that has more */
#define NGX_HTTP_GATE_USAGE_DATE    (sizeof("2026-11-25") + NGX_INT_T_LEN)

/* a key at most, with the prefix */
#define NGX_HTTP_GATE_USAGE_KEY     320

/* seconds that usage is kept: if nothing else is said, and from when to when */
#define NGX_HTTP_GATE_USAGE_KEEP      (400 * 24 * 60 * 60)
#define NGX_HTTP_GATE_USAGE_KEEP_MIN  (24 * 60 * 60)
#define NGX_HTTP_GATE_USAGE_KEEP_MAX  (10 * 365 * 24 * 60 * 60)

/* ms since 1970 that are believed to be now, at most: the year 2100 */
#define NGX_HTTP_GATE_USAGE_LATEST  ((int64_t) 4102444800 * 1000)


typedef enum {
    NGX_HTTP_GATE_USAGE_PROJECTS = 0,   /* of a user */
    NGX_HTTP_GATE_USAGE_USERS,          /* of a project */
    NGX_HTTP_GATE_USAGE_TOP_USERS,
    NGX_HTTP_GATE_USAGE_TOP_PROJECTS,
    NGX_HTTP_GATE_USAGE_LARGEST,
    NGX_HTTP_GATE_USAGE_TOLD_USERS,     /* a node's last batch */
    NGX_HTTP_GATE_USAGE_TOLD_PROJECTS
} ngx_http_gate_usage_key_e;


typedef enum {
    NGX_HTTP_GATE_USAGE_DAY = 0,
    NGX_HTTP_GATE_USAGE_MONTH           /* that the day is in */
} ngx_http_gate_usage_span_e;


/* Writes a day since 1970 as a date, answers its end. */
u_char *ngx_http_gate_usage_date(u_char *p, uint32_t day);

/* The day of a date; 0: it is none. */
uint32_t ngx_http_gate_usage_day(const ngx_str_t *date);

/* Is this already a name as Redis has it, which has to be read? */
ngx_uint_t ngx_http_gate_usage_is_text(const ngx_str_t *name);

/* Has a name neither blanks nor braces nor control characters? */
ngx_uint_t ngx_http_gate_usage_is_plain(const ngx_str_t *name);

/*
 * Names a user or a project as Redis has it: one that is long or odd is copied,
 * none is "#none".  NGX_ERROR: out of memory.
 */
ngx_int_t ngx_http_gate_usage_text(ngx_pool_t *pool, ngx_str_t *text,
    const ngx_str_t *name);

/*
 * Writes a key, answers its end.  name: as Redis has it, for the first two and
 * the last two; of these, an empty one is for all that are told at once.  day:
 * since 1970.  node: for the last two.
 */
u_char *ngx_http_gate_usage_key(u_char *p, ngx_http_gate_usage_key_e key,
    ngx_http_gate_usage_span_e span, const ngx_str_t *prefix,
    const ngx_str_t *name, uint32_t day, const ngx_str_t *node);

/* The first day of the month that follows on a day's. */
uint32_t ngx_http_gate_usage_next_month(uint32_t day);

/* When a day's keys expire, epoch seconds.  keep 0: as long as usual. */
time_t ngx_http_gate_usage_ends(uint32_t day, time_t keep);


#endif /* NGX_HTTP_GATE_USAGE_H_INCLUDED */
