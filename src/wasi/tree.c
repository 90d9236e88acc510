/* Read-only directories in memory: files that an embedder gives to guests, with nothing of the host behind
 * them.
 *
 * A tree is made by the builder and shared by the contexts that were linked with it; from then on it never
 * changes: who adds to one that is shared adds to a copy. There are directories and files in it, and nothing
 * else, so that a look-up is a walk from name to name. Listings are in the order of the names' bytes.
 *
 * What must hold: no look-up leaves the directory that it begins in, as beneath a directory of the host. What
 * would change something is ROFS, which the calls that change say before they come here.
 *
 * SAFETY: cookies and offsets are the guest's, and compared with what there is before anything is indexed. */
#include "wasi/guest.h"
#include "wasi/wasi_int.h"

#include <stdio.h>
#include <sys/sysmacros.h>

#include "base/alloc.h"
#include "base/text.h"

#define TREE_MAJOR 0x10000u /* of the device that a tree is on: no file system has that one */
#define TREE_NAME_BYTES 255u

struct wasi_node {
    char *name;
    wasi_node *parent; /* NULL: the root */
    wasi_blob *blob;   /* NULL: a directory */
    wasi_node **kids;  /* in the order of their names */
    u32 kid_count, kid_cap;
    u64 ino;
    u32 number; /* of the tree */
};

struct wasi_tree {
    _Atomic u32 refs;
    wasi_node *root;
    u32 number; /* of its device */
    u64 inos, files, bytes;
};

static wasi_node *
tree_node_new(wasi_tree *t, const char *name, size_t len, wasi_node *parent, wasi_blob *blob)
{
    wasi_node *const n = gbx_base_alloc_zero(1, sizeof *n);
    char *const copy = gbx_base_alloc(len + 1, 1);
    if (!n || !copy) {
        gbx_base_free(n);
        gbx_base_free(copy);
        return NULL;
    }
    memcpy(copy, name, len);
    copy[len] = 0;
    *n = (wasi_node){.name = copy,
                     .parent = parent,
                     .blob = gbx_wasi_blob_retain(blob),
                     .ino = ++t->inos,
                     .number = t->number};
    return n;
}

/* Without recursion: how deep a tree is, a path says. */
static void
tree_node_free(wasi_node *n)
{
    while (n) {
        if (n->kid_count) {
            n = n->kids[--n->kid_count];
            continue;
        }
        wasi_node *const up = n->parent;
        gbx_wasi_blob_release(n->blob);
        gbx_base_free(n->kids);
        gbx_base_free(n->name);
        gbx_base_free(n);
        n = up;
    }
}

wasi_tree *
gbx_wasi_tree_new(u32 number)
{
    wasi_tree *const t = gbx_base_alloc_zero(1, sizeof *t);
    if (!t) return NULL;
    atomic_init(&t->refs, 1);
    t->number = number;
    t->root = tree_node_new(t, "", 0, NULL, NULL);
    if (t->root) return t;
    gbx_base_free(t);
    return NULL;
}

wasi_tree *
gbx_wasi_tree_retain(wasi_tree *t)
{
    atomic_fetch_add(&t->refs, 1);
    return t;
}

void
gbx_wasi_tree_release(wasi_tree *t)
{
    if (!t || atomic_fetch_sub(&t->refs, 1) != 1) return;
    tree_node_free(t->root);
    gbx_base_free(t);
}

/* As strcmp of name[0..len) and the node's. */
static int
tree_compare(const char *name, size_t len, const wasi_node *n)
{
    int const order = strncmp(name, n->name, len);
    return order ? order : -(n->name[len] != 0);
}

/* The child's place, or where it would be. */
static u32
tree_place(const wasi_node *dir, const char *name, size_t len, bool *found)
{
    u32 low = 0, high = dir->kid_count;
    *found = false;
    while (low < high) {
        u32 const middle = low + (high - low) / 2;
        int const order = tree_compare(name, len, dir->kids[middle]);
        *found = order == 0;
        if (*found) return middle;
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return low;
}

static wasi_node *
tree_insert(wasi_tree *t, wasi_node *dir, u32 at, const char *name, size_t len, wasi_blob *blob)
{
    if (dir->kid_count == dir->kid_cap) {
        u32 const cap = dir->kid_cap ? 2 * dir->kid_cap : 4;
        if (cap < dir->kid_cap) return NULL;
        wasi_node **const grown = gbx_base_realloc(dir->kids, cap, sizeof(wasi_node *));
        if (!grown) return NULL;
        dir->kids = grown;
        dir->kid_cap = cap;
    }
    wasi_node *const n = tree_node_new(t, name, len, dir, blob);
    if (!n) return NULL;
    memmove(dir->kids + at + 1, dir->kids + at, (dir->kid_count - at) * sizeof(wasi_node *));
    dir->kids[at] = n;
    dir->kid_count++;
    return n;
}

static gbx_code
tree_refuse(const char *path, const char *why, gbx_err *err)
{
    char shown[512];
    text_buf t = gbx_base_text_init(shown, sizeof shown);
    gbx_base_text_escape(&t, path, strlen(path), 400);
    return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "the file \"%s\" %s", shown, why);
}

static gbx_code
tree_out_of_memory(gbx_err *err)
{
    return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for a file");
}

/* The way to a file may be walked to its end: checked before anything is made. `clean` begins with "/". */
static gbx_code
tree_check(const wasi_tree *t, const char *clean, gbx_err *err)
{
    const wasi_node *dir = t->root;
    if (!clean[1]) return tree_refuse(clean, "has no name", err);
    if (!gbx_base_utf8_check((const u8 *)clean, strlen(clean)))
        return tree_refuse(clean, "has no name in UTF-8", err);
    for (const char *p = clean + 1;;) {
        size_t const len = strcspn(p, "/");
        bool found = false;
        if (len > TREE_NAME_BYTES) return tree_refuse(clean, "has a name of more than 255 bytes", err);
        u32 const at = dir ? tree_place(dir, p, len, &found) : 0;
        dir = found ? dir->kids[at] : NULL;
        if (!p[len]) break;
        if (dir && dir->blob) return tree_refuse(clean, "lies below another file", err);
        p += len + 1;
    }
    return dir && !dir->blob ? tree_refuse(clean, "is a directory with files in it", err) : GBX_OK;
}

/* Directories that were made for a file for which memory is short stay: they are empty. */
gbx_code
gbx_wasi_tree_add(wasi_tree *t, const char *clean, wasi_blob *blob, gbx_err *err)
{
    GBX_ASSERT(atomic_load(&t->refs) == 1);
    GBX_TRY(tree_check(t, clean, err));
    wasi_node *dir = t->root;
    for (const char *p = clean + 1;;) {
        size_t const len = strcspn(p, "/");
        bool const is_last = !p[len];
        bool found;
        u32 const at = tree_place(dir, p, len, &found);
        wasi_node *const n = found ? dir->kids[at] : tree_insert(t, dir, at, p, len, is_last ? blob : NULL);
        if (!n) return tree_out_of_memory(err);
        if (!is_last) {
            dir = n;
            p += len + 1;
            continue;
        }
        if (found) {
            t->bytes -= n->blob->len;
            gbx_wasi_blob_release(n->blob);
            n->blob = gbx_wasi_blob_retain(blob);
        }
        t->files += !found;
        t->bytes += blob->len;
        return GBX_OK;
    }
}

/* What stands behind `n` in a walk over all nodes that begins at `top`. */
static const wasi_node *
tree_next(const wasi_node *top, const wasi_node *n)
{
    if (n->kid_count) return n->kids[0];
    for (; n != top; n = n->parent) {
        bool found;
        u32 const at = tree_place(n->parent, n->name, strlen(n->name), &found);
        if (at + 1 < n->parent->kid_count) return n->parent->kids[at + 1];
    }
    return NULL;
}

/* The path of a node, behind "/"; false where it is longer than a path can be. */
static bool
tree_path(const wasi_node *n, char out[WASI_MAX_PATH_BYTES + 1])
{
    size_t at = WASI_MAX_PATH_BYTES;
    out[at] = 0;
    for (; n->parent; n = n->parent) {
        size_t const len = strlen(n->name);
        if (len + 1 > at) return false;
        at -= len;
        memcpy(out + at, n->name, len);
        out[--at] = '/';
    }
    memmove(out, out + at, WASI_MAX_PATH_BYTES + 1 - at);
    return true;
}

wasi_tree *
gbx_wasi_tree_copy(const wasi_tree *from)
{
    WASI_SCRATCH char path[WASI_MAX_PATH_BYTES + 1];
    wasi_tree *const t = gbx_wasi_tree_new(from->number);
    if (!t) return NULL;
    for (const wasi_node *n = from->root; n; n = tree_next(from->root, n)) {
        if (!n->blob) continue;
        if (tree_path(n, path) && gbx_wasi_tree_add(t, path, n->blob, NULL) == GBX_OK) continue;
        gbx_wasi_tree_release(t);
        return NULL;
    }
    return t;
}

bool
gbx_wasi_tree_is_shared(const wasi_tree *t)
{
    return atomic_load(&t->refs) > 1;
}

void
gbx_wasi_tree_figures(const wasi_tree *t, u64 *files, u64 *bytes)
{
    *files = t->files;
    *bytes = t->bytes;
}

const wasi_node *
gbx_wasi_tree_root(const wasi_tree *t)
{
    return t->root;
}

/* ---- what guests see */

u8
gbx_wasi_node_type(const wasi_node *n)
{
    return n->blob ? TYPE_REGULAR_FILE : TYPE_DIRECTORY;
}

/* RULE: S17 a path leads beneath the directory it begins in, or nowhere. */
wasi_errno
gbx_wasi_node_find(wasi_ctx *w, const wasi_node *base, const wasi_path *path, const wasi_node **out)
{
    const wasi_node *n = base;
    if (path->text[0] == '/') {
        gbx_wasi_refuse(w, path->text, WHY_OUTSIDE);
        return WASI_PERM;
    }
    for (const char *p = path->text; *p;) {
        size_t const len = strcspn(p, "/");
        bool found = true;
        if (n->blob) return WASI_NOTDIR;
        if (len > TREE_NAME_BYTES) return WASI_NAMETOOLONG;
        if (len == 2 && p[0] == '.' && p[1] == '.') {
            if (n == base) {
                gbx_wasi_refuse(w, path->text, WHY_OUTSIDE);
                return WASI_PERM;
            }
            n = n->parent;
        } else if (len > 1 || p[0] != '.') {
            u32 const at = tree_place(n, p, len, &found);
            if (!found) return WASI_NOENT;
            n = n->kids[at];
        }
        p += len;
        if (*p == '/' && n->blob) return WASI_NOTDIR;
        while (*p == '/') p++;
    }
    if (path->slash && n->blob) return WASI_NOTDIR;
    *out = n;
    return WASI_OK;
}

/* All of its times are where the fixed clock begins: they are the same in every run. */
void
gbx_wasi_node_stat(const wasi_node *n, struct stat *st)
{
    struct timespec const begin = {.tv_sec = WASI_CLOCK_BEGIN_S};
    *st = (struct stat){.st_dev = makedev(TREE_MAJOR, n->number),
                        .st_ino = (ino_t)n->ino,
                        .st_mode = n->blob ? S_IFREG | 0444 : S_IFDIR | 0555,
                        .st_nlink = n->blob ? 1 : 2,
                        .st_size = n->blob ? (off_t)n->blob->len : 0,
                        .st_atim = begin,
                        .st_mtim = begin,
                        .st_ctim = begin};
}

wasi_errno
gbx_wasi_node_read(p1_call *c, const wasi_node *n, p1_iovs *v, u64 offset, u64 *done)
{
    *done = 0;
    for (u32 i = 0; i < v->count; i++) {
        u8 *buf = v->v[i].iov_base;
        for (size_t left = v->v[i].iov_len; left;) {
            u64 const at = offset + *done;
            if (at >= n->blob->len) return WASI_OK;
            size_t const take = min_u64(min_u64(left, WASI_MAX_IO_PIECE), n->blob->len - at);
            memcpy(buf, n->blob->data + at, take);
            buf += take;
            left -= take;
            *done += take;
            if (atomic_load(&c->x->stop)) return WASI_STOPPED;
        }
    }
    return WASI_OK;
}

u64
gbx_wasi_node_left(const wasi_node *n, u64 at)
{
    return n->blob && at < n->blob->len ? n->blob->len - at : 0;
}

wasi_errno
gbx_wasi_node_seek(const wasi_node *n, u64 *at, i64 offset, int whence)
{
    i64 to, from = 0;
    if (whence == SEEK_CUR) from = (i64)*at;
    if (whence == SEEK_END) from = (i64)n->blob->len;
    if (__builtin_add_overflow(from, offset, &to)) return WASI_OVERFLOW;
    if (to < 0) return WASI_INVAL;
    *at = (u64)to;
    return WASI_OK;
}

/* A cookie is the place of the next entry; "." and ".." come first. As gbx_wasi_dir_read. */
void
gbx_wasi_node_list(const wasi_node *dir, u64 cookie, u8 *buf, u32 len, u32 *used)
{
    *used = 0;
    for (u64 i = cookie; i < (u64)dir->kid_count + 2 && *used < len; i++) {
        wasi_entry e = {.name = ".", .ino = dir->ino, .next = i + 1, .type = TYPE_DIRECTORY};
        if (i == 1) {
            e.name = "..";
            e.ino = 0;
        } else if (i > 1) {
            const wasi_node *const n = dir->kids[i - 2];
            e.name = n->name;
            e.ino = n->ino;
            e.type = gbx_wasi_node_type(n);
        }
        if (!gbx_wasi_dir_put(&e, buf, len, used)) return;
    }
}
