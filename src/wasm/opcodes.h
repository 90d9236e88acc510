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
};

enum {
#define OP(number, name, text, imm, a, b, out, meaning)
#define OP_FC(number, name, text, imm, a, b, out, meaning) OP_FC_##name = (number),
#include "wasm/opcodes.def"
#undef OP
#undef OP_FC
    OP_FC_COUNT
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
    IMM_ZERO,
    IMM_I32,
    IMM_I64,
    IMM_F32,
    IMM_F64,
    IMM_REF,
} op_imm;

typedef struct op_row {
    const char *text; /* NULL: not an opcode of ours */
    u8 imm;           /* op_imm */
    u8 a, b, out;     /* wasm_valtype, or 0 */
} op_row;

extern const op_row gbx_wasm_ops[256];
extern const op_row gbx_wasm_ops_fc[OP_FC_COUNT];

/* Length in bytes of the validated instruction at `pc`. Fused opcodes count as the one they replaced. */
u32 gbx_wasm_insn_len(const wasm_module *m, const u8 *pc);

/* The instruction of `code` that contains the byte before `pc`, as an offset into the module file: for
 * a return address, the call. Walks the body: for traps, not for hot paths. */
u32 gbx_wasm_insn_before(const wasm_module *m, const wasm_code *code, const u8 *pc);

#endif
