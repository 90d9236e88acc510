/* The engine: reference-counted, holds what modules and stores of a process share. */
#include "base/alloc.h"
#include "runtime/runtime_int.h"

#define ENGINE_CACHE_BYTES ((u64)1 << 30) /* where the host names no bound */

gbx_code
gbx_runtime_engine_new(const gbx_engine_opts *opts, gbx_engine **out, gbx_err *err)
{
    *out = NULL;
    gbx_engine *const e = gbx_base_alloc_zero(1, sizeof *e);
    if (!e) return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for an engine");
    atomic_init(&e->refs, 1);
    e->features_off = opts->features_off;
    e->threads = opts->compile_threads;
    gbx_runtime_types_init(&e->types);
    gbx_runtime_hostsets_init(&e->hostsets);
    gbx_runtime_watcher_init(&e->watcher);
    gbx_runtime_lanes_init(&e->lanes);
    gbx_runtime_compiler_init(&e->compiler, opts->tier);
    if (opts->canonical_nans) e->compiler.tune |= CODEGEN_CANONICAL_NANS;
    gbx_runtime_pool_init(&e->pool, opts->pool_instances, opts->pool_bytes);
    gbx_code const code = gbx_runtime_published_open(&e->compiler.published, opts->symbols, err);
    if (code != GBX_OK) {
        gbx_runtime_engine_release(e);
        return code;
    }
    if (opts->cache_dir)
        (void)gbx_runtime_cache_dir_open(&e->cache, opts->cache_dir,
                                         opts->cache_bytes ? opts->cache_bytes : ENGINE_CACHE_BYTES);
    *out = e;
    return GBX_OK;
}

const int *
gbx_runtime_engine_cache_dir(const gbx_engine *e)
{
    return e->cache.is_open ? &e->cache.fd : NULL;
}

gbx_engine *
gbx_runtime_engine_retain(gbx_engine *e)
{
    (void)atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    return e;
}

void
gbx_runtime_engine_release(gbx_engine *e)
{
    if (!e || atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1) return;
    gbx_runtime_pool_deinit(&e->pool);
    gbx_runtime_watcher_deinit(&e->watcher);
    gbx_runtime_lanes_deinit(&e->lanes);
    gbx_runtime_hostsets_deinit(&e->hostsets, &e->types);
    gbx_runtime_types_deinit(&e->types);
    gbx_runtime_compiler_deinit(&e->compiler);
    gbx_runtime_cache_dir_close(&e->cache);
    gbx_base_free(e);
}
