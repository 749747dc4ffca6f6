/*
 * Whom an administrator has stopped, or slowed: operators say "hold".  How a
 * hold is written, read and found.
 *
 * It is written as words with blanks between:
 *
 *   user=TEXT, certificate=SHA-256, org=TEXT, project=TEXT, country=XX, or all
 *                  who it is about; one of them
 *   slow=RATE      bytes/s, with k, m or g; without it nothing passes
 *   since=SECONDS  when it was set, since 1970
 *   until=SECONDS  when it ends; without it never
 *   by=TEXT        who set it
 *   reason=TEXT    the last word: it goes to the end, and may have blanks
 *
 * In TEXT, %XX is a byte, as in a URL: so "%20" is a blank.  The word "lifted"
 * in place of who it is about is what is left of a hold that is no more, lest
 * somebody who did not hear of it tells it again.
 *
 * In the same register, in the same words, stands what a user was given beyond
 * a quota, which holds nobody:
 *
 *   extra=TEXT     the user
 *   policy=TEXT    the quota is this policy's
 *   quota=TEXT     its name
 *   amount=N       units: bytes, requests or documents
 *
 * all of these, and "until".
 */


#ifndef GATE_HELD_H_INCLUDED
#define GATE_HELD_H_INCLUDED


#include <stddef.h>
#include <stdint.h>


/* holds at once; bytes of an id, and of what is written */
#define GATE_HELD_MAX    1024
#define GATE_HELD_ID     64
#define GATE_HELD_VALUE  1024

/* no amount is larger: numbers have 15 digits */
#define GATE_HELD_AMOUNT  999999999999999


typedef enum {
    GATE_HELD_USER = 0,
    GATE_HELD_CERTIFICATE,
    GATE_HELD_ORG,
    GATE_HELD_PROJECT,
    GATE_HELD_COUNTRY,
    GATE_HELD_ALL,
    GATE_HELD_SUBJECTS,
    GATE_HELD_LIFTED = GATE_HELD_SUBJECTS,
    GATE_HELD_EXTRA
} gate_held_kind_e;


typedef struct {
    const char              *data;
    size_t                   len;
} gate_text_t;


typedef struct {
    gate_held_kind_e         kind;
    gate_text_t              id;
    gate_text_t              subject;   /* empty, if it is for all */
    gate_text_t              reason;
    gate_text_t              by;
    uint64_t                 since;     /* seconds since 1970; 0: not told */
    uint64_t                 until;     /* 0: without end */
    uint64_t                 rate;      /* bytes/s; 0: nothing passes */
    gate_text_t              policy;    /* of an extra */
    gate_text_t              quota;
    uint64_t                 amount;    /* units */
} gate_held_t;


/* Is it one: letters, digits and "._-", and not "version"? */
int gate_held_id(const char *id, size_t len);

/*
 * Reads what is written; value is changed, and held points into it and to id.
 * -1: it is no hold.
 */
int gate_held_parse(const char *id, size_t idlen, char *value, size_t len,
    gate_held_t *held);

/*
 * Writes it, with room for GATE_HELD_VALUE.  Returns how many bytes; 0: it has
 * no room, or could not be read.
 */
size_t gate_held_format(const gate_held_t *held, char *value);

/* The order in which they are found: by kind and subject. */
int gate_held_compare(const gate_held_t *one, const gate_held_t *two);

/* Do they say the same? */
int gate_held_same(const gate_held_t *one, const gate_held_t *two);

/* Is it over at this time, seconds since 1970, or lifted? */
int gate_held_over(const gate_held_t *held, uint64_t now);

/*
 * Of n holds in that order, the strictest that is about one of these subjects
 * (by kind, an empty one is nobody) at this time.  NULL: there is none.
 */
const gate_held_t *gate_held_find(const gate_held_t *helds, size_t n,
    const gate_text_t subjects[GATE_HELD_SUBJECTS], uint64_t now);

/* The word of a kind, as it is written. */
const char *gate_held_word(gate_held_kind_e kind);


#endif /* GATE_HELD_H_INCLUDED */
