/* Where a guest spends its time: a profile that is taken from outside, of programs that cannot do it
 * themselves (WebAssembly has no signals: `go test -cpuprofile` gives no samples).
 *
 *     gbx_profile *profile;
 *     if (gbx_profile_begin(store, NULL, &profile, &err)) ...
 *     gbx_func_call(start, NULL, 0, NULL, 0, &trap);
 *     gbx_profile_end(profile);
 *     gbx_profile_write(profile, GBX_PROFILE_PPROF, write, file, &err);
 *     gbx_profile_release(profile);
 *
 * Functions, files and lines are those of Go, with the callers that a goroutine has on its own stack and
 * with functions that were inlined; of other modules, the names in their name section.
 *
 * Callers and the lines of their calls are exact. The line of the innermost function is near: Go's tables
 * count in blocks, from one call or target of a jump to the next, and in compiled code the last instruction
 * before it counts that calls, goes round or can trap.
 *
 * Time is processor time of the thread. SIGPROF is used while a profile is taken, of a timer of that
 * thread alone, and unblocked for that thread; a handler that the host has for it is called for all others of
 * them, and is there again at the end, unless the host has put another one in place meanwhile: then there are
 * no more samples, and his stays.
 *
 * Not thread-safe: a profile is begun and ended by the thread that makes the calls, and then used by one
 * thread at a time. Several threads may take one each, of different stores. What another thread calls in the
 * store is not sampled. */
#ifndef GBX_PROFILE_H
#define GBX_PROFILE_H

#include "gbx/precompile.h"
#include "gbx/store.h"

GBX_DECLS_BEGIN

typedef struct gbx_profile gbx_profile;

typedef struct gbx_profile_opts {
    size_t size; /* set by GBX_PROFILE_OPTS_INIT */
    uint32_t hz; /* samples a second of processor time, 1 to 1000; 0: 100 */
} gbx_profile_opts;
#define GBX_PROFILE_OPTS_INIT GBX_SIZED(gbx_profile_opts)

/* Sample the calls that this thread makes in `store` from now on, of instances that the store has now.
 * NULL for opts: defaults. GBX_STATE: this thread is being sampled already, or the store. GBX_UNSUPPORTED:
 * the system has no timer for it. GBX_ARGUMENT: store or out is NULL, hz is too large. GBX_NO_MEMORY. On
 * failure *out is NULL. */
GBX_API gbx_code gbx_profile_begin(gbx_store *store, const gbx_profile_opts *opts, gbx_own gbx_profile **out,
                                   gbx_err *err);

/* No more. By the thread that began it; NULL is fine, and so is a second time. A store that this thread
 * releases ends it, too; one that another thread releases must not be sampled. */
GBX_API void gbx_profile_end(gbx_profile *profile);

typedef enum gbx_profile_format {
    GBX_PROFILE_PPROF, /* what `go tool pprof` reads: profile.proto in gzip */
    GBX_PROFILE_SVG,   /* a flame graph, for any browser */
} gbx_profile_format;

/* Write a profile that has ended. GBX_STATE: it has not. GBX_IO: `write` gave false. GBX_NO_MEMORY;
 * GBX_ARGUMENT. Any thread, one at a time. */
GBX_API gbx_code gbx_profile_write(const gbx_profile *profile, gbx_profile_format format, gbx_write_fn write,
                                   void *data, gbx_err *err);

/* Samples that were taken, and that were lost since there was no room for more different stacks. Either
 * may be NULL. Of one that has ended. */
GBX_API void gbx_profile_samples(const gbx_profile *profile, uint64_t *taken, uint64_t *lost);

/* Ends it, too; by the thread that began it where it has not ended. NULL is fine. */
GBX_API void gbx_profile_release(gbx_profile *profile);

GBX_DECLS_END

#endif
