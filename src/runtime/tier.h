/* What functions of a module are compiled against, for those who compile without running: explain/. */
#ifndef GBX_RUNTIME_TIER_H
#define GBX_RUNTIME_TIER_H

#include "codegen/codegen.h"
#include "runtime/runtime.h"

/* RULE: S9. The environment of the module's code but for cells, stubs and functions of C. `is_guarded`: its
 * first memory has guards, or there is none. */
codegen_env gbx_runtime_tier_env(const gbx_module *m, bool is_guarded);

#endif
