/* Bytes to blocks: one walk over the instructions that can be reached.
 *
 * The walk goes forward only. A branch notes its target as a leader, with the height and the entry of
 * the side table there; where the walk can not run on, it goes on at the nearest leader ahead, so that bytes
 * nothing leads to are never looked at. That finds every leader before the walk passes it, because in the
 * order of the bytes the first way to any instruction is a forward one: a backward branch leads behind a
 * loop's opening, which the walk makes a leader when it passes it, or, threaded, to a target of the
 * br_table at the head of the loop around it, which the walk has passed as well. What no branch came to is
 * joined with the block before, at the end.
 *
 * Targets are taken from the side table, whose entries count from the byte behind the branch's opcode. They
 * skip `end`, `nop` and runs of block openings.
 *
 * SAFETY: the body passed validation: immediates end inside it, indices are in their spaces, operands
 * are there, the side table's targets are instructions of the body. Code that validation took for
 * unreachable, whose heights mean nothing, is never walked: only branches that are walked make leaders.
 * A target behind the walk that is no leader would be our mistake and stops the process.
 * SPEC: core/binary/instructions.html */
#include <string.h>

#include "codegen/facts_int.h"
#include "wasm/fuse.h"

enum { WALK_LEVELS = 3, WALK_COPY_LOOKED = 64 };

typedef struct facts_walk {
    facts_space *s;
    const wasm_module *m;
    facts *f;
    const u8 *base; /* the body's instructions */
    u32 len;
    const wasm_side *sides;
    const u8 *unfuse;
    u32 func_results, imported_funcs;
    bool wide_memory; /* memory 0 has 64-bit addresses, or there is none */

    const u8 *pc, *limit; /* next byte, nearest leader ahead */
    u64 *levels[WALK_LEVELS]; /* of leaders, a bit a byte; see facts_walk_next */
    u32 words[WALK_LEVELS];
    u32 *at, *accesses;
    const u8 *copy_get_end, *copy_set_at; /* see facts_walk_copy */
    u32 copy_local, copy_global, copy_got;
    bool copy_stale, copy_failed;
    u32 side, height;
    u32 insns, has, access; /* of the open block, and in all */
    u64 offset_max;
    u32 height_max;
    /* The latest `i32.const; local.set` side by side, and where a branch behind them stands. */
    const u8 *const_at, *const_end, *set_end;
    u32 set_local;
    bool failed; /* memory is short */
} facts_walk;

#define NIL 0
#define I32 1
#define I64 1
#define F32 1
#define F64 1
#define V128 1
/* What a plain instruction does to the number of operands. */
static const i8 facts_walk_deltas[256] = {
#define OP(number, name, text, imm, a, b, out, meaning) [number] = (out) - (a) - (b),
#define OP_FC(number, name, text, imm, a, b, out, meaning)
#include "wasm/opcodes.def"
#undef OP
#undef OP_FC
};
static const i8 facts_walk_deltas_fd[OP_FD_COUNT] = {
#define OP_FD(number, name, text, imm, a, b, c, out, meaning) [number] = (out) - (a) - (b) - (c),
#include "wasm/opcodes_fd.def"
#undef OP_FD
};
#undef NIL
#undef I32
#undef I64
#undef F32
#undef F64
#undef V128

/* Behind 0xFC: operands, and what they are a sign of. */
static const struct {
    i8 delta;
    u16 has;
} facts_walk_fc[OP_FC_COUNT] = {
    [OP_FC_MEMORY_INIT] = {-3, FACTS_BULK}, [OP_FC_DATA_DROP] = {0, FACTS_BULK},
    [OP_FC_MEMORY_COPY] = {-3, FACTS_BULK}, [OP_FC_MEMORY_FILL] = {-3, FACTS_BULK},
    [OP_FC_TABLE_INIT] = {-3, FACTS_TABLE}, [OP_FC_ELEM_DROP] = {0, FACTS_TABLE},
    [OP_FC_TABLE_COPY] = {-3, FACTS_TABLE}, [OP_FC_TABLE_GROW] = {-1, FACTS_TABLE},
    [OP_FC_TABLE_SIZE] = {1, FACTS_TABLE},  [OP_FC_TABLE_FILL] = {-3, FACTS_TABLE},
};

static inline const u8 *
facts_walk_skip(const u8 *pc)
{
    while (GBX_UNLIKELY(*pc & 0x80)) pc++;
    return pc + 1;
}

static u64
facts_walk_u64_slow(const u8 **pc)
{
    u64 v = 0;
    for (unsigned shift = 0;; shift += 7) {
        u8 const b = *(*pc)++;
        if (shift < 64) v |= (u64)(b & 0x7f) << shift;
        if (!(b & 0x80)) return v;
    }
}

static inline u32
facts_walk_u32(const u8 **pc)
{
    if (GBX_LIKELY(**pc < 0x80)) return *(*pc)++;
    return (u32)facts_walk_u64_slow(pc);
}

static void
facts_walk_beyond(facts_walk *w, const u8 *insn, u32 what)
{
    if (!w->f->beyond) w->f->beyond_off = (u32)(insn - w->m->bytes);
    w->f->beyond |= what;
}

static void
facts_walk_table(facts_walk *w, const u8 *insn, u32 idx)
{
    if (w->m->tables[idx].limits.is_64) facts_walk_beyond(w, insn, FACTS_BEYOND_MEMORY64);
}

static void
facts_walk_memory(facts_walk *w, const u8 *insn, u32 idx)
{
    if (w->m->memories[idx].is_64) facts_walk_beyond(w, insn, FACTS_BEYOND_MEMORY64);
}

/* The immediates of an access that are not two bytes, or whose memory is not the usual one. */
static void
facts_walk_memarg(facts_walk *w, const u8 *insn, const u8 **pc)
{
    u8 const flags = *(*pc)++;
    u32 const idx = flags & OP_MEMARG_HAS_MEMORY ? facts_walk_u32(pc) : 0;
    u64 const offset = facts_walk_u64_slow(pc);
    w->offset_max = max_u64(w->offset_max, offset);
    facts_walk_memory(w, insn, idx);
}

/* ---- Leaders */

/* The nearest leader at or behind `off`; the body's length where there is none. Each level has a bit for
 * a word of the one below that is not 0, so that the time is bounded however far away a leader is. */
static u32
facts_walk_next(const facts_walk *w, u32 off)
{
    u32 at = off;
    for (u32 level = 0; level < WALK_LEVELS; level++, at = at / 64 + 1) {
        if (at / 64 >= w->words[level]) return w->len;
        u64 word = w->levels[level][at / 64] & ~0ull << at % 64;
        while (level == WALK_LEVELS - 1 && !word && at / 64 + 1 < w->words[level]) {
            at = (at / 64 + 1) * 64;
            word = w->levels[level][at / 64];
        }
        if (!word) continue;
        at = at / 64 * 64 + (u32)__builtin_ctzll(word);
        while (level--) at = at * 64 + (u32)__builtin_ctzll(w->levels[level][at]);
        return at;
    }
    return w->len;
}

/* An edge from the branch before w->pc leads to `off`. */
static void
facts_walk_leader(facts_walk *w, u32 off, u32 height, u32 side)
{
    u64 const bit = 1ull << off % 64;
    if (off == w->len - 1) height = w->func_results;
    if (w->levels[0][off / 64] & bit) return;
    GBX_ASSERT(off < w->len && w->base + off >= w->pc);
    facts_space *const s = w->s;
    if (!gbx_codegen_facts_grow(&s->leaders, (u64)s->leader_count + 1, sizeof(facts_leader))) {
        w->failed = true;
        return;
    }
    for (u32 level = 0, at = off; level < WALK_LEVELS; level++, at /= 64)
        w->levels[level][at / 64] |= 1ull << at % 64;
    w->at[off] = s->leader_count;
    ((facts_leader *)s->leaders.items)[s->leader_count++] = (facts_leader){height, side};
    if (w->base + off < w->limit) w->limit = w->base + off;
}

/* An edge of the open block; until the walk is over, `to` is an offset into the body. Room was made. */
static void
facts_walk_edge(facts_walk *w, u32 off, u32 shuffle)
{
    ((facts_edge *)w->s->edges.items)[w->s->edge_count++] = (facts_edge){off, shuffle};
}

static bool
facts_walk_edge_room(facts_walk *w, u64 more)
{
    if (!gbx_codegen_facts_grow(&w->s->edges, w->s->edge_count + more, sizeof(facts_edge)))
        w->failed = true;
    return !w->failed;
}

/* The edge of side entry `idx`, of a branch whose opcode ends at `origin`. */
static void
facts_walk_branch(facts_walk *w, const u8 *origin, u32 idx)
{
    const wasm_side *const e = &w->sides[idx];
    u32 const off = (u32)(origin + e->pc_delta - w->base);
    facts_walk_leader(w, off, w->height - WASM_SIDE_DROP(e->shuffle), (u32)((i64)idx + e->side_delta));
    facts_walk_edge(w, off, e->shuffle & ~WASM_SIDE_THREADED);
}

/* What follows a branch that may not be taken. */
static void
facts_walk_follow(facts_walk *w)
{
    while (*w->pc == OP_END || *w->pc == OP_NOP) w->pc++;
    u32 const off = (u32)(w->pc - w->base);
    facts_walk_leader(w, off, w->height, w->side);
    facts_walk_edge(w, off, 0);
}

/* ---- Exits. Each leaves w->pc behind the instruction. */

/* A block is `local.get L; br_table`: is it the entry's dispatch? */
static void
facts_walk_dispatch(facts_walk *w, facts_block *b, u32 block)
{
    b->marks |= FACTS_MARK_DISPATCH;
    facts *const f = w->f;
    if (block > 1 || f->dispatch != FACTS_NONE) return;
    const facts_block *const first = w->s->blocks.items;
    u32 const local = FACTS_ACCESS_IDX(w->accesses[b->access]);
    if (block == 1) {
        if (first->exit != FACTS_FALL) return;
        for (u32 i = 0; i < first->access_count; i++)
            if (w->accesses[first->access + i] == FACTS_ACCESS(local, FACTS_LOCAL_WRITE)) return;
    }
    f->dispatch = block;
    f->dispatch_local = local;
}

static void
facts_walk_br_table(facts_walk *w, facts_block *b)
{
    const u8 *const origin = w->pc;
    u32 const count = facts_walk_u32(&w->pc) + 1;
    for (u32 i = 0; i < count; i++) w->pc = facts_walk_skip(w->pc);
    if (!facts_walk_edge_room(w, count)) return;
    for (u32 i = 0; i < count && !w->failed; i++) facts_walk_branch(w, origin, w->side + i);
    b->exit = FACTS_SWITCH;
    b->edge_count = count;
    w->side += count;
    if (w->insns == 2 && w->s->access_count - b->access == 1 &&
        FACTS_ACCESS_KIND(w->accesses[b->access]) == FACTS_LOCAL_READ)
        facts_walk_dispatch(w, b, (u32)(b - (facts_block *)w->s->blocks.items));
}

/* Is the br at `insn`, which leads to `off`, a jump to the entry's dispatch? For the report alone. */
static void
facts_walk_count_jump(facts_walk *w, const u8 *insn, u32 off)
{
    facts *const f = w->f;
    if (f->dispatch == FACTS_NONE) return;
    const facts_block *const d = (const facts_block *)w->s->blocks.items + f->dispatch;
    bool is_threaded = false;
    if (w->set_end == insn && w->set_local == f->dispatch_local) {
        const u8 *at = w->const_at + 1;
        u64 const k = facts_walk_u64_slow(&at);
        u8 const last = at[-1];
        u64 const high = last & 0x40 ? ~0ull << 7 * min_u64((u64)(at - w->const_at - 1), 9) : 0;
        u32 const entry = (u32)min_u64((u32)(k | high), d->edge_count - 1);
        is_threaded = ((const facts_edge *)w->s->edges.items)[d->edge + entry].to == off;
    }
    bool const is_plain = off == d->off - (u32)(w->base - w->m->bytes);
    f->jumps += is_threaded || is_plain;
    f->jumps_threaded += is_threaded;
}

static void
facts_walk_exit(facts_walk *w, facts_block *b, const u8 *insn, u8 op)
{
    const u8 *const origin = w->pc;
    b->edge = w->s->edge_count;
    if (!facts_walk_edge_room(w, 2)) return;
    switch (op) {
    case OP_BR:
    case OP_ELSE:
        if (w->sides[w->side].shuffle & WASM_SIDE_THREADED) w->has |= FACTS_THREADED;
        facts_walk_branch(w, origin, w->side++);
        if (op == OP_BR) facts_walk_count_jump(w, insn, ((facts_edge *)w->s->edges.items)[b->edge].to);
        b->exit = FACTS_JUMP;
        b->edge_count = 1;
        break;
    case OP_BR_IF:
    case OP_IF:
        w->pc = facts_walk_skip(w->pc);
        facts_walk_branch(w, origin, w->side++);
        facts_walk_follow(w);
        b->exit = op == OP_IF ? FACTS_IF : FACTS_BR_IF;
        b->edge_count = 2;
        break;
    case OP_BR_TABLE: facts_walk_br_table(w, b); break;
    case OP_UNREACHABLE: b->exit = FACTS_TRAP; break;
    case OP_RETURN: b->exit = FACTS_RETURN; break;
    default: b->exit = FACTS_TAIL; break;
    }
}

/* ---- Straight code */

/* A run of block openings at `insn`, one opening, or a loop's: returns what is behind it. */
static const u8 *
facts_walk_opening(facts_walk *w, const u8 *insn, u8 op)
{
    u8 const raw = *insn;
    const u8 *end = facts_walk_skip(insn + 1);
    bool has_loop = op == OP_LOOP;
    if (raw == FUSED_BLOCKS || raw == FUSED_LOOPS) {
        end = insn + 1 + w->sides[w->side++].pc_delta;
        for (const u8 *p = insn + 2; p < end && !has_loop; p += 2) has_loop = *p == OP_LOOP;
    }
    if (!has_loop) return end;
    w->pc = end;
    facts_walk_leader(w, (u32)(end - w->base), w->height, w->side);
    if (!w->failed)
        ((facts_leader *)w->s->leaders.items)[w->at[end - w->base]].height |= 1u << 31; /* maybe */
    return end;
}

/* What operands a call takes and leaves, as a difference. */
static u32
facts_walk_call_delta(facts_walk *w, const wasm_functype *t)
{
    w->f->values_max = max_u32(w->f->values_max, max_u32(t->param_count, t->result_count));
    return t->result_count - t->param_count;
}

static const u8 *
facts_walk_call_indirect(facts_walk *w, const u8 *insn, const u8 *pc, u32 *height)
{
    u32 const type_idx = facts_walk_u32(&pc);
    facts_walk_table(w, insn, facts_walk_u32(&pc));
    w->has |= FACTS_CALL_INDIRECT;
    *height += facts_walk_call_delta(w, &w->m->types[type_idx]) - 1;
    return pc;
}

static const u8 *
facts_walk_call(facts_walk *w, const u8 *insn, const u8 *pc, u32 *height)
{
    u32 const idx = facts_walk_u32(&pc);
    const wasm_functype *const t = &w->m->types[w->m->func_types[idx]];
    bool const is_zero = w->const_end == insn && w->const_at[1] == 0;
    w->has |= idx < w->imported_funcs ? (u32)FACTS_CALL | FACTS_CALL_IMPORT : (u32)FACTS_CALL;
    if (!is_zero && (t->param_count || t->result_count)) w->has |= FACTS_CALL_VALUES;
    *height += facts_walk_call_delta(w, t);
    return pc;
}

/* Behind the prefixes 0xFC and 0xFD. */
static const u8 *
facts_walk_prefixed(facts_walk *w, const u8 *insn, u32 *height)
{
    const u8 *pc = insn + 1;
    u32 const sub = facts_walk_u32(&pc);
    if (*insn == OP_PREFIX_FD) {
        facts_walk_beyond(w, insn, FACTS_BEYOND_SIMD);
        u8 const imm = gbx_wasm_ops_fd[sub].imm;
        if ((imm >= IMM_MEM1 && imm <= IMM_MEM16) || (imm >= IMM_LANEMEM1 && imm <= IMM_LANEMEM8)) {
            facts_walk_memarg(w, insn, &pc);
            w->has |= FACTS_MEMORY;
        }
        *height = (u32)((i32)*height + facts_walk_deltas_fd[sub]);
        return insn + gbx_wasm_insn_len(w->m, insn);
    }
    *height = (u32)((i32)*height + facts_walk_fc[sub].delta); /* truncations: one operand for another */
    w->has |= facts_walk_fc[sub].has;
    switch (sub) {
    case OP_FC_MEMORY_INIT: (void)facts_walk_u32(&pc); facts_walk_memory(w, insn, facts_walk_u32(&pc)); break;
    case OP_FC_MEMORY_COPY: facts_walk_memory(w, insn, facts_walk_u32(&pc)); /* fallthrough */
    case OP_FC_MEMORY_FILL: facts_walk_memory(w, insn, facts_walk_u32(&pc)); break;
    case OP_FC_TABLE_INIT: (void)facts_walk_u32(&pc); facts_walk_table(w, insn, facts_walk_u32(&pc)); break;
    case OP_FC_TABLE_COPY: facts_walk_table(w, insn, facts_walk_u32(&pc)); /* fallthrough */
    case OP_FC_TABLE_GROW:
    case OP_FC_TABLE_SIZE:
    case OP_FC_TABLE_FILL: facts_walk_table(w, insn, facts_walk_u32(&pc)); break;
    case OP_FC_DATA_DROP:
    case OP_FC_ELEM_DROP: pc = facts_walk_skip(pc); break;
    default: break;
    }
    return pc;
}

/* Whether nothing has been done with a local but for the latest of so many accesses, the function's first.
 * Where they are many it is not looked at: Go's functions begin with their copy, and others may have
 * thousands. */
static bool
facts_walk_is_new(const u32 *accesses, u32 count, u32 idx)
{
    if (count > WALK_COPY_LOOKED) return false;
    for (u32 i = 0; i + 1 < count; i++)
        if (accesses[i] == FACTS_ACCESS(idx, (u32)FACTS_LOCAL_READ) ||
            accesses[i] == FACTS_ACCESS(idx, (u32)FACTS_LOCAL_WRITE))
            return false;
    return true;
}

/* A local is set or teed at `insn`, whose immediates end at `pc`, the latest of so many accesses: is it, or
 * does it stay, a copy of a global (facts.copy_local)? The first instructions of a function propose which;
 * what a local has before, be it only its 0, is nobody's copy. Each write must be
 *     global.get G; local.set X       or, of any value,
 *     local.tee X; global.set G       or   local.set X; local.get X; global.set G
 * with nothing between, so that nobody sees one without the other. Indices of several bytes are not looked
 * at. */
__attribute__((noinline)) static void
facts_walk_copy(facts_walk *w, const u8 *insn, const u8 *pc, u32 idx, u32 accesses, bool is_tee)
{
    bool const is_copy = insn == w->copy_get_end && !is_tee;
    if (w->copy_local == FACTS_NONE && is_copy && w->s->block_count == 1 && !w->copy_failed &&
        facts_walk_is_new(w->accesses, accesses, idx)) {
        w->copy_local = idx;
        w->copy_global = w->copy_got;
    }
    if (idx != w->copy_local) return;
    if (is_copy && w->copy_got == w->copy_global) {
        w->copy_stale = false;
        return;
    }
    const u8 *at = pc;
    if (!is_tee) at = w->unfuse[at[0]] == OP_LOCAL_GET && at[1] == idx ? at + 2 : w->limit;
    bool const is_both = at + 2 <= w->limit && w->unfuse[at[0]] == OP_GLOBAL_SET && at[1] == w->copy_global &&
                         idx < 0x80 && w->copy_global < 0x80;
    if (!is_both) w->copy_failed = true;
    w->copy_set_at = at;
    w->copy_stale = false;
}

/* `local.get; br_table` behind other instructions of the first block: a block of its own from `insn`
 * on, so that it can be the entry's dispatch. An index of several bytes is not looked for. */
static bool
facts_walk_splits(facts_walk *w, const facts_block *b, const u8 *insn, u32 insns, u32 height)
{
    if (b != w->s->blocks.items || insns == 1 || insn[1] >= 0x80) return false;
    w->pc = insn;
    facts_walk_leader(w, (u32)(insn - w->base), height, w->side);
    return true;
}

/* From w->pc to the block's exit or the next leader. False: an exception, or memory is short.
 * STYLE: one function because its state is in registers: a case is an instruction's immediates and
 * what it does to the number of operands. */
static bool
facts_walk_block(facts_walk *w, facts_block *b)
{
    const u8 *pc = w->pc;
    u32 height = w->height, insns = 0, height_max = w->height_max;
    w->copy_stale = b == w->s->blocks.items; /* later blocks take over what those before them leave */
    w->copy_get_end = NULL;
    u32 *const accesses = w->accesses;
    u32 access = w->access;
    const u8 *const unfuse = w->unfuse;
    w->has = 0;
    for (;;) {
        if (height > height_max) height_max = height;
        if (GBX_UNLIKELY(pc >= w->limit)) break;
        const u8 *const insn = pc;
        u8 const op = unfuse[*pc++];
        insns++;
        switch (op) {
        case OP_NOP:
        case OP_END: insns--; continue;
        case OP_BLOCK:
            if (GBX_LIKELY(*insn == OP_BLOCK)) {
                insns--;
                pc = facts_walk_skip(pc);
                continue;
            } /* fallthrough */
        case OP_LOOP:
            insns--;
            w->height = height;
            pc = facts_walk_opening(w, insn, op);
            if (GBX_UNLIKELY(w->failed)) return false;
            continue;
        case OP_ELSE: insns--; /* fallthrough */
        case OP_BR:
        case OP_RETURN:
        case OP_UNREACHABLE: goto leave;
        case OP_BR_IF:
        case OP_BR_TABLE:
        case OP_IF: height--; goto leave;
        case OP_RETURN_CALL:
            pc = facts_walk_call(w, insn, pc, &height);
            w->has |= FACTS_TAIL_CALL;
            goto leave;
        case OP_RETURN_CALL_INDIRECT:
            pc = facts_walk_call_indirect(w, insn, pc, &height);
            w->has |= FACTS_TAIL_CALL;
            goto leave;
        case OP_THROW:
        case OP_THROW_REF:
        case OP_TRY_TABLE: facts_walk_beyond(w, insn, FACTS_BEYOND_EXCEPTIONS); return false;
        case OP_CALL:
            pc = facts_walk_call(w, insn, pc, &height);
            w->copy_stale = true;
            continue;
        case OP_CALL_INDIRECT:
            pc = facts_walk_call_indirect(w, insn, pc, &height);
            w->copy_stale = true;
            continue;
        case OP_LOCAL_GET:
            if (GBX_UNLIKELY(pc[1] == OP_BR_TABLE) && facts_walk_splits(w, b, insn, insns, height)) {
                if (w->failed) return false;
                pc = insn;
                insns--;
                continue;
            }
            {
                u32 const idx = facts_walk_u32(&pc);
                accesses[access++] = FACTS_ACCESS(idx, (u32)FACTS_LOCAL_READ);
                if (GBX_UNLIKELY(idx == w->copy_local) && w->copy_stale) w->copy_failed = true;
            }
            height++;
            continue;
        case OP_LOCAL_SET: {
            u32 const idx = facts_walk_u32(&pc);
            accesses[access++] = FACTS_ACCESS(idx, (u32)FACTS_LOCAL_WRITE);
            height--;
            if (insn == w->copy_get_end || idx == w->copy_local)
                facts_walk_copy(w, insn, pc, idx, access, false);
            if (insn == w->const_end) {
                w->set_end = pc;
                w->set_local = idx;
            }
            continue;
        }
        case OP_LOCAL_TEE: {
            u32 const idx = facts_walk_u32(&pc);
            accesses[access++] = FACTS_ACCESS(idx, (u32)FACTS_LOCAL_WRITE);
            if (idx == w->copy_local) facts_walk_copy(w, insn, pc, idx, access, true);
            continue;
        }
        case OP_GLOBAL_GET:
            w->copy_got = facts_walk_u32(&pc);
            w->copy_get_end = pc;
            accesses[access++] = FACTS_ACCESS(w->copy_got, (u32)FACTS_GLOBAL_READ);
            height++;
            continue;
        case OP_GLOBAL_SET: {
            u32 const idx = facts_walk_u32(&pc);
            accesses[access++] = FACTS_ACCESS(idx, (u32)FACTS_GLOBAL_WRITE);
            if (idx == w->copy_global && insn != w->copy_set_at) w->copy_failed = true;
            height--;
            continue;
        }
        case OP_I32_CONST:
            pc = facts_walk_skip(pc);
            w->const_at = insn;
            w->const_end = pc;
            height++;
            continue;
        case OP_I64_CONST: pc = facts_walk_skip(pc); height++; continue;
        case OP_F32_CONST: pc += 4; height++; continue;
        case OP_F64_CONST: pc += 8; height++; continue;
        case OP_DROP: height--; continue;
        case OP_SELECT: height -= 2; continue;
        case OP_SELECT_T: pc = insn + gbx_wasm_insn_len(w->m, insn); height -= 2; continue;
        case OP_REF_NULL: pc = facts_walk_skip(pc); height++; continue;
        case OP_REF_FUNC: w->has |= FACTS_TABLE; pc = facts_walk_skip(pc); height++; continue;
        case OP_TABLE_SET: height -= 2; /* fallthrough */
        case OP_TABLE_GET:
            w->has |= FACTS_TABLE;
            facts_walk_table(w, insn, facts_walk_u32(&pc));
            continue;
        case OP_MEMORY_GROW: w->has |= FACTS_MEMORY_GROW; height--; /* fallthrough */
        case OP_MEMORY_SIZE:
            facts_walk_memory(w, insn, facts_walk_u32(&pc));
            height++;
            continue;
        case OP_PREFIX_FC:
        case OP_PREFIX_FD: pc = facts_walk_prefixed(w, insn, &height); continue;
        default: break;
        }
        height = (u32)((i32)height + facts_walk_deltas[op]);
        if (op < OP_I32_LOAD || op > OP_I64_STORE32) continue;
        w->has |= FACTS_MEMORY;
        if (GBX_LIKELY(!(*pc & OP_MEMARG_HAS_MEMORY) && pc[1] < 0x80 && !w->wide_memory)) {
            if (GBX_UNLIKELY(pc[1] > w->offset_max)) w->offset_max = pc[1];
            pc += 2;
        } else {
            facts_walk_memarg(w, insn, &pc);
        }
        continue;
    leave:
        w->pc = pc;
        w->height = height;
        w->height_max = height_max;
        w->insns = insns;
        w->access = w->s->access_count = access;
        facts_walk_exit(w, b, insn, op);
        goto close;
    }
    w->pc = pc;
    w->height = height;
    w->height_max = height_max;
    w->insns = insns;
    w->access = w->s->access_count = access;
    GBX_ASSERT(pc == w->limit);
    b->exit = FACTS_FALL;
    b->edge = w->s->edge_count;
    b->edge_count = 1;
    if (!facts_walk_edge_room(w, 1)) return false;
    facts_walk_edge(w, (u32)(pc - w->base), 0);
close:
    b->end = (u32)(w->pc - w->m->bytes);
    b->insns = w->insns;
    b->has = (u16)w->has;
    b->access_count = w->access - b->access;
    return !w->failed;
}

/* Open the block of the leader at `off`. NULL: memory is short. */
static facts_block *
facts_walk_open(facts_walk *w, u32 off)
{
    facts_space *const s = w->s;
    if (!gbx_codegen_facts_grow(&s->blocks, (u64)s->block_count + 1, sizeof(facts_block))) return NULL;
    facts_leader const l = ((const facts_leader *)s->leaders.items)[w->at[off]];
    facts_block *const b = (facts_block *)s->blocks.items + s->block_count;
    bool const is_end = off == w->len - 1;
    w->at[off] = s->block_count++;
    w->pc = w->base + off;
    w->height = l.height & ~(1u << 31);
    w->side = l.side;
    *b = (facts_block){.off = (u32)(w->pc - w->m->bytes), .access = w->access, .height = w->height};
    if (l.height >> 31) b->marks |= FACTS_MARK_MAYBE;
    if (is_end) b->marks |= FACTS_MARK_END;
    w->limit = w->base + facts_walk_next(w, off + 1);
    return b;
}

/* ---- What the walk leaves */

/* Edges lead to blocks now; those that go backwards give their targets a mark. */
static void
facts_walk_resolve(facts_walk *w)
{
    facts_space *const s = w->s;
    facts_block *const blocks = s->blocks.items;
    facts_edge *const edges = s->edges.items;
    for (u32 i = 0; i < s->block_count; i++) {
        facts_block *const b = &blocks[i];
        for (u32 k = b->edge; k < b->edge + b->edge_count; k++) {
            u32 const to = edges[k].to = w->at[edges[k].to];
            if (!facts_edge_is_backward(i, to)) {
                /* What may be joined has no way in but falling. */
                GBX_ASSERT_SLOW(!(blocks[to].marks & FACTS_MARK_MAYBE) ||
                                (to == i + 1 && b->exit == FACTS_FALL));
                continue;
            }
            blocks[to].marks |= FACTS_MARK_HEAD;
            b->has |= FACTS_LOOP;
            w->f->has |= FACTS_LOOP;
        }
    }
}

/* True when no branch came to the block behind a loop's opening: only the block before falls into it. */
static bool
facts_walk_is_joined(const facts_walk *w, const facts_block *b)
{
    u16 const marks = b->marks;
    return (marks & FACTS_MARK_MAYBE) && !(marks & FACTS_MARK_HEAD) &&
           b != (const facts_block *)w->s->blocks.items + (w->f->dispatch == 1);
}

/* Join such blocks with those before them. */
static void
facts_walk_join(facts_walk *w)
{
    facts_space *const s = w->s;
    facts_block *const blocks = s->blocks.items;
    facts_edge *const edges = s->edges.items;
    u32 *const moved = s->work[0].items;
    u32 count = 0;
    for (u32 i = 0; i < s->block_count; i++) {
        const facts_block *const b = &blocks[i];
        if (i == 0 || !facts_walk_is_joined(w, b)) {
            moved[i] = count;
            blocks[count] = *b;
            blocks[count++].marks &= (u8)~FACTS_MARK_MAYBE;
            continue;
        }
        facts_block *const last = &blocks[count - 1];
        last->end = b->end;
        last->edge = b->edge;
        last->edge_count = b->edge_count;
        if (last->has & FACTS_STALE) w->copy_failed = true; /* what follows was taken for fresh */
        last->access_count += b->access_count;
        last->insns += b->insns;
        last->has |= b->has;
        last->exit = b->exit;
        last->marks = (u8)((last->marks & ~FACTS_MARK_DISPATCH) |
                           (last->insns == b->insns ? b->marks & FACTS_MARK_DISPATCH : 0));
        moved[i] = count - 1;
    }
    if (count == s->block_count) return;
    for (u32 k = 0; k < s->edge_count; k++) edges[k].to = moved[edges[k].to];
    s->block_count = count;
}

static bool
facts_walk_init(facts_walk *w, const wasm_code *code)
{
    facts_space *const s = w->s;
    u32 const len = code->body_end - code->insns_off;
    u32 words = 0;
    for (u32 level = 0, n = len; level < WALK_LEVELS; level++) words += w->words[level] = n = (n + 63) / 64;
    s->leader_count = s->block_count = s->edge_count = s->access_count = 0;
    if (!gbx_codegen_facts_grow(&s->leader_bits, words, sizeof(u64)) ||
        !gbx_codegen_facts_grow(&s->at, len, sizeof(u32)) ||
        !gbx_codegen_facts_grow(&s->accesses, len / 2 + 1, sizeof(u32)))
        return false;
    memset(s->leader_bits.items, 0, words * sizeof(u64));
    w->base = w->m->bytes + code->insns_off;
    w->len = len;
    w->sides = code->side;
    w->unfuse = gbx_wasm_unfuse[w->m->fuse_set];
    w->func_results = code->result_count;
    w->imported_funcs = w->m->imported_funcs;
    w->wide_memory = w->m->memory_count == 0 || w->m->memories[0].is_64;
    w->levels[0] = s->leader_bits.items;
    for (u32 level = 1; level < WALK_LEVELS; level++)
        w->levels[level] = w->levels[level - 1] + w->words[level - 1];
    w->at = s->at.items;
    w->accesses = s->accesses.items;
    w->pc = code->entry;
    w->limit = w->base + len;
    facts_walk_leader(w, (u32)(code->entry - w->base), 0, 0);
    return !w->failed;
}

bool
gbx_codegen_facts_walk(facts_space *s, const wasm_module *m, const wasm_code *code, facts *f)
{
    facts_walk w = {.s = s, .m = m, .f = f, .copy_local = FACTS_NONE, .copy_global = FACTS_NONE};
    if (code->has_v128) f->beyond |= FACTS_BEYOND_SIMD;
    if (!facts_walk_init(&w, code)) return false;
    for (u32 off = (u32)(w.pc - w.base); off < w.len;) {
        facts_block *const b = facts_walk_open(&w, off);
        if (!b) return false;
        if (!facts_walk_block(&w, b)) {
            s->block_count = s->edge_count = s->access_count = 0;
            return !w.failed;
        }
        f->has |= b->has;
        f->insns += b->insns;
        if (w.copy_stale) b->has |= FACTS_STALE;
        GBX_ASSERT(w.limit >= w.pc);
        off = (u32)(w.limit - w.base);
    }
    f->offset_max = w.offset_max;
    f->height_max = w.height_max;
    for (u32 i = 0; i < GBX_LEN(s->work); i++)
        if (!gbx_codegen_facts_grow(&s->work[i], (u64)s->block_count + 1, sizeof(u32))) return false;
    facts_walk_resolve(&w);
    facts_walk_join(&w);
    if (!w.copy_failed && w.copy_local != FACTS_NONE) {
        f->copy_local = w.copy_local; /* an index until locals are ranked */
        f->copy_global = w.copy_global;
    }
    return true;
}
