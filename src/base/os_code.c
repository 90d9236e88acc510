/* Code pages on Linux; see os_code.h. SPEC: memfd_create(2), fcntl(2) F_ADD_SEALS, membarrier(2),
 * pthread_atfork(3).
 *
 * What must hold: no mapping made here ever has PROT_WRITE and PROT_EXEC together, and no page that runs
 * is made writable.
 *
 * Signals: growing a file beyond RLIMIT_FSIZE raises SIGXFSZ, and touching a page of a file that the
 * system has no memory for raises SIGBUS; so the limit is looked at first, and pages are allocated before
 * they are touched. */
#include "base/os_code.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/os_mem.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3: the file cannot be made a program; mapping is not affected */
#endif

/* x86-64 keeps instruction caches coherent, and code at addresses that never ran before needs no more than
 * the release store (Intel SDM 3A, 9.1.3). Elsewhere other processors may have fetched ahead: RULE: S21. */
#if defined(__x86_64__)
#define CODE_FRESH_NEEDS_SYNC false
#else
#define CODE_FRESH_NEEDS_SYNC true
#endif

#define CODE_TWIN_ALIGN ((size_t)64) /* a cache line: what is written shares none with what runs */

/* ---- forks */

static pthread_once_t code_once = PTHREAD_ONCE_INIT;
static bool code_watches_forks;
static _Atomic u64 code_forks;         /* twice a fork: as it begins, and when it is done */
static _Atomic u32 code_forks_running; /* begun and not done */
static _Atomic u32 code_lineage;       /* forks between the first process and this one */

static void
code_fork_prepare(void)
{
    atomic_fetch_add(&code_forks_running, 1);
    atomic_fetch_add(&code_forks, 1);
}

static void
code_fork_parent(void)
{
    atomic_fetch_add(&code_forks, 1);
    atomic_fetch_sub(&code_forks_running, 1);
}

static void
code_fork_child(void)
{
    atomic_store(&code_forks_running, 0);
    atomic_fetch_add(&code_lineage, 1);
}

static void
code_watch_forks(void)
{
    code_watches_forks =
            pthread_atfork(code_fork_prepare, code_fork_parent, code_fork_child) == 0;
}

u64
gbx_base_os_fork_mark(void)
{
    return atomic_load(&code_forks);
}

bool
gbx_base_os_fork_mark_holds(u64 mark)
{
    /* In this order: a fork that is done between the two looks has changed the mark before. */
    return atomic_load(&code_forks_running) == 0 && atomic_load(&code_forks) == mark;
}

bool
gbx_base_os_code_is_ours(const os_code *c)
{
    return c->lineage == atomic_load(&code_lineage);
}

/* ---- telling other processors */

static bool
code_membarrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0) == 0;
}

bool
gbx_base_os_code_sync(void)
{
    int const saved = errno;
    bool const ok = code_membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE);
    errno = saved;
    return ok;
}

bool
gbx_base_os_code_register(void)
{
    return code_membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE);
}

/* ---- opening */

/* Bytes a file of ours may have: growing it further would raise SIGXFSZ. */
static u64
code_file_limit(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_FSIZE, &r) != 0) return 0;
    return r.rlim_cur == RLIM_INFINITY ? UINT64_MAX : (u64)r.rlim_cur;
}

/* A file without a name, of that size for ever. -1: refused. */
static int
code_file(size_t bytes)
{
    unsigned const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int fd = memfd_create("gbx-code", flags | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) fd = memfd_create("gbx-code", flags);
    if (fd < 0) return -1;
    int const seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (ftruncate(fd, (off_t)bytes) == 0 && fcntl(fd, F_ADD_SEALS, seals) == 0) return fd;
    (void)close(fd);
    return -1;
}

/* Address space aligned to a block, whatever a page is. */
static u8 *
code_reserve(size_t bytes)
{
    u8 *const p = gbx_base_os_reserve(bytes + OS_CODE_BLOCK_BYTES);
    if (!p) return NULL;
    size_t const head = (size_t)(-(uintptr_t)p & (OS_CODE_BLOCK_BYTES - 1));
    gbx_base_os_unmap(p, head);
    gbx_base_os_unmap(p + head + bytes, OS_CODE_BLOCK_BYTES - head);
    return p + head;
}

static bool
code_map_file(u8 *at, size_t bytes, int protection, int fd)
{
    return mmap(at, bytes, protection, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED;
}

/* Mapped through a descriptor that may only read, pages cannot become writable, not even by mprotect. The
 * seal that says so of all later mappings would forbid to drop pages as well. Without procfs it is this
 * file alone that keeps the view as it is. */
static bool
code_map_exec(const os_code *c)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", c->fd);
    int const fd = open(path, O_RDONLY | O_CLOEXEC);
    bool const ok = code_map_file(c->exec, c->bytes, PROT_READ | PROT_EXEC, fd >= 0 ? fd : c->fd);
    if (fd >= 0) (void)close(fd);
    return ok;
}

static bool
code_open_twin(os_code *c, size_t bytes)
{
    if (code_file_limit() < bytes || gbx_base_fault_hit()) return false;
    c->fd = code_file(bytes);
    if (c->fd < 0) return false;
    c->way = OS_CODE_TWIN;
    c->bytes = bytes;
    c->unit = CODE_TWIN_ALIGN;
    c->exec = code_reserve(bytes);
    c->write = c->exec ? code_reserve(bytes) : NULL;
    if (!c->write || !code_map_file(c->write, bytes, PROT_READ | PROT_WRITE, c->fd) ||
        madvise(c->write, bytes, MADV_DONTFORK) != 0)
        return false;
    (void)madvise(c->write, bytes, MADV_DONTDUMP); /* the execute view is in the dump */
    return code_map_exec(c);
}

/* One page is flipped to see whether it may be. */
static bool
code_open_flip(os_code *c, size_t bytes)
{
    size_t const page = gbx_base_os_page_bytes();
    c->fd = -1;
    c->way = OS_CODE_FLIP;
    c->bytes = bytes;
    c->unit = page;
    c->exec = code_reserve(bytes);
    return c->exec && mprotect(c->exec, page, PROT_READ | PROT_WRITE) == 0 &&
           mprotect(c->exec, page, PROT_READ | PROT_EXEC) == 0 &&
           mprotect(c->exec, page, PROT_NONE) == 0;
}

bool
gbx_base_os_code_open(os_code *c, size_t most, size_t least, u32 ways)
{
    GBX_ASSERT(least && least % OS_CODE_BLOCK_BYTES == 0 && most % OS_CODE_BLOCK_BYTES == 0);
    GBX_ASSERT(OS_CODE_BLOCK_BYTES % gbx_base_os_page_bytes() == 0);
    *c = (os_code){.fd = -1};
    (void)pthread_once(&code_once, code_watch_forks);
    if (!code_watches_forks) return false;
    bool const can_sync = gbx_base_os_code_register() && gbx_base_os_code_sync();
    if (CODE_FRESH_NEEDS_SYNC && !can_sync) return false;
    for (u32 way = OS_CODE_TWIN; way <= OS_CODE_FLIP; way <<= 1) {
        if (!(ways & way)) continue;
        for (size_t bytes = most; bytes >= least; bytes = bytes / 2 & ~(OS_CODE_BLOCK_BYTES - 1)) {
            c->lineage = atomic_load(&code_lineage);
            c->can_sync = can_sync;
            if (way == OS_CODE_TWIN ? code_open_twin(c, bytes) : code_open_flip(c, bytes)) return true;
            gbx_base_os_code_close(c);
        }
    }
    return false;
}

void
gbx_base_os_code_close(os_code *c)
{
    if (c->exec) gbx_base_os_unmap(c->exec, c->bytes);
    /* A child has no write view; something else may lie where it was. */
    if (c->write && gbx_base_os_code_is_ours(c)) gbx_base_os_unmap(c->write, c->bytes);
    if (c->way == OS_CODE_TWIN && c->fd >= 0) (void)close(c->fd);
    *c = (os_code){.fd = -1};
}

/* ---- using */

bool
gbx_base_os_code_back(os_code *c, size_t at, size_t bytes)
{
    GBX_ASSERT(gbx_base_os_code_is_ours(c));
    GBX_ASSERT(at % OS_CODE_BLOCK_BYTES == 0 && bytes % OS_CODE_BLOCK_BYTES == 0);
    GBX_ASSERT(at <= c->bytes && bytes <= c->bytes - at);
    if (gbx_base_fault_hit()) return false;
    if (c->way == OS_CODE_FLIP) return true; /* counted by the flip to writable, which may fail */
    int rc;
    do {
        rc = fallocate(c->fd, 0, (off_t)at, (off_t)bytes);
    } while (rc != 0 && errno == EINTR);
    return rc == 0;
}

void
gbx_base_os_code_drop(os_code *c, size_t at, size_t bytes)
{
    GBX_ASSERT(gbx_base_os_code_is_ours(c));
    GBX_ASSERT(at <= c->bytes && bytes <= c->bytes - at);
    if (c->way == OS_CODE_TWIN) {
        /* May fail under a filter of system calls: the memory then stays until the region is closed. */
        (void)fallocate(c->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)bytes);
    } else {
        gbx_base_os_discard(c->exec + at, bytes);
        /* Taking access away splits a mapping at worst, and may fail for want of one more: what is left
         * is executable and holds zeroes. */
        (void)mprotect(c->exec + at, bytes, PROT_NONE);
    }
}

u8 *
gbx_base_os_code_write_begin(os_code *c, size_t at, size_t bytes)
{
    GBX_ASSERT(gbx_base_os_code_is_ours(c) && at % c->unit == 0 && bytes % c->unit == 0);
    GBX_ASSERT(at <= c->bytes && bytes <= c->bytes - at);
    if (c->way == OS_CODE_TWIN) return c->write + at;
    if (gbx_base_fault_hit()) return NULL;
    return mprotect(c->exec + at, bytes, PROT_READ | PROT_WRITE) == 0 ? c->exec + at : NULL;
}

bool
gbx_base_os_code_write_end(os_code *c, size_t at, size_t bytes, bool is_reused)
{
    u8 *const exec = c->exec + at;
    if (c->way == OS_CODE_FLIP && mprotect(exec, bytes, PROT_READ | PROT_EXEC) != 0) return false;
    /* By the addresses that will run: an instruction cache may be indexed by them. Data caches are found
     * by the physical address, so what the write view left in them is cleaned too. */
    __builtin___clear_cache((char *)exec, (char *)exec + bytes);
    return !(is_reused || CODE_FRESH_NEEDS_SYNC) || gbx_base_os_code_sync();
}
