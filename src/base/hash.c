/* XXH64 in its plain form: four lanes of 8 bytes, then what is left by 8, 4 and 1.
 *
 * SPEC: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md, XXH64. The values of test_base_hash.c
 * are those of the reference implementation. Bytes are little-endian numbers, as on all machines we know. */
#include "base/hash.h"

#include <string.h>

#define HASH_PRIME_1 0x9e3779b185ebca87u
#define HASH_PRIME_2 0xc2b2ae3d27d4eb4fu
#define HASH_PRIME_3 0x165667b19e3779f9u
#define HASH_PRIME_4 0x85ebca77c2b2ae63u
#define HASH_PRIME_5 0x27d4eb2f165667c5u
#define HASH_LANES   4u

static u64
hash_left(u64 v, unsigned by)
{
    return v << by | v >> (64 - by);
}

static u64
hash_word(const u8 *p)
{
    u64 v;
    memcpy(&v, p, sizeof v);
    return v;
}

static u64
hash_round(u64 lane, u64 word)
{
    return hash_left(lane + word * HASH_PRIME_2, 31) * HASH_PRIME_1;
}

/* All whole stripes of 32 bytes from *p on. */
static u64
hash_stripes(u64 seed, const u8 **p, size_t *len)
{
    u64 lane[HASH_LANES] = {seed + HASH_PRIME_1 + HASH_PRIME_2, seed + HASH_PRIME_2, seed,
                            seed - HASH_PRIME_1};
    for (; *len >= sizeof lane; *len -= sizeof lane, *p += sizeof lane)
        for (unsigned i = 0; i < HASH_LANES; i++)
            lane[i] = hash_round(lane[i], hash_word(*p + i * sizeof lane[0]));
    u64 h = hash_left(lane[0], 1) + hash_left(lane[1], 7) + hash_left(lane[2], 12) + hash_left(lane[3], 18);
    for (unsigned i = 0; i < HASH_LANES; i++)
        h = (h ^ hash_round(0, lane[i])) * HASH_PRIME_1 + HASH_PRIME_4;
    return h;
}

u64
gbx_base_hash(u64 seed, const void *data, size_t len)
{
    const u8 *p = data;
    u64 h = seed + HASH_PRIME_5;
    u64 const total = len;
    if (len >= HASH_LANES * sizeof h) h = hash_stripes(seed, &p, &len);
    h += total;
    for (; len >= 8; len -= 8, p += 8)
        h = hash_left(h ^ hash_round(0, hash_word(p)), 27) * HASH_PRIME_1 + HASH_PRIME_4;
    if (len >= 4) {
        u32 v;
        memcpy(&v, p, sizeof v);
        h = hash_left(h ^ v * HASH_PRIME_1, 23) * HASH_PRIME_2 + HASH_PRIME_3;
        len -= 4, p += 4;
    }
    for (; len; len--, p++) h = hash_left(h ^ *p * HASH_PRIME_5, 11) * HASH_PRIME_1;
    h = (h ^ h >> 33) * HASH_PRIME_2;
    h = (h ^ h >> 29) * HASH_PRIME_3;
    return h ^ h >> 32;
}
