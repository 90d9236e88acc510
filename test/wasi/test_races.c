/* A68 to A73: the host renames while the guest looks up. Each test counts swaps and wants zero escapes;
 * both sides of each race must have been met, or nothing was tested. One swap is made at its very moment.
 *
 *   test_races               20,000 swaps
 *   test_races --swaps N     as many as that; `make races` asks for 1,000,000 */
#include "wasi/path_calls.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

static u32 races_swaps = 20000;

typedef struct racer {
    const rig *r;
    bool (*swap)(const rig *r);
    atomic_bool done;
    atomic_uint swaps;
    pthread_t thread;
} racer;

static void *
race_run(void *data)
{
    racer *const race = data;
    while (!atomic_load(&race->done) && race->swap(race->r)) atomic_fetch_add(&race->swaps, 1);
    return NULL;
}

static void
race_begin(racer *race, const rig *r, bool (*swap)(const rig *r))
{
    race->r = r;
    race->swap = swap;
    assert_int_equal(pthread_create(&race->thread, NULL, race_run, race), 0);
}

static void
race_end(racer *race)
{
    atomic_store(&race->done, true);
    pthread_join(race->thread, NULL);
    assert_true(atomic_load(&race->swaps) >= races_swaps);
}

static bool
race_rename(const rig *r, const char *a, const char *b, unsigned flags)
{
    char from[96], to[96];
    snprintf(from, sizeof from, "%s/%s", r->host, a);
    snprintf(to, sizeof to, "%s/%s", r->host, b);
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags) == 0;
}

/* The file outside is as it was, and what the guest tries to make beside it is not there. */
static void
race_outside(const rig *r, const struct stat *secret)
{
    static const char *const made[] = {"out/new", "out/dir", "out/link", "out/sym", "out/made",
                                       "new",     "dir",     "link",     "sym",     "made"};
    struct stat st;
    assert_int_equal(lstat(rig_host_path(r, "out/secret"), &st), 0);
    if (st.st_ino != secret->st_ino || st.st_mtim.tv_sec != secret->st_mtim.tv_sec || st.st_size != 6 ||
        st.st_nlink != 1)
        fail_msg("the file outside was changed");
    for (size_t i = 0; i < GBX_LEN(made); i++)
        if (host_exists(r, made[i])) fail_msg("%s was made", made[i]);
}

/* What was opened must not be the file outside. */
static void
race_check_open(rig *r, u32 e, const char *path, const struct stat *secret)
{
    struct stat st;
    if (e) return;
    u32 const fd = rig_u32(r, RIG_OUT);
    const wasi_file *const f = gbx_wasi_fds_find(&r->w->fds, fd);
    assert_non_null(f);
    assert_int_equal(fstat(f->host, &st), 0);
    if (st.st_ino == secret->st_ino && st.st_dev == secret->st_dev) fail_msg("escape by \"%s\"", path);
    OK(r, "fd_close", fd);
}

static void
race_secret(const rig *r, struct stat *secret)
{
    /* An age that no change of today's leaves as it is. */
    static const struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(AT_FDCWD, rig_host_path(r, "out/secret"), long_ago, 0), 0);
    assert_int_equal(lstat(rig_host_path(r, "out/secret"), secret), 0);
}

/* ---- A68: a directory and a link to what is outside change places; so do a file and a link to the
 * file outside */

static bool
a68_swap(const rig *r)
{
    return race_rename(r, "grant/swap", "grant/other", RENAME_EXCHANGE) &&
           race_rename(r, "grant/file", "grant/otherfile", RENAME_EXCHANGE);
}

static void
a68_change(rig *r)
{
    if (!call_truncate(r, "swap/secret")) OK(r, "fd_close", rig_u32(r, RIG_OUT));
    if (!call_truncate(r, "file")) OK(r, "fd_close", rig_u32(r, RIG_OUT));
    if (!call_create(r, "swap/new")) OK(r, "fd_close", rig_u32(r, RIG_OUT));
    if (!call_create_exclusive(r, "d/../swap/dir/../new")) OK(r, "fd_close", rig_u32(r, RIG_OUT));
    (void)call_mkdir(r, "swap/dir");
    (void)call_rmdir(r, "swap/dir");
    (void)call_unlink(r, "swap/new");
    (void)call_link_to(r, "swap/link");
    (void)call_unlink(r, "swap/link");
    (void)call_rename_from(r, "swap/secret");
    (void)CALL(r, "path_rename", RIG_FD, P(r, "fresh"), RIG_FD, P2(r, "swap/secret"));
    (void)call_link_from(r, "swap/secret");
    (void)call_unlink(r, "fresh");
    (void)call_times(r, "swap/secret");
    (void)call_times(r, "file");
    (void)call_link_times(r, "swap/secret");
    (void)call_symlink(r, "swap/sym");
    (void)call_unlink(r, "swap/sym");
}

static void
a68_directory_becomes_a_link(void **state)
{
    static const char *const paths[] = {"swap/secret", "swap/../swap/secret", "d/../swap/./secret", "file",
                                        "swap/x/../secret"};
    rig *const r = *state;
    struct stat secret;
    race_secret(r, &secret);
    host_mkdir(r, "grant/d");
    host_mkdir(r, "grant/swap");
    host_mkdir(r, "grant/swap/x");
    host_file(r, "grant/swap/secret", "inside");
    host_file(r, "grant/file", "inside");
    host_file(r, "grant/in", "in");
    host_link(r, "../out", "grant/other");
    host_link(r, "../out/secret", "grant/otherfile");
    int const before = host_open_fds();
    racer race = {0};
    u32 opened = 0, refused = 0, stated = 0;
    race_begin(&race, r, a68_swap);
    for (u32 i = 0; atomic_load(&race.swaps) < races_swaps; i++) {
        const char *const path = paths[i % GBX_LEN(paths)];
        u32 const e = i & 8 ? call_open_nofollow(r, path) : call_open(r, path);
        race_check_open(r, e, path, &secret);
        opened += !e;
        refused += e == WASI_PERM;
        assert_int_not_equal(e, WASI_AGAIN);
        if (!call_stat(r, path)) {
            stated++;
            if (rig_u64(r, RIG_OUT + 8) == secret.st_ino) fail_msg("stat escapes by \"%s\"", path);
        }
        a68_change(r);
        if (i % 64 == 0) race_outside(r, &secret);
    }
    race_end(&race);
    race_outside(r, &secret);
    assert_true(opened > 0 && refused > 0 && stated > 0);
    assert_int_equal(host_open_fds(), before);
}

/* Whose file and link change places at the very moment when the walk, which has looked at the file, opens it;
 * NULL: they have. */
static const rig *races_between;

/* In place of libc's. */
int
openat(int at, const char *name, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int const mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0;
    va_end(more);
    if (races_between && !(flags & O_PATH) && strcmp(name, "file") == 0) {
        (void)race_rename(races_between, "grant/file", "grant/otherfile", RENAME_EXCHANGE);
        races_between = NULL;
    }
    return (int)syscall(SYS_openat, at, name, flags, mode);
}

/* What an open does to a file it does before anybody can look at what was opened. */
static void
a68_link_between_look_and_open(void **state)
{
    rig *const r = *state;
    struct stat secret;
    race_secret(r, &secret);
    host_file(r, "grant/file", "inside");
    host_link(r, "../out/secret", "grant/otherfile");
    races_between = r;
    u32 const e = call_truncate(r, "file");
    assert_true(rig_walker == !races_between); /* openat2 looks and opens at once */
    races_between = NULL;
    assert_int_equal(e, rig_walker ? WASI_PERM : WASI_OK);
    race_outside(r, &secret);
}

/* A link to the file outside comes and goes where the guest is about to make a file. */
static bool
a68_come_and_go(const rig *r)
{
    return race_rename(r, "grant/link", "grant/new", 0) && race_rename(r, "grant/new", "grant/link", 0);
}

static void
a68_link_where_a_file_is_made(void **state)
{
    rig *const r = *state;
    struct stat secret;
    race_secret(r, &secret);
    host_mkdir(r, "grant/d");
    host_link(r, "../out/secret", "grant/link");
    int const before = host_open_fds();
    racer race = {0};
    u32 made = 0, met = 0;
    race_begin(&race, r, a68_come_and_go);
    for (u32 i = 0; atomic_load(&race.swaps) < races_swaps; i++) {
        u32 const flags = OFLAG_CREAT | (i & 1 ? OFLAG_TRUNC : 0) | (i & 2 ? OFLAG_EXCL : 0);
        const char *const path = i & 4 ? "new" : "d/../new";
        u32 const e = CALL(r, "path_open", RIG_FD, i >> 3 & 1, P(r, path), flags, RIGHT_FD_WRITE, 0, 0, RIG_OUT);
        race_check_open(r, e, path, &secret);
        assert_int_not_equal(e, WASI_AGAIN);
        made += !e;
        met += e == WASI_PERM || e == WASI_LOOP || e == WASI_EXIST;
        if (i % 64 == 0) race_outside(r, &secret);
    }
    race_end(&race);
    race_outside(r, &secret);
    assert_true(made > 0 && met > 0);
    assert_int_equal(host_open_fds(), before);
}

/* ---- A69: a directory that a path goes through, or that the guest holds, is moved out of the grant
 * and back */

static bool
a69_swap(const rig *r)
{
    return race_rename(r, "grant/d/e", "out/e", 0) && race_rename(r, "out/e", "grant/d/e", 0);
}

/* The guest's own "secret" stands where ".." leads as long as "e" is in its place; where it is moved
 * to, the file outside does. */
static void
a69_change(rig *r, u32 d, u32 e)
{
    static const char *const ways[] = {"e/../made", "e/x/../../made"};
    for (size_t i = 0; i < GBX_LEN(ways); i++) {
        (void)CALL(r, "path_create_directory", d, P(r, ways[i]));
        (void)CALL(r, "path_remove_directory", d, P(r, ways[i]));
        (void)CALL(r, "path_symlink", P2(r, "x"), d, P(r, ways[i]));
        (void)CALL(r, "path_unlink_file", d, P(r, ways[i]));
    }
    (void)CALL(r, "path_filestat_set_times", d, 1, P(r, "e/../secret"), 5, 5, FST_MTIM | FST_ATIM);
    (void)CALL(r, "path_filestat_set_times", d, 0, P(r, "e/x/../../secret"), 5, 5, FST_MTIM | FST_ATIM);
    (void)CALL(r, "path_link", d, 0, P(r, "e/../secret"), RIG_FD, P2(r, "fresh"));
    (void)CALL(r, "path_unlink_file", RIG_FD, P(r, "fresh"));
    FAILS(r, PERM, "path_create_directory", e, P(r, "../made"));
    FAILS(r, PERM, "path_unlink_file", e, P(r, "../secret"));
    FAILS(r, PERM, "path_open", e, 1, P(r, "../secret"), OFLAG_TRUNC, RIGHT_FD_WRITE, 0, 0, RIG_OUT);
    FAILS(r, PERM, "path_open", e, 1, P(r, "x/../.."), 0, 0, 0, 0, RIG_OUT);
}

static void
a69_directory_is_moved_out(void **state)
{
    static const char *const paths[] = {"e/../secret", "e/x/../../secret", "e/../e/../secret", "e/l"};
    rig *const r = *state;
    struct stat secret;
    race_secret(r, &secret);
    host_mkdir(r, "grant/d");
    host_mkdir(r, "grant/d/e");
    host_mkdir(r, "grant/d/e/x");
    host_link(r, "../secret", "grant/d/e/l");
    host_file(r, "grant/d/secret", "inside");
    u64 const rights = RIG_RIGHTS_FILE & ~RIGHT_FD_WRITE & ~RIGHT_FD_ALLOCATE;
    u32 const d = rig_open(r, "d", OFLAG_DIRECTORY, rights), e = rig_open(r, "d/e", OFLAG_DIRECTORY, rights);
    int const before = host_open_fds();
    racer race = {0};
    u32 opened = 0, missed = 0;
    race_begin(&race, r, a69_swap);
    for (u32 i = 0; atomic_load(&race.swaps) < races_swaps; i++) {
        const char *const path = paths[i % GBX_LEN(paths)];
        u32 const got = CALL(r, "path_open", d, 1, P(r, path), i & 4 ? OFLAG_TRUNC : 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
        race_check_open(r, got, path, &secret);
        opened += !got;
        missed += got != WASI_OK;
        assert_int_not_equal(got, WASI_AGAIN);
        if (!CALL(r, "path_filestat_get", d, 1, P(r, path), RIG_OUT) &&
            rig_u64(r, RIG_OUT + 8) == secret.st_ino)
            fail_msg("stat escapes by \"%s\"", path);
        a69_change(r, d, e);
        if (i % 64 == 0) race_outside(r, &secret);
    }
    race_end(&race);
    race_outside(r, &secret);
    assert_true(opened > 0 && missed > 0);
    assert_int_equal(host_open_fds(), before);
}

/* ---- A70: a file and the node of a device change places, where nodes are looked for and where they are not */

static bool
a70_swap(const rig *r)
{
    return race_rename(r, "grant/file", "grant/node", RENAME_EXCHANGE);
}

static void
a70_file_becomes_a_device(void **state)
{
    rig *const r = *state;
    host_file(r, "grant/file", "inside");
    if (mknod(rig_host_path(r, "grant/node"), S_IFBLK | 0666, makedev(7, 0)) != 0) skip(); /* not root */
    int const before = host_open_fds();
    racer race = {0};
    u32 opened = 0, refused = 0;
    race_begin(&race, r, a70_swap);
    for (u32 i = 0; atomic_load(&race.swaps) < races_swaps; i++) {
        r->w->fds.files[RIG_FD].devices = i & 1;
        u32 const e = CALL(r, "path_open", RIG_FD, i >> 1 & 1, P(r, i & 4 ? "file" : "node"), 0,
                           RIGHT_FD_READ | RIGHT_FD_WRITE, 0, 0, RIG_OUT);
        refused += e == WASI_PERM;
        if (e) continue;
        struct stat st;
        assert_int_equal(fstat(gbx_wasi_fds_find(&r->w->fds, rig_u32(r, RIG_OUT))->host, &st), 0);
        if (!S_ISREG(st.st_mode)) fail_msg("a device was opened");
        OK(r, "fd_close", rig_u32(r, RIG_OUT));
        opened++;
    }
    race_end(&race);
    assert_true(opened > 0 && refused > 0);
    assert_int_equal(host_open_fds(), before);
}

/* ---- A73: in a read-only grant a file comes and goes that the guest opens with CREAT: it makes none */

static bool
a73_swap(const rig *r)
{
    return race_rename(r, "grant/in", "out/in", 0) && race_rename(r, "out/in", "grant/in", 0);
}

static void
a73_file_comes_and_goes(void **state)
{
    rig *const r = *state;
    struct stat mine, st;
    host_file(r, "grant/in", "in");
    assert_int_equal(lstat(rig_host_path(r, "grant/in"), &mine), 0);
    r->dir.read_only = true;
    rig_restart(r);
    racer race = {0};
    u32 opened = 0, refused = 0;
    race_begin(&race, r, a73_swap);
    while (atomic_load(&race.swaps) < races_swaps) {
        u32 const e = CALL(r, "path_open", RIG_FD, 1, P(r, "in"), OFLAG_CREAT, RIGHT_FD_READ, 0, 0, RIG_OUT);
        refused += e != WASI_OK;
        if (e) continue;
        assert_int_equal(fstat(gbx_wasi_fds_find(&r->w->fds, rig_u32(r, RIG_OUT))->host, &st), 0);
        if (st.st_ino != mine.st_ino) fail_msg("a file was made");
        OK(r, "fd_close", rig_u32(r, RIG_OUT));
        opened++;
    }
    race_end(&race);
    assert_true(opened > 0 && refused > 0);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {RIG_TEST(a68_directory_becomes_a_link),
                                       RIG_TEST(a68_link_between_look_and_open),
                                       RIG_TEST(a68_link_where_a_file_is_made),
                                       RIG_TEST(a69_directory_is_moved_out),
                                       RIG_TEST(a70_file_becomes_a_device),
                                       RIG_TEST(a73_file_comes_and_goes)};
    if (argc == 3 && !strcmp(argv[1], "--swaps")) races_swaps = (u32)strtoul(argv[2], NULL, 10);
    if (argc != 1 && (argc != 3 || !races_swaps)) {
        fprintf(stderr, "usage: test_races [--swaps N]\n");
        return 2;
    }
    RIG_RUN_BOTH(tests);
}
