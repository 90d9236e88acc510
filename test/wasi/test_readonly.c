/* A73, A74: a read-only grant is read-only, by every call and every way to it, and so that Go says
 * "read-only file system"; grants within grants. The host's files are compared before and after, to
 * their times and links. */
#include "wasi/path_calls.h"

#include <sys/sysmacros.h>

#define READ     RIGHT_FD_READ
#define WRITE    RIGHT_FD_WRITE
#define DIR_ALL  (RIG_RIGHTS_FILE & ~RIGHT_FD_WRITE & ~RIGHT_FD_ALLOCATE)
#define ROFS     WASI_ROFS

/* ---- what must stay as it is */

enum { READONLY_SEEN = 32 };

typedef struct readonly_seen {
    char path[64];
    struct stat st;
} readonly_seen;

typedef struct readonly_tree {
    readonly_seen seen[READONLY_SEEN];
    u32 count;
} readonly_tree;

static readonly_tree *readonly_to; /* of nftw, which takes no data */

static int
readonly_visit(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)kind, (void)at;
    assert_true(readonly_to->count < READONLY_SEEN);
    readonly_seen *const s = &readonly_to->seen[readonly_to->count++];
    snprintf(s->path, sizeof s->path, "%s", path);
    s->st = *st;
    return 0;
}

static void
readonly_look(const rig *r, const char *below, readonly_tree *to)
{
    readonly_to = to;
    to->count = 0;
    assert_int_equal(nftw(rig_host_path(r, below), readonly_visit, 8, FTW_PHYS), 0);
}

static bool
readonly_same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_nlink == b->st_nlink &&
           a->st_mode == b->st_mode && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void
readonly_is_same(const rig *r, const char *below, const readonly_tree *before, const char *what, const char *path)
{
    readonly_tree after;
    readonly_look(r, below, &after);
    if (after.count != before->count) fail_msg("%s \"%s\" made or removed something", what, path);
    for (u32 i = 0; i < after.count; i++) {
        u32 k = 0;
        while (k < before->count && strcmp(before->seen[k].path, after.seen[i].path)) k++;
        if (k == before->count || !readonly_same(&before->seen[k].st, &after.seen[i].st))
            fail_msg("%s \"%s\" changed %s", what, path, after.seen[i].path);
    }
}

static void
readonly_make(const rig *r, const char *below)
{
    char at[64];
    snprintf(at, sizeof at, "%s/in", below);
    host_file(r, at, "text");
    snprintf(at, sizeof at, "%s/d", below);
    host_mkdir(r, at);
    snprintf(at, sizeof at, "%s/d/f", below);
    host_file(r, at, "text");
    snprintf(at, sizeof at, "%s/d/empty", below);
    host_mkdir(r, at);
    snprintf(at, sizeof at, "%s/l", below);
    host_link(r, "in", at);
    snprintf(at, sizeof at, "%s/dl", below);
    host_link(r, "d", at);
    snprintf(at, sizeof at, "%s/dangling", below);
    host_link(r, "d/none", at);
    snprintf(at, sizeof at, "%s/fifo", below);
    assert_int_equal(mkfifo(rig_host_path(r, at), 0666), 0);
}

/* A tree in a grant that is read-only from now on, and how it looks. */
static void
readonly_begin(rig *r, readonly_tree *before)
{
    readonly_make(r, "grant");
    r->dir.read_only = true;
    rig_restart(r);
    readonly_look(r, "grant", before);
}

/* ---- A73 */

static const char *const readonly_paths[] = {"in",   "d",      "d/f",      "d/empty", "l",      "dl",    "dl/f",
                                             "none", "d/none", "dangling", "./in",    "d/../in", "dl/none",
                                             "in/",  "d/",     "none/",    "dl/",     "d/.",    "fifo"};

/* Every call that is meant to change something, with every path: ROFS, or what is wrong with it besides. */
static void
a73_every_path_call(void **state)
{
    rig *const r = *state;
    readonly_tree before;
    readonly_begin(r, &before);
    int const fds = host_open_fds();
    for (const path_call *c = path_calls; c < GBX_END(path_calls); c++) {
        if (path_call_looks(c)) continue;
        for (size_t i = 0; i < GBX_LEN(readonly_paths); i++) {
            const char *const path = readonly_paths[i];
            u32 const e = path_call_run(r, c, path);
            readonly_is_same(r, "grant", &before, c->name, path);
            if (e == WASI_OK) fail_msg("%s \"%s\": OK", c->name, path);
            bool const opens = c->call == call_create || c->call == call_create_exclusive ||
                               c->call == call_open_write || c->call == call_truncate;
            if (!opens && e != ROFS) fail_msg("%s \"%s\": %u, not ROFS", c->name, path, e);
        }
    }
    assert_int_equal(host_open_fds(), fds);
    /* To leave is worse than to write. */
    assert_int_equal(call_create(r, "../secret"), WASI_PERM);
    u32 count, seen = 0;
    const wasi_refusal *const got = gbx_wasi_refusals(r->w, &count);
    for (u32 i = 0; i < count; i++) seen += !strcmp(got[i].reason, "read-only grant");
    assert_true(seen > 5);
}

static const struct {
    const char *path;
    u32 follow, oflags;
    u64 rights;
    u32 want;
} readonly_opens[] = {
        {"in", 1, 0, READ, WASI_OK},
        {"in", 1, OFLAG_CREAT, READ, WASI_OK},
        {"d", 1, OFLAG_DIRECTORY, 0, WASI_OK},
        {"in", 1, 0, READ | RIGHT_FD_FILESTAT_SET_SIZE | RIGHT_FD_FILESTAT_SET_TIMES, WASI_OK},
        {"in", 1, 0, WRITE, ROFS},
        {"in", 1, 0, READ | WRITE, ROFS},
        {"in", 0, 0, WRITE, ROFS},
        {"in", 1, 0, RIGHT_FD_ALLOCATE, ROFS},
        {"l", 1, 0, WRITE, ROFS},
        {"l", 0, 0, WRITE, WASI_LOOP},
        {"in", 1, OFLAG_TRUNC, READ, ROFS},
        {"in", 1, OFLAG_TRUNC, 0, ROFS},
        {"in", 1, OFLAG_CREAT | OFLAG_TRUNC, WRITE, ROFS},
        {"none", 1, OFLAG_CREAT, READ, ROFS},
        {"none", 1, OFLAG_CREAT | OFLAG_EXCL, WRITE, ROFS},
        {"d/none", 1, OFLAG_CREAT, WRITE, ROFS},
        {"dl/none", 1, OFLAG_CREAT, WRITE, ROFS},
        {"dangling", 1, OFLAG_CREAT, WRITE, ROFS},
        {"fifo", 1, 0, WRITE, ROFS},
        {"in", 1, OFLAG_CREAT | OFLAG_EXCL, WRITE, WASI_EXIST},
        {"l", 1, OFLAG_CREAT | OFLAG_EXCL, WRITE, WASI_EXIST},
        {"none", 1, 0, WRITE, WASI_NOENT},
        {"none", 1, OFLAG_TRUNC, WRITE, WASI_NOENT},
        {"d", 1, 0, WRITE, WASI_ISDIR},
};

/* Opening: with the errno that a native program would get, with every set of flags and rights. */
static void
a73_open(void **state)
{
    rig *const r = *state;
    readonly_tree before;
    readonly_begin(r, &before);
    for (size_t i = 0; i < GBX_LEN(readonly_opens); i++) {
        u32 fd;
        u32 const e = rig_open_with(r, readonly_opens[i].path, readonly_opens[i].follow, readonly_opens[i].oflags,
                                    readonly_opens[i].rights, 0, &fd);
        if (e != readonly_opens[i].want) fail_msg("row %zu, \"%s\": %u", i, readonly_opens[i].path, e);
        if (!e) OK(r, "fd_close", fd);
        readonly_is_same(r, "grant", &before, "path_open", readonly_opens[i].path);
    }
    /* All 2^4 flags by all 2^5 descriptor flags: no bit opens a door. */
    for (u32 oflags = 0; oflags <= OFLAG_ALL; oflags++) {
        for (u32 fdflags = 0; fdflags <= FDFLAG_ALL; fdflags++) {
            u32 fd;
            if (!rig_open_with(r, "in", 1, oflags, READ | RIGHT_FD_FILESTAT_SET_SIZE, fdflags, &fd)) {
                assert_false(oflags & OFLAG_TRUNC);
                FAILS(r, ROFS, "fd_filestat_set_size", fd, 1);
                OK(r, "fd_close", fd);
            }
            assert_int_not_equal(rig_open_with(r, "new", 1, oflags, READ, fdflags, &fd), WASI_OK);
        }
    }
    readonly_is_same(r, "grant", &before, "path_open", "all flags");
}

/* By descriptor: of a file, of a directory, of the grant itself, and of what is opened through a
 * directory. */
static void
a73_descriptors(void **state)
{
    rig *const r = *state;
    readonly_tree before;
    readonly_begin(r, &before);
    u32 const f = rig_open(r, "d/f", 0, RIG_RIGHTS_FILE & ~(WRITE | RIGHT_FD_ALLOCATE));
    u32 const d = rig_open(r, "d", OFLAG_DIRECTORY, DIR_ALL);
    OK(r, "path_open", d, 1, P(r, "empty"), OFLAG_DIRECTORY, DIR_ALL, RIG_RIGHTS_FILE, 0, RIG_OUT);
    u32 const deeper = rig_u32(r, RIG_OUT);
    memset(r->mem.base + RIG_BUF, 'x', 64);
    FAILS(r, BADF, "fd_write", f, IOV(r, 4), RIG_OUT);
    FAILS(r, BADF, "fd_pwrite", f, IOV(r, 4), 0, RIG_OUT);
    assert_int_not_equal(CALL(r, "fd_allocate", f, 0, 4096), WASI_OK);
    FAILS(r, ROFS, "fd_filestat_set_size", f, 0);
    FAILS(r, ROFS, "fd_filestat_set_size", f, 4);
    FAILS(r, ROFS, "fd_filestat_set_times", f, 1, 1, FST_MTIM);
    FAILS(r, ROFS, "fd_filestat_set_times", f, 0, 0, FST_MTIM_NOW | FST_ATIM_NOW);
    u32 const dirs[] = {RIG_FD, d, deeper};
    for (size_t i = 0; i < GBX_LEN(dirs); i++) {
        FAILS(r, ROFS, "fd_filestat_set_times", dirs[i], 1, 1, FST_MTIM);
        FAILS(r, ROFS, "path_open", dirs[i], 1, P(r, "new"), OFLAG_CREAT, 0, 0, 0, RIG_OUT);
        FAILS(r, ROFS, "path_create_directory", dirs[i], P(r, "new"));
        FAILS(r, ROFS, "path_symlink", P(r, "in"), dirs[i], P2(r, "new"));
        FAILS(r, ROFS, "path_filestat_set_times", dirs[i], 1, P(r, "."), 1, 1, FST_MTIM);
    }
    /* The number of a descriptor may change, what it is does not. */
    OK(r, "fd_renumber", deeper, f);
    FAILS(r, ROFS, "path_create_directory", f, P(r, "new"));
    readonly_is_same(r, "grant", &before, "descriptors", "");
    rig_expect_read(r, rig_open(r, "in", 0, READ), "text");
    OK(r, "fd_sync", d);
}

/* ---- two grants beside each other: `to` is for writing */

enum { RO = 4 };

static void
readonly_two(rig *r, wasi_dir_grant dirs[2], const char *ro_host, const char *rw_name, const char *ro_name)
{
    dirs[0] = (wasi_dir_grant){.host_fd = r->dir.host_fd, .guest_path = rw_name};
    dirs[1] = (wasi_dir_grant){.host_fd = open(rig_host_path(r, ro_host), O_PATH | O_DIRECTORY | O_CLOEXEC),
                               .guest_path = ro_name,
                               .read_only = true};
    assert_true(dirs[1].host_fd >= 0);
    gbx_wasi_ctx_free(r->w);
    r->config.dirs = dirs;
    r->config.dir_count = 2;
    assert_int_equal(gbx_wasi_ctx_new(&r->config, &r->w, NULL), GBX_OK);
    close(dirs[1].host_fd);
}

/* Nothing goes from one to the other, by rename or link, in either direction, under whatever name. */
static void
a73_between_grants(void **state)
{
    rig *const r = *state;
    wasi_dir_grant dirs[2];
    readonly_tree before;
    host_file(r, "grant/w", "w");
    host_mkdir(r, "grant/wd");
    host_mkdir(r, "ro");
    readonly_make(r, "ro");
    readonly_look(r, "ro", &before);
    readonly_two(r, dirs, "ro", "/w", "/r");
    static const char *const from[] = {"in", "d", "d/f", "l", "d/empty", "none", "d/../in", "dl/f", "fifo"};
    for (size_t i = 0; i < GBX_LEN(from); i++) {
        FAILS(r, ROFS, "path_rename", RO, P(r, from[i]), RIG_FD, P2(r, "stolen"));
        FAILS(r, ROFS, "path_link", RO, 0, P(r, from[i]), RIG_FD, P2(r, "stolen"));
        FAILS(r, ROFS, "path_rename", RIG_FD, P(r, "w"), RO, P2(r, from[i]));
        FAILS(r, ROFS, "path_rename", RIG_FD, P(r, "wd"), RO, P2(r, from[i]));
        FAILS(r, ROFS, "path_link", RIG_FD, 0, P(r, "w"), RO, P2(r, from[i]));
        assert_false(host_exists(r, "grant/stolen"));
        assert_true(host_exists(r, "grant/w") && host_exists(r, "grant/wd"));
        readonly_is_same(r, "ro", &before, "between grants", from[i]);
    }
    OK(r, "path_rename", RIG_FD, P(r, "w"), RIG_FD, P2(r, "w2"));
}

/* ---- A74: one grant in the other */

/* The inner one is read-only also by way of the outer one: as if it were mounted there. */
static void
a74_read_only_within_writable(void **state)
{
    rig *const r = *state;
    wasi_dir_grant dirs[2];
    readonly_tree before;
    host_mkdir(r, "grant/a");
    host_mkdir(r, "grant/a/ro");
    host_file(r, "grant/w", "w");
    readonly_make(r, "grant/a/ro");
    host_link(r, "a/ro", "grant/way");
    host_link(r, "a/ro/none", "grant/made");
    host_link(r, "a/ro/in", "grant/leaf");
    readonly_look(r, "grant/a/ro", &before);
    readonly_two(r, dirs, "grant/a/ro", "/", "/a/ro");
    static const char *const prefixes[] = {"a/ro/", "way/", "a/./ro//", "a/ro/d/../", "a/../way/"};
    for (const path_call *c = path_calls; c < GBX_END(path_calls); c++) {
        if (path_call_looks(c)) continue;
        for (size_t i = 0; i < GBX_LEN(readonly_paths); i++) {
            for (size_t k = 0; k < GBX_LEN(prefixes); k++) {
                char path[64];
                host_file(r, "grant/in", "in");
                snprintf(path, sizeof path, "%s%s", prefixes[k], readonly_paths[i]);
                u32 const e = path_call_run(r, c, path);
                readonly_is_same(r, "grant/a/ro", &before, c->name, path);
                if (e == WASI_OK) fail_msg("%s \"%s\": OK", c->name, path);
                assert_string_equal(host_text(r, "grant/in"), "in");
            }
        }
        static const char *const whole[] = {"a/ro", "a/ro/", "way/", "made", "leaf", "a/ro/."};
        for (size_t i = 0; i < GBX_LEN(whole); i++) {
            bool const own_name = !path_call_follows(c) && (!strcmp(whole[i], "made") || !strcmp(whole[i], "leaf"));
            if (own_name) continue; /* the link stands in the outer grant */
            u32 const e = path_call_run(r, c, whole[i]);
            readonly_is_same(r, "grant/a/ro", &before, c->name, whole[i]);
            if (e == WASI_OK) fail_msg("%s \"%s\": OK", c->name, whole[i]);
        }
    }
    /* Around it everything goes on, and it may be read both ways. */
    OK(r, "path_rename", RIG_FD, P(r, "w"), RIG_FD, P2(r, "a/w"));
    OK(r, "path_create_directory", RIG_FD, P(r, "a/ro/../new"));
    OK(r, "path_open", RIG_FD, 1, P(r, "a/w"), OFLAG_TRUNC, WRITE, 0, 0, RIG_OUT);
    rig_expect_read(r, rig_open(r, "a/ro/in", 0, READ), "text");
    rig_expect_read(r, rig_open(r, "leaf", 0, READ), "text");
    OK(r, "path_open", RO, 1, P(r, "in"), 0, READ, 0, 0, RIG_OUT);
}

/* Descriptors that were opened on the way there, and after the directory above it has another name. */
static void
a74_by_descriptor(void **state)
{
    rig *const r = *state;
    wasi_dir_grant dirs[2];
    readonly_tree before;
    host_mkdir(r, "grant/a");
    host_mkdir(r, "grant/a/ro");
    readonly_make(r, "grant/a/ro");
    readonly_look(r, "grant/a/ro", &before);
    readonly_two(r, dirs, "grant/a/ro", "/", "/a/ro");
    u32 const a = rig_open(r, "a", OFLAG_DIRECTORY, DIR_ALL), inner = rig_open(r, "a/ro", OFLAG_DIRECTORY, DIR_ALL);
    u32 const d = rig_open(r, "a/ro/d", OFLAG_DIRECTORY, DIR_ALL);
    u32 const f = rig_open(r, "a/ro/in", 0, RIG_RIGHTS_FILE & ~(WRITE | RIGHT_FD_ALLOCATE));
    FAILS(r, ROFS, "path_create_directory", a, P(r, "ro/new"));
    FAILS(r, ROFS, "path_create_directory", inner, P(r, "new"));
    FAILS(r, ROFS, "path_unlink_file", d, P(r, "f"));
    FAILS(r, ROFS, "path_open", d, 1, P(r, "f"), 0, WRITE, 0, 0, RIG_OUT);
    FAILS(r, ROFS, "fd_filestat_set_size", f, 0);
    FAILS(r, ROFS, "fd_filestat_set_times", f, 1, 1, FST_MTIM);
    FAILS(r, ROFS, "fd_filestat_set_times", inner, 1, 1, FST_MTIM);
    FAILS(r, ROFS, "path_link", inner, 0, P(r, "in"), RIG_FD, P2(r, "stolen"));
    FAILS(r, ROFS, "path_rename", a, P(r, "ro"), RIG_FD, P2(r, "elsewhere"));
    readonly_is_same(r, "grant/a/ro", &before, "descriptors", "");
    OK(r, "path_rename", RIG_FD, P(r, "a"), RIG_FD, P2(r, "b"));
    FAILS(r, ROFS, "path_create_directory", RIG_FD, P(r, "b/ro/new"));
    FAILS(r, ROFS, "path_open", RIG_FD, 1, P(r, "b/ro/in"), OFLAG_TRUNC, WRITE, 0, 0, RIG_OUT);
    assert_string_equal(host_text(r, "grant/b/ro/in"), "text");
    assert_false(host_exists(r, "grant/b/ro/new"));
}

/* The other way round the outer one says no, and the inner one, by its own descriptor, yes.
 * Directories that are one in the other on the host only, and not in the guest's tree, are two grants:
 * each says what it says. */
static void
a74_writable_within_read_only(void **state)
{
    rig *const r = *state;
    host_mkdir(r, "grant/rw");
    host_file(r, "grant/in", "in");
    wasi_dir_grant const dirs[2] = {
            {.host_fd = r->dir.host_fd, .guest_path = "/", .read_only = true},
            {.host_fd = open(rig_host_path(r, "grant/rw"), O_PATH | O_DIRECTORY | O_CLOEXEC), .guest_path = "/rw"}};
    gbx_wasi_ctx_free(r->w);
    r->config.dirs = dirs;
    r->config.dir_count = 2;
    assert_int_equal(gbx_wasi_ctx_new(&r->config, &r->w, NULL), GBX_OK);
    close(dirs[1].host_fd);
    FAILS(r, ROFS, "path_create_directory", RIG_FD, P(r, "rw/new"));
    OK(r, "path_create_directory", 4, P(r, "new"));
    FAILS(r, ROFS, "path_rename", 4, P(r, "new"), RIG_FD, P2(r, "new"));
    FAILS(r, ROFS, "path_link", RIG_FD, 0, P(r, "in"), 4, P2(r, "stolen"));
    FAILS(r, PERM, "path_open", 4, 1, P(r, "../in"), 0, 0, 0, 0, RIG_OUT);

    wasi_dir_grant two[2];
    host_mkdir(r, "grant/ro");
    readonly_two(r, two, "grant/ro", "/w", "/r");
    OK(r, "path_create_directory", RIG_FD, P(r, "ro/new"));
    FAILS(r, ROFS, "path_remove_directory", RO, P(r, "new"));
    /* Within the guest's tree, but at another place than on the host. */
    readonly_two(r, two, "grant/ro", "/", "/etc/app");
    OK(r, "path_create_directory", RIG_FD, P(r, "ro/new4"));
    FAILS(r, ROFS, "path_create_directory", RO, P(r, "new5"));
    assert_int_equal(rig_refusals(r), 1);
    readonly_two(r, two, "grant", "/w", "/w/same");
    OK(r, "path_create_directory", RIG_FD, P(r, "ro/new2"));
    FAILS(r, ROFS, "path_create_directory", RO, P(r, "new3"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            RIG_TEST(a73_every_path_call),
            RIG_TEST(a73_open),
            RIG_TEST(a73_descriptors),
            RIG_TEST(a73_between_grants),
            RIG_TEST(a74_read_only_within_writable),
            RIG_TEST(a74_by_descriptor),
            RIG_TEST(a74_writable_within_read_only),
    };
    RIG_RUN_BOTH(tests);
}
