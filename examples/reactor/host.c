/* A reactor: a Go library that is set up once and called a million times. Functions are looked up once and kept.
 * See README.md. */
#include <gbx/gbx.h>
#include <stdio.h>

static gbx_trap trap;

/* Call a function of one or two i32 that gives a number; -1 and a message where it trapped. */
static int64_t
call(gbx_func *func, int32_t a, int32_t b)
{
    gbx_val const args[] = {{.type = GBX_I32, .of.i32 = a}, {.type = GBX_I32, .of.i32 = b}};
    gbx_val result;
    if (gbx_func_call(func, args, gbx_func_params(func, NULL), &result, 1, &trap) != GBX_TRAP_NONE) {
        fprintf(stderr, "%s %s\n", gbx_trap_text(trap.code), trap.message);
        return -1;
    }
    return result.type == GBX_I32 ? result.of.i32 : result.of.i64;
}

static int
use(gbx_instance *plugin)
{
    gbx_func *const add = gbx_instance_func(plugin, "add"), *const note = gbx_instance_func(plugin, "note");
    gbx_func *const noted = gbx_instance_func(plugin, "noted");
    if (!add || !note || !noted) return 1;
    int64_t sum = 0;
    for (int32_t i = 0; i < 1000000; i++) sum = call(add, (int32_t)sum, i % 7);
    printf("a million calls of add: %lld\n", (long long)sum);
    for (int32_t i = 0; i < 1005; i++) call(note, i, 0);
    printf("noted: %lld times 3, %lld times 7, %lld by init\n", (long long)call(noted, 3, 0),
           (long long)call(noted, 7, 0), (long long)call(noted, -1, 0));
    return 0;
}

int
main(void)
{
    gbx_engine *engine = NULL;
    gbx_module *module = NULL;
    gbx_store *store = NULL;
    gbx_linker *linker = NULL;
    gbx_wasi *wasi = NULL;
    gbx_instance *plugin = NULL;
    gbx_err err;
    int failed = 1;
    if (gbx_engine_new(NULL, &engine, &err) || gbx_module_compile_file(engine, "plugin.wasm", NULL, &module, &err) ||
        gbx_store_new(engine, NULL, &store, &err) || gbx_linker_new(store, &linker, &err) ||
        gbx_wasi_new(&wasi, &err) || gbx_wasi_link(wasi, linker, &err) ||
        gbx_instance_new(store, module, linker, &plugin, &trap, &err))
        fprintf(stderr, "%s\n", err.text);
    else if (gbx_func_call(gbx_instance_func(plugin, "_initialize"), NULL, 0, NULL, 0, &trap) != GBX_TRAP_NONE)
        fprintf(stderr, "_initialize: %s %s\n", gbx_trap_text(trap.code), trap.message);
    else failed = use(plugin);
    gbx_wasi_release(wasi);
    gbx_linker_release(linker);
    gbx_store_release(store);
    gbx_module_release(module);
    gbx_engine_release(engine);
    return failed;
}
