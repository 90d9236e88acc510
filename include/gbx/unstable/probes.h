/* What a guest made with Go used of Go's library that no call to the host shows: functions that are found by
 * name in the table which Go's linker puts into every program, and are noted when they are first entered.
 *
 * No promise: names and slugs may change with every version. Include it by its own name, gbx/gbx.h does not.
 *
 * Functions of a module may be called by any thread; those of a store by the thread that uses it.
 *
 * Noting a first entry costs nothing; an engine that watches interprets two functions, one that watches all
 * calls all that are looked for. */
#ifndef GBX_UNSTABLE_PROBES_H
#define GBX_UNSTABLE_PROBES_H

#include "gbx/engine.h"
#include "gbx/module.h"
#include "gbx/wasi.h"

GBX_DECLS_BEGIN

#define GBX_WATCH_ALL UINT32_MAX

/* Note the names at the first `calls` calls of syscall.Getenv and time.LoadLocation in each module that is
 * first instantiated from now on, whichever stores make them; 0, as it begins: none. Until then those
 * functions are interpreted. GBX_WATCH_ALL: at all calls, and what each store enters is noted apart
 * (gbx_store_entered). GBX_ARGUMENT. Not while another thread uses the engine. */
GBX_API gbx_code gbx_engine_watch(gbx_engine *engine, uint32_t calls, gbx_err *err);

/* A function that is looked for. Texts are static. */
typedef struct gbx_probe {
    const char *slug;     /* "env": several rows may have one */
    const char *function; /* "syscall.Getenv" */
    bool is_linked;       /* the module has it */
    bool is_entered;      /* some instance of the module has called it */
} gbx_probe;

/* Row `idx`, from 0; false: there is none, or the module has no table of Go's, and nothing is known of
 * what it does. Thread-safe. */
GBX_API bool gbx_module_probe(const gbx_module *module, size_t idx, gbx_probe *out);
/* A row with that slug was entered. Thread-safe. */
GBX_API bool gbx_module_entered(const gbx_module *module, const char *slug);

/* A guest of this store called a function of a row with that slug. Exact where the engine watches all calls;
 * else only the store is known that was the first to, of all that have the module. By the store's thread. */
GBX_API bool gbx_store_entered(const gbx_store *store, const char *slug);

/* The variables that guests of this store asked Go for, as far as its engine watched: each once, in the order
 * of their first use, escaped, at most 256. Borrowed until the next call into the store. `is_cut` (may be
 * NULL): there were more. By the store's thread. */
GBX_API size_t gbx_store_env_asked(const gbx_store *store, const char *const **names, bool *is_cut);
/* The same of time zones, by time.LoadLocation. By the store's thread. */
GBX_API size_t gbx_store_zones_asked(const gbx_store *store, const char *const **names, bool *is_cut);

/* A path that a guest looked for beneath a granted directory, and that is not there. Texts are escaped and
 * borrowed until guest code runs or this is called again. */
typedef struct gbx_missed {
    const char *call;  /* "path_open" */
    const char *grant; /* the guest's name of the directory: "/data" */
    const char *path;  /* beneath it, cut at 255 bytes */
} gbx_missed;

/* The last ones of the last gbx_wasi_link in this store, at most 16, idx 0 the very last; false: there are no
 * more. By the store's thread. */
GBX_API bool gbx_store_missed(const gbx_store *store, size_t idx, gbx_missed *out);

GBX_DECLS_END

#endif
