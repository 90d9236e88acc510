#include "bridge.h"

#include "_cgo_export.h"

static gbx_trap_code
bridge_back(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)caller;
    results[0].of.i32 = goBack((uintptr_t)data, args[0].of.i32);
    return GBX_TRAP_NONE;
}

gbx_code
guest_open(guest *g, gbx_engine *engine, gbx_module *module, uint64_t timeout_ns, uintptr_t id)
{
    static const gbx_valtype i32[] = {GBX_I32};
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.timeout_ns = timeout_ns;
    opts.stack_bytes = 1 << 20;
    gbx_linker *linker = NULL;
    gbx_code code = gbx_store_new(engine, &opts, &g->store, &g->err);
    if (!code) code = gbx_linker_new(g->store, &linker, &g->err);
    if (!code) {
        code = gbx_linker_define_func(linker, "env", "back", i32, 1, i32, 1, bridge_back, (void *)id,
                                      &g->err);
    }
    if (!code) code = gbx_instance_new(g->store, module, linker, &g->instance, &g->trap, &g->err);
    gbx_linker_release(linker);
    return code;
}

void
guest_close(guest *g)
{
    gbx_store_release(g->store);
}

gbx_trap_code
guest_call(guest *g, const char *name, int32_t a, int32_t b, int32_t *result)
{
    gbx_func *const f = gbx_instance_func(g->instance, name);
    gbx_val const args[] = {{.type = GBX_I32, .of.i32 = a}, {.type = GBX_I32, .of.i32 = b}};
    gbx_val out = {.type = GBX_I32};
    gbx_trap_code const code = gbx_func_call(f, args, gbx_func_params(f, NULL), &out,
                                             gbx_func_results(f, NULL), &g->trap);
    *result = out.of.i32;
    return code;
}

void
bridge_crash(void)
{
    *(volatile int *)8 = 1;
}
