/* The smallest host: runs plugin.wasm with nothing granted but standard output. See README.md. */
#include <gbx/gbx.h>
#include <stdio.h>

int main(void)
{
    gbx_engine *engine = NULL;     /* one a process: threads, caches, memory for instances */
    gbx_module *module = NULL;     /* compiled once, shared by all threads */
    gbx_store *store = NULL;       /* one plugin's state and bounds: 30 s, 256 MiB unless you say more */
    gbx_linker *linker = NULL;     /* what its imports are bound to */
    gbx_wasi *wasi = NULL;         /* what it may touch: nothing, until you grant it */
    gbx_instance *plugin = NULL;
    gbx_err err;
    gbx_trap trap;
    bool ok = false;
    if (gbx_engine_new(NULL, &engine, &err) || gbx_module_compile_file(engine, "plugin.wasm", NULL, &module, &err) ||
        gbx_store_new(engine, NULL, &store, &err) || gbx_linker_new(store, &linker, &err) ||
        gbx_wasi_new(&wasi, &err) || gbx_wasi_stdio(wasi, 1, 1, &err) || gbx_wasi_link(wasi, linker, &err) ||
        gbx_instance_new(store, module, linker, &plugin, &trap, &err))
        fprintf(stderr, "cannot start: %s\n", err.text);
    else {
        gbx_func_call(gbx_instance_func(plugin, "_start"), NULL, 0, NULL, 0, &trap);
        ok = gbx_trap_is_success(&trap);
        if (!ok) fprintf(stderr, "%s %s, status %d\n", gbx_trap_text(trap.code), trap.message, (int)trap.exit_status);
    }
    gbx_wasi_release(wasi);
    gbx_linker_release(linker);
    gbx_store_release(store);
    gbx_module_release(module);
    gbx_engine_release(engine);
    return ok ? 0 : 1;
}
