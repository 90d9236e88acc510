/* Imprints: what of a context a guest may have taken note of, and whether another context is like it.
 *
 * A guest that continues from a snapshot goes on with the arguments, the variables and the descriptors it
 * once asked for. The first two are compared byte by byte; descriptors by what fd_prestat_get and
 * fd_fdstat_get say of them. Flags and rights that the guest changed are state that the host keeps for it,
 * so they go along.
 *
 * What must hold: a snapshot has no open descriptor but those that were granted, in their places. Then the
 * guest can use none that its new context does not have. */
#include <string.h>

#include "base/alloc.h"
#include "wasi/wasi_int.h"

typedef struct imprint_fd {
    u8 type;
    u16 flags;
    u64 rights, inheriting;
    char *preopen; /* NULL: not a granted directory */
} imprint_fd;

struct wasi_imprint {
    wasi_strings args, env;
    imprint_fd *fds;
    u32 fd_count;
    wasi_clock clock;
};

/* What fd_fdstat_set_flags cannot change on every descriptor. */
#define IMPRINT_FIXED_FLAGS (FDFLAG_ALL & ~FDFLAG_NONBLOCK)

static bool
imprint_copy(const char *from, size_t bytes, char **to)
{
    *to = gbx_base_alloc(bytes, 1);
    if (*to && bytes) memcpy(*to, from, bytes);
    return *to != NULL;
}

static bool
imprint_strings(wasi_strings *to, const wasi_strings *from)
{
    to->bytes = from->bytes;
    to->count = from->count;
    return imprint_copy(from->data, from->bytes, &to->data);
}

static gbx_code
imprint_check_fds(wasi_ctx *w, gbx_err *err)
{
    for (u32 fd = 0; fd < max_u64(w->fds.len, w->granted); fd++) {
        const wasi_file *const f = gbx_wasi_fds_find(&w->fds, fd);
        bool const is_granted = fd < w->granted;
        if (f ? is_granted && f->granted == fd + 1 : !is_granted) continue;
        return gbx_base_err_set(err, GBX_SNAPSHOT, GBX_NO_OFFSET,
                                "no snapshot can be taken: descriptor %u, which was %s, is %s", fd,
                                is_granted ? "granted" : "not granted",
                                f ? "open for something else" : "closed");
    }
    return GBX_OK;
}

static bool
imprint_fill(wasi_imprint *p, wasi_ctx *w)
{
    if (!imprint_strings(&p->args, &w->args) || !imprint_strings(&p->env, &w->env)) return false;
    p->fds = gbx_base_alloc_zero(w->granted, sizeof *p->fds);
    if (!p->fds) return false;
    p->fd_count = w->granted;
    p->clock = w->clock;
    for (u32 fd = 0; fd < w->granted; fd++) {
        const wasi_file *const f = &w->fds.files[fd];
        imprint_fd *const to = &p->fds[fd];
        *to = (imprint_fd){
                .type = f->type, .flags = f->flags, .rights = f->rights, .inheriting = f->inheriting};
        if (f->preopen && !imprint_copy(f->preopen, strlen(f->preopen) + 1, &to->preopen)) return false;
    }
    return true;
}

gbx_code
gbx_wasi_imprint_new(wasi_ctx *w, wasi_imprint **out, gbx_err *err)
{
    *out = NULL;
    GBX_TRY(imprint_check_fds(w, err));
    wasi_imprint *const p = gbx_base_alloc_zero(1, sizeof *p);
    if (p && imprint_fill(p, w)) {
        *out = p;
        return GBX_OK;
    }
    gbx_wasi_imprint_free(p);
    return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for a snapshot");
}

void
gbx_wasi_imprint_free(wasi_imprint *p)
{
    if (!p) return;
    for (u32 fd = 0; fd < p->fd_count; fd++) gbx_base_free(p->fds[fd].preopen);
    gbx_base_free(p->fds);
    gbx_base_free(p->args.data);
    gbx_base_free(p->env.data);
    gbx_base_free(p);
}

static bool
imprint_same_strings(const wasi_strings *a, const wasi_strings *b)
{
    return a->count == b->count && a->bytes == b->bytes &&
           (a->bytes == 0 || memcmp(a->data, b->data, a->bytes) == 0);
}

/* Rights only shrink: what is more than the guest had can be taken from the new one. */
static bool
imprint_same_fd(const imprint_fd *p, const wasi_file *f)
{
    bool const has_name = p->preopen && f->preopen && strcmp(p->preopen, f->preopen) == 0;
    return p->type == f->type && (p->preopen == f->preopen || has_name) &&
           ((p->flags ^ f->flags) & IMPRINT_FIXED_FLAGS) == 0 && (p->rights & ~f->rights) == 0 &&
           (p->inheriting & ~f->inheriting) == 0;
}

u32
gbx_wasi_imprint_differs(const wasi_imprint *p, wasi_ctx *w)
{
    u32 differs = 0;
    if (!imprint_same_strings(&p->args, &w->args)) differs |= GBX_FROM_ARGS;
    if (!imprint_same_strings(&p->env, &w->env)) differs |= GBX_FROM_ENV;
    bool is_same = p->fd_count == w->granted;
    for (u32 fd = 0; is_same && fd < p->fd_count; fd++) {
        const wasi_file *const f = gbx_wasi_fds_find(&w->fds, fd);
        is_same = f && f->granted == fd + 1 && imprint_same_fd(&p->fds[fd], f);
    }
    return is_same ? differs : differs | GBX_FROM_GRANTS;
}

void
gbx_wasi_imprint_apply(const wasi_imprint *p, wasi_ctx *w)
{
    bool const is_same = !(gbx_wasi_imprint_differs(p, w) & GBX_FROM_GRANTS);
    w->clock.past_ns = max_u64(w->clock.past_ns, p->clock.past_ns); /* it never goes back */
    for (u32 fd = 0; fd < min_u64(p->fd_count, w->granted); fd++) {
        wasi_file *const f = gbx_wasi_fds_find(&w->fds, fd);
        if (!f) continue;
        f->flags = (u16)((f->flags & IMPRINT_FIXED_FLAGS) | (p->fds[fd].flags & FDFLAG_NONBLOCK));
        if (!is_same) continue;
        f->rights = p->fds[fd].rights;
        f->inheriting = p->fds[fd].inheriting;
    }
}
