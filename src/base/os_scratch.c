/* A tmpfs that is mounted nowhere (fsopen, fsmount), for scratch directories.
 *
 * Who may mount asks the kernel directly. Anybody else may where user namespaces are allowed: a child makes
 * one, in which it may mount, hands the descriptor over and is gone. The child maps nobody but the user
 * himself, and does nothing between fork and exit that a signal handler could not do: the process it is a
 * copy of may have had other threads, who held locks.
 *
 * Nothing is looked up in the host's tree and nothing appears there, so there is no name to guess, to race
 * with or to be left behind. */
#include "base/os_scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os_file.h"

#define SCRATCH_WORDS 64

/* What the kernel is told, spelt out before there is a child. */
typedef struct scratch_words {
    char bytes[SCRATCH_WORDS], files[SCRATCH_WORDS], users[SCRATCH_WORDS], groups[SCRATCH_WORDS];
} scratch_words;

static bool
scratch_set(int fs, const char *key, const char *value)
{
    return syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0) == 0;
}

static int
scratch_mount(const scratch_words *words)
{
    int mount = -1;
    int const fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0) return -1;
    if (scratch_set(fs, "size", words->bytes) && scratch_set(fs, "nr_inodes", words->files) &&
        scratch_set(fs, "mode", "0700") && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        mount = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
                             MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    int const e = errno;
    (void)close(fs);
    errno = e;
    return mount;
}

static bool
scratch_write(const char *path, const char *text)
{
    int const fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool const ok = gbx_base_os_write_all(fd, text, strlen(text));
    (void)close(fd);
    return ok;
}

/* The control data of a message that carries one descriptor. */
typedef union scratch_control {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
} scratch_control;

/* In the child: a file system in a user namespace of its own, sent through `to`. */
static bool
scratch_child(const scratch_words *words, int to)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    if (!scratch_write("/proc/self/setgroups", "deny")) return false;
    if (!scratch_write("/proc/self/uid_map", words->users)) return false;
    if (!scratch_write("/proc/self/gid_map", words->groups)) return false;
    int const fd = scratch_mount(words);
    if (fd < 0) return false;
    scratch_control control = {0};
    char byte = 0;
    struct iovec iov = {&byte, 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    control.head = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    return sendmsg(to, &m, MSG_NOSIGNAL) == 1;
}

/* -1 and EPERM where nothing comes: the child could not make one. */
static int
scratch_receive(int from)
{
    scratch_control control = {0};
    char byte;
    struct iovec iov = {&byte, 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    ssize_t n;
    int fd = -1;
    do n = recvmsg(from, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    const struct cmsghdr *const head = n == 1 ? CMSG_FIRSTHDR(&m) : NULL;
    if (head && head->cmsg_type == SCM_RIGHTS && head->cmsg_len == CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(head), sizeof fd);
    if (fd < 0) errno = EPERM;
    return fd;
}

static int
scratch_by_child(const scratch_words *words)
{
    int pair[2], fd = -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return -1;
    pid_t const child = fork();
    if (child == 0) _exit(scratch_child(words, pair[1]) ? 0 : 1);
    (void)close(pair[1]);
    if (child > 0) {
        fd = scratch_receive(pair[0]);
        int const e = errno;
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
        errno = e;
    }
    int const e = errno;
    (void)close(pair[0]);
    errno = e;
    return fd;
}

int
gbx_base_os_scratch(u64 bytes, u64 files)
{
    scratch_words words;
    (void)snprintf(words.bytes, sizeof words.bytes, "%llu", (unsigned long long)bytes);
    (void)snprintf(words.files, sizeof words.files, "%llu", (unsigned long long)files);
    (void)snprintf(words.users, sizeof words.users, "%u %u 1", geteuid(), geteuid());
    (void)snprintf(words.groups, sizeof words.groups, "%u %u 1", getegid(), getegid());
    int fd = scratch_mount(&words);
    if (fd < 0 && errno == EPERM) fd = scratch_by_child(&words);
    return gbx_base_os_fd_above_stdio(fd);
}
