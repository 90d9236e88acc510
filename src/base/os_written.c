/* Written pages on Linux; see os_written.h. SPEC: Documentation/admin-guide/mm/pagemap.rst, PAGEMAP_SCAN.
 *
 * What must hold: no written page is ever missed, for what is missed shows one tenant's memory to the
 * next. So
 *   - a page counts as written unless the kernel says that it is absent, the file's or the zero page:
 *     pages that are swapped out or on their way elsewhere count;
 *   - /proc/self/pagemap is that of the process that opened it. The descriptor's number stands in a page that
 *     a child of that process finds empty (MADV_WIPEONFORK), whatever way it was forked;
 *   - the answer is believed only after it was right about pages whose state is known. */
#include "base/os_written.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/os_image.h"
#include "base/os_mem.h"

/* As in <linux/fs.h> since Linux 6.7. */
typedef struct written_region {
    u64 start, end, categories;
} written_region;

typedef struct written_scan {
    u64 size, flags, start, end, walk_end, vec, vec_len, max_pages;
    u64 category_inverted, category_mask, category_anyof_mask, return_mask;
} written_scan;

#define WRITTEN_SCAN_IOCTL _IOWR('f', 16, written_scan)
#define WRITTEN_IS_FILE ((u64)1 << 2)
#define WRITTEN_IS_PRESENT ((u64)1 << 3)
#define WRITTEN_IS_SWAPPED ((u64)1 << 4)
#define WRITTEN_IS_ZERO_PAGE ((u64)1 << 5)

enum { WRITTEN_UNTRIED, WRITTEN_BUSY, WRITTEN_USABLE, WRITTEN_REFUSED };

struct written_state {
    _Atomic u32 phase; /* WRITTEN_UNTRIED in a child */
    int fd;            /* set before the phase is WRITTEN_USABLE */
};

#define WRITTEN_BATCH 64u

/* NULL: the kernel does not answer. */
static u8 *
written_ask(int fd, u8 *at, u8 *end, os_pages *out, u32 cap, u32 *count)
{
    written_region found[WRITTEN_BATCH];
    written_scan scan = {.size = sizeof scan,
                         .start = (u64)(uintptr_t)at,
                         .end = (u64)(uintptr_t)end,
                         .vec = (u64)(uintptr_t)found,
                         .vec_len = min_u32(cap, WRITTEN_BATCH),
                         .category_inverted = WRITTEN_IS_FILE | WRITTEN_IS_ZERO_PAGE,
                         .category_mask = WRITTEN_IS_FILE | WRITTEN_IS_ZERO_PAGE,
                         .category_anyof_mask = WRITTEN_IS_PRESENT | WRITTEN_IS_SWAPPED,
                         .return_mask = WRITTEN_IS_PRESENT};
    int const n = ioctl(fd, WRITTEN_SCAN_IOCTL, &scan);
    if (n < 0 || (u32)n > scan.vec_len || scan.walk_end <= scan.start || scan.walk_end > scan.end)
        return NULL;
    for (u32 i = 0; i < (u32)n; i++)
        out[i] = (os_pages){at + (found[i].start - scan.start), at + (found[i].end - scan.start)};
    *count = (u32)n;
    return at + (scan.walk_end - scan.start);
}

/* Four pages of a private file mapping (read, written, untouched, written), then of an anonymous one the
 * same. */
static bool
written_is_right(int fd, u8 *p, size_t page)
{
    os_pages got[8];
    u32 count = 0;
    for (u32 i = 0; i < 8; i += 4) {
        (void)*(volatile u8 *)(p + i * page);
        *(volatile u8 *)(p + (i + 1) * page) = 1;
        *(volatile u8 *)(p + (i + 3) * page) = 1;
    }
    if (written_ask(fd, p, p + 8 * page, got, GBX_LEN(got), &count) != p + 8 * page || count != 4)
        return false;
    for (u32 i = 0; i < 4; i++) {
        u8 *const want = p + (2 * i + 1) * page;
        if (got[i].start != want || got[i].end != want + page) return false;
    }
    return true;
}

static bool
written_check(int fd)
{
    size_t const page = gbx_base_os_page_bytes();
    os_image im;
    if (!gbx_base_os_image_begin(&im, 4 * page)) return false;
    gbx_base_os_image_seal(&im);
    u8 *const p = gbx_base_os_reserve(8 * page);
    bool ok = false;
    if (p && gbx_base_os_commit(p, 8 * page)) {
        gbx_base_os_small_pages(p, 8 * page);
        ok = gbx_base_os_image_map(&im, p) && written_is_right(fd, p, page);
    }
    if (p) gbx_base_os_unmap(p, 8 * page);
    gbx_base_os_image_close(&im);
    return ok;
}

void
gbx_base_os_written_open(os_written *w)
{
    size_t const page = gbx_base_os_page_bytes();
    w->state = NULL;
    void *const p = gbx_base_os_reserve(page);
    if (!p) return;
    if (gbx_base_os_commit(p, page) && madvise(p, page, MADV_WIPEONFORK) == 0) w->state = p;
    else gbx_base_os_unmap(p, page);
}

void
gbx_base_os_written_close(os_written *w)
{
    if (!w->state) return;
    if (atomic_load(&w->state->phase) == WRITTEN_USABLE) (void)close(w->state->fd);
    gbx_base_os_unmap(w->state, gbx_base_os_page_bytes());
    w->state = NULL;
}

static bool
written_is_usable(struct written_state *s)
{
    u32 phase = atomic_load_explicit(&s->phase, memory_order_acquire);
    if (GBX_LIKELY(phase != WRITTEN_UNTRIED)) return phase == WRITTEN_USABLE;
    if (!atomic_compare_exchange_strong(&s->phase, &phase, WRITTEN_BUSY)) return false;
    s->fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    bool const ok = s->fd >= 0 && written_check(s->fd);
    if (!ok && s->fd >= 0) (void)close(s->fd);
    atomic_store_explicit(&s->phase, ok ? WRITTEN_USABLE : WRITTEN_REFUSED, memory_order_release);
    return ok;
}

u8 *
gbx_base_os_written_find(os_written *w, u8 *at, u8 *end, os_pages *out, u32 cap, u32 *count)
{
    *count = 0;
    if (at == end) return end;
    if (!w->state || !written_is_usable(w->state)) return NULL;
    return written_ask(w->state->fd, at, end, out, cap, count);
}

/* False: they are more than may be kept; *at is the first of those. */
static bool
written_zero_some(const os_pages *found, u32 count, size_t *keep, u8 **at)
{
    for (u32 i = 0; i < count; i++) {
        size_t const bytes = (size_t)(found[i].end - found[i].start);
        *at = found[i].start;
        if (bytes > *keep) return false;
        memset(found[i].start, 0, bytes);
        *keep -= bytes;
    }
    return true;
}

void
gbx_base_os_written_zero(os_written *w, u8 *at, u8 *end, size_t keep)
{
    os_pages found[WRITTEN_BATCH];
    while (at != end) {
        u32 count;
        u8 *const next = gbx_base_os_written_find(w, at, end, found, WRITTEN_BATCH, &count);
        if (!next || !written_zero_some(found, count, &keep, &at)) {
            gbx_base_os_discard(at, (size_t)(end - at));
            return;
        }
        at = next;
    }
}
