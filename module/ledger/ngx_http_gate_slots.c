/*
 * CRC16 is that of XMODEM: polynomial 1021, from 0, not reflected.
 */


#include "ngx_http_gate_slots.h"


static uint16_t ngx_http_gate_slot_crc16(const u_char *p, size_t len);


ngx_uint_t
ngx_http_gate_slot(const ngx_str_t *key)
{
    u_char  *open, *close, *last;

    last = key->data + key->len;
    open = ngx_strlchr(key->data, last, '{');
    close = open ? ngx_strlchr(open + 1, last, '}') : NULL;

    if (close && close > open + 1) {
        return ngx_http_gate_slot_crc16(open + 1, close - open - 1)
               % NGX_HTTP_GATE_SLOTS;
    }

    return ngx_http_gate_slot_crc16(key->data, key->len)
           % NGX_HTTP_GATE_SLOTS;
}


void
ngx_http_gate_slot_tags(uint32_t *tags)
{
    u_char      text[NGX_INT32_LEN];
    uint32_t    n;
    ngx_uint_t  slot, left;

    for (slot = 0; slot < NGX_HTTP_GATE_SLOTS; slot++) {
        tags[slot] = 0;
    }

    left = NGX_HTTP_GATE_SLOTS;

    for (n = 1; left; n++) {
        slot = ngx_http_gate_slot_crc16(text, ngx_sprintf(text, "%uD", n)
                                              - text)
               % NGX_HTTP_GATE_SLOTS;

        if (tags[slot] == 0) {
            tags[slot] = n;
            left--;
        }
    }
}


static uint16_t
ngx_http_gate_slot_crc16(const u_char *p, size_t len)
{
    uint16_t    crc;
    ngx_uint_t  bit;

    crc = 0;

    while (len--) {
        crc ^= (uint16_t) (*p++ << 8);

        for (bit = 0; bit < 8; bit++) {
            crc = (uint16_t) (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1);
        }
    }

    return crc;
}
