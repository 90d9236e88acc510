/* A function of the host's that plugins import. It is given numbers, which the guest says are addresses: nothing is
 * believed of them. See README.md. */
#include <gbx/gbx.h>
#include <stdio.h>
#include <string.h>

typedef struct setting {
    const char *name, *value;
} setting;

/* What `data` was when the function was defined: here, the settings of this plugin's owner. */
static gbx_trap_code
settings_get(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    uint32_t const name = (uint32_t)args[0].of.i32, name_len = (uint32_t)args[1].of.i32;
    uint32_t const to = (uint32_t)args[2].of.i32, room = (uint32_t)args[3].of.i32;
    char wanted[32] = "";
    results[0].of.i32 = -1;
    if (name_len >= sizeof wanted) return GBX_TRAP_NONE; /* no setting has a name that long */
    if (!gbx_caller_read(caller, name, wanted, name_len)) {
        gbx_caller_set_message(caller, "settings.get: the name is not in memory");
        return GBX_TRAP_HOST; /* ends the guest's call */
    }
    for (const setting *s = data; s->name; s++) {
        if (strcmp(s->name, wanted) != 0) continue;
        size_t const len = strlen(s->value);
        if (!gbx_caller_write(caller, to, s->value, len < room ? len : room)) {
            gbx_caller_set_message(caller, "settings.get: the buffer is not in memory");
            return GBX_TRAP_HOST;
        }
        results[0].of.i32 = (int32_t)len;
    }
    return GBX_TRAP_NONE;
}

int
main(void)
{
    static const setting settings[] = {{"colour", "green"},
            {"motto", "A plugin that asks for more than sixty-four bytes is given the length first, and asks again"},
            {NULL, NULL}};
    static const gbx_valtype i32s[] = {GBX_I32, GBX_I32, GBX_I32, GBX_I32};
    gbx_engine *engine = NULL;
    gbx_module *module = NULL;
    gbx_store *store = NULL;
    gbx_linker *linker = NULL;
    gbx_wasi *wasi = NULL;
    gbx_instance *plugin = NULL;
    gbx_err err;
    gbx_trap trap;
    int failed = 1;
    if (gbx_engine_new(NULL, &engine, &err) || gbx_module_compile_file(engine, "plugin.wasm", NULL, &module, &err) ||
        gbx_store_new(engine, NULL, &store, &err) || gbx_linker_new(store, &linker, &err) ||
        gbx_linker_define_func(linker, "settings", "get", i32s, 4, i32s, 1, settings_get, (void *)(uintptr_t)settings,
                               &err) ||
        gbx_wasi_new(&wasi, &err) || gbx_wasi_stdio(wasi, 1, 1, &err) || gbx_wasi_link(wasi, linker, &err) ||
        gbx_instance_new(store, module, linker, &plugin, &trap, &err))
        fprintf(stderr, "%s\n", err.text);
    else {
        gbx_func_call(gbx_instance_func(plugin, "_start"), NULL, 0, NULL, 0, &trap);
        failed = !gbx_trap_is_success(&trap);
        if (failed) fprintf(stderr, "%s: %s\n", gbx_trap_text(trap.code), trap.message);
    }
    gbx_wasi_release(wasi);
    gbx_linker_release(linker);
    gbx_store_release(store);
    gbx_module_release(module);
    gbx_engine_release(engine);
    return failed;
}
