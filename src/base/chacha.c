/* ChaCha20: the block function of RFC 8439, with a counter of 64 bits and a nonce of 64 as its first
 * author has it (the RFC cuts the counter to 32, and then a stream ends after 256 GiB).
 *
 * For repeating runs, not for secrecy: the key of a seeded guest is known to whoever knows the seed, and
 * nothing here is kept from other code of the process. Held against the RFC's own vectors in
 * test_base_chacha.c. SPEC: RFC 8439, 2.3 */
#include "base/chacha.h"

#include <string.h>

static u32
chacha_rotl(u32 v, u32 by)
{
    return v << by | v >> (32 - by);
}

static void
chacha_quarter(u32 s[16], u32 a, u32 b, u32 c, u32 d)
{
    s[a] += s[b];
    s[d] = chacha_rotl(s[d] ^ s[a], 16);
    s[c] += s[d];
    s[b] = chacha_rotl(s[b] ^ s[c], 12);
    s[a] += s[b];
    s[d] = chacha_rotl(s[d] ^ s[a], 8);
    s[c] += s[d];
    s[b] = chacha_rotl(s[b] ^ s[c], 7);
}

static void
chacha_block(chacha *c)
{
    u32 s[16];
    memcpy(s, c->state, sizeof s);
    for (int i = 0; i < 10; i++) {
        for (u32 k = 0; k < 4; k++) chacha_quarter(s, k, 4 + k, 8 + k, 12 + k);
        for (u32 k = 0; k < 4; k++)
            chacha_quarter(s, k, 4 + (k + 1) % 4, 8 + (k + 2) % 4, 12 + (k + 3) % 4);
    }
    for (u32 i = 0; i < 16; i++) {
        u32 const v = s[i] + c->state[i];
        for (u32 k = 0; k < 4; k++) c->block[4 * i + k] = (u8)(v >> 8 * k);
    }
    c->left = sizeof c->block;
    if (!++c->state[12]) c->state[13]++;
}

void
gbx_base_chacha_init(chacha *c, const u8 key[32], u64 counter, u64 nonce)
{
    static const u32 words[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    *c = (chacha){0};
    memcpy(c->state, words, sizeof words);
    for (u32 i = 0; i < 8; i++)
        c->state[4 + i] = (u32)key[4 * i] | (u32)key[4 * i + 1] << 8 | (u32)key[4 * i + 2] << 16 |
                          (u32)key[4 * i + 3] << 24;
    c->state[12] = (u32)counter;
    c->state[13] = (u32)(counter >> 32);
    c->state[14] = (u32)nonce;
    c->state[15] = (u32)(nonce >> 32);
}

void
gbx_base_chacha_fill(chacha *c, void *buf, size_t len)
{
    for (u8 *at = buf; len;) {
        if (!c->left) chacha_block(c);
        size_t const take = min_u64(len, c->left);
        memcpy(at, c->block + sizeof c->block - c->left, take);
        c->left -= (u32)take;
        at += take;
        len -= take;
    }
}
