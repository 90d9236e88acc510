/* The clock REALTIME says what time() says. */
#include <time.h>

#include "check.h"

int
main(void)
{
    struct timespec now;
    time_t const before = time(NULL);
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    CHECK(before > 1577836800 && now.tv_sec >= before && now.tv_sec <= time(NULL));
    CHECK(now.tv_nsec >= 0 && now.tv_nsec < 1000000000);
}
