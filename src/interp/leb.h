/* LEB128 immediates, as the interpreter's loop reads them: the byte it has looked at, if that is not all.
 *
 * SAFETY: only over validated code: every number ends, and the module's copy is padded, so that eight bytes
 * may be read at any place of it. */
#ifndef GBX_INTERP_LEB_H
#define GBX_INTERP_LEB_H

#include <string.h>

#include "base/base.h"

typedef struct interp_leb {
    const u8 *pc;
    u64 value;
} interp_leb;

/* LEB128 of more than two bytes; `pc` is behind the first, which is given. Validated: it ends. */
__attribute__((noinline)) static interp_leb
interp_leb_long(const u8 *pc, u64 first)
{
    u64 value = first & 0x7f;
    for (unsigned shift = 7;; shift += 7) {
        u8 const b = *pc++;
        if (shift < 64) value |= (u64)(b & 0x7f) << shift;
        if (!(b & 0x80)) return (interp_leb){pc, value};
    }
}

/* The next eight bytes. The module's copy is padded, so they are there. */
static inline u64
interp_word(const u8 *pc)
{
    u64 w;
    memcpy(&w, pc, sizeof w);
    return w;
}

/* The LEB128 of `len` bytes, at most eight, that starts in the lowest of `w`: its groups of seven bits are
 * pushed together pairwise. `len` is a constant where it is inlined. */
__attribute__((always_inline)) static inline u64
interp_leb_bits(u64 w, unsigned len)
{
    w &= 0x7f7f7f7f7f7f7f7fu >> (64 - 8 * len);
    w = (w & 0x007f007f007f007fu) | (w & 0x7f007f007f007f00u) >> 1;
    if (len > 2) w = (w & 0x00003fff00003fffu) | (w & 0x3fff00003fff0000u) >> 2;
    if (len > 4) w = (w & 0x000000000fffffffu) | (w & 0x0fffffff00000000u) >> 4;
    return w;
}

/* What ends behind `len` bytes: their continuation bits are set, but for the last one's. */
#define LEB_MASK(len) (0x8080808080808080u >> (64 - 8 * (len)))
#define LEB_HAS(w, len) (((w) & LEB_MASK(len)) == LEB_MASK((len)-1))

/* LEB128 of more than one byte; `pc` is behind the first. Function indices and static offsets mostly have
 * two bytes, or the five that a linker leaves room for.
 * PERF: a branch for each length, because where the next instruction stands is then a guess that the
 * processor has made long before the bytes are there; counting the bytes would make it wait. */
__attribute__((always_inline)) static inline interp_leb
interp_leb_u(const u8 *pc, u64 first)
{
    u64 const w = interp_word(pc - 1);
    if (GBX_LIKELY(!(w & 0x8000))) return (interp_leb){pc + 1, interp_leb_bits(w, 2)};
    if (GBX_LIKELY(LEB_HAS(w, 5))) return (interp_leb){pc + 4, interp_leb_bits(w, 5)};
    return interp_leb_long(pc, first);
}

/* Signed LEB128 of more than five bytes; `pc` is behind the first. */
__attribute__((noinline)) static interp_leb
interp_leb_s_long(const u8 *pc)
{
    interp_leb leb = interp_leb_long(pc, pc[-1]);
    unsigned const bits = 7 * (unsigned)(leb.pc - pc + 1);
    if (bits < 64 && leb.pc[-1] & 0x40) leb.value |= ~(u64)0 << bits;
    return leb;
}

__attribute__((always_inline)) static inline u64
interp_leb_extend(u64 w, unsigned len)
{
    unsigned const unused = 64 - 7 * len;
    return (u64)((i64)(interp_leb_bits(w, len) << unused) >> unused);
}

/* Signed LEB128 of more than one byte; `pc` is behind the first. */
__attribute__((always_inline)) static inline interp_leb
interp_leb_s(const u8 *pc)
{
    u64 const w = interp_word(pc - 1);
    if (!(w & 0x8000)) return (interp_leb){pc + 1, interp_leb_extend(w, 2)};
    if (LEB_HAS(w, 5)) return (interp_leb){pc + 4, interp_leb_extend(w, 5)};
    if (LEB_HAS(w, 3)) return (interp_leb){pc + 2, interp_leb_extend(w, 3)};
    if (LEB_HAS(w, 4)) return (interp_leb){pc + 3, interp_leb_extend(w, 4)};
    return interp_leb_s_long(pc);
}

#endif
