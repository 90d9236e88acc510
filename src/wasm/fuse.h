/* Fused opcodes: sequences that validation marks for the interpreter by replacing the first opcode. */
#ifndef GBX_WASM_FUSE_H
#define GBX_WASM_FUSE_H

#include "wasm/opcodes.h"

/* The opcode a byte of a validated body stands for: itself, or the first of a fused sequence. */
extern const u8 gbx_wasm_unfuse[256];

#endif
