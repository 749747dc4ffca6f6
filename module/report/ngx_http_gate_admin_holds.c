/*
 * v1/holds: whom somebody has stopped or slowed; to list them, to set one, and
 * to lift it.  A change is answered when it stands in the ledger: other nodes
 * know within a second.
 */


#include "ngx_http_gate_admin_inner.h"

#include <openssl/rand.h>


/* random bytes of an id */
#define NGX_HTTP_GATE_HOLD_RANDOM  8


static const char *ngx_http_gate_admin_hold_read(
    ngx_http_gate_admin_ctx_t *ctx, gate_held_t *held);
static const char *ngx_http_gate_admin_hold_subject(json_t *body,
    gate_held_t *held);
static ngx_uint_t ngx_http_gate_admin_hold_text(json_t *body,
    const char *name, gate_text_t *text);
static ngx_int_t ngx_http_gate_admin_lift_done(ngx_http_gate_admin_ctx_t *ctx,
    ngx_int_t rc);


ngx_int_t
ngx_http_gate_admin_holds(ngx_http_gate_admin_ctx_t *ctx)
{
    json_t                 *list;
    ngx_uint_t              i;
    const gate_held_t      *held;
    ngx_http_gate_holds_t  *holds;

    list = json_array();
    holds = ngx_http_gate_ledger_holds(ctx->admin.ledger);

    (void) ngx_http_gate_holds_refresh(holds, 0);

    for (i = 0; i < holds->n; i++) {
        held = &holds->list[i];

        if (held->kind == GATE_HELD_LIFTED || held->kind == GATE_HELD_EXTRA) {
            continue;
        }

        if (json_array_append_new(list,
                        ngx_http_gate_admin_hold(held,
                                     gate_held_over(held, ngx_time())))
            != 0)
        {
            json_decref(list);
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return ngx_http_gate_answer_json(ctx->request, NGX_HTTP_OK,
                                     json_pack("{s:o}", "holds", list));
}


json_t *
ngx_http_gate_admin_hold(const gate_held_t *held, ngx_uint_t over)
{
    return json_pack("{s:o, s:s, s:o, s:o, s:o, s:I, s:o, s:o, s:b}",
                     "id", ngx_http_gate_admin_text(&held->id),
                     "kind", gate_held_word(held->kind),
                     "subject", ngx_http_gate_admin_text(&held->subject),
                     "reason", ngx_http_gate_admin_text(&held->reason),
                     "by", ngx_http_gate_admin_text(&held->by),
                     "since", (json_int_t) held->since,
                     "until", held->until ? json_integer(held->until)
                                          : json_null(),
                     "slow", held->rate ? json_integer(held->rate)
                                        : json_null(),
                     "over", (int) over);
}


json_t *
ngx_http_gate_admin_text(const gate_text_t *text)
{
    return ngx_http_gate_answer_string((const u_char *) text->data, text->len);
}


ngx_int_t
ngx_http_gate_admin_hold_set(ngx_http_gate_admin_ctx_t *ctx)
{
    const char   *fault;
    gate_held_t   held;

    if (ngx_http_gate_admin_held(ctx, "", &held) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    fault = ngx_http_gate_admin_hold_read(ctx, &held);

    if (fault) {
        return ngx_http_gate_answer_problem(ctx->request, NGX_HTTP_BAD_REQUEST,
                                            fault);
    }

    held.since = ngx_time();

    ctx->answer = ngx_http_gate_admin_hold(&held, 0);

    return ngx_http_gate_admin_order(ctx, ngx_http_gate_admin_held_done,
                ngx_http_gate_ledger_hold_set(ctx->admin.ledger, &held,
                                         ngx_http_gate_admin_order_handler,
                                         ngx_http_gate_admin_order_data(ctx)));
}


ngx_int_t
ngx_http_gate_admin_held(ngx_http_gate_admin_ctx_t *ctx, const char *before,
    gate_held_t *held)
{
    u_char  random[NGX_HTTP_GATE_HOLD_RANDOM], *id, *p;

    ngx_memzero(held, sizeof(gate_held_t));

    id = ngx_pnalloc(ctx->request->pool, ngx_strlen(before)
                                         + 2 * NGX_HTTP_GATE_HOLD_RANDOM);

    if (id == NULL || RAND_bytes(random, sizeof(random)) != 1) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(id, "%s", before);
    p = ngx_hex_dump(p, random, sizeof(random));

    held->id.data = (char *) id;
    held->id.len = p - id;
    held->by.data = (char *) ctx->admin.by.data;
    held->by.len = ctx->admin.by.len;

    return NGX_OK;
}


ngx_uint_t
ngx_http_gate_admin_held_extra(const char *id, size_t len)
{
    return len >= sizeof(NGX_HTTP_GATE_ADMIN_EXTRA) - 1
           && ngx_memcmp(id, NGX_HTTP_GATE_ADMIN_EXTRA,
                         sizeof(NGX_HTTP_GATE_ADMIN_EXTRA) - 1)
              == 0;
}


/* NULL: it was read; else what is wrong with it */

static const char *
ngx_http_gate_admin_hold_read(ngx_http_gate_admin_ctx_t *ctx,
    gate_held_t *held)
{
    const char  *name, *fault;
    json_t      *value;

    static const char *const  known[] = {
        "user", "certificate", "org", "project", "country", "all", "id",
        "reason", "until", "slow"
    };

    json_object_foreach(ctx->body, name, value) {
        if (!ngx_http_gate_admin_word(name, known,
                                      sizeof(known) / sizeof(known[0])))
        {
            return "A hold has user, certificate, org, project, country or "
                   "all, and id, reason, until, slow; nothing else.";
        }
    }

    fault = ngx_http_gate_admin_hold_subject(ctx->body, held);

    if (fault) {
        return fault;
    }

    if (!ngx_http_gate_admin_hold_text(ctx->body, "reason", &held->reason)) {
        return "The reason must be a text.";
    }

    if (!ngx_http_gate_admin_body_number(ctx->body, "until", &held->until)
        || (held->until && held->until <= (uint64_t) ngx_time()))
    {
        return "\"until\" must be a time to come, in seconds since 1970.";
    }

    if (!ngx_http_gate_admin_body_number(ctx->body, "slow", &held->rate)
        || (json_object_get(ctx->body, "slow") && held->rate == 0))
    {
        return "\"slow\" must be a number of bytes per second.";
    }

    if (!ngx_http_gate_admin_hold_text(ctx->body, "id", &held->id)
        || !gate_held_id(held->id.data, held->id.len)
        || ngx_http_gate_admin_held_extra(held->id.data, held->id.len))
    {
        return "The id may have letters, digits and \"._-\", and does not "
               "begin with \"extra-\".";
    }

    return NULL;
}


static const char *
ngx_http_gate_admin_hold_subject(json_t *body, gate_held_t *held)
{
    json_t      *value;
    unsigned     kind, n;

    n = 0;

    for (kind = 0; kind < GATE_HELD_SUBJECTS; kind++) {
        value = json_object_get(body, gate_held_word(kind));

        if (value == NULL) {
            continue;
        }

        n++;
        held->kind = (gate_held_kind_e) kind;

        if (kind == GATE_HELD_ALL) {

            if (!json_is_true(value)) {
                return "\"all\" must be true.";
            }

            continue;
        }

        if (!ngx_http_gate_admin_hold_text(body, gate_held_word(kind),
                                           &held->subject)
            || held->subject.len == 0)
        {
            return "Who is held must be a text.";
        }
    }

    return n == 1 ? NULL
                  : "A hold is about one user, certificate, org, project, "
                    "country, or all.";
}


static ngx_uint_t
ngx_http_gate_admin_hold_text(json_t *body, const char *name,
    gate_text_t *text)
{
    json_t  *value;

    value = json_object_get(body, name);

    if (value == NULL) {
        return 1;
    }

    text->data = json_string_value(value);
    text->len = json_string_length(value);

    return json_is_string(value);
}


ngx_int_t
ngx_http_gate_admin_held_done(ngx_http_gate_admin_ctx_t *ctx, ngx_int_t rc)
{
    json_t  *answer;

    if (rc == NGX_OK) {
        answer = ctx->answer;
        ctx->answer = NULL;

        return ngx_http_gate_answer_json(ctx->request, NGX_HTTP_CREATED,
                                         answer);
    }

    return rc == NGX_BUSY
           ? ngx_http_gate_answer_problem(ctx->request, NGX_HTTP_CONFLICT,
                              "There are too many holds and extras: lift some.")
           : ngx_http_gate_answer_problem(ctx->request, NGX_HTTP_BAD_REQUEST,
                              "It is too long, or has control characters.");
}


ngx_int_t
ngx_http_gate_admin_hold_lift(ngx_http_gate_admin_ctx_t *ctx)
{
    return ngx_http_gate_admin_lift(ctx, 0);
}


ngx_int_t
ngx_http_gate_admin_lift(ngx_http_gate_admin_ctx_t *ctx, ngx_uint_t extra)
{
    ngx_int_t  rc;
    ngx_str_t  id;

    rc = ngx_http_gate_admin_argument(ctx, "id", &id);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc != NGX_OK || !gate_held_id((char *) id.data, id.len)) {
        return ngx_http_gate_answer_problem(ctx->request, NGX_HTTP_BAD_REQUEST,
                                            "Say which one: ?id=...");
    }

    if (ngx_http_gate_admin_held_extra((char *) id.data, id.len) != extra) {
        return ngx_http_gate_admin_lift_done(ctx, NGX_DECLINED);
    }

    return ngx_http_gate_admin_order(ctx, ngx_http_gate_admin_lift_done,
                ngx_http_gate_ledger_hold_lift(ctx->admin.ledger, &id,
                                         &ctx->admin.by,
                                         ngx_http_gate_admin_order_handler,
                                         ngx_http_gate_admin_order_data(ctx)));
}


static ngx_int_t
ngx_http_gate_admin_lift_done(ngx_http_gate_admin_ctx_t *ctx, ngx_int_t rc)
{
    ngx_str_t  none;

    if (rc == NGX_OK) {
        ngx_str_null(&none);
        return ngx_http_gate_answer_text(ctx->request, NGX_HTTP_NO_CONTENT,
                                         "application/json", &none);
    }

    return ngx_http_gate_answer_problem(ctx->request, NGX_HTTP_NOT_FOUND,
                                        "There is none of this id.");
}
