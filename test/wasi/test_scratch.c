/* Scratch directories: capped, private, gone with the context; and the bounds on what is written. */
#include "wasi/harness.h"

#include <pthread.h>
#include <sys/wait.h>

#define SCRATCH_BYTES (64 * 4096u)

/* Begin again with a scratch directory as descriptor 3; skip where this system gives none. */
static void
scratch_start(rig *r)
{
    gbx_err err;
    gbx_wasi_ctx_free(r->w);
    r->w = NULL;
    r->dir.scratch_bytes = SCRATCH_BYTES;
    r->config.dirs = &r->dir;
    gbx_code const code = gbx_wasi_ctx_new(&r->config, &r->w, &err);
    if (code == GBX_UNSUPPORTED) skip();
    assert_int_equal(code, GBX_OK);
}

static bool
was_met(const rig *r, wasi_met met)
{
    return gbx_wasi_met_bits(r->w) & 1u << met;
}

/* Bytes that fit into `fd` until there is no space left. */
static u64
fill(rig *r, u32 fd)
{
    u64 total = 0;
    for (;;) {
        u32 const e = CALL(r, "fd_write", fd, IOV(r, 4096), RIG_OUT);
        if (e == WASI_NOSPC) return total;
        assert_int_equal(e, WASI_OK);
        total += rig_u32(r, RIG_OUT);
        assert_true(total <= (u64)16 << 20);
    }
}

static void
test_bytes_are_capped(void **state)
{
    rig *const r = *state;
    scratch_start(r);
    u32 const fd = rig_open(r, "f", OFLAG_CREAT, RIG_RIGHTS_FILE);
    assert_false(was_met(r, WASI_MET_SCRATCH));
    assert_int_equal(fill(r, fd), SCRATCH_BYTES);
    assert_true(was_met(r, WASI_MET_SCRATCH));
    FAILS(r, NOSPC, "fd_pwrite", fd, IOV(r, 1), (u64)1 << 40, RIG_OUT);
    FAILS(r, NOSPC, "fd_allocate", fd, (u64)1 << 40, 4096);
    /* What is removed is there again, as soon as nobody has it open. */
    OK(r, "path_unlink_file", RIG_FD, P(r, "f"));
    u32 const other = rig_open(r, "g", OFLAG_CREAT, RIG_RIGHTS_FILE);
    FAILS(r, NOSPC, "fd_write", other, IOV(r, 1), RIG_OUT);
    OK(r, "fd_close", fd);
    assert_int_equal(fill(r, other), SCRATCH_BYTES);
}

static void
test_files_are_capped(void **state)
{
    rig *const r = *state;
    scratch_start(r);
    u32 made = 0, e;
    char name[32];
    do {
        snprintf(name, sizeof name, "f%u", made);
        e = made % 4 == 0   ? CALL(r, "path_create_directory", RIG_FD, P(r, name))
            : made % 4 == 1 ? CALL(r, "path_symlink", P2(r, "to"), RIG_FD, P(r, name))
            : made % 4 == 2 ? CALL(r, "path_link", RIG_FD, 0, P2(r, "f3"), RIG_FD, P(r, name))
                            : CALL(r, "path_open", RIG_FD, 0, P(r, name), OFLAG_CREAT, 0, 0, 0, RIG_OUT);
        if (made == 2) e = WASI_OK; /* f3 is not there yet */
        made++;
    } while (e == WASI_OK && made < 1000);
    assert_int_equal(e, WASI_NOSPC);
    assert_in_range(made, 64, 64 + 16 + 2);
}

/* Two contexts, and one after the other: nobody sees what another one wrote. */
static void
test_each_is_empty_and_private(void **state)
{
    rig *const r = *state;
    scratch_start(r);
    (void)rig_open(r, "mine", OFLAG_CREAT, RIG_RIGHTS_FILE);
    wasi_ctx *const first = r->w;
    gbx_err err;
    assert_int_equal(gbx_wasi_ctx_new(&r->config, &r->w, &err), GBX_OK);
    u32 fd;
    assert_int_equal(rig_open_with(r, "mine", 0, 0, RIG_RIGHTS_FILE, 0, &fd), WASI_NOENT);
    (void)rig_open(r, "other", OFLAG_CREAT, RIG_RIGHTS_FILE);
    wasi_ctx *const second = r->w;
    r->w = first;
    assert_int_equal(rig_open_with(r, "other", 0, 0, RIG_RIGHTS_FILE, 0, &fd), WASI_NOENT);
    (void)rig_open(r, "mine", 0, RIG_RIGHTS_FILE);
    gbx_wasi_ctx_free(second);
    for (int i = 0; i < 20; i++) {
        rig_restart(r);
        OK(r, "fd_readdir", RIG_FD, RIG_BUF, 4096, 0, RIG_OUT);
        assert_int_equal(rig_u32(r, RIG_OUT), 2 * 24 + 3); /* "." and ".." */
        (void)rig_open(r, "mine", OFLAG_CREAT | OFLAG_EXCL, RIG_RIGHTS_FILE);
        assert_false(host_exists(r, "grant/mine"));
    }
}

static void
test_nothing_leads_out(void **state)
{
    rig *const r = *state;
    scratch_start(r);
    u32 fd;
    assert_int_equal(rig_open_with(r, "..", 1, 0, 0, 0, &fd), WASI_PERM);
    assert_int_equal(rig_open_with(r, "/etc/passwd", 1, 0, 0, 0, &fd), WASI_PERM);
    OK(r, "path_create_directory", RIG_FD, P(r, "d"));
    OK(r, "path_symlink", P2(r, "../../.."), RIG_FD, P(r, "d/up"));
    assert_int_equal(rig_open_with(r, "d/up/etc/passwd", 1, 0, 0, 0, &fd), WASI_PERM);
}

/* No descriptor, mount or directory is left: by the end of the context, and by that of a process that is killed. */
static u64
mounts(void)
{
    u64 n = 0;
    int c;
    FILE *const f = fopen("/proc/self/mountinfo", "r");
    if (!f) return 0;
    while ((c = fgetc(f)) != EOF) n += c == '\n';
    fclose(f);
    return n;
}

static void
test_nothing_is_left(void **state)
{
    rig *const r = *state;
    scratch_start(r);
    rig_restart(r);
    int const before = host_open_fds();
    u64 const mounted = mounts();
    for (int i = 0; i < 50; i++) {
        rig_restart(r);
        (void)rig_open(r, "f", OFLAG_CREAT, RIG_RIGHTS_FILE);
        OK(r, "fd_close", RIG_FD); /* the guest gives it up, and goes on with what it holds */
    }
    rig_restart(r);
    assert_int_equal(host_open_fds(), before);
    assert_int_equal(mounts(), mounted);
    pid_t const child = fork();
    if (child == 0) {
        rig_restart(r);
        (void)rig_open(r, "f", OFLAG_CREAT, RIG_RIGHTS_FILE);
        (void)raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(mounts(), mounted);
}

/* ---- what is written to files and to streams */

static void
disk_start(rig *r, u64 bytes)
{
    r->config.disk_bytes = bytes;
    rig_restart(r);
}

/* Bytes, new names, holes and growth: each counts, and what was there before does not. */
static void
test_disk_is_bounded(void **state)
{
    rig *const r = *state;
    host_file(r, "grant/old", "0123456789");
    disk_start(r, 10000);
    u32 const fd = rig_open(r, "old", OFLAG_CREAT, RIG_RIGHTS_FILE); /* was there */
    OK(r, "fd_write", fd, IOV(r, 8192), RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 8192);
    OK(r, "fd_pwrite", fd, IOV(r, 1000), 0, RIG_OUT);
    assert_false(was_met(r, WASI_MET_DISK));
    OK(r, "fd_write", fd, IOV(r, 1000), RIG_OUT); /* what is left is written */
    assert_int_equal(rig_u32(r, RIG_OUT), 808);
    assert_true(was_met(r, WASI_MET_DISK));
    FAILS(r, NOSPC, "fd_write", fd, IOV(r, 1), RIG_OUT);
    FAILS(r, NOSPC, "fd_pwrite", fd, IOV(r, 1), 0, RIG_OUT);
    OK(r, "fd_write", fd, IOV(r, 0), RIG_OUT);
    FAILS(r, NOSPC, "fd_allocate", fd, 0, 1);
    FAILS(r, NOSPC, "fd_filestat_set_size", fd, 100000);
    OK(r, "fd_filestat_set_size", fd, 5); /* smaller is free, and gives nothing back */
    FAILS(r, NOSPC, "fd_write", fd, IOV(r, 1), RIG_OUT);
    FAILS(r, NOSPC, "path_create_directory", RIG_FD, P(r, "d"));
    FAILS(r, NOSPC, "path_symlink", P2(r, "old"), RIG_FD, P(r, "l"));
    FAILS(r, NOSPC, "path_link", RIG_FD, 0, P2(r, "old"), RIG_FD, P(r, "l"));
    u32 other;
    assert_int_equal(rig_open_with(r, "new", 1, OFLAG_CREAT, RIG_RIGHTS_FILE, 0, &other), WASI_NOSPC);
    assert_int_equal(rig_open_with(r, "new", 1, OFLAG_CREAT | OFLAG_EXCL, RIG_RIGHTS_FILE, 0, &other), WASI_NOSPC);
    assert_int_equal(rig_open_with(r, "old", 1, OFLAG_CREAT | OFLAG_EXCL, RIG_RIGHTS_FILE, 0, &other),
                     WASI_NOSPC);
    assert_int_equal(rig_open_with(r, "old", 1, OFLAG_CREAT, RIG_RIGHTS_FILE, 0, &other), WASI_OK);
    assert_false(host_exists(r, "grant/new"));
    assert_false(host_exists(r, "grant/d"));
    OK(r, "path_rename", RIG_FD, P(r, "old"), RIG_FD, P2(r, "renamed")); /* takes no room */
}

static void
test_disk_counts_holes(void **state)
{
    rig *const r = *state;
    disk_start(r, 100000);
    u32 const fd = rig_open(r, "f", OFLAG_CREAT, RIG_RIGHTS_FILE);
    FAILS(r, NOSPC, "fd_pwrite", fd, IOV(r, 1), 100000, RIG_OUT);
    OK(r, "fd_pwrite", fd, IOV(r, 1), 50000, RIG_OUT);
    OK(r, "fd_seek", fd, 110000, 1, RIG_OUT);
    FAILS(r, NOSPC, "fd_write", fd, IOV(r, 1), RIG_OUT);
    OK(r, "fd_seek", fd, 90000, 0, RIG_OUT);
    OK(r, "fd_write", fd, IOV(r, 1), RIG_OUT);
    FAILS(r, NOSPC, "fd_filestat_set_size", fd, 101000);
    OK(r, "fd_filestat_set_size", fd, 99000);
}

/* Names: a link to nothing makes a file, and it counts. */
static void
test_disk_counts_names(void **state)
{
    rig *const r = *state;
    disk_start(r, 3 * 512);
    host_link(r, "target", "grant/link");
    (void)rig_open(r, "link", OFLAG_CREAT, RIG_RIGHTS_FILE);
    assert_true(host_exists(r, "grant/target"));
    (void)rig_open(r, "a", OFLAG_CREAT | OFLAG_EXCL, RIG_RIGHTS_FILE);
    for (int i = 0; i < 10; i++) (void)rig_open(r, "a", OFLAG_CREAT, RIG_RIGHTS_FILE);
    FAILS(r, EXIST, "path_create_directory", RIG_FD, P(r, "a"));
    OK(r, "path_create_directory", RIG_FD, P(r, "d"));
    FAILS(r, NOSPC, "path_create_directory", RIG_FD, P(r, "e"));
}

typedef struct sunk {
    u64 bytes;
} sunk;

static void
sink_write(void *data, const u8 *bytes, size_t len)
{
    (void)bytes;
    ((sunk *)data)->bytes += len;
}

/* Streams together; the guest ends, and what was let through was written. */
static void
test_output_is_bounded(void **state)
{
    rig *const r = *state;
    sunk s = {0};
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    r->config.output_bytes = 1000;
    r->config.stdio[1] = pipes[1];
    r->config.sinks[2] = (wasi_sink){.write = sink_write, .data = &s};
    rig_restart(r);
    OK(r, "fd_write", 1, IOV(r, 600), RIG_OUT);
    u32 const file = rig_open(r, "f", OFLAG_CREAT, RIG_RIGHTS_FILE);
    OK(r, "fd_write", file, IOV(r, 8000), RIG_OUT); /* is no output */
    OK(r, "fd_write", 2, IOV(r, 400), RIG_OUT);     /* exactly as much as it may */
    assert_int_equal(s.bytes, 400);
    assert_int_equal(CALL(r, "fd_write", 1, IOV(r, 1), RIG_OUT), UINT32_MAX);
    assert_int_equal(r->trap, GBX_TRAP_OUTPUT_LIMIT);
    assert_true(was_met(r, WASI_MET_OUTPUT));
    rig_restart(r);
    assert_int_equal(CALL(r, "fd_write", 2, IOV(r, 5000), RIG_OUT), UINT32_MAX);
    assert_int_equal(r->trap, GBX_TRAP_OUTPUT_LIMIT);
    assert_int_equal(s.bytes, 1400);
    assert_int_equal(close(pipes[0]), 0);
    assert_int_equal(close(pipes[1]), 0);
}

static void
test_limits_are_named(void **state)
{
    rig *const r = *state;
    static char path[4097];
    memset(path, 'a', 4096);
    assert_int_equal(gbx_wasi_met_bits(r->w), 0);
    FAILS(r, NAMETOOLONG, "path_create_directory", RIG_FD, P(r, path));
    FAILS(r, INVAL, "fd_read", 0, RIG_BUF, 1025, RIG_OUT);
    while (CALL(r, "path_open", RIG_FD, 0, P(r, "."), OFLAG_DIRECTORY, 0, 0, 0, RIG_OUT) == WASI_OK) {}
    assert_int_equal(gbx_wasi_met_bits(r->w),
                     1u << WASI_MET_PATH_BYTES | 1u << WASI_MET_IOVS | 1u << WASI_MET_FDS);
}

/* All three times of a file lie within a second of the clock's beginning. */
static bool
is_by_clock(const rig *r, u32 at)
{
    u64 const begin = (u64)WASI_CLOCK_BEGIN_S * WASI_NS_PER_S;
    for (u32 i = 40; i <= 56; i += 8)
        if (rig_u64(r, at + i) < begin || rig_u64(r, at + i) >= begin + WASI_NS_PER_S) return false;
    return true;
}

/* Nothing that a guest does in its own directory tells it the host's time. */
static void
times_by_the_fixed_clock(void **state)
{
    rig *const r = *state;
    r->config.clock = WASI_CLOCK_FIXED;
    scratch_start(r);
    u32 const fd = rig_open(r, "f", OFLAG_CREAT, RIG_RIGHTS_FILE);
    OK(r, "fd_filestat_get", fd, RIG_BUF);
    assert_true(is_by_clock(r, RIG_BUF));
    u64 const made = rig_u64(r, RIG_BUF + 48);
    rig_write(r, fd, "x");
    OK(r, "path_filestat_get", RIG_FD, 0, P(r, "f"), RIG_BUF);
    assert_true(is_by_clock(r, RIG_BUF) && rig_u64(r, RIG_BUF + 48) > made);
    OK(r, "path_create_directory", RIG_FD, P(r, "d"));
    OK(r, "path_symlink", P2(r, "f"), RIG_FD, P(r, "l"));
    static const char *const names[] = {"d", "l", "."};
    for (size_t i = 0; i < GBX_LEN(names); i++) {
        OK(r, "path_filestat_get", RIG_FD, 0, P(r, names[i]), RIG_BUF);
        assert_true(is_by_clock(r, RIG_BUF));
    }
    OK(r, "path_filestat_set_times", RIG_FD, 0, P(r, "d"), 0, 0, FST_MTIM_NOW | FST_ATIM_NOW);
    OK(r, "path_filestat_get", RIG_FD, 0, P(r, "d"), RIG_BUF);
    assert_true(is_by_clock(r, RIG_BUF));
    /* What the guest sets it finds again. */
    OK(r, "fd_filestat_set_times", fd, 1000, 2000, FST_MTIM | FST_ATIM);
    OK(r, "fd_filestat_get", fd, RIG_BUF);
    assert_true(rig_u64(r, RIG_BUF + 40) == 1000 && rig_u64(r, RIG_BUF + 48) == 2000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            RIG_TEST(test_bytes_are_capped),          RIG_TEST(test_files_are_capped),
            RIG_TEST(test_each_is_empty_and_private), RIG_TEST(test_nothing_leads_out),
            RIG_TEST(test_nothing_is_left),           RIG_TEST(test_disk_is_bounded),
            RIG_TEST(test_disk_counts_holes),         RIG_TEST(test_disk_counts_names),
            RIG_TEST(test_output_is_bounded),         RIG_TEST(test_limits_are_named),
            RIG_TEST(times_by_the_fixed_clock),
    };
    RIG_RUN_BOTH(tests);
}
