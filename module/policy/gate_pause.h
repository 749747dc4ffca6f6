/*
 * Pauses: how long nobody tries again after one failure after the other.
 */


#ifndef GATE_PAUSE_H_INCLUDED
#define GATE_PAUSE_H_INCLUDED


#include <stdint.h>


/* ms: after the first failure, and after many */
#define GATE_PAUSE_FIRST  50
#define GATE_PAUSE_MOST   200


/* The pause after one more failure, ms; pause: that before it, 0: none. */
uint32_t gate_pause_more(uint32_t pause);

/*
 * A pause as one of many takes it, who all failed at the same time, ms: up to a
 * quarter shorter, as a random number has it.  Never 0, unless the pause is.
 */
uint32_t gate_pause_spread(uint32_t pause, uint32_t random);


#endif /* GATE_PAUSE_H_INCLUDED */
