/* The vector instructions (interp/simd.def), lane by lane, against another way of computing them.
 *
 * Integer instructions: 128-bit integers hold every result exactly; the reference then wraps or
 * saturates it. Every pair of edge values of a width meets in every lane. Floating point: tables of
 * results, by their bits. The last test asks that every row of opcodes_fd.def has been run by then. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "interp/simd.h"
#include "wasm/opcodes.h"

static bool ran[OP_FD_COUNT];

/* Fails with the instruction's name. */
#define CHECK(op, cond)                                                   \
    do {                                                                  \
        if (!(cond)) fail_msg("%s: %s", gbx_wasm_ops_fd[op].text, #cond);           \
    } while (0)

static gbx_v128
run_at(u32 op, const u8 *imm, u8 *mem, const gbx_v128 *operands)
{
    ran[op] = true;
    gbx_v128 args[4];
    memset(args, 0x5a, sizeof args);
    for (u32 i = 0; i < gbx_interp_simd_rows[op].takes; i++) args[i] = operands[i];
    gbx_interp_simd(op, imm, mem, args);
    assert_int_equal(args[3].lo, 0x5a5a5a5a5a5a5a5aull);
    return args[0];
}

static gbx_v128
run3(u32 op, gbx_v128 a, gbx_v128 b, gbx_v128 c)
{
    return run_at(op, NULL, NULL, (gbx_v128[]){a, b, c});
}

static gbx_v128
run2(u32 op, gbx_v128 a, gbx_v128 b)
{
    return run3(op, a, b, (gbx_v128){0});
}

static gbx_v128
run1(u32 op, gbx_v128 a)
{
    return run2(op, a, (gbx_v128){0});
}

static bool
same(gbx_v128 a, gbx_v128 b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

/* A scalar operand; what stands above it is not to matter. */
static gbx_v128
scalar(u64 v)
{
    return (gbx_v128){.lo = v, .hi = 0xdeadbeefdeadbeefull};
}

/* Lane i of a vector of lanes of `bits`, as an exact integer. */
__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 wide_unsigned;

static wide
lane(gbx_v128 v, u32 bits, u32 i, bool sign)
{
    u64 value = 0;
    memcpy(&value, &v.u8[i * bits / 8], bits / 8);
    if (sign && value >> (bits - 1) & 1) return (wide)value - ((wide)1 << bits);
    return (wide)value;
}

static void
lane_set(gbx_v128 *v, u32 bits, u32 i, wide value)
{
    u64 const low = (u64)value;
    memcpy(&v->u8[i * bits / 8], &low, bits / 8);
}

static wide
saturate(wide v, u32 bits, bool sign)
{
    wide const low = sign ? -((wide)1 << (bits - 1)) : 0;
    wide const high = ((wide)1 << (bits - sign)) - 1;
    return v < low ? low : v > high ? high : v;
}

/* Where an integer changes its behaviour, in lanes of any width. */
static const u64 edges[] = {0, 1, 2, 3, UINT64_MAX, UINT64_MAX - 1, 0x7f, 0x80, 0x81, 0xff, 0x7fff,
        0x8000, 0x8001, 0xff7f, 0xff80, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0x80000001, 0xffff7fff,
        0xffff8000, 0xffffffff, 0x100000000, INT64_MAX, 1ull << 63, (1ull << 63) + 1, 0x5555555555555555,
        0x123456789abcdef0};
enum { EDGES = GBX_LEN(edges) };

/* Lane i is edge number first + i * step. */
static gbx_v128
edge_lanes(u32 bits, u32 first, u32 step)
{
    gbx_v128 v = {0};
    for (u32 i = 0; i < 128 / bits; i++) {
        lane_set(&v, bits, i, (wide)edges[(first + i * step) % EDGES]);
    }
    return v;
}

/* Runs the body with a and b such that each pair of edges meets in each lane. */
#define EACH_PAIR(bits, a, b)                                                       \
    for (u32 p_ = 0; p_ < EDGES; p_++)                                              \
        for (u32 q_ = 0; q_ < EDGES; q_++)                                          \
            for (gbx_v128 a = edge_lanes(bits, p_, 1), b = edge_lanes(bits, q_, 3), \
                          *once_ = &a;                                              \
                    once_; once_ = NULL)

/* Integer instructions of two operands. */
typedef enum what {
    ADD, SUB, MUL, ADD_SAT, SUB_SAT, MIN, MAX, AVGR, Q15, EQ, NE, LT, GT, LE, GE, AND, ANDNOT, OR, XOR,
} what;

typedef struct bin_case {
    u16 op;
    u8 bits;
    bool sign;
    what what;
} bin_case;

#define OF(shape, bits, name, sign, what) {OP_FD_##shape##_##name, bits, sign, what}
#define CMP_OF(shape, bits)                                                                   \
    OF(shape, bits, LT_S, true, LT), OF(shape, bits, GT_S, true, GT),                         \
            OF(shape, bits, LE_S, true, LE), OF(shape, bits, GE_S, true, GE),                 \
            OF(shape, bits, EQ, false, EQ), OF(shape, bits, NE, false, NE)
#define CMPU_OF(shape, bits)                                                                  \
    OF(shape, bits, LT_U, false, LT), OF(shape, bits, GT_U, false, GT),                       \
            OF(shape, bits, LE_U, false, LE), OF(shape, bits, GE_U, false, GE)
#define SAT_OF(shape, bits)                                                                   \
    OF(shape, bits, ADD_SAT_S, true, ADD_SAT), OF(shape, bits, ADD_SAT_U, false, ADD_SAT),    \
            OF(shape, bits, SUB_SAT_S, true, SUB_SAT), OF(shape, bits, SUB_SAT_U, false, SUB_SAT), \
            OF(shape, bits, AVGR_U, false, AVGR)
#define MINMAX_OF(shape, bits)                                                                \
    OF(shape, bits, MIN_S, true, MIN), OF(shape, bits, MIN_U, false, MIN),                    \
            OF(shape, bits, MAX_S, true, MAX), OF(shape, bits, MAX_U, false, MAX)
#define ADD_OF(shape, bits) OF(shape, bits, ADD, false, ADD), OF(shape, bits, SUB, false, SUB)

static const bin_case bin_cases[] = {
    ADD_OF(I8X16, 8), ADD_OF(I16X8, 16), ADD_OF(I32X4, 32), ADD_OF(I64X2, 64),
    OF(I16X8, 16, MUL, false, MUL), OF(I32X4, 32, MUL, false, MUL), OF(I64X2, 64, MUL, false, MUL),
    SAT_OF(I8X16, 8), SAT_OF(I16X8, 16),
    MINMAX_OF(I8X16, 8), MINMAX_OF(I16X8, 16), MINMAX_OF(I32X4, 32),
    OF(I16X8, 16, Q15MULR_SAT_S, true, Q15), OF(I16X8, 16, RELAXED_Q15MULR_S, true, Q15),
    CMP_OF(I8X16, 8), CMPU_OF(I8X16, 8), CMP_OF(I16X8, 16), CMPU_OF(I16X8, 16),
    CMP_OF(I32X4, 32), CMPU_OF(I32X4, 32), CMP_OF(I64X2, 64),
    {OP_FD_V128_AND, 32, false, AND}, {OP_FD_V128_ANDNOT, 32, false, ANDNOT},
    {OP_FD_V128_OR, 32, false, OR}, {OP_FD_V128_XOR, 32, false, XOR},
};

static wide
bin_reference(const bin_case *c, wide a, wide b)
{
    switch (c->what) {
    case ADD: return a + b;
    case SUB: return a - b;
    case MUL: return (wide)((wide_unsigned)a * (wide_unsigned)b);
    case ADD_SAT: return saturate(a + b, c->bits, c->sign);
    case SUB_SAT: return saturate(a - b, c->bits, c->sign);
    case MIN: return a < b ? a : b;
    case MAX: return a < b ? b : a;
    case AVGR: return (a + b + 1) / 2;
    case Q15: return saturate((a * b + 0x4000) >> 15, c->bits, true);
    case EQ: return -(wide)(a == b);
    case NE: return -(wide)(a != b);
    case LT: return -(wide)(a < b);
    case GT: return -(wide)(a > b);
    case LE: return -(wide)(a <= b);
    case GE: return -(wide)(a >= b);
    case AND: return a & b;
    case ANDNOT: return a & ~b;
    case OR: return a | b;
    case XOR: return a ^ b;
    }
    fail();
    return 0;
}

static void
test_integer_pairs(void **state)
{
    (void)state;
    for (const bin_case *c = bin_cases; c < GBX_END(bin_cases); c++) {
        EACH_PAIR(c->bits, a, b)
        {
            gbx_v128 want = {0};
            for (u32 i = 0; i < 128u / c->bits; i++) {
                wide const x = lane(a, c->bits, i, c->sign), y = lane(b, c->bits, i, c->sign);
                lane_set(&want, c->bits, i, bin_reference(c, x, y));
            }
            CHECK(c->op, same(run2(c->op, a, b), want));
        }
    }
}

/* What the reference above could share a mistake with: results by hand. */
static void
test_integer_limits(void **state)
{
    (void)state;
    gbx_v128 a = {.i8 = {127, -128, 127, -128, -1, 100}}, b = {.i8 = {1, -1, 127, -128, 1, -100}};
    gbx_v128 r = run2(OP_FD_I8X16_ADD_SAT_S, a, b);
    assert_memory_equal(r.i8, ((i8[]){127, -128, 127, -128, 0, 0}), 6);
    r = run2(OP_FD_I8X16_SUB_SAT_S, a, b);
    assert_memory_equal(r.i8, ((i8[]){126, -127, 0, 0, -2, 127}), 6);
    r = run2(OP_FD_I8X16_ADD_SAT_U, a, b); /* 127+1 128+255 127+127 128+128 255+1 100+156 */
    assert_memory_equal(r.u8, ((u8[]){128, 255, 254, 255, 255, 255}), 6);
    r = run2(OP_FD_I8X16_SUB_SAT_U, a, b);
    assert_memory_equal(r.u8, ((u8[]){126, 0, 0, 0, 254, 0}), 6);
    r = run2(OP_FD_I8X16_AVGR_U, a, b);
    assert_memory_equal(r.u8, ((u8[]){64, 192, 127, 128, 128, 128}), 6);

    gbx_v128 const low = {.i16 = {INT16_MIN, INT16_MIN, INT16_MAX, 1, -1, 0x4000, 3, -3}};
    gbx_v128 const by = {
            .i16 = {INT16_MIN, INT16_MAX, INT16_MAX, 0x4000, 0x4000, 0x4000, 0x2aab, 0x2aab}};
    r = run2(OP_FD_I16X8_Q15MULR_SAT_S, low, by);
    assert_memory_equal(r.i16, ((i16[]){INT16_MAX, -32767, 32766, 1, 0, 0x2000, 1, -1}), 16);
    assert_true(same(run2(OP_FD_I16X8_RELAXED_Q15MULR_S, low, by), r));

    r = run2(OP_FD_I32X4_DOT_I16X8_S, low, by);
    assert_int_equal(r.i32[0], 0x40000000 - 32768 * 32767);
    gbx_v128 const all_low = {.u64 = {0x8000800080008000u, 0x8000800080008000u}};
    r = run2(OP_FD_I32X4_DOT_I16X8_S, all_low, all_low);
    assert_int_equal(r.u32[3], 0x80000000u); /* the one sum that wraps */

    a = (gbx_v128){.u64 = {0x8080808080808080u, 0x8080808080808080u}};
    r = run2(OP_FD_I16X8_RELAXED_DOT_I8X16_I7X16_S, a, a);
    assert_int_equal(r.i16[0], INT16_MAX); /* 2 * 16384 saturates */
    gbx_v128 const sum = {.u32 = {1, 0, 0, 0x80000000u}};
    r = run3(OP_FD_I32X4_RELAXED_DOT_I8X16_I7X16_ADD_S, a, a, sum);
    assert_int_equal(r.i32[0], 2 * INT16_MAX + 1);
    assert_int_equal(r.u32[3], 0x80000000u + 2 * INT16_MAX);
    /* Signed, also where it is not of 7 bits. */
    b = (gbx_v128){.u64 = {0x8181818181818181u, 0x8181818181818181u}};
    r = run2(OP_FD_I16X8_RELAXED_DOT_I8X16_I7X16_S, a, b);
    assert_int_equal(r.i16[7], 2 * 128 * 127);

    gbx_v128 const min = {.u64 = {1ull << 63, 5}};
    assert_int_equal(run1(OP_FD_I64X2_ABS, min).u64[0], 1ull << 63);
    assert_int_equal(run1(OP_FD_I64X2_NEG, min).u64[0], 1ull << 63);
    assert_int_equal(run1(OP_FD_I64X2_NEG, min).i64[1], -5);
}

#define SHAPES(x) x(I8X16, 8) x(I16X8, 16) x(I32X4, 32) x(I64X2, 64)

typedef struct int_shape {
    u32 bits;
    u16 abs, neg, shl, shr_s, shr_u, all_true, bitmask;
} int_shape;

static const int_shape int_shapes[] = {
#define SHAPE(s, bits)                                                                           \
    {bits, OP_FD_##s##_ABS, OP_FD_##s##_NEG, OP_FD_##s##_SHL, OP_FD_##s##_SHR_S, OP_FD_##s##_SHR_U,   \
            OP_FD_##s##_ALL_TRUE, OP_FD_##s##_BITMASK},
    SHAPES(SHAPE)
#undef SHAPE
};

static void
test_integer_single(void **state)
{
    (void)state;
    for (const int_shape *s = int_shapes; s < GBX_END(int_shapes); s++) {
        for (u32 p = 0; p < EDGES; p++) {
            gbx_v128 const v = edge_lanes(s->bits, p, 1);
            gbx_v128 abs = {0}, neg = {0};
            u64 mask = 0;
            for (u32 i = 0; i < 128 / s->bits; i++) {
                wide const x = lane(v, s->bits, i, true);
                lane_set(&abs, s->bits, i, x < 0 ? -x : x);
                lane_set(&neg, s->bits, i, -x);
                mask |= (u64)(x < 0) << i;
            }
            CHECK(s->abs, same(run1(s->abs, v), abs));
            CHECK(s->neg, same(run1(s->neg, v), neg));
            CHECK(s->bitmask, run1(s->bitmask, v).lo == mask);
        }
    }
    for (u32 byte = 0; byte < 256; byte++) {
        gbx_v128 v = {0};
        v.u8[byte % 16] = (u8)byte;
        gbx_v128 want = {0};
        want.u8[byte % 16] = (u8)__builtin_popcount(byte);
        CHECK(OP_FD_I8X16_POPCNT, same(run1(OP_FD_I8X16_POPCNT, v), want));
    }
}

/* A single lane that is 0, or not, in each place; any set bit of it counts. */
static void
test_truth(void **state)
{
    (void)state;
    gbx_v128 const zero = {0};
    gbx_v128 const ones = {.u64 = {UINT64_MAX, UINT64_MAX}};
    assert_int_equal(run1(OP_FD_V128_ANY_TRUE, zero).lo, 0);
    assert_int_equal(run1(OP_FD_V128_ANY_TRUE, ones).lo, 1);
    for (u32 bit = 0; bit < 128; bit++) {
        gbx_v128 v = zero;
        v.u8[bit / 8] = (u8)(1u << bit % 8);
        assert_int_equal(run1(OP_FD_V128_ANY_TRUE, v).lo, 1);
    }
    for (const int_shape *s = int_shapes; s < GBX_END(int_shapes); s++) {
        assert_int_equal(run1(s->all_true, zero).lo, 0);
        assert_int_equal(run1(s->all_true, ones).lo, 1);
        for (u32 i = 0; i < 128 / s->bits; i++) {
            gbx_v128 v = ones;
            lane_set(&v, s->bits, i, 0);
            CHECK(s->all_true, run1(s->all_true, v).lo == 0);
            for (u32 bit = 0; bit < s->bits; bit++) {
                lane_set(&v, s->bits, i, (wide)1 << bit);
                CHECK(s->all_true, run1(s->all_true, v).lo == 1);
            }
        }
    }
}

/* Counts are taken modulo the width; only 32 bits of the operand's slot are the count. */
static void
test_shifts(void **state)
{
    (void)state;
    static const u64 counts[] = {0, 1, 7, 8, 9, 15, 16, 31, 32, 33, 63, 64, 65, 127, 1u << 31, UINT32_MAX,
            0xffffffff00000003u};
    for (const int_shape *s = int_shapes; s < GBX_END(int_shapes); s++) {
        for (u32 c = 0; c < GBX_LEN(counts); c++) {
            u32 const n = (u32)(counts[c] % s->bits);
            for (u32 p = 0; p < EDGES; p++) {
                gbx_v128 const v = edge_lanes(s->bits, p, 1);
                gbx_v128 shl = {0}, shr_s = {0}, shr_u = {0};
                for (u32 i = 0; i < 128 / s->bits; i++) {
                    wide const x = lane(v, s->bits, i, false);
                    lane_set(&shl, s->bits, i, x << n);
                    lane_set(&shr_s, s->bits, i, lane(v, s->bits, i, true) >> n);
                    lane_set(&shr_u, s->bits, i, x >> n);
                }
                CHECK(s->shl, same(run2(s->shl, v, scalar(counts[c])), shl));
                CHECK(s->shr_s, same(run2(s->shr_s, v, scalar(counts[c])), shr_s));
                CHECK(s->shr_u, same(run2(s->shr_u, v, scalar(counts[c])), shr_u));
            }
        }
    }
}

/* From lanes of half the width: extend, extmul, extadd, and back: narrow. [half][unsigned] */
typedef struct wide_shape {
    u32 bits; /* of the wide lanes */
    u16 extend[2][2], extmul[2][2];
    u16 extadd[2]; /* 0: none */
} wide_shape;

#define WIDE(w, n)                                                                             \
    {{OP_FD_##w##_EXTEND_LOW_##n##_S, OP_FD_##w##_EXTEND_LOW_##n##_U},                           \
            {OP_FD_##w##_EXTEND_HIGH_##n##_S, OP_FD_##w##_EXTEND_HIGH_##n##_U}},                 \
    {                                                                                          \
        {OP_FD_##w##_EXTMUL_LOW_##n##_S, OP_FD_##w##_EXTMUL_LOW_##n##_U},                        \
        {                                                                                      \
            OP_FD_##w##_EXTMUL_HIGH_##n##_S, OP_FD_##w##_EXTMUL_HIGH_##n##_U                     \
        }                                                                                      \
    }

static const wide_shape wide_shapes[] = {
    {16, WIDE(I16X8, I8X16),
            {OP_FD_I16X8_EXTADD_PAIRWISE_I8X16_S, OP_FD_I16X8_EXTADD_PAIRWISE_I8X16_U}},
    {32, WIDE(I32X4, I16X8),
            {OP_FD_I32X4_EXTADD_PAIRWISE_I16X8_S, OP_FD_I32X4_EXTADD_PAIRWISE_I16X8_U}},
    {64, WIDE(I64X2, I32X4), {0, 0}},
};

static void
check_widening(const wide_shape *s, bool high, bool sign, gbx_v128 a, gbx_v128 b)
{
    u32 const lanes = 128 / s->bits, from = s->bits / 2;
    gbx_v128 extend = {0}, extmul = {0}, extadd = {0};
    for (u32 i = 0; i < lanes; i++) {
        u32 const at = high * lanes + i;
        wide const x = lane(a, from, at, sign), y = lane(b, from, at, sign);
        lane_set(&extend, s->bits, i, x);
        lane_set(&extmul, s->bits, i, x * y);
        lane_set(&extadd, s->bits, i, lane(a, from, 2 * i, sign) + lane(a, from, 2 * i + 1, sign));
    }
    CHECK(s->extend[high][!sign], same(run1(s->extend[high][!sign], a), extend));
    CHECK(s->extmul[high][!sign], same(run2(s->extmul[high][!sign], a, b), extmul));
    if (s->extadd[!sign]) CHECK(s->extadd[!sign], same(run1(s->extadd[!sign], a), extadd));
}

static void
test_widening(void **state)
{
    (void)state;
    for (const wide_shape *s = wide_shapes; s < GBX_END(wide_shapes); s++) {
        for (u32 form = 0; form < 4; form++) {
            EACH_PAIR(s->bits / 2, a, b)
            {
                check_widening(s, form & 1, form & 2, a, b);
            }
        }
    }
}

typedef struct narrow_case {
    u16 op;
    u8 bits; /* of the narrow lanes */
    bool sign;
} narrow_case;

static void
test_narrowing(void **state)
{
    (void)state;
    static const narrow_case cases[] = {{OP_FD_I8X16_NARROW_I16X8_S, 8, true},
            {OP_FD_I8X16_NARROW_I16X8_U, 8, false}, {OP_FD_I16X8_NARROW_I32X4_S, 16, true},
            {OP_FD_I16X8_NARROW_I32X4_U, 16, false}};
    for (const narrow_case *c = cases; c < GBX_END(cases); c++) {
        u32 const half = 64 / c->bits;
        EACH_PAIR(2u * c->bits, a, b)
        {
            gbx_v128 want = {0};
            for (u32 i = 0; i < half; i++) {
                wide const x = lane(a, 2u * c->bits, i, true), y = lane(b, 2u * c->bits, i, true);
                lane_set(&want, c->bits, i, saturate(x, c->bits, c->sign));
                lane_set(&want, c->bits, half + i, saturate(y, c->bits, c->sign));
            }
            CHECK(c->op, same(run2(c->op, a, b), want));
        }
    }
}

static void
test_dot(void **state)
{
    (void)state;
    EACH_PAIR(16, a, b)
    {
        gbx_v128 want = {0};
        for (u32 i = 0; i < 4; i++) {
            lane_set(&want, 32, i, lane(a, 16, 2 * i, true) * lane(b, 16, 2 * i, true)
                            + lane(a, 16, 2 * i + 1, true) * lane(b, 16, 2 * i + 1, true));
        }
        CHECK(OP_FD_I32X4_DOT_I16X8_S, same(run2(OP_FD_I32X4_DOT_I16X8_S, a, b), want));
    }
    EACH_PAIR(8, a, b)
    {
        gbx_v128 pairs = {0}, sums = {0};
        gbx_v128 const c = edge_lanes(32, p_, 1);
        for (u32 i = 0; i < 8; i++) {
            wide const sum = lane(a, 8, 2 * i, true) * lane(b, 8, 2 * i, true)
                             + lane(a, 8, 2 * i + 1, true) * lane(b, 8, 2 * i + 1, true);
            lane_set(&pairs, 16, i, saturate(sum, 16, true));
        }
        for (u32 i = 0; i < 4; i++) {
            lane_set(&sums, 32, i, lane(pairs, 16, 2 * i, true) + lane(pairs, 16, 2 * i + 1, true)
                            + lane(c, 32, i, true));
        }
        u32 const dot = OP_FD_I16X8_RELAXED_DOT_I8X16_I7X16_S;
        u32 const add = OP_FD_I32X4_RELAXED_DOT_I8X16_I7X16_ADD_S;
        CHECK(dot, same(run2(dot, a, b), pairs));
        CHECK(add, same(run3(add, a, b, c), sums));
    }
}

static void
test_bits(void **state)
{
    (void)state;
    static const u32 selects[] = {OP_FD_V128_BITSELECT, OP_FD_I8X16_RELAXED_LANESELECT,
            OP_FD_I16X8_RELAXED_LANESELECT, OP_FD_I32X4_RELAXED_LANESELECT,
            OP_FD_I64X2_RELAXED_LANESELECT};
    gbx_v128 const a = {.u64 = {0xaaaaaaaaffff0000u, 0x0123456789abcdefu}};
    gbx_v128 const b = {.u64 = {0x5555555500ff00ffu, 0xfedcba9876543210u}};
    gbx_v128 const c = {.u64 = {0xffff00000ff0f00fu, 0xff00ff00ff00ff00u}};
    gbx_v128 const want = {.u64 = {0xaaaa55550fff00f0u, 0x01dc45988954cd10u}};
    for (u32 i = 0; i < GBX_LEN(selects); i++) {
        CHECK(selects[i], same(run3(selects[i], a, b, c), want));
    }
    gbx_v128 const r = run1(OP_FD_V128_NOT, a);
    assert_true(r.lo == ~a.lo && r.hi == ~a.hi);
}

/* Lanes and scalars: value in, value out, each lane number, the others kept. */
typedef struct lane_shape {
    u32 bits;
    u16 splat, replace, extract, extract_s; /* extract_s: 0 where there is none */
} lane_shape;

static const lane_shape lane_shapes[] = {
    {8, OP_FD_I8X16_SPLAT, OP_FD_I8X16_REPLACE_LANE, OP_FD_I8X16_EXTRACT_LANE_U,
            OP_FD_I8X16_EXTRACT_LANE_S},
    {16, OP_FD_I16X8_SPLAT, OP_FD_I16X8_REPLACE_LANE, OP_FD_I16X8_EXTRACT_LANE_U,
            OP_FD_I16X8_EXTRACT_LANE_S},
    {32, OP_FD_I32X4_SPLAT, OP_FD_I32X4_REPLACE_LANE, OP_FD_I32X4_EXTRACT_LANE, 0},
    {64, OP_FD_I64X2_SPLAT, OP_FD_I64X2_REPLACE_LANE, OP_FD_I64X2_EXTRACT_LANE, 0},
    {32, OP_FD_F32X4_SPLAT, OP_FD_F32X4_REPLACE_LANE, OP_FD_F32X4_EXTRACT_LANE, 0},
    {64, OP_FD_F64X2_SPLAT, OP_FD_F64X2_REPLACE_LANE, OP_FD_F64X2_EXTRACT_LANE, 0},
};

static void
test_lanes(void **state)
{
    (void)state;
    /* The last two: signalling NaNs, which are to pass as they are. */
    static const u64 values[] = {0, 0x8081828384858687u, UINT64_MAX, 0x7fa00001u, 0x7ff4000000000001u};
    gbx_v128 const old = {.u64 = {0x0706050483828180u, 0x0f0e0d0c0b0a8988u}};
    for (const lane_shape *s = lane_shapes; s < GBX_END(lane_shapes); s++) {
        for (u32 k = 0; k < GBX_LEN(values); k++) {
            gbx_v128 const v = scalar(s->bits < 64 ? (u32)values[k] : values[k]);
            gbx_v128 all = {0};
            for (u8 i = 0; i < 128 / s->bits; i++) {
                lane_set(&all, s->bits, i, (wide)v.lo);
                gbx_v128 want = old;
                lane_set(&want, s->bits, i, (wide)v.lo);
                gbx_v128 const r = run_at(s->replace, &i, NULL, (gbx_v128[]){old, v});
                CHECK(s->replace, same(r, want));
                u64 const whole = (u64)lane(r, s->bits, i, false);
                CHECK(s->extract, run_at(s->extract, &i, NULL, &r).lo == whole);
                if (!s->extract_s) continue;
                u32 const sign = (u32)lane(r, s->bits, i, true);
                CHECK(s->extract_s, run_at(s->extract_s, &i, NULL, &r).lo == sign);
            }
            CHECK(s->splat, same(run1(s->splat, v), all));
        }
    }
}

static void
test_bytes(void **state)
{
    (void)state;
    gbx_v128 a = {0}, b = {0};
    for (u8 i = 0; i < 16; i++) {
        a.u8[i] = (u8)(0xa0 + i);
        b.u8[i] = (u8)(0xb0 + i);
    }
    u8 const imm[16] = {0, 15, 16, 31, 1, 30, 14, 17, 0, 0, 31, 31, 8, 7, 24, 23};
    gbx_v128 r = run_at(OP_FD_I8X16_SHUFFLE, imm, NULL, (gbx_v128[]){a, b});
    for (u32 i = 0; i < 16; i++) {
        assert_int_equal(r.u8[i], imm[i] < 16 ? 0xa0 + imm[i] : 0xb0 + imm[i] - 16);
    }
    assert_true(same(run_at(OP_FD_V128_CONST, a.u8, NULL, NULL), a));
    static const u32 swizzles[] = {OP_FD_I8X16_SWIZZLE, OP_FD_I8X16_RELAXED_SWIZZLE};
    gbx_v128 const at = {.u8 = {0, 15, 16, 17, 127, 128, 129, 143, 144, 240, 255, 1, 14, 31, 32, 15}};
    for (u32 k = 0; k < 2; k++) {
        r = run2(swizzles[k], a, at);
        for (u32 i = 0; i < 16; i++) {
            CHECK(swizzles[k], r.u8[i] == (at.u8[i] < 16 ? 0xa0 + at.u8[i] : 0));
        }
    }
}

/* Memory: a block of just the bytes of the access, so that a sanitizer sees one more. */
typedef struct load_case {
    u16 op;
    u8 from, to; /* bits of a lane in memory and in the vector */
    bool sign;
} load_case;

static void
test_loads(void **state)
{
    (void)state;
    static const load_case cases[] = {{OP_FD_V128_LOAD8X8_S, 8, 16, true},
            {OP_FD_V128_LOAD8X8_U, 8, 16, false}, {OP_FD_V128_LOAD16X4_S, 16, 32, true},
            {OP_FD_V128_LOAD16X4_U, 16, 32, false}, {OP_FD_V128_LOAD32X2_S, 32, 64, true},
            {OP_FD_V128_LOAD32X2_U, 32, 64, false}, {OP_FD_V128_LOAD, 64, 64, false}};
    static const u8 bytes[16] = {0x80, 0x81, 0x7f, 0xff, 0, 1, 0xfe, 0x83, 4, 5, 6, 7, 8, 9, 10, 0xff};
    for (const load_case *c = cases; c < GBX_END(cases); c++) {
        u32 const access = 16u * c->from / c->to;
        assert_int_equal(gbx_interp_simd_rows[c->op].access, access);
        u8 *const mem = test_malloc(access);
        memcpy(mem, bytes, access);
        gbx_v128 from, want = {0};
        memcpy(&from, bytes, sizeof from);
        for (u32 i = 0; i < 128u / c->to; i++) {
            lane_set(&want, c->to, i, lane(from, c->from, i, c->sign));
        }
        gbx_v128 const address = scalar(12345);
        CHECK(c->op, same(run_at(c->op, NULL, mem, &address), want));
        assert_memory_equal(mem, bytes, access);
        test_free(mem);
    }
}

typedef struct mem_shape {
    u32 bits;
    u16 splat, load, store, zero; /* zero: 0 where there is none */
} mem_shape;

static const mem_shape mem_shapes[] = {
    {8, OP_FD_V128_LOAD8_SPLAT, OP_FD_V128_LOAD8_LANE, OP_FD_V128_STORE8_LANE, 0},
    {16, OP_FD_V128_LOAD16_SPLAT, OP_FD_V128_LOAD16_LANE, OP_FD_V128_STORE16_LANE, 0},
    {32, OP_FD_V128_LOAD32_SPLAT, OP_FD_V128_LOAD32_LANE, OP_FD_V128_STORE32_LANE,
            OP_FD_V128_LOAD32_ZERO},
    {64, OP_FD_V128_LOAD64_SPLAT, OP_FD_V128_LOAD64_LANE, OP_FD_V128_STORE64_LANE,
            OP_FD_V128_LOAD64_ZERO},
};

static void
test_lanes_of_memory(void **state)
{
    (void)state;
    u64 const value = 0x8182838485868788u;
    gbx_v128 const old = {.u64 = {0x1716151413121110u, 0x1f1e1d1c1b1a1918u}}, address = scalar(7);
    for (const mem_shape *s = mem_shapes; s < GBX_END(mem_shapes); s++) {
        u32 const access = s->bits / 8;
        assert_int_equal(gbx_interp_simd_rows[s->load].access, access);
        assert_int_equal(gbx_interp_simd_rows[s->store].access, access);
        u8 *const mem = test_malloc(access);
        memcpy(mem, &value, access);
        gbx_v128 splat = {0}, zero = {0};
        lane_set(&zero, s->bits, 0, (wide)value);
        for (u8 i = 0; i < 128 / s->bits; i++) {
            lane_set(&splat, s->bits, i, (wide)value);
            gbx_v128 want = old;
            lane_set(&want, s->bits, i, (wide)value);
            CHECK(s->load, same(run_at(s->load, &i, mem, (gbx_v128[]){address, old}), want));
        }
        CHECK(s->splat, same(run_at(s->splat, NULL, mem, &address), splat));
        if (s->zero) CHECK(s->zero, same(run_at(s->zero, NULL, mem, &address), zero));
        assert_memory_equal(mem, &value, access);
        for (u8 i = 0; i < 128 / s->bits; i++) {
            run_at(s->store, &i, mem, (gbx_v128[]){address, old});
            CHECK(s->store, memcmp(mem, &old.u8[i * access], access) == 0);
        }
        test_free(mem);
    }
    u8 *const mem = test_malloc(16);
    run_at(OP_FD_V128_STORE, NULL, mem, (gbx_v128[]){address, old});
    assert_memory_equal(mem, &old, 16);
    test_free(mem);
}

/* Floating point, by bits. A row of results holds for both widths: the f32 values are converted where
 * they are numbers, and spelt out where they are not. */
#define NAN32 0x7fc00000u
#define SNAN32 0x7fa00001u
#define NAN64 0x7ff8000000000000u
#define SNAN64 0x7ff4000000000001u
#define INF HUGE_VALF

static u32
bits32(f32 v)
{
    u32 bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static u64
bits64(f64 v)
{
    u64 bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static bool
quiet32(u32 bits)
{
    return (bits & NAN32) == NAN32;
}

static bool
quiet64(u64 bits)
{
    return (bits & NAN64) == NAN64;
}

/* The value in lanes 1 and 3, something else between: no lane looks at another. */
static gbx_v128
f32_lanes(u32 bits)
{
    return (gbx_v128){.u32 = {bits32(1.5f), bits, bits32(0.25f), bits}};
}

static gbx_v128
f64_lanes(u64 bits)
{
    return (gbx_v128){.u64 = {bits64(1.5), bits}};
}

/* Both widths of an instruction over numbers that an f32 has; NaN wants any quiet one. */
static void
check_number(u32 op32, u32 op64, f32 a, f32 b, f32 want)
{
    gbx_v128 const r = run2(op32, f32_lanes(bits32(a)), f32_lanes(bits32(b)));
    gbx_v128 const s = run2(op64, f64_lanes(bits64(a)), f64_lanes(bits64(b)));
    for (u32 i = 1; i < 4; i += 2) {
        CHECK(op32, want == want ? r.u32[i] == bits32(want) : quiet32(r.u32[i]));
    }
    CHECK(op64, want == want ? s.u64[1] == bits64(want) : quiet64(s.u64[1]));
}

typedef struct float_case {
    u16 op32, op64;
    f32 a, b, want;
} float_case;

#define BOTH(name) OP_FD_F32X4_##name, OP_FD_F64X2_##name

static const float_case float_cases[] = {
    {BOTH(ADD), 1.5f, 0.25f, 1.75f}, {BOTH(ADD), 0.0f, -0.0f, 0.0f}, {BOTH(ADD), -0.0f, -0.0f, -0.0f},
    {BOTH(ADD), INF, -INF, NAN}, {BOTH(SUB), 1.5f, 0.25f, 1.25f}, {BOTH(SUB), -0.0f, 0.0f, -0.0f},
    {BOTH(SUB), INF, INF, NAN}, {BOTH(MUL), -1.5f, 0.5f, -0.75f}, {BOTH(MUL), -0.0f, 3.0f, -0.0f},
    {BOTH(MUL), INF, 0.0f, NAN}, {BOTH(DIV), 1.0f, -0.0f, -INF}, {BOTH(DIV), 0.0f, 0.0f, NAN},
    {BOTH(DIV), -3.0f, 2.0f, -1.5f}, {BOTH(DIV), 1.0f, -INF, -0.0f},
    {BOTH(MIN), 1.0f, 2.0f, 1.0f}, {BOTH(MIN), 2.0f, -INF, -INF}, {BOTH(MIN), 0.0f, -0.0f, -0.0f},
    {BOTH(MIN), -0.0f, 0.0f, -0.0f}, {BOTH(MIN), NAN, 1.0f, NAN}, {BOTH(MIN), 1.0f, NAN, NAN},
    {BOTH(MAX), 1.0f, 2.0f, 2.0f}, {BOTH(MAX), INF, 2.0f, INF}, {BOTH(MAX), 0.0f, -0.0f, 0.0f},
    {BOTH(MAX), -0.0f, 0.0f, 0.0f}, {BOTH(MAX), NAN, 1.0f, NAN}, {BOTH(MAX), 1.0f, NAN, NAN},
    {BOTH(RELAXED_MIN), 1.0f, 2.0f, 1.0f}, {BOTH(RELAXED_MIN), 0.0f, -0.0f, -0.0f},
    {BOTH(RELAXED_MIN), -0.0f, 0.0f, -0.0f}, {BOTH(RELAXED_MIN), 1.0f, NAN, NAN},
    {BOTH(RELAXED_MIN), NAN, 1.0f, NAN}, {BOTH(RELAXED_MAX), 1.0f, 2.0f, 2.0f},
    {BOTH(RELAXED_MAX), 0.0f, -0.0f, 0.0f}, {BOTH(RELAXED_MAX), -0.0f, 0.0f, 0.0f},
    {BOTH(RELAXED_MAX), 1.0f, NAN, NAN}, {BOTH(RELAXED_MAX), NAN, 1.0f, NAN},
    {BOTH(PMIN), 1.0f, 2.0f, 1.0f}, {BOTH(PMIN), 2.0f, 1.0f, 1.0f}, {BOTH(PMIN), 0.0f, -0.0f, 0.0f},
    {BOTH(PMIN), -0.0f, 0.0f, -0.0f}, {BOTH(PMIN), 1.0f, NAN, 1.0f}, {BOTH(PMIN), NAN, 1.0f, NAN},
    {BOTH(PMAX), 1.0f, 2.0f, 2.0f}, {BOTH(PMAX), 2.0f, 1.0f, 2.0f}, {BOTH(PMAX), 0.0f, -0.0f, 0.0f},
    {BOTH(PMAX), -0.0f, 0.0f, -0.0f}, {BOTH(PMAX), 1.0f, NAN, 1.0f}, {BOTH(PMAX), NAN, 1.0f, NAN},
    {BOTH(ABS), -1.5f, 0, 1.5f}, {BOTH(ABS), 2.0f, 0, 2.0f}, {BOTH(ABS), -INF, 0, INF},
    {BOTH(NEG), 1.5f, 0, -1.5f}, {BOTH(NEG), -1.5f, 0, 1.5f}, {BOTH(NEG), 0.0f, 0, -0.0f},
    {BOTH(NEG), -0.0f, 0, 0.0f}, {BOTH(SQRT), 2.25f, 0, 1.5f}, {BOTH(SQRT), -0.0f, 0, -0.0f},
    {BOTH(SQRT), -1.0f, 0, NAN}, {BOTH(SQRT), INF, 0, INF}, {BOTH(SQRT), NAN, 0, NAN},
    {BOTH(CEIL), 1.25f, 0, 2.0f}, {BOTH(CEIL), -0.5f, 0, -0.0f}, {BOTH(CEIL), -1.5f, 0, -1.0f},
    {BOTH(CEIL), INF, 0, INF}, {BOTH(FLOOR), 1.75f, 0, 1.0f}, {BOTH(FLOOR), -0.5f, 0, -1.0f},
    {BOTH(FLOOR), -0.0f, 0, -0.0f}, {BOTH(FLOOR), 0.5f, 0, 0.0f}, {BOTH(TRUNC), 1.75f, 0, 1.0f},
    {BOTH(TRUNC), -1.75f, 0, -1.0f}, {BOTH(TRUNC), -0.75f, 0, -0.0f}, {BOTH(TRUNC), -INF, 0, -INF},
    {BOTH(NEAREST), 0.5f, 0, 0.0f}, {BOTH(NEAREST), 1.5f, 0, 2.0f}, {BOTH(NEAREST), 2.5f, 0, 2.0f},
    {BOTH(NEAREST), -0.5f, 0, -0.0f}, {BOTH(NEAREST), -3.5f, 0, -4.0f},
    {BOTH(NEAREST), 8388609.0f, 0, 8388609.0f}, {BOTH(CEIL), 8388607.5f, 0, 8388608.0f},
};

static void
test_float_numbers(void **state)
{
    (void)state;
    for (const float_case *c = float_cases; c < GBX_END(float_cases); c++) {
        check_number(c->op32, c->op64, c->a, c->b, c->want);
    }
    /* What only the wider type has. */
    gbx_v128 const big = {.f64 = {0x1.fffffffffffffp51, -0x1.0000000000001p52}};
    assert_true(run1(OP_FD_F64X2_FLOOR, big).f64[0] == 0x1.ffffffffffffep51);
    assert_true(run1(OP_FD_F64X2_NEAREST, big).f64[0] == 0x1p52); /* a tie, to even */
    assert_true(run1(OP_FD_F64X2_TRUNC, big).f64[1] == -0x1.0000000000001p52);
}

/* A signalling NaN comes out quiet of arithmetic, and as it was of what moves bits. */
static void
test_float_nans(void **state)
{
    (void)state;
    static const u16 quieting[][2] = {{BOTH(ADD)}, {BOTH(SUB)}, {BOTH(MUL)}, {BOTH(DIV)}, {BOTH(MIN)},
            {BOTH(MAX)}, {BOTH(RELAXED_MIN)}, {BOTH(RELAXED_MAX)}, {BOTH(SQRT)}, {BOTH(CEIL)},
            {BOTH(FLOOR)}, {BOTH(TRUNC)}, {BOTH(NEAREST)}, {BOTH(RELAXED_MADD)}, {BOTH(RELAXED_NMADD)}};
    gbx_v128 const one32 = f32_lanes(bits32(1)), one64 = f64_lanes(bits64(1));
    gbx_v128 const nan32 = f32_lanes(SNAN32), nan64 = f64_lanes(SNAN64);
    for (u32 i = 0; i < GBX_LEN(quieting); i++) {
        u32 const f = quieting[i][0], d = quieting[i][1];
        CHECK(f, quiet32(run3(f, nan32, one32, one32).u32[1]));
        CHECK(d, quiet64(run3(d, nan64, one64, one64).u64[1]));
        if (gbx_interp_simd_rows[f].takes < 2) continue;
        CHECK(f, quiet32(run3(f, one32, nan32, one32).u32[3]));
        CHECK(d, quiet64(run3(d, one64, nan64, one64).u64[1]));
    }
    assert_int_equal(run1(OP_FD_F32X4_ABS, f32_lanes(SNAN32 | 1u << 31)).u32[3], SNAN32);
    assert_int_equal(run1(OP_FD_F32X4_ABS, f32_lanes(1u << 31)).u32[1], 0);
    assert_int_equal(run1(OP_FD_F32X4_NEG, nan32).u32[1], SNAN32 | 1u << 31);
    assert_int_equal(run1(OP_FD_F64X2_ABS, f64_lanes(SNAN64 | 1ull << 63)).u64[1], SNAN64);
    assert_int_equal(run1(OP_FD_F64X2_NEG, nan64).u64[1], SNAN64 | 1ull << 63);
    assert_int_equal(run2(OP_FD_F32X4_PMIN, nan32, one32).u32[1], SNAN32);
    assert_int_equal(run2(OP_FD_F32X4_PMAX, nan32, one32).u32[1], SNAN32);
    assert_int_equal(run2(OP_FD_F32X4_PMIN, one32, nan32).u32[1], bits32(1));
    assert_int_equal(run2(OP_FD_F64X2_PMIN, nan64, one64).u64[1], SNAN64);
    assert_int_equal(run2(OP_FD_F64X2_PMAX, nan64, one64).u64[1], SNAN64);
    assert_int_equal(run2(OP_FD_F64X2_PMAX, one64, nan64).u64[1], bits64(1));
}

/* The six comparisons, in the order of the table: of each pair of values, which hold. */
static void
test_float_compare(void **state)
{
    (void)state;
    enum { EQ_ = 1, NE_ = 2, LT_ = 4, GT_ = 8, LE_ = 16, GE_ = 32 };
    static const struct {
        f32 a, b;
        u32 hold;
    } cases[] = {{1, 1, EQ_ | LE_ | GE_}, {1, 2, NE_ | LT_ | LE_}, {2, 1, NE_ | GT_ | GE_},
            {0.0f, -0.0f, EQ_ | LE_ | GE_}, {-INF, INF, NE_ | LT_ | LE_}, {NAN, 1, NE_}, {1, NAN, NE_},
            {NAN, NAN, NE_}};
    static const u16 ops[][2] = {{BOTH(EQ)}, {BOTH(NE)}, {BOTH(LT)}, {BOTH(GT)}, {BOTH(LE)}, {BOTH(GE)}};
    for (u32 c = 0; c < GBX_LEN(cases); c++) {
        for (u32 i = 0; i < GBX_LEN(ops); i++) {
            u64 const want = cases[c].hold >> i & 1 ? UINT64_MAX : 0;
            f32 const a = cases[c].a, b = cases[c].b;
            gbx_v128 const r = run2(ops[i][0], f32_lanes(bits32(a)), f32_lanes(bits32(b)));
            gbx_v128 const s = run2(ops[i][1], f64_lanes(bits64(a)), f64_lanes(bits64(b)));
            CHECK(ops[i][0], r.u32[1] == (u32)want && r.u32[3] == (u32)want);
            CHECK(ops[i][1], s.u64[1] == want);
        }
    }
}

/* To integers: NaN gives 0, the rest the nearest value there is. */
typedef struct trunc_case {
    f64 v;
    i32 want_s;
    u32 want_u;
} trunc_case;

static void
test_trunc(void **state)
{
    (void)state;
    static const trunc_case cases[] = {{1.9, 1, 1}, {-1.9, -1, 0}, {-0.9, 0, 0}, {-0.0, 0, 0}, {NAN, 0, 0},
            {HUGE_VAL, INT32_MAX, UINT32_MAX}, {-HUGE_VAL, INT32_MIN, 0},
            {2147483520.0, 2147483520, 2147483520u}, {2147483648.0, INT32_MAX, 2147483648u},
            {-2147483648.0, INT32_MIN, 0}, {-2147483904.0, INT32_MIN, 0},
            {4294967040.0, INT32_MAX, 4294967040u}, {4294967296.0, INT32_MAX, UINT32_MAX}};
    static const trunc_case only_f64[] = {{2147483647.9, INT32_MAX, INT32_MAX},
            {-2147483647.5, -2147483647, 0}, {-2147483648.9, INT32_MIN, 0}, {-2147483649.0, INT32_MIN, 0},
            {4294967295.9, INT32_MAX, UINT32_MAX}};
    static const u16 ops[][4] = {
        {OP_FD_I32X4_TRUNC_SAT_F32X4_S, OP_FD_I32X4_TRUNC_SAT_F32X4_U,
                OP_FD_I32X4_TRUNC_SAT_F64X2_S_ZERO, OP_FD_I32X4_TRUNC_SAT_F64X2_U_ZERO},
        {OP_FD_I32X4_RELAXED_TRUNC_F32X4_S, OP_FD_I32X4_RELAXED_TRUNC_F32X4_U,
                OP_FD_I32X4_RELAXED_TRUNC_F64X2_S_ZERO, OP_FD_I32X4_RELAXED_TRUNC_F64X2_U_ZERO}};
    u32 const all = GBX_LEN(cases) + GBX_LEN(only_f64);
    for (u32 i = 0; i < 2 * all; i++) {
        const u16 *const op = ops[i % 2];
        bool const is_f32 = i / 2 < GBX_LEN(cases);
        trunc_case const c = is_f32 ? cases[i / 2] : only_f64[i / 2 - GBX_LEN(cases)];
        gbx_v128 const d = {.f64 = {-7.5, c.v}};
        gbx_v128 r = run1(op[2], d);
        CHECK(op[2], r.i32[0] == -7 && r.i32[1] == c.want_s && r.hi == 0);
        r = run1(op[3], d);
        CHECK(op[3], r.u32[0] == 0 && r.u32[1] == c.want_u && r.hi == 0);
        if (!is_f32) continue;
        gbx_v128 const f = {.f32 = {(f32)c.v, -7.5f, 7.5f, (f32)c.v}};
        r = run1(op[0], f);
        CHECK(op[0], r.i32[0] == c.want_s && r.i32[1] == -7 && r.i32[2] == 7 && r.i32[3] == c.want_s);
        r = run1(op[1], f);
        CHECK(op[1], r.u32[0] == c.want_u && r.u32[1] == 0 && r.u32[2] == 7 && r.u32[3] == c.want_u);
    }
}

static void
test_convert(void **state)
{
    (void)state;
    gbx_v128 const v = {.u32 = {0x80000000u, 16777217, UINT32_MAX, 5}};
    gbx_v128 r = run1(OP_FD_F32X4_CONVERT_I32X4_S, v);
    assert_memory_equal(r.f32, ((f32[]){-2147483648.0f, 16777216.0f, -1.0f, 5.0f}), 16);
    r = run1(OP_FD_F32X4_CONVERT_I32X4_U, v);
    assert_memory_equal(r.f32, ((f32[]){2147483648.0f, 16777216.0f, 4294967296.0f, 5.0f}), 16);
    r = run1(OP_FD_F64X2_CONVERT_LOW_I32X4_S, v);
    assert_memory_equal(r.f64, ((f64[]){-2147483648.0, 16777217.0}), 16);
    r = run1(OP_FD_F64X2_CONVERT_LOW_I32X4_U, v);
    assert_memory_equal(r.f64, ((f64[]){2147483648.0, 16777217.0}), 16);

    r = run1(OP_FD_F32X4_DEMOTE_F64X2_ZERO, (gbx_v128){.f64 = {1e300, -0x1.000001p0}});
    assert_memory_equal(r.f32, ((f32[]){INF, -1.0f, 0, 0}), 16); /* past the range; a tie, to even */
    r = run1(OP_FD_F32X4_DEMOTE_F64X2_ZERO, (gbx_v128){.u64 = {SNAN64, bits64(0x1p-149)}});
    assert_true(quiet32(r.u32[0]) && r.u32[1] == 1 && r.hi == 0);
    r = run1(OP_FD_F64X2_PROMOTE_LOW_F32X4, (gbx_v128){.u32 = {1, SNAN32, 7, 7}});
    assert_true(r.f64[0] == 0x1p-149 && quiet64(r.u64[1]));
}

/* The product is rounded, then the sum: a fused instruction would see what the first rounding drops. */
static void
test_madd(void **state)
{
    (void)state;
    gbx_v128 const a = {.f32 = {1 + FLT_EPSILON, 2, FLT_MAX, 1 + FLT_EPSILON}};
    gbx_v128 const b = {.f32 = {1 - FLT_EPSILON, 3, 2, -1 + FLT_EPSILON}};
    gbx_v128 const c = {.f32 = {-1, 4, -FLT_MAX, 1}};
    gbx_v128 r = run3(OP_FD_F32X4_RELAXED_MADD, a, b, c);
    assert_memory_equal(r.f32, ((f32[]){0, 10, INF, 0}), 16);
    r = run3(OP_FD_F32X4_RELAXED_NMADD, a, b, c);
    assert_memory_equal(r.f32, ((f32[]){-2, -2, -INF, 2}), 16);
    gbx_v128 const d = {.f64 = {1 + DBL_EPSILON, 2}}, e = {.f64 = {1 - DBL_EPSILON, 3}};
    gbx_v128 const f = {.f64 = {-1, 4}};
    r = run3(OP_FD_F64X2_RELAXED_MADD, d, e, f);
    assert_memory_equal(r.f64, ((f64[]){0, 10}), 16);
    r = run3(OP_FD_F64X2_RELAXED_NMADD, d, e, f);
    assert_memory_equal(r.f64, ((f64[]){-2, -2}), 16);
    assert_true(fmaf(a.f32[0], b.f32[0], c.f32[0]) != 0); /* the operands do tell the two apart */
    assert_true(fma(d.f64[0], e.f64[0], f.f64[0]) != 0);
}

/* What opcodes_fd.def says of a row is what the interpreter is told of it. */
static void
test_table(void **state)
{
    (void)state;
    enum { T_NIL, T_I32, T_I64, T_F32, T_F64, T_V128 };
    static const struct {
        u16 op;
        const char *imm;
        u8 a, b, c, out;
    } rows[] = {
#define OP_FD(number, name, text, imm, a, b, c, out, meaning) \
    {number, #imm, T_##a, T_##b, T_##c, T_##out},
#include "wasm/opcodes_fd.def"
#undef OP_FD
    };
    u32 relaxed = 0;
    for (u32 i = 0; i < GBX_LEN(rows); i++) {
        const simd_row *const r = &gbx_interp_simd_rows[rows[i].op];
        CHECK(rows[i].op, r->run != NULL);
        for (u32 k = 0; k < i; k++) {
            CHECK(rows[i].op, r->run != gbx_interp_simd_rows[rows[k].op].run);
        }
        CHECK(rows[i].op, i == 0 || rows[i].op > rows[i - 1].op);
        int const takes = (rows[i].a != T_NIL) + (rows[i].b != T_NIL) + (rows[i].c != T_NIL);
        CHECK(rows[i].op, r->takes == takes && r->gives == (rows[i].out != T_NIL));
        CHECK(rows[i].op, r->gives_vec == (rows[i].out == T_V128));
        const char *const mem = strstr(rows[i].imm, "MEM");
        CHECK(rows[i].op, r->access == (mem ? strtoul(mem + 3, NULL, 10) : 0));
        bool const is_lane = strncmp(rows[i].imm, "LANE", 4) == 0;
        bool const is_vec = strcmp(rows[i].imm, "V128") == 0 || strcmp(rows[i].imm, "SHUFFLE") == 0;
        CHECK(rows[i].op, r->imm_bytes == (is_lane ? 1 : is_vec ? 16 : 0));
        relaxed += rows[i].op >= OP_FD_RELAXED;
    }
    /* SPEC: core/appendix/index-instructions.html: as many as the text has. */
    assert_int_equal(GBX_LEN(rows) - relaxed, 236);
    assert_int_equal(relaxed, 20);
}

/* Last: each instruction has been run by the tests above. */
static void
test_all_ran(void **state)
{
    (void)state;
    for (u32 op = 0; op < OP_FD_COUNT; op++) {
        const char *const text = gbx_wasm_ops_fd[op].text;
        if (text && !ran[op]) fail_msg("no test has run %s", text);
        assert_true(!text == !gbx_interp_simd_rows[op].run);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),         cmocka_unit_test(test_integer_pairs),
        cmocka_unit_test(test_integer_limits), cmocka_unit_test(test_integer_single),
        cmocka_unit_test(test_truth),         cmocka_unit_test(test_shifts),
        cmocka_unit_test(test_widening),      cmocka_unit_test(test_narrowing),
        cmocka_unit_test(test_dot),           cmocka_unit_test(test_bits),
        cmocka_unit_test(test_lanes),         cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_loads),         cmocka_unit_test(test_lanes_of_memory),
        cmocka_unit_test(test_float_numbers), cmocka_unit_test(test_float_nans),
        cmocka_unit_test(test_float_compare), cmocka_unit_test(test_trunc),
        cmocka_unit_test(test_convert),       cmocka_unit_test(test_madd),
        cmocka_unit_test(test_all_ran),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
