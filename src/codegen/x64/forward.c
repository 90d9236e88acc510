/* What registers hold of memory, so that it is not loaded again. See emit.h.
 *
 * RULE: S12. A register is known to hold what a load of [base + offset] would give, base being a local or a
 * pinned global that has not been written since, because that very load put it there, or a store of the same
 * width put it into memory. It is forgotten when
 *   - the register is written: whoever may write to one has it from gbx_x64_take, gbx_x64_claim,
 *     gbx_x64_own or gbx_x64_hint, which forget;
 *   - the base is written (gbx_x64_local_written);
 *   - something is stored elsewhere, or to the same base where the ranges overlap;
 *   - anything else may write to memory: calls, bulk operations, memory.grow;
 *   - a block begins that more than one edge leads to: falling into a block that nothing else leads to
 *     changes nothing.
 * Stores are never left out. A load that is left out cannot trap: the same bytes were accessed before, and
 * memories do not shrink.
 *
 * Go spells [SP + k] as wrap(extend(SP) + k) as well. That is the same place where an access at [SP + j] has
 * been performed, j >= k, of the same SP: SP + j was inside a memory of at most 2^32 bytes. */
#include "codegen/x64/emit.h"

void
gbx_x64_forget_all(x64_ctx *c)
{
    c->memos = 0;
    for (u32 i = 0; i < CODEGEN_PINS; i++) c->proven[i] = 0;
}

void
gbx_x64_forget_base(x64_ctx *c, u32 local)
{
    for (u32 left = c->memos; left; left &= left - 1) {
        u32 const reg = (u32)__builtin_ctz(left);
        if (c->memo[reg].base == local) x64_forget(c, reg);
    }
    if (local >= c->local_count) c->proven[local - c->local_count] = 0;
}

void
gbx_x64_accessed(x64_ctx *c, u32 local, u64 offset, u32 bytes)
{
    if (local == X64_NO_LOCAL || local < c->local_count) return;
    u64 *const proven = &c->proven[local - c->local_count];
    *proven = max_u64(*proven, offset + bytes);
}

/* ORDER: opcodes from i32.load on; 0: no integer */
static const u8 forward_bytes[] = {4, 8, 0, 0, 1, 1, 2, 2, 1, 1, 2, 2, 4, 4};

void
gbx_x64_stored(x64_ctx *c, u32 local, u64 offset, u32 bytes)
{
    for (u32 left = c->memos; left; left &= left - 1) {
        u32 const reg = (u32)__builtin_ctz(left);
        const x64_memo *const m = &c->memo[reg];
        if (m->op == OP_I64_EXTEND_I32_U) continue;
        u64 const end = m->offset + (u64)forward_bytes[m->op - OP_I32_LOAD];
        bool const is_apart = m->base == local && (end <= offset || offset + bytes <= m->offset);
        if (!is_apart) x64_forget(c, reg);
    }
}

void
gbx_x64_remember(x64_ctx *c, u32 reg, u32 local, u64 offset, u8 op, bool narrow)
{
    if (local == X64_NO_LOCAL || !(c->env->tune & CODEGEN_TUNE_BIT(FORWARD))) return;
    if (c->reg_locals[reg] == local) return; /* the base itself */
    c->memo[reg] = (x64_memo){local, (u32)offset, c->memo_age++, op, narrow};
    c->memos |= 1u << reg;
}

/* The one of these registers that is known to hold that, which is fresh again; X64_NO_REG: none. */
static u32
forward_find(x64_ctx *c, u32 regs, u32 local, u64 offset, u8 op)
{
    for (u32 left = regs; left; left &= left - 1) {
        u32 const reg = (u32)__builtin_ctz(left);
        x64_memo *const m = &c->memo[reg];
        if (m->base != local || m->offset != offset || m->op != op) continue;
        m->age = c->memo_age++;
        return reg;
    }
    return X64_NO_REG;
}

bool
gbx_x64_forward(x64_ctx *c, u32 local, u64 offset, u8 op)
{
    if (local == X64_NO_LOCAL) return false;
    u32 const reg = forward_find(c, c->memos, local, offset, op);
    if (reg == X64_NO_REG) return false;
    bool const is_64 = op == OP_I64_LOAD || op >= OP_I64_LOAD8_S, narrow = c->memo[reg].narrow;
    if (c->reg_locals[reg] != X64_NO_LOCAL) {
        x64_push_local(c, c->reg_locals[reg], is_64, narrow);
        return true;
    }
    u32 at = reg;
    if (c->free >> reg & 1) {
        c->free &= ~(1u << reg);
    } else { /* an operand is in it */
        if (!c->free) return false;
        at = gbx_x64_take(c);
        x64_mov(c->b, at, reg, X64_64);
    }
    x64_push_reg(c, at, X64_NO_LOCAL, is_64);
    c->stack[c->height - 1].narrow = narrow;
    return true;
}

/* The low half of a local, as an address: moved to a register once. */
static bool
forward_low_half(x64_ctx *c, x64_val *v)
{
    u32 const reg = forward_find(c, c->memos & c->free, v->local, 0, OP_I64_EXTEND_I32_U);
    if (reg == X64_NO_REG) return false;
    c->free &= ~(1u << reg);
    *v = (x64_val){.kind = VAL_REG,
                   .reg = (u8)reg,
                   .index = X64_NO_REG,
                   .local = X64_NO_LOCAL,
                   .index_local = X64_NO_LOCAL};
    return true;
}

u32
gbx_x64_low_half(x64_ctx *c, x64_val *v)
{
    u32 const local = v->local;
    if (forward_low_half(c, v)) return v->reg;
    u32 const reg = gbx_x64_own(c, v, X64_NO_REG);
    gbx_x64_remember(c, reg, local, 0, OP_I64_EXTEND_I32_U, false);
    return reg;
}

bool
gbx_x64_is_proven(const x64_ctx *c, u32 local, i32 disp)
{
    return local != X64_NO_LOCAL && local >= c->local_count && disp >= 0 &&
           (u64)disp < c->proven[local - c->local_count];
}

u32
gbx_x64_stalest(const x64_ctx *c, u32 regs)
{
    u32 best = (u32)__builtin_ctz(regs);
    for (u32 left = regs; left; left &= left - 1) {
        u32 const reg = (u32)__builtin_ctz(left);
        if (!(c->memos >> reg & 1)) return reg;
        if (c->memo[reg].age < c->memo[best].age) best = reg;
    }
    return best;
}
