/*
 * What a client would like to be answered with: its fields Accept (RFC 9110
 * 12.5.1) and Accept-Language (12.5.4), read byte by byte.  Plain C99: knows no
 * nginx, allocates nothing, looks at each byte once.
 */


#ifndef GATE_ACCEPT_H_INCLUDED
#define GATE_ACCEPT_H_INCLUDED


/* what there is to choose from; the first is what one gets who says nothing */

#define GATE_ACCEPT_CHOICES  2

typedef enum {
    GATE_ACCEPT_HTML = 0,
    GATE_ACCEPT_JSON
} gate_accept_media_e;

typedef enum {
    GATE_ACCEPT_ENGLISH = 0,
    GATE_ACCEPT_JAPANESE,
    GATE_ACCEPT_LANGUAGES
} gate_accept_language_e;


/* zeroed: nothing was said yet */

typedef struct {
    struct {
        unsigned       exact;       /* how well the range fits, 0: none does */
        unsigned       weight;      /* thousandths */
        unsigned       place;       /* in the list, of all lines */
    }                  choices[GATE_ACCEPT_CHOICES];
    unsigned           place;
} gate_accept_t;


/*
 * Takes in one line of the field; there may be several.  An element that is
 * not well-formed is as if it were not there.
 */
void gate_accept_media(gate_accept_t *accept, const unsigned char *p,
    const unsigned char *end);
void gate_accept_language(gate_accept_t *accept, const unsigned char *p,
    const unsigned char *end);

/*
 * What to answer with.  JSON only to whom prefers it: by its weight, or by the
 * same one for a range that says more.  Of languages of the same weight, the
 * one that was named first.  Who accepts nothing of all gets the first choice.
 */
gate_accept_media_e gate_accept_media_best(const gate_accept_t *accept);
gate_accept_language_e gate_accept_language_best(const gate_accept_t *accept);


#endif /* GATE_ACCEPT_H_INCLUDED */
