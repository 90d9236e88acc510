/* Compiled files: a module and the machine code of all its functions in one file, for shipping. Loading one
 * compiles nothing; it is given to gbx_module_compile and gbx_module_compile_file like any module.
 *
 * Machine code is beyond the sandbox. A compiled file is taken only where the engine has the cache directory
 * with whose key it was made (gbx_engine_opts.cache_dir), or where the host says that it trusts the file:
 * gbx_compile_opts.trust. Bytes that were changed since are noticed in both cases: where the module is
 * whole it runs without its code, else it is refused.
 *
 * The code is for one build of the library, one kind of processor, and the features of the engine. Elsewhere
 * the module is taken and compiled as if it had come alone; gbx_module_cache_use says so. */
#ifndef GBX_PRECOMPILE_H
#define GBX_PRECOMPILE_H

#include "gbx/module.h"

GBX_DECLS_BEGIN

/* So many functions of all are done. Called by the thread that compiles, which holds a lock of the engine: it
 * must not call the library. */
typedef void (*gbx_progress_fn)(void *data, uint32_t done, uint32_t all);

/* Take the next bytes of a file; false: they cannot be taken. */
typedef bool (*gbx_write_fn)(void *data, const void *bytes, size_t len);

typedef struct gbx_precompile_info {
    uint32_t funcs, compiled; /* that have a body; of those, that have code: the others are interpreted */
    uint64_t bytes;           /* of the file */
    bool has_key;             /* the engine has a cache, and the file carries a tag made with its key */
} gbx_precompile_info;

typedef struct gbx_precompile_opts {
    size_t size; /* set by GBX_PRECOMPILE_OPTS_INIT */
    gbx_progress_fn progress; /* NULL: nobody is told */
    void *progress_data;
    gbx_precompile_info *info; /* filled on success; NULL: nobody asks */
} gbx_precompile_opts;
#define GBX_PRECOMPILE_OPTS_INIT GBX_SIZED(gbx_precompile_opts)

/* Compile all functions of a module, with gbx_engine_opts.compile_threads, and give the file to `write` in
 * order. `wasm` may itself be a compiled file, whose module is then compiled anew; it need not be trusted.
 * The same module gives the same code, however many threads there are. opts may be NULL.
 * On failure: what gbx_module_compile may give; GBX_STATE where the engine, processor or system runs no
 * compiled code, or the library was built without BLAKE3; GBX_IO where `write` fails. Thread-safe. */
GBX_API gbx_code gbx_precompile(gbx_engine *engine, gbx_bytes wasm, const gbx_precompile_opts *opts,
                                gbx_write_fn write, void *data, gbx_err *err);

/* The same from the file at `path` to that at `to`, which appears when it is complete, in place of what is
 * there; where that is a device or a pipe, it is written to it. Thread-safe. */
GBX_API gbx_code gbx_precompile_file(gbx_engine *engine, const char *path, const char *to,
                                     const gbx_precompile_opts *opts, gbx_err *err);

GBX_DECLS_END

#endif
