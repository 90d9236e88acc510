/* The limits of limits.def by name, and their rows for messages and documentation. */
#ifndef GBX_WASM_LIMITS_H
#define GBX_WASM_LIMITS_H

#include "base/base.h"

/* WASM_MAX_TYPES and so on, and what is said when one is passed: WASM_WHY_TYPES. */
#define GBX_LIMIT(name, value, slug, reason)                          \
    static const u64 WASM_MAX_##name __attribute__((unused)) = (value); \
    static const char WASM_WHY_##name[] __attribute__((unused)) =       \
            "over the limit " slug " (" #value ")";
#include "wasm/limits.def"
#undef GBX_LIMIT

typedef struct wasm_limit_row {
    const char *name, *slug, *reason;
    u64 value;
} wasm_limit_row;

/* All rows in the order of limits.def. */
const wasm_limit_row *gbx_wasm_limit_rows(u32 *count);

#endif
