/* What is not open is not shut down. */
#include <sys/socket.h>

#include "check.h"

int
main(void)
{
    static const int fds[] = {9, 1000, 0x7fffffff, -1};
    for (int i = 0; i < 4; i++) CHECK(shutdown(fds[i], SHUT_RD) == -1 && errno == EBADF);
}
