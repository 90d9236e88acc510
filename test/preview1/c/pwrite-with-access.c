/* Writing at an offset leaves the position alone, and makes holes that read as zeros. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

int
main(void)
{
    char text[8];
    int const fd = open("written", O_CREAT | O_TRUNC | O_RDWR, 0600);
    CHECK(fd >= 0);
    CHECK(pwrite(fd, "abcd", 4, 4) == 4);
    CHECK(lseek(fd, 0, SEEK_CUR) == 0);
    CHECK(pread(fd, text, 8, 0) == 8 && !memcmp(text, "\0\0\0\0abcd", 8));
    CHECK(close(fd) == 0 && unlink("written") == 0);
}
