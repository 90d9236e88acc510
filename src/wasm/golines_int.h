/* What golines.c and gostack.c share: how pclntab and what else Go's linker left in the data segments is
 * read. See golines.c for why nothing of it can be believed, and need not be. */
#ifndef GBX_WASM_GOLINES_INT_H
#define GBX_WASM_GOLINES_INT_H

#include "wasm/golines.h"

/* GO: cmd/link/internal/wasm/asm.go funcValueOffset: the number of the first function in a PC. */
#define GO_FIRST_FUNC 0x1000u

/* GO: runtime/runtime2.go _func; Go 1.21 to 1.27. */
enum {
    GO_FUNC_NAME = 4,
    GO_FUNC_PCSP = 16,
    GO_FUNC_PCFILE = 20,
    GO_FUNC_PCLN = 24,
    GO_FUNC_PCDATA_COUNT = 28,
    GO_FUNC_UNIT = 32,
    GO_FUNC_LINE = 36,
    GO_FUNC_FLAG = 41,
    GO_FUNC_DATA_COUNT = 43,
    GO_FUNC_BYTES = 44,
};

/* A number of so many bytes at an address of the module's data; what lies in no segment is zero. */
u64 gbx_wasm_go_number(const wasm_module *m, const go_table *t, u64 at, u32 bytes);
/* Segments from `first` on that lie one behind the other. */
u32 gbx_wasm_go_run_end(const wasm_module *m, u32 first);
/* The address of a function's record; 0: the table does not have it. */
u64 gbx_wasm_go_record(const wasm_module *m, const go_table *t, u32 func_idx);
/* What the table of values at `offset` has for a block; -1: nothing. */
i32 gbx_wasm_go_value(const wasm_module *m, const go_table *t, u32 offset, u32 block);
/* The largest value below `below` that the table has; -1: none. */
i32 gbx_wasm_go_value_below(const wasm_module *m, const go_table *t, u32 offset, i32 below);
/* File and line of a block of the function with that record. */
void gbx_wasm_go_fill(const wasm_module *m, const go_table *t, u64 func, u32 block, go_line_kind kind,
                      go_place *out);

#endif
