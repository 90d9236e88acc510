/* What running code asks of the runtime: bulk memory and table operations; see abi/libcalls.def.
 *
 * SPEC: core/exec/instructions.html#memory-instructions, #table-instructions.
 *
 * SAFETY: operands are the guest's. Each range is compared with the length of what it names, in a form
 * that cannot wrap, before the first write; a length of zero is checked like any other. Indexes were
 * validated. What may be long runs in chunks: between two the stop word is read, and a stopped
 * operation leaves a part of it done, which nobody will look at but the host. */
#include <string.h>

#include "base/alloc.h"
#include "runtime/runtime_int.h"
#include "wasm/fuel.h"

#define LIBCALL_CHUNK_BYTES ((u64)16 << 20) /* a few milliseconds between looks at the stop word */
#define LIBCALL_CHUNK_SLOTS (LIBCALL_CHUNK_BYTES / sizeof(gbx_slot))

static bool
libcall_fits(u64 at, u64 len, u64 total)
{
    return at <= total && len <= total - at;
}

static gbx_trap_code
libcall_stopped(const gbx_exec *x)
{
    return (gbx_trap_code)atomic_load_explicit(&x->stop, memory_order_relaxed);
}

/* RULE: S15. Charge for what is about to be done, or was given. False: that is more than there is left. */
static bool
libcall_spend(gbx_exec *x, u64 len, u64 many)
{
    if (GBX_LIKELY(!x->is_metered)) return true;
    x->fuel -= (i64)(len / many); /* of what is there: far from wrapping */
    return x->fuel >= 0;
}

static gbx_trap_code
libcall_make_ready(gbx_exec *x, gbx_instance *inst, u32 func_idx)
{
    (void)x;
    return gbx_runtime_module_ready(instance_of(inst)->module, func_idx) ? GBX_TRAP_NONE
                                                                         : GBX_TRAP_NO_HOST_MEMORY;
}

static gbx_trap_code
libcall_memory_grow(gbx_exec *x, gbx_instance *inst, u32 mem_idx, u64 delta_pages, u64 *pages_out)
{
    *pages_out = gbx_runtime_memory_grow(inst->memories[mem_idx], delta_pages);
    if (*pages_out == UINT64_MAX) {
        inst->store->memory_was_refused = true;
        return GBX_TRAP_NONE;
    }
    figure_memory(inst->store, delta_pages * MEMORY_PAGE_BYTES);
    (void)libcall_spend(x, delta_pages, WASM_FUEL_PER_MEMORY_GROW);
    return GBX_TRAP_NONE;
}

static gbx_trap_code
libcall_memory_fill(gbx_exec *x, gbx_instance *inst, u32 mem_idx, u64 dst, u8 value, u64 len)
{
    const gbx_memory *const mem = inst->memories[mem_idx];
    if (!libcall_fits(dst, len, mem->bytes)) return GBX_TRAP_MEM_OOB;
    if (!libcall_spend(x, len, WASM_FUEL_PER_MEMORY_FILL)) return GBX_TRAP_FUEL;
    for (u8 *at = mem->base + dst; len;) {
        u64 const n = min_u64(len, LIBCALL_CHUNK_BYTES);
        memset(at, value, n);
        at += n;
        len -= n;
        if (len && libcall_stopped(x)) return libcall_stopped(x);
    }
    return GBX_TRAP_NONE;
}

/* memmove in chunks of `chunk` bytes: from the end where the target lies behind the source, so that no
 * byte is overwritten before it was read. */
static gbx_trap_code
libcall_move(gbx_exec *x, void *dst, const void *src, u64 len)
{
    u8 *const d = dst;
    const u8 *const s = src;
    bool const backwards = (uintptr_t)d > (uintptr_t)s;
    for (u64 done = 0; done < len;) {
        u64 const n = min_u64(len - done, LIBCALL_CHUNK_BYTES);
        u64 const at = backwards ? len - done - n : done;
        memmove(d + at, s + at, n);
        done += n;
        if (done < len && libcall_stopped(x)) return libcall_stopped(x);
    }
    return GBX_TRAP_NONE;
}

static gbx_trap_code
libcall_memory_copy(gbx_exec *x, gbx_instance *inst, u32 dst_mem, u32 src_mem, u64 dst, u64 src,
                    u64 len)
{
    const gbx_memory *const to = inst->memories[dst_mem];
    const gbx_memory *const from = inst->memories[src_mem];
    if (!libcall_fits(dst, len, to->bytes) || !libcall_fits(src, len, from->bytes)) {
        return GBX_TRAP_MEM_OOB;
    }
    if (!libcall_spend(x, len, WASM_FUEL_PER_MEMORY_COPY)) return GBX_TRAP_FUEL;
    return libcall_move(x, to->base + dst, from->base + src, len);
}

static gbx_trap_code
libcall_memory_init(gbx_exec *x, gbx_instance *inst, u32 data_idx, u32 mem_idx, u64 dst, u64 src,
                    u64 len)
{
    const gbx_memory *const mem = inst->memories[mem_idx];
    const wasm_data *const seg = &inst->module->datas[data_idx];
    u64 const have = inst->data_dropped[data_idx] ? 0 : seg->bytes_len;
    if (!libcall_fits(src, len, have) || !libcall_fits(dst, len, mem->bytes)) {
        return GBX_TRAP_MEM_OOB;
    }
    if (!libcall_spend(x, len, WASM_FUEL_PER_MEMORY_INIT)) return GBX_TRAP_FUEL;
    return libcall_move(x, mem->base + dst, inst->module->bytes + seg->bytes_off + src, len);
}

static gbx_trap_code
libcall_data_drop(gbx_exec *x, gbx_instance *inst, u32 data_idx)
{
    (void)x;
    inst->data_dropped[data_idx] = true;
    return GBX_TRAP_NONE;
}

static gbx_trap_code
libcall_table_grow(gbx_exec *x, gbx_instance *inst, u32 table_idx, gbx_slot init, u64 delta,
                   u64 *len_out)
{
    gbx_table *const t = inst->tables[table_idx];
    *len_out = gbx_runtime_table_grow(t, init, delta, &inst->store->table_left);
    if (*len_out != UINT64_MAX) (void)libcall_spend(x, delta, WASM_FUEL_PER_TABLE_GROW);
    return GBX_TRAP_NONE;
}

static gbx_trap_code
libcall_table_fill(gbx_exec *x, gbx_instance *inst, u32 table_idx, u64 dst, gbx_slot value, u64 len)
{
    gbx_table *const t = inst->tables[table_idx];
    if (!libcall_fits(dst, len, t->len)) return GBX_TRAP_TABLE_OOB;
    if (!libcall_spend(x, len, WASM_FUEL_PER_TABLE_FILL)) return GBX_TRAP_FUEL;
    for (u64 i = 0; i < len; i++) {
        if (i && i % LIBCALL_CHUNK_SLOTS == 0 && libcall_stopped(x)) return libcall_stopped(x);
        t->elems[dst + i] = value;
    }
    return GBX_TRAP_NONE;
}

static gbx_trap_code
libcall_table_copy(gbx_exec *x, gbx_instance *inst, u32 dst_table, u32 src_table, u64 dst, u64 src,
                   u64 len)
{
    gbx_table *const to = inst->tables[dst_table];
    const gbx_table *const from = inst->tables[src_table];
    if (!libcall_fits(dst, len, to->len) || !libcall_fits(src, len, from->len)) {
        return GBX_TRAP_TABLE_OOB;
    }
    if (!libcall_spend(x, len, WASM_FUEL_PER_TABLE_COPY)) return GBX_TRAP_FUEL;
    return libcall_move(x, to->elems + dst, from->elems + src, len * sizeof(gbx_slot));
}

/* Items of a passive segment are evaluated when first asked for, all at once: they stand in the module
 * as numbers of varying length and as expressions, and no later change can alter their values. */
static const gbx_slot *
libcall_items(gbx_instance *inst, u32 elem_idx)
{
    gbx_slot **const items = &instance_of(inst)->elem_items[elem_idx];
    if (*items) return *items;
    const wasm_elem *const seg = &inst->module->elems[elem_idx];
    *items = gbx_base_alloc(seg->count, sizeof **items);
    if (*items) gbx_runtime_init_items(inst, seg, *items);
    return *items;
}

static gbx_trap_code
libcall_table_init(gbx_exec *x, gbx_instance *inst, u32 elem_idx, u32 table_idx, u64 dst, u64 src,
                   u64 len)
{
    gbx_table *const t = inst->tables[table_idx];
    u64 const have = inst->elem_dropped[elem_idx] ? 0 : inst->module->elems[elem_idx].count;
    if (!libcall_fits(src, len, have) || !libcall_fits(dst, len, t->len)) return GBX_TRAP_TABLE_OOB;
    if (!libcall_spend(x, len, WASM_FUEL_PER_TABLE_INIT)) return GBX_TRAP_FUEL;
    if (len == 0) return GBX_TRAP_NONE;
    const gbx_slot *const items = libcall_items(inst, elem_idx);
    if (!items) return GBX_TRAP_NO_HOST_MEMORY;
    return libcall_move(x, t->elems + dst, items + src, len * sizeof(gbx_slot));
}

static gbx_trap_code
libcall_exn_new(gbx_exec *x, gbx_instance *inst, u32 tag_idx, const gbx_slot *values, gbx_exn **out)
{
    (void)x;
    *out = gbx_runtime_exn_new(inst->store, inst->tags[tag_idx], values);
    return *out ? GBX_TRAP_NONE : GBX_TRAP_NO_HOST_MEMORY;
}

static gbx_trap_code
libcall_elem_drop(gbx_exec *x, gbx_instance *inst, u32 elem_idx)
{
    (void)x;
    gbx_slot **const items = &instance_of(inst)->elem_items[elem_idx];
    gbx_base_free(*items);
    *items = NULL;
    inst->elem_dropped[elem_idx] = true;
    return GBX_TRAP_NONE;
}

const gbx_libcalls gbx_runtime_libcalls = {
#define GBX_LIBCALL(name, params) .name = libcall_##name,
#include "abi/libcalls.def"
#undef GBX_LIBCALL
};
