/* Integer arithmetic and comparisons. See emit.h. SPEC: core/exec/numerics.html#integer-operations */
#include "codegen/x64/emit.h"

/* Result register of an operation dst = a op b on a's copy: the next instruction's local, unless b is read
 * after dst was written. RULE: S9. Nor a pinned global, where reading b may trap behind a's copy: what is in
 * its register then is the global's value. */
static u32
int_target(x64_ctx *c, const x64_val *a, const x64_val *b, u32 *local)
{
    u32 const hint = x64_hint(c, false, local);
    if (hint == X64_NO_REG) return hint;
    bool const is_b = (b->kind == VAL_LOCAL && b->local == *local) ||
                      (b->kind == VAL_LEA && (b->local == *local || b->index_local == *local)) ||
                      (b->kind == VAL_MEM && b->index_local == *local);
    bool const is_copied = a->kind != VAL_LOCAL || a->local != *local;
    bool const is_early = b->kind == VAL_MEM && *local >= c->local_count && is_copied;
    if (!is_b && !is_early) return hint;
    *local = X64_NO_LOCAL;
    return X64_NO_REG;
}

static void
int_done(x64_ctx *c, u32 dst, u32 local, bool is_64)
{
    x64_push_reg(c, dst, local, is_64);
}

static bool
int_is_imm(const x64_val *v)
{
    return v->kind == VAL_CONST && (v->is_64 ? (i64)v->bits == (i32)v->bits : true);
}

/* Where v stands in memory, to be read by the instruction itself: a load that was left to it, a local or an
 * operand at home. */
static bool
int_in_memory(x64_ctx *c, const x64_val *v, x64_mem *m)
{
    switch (v->kind) {
    case VAL_MEM: *m = gbx_x64_access(c, v); return true;
    case VAL_LOCAL:
        if (c->locals[v->local].reg != X64_NO_REG) return false;
        *m = gbx_x64_local_home(c, v->local);
        return true;
    case VAL_HOME: *m = gbx_x64_place_home(c, (u32)v->disp); return true;
    default: return false;
    }
}

static bool
int_is_in_memory(const x64_ctx *c, const x64_val *v)
{
    return v->kind == VAL_MEM || v->kind == VAL_HOME ||
           (v->kind == VAL_LOCAL && c->locals[v->local].reg == X64_NO_REG);
}

static bool
int_is_local(const x64_ctx *c, const x64_val *v)
{
    return v->kind == VAL_LOCAL && c->locals[v->local].reg != X64_NO_REG;
}

/* ---- Sums that wait: base + index << scale + disp */

/* v becomes a sum. False: it is none that would be of use, and as it was. */
static bool
int_as_lea(x64_ctx *c, x64_val *v)
{
    if (v->kind == VAL_LEA) return true;
    if (v->kind == VAL_CONST || v->kind == VAL_FLAGS) return false;
    if (v->kind == VAL_LOCAL && !c->locals[v->local].is_float)
        v->reg = (u8)gbx_x64_gpr(c, v, true);
    else if (v->kind != VAL_REG || v->local != X64_NO_LOCAL)
        (void)gbx_x64_own(c, v, X64_NO_REG);
    v->kind = VAL_LEA;
    v->narrow = false;
    v->index = X64_NO_REG;
    v->index_local = X64_NO_LOCAL;
    v->scale = 0;
    v->disp = 0;
    return true;
}

/* a + k, where k fits. */
static bool
int_lea_const(x64_ctx *c, x64_val *a, u64 k)
{
    if (a->is_64 && (i64)k != (i32)k) return false;
    if (!int_as_lea(c, a)) return false;
    i64 const disp = (i64)a->disp + (i32)k;
    if (a->is_64 && disp != (i32)disp) return false;
    a->disp = (i32)(u32)disp; /* of an i32: modulo 2^32, as the sum is */
    x64_push_val(c, a);
    return true;
}

/* As a sum it owns a temporary. */
static bool
int_lea_owns(const x64_ctx *c, const x64_val *v)
{
    if (v->kind == VAL_LOCAL) return !int_is_local(c, v) || c->locals[v->local].is_float;
    if (v->kind != VAL_LEA) return true;
    return (v->reg != X64_NO_REG && v->local == X64_NO_LOCAL) ||
           (v->index != X64_NO_REG && v->index_local == X64_NO_LOCAL);
}

static bool
int_lea_sum(x64_ctx *c, x64_val *a, x64_val *b)
{
    if (a->kind == VAL_CONST || b->kind == VAL_CONST || a->kind == VAL_FLAGS ||
        b->kind == VAL_FLAGS)
        return false;
    bool const a_one = a->kind != VAL_LEA || a->index == X64_NO_REG;
    bool const b_one = b->kind != VAL_LEA || b->index == X64_NO_REG;
    bool const a_scaled = a->kind == VAL_LEA && a->reg == X64_NO_REG;
    bool const b_scaled = b->kind == VAL_LEA && b->reg == X64_NO_REG;
    if (!(a_one && b_one) && !(a_one && b_scaled) && !(a_scaled && b_one)) return false;
    /* An operand owns at most one temporary, so that an instruction always finds a free one. */
    if (int_lea_owns(c, a) && int_lea_owns(c, b)) return false;
    if (!int_as_lea(c, a) || !int_as_lea(c, b)) return false;
    i64 const disp = (i64)a->disp + b->disp;
    if (disp != (i32)disp) return false;
    /* x has a base and no index; y is either scaled, or a base that becomes the index */
    x64_val *const x = a->reg == X64_NO_REG ? b : a, *const y = x == a ? b : a;
    bool const is_base = y->reg != X64_NO_REG;
    x->index = is_base ? y->reg : y->index;
    x->index_local = is_base ? y->local : y->index_local;
    x->scale = is_base ? 0 : y->scale;
    x->disp = (i32)disp;
    x64_push_val(c, x);
    return true;
}

static bool
int_lea_shift(x64_ctx *c, x64_val *a, u64 count)
{
    if (count == 0 || count > 3 || a->kind == VAL_LEA) return false;
    if (!int_as_lea(c, a)) return false;
    a->index = a->reg;
    a->index_local = a->local;
    a->reg = X64_NO_REG;
    a->local = X64_NO_LOCAL;
    a->scale = (u8)count;
    x64_push_val(c, a);
    return true;
}

/* ---- Two operands */

static void
int_alu(x64_ctx *c, x64_alu op, x64_val *a, x64_val *b, bool is_64)
{
    u32 const w = is_64 ? X64_64 : X64_32;
    bool const commutes = op != ALU_SUB;
    u32 local;
    bool const b_owned = b->kind == VAL_REG && b->local == X64_NO_LOCAL;
    bool const a_owned = a->kind == VAL_REG && a->local == X64_NO_LOCAL;
    if (commutes && b->kind != VAL_MEM &&
        (a->kind == VAL_CONST || (b_owned && !a_owned && b->kind != VAL_CONST))) {
        x64_val *const t = a;
        a = b;
        b = t;
    }
    u32 dst = int_target(c, a, b, &local);
    if (dst == X64_NO_REG && commutes && b->kind == VAL_LOCAL) { /* x = a op x, perhaps */
        u32 const other = int_target(c, b, a, &local);
        if (other != X64_NO_REG && int_is_local(c, b) && c->locals[b->local].reg == other) {
            x64_val *const t = a;
            a = b;
            b = t;
            dst = other;
        } else {
            local = X64_NO_LOCAL;
        }
    }
    u32 rb = X64_NO_REG;
    if (!int_is_imm(b) && !int_is_in_memory(c, b)) rb = gbx_x64_gpr(c, b, true);
    dst = gbx_x64_own(c, a, dst);
    x64_mem m;
    if (int_in_memory(c, b, &m))
        x64_alu_rm(c->b, op, dst, m, w);
    else if (rb == X64_NO_REG)
        x64_alu_imm(c->b, op, dst, (i32)b->bits, w);
    else
        x64_alu_rr(c->b, op, dst, rb, w);
    gbx_x64_drop(c, b);
    int_done(c, dst, local, is_64);
}

static void
int_mul(x64_ctx *c, x64_val *a, x64_val *b, bool is_64)
{
    u32 const w = is_64 ? X64_64 : X64_32;
    u32 local;
    if (a->kind == VAL_CONST && b->kind != VAL_MEM) {
        x64_val *const t = a;
        a = b;
        b = t;
    }
    if (int_is_imm(b)) {
        u32 const ra = gbx_x64_gpr(c, a, true);
        u32 dst = x64_hint(c, false, &local);
        gbx_x64_drop(c, a);
        if (dst == X64_NO_REG) dst = gbx_x64_take(c);
        x64_rr(c->b, 0x69, dst, ra, w);
        x64_u32(c->b, (u32)b->bits);
        int_done(c, dst, local, is_64);
        return;
    }
    u32 dst = int_target(c, a, b, &local);
    u32 const rb = int_is_in_memory(c, b) ? 0 : gbx_x64_gpr(c, b, true);
    dst = gbx_x64_own(c, a, dst);
    x64_mem m;
    if (int_in_memory(c, b, &m))
        x64_rm(c->b, X64_F(0, 0xaf), dst, m, w);
    else
        x64_rr(c->b, X64_F(0, 0xaf), dst, rb, w);
    gbx_x64_drop(c, b);
    int_done(c, dst, local, is_64);
}

/* ---- Shifts */

static void
int_shift_const(x64_ctx *c, x64_shift op, x64_val *a, u32 count, bool is_64)
{
    u32 local;
    u32 dst = x64_hint(c, false, &local);
    dst = gbx_x64_own(c, a, dst);
    if (count) x64_shift_imm(c->b, op, dst, count, is_64 ? X64_64 : X64_32);
    int_done(c, dst, local, is_64);
}

static void
int_shift(x64_ctx *c, x64_shift op, x64_val *a, x64_val *b, bool is_64)
{
    u32 const w = is_64 ? X64_64 : X64_32;
    u32 local;
    if (b->kind == VAL_CONST) {
        u32 const count = (u32)b->bits & (is_64 ? 63 : 31);
        if (op == SHIFT_SHL && c->env->tune & CODEGEN_TUNE_BIT(LEA) && int_lea_shift(c, a, count))
            return;
        int_shift_const(c, op, a, count, is_64);
        return;
    }
    if (c->env->cpu & X64_CPU_BMI2 && op >= SHIFT_SHL) {
        u32 const rb = gbx_x64_gpr(c, b, true), ra = gbx_x64_gpr(c, a, true);
        u32 dst = x64_hint(c, false, &local);
        gbx_x64_drop(c, a);
        gbx_x64_drop(c, b);
        if (dst == X64_NO_REG) dst = gbx_x64_take(c);
        x64_shift_x(c->b, op, dst, ra, rb, w);
        int_done(c, dst, local, is_64);
        return;
    }
    /* The count goes to cl: what is there, goes elsewhere. */
    if (a->kind == VAL_REG && a->reg == RCX) {
        u32 const t = gbx_x64_take(c);
        x64_mov(c->b, t, RCX, X64_64);
        gbx_x64_drop(c, a);
        a->reg = (u8)t;
    } else if (a->kind == VAL_LEA) {
        (void)gbx_x64_own(c, a, X64_NO_REG);
        if (a->reg == RCX) {
            u32 const t = gbx_x64_take(c);
            x64_mov(c->b, t, RCX, X64_64);
            gbx_x64_release(c, RCX);
            a->reg = (u8)t;
        }
    }
    bool const is_there = b->kind == VAL_REG && b->reg == RCX;
    if (!is_there) {
        bool const is_free = gbx_x64_claim(c, RCX);
        GBX_ASSERT(is_free || b->kind == VAL_LEA);
        if (is_free)
            (void)gbx_x64_own(c, b, RCX);
        else { /* part of the sum that is the count */
            (void)gbx_x64_own(c, b, X64_NO_REG);
            if (b->reg != RCX) {
                (void)gbx_x64_claim(c, RCX);
                x64_mov(c->b, RCX, b->reg, X64_32);
                gbx_x64_drop(c, b);
            }
        }
    }
    u32 dst = x64_hint(c, false, &local);
    dst = gbx_x64_own(c, a, dst);
    x64_shift_cl(c->b, op, dst, w);
    gbx_x64_release(c, RCX);
    int_done(c, dst, local, is_64);
}

/* ---- Division. The dividend is in rax, its upper part in rdx; quotient and remainder come there. */

/* a in rax, rdx taken, b in neither. */
static void
int_division_operands(x64_ctx *c, x64_val *a, x64_val *b)
{
    if (a->kind == VAL_LEA) (void)gbx_x64_own(c, a, X64_NO_REG);
    u32 const rb = gbx_x64_gpr(c, b, false);
    if (rb == RAX || rb == RDX) {
        if (a->kind == VAL_REG && a->reg == RCX) {
            x64_rr(c->b, 0x87, RCX, rb, X64_64); /* xchg */
            x64_forget(c, RCX);
            x64_forget(c, rb);
            a->reg = (u8)rb;
        } else {
            bool const is_free = gbx_x64_claim(c, RCX);
            GBX_ASSERT(is_free); /* neither operand has it */
            x64_mov(c->b, RCX, rb, X64_64);
            gbx_x64_release(c, rb);
        }
        b->reg = RCX;
    }
    bool const has_rax = a->kind == VAL_REG && a->reg == RAX;
    bool const has_rdx = a->kind == VAL_REG && a->reg == RDX;
    bool const got_rax = has_rax || gbx_x64_claim(c, RAX);
    bool const got_rdx = has_rdx || gbx_x64_claim(c, RDX);
    GBX_ASSERT(got_rax && got_rdx);
    if (has_rax) return;
    (void)gbx_x64_own(c, a, RAX);
    c->free &= ~(1u << RAX | 1u << RDX);
}

/* Unsigned, by a power of two. */
static bool
int_div_power(x64_ctx *c, x64_val *a, x64_val *b, bool is_rem, bool is_64)
{
    u64 const k = b->bits;
    if (b->kind != VAL_CONST || k == 0 || k & (k - 1)) return false;
    if (!is_rem) {
        int_shift_const(c, SHIFT_SHR, a, (u32)__builtin_ctzll(k), is_64);
        return true;
    }
    b->bits = k - 1;
    int_alu(c, ALU_AND, a, b, is_64);
    return true;
}

static void
int_div(x64_ctx *c, x64_val *a, x64_val *b, bool is_signed, bool is_rem, bool is_64)
{
    x64_buf *const buf = c->b;
    u32 const w = is_64 ? X64_64 : X64_32;
    bool const by_zero = b->kind != VAL_CONST || b->bits == 0;
    u64 const minus_one = is_64 ? ~0ull : 0xffffffffu;
    bool const may_overflow = is_signed && (b->kind != VAL_CONST || b->bits == minus_one);
    if (!is_signed && int_div_power(c, a, b, is_rem, is_64)) return;
    int_division_operands(c, a, b);
    x64_forget(c, RAX);
    x64_forget(c, RDX);
    u32 const rb = gbx_x64_gpr(c, b, false);
    u32 skip = 0;
    if (by_zero) {
        x64_test(buf, rb, rb, w);
        gbx_x64_trap_if(c, CC_E, GBX_TRAP_INT_DIV_ZERO);
    }
    if (may_overflow) {
        x64_alu_imm(buf, ALU_CMP, rb, -1, w);
        u32 const other = x64_jcc_short(buf, CC_NE);
        if (is_rem) { /* 0 */
            x64_zero(buf, RDX);
            skip = x64_jmp_short(buf);
        } else { /* 0 - least overflows, and nothing else does */
            u32 const t = RDX;
            x64_mov(buf, t, RAX, w);
            x64_rr(buf, 0xf7, 3, t, w); /* neg */
            gbx_x64_trap_if(c, CC_O, GBX_TRAP_INT_OVERFLOW);
        }
        x64_bind_short(buf, other);
    }
    if (is_signed) {
        if (is_64) x64_u8(buf, 0x48);
        x64_u8(buf, 0x99); /* cdq, cqo */
    } else {
        x64_zero(buf, RDX);
    }
    x64_rr(buf, 0xf7, is_signed ? 7 : 6, rb, w);
    if (skip) x64_bind_short(buf, skip);
    gbx_x64_drop(c, b);
    u32 const result = is_rem ? RDX : RAX;
    gbx_x64_release(c, is_rem ? RAX : RDX);
    int_done(c, result, X64_NO_LOCAL, is_64);
}

/* a & 0xffffffff: a move of 32 bits zeroes the upper half. */
static void
int_low_half(x64_ctx *c, x64_val *a)
{
    if (a->kind != VAL_LOCAL && a->kind != VAL_LEA) (void)gbx_x64_own(c, a, X64_NO_REG);
    a->is_64 = false;
    a->narrow = a->kind != VAL_LEA;
    u32 local, dst = x64_hint(c, false, &local);
    int_done(c, gbx_x64_own(c, a, dst), local, true);
}

void
gbx_x64_int_binary(x64_ctx *c, u8 op)
{
    bool const is_64 = op >= OP_I64_CLZ;
    u8 const o = is_64 ? op : (u8)(op + (OP_I64_ADD - OP_I32_ADD));
    x64_val *const b = x64_pop(c), *const a = x64_pop(c);
    bool const lea = c->env->tune & CODEGEN_TUNE_BIT(LEA) && b->kind != VAL_MEM;
    a->is_64 = b->is_64 = is_64;
    switch (o) {
    case OP_I64_ADD:
        if (lea && b->kind == VAL_CONST && int_lea_const(c, a, b->bits)) return;
        if (lea && a->kind == VAL_CONST && int_lea_const(c, b, a->bits)) return;
        if (lea && int_lea_sum(c, a, b)) return;
        int_alu(c, ALU_ADD, a, b, is_64);
        return;
    case OP_I64_SUB:
        if (lea && b->kind == VAL_CONST && (i32)b->bits != INT32_MIN &&
            int_lea_const(c, a, is_64 ? 0 - b->bits : (u32)(0 - b->bits)))
            return;
        int_alu(c, ALU_SUB, a, b, is_64);
        return;
    case OP_I64_AND:
        if (b->kind == VAL_CONST && is_64 && b->bits == UINT32_MAX) {
            int_low_half(c, a);
            return;
        }
        int_alu(c, ALU_AND, a, b, is_64);
        return;
    case OP_I64_OR: int_alu(c, ALU_OR, a, b, is_64); return;
    case OP_I64_XOR: int_alu(c, ALU_XOR, a, b, is_64); return;
    case OP_I64_MUL: int_mul(c, a, b, is_64); return;
    case OP_I64_SHL: int_shift(c, SHIFT_SHL, a, b, is_64); return;
    case OP_I64_SHR_S: int_shift(c, SHIFT_SAR, a, b, is_64); return;
    case OP_I64_SHR_U: int_shift(c, SHIFT_SHR, a, b, is_64); return;
    case OP_I64_ROTL: int_shift(c, SHIFT_ROL, a, b, is_64); return;
    case OP_I64_ROTR: int_shift(c, SHIFT_ROR, a, b, is_64); return;
    case OP_I64_DIV_S: int_div(c, a, b, true, false, is_64); return;
    case OP_I64_DIV_U: int_div(c, a, b, false, false, is_64); return;
    case OP_I64_REM_S: int_div(c, a, b, true, true, is_64); return;
    default: int_div(c, a, b, false, true, is_64); return;
    }
}

/* ---- One operand */

/* Without LZCNT and TZCNT: the scan leaves its target alone where the source is 0. */
static void
int_scan(x64_ctx *c, bool is_clz, u32 dst, u32 src, u32 w)
{
    x64_buf *const b = c->b;
    u32 const bits = w == X64_64 ? 64 : 32;
    u32 const t = gbx_x64_take(c);
    x64_mov_imm(b, t, is_clz ? 2 * bits - 1 : bits);
    u32 const found = dst == src ? gbx_x64_take(c) : dst;
    x64_rr(b, X64_F(0, is_clz ? 0xbd : 0xbc), found, src, w);
    x64_cmov(b, CC_E, found, t, w);
    if (is_clz) x64_alu_imm(b, ALU_XOR, found, (i32)bits - 1, w);
    if (found != dst) {
        x64_mov(b, dst, found, w);
        gbx_x64_release(c, found);
    }
    gbx_x64_release(c, t);
}

void
gbx_x64_int_unary(x64_ctx *c, u8 op)
{
    bool const is_64 = op >= OP_I64_CLZ;
    u32 const w = is_64 ? X64_64 : X64_32;
    u8 const o = is_64 ? op : (u8)(op + (OP_I64_CLZ - OP_I32_CLZ));
    x64_val *const a = x64_pop(c);
    a->is_64 = is_64;
    u32 const src = gbx_x64_gpr(c, a, true);
    u32 local, dst = x64_hint(c, false, &local);
    gbx_x64_drop(c, a);
    if (dst == X64_NO_REG) dst = gbx_x64_take(c);
    if (o == OP_I64_POPCNT) {
        x64_rr(c->b, X64_F(0xf3, 0xb8), dst, src, w);
    } else if (c->env->cpu & X64_CPU_LZCNT) {
        x64_rr(c->b, X64_F(0xf3, o == OP_I64_CLZ ? 0xbd : 0xbc), dst, src, w);
    } else {
        c->free &= ~(1u << src); /* while it is read */
        int_scan(c, o == OP_I64_CLZ, dst, src, w);
        if (src != dst) gbx_x64_release(c, src);
    }
    int_done(c, dst, local, is_64);
}

void
gbx_x64_extend(x64_ctx *c, u8 op)
{
    x64_val *const a = x64_pop(c);
    bool const is_64 = op != OP_I32_EXTEND8_S && op != OP_I32_EXTEND16_S;
    u32 const w = is_64 ? X64_64 : X64_32;
    if (a->kind == VAL_FLAGS || a->kind == VAL_CONST || a->kind == VAL_LEA)
        (void)gbx_x64_own(c, a, X64_NO_REG);
    u32 const src = gbx_x64_gpr(c, a, true);
    u32 local, dst = x64_hint(c, false, &local);
    gbx_x64_drop(c, a);
    if (dst == X64_NO_REG) dst = gbx_x64_take(c);
    switch (op) {
    case OP_I32_EXTEND8_S:
    case OP_I64_EXTEND8_S: x64_rr(c->b, X64_F(0, 0xbe), dst, src, w | X64_RM8); break;
    case OP_I32_EXTEND16_S:
    case OP_I64_EXTEND16_S: x64_rr(c->b, X64_F(0, 0xbf), dst, src, w); break;
    default: x64_rr(c->b, 0x63, dst, src, X64_64); break; /* movsxd */
    }
    int_done(c, dst, local, is_64);
}

/* ---- Comparisons and conditions */

/* ORDER: eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u, as opcodes are */
static const u8 int_ccs[] = {CC_E, CC_NE, CC_L, CC_B, CC_G, CC_A, CC_LE, CC_BE, CC_GE, CC_AE};
static const u8 int_swapped[] = {CC_E, CC_NE, CC_G, CC_A, CC_L, CC_B, CC_GE, CC_AE, CC_LE, CC_BE};

/* The flags say whether the result is 1: kept there if the next instruction asks for nothing else, or sets
 * a local to it, which moves do. */
void
gbx_x64_push_flags(x64_ctx *c, u8 cc, bool is_64)
{
    bool is_kept = c->pc < c->end;
    if (is_kept) {
        switch (c->unfuse[*c->pc]) {
        case OP_BR_IF:
        case OP_IF:
        case OP_SELECT:
        case OP_I32_EQZ:
        case OP_I64_EQZ:
        case OP_I64_EXTEND_I32_U:
        case OP_I32_WRAP_I64:
        case OP_LOCAL_SET:
        case OP_LOCAL_TEE: break;
        default: is_kept = false; break;
        }
    }
    if (is_kept) {
        *x64_push(c) = (x64_val){.kind = VAL_FLAGS,
                                 .cc = cc,
                                 .is_64 = is_64,
                                 .local = X64_NO_LOCAL,
                                 .index_local = X64_NO_LOCAL};
        return;
    }
    u32 const t = gbx_x64_take(c);
    x64_setcc(c->b, (x64_cc)cc, t);
    x64_rr(c->b, X64_F(0, 0xb6), t, t, X64_RM8);
    int_done(c, t, X64_NO_LOCAL, is_64);
}

void
gbx_x64_compare(x64_ctx *c, u8 op)
{
    bool const is_64 = op >= OP_I64_EQZ;
    u32 const w = is_64 ? X64_64 : X64_32;
    u32 const which = (u32)op - (is_64 ? OP_I64_EQ : OP_I32_EQ);
    x64_val *b = x64_pop(c), *a = x64_pop(c);
    u8 cc = int_ccs[which];
    if (a->kind == VAL_CONST && b->kind != VAL_CONST) {
        x64_val *const t = a;
        a = b;
        b = t;
        cc = int_swapped[which];
    }
    a->is_64 = b->is_64 = is_64;
    gbx_x64_spend_ahead(c);
    x64_mem m;
    if (int_is_imm(b) && int_in_memory(c, a, &m)) {
        x64_alu_mem_imm(c->b, ALU_CMP, m, (i32)b->bits, w);
    } else {
        u32 const ra = gbx_x64_gpr(c, a, true);
        if (int_in_memory(c, b, &m)) {
            x64_alu_rm(c->b, ALU_CMP, ra, m, w);
        } else if (!int_is_imm(b)) {
            x64_alu_rr(c->b, ALU_CMP, ra, gbx_x64_gpr(c, b, true), w);
        } else if (b->bits == 0) {
            x64_test(c->b, ra, ra, w);
        } else {
            x64_alu_imm(c->b, ALU_CMP, ra, (i32)b->bits, w);
        }
    }
    gbx_x64_drop(c, a);
    gbx_x64_drop(c, b);
    gbx_x64_push_flags(c, cc, false);
}

static void
int_compare_zero(x64_ctx *c, x64_val *v, u32 w)
{
    x64_mem m;
    if (int_in_memory(c, v, &m)) {
        x64_alu_mem_imm(c->b, ALU_CMP, m, 0, w);
    } else {
        u32 const reg = gbx_x64_gpr(c, v, true);
        x64_test(c->b, reg, reg, w);
    }
    gbx_x64_drop(c, v);
}

u8
gbx_x64_condition(x64_ctx *c)
{
    x64_val *const v = x64_pop(c);
    if (v->kind == VAL_FLAGS) return v->cc;
    int_compare_zero(c, v, X64_32);
    return CC_NE;
}

void
gbx_x64_eqz(x64_ctx *c, bool is_64)
{
    x64_val *const v = x64_pop(c);
    if (v->kind == VAL_FLAGS) {
        gbx_x64_push_flags(c, v->cc ^ 1, false);
        return;
    }
    gbx_x64_spend_ahead(c);
    int_compare_zero(c, v, is_64 ? X64_64 : X64_32);
    gbx_x64_push_flags(c, CC_E, false);
}

static bool
int_is_float(const x64_ctx *c, const x64_val *v)
{
    return v->kind == VAL_XMM || (v->kind == VAL_LOCAL && c->locals[v->local].is_float &&
                                  c->locals[v->local].reg != X64_NO_REG);
}

void
gbx_x64_select(x64_ctx *c)
{
    x64_val cond = *x64_pop(c), b = *x64_pop(c), a = *x64_pop(c);
    bool const is_64 = a.is_64 || b.is_64 || a.kind == VAL_HOME || b.kind == VAL_HOME;
    if (int_is_float(c, &a) || int_is_float(c, &b)) {
        u32 const dst = gbx_x64_xown(c, &a, X64_NO_REG), other = gbx_x64_xmm(c, &b);
        x64_push_val(c, &cond);
        u8 const cc = gbx_x64_condition(c);
        u32 const skip = x64_jcc_short(c->b, (x64_cc)cc);
        x64_movaps(c->b, dst, other);
        x64_bind_short(c->b, skip);
        gbx_x64_drop(c, &b);
        x64_push_xmm(c, dst, X64_NO_LOCAL, is_64);
        return;
    }
    u32 const dst = gbx_x64_own(c, &b, X64_NO_REG), first = gbx_x64_gpr(c, &a, false);
    x64_push_val(c, &cond);
    u8 const cc = gbx_x64_condition(c);
    x64_cmov(c->b, (x64_cc)cc, dst, first, X64_64);
    gbx_x64_drop(c, &a);
    x64_push_reg(c, dst, X64_NO_LOCAL, is_64);
}
