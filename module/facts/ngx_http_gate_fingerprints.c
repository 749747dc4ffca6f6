/*
 * A set of digests that is made anew when its file changes.  A file that is
 * empty is a list of nobody, and one with a line that cannot be read is none.
 */


#include "ngx_http_gate_fingerprints.h"


/* bytes: some hundred thousand certificates, with remarks */
#define NGX_HTTP_GATE_FINGERPRINTS_MAX  (64 * 1024 * 1024)


static void *ngx_http_gate_fingerprints_make(void *data, const void *current,
    const u_char *text, size_t len, char *fault);
static void ngx_http_gate_fingerprints_drop(void *thing);


static const ngx_http_gate_watch_kind_t  ngx_http_gate_fingerprints_kind = {
    "list of fingerprints",
    NGX_HTTP_GATE_FINGERPRINTS_MAX,
    ngx_http_gate_fingerprints_make,
    ngx_http_gate_fingerprints_drop
};


ngx_http_gate_watch_t *
ngx_http_gate_fingerprints_add(ngx_conf_t *cf, ngx_array_t *watches,
    ngx_str_t *file)
{
    return ngx_http_gate_watch_add(cf, watches, file,
                                   &ngx_http_gate_fingerprints_kind, NULL);
}


ngx_uint_t
ngx_http_gate_fingerprints_have(const ngx_http_gate_watch_t *watch,
    const u_char digest[GATE_DIGEST])
{
    return watch->thing && gate_digests_have(watch->thing, digest);
}


ngx_int_t
ngx_http_gate_fingerprints_tell(const ngx_http_gate_watch_t *watch, size_t *n)
{
    const gate_digests_t  *set;

    set = watch->thing;

    if (watch->kind != &ngx_http_gate_fingerprints_kind || set == NULL) {
        return NGX_DECLINED;
    }

    *n = set->n;

    return NGX_OK;
}


static void *
ngx_http_gate_fingerprints_make(void *data, const void *current,
    const u_char *text, size_t len, char *fault)
{
    long             line;
    gate_digests_t  *set;

    (void) data;
    (void) current;

    set = malloc(sizeof(gate_digests_t));

    line = set ? gate_digests_read(set, text, len) : -1;

    if (line == 0) {
        return set;
    }

    free(set);

    if (line < 0) {
        (void) snprintf(fault, NGX_HTTP_GATE_WATCH_FAULT,
                        "does not fit into memory");

    } else {
        (void) snprintf(fault, NGX_HTTP_GATE_WATCH_FAULT,
                        "is wrong in line %ld: it must be a SHA-256 "
                        "fingerprint, 64 hex digits", line);
    }

    return NULL;
}


static void
ngx_http_gate_fingerprints_drop(void *thing)
{
    gate_digests_close(thing);
    free(thing);
}
