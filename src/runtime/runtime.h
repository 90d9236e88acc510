/* Engine, module, store, instance: what the API and WASI stand on. */
#ifndef GBX_RUNTIME_RUNTIME_H
#define GBX_RUNTIME_RUNTIME_H

#include "abi/layout.h"
#include "wasm/module.h"

typedef struct gbx_engine gbx_engine;
typedef struct gbx_module gbx_module;
typedef struct gbx_store gbx_store;
typedef struct gbx_linker gbx_linker;

#endif
