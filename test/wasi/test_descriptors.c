/* The table of descriptors: lowest free first, capped, with a reserve for the host; closing, moving, using what is
 * closed; and after a million operations the host has as many open as before. */
#include "wasi/harness.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* ---- A81: limits */

static void
a81_until_the_table_is_full(void **state)
{
    rig *const r = *state;
    int const before = host_open_fds();
    struct rlimit old, high;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    high = old;
    high.rlim_cur = old.rlim_max < 4096 ? old.rlim_max : 4096;
    host_file(r, "grant/f", "text");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &high), 0);
    u32 e, fd, opened = 0;
    for (; !(e = rig_open_with(r, "f", 0, 0, 0, 0, &fd)); opened++) assert_int_equal(fd, 4 + opened);
    assert_int_equal(e, WASI_MFILE);
    assert_int_equal(opened + 4, WASI_MAX_FDS);
    FAILS(r, MFILE, "path_open", RIG_FD, 0, P(r, "new"), OFLAG_CREAT, 0, 0, 0, RIG_OUT);
    FAILS(r, MFILE, "path_open", RIG_FD, 0, P(r, "f"), OFLAG_TRUNC, 0, 0, 0, RIG_OUT);
    FAILS(r, MFILE, "path_open", UINT32_MAX, 0, P(r, "dev/null"), 0, 0, 0, 0, RIG_OUT);
    assert_false(host_exists(r, "grant/new")); /* a full table makes nothing, and cuts nothing */
    assert_string_equal(host_text(r, "grant/f"), "text");
    OK(r, "fd_close", 77);
    assert_int_equal(rig_open(r, "f", 0, 0), 77);
    for (u32 i = 4; i < WASI_MAX_FDS; i++) OK(r, "fd_close", i);
    assert_int_equal(host_open_fds(), before);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

/* What a guest can do that needs a descriptor of the host for a moment only. */
static void
limits_brief_calls(rig *r)
{
    OK(r, "path_filestat_get", RIG_FD, 1, P(r, "d/../f"), RIG_OUT);
    OK(r, "path_create_directory", RIG_FD, P(r, "d/new"));
    OK(r, "path_rename", RIG_FD, P(r, "d/new"), RIG_FD, P2(r, "d/old"));
    OK(r, "path_remove_directory", RIG_FD, P(r, "d/old"));
    OK(r, "fd_readdir", RIG_FD, RIG_BUF, 4096, 0, RIG_OUT);
    OK(r, "fd_renumber", 5, 4);
}

/* The process is out of descriptors before the table is: the last of them are the host's. */
static void
a81_until_the_host_has_only_its_reserve(void **state)
{
    enum { ROOM = 200 };
    rig *const r = *state;
    host_file(r, "grant/f", "text");
    host_mkdir(r, "grant/d");
    int const before = host_open_fds(), listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct rlimit old, low;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = ROOM;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    u32 e, fd, opened = 0;
    while (!(e = rig_open_with(r, "f", 0, 0, 0, 0, &fd))) opened++;
    u32 const made = CALL(r, "path_open", RIG_FD, 0, P(r, "new"), OFLAG_CREAT, 0, 0, 0, RIG_OUT);
    u32 const cut = CALL(r, "path_open", RIG_FD, 0, P(r, "f"), OFLAG_TRUNC, 0, 0, 0, RIG_OUT);
    limits_brief_calls(r);
    assert_int_equal(rig_open_with(r, "f", 0, 0, 0, 0, &fd), WASI_OK); /* one was closed by moving */
    int spare[ROOM], spares = 0;
    while ((spare[spares] = dup(listening)) >= 0) spares++;
    for (int i = 0; i < spares; i++) close(spare[i]);
    close(listening);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(e, WASI_MFILE);
    assert_int_equal(made, WASI_MFILE);
    assert_int_equal(cut, WASI_MFILE);
    assert_int_equal(spares, WASI_MAX_HOST_FDS);
    assert_false(host_exists(r, "grant/new"));
    assert_string_equal(host_text(r, "grant/f"), "text");
    for (u32 i = 0; i < opened; i++) OK(r, "fd_close", 4 + i);
    assert_int_equal(host_open_fds(), before);
}

/* A process that may have hardly any: its guest gets some of them, and a quarter stays. */
static void
a81_where_there_are_hardly_any(void **state)
{
    rig *const r = *state;
    int const before = host_open_fds();
    struct rlimit old, low;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)before + 20;
    host_file(r, "grant/f", "");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    u32 e, fd, opened = 0;
    while (!(e = rig_open_with(r, "f", 0, 0, 0, 0, &fd))) opened++;
    int const left = dup(STDERR_FILENO);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(e, WASI_MFILE);
    assert_true(opened > 0);
    assert_true(left >= 0);
    close(left);
    for (u32 i = 0; i < opened; i++) OK(r, "fd_close", 4 + i);
    assert_int_equal(host_open_fds(), before);
}

/* ---- A82: moving */

static void
a82_moving(void **state)
{
    rig *const r = *state;
    int const before = host_open_fds();
    host_file(r, "grant/a", "a");
    host_file(r, "grant/b", "b");
    u32 const a = rig_open(r, "a", 0, RIG_RIGHTS_FILE), b = rig_open(r, "b", 0, RIG_RIGHTS_FILE);
    OK(r, "fd_renumber", a, b);
    FAILS(r, BADF, "fd_close", a);
    rig_expect_read(r, b, "a");
    OK(r, "fd_renumber", b, b);
    FAILS(r, BADF, "fd_renumber", a, a);
    FAILS(r, BADF, "fd_renumber", b, a);
    FAILS(r, BADF, "fd_renumber", a, b);
    FAILS(r, BADF, "fd_renumber", b, 0xffffffff);
    FAILS(r, BADF, "fd_renumber", 0xffffffff, b);
    FAILS(r, BADF, "fd_renumber", 0xffffffff, 0xffffffff);
    OK(r, "fd_seek", b, 0, WHENCE_SET, RIG_OUT);
    rig_expect_read(r, b, "a");
    OK(r, "fd_close", b);
    assert_int_equal(host_open_fds(), before);
}

/* Standard input over the grant: the grant is closed, and its place is none any more. */
static void
a82_a_stream_over_the_grant(void **state)
{
    rig *const r = *state;
    int const before = host_open_fds();
    OK(r, "fd_renumber", 0, RIG_FD);
    assert_int_equal(host_open_fds(), before - 1);
    FAILS(r, NOTDIR, "fd_prestat_get", RIG_FD, RIG_OUT);
    FAILS(r, NOTDIR, "path_open", RIG_FD, 0, P(r, "f"), OFLAG_CREAT, 0, 0, 0, RIG_OUT);
    OK(r, "fd_close", RIG_FD);
    FAILS(r, BADF, "path_open", RIG_FD, 0, P(r, "f"), OFLAG_CREAT, 0, 0, 0, RIG_OUT);
    assert_false(host_exists(r, "grant/f"));
}

/* ---- A82: a million operations */

/* The next number of a sequence that is the same each time. */
static u32
mix_next(u64 *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (u32)(*seed >> 33);
}

/* One operation on descriptors around those that are open; most of them fail. */
static void
mix_once(rig *r, u64 *seed)
{
    static const char *const names[] = {"f", "d", "d/g", "none", "../f", "l", "f/x", "d/"};
    u32 const what = mix_next(seed) % 64, a = mix_next(seed) % 40, b = mix_next(seed) % 40;
    const char *const name = names[mix_next(seed) % GBX_LEN(names)];
    u32 const oflags = mix_next(seed) % 16;
    switch (what) {
    case 0: CALL(r, "path_open", a, 1, P(r, name), oflags, RIGHT_FD_READ, 0, 0, RIG_OUT); break;
    case 1: CALL(r, "path_open", RIG_FD, 1, P(r, name), 0, RIGHT_FD_READ, 0, 0, RIG_OUT); break;
    case 2: CALL(r, "path_open", RIG_FD, 1, P(r, name), oflags, RIGHT_FD_WRITE, 0, 0, RIG_OUT); break;
    case 3: CALL(r, "path_open", UINT32_MAX, 0, P(r, "dev/zero"), 0, RIGHT_FD_READ, 0, 0, RIG_OUT); break;
    case 4: CALL(r, "fd_readdir", a, RIG_BUF, 100, 0, RIG_OUT); break;
    case 5: CALL(r, "sock_accept", a, 0, RIG_OUT); break;
    case 6: CALL(r, "path_link", a, 0, P(r, name), b, P2(r, "f")); break;
    case 7: CALL(r, "path_filestat_get", a, 1, P(r, name), RIG_OUT); break;
    case 8: CALL(r, "path_readlink", RIG_FD, P(r, name), RIG_BUF, 10, RIG_OUT); break;
    case 9: CALL(r, "path_rename", a, P(r, name), b, P2(r, name)); break;
    default:
        if (a == RIG_FD || b == RIG_FD) break; /* the way to everything else */
        if (what < 36)
            CALL(r, "fd_renumber", a, b);
        else if (what < 40)
            CALL(r, "fd_renumber", a, a ? UINT32_MAX : b);
        else if (what < 50)
            CALL(r, "fd_close", a);
        else
            CALL(r, "fd_fdstat_get", a, RIG_OUT);
    }
}

static void
a82_a_million_operations_leak_nothing(void **state)
{
    enum { OPERATIONS = 1000000 };
    rig *const r = *state;
    u64 seed = 7;
    host_file(r, "grant/f", "text");
    host_mkdir(r, "grant/d");
    host_file(r, "grant/d/g", "text");
    host_link(r, "d/g", "grant/l");
    int const before = host_open_fds();
    for (u32 i = 0; i < OPERATIONS; i++) {
        mix_once(r, &seed);
        if (i % 100000 == 99999) { /* what the guest holds is what the host has more */
            int held = 0;
            for (u32 fd = 4; fd < r->w->fds.len; fd++) held += r->w->fds.files[fd].host >= 0;
            for (u32 fd = 0; fd < 3; fd++) held += r->w->fds.files[fd].host >= 0;
            assert_int_equal(host_open_fds(), before + held);
        }
    }
    for (u32 fd = 0; fd < 64; fd++)
        if (fd != RIG_FD) CALL(r, "fd_close", fd);
    assert_int_equal(host_open_fds(), before);
    gbx_wasi_ctx_free(r->w);
    assert_int_equal(host_open_fds(), before - 1);
    rig_start(r);
}

/* Moving over the grant and back, a million times: two descriptors change places over a third. */
static void
a82_a_million_moves(void **state)
{
    rig *const r = *state;
    host_file(r, "grant/f", "text");
    u32 const a = rig_open(r, "f", 0, RIG_RIGHTS_FILE), b = rig_open(r, "f", 0, RIG_RIGHTS_FILE);
    OK(r, "path_open", UINT32_MAX, 0, P(r, "dev/null"), 0, 0, 0, 0, RIG_OUT);
    u32 const c = rig_u32(r, RIG_OUT);
    int const before = host_open_fds();
    for (u32 i = 0; i < 1000000; i++) {
        OK(r, "fd_renumber", a, a);
        if (CALL(r, "fd_renumber", a, c) != WASI_BADF) {
            OK(r, "path_open", UINT32_MAX, 0, P(r, "dev/null"), 0, 0, 0, 0, RIG_OUT);
            assert_int_equal(rig_u32(r, RIG_OUT), a);
            OK(r, "fd_renumber", c, a);
            OK(r, "path_open", UINT32_MAX, 0, P(r, "dev/null"), 0, 0, 0, 0, RIG_OUT);
            assert_int_equal(rig_u32(r, RIG_OUT), c);
        }
    }
    assert_int_equal(host_open_fds(), before);
    rig_expect_read(r, a, "text");
    rig_expect_read(r, b, "text");
}

/* ---- A83: closing */

static void
a83_the_lowest_free_is_given_again(void **state)
{
    rig *const r = *state;
    int const before = host_open_fds();
    host_file(r, "grant/a", "a");
    for (u32 i = 0; i < 5; i++) assert_int_equal(rig_open(r, "a", 0, RIG_RIGHTS_FILE), 4 + i);
    OK(r, "fd_close", 6);
    OK(r, "fd_close", 5);
    assert_int_equal(rig_open(r, "a", 0, RIG_RIGHTS_FILE), 5);
    assert_int_equal(rig_open(r, "a", 0, RIG_RIGHTS_FILE), 6);
    assert_int_equal(rig_open(r, "a", 0, RIG_RIGHTS_FILE), 9);
    OK(r, "fd_renumber", 9, 0); /* a standard stream, closed by it */
    rig_expect_read(r, 0, "a");
    OK(r, "fd_close", 0);
    assert_int_equal(rig_open(r, "a", 0, RIG_RIGHTS_FILE), 0);
    OK(r, "path_open", UINT32_MAX, 0, P(r, "dev/null"), 0, 0, 0, 0, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 9);
    assert_int_equal(host_open_fds(), before + 6);
    OK(r, "fd_renumber", 4, 8); /* the number that a move leaves is free, too */
    assert_int_equal(rig_open(r, "a", 0, 0), 4);
}

static void
a83_closed_twice_and_used_afterwards(void **state)
{
    rig *const r = *state;
    host_file(r, "grant/a", "a");
    u32 const fd = rig_open(r, "a", 0, RIG_RIGHTS_FILE);
    OK(r, "fd_close", fd);
    FAILS(r, BADF, "fd_close", fd);
    FAILS(r, BADF, "fd_read", fd, IOV(r, 4), RIG_OUT);
    FAILS(r, BADF, "fd_fdstat_get", fd, RIG_OUT);
    FAILS(r, BADF, "fd_fdstat_set_rights", fd, 0, 0);
    FAILS(r, BADF, "fd_filestat_set_size", fd, 0);
    FAILS(r, BADF, "fd_readdir", fd, RIG_BUF, 64, 0, RIG_OUT);
    FAILS(r, BADF, "sock_shutdown", fd, 1);
    FAILS(r, BADF, "path_open", fd, 0, P(r, "a"), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, BADF, "fd_close", 0xffffffff);
    /* The number goes to somebody else, with his rights and not the old ones. */
    assert_int_equal(rig_open(r, "a", 0, RIGHT_FD_TELL), fd);
    FAILS(r, BADF, "fd_read", fd, IOV(r, 4), RIG_OUT);
    FAILS(r, NOTCAPABLE, "fd_filestat_get", fd, RIG_OUT);
}

typedef struct hangup {
    int fd;
} hangup;

static void *
closing_host(void *data)
{
    const hangup *const h = data;
    usleep(20000);
    close(h->fd);
    return NULL;
}

/* The host closes the other end while the guest reads or polls: it wakes, and closes its own. And a guest that was
 * stopped in the middle of a wait holds what it held. */
static void
a83_the_host_closes_during_a_wait(void **state)
{
    rig *const r = *state;
    int const before = host_open_fds();
    for (int polls = 0; polls < 2; polls++) {
        int p[2];
        pthread_t thread;
        assert_int_equal(pipe2(p, O_CLOEXEC), 0);
        r->config.stdio[0] = p[0];
        rig_restart(r);
        STOPPED(r, "fd_read", 0, IOV(r, 16), RIG_OUT);
        hangup h = {p[1]};
        assert_int_equal(pthread_create(&thread, NULL, closing_host, &h), 0);
        if (polls) {
            memset(r->mem.base + RIG_BUF, 0, 48);
            r->mem.base[RIG_BUF + 8] = 1; /* fd_read of descriptor 0 */
            OK(r, "poll_oneoff", RIG_BUF, RIG_BUF + 4096, 1, RIG_OUT);
            assert_int_equal(rig_u32(r, RIG_OUT), 1);
            assert_int_equal(rig_u32(r, RIG_BUF + 4096 + 24), 1); /* hung up */
        } else {
            OK(r, "fd_read", 0, IOV(r, 16), RIG_OUT);
            assert_int_equal(rig_u32(r, RIG_OUT), 0);
        }
        pthread_join(thread, NULL);
        OK(r, "fd_close", 0);
        FAILS(r, BADF, "fd_close", 0);
        FAILS(r, BADF, "fd_read", 0, IOV(r, 16), RIG_OUT);
        close(p[0]);
        r->config.stdio[0] = -1;
        rig_restart(r);
        assert_int_equal(host_open_fds(), before);
    }
}

int
main(void)
{
    const struct CMUnitTest without_paths[] = {
            RIG_TEST(a82_moving),
            RIG_TEST(a82_a_stream_over_the_grant),
            RIG_TEST(a82_a_million_moves),
            RIG_TEST(a83_the_lowest_free_is_given_again),
            RIG_TEST(a83_closed_twice_and_used_afterwards),
            RIG_TEST(a83_the_host_closes_during_a_wait),
    };
    const struct CMUnitTest tests[] = {
            RIG_TEST(a81_until_the_table_is_full),
            RIG_TEST(a81_until_the_host_has_only_its_reserve),
            RIG_TEST(a81_where_there_are_hardly_any),
            RIG_TEST(a82_a_million_operations_leak_nothing),
    };
    int const failed = cmocka_run_group_tests(without_paths, NULL, NULL);
    if (failed) return failed;
    RIG_RUN_BOTH(tests);
}
