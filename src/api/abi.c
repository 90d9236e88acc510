/* Versions of the interface between a host and its guests, checked where a module meets its linker.
 *
 * A module states which major version it was built for by a name of the host's choosing, NAME below:
 *
 *   export NAME       a function () -> (i32) or () -> (i64), which is called, or such a global
 *   export NAME_3     of any kind: the number stands in the name
 *   import NAME_3     likewise
 *   import NAME       such a function, or such a constant: the guest asks the host, and is told its
 *                     version where the linker has nothing else by that name
 *
 * What stands in names is looked at before anything of the module runs. SAFETY: names are the module's;
 * digits are read with a bound. */
#include <string.h>

#include "api/api_int.h"
#include "base/text.h"

#define ABI_NAME_SHOWN 64u

static gbx_code
abi_refuse(const runtime_abi *abi, u64 stated, gbx_err *err)
{
    char name[ABI_NAME_SHOWN * 4 + 8];
    text_buf t = gbx_base_text_init(name, sizeof name);
    gbx_base_text_escape(&t, abi->name.text, abi->name.len, ABI_NAME_SHOWN);
    return gbx_base_err_set(err, GBX_ABI_VERSION, GBX_NO_OFFSET,
                            "the module's `%s` is %llu, this host speaks %u", name,
                            (unsigned long long)stated, abi->major);
}

/* Is `n` NAME, `_` and a number? More than 32 bits count as UINT32_MAX + 1. */
static bool
abi_number(const runtime_abi *abi, rd_name n, u64 *out)
{
    u32 const from = abi->name.len + 1;
    if (n.len <= from || n.text[from - 1] != '_') return false;
    if (memcmp(n.text, abi->name.text, abi->name.len) != 0) return false;
    u64 v = 0;
    for (u32 i = from; i < n.len; i++) {
        if (n.text[i] < '0' || n.text[i] > '9') return false;
        v = min_u64(v * 10 + (u64)(n.text[i] - '0'), (u64)UINT32_MAX + 1);
    }
    *out = v;
    return true;
}

static bool
abi_is_name(const runtime_abi *abi, rd_name n)
{
    return n.len == abi->name.len && memcmp(n.text, abi->name.text, n.len) == 0;
}

static bool
abi_is_integer(wasm_valtype type)
{
    return type == WASM_I32 || type == WASM_I64;
}

static bool
abi_is_getter(const wasm_functype *sig)
{
    return sig->param_count == 0 && sig->result_count == 1 && abi_is_integer(sig->results[0]);
}

static gbx_trap_code
abi_answer(gbx_exec *x, gbx_instance *caller, void *data, gbx_slot *slots)
{
    (void)x, (void)caller;
    slots[0] = (u32)(uintptr_t)data;
    return GBX_TRAP_NONE;
}

/* Give import k, which asks for NAME, the host's version; one that the linker has, or of another type,
 * is none of ours. */
static gbx_code
abi_supply(gbx_linker *linker, const wasm_module *w, const wasm_import *im, gbx_err *err)
{
    const runtime_abi *const abi = gbx_runtime_linker_abi(linker);
    gbx_store *const store = gbx_runtime_linker_store(linker);
    runtime_extern ext = {.kind = im->kind};
    if (gbx_runtime_linker_find(linker, im->module, im->name, &ext)) return GBX_OK;
    if (im->kind == WASM_EXTERN_FUNC) {
        const wasm_functype *const sig = &w->types[w->func_types[im->idx]];
        if (!abi_is_getter(sig)) return GBX_OK;
        void *const answer = (void *)(uintptr_t)abi->major;
        GBX_TRY(gbx_runtime_host_func(store, sig, abi_answer, answer, &ext.of.func, err));
    } else if (im->kind == WASM_EXTERN_GLOBAL) {
        wasm_globaltype const type = w->globals[im->idx].type;
        if (!abi_is_integer(type.type) || type.is_mutable) return GBX_OK;
        GBX_TRY(gbx_runtime_host_global(store, &type, (wasm_value){abi->major, 0}, &ext.of.global, err));
    } else {
        return GBX_OK;
    }
    return gbx_runtime_linker_define(linker, im->module, im->name, ext, err);
}

gbx_code
gbx_api_abi_link(gbx_linker *linker, const gbx_module *module, bool *is_stated, gbx_err *err)
{
    const wasm_module *const w = gbx_runtime_module_wasm(module);
    const runtime_abi *const abi = linker ? gbx_runtime_linker_abi(linker) : NULL;
    u64 stated;
    *is_stated = false;
    if (!abi || !abi->is_set) return GBX_OK;
    for (u32 k = 0; k < w->import_count; k++) {
        const wasm_import *const im = &w->imports[k];
        bool const asks = abi_is_name(abi, im->name), states = abi_number(abi, im->name, &stated);
        if (states && stated != abi->major) return abi_refuse(abi, stated, err);
        if (asks) GBX_TRY(abi_supply(linker, w, im, err));
        *is_stated |= asks || states;
    }
    for (u32 k = 0; k < w->export_count; k++) {
        if (!abi_number(abi, w->exports[k].name, &stated)) continue;
        if (stated != abi->major) return abi_refuse(abi, stated, err);
        *is_stated = true;
    }
    return GBX_OK;
}

/* The number that export `e` gives; false: it is of a kind that gives none. */
static gbx_code
abi_ask(gbx_instance *inst, const wasm_export *e, bool *is_one, u64 *out, gbx_trap *trap, gbx_err *err)
{
    gbx_slot slots[1] = {0};
    *is_one = false;
    if (e->kind == WASM_EXTERN_GLOBAL && abi_is_integer(inst->globals[e->idx]->type)) {
        *is_one = true;
        *out = inst->globals[e->idx]->value;
    }
    if (e->kind != WASM_EXTERN_FUNC) return GBX_OK;
    const gbx_func *const f = inst->funcs[e->idx];
    if (!abi_is_getter(&gbx_runtime_func_type(f)->sig)) return GBX_OK;
    gbx_trap_code const code = gbx_runtime_call(inst->store, f, slots, trap);
    *is_one = true;
    *out = slots[0];
    if (code == GBX_TRAP_NONE) return GBX_OK;
    return gbx_base_err_set(err, GBX_TRAPPED, GBX_NO_OFFSET,
                            "the function that gives the version of the module's interface ended: %s%s%s",
                            gbx_trap_text(code), trap->message[0] ? ": " : "", trap->message);
}

gbx_code
gbx_api_abi_check(const gbx_linker *linker, gbx_instance *inst, bool is_stated, gbx_trap *trap, gbx_err *err)
{
    const runtime_abi *const abi = linker ? gbx_runtime_linker_abi(linker) : NULL;
    if (!abi || !abi->is_set) return GBX_OK;
    const wasm_export *const e = gbx_wasm_find_export(inst->module, abi->name.text, abi->name.len);
    bool is_one = false;
    u64 stated = 0;
    if (e) GBX_TRY(abi_ask(inst, e, &is_one, &stated, trap, err));
    if (is_one && stated != abi->major) return abi_refuse(abi, stated, err);
    if (is_one || is_stated || !abi->is_required) return GBX_OK;
    char name[ABI_NAME_SHOWN * 4 + 8];
    text_buf t = gbx_base_text_init(name, sizeof name);
    gbx_base_text_escape(&t, abi->name.text, abi->name.len, ABI_NAME_SHOWN);
    return gbx_base_err_set(err, GBX_ABI_VERSION, GBX_NO_OFFSET,
                            "the module states no `%s`, this host speaks %u", name, abi->major);
}

gbx_code
gbx_linker_speak(gbx_linker *linker, uint32_t major, const gbx_speak_opts *opts, gbx_err *err)
{
    API_NEED(linker, err);
    gbx_speak_opts o;
    rd_name name;
    GBX_TRY(gbx_api_options(&o, sizeof o, opts, err));
    GBX_TRY(gbx_api_name(o.name ? o.name : "abi_version", "name", &name, err));
    if (!gbx_runtime_linker_store(linker))
        return gbx_base_err_set(err, GBX_STATE, GBX_NO_OFFSET, "the store of this linker was released");
    if (name.len == 0) return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "name is empty");
    return gbx_runtime_linker_set_abi(linker, name, major, o.required != 0, err);
}
