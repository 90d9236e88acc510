/* Standard streams that are no descriptor of the host's: bytes in memory that are read, memory that takes
 * what is written, and the embedder's own functions.
 *
 * Of memory that takes what is written, there is as much as was granted: who would write more has what fits
 * written, and is ended by a trap, as at any bound on output: a program that ignores errors of its output
 * must not go on as if it had been read.
 *
 * RULE: S14 The embedder's functions do not wait, they say that they would. The wait is here, for a
 * descriptor of theirs or for a while, and ends when x->stop is set.
 *
 * What must hold: these functions may call the guest, which may close and open descriptors. So no wasi_file
 * is looked at after one of them was called; streams live as long as the context.
 *
 * SAFETY: what a function says it moved is compared with what it was given. */
#include "wasi/wasi_int.h"

#include <poll.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

#define STREAM_FIRST_NS  1000000u  /* the first wait for a function that gives no descriptor, */
#define STREAM_LONG_NS   64000000u /* and the longest */
#define STREAM_LEAST_CAP 4096u

/* Until it is worth asking again. */
static wasi_errno
stream_wait(p1_call *c, wasi_stream *s, u64 *pause_ns)
{
    struct pollfd p[2] = {{.fd = s->ready_fd, .events = POLLIN}};
    u32 ready;
    bool const has_fd = s->ready_fd >= 0;
    u64 const pause = *pause_ns ? *pause_ns : STREAM_FIRST_NS;
    *pause_ns = min_u64(2 * pause, STREAM_LONG_NS);
    return gbx_wasi_wait(c->x, p, has_fd, has_fd ? WASI_FOREVER : pause, &ready);
}

/* ---- reading */

static size_t
stream_copy_in(wasi_stream *s, u8 *buf, size_t len)
{
    size_t const take = min_u64(len, s->blob->len - s->at);
    if (take) memcpy(buf, s->blob->data + s->at, take);
    s->at += take;
    return take;
}

/* One buffer: at least a byte, unless that is the end. */
static wasi_errno
stream_read_call(p1_call *c, wasi_stream *s, bool waits, u8 *buf, size_t len, size_t *done)
{
    for (u64 pause = 0;;) {
        if (atomic_load(&c->x->stop)) return WASI_STOPPED;
        i64 const n = s->read(s->data, buf, len);
        s->dry = n == WASI_STREAM_BLOCKS;
        if (n >= 0) {
            *done = (size_t)n;
            return (u64)n <= len ? WASI_OK : WASI_IO;
        }
        if (!s->dry) return WASI_IO;
        if (!waits) return WASI_AGAIN;
        WASI_TRY(stream_wait(c, s, &pause));
    }
}

/* What there is, as from a pipe; a seeded guest gets its buffers filled, so that it does not matter in how
 * many pieces it came. */
wasi_errno
gbx_wasi_stream_read(p1_call *c, const wasi_file *f, p1_iovs *v, u64 *done)
{
    wasi_stream *const s = f->stream;
    bool const fills = c->w->seeded != NULL, waits = fills || !(f->flags & FDFLAG_NONBLOCK);
    *done = 0;
    if (!s->blob && !s->read) return WASI_OK;
    for (u32 i = 0; i < v->count; i++) {
        u8 *buf = v->v[i].iov_base;
        for (size_t left = v->v[i].iov_len, n = 0; left; left -= n, buf += n) {
            wasi_errno e = WASI_OK;
            if (s->blob) n = stream_copy_in(s, buf, min_u64(left, WASI_MAX_IO_PIECE));
            else if (*done && !fills) return WASI_OK; /* one question a call: the next one might wait */
            else e = stream_read_call(c, s, waits, buf, left, &n);
            if (e) return *done && e != WASI_STOPPED ? WASI_OK : e;
            if (!n) return WASI_OK;
            *done += n;
            if (atomic_load(&c->x->stop)) return WASI_STOPPED;
        }
    }
    return WASI_OK;
}

void
gbx_wasi_stream_again(wasi_stream *s)
{
    s->at = s->len = 0;
    s->dry = s->broken = false;
}

u64
gbx_wasi_stream_left(const wasi_stream *s)
{
    return s->blob ? s->blob->len - s->at : s->read ? 1 : 0;
}

/* ---- writing */

static bool
stream_grow(wasi_stream *s, size_t more)
{
    size_t const want = s->len + more; /* both at most s->most */
    if (want <= s->cap) return true;
    size_t const cap = min_u64(max_u64(max_u64(2 * (u64)s->cap, want), STREAM_LEAST_CAP), s->most);
    u8 *const grown = gbx_base_realloc(s->kept, cap, 1);
    if (!grown) return false;
    s->kept = grown;
    s->cap = cap;
    return true;
}

static wasi_errno
stream_keep(p1_call *c, wasi_stream *s, const u8 *p, size_t len, size_t *done)
{
    size_t const take = min_u64(len, s->most - s->len);
    *done = 0;
    if (take && !stream_grow(s, take)) return WASI_NOMEM;
    if (take) memcpy(s->kept + s->len, p, take);
    s->len += take;
    *done = take;
    if (take == len) return WASI_OK;
    gbx_wasi_met(c->w, WASI_MET_CAPTURE);
    c->trap = GBX_TRAP_OUTPUT_LIMIT;
    c->x->limit = s->most;
    text_buf t = gbx_base_text_init(c->x->message, sizeof c->x->message);
    gbx_base_text_printf(&t, "standard stream %u has filled the %llu bytes of memory that take it",
                         (u32)(s - c->w->streams), (unsigned long long)s->most);
    return WASI_OK;
}

/* All of it, however long it takes: see vfs_io.c. */
static wasi_errno
stream_write_call(p1_call *c, wasi_stream *s, const u8 *p, size_t len, size_t *done)
{
    u64 pause = 0;
    for (*done = 0; *done < len;) {
        if (atomic_load(&c->x->stop)) return WASI_STOPPED;
        i64 const n = s->write(s->data, p + *done, len - *done);
        if (n > 0 && (u64)n > len - *done) return WASI_IO;
        if (n > 0) {
            *done += (size_t)n;
            pause = 0;
            continue;
        }
        if (n == WASI_STREAM_CLOSED) return WASI_PIPE;
        if (n != 0 && n != WASI_STREAM_BLOCKS) return WASI_IO;
        WASI_TRY(stream_wait(c, s, &pause));
    }
    return WASI_OK;
}

/* One that goes on writing where nobody reads is ended as with a pipe: see io_failed. */
static wasi_errno
stream_failed(p1_call *c, wasi_stream *s, wasi_errno e, u64 done)
{
    if (e == WASI_STOPPED) return e;
    if (done) return WASI_OK;
    if (e == WASI_PIPE && s->broken && c->w->pipe_ends) c->trap = GBX_TRAP_BROKEN_PIPE;
    s->broken |= e == WASI_PIPE;
    return e;
}

wasi_errno
gbx_wasi_stream_write(p1_call *c, wasi_stream *s, const p1_iovs *v, u64 *done)
{
    *done = 0;
    for (u32 i = 0; i < v->count && c->trap == GBX_TRAP_NONE; i++) {
        const u8 *const p = v->v[i].iov_base;
        size_t n = 0;
        wasi_errno e = WASI_IO;
        if (!v->v[i].iov_len) continue;
        if (s->most) e = stream_keep(c, s, p, v->v[i].iov_len, &n);
        else if (s->write) e = stream_write_call(c, s, p, v->v[i].iov_len, &n);
        *done += n;
        if (e) return stream_failed(c, s, e, *done);
    }
    return WASI_OK;
}

/* ---- building and taking */

wasi_blob *
gbx_wasi_blob_new(const u8 *data, size_t len)
{
    size_t bytes;
    if (__builtin_add_overflow(sizeof(wasi_blob), len, &bytes)) return NULL;
    wasi_blob *const b = gbx_base_alloc(bytes, 1);
    if (!b) return NULL;
    atomic_init(&b->refs, 1);
    b->len = len;
    if (len) memcpy(b->data, data, len);
    return b;
}

wasi_blob *
gbx_wasi_blob_retain(wasi_blob *b)
{
    if (b) atomic_fetch_add(&b->refs, 1);
    return b;
}

void
gbx_wasi_blob_release(wasi_blob *b)
{
    if (b && atomic_fetch_sub(&b->refs, 1) == 1) gbx_base_free(b);
}

void
gbx_wasi_stream_begin(wasi_stream *s, const wasi_stream_grant *g)
{
    *s = (wasi_stream){.blob = gbx_wasi_blob_retain(g->blob),
                       .most = g->capture_bytes,
                       .read = g->read,
                       .write = g->write,
                       .ready_fd = g->has_ready_fd ? g->ready_fd : -1,
                       .data = g->data};
}

void
gbx_wasi_stream_deinit(wasi_stream *s)
{
    gbx_wasi_blob_release(s->blob);
    gbx_base_free(s->kept);
    *s = (wasi_stream){.ready_fd = -1};
}

const u8 *
gbx_wasi_captured(const wasi_ctx *w, u32 fd, size_t *len)
{
    *len = w->streams[fd].len;
    return w->streams[fd].kept;
}

void
gbx_wasi_captured_clear(wasi_ctx *w, u32 fd)
{
    w->streams[fd].len = 0;
}
