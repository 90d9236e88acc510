/* Device and inode tell two files of a directory apart. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

int
main(void)
{
    struct stat a, b, again;
    int const fd = open("file", O_RDONLY);
    CHECK(fd >= 0 && fstat(fd, &a) == 0);
    CHECK(stat("digits", &b) == 0 && stat("file", &again) == 0);
    CHECK(a.st_dev == b.st_dev && a.st_ino != b.st_ino);
    CHECK(a.st_dev == again.st_dev && a.st_ino == again.st_ino);
    CHECK(close(fd) == 0);
}
