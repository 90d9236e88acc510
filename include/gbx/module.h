/* Modules: WebAssembly bytes, decoded and validated once, shared by any number of instances in any
 * number of stores and threads. Immutable; reference-counted: instances keep their module alive.
 *
 * Content-addressed: as long as an engine has or keeps (gbx_engine_opts.keep_ms) a module of the same bytes,
 * compiling them gives that module, with one reference more. Who compiles while another thread compiles the
 * same bytes waits for it. The same bytes are those with the same BLAKE3 hash; a library that was built
 * without BLAKE3 makes a module of its own each time. */
#ifndef GBX_MODULE_H
#define GBX_MODULE_H

#include "gbx/engine.h"

GBX_DECLS_BEGIN

typedef struct gbx_module gbx_module;

/* Whose machine code is run, where the bytes are a compiled file (precompile.h): it is as much part of this
 * process as the host's own, and no sandbox holds it. */
typedef enum gbx_trust {
    GBX_TRUST_KEY,     /* if it was made with the key of the engine's cache; else the file is refused */
    GBX_TRUST_ANYBODY, /* the host vouches for the file: whoever can change it can run any code here */
    GBX_TRUST_NOTHING, /* the module is taken, its code is not: safe with any file */
} gbx_trust;

typedef struct gbx_compile_opts {
    size_t size; /* set by GBX_COMPILE_OPTS_INIT */
    gbx_trust trust;
} gbx_compile_opts;
#define GBX_COMPILE_OPTS_INIT GBX_SIZED(gbx_compile_opts)

/* Decode and validate `wasm`, which is copied. opts may be NULL: defaults. The caller owns *out.
 * On failure *out is NULL and err says what is wrong at which byte offset, in which section and
 * function: GBX_BAD_MAGIC (with what the bytes are instead: ELF, gzip, HTML, text, ...),
 * GBX_COMPONENT, GBX_TRUNCATED, GBX_MALFORMED, GBX_INVALID, GBX_UNSUPPORTED, GBX_LIMIT, GBX_UNTRUSTED,
 * GBX_NO_MEMORY, GBX_ARGUMENT. Thread-safe on one engine. */
GBX_API gbx_code gbx_module_compile(gbx_engine *engine, gbx_bytes wasm,
                                    const gbx_compile_opts *opts, gbx_own gbx_module **out,
                                    gbx_err *err);

/* The same from the file of the host at `path` (NUL-terminated), read once into memory that no other
 * process can change; later changes of the file change nothing. Also GBX_NOT_FOUND (no such file) and
 * GBX_IO (a directory, no permission, a failing read). The path stands in the message, escaped. A
 * FIFO or /dev/stdin is read to its end. Of a compiled file, code is read when it is first needed: it stays
 * open as long as the module. Thread-safe on one engine. */
GBX_API gbx_code gbx_module_compile_file(gbx_engine *engine, const char *path,
                                         const gbx_compile_opts *opts, gbx_own gbx_module **out,
                                         gbx_err *err);

/* Give the caller's reference back; NULL is fine. Thread-safe. */
GBX_API void gbx_module_release(gbx_module *module);

typedef enum gbx_extern_kind {
    GBX_EXTERN_FUNC,
    GBX_EXTERN_TABLE,
    GBX_EXTERN_MEMORY,
    GBX_EXTERN_GLOBAL,
    GBX_EXTERN_TAG
} gbx_extern_kind;

/* One import or export. Strings are borrowed from the module, escaped for a terminal, cut after 1,024
 * bytes of a name, and NUL-terminated; `module_name` is "" for exports. `signature` reads
 * "(i32, i64) -> (i32)" for functions; for others it describes the type: "memory of 17 or more pages",
 * "table of 4 to 8 funcref", "mutable i32", "tag (i32) -> ()"; "64-bit memory of ..." where addresses are
 * 64 bits wide. */
typedef struct gbx_extern_info {
    gbx_extern_kind kind;
    const char *module_name;
    const char *name;
    const char *signature;
} gbx_extern_info;

/* How many imports and exports a module has; 0 for NULL. Thread-safe. */
GBX_API size_t gbx_module_import_count(const gbx_module *module);
GBX_API size_t gbx_module_export_count(const gbx_module *module);

/* Describe import or export `idx`, in the module's order. The same import may stand there more than
 * once. False when idx is out of range, or, the first time it is asked for, when memory is short;
 * *out is then untouched. Thread-safe. */
GBX_API bool gbx_module_import(const gbx_module *module, size_t idx, gbx_extern_info *out);
GBX_API bool gbx_module_export(const gbx_module *module, size_t idx, gbx_extern_info *out);

GBX_DECLS_END

#endif
