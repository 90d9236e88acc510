/* Byte stores in short loops: the sieve of Eratosthenes. */
#include "guest.h"

enum { LIMIT = 2000000 };
static u8 composite[LIMIT + 1];

void
_start(void)
{
    u32 count = 0;
    for (u32 round = opaque(4); round--;) {
        count = 0;
        for (u32 i = 0; i <= LIMIT; i++) composite[i] = 0;
        for (u32 i = 2; i <= LIMIT; i++) {
            if (composite[i]) continue;
            count++;
            for (u32 j = i * 2; j <= LIMIT; j += i) composite[j] = 1;
        }
    }
    print_u64(count);
}
