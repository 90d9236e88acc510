/* What may be done at all: rights by file type, which file systems and devices may be opened, and the
 * memory of what was refused.
 *
 * Under a grant of "/" (Go's own test wrapper passes it) procfs and its like would hand out the host:
 * /proc/self/environ holds its secrets, /proc/self/mem its code. They are ordinary relative names to
 * openat2, so they are told by file system and file type. */
#include "wasi/wasi_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/text.h"

#define RIGHTS_ANY_FILE \
    (RIGHT_FD_FDSTAT_SET_FLAGS | RIGHT_FD_FILESTAT_GET | RIGHT_FD_SYNC | RIGHT_FD_DATASYNC)
#define RIGHTS_STREAM (RIGHTS_ANY_FILE | RIGHT_FD_READ | RIGHT_FD_WRITE | RIGHT_POLL_FD_READWRITE)
#define RIGHTS_SEEKABLE (RIGHTS_STREAM | RIGHT_FD_SEEK | RIGHT_FD_TELL | RIGHT_FD_ADVISE)
#define RIGHTS_REGULAR                                                                     \
    (RIGHTS_SEEKABLE | RIGHT_FD_ALLOCATE | RIGHT_FD_FILESTAT_SET_SIZE |                    \
     RIGHT_FD_FILESTAT_SET_TIMES)
#define RIGHTS_DIRECTORY                                                                   \
    (RIGHTS_ANY_FILE | RIGHT_PATH_CREATE_DIRECTORY | RIGHT_PATH_CREATE_FILE |              \
     RIGHT_PATH_LINK_SOURCE | RIGHT_PATH_LINK_TARGET | RIGHT_PATH_OPEN | RIGHT_FD_READDIR | \
     RIGHT_PATH_READLINK | RIGHT_PATH_RENAME_SOURCE | RIGHT_PATH_RENAME_TARGET |           \
     RIGHT_PATH_FILESTAT_GET | RIGHT_PATH_FILESTAT_SET_SIZE | RIGHT_PATH_FILESTAT_SET_TIMES | \
     RIGHT_FD_FILESTAT_SET_TIMES | RIGHT_PATH_SYMLINK | RIGHT_PATH_REMOVE_DIRECTORY |      \
     RIGHT_PATH_UNLINK_FILE)
#define RIGHTS_SOCKET (RIGHTS_STREAM | RIGHT_SOCK_SHUTDOWN | RIGHT_SOCK_ACCEPT)

/* wasi-libc takes a character device without the right to seek for a terminal, so the others keep it. */
u64
gbx_wasi_rights_of(u8 type, bool terminal)
{
    switch (type) {
    case TYPE_REGULAR_FILE: return RIGHTS_REGULAR;
    case TYPE_DIRECTORY: return RIGHTS_DIRECTORY;
    case TYPE_BLOCK_DEVICE: return RIGHTS_SEEKABLE;
    case TYPE_CHARACTER_DEVICE: return terminal ? RIGHTS_STREAM : RIGHTS_SEEKABLE;
    case TYPE_SOCKET_DGRAM:
    case TYPE_SOCKET_STREAM: return RIGHTS_SOCKET;
    default: return RIGHTS_STREAM;
    }
}

u8
gbx_wasi_type_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFBLK: return TYPE_BLOCK_DEVICE;
    case S_IFCHR: return TYPE_CHARACTER_DEVICE;
    case S_IFDIR: return TYPE_DIRECTORY;
    case S_IFREG: return TYPE_REGULAR_FILE;
    case S_IFSOCK: return TYPE_SOCKET_STREAM;
    case S_IFLNK: return TYPE_SYMBOLIC_LINK;
    default: return TYPE_UNKNOWN; /* preview 1 has no word for a pipe */
    }
}

u8
gbx_wasi_type_of_host(int fd, mode_t mode)
{
    int kind = 0;
    socklen_t len = sizeof kind;
    if (S_ISSOCK(mode) && !getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &len) && kind == SOCK_DGRAM)
        return TYPE_SOCKET_DGRAM;
    return gbx_wasi_type_of(mode);
}

/* Kernel interfaces dressed as file systems. Those with a comment are not in the system's headers. */
static const u32 policy_kernel_fs[] = {
    PROC_SUPER_MAGIC,   SYSFS_MAGIC,         CGROUP_SUPER_MAGIC,   CGROUP2_SUPER_MAGIC,
    DEBUGFS_MAGIC,      TRACEFS_MAGIC,       SECURITYFS_MAGIC,     BPF_FS_MAGIC,
    DEVPTS_SUPER_MAGIC, EFIVARFS_MAGIC,      PSTOREFS_MAGIC,       SELINUX_MAGIC,
    SMACK_MAGIC,        AAFS_MAGIC,          NSFS_MAGIC,           BINFMTFS_MAGIC,
    XENFS_SUPER_MAGIC,  RDTGROUP_SUPER_MAGIC, OPENPROM_SUPER_MAGIC, BINDERFS_SUPER_MAGIC,
    SOCKFS_MAGIC,       PIPEFS_MAGIC,        ANON_INODE_FS_MAGIC,  HUGETLBFS_MAGIC,
    USBDEVICE_SUPER_MAGIC, BDEVFS_MAGIC,      DMA_BUF_MAGIC,        SECRETMEM_MAGIC,
    MTD_INODE_FS_MAGIC,  DAXFS_MAGIC,        DEVMEM_MAGIC,         FUTEXFS_SUPER_MAGIC,
    0x62656570 /* configfs */, 0x65735543 /* fusectl */, 0x19800202 /* mqueue */,
    0x67596969 /* rpc_pipefs */, 0x6e667364 /* nfsd */, 0x50494446 /* pidfs */,
    0xaee71ee7 /* gadgetfs */, 0xa647361 /* functionfs */, 0x6f70726f /* oprofilefs */,
    0x23c9b64e /* spufs */, 0x76a9f425 /* ocfs2_dlmfs */, 0x726a77 /* ipathfs */,
};

bool
gbx_wasi_policy_fs(const wasi_ctx *w, int fd)
{
    struct statfs fs;
    if (w->special) return true;
    if (fstatfs(fd, &fs)) return false;
    for (const u32 *m = policy_kernel_fs; m < GBX_END(policy_kernel_fs); m++)
        if ((u32)fs.f_type == *m) return false;
    return true;
}

/* null, zero, full, random, urandom and "the terminal of whoever asks": the devices that programs use
 * and that hold nothing of the host. */
bool
gbx_wasi_policy_file(const wasi_ctx *w, const struct stat *st)
{
    if (w->special) return true;
    if (S_ISBLK(st->st_mode)) return false;
    if (!S_ISCHR(st->st_mode)) return true; /* a socket or a link cannot be opened anyway */
    bool const terminal = major(st->st_rdev) == 5 && minor(st->st_rdev) == 0;
    return terminal || gbx_wasi_device_of(st) != KIND_FREE;
}

/* Nodes of devices are the host's furniture: who may not use one may not take it away either. */
bool
gbx_wasi_policy_name(const wasi_ctx *w, const struct stat *st)
{
    return w->special || (!S_ISBLK(st->st_mode) && !S_ISCHR(st->st_mode));
}

/* By their modes, which runtime/cache_dir.c gives them and no guest can give: whatever cache it is, of
 * whichever process, and wherever it was moved. A sticky directory that others cannot write to, and a
 * sticky file that others cannot read, mean nothing else. */
bool
gbx_wasi_policy_cache(const struct stat *st)
{
    if (!(st->st_mode & S_ISVTX) || st->st_uid != geteuid()) return false;
    return S_ISREG(st->st_mode) ? !(st->st_mode & 077) : S_ISDIR(st->st_mode) && !(st->st_mode & 022);
}

bool
gbx_wasi_policy_is_read_only(const wasi_ctx *w, const struct stat *st)
{
    for (u32 i = 0; i < w->preopen_count; i++) {
        const wasi_preopen *const p = &w->preopens[i];
        if (p->read_only && p->within && p->dev == st->st_dev && p->ino == st->st_ino) return true;
    }
    return false;
}

static bool
policy_is_preopen(const wasi_ctx *w, const struct stat *st)
{
    for (u32 i = 0; i < w->preopen_count; i++)
        if (w->preopens[i].dev == st->st_dev && w->preopens[i].ino == st->st_ino) return true;
    return false;
}

/* From the cache up to the root, whether the way leads through `st`, or NULL: a granted directory.
 * What cannot be looked at there no guest can reach either. SAFETY: as many steps as a path of the
 * host's can have, whoever moves what meanwhile. */
static bool
policy_up_from_cache(const wasi_ctx *w, const struct stat *st)
{
    bool is_above = false;
    int at = w->cache_dir;
    struct stat seen = {0};
    for (u32 i = 0; at >= 0 && !is_above && i < WASI_MAX_PATH_BYTES; i++) {
        dev_t const dev = seen.st_dev;
        ino_t const ino = seen.st_ino;
        int const up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (at != w->cache_dir) close(at);
        at = up;
        if (at < 0 || fstat(at, &seen) || (i && seen.st_dev == dev && seen.st_ino == ino)) break;
        is_above = st ? seen.st_dev == st->st_dev && seen.st_ino == st->st_ino
                      : policy_is_preopen(w, &seen);
    }
    if (at >= 0 && at != w->cache_dir) close(at);
    return is_above;
}

bool
gbx_wasi_policy_above_cache(const wasi_ctx *w, const struct stat *st)
{
    return policy_up_from_cache(w, st);
}

bool
gbx_wasi_policy_holds_cache(wasi_ctx *w)
{
    if (!w->holds_cache) w->holds_cache = policy_up_from_cache(w, NULL) ? 2 : 1;
    return w->holds_cache == 2;
}

/* devtmpfs says it is tmpfs. Elsewhere a node of a device is rare, made by root, and opened for the
 * moment that it takes to look at it: O_NONBLOCK, O_NOCTTY. PERF: to look at everything first, as
 * here, makes path_open of a file three levels down 8.8 us instead of 5.2. */
bool
gbx_wasi_may_hold_devices(int fd)
{
    struct statfs fs;
    if (fstatfs(fd, &fs)) return true;
    return !(fs.f_flags & ST_NODEV) && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

/* SAFETY: the path is the guest's; it is escaped and cut, the list is bounded, and what is compared is
 * what is kept, so a guest that invents names fills 64 entries and no more. */
void
gbx_wasi_refuse_to(wasi_ctx *w, const char *path, const char *reason, bool changes)
{
    if (w->refusal_count == WASI_REFUSALS_MAX) return;
    wasi_refusal *const r = &w->refusals[w->refusal_count];
    text_buf t = gbx_base_text_init(r->path, sizeof r->path);
    gbx_base_text_escape(&t, path, strlen(path), sizeof r->path);
    for (u32 i = 0; i < w->refusal_count; i++) {
        if (w->refusals[i].call != w->call || strcmp(w->refusals[i].path, r->path) != 0) continue;
        w->refusals[i].changes |= changes;
        return;
    }
    r->call = w->call;
    r->reason = reason;
    r->changes = changes;
    w->refusal_count++;
}

void
gbx_wasi_refuse(wasi_ctx *w, const char *path, const char *reason)
{
    gbx_wasi_refuse_to(w, path, reason, !strcmp(reason, WHY_READ_ONLY));
}

/* PERF: some programs look for a million files that are not there: copied, and not yet escaped or compared.
 * SAFETY: cut; a path that a call has cut in two has a NUL in place of a slash. */
void
gbx_wasi_missed_note(p1_call *c, u32 fd, const wasi_path *p)
{
    const wasi_file *const f = gbx_wasi_fds_find(&c->w->fds, fd);
    if (!f || !f->preopen || !p->len) return;
    wasi_missed *const m = &c->w->missed[c->w->missed_count++ % WASI_MISSED_MAX];
    *m = (wasi_missed){.call = c->w->call, .grant = f->preopen, .len = (u32)min_u64(p->len, sizeof m->path)};
    memcpy(m->path, p->text, m->len);
    for (u32 i = 0; i < m->len; i++)
        if (!m->path[i]) m->path[i] = '/';
}

const wasi_missed *
gbx_wasi_missed(const wasi_ctx *w, u32 idx)
{
    if (idx >= WASI_MISSED_MAX || idx >= w->missed_count) return NULL;
    return &w->missed[(w->missed_count - 1 - idx) % WASI_MISSED_MAX];
}

const wasi_refusal *
gbx_wasi_refusals(const wasi_ctx *w, u32 *count)
{
    *count = w->refusal_count;
    return w->refusals;
}
