/* Escapes: every call that takes a path × every way out of a directory × both resolvers; special files;
 * races. What lies outside holds one file, "secret", which must stay as it is, and nothing else. */
#include "wasi/path_calls.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

/* The outside, as it was made by rig_setup, and the time of the one file. */
static void
outside_is_untouched(const rig *r, const struct stat *secret, const char *what, const char *path)
{
    struct stat st;
    int entries = 0;
    DIR *const d = opendir(rig_host_path(r, "out"));
    assert_non_null(d);
    while (readdir(d)) entries++;
    closedir(d);
    if (entries != 3) fail_msg("%s \"%s\" changed what is outside", what, path);
    DIR *const top = opendir(r->host);
    assert_non_null(top);
    for (entries = 0; readdir(top);) entries++;
    closedir(top);
    if (entries != 5) fail_msg("%s \"%s\" changed what is outside", what, path);
    assert_int_equal(lstat(rig_host_path(r, "out/secret"), &st), 0);
    if (st.st_mtim.tv_sec != secret->st_mtim.tv_sec || st.st_size != 6 || st.st_nlink != 1)
        fail_msg("%s \"%s\" changed a file outside", what, path);
    assert_int_equal(lstat(rig_host_path(r, "secret"), &st), 0);
    if (st.st_size != 6 || st.st_nlink != 1)
        fail_msg("%s \"%s\" changed a file outside", what, path);
}

static int
escape_remove_below(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind;
    return at->level ? remove(path) : 0;
}

/* Begin with the same inside for each call: links of every kind that lead out. */
static void
escape_inside(rig *r)
{
    char out[128];
    nftw(r->grant, escape_remove_below, 16, FTW_DEPTH | FTW_PHYS);
    host_file(r, "grant/in", "in");
    host_mkdir(r, "grant/d");
    host_mkdir(r, "grant/d/e");
    snprintf(out, sizeof out, "%s/out", r->host);
    host_link(r, out, "grant/abs");
    host_link(r, "../out", "grant/rel");
    host_link(r, "../out/", "grant/relslash");
    host_link(r, "..", "grant/up");
    host_link(r, "d/../..", "grant/twist");
    host_link(r, "rel", "grant/chain");
    host_link(r, "chain/", "grant/chain2");
    host_link(r, "../rel", "grant/d/deep");
    host_link(r, "../out/none", "grant/dangling");
    host_link(r, "../none", "grant/dangling2");
    host_link(r, "/proc/self/cwd", "grant/magic");
    host_link(r, "../out/secret", "grant/file");
    snprintf(out, sizeof out, "%s/out/secret", r->host);
    host_link(r, out, "grant/absfile");
}

/* A63, A64, A65: these lead out, whatever is done with them. */
static const char *const escape_out[] = {"..",
                                         "../",
                                         "../out",
                                         "../out/",
                                         "../secret",
                                         "d/../..",
                                         "d/../../out",
                                         "./..",
                                         "d/e/../../..",
                                         "abs/secret",
                                         "rel/secret",
                                         "abs/none",
                                         "rel/none",
                                         "abs/.",
                                         "rel/.",
                                         "rel/..",
                                         "abs/..",
                                         "up/out",
                                         "up/secret",
                                         "up/none",
                                         "up/.",
                                         "twist/secret",
                                         "twist/none",
                                         "chain/secret",
                                         "chain2/none",
                                         "chain2/.",
                                         "d/deep/none",
                                         "d/deep/secret",
                                         "relslash/none",
                                         "magic/none",
                                         "../grant/in",
                                         "up/grant/in",
                                         "../grant",
                                         "/",
                                         "/in",
                                         "//in",
                                         "./../grant",
                                         "d//..//../in",
                                         "d/./../../in",
                                         "rel//none",
                                         "rel/./none",
                                         "magic/."};

static void
test_ways_out(void **state)
{
    rig *const r = *state;
    struct stat secret;
    assert_int_equal(lstat(rig_host_path(r, "out/secret"), &secret), 0);
    int const before = host_open_fds();
    for (const path_call *c = path_calls; c < GBX_END(path_calls); c++) {
        escape_inside(r);
        for (size_t i = 0; i < GBX_LEN(escape_out); i++) {
            u32 const e = c->call(r, escape_out[i]);
            if (e != WASI_PERM) fail_msg("%s \"%s\": %u, not PERM", c->name, escape_out[i], e);
            outside_is_untouched(r, &secret, c->name, escape_out[i]);
        }
        assert_string_equal(host_text(r, "grant/in"), "in");
    }
    assert_int_equal(host_open_fds(), before);
    assert_true(rig_refusals(r) > 0);
    u32 count;
    assert_string_equal(gbx_wasi_refusals(r->w, &count)[0].reason, "outside the grant");
}

/* The last component is a link out: what follows it is refused, what acts on the link acts on the link,
 * and a slash behind it changes nothing outside either. */
static void
test_links_as_leaf(void **state)
{
    rig *const r = *state;
    static const char *const leaves[] = {"abs",   "rel",    "relslash", "up",       "twist",
                                         "chain", "chain2", "d/deep",   "dangling", "dangling2",
                                         "magic", "file",   "absfile"};
    static const char *const slashes[] = {"", "/", "//"};
    struct stat secret;
    assert_int_equal(lstat(rig_host_path(r, "out/secret"), &secret), 0);
    for (const path_call *c = path_calls; c < GBX_END(path_calls); c++) {
        for (size_t i = 0; i < GBX_LEN(leaves); i++) {
            for (size_t k = 0; k < GBX_LEN(slashes); k++) {
                char path[32];
                escape_inside(r);
                snprintf(path, sizeof path, "%s%s", leaves[i], slashes[k]);
                u32 const e = c->call(r, path);
                outside_is_untouched(r, &secret, c->name, path);
                /* Creating by a link whose text ends in a slash is ISDIR before it leads anywhere. */
                bool const follows = c->call == call_open || c->call == call_open_dir ||
                                     c->call == call_open_write || c->call == call_truncate ||
                                     c->call == call_stat || c->call == call_times ||
                                     (c->call == call_create && !k && strcmp(path, "chain2"));
                if (follows && e != WASI_PERM)
                    fail_msg("%s \"%s\": %u, not PERM", c->name, path, e);
                bool const link_itself = c->call == call_lstat || c->call == call_link_times ||
                                         c->call == call_unlink || c->call == call_readlink ||
                                         c->call == call_rename_from || c->call == call_link_from ||
                                         c->call == call_rename_to;
                if (!k && link_itself && e != WASI_OK)
                    fail_msg("%s \"%s\": %u, not OK", c->name, path, e);
                if (!follows && !(link_itself && !k) && e == WASI_OK)
                    fail_msg("%s \"%s\": OK", c->name, path);
            }
        }
    }
}

/* A66: links the guest makes itself, and links it renames over a directory in the middle of a path. */
static void
test_own_links(void **state)
{
    rig *const r = *state;
    struct stat secret;
    assert_int_equal(lstat(rig_host_path(r, "out/secret"), &secret), 0);
    OK(r, "path_symlink", P(r, ".."), RIG_FD, P2(r, "a"));
    OK(r, "path_symlink", P(r, "a/out"), RIG_FD, P2(r, "b"));
    OK(r, "path_symlink", P(r, "../out/secret"), RIG_FD, P2(r, "c"));
    assert_int_equal(call_open(r, "a/secret"), WASI_PERM);
    assert_int_equal(call_open(r, "b/secret"), WASI_PERM);
    assert_int_equal(call_open(r, "c"), WASI_PERM);
    assert_int_equal(call_create(r, "b/new"), WASI_PERM);
    OK(r, "path_create_directory", RIG_FD, P(r, "d"));
    OK(r, "path_create_directory", RIG_FD, P(r, "d/e"));
    u32 const d = rig_open(r, "d", OFLAG_DIRECTORY,
                           RIG_RIGHTS_FILE & ~RIGHT_FD_WRITE & ~RIGHT_FD_ALLOCATE);
    /* d is moved below another directory; its old relative links now lead elsewhere, still within. */
    OK(r, "path_symlink", P(r, "../../x"), RIG_FD, P2(r, "d/e/l"));
    assert_int_equal(call_open(r, "d/e/l"), WASI_NOENT);
    OK(r, "path_rename", RIG_FD, P(r, "d/e"), RIG_FD, P2(r, "e"));
    assert_int_equal(call_open(r, "e/l"), WASI_PERM);
    /* From a directory's own descriptor nothing above it is reached, the grant not either. */
    FAILS(r, PERM, "path_open", d, 1, P(r, "../e"), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, PERM, "path_open", d, 1, P(r, ".."), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, PERM, "path_create_directory", d, P(r, "../x"));
    outside_is_untouched(r, &secret, "own links", "");
}

/* A69: a directory the guest holds is moved out of the grant by the host; ".." does not go after it. */
static void
test_moved_out(void **state)
{
    rig *const r = *state;
    host_mkdir(r, "grant/d");
    host_mkdir(r, "grant/d/e");
    u32 const d = rig_open(r, "d", OFLAG_DIRECTORY,
                           RIG_RIGHTS_FILE & ~RIGHT_FD_WRITE & ~RIGHT_FD_ALLOCATE);
    OK(r, "path_open", d, 1, P(r, "e/.."), 0, 0, 0, 0, RIG_OUT);
    assert_int_equal(rename(rig_host_path(r, "grant/d"), rig_host_path(r, "out/d")), 0);
    FAILS(r, PERM, "path_open", d, 1, P(r, ".."), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, PERM, "path_open", d, 1, P(r, "e/../.."), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, PERM, "path_open", d, 1, P(r, "../secret"), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
    OK(r, "path_open", d, 1, P(r, "e/.."), 0, 0, 0, 0, RIG_OUT);
}

/* ---- A68: races */

typedef struct racer {
    const rig *r;
    atomic_bool done;
    atomic_uint swaps;
} racer;

static bool
race_exchange(const rig *r, const char *a, const char *b)
{
    char from[96], to[96];
    snprintf(from, sizeof from, "%s/%s", r->host, a);
    snprintf(to, sizeof to, "%s/%s", r->host, b);
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) == 0;
}

/* Swaps a directory with a link to what is outside, and a file with a link to the file outside. */
static void *
race_swap(void *data)
{
    racer *const race = data;
    while (!atomic_load(&race->done)) {
        if (!race_exchange(race->r, "grant/swap", "grant/other")) break;
        if (!race_exchange(race->r, "grant/file", "grant/otherfile")) break;
        atomic_fetch_add(&race->swaps, 1);
    }
    return NULL;
}

/* What was opened must not be the file outside. */
static bool
race_got_out(rig *r, const struct stat *secret)
{
    struct stat st;
    u32 const fd = rig_u32(r, RIG_OUT);
    const wasi_file *const f = gbx_wasi_fds_find(&r->w->fds, fd);
    assert_non_null(f);
    assert_int_equal(fstat(f->host, &st), 0);
    bool const out = st.st_ino == secret->st_ino && st.st_dev == secret->st_dev;
    OK(r, "fd_close", fd);
    return out;
}

static void
test_race(void **state)
{
    static const char *const paths[] = {"swap/secret", "swap/../swap/secret", "d/../swap/./secret",
                                        "file", "swap/x/../secret"};
    rig *const r = *state;
    struct stat secret;
    assert_int_equal(lstat(rig_host_path(r, "out/secret"), &secret), 0);
    host_mkdir(r, "grant/d");
    host_mkdir(r, "grant/swap");
    host_mkdir(r, "grant/swap/x");
    host_file(r, "grant/swap/secret", "inside");
    host_file(r, "grant/file", "inside");
    host_file(r, "grant/in", "in");
    host_link(r, "../out", "grant/other");
    host_link(r, "../out/secret", "grant/otherfile");
    int const before = host_open_fds();
    racer race = {.r = r};
    pthread_t t;
    u32 opened = 0, refused = 0, stated = 0, fds_seen = 0;
    assert_int_equal(pthread_create(&t, NULL, race_swap, &race), 0);
    for (u32 i = 0; atomic_load(&race.swaps) < 20000; i++) {
        const char *const path = paths[i % GBX_LEN(paths)];
        u32 const e = i & 8 ? call_open_nofollow(r, path) : call_open(r, path);
        if (!e) {
            opened++;
            if (race_got_out(r, &secret)) fail_msg("escape by \"%s\"", path);
        }
        refused += e == WASI_PERM;
        assert_int_not_equal(e, WASI_AGAIN);
        if (!call_stat(r, path)) {
            stated++;
            if (rig_u64(r, RIG_OUT + 8) == secret.st_ino) fail_msg("stat escapes by \"%s\"", path);
        }
        if (!call_truncate(r, path)) OK(r, "fd_close", rig_u32(r, RIG_OUT));
        if (!call_create(r, "swap/new")) OK(r, "fd_close", rig_u32(r, RIG_OUT));
        (void)call_mkdir(r, "swap/dir");
        (void)call_rmdir(r, "swap/dir");
        (void)call_unlink(r, "swap/new");
        (void)call_link_to(r, "swap/link");
        (void)call_unlink(r, "swap/link");
        (void)call_rename_from(r, "swap/secret");
        (void)CALL(r, "path_rename", RIG_FD, P(r, "fresh"), RIG_FD, P2(r, "swap/secret"));
        (void)call_times(r, "swap/secret");
        (void)call_symlink(r, "swap/sym");
        (void)call_unlink(r, "swap/sym");
        if (i % 512 == 0) {
            outside_is_untouched(r, &secret, "race", path);
            fds_seen++;
        }
    }
    atomic_store(&race.done, true);
    pthread_join(t, NULL);
    outside_is_untouched(r, &secret, "race", "");
    /* Both sides of the race were met, or nothing was tested. */
    assert_true(opened > 0 && refused > 0 && stated > 0 && fds_seen > 0);
    assert_int_equal(host_open_fds(), before);
}

/* ---- A70, A72: what is no file */

/* The whole machine granted, as Go's wrapper does. */
static void
test_grant_of_everything(void **state)
{
    static const char *const denied[] = {"proc/self/environ",
                                         "proc/self/maps",
                                         "proc/self/mem",
                                         "proc/self/cmdline",
                                         "proc/self/exe",
                                         "proc/self/root",
                                         "proc/self/cwd",
                                         "proc/self/fd/0",
                                         "proc/1/environ",
                                         "proc/1/root/etc",
                                         "proc/thread-self",
                                         "proc/self/task",
                                         "proc",
                                         "proc/",
                                         "proc/sys/kernel/hostname",
                                         "proc/self",
                                         "sys",
                                         "sys/kernel",
                                         "dev/fd/0",
                                         "dev/stdin",
                                         "dev/fd",
                                         "dev/pts",
                                         "dev/pts/ptmx",
                                         "dev/mem",
                                         "dev/kmsg",
                                         "dev/vda",
                                         "dev/sda",
                                         "dev/kvm",
                                         "dev/loop0",
                                         "dev/fuse",
                                         "dev/net/tun",
                                         "dev/cpu_dma_latency"};
    rig *const r = *state;
    close(r->dir.host_fd);
    r->dir.host_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    rig_restart(r);
    u32 present = 0;
    for (size_t i = 0; i < GBX_LEN(denied); i++) {
        char path[64];
        snprintf(path, sizeof path, "/%s", denied[i]);
        bool const there = access(path, F_OK) == 0;
        present += there;
        for (const path_call *c = path_calls; c < GBX_END(path_calls); c++) {
            bool const looks =
                    c->call == call_stat || c->call == call_lstat || c->call == call_readlink;
            bool const makes = c->call == call_open || c->call == call_open_write ||
                               c->call == call_open_dir || c->call == call_open_nofollow;
            if (!makes && !looks)
                continue; /* the test must not change the machine, should it fail */
            u32 const e = c->call(r, denied[i]);
            if (makes && !e) fail_msg("%s \"%s\": OK", c->name, denied[i]);
            if (looks && !e && !strncmp(denied[i], "proc/", 5) && denied[i][5])
                fail_msg("%s \"%s\": OK", c->name, denied[i]);
            if (c->call == call_open && there && e != WASI_PERM)
                fail_msg("%s: %u, not PERM", denied[i], e);
        }
    }
    assert_true(present > 10);
    /* What programs use is there. */
    static const char *const allowed[] = {"dev/null",   "dev/zero",    "dev/full",
                                          "dev/random", "dev/urandom", "etc/passwd"};
    for (size_t i = 0; i < GBX_LEN(allowed); i++) {
        u32 const e = call_open(r, allowed[i]);
        if (e) fail_msg("%s: %u", allowed[i], e);
        OK(r, "fd_close", rig_u32(r, RIG_OUT));
    }
    assert_int_equal(call_open_write(r, "dev/null"), WASI_OK);
    rig_write(r, rig_u32(r, RIG_OUT), "gone");
    OK(r, "path_open", RIG_FD, 1, P(r, "dev/zero"), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
    u32 const zero = rig_u32(r, RIG_OUT);
    memset(r->mem.base + RIG_BUF, 1, 8);
    OK(r, "fd_read", zero, IOV(r, 8), RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_BUF), 0);
}

/* A grant of procfs itself is refused when it is made. */
static void
test_grant_of_proc(void **state)
{
    static const char *const kernel[] = {"/proc", "/proc/self", "/sys"};
    rig *const r = *state;
    for (size_t i = 0; i < GBX_LEN(kernel); i++) {
        gbx_err err;
        wasi_ctx *w;
        wasi_dir_grant const dir = {.host_fd = open(kernel[i], O_PATH | O_DIRECTORY | O_CLOEXEC),
                                    .guest_path = "/p"};
        wasi_config config = r->config;
        config.dirs = &dir;
        assert_int_equal(gbx_wasi_ctx_new(&config, &w, &err), GBX_ARGUMENT);
        assert_null(w);
        assert_non_null(strstr(err.text, "/p"));
        close(dir.host_fd);
    }
}

/* Sockets and device nodes among ordinary files, met without crossing a mount. */
static void
test_special_files(void **state)
{
    rig *const r = *state;
    host_link(r, "node", "grant/l");
    if (mknod(rig_host_path(r, "grant/node"), S_IFCHR | 0666, makedev(1, 1)) != 0)
        skip(); /* not root */
    assert_int_equal(mknod(rig_host_path(r, "grant/disk"), S_IFBLK | 0666, makedev(253, 0)), 0);
    assert_int_equal(mknod(rig_host_path(r, "grant/null"), S_IFCHR | 0666, makedev(1, 3)), 0);
    assert_int_equal(mknod(rig_host_path(r, "grant/sock"), S_IFSOCK | 0666, 0), 0);
    for (int devices = 0; devices < 2; devices++) {
        r->w->fds.files[RIG_FD].devices = devices;
        assert_int_equal(call_open(r, "node"), WASI_PERM);
        assert_int_equal(call_open(r, "l"), WASI_PERM);
        assert_int_equal(call_open_write(r, "disk"), WASI_PERM);
        assert_int_equal(call_open(r, "null"), WASI_OK);
        assert_int_equal(call_open_nofollow(r, "l"), WASI_LOOP);
        assert_int_equal(call_create_exclusive(r, "l"), WASI_EXIST);
        assert_int_equal(call_create_exclusive(r, "node"), WASI_EXIST);
        assert_int_equal(call_open(r, "none"), WASI_NOENT);
        assert_int_equal(call_open(r, "sock"), WASI_NXIO);
        assert_int_equal(call_stat(r, "node"), WASI_OK); /* metadata is no access */
        assert_int_equal(call_create(r, devices ? "made1" : "made0"), WASI_OK);
    }
    u32 count;
    const wasi_refusal *const got = gbx_wasi_refusals(r->w, &count);
    assert_int_equal(count, 3);
    assert_string_equal(got[0].reason, "special file");
}

/* A71: another file system mounted beneath the grant is part of it, its devices are not. */
static void
test_mount_beneath(void **state)
{
    rig *const r = *state;
    host_mkdir(r, "grant/m");
    char at[96];
    snprintf(at, sizeof at, "%s/m", r->grant);
    if (mount("none", at, "tmpfs", 0, "size=64k") != 0) skip(); /* not permitted here */
    host_file(r, "grant/m/f", "text");
    host_mkdir(r, "grant/m/d");
    host_link(r, "../f", "grant/m/d/l");
    host_link(r, "../../../secret", "grant/m/d/out");
    int const rc = mknod(rig_host_path(r, "grant/m/node"), S_IFCHR | 0666, makedev(1, 1));
    u32 e[10];
    e[0] = call_open(r, "m/f");
    e[1] = call_open(r, "m/d/l");
    e[2] = call_create(r, "m/new");
    e[3] = call_create(r, "m/d/../new2");
    e[4] = call_open(r, "m/d/out");
    e[5] = call_open(r, "m/node");
    e[6] = call_mkdir(r, "m/d/x");
    e[7] = call_rename_from(r, "m/f");
    e[8] = call_open_dir(r, "m");
    u32 const m = rig_u32(r, RIG_OUT);
    const wasi_file *const f = e[8] ? NULL : gbx_wasi_fds_find(&r->w->fds, m);
    bool const devices = f && f->devices;
    e[9] = call_open_nofollow(r, "m/d/l");
    gbx_wasi_ctx_free(r->w);
    r->w = NULL;
    assert_int_equal(umount2(at, MNT_DETACH), 0);
    assert_int_equal(rc, 0);
    static const u32 want[10] = {WASI_OK,   WASI_OK, WASI_OK,   WASI_OK, WASI_PERM,
                                 WASI_PERM, WASI_OK, WASI_XDEV, WASI_OK, WASI_LOOP};
    for (int i = 0; i < 10; i++)
        if (e[i] != want[i]) fail_msg("case %d: %u, not %u", i, e[i], want[i]);
    assert_true(devices);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            RIG_TEST(test_ways_out),      RIG_TEST(test_links_as_leaf),
            RIG_TEST(test_own_links),     RIG_TEST(test_moved_out),
            RIG_TEST(test_race),          RIG_TEST(test_grant_of_everything),
            RIG_TEST(test_grant_of_proc), RIG_TEST(test_special_files),
            RIG_TEST(test_mount_beneath),
    };
    RIG_RUN_BOTH(tests);
}
