/* An addon for node, by its stable C interface: one engine, guests that JavaScript calls on its own thread or
 * on a worker of libuv's, and a host function that is JavaScript. */
#include <stdlib.h>
#include <string.h>

#include <gbx/gbx.h>
#include <node_api.h>

typedef struct guest {
    napi_env env;
    napi_ref back; /* function (i32) -> i32 */
    gbx_store *store;
    gbx_instance *instance;
} guest;

typedef struct job {
    guest *guest;
    char name[32];
    gbx_trap_code code;
    napi_deferred deferred;
    napi_async_work work;
} job;

static gbx_engine *engine;
static gbx_module *module;
static gbx_err err;

static napi_value
addon_throw(napi_env env, const char *text)
{
    napi_throw_error(env, NULL, text);
    return NULL;
}

/* Called on JavaScript's thread only: workers call exports that do not lead here. */
static gbx_trap_code
addon_back(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    const guest *const g = data;
    napi_handle_scope scope;
    napi_value back, self, arg, result;
    bool threw = true;
    napi_open_handle_scope(g->env, &scope);
    napi_get_reference_value(g->env, g->back, &back);
    napi_get_undefined(g->env, &self);
    napi_create_int32(g->env, args[0].of.i32, &arg);
    if (napi_call_function(g->env, self, back, 1, &arg, &result) == napi_ok)
        threw = napi_get_value_int32(g->env, result, &results[0].of.i32) != napi_ok;
    napi_close_handle_scope(g->env, scope);
    if (threw) gbx_caller_set_message(caller, "JavaScript threw");
    return threw ? GBX_TRAP_HOST : GBX_TRAP_NONE;
}

/* start(path) */
static napi_value
addon_start(napi_env env, napi_callback_info info)
{
    size_t count = 1, len;
    napi_value arg;
    char path[4096];
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    opts.tier = GBX_TIER_EAGER;
    napi_get_cb_info(env, info, &count, &arg, NULL, NULL);
    napi_get_value_string_utf8(env, arg, path, sizeof path, &len);
    if (gbx_engine_new(&opts, &engine, &err) || gbx_module_compile_file(engine, path, NULL, &module, &err))
        return addon_throw(env, err.text);
    return NULL;
}

/* open(back) -> guest */
static napi_value
addon_open(napi_env env, napi_callback_info info)
{
    static const gbx_valtype types[] = {GBX_I32};
    size_t count = 1;
    napi_value arg, out;
    gbx_linker *linker = NULL;
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    guest *const g = calloc(1, sizeof *g);
    if (!g) return addon_throw(env, "no memory");
    opts.stack_bytes = 1 << 20;
    g->env = env;
    napi_get_cb_info(env, info, &count, &arg, NULL, NULL);
    napi_create_reference(env, arg, 1, &g->back);
    if (gbx_store_new(engine, &opts, &g->store, &err) || gbx_linker_new(g->store, &linker, &err) ||
        gbx_linker_define_func(linker, "env", "back", types, 1, types, 1, addon_back, g, &err) ||
        gbx_instance_new(g->store, module, linker, &g->instance, NULL, &err))
        return addon_throw(env, err.text);
    gbx_linker_release(linker);
    napi_create_external(env, g, NULL, NULL, &out);
    return out;
}

static guest *
addon_guest(napi_env env, napi_value v)
{
    void *g = NULL;
    napi_get_value_external(env, v, &g);
    return g;
}

/* call(guest, name, a, b) -> number, or the slug of a trap */
static napi_value
addon_call(napi_env env, napi_callback_info info)
{
    size_t count = 4, len;
    napi_value argv[4], out;
    char name[32];
    gbx_val args[2], result;
    memset(&result, 0, sizeof result);
    napi_get_cb_info(env, info, &count, argv, NULL, NULL);
    guest *const g = addon_guest(env, argv[0]);
    napi_get_value_string_utf8(env, argv[1], name, sizeof name, &len);
    for (int i = 0; i < 2; i++) {
        args[i].type = GBX_I32;
        args[i].of.i32 = 0;
        napi_get_value_int32(env, argv[2 + i], &args[i].of.i32);
    }
    gbx_func *const f = gbx_instance_func(g->instance, name);
    gbx_trap_code const code = gbx_func_call(f, args, gbx_func_params(f, NULL), &result,
                                             gbx_func_results(f, NULL), NULL);
    bool pending = false;
    napi_is_exception_pending(env, &pending);
    if (pending) return NULL; /* what JavaScript threw below the guest goes on above it */
    if (code) napi_create_string_utf8(env, gbx_trap_slug(code), NAPI_AUTO_LENGTH, &out);
    else napi_create_int32(env, result.of.i32, &out);
    return out;
}

static void
addon_work(napi_env env, void *data)
{
    job *const j = data;
    gbx_val result, arg;
    (void)env;
    memset(&arg, 0, sizeof arg);
    arg.type = GBX_I32;
    arg.of.i32 = 65536;
    gbx_func *const f = gbx_instance_func(j->guest->instance, j->name);
    j->code = gbx_func_call(f, &arg, gbx_func_params(f, NULL), &result, gbx_func_results(f, NULL), NULL);
}

static void
addon_done(napi_env env, napi_status status, void *data)
{
    job *const j = data;
    napi_value slug;
    (void)status;
    napi_create_string_utf8(env, gbx_trap_slug(j->code), NAPI_AUTO_LENGTH, &slug);
    napi_resolve_deferred(env, j->deferred, slug);
    napi_delete_async_work(env, j->work);
    free(j);
}

/* callAsync(guest, name) -> promise of the slug */
static napi_value
addon_call_async(napi_env env, napi_callback_info info)
{
    size_t count = 2, len;
    napi_value argv[2], promise;
    job *const j = calloc(1, sizeof *j);
    if (!j) return addon_throw(env, "no memory");
    napi_get_cb_info(env, info, &count, argv, NULL, NULL);
    j->guest = addon_guest(env, argv[0]);
    napi_get_value_string_utf8(env, argv[1], j->name, sizeof j->name, &len);
    napi_create_promise(env, &j->deferred, &promise);
    napi_create_async_work(env, NULL, argv[1], addon_work, addon_done, j, &j->work);
    napi_queue_async_work(env, j->work);
    return promise;
}

/* cancel(guest), close(guest) */
static napi_value
addon_cancel(napi_env env, napi_callback_info info)
{
    size_t count = 1;
    napi_value arg;
    napi_get_cb_info(env, info, &count, &arg, NULL, NULL);
    gbx_store_cancel(addon_guest(env, arg)->store);
    return NULL;
}

static napi_value
addon_close(napi_env env, napi_callback_info info)
{
    size_t count = 1;
    napi_value arg;
    napi_get_cb_info(env, info, &count, &arg, NULL, NULL);
    guest *const g = addon_guest(env, arg);
    gbx_store_release(g->store);
    napi_delete_reference(env, g->back);
    free(g);
    return NULL;
}

NAPI_MODULE_INIT()
{
    static const struct {
        const char *name;
        napi_callback call;
    } functions[] = {{"start", addon_start},          {"open", addon_open},     {"call", addon_call},
                     {"callAsync", addon_call_async}, {"cancel", addon_cancel}, {"close", addon_close}};
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        napi_value f;
        napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].call, NULL, &f);
        napi_set_named_property(env, exports, functions[i].name, f);
    }
    return exports;
}
