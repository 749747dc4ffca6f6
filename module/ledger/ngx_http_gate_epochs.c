/*
 * A table of few entries, walked through.
 */


#include "ngx_http_gate_epochs.h"


static const ngx_http_gate_epoch_t *ngx_http_gate_epochs_find(
    const ngx_http_gate_epochs_t *epochs, uint64_t server);
static ngx_http_gate_epoch_t *ngx_http_gate_epochs_add(
    ngx_http_gate_epochs_t *epochs, uint64_t server);


ngx_uint_t
ngx_http_gate_epochs_late(const ngx_http_gate_epochs_t *epochs,
    uint64_t server, uint64_t id, ngx_msec_t asked)
{
    const ngx_http_gate_epoch_t  *epoch;

    epoch = ngx_http_gate_epochs_find(epochs, server);

    return epoch && epoch->id != id
           && (ngx_msec_int_t) (asked - epoch->learned) <= 0;
}


ngx_uint_t
ngx_http_gate_epochs_enter(ngx_http_gate_epochs_t *epochs, uint64_t server,
    uint64_t id, ngx_msec_t asked)
{
    ngx_http_gate_epoch_t  *epoch;

    epoch = (ngx_http_gate_epoch_t *)
                ngx_http_gate_epochs_find(epochs, server);

    if (epoch == NULL) {
        epoch = ngx_http_gate_epochs_add(epochs, server);
        epoch->learned = asked;
        epoch->marked = asked;
        epoch->marks = 0;

    } else if ((ngx_msec_int_t) (asked - epoch->learned) > 0) {
        epoch->learned = asked;
    }

    if (epoch->id == id) {
        return 0;
    }

    epoch->id = id;
    epochs->era++;

    return 1;
}


ngx_uint_t
ngx_http_gate_epochs_current(const ngx_http_gate_epochs_t *epochs,
    uint64_t id)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_GATE_PRIMARIES; i++) {
        if (epochs->table[i].id == id) {
            return id != 0;
        }
    }

    return 0;
}


uint32_t
ngx_http_gate_epochs_mark(ngx_http_gate_epochs_t *epochs, uint64_t server,
    uint32_t marks, ngx_msec_t asked)
{
    uint32_t                sum;
    ngx_uint_t              i;
    ngx_http_gate_epoch_t  *epoch;

    sum = marks;

    for (i = 0; i < NGX_HTTP_GATE_PRIMARIES; i++) {
        epoch = &epochs->table[i];

        if (epoch->id == 0) {
            continue;
        }

        if (epoch->server != server) {
            sum += epoch->marks;

        } else if ((ngx_msec_int_t) (asked - epoch->marked) >= 0) {
            epoch->marks = marks;
            epoch->marked = asked;
        }
    }

    return sum;
}


static const ngx_http_gate_epoch_t *
ngx_http_gate_epochs_find(const ngx_http_gate_epochs_t *epochs,
    uint64_t server)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_GATE_PRIMARIES; i++) {
        if (epochs->table[i].id && epochs->table[i].server == server) {
            return &epochs->table[i];
        }
    }

    return NULL;
}


/* a server that makes room is told again if it comes back */

static ngx_http_gate_epoch_t *
ngx_http_gate_epochs_add(ngx_http_gate_epochs_t *epochs, uint64_t server)
{
    ngx_uint_t              i;
    ngx_http_gate_epoch_t  *epoch;

    for (i = 0; i < NGX_HTTP_GATE_PRIMARIES && epochs->table[i].id; i++) {
        /* void */
    }

    if (i == NGX_HTTP_GATE_PRIMARIES) {
        i = epochs->hand++ % NGX_HTTP_GATE_PRIMARIES;
    }

    epoch = &epochs->table[i];
    epoch->server = server;
    epoch->id = 0;

    return epoch;
}
