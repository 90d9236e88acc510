/* Recursion and branches over small integers: thirteen queens. */
#include "guest.h"

static u32 __attribute__((noinline))
place(u32 all, u32 columns, u32 left, u32 right)
{
    if (columns == all) return 1;
    u32 count = 0;
    for (u32 open = all & ~(columns | left | right); open;) {
        u32 const bit = open & -open;
        open ^= bit;
        count += place(all, columns | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    return count;
}

void
_start(void)
{
    print_u64(place((1u << opaque(13)) - 1, 0, 0, 0));
}
