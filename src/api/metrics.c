/* metrics.h: snapshots as structs. The texts are made in metrics_text.c. */
#include "gbx/metrics.h"

#include <string.h>

#include "api/api_int.h"
#include "wasi/wasi.h"

const char *
gbx_wasi_call_name(size_t idx)
{
    return idx < gbx_wasi_p1.count ? gbx_wasi_p1.rows[idx].name : "";
}

static gbx_code
metrics_check(const gbx_metrics *out, gbx_err *err)
{
    API_NEED(out, err);
    if (out->size >= sizeof out->size) return GBX_OK;
    return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                            "metrics of %zu bytes: initialise them with GBX_METRICS_INIT", out->size);
}

/* As much as the caller's version has; what that has more is not touched. */
static gbx_code
metrics_give(gbx_metrics *from, gbx_metrics *out)
{
    from->size = out->size;
    memcpy(out, from, min_u64(out->size, sizeof *from));
    return GBX_OK;
}

gbx_code
gbx_store_metrics(const gbx_store *store, gbx_metrics *out, gbx_err *err)
{
    gbx_metrics now;
    API_NEED(store, err);
    GBX_TRY(metrics_check(out, err));
    gbx_runtime_store_figures(store, &now);
    return metrics_give(&now, out);
}

gbx_code
gbx_module_metrics(const gbx_module *module, gbx_metrics *out, gbx_err *err)
{
    gbx_metrics now;
    API_NEED(module, err);
    GBX_TRY(metrics_check(out, err));
    gbx_runtime_module_figures(module, &now);
    return metrics_give(&now, out);
}

gbx_code
gbx_engine_metrics(const gbx_engine *engine, gbx_metrics *out, gbx_err *err)
{
    gbx_metrics now;
    API_NEED(engine, err);
    GBX_TRY(metrics_check(out, err));
    gbx_runtime_engine_figures(engine, &now);
    return metrics_give(&now, out);
}
