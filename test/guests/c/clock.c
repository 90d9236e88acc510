/* Both clocks, and sleeping. The argument is a time in the last hour, in seconds since 1970. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double
seconds(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0)
        exit(1);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
    double given = argc > 1 ? strtod(argv[1], NULL) : 0;
    double wall = seconds(CLOCK_REALTIME), steady = seconds(CLOCK_MONOTONIC);
    struct timespec pause = {0, 50 * 1000 * 1000};
    if (nanosleep(&pause, NULL) != 0)
        return 1;
    double slept = seconds(CLOCK_MONOTONIC) - steady;
    printf("wall clock %s\n", wall >= given && wall < given + 3600 ? "right" : "wrong");
    printf("slept %s\n", slept >= 0.05 ? "long enough" : "too short");
    return 0;
}
