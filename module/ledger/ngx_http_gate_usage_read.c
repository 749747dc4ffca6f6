/*
 * The life of what is asked: _ask, a question for each part, a day or a month,
 * some at a time, and _told for each answer; then, if need be, the same again
 * for the names of the page; _end.  All of it lies in a pool of its own.
 */


#include "ngx_http_gate_usage_read.h"


/*
 * Questions under way at a time: one of a large project takes Redis some 5 ms,
 * and all of them, with what users ask behind them, must be answered in time.
 */
#define NGX_HTTP_GATE_USAGE_SLOTS   4

/* rows that all parts together may have, about */
#define NGX_HTTP_GATE_USAGE_MOST    20000
#define NGX_HTTP_GATE_USAGE_LEAST   100

/* rows of an answer: what is told without choosing, and of the whole */
#define NGX_HTTP_GATE_USAGE_ROWS_MAX  (2500 + 2)

/* days of a month */
#define NGX_HTTP_GATE_USAGE_MONTH_MAX  31


/* a name that was seen */

typedef struct {
    ngx_str_node_t                 node;
    ngx_http_gate_usage_sum_t      sum;
    uint64_t                       bound;   /* of parts in which it was seen */
} ngx_http_gate_usage_seen_t;


/* a day, or all days of a month that have begun */

typedef struct {
    uint32_t                       day;     /* the first, since 1970 */
    uint32_t                       n;
    ngx_http_gate_usage_span_e     span;
} ngx_http_gate_usage_part_t;


typedef struct {
    ngx_http_gate_usage_asking_t  *asking;
    ngx_http_gate_reading_t       *reading; /* NULL: free */
    ngx_uint_t                     part;
} ngx_http_gate_usage_slot_t;


struct ngx_http_gate_usage_asking_s {
    ngx_pool_t                    *pool;
    ngx_http_gate_ledger_t        *ledger;
    ngx_http_gate_usage_query_t    query;
    ngx_http_gate_usage_answer_t   answer;
    ngx_http_gate_usage_pt         handler;
    void                          *data;
    ngx_rbtree_t                   names;
    ngx_rbtree_node_t              sentinel;
    ngx_array_t                    seen;    /* of pointers */
    ngx_http_gate_usage_slot_t     slots[NGX_HTTP_GATE_USAGE_SLOTS];
    ngx_http_gate_usage_part_t    *parts;
    ngx_uint_t                     nparts;
    ngx_uint_t                     rows;    /* asked for of a part */
    ngx_uint_t                     next;    /* part to be asked */
    ngx_uint_t                     waiting;
    uint64_t                       bound;   /* who was not seen has at most */
    ngx_uint_t                     first;   /* of names that are asked again */
    ngx_uint_t                     page;    /* and how many */
    ngx_str_t                     *argv;
    ngx_http_gate_usage_seen_t   **told;    /* by one answer */
    unsigned                       single:1;    /* Redis cuts the page */
    unsigned                       again:1;
    unsigned                       failed:1;
    u_char                        *keys;    /* and those of a month's days */
};


static ngx_http_gate_usage_asking_t *ngx_http_gate_usage_create(
    ngx_http_gate_ledger_t *ledger, const ngx_http_gate_usage_query_t *query);
static void ngx_http_gate_usage_parts(ngx_http_gate_usage_asking_t *asking,
    ngx_uint_t months);
static ngx_int_t ngx_http_gate_usage_next(
    ngx_http_gate_usage_asking_t *asking);
static ngx_int_t ngx_http_gate_usage_send(
    ngx_http_gate_usage_asking_t *asking, ngx_http_gate_usage_slot_t *slot);
static ngx_uint_t ngx_http_gate_usage_keys(
    ngx_http_gate_usage_asking_t *asking,
    const ngx_http_gate_usage_part_t *part);
static ngx_uint_t ngx_http_gate_usage_totals(
    ngx_http_gate_usage_asking_t *asking,
    const ngx_http_gate_usage_part_t *part);
static ngx_uint_t ngx_http_gate_usage_args(
    ngx_http_gate_usage_asking_t *asking, ngx_uint_t n, u_char *p);
static void ngx_http_gate_usage_told_handler(void *data, ngx_int_t rc,
    const ngx_str_t *cells, ngx_uint_t n);
static ngx_int_t ngx_http_gate_usage_told(
    ngx_http_gate_usage_asking_t *asking,
    const ngx_http_gate_usage_part_t *part, const ngx_str_t *cells,
    ngx_uint_t n);
static void ngx_http_gate_usage_total(ngx_http_gate_usage_asking_t *asking,
    uint32_t day, const ngx_str_t *text);
static void ngx_http_gate_usage_bound(ngx_http_gate_usage_asking_t *asking,
    ngx_uint_t n, uint64_t bytes);
static ngx_uint_t ngx_http_gate_usage_word(const ngx_str_t *name,
    const char *word);
static void ngx_http_gate_usage_sum(const ngx_str_t *text,
    ngx_http_gate_usage_sum_t *sum);
static ngx_http_gate_usage_seen_t *ngx_http_gate_usage_see(
    ngx_http_gate_usage_asking_t *asking, const ngx_str_t *name);
static void ngx_http_gate_usage_add(ngx_http_gate_usage_asking_t *asking,
    ngx_http_gate_usage_sum_t *sum, const ngx_http_gate_usage_sum_t *more);
static void ngx_http_gate_usage_all_told(
    ngx_http_gate_usage_asking_t *asking);
static ngx_uint_t ngx_http_gate_usage_ask_again(
    ngx_http_gate_usage_asking_t *asking);
static ngx_uint_t ngx_http_gate_usage_exact(
    ngx_http_gate_usage_asking_t *asking, ngx_uint_t from);
static void ngx_http_gate_usage_sort(ngx_http_gate_usage_asking_t *asking);
static int ngx_libc_cdecl ngx_http_gate_usage_compare(const void *one,
    const void *two);
static ngx_int_t ngx_http_gate_usage_page(
    ngx_http_gate_usage_asking_t *asking);
static void ngx_http_gate_usage_end(ngx_http_gate_usage_asking_t *asking,
    ngx_int_t rc);


ngx_int_t
ngx_http_gate_usage_ask(ngx_http_gate_ledger_t *ledger,
    const ngx_http_gate_usage_query_t *query, ngx_http_gate_usage_pt handler,
    void *data, ngx_http_gate_usage_asking_t **opened)
{
    ngx_int_t                      rc;
    ngx_http_gate_usage_asking_t  *asking;

    if (query->to < query->from
        || query->to - query->from >= NGX_HTTP_GATE_USAGE_DAYS
        || query->count == 0
        || query->count > (query->largest ? NGX_HTTP_GATE_USAGE_AGAIN
                                          : NGX_HTTP_GATE_USAGE_PAGE)
        || query->skip > NGX_HTTP_GATE_USAGE_MOST)
    {
        return NGX_DECLINED;
    }

    asking = ngx_http_gate_usage_create(ledger, query);
    if (asking == NULL) {
        return NGX_ERROR;
    }

    asking->handler = handler;
    asking->data = data;

    rc = ngx_http_gate_usage_next(asking);

    if (asking->waiting == 0) {
        ngx_destroy_pool(asking->pool);
        return rc == NGX_OK ? NGX_ERROR : rc;
    }

    *opened = asking;

    return NGX_OK;
}


static ngx_http_gate_usage_asking_t *
ngx_http_gate_usage_create(ngx_http_gate_ledger_t *ledger,
    const ngx_http_gate_usage_query_t *query)
{
    ngx_uint_t                     days;
    ngx_pool_t                    *pool;
    ngx_http_gate_usage_asking_t  *asking;

    pool = ngx_create_pool(16384, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    days = query->to - query->from + 1;

    asking = ngx_pcalloc(pool, sizeof(ngx_http_gate_usage_asking_t));
    if (asking == NULL) {
        goto failed;
    }

    asking->pool = pool;
    asking->ledger = ledger;
    asking->query = *query;
    asking->answer.from = query->from;
    asking->answer.ndays = days;
    asking->answer.days = ngx_pcalloc(pool, days
                                          * sizeof(ngx_http_gate_usage_sum_t));
    asking->parts = ngx_palloc(pool,
                               days * sizeof(ngx_http_gate_usage_part_t));
    asking->keys = ngx_palloc(pool, (1 + NGX_HTTP_GATE_USAGE_MONTH_MAX)
                                    * NGX_HTTP_GATE_USAGE_KEY);
    asking->argv = ngx_palloc(pool, (4 + NGX_HTTP_GATE_USAGE_MONTH_MAX
                                     + NGX_HTTP_GATE_USAGE_AGAIN)
                                    * sizeof(ngx_str_t));
    asking->told = ngx_palloc(pool, NGX_HTTP_GATE_USAGE_ROWS_MAX
                                    * sizeof(void *));
    ngx_rbtree_init(&asking->names, &asking->sentinel,
                    ngx_str_rbtree_insert_value);

    if (asking->answer.days == NULL || asking->parts == NULL
        || asking->keys == NULL || asking->argv == NULL
        || asking->told == NULL
        || ngx_array_init(&asking->seen, pool, 64, sizeof(void *)) != NGX_OK
        || (!ngx_http_gate_usage_is_text(&query->name)
            && ngx_http_gate_usage_text(pool, &asking->query.name,
                                        &query->name)
               != NGX_OK))
    {
        goto failed;
    }

    /* whoever asks may have gone before the last day is asked */

    asking->query.name.data = ngx_pstrdup(pool, &asking->query.name);
    if (asking->query.name.data == NULL) {
        goto failed;
    }

    ngx_http_gate_usage_parts(asking, 1);

    asking->single = asking->nparts == 1 && !query->largest;
    asking->rows = ngx_max(ngx_min(NGX_HTTP_GATE_USAGE_MOST / asking->nparts,
                                   NGX_HTTP_GATE_USAGE_PAGE),
                           NGX_HTTP_GATE_USAGE_LEAST);

    return asking;

failed:

    ngx_destroy_pool(pool);

    return NULL;
}


void
ngx_http_gate_usage_close(ngx_http_gate_usage_asking_t *asking)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_GATE_USAGE_SLOTS; i++) {
        if (asking->slots[i].reading) {
            ngx_http_gate_ledger_read_close(asking->slots[i].reading);
        }
    }

    ngx_destroy_pool(asking->pool);
}


/* what is to be asked: months that are whole, as far as they have come */

static void
ngx_http_gate_usage_parts(ngx_http_gate_usage_asking_t *asking,
    ngx_uint_t months)
{
    uint32_t                     day, next, today;
    ngx_http_gate_usage_part_t  *part;

    today = (uint32_t) (ngx_time() / 86400);
    asking->nparts = 0;

    for (day = asking->query.from; day <= asking->query.to; day += part->n) {

        part = &asking->parts[asking->nparts++];
        part->day = day;
        part->n = 1;
        part->span = NGX_HTTP_GATE_USAGE_DAY;

        next = ngx_http_gate_usage_next_month(day);

        if (months && day > 0
            && ngx_http_gate_usage_next_month(day - 1) == day
            && (next <= asking->query.to + 1
                || (today <= asking->query.to && today < next)))
        {
            part->n = ngx_min(next, asking->query.to + 1) - day;
            part->span = NGX_HTTP_GATE_USAGE_MONTH;
        }
    }
}


/*
 * Asks for parts as long as there is room for questions.  What does not go
 * now, for want of room in Redis' queue, goes when one that is under way is
 * answered.
 */

static ngx_int_t
ngx_http_gate_usage_next(ngx_http_gate_usage_asking_t *asking)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_GATE_USAGE_SLOTS && !asking->failed
                && asking->next < asking->nparts; i++)
    {
        if (asking->slots[i].reading) {
            continue;
        }

        asking->slots[i].asking = asking;
        asking->slots[i].part = asking->next;

        rc = ngx_http_gate_usage_send(asking, &asking->slots[i]);

        if (rc == NGX_BUSY && asking->waiting) {
            break;
        }

        if (rc != NGX_OK) {
            asking->failed = 1;
            return rc;
        }

        asking->next++;
        asking->waiting++;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_usage_send(ngx_http_gate_usage_asking_t *asking,
    ngx_http_gate_usage_slot_t *slot)
{
    u_char      numbers[2 * NGX_INT_T_LEN];
    ngx_uint_t  nkeys, argc;

    nkeys = ngx_http_gate_usage_keys(asking, &asking->parts[slot->part]);
    argc = ngx_http_gate_usage_args(asking, nkeys, numbers);

    return ngx_http_gate_ledger_read(asking->ledger,
                                     NGX_HTTP_GATE_SCRIPT_USAGE_READ, nkeys,
                                     asking->argv, argc,
                                     ngx_http_gate_usage_told_handler, slot,
                                     &slot->reading);
}


/* the part's, and of a month those of its days, which lie beside it */

static ngx_uint_t
ngx_http_gate_usage_keys(ngx_http_gate_usage_asking_t *asking,
    const ngx_http_gate_usage_part_t *part)
{
    u_char                      *p;
    uint32_t                     day;
    ngx_str_t                   *arg;
    ngx_uint_t                   i, n;
    ngx_http_gate_usage_span_e   span;

    static const ngx_http_gate_usage_key_e  keys[] = {
        NGX_HTTP_GATE_USAGE_TOP_USERS, NGX_HTTP_GATE_USAGE_TOP_PROJECTS,
        NGX_HTTP_GATE_USAGE_LARGEST, NGX_HTTP_GATE_USAGE_PROJECTS,
        NGX_HTTP_GATE_USAGE_USERS
    };

    p = asking->keys;
    n = 1 + ngx_http_gate_usage_totals(asking, part);

    for (i = 0; i < n; i++) {
        arg = &asking->argv[i];
        span = i == 0 ? part->span : NGX_HTTP_GATE_USAGE_DAY;
        day = i == 0 ? part->day : part->day + (uint32_t) i - 1;

        arg->data = p;
        p = ngx_http_gate_usage_key(p, keys[asking->query.of], span,
                                 ngx_http_gate_ledger_prefix(asking->ledger),
                                    &asking->query.name, day, NULL);
        arg->len = p - arg->data;
    }

    return n;
}


/* how many days there are of which only the totals are wanted */

static ngx_uint_t
ngx_http_gate_usage_totals(ngx_http_gate_usage_asking_t *asking,
    const ngx_http_gate_usage_part_t *part)
{
    return !asking->again && part->span == NGX_HTTP_GATE_USAGE_MONTH
           && asking->query.of >= NGX_HTTP_GATE_USAGE_OF_USER
           ? part->n : 0;
}


static ngx_uint_t
ngx_http_gate_usage_args(ngx_http_gate_usage_asking_t *asking, ngx_uint_t n,
    u_char *p)
{
    ngx_str_t                    *arg;
    ngx_uint_t                    i;
    ngx_http_gate_usage_seen_t  **seen;

    arg = &asking->argv[n];

    if (asking->again) {
        ngx_str_set(&arg[0], "some");

        arg[1].data = p;
        arg[1].len = ngx_sprintf(p, "%ui", asking->page) - p;

        seen = asking->seen.elts;
        seen += asking->first;

        for (i = 0; i < asking->page; i++) {
            arg[2 + i] = seen[i]->sum.name;
        }

        return n + 2 + i;
    }

    if (asking->query.of < NGX_HTTP_GATE_USAGE_OF_USER) {
        ngx_str_set(&arg[0], "top");

    } else if (asking->single) {
        ngx_str_set(&arg[0], "rows");

    } else {
        ngx_str_set(&arg[0], "most");
    }

    arg[1].data = p;
    p = ngx_sprintf(p, "%ui", asking->single ? asking->query.skip : 0);
    arg[1].len = p - arg[1].data;

    arg[2].data = p;
    p = ngx_sprintf(p, "%ui", asking->single ? asking->query.count
                                             : asking->rows);
    arg[2].len = p - arg[2].data;

    return n + 3;
}


static void
ngx_http_gate_usage_told_handler(void *data, ngx_int_t rc,
    const ngx_str_t *cells, ngx_uint_t n)
{
    ngx_http_gate_usage_slot_t *slot = data;

    ngx_http_gate_usage_asking_t  *asking;

    asking = slot->asking;

    slot->reading = NULL;
    asking->waiting--;

    if (rc != NGX_OK
        || ngx_http_gate_usage_told(asking, &asking->parts[slot->part], cells,
                                    n)
           != NGX_OK)
    {
        asking->failed = 1;
    }

    if (ngx_http_gate_usage_next(asking) != NGX_OK) {
        asking->failed = 1;
    }

    if (asking->waiting) {
        return;
    }

    if (asking->failed) {
        ngx_http_gate_usage_end(asking, NGX_ERROR);
        return;
    }

    ngx_http_gate_usage_all_told(asking);
}


static ngx_int_t
ngx_http_gate_usage_told(ngx_http_gate_usage_asking_t *asking,
    const ngx_http_gate_usage_part_t *part, const ngx_str_t *cells,
    ngx_uint_t n)
{
    uint64_t                      least;
    ngx_int_t                     names;
    ngx_uint_t                    i, rows, totals;
    ngx_http_gate_usage_sum_t     sum;
    ngx_http_gate_usage_seen_t   *seen, **had;

    totals = ngx_http_gate_usage_totals(asking, part);

    if (n < totals + 2 || (n - totals) % 2) {
        return NGX_ERROR;
    }

    n -= totals;

    names = ngx_atoi(cells[n - 2].data, cells[n - 2].len);
    had = asking->told;
    least = GATE_UNBOUNDED;
    rows = 0;

    if (names == NGX_ERROR || n / 2 - 1 > NGX_HTTP_GATE_USAGE_ROWS_MAX) {
        return NGX_ERROR;
    }

    for (i = 0; i < n - 2; i += 2) {

        if (ngx_http_gate_usage_word(&cells[i], "#total")
            || ngx_http_gate_usage_word(&cells[i], "#largest"))
        {
            continue;
        }

        seen = ngx_http_gate_usage_see(asking, &cells[i]);
        if (seen == NULL) {
            return NGX_ERROR;
        }

        ngx_http_gate_usage_sum(&cells[i + 1], &sum);
        ngx_http_gate_usage_add(asking, &seen->sum, &sum);

        least = ngx_min(least, sum.bytes);
        had[rows++] = seen;
    }

    if (asking->again) {
        return NGX_OK;
    }

    if (part->span == NGX_HTTP_GATE_USAGE_DAY) {
        ngx_http_gate_usage_total(asking, part->day, &cells[n - 1]);
    }

    for (i = 0; i < totals; i++) {
        ngx_http_gate_usage_total(asking, part->day + (uint32_t) i,
                                  &cells[n + i]);
    }

    if (asking->single) {
        asking->answer.names = names;

    } else if (rows && (ngx_uint_t) names > rows) {

        /* others of that part have no more than any of these */

        ngx_http_gate_usage_bound(asking, rows, least);
    }

    return NGX_OK;
}


static void
ngx_http_gate_usage_total(ngx_http_gate_usage_asking_t *asking, uint32_t day,
    const ngx_str_t *text)
{
    ngx_http_gate_usage_sum_t  *total;

    total = &asking->answer.days[day - asking->query.from];

    ngx_http_gate_usage_sum(text, total);
    ngx_http_gate_usage_add(asking, &asking->answer.total, total);
}


static void
ngx_http_gate_usage_bound(ngx_http_gate_usage_asking_t *asking, ngx_uint_t n,
    uint64_t bytes)
{
    ngx_uint_t  i;

    if (asking->query.of == NGX_HTTP_GATE_USAGE_OF_LARGEST) {
        asking->bound = ngx_max(asking->bound, bytes);
        return;
    }

    asking->bound += bytes;

    for (i = 0; i < n; i++) {
        asking->told[i]->bound += bytes;
    }
}


static ngx_uint_t
ngx_http_gate_usage_word(const ngx_str_t *name, const char *word)
{
    return name->len == ngx_strlen(word)
           && ngx_memcmp(name->data, word, name->len) == 0;
}


/* up to three numbers; what is none is 0, and none is beyond 2^53 */

static void
ngx_http_gate_usage_sum(const ngx_str_t *text, ngx_http_gate_usage_sum_t *sum)
{
    u_char      *p, *last;
    uint64_t     n[3];
    ngx_uint_t   i;

    p = text->data;
    last = text->data + text->len;

    for (i = 0; i < 3; i++) {
        n[i] = 0;

        while (p < last && *p >= '0' && *p <= '9') {
            n[i] = n[i] * 10 + (*p++ - '0');
            n[i] = ngx_min(n[i], GATE_LIMIT_MAX * 2);
        }

        p += p < last && *p == ' ';
    }

    ngx_str_null(&sum->name);

    sum->bytes = n[0];
    sum->requests = n[1];
    sum->documents = n[2];
}


/* finds or makes it */

static ngx_http_gate_usage_seen_t *
ngx_http_gate_usage_see(ngx_http_gate_usage_asking_t *asking,
    const ngx_str_t *name)
{
    uint32_t                      hash;
    ngx_http_gate_usage_seen_t   *seen, **pointer;

    hash = ngx_crc32_short(name->data, name->len);

    seen = (ngx_http_gate_usage_seen_t *)
               ngx_str_rbtree_lookup(&asking->names, (ngx_str_t *) name,
                                     hash);
    if (seen) {
        return seen;
    }

    seen = ngx_pcalloc(asking->pool, sizeof(ngx_http_gate_usage_seen_t));
    pointer = ngx_array_push(&asking->seen);

    if (seen == NULL || pointer == NULL) {
        return NULL;
    }

    *pointer = seen;

    seen->sum.name.len = name->len;
    seen->sum.name.data = ngx_pnalloc(asking->pool, name->len + 1);
    if (seen->sum.name.data == NULL) {
        return NULL;
    }

    ngx_memcpy(seen->sum.name.data, name->data, name->len);

    seen->node.node.key = hash;
    seen->node.str = seen->sum.name;
    ngx_rbtree_insert(&asking->names, &seen->node.node);

    return seen;
}


static void
ngx_http_gate_usage_add(ngx_http_gate_usage_asking_t *asking,
    ngx_http_gate_usage_sum_t *sum, const ngx_http_gate_usage_sum_t *more)
{
    sum->largest = ngx_max(sum->largest, more->bytes);

    if (asking->query.of == NGX_HTTP_GATE_USAGE_OF_LARGEST) {
        sum->bytes = ngx_max(sum->bytes, more->bytes);
        return;
    }

    sum->bytes += more->bytes;
    sum->requests += more->requests;
    sum->documents += more->documents;
}


/* of all parts; the names of the page may be asked for again */

static void
ngx_http_gate_usage_all_told(ngx_http_gate_usage_asking_t *asking)
{
    ngx_http_gate_usage_sort(asking);

    if (!asking->single && !asking->again) {
        asking->answer.names = asking->seen.nelts;

        if (ngx_http_gate_usage_ask_again(asking)) {

            if (ngx_http_gate_usage_next(asking) != NGX_OK
                && asking->waiting == 0)
            {
                ngx_http_gate_usage_end(asking, NGX_ERROR);
            }

            return;
        }
    }

    ngx_http_gate_usage_end(asking, ngx_http_gate_usage_page(asking));
}


/*
 * Whoever is on the page, and was not seen in each part; with those before him,
 * if he may change places with them.  Each day has to be asked for the largest.
 */

static ngx_uint_t
ngx_http_gate_usage_ask_again(ngx_http_gate_usage_asking_t *asking)
{
    ngx_uint_t                    i, last;
    ngx_http_gate_usage_seen_t  **seen;

    last = ngx_min(asking->query.skip + asking->query.count,
                   asking->seen.nelts);

    if (asking->query.of == NGX_HTTP_GATE_USAGE_OF_LARGEST
        || (!asking->query.largest
            && (asking->bound == 0 || last > NGX_HTTP_GATE_USAGE_AGAIN)))
    {
        return 0;
    }

    asking->first = last > NGX_HTTP_GATE_USAGE_AGAIN
                    ? ngx_min(asking->query.skip, last) : 0;
    asking->page = last - asking->first;

    if (asking->page == 0) {
        return 0;
    }

    seen = asking->seen.elts;

    for (i = asking->first; i < last; i++) {
        seen[i]->sum.bytes = 0;
        seen[i]->sum.largest = 0;
        seen[i]->sum.requests = 0;
        seen[i]->sum.documents = 0;
    }

    ngx_http_gate_usage_parts(asking, !asking->query.largest);

    asking->again = 1;
    asking->next = 0;

    return 1;
}


/* may nobody from "from" on have more than the last before? */

static ngx_uint_t
ngx_http_gate_usage_exact(ngx_http_gate_usage_asking_t *asking,
    ngx_uint_t from)
{
    uint64_t                      least, most;
    ngx_uint_t                    i;
    ngx_http_gate_usage_seen_t  **seen;

    if (asking->bound == 0 || asking->single) {
        return 1;
    }

    seen = asking->seen.elts;

    if (from == 0 || from > asking->seen.nelts) {
        return 0;
    }

    least = seen[from - 1]->sum.bytes;

    if (asking->bound > least) {
        return 0;
    }

    for (i = from; i < asking->seen.nelts; i++) {
        most = asking->query.of == NGX_HTTP_GATE_USAGE_OF_LARGEST
               ? ngx_max(seen[i]->sum.bytes, asking->bound)
               : seen[i]->sum.bytes + asking->bound - seen[i]->bound;

        if (most > least) {
            return 0;
        }
    }

    return 1;
}


/* of those that were asked for again, only these: all others have less */

static void
ngx_http_gate_usage_sort(ngx_http_gate_usage_asking_t *asking)
{
    ngx_http_gate_usage_seen_t  **seen;

    seen = asking->seen.elts;

    ngx_qsort(seen + asking->first,
              asking->again ? asking->page : asking->seen.nelts,
              sizeof(void *), ngx_http_gate_usage_compare);
}


static int ngx_libc_cdecl
ngx_http_gate_usage_compare(const void *one, const void *two)
{
    const ngx_http_gate_usage_sum_t  *a, *b;

    a = &(*(ngx_http_gate_usage_seen_t *const *) one)->sum;
    b = &(*(ngx_http_gate_usage_seen_t *const *) two)->sum;

    if (a->bytes != b->bytes) {
        return a->bytes < b->bytes ? 1 : -1;
    }

    return (int) ngx_memn2cmp(a->name.data, b->name.data, a->name.len,
                              b->name.len);
}


static ngx_int_t
ngx_http_gate_usage_page(ngx_http_gate_usage_asking_t *asking)
{
    ngx_uint_t                     i, n, skip;
    ngx_http_gate_usage_seen_t   **seen;
    ngx_http_gate_usage_answer_t  *answer;

    answer = &asking->answer;

    skip = asking->single ? 0 : ngx_min(asking->query.skip,
                                        asking->seen.nelts);
    n = ngx_min(asking->query.count, asking->seen.nelts - skip);

    answer->exact = ngx_http_gate_usage_exact(asking, skip + n);
    answer->n = n;
    answer->rows = ngx_palloc(asking->pool,
                              (n + 1) * sizeof(ngx_http_gate_usage_sum_t));
    if (answer->rows == NULL) {
        return NGX_ERROR;
    }

    seen = asking->seen.elts;

    for (i = 0; i < n; i++) {
        answer->rows[i] = seen[skip + i]->sum;
    }

    return NGX_OK;
}


static void
ngx_http_gate_usage_end(ngx_http_gate_usage_asking_t *asking, ngx_int_t rc)
{
    asking->handler(asking->data, rc, rc == NGX_OK ? &asking->answer : NULL);

    ngx_destroy_pool(asking->pool);
}
