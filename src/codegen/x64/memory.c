/* Loads and stores, globals, tables. See emit.h.
 *
 * RULE: S3. The address of an access is a register with a zero upper half, an index to the memory's base,
 * plus an offset that fits in 31 bits: whatever the guest computes lies in the reservation of the memory,
 * and what is not accessible there faults. Larger offsets, and memories without guards, are compared. */
#include "codegen/x64/emit.h"

#define MEMORY_FOLDED_MOST 0x7fff0000u

static i32
memory_exec_field(size_t offset)
{
    return (i32)(offsetof(gbx_exec, native) + offset);
}

/* t = the gbx_memory of index idx */
static void
memory_find(x64_ctx *c, u32 t, u32 idx)
{
    x64_buf *const b = c->b;
    if (idx == 0) {
        x64_load(b, t, x64_at(X64_EXEC, memory_exec_field(offsetof(gbx_native, memory))), X64_64);
        return;
    }
    x64_load(b, t, x64_at(X64_EXEC, memory_exec_field(offsetof(gbx_native, inst))), X64_64);
    x64_load(b, t, x64_at(t, (i32)offsetof(gbx_instance, memories)), X64_64);
    x64_load(b, t, x64_at(t, (i32)(idx * sizeof(gbx_memory *))), X64_64);
}

/* Compare: the sum stays below 2^33 + 16, the length at most 2^32. */
static x64_mem
memory_checked(x64_ctx *c, x64_val *addr, u64 offset, u32 bytes, u32 idx)
{
    x64_buf *const b = c->b;
    u32 const at = gbx_x64_own(c, addr, X64_NO_REG);
    u32 const t = gbx_x64_take(c);
    x64_mov_imm(b, t, offset + bytes);
    x64_alu_rr(b, ALU_ADD, at, t, X64_64);
    memory_find(c, t, idx);
    x64_alu_rm(b, ALU_CMP, at, x64_at(t, (i32)offsetof(gbx_memory, bytes)), X64_64);
    gbx_x64_trap_if(c, CC_A, GBX_TRAP_MEM_OOB);
    if (idx) {
        x64_load(b, t, x64_at(t, (i32)offsetof(gbx_memory, base)), X64_64);
        x64_alu_rr(b, ALU_ADD, at, t, X64_64);
        gbx_x64_release(c, t);
        return x64_at(at, -(i32)bytes);
    }
    gbx_x64_release(c, t);
    return (x64_mem){X64_MEMORY, (u8)at, 0, -(i32)bytes};
}

/* Where the access is; addr holds its registers until it is emitted. */
static x64_mem
memory_address(x64_ctx *c, x64_val *addr, u64 offset, u32 bytes, u32 idx)
{
    addr->is_64 = false;
    if (idx || !c->env->is_guarded || offset > MEMORY_FOLDED_MOST)
        return memory_checked(c, addr, offset, bytes, idx);
    if (addr->kind == VAL_CONST && addr->bits + offset <= MEMORY_FOLDED_MOST)
        return x64_at(X64_MEMORY, (i32)(addr->bits + offset));
    u32 const at = gbx_x64_gpr(c, addr, false);
    return (x64_mem){X64_MEMORY, (u8)at, 0, (i32)offset};
}

/* The local that the address is, its constant part gone over to the offset. X64_NO_LOCAL: it is anything
 * else. RULE: S12. */
static u32
memory_base(const x64_ctx *c, x64_val *addr, u64 *offset, u32 idx)
{
    if (idx || !c->env->is_guarded) return X64_NO_LOCAL;
    if (addr->kind == VAL_LEA && addr->index == X64_NO_REG && gbx_x64_is_proven(c, addr->local, addr->disp) &&
        *offset + (u32)addr->disp <= MEMORY_FOLDED_MOST) {
        *offset += (u32)addr->disp;
        *addr = (x64_val){.kind = VAL_LOCAL,
                          .narrow = c->locals[addr->local].is_64,
                          .local = addr->local,
                          .index_local = X64_NO_LOCAL};
    }
    bool const is_local = addr->kind == VAL_LOCAL && !c->locals[addr->local].is_float;
    return is_local && *offset <= MEMORY_FOLDED_MOST ? addr->local : X64_NO_LOCAL;
}

/* The immediates of an access: offset, and the memory's index. */
static u64
memory_arg(x64_ctx *c, u32 *idx)
{
    u32 const flags = x64_read_u32(c);
    *idx = flags & OP_MEMARG_HAS_MEMORY ? x64_read_u32(c) : 0;
    return x64_read_u32(c);
}

typedef struct memory_row {
    u32 op; /* of x86 */
    u8 bytes, flags;
    bool is_64, is_float;
} memory_row;

/* ORDER: opcodes from i32.load on */
static const memory_row memory_loads[] = {
        {0x8b, 4, X64_32, false, false},
        {0x8b, 8, X64_64, true, false},
        {X64_F(0xf3, 0x10), 4, 0, false, true},
        {X64_F(0xf2, 0x10), 8, 0, true, true},
        {X64_F(0, 0xbe), 1, X64_32, false, false},
        {X64_F(0, 0xb6), 1, X64_32, false, false},
        {X64_F(0, 0xbf), 2, X64_32, false, false},
        {X64_F(0, 0xb7), 2, X64_32, false, false},
        {X64_F(0, 0xbe), 1, X64_64, true, false},
        {X64_F(0, 0xb6), 1, X64_32, true, false},
        {X64_F(0, 0xbf), 2, X64_64, true, false},
        {X64_F(0, 0xb7), 2, X64_32, true, false},
        {0x63, 4, X64_64, true, false},
        {0x8b, 4, X64_32, true, false},
};

/* The next instruction takes the loaded value as its second operand, or as its first beside a constant, and
 * has a form that reads memory. RULE: S11: nothing comes between. */
static bool
memory_is_operand(const x64_ctx *c, u8 load)
{
    if (c->pc >= c->end || !(c->env->tune & CODEGEN_TUNE_BIT(LOADOP))) return false;
    u8 next = c->unfuse[*c->pc];
    switch (load) {
    case OP_F32_LOAD: return next >= OP_F32_ADD && next <= OP_F32_DIV;
    case OP_F64_LOAD: return next >= OP_F64_ADD && next <= OP_F64_DIV;
    case OP_I32_LOAD:
        if (next == OP_I32_CONST) {
            next = c->unfuse[c->pc[gbx_wasm_insn_len(c->m, c->pc)]];
            return next >= OP_I32_EQ && next <= OP_I32_GE_U;
        }
        return next == OP_BR_IF || next == OP_IF || (next >= OP_I32_EQZ && next <= OP_I32_GE_U) ||
               (next >= OP_I32_ADD && next <= OP_I32_MUL) ||
               (next >= OP_I32_AND && next <= OP_I32_XOR);
    case OP_I64_LOAD:
        if (next == OP_I64_CONST) {
            next = c->unfuse[c->pc[gbx_wasm_insn_len(c->m, c->pc)]];
            return next >= OP_I64_EQ && next <= OP_I64_GE_U;
        }
        return (next >= OP_I64_EQZ && next <= OP_I64_GE_U) ||
               (next >= OP_I64_ADD && next <= OP_I64_MUL) ||
               (next >= OP_I64_AND && next <= OP_I64_XOR);
    default: return false;
    }
}

void
gbx_x64_load(x64_ctx *c, u8 op)
{
    const memory_row *const row = &memory_loads[op - OP_I32_LOAD];
    u32 idx, local;
    u64 offset = memory_arg(c, &idx);
    x64_val *const addr = x64_pop(c);
    u32 const base = memory_base(c, addr, &offset, idx);
    if (gbx_x64_forward(c, base, offset, op)) return;
    x64_mem const m = memory_address(c, addr, offset, row->bytes, idx);
    if (m.base == X64_MEMORY && memory_is_operand(c, op)) {
        u32 const index_local = addr->kind == VAL_LOCAL ? addr->local : X64_NO_LOCAL;
        *x64_push(c) = (x64_val){.kind = VAL_MEM,
                                 .is_64 = row->is_64,
                                 .reg = m.base,
                                 .index = m.index,
                                 .disp = m.disp,
                                 .bits = c->wasm_offset | (u64)(u32)(c->spent + c->paid) << 32,
                                 .local = X64_NO_LOCAL,
                                 .index_local = index_local};
        return;
    }
    u32 dst = x64_hint(c, row->is_float, &local);
    gbx_x64_drop(c, addr);
    if (dst == X64_NO_REG) dst = row->is_float ? gbx_x64_xtake(c) : gbx_x64_take(c);
    x64_row(c, GBX_TRAP_MEM_OOB);
    x64_rm(c->b, row->op, dst, m, row->flags);
    gbx_x64_accessed(c, base, offset, row->bytes);
    if (row->is_float) {
        x64_push_xmm(c, dst, local, row->is_64);
    } else {
        x64_push_reg(c, dst, local, row->is_64);
        gbx_x64_remember(c, dst, base, offset, op, false);
    }
}

/* ORDER: opcodes from i32.store on */
static const memory_row memory_stores[] = {
        {0x89, 4, X64_32, false, false},        {0x89, 8, X64_64, true, false},
        {X64_F(0xf3, 0x11), 4, 0, false, true}, {X64_F(0xf2, 0x11), 8, 0, true, true},
        {0x88, 1, X64_8, false, false},         {0x89, 2, X64_16, false, false},
        {0x88, 1, X64_8, true, false},          {0x89, 2, X64_16, true, false},
        {0x89, 4, X64_32, true, false},
};

static void
memory_store_const(x64_ctx *c, const memory_row *row, x64_mem m, u64 bits)
{
    x64_row(c, GBX_TRAP_MEM_OOB);
    x64_rm(c->b, row->bytes == 1 ? 0xc6 : 0xc7, 0, m, row->flags & (X64_64 | X64_16));
    if (row->bytes == 1) {
        x64_u8(c->b, (u32)bits & 0xff);
    } else if (row->bytes == 2) {
        x64_u8(c->b, (u32)bits & 0xff);
        x64_u8(c->b, (u32)bits >> 8 & 0xff);
    } else {
        x64_u32(c->b, (u32)bits);
    }
}

void
gbx_x64_store(x64_ctx *c, u8 op)
{
    const memory_row *const row = &memory_stores[op - OP_I32_STORE];
    u32 idx;
    u64 offset = memory_arg(c, &idx);
    x64_val *const v = x64_pop(c), *const addr = x64_pop(c);
    u32 const base = memory_base(c, addr, &offset, idx);
    v->is_64 = row->is_64;
    bool const is_imm = v->kind == VAL_CONST && !row->is_float &&
                        (row->bytes < 8 || (i64)v->bits == (i32)v->bits);
    u32 reg = 0;
    if (!is_imm) reg = row->is_float ? gbx_x64_xmm(c, v) : gbx_x64_gpr(c, v, true);
    x64_mem const m = memory_address(c, addr, offset, row->bytes, idx);
    if (is_imm) {
        memory_store_const(c, row, m, v->bits);
    } else {
        x64_row(c, GBX_TRAP_MEM_OOB);
        x64_rm(c->b, row->op, reg, m, row->flags);
    }
    gbx_x64_accessed(c, base, offset, row->bytes);
    gbx_x64_stored(c, base, offset, row->bytes);
    if (!is_imm && op == OP_I64_STORE) gbx_x64_remember(c, reg, base, offset, OP_I64_LOAD, false);
    if (!is_imm && op == OP_I32_STORE) {
        bool const narrow = v->narrow || (v->kind == VAL_LOCAL && c->locals[v->local].is_64);
        gbx_x64_remember(c, reg, base, offset, OP_I32_LOAD, narrow);
    }
    gbx_x64_drop(c, v);
    gbx_x64_drop(c, addr);
}

void
gbx_x64_memory_size(x64_ctx *c, u32 idx)
{
    u32 const t = gbx_x64_take(c);
    memory_find(c, t, idx);
    x64_load(c->b, t, x64_at(t, (i32)offsetof(gbx_memory, bytes)), X64_64);
    x64_shift_imm(c->b, SHIFT_SHR, t, 16, X64_64);
    x64_push_reg(c, t, X64_NO_LOCAL, false);
}

/* ---- Globals */

static void
memory_global(x64_ctx *c, u32 t, u32 idx)
{
    x64_load(c->b, t, x64_at(X64_EXEC, memory_exec_field(offsetof(gbx_native, globals))), X64_64);
    x64_load(c->b, t, x64_at(t, (i32)(idx * sizeof(gbx_global *))), X64_64);
}

void
gbx_x64_global_get(x64_ctx *c, u32 idx)
{
    u32 const pinned = gbx_x64_pinned(c, idx);
    if (pinned != X64_NO_LOCAL) {
        gbx_x64_local_get(c, pinned);
        return;
    }
    u8 const type = c->m->globals[idx].type.type;
    u32 const t = gbx_x64_take(c);
    memory_global(c, t, idx);
    x64_load(c->b, t, x64_at(t, (i32)offsetof(gbx_global, value)), X64_64);
    x64_push_reg(c, t, X64_NO_LOCAL, type != WASM_I32 && type != WASM_F32);
}

void
gbx_x64_global_set(x64_ctx *c, u32 idx)
{
    u32 const pinned = gbx_x64_pinned(c, idx);
    if (pinned != X64_NO_LOCAL) {
        gbx_x64_local_set(c, pinned, false);
        return;
    }
    x64_val v = *x64_pop(c);
    u32 const t = gbx_x64_take(c);
    memory_global(c, t, idx);
    gbx_x64_to_slot(c, &v, x64_at(t, (i32)offsetof(gbx_global, value)));
    gbx_x64_release(c, t);
}

/* ---- Tables */

/* Compares `at` with the length of the table; returns a register with its elements. */
static u32
memory_table(x64_ctx *c, u32 idx, u32 at)
{
    u32 const t = gbx_x64_take(c);
    x64_load(c->b, t, x64_at(X64_EXEC, memory_exec_field(offsetof(gbx_native, inst))), X64_64);
    x64_load(c->b, t, x64_at(t, (i32)offsetof(gbx_instance, tables)), X64_64);
    x64_load(c->b, t, x64_at(t, (i32)(idx * sizeof(gbx_table *))), X64_64);
    x64_alu_rm(c->b, ALU_CMP, at, x64_at(t, (i32)offsetof(gbx_table, len)), X64_64);
    gbx_x64_trap_if(c, CC_AE, GBX_TRAP_TABLE_OOB);
    x64_load(c->b, t, x64_at(t, (i32)offsetof(gbx_table, elems)), X64_64);
    return t;
}

void
gbx_x64_table_get(x64_ctx *c, u32 idx)
{
    x64_val v = *x64_pop(c);
    v.is_64 = false;
    u32 const at = gbx_x64_gpr(c, &v, false), t = memory_table(c, idx, at);
    x64_load(c->b, t, (x64_mem){(u8)t, (u8)at, 3, 0}, X64_64);
    gbx_x64_drop(c, &v);
    x64_push_reg(c, t, X64_NO_LOCAL, true);
}

void
gbx_x64_table_set(x64_ctx *c, u32 idx)
{
    x64_val v = *x64_pop(c), place = *x64_pop(c);
    place.is_64 = false;
    u32 const value = gbx_x64_gpr(c, &v, false), at = gbx_x64_gpr(c, &place, false);
    u32 const t = memory_table(c, idx, at);
    x64_store(c->b, (x64_mem){(u8)t, (u8)at, 3, 0}, value, X64_64);
    gbx_x64_release(c, t);
    gbx_x64_drop(c, &place);
    gbx_x64_drop(c, &v);
}
