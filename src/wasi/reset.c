/* A context as it was linked, for the next request to the same instance.
 *
 * What the guest opened is closed, what it was granted is as it was granted; scratch directories are other,
 * empty ones; what it may write is what it might at first; a seeded context begins its answers again. What
 * the host keeps stays the host's: files keep what was written, streams stand where they stand.
 *
 * What must hold: a granted descriptor that the guest closed cannot be had back. That is seen before anything
 * is changed. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os_file.h"
#include "base/os_scratch.h"
#include "wasi/wasi_int.h"

void
gbx_wasi_ctx_mark(wasi_ctx *w)
{
    for (u32 fd = 0; fd < w->granted; fd++) {
        wasi_file *const f = gbx_wasi_fds_find(&w->fds, fd);
        if (!f) continue;
        f->first_flags = f->flags;
        f->first_rights = f->rights;
        f->first_inheriting = f->inheriting;
    }
}

static gbx_code
reset_check(wasi_ctx *w, gbx_err *err)
{
    for (u32 fd = 0; fd < w->granted; fd++) {
        const wasi_file *const f = gbx_wasi_fds_find(&w->fds, fd);
        if (f && f->granted == fd + 1) continue;
        return gbx_base_err_set(err, GBX_STATE, GBX_NO_OFFSET,
                                "the guest has closed descriptor %u, which it was granted", fd);
    }
    return GBX_OK;
}

static void
reset_descriptors(wasi_ctx *w)
{
    for (u32 fd = w->granted; fd < w->fds.len; fd++)
        if (gbx_wasi_fds_find(&w->fds, fd)) (void)gbx_wasi_fds_close(&w->fds, fd);
    w->fds.was_full = false;
    for (u32 fd = 0; fd < w->granted; fd++) {
        wasi_file *const f = &w->fds.files[fd];
        f->flags = f->first_flags;
        f->rights = f->first_rights;
        f->inheriting = f->first_inheriting;
        f->broken = false;
        gbx_wasi_dir_free(f->dir);
        gbx_wasi_sorted_free(f->sorted);
        f->dir = NULL;
        f->sorted = NULL;
        if (f->preopen) (void)lseek(f->host, 0, SEEK_SET);
    }
}

/* Another file system in the place of the one that is at `file`, whose root is *root. */
static gbx_code
reset_scratch(wasi_file *file, wasi_preopen *p, int *root, gbx_err *err)
{
    struct stat st;
    int const fresh = gbx_base_os_scratch(p->scratch_bytes, WASI_SCRATCH_FILES(p->scratch_bytes));
    int const dir = fresh < 0 ? -1 : openat(fresh, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int const above = gbx_base_os_fd_above_stdio(dir);
    if (above < 0 || fstat(above, &st)) {
        int const e = errno;
        if (above >= 0) close(above);
        if (fresh >= 0) close(fresh);
        return gbx_base_err_set(err, GBX_UNSUPPORTED, GBX_NO_OFFSET, "no new scratch directory for %s: %s",
                                p->name, strerror(e));
    }
    close(file->host);
    close(*root);
    file->host = above;
    *root = fresh;
    p->dev = st.st_dev;
    p->ino = st.st_ino;
    return GBX_OK;
}

static gbx_code
reset_scratches(wasi_ctx *w, gbx_err *err)
{
    u32 const first = w->granted - w->preopen_count;
    u32 nth = 0;
    for (u32 k = 0; k < w->preopen_count; k++) {
        if (!w->preopens[k].scratch_bytes) continue;
        GBX_ASSERT(nth < w->scratch_count);
        GBX_TRY(reset_scratch(&w->fds.files[first + k], &w->preopens[k], &w->scratches[nth++], err));
    }
    return GBX_OK;
}

gbx_code
gbx_wasi_ctx_reset(wasi_ctx *w, u64 output_bytes, u64 disk_bytes, gbx_err *err)
{
    GBX_TRY(reset_check(w, err));
    gbx_wasi_ctx_reset_colours(w);
    reset_descriptors(w);
    w->tty = (wasi_tty){0};
    w->output_left = output_bytes;
    w->disk_left = disk_bytes;
    w->met = 0;
    w->refusal_count = 0;
    w->missed_count = 0;
    w->accepts = false;
    gbx_wasi_used_again(w->used);
    gbx_wasi_seeded_again(w);
    w->clock = (wasi_clock){0};
    for (u32 i = 0; i < GBX_LEN(w->streams); i++) gbx_wasi_stream_again(&w->streams[i]);
    return reset_scratches(w, err);
}
