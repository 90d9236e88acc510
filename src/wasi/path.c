/* Paths beneath a directory, by openat2.
 *
 * Given a directory descriptor and a relative path of the guest's, these functions give a descriptor of
 * what the path names, or of the directory that holds its last component. What must hold: nothing
 * outside the directory is ever opened, created, changed or told about, whatever links, "..", renames
 * or mounts say; nothing that policy.c refuses is opened.
 *
 * RESOLVE_BENEATH makes the kernel check each step against the directory, links included, and against
 * renames that happen meanwhile (EAGAIN). RESOLVE_NO_MAGICLINKS stops /proc/N/fd and its like. What
 * lies on the mount of the directory needs no further look-up; RESOLVE_NO_XDEV says whether it does.
 * For what lies on another mount, and where device nodes may stand about, the file is first taken with
 * O_PATH, which has no effect on it, looked at, and only then opened.
 *
 * RULE: S2. What the cache of the host holds is told by its mode once it is open, so nothing is cut
 * short in opening it; a file is made only in a directory that was looked at before; and so is the one
 * a look-up begins in, which may have become a cache since the guest got hold of it.
 *
 * Calls that act on a name take the parent from here and give the kernel the last component: without
 * a slash, ".", or "..", and by calls that do not follow it. A trailing slash is given back to the
 * kernel only by calls whose kernel code never follows the last component (mkdir, rmdir, unlink,
 * rename, symlink, link's new name): fs/namei.c, filename_parentat. */
#include "wasi/wasi_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <unistd.h>

#include "base/os_file.h"

#define PATH_OPEN_ALWAYS (O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
#define PATH_BENEATH (RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)

/* openat2 with O_PATH takes only these. */
static u64
path_flags(const wasi_look *look, int flags)
{
    int const follow = look->follow ? 0 : O_NOFOLLOW;
    if (flags & O_PATH) return (u64)(O_PATH | O_CLOEXEC | follow | (flags & O_DIRECTORY));
    return (u64)(flags | follow | PATH_OPEN_ALWAYS);
}

/* One openat2. The kernel answers EAGAIN when anything on the machine was renamed during a "..": asked
 * again a few times, then left to the caller. */
static int
path_openat2(const wasi_look *look, const char *path, int flags, u64 resolve)
{
    int fd = -1;
    u64 const mode = flags & O_CREAT ? look->mode : 0;
    for (int i = 0; i < WASI_MAX_RETRIES; i++) {
        fd = gbx_base_os_openat2(look->base, path, path_flags(look, flags), mode, resolve);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) break;
    }
    return fd;
}

static wasi_errno
path_refuse(wasi_ctx *w, const wasi_look *look, const char *path, const char *why)
{
    gbx_wasi_refuse(w, look->shown ? look->shown : path, why);
    return WASI_PERM;
}

static wasi_errno
path_errno(wasi_ctx *w, const wasi_look *look, const char *path, int e)
{
    return e == EXDEV ? path_refuse(w, look, path, WHY_OUTSIDE) : gbx_wasi_errno_of(e);
}

/* Keep `fd` as what was found, unless policy forbids it. `crossed`: its file system is to be looked at. */
static wasi_errno
path_keep(wasi_ctx *w, const wasi_look *look, const char *path, int fd, bool crossed,
          wasi_found *out)
{
    fd = gbx_base_os_fd_above_stdio(fd);
    if (fd < 0) return gbx_wasi_errno_of(errno);
    if (fstat(fd, &out->st)) {
        int const e = errno;
        close(fd);
        return gbx_wasi_errno_of(e);
    }
    if (gbx_wasi_policy_cache(&out->st)) {
        close(fd);
        return path_refuse(w, look, path, WHY_CACHE);
    }
    if ((crossed && !gbx_wasi_policy_fs(w, fd)) ||
        (!(look->flags & O_PATH) && !gbx_wasi_policy_file(w, &out->st))) {
        close(fd);
        return path_refuse(w, look, path, WHY_SPECIAL);
    }
    out->fd = fd;
    out->crossed = crossed;
    out->read_only = false;
    return WASI_OK;
}

/* What was found was opened without O_TRUNC, which look->flags may have: it has been looked at now. */
static wasi_errno
path_cut(const wasi_look *look, const wasi_found *found)
{
    bool const cuts = look->flags & O_TRUNC && S_ISREG(found->st.st_mode);
    if (!cuts || ftruncate(found->fd, 0) == 0) return WASI_OK;
    int const e = errno;
    close(found->fd);
    return gbx_wasi_errno_of(e);
}

/* Take the file with O_PATH, look, then open it, and make sure that it was the same one. What cannot
 * be found on another mount is left to our walker, which stops at one that policy forbids: no error
 * tells what is there. */
static wasi_errno
path_careful(wasi_ctx *w, const wasi_look *look, const char *path, bool crossed, wasi_found *out)
{
    wasi_look probe = *look;
    probe.flags = O_PATH | (look->flags & O_DIRECTORY);
    for (int i = 0; i < WASI_MAX_RETRIES; i++) {
        u64 resolve = PATH_BENEATH | (crossed ? 0 : RESOLVE_NO_XDEV);
        int fd = path_openat2(&probe, path, probe.flags, resolve);
        if (fd < 0 && errno == EXDEV && !crossed) {
            crossed = true;
            resolve = PATH_BENEATH;
            fd = path_openat2(&probe, path, probe.flags, resolve);
        }
        wasi_found seen = {.fd = -1};
        if (fd >= 0) {
            WASI_TRY(path_keep(w, &probe, path, fd, crossed, &seen));
            if (look->flags & O_PATH) {
                *out = seen;
                return WASI_OK;
            }
            close(seen.fd);
            if (look->flags & O_EXCL) return WASI_EXIST;
            if (S_ISLNK(seen.st.st_mode)) return WASI_LOOP;
            if (!gbx_wasi_policy_file(w, &seen.st)) return path_refuse(w, look, path, WHY_SPECIAL);
        } else if (errno == ELOOP || crossed) {
            return gbx_wasi_walk(w, look, path, out); /* a loop, or a link that is magic: who knows */
        } else if (errno != ENOENT || !(look->flags & O_CREAT)) {
            return path_errno(w, look, path, errno);
        }
        fd = path_openat2(look, path, look->flags & ~O_TRUNC, resolve);
        if (fd < 0) {
            if (errno == ENOENT && seen.fd >= 0) continue; /* removed meanwhile */
            return path_errno(w, look, path, errno);
        }
        WASI_TRY(path_keep(w, look, path, fd, crossed, out));
        if (seen.fd < 0) return path_cut(look, out);
        if (seen.st.st_dev == out->st.st_dev && seen.st.st_ino == out->st.st_ino) return path_cut(look, out);
        close(out->fd);
    }
    return WASI_AGAIN;
}

/* Not what a look-up comes to, nor the making of a file: what a device said to being opened, which policy
 * would not have asked. */
static bool
path_is_answer_of_device(int e)
{
    switch (e) {
    case ENOENT:
    case ENOTDIR:
    case EACCES:
    case ELOOP:
    case ENAMETOOLONG:
    case EISDIR:
    case EEXIST:
    case EROFS:
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN: return false;
    default: return true;
    }
}

static wasi_errno
path_by_kernel(wasi_ctx *w, const wasi_look *look, const char *path, wasi_found *out)
{
    if (look->devices && !(look->flags & O_PATH)) return path_careful(w, look, path, false, out);
    int const fd = path_openat2(look, path, look->flags & ~O_TRUNC, PATH_BENEATH | RESOLVE_NO_XDEV);
    if (fd >= 0) {
        WASI_TRY(path_keep(w, look, path, fd, false, out));
        return path_cut(look, out);
    }
    if (errno == EXDEV || path_is_answer_of_device(errno))
        return path_careful(w, look, path, errno == EXDEV, out);
    return gbx_wasi_errno_of(errno);
}

/* The directory that the first `len` bytes of `path` name. */
static wasi_errno
path_head(wasi_ctx *w, const wasi_look *look, const char *path, size_t len, wasi_found *out)
{
    WASI_SCRATCH char head[WASI_MAX_PATH_BYTES + 1];
    wasi_look const way = {.base = look->base,
                           .devices = look->devices,
                           .holds_read_only = look->holds_read_only,
                           .follow = true,
                           .flags = O_PATH | O_DIRECTORY,
                           .shown = look->shown ? look->shown : path};
    memcpy(head, path, len);
    head[len] = 0;
    return gbx_wasi_path_find(w, &way, head, out);
}

/* Where a file may be made, the kernel takes only the last step, from a directory that is known, and
 * along no link: a link's way is walked. */
static wasi_errno
path_create(wasi_ctx *w, const wasi_look *look, const char *path, wasi_found *out)
{
    const char *const slash = strrchr(path, '/');
    const char *const leaf = slash ? slash + 1 : path;
    if (!*leaf || !strcmp(leaf, ".") || !strcmp(leaf, "..")) return gbx_wasi_walk(w, look, path, out);
    wasi_look last = *look;
    wasi_found head = {.fd = -1};
    if (slash) {
        WASI_TRY(path_head(w, look, path, (size_t)(slash - path), &head));
        last.base = head.fd;
        if (head.crossed) last.devices = gbx_wasi_may_hold_devices(head.fd);
    }
    last.follow = false;
    last.shown = look->shown ? look->shown : path;
    wasi_errno const e = path_by_kernel(w, &last, leaf, out);
    if (head.fd >= 0) close(head.fd);
    return e == WASI_LOOP && look->follow ? gbx_wasi_walk(w, look, path, out) : e;
}

/* RULE: S2. Nobody learns from an error what is in a cache: our walker does not step into one. */
static wasi_errno
path_by_kernel_quiet(wasi_ctx *w, const wasi_look *look, const char *path, wasi_found *out)
{
    wasi_errno const e = path_by_kernel(w, look, path, out);
    bool const is_one_step = !strchr(path, '/') && !look->follow;
    if (!e || e == WASI_PERM || is_one_step || !gbx_wasi_policy_holds_cache(w)) return e;
    wasi_look way = *look;
    way.flags = O_PATH | (look->flags & O_DIRECTORY);
    wasi_found found;
    wasi_errno const seen = gbx_wasi_walk(w, &way, path, &found);
    if (!seen) close(found.fd);
    return seen == WASI_PERM ? seen : e;
}

/* RULE: S2. A directory that the guest has held since before it was a cache. */
static wasi_errno
path_check_base(wasi_ctx *w, int base, const char *shown)
{
    struct stat st;
    if (fstat(base, &st)) return gbx_wasi_errno_of(errno);
    if (!gbx_wasi_policy_cache(&st)) return WASI_OK;
    gbx_wasi_refuse(w, shown, WHY_CACHE);
    return WASI_PERM;
}

/* RULE: an answer of AGAIN from the kernel's resolver never reaches the guest, to whom it would mean
 * "wait": our own walker does not depend on what others rename. */
wasi_errno
gbx_wasi_path_find(wasi_ctx *w, const wasi_look *look, const char *path, wasi_found *out)
{
    out->fd = -1;
    if (path[0] == '/') return path_refuse(w, look, path, WHY_OUTSIDE);
    WASI_TRY(path_check_base(w, look->base, look->shown ? look->shown : path));
    if (w->walker || look->holds_read_only) return gbx_wasi_walk(w, look, path, out);
    bool const creates = look->flags & O_CREAT;
    wasi_errno const e =
            creates ? path_create(w, look, path, out) : path_by_kernel_quiet(w, look, path, out);
    return e == WASI_AGAIN ? gbx_wasi_walk(w, look, path, out) : e;
}

/* SAFETY: the path is cut in two in place; what remains of it as leaf has no slash and is neither "."
 * nor "..", and the head goes through the resolver like any path. */
wasi_errno
gbx_wasi_path_parent(wasi_ctx *w, const wasi_file *dir, wasi_path *p, wasi_parent *out)
{
    *out = (wasi_parent){.fd = -1, .holds_read_only = dir->holds_read_only};
    if (p->text[0] == '/') {
        gbx_wasi_refuse(w, p->text, WHY_OUTSIDE);
        return WASI_PERM;
    }
    char *const slash = strrchr(p->text, '/');
    char *const leaf = slash ? slash + 1 : p->text;
    wasi_look const look = {.base = dir->host,
                            .devices = dir->devices,
                            .holds_read_only = dir->holds_read_only,
                            .shown = p->text};
    wasi_found found;
    if (!strcmp(leaf, ".") || !strcmp(leaf, "..")) {
        WASI_TRY(path_head(w, &look, p->text, p->len, &found));
        out->fd = found.fd;
        out->read_only = found.read_only;
        out->owned = true;
        out->dots = leaf[1] ? 2 : 1;
        return WASI_OK;
    }
    out->leaf = leaf;
    if (!slash) {
        out->fd = dir->host;
        return path_check_base(w, dir->host, p->text);
    }
    WASI_TRY(path_head(w, &look, p->text, (size_t)(slash - p->text), &found));
    out->fd = found.fd;
    out->read_only = found.read_only;
    out->owned = true;
    return WASI_OK;
}

void
gbx_wasi_parent_deinit(wasi_parent *p)
{
    if (p->owned) close(p->fd);
    *p = (wasi_parent){.fd = -1};
}
