/* An engine of a process that loads one module, runs it once and ends: for the command.
 *
 * No promise: all of it may change with every version. Include it by its own name, gbx/gbx.h does not. */
#ifndef GBX_UNSTABLE_COMMAND_H
#define GBX_UNSTABLE_COMMAND_H

#include "gbx/engine.h"
#include "gbx/module.h"

GBX_DECLS_BEGIN

/* Modules that are opened from now on will each be instantiated soon, in a store with huge pages: what the
 * first instance needs is made on a thread of its own while the module is still being opened. `memory_bytes`:
 * what that store allows each memory, as in its options; 0: what they have by default. `heap_bytes`: the
 * host's heap lies in huge pages by itself, and blocks of less come out of it; 0: it does not, and large
 * blocks get huge pages of their own. The process must not fork while it has such a module. GBX_ARGUMENT.
 * Not while another thread uses the engine; best while the process has one thread. */
GBX_API gbx_code gbx_engine_set_command(gbx_engine *engine, uint64_t memory_bytes, size_t heap_bytes,
                                        gbx_err *err);

/* What of the module is worth it goes into the code cache now and not when it is released, which a process
 * that ends may leave undone. Not while another thread uses the module, or an instance of it is left.
 * GBX_ARGUMENT. */
GBX_API gbx_code gbx_module_save(gbx_module *module, gbx_err *err);

GBX_DECLS_END

#endif
