/* base.h: the version; and what the files of this folder check their arguments with. */
#include <string.h>

#include "api/api_int.h"
#include "base/alloc.h"

const char *
gbx_version(void)
{
    return GBX_VERSION;
}

void
gbx_text_free(char *text)
{
    gbx_base_free(text);
}

gbx_code
gbx_api_options(void *ours, size_t bytes, const void *given, gbx_err *err)
{
    memset(ours, 0, bytes);
    if (!given) return GBX_OK;
    size_t size;
    memcpy(&size, given, sizeof size);
    bool ok = size >= sizeof size;
    const u8 *const p = given;
    for (size_t i = bytes; ok && i < size; i++) ok = p[i] == 0;
    if (!ok) {
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                "options of %zu bytes, this library knows %zu: initialise them with "
                                "their _INIT macro",
                                size, bytes);
    }
    memcpy(ours, given, min_u64(size, bytes));
    return GBX_OK;
}

gbx_code
gbx_api_need(const void *arg, const char *what, gbx_err *err)
{
    if (arg) return GBX_OK;
    return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "%s is NULL", what);
}

gbx_code
gbx_api_name(const char *text, const char *what, rd_name *out, gbx_err *err)
{
    GBX_TRY(gbx_api_need(text, what, err));
    size_t const len = strlen(text);
    if (len > WASM_MAX_NAME_BYTES) {
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "%s has %zu bytes: %s", what, len,
                                WASM_WHY_NAME_BYTES);
    }
    *out = (rd_name){text, (u32)len};
    return GBX_OK;
}

gbx_val
gbx_api_val(gbx_valtype type, wasm_value value)
{
    gbx_val v = {.type = type, .of.v128 = {0}};
    gbx_slot const slot = value.low;
    u32 const low = (u32)slot;
    switch (type) {
    case GBX_I32: v.of.i32 = (i32)low; break;
    case GBX_I64: v.of.i64 = (i64)slot; break;
    case GBX_F32: memcpy(&v.of.f32, &low, sizeof low); break;
    case GBX_F64: memcpy(&v.of.f64, &slot, sizeof slot); break;
    case GBX_FUNCREF:
    case GBX_EXNREF:
    case GBX_EXTERNREF: v.of.ref = slot; break;
    case GBX_V128:
        memcpy(v.of.v128, &value.low, 8);
        memcpy(v.of.v128 + 8, &value.high, 8);
        break;
    }
    return v;
}

/* i32 and f32 with a zero upper half (RULE: S3). */
wasm_value
gbx_api_value(gbx_val val)
{
    gbx_slot slot = 0, high = 0;
    u32 low;
    switch (val.type) {
    case GBX_I32: slot = (u32)val.of.i32; break;
    case GBX_I64: slot = (u64)val.of.i64; break;
    case GBX_F32:
        memcpy(&low, &val.of.f32, sizeof low);
        slot = low;
        break;
    case GBX_F64: memcpy(&slot, &val.of.f64, sizeof slot); break;
    case GBX_FUNCREF:
    case GBX_EXNREF:
    case GBX_EXTERNREF: slot = val.of.ref; break;
    case GBX_V128:
        memcpy(&slot, val.of.v128, 8);
        memcpy(&high, val.of.v128 + 8, 8);
        break;
    }
    return (wasm_value){slot, high};
}

bool
gbx_api_is_stale(gbx_val val)
{
    return val.type == GBX_EXNREF && val.of.ref != 0;
}
