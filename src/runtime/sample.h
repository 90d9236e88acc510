/* Samples of where a thread's guest is, taken from outside: what gbx/profile.h stands on.
 *
 * A timer of the thread's own processor time raises SIGPROF on that thread, whose handler looks where it
 * stands:
 *
 *   - in compiled code: its pc says the function, the native stack who called it;
 *   - in a function of the host's, or of ours, that compiled code or the interpreter has called: who called;
 *   - in the interpreter: it is asked (GBX_ATTEND_SAMPLE) to say where it is when it next calls or goes back.
 *
 * Of a Go program the stack is read from Go's (wasm/gostack.h), since WebAssembly's lacks what a
 * goroutine was in when it last waited.
 *
 * What must hold: the handler takes no lock, allocates nothing and writes to nothing but the profile and
 * that bit. SAFETY: stacks of guests are read with their bounds, whatever they hold; see sample.c. */
#ifndef GBX_RUNTIME_SAMPLE_H
#define GBX_RUNTIME_SAMPLE_H

#include "runtime/runtime.h"

#define SAMPLE_FRAMES_MOST GO_TRACE_MOST

/* A frame: a pc of Go's, as gbx_wasm_go_expand takes it, or where an instruction is. */
#define SAMPLE_IS_WASM   ((u64)1 << 63)
#define SAMPLE_IS_BEHIND ((u64)1 << 62) /* the one before that offset */
#define SAMPLE_WASM(func_idx, offset) (SAMPLE_IS_WASM | (u64)(func_idx) << 32 | (offset))
#define SAMPLE_FUNC(frame)   ((u32)((frame) >> 32) & 0x3fffffff)
#define SAMPLE_OFFSET(frame) ((u32)(frame))

/* One stack, and how often it was met. */
typedef struct sample_row {
    const u64 *frames; /* innermost first */
    u32 frame_count;   /* 0: the guest was not to be seen */
    u32 module;        /* of the profile's: whose frames these are */
    u64 count;         /* of ticks */
    bool is_cut;       /* outer frames are missing */
} sample_row;

typedef struct runtime_profile runtime_profile;

/* Sample calls that this thread makes in `s`, in instances that it has now. GBX_STATE: this thread or the
 * store is sampled already; GBX_NO_MEMORY; GBX_UNSUPPORTED: the system has no such
 * timer. */
GBX_MUST_USE gbx_code gbx_runtime_profile_begin(gbx_store *s, u32 hz, runtime_profile **out, gbx_err *err);
/* By the same thread. Then it can be read. */
void gbx_runtime_profile_end(runtime_profile *p);
bool gbx_runtime_profile_has_ended(const runtime_profile *p);
/* The store goes: what this thread samples of it ends. */
void gbx_runtime_profile_end_of(const gbx_store *s);
void gbx_runtime_profile_free(runtime_profile *p); /* ends it, too; NULL is fine */

u32 gbx_runtime_profile_count(const runtime_profile *p);
sample_row gbx_runtime_profile_row(const runtime_profile *p, u32 i);
/* Module i, and what of Go is known of it, which may be nothing. */
const go_world *gbx_runtime_profile_world(const runtime_profile *p, u32 i, gbx_module **module);
u64 gbx_runtime_profile_period_ns(const runtime_profile *p);
u64 gbx_runtime_profile_began_ns(const runtime_profile *p); /* of the wall clock */
u64 gbx_runtime_profile_lasted_ns(const runtime_profile *p);
u64 gbx_runtime_profile_lost(const runtime_profile *p); /* ticks for which there was no room */

#endif
