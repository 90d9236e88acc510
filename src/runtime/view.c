/* Views: a host function's way to a guest's bytes, by handles that end with it.
 *
 * A store has a table of them. A handle names a place in it and the place's generation, which goes on when
 * the view ends, so that a handle that was kept names nothing. A view belongs to the host function that
 * opened it, told by how deep calls are nested.
 *
 * In a checked engine what is behind a view is a window: a copy in pages of its own,
 *
 *     | no access ... | bytes of the view |  < 16 bytes | no access |
 *
 * at the pages' end, on an address that is aligned as the guest's own. The windows are synchronised with the
 * memory (what was changed in a window is written, then all windows are read anew) before anything else looks
 * at the memory: the host by another way, another view being opened, the guest. When guest code runs, and
 * when the view ends, its pages are made inaccessible. They stay so, and nothing else is mapped there, until
 * the store ends or very many have come after them.
 *
 * SAFETY: addresses and lengths are the guest's: compared with the memory's size in 64 bits. The memory never
 * shrinks nor moves while there are views of it: that happens when its store is gone, or a host resets an
 * instance, which it cannot while a call runs. */
#include <string.h>

#include "base/alloc.h"
#include "base/os_mem.h"
#include "runtime/runtime_int.h"

#define VIEW_ALIGN         16u
#define VIEW_KEPT_BYTES    ((u64)1 << 30) /* of address space, of windows that are over */
#define VIEW_KEPT_WINDOWS  4096u
#define VIEW_BLOCK_BYTES   256u           /* compared at once */

typedef struct view_window view_window;
struct view_window {
    view_window *next; /* of those that are over */
    u8 *region;        /* NULL: none */
    size_t region_bytes, guard_bytes;
    u8 *shadow; /* what the window was filled with */
};

typedef struct view_slot {
    u32 generation;
    u32 depth; /* 0: free */
    const gbx_memory *mem;
    u64 addr, len;
    u8 *data; /* NULL: hidden */
    view_window *window; /* NULL: `data` is the memory itself */
} view_slot;

struct gbx_views {
    view_slot *slots;
    u32 count, open;
    bool checked;
    view_window *kept, **kept_end; /* oldest first */
    u32 kept_count;
    u64 kept_bytes;
};

/* ---- windows */

static void
view_window_free(view_window *w)
{
    if (!w) return;
    gbx_base_os_unmap(w->region, w->region_bytes);
    gbx_base_free(w->shadow);
    gbx_base_free(w);
}

static u8 *
view_window_data(const view_window *w, u64 addr, u64 len)
{
    u8 *const end = w->region + w->region_bytes - w->guard_bytes;
    u8 *const last = end - len;
    return last - (((uintptr_t)last - addr) & (VIEW_ALIGN - 1));
}

static view_window *
view_window_new(u64 len)
{
    size_t const page = gbx_base_os_page_bytes();
    u64 const used = (len + VIEW_ALIGN + page - 1) & ~(u64)(page - 1);
    view_window *const w = gbx_base_alloc_zero(1, sizeof *w);
    if (!w) return NULL;
    w->guard_bytes = page;
    w->region_bytes = used + page;
    w->region = gbx_base_os_reserve(w->region_bytes);
    w->shadow = gbx_base_alloc(len, 1);
    if (w->region && w->shadow && gbx_base_os_commit(w->region, used)) return w;
    if (w->region) gbx_base_os_unmap(w->region, w->region_bytes);
    gbx_base_free(w->shadow);
    gbx_base_free(w);
    return NULL;
}

/* Nothing can be read there any more. Where the system refuses to change the pages they are given back. */
static bool
view_window_hide(view_window *w)
{
    if (gbx_base_os_hide(w->region, w->region_bytes - w->guard_bytes)) return true;
    gbx_base_os_unmap(w->region, w->region_bytes);
    w->region = NULL;
    w->region_bytes = 0;
    return false;
}

/* What the host changed, and nothing else: the rest may have been changed in the memory meanwhile. */
static void
view_write_back(view_slot *s)
{
    u8 *const to = s->mem->base + s->addr, *const shadow = s->window->shadow;
    for (u64 at = 0; at < s->len;) {
        u64 const n = min_u64(VIEW_BLOCK_BYTES, s->len - at);
        bool const is_same = memcmp(s->data + at, shadow + at, n) == 0;
        for (u64 i = at; !is_same && i < at + n; i++) {
            if (s->data[i] == shadow[i]) continue;
            to[i] = shadow[i] = s->data[i];
        }
        at += n;
    }
}

static void
view_fill(view_slot *s)
{
    if (!s->len) return;
    memcpy(s->data, s->mem->base + s->addr, s->len);
    memcpy(s->window->shadow, s->data, s->len);
}

/* ---- the table */

static void
view_keep(gbx_views *v, view_window *w)
{
    if (!w->region) {
        view_window_free(w);
        return;
    }
    gbx_base_os_discard(w->region, w->region_bytes);
    gbx_base_free(w->shadow);
    w->shadow = NULL;
    w->next = NULL;
    *v->kept_end = w;
    v->kept_end = &w->next;
    v->kept_count++;
    v->kept_bytes += w->region_bytes;
    while (v->kept_count > VIEW_KEPT_WINDOWS || v->kept_bytes > VIEW_KEPT_BYTES) {
        view_window *const oldest = v->kept;
        v->kept = oldest->next;
        if (!v->kept) v->kept_end = &v->kept;
        v->kept_count--;
        v->kept_bytes -= oldest->region_bytes;
        view_window_free(oldest);
    }
}

static void
view_end(gbx_views *v, view_slot *s)
{
    view_window *const w = s->window;
    if (w && s->data) {
        view_write_back(s);
        (void)view_window_hide(w);
    }
    if (w) view_keep(v, w);
    *s = (view_slot){.generation = s->generation + 1};
    v->open--;
}

static void
view_free(void *obj)
{
    gbx_views *const v = obj;
    for (u32 i = 0; i < v->count; i++)
        if (v->slots[i].depth) view_window_free(v->slots[i].window);
    while (v->kept) {
        view_window *const w = v->kept;
        v->kept = w->next;
        view_window_free(w);
    }
    gbx_base_free(v->slots);
    gbx_base_free(v);
}

static gbx_views *
view_table(gbx_store *s)
{
    if (s->views) return s->views;
    gbx_views *const v = gbx_base_alloc_zero(1, sizeof *v);
    if (!v || !gbx_runtime_store_own(s, v, view_free)) {
        gbx_base_free(v);
        return NULL;
    }
    v->checked = s->engine->checked;
    v->kept_end = &v->kept;
    s->views = v;
    return v;
}

static view_slot *
view_slot_new(gbx_views *v)
{
    for (u32 i = 0; v->open < v->count && i < v->count; i++)
        if (!v->slots[i].depth) return &v->slots[i];
    u32 const count = v->count ? 2 * v->count : 8;
    view_slot *const grown = count > v->count ? gbx_base_realloc(v->slots, count, sizeof *grown) : NULL;
    if (!grown) return NULL;
    for (u32 i = v->count; i < count; i++) grown[i] = (view_slot){.generation = 1};
    view_slot *const fresh = grown + v->count;
    v->slots = grown;
    v->count = count;
    return fresh;
}

void
gbx_runtime_views_sync(gbx_store *s)
{
    gbx_views *const v = s->views;
    if (!v || !v->checked || !v->open) return;
    for (u32 i = 0; i < v->count; i++)
        if (v->slots[i].depth && v->slots[i].data) view_write_back(&v->slots[i]);
    for (u32 i = 0; i < v->count; i++)
        if (v->slots[i].depth && v->slots[i].data) view_fill(&v->slots[i]);
}

gbx_trap_code
gbx_runtime_view_open(gbx_store *s, const gbx_memory *mem, u64 addr, u64 len, gbx_view *out)
{
    *out = (gbx_view){0};
    if (addr > mem->bytes || len > mem->bytes - addr) return GBX_TRAP_MEM_OOB;
    gbx_views *const v = view_table(s);
    view_slot *const slot = v ? view_slot_new(v) : NULL;
    if (!slot) return GBX_TRAP_NO_HOST_MEMORY;
    view_window *const w = v->checked ? view_window_new(len) : NULL;
    if (v->checked && !w) return GBX_TRAP_NO_HOST_MEMORY;
    gbx_runtime_views_sync(s);
    *slot = (view_slot){.generation = slot->generation,
                        .depth = s->depth,
                        .mem = mem,
                        .addr = addr,
                        .len = len,
                        .data = w ? view_window_data(w, addr, len) : mem->base + addr,
                        .window = w};
    if (w) view_fill(slot);
    v->open++;
    *out = (gbx_view){.of = v, .idx = (u32)(slot - v->slots), .generation = slot->generation};
    return GBX_TRAP_NONE;
}

static view_slot *
view_find(gbx_view view)
{
    if (!view.of || view.idx >= view.of->count) return NULL;
    view_slot *const s = &view.of->slots[view.idx];
    return s->depth && s->generation == view.generation ? s : NULL;
}

u8 *
gbx_runtime_view_data(gbx_view view, u64 *len)
{
    const view_slot *const s = view_find(view);
    *len = s && s->data ? s->len : 0;
    return s ? s->data : NULL;
}

void
gbx_runtime_view_close(gbx_view view)
{
    view_slot *const s = view_find(view);
    if (s) view_end(view.of, s);
}

void
gbx_runtime_views_end(gbx_store *s)
{
    gbx_views *const v = s->views;
    for (u32 i = 0; v && v->open && i < v->count; i++)
        if (v->slots[i].depth >= s->depth) view_end(v, &v->slots[i]);
}

void
gbx_runtime_views_hide(gbx_store *s)
{
    gbx_views *const v = s->views;
    if (!v->open) return;
    for (u32 i = 0; i < v->count; i++) {
        view_slot *const slot = &v->slots[i];
        if (!slot->depth || !slot->data) continue;
        if (slot->window) {
            view_write_back(slot);
            (void)view_window_hide(slot->window);
        }
        slot->data = NULL;
    }
}

/* Those of the host function that goes on. One whose pages cannot be had again stays hidden. */
void
gbx_runtime_views_show(gbx_store *s)
{
    gbx_views *const v = s->views;
    for (u32 i = 0; v->open && i < v->count; i++) {
        view_slot *const slot = &v->slots[i];
        view_window *const w = slot->window;
        if (slot->depth != s->depth) continue;
        if (!w) slot->data = slot->mem->base + slot->addr;
        if (!w || !w->region || !gbx_base_os_commit(w->region, w->region_bytes - w->guard_bytes)) continue;
        slot->data = view_window_data(w, slot->addr, slot->len);
        view_fill(slot);
    }
}
