/* module.h. */
#include <string.h>

#include "api/api_int.h"
#include "base/alloc.h"

static gbx_code
module_check_trust(const gbx_compile_opts *o, gbx_err *err)
{
    if (o->trust <= GBX_TRUST_NOTHING) return GBX_OK;
    return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "trust is %u, which is none",
                            (unsigned)o->trust);
}

gbx_code
gbx_module_compile(gbx_engine *engine, gbx_bytes wasm, const gbx_compile_opts *opts,
                   gbx_module **out, gbx_err *err)
{
    API_NEED(out, err);
    *out = NULL;
    API_NEED(engine, err);
    if (wasm.len) API_NEED(wasm.data, err);
    gbx_compile_opts o;
    GBX_TRY(gbx_api_options(&o, sizeof o, opts, err));
    GBX_TRY(module_check_trust(&o, err));
    return gbx_runtime_module_copy(engine, wasm.data, wasm.len, o.trust, out, err);
}

gbx_code
gbx_module_compile_file(gbx_engine *engine, const char *path, const gbx_compile_opts *opts,
                        gbx_module **out, gbx_err *err)
{
    API_NEED(out, err);
    *out = NULL;
    API_NEED(engine, err);
    API_NEED(path, err);
    gbx_compile_opts o;
    GBX_TRY(gbx_api_options(&o, sizeof o, opts, err));
    GBX_TRY(module_check_trust(&o, err));
    return gbx_runtime_module_open(engine, path, o.trust, out, err);
}

void
gbx_module_release(gbx_module *module)
{
    gbx_runtime_module_release(module);
}

size_t
gbx_module_import_count(const gbx_module *module)
{
    return module ? gbx_runtime_module_wasm(module)->import_count : 0;
}

size_t
gbx_module_export_count(const gbx_module *module)
{
    return module ? gbx_runtime_module_wasm(module)->export_count : 0;
}

bool
gbx_module_import(const gbx_module *module, size_t idx, gbx_extern_info *out)
{
    return module && out && gbx_runtime_module_import(module, idx, out);
}

bool
gbx_module_export(const gbx_module *module, size_t idx, gbx_extern_info *out)
{
    return module && out && gbx_runtime_module_export(module, idx, out);
}
