/* XXH64: a hash of bytes that is the same everywhere and at all times, for comparing what was with what is.
 * No protection against hostile keys; maps have their own (map.h). */
#ifndef GBX_BASE_HASH_H
#define GBX_BASE_HASH_H

#include "base/base.h"

GBX_MUST_USE u64 gbx_base_hash(u64 seed, const void *data, size_t len);

#endif
