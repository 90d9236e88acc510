/* precompile.h. */
#include "api/api_int.h"

gbx_code
gbx_precompile(gbx_engine *engine, gbx_bytes wasm, const gbx_precompile_opts *opts, gbx_write_fn write,
               void *data, gbx_err *err)
{
    gbx_precompile_opts o;
    API_NEED(engine, err);
    if (wasm.len) API_NEED(wasm.data, err);
    API_NEED((const void *)(uintptr_t)write, err);
    GBX_TRY(gbx_api_options(&o, sizeof o, opts, err));
    return gbx_runtime_precompile(engine, wasm.data, wasm.len, &o, write, data, err);
}

gbx_code
gbx_precompile_file(gbx_engine *engine, const char *path, const char *to, const gbx_precompile_opts *opts,
                    gbx_err *err)
{
    gbx_precompile_opts o;
    API_NEED(engine, err);
    API_NEED(path, err);
    API_NEED(to, err);
    GBX_TRY(gbx_api_options(&o, sizeof o, opts, err));
    return gbx_runtime_precompile_file(engine, path, to, &o, err);
}
