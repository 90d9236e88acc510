/* A program of this folder ends with exit code 1 and the line of the first thing that is not as it must be. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(truth)                                                                              \
    do {                                                                                          \
        if (!(truth)) {                                                                           \
            fprintf(stderr, "%s:%d: not so: %s (errno %d)\n", __FILE__, __LINE__, #truth, errno); \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)
