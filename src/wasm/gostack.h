/* Goroutines and their stacks, read by the host from the memory of a Go program that stands still.
 *
 * On WebAssembly Go keeps the stacks of goroutines in linear memory, and in globals where it is: 0 is the
 * stack pointer, 2 the present g. A return address on a stack is function << 16 | block (golines.h), and
 * pclntab says how many bytes each function has there, so that a stack can be unwound without the
 * program's help.
 *
 * What is unwound needs pclntab alone. Which goroutines there are, what they wait for, and that a
 * goroutine is behind the stack of the scheduler, needs to know where the runtime keeps it, which changes
 * with Go's releases (golayout.def): of a release that is not known nothing is said.
 *
 * SAFETY: memory is the guest's, and all in it is taken for a lie: each read is compared with its length,
 * each loop has a bound that is ours. What comes out is numbers and texts for people. */
#ifndef GBX_WASM_GOSTACK_H
#define GBX_WASM_GOSTACK_H

#include "wasm/golines.h"

#define GO_TRACE_MOST  128u /* frames of a stack that are kept */
#define GO_INLINE_MOST 32u  /* functions that are inlined in each other */

/* Guest memory, that nobody writes to meanwhile. */
typedef struct go_memory {
    const u8 *base;
    u64 bytes;
} go_memory;

typedef struct go_layout go_layout;

/* What the table says of a pc that stacks return to. */
typedef struct go_step {
    u64 pc;
    u32 func_idx; /* 0: it is none of a function's */
    i32 bytes;    /* of its frame; less than 0: it is not known */
    bool is_top;  /* a goroutine begins there */
} go_step;

/* Those that were looked up, each where its pc falls; zeroed: none. For one thread at a time. */
#define GO_MEMO_ROWS 2048u
typedef struct go_memo {
    go_step rows[GO_MEMO_ROWS];
} go_memo;

/* What of a module is needed. Immutable once it is found, but for the memo. */
typedef struct go_world {
    const wasm_module *m;
    const go_table *t;
    go_table before;         /* t, of the data segments before it */
    const go_layout *layout; /* NULL: of this release it is not known */
    u32 minor;               /* of Go 1.minor; 0: the module does not say */
    char version[48];        /* as the module says it, not escaped; "" */
    u64 inlined;             /* address that tables of inlined calls count from; 0: not known */
    /* Functions; 0: not there, as 0 can never be one. */
    u32 systemstack, morestack, mcall, allgadd, loop, loop_export;
    u64 allgs;               /* address of runtime.allgs; 0: not known */
    go_memo *memo;           /* of whoever has this copy; NULL: none */
} go_world;

typedef enum go_end {
    GO_END_TOP,  /* as it should: what the goroutine was started with, or where the scheduler begins */
    GO_END_LOST, /* what stands there is no return address */
    GO_END_MOST, /* there are more than GO_TRACE_MOST */
} go_end;

/* A stack, innermost frame first. A pc is function << 16 | block, as gbx_wasm_go_expand takes it. */
typedef struct go_trace {
    u64 pcs[GO_TRACE_MOST];
    u32 count;
    go_end end;
} go_trace;

typedef struct go_goroutine {
    u64 g; /* its address */
    u64 id, parent;
    u64 gopc, startpc;
    u64 sp, pc; /* where it goes on, if it does not run */
    const char *state; /* "running", "chan receive"; static */
    bool is_dead;
} go_goroutine;

/* Of a module that has the table. */
void gbx_wasm_go_world_find(const wasm_module *m, const go_table *t, go_world *out);
/* The same, for gbx_wasm_go_expand alone. */
void gbx_wasm_go_world_lines(const wasm_module *m, const go_table *t, go_world *out);
/* Look for runtime.allgs in the body of allgadd, which is ready. */
void gbx_wasm_go_world_allgs(go_world *w);

/* Unwind from a frame of `bytes` on the stack that ends at sp; less than 0: it is not known, and nothing
 * follows. `pc` is where it stands. `g`: whose stack it is, as global 2 says; 0: it is not known. */
void gbx_wasm_go_unwind(const go_world *w, go_memory mem, u64 g, u64 pc, u64 sp, i32 bytes, go_trace *out);
/* Unwind from the innermost frame, of function func_idx, where all that is known of it is the stack
 * pointer: the depth is the one from which the stack ends as it should, and where `caller` is not 0, that
 * function is what comes next. Behind the loop that calls goroutines' functions stands what it calls. False:
 * there is none; *out is empty then. Async-signal-safe. */
GBX_MUST_USE bool gbx_wasm_go_guess(const go_world *w, go_memory mem, u64 g, u32 func_idx, u64 sp, u32 caller,
                                    go_trace *out);
/* What a sleeping goroutine stands at. */
void gbx_wasm_go_trace_of(const go_world *w, go_memory mem, const go_goroutine *g, go_trace *out);

/* The functions at a pc, innermost first: those that were inlined, and then who has the code. Returns how
 * many. */
u32 gbx_wasm_go_expand(const go_world *w, u64 pc, go_place out[GO_INLINE_MOST]);

/* The pc of a block of a function, and of the call that returns to `ret`. */
u64 gbx_wasm_go_pc(const go_world *w, u32 func_idx, u32 block);
u64 gbx_wasm_go_call_pc(u64 ret);
u32 gbx_wasm_go_pc_func(const go_world *w, u64 pc); /* 0: it is none of the module's */
/* Whether the return address of the call at `pc` lies at `sp`. */
bool gbx_wasm_go_returns(go_memory mem, u64 sp, u64 pc);

/* The goroutine that runs, or that the scheduler runs for; 0: none does, or it is not known. */
u64 gbx_wasm_go_current(const go_world *w, go_memory mem, u64 g);
/* How many goroutines there are and have been, and each of them. False: what stands there is none. */
u64 gbx_wasm_go_count(const go_world *w, go_memory mem);
GBX_MUST_USE bool gbx_wasm_go_get(const go_world *w, go_memory mem, u64 i, go_goroutine *out);
GBX_MUST_USE bool gbx_wasm_go_read(const go_world *w, go_memory mem, u64 g, go_goroutine *out);

#endif
