/* Waits, metadata, time and randomness: the effects that are neither data nor directories.
 *
 * RULE: S14 Every wait for the host ends when x->stop is set: x->stop_fd is polled beside what is
 * waited for, and the word is the truth. */
#include "wasi/guest.h"
#include "wasi/wasi_int.h"

#include <errno.h>
#include <poll.h>
#include <sys/random.h>
#include <time.h>

#include "base/os_sync.h"

#define VFS_NS_PER_S 1000000000u

/* A stop that came and went leaves its event set: taken back here, and then the word is read again,
 * which was written before the event. */
wasi_errno
gbx_wasi_wait(gbx_exec *x, struct pollfd *fds, u32 count, u64 timeout_ns, u32 *ready)
{
    u64 const start = gbx_base_os_now_ns();
    bool const stoppable = x->stop_fd >= 0;
    fds[count] = (struct pollfd){.fd = x->stop_fd, .events = POLLIN};
    *ready = 0;
    for (;;) {
        if (atomic_load(&x->stop)) return WASI_STOPPED;
        u64 const past = gbx_base_os_now_ns() - start;
        u64 const left = timeout_ns == WASI_FOREVER ? WASI_FOREVER
                         : past < timeout_ns        ? timeout_ns - past
                                                    : 0;
        struct timespec const t = {.tv_sec = (time_t)(left / VFS_NS_PER_S),
                                   .tv_nsec = (long)(left % VFS_NS_PER_S)};
        int n = ppoll(fds, count + stoppable, left == WASI_FOREVER ? NULL : &t, NULL);
        if (n < 0 && errno != EINTR) return gbx_wasi_errno_of(errno);
        bool stale = false;
        if (n > 0 && stoppable && fds[count].revents) {
            gbx_base_os_event_clear(x->stop_fd);
            stale = !--n;
        }
        if (atomic_load(&x->stop)) return WASI_STOPPED;
        if (n < 0 || stale) continue;
        *ready = (u32)n;
        return WASI_OK;
    }
}

u64
gbx_wasi_now(wasi_ctx *w, u32 clock_id)
{
    if (w->clock_now) return w->clock_now(w->clock_data, clock_id);
    struct timespec t = {0};
    clock_gettime(clock_id == CLOCK_ID_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC, &t);
    return t.tv_sec < 0 ? 0 : (u64)t.tv_sec * VFS_NS_PER_S + (u64)t.tv_nsec;
}

wasi_errno
gbx_wasi_vfs_random(wasi_ctx *w, gbx_exec *x, u8 *buf, u64 len)
{
    while (len) {
        if (atomic_load(&x->stop)) return WASI_STOPPED;
        u64 got = min_u64(len, WASI_MAX_RANDOM_CHUNK);
        if (w->random_fill) {
            if (!w->random_fill(w->random_data, buf, got)) return WASI_IO;
        } else {
            ssize_t const n = getrandom(buf, got, 0);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return WASI_IO;
            got = (u64)n;
        }
        buf += got;
        len -= got;
    }
    return WASI_OK;
}

/* Preview 1 counts unsigned nanoseconds since 1970; what lies before or beyond is as near as can be. */
static u64
vfs_ns(struct timespec t)
{
    u64 ns;
    if (t.tv_sec < 0) return 0;
    if (__builtin_mul_overflow((u64)t.tv_sec, VFS_NS_PER_S, &ns)) return UINT64_MAX;
    if (__builtin_add_overflow(ns, (u64)t.tv_nsec, &ns)) return UINT64_MAX;
    return ns;
}

void
gbx_wasi_put_filestat(u8 *out, const struct stat *st, u8 type)
{
    memset(out, 0, 64);
    put_u64(out, st->st_dev);
    put_u64(out + 8, st->st_ino);
    out[16] = type;
    put_u64(out + 24, st->st_nlink);
    put_u64(out + 32, st->st_size < 0 ? 0 : (u64)st->st_size);
    put_u64(out + 40, vfs_ns(st->st_atim));
    put_u64(out + 48, vfs_ns(st->st_mtim));
    put_u64(out + 56, vfs_ns(st->st_ctim));
}

wasi_errno
gbx_wasi_vfs_stat(const wasi_file *f, struct stat *st)
{
    if (f->kind == KIND_HOST) return fstat(f->host, st) ? gbx_wasi_errno_of(errno) : WASI_OK;
    if (f->kind == KIND_NODE) gbx_wasi_node_stat(f->node, st);
    else gbx_wasi_device_stat(f->kind, st);
    return WASI_OK;
}

static wasi_errno
vfs_time(p1_call *c, u64 ns, bool given, bool now, struct timespec *out)
{
    if (given && now) return WASI_INVAL;
    *out = (struct timespec){.tv_nsec = UTIME_OMIT};
    /* The host's own "now" needs fewer permissions than a time that is spelt out. */
    if (now && !c->w->clock_now) {
        out->tv_nsec = UTIME_NOW;
    } else if (given || now) {
        u64 const t = now ? gbx_wasi_now(c->w, CLOCK_ID_REALTIME) : ns;
        *out = (struct timespec){.tv_sec = (time_t)(t / VFS_NS_PER_S),
                                 .tv_nsec = (long)(t % VFS_NS_PER_S)};
    }
    return WASI_OK;
}

wasi_errno
gbx_wasi_times_of(p1_call *c, u64 atim, u64 mtim, u32 fstflags, struct timespec out[2])
{
    if (fstflags & ~(u32)FST_ALL) return WASI_INVAL;
    WASI_TRY(vfs_time(c, atim, fstflags & FST_ATIM, fstflags & FST_ATIM_NOW, &out[0]));
    return vfs_time(c, mtim, fstflags & FST_MTIM, fstflags & FST_MTIM_NOW, &out[1]);
}
