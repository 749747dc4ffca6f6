/*
 * v1/country and v1/place: that a country is usual for a user, or no longer,
 * and that it is forgotten where he was last.  What is changed is told when
 * Redis is asked for it: whoever asked may be gone when it answers.
 */


#include "ngx_http_gate_admin_inner.h"

#include "gate_country.h"


/* arguments of the script: the key, what to do, and fields */
#define NGX_HTTP_GATE_CONFIRM_ARGS  5


static const char *ngx_http_gate_admin_confirm_country(json_t *body,
    ngx_str_t *country);
static ngx_int_t ngx_http_gate_admin_confirm_ask(
    ngx_http_gate_admin_ctx_t *ctx, ngx_str_t *argv, ngx_uint_t argc,
    const ngx_str_t *user, const ngx_str_t *words);
static ngx_int_t ngx_http_gate_admin_confirm_heard(
    ngx_http_gate_admin_ctx_t *ctx, const ngx_str_t *cells, ngx_uint_t n);


ngx_int_t
ngx_http_gate_admin_country(ngx_http_gate_admin_ctx_t *ctx)
{
    u_char                               text[512], code[2];
    const char                          *fault;
    ngx_str_t                            user, words;
    ngx_str_t                            argv[NGX_HTTP_GATE_CONFIRM_ARGS];
    ngx_uint_t                           confirmed;
    const ngx_http_gate_admin_policy_t  *policy;

    argv[2].data = code;

    fault = ngx_http_gate_admin_whose(ctx, &user, &policy);

    if (fault == NULL && !policy->countries) {
        fault = "This policy has no \"unusual_country\".";
    }

    if (fault == NULL) {
        fault = ngx_http_gate_admin_confirm_country(ctx->body, &argv[2]);
    }

    if (fault) {
        return ngx_http_gate_answer_problem(ctx->request, NGX_HTTP_BAD_REQUEST,
                                            fault);
    }

    confirmed = json_is_true(json_object_get(ctx->body, "confirmed"));

    if (confirmed) {
        ngx_str_set(&argv[1], "always");

    } else {
        ngx_str_set(&argv[1], "forget");
    }

    if (ngx_http_gate_admin_key(ctx, &user, &policy->suffix, "/countries",
                                &argv[0])
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    words.data = text;
    words.len = ngx_snprintf(text, sizeof(text), "policy %V: country %V is %s",
                             &policy->name, &argv[2],
                             confirmed ? "confirmed" : "forgotten")
                - text;

    ctx->answer = json_pack("{s:o, s:o, s:o, s:b}",
                            "user", ngx_http_gate_answer_string(user.data,
                                                                user.len),
                            "policy",
                            ngx_http_gate_answer_string(policy->name.data,
                                                        policy->name.len),
                            "country",
                            ngx_http_gate_answer_string(argv[2].data,
                                                        argv[2].len),
                            "confirmed", (int) confirmed);

    return ngx_http_gate_admin_confirm_ask(ctx, argv, 3, &user, &words);
}


ngx_int_t
ngx_http_gate_admin_place(ngx_http_gate_admin_ctx_t *ctx)
{
    u_char                               text[512];
    const char                          *fault;
    ngx_str_t                            user, words;
    ngx_str_t                            argv[NGX_HTTP_GATE_CONFIRM_ARGS];
    const ngx_http_gate_admin_policy_t  *policy;

    fault = ngx_http_gate_admin_whose(ctx, &user, &policy);

    if (fault == NULL && json_object_size(ctx->body) != 2) {
        fault = "The last place is forgotten by user and policy; nothing "
                "else.";
    }

    if (fault == NULL && !policy->place) {
        fault = "This policy has no \"max_speed\".";
    }

    if (fault) {
        return ngx_http_gate_answer_problem(ctx->request, NGX_HTTP_BAD_REQUEST,
                                            fault);
    }

    if (ngx_http_gate_admin_key(ctx, &user, &policy->suffix, "/place",
                                &argv[0])
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&argv[1], "forget");
    ngx_str_set(&argv[2], "number");
    ngx_str_set(&argv[3], "at");
    ngx_str_set(&argv[4], "place");

    words.data = text;
    words.len = ngx_snprintf(text, sizeof(text),
                             "policy %V: the last place is forgotten",
                             &policy->name)
                - text;

    ctx->answer = json_pack("{s:o, s:o}",
                            "user", ngx_http_gate_answer_string(user.data,
                                                                user.len),
                            "policy",
                            ngx_http_gate_answer_string(policy->name.data,
                                                        policy->name.len));

    return ngx_http_gate_admin_confirm_ask(ctx, argv, 5, &user, &words);
}


/* country->data has room for two letters */

static const char *
ngx_http_gate_admin_confirm_country(json_t *body, ngx_str_t *country)
{
    ngx_str_t       word;
    gate_country_t  read;

    if (json_object_size(body) != 4
        || !json_is_boolean(json_object_get(body, "confirmed")))
    {
        return "A country is confirmed by user, policy, country, and "
               "confirmed, which is true or false; nothing else.";
    }

    if (!ngx_http_gate_admin_body_text(body, "country", &word)
        || gate_country_read((char *) word.data, word.len, &read) != 0
        || read.scope != GATE_COUNTRY)
    {
        return "\"country\" must be two letters, or unknown.";
    }

    if (read.code[0] == '\0') {
        ngx_str_set(country, "unknown");

    } else {
        ngx_memcpy(country->data, read.code, 2);
        country->len = 2;
    }

    return NULL;
}


static ngx_int_t
ngx_http_gate_admin_confirm_ask(ngx_http_gate_admin_ctx_t *ctx,
    ngx_str_t *argv, ngx_uint_t argc, const ngx_str_t *user,
    const ngx_str_t *words)
{
    u_char     text[sizeof("user ") + NGX_HTTP_GATE_ADMIN_USER];
    ngx_int_t  rc;
    ngx_str_t  subject;

    if (ctx->answer == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_gate_admin_ask(ctx, NGX_HTTP_GATE_SCRIPT_CONFIRM, 1, argv,
                                 argc, ngx_http_gate_admin_confirm_heard);

    if (rc == NGX_AGAIN) {
        subject.data = text;
        subject.len = ngx_snprintf(text, sizeof(text), "user %V", user) - text;

        ctx->admin.told(ctx->request, 0, &ctx->admin.by, &subject, words);
    }

    return rc;
}


static ngx_int_t
ngx_http_gate_admin_confirm_heard(ngx_http_gate_admin_ctx_t *ctx,
    const ngx_str_t *cells, ngx_uint_t n)
{
    json_t  *answer;

    answer = ctx->answer;
    ctx->answer = NULL;

    if (n != 1) {
        json_decref(answer);
        return ngx_http_gate_admin_away(ctx);
    }

    if (json_object_set_new(answer, "changed",
                        json_boolean(ngx_http_gate_admin_value(&cells[0]) > 0))
        != 0)
    {
        json_decref(answer);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_gate_answer_json(ctx->request, NGX_HTTP_OK, answer);
}
