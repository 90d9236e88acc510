/* The engine: what all modules and stores of a process share (canonical types, guest stacks, the
 * thread that fires deadlines, instances kept for their next tenants). Any number of engines may live
 * side by side; objects of one never meet those of another: using them together is GBX_ARGUMENT.
 * Reference-counted: modules and stores keep their engine alive. */
#ifndef GBX_ENGINE_H
#define GBX_ENGINE_H

#include "gbx/error.h"
#include "gbx/feature.h"

GBX_DECLS_BEGIN

typedef struct gbx_engine gbx_engine;

/* How functions run. Results never differ. */
typedef enum gbx_tier_mode {
    GBX_TIER_AUTO,   /* interpreted at first, compiled once they have proved warm */
    GBX_TIER_INTERP, /* interpreted */
    GBX_TIER_EAGER,  /* compiled when a module is first instantiated, interpreted where that cannot be */
} gbx_tier_mode;

/* Tools outside the process that are told the names and addresses of compiled functions, as they are
 * compiled. Names are those of the modules, made fit to be shown. */
enum {
    GBX_SYMBOLS_PERF = 1 << 0, /* `perf report`: a line each in /tmp/perf-PID.map, which stays */
    GBX_SYMBOLS_GDB = 1 << 1,  /* gdb, by its JIT interface */
};

#define GBX_POOL_OFF UINT32_MAX
#define GBX_KEEP_OFF UINT32_MAX

/* Of the definition of fuel, docs/fuel.md: while this number stays, so does what a run uses. */
#define GBX_FUEL_VERSION 1

typedef struct gbx_engine_opts {
    size_t size;           /* set by GBX_ENGINE_OPTS_INIT */
    uint64_t features_off; /* GBX_FEATURE_BITs: modules of this engine that use one of these features
                              are refused with GBX_UNSUPPORTED. 0: all that are supported are on */
    gbx_tier_mode tier; /* where this processor or system cannot run compiled code, all is interpreted */
    uint32_t compile_threads; /* that gbx_module_compile may use for a large module, the calling one
                                 included; they have ended when it returns. 0: as many as the caller may
                                 run on, 16 at most */
    uint32_t symbols;   /* GBX_SYMBOLS_ bits: who is told of compiled functions. 0: nobody */
    const char *cache_dir; /* where code is kept for later processes, see cache.h; NULL: nowhere. Made if
                              only its last component is missing; one that cannot be trusted is not used */
    uint64_t cache_bytes;  /* what is there at most; what has not been used for longest goes. 0: 1 GiB */
    uint32_t pool_instances; /* when a store is released, its instances are made as new and kept for the
                                next that instantiate their modules: so many, of all modules, those that
                                were idle longest going first. 0: 64; GBX_POOL_OFF: none */
    uint64_t pool_bytes;     /* that they may take in all. 0: 256 MiB */
    uint32_t canonical_nans; /* not 0: a NaN that is computed is the positive one without payload, in every
                                tier and on every processor, so that runs can be repeated to the bit.
                                0: whichever the processor gives */
    uint32_t keep_ms; /* for how long a module is kept after its last release, and the engine after its
                         own, in case they are wanted again: see keep.h. 0: 5,000; GBX_KEEP_OFF: they are
                         not, and each compilation makes a module of its own */
    uint32_t times;   /* not 0: each outermost call is timed, at the price of four looks at clocks, two
                         of them system calls; 0: one in 1,024 is, see metrics.h */
    uint32_t checked; /* not 0: what is behind views of guests' memory (guest.h) is taken away while guest
                         code runs, so that a host that keeps a pointer is found at once. For tests of hosts:
                         a view then costs some microseconds and a copy */
    uint32_t metered; /* not 0: what guests execute is counted, in units of fuel, alike in every tier, and may
                         be bounded (gbx_store_opts.fuel). It costs some of their speed. 0: nothing is
                         counted, and it costs nothing */
} gbx_engine_opts;
#define GBX_ENGINE_OPTS_INIT GBX_SIZED(gbx_engine_opts)

/* A new engine, or one with equal options that was released less than keep_ms ago, with the modules that it
 * kept: nobody else has it, and its metrics begin anew. opts may be NULL: defaults. The caller owns
 * *out. No thread is started but for a call that has a deadline, and by gbx_module_compile, see
 * compile_threads. On failure *out is NULL: GBX_NO_MEMORY, GBX_ARGUMENT (out is NULL, or opts of another
 * version or with values that mean nothing), GBX_IO (the file for perf cannot be written, or is not this
 * user's). Thread-safe. */
GBX_API gbx_code gbx_engine_new(const gbx_engine_opts *opts, gbx_own gbx_engine **out,
                                gbx_err *err);

/* The host has replaced handlers of SIGSEGV, SIGBUS, SIGFPE or SIGILL, or a thread's stack or mask for
 * signals, and calls guests again: the next call of each thread looks what there is now. It does so
 * anyhow, at each call but those of a stream of more than 64 that follow each other closely, which look
 * every few milliseconds. Thread-safe and async-signal-safe. */
GBX_API void gbx_signals_changed(void);

/* Give the caller's reference back; NULL is fine. The engine ends with its last module and store, and is
 * then kept for keep_ms.
 * Thread-safe. */
GBX_API void gbx_engine_release(gbx_engine *engine);

GBX_DECLS_END

#endif
