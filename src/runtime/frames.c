/* Backtraces for people: the frames that a trap left, with names, and with Go's functions, files and
 * lines.
 *
 * Texts belong to the module and are made when they are first asked for, under its lock, as in module.c:
 * many traps of one module share them. Where memory is short they are "".
 *
 * SAFETY: how much of the bodies is walked for one backtrace, and read of Go's tables, is bounded, since a
 * guest chooses its frames and how long all of that is: FRAMES_WALK_BYTES, FRAMES_STEPS. */
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "runtime/runtime_int.h"

#define FRAMES_TEXT_SHOWN 1024u /* bytes of a name or path that are shown */
#define FRAMES_WALK_BYTES ((u64)4 << 20)
#define FRAMES_STEPS ((u64)1 << 20)

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

/* What a backtrace may still cost. */
typedef struct frames_budget {
    u64 walk_bytes, steps;
} frames_budget;

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
    if (m->go_is_known) return;
    (void)gbx_wasm_go_find(m->wasm, &m->go);
    gbx_wasm_go_world_lines(m->wasm, &m->go, &m->go_lines);
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

/* The place of a frame of WebAssembly's; false: it is none of Go's. */
static bool
frames_place(const gbx_frame_ref *ref, frames_budget *budget, go_place *place)
{
    gbx_module *const m = instance_of(ref->inst)->module;
    *place = (go_place){0};
    if (ref->func_idx < m->wasm->imported_funcs || !gbx_runtime_module_ready(m, ref->func_idx)) return false;
    go_table table = gbx_runtime_go_table(m);
    table.steps = &budget->steps;
    return gbx_wasm_go_place(m->wasm, &table, ref->func_idx, ref->offset, &budget->walk_bytes, place);
}

/* Add a frame: where functions were inlined, one for each of them in front of the one whose code it is, which
 * is `frame`. The line of `place` is that of the innermost. */
static void
frames_add(gbx_module *m, frames_budget *budget, gbx_frame frame, const go_place *place, gbx_trap *trap)
{
    go_place found[GO_INLINE_MOST];
    (void)pthread_mutex_lock(&m->lock);
    go_table table = m->go;
    go_world w = m->go_lines;
    table.steps = &budget->steps;
    w.t = &table;
    bool const is_line = place->kind == GO_LINE_CALL || place->kind == GO_LINE_NEAR;
    u64 const pc = gbx_wasm_go_pc(&w, frame.func_idx, place->block);
    u32 const known = is_line ? gbx_wasm_go_expand(&w, pc, found) : 0;
    if (known) found[0].kind = place->kind; /* those around it stand at a call */
    else found[0] = *place;
    u32 const count = max_u32(known, 1);
    trap->frames_total += count - 1;
    for (u32 i = 0; i < count && trap->frame_count < GBX_TRAP_FRAMES; i++) {
        frames_fill(m, &found[i], &frame);
        trap->frames[trap->frame_count++] = frame;
    }
    (void)pthread_mutex_unlock(&m->lock);
}

/* Go comes back to a goroutine that has waited by calling its innermost function from a loop; those around
 * it are on Go's stack alone, and no longer on WebAssembly's. `pc`: what the frame inside of the loop returns
 * to. */
static void
frames_add_sleeping(frames_stack *s, frames_budget *budget, u64 pc, gbx_trap *trap)
{
    go_table table = gbx_runtime_go_table(s->m);
    table.steps = &budget->steps;
    while (pc && trap->frame_count < GBX_TRAP_FRAMES) {
        go_place place;
        gbx_frame frame = {0};
        if (!gbx_wasm_go_return(s->m->wasm, &table, pc, &frame.func_idx, &place)) return;
        frame.name = gbx_runtime_module_func_name(s->m, frame.func_idx);
        trap->frames_total++;
        frames_add(s->m, budget, frame, &place, trap);
        pc = frames_return_pc(s, place.stack_bytes);
    }
}

static bool
frames_agree(const frames_stack *s, u64 pc, u32 func_idx)
{
    return s->m && pc && gbx_wasm_go_func_of_pc(s->m->wasm, pc) == func_idx;
}

static bool
frames_is_loop(const gbx_module *m, const go_table *t, const go_place *place)
{
    char name[32] = "";
    name[gbx_wasm_go_text(m->wasm, t, place->name_at, name, sizeof name - 1)] = 0;
    return strcmp(name, "wasm_pc_f_loop") == 0 || strcmp(name, "wasm_pc_f_loop_export") == 0;
}

void
gbx_runtime_frames_copy(const gbx_exec *x, bool has_places, gbx_trap *trap)
{
    frames_budget budget = {FRAMES_WALK_BYTES, FRAMES_STEPS};
    u64 pc = 0;
    u32 const count = (u32)min_u64(x->frame_count, GBX_TRAP_FRAMES);
    frames_stack stack = {0};
    trap->frames_total = x->frames_total;
    trap->frame_count = 0;
    if (has_places && count) frames_begin(&stack, x->frames[0].inst);
    for (u32 i = 0; i < count && trap->frame_count < GBX_TRAP_FRAMES; i++) {
        const gbx_frame_ref *const f = &x->frames[i];
        gbx_frame const frame = {.func_idx = f->func_idx,
                                 .offset = f->offset,
                                 .name = gbx_runtime_frame_name(f),
                                 .go_func = "",
                                 .file = ""};
        go_place place;
        gbx_module *const m = instance_of(f->inst)->module;
        bool const is_go = has_places && frames_place(f, &budget, &place);
        if (stack.m && is_go && frames_is_loop(m, &m->go, &place)) {
            frames_add_sleeping(&stack, &budget, pc, trap);
            stack.m = NULL;
        }
        if (trap->frame_count == GBX_TRAP_FRAMES) return;
        if (is_go) frames_add(m, &budget, frame, &place, trap);
        else trap->frames[trap->frame_count++] = frame;
        /* What is on Go's stack has to agree with WebAssembly's, or it is another one of Go's. */
        bool const agrees = is_go && f->inst == stack.inst &&
                            (i == 0 || frames_agree(&stack, pc, f->func_idx));
        if (!agrees) stack.m = NULL;
        else if (stack.m) pc = frames_return_pc(&stack, place.stack_bytes);
    }
}
