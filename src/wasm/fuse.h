/* Fused opcodes: sequences that validation marks for the interpreter by replacing the first opcode. */
#ifndef GBX_WASM_FUSE_H
#define GBX_WASM_FUSE_H

#include "wasm/opcodes.h"

/* FUSED_GET_GET and so on: the bytes that stand for sequences. */
enum {
#define FUSE_WIDE(number, name, count, seq) FUSED_##name = (number),
#define FUSE_NARROW(number, name, count, seq) FUSED_##name = (number),
#define FUSE_BOTH(number, name, count, seq) FUSED_##name = (number),
#define FUSE_FIRST(number, name, first) FUSED_##name = (number),
#include "wasm/fuse.def"
#undef FUSE_WIDE
#undef FUSE_NARROW
#undef FUSE_BOTH
#undef FUSE_FIRST
};

/* The opcodes of a row, the last one lowest. */
#define SEQ1(a) ((u64)OP_##a)
#define SEQ2(a, b) (SEQ1(a) << 8 | OP_##b)
#define SEQ3(a, b, c) (SEQ2(a, b) << 8 | OP_##c)
#define SEQ4(a, b, c, d) (SEQ3(a, b, c) << 8 | OP_##d)
#define SEQ5(a, b, c, d, e) (SEQ4(a, b, c, d) << 8 | OP_##e)
#define SEQ6(a, b, c, d, e, f) (SEQ5(a, b, c, d, e) << 8 | OP_##f)
#define SEQ7(a, b, c, d, e, f, g) (SEQ6(a, b, c, d, e, f) << 8 | OP_##g)
#define SEQ8(a, b, c, d, e, f, g, h) (SEQ7(a, b, c, d, e, f, g) << 8 | OP_##h)

/* The opcode a byte of a validated body stands for: itself, or the first of a fused sequence of the
 * module's set. */
extern const u8 gbx_wasm_unfuse[WASM_FUSE_SETS][256];

enum { FUSE_STATES = 256, FUSE_CLASSES = 64, FUSE_RING = 16, FUSE_SECONDS = 16 };

/* What one more instruction does: the state it leads to, and the sequence that is complete now that it
 * cannot grow: which byte, and how many instructions back its head stands. From the lowest bit:
 *   8  the byte, 0: none      4  how far back     4  a second sequence, which is rare: its place in `seconds`
 *  16  the state, as the index of its first edge */
typedef u32 fuse_edge;
#define FUSE_BACK_SHIFT   8u
#define FUSE_SECOND_SHIFT 12u
#define FUSE_STATE_SHIFT  16u
#define FUSE_FIELD        15u /* `back` and `second` have four bits */

/* The rows of a set as an automaton that takes the longest sequence from the left, then goes on behind it.
 * Its state is the beginning of a row that the instructions since are; opcodes stand by class, and
 * class 0 is in no row. */
typedef struct fuse_automaton {
    fuse_edge edges[FUSE_STATES * FUSE_CLASSES]; /* by state and class */
    fuse_edge seconds[FUSE_SECONDS];             /* byte and `back` of second sequences, from 1 */
    u32 second_count;
    u8 classes[256]; /* by the byte that stands in the body, sequences not yet marked */
} fuse_automaton;

/* Borrowed for ever. Thread-safe. */
const fuse_automaton *gbx_wasm_fuse_automaton(wasm_fuse_set set);

/* The set that suits the module, whose bodies are not validated yet. */
wasm_fuse_set gbx_wasm_fuse_choose(const wasm_module *m);

/* Take all sequences back, in a module that no one runs: every instruction stands for itself again. */
void gbx_wasm_fuse_undo(wasm_module *m);

/* What the walk over a body remembers: in memory, and in registers. */
typedef struct fuse_run {
    const fuse_automaton *automaton;
    u8 *at[FUSE_RING]; /* where the latest instructions stand, by count modulo FUSE_RING */
} fuse_run;

typedef struct fuse_place {
    u32 count; /* instructions so far */
    u32 state;
} fuse_place;

/* What the edge completes is marked; the latest instruction is the one numbered `count`. */
static inline void
gbx_wasm_fuse_mark(const fuse_run *r, u32 count, fuse_edge e)
{
    *r->at[(count - (e >> FUSE_BACK_SHIFT)) % FUSE_RING] = (u8)e;
    if (GBX_LIKELY(!(e >> FUSE_SECOND_SHIFT & FUSE_FIELD))) return;
    fuse_edge const second = r->automaton->seconds[e >> FUSE_SECOND_SHIFT & FUSE_FIELD];
    *r->at[(count - (second >> FUSE_BACK_SHIFT)) % FUSE_RING] = (u8)second;
}

/* The next instruction, which stands at `insn` in the module's own copy; class 0 for what no row may span,
 * as is the body's last instruction. */
static inline fuse_place
gbx_wasm_fuse_next(fuse_run *r, fuse_place p, u8 *insn, u8 class)
{
    fuse_edge const e = r->automaton->edges[p.state + class];
    r->at[p.count % FUSE_RING] = insn;
    if ((u8)e) gbx_wasm_fuse_mark(r, p.count, e);
    return (fuse_place){.count = p.count + 1, .state = e >> FUSE_STATE_SHIFT};
}

#endif
