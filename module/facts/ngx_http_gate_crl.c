/*
 * What is in use: for each issuer the serial numbers that are revoked, sorted.
 * Whether a CRL is good, and in how far it can be taken, the file next to this
 * finds out, in a thread.
 *
 * A CRL belongs to who has signed it, not to a name: it counts for a chain only
 * if the CA there has the same name and the same key.  So it does no harm that
 * the CAs of all servers are asked whether one of them signed it.
 */


#include "ngx_http_gate_crl.h"

#include "gate_crl.h"


/* bytes: some hundred thousand entries */
#define NGX_HTTP_GATE_CRL_MAX  (32 * 1024 * 1024)


struct ngx_http_gate_crl_memo_s {
    ngx_http_gate_crl_memo_t  *next;
    const ngx_array_t         *files;
    ngx_uint_t                 generation;
    time_t                     begin;       /* what was found holds from */
    time_t                     end;         /* until */
    gate_crl_e                 state;
};


static void ngx_http_gate_crl_cleanup(void *data);
static void *ngx_http_gate_crl_make(void *data, const void *current,
    const u_char *text, size_t len, char *fault);
static void ngx_http_gate_crl_drop(void *thing);
static ngx_uint_t ngx_http_gate_crl_generation(const ngx_array_t *files);
static void ngx_http_gate_crl_chain(const ngx_array_t *files,
    STACK_OF(X509) *certs, time_t now, ngx_http_gate_crl_memo_t *memo,
    ngx_log_t *log);
static gate_crl_list_t *ngx_http_gate_crl_find(
    const ngx_array_t *files, X509 *ca, ngx_uint_t kind,
    ngx_http_gate_watch_t **watch);
static void ngx_http_gate_crl_expired(const ngx_http_gate_watch_t *watch,
    gate_crl_list_t *list, ngx_log_t *log);


static const ngx_http_gate_watch_kind_t  ngx_http_gate_crl_kind = {
    "CRL",
    NGX_HTTP_GATE_CRL_MAX,
    ngx_http_gate_crl_make,
    ngx_http_gate_crl_drop
};


ngx_int_t
ngx_http_gate_crl_init(ngx_conf_t *cf,
    ngx_http_gate_crl_authorities_t *authorities)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    authorities->certs = sk_X509_new_null();
    if (authorities->certs == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_gate_crl_cleanup;
    cln->data = authorities->certs;

    return NGX_OK;
}


static void
ngx_http_gate_crl_cleanup(void *data)
{
    sk_X509_pop_free(data, X509_free);
}


ngx_int_t
ngx_http_gate_crl_authorize(ngx_http_gate_crl_authorities_t *authorities,
    X509_STORE *store)
{
    int                     i;
    X509                   *x509;
    STACK_OF(X509_OBJECT)  *objects;

    objects = X509_STORE_get0_objects(store);

    for (i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        x509 = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));

        if (x509 == NULL) {
            continue;
        }

        if (sk_X509_push(authorities->certs, x509) == 0) {
            return NGX_ERROR;
        }

        X509_up_ref(x509);
    }

    return NGX_OK;
}


ngx_http_gate_watch_t *
ngx_http_gate_crl_add(ngx_conf_t *cf, ngx_array_t *watches, ngx_str_t *file,
    ngx_http_gate_crl_authorities_t *authorities)
{
    return ngx_http_gate_watch_add(cf, watches, file, &ngx_http_gate_crl_kind,
                                   authorities);
}


static void *
ngx_http_gate_crl_make(void *data, const void *current, const u_char *text,
    size_t len, char *fault)
{
    ngx_http_gate_crl_authorities_t *authorities = data;

    return gate_crl_read(authorities->certs, current, text, len, fault,
                         NGX_HTTP_GATE_WATCH_FAULT);
}


static void
ngx_http_gate_crl_drop(void *thing)
{
    gate_crl_close(thing);
}


gate_crl_e
ngx_http_gate_crl_look(const ngx_array_t *files, ngx_http_gate_chain_t *chain,
    time_t now, ngx_log_t *log)
{
    ngx_uint_t                 generation;
    ngx_http_gate_crl_memo_t  *memo, unkept;

    if (chain->certs == NULL) {
        return GATE_CRL_MISSING;
    }

    generation = ngx_http_gate_crl_generation(files);

    for (memo = chain->memos; memo; memo = memo->next) {
        if (memo->files == files) {
            break;
        }
    }

    if (memo && memo->generation == generation
        && now >= memo->begin && now <= memo->end)
    {
        return memo->state;
    }

    if (memo == NULL) {
        memo = ngx_palloc(chain->pool, sizeof(ngx_http_gate_crl_memo_t));

        if (memo) {
            memo->files = files;
            memo->next = chain->memos;
            chain->memos = memo;
        }
    }

    memo = memo ? memo : &unkept;
    memo->generation = generation;

    ngx_http_gate_crl_chain(files, chain->certs, now, memo, log);

    return memo->state;
}


/* each of them only grows */

static ngx_uint_t
ngx_http_gate_crl_generation(const ngx_array_t *files)
{
    ngx_uint_t               i, sum;
    ngx_http_gate_watch_t  **watches;

    sum = 0;
    watches = files->elts;

    for (i = 0; i < files->nelts; i++) {
        sum += watches[i]->generation;
    }

    return sum;
}


/* the anchor is trusted as it is, unless there is nobody else */

static void
ngx_http_gate_crl_chain(const ngx_array_t *files, STACK_OF(X509) *certs,
    time_t now, ngx_http_gate_crl_memo_t *memo, ngx_log_t *log)
{
    int                        i, last;
    X509                      *x509, *ca;
    gate_crl_e                 state;
    ngx_uint_t                 kind;
    ngx_http_gate_watch_t     *watch;
    gate_crl_list_t  *list;

    memo->state = GATE_CRL_GOOD;
    memo->begin = now;
    memo->end = NGX_MAX_TIME_T_VALUE;

    last = sk_X509_num(certs) - 1;

    for (i = 0; i == 0 || i < last; i++) {
        x509 = sk_X509_value(certs, i);
        ca = sk_X509_value(certs, i < last ? i + 1 : last);

        kind = i || (X509_get_extension_flags(x509) & EXFLAG_CA)
               ? GATE_CRL_CAS : GATE_CRL_USERS;

        list = ngx_http_gate_crl_find(files, ca, kind, &watch);

        if (list == NULL) {
            state = GATE_CRL_MISSING;

        } else if (gate_crl_revoked(list, x509)) {
            state = GATE_CRL_REVOKED;

        } else if (now > list->end) {
            state = GATE_CRL_EXPIRED;
            ngx_http_gate_crl_expired(watch, list, log);

        } else {
            state = GATE_CRL_GOOD;
            memo->end = ngx_min(memo->end, list->end);
        }

        memo->state = ngx_max(memo->state, state);
    }
}


/* the newest of this CA on certificates of this kind */

static gate_crl_list_t *
ngx_http_gate_crl_find(const ngx_array_t *files, X509 *ca, ngx_uint_t kind,
    ngx_http_gate_watch_t **watch)
{
    ngx_uint_t                  i;
    ngx_http_gate_watch_t     **watches;
    gate_crl_list_t   *list, *newest;

    newest = NULL;
    watches = files->elts;

    for (i = 0; i < files->nelts; i++) {

        if (watches[i]->thing == NULL) {
            continue;
        }

        list = gate_crl_newest(watches[i]->thing, ca, kind);

        if (list && (newest == NULL || list->begin > newest->begin)) {
            newest = list;
            *watch = watches[i];
        }
    }

    return newest;
}


ngx_int_t
ngx_http_gate_crl_tell(const ngx_http_gate_watch_t *watch,
    ngx_http_gate_crl_told_t *told)
{
    size_t             i;
    const gate_crl_t  *crl;

    crl = watch->thing;

    if (watch->kind != &ngx_http_gate_crl_kind || crl == NULL || crl->n == 0) {
        return NGX_DECLINED;
    }

    told->entries = 0;
    told->updated = crl->lists[0].begin;
    told->next = crl->lists[0].end;

    for (i = 0; i < crl->n; i++) {
        told->entries += crl->lists[i].serials.n;
        told->updated = ngx_min(told->updated, crl->lists[i].begin);
        told->next = ngx_min(told->next, crl->lists[i].end);
    }

    return NGX_OK;
}


void
ngx_http_gate_crl_warn(const ngx_http_gate_watch_t *watch, time_t now,
    ngx_log_t *log)
{
    size_t                i;
    gate_crl_t  *crl;

    crl = watch->thing;

    for (i = 0; i < crl->n; i++) {
        if (now > crl->lists[i].end) {
            ngx_http_gate_crl_expired(watch, &crl->lists[i], log);
        }
    }
}


static void
ngx_http_gate_crl_expired(const ngx_http_gate_watch_t *watch,
    gate_crl_list_t *list, ngx_log_t *log)
{
    char  name[GATE_CRL_NAME];

    if (list->told) {
        return;
    }

    list->told = 1;

    gate_crl_name(X509_get_subject_name(list->issuer), name);

    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "gate: the CRL of \"%s\" in \"%V\" has expired", name,
                  &watch->file);
}
