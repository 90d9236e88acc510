/* Engine, module, store, linker, instance, calls: what the API stands on.
 *
 * Arguments are right here: api/ has checked them. What can still fail is the module, memory, and the
 * guest. Objects of one store are used by one thread at a time; engine and module functions are
 * thread-safe; gbx_runtime_store_cancel is async-signal-safe as well.
 *
 * Who owns what: an engine lives while a module or store refers to it; a module while an instance
 * does; everything else (instances, host functions, memories, tables and globals made by the host,
 * what gbx_runtime_store_own was given) belongs to a store and dies with it. */
#ifndef GBX_RUNTIME_RUNTIME_H
#define GBX_RUNTIME_RUNTIME_H

#include <stdatomic.h>

#include "abi/layout.h"
#include "base/mac.h"
#include "base/map.h"
#include "gbx/cache.h"
#include "gbx/engine.h"
#include "gbx/guest.h"
#include "gbx/host.h"
#include "gbx/keep.h"
#include "gbx/metrics.h"
#include "gbx/precompile.h"
#include "gbx/snapshot.h"
#include "gbx/unstable/compiled.h"
#include "gbx/unstable/times.h"
#include "wasm/gostack.h"
#include "wasm/module.h"

/* A function type, one per engine for all that are structurally equal. Immutable while referred to. */
typedef struct runtime_type {
    map_node node;
    u32 id;   /* gbx_func.type_id */
    u32 refs; /* under the engine's type lock */
    wasm_functype sig;
    const gbx_valtype *params, *results; /* the same for the API */
    u32 narrow; /* a bit for each of the first 32 parameters: it is an i32 or f32 */
} runtime_type;

typedef struct runtime_snapshot runtime_snapshot;

/* ---- engine.c */

GBX_MUST_USE gbx_code gbx_runtime_engine_new(const gbx_engine_opts *opts, gbx_engine **out,
                                             gbx_err *err);
gbx_engine *gbx_runtime_engine_retain(gbx_engine *e);
void gbx_runtime_engine_release(gbx_engine *e); /* NULL is fine */
/* keep.c: free what was kept for its time, or all that is kept; what there is. */
void gbx_runtime_keep_trim(bool all);
void gbx_runtime_keep_count(gbx_kept *out);
/* What was compiled most often in this process, by its content: how often it was wanted, how often that took
 * compiling, and its bytes. True: more often than a host does that compiles once. */
typedef struct keep_again {
    u64 asked, made, len;
} keep_again;
GBX_MUST_USE bool gbx_runtime_keep_again(keep_again *out);
/* A descriptor of the code cache's directory, for as long as the engine lives; NULL: there is no cache. */
const int *gbx_runtime_engine_cache_dir(const gbx_engine *e);
bool gbx_runtime_engine_is_metered(const gbx_engine *e);
/* For modules that are instantiated from now on; see unstable/tiers.h. */
void gbx_runtime_engine_set_warm_factor(gbx_engine *e, u32 factor);
/* See gbx/unstable/command.h; memory_bytes UINT64_MAX: no bound. */
void gbx_runtime_engine_set_command(gbx_engine *e, u64 memory_bytes, size_t heap_bytes);

/* ---- module.c, open.c */

typedef struct shipped shipped;
typedef struct module_pieces module_pieces;

/* Takes `bytes` over (from gbx_base_alloc, with WASM_PAD_BYTES behind them), on failure too; and what
 * `with` (may be NULL) holds, if they come with code. `tagging`: their pieces (pieces.c), which are
 * ended here; NULL: not begun yet. */
GBX_MUST_USE gbx_code gbx_runtime_module_new(gbx_engine *e, u8 *bytes, size_t len, module_pieces *tagging,
                                             shipped *with, gbx_module **out, gbx_err *err);
/* From bytes of the caller's, or of a file; both may be a module with its code. */
GBX_MUST_USE gbx_code gbx_runtime_module_copy(gbx_engine *e, const u8 *bytes, size_t len, gbx_trust trust,
                                              gbx_module **out, gbx_err *err);
GBX_MUST_USE gbx_code gbx_runtime_module_open(gbx_engine *e, const char *path, gbx_trust trust,
                                              gbx_module **out, gbx_err *err);
/* The bytes of the module alone, from gbx_base_alloc. */
GBX_MUST_USE gbx_code gbx_runtime_copy_bytes(gbx_engine *e, const u8 *from, size_t from_len, u8 **bytes,
                                             size_t *len, gbx_err *err);
GBX_MUST_USE gbx_code gbx_runtime_open_bytes(gbx_engine *e, const char *path, u8 **bytes, size_t *len,
                                             gbx_err *err);

/* ---- shipped.c: see gbx/precompile.h */

GBX_MUST_USE gbx_code gbx_runtime_precompile(gbx_engine *e, const u8 *bytes, size_t len,
                                             const gbx_precompile_opts *opts, gbx_write_fn write, void
                                             *data, gbx_err *err);
GBX_MUST_USE gbx_code gbx_runtime_precompile_file(gbx_engine *e, const char *path, const char *to,
                                                  const gbx_precompile_opts *opts, gbx_err *err);
gbx_module *gbx_runtime_module_retain(const gbx_module *m);
void gbx_runtime_module_release(gbx_module *m); /* NULL is fine */
/* What of it is worth it goes into the code cache. Nobody else has it. */
void gbx_runtime_module_rest(gbx_module *m);

const wasm_module *gbx_runtime_module_wasm(const gbx_module *m);
/* A function with a body is ready (wasm_code_is_ready) from now on. False: memory is short. */
GBX_MUST_USE bool gbx_runtime_module_ready(gbx_module *m, u32 func_idx);
gbx_engine *gbx_runtime_module_engine(const gbx_module *m);
const runtime_type *gbx_runtime_module_func_type(const gbx_module *m, u32 func_idx);
/* Strings are made when first asked for and kept by the module; false when memory is short or idx is
 * out of range. */
bool gbx_runtime_module_import(const gbx_module *m, size_t idx, gbx_extern_info *out);
bool gbx_runtime_module_export(const gbx_module *m, size_t idx, gbx_extern_info *out);
/* Escaped, "" where the function has no name or memory is short. Kept by the module. */
const char *gbx_runtime_module_func_name(const gbx_module *m, u32 func_idx);
const char *gbx_runtime_frame_name(const gbx_frame_ref *frame);
/* frames.c: what Go's linker left in the module, zeroed where it is no Go program; and what of an
 * instance the stacks of its goroutines are read from. False: it has not what every Go program has. */
go_table gbx_runtime_go_table(const gbx_module *m);
typedef struct runtime_go {
    gbx_module *module;
    const wasm_module *wasm;
    go_table table;
    go_memory memory; /* good until guest code runs */
    u64 sp, g;
    bool is_idle; /* no call runs in its store */
} runtime_go;
GBX_MUST_USE bool gbx_runtime_go_look(const gbx_instance *inst, runtime_go *out);
/* As gbx/unstable/compiled.h says. */
void gbx_runtime_module_compiled(const gbx_module *m, gbx_compiled *out);
bool gbx_runtime_module_next_refused(const gbx_module *m, u32 *next, gbx_refused *out);
/* As gbx/unstable/times.h says. */
void gbx_runtime_module_times(const gbx_module *m, gbx_times *out);

/* ---- probes.c: see gbx/unstable/probes.h */

void gbx_runtime_engine_watch(gbx_engine *e, u32 calls);
void gbx_runtime_probe_get(const gbx_module *m, u32 probe, bool *is_linked, bool *is_entered);
bool gbx_runtime_store_entered(const gbx_store *s, u32 probe);
/* Escaped names, the store's. */
u32 gbx_runtime_store_env_asked(const gbx_store *s, const char *const **names, bool *is_cut);
u32 gbx_runtime_store_zones_asked(const gbx_store *s, const char *const **names, bool *is_cut);

/* ---- store.c */

typedef struct runtime_limits {
    u64 timeout_ns;   /* UINT64_MAX: none */
    u64 memory_bytes; /* of each memory, a multiple of 64 KiB */
    u64 stack_bytes;  /* at least RUNTIME_STACK_LEAST_BYTES */
    u64 table_elems;  /* of all tables together */
    u64 output_bytes, disk_bytes; /* that may be written, for wasi/; UINT64_MAX: no bound */
    bool huge_pages;  /* behind memories */
    u64 fuel;         /* UINT64_MAX: no bound */
    bool host_initializes;        /* `_initialize` is not run by itself */
    gbx_after_trap after_trap;
} runtime_limits;

#define RUNTIME_STACK_LEAST_BYTES ((u64)64 << 10)

GBX_MUST_USE gbx_code gbx_runtime_store_new(gbx_engine *e, const runtime_limits *limits, const char *name,
                                            const char *tenant, gbx_store **out, gbx_err *err);
void gbx_runtime_store_free(gbx_store *s); /* NULL is fine; not while a call runs in it */
gbx_engine *gbx_runtime_store_engine(const gbx_store *s);
const runtime_limits *gbx_runtime_store_limits(const gbx_store *s);
/* RULE: S15. Whether the engine counts fuel; what of it is left (UINT64_MAX: no bound) and was used. */
bool gbx_runtime_store_is_metered(const gbx_store *s);
void gbx_runtime_store_fuel(const gbx_store *s, u64 *left, u64 *used);
/* Of a store that is metered. `more`: is added to what is left, or to the debt; else it is what is left. */
void gbx_runtime_store_set_fuel(gbx_store *s, u64 fuel, bool more);
/* A guest's memory could once not grow as far as it wanted. */
bool gbx_runtime_store_memory_refused(const gbx_store *s);
void gbx_runtime_store_cancel(gbx_store *s);
/* Call free_obj(obj) when the store dies, newest first, after its instances. False: no memory, and
 * then obj stays the caller's. */
GBX_MUST_USE bool gbx_runtime_store_own(gbx_store *s, void *obj, void (*free_obj)(void *obj));
/* What guests of the store were told (GBX_FROM_…) since it was last set to something. */
u32 gbx_runtime_store_asked(gbx_store *s, u32 next);
/* A pointer kept for wasi's refusals; owned otherwise. */
void gbx_runtime_store_set_wasi(gbx_store *s, void *wasi);
void *gbx_runtime_store_wasi(const gbx_store *s);

/* What the host adds to a store. Function types may be longer than a wasm module's; they then match
 * nothing. */
GBX_MUST_USE gbx_code gbx_runtime_host_func(gbx_store *s, const wasm_functype *sig, gbx_host_fn fn,
                                            void *data, gbx_func **out, gbx_err *err);
GBX_MUST_USE gbx_code gbx_runtime_host_memory(gbx_store *s, const wasm_limits *type,
                                              gbx_memory **out, gbx_err *err);
GBX_MUST_USE gbx_code gbx_runtime_host_table(gbx_store *s, const wasm_tabletype *type,
                                             gbx_table **out, gbx_err *err);
GBX_MUST_USE gbx_code gbx_runtime_host_global(gbx_store *s, const wasm_globaltype *type,
                                              wasm_value value, gbx_global **out, gbx_err *err);

/* ---- named.c: see its head */

const char *gbx_runtime_store_name(const gbx_store *s); /* as given, UTF-8; "": none */
const char *gbx_runtime_store_tenant(const gbx_store *s);
/* Say of an error in `s` whose it is; `instance`: the name of one, or NULL. Gives `code`. */
gbx_code gbx_runtime_name_err(const gbx_store *s, const char *instance, gbx_code code, gbx_err *err);
/* The same of a trap, but not of an exit. inst and trap may be NULL. */
void gbx_runtime_name_trap(const gbx_store *s, const gbx_instance *inst, gbx_trap *trap);

/* ---- figures.c: see gbx/metrics.h */

#define STORE_FIGURES_WASI 64

/* Written by the thread of the store alone (figure_add), read by any. */
typedef struct wasi_figures {
    _Atomic u64 calls[STORE_FIGURES_WASI];
    _Atomic u64 stream_read_bytes, stream_written_bytes, file_read_bytes, file_written_bytes;
} wasi_figures;

/* What it was before. */
static inline u64
figure_add(_Atomic u64 *at, u64 more)
{
    u64 const now = atomic_load_explicit(at, memory_order_relaxed);
    atomic_store_explicit(at, now + more, memory_order_relaxed);
    return now;
}

wasi_figures *gbx_runtime_store_wasi_figures(gbx_store *s);
/* How many outermost calls were made in it: the number of the one that runs, or of the last. */
u64 gbx_runtime_store_calls(const gbx_store *s);
void gbx_runtime_store_figures(const gbx_store *s, gbx_metrics *out);
void gbx_runtime_module_figures(const gbx_module *m, gbx_metrics *out);
void gbx_runtime_engine_figures(const gbx_engine *e, gbx_metrics *out);

/* What the stores of one tenant and name have counted. */
typedef struct runtime_labelled {
    const char *name, *tenant; /* borrowed from the engine */
    gbx_metrics sum;
} runtime_labelled;
/* *out is from gbx_base_alloc. False: memory is short. */
GBX_MUST_USE bool gbx_runtime_labelled_figures(const gbx_engine *e, runtime_labelled **out, u32 *count);

/* ---- cache.c, cache_dir.c: see gbx/cache.h */

GBX_MUST_USE gbx_code gbx_runtime_cache_inspect(const char *path, gbx_cache_info *out, gbx_err *err);
GBX_MUST_USE gbx_code gbx_runtime_cache_clear(const char *path, gbx_cache_info *out, gbx_err *err);
void gbx_runtime_module_cache_use(const gbx_module *m, gbx_cache_use *out);

/* ---- linker.c, match.c */

typedef struct runtime_extern {
    wasm_extern kind;
    union {
        gbx_func *func;
        gbx_table *table;
        gbx_memory *memory;
        gbx_global *global;
        gbx_tag *tag;
    } of;
} runtime_extern;

GBX_MUST_USE gbx_code gbx_runtime_linker_new(gbx_store *s, gbx_linker **out, gbx_err *err);
void gbx_runtime_linker_free(gbx_linker *l); /* NULL is fine */
gbx_store *gbx_runtime_linker_store(const gbx_linker *l); /* NULL once the store is gone */
/* Which version of a host's interface a linker speaks; see abi.c of api/. */
typedef struct runtime_abi {
    bool is_set, is_required;
    u32 major;
    rd_name name;
} runtime_abi;
const runtime_abi *gbx_runtime_linker_abi(const gbx_linker *l);
GBX_MUST_USE gbx_code gbx_runtime_linker_set_abi(gbx_linker *l, rd_name name, u32 major, bool is_required,
                                                 gbx_err *err);
/* A later definition of a pair of names replaces the earlier. */
GBX_MUST_USE gbx_code gbx_runtime_linker_define(gbx_linker *l, rd_name module, rd_name name,
                                                runtime_extern ext, gbx_err *err);
/* What the host says of a definition; borrowed, from what lives as long as the store. NULL: nothing. */
typedef struct runtime_told {
    const char *purpose, *touches;
} runtime_told;
void gbx_runtime_linker_tell(gbx_linker *l, rd_name module, rd_name name, runtime_told told);
/* Kept for gbx_wasi_describe: what WASI's calls were last linked with. */
void gbx_runtime_linker_set_wasi(gbx_linker *l, void *wasi);
void *gbx_runtime_linker_wasi(const gbx_linker *l);
/* Each single definition, in the order of their names' bytes. GBX_NO_MEMORY. `text`: its type. */
typedef void (*runtime_linker_visit)(void *data, rd_name module, rd_name name, wasm_extern kind,
                                     const char *text, bool is_host, runtime_told told);
GBX_MUST_USE gbx_code gbx_runtime_linker_each(const gbx_linker *l, runtime_linker_visit visit, void *data,
                                              gbx_err *err);

/* Host functions that are defined together, store after store. Static storage. */
typedef struct runtime_host_row {
    const char *name;
    const char *params, *results; /* one letter a value: i = i32, I = i64 */
    gbx_host_fn fn;
} runtime_host_row;

typedef struct runtime_host_set {
    const char *module;
    const runtime_host_row *rows;
    u32 count;
    /* The function of a row, and its data, for what the set is defined with. */
    gbx_host_fn (*bind)(void *with, u32 row, void **data);
} runtime_host_set;

/* Define all of a set. Replaces what was defined by these names, as one by one. */
GBX_MUST_USE gbx_code gbx_runtime_linker_define_set(gbx_linker *l, const runtime_host_set *set, void *with,
                                                    gbx_err *err);
GBX_MUST_USE gbx_code gbx_runtime_linker_define_instance(gbx_linker *l, rd_name module,
                                                         gbx_instance *inst, gbx_err *err);
bool gbx_runtime_linker_find(gbx_linker *l, rd_name module, rd_name name, runtime_extern *out);

/* Tell `report` (may be NULL) of each import of m that l (NULL: nothing) does not supply, in order of
 * the imports; the first ones stand in err. `found`, where not NULL, gets what import i is bound to at
 * found[i]. GBX_OK, GBX_UNKNOWN_IMPORT where one is missing, else GBX_IMPORT_TYPE. */
GBX_MUST_USE gbx_code gbx_runtime_link(gbx_linker *l, const gbx_module *m, runtime_extern *found,
                                       gbx_link_report report, void *data, gbx_err *err);

/* ---- instance.c */

/* Where segments or the start function trap, the instance stays in the store (its functions may stand
 * in a table of another one) but *out is NULL. name and trap may be NULL. */
GBX_MUST_USE gbx_code gbx_runtime_instance_new(gbx_store *s, const gbx_module *m, gbx_linker *l, const
char *name,                                                gbx_instance **out, gbx_trap *trap, gbx_err *err);
/* The same from a snapshot: nothing of the guest runs, so nothing can trap. */
GBX_MUST_USE gbx_code gbx_runtime_instance_resume(gbx_store *s, runtime_snapshot *snap, gbx_linker *l,
                                                  gbx_instance **out, gbx_err *err);
runtime_extern gbx_runtime_instance_extern(const gbx_instance *inst, wasm_extern kind, u32 idx);
bool gbx_runtime_instance_export(const gbx_instance *inst, rd_name name, runtime_extern *out);
const gbx_module *gbx_runtime_instance_module(const gbx_instance *inst);

/* ---- reset.c */

/* GBX_STATE: not now, or not this one. */
GBX_MUST_USE gbx_code gbx_runtime_reset_check(const gbx_instance *inst, gbx_err *err);
/* As it began, where reset_check agrees. trap is not NULL. On failure it cannot be called. */
GBX_MUST_USE gbx_code gbx_runtime_reset(gbx_instance *inst, gbx_trap *trap, gbx_err *err);

/* ---- life.c */

/* What an instance that began with a snapshot has called in it before anyone else: a function, and what that
 * has to ask for (GBX_FROM_...). */
void gbx_runtime_life_set_resume(gbx_instance *inst, u32 func_idx, u32 renews);
bool gbx_runtime_life_resume(const gbx_instance *inst, u32 *func_idx, u32 *renews); /* false: nothing */

/* Run a library's `_initialize` if that was not done. */
GBX_MUST_USE gbx_trap_code gbx_runtime_life_initialize(gbx_instance *inst, gbx_trap *trap);
/* Function func_idx for a host: `_initialize` of a library as one that runs it once. NULL: memory is
 * short. */
gbx_func *gbx_runtime_life_function(gbx_instance *inst, u32 func_idx);

/* ---- snapshot.c */

/* GBX_SNAPSHOT, GBX_STATE or GBX_NO_MEMORY. *from: GBX_FROM_…, what its store told it, and GBX_FROM_HOST
 * where it could call another instance. */
GBX_MUST_USE gbx_code gbx_runtime_snapshot_take(gbx_instance *inst, runtime_snapshot **out, u32 *from,
                                                gbx_err *err);
void gbx_runtime_snapshot_release(runtime_snapshot *snap); /* NULL is fine */
const gbx_module *gbx_runtime_snapshot_module(const runtime_snapshot *snap);

/* ---- seat.c */

/* Give back what the calling thread keeps between calls, unless one runs. */
void gbx_runtime_seat_forget(void);
void gbx_runtime_seat_signals_changed(void); /* as gbx_signals_changed says */

/* ---- call.c */

const runtime_type *gbx_runtime_func_type(const gbx_func *f);
/* The same; that of a guest's is then in f->type, if values of it are one slot each, at most
 * RUNTIME_PLAIN_VALUES, and no parameter is an exception. */
const runtime_type *gbx_runtime_func_keep_type(gbx_func *f);
#define RUNTIME_PLAIN_VALUES 16u
gbx_store *gbx_runtime_func_store(const gbx_func *f);

/* Call f with arguments in slots[0..params); results are left from slots[0]; the array holds both, and
 * high halves as gbx_interp_call wants them.
 * The outermost call of a store gets a stack, arms the deadline and takes up a waiting cancellation;
 * calls from host functions nest in it. *trap (may be NULL) is filled when it traps. */
gbx_trap_code gbx_runtime_call(gbx_store *s, const gbx_func *f, gbx_slot *slots, gbx_trap *trap);
/* The same of a function that has f->type, with values of that type. */
gbx_trap_code gbx_runtime_call_plain(const gbx_func *f, const gbx_val *args, gbx_val *results,
                                     gbx_trap *trap);

/* Fill *trap (may be NULL) with a trap that no running code raised. */
gbx_trap_code gbx_runtime_trap(gbx_trap *trap, gbx_trap_code code, const char *fmt, ...)
        GBX_PRINTF(3, 4);

/* ---- view.c: see gbx/guest.h */

typedef struct gbx_views gbx_views;
gbx_trap_code gbx_runtime_view_open(gbx_store *s, const gbx_memory *mem, u64 addr, u64 len, gbx_view *out);
u8 *gbx_runtime_view_data(gbx_view view, u64 *len); /* NULL: it gives nothing */
void gbx_runtime_view_close(gbx_view view);
/* Before somebody looks at a memory by another way, and after somebody changed it. */
void gbx_runtime_views_sync(gbx_store *s);
void gbx_runtime_views_end(gbx_store *s); /* those of the host function that returns */
/* Around guest code that a host function calls; s->views is not NULL. */
void gbx_runtime_views_hide(gbx_store *s);
void gbx_runtime_views_show(gbx_store *s);

/* ---- libcalls.c */

extern const gbx_libcalls gbx_runtime_libcalls;

/* ---- values */

wasm_valtype gbx_runtime_valtype_in(gbx_valtype t); /* WASM_ANY for what is none */
gbx_valtype gbx_runtime_valtype_out(wasm_valtype t);

#endif
