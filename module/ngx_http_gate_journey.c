/*
 * What this host was told of a user holds for a minute.  So long he passes
 * where he is, and in all of that country, and is refused where he cannot be;
 * then Redis is asked again, which learns by that where he still is.
 */


#include "ngx_http_gate_journey.h"

#include "gate_journey.h"
#include "ngx_http_gate_conf.h"


/* questions of one request: others may move the user each time */
#define NGX_HTTP_GATE_JOURNEY_ATTEMPTS  5

/* km/h, and km */
#define NGX_HTTP_GATE_JOURNEY_FASTEST   100000
#define NGX_HTTP_GATE_JOURNEY_FARTHEST  20000


static ngx_int_t ngx_http_gate_journey_number(const ngx_str_t *value,
    const char *prefix, const char *unit);
static ngx_int_t ngx_http_gate_journey_look(ngx_http_gate_ctx_t *ctx);
static ngx_int_t ngx_http_gate_journey_next(ngx_http_gate_ctx_t *ctx);
static ngx_uint_t ngx_http_gate_journey_judge(ngx_http_gate_ctx_t *ctx);
static void ngx_http_gate_journey_down(ngx_http_gate_ctx_t *ctx);
static void ngx_http_gate_journey_waiter(void *data, ngx_int_t rc);


/* off | speed report | speed deny [min_distance=distance] */

char *
ngx_http_gate_journey_conf(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_policy_t *policy = conf;

    ngx_int_t             n;
    ngx_str_t            *value;
    gate_journey_rule_t  *rule;

    if (policy->speed_set) {
        return "is duplicate";
    }

    policy->speed_set = 1;

    rule = &policy->rules.journey;
    rule->distance = 100;

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0 && cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    n = ngx_http_gate_journey_number(&value[1], "", "km/h");

    if (n < 1 || n > NGX_HTTP_GATE_JOURNEY_FASTEST) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"max_speed\", it must be "
                           "\"off\", or from \"1km/h\" to \"%udkm/h\"",
                           &value[1], NGX_HTTP_GATE_JOURNEY_FASTEST);
        return NGX_CONF_ERROR;
    }

    rule->speed = (uint32_t) n;

    if (cf->args->nelts < 3 || cf->args->nelts > 4) {
        return "must have a speed, \"report\" or \"deny\", and may have a "
               "\"min_distance=\"";
    }

    if (ngx_http_gate_conf_mode(cf, cmd, &value[2], &rule->mode) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts == 3) {
        return NGX_CONF_OK;
    }

    n = ngx_http_gate_journey_number(&value[3], "min_distance=", "km");

    if (n < 0 || n > NGX_HTTP_GATE_JOURNEY_FARTHEST) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" in \"max_speed\", it "
                           "must be \"min_distance=\" and from \"0km\" to "
                           "\"%udkm\"", &value[3],
                           NGX_HTTP_GATE_JOURNEY_FARTHEST);
        return NGX_CONF_ERROR;
    }

    rule->distance = (uint32_t) n;

    return NGX_CONF_OK;
}


/* the number between a prefix and a unit, or NGX_ERROR */

static ngx_int_t
ngx_http_gate_journey_number(const ngx_str_t *value, const char *prefix,
    const char *unit)
{
    size_t  before, behind;

    before = ngx_strlen(prefix);
    behind = ngx_strlen(unit);

    if (value->len <= before + behind
        || ngx_strncmp(value->data, prefix, before) != 0
        || ngx_strcmp(value->data + value->len - behind, unit) != 0)
    {
        return NGX_ERROR;
    }

    return ngx_atoi(value->data + before, value->len - before - behind);
}


ngx_int_t
ngx_http_gate_journey_complete(ngx_conf_t *cf, ngx_http_gate_policy_t *policy)
{
    if (policy->rules.journey.mode == GATE_MODE_OFF
        || policy->users.nelts)
    {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "no \"user\" is defined for the \"max_speed\" of "
                       "\"gate_policy\" \"%V\"", &policy->name);

    return NGX_ERROR;
}


ngx_int_t
ngx_http_gate_journey_check(ngx_conf_t *cf, ngx_http_gate_policy_t *policy,
    ngx_http_gate_geo_t *geo, ngx_http_gate_redis_conf_t *redis)
{
    const char  *missing;

    if (policy->rules.journey.mode == GATE_MODE_OFF) {
        return NGX_OK;
    }

    if (geo == NULL) {
        missing = "\"gate_geoip\" is defined";

    } else if (!(ngx_http_gate_geo_fields(geo) & GATE_PLACE_LOCATION)) {
        missing = "\"gate_geoip\" has a field";

    } else if (redis == NULL) {
        missing = "\"gate_redis\" is defined";

    } else {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "no %s for the \"max_speed\" of \"gate_policy\" \"%V\" "
                  "in %s:%ui", missing, &policy->name, policy->file,
                  policy->line);

    return NGX_ERROR;
}


ngx_int_t
ngx_http_gate_journey_ask(ngx_http_gate_ctx_t *ctx)
{
    if (ngx_http_gate_journey_look(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_gate_journey_next(ctx);
}


/* what this host knows */

static ngx_int_t
ngx_http_gate_journey_look(ngx_http_gate_ctx_t *ctx)
{
    ngx_http_gate_habit_t  *visit;

    visit = ngx_pcalloc(ctx->request->pool, sizeof(ngx_http_gate_habit_t));
    if (visit == NULL) {
        return NGX_ERROR;
    }

    visit->move.to = ctx->facts.spot;
    visit->move.keep = gate_journey_longest(&ctx->policy->rules.journey);

    if (ngx_http_gate_zone_habit_name(ctx->request->pool, visit,
                                      &ctx->policy->suffix, &ctx->user)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_gate_zone_habit(ctx->main->zone, visit);

    ctx->visit = visit;
    ctx->journeys = 0;

    return NGX_OK;
}


/* by what is known now: as ngx_http_gate_journey_ask() */

static ngx_int_t
ngx_http_gate_journey_next(ngx_http_gate_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (ngx_http_gate_journey_judge(ctx)) {
        return NGX_OK;
    }

    if (ctx->journeys++ == NGX_HTTP_GATE_JOURNEY_ATTEMPTS) {
        ngx_http_gate_journey_down(ctx);
        return NGX_OK;
    }

    ctx->habit_waiter.handler = ngx_http_gate_journey_waiter;
    ctx->habit_waiter.data = ctx;

    rc = ngx_http_gate_ledger_habit(ctx->main->ledger, ctx->visit,
                                    &ctx->habit_waiter);

    if (rc == NGX_BUSY) {
        ngx_http_gate_journey_down(ctx);
        return NGX_OK;
    }

    return rc;
}


/*
 * Does this host know enough?  If not, says what to ask: who can be here comes
 * from where he was, so that nobody else does meanwhile.
 */

static ngx_uint_t
ngx_http_gate_journey_judge(ngx_http_gate_ctx_t *ctx)
{
    ngx_msec_int_t                elapsed;
    ngx_http_gate_habit_t        *visit;
    const ngx_http_gate_visit_t  *last;

    visit = ctx->visit;
    last = &visit->told.of.visit;

    if (!visit->fresh || last->number == 0) {
        visit->move.from = 0;
        return 0;
    }

    elapsed = (ngx_msec_int_t) (ngx_current_msec - last->seen);

    switch (gate_journey_step(&ctx->policy->rules.journey, &last->spot,
                              &ctx->facts.spot, ngx_max(elapsed, 0),
                              ngx_current_msec - visit->told.asked,
                              &ctx->facts.journey))
    {

    case GATE_JOURNEY_READY:
        return 1;

    case GATE_JOURNEY_LOOK:
        visit->move.from = NGX_HTTP_GATE_LOOK;
        return 0;

    default: /* GATE_JOURNEY_MOVE */
        visit->move.from = last->number;
        return 0;
    }
}


/* nobody tells; who is where he was passes */

static void
ngx_http_gate_journey_down(ngx_http_gate_ctx_t *ctx)
{
    gate_journey_e                journey;
    const ngx_http_gate_visit_t  *last;

    last = &ctx->visit->told.of.visit;
    journey = GATE_JOURNEY_IMPOSSIBLE;

    if (ctx->visit->fresh && last->number) {
        journey = gate_journey(&ctx->policy->rules.journey, &last->spot,
                               &ctx->facts.spot, 0);
    }

    ctx->facts.journey = journey == GATE_JOURNEY_NONE ? GATE_JOURNEY_NONE
                                                      : GATE_JOURNEY_DOWN;
}


static void
ngx_http_gate_journey_waiter(void *data, ngx_int_t rc)
{
    ngx_http_gate_ctx_t  *ctx = data;

    if (rc == NGX_OK) {
        ctx->visit->told = ctx->habit_waiter.told;
        ctx->visit->fresh = 1;

        rc = ngx_http_gate_journey_next(ctx);
    }

    if (rc == NGX_AGAIN) {
        return;
    }

    if (rc == NGX_ERROR) {
        ngx_http_gate_journey_down(ctx);
    }

    ctx->resume(ctx);
}
