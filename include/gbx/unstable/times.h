/* Where the time of loading and running a module went, for reports and benchmarks.
 *
 * No promise: names and fields may change with every version. Include it by its own name, gbx/gbx.h does
 * not. Thread-safe; figures are those of one moment. */
#ifndef GBX_UNSTABLE_TIMES_H
#define GBX_UNSTABLE_TIMES_H

#include "gbx/module.h"

GBX_DECLS_BEGIN

/* Of one module, nanoseconds of the monotonic clock. The first three are parts of loading it; the others add
 * up over all its instances and threads so far. */
typedef struct gbx_times {
    uint64_t read_ns;    /* its file was read; 0 where the host had the bytes */
    uint64_t lookup_ns;  /* telling whether the code cache, or its own file, knows it, and what */
    uint64_t decode_ns;  /* decoding it, and validating it or taking over that it is valid */
    uint64_t image_ns;   /* giving memories and tables what they begin with */
    uint64_t take_ns;    /* taking over code that was compiled before */
    uint64_t compile_ns; /* compiling: all three times of gbx_compiled */
    uint64_t ready_ns;   /* validating functions once more that the cache knew to be valid and no more, one by
                            one as they are called; of those compiled at once it is part of compile_ns too */
} gbx_times;

/* Fill *out with the times until now. */
GBX_API void gbx_times_get(const gbx_module *module, gbx_times *out);

GBX_DECLS_END

#endif
