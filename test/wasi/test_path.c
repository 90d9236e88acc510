/* Calls on names: directories, files, links, renames, metadata; each with both resolvers. */
#include "wasi/harness.h"

#include <sys/resource.h>

/* What every path call has in common, in one list. Letters of `args`: d descriptor, D that of the grant,
 * p address and length of the path, q those of another path, 0 zero, B buffer and its length, o output,
 * t "now". */
typedef struct path_row {
    const char *name, *args;
    bool changes; /* S17: PERM on -1, else NOENT */
} path_row;

static const path_row path_rows[] = {
        {"path_create_directory", "dp", true},
        {"path_filestat_get", "d0po", false},
        {"path_filestat_set_times", "d0p00t", true},
        {"path_link", "d0pDq", true},
        {"path_link", "D0qdp", true},
        {"path_open", "d0p0000o", false},
        {"path_readlink", "dpBo", false},
        {"path_remove_directory", "dp", true},
        {"path_rename", "dpDq", true},
        {"path_rename", "Dqdp", true},
        {"path_symlink", "qdp", true},
        {"path_unlink_file", "dp", true},
};

static u32
path_row_call(rig *r, const path_row *row, u32 fd, const void *path, u32 len)
{
    u64 a[9];
    size_t n = 0;
    if (len <= 0x2000) memcpy(r->mem.base + RIG_PATH, path, len);
    rig_text(r, RIG_PATH2, "another");
    for (const char *p = row->args; *p; p++) {
        switch (*p) {
        case 'd': a[n++] = fd; break;
        case 'D': a[n++] = RIG_FD; break;
        case 'p': a[n++] = RIG_PATH, a[n++] = len; break;
        case 'q': a[n++] = RIG_PATH2, a[n++] = 7; break;
        case 'B': a[n++] = RIG_BUF, a[n++] = 64; break;
        case 'o': a[n++] = RIG_OUT; break;
        case 't': a[n++] = FST_MTIM_NOW; break;
        default: a[n++] = 0;
        }
    }
    return rig_call(r, row->name, a, n);
}

static void
row_fails(rig *r, const path_row *row, u32 fd, const void *path, u32 len, u32 errno_name)
{
    u32 const e = path_row_call(r, row, fd, path, len);
    if (e != errno_name)
        fail_msg("%s(%s, \"%.40s\") = %u, not %u", row->name, row->args, (const char *)path, e,
                 errno_name);
}

/* A55: lengths, bytes, and descriptors that are none, for each call. */
static void
a55_paths_of_every_length(void **state)
{
    rig *const r = *state;
    static char text[5000];
    host_file(r, "grant/another", "");
    u32 const file = rig_open(r, "file", OFLAG_CREAT, RIG_RIGHTS_FILE);
    for (const path_row *row = path_rows; row < GBX_END(path_rows); row++) {
        row_fails(r, row, RIG_FD, "", 0, WASI_NOENT);
        row_fails(r, row, RIG_FD, "a\0b", 3, WASI_INVAL);
        row_fails(r, row, RIG_FD, "file\0", 5, WASI_INVAL);
        row_fails(r, row, RIG_FD, "..\0", 3, WASI_INVAL);
        row_fails(r, row, RIG_FD, "a\xff", 2, WASI_ILSEQ);
        row_fails(r, row, RIG_FD, "\xed\xa0\x80", 3, WASI_ILSEQ);
        row_fails(r, row, RIG_FD, "/file", 5, WASI_PERM);
        row_fails(r, row, RIG_FD, "//file", 6, WASI_PERM);
        row_fails(r, row, RIG_FD, "/", 1, WASI_PERM);
        row_fails(r, row, RIG_FD, "////", 4, WASI_PERM);
        row_fails(r, row, RIG_FD, "..", 2, WASI_PERM);
        row_fails(r, row, RIG_FD, "../", 3, WASI_PERM);
        row_fails(r, row, RIG_FD, "../grant", 8, WASI_PERM);
        row_fails(r, row, RIG_FD, "./../secret", 11, WASI_PERM);
        row_fails(r, row, 99, "file", 4, WASI_BADF);
        row_fails(r, row, 0xfffffffe, "file", 4, WASI_BADF);
        row_fails(r, row, file, "file", 4, WASI_NOTDIR);
        row_fails(r, row, RIG_FD, "file/x", 6, WASI_NOTDIR);
        row_fails(r, row, RIG_FD, "none/x", 6, WASI_NOENT);
        row_fails(r, row, 0xffffffff, "any", 3, row->changes ? WASI_PERM : WASI_NOENT);
        memset(text, 'a', sizeof text);
        row_fails(r, row, RIG_FD, text, 4096, WASI_NAMETOOLONG);
        row_fails(r, row, RIG_FD, text, (u32)(RIG_MEM_BYTES - RIG_PATH), WASI_NAMETOOLONG);
        row_fails(r, row, RIG_FD, text, (u32)RIG_MEM_BYTES, WASI_FAULT);
        row_fails(r, row, RIG_FD, text, 300, WASI_NAMETOOLONG);
        for (size_t i = 1; i < sizeof text; i += 2) text[i] = '/';
        row_fails(r, row, RIG_FD, text, 4095, WASI_NOENT); /* 2,048 components */
        memset(text, '.', sizeof text);
        for (size_t i = 1; i < sizeof text; i += 2) text[i] = '/';
        row_fails(r, row, RIG_FD, text, 4096, WASI_NAMETOOLONG); /* however short its components */
        memset(text, '.', sizeof text);
        for (size_t i = 2; i < sizeof text; i += 3) text[i] = '/';
        row_fails(r, row, RIG_FD, text, 4094, WASI_PERM); /* 1,365 times ".." */
    }
    assert_int_equal(rig_refusals(r), WASI_REFUSALS_MAX); /* capped */
}

static void
test_directories(void **state)
{
    rig *const r = *state;
    OK(r, "path_create_directory", RIG_FD, P(r, "d"));
    OK(r, "path_create_directory", RIG_FD, P(r, "d/e/"));
    OK(r, "path_create_directory", RIG_FD, P(r, "d/../d/./f///"));
    assert_true(host_exists(r, "grant/d/e") && host_exists(r, "grant/d/f"));
    struct stat st;
    assert_int_equal(stat(rig_host_path(r, "grant/d"), &st), 0);
    assert_int_equal(st.st_mode & 07000, 0);
    host_file(r, "grant/file", "");
    host_link(r, "nowhere", "grant/dangling");
    host_link(r, "d", "grant/l");
    static const char *const exist[] = {"d",    "d/",       "d/e", ".",  "d/.", "d/..", "d/e/..",
                                        "file", "dangling", "l",   "l/", "l/e", "./",   "d/./"};
    for (size_t i = 0; i < GBX_LEN(exist); i++)
        FAILS(r, EXIST, "path_create_directory", RIG_FD, P(r, exist[i]));
    FAILS(r, NOENT, "path_create_directory", RIG_FD, P(r, "none/x"));
    FAILS(r, NOENT, "path_create_directory", RIG_FD, P(r, "none/."));
    FAILS(r, NOENT, "path_create_directory", RIG_FD, P(r, "dangling/x"));
    FAILS(r, NOTDIR, "path_create_directory", RIG_FD, P(r, "file/x"));
    FAILS(r, NOTDIR, "path_create_directory", RIG_FD, P(r, "file/."));
    OK(r, "path_create_directory", RIG_FD, P(r, "l/g"));
    assert_true(host_exists(r, "grant/d/g"));

    FAILS(r, NOTEMPTY, "path_remove_directory", RIG_FD, P(r, "d"));
    FAILS(r, NOTEMPTY, "path_remove_directory", RIG_FD, P(r, "d/e/.."));
    FAILS(r, INVAL, "path_remove_directory", RIG_FD, P(r, "d/e/."));
    FAILS(r, INVAL, "path_remove_directory", RIG_FD, P(r, "."));
    FAILS(r, NOTDIR, "path_remove_directory", RIG_FD, P(r, "file"));
    FAILS(r, NOTDIR, "path_remove_directory", RIG_FD, P(r, "file/"));
    FAILS(r, NOTDIR, "path_remove_directory", RIG_FD, P(r, "l"));
    FAILS(r, NOTDIR, "path_remove_directory", RIG_FD, P(r, "l/"));
    FAILS(r, NOTDIR, "path_remove_directory", RIG_FD, P(r, "dangling/"));
    FAILS(r, NOENT, "path_remove_directory", RIG_FD, P(r, "none"));
    OK(r, "path_remove_directory", RIG_FD, P(r, "d/e/"));
    OK(r, "path_remove_directory", RIG_FD, P(r, "l/f"));
    OK(r, "path_remove_directory", RIG_FD, P(r, "d/g"));
    OK(r, "path_remove_directory", RIG_FD, P(r, "d///"));
    assert_false(host_exists(r, "grant/d"));
    assert_true(host_exists(r, "grant/l"));
}

static void
test_unlink(void **state)
{
    rig *const r = *state;
    host_mkdir(r, "grant/d");
    host_file(r, "grant/file", "");
    host_link(r, "d", "grant/l");
    host_link(r, "file", "grant/lf");
    FAILS(r, ISDIR, "path_unlink_file", RIG_FD, P(r, "d"));
    FAILS(r, ISDIR, "path_unlink_file", RIG_FD, P(r, "d/"));
    FAILS(r, ISDIR, "path_unlink_file", RIG_FD, P(r, "."));
    FAILS(r, ISDIR, "path_unlink_file", RIG_FD, P(r, "d/.."));
    FAILS(r, NOTDIR, "path_unlink_file", RIG_FD, P(r, "file/"));
    FAILS(r, NOTDIR, "path_unlink_file", RIG_FD, P(r, "l/"));
    FAILS(r, NOTDIR, "path_unlink_file", RIG_FD, P(r, "lf/"));
    FAILS(r, NOENT, "path_unlink_file", RIG_FD, P(r, "none"));
    FAILS(r, NOENT, "path_unlink_file", RIG_FD, P(r, "none/"));
    OK(r, "path_unlink_file", RIG_FD, P(r, "lf"));
    assert_true(host_exists(r, "grant/file"));
    OK(r, "path_unlink_file", RIG_FD, P(r, "l"));
    assert_true(host_exists(r, "grant/d"));
    OK(r, "path_unlink_file", RIG_FD, P(r, "d/../file"));
    assert_false(host_exists(r, "grant/file"));
    /* A file that is open lives on without its name. */
    u32 const fd = rig_open(r, "open", OFLAG_CREAT, RIG_RIGHTS_FILE);
    OK(r, "path_unlink_file", RIG_FD, P(r, "open"));
    rig_write(r, fd, "still");
    OK(r, "fd_filestat_get", fd, RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT + 24), 0);
}

static void
test_rename(void **state)
{
    rig *const r = *state;
    host_mkdir(r, "grant/source");
    OK(r, "path_rename", RIG_FD, P(r, "source/"), RIG_FD, P2(r, "target"));
    OK(r, "path_rename", RIG_FD, P(r, "target"), RIG_FD, P2(r, "source/"));
    OK(r, "path_rename", RIG_FD, P(r, "source///"), RIG_FD, P2(r, "target//"));
    OK(r, "path_rename", RIG_FD, P(r, "target"), RIG_FD, P2(r, "source"));
    host_mkdir(r, "grant/target");
    OK(r, "path_rename", RIG_FD, P(r, "source"), RIG_FD, P2(r, "target"));
    host_mkdir(r, "grant/source");
    host_file(r, "grant/target/file", "");
    FAILS(r, NOTEMPTY, "path_rename", RIG_FD, P(r, "source"), RIG_FD, P2(r, "target"));
    FAILS(r, NOTDIR, "path_rename", RIG_FD, P(r, "source"), RIG_FD, P2(r, "target/file"));
    FAILS(r, ISDIR, "path_rename", RIG_FD, P(r, "target/file"), RIG_FD, P2(r, "source"));
    FAILS(r, INVAL, "path_rename", RIG_FD, P(r, "target"), RIG_FD, P2(r, "target/below"));
    FAILS(r, NOENT, "path_rename", RIG_FD, P(r, "none"), RIG_FD, P2(r, "x"));
    FAILS(r, NOENT, "path_rename", RIG_FD, P(r, "source"), RIG_FD, P2(r, "none/x"));
    FAILS(r, BUSY, "path_rename", RIG_FD, P(r, "."), RIG_FD, P2(r, "x"));
    FAILS(r, BUSY, "path_rename", RIG_FD, P(r, "source/.."), RIG_FD, P2(r, "x"));
    FAILS(r, BUSY, "path_rename", RIG_FD, P(r, "source"), RIG_FD, P2(r, "target/."));
    host_file(r, "grant/file", "1");
    FAILS(r, NOTDIR, "path_rename", RIG_FD, P(r, "file/"), RIG_FD, P2(r, "x"));
    FAILS(r, NOTDIR, "path_rename", RIG_FD, P(r, "file"), RIG_FD, P2(r, "x/"));
    assert_string_equal(host_text(r, "grant/file"), "1");
    OK(r, "path_rename", RIG_FD, P(r, "file"), RIG_FD, P2(r, "target/file"));
    assert_string_equal(host_text(r, "grant/target/file"), "1");
    /* Links are moved, not followed. */
    host_link(r, "target", "grant/l");
    OK(r, "path_rename", RIG_FD, P(r, "l"), RIG_FD, P2(r, "m"));
    FAILS(r, NOTDIR, "path_rename", RIG_FD, P(r, "m/"), RIG_FD, P2(r, "n"));
    OK(r, "path_rename", RIG_FD, P(r, "m/file"), RIG_FD, P2(r, "source/../file2"));
    assert_true(host_exists(r, "grant/file2"));
    /* Between two directory descriptors. */
    u32 const a = rig_open(r, "source", OFLAG_DIRECTORY,
                           RIG_RIGHTS_FILE & ~RIGHT_FD_WRITE & ~RIGHT_FD_ALLOCATE);
    OK(r, "path_rename", RIG_FD, P(r, "file2"), a, P2(r, "in"));
    assert_true(host_exists(r, "grant/source/in"));
    OK(r, "path_rename", a, P(r, "in"), RIG_FD, P2(r, "back"));
    assert_true(host_exists(r, "grant/back"));
}

static void
test_symlink_and_readlink(void **state)
{
    rig *const r = *state;
    FAILS(r, NOENT, "path_symlink", P(r, "source"), RIG_FD, P2(r, "target/"));
    OK(r, "path_symlink", P(r, "source"), RIG_FD, P2(r, "target"));
    OK(r, "path_unlink_file", RIG_FD, P(r, "target"));
    host_mkdir(r, "grant/target");
    FAILS(r, EXIST, "path_symlink", P(r, "source"), RIG_FD, P2(r, "target/"));
    FAILS(r, EXIST, "path_symlink", P(r, "source"), RIG_FD, P2(r, "target"));
    FAILS(r, EXIST, "path_symlink", P(r, "source"), RIG_FD, P2(r, "target/."));
    host_file(r, "grant/file", "");
    u32 const e = CALL(r, "path_symlink", P(r, "source"), RIG_FD, P2(r, "file/"));
    assert_true(e == WASI_EXIST || e == WASI_NOTDIR);
    FAILS(r, EXIST, "path_symlink", P(r, "source"), RIG_FD, P2(r, "file"));
    FAILS(r, PERM, "path_symlink", P(r, "/etc/passwd"), RIG_FD, P2(r, "abs"));
    FAILS(r, NOENT, "path_symlink", P(r, ""), RIG_FD, P2(r, "empty"));
    FAILS(r, NOENT, "path_symlink", P(r, "x"), RIG_FD, P2(r, "none/x"));
    OK(r, "path_symlink", P(r, "target/"), RIG_FD, P2(r, "slash"));
    OK(r, "path_symlink", P(r, "../up"), RIG_FD, P2(r, "up"));

    memset(r->mem.base + RIG_BUF, 0x77, 32);
    OK(r, "path_readlink", RIG_FD, P(r, "slash"), RIG_BUF, 32, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 7);
    assert_memory_equal(r->mem.base + RIG_BUF, "target/\x77\x77", 9);
    OK(r, "path_readlink", RIG_FD, P(r, "target/../slash"), RIG_BUF, 4, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 4);
    OK(r, "path_readlink", RIG_FD, P(r, "slash"), RIG_BUF, 0, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 0);
    FAILS(r, INVAL, "path_readlink", RIG_FD, P(r, "file"), RIG_BUF, 32, RIG_OUT);
    FAILS(r, INVAL, "path_readlink", RIG_FD, P(r, "target"), RIG_BUF, 32, RIG_OUT);
    FAILS(r, INVAL, "path_readlink", RIG_FD, P(r, "target/."), RIG_BUF, 32, RIG_OUT);
    FAILS(r, INVAL, "path_readlink", RIG_FD, P(r, "slash/"), RIG_BUF, 32, RIG_OUT);
    FAILS(r, NOTDIR, "path_readlink", RIG_FD, P(r, "file/"), RIG_BUF, 32, RIG_OUT);
    FAILS(r, PERM, "path_readlink", RIG_FD, P(r, "up/"), RIG_BUF, 32, RIG_OUT);
    FAILS(r, NOENT, "path_readlink", RIG_FD, P(r, "none"), RIG_BUF, 32, RIG_OUT);
}

static void
test_link(void **state)
{
    rig *const r = *state;
    host_file(r, "grant/file", "text");
    host_mkdir(r, "grant/sub");
    OK(r, "path_link", RIG_FD, 0, P(r, "file"), RIG_FD, P2(r, "link"));
    OK(r, "path_filestat_get", RIG_FD, 0, P(r, "file"), RIG_OUT);
    OK(r, "path_filestat_get", RIG_FD, 0, P(r, "link"), RIG_OUT + 64);
    assert_memory_equal(r->mem.base + RIG_OUT, r->mem.base + RIG_OUT + 64, 64);
    assert_int_equal(rig_u64(r, RIG_OUT + 24), 2);
    OK(r, "path_link", RIG_FD, 0, P(r, "sub/../file"), RIG_FD, P2(r, "sub/link"));
    FAILS(r, EXIST, "path_link", RIG_FD, 0, P(r, "file"), RIG_FD, P2(r, "link"));
    FAILS(r, EXIST, "path_link", RIG_FD, 0, P(r, "file"), RIG_FD, P2(r, "file"));
    FAILS(r, EXIST, "path_link", RIG_FD, 0, P(r, "file"), RIG_FD, P2(r, "sub"));
    FAILS(r, EXIST, "path_link", RIG_FD, 0, P(r, "file"), RIG_FD, P2(r, "sub/"));
    FAILS(r, EXIST, "path_link", RIG_FD, 0, P(r, "file"), RIG_FD, P2(r, "sub/."));
    FAILS(r, PERM, "path_link", RIG_FD, 0, P(r, "sub"), RIG_FD, P2(r, "x"));
    FAILS(r, PERM, "path_link", RIG_FD, 0, P(r, "sub/"), RIG_FD, P2(r, "x"));
    FAILS(r, PERM, "path_link", RIG_FD, 0, P(r, "sub/.."), RIG_FD, P2(r, "x"));
    FAILS(r, NOENT, "path_link", RIG_FD, 0, P(r, "file"), RIG_FD, P2(r, "x/"));
    FAILS(r, NOTDIR, "path_link", RIG_FD, 0, P(r, "file/"), RIG_FD, P2(r, "x"));
    FAILS(r, NOENT, "path_link", RIG_FD, 0, P(r, "none"), RIG_FD, P2(r, "x"));
    FAILS(r, NOENT, "path_link", RIG_FD, 0, P(r, "none/"), RIG_FD, P2(r, "x"));
    FAILS(r, INVAL, "path_link", RIG_FD, 1, P(r, "file"), RIG_FD, P2(r, "x"));
    FAILS(r, INVAL, "path_link", RIG_FD, 2, P(r, "file"), RIG_FD, P2(r, "x"));
    FAILS(r, BADF, "path_link", RIG_FD, 0, P(r, "file"), 99, P2(r, "x"));
    /* A67: links themselves are linked to, dangling and looping ones too. */
    host_link(r, "nowhere", "grant/dangling");
    host_link(r, "loop", "grant/loop");
    OK(r, "path_link", RIG_FD, 0, P(r, "dangling"), RIG_FD, P2(r, "d2"));
    OK(r, "path_link", RIG_FD, 0, P(r, "loop"), RIG_FD, P2(r, "l2"));
    FAILS(r, NOTDIR, "path_link", RIG_FD, 0, P(r, "dangling/"), RIG_FD, P2(r, "x"));
    FAILS(r, EXIST, "path_link", RIG_FD, 0, P(r, "file"), RIG_FD, P2(r, "dangling"));
    assert_false(host_exists(r, "grant/nowhere") || host_exists(r, "grant/x"));
    u32 const sub = rig_open(r, "sub", OFLAG_DIRECTORY, RIGHT_PATH_LINK_TARGET);
    OK(r, "path_link", RIG_FD, 0, P(r, "file"), sub, P2(r, "third"));
    assert_true(host_exists(r, "grant/sub/third"));
}

static u8
stat_type(rig *r, const char *path, u32 lookup)
{
    OK(r, "path_filestat_get", RIG_FD, lookup, P(r, path), RIG_OUT);
    return r->mem.base[RIG_OUT + 16];
}

static void
test_filestat(void **state)
{
    rig *const r = *state;
    host_mkdir(r, "grant/d");
    host_file(r, "grant/d/file", "12345");
    host_link(r, "d", "grant/l");
    host_link(r, "l/", "grant/ll");
    host_link(r, "d/file", "grant/lf");
    host_link(r, "none", "grant/dangling");
    host_link(r, "loop", "grant/loop");
    assert_int_equal(stat_type(r, "d/file", 0), TYPE_REGULAR_FILE);
    assert_int_equal(rig_u64(r, RIG_OUT + 32), 5);
    assert_int_equal(stat_type(r, "d", 0), TYPE_DIRECTORY);
    assert_int_equal(stat_type(r, "d/", 0), TYPE_DIRECTORY);
    assert_int_equal(stat_type(r, ".", 0), TYPE_DIRECTORY);
    assert_int_equal(stat_type(r, "./.", 1), TYPE_DIRECTORY);
    assert_int_equal(stat_type(r, "d/..", 0), TYPE_DIRECTORY);
    assert_int_equal(stat_type(r, "l", 0), TYPE_SYMBOLIC_LINK);
    assert_int_equal(stat_type(r, "l", 1), TYPE_DIRECTORY);
    assert_int_equal(stat_type(r, "l/", 0), TYPE_DIRECTORY); /* as a native lstat */
    assert_int_equal(stat_type(r, "l/.", 0), TYPE_DIRECTORY);
    assert_int_equal(stat_type(r, "ll", 0), TYPE_SYMBOLIC_LINK);
    assert_int_equal(stat_type(r, "ll/file", 0), TYPE_REGULAR_FILE);
    assert_int_equal(stat_type(r, "lf", 1), TYPE_REGULAR_FILE);
    assert_int_equal(stat_type(r, "dangling", 0), TYPE_SYMBOLIC_LINK);
    FAILS(r, NOENT, "path_filestat_get", RIG_FD, 1, P(r, "dangling"), RIG_OUT);
    FAILS(r, LOOP, "path_filestat_get", RIG_FD, 1, P(r, "loop"), RIG_OUT);
    FAILS(r, LOOP, "path_filestat_get", RIG_FD, 0, P(r, "loop/x"), RIG_OUT);
    FAILS(r, NOTDIR, "path_filestat_get", RIG_FD, 1, P(r, "lf/"), RIG_OUT);
    FAILS(r, NOTDIR, "path_filestat_get", RIG_FD, 0, P(r, "d/file/"), RIG_OUT);
    FAILS(r, NOTDIR, "path_filestat_get", RIG_FD, 0, P(r, "d/file/."), RIG_OUT);
    FAILS(r, INVAL, "path_filestat_get", RIG_FD, 2, P(r, "d"), RIG_OUT);

    OK(r, "path_filestat_get", RIG_FD, 0, P(r, "lf"), RIG_OUT);
    u64 const link_mtim = rig_u64(r, RIG_OUT + 48);
    OK(r, "path_filestat_set_times", RIG_FD, 0, P(r, "lf"), 0, link_mtim - 200, FST_MTIM);
    OK(r, "path_filestat_get", RIG_FD, 0, P(r, "lf"), RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT + 48), link_mtim - 200);
    OK(r, "path_filestat_set_times", RIG_FD, 1, P(r, "lf"), 0, 77000000000, FST_MTIM);
    OK(r, "path_filestat_get", RIG_FD, 0, P(r, "d/file"), RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT + 48), 77000000000);
    OK(r, "path_filestat_get", RIG_FD, 0, P(r, "lf"), RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT + 48), link_mtim - 200);
    OK(r, "path_filestat_set_times", RIG_FD, 1, P(r, "l/"), 0, 78000000000, FST_MTIM);
    OK(r, "path_filestat_get", RIG_FD, 0, P(r, "d"), RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT + 48), 78000000000);
    OK(r, "path_filestat_set_times", RIG_FD, 0, P(r, "."), 1, 79000000000, FST_MTIM);
    FAILS(r, INVAL, "path_filestat_set_times", RIG_FD, 0, P(r, "d"), 1, 2, FST_MTIM | FST_MTIM_NOW);
    FAILS(r, INVAL, "path_filestat_set_times", RIG_FD, 0, P(r, "d"), 1, 2, FST_ATIM | FST_ATIM_NOW);
    FAILS(r, INVAL, "path_filestat_set_times", RIG_FD, 0, P(r, "d"), 1, 2, 16);
    FAILS(r, INVAL, "path_filestat_set_times", RIG_FD, 4, P(r, "d"), 1, 2, FST_MTIM);
    FAILS(r, NOENT, "path_filestat_set_times", RIG_FD, 1, P(r, "dangling"), 1, 2, FST_MTIM);
}

static u64
fixed_now(void *data, u32 clock_id)
{
    (void)data;
    return clock_id == CLOCK_ID_REALTIME ? 1234567890123456789 : 5;
}

/* "Now" is the guest's now, where that was replaced. */
static void
test_times_of_an_injected_clock(void **state)
{
    rig *const r = *state;
    r->config.clock_now = fixed_now;
    rig_restart(r);
    host_file(r, "grant/f", "");
    OK(r, "path_filestat_set_times", RIG_FD, 1, P(r, "f"), 0, 0, FST_MTIM_NOW);
    OK(r, "path_filestat_get", RIG_FD, 1, P(r, "f"), RIG_OUT);
    assert_true(rig_u64(r, RIG_OUT + 48) == 1234567890123456789);
}

/* A64: 40 links are followed, 41 are not; a long path through links and ".." in both resolvers. */
static void
test_link_depth(void **state)
{
    rig *const r = *state;
    host_file(r, "grant/l0", "end");
    for (int i = 1; i <= 41; i++) {
        char name[24], target[16];
        snprintf(name, sizeof name, "grant/l%d", i);
        snprintf(target, sizeof target, "l%d", i - 1);
        host_link(r, target, name);
    }
    assert_int_equal(stat_type(r, "l40", 1), TYPE_REGULAR_FILE);
    FAILS(r, LOOP, "path_filestat_get", RIG_FD, 1, P(r, "l41"), RIG_OUT);
    host_mkdir(r, "grant/d");
    host_mkdir(r, "grant/d/e");
    host_link(r, "../..", "grant/d/e/top");
    host_link(r, "d/e/top/d", "grant/round");
    assert_int_equal(stat_type(r, "round/e/top/round/e/../e/top/l3", 1), TYPE_REGULAR_FILE);
    char path[4096] = "";
    for (int i = 0; i < 380; i++) strcat(path, "d/e/../../");
    strcat(path, "l0");
    assert_int_equal(stat_type(r, path, 0), TYPE_REGULAR_FILE);
}

/* Texts of links and directories so deep that what is put together is longer than any path. The kernel
 * takes it in pieces; the walker says NAMETOOLONG, and neither writes beyond its buffers. */
static void
test_long_expansions(void **state)
{
    rig *const r = *state;
    static char text[4096], name[201], first[5000], path[4096];
    /* A link of 4,000 bytes that says "here", and a path that goes on for 3,000 more. */
    for (int i = 0; i < 2000; i++) memcpy(text + 2 * i, "./", 2);
    text[3999] = 0;
    host_link(r, text, "grant/here");
    snprintf(path, sizeof path, "here/%.3000s./in", text);
    host_file(r, "grant/in", "");
    u32 const here = CALL(r, "path_filestat_get", RIG_FD, 0, P(r, path), RIG_OUT);
    assert_int_equal(here, rig_walker ? WASI_NAMETOOLONG : WASI_OK);
    /* 22 directories, each in the one before; a link to the 16th, and one there to the last. */
    memset(name, 'n', sizeof name - 1);
    int at = open(r->grant, O_PATH | O_DIRECTORY | O_CLOEXEC);
    size_t len = 0;
    for (int i = 0; i < 22; i++) {
        if (i == 16) {
            host_link(r, first, "grant/l");
            assert_int_equal(symlinkat(first + 10 * 201, at, "m"), 0); /* six of them */
        }
        memcpy(first + len, name, 200);
        len += 200;
        first[len++] = '/';
        first[len] = 0;
        assert_int_equal(mkdirat(at, name, 0755), 0);
        int const next = openat(at, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(at);
        at = next;
    }
    close(at);
    assert_int_equal(stat_type(r, "l", 1), TYPE_DIRECTORY);
    assert_int_equal(stat_type(r, "l/m", 0), TYPE_SYMBOLIC_LINK);
    u32 const deep = CALL(r, "path_filestat_get", RIG_FD, 1, P(r, "l/m"), RIG_OUT);
    assert_int_equal(deep, rig_walker ? WASI_NAMETOOLONG : WASI_OK);
}

/* Descriptors come back, whatever fails (A82). */
static void
test_no_leaks(void **state)
{
    rig *const r = *state;
    host_mkdir(r, "grant/d");
    host_file(r, "grant/d/file", "");
    host_link(r, "..", "grant/out");
    host_link(r, "d", "grant/l");
    int const before = host_open_fds();
    static const char *const paths[] = {"d",        "d/file", "l/file",   "l/none",   "out/x",
                                        "l/../out", "d/..",   "d/file/x", "l/",       "..",
                                        "l/file/",  "none/x", "d/file/",  "l/./file", "."};
    for (const path_row *row = path_rows; row < GBX_END(path_rows); row++) {
        for (size_t i = 0; i < GBX_LEN(paths); i++) {
            u32 const e = path_row_call(r, row, RIG_FD, paths[i], (u32)strlen(paths[i]));
            if (!e && !strcmp(row->name, "path_open")) OK(r, "fd_close", rig_u32(r, RIG_OUT));
            if (host_open_fds() != before) fail_msg("%s %s leaks", row->name, paths[i]);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            RIG_TEST(a55_paths_of_every_length),
            RIG_TEST(test_directories),
            RIG_TEST(test_unlink),
            RIG_TEST(test_rename),
            RIG_TEST(test_symlink_and_readlink),
            RIG_TEST(test_link),
            RIG_TEST(test_filestat),
            RIG_TEST(test_times_of_an_injected_clock),
            RIG_TEST(test_link_depth),
            RIG_TEST(test_no_leaks),
            RIG_TEST(test_long_expansions),
    };
    RIG_RUN_BOTH(tests);
}
