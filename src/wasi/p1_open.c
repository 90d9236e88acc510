/* path_open.
 *
 * Rights decide how the host opens: FD_WRITE or FD_ALLOCATE for writing, and so FD_FILESTAT_SET_SIZE where
 * nothing is to be read; else for reading. What the file's type has no use for is dropped from the new
 * descriptor's rights; what the directory does not pass on is NOTCAPABLE.
 *
 * Everything is opened O_NONBLOCK, so that a FIFO without a peer cannot hang the host; what is regular
 * gets the flag taken off again, the rest is waited for in vfs_io.c. The descriptor's place in the
 * table is found before the file is opened, and room at the host before a file is made or cut: without a
 * descriptor to give, nothing is created or truncated. */
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

/* GO: syscall/fs_wasip1.go openat (1.26) asks for FD_FILESTAT_SET_SIZE with every file it only reads. Linux
 * sets the size of what is open for writing, so whoever asks for that right and not to read gets it so. */
static bool
open_writes(u64 rights)
{
    if (rights & (RIGHT_FD_WRITE | RIGHT_FD_ALLOCATE)) return true;
    return rights & RIGHT_FD_FILESTAT_SET_SIZE && !(rights & (RIGHT_FD_READ | RIGHT_FD_READDIR));
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
    r->writes = open_writes(r->rights);
    return WASI_OK;
}

/* What path_open needs besides PATH_OPEN, by what it is asked for; one of the rights of a row is enough. The
 * text gives what concerns the open file to whoever may hand the right on. */
static const struct {
    u32 oflags, fdflags;
    u64 base, inheriting;
} open_needs[] = {
        {OFLAG_CREAT, 0, RIGHT_PATH_CREATE_FILE, 0},
        {OFLAG_TRUNC, 0, RIGHT_PATH_FILESTAT_SET_SIZE, 0},
        {0, FDFLAG_DSYNC, RIGHT_FD_DATASYNC | RIGHT_FD_SYNC, RIGHT_FD_DATASYNC | RIGHT_FD_SYNC},
        {0, FDFLAG_RSYNC | FDFLAG_SYNC, RIGHT_FD_SYNC, RIGHT_FD_SYNC},
};

/* The directory passes on what is asked for, and lets this be done with it.
 * GO: syscall/fs_wasip1.go openat (1.26) leaves PATH_FILESTAT_SET_SIZE out when it opens a directory,
 * and os.Root then truncates files beneath it. Who may write to a file and set its size once it is
 * open may do it in opening it, so that right is enough. */
static wasi_errno
open_check_rights(const wasi_file *dir, const open_request *r)
{
    if ((r->rights | r->inheriting) & ~dir->inheriting) return WASI_NOTCAPABLE;
    for (size_t i = 0; i < GBX_LEN(open_needs); i++) {
        bool const asked = r->oflags & open_needs[i].oflags || r->fdflags & open_needs[i].fdflags;
        bool const cuts = r->oflags & open_needs[i].oflags & OFLAG_TRUNC;
        if (!asked || (cuts && r->rights & RIGHT_FD_FILESTAT_SET_SIZE)) continue;
        if (!(dir->rights & open_needs[i].base) && !(dir->inheriting & open_needs[i].inheriting))
            return WASI_NOTCAPABLE;
    }
    return WASI_OK;
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
 * goes on, without the flags that would make or change the file; and so does opening one of the devices that
 * are imitated. */
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
        if (S_ISLNK(found.st.st_mode)) return WASI_LOOP;
        if (!changes || gbx_wasi_device_of(&found.st) != KIND_FREE) return WASI_OK;
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
                      .holds_read_only = dir->holds_read_only,
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

/* A directory passes on what was asked for, but where that has none of the rights that only files have: such
 * a request says nothing about files, and what the directory above passes on stays.
 * Zig's library (0.15, fs/Dir.zig openDir) asks for a directory's own rights in both places, and then reads
 * and writes files beneath it. */
static u64
open_inheriting(const wasi_file *dir, const open_request *r)
{
    u64 const of_files = gbx_wasi_rights_of(TYPE_REGULAR_FILE, false) &
                         ~gbx_wasi_rights_of(TYPE_DIRECTORY, false);
    return r->inheriting & of_files ? r->inheriting : dir->inheriting;
}

/* The guest's descriptor for what was opened. */
static wasi_file
open_file(const wasi_file *dir, const open_request *r, const wasi_found *found)
{
    u8 const type = gbx_wasi_type_of(found->st.st_mode);
    wasi_kind const device = gbx_wasi_device_of(&found->st);
    if (device != KIND_FREE) {
        close(found->fd);
        return gbx_wasi_device_file(device, (u16)r->fdflags, r->rights);
    }
    bool const terminal = type == TYPE_CHARACTER_DEVICE && isatty(found->fd);
    if (type == TYPE_REGULAR_FILE)
        fcntl(found->fd, F_SETFL, r->fdflags & FDFLAG_APPEND ? O_APPEND : 0);
    return (wasi_file){
            .kind = KIND_HOST,
            .host = found->fd,
            .type = type,
            .terminal = terminal,
            .read_only = dir->read_only || found->read_only,
            .holds_read_only = dir->holds_read_only,
            .scratch = dir->scratch,
            .devices = found->crossed ? gbx_wasi_may_hold_devices(found->fd) : dir->devices,
            .place = type == TYPE_DIRECTORY ? gbx_wasi_place_of(dir->place, r->path.text) : PLACE_ELSEWHERE,
            .flags = (u16)r->fdflags,
            .rights = r->rights & gbx_wasi_rights_of(type, terminal),
            .inheriting = type == TYPE_DIRECTORY ? open_inheriting(dir, r) : r->inheriting,
    };
}

/* The device of the guest's tree that the path names, if it does: there is nothing to look up. */
static wasi_errno
open_device(wasi_place from, const open_request *r, wasi_file *file)
{
    bool through;
    wasi_kind const kind = gbx_wasi_device_at(from, &r->path, &through);
    if (kind == KIND_FREE) return WASI_OK;
    if (through) return WASI_NOTDIR;
    if (r->oflags & OFLAG_EXCL) return WASI_EXIST;
    if (r->oflags & OFLAG_DIRECTORY) return WASI_NOTDIR;
    *file = gbx_wasi_device_file(kind, (u16)r->fdflags, r->rights);
    return WASI_OK;
}

/* Beneath a directory of files in memory: as beneath a read-only grant. */
static wasi_errno
open_node(p1_call *c, const wasi_file *dir, const open_request *r, wasi_file *file)
{
    const wasi_node *n = NULL;
    bool const changes = r->writes || r->oflags & OFLAG_TRUNC, creates = r->oflags & OFLAG_CREAT;
    wasi_errno const e = gbx_wasi_node_find(c->w, dir->node, &r->path, &n);
    if (e && !(e == WASI_NOENT && creates)) return e;
    if (!e && r->oflags & OFLAG_EXCL) return WASI_EXIST;
    u8 const type = e ? TYPE_UNKNOWN : gbx_wasi_node_type(n);
    if (type == TYPE_DIRECTORY && (changes || creates)) return WASI_ISDIR;
    if (type == TYPE_REGULAR_FILE && r->oflags & OFLAG_DIRECTORY) return WASI_NOTDIR;
    if (e || changes) {
        gbx_wasi_refuse(c->w, r->path.text, WHY_READ_ONLY);
        return WASI_ROFS;
    }
    bool const is_dir = type == TYPE_DIRECTORY;
    *file = (wasi_file){.kind = KIND_NODE,
                        .host = -1,
                        .type = type,
                        .node = n,
                        .read_only = true,
                        .place = is_dir ? gbx_wasi_place_of(dir->place, r->path.text) : PLACE_ELSEWHERE,
                        .flags = (u16)r->fdflags,
                        .rights = r->rights & gbx_wasi_rights_of(type, false),
                        .inheriting = is_dir ? open_inheriting(dir, r) : r->inheriting};
    return WASI_OK;
}

/* RULE: S17 as for other look-ups, but that the devices are found. */
static wasi_errno
open_unmatched(p1_call *c, const open_request *r, wasi_file *file, u32 *fd)
{
    wasi_file *none;
    bool const changes = r->oflags & (OFLAG_CREAT | OFLAG_TRUNC);
    WASI_TRY(open_device(PLACE_ROOT, r, file));
    if (file->kind == KIND_FREE) return gbx_wasi_path_dir(c, UINT32_MAX, 0, &r->path, changes, &none);
    return gbx_wasi_fds_reserve(&c->w->fds, fd);
}

/* Beneath a directory the guest has. */
static wasi_errno
open_beneath(p1_call *c, const open_request *r, wasi_file *file, u32 *fd)
{
    wasi_file *dir;
    wasi_found found;
    WASI_TRY(gbx_wasi_path_dir(c, guest_u32(c, 0), c->row->rights, &r->path, false, &dir));
    WASI_TRY(open_check_rights(dir, r));
    WASI_TRY(open_device(dir->place, r, file));
    WASI_TRY(gbx_wasi_fds_reserve(&c->w->fds, fd));
    if (file->kind != KIND_FREE) return WASI_OK;
    dir = gbx_wasi_fds_find(&c->w->fds, guest_u32(c, 0)); /* the table may have moved */
    if (dir->kind == KIND_NODE) return open_node(c, dir, r, file);
    if (r->oflags & (OFLAG_CREAT | OFLAG_TRUNC)) WASI_TRY(gbx_wasi_fds_host_has_room(dir->host));
    WASI_TRY(open_host(c, dir, r, &found));
    WASI_TRY(gbx_wasi_fds_host_keep(&found.fd));
    *file = open_file(dir, r, &found);
    return WASI_OK;
}

wasi_errno
gbx_wasi_path_open(p1_call *c)
{
    WASI_SCRATCH open_request r;
    wasi_file file = {.kind = KIND_FREE};
    u32 fd;
    u8 *const out = guest_range(c, guest_u32(c, 8), 4);
    if (!out) return WASI_FAULT;
    WASI_TRY(open_read(c, &r));
    u32 const dir = guest_u32(c, 0);
    wasi_errno const e = dir == UINT32_MAX ? open_unmatched(c, &r, &file, &fd)
                                           : open_beneath(c, &r, &file, &fd);
    bool const is_device = file.kind != KIND_FREE && file.kind != KIND_HOST && file.kind != KIND_NODE;
    bool const changes = r.writes || r.oflags & (OFLAG_CREAT | OFLAG_TRUNC);
    if (!is_device) used_note(c, dir, &r.path, file.type == TYPE_DIRECTORY, changes, e);
    WASI_TRY(e);
    gbx_wasi_fds_put(&c->w->fds, fd, &file);
    put_u32(out, fd);
    return WASI_OK;
}
