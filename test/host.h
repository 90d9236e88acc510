/* What tests ask of the process that they run in. */
#ifndef TEST_HOST_H
#define TEST_HOST_H

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

/* How many descriptors are open, and always the same more. */
static inline int
host_open_fds(void)
{
    int n = 0;
    DIR *const d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d)) n++;
    closedir(d);
    return n;
}

/* Whether a byte can be read, asked of the kernel, so that nothing faults. */
static inline bool
host_can_read(const void *p)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    ssize_t const n = write(fds[1], p, 1);
    if (n < 0) assert_int_equal(errno, EFAULT);
    close(fds[0]);
    close(fds[1]);
    return n == 1;
}

#endif
