/* glovebox: runs Go programs built with GOOS=wasip1 GOARCH=wasm inside your C program.
 *
 *     #include <gbx/gbx.h>
 *
 *     int main(void)
 *     {
 *         gbx_err err;
 *         gbx_trap trap;
 *         gbx_engine *engine;
 *         gbx_module *module;
 *         gbx_store *store;
 *         gbx_linker *linker;
 *         gbx_wasi *wasi;
 *         gbx_instance *instance;
 *
 *         if (gbx_engine_new(NULL, &engine, &err) ||
 *             gbx_module_compile_file(engine, "main.wasm", NULL, &module, &err) ||
 *             gbx_store_new(engine, NULL, &store, &err) ||
 *             gbx_linker_new(store, &linker, &err) ||
 *             gbx_wasi_new(&wasi, &err) ||
 *             gbx_wasi_inherit_stdio(wasi, &err) ||
 *             gbx_wasi_arg(wasi, "main.wasm", &err) ||
 *             gbx_wasi_link(wasi, linker, &err) ||
 *             gbx_instance_new(store, module, linker, &instance, &trap, &err)) {
 *             fprintf(stderr, "%s\n", err.text);
 *             return 125;
 *         }
 *         gbx_func_call(gbx_instance_func(instance, "_start"), NULL, 0, NULL, 0, &trap);
 *         return trap.code == GBX_TRAP_EXIT ? trap.exit_status : trap.code ? 134 : 0;
 *     }
 *
 * Reading order: error.h, engine.h, module.h, store.h, host.h, wasi.h. */
#ifndef GBX_GBX_H
#define GBX_GBX_H

#include "gbx/base.h"
#include "gbx/engine.h"
#include "gbx/error.h"
#include "gbx/host.h"
#include "gbx/module.h"
#include "gbx/store.h"
#include "gbx/trap.h"
#include "gbx/wasi.h"

#endif
