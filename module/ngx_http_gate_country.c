/*
 * Lists of countries.  Words without a variable are read once; those with one
 * are lists of one user, read for each request.
 */


#include "ngx_http_gate_country.h"

#include "gate_country.h"
#include "gate_journey.h"
#include "ngx_http_gate_log.h"
#include "ngx_http_gate_peer.h"


static char *ngx_http_gate_country_value(ngx_conf_t *cf, ngx_array_t *values,
    ngx_str_t *word);
static ngx_uint_t ngx_http_gate_country_fields(
    const ngx_http_gate_policy_t *policy);
static ngx_int_t ngx_http_gate_country_list(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, ngx_array_t *values, const char *word,
    gate_countries_t *countries);


ngx_int_t
ngx_http_gate_country_create(ngx_conf_t *cf, ngx_http_gate_policy_t *policy)
{
    ngx_uint_t                  i;
    ngx_http_gate_countries_t  *lists[3];

    lists[0] = &policy->allow;
    lists[1] = &policy->deny;
    lists[2] = &policy->usual;

    for (i = 0; i < 3; i++) {
        if (ngx_array_init(&lists[i]->fixed, cf->pool, 4,
                           sizeof(gate_country_t))
            != NGX_OK
            || ngx_array_init(&lists[i]->values, cf->pool, 1,
                              sizeof(ngx_http_complex_value_t))
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_array_init(&policy->networks, cf->pool, 2, sizeof(ngx_cidr_t));
}


char *
ngx_http_gate_country_conf(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    char                       *rv;
    ngx_str_t                  *value;
    ngx_uint_t                  i;
    gate_country_t             *country;
    ngx_http_gate_countries_t  *list;

    list = (ngx_http_gate_countries_t *) (p + cmd->offset);
    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_http_script_variables_count(&value[i])) {
            rv = ngx_http_gate_country_value(cf, &list->values, &value[i]);

            if (rv != NGX_CONF_OK) {
                return rv;
            }

            continue;
        }

        country = ngx_array_push(&list->fixed);
        if (country == NULL) {
            return NGX_CONF_ERROR;
        }

        if (gate_country_read((char *) value[i].data, value[i].len, country)
            != 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid country \"%V\" in \"%V\", it must be "
                               "two letters of ISO 3166-1, \"continent:\" and "
                               "one of AF AN AS EU NA OC SA, \"unknown\" or "
                               "\"any\"", &value[i], &cmd->name);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gate_country_value(ngx_conf_t *cf, ngx_array_t *values,
    ngx_str_t *word)
{
    ngx_http_complex_value_t          *cv;
    ngx_http_compile_complex_value_t   ccv;

    cv = ngx_array_push(values);
    if (cv == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(cv, sizeof(ngx_http_complex_value_t));
    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = word;
    ccv.complex_value = cv;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}


char *
ngx_http_gate_country_network(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_policy_t *policy = conf;

    ngx_int_t    rc;
    ngx_str_t   *value;
    ngx_uint_t   i;
    ngx_cidr_t  *cidr;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        cidr = ngx_array_push(&policy->networks);
        if (cidr == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(cidr, sizeof(ngx_cidr_t));

        rc = ngx_ptocidr(&value[i], cidr);

        if (rc == NGX_ERROR) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid network \"%V\" in \"allow_network\", "
                               "it must be an address, or one with \"/\" and "
                               "the bits of its network", &value[i]);
            return NGX_CONF_ERROR;
        }

        if (rc == NGX_DONE) {
            ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                               "low address bits of %V are meaningless",
                               &value[i]);
        }
    }

    return NGX_CONF_OK;
}


void
ngx_http_gate_country_rules(ngx_http_gate_policy_t *policy)
{
    gate_policy_t  *rules;

    rules = &policy->rules;

    rules->allow.elts = policy->allow.fixed.elts;
    rules->allow.nelts = policy->allow.fixed.nelts;
    rules->deny.elts = policy->deny.fixed.elts;
    rules->deny.nelts = policy->deny.fixed.nelts;

    rules->usual.elts = policy->usual.fixed.elts;
    rules->usual.nelts = policy->usual.fixed.nelts;

    rules->only_allowed = policy->allow.fixed.nelts
                          || policy->allow.values.nelts;
    rules->familiar.named = policy->usual.fixed.nelts
                            || policy->usual.values.nelts;
}


ngx_int_t
ngx_http_gate_country_check(ngx_conf_t *cf, ngx_http_gate_policy_t *policy,
    ngx_http_gate_geo_t *geo)
{
    ngx_uint_t             i, k, missing;
    const gate_country_t  *countries;
    gate_countries_t      *lists[3];

    lists[0] = &policy->rules.allow;
    lists[1] = &policy->rules.deny;
    lists[2] = &policy->rules.usual;

    missing = policy->allow.values.nelts || policy->deny.values.nelts
              || policy->rules.familiar.mode != GATE_MODE_OFF
              ? GATE_PLACE_COUNTRY : 0;

    for (i = 0; i < 3; i++) {
        countries = lists[i]->elts;

        for (k = 0; k < lists[i]->nelts; k++) {
            missing |= countries[k].scope == GATE_CONTINENT
                       ? GATE_PLACE_CONTINENT : GATE_PLACE_COUNTRY;
        }
    }

    missing &= geo ? ~ngx_http_gate_geo_fields(geo) : missing;

    if (missing == 0) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "no \"gate_geoip\" %s for the %s of \"gate_policy\" \"%V\" "
                  "in %s:%ui", geo ? "has a field" : "is defined",
                  missing & GATE_PLACE_COUNTRY ? "countries" : "continents",
                  &policy->name, policy->file, policy->line);

    return NGX_ERROR;
}


ngx_int_t
ngx_http_gate_country_facts(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    gate_facts_t            *facts;
    const gate_place_t      *place;
    ngx_http_gate_policy_t  *policy;

    facts = &ctx->facts;
    policy = ctx->policy;

    place = ngx_http_gate_peer_place(r, ngx_http_gate_country_fields(policy));
    if (place == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(facts->country, place->country, 2);
    ngx_memcpy(facts->continent, place->continent, 2);
    facts->anonymous = place->anonymous;

    if (place->fields & GATE_PLACE_LOCATION) {
        gate_spot(place, &facts->spot);
        facts->located = 1;
    }

    if (policy->networks.nelts
        && ngx_cidr_match(r->connection->sockaddr, &policy->networks)
           == NGX_OK)
    {
        facts->exempt = 1;
        return NGX_OK;
    }

    if (ngx_http_gate_country_list(r, ctx, &policy->allow.values,
                                   "allow_country", &facts->allow)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_gate_country_list(r, ctx, &policy->deny.values,
                                   "deny_country", &facts->deny)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_gate_country_list(r, ctx, &policy->usual.values,
                                      "usual_country", &facts->usual);
}


/* of the place, what the policy judges by */

static ngx_uint_t
ngx_http_gate_country_fields(const ngx_http_gate_policy_t *policy)
{
    ngx_uint_t  fields;

    fields = GATE_PLACE_COUNTRY|GATE_PLACE_CONTINENT;

    if (policy->rules.anonymous.mode != GATE_MODE_OFF) {
        fields |= GATE_PLACE_ANONYMOUS;
    }

    if (policy->rules.journey.mode != GATE_MODE_OFF) {
        fields |= GATE_PLACE_LOCATION;
    }

    return fields;
}


static ngx_int_t
ngx_http_gate_country_list(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    ngx_array_t *values, const char *word, gate_countries_t *countries)
{
    size_t                     n;
    ngx_str_t                  text;
    ngx_uint_t                 i;
    ngx_array_t                list;
    gate_country_t            *part;
    ngx_http_complex_value_t  *cv;

    if (values->nelts == 0 || ctx->facts.countries_invalid) {
        return NGX_OK;
    }

    if (ngx_array_init(&list, r->pool, 8, sizeof(gate_country_t)) != NGX_OK) {
        return NGX_ERROR;
    }

    cv = values->elts;

    for (i = 0; i < values->nelts; i++) {

        if (ngx_http_complex_value(r, &cv[i], &text) != NGX_OK) {
            return NGX_ERROR;
        }

        n = gate_country_room(text.len);

        part = ngx_array_push_n(&list, n);
        if (part == NULL) {
            return NGX_ERROR;
        }

        list.nelts -= n;

        if (gate_country_list((char *) text.data, text.len, part, &n) != 0) {
            ngx_http_gate_log_countries(ctx, word, &text);
            ctx->facts.countries_invalid = 1;
            return NGX_OK;
        }

        list.nelts += n;
    }

    countries->elts = list.elts;
    countries->nelts = list.nelts;

    return NGX_OK;
}
