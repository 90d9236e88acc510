/* Which pages of a private mapping hold something else than they began with.
 *
 * Linux 6.7 and later can tell (PAGEMAP_SCAN): a page of such a mapping that was written is anonymous,
 * one that was not is still the file's, or not there. With it, memory that is to be used again is put
 * right where it was written and keeps its pages; without it, all of it is discarded, and each page is
 * faulted in again. */
#ifndef GBX_BASE_OS_WRITTEN_H
#define GBX_BASE_OS_WRITTEN_H

#include "base/base.h"

/* A way to ask. In a child of the process that opened it, it opens itself anew. */
typedef struct os_written {
    struct written_state *state; /* NULL: the system cannot tell */
} os_written;

typedef struct os_pages {
    u8 *start, *end;
} os_pages;

/* Costs a page; the first question opens a descriptor. Cannot fail: at worst the answer is always no. */
void gbx_base_os_written_open(os_written *w);
void gbx_base_os_written_close(os_written *w); /* a zeroed or closed one is fine */

/* The written pages between `at` and `end`, by address, at most `cap` ranges: their number in *count.
 * Returns where to go on, `end` when that is all; NULL where the system cannot tell. Thread-safe. Pages may
 * be among them that were written and then discarded by somebody else; none that was written is missing.
 * [at, end) is whole pages, of private mappings that nobody writes meanwhile. */
GBX_MUST_USE u8 *gbx_base_os_written_find(os_written *w, u8 *at, u8 *end, os_pages *out, u32 cap,
                                          u32 *count);

/* Make [at, end), private pages that began as zero, zero again. At most `keep` bytes of written ones stay. */
void gbx_base_os_written_zero(os_written *w, u8 *at, u8 *end, size_t keep);

#endif
