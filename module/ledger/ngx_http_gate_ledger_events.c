/*
 * Events on their way to the stream.  Their writer keeps them until they are
 * answered for: what is under way is only who asked, and how many there are.
 */


#include "ngx_http_gate_ledger_inner.h"


typedef struct {
    ngx_http_gate_ledger_t        *ledger;
    ngx_http_gate_telling_pt         handler;
    void                          *data;
    ngx_uint_t                     n;
    ngx_msec_t                     asked;
    ngx_uint_t                     text;    /* it was asked with the script */
} ngx_http_gate_sending_t;


static void ngx_http_gate_events_reply_handler(void *data, redisReply *reply);
static ngx_int_t ngx_http_gate_events_taken(ngx_http_gate_sending_t *sending,
    const redisReply *reply);
static void ngx_http_gate_events_failed(ngx_http_gate_ledger_t *ledger,
    const redisReply *reply);


ngx_int_t
ngx_http_gate_ledger_events(ngx_http_gate_ledger_t *ledger,
    const ngx_http_gate_telling_t *batch, ngx_http_gate_telling_pt handler,
    void *data)
{
    ngx_int_t                 rc;
    ngx_str_t                 key;
    ngx_http_gate_sending_t  *sending;
    ngx_http_gate_command_t   command;

    sending = ngx_calloc(sizeof(ngx_http_gate_sending_t), ledger->log);
    if (sending == NULL) {
        return NGX_BUSY;
    }

    sending->ledger = ledger;
    sending->handler = handler;
    sending->data = data;
    sending->n = batch->n;
    sending->asked = ngx_current_msec;
    sending->text = ledger->untaught;

    ngx_http_gate_script_events(&command, &ledger->scripts, sending->text,
                                batch);

    key = command.argv[NGX_HTTP_GATE_FIRST_KEY];

    rc = ngx_http_gate_redis_ask(ledger->redis, &key, command.argc,
                                 command.argv, 0,
                                 ngx_http_gate_events_reply_handler, sending);

    ngx_http_gate_ledger_sent(ledger, NGX_HTTP_GATE_ASKED_EVENTS,
                              rc == NGX_OK);

    if (rc != NGX_OK) {
        ngx_free(sending);
        return NGX_BUSY;
    }

    ledger->untaught = 0;

    return NGX_AGAIN;
}


static void
ngx_http_gate_events_reply_handler(void *data, redisReply *reply)
{
    ngx_http_gate_sending_t *sending = data;

    sending->handler(sending->data,
                     ngx_http_gate_events_taken(sending, reply));

    ngx_free(sending);
}


static ngx_int_t
ngx_http_gate_events_taken(ngx_http_gate_sending_t *sending,
    const redisReply *reply)
{
    ngx_http_gate_ledger_t  *ledger;

    ledger = sending->ledger;

    if (reply == NULL) {
        ngx_http_gate_ledger_faulty(ledger, NGX_HTTP_GATE_FAILED_UNANSWERED);
        return NGX_ERROR;
    }

    if (reply->type == REDIS_REPLY_ERROR && !sending->text
        && ngx_strncmp(reply->str, "NOSCRIPT", sizeof("NOSCRIPT") - 1) == 0)
    {
        ledger->untaught = 1;
        return NGX_AGAIN;
    }

    if (reply->type != REDIS_REPLY_INTEGER
        || (reply->integer != 0 && reply->integer != (long long) sending->n))
    {
        ngx_http_gate_events_failed(ledger, reply);
        return NGX_ERROR;
    }

    ngx_http_gate_counters_answered(ngx_http_gate_zone_counters(ledger->zone),
                                    sending->asked);
    if (ledger->deaf) {
        ledger->deaf = 0;
        ngx_log_error(NGX_LOG_NOTICE, ledger->log, 0,
                      "gate: redis takes events again");
    }

    return NGX_OK;
}


static void
ngx_http_gate_events_failed(ngx_http_gate_ledger_t *ledger,
    const redisReply *reply)
{
    size_t       len;
    const char  *why;

    ngx_http_gate_ledger_faulty(ledger, NGX_HTTP_GATE_FAILED_ERROR);

    if (ledger->deaf) {
        return;
    }

    ledger->deaf = 1;

    why = "no number in the reply";
    len = ngx_strlen(why);

    if (reply->type == REDIS_REPLY_ERROR) {
        why = reply->str;
        len = reply->len;
    }

    ngx_log_error(NGX_LOG_ERR, ledger->log, 0,
                  "gate: redis does not take events: \"%*s\"",
                  (size_t) ngx_min(len, 256), why);
}
