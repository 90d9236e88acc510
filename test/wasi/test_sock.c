/* Sockets: a listening one, a connected one, a datagram one, each bound to a standard stream. */
#include "wasi/harness.h"

#include <arpa/inet.h>
#include <gbx/wasi.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

enum { PEEK = 1, WAITALL = 2, RD = 1, WR = 2 };

static u32
rig_open_at(rig *r, u32 dir, const char *path, u32 oflags, u64 rights)
{
    OK(r, "path_open", dir, LOOKUP_SYMLINK_FOLLOW, P(r, path), oflags, rights, 0, 0, RIG_OUT);
    return rig_u32(r, RIG_OUT);
}

static u32
rig_open_null(rig *r, u32 *fd)
{
    u32 const e = CALL(r, "path_open", 0xffffffff, 1, P(r, "dev/null"), 0, RIGHT_FD_READ, 0, 0, RIG_OUT);
    *fd = rig_u32(r, RIG_OUT);
    return e;
}

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
a84_accept_after_reset(void **state)
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
a84_no_socket(void **state)
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

/* ---- sockets that were granted */

static wasi_socket_grant granted[4];

/* Begin again with these sockets granted before the directory. */
static void
grant(rig *r, u32 count)
{
    r->config.sockets = granted;
    r->config.socket_count = count;
    rig_restart(r);
}

static void
read_flags(rig *r, u32 fd, u8 *type, u16 *flags, u64 *rights, u64 *inheriting)
{
    OK(r, "fd_fdstat_get", fd, RIG_OUT);
    *type = r->mem.base[RIG_OUT];
    memcpy(flags, r->mem.base + RIG_OUT + 2, 2);
    *rights = rig_u64(r, RIG_OUT + 8);
    *inheriting = rig_u64(r, RIG_OUT + 16);
}

/* Sockets stand before directories, so that Go's scan for both finds both; they are no directories to it. */
static void
test_granted_order(void **state)
{
    rig *const r = *state;
    u16 port, flags;
    u8 type;
    u64 rights, inheriting;
    int s[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
    int const blocking = listener(&port, 0), datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    granted[0] = (wasi_socket_grant){.host_fd = blocking};
    granted[1] = (wasi_socket_grant){.host_fd = s[0]};
    granted[2] = (wasi_socket_grant){.host_fd = datagrams};
    grant(r, 3);
    for (u32 fd = 3; fd < 6; fd++) {
        FAILS(r, NOTDIR, "fd_prestat_get", fd, RIG_OUT);
        FAILS(r, NOTDIR, "fd_prestat_dir_name", fd, RIG_BUF, 100);
        read_flags(r, fd, &type, &flags, &rights, &inheriting);
        assert_int_equal(type, fd == 5 ? TYPE_SOCKET_DGRAM : TYPE_SOCKET_STREAM);
        assert_int_equal(flags, FDFLAG_NONBLOCK);
        assert_int_equal(rights & RIGHT_SOCK_ACCEPT, fd == 3 ? RIGHT_SOCK_ACCEPT : 0);
        assert_int_equal(fcntl(r->w->fds.files[fd].host, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    }
    OK(r, "fd_prestat_get", 6, RIG_OUT);
    FAILS(r, BADF, "fd_prestat_get", 7, RIG_OUT);
    assert_int_equal(fcntl(blocking, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_int_equal(fcntl(s[0], F_GETFL) & O_NONBLOCK, 0); /* what is read and written needs no flag */
    FAILS(r, AGAIN, "sock_accept", 3, 0, RIG_OUT);
    FAILS(r, AGAIN, "fd_read", 4, IOV(r, 8), RIG_OUT);
    FAILS(r, NOTCAPABLE, "sock_accept", 4, 0, RIG_OUT);
    FAILS(r, NOTCAPABLE, "sock_accept", 5, 0, RIG_OUT);
    FAILS(r, NOTCONN, "sock_recv", 3, IOV(r, 8), 0, RIG_OUT, RIG_OUT + 4);
    assert_int_equal(write(s[1], "to the guest", 12), 12);
    rig_expect_read(r, 4, "to the guest");
    close(blocking);
    close(datagrams);
    close(s[0]);
    close(s[1]);
}

/* Rights of a connection are what its listener passes on, which only shrinks. */
static void
test_accepted_rights(void **state)
{
    rig *const r = *state;
    u16 port, flags;
    u8 type;
    u64 rights, inheriting;
    int const fd = listener(&port, SOCK_NONBLOCK);
    granted[0] = (wasi_socket_grant){.host_fd = fd};
    grant(r, 1);
    read_flags(r, 3, &type, &flags, &rights, &inheriting);
    u64 const reads = RIGHT_FD_READ | RIGHT_POLL_FD_READWRITE;
    assert_int_equal(inheriting & (RIGHT_SOCK_ACCEPT | RIGHT_FD_WRITE | reads), RIGHT_FD_WRITE | reads);
    int const c = connect_to(port), d = connect_to(port);
    OK(r, "sock_accept", 3, 0, RIG_OUT);
    u32 const all = rig_u32(r, RIG_OUT);
    OK(r, "fd_fdstat_set_rights", 3, rights, reads);
    OK(r, "sock_accept", 3, FDFLAG_NONBLOCK, RIG_OUT);
    u32 const some = rig_u32(r, RIG_OUT);
    rig_write(r, all, "x");
    FAILS(r, BADF, "fd_write", some, IOV(r, 1), RIG_OUT);
    FAILS(r, NOTCAPABLE, "sock_shutdown", some, WR);
    FAILS(r, NOTCAPABLE, "sock_accept", all, 0, RIG_OUT);
    FAILS(r, AGAIN, "fd_read", some, IOV(r, 1), RIG_OUT);
    int on = 0;
    socklen_t len = sizeof on;
    assert_int_equal(getsockopt(r->w->fds.files[all].host, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_int_equal(on, 0); /* its listener was not ours to give options to */
    close(c);
    close(d);
    close(fd);
}

static void
test_granted_refusals(void **state)
{
    rig *const r = *state;
    gbx_err err;
    wasi_ctx *w;
    int s[2], p[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    int const before = host_open_fds();
    int const bad[] = {s[0], p[0], r->dir.host_fd};
    for (size_t i = 0; i < GBX_LEN(bad); i++) {
        granted[0] = (wasi_socket_grant){.host_fd = bad[i]};
        r->config.sockets = granted;
        r->config.socket_count = 1;
        assert_int_equal(gbx_wasi_ctx_new(&r->config, &w, &err), GBX_ARGUMENT);
        assert_non_null(strstr(err.text, "descriptor 3"));
    }
    granted[0] = (wasi_socket_grant){.host_fd = 1000000};
    assert_int_equal(gbx_wasi_ctx_new(&r->config, &w, &err), GBX_IO);
    assert_int_equal(host_open_fds(), before);
    r->config.socket_count = 0;
    close(s[0]);
    close(s[1]);
    close(p[0]);
    close(p[1]);
}

/* ---- addresses */

static void
a98_addresses(void **state)
{
    rig *const r = *state;
    static const char *const bad[] = {
        "", ":", "80", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1",
        "127.0.0.1:1x", "127.0.0.1: 1", " 127.0.0.1:1", "127.0.0.1:000001", "127.1:80", "0:80", "*:80", "a.b:80",
        "::1:80", "::80", "[::1]", "[::1]80", "[::1]:", "[]:80", "[::1:80", "[127.0.0.1]:80", "[x]:1",
        "[::ffff:127.0.0.1]:80", "[::ffff:7f00:1]:80", "[::7f00:1]:80", "unix:", "unix:@name", "127.0.0.1:80\n",
        "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001]:80"};
    gbx_err err;
    int fd;
    int const before = host_open_fds();
    for (size_t i = 0; i < GBX_LEN(bad); i++) {
        if (gbx_wasi_listen_open(bad[i], &fd, &err) != GBX_ARGUMENT) fail_msg("\"%s\" passes", bad[i]);
        assert_int_equal(fd, -1);
        assert_non_null(strstr(err.text, " is no address to listen on: "));
    }
    assert_int_equal(gbx_wasi_listen_open(":80", &fd, &err), GBX_ARGUMENT);
    assert_non_null(strstr(err.text, "127.0.0.1 for this machine alone, 0.0.0.0 for the network"));
    char far[200];
    snprintf(far, sizeof far, "unix:%0150d", 0);
    assert_int_equal(gbx_wasi_listen_open(far, &fd, &err), GBX_ARGUMENT);
    static const char *const good[][2] = {{"127.0.0.1:0", "127.0.0.1:"}, {"localhost:0", "127.0.0.1:"},
                                          {"0.0.0.0:0", "0.0.0.0:"},     {"[::1]:0", "[::1]:"},
                                          {"[::]:0", "[::]:"},           {"127.0.0.1:00000", "127.0.0.1:"}};
    for (size_t i = 0; i < GBX_LEN(good); i++) {
        char name[GBX_ADDRESS_BYTES] = "";
        if (gbx_wasi_listen_open(good[i][0], &fd, &err)) fail_msg("%s: %s", good[i][0], err.text);
        gbx_wasi_listen_name(fd, name, sizeof name);
        assert_int_equal(strncmp(name, good[i][1], strlen(good[i][1])), 0);
        assert_true(atoi(name + strlen(good[i][1])) > 0);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        int again, on = 0;
        socklen_t len = sizeof on;
        assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, &len), 0);
        assert_int_equal(on, 1);
        assert_int_equal(gbx_wasi_listen_open(name, &again, &err), GBX_IO);
        assert_non_null(strstr(err.text, name));
        close(fd);
    }
    const char *const path = rig_host_path(r, "socket");
    char address[200], name[GBX_ADDRESS_BYTES];
    snprintf(address, sizeof address, "unix:%s", path);
    for (int round = 0; round < 2; round++) { /* the second time over what the first left */
        int again;
        assert_int_equal(gbx_wasi_listen_open(address, &fd, &err), GBX_OK);
        gbx_wasi_listen_name(fd, name, sizeof name);
        assert_string_equal(name, address);
        assert_int_equal(gbx_wasi_listen_open(address, &again, &err), GBX_IO);
        close(fd);
    }
    assert_int_equal(unlink(path), 0);
    host_file(r, "socket", "precious");
    assert_int_equal(gbx_wasi_listen_open(address, &fd, &err), GBX_IO);
    assert_string_equal(host_text(r, "socket"), "precious");
    assert_int_equal(host_open_fds(), before);
}

/* What is accepted has what Go sets natively. */
static void
test_connections_inherit_options(void **state)
{
    rig *const r = *state;
    gbx_err err;
    char name[GBX_ADDRESS_BYTES];
    for (int shared = 0; shared < 2; shared++) {
        u16 port;
        int fd;
        if (shared) {
            fd = listener(&port, 0);
        } else {
            assert_int_equal(gbx_wasi_listen_open("127.0.0.1:0", &fd, &err), GBX_OK);
            gbx_wasi_listen_name(fd, name, sizeof name);
            port = (u16)atoi(strrchr(name, ':') + 1);
        }
        granted[0] = (wasi_socket_grant){.host_fd = fd, .shared = shared};
        grant(r, 1);
        int const c = connect_to(port);
        OK(r, "sock_accept", 3, 0, RIG_OUT);
        int const host = r->w->fds.files[rig_u32(r, RIG_OUT)].host;
        int on = 0;
        socklen_t len = sizeof on;
        assert_int_equal(getsockopt(host, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
        assert_int_equal(on, 1);
        assert_int_equal(getsockopt(host, SOL_SOCKET, SO_KEEPALIVE, &on, &len), 0);
        assert_int_equal(on, !shared);
        assert_int_equal(fcntl(host, F_GETFD), FD_CLOEXEC);
        /* Somebody else who has it makes it block again: the guest still does not. */
        if (shared) assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
        FAILS(r, AGAIN, "sock_accept", 3, 0, RIG_OUT);
        close(c);
        close(fd);
    }
}

/* ---- the end of listening */

static void
test_stop_accepting(void **state)
{
    rig *const r = *state;
    for (int shared = 0; shared < 2; shared++) {
        u16 port, other_port;
        int const fd = listener(&port, 0), other = listener(&other_port, SOCK_NONBLOCK);
        granted[0] = (wasi_socket_grant){.host_fd = fd, .shared = shared};
        r->config.stdio[0] = other;
        grant(r, 1);
        OK(r, "fd_fdstat_set_flags", 3, 0); /* a guest that waits */
        int const before = connect_to(port);
        OK(r, "sock_accept", 3, 0, RIG_OUT);
        u32 const open_still = rig_u32(r, RIG_OUT);
        pthread_t t;
        assert_int_equal(pthread_create(&t, NULL, rig_end_late, r), 0);
        FAILS(r, CANCELED, "sock_accept", 3, 0, RIG_OUT);
        pthread_join(t, NULL);
        FAILS(r, CANCELED, "sock_accept", 3, 0, RIG_OUT);
        rig_write(r, open_still, "still");
        char buf[8] = {0};
        assert_int_equal(read(before, buf, sizeof buf), 5);
        /* New clients: refused where the socket is ours alone, the next one's where it is shared. */
        struct sockaddr_in a = {.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int const late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(late, (const struct sockaddr *)&a, sizeof a), shared ? 0 : -1);
        close(late);
        /* A standard stream is no grant of --listen's. */
        OK(r, "fd_fdstat_set_flags", 0, FDFLAG_NONBLOCK);
        FAILS(r, AGAIN, "sock_accept", 0, 0, RIG_OUT);
        close(before);
        close(fd);
        close(other);
        r->config.stdio[0] = -1;
    }
}

/* A83: descriptors that are closed under a wait, closed twice, used after; and who gets the number next. */
static void
a83_close(void **state)
{
    rig *const r = *state;
    u16 port;
    int const fd = listener(&port, SOCK_NONBLOCK);
    granted[0] = (wasi_socket_grant){.host_fd = fd};
    grant(r, 1);
    int const before = host_open_fds(), c = connect_to(port), d = connect_to(port), e = connect_to(port);
    for (u32 want = 5; want < 8; want++) {
        OK(r, "sock_accept", 3, 0, RIG_OUT);
        assert_int_equal(rig_u32(r, RIG_OUT), want);
    }
    /* The host closes its descriptor of the listener: the guest's own is not touched. */
    close(fd);
    FAILS(r, AGAIN, "sock_accept", 3, 0, RIG_OUT);
    STOPPED(r, "fd_read", 5, IOV(r, 8), RIG_OUT);
    OK(r, "fd_close", 6);
    FAILS(r, BADF, "fd_close", 6);
    FAILS(r, BADF, "fd_read", 6, IOV(r, 8), RIG_OUT);
    FAILS(r, BADF, "sock_shutdown", 6, WR);
    OK(r, "fd_close", 5);
    int const f = connect_to(port), g = connect_to(port);
    OK(r, "sock_accept", 3, 0, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 5);
    OK(r, "sock_accept", 3, 0, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 6);
    OK(r, "fd_close", 3);
    FAILS(r, BADF, "sock_accept", 3, 0, RIG_OUT);
    u32 const file = rig_open_at(r, 4, "f", OFLAG_CREAT, RIG_RIGHTS_FILE);
    assert_int_equal(file, 3); /* and it is no socket for having the number */
    FAILS(r, NOTSOCK, "sock_accept", 3, 0, RIG_OUT);
    for (u32 n = 3; n < 8; n++)
        if (n != 4) OK(r, "fd_close", n);
    const int hosts[] = {c, d, e, f, g};
    for (size_t i = 0; i < GBX_LEN(hosts); i++) close(hosts[i]);
    assert_int_equal(host_open_fds(), before - 2); /* both descriptors of the listener */
}

/* A full table accepts nobody, and the client waits. */
static void
test_full_table(void **state)
{
    rig *const r = *state;
    u16 port;
    int const fd = listener(&port, SOCK_NONBLOCK);
    granted[0] = (wasi_socket_grant){.host_fd = fd};
    grant(r, 1);
    u32 opened = 0, one;
    while (rig_open_null(r, &one) == WASI_OK) opened++;
    assert_int_equal(opened, WASI_MAX_FDS - 5);
    int const c = connect_to(port);
    FAILS(r, MFILE, "sock_accept", 3, 0, RIG_OUT);
    OK(r, "fd_close", 100);
    OK(r, "sock_accept", 3, 0, RIG_OUT);
    assert_int_equal(rig_u32(r, RIG_OUT), 100);
    close(c);
    close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            RIG_TEST(test_accept),        RIG_TEST(a84_accept_after_reset),
            RIG_TEST(test_recv_and_send), RIG_TEST(test_datagrams),
            RIG_TEST(a84_no_socket),
            RIG_TEST(test_granted_order), RIG_TEST(test_accepted_rights),
            RIG_TEST(test_granted_refusals), RIG_TEST(a98_addresses),
            RIG_TEST(test_connections_inherit_options), RIG_TEST(test_stop_accepting),
            RIG_TEST(a83_close), RIG_TEST(test_full_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
