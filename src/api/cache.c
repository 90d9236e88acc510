/* cache.h. */
#include "api/api_int.h"

gbx_code
gbx_cache_inspect(const char *dir, gbx_cache_info *out, gbx_err *err)
{
    API_NEED(dir, err);
    API_NEED(out, err);
    return gbx_runtime_cache_inspect(dir, out, err);
}

gbx_code
gbx_cache_clear(const char *dir, gbx_cache_info *out, gbx_err *err)
{
    API_NEED(dir, err);
    API_NEED(out, err);
    return gbx_runtime_cache_clear(dir, out, err);
}

void
gbx_module_cache_use(const gbx_module *module, gbx_cache_use *out)
{
    if (!out) return;
    *out = (gbx_cache_use){.why = "there is no module"};
    if (module) gbx_runtime_module_cache_use(module, out);
}
