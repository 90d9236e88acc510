/* A file system without a name: a directory of the kernel's own, capped, gone with its last descriptor. */
#ifndef GBX_BASE_OS_SCRATCH_H
#define GBX_BASE_OS_SCRATCH_H

#include "base/base.h"

/* A new, empty file system in memory that holds at most `bytes` bytes (in whole pages) and `files` files, and
 * that is reached by no path: O_PATH descriptor of its root, close-on-exec, above 2. What is in it is gone
 * when the last descriptor beneath it is closed, so also however the process ends. -1 and errno where the
 * kernel has no such thing (ENOSYS before Linux 5.2) or forbids it to this process (EPERM). */
GBX_MUST_USE int gbx_base_os_scratch(u64 bytes, u64 files);

#endif
