/* What a C kernel has of a world: a way to print a number, through WASI, without a libc. */
#ifndef GUEST_H
#define GUEST_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned u32;
typedef unsigned long long u64;

__attribute__((import_module("wasi_snapshot_preview1"), import_name("fd_write"))) int
fd_write(int fd, const void *iovs, int count, u32 *written);

static void
print_u64(u64 v)
{
    char text[24];
    int at = sizeof(text);
    text[--at] = '\n';
    do text[--at] = (char)('0' + v % 10);
    while (v /= 10);
    struct {
        const char *from;
        u32 len;
    } iov = {text + at, sizeof(text) - (u32)at};
    u32 written;
    fd_write(1, &iov, 1, &written);
}

/* A number the compiler cannot see through. */
static u32
opaque(u32 v)
{
    volatile u32 hidden = v;
    return hidden;
}

void _start(void);

#endif
