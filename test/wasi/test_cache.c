/* RULE: S2. A code cache beneath a grant: every call that takes a path × every way into the cache × both
 * resolvers. It stays as it is, to the times of its files. */
#include "wasi/path_calls.h"

#define ENTRY "0123456789abcdef0123456789abcdef.gbx"

static const struct timespec cache_long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

typedef struct cache_part {
    const char *path, *text; /* NULL: the directory */
    mode_t mode;
} cache_part;

static const cache_part cache_parts[] = {{"grant/above/cache/key", "key", 01400},
                                         {"grant/above/cache/" ENTRY, "entry", 01600},
                                         {"grant/above/cache", NULL, 01700}};

static void
cache_make(rig *r)
{
    host_file(r, "grant/in", "in");
    host_mkdir(r, "grant/above");
    host_mkdir(r, "grant/above/d");
    host_mkdir(r, "grant/above/cache");
    for (const cache_part *p = cache_parts; p < GBX_END(cache_parts); p++) {
        if (p->text) host_file(r, p->path, p->text);
        assert_int_equal(chmod(rig_host_path(r, p->path), p->mode), 0);
        assert_int_equal(utimensat(AT_FDCWD, rig_host_path(r, p->path), cache_long_ago, 0), 0);
    }
    host_link(r, "above/cache", "grant/link");
    host_link(r, "link", "grant/chain");
    host_link(r, "above/cache/new", "grant/dangling");
    host_link(r, "../cache/key", "grant/above/d/key");
}

/* The directory's own time tells whether a name came or went. */
static void
cache_is_untouched(const rig *r, const char *what, const char *path)
{
    struct stat st;
    for (const cache_part *p = cache_parts; p < GBX_END(cache_parts); p++) {
        if (lstat(rig_host_path(r, p->path), &st)) fail_msg("%s \"%s\" removed %s", what, path, p->path);
        bool same = (st.st_mode & 07777) == p->mode && st.st_mtim.tv_sec == 1000;
        if (p->text) same = same && st.st_nlink == 1 && !strcmp(host_text(r, p->path), p->text);
        if (!same) fail_msg("%s \"%s\" changed %s", what, path, p->path);
    }
}

static const char *const cache_names[] = {"above/cache/key",
                                          "above/cache/" ENTRY,
                                          "above/cache/new",
                                          "above/cache/./new",
                                          "above/d/../cache/key",
                                          "above/d/../cache/new",
                                          "above//cache//key",
                                          "link/key",
                                          "link/new",
                                          "link/" ENTRY,
                                          "link/../cache/new",
                                          "chain/new",
                                          "chain/key/",
                                          "above/cache/.",
                                          "link/.",
                                          "link/"};

/* What is there is refused; what is not there is not found at most. */
static void
test_names_in_it(void **state)
{
    rig *const r = *state;
    cache_make(r);
    int const before = host_open_fds();
    for (const path_call *c = path_calls; c < GBX_END(path_calls); c++) {
        for (size_t i = 0; i < GBX_LEN(cache_names); i++) {
            const char *const path = cache_names[i];
            u32 const e = c->call(r, path);
            if (e == WASI_OK) fail_msg("%s \"%s\": OK", c->name, path);
            bool const is_there = !strstr(path, "new") && path[strlen(path) - 1] != '/';
            bool const is_dir = c->call == call_open_dir || c->call == call_open_dir_nofollow ||
                                c->call == call_list;
            bool const is_plain = is_there && !is_dir && path[strlen(path) - 1] != '.';
            if (is_plain && e != WASI_PERM) fail_msg("%s \"%s\": %u, not PERM", c->name, path, e);
            cache_is_untouched(r, c->name, path);
        }
        assert_string_equal(host_text(r, "grant/in"), "in");
        assert_false(host_exists(r, "grant/fresh"));
    }
    assert_int_equal(host_open_fds(), before);
    u32 count;
    assert_string_equal(gbx_wasi_refusals(r->w, &count)[0].reason, "the host's code cache");
}

/* Its own name says that it is there, and stays. */
static void
test_itself(void **state)
{
    rig *const r = *state;
    cache_make(r);
    for (const path_call *c = path_calls; c < GBX_END(path_calls); c++) {
        u32 const e = c->call(r, "above/cache");
        if ((e == WASI_OK) != (c->call == call_lstat)) fail_msg("%s: %u", c->name, e);
        cache_is_untouched(r, c->name, "above/cache");
    }
    assert_int_equal(call_rename_from(r, "above/cache/"), WASI_PERM);
    assert_int_equal(call_rmdir(r, "above/cache/"), WASI_PERM);
    cache_is_untouched(r, "a slash", "above/cache/");
    /* Emptied by the host it is still the host's. */
    host_mkdir(r, "grant/empty");
    assert_int_equal(chmod(rig_host_path(r, "grant/empty"), 01700), 0);
    FAILS(r, PERM, "path_rename", RIG_FD, P(r, "above/d"), RIG_FD, P2(r, "empty"));
    assert_int_equal(call_rmdir(r, "empty"), WASI_PERM);
    assert_int_equal(call_create(r, "empty/new"), WASI_PERM);
}

/* Not even as a grant of its own. */
static void
test_as_a_grant(void **state)
{
    rig *const r = *state;
    gbx_err err;
    wasi_ctx *w;
    cache_make(r);
    int const before = host_open_fds();
    wasi_dir_grant const grant = {.host_fd = open(rig_host_path(r, "grant/above/cache"), O_PATH | O_DIRECTORY),
                                  .guest_path = "/c"};
    wasi_config const config = {.stdio = {-1, -1, -1}, .dirs = &grant, .dir_count = 1};
    assert_int_equal(gbx_wasi_ctx_new(&config, &w, &err), GBX_ARGUMENT);
    assert_null(w);
    assert_int_equal(close(grant.host_fd), 0);
    assert_int_equal(host_open_fds(), before);
}

/* Links to it in the last place: those that are followed lead to nothing, also where nothing is yet. */
static void
test_links_to_it(void **state)
{
    rig *const r = *state;
    cache_make(r);
    static const char *const leaves[] = {"dangling", "above/d/key", "link"};
    static u32 (*const follow[])(rig *, const char *) = {call_open,     call_open_dir, call_open_write,
                                                         call_create,   call_truncate, call_stat,
                                                         call_times,    call_create_exclusive};
    for (size_t i = 0; i < GBX_LEN(leaves); i++) {
        for (size_t k = 0; k < GBX_LEN(follow); k++) {
            if (follow[k](r, leaves[i]) == WASI_OK) fail_msg("\"%s\": way %zu", leaves[i], k);
            cache_is_untouched(r, "a link", leaves[i]);
        }
    }
    assert_int_equal(call_create(r, "dangling"), WASI_PERM);
    /* A second name of the key, made by the host, is the key. */
    assert_int_equal(link(rig_host_path(r, "grant/above/cache/key"), rig_host_path(r, "grant/hard")), 0);
    assert_int_equal(call_open(r, "hard"), WASI_PERM);
    assert_int_equal(call_open_nofollow(r, "hard"), WASI_PERM);
    assert_int_equal(call_open_write(r, "hard"), WASI_PERM);
    assert_int_equal(call_truncate(r, "hard"), WASI_PERM);
    assert_int_equal(call_create(r, "hard"), WASI_PERM);
    assert_int_equal(call_link_from(r, "hard"), WASI_PERM);
    assert_int_equal(call_rename_from(r, "hard"), WASI_PERM);
    assert_int_equal(call_link_times(r, "hard"), WASI_PERM);
    assert_int_equal(unlink(rig_host_path(r, "grant/hard")), 0);
    cache_is_untouched(r, "a hard link", "hard");
}

/* No directory above the cache in use is moved; others are, and so is one above a cache that is not in
 * use. */
static void
test_what_it_lies_in(void **state)
{
    rig *const r = *state;
    cache_make(r);
    host_mkdir(r, "grant/above/cache2");
    int const fd = open(rig_host_path(r, "grant/above/cache"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    r->config.cache_dir = &fd;
    rig_restart(r);
    assert_int_equal(call_rename_from(r, "above"), WASI_PERM);
    assert_int_equal(call_rename_from(r, "above/"), WASI_PERM);
    OK(r, "path_rename", RIG_FD, P(r, "above/d"), RIG_FD, P2(r, "moved"));
    OK(r, "path_rename", RIG_FD, P(r, "above/cache2"), RIG_FD, P2(r, "cache2"));
    OK(r, "path_rename", RIG_FD, P(r, "link"), RIG_FD, P2(r, "link2"));
    cache_is_untouched(r, "rename", "above");
    r->config.cache_dir = NULL;
    rig_restart(r);
    OK(r, "path_rename", RIG_FD, P(r, "above"), RIG_FD, P2(r, "elsewhere"));
    assert_int_equal(call_open(r, "elsewhere/cache/key"), WASI_PERM);
    assert_int_equal(call_create(r, "elsewhere/cache/new"), WASI_PERM);
    assert_int_equal(close(fd), 0);
}

/* It cannot be granted itself, under whatever name. */
static void
test_granted(void **state)
{
    rig *const r = *state;
    cache_make(r);
    gbx_err err;
    wasi_ctx *w = NULL;
    wasi_dir_grant const dir = {
            .host_fd = open(rig_host_path(r, "grant/link"), O_PATH | O_DIRECTORY | O_CLOEXEC), .guest_path = "/c"};
    assert_true(dir.host_fd >= 0);
    wasi_config config = r->config;
    config.dirs = &dir;
    assert_int_equal(gbx_wasi_ctx_new(&config, &w, &err), GBX_ARGUMENT);
    assert_null(w);
    assert_non_null(strstr(err.text, "code cache"));
    close(dir.host_fd);
    cache_is_untouched(r, "a grant", "/c");
}

/* In the cache in use nothing is told by an error either: what is there and what is not are refused alike. */
static void
test_names_are_not_told(void **state)
{
    static const char *const names[] = {"above/cache/key",     "above/cache/new",   "above/cache/key/x",
                                        "above/cache/new/x",   "link/key",          "link/new",
                                        "chain/new",           "above/cache/none/", "above/d/../cache/new",
                                        "above/cache/../cache/new"};
    rig *const r = *state;
    cache_make(r);
    host_link(r, "above/cache/key", "grant/there");
    host_link(r, "above/cache/none", "grant/absent");
    int const fd = open(rig_host_path(r, "grant/above/cache"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    r->config.cache_dir = &fd;
    rig_restart(r);
    for (const path_call *c = path_calls; c < GBX_END(path_calls); c++) {
        for (size_t i = 0; i < GBX_LEN(names); i++) {
            u32 const e = path_call_run(r, c, names[i]);
            if (e != WASI_PERM) fail_msg("%s \"%s\": %u, not PERM", c->name, names[i], e);
        }
        if (path_call_follows(c)) {
            bool const dir = c->call == call_open_dir || c->call == call_list;
            u32 const there = path_call_run(r, c, "there"), absent = path_call_run(r, c, "absent");
            if (!dir && there != absent) fail_msg("%s: %u where there is a key, %u else", c->name, there, absent);
        }
        cache_is_untouched(r, c->name, "names");
    }
    assert_int_equal(close(fd), 0);
}

/* A directory, and one above it, that the guest has held since before the host made it a cache. */
static void
test_held_since_before(void **state)
{
    rig *const r = *state;
    host_file(r, "grant/in", "in");
    host_mkdir(r, "grant/above");
    host_mkdir(r, "grant/above/cache");
    u64 const all = RIG_RIGHTS_FILE & ~RIGHT_FD_WRITE & ~RIGHT_FD_ALLOCATE;
    u32 const held = rig_open(r, "above/cache", OFLAG_DIRECTORY, all);
    OK(r, "path_create_directory", held, P(r, "mine"));
    OK(r, "fd_readdir", held, RIG_BUF, 4096, 0, RIG_OUT);
    assert_int_equal(rmdir(rig_host_path(r, "grant/above/cache/mine")), 0);
    for (const cache_part *p = cache_parts; p < GBX_END(cache_parts); p++) {
        if (p->text) host_file(r, p->path, p->text);
        assert_int_equal(chmod(rig_host_path(r, p->path), p->mode), 0);
        assert_int_equal(utimensat(AT_FDCWD, rig_host_path(r, p->path), cache_long_ago, 0), 0);
    }
    FAILS(r, PERM, "path_open", held, 1, P(r, "key"), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
    FAILS(r, PERM, "path_open", held, 1, P(r, "none"), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
    FAILS(r, PERM, "path_open", held, 1, P(r, "new"), OFLAG_CREAT, RIGHT_FD_WRITE, 0, 0, RIG_OUT);
    FAILS(r, PERM, "path_open", held, 1, P(r, "."), OFLAG_DIRECTORY, 0, 0, 0, RIG_OUT);
    FAILS(r, PERM, "path_filestat_get", held, 0, P(r, "key"), RIG_OUT);
    FAILS(r, PERM, "path_filestat_get", held, 0, P(r, "none"), RIG_OUT);
    FAILS(r, PERM, "path_filestat_set_times", held, 0, P(r, "key"), 1, 1, FST_MTIM);
    FAILS(r, PERM, "path_create_directory", held, P(r, "new"));
    FAILS(r, PERM, "path_remove_directory", held, P(r, "none"));
    FAILS(r, PERM, "path_unlink_file", held, P(r, "key"));
    FAILS(r, PERM, "path_readlink", held, P(r, "key"), RIG_BUF, 64, RIG_OUT);
    FAILS(r, PERM, "path_symlink", P(r, "in"), held, P2(r, "new"));
    FAILS(r, PERM, "path_link", held, 0, P(r, "key"), RIG_FD, P2(r, "fresh"));
    FAILS(r, PERM, "path_link", RIG_FD, 0, P(r, "in"), held, P2(r, "new"));
    FAILS(r, PERM, "path_rename", held, P(r, "key"), RIG_FD, P2(r, "fresh"));
    FAILS(r, PERM, "path_rename", RIG_FD, P(r, "in"), held, P2(r, "new"));
    FAILS(r, PERM, "fd_readdir", held, RIG_BUF, 4096, 0, RIG_OUT);
    FAILS(r, PERM, "fd_filestat_set_times", held, 1, 1, FST_MTIM);
    cache_is_untouched(r, "what was held", "above/cache");
}

/* What looks like it and is not: sticky, but open to others; ours, but not sticky. */
static void
test_others_are_none(void **state)
{
    rig *const r = *state;
    host_mkdir(r, "grant/tmp");
    assert_int_equal(chmod(rig_host_path(r, "grant/tmp"), 01777), 0);
    host_mkdir(r, "grant/mine");
    assert_int_equal(chmod(rig_host_path(r, "grant/mine"), 0700), 0);
    host_file(r, "grant/in", "in");
    host_file(r, "grant/private", "private");
    assert_int_equal(chmod(rig_host_path(r, "grant/private"), 0600), 0);
    OK(r, "path_rename", RIG_FD, P(r, "private"), RIG_FD, P2(r, "mine/private"));
    assert_int_equal(call_open(r, "mine/private"), WASI_OK);
    assert_int_equal(call_create(r, "tmp/new"), WASI_OK);
    assert_int_equal(call_create(r, "mine/new"), WASI_OK);
    assert_int_equal(call_truncate(r, "mine/private"), WASI_OK);
    assert_string_equal(host_text(r, "grant/mine/private"), "");
    assert_int_equal(call_rename_from(r, "tmp"), WASI_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            RIG_TEST(test_names_in_it),     RIG_TEST(test_itself),          RIG_TEST(test_links_to_it),
            RIG_TEST(test_what_it_lies_in), RIG_TEST(test_others_are_none), RIG_TEST(test_as_a_grant),
            RIG_TEST(test_what_it_lies_in), RIG_TEST(test_others_are_none), RIG_TEST(test_names_are_not_told),
            RIG_TEST(test_held_since_before), RIG_TEST(test_granted),
    };
    RIG_RUN_BOTH(tests);
}
