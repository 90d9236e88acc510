/* Every heap allocation and reservation of the runtime passes here, so that a test can make the
 * n-th one fail (GBX fault injection) and prove that each failure is an error and not a crash. */
#ifndef GBX_BASE_ALLOC_H
#define GBX_BASE_ALLOC_H

#include "base/base.h"

/* malloc, calloc, realloc of `count` items of `bytes` each; NULL when memory is short, when the
 * product overflows, or when a fault was injected. Zero sizes give a pointer that may be freed. */
GBX_MUST_USE void *gbx_base_alloc(size_t count, size_t bytes);
GBX_MUST_USE void *gbx_base_alloc_zero(size_t count, size_t bytes);
GBX_MUST_USE void *gbx_base_realloc(void *old, size_t count, size_t bytes);
/* The same for one block that is filled from end to end at once, a module's bytes: in huge pages, where it is
 * large and the system has them. Of the last huge page at most three quarters are wasted. Less than
 * `heap_bytes` come out of the heap, which lies in huge pages by itself then. */
GBX_MUST_USE void *gbx_base_alloc_large(size_t bytes, size_t heap_bytes);
void gbx_base_free(void *p); /* NULL is fine */

/* Fault injection. After `gbx_base_fault_arm(n)` the n-th allocation or reservation from now fails
 * (1 = the next), all others succeed; 0 disarms. Counting is process-wide and for tests only. */
void gbx_base_fault_arm(u64 nth);
/* True when this attempt is the one to fail: called by everything that reserves host resources. */
bool gbx_base_fault_hit(void);
/* Attempts seen since the last arm: tells a test when its loop over n has covered all of them. */
u64 gbx_base_fault_count(void);

#endif
