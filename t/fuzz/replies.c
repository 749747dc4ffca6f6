/*
 * Bytes as Redis might send them, through the path that replies take: the
 * bounded reader, and what the ledger makes of a reply to a question, a beat or
 * a habit.  The first byte says what was asked, the second how the rest comes
 * in pieces.
 */


#include "ngx_http_gate_replies.h"
#include "ngx_http_gate_script.h"


volatile ngx_msec_t  ngx_current_msec;


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void question(ngx_http_gate_question_t *q, ngx_http_gate_kind_t *kind,
    unsigned shape);
static void look(redisReply *reply, const ngx_http_gate_question_t *q);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t                    at, n, piece;
    redisReply               *reply;
    ngx_http_gate_kind_t      kind;
    ngx_http_gate_replies_t   replies = { 0 };

    static ngx_http_gate_question_t  q;

    if (size < 2) {
        return 0;
    }

    question(&q, &kind, data[0]);
    piece = data[1] + 1;

    if (ngx_http_gate_replies_open(&replies) != NGX_OK) {
        return 0;
    }

    for (at = 2; at < size; at += n) {
        n = ngx_min(piece, size - at);

        if (ngx_http_gate_replies_feed(&replies, data + at, n) != NGX_OK) {
            break;
        }

        do {
            if (ngx_http_gate_replies_next(&replies, &reply) != NGX_OK) {
                goto close;
            }

            if (reply) {
                look(reply, &q);
                freeReplyObject(reply);
            }

        } while (reply);
    }

close:

    ngx_http_gate_replies_close(&replies);

    return 0;
}


static void
question(ngx_http_gate_question_t *q, ngx_http_gate_kind_t *kind,
    unsigned shape)
{
    unsigned  i;

    memset(kind, 0, sizeof(ngx_http_gate_kind_t));
    kind->nquotas = 1 + shape % NGX_HTTP_GATE_QUOTAS;

    for (i = 0; i < kind->nquotas; i++) {
        kind->quotas[i].unit = shape >> (2 + i) & 1 ? GATE_DOCUMENTS : GATE_BYTES;
        kind->documents += kind->quotas[i].unit == GATE_DOCUMENTS;
    }

    q->kind = kind;
}


/* what is accepted is within what it may be */

static void
look(redisReply *reply, const ngx_http_gate_question_t *q)
{
    ngx_uint_t              i;
    ngx_http_gate_told_t    told;
    ngx_http_gate_habit_t   habit = { 0 };
    ngx_http_gate_answer_t  answer;

    if (ngx_http_gate_script_reply(reply, q, &answer) == NGX_OK) {

        if (answer.epoch == 0 || answer.epoch > GATE_LIMIT_MAX
            || answer.lost > 1)
        {
            __builtin_trap();
        }

        for (i = 0; i < q->kind->nquotas; i++) {
            if (answer.grants[i].share > 2 * GATE_LIMIT_MAX
                || answer.grants[i].seen > 2 * GATE_LIMIT_MAX
                || answer.grants[i].slot <= 0
                || (answer.fresh[i] & ~answer.known[i]))
            {
                __builtin_trap();
            }
        }
    }

    if (ngx_http_gate_script_reply(reply, NULL, &answer) == NGX_OK
        && answer.epoch == 0)
    {
        __builtin_trap();
    }

    /* of a user in a country, and of his last place */

    for (i = 0; i < 2; i++) {
        habit.country.len = 2 * i;

        if (ngx_http_gate_script_told(reply, &habit, &told) == NGX_OK
            && told.epoch == 0)
        {
            __builtin_trap();
        }
    }
}
