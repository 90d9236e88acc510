/* store.h: stores, instances, calls. */
#include <string.h>

#include "api/api_int.h"
#include "base/alloc.h"

#define API_STORE_TIMEOUT_NS ((u64)30 * 1000000000u)
#define API_STORE_MEMORY_BYTES ((u64)256 << 20)
#define API_STORE_OUTPUT_BYTES ((u64)16 << 20)
#define API_STORE_DISK_BYTES ((u64)1 << 30)
#define API_STORE_WASM_PAGE ((u64)65536)
#define API_STORE_MEMORY_MOST max_u64(WASM_MAX_MEMORY_PAGES * API_STORE_WASM_PAGE, WASM_MAX_MEMORY64_BYTES)
#define API_STORE_STACK_LEAST ((u64)64 << 20)

/* A guest that keeps its stack in its own memory, as Go does, runs out of that first: its smallest
 * frames that are checked take 24 bytes there and about 100 of ours. So a bound on memory bounds the
 * stack too, and a recursion that uses no memory cannot take what the store was not given. */
static u64
store_default_stack(u64 memory_bytes)
{
    u64 const enough = min_u64(memory_bytes, API_STORE_MEMORY_MOST) * 8;
    return max_u64(min_u64(enough, WASM_MAX_GUEST_STACK_BYTES), API_STORE_STACK_LEAST);
}

gbx_code
gbx_store_new(gbx_engine *engine, const gbx_store_opts *opts, gbx_store **out, gbx_err *err)
{
    API_NEED(out, err);
    *out = NULL;
    API_NEED(engine, err);
    gbx_store_opts o;
    GBX_TRY(gbx_api_options(&o, sizeof o, opts, err));
    if (o.stack_bytes > WASM_MAX_GUEST_STACK_BYTES && o.stack_bytes != GBX_UNLIMITED) {
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "stack_bytes is %llu: %s",
                                (unsigned long long)o.stack_bytes, WASM_WHY_GUEST_STACK_BYTES);
    }
    if ((u32)o.initialize > GBX_INITIALIZE_HOST || (u32)o.after_trap > GBX_AFTER_TRAP_GOES_ON) {
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                "initialize or after_trap is a value that this library does not know");
    }
    u64 const memory = o.memory_bytes ? o.memory_bytes : API_STORE_MEMORY_BYTES;
    u64 const stack = o.stack_bytes ? o.stack_bytes : store_default_stack(memory);
    runtime_limits const limits = {
            .timeout_ns = o.timeout_ns ? o.timeout_ns : API_STORE_TIMEOUT_NS,
            .memory_bytes = min_u64(memory, API_STORE_MEMORY_MOST) & ~(API_STORE_WASM_PAGE - 1),
            .stack_bytes = max_u64(min_u64(stack, WASM_MAX_GUEST_STACK_BYTES),
                                   RUNTIME_STACK_LEAST_BYTES),
            .table_elems = o.table_elems ? o.table_elems : WASM_MAX_TABLE_ELEMS,
            .output_bytes = o.output_bytes ? o.output_bytes : API_STORE_OUTPUT_BYTES,
            .disk_bytes = o.disk_bytes ? o.disk_bytes : API_STORE_DISK_BYTES,
            .huge_pages = o.huge_pages != 0,
            .fuel = o.fuel ? o.fuel : GBX_UNLIMITED,
            .host_initializes = o.initialize == GBX_INITIALIZE_HOST,
            .after_trap = o.after_trap,
    };
    if (o.fuel && !gbx_runtime_engine_is_metered(engine)) {
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                "fuel is %llu, and the engine counts none: set metered in its options",
                                (unsigned long long)o.fuel);
    }
    return gbx_runtime_store_new(engine, &limits, o.name, o.tenant, out, err);
}

const char *
gbx_store_name(const gbx_store *store)
{
    return store ? gbx_runtime_store_name(store) : "";
}

const char *
gbx_store_tenant(const gbx_store *store)
{
    return store ? gbx_runtime_store_tenant(store) : "";
}

void
gbx_store_release(gbx_store *store)
{
    gbx_runtime_store_free(store);
}

bool
gbx_store_fuel(const gbx_store *store, uint64_t *left, uint64_t *used)
{
    u64 l = GBX_UNLIMITED, u = 0;
    bool const is_metered = store && gbx_runtime_store_is_metered(store);
    if (is_metered) gbx_runtime_store_fuel(store, &l, &u);
    if (left) *left = l;
    if (used) *used = u;
    return is_metered;
}

static gbx_code
api_store_give(gbx_store *store, u64 fuel, bool more, gbx_err *err)
{
    API_NEED(store, err);
    if (!gbx_runtime_store_is_metered(store)) {
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                "the store's engine counts no fuel: set metered in its options");
    }
    gbx_runtime_store_set_fuel(store, fuel, more);
    return GBX_OK;
}

gbx_code
gbx_store_set_fuel(gbx_store *store, uint64_t left, gbx_err *err)
{
    return api_store_give(store, left, false, err);
}

gbx_code
gbx_store_add_fuel(gbx_store *store, uint64_t more, gbx_err *err)
{
    return api_store_give(store, more, true, err);
}

void
gbx_store_cancel(gbx_store *store)
{
    if (store) gbx_runtime_store_cancel(store);
}

gbx_code
gbx_api_same_engine(const gbx_store *store, const gbx_module *module, const gbx_linker *linker, gbx_err *err)
{
    if (gbx_runtime_module_engine(module) != gbx_runtime_store_engine(store)) {
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                "the module was compiled for another engine than the store's");
    }
    if (linker && gbx_runtime_linker_store(linker) != store) {
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                "the linker belongs to another store");
    }
    return GBX_OK;
}

gbx_code
gbx_instance_new(gbx_store *store, const gbx_module *module, gbx_linker *linker, gbx_instance **out,
                 gbx_trap *trap, gbx_err *err)
{
    return gbx_instance_new_with(store, module, linker, NULL, out, trap, err);
}

gbx_code
gbx_instance_new_with(gbx_store *store, const gbx_module *module, gbx_linker *linker,
                      const gbx_instance_opts *opts, gbx_instance **out, gbx_trap *trap, gbx_err *err)
{
    GBX_UNINIT gbx_trap own_trap;
    gbx_instance_opts o;
    gbx_instance *inst;
    bool states_abi;
    if (!trap) trap = &own_trap;
    trap->code = GBX_TRAP_NONE;
    API_NEED(out, err);
    *out = NULL;
    API_NEED(store, err);
    API_NEED(module, err);
    GBX_TRY(gbx_api_options(&o, sizeof o, opts, err));
    gbx_code code = gbx_api_same_engine(store, module, linker, err);
    if (code == GBX_OK) code = gbx_api_abi_link(linker, module, &states_abi, err);
    if (code == GBX_OK) code = gbx_runtime_instance_new(store, module, linker, o.name, &inst, trap, err);
    if (code == GBX_OK) code = gbx_api_abi_check(linker, inst, states_abi, trap, err);
    if (code == GBX_OK) *out = inst;
    return gbx_runtime_name_err(store, o.name, code, err);
}

/* The export `name` of that kind; false where there is none. */
static bool
api_store_export(const gbx_instance *instance, const char *name, wasm_extern kind,
                 runtime_extern *out)
{
    rd_name n;
    if (!instance || gbx_api_name(name, "name", &n, NULL) != GBX_OK) return false;
    return gbx_runtime_instance_export(instance, n, out) && out->kind == kind;
}

gbx_func *
gbx_instance_func(gbx_instance *instance, const char *name)
{
    rd_name n;
    if (!instance || gbx_api_name(name, "name", &n, NULL) != GBX_OK) return NULL;
    const wasm_export *const e = gbx_wasm_find_export(instance->module, n.text, n.len);
    return e && e->kind == WASM_EXTERN_FUNC ? gbx_runtime_life_function(instance, e->idx) : NULL;
}

gbx_trap_code
gbx_instance_initialize(gbx_instance *instance, gbx_trap *trap)
{
    if (!instance) return gbx_runtime_trap(trap, GBX_TRAP_HOST, "initialized a NULL instance");
    return gbx_runtime_life_initialize(instance, trap);
}

gbx_func *
gbx_instance_func_at(gbx_instance *instance, size_t idx)
{
    if (!instance || idx >= instance->module->export_count) return NULL;
    const wasm_export *const e = &instance->module->exports[idx];
    return e->kind == WASM_EXTERN_FUNC ? gbx_runtime_life_function(instance, e->idx) : NULL;
}

bool
gbx_instance_memory(gbx_instance *instance, const char *name, uint8_t **data, size_t *bytes)
{
    runtime_extern ext;
    if (!data || !bytes || !api_store_export(instance, name, WASM_EXTERN_MEMORY, &ext)) return false;
    gbx_runtime_views_sync(instance->store);
    *data = ext.of.memory->base;
    *bytes = ext.of.memory->bytes;
    return true;
}

bool
gbx_instance_global(gbx_instance *instance, const char *name, gbx_val *out)
{
    runtime_extern ext;
    if (!out || !api_store_export(instance, name, WASM_EXTERN_GLOBAL, &ext)) return false;
    const gbx_global *const g = ext.of.global;
    value_put(out, gbx_runtime_valtype_out(g->type), g->value, g->type == WASM_V128 ? g->high : 0);
    return true;
}

bool
gbx_instance_set_global(gbx_instance *instance, const char *name, gbx_val value)
{
    runtime_extern ext;
    if (!api_store_export(instance, name, WASM_EXTERN_GLOBAL, &ext)) return false;
    gbx_global *const g = ext.of.global;
    if (!g->is_mutable || gbx_runtime_valtype_in(value.type) != g->type) return false;
    if (gbx_api_refuse(&value, instance->store)) return false;
    wasm_value const v = gbx_api_value(&value);
    g->value = v.low;
    g->high = v.high;
    return true;
}

size_t
gbx_func_params(const gbx_func *func, const gbx_valtype **out)
{
    if (out) *out = NULL;
    if (!func) return 0;
    const runtime_type *const type = gbx_runtime_func_type(func);
    if (out) *out = type->params;
    return type->sig.param_count;
}

size_t
gbx_func_results(const gbx_func *func, const gbx_valtype **out)
{
    if (out) *out = NULL;
    if (!func) return 0;
    const runtime_type *const type = gbx_runtime_func_type(func);
    if (out) *out = type->results;
    return type->sig.result_count;
}

static gbx_trap_code
api_store_check_call(const gbx_store *store, const runtime_type *type, const gbx_val *args,
                     size_t arg_count, const gbx_val *results, size_t result_count, gbx_trap *trap)
{
    if (arg_count != type->sig.param_count || result_count != type->sig.result_count) {
        return gbx_runtime_trap(trap, GBX_TRAP_HOST,
                                "called with %zu arguments and room for %zu results, the function "
                                "has %u and %u",
                                arg_count, result_count, type->sig.param_count,
                                type->sig.result_count);
    }
    if ((arg_count && !args) || (result_count && !results)) {
        return gbx_runtime_trap(trap, GBX_TRAP_HOST, "called with NULL for arguments or results");
    }
    for (size_t i = 0; i < arg_count; i++) {
        if (GBX_LIKELY(args[i].type == type->params[i])) {
            const char *const why = gbx_api_refuse(&args[i], store);
            if (GBX_LIKELY(!why)) continue;
            return gbx_runtime_trap(trap, GBX_TRAP_HOST, "argument %zu is %s", i, why);
        }
        return gbx_runtime_trap(trap, GBX_TRAP_HOST, "argument %zu is %s, the function wants %s", i,
                                gbx_wasm_valtype_text(gbx_runtime_valtype_in(args[i].type)),
                                gbx_wasm_valtype_text(type->sig.params[i]));
    }
    return GBX_TRAP_NONE;
}

/* Any call, and any that cannot be made. */
__attribute__((noinline)) static gbx_trap_code
api_store_call(gbx_func *func, const gbx_val *args, size_t arg_count, gbx_val *results,
               size_t result_count, gbx_trap *trap)
{
    const runtime_type *const type = gbx_runtime_func_keep_type(func);
    gbx_trap_code code =
            api_store_check_call(gbx_runtime_func_store(func), type, args, arg_count, results,
                                 result_count, trap);
    if (code != GBX_TRAP_NONE) {
        gbx_runtime_name_trap(gbx_runtime_func_store(func), func->inst, trap);
        return code;
    }
    size_t const most = max_u64(arg_count, result_count);
    gbx_slot *const slots = gbx_base_alloc(2 * most + 1, sizeof *slots); /* high halves follow */
    if (!slots) return gbx_runtime_trap(trap, GBX_TRAP_NO_HOST_MEMORY, "for %zu values", most);
    for (size_t i = 0; i < arg_count; i++) {
        slots[i] = value_low(&args[i]);
        slots[most + i] = value_high(&args[i]);
    }
    code = gbx_runtime_call(gbx_runtime_func_store(func), func, slots, trap);
    for (size_t i = 0; code == GBX_TRAP_NONE && i < result_count; i++) {
        bool const has_high = type->results[i] == GBX_V128;
        value_put(&results[i], type->results[i], slots[i], has_high ? slots[most + i] : 0);
    }
    gbx_base_free(slots);
    return code;
}

gbx_trap_code
gbx_func_call(gbx_func *func, const gbx_val *args, size_t arg_count, gbx_val *results,
              size_t result_count, gbx_trap *trap)
{
    if (GBX_UNLIKELY(!func)) return gbx_runtime_trap(trap, GBX_TRAP_HOST, "called a NULL function");
    const runtime_type *const type = func->code ? func->type : NULL;
    if (GBX_UNLIKELY(!type || arg_count != func->param_count || result_count != func->result_count ||
                     (arg_count && !args) || (result_count && !results)))
        return api_store_call(func, args, arg_count, results, result_count, trap);
    for (size_t i = 0; i < arg_count; i++)
        if (GBX_UNLIKELY(args[i].type != type->params[i]))
            return api_store_call(func, args, arg_count, results, result_count, trap);
    return gbx_runtime_call_plain(func, args, results, trap);
}

/* A funcref is the host's word here as in a gbx_val. */
gbx_trap_code
gbx_func_call_raw(gbx_func *func, uint64_t *values, size_t count, gbx_trap *trap)
{
    if (GBX_UNLIKELY(!func)) return gbx_runtime_trap(trap, GBX_TRAP_HOST, "called a NULL function");
    const runtime_type *type = func->code ? func->type : NULL;
    if (GBX_UNLIKELY(!type)) {
        type = func->code ? gbx_runtime_func_keep_type(func) : NULL;
        if (!type || !func->type)
            return gbx_runtime_trap(trap, GBX_TRAP_HOST, "a function of this type or the host's, called raw");
    }
    if (GBX_UNLIKELY(count != max_u32(func->param_count, func->result_count) || (count && !values)))
        return gbx_runtime_trap(trap, GBX_TRAP_HOST,
                                "called with %zu values, the function has %u and %u", count,
                                func->param_count, func->result_count);
    _Static_assert(RUNTIME_PLAIN_VALUES <= 32, "type->narrow knows all");
    for (u32 left = type->narrow; left; left &= left - 1) {
        u32 const i = (u32)__builtin_ctz(left);
        values[i] = (u32)values[i];
    }
    return gbx_runtime_call(func->inst->store, func, values, trap);
}
