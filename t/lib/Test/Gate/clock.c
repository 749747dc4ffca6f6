/*
 * Preloaded, it lets a program's wall clock be GATE_CLOCK seconds ahead, and its
 * monotonic clock as many as the file GATE_LATER begins with, a long, from when
 * that is written; the long after it, if there is one, is for the wall clock.
 */


#define _GNU_SOURCE

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>


static time_t          ahead;
static volatile long  *later;


/* nginx soon has an environment of its own */

__attribute__((constructor))
static void
init(void)
{
    int          fd;
    const char  *seconds, *file;

    seconds = getenv("GATE_CLOCK");
    ahead = seconds ? atol(seconds) : 0;

    file = getenv("GATE_LATER");

    if (file) {
        fd = open(file, O_RDONLY);
        later = mmap(NULL, 2 * sizeof(long), PROT_READ, MAP_SHARED, fd, 0);

        if (later == MAP_FAILED) {
            abort();
        }

        close(fd);
    }
}


int
clock_gettime(clockid_t id, struct timespec *ts)
{
    int  rc;

    rc = syscall(SYS_clock_gettime, id, ts);

    if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        ts->tv_sec += ahead + (later ? later[1] : 0);

    } else if (rc == 0 && later) {
        ts->tv_sec += later[0];
    }

    return rc;
}


int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    struct timespec  ts;

    (void) tz;

    clock_gettime(CLOCK_REALTIME, &ts);

    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;

    return 0;
}


time_t
time(time_t *t)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    if (t) {
        *t = ts.tv_sec;
    }

    return ts.tv_sec;
}
