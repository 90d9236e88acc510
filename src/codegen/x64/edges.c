/* Edges between blocks; what stands behind a function's code. See emit.h.
 *
 * Where a block begins, every local that has a register is in it, and every operand at home. The one
 * exception is a block that only the block before it leads to, by falling into it: nothing changes there.
 *
 * RULE: S14. Each edge that goes backwards polls (facts_edge_is_backward: every cycle has one). */
#include "codegen/x64/emit.h"
#include "wasm/fuel.h"

/* ---- Traps and rows */

void
gbx_x64_cold(x64_ctx *c, x64_cold cold)
{
    cold.spent = c->spent;
    (void)x64_push_item(c, &c->s->colds, &cold, sizeof cold);
}

void
gbx_x64_trap_if(x64_ctx *c, u8 cc, u32 kind)
{
    u32 const at = x64_jcc(c->b, (x64_cc)cc);
    gbx_x64_cold(c, (x64_cold){.at = at, .kind = kind, .wasm_offset = c->wasm_offset});
}

void
gbx_x64_trap(x64_ctx *c, u32 kind)
{
    x64_row(c, kind);
    x64_ud2(c->b);
}

static void
edges_compare_stop(x64_ctx *c)
{
    x64_alu_mem_imm(c->b, ALU_CMP, x64_at(X64_EXEC, (i32)offsetof(gbx_exec, stop)), 0, X64_32);
}

void
gbx_x64_poll(x64_ctx *c)
{
    edges_compare_stop(c);
    gbx_x64_trap_if(c, CC_NE, GBX_FAULT_POLL);
}

/* ---- Fuel */

static void
edges_pay(x64_ctx *c, i32 units)
{
    if (units) x64_lea(c->b, X64_FUEL, x64_at(X64_FUEL, -units), X64_64);
    c->paid += units;
    c->spent -= units;
}

void
gbx_x64_spend(x64_ctx *c)
{
    edges_pay(c, c->spent);
}

void
gbx_x64_spend_tested(x64_ctx *c)
{
    if (!c->is_metered) return;
    if (c->spent)
        x64_alu_imm(c->b, ALU_SUB, X64_FUEL, c->spent, X64_64);
    else
        x64_test(c->b, X64_FUEL, X64_FUEL, X64_64);
    c->paid += c->spent;
    c->spent = 0;
    gbx_x64_trap_if(c, CC_L, GBX_TRAP_FUEL);
}

void
gbx_x64_fuel_reload(x64_ctx *c)
{
    if (c->is_metered) x64_load(c->b, X64_FUEL, x64_at(X64_EXEC, (i32)offsetof(gbx_exec, fuel)), X64_64);
}

u32
gbx_x64_pinned(const x64_ctx *c, u32 global_idx)
{
    for (u32 i = 0; i < CODEGEN_PINS; i++)
        if (c->env->pins[i] == global_idx) return c->local_count + i;
    return X64_NO_LOCAL;
}

/* ---- State */

static x64_state
edges_save(x64_ctx *c)
{
    c->s->saved.count = 0;
    for (u32 i = c->settled; i < c->height; i++)
        (void)x64_push_item(c, &c->s->saved, &c->stack[i], sizeof *c->stack);
    return (x64_state){c->height, c->settled,   c->free,      c->xfree,
                       c->spent,  c->reg_valid, c->home_valid};
}

static void
edges_restore(x64_ctx *c, const x64_state *s)
{
    c->height = s->height;
    c->settled = s->settled;
    c->free = s->free;
    c->xfree = s->xfree;
    c->spent = s->spent;
    c->reg_valid = s->reg_valid;
    c->home_valid = s->home_valid;
    u32 const count = c->height - c->settled;
    if (count && !c->failed)
        memcpy(c->stack + c->settled, c->s->saved.items, count * sizeof *c->stack);
}

void
gbx_x64_enter_block(x64_ctx *c, u32 block)
{
    c->height = c->settled = c->f.blocks[block].height;
    c->free = c->temps;
    c->xfree = c->xtemps;
    c->spent = c->carried[block];
    c->reg_valid = c->assigned;
    c->home_valid = 0;
    gbx_x64_forget_all(c);
}

/* ---- Jumps to blocks */

/* An edge as it is emitted: past blocks that only jump on. */
static facts_edge
edges_resolved(const x64_ctx *c, const facts_edge *e)
{
    return (facts_edge){c->through[e->to], e->shuffle};
}

/* Nothing but a jump forwards, perhaps behind a constant for a local that nobody reads then. RULE: S7. */
static bool
edges_is_jump(const x64_ctx *c, u32 block)
{
    const facts_block *const b = &c->f.blocks[block];
    if (block == 0 || b->exit != FACTS_JUMP || b->has & ~FACTS_THREADED || b->height ||
        b->marks & FACTS_MARK_HEAD)
        return false;
    const facts_edge *const e = &c->f.edges[b->edge];
    if (e->shuffle || facts_edge_is_backward(block, e->to)) return false;
    const u8 *pc = c->m->bytes + b->off;
    u8 const first = c->unfuse[*pc];
    if (first == OP_I32_CONST || first == OP_I64_CONST) {
        pc += gbx_wasm_insn_len(c->m, pc);
        if (c->unfuse[*pc] != OP_LOCAL_SET || b->access_count != 1) return false;
        const x64_local *const l = &c->locals[FACTS_ACCESS_IDX(c->f.accesses[b->access])];
        if (l->rank >= FACTS_RANKED || b->live_out >> l->rank & 1) return false;
        pc += gbx_wasm_insn_len(c->m, pc);
    }
    u8 const last = c->unfuse[*pc];
    return last == OP_BR || last == OP_ELSE;
}

/* What a block that is a jump costs. */
static i32
edges_cost(const facts_block *b)
{
    return (i32)b->insns + (b->has & FACTS_THREADED ? WASM_FUEL_DISPATCH : 0);
}

/* Last to first: edges past a block lead forwards, so that its own target is known already. */
void
gbx_x64_thread_jumps(x64_ctx *c)
{
    for (u32 i = c->f.block_count; i-- > 0;) {
        bool const is_jump = c->env->tune & CODEGEN_TUNE_BIT(THREAD) && edges_is_jump(c, i);
        u32 const to = is_jump ? c->f.edges[c->f.blocks[i].edge].to : i;
        c->through[i] = is_jump ? c->through[to] : i;
        c->tolls[i] = is_jump && c->is_metered ? c->tolls[to] + edges_cost(&c->f.blocks[i]) : 0;
    }
}

static void
edges_jump(x64_ctx *c, u32 block)
{
    if (c->bound[block] != FACTS_NONE) {
        x64_jmp_back(c->b, c->bound[block]);
        return;
    }
    x64_fixup const fix = {x64_jmp(c->b), block};
    (void)x64_push_item(c, &c->s->fixups, &fix, sizeof fix);
}

static void
edges_branch(x64_ctx *c, u8 cc, u32 block)
{
    if (c->bound[block] != FACTS_NONE) {
        x64_jcc_back(c->b, (x64_cc)cc, c->bound[block]);
        return;
    }
    x64_fixup const fix = {x64_jcc(c->b, (x64_cc)cc), block};
    (void)x64_push_item(c, &c->s->fixups, &fix, sizeof fix);
}

/* All operands are at home: the topmost `keep` slide down over `drop` others. */
static void
edges_shuffle(x64_ctx *c, u32 shuffle)
{
    u32 const keep = WASM_SIDE_KEEP(shuffle), drop = WASM_SIDE_DROP(shuffle);
    for (u32 i = 0; i < keep && drop; i++) {
        u32 const from = c->height - keep + i;
        x64_room(c->b);
        x64_sse_m(c->b, 0xf3, 0x7e, X64_SCRATCH0, gbx_x64_place_home(c, from));
        x64_rm(c->b, X64_F(0x66, 0xd6), X64_SCRATCH0, gbx_x64_place_home(c, from - drop), X64_32);
    }
}

static bool
edges_is_end(const x64_ctx *c, u32 block)
{
    return (c->f.blocks[block].marks & FACTS_MARK_END) != 0;
}

/* A jump or branch will do: nothing needs to be done on the way. */
static bool
edges_is_plain(const x64_ctx *c, const facts_edge *e)
{
    return !e->shuffle && !edges_is_end(c, e->to) && !facts_edge_is_backward(c->block, e->to);
}

/* Operands must be at home on the way there. */
static bool
edges_needs_home(const x64_ctx *c, const facts_edge *e)
{
    return !edges_is_end(c, e->to) && (e->shuffle || c->f.blocks[e->to].height);
}

/* The code of an edge, which ends in a jump. May change the state. */
void
gbx_x64_edge(x64_ctx *c, const facts_edge *e)
{
    if (edges_is_end(c, e->to)) {
        if (WASM_SIDE_DROP(e->shuffle)) { /* operands below the results may be results as well */
            gbx_x64_flush(c, c->height);
            edges_shuffle(c, e->shuffle);
            c->height = c->settled = c->height - WASM_SIDE_DROP(e->shuffle);
        }
        gbx_x64_epilogue(c);
        return;
    }
    bool const is_backward = facts_edge_is_backward(c->block, e->to);
    if (!is_backward) gbx_x64_spend(c);
    if (edges_needs_home(c, e)) gbx_x64_flush(c, c->height);
    if (e->shuffle) edges_shuffle(c, e->shuffle);
    gbx_x64_reload(c, c->f.blocks[e->to].live_in);
    if (!is_backward) {
        edges_jump(c, e->to);
        return;
    }
    gbx_x64_spend_tested(c);
    edges_compare_stop(c);
    edges_branch(c, CC_E, e->to);
    gbx_x64_trap(c, GBX_FAULT_POLL);
}

/* RULE: S15. Nobody comes to the block but the one before it, by falling, and the entry's dispatch, which is
 * emitted later: what was used may be charged there, and the dispatch takes it off. */
static bool
edges_carries(const x64_ctx *c, u32 block)
{
    const facts_block *const b = &c->f.blocks[block];
    if (!c->is_metered || !c->has_dispatch || b->pred_count != 2) return false;
    u32 const one = c->f.preds[b->pred], other = c->f.preds[b->pred + 1], dispatch = c->f.dispatch;
    bool const is_fresh = c->through[c->f.edges[c->f.blocks[dispatch].edge].to] == block;
    return !is_fresh && one != other && (one == dispatch || other == dispatch) &&
           (one == c->block || other == c->block) && c->block != dispatch;
}

/* Falls into the block that is emitted next. */
static void
edges_fall(x64_ctx *c, const facts_edge *e, bool is_direct)
{
    const facts_block *const to = &c->f.blocks[e->to];
    c->is_open = is_direct && to->pred_count == 1 && !e->shuffle && to->height == c->height;
    if (c->is_open) return;
    if (is_direct && edges_carries(c, e->to))
        c->carried[e->to] = c->spent;
    else
        gbx_x64_spend(c);
    if (edges_needs_home(c, e)) gbx_x64_flush(c, c->height);
    if (e->shuffle) edges_shuffle(c, e->shuffle);
    gbx_x64_reload(c, to->live_in);
}

static bool
edges_is_next(const x64_ctx *c, const facts_edge *e)
{
    return e->to == c->next && !edges_is_end(c, e->to) && !facts_edge_is_backward(c->block, e->to);
}

/* Of two edges, as they are emitted: the one that is branched along comes first; tolls: of the jumps that
 * each leads past. True: that is the second. */
static bool
edges_choose(const x64_ctx *c, const facts_edge *edges, facts_edge to[2], i32 tolls[2])
{
    facts_edge const taken = edges_resolved(c, &edges[0]), other = edges_resolved(c, &edges[1]);
    bool const swaps =
            edges_is_next(c, &taken) && !edges_is_next(c, &other) && edges_is_plain(c, &other);
    to[swaps] = taken;
    to[!swaps] = other;
    tolls[swaps] = c->tolls[edges[0].to];
    tolls[!swaps] = c->tolls[edges[1].to];
    return swaps;
}

/* RULE: S15. Who branches to where hardly anybody comes, or has a toll to pay, charges behind the function.
 * That the others fall through is a guess. */
static bool
edges_pays_there(const x64_ctx *c, const facts_edge *first, i32 toll)
{
    return toll || c->f.blocks[first->to].marks & (FACTS_MARK_COLD | FACTS_MARK_UNLIKELY);
}

/* The block ends in a branch before which all is charged, whichever way it goes. */
static bool
edges_pays_first(const x64_ctx *c, const facts_block *b)
{
    facts_edge to[2];
    i32 tolls[2];
    if (!c->is_metered || (b->exit != FACTS_BR_IF && b->exit != FACTS_IF)) return false;
    (void)edges_choose(c, c->f.edges + b->edge, to, tolls);
    return edges_is_plain(c, &to[0]) && !edges_pays_there(c, &to[0], tolls[0]);
}

void
gbx_x64_spend_ahead(x64_ctx *c)
{
    if (!c->is_metered || !edges_pays_first(c, &c->f.blocks[c->block])) return;
    const u8 *pc = c->pc;
    i32 ahead = 1;
    for (; pc < c->end; pc++, ahead++) {
        u8 const op = c->unfuse[*pc];
        if (op == OP_BR_IF || op == OP_IF) break;
        if (op != OP_I32_EQZ && op != OP_I64_EQZ && op != OP_I32_WRAP_I64 && op != OP_I64_EXTEND_I32_U)
            return;
    }
    if (pc < c->end) edges_pay(c, c->spent + ahead);
}

static void
edges_branch_paying(x64_ctx *c, u8 cc, u32 block, i32 toll)
{
    u32 const at = x64_jcc(c->b, (x64_cc)cc);
    c->spent += toll;
    gbx_x64_cold(
            c, (x64_cold){.at = at, .kind = X64_SLOW_PAY, .wasm_offset = c->wasm_offset, .block = block});
    c->spent -= toll;
}

/* On `cc` along `taken`, else along `other`. What is done before the branch is done by moves alone: the
 * flags are waiting. */
static void
edges_two(x64_ctx *c, u8 cc, const facts_edge *edges)
{
    facts_edge to[2];
    i32 tolls[2];
    bool const swaps = edges_choose(c, edges, to, tolls);
    const facts_edge *const first = &to[0], *const second = &to[1];
    if (swaps) cc ^= 1;
    bool const pays_there = c->is_metered && c->spent + tolls[0] && edges_pays_there(c, first, tolls[0]);
    if (pays_there && edges_is_plain(c, first)) {
        if (edges_needs_home(c, first)) gbx_x64_flush(c, c->height);
        gbx_x64_reload(c, c->f.blocks[first->to].live_in);
        edges_branch_paying(c, cc, first->to, tolls[0]);
    } else if (edges_is_plain(c, first)) {
        gbx_x64_spend(c);
        if (edges_needs_home(c, first)) gbx_x64_flush(c, c->height);
        gbx_x64_reload(c, c->f.blocks[first->to].live_in);
        edges_branch(c, cc, first->to);
    } else {
        u32 const over = x64_jcc(c->b, (x64_cc)(cc ^ 1));
        x64_state const state = edges_save(c);
        c->spent += tolls[0];
        gbx_x64_edge(c, first);
        edges_restore(c, &state);
        x64_patch(c->b, over, c->b->len);
    }
    c->spent += tolls[1];
    if (edges_is_next(c, second))
        edges_fall(c, second, second->to == edges[swaps ? 0 : 1].to);
    else
        gbx_x64_edge(c, second);
}

static void
edges_branch_exit(x64_ctx *c, const facts_block *b)
{
    const facts_edge *const edges = c->f.edges + b->edge;
    bool const is_waiting = c->height > c->settled && c->stack[c->height - 1].kind == VAL_FLAGS;
    if (!is_waiting && edges_pays_first(c, b)) gbx_x64_spend(c);
    u8 cc = gbx_x64_condition(c);
    if (b->exit == FACTS_IF) cc ^= 1; /* its first edge is that of zero */
    edges_two(c, cc, edges);
}

/* What an edge of a jump table costs beside the instruction itself. */
static i32
edges_toll(const x64_ctx *c, const facts_edge *e)
{
    return c->tolls[e->to] - c->carried[c->through[e->to]];
}

static void
edges_switch(x64_ctx *c, const facts_block *b)
{
    x64_buf *const buf = c->b;
    const facts_edge *const edges = c->f.edges + b->edge;
    u32 const count = b->edge_count - 1;
    x64_val idx = *x64_pop(c);
    idx.is_64 = false;
    u32 const at = gbx_x64_gpr(c, &idx, false);
    gbx_x64_spend(c);
    gbx_x64_flush(c, c->height);
    gbx_x64_reload(c, b->live_out);
    x64_state const state = edges_save(c);
    x64_alu_imm(buf, ALU_CMP, at, (i32)count, X64_32);
    u32 const over = x64_jcc(buf, CC_B);
    facts_edge const others = edges_resolved(c, &edges[count]);
    c->spent += edges_toll(c, &edges[count]);
    gbx_x64_edge(c, &others);
    edges_restore(c, &state);
    x64_patch(buf, over, buf->len);
    if (count == 0) return;
    u32 const t = gbx_x64_take(c);
    u32 entry = at;
    if (idx.kind != VAL_REG) entry = gbx_x64_take(c);
    x64_table table = {.first = c->s->items.count, .count = count};
    x64_rr(buf, 0x8d, t, 5, X64_64); /* lea t, [rip + table] */
    buf->bytes[buf->len - 1] &= 0x3f;
    table.at = buf->len;
    x64_u32(buf, 0);
    (void)x64_push_item(c, &c->s->tables, &table, sizeof table);
    x64_rm(buf, 0x63, entry, (x64_mem){(u8)t, (u8)at, 2, 0}, X64_64); /* movsxd */
    x64_alu_rr(buf, ALU_ADD, entry, t, X64_64);
    x64_rr(buf, 0xff, 4, entry, X64_32); /* jmp */
    gbx_x64_drop(c, &idx);
    for (u32 i = 0; i < count && !buf->failed; i++) {
        facts_edge const e = edges_resolved(c, &edges[i]);
        x64_table_item item = {e.to, 0};
        i32 const toll = edges_toll(c, &edges[i]);
        if (!edges_is_plain(c, &e) || toll) {
            bool const is_same =
                    i && edges[i].to == edges[i - 1].to && edges[i].shuffle == edges[i - 1].shuffle;
            item = (x64_table_item){FACTS_NONE, buf->len};
            if (is_same) {
                item = ((x64_table_item *)c->s->items.items)[c->s->items.count - 1];
            } else {
                x64_room(buf);
                edges_restore(c, &state);
                c->spent += toll;
                gbx_x64_edge(c, &e);
            }
        }
        if (!x64_push_item(c, &c->s->items, &item, sizeof item)) return;
    }
}

void
gbx_x64_fall(x64_ctx *c, const facts_block *b)
{
    if (b->exit == FACTS_RETURN) {
        gbx_x64_epilogue(c);
        return;
    }
    const facts_edge *const e = &c->f.edges[b->edge];
    facts_edge const to = edges_resolved(c, e);
    if (b->has & FACTS_THREADED) c->spent += WASM_FUEL_DISPATCH;
    c->spent += c->tolls[e->to];
    if (edges_is_next(c, &to))
        edges_fall(c, &to, to.to == e->to);
    else
        gbx_x64_edge(c, &to);
}

/* The instruction that leaves the block is the present one. */
void
gbx_x64_exit(x64_ctx *c, const facts_block *b)
{
    switch (b->exit) {
    case FACTS_BR_IF:
    case FACTS_IF: edges_branch_exit(c, b); return;
    case FACTS_SWITCH: edges_switch(c, b); return;
    case FACTS_TRAP: gbx_x64_trap(c, GBX_TRAP_UNREACHABLE); return;
    default: gbx_x64_fall(c, b); return;
    }
}

/* ---- The end of a function */

static void
edges_cold_code(x64_ctx *c)
{
    for (u32 i = 0; i < c->s->colds.count; i++) {
        x64_cold const cold = ((x64_cold *)c->s->colds.items)[i];
        x64_room(c->b);
        c->wasm_offset = cold.wasm_offset;
        c->spent = cold.spent;
        x64_line(c);
        x64_patch(c->b, cold.at, c->b->len);
        switch (cold.kind) {
        case X64_SLOW_TRUNC: gbx_x64_slow_trunc(c, &cold); break;
        case X64_SLOW_BULK: gbx_x64_slow_bulk(c, &cold); break;
        case X64_SLOW_CLOSED: gbx_x64_slow_closed(c, &cold); break;
        case X64_SLOW_CALL: gbx_x64_slow_call(c, &cold); break;
        case X64_SLOW_PAY:
            gbx_x64_spend(c);
            edges_jump(c, cold.block);
            break;
        case GBX_FAULT_GIVEN:
            x64_store(c->b,
                      x64_at(X64_EXEC,
                             (i32)(offsetof(gbx_exec, native) + offsetof(gbx_native, trap))),
                      RAX, X64_32);
            gbx_x64_trap(c, cold.kind);
            break;
        default: gbx_x64_trap(c, cold.kind); break;
        }
    }
}

static void
edges_tables(x64_ctx *c)
{
    const x64_table_item *const items = c->s->items.items;
    for (u32 i = 0; i < c->s->tables.count && !c->b->failed; i++) {
        const x64_table *const t = (const x64_table *)c->s->tables.items + i;
        x64_room(c->b);
        while (c->b->len % 4) x64_u8(c->b, 0xcc);
        u32 const start = c->b->len;
        x64_patch(c->b, t->at, start);
        for (u32 k = 0; k < t->count; k++) {
            const x64_table_item *const item = &items[t->first + k];
            u32 const to = item->block == FACTS_NONE ? item->offset : c->bound[item->block];
            x64_room(c->b);
            x64_u32(c->b, to - start);
        }
    }
}

void
gbx_x64_finish(x64_ctx *c)
{
    c->cold_at = c->b->len;
    edges_cold_code(c);
    if (c->failed) return; /* then lists are shorter than what refers to them says */
    c->tables_at = c->b->len;
    edges_tables(c);
    u32 const frame = c->has_frame ? (c->out_slots + c->slots) * 8 : 0;
    if (c->b->failed || c->failed) return;
    const x64_fixup *const fixups = c->s->fixups.items;
    for (u32 i = 0; i < c->s->fixups.count; i++) {
        GBX_ASSERT(c->bound[fixups[i].block] != FACTS_NONE);
        x64_patch(c->b, fixups[i].at, c->bound[fixups[i].block]);
    }
    const x64_frame_fix *const frames = c->s->frame_fixes.items;
    for (u32 i = 0; i < c->s->frame_fixes.count; i++) {
        i32 const v = (i32)frame + frames[i].addend;
        memcpy(c->b->bytes + frames[i].at, &v, sizeof v);
    }
    const x64_self_call *const calls = c->s->self_calls.items;
    for (u32 i = 0; i < c->s->self_calls.count; i++)
        x64_patch(c->b, calls[i].at, calls[i].is_fresh ? c->fresh : c->general);
}
