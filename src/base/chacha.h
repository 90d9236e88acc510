/* ChaCha20 as a source of bytes that can be repeated: random numbers of seeded guests. */
#ifndef GBX_BASE_CHACHA_H
#define GBX_BASE_CHACHA_H

#include "base/base.h"

typedef struct chacha {
    u32 state[16];
    u8 block[64];
    u32 left; /* bytes at the block's end that were not given out yet */
} chacha;

/* The stream of `key`, from its block number `counter` on. What it gives depends on nothing else, and on
 * every machine is the same. */
void gbx_base_chacha_init(chacha *c, const u8 key[32], u64 counter, u64 nonce);
void gbx_base_chacha_fill(chacha *c, void *buf, size_t len);

#endif
