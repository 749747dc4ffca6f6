/*
 * Extras of one user stand one behind the other: the first is found by halves.
 */


#include "gate_extra.h"

#include <string.h>


static int gate_extra_equal(const gate_text_t *one, const gate_text_t *two);


uint64_t
gate_extra_find(const gate_held_t *helds, size_t n,
    const gate_extra_t *extra, uint64_t now, uint64_t *ends)
{
    size_t       from, to, middle;
    uint64_t     sum;
    gate_held_t  key;

    memset(&key, 0, sizeof(gate_held_t));

    key.kind = GATE_HELD_EXTRA;
    key.subject = extra->user;

    for (from = 0, to = n; from < to; /* void */ ) {
        middle = from + (to - from) / 2;

        if (gate_held_compare(&helds[middle], &key) < 0) {
            from = middle + 1;

        } else {
            to = middle;
        }
    }

    for (sum = 0;
         from < n && gate_held_compare(&helds[from], &key) == 0;
         from++)
    {
        if (gate_held_over(&helds[from], now)
            || !gate_extra_equal(&helds[from].policy, &extra->policy)
            || !gate_extra_equal(&helds[from].quota, &extra->quota))
        {
            continue;
        }

        sum += helds[from].amount < GATE_EXTRA_MAX - sum
               ? helds[from].amount : GATE_EXTRA_MAX - sum;

        if (*ends == 0 || helds[from].until < *ends) {
            *ends = helds[from].until;
        }
    }

    return sum;
}


static int
gate_extra_equal(const gate_text_t *one, const gate_text_t *two)
{
    return one->len == two->len && one->len
           && memcmp(one->data, two->data, one->len) == 0;
}
