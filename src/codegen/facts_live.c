/* Which locals are worth a register, and where their values are needed.
 *
 * Use counts are kept by index, for locals that are used: of a function's 50,000 locals most may never be
 * touched, so nothing here takes time or is cleared for those. The heaviest 64 have a bit each.
 *
 * Liveness is the usual backward problem: in = uses | (out & ~defs), out = union of the successors' in.
 * One pass from the last block to the first settles all forward edges. Behind backward ones a block goes on
 * the worklist when its `in` grew, and hands what it gained to its predecessors: `in` grows at most 64
 * times, so an edge is visited at most that often, however wide a br_table is. */
#include <string.h>

#include "codegen/facts_int.h"

/* One access more of a local or a global. There is room. */
static inline void
facts_live_add(facts_tally *t, u32 *slots, facts_use *uses, u32 idx, u32 is_write, u32 weight)
{
    u32 place = slots[idx];
    if (GBX_UNLIKELY(!place)) {
        uses[t->count] = (facts_use){.idx = idx};
        place = slots[idx] = ++t->count;
    }
    facts_use *const u = &uses[place - 1];
    u->weight += weight;
    u->reads += !is_write;
    u->writes += is_write;
}

/* Room for all that may be used of `count`. */
static bool
facts_live_room(facts_space *s, facts_tally *t, u32 count)
{
    return gbx_codegen_facts_grow_zero(&t->slots, count, sizeof(u32)) &&
           gbx_codegen_facts_grow(&t->uses, min_u64(count, s->access_count), sizeof(facts_use));
}

/* All counts of the function. */
static void
facts_live_count(facts_space *s)
{
    const facts_block *const blocks = s->blocks.items;
    const u32 *const accesses = s->accesses.items;
    u32 *const locals = s->locals.slots.items, *const globals = s->globals.slots.items;
    facts_use *const local_uses = s->locals.uses.items, *const global_uses = s->globals.uses.items;
    for (u32 i = 0; i < s->block_count; i++) {
        const facts_block *const b = &blocks[i];
        for (u32 k = b->access; k < b->access + b->access_count; k++) {
            u32 const a = accesses[k], idx = FACTS_ACCESS_IDX(a);
            if (GBX_LIKELY(FACTS_ACCESS_KIND(a) < FACTS_GLOBAL_READ))
                facts_live_add(&s->locals, locals, local_uses, idx, a & 1, b->weight);
            else
                facts_live_add(&s->globals, globals, global_uses, idx, a & 1, b->weight);
        }
    }
}

static bool
facts_live_is_before(const facts_use *a, const facts_use *b)
{
    return a->weight > b->weight || (a->weight == b->weight && a->idx < b->idx);
}

/* The heaviest of `uses`, in order, at most `room` of them. */
static u32
facts_live_choose(const facts_use *uses, u32 count, facts_use *out, u32 room)
{
    u32 len = 0;
    for (u32 i = 0; i < count; i++) {
        if (len == room && !facts_live_is_before(&uses[i], &out[len - 1])) continue;
        u32 at = len < room ? len++ : len - 1;
        for (; at && facts_live_is_before(&uses[i], &out[at - 1]); at--) out[at] = out[at - 1];
        out[at] = uses[i];
    }
    return len;
}

/* Types of the locals that were chosen: the declarations are read once, in order of index. */
static void
facts_live_types(const wasm_module *m, const wasm_code *code, facts *f)
{
    const wasm_functype *const type = &m->types[code->type_idx];
    reader r = rd_init(m->bytes, code->body_off, code->insns_off);
    u32 groups = gbx_base_rd_u32(&r);
    u32 end = type->param_count;
    wasm_valtype t = WASM_ANY;
    facts_use *order[FACTS_RANKED];
    for (u32 k = 0; k < f->local_count; k++) {
        u32 at = k;
        for (; at && order[at - 1]->idx > f->locals[k].idx; at--) order[at] = order[at - 1];
        order[at] = &f->locals[k];
    }
    for (u32 k = 0; k < f->local_count; k++) {
        facts_use *const u = order[k];
        u->is_param = u->idx < type->param_count;
        for (; u->idx >= end && groups; groups--) {
            end += gbx_base_rd_u32(&r);
            t = gbx_base_rd_u8(&r);
        }
        u->type = u->is_param ? type->params[u->idx] : t;
    }
}

static void
facts_live_classes(facts *f)
{
    for (u32 k = 0; k < f->local_count; k++) {
        u64 const bit = 1ull << k;
        switch (f->locals[k].type) {
        case WASM_F32:
        case WASM_F64: f->floats |= bit; break;
        case WASM_V128: f->vectors |= bit; break;
        default: f->ints |= bit; break;
        }
        if (f->locals[k].is_param) f->params |= bit;
    }
}

/* Heaviest first. By halves from the bottom: no recursion, n log n. */
static bool
facts_live_sort_globals(facts_tally *t)
{
    u32 const n = t->count;
    if (!gbx_codegen_facts_grow(&t->uses, (u64)n * 2 + 1, sizeof(facts_use))) return false;
    facts_use *const uses = t->uses.items, *const spare = uses + n;
    for (u64 width = 1; width < n; width *= 2) {
        for (u64 low = 0; low < n; low += width * 2) {
            u64 const mid = min_u64(low + width, n), high = min_u64(low + width * 2, n);
            u64 a = low, b = mid;
            for (u64 k = low; k < high; k++)
                spare[k] = a < mid && (b == high || facts_live_is_before(&uses[a], &uses[b])) ? uses[a++]
                                                                                            : uses[b++];
        }
        memcpy(uses, spare, n * sizeof *uses);
    }
    return true;
}

static void
facts_live_clear(facts_tally *t)
{
    const facts_use *const uses = t->uses.items;
    u32 *const slots = t->slots.items;
    for (u32 i = 0; i < t->count; i++) slots[uses[i].idx] = 0;
    t->count = 0;
}

/* What each block reads first and what it writes. Slots hold bits + 1 now. */
static void
facts_live_masks(facts_space *s)
{
    facts_block *const blocks = s->blocks.items;
    const u32 *const accesses = s->accesses.items, *const slots = s->locals.slots.items;
    for (u32 i = 0; i < s->block_count; i++) {
        facts_block *const b = &blocks[i];
        u64 uses = 0, defs = 0;
        for (u32 k = b->access; k < b->access + b->access_count; k++) {
            u32 const kind = FACTS_ACCESS_KIND(accesses[k]);
            if (kind >= FACTS_GLOBAL_READ) continue;
            u32 const slot = slots[FACTS_ACCESS_IDX(accesses[k])];
            u64 const bit = slot ? 1ull << (slot - 1) : 0;
            if (kind == FACTS_LOCAL_WRITE) defs |= bit;
            else uses |= bit & ~defs;
        }
        b->uses = uses;
        b->defs = defs;
    }
}

bool
gbx_codegen_facts_rank(facts_space *s, const wasm_module *m, const wasm_code *code, facts *f)
{
    bool ok = facts_live_room(s, &s->locals, code->local_count) &&
              facts_live_room(s, &s->globals, m->global_count);
    if (ok) facts_live_count(s);
    f->locals_used = s->locals.count;
    f->global_count = s->globals.count;
    f->local_count = facts_live_choose(s->locals.uses.items, s->locals.count, f->locals, FACTS_RANKED);
    if (ok) {
        u32 *const slots = s->locals.slots.items;
        const facts_use *const uses = s->locals.uses.items;
        for (u32 i = 0; i < s->locals.count; i++) slots[uses[i].idx] = 0;
        for (u32 k = 0; k < f->local_count; k++) slots[f->locals[k].idx] = k + 1;
        facts_live_masks(s);
        facts_live_types(m, code, f);
        facts_live_classes(f);
        ok = facts_live_sort_globals(&s->globals);
    }
    facts_use *const globals = s->globals.uses.items;
    for (u32 i = 0; i < s->globals.count; i++) globals[i].type = m->globals[globals[i].idx].type.type;
    facts_live_clear(&s->locals);
    facts_live_clear(&s->globals);
    f->globals = globals;
    return ok;
}

/* Where a block leaves the copy behind what a call made of the global, nothing may read it. */
static void
facts_live_copy(facts_space *s, facts *f)
{
    const facts_block *const blocks = s->blocks.items;
    u32 rank = 0;
    while (rank < f->local_count && f->locals[rank].idx != f->copy_local) rank++;
    bool ok = f->copy_local != FACTS_NONE && rank < f->local_count;
    for (u32 i = 0; ok && i < s->block_count; i++)
        ok = !(blocks[i].has & FACTS_STALE) || !(blocks[i].live_out >> rank & 1);
    f->copy_local = ok ? rank : FACTS_NONE;
    if (!ok) f->copy_global = FACTS_NONE;
}

bool
gbx_codegen_facts_live(facts_space *s, facts *f)
{
    facts_block *const blocks = s->blocks.items;
    const facts_edge *const edges = s->edges.items;
    const u32 *const preds = s->preds.items;
    u32 *const list = s->work[0].items; /* a stack; a block is on it once */
    u32 *const waits = s->work[1].items;
    u32 len = 0;
    memset(waits, 0, s->block_count * sizeof *waits);
    for (u32 i = s->block_count; i-- > 0;) {
        facts_block *const b = &blocks[i];
        u64 out = 0;
        for (u32 k = 0; k < b->edge_count; k++) out |= blocks[edges[b->edge + k].to].live_in;
        b->live_out = out;
        b->live_in = b->uses | (out & ~b->defs);
        if (b->marks & FACTS_MARK_HEAD && b->live_in) {
            list[len++] = i;
            waits[i] = 1;
        }
    }
    while (len) {
        u32 const i = list[--len];
        u64 const in = blocks[i].live_in;
        waits[i] = 0;
        for (u32 k = 0; k < blocks[i].pred_count; k++) {
            u32 const p = preds[blocks[i].pred + k];
            facts_block *const b = &blocks[p];
            if (!(in & ~b->live_out)) continue;
            b->live_out |= in;
            u64 const grown = b->live_in | (in & ~b->defs);
            if (grown == b->live_in) continue;
            b->live_in = grown;
            if (!waits[p]) {
                list[len++] = p;
                waits[p] = 1;
            }
        }
    }
    facts_live_copy(s, f);
    f->fresh_live = blocks[0].live_in;
    if (f->dispatch == FACTS_NONE) return true;
    const facts_block *const d = &blocks[f->dispatch];
    f->resume_live = blocks[0].live_in;
    f->fresh_live = blocks[f->fresh].live_in;
    if (d != blocks) f->fresh_live = blocks[0].uses | (f->fresh_live & ~blocks[0].defs);
    return true;
}
