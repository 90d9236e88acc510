/* Backtraces for people: the frames that a trap left, with names, and with Go's functions, files and
 * lines.
 *
 * Texts belong to the module and are made when they are first asked for, under its lock, as in module.c:
 * many traps of one module share them. Where memory is short they are "".
 *
 * SAFETY: how much of the bodies is walked for one backtrace is bounded, since a guest chooses both its
 * frames and how long the bodies are: FRAMES_WALK_BYTES. */
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "runtime/runtime_int.h"

#define FRAMES_TEXT_SHOWN 1024u /* bytes of a name or path that are shown */
#define FRAMES_WALK_BYTES ((u64)4 << 20)

typedef struct frames_text {
    map_node node;
    u64 at;
    char text[]; /* escaped, NUL-terminated */
} frames_text;

const char *
gbx_runtime_frame_name(const gbx_frame_ref *frame)
{
    return gbx_runtime_module_func_name(instance_of(frame->inst)->module, frame->func_idx);
}

/* Under the lock. */
static frames_text *
frames_text_find(gbx_module *m, u64 at, u64 hash)
{
    for (map_node *n = gbx_base_map_first(&m->go_texts, hash); n; n = gbx_base_map_next(n)) {
        frames_text *const text = MAP_ENTRY(n, frames_text, node);
        if (text->at == at) return text;
    }
    return NULL;
}

static const char *
frames_text_get(gbx_module *m, u64 at)
{
    if (at == 0) return "";
    u64 const hash = gbx_base_map_hash(&m->go_texts, 0, &at, sizeof at);
    frames_text *text = frames_text_find(m, at, hash);
    if (text) return text->text;
    char raw[FRAMES_TEXT_SHOWN], shown[FRAMES_TEXT_SHOWN * 4 + 8];
    size_t const len = gbx_wasm_go_text(m->wasm, &m->go, at, raw, sizeof raw);
    text_buf t = gbx_base_text_init(shown, sizeof shown);
    gbx_base_text_escape(&t, raw, len, sizeof raw);
    text = gbx_base_alloc(1, sizeof *text + t.len + 1);
    if (!text) return "";
    text->at = at;
    memcpy(text->text, shown, t.len + 1);
    if (gbx_base_map_add(&m->go_texts, &text->node, hash)) return text->text;
    gbx_base_free(text);
    return "";
}

void
gbx_runtime_frames_deinit(gbx_module *m)
{
    for (map_node *n; (n = gbx_base_map_pop(&m->go_texts));) gbx_base_free(MAP_ENTRY(n, frames_text, node));
}

/* Under the lock. */
static void
frames_fill(gbx_module *m, const go_place *place, gbx_frame *out)
{
    out->go_func = frames_text_get(m, place->name_at);
    out->file = frames_text_get(m, place->file_at);
    out->line = place->line;
    out->line_kind = (gbx_line)place->kind;
}

/* What stands on the guest's stack for its Go frames: the place of each, to go on from the last. */
typedef struct frames_stack {
    gbx_module *m; /* of all frames so far; NULL: there is nothing to go on from */
    const gbx_instance *inst;
    u64 sp;
} frames_stack;

/* The PC that a frame of `bytes` on Go's stack returns to; 0: there is none.
 * SAFETY: the stack pointer is a number of the guest's, compared with the memory. */
static u64
frames_return_pc(frames_stack *s, i32 bytes)
{
    const gbx_memory *const mem = s->inst->memories[0];
    u64 const at = s->sp + (u64)bytes;
    u64 pc;
    if (bytes < 0 || mem->bytes < sizeof pc || at > mem->bytes - sizeof pc) return 0;
    memcpy(&pc, mem->base + at, sizeof pc);
    s->sp = at + sizeof pc;
    return pc;
}

/* GO: cmd/internal/obj/wasm: the first global is the stack pointer. */
static void
frames_begin(frames_stack *s, const gbx_instance *inst)
{
    const wasm_module *const w = inst->module;
    bool const has_stack = w->global_count && !w->imported_globals && w->globals[0].type.type == WASM_I32 &&
                           w->memory_count == 1 && !w->memories[0].is_64;
    if (!has_stack) return;
    s->m = instance_of(inst)->module;
    s->inst = inst;
    s->sp = (u32)inst->globals[0]->value;
}

/* Under the lock. */
static void
frames_find_table(gbx_module *m)
{
    if (!m->go_is_known) (void)gbx_wasm_go_find(m->wasm, &m->go);
    m->go_is_known = true;
}

go_table
gbx_runtime_go_table(const gbx_module *m)
{
    gbx_module *const found = gbx_runtime_module_mutable(m);
    (void)pthread_mutex_lock(&found->lock);
    frames_find_table(found);
    go_table const table = found->go;
    (void)pthread_mutex_unlock(&found->lock);
    return table;
}

/* GO: cmd/link/internal/wasm/asm.go writeGlobalSec: the third is g. */
bool
gbx_runtime_go_look(const gbx_instance *inst, runtime_go *out)
{
    frames_stack s = {0};
    *out = (runtime_go){0};
    frames_begin(&s, inst);
    const wasm_module *const w = inst->module;
    if (!s.m || w->global_count < 3 || w->globals[2].type.type != WASM_I64) return false;
    *out = (runtime_go){.module = s.m,
                        .wasm = w,
                        .table = gbx_runtime_go_table(s.m),
                        .memory = {inst->memories[0]->base, inst->memories[0]->bytes},
                        .sp = s.sp,
                        .g = inst->globals[2]->value,
                        .is_idle = inst->store->depth == 0};
    return out->table.func_count != 0;
}

static bool
frames_place(const gbx_frame_ref *ref, u64 *budget, gbx_frame *out, go_place *place)
{
    gbx_module *const m = instance_of(ref->inst)->module;
    const wasm_module *const w = m->wasm;
    if (ref->func_idx < w->imported_funcs || !gbx_runtime_module_ready(m, ref->func_idx)) return false;
    (void)pthread_mutex_lock(&m->lock);
    frames_find_table(m);
    bool const is_known = gbx_wasm_go_place(w, &m->go, ref->func_idx, ref->offset, budget, place);
    if (is_known) frames_fill(m, place, out);
    (void)pthread_mutex_unlock(&m->lock);
    return is_known;
}

/* One that is on Go's stack, and no longer on WebAssembly's, since its goroutine has waited. */
static bool
frames_sleeping(frames_stack *s, u64 *pc, gbx_frame *out)
{
    u32 func_idx;
    go_place place;
    gbx_module *const m = s->m;
    (void)pthread_mutex_lock(&m->lock);
    bool const is_known = gbx_wasm_go_return(m->wasm, &m->go, *pc, &func_idx, &place);
    if (is_known) {
        *out = (gbx_frame){.func_idx = func_idx};
        frames_fill(m, &place, out);
    }
    (void)pthread_mutex_unlock(&m->lock);
    if (!is_known) return false;
    out->name = gbx_runtime_module_func_name(m, func_idx);
    *pc = frames_return_pc(s, place.stack_bytes);
    return true;
}

/* Go comes back to a goroutine that has waited by calling its innermost function from a loop; those around
 * it are on Go's stack alone. `pc`: what the frame inside of the loop returns to. */
static void
frames_add_sleeping(frames_stack *s, u64 pc, gbx_trap *trap)
{
    while (pc && trap->frame_count < GBX_TRAP_FRAMES) {
        if (!frames_sleeping(s, &pc, &trap->frames[trap->frame_count])) return;
        trap->frame_count++;
        trap->frames_total++;
    }
}

static bool
frames_agree(const frames_stack *s, u64 pc, u32 func_idx)
{
    u32 found;
    go_place place;
    return s->m && gbx_wasm_go_return(s->m->wasm, &s->m->go, pc, &found, &place) && found == func_idx;
}

static bool
frames_is_loop(const gbx_frame *f)
{
    return strcmp(f->go_func, "wasm_pc_f_loop") == 0 || strcmp(f->go_func, "wasm_pc_f_loop_export") == 0;
}

void
gbx_runtime_frames_copy(const gbx_exec *x, bool has_places, gbx_trap *trap)
{
    u64 budget = FRAMES_WALK_BYTES, pc = 0;
    u32 const count = (u32)min_u64(x->frame_count, GBX_TRAP_FRAMES);
    frames_stack stack = {0};
    trap->frames_total = x->frames_total;
    trap->frame_count = 0;
    if (has_places && count) frames_begin(&stack, x->frames[0].inst);
    for (u32 i = 0; i < count && trap->frame_count < GBX_TRAP_FRAMES; i++) {
        const gbx_frame_ref *const f = &x->frames[i];
        gbx_frame frame = {.func_idx = f->func_idx,
                           .offset = f->offset,
                           .name = gbx_runtime_frame_name(f),
                           .go_func = "",
                           .file = ""};
        go_place place = {0};
        bool const is_go = has_places && frames_place(f, &budget, &frame, &place);
        if (stack.m && is_go && frames_is_loop(&frame)) {
            frames_add_sleeping(&stack, pc, trap);
            stack.m = NULL;
        }
        if (trap->frame_count == GBX_TRAP_FRAMES) return;
        trap->frames[trap->frame_count++] = frame;
        /* What is on Go's stack has to agree with WebAssembly's, or it is another one of Go's. */
        bool const agrees = is_go && f->inst == stack.inst &&
                            (i == 0 || frames_agree(&stack, pc, f->func_idx));
        if (!agrees) stack.m = NULL;
        else if (stack.m) pc = frames_return_pc(&stack, place.stack_bytes);
    }
}
