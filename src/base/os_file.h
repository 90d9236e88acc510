/* What the C library does not wrap, or wraps badly, of Linux's files: openat2, getdents64, and writes
 * that must not end the process by a signal. */
#ifndef GBX_BASE_OS_FILE_H
#define GBX_BASE_OS_FILE_H

#include <signal.h>

#include "base/base.h"

/* openat2(2). -1 and errno as the system call gives them (ENOSYS before Linux 5.6). `flags` are those
 * of open, `resolve` RESOLVE_… of <linux/openat2.h>. */
GBX_MUST_USE int gbx_base_os_openat2(int dir_fd, const char *path, u64 flags, u64 mode, u64 resolve);

/* getdents64(2): bytes written to buf, 0 at the end, -1 and errno. */
GBX_MUST_USE i64 gbx_base_os_getdents(int fd, void *buf, size_t bytes);

/* All of it, whatever the system gives at once. False where it fails or ends before. */
GBX_MUST_USE bool gbx_base_os_read_at(int fd, void *to, size_t len, u64 off);
GBX_MUST_USE bool gbx_base_os_write_all(int fd, const void *from, size_t len);

/* The descriptor itself, or a duplicate of it above 2 where it is 0, 1 or 2: nothing a guest opens may
 * ever stand where the host's own messages go. fd -1 stays -1. On failure fd is closed: -1, errno. */
GBX_MUST_USE int gbx_base_os_fd_above_stdio(int fd);

/* A write to a pipe without a reader raises SIGPIPE, one beyond RLIMIT_FSIZE raises SIGXFSZ; both end
 * the process unless somebody cares. Between begin and end they are blocked in this thread, and what a
 * write left pending is taken back. */
typedef struct os_quiet {
    sigset_t old;
    bool pipe_pending, xfsz_pending; /* already before: not ours to take */
} os_quiet;
void gbx_base_os_quiet_begin(os_quiet *q);
void gbx_base_os_quiet_end(os_quiet *q); /* keeps errno */

/* True when this process ignores both, and quieting would be for nothing. */
GBX_MUST_USE bool gbx_base_os_signals_ignored(void);

#endif
