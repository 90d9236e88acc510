/* path_open: flags, rights, links, read-only grants; with both resolvers. */
#include "wasi/harness.h"

static u32
open_as(rig *r, const char *path, u32 lookup, u32 oflags, u64 rights)
{
    u32 fd;
    u32 const e = rig_open_with(r, path, lookup, oflags, rights, 0, &fd);
    if (!e) OK(r, "fd_close", fd);
    return e;
}
#define OPENS(path, lookup, oflags, rights)                                                        \
    assert_int_equal(open_as(r, path, lookup, oflags, rights), WASI_OK)
#define REFUSES(errno_name, path, lookup, oflags, rights)                                          \
    assert_int_equal(open_as(r, path, lookup, oflags, rights), WASI_##errno_name)

#define READ     RIGHT_FD_READ
#define WRITE    RIGHT_FD_WRITE
#define NO_WRITE (RIG_RIGHTS_FILE & ~RIGHT_FD_WRITE & ~RIGHT_FD_ALLOCATE)

static void
test_flags(void **state)
{
    rig *const r = *state;
    REFUSES(NOENT, "f", 1, 0, READ);
    OPENS("f", 1, OFLAG_CREAT, 0);
    OPENS("f", 1, OFLAG_CREAT, WRITE);
    REFUSES(EXIST, "f", 1, OFLAG_CREAT | OFLAG_EXCL, 0);
    OPENS("g", 1, OFLAG_CREAT | OFLAG_EXCL, READ | WRITE);
    OPENS("f", 1, OFLAG_EXCL, READ); /* means nothing without CREAT */
    REFUSES(NOTDIR, "f", 1, OFLAG_DIRECTORY, READ);
    REFUSES(NOTDIR, "f/", 1, 0, READ);
    REFUSES(NOTDIR, "f///", 1, 0, READ);
    REFUSES(NOTDIR, "f/.", 1, 0, READ);
    REFUSES(NOTDIR, "f/..", 1, 0, READ);
    REFUSES(INVAL, "n", 1, OFLAG_CREAT | OFLAG_DIRECTORY, 0);
    REFUSES(INVAL, "f", 2, 0, 0);
    REFUSES(INVAL, "f", 1, 16, 0);
    FAILS(r, INVAL, "path_open", RIG_FD, 0, P(r, "f"), 0, 0, 0, 32, RIG_OUT);
    REFUSES(ISDIR, "n/", 1, OFLAG_CREAT, 0);
    REFUSES(NOENT, "none/f", 1, OFLAG_CREAT, 0);
    assert_false(host_exists(r, "grant/n"));
    struct stat st;
    assert_int_equal(stat(rig_host_path(r, "grant/g"), &st), 0);
    assert_int_equal(st.st_mode & 07111, 0); /* A77 */
}

static void
test_directory(void **state)
{
    rig *const r = *state;
    host_mkdir(r, "grant/d");
    OPENS("d", 1, 0, NO_WRITE);
    OPENS("d/", 1, 0, 0);
    OPENS("d///", 0, OFLAG_DIRECTORY, READ);
    OPENS(".", 0, 0, 0);
    OPENS("d/..", 0, OFLAG_DIRECTORY, 0);
    REFUSES(ISDIR, ".", 0, OFLAG_DIRECTORY, READ | WRITE);
    REFUSES(ISDIR, "d", 1, 0, READ | WRITE);
    REFUSES(ISDIR, "d", 1, 0, WRITE);
    REFUSES(ISDIR, "d/", 1, 0, WRITE);
    REFUSES(ISDIR, "d", 1, OFLAG_TRUNC, 0);
    REFUSES(ISDIR, "d", 1, OFLAG_CREAT, READ);
    REFUSES(ISDIR, "d/.", 1, OFLAG_CREAT, READ);
    REFUSES(EXIST, "d", 1, OFLAG_CREAT | OFLAG_EXCL, READ);
    /* Rights that a directory has no use for are not in the way, and not given. */
    u32 const fd = rig_open(r, "d", OFLAG_DIRECTORY, RIGHT_FD_SEEK | RIGHT_FD_READDIR);
    OK(r, "fd_fdstat_get", fd, RIG_OUT);
    assert_int_equal(r->mem.base[RIG_OUT], TYPE_DIRECTORY);
    assert_int_equal(rig_u64(r, RIG_OUT + 8), RIGHT_FD_READDIR);
    u32 flagged;
    assert_int_equal(rig_open_with(r, ".", 0, 0, 0, FDFLAG_NONBLOCK, &flagged), WASI_OK);
    /* Exactly what a grant has can be asked for again. */
    OK(r, "fd_fdstat_get", RIG_FD, RIG_OUT);
    OK(r, "path_open", RIG_FD, 0, P(r, "."), OFLAG_DIRECTORY, rig_u64(r, RIG_OUT + 8),
       rig_u64(r, RIG_OUT + 16), 0, RIG_OUT);
    FAILS(r, BADF, "fd_prestat_get", rig_u32(r, RIG_OUT), RIG_OUT + 64);
}

static void
test_links(void **state)
{
    rig *const r = *state;
    host_mkdir(r, "grant/d");
    host_file(r, "grant/d/f", "in");
    host_link(r, "d", "grant/l");
    host_link(r, "d/f", "grant/lf");
    host_link(r, "f", "grant/d/same");
    host_link(r, "l/", "grant/ls");
    host_link(r, "new", "grant/dangling");
    host_link(r, "loop", "grant/loop");
    host_link(r, "d/..", "grant/rooty");
    OPENS("l", 1, OFLAG_DIRECTORY, 0);
    OPENS("l/", 1, 0, 0);
    OPENS("ls", 1, 0, 0);
    OPENS("lf", 1, 0, READ);
    OPENS("l/same", 1, 0, READ);
    OPENS("l/f", 0, 0, READ);
    OPENS("rooty/l/../d/f", 0, 0, READ);
    REFUSES(LOOP, "l", 0, 0, READ);
    REFUSES(LOOP, "lf", 0, 0, READ);
    REFUSES(LOOP, "dangling", 0, 0, READ);
    REFUSES(LOOP, "dangling", 0, OFLAG_CREAT, READ);
    REFUSES(LOOP, "loop", 0, 0, READ);
    REFUSES(LOOP, "loop", 1, 0, READ);
    REFUSES(LOOP, "loop/x", 0, 0, READ);
    u32 const e[] = {open_as(r, "l", 0, OFLAG_DIRECTORY, 0),
                     open_as(r, "dangling", 0, OFLAG_DIRECTORY, 0),
                     open_as(r, "lf", 0, OFLAG_DIRECTORY, 0), open_as(r, "l/", 0, 0, 0),
                     open_as(r, "lf/", 0, 0, 0)};
    for (size_t i = 0; i < GBX_LEN(e); i++) assert_true(e[i] == WASI_NOTDIR || e[i] == WASI_LOOP);
    REFUSES(NOTDIR, "lf", 1, OFLAG_DIRECTORY, 0);
    REFUSES(NOTDIR, "lf/", 1, 0, 0);
    REFUSES(NOENT, "dangling", 1, 0, READ);
    REFUSES(EXIST, "dangling", 1, OFLAG_CREAT | OFLAG_EXCL, READ);
    assert_false(host_exists(r, "grant/new"));
    OPENS("dangling", 1, OFLAG_CREAT, WRITE); /* within the grant, as natively */
    assert_true(host_exists(r, "grant/new"));
}

/* Truncating needs the right on the directory, or the rights to do it through the file. */
static void
test_truncate(void **state)
{
    rig *const r = *state;
    host_file(r, "grant/f", "text");
    REFUSES(NOENT, "none", 1, OFLAG_TRUNC, WRITE);
    OPENS("f", 1, OFLAG_TRUNC, 0);
    assert_string_equal(host_text(r, "grant/f"), "");
    host_file(r, "grant/f", "text");
    u32 const fd = rig_open(r, "f", OFLAG_CREAT | OFLAG_TRUNC, READ);
    assert_string_equal(host_text(r, "grant/f"), "");
    FAILS(r, BADF, "fd_write", fd, IOV(r, 4), RIG_OUT); /* the right was not asked for */
    rig_expect_read(r, fd, "");
    OK(r, "fd_fdstat_get", RIG_FD, RIG_OUT);
    u64 const base = rig_u64(r, RIG_OUT + 8), inheriting = rig_u64(r, RIG_OUT + 16);
    OK(r, "fd_fdstat_set_rights", RIG_FD, base & ~RIGHT_PATH_FILESTAT_SET_SIZE, inheriting);
    host_file(r, "grant/f", "text");
    REFUSES(NOTCAPABLE, "f", 1, OFLAG_TRUNC, 0);
    OPENS("f", 1, 0, READ);
    assert_string_equal(host_text(r, "grant/f"), "text");
    OPENS("f", 1, OFLAG_TRUNC, NO_WRITE | RIGHT_FD_WRITE);
    assert_string_equal(host_text(r, "grant/f"), "");
    OK(r, "fd_fdstat_set_rights", RIG_FD, base & ~RIGHT_PATH_FILESTAT_SET_SIZE,
       inheriting & ~RIGHT_FD_FILESTAT_SET_SIZE);
    FAILS(r, NOTCAPABLE, "path_open", RIG_FD, 0, P(r, "f"), OFLAG_TRUNC, WRITE, 0, 0, RIG_OUT);
}

static void
test_access(void **state)
{
    rig *const r = *state;
    host_file(r, "grant/f", "text");
    u32 const reads = rig_open(r, "f", 0, READ), writes = rig_open(r, "f", 0, WRITE);
    rig_expect_read(r, reads, "text");
    FAILS(r, BADF, "fd_write", reads, IOV(r, 1), RIG_OUT);
    FAILS(r, BADF, "fd_read", writes, IOV(r, 1), RIG_OUT);
    rig_write(r, writes, "T");
    assert_string_equal(host_text(r, "grant/f"), "Text");
    /* All ones ask for what there is. */
    OK(r, "path_open", RIG_FD, 1, P(r, "f"), 0, UINT64_MAX, UINT64_MAX, 0, RIG_OUT);
    OK(r, "fd_fdstat_get", rig_u32(r, RIG_OUT), RIG_OUT + 64);
    assert_int_equal(rig_u64(r, RIG_OUT + 72), gbx_wasi_rights_of(TYPE_REGULAR_FILE, false));
    /* GO: os.Open of a file as syscall.openat asks for it. */
    u64 const go = RIG_RIGHTS_FILE & ~(RIGHT_FD_DATASYNC | RIGHT_FD_WRITE | RIGHT_FD_ALLOCATE |
                                       RIGHT_PATH_FILESTAT_SET_SIZE);
    u32 const opened = rig_open(r, "f", 0, go);
    OK(r, "fd_fdstat_get", opened, RIG_OUT);
    OK(r, "fd_fdstat_set_flags", opened, FDFLAG_NONBLOCK);
    int const host = r->w->fds.files[opened].host;
    assert_int_equal(fcntl(host, F_GETFL) & (O_NONBLOCK | O_ACCMODE), O_RDONLY);
    assert_int_equal(fcntl(host, F_GETFD), FD_CLOEXEC);
    /* A directory opened as os.Root does it, and files below made, truncated and read through it. */
    host_mkdir(r, "grant/d");
    u64 const dir = go & gbx_wasi_rights_of(TYPE_DIRECTORY, false);
    OK(r, "path_open", RIG_FD, 0, P(r, "d"), OFLAG_DIRECTORY, dir, RIG_RIGHTS_FILE, 0, RIG_OUT);
    u32 const d = rig_u32(r, RIG_OUT);
    OK(r, "path_open", d, 0, P(r, "f"), OFLAG_CREAT | OFLAG_TRUNC, RIG_RIGHTS_FILE, RIG_RIGHTS_FILE,
       0, RIG_OUT);
    OK(r, "path_open", d, 0, P(r, "f"), OFLAG_TRUNC, go, RIG_RIGHTS_FILE, 0, RIG_OUT);
    /* It goes where its directory goes (os.TestRootRenameAfterOpen). */
    OK(r, "path_rename", RIG_FD, P(r, "d"), RIG_FD, P2(r, "moved"));
    OK(r, "path_open", d, 0, P(r, "g"), OFLAG_CREAT, 0, 0, 0, RIG_OUT);
    assert_true(host_exists(r, "grant/moved/g"));
    FAILS(r, PERM, "path_open", d, 0, P(r, "../f"), 0, 0, 0, 0, RIG_OUT);
}

/* A directory passes on what the one above it does, though the guest asked for less (Zig's library does,
 * and then writes to files in it), until the guest gives it up. */
static void
test_inheriting(void **state)
{
    rig *const r = *state;
    host_mkdir(r, "grant/d");
    host_file(r, "grant/d/f", "text");
    OK(r, "fd_fdstat_get", RIG_FD, RIG_OUT);
    u64 const all = rig_u64(r, RIG_OUT + 16);
    OK(r, "path_open", RIG_FD, 0, P(r, "d"), OFLAG_DIRECTORY, RIGHT_PATH_OPEN, RIGHT_PATH_OPEN, 0,
       RIG_OUT);
    u32 const d = rig_u32(r, RIG_OUT);
    OK(r, "fd_fdstat_get", d, RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT + 8), RIGHT_PATH_OPEN);
    assert_int_equal(rig_u64(r, RIG_OUT + 16), all);
    OK(r, "path_open", d, 0, P(r, "f"), 0, READ | WRITE, 0, 0, RIG_OUT);
    FAILS(r, NOTCAPABLE, "path_open", d, 0, P(r, "new"), OFLAG_CREAT, READ, 0, 0, RIG_OUT);
    OK(r, "fd_fdstat_set_rights", d, RIGHT_PATH_OPEN, RIGHT_FD_READ);
    OK(r, "path_open", d, 0, P(r, "f"), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
    FAILS(r, NOTCAPABLE, "path_open", d, 0, P(r, "f"), 0, RIGHT_FD_WRITE, 0, 0, RIG_OUT);
    FAILS(r, NOTCAPABLE, "path_open", d, 0, P(r, "."), 0, 0, RIGHT_FD_WRITE, 0, RIG_OUT);
}

/* RULE: S17 */
static void
test_descriptor_minus_one(void **state)
{
    rig *const r = *state;
    u64 const no = 0xffffffff;
    FAILS(r, NOENT, "path_open", no, 1, P(r, "data/in"), 0, 0, 0, 0, RIG_OUT);
    assert_false(gbx_wasi_refusals(r->w, &(u32){0})[0].changes);
    FAILS(r, PERM, "path_open", no, 1, P(r, "data/in"), OFLAG_CREAT, 0, 0, 0, RIG_OUT);
    FAILS(r, PERM, "path_open", no, 1, P(r, "data/out"), OFLAG_CREAT, 0, 0, 0, RIG_OUT);
    FAILS(r, PERM, "path_open", no, 1, P(r, "data/out"), OFLAG_TRUNC, 0, 0, 0, RIG_OUT);
    FAILS(r, NOENT, "path_filestat_get", no, 1, P(r, "data"), RIG_OUT);
    FAILS(r, NOENT, "path_readlink", no, P(r, "data"), RIG_BUF, 9, RIG_OUT);
    FAILS(r, PERM, "path_unlink_file", no, P(r, "data\x1b[2J\n\"x\""));
    FAILS(r, NOENT, "path_open", no, 1, P(r, "data/in"), 0, 0, 0, 0, RIG_OUT);
    u32 count;
    const wasi_refusal *const got = gbx_wasi_refusals(r->w, &count);
    static const struct {
        const char *call, *path;
    } want[] = {{"path_open", "data/in"},
                {"path_open", "data/out"},
                {"path_filestat_get", "data"},
                {"path_readlink", "data"},
                {"path_unlink_file", "data\\x1b[2J\\n\\\"x\\\""}};
    assert_int_equal(count, GBX_LEN(want)); /* equal ones once */
    for (u32 i = 0; i < count; i++) {
        assert_string_equal(got[i].call, want[i].call);
        assert_string_equal(got[i].path, want[i].path);
        assert_string_equal(got[i].reason, "no grant matches");
        assert_int_equal(got[i].changes, strcmp(want[i].path, "data") != 0); /* one that changes does for all */
    }
    FAILS(r, BADF, "path_open", 0xfffffffe, 1, P(r, "x"), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, BADF, "fd_readdir", no, RIG_BUF, 64, 0, RIG_OUT);
    assert_int_equal(rig_refusals(r), count);
    /* Long ones are cut, many are capped. */
    char path[1500];
    memset(path, '\x01', sizeof path - 1);
    path[sizeof path - 1] = 0;
    FAILS(r, NOENT, "path_open", no, 1, P(r, path), 0, 0, 0, 0, RIG_OUT);
    assert_true(strlen(got[count].path) < sizeof got[0].path);
    for (int i = 0; i < 200; i++) {
        snprintf(path, sizeof path, "p%d", i);
        FAILS(r, NOENT, "path_open", no, 1, P(r, path), 0, 0, 0, 0, RIG_OUT);
    }
    assert_int_equal(rig_refusals(r), WASI_REFUSALS_MAX);
    assert_string_equal(got[0].path, "data/in");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            RIG_TEST(test_flags),           RIG_TEST(test_directory),
            RIG_TEST(test_links),           RIG_TEST(test_truncate),
            RIG_TEST(test_access),          RIG_TEST(test_descriptor_minus_one),
            RIG_TEST(test_inheriting),
    };
    RIG_RUN_BOTH(tests);
}
