/* The engine: what all modules and stores of a process share (canonical types, the watchdog that
 * fires deadlines). Any number of engines may live side by side; objects of one never meet those of
 * another. Reference-counted: modules and stores keep their engine alive. */
#ifndef GBX_ENGINE_H
#define GBX_ENGINE_H

#include "gbx/error.h"

typedef struct gbx_engine gbx_engine;

typedef struct gbx_engine_opts {
    size_t size; /* set by GBX_ENGINE_OPTS_INIT */
} gbx_engine_opts;
#define GBX_ENGINE_OPTS_INIT {.size = sizeof(gbx_engine_opts)}

/* A new engine. opts may be NULL. On failure *out is NULL: GBX_NO_MEMORY. Thread-safe. */
GBX_API gbx_code gbx_engine_new(const gbx_engine_opts *opts, gbx_own gbx_engine **out,
                                gbx_err *err);
/* Give the caller's reference back; NULL is fine. Thread-safe. */
GBX_API void gbx_engine_release(gbx_engine *engine);

#endif
