/* base.h: the version; and what the files of this folder check their arguments with. */
#include <string.h>

#include "api/api_int.h"

const char *
gbx_version(void)
{
    return GBX_VERSION;
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
