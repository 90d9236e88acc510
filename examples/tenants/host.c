/* One module, two tenants, different grants, side by side: what a plugin may touch is decided for each instance.
 * See README.md. */
#include <gbx/gbx.h>
#include <stdio.h>

typedef struct tenant {
    const char *name, *dir;
    gbx_access access;
    uint64_t scratch_bytes; /* of a directory in memory as /tmp; 0: none */
} tenant;

/* A store with the tenant's grants and an instance in it; NULL and a message where that cannot be. */
static gbx_store *
admit(gbx_engine *engine, gbx_module *module, const tenant *t, gbx_instance **plugin)
{
    gbx_store *store = NULL;
    gbx_linker *linker = NULL;
    gbx_wasi *wasi = NULL;
    gbx_err err;
    gbx_store_opts bounds = GBX_STORE_OPTS_INIT;
    bounds.timeout_ns = 1000000000u;
    gbx_code code = gbx_store_new(engine, &bounds, &store, &err);
    if (!code) code = gbx_linker_new(store, &linker, &err);
    if (!code) code = gbx_wasi_new(&wasi, &err);
    if (!code) code = gbx_wasi_stdio(wasi, 1, 1, &err);
    if (!code) code = gbx_wasi_env(wasi, "TENANT", t->name, &err);
    if (!code) code = gbx_wasi_dir(wasi, t->dir, "/data", t->access, &err);
    if (!code && t->scratch_bytes) code = gbx_wasi_scratch(wasi, "/tmp", t->scratch_bytes, &err);
    if (!code) code = gbx_wasi_link(wasi, linker, &err);
    if (!code) code = gbx_instance_new(store, module, linker, plugin, NULL, &err);
    gbx_wasi_release(wasi);
    gbx_linker_release(linker);
    if (!code) return store;
    fprintf(stderr, "%s: %s\n", t->name, err.text);
    gbx_store_release(store);
    return NULL;
}

int
main(void)
{
    static const tenant tenants[2] = {{"alice", "alice", GBX_READ_ONLY, 0},
                                      {"bob", "bob", GBX_READ_WRITE, 65536}};
    gbx_engine *engine = NULL;
    gbx_module *module = NULL;
    gbx_store *stores[2] = {NULL, NULL};
    gbx_instance *plugins[2];
    gbx_err err;
    int failed = 0;
    if (gbx_engine_new(NULL, &engine, &err) || gbx_module_compile_file(engine, "plugin.wasm", NULL, &module, &err)) {
        fprintf(stderr, "%s\n", err.text);
        failed = 1;
    }
    for (int i = 0; i < 2 && !failed; i++) {
        stores[i] = admit(engine, module, &tenants[i], &plugins[i]);
        failed = !stores[i];
    }
    for (int i = 0; i < 2 && !failed; i++) {
        const gbx_refusal *refusals;
        gbx_trap trap;
        gbx_func_call(gbx_instance_func(plugins[i], "_start"), NULL, 0, NULL, 0, &trap);
        failed = !gbx_trap_is_success(&trap);
        size_t const count = gbx_store_refusals(stores[i], &refusals);
        for (size_t k = 0; k < count; k++)
            printf("  refused: %s %s: %s\n", refusals[k].call, refusals[k].path, refusals[k].reason);
        fflush(stdout);
    }
    for (int i = 0; i < 2; i++) gbx_store_release(stores[i]);
    gbx_module_release(module);
    gbx_engine_release(engine);
    return failed;
}
