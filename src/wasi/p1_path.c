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
        gbx_wasi_refuse(c->w, p->text, WHY_NO_GRANT);
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
} path_target;

static wasi_errno
path_target_read(p1_call *c, u32 path_idx, path_target *t)
{
    t->at = (wasi_parent){.fd = -1};
    return gbx_wasi_path_read(c, guest_u32(c, path_idx), guest_u32(c, path_idx + 1), &t->path);
}

static wasi_errno
path_target_find(p1_call *c, u32 fd_idx, u64 rights, bool changes, path_target *t)
{
    wasi_file *dir;
    WASI_TRY(gbx_wasi_path_dir(c, guest_u32(c, fd_idx), rights, &t->path, changes, &dir));
    return gbx_wasi_path_parent(c->w, dir, &t->path, &t->at);
}

/* RULE: S2. A name in a cache is refused by path.c, because its directory is; this is for the name of a
 * cache, and of what is linked to from elsewhere. `moves`: for directories that hold a cache, too. */
static wasi_errno
path_target_refuse_cache(p1_call *c, const path_target *t, bool moves)
{
    struct stat st;
    if (!t->at.leaf || fstatat(t->at.fd, t->at.leaf, &st, AT_SYMLINK_NOFOLLOW)) return WASI_OK;
    if (!gbx_wasi_policy_cache(&st) &&
        !(moves && S_ISDIR(st.st_mode) && gbx_wasi_policy_above_cache(c->w, &st)))
        return WASI_OK;
    gbx_wasi_refuse(c->w, t->path.text, WHY_CACHE);
    return WASI_PERM;
}

/* One target that is changed by `act`, for path_create_directory and its like. */
typedef struct path_act {
    int (*act)(int dir, const char *leaf);
    wasi_errno dot, dots; /* for a path that ends in "." or ".." */
    bool removes, adds; /* a name */
} path_act;

static wasi_errno
path_change(p1_call *c, const path_act *how)
{
    WASI_SCRATCH path_target t;
    WASI_TRY(path_target_read(c, 1, &t));
    WASI_TRY(path_target_find(c, 0, c->row->rights, true, &t));
    wasi_errno e = t.at.dots == 1 ? how->dot : how->dots;
    if (t.at.leaf) e = how->removes ? path_target_refuse_cache(c, &t, false) : WASI_OK;
    if (t.at.leaf && !e && how->adds) e = gbx_wasi_budget_has(c->w, WASI_MAX_ENTRY_BYTES);
    if (t.at.leaf && !e) {
        e = how->act(t.at.fd, path_leaf(&t.path, &t.at)) ? gbx_wasi_errno_of(errno) : WASI_OK;
        if (!e && how->adds) gbx_wasi_budget_take(c->w, WASI_MAX_ENTRY_BYTES);
    }
    gbx_wasi_parent_deinit(&t.at);
    return e;
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
    static const path_act how = {path_mkdir, WASI_EXIST, WASI_EXIST, false, true};
    return path_change(c, &how);
}

wasi_errno
gbx_wasi_path_remove_directory(p1_call *c)
{
    static const path_act how = {path_rmdir, WASI_INVAL, WASI_NOTEMPTY, true, false};
    return path_change(c, &how);
}

wasi_errno
gbx_wasi_path_unlink_file(p1_call *c)
{
    static const path_act how = {path_unlink, WASI_ISDIR, WASI_ISDIR, false, false};
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
    if (!e && (!from.at.leaf || !to.at.leaf)) e = WASI_BUSY;
    if (!e) e = path_target_refuse_cache(c, &from, true);
    if (!e) e = path_target_refuse_cache(c, &to, false);
    if (!e && renameat(from.at.fd, path_leaf(&from.path, &from.at), to.at.fd,
                       path_leaf(&to.path, &to.at)))
        e = gbx_wasi_errno_of(errno);
    gbx_wasi_parent_deinit(&from.at);
    gbx_wasi_parent_deinit(&to.at);
    return e;
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
    if (!e && (!from.at.leaf || from.path.slash)) e = path_link_from_slash(&from);
    if (!e) e = path_target_refuse_cache(c, &from, false);
    if (!e && !to.at.leaf) e = WASI_EXIST;
    if (!e) e = gbx_wasi_budget_has(c->w, WASI_MAX_ENTRY_BYTES);
    if (!e && linkat(from.at.fd, from.at.leaf, to.at.fd, path_leaf(&to.path, &to.at), 0))
        e = gbx_wasi_errno_of(errno);
    if (!e) gbx_wasi_budget_take(c->w, WASI_MAX_ENTRY_BYTES);
    gbx_wasi_parent_deinit(&from.at);
    gbx_wasi_parent_deinit(&to.at);
    return e;
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
    WASI_TRY(path_target_find(c, 2, c->row->rights, true, &t));
    wasi_errno e = WASI_OK;
    if (text.text[0] == '/') {
        gbx_wasi_refuse(c->w, text.text, WHY_OUTSIDE);
        e = WASI_PERM;
    } else if (!t.at.leaf) {
        e = WASI_EXIST;
    } else {
        e = gbx_wasi_budget_has(c->w, WASI_MAX_ENTRY_BYTES + text.len);
        if (!e && symlinkat(text.text, t.at.fd, path_leaf(&t.path, &t.at))) e = gbx_wasi_errno_of(errno);
        if (!e) gbx_wasi_budget_take(c->w, WASI_MAX_ENTRY_BYTES + text.len);
    }
    gbx_wasi_parent_deinit(&t.at);
    return e;
}

/* A buffer that is too short gets the beginning, and that is success. GO: os/file_unix.go readlink
 * (1.26) tries again with a larger one. */
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
    WASI_TRY(gbx_wasi_path_dir(c, guest_u32(c, 0), c->row->rights, &t.path, false, &dir));
    if (t.path.slash) {
        /* "link/" is what the link leads to, which is no link. */
        wasi_look const look = {.base = dir->host, .follow = true, .flags = O_PATH | O_DIRECTORY};
        wasi_found found;
        WASI_TRY(gbx_wasi_path_find(c->w, &look, t.path.text, &found));
        close(found.fd);
        return WASI_INVAL;
    }
    WASI_TRY(gbx_wasi_path_parent(c->w, dir, &t.path, &t.at));
    WASI_SCRATCH char text[WASI_MAX_PATH_BYTES + 1];
    wasi_errno e = WASI_INVAL;
    if (t.at.leaf) {
        ssize_t const n = readlinkat(t.at.fd, t.at.leaf, text, sizeof text);
        e = n < 0 ? gbx_wasi_errno_of(errno) : WASI_OK;
        u64 const take = n < 0 ? 0 : min_u64((u64)n, len);
        if (take) memcpy(buf, text, take);
        if (!e) put_u32(out, (u32)take);
    }
    gbx_wasi_parent_deinit(&t.at);
    return e;
}

/* What stat and set_times act on: a descriptor of the file itself (leaf NULL), or a name in a directory
 * that is not to be followed. As for a native lstat, "link/" is what the link leads to.
 * GO: os/stat_test.go TestSymlinkWithTrailingSlash. */
static wasi_errno
path_subject(p1_call *c, bool changes, u32 lookup, path_target *t)
{
    WASI_TRY(path_target_read(c, 2, t));
    if (lookup & ~(u32)LOOKUP_SYMLINK_FOLLOW) return WASI_INVAL;
    wasi_file *dir;
    WASI_TRY(gbx_wasi_path_dir(c, guest_u32(c, 0), c->row->rights, &t->path, changes, &dir));
    if (!lookup && !t->path.slash) return gbx_wasi_path_parent(c->w, dir, &t->path, &t->at);
    wasi_look const look = {.base = dir->host,
                            .follow = true,
                            .flags = O_PATH | (t->path.slash ? O_DIRECTORY : 0)};
    wasi_found found;
    WASI_TRY(gbx_wasi_path_find(c->w, &look, t->path.text, &found));
    t->at.fd = found.fd;
    t->at.owned = true;
    return WASI_OK;
}

/* The root of the guest's names is a directory also where it is not granted: only its grants stand in it.
 * GO: os/getwd.go Getwd (1.26) believes PWD only when "." can be looked at, and filepath.Abs asks it. */
static bool
path_is_root(const wasi_path *p)
{
    return !strcmp(p->text, ".") || !strcmp(p->text, "/");
}

wasi_errno
gbx_wasi_path_filestat_get(p1_call *c)
{
    WASI_SCRATCH path_target t;
    struct stat st;
    u8 *const out = guest_range(c, guest_u32(c, 4), 64);
    if (!out) return WASI_FAULT;
    wasi_file device;
    if (guest_u32(c, 0) == UINT32_MAX) {
        WASI_TRY(path_target_read(c, 2, &t));
        if (gbx_wasi_synthetic(&t.path, &device)) {
            WASI_TRY(gbx_wasi_vfs_stat(&device, &st));
            gbx_wasi_put_filestat(out, &st, device.type);
            return WASI_OK;
        }
        if (path_is_root(&t.path)) {
            st = (struct stat){.st_mode = S_IFDIR, .st_nlink = 1};
            gbx_wasi_put_filestat(out, &st, TYPE_DIRECTORY);
            return WASI_OK;
        }
    }
    WASI_TRY(path_subject(c, false, guest_u32(c, 1), &t));
    int const rc = t.at.leaf ? fstatat(t.at.fd, t.at.leaf, &st, AT_SYMLINK_NOFOLLOW)
                             : fstat(t.at.fd, &st);
    wasi_errno e = rc ? gbx_wasi_errno_of(errno) : WASI_OK;
    if (!e) e = wasi_stat_shown(c->w, t.at.fd, t.at.leaf, &st);
    if (!e) gbx_wasi_put_filestat(out, &st, gbx_wasi_type_of(st.st_mode));
    gbx_wasi_parent_deinit(&t.at);
    return e;
}

wasi_errno
gbx_wasi_path_filestat_set_times(p1_call *c)
{
    WASI_SCRATCH path_target t;
    struct timespec times[2];
    WASI_TRY(gbx_wasi_times_of(c, c->arg[4], c->arg[5], guest_u32(c, 6), times));
    WASI_TRY(path_subject(c, true, guest_u32(c, 1), &t));
    wasi_errno e = path_target_refuse_cache(c, &t, false);
    if (!e && (t.at.leaf ? utimensat(t.at.fd, t.at.leaf, times, AT_SYMLINK_NOFOLLOW)
                         : utimensat(t.at.fd, "", times, AT_EMPTY_PATH)))
        e = gbx_wasi_errno_of(errno);
    if (!e) gbx_wasi_seeded_set_times(c->w, t.at.fd, t.at.leaf, times);
    gbx_wasi_parent_deinit(&t.at);
    return e;
}
