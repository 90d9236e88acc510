/* Pass A of the compiler: what one validated body is made of. Pass B emits code from it, in one walk.
 *
 * Blocks are those that are really used, in the order of the bytes: the entry, the targets of branches
 * that can be executed, and what follows a branch that may not be taken. Bytes that nothing leads to
 * are in no block. Edges are those of the side table that validation made (wasm_code.side), which is
 * the one place where a branch's target is decided, for the interpreter and for the compiler: threaded
 * jumps (RULE: S7) lead to the block behind their label, and nothing is proved a second time. A loop's
 * head that no branch leads to any more, because all jumps to it are threaded, begins no block.
 *
 * A dispatch is a block that is `local.get L; br_table` and nothing else. Where it is the first block, or
 * the one that the first block falls into, and L is not written before it, the function has two
 * entries (RULE: S8): with L = 0 the dispatch leads to its first target and need not be executed
 * (`fresh`); with anything else it is executed, after the bytes before it.
 *
 * All of it is borrowed from the facts_space, until that is used again. Contents depend on the module
 * alone. SPEC: core/exec/instructions.html */
#ifndef GBX_CODEGEN_FACTS_H
#define GBX_CODEGEN_FACTS_H

#include "wasm/module.h"

#define FACTS_NONE UINT32_MAX
#define FACTS_RANKED 64u /* locals that have a bit in the masks */

/* Bits of facts.beyond. */
enum {
#define FACTS_BEYOND(name, slug, reason) FACTS_BEYOND_AT_##name,
#include "codegen/facts.def"
#undef FACTS_BEYOND
    FACTS_BEYOND_COUNT
};
enum {
#define FACTS_BEYOND(name, slug, reason) FACTS_BEYOND_##name = 1 << FACTS_BEYOND_AT_##name,
#include "codegen/facts.def"
#undef FACTS_BEYOND
};
extern const char *const gbx_codegen_beyond_texts[FACTS_BEYOND_COUNT];

/* Bits of facts.has and facts_block.has: instructions of the kind are there. */
enum {
    FACTS_CALL = 1 << 0,          /* call, return_call */
    FACTS_CALL_INDIRECT = 1 << 1, /* call_indirect, return_call_indirect */
    FACTS_CALL_IMPORT = 1 << 2,   /* a call, as above, whose callee is imported */
    FACTS_TAIL_CALL = 1 << 3,
    FACTS_MEMORY = 1 << 4,        /* loads and stores */
    FACTS_MEMORY_GROW = 1 << 5,
    FACTS_BULK = 1 << 6,          /* memory.copy, memory.fill, memory.init, data.drop */
    FACTS_TABLE = 1 << 7,         /* table.get and so on, elem.drop, ref.func */
    FACTS_STALE = 1 << 9,         /* left after a call without a new copy: see facts.copy_local */
    FACTS_THREADED = 1 << 11,     /* WASM_SIDE_THREADED: of the jump that ends the block */
    FACTS_CALL_VALUES = 1 << 10,  /* a call, as above, that passes more than a literal 0 */
    FACTS_LOOP = 1 << 8,          /* facts.has: an edge leads backwards. facts_block.has: one from here */
};

/* How a block is left, and which edges it has. */
typedef enum facts_exit {
    FACTS_FALL,   /* into the next block: 1 edge */
    FACTS_JUMP,   /* br, and the end of a then-branch: 1 */
    FACTS_BR_IF,  /* 2: where it leads when not zero, then what follows */
    FACTS_IF,     /* 2: where it leads when zero (else-branch or behind), then what follows */
    FACTS_SWITCH, /* br_table: 1 an entry, in their order, the default last */
    FACTS_RETURN, /* return, and the body's end: 0. The topmost operands are the results */
    FACTS_TRAP,   /* unreachable: 0 */
    FACTS_TAIL,   /* return_call, return_call_indirect: 0 */
} facts_exit;

/* Bits of facts_block.marks. */
enum {
    FACTS_MARK_FRESH = 1 << 0,    /* reached when the function is entered with L = 0, or has no `fresh` */
    FACTS_MARK_RESUME = 1 << 1,   /* a target of the entry's dispatch */
    FACTS_MARK_DISPATCH = 1 << 2, /* `local.get L; br_table` and nothing else */
    FACTS_MARK_HEAD = 1 << 3,     /* an edge leads backwards to it */
    FACTS_MARK_COLD = 1 << 4,     /* every way on from here ends in a trap */
    FACTS_MARK_END = 1 << 5,      /* the body's own end: edges into it may bring more operands than
                                     `height`, of which the topmost are the results */
    FACTS_MARK_UNLIKELY = 1 << 8, /* a call on a condition, and nothing else */
    FACTS_MARK_MAYBE = 1 << 6,    /* of the walk: behind a loop's opening, no branch seen yet */
};

typedef struct facts_block {
    u32 off, end;        /* bytes of the module file, exit included. What opens or ends blocks may stand
                            inside, and between one block's end and the next */
    u32 edge, edge_count;     /* in facts.edges */
    u32 pred, pred_count;     /* in facts.preds: one for each edge into it */
    u32 access, access_count; /* in facts.accesses */
    u32 height;          /* operands when it is entered */
    u32 insns;           /* instructions but block, loop, end, else, nop: those that cost fuel (RULE: S15) */
    u32 weight;          /* estimated executions, relative; at least 1 */
    u16 has;
    u16 marks;
    u8 exit;             /* facts_exit */
    u8 depth;            /* loops around it in the threaded graph, cut at 255 */
    u64 live_in, live_out; /* bit r: locals[r]. In: may be read before it is written, from here on */
    u64 uses, defs;        /* read before written in the block; written in it */
} facts_block;

typedef struct facts_edge {
    u32 to;      /* block */
    u32 shuffle; /* operands that move and go: wasm_side.shuffle */
} facts_edge;

/* RULE: S14. Where polls go: every cycle has such an edge. */
static inline bool
facts_edge_is_backward(u32 from, u32 to)
{
    return to <= from;
}

/* An access to a local or global: its index and one of the kinds. */
enum { FACTS_LOCAL_READ, FACTS_LOCAL_WRITE, FACTS_GLOBAL_READ, FACTS_GLOBAL_WRITE };
#define FACTS_ACCESS(idx, kind) ((idx) << 2 | (kind))
#define FACTS_ACCESS_KIND(access) ((access) & 3u)
#define FACTS_ACCESS_IDX(access) ((access) >> 2)

/* A local or global that is used; the heaviest come first, equal ones by index. */
typedef struct facts_use {
    u32 idx;
    u32 reads, writes;
    wasm_valtype type;
    bool is_param;
    u64 weight; /* sum over its accesses of their blocks' weights */
} facts_use;

typedef struct facts {
    const facts_block *blocks; /* [0] is the entry, which nothing leads to */
    const facts_edge *edges;
    const u32 *preds;
    const u32 *accesses;
    u32 block_count, edge_count;

    facts_use locals[FACTS_RANKED]; /* bit r of the masks is locals[r]; the others have homes in memory */
    u32 local_count;                /* of `locals` */
    u32 locals_used;                /* all that are used, ranked or not */
    u64 ints, floats, vectors;      /* masks by class; references are ints */
    u64 params;                     /* mask */
    const facts_use *globals;
    u32 global_count;

    u32 beyond;     /* FACTS_BEYOND_...; with EXCEPTIONS there are no blocks and nothing else holds */
    u32 beyond_off; /* of the first instruction that is; 0 where it is a type */
    u32 has;
    u32 insns;      /* as in blocks, of all of them */
    u64 offset_max; /* largest static offset of an access */
    u32 height_max; /* operands at once */
    u32 values_max; /* parameters or results, whichever are more, of any function that is called */

    u32 dispatch;       /* block of the entry's dispatch, which is 0 or 1; FACTS_NONE: there is none */
    u32 dispatch_local; /* L. A local that is no parameter is 0: then `fresh` is the only way */
    u32 fresh;          /* block that L = 0 leads to; FACTS_NONE without a dispatch */
    u64 fresh_live;     /* live at the fresh entry before the bytes before the dispatch; without a
                           dispatch, at the entry */
    u64 resume_live;    /* the same at the resume entry, 0 without one. RULE: S8. Those that are no
                           parameters are zeroed */
    /* A local that wherever it is read has the value of this global, and that nothing writes but a copy of
     * the global or a value that at once becomes the global's as well: with the global in a register it
     * needs none of its own. A bit of the masks, and a global; FACTS_NONE: there is none. */
    u32 copy_local, copy_global;
    u32 jumps, jumps_threaded; /* to the entry's dispatch: all, and those that lead past it */
} facts;

/* What is kept from one function to the next. A zeroed one is empty; deinit accepts it. One thread at a
 * time. Memory is at most 8 bytes a byte of the largest body, and 150 a block. */
typedef struct facts_space facts_space;
GBX_MUST_USE facts_space *gbx_codegen_facts_space_new(void); /* NULL: memory is short */
void gbx_codegen_facts_space_free(facts_space *s);           /* NULL is fine */
size_t gbx_codegen_facts_space_bytes(const facts_space *s);  /* held now */

/* The facts of `code`, of the validated module `m`. GBX_NO_MEMORY is the only failure; the space may be
 * used again after it. Time is linear in the body's bytes but for the fixpoint of liveness, which visits
 * each edge at most 64 times.
 * PERF: 130 to 160 MB of code section a second on Go programs, one thread. */
GBX_MUST_USE gbx_code gbx_codegen_facts(facts_space *s, const wasm_module *m, const wasm_code *code,
                                        facts *out);

#endif
