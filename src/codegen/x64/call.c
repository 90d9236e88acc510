/* Calls. See emit.h, and codegen.h for the convention.
 *
 * Nothing lives in a register across a call but pinned globals: operands are sent home, and those locals
 * that may still be read. They are loaded again when they are first used.
 *
 * RULE: S5. What is called through a cell may be a stub today and code tomorrow; a cell is written once.
 * Only code that is final already is called directly. */
#include "codegen/x64/emit.h"

static i32
call_native(size_t offset)
{
    return (i32)(offsetof(gbx_exec, native) + offset);
}

/* The argument of a function of one integer is a literal 0. RULE: S8. */
static bool
call_is_fresh(const x64_ctx *c, const wasm_functype *t)
{
    if (!(c->env->tune & CODEGEN_TUNE_BIT(FRESH)) || c->env->tail_slots || t->param_count != 1 ||
        t->result_count > 1)
        return false;
    if (t->params[0] != WASM_I32 && t->params[0] != WASM_I64) return false;
    if (c->height <= c->settled) return false;
    const x64_val *const v = &c->stack[c->height - 1];
    return v->kind == VAL_CONST && v->bits == 0;
}

/* Arguments to their places, all else out of registers. */
static void
call_prepare(x64_ctx *c, const wasm_functype *t, bool is_fresh)
{
    if (!is_fresh) {
        u32 const need = max_u32(max_u32(t->param_count, t->result_count), c->env->tail_slots);
        c->out_need = max_u32(c->out_need, need);
        if (need) c->needs_frame = true;
    }
    for (u32 i = t->param_count; i-- > 0;) {
        x64_val v = *x64_pop(c);
        x64_room(c->b);
        if (!is_fresh) gbx_x64_to_slot(c, &v, x64_at(RSP, (i32)(i * 8)));
    }
    gbx_x64_flush(c, c->height);
    gbx_x64_save(c, gbx_x64_live(c) & c->reg_valid);
    x64_room(c->b);
}

/* Behind the call: what is left of the state, and the results. */
static void
call_results(x64_ctx *c, const wasm_functype *t)
{
    c->free = c->temps;
    c->xfree = c->xtemps;
    c->reg_valid = 0;
    gbx_x64_forget_all(c);
    if (t->result_count == 0) return;
    bool const is_64 = t->results[0] != WASM_I32 && t->results[0] != WASM_F32;
    c->free &= ~(1u << RAX);
    x64_push_reg(c, RAX, X64_NO_LOCAL, is_64);
    if (t->result_count == 1) return;
    gbx_x64_flush(c, c->height);
    for (u32 i = 1; i < t->result_count; i++) {
        x64_room(c->b);
        x64_val v = {.kind = VAL_REG,
                     .is_64 = true,
                     .reg = RAX,
                     .index = X64_NO_REG,
                     .local = X64_NO_LOCAL,
                     .index_local = X64_NO_LOCAL};
        x64_load(c->b, RAX, x64_at(RSP, (i32)(i * 8)), X64_64);
        x64_push_val(c, &v);
        gbx_x64_flush(c, c->height);
    }
}

static void
call_rel32(x64_ctx *c, const u8 *target)
{
    x64_row(c, GBX_TRAP_STACK_EXHAUSTED);
    x64_u8(c->b, 0xe8);
    codegen_reloc const reloc = {c->b->len, target};
    x64_u32(c->b, 0);
    (void)x64_push_item(c, &c->s->relocs, &reloc, sizeof reloc);
}

/* rax = the cell of a function of this module */
static void
call_find_cell(x64_ctx *c, u32 func_idx)
{
    x64_load(c->b, RAX, x64_at(X64_EXEC, call_native(offsetof(gbx_native, cells))), X64_64);
    if (func_idx) x64_alu_imm(c->b, ALU_ADD, RAX, (i32)(func_idx << GBX_CELL_SHIFT), X64_64);
}

/* rax: a cell */
static void
call_cell(x64_ctx *c, bool is_fresh)
{
    x64_row(c, GBX_TRAP_STACK_EXHAUSTED);
    size_t const entry = is_fresh ? offsetof(gbx_cell, fresh) : offsetof(gbx_cell, general);
    x64_rm(c->b, 0xff, 2, x64_at(RAX, (i32)entry), X64_32);
}

void
gbx_x64_call(x64_ctx *c, u32 func_idx)
{
    const wasm_functype *const t = &c->m->types[c->m->func_types[func_idx]];
    bool const is_fresh = call_is_fresh(c, t);
    bool const is_direct = c->env->tune & CODEGEN_TUNE_BIT(DIRECT);
    call_prepare(c, t, is_fresh);
    gbx_x64_spend_tested(c);
    const gbx_cell *const cell = &c->env->cells[func_idx];
    if (is_direct && func_idx == c->code->func_idx) {
        x64_row(c, GBX_TRAP_STACK_EXHAUSTED);
        x64_u8(c->b, 0xe8);
        x64_self_call const call = {c->b->len, is_fresh};
        x64_u32(c->b, 0);
        (void)x64_push_item(c, &c->s->self_calls, &call, sizeof call);
    } else if (is_direct && atomic_load_explicit(&cell->body, memory_order_acquire) &&
               wasm_probe_of(c->m, func_idx) == WASM_PROBE_COUNT) { /* see runtime/probes.c */
        const void *const target = atomic_load_explicit(is_fresh ? &cell->fresh : &cell->general,
                                                        memory_order_acquire);
        call_rel32(c, target);
    } else {
        call_find_cell(c, func_idx);
        call_cell(c, is_fresh);
    }
    call_results(c, t);
}

/* rax = the gbx_func at the index in `idx`, which is released, and rcx the running instance; traps where it
 * is none of that type. */
static void
call_find(x64_ctx *c, x64_val *idx, u32 at, u32 type_idx, u32 table_idx)
{
    x64_buf *const b = c->b;
    if (at != RDX) x64_mov(b, RDX, at, X64_32);
    gbx_x64_drop(c, idx);
    at = RDX;
    x64_load(b, RCX, x64_at(X64_EXEC, call_native(offsetof(gbx_native, inst))), X64_64);
    x64_load(b, RAX, x64_at(RCX, (i32)offsetof(gbx_instance, tables)), X64_64);
    x64_load(b, RAX, x64_at(RAX, (i32)(table_idx * sizeof(gbx_table *))), X64_64);
    x64_alu_rm(b, ALU_CMP, at, x64_at(RAX, (i32)offsetof(gbx_table, len)), X64_64);
    gbx_x64_trap_if(c, CC_AE, GBX_TRAP_UNDEFINED_ELEMENT);
    x64_load(b, RAX, x64_at(RAX, (i32)offsetof(gbx_table, elems)), X64_64);
    x64_load(b, RAX, (x64_mem){RAX, (u8)at, 3, 0}, X64_64);
    x64_test(b, RAX, RAX, X64_64);
    gbx_x64_trap_if(c, CC_E, GBX_TRAP_UNINITIALIZED_ELEMENT);
    x64_load(b, RDX, x64_at(RCX, (i32)offsetof(gbx_instance, type_ids)), X64_64);
    x64_load(b, RDX, x64_at(RDX, (i32)(type_idx * sizeof(u32))), X64_32);
    x64_alu_rm(b, ALU_CMP, RDX, x64_at(RAX, (i32)offsetof(gbx_func, type_id)), X64_32);
    gbx_x64_trap_if(c, CC_NE, GBX_TRAP_INDIRECT_TYPE);
}

/* RULE: S10. rax = the cell of the function at the index in `idx`, which goes to rdx; branches where the row
 * has none: no such element, null, another type. Nobody can write to the table, and no element of it is of
 * another instance but by way of an import, whose cell calls out. The index is clamped to the row's last
 * place, which is empty: also where the branch is mispredicted. */
static u32
call_closed(x64_ctx *c, x64_val *idx, u32 at, u32 type_idx)
{
    x64_buf *const b = c->b;
    if (at != RDX) x64_mov(b, RDX, at, X64_32);
    gbx_x64_drop(c, idx);
    x64_mov_imm(b, RCX, c->env->closed_len);
    x64_alu_rr(b, ALU_CMP, RDX, RCX, X64_32);
    x64_cmov(b, CC_B, RCX, RDX, X64_32);
    x64_load(b, RAX, x64_at(X64_EXEC, call_native(offsetof(gbx_native, closed))), X64_64);
    i32 const row = (i32)(c->env->closed_rows[type_idx] * sizeof(gbx_cell *));
    x64_load(b, RAX, (x64_mem){RAX, RCX, 3, row}, X64_64);
    x64_test(b, RAX, RAX, X64_64);
    return x64_jcc(b, CC_E);
}

void
gbx_x64_call_indirect(x64_ctx *c, u32 type_idx, u32 table_idx)
{
    x64_buf *const b = c->b;
    const wasm_functype *const t = &c->m->types[type_idx];
    x64_val idx = *x64_pop(c);
    idx.is_64 = false;
    /* Kept where arguments, on their way to memory, do not need it. */
    u32 at = gbx_x64_gpr(c, &idx, false);
    bool const is_fresh = call_is_fresh(c, t);
    call_prepare(c, t, is_fresh);
    gbx_x64_spend_tested(c);
    u32 slow;
    bool const is_closed = table_idx == c->env->closed_table && c->env->closed_rows[type_idx] != FACTS_NONE;
    if (is_closed) {
        slow = call_closed(c, &idx, at, type_idx);
    } else {
        call_find(c, &idx, at, type_idx, table_idx);
        x64_alu_rm(b, ALU_CMP, RCX, x64_at(RAX, (i32)offsetof(gbx_func, inst)), X64_64);
        slow = x64_jcc(b, CC_NE);
        x64_load(b, RAX, x64_at(RAX, (i32)offsetof(gbx_func, cell)), X64_64);
    }
    call_cell(c, is_fresh);
    gbx_x64_cold(c, (x64_cold){.at = slow,
                               .kind = is_closed ? X64_SLOW_CLOSED : X64_SLOW_CALL,
                               .type_idx = type_idx,
                               .wasm_offset = c->wasm_offset,
                               .back = b->len,
                               .variant = is_fresh});
    call_results(c, t);
}

/* RULE: S6. The arguments go where this function's own stood, its frame goes, and the callee returns to the
 * caller. Through a cell always: a stub calls out in the caller's name. */
static void
call_leave(x64_ctx *c, const wasm_functype *t)
{
    for (u32 i = 0; i < t->param_count; i++) {
        x64_room(c->b);
        x64_sse_m(c->b, 0xf3, 0x7e, X64_SCRATCH0, x64_at(RSP, (i32)(i * 8)));
        x64_rm(c->b, X64_F(0x66, 0xd6), X64_SCRATCH0, x64_at(RSP, INT32_MAX), X64_32);
        gbx_x64_frame_fix(c, (i32)(8 + 8 * i));
    }
    x64_room(c->b);
    gbx_x64_leave_frame(c);
}

void
gbx_x64_tail_call(x64_ctx *c, u32 func_idx)
{
    const wasm_functype *const t = &c->m->types[c->m->func_types[func_idx]];
    call_prepare(c, t, false);
    gbx_x64_spend_tested(c);
    call_leave(c, t);
    call_find_cell(c, func_idx);
    x64_rm(c->b, 0xff, 4, x64_at(RAX, (i32)offsetof(gbx_cell, general)), X64_32);
}

void
gbx_x64_tail_call_indirect(x64_ctx *c, u32 type_idx, u32 table_idx)
{
    x64_buf *const b = c->b;
    const wasm_functype *const t = &c->m->types[type_idx];
    x64_val idx = *x64_pop(c);
    idx.is_64 = false;
    u32 const at = gbx_x64_gpr(c, &idx, false);
    call_prepare(c, t, false);
    gbx_x64_spend_tested(c);
    call_find(c, &idx, at, type_idx, table_idx);
    call_leave(c, t);
    x64_alu_rm(b, ALU_CMP, RCX, x64_at(RAX, (i32)offsetof(gbx_func, inst)), X64_64);
    u32 const slow = x64_jcc_short(b, CC_NE);
    x64_load(b, RAX, x64_at(RAX, (i32)offsetof(gbx_func, cell)), X64_64);
    x64_rm(b, 0xff, 4, x64_at(RAX, (i32)offsetof(gbx_cell, general)), X64_32);
    x64_bind_short(b, slow);
    x64_u8(b, 0xe9);
    codegen_reloc const reloc = {b->len, c->env->stubs[CODEGEN_STUB_FUNC]};
    x64_u32(b, 0);
    (void)x64_push_item(c, &c->s->relocs, &reloc, sizeof reloc);
}

void
gbx_x64_slow_call(x64_ctx *c, const x64_cold *cold)
{
    call_rel32(c, c->env->stubs[cold->variant ? CODEGEN_STUB_FUNC_FRESH : CODEGEN_STUB_FUNC]);
    x64_jmp_back(c->b, cold->back);
}

/* Find out which trap it is. */
void
gbx_x64_slow_closed(x64_ctx *c, const x64_cold *cold)
{
    x64_val idx = {.kind = VAL_CONST};
    call_find(c, &idx, RDX, cold->type_idx, c->env->closed_table);
    gbx_x64_slow_call(c, cold);
}

static void
call_bulk(x64_ctx *c, u32 sub, u32 first, u32 second)
{
    x64_buf *const b = c->b;
    x64_mov_imm(b, RDX, sub);
    x64_mov_imm(b, RCX, first);
    x64_mov_imm(b, R8, second);
    x64_load(b, RAX, x64_at(X64_EXEC, (i32)offsetof(gbx_exec, tier)), X64_64);
    x64_load(b, RAX, x64_at(RAX, (i32)offsetof(gbx_tier, bulk)), X64_64);
    call_rel32(c, c->env->stubs[CODEGEN_STUB_LIBCALL]);
    gbx_x64_fuel_reload(c);
    x64_test(b, RAX, RAX, X64_32);
}

/* RULE: S6. C gives a trap code; it never unwinds over us. Operands and result stand in the outgoing area. */
void
gbx_x64_libcall(x64_ctx *c, u32 sub, u32 first, u32 second, u32 takes, u32 gives)
{
    static const wasm_valtype values[3] = {WASM_I64, WASM_I64, WASM_I64};
    wasm_functype const t = {.param_count = takes,
                             .result_count = max_u32(gives, 1),
                             .params = values,
                             .results = values};
    x64_buf *const b = c->b;
    call_prepare(c, &t, false);
    gbx_x64_spend(c);
    x64_lea(b, RSI, x64_at(RSP, 0), X64_64);
    call_bulk(c, sub, first, second);
    gbx_x64_trap_if(c, CC_NE, GBX_FAULT_GIVEN);
    if (gives) x64_load(b, RAX, x64_at(RSP, 0), X64_64);
    call_results(c, &(wasm_functype){.result_count = gives, .results = values});
    if (gives) c->stack[c->height - 1].is_64 = false;
}

/* memory.copy and memory.fill: most are short, and nothing but three temporaries is touched then. */
bool
gbx_x64_bulk(x64_ctx *c, u32 sub)
{
    if ((sub != OP_FC_MEMORY_COPY && sub != OP_FC_MEMORY_FILL) ||
        !(c->env->tune & CODEGEN_TUNE_BIT(BULK)))
        return false;
    for (u32 i = 3; i-- > 0;) {
        x64_val v = *x64_pop(c);
        v.is_64 = false;
        gbx_x64_to_slot(
                c, &v, x64_at(X64_EXEC, call_native(offsetof(gbx_native, bulk) + i * sizeof(u64))));
    }
    bool const is_free = gbx_x64_claim(c, RAX) && gbx_x64_claim(c, RCX) && gbx_x64_claim(c, RDX);
    GBX_ASSERT(is_free); /* the instruction holds none */
    gbx_x64_forget_all(c);
    gbx_x64_spend(c);
    call_rel32(c, c->env->stubs[sub == OP_FC_MEMORY_COPY ? CODEGEN_STUB_COPY : CODEGEN_STUB_FILL]);
    x64_test(c->b, RAX, RAX, X64_32);
    u32 const at = x64_jcc(c->b, CC_NE);
    gbx_x64_release(c, RAX);
    gbx_x64_release(c, RCX);
    gbx_x64_release(c, RDX);
    x64_cold cold = {.at = at,
                     .kind = X64_SLOW_BULK,
                     .wasm_offset = c->wasm_offset,
                     .back = c->b->len,
                     .variant = (u8)sub,
                     .gprs = c->temps & ~c->free,
                     .xmms = c->xtemps & ~c->xfree};
    for (u64 left = c->assigned; left; left &= left - 1) {
        const x64_local *const l = &c->locals[c->f.locals[__builtin_ctzll(left)].idx];
        if (l->is_float)
            cold.xmms |= 1u << l->reg;
        else
            cold.gprs |= 1u << l->reg;
    }
    gbx_x64_cold(c, cold);
    return true;
}

/* Registers that C may change, from or to gbx_native.saved. */
static void
call_keep(x64_ctx *c, const x64_cold *cold, bool is_back)
{
    u32 const changed = 1u << RSI | 1u << RDI | 1u << R8 | 1u << R9 | 1u << R10 | 1u << R11;
    for (u32 left = cold->gprs & changed; left; left &= left - 1) {
        u32 const reg = (u32)__builtin_ctz(left);
        x64_mem const m =
                x64_at(X64_EXEC, call_native(offsetof(gbx_native, saved) + reg * sizeof(u64)));
        x64_rm(c->b, is_back ? 0x8b : 0x89, reg, m, X64_64);
    }
    for (u32 left = cold->xmms; left; left &= left - 1) {
        u32 const reg = (u32)__builtin_ctz(left);
        x64_mem const m = x64_at(
                X64_EXEC, call_native(offsetof(gbx_native, saved) + (16 + reg) * sizeof(u64)));
        if (is_back)
            x64_sse_m(c->b, 0xf3, 0x7e, reg, m);
        else
            x64_rm(c->b, X64_F(0x66, 0xd6), reg, m, X64_32);
    }
}

void
gbx_x64_slow_bulk(x64_ctx *c, const x64_cold *cold)
{
    call_keep(c, cold, false);
    x64_lea(c->b, RSI, x64_at(X64_EXEC, call_native(offsetof(gbx_native, bulk))), X64_64);
    call_bulk(c, cold->variant, 0, 0);
    u32 const done = x64_jcc(c->b, CC_E);
    x64_store(c->b, x64_at(X64_EXEC, call_native(offsetof(gbx_native, trap))), RAX, X64_32);
    gbx_x64_trap(c, GBX_FAULT_GIVEN);
    x64_patch(c->b, done, c->b->len);
    x64_room(c->b);
    call_keep(c, cold, true);
    x64_jmp_back(c->b, cold->back);
}

void
gbx_x64_ref_func(x64_ctx *c, u32 idx)
{
    u32 const t = gbx_x64_take(c);
    x64_load(c->b, t, x64_at(X64_EXEC, call_native(offsetof(gbx_native, inst))), X64_64);
    x64_load(c->b, t, x64_at(t, (i32)offsetof(gbx_instance, funcs)), X64_64);
    x64_load(c->b, t, x64_at(t, (i32)(idx * sizeof(gbx_func *))), X64_64);
    x64_push_reg(c, t, X64_NO_LOCAL, true);
}
