/* The vector instructions (prefix byte 0xFD), as functions over their operands. They know nothing of
 * the interpreter: no stack, no instance, no traps; their caller has checked an access already. */
#ifndef GBX_INTERP_SIMD_H
#define GBX_INTERP_SIMD_H

#include "wasm/opcodes.h"

/* A v128, or in `lo` a scalar as a slot has it (i32 and f32 with a zero upper half, RULE: S3). Lane 0
 * is the lowest: the bytes are those of memory. */
typedef union gbx_v128 {
    struct {
        u64 lo, hi;
    };
    u8 u8[16];
    i8 i8[16];
    u16 u16[8];
    i16 i16[8];
    u32 u32[4];
    i32 i32[4];
    u64 u64[2];
    i64 i64[2];
    f32 f32[4];
    f64 f64[2];
} gbx_v128;

/* args: the operands, lowest first; the result is left in args[0]. The upper half of a scalar operand
 * is ignored, that of a scalar result undefined. What was in the other operands is lost.
 * imm: the lane byte (behind the memarg, where there is one) or the 16 bytes of the instruction.
 * mem: where the access is, `access` bytes that may be read or written. Its address operand, args[0], is
 * ignored. Memory is read before args is written. */
typedef void simd_run(const u8 *imm, u8 *mem, gbx_v128 *args);

typedef struct simd_row {
    simd_run *run;  /* NULL: no such instruction */
    u8 takes;       /* operands; an address is one */
    u8 gives;       /* results: one or none */
    u8 access;      /* bytes of memory, 0 for none */
    u8 imm_bytes;   /* what `imm` points to: 0, 1 or 16 bytes */
    bool gives_vec; /* the result is a v128, not a scalar */
} simd_row;

/* By the number behind the prefix: what opcodes_fd.def says, as calling needs it. */
extern const simd_row gbx_interp_simd_rows[OP_FD_COUNT];

/* Lanes of the result that are NaNs become the canonical one, where `sub` computes with floats. */
void gbx_interp_simd_canonical(u32 sub, gbx_v128 *result);

/* `sub` is the number of an instruction. */
static inline void
gbx_interp_simd(u32 sub, const u8 *imm, u8 *mem, gbx_v128 *args)
{
    gbx_interp_simd_rows[sub].run(imm, mem, args);
}

#endif
