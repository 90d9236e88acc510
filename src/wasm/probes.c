/* Functions of Go's library that are watched for (probes.def), found by name in the table that Go's linker
 * puts into every program.
 *
 * They are found when a module is opened, and are part of its verdict: a module that the code cache knows is
 * not searched. PERF: 0.15 ms for hello, 0.5 ms for esbuild, once for all its runs.
 *
 * SAFETY: the table is the module's word. What comes out is indices of functions with bodies; a module that
 * lies about their names gets false notes about itself, and functions that are compiled like others. */
#include <string.h>

#include "wasm/golines.h"
#include "wasm/wasm_int.h"

const char *const gbx_wasm_probe_names[WASM_PROBE_COUNT] = {
#define WASM_PROBE(name, slug, function) function,
#include "wasm/probes.def"
#undef WASM_PROBE
};

const char *const gbx_wasm_probe_slugs[WASM_PROBE_COUNT] = {
#define WASM_PROBE(name, slug, function) slug,
#include "wasm/probes.def"
#undef WASM_PROBE
};

void
gbx_wasm_find_probes(wasm_module *m)
{
    go_table t;
    for (u32 i = 0; i < WASM_PROBE_COUNT; i++) m->probes[i] = WASM_PROBE_NONE;
    m->is_go = gbx_wasm_go_find_aligned(m, &t);
    if (m->is_go) gbx_wasm_go_find_names(m, &t, gbx_wasm_probe_names, WASM_PROBE_COUNT, m->probes);
}
