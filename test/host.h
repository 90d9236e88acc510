/* What tests ask of the process that they run in. */
#ifndef TEST_HOST_H
#define TEST_HOST_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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

#endif
