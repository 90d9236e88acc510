/* Machine code of the compiler, read back: decoding, a listing, and what must hold of all code.
 *
 * The compiler is given an environment made by hand, the same on every machine: processor flags are fixed,
 * stubs and the code of callees stand at made-up addresses that have names, and no address of this process
 * appears in the code. What is decoded ends where the jump tables begin, which stand behind everything else.
 *
 * A listing has a line for each instruction: its offset, the offset of the WebAssembly instruction (from
 * the body's first) where a row says one, and the text with the row's kind. Fields of the gbx_exec are
 * written by name, so that a field which moves changes no text. */
#ifndef TEST_UNIT_CODEGEN_DIS_H
#define TEST_UNIT_CODEGEN_DIS_H

#include <Zydis/Zydis.h>

#include "codegen/x64/emit.h"
#include "wasm_build.h"

#define DIS_STUBS  0x10000000u /* made-up addresses */
#define DIS_FUNCS  0x20000000u
#define DIS_STRIDE 0x100u
#define DIS_CPU    (X64_CPU_RUNS | X64_CPU_LZCNT | X64_CPU_BMI2)

typedef struct dis_insn {
    u32 at;
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT_VISIBLE];
} dis_insn;

typedef struct dis {
    const codegen_out *out;
    dis_insn *insns;
    u32 count, cap;
    u32 *index;   /* by offset: the instruction + 1; 0: none begins here */
    u32 code_end; /* behind the last instruction */
    u32 *tables;  /* offsets of jump tables, in the order of their dispatches */
    u32 table_count;
} dis;

/* ---- The environment */

typedef struct dis_world {
    wasm_module *m;
    codegen_space *s;
    codegen_env env;
    gbx_cell *cells;
} dis_world;

/* Of m, which it owns from now on. No global is pinned, no callee is final. */
static dis_world
dis_open(wasm_module *m)
{
    dis_world w = {.m = m,
                   .s = gbx_codegen_space_new(),
                   .cells = calloc(m->func_count + 1, sizeof *w.cells)};
    assert_non_null(w.s);
    assert_non_null(w.cells);
    for (u32 i = 0; i < m->func_count; i++) {
        uintptr_t const at = DIS_FUNCS + (uintptr_t)i * DIS_STRIDE;
        atomic_init(&w.cells[i].general, (const void *)at);
        atomic_init(&w.cells[i].fresh, (const void *)(at + 1));
    }
    w.env = (codegen_env){.m = m,
                          .cells = w.cells,
                          .pins = {FACTS_NONE, FACTS_NONE},
                          .is_guarded = true,
                          .closed_table = FACTS_NONE,
                          .tune = CODEGEN_TUNE_ALL,
                          .cpu = DIS_CPU};
    for (u32 i = 0; i < CODEGEN_STUB_COUNT; i++)
        w.env.stubs[i] = (const u8 *)(uintptr_t)(DIS_STUBS + i * DIS_STRIDE);
    return w;
}

/* Function idx has final code: it is called directly. What the body is does not matter. */
BUILD_UNUSED static void
dis_finish(dis_world *w, u32 idx)
{
    static const gbx_body body;
    atomic_store(&w->cells[idx].body, &body);
}

static void
dis_close(dis_world *w)
{
    gbx_codegen_space_free(w->s);
    gbx_wasm_module_free(w->m);
    free(w->cells);
}

/* ---- Decoding */

static void
dis_add_table(dis *d, const dis_insn *i)
{
    ZyanU64 to;
    assert_true(ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&i->insn, &i->ops[1], i->at, &to)));
    assert_true(to < d->out->len);
    if (d->table_count) assert_true(to > d->tables[d->table_count - 1]);
    d->tables = realloc(d->tables, (d->table_count + 1) * sizeof *d->tables);
    assert_non_null(d->tables);
    d->tables[d->table_count++] = (u32)to;
}

/* Nothing but padding lies between at and the first table. */
static bool
dis_is_code_end(const dis *d, u32 at)
{
    if (!d->table_count) return at == d->out->len;
    while (at < d->tables[0] && d->out->bytes[at] == 0xcc) at++;
    return at == d->tables[0];
}

/* Every byte up to the tables belongs to an instruction. */
static dis
dis_decode(const codegen_out *out)
{
    dis d = {.out = out, .cap = out->len / 2 + 16};
    ZydisDecoder decoder;
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
    assert_true(ZYAN_SUCCESS(
            ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)));
    d.insns = malloc(d.cap * sizeof *d.insns);
    d.index = calloc(out->len + 1, sizeof *d.index);
    assert_non_null(d.insns);
    assert_non_null(d.index);
    u32 at = 0;
    while (!dis_is_code_end(&d, at)) {
        if (d.count == d.cap) {
            d.cap *= 2;
            d.insns = realloc(d.insns, d.cap * sizeof *d.insns);
            assert_non_null(d.insns);
        }
        dis_insn *const i = &d.insns[d.count++];
        i->at = at;
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, out->bytes + at, out->len - at, &i->insn,
                                                 ops)))
            fail_msg("no instruction at %#x", at);
        memcpy(i->ops, ops, sizeof i->ops);
        bool const is_lea = i->insn.mnemonic == ZYDIS_MNEMONIC_LEA;
        if (is_lea && i->ops[1].mem.base == ZYDIS_REGISTER_RIP) dis_add_table(&d, i);
        d.index[at] = d.count;
        at += i->insn.length;
    }
    d.code_end = at;
    return d;
}

static void
dis_free(dis *d)
{
    free(d->insns);
    free(d->index);
    free(d->tables);
    *d = (dis){0};
}

static bool
dis_begins(const dis *d, u64 at)
{
    return at < d->code_end && d->index[at];
}

/* Of the displacement with which the instruction ends. Relocations ascend. */
static const codegen_reloc *
dis_reloc(const dis *d, const dis_insn *i)
{
    u32 const at = i->at + i->insn.length - 4;
    u32 low = 0, high = d->out->reloc_count;
    while (low < high) {
        u32 const mid = (low + high) / 2;
        if (d->out->relocs[mid].at < at)
            low = mid + 1;
        else
            high = mid;
    }
    const codegen_reloc *const r = d->out->relocs + low;
    return i->insn.length > 4 && low < d->out->reloc_count && r->at == at ? r : NULL;
}

static const codegen_row *
dis_row(const dis *d, u32 at)
{
    u32 low = 0, high = d->out->row_count;
    while (low < high) {
        u32 const mid = (low + high) / 2;
        if (d->out->rows[mid].code_offset < at)
            low = mid + 1;
        else
            high = mid;
    }
    const codegen_row *const r = d->out->rows + low;
    return low < d->out->row_count && r->code_offset == at ? r : NULL;
}

/* ---- What must hold */

static const ZydisDecodedOperand *
dis_mem(const dis_insn *i)
{
    for (u32 k = 0; k < i->insn.operand_count_visible; k++)
        if (i->ops[k].type == ZYDIS_OPERAND_TYPE_MEMORY &&
            i->ops[k].mem.type == ZYDIS_MEMOP_TYPE_MEM)
            return &i->ops[k];
    return NULL;
}

/* Rows ascend, stand at instructions of their kind, and none that can fault is without. */
static void
dis_check_rows(const dis *d)
{
    const codegen_out *const out = d->out;
    for (u32 r = 0; r < out->row_count; r++) {
        assert_true(dis_begins(d, out->rows[r].code_offset));
        if (r) assert_true(out->rows[r - 1].code_offset < out->rows[r].code_offset);
    }
    for (u32 k = 0; k < d->count; k++) {
        const dis_insn *const i = &d->insns[k];
        const codegen_row *const row = dis_row(d, i->at);
        const ZydisDecodedOperand *const m = dis_mem(i);
        bool const is_ud2 = i->insn.mnemonic == ZYDIS_MNEMONIC_UD2,
                   is_call = i->insn.mnemonic == ZYDIS_MNEMONIC_CALL;
        bool const is_guest = m && m->mem.base == ZYDIS_REGISTER_RBX;
        if (is_ud2 || is_call || is_guest) assert_non_null(row);
        if (is_guest) assert_int_equal(CODEGEN_ROW_KIND(row->what), GBX_TRAP_MEM_OOB);
        if (is_call) assert_int_equal(CODEGEN_ROW_KIND(row->what), GBX_TRAP_STACK_EXHAUSTED);
        if (!row || is_ud2 || is_call) continue;
        assert_non_null(m); /* what else has a row: an access, or the touch of the frame */
        if (CODEGEN_ROW_KIND(row->what) == GBX_TRAP_STACK_EXHAUSTED)
            assert_int_equal(m->mem.base, ZYDIS_REGISTER_RSP);
        else
            assert_int_equal(CODEGEN_ROW_KIND(row->what), GBX_TRAP_MEM_OOB);
    }
}

/* Jumps, tables, entries and heads lead to instructions. */
static void
dis_check_targets(const dis *d)
{
    const codegen_out *const out = d->out;
    u32 relocs = 0;
    for (u32 r = 1; r < out->reloc_count; r++)
        assert_true(out->relocs[r - 1].at < out->relocs[r].at);
    for (u32 k = 0; k < d->count; k++) {
        const dis_insn *const i = &d->insns[k];
        ZyanU64 to;
        if (!(i->insn.attributes & ZYDIS_ATTRIB_IS_RELATIVE) || dis_mem(i)) continue;
        if (dis_reloc(d, i)) {
            assert_true(i->insn.mnemonic == ZYDIS_MNEMONIC_CALL || i->insn.mnemonic == ZYDIS_MNEMONIC_JMP);
            relocs++;
            continue;
        }
        u32 const which = i->insn.mnemonic == ZYDIS_MNEMONIC_LEA;
        assert_true(ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&i->insn, &i->ops[which], i->at, &to)));
        if (!which) assert_true(dis_begins(d, to));
    }
    assert_int_equal(relocs, out->reloc_count);
    for (u32 t = 0; t < d->table_count; t++) {
        u32 const end = t + 1 < d->table_count ? d->tables[t + 1] : out->len;
        for (u32 at = d->tables[t]; at < end; at += 4) {
            i32 to;
            memcpy(&to, out->bytes + at, sizeof to);
            assert_true(dis_begins(d, (u64)((i64)d->tables[t] + to)));
        }
    }
    assert_true(dis_begins(d, out->general));
    if (out->fresh != FACTS_NONE) assert_true(dis_begins(d, out->fresh));
    if (out->osr != FACTS_NONE) assert_true(dis_begins(d, out->osr));
    for (u32 h = 0; h < out->head_count; h++) {
        assert_true(dis_begins(d, out->heads[h].code_offset));
        if (h) assert_true(out->heads[h - 1].wasm_offset < out->heads[h].wasm_offset);
    }
}

/* The frame has one size: rsp changes by it alone, what is left is left with it, and no access is to the return
 * address, below rsp or beyond the caller's outgoing area of `slots`. */
static void
dis_check_frame(const dis *d, u32 slots)
{
    i64 const frame = d->out->frame_bytes;
    for (u32 k = 0; k < d->count; k++) {
        const dis_insn *const i = &d->insns[k];
        const ZydisDecodedOperand *const m = dis_mem(i);
        bool const is_move = (i->insn.mnemonic == ZYDIS_MNEMONIC_ADD ||
                              i->insn.mnemonic == ZYDIS_MNEMONIC_SUB) &&
                             i->ops[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
                             i->ops[0].reg.value == ZYDIS_REGISTER_RSP;
        if (is_move) assert_int_equal(i->ops[1].imm.value.s, frame);
        if (is_move) assert_true(frame > 0);
        if (i->insn.mnemonic == ZYDIS_MNEMONIC_RET && frame) {
            assert_true(k > 0);
            assert_int_equal(d->insns[k - 1].insn.mnemonic, ZYDIS_MNEMONIC_ADD);
            assert_int_equal(d->insns[k - 1].ops[0].reg.value, ZYDIS_REGISTER_RSP);
        }
        if (!m || m->mem.base != ZYDIS_REGISTER_RSP) continue;
        i64 const at = m->mem.disp.value, end = at + m->size / 8;
        assert_int_equal(m->mem.index, ZYDIS_REGISTER_NONE);
        assert_true(at >= 0);
        assert_true(end <= frame || (at >= frame + 8 && end <= frame + 8 + 8 * (i64)slots));
    }
}

/* What is fixed for the module is not written: the base of the memory, the gbx_exec, and rsp but as above. */
static void
dis_check_fixed(const dis *d)
{
    for (u32 k = 0; k < d->count; k++) {
        const dis_insn *const i = &d->insns[k];
        for (u32 o = 0; o < i->insn.operand_count_visible; o++) {
            const ZydisDecodedOperand *const op = &i->ops[o];
            if (op->type != ZYDIS_OPERAND_TYPE_REGISTER ||
                !(op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
                continue;
            ZydisRegister const reg =
                    ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, op->reg.value);
            assert_int_not_equal(reg, ZYDIS_REGISTER_RBX);
            assert_int_not_equal(reg, ZYDIS_REGISTER_R15);
            if (reg != ZYDIS_REGISTER_RSP) continue;
            assert_true(i->insn.mnemonic == ZYDIS_MNEMONIC_ADD ||
                        i->insn.mnemonic == ZYDIS_MNEMONIC_SUB);
        }
    }
}

BUILD_UNUSED static void
dis_check(const dis *d, const wasm_module *m, const wasm_code *code)
{
    const wasm_functype *const t = &m->types[code->type_idx];
    dis_check_rows(d);
    dis_check_targets(d);
    dis_check_frame(d, max_u32(t->param_count, t->result_count));
    dis_check_fixed(d);
}

/* ---- The listing */

static const struct {
    u32 offset;
    const char *name;
} dis_fields[] = {
#define DIS_NATIVE(field)                                                                          \
    {                                                                                              \
        offsetof(gbx_exec, native) + offsetof(gbx_native, field), #field                           \
    }
        {offsetof(gbx_exec, stop), "stop"},
        {offsetof(gbx_exec, entry), "entry"},
        {offsetof(gbx_exec, tier), "tier"},
        DIS_NATIVE(low),
        DIS_NATIVE(inst),
        DIS_NATIVE(memory_base),
        DIS_NATIVE(memory),
        DIS_NATIVE(cells),
        DIS_NATIVE(globals),
        DIS_NATIVE(call_target),
        DIS_NATIVE(trap),
        DIS_NATIVE(bulk[0]),
        DIS_NATIVE(bulk[1]),
        DIS_NATIVE(bulk[2]),
        DIS_NATIVE(saved[RSI]),
        DIS_NATIVE(saved[RDI]),
        DIS_NATIVE(saved[R8]),
#undef DIS_NATIVE
};

static const char *
dis_kind(u32 kind)
{
    if (kind == GBX_FAULT_POLL) return "poll";
    if (kind == GBX_FAULT_GIVEN) return "given by C";
    return gbx_trap_text((gbx_trap_code)kind);
}

static void
dis_print_target(FILE *f, const u8 *target)
{
    u32 const at = (u32)(uintptr_t)target;
    if (at >= DIS_FUNCS)
        fprintf(f, "fn%u.%s", (at - DIS_FUNCS) / DIS_STRIDE, at & 1 ? "fresh" : "general");
    else
        fprintf(f, "stub %s", gbx_codegen_stub_slugs[(at - DIS_STUBS) / DIS_STRIDE]);
}

/* The instruction's text; in it `r15 + offset` by name. */
static void
dis_print_text(FILE *f, const ZydisFormatter *formatter, const dis_insn *i)
{
    char text[160];
    assert_true(ZYAN_SUCCESS(ZydisFormatterFormatInstruction(formatter, &i->insn, i->ops,
                                                             i->insn.operand_count_visible, text,
                                                             sizeof text, i->at, NULL)));
    const ZydisDecodedOperand *const m = dis_mem(i);
    char *const r15 = strstr(text, "[r15");
    if (m && m->mem.base == ZYDIS_REGISTER_R15 && r15) {
        for (u32 k = 0; k < GBX_LEN(dis_fields); k++) {
            if (dis_fields[k].offset != (u32)m->mem.disp.value) continue;
            fprintf(f, "%.*s[exec.%s%s", (int)(r15 - text), text, dis_fields[k].name,
                    strchr(r15, ']'));
            return;
        }
    }
    fputs(text, f);
}

static void
dis_print_insn(FILE *f, const ZydisFormatter *formatter, const dis *d, const dis_insn *i,
               const wasm_code *code)
{
    const codegen_row *const row = dis_row(d, i->at);
    const codegen_reloc *const reloc = dis_reloc(d, i);
    fprintf(f, "  %04x  ", i->at);
    if (!row)
        fprintf(f, "      ");
    else if (row->wasm_offset < code->insns_off)
        fprintf(f, "start ");
    else
        fprintf(f, "+%-4u ", row->wasm_offset - code->insns_off);
    if (reloc) {
        fprintf(f, i->insn.mnemonic == ZYDIS_MNEMONIC_JMP ? "jmp " : "call ");
        dis_print_target(f, reloc->target);
    } else {
        dis_print_text(f, formatter, i);
    }
    if (row) fprintf(f, "  ; %s", dis_kind(CODEGEN_ROW_KIND(row->what)));
    fputc('\n', f);
}

static void
dis_print_tables(FILE *f, const dis *d)
{
    for (u32 t = 0; t < d->table_count; t++) {
        u32 const end = t + 1 < d->table_count ? d->tables[t + 1] : d->out->len;
        fprintf(f, "table %04x:", d->tables[t]);
        for (u32 at = d->tables[t]; at < end; at += 4) {
            i32 to;
            memcpy(&to, d->out->bytes + at, sizeof to);
            fprintf(f, " %04x", (u32)((i64)d->tables[t] + to));
        }
        fputc('\n', f);
    }
}

BUILD_UNUSED static void
dis_print(FILE *f, const dis *d, const wasm_code *code)
{
    ZydisFormatter formatter;
    assert_true(ZYAN_SUCCESS(ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL)));
    (void)ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE, 4);
    (void)ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, ZYAN_FALSE);
    fprintf(f, "frame %u\n", d->out->frame_bytes);
    for (u32 k = 0; k < d->count; k++) {
        u32 const at = d->insns[k].at;
        if (at == d->out->general) fprintf(f, "general:\n");
        if (at == d->out->fresh) fprintf(f, "fresh:\n");
        if (at == d->out->osr) fprintf(f, "osr:\n");
        for (u32 h = 0; h < d->out->head_count; h++)
            if (d->out->heads[h].code_offset == at)
                fprintf(f, "head of +%u:\n", d->out->heads[h].wasm_offset - code->insns_off);
        dis_print_insn(f, &formatter, d, &d->insns[k], code);
    }
    dis_print_tables(f, d);
}

#endif
