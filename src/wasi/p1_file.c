/* The fd_ calls on the file behind a descriptor: metadata, size, times, space, durability, listing. */
#include "wasi/guest.h"
#include "wasi/wasi_int.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/os_file.h"

wasi_errno
gbx_wasi_fd_filestat_get(p1_call *c)
{
    u8 *const out = guest_range(c, guest_u32(c, 1), 64);
    if (!out) return WASI_FAULT;
    wasi_file *f;
    WASI_TRY(gbx_wasi_file_get(c, guest_u32(c, 0), c->row->rights, &f));
    struct stat st;
    WASI_TRY(gbx_wasi_vfs_stat(f, &st));
    if (f->kind == KIND_HOST) WASI_TRY(wasi_stat_shown(c->w, f->host, NULL, &st));
    gbx_wasi_clock_hide(c->w, f, &st);
    gbx_wasi_put_filestat(out, &st, f->type);
    return WASI_OK;
}

/* RULE: S2. A directory may have become the host's cache since the guest got hold of it. */
static wasi_errno
file_check_cache(const wasi_file *f)
{
    struct stat st;
    if (f->type != TYPE_DIRECTORY || f->kind != KIND_HOST) return WASI_OK;
    if (fstat(f->host, &st)) return gbx_wasi_errno_of(errno);
    return gbx_wasi_policy_cache(&st) ? WASI_PERM : WASI_OK;
}

/* The descriptor of a file that is about to be changed. */
static wasi_errno
file_to_change(p1_call *c, wasi_file **out)
{
    WASI_TRY(gbx_wasi_file_get(c, guest_u32(c, 0), c->row->rights, out));
    return (*out)->read_only ? WASI_ROFS : file_check_cache(*out);
}

wasi_errno
gbx_wasi_fd_filestat_set_times(p1_call *c)
{
    struct timespec times[2];
    WASI_TRY(gbx_wasi_times_of(c, c->arg[1], c->arg[2], guest_u32(c, 3), times));
    wasi_file *f;
    WASI_TRY(file_to_change(c, &f));
    if (futimens(f->host, times)) return gbx_wasi_errno_of(errno);
    gbx_wasi_seeded_set_times(c->w, f->host, NULL, times);
    return WASI_OK;
}

/* Sets the size to `len`, or allocates `len` bytes at `offset`: a call on the host that may meet
 * RLIMIT_FSIZE, whose signal ends a process by default. */
static wasi_errno
file_grow(p1_call *c, wasi_file *f, u64 offset, u64 len, bool truncate)
{
    os_quiet q;
    int rc;
    if (c->w->quiet) gbx_base_os_quiet_begin(&q);
    do {
        rc = truncate ? ftruncate(f->host, (off_t)len)
                      : fallocate(f->host, 0, (off_t)offset, (off_t)len);
    } while (rc && errno == EINTR && !atomic_load(&c->x->stop));
    if (c->w->quiet) gbx_base_os_quiet_end(&q);
    if (!rc) return WASI_OK;
    return errno == EINTR ? WASI_STOPPED : gbx_wasi_errno_of(errno);
}

static wasi_errno
file_grow_counted(p1_call *c, wasi_file *f, u64 offset, u64 len, bool truncate)
{
    bool const is_bounded = c->w->disk_left != UINT64_MAX;
    u64 const more = !is_bounded ? 0 : truncate ? gbx_wasi_budget_growth(f, len) : len;
    WASI_TRY(gbx_wasi_budget_has(c->w, more));
    wasi_errno const e = file_grow(c, f, offset, len, truncate);
    if (!e) gbx_wasi_budget_take(c->w, more);
    if (!e) gbx_wasi_seeded_written(c->w, f);
    if (e == WASI_NOSPC && f->scratch) gbx_wasi_met(c->w, WASI_MET_SCRATCH);
    return e;
}

wasi_errno
gbx_wasi_fd_filestat_set_size(p1_call *c)
{
    u64 const size = c->arg[1];
    wasi_file *f;
    WASI_TRY(file_to_change(c, &f));
    if (size > INT64_MAX) return WASI_FBIG;
    return file_grow_counted(c, f, 0, size, true);
}

/* Real allocation, where the file system has it; NOTSUP else, never a loop of writes. In one piece, so that
 * what cannot be had takes nothing. */
wasi_errno
gbx_wasi_fd_allocate(p1_call *c)
{
    u64 const offset = c->arg[1], len = c->arg[2];
    wasi_file *f;
    WASI_TRY(file_to_change(c, &f));
    if (!len) return WASI_INVAL;
    if (offset > INT64_MAX || len > INT64_MAX - offset) return WASI_FBIG;
    return file_grow_counted(c, f, offset, len, false);
}

wasi_errno
gbx_wasi_fd_advise(p1_call *c)
{
    static const int advices[] = {POSIX_FADV_NORMAL,   POSIX_FADV_SEQUENTIAL, POSIX_FADV_RANDOM,
                                  POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED,   POSIX_FADV_NOREUSE};
    u64 const offset = c->arg[1], len = c->arg[2];
    u32 const advice = guest_u32(c, 3);
    if (advice >= GBX_LEN(advices) || offset > INT64_MAX || len > INT64_MAX - offset)
        return WASI_INVAL;
    wasi_file *f;
    WASI_TRY(gbx_wasi_file_get(c, guest_u32(c, 0), c->row->rights, &f));
    if (f->kind != KIND_HOST) return WASI_OK;
    int const e = posix_fadvise(f->host, (off_t)offset, (off_t)len, advices[advice]);
    return e ? gbx_wasi_errno_of(e) : WASI_OK;
}

static wasi_errno
file_sync(p1_call *c, int (*sync_host)(int fd))
{
    wasi_file *f;
    WASI_TRY(gbx_wasi_file_get(c, guest_u32(c, 0), c->row->rights, &f));
    if (f->kind != KIND_HOST) return WASI_OK;
    return sync_host(f->host) ? gbx_wasi_errno_of(errno) : WASI_OK;
}

wasi_errno
gbx_wasi_fd_sync(p1_call *c)
{
    return file_sync(c, fsync);
}

wasi_errno
gbx_wasi_fd_datasync(p1_call *c)
{
    return file_sync(c, fdatasync);
}

wasi_errno
gbx_wasi_fd_readdir(p1_call *c)
{
    u32 const len = guest_u32(c, 2);
    u8 *const buf = guest_range(c, guest_u32(c, 1), len);
    u8 *const out = guest_range(c, guest_u32(c, 4), 4);
    if (!buf || !out) return WASI_FAULT;
    wasi_file *f = gbx_wasi_fds_find(&c->w->fds, guest_u32(c, 0));
    if (f && f->type != TYPE_DIRECTORY) return WASI_NOTDIR;
    WASI_TRY(gbx_wasi_file_get(c, guest_u32(c, 0), c->row->rights, &f));
    WASI_TRY(file_check_cache(f));
    u32 used;
    if (f->kind == KIND_NODE) gbx_wasi_node_list(f->node, c->arg[3], buf, len, &used);
    else if (c->w->seeded) WASI_TRY(gbx_wasi_sorted_read(c->w, f, c->arg[3], buf, len, &used));
    else WASI_TRY(gbx_wasi_dir_read(c->x, f, c->arg[3], buf, len, &used));
    put_u32(out, used);
    return WASI_OK;
}
