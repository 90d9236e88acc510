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
