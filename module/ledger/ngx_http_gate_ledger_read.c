/*
 * A reading lives from the question to its answer, also when whoever asked has
 * gone: then the answer comes to nobody.
 */


#include "ngx_http_gate_ledger_read.h"

#include "ngx_http_gate_ledger_inner.h"


/* before the arguments: EVALSHA, the script, how many keys */
#define NGX_HTTP_GATE_READ_HEAD  3


struct ngx_http_gate_reading_s {
    ngx_http_gate_ledger_t    *ledger;
    ngx_http_gate_script_e     script;
    ngx_http_gate_read_pt      handler;     /* NULL: closed */
    void                      *data;
    ngx_msec_t                 asked;
    ngx_uint_t                 writes;      /* behind epoch.lua */
    ngx_uint_t                 reload;      /* Redis has not the script */
    ngx_uint_t                 argc;
    ngx_str_t                 *argv;        /* behind it, and their text */
    u_char                     nkeys[NGX_INT_T_LEN];
};


static ngx_http_gate_reading_t *ngx_http_gate_reading_create(
    const ngx_str_t *epoch, ngx_uint_t nkeys, const ngx_str_t *argv,
    ngx_uint_t argc, ngx_log_t *log);
static ngx_int_t ngx_http_gate_reading_send(ngx_http_gate_reading_t *reading);
static void ngx_http_gate_reading_reply_handler(void *data,
    redisReply *reply);
static ngx_int_t ngx_http_gate_reading_told(ngx_http_gate_reading_t *reading,
    redisReply *reply);
static ngx_int_t ngx_http_gate_reading_cell(redisReply *reply,
    ngx_str_t *cell, u_char **p);
static void ngx_http_gate_reading_end(ngx_http_gate_reading_t *reading);


ngx_int_t
ngx_http_gate_ledger_read(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_script_e script, ngx_uint_t nkeys, const ngx_str_t *argv,
    ngx_uint_t argc, ngx_http_gate_read_pt handler, void *data,
    ngx_http_gate_reading_t **opened)
{
    u_char                    text[NGX_HTTP_GATE_KEY_MAX];
    ngx_int_t                 rc;
    ngx_str_t                *arg, epoch;
    ngx_uint_t                writes;
    ngx_http_gate_reading_t  *reading;

    if (ledger == NULL || ledger->redis == NULL) {
        return NGX_BUSY;
    }

    writes = script == NGX_HTTP_GATE_SCRIPT_CONFIRM;

    epoch.data = text;
    epoch.len = 0;

    /* in a cluster whoever sends it adds where its server has it */

    if (writes && !ledger->scripts.cluster) {
        epoch.len = ngx_snprintf(text, sizeof(text), "%V:epoch",
                                 &ledger->scripts.prefix)
                    - text;
    }

    reading = ngx_http_gate_reading_create(&epoch, nkeys, argv, argc,
                                           ledger->log);
    if (reading == NULL) {
        return NGX_ERROR;
    }

    reading->ledger = ledger;
    reading->script = script;
    reading->writes = writes;
    reading->handler = handler;
    reading->data = data;

    arg = &reading->argv[NGX_HTTP_GATE_READ_HEAD - 1];
    arg->data = reading->nkeys;
    arg->len = ngx_sprintf(reading->nkeys, "%ui", nkeys + (epoch.len > 0))
               - reading->nkeys;

    rc = ngx_http_gate_reading_send(reading);

    if (rc != NGX_OK) {
        ngx_free(reading);
        return rc;
    }

    *opened = reading;

    return NGX_OK;
}


/* the epoch, if it is not empty, goes behind the other keys */

static ngx_http_gate_reading_t *
ngx_http_gate_reading_create(const ngx_str_t *epoch, ngx_uint_t nkeys,
    const ngx_str_t *argv, ngx_uint_t argc, ngx_log_t *log)
{
    size_t                    size;
    u_char                   *p;
    ngx_str_t                *arg;
    ngx_uint_t                i;
    const ngx_str_t          *from;
    ngx_http_gate_reading_t  *reading;

    size = sizeof(ngx_http_gate_reading_t) + epoch->len
           + (NGX_HTTP_GATE_READ_HEAD + argc + 1) * sizeof(ngx_str_t);

    for (i = 0; i < argc; i++) {
        size += argv[i].len;
    }

    reading = ngx_calloc(size, log);
    if (reading == NULL) {
        return NULL;
    }

    reading->argv = (ngx_str_t *) (reading + 1);
    reading->argc = NGX_HTTP_GATE_READ_HEAD + argc + (epoch->len > 0);

    arg = &reading->argv[NGX_HTTP_GATE_READ_HEAD];
    p = (u_char *) (reading->argv + reading->argc);

    for (i = 0; i < argc + (epoch->len > 0); i++) {
        from = epoch->len == 0 || i < nkeys ? &argv[i]
               : i == nkeys ? epoch : &argv[i - 1];

        arg[i].data = p;
        arg[i].len = from->len;
        p = ngx_cpymem(p, from->data, from->len);
    }

    return reading;
}


static ngx_int_t
ngx_http_gate_reading_send(ngx_http_gate_reading_t *reading)
{
    ngx_int_t                      rc;
    ngx_str_t                     *argv;
    ngx_http_gate_ledger_t        *ledger;
    const ngx_http_gate_script_t  *script;

    argv = reading->argv;
    ledger = reading->ledger;
    script = &ledger->scripts.list[reading->script];

    if (reading->reload) {
        ngx_str_set(&argv[0], "EVAL");
        argv[1] = script->text;

    } else {
        ngx_str_set(&argv[0], "EVALSHA");
        argv[1].data = (u_char *) script->sha1;
        argv[1].len = sizeof(script->sha1);
    }

    reading->asked = ngx_current_msec;

    rc = ngx_http_gate_redis_ask(ledger->redis,
                                 &argv[NGX_HTTP_GATE_READ_HEAD],
                                 reading->argc, argv, reading->writes,
                                 ngx_http_gate_reading_reply_handler, reading);

    ngx_http_gate_ledger_sent(ledger, NGX_HTTP_GATE_ASKED_READ, rc == NGX_OK);

    return rc;
}


void
ngx_http_gate_ledger_read_close(ngx_http_gate_reading_t *reading)
{
    reading->handler = NULL;
}


static void
ngx_http_gate_reading_reply_handler(void *data, redisReply *reply)
{
    ngx_http_gate_reading_t *reading = data;

    ngx_http_gate_ledger_t  *ledger;

    ledger = reading->ledger;

    if (reply == NULL) {
        ngx_http_gate_ledger_faulty(ledger, NGX_HTTP_GATE_FAILED_UNANSWERED);
        ngx_http_gate_reading_end(reading);
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR
        && ngx_strncmp(reply->str, "NOSCRIPT", sizeof("NOSCRIPT") - 1) == 0
        && !reading->reload && reading->handler)
    {
        reading->reload = 1;

        if (ngx_http_gate_reading_send(reading) == NGX_OK) {
            return;
        }

        ngx_http_gate_reading_end(reading);
        return;
    }

    if (ngx_http_gate_reading_told(reading, reply) == NGX_OK) {
        ngx_http_gate_counters_answered(
            ngx_http_gate_zone_counters(ledger->zone), reading->asked);
        ngx_free(reading);
        return;
    }

    ngx_http_gate_ledger_faulty(ledger, NGX_HTTP_GATE_FAILED_ERROR);

    ngx_log_error(NGX_LOG_ERR, ledger->log, 0,
                  "gate: redis does not let itself be read: \"%*s\"",
                  reply->type == REDIS_REPLY_ERROR ? ngx_min(reply->len, 256)
                                                   : sizeof("no list") - 1,
                  reply->type == REDIS_REPLY_ERROR ? reply->str : "no list");

    ngx_http_gate_reading_end(reading);
}


static ngx_int_t
ngx_http_gate_reading_told(ngx_http_gate_reading_t *reading,
    redisReply *reply)
{
    u_char     *numbers, *p;
    ngx_str_t  *cells;
    ngx_uint_t  i, n;

    if (reply->type != REDIS_REPLY_ARRAY) {
        return NGX_ERROR;
    }

    if (reading->handler == NULL) {
        return NGX_OK;
    }

    n = reply->elements;

    cells = ngx_alloc(n * (sizeof(ngx_str_t) + NGX_INT64_LEN) + 1,
                      reading->ledger->log);
    if (cells == NULL) {
        reading->handler(reading->data, NGX_ERROR, NULL, 0);
        return NGX_OK;
    }

    numbers = (u_char *) (cells + n);
    p = numbers;

    for (i = 0; i < n; i++) {
        if (ngx_http_gate_reading_cell(reply->element[i], &cells[i], &p)
            != NGX_OK)
        {
            ngx_free(cells);
            return NGX_ERROR;
        }
    }

    reading->handler(reading->data, NGX_OK, cells, n);

    ngx_free(cells);

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_reading_cell(redisReply *reply, ngx_str_t *cell, u_char **p)
{
    switch (reply->type) {

    case REDIS_REPLY_STRING:
        cell->data = (u_char *) reply->str;
        cell->len = reply->len;
        return NGX_OK;

    case REDIS_REPLY_INTEGER:
        cell->data = *p;
        *p = ngx_sprintf(*p, "%L", (int64_t) reply->integer);
        cell->len = *p - cell->data;
        return NGX_OK;

    default:
        return NGX_ERROR;
    }
}


static void
ngx_http_gate_reading_end(ngx_http_gate_reading_t *reading)
{
    if (reading->handler) {
        reading->handler(reading->data, NGX_ERROR, NULL, 0);
    }

    ngx_free(reading);
}


const ngx_str_t *
ngx_http_gate_ledger_prefix(ngx_http_gate_ledger_t *ledger)
{
    return &ledger->scripts.prefix;
}
