/* The words every file uses: integer types, assertions, and the two propagation macros.
 *
 * Two kinds of check and no third: GBX_ASSERT is always on and aborts, because it can only fail by a
 * mistake of ours; GBX_ASSERT_SLOW is compiled in with GBX_CHECK >= 2. Input is never asserted. */
#ifndef GBX_BASE_BASE_H
#define GBX_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gbx/error.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t i8;
typedef int16_t i16;
typedef int32_t i32;
typedef int64_t i64;
typedef float f32;
typedef double f64;

#define GBX_MUST_USE __attribute__((warn_unused_result))
#define GBX_PRINTF(fmt_at, arg_at) __attribute__((format(printf, fmt_at, arg_at)))
#define GBX_NORETURN __attribute__((noreturn))
/* A local that is written before it is read. PERF: builds zero all locals, and 256 bytes of them are half of
 * a host call (bench/calls). */
#define GBX_UNINIT __attribute__((uninitialized))
#define GBX_LIKELY(c) __builtin_expect(!!(c), 1)
#define GBX_UNLIKELY(c) __builtin_expect(!!(c), 0)

/* Elements in an array, and one past its last; never use on a pointer. */
#define GBX_LEN(array) (sizeof(array) / sizeof((array)[0]))
#define GBX_END(array) ((array) + GBX_LEN(array))

GBX_NORETURN void gbx_base_assert_fail(const char *file, int line, const char *what);

#define GBX_ASSERT(cond)                                                        \
    do {                                                                        \
        if (GBX_UNLIKELY(!(cond))) gbx_base_assert_fail(__FILE__, __LINE__, #cond); \
    } while (0)

#define GBX_UNREACHABLE(why) gbx_base_assert_fail(__FILE__, __LINE__, (why))

#ifndef GBX_CHECK
#define GBX_CHECK 1
#endif
#define GBX_ASSERT_SLOW(cond)                                                   \
    do {                                                                        \
        if (GBX_CHECK >= 2) GBX_ASSERT(cond);                                   \
    } while (0)

/* Propagate a failure as it is, or with one more clause of context on its message. */
#define GBX_TRY(call)                                                           \
    do {                                                                        \
        gbx_code const try_code_ = (call);                                      \
        if (GBX_UNLIKELY(try_code_ != GBX_OK)) return try_code_;                \
    } while (0)

#define GBX_TRY_IN(call, err, ...)                                              \
    do {                                                                        \
        gbx_code const try_code_ = (call);                                      \
        if (GBX_UNLIKELY(try_code_ != GBX_OK))                                  \
            return gbx_base_err_add((err), try_code_, __VA_ARGS__);             \
    } while (0)

/* Record the first cause of a failure. `offset` is a byte offset into the module file, or
 * GBX_NO_OFFSET. err may be NULL. Returns `code`, so that it can stand in a return statement. */
gbx_code gbx_base_err_set(gbx_err *err, gbx_code code, u64 offset, const char *fmt, ...)
        GBX_PRINTF(4, 5);

/* Append "; <clause>" to the message of a failure on its way up; the first cause stays first.
 * err may be NULL. Returns `code`. */
gbx_code gbx_base_err_add(gbx_err *err, gbx_code code, const char *fmt, ...) GBX_PRINTF(3, 4);

#define GBX_NO_OFFSET UINT64_MAX

static inline u64
min_u64(u64 a, u64 b)
{
    return a < b ? a : b;
}

static inline u32
min_u32(u32 a, u32 b)
{
    return a < b ? a : b;
}

static inline u32
max_u32(u32 a, u32 b)
{
    return a > b ? a : b;
}

static inline u64
max_u64(u64 a, u64 b)
{
    return a > b ? a : b;
}

#endif
