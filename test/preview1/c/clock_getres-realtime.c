/* The clock REALTIME has a resolution, and one a program can use. */
#include <time.h>

#include "check.h"

int
main(void)
{
    struct timespec res;
    CHECK(clock_getres(CLOCK_REALTIME, &res) == 0);
    CHECK(res.tv_sec == 0 && res.tv_nsec > 0);
}
