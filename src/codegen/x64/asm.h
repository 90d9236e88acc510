/* Encoding of x86-64 instructions into a buffer. One function a form; nothing is chosen here but the
 * shortest encoding of what was asked for.
 *
 * Callers make room before they emit (x64_room): single encoders do not look. Positions are offsets from
 * the buffer's start, since it may move when it grows.
 * SOURCE: Intel SDM 2, 2.1 (prefixes, ModRM, SIB), 2.3 (VEX); appendix A for the opcodes. */
#ifndef GBX_CODEGEN_X64_ASM_H
#define GBX_CODEGEN_X64_ASM_H

#include <string.h>

#include "base/alloc.h"
#include "base/base.h"

/* ORDER: the numbers of the instruction set */
typedef enum x64_reg {
    RAX,
    RCX,
    RDX,
    RBX,
    RSP,
    RBP,
    RSI,
    RDI,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
    X64_NO_REG = 255,
} x64_reg;

/* ORDER: the condition codes of the instruction set; c ^ 1 is the opposite of c */
typedef enum x64_cc {
    CC_O,
    CC_NO,
    CC_B,
    CC_AE,
    CC_E,
    CC_NE,
    CC_BE,
    CC_A,
    CC_S,
    CC_NS,
    CC_P,
    CC_NP,
    CC_L,
    CC_GE,
    CC_LE,
    CC_G,
} x64_cc;

typedef struct x64_buf {
    u8 *bytes;
    u32 len, cap;
    u32 most;     /* what is longer is of no use to anybody */
    bool failed;  /* what is written is rubbish, and stays within the buffer: see x64_room */
    bool is_long; /* and why: it would be longer than `most` */
} x64_buf;

/* base + index << scale + disp. base or index may be X64_NO_REG, not both. */
typedef struct x64_mem {
    u8 base, index, scale;
    i32 disp;
} x64_mem;

/* Longest sequence that may be emitted after one x64_room. */
#define X64_ROOM 512u

/* x64_buf.most at most: displacements have 31 bits, and twice the capacity has 32. */
#define X64_MOST ((u32)1 << 28)

GBX_MUST_USE static inline bool
x64_grow(x64_buf *b, u32 cap)
{
    u8 *const bytes = gbx_base_realloc(b->bytes, cap, 1);
    if (!bytes) return false;
    b->bytes = bytes;
    b->cap = cap;
    return true;
}

/* After memory ran out, or beyond `most`, all goes to the start of the buffer, again and again. */
static inline void
x64_room(x64_buf *b)
{
    if (GBX_LIKELY(b->cap - b->len >= X64_ROOM)) return;
    b->is_long = b->is_long || b->len > b->most;
    if (b->failed || b->is_long || !x64_grow(b, b->cap * 2)) {
        b->failed = true;
        b->len = 0;
    }
}

static inline void
x64_u8(x64_buf *b, u32 v)
{
    b->bytes[b->len++] = (u8)v;
}

static inline void
x64_u32(x64_buf *b, u32 v)
{
    memcpy(b->bytes + b->len, &v, sizeof v);
    b->len += (u32)sizeof v;
}

static inline void
x64_u64(x64_buf *b, u64 v)
{
    memcpy(b->bytes + b->len, &v, sizeof v);
    b->len += (u32)sizeof v;
}

/* An opcode: mandatory prefix (0, 0x66, 0xf2, 0xf3) << 16, 0x0f or 0x0f38.. as it is spelt. */
#define X64_F(prefix, op)   ((u32)(prefix) << 24 | 0x0f00u | (op))
#define X64_F38(prefix, op) ((u32)(prefix) << 24 | 0x0f3800u | (op))
#define X64_F3A(prefix, op) ((u32)(prefix) << 24 | 0x0f3a00u | (op))

enum {
    X64_32 = 0,
    X64_64 = 1,
    X64_8 = 2, /* the register operand is a byte: spl, bpl, sil, dil need a REX prefix */
    X64_16 = 4,
    X64_RM8 = 8, /* the r/m operand is, where it is a register */
};

static inline void
x64_opcode(x64_buf *b, u32 op, u32 rex, bool needs_rex)
{
    if (op >> 24) x64_u8(b, op >> 24);
    if (rex || needs_rex) x64_u8(b, 0x40 | rex);
    if (op & 0xff0000) x64_u8(b, op >> 16 & 0xff);
    if (op & 0xffff00) x64_u8(b, op >> 8 & 0xff);
    x64_u8(b, op & 0xff);
}

/* op reg, rm (registers) */
static inline void
x64_rr(x64_buf *b, u32 op, u32 reg, u32 rm, u32 flags)
{
    bool const is_byte =
            ((flags & X64_8) && reg >= RSP) || ((flags & (X64_8 | X64_RM8)) && rm >= RSP);
    if (flags & X64_16) x64_u8(b, 0x66);
    x64_opcode(b, op, (flags & X64_64) << 3 | (reg >> 3 & 1) << 2 | rm >> 3, is_byte);
    x64_u8(b, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

static inline void
x64_modrm_mem(x64_buf *b, u32 reg, x64_mem m)
{
    u32 const field = (reg & 7) << 3;
    if (m.base == X64_NO_REG) { /* an index without a base has 32 bits of displacement */
        x64_u8(b, field | 4);
        x64_u8(b, (u32)m.scale << 6 | (m.index & 7u) << 3 | 5);
        x64_u32(b, (u32)m.disp);
        return;
    }
    u32 mod = m.disp == 0 && (m.base & 7) != RBP ? 0 : m.disp == (i8)m.disp ? 0x40 : 0x80;
    if (m.index == X64_NO_REG && (m.base & 7) != RSP) {
        x64_u8(b, mod | field | (m.base & 7u));
    } else {
        u32 const index = m.index == X64_NO_REG ? (u32)RSP : m.index & 7u;
        x64_u8(b, mod | field | 4);
        x64_u8(b, (u32)m.scale << 6 | index << 3 | (m.base & 7u));
    }
    if (mod == 0x40) x64_u8(b, (u32)m.disp & 0xff);
    if (mod == 0x80) x64_u32(b, (u32)m.disp);
}

/* op reg, [mem], or op [mem], reg */
static inline void
x64_rm(x64_buf *b, u32 op, u32 reg, x64_mem m, u32 flags)
{
    u32 const base = m.base == X64_NO_REG ? 0 : m.base >> 3;
    u32 const index = m.index == X64_NO_REG ? 0 : m.index >> 3;
    if (flags & X64_16) x64_u8(b, 0x66);
    x64_opcode(b, op, (flags & X64_64) << 3 | (reg >> 3 & 1) << 2 | index << 1 | base,
               (flags & X64_8) && reg >= RSP);
    x64_modrm_mem(b, reg, m);
}

static inline x64_mem
x64_at(u32 base, i32 disp)
{
    return (x64_mem){(u8)base, X64_NO_REG, 0, disp};
}

/* ---- Integers. `w`: X64_32 or X64_64. */

static inline void
x64_mov(x64_buf *b, u32 dst, u32 src, u32 w)
{
    x64_rr(b, 0x8b, dst, src, w);
}

/* dst = v, without touching flags. */
static inline void
x64_mov_imm(x64_buf *b, u32 dst, u64 v)
{
    if (v <= UINT32_MAX) {
        if (dst >= 8) x64_u8(b, 0x41);
        x64_u8(b, 0xb8 | (dst & 7));
        x64_u32(b, (u32)v);
    } else if ((i64)v == (i32)v) {
        x64_rr(b, 0xc7, 0, dst, X64_64);
        x64_u32(b, (u32)v);
    } else {
        x64_u8(b, 0x48 | dst >> 3);
        x64_u8(b, 0xb8 | (dst & 7));
        x64_u64(b, v);
    }
}

static inline void
x64_zero(x64_buf *b, u32 dst)
{
    x64_rr(b, 0x33, dst, dst, X64_32);
}

/* ORDER: the opcodes' digits */
typedef enum x64_alu {
    ALU_ADD,
    ALU_OR,
    ALU_ADC,
    ALU_SBB,
    ALU_AND,
    ALU_SUB,
    ALU_XOR,
    ALU_CMP
} x64_alu;

static inline void
x64_alu_rr(x64_buf *b, x64_alu op, u32 dst, u32 src, u32 w)
{
    x64_rr(b, (u32)op << 3 | 3, dst, src, w);
}

static inline void
x64_alu_rm(x64_buf *b, x64_alu op, u32 dst, x64_mem m, u32 w)
{
    x64_rm(b, (u32)op << 3 | 3, dst, m, w);
}

static inline void
x64_alu_imm(x64_buf *b, x64_alu op, u32 dst, i32 v, u32 w)
{
    if (v == (i8)v) {
        x64_rr(b, 0x83, op, dst, w);
        x64_u8(b, (u32)v & 0xff);
    } else {
        x64_rr(b, 0x81, op, dst, w);
        x64_u32(b, (u32)v);
    }
}

static inline void
x64_alu_mem_imm(x64_buf *b, x64_alu op, x64_mem m, i32 v, u32 w)
{
    if (v == (i8)v) {
        x64_rm(b, 0x83, op, m, w);
        x64_u8(b, (u32)v & 0xff);
    } else {
        x64_rm(b, 0x81, op, m, w);
        x64_u32(b, (u32)v);
    }
}

static inline void
x64_test(x64_buf *b, u32 x, u32 y, u32 w)
{
    x64_rr(b, 0x85, y, x, w);
}

static inline void
x64_load(x64_buf *b, u32 dst, x64_mem m, u32 w)
{
    x64_rm(b, 0x8b, dst, m, w);
}

static inline void
x64_store(x64_buf *b, x64_mem m, u32 src, u32 w)
{
    x64_rm(b, 0x89, src, m, w);
}

static inline void
x64_lea(x64_buf *b, u32 dst, x64_mem m, u32 w)
{
    x64_rm(b, 0x8d, dst, m, w);
}

/* ORDER: the opcodes' digits */
typedef enum x64_shift { SHIFT_ROL, SHIFT_ROR, SHIFT_SHL = 4, SHIFT_SHR, SHIFT_SAR = 7 } x64_shift;

static inline void
x64_shift_imm(x64_buf *b, x64_shift op, u32 dst, u32 count, u32 w)
{
    x64_rr(b, count == 1 ? 0xd1 : 0xc1, op, dst, w);
    if (count != 1) x64_u8(b, count);
}

static inline void
x64_shift_cl(x64_buf *b, x64_shift op, u32 dst, u32 w)
{
    x64_rr(b, 0xd3, op, dst, w);
}

/* shlx, shrx, sarx (prefix 0x66, 0xf2, 0xf3), rorx by their own opcodes: VEX.LZ */
static inline void
x64_vex(x64_buf *b, u32 prefix, u32 map, u32 op, u32 reg, u32 vvvv, u32 rm, u32 w)
{
    u32 const pp = prefix == 0x66 ? 1 : prefix == 0xf3 ? 2 : prefix == 0xf2 ? 3 : 0;
    x64_u8(b, 0xc4);
    x64_u8(b, (~reg >> 3 & 1) << 7 | 1u << 6 | (~rm >> 3 & 1) << 5 | map);
    x64_u8(b, (w & X64_64) << 7 | (~vvvv & 15) << 3 | pp);
    x64_u8(b, op);
    x64_u8(b, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

static inline void
x64_shift_x(x64_buf *b, x64_shift op, u32 dst, u32 src, u32 count, u32 w)
{
    x64_vex(b, op == SHIFT_SHL ? 0x66 : op == SHIFT_SHR ? 0xf2 : 0xf3, 2, 0xf7, dst, count, src, w);
}

static inline void
x64_setcc(x64_buf *b, x64_cc cc, u32 dst)
{
    x64_rr(b, X64_F(0, 0x90 | (u32)cc), 0, dst, X64_RM8);
}

static inline void
x64_cmov(x64_buf *b, x64_cc cc, u32 dst, u32 src, u32 w)
{
    x64_rr(b, X64_F(0, 0x40 | (u32)cc), dst, src, w);
}

/* ---- Control. Targets are offsets in the buffer; where they are not known yet, 0 is given and what
 * x64_jmp and x64_jcc return, the place of the displacement, is patched. */

static inline void
x64_patch(x64_buf *b, u32 at, u32 target)
{
    u32 const rel = target - (at + 4);
    if (b->failed) return;
    memcpy(b->bytes + at, &rel, sizeof rel);
}

static inline u32
x64_jmp(x64_buf *b)
{
    x64_u8(b, 0xe9);
    x64_u32(b, 0);
    return b->len - 4;
}

static inline u32
x64_jcc(x64_buf *b, x64_cc cc)
{
    x64_u8(b, 0x0f);
    x64_u8(b, 0x80 | (u32)cc);
    x64_u32(b, 0);
    return b->len - 4;
}

/* Backwards, in the shortest form. */
static inline void
x64_jmp_back(x64_buf *b, u32 target)
{
    i64 const rel = (i64)target - ((i64)b->len + 2);
    if (rel >= -128) {
        x64_u8(b, 0xeb);
        x64_u8(b, (u32)rel & 0xff);
    } else {
        x64_patch(b, x64_jmp(b), target);
    }
}

static inline void
x64_jcc_back(x64_buf *b, x64_cc cc, u32 target)
{
    i64 const rel = (i64)target - ((i64)b->len + 2);
    if (rel >= -128) {
        x64_u8(b, 0x70 | (u32)cc);
        x64_u8(b, (u32)rel & 0xff);
    } else {
        x64_patch(b, x64_jcc(b, cc), target);
    }
}

/* A short jump forwards; bind it with x64_bind_short, at most 127 bytes on. */
static inline u32
x64_jcc_short(x64_buf *b, x64_cc cc)
{
    x64_u8(b, 0x70 | (u32)cc);
    x64_u8(b, 0);
    return b->len - 1;
}

static inline u32
x64_jmp_short(x64_buf *b)
{
    x64_u8(b, 0xeb);
    x64_u8(b, 0);
    return b->len - 1;
}

static inline void
x64_bind_short(x64_buf *b, u32 at)
{
    u32 const rel = b->len - (at + 1);
    GBX_ASSERT(b->failed || rel <= 127);
    b->bytes[at] = (u8)rel;
}

static inline void
x64_ud2(x64_buf *b)
{
    x64_u8(b, 0x0f);
    x64_u8(b, 0x0b);
}

/* What does nothing, up to a multiple of `unit`, a power of two. */
static inline void
x64_align(x64_buf *b, u32 unit)
{
    static const u8 nops[9][9] = {
            {0x90},
            {0x66, 0x90},
            {0x0f, 0x1f, 0x00},
            {0x0f, 0x1f, 0x40, 0},
            {0x0f, 0x1f, 0x44, 0, 0},
            {0x66, 0x0f, 0x1f, 0x44, 0, 0},
            {0x0f, 0x1f, 0x80, 0, 0, 0, 0},
            {0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0},
            {0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0},
    };
    for (u32 left = (0 - b->len) & (unit - 1); left;) {
        u32 const bytes = left < 9 ? left : 9;
        for (u32 i = 0; i < bytes; i++) x64_u8(b, nops[bytes - 1][i]);
        left -= bytes;
    }
}

static inline void
x64_ret(x64_buf *b)
{
    x64_u8(b, 0xc3);
}

/* ---- Floats. Opcodes of the scalar forms by X64_F(prefix, op). `single`: 0xf3 for f32, 0xf2 for f64. */

static inline void
x64_sse(x64_buf *b, u32 prefix, u32 op, u32 dst, u32 src)
{
    x64_rr(b, X64_F(prefix, op), dst, src, X64_32);
}

static inline void
x64_sse_m(x64_buf *b, u32 prefix, u32 op, u32 dst, x64_mem m)
{
    x64_rm(b, X64_F(prefix, op), dst, m, X64_32);
}

static inline void
x64_movaps(x64_buf *b, u32 dst, u32 src)
{
    x64_rr(b, X64_F(0, 0x28), dst, src, X64_32);
}

static inline void
x64_xorps(x64_buf *b, u32 dst, u32 src)
{
    x64_rr(b, X64_F(0, 0x57), dst, src, X64_32);
}

/* movd, movq between register files; the upper part of an xmm becomes zero. */
static inline void
x64_movq_to_xmm(x64_buf *b, u32 xmm, u32 reg, u32 w)
{
    x64_rr(b, X64_F(0x66, 0x6e), xmm, reg, w);
}

static inline void
x64_movq_from_xmm(x64_buf *b, u32 reg, u32 xmm, u32 w)
{
    x64_rr(b, X64_F(0x66, 0x7e), xmm, reg, w);
}

#endif
