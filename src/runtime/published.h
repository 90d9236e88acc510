/* Who is told of compiled code: perf and gdb, through symbols.h, where the host asked for it.
 *
 * RULE: S13. Telling changes nothing: where memory is short, or the disk full, a name is missing from
 * somebody's list and the code runs on. All but open and close is called under the compiler's lock. */
#ifndef GBX_RUNTIME_PUBLISHED_H
#define GBX_RUNTIME_PUBLISHED_H

#include "codegen/codegen.h"
#include "runtime/symbols.h"

/* Of an engine. */
typedef struct published_to {
    u32 to; /* GBX_SYMBOLS_ bits */
    perf_map perf;
} published_to;

/* What a debugger knows of a module's code, to be taken back before the code goes. Zeroed: nothing. */
typedef struct published_list {
    gdb_code **objects;
    u32 count, cap;
} published_list;

GBX_MUST_USE gbx_code gbx_runtime_published_open(published_to *p, u32 to, gbx_err *err);
void gbx_runtime_published_close(published_to *p);

/* OS_CODE_ ways to have code memory: perf looks into its map for addresses that belong to no file. */
u32 gbx_runtime_published_ways(const published_to *p);

/* `name` is escaped; "": it has none, and is shown by its index. */
void gbx_runtime_published_add(const published_to *p, published_list *list, uintptr_t start, size_t bytes,
                               const char *name, u32 func_idx);
void gbx_runtime_published_stubs(const published_to *p, published_list *list, uintptr_t start,
                                 const u32 offsets[CODEGEN_STUB_COUNT], u32 len);
void gbx_runtime_published_forget(published_list *list);

#endif
