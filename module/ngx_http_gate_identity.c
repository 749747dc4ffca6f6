/*
 * The headers of a request are not changed, it gets a list of its own whose
 * parts leave out what the client must not say.  No header is moved, since
 * nginx and its modules point to them, and nothing is added to a part that a
 * request shares with its subrequests.
 *
 * Two names are the same if their letters and digits are.  Backends fold them
 * in their own ways: to CGI "X-Auth-User" and "x_auth_user" are one name, and
 * often "X.Auth.User" is, too.
 */


#include "ngx_http_gate_identity.h"


typedef struct {
    ngx_str_t                    name;      /* as written */
    u_char                      *lowcase;
    ngx_uint_t                   hash;
    ngx_str_t                    folded;    /* its letters and digits */
    ngx_http_complex_value_t     value;
    ngx_int_t                    index;     /* of the variable $http_... */
} ngx_http_gate_identity_t;


static ngx_int_t ngx_http_gate_identity_name(ngx_conf_t *cf, ngx_str_t *name,
    ngx_http_gate_identity_t *identity);
static ngx_int_t ngx_http_gate_identity_variable(ngx_conf_t *cf,
    ngx_str_t *name);
static ngx_uint_t ngx_http_gate_identity_token(const ngx_str_t *name);
static const char *ngx_http_gate_identity_reserved(const ngx_str_t *folded);
static u_char *ngx_http_gate_identity_fold(u_char *dst, const u_char *src,
    size_t len);
static ngx_uint_t ngx_http_gate_identity_is(const ngx_str_t *folded,
    const u_char *text, size_t len);
static ngx_uint_t ngx_http_gate_identity_listed(const ngx_array_t *identities,
    const u_char *text, size_t len);
static ngx_int_t ngx_http_gate_identity_values(ngx_http_request_t *r,
    ngx_array_t *identities, ngx_list_part_t *own);
static ngx_uint_t ngx_http_gate_identity_clean(ngx_http_request_t *r,
    const ngx_http_gate_identity_t *identity, const ngx_str_t *value);
static ngx_int_t ngx_http_gate_identity_list(ngx_http_request_t *r,
    ngx_array_t *identities, const ngx_list_part_t *own);
static ngx_uint_t ngx_http_gate_identity_runs(ngx_list_part_t *part,
    const ngx_array_t *identities, ngx_list_part_t *runs);
static ngx_int_t ngx_http_gate_identity_hops(ngx_http_request_t *r,
    ngx_array_t *identities);
static ngx_int_t ngx_http_gate_identity_hop(ngx_http_request_t *r,
    ngx_array_t *identities, ngx_table_elt_t *h);
static void ngx_http_gate_identity_forget(ngx_http_request_t *r,
    ngx_int_t index);


char *
ngx_http_gate_identity_conf(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_policy_t *policy = conf;

    ngx_str_t                         *value, connection;
    const char                        *reserved;
    ngx_http_gate_identity_t           identity, *slot;
    ngx_http_compile_complex_value_t   ccv;

    value = cf->args->elts;

    if (policy->identities.elts == NULL
        && ngx_array_init(&policy->identities, cf->pool, 2,
                          sizeof(ngx_http_gate_identity_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_http_gate_identity_name(cf, &value[1], &identity) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    reserved = ngx_http_gate_identity_reserved(&identity.folded);

    if (reserved) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" in \"identity_header\" is the header "
                           "\"%s\", which nginx itself uses, choose another "
                           "name, or set it by \"proxy_set_header\"",
                           &value[1], reserved);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_gate_identity_listed(&policy->identities, value[1].data,
                                      value[1].len))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate \"identity_header\" \"%V\": a name with "
                           "the same letters and digits is there already",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[2];
    ccv.complex_value = &identity.value;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    identity.index = ngx_http_gate_identity_variable(cf, &value[1]);

    ngx_str_set(&connection, "http_connection");
    policy->connection = ngx_http_get_variable_index(cf, &connection);

    slot = ngx_array_push(&policy->identities);

    if (identity.index == NGX_ERROR || policy->connection == NGX_ERROR
        || slot == NULL)
    {
        return NGX_CONF_ERROR;
    }

    *slot = identity;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_gate_identity_name(ngx_conf_t *cf, ngx_str_t *name,
    ngx_http_gate_identity_t *identity)
{
    ngx_memzero(identity, sizeof(ngx_http_gate_identity_t));

    identity->name = *name;

    identity->lowcase = ngx_pnalloc(cf->pool, 2 * name->len + 1);
    if (identity->lowcase == NULL) {
        return NGX_ERROR;
    }

    identity->hash = ngx_hash_strlow(identity->lowcase, name->data, name->len);

    identity->folded.data = identity->lowcase + name->len;
    identity->folded.len =
                    ngx_http_gate_identity_fold(identity->folded.data,
                                                name->data, name->len)
                    - identity->folded.data;

    if (ngx_http_gate_identity_token(name) && identity->folded.len) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid name \"%V\" in \"identity_header\", it must "
                       "be that of a header, such as \"X-Auth-User\"", name);

    return NGX_ERROR;
}


/* $http_..., which may have been evaluated before it is replaced */

static ngx_int_t
ngx_http_gate_identity_variable(ngx_conf_t *cf, ngx_str_t *name)
{
    size_t     i;
    ngx_str_t  variable;

    variable.len = sizeof("http_") - 1 + name->len;
    variable.data = ngx_pnalloc(cf->pool, variable.len);
    if (variable.data == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(variable.data, "http_%V", name);

    for (i = 0; i < variable.len; i++) {
        variable.data[i] = variable.data[i] == '-'
                           ? '_' : ngx_tolower(variable.data[i]);
    }

    return ngx_http_get_variable_index(cf, &variable);
}


/* RFC 9110 5.6.2 */

static ngx_uint_t
ngx_http_gate_identity_token(const ngx_str_t *name)
{
    size_t  i;
    u_char  ch;

    for (i = 0; i < name->len; i++) {
        ch = name->data[i];

        if (!(ch >= '0' && ch <= '9')
            && !(ngx_tolower(ch) >= 'a' && ngx_tolower(ch) <= 'z')
            && (ch == '\0' || ngx_strchr("!#$%&'*+-.^_`|~", ch) == NULL))
        {
            return 0;
        }
    }

    return 1;
}


/*
 * Those that nginx keeps pointers to, and those of one hop: the name as it is
 * usually written, or NULL.
 */

static const char *
ngx_http_gate_identity_reserved(const ngx_str_t *folded)
{
    ngx_uint_t          i;
    ngx_http_header_t  *h;

    static const char *const  hops[] = { "Trailer", "HTTP2-Settings" };

    for (h = ngx_http_headers_in; h->name.len; h++) {
        if (ngx_http_gate_identity_is(folded, h->name.data, h->name.len)) {
            return (const char *) h->name.data;
        }
    }

    for (i = 0; i < sizeof(hops) / sizeof(hops[0]); i++) {
        if (ngx_http_gate_identity_is(folded, (const u_char *) hops[i],
                                      ngx_strlen(hops[i])))
        {
            return hops[i];
        }
    }

    return NULL;
}


static u_char *
ngx_http_gate_identity_fold(u_char *dst, const u_char *src, size_t len)
{
    u_char  ch;

    while (len--) {
        ch = ngx_tolower(*src);
        src++;

        if ((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9')) {
            *dst++ = ch;
        }
    }

    return dst;
}


static ngx_uint_t
ngx_http_gate_identity_is(const ngx_str_t *folded, const u_char *text,
    size_t len)
{
    u_char  ch, *p, *last;

    p = folded->data;
    last = folded->data + folded->len;

    while (len--) {
        ch = ngx_tolower(*text);
        text++;

        if ((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9')) {
            if (p == last || *p++ != ch) {
                return 0;
            }
        }
    }

    return p == last;
}


static ngx_uint_t
ngx_http_gate_identity_listed(const ngx_array_t *identities,
    const u_char *text, size_t len)
{
    ngx_uint_t                 i;
    ngx_http_gate_identity_t  *identity;

    identity = identities->elts;

    for (i = 0; i < identities->nelts; i++) {
        if (ngx_http_gate_identity_is(&identity[i].folded, text, len)) {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_gate_identity_set(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_uint_t                 i;
    ngx_array_t               *identities;
    ngx_list_part_t            own;
    ngx_http_gate_identity_t  *identity;

    identities = &ctx->policy->identities;
    identity = identities->elts;

    if (identities->nelts == 0) {
        return NGX_OK;
    }

    ngx_memzero(&own, sizeof(ngx_list_part_t));

    if ((!ctx->denied
         && ngx_http_gate_identity_values(r, identities, &own) != NGX_OK)
        || ngx_http_gate_identity_list(r, identities, &own) != NGX_OK
        || ngx_http_gate_identity_hops(r, identities) != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < identities->nelts; i++) {
        ngx_http_gate_identity_forget(r, identity[i].index);
    }

    ngx_http_gate_identity_forget(r, ctx->policy->connection);

    return NGX_OK;
}


/* a value may be made of what the client has sent, so it is taken first */

static ngx_int_t
ngx_http_gate_identity_values(ngx_http_request_t *r, ngx_array_t *identities,
    ngx_list_part_t *own)
{
    ngx_str_t                  value;
    ngx_uint_t                 i;
    ngx_table_elt_t           *h;
    ngx_http_gate_identity_t  *identity;

    h = ngx_pcalloc(r->pool, identities->nelts * sizeof(ngx_table_elt_t));
    if (h == NULL) {
        return NGX_ERROR;
    }

    own->elts = h;
    identity = identities->elts;

    for (i = 0; i < identities->nelts; i++) {

        if (ngx_http_complex_value(r, &identity[i].value, &value) != NGX_OK) {
            return NGX_ERROR;
        }

        if (value.len == 0
            || !ngx_http_gate_identity_clean(r, &identity[i], &value))
        {
            continue;
        }

        h->hash = identity[i].hash;
        h->key = identity[i].name;
        h->lowcase_key = identity[i].lowcase;
        h->value = value;

        own->nelts++;
        h++;
    }

    return NGX_OK;
}


/* RFC 9110 5.5 */

static ngx_uint_t
ngx_http_gate_identity_clean(ngx_http_request_t *r,
    const ngx_http_gate_identity_t *identity, const ngx_str_t *value)
{
    size_t  i;

    for (i = 0; i < value->len; i++) {
        if ((value->data[i] < 0x20 && value->data[i] != '\t')
            || value->data[i] == 0x7f)
        {
            ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                          "gate: the value of \"identity_header\" \"%V\" has "
                          "a control character, it is not sent",
                          &identity->name);
            return 0;
        }
    }

    return 1;
}


static ngx_int_t
ngx_http_gate_identity_list(ngx_http_request_t *r, ngx_array_t *identities,
    const ngx_list_part_t *own)
{
    ngx_uint_t        i, n;
    ngx_list_t       *list;
    ngx_list_part_t  *runs;

    list = &r->headers_in.headers;

    n = ngx_http_gate_identity_runs(&list->part, identities, NULL);

    /* the last is for what is pushed when there is nothing else */

    runs = ngx_pcalloc(r->pool, (n + 2) * sizeof(ngx_list_part_t));
    if (runs == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_http_gate_identity_runs(&list->part, identities, runs);

    if (own->nelts) {
        runs[n++] = *own;
    }

    if (n == 0) {
        return ngx_list_init(list, r->pool, 4, sizeof(ngx_table_elt_t));
    }

    for (i = 0; i + 1 < n; i++) {
        runs[i].next = &runs[i + 1];
    }

    /* the first is in the list itself, and nothing is pushed into any */

    list->part = runs[0];
    list->last = n == 1 ? &list->part : &runs[n - 1];
    list->nalloc = list->last->nelts;
    list->size = sizeof(ngx_table_elt_t);
    list->pool = r->pool;

    return NGX_OK;
}


/* what stays, in runs of headers that lie side by side; how many, none empty */

static ngx_uint_t
ngx_http_gate_identity_runs(ngx_list_part_t *part,
    const ngx_array_t *identities, ngx_list_part_t *runs)
{
    ngx_uint_t        i, n, run;
    ngx_table_elt_t  *h;

    n = 0;

    for ( /* void */ ; part; part = part->next) {
        h = part->elts;
        run = 0;

        for (i = 0; i < part->nelts; i++) {

            if (ngx_http_gate_identity_listed(identities, h[i].key.data,
                                              h[i].key.len))
            {
                run = 0;
                continue;
            }

            if (run == 0 && runs) {
                runs[n].elts = &h[i];
            }

            n += run == 0;
            run = 1;

            if (runs) {
                runs[n - 1].nelts++;
            }
        }
    }

    return n;
}


/*
 * RFC 9110 7.6.1: who gets a Connection header drops what it names; so it must
 * not name what the gate says.
 */

static ngx_int_t
ngx_http_gate_identity_hops(ngx_http_request_t *r, ngx_array_t *identities)
{
    ngx_uint_t        i;
    ngx_table_elt_t  *h;
    ngx_list_part_t  *part;

    static const ngx_str_t  names[] = { ngx_string("connection"),
                                        ngx_string("proxyconnection") };

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if ((ngx_http_gate_identity_is(&names[0], h[i].key.data,
                                           h[i].key.len)
                 || ngx_http_gate_identity_is(&names[1], h[i].key.data,
                                              h[i].key.len))
                && ngx_http_gate_identity_hop(r, identities, &h[i]) != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_identity_hop(ngx_http_request_t *r, ngx_array_t *identities,
    ngx_table_elt_t *h)
{
    u_char     *p, *end, *last;
    ngx_str_t   value;

    value.data = ngx_pnalloc(r->pool, h->value.len + 1);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = 0;
    last = h->value.data + h->value.len;

    for (p = h->value.data; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, ',');
        end = end ? end : last;

        if (ngx_http_gate_identity_listed(identities, p, end - p)) {
            continue;
        }

        if (value.len) {
            value.data[value.len++] = ',';
        }

        ngx_memcpy(value.data + value.len, p, end - p);
        value.len += end - p;
    }

    value.data[value.len] = '\0';
    h->value = value;

    return NGX_OK;
}


static void
ngx_http_gate_identity_forget(ngx_http_request_t *r, ngx_int_t index)
{
    r->variables[index].valid = 0;
    r->variables[index].not_found = 0;
}
