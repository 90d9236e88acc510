/* The goroutines of a program that stands still; see gostack.h and wasm/gostack.h, which reads them.
 *
 * As Go's own backtraces do it, functions of the runtime's are left out where a goroutine waits in them,
 * and goroutines that are the runtime's altogether. Of the one that runs all is shown: it may be what the
 * question is.
 *
 * SAFETY: all of it is the guest's word: texts are escaped and cut, counts are bounded by gostack.h, and what
 * is read of tables by GOSTACK_STEPS. */
#include "explain/gostack.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"

#define GOSTACK_WALK_BYTES ((u64)4 << 20) /* of a body, for the line of the innermost frame */
#define GOSTACK_STEPS ((u64)1 << 26) /* entries of Go's tables that are read for all */

typedef struct gostack_reader {
    gbx_go_stacks *out;
    runtime_go go;
    go_world world;
    u64 current, steps;
    bool is_short; /* of memory */
} gostack_reader;

static const char *
gostack_text(gostack_reader *r, u64 at)
{
    char raw[GOSTACK_NAME_SHOWN], shown[GOSTACK_NAME_SHOWN * 4 + 8];
    if (!at) return "";
    size_t const len = gbx_wasm_go_text(r->world.m, &r->go.table, at, raw, sizeof raw);
    text_buf t = gbx_base_text_init(shown, sizeof shown);
    gbx_base_text_escape(&t, raw, len, sizeof raw);
    const char *const kept = gbx_base_arena_copy(&r->out->texts, shown, t.len);
    if (!kept) r->is_short = true;
    return kept ? kept : "";
}

static gbx_go_frame
gostack_frame(gostack_reader *r, const go_place *place, u32 func_idx, bool is_inlined)
{
    return (gbx_go_frame){.func = gostack_text(r, place->name_at),
                          .file = gostack_text(r, place->file_at),
                          .line = place->line,
                          .func_idx = func_idx,
                          .is_inlined = is_inlined};
}

static bool
gostack_starts(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

/* GO: runtime/traceback.go showfuncinfo: what of the runtime is its own business. */
static bool
gostack_is_internal(const char *name)
{
    if (gostack_starts(name, "internal/runtime/") || gostack_starts(name, "runtime/internal/")) return true;
    if (!gostack_starts(name, "runtime.")) return false;
    char const first = name[strlen("runtime.")];
    return !(first >= 'A' && first <= 'Z');
}

static bool
gostack_is_outermost(const char *name)
{
    return strcmp(name, "runtime.main") == 0 || strcmp(name, "runtime.goexit") == 0;
}

static void
gostack_keep(gostack_reader *r, const go_trace *trace, gbx_goroutine *g)
{
    gbx_go_frame found[GOSTACK_FRAMES];
    size_t count = 0;
    g->is_cut = trace->end != GO_END_TOP;
    for (u32 i = 0; i < trace->count && count < GOSTACK_FRAMES; i++) {
        go_place places[GO_INLINE_MOST];
        u32 const func_idx = gbx_wasm_go_pc_func(&r->world, trace->pcs[i]);
        u32 const n = gbx_wasm_go_expand(&r->world, trace->pcs[i], places);
        for (u32 k = 0; k < n && count < GOSTACK_FRAMES; k++) {
            found[count] = gostack_frame(r, &places[k], func_idx, k + 1 < n);
            bool const hides = !g->is_running && gostack_is_internal(found[count].func);
            if (!hides && !gostack_is_outermost(found[count].func)) count++;
        }
        if (count == GOSTACK_FRAMES) g->is_cut = true;
    }
    gbx_go_frame *const frames = gbx_base_arena_alloc(&r->out->texts, count, sizeof *frames);
    if (frames) memcpy(frames, found, count * sizeof *frames);
    else r->is_short = true;
    g->frames = frames;
    g->frame_count = frames ? count : 0;
}

/* Who started it, by the statement that did. */
static void
gostack_created(gostack_reader *r, const go_goroutine *from, gbx_goroutine *g)
{
    u32 func_idx;
    go_place place;
    g->creator = (gbx_go_frame){.func = "", .file = ""};
    g->parent = from->parent;
    if (from->gopc && gbx_wasm_go_return(r->world.m, &r->go.table, from->gopc, &func_idx, &place))
        g->creator = gostack_frame(r, &place, func_idx, false);
    if (gostack_is_internal(g->creator.func)) g->creator.func = g->creator.file = "";
}

/* What runs: the innermost frame is the trap's, all others are on Go's stack. */
static void
gostack_running(gostack_reader *r, const gbx_trap *trap)
{
    const gbx_frame *const inner = trap && trap->frame_count ? &trap->frames[0] : NULL;
    const wasm_module *const m = r->world.m;
    u64 budget = GOSTACK_WALK_BYTES;
    go_place place;
    go_goroutine own;
    go_trace trace = {0};
    bool const is_named = gbx_wasm_go_read(&r->world, r->go.memory, r->current, &own);
    bool const has_body = inner && inner->func_idx >= m->imported_funcs && inner->func_idx < m->func_count;
    if (!has_body || (r->world.layout && !is_named)) return;
    if (!gbx_runtime_module_ready(r->go.module, inner->func_idx) ||
        !gbx_wasm_go_place(m, &r->go.table, inner->func_idx, inner->offset, &budget, &place))
        return;
    u64 const pc = gbx_wasm_go_pc(&r->world, inner->func_idx, place.block);
    gbx_wasm_go_unwind(&r->world, r->go.memory, r->go.g, pc, r->go.sp, place.stack_bytes, &trace);
    if (trace.end == GO_END_LOST) { /* it stands where its frame is not there yet, or no longer */
        go_trace guess;
        bool const is_found = gbx_wasm_go_guess(&r->world, r->go.memory, r->go.g, inner->func_idx, r->go.sp,
                                                0, &guess);
        if (is_found) trace = guess;
        if (is_found) trace.pcs[0] = pc;
    }
    gbx_goroutine *const g = &r->out->all[r->out->count++];
    g->is_running = true;
    g->state = "running";
    g->id = is_named ? own.id : 0;
    gostack_keep(r, &trace, g);
    gostack_created(r, &own, g);
}

/* GO: runtime/traceback.go isSystemGoroutine. */
static bool
gostack_is_system(gostack_reader *r, u64 startpc)
{
    u32 func_idx;
    go_place place;
    char name[64] = "";
    if (!gbx_wasm_go_return(r->world.m, &r->go.table, startpc, &func_idx, &place)) return false;
    name[gbx_wasm_go_text(r->world.m, &r->go.table, place.name_at, name, sizeof name - 1)] = 0;
    return gostack_starts(name, "runtime.") && strcmp(name, "runtime.main") != 0 &&
           strcmp(name, "runtime.corostart") != 0;
}

static void
gostack_others(gostack_reader *r)
{
    u64 const count = min_u64(gbx_wasm_go_count(&r->world, r->go.memory), GOSTACK_LOOKED);
    for (u64 i = 0; i < count && r->out->count < GOSTACK_SHOWN && !r->is_short; i++) {
        go_goroutine from;
        go_trace trace;
        if (!gbx_wasm_go_get(&r->world, r->go.memory, i, &from)) return; /* it is no list of goroutines */
        if (from.is_dead || from.g == r->current || gostack_is_system(r, from.startpc)) continue;
        gbx_goroutine *const g = &r->out->all[r->out->count++];
        *g = (gbx_goroutine){.id = from.id, .state = from.state};
        gbx_wasm_go_trace_of(&r->world, r->go.memory, &from, &trace);
        gostack_keep(r, &trace, g);
        gostack_created(r, &from, g);
    }
}

/* ---- As text */

static void
gostack_print_frame(text_buf *t, const gbx_go_frame *f)
{
    gbx_base_text_printf(t, "%s(...)\n", *f->func ? f->func : "a function without a name");
    if (f->line) gbx_base_text_printf(t, "\t%s:%" PRIu32 "\n", f->file, f->line);
}

static void
gostack_print(text_buf *t, const gbx_goroutine *g)
{
    if (g->id) gbx_base_text_printf(t, "goroutine %" PRIu64 " [%s]:\n", g->id, g->state);
    else gbx_base_text_printf(t, "goroutine [%s]:\n", g->state);
    for (size_t i = 0; i < g->frame_count; i++) gostack_print_frame(t, &g->frames[i]);
    if (g->is_cut) gbx_base_text_printf(t, "...what called it cannot be read, or is more than is shown\n");
    if (!*g->creator.func) return;
    gbx_base_text_printf(t, "created by %s", g->creator.func);
    if (g->parent) gbx_base_text_printf(t, " in goroutine %" PRIu64, g->parent);
    if (g->creator.line) gbx_base_text_printf(t, "\n\t%s:%" PRIu32, g->creator.file, g->creator.line);
    gbx_base_text_printf(t, "\n");
}

/* Why some are not shown. */
static void
gostack_print_missing(text_buf *t, const gostack_reader *r)
{
    char version[sizeof r->world.version * 4 + 8];
    text_buf v = gbx_base_text_init(version, sizeof version);
    gbx_base_text_escape(&v, r->world.version, strlen(r->world.version), sizeof r->world.version);
    if (!r->world.layout)
        gbx_base_text_printf(t, "%sother goroutines are not shown: where %s keeps them is not known\n",
                             r->out->count ? "\n" : "", *version ? version : "this release of Go");
    else if (!r->world.allgs)
        gbx_base_text_printf(t, "%sother goroutines are not shown: the list of them was not found\n",
                             r->out->count ? "\n" : "");
}

static bool
gostack_print_all(gostack_reader *r)
{
    char *const room = gbx_base_alloc(GOSTACK_TEXT_BYTES, 1);
    if (!room) return false;
    text_buf t = gbx_base_text_init(room, GOSTACK_TEXT_BYTES);
    for (size_t i = 0; i < r->out->count; i++) {
        if (i) gbx_base_text_printf(&t, "\n");
        gostack_print(&t, &r->out->all[i]);
    }
    gostack_print_missing(&t, r);
    r->out->text = gbx_base_arena_copy(&r->out->texts, t.data, t.len);
    gbx_base_free(room);
    return r->out->text != NULL;
}

gbx_code
gbx_explain_go_stacks(const gbx_instance *inst, const gbx_trap *trap, gbx_go_stacks **out, gbx_err *err)
{
    gostack_reader r = {0};
    if (!gbx_runtime_go_look(inst, &r.go))
        return gbx_base_err_set(err, GBX_UNSUPPORTED, GBX_NO_OFFSET,
                                "the module is no program that Go's linker made");
    if (!r.go.is_idle)
        return gbx_base_err_set(err, GBX_STATE, GBX_NO_OFFSET, "a call is running in the store");
    r.steps = GOSTACK_STEPS;
    r.go.table.steps = &r.steps;
    gbx_wasm_go_world_find(r.go.wasm, &r.go.table, &r.world);
    if (r.world.allgadd && gbx_runtime_module_ready(r.go.module, r.world.allgadd))
        gbx_wasm_go_world_allgs(&r.world);
    r.current = gbx_wasm_go_current(&r.world, r.go.memory, r.go.g);
    r.out = gbx_base_alloc_zero(1, sizeof *r.out);
    if (!r.out) return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for stacks");
    r.out->all = gbx_base_arena_alloc(&r.out->texts, GOSTACK_SHOWN, sizeof *r.out->all);
    if (r.out->all) {
        gostack_running(&r, trap);
        gostack_others(&r);
    }
    if (!r.out->all || r.is_short || !gostack_print_all(&r)) {
        gbx_explain_go_stacks_free(r.out);
        return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for stacks");
    }
    *out = r.out;
    return GBX_OK;
}

void
gbx_explain_go_stacks_free(gbx_go_stacks *stacks)
{
    if (!stacks) return;
    gbx_base_arena_deinit(&stacks->texts);
    gbx_base_free(stacks);
}
