/*
 * Values of nginx.conf, those that variables may have at run time among them:
 * limits, windows, offsets, days, countries.  What is read of them is within what
 * its users rely on, whatever the text was.
 */


#include "ngx_http_gate_conf_quota.c"
#include "ngx_http_gate_familiar.c"
#include "gate_country.h"


/* nobody reads why */

void
ngx_conf_log_error(ngx_uint_t level, ngx_conf_t *cf, ngx_err_t err,
    const char *fmt, ...)
{
    (void) level;
    (void) cf;
    (void) err;
    (void) fmt;
}


static void
values_limit(const ngx_str_t *text)
{
    uint64_t  limit;

    if (ngx_http_gate_conf_limit(text, &limit) == NGX_OK
        && limit > GATE_LIMIT_MAX && limit != GATE_UNBOUNDED)
    {
        abort();
    }
}


static void
values_slot(const gate_window_t *window, int64_t now)
{
    gate_slot_t  slot;

    gate_window_slot(window, now, &slot);

    if (slot.oldest > slot.start || slot.start > now || slot.end <= now) {
        abort();
    }

    /* what counts is no shorter than what was promised, and a slot at most more */

    if (window->per == GATE_PER_TIME
        && (slot.width <= 0 || slot.end - slot.oldest < window->length))
    {
        abort();
    }

    if (window->per != GATE_PER_TIME
        && gate_window_opens(window, slot.start) != slot.start)
    {
        abort();
    }
}


static void
values_window(ngx_str_t *text)
{
    u_char         *p;
    ngx_str_t       offset;
    gate_window_t   window;

    ngx_memzero(&window, sizeof(gate_window_t));

    offset = *text;
    p = memchr(text->data, ' ', text->len);

    if (p) {
        text->len = p - text->data;
        offset.len -= text->len + 1;
        offset.data = p + 1;
    }

    if (ngx_http_gate_conf_quota_window(NULL, text, &window) != NGX_CONF_OK
        || (p && ngx_http_gate_conf_quota_offset(NULL, &offset, &window)
                 != NGX_CONF_OK))
    {
        return;
    }

    values_slot(&window, 86400);
    values_slot(&window, 1795507549);
    values_slot(&window, 4102444800);
}


static void
values_days(ngx_str_t *text)
{
    ngx_int_t  days;

    days = ngx_http_gate_familiar_days(text);

    if (days != NGX_ERROR
        && (days < 0 || days > NGX_HTTP_GATE_FAMILIAR_LONG))
    {
        abort();
    }
}


static void
values_countries(const char *text, size_t len)
{
    size_t            n, i;
    gate_country_t   *list;
    gate_countries_t  countries;

    list = malloc(gate_country_room(len) * sizeof(gate_country_t));
    if (list == NULL) {
        return;
    }

    if (gate_country_list(text, len, list, &n) == 0) {

        if (n > gate_country_room(len)) {
            abort();
        }

        countries.elts = list;
        countries.nelts = n;

        for (i = 0; i < n; i++) {
            if (!gate_country_refused(NULL, &countries, &list[i])) {
                abort();
            }
        }

        (void) gate_country_listed(&countries, "JP", "AS");
        (void) gate_country_listed(&countries, "\0\0", "\0\0");
    }

    free(list);
}


int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* the first byte says what the rest, in a block of just its size, is a value of */

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    ngx_str_t  text;

    if (size == 0) {
        return 0;
    }

    text.len = size - 1;
    text.data = malloc(text.len ? text.len : 1);
    if (text.data == NULL) {
        return 0;
    }

    memcpy(text.data, data + 1, text.len);

    switch (data[0]) {

    case 'l':
        values_limit(&text);
        break;

    case 'w':
        values_window(&text);
        break;

    case 'd':
        values_days(&text);
        break;

    default:
        values_countries((char *) text.data, text.len);
    }

    free(text.data);

    return 0;
}
