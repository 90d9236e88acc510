/* Opcodes by name, and what opcodes.def says of each. */
#ifndef GBX_WASM_OPCODES_H
#define GBX_WASM_OPCODES_H

#include "wasm/module.h"

enum {
#define OP(number, name, text, imm, a, b, out, meaning) OP_##name = (number),
#define OP_FC(number, name, text, imm, a, b, out, meaning)
#include "wasm/opcodes.def"
#undef OP
#undef OP_FC
    OP_PREFIX_FC = 0xfc,
    OP_PREFIX_FD = 0xfd,
};

enum {
#define OP(number, name, text, imm, a, b, out, meaning)
#define OP_FC(number, name, text, imm, a, b, out, meaning) OP_FC_##name = (number),
#include "wasm/opcodes.def"
#undef OP
#undef OP_FC
    OP_FC_COUNT
};

enum {
#define OP_FD(number, name, text, imm, a, b, c, out, meaning) OP_FD_##name = (number),
#include "wasm/opcodes_fd.def"
#undef OP_FD
    OP_FD_RELAXED = 0x100, /* from here on relaxed SIMD */
    OP_FD_COUNT = 0x120
};

/* What follows an opcode; see the head of opcodes.def. IMM_BAD: not an opcode of ours. */
typedef enum op_imm {
    IMM_BAD,
    IMM_NONE,
    IMM_BLOCK,
    IMM_LABEL,
    IMM_TABLE,
    IMM_IDX,
    IMM_IDX2,
    IMM_TYPED,
    IMM_MEM1,
    IMM_MEM2,
    IMM_MEM4,
    IMM_MEM8,
    IMM_MEM16,
    IMM_ZERO,
    IMM_I32,
    IMM_I64,
    IMM_F32,
    IMM_F64,
    IMM_REF,
    IMM_TRY,
    IMM_LANEMEM1,
    IMM_LANEMEM2,
    IMM_LANEMEM4,
    IMM_LANEMEM8,
    IMM_LANE2,
    IMM_LANE4,
    IMM_LANE8,
    IMM_LANE16,
    IMM_V128,
    IMM_SHUFFLE,
} op_imm;

/* In the first byte of an access's immediates: the index of a memory stands between it and the offset. */
#define OP_MEMARG_HAS_MEMORY 0x40u

typedef struct op_row {
    const char *text; /* NULL: not an opcode of ours */
    u8 imm;           /* op_imm */
    u8 a, b, out;     /* wasm_valtype, or 0 */
} op_row;

/* Behind 0xFD; see opcodes_fd.def. */
typedef struct op_row_fd {
    const char *text;
    u8 imm;
    u8 a, b, c, out;
} op_row_fd;

extern const op_row gbx_wasm_ops[256];
extern const op_row gbx_wasm_ops_fc[OP_FC_COUNT];
extern const op_row_fd gbx_wasm_ops_fd[OP_FD_COUNT];

/* Length in bytes of the validated instruction at `pc`. Fused opcodes count as the one they replaced. */
u32 gbx_wasm_insn_len(const wasm_module *m, const u8 *pc);

/* The instruction of `code` that contains the byte before `pc`, as an offset into the module file: for
 * a return address, the call. Walks the body: for traps, not for hot paths. */
u32 gbx_wasm_insn_before(const wasm_module *m, const wasm_code *code, const u8 *pc);

#endif
