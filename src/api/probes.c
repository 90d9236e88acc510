/* unstable/probes.h. */
#include "gbx/unstable/probes.h"

#include <string.h>

#include "api/wasi_int.h"
#include "base/text.h"

gbx_code
gbx_engine_watch(gbx_engine *engine, uint32_t calls, gbx_err *err)
{
    API_NEED(engine, err);
    gbx_runtime_engine_watch(engine, calls);
    return GBX_OK;
}

bool
gbx_module_probe(const gbx_module *module, size_t idx, gbx_probe *out)
{
    if (!module || !out || idx >= WASM_PROBE_COUNT || !gbx_runtime_module_wasm(module)->is_go) return false;
    *out = (gbx_probe){.slug = gbx_wasm_probe_slugs[idx], .function = gbx_wasm_probe_names[idx]};
    gbx_runtime_probe_get(module, (u32)idx, &out->is_linked, &out->is_entered);
    return true;
}

bool
gbx_module_entered(const gbx_module *module, const char *slug)
{
    gbx_probe probe;
    for (size_t i = 0; slug && gbx_module_probe(module, i, &probe); i++)
        if (probe.is_entered && !strcmp(probe.slug, slug)) return true;
    return false;
}

bool
gbx_store_entered(const gbx_store *store, const char *slug)
{
    for (u32 i = 0; store && slug && i < WASM_PROBE_COUNT; i++)
        if (gbx_runtime_store_entered(store, i) && !strcmp(gbx_wasm_probe_slugs[i], slug)) return true;
    return false;
}

size_t
gbx_store_env_asked(const gbx_store *store, const char *const **names, bool *is_cut)
{
    const char *const *found = NULL;
    bool cut = false;
    size_t const count = store ? gbx_runtime_store_env_asked(store, &found, &cut) : 0;
    if (names) *names = found;
    if (is_cut) *is_cut = cut;
    return count;
}

size_t
gbx_store_zones_asked(const gbx_store *store, const char *const **names, bool *is_cut)
{
    const char *const *found = NULL;
    bool cut = false;
    size_t const count = store ? gbx_runtime_store_zones_asked(store, &found, &cut) : 0;
    if (names) *names = found;
    if (is_cut) *is_cut = cut;
    return count;
}

bool
gbx_store_missed(const gbx_store *store, size_t idx, gbx_missed *out)
{
    api_wasi_linked *const l = store ? gbx_runtime_store_wasi(store) : NULL;
    const wasi_missed *const m = l && idx < WASI_MISSED_MAX ? gbx_wasi_missed(l->ctx, (u32)idx) : NULL;
    if (!m || !out) return false;
    text_buf grant = gbx_base_text_init(l->missed_grant, sizeof l->missed_grant);
    text_buf path = gbx_base_text_init(l->missed_path, sizeof l->missed_path);
    gbx_base_text_escape(&grant, m->grant, strlen(m->grant), sizeof m->path - 1);
    gbx_base_text_escape(&path, m->path, m->len, sizeof m->path - 1);
    *out = (gbx_missed){.call = m->call, .grant = l->missed_grant, .path = l->missed_path};
    return true;
}
