/* unstable/compiled.h and unstable/times.h. */
#include "gbx/unstable/compiled.h"
#include "gbx/unstable/times.h"

#include "api/api_int.h"

void
gbx_compiled_get(const gbx_module *module, gbx_compiled *out)
{
    if (!out) return;
    *out = (gbx_compiled){0};
    if (module) gbx_runtime_module_compiled(module, out);
}

bool
gbx_compiled_next_refused(const gbx_module *module, uint32_t *next, gbx_refused *out)
{
    return module && next && out && gbx_runtime_module_next_refused(module, next, out);
}

void
gbx_times_get(const gbx_module *module, gbx_times *out)
{
    if (!out) return;
    *out = (gbx_times){0};
    if (module) gbx_runtime_module_times(module, out);
}
