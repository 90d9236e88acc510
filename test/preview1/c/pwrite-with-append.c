/* A file open for appending: write goes to its end, pwrite to its offset. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

int
main(void)
{
    char text[8];
    int const fd = open("written", O_CREAT | O_TRUNC | O_RDWR | O_APPEND, 0600);
    CHECK(fd >= 0);
    CHECK(write(fd, "ab", 2) == 2);
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    CHECK(write(fd, "cd", 2) == 2);
    CHECK(lseek(fd, 0, SEEK_CUR) == 4);
    CHECK(pwrite(fd, "xyz", 3, 0) == 3);
    CHECK(lseek(fd, 0, SEEK_CUR) == 4);
    CHECK(lseek(fd, 0, SEEK_END) == 4);
    CHECK(pread(fd, text, 8, 0) == 4 && !memcmp(text, "xyzd", 4));
    CHECK(close(fd) == 0 && unlink("written") == 0);
}
