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

#endif
