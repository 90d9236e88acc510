/* The code cache: a directory in which an engine keeps what it found out about modules and compiled of
 * them, so that later processes need not do it again (gbx_engine_opts.cache_dir). Whatever happens to the
 * directory, results never differ: files that this build of the library did not write for the same module,
 * processor and options, or that were changed since, are not used. The directory belongs to one user and is
 * not to be granted to guests. */
#ifndef GBX_CACHE_H
#define GBX_CACHE_H

#include "gbx/error.h"
#include "gbx/module.h"

GBX_DECLS_BEGIN

typedef struct gbx_cache_info {
    uint64_t entries, bytes; /* files of modules, and their sizes; of gbx_cache_clear, those removed */
} gbx_cache_info;

/* How many entries `dir` holds. On failure: GBX_ARGUMENT (an argument is NULL), GBX_NOT_FOUND (there is no
 * such directory), GBX_IO (it is not a directory of this user's that only this user can write to).
 * Thread-safe. */
GBX_API gbx_code gbx_cache_inspect(const char *dir, gbx_cache_info *out, gbx_err *err);

/* Remove all entries, the key that they were made with, and nothing else. Failures as above. Thread-safe;
 * what engines are using they go on using. */
GBX_API gbx_code gbx_cache_clear(const char *dir, gbx_cache_info *out, gbx_err *err);

/* What became of a module's entry so far. */
typedef struct gbx_cache_use {
    bool is_on;            /* the engine has a cache that it can use */
    bool is_hit;           /* there was an entry, and the module was not validated again */
    uint32_t taken;        /* functions whose code came from the entry */
    uint32_t compiled;     /* functions that were compiled */
    const char *why;       /* one line: why there is no hit, or "". Static storage */
    const char *compiled_file; /* the module is that of a compiled file (precompile.h): "", or one line: what
                                  of its code is not used and why. NULL: it is of none */
    bool from_file; /* its code is used, so far as it is not damaged: what is said above of an entry is said
                       of the file, and the cache is not looked at */
} gbx_cache_use;

/* Tell what became of a module's entry until now. Thread-safe. */
GBX_API void gbx_module_cache_use(const gbx_module *module, gbx_cache_use *out);

GBX_DECLS_END

#endif
