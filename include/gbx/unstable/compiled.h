/* What became of a module's functions: how many were compiled, into how much machine code, in what time, and
 * why others were not. For reports and benchmarks; nothing runs.
 *
 * No promise: names and fields may change with every version. Include it by its own name, gbx/gbx.h does
 * not. Thread-safe; figures are those of one moment. */
#ifndef GBX_UNSTABLE_COMPILED_H
#define GBX_UNSTABLE_COMPILED_H

#include "gbx/module.h"

GBX_DECLS_BEGIN

/* Of one module in its engine, all instances and threads together. Until it is first instantiated, and in an
 * engine that interprets, all but the first two are 0. */
typedef struct gbx_compiled {
    uint32_t funcs;      /* that have a body */
    uint64_t func_bytes; /* of their bodies: local declarations and instructions */
    bool is_open;        /* its functions may be compiled */
    uint32_t compiled;   /* functions that have machine code */
    uint32_t refused;    /* that were to be compiled and are interpreted for ever: gbx_compiled_refusal */
    uint32_t ran;        /* that the interpreter has begun to run. An eager engine's runs what is refused */
    uint64_t body_bytes; /* of the bodies of those compiled */
    uint64_t code_bytes; /* of their machine code */
    uint64_t memory_bytes; /* that the module's code takes: with what is shared by all, and unused ends */
    uint64_t facts_ns;   /* time of day that compiling took: finding out what a body is made of, */
    uint64_t emit_ns;    /* writing its code, */
    uint64_t publish_ns; /* and making it executable and known */
} gbx_compiled;

/* Fill *out with what has become of the module's functions until now. */
GBX_API void gbx_compiled_get(const gbx_module *module, gbx_compiled *out);

typedef struct gbx_refused {
    uint32_t func_idx; /* imports first */
    const char *name;  /* escaped; "" where it has none. Borrowed from the module */
    char why[128];     /* "simd, memory64": slugs of what the compiler lacks, or of a bound */
} gbx_refused;

/* The first refused function from *next on, which becomes the index behind it; false: there is none. */
GBX_API bool gbx_compiled_next_refused(const gbx_module *module, uint32_t *next, gbx_refused *out);

GBX_DECLS_END

#endif
