/* The engine: reference-counted, holds what modules and stores of a process share. */
#include "base/alloc.h"
#include "runtime/runtime_int.h"

#define ENGINE_CACHE_BYTES ((u64)1 << 30) /* where the host names no bound */

/* Takes the cache over, on failure too. */
static gbx_code
engine_make(const gbx_engine_opts *opts, cache_dir *cache, gbx_engine **out, gbx_err *err)
{
    gbx_engine *const e = gbx_base_alloc_zero(1, sizeof *e);
    if (!e) {
        gbx_runtime_cache_dir_close(cache);
        return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for an engine");
    }
    atomic_init(&e->refs, 1);
    e->features_off = opts->features_off;
    e->threads = opts->compile_threads;
    e->checked = opts->checked != 0;
    gbx_runtime_types_init(&e->types);
    gbx_runtime_hostsets_init(&e->hostsets);
    gbx_runtime_watcher_init(&e->watcher);
    gbx_runtime_lanes_init(&e->lanes);
    gbx_runtime_compiler_init(&e->compiler, opts->tier);
    gbx_runtime_figures_init(&e->figures);
    e->times_all = opts->times != 0;
    if (opts->canonical_nans) e->compiler.tune |= CODEGEN_CANONICAL_NANS;
    if (opts->metered) e->compiler.tune |= CODEGEN_METERED;
    gbx_runtime_pool_init(&e->pool, opts->pool_instances, opts->pool_bytes);
    e->cache = *cache;
    gbx_code const code = gbx_runtime_published_open(&e->compiler.published, opts->symbols, err);
    if (code != GBX_OK) {
        gbx_runtime_engine_free(e);
        return code;
    }
    gbx_runtime_keep_begin(e, opts);
    *out = e;
    return GBX_OK;
}

gbx_code
gbx_runtime_engine_new(const gbx_engine_opts *opts, gbx_engine **out, gbx_err *err)
{
    cache_dir cache = {0};
    if (opts->cache_dir)
        (void)gbx_runtime_cache_dir_open(&cache, opts->cache_dir,
                                         opts->cache_bytes ? opts->cache_bytes : ENGINE_CACHE_BYTES);
    *out = gbx_runtime_keep_take(opts, &cache);
    if (!*out) return engine_make(opts, &cache, out, err);
    gbx_runtime_figures_reset(&(*out)->figures);
    (*out)->compiler.made.funcs = (*out)->compiler.made.bytes = (*out)->compiler.made.ns = 0;
    gbx_runtime_cache_dir_close(&cache);
    return GBX_OK;
}

void
gbx_runtime_engine_set_command(gbx_engine *e, u64 memory_bytes, size_t heap_bytes)
{
    gbx_runtime_keep_spoil(e);
    (void)gbx_base_os_code_register(); /* while there is one thread */
    e->is_command = true;
    e->memory_bytes = memory_bytes;
    e->heap_bytes = heap_bytes;
}

const int *
gbx_runtime_engine_cache_dir(const gbx_engine *e)
{
    return e->cache.is_open ? &e->cache.fd : NULL;
}

bool
gbx_runtime_engine_is_metered(const gbx_engine *e)
{
    return (e->compiler.tune & CODEGEN_METERED) != 0;
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
    if (!e) return;
    if (e->keep.is_on) gbx_runtime_keep_release_engine(e);
    else if (atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) == 1) gbx_runtime_engine_free(e);
}

void
gbx_runtime_engine_rest(gbx_engine *e)
{
    gbx_runtime_watcher_deinit(&e->watcher);
    gbx_runtime_lanes_deinit(&e->lanes);
    e->watcher = (runtime_watcher){0};
    e->lanes = (runtime_lanes){0};
    gbx_runtime_watcher_init(&e->watcher);
    gbx_runtime_lanes_init(&e->lanes);
}

void
gbx_runtime_engine_free(gbx_engine *e)
{
    gbx_runtime_keep_end(e);
    gbx_runtime_pool_deinit(&e->pool);
    gbx_runtime_watcher_deinit(&e->watcher);
    gbx_runtime_lanes_deinit(&e->lanes);
    gbx_runtime_hostsets_deinit(&e->hostsets, &e->types);
    gbx_runtime_types_deinit(&e->types);
    gbx_runtime_compiler_deinit(&e->compiler);
    gbx_runtime_figures_deinit(&e->figures);
    gbx_runtime_cache_dir_close(&e->cache);
    gbx_base_free(e);
}
