/* The devices that every guest has: found without a grant, beneath grants that hold /dev whether the
 * host's directory has them or not, read-only ones too, and in place of the host's own under any other
 * name. */
#include "wasi/path_calls.h"

#include <sys/sysmacros.h>

#define NO_FD   ((u64)UINT32_MAX)
#define LOOKS   (RIGHT_FD_READ | RIGHT_FD_WRITE | RIGHT_FD_SEEK | RIGHT_FD_TELL | RIGHT_FD_FILESTAT_GET)
#define DIR_ALL (RIG_RIGHTS_FILE & ~RIGHT_FD_WRITE & ~RIGHT_FD_ALLOCATE)

static const char *const device_names[] = {"null", "zero", "full", "random", "urandom"};

static u32
device_open(rig *r, u64 dir, const char *path)
{
    OK(r, "path_open", dir, LOOKUP_SYMLINK_FOLLOW, P(r, path), 0, LOOKS, 0, 0, RIG_OUT);
    return rig_u32(r, RIG_OUT);
}

static bool
device_reads(rig *r, u32 fd, u32 len, u32 *got)
{
    memset(r->mem.base + RIG_BUF, 0x55, len);
    if (CALL(r, "fd_read", fd, IOV(r, len), RIG_OUT)) return false;
    *got = rig_u32(r, RIG_OUT);
    return true;
}

/* What is behind `fd` does what the device of that name does. */
static void
device_acts(rig *r, u32 fd, const char *name)
{
    static const u8 zeros[4096];
    u32 got = 0;
    const u8 *const buf = r->mem.base + RIG_BUF;
    bool const reads_zeros = !strcmp(name, "zero") || !strcmp(name, "full");
    assert_int_equal(gbx_wasi_fds_find(&r->w->fds, fd)->host, -1);
    assert_true(device_reads(r, fd, 4096, &got));
    assert_int_equal(got, strcmp(name, "null") ? 4096 : 0);
    if (reads_zeros) assert_memory_equal(buf, zeros, 4096);
    if (strstr(name, "random")) {
        u32 fives = 0;
        for (u32 i = 0; i < 4096; i++) fives += buf[i] == 0x55;
        assert_true(fives < 256);
    }
    u32 const want = strcmp(name, "full") ? WASI_OK : WASI_NOSPC;
    assert_int_equal(CALL(r, "fd_write", fd, IOV(r, 100), RIG_OUT), want);
    if (!want) assert_int_equal(rig_u32(r, RIG_OUT), 100);
    assert_int_equal(CALL(r, "fd_pwrite", fd, IOV(r, 100), 5, RIG_OUT), want);
    OK(r, "fd_write", fd, IOV(r, 0), RIG_OUT);
    OK(r, "fd_pread", fd, IOV(r, 100), 7, RIG_OUT);
    OK(r, "fd_seek", fd, 1000, WHENCE_SET, RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT), 0);
    OK(r, "fd_tell", fd, RIG_OUT);
    FAILS(r, NOTDIR, "fd_readdir", fd, RIG_BUF, 64, 0, RIG_OUT);
    FAILS(r, NOTDIR, "fd_prestat_get", fd, RIG_OUT);
}

/* fd_filestat_get and path_filestat_get, followed or not, say the same. */
static void
device_stats(rig *r, u64 dir, u32 fd, const char *path)
{
    u8 by_fd[64];
    memset(r->mem.base + RIG_OUT, 0xee, 64);
    OK(r, "fd_filestat_get", fd, RIG_OUT);
    memcpy(by_fd, r->mem.base + RIG_OUT, 64);
    assert_int_equal(by_fd[16], TYPE_CHARACTER_DEVICE);
    for (u32 lookup = 0; lookup < 2; lookup++) {
        memset(r->mem.base + RIG_OUT, 0xee, 64);
        OK(r, "path_filestat_get", dir, lookup, P(r, path), RIG_OUT);
        assert_memory_equal(r->mem.base + RIG_OUT, by_fd, 64);
    }
    OK(r, "fd_fdstat_get", fd, RIG_OUT);
    assert_int_equal(r->mem.base[RIG_OUT], TYPE_CHARACTER_DEVICE);
    /* wasi-libc takes a character device that cannot seek for a terminal. */
    assert_true(rig_u64(r, RIG_OUT + 8) & RIGHT_FD_SEEK && rig_u64(r, RIG_OUT + 8) & RIGHT_FD_TELL);
}

/* Opening with every flag: what is there is not made, cut short or a directory. */
static void
device_flags(rig *r, u64 dir, const char *path)
{
    static const struct {
        u32 oflags, want;
    } rows[] = {{OFLAG_CREAT, WASI_OK},
                {OFLAG_TRUNC, WASI_OK},
                {OFLAG_CREAT | OFLAG_TRUNC, WASI_OK},
                {OFLAG_CREAT | OFLAG_EXCL, WASI_EXIST},
                {OFLAG_EXCL, WASI_OK},
                {OFLAG_DIRECTORY, WASI_NOTDIR}};
    for (size_t i = 0; i < GBX_LEN(rows); i++) {
        for (u32 fdflags = 0; fdflags <= FDFLAG_ALL; fdflags++) {
            u32 const e = CALL(r, "path_open", dir, i & 1, P(r, path), rows[i].oflags, LOOKS, 0, fdflags, RIG_OUT);
            if (e != rows[i].want) fail_msg("\"%s\" flags %u: %u", path, rows[i].oflags, e);
            if (e) continue;
            u32 const fd = rig_u32(r, RIG_OUT);
            OK(r, "fd_fdstat_get", fd, RIG_OUT);
            assert_int_equal(r->mem.base[RIG_OUT + 2], fdflags);
            OK(r, "fd_close", fd);
        }
    }
}

/* No call makes, changes or removes it, and nothing is behind its name. */
static void
device_stays(rig *r, u64 dir, const char *path, bool read_only)
{
    char longer[64];
    u32 const denied = dir == NO_FD ? WASI_PERM : read_only ? WASI_ROFS : WASI_PERM;
    u32 const there = denied == WASI_PERM && dir != NO_FD ? WASI_EXIST : denied;
    u32 const no_dir = denied == WASI_PERM && dir != NO_FD ? WASI_NOTDIR : denied;
    assert_int_equal(CALL(r, "path_create_directory", dir, P(r, path)), there);
    assert_int_equal(CALL(r, "path_symlink", P2(r, "in"), dir, P(r, path)), there);
    assert_int_equal(CALL(r, "path_unlink_file", dir, P(r, path)), denied);
    assert_int_equal(CALL(r, "path_remove_directory", dir, P(r, path)), no_dir);
    assert_int_equal(CALL(r, "path_filestat_set_times", dir, 1, P(r, path), 1, 1, FST_MTIM), denied);
    assert_int_equal(CALL(r, "path_filestat_set_times", dir, 0, P(r, path), 1, 1, FST_MTIM), denied);
    FAILS(r, INVAL, "path_readlink", dir, P(r, path), RIG_BUF, 64, RIG_OUT);
    if (!read_only) {
        assert_int_equal(CALL(r, "path_rename", dir, P(r, path), RIG_FD, P2(r, "fresh")), denied);
        assert_int_equal(CALL(r, "path_rename", RIG_FD, P(r, "in"), dir, P2(r, path)), denied);
        assert_int_equal(CALL(r, "path_link", dir, 0, P(r, path), RIG_FD, P2(r, "fresh")), denied);
        assert_int_equal(CALL(r, "path_link", RIG_FD, 0, P(r, "in"), dir, P2(r, path)), there);
    }
    snprintf(longer, sizeof longer, "%s/", path);
    FAILS(r, NOTDIR, "path_open", dir, 1, P(r, longer), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, NOTDIR, "path_filestat_get", dir, 1, P(r, longer), RIG_OUT);
    snprintf(longer, sizeof longer, "%s/x", path);
    FAILS(r, NOTDIR, "path_open", dir, 1, P(r, longer), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, NOTDIR, "path_readlink", dir, P(r, longer), RIG_BUF, 64, RIG_OUT);
    snprintf(longer, sizeof longer, "%sx", path);
    FAILS(r, NOENT, "path_open", dir, 1, P(r, longer), 0, 0, 0, 0, RIG_OUT);
}

static void
devices_below(rig *r, u64 dir, const char *prefix, bool read_only)
{
    for (size_t i = 0; i < GBX_LEN(device_names); i++) {
        char path[64];
        snprintf(path, sizeof path, "%s%s", prefix, device_names[i]);
        u32 const fd = device_open(r, dir, path);
        device_acts(r, fd, device_names[i]);
        device_stats(r, dir, fd, path);
        OK(r, "fd_close", fd);
        device_flags(r, dir, path);
        device_stays(r, dir, path, read_only);
    }
}

/* RULE: S17 */
static void
test_without_a_grant(void **state)
{
    rig *const r = *state;
    r->config.dir_count = 0;
    rig_restart(r);
    int const before = host_open_fds();
    devices_below(r, NO_FD, "dev/", true);
    devices_below(r, NO_FD, "./dev//", true);
    OK(r, "path_filestat_get", NO_FD, 1, P(r, "dev"), RIG_OUT);
    assert_int_equal(r->mem.base[RIG_OUT + 16], TYPE_DIRECTORY);
    FAILS(r, NOENT, "path_open", NO_FD, 1, P(r, "null"), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, NOENT, "path_open", NO_FD, 1, P(r, "dev/nullx"), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, NOENT, "path_open", NO_FD, 1, P(r, "x/../dev/null"), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, NOENT, "path_open", NO_FD, 1, P(r, "dev/../null"), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, NOENT, "path_open", NO_FD, 1, P(r, "../dev/null"), 0, 0, 0, 0, RIG_OUT);
    assert_int_equal(host_open_fds(), before);
    /* They are told apart, and none is a granted directory. */
    u64 seen = 0;
    for (size_t i = 0; i < GBX_LEN(device_names); i++) {
        char path[64];
        snprintf(path, sizeof path, "dev/%s", device_names[i]);
        OK(r, "path_filestat_get", NO_FD, 1, P(r, path), RIG_OUT);
        u64 const bit = (u64)1 << rig_u64(r, RIG_OUT + 8);
        assert_false(seen & bit);
        seen |= bit;
    }
    FAILS(r, BADF, "fd_prestat_get", RIG_FD, RIG_OUT);
}

/* A grant of the guest's root whose directory has no "dev" at all: nothing is made there. */
static void
test_beneath_the_root(void **state)
{
    rig *const r = *state;
    host_file(r, "grant/in", "in");
    devices_below(r, RIG_FD, "dev/", false);
    devices_below(r, RIG_FD, "./dev/.//", false);
    assert_false(host_exists(r, "grant/dev"));
    assert_string_equal(host_text(r, "grant/in"), "in");
    OK(r, "path_filestat_get", RIG_FD, 0, P(r, "./dev/"), RIG_OUT);
    OK(r, "path_filestat_get", RIG_FD, 1, P(r, "dev"), RIG_OUT);
    assert_int_equal(r->mem.base[RIG_OUT + 16], TYPE_DIRECTORY);
    FAILS(r, NOENT, "path_filestat_get", RIG_FD, 1, P(r, "dev/dev"), RIG_OUT);
    FAILS(r, NOENT, "path_filestat_get", RIG_FD, 1, P(r, "device"), RIG_OUT);
    FAILS(r, PERM, "path_open", RIG_FD, 1, P(r, "../dev/null"), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, NOENT, "path_open", RIG_FD, 1, P(r, "dev/../null"), 0, 0, 0, 0, RIG_OUT);
    r->dir.read_only = true;
    rig_restart(r);
    devices_below(r, RIG_FD, "dev/", true);
    FAILS(r, ROFS, "path_open", RIG_FD, 1, P(r, "dev"), OFLAG_CREAT, RIGHT_FD_WRITE, 0, 0, RIG_OUT);
}

/* Through descriptors of directories, as os.Root goes, and in a grant of /dev alone. */
static void
test_beneath_dev(void **state)
{
    rig *const r = *state;
    host_file(r, "grant/in", "in");
    host_mkdir(r, "grant/dev");
    host_mkdir(r, "grant/dev/dev");
    host_file(r, "grant/dev/null", "a file of the host's");
    u32 const root = rig_open(r, ".", OFLAG_DIRECTORY, DIR_ALL), dev = rig_open(r, "dev", OFLAG_DIRECTORY, DIR_ALL);
    devices_below(r, root, "dev/", false);
    devices_below(r, dev, "", false);
    devices_below(r, dev, "./", false);
    OK(r, "path_open", dev, 1, P(r, "."), OFLAG_DIRECTORY, DIR_ALL, RIG_RIGHTS_FILE, 0, RIG_OUT);
    devices_below(r, rig_u32(r, RIG_OUT), "", false);
    assert_string_equal(host_text(r, "grant/dev/null"), "a file of the host's");
    /* "dev" below /dev is another one. */
    FAILS(r, NOENT, "path_open", dev, 1, P(r, "dev/null"), 0, 0, 0, 0, RIG_OUT);
    OK(r, "path_open", dev, 1, P(r, "dev"), OFLAG_DIRECTORY, DIR_ALL, 0, 0, RIG_OUT);
    FAILS(r, NOENT, "path_open", rig_u32(r, RIG_OUT), 1, P(r, "null"), 0, 0, 0, 0, RIG_OUT);
    r->dir.guest_path = "/dev";
    rig_restart(r);
    devices_below(r, RIG_FD, "", false);
    r->dir.guest_path = "/device";
    rig_restart(r);
    FAILS(r, NOENT, "path_open", RIG_FD, 1, P(r, "null"), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, NOENT, "path_open", RIG_FD, 1, P(r, "dev/zero"), 0, 0, 0, 0, RIG_OUT);
}

/* The host's own, under whatever name and by whatever link, gives way to the imitation: also for
 * writing beneath a read-only grant, as natively. */
static void
test_of_the_host(void **state)
{
    static const u32 minors[] = {3, 5, 7, 8, 9};
    rig *const r = *state;
    host_mkdir(r, "grant/d");
    host_file(r, "grant/in", "in");
    host_link(r, "d", "grant/way");
    for (size_t i = 0; i < GBX_LEN(device_names); i++) {
        char path[64];
        snprintf(path, sizeof path, "grant/d/my-%s", device_names[i]);
        if (mknod(rig_host_path(r, path), S_IFCHR | 0666, makedev(1, minors[i])) != 0) skip(); /* not root */
        snprintf(path, sizeof path, "grant/link-%s", device_names[i]);
        char target[64];
        snprintf(target, sizeof target, "way/my-%s", device_names[i]);
        host_link(r, target, path);
    }
    for (int read_only = 0; read_only < 2; read_only++) {
        r->dir.read_only = read_only;
        rig_restart(r);
        for (size_t i = 0; i < GBX_LEN(device_names); i++) {
            char path[64];
            snprintf(path, sizeof path, "d/../way/my-%s", device_names[i]);
            u32 const fd = device_open(r, RIG_FD, path);
            device_acts(r, fd, device_names[i]);
            device_stats(r, RIG_FD, fd, path);
            snprintf(path, sizeof path, "link-%s", device_names[i]);
            device_acts(r, device_open(r, RIG_FD, path), device_names[i]);
            FAILS(r, EXIST, "path_open", RIG_FD, 1, P(r, path), OFLAG_CREAT | OFLAG_EXCL, LOOKS, 0, 0, RIG_OUT);
        }
        assert_true(call_unlink(r, "d/my-null") == (read_only ? WASI_ROFS : WASI_PERM));
        assert_true(call_rename_to(r, "d/my-zero") == (read_only ? WASI_ROFS : WASI_PERM));
    }
}

/* What a directory does not pass on, its device does not have either. */
static void
test_rights(void **state)
{
    rig *const r = *state;
    u32 const root = rig_open(r, ".", OFLAG_DIRECTORY, DIR_ALL);
    OK(r, "fd_fdstat_set_rights", root, RIGHT_PATH_OPEN, RIGHT_FD_READ);
    FAILS(r, NOTCAPABLE, "path_open", root, 1, P(r, "dev/null"), 0, RIGHT_FD_WRITE, 0, 0, RIG_OUT);
    OK(r, "path_open", root, 1, P(r, "dev/null"), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
    u32 const fd = rig_u32(r, RIG_OUT);
    FAILS(r, BADF, "fd_write", fd, IOV(r, 4), RIG_OUT);
    FAILS(r, NOTCAPABLE, "fd_filestat_get", fd, RIG_OUT);
    OK(r, "fd_fdstat_set_rights", root, 0, 0);
    FAILS(r, NOTCAPABLE, "path_open", root, 1, P(r, "dev/null"), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, NOTCAPABLE, "path_filestat_get", root, 1, P(r, "dev/null"), RIG_OUT);
}

static bool
device_fill(void *data, u8 *buf, size_t len)
{
    memset(buf, *(u8 *)data, len);
    return true;
}

/* Randomness is the context's, the injected one too, and that it was asked for is told to who takes
 * snapshots. */
static void
test_injected_randomness(void **state)
{
    rig *const r = *state;
    u8 seven = 7;
    u32 got;
    r->config.random_fill = device_fill;
    r->config.random_data = &seven;
    rig_restart(r);
    for (int i = 0; i < 2; i++) {
        u32 const fd = device_open(r, RIG_FD, i ? "dev/random" : "dev/urandom");
        r->x.asked = 0;
        assert_true(device_reads(r, fd, 64, &got));
        for (u32 k = 0; k < 64; k++) assert_int_equal(r->mem.base[RIG_BUF + k], 7);
        assert_true(r->x.asked & GBX_FROM_RANDOM);
    }
    u32 const zero = device_open(r, RIG_FD, "dev/zero");
    r->x.asked = 0;
    assert_true(device_reads(r, zero, 64, &got));
    assert_false(r->x.asked & GBX_FROM_RANDOM);
}

/* A guest that has been stopped gets no more of them, however much it asks for. */
static void
test_stopped(void **state)
{
    static const char *const endless[] = {"dev/zero", "dev/full", "dev/urandom"};
    rig *const r = *state;
    for (size_t i = 0; i < GBX_LEN(endless); i++) {
        u32 const fd = device_open(r, RIG_FD, endless[i]);
        atomic_store(&r->x.stop, GBX_TRAP_DEADLINE);
        memset(r->mem.base + RIG_BUF, 0x55, 64);
        assert_int_equal(CALL(r, "fd_read", fd, IOV(r, 64), RIG_OUT), UINT32_MAX);
        assert_int_equal(r->trap, GBX_TRAP_DEADLINE);
        assert_int_equal(r->mem.base[RIG_BUF], 0x55);
        atomic_store(&r->x.stop, 0);
    }
}

/* A full table: nothing is opened; a place that is free again is used. */
static void
test_full_table(void **state)
{
    rig *const r = *state;
    u32 fd = 0;
    while (!CALL(r, "path_open", RIG_FD, 1, P(r, "dev/null"), 0, LOOKS, 0, 0, RIG_OUT)) fd = rig_u32(r, RIG_OUT);
    assert_int_equal(fd, WASI_MAX_FDS - 1);
    FAILS(r, MFILE, "path_open", NO_FD, 1, P(r, "dev/null"), 0, LOOKS, 0, 0, RIG_OUT);
    OK(r, "fd_close", 700);
    assert_int_equal(device_open(r, NO_FD, "dev/zero"), 700);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            RIG_TEST(test_without_a_grant), RIG_TEST(test_beneath_the_root),
            RIG_TEST(test_beneath_dev),     RIG_TEST(test_of_the_host),
            RIG_TEST(test_rights),          RIG_TEST(test_injected_randomness),
            RIG_TEST(test_stopped),         RIG_TEST(test_full_table),
    };
    RIG_RUN_BOTH(tests);
}
