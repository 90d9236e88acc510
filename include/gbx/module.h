/* Modules: WebAssembly bytes, decoded and validated once, shared by any number of instances. */
#ifndef GBX_MODULE_H
#define GBX_MODULE_H

#include "gbx/engine.h"

typedef struct gbx_module gbx_module;

typedef struct gbx_compile_opts {
    size_t size; /* set by GBX_COMPILE_OPTS_INIT */
} gbx_compile_opts;
#define GBX_COMPILE_OPTS_INIT {.size = sizeof(gbx_compile_opts)}

/* Decode and validate `wasm`, which is copied. opts may be NULL. Thread-safe on one engine.
 * On failure *out is NULL and err says what is wrong at which byte offset, in which section and
 * function: GBX_BAD_MAGIC, GBX_COMPONENT, GBX_TRUNCATED, GBX_MALFORMED, GBX_INVALID,
 * GBX_UNSUPPORTED, GBX_LIMIT, GBX_NO_MEMORY. */
GBX_API gbx_code gbx_module_compile(gbx_engine *engine, gbx_bytes wasm,
                                    const gbx_compile_opts *opts, gbx_own gbx_module **out,
                                    gbx_err *err);

/* The same from a file of the host, read once into memory that no other process can change. Also
 * GBX_NOT_FOUND, GBX_IO; a file that is no module (ELF, text, gzip, HTML, ...) is named as what it
 * is in the message. */
GBX_API gbx_code gbx_module_compile_file(gbx_engine *engine, const char *path,
                                         const gbx_compile_opts *opts, gbx_own gbx_module **out,
                                         gbx_err *err);

GBX_API void gbx_module_release(gbx_module *module); /* NULL is fine; thread-safe */

typedef enum gbx_extern_kind {
    GBX_EXTERN_FUNC,
    GBX_EXTERN_TABLE,
    GBX_EXTERN_MEMORY,
    GBX_EXTERN_GLOBAL
} gbx_extern_kind;

/* One import or export. Strings are borrowed from the module, escaped for a terminal and
 * NUL-terminated; `module_name` is "" for exports. `signature` reads "(i32, i64) -> (i32)" for
 * functions and describes the type of the others. */
typedef struct gbx_extern_info {
    gbx_extern_kind kind;
    const char *module_name;
    const char *name;
    const char *signature;
} gbx_extern_info;

GBX_API size_t gbx_module_import_count(const gbx_module *module);
GBX_API size_t gbx_module_export_count(const gbx_module *module);
/* False when idx is out of range. Thread-safe. */
GBX_API bool gbx_module_import(const gbx_module *module, size_t idx, gbx_extern_info *out);
GBX_API bool gbx_module_export(const gbx_module *module, size_t idx, gbx_extern_info *out);

#endif
