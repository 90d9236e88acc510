/* The path_ calls but path_open, which is in p1_open.c.
 *
 * Each looks up the directory that holds the last component and then acts on that name in one system
 * call, which does not follow it: a name is never resolved twice. See path.c for why a trailing slash
 * may be handed back to some of those calls. */
#include "wasi/p1_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "wasi/guest.h"

/* A NUL is INVAL, as wasmtime has it, where it comes from the host's own check; ILSEQ is kept for what
 * is not UTF-8. The suite takes either.
 * SAFETY: copied once, so that what is checked is what is used; nothing is read beyond `len`. */
wasi_errno
gbx_wasi_text_read(p1_call *c, u32 ptr, u32 len, wasi_path *out)
{
    const u8 *const in = guest_range(c, ptr, len);
    out->len = 0;
    out->text[0] = 0;
    if (!in) return WASI_FAULT;
    if (!len) return WASI_NOENT;
    if (len > WASI_MAX_PATH_BYTES) {
        gbx_wasi_met(c->w, WASI_MET_PATH_BYTES);
        return WASI_NAMETOOLONG;
    }
    if (memchr(in, 0, len)) return WASI_INVAL;
    if (!gbx_base_utf8_check(in, len)) return WASI_ILSEQ;
    memcpy(out->text, in, len);
    out->text[len] = 0;
    out->len = len;
    out->slash = false;
    return WASI_OK;
}

/* Only slashes stay one slash, which is absolute and refused as such. */
wasi_errno
gbx_wasi_path_read(p1_call *c, u32 ptr, u32 len, wasi_path *out)
{
    WASI_TRY(gbx_wasi_text_read(c, ptr, len, out));
    while (out->len > 1 && out->text[out->len - 1] == '/') {
        out->len--;
        out->slash = true;
    }
    out->text[out->len] = 0;
    return WASI_OK;
}

/* RULE: S17 Descriptor -1 is how Go says that no grant's name begins the path; a look-up then finds
 * nothing, anything else is forbidden. */
wasi_errno
gbx_wasi_path_dir(p1_call *c, u32 fd, u64 rights, const wasi_path *p, bool changes, wasi_file **out)
{
    if (fd == UINT32_MAX) {
        gbx_wasi_refuse_to(c->w, p->text, WHY_NO_GRANT, changes);
        return changes ? WASI_PERM : WASI_NOENT;
    }
    const wasi_file *const f = gbx_wasi_fds_find(&c->w->fds, fd);
    if (f && f->type != TYPE_DIRECTORY) return WASI_NOTDIR;
    WASI_TRY(gbx_wasi_file_get(c, fd, rights, out));
    if (!changes || !(*out)->read_only) return WASI_OK;
    gbx_wasi_refuse(c->w, p->text, WHY_READ_ONLY);
    return WASI_ROFS;
}

/* The name to act on, with the slash it was given back. */
static const char *
path_leaf(wasi_path *p, const wasi_parent *at)
{
    if (p->slash) {
        p->text[p->len] = '/';
        p->text[p->len + 1] = 0;
    }
    return at->leaf;
}

/* A path among a call's arguments, and what it leads to. */
typedef struct path_target {
    wasi_path path;
    wasi_parent at;
    wasi_place from;  /* of the directory it is looked up in, where that was asked */
    wasi_kind device; /* one that is imitated: then there is no `at` */
    bool through;     /* and the path goes on behind it */
    const wasi_node *node; /* likewise, of files in memory; else NULL */
} path_target;

static wasi_errno
path_target_read(p1_call *c, u32 path_idx, path_target *t)
{
    t->at = (wasi_parent){.fd = -1};
    t->from = PLACE_ELSEWHERE;
    t->device = KIND_FREE;
    t->node = NULL;
    return gbx_wasi_path_read(c, guest_u32(c, path_idx), guest_u32(c, path_idx + 1), &t->path);
}

static void
path_target_device(path_target *t, wasi_place from)
{
    t->from = from;
    t->device = gbx_wasi_device_at(from, &t->path, &t->through);
}

/* What is to be changed lies in a read-only grant within the one that was named. */
static wasi_errno
path_target_refuse_change(p1_call *c, path_target *t)
{
    gbx_wasi_parent_deinit(&t->at);
    gbx_wasi_refuse(c->w, t->path.text, WHY_READ_ONLY);
    return WASI_ROFS;
}

static wasi_errno
path_target_find(p1_call *c, u32 fd_idx, u64 rights, bool changes, path_target *t)
{
    wasi_file *dir;
    WASI_TRY(gbx_wasi_path_dir(c, guest_u32(c, fd_idx), rights, &t->path, changes, &dir));
    path_target_device(t, dir->place);
    if (t->device != KIND_FREE) return WASI_OK;
    WASI_TRY(gbx_wasi_path_parent(c->w, dir, &t->path, &t->at));
    return changes && t->at.read_only ? path_target_refuse_change(c, t) : WASI_OK;
}

/* What a call gets that would change the name of a device; `there` is for one that would make it. */
static wasi_errno
path_target_refuse_device(p1_call *c, const path_target *t, wasi_errno there)
{
    if (t->through) return WASI_NOTDIR;
    if (there == WASI_PERM) gbx_wasi_refuse(c->w, t->path.text, WHY_SPECIAL);
    return there;
}

/* What stands at the end of the path is not to be changed: the root of a read-only grant, the host's
 * cache, a special file. RULE: S2. A name in a cache is refused by path.c, because its directory is;
 * this is for the name of a cache, and of what is linked to from elsewhere. `moves`: for directories
 * that hold a cache, too. */
static wasi_errno
path_target_guard(p1_call *c, const path_target *t, bool moves)
{
    struct stat st;
    if (t->at.leaf ? fstatat(t->at.fd, t->at.leaf, &st, AT_SYMLINK_NOFOLLOW) : fstat(t->at.fd, &st))
        return WASI_OK;
    if (t->at.holds_read_only && gbx_wasi_policy_is_read_only(c->w, &st)) {
        gbx_wasi_refuse(c->w, t->path.text, WHY_READ_ONLY);
        return WASI_ROFS;
    }
    bool const is_cache = gbx_wasi_policy_cache(&st) ||
                          (moves && S_ISDIR(st.st_mode) && gbx_wasi_policy_above_cache(c->w, &st));
    if (!is_cache && gbx_wasi_policy_name(c->w, &st)) return WASI_OK;
    gbx_wasi_refuse(c->w, t->path.text, is_cache ? WHY_CACHE : WHY_SPECIAL);
    return WASI_PERM;
}

/* The call acted on a name in a directory and ended with `e`, which is given back. */
static wasi_errno
path_used(p1_call *c, u32 fd_idx, const path_target *t, bool changes, wasi_errno e)
{
    if (t->device == KIND_FREE) used_note(c, guest_u32(c, fd_idx), &t->path, false, changes, e);
    return e;
}

/* One target that is changed by `act`, for path_create_directory and its like. */
typedef struct path_act {
    int (*act)(int dir, const char *leaf);
    wasi_errno dot, dots; /* for a path that ends in "." or ".." */
    wasi_errno device;    /* for one of the devices that are imitated */
    bool removes, adds;   /* a name */
} path_act;

static wasi_errno
path_change(p1_call *c, const path_act *how)
{
    WASI_SCRATCH path_target t;
    WASI_TRY(path_target_read(c, 1, &t));
    wasi_errno e = path_target_find(c, 0, c->row->rights, true, &t);
    if (e) return path_used(c, 0, &t, true, e);
    if (t.device != KIND_FREE) return path_target_refuse_device(c, &t, how->device);
    e = t.at.dots == 1 ? how->dot : how->dots;
    if (t.at.leaf) e = how->removes ? path_target_guard(c, &t, false) : WASI_OK;
    if (t.at.leaf && !e && how->adds) e = gbx_wasi_budget_has(c->w, WASI_MAX_ENTRY_BYTES);
    if (t.at.leaf && !e) {
        e = how->act(t.at.fd, path_leaf(&t.path, &t.at)) ? gbx_wasi_errno_of(errno) : WASI_OK;
        if (!e && how->adds) gbx_wasi_budget_take(c->w, WASI_MAX_ENTRY_BYTES);
    }
    gbx_wasi_parent_deinit(&t.at);
    return path_used(c, 0, &t, true, e);
}

/* No permission bits come from the guest, so set-user-ID and its like cannot; the umask applies. */
static int
path_mkdir(int dir, const char *leaf)
{
    return mkdirat(dir, leaf, 0777);
}

static int
path_rmdir(int dir, const char *leaf)
{
    return unlinkat(dir, leaf, AT_REMOVEDIR);
}

static int
path_unlink(int dir, const char *leaf)
{
    return unlinkat(dir, leaf, 0);
}

wasi_errno
gbx_wasi_path_create_directory(p1_call *c)
{
    static const path_act how = {path_mkdir, WASI_EXIST, WASI_EXIST, WASI_EXIST, false, true};
    return path_change(c, &how);
}

wasi_errno
gbx_wasi_path_remove_directory(p1_call *c)
{
    static const path_act how = {path_rmdir, WASI_INVAL, WASI_NOTEMPTY, WASI_NOTDIR, true, false};
    return path_change(c, &how);
}

wasi_errno
gbx_wasi_path_unlink_file(p1_call *c)
{
    static const path_act how = {path_unlink, WASI_ISDIR, WASI_ISDIR, WASI_PERM, true, false};
    return path_change(c, &how);
}

/* Both ends must be writable: what moves out of a read-only grant is removed there. */
wasi_errno
gbx_wasi_path_rename(p1_call *c)
{
    WASI_SCRATCH path_target from;
    WASI_SCRATCH path_target to;
    WASI_TRY(path_target_read(c, 1, &from));
    WASI_TRY(path_target_read(c, 4, &to));
    wasi_errno e = path_target_find(c, 0, c->row->rights, true, &from);
    if (!e) e = path_target_find(c, 3, c->row->rights2, true, &to);
    if (!e && from.device != KIND_FREE) e = path_target_refuse_device(c, &from, WASI_PERM);
    if (!e && to.device != KIND_FREE) e = path_target_refuse_device(c, &to, WASI_PERM);
    if (!e && (!from.at.leaf || !to.at.leaf)) e = WASI_BUSY;
    if (!e) e = path_target_guard(c, &from, true);
    if (!e) e = path_target_guard(c, &to, false);
    if (!e && renameat(from.at.fd, path_leaf(&from.path, &from.at), to.at.fd,
                       path_leaf(&to.path, &to.at)))
        e = gbx_wasi_errno_of(errno);
    gbx_wasi_parent_deinit(&from.at);
    gbx_wasi_parent_deinit(&to.at);
    (void)path_used(c, 0, &from, true, e);
    return path_used(c, 3, &to, true, e);
}

/* The kernel would follow "link/" here, so a slash is judged by us. Nothing is changed in this case:
 * a directory cannot be linked to, and anything else may not have a slash. */
static wasi_errno
path_link_from_slash(const path_target *from)
{
    struct stat st;
    if (!from->at.leaf) return WASI_PERM;
    if (fstatat(from->at.fd, from->at.leaf, &st, AT_SYMLINK_NOFOLLOW))
        return gbx_wasi_errno_of(errno);
    return S_ISDIR(st.st_mode) ? WASI_PERM : WASI_NOTDIR;
}

/* A link out of a read-only grant would be a writable name for what is read-only: both ends must be
 * writable here too. */
wasi_errno
gbx_wasi_path_link(p1_call *c)
{
    WASI_SCRATCH path_target from;
    WASI_SCRATCH path_target to;
    u32 const lookup = guest_u32(c, 1);
    WASI_TRY(path_target_read(c, 2, &from));
    WASI_TRY(path_target_read(c, 5, &to));
    if (lookup) return WASI_INVAL;
    wasi_errno e = path_target_find(c, 0, c->row->rights, true, &from);
    if (!e) e = path_target_find(c, 4, c->row->rights2, true, &to);
    if (!e && from.device != KIND_FREE) e = path_target_refuse_device(c, &from, WASI_PERM);
    if (!e && to.device != KIND_FREE) e = path_target_refuse_device(c, &to, WASI_EXIST);
    if (!e && (!from.at.leaf || from.path.slash)) e = path_link_from_slash(&from);
    if (!e) e = path_target_guard(c, &from, false);
    if (!e && !to.at.leaf) e = WASI_EXIST;
    if (!e) e = gbx_wasi_budget_has(c->w, WASI_MAX_ENTRY_BYTES);
    if (!e && linkat(from.at.fd, from.at.leaf, to.at.fd, path_leaf(&to.path, &to.at), 0))
        e = gbx_wasi_errno_of(errno);
    if (!e) gbx_wasi_budget_take(c->w, WASI_MAX_ENTRY_BYTES);
    gbx_wasi_parent_deinit(&from.at);
    gbx_wasi_parent_deinit(&to.at);
    (void)path_used(c, 0, &from, true, e);
    return path_used(c, 4, &to, true, e);
}

/* The text of a link is only a text: where it leads is checked when it is followed. An absolute one
 * could never be followed, so it is not made. */
wasi_errno
gbx_wasi_path_symlink(p1_call *c)
{
    WASI_SCRATCH wasi_path text;
    WASI_SCRATCH path_target t;
    WASI_TRY(gbx_wasi_text_read(c, guest_u32(c, 0), guest_u32(c, 1), &text));
    WASI_TRY(path_target_read(c, 3, &t));
    wasi_errno e = path_target_find(c, 2, c->row->rights, true, &t);
    if (e) return path_used(c, 2, &t, true, e);
    if (text.text[0] == '/') {
        gbx_wasi_refuse(c->w, text.text, WHY_OUTSIDE);
        e = WASI_PERM;
    } else if (t.device != KIND_FREE) {
        e = path_target_refuse_device(c, &t, WASI_EXIST);
    } else if (!t.at.leaf) {
        e = WASI_EXIST;
    } else {
        e = gbx_wasi_budget_has(c->w, WASI_MAX_ENTRY_BYTES + text.len);
        if (!e && symlinkat(text.text, t.at.fd, path_leaf(&t.path, &t.at))) e = gbx_wasi_errno_of(errno);
        if (!e) gbx_wasi_budget_take(c->w, WASI_MAX_ENTRY_BYTES + text.len);
    }
    gbx_wasi_parent_deinit(&t.at);
    return path_used(c, 2, &t, true, e);
}

/* The directory that a look-up begins in, unless the path names a device. */
static wasi_errno
path_target_look(p1_call *c, bool changes, path_target *t, wasi_file **dir)
{
    u32 const fd = guest_u32(c, 0);
    if (fd == UINT32_MAX && !changes) path_target_device(t, PLACE_ROOT);
    if (t->device == KIND_FREE) {
        WASI_TRY(gbx_wasi_path_dir(c, fd, c->row->rights, &t->path, changes, dir));
        path_target_device(t, (*dir)->place);
    }
    return t->through ? WASI_NOTDIR : WASI_OK;
}

/* A buffer that is too short gets the beginning, and that is success. GO: os/file_unix.go readlink
 * (1.26) tries again with a larger one. */
static wasi_errno
path_read_link(const path_target *t, u8 *buf, u32 len, u8 *out)
{
    WASI_SCRATCH char text[WASI_MAX_PATH_BYTES + 1];
    if (!t->at.leaf) return WASI_INVAL;
    ssize_t const n = readlinkat(t->at.fd, t->at.leaf, text, sizeof text);
    if (n < 0) return gbx_wasi_errno_of(errno);
    u64 const take = min_u64((u64)n, len);
    if (take) memcpy(buf, text, take);
    put_u32(out, (u32)take);
    return WASI_OK;
}

wasi_errno
gbx_wasi_path_readlink(p1_call *c)
{
    WASI_SCRATCH path_target t;
    u32 const len = guest_u32(c, 4);
    u8 *const buf = guest_range(c, guest_u32(c, 3), len);
    u8 *const out = guest_range(c, guest_u32(c, 5), 4);
    if (!buf || !out) return WASI_FAULT;
    WASI_TRY(path_target_read(c, 1, &t));
    wasi_file *dir;
    wasi_errno e = path_target_look(c, false, &t, &dir);
    if (e) return path_used(c, 0, &t, false, e);
    if (t.device != KIND_FREE) return WASI_INVAL;
    if (dir->kind == KIND_NODE) {
        WASI_TRY(gbx_wasi_node_find(c->w, dir->node, &t.path, &t.node));
        return WASI_INVAL;
    }
    if (t.path.slash) {
        /* "link/" is what the link leads to, which is no link. */
        wasi_look const look = {.base = dir->host,
                                .holds_read_only = dir->holds_read_only,
                                .follow = true,
                                .flags = O_PATH | O_DIRECTORY};
        wasi_found found;
        WASI_TRY(gbx_wasi_path_find(c->w, &look, t.path.text, &found));
        close(found.fd);
        return WASI_INVAL;
    }
    WASI_TRY(gbx_wasi_path_parent(c->w, dir, &t.path, &t.at));
    e = path_read_link(&t, buf, len, out);
    gbx_wasi_parent_deinit(&t.at);
    return path_used(c, 0, &t, false, e);
}

/* What stat and set_times act on: a descriptor of the file itself (leaf NULL), or a name in a directory
 * that is not to be followed; or a device. As for a native lstat, "link/" is what the link leads to.
 * GO: os/stat_test.go TestSymlinkWithTrailingSlash. */
static wasi_errno
path_subject(p1_call *c, bool changes, u32 lookup, path_target *t)
{
    WASI_TRY(path_target_read(c, 2, t));
    if (lookup & ~(u32)LOOKUP_SYMLINK_FOLLOW) return WASI_INVAL;
    wasi_file *dir;
    WASI_TRY(path_target_look(c, changes, t, &dir));
    if (t->device != KIND_FREE) return WASI_OK;
    if (dir->kind == KIND_NODE) return gbx_wasi_node_find(c->w, dir->node, &t->path, &t->node);
    bool const follows = lookup || t->path.slash;
    if (!follows) WASI_TRY(gbx_wasi_path_parent(c->w, dir, &t->path, &t->at));
    if (!follows) return changes && t->at.read_only ? path_target_refuse_change(c, t) : WASI_OK;
    wasi_look const look = {.base = dir->host,
                            .holds_read_only = dir->holds_read_only,
                            .follow = true,
                            .flags = O_PATH | (t->path.slash ? O_DIRECTORY : 0)};
    wasi_found found;
    WASI_TRY(gbx_wasi_path_find(c->w, &look, t->path.text, &found));
    t->at.fd = found.fd;
    t->at.owned = true;
    return changes && found.read_only ? path_target_refuse_change(c, t) : WASI_OK;
}

/* The directories that the guest's tree has although the host may have none there, or none is granted:
 * the root, the one of the devices, and those on the way to a grant. They are seen, and that is all.
 * GO: os/getwd.go Getwd (1.26) believes PWD only when "." can be looked at, and filepath.Abs asks it;
 * path/filepath/symlink.go walkSymlinks looks at each directory on the way to a file. */
static bool
path_is_imitated(const p1_call *c, wasi_place from, const wasi_path *p, struct stat *st)
{
    u32 const fd = guest_u32(c, 0);
    const wasi_file *const dir = fd == UINT32_MAX ? NULL : gbx_wasi_fds_find(&c->w->fds, fd);
    const char *const base = fd == UINT32_MAX ? "/" : dir ? dir->preopen : NULL;
    *st = (struct stat){.st_mode = S_IFDIR, .st_nlink = 1};
    return gbx_wasi_place_of(from, p->text) != PLACE_ELSEWHERE ||
           (base && gbx_wasi_device_way(c->w, base, p->text, st));
}

static wasi_errno
path_stat(const path_target *t, struct stat *st)
{
    wasi_kind device = t->device;
    if (t->node) {
        gbx_wasi_node_stat(t->node, st);
        return WASI_OK;
    }
    if (device == KIND_FREE) {
        if (t->at.leaf ? fstatat(t->at.fd, t->at.leaf, st, AT_SYMLINK_NOFOLLOW) : fstat(t->at.fd, st))
            return gbx_wasi_errno_of(errno);
        device = gbx_wasi_device_of(st);
    }
    if (device != KIND_FREE) gbx_wasi_device_stat(device, st);
    return WASI_OK;
}

wasi_errno
gbx_wasi_path_filestat_get(p1_call *c)
{
    WASI_SCRATCH path_target t;
    struct stat st;
    u8 *const out = guest_range(c, guest_u32(c, 4), 64);
    if (!out) return WASI_FAULT;
    if (guest_u32(c, 0) == UINT32_MAX) {
        WASI_TRY(path_target_read(c, 2, &t));
        if (path_is_imitated(c, PLACE_ROOT, &t.path, &st)) {
            gbx_wasi_put_filestat(out, &st, TYPE_DIRECTORY);
            return WASI_OK;
        }
    }
    wasi_errno e = path_subject(c, false, guest_u32(c, 1), &t);
    if (!e) e = path_stat(&t, &st);
    bool const is_imitated = e == WASI_NOENT && path_is_imitated(c, t.from, &t.path, &st);
    if (is_imitated) e = WASI_OK;
    else if (!e && !t.node) e = wasi_stat_shown(c->w, t.at.fd, t.at.leaf, &st);
    if (!e) gbx_wasi_put_filestat(out, &st, gbx_wasi_type_of(st.st_mode));
    gbx_wasi_parent_deinit(&t.at);
    bool const needs_grant = gbx_wasi_place_of(t.from, t.path.text) == PLACE_ELSEWHERE;
    if (t.device == KIND_FREE && !is_imitated && needs_grant)
        used_note(c, guest_u32(c, 0), &t.path, !e && S_ISDIR(st.st_mode), false, e);
    return e;
}

/* The name of a directory that another file system is mounted on is that one's, without a step into
 * it: the last place where an interface of the kernel could be reached. */
static wasi_errno
path_guard_mount(p1_call *c, const path_target *t)
{
    struct stat above, st;
    if (!t->at.leaf || fstat(t->at.fd, &above)) return WASI_OK;
    int const fd = openat(t->at.fd, t->at.leaf, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return WASI_OK;
    bool const may = fstat(fd, &st) || st.st_dev == above.st_dev || gbx_wasi_policy_fs(c->w, fd);
    close(fd);
    if (may) return WASI_OK;
    gbx_wasi_refuse(c->w, t->path.text, WHY_SPECIAL);
    return WASI_PERM;
}

/* By the descriptor itself; before Linux 5.8 that went by its name in procfs only, which leads to the
 * very file. */
static int
path_touch(int fd, const struct timespec times[2])
{
    char name[32];
    if (!utimensat(fd, "", times, AT_EMPTY_PATH)) return 0;
    if (errno != EINVAL) return -1;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    return utimensat(AT_FDCWD, name, times, 0);
}

wasi_errno
gbx_wasi_path_filestat_set_times(p1_call *c)
{
    WASI_SCRATCH path_target t;
    struct timespec times[2];
    WASI_TRY(gbx_wasi_times_of(c, c->arg[4], c->arg[5], guest_u32(c, 6), times));
    wasi_errno e = path_subject(c, true, guest_u32(c, 1), &t);
    if (e) return path_used(c, 0, &t, true, e);
    if (t.device != KIND_FREE) return path_target_refuse_device(c, &t, WASI_PERM);
    e = path_target_guard(c, &t, false);
    if (!e) e = path_guard_mount(c, &t);
    if (!e && (t.at.leaf ? utimensat(t.at.fd, t.at.leaf, times, AT_SYMLINK_NOFOLLOW)
                         : path_touch(t.at.fd, times)))
        e = gbx_wasi_errno_of(errno);
    if (!e) gbx_wasi_seeded_set_times(c->w, t.at.fd, t.at.leaf, times);
    gbx_wasi_parent_deinit(&t.at);
    return path_used(c, 0, &t, true, e);
}
