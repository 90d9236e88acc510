/* Constant expressions and segments.
 *
 * SPEC: core/exec/modules.html#instantiation, steps for elem and data, as WebAssembly 2.0 has them:
 * each active segment is checked as a whole and written, in order; the first that does not fit traps,
 * and what earlier ones wrote stays.
 *
 * SAFETY: segments' bytes and items were validated to lie inside the module; offsets are values of
 * the guest's, so they are compared with the length of their target in 64 bits before any write. */
#include <string.h>

#include "runtime/runtime_int.h"
#include "wasm/opcodes.h"

static wasm_value
init_global_get(void *data, u32 global_idx)
{
    const gbx_instance *const inst = data;
    const gbx_global *const g = inst->globals[global_idx];
    return (wasm_value){g->value, g->high};
}

static u64
init_func_ref(void *data, u32 func_idx)
{
    const gbx_instance *const inst = data;
    return (u64)(uintptr_t)inst->funcs[func_idx];
}

wasm_value
gbx_runtime_init_const(const gbx_instance *inst, wasm_const c)
{
    wasm_const_env const env = {.global_get = init_global_get,
                                .func_ref = init_func_ref,
                                .data = (void *)(uintptr_t)inst};
    return gbx_wasm_const_eval(inst->module, c, &env);
}

/* One past the `end` of the constant expression at `off`. */
static u32
init_const_end(const wasm_module *w, u32 off)
{
    const u8 *pc = w->bytes + off;
    while (*pc != OP_END) pc += gbx_wasm_insn_len(w, pc);
    return (u32)(pc + 1 - w->bytes);
}

void
gbx_runtime_init_items(const gbx_instance *inst, const wasm_elem *seg, gbx_slot *out)
{
    const wasm_module *const w = inst->module;
    if (seg->is_exprs) {
        u32 off = seg->items_off;
        for (u32 k = 0; k < seg->count; k++) {
            wasm_const const c = {.off = off, .end = init_const_end(w, off)};
            out[k] = gbx_runtime_init_const(inst, c).low;
            off = c.end;
        }
        return;
    }
    reader r = rd_init(w->bytes, seg->items_off, seg->items_end);
    for (u32 k = 0; k < seg->count; k++) {
        out[k] = (u64)(uintptr_t)inst->funcs[gbx_base_rd_u32(&r)];
    }
    GBX_ASSERT(rd_ok(&r));
}

/* PERF: 2 us for Go's 1,700, reading them from the module takes 6. */
static void
init_known_items(const gbx_instance *inst, const u32 *items, u32 count, gbx_slot *out)
{
    for (u32 k = 0; k < count; k++) out[k] = (u64)(uintptr_t)inst->funcs[items[k]];
}

static gbx_trap_code
init_elems(runtime_instance *i, gbx_trap *trap)
{
    const wasm_module *const w = i->abi.module;
    const u32 *items = i->image ? i->image->items : NULL;
    for (u32 k = 0; k < w->elem_count; k++) {
        const wasm_elem *const seg = &w->elems[k];
        if (seg->mode == WASM_SEGMENT_PASSIVE) continue;
        if (seg->mode == WASM_SEGMENT_ACTIVE) {
            gbx_table *const t = i->abi.tables[seg->table_idx];
            u64 const off = gbx_runtime_init_const(&i->abi, seg->offset).low;
            if (off > t->len || seg->count > t->len - off) {
                return gbx_runtime_trap(trap, GBX_TRAP_TABLE_OOB,
                                        "element segment %u, %u items at %llu, does not fit a "
                                        "table of %llu",
                                        k, seg->count, (unsigned long long)off,
                                        (unsigned long long)t->len);
            }
            if (items && !seg->is_exprs) {
                init_known_items(&i->abi, items, seg->count, t->elems + off);
                items += seg->count;
            } else {
                gbx_runtime_init_items(&i->abi, seg, t->elems + off);
            }
        }
        i->abi.elem_dropped[k] = true;
    }
    return GBX_TRAP_NONE;
}

/* Go's linker emits tens of thousands of small ones. */
static gbx_trap_code
init_datas(runtime_instance *i, gbx_trap *trap)
{
    const wasm_module *const w = i->abi.module;
    for (u32 k = 0; k < w->data_count; k++) {
        const wasm_data *const seg = &w->datas[k];
        if (!wasm_data_is_active(w, seg)) continue;
        const gbx_memory *const mem = i->abi.memories[wasm_data_memory(w, seg)];
        u64 const off = seg->is_special
                                ? gbx_runtime_init_const(&i->abi, w->special_datas[seg->at].offset).low
                                : seg->at;
        if (off > mem->bytes || seg->bytes_len > mem->bytes - off) {
            return gbx_runtime_trap(trap, GBX_TRAP_MEM_OOB,
                                    "data segment %u, %u bytes at %llu, does not fit a memory of "
                                    "%llu",
                                    k, seg->bytes_len, (unsigned long long)off,
                                    (unsigned long long)mem->bytes);
        }
        memcpy(mem->base + off, w->bytes + seg->bytes_off, seg->bytes_len);
        i->abi.data_dropped[k] = true;
    }
    return GBX_TRAP_NONE;
}

static void
init_drop(runtime_instance *i)
{
    const wasm_module *const w = i->abi.module;
    for (u32 k = 0; k < w->data_count; k++)
        i->abi.data_dropped[k] = wasm_data_is_active(w, &w->datas[k]);
}

/* The same by the image: nothing of it can trap. */
static void
init_image(runtime_instance *i)
{
    const wasm_module *const w = i->abi.module;
    if (!i->is_reused) {
        gbx_memory *const mem = w->memory_count ? i->abi.memories[0] : NULL;
        i->is_mapped = mem && gbx_runtime_image_begin(i->image, mem, !i->is_huge);
    } else if (!i->image->has_passive) {
        return; /* all are dropped, as before */
    }
    init_drop(i);
}

/* The same by a thread. False: it has done nothing. */
static bool
init_early(runtime_instance *i)
{
    if (!i->awaits_early) return false;
    i->awaits_early = false;
    bool const is_filled = gbx_runtime_early_wait_filled(i->module);
    if (is_filled) init_drop(i);
    gbx_runtime_early_go(i->module);
    return is_filled;
}

gbx_trap_code
gbx_runtime_init_segments(runtime_instance *i, gbx_trap *trap)
{
    gbx_trap_code const code = init_elems(i, trap);
    if (code != GBX_TRAP_NONE) return code;
    if (init_early(i)) return GBX_TRAP_NONE;
    if (!i->image) return init_datas(i, trap);
    init_image(i);
    return GBX_TRAP_NONE;
}
