/* Values as a host has them, and as they stand in slots. */
#ifndef GBX_RUNTIME_VALUE_H
#define GBX_RUNTIME_VALUE_H

#include <string.h>

#include "base/base.h"
#include "gbx/host.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "members of gbx_val.of begin as a slot does");

/* `high` is 0 but for a v128. */
static inline void
value_put(gbx_val *out, gbx_valtype type, u64 low, u64 high)
{
    out->type = type;
    memcpy(out->of.v128, &low, sizeof low);
    memcpy(out->of.v128 + sizeof low, &high, sizeof high);
}

/* i32 and f32 with a zero upper half (RULE: S3). `val` has one of the types that there are. PERF: read as
 * wide as it was written, or the processor waits until that has reached the cache. */
static inline u64
value_low(const gbx_val *val)
{
    u32 narrow;
    u64 low;
    if (val->type == GBX_I32 || val->type == GBX_F32) {
        memcpy(&narrow, val->of.v128, sizeof narrow);
        return narrow;
    }
    memcpy(&low, val->of.v128, sizeof low);
    return low;
}

static inline u64
value_high(const gbx_val *val)
{
    u64 high;
    memcpy(&high, val->of.v128 + sizeof high, sizeof high);
    return val->type == GBX_V128 ? high : 0;
}

#endif
