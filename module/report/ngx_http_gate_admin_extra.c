/*
 * v1/extra: what users were given beyond a quota, until its window ends; to
 * list it, to give more, and to take it back.  It stands where holds stand, so
 * nodes know it as soon, and each of them tells of it.
 */


#include "ngx_http_gate_admin_inner.h"

#include "gate_window.h"


static json_t *ngx_http_gate_admin_extra_json(const gate_held_t *held);
static const char *ngx_http_gate_admin_extra_read(
    ngx_http_gate_admin_ctx_t *ctx, gate_held_t *held);
static const ngx_http_gate_quota_t *ngx_http_gate_admin_extra_quota(
    const ngx_http_gate_admin_policy_t *policy, const ngx_str_t *name);
static uint64_t ngx_http_gate_admin_extra_until(const gate_window_t *window,
    uint64_t now);


ngx_int_t
ngx_http_gate_admin_extra(ngx_http_gate_admin_ctx_t *ctx)
{
    json_t                 *list;
    uint64_t                now;
    ngx_uint_t              i;
    const gate_held_t      *held;
    ngx_http_gate_holds_t  *holds;

    list = json_array();
    holds = ngx_http_gate_ledger_holds(ctx->admin.ledger);

    (void) ngx_http_gate_holds_refresh(holds, 0);

    now = ngx_http_gate_zone_holds_now(ctx->admin.zone);

    for (i = 0; i < holds->n; i++) {
        held = &holds->list[i];

        if (held->kind != GATE_HELD_EXTRA || gate_held_over(held, now)) {
            continue;
        }

        if (json_array_append_new(list, ngx_http_gate_admin_extra_json(held))
            != 0)
        {
            json_decref(list);
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return ngx_http_gate_answer_json(ctx->request, NGX_HTTP_OK,
                                     json_pack("{s:o}", "extra", list));
}


static json_t *
ngx_http_gate_admin_extra_json(const gate_held_t *held)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:o, s:o}",
                     "id", ngx_http_gate_admin_text(&held->id),
                     "user", ngx_http_gate_admin_text(&held->subject),
                     "policy", ngx_http_gate_admin_text(&held->policy),
                     "quota", ngx_http_gate_admin_text(&held->quota),
                     "amount", (json_int_t) held->amount,
                     "since", (json_int_t) held->since,
                     "until", (json_int_t) held->until,
                     "by", ngx_http_gate_admin_text(&held->by),
                     "reason", ngx_http_gate_admin_text(&held->reason));
}


ngx_int_t
ngx_http_gate_admin_extra_give(ngx_http_gate_admin_ctx_t *ctx)
{
    const char   *fault;
    gate_held_t   held;

    if (ngx_http_gate_admin_held(ctx, NGX_HTTP_GATE_ADMIN_EXTRA, &held)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* without the clock by which it ends nobody can say when */

    if (ngx_http_gate_zone_holds(ctx->admin.zone) == 0) {
        return ngx_http_gate_admin_away(ctx);
    }

    fault = ngx_http_gate_admin_extra_read(ctx, &held);

    if (fault) {
        return ngx_http_gate_answer_problem(ctx->request, NGX_HTTP_BAD_REQUEST,
                                            fault);
    }

    ctx->answer = ngx_http_gate_admin_extra_json(&held);

    return ngx_http_gate_admin_order(ctx, ngx_http_gate_admin_held_done,
                ngx_http_gate_ledger_hold_set(ctx->admin.ledger, &held,
                                         ngx_http_gate_admin_order_handler,
                                         ngx_http_gate_admin_order_data(ctx)));
}


/* NULL: it was read; else what is wrong with it */

static const char *
ngx_http_gate_admin_extra_read(ngx_http_gate_admin_ctx_t *ctx,
    gate_held_t *held)
{
    const char                          *name, *fault;
    json_t                              *value;
    ngx_str_t                            user, quota, reason;
    const ngx_http_gate_quota_t         *of;
    const ngx_http_gate_admin_policy_t  *policy;

    static const char *const  known[] = {
        "user", "policy", "quota", "amount", "reason"
    };

    json_object_foreach(ctx->body, name, value) {
        if (!ngx_http_gate_admin_word(name, known,
                                      sizeof(known) / sizeof(known[0])))
        {
            return "Extra quota has user, policy, quota, amount and reason; "
                   "nothing else.";
        }
    }

    fault = ngx_http_gate_admin_whose(ctx, &user, &policy);

    if (fault) {
        return fault;
    }

    of = ngx_http_gate_admin_body_text(ctx->body, "quota", &quota)
         ? ngx_http_gate_admin_extra_quota(policy, &quota) : NULL;

    if (of == NULL) {
        return "\"quota\" must be one that v1/user shows under this policy.";
    }

    if (!ngx_http_gate_admin_body_number(ctx->body, "amount", &held->amount)
        || held->amount == 0 || held->amount > GATE_HELD_AMOUNT)
    {
        return "\"amount\" must be a number of bytes, requests or documents "
               "from 1 to 999999999999999.";
    }

    ngx_str_null(&reason);

    if (json_object_get(ctx->body, "reason")
        && !ngx_http_gate_admin_body_text(ctx->body, "reason", &reason))
    {
        return "The reason must be a text.";
    }

    held->kind = GATE_HELD_EXTRA;
    held->subject.data = (char *) user.data;
    held->subject.len = user.len;
    held->policy.data = (char *) policy->name.data;
    held->policy.len = policy->name.len;
    held->quota.data = (char *) of->name.data;
    held->quota.len = of->name.len;
    held->reason.data = (char *) reason.data;
    held->reason.len = reason.len;

    held->since = ngx_http_gate_zone_holds_now(ctx->admin.zone);
    held->until = ngx_http_gate_admin_extra_until(&of->window, held->since);

    return NULL;
}


/* of those that count what one user takes; NULL: it is none */

static const ngx_http_gate_quota_t *
ngx_http_gate_admin_extra_quota(const ngx_http_gate_admin_policy_t *policy,
    const ngx_str_t *name)
{
    ngx_uint_t                    i, k;
    const ngx_http_gate_quota_t  *quota;

    for (i = 0; i < policy->nkinds; i++) {
        for (k = 0; k < policy->kinds[i]->nquotas; k++) {
            quota = &policy->kinds[i]->quotas[k];

            if (quota->name.len == name->len
                && ngx_memcmp(quota->name.data, name->data, name->len) == 0)
            {
                return quota;
            }
        }
    }

    return NULL;
}


/* a rolling window that begins now ends when it is as long as it can be */

static uint64_t
ngx_http_gate_admin_extra_until(const gate_window_t *window, uint64_t now)
{
    gate_slot_t  slot;

    if (window->per == GATE_PER_TIME) {
        return now + window->length;
    }

    gate_window_slot(window, now, &slot);

    return slot.end;
}


ngx_int_t
ngx_http_gate_admin_extra_take(ngx_http_gate_admin_ctx_t *ctx)
{
    return ngx_http_gate_admin_lift(ctx, 1);
}
