/*
 * Two walks through what is under way: the first finds who is held now, the
 * second cuts.  Then it is known whether a connection has anything left that
 * may go on: one that has not is reset, so that what the kernel still has to
 * send does not arrive, either.
 */


#include "ngx_http_gate_hold.h"

#include "ngx_http_gate_access.h"
#include "ngx_http_gate_meter.h"
#include "ngx_http_gate_peer.h"
#include "ngx_http_gate_tell.h"


/* how often a worker looks at the register, ms */
#define NGX_HTTP_GATE_HOLD_TICK  200


struct ngx_http_gate_hold_s {
    ngx_http_gate_main_conf_t   *main;
    ngx_http_gate_holds_t       *holds;
    ngx_queue_t                  running;   /* ngx_http_gate_ctx_t */
    ngx_event_t                  tick;
    ngx_uint_t                   walked;    /* generation that was applied */
    uint64_t                     ends;      /* the next to, s; 0: none */
};


static void ngx_http_gate_hold_told(void *data, const gate_held_t *held,
    const gate_held_t *old);
static void ngx_http_gate_hold_tick_handler(ngx_event_t *ev);
static void ngx_http_gate_hold_next(ngx_http_gate_hold_t *hold);
static void ngx_http_gate_hold_walk(ngx_http_gate_hold_t *hold);
static ngx_int_t ngx_http_gate_hold_look(ngx_http_gate_ctx_t *ctx);
static void ngx_http_gate_hold_subjects(ngx_http_gate_ctx_t *ctx,
    gate_text_t *subjects);
static void ngx_http_gate_hold_text(gate_text_t *text,
    const ngx_str_t *value);
static void ngx_http_gate_hold_apply(ngx_http_gate_ctx_t *ctx);
static void ngx_http_gate_hold_waiter(void *data, ngx_int_t rc);


ngx_int_t
ngx_http_gate_hold_start(ngx_cycle_t *cycle, ngx_http_gate_main_conf_t *gmcf)
{
    ngx_http_gate_hold_t  *hold;

    hold = ngx_pcalloc(cycle->pool, sizeof(ngx_http_gate_hold_t));
    if (hold == NULL) {
        return NGX_ERROR;
    }

    hold->main = gmcf;
    hold->holds = ngx_http_gate_ledger_holds(gmcf->ledger);
    hold->holds->handler = ngx_http_gate_hold_told;
    hold->holds->data = gmcf;

    ngx_queue_init(&hold->running);

    hold->tick.handler = ngx_http_gate_hold_tick_handler;
    hold->tick.data = hold;
    hold->tick.log = cycle->log;
    hold->tick.cancelable = 1;

    ngx_add_timer(&hold->tick, NGX_HTTP_GATE_HOLD_TICK);

    gmcf->hold = hold;

    return NGX_OK;
}


/* an event of each node: it knows */

static void
ngx_http_gate_hold_told(void *data, const gate_held_t *held,
    const gate_held_t *old)
{
    ngx_http_gate_main_conf_t *gmcf = data;

    u_char              text[GATE_HELD_VALUE + 16], more[GATE_HELD_VALUE * 2];
    ngx_str_t           by, subject, words;
    ngx_uint_t          set;
    const gate_held_t  *it;

    set = held && held->kind != GATE_HELD_LIFTED;
    it = set ? held : old;

    /* who lifted it is known from what is left of it */

    held = held ? held : old;

    by.data = (u_char *) held->by.data;
    by.len = held->by.len;

    words.data = (u_char *) it->reason.data;
    words.len = it->reason.len;

    subject.data = text;
    subject.len = ngx_snprintf(text, sizeof(text), "%s %*s",
                               gate_held_word(it->kind), it->subject.len,
                               it->subject.data)
                  - text;

    if (it->kind != GATE_HELD_EXTRA) {
        ngx_http_gate_tell_change(gmcf, NULL,
                                  set ? NGX_HTTP_GATE_EVENT_HOLD_SET
                                      : NGX_HTTP_GATE_EVENT_HOLD_LIFTED,
                                  &by, &subject, &words);
        return;
    }

    words.data = more;
    words.len = ngx_snprintf(more, sizeof(more), "%s %uL of %*s, %*s%s%*s",
                             set ? "given" : "taken back", it->amount,
                             it->quota.len, it->quota.data,
                             it->policy.len, it->policy.data,
                             it->reason.len ? ": " : "",
                             it->reason.len, it->reason.data)
                - more;

    ngx_http_gate_tell_change(gmcf, NULL, NGX_HTTP_GATE_EVENT_ADMIN, &by,
                              &subject, &words);
}


void
ngx_http_gate_hold_stop(ngx_http_gate_main_conf_t *gmcf)
{
    if (gmcf->hold == NULL) {
        return;
    }

    if (gmcf->hold->tick.posted) {
        ngx_delete_posted_event(&gmcf->hold->tick);
    }

    if (gmcf->hold->tick.timer_set) {
        ngx_del_timer(&gmcf->hold->tick);
    }

    ngx_http_gate_holds_close(gmcf->hold->holds);
    gmcf->hold = NULL;
}


/* it is called early when a request has seen that there is something new */

static void
ngx_http_gate_hold_tick_handler(ngx_event_t *ev)
{
    ngx_http_gate_hold_t  *hold;

    hold = ev->data;

    ngx_add_timer(ev, NGX_HTTP_GATE_HOLD_TICK);

    (void) ngx_http_gate_holds_refresh(hold->holds, 0);

    if (hold->walked == hold->holds->generation
        && (hold->ends == 0
            || ngx_http_gate_zone_holds_now(hold->main->zone) < hold->ends))
    {
        return;
    }

    hold->walked = hold->holds->generation;

    ngx_http_gate_hold_next(hold);
    ngx_http_gate_hold_walk(hold);

    ngx_http_gate_zone_holds_count(hold->main->zone,
                                   ngx_http_gate_holds_number(hold->holds));
}


static void
ngx_http_gate_hold_next(ngx_http_gate_hold_t *hold)
{
    uint64_t            now;
    ngx_uint_t          i;
    const gate_held_t  *held;

    now = ngx_http_gate_zone_holds_now(hold->main->zone);
    hold->ends = 0;

    for (i = 0; i < hold->holds->n; i++) {
        held = &hold->holds->list[i];

        if (held->until > now
            && (hold->ends == 0 || held->until < hold->ends))
        {
            hold->ends = held->until;
        }
    }
}


static void
ngx_http_gate_hold_walk(ngx_http_gate_hold_t *hold)
{
    ngx_queue_t          *q, *next;
    ngx_http_gate_ctx_t  *ctx;

    for (q = ngx_queue_head(&hold->running);
         q != ngx_queue_sentinel(&hold->running);
         q = ngx_queue_next(q))
    {
        ctx = ngx_queue_data(q, ngx_http_gate_ctx_t, running);

        if (!ctx->stopped && ngx_http_gate_hold_look(ctx) == NGX_OK) {
            ngx_http_gate_hold_apply(ctx);
        }
    }

    for (q = ngx_queue_head(&hold->running);
         q != ngx_queue_sentinel(&hold->running);
         q = next)
    {
        next = ngx_queue_next(q);
        ctx = ngx_queue_data(q, ngx_http_gate_ctx_t, running);

        if (ctx->stopped) {
            ngx_http_gate_meter_stop(ctx,
                                     ctx->peer->stopped == ctx->peer->running);
        }
    }
}


/* one that passed: it goes on slower, or as it was, or not at all */

static void
ngx_http_gate_hold_apply(ngx_http_gate_ctx_t *ctx)
{
    ngx_http_request_t        *r;
    ngx_http_gate_loc_conf_t  *glcf;

    r = ctx->request->main;

    ngx_http_gate_hold_pace(ctx);

    if (ctx->facts.held != GATE_HELD_YES) {
        return;
    }

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

    if (ctx->dry_run && glcf->dry_run) {
        return;
    }

    ngx_memzero(&ctx->verdict, sizeof(gate_verdict_t));

    ctx->verdict.answer = GATE_DENY;
    ctx->verdict.reason = GATE_REASON_HELD;

    if (glcf->dry_run) {
        ctx->dry_run = 1;
        ngx_http_gate_access_note(r, ctx);
        return;
    }

    ctx->stopped = 1;
    ctx->peer->stopped++;
}


ngx_int_t
ngx_http_gate_hold_facts(ngx_http_gate_ctx_t *ctx)
{
    ngx_http_gate_hold_t  *hold;

    hold = ctx->main->hold;

    if (hold == NULL) {
        return NGX_OK;
    }

    if (ngx_http_gate_zone_holds(ctx->main->zone) == 0) {
        ctx->facts.held = ctx->unheard ? GATE_HELD_DOWN : GATE_HELD_UNKNOWN;
        return NGX_OK;
    }

    if (ngx_http_gate_holds_refresh(hold->holds, 0)) {
        ngx_post_event(&hold->tick, &ngx_posted_events);
    }

    return ngx_http_gate_hold_look(ctx);
}


static ngx_int_t
ngx_http_gate_hold_look(ngx_http_gate_ctx_t *ctx)
{
    gate_text_t             subjects[GATE_HELD_SUBJECTS];
    const gate_held_t      *held;
    ngx_http_gate_holds_t  *holds;

    holds = ctx->main->hold->holds;

    ctx->facts.held = GATE_HELD_NO;
    ctx->rate = 0;

    if (holds->n == 0) {
        return NGX_OK;
    }

    ngx_http_gate_hold_subjects(ctx, subjects);

    held = ngx_http_gate_holds_find(holds, subjects);

    if (held == NULL) {
        return NGX_OK;
    }

    ctx->facts.held = held->rate ? GATE_HELD_NO : GATE_HELD_YES;
    ctx->rate = held->rate;

    if (ctx->hold.len == held->id.len
        && ngx_memcmp(ctx->hold.data, held->id.data, held->id.len) == 0)
    {
        return NGX_OK;
    }

    /* the copy of the register goes, this stays with the request */

    ctx->hold.data = ngx_pnalloc(ctx->request->main->pool, held->id.len);
    if (ctx->hold.data == NULL) {
        return NGX_ERROR;
    }

    ctx->hold.len = held->id.len;
    ngx_memcpy(ctx->hold.data, held->id.data, held->id.len);

    return NGX_OK;
}


static void
ngx_http_gate_hold_subjects(ngx_http_gate_ctx_t *ctx, gate_text_t *subjects)
{
    static const ngx_str_t  unknown = ngx_string("unknown");

    ngx_memzero(subjects, GATE_HELD_SUBJECTS * sizeof(gate_text_t));

    ngx_http_gate_hold_text(&subjects[GATE_HELD_USER], &ctx->user);
    ngx_http_gate_hold_text(&subjects[GATE_HELD_CERTIFICATE],
                            &ctx->certificate->fingerprint);
    ngx_http_gate_hold_text(&subjects[GATE_HELD_ORG],
                            &ctx->certificate->names[GATE_NAME_ORG]);
    ngx_http_gate_hold_text(&subjects[GATE_HELD_PROJECT], &ctx->project);

    if (ctx->facts.country[0]) {
        subjects[GATE_HELD_COUNTRY].data = ctx->facts.country;
        subjects[GATE_HELD_COUNTRY].len = 2;

    } else if (ctx->main->geo) {
        ngx_http_gate_hold_text(&subjects[GATE_HELD_COUNTRY], &unknown);
    }
}


static void
ngx_http_gate_hold_text(gate_text_t *text, const ngx_str_t *value)
{
    text->data = (char *) value->data;
    text->len = value->len;
}


ngx_int_t
ngx_http_gate_hold_ask(ngx_http_gate_ctx_t *ctx)
{
    ngx_int_t  rc;

    ctx->hold_waiter.handler = ngx_http_gate_hold_waiter;
    ctx->hold_waiter.data = ctx;

    rc = ngx_http_gate_ledger_holds_ask(ctx->main->ledger, &ctx->hold_waiter);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    ctx->unheard = 1;

    return NGX_OK;
}


static void
ngx_http_gate_hold_waiter(void *data, ngx_int_t rc)
{
    ngx_http_gate_ctx_t *ctx = data;

    if (rc != NGX_OK) {
        ctx->unheard = 1;
    }

    ctx->resume(ctx);
}


void
ngx_http_gate_hold_enter(ngx_http_gate_ctx_t *ctx)
{
    if (ctx->main->hold == NULL) {
        return;
    }

    ctx->peer->running++;
    ctx->entered = 1;
    ngx_queue_insert_tail(&ctx->main->hold->running, &ctx->running);
}


void
ngx_http_gate_hold_each(ngx_http_gate_main_conf_t *gmcf,
    ngx_http_gate_resume_pt handler)
{
    ngx_queue_t  *q;

    for (q = ngx_queue_head(&gmcf->hold->running);
         q != ngx_queue_sentinel(&gmcf->hold->running);
         q = ngx_queue_next(q))
    {
        handler(ngx_queue_data(q, ngx_http_gate_ctx_t, running));
    }
}


void
ngx_http_gate_hold_leave(ngx_http_gate_ctx_t *ctx)
{
    if (!ctx->entered) {
        return;
    }

    ctx->entered = 0;

    ngx_queue_remove(&ctx->running);

    ctx->peer->running--;
    ctx->peer->stopped -= ctx->stopped;
}


void
ngx_http_gate_hold_close(ngx_http_gate_ctx_t *ctx)
{
    ngx_http_gate_ledger_holds_forgo(&ctx->hold_waiter);
}


/*
 * What was sent until now is not made up for: nginx counts from the start of
 * the request, by "limit_rate_after" from here.
 */

void
ngx_http_gate_hold_pace(ngx_http_gate_ctx_t *ctx)
{
    off_t                 before;
    uint64_t              rate;
    ngx_http_request_t   *r;
    ngx_http_gate_ctx_t  *first, *each;

    r = ctx->request->main;
    first = ctx->first;
    rate = first->rate;

    for (each = first->next; each; each = each->next) {
        if (each->rate && (rate == 0 || each->rate < rate)) {
            rate = each->rate;
        }
    }

    if (rate == first->pace) {
        return;
    }

    if (first->pace == 0) {
        first->before.rate = r->limit_rate;
        first->before.after = r->limit_rate_after;
        first->before.rate_set = r->limit_rate_set;
        first->before.after_set = r->limit_rate_after_set;
    }

    first->pace = rate;

    if (rate == 0) {
        r->limit_rate = first->before.rate;
        r->limit_rate_after = first->before.after;
        r->limit_rate_set = first->before.rate_set;
        r->limit_rate_after_set = first->before.after_set;
        return;
    }

    before = (off_t) rate * (ngx_time() - r->start_sec);

    r->limit_rate = (size_t) rate;
    r->limit_rate_after = (size_t) ngx_max(r->connection->sent - before, 0);
    r->limit_rate_set = 1;
    r->limit_rate_after_set = 1;
}
