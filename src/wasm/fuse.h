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

/* The opcode a byte of a validated body stands for: itself, or the first of a fused sequence of the
 * module's set. */
extern const u8 gbx_wasm_unfuse[WASM_FUSE_SETS][256];

/* Where calls to a function land until it is warm: one byte, FUSED_COLD. */
extern const u8 gbx_wasm_cold[1];

/* Mark the sequences of a body, in place. Any number of threads may do so while others run the body:
 * bytes are stored one by one, atomically, and an old byte means the same as the new one. */
void gbx_wasm_fuse_body(const wasm_module *m, wasm_code *code);

#endif
