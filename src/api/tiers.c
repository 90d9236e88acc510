/* unstable/tiers.h. */
#include "gbx/unstable/tiers.h"

#include "api/api_int.h"

gbx_code
gbx_engine_set_warm_factor(gbx_engine *engine, uint32_t factor, gbx_err *err)
{
    API_NEED(engine, err);
    gbx_runtime_engine_set_warm_factor(engine, factor);
    return GBX_OK;
}

void
gbx_module_tiers(const gbx_module *module, gbx_tier_count *out)
{
    if (!out) return;
    *out = (gbx_tier_count){0};
    if (!module) return;
    const wasm_module *const w = gbx_runtime_module_wasm(module);
    out->functions = w->func_count - w->imported_funcs;
    gbx_runtime_module_tiers(module, &out->compiled, &out->refused);
}
