/* Instructions of a body as text, one at a time, driven by wasm/opcodes.def and opcodes_fd.def.
 *
 * The form is that of the text format, one instruction a line; what an index means stands in a comment.
 * SAFETY: read by the sticky reader, within the body, although all of it is validated.
 * SPEC: core/text/instructions.html */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "explain/explain.h"
#include "wasm/fuse.h"
#include "wasm/opcodes.h"

#define INSN_LIST_SHOWN 24u /* targets of a br_table, clauses of a try_table */

typedef struct insn_out {
    gbx_inspect *in;
    reader *r;
    text_buf text, comment;
} insn_out;

void
gbx_explain_rewind(gbx_inspect *in)
{
    in->at = rd_init(in->w->bytes, in->code->insns_off, in->code->body_end);
    in->depth = 0;
}

static void
insn_comment(insn_out *o, rd_name name)
{
    if (!name.len) return;
    gbx_base_text_printf(&o->comment, "%s", o->comment.len ? ", " : "");
    gbx_base_text_escape(&o->comment, name.text, name.len, EXPLAIN_NAME_SHOWN);
}

static void
insn_open(gbx_inspect *in, u32 offset, bool is_loop)
{
    if (in->depth == in->open_cap) {
        u32 const cap = in->open_cap * 2 + 64;
        explain_open *const open = gbx_base_realloc(in->open, cap, sizeof *open);
        if (open) {
            in->open = open;
            in->open_cap = cap;
        }
    }
    if (in->depth < in->open_cap) in->open[in->depth] = (explain_open){offset, is_loop};
    in->depth++;
}

/* Where label `n` leads: a loop's start, or out of what was opened there. */
static void
insn_label(insn_out *o, u32 n)
{
    const gbx_inspect *const in = o->in;
    gbx_base_text_printf(&o->text, " %" PRIu32, n);
    if (n >= in->depth) {
        gbx_base_text_printf(&o->comment, "%sreturns", o->comment.len ? ", " : "");
    } else if (in->depth - n - 1 < in->open_cap) {
        const explain_open *const open = &in->open[in->depth - n - 1];
        gbx_base_text_printf(&o->comment, "%s%s 0x%" PRIx32, o->comment.len ? ", " : "",
                             open->is_loop ? "to" : "out of", open->offset);
    }
}

static void
insn_block_type(insn_out *o)
{
    i64 const type = gbx_base_rd_i33(o->r);
    if (type >= 0) gbx_base_text_printf(&o->text, " (type %" PRIi64 ")", type);
    else if ((type & 0x7f) != 0x40)
        gbx_base_text_printf(&o->text, " (result %s)", gbx_wasm_valtype_text((wasm_valtype)(type & 0x7f)));
}

/* Names of the index spaces that a single index may mean. */
static u32
insn_space(u8 op, u32 sub)
{
    switch (op) {
    case OP_CALL:
    case OP_RETURN_CALL:
    case OP_REF_FUNC: return WASM_NAMES_FUNCS;
    case OP_GLOBAL_GET:
    case OP_GLOBAL_SET: return WASM_NAMES_GLOBALS;
    case OP_TABLE_GET:
    case OP_TABLE_SET: return WASM_NAMES_TABLES;
    case OP_THROW: return WASM_NAMES_TAGS;
    case OP_PREFIX_FC:
        return sub == OP_FC_DATA_DROP ? WASM_NAMES_DATAS
               : sub == OP_FC_ELEM_DROP ? WASM_NAMES_ELEMS : WASM_NAMES_TABLES;
    default: return 0;
    }
}

static void
insn_index(insn_out *o, u8 op, u32 sub)
{
    u32 const idx = gbx_base_rd_u32(o->r);
    gbx_base_text_printf(&o->text, " %" PRIu32, idx);
    bool const is_local = op == OP_LOCAL_GET || op == OP_LOCAL_SET || op == OP_LOCAL_TEE;
    if (!is_local) insn_comment(o, gbx_explain_name(o->in, insn_space(op, sub), idx));
    else insn_comment(o, gbx_explain_local_name(o->in, idx));
}

static void
insn_two(insn_out *o, u8 op, u32 sub)
{
    u32 const a = gbx_base_rd_u32(o->r), b = gbx_base_rd_u32(o->r);
    if (op != OP_PREFIX_FC) { /* a type, a table */
        char type[256];
        gbx_wasm_functype_print(&o->in->w->types[a], type, sizeof type);
        gbx_base_text_printf(&o->text, " %" PRIu32 " (type %" PRIu32 ")", b, a);
        gbx_base_text_printf(&o->comment, "%s", type);
        insn_comment(o, gbx_explain_name(o->in, WASM_NAMES_TABLES, b));
        return;
    }
    gbx_base_text_printf(&o->text, " %" PRIu32 " %" PRIu32, a, b);
    if (sub == OP_FC_MEMORY_INIT) insn_comment(o, gbx_explain_name(o->in, WASM_NAMES_DATAS, a));
    if (sub == OP_FC_TABLE_INIT) insn_comment(o, gbx_explain_name(o->in, WASM_NAMES_ELEMS, a));
}

static void
insn_memarg(insn_out *o, u32 bytes)
{
    u32 const flags = gbx_base_rd_u32(o->r);
    u32 const memory = flags & OP_MEMARG_HAS_MEMORY ? gbx_base_rd_u32(o->r) : 0;
    u64 const offset = gbx_base_rd_u64(o->r);
    u32 const align = flags & (OP_MEMARG_HAS_MEMORY - 1);
    if (memory) gbx_base_text_printf(&o->text, " %" PRIu32, memory);
    if (offset) gbx_base_text_printf(&o->text, " offset=%" PRIu64, offset);
    if (1u << align != bytes) gbx_base_text_printf(&o->text, " align=%u", 1u << align);
}

/* An integer is exact; a float is shown by its bits as well where those say more. */
static void
insn_float(insn_out *o, bool is_64)
{
    u64 const bits = is_64 ? gbx_base_rd_fixed64(o->r) : gbx_base_rd_fixed32(o->r);
    f64 wide = 0;
    f32 narrow = 0;
    u32 const low = (u32)bits;
    memcpy(&wide, &bits, sizeof wide);
    memcpy(&narrow, &low, sizeof narrow);
    f64 const value = is_64 ? wide : (f64)narrow;
    gbx_base_text_printf(&o->text, " %.*g", is_64 ? 17 : 9, value);
    if (value != value) gbx_base_text_printf(&o->comment, "0x%" PRIx64, bits);
}

static void
insn_bytes(insn_out *o, bool is_lanes)
{
    const u8 *const p = gbx_base_rd_bytes(o->r, 16);
    if (!is_lanes) gbx_base_text_printf(&o->text, " i8x16");
    for (u32 i = 0; p && i < 16; i++) gbx_base_text_printf(&o->text, is_lanes ? " %u" : " 0x%02x", p[i]);
}

static void
insn_table(insn_out *o)
{
    u32 const count = gbx_base_rd_u32(o->r);
    for (u32 i = 0; i <= count && rd_ok(o->r); i++) {
        if (i < INSN_LIST_SHOWN || i == count) insn_label(o, gbx_base_rd_u32(o->r));
        else (void)gbx_base_rd_u32(o->r);
        if (i == INSN_LIST_SHOWN) gbx_base_text_printf(&o->text, " ...");
    }
    gbx_base_text_printf(&o->comment, "; %" PRIu32 " and a default", count);
}

static void
insn_try(insn_out *o)
{
    static const char *const kinds[] = {"catch", "catch_ref", "catch_all", "catch_all_ref"};
    insn_block_type(o);
    u32 const count = gbx_base_rd_u32(o->r);
    for (u32 i = 0; i < count && rd_ok(o->r); i++) {
        u8 const kind = gbx_base_rd_u8(o->r) & 3;
        gbx_base_text_printf(&o->text, " (%s", kinds[kind]);
        if (kind == WASM_CATCH || kind == WASM_CATCH_REF)
            gbx_base_text_printf(&o->text, " %" PRIu32, gbx_base_rd_u32(o->r));
        insn_label(o, gbx_base_rd_u32(o->r)); /* its labels begin outside of it */
        gbx_base_text_printf(&o->text, ")");
    }
}

static void
insn_typed(insn_out *o)
{
    u32 const count = gbx_base_rd_u32(o->r);
    for (u32 i = 0; i < count && rd_ok(o->r); i++)
        gbx_base_text_printf(&o->text, " (result %s)", gbx_wasm_valtype_text(gbx_base_rd_u8(o->r)));
}

/* STYLE: one function because it is one switch over immediates. */
static void
insn_immediates(insn_out *o, op_imm imm, u8 op, u32 sub)
{
    switch (imm) {
    case IMM_BLOCK: insn_block_type(o); break;
    case IMM_LABEL: insn_label(o, gbx_base_rd_u32(o->r)); break;
    case IMM_TABLE: insn_table(o); break;
    case IMM_IDX: insn_index(o, op, sub); break;
    case IMM_IDX2: insn_two(o, op, sub); break;
    case IMM_TYPED: insn_typed(o); break;
    case IMM_TRY: insn_try(o); break;
    case IMM_MEM1: insn_memarg(o, 1); break;
    case IMM_MEM2: insn_memarg(o, 2); break;
    case IMM_MEM4: insn_memarg(o, 4); break;
    case IMM_MEM8: insn_memarg(o, 8); break;
    case IMM_MEM16: insn_memarg(o, 16); break;
    case IMM_ZERO: {
        u32 const memory = gbx_base_rd_u32(o->r);
        if (memory) gbx_base_text_printf(&o->text, " %" PRIu32, memory);
        break;
    }
    case IMM_I32: gbx_base_text_printf(&o->text, " %" PRIi32, gbx_base_rd_i32(o->r)); break;
    case IMM_I64: gbx_base_text_printf(&o->text, " %" PRIi64, gbx_base_rd_i64(o->r)); break;
    case IMM_F32: insn_float(o, false); break;
    case IMM_F64: insn_float(o, true); break;
    case IMM_REF: { /* "funcref" is written "func" here */
        const char *const type = gbx_wasm_valtype_text((wasm_valtype)(gbx_base_rd_i33(o->r) & 0x7f));
        gbx_base_text_printf(&o->text, " %.*s", (int)strlen(type) - 3, type);
        break;
    }
    case IMM_LANEMEM1:
    case IMM_LANEMEM2:
    case IMM_LANEMEM4:
    case IMM_LANEMEM8:
        insn_memarg(o, 1u << (imm - IMM_LANEMEM1));
        gbx_base_text_printf(&o->text, " %u", gbx_base_rd_u8(o->r));
        break;
    case IMM_LANE2:
    case IMM_LANE4:
    case IMM_LANE8:
    case IMM_LANE16: gbx_base_text_printf(&o->text, " %u", gbx_base_rd_u8(o->r)); break;
    case IMM_V128: insn_bytes(o, false); break;
    case IMM_SHUFFLE: insn_bytes(o, true); break;
    case IMM_NONE:
    case IMM_BAD: break;
    }
}

bool
gbx_explain_next(gbx_inspect *in, gbx_inspect_insn *out)
{
    reader *const r = &in->at;
    if (!rd_left(r)) return false;
    u32 const offset = (u32)rd_offset(r);
    insn_out o = {.in = in, .r = r, .text = gbx_base_text_init(in->text, sizeof in->text),
                  .comment = gbx_base_text_init(in->comment, sizeof in->comment)};
    u8 op = gbx_wasm_unfuse[in->w->fuse_set][gbx_base_rd_u8(r)];
    if (offset + 1 == in->code->body_end) op = OP_END; /* our copy of the module has a return there */
    const char *text = gbx_wasm_ops[op].text;
    op_imm imm = gbx_wasm_ops[op].imm;
    u32 sub = 0;
    if (op == OP_PREFIX_FC || op == OP_PREFIX_FD) {
        sub = gbx_base_rd_u32(r);
        GBX_ASSERT(sub < (op == OP_PREFIX_FC ? (u32)OP_FC_COUNT : (u32)OP_FD_COUNT));
        text = op == OP_PREFIX_FC ? gbx_wasm_ops_fc[sub].text : gbx_wasm_ops_fd[sub].text;
        imm = op == OP_PREFIX_FC ? gbx_wasm_ops_fc[sub].imm : gbx_wasm_ops_fd[sub].imm;
    }
    GBX_ASSERT(text); /* validated */
    gbx_base_text_printf(&o.text, "%s", text);
    insn_immediates(&o, imm, op, sub);
    bool const is_inner = op == OP_BLOCK || op == OP_LOOP || op == OP_IF || op == OP_TRY_TABLE;
    if (op == OP_END && in->depth) in->depth--;
    *out = (gbx_inspect_insn){.offset = offset, .bytes = (u32)rd_offset(r) - offset,
                              .depth = in->depth - (op == OP_ELSE && in->depth), .text = in->text,
                              .comment = in->comment};
    if (is_inner) insn_open(in, offset, op == OP_LOOP);
    return rd_ok(r);
}
