/* The linker: what a module's imports are bound to.
 *
 * Belongs to one store and is used by the store's thread. What is defined lives as long as the store;
 * a linker may serve any number of instances and be released before them. */
#ifndef GBX_HOST_H
#define GBX_HOST_H

#include "gbx/store.h"

GBX_DECLS_BEGIN

/* A new, empty linker of `store`. The caller owns *out. It should be released before the store; once the
 * store is gone all that can be done with it is to release it.
 * On failure *out is NULL: GBX_NO_MEMORY, GBX_ARGUMENT. */
GBX_API gbx_code gbx_linker_new(gbx_store *store, gbx_own gbx_linker **out, gbx_err *err);
GBX_API void gbx_linker_release(gbx_linker *linker); /* NULL is fine */

typedef struct gbx_speak_opts {
    size_t size;       /* set by GBX_SPEAK_OPTS_INIT */
    const char *name;  /* NULL: "abi_version" */
    uint32_t required; /* not 0: a module that states no version is refused, too */
} gbx_speak_opts;
#define GBX_SPEAK_OPTS_INIT GBX_SIZED(gbx_speak_opts)

/* Say which major version of its interface the host speaks to what is instantiated with this linker from
 * now on (also by gbx_instance_resume). A module states its own by an export or import that is called as
 * opts->name says:
 *   an export NAME that is a function () -> (i32) or () -> (i64), which is called, or such a global;
 *   an export or import of any kind that is called NAME_3, where 3 is the version.
 * Where it is another, or a function traps, nothing is instantiated: GBX_ABI_VERSION with both numbers
 * in err, or GBX_TRAPPED. An import NAME that is such a function, or a constant, is answered with
 * `major` unless the linker has something by that name. Of a library the function is called once it is
 * initialized, which this does (gbx_store_opts.initialize). A later call replaces the earlier. opts may
 * be NULL. GBX_ARGUMENT, GBX_STATE (the store is gone), GBX_NO_MEMORY. */
GBX_API gbx_code gbx_linker_speak(gbx_linker *linker, uint32_t major, const gbx_speak_opts *opts,
                                  gbx_err *err);

/* What a host function is told about its caller. Valid during the call only. */
typedef struct gbx_caller gbx_caller;

/* The calling instance; NULL when the host itself called the function. */
GBX_API gbx_instance *gbx_caller_instance(gbx_caller *caller);

/* The calling instance's first memory, borrowed until guest code runs (a nested gbx_func_call may grow
 * it); false where it has none. */
GBX_API bool gbx_caller_memory(gbx_caller *caller, uint8_t **data, size_t *bytes);

/* Copy `len` bytes out of or into that memory at guest address `addr`. False, and nothing is copied,
 * where the range does not lie inside the memory or there is none: guests pass any number as pointer. */
GBX_API bool gbx_caller_read(gbx_caller *caller, uint64_t addr, void *buf, size_t len);
GBX_API bool gbx_caller_write(gbx_caller *caller, uint64_t addr, const void *data, size_t len);

/* The message of the trap when the function returns a trap code; escaped, cut at 255 bytes. */
GBX_API void gbx_caller_set_message(gbx_caller *caller, const char *text);
/* The status of the trap when the function returns GBX_TRAP_EXIT; 0 where it is not set. */
GBX_API void gbx_caller_set_exit(gbx_caller *caller, int32_t status);

/* A host function: reads `args`, fills `results`, whose types are set and values zero. Anything but
 * GBX_TRAP_NONE ends the guest's call with that trap. It runs on the thread and the native stack of
 * gbx_func_call's caller; it must return (no longjmp, no exception across it). */
typedef gbx_trap_code (*gbx_host_callback)(gbx_caller *caller, void *data, const gbx_val *args,
                                           gbx_val *results);

/* A host function as it is defined, and described to people: gbx_wasi_describe. */
typedef struct gbx_host_func {
    size_t size; /* set by GBX_HOST_FUNC_INIT */
    const char *module, *name;
    const char *signature; /* "(i32, i64) -> f32", "() -> (i32, i32)", "(i32)"; or NULL, and these lists: */
    const gbx_valtype *params, *results;
    size_t param_count, result_count; /* at most 1,000 each */
    gbx_host_callback callback;
    void *data;          /* passed through; must live as long as the store */
    const char *purpose; /* one line, what it does: "charges the tenant's account"; NULL: not said */
    const char *touches; /* what it reaches beside the guest: "the accounts database"; NULL: not said */
} gbx_host_func;
#define GBX_HOST_FUNC_INIT GBX_SIZED(gbx_host_func)

/* Define import `func->module`.`func->name`; a later definition of the same pair replaces the earlier for
 * instances made from then on. Strings and types are copied. GBX_NO_MEMORY, GBX_ARGUMENT. */
GBX_API gbx_code gbx_linker_define(gbx_linker *linker, const gbx_host_func *func, gbx_err *err);

/* A line of a guest's log. Borrowed during the delivery, until guest code runs. */
typedef struct gbx_log_line {
    int32_t level;       /* as the guest gave it: any number */
    const char *text;    /* NUL-terminated UTF-8: control characters, invalid bytes, and characters that show
                            nothing or reorder others are escaped, and so are '\\' and '"' */
    size_t len;
    uint64_t cut_bytes;  /* that the line had more */
    uint64_t dropped;    /* lines before it that were not delivered, because of the bounds */
    const char *name, *tenant; /* of the store, "" where it has none: gbx_store_opts */
    gbx_store *store;
    gbx_instance *instance; /* that wrote it; NULL: the host itself */
} gbx_log_line;

typedef struct gbx_log_opts {
    size_t size; /* set by GBX_LOG_OPTS_INIT */
    /* Gets each line, on the thread of the guest's call. */
    void (*write)(void *data, const gbx_log_line *line);
    void *data;
    uint32_t line_bytes;  /* of a line, before it is escaped; what is more is cut. 0: 4,096; at most 65,536 */
    uint32_t lines_per_s; /* delivered in one second of the host's; 0: 1,000; UINT32_MAX: no bound */
    uint64_t total_bytes; /* delivered in all; 0: 1 MiB; GBX_UNLIMITED */
} gbx_log_opts;
#define GBX_LOG_OPTS_INIT GBX_SIZED(gbx_log_opts)

/* Define a host function log(level: i32, address: i32, length: i32), which delivers text of the guest's
 * memory line by line ('\n' ends one). A range outside the memory is GBX_TRAP_MEM_OOB; what goes beyond the
 * bounds is counted and dropped, and the guest goes on. GBX_NO_MEMORY, GBX_ARGUMENT. */
GBX_API gbx_code gbx_linker_define_log(gbx_linker *linker, const char *module, const char *name,
                                       const gbx_log_opts *opts, gbx_err *err);

/* The short form of gbx_linker_define. Define import `module`.`name` as a host function; a later definition
 * of the same pair replaces the earlier for instances made from then on. Strings and types are copied,
 * `data` is passed through and must live as long as the store. At most 1,000 parameters and 1,000 results.
 * GBX_NO_MEMORY, GBX_ARGUMENT. */
GBX_API gbx_code gbx_linker_define_func(gbx_linker *linker, const char *module, const char *name,
                                        const gbx_valtype *params, size_t param_count,
                                        const gbx_valtype *results, size_t result_count,
                                        gbx_host_callback callback, void *data, gbx_err *err);

/* Define every export of `instance`, of the same store, under the module name `module`. A library is
 * initialized first (gbx_store_opts.initialize), since those who import from it call it without the
 * host. GBX_TRAPPED (in its `_initialize`, or in an earlier call that ended it), GBX_NO_MEMORY,
 * GBX_ARGUMENT; on failure some may be defined. */
GBX_API gbx_code gbx_linker_define_instance(gbx_linker *linker, const char *module,
                                            gbx_instance *instance, gbx_err *err);

/* Define a memory of its own of `min_pages` pages of 64 KiB, which may grow to `max_pages`
 * (GBX_UNLIMITED: no maximum declared) within the store's limit. Zeroed. GBX_LIMIT (more than the store
 * allows), GBX_NO_MEMORY, GBX_ARGUMENT. */
GBX_API gbx_code gbx_linker_define_memory(gbx_linker *linker, const char *module, const char *name,
                                          uint64_t min_pages, uint64_t max_pages, gbx_err *err);

/* Define a table of its own of `min` null references of `type` (GBX_FUNCREF or GBX_EXTERNREF), which
 * may grow to `max` (GBX_UNLIMITED: no maximum declared). GBX_LIMIT, GBX_NO_MEMORY, GBX_ARGUMENT. */
GBX_API gbx_code gbx_linker_define_table(gbx_linker *linker, const char *module, const char *name,
                                         gbx_valtype type, uint64_t min, uint64_t max,
                                         gbx_err *err);

/* Define a global of the type and value of `value`. GBX_NO_MEMORY, GBX_ARGUMENT. */
GBX_API gbx_code gbx_linker_define_global(gbx_linker *linker, const char *module, const char *name,
                                          gbx_val value, bool is_mutable, gbx_err *err);

/* An import that is not supplied as it is wanted. Strings are escaped and valid during the report. */
typedef struct gbx_link_problem {
    const char *module_name, *name;
    const char *wanted; /* the module's type for it, as gbx_extern_info.signature */
    const char *given;  /* what the linker has by that name; NULL: nothing */
} gbx_link_problem;
typedef void (*gbx_link_report)(void *data, const gbx_link_problem *problem);

/* Would `linker` (NULL: nothing is supplied) do for `module`? Each import that is missing or of another
 * type is given to `report` (may be NULL), in the module's order; the first ones stand in err.
 * GBX_OK, GBX_UNKNOWN_IMPORT (at least one is missing), GBX_IMPORT_TYPE, GBX_ARGUMENT. */
GBX_API gbx_code gbx_linker_check(gbx_linker *linker, const gbx_module *module,
                                  gbx_link_report report, void *data, gbx_err *err);

GBX_DECLS_END

#endif
