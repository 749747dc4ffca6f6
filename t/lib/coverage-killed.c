/*
 * For t/proof/coverage: who is killed writes nothing of what it has counted.
 * With this in the module, nginx on this signal writes it, and then is killed
 * as it would have been; t/lib/Test/Gate/Killed.pm sends it before a SIGKILL.
 */


#include <signal.h>
#include <stddef.h>


void __gcov_dump(void);


static void
killed(int signo)
{
    (void) signo;

    __gcov_dump();
    raise(SIGKILL);
}


__attribute__((constructor))
static void
killed_init(void)
{
    struct sigaction  sa = { .sa_handler = killed };

    sigaction(SIGRTMIN + 5, &sa, NULL);
}
