/* What interpreter, compiled code and runtime agree on: instances and what they hold, the execution
 * context, function instances, traps. Data only; whoever changes a field changes all three.
 *
 * Values: a value takes one 64-bit slot. i32 and f32 stand in the low half with a zero upper half
 * (S3); a funcref is a gbx_func pointer, an externref what the host gave, an exnref a gbx_exn pointer, null
 * is 0. A v128 has its low half in its slot and its high half in a twin of the stack at a fixed
 * distance: that of slot p is p[x->high]. The twin is there while a call runs in a store that has seen
 * a v128 (a module that uses SIMD, a host function with such a type), else x->high is 0 and not used.
 *
 * Threads: everything here belongs to one store, and a store is used by one thread at a time. The
 * only field another thread or a signal handler may write is gbx_exec.stop. */
#ifndef GBX_ABI_LAYOUT_H
#define GBX_ABI_LAYOUT_H

#include <stdatomic.h>

#include "abi/entry.h"
#include "base/base.h"
#include "gbx/trap.h"

struct wasm_functype;
struct wasm_module;
struct wasm_code;
struct gbx_store;

typedef u64 gbx_slot;

typedef struct gbx_exec gbx_exec;
typedef struct gbx_instance gbx_instance;
typedef struct gbx_cell gbx_cell;       /* native.h, as are the next two */
typedef struct gbx_segment gbx_segment;
typedef struct gbx_tier gbx_tier;

/* A function the host supplies. Arguments stand in slots[0..params), results are written from
 * slots[0]; the array has room for both, and slots[i + x->high] is the high half of a v128.
 * `caller` is the instance whose code made the call (its memory is what guest pointers point into),
 * NULL when the host calls itself. Anything but
 * GBX_TRAP_NONE ends the guest's call; GBX_TRAP_EXIT takes x->exit_status, GBX_TRAP_HOST takes
 * x->message. Never unwinds (no longjmp) over its caller. */
typedef gbx_trap_code (*gbx_host_fn)(gbx_exec *x, gbx_instance *caller, void *data,
                                     gbx_slot *slots);

/* A function instance: what tables and funcref values point at. Immutable once made. */
typedef struct gbx_func {
    gbx_instance *inst;           /* owner; NULL for a host function */
    const struct wasm_code *code;    /* NULL: a host function */
    gbx_host_fn host;
    union {
        void *host_data;                 /* of a host function */
        const struct runtime_type *type; /* of others, once the host has called it; the runtime's own */
    };
    gbx_cell *cell; /* of its module, NULL: it is interpreted for ever */
    u32 type_id;  /* canonical in the engine: equal exactly when the types are equal */
    u32 func_idx; /* in the owner's module; for a host function, 0 */
    u32 param_count, result_count;
    bool has_v128; /* among parameters or results */
} gbx_func;

/* A linear memory. The base never moves while the memory lives (S4): what may be reached by growing
 * is reserved up front. Bytes from `bytes` to `reserved_bytes` are not accessible. */
typedef struct gbx_memory {
    u8 *base;
    u64 bytes;     /* accessible now; a multiple of 64 KiB */
    u64 max_bytes; /* memory.grow gives -1 beyond: the module's maximum and the store's limit */
    u64 reserved_bytes;
    bool guarded;   /* S3: reserved from base - 2 GiB to base + 6 GiB: any 32-bit address plus an
                       offset of at most 0x7fff0000 plus 16 lands inside */
    bool is_64;     /* addresses are i64; never guarded */
    bool has_max;   /* declared in the module; link-time matching needs it */
    u64 declared_max_pages;
} gbx_memory;

typedef struct gbx_table {
    gbx_slot *elems;
    u64 len, cap;
    u64 max; /* declared maximum, or the limit */
    bool has_max;
    bool is_64;   /* indices are i64 */
    u8 elem_type; /* WASM_FUNCREF, WASM_EXTERNREF, WASM_EXNREF */
} gbx_table;

typedef struct gbx_global {
    gbx_slot value;
    gbx_slot high; /* of a v128 */
    u8 type;
    bool is_mutable;
} gbx_global;

/* A tag: two are the same exactly when they are one object. */
typedef struct gbx_tag {
    const struct wasm_functype *sig; /* no results; borrowed from a module that outlives the store */
    u32 param_count;
    bool has_v128;
} gbx_tag;

/* An exception. Immutable; made by the libcall exn_new, owned by the store, and freed once no slot of the
 * stack, table, global or other exception of the store holds it. */
typedef struct gbx_exn gbx_exn;
struct gbx_exn {
    const gbx_tag *tag;
    gbx_exn *next; /* the runtime's: all of a store */
    bool is_marked;
    gbx_slot values[]; /* tag->param_count, and as many high halves behind them where has_v128 */
};

/* Operations the runtime performs for executing code. Each returns a trap code that the caller tests
 * (a guest trap never jumps over C frames), checks all bounds before its first write, and, where it
 * can be long, works in chunks and gives up between them when x->stop is set. */
typedef struct gbx_libcalls {
#define GBX_LIBCALL(name, params) gbx_trap_code (*name) params;
#include "abi/libcalls.def"
#undef GBX_LIBCALL
} gbx_libcalls;

/* An instance. The arrays hold imports first, as the module's index spaces do. */
struct gbx_instance {
    gbx_memory **memories;
    gbx_table **tables;
    gbx_global **globals;
    gbx_func **funcs;
    gbx_tag **tags;
    const u32 *type_ids; /* by the module's type index */
    const struct wasm_module *module;
    const gbx_libcalls *libcalls;
    gbx_cell *cells;        /* of the module, by function index; NULL: nothing of it is compiled */
    gbx_slot *const *pins;  /* values of the globals that compiled code has in registers */
    struct gbx_store *store;
    u32 memory_count;   /* entries of memories: what host functions may reach without the module */
    bool *data_dropped; /* by data segment */
    bool *elem_dropped; /* by element segment */
};

/* One frame of a backtrace, as the executing tiers record it. */
typedef struct gbx_frame_ref {
    const gbx_instance *inst;
    u32 func_idx;
    u32 offset; /* into the module file, of the instruction */
} gbx_frame_ref;

/* Functions are counted for the compiler. */
#define GBX_ATTEND_TIER 1u
/* gbx_exec.stop was set, which is the truth; a hint, looked at by calls too. */
#define GBX_ATTEND_STOP 2u
/* A sample of where the guest is was asked for, by a handler of signals on the thread that runs it. */
#define GBX_ATTEND_SAMPLE 4u

struct gbx_record;

/* The execution context of a running call: stack, stop word, what a trap left. One per store. */
struct gbx_exec {
    /* Set by other threads and signal handlers: 0, or the gbx_trap_code (DEADLINE, CANCELLED) to end
     * with. After it the event behind stop_fd is set. */
    _Atomic u32 stop;
    /* Not 0: the interpreter has more to do at a branch that goes backwards than to go there: GBX_ATTEND_
     * bits. */
    _Atomic u32 attention;
    int stop_fd; /* eventfd that host waits poll beside what they wait for; -1: no one can stop. A
                    hint: readable while `stop` is 0, it is read empty and the wait goes on (S14) */

    /* The guest's stack: values, frames. Free part starts at `sp` while host code runs. NULL while no
     * call runs: stacks belong to running calls (S18). */
    gbx_slot *stack, *stack_end;
    gbx_slot *sp;
    i64 high; /* from a slot of the stack to the high half of a v128, in slots */
    void *frame;   /* innermost guest frame while host code runs; NULL: none (interp's own type) */
    u32 reentries; /* guest -> host -> guest levels now active */
    bool is_untidy; /* the runtime has something to do when the outermost call is over: something was
                       interpreted, and the stack may be deeply used, or more of the native one was shown */
    gbx_exn *exn;  /* on its way from a guest's call to the guest whose host function made that call */

    /* Left by a trap, read by whoever started the outermost call. */
    i32 exit_status;
    char message[256];
    u64 limit; /* of OUTPUT_LIMIT: that was met, in bytes; 0: the store's */
    u32 frame_count;
    u64 frames_total;
    gbx_frame_ref frames[GBX_TRAP_FRAMES];

    struct gbx_store *store;

    /* Of compiled code. `fault` is written by the fault handler on the thread that runs the guest. */
    gbx_entry *entry; /* innermost; NULL: none is running */
    const gbx_tier *tier; /* NULL: everything is interpreted */
    gbx_native native;
    gbx_fault fault;

    /* RULE: S15. What is left of the budget, below 0 once it is used up; of engines that count fuel alone.
     * The tier that runs has it in a register, and here whenever anyone else could look. */
    i64 fuel;
    bool is_metered;

    /* GBX_FROM_…: what host functions told guests of this store so far; see gbx/snapshot.h. */
    u32 asked;
    /* Functions of the host that guests called, but for WASI's. Written by the store's thread alone,
       read by any. */
    _Atomic u64 host_calls;

    /* For samples (runtime/sample.c): the frame that the innermost loop of the interpreter began with, NULL:
     * none runs; the frame in it that has called a function of the host's which has not returned, NULL: none
     * has; and who takes one in the interpreter, behind the instruction before pc. */
    struct gbx_record *volatile looping;
    struct gbx_record *volatile calling;
    void (*sampled)(gbx_exec *x, const struct gbx_record *rec, const u8 *pc);
};

#endif
