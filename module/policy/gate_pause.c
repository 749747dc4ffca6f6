/*
 * Doubled each time.  Short, for whoever waits for Redis is a person.
 */


#include "gate_pause.h"


uint32_t
gate_pause_more(uint32_t pause)
{
    if (pause == 0) {
        return GATE_PAUSE_FIRST;
    }

    return pause < GATE_PAUSE_MOST / 2 ? 2 * pause : GATE_PAUSE_MOST;
}


uint32_t
gate_pause_spread(uint32_t pause, uint32_t random)
{
    return pause < 4 ? pause : pause - random % (pause / 4);
}
