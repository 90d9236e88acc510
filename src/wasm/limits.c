/* The rows of limits.def. */
#include "wasm/limits.h"

static const wasm_limit_row limit_rows[] = {
#define GBX_LIMIT(name, value, slug, reason) {#name, slug, reason, value},
#include "wasm/limits.def"
#undef GBX_LIMIT
};

const wasm_limit_row *
gbx_wasm_limit_rows(u32 *count)
{
    *count = (u32)GBX_LEN(limit_rows);
    return limit_rows;
}
