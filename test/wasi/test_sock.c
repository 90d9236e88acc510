/* Sockets: a listening one, a connected one, a datagram one, each bound to a standard stream. */
#include "wasi/harness.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

enum { PEEK = 1, WAITALL = 2, RD = 1, WR = 2 };

static int
listener(u16 *port, int flags)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int const fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static int
connect_to(u16 port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int const fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void *
late_client(void *data)
{
    usleep(30000);
    return (void *)(intptr_t)connect_to(*(u16 *)data);
}

static void
test_accept(void **state)
{
    rig *const r = *state;
    for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
        u16 port;
        int const fd = listener(&port, nonblocking ? SOCK_NONBLOCK : 0);
        r->config.stdio[0] = fd;
        rig_restart(r);
        int const before = host_open_fds();
        OK(r, "fd_fdstat_get", 0, RIG_OUT);
        assert_int_equal(r->mem.base[RIG_OUT], TYPE_SOCKET_STREAM);
        FAILS(r, NOTDIR, "fd_prestat_get", 0, RIG_OUT);
        STOPPED(r, "sock_accept", 0, 0, RIG_OUT);
        OK(r, "fd_fdstat_set_flags", 0, FDFLAG_NONBLOCK);
        FAILS(r, AGAIN, "sock_accept", 0, 0, RIG_OUT);
        FAILS(r, INVAL, "sock_accept", 0, 1, RIG_OUT);
        OK(r, "fd_fdstat_set_flags", 0, 0);
        pthread_t t;
        void *client;
        assert_int_equal(pthread_create(&t, NULL, late_client, &port), 0);
        OK(r, "sock_accept", 0, FDFLAG_NONBLOCK, RIG_OUT);
        pthread_join(t, &client);
        int const c = (int)(intptr_t)client;
        u32 const s = rig_u32(r, RIG_OUT);
        assert_int_equal(s, 4);
        OK(r, "fd_fdstat_get", s, RIG_OUT);
        assert_int_equal(r->mem.base[RIG_OUT], TYPE_SOCKET_STREAM);
        assert_int_equal(rig_u32(r, RIG_OUT) >> 16, FDFLAG_NONBLOCK);
        /* GO's sockets are read and written by fd_read and fd_write. */
        FAILS(r, AGAIN, "fd_read", s, IOV(r, 16), RIG_OUT);
        assert_int_equal(write(c, "ping", 4), 4);
        char buf[16] = {0};
        u32 e;
        while ((e = CALL(r, "fd_read", s, IOV(r, 16), RIG_OUT)) == WASI_AGAIN) usleep(100);
        assert_int_equal(e, WASI_OK);
        assert_memory_equal(r->mem.base + RIG_BUF, "ping", 4);
        rig_write(r, s, "pong");
        assert_int_equal(read(c, buf, sizeof buf), 4);
        assert_string_equal(buf, "pong");
        OK(r, "sock_shutdown", s, WR);
        assert_int_equal(read(c, buf, sizeof buf), 0);
        close(c);
        OK(r, "fd_close", s);
        assert_int_equal(host_open_fds(), before);
        close(fd);
    }
}

/* A84: clients that are gone before they are accepted. */
static void
test_accept_after_reset(void **state)
{
    rig *const r = *state;
    u16 port;
    int const fd = listener(&port, SOCK_NONBLOCK);
    r->config.stdio[0] = fd;
    rig_restart(r);
    OK(r, "fd_fdstat_set_flags", 0, FDFLAG_NONBLOCK);
    int const before = host_open_fds();
    for (int i = 0; i < 200; i++) {
        int const c = connect_to(port);
        struct linger const reset = {.l_onoff = 1};
        assert_int_equal(setsockopt(c, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
        close(c);
        u32 const e = CALL(r, "sock_accept", 0, 0, RIG_OUT);
        if (e == WASI_OK) {
            u32 const s = rig_u32(r, RIG_OUT);
            u32 const got = CALL(r, "fd_read", s, IOV(r, 4), RIG_OUT);
            assert_true(got == WASI_CONNRESET || got == WASI_OK);
            OK(r, "fd_close", s);
        } else {
            assert_true(e == WASI_AGAIN || e == WASI_CONNABORTED);
        }
    }
    assert_int_equal(host_open_fds(), before);
    close(fd);
}

static void
pair(rig *r, int type, int s[2])
{
    assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, s), 0);
    r->config.stdio[0] = s[0];
    rig_restart(r);
}

static void *
late_rest(void *data)
{
    usleep(30000);
    assert_int_equal(write(*(int *)data, "cdef", 4), 4);
    return NULL;
}

static void
test_recv_and_send(void **state)
{
    rig *const r = *state;
    int s[2];
    pair(r, SOCK_STREAM, s);
    assert_int_equal(write(s[1], "ab", 2), 2);
    rig_set_u32(r, RIG_OUT + 4, 0xffffffff);
    OK(r, "sock_recv", 0, IOV(r, 6), PEEK, RIG_OUT, RIG_OUT + 4);
    assert_int_equal(rig_u32(r, RIG_OUT), 2);
    assert_int_equal(rig_u32(r, RIG_OUT + 4), 0xffff0000);
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, late_rest, &s[1]), 0);
    OK(r, "sock_recv", 0, IOV(r, 6), WAITALL, RIG_OUT, RIG_OUT + 4);
    assert_int_equal(rig_u32(r, RIG_OUT), 6);
    assert_memory_equal(r->mem.base + RIG_BUF, "abcdef", 6);
    pthread_join(t, NULL);
    STOPPED(r, "sock_recv", 0, IOV(r, 6), 0, RIG_OUT, RIG_OUT + 4);
    OK(r, "fd_fdstat_set_flags", 0, FDFLAG_NONBLOCK);
    FAILS(r, AGAIN, "sock_recv", 0, IOV(r, 6), 0, RIG_OUT, RIG_OUT + 4);
    FAILS(r, INVAL, "sock_recv", 0, IOV(r, 6), 4, RIG_OUT, RIG_OUT + 4);
    memcpy(r->mem.base + RIG_BUF, "hello", 5);
    OK(r, "sock_send", 0, IOV(r, 5), 0, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 5);
    char buf[16] = {0};
    assert_int_equal(read(s[1], buf, sizeof buf), 5);
    assert_string_equal(buf, "hello");
    FAILS(r, INVAL, "sock_send", 0, IOV(r, 5), 1, RIG_OUT);
    FAILS(r, SPIPE, "fd_seek", 0, 0, 0, RIG_OUT);
    FAILS(r, INVAL, "sock_shutdown", 0, 0);
    FAILS(r, INVAL, "sock_shutdown", 0, 4);
    u32 const e = CALL(r, "sock_accept", 0, 0, RIG_OUT);
    assert_true(e == WASI_INVAL || e == WASI_AGAIN || e == WASI_NOTSUP);
    OK(r, "sock_shutdown", 0, RD);
    OK(r, "sock_recv", 0, IOV(r, 6), 0, RIG_OUT, RIG_OUT + 4);
    assert_int_equal(rig_u32(r, RIG_OUT), 0);
    /* No signal when the other end is gone, even where it would end the process. */
    signal(SIGPIPE, SIG_DFL);
    r->w->quiet = false;
    close(s[1]);
    FAILS(r, PIPE, "sock_send", 0, IOV(r, 5), 0, RIG_OUT);
    FAILS(r, PIPE, "fd_write", 0, IOV(r, 5), RIG_OUT);
    close(s[0]);
    int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    r->config.stdio[0] = tcp;
    rig_restart(r);
    FAILS(r, NOTCONN, "sock_shutdown", 0, RD | WR);
    close(tcp);
}

static void
test_datagrams(void **state)
{
    rig *const r = *state;
    int s[2];
    pair(r, SOCK_DGRAM, s);
    OK(r, "fd_fdstat_get", 0, RIG_OUT);
    assert_int_equal(r->mem.base[RIG_OUT], TYPE_SOCKET_DGRAM);
    assert_int_equal(write(s[1], "long message", 12), 12);
    OK(r, "sock_recv", 0, IOV(r, 4), 0, RIG_OUT, RIG_OUT + 4);
    assert_int_equal(rig_u32(r, RIG_OUT), 4);
    assert_int_equal(rig_u32(r, RIG_OUT + 4) & 0xffff, 1); /* the rest is gone, and it says so */
    OK(r, "sock_send", 0, IOV(r, 0), 0, RIG_OUT);
    char buf[4];
    assert_int_equal(recv(s[1], buf, sizeof buf, MSG_DONTWAIT), 0);
    close(s[0]);
    close(s[1]);
}

static void
test_no_socket(void **state)
{
    rig *const r = *state;
    u32 const fd = rig_open(r, "f", OFLAG_CREAT, RIG_RIGHTS_FILE);
    u32 const none[] = {fd, RIG_FD, 0};
    for (size_t i = 0; i < GBX_LEN(none); i++) {
        FAILS(r, NOTSOCK, "sock_accept", none[i], 0, RIG_OUT);
        FAILS(r, NOTSOCK, "sock_recv", none[i], IOV(r, 4), 0, RIG_OUT, RIG_OUT + 4);
        FAILS(r, NOTSOCK, "sock_send", none[i], IOV(r, 4), 0, RIG_OUT);
        FAILS(r, NOTSOCK, "sock_shutdown", none[i], RD);
    }
    FAILS(r, BADF, "sock_accept", 99, 0, RIG_OUT);
    FAILS(r, BADF, "sock_recv", 99, IOV(r, 4), 0, RIG_OUT, RIG_OUT + 4);
    FAILS(r, BADF, "sock_send", 99, IOV(r, 4), 0, RIG_OUT);
    FAILS(r, BADF, "sock_shutdown", 99, RD);
    int s[2];
    pair(r, SOCK_STREAM, s);
    OK(r, "fd_fdstat_set_rights", 0, RIGHT_FD_FDSTAT_SET_FLAGS, 0);
    FAILS(r, NOTCAPABLE, "sock_accept", 0, 0, RIG_OUT);
    FAILS(r, BADF, "sock_recv", 0, IOV(r, 4), 0, RIG_OUT, RIG_OUT + 4);
    FAILS(r, BADF, "sock_send", 0, IOV(r, 4), 0, RIG_OUT);
    FAILS(r, NOTCAPABLE, "sock_shutdown", 0, RD);
    close(s[0]);
    close(s[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            RIG_TEST(test_accept),        RIG_TEST(test_accept_after_reset),
            RIG_TEST(test_recv_and_send), RIG_TEST(test_datagrams),
            RIG_TEST(test_no_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
