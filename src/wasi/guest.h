/* Guest memory: ranges checked in 64 bits, and little-endian values in them.
 *
 * SAFETY: a range is handed out only when ptr + len, both of which came from 32-bit arguments or from
 * products of them that fit in 64 bits, lies inside the memory. Its base never moves and it never
 * shrinks, so the pointer holds for the whole host call. */
#ifndef GBX_WASI_GUEST_H
#define GBX_WASI_GUEST_H

#include <assert.h>
#include <string.h>

#include "wasi/wasi_int.h"

/* The range [ptr, ptr + len) of the caller's memory; NULL where it is not all inside. A caller without
 * a memory has no range at all, not even an empty one. PERF: nor has a traced one here, so that tracing
 * costs calls that are not traced nothing. */
static inline u8 *
guest_range(const p1_call *c, u32 ptr, u64 len)
{
    if (!c->mem || ptr > c->mem_bytes || len > c->mem_bytes - ptr)
        return c->trace ? gbx_wasi_trace_range(c->trace, ptr, len) : NULL;
    return c->mem + ptr;
}

static inline u32
guest_u32(const p1_call *c, u32 idx)
{
    return (u32)c->arg[idx];
}

/* The host is little-endian, as WebAssembly's memory is. */
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "guest memory is little-endian");

static inline void
put_u16(u8 *p, u16 v)
{
    memcpy(p, &v, sizeof v);
}

static inline void
put_u32(u8 *p, u32 v)
{
    memcpy(p, &v, sizeof v);
}

static inline void
put_u64(u8 *p, u64 v)
{
    memcpy(p, &v, sizeof v);
}

static inline u16
get_u16(const u8 *p)
{
    u16 v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline u32
get_u32(const u8 *p)
{
    u32 v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline u64
get_u64(const u8 *p)
{
    u64 v;
    memcpy(&v, p, sizeof v);
    return v;
}

#endif
