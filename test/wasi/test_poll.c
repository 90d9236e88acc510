/* poll_oneoff: clocks, descriptors, both together; limits; waits that can be stopped. Times are only
 * compared the safe way round: never "not later than". */
#include "wasi/harness.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

enum { CLOCK, READS, WRITES, SUB = 48, EVENT = 32, EVENTS = RIG_BUF + 0x8000 };

static void
sub_clock(rig *r, u32 i, u64 userdata, u32 id, u64 timeout, u16 flags)
{
    u8 *const p = r->mem.base + RIG_BUF + SUB * i;
    memset(p, 0x99, SUB); /* padding is not looked at */
    memcpy(p, &userdata, 8);
    p[8] = CLOCK;
    memcpy(p + 16, &id, 4);
    memcpy(p + 24, &timeout, 8);
    memset(p + 32, 0xff, 8);
    memcpy(p + 40, &flags, 2);
}

static void
sub_fd(rig *r, u32 i, u64 userdata, u8 tag, u32 fd)
{
    u8 *const p = r->mem.base + RIG_BUF + SUB * i;
    memset(p, 0x99, SUB);
    memcpy(p, &userdata, 8);
    p[8] = tag;
    memcpy(p + 16, &fd, 4);
}

static u32
poll_subs(rig *r, u32 count)
{
    memset(r->mem.base + EVENTS, 0xcc, EVENT * 4);
    OK(r, "poll_oneoff", RIG_BUF, EVENTS, count, RIG_OUT);
    assert_true(rig_u32(r, RIG_OUT) >= 1 && rig_u32(r, RIG_OUT) <= count);
    return rig_u32(r, RIG_OUT);
}

static void
event_is(const rig *r, u32 i, u64 userdata, u16 error, u8 type)
{
    const u8 *const p = r->mem.base + EVENTS + EVENT * i;
    u64 got;
    u16 got_error;
    memcpy(&got, p, 8);
    memcpy(&got_error, p + 8, 2);
    assert_int_equal(got, userdata);
    assert_int_equal(got_error, error);
    assert_int_equal(p[10], type);
    for (int k = 11; k < 16; k++) assert_int_equal(p[k], 0);
    for (int k = 26; k < 32; k++) assert_int_equal(p[k], 0);
}

static u64
event_bytes(const rig *r, u32 i)
{
    return rig_u64(r, EVENTS + EVENT * i + 16);
}

static u32
event_flags(const rig *r, u32 i)
{
    return rig_u32(r, EVENTS + EVENT * i + 24) & 0xffff;
}

static u64
host_now(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
}

/* A lone clock never fails, whatever it says, and never ends early. */
static void
test_clock_alone(void **state)
{
    rig *const r = *state;
    u64 const ms = 1000000;
    for (u32 id = 0; id < 2; id++) {
        clockid_t const host = id ? CLOCK_MONOTONIC : CLOCK_REALTIME;
        sub_clock(r, 0, 7, id, 0, 0);
        assert_int_equal(poll_subs(r, 1), 1);
        event_is(r, 0, 7, 0, CLOCK);
        u64 start = host_now(CLOCK_MONOTONIC);
        sub_clock(r, 0, 8, id, 20 * ms, 0);
        assert_int_equal(poll_subs(r, 1), 1);
        event_is(r, 0, 8, 0, CLOCK);
        assert_true(host_now(CLOCK_MONOTONIC) - start >= 20 * ms);
        /* Absolute: in the past, now, soon. */
        sub_clock(r, 0, 9, id, 1, 1);
        assert_int_equal(poll_subs(r, 1), 1);
        sub_clock(r, 0, 9, id, 0, 1);
        assert_int_equal(poll_subs(r, 1), 1);
        u64 const at = host_now(host) + 20 * ms;
        sub_clock(r, 0, 9, id, at, 1);
        assert_int_equal(poll_subs(r, 1), 1);
        event_is(r, 0, 9, 0, CLOCK);
        assert_true(host_now(host) >= at);
        /* A59: as far away as can be said. */
        sub_clock(r, 0, 9, id, UINT64_MAX, 0);
        STOPPED(r, "poll_oneoff", RIG_BUF, EVENTS, 1, RIG_OUT);
        sub_clock(r, 0, 9, id, UINT64_MAX, 1);
        STOPPED(r, "poll_oneoff", RIG_BUF, EVENTS, 1, RIG_OUT);
        sub_clock(r, 0, 9, id, UINT64_MAX - 1, 0);
        STOPPED(r, "poll_oneoff", RIG_BUF, EVENTS, 1, RIG_OUT);
        sub_clock(r, 0, 9, id, INT64_MAX, 0);
        STOPPED(r, "poll_oneoff", RIG_BUF, EVENTS, 1, RIG_OUT);
    }
    for (u32 id = 2; id < 5; id++) {
        sub_clock(r, 0, 10, id, 0, 0);
        assert_int_equal(poll_subs(r, 1), 1);
        event_is(r, 0, 10, WASI_INVAL, CLOCK);
    }
    sub_clock(r, 0, 10, 1, 0, 2);
    assert_int_equal(poll_subs(r, 1), 1);
    event_is(r, 0, 10, WASI_INVAL, CLOCK);
}

/* Nobody can stop it: it sleeps all the same. A stop that came before is met at once. */
static void
test_stop(void **state)
{
    rig *const r = *state;
    int const fd = r->x.stop_fd;
    r->x.stop_fd = -1;
    u64 const start = host_now(CLOCK_MONOTONIC);
    sub_clock(r, 0, 1, 1, 5000000, 0);
    poll_subs(r, 1);
    assert_true(host_now(CLOCK_MONOTONIC) - start >= 5000000);
    r->x.stop_fd = fd;
    atomic_store(&r->x.stop, GBX_TRAP_CANCELLED);
    sub_clock(r, 0, 1, 1, UINT64_MAX, 0);
    assert_int_equal(CALL(r, "poll_oneoff", RIG_BUF, EVENTS, 1, RIG_OUT), UINT32_MAX);
    assert_int_equal(r->trap, GBX_TRAP_CANCELLED);
    atomic_store(&r->x.stop, 0);
    /* An event left over from an earlier call does not end this one, nor keep it spinning. */
    gbx_base_os_event_set(fd);
    u64 const again = host_now(CLOCK_MONOTONIC);
    sub_clock(r, 0, 1, 1, 5000000, 0);
    poll_subs(r, 1);
    assert_true(host_now(CLOCK_MONOTONIC) - again >= 5000000);
}

static void *
late_byte(void *data)
{
    usleep(30000);
    assert_int_equal(write(*(int *)data, "x", 1), 1);
    return NULL;
}

static void
test_stdin_and_clock(void **state)
{
    rig *const r = *state;
    int p[2];
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    r->config.stdio[0] = p[0];
    r->config.stdio[1] = p[1];
    rig_restart(r);
    u64 const long_ns = 600000000000;
    /* The clock first. */
    sub_clock(r, 0, 1, 1, 10000000, 0);
    sub_fd(r, 1, 2, READS, 0);
    assert_int_equal(poll_subs(r, 2), 1);
    event_is(r, 0, 1, 0, CLOCK);
    /* The byte first. */
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, late_byte, &p[1]), 0);
    sub_clock(r, 0, 1, 1, long_ns, 0);
    assert_int_equal(poll_subs(r, 2), 1);
    event_is(r, 0, 2, 0, READS);
    assert_int_equal(event_bytes(r, 0), 1);
    assert_int_equal(event_flags(r, 0), 0);
    pthread_join(t, NULL);
    /* Level-triggered, and with a clock of 0 both: a poll that never waits. */
    sub_clock(r, 0, 1, 1, 0, 0);
    assert_int_equal(poll_subs(r, 2), 2);
    event_is(r, 0, 1, 0, CLOCK);
    event_is(r, 1, 2, 0, READS);
    rig_expect_read(r, 0, "x");
    sub_clock(r, 0, 1, 1, 0, 0);
    sub_fd(r, 1, 2, READS, 0);
    assert_int_equal(poll_subs(r, 2), 1);
    event_is(r, 0, 1, 0, CLOCK);
    /* One descriptor twice, and one for writing, which is ready. */
    sub_fd(r, 0, 1, READS, 0);
    sub_fd(r, 1, 2, WRITES, 1);
    sub_fd(r, 2, 3, WRITES, 1);
    assert_int_equal(poll_subs(r, 3), 2);
    event_is(r, 0, 2, 0, WRITES);
    event_is(r, 1, 3, 0, WRITES);
    assert_true(event_bytes(r, 0) > 0);
    /* No clock: for ever, until stopped. */
    STOPPED(r, "poll_oneoff", RIG_BUF, EVENTS, 1, RIG_OUT);
    /* The other end goes. */
    OK(r, "fd_close", 1);
    close(p[1]);
    sub_fd(r, 0, 1, READS, 0);
    assert_int_equal(poll_subs(r, 1), 1);
    event_is(r, 0, 1, 0, READS);
    assert_int_equal(event_flags(r, 0), 1);
    close(p[0]);
    r->config.stdio[0] = r->config.stdio[1] = -1;
}

static void
test_broken_writer(void **state)
{
    rig *const r = *state;
    int p[2];
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    r->config.stdio[1] = p[1];
    rig_restart(r);
    close(p[0]);
    sub_fd(r, 0, 5, WRITES, 1);
    assert_int_equal(poll_subs(r, 1), 1);
    event_is(r, 0, 5, 0, WRITES);
    close(p[1]);
}

static void
test_files_are_ready(void **state)
{
    rig *const r = *state;
    host_file(r, "grant/f", "12345");
    u32 const fd = rig_open(r, "f", 0, RIG_RIGHTS_FILE);
    sub_clock(r, 0, 1, 1, UINT64_MAX, 0);
    sub_fd(r, 1, 2, READS, fd);
    sub_fd(r, 2, 3, WRITES, fd);
    sub_fd(r, 3, 4, READS, 0); /* unbound: reads as ended */
    assert_int_equal(poll_subs(r, 4), 3);
    event_is(r, 0, 2, 0, READS);
    assert_int_equal(event_bytes(r, 0), 5);
    event_is(r, 1, 3, 0, WRITES);
    event_is(r, 2, 4, 0, READS);
}

/* What cannot be waited for is an event with an error, beside the others. */
static void
test_errors_are_events(void **state)
{
    rig *const r = *state;
    host_file(r, "grant/f", "");
    u32 const blind = rig_open(r, "f", 0, RIGHT_FD_READ | RIGHT_FD_WRITE);
    u32 const reads = rig_open(r, "f", 0, RIGHT_FD_READ | RIGHT_POLL_FD_READWRITE);
    sub_clock(r, 0, 1, 1, UINT64_MAX, 0);
    sub_fd(r, 1, 2, READS, 99);
    sub_fd(r, 2, 3, WRITES, 0xffffffff);
    sub_fd(r, 3, 4, READS, blind);
    sub_fd(r, 4, 5, WRITES, reads);
    sub_fd(r, 5, 6, READS, RIG_FD);
    sub_fd(r, 6, 7, READS, reads);
    assert_int_equal(poll_subs(r, 7), 6);
    event_is(r, 0, 2, WASI_BADF, READS);
    event_is(r, 1, 3, WASI_BADF, WRITES);
    event_is(r, 2, 4, WASI_NOTCAPABLE, READS);
    event_is(r, 3, 5, WASI_BADF, WRITES);
    event_is(r, 4, 6, WASI_BADF, READS);
    event_is(r, 5, 7, 0, READS);
    sub_fd(r, 0, 1, 3, 0);
    FAILS(r, INVAL, "poll_oneoff", RIG_BUF, EVENTS, 1, RIG_OUT);
}

/* A50: counts, and events that are written over the subscriptions. */
static void
a50_counts_and_overlaps(void **state)
{
    rig *const r = *state;
    FAILS(r, INVAL, "poll_oneoff", RIG_BUF, EVENTS, 0, RIG_OUT);
    static const u32 far[] = {0x10000000, 0x05555556, 0x80000000, 0xffffffff, 10000};
    for (size_t i = 0; i < GBX_LEN(far); i++)
        FAILS(r, FAULT, "poll_oneoff", RIG_BUF, EVENTS, far[i], RIG_OUT);
    for (u32 shift = 0; shift < 200; shift += 8) {
        for (u32 i = 0; i < 30; i++) sub_clock(r, i, 100 + i, i & 1, i % 3 ? 0 : UINT64_MAX, 0);
        OK(r, "poll_oneoff", RIG_BUF, RIG_BUF - 96 + shift, 30, RIG_OUT);
        assert_int_equal(rig_u32(r, RIG_OUT), 20);
        u32 k = 0;
        for (u32 i = 0; i < 30; i++)
            if (i % 3) assert_int_equal(rig_u64(r, RIG_BUF - 96 + shift + EVENT * k++), 100 + i);
    }
    /* More memory, so that the cap is met and not the end of memory. */
    u64 const bytes = (u64)70000 * SUB + (u64)70000 * EVENT + 65536;
    free(r->mem.base);
    r->mem.bytes = (bytes + 65535) / 65536 * 65536;
    r->mem.base = calloc(1, r->mem.bytes);
    assert_non_null(r->mem.base);
    for (u32 i = 0; i < 70000; i++) memcpy(r->mem.base + 65536 + i * SUB, &(u64){i}, 8);
    u32 const out = 65536 + 70000 * SUB;
    FAILS(r, INVAL, "poll_oneoff", 65536, out, 65537, RIG_OUT);
    OK(r, "poll_oneoff", 65536, out, 65536, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 65536);
    assert_int_equal(rig_u64(r, out + 65535 * EVENT), 65535);
    /* One descriptor 65,536 times is one for the host. */
    int p[2];
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    r->config.stdio[0] = p[0];
    rig_restart(r);
    for (u32 i = 0; i < 65536; i++) {
        memset(r->mem.base + 65536 + i * SUB, 0, SUB);
        r->mem.base[65536 + i * SUB + 8] = READS;
    }
    assert_int_equal(write(p[1], "x", 1), 1);
    OK(r, "poll_oneoff", 65536, out, 65536, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 65536);
    close(p[0]);
    close(p[1]);
}

typedef struct fake_time {
    u64 now, slept;
    u32 sleeps;
} fake_time;

static u64
fake_now(void *data, u32 id)
{
    const fake_time *const t = data;
    return t->now + (id ? 0 : 1000000000000);
}

static void
fake_sleep(void *data, u64 ns)
{
    fake_time *const t = data;
    t->now += ns;
    t->slept += ns;
    t->sleeps++;
}

/* An embedder's clock: no real time passes, an hour or not. */
static void
test_injected_sleep(void **state)
{
    rig *const r = *state;
    fake_time t = {.now = 500};
    u64 const hour = 3600000000000;
    r->config.clock_now = fake_now;
    r->config.clock_sleep = fake_sleep;
    r->config.clock_data = &t;
    rig_restart(r);
    u64 const start = host_now(CLOCK_MONOTONIC);
    sub_clock(r, 0, 1, 1, hour, 0);
    sub_clock(r, 1, 2, 1, 3 * hour, 0);
    assert_int_equal(poll_subs(r, 2), 1);
    event_is(r, 0, 1, 0, CLOCK);
    assert_int_equal(t.slept, hour);
    sub_clock(r, 0, 1, 0, t.now + 1000000000000 + hour, 1);
    t.slept = 0;
    assert_int_equal(poll_subs(r, 1), 1);
    assert_int_equal(t.slept, hour);
    assert_int_equal(t.sleeps, 2);
    /* A descriptor that is ready comes before the sleep; one that is not waits for its end. */
    int p[2];
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    r->config.stdio[0] = p[0];
    rig_restart(r);
    sub_clock(r, 0, 1, 1, hour, 0);
    sub_fd(r, 1, 2, READS, 0);
    assert_int_equal(poll_subs(r, 2), 1);
    event_is(r, 0, 1, 0, CLOCK);
    assert_int_equal(t.sleeps, 3);
    assert_int_equal(write(p[1], "x", 1), 1);
    assert_int_equal(poll_subs(r, 2), 1);
    event_is(r, 0, 2, 0, READS);
    assert_int_equal(t.sleeps, 3);
    assert_true(host_now(CLOCK_MONOTONIC) - start < hour);
    close(p[0]);
    close(p[1]);
}

static void
test_sockets_and_fifos(void **state)
{
    rig *const r = *state;
    int s[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
    assert_int_equal(mkfifo(rig_host_path(r, "grant/fifo"), 0600), 0);
    r->config.stdio[0] = s[0];
    rig_restart(r);
    u32 const fifo = rig_open(r, "fifo", 0, RIGHT_FD_READ | RIGHT_POLL_FD_READWRITE);
    sub_fd(r, 0, 1, READS, 0);
    sub_fd(r, 1, 2, WRITES, 0);
    sub_fd(r, 2, 3, READS, fifo);
    assert_int_equal(poll_subs(r, 3), 1);
    event_is(r, 0, 2, 0, WRITES);
    int const w = open(rig_host_path(r, "grant/fifo"), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(w >= 0);
    assert_int_equal(write(w, "abc", 3), 3);
    assert_int_equal(write(s[1], "12", 2), 2);
    assert_int_equal(poll_subs(r, 3), 3);
    event_is(r, 0, 1, 0, READS);
    assert_int_equal(event_bytes(r, 0), 2);
    event_is(r, 2, 3, 0, READS);
    assert_int_equal(event_bytes(r, 2), 3);
    close(s[1]);
    sub_fd(r, 0, 1, READS, 0);
    assert_int_equal(poll_subs(r, 1), 1);
    assert_int_equal(event_flags(r, 0), 1);
    close(s[0]);
    close(w);
}

/* ---- sockets */

static int
poll_listener(struct sockaddr_in *a)
{
    socklen_t len = sizeof *a;
    *a = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int const fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)a, sizeof *a), 0);
    assert_int_equal(listen(fd, 1024), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)a, &len), 0);
    return fd;
}

static int
poll_client(const struct sockaddr_in *a)
{
    int const fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)a, sizeof *a), 0);
    return fd;
}

/* A guest with a listener at 3; gives what connects to it. */
static void
poll_grant_listener(rig *r, int *listener, struct sockaddr_in *a)
{
    static wasi_socket_grant granted;
    *listener = poll_listener(a);
    granted = (wasi_socket_grant){.host_fd = *listener};
    r->config.sockets = &granted;
    r->config.socket_count = 1;
    rig_restart(r);
}

static u32
poll_accept(rig *r)
{
    OK(r, "sock_accept", 3, FDFLAG_NONBLOCK, RIG_OUT);
    return rig_u32(r, RIG_OUT);
}

/* Level-triggered; bytes; hang-ups, which are the reader's until nothing is left to read, and the writer's when
 * both directions are gone. */
static void
test_sockets(void **state)
{
    rig *const r = *state;
    int listener;
    struct sockaddr_in a;
    poll_grant_listener(r, &listener, &a);
    sub_clock(r, 0, 1, 1, 0, 0);
    sub_fd(r, 1, 2, READS, 3);
    assert_int_equal(poll_subs(r, 2), 1);
    event_is(r, 0, 1, 0, CLOCK);
    int const c = poll_client(&a);
    sub_clock(r, 0, 1, 1, UINT64_MAX, 0);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(poll_subs(r, 2), 1);
        event_is(r, 0, 2, 0, READS);
        assert_int_equal(event_flags(r, 0), 0);
    }
    u32 const s = poll_accept(r);
    sub_clock(r, 0, 1, 1, 0, 0);
    assert_int_equal(poll_subs(r, 2), 1); /* nobody else waits */
    event_is(r, 0, 1, 0, CLOCK);
    sub_fd(r, 0, 1, READS, s);
    sub_fd(r, 1, 2, WRITES, s);
    assert_int_equal(poll_subs(r, 2), 1);
    event_is(r, 0, 2, 0, WRITES);
    assert_int_equal(write(c, "12345", 5), 5);
    sub_clock(r, 1, 2, 1, UINT64_MAX, 0);
    assert_int_equal(poll_subs(r, 2), 1);
    event_is(r, 0, 1, 0, READS);
    assert_int_equal(event_bytes(r, 0), 5);
    /* The client sends no more, and still reads. */
    assert_int_equal(shutdown(c, SHUT_WR), 0);
    sub_fd(r, 1, 2, WRITES, s);
    assert_int_equal(poll_subs(r, 2), 2);
    assert_int_equal(event_bytes(r, 0), 5);
    assert_int_equal(event_flags(r, 0), 0);
    assert_int_equal(event_flags(r, 1), 0);
    rig_expect_read(r, s, "12345");
    sub_fd(r, 0, 1, READS, s);
    sub_fd(r, 1, 2, WRITES, s);
    assert_int_equal(poll_subs(r, 2), 2);
    event_is(r, 0, 1, 0, READS);
    assert_int_equal(event_bytes(r, 0), 0);
    assert_int_equal(event_flags(r, 0), 1);
    event_is(r, 1, 2, 0, WRITES);
    assert_int_equal(event_flags(r, 1), 0);
    rig_expect_read(r, s, "");
    rig_write(r, s, "answer");
    /* A writer whose client reads nothing is not ready for that the client hung up. */
    while (CALL(r, "fd_write", s, IOV(r, RIG_BUF_BYTES), RIG_OUT) == WASI_OK) {}
    sub_fd(r, 0, 1, WRITES, s);
    sub_clock(r, 1, 2, 1, 1000000, 0);
    assert_int_equal(poll_subs(r, 2), 1);
    event_is(r, 0, 2, 0, CLOCK);
    /* The client is gone altogether. */
    struct linger const reset = {.l_onoff = 1};
    assert_int_equal(setsockopt(c, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    close(c);
    sub_clock(r, 1, 2, 1, UINT64_MAX, 0);
    sub_fd(r, 2, 3, READS, s);
    assert_int_equal(poll_subs(r, 3), 2);
    event_is(r, 0, 1, 0, WRITES);
    assert_int_equal(event_flags(r, 0), 1);
    event_is(r, 1, 3, 0, READS);
    assert_int_equal(event_flags(r, 1), 1);
    close(listener);
}

/* Whoever waits for a client learns that none will come; what else it waits for is as it was. */
static void
test_stop_accepting(void **state)
{
    rig *const r = *state;
    int listener;
    struct sockaddr_in a;
    poll_grant_listener(r, &listener, &a);
    int const c = poll_client(&a);
    u32 const s = poll_accept(r);
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, rig_end_late, r), 0);
    sub_clock(r, 0, 1, 1, UINT64_MAX, 0);
    sub_fd(r, 1, 2, READS, s);
    sub_fd(r, 2, 3, READS, 3);
    assert_int_equal(poll_subs(r, 3), 1);
    event_is(r, 0, 3, 0, READS);
    pthread_join(t, NULL);
    sub_fd(r, 2, 3, WRITES, 3);
    assert_int_equal(poll_subs(r, 3), 1); /* whatever it waited for, no call ends without an event */
    event_is(r, 0, 3, 0, WRITES);
    FAILS(r, CANCELED, "sock_accept", 3, 0, RIG_OUT);
    OK(r, "fd_close", 3);
    sub_clock(r, 0, 1, 1, 1000000, 0);
    assert_int_equal(poll_subs(r, 2), 1); /* and no more of it once the listener is closed */
    event_is(r, 0, 1, 0, CLOCK);
    close(c);
    close(listener);
}

/* As Go polls at 400 connections: every one twice, with files, pipes and a clock. All that is ready is told, and
 * nothing else. */
static void
test_many_of_all_kinds(void **state)
{
    enum { MANY = 400 };
    rig *const r = *state;
    int listener, clients[MANY], p[2];
    u32 sockets[MANY];
    struct sockaddr_in a;
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    r->config.stdio[0] = p[0];
    poll_grant_listener(r, &listener, &a);
    host_file(r, "grant/f", "123");
    OK(r, "path_open", 4, 0, P(r, "f"), 0, RIG_RIGHTS_FILE, 0, 0, RIG_OUT);
    u32 const file = rig_u32(r, RIG_OUT);
    for (u32 i = 0; i < MANY; i++) {
        clients[i] = poll_client(&a);
        sockets[i] = poll_accept(r);
        if (i % 7 == 0) assert_int_equal(write(clients[i], "abc", i % 3 + 1), i % 3 + 1);
    }
    free(r->mem.base);
    r->mem.bytes = 0x100000;
    r->mem.base = calloc(1, r->mem.bytes);
    assert_non_null(r->mem.base);
    u32 n = 0, const_ready = 0;
    sub_clock(r, n++, 0, 1, UINT64_MAX, 0);
    for (u32 round = 0; round < 2; round++)
        for (u32 i = 0; i < MANY; i++) sub_fd(r, n++, 1000 + i, READS, sockets[i]);
    sub_fd(r, n++, 1, READS, 3);
    sub_fd(r, n++, 2, READS, 0);
    u32 const out = 0x80000;
    assert_true(RIG_BUF + n * SUB < out && out + n * EVENT < r->mem.bytes);
    OK(r, "poll_oneoff", RIG_BUF, out, n, RIG_OUT);
    const_ready = 2 * ((MANY + 6) / 7);
    assert_int_equal(rig_u32(r, RIG_OUT), const_ready);
    for (u32 k = 0; k < const_ready; k++) {
        u64 const who = rig_u64(r, out + k * EVENT);
        assert_true(who >= 1000 && (who - 1000) % 7 == 0);
        assert_int_equal(rig_u64(r, out + k * EVENT + 16), (who - 1000) % 3 + 1);
    }
    assert_int_equal(write(p[1], "xy", 2), 2);
    int const more = poll_client(&a);
    sub_fd(r, n++, 3, READS, file);
    sub_fd(r, n++, 4, WRITES, sockets[5]);
    OK(r, "poll_oneoff", RIG_BUF, out, n, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), const_ready + 4);
    for (u32 k = 0; k < 4; k++) {
        u32 const at = out + (const_ready + k) * EVENT;
        assert_int_equal(rig_u64(r, at), k + 1);
        static const u64 bytes[] = {0, 2, 3};
        if (k < 3) assert_int_equal(rig_u64(r, at + 16), bytes[k]);
    }
    close(more);
    for (u32 i = 0; i < MANY; i++) close(clients[i]);
    close(p[0]);
    close(p[1]);
    close(listener);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            RIG_TEST(test_clock_alone),
            RIG_TEST(test_stop),
            RIG_TEST(test_stdin_and_clock),
            RIG_TEST(test_broken_writer),
            RIG_TEST(test_files_are_ready),
            RIG_TEST(test_errors_are_events),
            RIG_TEST(a50_counts_and_overlaps),
            RIG_TEST(test_injected_sleep),
            RIG_TEST(test_sockets_and_fifos),
            RIG_TEST(test_sockets),
            RIG_TEST(test_stop_accepting),
            RIG_TEST(test_many_of_all_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
