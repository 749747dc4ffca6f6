/*
 * Text of anybody's as the inside of a JSON string (RFC 8259): valid UTF-8
 * without line breaks whatever goes in.  What could be taken for something else
 * where it is shown, as a mark of HTML or of another direction, is escaped,
 * too.  Plain C: it can be tested and fuzzed alone.
 */


#ifndef GATE_JSON_H_INCLUDED
#define GATE_JSON_H_INCLUDED


#include <stddef.h>


/*
 * Writes at most "most" bytes at p and returns the end.  *whole is 0 if
 * something was left out at the end, or is no UTF-8 and was replaced: then
 * other texts may come out the same.
 */
char *gate_json_text(char *p, size_t most, const void *text, size_t len,
    int *whole);


#endif /* GATE_JSON_H_INCLUDED */
