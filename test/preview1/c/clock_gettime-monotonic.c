/* The clock MONOTONIC never goes back. */
#include <time.h>

#include "check.h"

int
main(void)
{
    struct timespec last, now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &last) == 0);
    for (int i = 0; i < 1000; i++) {
        CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
        CHECK(now.tv_sec > last.tv_sec || (now.tv_sec == last.tv_sec && now.tv_nsec >= last.tv_nsec));
        last = now;
    }
}
