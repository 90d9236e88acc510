/* What is no socket is not shut down: a stream, a directory. */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

int
main(void)
{
    int const dir = open("/", O_RDONLY | O_DIRECTORY);
    CHECK(dir >= 0);
    CHECK(shutdown(STDOUT_FILENO, SHUT_RD) == -1 && errno == ENOTSOCK);
    CHECK(shutdown(dir, SHUT_RDWR) == -1 && errno == ENOTSOCK);
}
