/* Ends with the exit code it is given; buffered output comes out first. "abort" ends it by a trap. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
main(int argc, char **argv)
{
    printf("ending\n");
    if (argc < 2)
        return 0;
    if (strcmp(argv[1], "abort") == 0) {
        fflush(stdout);
        abort();
    }
    exit((int)strtol(argv[1], NULL, 10));
}
