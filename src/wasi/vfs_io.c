/* Reading and writing, with blocking imitated where the host descriptor must not block, and
 * non-blocking imitated where its flags are not ours to change.
 *
 *   what                                  host descriptor      attempt
 *   regular file, block device            blocks, briefly      readv, writev
 *   pipe, device opened by path_open      O_NONBLOCK           readv, writev; EAGAIN: wait
 *   socket                                either               MSG_DONTWAIT; EAGAIN: wait
 *   inherited pipe, terminal, …           shared: as it is     RWF_NOWAIT; where the host does not
 *                                                              know it: poll first, then readv, writev
 *
 * "Wait" is AGAIN instead when the guest set NONBLOCK, but for writes to an inherited stream, which
 * always wait: GO: runtime/os_wasip1.go write1 (1.26) throws on any errno, and what Go prints in a
 * panic must not end in the middle because a pipe is slow. */
#include "wasi/wasi_int.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/os_file.h"

static bool
io_is_socket(const wasi_file *f)
{
    return f->type == TYPE_SOCKET_STREAM || f->type == TYPE_SOCKET_DGRAM;
}

static bool
io_is_storage(const wasi_file *f)
{
    return f->type == TYPE_REGULAR_FILE || f->type == TYPE_BLOCK_DEVICE;
}

static wasi_errno
io_wait(p1_call *c, const wasi_file *f, short events)
{
    struct pollfd p[2] = {{.fd = f->host, .events = events}};
    u32 ready;
    return gbx_wasi_wait(c->x, p, 1, WASI_FOREVER, &ready);
}

/* True when a transfer need not wait. */
static bool
io_is_ready(const wasi_file *f, short events)
{
    struct pollfd p = {.fd = f->host, .events = events};
    return poll(&p, 1, 0) != 0;
}

/* The flag is new at times where the kernel is not: both answers mean "not here". */
static bool
io_nowait_unknown(int e)
{
    return e == EOPNOTSUPP || e == ENOSYS || e == EINVAL;
}

static wasi_errno
io_done(ssize_t n, u64 *done)
{
    if (n < 0) return gbx_wasi_errno_of(errno);
    *done = (u64)n;
    return WASI_OK;
}

/* ---- reading */

static void
io_zero(p1_iovs *v)
{
    for (u32 i = 0; i < v->count; i++)
        if (v->v[i].iov_len) memset(v->v[i].iov_base, 0, v->v[i].iov_len);
}

static wasi_errno
io_read_synthetic(p1_call *c, const wasi_file *f, p1_iovs *v, u64 *done)
{
    *done = 0;
    if (f->kind == KIND_NULL) return WASI_OK;
    if (f->kind == KIND_ZERO) io_zero(v);
    for (u32 i = 0; f->kind == KIND_RANDOM && i < v->count; i++)
        WASI_TRY(gbx_wasi_vfs_random(c->w, c->x, v->v[i].iov_base, v->v[i].iov_len));
    *done = v->total;
    return WASI_OK;
}

/* One attempt that does not block, as far as the host lets us; -1 and EAGAIN when it would. */
static ssize_t
io_read_once(wasi_file *f, p1_iovs *v)
{
    if (io_is_socket(f)) {
        struct msghdr m = {.msg_iov = v->v, .msg_iovlen = v->count};
        return recvmsg(f->host, &m, MSG_DONTWAIT);
    }
    if (!f->inherited) return readv(f->host, v->v, (int)v->count);
    if (!f->no_nowait) {
        ssize_t const n = preadv2(f->host, v->v, (int)v->count, -1, RWF_NOWAIT);
        if (n >= 0 || !io_nowait_unknown(errno)) return n;
        f->no_nowait = true;
    }
    if (io_is_ready(f, POLLIN)) return readv(f->host, v->v, (int)v->count);
    errno = EAGAIN;
    return -1;
}

static wasi_errno
io_read_some(p1_call *c, wasi_file *f, p1_iovs *v, u64 *done)
{
    bool const storage = io_is_storage(f), asks = c->w->seeded && !io_is_socket(f);
    bool const waits = !storage && (asks || !(f->flags & FDFLAG_NONBLOCK));
    /* A FIFO that nobody has opened for writing yet reads as ended at once, but natively its open would
     * have waited; poll tells the two apart. */
    if (waits && !f->inherited && f->type == TYPE_UNKNOWN) WASI_TRY(io_wait(c, f, POLLIN));
    for (;;) {
        ssize_t const n = storage ? readv(f->host, v->v, (int)v->count) : io_read_once(f, v);
        if (n >= 0 || (errno != EINTR && errno != EAGAIN)) return io_done(n, done);
        if (atomic_load(&c->x->stop)) return WASI_STOPPED;
        if (errno == EINTR) continue;
        /* An inherited descriptor may be O_NONBLOCK by somebody else's doing: not the guest's concern. */
        if (!waits) return WASI_AGAIN;
        WASI_TRY(io_wait(c, f, POLLIN));
    }
}

/* A pipe, of a seeded context: as much as there is room for, or up to its end, in however many pieces it
 * came. */
static wasi_errno
io_read_all(p1_call *c, wasi_file *f, p1_iovs *v, u64 *done)
{
    u64 const want = v->total;
    *done = 0;
    for (u32 at = 0; *done < want;) {
        u64 n;
        WASI_SCRATCH p1_iovs rest;
        rest.count = v->count - at;
        rest.total = want - *done;
        memcpy(rest.v, v->v + at, rest.count * sizeof rest.v[0]);
        wasi_errno const e = io_read_some(c, f, &rest, &n);
        if (e) return *done && e != WASI_STOPPED ? WASI_OK : e;
        if (!n) break;
        *done += n;
        gbx_wasi_iovs_advance(v, &at, n);
    }
    return WASI_OK;
}

wasi_errno
gbx_wasi_vfs_read(p1_call *c, wasi_file *f, p1_iovs *v, u64 *done)
{
    if (f->kind != KIND_HOST) return io_read_synthetic(c, f, v, done);
    if (!v->total) return io_done(0, done);
    if (c->w->seeded && f->type == TYPE_UNKNOWN) return io_read_all(c, f, v, done);
    return io_read_some(c, f, v, done);
}

/* ---- writing */

void
gbx_wasi_iovs_advance(p1_iovs *v, u32 *at, u64 n)
{
    while (*at < v->count && n >= v->v[*at].iov_len) n -= v->v[(*at)++].iov_len;
    if (*at == v->count) return;
    v->v[*at].iov_base = (u8 *)v->v[*at].iov_base + n;
    v->v[*at].iov_len -= n;
}

/* One attempt that does not block, as far as the host lets us. Without RWF_NOWAIT (terminals) poll
 * promises room for a little only, so a little is written, unless nobody can stop us anyway. */
static ssize_t
io_write_once(p1_call *c, wasi_file *f, struct iovec *iov, u32 count)
{
    if (io_is_socket(f)) {
        struct msghdr m = {.msg_iov = iov, .msg_iovlen = count};
        return sendmsg(f->host, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    if (!f->inherited || io_is_storage(f)) return writev(f->host, iov, (int)count);
    if (!f->no_nowait) {
        ssize_t const n = pwritev2(f->host, iov, (int)count, -1, RWF_NOWAIT);
        if (n >= 0 || !io_nowait_unknown(errno)) return n;
        f->no_nowait = true;
    }
    if (c->x->stop_fd < 0) return writev(f->host, iov, (int)count);
    if (!io_is_ready(f, POLLOUT)) {
        errno = EAGAIN;
        return -1;
    }
    return write(f->host, iov->iov_base, min_u64(iov->iov_len, PIPE_BUF));
}

static ssize_t
io_write_quiet(p1_call *c, wasi_file *f, struct iovec *iov, u32 count)
{
    if (!c->w->quiet) return io_write_once(c, f, iov, count);
    os_quiet q;
    gbx_base_os_quiet_begin(&q);
    ssize_t const n = io_write_once(c, f, iov, count);
    gbx_base_os_quiet_end(&q);
    return n;
}

static wasi_errno
io_write_synthetic(const wasi_file *f, const p1_iovs *v, u64 *done)
{
    for (u32 i = 0; f->sink && i < v->count; i++)
        if (v->v[i].iov_len) f->sink->write(f->sink->data, v->v[i].iov_base, v->v[i].iov_len);
    *done = v->total;
    return WASI_OK;
}

static wasi_errno
io_written(const p1_call *c, const wasi_file *f, wasi_errno e)
{
    if (e == WASI_NOSPC && f->scratch) gbx_wasi_met(c->w, WASI_MET_SCRATCH);
    return e;
}

/* Everything is written before this returns, unless the guest asked not to wait or an error comes after
 * the first byte: then the count says how far it got, and the next call meets the error. */
static wasi_errno
io_write_all(p1_call *c, wasi_file *f, p1_iovs *v, u64 *done)
{
    if (f->kind != KIND_HOST) return io_write_synthetic(f, v, done);
    *done = 0;
    u32 at = 0;
    gbx_wasi_iovs_advance(v, &at, 0); /* empty ones in front: a write starts at a byte */
    while (*done < v->total) {
        if (atomic_load(&c->x->stop)) return WASI_STOPPED;
        ssize_t const n = io_write_quiet(c, f, v->v + at, v->count - at);
        if (n >= 0) {
            *done += (u64)n;
            gbx_wasi_iovs_advance(v, &at, (u64)n);
            if (!n) break;
            continue;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return *done ? WASI_OK : gbx_wasi_errno_of(errno);
        if (f->flags & FDFLAG_NONBLOCK && !f->inherited) return *done ? WASI_OK : WASI_AGAIN;
        WASI_TRY(io_wait(c, f, POLLOUT));
    }
    return WASI_OK;
}

wasi_errno
gbx_wasi_vfs_write(p1_call *c, wasi_file *f, p1_iovs *v, u64 *done)
{
    wasi_budget b;
    WASI_TRY(gbx_wasi_budget_begin(c, f, v, WASI_HERE, &b));
    wasi_errno const e = io_write_all(c, f, v, done);
    if (!e) gbx_wasi_seeded_written(c->w, f);
    return gbx_wasi_budget_end(c, &b, io_written(c, f, e), *done);
}

/* ---- at an offset */

wasi_errno
gbx_wasi_vfs_pread(p1_call *c, wasi_file *f, p1_iovs *v, u64 offset, u64 *done)
{
    if (f->kind != KIND_HOST) return io_read_synthetic(c, f, v, done);
    if (offset > INT64_MAX) return WASI_INVAL;
    for (;;) {
        ssize_t const n = preadv(f->host, v->v, (int)v->count, (off_t)offset);
        if (n >= 0 || errno != EINTR) return io_done(n, done);
        if (atomic_load(&c->x->stop)) return WASI_STOPPED;
    }
}

/* Linux appends even where an offset is given; preview 1, as POSIX, does not. The description is ours
 * alone (never an inherited one), so its flag may be off for a moment. */
static wasi_errno
io_pwrite(p1_call *c, const wasi_file *f, p1_iovs *v, u64 offset, u64 *done)
{
    bool const append = f->flags & FDFLAG_APPEND && !f->inherited;
    int const flags = append ? fcntl(f->host, F_GETFL) : 0;
    os_quiet q;
    if (append) fcntl(f->host, F_SETFL, flags & ~O_APPEND);
    if (c->w->quiet) gbx_base_os_quiet_begin(&q);
    ssize_t n;
    do {
        n = pwritev(f->host, v->v, (int)v->count, (off_t)offset);
    } while (n < 0 && errno == EINTR && !atomic_load(&c->x->stop));
    int const e = errno;
    if (c->w->quiet) gbx_base_os_quiet_end(&q);
    if (append) fcntl(f->host, F_SETFL, flags);
    errno = e;
    if (n < 0 && errno == EINTR) return WASI_STOPPED;
    return io_done(n, done);
}

wasi_errno
gbx_wasi_vfs_pwrite(p1_call *c, wasi_file *f, p1_iovs *v, u64 offset, u64 *done)
{
    wasi_budget b;
    *done = 0;
    if (f->kind != KIND_HOST) return io_done((ssize_t)v->total, done);
    if (offset > INT64_MAX) return WASI_INVAL;
    WASI_TRY(gbx_wasi_budget_begin(c, f, v, offset, &b));
    wasi_errno const e = io_pwrite(c, f, v, offset, done);
    if (!e) gbx_wasi_seeded_written(c->w, f);
    return gbx_wasi_budget_end(c, &b, io_written(c, f, e), *done);
}
