/* A guest memory that ends where the next byte is not there: whatever reaches beyond it, before or behind, by as
 * much as 32-bit numbers can say, ends the test program. */
#ifndef GBX_TEST_WASI_GUARDED_H
#define GBX_TEST_WASI_GUARDED_H

#include "wasi/harness.h"

#include <sys/mman.h>

#define GUARDED_BEFORE ((u64)1 << 16)
#define GUARDED_SPACE  ((u64)12 << 30) /* a pointer and a length of 4 GiB each, and a memory of 4 GiB */

/* A memory of `bytes` that are zero, in place of the rig's. */
static inline void
guarded_use(rig *r, u64 bytes)
{
    u8 *const space = mmap(NULL, GUARDED_BEFORE + GUARDED_SPACE, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(space, MAP_FAILED);
    assert_int_equal(mprotect(space + GUARDED_BEFORE, bytes, PROT_READ | PROT_WRITE), 0);
    r->mem = (gbx_memory){.base = space + GUARDED_BEFORE, .bytes = bytes};
}

static inline void
guarded_drop(rig *r)
{
    assert_int_equal(munmap(r->mem.base - GUARDED_BEFORE, GUARDED_BEFORE + GUARDED_SPACE), 0);
    r->mem.base = NULL;
}

/* Another memory, larger or smaller. */
static inline void
guarded_reuse(rig *r, u64 bytes)
{
    guarded_drop(r);
    guarded_use(r, bytes);
}

static inline int
guarded_setup(void **state)
{
    int const failed = rig_setup(state);
    rig *const r = *state;
    free(r->mem.base);
    guarded_use(r, RIG_MEM_BYTES);
    return failed;
}

static inline int
guarded_teardown(void **state)
{
    guarded_drop(*state);
    return rig_teardown(state);
}

#define GUARDED_TEST(name) cmocka_unit_test_setup_teardown(name, guarded_setup, guarded_teardown)

#endif
