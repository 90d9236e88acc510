/* What the files of api/ share. Arguments are checked in this folder, once; see runtime.h. */
#ifndef GBX_API_API_INT_H
#define GBX_API_API_INT_H

#include <string.h>

#include "gbx/host.h"
#include "runtime/runtime.h"
#include "runtime/value.h"

/* Copy an option struct of the caller's version into ours of `bytes`, which is zeroed: what a smaller one
 * lacks is zero; what a larger one has more must be zero, or it asks for what this library cannot
 * do. Each begins with its size. `given` may be NULL. */
GBX_MUST_USE gbx_code gbx_api_options(void *ours, size_t bytes, const void *given, gbx_err *err);

/* GBX_ARGUMENT with a message of one missing argument, where `arg` is NULL. */
GBX_MUST_USE gbx_code gbx_api_need(const void *arg, const char *what, gbx_err *err);
#define API_NEED(arg, err) GBX_TRY(gbx_api_need((arg), #arg, (err)))

/* A C string as a name; GBX_ARGUMENT where it is NULL or longer than the limit name-bytes. */
GBX_MUST_USE gbx_code gbx_api_name(const char *text, const char *what, rd_name *out, gbx_err *err);

/* An instance of `module` can be made in `store` with what `linker` (may be NULL) supplies; else
 * GBX_ARGUMENT. */
GBX_MUST_USE gbx_code gbx_api_same_engine(const gbx_store *store, const gbx_module *module,
                                          const gbx_linker *linker, gbx_err *err);

/* The version of the host's interface that a module states, before it is instantiated and after; see abi.c.
 * GBX_ABI_VERSION. *is_stated: it is, in some way, and right. linker may be NULL, trap may not. */
GBX_MUST_USE gbx_code gbx_api_abi_link(gbx_linker *linker, const gbx_module *module, bool *is_stated,
                                       gbx_err *err);
GBX_MUST_USE gbx_code gbx_api_abi_check(const gbx_linker *linker, gbx_instance *inst, bool is_stated,
                                        gbx_trap *trap, gbx_err *err);

/* Who calls a host function; on its stack. */
struct gbx_caller {
    gbx_exec *x;
    gbx_instance *inst;
    bool has_views; /* it opened some */
};

/* "(i32, i64) -> f32" as types: parameters, and behind them results, each at most as many as a function may
 * have. GBX_ARGUMENT. */
GBX_MUST_USE gbx_code gbx_api_signature(const char *text, gbx_valtype *types, size_t *params, size_t *results,
                                        gbx_err *err);

static inline wasm_value
gbx_api_value(const gbx_val *val)
{
    return (wasm_value){value_low(val), value_high(val)};
}

/* Why a value of the host's cannot enter `store`; NULL: it can. The host made an exception up, or got it from
 * a guest and kept it: nothing says that it still exists. A function of another store would run beside the
 * bounds of its own. */
static inline const char *
gbx_api_refuse(const gbx_val *val, const gbx_store *store)
{
    if (GBX_LIKELY(val->type < GBX_FUNCREF) || val->of.ref == 0) return NULL;
    if (val->type == GBX_EXNREF) return "an exception, which a host cannot keep";
    bool const is_func = val->type == GBX_FUNCREF;
    return is_func && gbx_runtime_func_store((const gbx_func *)(uintptr_t)val->of.ref) != store
                   ? "a function of another store" : NULL;
}

#endif
