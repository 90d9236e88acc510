/* What an instance may still be asked: whether it was initialised, and what its last call left of it.
 *
 * A *program* is a module that exports `_start` or `_initialize`, as WASI has it. Its exports are not
 * functions of their arguments but calls into a running thing: somebody has to set it up before the
 * first one (a library's `_initialize`), and one that a trap tore out of the middle of a call has left
 * registers, stacks and locks as they were there. Go keeps its stack pointer and its goroutine in
 * globals: the next call would run on the stack of the one that trapped. So programs end with their
 * first trap, or when they exit, and are told apart by `life`; all other modules can be called on after
 * traps, as WebAssembly has it. A store may say otherwise.
 *
 * What must hold: `unready` of a store counts its instances that are not LIFE_READY. A call looks at
 * nothing else, so that all of this costs one test of a field that is loaded anyway. */
#include <string.h>

#include "base/text.h"
#include "interp/interp.h"
#include "runtime/runtime_int.h"

/* An export that is a function of the module's own. */
static bool
life_is_function(const wasm_module *w, const wasm_export *e)
{
    return e && e->kind == WASM_EXTERN_FUNC && e->idx >= w->imported_funcs;
}

void
gbx_runtime_life_look(gbx_module *m)
{
    const wasm_module *const w = m->wasm;
    const wasm_export *const start = gbx_wasm_find_export(w, "_start", strlen("_start"));
    const wasm_export *const init = gbx_wasm_find_export(w, "_initialize", strlen("_initialize"));
    bool has_init = life_is_function(w, init);
    if (has_init) {
        const wasm_functype *const sig = &gbx_runtime_module_func_type(m, init->idx)->sig;
        has_init = sig->param_count == 0 && sig->result_count == 0;
    }
    bool const has_start = life_is_function(w, start);
    m->is_program = has_start || has_init;
    m->is_library = has_init && !has_start;
    m->initialize = has_init ? init->idx : 0;
}

void
gbx_runtime_life_set(runtime_instance *i, instance_life life)
{
    gbx_store *const s = i->abi.store;
    if (i->life != LIFE_READY) s->unready--;
    if (life != LIFE_READY) s->unready++;
    i->life = life;
}

/* ---- Before a call */

/* "an earlier call of `fail` ended with: unreachable". */
static gbx_trap_code
life_is_over(const runtime_instance *i, gbx_trap *trap)
{
    if (i->life == LIFE_ENDED) {
        return gbx_runtime_trap(trap, GBX_TRAP_ENDED, "it exited with status %d in an earlier call",
                                i->end_status);
    }
    const char *name = gbx_runtime_module_func_name(i->module, i->end_func);
    gbx_extern_info export;
    for (u32 k = 0; k < i->abi.module->export_count; k++) {
        const wasm_export *const e = &i->abi.module->exports[k];
        if (e->kind != WASM_EXTERN_FUNC || e->idx != i->end_func) continue;
        if (gbx_runtime_module_export(i->module, k, &export)) name = export.name;
        break;
    }
    return gbx_runtime_trap(trap, GBX_TRAP_POISONED, "an earlier call%s%.100s%s ended with: %s",
                            *name ? " of `" : "", name, *name ? "`" : "", gbx_trap_text(i->end_code));
}

gbx_trap_code
gbx_runtime_life_initialize(gbx_instance *inst, gbx_trap *trap)
{
    runtime_instance *const i = instance_of(inst);
    gbx_trap own;
    if (!trap) trap = &own;
    trap->code = GBX_TRAP_NONE;
    if (i->life == LIFE_POISONED || i->life == LIFE_ENDED) return life_is_over(i, trap);
    if (i->life != LIFE_FRESH) return GBX_TRAP_NONE;
    gbx_slot none[1] = {0};
    gbx_runtime_life_set(i, LIFE_STARTING);
    gbx_trap_code const code = gbx_runtime_call(inst->store, inst->funcs[i->module->initialize], none, trap);
    if (code == GBX_TRAP_NONE) gbx_runtime_life_set(i, LIFE_READY);
    else if (i->life == LIFE_STARTING) gbx_runtime_life_set(i, LIFE_FRESH); /* it was not entered */
    if (code != GBX_TRAP_NONE && !trap->message[0]) {
        text_buf t = gbx_base_text_init(trap->message, sizeof trap->message);
        gbx_base_text_printf(&t, "in _initialize, which runs before the first call");
    }
    return code;
}

gbx_trap_code
gbx_runtime_life_enter(const gbx_func *f, gbx_trap *trap)
{
    if (!f->code) return GBX_TRAP_NONE;
    runtime_instance *const i = instance_of(f->inst);
    switch (i->life) {
    case LIFE_READY:
    case LIFE_STARTING: return GBX_TRAP_NONE;
    case LIFE_FRESH:
        if (!f->inst->store->limits.host_initializes) return gbx_runtime_life_initialize(f->inst, trap);
        return gbx_runtime_trap(trap, GBX_TRAP_UNINITIALIZED,
                                "the module is a library whose _initialize was not run, and the store says "
                                "that the host does that");
    case LIFE_POISONED:
    case LIFE_ENDED: break;
    }
    return life_is_over(i, trap);
}

/* ---- After one that did not return */

static void
life_end(const gbx_instance *inst, const gbx_func *f, gbx_trap_code code)
{
    runtime_instance *const i = instance_of(inst);
    gbx_store *const s = inst->store;
    bool const ends = s->limits.after_trap == GBX_AFTER_TRAP_ENDS ||
                      (s->limits.after_trap == GBX_AFTER_TRAP_AUTO && i->module->is_program);
    if (i->life == LIFE_POISONED || i->life == LIFE_ENDED) return;
    if (!ends) {
        if (i->life == LIFE_STARTING) gbx_runtime_life_set(i, LIFE_READY);
        return;
    }
    gbx_runtime_life_set(i, code == GBX_TRAP_EXIT ? LIFE_ENDED : LIFE_POISONED);
    i->end_code = code;
    i->end_func = f->inst == inst ? f->func_idx : UINT32_MAX;
    i->end_status = s->exec.exit_status;
}

/* Whose frames the trap tore away. Of a nested call the outer frames stand behind its own, and go on;
 * those are counted. Where there were more than are kept, a call that is the outermost ends everything
 * in the store: it alone was running. */
void
gbx_runtime_life_ended(gbx_store *s, const gbx_func *f, gbx_trap_code code)
{
    if (code == GBX_TRAP_EXCEPTION || s->limits.after_trap == GBX_AFTER_TRAP_GOES_ON) return;
    gbx_exec *const x = &s->exec;
    gbx_frame_ref outer[GBX_TRAP_FRAMES], kept[GBX_TRAP_FRAMES];
    u32 const kept_count = x->frame_count;
    u64 const total = x->frames_total;
    u64 outer_total = 0;
    memcpy(kept, x->frames, kept_count * sizeof *kept);
    if (s->depth) {
        outer_total = gbx_interp_frames(x, outer);
        memcpy(x->frames, kept, kept_count * sizeof *kept);
        x->frame_count = kept_count;
        x->frames_total = total;
    }
    u64 const own = total > outer_total ? total - outer_total : 0;
    if (f->code) life_end(f->inst, f, code);
    for (u32 k = 0; k < min_u64(own, kept_count); k++) life_end(kept[k].inst, f, code);
    if (s->depth || own <= kept_count) return;
    for (runtime_instance *i = s->instances; i; i = i->next)
        if (i->life != LIFE_FRESH) life_end(&i->abi, f, code);
}

/* ---- `_initialize` as hosts find it */

static gbx_trap_code
life_host_initialize(gbx_exec *x, gbx_instance *caller, void *data, gbx_slot *slots)
{
    (void)x, (void)caller, (void)slots;
    gbx_trap trap;
    gbx_instance *const inst = data;
    gbx_trap_code const code = gbx_runtime_life_initialize(inst, &trap);
    if (code != GBX_TRAP_NONE && inst->store->exec.message[0] == 0) {
        text_buf t = gbx_base_text_init(x->message, sizeof x->message);
        gbx_base_text_printf(&t, "%s", trap.message);
    }
    return code;
}

gbx_func *
gbx_runtime_life_function(gbx_instance *inst, u32 func_idx)
{
    runtime_instance *const i = instance_of(inst);
    if (!i->module->is_library || func_idx != i->module->initialize) return inst->funcs[func_idx];
    if (i->initialize) return i->initialize;
    static const wasm_valtype none[1];
    wasm_functype const sig = {.params = none, .results = none};
    if (gbx_runtime_host_func(inst->store, &sig, life_host_initialize, inst, &i->initialize, NULL) != GBX_OK)
        return NULL;
    return i->initialize;
}

/* ---- What runs in one that began with a snapshot */

void
gbx_runtime_life_set_resume(gbx_instance *inst, u32 func_idx, u32 renews)
{
    runtime_instance *const i = instance_of(inst);
    i->has_resume = true;
    i->resume = func_idx;
    i->renews = renews;
}

bool
gbx_runtime_life_resume(const gbx_instance *inst, u32 *func_idx, u32 *renews)
{
    const runtime_instance *const i = instance_of(inst);
    *func_idx = i->resume;
    *renews = i->renews;
    return i->has_resume;
}
