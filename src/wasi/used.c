/* What a guest used of its grants, where the host wants to know: which directories it read in, which it
 * changed, and what it was refused for want of a grant.
 *
 * A row is a directory of the guest's tree by the name that the guest has for it, and a refused row the path
 * itself. What is not there needs no grant to be not there, and the devices that every guest has need none:
 * neither is noted. Who does not ask pays one test of a pointer in each path call.
 *
 * SAFETY: paths are the guest's; they are well-formed and clean, each is kept once, and USED_ROWS of them are
 * kept: then the record says that it is not whole. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "wasi/wasi_int.h"

#define USED_PATH (2 * WASI_MAX_PATH_BYTES + 2u)

struct wasi_used {
    wasi_use rows[WASI_USES_MAX];
    u32 count;
    bool is_cut; /* there was more, or something could not be placed */
    arena texts;
    u32 root_count;
    const char *
            *roots; /* paths on the host of granted directories, in their order; "": not known */
    arena root_texts;
};

/* The host's path of what is open; false: it cannot be told. */
static bool
used_host_path(int fd, char *out, size_t cap)
{
    char name[32];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t const len = readlink(name, out, cap - 1);
    out[len < 0 ? 0 : len] = 0;
    return len > 0 && out[0] == '/' && (size_t)len < cap - 1;
}

gbx_code
gbx_wasi_used_new(wasi_ctx *w, gbx_err *err)
{
    char path[USED_PATH];
    wasi_used *const u = gbx_base_alloc_zero(1, sizeof *u);
    w->used = u;
    if (u) u->roots = gbx_base_arena_alloc(&u->root_texts, w->preopen_count + 1u, sizeof *u->roots);
    bool ok = u && u->roots;
    for (u32 i = 0; ok && i < w->preopen_count; i++) {
        const wasi_file *const f = &w->fds.files[w->granted - w->preopen_count + i];
        bool const is_host =
                f->kind == KIND_HOST && !f->scratch && used_host_path(f->host, path, sizeof path);
        u->roots[i] = gbx_base_arena_copy(&u->root_texts, path, is_host ? strlen(path) : 0);
        ok = u->roots[i] != NULL;
        u->root_count = i + 1;
    }
    if (ok) return GBX_OK;
    return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory to note what is used");
}

void
gbx_wasi_used_free(wasi_used *u)
{
    if (!u) return;
    gbx_base_arena_deinit(&u->texts);
    gbx_base_arena_deinit(&u->root_texts);
    gbx_base_free(u);
}

void
gbx_wasi_used_again(wasi_used *u)
{
    if (!u) return;
    gbx_base_arena_deinit(&u->texts);
    u->count = 0;
    u->is_cut = false;
}

/* The name that the guest has for the directory `f`. */
static bool
used_base(const wasi_ctx *w, const wasi_file *f, char *out, size_t cap)
{
    char path[USED_PATH];
    size_t best = 0, best_idx = 0;
    if (f->preopen) return snprintf(out, cap, "%s", f->preopen) < (int)cap;
    if (f->kind != KIND_HOST || !used_host_path(f->host, path, sizeof path)) return false;
    for (u32 i = 0; i < w->used->root_count; i++) {
        const char *const root = w->used->roots[i];
        size_t const len = root[0] && root[1] ? strlen(root) : 0;
        bool const is_above =
                *root && !strncmp(path, root, len) && (path[len] == '/' || !path[len]);
        if (!is_above || (best && len + 1 <= best)) continue;
        best = len + 1;
        best_idx = i;
    }
    return best &&
           snprintf(out, cap, "%s/%s", w->preopens[best_idx].name, path + best - 1) < (int)cap;
}

static void
used_add(wasi_used *u, const char *path, bool changes, bool refused)
{
    for (u32 i = 0; i < u->count; i++) {
        wasi_use *const row = &u->rows[i];
        if (row->refused != refused || strcmp(row->path, path)) continue;
        row->changes = row->changes || changes;
        return;
    }
    const char *const kept =
            u->count < WASI_USES_MAX ? gbx_base_arena_copy(&u->texts, path, strlen(path)) : NULL;
    if (!kept) {
        u->is_cut = true;
        return;
    }
    u->rows[u->count++] = (wasi_use){.path = kept, .changes = changes, .refused = refused};
}

void
gbx_wasi_used_note(p1_call *c, u32 fd, const wasi_path *p, bool is_dir, bool changes, wasi_errno e)
{
    char given[USED_PATH], clean[USED_PATH];
    wasi_used *const u = c->w->used;
    gbx_err err;
    bool const refused = fd == UINT32_MAX;
    bool const was_tried = e == WASI_OK || e == WASI_ROFS || e == WASI_EXIST || e == WASI_ACCES ||
                           e == WASI_ISDIR || e == WASI_NOTEMPTY || e == WASI_NOSPC ||
                           e == WASI_DQUOT;
    if (!p->len || (refused ? e != WASI_NOENT && e != WASI_PERM : !was_tried)) return;
    const wasi_file *const f = refused ? NULL : gbx_wasi_fds_find(&c->w->fds, fd);
    char base[USED_PATH] = "/";
    if (!refused && (!f || !used_base(c->w, f, base, sizeof base))) {
        u->is_cut = true;
        return;
    }
    if (snprintf(given, sizeof given, "%s/%s", base, p->text) >= (int)sizeof given ||
        gbx_wasi_guest_path(given, clean, sizeof clean, &err) != GBX_OK) {
        u->is_cut = u->is_cut || !refused;
        return;
    }
    char *const slash = strrchr(clean, '/');
    if (!refused && !is_dir) slash[slash == clean] = 0;
    used_add(u, clean, changes, refused);
}

const wasi_use *
gbx_wasi_uses(const wasi_ctx *w, u32 *count, bool *is_whole)
{
    *count = w->used ? w->used->count : 0;
    *is_whole = w->used && !w->used->is_cut;
    return w->used ? w->used->rows : NULL;
}
