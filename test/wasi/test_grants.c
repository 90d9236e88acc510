/* A75 to A78: what a grant is called, what becomes of it, what of it can be given up, and that there is no way to
 * anything of the host's beside it. */
#include "wasi/path_calls.h"

#include <sys/epoll.h>
#include <sys/mman.h>

#include "gbx/gbx.h"

#define DIR_ALL (RIG_RIGHTS_FILE & ~RIGHT_FD_WRITE & ~RIGHT_FD_ALLOCATE)

/* Two grants: descriptor 3 for writing, 4 read-only, by these names. */
static void
grants_named(rig *r, wasi_dir_grant dirs[2], const char *first, const char *second)
{
    const char *const names[2][2] = {{"grant/rw", first}, {"grant/ro", second}};
    gbx_wasi_ctx_free(r->w);
    for (int i = 0; i < 2; i++)
        dirs[i] = (wasi_dir_grant){
                .host_fd = open(rig_host_path(r, names[i][0]), O_PATH | O_DIRECTORY | O_CLOEXEC),
                .guest_path = names[i][1],
                .read_only = i == 1};
    r->config.dirs = dirs;
    r->config.dir_count = 2;
    assert_int_equal(gbx_wasi_ctx_new(&r->config, &r->w, NULL), GBX_OK);
    for (int i = 0; i < 2; i++) close(dirs[i].host_fd);
}

static void
grants_two(rig *r, wasi_dir_grant dirs[2])
{
    host_mkdir(r, "grant/rw");
    host_mkdir(r, "grant/ro");
    host_file(r, "grant/ro/f", "text");
    host_file(r, "grant/rw/f", "text");
    grants_named(r, dirs, "/rw", "/ro");
}

/* ---- A75 */

/* Names that mean the same are one, and one is granted once; what names nothing in the guest's tree is refused. */
static void
a75_names(void **state)
{
    rig *const r = *state;
    static const char *const root[] = {"/", ".", "./", "//", "a/..", "/./."};
    static const char *const data[] = {"data", "/data", "/data/", "./data", "data//", "x/../data"};
    static const char *const bad[] = {"", "..", "/..", "a/../..", "../data", "a\nb", "\x1b[2J"};
    for (size_t i = 0; i < GBX_LEN(root); i++) {
        gbx_err err;
        gbx_wasi *wasi;
        assert_int_equal(gbx_wasi_new(&wasi, &err), GBX_OK);
        assert_int_equal(gbx_wasi_dir(wasi, r->grant, root[i], GBX_READ_WRITE, &err), GBX_OK);
        assert_int_equal(gbx_wasi_dir(wasi, r->grant, data[i], GBX_READ_ONLY, &err), GBX_OK);
        for (size_t k = 0; k < GBX_LEN(root); k++) {
            assert_int_equal(gbx_wasi_dir(wasi, r->grant, root[k], GBX_READ_WRITE, &err), GBX_ARGUMENT);
            assert_non_null(strstr(err.text, "twice"));
            assert_int_equal(gbx_wasi_dir(wasi, r->host, data[k], GBX_READ_WRITE, &err), GBX_ARGUMENT);
        }
        for (size_t k = 0; k < GBX_LEN(bad); k++)
            assert_int_equal(gbx_wasi_dir(wasi, r->grant, bad[k], GBX_READ_WRITE, &err), GBX_ARGUMENT);
        gbx_wasi_release(wasi);
    }
}

/* All that could be done through descriptor `fd` while it was a grant. */
static void
grants_is_gone(rig *r, u32 fd, u32 want)
{
    assert_int_equal(CALL(r, "path_open", fd, 1, P(r, "f"), 0, RIGHT_FD_READ, 0, 0, RIG_OUT), want);
    assert_int_equal(CALL(r, "path_open", fd, 1, P(r, "."), OFLAG_DIRECTORY, 0, 0, 0, RIG_OUT), want);
    assert_int_equal(CALL(r, "path_filestat_get", fd, 1, P(r, "f"), RIG_OUT), want);
    assert_int_equal(CALL(r, "path_create_directory", fd, P(r, "new")), want);
    assert_int_equal(CALL(r, "path_unlink_file", fd, P(r, "f")), want);
    assert_int_equal(CALL(r, "fd_readdir", fd, RIG_BUF, 64, 0, RIG_OUT), want);
    assert_int_equal(CALL(r, "fd_prestat_get", fd, RIG_OUT), want);
    assert_int_equal(CALL(r, "fd_prestat_dir_name", fd, RIG_BUF, 8), want);
}

/* Closed it is gone, and its number, given to something else, brings nothing back. */
static void
a75_closed(void **state)
{
    rig *const r = *state;
    wasi_dir_grant dirs[2];
    grants_two(r, dirs);
    OK(r, "fd_close", 3);
    grants_is_gone(r, 3, WASI_BADF);
    /* The lowest number is given again: now it is the read-only grant, opened anew, and no grant of its own. */
    OK(r, "path_open", 4, 1, P(r, "."), OFLAG_DIRECTORY, DIR_ALL & ~RIGHT_PATH_FILESTAT_SET_SIZE, 0, 0, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 3);
    FAILS(r, BADF, "fd_prestat_get", 3, RIG_OUT);
    FAILS(r, BADF, "fd_prestat_dir_name", 3, RIG_BUF, 8);
    FAILS(r, ROFS, "path_create_directory", 3, P(r, "new"));
    FAILS(r, PERM, "path_open", 3, 1, P(r, "../rw/f"), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
    OK(r, "fd_close", 3);
    OK(r, "path_open", 4, 1, P(r, "f"), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 3);
    grants_is_gone(r, 3, WASI_NOTDIR);
    OK(r, "fd_close", 4);
    grants_is_gone(r, 4, WASI_BADF);
    FAILS(r, NOENT, "path_open", UINT32_MAX, 1, P(r, "rw/f"), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
    FAILS(r, NOENT, "path_open", UINT32_MAX, 1, P(r, "ro/f"), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
}

/* RULE: S17 The directories on the way to a grant can be looked at, whatever the host has there, and that is all. */
static void
s17_way_to_a_grant(void **state)
{
    rig *const r = *state;
    u64 const no = UINT32_MAX;
    static const char *const ways[] = {"usr", "usr/local", "usr/local/", "./usr//local/.", "/usr", "tmp"};
    static const char *const not[] = {"us", "usrx", "usr/x", "usr/local/g", "usr/../usr", "local", "tmp/y", "host"};
    wasi_dir_grant dirs[2];
    host_mkdir(r, "grant/rw");
    host_mkdir(r, "grant/ro");
    grants_named(r, dirs, "/usr/local/go", "/tmp/x");
    u64 seen[GBX_LEN(ways)];
    for (size_t i = 0; i < GBX_LEN(ways); i++) {
        OK(r, "path_filestat_get", no, i & 1, P(r, ways[i]), RIG_OUT);
        assert_int_equal(r->mem.base[RIG_OUT + 16], TYPE_DIRECTORY);
        memcpy(&seen[i], r->mem.base + RIG_OUT + 8, 8);
        FAILS(r, NOENT, "path_open", no, 1, P(r, ways[i]), OFLAG_DIRECTORY, 0, 0, 0, RIG_OUT);
        FAILS(r, PERM, "path_create_directory", no, P(r, ways[i]));
        FAILS(r, PERM, "path_remove_directory", no, P(r, ways[i]));
        FAILS(r, PERM, "path_rename", no, P(r, ways[i]), 3, P2(r, "x"));
    }
    assert_true(seen[0] == seen[4] && seen[1] == seen[2] && seen[1] == seen[3]);
    assert_true(seen[0] != seen[1] && seen[0] != seen[5] && seen[1] != seen[5]);
    for (size_t i = 0; i < GBX_LEN(not); i++)
        FAILS(r, NOENT, "path_filestat_get", no, 0, P(r, not[i]), RIG_OUT);
    /* A root that has none of it: the names are there nevertheless, its own as they are. */
    grants_named(r, dirs, "/", "/a/b");
    OK(r, "path_filestat_get", 3, 0, P(r, "a"), RIG_OUT);
    assert_int_equal(r->mem.base[RIG_OUT + 16], TYPE_DIRECTORY);
    FAILS(r, NOENT, "path_filestat_get", 3, 0, P(r, "b"), RIG_OUT);
    FAILS(r, NOENT, "path_filestat_get", 4, 0, P(r, "a"), RIG_OUT);
    /* Nor has a grant that another is said to be in. */
    grants_named(r, dirs, "/data", "/data/x/y/z");
    OK(r, "path_filestat_get", 3, 0, P(r, "x"), RIG_OUT);
    OK(r, "path_filestat_get", 3, 1, P(r, "x/y"), RIG_OUT);
    FAILS(r, NOENT, "path_filestat_get", 3, 0, P(r, "y"), RIG_OUT);
    FAILS(r, NOENT, "path_filestat_get", 3, 0, P(r, "data"), RIG_OUT);
    OK(r, "path_filestat_get", no, 0, P(r, "data/x/y"), RIG_OUT);
}

/* Put over another one it stays what it is: read-only, under its own name. */
static void
a75_renumbered(void **state)
{
    rig *const r = *state;
    wasi_dir_grant dirs[2];
    grants_two(r, dirs);
    int const before = host_open_fds();
    OK(r, "fd_renumber", 4, 3);
    grants_is_gone(r, 4, WASI_BADF);
    FAILS(r, ROFS, "path_create_directory", 3, P(r, "new"));
    FAILS(r, ROFS, "path_open", 3, 1, P(r, "f"), 0, RIGHT_FD_WRITE, 0, 0, RIG_OUT);
    OK(r, "fd_prestat_get", 3, RIG_OUT);
    OK(r, "fd_prestat_dir_name", 3, RIG_BUF, 8);
    assert_memory_equal(r->mem.base + RIG_BUF, "/ro", 3);
    assert_int_equal(host_open_fds(), before - 1);
    OK(r, "path_open", 3, 1, P(r, "f"), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
    OK(r, "fd_renumber", rig_u32(r, RIG_OUT), 3);
    grants_is_gone(r, 3, WASI_NOTDIR);
    assert_false(host_exists(r, "grant/rw/new") || host_exists(r, "grant/ro/new"));
}

/* ---- A76 */

/* Each call that takes a path, and the one right of its directory that it cannot do without. */
static const struct {
    u32 (*call)(rig *r, const char *path);
    const char *path;
    u64 right;
} grants_rights[] = {
        {call_open, "in", RIGHT_PATH_OPEN},
        {call_create, "new", RIGHT_PATH_CREATE_FILE},
        {call_stat, "in", RIGHT_PATH_FILESTAT_GET},
        {call_lstat, "in", RIGHT_PATH_FILESTAT_GET},
        {call_times, "in", RIGHT_PATH_FILESTAT_SET_TIMES},
        {call_link_times, "in", RIGHT_PATH_FILESTAT_SET_TIMES},
        {call_mkdir, "new", RIGHT_PATH_CREATE_DIRECTORY},
        {call_rmdir, "d", RIGHT_PATH_REMOVE_DIRECTORY},
        {call_unlink, "in", RIGHT_PATH_UNLINK_FILE},
        {call_readlink, "l", RIGHT_PATH_READLINK},
        {call_link_from, "in", RIGHT_PATH_LINK_SOURCE},
        {call_link_to, "new", RIGHT_PATH_LINK_TARGET},
        {call_rename_from, "in", RIGHT_PATH_RENAME_SOURCE},
        {call_rename_to, "new", RIGHT_PATH_RENAME_TARGET},
        {call_symlink, "new", RIGHT_PATH_SYMLINK},
};

static void
grants_inside(rig *r)
{
    static const char *const gone[] = {"grant/in", "grant/new", "grant/fresh", "grant/l"};
    for (size_t i = 0; i < GBX_LEN(gone); i++) remove(rig_host_path(r, gone[i]));
    host_file(r, "grant/in", "in");
    mkdir(rig_host_path(r, "grant/d"), 0755);
    host_link(r, "in", "grant/l");
}

static void
a76_rights_of_a_directory(void **state)
{
    rig *const r = *state;
    for (size_t i = 0; i < GBX_LEN(grants_rights); i++) {
        grants_inside(r);
        rig_restart(r);
        OK(r, "fd_fdstat_get", RIG_FD, RIG_OUT);
        u64 const base = rig_u64(r, RIG_OUT + 8), inheriting = rig_u64(r, RIG_OUT + 16);
        OK(r, "fd_fdstat_set_rights", RIG_FD, base & ~grants_rights[i].right, inheriting);
        u32 e = grants_rights[i].call(r, grants_rights[i].path);
        if (e != WASI_NOTCAPABLE) fail_msg("row %zu without the right: %u", i, e);
        /* Nor does a descriptor of the same directory have more than was left. */
        FAILS(r, NOTCAPABLE, "fd_fdstat_set_rights", RIG_FD, base, inheriting);
        rig_restart(r);
        OK(r, "fd_fdstat_set_rights", RIG_FD, grants_rights[i].right | RIGHT_PATH_OPEN | RIGHT_PATH_LINK_SOURCE |
                                                      RIGHT_PATH_RENAME_SOURCE | RIGHT_PATH_LINK_TARGET |
                                                      RIGHT_PATH_RENAME_TARGET,
           inheriting);
        e = grants_rights[i].call(r, grants_rights[i].path);
        if (e) fail_msg("row %zu with little more than the right: %u", i, e);
    }
}

/* Rights go down from directory to directory, never up, and a renumbered descriptor keeps the smaller set. */
static void
a76_rights_only_shrink(void **state)
{
    rig *const r = *state;
    grants_inside(r);
    u64 const keeps = RIGHT_FD_READ | RIGHT_FD_SEEK | RIGHT_FD_TELL | DIR_ALL;
    u32 const d = rig_open(r, "d", OFLAG_DIRECTORY, DIR_ALL);
    OK(r, "fd_fdstat_get", d, RIG_OUT);
    u64 const base = rig_u64(r, RIG_OUT + 8), inheriting = rig_u64(r, RIG_OUT + 16);
    OK(r, "fd_fdstat_set_rights", d, base, inheriting & keeps & ~RIGHT_FD_WRITE);
    host_file(r, "grant/d/f", "text");
    host_mkdir(r, "grant/d/e");
    FAILS(r, NOTCAPABLE, "path_open", d, 1, P(r, "f"), 0, RIGHT_FD_WRITE, 0, 0, RIG_OUT);
    OK(r, "path_open", d, 1, P(r, "e"), OFLAG_DIRECTORY, RIGHT_PATH_OPEN, inheriting & keeps & ~RIGHT_FD_WRITE, 0,
       RIG_OUT);
    u32 const e = rig_u32(r, RIG_OUT);
    host_file(r, "grant/d/e/f", "text");
    FAILS(r, NOTCAPABLE, "path_open", e, 1, P(r, "f"), 0, RIGHT_FD_WRITE, 0, 0, RIG_OUT);
    FAILS(r, NOTCAPABLE, "path_open", e, 1, P(r, "."), OFLAG_DIRECTORY, 0, RIGHT_FD_WRITE, 0, RIG_OUT);
    FAILS(r, NOTCAPABLE, "path_unlink_file", e, P(r, "f"));
    FAILS(r, NOTCAPABLE, "fd_fdstat_set_rights", e, base, 0);
    OK(r, "fd_renumber", e, RIG_FD);
    FAILS(r, NOTCAPABLE, "path_open", RIG_FD, 1, P(r, "f"), 0, RIGHT_FD_WRITE, 0, 0, RIG_OUT);
    FAILS(r, NOTCAPABLE, "path_unlink_file", RIG_FD, P(r, "f"));
    assert_string_equal(host_text(r, "grant/d/e/f"), "text");
}

/* ---- A77 */

static mode_t
grants_mode(const rig *r, const char *name)
{
    struct stat st;
    assert_int_equal(lstat(rig_host_path(r, name), &st), 0);
    return st.st_mode & 07777;
}

/* Files and directories get what the umask leaves of 0666 and 0777: no bit of another kind, ever. */
static void
a77_modes(void **state)
{
    static const mode_t masks[] = {0, 022, 027, 077, 0777};
    rig *const r = *state;
    mode_t const was = umask(0);
    for (size_t i = 0; i < GBX_LEN(masks); i++) {
        umask(masks[i]);
        u32 const by_create = call_create(r, "file"), by_mkdir = call_mkdir(r, "dir");
        umask(was);
        assert_int_equal(by_create, WASI_OK);
        assert_int_equal(by_mkdir, WASI_OK);
        mode_t const file = grants_mode(r, "grant/file"), dir = grants_mode(r, "grant/dir");
        assert_int_equal(remove(rig_host_path(r, "grant/file")), 0);
        assert_int_equal(remove(rig_host_path(r, "grant/dir")), 0);
        assert_int_equal(file, 0666 & ~masks[i]);
        assert_int_equal(dir, 0777 & ~masks[i]);
    }
    umask(was);
    /* Bits the host set are lost when a guest writes, as natively, and not to be had back. */
    host_file(r, "grant/in", "in");
    assert_int_equal(chmod(rig_host_path(r, "grant/in"), 04755), 0);
    OK(r, "path_rename", RIG_FD, P(r, "in"), RIG_FD, P2(r, "fresh"));
    assert_int_equal(call_create(r, "in"), WASI_OK);
    assert_int_equal(grants_mode(r, "grant/in") & 07000, 0);
}

/* Flags of the host that preview 1 does not have are not reached by bits it does not have: O_TMPFILE, O_PATH,
 * O_DIRECT, O_NOFOLLOW … */
static void
a77_unknown_flags(void **state)
{
    rig *const r = *state;
    host_file(r, "grant/in", "in");
    for (u32 bit = 0; bit < 32; bit++) {
        u32 const flag = 1u << bit;
        if (!(flag & OFLAG_ALL))
            FAILS(r, INVAL, "path_open", RIG_FD, 1, P(r, "in"), flag, RIGHT_FD_READ, 0, 0, RIG_OUT);
        if (!(flag & FDFLAG_ALL))
            FAILS(r, INVAL, "path_open", RIG_FD, 1, P(r, "in"), 0, RIGHT_FD_READ, 0, flag, RIG_OUT);
        if (flag != LOOKUP_SYMLINK_FOLLOW) {
            FAILS(r, INVAL, "path_open", RIG_FD, flag, P(r, "in"), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
            FAILS(r, INVAL, "path_filestat_get", RIG_FD, flag, P(r, "in"), RIG_OUT);
            FAILS(r, INVAL, "path_filestat_set_times", RIG_FD, flag, P(r, "in"), 1, 1, FST_MTIM);
        }
        FAILS(r, INVAL, "path_link", RIG_FD, flag, P(r, "in"), RIG_FD, P2(r, "new"));
    }
    /* What the host is asked for in the end. */
    for (u32 fdflags = 0; fdflags <= FDFLAG_ALL; fdflags++) {
        u32 fd;
        assert_int_equal(rig_open_with(r, "in", 1, 0, RIGHT_FD_READ | RIGHT_FD_WRITE, fdflags, &fd), WASI_OK);
        int const host = gbx_wasi_fds_find(&r->w->fds, fd)->host, flags = fcntl(host, F_GETFL);
        int const known = O_ACCMODE | O_APPEND | O_SYNC | O_DSYNC | O_NONBLOCK | O_NOFOLLOW | 0100000 /* large */;
        assert_int_equal(flags & ~known, 0);
        assert_int_equal(fcntl(host, F_GETFD), FD_CLOEXEC);
        OK(r, "fd_close", fd);
    }
    assert_false(host_exists(r, "grant/new"));
}

/* ---- A78 */

/* The host has files, memory, queues and the cache's directory open. No number a guest can say is one of them. */
static void
a78_descriptors_of_the_host(void **state)
{
    rig *const r = *state;
    host_mkdir(r, "cache");
    int const cache = open(rig_host_path(r, "cache"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r->config.cache_dir = &cache;
    rig_restart(r);
    int const mine[] = {open(rig_host_path(r, "secret"), O_RDWR | O_CLOEXEC), memfd_create("secret", MFD_CLOEXEC),
                        epoll_create1(EPOLL_CLOEXEC), cache, r->dir.host_fd, r->x.stop_fd};
    for (size_t i = 0; i < GBX_LEN(mine); i++) assert_true(mine[i] > STDERR_FILENO);
    assert_int_equal(write(mine[1], "secret", 6), 6);
    int const before = host_open_fds();
    u32 known = 0;
    for (u32 fd = 0; fd <= 65535; fd++) {
        bool const is_open = gbx_wasi_fds_find(&r->w->fds, fd) != NULL;
        known += is_open;
        if (is_open) continue;
        FAILS(r, BADF, "fd_fdstat_get", fd, RIG_OUT);
        FAILS(r, BADF, "fd_filestat_get", fd, RIG_OUT);
        FAILS(r, BADF, "fd_prestat_get", fd, RIG_OUT);
        FAILS(r, BADF, "fd_read", fd, IOV(r, 8), RIG_OUT);
        FAILS(r, BADF, "fd_write", fd, IOV(r, 8), RIG_OUT);
        FAILS(r, BADF, "fd_seek", fd, 1, WHENCE_SET, RIG_OUT);
        FAILS(r, BADF, "fd_readdir", fd, RIG_BUF, 64, 0, RIG_OUT);
        FAILS(r, BADF, "path_open", fd, 1, P(r, "x"), OFLAG_CREAT, 0, 0, 0, RIG_OUT);
        FAILS(r, BADF, "fd_renumber", fd, RIG_FD);
        FAILS(r, BADF, "fd_renumber", RIG_FD, fd);
        FAILS(r, BADF, "fd_close", fd);
    }
    assert_int_equal(known, 4);
    assert_int_equal(host_open_fds(), before);
    assert_int_equal(lseek(mine[0], 0, SEEK_CUR), 0);
    assert_int_equal(lseek(mine[1], 0, SEEK_CUR), 6);
    assert_string_equal(host_text(r, "secret"), "secret");
    assert_false(host_exists(r, "cache/x"));
    /* And none of a guest's is a standard stream of the host's. */
    for (u32 i = 0; i < 8; i++) {
        u32 const fd = rig_open(r, "f", OFLAG_CREAT, RIGHT_FD_READ);
        assert_true(gbx_wasi_fds_find(&r->w->fds, fd)->host > STDERR_FILENO);
    }
    for (size_t i = 0; i < 4; i++) close(mine[i]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            RIG_TEST(a75_names),
            RIG_TEST(a75_closed),
            RIG_TEST(a75_renumbered),
            RIG_TEST(s17_way_to_a_grant),
            RIG_TEST(a76_rights_of_a_directory),
            RIG_TEST(a76_rights_only_shrink),
            RIG_TEST(a77_modes),
            RIG_TEST(a77_unknown_flags),
            RIG_TEST(a78_descriptors_of_the_host),
    };
    RIG_RUN_BOTH(tests);
}
