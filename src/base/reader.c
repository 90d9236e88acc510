/* The sticky reader; see reader.h. SPEC: core/binary/values.html (integers, names). */
#include "base/reader.h"

#include <string.h>

#include "base/text.h"

void
gbx_base_rd_fail(reader *r, gbx_code code, u64 offset, const char *why)
{
    if (r->why) return;
    r->why = why;
    r->code = code;
    r->why_off = offset;
    r->end = r->at;
}

gbx_code
gbx_base_rd_done(const reader *r, gbx_err *err)
{
    if (!r->why) return GBX_OK;
    return gbx_base_err_set(err, r->code, r->why_off, "%s at byte 0x%llx", r->why,
                            (unsigned long long)r->why_off);
}

static void
reader_short(reader *r)
{
    gbx_base_rd_fail(r, GBX_MALFORMED, rd_offset(r), "unexpected end");
}

u8
gbx_base_rd_u8(reader *r)
{
    if (GBX_UNLIKELY(r->at >= r->end)) {
        reader_short(r);
        return 0;
    }
    return *r->at++;
}

/* LEB128 of `bits` bits, sign-extended when `is_signed`. The last byte that may come carries the
 * top bits; what it has beyond them must be zero, or copies of the sign. PERF: `bits` and `is_signed` are
 * constants, which is why each caller has its own. */
__attribute__((always_inline)) static inline u64
reader_leb(reader *r, unsigned bits, bool is_signed)
{
    u64 value = 0;
    const u8 *const start = r->at;
    for (unsigned shift = 0;; shift += 7) {
        if (GBX_UNLIKELY(r->at >= r->end)) {
            reader_short(r);
            return 0;
        }
        u8 const b = *r->at++;
        unsigned const left = bits - shift; /* bits this byte may still set */
        if (left < 7) {
            u8 const surplus = (u8)(b & 0x7f & ~((1u << (is_signed ? left - 1 : left)) - 1));
            u8 const all = (u8)(0x7f & ~((1u << (is_signed ? left - 1 : left)) - 1));
            if (b & 0x80) {
                gbx_base_rd_fail(r, GBX_MALFORMED, (u64)(start - r->base),
                                 "integer representation too long");
                return 0;
            }
            if (surplus != 0 && !(is_signed && surplus == all)) {
                gbx_base_rd_fail(r, GBX_MALFORMED, (u64)(start - r->base), "integer too large");
                return 0;
            }
        }
        value |= (u64)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            unsigned const have = shift + 7;
            if (is_signed && have < 64 && (b & 0x40)) value |= ~(u64)0 << have;
            return value;
        }
    }
}

u32
gbx_base_rd_u32(reader *r)
{
    if (GBX_LIKELY(r->at < r->end && *r->at < 0x80)) return *r->at++;
    return (u32)reader_leb(r, 32, false);
}

u64
gbx_base_rd_u64(reader *r)
{
    return reader_leb(r, 64, false);
}

i32
gbx_base_rd_i32(reader *r)
{
    return (i32)(u32)reader_leb(r, 32, true);
}

i64
gbx_base_rd_i64(reader *r)
{
    return (i64)reader_leb(r, 64, true);
}

i64
gbx_base_rd_i33(reader *r)
{
    return (i64)reader_leb(r, 33, true);
}

u32
gbx_base_rd_fixed32(reader *r)
{
    const u8 *const p = gbx_base_rd_bytes(r, 4);
    u32 v = 0;
    if (p) memcpy(&v, p, sizeof v);
    return v;
}

u64
gbx_base_rd_fixed64(reader *r)
{
    const u8 *const p = gbx_base_rd_bytes(r, 8);
    u64 v = 0;
    if (p) memcpy(&v, p, sizeof v);
    return v;
}

const u8 *
gbx_base_rd_bytes(reader *r, u64 len)
{
    if (GBX_UNLIKELY(!rd_ok(r))) return NULL;
    if (GBX_UNLIKELY(len > rd_left(r))) {
        reader_short(r);
        return NULL;
    }
    const u8 *const p = r->at;
    r->at += len;
    return p;
}

u32
gbx_base_rd_count(reader *r, u64 max, const char *what)
{
    u64 const off = rd_offset(r);
    u32 const count = gbx_base_rd_u32(r);
    if (!rd_ok(r)) return 0;
    if (count > rd_left(r)) {
        gbx_base_rd_fail(r, GBX_MALFORMED, off, "length out of bounds: unexpected end");
        return 0;
    }
    if (count > max) {
        gbx_base_rd_fail(r, GBX_LIMIT, off, what);
        return 0;
    }
    return count;
}

rd_name
gbx_base_rd_name(reader *r, u64 max)
{
    rd_name const none = {"", 0};
    u64 const off = rd_offset(r);
    u32 const len = gbx_base_rd_u32(r);
    const u8 *const p = gbx_base_rd_bytes(r, len);
    if (!p) return none;
    if (len > max) {
        gbx_base_rd_fail(r, GBX_LIMIT, off, "limit name-bytes: a name is too long");
        return none;
    }
    if (!gbx_base_utf8_check(p, len)) {
        gbx_base_rd_fail(r, GBX_MALFORMED, off, "malformed UTF-8 encoding");
        return none;
    }
    return (rd_name){(const char *)p, len};
}
