/* The guest's descriptors: a table of our own, so that no number of the host's ever means anything to
 * a guest. Lowest free first (programs rely on it: close(0), open), capped. */
#include "wasi/wasi_int.h"

#include <errno.h>
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
