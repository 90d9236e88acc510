/* Stores and instances: one tenant's state and bounds, and calls into it.
 *
 * A store and everything in it is used by one thread at a time (it may move between threads); only
 * gbx_store_cancel may be called from another thread or a signal handler. Releasing the store frees its
 * instances, their functions and memories, and what was defined in its linkers (or makes instances as
 * new for others, see gbx_engine_opts.pool_instances). */
#ifndef GBX_STORE_H
#define GBX_STORE_H

#include "gbx/module.h"
#include "gbx/trap.h"

GBX_DECLS_BEGIN

typedef struct gbx_store gbx_store;
typedef struct gbx_instance gbx_instance;

#define GBX_UNLIMITED UINT64_MAX

/* A module that exports `_initialize` and no `_start` (a reactor: Go's -buildmode=c-shared) is a library
 * that has to be set up before anything else of it is called. */
typedef enum gbx_initialize {
    GBX_INITIALIZE_AUTO, /* `_initialize` runs by itself, once, before the first call of an export; it has the
                            store's deadline for itself, and its trap is that of the call */
    GBX_INITIALIZE_HOST, /* the host calls gbx_instance_initialize; an export that is called before it is
                            GBX_TRAP_UNINITIALIZED */
} gbx_initialize;

/* What a trap ends, beside the call. An uncaught exception of WebAssembly ends the call alone. */
typedef enum gbx_after_trap {
    GBX_AFTER_TRAP_AUTO,    /* programs, which export `_start` or `_initialize`: a Go program's registers
                               and stacks are then those of the call that trapped. Other modules go on */
    GBX_AFTER_TRAP_ENDS,    /* every instance that was in the call */
    GBX_AFTER_TRAP_GOES_ON, /* nothing: the host knows that its guests survive it */
} gbx_after_trap;

typedef struct gbx_store_opts {
    size_t size;           /* set by GBX_STORE_OPTS_INIT */
    uint64_t timeout_ns;   /* wall-clock bound of each outermost call, waits included; 0: 30 s;
                              GBX_UNLIMITED */
    uint64_t memory_bytes; /* of each memory, rounded down to 64 KiB; 0: 256 MiB; GBX_UNLIMITED: as
                              much as there can be, 4 GiB, or the limit memory64-bytes in
                              docs/limits.md where addresses are 64 bits wide */
    uint64_t stack_bytes;  /* guest stack of a running call, reserved and lazily used, rounded up to
                              64 KiB; 0: eight times memory_bytes, at least 64 MiB, or less where
                              the address space is short. At most the limit guest-stack in
                              docs/limits.md */
    uint64_t table_elems;  /* of all tables of the store together; 0: 10,000,000 */
    uint64_t output_bytes; /* that guests of one gbx_wasi_link may write to streams, pipes and sockets; one
                              that would write more ends with GBX_TRAP_OUTPUT_LIMIT. 0: 16 MiB;
                              GBX_UNLIMITED */
    uint64_t disk_bytes;   /* that they may write to files, then "no space left on device"; 0: 1 GiB;
                              GBX_UNLIMITED */
    uint64_t huge_pages;   /* not 0: ask for huge pages behind memories: programs start and run faster
                              and take up to 2 MiB more each. For few instances, not for thousands */
    const char *name;      /* of the plugin that runs in it, and the tenant that it runs for: they stand */
    const char *tenant;    /* in errors, traps and metrics. Copied; UTF-8 of at most 128 bytes each;
                              NULL: none */
    uint64_t fuel;         /* what guests of the store may execute in all, in units of fuel (docs/fuel.md):
                              one instruction is one unit, nearly. One that goes on ends with
                              GBX_TRAP_FUEL. 0 and GBX_UNLIMITED: no bound; anything else takes an
                              engine with gbx_engine_opts.metered */
    gbx_initialize initialize; /* who runs `_initialize` of libraries */
    gbx_after_trap after_trap; /* which instances can still be called after a trap */
} gbx_store_opts;
#define GBX_STORE_OPTS_INIT GBX_SIZED(gbx_store_opts)

/* A new, empty store. opts may be NULL: defaults, all of them finite. The caller owns *out; it keeps the
 * engine alive. On failure *out is NULL: GBX_NO_MEMORY, GBX_ARGUMENT. Thread-safe on one engine. */
GBX_API gbx_code gbx_store_new(gbx_engine *engine, const gbx_store_opts *opts,
                               gbx_own gbx_store **out, gbx_err *err);

/* Its name and tenant as they were given, "" where there is none. Borrowed while the store lives;
 * thread-safe. */
GBX_API const char *gbx_store_name(const gbx_store *store);
GBX_API const char *gbx_store_tenant(const gbx_store *store);

/* Free the store and all that is in it; NULL is fine. Not while a call runs in it. */
GBX_API void gbx_store_release(gbx_store *store);

/* End the running call with GBX_TRAP_CANCELLED, a wait in a system call too; or the next call before it
 * begins, if none runs. A call that ends by itself at that moment uses the cancellation up.
 * Async-signal-safe and thread-safe while the store lives; NULL is fine. */
GBX_API void gbx_store_cancel(gbx_store *store);

/* How much fuel guests of the store have used since it was made, and how much is left: GBX_UNLIMITED where
 * there is no bound, 0 once it is used up. Either may be NULL. False, and neither means anything, where the
 * engine is not metered. What is used is the same number in every tier and at every run with the same input,
 * wherever it can be asked for: after a call, however it ended, and in a host function. A guest that ran out
 * has used more than it was given, by the rest of the straight code that it was in. */
GBX_API bool gbx_store_fuel(const gbx_store *store, uint64_t *left, uint64_t *used);

/* What is left from now on (GBX_UNLIMITED: no bound; 0: nothing); and to give more, of which first goes what
 * was used beyond the bound. Between calls and in host functions, by the thread that uses the store. A call
 * that has run out cannot be taken up again, but others may be made. GBX_ARGUMENT: store is NULL, or its
 * engine is not metered. */
GBX_API gbx_code gbx_store_set_fuel(gbx_store *store, uint64_t left, gbx_err *err);
GBX_API gbx_code gbx_store_add_fuel(gbx_store *store, uint64_t more, gbx_err *err);

/* A value that crosses the border, tagged with its type. */
typedef enum gbx_valtype {
    GBX_I32,
    GBX_I64,
    GBX_F32,
    GBX_F64,
    GBX_FUNCREF,
    GBX_EXTERNREF,
    GBX_V128,
    GBX_EXNREF
} gbx_valtype;

/* References are 0 for null. A GBX_FUNCREF is a gbx_func * as a number, of a function of the same store;
 * no other number may be made up. A GBX_EXTERNREF is any number of the host's choosing: a guest can
 * pass it around and give it back, not look into it. A GBX_EXNREF is of use to guests alone: a host may
 * pass on null and see whether one is null. */
typedef struct gbx_val {
    gbx_valtype type;
    union {
        int32_t i32;
        int64_t i64;
        float f32;
        double f64;
        uint64_t ref;
        uint8_t v128[16]; /* as in a guest's memory: lane 0 first, little-endian */
    } of;
} gbx_val;

typedef struct gbx_linker gbx_linker; /* host.h */

/* Instantiate `module` with the imports `linker` supplies (NULL: none), apply its segments, run its
 * start function if it has one. The start function is a call: it has the store's deadline and may be
 * cancelled. *out is owned by the store. All imports that are missing or of another type are reported at
 * once; the first ones stand in err, gbx_linker_check gives them all. On failure *out is NULL:
 * GBX_UNKNOWN_IMPORT, GBX_IMPORT_TYPE, GBX_ABI_VERSION (gbx_linker_speak), GBX_TRAPPED (trap, if not
 * NULL, says which; a segment outside its memory or table counts as one), GBX_LIMIT (the module starts
 * with more memory or table than the store allows), GBX_NO_MEMORY, GBX_ARGUMENT (a required argument is
 * NULL, objects of different engines or stores). trap->code is GBX_TRAP_NONE unless GBX_TRAPPED. */
GBX_API gbx_code gbx_instance_new(gbx_store *store, const gbx_module *module, gbx_linker *linker,
                                  gbx_instance **out, gbx_trap *trap, gbx_err *err);

typedef struct gbx_instance_opts {
    size_t size;      /* set by GBX_INSTANCE_OPTS_INIT */
    const char *name; /* of this instance, for errors and traps, where a store has several. Copied; UTF-8
                         of at most 128 bytes; NULL: none */
} gbx_instance_opts;
#define GBX_INSTANCE_OPTS_INIT GBX_SIZED(gbx_instance_opts)

/* gbx_instance_new with options, which may be NULL. */
GBX_API gbx_code gbx_instance_new_with(gbx_store *store, const gbx_module *module, gbx_linker *linker,
                                       const gbx_instance_opts *opts, gbx_instance **out, gbx_trap *trap,
                                       gbx_err *err);
/* Run a library's `_initialize` now, if it has not run yet; GBX_TRAP_NONE at once where it has, and for
 * modules that have none. As gbx_func_call otherwise. Calling what gbx_instance_func gives for
 * "_initialize" does the same. */
GBX_API gbx_trap_code gbx_instance_initialize(gbx_instance *instance, gbx_trap *trap);

/* Make the instance as it was when gbx_instance_new or gbx_instance_resume gave it, for the next
 * request: memory, tables, globals and segments are those of the beginning, the start function or the
 * snapshot's `resume` runs again, a library is initialized again before its next call, and one that a
 * trap or exit had ended can be called. Nothing that calls left can be read. Functions and memories that
 * the host has of it stay good, what it read of a memory does not. What was linked by gbx_wasi_link is
 * as it was linked, for all instances of the store: what guests opened is closed, scratch directories
 * are new ones, what may be written counts from zero, bytes are read from the first, what was captured is
 * gone, the fixed clock begins again, a seed gives its numbers again; files and streams of the host are as
 * they are. Fuel is the store's and stays. GBX_STATE: a call runs in the store; the
 * module imports a memory, a table or a mutable global; a guest closed a descriptor that it was granted.
 * Then nothing was changed. GBX_TRAPPED (trap, which may be NULL, says how), GBX_SNAPSHOT,
 * GBX_UNSUPPORTED (no new scratch directory), GBX_NO_MEMORY: the instance cannot be called until it is
 * reset. */
GBX_API gbx_code gbx_instance_reset(gbx_instance *instance, gbx_trap *trap, gbx_err *err);

typedef struct gbx_func gbx_func; /* a function of an instance, owned by its store */

/* The exported function `name` (NUL-terminated), NULL where there is none. The same function each
 * time: look it up once and keep it. */
GBX_API gbx_func *gbx_instance_func(gbx_instance *instance, const char *name);

/* The function that is export `idx` of the instance's module (gbx_module_export), NULL where that is none
 * or not a function: for hosts that walk over all exports, whose names may contain any character. */
GBX_API gbx_func *gbx_instance_func_at(gbx_instance *instance, size_t idx);

/* Parameters and results of a function: their number, and in *out (may be NULL) their types, borrowed
 * while the store lives. */
GBX_API size_t gbx_func_params(const gbx_func *func, const gbx_valtype **out);
GBX_API size_t gbx_func_results(const gbx_func *func, const gbx_valtype **out);

/* Call `func` with `args`; its results are written to `results`, all of them or, when it trapped, none.
 * Returns GBX_TRAP_NONE when it returned; otherwise what ended it, with details in *trap (may be NULL).
 * The guest exiting by itself is GBX_TRAP_EXIT, and trap->exit_status says with what. Counts and types
 * must match the function's, else nothing is called: GBX_TRAP_HOST with a message.
 * GBX_TRAP_NO_HOST_MEMORY: no address space for a stack, no descriptor or thread for the deadline. May
 * be called from a host function of the same store: such calls nest in the outermost one, share its
 * deadline and end with it. The first call of a library's export runs its `_initialize`
 * (gbx_store_opts.initialize). After a trap an instance of a program can be called no more, which is
 * GBX_TRAP_POISONED with a message that names the call and its trap, and after an exit GBX_TRAP_ENDED
 * (gbx_store_opts.after_trap). What instances of a store call of each other, not through the host, is
 * not looked at. */
GBX_API gbx_trap_code gbx_func_call(gbx_func *func, const gbx_val *args, size_t arg_count,
                                    gbx_val *results, size_t result_count, gbx_trap *trap);

/* The same for who knows the types and is in a hurry. `values`: arguments, one each, and afterwards
 * results, as many as the function has; `count` is exactly the larger of both numbers.
 * i32 and f32 are the low half of a value, and of results the upper half is 0. As gbx_func_call in all
 * else. A function with v128 or exnref, or with more than 16 parameters or results, cannot be called like
 * this, nor one of the host's: GBX_TRAP_HOST. */
GBX_API gbx_trap_code gbx_func_call_raw(gbx_func *func, uint64_t *values, size_t count, gbx_trap *trap);

/* Exported memory `name`: its bytes, borrowed until guest code runs; false where there is none. */
GBX_API bool gbx_instance_memory(gbx_instance *instance, const char *name, uint8_t **data,
                                 size_t *bytes);

/* Exported global `name`: its value now; false where there is none. */
GBX_API bool gbx_instance_global(gbx_instance *instance, const char *name, gbx_val *out);
/* Set it; false where there is none, where it is constant, or where the value's type is another. */
GBX_API bool gbx_instance_set_global(gbx_instance *instance, const char *name, gbx_val value);

GBX_DECLS_END

#endif
