/* Stores and instances: one tenant's state and bounds, and calls into it.
 *
 * A store and everything in it is used by one thread at a time; only gbx_store_cancel may be called
 * from another thread or a signal handler. Releasing the store frees its instances. */
#ifndef GBX_STORE_H
#define GBX_STORE_H

#include "gbx/module.h"
#include "gbx/trap.h"

typedef struct gbx_store gbx_store;
typedef struct gbx_instance gbx_instance;

#define GBX_UNLIMITED UINT64_MAX

typedef struct gbx_store_opts {
    size_t size;            /* set by GBX_STORE_OPTS_INIT */
    uint64_t timeout_ns;    /* wall-clock bound of each outermost call; 0: 30 s; GBX_UNLIMITED */
    uint64_t memory_bytes;  /* of each memory, rounded down to 64 KiB; 0: 256 MiB; GBX_UNLIMITED: 4 GiB */
    uint64_t stack_bytes;   /* guest stack, reserved and lazily used; 0: the limit in docs/limits.md */
    uint64_t table_elems;   /* of each table; 0: 10,000,000 */
} gbx_store_opts;
#define GBX_STORE_OPTS_INIT {.size = sizeof(gbx_store_opts)}

/* A new, empty store. opts may be NULL. Failures: GBX_NO_MEMORY, GBX_ARGUMENT. */
GBX_API gbx_code gbx_store_new(gbx_engine *engine, const gbx_store_opts *opts,
                               gbx_own gbx_store **out, gbx_err *err);
GBX_API void gbx_store_release(gbx_store *store); /* NULL is fine */

/* End the running call, or the next one if none runs, with GBX_TRAP_CANCELLED. Async-signal-safe and
 * thread-safe while the store lives. */
GBX_API void gbx_store_cancel(gbx_store *store);

/* A value that crosses the border, tagged with its type. */
typedef enum gbx_valtype {
    GBX_I32,
    GBX_I64,
    GBX_F32,
    GBX_F64,
    GBX_FUNCREF,
    GBX_EXTERNREF
} gbx_valtype;

typedef struct gbx_val {
    gbx_valtype type;
    union {
        int32_t i32;
        int64_t i64;
        float f32;
        double f64;
        uint64_t ref; /* opaque; 0 is null */
    } of;
} gbx_val;

typedef struct gbx_linker gbx_linker; /* host.h */

/* Instantiate `module` with the imports `linker` supplies (NULL: none), run its start function if it
 * has one. All imports that are missing or mismatched are reported at once, in err.
 * Failures: GBX_UNKNOWN_IMPORT, GBX_IMPORT_TYPE, GBX_TRAPPED (trap, if not NULL, says which; a
 * segment outside its memory counts as one), GBX_LIMIT, GBX_NO_MEMORY. *out is owned by the store. */
GBX_API gbx_code gbx_instance_new(gbx_store *store, const gbx_module *module, gbx_linker *linker,
                                  gbx_instance **out, gbx_trap *trap, gbx_err *err);

typedef struct gbx_func gbx_func; /* a function of an instance, owned by its store */

/* The exported function `name`, NULL where there is none. */
GBX_API gbx_func *gbx_instance_func(gbx_instance *instance, const char *name);
/* Parameters and results of a function; out arrays are borrowed. */
GBX_API size_t gbx_func_params(const gbx_func *func, const gbx_valtype **out);
GBX_API size_t gbx_func_results(const gbx_func *func, const gbx_valtype **out);

/* Call `func` with `args`; results are written to `results`. Returns GBX_TRAP_NONE when it returned;
 * otherwise what ended it, with details in *trap (may be NULL). Counts and types must match the
 * function's, else GBX_TRAP_HOST with a message. May be called from a host function of the same
 * store. */
GBX_API gbx_trap_code gbx_func_call(gbx_func *func, const gbx_val *args, size_t arg_count,
                                    gbx_val *results, size_t result_count, gbx_trap *trap);

/* Exported memory `name`: its bytes, borrowed until guest code runs; false where there is none. */
GBX_API bool gbx_instance_memory(gbx_instance *instance, const char *name, uint8_t **data,
                                 size_t *bytes);

#endif
