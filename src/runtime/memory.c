/* Linear memories.
 *
 *     base - 2 GiB        base            base + bytes               base + 6 GiB
 *     | no access         | the guest's   | no access                |
 *
 * RULE: S3. That much is reserved, so an access at base + any 32-bit address + any folded offset
 * (at most 0x7fff0000) + 16 touches the guest's bytes or faults. Where so much address space is
 * refused (ulimit -v), the memory gets what it may ever grow to, or a part of that, and `guarded` is
 * false: whoever runs code then compares each address with `bytes`.
 *
 * A memory with 64-bit addresses is never guarded: it has what it may grow to.
 *
 * RULE: S4. The base never moves. Growing makes reserved pages accessible; they are fresh, so they read
 * as zero. SAFETY: `bytes` is set after the pages are there, and nothing shrinks a memory but the pool,
 * when its tenant is gone. */
#include "base/os_mem.h"
#include "runtime/runtime_int.h"

static u64
memory_round_up(u64 bytes)
{
    return (bytes + MEMORY_PAGE_BYTES - 1) & ~(MEMORY_PAGE_BYTES - 1);
}

/* `bytes` of reservation aligned to `unit`, a multiple of 64 KiB whatever the system's page (RULE: S21):
 * take one unit more and give the unaligned ends back. */
static u8 *
memory_reserve(u64 bytes, u64 unit)
{
    GBX_ASSERT(MEMORY_PAGE_BYTES % gbx_base_os_page_bytes() == 0);
    u8 *const p = gbx_base_os_reserve(bytes + unit);
    if (!p) return NULL;
    size_t const head = (size_t)(-(uintptr_t)p & (unit - 1));
    gbx_base_os_unmap(p, head);
    gbx_base_os_unmap(p + head + bytes, unit - head);
    return p + head;
}

static bool
memory_reserve_guarded(gbx_memory *mem)
{
    u8 *const p = memory_reserve(MEMORY_PRE_GUARD_BYTES + MEMORY_GUARDED_BYTES, MEMORY_HUGE_PAGE_BYTES);
    if (!p) return false;
    mem->base = p + MEMORY_PRE_GUARD_BYTES;
    mem->reserved_bytes = MEMORY_GUARDED_BYTES;
    mem->guarded = true;
    return true;
}

/* `bytes`, provided that a quarter as much can still be had afterwards: stacks, threads and the heap
 * need some of a scarce address space too. */
static bool
memory_reserve_part(gbx_memory *mem, u64 bytes, u64 spare)
{
    u8 *const p = memory_reserve(bytes + spare, MEMORY_PAGE_BYTES);
    if (!p) return false;
    gbx_base_os_unmap(p + bytes, spare);
    mem->base = p;
    mem->reserved_bytes = bytes;
    return true;
}

/* From what the memory may ever need down to what it needs at once, halving. */
static bool
memory_reserve_scarce(gbx_memory *mem, u64 min_bytes, u64 max_bytes)
{
    u64 const least = max_u64(min_bytes, MEMORY_PAGE_BYTES);
    for (u64 want = max_u64(max_bytes, least); want > least; want = memory_round_up(want / 2)) {
        if (memory_reserve_part(mem, want, memory_round_up(want / 4))) return true;
        if (want / 2 <= least) break;
    }
    return memory_reserve_part(mem, least, 0);
}

/* How many pages there may be: what the store allows of what addresses reach. */
static gbx_code
memory_limit_pages(const wasm_limits *type, u64 limit_bytes, const char *what, u64 *out, gbx_err *err)
{
    *out = min_u64(limit_bytes / MEMORY_PAGE_BYTES,
                   type->is_64 ? WASM_MAX_MEMORY64_BYTES / MEMORY_PAGE_BYTES : WASM_MAX_MEMORY_PAGES);
    if (type->min <= *out) return GBX_OK;
    return gbx_base_err_set(err, GBX_LIMIT, GBX_NO_OFFSET,
                            "%s starts with %llu pages of 64 KiB, the store allows %llu: raise "
                            "memory_bytes (--max-memory)",
                            what, (unsigned long long)type->min, (unsigned long long)*out);
}

static u64
memory_max_bytes(const wasm_limits *type, u64 limit_pages)
{
    return MEMORY_PAGE_BYTES * (type->has_max ? min_u64(type->max, limit_pages) : limit_pages);
}

gbx_code
gbx_runtime_memory_init(gbx_memory *mem, const wasm_limits *type, u64 limit_bytes, const char *what,
                        gbx_err *err)
{
    *mem = (gbx_memory){
            .is_64 = type->is_64, .has_max = type->has_max, .declared_max_pages = type->max};
    u64 limit_pages;
    GBX_TRY(memory_limit_pages(type, limit_bytes, what, &limit_pages, err));
    u64 const min_bytes = type->min * MEMORY_PAGE_BYTES;
    mem->max_bytes = memory_max_bytes(type, limit_pages);
    if ((type->is_64 || !memory_reserve_guarded(mem)) &&
        !memory_reserve_scarce(mem, min_bytes, mem->max_bytes)) {
        return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET,
                                "no address space for the %llu bytes of %s",
                                (unsigned long long)min_bytes, what);
    }
    mem->max_bytes = min_u64(mem->max_bytes, mem->reserved_bytes);
    if (!gbx_base_os_commit(mem->base, min_bytes)) {
        gbx_runtime_memory_deinit(mem);
        return gbx_base_err_set(err, GBX_NO_MEMORY, GBX_NO_OFFSET,
                                "no memory for the %llu bytes of %s", (unsigned long long)min_bytes,
                                what);
    }
    mem->bytes = min_bytes;
    return GBX_OK;
}

gbx_code
gbx_runtime_memory_reuse(gbx_memory *mem, const wasm_limits *type, u64 limit_bytes, const char *what,
                         gbx_err *err)
{
    u64 limit_pages;
    GBX_TRY(memory_limit_pages(type, limit_bytes, what, &limit_pages, err));
    GBX_ASSERT(mem->bytes == type->min * MEMORY_PAGE_BYTES);
    mem->max_bytes = min_u64(memory_max_bytes(type, limit_pages), mem->reserved_bytes);
    return GBX_OK;
}

bool
gbx_runtime_memory_shrink(gbx_memory *mem, u64 bytes)
{
    GBX_ASSERT(bytes <= mem->bytes);
    if (!gbx_base_os_hide(mem->base + bytes, mem->bytes - bytes)) return false;
    mem->bytes = bytes;
    return true;
}

void
gbx_runtime_memory_use_huge_pages(gbx_memory *mem)
{
    if (mem->guarded) gbx_base_os_huge_pages(mem->base, MEMORY_GUARDED_BYTES);
}

void
gbx_runtime_memory_deinit(gbx_memory *mem)
{
    if (!mem->base) return;
    u64 const before = mem->guarded ? MEMORY_PRE_GUARD_BYTES : 0;
    gbx_base_os_unmap(mem->base - before, before + mem->reserved_bytes);
    *mem = (gbx_memory){0};
}

u64
gbx_runtime_memory_grow(gbx_memory *mem, u64 delta_pages)
{
    u64 const old = mem->bytes;
    if (delta_pages > (mem->max_bytes - old) / MEMORY_PAGE_BYTES) return UINT64_MAX;
    u64 const more = delta_pages * MEMORY_PAGE_BYTES;
    if (!gbx_base_os_commit(mem->base + old, more)) return UINT64_MAX;
    mem->bytes = old + more;
    return old / MEMORY_PAGE_BYTES;
}
