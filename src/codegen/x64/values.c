/* The operand stack as delayed values; temporaries; where locals are. See emit.h.
 *
 * RULE: S11. What is delayed is pure: constants, reads of locals, sums. A read of a local is performed
 * before the local is written (gbx_x64_local_written). Everything else is emitted where it stands.
 *
 * Moving values about leaves the flags alone, so that it may stand between a comparison and its branch. */
#include "codegen/x64/emit.h"

bool
gbx_x64_array_grow(x64_ctx *c, x64_array *a, size_t bytes)
{
    u32 const cap = a->cap ? a->cap * 2 : 64;
    void *const items = gbx_base_realloc(a->items, cap, bytes);
    if (!items) {
        c->failed = true;
        return false;
    }
    a->items = items;
    a->cap = cap;
    return true;
}

/* ---- Homes */

x64_mem
gbx_x64_slot(x64_ctx *c, u32 slot)
{
    c->needs_frame = true;
    return x64_at(RSP, (i32)((c->out_slots + slot) * 8));
}

x64_mem
gbx_x64_local_home(x64_ctx *c, u32 idx)
{
    x64_local *const l = &c->locals[idx];
    if (l->home == X64_NO_SLOT) l->home = c->slots++;
    return gbx_x64_slot(c, l->home);
}

x64_mem
gbx_x64_place_home(x64_ctx *c, u32 place)
{
    u32 *const home = &c->depth_homes[place];
    if (*home == X64_NO_SLOT) *home = c->slots++;
    return gbx_x64_slot(c, *home);
}

/* ---- Temporaries */

static bool
values_owns(const x64_val *v)
{
    switch (v->kind) {
    case VAL_REG: return v->local == X64_NO_LOCAL;
    case VAL_MEM: return v->index != X64_NO_REG && v->index_local == X64_NO_LOCAL;
    case VAL_LEA:
        return (v->reg != X64_NO_REG && v->local == X64_NO_LOCAL) ||
               (v->index != X64_NO_REG && v->index_local == X64_NO_LOCAL);
    default: return false;
    }
}

/* Send home the lowest operand that owns a temporary. */
static void
values_spill(x64_ctx *c, bool is_float)
{
    for (u32 i = c->settled; i < c->height; i++) {
        x64_val *const v = &c->stack[i];
        bool const owns =
                is_float ? v->kind == VAL_XMM && v->local == X64_NO_LOCAL : values_owns(v);
        if (!owns) continue;
        gbx_x64_to_home(c, v, i);
        return;
    }
    GBX_UNREACHABLE("an instruction needs no more temporaries than there are");
}

u32
gbx_x64_take(x64_ctx *c)
{
    while (!c->free) values_spill(c, false);
    u32 const others = c->free & ~(1u << RAX | 1u << RCX | 1u << RDX);
    u32 const reg = gbx_x64_stalest(c, others ? others : c->free);
    c->free &= ~(1u << reg);
    x64_forget(c, reg);
    return reg;
}

u32
gbx_x64_xtake(x64_ctx *c)
{
    while (!c->xfree) values_spill(c, true);
    u32 const reg = (u32)__builtin_ctz(c->xfree);
    c->xfree &= ~(1u << reg);
    return reg;
}

void
gbx_x64_release(x64_ctx *c, u32 reg)
{
    c->free |= 1u << reg & c->temps;
}

void
gbx_x64_xrelease(x64_ctx *c, u32 reg)
{
    c->xfree |= 1u << reg & c->xtemps;
}

/* False: it is held by an operand that the present instruction has popped. */
bool
gbx_x64_claim(x64_ctx *c, u32 reg)
{
    for (u32 i = c->settled; !(c->free >> reg & 1) && i < c->height; i++) {
        x64_val *const v = &c->stack[i];
        if (!values_owns(v)) continue;
        if (v->reg == reg || (v->kind != VAL_REG && v->index == reg)) gbx_x64_to_home(c, v, i);
    }
    if (!(c->free >> reg & 1)) return false;
    c->free &= ~(1u << reg);
    x64_forget(c, reg);
    return true;
}

void
gbx_x64_drop(x64_ctx *c, x64_val *v)
{
    if (v->kind == VAL_REG && v->local == X64_NO_LOCAL) gbx_x64_release(c, v->reg);
    if (v->kind == VAL_XMM && v->local == X64_NO_LOCAL) gbx_x64_xrelease(c, v->reg);
    if (v->kind == VAL_LEA) {
        if (v->reg != X64_NO_REG && v->local == X64_NO_LOCAL) gbx_x64_release(c, v->reg);
        if (v->index != X64_NO_REG && v->index_local == X64_NO_LOCAL) gbx_x64_release(c, v->index);
    }
    if (v->kind == VAL_MEM && v->index != X64_NO_REG && v->index_local == X64_NO_LOCAL)
        gbx_x64_release(c, v->index);
}

x64_mem
gbx_x64_access(x64_ctx *c, const x64_val *v)
{
    u32 const present = c->wasm_offset;
    i32 const spent = c->spent;
    c->wasm_offset = (u32)v->bits;
    c->spent = (i32)(v->bits >> 32) - c->paid;
    x64_row(c, GBX_TRAP_MEM_OOB);
    c->wasm_offset = present;
    c->spent = spent;
    return (x64_mem){v->reg, v->index, 0, v->disp};
}

/* ---- Locals */

static u64
values_bit(const x64_local *l)
{
    return l->rank < FACTS_RANKED ? 1ull << l->rank : 0;
}

u32
gbx_x64_local_reg(x64_ctx *c, u32 idx)
{
    const x64_local *const l = &c->locals[idx];
    u64 const bit = values_bit(l);
    if (bit & ~c->reg_valid) {
        c->reg_valid |= bit;
        x64_mem const home = gbx_x64_local_home(c, idx);
        if (l->is_float)
            x64_sse_m(c->b, 0xf3, 0x7e, l->reg, home);
        else
            x64_load(c->b, l->reg, home, X64_64);
    }
    return l->reg;
}

void
gbx_x64_reload(x64_ctx *c, u64 mask)
{
    for (u64 left = mask & c->assigned & ~c->reg_valid; left; left &= left - 1) {
        x64_room(c->b);
        (void)gbx_x64_local_reg(c, c->f.locals[__builtin_ctzll(left)].idx);
    }
}

void
gbx_x64_save(x64_ctx *c, u64 mask)
{
    for (u64 left = mask & c->assigned & ~c->home_valid; left; left &= left - 1) {
        u32 const idx = c->f.locals[__builtin_ctzll(left)].idx;
        const x64_local *const l = &c->locals[idx];
        GBX_ASSERT(c->reg_valid & values_bit(l)); /* one of the two always holds it */
        x64_room(c->b);
        x64_mem const home = gbx_x64_local_home(c, idx);
        if (l->is_float)
            x64_rm(c->b, X64_F(0x66, 0xd6), l->reg, home, X64_32);
        else
            x64_store(c->b, home, l->reg, X64_64);
        c->home_valid |= values_bit(l);
    }
}

/* PERF: a block with many calls is not read to its end at each of them: what is beyond is taken for live. */
u64
gbx_x64_live(x64_ctx *c)
{
    const facts_block *const b = &c->f.blocks[c->block];
    const u32 *const all = c->f.accesses + b->access + b->access_count;
    const u32 *const end = all - c->access > 96 ? c->access + 96 : all;
    u64 live = 0, killed = 0;
    for (const u32 *a = c->access; a < end; a++) {
        if (FACTS_ACCESS_KIND(*a) > FACTS_LOCAL_WRITE) continue;
        u64 const bit = values_bit(&c->locals[FACTS_ACCESS_IDX(*a)]);
        if (FACTS_ACCESS_KIND(*a) == FACTS_LOCAL_READ)
            live |= bit & ~killed;
        else
            killed |= bit;
    }
    u64 const beyond = end == all ? b->live_out : b->live_out | b->uses | b->defs;
    return live | (beyond & ~killed);
}

void
gbx_x64_local_written(x64_ctx *c, u32 idx)
{
    gbx_x64_forget_base(c, idx);
    for (u32 i = c->settled; i < c->height; i++) {
        x64_val *const v = &c->stack[i];
        bool const is_pending = v->kind == VAL_LOCAL && v->local == idx;
        if (is_pending && !(c->locals[idx].is_float ? c->xfree : c->free)) {
            gbx_x64_to_home(c, v, i);
        } else if (is_pending) {
            if (c->locals[idx].is_float)
                (void)gbx_x64_xown(c, v, X64_NO_REG);
            else
                (void)gbx_x64_own(c, v, X64_NO_REG);
        } else if (v->kind == VAL_LEA && (v->local == idx || v->index_local == idx)) {
            (void)gbx_x64_own(c, v, X64_NO_REG);
        }
    }
}

void
gbx_x64_local_get(x64_ctx *c, u32 idx)
{
    if (idx == c->copy) idx = c->copy_of;
    const x64_local *const l = &c->locals[idx];
    x64_push_local(c, idx, l->is_64, false);
}

/* Nobody reads it from here on: what is written to it, a constant for a dispatch that was threaded (RULE:
 * S7), say, need not be. */
static bool
values_is_dead(x64_ctx *c, const x64_local *l)
{
    return l->rank < FACTS_RANKED && !(gbx_x64_live(c) & values_bit(l));
}

/* The local is v from here on. */
static void
values_write(x64_ctx *c, u32 idx, x64_val *v)
{
    const x64_local *const l = &c->locals[idx];
    if (l->reg == X64_NO_REG)
        gbx_x64_to_slot(c, v, gbx_x64_local_home(c, idx));
    else if (l->is_float)
        (void)gbx_x64_xown(c, v, l->reg);
    else
        (void)gbx_x64_own(c, v, l->reg);
    c->reg_valid |= values_bit(l);
    c->home_valid &= ~values_bit(l);
}

/* A comparison's result, of which the local is read at once: the flags stay the operand, and the local is
 * not written where nobody reads it later. False: it is written as anything else is. */
static bool
values_set_flags(x64_ctx *c, u32 idx, x64_val *v, bool is_tee)
{
    const x64_local *const l = &c->locals[idx];
    u8 const cc = v->cc;
    bool const is_64 = v->is_64;
    if (!is_tee) {
        if (c->pc >= c->end || c->unfuse[*c->pc] != OP_LOCAL_GET) return false;
        const u8 *const behind = c->pc;
        c->pc++;
        if (x64_read_u32(c) != idx) {
            c->pc = behind;
            return false;
        }
        c->access++;
        c->spent += c->is_metered;
    }
    if (!values_is_dead(c, l)) {
        gbx_x64_local_written(c, idx);
        values_write(c, idx, v);
    }
    gbx_x64_push_flags(c, cc, is_64);
    return true;
}

void
gbx_x64_local_set(x64_ctx *c, u32 idx, bool is_tee)
{
    if (idx == c->copy) idx = c->copy_of;
    const x64_local *const l = &c->locals[idx];
    x64_val *const v = x64_pop(c);
    if (v->kind == VAL_CONST && !is_tee && values_is_dead(c, l)) return;
    if (v->kind == VAL_FLAGS && values_set_flags(c, idx, v, is_tee)) return;
    bool const is_placed = (v->kind == VAL_REG || v->kind == VAL_XMM) && v->local == idx;
    bool const is_itself = v->kind == VAL_LOCAL && v->local == idx && !v->narrow;
    if (is_placed) {
        c->reg_valid |= values_bit(l);
        c->home_valid &= ~values_bit(l);
    } else if (!is_itself) {
        gbx_x64_local_written(c, idx);
        values_write(c, idx, v);
    }
    if (is_tee) gbx_x64_local_get(c, idx);
}

/* The next instruction is `op`. */
u32
gbx_x64_hint_local(x64_ctx *c, u8 op, bool is_float, u32 *local)
{
    u32 idx = c->pc[1];
    if (idx >= 0x80) return X64_NO_REG;
    if (op == OP_GLOBAL_SET) idx = gbx_x64_pinned(c, idx);
    if (idx == c->copy) idx = c->copy_of;
    if (idx == X64_NO_LOCAL) return X64_NO_REG;
    const x64_local *const l = &c->locals[idx];
    if (l->reg == X64_NO_REG || l->is_float != is_float) return X64_NO_REG;
    gbx_x64_local_written(c, idx);
    if (!is_float) x64_forget(c, l->reg);
    *local = idx;
    return l->reg;
}

/* ---- The stack */

void
gbx_x64_settle(x64_ctx *c)
{
    u32 const until = c->height - X64_PENDING / 2;
    for (u32 i = c->settled; i < until; i++) {
        x64_room(c->b);
        gbx_x64_to_home(c, &c->stack[i], i);
    }
    c->settled = until;
}

/* ---- Values in registers */

static void
values_become_reg(x64_val *v, u32 reg)
{
    v->kind = VAL_REG;
    v->reg = (u8)reg;
    v->local = v->index_local = X64_NO_LOCAL;
    v->index = X64_NO_REG;
    v->narrow = false;
}

/* Compute a sum into dst; its own registers are free before. */
static void
values_lea(x64_ctx *c, const x64_val *v, u32 dst)
{
    x64_buf *const b = c->b;
    u32 const w = v->is_64 ? X64_64 : X64_32;
    if (v->reg == X64_NO_REG && v->scale == 0)
        x64_lea(b, dst, (x64_mem){v->index, X64_NO_REG, 0, v->disp}, w);
    else
        x64_lea(b, dst, (x64_mem){v->reg, v->index, v->scale, v->disp}, w);
}

/* The same where dst is its base and flags do not matter. */
static bool
values_add_in_place(x64_ctx *c, const x64_val *v, u32 dst)
{
    u32 const w = v->is_64 ? X64_64 : X64_32;
    if (v->reg == dst && v->index == X64_NO_REG) {
        x64_alu_imm(c->b, ALU_ADD, dst, v->disp, w);
        return true;
    }
    if (v->disp || v->scale || v->reg == X64_NO_REG || v->index == X64_NO_REG) return false;
    if (v->reg == dst)
        x64_alu_rr(c->b, ALU_ADD, dst, v->index, w);
    else if (v->index == dst)
        x64_alu_rr(c->b, ALU_ADD, dst, v->reg, w);
    else
        return false;
    return true;
}

/* Into dst, whatever v is; v's registers are released, and dst is not taken. */
static void
values_into(x64_ctx *c, x64_val *v, u32 dst)
{
    x64_buf *const b = c->b;
    u32 const w = v->is_64 ? X64_64 : X64_32;
    switch (v->kind) {
    case VAL_CONST: x64_mov_imm(b, dst, v->bits); break;
    case VAL_LOCAL: {
        const x64_local *const l = &c->locals[v->local];
        if (l->reg == X64_NO_REG) {
            x64_load(b, dst, gbx_x64_local_home(c, v->local), w);
            break;
        }
        u32 const reg = gbx_x64_local_reg(c, v->local);
        if (l->is_float)
            x64_movq_from_xmm(b, dst, reg, w);
        else if (reg != dst || v->narrow)
            x64_mov(b, dst, reg, w);
        break;
    }
    case VAL_REG:
        gbx_x64_drop(c, v);
        if (v->reg != dst || v->narrow) x64_mov(b, dst, v->reg, w);
        break;
    case VAL_XMM:
        gbx_x64_drop(c, v);
        x64_movq_from_xmm(b, dst, v->reg, w);
        break;
    case VAL_LEA:
        gbx_x64_drop(c, v);
        values_lea(c, v, dst);
        break;
    case VAL_HOME: x64_load(b, dst, gbx_x64_place_home(c, (u32)v->disp), X64_64); break;
    case VAL_MEM: {
        gbx_x64_drop(c, v);
        x64_mem const m = gbx_x64_access(c, v);
        x64_load(b, dst, m, w);
        break;
    }
    default:
        x64_setcc(b, v->cc, dst);
        x64_rr(b, X64_F(0, 0xb6), dst, dst, X64_RM8); /* movzx: leaves the flags alone */
        break;
    }
}

/* A temporary for v, one of its own if it has any. */
static u32
values_temp_for(x64_ctx *c, const x64_val *v)
{
    if (v->kind == VAL_REG && v->local == X64_NO_LOCAL) {
        /* A move is the same elsewhere, and what is known of this one stays so. */
        bool const moves = v->narrow && c->memos >> v->reg & 1 && c->free;
        return moves ? gbx_x64_take(c) : v->reg;
    }
    if (v->kind == VAL_LEA && v->reg != X64_NO_REG && v->local == X64_NO_LOCAL) return v->reg;
    if (v->kind == VAL_LEA && v->index != X64_NO_REG && v->index_local == X64_NO_LOCAL)
        return v->index;
    return gbx_x64_take(c);
}

u32
gbx_x64_own(x64_ctx *c, x64_val *v, u32 dst)
{
    if (dst != X64_NO_REG) {
        x64_forget(c, dst);
        if (v->kind == VAL_LEA && values_add_in_place(c, v, dst))
            gbx_x64_drop(c, v);
        else
            values_into(c, v, dst);
        return dst;
    }
    u32 const reg = values_temp_for(c, v);
    x64_forget(c, reg);
    values_into(c, v, reg);
    c->free &= ~(1u << reg);
    values_become_reg(v, reg);
    return reg;
}

u32
gbx_x64_gpr(x64_ctx *c, x64_val *v, bool any_upper)
{
    if (v->kind == VAL_REG && (!v->narrow || any_upper)) return v->reg;
    if (v->kind == VAL_LOCAL && (!v->narrow || any_upper)) {
        const x64_local *const l = &c->locals[v->local];
        if (l->reg != X64_NO_REG && !l->is_float) return gbx_x64_local_reg(c, v->local);
    }
    if (v->kind == VAL_LOCAL && v->narrow && !c->locals[v->local].is_float)
        return gbx_x64_low_half(c, v);
    return gbx_x64_own(c, v, X64_NO_REG);
}

static void
values_xinto(x64_ctx *c, x64_val *v, u32 dst)
{
    x64_buf *const b = c->b;
    switch (v->kind) {
    case VAL_CONST:
        if (v->bits == 0) {
            x64_xorps(b, dst, dst);
        } else {
            u32 const t = gbx_x64_take(c);
            x64_mov_imm(b, t, v->bits);
            x64_movq_to_xmm(b, dst, t, v->is_64 ? X64_64 : X64_32);
            gbx_x64_release(c, t);
        }
        break;
    case VAL_LOCAL: {
        const x64_local *const l = &c->locals[v->local];
        if (l->reg == X64_NO_REG)
            x64_sse_m(b, 0xf3, 0x7e, dst, gbx_x64_local_home(c, v->local));
        else if (!l->is_float)
            x64_movq_to_xmm(b, dst, gbx_x64_local_reg(c, v->local), v->is_64);
        else if (gbx_x64_local_reg(c, v->local) != dst)
            x64_movaps(b, dst, l->reg);
        break;
    }
    case VAL_XMM:
        gbx_x64_drop(c, v);
        if (v->reg != dst) x64_movaps(b, dst, v->reg);
        break;
    case VAL_HOME: x64_sse_m(b, 0xf3, 0x7e, dst, gbx_x64_place_home(c, (u32)v->disp)); break;
    case VAL_MEM: {
        gbx_x64_drop(c, v);
        x64_mem const m = gbx_x64_access(c, v);
        x64_sse_m(b, v->is_64 ? 0xf2 : 0xf3, 0x10, dst, m);
        break;
    }
    default: {
        u32 const reg = gbx_x64_gpr(c, v, true);
        x64_movq_to_xmm(b, dst, reg, v->is_64 ? X64_64 : X64_32);
        gbx_x64_drop(c, v);
        break;
    }
    }
}

u32
gbx_x64_xown(x64_ctx *c, x64_val *v, u32 dst)
{
    if (dst != X64_NO_REG) {
        values_xinto(c, v, dst);
        return dst;
    }
    u32 const reg = v->kind == VAL_XMM && v->local == X64_NO_LOCAL ? v->reg : gbx_x64_xtake(c);
    values_xinto(c, v, reg);
    c->xfree &= ~(1u << reg);
    v->kind = VAL_XMM;
    v->reg = (u8)reg;
    v->local = X64_NO_LOCAL;
    v->narrow = false;
    return reg;
}

u32
gbx_x64_xmm(x64_ctx *c, x64_val *v)
{
    if (v->kind == VAL_XMM) return v->reg;
    if (v->kind == VAL_LOCAL) {
        const x64_local *const l = &c->locals[v->local];
        if (l->reg != X64_NO_REG && l->is_float) return gbx_x64_local_reg(c, v->local);
    }
    return gbx_x64_xown(c, v, X64_NO_REG);
}

/* ---- Values at home */

/* All 8 bytes, the upper half zero where it is 32 bits wide. */
void
gbx_x64_to_slot(x64_ctx *c, x64_val *v, x64_mem m)
{
    x64_buf *const b = c->b;
    bool const is_float_local = v->kind == VAL_LOCAL && c->locals[v->local].is_float &&
                                c->locals[v->local].reg != X64_NO_REG;
    if (v->kind == VAL_CONST && (i64)v->bits == (i32)v->bits) {
        x64_rm(b, 0xc7, 0, m, X64_64);
        x64_u32(b, (u32)v->bits);
    } else if (v->kind == VAL_XMM || is_float_local) {
        x64_rm(b, X64_F(0x66, 0xd6), gbx_x64_xmm(c, v), m, X64_32);
        gbx_x64_drop(c, v);
    } else if (v->kind == VAL_LOCAL && v->narrow && c->locals[v->local].reg != X64_NO_REG) {
        x64_store(b, m, gbx_x64_local_reg(c, v->local), X64_32); /* needs no temporary */
        m.disp += 4;
        x64_rm(b, 0xc7, 0, m, X64_32);
        x64_u32(b, 0);
    } else {
        u32 const reg = gbx_x64_gpr(c, v, false);
        x64_store(b, m, reg, X64_64);
        gbx_x64_drop(c, v);
    }
}

void
gbx_x64_to_home(x64_ctx *c, x64_val *v, u32 place)
{
    if (v->kind == VAL_HOME && (u32)v->disp == place) return;
    bool const is_64 = v->is_64;
    gbx_x64_to_slot(c, v, gbx_x64_place_home(c, place));
    *v = (x64_val){.kind = VAL_HOME,
                   .is_64 = is_64,
                   .disp = (i32)place,
                   .local = X64_NO_LOCAL,
                   .index_local = X64_NO_LOCAL,
                   .index = X64_NO_REG};
}

void
gbx_x64_flush(x64_ctx *c, u32 height)
{
    for (u32 i = c->settled; i < height; i++) {
        x64_room(c->b);
        gbx_x64_to_home(c, &c->stack[i], i);
    }
    if (c->settled < height) c->settled = height;
}
