/*
 * What this host was told of a user holds until its day ends, and longer where
 * that is to his favour: then he passes, and the ledger is told by the way.
 */


#include "ngx_http_gate_familiar.h"

#include "gate_familiar.h"
#include "ngx_http_gate_conf.h"


#define NGX_HTTP_GATE_FAMILIAR_DAY   (24 * 60 * 60)

/* "remember" and "learn" at most, days */
#define NGX_HTTP_GATE_FAMILIAR_LONG  400


static ngx_int_t ngx_http_gate_familiar_parameter(
    gate_familiar_rule_t *rule, ngx_str_t *value);
static ngx_int_t ngx_http_gate_familiar_days(ngx_str_t *time);
static ngx_int_t ngx_http_gate_familiar_look(ngx_http_gate_ctx_t *ctx);
static void ngx_http_gate_familiar_waiter(void *data, ngx_int_t rc);
static ngx_uint_t ngx_http_gate_familiar_counts(ngx_http_gate_ctx_t *ctx);


/* off | report | deny [learn=time] [remember=time] [min_days=number] */

char *
ngx_http_gate_familiar_conf(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_policy_t *policy = conf;

    ngx_str_t             *value;
    ngx_uint_t             i;
    gate_familiar_rule_t  *rule;

    if (policy->unusual_set) {
        return "is duplicate";
    }

    policy->unusual_set = 1;

    rule = &policy->rules.familiar;
    rule->learn = 14;
    rule->remember = 90;
    rule->days = 3;

    value = cf->args->elts;

    if (ngx_http_gate_conf_mode(cf, cmd, &value[1], &rule->mode) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_http_gate_familiar_parameter(rule, &value[i]) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" in "
                               "\"unusual_country\", it must be \"learn=\" "
                               "and days from 0d to %ud, \"remember=\" and "
                               "days from 1d, or \"min_days=\" and a number "
                               "from 1 to %ud", &value[i],
                               NGX_HTTP_GATE_FAMILIAR_LONG,
                               GATE_FAMILIAR_DAYS);
            return NGX_CONF_ERROR;
        }
    }

    if (rule->days > rule->remember) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"min_days\" are more than \"remember\" has in "
                           "\"unusual_country\"");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_gate_familiar_parameter(gate_familiar_rule_t *rule, ngx_str_t *value)
{
    ngx_int_t  n;
    ngx_str_t  arg;

    if (ngx_strncmp(value->data, "learn=", 6) == 0) {
        arg.data = value->data + 6;
        arg.len = value->len - 6;
        n = ngx_http_gate_familiar_days(&arg);
        rule->learn = (uint32_t) n;

        return n == NGX_ERROR ? NGX_ERROR : NGX_OK;
    }

    if (ngx_strncmp(value->data, "remember=", 9) == 0) {
        arg.data = value->data + 9;
        arg.len = value->len - 9;
        n = ngx_http_gate_familiar_days(&arg);
        rule->remember = (uint32_t) n;

        return n == NGX_ERROR || n == 0 ? NGX_ERROR : NGX_OK;
    }

    if (ngx_strncmp(value->data, "min_days=", 9) == 0) {
        n = ngx_atoi(value->data + 9, value->len - 9);
        rule->days = (uint32_t) n;

        return n < 1 || n > GATE_FAMILIAR_DAYS ? NGX_ERROR : NGX_OK;
    }

    return NGX_ERROR;
}


/* whole ones */

static ngx_int_t
ngx_http_gate_familiar_days(ngx_str_t *time)
{
    ngx_int_t  seconds, days;

    seconds = ngx_parse_time(time, 1);

    if (seconds == NGX_ERROR || seconds % NGX_HTTP_GATE_FAMILIAR_DAY) {
        return NGX_ERROR;
    }

    days = seconds / NGX_HTTP_GATE_FAMILIAR_DAY;

    return days > NGX_HTTP_GATE_FAMILIAR_LONG ? NGX_ERROR : days;
}


ngx_int_t
ngx_http_gate_familiar_complete(ngx_conf_t *cf,
    ngx_http_gate_policy_t *policy)
{
    gate_familiar_rule_t  *rule;

    rule = &policy->rules.familiar;

    if (rule->named && !policy->unusual_set) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"unusual_country\" is defined for the "
                           "\"usual_country\" of \"gate_policy\" \"%V\"",
                           &policy->name);
        return NGX_ERROR;
    }

    if (rule->mode == GATE_MODE_OFF) {
        return NGX_OK;
    }

    if (policy->users.nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"user\" is defined for the "
                           "\"unusual_country\" of \"gate_policy\" \"%V\"",
                           &policy->name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_gate_familiar_check(ngx_conf_t *cf, ngx_http_gate_policy_t *policy,
    ngx_http_gate_redis_conf_t *redis)
{
    if (redis || policy->rules.familiar.mode == GATE_MODE_OFF) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "no \"gate_redis\" is defined for the \"unusual_country\" "
                  "of \"gate_policy\" \"%V\" in %s:%ui",
                  &policy->name, policy->file, policy->line);

    return NGX_ERROR;
}


ngx_int_t
ngx_http_gate_familiar_ask(ngx_http_gate_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (ngx_http_gate_familiar_look(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ctx->facts.familiar != GATE_FAMILIAR_UNKNOWN) {
        return NGX_OK;
    }

    ctx->habit_waiter.handler = ngx_http_gate_familiar_waiter;
    ctx->habit_waiter.data = ctx;

    rc = ngx_http_gate_ledger_habit(ctx->main->ledger, ctx->habit,
                                    &ctx->habit_waiter);

    if (rc == NGX_BUSY) {
        ctx->facts.familiar = GATE_FAMILIAR_DOWN;
        return NGX_OK;
    }

    return rc;
}


/* what this host knows; refused is nobody for what was true yesterday */

static ngx_int_t
ngx_http_gate_familiar_look(ngx_http_gate_ctx_t *ctx)
{
    gate_familiar_e         familiar;
    ngx_http_gate_habit_t  *habit;
    gate_familiar_rule_t   *rule;

    rule = &ctx->policy->rules.familiar;

    habit = ngx_pcalloc(ctx->request->pool, sizeof(ngx_http_gate_habit_t));
    if (habit == NULL) {
        return NGX_ERROR;
    }

    habit->days = rule->days;
    habit->remember = rule->remember;

    if (ctx->facts.country[0]) {
        habit->country.data = (u_char *) ctx->facts.country;
        habit->country.len = 2;

    } else {
        ngx_str_set(&habit->country, "unknown");
    }

    if (ngx_http_gate_zone_habit_name(ctx->request->pool, habit,
                                      &ctx->policy->suffix, &ctx->user)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_gate_zone_habit(ctx->main->zone, habit);

    ctx->habit = habit;

    if (!habit->fresh) {
        return NGX_OK;
    }

    familiar = gate_familiar(rule, &habit->told.of.days.habit, habit->today);

    if (familiar != GATE_FAMILIAR_UNUSUAL
        || habit->today == habit->told.of.days.today)
    {
        ctx->facts.familiar = familiar;
    }

    return NGX_OK;
}


static void
ngx_http_gate_familiar_waiter(void *data, ngx_int_t rc)
{
    ngx_http_gate_ctx_t  *ctx = data;

    ngx_http_gate_habit_t  *habit;

    habit = ctx->habit;

    if (rc == NGX_OK) {
        habit->told = ctx->habit_waiter.told;
        habit->today = habit->told.of.days.today;
        habit->here = habit->told.of.days.here;
        habit->fresh = 1;

        ctx->facts.familiar = gate_familiar(&ctx->policy->rules.familiar,
                                            &habit->told.of.days.habit,
                                            habit->today);

    } else {
        ctx->facts.familiar = GATE_FAMILIAR_DOWN;
    }

    ctx->resume(ctx);
}


void
ngx_http_gate_familiar_pass(ngx_http_gate_ctx_t *ctx)
{
    if (ctx->policy->rules.familiar.mode == GATE_MODE_OFF
        || ctx->facts.exempt || ctx->dry_run)
    {
        return;
    }

    if (ngx_http_gate_familiar_counts(ctx)
        && (ctx->habit || ngx_http_gate_familiar_look(ctx) == NGX_OK)
        && !(ctx->habit->fresh && ctx->habit->here))
    {
        ngx_http_gate_ledger_here(ctx->main->ledger, ctx->habit);
    }
}


/* is this day one that makes the country usual? */

static ngx_uint_t
ngx_http_gate_familiar_counts(ngx_http_gate_ctx_t *ctx)
{
    return ctx->facts.familiar != GATE_FAMILIAR_DOWN
           || gate_judge_usual(&ctx->policy->rules, &ctx->facts);
}


void
ngx_http_gate_familiar_close(ngx_http_gate_ctx_t *ctx)
{
    ngx_http_gate_ledger_forgo(&ctx->habit_waiter);
}
