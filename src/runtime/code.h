/* Where compiled code lives: one region of address space for an engine, chunks of it for each module,
 * blobs (functions, stubs) in the chunks.
 *
 * All of a region is within reach of a 32-bit displacement from all of it. Chunks are dropped with the
 * module, never before: published code is never patched and never moves (RULE: S5).
 *
 * Making a blob, by any thread:
 *
 *     gbx_code rc = gbx_runtime_code_alloc(space, bytes, &blob);  room, and both addresses of it
 *     write to blob->write[0..n), as it is to run at blob->exec
 *     blob->table = ...;                                          where it may trap, see fault.h
 *     rc = gbx_runtime_code_finish(blob, n);                      executable; what is not used goes back
 *     atomic_store_explicit(&cell, blob->exec, memory_order_release);
 *
 * What is allocated must be finished, with n = 0 where the compiler gave up. */
#ifndef GBX_RUNTIME_CODE_H
#define GBX_RUNTIME_CODE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/os_code.h"
#include "runtime/fault.h"

typedef struct code_region code_region;
typedef struct code_space code_space;
typedef struct code_chunk code_chunk;
typedef struct code_range code_range;
typedef struct code_blob code_blob;

/* Code of one function, or stubs. Belongs to its space. */
struct code_blob {
    code_blob *older; /* finished before it in the same chunk */
    code_chunk *chunk;
    u8 *exec;
    u8 *write;    /* until it is finished */
    size_t bytes; /* reserved; once finished, used */
    const fault_table *table; /* NULL: nothing in it traps. From gbx_base_alloc, the space frees it */
};

/* A module's code. */
struct code_space {
    code_region *region;
    code_chunk *chunks;
    fault_stubs stubs; /* set before code that traps is published */
    u64 code_bytes;    /* of finished blobs */
    u64 chunk_bytes;   /* address space and memory its chunks take */
};

/* An engine's code memory. Thread-safe; its fields are for code.c and for reading figures under lock. */
struct code_region {
    fault_range range; /* first: what the fault handler finds */
    os_code pages;
    pthread_mutex_t lock;
    _Atomic(code_chunk *) *blocks; /* by OS_CODE_BLOCK_BYTES of the region: who has it */
    _Atomic(const code_space *) *owners; /* the same: whose that is */
    u32 block_count, block_next;   /* those from block_next on were never given out */
    code_range *free;              /* given back: by address, neighbours joined */
    bool free_needs_sync;
    u64 chunk_bytes;   /* given out now */
    u64 code_bytes;    /* of finished blobs */
    u64 retired_bytes; /* never to be given out again: a child may run it, or there is no membarrier */
};

#define CODE_REGION_BYTES ((size_t)1 << 30)
#define CODE_REGION_LEAST_BYTES ((size_t)4 << 20)

/* Reserve the region (`most` bytes or less, down to CODE_REGION_LEAST_BYTES) and let the fault handler know
 * of it. GBX_STATE: this process may not make code; GBX_NO_MEMORY. *r is zeroed then, and the engine
 * interprets. `ways` as in gbx_base_os_code_open. */
GBX_MUST_USE gbx_code gbx_runtime_code_region_init(code_region *r, size_t most, u32 ways, gbx_err *err);
void gbx_runtime_code_region_deinit(code_region *r); /* a zeroed one is fine; all spaces must be gone */

void gbx_runtime_code_space_init(code_space *s, code_region *r);
/* Nothing of it runs, or ever will: no instance of the module is left. A zeroed one is fine. */
void gbx_runtime_code_space_deinit(code_space *s);

/* Room for `bytes` > 0, aligned to 64. GBX_LIMIT: the region is full; GBX_STATE: it belongs to the parent of
 * this process; GBX_NO_MEMORY. The function then stays interpreted. */
GBX_MUST_USE gbx_code gbx_runtime_code_alloc(code_space *s, size_t bytes, code_blob **out, gbx_err *err);
/* The first `used` bytes hold code; 0: the compiler gave up. After GBX_OK with used > 0 the blob is the
 * space's; else it is gone, and its room too where it was the last in its chunk. */
GBX_MUST_USE gbx_code gbx_runtime_code_finish(code_space *s, code_blob *b, size_t used, gbx_err *err);

/* The blob whose code an address lies in, NULL: none. Async-signal-safe and lock-free, provided that the
 * module of a chunk at pc is not being dropped, which the caller knows since its code runs. */
const code_blob *gbx_runtime_code_find(const code_region *r, uintptr_t pc);
/* The same among the code of one space, which is not being dropped: nothing is looked at of any other, so
 * that pc may be any number, of a guest's choice too, and other modules may come and go meanwhile. */
const code_blob *gbx_runtime_code_find_of(const code_space *s, uintptr_t pc);

#endif
