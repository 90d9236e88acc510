/* Where nothing is granted, no file is opened. */
#include "check.h"

int
main(void)
{
    static const char *const names[] = {"file", "/file", "/etc/passwd", "../file", "/"};
    for (int i = 0; i < 5; i++) {
        errno = 0;
        CHECK(!fopen(names[i], "r") && errno == ENOTCAPABLE);
    }
}
