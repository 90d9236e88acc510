/* The engine: what all modules and stores of a process share (canonical types, guest stacks, the
 * thread that fires deadlines). Any number of engines may live side by side; objects of one never meet
 * those of another: using them together is GBX_ARGUMENT. Reference-counted: modules and stores keep
 * their engine alive. */
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

typedef struct gbx_engine_opts {
    size_t size;           /* set by GBX_ENGINE_OPTS_INIT */
    uint64_t features_off; /* GBX_FEATURE_BITs: modules of this engine that use one of these features
                              are refused with GBX_UNSUPPORTED. 0: all that are supported are on */
    gbx_tier_mode tier; /* where this processor or system cannot run compiled code, all is interpreted */
} gbx_engine_opts;
#define GBX_ENGINE_OPTS_INIT {.size = sizeof(gbx_engine_opts)}

/* A new engine. opts may be NULL: defaults. The caller owns *out. No thread is started before the first
 * call that has a deadline.
 * On failure *out is NULL: GBX_NO_MEMORY, GBX_ARGUMENT (out is NULL, or opts of another version).
 * Thread-safe. */
GBX_API gbx_code gbx_engine_new(const gbx_engine_opts *opts, gbx_own gbx_engine **out,
                                gbx_err *err);

/* Give the caller's reference back; NULL is fine. The engine ends with its last module and store.
 * Thread-safe. */
GBX_API void gbx_engine_release(gbx_engine *engine);

GBX_DECLS_END

#endif
