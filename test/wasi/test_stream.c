/* Streams: what a guest's standard streams are, blocking and not blocking, waits that can be stopped,
 * broken pipes, terminals, FIFOs, the synthetic devices. */
#include "wasi/harness.h"

#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <sys/socket.h>

typedef struct ends {
    int read, write;
} ends;

static ends
stream_pipe(void)
{
    int p[2];
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    return (ends){p[0], p[1]};
}

static void
stream_bind(rig *r, int guest_fd, int host_fd)
{
    r->config.stdio[guest_fd] = host_fd;
    rig_restart(r);
}

static void
test_unbound(void **state)
{
    rig *const r = *state;
    rig_expect_read(r, 0, "");
    rig_write(r, 1, "gone");
    rig_write(r, 2, "gone");
    FAILS(r, BADF, "fd_write", 0, IOV(r, 4), RIG_OUT);
    FAILS(r, BADF, "fd_read", 1, IOV(r, 4), RIG_OUT);
    OK(r, "fd_fdstat_get", 1, RIG_OUT);
    assert_int_equal(r->mem.base[RIG_OUT], TYPE_CHARACTER_DEVICE);
    OK(r, "fd_filestat_get", 2, RIG_OUT);
    assert_int_equal(r->mem.base[RIG_OUT + 16], TYPE_CHARACTER_DEVICE);
    OK(r, "fd_seek", 0, 5, WHENCE_SET, RIG_OUT);
    assert_int_equal(rig_u64(r, RIG_OUT), 0);
    OK(r, "fd_fdstat_set_flags", 0, FDFLAG_NONBLOCK);
    rig_expect_read(r, 0, "");
    OK(r, "fd_sync", 1);
    OK(r, "fd_close", 1);
    FAILS(r, BADF, "fd_write", 1, IOV(r, 4), RIG_OUT);
}

/* The flag is the guest's alone: the host's description never gets it. */
static void
test_nonblock_is_virtual(void **state)
{
    rig *const r = *state;
    ends const p = stream_pipe();
    stream_bind(r, 0, p.read);
    OK(r, "fd_fdstat_get", 0, RIG_OUT);
    assert_int_equal(r->mem.base[RIG_OUT], TYPE_UNKNOWN);
    assert_int_equal(rig_u32(r, RIG_OUT) >> 16, 0);
    OK(r, "fd_fdstat_set_flags", 0, FDFLAG_NONBLOCK);
    OK(r, "fd_fdstat_get", 0, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT) >> 16, FDFLAG_NONBLOCK);
    assert_int_equal(fcntl(p.read, F_GETFL) & O_NONBLOCK, 0);
    FAILS(r, AGAIN, "fd_read", 0, IOV(r, 16), RIG_OUT);
    assert_int_equal(write(p.write, "abc", 3), 3);
    rig_expect_read(r, 0, "abc");
    FAILS(r, AGAIN, "fd_read", 0, IOV(r, 16), RIG_OUT);
    close(p.write);
    rig_expect_read(r, 0, "");
    FAILS(r, SPIPE, "fd_seek", 0, 0, 0, RIG_OUT);
    FAILS(r, SPIPE, "fd_tell", 0, RIG_OUT);
    FAILS(r, SPIPE, "fd_pread", 0, IOV(r, 16), 0, RIG_OUT);
    FAILS(r, NOTSUP, "fd_fdstat_set_flags", 0, FDFLAG_APPEND);
    close(p.read);
}

/* The other way round: somebody made the shared description O_NONBLOCK; the guest that did not ask for
 * it waits. With the way round RWF_NOWAIT, and without. */
static void
test_inherited_nonblock(void **state)
{
    rig *const r = *state;
    for (int old_kernel = 0; old_kernel < 2; old_kernel++) {
        ends const p = stream_pipe();
        assert_int_equal(fcntl(p.read, F_SETFL, O_NONBLOCK), 0);
        stream_bind(r, 0, p.read);
        r->w->fds.files[0].no_nowait = old_kernel;
        STOPPED(r, "fd_read", 0, IOV(r, 16), RIG_OUT);
        OK(r, "fd_fdstat_set_flags", 0, FDFLAG_NONBLOCK);
        FAILS(r, AGAIN, "fd_read", 0, IOV(r, 16), RIG_OUT);
        assert_int_equal(write(p.write, "x", 1), 1);
        rig_expect_read(r, 0, "x");
        close(p.read);
        close(p.write);
    }
}

static void *
stream_late_writer(void *data)
{
    usleep(30000);
    assert_int_equal(write(*(int *)data, "late", 4), 4);
    return NULL;
}

static void
test_read_waits(void **state)
{
    rig *const r = *state;
    for (int variant = 0; variant < 3; variant++) {
        ends p = stream_pipe();
        stream_bind(r, 0, p.read);
        r->w->fds.files[0].no_nowait = variant == 1;
        int const stop_fd = r->x.stop_fd;
        if (variant == 2) r->x.stop_fd = -1; /* nobody can stop it, and it still waits */
        pthread_t t;
        assert_int_equal(pthread_create(&t, NULL, stream_late_writer, &p.write), 0);
        rig_expect_read(r, 0, "late");
        pthread_join(t, NULL);
        r->x.stop_fd = stop_fd;
        STOPPED(r, "fd_read", 0, IOV(r, 16), RIG_OUT);
        close(p.read);
        close(p.write);
    }
}

static void *
stream_slow_reader(void *data)
{
    int const fd = *(int *)data;
    static u8 buf[4096];
    size_t total = 0;
    for (;;) {
        ssize_t const n = read(fd, buf, sizeof buf);
        if (n <= 0) break;
        for (ssize_t i = 0; i < n; i++) {
            if (buf[i] != (u8)((total + (size_t)i) * 7 >> 3)) return NULL;
        }
        total += (size_t)n;
        if (total % 16384 == 0) usleep(500);
    }
    return (void *)total;
}

/* All that is written arrives, in order, although the pipe is small and the guest said NONBLOCK; GO's
 * runtime would throw at the first errno. Blocking and non-blocking host, old and new kernel. */
static void
test_write_all(void **state)
{
    rig *const r = *state;
    for (int variant = 0; variant < 4; variant++) {
        ends p = stream_pipe();
        if (variant & 1) assert_int_equal(fcntl(p.write, F_SETFL, O_NONBLOCK), 0);
        stream_bind(r, 1, p.write);
        close(p.write);
        r->w->fds.files[1].no_nowait = variant & 2;
        OK(r, "fd_fdstat_set_flags", 1, FDFLAG_NONBLOCK);
        for (u32 i = 0; i < RIG_BUF_BYTES; i++) r->mem.base[RIG_BUF + i] = (u8)(i * 7 >> 3);
        pthread_t t;
        void *got;
        assert_int_equal(pthread_create(&t, NULL, stream_slow_reader, &p.read), 0);
        /* Uneven pieces, an empty one in front and one between. */
        static const u32 cuts[] = {0, 0, 1, 5000, 5000, 70001, RIG_BUF_BYTES};
        for (u32 i = 0; i + 1 < GBX_LEN(cuts); i++) {
            rig_set_u32(r, RIG_IOVS + 8 * i, RIG_BUF + cuts[i]);
            rig_set_u32(r, RIG_IOVS + 8 * i + 4, cuts[i + 1] - cuts[i]);
        }
        OK(r, "fd_write", 1, RIG_IOVS, GBX_LEN(cuts) - 1, RIG_OUT);
        assert_int_equal(rig_u32(r, RIG_OUT), RIG_BUF_BYTES);
        OK(r, "fd_close", 1);
        r->config.stdio[1] = -1;
        pthread_join(t, &got);
        assert_int_equal((size_t)got, RIG_BUF_BYTES);
        close(p.read);
    }
}

static void
test_write_can_be_stopped(void **state)
{
    rig *const r = *state;
    for (int old_kernel = 0; old_kernel < 2; old_kernel++) {
        ends const p = stream_pipe();
        stream_bind(r, 1, p.write);
        r->w->fds.files[1].no_nowait = old_kernel;
        STOPPED(r, "fd_write", 1, IOV(r, RIG_BUF_BYTES), RIG_OUT);
        close(p.read);
        close(p.write);
    }
}

/* EPIPE, and no signal, whatever the host does about SIGPIPE. */
static void
test_broken_pipe(void **state)
{
    rig *const r = *state;
    for (int ignored = 0; ignored < 2; ignored++) {
        signal(SIGPIPE, ignored ? SIG_IGN : SIG_DFL);
        signal(SIGXFSZ, ignored ? SIG_IGN : SIG_DFL);
        ends const p = stream_pipe();
        stream_bind(r, 1, p.write);
        assert_int_equal(r->w->quiet, !ignored);
        close(p.read);
        FAILS(r, PIPE, "fd_write", 1, IOV(r, 4), RIG_OUT);
        OK(r, "fd_write", 1, IOV(r, 0), RIG_OUT);
        sigset_t now;
        pthread_sigmask(SIG_BLOCK, NULL, &now);
        assert_false(sigismember(&now, SIGPIPE));
        close(p.write);
    }
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_DFL);
}

/* What an error cuts off is told by the count; the next call meets the error. */
static void
test_full_device(void **state)
{
    rig *const r = *state;
    int const full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(full >= 0);
    stream_bind(r, 1, full);
    FAILS(r, NOSPC, "fd_write", 1, IOV(r, 4), RIG_OUT);
    OK(r, "fd_fdstat_get", 1, RIG_OUT);
    assert_int_equal(r->mem.base[RIG_OUT], TYPE_CHARACTER_DEVICE);
    assert_int_not_equal(rig_u64(r, RIG_OUT + 8) & RIGHT_FD_SEEK, 0);
    close(full);
}

static void
test_terminal(void **state)
{
    rig *const r = *state;
    int host, guest;
    assert_int_equal(openpty(&host, &guest, NULL, NULL, NULL), 0);
    r->config.stdio[0] = r->config.stdio[1] = guest;
    rig_restart(r);
    for (u32 fd = 0; fd < 2; fd++) {
        OK(r, "fd_fdstat_get", fd, RIG_OUT);
        assert_int_equal(r->mem.base[RIG_OUT], TYPE_CHARACTER_DEVICE);
        assert_int_equal(rig_u64(r, RIG_OUT + 8) & (RIGHT_FD_SEEK | RIGHT_FD_TELL), 0);
    }
    FAILS(r, BADF, "fd_read", 1, IOV(r, 4), RIG_OUT); /* what is typed is read from 0 only */
    FAILS(r, BADF, "fd_write", 0, IOV(r, 4), RIG_OUT);
    rig_write(r, 1, "prompt");
    char buf[16] = {0};
    assert_int_equal(read(host, buf, sizeof buf), 6);
    assert_string_equal(buf, "prompt");
    STOPPED(r, "fd_read", 0, IOV(r, 16), RIG_OUT);
    OK(r, "fd_fdstat_set_flags", 0, FDFLAG_NONBLOCK);
    FAILS(r, AGAIN, "fd_read", 0, IOV(r, 16), RIG_OUT);
    assert_int_equal(write(host, "typed\n", 6), 6);
    rig_expect_read(r, 0, "typed\n");
    assert_int_equal(fcntl(guest, F_GETFL) & O_NONBLOCK, 0);
    /* Stopped by whoever sits there (Ctrl-S): the wait for room ends with the deadline. */
    assert_int_equal(tcflow(guest, TCOOFF), 0);
    STOPPED(r, "fd_write", 1, IOV(r, RIG_BUF_BYTES), RIG_OUT);
    tcflow(guest, TCOON);
    close(host);
    close(guest);
}

static void
test_regular_files_as_streams(void **state)
{
    rig *const r = *state;
    host_file(r, "out/in", "line");
    host_file(r, "out/log", "old ");
    r->config.stdio[0] = open(rig_host_path(r, "out/in"), O_RDONLY | O_CLOEXEC);
    r->config.stdio[1] = open(rig_host_path(r, "out/log"), O_WRONLY | O_APPEND | O_CLOEXEC);
    r->config.stdio[2] = open(r->host, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    rig_restart(r);
    OK(r, "fd_fdstat_set_flags", 0, FDFLAG_NONBLOCK);
    rig_expect_read(r, 0, "line");
    rig_expect_read(r, 0, "");
    OK(r, "fd_seek", 0, 1, WHENCE_SET, RIG_OUT);
    rig_expect_read(r, 0, "ine");
    rig_write(r, 1, "new");
    assert_string_equal(host_text(r, "out/log"), "old new");
    OK(r, "fd_fdstat_get", 1, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT) >> 16, FDFLAG_APPEND);
    OK(r, "fd_fdstat_set_flags", 1, FDFLAG_APPEND | FDFLAG_NONBLOCK);
    FAILS(r, NOTSUP, "fd_fdstat_set_flags", 1, FDFLAG_NONBLOCK); /* others append there too */
    /* A directory as a stream gives no access to itself. */
    FAILS(r, NOTCAPABLE, "path_open", 2, 0, P(r, "secret"), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, NOTCAPABLE, "fd_readdir", 2, RIG_BUF, 64, 0, RIG_OUT);
    FAILS(r, ISDIR, "fd_write", 2, IOV(r, 4), RIG_OUT);
    for (int i = 0; i < 3; i++) close(r->config.stdio[i]);
}

/* A79: streams closed at the start; nothing the guest opens comes to stand there. */
static void
a79_closed_streams(void **state)
{
    rig *const r = *state;
    int const saved = dup(0);
    assert_true(saved > 2);
    host_file(r, "grant/f", "");
    close(0);
    rig_restart(r);
    u32 const fd = rig_open(r, "f", 0, RIG_RIGHTS_FILE), dir = rig_open(r, ".", OFLAG_DIRECTORY, 0);
    OK(r, "path_filestat_get", RIG_FD, 1, P(r, "f"), RIG_OUT);
    int const host = r->w->fds.files[fd].host, host_dir = r->w->fds.files[dir].host;
    bool const free_still = fcntl(0, F_GETFD) < 0;
    assert_int_equal(dup2(saved, 0), 0);
    close(saved);
    assert_true(host > 2);
    assert_true(host_dir > 2);
    assert_true(free_still);
}

/* A72: neither end of a FIFO hangs the host; the guest waits as a native program would. */
static void
a72_fifo(void **state)
{
    rig *const r = *state;
    u32 fd;
    assert_int_equal(mkfifo(rig_host_path(r, "grant/fifo"), 0600), 0);
    u64 const rights = RIGHT_FD_READ | RIGHT_POLL_FD_READWRITE | RIGHT_FD_FDSTAT_SET_FLAGS;
    u32 const reading = rig_open(r, "fifo", 0, rights);
    OK(r, "fd_fdstat_get", reading, RIG_OUT);
    assert_int_equal(r->mem.base[RIG_OUT], TYPE_UNKNOWN);
    assert_int_equal(rig_u32(r, RIG_OUT) >> 16, 0);
    STOPPED(r, "fd_read", reading, IOV(r, 16),
            RIG_OUT); /* no writer yet: waits, and can be stopped */
    u32 const writer = rig_open(r, "fifo", 0, RIGHT_FD_WRITE);
    rig_write(r, writer, "through");
    rig_expect_read(r, reading, "through");
    OK(r, "fd_fdstat_set_flags", reading, FDFLAG_NONBLOCK);
    FAILS(r, AGAIN, "fd_read", reading, IOV(r, 16), RIG_OUT);
    OK(r, "fd_close", writer);
    rig_expect_read(r, reading, "");
    OK(r, "fd_close", reading);
    /* For writing, without a reader. */
    assert_int_equal(rig_open_with(r, "fifo", 0, 0, RIGHT_FD_WRITE, FDFLAG_NONBLOCK, &fd),
                     WASI_NXIO);
    STOPPED(r, "path_open", RIG_FD, 0, P(r, "fifo"), 0, RIGHT_FD_WRITE, 0, 0, RIG_OUT);
    /* A path-opened FIFO that is full and was made NONBLOCK says so. */
    int const host = open(rig_host_path(r, "grant/fifo"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_int_equal(rig_open_with(r, "fifo", 0, 0, RIGHT_FD_WRITE, FDFLAG_NONBLOCK, &fd), WASI_OK);
    OK(r, "fd_write", fd, IOV(r, RIG_BUF_BYTES), RIG_OUT);
    assert_true(rig_u32(r, RIG_OUT) < RIG_BUF_BYTES);
    FAILS(r, AGAIN, "fd_write", fd, IOV(r, RIG_BUF_BYTES), RIG_OUT);
    close(host);
}

static void
test_synthetic_devices(void **state)
{
    rig *const r = *state;
    u32 const none = 0xffffffff;
    OK(r, "path_open", none, 1, P(r, "dev/null"), OFLAG_CREAT | OFLAG_TRUNC, RIG_RIGHTS_FILE, 0, 0,
       RIG_OUT);
    u32 const null = rig_u32(r, RIG_OUT);
    rig_write(r, null, "anything");
    rig_expect_read(r, null, "");
    OK(r, "fd_filestat_get", null, RIG_OUT);
    assert_int_equal(r->mem.base[RIG_OUT + 16], TYPE_CHARACTER_DEVICE);
    OK(r, "path_filestat_get", none, 1, P(r, "dev/null"), RIG_OUT);
    assert_int_equal(r->mem.base[RIG_OUT + 16], TYPE_CHARACTER_DEVICE);
    OK(r, "path_open", none, 1, P(r, "dev/zero"), 0, RIG_RIGHTS_FILE, 0, 0, RIG_OUT);
    u32 const zero = rig_u32(r, RIG_OUT);
    memset(r->mem.base + RIG_BUF, 1, 8);
    OK(r, "fd_read", zero, IOV(r, 8), RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 8);
    assert_int_equal(rig_u64(r, RIG_BUF), 0);
    OK(r, "fd_pread", zero, IOV(r, 8), 1000, RIG_OUT);
    OK(r, "path_open", none, 1, P(r, "dev/urandom"), 0, RIG_RIGHTS_FILE, 0, 0, RIG_OUT);
    u32 const random = rig_u32(r, RIG_OUT);
    OK(r, "fd_read", random, IOV(r, 16), RIG_OUT);
    assert_true(rig_u64(r, RIG_BUF) && rig_u64(r, RIG_BUF + 8));
    assert_int_equal(rig_refusals(r), 0);
    FAILS(r, NOTDIR, "path_open", none, 1, P(r, "dev/null"), OFLAG_DIRECTORY, 0, 0, 0, RIG_OUT);
    FAILS(r, EXIST, "path_open", none, 1, P(r, "dev/null"), OFLAG_CREAT | OFLAG_EXCL, 0, 0, 0,
          RIG_OUT);
    FAILS(r, NOENT, "path_open", none, 1, P(r, "dev/sda"), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, NOTDIR, "path_open", none, 1, P(r, "dev/null/"), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, NOTDIR, "path_open", null, 1, P(r, "x"), 0, 0, 0, 0, RIG_OUT);
    FAILS(r, NOTDIR, "fd_readdir", null, RIG_BUF, 64, 0, RIG_OUT);
    OK(r, "fd_close", null);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            RIG_TEST(test_unbound),
            RIG_TEST(test_nonblock_is_virtual),
            RIG_TEST(test_inherited_nonblock),
            RIG_TEST(test_read_waits),
            RIG_TEST(test_write_all),
            RIG_TEST(test_write_can_be_stopped),
            RIG_TEST(test_broken_pipe),
            RIG_TEST(test_full_device),
            RIG_TEST(test_terminal),
            RIG_TEST(test_regular_files_as_streams),
            RIG_TEST(a79_closed_streams),
            RIG_TEST(a72_fifo),
            RIG_TEST(test_synthetic_devices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
