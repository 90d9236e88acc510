/* 64-bit arithmetic and rotations: a hash over a buffer. */
#include "guest.h"

static u64 words[4096];

static u64
rotate(u64 v, int by)
{
    return v << by | v >> (64 - by);
}

void
_start(void)
{
    u64 x = 88172645463325252u, a = 1, b = 2, c = 3, d = 4;
    for (int i = 0; i < 4096; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        words[i] = x;
    }
    for (u32 round = opaque(700); round--;)
        for (int i = 0; i < 4096; i++) {
            u64 const w = words[i];
            a = rotate(a + w, 13) * 0x9e3779b97f4a7c15u;
            b = rotate(b ^ a, 17) + c;
            c = rotate(c, 31) ^ (w >> 7);
            d += a ^ b;
        }
    print_u64(a ^ b ^ c ^ d);
}
