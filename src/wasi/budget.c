/* What a guest may still write: bytes of output (to what is no file: streams, pipes, sockets), and bytes to
 * files.
 *
 * Both only ever shrink. A guest that would write more output than is left writes what is left and ends by a
 * trap: a program that ignores errors of its output must not go on as if it had been read. One that would
 * write more to files is told that the device is full, as natively, and what is left is written first. A
 * hole in front of what is written counts, for there are file systems that fill it; so does a new name, for
 * it takes room without a byte in it.
 *
 * SAFETY: lengths are the guest's: sums are made of what has been compared with what is left. */
#include "wasi/wasi_int.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void
gbx_wasi_met(wasi_ctx *w, wasi_met met)
{
    w->met |= 1u << met;
}

u32
gbx_wasi_met_bits(const wasi_ctx *w)
{
    return w->met | (w->fds.was_full ? 1u << WASI_MET_FDS : 0);
}

static wasi_errno
budget_disk_is_out(wasi_ctx *w)
{
    gbx_wasi_met(w, WASI_MET_DISK);
    return WASI_NOSPC;
}

/* Leave the first `bytes` of the buffers. */
static void
budget_cut(p1_iovs *v, u64 bytes)
{
    v->total = bytes;
    for (u32 i = 0; i < v->count; i++) {
        v->v[i].iov_len = min_u64(v->v[i].iov_len, bytes);
        bytes -= v->v[i].iov_len;
    }
}

/* Bytes between the end of the file and where a write begins. */
static wasi_errno
budget_hole(const wasi_file *f, u64 at, u64 *hole)
{
    struct stat st;
    *hole = 0;
    if (at == WASI_HERE && f->flags & FDFLAG_APPEND) return WASI_OK;
    if (at == WASI_HERE) {
        off_t const here = lseek(f->host, 0, SEEK_CUR);
        if (here < 0) return gbx_wasi_errno_of(errno);
        at = (u64)here;
    }
    if (fstat(f->host, &st)) return gbx_wasi_errno_of(errno);
    u64 const size = st.st_size < 0 ? 0 : (u64)st.st_size;
    if (at > size) *hole = at - size;
    return WASI_OK;
}

wasi_errno
gbx_wasi_budget_begin(p1_call *c, const wasi_file *f, p1_iovs *v, u64 at, wasi_budget *b)
{
    wasi_ctx *const w = c->w;
    bool const is_file = f->type == TYPE_REGULAR_FILE && !f->inherited;
    *b = (wasi_budget){0};
    if (f->kind != KIND_HOST && f->kind != KIND_STREAM && !f->sink) return WASI_OK;
    u64 *const left = is_file ? &w->disk_left : &w->output_left;
    if (*left == UINT64_MAX || !v->total) return WASI_OK;
    if (is_file) WASI_TRY(budget_hole(f, at, &b->hole));
    b->left = left;
    if (b->hole <= *left && v->total <= *left - b->hole) return WASI_OK;
    b->is_cut = true;
    if (is_file && b->hole >= *left) return budget_disk_is_out(w);
    budget_cut(v, *left - b->hole);
    return WASI_OK;
}

wasi_errno
gbx_wasi_budget_end(p1_call *c, const wasi_budget *b, wasi_errno e, u64 done)
{
    if (!b->left || e) return e;
    *b->left -= done ? done + b->hole : 0;
    if (!b->is_cut || *b->left) return WASI_OK;
    if (b->left == &c->w->disk_left) {
        gbx_wasi_met(c->w, WASI_MET_DISK);
        return WASI_OK;
    }
    gbx_wasi_met(c->w, WASI_MET_OUTPUT);
    c->trap = GBX_TRAP_OUTPUT_LIMIT;
    return WASI_OK;
}

/* Is there room for `bytes` more in files? */
wasi_errno
gbx_wasi_budget_has(wasi_ctx *w, u64 bytes)
{
    return bytes <= w->disk_left ? WASI_OK : budget_disk_is_out(w);
}

void
gbx_wasi_budget_take(wasi_ctx *w, u64 bytes)
{
    if (w->disk_left != UINT64_MAX) w->disk_left -= min_u64(bytes, w->disk_left);
}

/* Bytes that a file grows by when its size is set. */
u64
gbx_wasi_budget_growth(const wasi_file *f, u64 size)
{
    struct stat st;
    if (fstat(f->host, &st) || st.st_size < 0) return size;
    return size > (u64)st.st_size ? size - (u64)st.st_size : 0;
}

/* gbx_wasi_path_find, where a file may be made: whether it was is told by making it alone. A name that
 * somebody else makes and removes all the time, and a link to nothing, are made the plain way in the end, and
 * count. */
wasi_errno
gbx_wasi_budget_find(wasi_ctx *w, const wasi_look *look, const char *path, wasi_found *out)
{
    if (w->disk_left == UINT64_MAX || !(look->flags & O_CREAT)) return gbx_wasi_path_find(w, look, path, out);
    wasi_look there = *look, fresh = *look;
    bool const only_fresh = look->flags & O_EXCL;
    there.flags &= ~O_CREAT;
    fresh.flags |= O_EXCL;
    fresh.follow = false;
    wasi_errno e = WASI_NOENT;
    for (int i = 0; i < WASI_MAX_RETRIES; i++) {
        if (!only_fresh) e = gbx_wasi_path_find(w, &there, path, out);
        if (e != WASI_NOENT) return e;
        WASI_TRY(gbx_wasi_budget_has(w, WASI_MAX_ENTRY_BYTES));
        e = gbx_wasi_path_find(w, &fresh, path, out);
        if (!e) gbx_wasi_budget_take(w, WASI_MAX_ENTRY_BYTES);
        if (only_fresh || e != WASI_EXIST) return e;
    }
    e = gbx_wasi_path_find(w, look, path, out);
    if (!e) gbx_wasi_budget_take(w, WASI_MAX_ENTRY_BYTES);
    return e;
}
