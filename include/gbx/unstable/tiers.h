/* When functions are compiled (compiled.h: which were): for tools that test the compiler.
 *
 * No promise: all of it may change with every version. Include it by its own name, gbx/gbx.h does not. */
#ifndef GBX_UNSTABLE_TIERS_H
#define GBX_UNSTABLE_TIERS_H

#include "gbx/engine.h"

GBX_DECLS_BEGIN

/* With GBX_TIER_AUTO, compile a function once it has executed `factor` times as many bytes as its body has,
 * instead of what proved best; 0 compiles it when it is first called, so that every run crosses from the
 * interpreter to compiled code as often as can be. Counts for modules that are instantiated for the first
 * time from now on. GBX_ARGUMENT. Not while another thread uses the engine. */
GBX_API gbx_code gbx_engine_set_warm_factor(gbx_engine *engine, uint32_t factor, gbx_err *err);

GBX_DECLS_END

#endif
