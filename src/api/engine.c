/* engine.h. */
#include "api/api_int.h"

gbx_code
gbx_engine_new(const gbx_engine_opts *opts, gbx_engine **out, gbx_err *err)
{
    API_NEED(out, err);
    *out = NULL;
    gbx_engine_opts o;
    GBX_TRY(gbx_api_options(&o, sizeof o, opts, err));
    if (o.features_off >> GBX_FEATURE_COUNT) {
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                "features_off is 0x%llx, which names features that do not exist",
                                (unsigned long long)o.features_off);
    }
    if (o.tier > GBX_TIER_EAGER) {
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "tier is %u, which is none",
                                (unsigned)o.tier);
    }
    if (o.symbols & ~(uint32_t)(GBX_SYMBOLS_PERF | GBX_SYMBOLS_GDB)) {
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                "symbols is 0x%x, which has bits that mean nothing", (unsigned)o.symbols);
    }
    return gbx_runtime_engine_new(&o, out, err);
}

void
gbx_engine_release(gbx_engine *engine)
{
    gbx_runtime_engine_release(engine);
}

void
gbx_signals_changed(void)
{
    gbx_runtime_seat_signals_changed();
}
