/* The position under a buffered file: where the program has read to once the buffer is flushed. */
#include <unistd.h>

#include "check.h"

int
main(void)
{
    char text[4];
    FILE *const f = fopen("digits", "r");
    CHECK(f);
    int const fd = fileno(f);
    CHECK(fread(text, 1, 4, f) == 4 && fflush(f) == 0);
    CHECK(lseek(fd, 0, SEEK_CUR) == 4);
    CHECK(fread(text, 1, 1, f) == 1 && text[0] == '4' && fflush(f) == 0);
    CHECK(lseek(fd, 0, SEEK_CUR) == 5);
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    CHECK(lseek(fd, 0, SEEK_END) == 8);
    CHECK(lseek(fd, -9, SEEK_END) == -1 && errno == EINVAL);
    CHECK(fclose(f) == 0);
}
