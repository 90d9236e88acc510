/* Calls: the naive Fibonacci numbers. */
#include "guest.h"

static u32 __attribute__((noinline))
fib(u32 n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

void
_start(void)
{
    print_u64(fib(opaque(34)));
}
