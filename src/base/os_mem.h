/* Address space and pages from the operating system.
 *
 * Ranges are whole pages, private and zero when first touched. What is reserved costs address space
 * only; what is committed costs memory once it is touched. Like the heap, every attempt passes the
 * fault injection of base/alloc.h. */
#ifndef GBX_BASE_OS_MEM_H
#define GBX_BASE_OS_MEM_H

#include "base/base.h"

/* Bytes in a page of this system: a power of two. */
GBX_MUST_USE size_t gbx_base_os_page_bytes(void);

/* `bytes` of address space that nothing may touch yet; NULL where it is refused (ulimit -v). */
GBX_MUST_USE void *gbx_base_os_reserve(size_t bytes);
/* Make reserved pages readable and writable; false where the system refuses. */
GBX_MUST_USE bool gbx_base_os_commit(void *at, size_t bytes);
/* Make committed pages inaccessible again; they keep what they hold. False where the system refuses. */
GBX_MUST_USE bool gbx_base_os_hide(void *at, size_t bytes);
/* Give the contents of committed pages back: they read as zero afterwards, or as the file that is
 * mapped there. Cannot fail. */
void gbx_base_os_discard(void *at, size_t bytes);
/* Never use huge pages here: a little use must cost a little memory. A hint, cannot fail. */
void gbx_base_os_small_pages(void *at, size_t bytes);
/* Have a page there now, whose contents are what they were, whoever writes to it meanwhile: that has no page
 * fault then. */
void gbx_base_os_touch(void *at);
/* Use huge pages where the system has them: less time to touch memory first and later, up to a huge page
 * of memory more. A hint, cannot fail. */
void gbx_base_os_huge_pages(void *at, size_t bytes);
/* Give address space back. `bytes` 0 is fine. */
void gbx_base_os_unmap(void *at, size_t bytes);

#endif
