/* unstable/command.h. */
#include "gbx/unstable/command.h"

#include "api/api_int.h"

gbx_code
gbx_engine_set_command(gbx_engine *engine, uint64_t memory_bytes, size_t heap_bytes, gbx_err *err)
{
    API_NEED(engine, err);
    gbx_runtime_engine_set_command(engine, memory_bytes ? memory_bytes : UINT64_MAX, heap_bytes);
    return GBX_OK;
}

gbx_code
gbx_module_save(gbx_module *module, gbx_err *err)
{
    API_NEED(module, err);
    gbx_runtime_module_rest(module);
    return GBX_OK;
}
