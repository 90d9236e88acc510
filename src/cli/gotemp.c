/* Temporary directories of `go run` and `go test`, which end with the run, however it ends.
 *
 *     TMPDIR/glovebox-go-XXXXXX/      one a run, this user's alone
 *         owner                       says what the directory is, and is locked while its run lives
 *         tmp/ out/ etc/              what the guest is granted of it
 *
 * A run that ends by itself removes its directory. One that is ended by a signal, SIGKILL among them, leaves
 * that to a process of its own, which was forked at the start and waits for nothing else; it belongs to no
 * terminal and no process group that a signal is sent to. Where that was killed too (a container that stops),
 * the next run finds directories whose lock nobody holds.
 *
 * SAFETY: of other directories only one that this user owns, of that name, with a file `owner` of ours in it
 * whose lock is free is removed. `owner` lies where no guest is granted anything, so that none can make
 * another directory look like one. Directories are emptied by descriptors, never following links; what runs
 * on after the fork is one thread, and no guest has begun yet. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"

#define GOTEMP_PREFIX "glovebox-go-"
#define GOTEMP_OWNER  "owner"
#define GOTEMP_MARK   "glovebox: this directory goes when the run that locks this file ends\n"
#define GOTEMP_DEPTH  200 /* directories below each other that are emptied */
#define GOTEMP_OLD    16  /* directories of others that one run removes */

static struct {
    const char *path; /* NULL: none was made */
    int owner;        /* locked while it is open here, or in the process that waits */
    int tell;         /* what that process reads from; its end is that of this process */
    pid_t waits;      /* 0: it could not be started */
} gotemp;

/* Empty the directory `fd`, which is closed. SAFETY: links are removed, never followed; a guest that is
 * gone changes nothing meanwhile. */
static void
gotemp_empty(int fd, int depth)
{
    (void)fchmod(fd, 0700);
    DIR *const dir = fdopendir(fd);
    if (!dir) {
        (void)close(fd);
        return;
    }
    for (const struct dirent *e; (e = readdir(dir));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || !unlinkat(fd, e->d_name, 0))
            continue;
        int const below =
                depth ? openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
        if (below >= 0) gotemp_empty(below, depth - 1);
        (void)unlinkat(fd, e->d_name, AT_REMOVEDIR);
    }
    (void)closedir(dir);
}

/* `owner` goes last: until then the rest is found again. */
static void
gotemp_remove(int parent, const char *name)
{
    static const char *const parts[] = {"tmp", "out", "etc"};
    int const fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return;
    for (size_t i = 0; i < CLI_LEN(parts); i++) {
        int const part = openat(fd, parts[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (part >= 0) gotemp_empty(part, GOTEMP_DEPTH);
        (void)unlinkat(fd, parts[i], AT_REMOVEDIR);
    }
    (void)unlinkat(fd, GOTEMP_OWNER, 0);
    (void)close(fd);
    (void)unlinkat(parent, name, AT_REMOVEDIR);
}

/* True where `dir` was left by a run that is over; its lock is then ours, and *owner to be closed. SAFETY:
 * what may be removed is decided here. */
static bool
gotemp_is_left(int dir, int *owner)
{
    char mark[sizeof GOTEMP_MARK];
    struct stat st;
    if (fstat(dir, &st) || st.st_uid != geteuid()) return false;
    *owner = openat(dir, GOTEMP_OWNER, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (*owner < 0) return false;
    bool const is_ours = !fstat(*owner, &st) && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
                         read(*owner, mark, sizeof mark) == sizeof mark - 1 &&
                         !memcmp(mark, GOTEMP_MARK, sizeof mark - 1);
    if (is_ours && !flock(*owner, LOCK_EX | LOCK_NB)) return true;
    (void)close(*owner);
    return false;
}

static void
gotemp_clear_old(const char *parent)
{
    size_t const prefix = strlen(GOTEMP_PREFIX);
    DIR *const dir = opendir(parent);
    int removed = 0;
    if (!dir) return;
    for (const struct dirent *e; removed < GOTEMP_OLD && (e = readdir(dir));) {
        int owner;
        if (strncmp(e->d_name, GOTEMP_PREFIX, prefix) != 0 || strlen(e->d_name) != prefix + 6) continue;
        int const fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) continue;
        if (gotemp_is_left(fd, &owner)) {
            gotemp_remove(dirfd(dir), e->d_name);
            (void)close(owner);
            removed++;
        }
        (void)close(fd);
    }
    (void)closedir(dir);
}

/* The process that waits: nothing of it is anybody's but the pipe and the lock. */
static void
gotemp_wait(int from)
{
    char byte;
    (void)setsid();
    int const null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++) (void)dup2(null, fd);
    int const kept = dup2(from, 3) < 0 || dup2(gotemp.owner, 4) < 0 ? -1 : 5;
    if (kept < 0 || close_range((unsigned)kept, ~0u, 0)) _exit(0);
    ssize_t n;
    while ((n = read(3, &byte, 1)) < 0 && errno == EINTR) continue;
    if (n == 0) gotemp_remove(AT_FDCWD, gotemp.path);
    _exit(0);
}

/* Without it, a run that is killed leaves its directory to the next. */
static void
gotemp_start_waiting(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) return;
    /* Above those that the other process uses: what is put there must not be what is copied from. */
    int const from = fcntl(ends[0], F_DUPFD_CLOEXEC, 10), owner = fcntl(gotemp.owner, F_DUPFD_CLOEXEC, 10);
    if (owner >= 0) {
        (void)close(gotemp.owner);
        gotemp.owner = owner;
    }
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before); /* of the other process for good */
    pid_t const pid = from < 0 || owner < 0 ? -1 : fork();
    if (pid == 0) gotemp_wait(from);
    sigprocmask(SIG_SETMASK, &before, NULL);
    (void)close(ends[0]);
    if (from >= 0) (void)close(from);
    gotemp.tell = ends[1];
    gotemp.waits = pid > 0 ? pid : 0;
}

static bool
gotemp_make(const char *parent)
{
    char *const path = gbx_cli_format("%s/" GOTEMP_PREFIX "XXXXXX", parent);
    if (!mkdtemp(path)) return false;
    const char *const name = gbx_cli_format("%s/" GOTEMP_OWNER, path);
    gotemp.owner = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    size_t const len = strlen(GOTEMP_MARK);
    bool const ok = gotemp.owner >= 0 && !flock(gotemp.owner, LOCK_EX | LOCK_NB) &&
                    write(gotemp.owner, GOTEMP_MARK, len) == (ssize_t)len;
    gotemp.path = path;
    if (ok) return true;
    gbx_cli_gotemp_end();
    return false;
}

const char *
gbx_cli_gotemp(const char *parent, const char *part)
{
    if (!gotemp.path) {
        gotemp.owner = gotemp.tell = -1;
        gotemp_clear_old(parent);
        if (!gotemp_make(parent)) return NULL;
        gotemp_start_waiting();
    }
    const char *const path = gbx_cli_format("%s/%s", gotemp.path, part);
    return mkdir(path, 0700) && errno != EEXIST ? NULL : path;
}

void
gbx_cli_gotemp_end(void)
{
    if (!gotemp.path) return;
    gotemp_remove(AT_FDCWD, gotemp.path);
    gotemp.path = NULL;
    if (gotemp.tell >= 0 && gotemp.waits && write(gotemp.tell, "", 1) == 1)
        while (waitpid(gotemp.waits, NULL, 0) < 0 && errno == EINTR) continue;
    if (gotemp.tell >= 0) (void)close(gotemp.tell);
    if (gotemp.owner >= 0) (void)close(gotemp.owner);
}
