/* Metrics of stores, modules and engines: as a struct, as JSON, and as text for Prometheus.
 *
 * Counting costs a call an addition or two; what would cost more is sampled, and says so: without
 * gbx_engine_opts.times the times of one call in 1,024 are measured, the first of each store among them, and
 * wall_ns * calls / calls_timed is an estimate of all. Everything else is exact. What a store counts,
 * its engine counts too, and so does the module that was instantiated in it first. Counters of an
 * engine, and of a module, go on when stores are released.
 *
 * Snapshots may be taken from any thread at any time, of a store also while a call runs in it; each number
 * is one that was true at some moment since the snapshot began, and they need not fit each other to the
 * unit. */
#ifndef GBX_METRICS_H
#define GBX_METRICS_H

#include "gbx/store.h"

GBX_DECLS_BEGIN

#define GBX_METRICS_TRAPS 64
#define GBX_METRICS_WASI_CALLS 64

/* Those of what is not counted in it are 0. Unit of a field: its name's end, else a number. */
typedef struct gbx_metrics {
    size_t size; /* set by GBX_METRICS_INIT: what fits is filled */
    uint64_t traps[GBX_METRICS_TRAPS]; /* by gbx_trap_code: outermost calls that ended so, GBX_TRAP_EXIT
                                          too */
    uint64_t wasi_calls[GBX_METRICS_WASI_CALLS]; /* by number: gbx_wasi_call_name */
#define GBX_METRIC(field, kind, of, name, unit, meaning) uint64_t field; /* its meaning stands in
                                                                            metrics.def */
#include "gbx/metrics.def"
#undef GBX_METRIC
} gbx_metrics;
#define GBX_METRICS_INIT GBX_SIZED(gbx_metrics)

/* The name of WASI's call number `idx`, in the order of its text ("fd_write"); "" from where there are no
 * more. Static storage; thread-safe. */
GBX_API const char *gbx_wasi_call_name(size_t idx);

/* Fill *out, whose size is set. GBX_ARGUMENT where one is NULL or the size means nothing. */
GBX_API gbx_code gbx_store_metrics(const gbx_store *store, gbx_metrics *out, gbx_err *err);
GBX_API gbx_code gbx_module_metrics(const gbx_module *module, gbx_metrics *out, gbx_err *err);
GBX_API gbx_code gbx_engine_metrics(const gbx_engine *engine, gbx_metrics *out, gbx_err *err);

/* The same as one JSON object, for gbx_text_free: a member for each field, "traps" and "wasi_calls" as
 * objects by slug and name, without those that are 0. Of a store with "name" and "tenant" (null where it
 * has none). GBX_NO_MEMORY, GBX_ARGUMENT; *out is then NULL. */
GBX_API gbx_code gbx_store_metrics_json(const gbx_store *store, gbx_own char **out, gbx_err *err);
GBX_API gbx_code gbx_module_metrics_json(const gbx_module *module, gbx_own char **out, gbx_err *err);
GBX_API gbx_code gbx_engine_metrics_json(const gbx_engine *engine, gbx_own char **out, gbx_err *err);

/* All that an engine and its stores count, and what the process keeps (keep.h), in the text exposition
 * format of Prometheus, version 0.0.4, for gbx_text_free. What stores count has the labels `tenant` and
 * `plugin`, which are gbx_store_opts.tenant and .name, and none where a store has neither. At most as
 * many pairs of the two as docs/metrics.md says have series of their own, those that came first;
 * the stores of all others are counted together as plugin="(others)". GBX_NO_MEMORY, GBX_ARGUMENT; *out
 * is then NULL. */
GBX_API gbx_code gbx_engine_prometheus(const gbx_engine *engine, gbx_own char **out, gbx_err *err);

GBX_DECLS_END

#endif
