/* What functions of a module are compiled against, for those who compile without running: explain/. */
#ifndef GBX_RUNTIME_TIER_H
#define GBX_RUNTIME_TIER_H

#include "codegen/codegen.h"
#include "runtime/runtime.h"

/* RULE: S9. The environment of the module's code but for cells, stubs and functions of C. `is_guarded`: its
 * first memory has guards, or there is none. */
codegen_env gbx_runtime_tier_env(const gbx_module *m, bool is_guarded);

/* What a closed table holds. See closed.c. */
typedef struct runtime_closed {
    const gbx_cell **cells; /* rows of a type each */
    u32 *rows;              /* by type index */
} runtime_closed;

/* Find a closed table of `m` and tell `env` about it. Where there is none, or
 * memory is short, nothing is done. */
void gbx_runtime_closed_init(runtime_closed *c, const gbx_module *m, codegen_env *env);
void gbx_runtime_closed_deinit(runtime_closed *c);

#endif
