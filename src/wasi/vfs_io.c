/* Reading and writing, with blocking imitated where the host descriptor must not block, and
 * non-blocking imitated where its flags are not ours to change.
 *
 *   what                                  host descriptor      attempt
 *   regular file, block device            blocks, briefly      readv, writev, a piece at a time
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

#define IO_TERMINAL_BYTES 4096 /* of what is filtered, written at once */

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

/* ---- files: nobody waits for them, but they may take long: moved in pieces, so that a stop comes between */

typedef ssize_t io_move(int fd, const struct iovec *iov, int count, off_t offset);

static ssize_t
io_readv_here(int fd, const struct iovec *iov, int count, off_t offset)
{
    (void)offset;
    return readv(fd, iov, count);
}

static ssize_t
io_writev_here(int fd, const struct iovec *iov, int count, off_t offset)
{
    (void)offset;
    return writev(fd, iov, count);
}

/* One call of `move` with as much of v[at..] as is one piece. The entry that goes beyond is cut meanwhile. */
static ssize_t
io_move_piece(io_move *move, int fd, p1_iovs *v, u32 at, off_t offset)
{
    u64 room = WASI_MAX_IO_PIECE, beyond = 0;
    u32 end = at;
    while (end < v->count && room) {
        struct iovec *const last = &v->v[end++];
        if (last->iov_len > room) {
            beyond = last->iov_len - room;
            last->iov_len = room;
        }
        room -= last->iov_len;
    }
    ssize_t const n = move(fd, v->v + at, (int)(end - at), offset);
    if (beyond) v->v[end - 1].iov_len += beyond;
    return n;
}

/* All of it, or up to the end of the file or an error: one that comes first is the answer, a later one is met
 * by the next call. Less than a piece read is the end. `offset` is for those that take one. */
static wasi_errno
io_move_all(p1_call *c, io_move *move, bool reads, int fd, p1_iovs *v, u64 offset, u64 *done)
{
    *done = 0;
    u32 at = 0;
    for (;;) {
        ssize_t const n = io_move_piece(move, fd, v, at, (off_t)(offset + *done));
        if (n < 0 && errno != EINTR) return *done ? WASI_OK : gbx_wasi_errno_of(errno);
        u64 const moved = n < 0 ? 0 : (u64)n, piece = min_u64(v->total - *done, WASI_MAX_IO_PIECE);
        *done += moved;
        gbx_wasi_iovs_advance(v, &at, moved);
        if (!n || *done == v->total || (reads && n > 0 && moved < piece)) return WASI_OK;
        if (atomic_load(&c->x->stop)) return WASI_STOPPED;
    }
}

static wasi_errno
io_done(ssize_t n, u64 *done)
{
    if (n < 0) return gbx_wasi_errno_of(errno);
    *done = (u64)n;
    return WASI_OK;
}

/* ---- reading */

/* In pieces, so that a guest that asks for gigabytes can be stopped. */
static wasi_errno
io_zero(p1_call *c, u8 *buf, u64 len)
{
    while (len) {
        if (atomic_load(&c->x->stop)) return WASI_STOPPED;
        u64 const piece = min_u64(len, WASI_MAX_IO_PIECE);
        memset(buf, 0, piece);
        buf += piece;
        len -= piece;
    }
    return WASI_OK;
}

static wasi_errno
io_read_synthetic(p1_call *c, const wasi_file *f, p1_iovs *v, u64 *done)
{
    *done = 0;
    if (f->kind == KIND_NULL) return WASI_OK;
    if (f->kind == KIND_STREAM) return gbx_wasi_stream_read(c, f, v, done);
    bool const is_random = f->kind == KIND_RANDOM || f->kind == KIND_URANDOM;
    if (is_random) c->x->asked |= GBX_FROM_RANDOM;
    for (u32 i = 0; i < v->count; i++) {
        u8 *const buf = v->v[i].iov_base;
        WASI_TRY(is_random ? gbx_wasi_vfs_random(c->w, c->x, buf, v->v[i].iov_len)
                           : io_zero(c, buf, v->v[i].iov_len));
    }
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
    if (io_is_storage(f)) return io_move_all(c, io_readv_here, true, f->host, v, 0, done);
    bool const waits = !(f->flags & FDFLAG_NONBLOCK) || (c->w->seeded && !io_is_socket(f));
    /* A FIFO that nobody has opened for writing yet reads as ended at once, but natively its open would
     * have waited; poll tells the two apart. */
    if (waits && !f->inherited && f->type == TYPE_UNKNOWN) WASI_TRY(io_wait(c, f, POLLIN));
    for (;;) {
        ssize_t const n = io_read_once(f, v);
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
    if (f->kind == KIND_NODE) {
        wasi_errno const e = gbx_wasi_node_read(c, f->node, v, f->at, done);
        if (!e) f->at += *done;
        return e;
    }
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
io_write_once(p1_call *c, wasi_file *f, p1_iovs *v, u32 at)
{
    struct iovec *const iov = v->v + at;
    u32 const count = v->count - at;
    if (io_is_storage(f)) return io_move_piece(io_writev_here, f->host, v, at, 0);
    if (io_is_socket(f)) {
        struct msghdr m = {.msg_iov = iov, .msg_iovlen = count};
        return sendmsg(f->host, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    if (!f->inherited) return writev(f->host, iov, (int)count);
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
io_write_quiet(p1_call *c, wasi_file *f, p1_iovs *v, u32 at)
{
    if (!c->w->quiet) return io_write_once(c, f, v, at);
    os_quiet q;
    gbx_base_os_quiet_begin(&q);
    ssize_t const n = io_write_once(c, f, v, at);
    gbx_base_os_quiet_end(&q);
    return n;
}

static wasi_errno
io_write_synthetic(const wasi_file *f, const p1_iovs *v, u64 *done)
{
    if (f->kind == KIND_FULL && v->total) return WASI_NOSPC;
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

/* The guest is told once that nobody reads a standard stream any more. One that writes on would do so for
 * ever, where a native program had been ended by SIGPIPE at once.
 * GO: runtime/os_wasm.go os_sigpipe (1.26) does nothing. */
static wasi_errno
io_failed(p1_call *c, wasi_file *f, u64 done)
{
    wasi_errno const e = gbx_wasi_errno_of(errno);
    if (done) return WASI_OK;
    if (e == WASI_PIPE && f->inherited) {
        if (f->broken && c->w->pipe_ends) c->trap = GBX_TRAP_BROKEN_PIPE;
        f->broken = true;
    }
    return e;
}

static wasi_errno
io_write_flat(p1_call *c, wasi_file *f, u8 *p, size_t len)
{
    WASI_SCRATCH p1_iovs v;
    v.count = 1;
    while (len) {
        if (atomic_load(&c->x->stop)) return WASI_STOPPED;
        v.total = len;
        v.v[0] = (struct iovec){.iov_base = p, .iov_len = len};
        ssize_t const n = io_write_quiet(c, f, &v, 0);
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            WASI_TRY(io_wait(c, f, POLLOUT));
        } else if (n == 0 || errno != EINTR) {
            return n ? gbx_wasi_errno_of(errno) : WASI_IO;
        }
    }
    return WASI_OK;
}

/* A terminal is slow and its reader sits before it: bytes on the way count more than system calls. */
static wasi_errno
io_write_terminal(p1_call *c, wasi_file *f, const p1_iovs *v, u64 *done)
{
    WASI_SCRATCH u8 out[IO_TERMINAL_BYTES];
    *done = 0;
    for (u32 i = 0; i < v->count; i++) {
        const u8 *in = v->v[i].iov_base;
        size_t taken, left = v->v[i].iov_len;
        for (; left; left -= taken, in += taken) {
            size_t const n = gbx_wasi_tty_filter(&c->w->tty, in, left, out, sizeof out, &taken);
            wasi_errno const e = io_write_flat(c, f, out, n);
            if (e) return e != WASI_STOPPED && *done ? WASI_OK : e;
            *done += taken;
        }
    }
    return WASI_OK;
}

/* Everything is written before this returns, unless the guest asked not to wait or an error comes after
 * the first byte: then the count says how far it got, and the next call meets the error. */
static wasi_errno
io_write_all(p1_call *c, wasi_file *f, p1_iovs *v, u64 *done)
{
    if (f->kind != KIND_HOST) return io_write_synthetic(f, v, done);
    if (f->terminal && !c->w->raw) return io_write_terminal(c, f, v, done);
    *done = 0;
    u32 at = 0;
    gbx_wasi_iovs_advance(v, &at, 0); /* empty ones in front: a write starts at a byte */
    while (*done < v->total) {
        if (atomic_load(&c->x->stop)) return WASI_STOPPED;
        ssize_t const n = io_write_quiet(c, f, v, at);
        if (n >= 0) {
            *done += (u64)n;
            gbx_wasi_iovs_advance(v, &at, (u64)n);
            if (!n) break;
            continue;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return io_failed(c, f, *done);
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
    if (f->kind == KIND_STREAM) {
        wasi_errno const answer = gbx_wasi_stream_write(c, f->stream, v, done);
        return gbx_wasi_budget_end(c, &b, answer, *done);
    }
    wasi_errno const e = io_write_all(c, f, v, done);
    if (!e) gbx_wasi_seeded_written(c->w, f);
    return gbx_wasi_budget_end(c, &b, io_written(c, f, e), *done);
}

/* ---- at an offset */

wasi_errno
gbx_wasi_vfs_pread(p1_call *c, wasi_file *f, p1_iovs *v, u64 offset, u64 *done)
{
    if (f->kind != KIND_HOST && f->kind != KIND_NODE) return io_read_synthetic(c, f, v, done);
    if (offset > INT64_MAX) return WASI_INVAL;
    if (f->kind == KIND_NODE) return gbx_wasi_node_read(c, f->node, v, offset, done);
    return io_move_all(c, preadv, true, f->host, v, offset, done);
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
    wasi_errno const e = io_move_all(c, pwritev, false, f->host, v, offset, done);
    if (c->w->quiet) gbx_base_os_quiet_end(&q);
    if (append) fcntl(f->host, F_SETFL, flags);
    return e;
}

wasi_errno
gbx_wasi_vfs_pwrite(p1_call *c, wasi_file *f, p1_iovs *v, u64 offset, u64 *done)
{
    wasi_budget b;
    *done = 0;
    if (f->kind != KIND_HOST) return io_write_synthetic(f, v, done);
    if (offset > INT64_MAX) return WASI_INVAL;
    WASI_TRY(gbx_wasi_budget_begin(c, f, v, offset, &b));
    wasi_errno const e = io_pwrite(c, f, v, offset, done);
    if (!e) gbx_wasi_seeded_written(c->w, f);
    return gbx_wasi_budget_end(c, &b, io_written(c, f, e), *done);
}
