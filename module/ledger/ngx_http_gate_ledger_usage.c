/*
 * Usage on its way to Redis: a batch of the zone is told in four stages, each
 * when the one before was answered: to the days of users, to those of
 * projects, to the day, to the month.  In a cluster one of the first two is a
 * question for each user, or project.  A batch that fails is told again from
 * its beginning, by any worker: what was added already, scripts know by its
 * number.
 *
 * The keys are told in ngx_http_gate_usage.h.
 */


#include "ngx_http_gate_ledger_inner.h"

#include "ngx_http_gate_usage.h"


/* arguments of a question but for its keys and rows, and of a row */
#define NGX_HTTP_GATE_FLUSH_HEAD   8
#define NGX_HTTP_GATE_FLUSH_ROW    6

#define NGX_HTTP_GATE_FLUSH_ARGS                                             \
    (NGX_HTTP_GATE_FLUSH_HEAD                                                \
     + NGX_HTTP_GATE_USAGE_ROWS * (1 + NGX_HTTP_GATE_FLUSH_ROW))

/* their text: keys, numbers */
#define NGX_HTTP_GATE_FLUSH_TEXT                                             \
    ((NGX_HTTP_GATE_USAGE_ROWS + 3) * NGX_HTTP_GATE_USAGE_KEY                \
     + NGX_HTTP_GATE_FLUSH_ARGS * NGX_INT64_LEN)

/* all subjects in one question */
#define NGX_HTTP_GATE_FLUSH_ALL    NGX_MAX_UINT32_VALUE


typedef enum {
    NGX_HTTP_GATE_FLUSH_USERS = 0,
    NGX_HTTP_GATE_FLUSH_PROJECTS,
    NGX_HTTP_GATE_FLUSH_TOP,
    NGX_HTTP_GATE_FLUSH_MONTH,
    NGX_HTTP_GATE_FLUSH_DONE
} ngx_http_gate_flush_stage_e;


/* a user, or a project, of the batch */

typedef struct {
    ngx_str_t                     name;
    uint64_t                      bytes;    /* of its day, as Redis said */
    uint64_t                      month;
    uint64_t                      largest;
} ngx_http_gate_subject_t;


typedef struct {
    ngx_uint_t                    subject[2];   /* the user, the project */
    uint64_t                      fresh;    /* documents, as Redis said */
    ngx_uint_t                    own;
} ngx_http_gate_flush_row_t;


/* a question under way */

typedef struct {
    ngx_http_gate_flush_t        *flush;
    ngx_uint_t                    subject;
} ngx_http_gate_flush_part_t;


struct ngx_http_gate_flush_s {
    ngx_http_gate_ledger_t       *ledger;
    ngx_http_gate_batch_t         batch;
    ngx_http_gate_flush_row_t     rows[NGX_HTTP_GATE_USAGE_ROWS];
    ngx_http_gate_subject_t       subjects[2][NGX_HTTP_GATE_USAGE_ROWS];
    ngx_uint_t                    nsubjects[2];
    ngx_http_gate_flush_part_t    parts[NGX_HTTP_GATE_USAGE_ROWS];
    ngx_http_gate_flush_stage_e   stage;
    ngx_uint_t                    waiting;  /* parts */
    ngx_msec_t                    asked;
    int64_t                       clock;
    unsigned                      busy:1;
    unsigned                      failed:1;
    unsigned                      reload:1; /* Redis has not the script */
    unsigned                      text:1;   /* it was sent */
    unsigned                      faulty:1; /* something of it was refused */
    unsigned                      silent:1; /* it was said */
    ngx_str_t                     argv[NGX_HTTP_GATE_FLUSH_ARGS];
    ngx_uint_t                    argc;
    u_char                       *last;     /* of "memory" */
    u_char                        memory[NGX_HTTP_GATE_FLUSH_TEXT];
    u_char                        names[NGX_HTTP_GATE_USAGE_TEXT];
};


static void ngx_http_gate_flush_begin(ngx_http_gate_flush_t *flush);
static void ngx_http_gate_flush_subjects(ngx_http_gate_flush_t *flush);
static ngx_uint_t ngx_http_gate_flush_subject(ngx_http_gate_flush_t *flush,
    ngx_uint_t kind, const ngx_str_t *name);
static void ngx_http_gate_flush_stage(ngx_http_gate_flush_t *flush);
static ngx_int_t ngx_http_gate_flush_ask(ngx_http_gate_flush_t *flush,
    ngx_uint_t subject);
static void ngx_http_gate_flush_days(ngx_http_gate_flush_t *flush,
    ngx_uint_t subject);
static void ngx_http_gate_flush_row(ngx_http_gate_flush_t *flush,
    ngx_uint_t n, ngx_uint_t hash);
static void ngx_http_gate_flush_top(ngx_http_gate_flush_t *flush);
static void ngx_http_gate_flush_script(ngx_http_gate_flush_t *flush);
static void ngx_http_gate_flush_key(ngx_http_gate_flush_t *flush,
    ngx_http_gate_usage_key_e key, const ngx_str_t *name);
static void ngx_http_gate_flush_arg(ngx_http_gate_flush_t *flush,
    const ngx_str_t *arg);
static void ngx_http_gate_flush_number(ngx_http_gate_flush_t *flush,
    int64_t n);
static void ngx_http_gate_flush_reply_handler(void *data, redisReply *reply);
static ngx_int_t ngx_http_gate_flush_reply(ngx_http_gate_flush_part_t *part,
    redisReply *reply);
static ngx_int_t ngx_http_gate_flush_numbers(redisReply *reply, size_t n,
    int64_t *clock);
static void ngx_http_gate_flush_heard(ngx_http_gate_flush_part_t *part,
    redisReply **reply);
static void ngx_http_gate_flush_failed(ngx_http_gate_flush_t *flush,
    const char *what, size_t len);
static void ngx_http_gate_flush_next(ngx_http_gate_flush_t *flush);
static void ngx_http_gate_flush_end(ngx_http_gate_flush_t *flush,
    ngx_uint_t told);


ngx_http_gate_flush_t *
ngx_http_gate_flush_create(ngx_pool_t *pool, ngx_http_gate_ledger_t *ledger)
{
    ngx_http_gate_flush_t  *flush;

    flush = ngx_pcalloc(pool, sizeof(ngx_http_gate_flush_t));
    if (flush == NULL) {
        return NULL;
    }

    flush->ledger = ledger;
    flush->batch.text = flush->names;

    return flush;
}


ngx_uint_t
ngx_http_gate_ledger_usage(ngx_http_gate_ledger_t *ledger, ngx_uint_t all)
{
    ngx_http_gate_flush_t  *flush;

    flush = ledger->flush;

    if (!flush->busy
        && (all || ngx_http_gate_zone_usage_due(ledger->zone)))
    {
        ngx_http_gate_flush_begin(flush);
    }

    return all ? ngx_http_gate_zone_usage_waiting(ledger->zone) : 0;
}


void
ngx_http_gate_ledger_used(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_usage_t *usage)
{
    if (usage->dropping) {
        usage->dropping = 0;
        ngx_log_error(NGX_LOG_ERR, ledger->log, 0,
                      "gate: usage is dropped: \"gate_zone\" is full of what "
                      "redis does not take");
    }

    if (usage->hurry) {
        usage->hurry = 0;
        ngx_http_gate_zone_usage_hurry(ledger->zone);

        if (ledger->sweep.timer_set && ngx_http_gate_redis_ready(ledger->redis)
            && ngx_http_gate_zone_usage_due(ledger->zone))
        {
            ngx_add_timer(&ledger->sweep, 1);
        }
    }

    ngx_http_gate_sweep_leave(ledger);
}


static void
ngx_http_gate_flush_begin(ngx_http_gate_flush_t *flush)
{
    ngx_http_gate_ledger_t  *ledger;

    ledger = flush->ledger;

    if (ngx_http_gate_zone_usage_take(ledger->zone, &flush->batch,
                                      ledger->timeout)
        != NGX_OK)
    {
        return;
    }

    flush->busy = 1;
    flush->faulty = 0;
    flush->stage = NGX_HTTP_GATE_FLUSH_USERS;
    flush->text = 0;

    ngx_http_gate_flush_subjects(flush);
    ngx_http_gate_flush_stage(flush);
}


/* whose they are: each user, and each project, once */

static void
ngx_http_gate_flush_subjects(ngx_http_gate_flush_t *flush)
{
    ngx_uint_t  i;

    flush->nsubjects[0] = 0;
    flush->nsubjects[1] = 0;

    for (i = 0; i < flush->batch.nrows; i++) {
        flush->rows[i].subject[0] =
                           ngx_http_gate_flush_subject(flush, 0,
                                                 &flush->batch.rows[i].user);
        flush->rows[i].subject[1] =
                           ngx_http_gate_flush_subject(flush, 1,
                                              &flush->batch.rows[i].project);
        flush->rows[i].fresh = 0;
        flush->rows[i].own = 1;
    }
}


static ngx_uint_t
ngx_http_gate_flush_subject(ngx_http_gate_flush_t *flush, ngx_uint_t kind,
    const ngx_str_t *name)
{
    ngx_uint_t                i;
    ngx_http_gate_subject_t  *subject;

    subject = flush->subjects[kind];

    for (i = 0; i < flush->nsubjects[kind]; i++, subject++) {
        if (subject->name.len == name->len
            && ngx_memcmp(subject->name.data, name->data, name->len) == 0)
        {
            return i;
        }
    }

    subject->name = *name;
    subject->bytes = 0;
    subject->month = 0;
    subject->largest = 0;

    return flush->nsubjects[kind]++;
}


static void
ngx_http_gate_flush_stage(ngx_http_gate_flush_t *flush)
{
    ngx_uint_t               i, n;
    ngx_http_gate_ledger_t  *ledger;

    ledger = flush->ledger;

    flush->waiting = 0;
    flush->failed = 0;
    flush->reload = 0;
    flush->clock = 0;
    flush->asked = ngx_current_msec;

    n = ledger->scripts.cluster && flush->batch.nrows
        && flush->stage < NGX_HTTP_GATE_FLUSH_TOP
        ? flush->nsubjects[flush->stage] : 1;

    for (i = 0; i < n; i++) {
        if (ngx_http_gate_flush_ask(flush, n == 1 && !ledger->scripts.cluster
                                           ? NGX_HTTP_GATE_FLUSH_ALL : i)
            != NGX_OK)
        {
            flush->failed = 1;
            break;
        }

        flush->waiting++;
    }

    ngx_http_gate_ledger_sent(ledger, NGX_HTTP_GATE_ASKED_USAGE,
                              flush->waiting);

    if (flush->waiting == 0) {
        ngx_http_gate_flush_end(flush, 0);
    }
}


static ngx_int_t
ngx_http_gate_flush_ask(ngx_http_gate_flush_t *flush, ngx_uint_t subject)
{
    ngx_uint_t                   n;
    ngx_http_gate_flush_part_t  *part;

    n = subject == NGX_HTTP_GATE_FLUSH_ALL ? 0 : subject;

    part = &flush->parts[n];
    part->flush = flush;
    part->subject = subject;

    flush->argc = 0;
    flush->last = flush->memory;

    ngx_http_gate_flush_script(flush);

    if (flush->stage >= NGX_HTTP_GATE_FLUSH_TOP) {
        ngx_http_gate_flush_top(flush);

    } else {
        ngx_http_gate_flush_days(flush, subject);
    }

    /* the first key says which primary */

    return ngx_http_gate_redis_ask(flush->ledger->redis, &flush->argv[3],
                                   flush->argc, flush->argv, 0,
                                   ngx_http_gate_flush_reply_handler, part);
}


static void
ngx_http_gate_flush_script(ngx_http_gate_flush_t *flush)
{
    ngx_str_t                     name;
    const ngx_http_gate_script_t *script;

    script = &flush->ledger->scripts.list[NGX_HTTP_GATE_SCRIPT_USAGE_USER
                                          + ngx_min(flush->stage,
                                                NGX_HTTP_GATE_FLUSH_TOP)];

    if (flush->text) {
        ngx_str_set(&name, "EVAL");
        ngx_http_gate_flush_arg(flush, &name);
        ngx_http_gate_flush_arg(flush, &script->text);
        return;
    }

    ngx_str_set(&name, "EVALSHA");
    ngx_http_gate_flush_arg(flush, &name);

    name.data = (u_char *) script->sha1;
    name.len = sizeof(script->sha1);
    ngx_http_gate_flush_arg(flush, &name);
}


/* days of all users or projects, or of one */

static void
ngx_http_gate_flush_days(ngx_http_gate_flush_t *flush, ngx_uint_t subject)
{
    ngx_uint_t                 i, n, kind, all, rows;
    const ngx_str_t           *whose;
    ngx_http_gate_usage_key_e  key;

    static const ngx_str_t  nobody = ngx_null_string;

    kind = flush->stage;
    all = subject == NGX_HTTP_GATE_FLUSH_ALL || flush->batch.nrows == 0;
    key = kind == 0 ? NGX_HTTP_GATE_USAGE_PROJECTS : NGX_HTTP_GATE_USAGE_USERS;

    n = all ? flush->nsubjects[kind] : 1;
    whose = all ? &nobody : &flush->subjects[kind][subject].name;

    ngx_http_gate_flush_number(flush, 1 + n);
    ngx_http_gate_flush_key(flush, kind == 0 ? NGX_HTTP_GATE_USAGE_TOLD_USERS
                                         : NGX_HTTP_GATE_USAGE_TOLD_PROJECTS,
                            whose);

    for (i = 0; i < n; i++) {
        ngx_http_gate_flush_key(flush, key,
                                all ? &flush->subjects[kind][i].name : whose);
    }

    for (rows = 0, i = 0; i < flush->batch.nrows; i++) {
        rows += all || flush->rows[i].subject[kind] == subject;
    }

    /* without rows it only tells what time it is */

    ngx_http_gate_flush_number(flush, rows ? (int64_t) flush->batch.number
                                           : 0);
    ngx_http_gate_flush_number(flush, ngx_http_gate_usage_ends(
                                          flush->batch.day,
                                          flush->ledger->usage_keep));
    ngx_http_gate_flush_number(flush, rows);

    for (i = 0; i < flush->batch.nrows; i++) {
        if (all || flush->rows[i].subject[kind] == subject) {
            ngx_http_gate_flush_row(flush, i,
                                    all ? flush->rows[i].subject[kind] : 0);
        }
    }
}


static void
ngx_http_gate_flush_row(ngx_http_gate_flush_t *flush, ngx_uint_t n,
    ngx_uint_t hash)
{
    ngx_http_gate_told_row_t  *row;

    row = &flush->batch.rows[n];

    ngx_http_gate_flush_number(flush, 1 + hash);
    ngx_http_gate_flush_arg(flush, flush->stage == NGX_HTTP_GATE_FLUSH_USERS
                                   ? &row->project : &row->user);
    ngx_http_gate_flush_number(flush, row->bytes);
    ngx_http_gate_flush_number(flush, row->requests);

    if (flush->stage == NGX_HTTP_GATE_FLUSH_USERS) {
        ngx_http_gate_flush_arg(flush, &row->documents);
        return;
    }

    ngx_http_gate_flush_number(flush, flush->rows[n].fresh);
    ngx_http_gate_flush_number(flush, flush->rows[n].own);
}


static void
ngx_http_gate_flush_top(ngx_http_gate_flush_t *flush)
{
    ngx_uint_t                i, kind;
    ngx_http_gate_subject_t  *subject;

    ngx_http_gate_flush_number(flush, 3);
    ngx_http_gate_flush_key(flush, NGX_HTTP_GATE_USAGE_TOP_USERS, NULL);
    ngx_http_gate_flush_key(flush, NGX_HTTP_GATE_USAGE_TOP_PROJECTS, NULL);
    ngx_http_gate_flush_key(flush, NGX_HTTP_GATE_USAGE_LARGEST, NULL);

    ngx_http_gate_flush_number(flush, ngx_http_gate_usage_ends(
                                          flush->batch.day,
                                          flush->ledger->usage_keep));
    ngx_http_gate_flush_number(flush, flush->nsubjects[0]);
    ngx_http_gate_flush_number(flush, flush->nsubjects[1]);

    for (kind = 0; kind < 2; kind++) {
        for (i = 0; i < flush->nsubjects[kind]; i++) {
            subject = &flush->subjects[kind][i];

            ngx_http_gate_flush_arg(flush, &subject->name);
            ngx_http_gate_flush_number(flush, flush->stage
                                              == NGX_HTTP_GATE_FLUSH_MONTH
                                              ? subject->month
                                              : subject->bytes);

            if (kind == 1) {
                ngx_http_gate_flush_number(flush, subject->largest);
            }
        }
    }
}


static void
ngx_http_gate_flush_key(ngx_http_gate_flush_t *flush,
    ngx_http_gate_usage_key_e key, const ngx_str_t *name)
{
    ngx_str_t  arg, node;

    node.data = flush->batch.node;
    node.len = sizeof(flush->batch.node);

    arg.data = flush->last;
    flush->last = ngx_http_gate_usage_key(flush->last, key,
                                          flush->stage
                                          == NGX_HTTP_GATE_FLUSH_MONTH
                                          ? NGX_HTTP_GATE_USAGE_MONTH
                                          : NGX_HTTP_GATE_USAGE_DAY,
                                          &flush->ledger->scripts.prefix,
                                          name, flush->batch.day, &node);
    arg.len = flush->last - arg.data;

    ngx_http_gate_flush_arg(flush, &arg);
}


static void
ngx_http_gate_flush_arg(ngx_http_gate_flush_t *flush, const ngx_str_t *arg)
{
    flush->argv[flush->argc++] = *arg;
}


static void
ngx_http_gate_flush_number(ngx_http_gate_flush_t *flush, int64_t n)
{
    ngx_str_t  arg;

    arg.data = flush->last;
    flush->last = ngx_sprintf(flush->last, "%L", n);
    arg.len = flush->last - arg.data;

    ngx_http_gate_flush_arg(flush, &arg);
}


static void
ngx_http_gate_flush_reply_handler(void *data, redisReply *reply)
{
    ngx_http_gate_flush_part_t *part = data;

    ngx_http_gate_flush_t  *flush;

    flush = part->flush;
    flush->waiting--;

    if (reply == NULL) {
        ngx_http_gate_ledger_faulty(flush->ledger,
                                    NGX_HTTP_GATE_FAILED_UNANSWERED);
        flush->failed = 1;

    } else if (ngx_http_gate_flush_reply(part, reply) != NGX_OK) {
        flush->failed = 1;
    }

    if (flush->waiting == 0) {
        ngx_http_gate_flush_next(flush);
    }
}


static ngx_int_t
ngx_http_gate_flush_reply(ngx_http_gate_flush_part_t *part, redisReply *reply)
{
    size_t                  n;
    ngx_uint_t              i, kind, subjects;
    ngx_http_gate_flush_t  *flush;

    flush = part->flush;
    kind = flush->stage;

    if (reply->type == REDIS_REPLY_ERROR) {

        if (ngx_strncmp(reply->str, "NOSCRIPT", sizeof("NOSCRIPT") - 1) == 0
            && !flush->text)
        {
            flush->reload = 1;
            return NGX_OK;
        }

        ngx_http_gate_flush_failed(flush, reply->str, reply->len);
        return NGX_ERROR;
    }

    n = 2;

    if (kind < NGX_HTTP_GATE_FLUSH_TOP) {
        subjects = part->subject == NGX_HTTP_GATE_FLUSH_ALL
                   || flush->batch.nrows == 0 ? flush->nsubjects[kind] : 1;
        n += subjects * (2 + kind);

        for (i = 0; kind == 0 && i < flush->batch.nrows; i++) {
            n += part->subject == NGX_HTTP_GATE_FLUSH_ALL
                 || flush->rows[i].subject[kind] == part->subject ? 2 : 0;
        }
    }

    if (ngx_http_gate_flush_numbers(reply, n, &flush->clock) != NGX_OK) {
        ngx_http_gate_flush_failed(flush, "not in the reply",
                                   sizeof("not in the reply") - 1);
        return NGX_ERROR;
    }

    ngx_http_gate_counters_answered(
                          ngx_http_gate_zone_counters(flush->ledger->zone),
                                    flush->asked);

    /* what some row met in Redis keeps no other from it */

    if (reply->element[1]->len) {
        ngx_http_gate_flush_failed(flush, reply->element[1]->str,
                                   reply->element[1]->len);
    }

    ngx_http_gate_flush_heard(part, &reply->element[2]);

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_flush_numbers(redisReply *reply, size_t n, int64_t *clock)
{
    size_t  i;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != n
        || reply->element[1] == NULL
        || reply->element[1]->type != REDIS_REPLY_STRING)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        if (i != 1
            && (reply->element[i] == NULL
                || reply->element[i]->type != REDIS_REPLY_INTEGER
                || reply->element[i]->integer < 0
                || reply->element[i]->integer > (long long) GATE_LIMIT_MAX * 2))
        {
            return NGX_ERROR;
        }
    }

    if (reply->element[0]->integer == 0
        || reply->element[0]->integer > NGX_HTTP_GATE_USAGE_LATEST)
    {
        return NGX_ERROR;
    }

    *clock = reply->element[0]->integer - (int64_t) ngx_current_msec;

    /* 0 is none */

    *clock += *clock == 0;

    return NGX_OK;
}


static void
ngx_http_gate_flush_heard(ngx_http_gate_flush_part_t *part,
    redisReply **reply)
{
    ngx_uint_t                i, kind, n;
    ngx_http_gate_flush_t    *flush;
    ngx_http_gate_subject_t  *subject;

    flush = part->flush;
    kind = flush->stage;

    if (kind >= NGX_HTTP_GATE_FLUSH_TOP || flush->batch.nrows == 0) {
        return;
    }

    for (i = 0; kind == 0 && i < flush->batch.nrows; i++) {

        if (part->subject == NGX_HTTP_GATE_FLUSH_ALL
            || flush->rows[i].subject[kind] == part->subject)
        {
            flush->rows[i].fresh = (*reply++)->integer;
            flush->rows[i].own = (*reply++)->integer != 0;
        }
    }

    n = part->subject == NGX_HTTP_GATE_FLUSH_ALL ? flush->nsubjects[kind] : 1;

    for (i = 0; i < n; i++) {
        subject = &flush->subjects[kind][n == 1 && part->subject
                                         != NGX_HTTP_GATE_FLUSH_ALL
                                         ? part->subject : i];

        subject->bytes = (*reply++)->integer;

        if (kind == 1) {
            subject->largest = (*reply++)->integer;
        }

        subject->month = (*reply++)->integer;
    }
}


static void
ngx_http_gate_flush_failed(ngx_http_gate_flush_t *flush, const char *what,
    size_t len)
{
    ngx_http_gate_ledger_faulty(flush->ledger, NGX_HTTP_GATE_FAILED_ERROR);

    flush->faulty = 1;

    if (!flush->silent) {
        flush->silent = 1;
        ngx_log_error(NGX_LOG_ERR, flush->ledger->log, 0,
                      "gate: redis does not take the usage: \"%*s\"",
                      ngx_min(len, 256), what);
    }
}


/* all parts of the stage were answered */

static void
ngx_http_gate_flush_next(ngx_http_gate_flush_t *flush)
{
    ngx_http_gate_ledger_t  *ledger;

    ledger = flush->ledger;

    if (flush->failed) {
        ngx_http_gate_flush_end(flush, 0);
        return;
    }

    if (flush->reload) {

        /* whoever has the script knows what it was told already */

        flush->text = 1;
        ngx_http_gate_flush_stage(flush);
        return;
    }

    flush->stage++;
    flush->text = 0;

    if (flush->stage == NGX_HTTP_GATE_FLUSH_DONE || flush->batch.nrows == 0) {
        ngx_http_gate_flush_end(flush, 1);
        return;
    }

    if (!ngx_http_gate_zone_usage_hold(ledger->zone, &flush->batch,
                                       ledger->timeout))
    {
        flush->busy = 0;
        return;
    }

    ngx_http_gate_flush_stage(flush);
}


static void
ngx_http_gate_flush_end(ngx_http_gate_flush_t *flush, ngx_uint_t told)
{
    ngx_http_gate_ledger_t  *ledger;

    ledger = flush->ledger;
    flush->busy = 0;

    if (ngx_http_gate_zone_usage_told(ledger->zone, &flush->batch,
                                      told ? flush->clock : 0))
    {
        ngx_log_error(NGX_LOG_NOTICE, ledger->log, 0,
                      "gate: usage is written down again, %uL bytes, "
                      "%uL requests and %uL documents were dropped",
                      flush->batch.dropped[NGX_HTTP_GATE_DROPPED_BYTES],
                      flush->batch.dropped[NGX_HTTP_GATE_DROPPED_REQUESTS],
                      flush->batch.dropped[NGX_HTTP_GATE_DROPPED_DOCUMENTS]);
    }

    if (!told) {
        return;
    }

    ledger->farewell = 0;

    if (flush->silent && !flush->faulty && flush->batch.nrows) {
        flush->silent = 0;
        ngx_log_error(NGX_LOG_NOTICE, ledger->log, 0,
                      "gate: redis takes the usage again");
    }

    /* the rest, if a batch could not hold it, or the day is known now */

    if (ngx_exiting || flush->batch.nrows == 0
        || flush->batch.nrows == NGX_HTTP_GATE_USAGE_ROWS)
    {
        ngx_http_gate_flush_begin(flush);
    }
}
