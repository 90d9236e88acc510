/* openat2, getdents64 and quiet writes on Linux; see os_file.h. */
#include "base/os_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int
gbx_base_os_openat2(int dir_fd, const char *path, u64 flags, u64 mode, u64 resolve)
{
    struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
    return (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof how);
}

i64
gbx_base_os_getdents(int fd, void *buf, size_t bytes)
{
    return syscall(SYS_getdents64, fd, buf, bytes);
}

bool
gbx_base_os_read_at(int fd, void *to, size_t len, u64 off)
{
    for (u8 *at = to; len;) {
        ssize_t const n = pread(fd, at, len, (off_t)off);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += n;
        off += (u64)n;
        len -= (size_t)n;
    }
    return true;
}

bool
gbx_base_os_write_all(int fd, const void *from, size_t len)
{
    for (const u8 *at = from; len;) {
        ssize_t const n = write(fd, at, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

int
gbx_base_os_fd_above_stdio(int fd)
{
    if (fd < 0 || fd > STDERR_FILENO) return fd;
    int const high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int const saved = errno;
    close(fd);
    errno = saved;
    return high;
}

void
gbx_base_os_quiet_begin(os_quiet *q)
{
    sigset_t both, pending;
    sigemptyset(&both);
    sigaddset(&both, SIGPIPE);
    sigaddset(&both, SIGXFSZ);
    sigemptyset(&pending);
    sigpending(&pending);
    q->pipe_pending = sigismember(&pending, SIGPIPE) == 1;
    q->xfsz_pending = sigismember(&pending, SIGXFSZ) == 1;
    pthread_sigmask(SIG_BLOCK, &both, &q->old);
}

void
gbx_base_os_quiet_end(os_quiet *q)
{
    int const saved = errno;
    sigset_t mine;
    sigemptyset(&mine);
    if (!q->pipe_pending) sigaddset(&mine, SIGPIPE);
    if (!q->xfsz_pending) sigaddset(&mine, SIGXFSZ);
    struct timespec const none = {0};
    while (sigtimedwait(&mine, NULL, &none) > 0) {}
    pthread_sigmask(SIG_SETMASK, &q->old, NULL);
    errno = saved;
}

bool
gbx_base_os_signals_ignored(void)
{
    struct sigaction pipe_action, xfsz_action;
    if (sigaction(SIGPIPE, NULL, &pipe_action) || sigaction(SIGXFSZ, NULL, &xfsz_action))
        return false;
    return pipe_action.sa_handler == SIG_IGN && xfsz_action.sa_handler == SIG_IGN;
}
