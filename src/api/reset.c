/* gbx_instance_reset: an instance as it began, for the next request.
 *
 * Three layers know a part: runtime/reset.c what is the guest's own, wasi/reset.c the descriptors, and here
 * stands what a snapshot asked for. What can be refused is refused before anything is changed; what fails
 * later leaves an instance that cannot be called, but reset again. */
#include "api/wasi_int.h"

gbx_code
gbx_instance_reset(gbx_instance *instance, gbx_trap *trap, gbx_err *err)
{
    gbx_trap own;
    if (!trap) trap = &own;
    trap->code = GBX_TRAP_NONE;
    API_NEED(instance, err);
    GBX_TRY(gbx_runtime_reset_check(instance, err));
    gbx_store *const store = instance->store;
    const runtime_limits *const limits = gbx_runtime_store_limits(store);
    const api_wasi_linked *const l = gbx_runtime_store_wasi(store);
    if (l) GBX_TRY(gbx_wasi_ctx_reset(l->ctx, limits->output_bytes, limits->disk_bytes, err));
    GBX_TRY(gbx_runtime_reset(instance, trap, err));
    return gbx_api_snapshot_renew(instance, trap, err);
}
