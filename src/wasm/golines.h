/* Where in a Go program an instruction is: function, file and line, from the table that Go's linker puts into
 * every program for its own backtraces (pclntab). It is there also where the name section was stripped.
 *
 * GO: runtime/symtab.go, cmd/link/internal/ld/pcln.go, cmd/internal/obj/wasm/wasmobj.go: Go 1.21 to 1.27.
 *
 * All of it is the module's word and used for messages only. */
#ifndef GBX_WASM_GOLINES_H
#define GBX_WASM_GOLINES_H

#include "wasm/module.h"

/* The table of one module. Zeroed: there is none. */
typedef struct go_table {
    u32 first, end; /* data segments it lies in, in the order of their addresses */
    u32 func_count;
    u64 at; /* address of its header; the others count from address 0, too */
    u64 names, files_of_units, files, values, funcs;
    u32 entry_shift; /* of a function's number in the table's entries: 16 before Go 1.25 */
    u64 *steps; /* entries that may still be read, of whoever has this copy; where none are left, nothing is
                   found. NULL: any number */
} go_table;

/* How well a line is known. */
typedef enum go_line_kind { /* ORDER: gbx_line */
    GO_LINE_NONE,
    GO_LINE_CALL, /* the line of the call */
    GO_LINE_NEAR, /* of a statement between the same two calls as the instruction */
    GO_LINE_FUNC, /* where the function begins */
} go_line_kind;

typedef struct go_place {
    u64 name_at, file_at; /* addresses of texts, for gbx_wasm_go_text; 0: not known */
    u32 line;
    go_line_kind kind;
    u32 block; /* that was looked up: PC_B, for a call the one before that where it returns */
    i32 stack_bytes; /* of Go's stack that the function has there, without the PC it returns to; -1: it
                        is not known */
} go_place;

/* False: the module has none that can be read; *out is zeroed. Looks through all data. */
bool gbx_wasm_go_find(const wasm_module *m, go_table *out);

/* The same, looked for only where Go's linker puts it: at an address that is a multiple of 8. */
bool gbx_wasm_go_find_aligned(const wasm_module *m, go_table *out);

/* The function that a PC of Go's is in; UINT32_MAX: in none. */
u32 gbx_wasm_go_func_of_pc(const wasm_module *m, u64 pc);

/* The functions of these names: out[i] is the index of names[i], and stays as it is where the table has none
 * of that name. At most 32 names. */
void gbx_wasm_go_find_names(const wasm_module *m, const go_table *t, const char *const *names, u32 count,
                            u32 *out);

/* The place of the instruction at `offset` in the file, in a function with a body that is ready. *budget: how
 * many bytes of bodies may still be walked; what has to be walked for the line is taken off, and where it is
 * not left the line is where the function begins. False: the table does not have the function. */
bool gbx_wasm_go_place(const wasm_module *m, const go_table *t, u32 func_idx, u32 offset, u64 *budget,
                       go_place *out);

/* The place of the call that returns to `pc`, as Go's stack has it, and its function. False: it is no PC of a
 * function that the table has. */
bool gbx_wasm_go_return(const wasm_module *m, const go_table *t, u64 pc, u32 *func_idx, go_place *out);

/* The nth function of the table, in the order of its entries; nth < func_count. False: the entry is no
 * function of the module that has a body. */
bool gbx_wasm_go_func(const wasm_module *m, const go_table *t, u32 nth, u32 *func_idx, u64 *name_at);

/* The text at an address of the table, at most `cap` bytes of it; returns its length. Not escaped. */
size_t gbx_wasm_go_text(const wasm_module *m, const go_table *t, u64 at, char *buf, size_t cap);

#endif
