/*
 * What an event is, and how it is written: one line of JSON whose fields are
 * those of the Elastic Common Schema, and "gate." in front of what that has no
 * word for.
 */


#ifndef NGX_HTTP_GATE_EVENT_H_INCLUDED
#define NGX_HTTP_GATE_EVENT_H_INCLUDED


#include <ngx_config.h>
#include <ngx_core.h>


/* of one event, at most, with its chain and line feed */
#define NGX_HTTP_GATE_EVENT_MAX     12288

/* of one text of it, with its name */
#define NGX_HTTP_GATE_EVENT_FIELD   1280

/* quotas that one tells of */
#define NGX_HTTP_GATE_EVENT_QUOTAS  32


typedef enum {
    NGX_HTTP_GATE_EVENT_REFUSED = 0,
    NGX_HTTP_GATE_EVENT_WOULD_REFUSE,   /* had it not been a dry run */
    NGX_HTTP_GATE_EVENT_DOWNLOAD,
    NGX_HTTP_GATE_EVENT_REQUEST,        /* passed, and has a notice */
    NGX_HTTP_GATE_EVENT_REDIS_LOST,
    NGX_HTTP_GATE_EVENT_REDIS_BACK,
    NGX_HTTP_GATE_EVENT_FILE_RELOADED,
    NGX_HTTP_GATE_EVENT_FILE_REFUSED,
    NGX_HTTP_GATE_EVENT_QUOTA_80,
    NGX_HTTP_GATE_EVENT_QUOTA_100,
    NGX_HTTP_GATE_EVENT_HOLD_SET,
    NGX_HTTP_GATE_EVENT_HOLD_LIFTED,
    NGX_HTTP_GATE_EVENT_ADMIN,          /* another change by an admin */
    NGX_HTTP_GATE_EVENT_ADMIN_REFUSED,  /* he may not change that */
    NGX_HTTP_GATE_EVENT_DROPPING,       /* a sink takes no more */
    NGX_HTTP_GATE_EVENT_DROPPED,        /* it takes them again */
    NGX_HTTP_GATE_EVENT_CHAIN_BEGIN,
    NGX_HTTP_GATE_EVENT_CHAIN_GO_ON,    /* from another file */
    NGX_HTTP_GATE_EVENT_CHAIN_ANCHOR,
    NGX_HTTP_GATE_EVENT_CHAIN_MOVE,     /* to another file */
    NGX_HTTP_GATE_EVENT_CHAIN_END,
    NGX_HTTP_GATE_EVENTS
} ngx_http_gate_event_e;


typedef struct {
    const ngx_str_t         *name;
    uint64_t                 limit;
    uint64_t                 used;
} ngx_http_gate_event_quota_t;


/* zeroed: a text that is empty is not told; nor a number that is 0 */

typedef struct {
    ngx_http_gate_event_e    what;

    ngx_str_t                reference;     /* $gate_event */
    ngx_str_t                user;
    ngx_str_t                serial;
    ngx_str_t                fingerprint;
    ngx_str_t                issuer;
    ngx_str_t                address;
    ngx_str_t                country;       /* two letters */
    ngx_str_t                project;
    ngx_str_t                document;
    ngx_str_t                path;
    ngx_str_t                method;
    ngx_str_t                policy;
    ngx_str_t                rule;          /* of the policy: what refused */
    ngx_str_t                verdict;
    ngx_str_t                reason;
    ngx_str_t                notice;
    ngx_str_t                fault;         /* of a certificate */
    ngx_str_t                subject;       /* which file, sink, hold */
    ngx_str_t                words;         /* what else is to be said */

    ngx_uint_t               status;
    uint64_t                 bytes;
    uint64_t                 dropped;
    ngx_uint_t               nquotas;
    const ngx_http_gate_event_quota_t  *quotas;

    unsigned                 counted:1;     /* tell bytes though they are 0 */
} ngx_http_gate_event_t;


/*
 * Writes the event as of now, by a node of that name; all but the brace at its
 * end and the line feed.  There are NGX_HTTP_GATE_EVENT_MAX bytes at p.
 */
u_char *ngx_http_gate_event_write(u_char *p,
    const ngx_http_gate_event_t *event, const ngx_str_t *node);

/*
 * How a text stands in an event, by the name of its field: a piece of JSON that
 * only events have that say the same there.  There are
 * NGX_HTTP_GATE_EVENT_FIELD bytes at p.
 */
u_char *ngx_http_gate_event_field(u_char *p, const char *name,
    const ngx_str_t *value);


#endif /* NGX_HTTP_GATE_EVENT_H_INCLUDED */
