/* What the parts of pass A share: facts.c (the whole), facts_walk.c (bytes to blocks), facts_loops.c
 * (weights), facts_live.c (ranking, liveness). */
#ifndef GBX_CODEGEN_FACTS_INT_H
#define GBX_CODEGEN_FACTS_INT_H

#include "codegen/facts.h"

/* An array of the space, grown and never shrunk. */
typedef struct facts_array {
    void *items;
    u32 cap;
} facts_array;

/* A leader from when an edge to it is seen until its block is opened. */
typedef struct facts_leader {
    u32 height, side;
} facts_leader;

/* Of locals or globals: see facts_live.c. All `slots` are zero between functions. */
typedef struct facts_tally {
    facts_array slots; /* u32 by index: its place in `uses` + 1; then its bit + 1 */
    facts_array uses;  /* facts_use */
    u32 count;
} facts_tally;

struct facts_space {
    facts_array leader_bits; /* u64: a bit a byte of the body */
    facts_array at;          /* u32 by byte: of a leader, its index, then its block */
    facts_array leaders, blocks, edges, preds, accesses;
    facts_array work[5];     /* u32 a block, scratch */
    facts_tally locals, globals;
    u32 leader_count, block_count, edge_count, access_count;
};

/* Room for `need` items of `bytes` each; contents stay. */
GBX_MUST_USE bool gbx_codegen_facts_grow(facts_array *a, u64 need, size_t bytes);
/* The same, and new room is zeroed. */
GBX_MUST_USE bool gbx_codegen_facts_grow_zero(facts_array *a, u64 need, size_t bytes);

/* Each: false when memory is short. In this order. */
GBX_MUST_USE bool gbx_codegen_facts_walk(facts_space *s, const wasm_module *m, const wasm_code *code,
                                         facts *f);
GBX_MUST_USE bool gbx_codegen_facts_loops(facts_space *s, facts *f);
GBX_MUST_USE bool gbx_codegen_facts_rank(facts_space *s, const wasm_module *m, const wasm_code *code,
                                         facts *f);
GBX_MUST_USE bool gbx_codegen_facts_live(facts_space *s, facts *f);

#endif
