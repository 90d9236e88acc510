/* A module looked at, one function at a time: names, pass A, pass B, and which code is of which instruction.
 *
 * Code is made as tier.c has it made, but for what is decided by running: no callee has code yet, so that
 * calls go through cells. Stubs have made-up addresses, which relocations are looked up by. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "explain/explain.h"
#include "gbx/trap.h"
#include "runtime/tier.h"

static gbx_code
inspect_no_memory(gbx_err *err)
{
    return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory to look at the module");
}

/* ---- Names */

static u32
inspect_space_count(const wasm_module *w, u32 space)
{
    switch (space) {
    case WASM_NAMES_FUNCS: return w->func_count;
    case WASM_NAMES_TABLES: return w->table_count;
    case WASM_NAMES_GLOBALS: return w->global_count;
    case WASM_NAMES_ELEMS: return w->elem_count;
    case WASM_NAMES_DATAS: return w->data_count;
    case WASM_NAMES_TAGS: return w->tag_count;
    default: return 0; /* shown nowhere */
    }
}

static bool
inspect_names(gbx_inspect *in)
{
    for (u32 space = 0; space < EXPLAIN_SPACES; space++) {
        explain_names *const n = &in->names[space];
        n->count = inspect_space_count(in->w, space);
        if (!n->count) continue;
        n->names = gbx_base_arena_alloc(&in->names_arena, n->count, sizeof *n->names);
        if (!n->names) return false;
        gbx_wasm_names(in->w, (u8)space, n->count, n->names);
    }
    u32 const funcs = in->names[WASM_NAMES_FUNCS].count;
    in->shown = gbx_base_arena_alloc(&in->names_arena, max_u32(funcs, 1), sizeof *in->shown);
    return in->shown != NULL;
}

rd_name
gbx_explain_name(const gbx_inspect *in, u32 space, u32 idx)
{
    const explain_names *const n = &in->names[space];
    return idx < n->count && n->names[idx].len ? n->names[idx] : (rd_name){"", 0};
}

rd_name
gbx_explain_local_name(gbx_inspect *in, u32 idx)
{
    u32 const count = in->code->local_count;
    if (!in->local_names && count) {
        in->local_names = gbx_base_arena_alloc(&in->texts, count, sizeof *in->local_names);
        if (in->local_names) gbx_wasm_local_names(in->w, in->code->func_idx, count, in->local_names);
    }
    bool const has_name = in->local_names && idx < count && in->local_names[idx].len;
    return has_name ? in->local_names[idx] : (rd_name){"", 0};
}

const char *
gbx_explain_shown(gbx_inspect *in, u32 func_idx)
{
    if (!in->shown[func_idx]) {
        char buf[4096 + 8];
        text_buf t = gbx_base_text_init(buf, sizeof buf);
        rd_name const name = gbx_explain_name(in, WASM_NAMES_FUNCS, func_idx);
        gbx_base_text_escape(&t, name.text, name.len, 1024);
        in->shown[func_idx] = gbx_base_arena_copy(&in->names_arena, buf, t.len);
    }
    return in->shown[func_idx] ? in->shown[func_idx] : "";
}

/* ---- The whole */

gbx_code
gbx_explain_new(gbx_module *m, gbx_inspect **out, gbx_err *err)
{
    gbx_inspect *const in = gbx_base_alloc_zero(1, sizeof *in);
    if (!in) return inspect_no_memory(err);
    const wasm_module *const w = gbx_runtime_module_wasm(m);
    in->module = gbx_runtime_module_retain(m);
    in->w = w;
    in->env = gbx_runtime_tier_env(m, w->memory_count == 0 || !w->memories[0].is_64);
    in->env.wants_lines = true;
    in->cells = gbx_base_alloc_zero(max_u32(w->func_count, 1), sizeof *in->cells);
    in->env.cells = in->cells;
    for (u32 i = 0; i < CODEGEN_STUB_COUNT; i++) in->env.stubs[i] = &in->stubs[i];
    if (in->cells && in->env.tune & CODEGEN_TUNE_BIT(CLOSED))
        gbx_runtime_closed_init(&in->closed, m, &in->env);
    in->space = gbx_codegen_space_new();
    in->facts_space = gbx_codegen_facts_space_new();
    if (!in->cells || !in->space || !in->facts_space || !inspect_names(in)) {
        gbx_explain_free(in);
        return inspect_no_memory(err);
    }
    *out = in;
    return GBX_OK;
}

void
gbx_explain_free(gbx_inspect *in)
{
    if (!in) return;
    gbx_codegen_space_free(in->space);
    gbx_codegen_facts_space_free(in->facts_space);
    gbx_base_arena_deinit(&in->texts);
    gbx_base_arena_deinit(&in->names_arena);
    gbx_base_free(in->open);
    gbx_runtime_closed_deinit(&in->closed);
    gbx_base_free(in->cells);
    gbx_runtime_module_release(in->module);
    gbx_base_free(in);
}

/* ---- A function */

static const char *
inspect_beyond(gbx_inspect *in)
{
    char buf[256];
    text_buf t = gbx_base_text_init(buf, sizeof buf);
    for (u32 i = 0; i < FACTS_BEYOND_COUNT; i++)
        if (in->out.beyond >> i & 1)
            gbx_base_text_printf(&t, "%s%s", t.len ? ", " : "", gbx_codegen_beyond_texts[i]);
    return gbx_base_arena_copy(&in->texts, buf, t.len);
}

static const char *
inspect_signature(gbx_inspect *in)
{
    char buf[1024];
    gbx_wasm_functype_print(&in->w->types[in->code->type_idx], buf, sizeof buf);
    return gbx_base_arena_copy(&in->texts, buf, strlen(buf));
}

static void
inspect_forget(gbx_inspect *in)
{
    gbx_base_arena_deinit(&in->texts);
    in->texts = (arena){0};
    in->local_names = NULL;
    in->facts = NULL;
    in->lines = NULL;
    in->marks = NULL;
    in->fact_count = in->line_count = in->mark_count = 0;
}

gbx_code
gbx_explain_func(gbx_inspect *in, u32 func_idx, gbx_inspect_info *out, gbx_err *err)
{
    inspect_forget(in);
    in->code = &in->w->codes[func_idx - in->w->imported_funcs];
    const wasm_code *const code = in->code;
    if (!gbx_runtime_module_ready(in->module, func_idx) ||
        gbx_codegen_facts(in->facts_space, in->w, code, &in->f) != GBX_OK ||
        gbx_codegen_compile(in->space, &in->env, code, &in->out) != GBX_OK)
        return inspect_no_memory(err);
    gbx_explain_rewind(in);
    const codegen_out *const o = &in->out;
    *out = (gbx_inspect_info){
            .name = gbx_explain_shown(in, func_idx),
            .signature = inspect_signature(in),
            .offset = code->body_off,
            .bytes = code->body_end - code->body_off,
            .insns = in->f.insns,
            .blocks = in->f.block_count,
            .has_dispatch = in->f.dispatch != FACTS_NONE,
            .beyond = o->beyond ? inspect_beyond(in) : NULL,
            .code = {o->bytes, o->len},
            .general = o->general,
            .fresh = o->fresh,
            .loops = o->osr,
            .cold = o->cold,
            .tables = o->tables,
            .frame_bytes = o->frame_bytes,
    };
    return out->signature && (!o->beyond || out->beyond) ? GBX_OK : inspect_no_memory(err);
}

static int
inspect_by_code(const void *a, const void *b)
{
    const gbx_inspect_line *const x = a, *const y = b;
    if (x->code_offset != y->code_offset) return x->code_offset < y->code_offset ? -1 : 1;
    bool const x_is_entry = x->offset == GBX_INSPECT_NONE, y_is_entry = y->offset == GBX_INSPECT_NONE;
    if (x_is_entry != y_is_entry) return x_is_entry ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* The compiler's lines, without those of no code, and the entries among them. What an entry checks is said
 * of no instruction. */
bool
gbx_explain_lines(gbx_inspect *in)
{
    const codegen_out *const o = &in->out;
    u32 const entries[] = {o->general, o->fresh, o->osr, o->tables};
    gbx_inspect_line *const lines =
            gbx_base_arena_alloc(&in->texts, (size_t)o->line_count + GBX_LEN(entries), sizeof *lines);
    if (!lines) return false;
    size_t count = 0;
    for (u32 i = 0; i < o->line_count; i++) {
        const codegen_line *const l = &o->lines[i];
        bool const is_empty = i + 1 < o->line_count && o->lines[i + 1].code_offset == l->code_offset;
        bool const is_inside =
                l->wasm_offset >= in->code->insns_off && l->wasm_offset < in->code->body_end;
        u32 const offset = is_inside ? l->wasm_offset : GBX_INSPECT_NONE;
        if (!is_empty && l->code_offset < o->len)
            lines[count++] = (gbx_inspect_line){l->code_offset, offset};
    }
    for (u32 i = 0; i < GBX_LEN(entries); i++)
        if (entries[i] < o->len) lines[count++] = (gbx_inspect_line){entries[i], GBX_INSPECT_NONE};
    qsort(lines, count, sizeof *lines, inspect_by_code);
    in->lines = lines;
    in->line_count = count;
    return true;
}

static int
inspect_mark_order(const void *a, const void *b)
{
    const gbx_inspect_mark *const x = a, *const y = b;
    return x->code_offset < y->code_offset ? -1 : x->code_offset > y->code_offset;
}

static const char *
inspect_stub(const gbx_inspect *in, const u8 *target)
{
    return gbx_codegen_stub_slugs[target - in->stubs];
}

/* Calls of stubs, and what may trap; that a call may find the stack exhausted goes without saying. */
bool
gbx_explain_marks(gbx_inspect *in)
{
    const codegen_out *const o = &in->out;
    size_t const cap = (size_t)o->reloc_count + o->row_count + 1;
    gbx_inspect_mark *const marks = gbx_base_arena_alloc(&in->texts, cap, sizeof *marks);
    if (!marks) return false;
    size_t count = 0;
    char buf[96];
    for (u32 i = 0; i < o->reloc_count; i++) {
        text_buf t = gbx_base_text_init(buf, sizeof buf);
        gbx_base_text_printf(&t, "stub %s", inspect_stub(in, o->relocs[i].target));
        marks[count++] = (gbx_inspect_mark){o->relocs[i].at, gbx_base_arena_copy(&in->texts, buf, t.len)};
    }
    for (u32 i = 0; i < o->row_count; i++) {
        u32 const kind = CODEGEN_ROW_KIND(o->rows[i].what);
        if (kind == GBX_TRAP_STACK_EXHAUSTED || kind >= GBX_TRAP_CODE_COUNT) continue;
        text_buf t = gbx_base_text_init(buf, sizeof buf);
        gbx_base_text_printf(&t, "may trap: %s", gbx_trap_slug((gbx_trap_code)kind));
        marks[count++] = (gbx_inspect_mark){o->rows[i].code_offset,
                                            gbx_base_arena_copy(&in->texts, buf, t.len)};
    }
    for (size_t i = 0; i < count; i++)
        if (!marks[i].text) return false;
    qsort(marks, count, sizeof *marks, inspect_mark_order);
    in->marks = marks;
    in->mark_count = count;
    return true;
}
