/* Matching of fused sequences in a validated body; see fuse.def.
 *
 * One walk with the latest eight opcodes in a word. A sequence is marked when its last instruction is
 * met, unless its first stands inside one that is marked; it may swallow marks, which then are never
 * executed.
 *
 * SAFETY: bytes are only ever replaced at the start of an instruction that has been validated, by a
 * byte that no module can bring (validation refuses it), inside our own copy. Labels end a run, so no
 * branch can land inside a sequence. */
#include "wasm/fuse.h"

#define SEQ1(a) ((u64)OP_##a)
#define SEQ2(a, b) (SEQ1(a) << 8 | OP_##b)
#define SEQ3(a, b, c) (SEQ2(a, b) << 8 | OP_##c)
#define SEQ4(a, b, c, d) (SEQ3(a, b, c) << 8 | OP_##d)
#define SEQ5(a, b, c, d, e) (SEQ4(a, b, c, d) << 8 | OP_##e)
#define SEQ6(a, b, c, d, e, f) (SEQ5(a, b, c, d, e) << 8 | OP_##f)
#define SEQ7(a, b, c, d, e, f, g) (SEQ6(a, b, c, d, e, f) << 8 | OP_##g)
#define SEQ8(a, b, c, d, e, f, g, h) (SEQ7(a, b, c, d, e, f, g) << 8 | OP_##h)

/* Both tables set some entries twice, on purpose: the later one counts. */
#pragma GCC diagnostic push
#ifdef __clang__
#pragma GCC diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif
/* Opcodes that end a row of either set. */
static const bool fuse_ends[256] = {
#define FUSE_WIDE(number, name, count, seq) [(seq) & 0xff] = true,
#define FUSE_NARROW(number, name, count, seq) [(seq) & 0xff] = true,
#define FUSE_BOTH(number, name, count, seq) [(seq) & 0xff] = true,
#define FUSE_FIRST(number, name, first)
#include "wasm/fuse.def"
#undef FUSE_WIDE
#undef FUSE_NARROW
#undef FUSE_BOTH
#undef FUSE_FIRST
};

#define FUSE_ROW(i) (i), (i) + 1, (i) + 2, (i) + 3, (i) + 4, (i) + 5, (i) + 6, (i) + 7
#define FUSE_ROWS(i) FUSE_ROW(i), FUSE_ROW((i) + 8), FUSE_ROW((i) + 16), FUSE_ROW((i) + 24)
#define FUSE_ALL FUSE_ROWS(0), FUSE_ROWS(32), FUSE_ROWS(64), FUSE_ROWS(96), \
                 FUSE_ROWS(128), FUSE_ROWS(160), FUSE_ROWS(192), FUSE_ROWS(224)
#define FUSE_HEAD(number, count, seq) [number] = (u8)((seq) >> 8 * ((count) - 1)),
const u8 gbx_wasm_unfuse[WASM_FUSE_SETS][256] = {
    [WASM_FUSE_WIDE] = {
        FUSE_ALL,
#define FUSE_WIDE(number, name, count, seq) FUSE_HEAD(number, count, seq)
#define FUSE_NARROW(number, name, count, seq)
#define FUSE_BOTH(number, name, count, seq) FUSE_HEAD(number, count, seq)
#define FUSE_FIRST(number, name, first) [number] = OP_##first,
#include "wasm/fuse.def"
#undef FUSE_WIDE
#undef FUSE_NARROW
    },
    [WASM_FUSE_NARROW] = {
        FUSE_ALL,
#define FUSE_WIDE(number, name, count, seq)
#define FUSE_NARROW(number, name, count, seq) FUSE_HEAD(number, count, seq)
#include "wasm/fuse.def"
#undef FUSE_WIDE
#undef FUSE_NARROW
#undef FUSE_BOTH
#undef FUSE_FIRST
    },
};
#pragma GCC diagnostic pop

const u8 gbx_wasm_cold[1] = {FUSED_COLD};

/* What the walk remembers. */
typedef struct fuse_state {
    u64 ops;        /* the latest eight opcodes, the newest lowest; 0 (unreachable) ends a run */
    const u8 *at[8]; /* where they stand, by count modulo 8 */
    u32 count;
    u32 inside;     /* bit n: the instruction n back stands in a marked sequence, not at its head */
} fuse_state;

/* The longest row that fits: its length, 0 for none, and its byte. */
typedef struct fuse_found {
    u32 count;
    u8 fused;
} fuse_found;

/* PERF: inlined with `set` and `last` known, each use keeps only the rows of that set that end with it. */
__attribute__((always_inline)) static inline fuse_found
fuse_find(const fuse_state *s, wasm_fuse_set set, u8 last)
{
    fuse_found best = {0, 0};
#define FUSE_TRY(is_in, number, len, seq)                                                     \
    if ((is_in) && (u8)(seq) == last && (len) > best.count &&                                 \
        (s->ops & ~(u64)0 >> (64 - 8 * (len))) == (seq) && !(s->inside >> ((len)-1) & 1))     \
        best = (fuse_found){(len), (number)};
#define FUSE_WIDE(number, name, len, seq) FUSE_TRY(set == WASM_FUSE_WIDE, number, len, seq)
#define FUSE_NARROW(number, name, len, seq) FUSE_TRY(set == WASM_FUSE_NARROW, number, len, seq)
#define FUSE_BOTH(number, name, len, seq) FUSE_TRY(true, number, len, seq)
#define FUSE_FIRST(number, name, first)
#include "wasm/fuse.def"
#undef FUSE_WIDE
#undef FUSE_NARROW
#undef FUSE_BOTH
#undef FUSE_FIRST
    return best;
}

__attribute__((always_inline)) static inline fuse_found
fuse_find_last(const fuse_state *s, wasm_fuse_set set)
{
    switch ((u8)s->ops) {
    case OP_LOCAL_GET: return fuse_find(s, set, OP_LOCAL_GET);
    case OP_LOCAL_SET: return fuse_find(s, set, OP_LOCAL_SET);
    case OP_LOCAL_TEE: return fuse_find(s, set, OP_LOCAL_TEE);
    case OP_I64_CONST: return fuse_find(s, set, OP_I64_CONST);
    case OP_I64_LOAD: return fuse_find(s, set, OP_I64_LOAD);
    case OP_I64_STORE: return fuse_find(s, set, OP_I64_STORE);
    case OP_I64_ADD: return fuse_find(s, set, OP_I64_ADD);
    case OP_I32_ADD: return fuse_find(s, set, OP_I32_ADD);
    case OP_I32_CONST: return fuse_find(s, set, OP_I32_CONST);
    case OP_I32_LOAD: return fuse_find(s, set, OP_I32_LOAD);
    case OP_I32_WRAP_I64: return fuse_find(s, set, OP_I32_WRAP_I64);
    case OP_IF: return fuse_find(s, set, OP_IF);
    case OP_BR_IF: return fuse_find(s, set, OP_BR_IF);
    case OP_BR: return fuse_find(s, set, OP_BR);
    case OP_GLOBAL_SET: return fuse_find(s, set, OP_GLOBAL_SET);
    case OP_CALL: return fuse_find(s, set, OP_CALL);
    default: return fuse_find(s, set, (u8)s->ops);
    }
}

static void
fuse_match(fuse_state *s, u8 *bytes, wasm_fuse_set set)
{
    fuse_found const best = set == WASM_FUSE_WIDE ? fuse_find_last(s, WASM_FUSE_WIDE)
                                                  : fuse_find_last(s, WASM_FUSE_NARROW);
    if (!best.count) return;
    s->inside |= (1u << (best.count - 1)) - 1;
    __atomic_store_n(bytes + (s->at[(s->count - best.count) & 7] - bytes), best.fused, __ATOMIC_RELAXED);
}

void
gbx_wasm_fuse_body(const wasm_module *m, wasm_code *code)
{
    fuse_state s = {0};
    const u8 *pc = m->bytes + code->insns_off;
    const u8 *const end = m->bytes + code->body_end;
    while (pc < end) {
        u8 const op = gbx_wasm_unfuse[m->fuse_set][__atomic_load_n(pc, __ATOMIC_RELAXED)];
        u32 const len = gbx_wasm_insn_len(m, pc);
        bool const is_index = gbx_wasm_ops[op].imm == IMM_IDX && op != OP_CALL;
        if (op == OP_BLOCK || op == OP_LOOP || op == OP_ELSE || op == OP_END || (is_index && len > 2)) {
            s.ops = 0;
        } else {
            s.ops = s.ops << 8 | op;
            s.inside <<= 1;
            s.at[s.count++ & 7] = pc;
            if (fuse_ends[op]) fuse_match(&s, m->bytes, m->fuse_set);
        }
        pc += len;
    }
}
