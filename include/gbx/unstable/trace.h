/* What a run does and leaves, for tools that compare runs: every call of preview 1, what is written to the
 * standard streams, memories and globals at the end.
 *
 * No promise: names, fields and hashes may change with every version. Include it by its own name, gbx/gbx.h
 * does not. What is not asked for costs nothing: a builder without a trace makes the functions that it
 * always makes. All of it is used by the thread of the store.
 *
 * Two runs are comparable when they see the same world: give both the same arguments, a clock and
 * randomness of yours (gbx_wasi_clock, gbx_wasi_random), gbx_wasi_still, and directories that nobody
 * changes meanwhile. */
#ifndef GBX_UNSTABLE_TRACE_H
#define GBX_UNSTABLE_TRACE_H

#include "gbx/wasi.h"

GBX_DECLS_BEGIN

/* ---- Calls of preview 1 */

#define GBX_TRACE_ARGS 16 /* no call of preview 1 has more */

/* One call, told when it is over and before the guest goes on. Valid, and its strings borrowed, while it is
 * told of. */
typedef struct gbx_trace_call {
    uint64_t number;      /* of these descriptors, from 1 */
    const char *name;     /* "fd_write"; static, one address for all calls of a name */
    const char *params;   /* one letter an argument: i = i32, I = i64 */
    uint64_t args[GBX_TRACE_ARGS];
    gbx_trap_code trap;   /* GBX_TRAP_NONE: it returned; else it ended the guest's call */
    uint32_t result;      /* where it returned, its errno */
    const char *result_name; /* "BADF"; "OK" for 0 */
    uint64_t bytes;       /* of the guest's memory that it was given: paths, buffers, results */
    uint64_t hash;        /* of their places and of what stands there now; the first 64 MiB count */
    const void *running;  /* the library's */
} gbx_trace_call;

typedef void (*gbx_trace_report)(void *data, const gbx_trace_call *call);

/* Tell `report` (NULL: nobody, the default) of each call made through descriptors that gbx_wasi_link makes
 * from now on. It may read the store and cancel it; it must not call into it or release it. */
GBX_API void gbx_wasi_trace(gbx_wasi *wasi, gbx_trace_report report, void *data);

/* The guest's frames that are active during the call, innermost first: how many there are, the first `cap` of
 * them in `frames`. Names are valid as those of a trap. */
GBX_API uint64_t gbx_trace_frames(const gbx_trace_call *call, gbx_frame *frames, size_t cap);

/* ---- The world */

/* Hand over what the guest writes to its descriptor 1 or 2, in pieces as it writes them, instead of binding
 * it to a descriptor of the host; NULL undoes it. GBX_ARGUMENT: another descriptor. */
GBX_API gbx_code gbx_wasi_sink(gbx_wasi *wasi, int guest_fd,
                               void (*write)(void *data, const uint8_t *bytes, size_t len), void *data,
                               gbx_err *err);

/* Looking at a file changes nothing that the guest is told later: files count as last read when they were
 * last changed. */
GBX_API void gbx_wasi_still(gbx_wasi *wasi);

/* ---- What there is at the end */

/* Memories of an instance, imported ones first, exported or not; the bytes of one, borrowed until guest code
 * runs. False: there is no such memory. */
GBX_API size_t gbx_trace_memory_count(const gbx_instance *instance);
GBX_API bool gbx_trace_memory(const gbx_instance *instance, size_t idx, const uint8_t **data,
                              size_t *bytes);

/* Globals likewise. Function references, which differ from store to store, are given as the function's index
 * in its module plus one, references of other kinds as 1; null is 0 in both. */
GBX_API size_t gbx_trace_global_count(const gbx_instance *instance);
GBX_API bool gbx_trace_global(const gbx_instance *instance, size_t idx, gbx_val *out);

/* XXH64 of `len` bytes with `seed`: fast, equal on all machines, no protection against who looks for equal
 * hashes. For a sequence of pieces the hash of one is the seed of the next. */
GBX_API uint64_t gbx_trace_hash(uint64_t seed, const void *data, size_t len);

GBX_DECLS_END

#endif
