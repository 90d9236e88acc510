/* Address space and pages on Linux; see os_mem.h. SPEC: mmap(2), mprotect(2), madvise(2).
 *
 * Reservations are PROT_NONE and MAP_NORESERVE: the kernel neither counts them as memory to come nor
 * refuses them for being larger than the machine, unless overcommitting is forbidden outright
 * (vm.overcommit_memory = 2), and then committing is what may fail. */
#include "base/os_mem.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"

size_t
gbx_base_os_page_bytes(void)
{
    long const bytes = sysconf(_SC_PAGESIZE);
    GBX_ASSERT(bytes > 0 && (bytes & (bytes - 1)) == 0);
    return (size_t)bytes;
}

void *
gbx_base_os_reserve(size_t bytes)
{
    if (gbx_base_fault_hit()) return NULL;
    void *const p =
            mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

bool
gbx_base_os_commit(void *at, size_t bytes)
{
    if (bytes == 0) return true;
    return !gbx_base_fault_hit() && mprotect(at, bytes, PROT_READ | PROT_WRITE) == 0;
}

bool
gbx_base_os_hide(void *at, size_t bytes)
{
    if (bytes == 0) return true;
    return !gbx_base_fault_hit() && mprotect(at, bytes, PROT_NONE) == 0;
}

void
gbx_base_os_discard(void *at, size_t bytes)
{
    if (bytes == 0) return;
    int const rc = madvise(at, bytes, MADV_DONTNEED);
    GBX_ASSERT(rc == 0); /* fails only on ranges that are not ours, or locked ones */
}

void
gbx_base_os_small_pages(void *at, size_t bytes)
{
    (void)madvise(at, bytes, MADV_NOHUGEPAGE); /* EINVAL where the kernel has no huge pages */
}

/* PERF: MADV_POPULATE_WRITE keeps the address space locked while pages are cleared, and other threads from
 * mapping anything; a fault does not. */
void
gbx_base_os_touch(void *at)
{
    (void)atomic_fetch_or_explicit((_Atomic u8 *)at, 0, memory_order_relaxed);
}

void
gbx_base_os_huge_pages(void *at, size_t bytes)
{
    (void)madvise(at, bytes, MADV_HUGEPAGE);
}

void
gbx_base_os_unmap(void *at, size_t bytes)
{
    if (bytes == 0) return;
    int const rc = munmap(at, bytes);
    GBX_ASSERT(rc == 0);
}
