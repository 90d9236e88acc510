/* glovebox: runs Go programs built with GOOS=wasip1 GOARCH=wasm inside your C program.
 *
 *     #include <gbx/gbx.h>
 *     #include <stdio.h>
 *
 *     int main(int argc, char **argv)
 *     {
 *         gbx_engine *engine = NULL;
 *         gbx_module *module = NULL;
 *         gbx_store *store = NULL;
 *         gbx_linker *linker = NULL;
 *         gbx_wasi *wasi = NULL;
 *         gbx_instance *instance = NULL;
 *         gbx_err err;
 *         gbx_trap trap;
 *         int status = 125;
 *
 *         if (gbx_engine_new(NULL, &engine, &err) ||
 *             gbx_module_compile_file(engine, argc > 1 ? argv[1] : "main.wasm", NULL, &module, &err) ||
 *             gbx_store_new(engine, NULL, &store, &err) ||
 *             gbx_linker_new(store, &linker, &err) ||
 *             gbx_wasi_new(&wasi, &err) ||
 *             gbx_wasi_inherit_stdio(wasi, &err) ||
 *             gbx_wasi_arg(wasi, "main.wasm", &err) ||
 *             gbx_wasi_link(wasi, linker, &err) ||
 *             gbx_instance_new(store, module, linker, &instance, &trap, &err)) {
 *             fprintf(stderr, "%s\n", err.text);
 *         } else {
 *             gbx_func_call(gbx_instance_func(instance, "_start"), NULL, 0, NULL, 0, &trap);
 *             status = trap.code == GBX_TRAP_EXIT ? trap.exit_status : gbx_trap_exit_code(trap.code);
 *             if (trap.code != GBX_TRAP_NONE && trap.code != GBX_TRAP_EXIT)
 *                 fprintf(stderr, "%s %s\n", gbx_trap_text(trap.code), trap.message);
 *         }
 *         gbx_wasi_release(wasi);
 *         gbx_linker_release(linker);
 *         gbx_store_release(store);
 *         gbx_module_release(module);
 *         gbx_engine_release(engine);
 *         return status;
 *     }
 *
 * Build it with: cc host.c $(pkg-config --cflags --libs gbx)
 * Reading order: error.h, feature.h, engine.h, module.h, store.h, trap.h, host.h, guest.h, wasi.h,
 * cache.h, precompile.h, snapshot.h, metrics.h, keep.h, goroutine.h, profile.h. */
#ifndef GBX_GBX_H
#define GBX_GBX_H

#include "gbx/base.h"
#include "gbx/cache.h"
#include "gbx/engine.h"
#include "gbx/error.h"
#include "gbx/feature.h"
#include "gbx/goroutine.h"
#include "gbx/guest.h"
#include "gbx/host.h"
#include "gbx/keep.h"
#include "gbx/metrics.h"
#include "gbx/module.h"
#include "gbx/precompile.h"
#include "gbx/profile.h"
#include "gbx/snapshot.h"
#include "gbx/store.h"
#include "gbx/trap.h"
#include "gbx/wasi.h"

#endif
