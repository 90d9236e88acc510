/* host.h: the linker and typed host functions.
 *
 * SAFETY: what a host function gets from the guest is values, checked at link time to be of its types.
 * Its results are checked to have kept theirs: a reference in place of a number would be the guest's
 * to use. */
#include <string.h>

#include "api/api_int.h"
#include "base/alloc.h"
#include "base/text.h"

/* What a typed host function is called through. Owned by the store. */
typedef struct api_host {
    gbx_host_callback callback;
    void *data;
    const runtime_type *type;
    char name[]; /* `module::name`, escaped: for messages; behind it what it is for, and what it touches */
} api_host;

gbx_code
gbx_linker_new(gbx_store *store, gbx_linker **out, gbx_err *err)
{
    API_NEED(out, err);
    *out = NULL;
    API_NEED(store, err);
    return gbx_runtime_linker_new(store, out, err);
}

void
gbx_linker_release(gbx_linker *linker)
{
    gbx_runtime_linker_free(linker);
}

gbx_instance *
gbx_caller_instance(gbx_caller *caller)
{
    return caller ? caller->inst : NULL;
}

bool
gbx_caller_memory(gbx_caller *caller, uint8_t **data, size_t *bytes)
{
    if (!caller || !data || !bytes || !caller->inst || caller->inst->module->memory_count == 0) {
        return false;
    }
    if (caller->has_views) gbx_runtime_views_sync(caller->x->store);
    *data = caller->inst->memories[0]->base;
    *bytes = caller->inst->memories[0]->bytes;
    return true;
}

/* The guest's bytes [addr, addr + len), NULL where they do not all exist. */
static u8 *
api_host_range(gbx_caller *caller, u64 addr, size_t len)
{
    u8 *data;
    size_t bytes;
    if (!gbx_caller_memory(caller, &data, &bytes) || addr > bytes || len > bytes - addr) return NULL;
    return data + addr;
}

bool
gbx_caller_read(gbx_caller *caller, uint64_t addr, void *buf, size_t len)
{
    const u8 *const p = api_host_range(caller, addr, len);
    if (!p || (len && !buf)) return false;
    if (len) memcpy(buf, p, len);
    return true;
}

bool
gbx_caller_write(gbx_caller *caller, uint64_t addr, const void *data, size_t len)
{
    u8 *const p = api_host_range(caller, addr, len);
    if (!p || (len && !data)) return false;
    if (len) memcpy(p, data, len);
    if (caller->has_views) gbx_runtime_views_sync(caller->x->store);
    return true;
}

void
gbx_caller_set_message(gbx_caller *caller, const char *text)
{
    if (!caller || !text) return;
    text_buf t = gbx_base_text_init(caller->x->message, sizeof caller->x->message);
    gbx_base_text_escape(&t, text, strlen(text), sizeof caller->x->message);
}

void
gbx_caller_set_exit(gbx_caller *caller, int32_t status)
{
    if (caller) caller->x->exit_status = status;
}

static gbx_trap_code
api_host_fail(gbx_exec *x, const api_host *h, const char *what)
{
    text_buf t = gbx_base_text_init(x->message, sizeof x->message);
    gbx_base_text_printf(&t, "host function %s %s", h->name, what);
    return GBX_TRAP_HOST;
}

/* Call the callback with room for its values in `vals`: arguments, then results. */
static gbx_trap_code
api_host_run(gbx_exec *x, gbx_instance *inst, const api_host *h, gbx_slot *slots, gbx_val *vals)
{
    const wasm_functype *const sig = &h->type->sig;
    gbx_val *const results = vals + sig->param_count;
    for (u32 i = 0; i < sig->result_count; i++) value_put(&results[i], h->type->results[i], 0, 0);
    for (u32 i = 0; i < sig->param_count; i++) {
        bool const has_high = h->type->params[i] == GBX_V128;
        value_put(&vals[i], h->type->params[i], slots[i], has_high ? slots[i + x->high] : 0);
    }

    gbx_caller caller = {.x = x, .inst = inst};
    x->message[0] = 0;
    x->exit_status = 0;
    x->asked |= GBX_FROM_HOST;
    figure_add(&x->host_calls, 1);
    gbx_trap_code const code = h->callback(&caller, h->data, vals, results);
    if (GBX_UNLIKELY(caller.has_views)) gbx_runtime_views_end(x->store);
    if (code != GBX_TRAP_NONE) {
        if ((u32)code >= GBX_TRAP_CODE_COUNT) {
            return api_host_fail(x, h, "returned a code that is no trap");
        }
        return code == GBX_TRAP_HOST && !x->message[0] ? api_host_fail(x, h, "failed") : code;
    }
    x->message[0] = 0; /* of a nested call that trapped, and did not matter */
    for (u32 i = 0; i < sig->result_count; i++) {
        if (results[i].type != h->type->results[i]) {
            return api_host_fail(x, h, "returned a value of another type than it declared");
        }
        if (gbx_api_refuse(&results[i], x->store))
            return api_host_fail(x, h, "returned an exception, or a function of another store");
        slots[i] = value_low(&results[i]);
        if (sig->has_v128) slots[i + x->high] = value_high(&results[i]);
    }
    return GBX_TRAP_NONE;
}

#define API_HOST_FEW_VALS 16u /* functions with at most so many values need no heap */

/* The gbx_host_fn of all typed host functions. */
static gbx_trap_code
api_host_enter(gbx_exec *x, gbx_instance *inst, void *data, gbx_slot *slots)
{
    const api_host *const h = data;
    GBX_UNINIT gbx_val few[API_HOST_FEW_VALS];
    size_t const count = (size_t)h->type->sig.param_count + h->type->sig.result_count;
    if (GBX_LIKELY(count <= GBX_LEN(few))) return api_host_run(x, inst, h, slots, few);
    gbx_val *const vals = gbx_base_alloc(count, sizeof *vals);
    if (!vals) return GBX_TRAP_NO_HOST_MEMORY;
    gbx_trap_code const code = api_host_run(x, inst, h, slots, vals);
    gbx_base_free(vals);
    return code;
}

/* The linker's store, and both names. */
static gbx_code
api_host_names(gbx_linker *linker, const char *module, const char *name, gbx_store **store,
               rd_name names[2], gbx_err *err)
{
    API_NEED(linker, err);
    *store = gbx_runtime_linker_store(linker);
    if (!*store) {
        return gbx_base_err_set(err, GBX_STATE, GBX_NO_OFFSET,
                                "the store of this linker was released");
    }
    GBX_TRY(gbx_api_name(module, "module", &names[0], err));
    return gbx_api_name(name, "name", &names[1], err);
}

static gbx_code
api_host_types(const gbx_valtype *types, size_t count, u64 most, wasm_valtype *out, gbx_err *err)
{
    if (count > most) {
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                "%zu parameters or results, at most %llu", count,
                                (unsigned long long)most);
    }
    if (count) API_NEED(types, err);
    for (size_t i = 0; i < count; i++) {
        out[i] = gbx_runtime_valtype_in(types[i]);
        if (out[i] == WASM_ANY) {
            return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "%d is not a value type",
                                    (int)types[i]);
        }
    }
    return GBX_OK;
}

#define API_HOST_NAME_SHOWN 100u /* bytes of each name in messages */

static size_t
api_host_text_bytes(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

/* `text` behind what was copied to *at, which goes on; NULL stays NULL. */
static const char *
api_host_text(char **at, const char *text)
{
    size_t const bytes = api_host_text_bytes(text);
    char *const to = *at;
    if (!bytes) return NULL;
    memcpy(to, text, bytes);
    *at += bytes;
    return to;
}

static gbx_code
api_host_new(gbx_store *store, const rd_name names[2], const gbx_host_func *func, runtime_told *told,
             api_host **out, gbx_err *err)
{
    char shown[2 * API_HOST_NAME_SHOWN * 4 + 8];
    text_buf t = gbx_base_text_init(shown, sizeof shown);
    gbx_base_text_printf(&t, "`");
    gbx_base_text_escape(&t, names[0].text, names[0].len, API_HOST_NAME_SHOWN);
    gbx_base_text_printf(&t, "::");
    gbx_base_text_escape(&t, names[1].text, names[1].len, API_HOST_NAME_SHOWN);
    gbx_base_text_printf(&t, "`");
    size_t const bytes = t.len + 1 + api_host_text_bytes(func->purpose) + api_host_text_bytes(func->touches);
    api_host *const h = gbx_base_alloc_zero(1, sizeof *h + bytes);
    if (!h || !gbx_runtime_store_own(store, h, gbx_base_free)) {
        gbx_base_free(h);
        return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET, "no memory for a host function");
    }
    char *at = h->name;
    (void)api_host_text(&at, shown);
    told->purpose = api_host_text(&at, func->purpose);
    told->touches = api_host_text(&at, func->touches);
    h->callback = func->callback;
    h->data = func->data;
    *out = h;
    return GBX_OK;
}

#define API_HOST_TYPES 2000u /* of a signature */

/* Types of a signature that is spelt out, or of lists. */
static gbx_code
api_host_sig(const gbx_host_func *f, wasm_valtype types[], wasm_functype *sig, gbx_err *err)
{
    gbx_valtype given[API_HOST_TYPES];
    size_t params = f->param_count, results = f->result_count;
    GBX_ASSERT(API_HOST_TYPES >= WASM_MAX_PARAMS + WASM_MAX_RESULTS);
    if (f->signature) {
        if (f->params || params || f->results || results)
            return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                    "a signature and lists of types are given, one of both is needed");
        GBX_TRY(gbx_api_signature(f->signature, given, &params, &results, err));
    }
    const gbx_valtype *const of_params = f->signature ? given : f->params;
    const gbx_valtype *const of_results = f->signature ? given + params : f->results;
    GBX_TRY(api_host_types(of_params, params, WASM_MAX_PARAMS, types, err));
    GBX_TRY(api_host_types(of_results, results, WASM_MAX_RESULTS, types + params, err));
    *sig = (wasm_functype){.param_count = (u32)params,
                           .result_count = (u32)results,
                           .params = types,
                           .results = types + params,
                           .has_v128 = memchr(types, WASM_V128, params + results)};
    return GBX_OK;
}

gbx_code
gbx_linker_define(gbx_linker *linker, const gbx_host_func *func, gbx_err *err)
{
    gbx_store *store;
    gbx_host_func given;
    rd_name names[2];
    wasm_valtype types[API_HOST_TYPES];
    wasm_functype sig;
    API_NEED(func, err);
    GBX_TRY(gbx_api_options(&given, sizeof given, func, err));
    GBX_TRY(api_host_names(linker, given.module, given.name, &store, names, err));
    if (!given.callback) return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "callback is NULL");
    GBX_TRY(api_host_sig(&given, types, &sig, err));
    api_host *h = NULL;
    gbx_func *f;
    runtime_told told;
    GBX_TRY(api_host_new(store, names, &given, &told, &h, err));
    GBX_TRY(gbx_runtime_host_func(store, &sig, api_host_enter, h, &f, err));
    h->type = gbx_runtime_func_type(f);
    runtime_extern const ext = {.kind = WASM_EXTERN_FUNC, .of.func = f};
    GBX_TRY(gbx_runtime_linker_define(linker, names[0], names[1], ext, err));
    gbx_runtime_linker_tell(linker, names[0], names[1], told);
    return GBX_OK;
}

gbx_code
gbx_linker_define_func(gbx_linker *linker, const char *module, const char *name,
                       const gbx_valtype *params, size_t param_count, const gbx_valtype *results,
                       size_t result_count, gbx_host_callback callback, void *data, gbx_err *err)
{
    gbx_host_func const func = {.size = sizeof func,
                                .module = module,
                                .name = name,
                                .params = params,
                                .param_count = param_count,
                                .results = results,
                                .result_count = result_count,
                                .callback = callback,
                                .data = data};
    return gbx_linker_define(linker, &func, err);
}

gbx_code
gbx_linker_define_instance(gbx_linker *linker, const char *module, gbx_instance *instance,
                           gbx_err *err)
{
    gbx_store *store;
    rd_name names[2];
    GBX_TRY(api_host_names(linker, module, "", &store, names, err));
    API_NEED(instance, err);
    if (instance->store != store) {
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                "the instance belongs to another store than the linker");
    }
    gbx_trap trap;
    gbx_trap_code const began = gbx_runtime_store_limits(store)->host_initializes
                                        ? GBX_TRAP_NONE
                                        : gbx_runtime_life_initialize(instance, &trap);
    if (began != GBX_TRAP_NONE) {
        return gbx_base_err_set(err, GBX_TRAPPED, GBX_NO_OFFSET, "the instance cannot be called: %s%s%s",
                                gbx_trap_text(began), trap.message[0] ? ": " : "", trap.message);
    }
    return gbx_runtime_linker_define_instance(linker, names[0], instance, err);
}

/* Limits of the host's, checked as validation checks a module's. */
static gbx_code
api_host_limits(u64 min, u64 max, u64 most, wasm_limits *out, gbx_err *err)
{
    bool const has_max = max != GBX_UNLIMITED;
    if (min > most || (has_max && (max > most || max < min))) {
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET,
                                "from %llu to %llu is no range within %llu", (unsigned long long)min,
                                (unsigned long long)max, (unsigned long long)most);
    }
    *out = (wasm_limits){.min = min, .max = has_max ? max : 0, .has_max = has_max};
    return GBX_OK;
}

gbx_code
gbx_linker_define_memory(gbx_linker *linker, const char *module, const char *name,
                         uint64_t min_pages, uint64_t max_pages, gbx_err *err)
{
    gbx_store *store;
    rd_name names[2];
    wasm_limits type;
    GBX_TRY(api_host_names(linker, module, name, &store, names, err));
    GBX_TRY(api_host_limits(min_pages, max_pages, WASM_MAX_MEMORY_PAGES, &type, err));
    runtime_extern ext = {.kind = WASM_EXTERN_MEMORY};
    GBX_TRY(gbx_runtime_host_memory(store, &type, &ext.of.memory, err));
    return gbx_runtime_linker_define(linker, names[0], names[1], ext, err);
}

gbx_code
gbx_linker_define_table(gbx_linker *linker, const char *module, const char *name, gbx_valtype type,
                        uint64_t min, uint64_t max, gbx_err *err)
{
    gbx_store *store;
    rd_name names[2];
    GBX_TRY(api_host_names(linker, module, name, &store, names, err));
    if (type != GBX_FUNCREF && type != GBX_EXTERNREF) {
        return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "a table holds references");
    }
    wasm_tabletype t = {.elem = gbx_runtime_valtype_in(type)};
    GBX_TRY(api_host_limits(min, max, UINT32_MAX, &t.limits, err));
    runtime_extern ext = {.kind = WASM_EXTERN_TABLE};
    GBX_TRY(gbx_runtime_host_table(store, &t, &ext.of.table, err));
    return gbx_runtime_linker_define(linker, names[0], names[1], ext, err);
}

gbx_code
gbx_linker_define_global(gbx_linker *linker, const char *module, const char *name, gbx_val value,
                         bool is_mutable, gbx_err *err)
{
    gbx_store *store;
    rd_name names[2];
    wasm_globaltype type = {.is_mutable = is_mutable};
    GBX_TRY(api_host_names(linker, module, name, &store, names, err));
    GBX_TRY(api_host_types(&value.type, 1, 1, &type.type, err));
    const char *const why = gbx_api_refuse(&value, store);
    if (why) return gbx_base_err_set(err, GBX_ARGUMENT, GBX_NO_OFFSET, "the value is %s", why);
    runtime_extern ext = {.kind = WASM_EXTERN_GLOBAL};
    GBX_TRY(gbx_runtime_host_global(store, &type, gbx_api_value(&value), &ext.of.global, err));
    return gbx_runtime_linker_define(linker, names[0], names[1], ext, err);
}

gbx_code
gbx_linker_check(gbx_linker *linker, const gbx_module *module, gbx_link_report report, void *data,
                 gbx_err *err)
{
    API_NEED(module, err);
    return gbx_runtime_link(linker, module, NULL, report, data, err);
}
