/* An instance as it was made, in its place.
 *
 * Nobody has to look anything up again: memories, tables, globals and functions are the same objects, so that
 * what the host and other instances hold of them stays good; their contents are those of the beginning, by
 * the same code that makes an instance (instance.c, init.c, snapshot.c) and one of the pool (image.c).
 *
 * What must hold: nothing of the requests before is left that a guest can read. Memory that was written is
 * written over or given back, tables and globals are made again, segments that were dropped are back, and the
 * stack that calls ran on is zeroed before the next one, which is another tenant's for the lanes.
 * RULE: S4, S18. */
#include <string.h>

#include "base/alloc.h"
#include "base/os_mem.h"
#include "runtime/runtime_int.h"

gbx_code
gbx_runtime_reset_check(const gbx_instance *inst, gbx_err *err)
{
    const wasm_module *const w = inst->module;
    if (inst->store->depth)
        return gbx_base_err_set(err, GBX_STATE, GBX_NO_OFFSET,
                                "an instance is reset while no call runs in its store");
    bool is_shared = w->imported_memories || w->imported_tables;
    for (u32 k = 0; k < w->imported_globals; k++) is_shared |= w->globals[k].type.is_mutable;
    if (is_shared)
        return gbx_base_err_set(err, GBX_STATE, GBX_NO_OFFSET,
                                "the module imports a memory, a table or a mutable global, which is not the "
                                "instance's own to reset");
    return GBX_OK;
}

/* The memory as its image has it, page by page where few were written. */
static bool
reset_by_image(runtime_instance *i)
{
    const module_image *const img = i->snapshot ? &i->snapshot->memories[0].image : i->image;
    gbx_memory *const mem = &i->own_memories[0];
    runtime_pool *const pool = &i->module->engine->pool;
    if (!img || i->is_huge || i->own_memory_count != 1) return false;
    (void)gbx_runtime_image_restore(img, mem, i->is_mapped, &pool->written, gbx_runtime_pool_room(pool));
    return true;
}

/* Memories as they begin. `is_reused`: with their data; else they are all zero, or an image's still. */
static gbx_code
reset_memories(runtime_instance *i, gbx_err *err)
{
    const wasm_module *const w = i->abi.module;
    i->is_reused = reset_by_image(i);
    for (u32 k = 0; k < i->own_memory_count; k++) {
        gbx_memory *const mem = &i->own_memories[k];
        u64 const pages = gbx_runtime_instance_memory_type(i, w->imported_memories + k).min;
        i->abi.store->memory_now -= mem->bytes;
        if (!i->is_reused) gbx_base_os_discard(mem->base, mem->bytes);
        if (!gbx_runtime_memory_shrink(mem, pages * MEMORY_PAGE_BYTES))
            return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "a memory cannot be made smaller");
    }
    return GBX_OK;
}

static void
reset_segments(runtime_instance *i)
{
    const wasm_module *const w = i->abi.module;
    for (u32 k = 0; k < w->elem_count; k++) {
        gbx_base_free(i->elem_items[k]);
        i->elem_items[k] = NULL;
    }
    if (w->data_count) memset(i->abi.data_dropped, 0, w->data_count * sizeof *i->abi.data_dropped);
    if (w->elem_count) memset(i->abi.elem_dropped, 0, w->elem_count * sizeof *i->abi.elem_dropped);
}

static gbx_code
reset_begin(runtime_instance *i, gbx_trap *trap, gbx_err *err)
{
    const wasm_module *const w = i->abi.module;
    GBX_TRY(reset_memories(i, err));
    for (u32 k = 0; k < i->own_table_count; k++) {
        wasm_tabletype const type = gbx_runtime_instance_table_type(i, w->imported_tables + k);
        gbx_runtime_table_reset(&i->own_tables[k], &type, &i->abi.store->table_left);
    }
    reset_segments(i);
    GBX_TRY(gbx_runtime_instance_make_own(i, err));
    gbx_runtime_life_set(i, LIFE_READY);
    if (i->snapshot) {
        gbx_runtime_snapshot_apply(i->snapshot, i);
        if (i->snapshot->is_fresh) gbx_runtime_life_set(i, LIFE_FRESH);
        return GBX_OK;
    }
    GBX_TRY(gbx_runtime_instance_start(i, trap, err));
    if (i->module->is_library) gbx_runtime_life_set(i, LIFE_FRESH);
    return GBX_OK;
}

gbx_code
gbx_runtime_reset(gbx_instance *inst, gbx_trap *trap, gbx_err *err)
{
    runtime_instance *const i = instance_of(inst);
    gbx_store *const s = inst->store;
    s->tenant = gbx_runtime_store_new_tenant();
    s->sits = STORE_STANDS;
    if (s->instances == i && !i->next) {
        s->has_ended = false;
        s->exec.asked = 0; /* what the guest was told is gone with its memory */
    }
    gbx_code const code = reset_begin(i, trap, err);
    if (code == GBX_OK) return GBX_OK;
    gbx_runtime_life_set(i, LIFE_POISONED);
    i->end_code = trap->code != GBX_TRAP_NONE ? trap->code : GBX_TRAP_NO_HOST_MEMORY;
    i->end_func = UINT32_MAX;
    return code;
}
