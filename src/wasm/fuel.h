/* Fuel: how much of a module's text was executed, counted alike by every tier. RULE: S15.
 *
 * What is counted is instructions of the text, as fuel.def says, whatever a tier made of them: a jump that is
 * threaded past a dispatch costs the local.get and the br_table it saves (WASM_FUEL_DISPATCH), a fused
 * sequence all of its instructions. So the number is the same at every place where it can be seen: in a host
 * function, and when a call has returned, trapped, exited or run out.
 *
 * It is tested whether more than the budget has been used
 *   - when the host calls a function,
 *   - at each call, call_indirect, return_call and return_call_indirect, charged but not yet looked at,
 *   - at each br, br_if and br_table that is taken backwards, a threaded one where it leads,
 *   - where an exception was caught,
 *   - at the FUEL_LENGTH instructions that move or fill.
 * Every cycle passes one of these, so a guest goes beyond its budget by the length of its straight code.
 *
 * Compiled code charges a stretch of instructions at once, at its end, and tells what was executed of it when
 * one of them traps (codegen_row). */
#ifndef GBX_WASM_FUEL_H
#define GBX_WASM_FUEL_H

#include "wasm/fuse.h"
#include "wasm/module.h"

#define WASM_FUEL_DISPATCH 2 /* local.get, br_table */

/* Units for each byte, element or page: WASM_FUEL_PER_MEMORY_COPY and so on. */
enum {
#define FUEL_FREE(name, text)
#define FUEL_LENGTH(name, text, many, what) WASM_FUEL_PER_##name = (many),
#include "wasm/fuel.def"
#undef FUEL_FREE
#undef FUEL_LENGTH
};

/* What the interpreter charges at a byte of a body: that of its instruction, or of the whole sequence. */
extern const u8 gbx_wasm_fuel_costs[WASM_FUSE_SETS][256];

/* The instruction `op` (not a fused one) at `insn`, of the function `code`. */
u32 gbx_wasm_fuel_cost(const wasm_module *m, const wasm_code *code, const u8 *insn, u8 op);

/* What a fused sequence costs behind `pc`, which is the end of one of its instructions; 0 where none goes on
 * there. For traps: walks the body. */
u32 gbx_wasm_fuel_behind(const wasm_module *m, const wasm_code *code, const u8 *pc);

#endif
