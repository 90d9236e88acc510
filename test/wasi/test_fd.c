/* Descriptors: files, their positions, sizes and times; flags and rights; closing and renumbering. */
#include "wasi/harness.h"

#include <signal.h>
#include <sys/resource.h>

#include "base/os_file.h"

static void
test_read_write_seek(void **state)
{
    rig *const r = *state;
    u32 const fd = rig_open(r, "f", OFLAG_CREAT, RIG_RIGHTS_FILE);
    assert_int_equal(fd, 4);
    rig_write(r, fd, "hello world");
    OK(r, "fd_tell", fd, RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT), 11);
    OK(r, "fd_seek", fd, (u64)-5, WHENCE_CUR, RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT), 6);
    rig_expect_read(r, fd, "world");
    rig_expect_read(r, fd, "");
    OK(r, "fd_seek", fd, (u64)-11, WHENCE_END, RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT), 0);
    OK(r, "fd_seek", fd, 1000, WHENCE_CUR, RIG_OUT);
    FAILS(r, INVAL, "fd_seek", fd, (u64)-2000, WHENCE_CUR, RIG_OUT);
    FAILS(r, INVAL, "fd_seek", fd, (u64)INT64_MIN, WHENCE_SET, RIG_OUT);
    FAILS(r, INVAL, "fd_seek", fd, 0, 3, RIG_OUT);
    OK(r, "fd_tell", fd, RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT), 1000);
    assert_string_equal(host_text(r, "grant/f"), "hello world");
    FAILS(r, BADF, "fd_seek", 99, 0, 0, RIG_OUT);
    FAILS(r, BADF, "fd_tell", 99, RIG_OUT);
    FAILS(r, BADF, "fd_seek", RIG_FD, 0, 0, RIG_OUT);
    FAILS(r, BADF, "fd_tell", RIG_FD, RIG_OUT);
}

static void
test_pread_pwrite(void **state)
{
    rig *const r = *state;
    u32 const fd = rig_open(r, "f", OFLAG_CREAT, RIG_RIGHTS_FILE);
    memcpy(r->mem.base + RIG_BUF, "abcdef", 6);
    OK(r, "fd_pwrite", fd, IOV(r, 6), 4, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 6);
    OK(r, "fd_tell", fd, RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT), 0);
    memset(r->mem.base + RIG_BUF, 0x11, 16);
    OK(r, "fd_pread", fd, IOV(r, 16), 2, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 8);
    assert_memory_equal(r->mem.base + RIG_BUF, "\0\0abcdef\x11", 9);
    OK(r, "fd_pread", fd, IOV(r, 16), 10, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 0);
    /* A56 */
    static const u64 far[] = {(u64)INT64_MAX + 1, UINT64_MAX, UINT64_MAX - 3};
    for (size_t i = 0; i < GBX_LEN(far); i++) {
        FAILS(r, INVAL, "fd_pread", fd, IOV(r, 16), far[i], RIG_OUT);
        FAILS(r, INVAL, "fd_pwrite", fd, IOV(r, 16), far[i], RIG_OUT);
    }
    u32 const e = CALL(r, "fd_pwrite", fd, IOV(r, 16), INT64_MAX, RIG_OUT);
    assert_true(e == WASI_INVAL || e == WASI_FBIG);
    FAILS(r, BADF, "fd_pread", 99, IOV(r, 16), 0, RIG_OUT);
    FAILS(r, BADF, "fd_pwrite", 99, IOV(r, 16), 0, RIG_OUT);
    FAILS(r, ISDIR, "fd_pread", RIG_FD, IOV(r, 16), 0, RIG_OUT);
    FAILS(r, ISDIR, "fd_pwrite", RIG_FD, IOV(r, 16), 0, RIG_OUT);
    FAILS(r, ISDIR, "fd_read", RIG_FD, IOV(r, 16), RIG_OUT);
    FAILS(r, ISDIR, "fd_write", RIG_FD, IOV(r, 16), RIG_OUT);
    OK(r, "fd_fdstat_set_rights", fd, RIGHT_FD_READ | RIGHT_FD_WRITE, 0);
    FAILS(r, NOTCAPABLE, "fd_pread", fd, IOV(r, 16), 0, RIG_OUT);
    FAILS(r, NOTCAPABLE, "fd_pwrite", fd, IOV(r, 16), 0, RIG_OUT);
}

/* Appending holds for fd_write, not for fd_pwrite, and can be turned off. */
static void
test_append(void **state)
{
    rig *const r = *state;
    u32 fd;
    host_file(r, "grant/f", "1234");
    assert_int_equal(rig_open_with(r, "f", 0, 0, RIG_RIGHTS_FILE, FDFLAG_APPEND, &fd), WASI_OK);
    OK(r, "fd_seek", fd, 0, WHENCE_SET, RIG_OUT);
    rig_write(r, fd, "56");
    memcpy(r->mem.base + RIG_BUF, "xy", 2);
    OK(r, "fd_pwrite", fd, IOV(r, 2), 0, RIG_OUT);
    assert_string_equal(host_text(r, "grant/f"), "xy3456");
    OK(r, "fd_seek", fd, 0, WHENCE_SET, RIG_OUT);
    rig_write(r, fd, "7");
    assert_string_equal(host_text(r, "grant/f"), "xy34567");
    OK(r, "fd_fdstat_get", fd, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT) >> 16, FDFLAG_APPEND);
    OK(r, "fd_fdstat_set_flags", fd, 0);
    OK(r, "fd_seek", fd, 0, WHENCE_SET, RIG_OUT);
    rig_write(r, fd, "ab");
    assert_string_equal(host_text(r, "grant/f"), "ab34567");
    OK(r, "fd_fdstat_set_flags", fd, FDFLAG_APPEND);
    rig_write(r, fd, "8");
    assert_string_equal(host_text(r, "grant/f"), "ab345678");
}

static void
test_fdstat_flags(void **state)
{
    rig *const r = *state;
    u32 fd;
    assert_int_equal(rig_open_with(r, "f", 0, OFLAG_CREAT, RIG_RIGHTS_FILE, FDFLAG_SYNC, &fd),
                     WASI_OK);
    OK(r, "fd_fdstat_get", fd, RIG_OUT);
    assert_int_equal(r->mem.base[RIG_OUT], TYPE_REGULAR_FILE);
    assert_int_equal(rig_u32(r, RIG_OUT) >> 16, FDFLAG_SYNC);
    OK(r, "fd_fdstat_set_flags", fd, FDFLAG_SYNC | FDFLAG_NONBLOCK);
    OK(r, "fd_fdstat_get", fd, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT) >> 16, FDFLAG_SYNC | FDFLAG_NONBLOCK);
    FAILS(r, NOTSUP, "fd_fdstat_set_flags", fd, 0);
    FAILS(r, INVAL, "fd_fdstat_set_flags", fd, 32);
    FAILS(r, INVAL, "fd_fdstat_set_flags", fd, 0x10000);
    FAILS(r, BADF, "fd_fdstat_set_flags", 99, 0);
    FAILS(r, BADF, "fd_fdstat_get", 99, RIG_OUT);
    OK(r, "fd_fdstat_set_rights", fd, RIGHT_FD_READ, 0);
    FAILS(r, NOTCAPABLE, "fd_fdstat_set_flags", fd, FDFLAG_SYNC);
    OK(r, "fd_fdstat_set_flags", RIG_FD, FDFLAG_NONBLOCK);
    OK(r, "fd_fdstat_get", RIG_FD, RIG_OUT);
    assert_int_equal(r->mem.base[RIG_OUT], TYPE_DIRECTORY);
}

/* A75: a grant that was closed or replaced is gone. */
static void
test_preopens(void **state)
{
    rig *const r = *state;
    OK(r, "fd_prestat_get", RIG_FD, RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT), (u64)1 << 32);
    OK(r, "fd_prestat_dir_name", RIG_FD, RIG_BUF, 1);
    assert_int_equal(r->mem.base[RIG_BUF], '/');
    OK(r, "fd_prestat_dir_name", RIG_FD, RIG_BUF, 2);
    FAILS(r, NAMETOOLONG, "fd_prestat_dir_name", RIG_FD, RIG_BUF, 0);
    FAILS(r, NOTDIR, "fd_prestat_get", 0, RIG_OUT);
    FAILS(r, NOTDIR, "fd_prestat_dir_name", 0, RIG_BUF, 9);
    FAILS(r, BADF, "fd_prestat_get", 4, RIG_OUT);
    FAILS(r, BADF, "fd_prestat_dir_name", 4, RIG_BUF, 9);
    host_mkdir(r, "grant/d");
    u32 const d = rig_open(r, "d", OFLAG_DIRECTORY, RIGHT_PATH_OPEN);
    FAILS(r, BADF, "fd_prestat_get", d, RIG_OUT);
    u32 const f = rig_open(r, "f", OFLAG_CREAT, 0);
    FAILS(r, NOTDIR, "fd_prestat_get", f, RIG_OUT);
    OK(r, "fd_renumber", d, RIG_FD);
    FAILS(r, BADF, "fd_prestat_get", RIG_FD, RIG_OUT);
    FAILS(r, PERM, "path_open", RIG_FD, 0, P(r, "../f"), 0, 0, 0, 0, RIG_OUT);
    OK(r, "fd_close", RIG_FD);
    FAILS(r, BADF, "path_open", RIG_FD, 0, P(r, "f"), 0, 0, 0, 0, RIG_OUT);
    assert_int_equal(CALL(r, "path_open", 0xffffffff, 0, P(r, "f"), 0, 0, 0, 0, RIG_OUT),
                     WASI_NOENT);
}

static void
a57_sizes_and_space(void **state)
{
    rig *const r = *state;
    u32 const fd = rig_open(r, "f", OFLAG_CREAT, RIG_RIGHTS_FILE);
    OK(r, "fd_filestat_set_size", fd, 100);
    OK(r, "fd_filestat_get", fd, RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT + 32), 100);
    assert_int_equal(r->mem.base[RIG_OUT + 16], TYPE_REGULAR_FILE);
    assert_int_equal(rig_u64(r, RIG_OUT + 24), 1);
    OK(r, "fd_allocate", fd, 90, 20);
    OK(r, "fd_filestat_get", fd, RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT + 32), 110);
    OK(r, "fd_allocate", fd, 10, 10);
    OK(r, "fd_filestat_get", fd, RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT + 32), 110);
    /* A57 */
    FAILS(r, FBIG, "fd_filestat_set_size", fd, UINT64_MAX);
    FAILS(r, FBIG, "fd_filestat_set_size", fd, (u64)INT64_MAX + 1);
    FAILS(r, FBIG, "fd_allocate", fd, UINT64_MAX, 1);
    FAILS(r, FBIG, "fd_allocate", fd, INT64_MAX, 1);
    FAILS(r, FBIG, "fd_allocate", fd, 1, INT64_MAX);
    u32 const e = CALL(r, "fd_allocate", fd, 0, (u64)1 << 62);
    assert_true(e == WASI_FBIG || e == WASI_NOSPC);
    FAILS(r, INVAL, "fd_allocate", fd, 0, 0);
    FAILS(r, BADF, "fd_allocate", 99, 0, 1);
    FAILS(r, BADF, "fd_filestat_set_size", 99, 1);
    FAILS(r, NOTCAPABLE, "fd_allocate", RIG_FD, 0, 1);
    FAILS(r, NOTCAPABLE, "fd_filestat_set_size", RIG_FD, 0);
    OK(r, "fd_sync", fd);
    OK(r, "fd_datasync", fd);
    OK(r, "fd_sync", RIG_FD);
    FAILS(r, BADF, "fd_sync", 99);
    FAILS(r, BADF, "fd_datasync", 99);
    for (u32 advice = 0; advice < 6; advice++) OK(r, "fd_advise", fd, 10, 50, advice);
    FAILS(r, INVAL, "fd_advise", fd, 0, 0, 6);
    FAILS(r, INVAL, "fd_advise", fd, UINT64_MAX, 1, 0);
    FAILS(r, INVAL, "fd_advise", fd, INT64_MAX, 1, 0);
    FAILS(r, BADF, "fd_advise", 99, 0, 0, 0);
    FAILS(r, NOTCAPABLE, "fd_advise", RIG_FD, 0, 0, 0);
    FAILS(r, BADF, "fd_filestat_get", 99, RIG_OUT);
    /* Opened for reading, with the right to set sizes, as Go opens: the host refuses. */
    u32 const reads = rig_open(r, "f", 0, RIGHT_FD_READ | RIGHT_FD_FILESTAT_SET_SIZE);
    FAILS(r, INVAL, "fd_filestat_set_size", reads, 0);
}

/* A57: positions beyond what can be said, from each place to count from; the position stays. */
static void
a57_seeking_too_far(void **state)
{
    rig *const r = *state;
    static const u64 far[] = {INT64_MAX, INT64_MAX - 10, (u64)INT64_MIN, (u64)INT64_MIN + 1, (u64)-1000};
    host_file(r, "grant/f", "text");
    u32 const fd = rig_open(r, "f", 0, RIG_RIGHTS_FILE);
    OK(r, "fd_seek", fd, 50, WHENCE_SET, RIG_OUT);
    for (u32 whence = WHENCE_CUR; whence <= WHENCE_END; whence++) {
        for (size_t i = 0; i < GBX_LEN(far); i++) {
            u32 const e = CALL(r, "fd_seek", fd, far[i], whence, RIG_OUT);
            assert_true(e == WASI_INVAL || e == WASI_OVERFLOW);
            OK(r, "fd_tell", fd, RIG_OUT);
            assert_int_equal(rig_u64(r, RIG_OUT), 50);
        }
    }
}

/* A57: no SIGXFSZ, whether the host ignores it or not. */
static void
a57_the_limit_on_file_sizes(void **state)
{
    rig *const r = *state;
    struct rlimit old, small = {.rlim_max = RLIM_INFINITY, .rlim_cur = 64};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    u32 const fd = rig_open(r, "f", OFLAG_CREAT, RIG_RIGHTS_FILE);
    for (int ignored = 0; ignored < 2; ignored++) {
        signal(SIGXFSZ, ignored ? SIG_IGN : SIG_DFL);
        signal(SIGPIPE, ignored ? SIG_IGN : SIG_DFL);
        r->w->quiet = !gbx_base_os_signals_ignored();
        assert_int_equal(r->w->quiet, !ignored);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        u32 const size = CALL(r, "fd_filestat_set_size", fd, 100),
                  space = CALL(r, "fd_allocate", fd, 0, 100),
                  at = CALL(r, "fd_pwrite", fd, IOV(r, 10), 100, RIG_OUT),
                  seek = CALL(r, "fd_seek", fd, 100, WHENCE_SET, RIG_OUT),
                  here = CALL(r, "fd_write", fd, IOV(r, 10), RIG_OUT);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(size, WASI_FBIG);
        assert_int_equal(space, WASI_FBIG);
        assert_int_equal(at, WASI_FBIG);
        assert_int_equal(seek, WASI_OK);
        assert_int_equal(here, WASI_FBIG);
        sigset_t pending;
        sigpending(&pending);
        assert_false(sigismember(&pending, SIGXFSZ));
    }
    signal(SIGXFSZ, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
}

/* A58 */
static void
a58_times(void **state)
{
    rig *const r = *state;
    u32 const fd = rig_open(r, "f", OFLAG_CREAT, RIG_RIGHTS_FILE);
    OK(r, "fd_filestat_get", fd, RIG_OUT);
    u64 const atim = rig_u64(r, RIG_OUT + 40), mtim = rig_u64(r, RIG_OUT + 48) - 100;
    OK(r, "fd_filestat_set_times", fd, 1, mtim, FST_MTIM);
    OK(r, "fd_filestat_get", fd, RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT + 40), atim);
    assert_int_equal(rig_u64(r, RIG_OUT + 48), mtim);
    OK(r, "fd_filestat_set_times", fd, 5000000007, 1, FST_ATIM);
    OK(r, "fd_filestat_get", fd, RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT + 40), 5000000007);
    assert_int_equal(rig_u64(r, RIG_OUT + 48), mtim);
    OK(r, "fd_filestat_set_times", fd, 0, 0, FST_ATIM_NOW | FST_MTIM_NOW);
    OK(r, "fd_filestat_get", fd, RIG_OUT);
    assert_true(rig_u64(r, RIG_OUT + 48) > mtim);
    OK(r, "fd_filestat_set_times", fd, 0, 0, 0);
    OK(r, "fd_filestat_set_times", fd, UINT64_MAX, UINT64_MAX, FST_ATIM | FST_MTIM);
    OK(r, "fd_filestat_get", fd, RIG_OUT);
    FAILS(r, INVAL, "fd_filestat_set_times", fd, 1, 2, FST_MTIM | FST_MTIM_NOW);
    FAILS(r, INVAL, "fd_filestat_set_times", fd, 1, 2, FST_ATIM | FST_ATIM_NOW);
    FAILS(r, INVAL, "fd_filestat_set_times", fd, 1, 2, 16);
    FAILS(r, BADF, "fd_filestat_set_times", 99, 1, 2, FST_MTIM);
    OK(r, "fd_filestat_set_times", RIG_FD, 1, 2, FST_MTIM);
    /* Before 1970 is as early as can be said. */
    struct timespec const early[2] = {{.tv_sec = -1, .tv_nsec = 5},
                                      {.tv_sec = -1000000, .tv_nsec = 0}};
    assert_int_equal(utimensat(AT_FDCWD, rig_host_path(r, "grant/f"), early, 0), 0);
    OK(r, "fd_filestat_get", fd, RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT + 40), 0);
    assert_int_equal(rig_u64(r, RIG_OUT + 48), 0);
    struct stat st = {.st_mtim = {.tv_sec = (time_t)253402300799}}; /* the end of year 9999 */
    gbx_wasi_put_filestat(r->mem.base + RIG_OUT, &st, TYPE_REGULAR_FILE);
    assert_true(rig_u64(r, RIG_OUT + 48) == UINT64_MAX);
}

/* No descriptor of the host is a guest's unless it was given (A78). */
static void
test_no_host_descriptors(void **state)
{
    rig *const r = *state;
    for (u32 fd = 4; fd < 70000; fd++) FAILS(r, BADF, "fd_fdstat_get", fd, RIG_OUT);
    FAILS(r, BADF, "fd_fdstat_get", (u32)r->x.stop_fd + (1u << 31), RIG_OUT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            RIG_TEST(test_read_write_seek),
            RIG_TEST(test_pread_pwrite),
            RIG_TEST(test_append),
            RIG_TEST(test_fdstat_flags),
            RIG_TEST(test_preopens),
            RIG_TEST(a57_sizes_and_space),
            RIG_TEST(a57_seeking_too_far),
            RIG_TEST(a57_the_limit_on_file_sizes),
            RIG_TEST(a58_times),
            RIG_TEST(test_no_host_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
