/* Accesses to any memory, by index and with addresses of either width, as functions: what modules of
 * several or of 64-bit memories run, and the vector instructions. The interpreter's own cases know one
 * memory of 32-bit addresses.
 *
 * SAFETY: the memory's index is validated; address and offset are compared with the memory's length without
 * adding them up first, since 64-bit ones may wrap. */
#ifndef GBX_INTERP_ACCESS_H
#define GBX_INTERP_ACCESS_H

#include <string.h>

#include "abi/layout.h"
#include "interp/numeric.h"
#include "interp/simd.h"
#include "wasm/opcodes.h"

/* Where an access goes, NULL past the end of the memory, and the byte behind its memarg. */
typedef struct interp_place {
    u8 *mem;
    const u8 *pc;
} interp_place;

static u64
access_leb(const u8 **pc)
{
    u64 value = 0;
    for (unsigned shift = 0;; shift += 7) {
        u8 const b = *(*pc)++;
        if (shift < 64) value |= (u64)(b & 0x7f) << shift;
        if (!(b & 0x80)) return value;
    }
}

/* `pc` at the memarg; `address` as the slot has it, zero-extended where it is an i32 (RULE: S3). */
static interp_place
interp_find(const gbx_instance *inst, const u8 *pc, u64 address, u64 bytes)
{
    u8 const flags = *pc++;
    u64 const idx = flags & OP_MEMARG_HAS_MEMORY ? access_leb(&pc) : 0;
    u64 const offset = access_leb(&pc);
    const gbx_memory *const mem = inst->memories[idx];
    bool const is_in = bytes <= mem->bytes && offset <= mem->bytes - bytes &&
                       address <= mem->bytes - bytes - offset;
    return (interp_place){is_in ? mem->base + address + offset : NULL, pc};
}

/* Bytes that a load or store behind one opcode byte moves. */
static u64
interp_access_bytes(u8 op)
{
    return (u64)1 << (gbx_wasm_ops[op].imm - IMM_MEM1);
}

/* What the load `op` makes of the bytes at `mem`. */
static gbx_slot
interp_load(u8 op, const u8 *mem)
{
    u64 v = 0;
    memcpy(&v, mem, interp_access_bytes(op));
    switch (op) {
    case OP_I32_LOAD8_S: return SLOT_PUT_i32((i8)v);
    case OP_I32_LOAD16_S: return SLOT_PUT_i32((i16)v);
    case OP_I64_LOAD8_S: return SLOT_PUT_i64((i64)(i8)v);
    case OP_I64_LOAD16_S: return SLOT_PUT_i64((i64)(i16)v);
    case OP_I64_LOAD32_S: return SLOT_PUT_i64((i64)(i32)v);
    default: return v;
    }
}

/* Where the interpreter goes on: the byte behind the instruction, and the place of the topmost operand,
 * NULL for an access past the end. */
typedef struct interp_step {
    const u8 *pc;
    gbx_slot *sp;
} interp_step;

/* A load or store whose opcode stands before `pc`; all operands stand on the stack, the topmost at sp.
 * PERF: not inlined, as its like below: the loop's registers are for what all modules do. */
__attribute__((noinline)) static interp_step
interp_access(const gbx_instance *inst, const u8 *pc, gbx_slot *sp)
{
    u8 const op = pc[-1];
    bool const is_store = op >= OP_I32_STORE;
    gbx_slot *const address = sp - is_store;
    u64 const bytes = interp_access_bytes(op);
    interp_place const at = interp_find(inst, pc, *address, bytes);
    if (!at.mem) return (interp_step){at.pc, NULL};
    if (is_store) {
        memcpy(at.mem, sp, bytes);
        return (interp_step){at.pc, address - 1};
    }
    *address = interp_load(op, at.mem);
    return (interp_step){at.pc, address};
}

/* The vector instruction `sub`, `pc` behind its number; operands as above, the high half of the one at slot p
 * in p[x->high]. */
__attribute__((noinline)) static interp_step
interp_vector(const gbx_exec *x, const gbx_instance *inst, u32 sub, bool is_canonical, const u8 *pc,
              gbx_slot *sp)
{
    const simd_row *const row = &gbx_interp_simd_rows[sub];
    gbx_v128 args[3];
    gbx_slot *const base = sp + 1 - row->takes;
    u8 *mem = NULL;
    for (u32 i = 0; i < row->takes; i++) {
        args[i].lo = base[i];
        args[i].hi = base[i + x->high];
    }
    if (row->access) {
        interp_place const at = interp_find(inst, pc, base[0], row->access);
        if (!at.mem) return (interp_step){at.pc + row->imm_bytes, NULL};
        pc = at.pc;
        mem = at.mem;
    }
    gbx_interp_simd(sub, pc, mem, args);
    if (is_canonical) gbx_interp_simd_canonical(sub, args);
    pc += row->imm_bytes;
    if (!row->gives) return (interp_step){pc, base - 1};
    base[0] = args[0].lo;
    if (row->gives_vec) base[x->high] = args[0].hi;
    return (interp_step){pc, base};
}

#endif
