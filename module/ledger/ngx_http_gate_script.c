/*
 * Arguments and replies, in the order that account.lua, beat.lua, familiar.lua,
 * journey.lua, holds.lua and events.lua have them.
 */


#include "ngx_http_gate_script.h"

#include <ngx_sha1.h>

#include "gate_journey.h"
#include "ngx_http_gate_scripts.h"


/* numbers before the grants, and of each grant */
#define NGX_HTTP_GATE_HEAD      3
#define NGX_HTTP_GATE_GRANTS    6

/* numbers of a beat */
#define NGX_HTTP_GATE_BEATEN    5

/* numbers of a habit, of either kind: the first of them are the epoch's */
#define NGX_HTTP_GATE_TOLD      9

/* ms that an epoch may stay closed, as epoch.lua has it */
#define NGX_HTTP_GATE_CLOSED    10000

/* a slot's remaining ms at most: a month, or a twelfth of 400 days */
#define NGX_HTTP_GATE_LEFT_MAX  ((long long) 34 * 86400 * 1000)


static ngx_str_t *ngx_http_gate_script_begin(ngx_http_gate_command_t *command,
    const ngx_http_gate_script_t *script, ngx_uint_t text);
static void ngx_http_gate_script_days(ngx_http_gate_command_t *command,
    u_char *p, const ngx_http_gate_habit_t *habit, ngx_uint_t here);
static void ngx_http_gate_script_visit(ngx_http_gate_command_t *command,
    u_char *p, const ngx_http_gate_habit_t *habit);
static u_char *ngx_http_gate_script_spot(ngx_http_gate_command_t *command,
    u_char *p, const gate_spot_t *spot);
static u_char *ngx_http_gate_script_documents(
    ngx_http_gate_command_t *command, u_char *p,
    const ngx_http_gate_question_t *q);
static u_char *ngx_http_gate_script_quota(ngx_http_gate_command_t *command,
    u_char *p, const ngx_http_gate_question_t *q, ngx_uint_t n);
static u_char *ngx_http_gate_script_limit(ngx_http_gate_command_t *command,
    u_char *p, const ngx_http_gate_question_t *q, ngx_uint_t n);
static void ngx_http_gate_script_key(ngx_http_gate_command_t *command,
    const char *format, const ngx_str_t *prefix, const ngx_str_t *name,
    const ngx_str_t *quota);
static void ngx_http_gate_script_epoch(ngx_http_gate_command_t *command,
    const ngx_http_gate_scripts_t *scripts);
static ngx_int_t ngx_http_gate_script_taken(redisReply **reply,
    const ngx_http_gate_question_t *q, ngx_http_gate_answer_t *answer);
static ngx_int_t ngx_http_gate_script_grant(redisReply **reply,
    gate_grant_t *grant);


/* the letters of gate_per_e in the scripts */
static const u_char  ngx_http_gate_per[] = "hdwmt";

static const ngx_str_t  ngx_http_gate_holds_key = ngx_string("holds");


void
ngx_http_gate_script_init(ngx_http_gate_scripts_t *scripts)
{
    u_char      digest[20];
    ngx_sha1_t  sha1;
    ngx_uint_t  i;

    static const ngx_str_t  texts[NGX_HTTP_GATE_SCRIPTS] = {
        { sizeof(ngx_http_gate_beat_script) - 1,
          (u_char *) ngx_http_gate_beat_script },
        { sizeof(ngx_http_gate_draw_script) - 1,
          (u_char *) ngx_http_gate_draw_script },
        { sizeof(ngx_http_gate_settle_script) - 1,
          (u_char *) ngx_http_gate_settle_script },
        { sizeof(ngx_http_gate_familiar_script) - 1,
          (u_char *) ngx_http_gate_familiar_script },
        { sizeof(ngx_http_gate_journey_script) - 1,
          (u_char *) ngx_http_gate_journey_script },
        { sizeof(ngx_http_gate_inspect_script) - 1,
          (u_char *) ngx_http_gate_inspect_script },
        { sizeof(ngx_http_gate_confirm_script) - 1,
          (u_char *) ngx_http_gate_confirm_script },
        { sizeof(ngx_http_gate_events_read_script) - 1,
          (u_char *) ngx_http_gate_events_read_script },
        { sizeof(ngx_http_gate_usage_user_script) - 1,
          (u_char *) ngx_http_gate_usage_user_script },
        { sizeof(ngx_http_gate_usage_project_script) - 1,
          (u_char *) ngx_http_gate_usage_project_script },
        { sizeof(ngx_http_gate_usage_top_script) - 1,
          (u_char *) ngx_http_gate_usage_top_script },
        { sizeof(ngx_http_gate_usage_read_script) - 1,
          (u_char *) ngx_http_gate_usage_read_script },
        { sizeof(ngx_http_gate_holds_script) - 1,
          (u_char *) ngx_http_gate_holds_script },
        { sizeof(ngx_http_gate_events_script) - 1,
          (u_char *) ngx_http_gate_events_script }
    };

    for (i = 0; i < NGX_HTTP_GATE_SCRIPTS; i++) {
        scripts->list[i].text = texts[i];

        ngx_sha1_init(&sha1);
        ngx_sha1_update(&sha1, texts[i].data, texts[i].len);
        ngx_sha1_final(digest, &sha1);

        ngx_hex_dump(scripts->list[i].sha1, digest, sizeof(digest));
    }
}


void
ngx_http_gate_script_command(ngx_http_gate_command_t *command,
    const ngx_http_gate_scripts_t *scripts, ngx_uint_t text,
    ngx_http_gate_question_t *q)
{
    u_char           *p;
    ngx_str_t        *arg;
    ngx_uint_t        i;
    const ngx_str_t  *prefix;

    prefix = &scripts->prefix;

    arg = ngx_http_gate_script_begin(command,
                    &scripts->list[q == NULL ? NGX_HTTP_GATE_SCRIPT_BEAT
                                   : q->settle ? NGX_HTTP_GATE_SCRIPT_SETTLE
                                               : NGX_HTTP_GATE_SCRIPT_DRAW],
                                     text);
    p = command->numbers;

    p = ngx_http_gate_script_number(command, p,
                                    (q ? 1 + 2 * q->kind->documents : 0)
                                    + !scripts->cluster);

    if (q) {
        ngx_http_gate_script_key(command, "%V:%V", prefix, &q->name, NULL);
    }

    for (i = 0; q && i < q->kind->nquotas; i++) {
        if (q->kind->quotas[i].unit == GATE_DOCUMENTS) {
            ngx_http_gate_script_key(command, "%V:%V:%V", prefix, &q->name,
                                     &q->kind->quotas[i].name);
            ngx_http_gate_script_key(command, "%V:%V:%V:by", prefix, &q->name,
                                     &q->kind->quotas[i].name);
        }
    }

    ngx_http_gate_script_epoch(command, scripts);

    if (q == NULL) {
        ngx_http_gate_script_key(command, "%V:%V", prefix,
                                 &ngx_http_gate_holds_key, NULL);
        return;
    }

    arg[command->argc].data = q->node;
    arg[command->argc++].len = NGX_HTTP_GATE_NODE_LEN;

    p = ngx_http_gate_script_number(command, p, q->number);
    p = ngx_http_gate_script_number(command, p, q->answered);
    p = ngx_http_gate_script_number(command, p, q->more);
    p = ngx_http_gate_script_documents(command, p, q);

    for (i = 0; i < q->kind->nquotas; i++) {
        p = ngx_http_gate_script_quota(command, p, q, i);
    }
}


static ngx_str_t *
ngx_http_gate_script_begin(ngx_http_gate_command_t *command,
    const ngx_http_gate_script_t *script, ngx_uint_t text)
{
    ngx_str_t  *arg;

    arg = command->argv;

    if (text) {
        ngx_str_set(&arg[0], "EVAL");
        arg[1] = script->text;

    } else {
        ngx_str_set(&arg[0], "EVALSHA");
        arg[1].len = sizeof(script->sha1);
        arg[1].data = (u_char *) script->sha1;
    }

    command->argc = 2;
    command->nkeys = 0;

    return arg;
}


u_char *
ngx_http_gate_script_holds(ngx_http_gate_command_t *command,
    const ngx_http_gate_scripts_t *scripts, ngx_uint_t text)
{
    u_char  *p;

    (void) ngx_http_gate_script_begin(command,
                                &scripts->list[NGX_HTTP_GATE_SCRIPT_HOLDS],
                                      text);

    p = ngx_http_gate_script_number(command, command->numbers,
                                    1 + !scripts->cluster);

    ngx_http_gate_script_key(command, "%V:%V", &scripts->prefix,
                             &ngx_http_gate_holds_key, NULL);
    ngx_http_gate_script_epoch(command, scripts);

    return p;
}


void
ngx_http_gate_script_habit(ngx_http_gate_command_t *command,
    const ngx_http_gate_scripts_t *scripts, ngx_uint_t text,
    const ngx_http_gate_habit_t *habit, ngx_uint_t here)
{
    u_char      *p;
    ngx_uint_t   days;

    days = habit->country.len > 0;

    (void) ngx_http_gate_script_begin(command,
                          &scripts->list[days ? NGX_HTTP_GATE_SCRIPT_FAMILIAR
                                              : NGX_HTTP_GATE_SCRIPT_JOURNEY],
                                      text);

    p = ngx_http_gate_script_number(command, command->numbers,
                                    1 + !scripts->cluster);

    ngx_http_gate_script_key(command, days ? "%V:%V/countries" : "%V:%V/place",
                             &scripts->prefix, &habit->name, NULL);
    ngx_http_gate_script_epoch(command, scripts);

    if (days) {
        ngx_http_gate_script_days(command, p, habit, here);

    } else {
        ngx_http_gate_script_visit(command, p, habit);
    }
}


/* the key of its writer lies in the slot of the stream's */

void
ngx_http_gate_script_events(ngx_http_gate_command_t *command,
    const ngx_http_gate_scripts_t *scripts, ngx_uint_t text,
    const ngx_http_gate_telling_t *batch)
{
    u_char           *p;
    ngx_uint_t        i;
    const ngx_str_t  *prefix;

    static const ngx_str_t  events = ngx_string("events");

    prefix = &scripts->prefix;

    (void) ngx_http_gate_script_begin(command,
                                  &scripts->list[NGX_HTTP_GATE_SCRIPT_EVENTS],
                                      text);

    p = ngx_http_gate_script_number(command, command->numbers, 2);

    ngx_http_gate_script_key(command, "%V:%V", prefix, &events, NULL);
    ngx_http_gate_script_key(command, "%V:{%V:events}:%V", prefix, prefix,
                             &batch->writer);

    p = ngx_http_gate_script_number(command, p, batch->number);
    p = ngx_http_gate_script_number(command, p, batch->maxlen);

    (void) ngx_http_gate_script_number(command, p, batch->n);

    for (i = 0; i < batch->n; i++) {
        command->argv[command->argc++] = batch->lines[i];
    }
}


static void
ngx_http_gate_script_days(ngx_http_gate_command_t *command, u_char *p,
    const ngx_http_gate_habit_t *habit, ngx_uint_t here)
{
    const ngx_http_gate_told_t  *told;

    command->argv[command->argc++] = habit->country;

    told = &habit->told;

    p = ngx_http_gate_script_number(command, p, habit->days);
    p = ngx_http_gate_script_number(command, p, habit->remember);
    p = ngx_http_gate_script_number(command, p, here);
    p = ngx_http_gate_script_number(command, p, told->epoch);
    p = ngx_http_gate_script_number(command, p, told->of.days.habit.since);

    (void) ngx_http_gate_script_number(command, p, told->of.days.habit.day);
}


static void
ngx_http_gate_script_visit(ngx_http_gate_command_t *command, u_char *p,
    const ngx_http_gate_habit_t *habit)
{
    ngx_msec_int_t                ago;
    const ngx_http_gate_visit_t  *visit;

    visit = &habit->told.of.visit;
    ago = (ngx_msec_int_t) (ngx_current_msec - visit->seen);

    p = ngx_http_gate_script_number(command, p, habit->move.from);
    p = ngx_http_gate_script_number(command, p, habit->move.keep);
    p = ngx_http_gate_script_spot(command, p, &habit->move.to);
    p = ngx_http_gate_script_number(command, p, habit->told.epoch);
    p = ngx_http_gate_script_number(command, p, visit->number);
    p = ngx_http_gate_script_number(command, p, ngx_max(ago, 0));

    (void) ngx_http_gate_script_spot(command, p, &visit->spot);
}


static u_char *
ngx_http_gate_script_spot(ngx_http_gate_command_t *command, u_char *p,
    const gate_spot_t *spot)
{
    p = ngx_http_gate_script_number(command, p, spot->latitude);
    p = ngx_http_gate_script_number(command, p, spot->longitude);
    p = ngx_http_gate_script_number(command, p, spot->radius);

    return ngx_http_gate_script_number(command, p,
                                       (u_char) spot->country[0] << 8
                                       | (u_char) spot->country[1]);
}


/* which quotas count documents, those that are taken, and given back */

static u_char *
ngx_http_gate_script_documents(ngx_http_gate_command_t *command, u_char *p,
    const ngx_http_gate_question_t *q)
{
    ngx_str_t                    *arg;
    ngx_uint_t                    i;
    const ngx_http_gate_quota_t  *quota;

    p = ngx_http_gate_script_number(command, p, q->kind->documents);

    if (q->kind->documents == 0) {
        return p;
    }

    for (i = 0; i < q->kind->nquotas; i++) {
        if (q->kind->quotas[i].unit == GATE_DOCUMENTS) {
            command->argv[command->argc++] = q->kind->quotas[i].name;
        }
    }

    p = ngx_http_gate_script_number(command, p, q->ndocuments);

    for (i = 0; i < q->ndocuments; i++) {
        arg = &command->argv[command->argc++];
        arg->data = (u_char *) q->documents[i];
        arg->len = NGX_HTTP_GATE_DIGEST_LEN;
    }

    p = ngx_http_gate_script_number(command, p, q->ngives);

    for (i = 0; i < q->ngives; i++) {
        quota = &q->kind->quotas[q->gives[i].quota];

        command->argv[command->argc++] = quota->name;

        arg = &command->argv[command->argc++];
        arg->data = (u_char *) q->gives[i].document;
        arg->len = NGX_HTTP_GATE_DIGEST_LEN;

        p = ngx_http_gate_script_number(command, p, q->gives[i].number);
    }

    return p;
}


static u_char *
ngx_http_gate_script_quota(ngx_http_gate_command_t *command, u_char *p,
    const ngx_http_gate_question_t *q, ngx_uint_t n)
{
    ngx_str_t                    *arg;
    const gate_claim_t           *claim;
    const ngx_http_gate_quota_t  *quota;

    quota = &q->kind->quotas[n];
    claim = &q->claims[n];

    command->argv[command->argc++] = quota->name;

    arg = &command->argv[command->argc++];
    arg->data = (u_char *) &ngx_http_gate_per[quota->window.per];
    arg->len = 1;

    p = ngx_http_gate_script_number(command, p, quota->window.length);

    arg = &command->argv[command->argc++];
    arg->data = p;
    p = ngx_sprintf(p, "%L", (int64_t) quota->window.offset);
    arg->len = p - arg->data;

    p = ngx_http_gate_script_limit(command, p, q, n);
    p = ngx_http_gate_script_number(command, p, claim->slot);
    p = ngx_http_gate_script_number(command, p, claim->share);
    p = ngx_http_gate_script_number(command, p, claim->spent);
    p = ngx_http_gate_script_number(command, p, claim->seen);
    p = ngx_http_gate_script_number(command, p, claim->past);
    p = ngx_http_gate_script_number(command, p, claim->past_spent);
    p = ngx_http_gate_script_number(command, p, claim->need);
    p = ngx_http_gate_script_number(command, p, claim->more);
    p = ngx_http_gate_script_number(command, p, claim->lease);

    return p;
}


/* with what was given beyond it, which ends by Redis' clock */

static u_char *
ngx_http_gate_script_limit(ngx_http_gate_command_t *command, u_char *p,
    const ngx_http_gate_question_t *q, ngx_uint_t n)
{
    uint64_t    extra;
    ngx_str_t  *arg;

    extra = q->extras.n[n];
    p = ngx_http_gate_script_number(command, p, q->limits[n] - extra);

    if (extra) {
        arg = &command->argv[command->argc - 1];
        p = ngx_sprintf(p, " %uL %uL", extra, q->extras.ends);
        arg->len = p - arg->data;
    }

    return p;
}


u_char *
ngx_http_gate_script_number(ngx_http_gate_command_t *command, u_char *p,
    uint64_t n)
{
    ngx_str_t  *arg;

    arg = &command->argv[command->argc++];
    arg->data = p;
    p = ngx_sprintf(p, "%uL", ngx_min(n, GATE_LIMIT_MAX));
    arg->len = p - arg->data;

    return p;
}


static void
ngx_http_gate_script_key(ngx_http_gate_command_t *command, const char *format,
    const ngx_str_t *prefix, const ngx_str_t *name, const ngx_str_t *quota)
{
    u_char     *key;
    ngx_str_t  *arg;

    key = command->keys[command->nkeys++];

    arg = &command->argv[command->argc++];
    arg->data = key;
    arg->len = ngx_snprintf(key, NGX_HTTP_GATE_KEY_MAX, format, prefix, name,
                            quota)
               - key;
}


/* in a cluster it is for who sends the command to say where the epoch is */

static void
ngx_http_gate_script_epoch(ngx_http_gate_command_t *command,
    const ngx_http_gate_scripts_t *scripts)
{
    static const ngx_str_t  epoch = ngx_string("epoch");

    if (!scripts->cluster) {
        ngx_http_gate_script_key(command, "%V:%V", &scripts->prefix, &epoch,
                                 NULL);
    }
}


/* every number is somebody else's until it was looked at */

ngx_int_t
ngx_http_gate_script_reply(redisReply *reply,
    const ngx_http_gate_question_t *q, ngx_http_gate_answer_t *answer)
{
    size_t       expected;
    long long    head[NGX_HTTP_GATE_BEATEN];
    ngx_uint_t   i, n;

    static const long long  most[NGX_HTTP_GATE_BEATEN] = {
        (long long) GATE_LIMIT_MAX, NGX_HTTP_GATE_CLOSED, NGX_MAX_INT32_VALUE,
        (long long) GATE_LIMIT_MAX + 2, (long long) GATE_LIMIT_MAX
    };

    n = q ? NGX_HTTP_GATE_HEAD : NGX_HTTP_GATE_BEATEN;
    expected = n + (q ? NGX_HTTP_GATE_GRANTS * q->kind->nquotas
                        + 2 * q->kind->documents : 0);

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != expected
        || ngx_http_gate_script_numbers(reply->element, most, head, n)
           != NGX_OK
        || head[0] == 0
        || (q && head[2] > 1))
    {
        return NGX_ERROR;
    }

    answer->epoch = head[0];
    answer->closed = head[1];
    answer->lost = q ? head[2] : 0;
    answer->marks = q ? 0 : (uint32_t) head[2];
    answer->holds = q ? 0 : head[3];
    answer->now = q ? 0 : head[4];

    for (i = 0; q && i < q->kind->nquotas; i++) {
        if (ngx_http_gate_script_grant(&reply->element[n
                                                 + i * NGX_HTTP_GATE_GRANTS],
                                       &answer->grants[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return q ? ngx_http_gate_script_taken(&reply->element[n
                                  + NGX_HTTP_GATE_GRANTS * q->kind->nquotas],
                                          q, answer)
             : NGX_OK;
}


static ngx_int_t
ngx_http_gate_script_taken(redisReply **reply,
    const ngx_http_gate_question_t *q, ngx_http_gate_answer_t *answer)
{
    long long   n[2];
    ngx_uint_t  i;

    static const long long  most[2] = {
        (1 << NGX_HTTP_GATE_ASKED) - 1, (1 << NGX_HTTP_GATE_ASKED) - 1
    };

    for (i = 0; i < q->kind->nquotas; i++) {
        answer->known[i] = 0;
        answer->fresh[i] = 0;

        if (q->kind->quotas[i].unit != GATE_DOCUMENTS) {
            continue;
        }

        if (ngx_http_gate_script_numbers(reply, most, n, 2) != NGX_OK) {
            return NGX_ERROR;
        }

        answer->known[i] = n[0];
        answer->fresh[i] = n[1] & n[0];
        reply += 2;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_script_grant(redisReply **reply, gate_grant_t *grant)
{
    long long  n[NGX_HTTP_GATE_GRANTS];

    static const long long  most[NGX_HTTP_GATE_GRANTS] = {
        NGX_MAX_INT32_VALUE * 2LL, NGX_HTTP_GATE_LEFT_MAX,
        2 * GATE_LIMIT_MAX, 2 * GATE_LIMIT_MAX, 1,
        (GATE_WINDOW_MAX + GATE_WINDOW_MAX / GATE_SLOTS) * 1000LL
    };

    if (ngx_http_gate_script_numbers(reply, most, n, NGX_HTTP_GATE_GRANTS)
        != NGX_OK
        || n[0] == 0)
    {
        return NGX_ERROR;
    }

    grant->slot = n[0];
    grant->left = n[1];
    grant->share = n[2];
    grant->seen = n[3];
    grant->refused = (unsigned) n[4];
    grant->retry = n[5];

    return NGX_OK;
}


ngx_int_t
ngx_http_gate_script_told(redisReply *reply,
    const ngx_http_gate_habit_t *habit, ngx_http_gate_told_t *told)
{
    long long               n[NGX_HTTP_GATE_TOLD];
    ngx_http_gate_days_t   *days;
    ngx_http_gate_visit_t  *visit;

    static const long long  most[2][NGX_HTTP_GATE_TOLD] = {
        { (long long) GATE_LIMIT_MAX, NGX_HTTP_GATE_CLOSED,
          NGX_MAX_INT32_VALUE, GATE_FAMILIAR_ALWAYS - 1,
          24 * 60 * 60 * 1000, GATE_FAMILIAR_ALWAYS - 1,
          GATE_FAMILIAR_ALWAYS, GATE_FAMILIAR_ALWAYS, 1 },
        { (long long) GATE_LIMIT_MAX, NGX_HTTP_GATE_CLOSED,
          NGX_MAX_INT32_VALUE, (long long) GATE_LIMIT_MAX - 1,
          (long long) GATE_LIMIT_MAX, GATE_SPOT_LATITUDE,
          GATE_SPOT_LONGITUDE, GATE_SPOT_RADIUS, GATE_SPOT_COUNTRY }
    };

    if (reply->type != REDIS_REPLY_ARRAY
        || reply->elements != NGX_HTTP_GATE_TOLD
        || ngx_http_gate_script_numbers(reply->element,
                                        most[habit->country.len == 0], n,
                                        NGX_HTTP_GATE_TOLD)
           != NGX_OK
        || n[0] == 0)
    {
        return NGX_ERROR;
    }

    told->epoch = n[0];
    told->marks = (uint32_t) n[2];

    if (habit->country.len) {
        days = &told->of.days;

        days->today = (uint32_t) n[3];
        days->ends = ngx_current_msec + n[4];
        days->habit.since = (uint32_t) n[5];
        days->habit.day = (uint32_t) n[6];
        days->habit.best = (uint32_t) n[7];
        days->here = (uint32_t) n[8];

        return NGX_OK;
    }

    visit = &told->of.visit;

    visit->number = n[3];
    visit->seen = ngx_current_msec - n[4];
    visit->spot.latitude = (uint32_t) n[5];
    visit->spot.longitude = (uint32_t) n[6];
    visit->spot.radius = (uint32_t) n[7];
    visit->spot.country[0] = (char) (n[8] >> 8);
    visit->spot.country[1] = (char) (n[8] & 0xff);

    return NGX_OK;
}


ngx_int_t
ngx_http_gate_script_numbers(redisReply **reply, const long long *most,
    long long *numbers, ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        if (reply[i] == NULL || reply[i]->type != REDIS_REPLY_INTEGER
            || reply[i]->integer < 0 || reply[i]->integer > most[i])
        {
            return NGX_ERROR;
        }

        numbers[i] = reply[i]->integer;
    }

    return NGX_OK;
}
