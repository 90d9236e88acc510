/* Reading at an offset leaves the position alone. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

int
main(void)
{
    char text[4] = "";
    int const fd = open("digits", O_RDONLY);
    CHECK(fd >= 0);
    CHECK(pread(fd, text, 3, 4) == 3 && !strcmp(text, "456"));
    CHECK(pread(fd, text, 3, 7) == 1 && text[0] == '7');
    CHECK(pread(fd, text, 3, 8) == 0);
    CHECK(lseek(fd, 0, SEEK_CUR) == 0);
    CHECK(close(fd) == 0);
}
