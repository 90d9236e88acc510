/* engine.h. */
#include "api/api_int.h"

gbx_code
gbx_engine_new(const gbx_engine_opts *opts, gbx_engine **out, gbx_err *err)
{
    API_NEED(out, err);
    *out = NULL;
    gbx_engine_opts o;
    GBX_TRY(gbx_api_options(&o, sizeof o, opts, err));
    return gbx_runtime_engine_new(out, err);
}

void
gbx_engine_release(gbx_engine *engine)
{
    gbx_runtime_engine_release(engine);
}
