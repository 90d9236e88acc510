/* The linker: what a module's imports are bound to. */
#ifndef GBX_HOST_H
#define GBX_HOST_H

#include "gbx/store.h"

/* A linker belongs to one store and must be released before it (or with it: releasing the store
 * leaves the linker unusable but releasable). */
GBX_API gbx_code gbx_linker_new(gbx_store *store, gbx_own gbx_linker **out, gbx_err *err);
GBX_API void gbx_linker_release(gbx_linker *linker); /* NULL is fine */

/* What a host function is told about its caller. Valid during the call only. */
typedef struct gbx_caller gbx_caller;
/* The calling instance's first memory, borrowed until guest code runs; false where it has none. */
GBX_API bool gbx_caller_memory(gbx_caller *caller, uint8_t **data, size_t *bytes);
GBX_API gbx_instance *gbx_caller_instance(gbx_caller *caller);
/* The message of the trap when the function returns GBX_TRAP_HOST; cut at 255 bytes. */
GBX_API void gbx_caller_set_message(gbx_caller *caller, const char *text);

/* A host function: reads `args`, fills `results` (types already set). Anything but GBX_TRAP_NONE ends
 * the guest's call with that trap. */
typedef gbx_trap_code (*gbx_host_callback)(gbx_caller *caller, void *data, const gbx_val *args,
                                           gbx_val *results);

/* Define import `module`.`name`; a later definition of the same pair replaces the earlier. Strings and
 * types are copied, `data` is passed through. GBX_NO_MEMORY, GBX_ARGUMENT. */
GBX_API gbx_code gbx_linker_define_func(gbx_linker *linker, const char *module, const char *name,
                                        const gbx_valtype *params, size_t param_count,
                                        const gbx_valtype *results, size_t result_count,
                                        gbx_host_callback callback, void *data, gbx_err *err);

/* Define every export of `instance` under the module name `module`. */
GBX_API gbx_code gbx_linker_define_instance(gbx_linker *linker, const char *module,
                                            gbx_instance *instance, gbx_err *err);

#endif
