/* Read-only files from memory: what guests find in them, and that no call changes them or leads out of them.
 * The rig's directory of the host is granted beside them, and is compared with what it was. */
#include "wasi/path_calls.h"

#define NODE_FD 4 /* the files; RIG_FD is the host's */

static wasi_tree *
node_tree(void)
{
    static const struct {
        const char *path, *text;
    } files[] = {{"/in", "hello"}, {"/b/deep/er", "three"}, {"/b/a", ""}, {"/z", "last"}, {"/b/deep/two", "2"}};
    gbx_err err;
    wasi_tree *const t = gbx_wasi_tree_new(7);
    assert_non_null(t);
    for (size_t i = 0; i < GBX_LEN(files); i++) {
        wasi_blob *const b = gbx_wasi_blob_new((const u8 *)files[i].text, strlen(files[i].text));
        assert_non_null(b);
        assert_int_equal(gbx_wasi_tree_add(t, files[i].path, b, &err), GBX_OK);
        gbx_wasi_blob_release(b);
    }
    return t;
}

/* The rig with the files granted as `name`, behind the host's directory. */
static void
node_start(rig *r, const char *name)
{
    static wasi_dir_grant dirs[2];
    wasi_tree *const t = node_tree();
    dirs[0] = r->dir;
    dirs[0].guest_path = "/host";
    dirs[1] = (wasi_dir_grant){.host_fd = -1, .guest_path = name, .tree = t};
    gbx_wasi_ctx_free(r->w);
    r->config.dirs = dirs;
    r->config.dir_count = 2;
    assert_int_equal(gbx_wasi_ctx_new(&r->config, &r->w, NULL), GBX_OK);
    gbx_wasi_tree_release(t); /* the context has it */
}

static u32
node_try_open(rig *r, u32 dir, const char *path, u32 oflags, u64 rights)
{
    return CALL(r, "path_open", dir, LOOKUP_SYMLINK_FOLLOW, P(r, path), oflags, rights, RIG_RIGHTS_FILE, 0, RIG_OUT);
}

static u32
node_open(rig *r, const char *path, u32 oflags, u64 rights)
{
    assert_int_equal(node_try_open(r, NODE_FD, path, oflags, rights), WASI_OK);
    return rig_u32(r, RIG_OUT);
}

#define DIR_ALL (RIG_RIGHTS_FILE & ~RIGHT_FD_WRITE & ~RIGHT_FD_ALLOCATE)
#define READS (RIGHT_FD_READ | RIGHT_FD_SEEK | RIGHT_FD_TELL | RIGHT_FD_FILESTAT_GET | RIGHT_POLL_FD_READWRITE)

static void
test_read(void **state)
{
    rig *const r = *state;
    node_start(r, "/files");
    u32 const fd = node_open(r, "in", 0, READS);
    OK(r, "fd_read", fd, IOV(r, 2), RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 2);
    assert_memory_equal(r->mem.base + RIG_BUF, "he", 2);
    rig_expect_read(r, fd, "llo");
    rig_expect_read(r, fd, "");
    OK(r, "fd_pread", fd, IOV(r, 3), 1, RIG_OUT); /* and does not move */
    assert_memory_equal(r->mem.base + RIG_BUF, "ell", 3);
    OK(r, "fd_tell", fd, RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT), 5);
    OK(r, "fd_pread", fd, IOV(r, 3), INT64_MAX, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 0);
    FAILS(r, INVAL, "fd_pread", fd, IOV(r, 3), (u64)INT64_MAX + 1, RIG_OUT);
    OK(r, "fd_seek", fd, (u64)-2, WHENCE_END, RIG_OUT);
    rig_expect_read(r, fd, "lo");
    OK(r, "fd_seek", fd, 100, WHENCE_CUR, RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT), 105);
    rig_expect_read(r, fd, "");
    FAILS(r, INVAL, "fd_seek", fd, (u64)-1, WHENCE_SET, RIG_OUT);
    OK(r, "fd_seek", fd, INT64_MAX, WHENCE_SET, RIG_OUT);
    FAILS(r, OVERFLOW, "fd_seek", fd, 1, WHENCE_CUR, RIG_OUT);
    rig_expect_read(r, fd, "");
    /* A second descriptor has its own place. */
    u32 const other = node_open(r, "./b/../in", 0, READS);
    rig_expect_read(r, other, "hello");
    OK(r, "fd_close", other);
    u32 const deep = node_open(r, "b/deep/er", 0, READS), dir = node_open(r, "b//deep/", OFLAG_DIRECTORY, DIR_ALL);
    rig_expect_read(r, deep, "three");
    assert_int_equal(node_try_open(r, dir, "two", 0, READS), WASI_OK);
    rig_expect_read(r, rig_u32(r, RIG_OUT), "2");
    u32 const empty = node_open(r, "b/a", 0, READS);
    rig_expect_read(r, empty, "");
}

static void
test_stat(void **state)
{
    rig *const r = *state;
    node_start(r, "/files");
    OK(r, "path_filestat_get", NODE_FD, 1, P(r, "in"), RIG_OUT);
    u64 const dev = rig_u64(r, RIG_OUT), ino = rig_u64(r, RIG_OUT + 8);
    assert_int_equal(r->mem.base[RIG_OUT + 16], TYPE_REGULAR_FILE);
    assert_int_equal(rig_u64(r, RIG_OUT + 32), 5);
    assert_int_equal(rig_u64(r, RIG_OUT + 48), (u64)WASI_CLOCK_BEGIN_S * WASI_NS_PER_S);
    u32 const fd = node_open(r, "in", 0, READS);
    OK(r, "fd_filestat_get", fd, RIG_OUT);
    assert_true(rig_u64(r, RIG_OUT) == dev && rig_u64(r, RIG_OUT + 8) == ino);
    OK(r, "path_filestat_get", NODE_FD, 0, P(r, "b/deep/.."), RIG_OUT);
    assert_int_equal(r->mem.base[RIG_OUT + 16], TYPE_DIRECTORY);
    assert_true(rig_u64(r, RIG_OUT) == dev && rig_u64(r, RIG_OUT + 8) != ino);
    OK(r, "path_filestat_get", RIG_FD, 1, P(r, "."), RIG_OUT);
    assert_true(rig_u64(r, RIG_OUT) != dev);
    OK(r, "fd_filestat_get", NODE_FD, RIG_OUT);
    assert_int_equal(r->mem.base[RIG_OUT + 16], TYPE_DIRECTORY);
    FAILS(r, INVAL, "path_readlink", NODE_FD, P(r, "in"), RIG_BUF, 64, RIG_OUT);
    FAILS(r, NOENT, "path_readlink", NODE_FD, P(r, "none"), RIG_BUF, 64, RIG_OUT);
    /* The bytes that are left, for who waits. */
    rig_set_u64(r, RIG_BUF, 9);
    r->mem.base[RIG_BUF + 8] = 1;
    rig_set_u32(r, RIG_BUF + 16, fd);
    OK(r, "poll_oneoff", RIG_BUF, RIG_BUF + 64, 1, RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_BUF + 64 + 16), 5);
}

/* The names of a listing that is read `len` bytes at a time, as one text. */
static const char *
node_list(rig *r, u32 fd, u32 len)
{
    static char text[256];
    text[0] = 0;
    u64 cookie = 0;
    for (;;) {
        OK(r, "fd_readdir", fd, RIG_BUF, len, cookie, RIG_OUT);
        u32 const used = rig_u32(r, RIG_OUT);
        u32 at = 0;
        while (at + 24 <= used) {
            u32 const name_len = rig_u32(r, RIG_BUF + at + 16);
            if (at + 24 + name_len > used) break;
            cookie = rig_u64(r, RIG_BUF + at);
            snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s:%d ", (int)name_len,
                     (const char *)r->mem.base + RIG_BUF + at + 24, r->mem.base[RIG_BUF + at + 20]);
            at += 24 + name_len;
        }
        if (used < len) return text;
    }
}

static void
test_list(void **state)
{
    rig *const r = *state;
    node_start(r, "/files");
    assert_string_equal(node_list(r, NODE_FD, 4096), ".:3 ..:3 b:3 in:4 z:4 ");
    assert_string_equal(node_list(r, NODE_FD, 30), ".:3 ..:3 b:3 in:4 z:4 ");
    u32 const b = node_open(r, "b", OFLAG_DIRECTORY, DIR_ALL);
    assert_string_equal(node_list(r, b, 40), ".:3 ..:3 a:4 deep:3 ");
    static const u64 cookies[] = {5, 6, UINT32_MAX, INT64_MAX, UINT64_MAX};
    for (size_t i = 0; i < GBX_LEN(cookies); i++) {
        OK(r, "fd_readdir", b, RIG_BUF, 4096, cookies[i], RIG_OUT);
        assert_int_equal(rig_u32(r, RIG_OUT), 0);
    }
    u32 const fd = node_open(r, "in", 0, READS);
    FAILS(r, NOTDIR, "fd_readdir", fd, RIG_BUF, 4096, 0, RIG_OUT);
}

/* What would lead out, and what is not there. */
static void
test_paths(void **state)
{
    rig *const r = *state;
    static const struct {
        const char *path;
        u32 errno_want;
    } rows[] = {
            {"..", WASI_PERM},       {"../host/in", WASI_PERM},  {"b/../..", WASI_PERM},
            {"b/deep/../../../in", WASI_PERM}, {"/in", WASI_PERM}, {"none", WASI_NOENT},
            {"none/in", WASI_NOENT}, {"in/..", WASI_NOTDIR},     {"in/x", WASI_NOTDIR},
            {"in/", WASI_NOTDIR},    {"in/.", WASI_NOTDIR},      {"b/deep/er/", WASI_NOTDIR},
            {"B", WASI_NOENT},       {"b/dee", WASI_NOENT},      {"b/deepe", WASI_NOENT},
            {"none/../in", WASI_NOENT},
    };
    node_start(r, "/files");
    host_file(r, rig_grant_name("in"), "host");
    for (size_t i = 0; i < GBX_LEN(rows); i++) {
        assert_int_equal(node_try_open(r, NODE_FD, rows[i].path, 0, READS), rows[i].errno_want);
        assert_int_equal(CALL(r, "path_filestat_get", NODE_FD, 1, P(r, rows[i].path), RIG_OUT), rows[i].errno_want);
    }
    char name[400];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    assert_int_equal(node_try_open(r, NODE_FD, name, 0, READS), WASI_NAMETOOLONG);
    /* A descriptor of a directory in it is a beginning, too. */
    u32 const b = node_open(r, "b", OFLAG_DIRECTORY, DIR_ALL);
    assert_int_equal(node_try_open(r, b, "../in", 0, READS), WASI_PERM);
    assert_true(rig_refusals(r) > 0);
}

/* Every call that changes something, at names that are there and at others. */
static void
test_no_change(void **state)
{
    rig *const r = *state;
    static const char *const paths[] = {"in", "fresh", "b", "b/deep/fresh", "none/fresh"};
    node_start(r, "/files");
    host_file(r, rig_grant_name("mine"), "host");
    for (size_t i = 0; i < GBX_LEN(paths); i++) {
        const char *const p = paths[i];
        bool const is_dir = !strcmp(p, "b"), is_there = is_dir || !strcmp(p, "in");
        u32 const there = is_dir ? WASI_ISDIR : WASI_ROFS;
        FAILS(r, ROFS, "path_create_directory", NODE_FD, P(r, p));
        FAILS(r, ROFS, "path_remove_directory", NODE_FD, P(r, p));
        FAILS(r, ROFS, "path_unlink_file", NODE_FD, P(r, p));
        FAILS(r, ROFS, "path_filestat_set_times", NODE_FD, 1, P(r, p), 1, 1, FST_MTIM);
        FAILS(r, ROFS, "path_symlink", P(r, "in"), NODE_FD, P2(r, p));
        FAILS(r, ROFS, "path_rename", NODE_FD, P(r, p), RIG_FD, P2(r, "fresh"));
        FAILS(r, ROFS, "path_rename", RIG_FD, P(r, "mine"), NODE_FD, P2(r, p));
        FAILS(r, ROFS, "path_link", NODE_FD, 0, P(r, p), RIG_FD, P2(r, "fresh"));
        FAILS(r, ROFS, "path_link", RIG_FD, 0, P(r, "mine"), NODE_FD, P2(r, p));
        assert_int_equal(node_try_open(r, NODE_FD, p, OFLAG_CREAT, RIGHT_FD_WRITE), there);
        assert_int_equal(node_try_open(r, NODE_FD, p, OFLAG_CREAT | OFLAG_EXCL, RIGHT_FD_WRITE),
                         is_there ? WASI_EXIST : WASI_ROFS);
        assert_int_equal(node_try_open(r, NODE_FD, p, OFLAG_TRUNC, 0), is_there ? there : WASI_NOENT);
        assert_int_equal(node_try_open(r, NODE_FD, p, 0, RIGHT_FD_WRITE), is_there ? there : WASI_NOENT);
        assert_false(host_exists(r, rig_grant_name("fresh")));
    }
    u32 const fd = node_open(r, "in", 0, RIG_RIGHTS_FILE & ~RIGHT_FD_WRITE & ~RIGHT_FD_ALLOCATE);
    FAILS(r, BADF, "fd_write", fd, IOV(r, 2), RIG_OUT);
    FAILS(r, BADF, "fd_pwrite", fd, IOV(r, 2), 0, RIG_OUT);
    FAILS(r, ROFS, "fd_filestat_set_size", fd, 0);
    FAILS(r, ROFS, "fd_filestat_set_times", fd, 1, 1, FST_MTIM);
    FAILS(r, NOTCAPABLE, "fd_allocate", fd, 0, 100);
    OK(r, "fd_advise", fd, 0, 0, 0);
    OK(r, "fd_sync", fd);
    OK(r, "fd_datasync", fd);
    rig_expect_read(r, fd, "hello");
    assert_string_equal(host_text(r, rig_grant_name("mine")), "host");
}

/* As the whole of the guest's tree: the devices stand in it. */
static void
test_root(void **state)
{
    rig *const r = *state;
    node_start(r, "/");
    u32 const null = node_open(r, "dev/null", 0, RIGHT_FD_WRITE);
    rig_write(r, null, "x");
    OK(r, "path_filestat_get", NODE_FD, 1, P(r, "dev"), RIG_OUT);
    assert_int_equal(r->mem.base[RIG_OUT + 16], TYPE_DIRECTORY);
    rig_expect_read(r, node_open(r, "z", 0, READS), "last");
}

/* A tree that was given to a context is its own: the builder's next file is in the next one. */
static void
test_copy(void **state)
{
    (void)state;
    gbx_err err;
    wasi_tree *const t = node_tree();
    wasi_tree *const held = gbx_wasi_tree_retain(t);
    assert_true(gbx_wasi_tree_is_shared(t));
    wasi_tree *const own = gbx_wasi_tree_copy(t);
    assert_non_null(own);
    wasi_blob *const b = gbx_wasi_blob_new((const u8 *)"more", 4);
    assert_int_equal(gbx_wasi_tree_add(own, "/more", b, &err), GBX_OK);
    assert_int_equal(gbx_wasi_tree_add(own, "/in", b, &err), GBX_OK);
    u64 files, bytes;
    gbx_wasi_tree_figures(t, &files, &bytes);
    assert_true(files == 5 && bytes == 15);
    gbx_wasi_tree_figures(own, &files, &bytes);
    assert_true(files == 6 && bytes == 18);
    assert_int_equal(gbx_wasi_tree_add(own, "/in/below", b, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_tree_add(own, "/b", b, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_tree_add(own, "/\xff", b, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_tree_add(own, "/", b, &err), GBX_ARGUMENT);
    gbx_wasi_blob_release(b);
    gbx_wasi_tree_release(held);
    gbx_wasi_tree_release(t);
    gbx_wasi_tree_release(own);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(test_read, rig_setup, rig_teardown),
            cmocka_unit_test_setup_teardown(test_stat, rig_setup, rig_teardown),
            cmocka_unit_test_setup_teardown(test_list, rig_setup, rig_teardown),
            cmocka_unit_test_setup_teardown(test_paths, rig_setup, rig_teardown),
            cmocka_unit_test_setup_teardown(test_no_change, rig_setup, rig_teardown),
            cmocka_unit_test_setup_teardown(test_root, rig_setup, rig_teardown),
            cmocka_unit_test(test_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
