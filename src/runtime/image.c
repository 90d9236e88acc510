/* Images: what a module's active data segments make of its memory, built once and shared by all instances.
 *
 * Go's linker emits 30,000 to 100,000 segments. The first instance of a module has them copied in, one by
 * one, as the specification says it (init.c); with the second the image is built, and from then on an
 * instance begins with a private mapping of it, or a copy where mapping is not worth it.
 *
 * What must hold: an image stands for the segments exactly. It is made only where nothing that instantiation
 * writes can trap or depend on an import: every active segment, of data and of elements, lies at a constant
 * offset inside a memory or table of the module's own, as large as that is at first. Then their order is
 * that of writes nobody sees half done, and building it in order makes overlaps come out right. All other
 * modules keep the exact path.
 *
 * SAFETY: offsets and lengths are compared with the memory's first size before anything is allocated, and
 * the image's size is bounded by the bytes the module has in segments: a module of two bytes, 4 GiB apart,
 * has none. RULE: S4 (zero-padded to 64 KiB, sealed), S21. */
#include <string.h>

#include "base/alloc.h"
#include "base/os_sync.h"
#include "base/os_mem.h"
#include "runtime/runtime_int.h"

/* An image is at most so many times as large as its segments, and this more. */
#define IMAGE_SPARSE_FACTOR 4u
#define IMAGE_SPARSE_BYTES ((u64)1 << 20)
/* PERF: mapping costs 4 us, as much as two page faults; bench/README.md says how it was measured. */
#define IMAGE_COPY_BYTES ((u64)8 << 10)
#define IMAGE_RANGES 64u /* of written pages that are asked for at once */

static wasm_value
image_global_get(void *data, u32 global_idx)
{
    (void)global_idx;
    *(bool *)data = false;
    return (wasm_value){0};
}

static u64
image_func_ref(void *data, u32 func_idx)
{
    (void)func_idx;
    *(bool *)data = false;
    return 0;
}

/* False: the value depends on something else than the module. */
static bool
image_constant(const wasm_module *w, wasm_const c, u64 *out)
{
    bool is_constant = true;
    wasm_const_env const env = {
            .global_get = image_global_get, .func_ref = image_func_ref, .data = &is_constant};
    *out = gbx_wasm_const_eval(w, c, &env).low;
    return is_constant;
}

static bool
image_fits(u64 at, u64 len, u64 room)
{
    return at <= room && len <= room - at;
}

/* Where an active segment begins. False: it depends on something else than the module. */
static bool
image_data_at(const wasm_module *w, const wasm_data *seg, u64 *at)
{
    if (seg->is_special) return image_constant(w, w->special_datas[seg->at].offset, at);
    *at = seg->at;
    return true;
}

static bool
image_elems_fit(const wasm_module *w)
{
    for (u32 k = 0; k < w->elem_count; k++) {
        const wasm_elem *const seg = &w->elems[k];
        u64 at;
        if (seg->mode != WASM_SEGMENT_ACTIVE) continue;
        if (seg->table_idx < w->imported_tables ||
            !image_constant(w, seg->offset, &at) ||
            !image_fits(at, seg->count, w->tables[seg->table_idx].limits.min))
            return false;
    }
    return true;
}

/* Where the data lies: [*from, *to), and how many bytes it is. */
static bool
image_datas_fit(const wasm_module *w, u64 *from, u64 *to, u64 *bytes, bool *has_passive)
{
    *from = UINT64_MAX;
    *to = *bytes = 0;
    for (u32 k = 0; k < w->data_count; k++) {
        const wasm_data *const seg = &w->datas[k];
        if (!wasm_data_is_active(w, seg)) {
            *has_passive = true;
            continue;
        }
        u64 at;
        if (wasm_data_memory(w, seg) != 0 || w->imported_memories || !image_data_at(w, seg, &at) ||
            !image_fits(at, seg->bytes_len, w->memories[0].min * MEMORY_PAGE_BYTES))
            return false;
        if (seg->bytes_len == 0) continue;
        *from = min_u64(*from, at);
        *to = max_u64(*to, at + seg->bytes_len);
        *bytes += seg->bytes_len;
    }
    return true;
}

bool
gbx_runtime_image_is_exact(const wasm_module *w, u64 *from, u64 *to, u64 *bytes, bool *has_passive)
{
    return image_elems_fit(w) && image_datas_fit(w, from, to, bytes, has_passive);
}

void
gbx_runtime_image_fill(const wasm_module *w, u8 *bytes, u64 start)
{
    for (u32 k = 0; k < w->data_count; k++) {
        const wasm_data *const seg = &w->datas[k];
        u64 at;
        if (!wasm_data_is_active(w, seg) || seg->bytes_len == 0) continue;
        bool const is_constant = image_data_at(w, seg, &at);
        GBX_ASSERT(is_constant);
        memcpy(bytes + (at - start), w->bytes + seg->bytes_off, seg->bytes_len);
    }
}

static bool
image_has_items(const wasm_elem *seg)
{
    return seg->mode == WASM_SEGMENT_ACTIVE && !seg->is_exprs;
}

/* Function indices as they are read most often: not as numbers of varying length. False: memory is short. */
static bool
image_read_items(module_image *img, const wasm_module *w)
{
    u64 count = 0;
    for (u32 k = 0; k < w->elem_count; k++)
        if (image_has_items(&w->elems[k])) count += w->elems[k].count;
    u32 *const items = img->items = gbx_base_alloc(count, sizeof *items);
    if (!items) return false;
    u64 at = 0;
    for (u32 k = 0; k < w->elem_count; k++) {
        const wasm_elem *const seg = &w->elems[k];
        if (!image_has_items(seg)) continue;
        reader r = rd_init(w->bytes, seg->items_off, seg->items_end);
        for (u32 i = 0; i < seg->count; i++) items[at++] = gbx_base_rd_u32(&r);
        GBX_ASSERT(rd_ok(&r));
    }
    return true;
}

/* Under the module's lock. */
static u32
image_build(module_image *img, const wasm_module *w)
{
    u64 from, to, bytes;
    for (u32 k = 0; k < w->elem_count; k++) img->has_passive |= w->elems[k].mode != WASM_SEGMENT_ACTIVE;
    if (!gbx_runtime_image_is_exact(w, &from, &to, &bytes, &img->has_passive)) return MODULE_IMAGE_NONE;
    if (!image_read_items(img, w)) return MODULE_IMAGE_NONE;
    if (bytes == 0) return MODULE_IMAGE_READY;
    u64 const start = from & ~(MEMORY_PAGE_BYTES - 1);
    u64 const len = ((to + MEMORY_PAGE_BYTES - 1) & ~(MEMORY_PAGE_BYTES - 1)) - start;
    if (len > bytes * IMAGE_SPARSE_FACTOR + IMAGE_SPARSE_BYTES) return MODULE_IMAGE_NONE;
    if (!gbx_base_os_image_begin(&img->os, len)) return MODULE_IMAGE_NONE;
    gbx_runtime_image_fill(w, img->os.bytes, start);
    gbx_base_os_image_seal(&img->os);
    img->start = start;
    img->from = from;
    img->to = to;
    return MODULE_IMAGE_READY;
}

const module_image *
gbx_runtime_image_find(const gbx_module *m)
{
    return atomic_load_explicit(&m->image.state, memory_order_acquire) == MODULE_IMAGE_READY ? &m->image
                                                                                             : NULL;
}

const module_image *
gbx_runtime_image_get(gbx_module *m)
{
    module_image *const img = &m->image;
    u32 const state = atomic_load_explicit(&img->state, memory_order_acquire);
    if (GBX_LIKELY(state >= MODULE_IMAGE_NONE)) return gbx_runtime_image_find(m);
    u32 first = MODULE_IMAGE_UNUSED;
    if (atomic_compare_exchange_strong(&img->state, &first, MODULE_IMAGE_UNTRIED)) return NULL;
    (void)pthread_mutex_lock(&m->lock);
    if (atomic_load(&img->state) == MODULE_IMAGE_UNTRIED) {
        u64 const begun_ns = gbx_base_os_now_ns();
        atomic_store_explicit(&img->state, image_build(img, m->wasm), memory_order_release);
        atomic_fetch_add_explicit(&m->image_ns, gbx_base_os_now_ns() - begun_ns, memory_order_relaxed);
    }
    (void)pthread_mutex_unlock(&m->lock);
    return gbx_runtime_image_find(m);
}

void
gbx_runtime_image_deinit(gbx_module *m)
{
    gbx_base_os_image_close(&m->image.os);
    gbx_base_free(m->image.items);
}

/* ---- Memories that begin with an image */

bool
gbx_runtime_image_begin(const module_image *img, gbx_memory *mem, bool may_map)
{
    if (img->to == 0) return false;
    GBX_ASSERT(img->start + img->os.len <= mem->bytes);
    if (may_map && img->to - img->from > IMAGE_COPY_BYTES &&
        gbx_base_os_image_map(&img->os, mem->base + img->start))
        return true;
    memcpy(mem->base + img->from, img->os.bytes + (img->from - img->start), img->to - img->from);
    return false;
}

static u64
image_clamp(u64 value, u64 low, u64 high)
{
    return min_u64(max_u64(value, low), high);
}

/* Write [from, to) as it was at first: all of it, or the image's part where the rest is zero already. */
static void
image_write(const module_image *img, gbx_memory *mem, u64 from, u64 to, bool is_zero)
{
    u64 const a = image_clamp(img->from, from, to), b = image_clamp(img->to, from, to);
    if (a < b) memcpy(mem->base + a, img->os.bytes + (a - img->start), b - a);
    if (is_zero) return;
    memset(mem->base + from, 0, a - from);
    memset(mem->base + max_u64(a, b), 0, to - max_u64(a, b));
}

/* Discarded pages read as the image where it is mapped, else as zero. */
static void
image_discard(const module_image *img, gbx_memory *mem, bool is_mapped, u64 from, u64 to)
{
    gbx_base_os_discard(mem->base + from, to - from);
    if (!is_mapped) image_write(img, mem, from, to, true);
}

u64
gbx_runtime_image_restore(const module_image *img, gbx_memory *mem, bool is_mapped, os_written *w, u64 keep)
{
    os_pages found[IMAGE_RANGES];
    u8 *const end = mem->base + mem->bytes;
    u64 kept = 0;
    for (u8 *at = mem->base; at != end;) {
        u32 count;
        u8 *const next = gbx_base_os_written_find(w, at, end, found, IMAGE_RANGES, &count);
        for (u32 i = 0; next && i < count; i++) {
            u64 const from = (u64)(found[i].start - mem->base), to = (u64)(found[i].end - mem->base);
            if (to - from > keep - kept) {
                image_discard(img, mem, is_mapped, from, mem->bytes);
                return kept;
            }
            image_write(img, mem, from, to, false);
            kept += to - from;
        }
        if (!next) {
            image_discard(img, mem, is_mapped, (u64)(at - mem->base), mem->bytes);
            return kept;
        }
        at = next;
    }
    return kept;
}
