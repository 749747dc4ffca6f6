/*
 * Preloaded, it lets each second one of a program's large writes fail as if the
 * client had gone: the one before it arrives.
 */


#define _GNU_SOURCE

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>


#define BROKEN_LARGE  6000


ssize_t
write(int fd, const void *buf, size_t n)
{
    static unsigned  large;

    if (n >= BROKEN_LARGE && large++ % 2) {
        errno = ECONNRESET;
        return -1;
    }

    return syscall(SYS_write, fd, buf, n);
}
