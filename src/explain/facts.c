/* What pass A found out about a function, as text: lines about the whole of it, then one a block. Locals are
 * named by their index, not by their rank. */
#include <inttypes.h>

#include "explain/explain.h"

#define FACTS_LIST_SHOWN 12u /* edges, predecessors: a br_table has thousands */

typedef struct facts_out {
    gbx_inspect *in;
    gbx_inspect_fact *rows;
    size_t count, cap;
    text_buf t;
    char buf[2048];
} facts_out;

static void
facts_begin(facts_out *o)
{
    o->t = gbx_base_text_init(o->buf, sizeof o->buf);
}

static bool
facts_end(facts_out *o, u32 offset)
{
    const char *const text = gbx_base_arena_copy(&o->in->texts, o->buf, o->t.len);
    GBX_ASSERT(o->count < o->cap);
    o->rows[o->count++] = (gbx_inspect_fact){offset, text};
    return text != NULL;
}

static void
facts_mask(facts_out *o, const char *what, u64 mask)
{
    if (!mask) return;
    gbx_base_text_printf(&o->t, "; %s", what);
    for (u32 r = 0; r < o->in->f.local_count; r++)
        if (mask >> r & 1) gbx_base_text_printf(&o->t, " %" PRIu32, o->in->f.locals[r].idx);
}

static void
facts_bits(facts_out *o, u32 bits, const char *const *names, u32 count)
{
    for (u32 i = 0; i < count; i++)
        if (bits >> i & 1 && names[i]) gbx_base_text_printf(&o->t, " %s", names[i]);
}

/* ORDER: FACTS_CALL and on */
static const char *const facts_kinds[] = {"calls", "indirect-calls", "import-calls", "tail-calls",
                                          "memory", "memory.grow", "bulk", "tables", "loop", NULL};

/* ---- The whole */

static bool
facts_summary(facts_out *o)
{
    const facts *const f = &o->in->f;
    facts_begin(o);
    gbx_base_text_printf(&o->t, "%" PRIu32 " blocks, %" PRIu32 " edges, %" PRIu32 " instructions; at most %"
                         PRIu32 " operands; %" PRIu32 " of %" PRIu32 " locals used",
                         f->block_count, f->edge_count, f->insns, f->height_max, f->locals_used,
                         o->in->code->local_count);
    if (f->has) gbx_base_text_printf(&o->t, "; has");
    facts_bits(o, f->has, facts_kinds, GBX_LEN(facts_kinds));
    return facts_end(o, GBX_INSPECT_NONE);
}

static bool
facts_beyond(facts_out *o)
{
    const facts *const f = &o->in->f;
    u32 const beyond = o->in->out.beyond;
    if (!beyond) return true;
    facts_begin(o);
    gbx_base_text_printf(&o->t, "not compiled:");
    facts_bits(o, beyond, gbx_codegen_beyond_texts, FACTS_BEYOND_COUNT);
    if (f->beyond && f->beyond_off) gbx_base_text_printf(&o->t, " (at 0x%" PRIx32 ")", f->beyond_off);
    return facts_end(o, GBX_INSPECT_NONE);
}

static bool
facts_dispatch(facts_out *o)
{
    const facts *const f = &o->in->f;
    if (f->dispatch == FACTS_NONE) return true;
    facts_begin(o);
    gbx_base_text_printf(&o->t, "dispatch: block %" PRIu32 ", by local %" PRIu32 "; with 0 to block %" PRIu32
                         " (fresh); %" PRIu32 " of %" PRIu32 " jumps to it lead past it",
                         f->dispatch, f->dispatch_local, f->fresh, f->jumps_threaded, f->jumps);
    facts_mask(o, "live when fresh:", f->fresh_live);
    facts_mask(o, "when resumed:", f->resume_live);
    return facts_end(o, GBX_INSPECT_NONE);
}

static bool
facts_locals(facts_out *o)
{
    const facts *const f = &o->in->f;
    for (u32 r = 0; r < f->local_count; r++) {
        const facts_use *const u = &f->locals[r];
        rd_name const name = gbx_explain_local_name(o->in, u->idx);
        facts_begin(o);
        gbx_base_text_printf(&o->t, "local %" PRIu32 "%s", u->idx, name.len ? " " : "");
        gbx_base_text_escape(&o->t, name.text, name.len, EXPLAIN_NAME_SHOWN);
        gbx_base_text_printf(&o->t, ": %s%s, %" PRIu32 " reads, %" PRIu32 " writes, weight %" PRIu64,
                             gbx_wasm_valtype_text(u->type), u->is_param ? " parameter" : "", u->reads,
                             u->writes, u->weight);
        if (!o->in->out.beyond)
            gbx_base_text_printf(&o->t, "; %s", gbx_codegen_reg_name(o->in->out.regs[r]));
        if (f->copy_local == r) gbx_base_text_printf(&o->t, "; copies global %" PRIu32, f->copy_global);
        if (!facts_end(o, GBX_INSPECT_NONE)) return false;
    }
    return true;
}

static bool
facts_globals(facts_out *o)
{
    const facts *const f = &o->in->f;
    u32 const shown = min_u32(f->global_count, FACTS_LIST_SHOWN);
    for (u32 i = 0; i < shown; i++) {
        const facts_use *const u = &f->globals[i];
        rd_name const name = gbx_explain_name(o->in, WASM_NAMES_GLOBALS, u->idx);
        facts_begin(o);
        gbx_base_text_printf(&o->t, "global %" PRIu32 "%s", u->idx, name.len ? " " : "");
        gbx_base_text_escape(&o->t, name.text, name.len, EXPLAIN_NAME_SHOWN);
        gbx_base_text_printf(&o->t, ": %" PRIu32 " reads, %" PRIu32 " writes, weight %" PRIu64, u->reads,
                             u->writes, u->weight);
        for (u32 p = 0; p < CODEGEN_PINS; p++)
            if (o->in->env.pins[p] == u->idx)
                gbx_base_text_printf(&o->t, "; %s", gbx_codegen_reg_name((u8)gbx_codegen_pin_reg(p)));
        if (!facts_end(o, GBX_INSPECT_NONE)) return false;
    }
    return true;
}

/* ---- Blocks */

static void
facts_edges(facts_out *o, const facts_block *b)
{
    u32 const shown = min_u32(b->edge_count, FACTS_LIST_SHOWN);
    for (u32 i = 0; i < shown; i++) {
        const facts_edge *const e = &o->in->f.edges[b->edge + i];
        gbx_base_text_printf(&o->t, "%s %" PRIu32, i ? "," : " ->", e->to);
        if (e->shuffle)
            gbx_base_text_printf(&o->t, " (keeps %u, drops %u)", WASM_SIDE_KEEP(e->shuffle),
                                 WASM_SIDE_DROP(e->shuffle));
    }
    if (shown < b->edge_count) gbx_base_text_printf(&o->t, " and %" PRIu32 " more", b->edge_count - shown);
}

static void
facts_preds(facts_out *o, const facts_block *b)
{
    u32 const shown = min_u32(b->pred_count, FACTS_LIST_SHOWN);
    for (u32 i = 0; i < shown; i++)
        gbx_base_text_printf(&o->t, "%s %" PRIu32, i ? "," : "; from", o->in->f.preds[b->pred + i]);
    if (shown < b->pred_count) gbx_base_text_printf(&o->t, " and %" PRIu32 " more", b->pred_count - shown);
}

static bool
facts_block_line(facts_out *o, u32 block)
{
    /* ORDER: facts_exit; FACTS_MARK_FRESH and on */
    static const char *const exits[] = {"falls", "br", "br_if", "if", "br_table", "return", "trap",
                                        "tail call"};
    static const char *const marks[] = {"fresh", "resume",  "dispatch", "head", "cold",
                                        "end",   NULL,      NULL,       "unlikely"};
    const facts_block *const b = &o->in->f.blocks[block];
    facts_begin(o);
    gbx_base_text_printf(&o->t, "block %" PRIu32 ":", block);
    facts_bits(o, b->marks, marks, GBX_LEN(marks));
    gbx_base_text_printf(&o->t, "%s%s", b->marks & ((1u << GBX_LEN(marks)) - 1) ? "; " : " ", exits[b->exit]);
    facts_edges(o, b);
    facts_preds(o, b);
    if (b->height) gbx_base_text_printf(&o->t, "; %" PRIu32 " operands", b->height);
    gbx_base_text_printf(&o->t, "; weight %" PRIu32, b->weight);
    if (b->depth) gbx_base_text_printf(&o->t, ", in %u loops", b->depth);
    facts_mask(o, "live in", b->live_in);
    return facts_end(o, b->off);
}

bool
gbx_explain_facts(gbx_inspect *in)
{
    const facts *const f = &in->f;
    size_t const cap = (size_t)f->block_count + FACTS_RANKED + FACTS_LIST_SHOWN + 3;
    facts_out o = {.in = in, .cap = cap};
    o.rows = gbx_base_arena_alloc(&in->texts, cap, sizeof *o.rows);
    if (!o.rows || !facts_summary(&o) || !facts_beyond(&o) || !facts_dispatch(&o) || !facts_locals(&o) ||
        !facts_globals(&o))
        return false;
    for (u32 i = 0; i < f->block_count; i++)
        if (!facts_block_line(&o, i)) return false;
    in->facts = o.rows;
    in->fact_count = o.count;
    return true;
}
