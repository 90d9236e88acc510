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

#define LOAD(name, in, out)                                       \
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

/* The table's columns, by the words of opcodes_fd.def. */
enum {
    ACCESS_NONE = 0,
    ACCESS_MEM1 = 1,
    ACCESS_MEM2 = 2,
    ACCESS_MEM4 = 4,
    ACCESS_MEM8 = 8,
    ACCESS_MEM16 = 16,
    ACCESS_LANEMEM1 = 1,
    ACCESS_LANEMEM2 = 2,
    ACCESS_LANEMEM4 = 4,
    ACCESS_LANEMEM8 = 8,
    ACCESS_LANE2 = 0,
    ACCESS_LANE4 = 0,
    ACCESS_LANE8 = 0,
    ACCESS_LANE16 = 0,
    ACCESS_V128 = 0,
    ACCESS_SHUFFLE = 0,
};
enum {
    BYTES_NONE = 0,
    BYTES_MEM1 = 0,
    BYTES_MEM2 = 0,
    BYTES_MEM4 = 0,
    BYTES_MEM8 = 0,
    BYTES_MEM16 = 0,
    BYTES_LANEMEM1 = 1,
    BYTES_LANEMEM2 = 1,
    BYTES_LANEMEM4 = 1,
    BYTES_LANEMEM8 = 1,
    BYTES_LANE2 = 1,
    BYTES_LANE4 = 1,
    BYTES_LANE8 = 1,
    BYTES_LANE16 = 1,
    BYTES_V128 = 16,
    BYTES_SHUFFLE = 16,
};
enum { TYPE_NIL, TYPE_I32, TYPE_I64, TYPE_F32, TYPE_F64, TYPE_V128 };

#define COUNT(type) (TYPE_##type != TYPE_NIL)

const simd_row gbx_interp_simd_rows[] = {
#define OP_FD(number, name, text, imm, a, b, c, out, meaning)                            \
    [number] = {simd_##name, COUNT(a) + COUNT(b) + COUNT(c), COUNT(out), ACCESS_##imm,   \
                BYTES_##imm, TYPE_##out == TYPE_V128},
#include "wasm/opcodes_fd.def"
#undef OP_FD
};
