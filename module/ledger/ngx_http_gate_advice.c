/*
 * INFO's lines are "name:value", CONFIG GET's reply is a name and a value.
 */


#include "ngx_http_gate_advice.h"


static void ngx_http_gate_advice_memory(void *data, redisReply *reply);
static void ngx_http_gate_advice_save(void *data, redisReply *reply);
static ngx_int_t ngx_http_gate_advice_find(redisReply *reply,
    const char *name, ngx_str_t *value);


void
ngx_http_gate_advice_ask(ngx_http_gate_redis_t *redis, ngx_log_t *log)
{
    static const ngx_str_t  memory[] = {
        ngx_string("INFO"), ngx_string("memory")
    };
    static const ngx_str_t  save[] = {
        ngx_string("CONFIG"), ngx_string("GET"), ngx_string("[as][ap][pv]e*")
    };

    (void) ngx_http_gate_redis_ask_each(redis, 0, 2, memory,
                                        ngx_http_gate_advice_memory, log);
    (void) ngx_http_gate_redis_ask_each(redis, 0, 3, save,
                                        ngx_http_gate_advice_save, log);
}


static void
ngx_http_gate_advice_memory(void *data, redisReply *reply)
{
    ngx_log_t  *log = data;

    ngx_str_t   most, policy;

    if (ngx_http_gate_advice_find(reply, "maxmemory:", &most) != NGX_OK
        || ngx_http_gate_advice_find(reply, "maxmemory_policy:", &policy)
           != NGX_OK
        || (most.len == 1 && most.data[0] == '0')
        || ngx_strncmp(policy.data, "noeviction", sizeof("noeviction") - 1)
           == 0)
    {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "gate: redis may evict counts: its \"maxmemory-policy\" is "
                  "\"%*s\", it should be \"noeviction\"",
                  ngx_min(policy.len, 32), policy.data);
}


static ngx_int_t
ngx_http_gate_advice_find(redisReply *reply, const char *name,
    ngx_str_t *value)
{
    u_char  *p, *last;
    size_t   len;

    if (reply == NULL || reply->type != REDIS_REPLY_STRING) {
        return NGX_DECLINED;
    }

    len = ngx_strlen(name);
    p = (u_char *) reply->str;
    last = p + reply->len;

    while ((size_t) (last - p) > len) {

        if (ngx_strncmp(p, name, len) == 0) {
            value->data = p + len;

            for (p += len; p < last && *p != CR; p++) { /* void */ }

            value->len = p - value->data;
            return NGX_OK;
        }

        p = ngx_strlchr(p, last, LF);
        if (p == NULL) {
            return NGX_DECLINED;
        }

        p++;
    }

    return NGX_DECLINED;
}


/* neither snapshots ("save") nor a log ("appendonly") */

static void
ngx_http_gate_advice_save(void *data, redisReply *reply)
{
    ngx_log_t  *log = data;

    size_t       i;
    ngx_uint_t   asked, kept;
    redisReply  *name, *value;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
        return;
    }

    asked = 0;
    kept = 0;

    for (i = 0; i + 1 < reply->elements; i += 2) {
        name = reply->element[i];
        value = reply->element[i + 1];

        if (name == NULL || name->type != REDIS_REPLY_STRING
            || value == NULL || value->type != REDIS_REPLY_STRING)
        {
            return;
        }

        if (ngx_strcmp(name->str, "save") == 0) {
            asked++;
            kept += value->len > 0;

        } else if (ngx_strcmp(name->str, "appendonly") == 0) {
            asked++;
            kept += ngx_strcmp(value->str, "no") != 0;
        }
    }

    if (asked == 2 && kept == 0) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "gate: redis keeps nothing on disk, for \"save\" and "
                      "\"appendonly\" are off: when it restarts, it knows "
                      "only what its nodes still know");
    }
}
