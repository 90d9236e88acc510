/* What became of a module's functions, in figures; see gbx/unstable/compiled.h. Only reads: what is counted
 * is counted where it happens, in tier.c. */
#include "base/text.h"
#include "runtime/runtime_int.h"

static const char *const compiled_whys[TIER_REFUSED_END] = {
#define FACTS_BEYOND(name, slug, reason) [FACTS_BEYOND_AT_##name] = slug,
#include "codegen/facts.def"
#undef FACTS_BEYOND
#define TIER_REFUSED(name, slug, reason) [TIER_REFUSED_AT_##name] = slug,
#include "runtime/refusals.def"
#undef TIER_REFUSED
};

void
gbx_runtime_module_compiled(const gbx_module *m, gbx_compiled *out)
{
    const wasm_module *const w = m->wasm;
    const module_code *const mc = &m->code;
    pthread_mutex_t *const lock = &m->engine->compiler.lock;
    *out = (gbx_compiled){.funcs = w->func_count - w->imported_funcs};
    for (u32 i = 0; i < out->funcs; i++) out->func_bytes += w->codes[i].body_end - w->codes[i].body_off;
    (void)pthread_mutex_lock(lock);
    if (mc->is_open) {
        const compiled_figures *const n = &mc->figures;
        out->is_open = true;
        out->compiled = n->compiled;
        out->refused = n->refused;
        out->body_bytes = n->body_bytes;
        out->code_bytes = n->code_bytes;
        out->memory_bytes = mc->space.chunk_bytes;
        out->facts_ns = n->facts_ns;
        out->emit_ns = n->emit_ns;
        out->publish_ns = n->publish_ns;
        for (u32 i = w->imported_funcs; i < w->func_count; i++) out->ran += gbx_runtime_tier_ran(m, i);
    }
    (void)pthread_mutex_unlock(lock);
}

void
gbx_runtime_module_times(const gbx_module *m, gbx_times *out)
{
    const compiled_figures *const n = &m->code.figures;
    pthread_mutex_t *const lock = &m->engine->compiler.lock;
    *out = (gbx_times){.read_ns = m->read_ns,
                       .lookup_ns = m->lookup_ns,
                       .decode_ns = m->decode_ns,
                       .image_ns = atomic_load_explicit(&m->image_ns, memory_order_relaxed)};
    gbx_module *const own = gbx_runtime_module_mutable(m);
    (void)pthread_mutex_lock(&own->lock);
    out->ready_ns = m->ready_ns;
    (void)pthread_mutex_unlock(&own->lock);
    (void)pthread_mutex_lock(lock);
    out->take_ns = n->take_ns;
    out->compile_ns = n->facts_ns + n->emit_ns + n->publish_ns;
    (void)pthread_mutex_unlock(lock);
}

/* SAFETY: the texts are ours; all of them together fit. */
static void
compiled_why(u32 why, gbx_refused *out)
{
    text_buf t = gbx_base_text_init(out->why, sizeof out->why);
    for (u32 i = 0; i < TIER_REFUSED_END; i++)
        if (why >> i & 1) gbx_base_text_printf(&t, "%s%s", t.len ? ", " : "", compiled_whys[i]);
}

bool
gbx_runtime_module_next_refused(const gbx_module *m, u32 *next, gbx_refused *out)
{
    const wasm_module *const w = m->wasm;
    if (!atomic_load(&m->code.is_open)) return false;
    for (u32 i = max_u32(*next, w->imported_funcs); i < w->func_count; i++) {
        u32 const state = atomic_load(&m->code.cells[i].state);
        if ((state & ((1u << GBX_CELL_WHY_SHIFT) - 1)) != GBX_CELL_REFUSED) continue;
        out->func_idx = i;
        out->name = gbx_runtime_module_func_name(m, i);
        compiled_why(state >> GBX_CELL_WHY_SHIFT, out);
        *next = i + 1;
        return true;
    }
    return false;
}
