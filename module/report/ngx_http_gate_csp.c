/*
 * Content-Security-Policy of pages that are built in: one style, and at most
 * one script, each in a tag without attributes.
 */


#include "ngx_http_gate_csp.h"

#include <openssl/sha.h>


/* "</" of the longest name, ">" */
#define NGX_HTTP_GATE_CSP_TAG  sizeof("</script>")


ngx_int_t
ngx_http_gate_csp_hash(ngx_conf_t *cf, const ngx_str_t *html, const char *tag,
    ngx_str_t *hash)
{
    u_char     *begin, *end;
    u_char      opening[NGX_HTTP_GATE_CSP_TAG], closing[NGX_HTTP_GATE_CSP_TAG];
    u_char      digest[SHA256_DIGEST_LENGTH];
    ngx_str_t   raw, text;

    static const char  method[] = "sha256-";

    ngx_snprintf(opening, sizeof(opening), "<%s>%Z", tag);
    ngx_snprintf(closing, sizeof(closing), "</%s>%Z", tag);

    begin = ngx_strnstr(html->data, (char *) opening, html->len);
    end = ngx_strnstr(html->data, (char *) closing, html->len);

    if (begin == NULL || end == NULL) {
        ngx_log_error(NGX_LOG_ALERT, cf->log, 0,
                      "gate: a page that is built in has no %s", opening);
        return NGX_ERROR;
    }

    begin += ngx_strlen(opening);
    SHA256(begin, end - begin, digest);

    raw.data = digest;
    raw.len = SHA256_DIGEST_LENGTH;

    hash->data = ngx_pnalloc(cf->pool, sizeof(method) - 1
                            + ngx_base64_encoded_length(SHA256_DIGEST_LENGTH));
    if (hash->data == NULL) {
        return NGX_ERROR;
    }

    text.data = ngx_cpymem(hash->data, method, sizeof(method) - 1);
    ngx_encode_base64(&text, &raw);

    hash->len = sizeof(method) - 1 + text.len;

    return NGX_OK;
}
