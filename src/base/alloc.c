/* Heap allocation with fault injection; see alloc.h. */
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/os_mem.h"

#define ALLOC_HUGE_BYTES ((size_t)2 << 20) /* what x86-64 and aarch64 systems have; others lose a hint */
#define ALLOC_TAIL_BYTES (ALLOC_HUGE_BYTES / 4) /* of a huge page that is worth it for the end of a block */

static atomic_bool alloc_fault_armed;
static _Atomic u64 alloc_fault_nth;
static _Atomic u64 alloc_fault_seen;

void
gbx_base_fault_arm(u64 nth)
{
    atomic_store(&alloc_fault_nth, nth);
    atomic_store(&alloc_fault_seen, 0);
    atomic_store(&alloc_fault_armed, nth != 0);
}

bool
gbx_base_fault_hit(void)
{
    if (GBX_LIKELY(!atomic_load_explicit(&alloc_fault_armed, memory_order_relaxed))) return false;
    return atomic_fetch_add(&alloc_fault_seen, 1) + 1 == atomic_load(&alloc_fault_nth);
}

u64
gbx_base_fault_count(void)
{
    return atomic_load(&alloc_fault_seen);
}

void *
gbx_base_alloc(size_t count, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total) || gbx_base_fault_hit()) return NULL;
    return malloc(total ? total : 1);
}

void *
gbx_base_alloc_zero(size_t count, size_t bytes)
{
    if (gbx_base_fault_hit()) return NULL;
    return calloc(count ? count : 1, bytes ? bytes : 1);
}

void *
gbx_base_realloc(void *old, size_t count, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total) || gbx_base_fault_hit()) return NULL;
    return realloc(old, total ? total : 1);
}

/* PERF: a huge page takes 0.1 ms to be touched first, the 512 small ones in its place 0.9 ms. Measure:
 * perf stat -e page-faults glovebox run. */
void *
gbx_base_alloc_large(size_t bytes, size_t heap_bytes)
{
    void *p;
    if (bytes < ALLOC_HUGE_BYTES || bytes < heap_bytes) return gbx_base_alloc(bytes, 1);
    size_t const whole = bytes & ~(ALLOC_HUGE_BYTES - 1);
    size_t const huge = bytes - whole < ALLOC_TAIL_BYTES ? whole : whole + ALLOC_HUGE_BYTES;
    if (gbx_base_fault_hit() || posix_memalign(&p, ALLOC_HUGE_BYTES, huge < bytes ? bytes : huge) != 0)
        return NULL;
    gbx_base_os_huge_pages(p, huge);
    return p;
}

void
gbx_base_free(void *p)
{
    free(p);
}
