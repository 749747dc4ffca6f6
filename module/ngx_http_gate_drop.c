/*
 * A listening socket's handler is replaced by ours, which looks at the address
 * and hands on whom it does not close.  A socket may serve several addresses of
 * its port ("listen 443" and "listen 192.0.2.1:443"): those that have no
 * socket of their own are those of the wildcard's.
 */


#include "ngx_http_gate_drop.h"

#include "gate_country.h"


#define NGX_HTTP_GATE_DROP_PAUSE  1000  /* ms, between two lines of the log */


/* what the servers of one address say */

typedef struct {
    struct sockaddr             *sockaddr;
    socklen_t                    socklen;
    ngx_array_t                  lists;     /* of gate_countries_t */
    ngx_uint_t                   partial;   /* some server drops nothing */
} ngx_http_gate_drop_address_t;


typedef struct {
    ngx_listening_t             *listening;
    ngx_connection_handler_pt    handler;   /* whose connections they are */
    ngx_array_t                  lists;     /* of gate_countries_t */
} ngx_http_gate_drop_t;


struct ngx_http_gate_drops_s {
    ngx_http_gate_geo_t         *geo;
    ngx_array_t                 *policies;  /* whose networks are exempt */
    ngx_array_t                  addresses;
    ngx_array_t                  drops;     /* of ngx_http_gate_drop_t */

    /* of this worker: */
    ngx_event_t                  timer;     /* runs: a line was just logged */
    uint64_t                     total;
    uint64_t                     untold;
    char                         country[2];    /* of the last */
    size_t                       len;
    u_char                       text[NGX_SOCKADDR_STRLEN];
};


static ngx_int_t ngx_http_gate_drop_server(ngx_conf_t *cf,
    ngx_http_gate_main_conf_t *gmcf, ngx_http_gate_srv_conf_t *gscf);
static ngx_int_t ngx_http_gate_drop_policy(ngx_conf_t *cf,
    ngx_http_gate_srv_conf_t *gscf, ngx_http_gate_loc_conf_t *glcf);
static ngx_int_t ngx_http_gate_drop_address(ngx_conf_t *cf,
    ngx_http_gate_drops_t *drops, ngx_http_conf_addr_t *addr);
static ngx_int_t ngx_http_gate_drop_listening(ngx_cycle_t *cycle,
    ngx_http_gate_drops_t *drops, ngx_listening_t *ls);
static ngx_uint_t ngx_http_gate_drop_serves(ngx_cycle_t *cycle,
    ngx_listening_t *ls, ngx_http_gate_drop_address_t *address);
static void ngx_http_gate_drop_handler(ngx_connection_t *c);
static ngx_http_gate_drop_t *ngx_http_gate_drop_find(
    ngx_http_gate_drops_t *drops, ngx_listening_t *ls);
static ngx_uint_t ngx_http_gate_drop_dropped(ngx_http_gate_drops_t *drops,
    ngx_http_gate_drop_t *drop, ngx_connection_t *c, gate_place_t *place);
static void ngx_http_gate_drop_tell(ngx_http_gate_drops_t *drops);
static void ngx_http_gate_drop_timer_handler(ngx_event_t *ev);


char *
ngx_http_gate_drop_conf(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_srv_conf_t *gscf = conf;

    ngx_str_t                  *value, *word;
    ngx_uint_t                  i;
    gate_country_t             *country;
    ngx_http_gate_main_conf_t  *gmcf;

    if (gscf->drop.elts == NULL) {

        if (ngx_array_init(&gscf->drop, cf->pool, 8, sizeof(gate_country_t))
            != NGX_OK
            || ngx_array_init(&gscf->words, cf->pool, 8, sizeof(ngx_str_t))
               != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }

        gscf->file = cf->conf_file->file.name.data;
        gscf->line = cf->conf_file->line;
    }

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gate_module);
    gmcf->dropping = 1;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        country = ngx_array_push(&gscf->drop);
        word = ngx_array_push(&gscf->words);

        if (country == NULL || word == NULL) {
            return NGX_CONF_ERROR;
        }

        *word = value[i];

        if (gate_country_read((char *) value[i].data, value[i].len, country)
            != 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid country \"%V\" in "
                               "\"gate_drop_country\", it must be two letters "
                               "of ISO 3166-1, \"continent:\" and one of AF AN "
                               "AS EU NA OC SA, \"unknown\" or \"any\"",
                               &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_gate_drop_gate(ngx_conf_t *cf, ngx_http_gate_srv_conf_t *gscf,
    ngx_http_gate_loc_conf_t *glcf)
{
    ngx_http_gate_loc_conf_t  **gate;

    if (gscf->drop.nelts == 0) {
        return NGX_OK;
    }

    if (gscf->gates.elts == NULL
        && ngx_array_init(&gscf->gates, cf->pool, 4,
                          sizeof(ngx_http_gate_loc_conf_t *))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    gate = ngx_array_push(&gscf->gates);
    if (gate == NULL) {
        return NGX_ERROR;
    }

    *gate = glcf;

    return NGX_OK;
}


ngx_int_t
ngx_http_gate_drop_check(ngx_conf_t *cf)
{
    ngx_uint_t                   i, k;
    ngx_http_conf_addr_t        *addrs;
    ngx_http_conf_port_t        *ports;
    ngx_http_gate_drops_t       *drops;
    ngx_http_core_srv_conf_t   **servers;
    ngx_http_core_main_conf_t   *cmcf;
    ngx_http_gate_main_conf_t   *gmcf;

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gate_module);
    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    drops = ngx_pcalloc(cf->pool, sizeof(ngx_http_gate_drops_t));

    if (drops == NULL
        || ngx_array_init(&drops->addresses, cf->pool, 4,
                          sizeof(ngx_http_gate_drop_address_t))
           != NGX_OK
        || ngx_array_init(&drops->drops, cf->pool, 4,
                          sizeof(ngx_http_gate_drop_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    drops->geo = gmcf->geo;
    drops->policies = &gmcf->policies;
    gmcf->drops = drops;

    servers = cmcf->servers.elts;

    for (i = 0; i < cmcf->servers.nelts; i++) {
        if (ngx_http_gate_drop_server(cf, gmcf,
                   servers[i]->ctx->srv_conf[ngx_http_gate_module.ctx_index])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ports = cmcf->ports ? cmcf->ports->elts : NULL;

    for (i = 0; ports && i < cmcf->ports->nelts; i++) {
        addrs = ports[i].addrs.elts;

        for (k = 0; k < ports[i].addrs.nelts; k++) {
            if (ngx_http_gate_drop_address(cf, drops, &addrs[k]) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_drop_server(ngx_conf_t *cf, ngx_http_gate_main_conf_t *gmcf,
    ngx_http_gate_srv_conf_t *gscf)
{
    ngx_uint_t                  i, missing;
    gate_country_t             *countries;
    ngx_http_gate_loc_conf_t  **gates;

    missing = 0;
    countries = gscf->drop.elts;

    for (i = 0; i < gscf->drop.nelts; i++) {
        missing |= countries[i].scope == GATE_CONTINENT ? GATE_PLACE_CONTINENT
                                                        : GATE_PLACE_COUNTRY;
    }

    missing &= gmcf->geo ? ~ngx_http_gate_geo_fields(gmcf->geo) : missing;

    if (missing) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no \"gate_geoip\" %s for the %s of "
                      "\"gate_drop_country\" in %s:%ui",
                      gmcf->geo ? "has a field" : "is defined",
                      missing & GATE_PLACE_COUNTRY ? "countries"
                                                   : "continents",
                      gscf->file, gscf->line);
        return NGX_ERROR;
    }

    gates = gscf->gates.elts;

    for (i = 0; i < gscf->gates.nelts; i++) {
        if (ngx_http_gate_drop_policy(cf, gscf, gates[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_drop_policy(ngx_conf_t *cf, ngx_http_gate_srv_conf_t *gscf,
    ngx_http_gate_loc_conf_t *glcf)
{
    ngx_str_t                     *words;
    ngx_uint_t                     i;
    gate_country_t                *countries;
    const gate_policy_t           *rules;
    const ngx_http_gate_policy_t  *policy;

    policy = glcf->policy;
    rules = &policy->rules;

    if (glcf->dry_run) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"gate %V\" in %s:%ui is a dry run and refuses nobody "
                      "whom \"gate_drop_country\" in %s:%ui drops",
                      &glcf->name, glcf->file, glcf->line, gscf->file,
                      gscf->line);
        return NGX_ERROR;
    }

    words = gscf->words.elts;
    countries = gscf->drop.elts;

    for (i = 0; i < gscf->drop.nelts; i++) {

        if (gate_country_refused(rules->only_allowed
                                 && policy->allow.values.nelts == 0
                                 ? &rules->allow : NULL,
                                 &rules->deny, &countries[i]))
        {
            continue;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"gate_policy\" \"%V\" in %s:%ui does not refuse all "
                      "of \"%V\", which \"gate_drop_country\" in %s:%ui drops",
                      &policy->name, policy->file, policy->line, &words[i],
                      gscf->file, gscf->line);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_drop_address(ngx_conf_t *cf, ngx_http_gate_drops_t *drops,
    ngx_http_conf_addr_t *addr)
{
    ngx_uint_t                      i;
    gate_countries_t               *list;
    ngx_http_gate_srv_conf_t       *gscf, *some;
    ngx_http_core_srv_conf_t      **servers;
    ngx_http_gate_drop_address_t   *address;

    address = ngx_array_push(&drops->addresses);

    if (address == NULL
        || ngx_array_init(&address->lists, cf->pool, addr->servers.nelts,
                          sizeof(gate_countries_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    address->sockaddr = addr->opt.sockaddr;
    address->socklen = addr->opt.socklen;
    address->partial = 0;

    some = NULL;
    servers = addr->servers.elts;

    for (i = 0; i < addr->servers.nelts; i++) {
        gscf = servers[i]->ctx->srv_conf[ngx_http_gate_module.ctx_index];

        if (gscf->drop.nelts == 0) {
            address->partial = 1;
            continue;
        }

        list = ngx_array_push(&address->lists);
        if (list == NULL) {
            return NGX_ERROR;
        }

        list->elts = gscf->drop.elts;
        list->nelts = gscf->drop.nelts;
        some = gscf;
    }

    if (some && addr->opt.proxy_protocol) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"gate_drop_country\" in %s:%ui cannot be used with "
                      "\"listen %V proxy_protocol\": who connects is a proxy",
                      some->file, some->line, &addr->opt.addr_text);
        return NGX_ERROR;
    }

    if (some && address->partial) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"gate_drop_country\" in %s:%ui has no effect on "
                      "\"listen %V\", where another server has none",
                      some->file, some->line, &addr->opt.addr_text);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_gate_drop_init(ngx_cycle_t *cycle)
{
    ngx_uint_t                  i;
    ngx_listening_t            *ls;
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_gate_module);

    if (gmcf == NULL || gmcf->drops == NULL) {
        return NGX_OK;
    }

    ls = cycle->listening.elts;

    for (i = 0; i < cycle->listening.nelts; i++) {
        if (ls[i].type == SOCK_STREAM
            && ngx_http_gate_drop_listening(cycle, gmcf->drops, &ls[i])
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    gmcf->drops->timer.handler = ngx_http_gate_drop_timer_handler;
    gmcf->drops->timer.data = gmcf->drops;
    gmcf->drops->timer.log = cycle->log;
    gmcf->drops->timer.cancelable = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_drop_listening(ngx_cycle_t *cycle, ngx_http_gate_drops_t *drops,
    ngx_listening_t *ls)
{
    void                          *lists;
    ngx_uint_t                     i;
    ngx_array_t                    all;
    ngx_http_gate_drop_t          *drop;
    ngx_http_gate_drop_address_t  *address;

    if (ngx_array_init(&all, cycle->pool, 2, sizeof(gate_countries_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    address = drops->addresses.elts;

    for (i = 0; i < drops->addresses.nelts; i++) {

        if (!ngx_http_gate_drop_serves(cycle, ls, &address[i])) {
            continue;
        }

        if (address[i].partial) {
            return NGX_OK;
        }

        lists = ngx_array_push_n(&all, address[i].lists.nelts);
        if (lists == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(lists, address[i].lists.elts,
                   address[i].lists.nelts * sizeof(gate_countries_t));
    }

    if (all.nelts == 0) {
        return NGX_OK;
    }

    drop = ngx_array_push(&drops->drops);
    if (drop == NULL) {
        return NGX_ERROR;
    }

    drop->listening = ls;
    drop->handler = ls->handler;
    drop->lists = all;

    ls->handler = ngx_http_gate_drop_handler;

    return NGX_OK;
}


/* the address' own socket, or that of its port's wildcard */

static ngx_uint_t
ngx_http_gate_drop_serves(ngx_cycle_t *cycle, ngx_listening_t *ls,
    ngx_http_gate_drop_address_t *address)
{
    ngx_uint_t        i;
    ngx_listening_t  *other;

    if (ls->sockaddr->sa_family == AF_UNIX
        || ls->sockaddr->sa_family != address->sockaddr->sa_family)
    {
        return 0;
    }

    if (ngx_cmp_sockaddr(ls->sockaddr, ls->socklen, address->sockaddr,
                         address->socklen, 1)
        == NGX_OK)
    {
        return 1;
    }

    if (!ngx_inet_wildcard(ls->sockaddr)
        || ngx_inet_get_port(ls->sockaddr)
           != ngx_inet_get_port(address->sockaddr))
    {
        return 0;
    }

    other = cycle->listening.elts;

    for (i = 0; i < cycle->listening.nelts; i++) {
        if (other[i].type == SOCK_STREAM
            && ngx_cmp_sockaddr(other[i].sockaddr, other[i].socklen,
                                address->sockaddr, address->socklen, 1)
               == NGX_OK)
        {
            return 0;
        }
    }

    return 1;
}


static void
ngx_http_gate_drop_handler(ngx_connection_t *c)
{
    gate_place_t                place;
    ngx_http_gate_drop_t       *drop;
    ngx_http_gate_drops_t      *drops;
    ngx_http_gate_counters_t   *counters;
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_gate_module);
    drops = gmcf->drops;
    drop = ngx_http_gate_drop_find(drops, c->listening);

    if (!ngx_http_gate_drop_dropped(drops, drop, c, &place)) {
        drop->handler(c);
        return;
    }

    if (gmcf->zone) {
        counters = ngx_http_gate_zone_counters(gmcf->zone);
        (void) ngx_atomic_fetch_add(&counters->connections, 1);
    }

    drops->total++;
    drops->untold++;
    drops->len = ngx_sock_ntop(c->sockaddr, c->socklen, drops->text,
                               NGX_SOCKADDR_STRLEN, 0);
    ngx_memcpy(drops->country, place.country, 2);

    if (!drops->timer.timer_set) {
        ngx_http_gate_drop_tell(drops);
        ngx_add_timer(&drops->timer, NGX_HTTP_GATE_DROP_PAUSE);
    }

    ngx_http_close_connection(c);
}


/* there is one: its handler was called */

static ngx_http_gate_drop_t *
ngx_http_gate_drop_find(ngx_http_gate_drops_t *drops, ngx_listening_t *ls)
{
    ngx_http_gate_drop_t  *drop;

    for (drop = drops->drops.elts; drop->listening != ls; drop++) {
        /* void */
    }

    return drop;
}


static ngx_uint_t
ngx_http_gate_drop_dropped(ngx_http_gate_drops_t *drops,
    ngx_http_gate_drop_t *drop, ngx_connection_t *c, gate_place_t *place)
{
    ngx_uint_t                i;
    gate_countries_t         *lists;
    ngx_http_gate_policy_t  **policies;

    ngx_memzero(place, sizeof(gate_place_t));

    ngx_http_gate_geo_read(drops->geo, c->sockaddr,
                           GATE_PLACE_COUNTRY|GATE_PLACE_CONTINENT, place);

    lists = drop->lists.elts;

    for (i = 0; i < drop->lists.nelts; i++) {
        if (!gate_country_listed(&lists[i], place->country,
                                 place->continent))
        {
            return 0;
        }
    }

    /* who may pass all rules of geography somewhere may knock */

    policies = drops->policies->elts;

    for (i = 0; i < drops->policies->nelts; i++) {
        if (policies[i]->networks.nelts
            && ngx_cidr_match(c->sockaddr, &policies[i]->networks) == NGX_OK)
        {
            return 0;
        }
    }

    return 1;
}


static void
ngx_http_gate_drop_tell(ngx_http_gate_drops_t *drops)
{
    const char  *country;

    country = drops->country[0] ? drops->country : "??";

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "gate: dropped %uL connections of countries that all "
                  "policies refuse, %uL since this worker began, the last of "
                  "%*s, country %*s", drops->untold, drops->total, drops->len,
                  drops->text, (size_t) 2, country);

    drops->untold = 0;
}


static void
ngx_http_gate_drop_timer_handler(ngx_event_t *ev)
{
    ngx_http_gate_drops_t  *drops;

    drops = ev->data;

    if (drops->untold) {
        ngx_http_gate_drop_tell(drops);
        ngx_add_timer(ev, NGX_HTTP_GATE_DROP_PAUSE);
    }
}


void
ngx_http_gate_drop_close(ngx_http_gate_drops_t *drops)
{
    if (drops->untold) {
        ngx_http_gate_drop_tell(drops);
    }
}
