/* The vector instructions: one function an instruction, made from the rows of simd.def by the macro of
 * its shape, and the table of them all. Contract: simd.h.
 *
 * Lanes are worked on where they lie, in args, so that compilers make vector code of the loops. Where
 * lanes change their place or width, the operands are copied first.
 *
 * SAFETY: lane numbers come from the module; the validator has refused those past the last lane, and
 * each look-up of a lane by a number of an operand is bounded here. Shift counts are taken modulo the
 * width; integers wrap as unsigned ones or are computed in a type that holds the result.
 *
 * SPEC: core/exec/numerics.html, core/exec/instructions.html#vector-instructions */
#include "interp/simd.h"

#include "interp/numeric.h"

_Static_assert(sizeof(gbx_v128) == 16, "lanes are memory");

#define LANES(type) (16 / sizeof(type))
#define EACH(i, count) for (u32 i = 0; i < (count); i++)

#define DEFINE(name)                                           \
    static void                                                \
    simd_##name(const u8 *imm, u8 *mem, gbx_v128 *args)
/* In functions that have no use of the two. */
#define NO_IMM (void)imm
#define NO_MEM (void)mem

static inline i32
simd_clamp(i32 v, i32 low, i32 high)
{
    return v < low ? low : v > high ? high : v;
}

static inline u8
simd_popcnt8(u8 v)
{
    v = (u8)(v - (v >> 1 & 0x55));
    v = (u8)((v & 0x33) + (v >> 2 & 0x33));
    return (u8)((v + (v >> 4)) & 0x0f);
}

#define UN(name, in, out, expr)          \
    DEFINE(name)                         \
    {                                    \
        NO_IMM, NO_MEM;                  \
        EACH(i, LANES(in)) {             \
            in const v = args[0].in[i];  \
            args[0].out[i] = (out)(expr); \
        }                                \
    }

#define BIN(name, in, out, expr)          \
    DEFINE(name)                          \
    {                                     \
        NO_IMM, NO_MEM;                   \
        EACH(i, LANES(in)) {              \
            in const a = args[0].in[i];   \
            in const b = args[1].in[i];   \
            args[0].out[i] = (out)(expr); \
        }                                 \
    }

#define CMP(name, in, out, cond) BIN(name, in, out, (cond) ? (out)-1 : 0)

#define TER(name, type, expr)             \
    DEFINE(name)                          \
    {                                     \
        NO_IMM, NO_MEM;                   \
        EACH(i, LANES(type)) {            \
            type const a = args[0].type[i]; \
            type const b = args[1].type[i]; \
            type const c = args[2].type[i]; \
            args[0].type[i] = (type)(expr); \
        }                                 \
    }

#define SHIFT(name, type, expr)                             \
    DEFINE(name)                                            \
    {                                                       \
        NO_IMM, NO_MEM;                                     \
        u32 const n = args[1].u32[0] & (8 * sizeof(type) - 1); \
        EACH(i, LANES(type)) {                              \
            type const v = args[0].type[i];                 \
            args[0].type[i] = (type)(expr);                 \
        }                                                   \
    }

/* The product is rounded before the sum is made: the compiler may not see both at once, or it would
 * contract them where the machine has a fused instruction, and results differ between machines. */
#define MADD(name, type, sign)                                                            \
    DEFINE(name)                                                                          \
    {                                                                                     \
        NO_IMM, NO_MEM;                                                                   \
        EACH(i, LANES(type)) args[0].type[i] = (sign args[0].type[i]) * args[1].type[i];  \
        __asm__ volatile("" : "+m"(args[0]));                                             \
        EACH(i, LANES(type)) args[0].type[i] += args[2].type[i];                          \
    }

#define WIDEN(name, in, out, first, expr)      \
    DEFINE(name)                               \
    {                                          \
        NO_IMM, NO_MEM;                        \
        gbx_v128 const from = args[0];         \
        EACH(i, LANES(out)) {                  \
            in const v = from.in[(first) + i]; \
            args[0].out[i] = (out)(expr);      \
        }                                      \
    }

#define EXTMUL(name, in, out, first)                                              \
    DEFINE(name)                                                                  \
    {                                                                             \
        NO_IMM, NO_MEM;                                                           \
        gbx_v128 const from = args[0];                                            \
        EACH(i, LANES(out)) {                                                     \
            args[0].out[i] = (out)from.in[(first) + i] * args[1].in[(first) + i]; \
        }                                                                         \
    }

#define PAIRS(name, in, out)                                                   \
    DEFINE(name)                                                               \
    {                                                                          \
        NO_IMM, NO_MEM;                                                        \
        gbx_v128 const from = args[0];                                         \
        EACH(i, LANES(out)) args[0].out[i] = (out)(from.in[2 * i] + from.in[2 * i + 1]); \
    }

#define DOT(name, in, out, expr)                     \
    DEFINE(name)                                     \
    {                                                \
        NO_IMM, NO_MEM;                              \
        gbx_v128 const from = args[0];               \
        EACH(i, LANES(out)) {                        \
            in const a = from.in[2 * i];             \
            in const b = args[1].in[2 * i];          \
            in const c = from.in[2 * i + 1];         \
            in const d = args[1].in[2 * i + 1];      \
            args[0].out[i] = (out)(expr);            \
        }                                            \
    }

#define NARROW(name, in, out, low, high)                                       \
    DEFINE(name)                                                               \
    {                                                                          \
        NO_IMM, NO_MEM;                                                        \
        gbx_v128 const from = args[0];                                         \
        EACH(i, LANES(in)) {                                                   \
            args[0].out[i] = (out)simd_clamp(from.in[i], (low), (high));       \
        }                                                                      \
        EACH(i, LANES(in)) {                                                   \
            args[0].out[LANES(in) + i] = (out)simd_clamp(args[1].in[i], (low), (high)); \
        }                                                                      \
    }

#define HALVE(name, in, out, expr)        \
    DEFINE(name)                          \
    {                                     \
        NO_IMM, NO_MEM;                   \
        gbx_v128 const from = args[0];    \
        EACH(i, LANES(in)) {              \
            in const v = from.in[i];      \
            args[0].out[i] = (out)(expr); \
        }                                 \
        args[0].hi = 0;                   \
    }

#define SPLAT(name, type)                               \
    DEFINE(name)                                        \
    {                                                   \
        NO_IMM, NO_MEM;                                 \
        type const v = args[0].type[0];                 \
        EACH(i, LANES(type)) args[0].type[i] = v;       \
    }

#define EXTRACT(name, in, out)                          \
    DEFINE(name)                                        \
    {                                                   \
        NO_MEM;                                         \
        GBX_ASSERT_SLOW(imm[0] < LANES(in));            \
        args[0].lo = SLOT_PUT_##out(args[0].in[imm[0]]); \
    }

#define REPLACE(name, type)                             \
    DEFINE(name)                                        \
    {                                                   \
        NO_MEM;                                         \
        GBX_ASSERT_SLOW(imm[0] < LANES(type));          \
        args[0].type[imm[0]] = args[1].type[0];         \
    }

#define TEST(name, type)                                                              \
    DEFINE(name)                                                                      \
    {                                                                                 \
        NO_IMM, NO_MEM;                                                               \
        type zeroes = 0;                                                              \
        EACH(i, LANES(type)) zeroes = (type)(zeroes | (args[0].type[i] == 0));        \
        args[0].lo = zeroes == 0;                                                     \
    }

#define BITMASK(name, type)                                       \
    DEFINE(name)                                                  \
    {                                                             \
        NO_IMM, NO_MEM;                                           \
        u32 mask = 0;                                             \
        EACH(i, LANES(type)) mask |= (u32)(args[0].type[i] >> (8 * sizeof(type) - 1)) << i; \
        args[0].lo = mask;                                        \
    }

#define SWIZZLE(name)                                             \
    DEFINE(name)                                                  \
    {                                                             \
        NO_IMM, NO_MEM;                                           \
        gbx_v128 const from = args[0];                            \
        EACH(i, 16) {                                             \
            u8 const at = args[1].u8[i];                          \
            args[0].u8[i] = (u8)(from.u8[at & 15] & -(at < 16));  \
        }                                                         \
    }

#define LOAD_LANES(name, in, out)                                 \
    DEFINE(name)                                                  \
    {                                                             \
        NO_IMM;                                                   \
        in from[LANES(out)];                                      \
        memcpy(from, mem, sizeof from);                           \
        EACH(i, LANES(out)) args[0].out[i] = (out)from[i];        \
    }

#define LOAD_SPLAT(name, type)                                    \
    DEFINE(name)                                                  \
    {                                                             \
        NO_IMM;                                                   \
        type v;                                                   \
        memcpy(&v, mem, sizeof v);                                \
        EACH(i, LANES(type)) args[0].type[i] = v;                 \
    }

#define LOAD_ZERO(name, type)                                     \
    DEFINE(name)                                                  \
    {                                                             \
        NO_IMM;                                                   \
        type v;                                                   \
        memcpy(&v, mem, sizeof v);                                \
        args[0].lo = v;                                           \
        args[0].hi = 0;                                           \
    }

#define LOAD_LANE(name, type)                                     \
    DEFINE(name)                                                  \
    {                                                             \
        GBX_ASSERT_SLOW(imm[0] < LANES(type));                    \
        type v;                                                   \
        memcpy(&v, mem, sizeof v);                                \
        args[0] = args[1];                                        \
        args[0].type[imm[0]] = v;                                 \
    }

#define STORE_LANE(name, type)                                    \
    DEFINE(name)                                                  \
    {                                                             \
        GBX_ASSERT_SLOW(imm[0] < LANES(type));                    \
        memcpy(mem, &args[1].type[imm[0]], sizeof(type));         \
    }

#include "interp/simd.def"
#undef UN
#undef BIN
#undef CMP
#undef TER
#undef SHIFT
#undef MADD
#undef WIDEN
#undef EXTMUL
#undef PAIRS
#undef DOT
#undef NARROW
#undef HALVE
#undef SPLAT
#undef EXTRACT
#undef REPLACE
#undef TEST
#undef BITMASK
#undef SWIZZLE
#undef LOAD_LANES
#undef LOAD_SPLAT
#undef LOAD_ZERO
#undef LOAD_LANE
#undef STORE_LANE

DEFINE(V128_STORE)
{
    NO_IMM;
    memcpy(mem, &args[1], sizeof args[1]);
}

DEFINE(V128_CONST)
{
    NO_MEM;
    memcpy(&args[0], imm, sizeof args[0]);
}

DEFINE(V128_ANY_TRUE)
{
    NO_IMM, NO_MEM;
    args[0].lo = (args[0].lo | args[0].hi) != 0;
}

/* The top bits of eight lanes: the product moves bit 8 i to bit 56 + i, for each i. */
static inline u64
simd_top_bits(u64 lanes)
{
    return (lanes >> 7 & 0x0101010101010101u) * 0x0102040810204080u >> 56;
}

DEFINE(I8X16_BITMASK)
{
    NO_IMM, NO_MEM;
    args[0].lo = simd_top_bits(args[0].lo) | simd_top_bits(args[0].hi) << 8;
}

DEFINE(I8X16_SHUFFLE)
{
    NO_MEM;
    u8 from[32];
    memcpy(from, args, sizeof from);
    EACH(i, 16) {
        GBX_ASSERT_SLOW(imm[i] < sizeof from);
        args[0].u8[i] = from[imm[i]];
    }
}

/* i16x8.relaxed_dot_i8x16_i7x16_s, i32x4.extadd_pairwise_i16x8_s, i32x4.add. */
DEFINE(I32X4_RELAXED_DOT_I8X16_I7X16_ADD_S)
{
    simd_I16X8_RELAXED_DOT_I8X16_I7X16_S(imm, mem, args);
    simd_I32X4_EXTADD_PAIRWISE_I16X8_S(imm, mem, args);
    EACH(i, LANES(u32)) args[0].u32[i] += args[2].u32[i];
}

#undef DEFINE
#undef EACH
#undef LANES
#undef NO_IMM
#undef NO_MEM

/* The table's columns, by the words of opcodes_fd.def: bytes of memory, bytes behind the memarg. */
#define SIMD_IMM(word, access, bytes) SIMD_ACCESS_##word = (access), SIMD_BYTES_##word = (bytes)
enum {
    SIMD_IMM(NONE, 0, 0),
    SIMD_IMM(MEM1, 1, 0),
    SIMD_IMM(MEM2, 2, 0),
    SIMD_IMM(MEM4, 4, 0),
    SIMD_IMM(MEM8, 8, 0),
    SIMD_IMM(MEM16, 16, 0),
    SIMD_IMM(LANEMEM1, 1, 1),
    SIMD_IMM(LANEMEM2, 2, 1),
    SIMD_IMM(LANEMEM4, 4, 1),
    SIMD_IMM(LANEMEM8, 8, 1),
    SIMD_IMM(LANE2, 0, 1),
    SIMD_IMM(LANE4, 0, 1),
    SIMD_IMM(LANE8, 0, 1),
    SIMD_IMM(LANE16, 0, 1),
    SIMD_IMM(V128, 0, 16),
    SIMD_IMM(SHUFFLE, 0, 16),
};
#undef SIMD_IMM

enum { SIMD_NIL, SIMD_I32, SIMD_I64, SIMD_F32, SIMD_F64, SIMD_V128 };

const simd_row gbx_interp_simd_rows[OP_FD_COUNT] = {
#define OP_FD(number, name, text, imm, a, b, c, out, meaning)                             \
    [number] = {simd_##name,                                                              \
                (SIMD_##a != SIMD_NIL) + (SIMD_##b != SIMD_NIL) + (SIMD_##c != SIMD_NIL), \
                SIMD_##out != SIMD_NIL,                                                   \
                SIMD_ACCESS_##imm,                                                        \
                SIMD_BYTES_##imm,                                                         \
                SIMD_##out == SIMD_V128},
#include "wasm/opcodes_fd.def"
#undef OP_FD
};

/* Bytes of a lane of what computes with floats; 0: nothing else makes a NaN. */
static const u8 simd_nan_bytes[OP_FD_COUNT] = {
#define UN(name, in, out, expr)          [OP_FD_##name] = sizeof(out),
#define BIN(name, in, out, expr)         [OP_FD_##name] = sizeof(out),
#define MADD(name, type, sign)           [OP_FD_##name] = sizeof(type),
#define WIDEN(name, in, out, from, expr) [OP_FD_##name] = sizeof(out),
#define HALVE(name, in, out, expr)       [OP_FD_##name] = sizeof(out),
#include "interp/simd_float.def"
#undef UN
#undef BIN
#undef MADD
#undef WIDEN
#undef HALVE
};

void
gbx_interp_simd_canonical(u32 sub, gbx_v128 *result)
{
    u32 const bytes = simd_nan_bytes[sub];
    for (u32 i = 0; bytes == sizeof(f32) && i < 4; i++) result->f32[i] = interp_canon32(result->f32[i]);
    for (u32 i = 0; bytes == sizeof(f64) && i < 2; i++) result->f64[i] = interp_canon64(result->f64[i]);
}
