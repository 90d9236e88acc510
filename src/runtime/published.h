/* Who is told of compiled code: perf and gdb, through symbols.h, where the host asked for it.
 *
 * RULE: S13. Telling changes nothing: where memory is short, or the disk full, a name is missing from
 * somebody's list and the code runs on. All but opening and closing an engine's is called under the
 * compiler's lock. Names come from modules: they are escaped here. */
#ifndef GBX_RUNTIME_PUBLISHED_H
#define GBX_RUNTIME_PUBLISHED_H

#include "base/arena.h"
#include "codegen/codegen.h"
#include "runtime/symbols.h"

/* Of an engine. */
typedef struct published_to {
    u32 to; /* GBX_SYMBOLS_ bits */
    perf_map perf;
} published_to;

/* Of a module. Zeroed: nothing is published. */
typedef struct published_list {
    gdb_code **objects; /* what a debugger knows, to be taken back before the code goes */
    u32 count, cap;
    rd_name *names; /* by function index; NULL: memory was short */
    u32 name_count;
    arena texts;       /* `names`, and of what is held */
    bool is_holding;   /* what is added is kept in `held`: gdb takes a millisecond for each object */
    code_symbol *held; /* room for every function */
    u32 held_count;
} published_list;

GBX_MUST_USE gbx_code gbx_runtime_published_open(published_to *p, u32 to, gbx_err *err);
void gbx_runtime_published_close(published_to *p);

/* OS_CODE_ ways to have code memory: perf looks into its map for addresses that belong to no file. */
u32 gbx_runtime_published_ways(const published_to *p);

/* A module's first code: its stubs, at these offsets of `len` bytes at `start`. */
void gbx_runtime_published_begin(const published_to *p, published_list *list, const wasm_module *w,
                                 uintptr_t start, const u32 offsets[CODEGEN_STUB_COUNT], u32 len);
/* A function, which is shown by its index where it has no name. */
void gbx_runtime_published_add(const published_to *p, published_list *list, uintptr_t start, size_t bytes,
                               u32 func_idx);
/* Around the adding of many. */
void gbx_runtime_published_hold(const published_to *p, published_list *list);
void gbx_runtime_published_tell(const published_to *p, published_list *list);
void gbx_runtime_published_forget(published_list *list);

#endif
