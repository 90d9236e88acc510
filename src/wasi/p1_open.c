/* path_open.
 *
 * Rights decide how the host opens: FD_WRITE or FD_ALLOCATE for writing, else for reading. What the
 * file's type has no use for is dropped from the new descriptor's rights; what the directory does not
 * pass on is NOTCAPABLE.
 *
 * Everything is opened O_NONBLOCK, so that a FIFO without a peer cannot hang the host; what is regular
 * gets the flag taken off again, the rest is waited for in vfs_io.c. The descriptor's place in the
 * table is found before the file is opened: a full table must not create or truncate anything. */
#include "wasi/p1_path.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "wasi/guest.h"

#define OPEN_FIFO_POLL_NS 10000000u /* how often an open for writing looks for a reader */

/* path_open's arguments, checked. */
typedef struct open_request {
    u32 oflags, fdflags;
    bool follow, writes;
    u64 rights, inheriting;
    wasi_path path;
} open_request;

bool
gbx_wasi_synthetic(const wasi_path *p, wasi_file *out)
{
    static const struct {
        const char *path;
        wasi_kind kind;
    } devices[] = {{"dev/null", KIND_NULL},
                   {"dev/zero", KIND_ZERO},
                   {"dev/urandom", KIND_RANDOM},
                   {"dev/random", KIND_RANDOM}};
    for (size_t i = 0; i < GBX_LEN(devices); i++) {
        if (p->slash || strcmp(p->text, devices[i].path)) continue;
        *out = (wasi_file){.kind = devices[i].kind, .host = -1, .type = TYPE_CHARACTER_DEVICE};
        return true;
    }
    return false;
}

/* Bits that say nothing about what path_open can open (sockets, bits of the future) are not asked for:
 * there are guests that pass all ones. */
static wasi_errno
open_read(p1_call *c, open_request *r)
{
    u64 const known = gbx_wasi_rights_of(TYPE_REGULAR_FILE, false) |
                      gbx_wasi_rights_of(TYPE_DIRECTORY, false);
    u32 const lookup = guest_u32(c, 1);
    r->oflags = guest_u32(c, 4);
    r->rights = c->arg[5] & known;
    r->inheriting = c->arg[6] & known;
    r->fdflags = guest_u32(c, 7);
    WASI_TRY(gbx_wasi_path_read(c, guest_u32(c, 2), guest_u32(c, 3), &r->path));
    if (lookup & ~(u32)LOOKUP_SYMLINK_FOLLOW || r->oflags & ~(u32)OFLAG_ALL ||
        r->fdflags & ~(u32)FDFLAG_ALL)
        return WASI_INVAL;
    if (r->oflags & OFLAG_CREAT && r->oflags & OFLAG_DIRECTORY) return WASI_INVAL;
    if (!(r->oflags & OFLAG_CREAT)) r->oflags &= ~(u32)OFLAG_EXCL;
    r->follow = lookup & LOOKUP_SYMLINK_FOLLOW && !(r->oflags & OFLAG_EXCL);
    r->writes = r->rights & (RIGHT_FD_WRITE | RIGHT_FD_ALLOCATE);
    return WASI_OK;
}

/* The directory passes on what is asked for, and lets this be done with it.
 * GO: syscall/fs_wasip1.go openat (1.26) leaves PATH_FILESTAT_SET_SIZE out when it opens a directory,
 * and os.Root then truncates files beneath it. Who may write to a file and set its size once it is
 * open may do it in opening it, so that right is enough. */
static wasi_errno
open_check_rights(const wasi_file *dir, const open_request *r)
{
    if ((r->rights | r->inheriting) & ~dir->inheriting) return WASI_NOTCAPABLE;
    if (r->oflags & OFLAG_CREAT && !(dir->rights & RIGHT_PATH_CREATE_FILE)) return WASI_NOTCAPABLE;
    if (!(r->oflags & OFLAG_TRUNC) || dir->rights & RIGHT_PATH_FILESTAT_SET_SIZE) return WASI_OK;
    return r->rights & RIGHT_FD_FILESTAT_SET_SIZE ? WASI_OK : WASI_NOTCAPABLE;
}

static int
open_flags(const open_request *r)
{
    bool const reads = r->rights & (RIGHT_FD_READ | RIGHT_FD_READDIR);
    bool const writes = r->writes || r->oflags & OFLAG_TRUNC;
    int flags = !writes ? O_RDONLY : reads ? O_RDWR : O_WRONLY;
    if (r->oflags & OFLAG_CREAT) flags |= O_CREAT;
    if (r->oflags & OFLAG_EXCL) flags |= O_EXCL;
    if (r->oflags & OFLAG_TRUNC) flags |= O_TRUNC;
    if (r->oflags & OFLAG_DIRECTORY || r->path.slash) flags |= O_DIRECTORY;
    if (r->fdflags & FDFLAG_APPEND) flags |= O_APPEND;
    if (r->fdflags & (FDFLAG_SYNC | FDFLAG_RSYNC)) flags |= O_SYNC;
    if (r->fdflags & FDFLAG_DSYNC) flags |= O_DSYNC;
    return flags;
}

/* Under a read-only grant: what a native program gets on a read-only file system. Opening for reading
 * goes on, without the flags that would make or change the file. */
static wasi_errno
open_read_only(p1_call *c, const open_request *r, wasi_look *look)
{
    bool const changes = r->writes || r->oflags & OFLAG_TRUNC;
    bool const creates = r->oflags & OFLAG_CREAT;
    look->flags &= ~(O_CREAT | O_EXCL | O_TRUNC | O_ACCMODE);
    if (!changes && !creates) return WASI_OK;
    wasi_look probe = *look;
    probe.flags = O_PATH | (look->flags & O_DIRECTORY);
    wasi_found found;
    wasi_errno const e = gbx_wasi_path_find(c->w, &probe, r->path.text, &found);
    if (e && !(e == WASI_NOENT && creates)) return e;
    if (!e) {
        close(found.fd);
        if (r->oflags & OFLAG_EXCL) return WASI_EXIST;
        if (S_ISDIR(found.st.st_mode)) return WASI_ISDIR;
        if (!changes) return WASI_OK;
    }
    gbx_wasi_refuse(c->w, r->path.text, WHY_READ_ONLY);
    return WASI_ROFS;
}

/* ENXIO from an open for writing is a FIFO that nobody reads yet (or something that will never open).
 * A native open would wait, and so does this, a moment at a time. */
static wasi_errno
open_wait_for_reader(p1_call *c, const wasi_look *look, const open_request *r)
{
    wasi_look probe = *look;
    probe.flags = O_PATH;
    wasi_found found;
    WASI_TRY(gbx_wasi_path_find(c->w, &probe, r->path.text, &found));
    close(found.fd);
    if (!S_ISFIFO(found.st.st_mode) || r->fdflags & FDFLAG_NONBLOCK) return WASI_NXIO;
    struct pollfd none[1];
    u32 ready;
    return gbx_wasi_wait(c->x, none, 0, OPEN_FIFO_POLL_NS, &ready);
}

/* To create "name/" is ISDIR whether it exists or not, unless nothing could be made there at all. */
static wasi_errno
open_create_slash(p1_call *c, const wasi_file *dir, const open_request *r)
{
    wasi_path path = r->path;
    wasi_parent at;
    WASI_TRY(gbx_wasi_path_parent(c->w, dir, &path, &at));
    gbx_wasi_parent_deinit(&at);
    return WASI_ISDIR;
}

static wasi_errno
open_host(p1_call *c, const wasi_file *dir, const open_request *r, wasi_found *found)
{
    wasi_look look = {.base = dir->host,
                      .devices = dir->devices,
                      .follow = r->follow,
                      .flags = open_flags(r),
                      .mode = 0666};
    if (dir->read_only) WASI_TRY(open_read_only(c, r, &look));
    if (look.flags & O_CREAT && look.flags & O_DIRECTORY) return open_create_slash(c, dir, r);
    for (;;) {
        wasi_errno const e = gbx_wasi_budget_find(c->w, &look, r->path.text, found);
        if (e == WASI_NOSPC && dir->scratch) gbx_wasi_met(c->w, WASI_MET_SCRATCH);
        if (e != WASI_NXIO) return e;
        WASI_TRY(open_wait_for_reader(c, &look, r));
    }
}

/* The guest's descriptor for what was opened. A directory passes on what the one above it does, not
 * what was asked for: Zig's library (0.15, fs/Dir.zig openDir) asks for a directory's own rights in both
 * places, and then reads and writes files beneath it. A guest gives rights up by fd_fdstat_set_rights. */
static wasi_file
open_file(const wasi_file *dir, const open_request *r, const wasi_found *found)
{
    u8 const type = gbx_wasi_type_of(found->st.st_mode);
    bool const terminal = type == TYPE_CHARACTER_DEVICE && isatty(found->fd);
    if (type == TYPE_REGULAR_FILE)
        fcntl(found->fd, F_SETFL, r->fdflags & FDFLAG_APPEND ? O_APPEND : 0);
    return (wasi_file){
            .kind = KIND_HOST,
            .host = found->fd,
            .type = type,
            .read_only = dir->read_only,
            .scratch = dir->scratch,
            .devices = found->crossed ? gbx_wasi_may_hold_devices(found->fd) : dir->devices,
            .flags = (u16)r->fdflags,
            .rights = r->rights & gbx_wasi_rights_of(type, terminal),
            .inheriting = type == TYPE_DIRECTORY ? dir->inheriting : r->inheriting,
    };
}

/* RULE: S17 as for other look-ups, but that the synthetic devices are found. */
static wasi_errno
open_unmatched(p1_call *c, const open_request *r, wasi_file *file)
{
    wasi_file *none;
    bool const changes = r->oflags & (OFLAG_CREAT | OFLAG_TRUNC);
    if (!gbx_wasi_synthetic(&r->path, file))
        return gbx_wasi_path_dir(c, UINT32_MAX, 0, &r->path, changes, &none);
    if (r->oflags & OFLAG_EXCL) return WASI_EXIST;
    if (r->oflags & OFLAG_DIRECTORY) return WASI_NOTDIR;
    file->flags = (u16)r->fdflags;
    file->rights = r->rights & gbx_wasi_rights_of(file->type, false);
    return WASI_OK;
}

wasi_errno
gbx_wasi_path_open(p1_call *c)
{
    WASI_SCRATCH open_request r;
    wasi_file file;
    u32 fd;
    u8 *const out = guest_range(c, guest_u32(c, 8), 4);
    if (!out) return WASI_FAULT;
    WASI_TRY(open_read(c, &r));
    if (guest_u32(c, 0) == UINT32_MAX) {
        WASI_TRY(open_unmatched(c, &r, &file));
        WASI_TRY(gbx_wasi_fds_reserve(&c->w->fds, &fd));
    } else {
        wasi_file *dir;
        wasi_found found;
        WASI_TRY(gbx_wasi_path_dir(c, guest_u32(c, 0), c->row->rights, &r.path, false, &dir));
        WASI_TRY(open_check_rights(dir, &r));
        WASI_TRY(gbx_wasi_fds_reserve(&c->w->fds, &fd));
        dir = gbx_wasi_fds_find(&c->w->fds, guest_u32(c, 0)); /* the table may have moved */
        WASI_TRY(open_host(c, dir, &r, &found));
        file = open_file(dir, &r, &found);
    }
    gbx_wasi_fds_put(&c->w->fds, fd, &file);
    put_u32(out, fd);
    return WASI_OK;
}
