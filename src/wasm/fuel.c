/* Costs of instructions as tables; see fuel.h.
 *
 * SAFETY: bodies are validated; a walk over one ends at its end. */
#include "wasm/fuel.h"

/* One operation code of a sequence, as fuse.def spells it; 0 is unreachable, which is in none. */
#define FUEL_OF(op) \
    ((op) != 0 && (op) != OP_NOP && (op) != OP_BLOCK && (op) != OP_LOOP && (op) != OP_ELSE && (op) != OP_END)
#define FUEL_AT(seq, i) FUEL_OF((seq) >> 8 * (i) & 0xff)
#define FUEL_SEQ(seq)                                                                                    \
    (FUEL_AT(seq, 0) + FUEL_AT(seq, 1) + FUEL_AT(seq, 2) + FUEL_AT(seq, 3) + FUEL_AT(seq, 4) +           \
     FUEL_AT(seq, 5) + FUEL_AT(seq, 6) + FUEL_AT(seq, 7))

/* Table entries are set twice, on purpose: the later one counts. */
#pragma GCC diagnostic push
#ifdef __clang__
#pragma GCC diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif
#pragma GCC diagnostic ignored "-Wpedantic"
#define FUEL_FREE(name, text) [OP_##name] = 0,
#define FUEL_LENGTH(name, text, many, what)
/* Plain instructions, and the bytes that the interpreter alone has at the end of frames. */
#define FUEL_PLAIN \
    [0 ... 255] = 1, \
    [0xfb] = 0, \
    [0xfe] = 0,
#define FUEL_ROW(number, name, count, seq) [number] = FUEL_SEQ(seq),
#define FUEL_NO_ROW(number, name, count, seq)
#define FUSE_FIRST(number, name, first) [number] = FUEL_OF(OP_##first),

const u8 gbx_wasm_fuel_costs[WASM_FUSE_SETS][256] = {
    [WASM_FUSE_NONE] = {
        FUEL_PLAIN
#include "wasm/fuel.def"
#define FUSE_WIDE FUEL_NO_ROW
#define FUSE_NARROW FUEL_NO_ROW
#define FUSE_BOTH FUEL_NO_ROW
#include "wasm/fuse.def"
#undef FUSE_WIDE
#undef FUSE_BOTH
    },
    [WASM_FUSE_WIDE] = {
        FUEL_PLAIN
#include "wasm/fuel.def"
#define FUSE_WIDE FUEL_ROW
#define FUSE_BOTH FUEL_ROW
#include "wasm/fuse.def"
#undef FUSE_WIDE
#undef FUSE_NARROW
    },
    [WASM_FUSE_NARROW] = {
        FUEL_PLAIN
#include "wasm/fuel.def"
#define FUSE_WIDE FUEL_NO_ROW
#define FUSE_NARROW FUEL_ROW
#include "wasm/fuse.def"
#undef FUSE_WIDE
#undef FUSE_NARROW
#undef FUSE_BOTH
#undef FUSE_FIRST
    },
};
#undef FUEL_FREE
#undef FUEL_LENGTH
#pragma GCC diagnostic pop

u32
gbx_wasm_fuel_cost(const wasm_module *m, const wasm_code *code, const u8 *insn, u8 op)
{
    bool const is_end = insn == m->bytes + code->body_end - 1; /* a return in our copy */
    return is_end ? 0 : gbx_wasm_fuel_costs[WASM_FUSE_NONE][op];
}

/* Instructions of the sequence that a byte begins; 1 where it begins none. */
static u32
fuel_sequence(wasm_fuse_set set, u8 byte)
{
    static const u8 wide[256] = {
#define FUSE_WIDE(number, name, count, seq) [number] = (count),
#define FUSE_NARROW FUEL_NO_ROW
#define FUSE_BOTH(number, name, count, seq) [number] = (count),
#define FUSE_FIRST(number, name, first)
#include "wasm/fuse.def"
#undef FUSE_WIDE
#undef FUSE_NARROW
    };
    static const u8 narrow[256] = {
#define FUSE_WIDE FUEL_NO_ROW
#define FUSE_NARROW(number, name, count, seq) [number] = (count),
#include "wasm/fuse.def"
#undef FUSE_WIDE
#undef FUSE_NARROW
#undef FUSE_BOTH
#undef FUSE_FIRST
    };
    u8 const count = set == WASM_FUSE_WIDE ? wide[byte] : set == WASM_FUSE_NARROW ? narrow[byte] : 0;
    return count ? count : 1;
}

u32
gbx_wasm_fuel_behind(const wasm_module *m, const wasm_code *code, const u8 *pc)
{
    const u8 *at = m->bytes + code->insns_off;
    const u8 *const end = m->bytes + code->body_end;
    const u8 *const unfuse = gbx_wasm_unfuse[m->fuse_set];
    u32 left = 0, cost = 0; /* of the sequence, from `at` on */
    if (pc <= at || pc > end) return 0;
    for (; at < pc; at += gbx_wasm_insn_len(m, at)) {
        if (left == 0) left = fuel_sequence(m->fuse_set, *at);
        left--;
    }
    for (; left && at < end; left--, at += gbx_wasm_insn_len(m, at))
        cost += gbx_wasm_fuel_cost(m, code, at, unfuse[*at]);
    return cost;
}
