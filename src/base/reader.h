/* The sticky reader: hostile bytes are read here and nowhere else.
 *
 * Reads never fail visibly. The first bad byte is remembered with a reason, and from then on every
 * read gives 0 and nothing advances, so callers loop over counts without checking each read (a
 * count read after a failure is 0, so every loop ends) and ask once at the end with rd_done().
 *
 * SAFETY: `at` never passes `end`; each read compares before it touches a byte. */
#ifndef GBX_BASE_READER_H
#define GBX_BASE_READER_H

#include "base/base.h"

typedef struct reader {
    const u8 *base; /* first byte of the module: offsets in messages count from here */
    const u8 *at;
    const u8 *end;
    const char *why;  /* NULL: nothing bad so far; else what was wrong */
    gbx_code code;    /* class of the failure when why is set */
    u64 why_off;      /* offset of the first bad byte */
} reader;

static inline reader
rd_init(const u8 *base, u64 from, u64 to)
{
    return (reader){.base = base, .at = base + from, .end = base + to};
}

static inline bool
rd_ok(const reader *r)
{
    return r->why == NULL;
}

static inline u64
rd_offset(const reader *r)
{
    return (u64)(r->at - r->base);
}

static inline size_t
rd_left(const reader *r)
{
    return (size_t)(r->end - r->at);
}

/* Remember the first failure at `offset`; later ones are ignored. After it the reader is empty. */
void gbx_base_rd_fail(reader *r, gbx_code code, u64 offset, const char *why);

/* GBX_OK, or the remembered failure set on err. */
GBX_MUST_USE gbx_code gbx_base_rd_done(const reader *r, gbx_err *err);

u8 gbx_base_rd_u8(reader *r);
u32 gbx_base_rd_u32(reader *r); /* unsigned LEB128, at most 5 bytes, no surplus bits */
u64 gbx_base_rd_u64(reader *r); /* unsigned LEB128, at most 10 bytes */
i32 gbx_base_rd_i32(reader *r); /* signed LEB128 */
i64 gbx_base_rd_i64(reader *r);
i64 gbx_base_rd_i33(reader *r); /* block types */
u32 gbx_base_rd_fixed32(reader *r); /* little-endian */
u64 gbx_base_rd_fixed64(reader *r);

/* The next `len` bytes, borrowed; NULL after a failure (and then len bytes were not there). */
const u8 *gbx_base_rd_bytes(reader *r, u64 len);

/* An element count that cannot be met by the bytes left (each item takes at least one byte) or that
 * passes `max` is a failure; `what` names the limit in the message. */
u32 gbx_base_rd_count(reader *r, u64 max, const char *what);

/* A length-prefixed name: borrowed bytes, checked to be UTF-8. After a failure an empty one. */
typedef struct rd_name {
    const char *text; /* not NUL-terminated; never NULL */
    u32 len;
} rd_name;
rd_name gbx_base_rd_name(reader *r, u64 max);

#endif
