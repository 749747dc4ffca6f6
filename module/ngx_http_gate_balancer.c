/*
 * Whom a header is believed from is who has made the TCP connection, whatever
 * realip has made of his address since.  It is looked for by its very name, not
 * by nginx's variable, to which "Client_Cert" is the same: the balancer takes
 * out the one that it knows, and a client sends the other.
 */


#include "ngx_http_gate_balancer.h"

#include "gate_client_cert.h"
#include "ngx_http_gate_forwarded.h"


struct ngx_http_gate_balancer_s {
    ngx_str_t                         name;     /* client_cert */
    ngx_str_t                         chain;
    ngx_array_t                       trusted;  /* of ngx_cidr_t */
    ngx_str_t                         ca;
    ngx_http_gate_forwarded_cache_t  *cache;
    time_t                            warned;   /* by this worker */
    ngx_http_gate_certificate_t       none;
    ngx_http_gate_certificate_t       twice;
    ngx_http_gate_certificate_t       large;
};


/* what a request has got; NULL: nothing that must be given back */

typedef struct {
    ngx_http_gate_balancer_t         *balancer;
    ngx_http_gate_certificate_t      *certificate;
    ngx_http_gate_forwarded_t        *forwarded;
} ngx_http_gate_balancer_memo_t;


/* what the headers say */

typedef struct {
    ngx_uint_t                        named;    /* times */
    ngx_uint_t                        otherwise;    /* in another spelling */
    ngx_uint_t                        large;
    size_t                            size;
    ngx_uint_t                        n;
    ngx_str_t                         texts[NGX_HTTP_GATE_FORWARDED_TEXTS];
} ngx_http_gate_balancer_said_t;


static ngx_http_gate_balancer_t *ngx_http_gate_balancer_create(
    ngx_conf_t *cf);
static ngx_int_t ngx_http_gate_balancer_header(ngx_conf_t *cf,
    ngx_str_t *value, ngx_str_t *header, const char *word);
static char *ngx_http_gate_balancer_parameter(ngx_conf_t *cf,
    ngx_http_gate_balancer_t *balancer, ngx_str_t *value);
static char *ngx_http_gate_balancer_trust(ngx_conf_t *cf,
    ngx_http_gate_balancer_t *balancer, u_char *p, u_char *last);
static char *ngx_http_gate_balancer_complete(ngx_conf_t *cf,
    ngx_http_gate_balancer_t *balancer);
static ngx_uint_t ngx_http_gate_balancer_trusted(
    const ngx_http_gate_balancer_t *balancer, ngx_connection_t *c,
    ngx_http_gate_peer_t *peer);
static void ngx_http_gate_balancer_warn(ngx_http_request_t *r,
    ngx_http_gate_balancer_t *balancer, ngx_http_gate_peer_t *peer);
static void ngx_http_gate_balancer_listen(ngx_http_request_t *r,
    const ngx_http_gate_balancer_t *balancer,
    ngx_http_gate_balancer_said_t *said);
static ngx_uint_t ngx_http_gate_balancer_is(const ngx_str_t *key,
    const ngx_str_t *name, ngx_uint_t *otherwise);
static ngx_int_t ngx_http_gate_balancer_read(ngx_http_request_t *r,
    ngx_http_gate_balancer_memo_t *memo);
static ngx_http_gate_balancer_memo_t *ngx_http_gate_balancer_memo(
    ngx_http_request_t *r, ngx_http_gate_balancer_t *balancer);
static void ngx_http_gate_balancer_cleanup(void *data);


char *
ngx_http_gate_balancer_conf(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_policy_t *policy = conf;

    char                      *rv;
    ngx_str_t                 *value;
    ngx_uint_t                 i;
    ngx_http_gate_balancer_t  *balancer;

    if (policy->balancer) {
        return "is duplicate";
    }

    value = cf->args->elts;
    balancer = ngx_http_gate_balancer_create(cf);

    if (balancer == NULL
        || ngx_http_gate_balancer_header(cf, &value[1], &balancer->name,
                                         "$http_client_cert")
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        rv = ngx_http_gate_balancer_parameter(cf, balancer, &value[i]);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    policy->balancer = balancer;

    return ngx_http_gate_balancer_complete(cf, balancer);
}


static ngx_http_gate_balancer_t *
ngx_http_gate_balancer_create(ngx_conf_t *cf)
{
    ngx_http_gate_balancer_t  *balancer;

    balancer = ngx_pcalloc(cf->pool, sizeof(ngx_http_gate_balancer_t));

    if (balancer == NULL
        || ngx_array_init(&balancer->trusted, cf->pool, 2, sizeof(ngx_cidr_t))
           != NGX_OK)
    {
        return NULL;
    }

    balancer->none.state = GATE_CERTIFICATE_NONE;

    balancer->twice.state = GATE_CERTIFICATE_INVALID;
    balancer->twice.error = "the certificate header came twice, or in another "
                            "spelling";

    balancer->large.state = GATE_CERTIFICATE_INVALID;
    balancer->large.error = gate_client_cert_error(GATE_CLIENT_CERT_LONG);

    return balancer;
}


/* $http_client_cert is the header Client-Cert */

static ngx_int_t
ngx_http_gate_balancer_header(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *header, const char *word)
{
    size_t  i;

    if (value->len > sizeof("$http_") - 1
        && ngx_strncmp(value->data, "$http_", sizeof("$http_") - 1) == 0)
    {
        header->data = value->data + sizeof("$http_") - 1;
        header->len = value->len - (sizeof("$http_") - 1);

        for (i = 0; i < header->len; i++) {
            if (!(header->data[i] >= 'a' && header->data[i] <= 'z')
                && !(header->data[i] >= '0' && header->data[i] <= '9')
                && header->data[i] != '_')
            {
                break;
            }
        }

        if (i == header->len) {
            return NGX_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"certificate_header\", it "
                       "must be nginx's variable of a header, such as \"%s\"",
                       value, word);

    return NGX_ERROR;
}


static char *
ngx_http_gate_balancer_parameter(ngx_conf_t *cf,
    ngx_http_gate_balancer_t *balancer, ngx_str_t *value)
{
    ngx_str_t  arg;

    if (ngx_strncmp(value->data, "trusted=", 8) == 0) {
        return ngx_http_gate_balancer_trust(cf, balancer, value->data + 8,
                                            value->data + value->len);
    }

    if (ngx_strncmp(value->data, "ca=", 3) == 0 && value->len > 3
        && balancer->ca.len == 0)
    {
        balancer->ca.data = value->data + 3;
        balancer->ca.len = value->len - 3;
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value->data, "chain=", 6) == 0
        && balancer->chain.len == 0)
    {
        arg.data = value->data + 6;
        arg.len = value->len - 6;

        return ngx_http_gate_balancer_header(cf, &arg, &balancer->chain,
                                             "$http_client_cert_chain")
               == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid or duplicate parameter \"%V\" in "
                       "\"certificate_header\"", value);

    return NGX_CONF_ERROR;
}


/* addresses, networks or "unix:", with commas between */

static char *
ngx_http_gate_balancer_trust(ngx_conf_t *cf,
    ngx_http_gate_balancer_t *balancer, u_char *p, u_char *last)
{
    u_char      *end;
    ngx_int_t    rc;
    ngx_str_t    one;
    ngx_cidr_t  *cidr;

    for ( /* void */ ; p <= last; p = end + 1) {

        end = ngx_strlchr(p, last, ',');
        end = end ? end : last;

        cidr = ngx_array_push(&balancer->trusted);
        if (cidr == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(cidr, sizeof(ngx_cidr_t));

        one.data = p;
        one.len = end - p;

#if (NGX_HAVE_UNIX_DOMAIN)
        if (one.len == 5 && ngx_strncmp(p, "unix:", 5) == 0) {
            cidr->family = AF_UNIX;
            continue;
        }
#endif

        rc = ngx_ptocidr(&one, cidr);

        if (rc == NGX_ERROR
            || (one.len > 2 && ngx_strncmp(end - 2, "/0", 2) == 0))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid \"trusted=%V\" in "
                               "\"certificate_header\", it must be addresses "
                               "or networks of load balancers, not all, or "
                               "\"unix:\"", &one);
            return NGX_CONF_ERROR;
        }

        if (rc == NGX_DONE) {
            ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                               "low address bits of %V are meaningless",
                               &one);
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gate_balancer_complete(ngx_conf_t *cf,
    ngx_http_gate_balancer_t *balancer)
{
    const char  *missing;

    missing = balancer->trusted.nelts == 0
              ? "\"trusted=\", whose header is believed"
              : balancer->ca.len == 0
              ? "\"ca=\", the CAs of the clients" : NULL;

    if (missing) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"certificate_header\" must have %s", missing);
        return NGX_CONF_ERROR;
    }

    balancer->cache = ngx_http_gate_forwarded_create(cf, &balancer->ca);

    return balancer->cache ? NGX_CONF_OK : NGX_CONF_ERROR;
}


X509_STORE *
ngx_http_gate_balancer_store(const ngx_http_gate_balancer_t *balancer)
{
    return balancer ? ngx_http_gate_forwarded_store(balancer->cache) : NULL;
}


ngx_int_t
ngx_http_gate_balancer_certificate(ngx_http_request_t *r,
    ngx_http_gate_balancer_t *balancer, ngx_connection_t *c,
    ngx_http_gate_peer_t *peer, ngx_http_gate_certificate_t **cert)
{
    ngx_http_gate_balancer_memo_t  *memo;

    if (!ngx_http_gate_balancer_trusted(balancer, c, peer)) {
        ngx_http_gate_balancer_warn(r, balancer, peer);
        return NGX_DECLINED;
    }

    memo = ngx_http_gate_balancer_memo(r, balancer);
    if (memo == NULL) {
        return NGX_ERROR;
    }

    if (memo->certificate == NULL
        && ngx_http_gate_balancer_read(r, memo) != NGX_OK)
    {
        return NGX_ERROR;
    }

    *cert = memo->certificate;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_gate_balancer_trusted(const ngx_http_gate_balancer_t *balancer,
    ngx_connection_t *c, ngx_http_gate_peer_t *peer)
{
    socklen_t  len;

    if (!peer->origin_known) {
        peer->origin_known = 1;
        len = sizeof(ngx_sockaddr_t);

        /* a connection of QUIC has no socket, and realip leaves it alone */

        if (c->type == SOCK_DGRAM) {
            ngx_memcpy(&peer->origin, c->sockaddr, ngx_min(c->socklen, len));

        } else if (getpeername(c->fd, &peer->origin.sockaddr, &len) == -1) {
            ngx_memzero(&peer->origin, sizeof(ngx_sockaddr_t));
        }
    }

    return ngx_cidr_match(&peer->origin.sockaddr,
                          (ngx_array_t *) &balancer->trusted)
           == NGX_OK;
}


/* once in a connection, and once in a second */

static void
ngx_http_gate_balancer_warn(ngx_http_request_t *r,
    ngx_http_gate_balancer_t *balancer, ngx_http_gate_peer_t *peer)
{
    ngx_http_gate_balancer_said_t  said;

    if (peer->origin_warned || balancer->warned == ngx_time()) {
        return;
    }

    ngx_http_gate_balancer_listen(r, balancer, &said);

    if (said.named == 0 && said.otherwise == 0) {
        return;
    }

    peer->origin_warned = 1;
    balancer->warned = ngx_time();

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "gate: a certificate header of who is not among the "
                  "\"trusted\" is ignored");
}


static void
ngx_http_gate_balancer_listen(ngx_http_request_t *r,
    const ngx_http_gate_balancer_t *balancer,
    ngx_http_gate_balancer_said_t *said)
{
    ngx_uint_t        i, chain;
    ngx_table_elt_t  *h;
    ngx_list_part_t  *part;

    ngx_memzero(said, sizeof(ngx_http_gate_balancer_said_t));

    said->n = 1;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            chain = 0;

            if (ngx_http_gate_balancer_is(&h[i].key, &balancer->name,
                                          &said->otherwise))
            {
                said->texts[0] = h[i].value;
                said->named++;

            } else if (ngx_http_gate_balancer_is(&h[i].key, &balancer->chain,
                                                 &said->otherwise))
            {
                chain = 1;

            } else {
                continue;
            }

            said->size += h[i].value.len;

            if (said->size > GATE_CLIENT_CERT_MAX
                || said->n + chain > NGX_HTTP_GATE_FORWARDED_TEXTS)
            {
                said->large = 1;

            } else if (chain) {
                said->texts[said->n++] = h[i].value;
            }
        }
    }
}


/* in another spelling it is not */

static ngx_uint_t
ngx_http_gate_balancer_is(const ngx_str_t *key, const ngx_str_t *name,
    ngx_uint_t *otherwise)
{
    u_char      ch;
    size_t      i;
    ngx_uint_t  other;

    if (key->len != name->len || name->len == 0) {
        return 0;
    }

    other = 0;

    for (i = 0; i < key->len; i++) {
        ch = ngx_tolower(key->data[i]);

        if (name->data[i] == '_' && ch != '-') {
            other |= ch == '_';
            ch = ch == '_' ? '_' : '\0';

        } else if (name->data[i] == '_') {
            ch = '_';
        }

        if (ch != name->data[i]) {
            return 0;
        }
    }

    *otherwise += other;

    return !other;
}


static ngx_int_t
ngx_http_gate_balancer_read(ngx_http_request_t *r,
    ngx_http_gate_balancer_memo_t *memo)
{
    ngx_http_gate_balancer_t       *balancer;
    ngx_http_gate_balancer_said_t   said;

    balancer = memo->balancer;
    ngx_http_gate_balancer_listen(r, balancer, &said);

    if (said.named > 1 || said.otherwise) {
        memo->certificate = &balancer->twice;
        return NGX_OK;
    }

    if (said.large) {
        memo->certificate = &balancer->large;
        return NGX_OK;
    }

    if (said.texts[0].len == 0) {
        memo->certificate = &balancer->none;
        return NGX_OK;
    }

    memo->forwarded = ngx_http_gate_forwarded_get(balancer->cache, said.texts,
                                                  said.n, ngx_time());
    if (memo->forwarded == NULL) {
        return NGX_ERROR;
    }

    memo->certificate = &memo->forwarded->certificate;

    return NGX_OK;
}


static ngx_http_gate_balancer_memo_t *
ngx_http_gate_balancer_memo(ngx_http_request_t *r,
    ngx_http_gate_balancer_t *balancer)
{
    ngx_pool_cleanup_t             *cln;
    ngx_http_gate_balancer_memo_t  *memo;

    for (cln = r->main->pool->cleanup; cln; cln = cln->next) {

        memo = cln->data;

        if (cln->handler == ngx_http_gate_balancer_cleanup
            && memo->balancer == balancer)
        {
            return memo;
        }
    }

    cln = ngx_pool_cleanup_add(r->main->pool,
                               sizeof(ngx_http_gate_balancer_memo_t));
    if (cln == NULL) {
        return NULL;
    }

    memo = cln->data;
    ngx_memzero(memo, sizeof(ngx_http_gate_balancer_memo_t));

    memo->balancer = balancer;
    cln->handler = ngx_http_gate_balancer_cleanup;

    return memo;
}


static void
ngx_http_gate_balancer_cleanup(void *data)
{
    ngx_http_gate_balancer_memo_t *memo = data;

    if (memo->forwarded) {
        ngx_http_gate_forwarded_release(memo->forwarded);
    }
}
