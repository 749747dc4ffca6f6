/*
 * From the lines of Accept and Accept-Language to what is chosen: whatever they
 * are, it is one of what there is, and it does not matter that something else
 * stands behind a line's end.
 */


#include <stdlib.h>
#include <string.h>

#include "gate_accept.h"


/* by each line that "\n" ends, read from a block of just its size */

static void
accept_lines(const unsigned char *data, size_t size, gate_accept_t *media,
    gate_accept_t *language)
{
    size_t          n;
    unsigned char  *line;

    memset(media, 0, sizeof(*media));
    memset(language, 0, sizeof(*language));

    while (size) {
        for (n = 0; n < size && data[n] != '\n'; n++) { /* void */ }

        line = malloc(n ? n : 1);
        if (line == NULL) {
            abort();
        }

        memcpy(line, data, n);
        gate_accept_media(media, line, line + n);
        gate_accept_language(language, line, line + n);
        free(line);

        n += n < size;
        data += n;
        size -= n;
    }
}


static void
accept_sane(const gate_accept_t *accept)
{
    size_t  i;

    for (i = 0; i < GATE_ACCEPT_CHOICES; i++) {
        if (accept->choices[i].weight > 1000 || accept->choices[i].exact > 4
            || accept->choices[i].place > accept->place)
        {
            abort();
        }
    }
}


int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    gate_accept_t           media, language;
    gate_accept_media_e     form;
    gate_accept_language_e  tongue;

    accept_lines(data, size, &media, &language);
    accept_sane(&media);
    accept_sane(&language);

    form = gate_accept_media_best(&media);
    tongue = gate_accept_language_best(&language);

    if ((form != GATE_ACCEPT_HTML && form != GATE_ACCEPT_JSON)
        || (tongue != GATE_ACCEPT_ENGLISH && tongue != GATE_ACCEPT_JAPANESE))
    {
        abort();
    }

    /* nobody gets what he gave no weight, unless all have none */

    if ((form == GATE_ACCEPT_JSON && media.choices[form].weight == 0)
        || (tongue == GATE_ACCEPT_JAPANESE
            && language.choices[tongue].weight == 0))
    {
        abort();
    }

    return 0;
}
