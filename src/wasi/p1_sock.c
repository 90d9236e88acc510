/* sock_accept, sock_recv, sock_send, sock_shutdown, on sockets the guest was given (a standard stream
 * may be one) and on those it accepted from them. A guest cannot make or connect a socket: preview 1
 * has no call for it.
 *
 * A wait for a connection ends too when the host stops accepting (gbx_wasi_stop_accepting): from then on
 * sock_accept gives CANCELED, on granted sockets only. */
#include "wasi/guest.h"
#include "wasi/wasi_int.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/os_file.h"

/* SPEC: WASI preview 1: `riflags`, `roflags`, `sdflags` */
enum {
    RI_PEEK = 1,
    RI_WAITALL = 2,
    RO_DATA_TRUNCATED = 1,
    SD_RD = 1,
    SD_WR = 2,
};

static wasi_errno
sock_get(p1_call *c, wasi_file **out)
{
    u32 const fd = guest_u32(c, 0);
    const wasi_file *const f = gbx_wasi_fds_find(&c->w->fds, fd);
    if (!f) return WASI_BADF;
    if (f->type != TYPE_SOCKET_STREAM && f->type != TYPE_SOCKET_DGRAM) return WASI_NOTSOCK;
    return gbx_wasi_file_get(c, fd, c->row->rights, out);
}

static wasi_errno
sock_wait(p1_call *c, const wasi_file *f)
{
    struct pollfd p[3] = {{.fd = f->host, .events = POLLIN},
                          {.fd = f->listens ? c->w->end_fd : -1, .events = POLLIN}};
    u32 ready;
    return gbx_wasi_wait(c->x, p, 2, WASI_FOREVER, &ready);
}

/* Accept without blocking: a listening socket that is a standard stream may block, and others may have made
 * one that they share block again, so these are asked first. (Should the client vanish between the question
 * and the accept, the accept waits for the next one.)
 * Connections of a socket that is ours inherit their options; see listen.c. */
static int
sock_accept_once(const wasi_file *f)
{
    struct pollfd p = {.fd = f->host, .events = POLLIN};
    if ((f->inherited || f->shared) && poll(&p, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    int const fd = gbx_base_os_fd_above_stdio(accept4(f->host, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
    int const on = 1;
    if (fd >= 0 && f->shared) (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* Clients that come later are to be told by the kernel that nobody listens. */
static wasi_errno
sock_accept_ended(const wasi_file *f)
{
    if (!f->shared) (void)shutdown(f->host, SHUT_RD);
    return WASI_CANCELED;
}

wasi_errno
gbx_wasi_sock_accept(p1_call *c)
{
    u32 const flags = guest_u32(c, 1);
    u8 *const out = guest_range(c, guest_u32(c, 2), 4);
    if (!out) return WASI_FAULT;
    if (flags & ~(u32)FDFLAG_NONBLOCK) return WASI_INVAL;
    wasi_file *f;
    u32 fd;
    c->w->accepts = true;
    WASI_TRY(sock_get(c, &f));
    WASI_TRY(gbx_wasi_fds_reserve(&c->w->fds, &fd));
    f = gbx_wasi_fds_find(&c->w->fds, guest_u32(c, 0)); /* the table may have moved */
    WASI_TRY(gbx_wasi_fds_host_has_room(f->host)); /* a client that is accepted is not sent away */
    int host;
    for (;;) {
        if (f->listens && atomic_load(&c->w->ending)) return sock_accept_ended(f);
        host = sock_accept_once(f);
        if (host >= 0) break;
        if (atomic_load(&c->x->stop)) return WASI_STOPPED;
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return gbx_wasi_errno_of(errno);
        if (f->flags & FDFLAG_NONBLOCK) return WASI_AGAIN;
        WASI_TRY(sock_wait(c, f));
    }
    wasi_file const file = {.kind = KIND_HOST,
                            .host = host,
                            .type = f->type,
                            .flags = (u16)flags,
                            .rights = f->inheriting};
    gbx_wasi_fds_put(&c->w->fds, fd, &file);
    put_u32(out, fd);
    return WASI_OK;
}

/* A peek never adds up, so it takes what is there; waiting for all of it is for reads that consume. */
wasi_errno
gbx_wasi_sock_recv(p1_call *c)
{
    WASI_SCRATCH p1_iovs v;
    u32 const flags = guest_u32(c, 3);
    u8 *const out_len = guest_range(c, guest_u32(c, 4), 4);
    u8 *const out_flags = guest_range(c, guest_u32(c, 5), 2);
    if (!out_len || !out_flags) return WASI_FAULT;
    WASI_TRY(gbx_wasi_iovs_read(c, guest_u32(c, 1), guest_u32(c, 2), &v));
    if (flags & ~(u32)(RI_PEEK | RI_WAITALL)) return WASI_INVAL;
    wasi_file *f;
    WASI_TRY(sock_get(c, &f));
    bool const all = flags & RI_WAITALL && !(flags & RI_PEEK) && f->type == TYPE_SOCKET_STREAM &&
                     !(f->flags & FDFLAG_NONBLOCK);
    u64 done = 0;
    u16 got_flags = 0;
    for (u32 at = 0;;) {
        struct msghdr m = {.msg_iov = v.v + at, .msg_iovlen = v.count - at};
        ssize_t const n = recvmsg(f->host, &m, MSG_DONTWAIT | (flags & RI_PEEK ? MSG_PEEK : 0));
        if (atomic_load(&c->x->stop)) return WASI_STOPPED;
        if (n >= 0) {
            if (m.msg_flags & MSG_TRUNC) got_flags = RO_DATA_TRUNCATED;
            done += (u64)n;
            if (!n || !all || done == v.total) break;
            gbx_wasi_iovs_advance(&v, &at, (u64)n);
            continue;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN) {
            if (done) break;
            return gbx_wasi_errno_of(errno);
        }
        if (f->flags & FDFLAG_NONBLOCK) return WASI_AGAIN;
        WASI_TRY(sock_wait(c, f));
    }
    if (!(flags & RI_PEEK)) gbx_wasi_moved(c->w, false, true, done);
    put_u32(out_len, (u32)done);
    put_u16(out_flags, got_flags);
    return WASI_OK;
}

/* Writing to a socket and sending on it are one thing; a packet of no bytes can only be sent. */
wasi_errno
gbx_wasi_sock_send(p1_call *c)
{
    WASI_SCRATCH p1_iovs v;
    u8 *const out = guest_range(c, guest_u32(c, 4), 4);
    if (!out) return WASI_FAULT;
    WASI_TRY(gbx_wasi_iovs_read(c, guest_u32(c, 1), guest_u32(c, 2), &v));
    if (guest_u32(c, 3)) return WASI_INVAL; /* sdflags has no bits */
    wasi_file *f;
    WASI_TRY(sock_get(c, &f));
    u64 done = 0;
    if (!v.total && f->type == TYPE_SOCKET_DGRAM) {
        if (send(f->host, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) return gbx_wasi_errno_of(errno);
    } else {
        WASI_TRY(gbx_wasi_vfs_write(c, f, &v, &done));
        gbx_wasi_moved(c->w, false, false, done);
    }
    put_u32(out, (u32)done);
    return WASI_OK;
}

wasi_errno
gbx_wasi_sock_shutdown(p1_call *c)
{
    static const int hows[] = {[SD_RD] = SHUT_RD, [SD_WR] = SHUT_WR, [SD_RD | SD_WR] = SHUT_RDWR};
    u32 const how = guest_u32(c, 1);
    wasi_file *f;
    WASI_TRY(sock_get(c, &f));
    if (!how || how >= GBX_LEN(hows)) return WASI_INVAL;
    return shutdown(f->host, hows[how]) ? gbx_wasi_errno_of(errno) : WASI_OK;
}

bool
gbx_wasi_accepts(const wasi_ctx *w)
{
    return w->accepts;
}
