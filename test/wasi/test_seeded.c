/* What a seeded guest is told, where test/seed does not look: streams, and metadata that depends on the file
 * system. */
#include "wasi/harness.h"

#include <pthread.h>

static const u64 seed = 5;

static void
seeded_start(rig *r)
{
    r->config.seed = &seed;
    rig_restart(r);
}

static void *
late_writer(void *data)
{
    int const fd = *(const int *)data;
    usleep(20000);
    assert_int_equal(write(fd, "ab", 2), 2);
    usleep(20000);
    assert_int_equal(write(fd, "cd", 2), 2);
    close(fd);
    return NULL;
}

/* Ready at once whatever is in it; read until it ends or the buffer is full, although NONBLOCK is set. */
static void
test_pipe_is_waited_for(void **state)
{
    rig *const r = *state;
    int pipes[2];
    pthread_t writer;
    assert_int_equal(pipe(pipes), 0);
    r->config.stdio[0] = pipes[0];
    seeded_start(r);
    OK(r, "fd_fdstat_set_flags", 0, FDFLAG_NONBLOCK);
    u8 *const sub = r->mem.base + RIG_BUF;
    memset(sub, 0, 96);
    sub[8] = 1; /* fd_read of 0 */
    rig_set_u32(r, RIG_BUF + 48 + 16, 1);
    rig_set_u64(r, RIG_BUF + 48 + 24, 1000000); /* or a millisecond */
    OK(r, "poll_oneoff", RIG_BUF, RIG_BUF + 4096, 2, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 1);
    assert_int_equal(r->mem.base[RIG_BUF + 4096 + 10], 1);
    assert_int_equal(rig_u64(r, RIG_BUF + 4096 + 16), 1); /* how much is nobody's business */
    assert_int_equal(pthread_create(&writer, NULL, late_writer, &pipes[1]), 0);
    rig_expect_read(r, 0, "abcd");
    pthread_join(writer, NULL);
    rig_expect_read(r, 0, "");
    close(pipes[0]);
}

static void
test_pipe_fills_the_buffer(void **state)
{
    rig *const r = *state;
    int pipes[2];
    pthread_t writer;
    assert_int_equal(pipe(pipes), 0);
    r->config.stdio[0] = pipes[0];
    seeded_start(r);
    assert_int_equal(pthread_create(&writer, NULL, late_writer, &pipes[1]), 0);
    rig_set_u32(r, RIG_IOVS, RIG_BUF);
    rig_set_u32(r, RIG_IOVS + 4, 1);
    rig_set_u32(r, RIG_IOVS + 8, RIG_BUF + 1);
    rig_set_u32(r, RIG_IOVS + 12, 2);
    OK(r, "fd_read", 0, RIG_IOVS, 2, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 3);
    assert_memory_equal(r->mem.base + RIG_BUF, "abc", 3);
    pthread_join(writer, NULL);
    close(pipes[0]);
}

static void
test_stop_ends_the_wait(void **state)
{
    rig *const r = *state;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    r->config.stdio[0] = pipes[0];
    seeded_start(r);
    STOPPED(r, "fd_read", 0, IOV(r, 10), RIG_OUT);
    assert_int_equal(write(pipes[1], "x", 1), 1); /* some came, and then nothing more */
    STOPPED(r, "fd_read", 0, IOV(r, 10), RIG_OUT);
    close(pipes[0]);
    close(pipes[1]);
}

/* Size and links of a directory say what file system it is on; devices and inodes, too. */
static void
test_metadata(void **state)
{
    rig *const r = *state;
    host_mkdir(r, "grant/d");
    for (int i = 0; i < 300; i++) {
        char name[300];
        snprintf(name, sizeof name, "grant/d/%0200d", i);
        i % 2 ? host_mkdir(r, name) : host_file(r, name, "");
    }
    seeded_start(r);
    OK(r, "path_filestat_get", RIG_FD, 0, P(r, "d"), RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT), 1);
    assert_int_equal(rig_u64(r, RIG_OUT + 8), 1);
    assert_int_equal(rig_u64(r, RIG_OUT + 24), 2);
    assert_int_equal(rig_u64(r, RIG_OUT + 32), 4096);
    u32 const fd = rig_open(r, "d", OFLAG_DIRECTORY, RIGHT_FD_FILESTAT_GET);
    OK(r, "fd_filestat_get", fd, RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT + 8), 1);
    for (int at = 40; at < 64; at += 8) assert_int_equal(rig_u64(r, (u32)(RIG_OUT + at)), 1767225600000000000u);
}

static ino_t
host_ino(rig *r, const char *name)
{
    struct stat st;
    assert_int_equal(stat(rig_host_path(r, name), &st), 0);
    return st.st_ino;
}

static u64
guest_ino(rig *r, const char *name)
{
    OK(r, "path_filestat_get", RIG_FD, 0, P(r, name), RIG_OUT);
    return rig_u64(r, RIG_OUT + 8);
}

/* A file system may give the inode of a file that is gone to the next one: it is another file all the same. It
 * may go to another process first, and is then waited for. */
static void
test_inodes_given_again(void **state)
{
    rig *const r = *state;
    bool again = false;
    seeded_start(r);
    for (int i = 0; i < 20 && !again; i++) {
        host_file(r, "grant/first", "");
        u64 const first = guest_ino(r, "first");
        assert_int_equal(guest_ino(r, "first"), first);
        ino_t const host = host_ino(r, "grant/first");
        assert_int_equal(unlink(rig_host_path(r, "grant/first")), 0);
        usleep(20000); /* the clock of a file system goes by ticks */
        host_file(r, "grant/next", "");
        u64 const next = guest_ino(r, "next");
        again = host_ino(r, "grant/next") == host; /* ext4; tmpfs counts on */
        if (again) assert_int_not_equal(next, first);
        assert_int_equal(unlink(rig_host_path(r, "grant/next")), 0);
    }
}

/* Cookies that a guest invents, and entries that are gone. */
static void
test_listing(void **state)
{
    rig *const r = *state;
    host_file(r, "grant/b", "");
    host_file(r, "grant/a", "");
    host_file(r, "grant/c", "");
    seeded_start(r);
    OK(r, "fd_readdir", RIG_FD, RIG_BUF, 4096, 0, RIG_OUT);
    u32 const all = rig_u32(r, RIG_OUT);
    assert_int_equal(all, 5 * 24 + 6);
    assert_int_equal(r->mem.base[RIG_BUF + 25 + 26 + 24], 'a');
    assert_int_equal(rig_u64(r, RIG_BUF + 25 + 8), 0); /* ".." */
    static const u64 cookies[] = {5, 6, UINT32_MAX, UINT64_MAX, (u64)1 << 63};
    for (size_t i = 0; i < GBX_LEN(cookies); i++) {
        OK(r, "fd_readdir", RIG_FD, RIG_BUF, 4096, cookies[i], RIG_OUT);
        assert_int_equal(rig_u32(r, RIG_OUT), 0);
    }
    assert_int_equal(unlink(rig_host_path(r, "grant/b")), 0);
    OK(r, "fd_readdir", RIG_FD, RIG_BUF, 4096, 3, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 2 * 25); /* as it was when the listing began */
    for (u32 len = 0; len < 60; len++) {
        OK(r, "fd_readdir", RIG_FD, RIG_BUF, len, 0, RIG_OUT);
        assert_int_equal(rig_u32(r, RIG_OUT), len); /* cut, which says that there is more */
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            RIG_TEST(test_pipe_is_waited_for), RIG_TEST(test_pipe_fills_the_buffer),
            RIG_TEST(test_stop_ends_the_wait), RIG_TEST(test_metadata),
            RIG_TEST(test_listing), RIG_TEST(test_inodes_given_again),
    };
    RIG_RUN_BOTH(tests);
}
