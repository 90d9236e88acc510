/* The guest's descriptors: a table of our own, so that no number of the host's ever means anything to
 * a guest. Lowest free first (programs rely on it: close(0), open), capped.
 *
 * The process has a limit of its own, which all its guests share with the host. The last descriptors below
 * it are the host's: Linux gives the lowest free number, so one this high says that all below are taken. */
#include "wasi/wasi_int.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"

#define FDTABLE_FIRST 16

wasi_file *
gbx_wasi_fds_find(wasi_fds *t, u32 fd)
{
    return fd < t->len && t->files[fd].kind != KIND_FREE ? &t->files[fd] : NULL;
}

wasi_errno
gbx_wasi_fds_reserve(wasi_fds *t, u32 *fd)
{
    u32 i = t->lowest;
    while (i < t->len && t->files[i].kind != KIND_FREE) i++;
    t->lowest = i;
    if (i >= WASI_MAX_FDS) {
        t->was_full = true;
        return WASI_MFILE;
    }
    if (i == t->len) {
        u32 const len = t->len ? (u32)min_u64(2 * (u64)t->len, WASI_MAX_FDS) : FDTABLE_FIRST;
        wasi_file *const grown = gbx_base_realloc(t->files, len, sizeof *grown);
        if (!grown) return WASI_NOMEM;
        for (u32 k = t->len; k < len; k++) grown[k] = (wasi_file){.host = -1};
        t->files = grown;
        t->len = len;
    }
    *fd = i;
    return WASI_OK;
}

/* Is `fd` one of the last? Where the limit is so low that the reserve would leave little, a
 * quarter is kept. */
static bool
fdtable_is_host_only(int fd)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) return false;
    return (u64)fd >= limit.rlim_cur - min_u64(WASI_MAX_HOST_FDS, limit.rlim_cur / 4);
}

/* A look-up had others open when it opened this one: their numbers are free by now. */
wasi_errno
gbx_wasi_fds_host_keep(int *fd)
{
    if (!fdtable_is_host_only(*fd)) return WASI_OK;
    int const lower = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(*fd);
    *fd = lower;
    if (lower < 0) return gbx_wasi_errno_of(errno);
    if (!fdtable_is_host_only(lower)) return WASI_OK;
    close(lower);
    return WASI_MFILE;
}

wasi_errno
gbx_wasi_fds_host_has_room(int host)
{
    int const fd = fcntl(host, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (fd < 0) return gbx_wasi_errno_of(errno);
    close(fd);
    return fdtable_is_host_only(fd) ? WASI_MFILE : WASI_OK;
}

void
gbx_wasi_fds_put(wasi_fds *t, u32 fd, const wasi_file *file)
{
    GBX_ASSERT(fd < t->len && t->files[fd].kind == KIND_FREE && file->kind != KIND_FREE);
    t->files[fd] = *file;
}

/* Closes what the entry holds and frees the entry. */
static wasi_errno
fdtable_release(wasi_fds *t, u32 fd)
{
    wasi_file *const f = &t->files[fd];
    int e = 0;
    /* Linux frees the descriptor whatever close answers; EINTR says nothing about the data. */
    if (f->host >= 0 && close(f->host) && errno != EINTR) e = errno;
    gbx_wasi_dir_free(f->dir);
    gbx_wasi_sorted_free(f->sorted);
    *f = (wasi_file){.host = -1};
    return e ? gbx_wasi_errno_of(e) : WASI_OK;
}

wasi_errno
gbx_wasi_fds_close(wasi_fds *t, u32 fd)
{
    GBX_ASSERT(gbx_wasi_fds_find(t, fd));
    if (fd < t->lowest) t->lowest = fd;
    return fdtable_release(t, fd);
}

void
gbx_wasi_fds_move(wasi_fds *t, u32 from, u32 to)
{
    GBX_ASSERT(from != to && gbx_wasi_fds_find(t, from) && gbx_wasi_fds_find(t, to));
    (void)fdtable_release(t, to);
    t->files[to] = t->files[from];
    t->files[from] = (wasi_file){.host = -1};
    if (from < t->lowest) t->lowest = from;
}

void
gbx_wasi_fds_deinit(wasi_fds *t)
{
    for (u32 fd = 0; fd < t->len; fd++)
        if (t->files[fd].kind != KIND_FREE) (void)fdtable_release(t, fd);
    gbx_base_free(t->files);
    *t = (wasi_fds){0};
}
