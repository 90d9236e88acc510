/* f32 and f64. See emit.h. SPEC: core/exec/numerics.html#floating-point-operations
 *
 * Bits 32 to 63 of a register that holds an f32 are zero, as in a slot: whatever could bring others in
 * (conversions, roots, which leave the upper part of their target alone) starts from a zeroed register. */
#include "codegen/x64/emit.h"

#pragma GCC diagnostic ignored                                                                     \
        "-Wpedantic" /* ranges of opcodes in switches, which both compilers have */

/* ORDER: add sub mul div, as opcodes are */
static const u8 float_ops[] = {0x58, 0x5c, 0x59, 0x5e};

static u32
float_prefix(bool is_64)
{
    return is_64 ? 0xf2 : 0xf3;
}

/* ucomiss, ucomisd: x against y */
static void
float_ucomi(x64_ctx *c, u32 x, u32 y, bool is_64)
{
    x64_sse(c->b, is_64 ? 0x66 : 0, 0x2e, x, y);
}

/* A result that is pushed: where NaNs are canonical, any other becomes that one. All ones, cut to the
 * exponent and the quiet bit, and moved there; the bits of an f32's register beyond it stay zero. */
static void
float_push(x64_ctx *c, u32 xmm, u32 local, bool is_64)
{
    x64_buf *const buf = c->b;
    if (c->env->tune & CODEGEN_CANONICAL_NANS) {
        float_ucomi(c, xmm, xmm, is_64);
        u32 const number = x64_jcc_short(buf, CC_NP);
        x64_sse(buf, 0x66, 0x76, xmm, xmm); /* pcmpeqd */
        x64_rr(buf, X64_F(0x66, 0x73), 2, xmm, X64_32); /* psrlq */
        x64_u8(buf, is_64 ? 52 : 55);
        x64_rr(buf, X64_F(0x66, 0x73), 6, xmm, X64_32); /* psllq */
        x64_u8(buf, is_64 ? 51 : 22);
        x64_bind_short(buf, number);
    }
    x64_push_xmm(c, xmm, local, is_64);
}

/* A copy of a, to be worked on: where the next instruction wants it, unless that is b. */
static u32
float_target(x64_ctx *c, x64_val *a, const x64_val *b, u32 *local)
{
    u32 dst = x64_hint(c, true, local);
    if (dst != X64_NO_REG && b && b->kind == VAL_LOCAL && b->local == *local) {
        dst = X64_NO_REG;
        *local = X64_NO_LOCAL;
    }
    return gbx_x64_xown(c, a, dst);
}

static void
float_arith(x64_ctx *c, u32 which, bool is_64)
{
    x64_val b = *x64_pop(c), a = *x64_pop(c);
    a.is_64 = b.is_64 = is_64;
    u32 local;
    u32 const rb = b.kind == VAL_MEM ? 0 : gbx_x64_xmm(c, &b);
    u32 const dst = float_target(c, &a, &b, &local);
    if (b.kind == VAL_MEM) {
        x64_mem const m = gbx_x64_access(c, &b);
        x64_sse_m(c->b, float_prefix(is_64), float_ops[which], dst, m);
    } else {
        x64_sse(c->b, float_prefix(is_64), float_ops[which], dst, rb);
    }
    gbx_x64_drop(c, &b);
    float_push(c, dst, local, is_64);
}

/* minsd and maxsd give their second operand for zeros and NaNs: both are seen to first. */
static void
float_min_max(x64_ctx *c, bool is_max, bool is_64)
{
    x64_buf *const buf = c->b;
    x64_val b = *x64_pop(c), a = *x64_pop(c);
    a.is_64 = b.is_64 = is_64;
    u32 const rb = gbx_x64_xmm(c, &b), dst = gbx_x64_xown(c, &a, X64_NO_REG);
    float_ucomi(c, dst, rb, is_64);
    u32 const nan = x64_jcc_short(buf, CC_P);
    u32 const differ = x64_jcc_short(buf, CC_NE);
    x64_sse(buf, 0, is_max ? 0x54 : 0x56, dst, rb); /* equal, or zeros of two signs: and, or */
    u32 const done0 = x64_jmp_short(buf);
    x64_bind_short(buf, nan);
    x64_sse(buf, float_prefix(is_64), 0x58, dst, rb); /* a sum is a quiet NaN */
    u32 const done1 = x64_jmp_short(buf);
    x64_bind_short(buf, differ);
    x64_sse(buf, float_prefix(is_64), is_max ? 0x5f : 0x5d, dst, rb);
    x64_bind_short(buf, done0);
    x64_bind_short(buf, done1);
    gbx_x64_drop(c, &b);
    float_push(c, dst, X64_NO_LOCAL, is_64);
}

/* xmm = the sign bit, or all others of the float's width. */
static void
float_mask(x64_ctx *c, u32 xmm, bool is_sign, bool is_64)
{
    u32 const t = gbx_x64_take(c);
    u64 const sign = is_64 ? 1ull << 63 : 1u << 31;
    x64_mov_imm(c->b, t, is_sign ? sign : sign - 1);
    x64_movq_to_xmm(c->b, xmm, t, is_64 ? X64_64 : X64_32);
    gbx_x64_release(c, t);
}

static void
float_copysign(x64_ctx *c, bool is_64)
{
    x64_buf *const buf = c->b;
    x64_val b = *x64_pop(c), a = *x64_pop(c);
    a.is_64 = b.is_64 = is_64;
    u32 const rb = gbx_x64_xmm(c, &b), dst = gbx_x64_xown(c, &a, X64_NO_REG);
    float_mask(c, X64_SCRATCH0, false, is_64);
    x64_sse(buf, 0, 0x54, dst, X64_SCRATCH0); /* and */
    x64_sse(buf, 0, 0x55, X64_SCRATCH0,
            rb); /* andn: the sign of b, and its bits beyond, which are 0 */
    x64_sse(buf, 0, 0x56, dst, X64_SCRATCH0); /* or */
    gbx_x64_drop(c, &b);
    x64_push_xmm(c, dst, X64_NO_LOCAL, is_64);
}

static void
float_sign(x64_ctx *c, bool is_neg, bool is_64)
{
    x64_val a = *x64_pop(c);
    a.is_64 = is_64;
    u32 local;
    u32 const dst = float_target(c, &a, NULL, &local);
    float_mask(c, X64_SCRATCH0, is_neg, is_64);
    x64_sse(c->b, 0, is_neg ? 0x57 : 0x54, dst, X64_SCRATCH0);
    x64_push_xmm(c, dst, local, is_64);
}

/* A target whose bits are all zero, and which is not the source. */
static u32
float_fresh(x64_ctx *c, const x64_val *a, u32 *local)
{
    u32 dst = x64_hint(c, true, local);
    if (dst != X64_NO_REG && a->kind == VAL_LOCAL && a->local == *local) {
        dst = X64_NO_REG;
        *local = X64_NO_LOCAL;
    }
    if (dst == X64_NO_REG) dst = gbx_x64_xtake(c);
    x64_xorps(c->b, dst, dst);
    return dst;
}

/* sqrt (`mode` 0), or rounding: 8 nearest, 9 down, 10 up, 11 to zero. */
static void
float_round(x64_ctx *c, u32 mode, bool is_64)
{
    x64_val a = *x64_pop(c);
    a.is_64 = is_64;
    u32 const src = gbx_x64_xmm(c, &a);
    u32 local;
    u32 const dst = float_fresh(c, &a, &local);
    if (mode) {
        x64_rr(c->b, X64_F3A(0x66, is_64 ? 0x0b : 0x0a), dst, src, X64_32);
        x64_u8(c->b, mode);
    } else {
        x64_sse(c->b, float_prefix(is_64), 0x51, dst, src);
    }
    gbx_x64_drop(c, &a);
    float_push(c, dst, local, is_64);
}

static void
float_compare(x64_ctx *c, u32 which, bool is_64)
{
    x64_buf *const buf = c->b;
    x64_val b = *x64_pop(c), a = *x64_pop(c);
    a.is_64 = b.is_64 = is_64;
    u32 const rb = gbx_x64_xmm(c, &b), ra = gbx_x64_xmm(c, &a);
    bool const is_less = which == 2 || which == 4; /* eq ne lt gt le ge */
    if (is_less)
        float_ucomi(c, rb, ra, is_64);
    else
        float_ucomi(c, ra, rb, is_64);
    gbx_x64_drop(c, &a);
    gbx_x64_drop(c, &b);
    if (which >= 2) { /* above: not unordered either */
        gbx_x64_push_flags(c, which <= 3 ? CC_A : CC_AE, false);
        return;
    }
    /* Equal is zero flag without parity flag. */
    u32 const t = gbx_x64_take(c), p = gbx_x64_take(c);
    x64_setcc(buf, which == 0 ? CC_E : CC_NE, t);
    x64_setcc(buf, which == 0 ? CC_NP : CC_P, p);
    x64_alu_rr(buf, which == 0 ? ALU_AND : ALU_OR, t, p, X64_32);
    x64_rr(buf, X64_F(0, 0xb6), t, t, X64_RM8);
    gbx_x64_release(c, p);
    x64_push_reg(c, t, X64_NO_LOCAL, false);
}

/* ---- Between integers and floats */

static void
float_from_int(x64_ctx *c, bool from_64, bool is_signed, bool is_64)
{
    x64_buf *const buf = c->b;
    u32 const cvt = 0x2a, prefix = float_prefix(is_64);
    x64_val a = *x64_pop(c);
    a.is_64 = from_64;
    u32 src = gbx_x64_gpr(c, &a, is_signed && !from_64);
    u32 local;
    if (is_signed || !from_64) {
        u32 const dst = float_fresh(c, &a, &local);
        u32 const w = from_64 || !is_signed ? X64_64 : X64_32;
        x64_rr(buf, X64_F(prefix, cvt), dst, src, w);
        gbx_x64_drop(c, &a);
        x64_push_xmm(c, dst, local, is_64);
        return;
    }
    /* Half of it, with the lost bit kept for rounding, and doubled. */
    src = gbx_x64_own(c, &a, X64_NO_REG);
    u32 const dst = gbx_x64_xtake(c),
              t = gbx_x64_take(c); /* here: what it sends home is sent on both ways */
    x64_xorps(buf, dst, dst);
    x64_test(buf, src, src, X64_64);
    u32 const large = x64_jcc_short(buf, CC_S);
    x64_rr(buf, X64_F(prefix, cvt), dst, src, X64_64);
    u32 const done = x64_jmp_short(buf);
    x64_bind_short(buf, large);
    x64_mov(buf, t, src, X64_32);
    x64_shift_imm(buf, SHIFT_SHR, src, 1, X64_64);
    x64_alu_imm(buf, ALU_AND, t, 1, X64_32);
    x64_alu_rr(buf, ALU_OR, src, t, X64_64);
    x64_rr(buf, X64_F(prefix, cvt), dst, src, X64_64);
    x64_sse(buf, prefix, 0x58, dst, dst);
    x64_bind_short(buf, done);
    gbx_x64_release(c, t);
    gbx_x64_drop(c, &a);
    x64_push_xmm(c, dst, X64_NO_LOCAL, is_64);
}

/* Bits of x64_cold.variant for conversions. */
enum { TRUNC_FROM_64 = 1, TRUNC_TO_64 = 2, TRUNC_SIGNED = 4, TRUNC_SAT = 8 };

/* The fast way takes what a signed conversion to 64 bits gives where that fits; all else is X64_SLOW_TRUNC.
 *   to i64        the conversion's own sign for "does not fit" is the least number
 *   to i32, u32   it must be the extension of its lower half
 *   to u64        it must not be negative; from 2^63 on is slow */
static void
float_trunc(x64_ctx *c, u32 variant)
{
    x64_buf *const buf = c->b;
    bool const from_64 = variant & TRUNC_FROM_64, to_64 = variant & TRUNC_TO_64;
    x64_val a = *x64_pop(c);
    a.is_64 = from_64;
    u32 const src = gbx_x64_xmm(c, &a);
    u32 const dst = gbx_x64_take(c);
    x64_rr(buf, X64_F(float_prefix(from_64), 0x2c), dst, src, X64_64);
    u8 cc;
    if (to_64 && variant & TRUNC_SIGNED) {
        x64_alu_imm(buf, ALU_CMP, dst, 1, X64_64);
        cc = CC_O;
    } else if (to_64) {
        x64_test(buf, dst, dst, X64_64);
        cc = CC_S;
    } else {
        u32 const t = gbx_x64_take(c);
        if (variant & TRUNC_SIGNED)
            x64_rr(buf, 0x63, t, dst, X64_64);
        else
            x64_mov(buf, t, dst, X64_32);
        x64_alu_rr(buf, ALU_CMP, t, dst, X64_64);
        gbx_x64_release(c, t);
        cc = CC_NE;
    }
    u32 const at = x64_jcc(buf, (x64_cc)cc);
    gbx_x64_cold(c, (x64_cold){.at = at,
                               .kind = X64_SLOW_TRUNC,
                               .wasm_offset = c->wasm_offset,
                               .back = buf->len,
                               .a = (u8)dst,
                               .b = (u8)src,
                               .variant = (u8)variant});
    if (!to_64 && variant & TRUNC_SIGNED) x64_mov(buf, dst, dst, X64_32);
    gbx_x64_drop(c, &a);
    x64_push_reg(c, dst, X64_NO_LOCAL, to_64);
}

static void
float_slow_const(x64_ctx *c, u32 t, f64 v, bool is_64)
{
    f32 const single = (f32)v;
    u64 bits = 0;
    if (is_64)
        memcpy(&bits, &v, sizeof v);
    else
        memcpy(&bits, &single, sizeof single);
    x64_mov_imm(c->b, t, bits);
    x64_movq_to_xmm(c->b, X64_SCRATCH0, t, is_64 ? X64_64 : X64_32);
}

static void
float_slow_trap(x64_ctx *c, u32 kind)
{
    x64_row(c, kind);
    x64_ud2(c->b);
}

/* dst may be written, src not: what the fast way has no answer for. */
void
gbx_x64_slow_trunc(x64_ctx *c, const x64_cold *cold)
{
    x64_buf *const buf = c->b;
    bool const from_64 = cold->variant & TRUNC_FROM_64, to_64 = cold->variant & TRUNC_TO_64;
    bool const is_signed = cold->variant & TRUNC_SIGNED, is_sat = cold->variant & TRUNC_SAT;
    u32 const dst = cold->a, src = cold->b;
    float_ucomi(c, src, src, from_64);
    u32 const number = x64_jcc_short(buf, CC_NP);
    if (is_sat) {
        x64_zero(buf, dst);
        x64_jmp_back(buf, cold->back);
    } else {
        float_slow_trap(c, GBX_TRAP_BAD_CONVERSION);
    }
    x64_bind_short(buf, number);
    if (to_64) { /* what can be right after all: the least i64, and u64 from 2^63 on */
        float_slow_const(c, dst, is_signed ? -0x1p63 : 0x1p63, from_64);
        float_ucomi(c, src, X64_SCRATCH0, from_64);
        u32 const other = x64_jcc_short(buf, is_signed ? CC_NE : CC_B);
        if (is_signed) {
            x64_mov_imm(buf, dst, 1ull << 63);
            x64_jmp_back(buf, cold->back);
        } else {
            x64_movaps(buf, X64_SCRATCH1, src);
            x64_sse(buf, float_prefix(from_64), 0x5c, X64_SCRATCH1, X64_SCRATCH0);
            x64_rr(buf, X64_F(float_prefix(from_64), 0x2c), dst, X64_SCRATCH1, X64_64);
            x64_rr(buf, X64_F(0, 0xba), 7, dst,
                   X64_64); /* btc: flips bit 63, which is its old value in CF */
            x64_u8(buf, 63);
            x64_patch(buf, x64_jcc(buf, CC_AE), cold->back);
        }
        x64_bind_short(buf, other);
    }
    if (!is_sat) {
        float_slow_trap(c, GBX_TRAP_INT_OVERFLOW);
        return;
    }
    /* Out of range: by the sign. */
    u64 const least = is_signed ? to_64 ? 1ull << 63 : 1u << 31 : 0;
    u64 const most = is_signed ? least - 1 : to_64 ? ~0ull : UINT32_MAX;
    x64_xorps(buf, X64_SCRATCH0, X64_SCRATCH0);
    float_ucomi(c, src, X64_SCRATCH0, from_64);
    x64_mov_imm(buf, dst, least);
    x64_patch(buf, x64_jcc(buf, CC_B), cold->back);
    x64_mov_imm(buf, dst, most);
    x64_jmp_back(buf, cold->back);
}

void
gbx_x64_trunc_sat(x64_ctx *c, u32 sub)
{
    u32 const variant = (sub & 2 ? TRUNC_FROM_64 : 0) | (sub & 4 ? TRUNC_TO_64 : 0);
    float_trunc(c, variant | TRUNC_SAT | (sub & 1 ? 0 : TRUNC_SIGNED));
}

static void
float_convert(x64_ctx *c, bool is_promote)
{
    x64_val a = *x64_pop(c);
    a.is_64 = !is_promote;
    u32 const src = gbx_x64_xmm(c, &a);
    u32 local;
    u32 const dst = float_fresh(c, &a, &local);
    x64_sse(c->b, is_promote ? 0xf3 : 0xf2, 0x5a, dst, src);
    gbx_x64_drop(c, &a);
    float_push(c, dst, local, is_promote);
}

static void
float_reinterpret(x64_ctx *c, bool to_float, bool is_64)
{
    x64_val a = *x64_pop(c);
    a.is_64 = is_64;
    u32 local;
    if (to_float) {
        u32 const dst = x64_hint(c, true, &local);
        u32 const reg = gbx_x64_xown(c, &a, dst);
        x64_push_xmm(c, reg, local, is_64);
    } else {
        u32 const dst = x64_hint(c, false, &local);
        u32 const reg = gbx_x64_own(c, &a, dst);
        x64_push_reg(c, reg, local, is_64);
    }
}

void
gbx_x64_float(x64_ctx *c, u8 op)
{
    switch (op) {
    case OP_F32_EQ ... OP_F32_GE: float_compare(c, op - OP_F32_EQ, false); return;
    case OP_F64_EQ ... OP_F64_GE: float_compare(c, op - OP_F64_EQ, true); return;
    case OP_F32_ADD ... OP_F32_DIV: float_arith(c, op - OP_F32_ADD, false); return;
    case OP_F64_ADD ... OP_F64_DIV: float_arith(c, op - OP_F64_ADD, true); return;
    case OP_F32_MIN:
    case OP_F32_MAX: float_min_max(c, op == OP_F32_MAX, false); return;
    case OP_F64_MIN:
    case OP_F64_MAX: float_min_max(c, op == OP_F64_MAX, true); return;
    case OP_F32_COPYSIGN:
    case OP_F64_COPYSIGN: float_copysign(c, op == OP_F64_COPYSIGN); return;
    case OP_F32_ABS:
    case OP_F32_NEG: float_sign(c, op == OP_F32_NEG, false); return;
    case OP_F64_ABS:
    case OP_F64_NEG: float_sign(c, op == OP_F64_NEG, true); return;
    case OP_F32_CEIL:
    case OP_F64_CEIL: float_round(c, 10, op == OP_F64_CEIL); return;
    case OP_F32_FLOOR:
    case OP_F64_FLOOR: float_round(c, 9, op == OP_F64_FLOOR); return;
    case OP_F32_TRUNC:
    case OP_F64_TRUNC: float_round(c, 11, op == OP_F64_TRUNC); return;
    case OP_F32_NEAREST:
    case OP_F64_NEAREST: float_round(c, 8, op == OP_F64_NEAREST); return;
    case OP_F32_SQRT:
    case OP_F64_SQRT: float_round(c, 0, op == OP_F64_SQRT); return;
    case OP_I32_TRUNC_F32_S: float_trunc(c, TRUNC_SIGNED); return;
    case OP_I32_TRUNC_F32_U: float_trunc(c, 0); return;
    case OP_I32_TRUNC_F64_S: float_trunc(c, TRUNC_FROM_64 | TRUNC_SIGNED); return;
    case OP_I32_TRUNC_F64_U: float_trunc(c, TRUNC_FROM_64); return;
    case OP_I64_TRUNC_F32_S: float_trunc(c, TRUNC_TO_64 | TRUNC_SIGNED); return;
    case OP_I64_TRUNC_F32_U: float_trunc(c, TRUNC_TO_64); return;
    case OP_I64_TRUNC_F64_S: float_trunc(c, TRUNC_TO_64 | TRUNC_FROM_64 | TRUNC_SIGNED); return;
    case OP_I64_TRUNC_F64_U: float_trunc(c, TRUNC_TO_64 | TRUNC_FROM_64); return;
    case OP_F32_CONVERT_I32_S: float_from_int(c, false, true, false); return;
    case OP_F32_CONVERT_I32_U: float_from_int(c, false, false, false); return;
    case OP_F32_CONVERT_I64_S: float_from_int(c, true, true, false); return;
    case OP_F32_CONVERT_I64_U: float_from_int(c, true, false, false); return;
    case OP_F64_CONVERT_I32_S: float_from_int(c, false, true, true); return;
    case OP_F64_CONVERT_I32_U: float_from_int(c, false, false, true); return;
    case OP_F64_CONVERT_I64_S: float_from_int(c, true, true, true); return;
    case OP_F64_CONVERT_I64_U: float_from_int(c, true, false, true); return;
    case OP_F32_DEMOTE_F64: float_convert(c, false); return;
    case OP_F64_PROMOTE_F32: float_convert(c, true); return;
    case OP_I32_REINTERPRET_F32: float_reinterpret(c, false, false); return;
    case OP_I64_REINTERPRET_F64: float_reinterpret(c, false, true); return;
    case OP_F32_REINTERPRET_I32: float_reinterpret(c, true, false); return;
    case OP_F64_REINTERPRET_I64: float_reinterpret(c, true, true); return;
    default: GBX_UNREACHABLE("the switch of emit.c sends arithmetic of floats only");
    }
}
