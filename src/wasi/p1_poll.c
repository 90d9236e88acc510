/* poll_oneoff: waits for descriptors and clocks together.
 *
 *   read      every subscription is checked and copied; nothing has happened yet
 *   wait      until a descriptor is ready or a clock has run out; at once where one need not wait
 *   write     one event for each that is ready, in the order of the subscriptions
 *
 * A subscription that cannot be waited for is an event with an error, never a failure of the call:
 * GO: runtime/netpoll_wasip1.go netpoll and os_wasip1.go usleep (1.26) throw when it fails.
 *
 * A listener is ready too when nothing is accepted any more: sock_accept says so.
 *
 * Time spent is linear in the subscriptions. Descriptors are polled once however often they are named,
 * so the host's poll never gets more than a guest may hold. */
#include "wasi/guest.h"
#include "wasi/wasi_int.h"

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/os_sync.h"

/* SPEC: WASI preview 1: `eventtype`, `subclockflags`, `eventrwflags`; sizes of `subscription`, `event` */
enum {
    EVENT_CLOCK,
    EVENT_FD_READ,
    EVENT_FD_WRITE,
    SUBCLOCK_ABSTIME = 1,
    EVENT_HANGUP = 1,
    SUB_BYTES = 48,
    EVENT_BYTES = 32,
};

#define POLL_FEW 16                   /* subscriptions kept on our stack */
#define POLL_RECHECK_NS 1000000000u   /* how often somebody setting the clock is noticed */
#define POLL_AGAIN_NS 10000000u       /* until a stream that cannot say when is taken to be ready */
#define POLL_NEVER UINT64_MAX

typedef struct poll_sub {
    u64 userdata;
    u64 timeout;  /* clocks: as given */
    u64 deadline; /* clocks: of poll_clock */
    u32 fd;
    u16 slot;     /* descriptors: index into poll_wait.fds */
    u8 tag, clock_id;
    bool absolute;
    bool ready;   /* needs no waiting */
    bool again;   /* descriptors: ready at the deadline */
    wasi_errno error;
} poll_sub;

typedef struct poll_wait {
    p1_call *c;
    poll_sub *subs;
    u32 count;
    u32 slots;
    u64 skipped; /* ns that the embedder was asked to sleep */
    bool any_ready, wall_clock, listens;
    u16 slot_of[WASI_MAX_FDS]; /* slot + 1 by descriptor; 0: none yet */
    struct pollfd fds[WASI_MAX_FDS + 2]; /* and the end of listening, and what gbx_wasi_wait adds */
} poll_wait;

/* What deadlines are measured on: the host's steady clock; or only what was slept, where an embedder
 * says how time passes, so that a run can be repeated to the nanosecond, and under the fixed clock, so that
 * a guest that slept does not learn how long it took. */
static u64
poll_clock(const poll_wait *p)
{
    const wasi_ctx *const w = p->c->w;
    return w->clock_sleep || w->clock_fixed ? p->skipped : gbx_base_os_now_ns();
}

/* So much time has passed for the guest. */
static void
poll_pass(poll_wait *p, u64 ns)
{
    wasi_ctx *const w = p->c->w;
    if (w->clock_sleep) w->clock_sleep(w->clock_data, ns);
    else gbx_wasi_clock_pass(w->clock_data, ns);
    p->skipped += ns;
}

static void
poll_set_deadline(poll_wait *p, poll_sub *s)
{
    u64 left = s->timeout;
    if (s->absolute) {
        u64 const now = gbx_wasi_now(p->c->w, s->clock_id);
        left = s->timeout > now ? s->timeout - now : 0;
    }
    if (__builtin_add_overflow(poll_clock(p), left, &s->deadline)) s->deadline = POLL_NEVER;
}

static void
poll_read_clock(poll_wait *p, poll_sub *s, const u8 *in)
{
    u32 const id = get_u32(in + 16);
    u16 const flags = get_u16(in + 40);
    s->timeout = get_u64(in + 24);
    s->clock_id = (u8)id;
    s->absolute = flags & SUBCLOCK_ABSTIME;
    if ((id != CLOCK_ID_REALTIME && id != CLOCK_ID_MONOTONIC) || flags & ~SUBCLOCK_ABSTIME) {
        s->error = WASI_INVAL;
        return;
    }
    poll_set_deadline(p, s);
    p->wall_clock |= s->absolute && id == CLOCK_ID_REALTIME && !p->c->w->clock_now;
}

/* A seeded guest is not told how fast others are: its reads wait instead (vfs_io.c). */
static bool
poll_is_unasked(const poll_wait *p, const wasi_file *f)
{
    return p->c->w->seeded && f->type != TYPE_REGULAR_FILE && f->type != TYPE_SOCKET_STREAM &&
           f->type != TYPE_SOCKET_DGRAM;
}

/* The right to poll for reading comes with the right to read, and so for writing. */
static void
poll_read_fd(poll_wait *p, poll_sub *s, const u8 *in)
{
    bool const reads = s->tag == EVENT_FD_READ;
    wasi_file *f;
    p->c->x->asked |= GBX_FROM_FILES;
    s->fd = get_u32(in + 16);
    s->error = gbx_wasi_file_get(
            p->c, s->fd, RIGHT_POLL_FD_READWRITE | (reads ? RIGHT_FD_READ : RIGHT_FD_WRITE), &f);
    if (s->error) return;
    bool const has_ready_fd = f->kind == KIND_STREAM && f->stream->ready_fd >= 0;
    if ((f->kind != KIND_HOST && !has_ready_fd) || f->type == TYPE_REGULAR_FILE ||
        f->type == TYPE_BLOCK_DEVICE || poll_is_unasked(p, f)) {
        /* A function that had nothing when it was last asked is asked again in a while. */
        s->again = f->kind == KIND_STREAM && f->stream->dry && !p->c->w->seeded;
        s->ready = !s->again;
        if (s->again && __builtin_add_overflow(poll_clock(p), POLL_AGAIN_NS, &s->deadline))
            s->deadline = POLL_NEVER;
        return;
    }
    if (!p->slot_of[s->fd]) {
        p->fds[p->slots++] = (struct pollfd){.fd = has_ready_fd ? f->stream->ready_fd : f->host};
        p->slot_of[s->fd] = (u16)p->slots;
    }
    s->slot = (u16)(p->slot_of[s->fd] - 1);
    p->fds[s->slot].events |= has_ready_fd ? POLLIN : reads ? POLLIN | POLLRDHUP : POLLOUT;
    p->listens |= f->listens;
}

/* SAFETY: everything is copied out of guest memory before anything is written there, so events may
 * overlap subscriptions. A descriptor that exists is below WASI_MAX_FDS, which sizes both arrays. */
static wasi_errno
poll_read(poll_wait *p, const u8 *in)
{
    for (u32 i = 0; i < p->count; i++, in += SUB_BYTES) {
        poll_sub *const s = &p->subs[i];
        *s = (poll_sub){.userdata = get_u64(in), .tag = in[8], .deadline = POLL_NEVER};
        if (s->tag == EVENT_CLOCK)
            poll_read_clock(p, s, in);
        else if (s->tag == EVENT_FD_READ || s->tag == EVENT_FD_WRITE)
            poll_read_fd(p, s, in);
        else
            return WASI_INVAL;
        s->ready |= s->error != WASI_OK;
        p->any_ready |= s->ready;
    }
    if (p->listens) p->fds[p->slots++] = (struct pollfd){.fd = p->c->w->end_fd, .events = POLLIN};
    return WASI_OK;
}

/* The earliest deadline; deadlines on the wall clock are worked out again, it may have been set. */
static u64
poll_next(poll_wait *p, bool again)
{
    u64 next = POLL_NEVER;
    for (u32 i = 0; i < p->count; i++) {
        poll_sub *const s = &p->subs[i];
        if ((s->tag != EVENT_CLOCK && !s->again) || s->error) continue;
        if (again && s->absolute && s->clock_id == CLOCK_ID_REALTIME) poll_set_deadline(p, s);
        next = min_u64(next, s->deadline);
    }
    return next;
}

/* Stopped: what for. */
static void
poll_waited(const poll_wait *p, u64 left)
{
    u32 fds = 0;
    const poll_sub *last = NULL;
    for (u32 i = 0; i < p->count; i++) {
        if (p->subs[i].tag == EVENT_CLOCK || (last && last->fd == p->subs[i].fd)) continue;
        last = &p->subs[i];
        fds++;
    }
    gbx_wasi_waited_poll(p->c, fds, last ? last->fd : 0, last && last->tag == EVENT_FD_READ, left);
}

static wasi_errno
poll_until(poll_wait *p)
{
    wasi_ctx *const w = p->c->w;
    for (bool again = false;; again = true) {
        u32 ready;
        u64 const next = poll_next(p, again && p->wall_clock), now = poll_clock(p);
        u64 left = next == POLL_NEVER ? WASI_FOREVER : next > now ? next - now : 0;
        if (p->any_ready) left = 0;
        /* An embedder's time passes only as it says: look, and then let it sleep. */
        bool const sleeps = (w->clock_sleep || w->clock_fixed) && left && left != WASI_FOREVER;
        u64 const wait = w->clock_sleep && sleeps ? 0
                         : p->wall_clock && left  ? min_u64(left, POLL_RECHECK_NS)
                                                  : left;
        wasi_errno const e = gbx_wasi_wait(p->c->x, p->fds, p->slots, wait, &ready);
        if (e == WASI_STOPPED) poll_waited(p, left);
        if (e) return e;
        if (ready || !left) return WASI_OK;
        if (!sleeps && poll_clock(p) >= next) return WASI_OK;
        if (sleeps) {
            poll_pass(p, left);
            if (!atomic_load(&p->c->x->stop)) return WASI_OK;
            poll_waited(p, left);
            return WASI_STOPPED;
        }
    }
}

/* Bytes that a read would give now, as far as that can be known. */
static u64
poll_bytes(const wasi_file *f)
{
    int n = 0;
    struct stat st;
    if (f->kind == KIND_STREAM) return gbx_wasi_stream_left(f->stream);
    if (f->kind == KIND_NODE) return gbx_wasi_node_left(f->node, f->at);
    if (f->kind != KIND_HOST) return 0;
    if (f->type == TYPE_REGULAR_FILE) {
        off_t const at = lseek(f->host, 0, SEEK_CUR);
        return at >= 0 && !fstat(f->host, &st) && st.st_size > at ? (u64)(st.st_size - at) : 0;
    }
    return ioctl(f->host, FIONREAD, &n) || n < 0 ? 0 : (u64)n;
}

/* What the host's poll said of a descriptor, for one subscription; false: it is not ready. A peer that
 * sends no more has hung up for a reader once everything is read, and not for a writer: it may still read.
 * GO: runtime/netpoll_wasip1.go netpoll (1.26) wakes the writer too at a hang-up. */
static bool
poll_got(const poll_wait *p, const poll_sub *s, const wasi_file *f, u64 *bytes, u16 *flags,
         wasi_errno *error)
{
    bool const reads = s->tag == EVENT_FD_READ;
    bool const ended = f->listens && atomic_load(&p->c->w->ending);
    int const got = p->fds[s->slot].revents | (ended ? POLLIN | POLLOUT : 0);
    int const wanted = f->kind == KIND_STREAM ? POLLIN : reads ? POLLIN | POLLRDHUP : POLLOUT;
    if (!(got & (wanted | POLLHUP | POLLERR | POLLNVAL))) return false;
    *bytes = reads ? poll_bytes(f) : 1;
    if (got & POLLHUP || (reads && got & POLLRDHUP && !*bytes)) *flags = EVENT_HANGUP;
    if (got & POLLNVAL) *error = WASI_BADF;
    return true;
}

/* Fills one event; false when the subscription is not ready. */
static bool
poll_event(poll_wait *p, const poll_sub *s, u64 now, u8 *out)
{
    u16 flags = 0;
    u64 bytes = 0;
    wasi_errno error = s->error;
    if (s->tag == EVENT_CLOCK) {
        if (!error && s->deadline > now) return false;
    } else if (s->again) {
        if (s->deadline > now) return false;
        bytes = 1;
    } else if (!error) {
        const wasi_file *const f = gbx_wasi_fds_find(&p->c->w->fds, s->fd);
        if (s->ready) bytes = s->tag == EVENT_FD_READ && !poll_is_unasked(p, f) ? poll_bytes(f) : 1;
        else if (!poll_got(p, s, f, &bytes, &flags, &error)) return false;
    }
    memset(out, 0, EVENT_BYTES);
    put_u64(out, s->userdata);
    put_u16(out + 8, (u16)error);
    out[10] = s->tag;
    put_u64(out + 16, bytes);
    put_u16(out + 24, flags);
    return true;
}

static wasi_errno
poll_run(p1_call *c, poll_sub *subs, u32 count, const u8 *in, u8 *out, u8 *out_count)
{
    poll_wait p = {.c = c, .subs = subs, .count = count};
    WASI_TRY(poll_read(&p, in));
    WASI_TRY(poll_until(&p));
    u64 const now = poll_clock(&p);
    u32 events = 0;
    for (u32 i = 0; i < count; i++)
        if (poll_event(&p, &subs[i], now, out + (size_t)events * EVENT_BYTES)) events++;
    put_u32(out_count, events);
    return WASI_OK;
}

wasi_errno
gbx_wasi_poll_oneoff(p1_call *c)
{
    u32 const count = guest_u32(c, 2);
    const u8 *const in = guest_range(c, guest_u32(c, 0), (u64)count * SUB_BYTES);
    u8 *const out = guest_range(c, guest_u32(c, 1), (u64)count * EVENT_BYTES);
    u8 *const out_count = guest_range(c, guest_u32(c, 3), 4);
    if (!in || !out || !out_count) return WASI_FAULT;
    if (count > WASI_MAX_SUBS) gbx_wasi_met(c->w, WASI_MET_SUBS);
    if (!count || count > WASI_MAX_SUBS) return WASI_INVAL;
    poll_sub few[POLL_FEW];
    poll_sub *const subs = count <= POLL_FEW ? few : gbx_base_alloc(count, sizeof *subs);
    if (!subs) return WASI_NOMEM;
    wasi_errno const e = poll_run(c, subs, count, in, out, out_count);
    if (subs != few) gbx_base_free(subs);
    return e;
}
