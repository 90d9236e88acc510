/* The environment variables that the arguments name, and how many there are in all. */
#include <stdio.h>
#include <stdlib.h>

extern char **environ;

int
main(int argc, char **argv)
{
    int count = 0;
    for (char **e = environ; e && *e; e++)
        count++;
    printf("%d variables\n", count);
    for (int i = 1; i < argc; i++) {
        const char *value = getenv(argv[i]);
        if (value)
            printf("%s=[%s]\n", argv[i], value);
        else
            printf("%s is not set\n", argv[i]);
    }
    return 0;
}
