/* Both standard streams. */
#include <stdio.h>

int
main(void)
{
    printf("hello, world\n");
    fprintf(stderr, "hello, standard error\n");
    return 0;
}
