/* The fd_ calls on a descriptor as such: reading, writing, seeking, its flags and rights, its place in
 * the table. Metadata and directories: p1_file.c. */
#include "wasi/guest.h"
#include "wasi/wasi_int.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

wasi_errno
gbx_wasi_fd_close(p1_call *c)
{
    u32 const fd = guest_u32(c, 0);
    if (!gbx_wasi_fds_find(&c->w->fds, fd)) return WASI_BADF;
    return gbx_wasi_fds_close(&c->w->fds, fd);
}

/* The descriptor keeps its rights; what stood at `to` is closed. */
wasi_errno
gbx_wasi_fd_renumber(p1_call *c)
{
    wasi_fds *const t = &c->w->fds;
    u32 const from = guest_u32(c, 0), to = guest_u32(c, 1);
    if (!gbx_wasi_fds_find(t, from) || !gbx_wasi_fds_find(t, to)) return WASI_BADF;
    if (from != to) gbx_wasi_fds_move(t, from, to);
    return WASI_OK;
}

/* ---- reading and writing */

/* The descriptor, or the error a native program would get for what can never be read or written. */
static wasi_errno
fd_for_data(p1_call *c, bool at_offset, wasi_file **out)
{
    u32 const fd = guest_u32(c, 0);
    wasi_file *const f = gbx_wasi_fds_find(&c->w->fds, fd);
    if (!f) return WASI_BADF;
    if (f->type == TYPE_DIRECTORY) return WASI_ISDIR;
    bool const stream = f->type == TYPE_UNKNOWN || f->type == TYPE_SOCKET_STREAM ||
                        f->type == TYPE_SOCKET_DGRAM;
    if (at_offset && stream) return WASI_SPIPE;
    return gbx_wasi_file_get(c, fd, c->row->rights, out);
}

typedef wasi_errno fd_transfer(p1_call *c, wasi_file *f, p1_iovs *v, u64 offset, u64 *done);

static wasi_errno
fd_move_data(p1_call *c, bool at_offset, fd_transfer *transfer)
{
    WASI_SCRATCH p1_iovs v;
    u8 *const out = guest_range(c, guest_u32(c, at_offset ? 4 : 3), 4);
    if (!out) return WASI_FAULT;
    WASI_TRY(gbx_wasi_iovs_read(c, guest_u32(c, 1), guest_u32(c, 2), &v));
    wasi_file *f;
    WASI_TRY(fd_for_data(c, at_offset, &f));
    bool const is_file = f->type == TYPE_REGULAR_FILE;
    u64 done;
    WASI_TRY(transfer(c, f, &v, at_offset ? c->arg[3] : 0, &done));
    gbx_wasi_moved(c->w, is_file, c->row->rights & RIGHT_FD_READ, done);
    put_u32(out, (u32)done);
    return WASI_OK;
}

static wasi_errno
fd_read_here(p1_call *c, wasi_file *f, p1_iovs *v, u64 offset, u64 *done)
{
    (void)offset;
    return gbx_wasi_vfs_read(c, f, v, done);
}

static wasi_errno
fd_write_here(p1_call *c, wasi_file *f, p1_iovs *v, u64 offset, u64 *done)
{
    (void)offset;
    return gbx_wasi_vfs_write(c, f, v, done);
}

wasi_errno
gbx_wasi_fd_read(p1_call *c)
{
    return fd_move_data(c, false, fd_read_here);
}

wasi_errno
gbx_wasi_fd_write(p1_call *c)
{
    return fd_move_data(c, false, fd_write_here);
}

wasi_errno
gbx_wasi_fd_pread(p1_call *c)
{
    return fd_move_data(c, true, gbx_wasi_vfs_pread);
}

wasi_errno
gbx_wasi_fd_pwrite(p1_call *c)
{
    return fd_move_data(c, true, gbx_wasi_vfs_pwrite);
}

/* ---- position */

static wasi_errno
fd_seek_to(wasi_file *f, i64 offset, int whence, u8 *out)
{
    if (f->kind == KIND_NODE) {
        WASI_TRY(gbx_wasi_node_seek(f->node, &f->at, offset, whence));
        put_u64(out, f->at);
        return WASI_OK;
    }
    if (f->kind != KIND_HOST) {
        put_u64(out, 0);
        return WASI_OK;
    }
    off_t const at = lseek(f->host, offset, whence);
    if (at < 0) return gbx_wasi_errno_of(errno);
    put_u64(out, (u64)at);
    return WASI_OK;
}

/* A directory has no position of its own (cookies have), a stream none at all. */
static wasi_errno
fd_seekable(p1_call *c, u64 rights, wasi_file **out)
{
    wasi_file *const f = gbx_wasi_fds_find(&c->w->fds, guest_u32(c, 0));
    if (!f || f->type == TYPE_DIRECTORY) return WASI_BADF;
    if (!(gbx_wasi_rights_of(f->type, false) & RIGHT_FD_SEEK)) return WASI_SPIPE;
    /* FD_SEEK includes FD_TELL. */
    if (rights == RIGHT_FD_TELL && f->rights & RIGHT_FD_SEEK) rights = 0;
    return gbx_wasi_file_get(c, guest_u32(c, 0), rights, out);
}

wasi_errno
gbx_wasi_fd_seek(p1_call *c)
{
    static const int whences[] = {[WHENCE_SET] = SEEK_SET, [WHENCE_CUR] = SEEK_CUR,
                                  [WHENCE_END] = SEEK_END};
    i64 const offset = (i64)c->arg[1];
    u32 const whence = guest_u32(c, 2);
    u8 *const out = guest_range(c, guest_u32(c, 3), 8);
    if (!out) return WASI_FAULT;
    if (whence >= GBX_LEN(whences)) return WASI_INVAL;
    bool const tell = whence == WHENCE_CUR && !offset;
    wasi_file *f;
    WASI_TRY(fd_seekable(c, tell ? RIGHT_FD_TELL : RIGHT_FD_SEEK, &f));
    return fd_seek_to(f, offset, whences[whence], out);
}

wasi_errno
gbx_wasi_fd_tell(p1_call *c)
{
    u8 *const out = guest_range(c, guest_u32(c, 1), 8);
    if (!out) return WASI_FAULT;
    wasi_file *f;
    WASI_TRY(fd_seekable(c, c->row->rights, &f));
    return fd_seek_to(f, 0, SEEK_CUR, out);
}

/* ---- flags and rights */

wasi_errno
gbx_wasi_fd_fdstat_get(p1_call *c)
{
    u8 *const out = guest_range(c, guest_u32(c, 1), 24);
    if (!out) return WASI_FAULT;
    wasi_file *f;
    WASI_TRY(gbx_wasi_file_get(c, guest_u32(c, 0), 0, &f));
    memset(out, 0, 24);
    out[0] = f->type;
    put_u16(out + 2, f->flags);
    put_u64(out + 8, f->rights);
    put_u64(out + 16, f->inheriting);
    return WASI_OK;
}

/* NONBLOCK is the guest's own in every case (wasi_int.h says how it is kept). APPEND is set on the host
 * where the open file description is ours; an inherited one is also somebody else's, and what is
 * written there would go elsewhere for them. Linux cannot change the synchronising flags. */
wasi_errno
gbx_wasi_fd_fdstat_set_flags(p1_call *c)
{
    u32 const flags = guest_u32(c, 1);
    if (flags & ~(u32)FDFLAG_ALL) return WASI_INVAL;
    wasi_file *f;
    WASI_TRY(gbx_wasi_file_get(c, guest_u32(c, 0), c->row->rights, &f));
    u32 const changed = flags ^ f->flags;
    if (changed & (FDFLAG_DSYNC | FDFLAG_RSYNC | FDFLAG_SYNC)) return WASI_NOTSUP;
    if (changed & FDFLAG_APPEND && f->kind == KIND_HOST) {
        if (f->inherited) return WASI_NOTSUP;
        int const now = fcntl(f->host, F_GETFL);
        int const want = flags & FDFLAG_APPEND ? now | O_APPEND : now & ~O_APPEND;
        if (now < 0 || fcntl(f->host, F_SETFL, want)) return gbx_wasi_errno_of(errno);
    }
    f->flags = (u16)flags;
    return WASI_OK;
}

wasi_errno
gbx_wasi_fd_fdstat_set_rights(p1_call *c)
{
    u64 const base = c->arg[1], inheriting = c->arg[2];
    wasi_file *f;
    WASI_TRY(gbx_wasi_file_get(c, guest_u32(c, 0), 0, &f));
    if (base & ~f->rights || inheriting & ~f->inheriting) return WASI_NOTCAPABLE;
    f->rights = base;
    f->inheriting = inheriting;
    return WASI_OK;
}

/* ---- granted directories */

/* A directory that was not granted is BADF; what is no directory is NOTDIR.
 * GO: syscall/fs_wasip1.go init (1.26) looks from 3 on, stops at BADF, goes on at NOTDIR, and panics
 * at anything else. */
static wasi_errno
fd_preopen(p1_call *c, const char **name)
{
    const wasi_file *const f = gbx_wasi_fds_find(&c->w->fds, guest_u32(c, 0));
    if (!f) return WASI_BADF;
    if (f->type != TYPE_DIRECTORY) return WASI_NOTDIR;
    if (!f->preopen) return WASI_BADF;
    *name = f->preopen;
    return WASI_OK;
}

wasi_errno
gbx_wasi_fd_prestat_get(p1_call *c)
{
    u8 *const out = guest_range(c, guest_u32(c, 1), 8);
    if (!out) return WASI_FAULT;
    const char *name;
    WASI_TRY(fd_preopen(c, &name));
    memset(out, 0, 8);
    put_u32(out + 4, (u32)strlen(name));
    return WASI_OK;
}

wasi_errno
gbx_wasi_fd_prestat_dir_name(p1_call *c)
{
    u32 const cap = guest_u32(c, 2);
    u8 *const out = guest_range(c, guest_u32(c, 1), cap);
    if (!out) return WASI_FAULT;
    const char *name;
    WASI_TRY(fd_preopen(c, &name));
    size_t const len = strlen(name);
    if (cap < len) return WASI_NAMETOOLONG;
    memcpy(out, name, len);
    return WASI_OK;
}
