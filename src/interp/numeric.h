/* The arithmetic of WebAssembly where C's own differs: slots <-> typed values, min and max, the
 * saturating conversions. SPEC: core/exec/numerics.html */
#ifndef GBX_INTERP_NUMERIC_H
#define GBX_INTERP_NUMERIC_H

#include <math.h>
#include <string.h>

#include "base/base.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "guest memory is little-endian");
_Static_assert((-1 >> 1) == -1, "signed right shifts keep the sign");

/* A slot as a typed value, and back. i32 and f32 have a zero upper half (RULE: S3). */
#define SLOT_GET_u32(s) ((u32)(s))
#define SLOT_GET_i32(s) ((i32)(u32)(s))
#define SLOT_GET_u64(s) (s)
#define SLOT_GET_i64(s) ((i64)(s))
#define SLOT_GET_f32(s) interp_to_f32(s)
#define SLOT_GET_f64(s) interp_to_f64(s)
#define SLOT_PUT_u32(v) ((u64)(u32)(v))
#define SLOT_PUT_i32(v) ((u64)(u32)(v))
#define SLOT_PUT_u64(v) ((u64)(v))
#define SLOT_PUT_i64(v) ((u64)(v))
#define SLOT_PUT_f32(v) interp_from_f32(v)
#define SLOT_PUT_f64(v) interp_from_f64(v)

static inline f32
interp_to_f32(u64 slot)
{
    u32 const bits = (u32)slot;
    f32 v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline f64
interp_to_f64(u64 slot)
{
    f64 v;
    memcpy(&v, &slot, sizeof v);
    return v;
}

static inline u64
interp_from_f32(f32 v)
{
    u32 bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static inline u64
interp_from_f64(f64 v)
{
    u64 bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

/* The C library's rounding functions may hand a signalling NaN through; the text wants a quiet one. */
static inline f32
interp_quiet32(f32 v)
{
    return v + 0.0f == v ? v : v + v;
}

static inline f64
interp_quiet64(f64 v)
{
    return v + 0.0 == v ? v : v + v;
}

/* Sums and products. Of two NaNs the first is the result, as in compiled code: C would let its compiler turn
 * the operands round. */
#if defined(__x86_64__)
#define INTERP_ORDERED(name, type, op, insn)                   \
    static inline type name(type a, type b)                    \
    {                                                          \
        __asm__(insn " %1, %0" : "+x"(a) : "x"(b));            \
        return a;                                              \
    }
#else
#define INTERP_ORDERED(name, type, op, insn)                   \
    static inline type name(type a, type b)                    \
    {                                                          \
        return a op b;                                         \
    }
#endif
INTERP_ORDERED(interp_add32, f32, +, "addss")
INTERP_ORDERED(interp_mul32, f32, *, "mulss")
INTERP_ORDERED(interp_add64, f64, +, "addsd")
INTERP_ORDERED(interp_mul64, f64, *, "mulsd")

/* A NaN wins; -0 is below +0. */
static inline f32
interp_min32(f32 a, f32 b)
{
    if (a != a || b != b) return interp_add32(a, b);
    if (a == b) return signbit(a) ? a : b;
    return a < b ? a : b;
}

static inline f32
interp_max32(f32 a, f32 b)
{
    if (a != a || b != b) return interp_add32(a, b);
    if (a == b) return signbit(a) ? b : a;
    return a > b ? a : b;
}

static inline f64
interp_min64(f64 a, f64 b)
{
    if (a != a || b != b) return interp_add64(a, b);
    if (a == b) return signbit(a) ? a : b;
    return a < b ? a : b;
}

static inline f64
interp_max64(f64 a, f64 b)
{
    if (a != a || b != b) return interp_add64(a, b);
    if (a == b) return signbit(a) ? b : a;
    return a > b ? a : b;
}

/* Any NaN as the one that is positive and has no payload. */
static inline f32
interp_canon32(f32 v)
{
    return v != v ? interp_to_f32(0x7fc00000u) : v;
}

static inline f64
interp_canon64(f64 v)
{
    return v != v ? interp_to_f64(0x7ff8000000000000u) : v;
}
#define INTERP_CANON_f32 interp_canon32
#define INTERP_CANON_f64 interp_canon64

/* trunc_sat: NaN gives 0, what is out of range the nearest value in it. An f32 is exact as an f64. */
static inline i32
interp_sat_i32(f64 v)
{
    return v != v ? 0 : v <= -2147483648.0 ? INT32_MIN : v >= 2147483647.0 ? INT32_MAX : (i32)v;
}

static inline u32
interp_sat_u32(f64 v)
{
    return !(v > -1.0) ? 0 : v >= 4294967295.0 ? UINT32_MAX : (u32)v;
}

static inline i64
interp_sat_i64(f64 v)
{
    return v != v                           ? 0
           : v <= -9223372036854775808.0    ? INT64_MIN
           : v >= 9223372036854775808.0     ? INT64_MAX
                                            : (i64)v;
}

static inline u64
interp_sat_u64(f64 v)
{
    return !(v > -1.0) ? 0 : v >= 18446744073709551616.0 ? UINT64_MAX : (u64)v;
}

#endif
