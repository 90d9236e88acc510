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

/* A76: rights shrink and never grow, however they are passed on. */
static void
test_rights(void **state)
{
    rig *const r = *state;
    u32 const fd = rig_open(r, "f", OFLAG_CREAT,
                            RIGHT_FD_READ | RIGHT_FD_WRITE | RIGHT_FD_SEEK | RIGHT_FD_TELL);
    rig_write(r, fd, "data");
    OK(r, "fd_fdstat_get", fd, RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT + 8),
                     RIGHT_FD_READ | RIGHT_FD_WRITE | RIGHT_FD_SEEK | RIGHT_FD_TELL);
    FAILS(r, NOTCAPABLE, "fd_filestat_get", fd, RIG_OUT);
    FAILS(r, NOTCAPABLE, "fd_sync", fd);
    FAILS(r, NOTCAPABLE, "fd_datasync", fd);
    FAILS(r, NOTCAPABLE, "fd_advise", fd, 0, 0, 0);
    FAILS(r, NOTCAPABLE, "fd_allocate", fd, 0, 1);
    FAILS(r, NOTCAPABLE, "fd_filestat_set_size", fd, 0);
    FAILS(r, NOTCAPABLE, "fd_filestat_set_times", fd, 0, 0, FST_MTIM);
    FAILS(r, NOTCAPABLE, "fd_fdstat_set_rights", fd, RIGHT_FD_READ | RIGHT_FD_SYNC, 0);
    FAILS(r, NOTCAPABLE, "fd_fdstat_set_rights", fd, RIGHT_FD_READ | RIGHT(40), 0);
    FAILS(r, NOTCAPABLE, "fd_fdstat_set_rights", fd, 0, RIGHT(40));
    OK(r, "fd_fdstat_set_rights", fd, RIGHT_FD_SEEK, 0);
    FAILS(r, BADF, "fd_read", fd, IOV(r, 4), RIG_OUT);
    FAILS(r, BADF, "fd_write", fd, IOV(r, 4), RIG_OUT);
    OK(r, "fd_tell", fd, RIG_OUT); /* seeking includes it */
    FAILS(r, NOTCAPABLE, "fd_fdstat_set_rights", fd, RIGHT_FD_READ | RIGHT_FD_SEEK, 0);
    OK(r, "fd_fdstat_set_rights", fd, 0, 0);
    FAILS(r, NOTCAPABLE, "fd_seek", fd, 1, WHENCE_CUR, RIG_OUT);
    FAILS(r, NOTCAPABLE, "fd_tell", fd, RIG_OUT);
    FAILS(r, BADF, "fd_fdstat_set_rights", 99, 0, 0);

    /* Telling is not seeking. */
    u32 const tells = rig_open(r, "f", 0, RIGHT_FD_READ | RIGHT_FD_TELL);
    OK(r, "fd_seek", tells, 0, WHENCE_CUR, RIG_OUT);
    FAILS(r, NOTCAPABLE, "fd_seek", tells, 0, WHENCE_SET, RIG_OUT);

    /* Renumbering keeps the smaller set. */
    u32 const other = rig_open(r, "f", 0, RIG_RIGHTS_FILE);
    OK(r, "fd_renumber", tells, other);
    FAILS(r, BADF, "fd_write", other, IOV(r, 4), RIG_OUT);

    /* What a directory does not pass on. */
    OK(r, "fd_fdstat_get", RIG_FD, RIG_OUT);
    u64 const base = rig_u64(r, RIG_OUT + 8), inheriting = rig_u64(r, RIG_OUT + 16);
    assert_int_equal(base & (RIGHT_FD_SEEK | RIGHT_FD_FILESTAT_SET_SIZE | RIGHT_FD_READ), 0);
    assert_int_equal(inheriting & base, base);
    OK(r, "fd_fdstat_set_rights", RIG_FD, base, inheriting & ~RIGHT_FD_WRITE);
    u32 none;
    assert_int_equal(rig_open_with(r, "f", 0, 0, RIGHT_FD_READ, 0, &none), WASI_NOTCAPABLE);
    FAILS(r, NOTCAPABLE, "path_open", RIG_FD, 0, P(r, "f"), 0, RIGHT_FD_WRITE, 0, 0, RIG_OUT);
    OK(r, "path_open", RIG_FD, 0, P(r, "f"), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
    FAILS(r, NOTCAPABLE, "path_open", RIG_FD, 0, P(r, "f"), 0, 0, RIGHT_FD_WRITE, 0, RIG_OUT);
}

/* Each path call asks for its right. */
static void
test_directory_rights(void **state)
{
    rig *const r = *state;
    host_file(r, "grant/f", "");
    host_mkdir(r, "grant/d");
    OK(r, "fd_fdstat_set_rights", RIG_FD, 0, 0);
    FAILS(r, NOTCAPABLE, "path_open", RIG_FD, 0, P(r, "f"), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, NOTCAPABLE, "path_create_directory", RIG_FD, P(r, "n"));
    FAILS(r, NOTCAPABLE, "path_filestat_get", RIG_FD, 0, P(r, "f"), RIG_OUT);
    FAILS(r, NOTCAPABLE, "path_filestat_set_times", RIG_FD, 0, P(r, "f"), 0, 0, FST_MTIM);
    FAILS(r, NOTCAPABLE, "path_link", RIG_FD, 0, P(r, "f"), RIG_FD, P2(r, "n"));
    FAILS(r, NOTCAPABLE, "path_readlink", RIG_FD, P(r, "f"), RIG_BUF, 64, RIG_OUT);
    FAILS(r, NOTCAPABLE, "path_remove_directory", RIG_FD, P(r, "d"));
    FAILS(r, NOTCAPABLE, "path_rename", RIG_FD, P(r, "f"), RIG_FD, P2(r, "n"));
    FAILS(r, NOTCAPABLE, "path_symlink", P(r, "f"), RIG_FD, P2(r, "n"));
    FAILS(r, NOTCAPABLE, "path_unlink_file", RIG_FD, P(r, "f"));
    FAILS(r, NOTCAPABLE, "fd_readdir", RIG_FD, RIG_BUF, 64, 0, RIG_OUT);
    FAILS(r, NOTCAPABLE, "fd_filestat_get", RIG_FD, RIG_OUT);
    rig_restart(r);
    OK(r, "fd_fdstat_set_rights", RIG_FD,
       RIGHT_PATH_OPEN | RIGHT_PATH_LINK_SOURCE | RIGHT_PATH_RENAME_SOURCE, 0);
    FAILS(r, NOTCAPABLE, "path_open", RIG_FD, 0, P(r, "n"), OFLAG_CREAT, 0, 0, 0, RIG_OUT);
    FAILS(r, NOTCAPABLE, "path_open", RIG_FD, 0, P(r, "f"), OFLAG_TRUNC, 0, 0, 0, RIG_OUT);
    FAILS(r, NOTCAPABLE, "path_link", RIG_FD, 0, P(r, "f"), RIG_FD, P2(r, "n"));
    FAILS(r, NOTCAPABLE, "path_rename", RIG_FD, P(r, "f"), RIG_FD, P2(r, "n"));
    assert_false(host_exists(r, "grant/n"));
}

static void
test_close_and_renumber(void **state)
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
    FAILS(r, BADF, "fd_renumber", b, a);
    FAILS(r, BADF, "fd_renumber", a, b);
    FAILS(r, BADF, "fd_renumber", b, 0xffffffff);
    FAILS(r, BADF, "fd_renumber", 0xffffffff, b);
    OK(r, "fd_close", b);
    FAILS(r, BADF, "fd_close", b);
    FAILS(r, BADF, "fd_close", 0xffffffff);
    assert_int_equal(host_open_fds(), before);

    /* A83: the lowest free one is given again. */
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
    for (u32 i = 0; i < 10000; i++) {
        OK(r, "fd_renumber", 4, 5);
        assert_int_equal(rig_open(r, "a", 0, RIG_RIGHTS_FILE), 4);
    }
    assert_int_equal(host_open_fds(), before + 6);
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
test_size_and_space(void **state)
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

/* A57: no SIGXFSZ, whether the host ignores it or not. */
static void
test_file_size_limit(void **state)
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
test_times(void **state)
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

/* A81: the table's own limit, then the host's, each with its errno, and then all back. */
static void
test_descriptor_limits(void **state)
{
    rig *const r = *state;
    int const before = host_open_fds();
    struct rlimit old, low;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)before + 20;
    host_file(r, "grant/f", "");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    u32 e = WASI_OK, fd, opened = 0;
    while (!(e = rig_open_with(r, "f", 0, 0, 0, 0, &fd))) opened++;
    u32 const made = CALL(r, "path_open", RIG_FD, 0, P(r, "new"), OFLAG_CREAT, 0, 0, 0, RIG_OUT);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(e, WASI_MFILE);
    assert_int_equal(made, WASI_MFILE);
    assert_false(host_exists(r, "grant/new"));
    for (u32 i = 0; i < opened; i++) OK(r, "fd_close", 4 + i);
    assert_int_equal(host_open_fds(), before);

    low.rlim_cur = old.rlim_max < 4096 ? old.rlim_max : 4096;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    for (opened = 0; !(e = rig_open_with(r, "f", 0, 0, 0, 0, &fd)); opened++)
        assert_int_equal(fd, 4 + opened);
    assert_int_equal(e, WASI_MFILE);
    assert_int_equal(opened + 4, WASI_MAX_FDS);
    FAILS(r, MFILE, "path_open", RIG_FD, 0, P(r, "new"), OFLAG_CREAT, 0, 0, 0, RIG_OUT);
    assert_false(host_exists(r, "grant/new")); /* a full table makes nothing */
    OK(r, "fd_close", 77);
    assert_int_equal(rig_open(r, "f", 0, 0), 77);
    for (u32 i = 4; i < WASI_MAX_FDS; i++) OK(r, "fd_close", i);
    assert_int_equal(host_open_fds(), before);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
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
            RIG_TEST(test_rights),
            RIG_TEST(test_directory_rights),
            RIG_TEST(test_close_and_renumber),
            RIG_TEST(test_preopens),
            RIG_TEST(test_size_and_space),
            RIG_TEST(test_file_size_limit),
            RIG_TEST(test_times),
            RIG_TEST(test_descriptor_limits),
            RIG_TEST(test_no_host_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
