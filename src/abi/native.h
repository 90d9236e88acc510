/* What compiled code, the interpreter and the runtime share about running code: cells, segments, and the
 * fields of the execution context that compiled code addresses.
 *
 * The guest's calls are one sequence of segments, each either interpreted frames on gbx_exec.stack or
 * compiled frames on the native stack. Only the innermost runs; the loop of the interpreter is what
 * switches between them, so that neither nests in the other on the host's stack, however often they
 * call each other. */
#ifndef GBX_ABI_NATIVE_H
#define GBX_ABI_NATIVE_H

#include "abi/layout.h"

/* A place in compiled code where a loop goes round; see codegen_head. */
typedef struct gbx_native_head {
    u32 wasm_offset, code_offset;
} gbx_native_head;

/* Compiled code of one function; immutable, lives as long as the module. */
typedef struct gbx_body gbx_body;
struct gbx_body {
    gbx_body *next;          /* of the module's */
    const u8 *code;          /* start */
    u32 general, fresh, osr; /* offsets; UINT32_MAX: there is none */
    u32 head_count;
    gbx_native_head heads[]; /* by wasm_offset */
};

/* One for each function of a module, imported ones too, shared by its instances and their threads. What
 * is called through it is never patched: the pointers change from a stub to final code once (RULE: S5).
 * Its address is known to the stubs: it says which function was called. */
struct gbx_cell {
    _Atomic(const void *) general;
    _Atomic(const void *) fresh;
    _Atomic(const gbx_body *) body; /* NULL: interpreted */
    _Atomic i32 heat;               /* until it is compiled; counted down by the interpreter */
    _Atomic u32 state;              /* gbx_cell_state; changed under the compiler's lock */
};

#define GBX_CELL_SHIFT 5
_Static_assert(sizeof(struct gbx_cell) == 1u << GBX_CELL_SHIFT, "as generated code counts them");

typedef enum gbx_cell_state { GBX_CELL_COLD, GBX_CELL_DONE, GBX_CELL_REFUSED } gbx_cell_state;
#define GBX_CELL_WHY_SHIFT 8 /* from there on, of a refused one: see runtime_int.h, TIER_REFUSED_ */

/* A segment of compiled frames: lies on gbx_exec.stack behind the frame record that stands for it. */
struct gbx_segment {
    gbx_entry entry;      /* for leaving and faults, while it runs */
    const gbx_func *func; /* that the interpreter called */
    gbx_slot *slots;      /* its arguments, or where it is entered in a loop, its locals */
    gbx_slot *results;
    u64 area_bytes; /* of the outgoing area that the stub has made, which drops it again */
    u8 *suspended; /* while it has called out: where its innermost return address stands */
    const gbx_func *callee;
    gbx_slot *args; /* of a call to the interpreter: arguments, then all results but the first */
    bool is_left;   /* that call is a tail call of the segment's only frame, which is gone */
    struct gbx_segment *outer; /* of the same exec */
};

/* What stands on gbx_exec.stack for each frame of the interpreter, and for each segment, which lies behind
 * it. */
typedef struct gbx_record gbx_record;
struct gbx_record {
    const u8 *ret_pc;
    const struct wasm_side *ret_side;
    gbx_slot *ret_fp;
    gbx_record *caller;
    const gbx_func *func; /* of this frame; NULL: a segment of compiled frames stands here */
    const u8 *resume;     /* while this frame's call crosses to the host or to another instance: its pc */
};
#define GBX_RECORD_SLOTS (sizeof(gbx_record) / sizeof(gbx_slot))
#define GBX_RECORD_SLACK 4u /* the rubbish slot, and tos spilt above the operands by a call */
#define GBX_SEGMENT_SLOTS (sizeof(gbx_segment) / sizeof(gbx_slot))
_Static_assert(sizeof(gbx_segment) % sizeof(gbx_slot) == 0, "whole slots");

/* Segments that have begun and are not over are on the stack in the order of their records. */
static inline gbx_segment *
gbx_record_segment(gbx_record *rec)
{
    return (gbx_segment *)(void *)(rec + 1);
}
/* Behind it stand its results, and then what it calls. */
static inline gbx_slot *
gbx_segment_top(gbx_segment *seg)
{
    return (gbx_slot *)(void *)(seg + 1) + seg->func->result_count;
}

#define GBX_TIER_MEMORY_GROW 0x100u /* the sub of memory.grow */

/* What the runtime does for the interpreter when compiled code takes part. NULL in gbx_exec: it does not. */
struct gbx_tier {
    /* `f` has been called, or has looped, often enough; args: of a call that begins, NULL: in a loop. */
    void (*warm)(gbx_exec *x, const gbx_func *f, const gbx_slot *args);
    /* Run the body of seg->func, from its start, or with `head` from there. Of the segment three fields are
     * set: func, slots, results. */
    gbx_status (*enter)(gbx_exec *x, gbx_segment *seg, const gbx_native_head *head);
    /* Go on in the innermost segment, whose call out gave `result`. */
    gbx_status (*resume)(gbx_exec *x, gbx_segment *seg, gbx_slot result);
    /* The segment is over, or what called it unwinds. */
    void (*end)(gbx_exec *x, gbx_segment *seg);
    /* A bulk operation of the interpreter's (sub behind 0xFC), or memory.grow: operands in args, lowest
     * first, and a result in args[0]. */
    gbx_trap_code (*bulk)(gbx_exec *x, gbx_slot *args, u32 sub, u32 first, u32 second);
    /* Record the frames of a segment, innermost first: it has trapped, or it is suspended. */
    void (*frames)(gbx_exec *x, const gbx_segment *seg, bool is_trapped);
    /* The segment goes on once the host function that it called returns: others ran in between. */
    void (*show)(gbx_exec *x, gbx_segment *seg);
};

#endif
