/*
 * A hold as anybody might have written it into Redis: what is read of it can be
 * written and read again, and says the same.
 */


#include <stdlib.h>
#include <string.h>

#include "gate_held.h"


static void
held_text(const gate_text_t *text)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < text->len; i++) {
        c = (unsigned char) text->data[i];

        if (c < 0x20 || c == 0x7f) {
            abort();
        }
    }
}


static void
held_look(const char *id, char *value, size_t len)
{
    char         text[GATE_HELD_VALUE];
    size_t       n;
    gate_held_t  held, again;
    gate_text_t  subjects[GATE_HELD_SUBJECTS];

    if (gate_held_parse(id, strlen(id), value, len, &held) != 0) {
        return;
    }

    held_text(&held.subject);
    held_text(&held.by);
    held_text(&held.reason);
    held_text(&held.policy);
    held_text(&held.quota);

    n = gate_held_format(&held, text);

    if (n && (gate_held_parse(id, strlen(id), text, n, &again) != 0
              || !gate_held_same(&held, &again)))
    {
        abort();
    }

    memset(subjects, 0, sizeof(subjects));

    if (held.kind < GATE_HELD_SUBJECTS) {
        subjects[held.kind] = held.subject;

        if (gate_held_over(&held, 1000)
            != (gate_held_find(&held, 1, subjects, 1000) == NULL))
        {
            abort();
        }
    }
}


int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    char  *value;

    /* of its own size, so that a byte beyond it is seen */

    value = malloc(size ? size : 1);
    if (value == NULL) {
        return 0;
    }

    memcpy(value, data, size);
    held_look("h1", value, size);

    memcpy(value, data, size);
    (void) gate_held_id(value, size);

    free(value);

    return 0;
}
