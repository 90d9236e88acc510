/* Pages that machine code runs from: address space reserved once, filled bit by bit, and no address in it
 * ever writable and executable at once.
 *
 * Two ways, the first that the system allows is taken:
 *
 *   TWIN  one memfd, two shared mappings: `write` may be written, `exec` run. The file's size is sealed,
 *         and the execute view is mapped through a descriptor that only reads, so it cannot become writable.
 *         Code is written beside code that runs, and publishing it costs no system call.
 *   FLIP  one private mapping whose pages are writable first and executable afterwards (mprotect). Where a
 *         memfd, or running from one, is refused. Pages are never shared by what is written at different
 *         times (`unit` is a page), so what already runs is never made writable, and writers of different
 *         pages need not wait for one another.
 *
 * Where both are refused (SELinux without execmem, MDWE), or where this machine cannot be told of new code,
 * gbx_base_os_code_open says false, and the engine interprets.
 *
 * Forks. A child shares the file of its parent, so it may run what is there and must never write: the
 * write view is not inherited, and gbx_base_os_code_is_ours is false in it. The parent must not give out
 * again what a child may still run: see gbx_base_os_fork_mark. */
#ifndef GBX_BASE_OS_CODE_H
#define GBX_BASE_OS_CODE_H

#include "base/base.h"

/* Regions, and what is backed and dropped, are multiples of this on every system (RULE: S21). */
#define OS_CODE_BLOCK_BYTES ((size_t)64 << 10)

enum { OS_CODE_TWIN = 1, OS_CODE_FLIP = 2, OS_CODE_ANY = 3 };

typedef struct os_code {
    u8 *exec;      /* where it runs; NULL: closed */
    u8 *write;     /* TWIN: the same bytes, writable */
    size_t bytes;  /* of the region, a multiple of OS_CODE_BLOCK_BYTES */
    size_t unit;   /* what is written at different times shares no unit; a power of two */
    int fd;        /* TWIN: the memfd; else -1 */
    u32 way;       /* OS_CODE_TWIN or OS_CODE_FLIP */
    u32 lineage;   /* see gbx_base_os_code_is_ours */
    bool can_sync; /* gbx_base_os_code_sync works */
} os_code;

/* Reserve `most` bytes, or less, halving down to `least`, where that much is refused (ulimit -v, -f).
 * `ways`: which of OS_CODE_... may be taken. False: this process cannot have code pages; *c is closed. */
GBX_MUST_USE bool gbx_base_os_code_open(os_code *c, size_t most, size_t least, u32 ways);
void gbx_base_os_code_close(os_code *c); /* a zeroed or closed one is fine */

/* False in a child of the process that opened c: nothing of it may be written, dropped or given out. */
GBX_MUST_USE bool gbx_base_os_code_is_ours(const os_code *c);

/* Put memory behind blocks. False where the system has none; writing to blocks that are not backed may
 * kill the process. */
GBX_MUST_USE bool gbx_base_os_code_back(os_code *c, size_t at, size_t bytes);
/* Give the memory of blocks back. Nothing may run there. */
void gbx_base_os_code_drop(os_code *c, size_t at, size_t bytes);

/* Make [at, at + bytes), whole units, writable, and say where; NULL where the system refuses. */
GBX_MUST_USE u8 *gbx_base_os_code_write_begin(os_code *c, size_t at, size_t bytes);
/* All is written: make it executable and tell this processor and the others, as far as the architecture
 * wants it. `is_reused`: other code ran at these addresses before. False: it must not be run. After true,
 * a release store of the address publishes the code. */
GBX_MUST_USE bool gbx_base_os_code_write_end(os_code *c, size_t at, size_t bytes, bool is_reused);

/* No thread of this process holds an instruction it fetched before this call (RULE: S5). False where the
 * system has no such service. */
GBX_MUST_USE bool gbx_base_os_code_sync(void);
/* Tell the system that this process will want it; opening does so too. PERF: it costs nothing while the
 * process has one thread, and 10 ms when it has several: Linux waits until it has seen each processor. */
bool gbx_base_os_code_register(void);

/* A value that differs from every one given before the last fork began or during one: code whose mark is
 * not the present one may be running in a child. Valid once a region was opened. */
GBX_MUST_USE u64 gbx_base_os_fork_mark(void);
/* True if no fork began since `mark` was taken, and none is going on. */
GBX_MUST_USE bool gbx_base_os_fork_mark_holds(u64 mark);

#endif
