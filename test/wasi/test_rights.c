/* A76: rights. What each call needs, by the table; what opening needs and gives; what a directory passes on; and
 * that none of it ever grows. */
#include "wasi/harness.h"

#include <sys/socket.h>

/* ---- every call asks for the rights of its row */

/* How to call it: x is the descriptor with the rights of the third column, y the one with those of the fourth; p and
 * q are names that are there and are not, v an array of buffers, B a buffer, o a place for a result. */
typedef struct need_row {
    const char *name;
    char kind; /* of x and y: file, directory, socket */
    const char *args;
} need_row;

static const need_row need_rows[] = {
        {"fd_advise", 'f', "x000"},
        {"fd_allocate", 'f', "x01"},
        {"fd_datasync", 'f', "x"},
        {"fd_fdstat_set_flags", 'f', "x0"},
        {"fd_filestat_get", 'f', "xo"},
        {"fd_filestat_set_size", 'f', "x0"},
        {"fd_filestat_set_times", 'f', "x000"},
        {"fd_pread", 'f', "xv0o"},
        {"fd_pwrite", 'f', "xv0o"},
        {"fd_read", 'f', "xvo"},
        {"fd_readdir", 'd', "xB0o"},
        {"fd_seek", 'f', "x11o"},
        {"fd_sync", 'f', "x"},
        {"fd_tell", 'f', "xo"},
        {"fd_write", 'f', "xvo"},
        {"path_create_directory", 'd', "xq"},
        {"path_filestat_get", 'd', "x0po"},
        {"path_filestat_set_times", 'd', "x0p000"},
        {"path_link", 'd', "x0pyq"},
        {"path_open", 'd', "x0p0000o"},
        {"path_readlink", 'd', "xpBo"},
        {"path_remove_directory", 'd', "xp"},
        {"path_rename", 'd', "xpyq"},
        {"path_symlink", 'd', "pxq"},
        {"path_unlink_file", 'd', "xp"},
        {"sock_accept", 's', "x0o"},
        {"sock_recv", 's', "xv0oo"},
        {"sock_send", 's', "xv0o"},
        {"sock_shutdown", 's', "x1"},
};

typedef struct table_row {
    const char *name;
    u64 rights, rights2;
} table_row;

static const table_row table_rows[] = {
#define WASI_P1(name, params, results, rights, rights2, asks) {#name, (rights), (rights2)},
#include "wasi/p1.def"
#undef WASI_P1
};

static u64
base_of(rig *r, u32 fd)
{
    OK(r, "fd_fdstat_get", fd, RIG_OUT);
    return rig_u64(r, RIG_OUT + 8);
}

static u64
inheriting_of(rig *r, u32 fd)
{
    OK(r, "fd_fdstat_get", fd, RIG_OUT);
    return rig_u64(r, RIG_OUT + 16);
}

/* A descriptor of that kind without the rights `lacks`. */
static u32
need_descriptor(rig *r, char kind, u64 lacks)
{
    u32 fd = 0;
    if (kind == 'f') fd = rig_open(r, "f", 0, RIG_RIGHTS_FILE);
    if (kind == 'd') fd = rig_open(r, ".", OFLAG_DIRECTORY, base_of(r, RIG_FD));
    OK(r, "fd_fdstat_set_rights", fd, base_of(r, fd) & ~lacks, inheriting_of(r, fd));
    return fd;
}

static u32
need_call(rig *r, const need_row *row, u64 lacks, u64 lacks2)
{
    u64 a[9];
    size_t n = 0;
    rig_restart(r);
    host_file(r, "grant/f", "text");
    remove(rig_host_path(r, "grant/n"));
    if (row->kind == 's') OK(r, "fd_fdstat_set_flags", 0, FDFLAG_NONBLOCK);
    u32 const x = need_descriptor(r, row->kind, lacks);
    u32 const y = row->kind == 'd' ? need_descriptor(r, 'd', lacks2) : x;
    rig_text(r, RIG_PATH, "f");
    rig_text(r, RIG_PATH2, "n");
    for (const char *p = row->args; *p; p++) {
        switch (*p) {
        case 'x': a[n++] = x; break;
        case 'y': a[n++] = y; break;
        case 'p': a[n++] = RIG_PATH, a[n++] = 1; break;
        case 'q': a[n++] = RIG_PATH2, a[n++] = 1; break;
        case 'v': a[n++] = rig_iov(r, 4), a[n++] = 1; break;
        case 'B': a[n++] = RIG_BUF, a[n++] = 64; break;
        case 'o': a[n++] = RIG_OUT; break;
        default: a[n++] = (u64)(*p - '0');
        }
    }
    return rig_call(r, row->name, a, n);
}

static void
need_missing(rig *r, const need_row *row, u64 one, bool second)
{
    /* FD_SEEK includes FD_TELL. */
    u64 const lacks = one == RIGHT_FD_TELL ? one | RIGHT_FD_SEEK : one;
    u32 const want = one & (RIGHT_FD_READ | RIGHT_FD_WRITE) ? WASI_BADF : WASI_NOTCAPABLE;
    u32 const e = need_call(r, row, second ? 0 : lacks, second ? lacks : 0);
    if (e != want) fail_msg("%s without right %lx: %u", row->name, one, e);
    assert_false(host_exists(r, "grant/n"));
    assert_string_equal(host_text(r, "grant/f"), "text");
}

static void
a76_every_call_asks_for_its_rights(void **state)
{
    rig *const r = *state;
    int s[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
    r->config.stdio[0] = s[0];
    for (size_t i = 0; i < GBX_LEN(table_rows); i++) {
        const table_row *const t = &table_rows[i];
        if (!t->rights && !t->rights2) continue;
        const need_row *row = need_rows;
        while (row < GBX_END(need_rows) && strcmp(row->name, t->name)) row++;
        if (row == GBX_END(need_rows)) fail_msg("%s is not tested", t->name);
        u32 const e = need_call(r, row, 0, 0);
        if (e == WASI_NOTCAPABLE || e == WASI_BADF) fail_msg("%s with all rights: %u", t->name, e);
        /* What it does not name it does not need. */
        u32 const bare = need_call(r, row, ~t->rights & ~(t->rights & RIGHT_FD_TELL), ~t->rights2);
        if (bare == WASI_NOTCAPABLE || bare == WASI_BADF) fail_msg("%s with its rights: %u", t->name, bare);
        for (u32 bit = 0; bit < 30; bit++) {
            if (t->rights & RIGHT(bit)) need_missing(r, row, RIGHT(bit), false);
            if (t->rights2 & RIGHT(bit)) need_missing(r, row, RIGHT(bit), true);
        }
    }
    close(s[0]);
    close(s[1]);
}

/* A76: rights shrink and never grow, however they are passed on. */
static void
a76_rights_only_shrink(void **state)
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
a76_each_path_call_asks_for_its_right(void **state)
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

/* ---- opening */

static u32
open_in(rig *r, u32 dir, const char *path, u32 oflags, u64 base, u64 inheriting, u32 fdflags)
{
    return CALL(r, "path_open", dir, 0, P(r, path), oflags, base, inheriting, fdflags, RIG_OUT);
}

static u32
opened_in(rig *r, u32 dir, const char *path, u32 oflags, u64 base, u64 inheriting)
{
    assert_int_equal(open_in(r, dir, path, oflags, base, inheriting, 0), WASI_OK);
    return rig_u32(r, RIG_OUT);
}

/* A grant has all rights of a directory, and hands on those of files; what a kind of file has no use for is not
 * there even where it was asked for. */
static void
a76_rights_of_a_kind(void **state)
{
    rig *const r = *state;
    u64 const only_files = RIGHT_FD_READ | RIGHT_FD_WRITE | RIGHT_FD_SEEK | RIGHT_FD_TELL | RIGHT_FD_ADVISE |
                           RIGHT_FD_ALLOCATE | RIGHT_FD_FILESTAT_SET_SIZE | RIGHT_POLL_FD_READWRITE;
    assert_int_equal(base_of(r, RIG_FD), RIG_RIGHTS_FILE & ~only_files);
    assert_int_equal(inheriting_of(r, RIG_FD), RIG_RIGHTS_FILE);
    u64 const dir = RIG_RIGHTS_FILE & ~(RIGHT_FD_WRITE | RIGHT_FD_ALLOCATE);
    u32 const d = opened_in(r, RIG_FD, ".", OFLAG_DIRECTORY, dir, RIG_RIGHTS_FILE);
    assert_int_equal(base_of(r, d), RIG_RIGHTS_FILE & ~only_files);
    u32 const f = opened_in(r, RIG_FD, "f", OFLAG_CREAT, RIG_RIGHTS_FILE, 0);
    assert_int_equal(base_of(r, f) & ~only_files,
                     RIGHT_FD_FDSTAT_SET_FLAGS | RIGHT_FD_SYNC | RIGHT_FD_DATASYNC | RIGHT_FD_FILESTAT_GET |
                             RIGHT_FD_FILESTAT_SET_TIMES);
    assert_int_equal(base_of(r, f) & only_files, only_files);
    /* Bits of the future, and of sockets, are not asked for. */
    u32 const all = opened_in(r, RIG_FD, "f", 0, UINT64_MAX, UINT64_MAX);
    assert_int_equal(base_of(r, all), base_of(r, f));
    assert_int_equal(inheriting_of(r, all), RIG_RIGHTS_FILE);
}

/* A directory for writing is ISDIR, by whichever right it is asked for. */
static void
a76_a_directory_is_not_opened_for_writing(void **state)
{
    rig *const r = *state;
    host_mkdir(r, "grant/d");
    static const u64 writing[] = {RIGHT_FD_WRITE, RIGHT_FD_READ | RIGHT_FD_WRITE, RIGHT_FD_ALLOCATE,
                                  RIGHT_FD_FILESTAT_SET_SIZE, RIG_RIGHTS_FILE};
    static const char *const paths[] = {".", "d", "d/", "d/."};
    for (size_t i = 0; i < GBX_LEN(writing); i++) {
        for (size_t k = 0; k < GBX_LEN(paths); k++) {
            assert_int_equal(open_in(r, RIG_FD, paths[k], OFLAG_DIRECTORY, writing[i], 0, 0), WASI_ISDIR);
            assert_int_equal(open_in(r, RIG_FD, paths[k], 0, writing[i], 0, 0), WASI_ISDIR);
        }
    }
    for (size_t k = 0; k < GBX_LEN(paths); k++)
        OK(r, "fd_close", opened_in(r, RIG_FD, paths[k], OFLAG_DIRECTORY, RIGHT_FD_READ, 0));
}

/* What a directory was asked to pass on is all that is had beneath it, at any depth. */
static void
a76_a_directory_passes_on_what_was_asked(void **state)
{
    rig *const r = *state;
    host_mkdir(r, "grant/d");
    host_mkdir(r, "grant/d/e");
    host_file(r, "grant/d/e/f", "text");
    u64 const dir = RIGHT_PATH_OPEN | RIGHT_FD_READDIR;
    u64 const passes = dir | RIGHT_FD_READ | RIGHT_FD_SEEK;
    u32 const d = opened_in(r, RIG_FD, "d", OFLAG_DIRECTORY, dir, passes);
    assert_int_equal(inheriting_of(r, d), passes);
    assert_int_equal(open_in(r, d, "e/f", 0, RIGHT_FD_WRITE, 0, 0), WASI_NOTCAPABLE);
    assert_int_equal(open_in(r, d, "e/f", 0, RIGHT_FD_READ, RIGHT_FD_WRITE, 0), WASI_NOTCAPABLE);
    assert_int_equal(open_in(r, d, "e", OFLAG_DIRECTORY, dir, passes | RIGHT_FD_TELL, 0), WASI_NOTCAPABLE);
    assert_int_equal(open_in(r, d, "e", OFLAG_DIRECTORY, RIGHT_PATH_SYMLINK, 0, 0), WASI_NOTCAPABLE);
    u32 const e = opened_in(r, d, "e", OFLAG_DIRECTORY, dir, dir | RIGHT_FD_READ);
    assert_int_equal(inheriting_of(r, e), dir | RIGHT_FD_READ);
    assert_int_equal(open_in(r, e, "f", 0, RIGHT_FD_READ | RIGHT_FD_SEEK, 0, 0), WASI_NOTCAPABLE);
    rig_expect_read(r, opened_in(r, e, "f", 0, RIGHT_FD_READ, 0), "text");
    FAILS(r, NOTCAPABLE, "path_unlink_file", e, P(r, "f"));
    FAILS(r, NOTCAPABLE, "fd_fdstat_set_rights", e, dir, passes);

    /* A request without any right that only files have says nothing about them: what is above goes on to hold,
     * and never more. */
    u64 const own = RIGHT_PATH_OPEN | RIGHT_FD_READDIR;
    u32 const same = opened_in(r, d, "e", OFLAG_DIRECTORY, own, own);
    assert_int_equal(inheriting_of(r, same), passes);
    assert_int_equal(open_in(r, same, "f", 0, RIGHT_FD_WRITE, 0, 0), WASI_NOTCAPABLE);
    rig_expect_read(r, opened_in(r, same, "f", 0, RIGHT_FD_READ, 0), "text");
    u32 const none = opened_in(r, e, ".", OFLAG_DIRECTORY, own, 0);
    assert_int_equal(inheriting_of(r, none), dir | RIGHT_FD_READ);
    OK(r, "fd_fdstat_set_rights", none, own, 0);
    assert_int_equal(open_in(r, none, "f", 0, RIGHT_FD_READ, 0, 0), WASI_NOTCAPABLE);
    /* A file passes on what it was asked to, which is nothing to anybody. */
    assert_int_equal(inheriting_of(r, opened_in(r, d, "e/f", 0, RIGHT_FD_READ, RIGHT_FD_READ)), RIGHT_FD_READ);
}

/* Creating, cutting and synchronising need rights to the directory, or that it may pass them on. */
static void
a76_opening_needs_rights_by_what_it_does(void **state)
{
    rig *const r = *state;
    host_file(r, "grant/f", "text");
    u64 const all = base_of(r, RIG_FD), passes = inheriting_of(r, RIG_FD);
    static const struct {
        u32 oflags, fdflags;
        u64 rights;
    } rows[] = {
            {OFLAG_CREAT, 0, RIGHT_PATH_CREATE_FILE},
            {OFLAG_TRUNC, 0, RIGHT_PATH_FILESTAT_SET_SIZE},
            {0, FDFLAG_SYNC, RIGHT_FD_SYNC},
            {0, FDFLAG_RSYNC, RIGHT_FD_SYNC},
            {0, FDFLAG_DSYNC, RIGHT_FD_SYNC | RIGHT_FD_DATASYNC},
            {0, FDFLAG_APPEND, 0},
            {0, FDFLAG_NONBLOCK, 0},
    };
    for (size_t i = 0; i < GBX_LEN(rows); i++) {
        const char *const name = rows[i].oflags == OFLAG_CREAT ? "n" : "f";
        rig_restart(r);
        host_file(r, "grant/f", "text");
        OK(r, "fd_fdstat_set_rights", RIG_FD, all & ~rows[i].rights, passes & ~rows[i].rights);
        u32 const e = open_in(r, RIG_FD, name, rows[i].oflags, 0, 0, rows[i].fdflags);
        assert_int_equal(e, rows[i].rights ? WASI_NOTCAPABLE : WASI_OK);
        if (rows[i].rights) assert_string_equal(host_text(r, "grant/f"), "text");
        assert_false(host_exists(r, "grant/n"));
        rig_restart(r);
        OK(r, "fd_fdstat_set_rights", RIG_FD, RIGHT_PATH_OPEN | (rows[i].rights & all), passes);
        assert_int_equal(open_in(r, RIG_FD, name, rows[i].oflags, 0, 0, rows[i].fdflags), WASI_OK);
        remove(rig_host_path(r, "grant/n"));
    }
    /* Either of the two is enough for DSYNC, and it may be one that is only passed on. */
    rig_restart(r);
    OK(r, "fd_fdstat_set_rights", RIG_FD, RIGHT_PATH_OPEN, RIGHT_FD_DATASYNC);
    assert_int_equal(open_in(r, RIG_FD, "f", 0, 0, 0, FDFLAG_DSYNC), WASI_OK);
    assert_int_equal(open_in(r, RIG_FD, "f", 0, 0, 0, FDFLAG_SYNC), WASI_NOTCAPABLE);
    /* Who may set the size of the file once it is open may cut it in opening it. */
    rig_restart(r);
    host_file(r, "grant/f", "text");
    OK(r, "fd_fdstat_set_rights", RIG_FD, all & ~RIGHT_PATH_FILESTAT_SET_SIZE, passes);
    assert_int_equal(open_in(r, RIG_FD, "f", OFLAG_TRUNC, RIGHT_FD_WRITE, 0, 0), WASI_NOTCAPABLE);
    assert_string_equal(host_text(r, "grant/f"), "text");
    u64 const both = RIGHT_FD_WRITE | RIGHT_FD_FILESTAT_SET_SIZE;
    assert_int_equal(open_in(r, RIG_FD, "f", OFLAG_TRUNC, both, 0, 0), WASI_OK);
    assert_string_equal(host_text(r, "grant/f"), "");
}

/* Each right that a file was opened with can be used, alone. */
static void
a76_each_right_works_by_itself(void **state)
{
    rig *const r = *state;
    host_file(r, "grant/f", "text");
    OK(r, "fd_filestat_set_size", opened_in(r, RIG_FD, "f", 0, RIGHT_FD_FILESTAT_SET_SIZE, 0), 2);
    assert_string_equal(host_text(r, "grant/f"), "te");
    OK(r, "fd_allocate", opened_in(r, RIG_FD, "f", 0, RIGHT_FD_ALLOCATE, 0), 0, 3);
    OK(r, "fd_filestat_set_times", opened_in(r, RIG_FD, "f", 0, RIGHT_FD_FILESTAT_SET_TIMES, 0), 1, 1, FST_MTIM);
    OK(r, "fd_sync", opened_in(r, RIG_FD, "f", 0, RIGHT_FD_SYNC, 0));
    OK(r, "fd_datasync", opened_in(r, RIG_FD, "f", 0, RIGHT_FD_DATASYNC, 0));
    OK(r, "fd_advise", opened_in(r, RIG_FD, "f", 0, RIGHT_FD_ADVISE, 0), 0, 0, 0);
    OK(r, "fd_filestat_get", opened_in(r, RIG_FD, "f", 0, RIGHT_FD_FILESTAT_GET, 0), RIG_OUT);
    OK(r, "fd_tell", opened_in(r, RIG_FD, "f", 0, RIGHT_FD_TELL, 0), RIG_OUT);
    OK(r, "fd_seek", opened_in(r, RIG_FD, "f", 0, RIGHT_FD_SEEK, 0), 5, WHENCE_CUR, RIG_OUT);
    OK(r, "fd_fdstat_set_flags", opened_in(r, RIG_FD, "f", 0, RIGHT_FD_FDSTAT_SET_FLAGS, 0), FDFLAG_APPEND);
    rig_write(r, opened_in(r, RIG_FD, "f", 0, RIGHT_FD_WRITE, 0), "new");
    rig_expect_read(r, opened_in(r, RIG_FD, "f", 0, RIGHT_FD_READ, 0), "new");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            RIG_TEST(a76_every_call_asks_for_its_rights),
            RIG_TEST(a76_rights_only_shrink),
            RIG_TEST(a76_each_path_call_asks_for_its_right),
            RIG_TEST(a76_rights_of_a_kind),
            RIG_TEST(a76_a_directory_is_not_opened_for_writing),
            RIG_TEST(a76_a_directory_passes_on_what_was_asked),
            RIG_TEST(a76_opening_needs_rights_by_what_it_does),
            RIG_TEST(a76_each_right_works_by_itself),
    };
    RIG_RUN_BOTH(tests);
}
