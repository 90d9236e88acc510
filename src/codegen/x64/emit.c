/* The walk of pass B: each instruction to the function that emits it. See emit.h.
 *
 * SAFETY: bodies are validated: indices, types and operand counts are right, and facts.blocks covers all
 * that can be executed. Room is made before each instruction (X64_ROOM), and again by whatever emits more
 * than a bounded number of bytes for one.
 *
 * The size of a frame is known once the function is done. Functions that need none are compiled without,
 * which is a guess: where it turns out wrong, or calls need more room than was thought, all is done again as
 * soon as that shows. */
#include "codegen/x64/emit.h"

#include <stdlib.h>

#include "base/os_sync.h"
#include "wasm/fuel.h"
#include "wasm/limits.h"

#pragma GCC diagnostic ignored                                                                     \
        "-Wpedantic" /* ranges of opcodes in switches, which both compilers have */

#define EMIT_LOOP_ALIGN 32u
#define EMIT_LARGE_FRAME ((u32)128 << 10) /* far below the guard of a native stack */

/* ---- Immediates */

u64
gbx_x64_leb(x64_ctx *c, unsigned *bits)
{
    u64 v = 0;
    for (unsigned shift = 0;; shift += 7) {
        u8 const b = *c->pc++;
        if (shift < 64) v |= (u64)(b & 0x7f) << shift;
        if (b & 0x80) continue;
        *bits = shift + 7;
        return v;
    }
}

static void
emit_skip(x64_ctx *c)
{
    while (*c->pc++ & 0x80) {
    }
}

/* Behind the opcode of a block, and of those that open with it. */
static void
emit_openings(x64_ctx *c)
{
    emit_skip(c);
    while (c->pc + 1 < c->end && c->pc[0] == OP_BLOCK && c->pc[1] == 0x40) c->pc += 2;
}

static void
emit_float_const(x64_ctx *c, bool is_64)
{
    u64 bits = 0;
    memcpy(&bits, c->pc, is_64 ? 8 : 4);
    c->pc += is_64 ? 8 : 4;
    x64_push_const(c, bits, is_64);
}

/* ---- Instructions */

/* wrap: the same value, seen as 32 bits. */
static void
emit_wrap(x64_ctx *c)
{
    x64_val *const v = x64_pop(c);
    switch (v->kind) {
    case VAL_FLAGS: gbx_x64_push_flags(c, v->cc, false); return;
    case VAL_CONST: v->bits = (u32)v->bits; break;
    case VAL_LOCAL:
    case VAL_REG: v->narrow = true; break;
    case VAL_LEA: break;
    default:
        v->is_64 = false;
        (void)gbx_x64_own(c, v, X64_NO_REG);
        v->narrow = true;
        break;
    }
    v->is_64 = false;
    x64_push_val(c, v);
}

static void
emit_extend_u(x64_ctx *c)
{
    x64_val *const v = x64_pop(c);
    if (v->kind == VAL_FLAGS) {
        gbx_x64_push_flags(c, v->cc, true);
        return;
    }
    bool const is_clean = v->kind == VAL_CONST || v->kind == VAL_HOME ||
                          ((v->kind == VAL_LOCAL || v->kind == VAL_REG) && !v->narrow);
    u32 local = X64_NO_LOCAL;
    if (!is_clean) {
        u32 const hint = x64_hint(c, false, &local);
        u32 const reg = gbx_x64_own(c, v, hint);
        x64_push_reg(c, reg, local, true);
        return;
    }
    v->is_64 = true;
    x64_push_val(c, v);
}

static void
emit_fc(x64_ctx *c)
{
    static const struct {
        u8 takes, gives;
    } shapes[OP_FC_COUNT] = {
            [OP_FC_MEMORY_INIT] = {3, 0}, [OP_FC_DATA_DROP] = {0, 0},  [OP_FC_MEMORY_COPY] = {3, 0},
            [OP_FC_MEMORY_FILL] = {3, 0}, [OP_FC_TABLE_INIT] = {3, 0}, [OP_FC_ELEM_DROP] = {0, 0},
            [OP_FC_TABLE_COPY] = {3, 0},  [OP_FC_TABLE_GROW] = {2, 1}, [OP_FC_TABLE_SIZE] = {0, 1},
            [OP_FC_TABLE_FILL] = {3, 0},
    };
    u32 const sub = x64_read_u32(c);
    if (sub <= OP_FC_I64_TRUNC_SAT_F64_U) {
        gbx_x64_trunc_sat(c, sub);
        return;
    }
    u32 const first = x64_read_u32(c);
    u32 const second = gbx_wasm_ops_fc[sub].imm == IMM_IDX2 ? x64_read_u32(c) : 0;
    bool const is_first = first == 0 && second == 0; /* memory */
    if (is_first && gbx_x64_bulk(c, sub)) return;
    gbx_x64_libcall(c, sub, first, second, shapes[sub].takes, shapes[sub].gives);
}

/* The instructions of b from pc on. False: one of them has left the block, or there is no room for more code,
 * so that no time is spent on it; else c->end is reached.
 * STYLE: one function because it is one opcode switch. */
static bool
emit_insns(x64_ctx *c, const facts_block *b)
{
    while (c->pc < c->end) {
        x64_room(c->b);
        if (GBX_UNLIKELY(c->b->failed)) return false;
        c->insn = c->pc;
        c->wasm_offset = (u32)(c->insn - c->m->bytes);
        x64_line(c);
        u8 const op = c->unfuse[*c->pc++];
        if (c->is_metered) c->spent += (i32)gbx_wasm_fuel_cost(c->m, c->code, c->insn, op);
        switch (op) {
        case OP_NOP:
        case OP_END: continue;
        case OP_BLOCK: emit_openings(c); continue;
        case OP_LOOP: emit_skip(c); continue;
        case OP_UNREACHABLE:
        case OP_ELSE:
        case OP_BR:
        case OP_BR_IF:
        case OP_BR_TABLE:
        case OP_IF:
        case OP_RETURN: gbx_x64_exit(c, b); return false;
        case OP_CALL: gbx_x64_call(c, x64_read_u32(c)); continue;
        case OP_CALL_INDIRECT: {
            u32 const type = x64_read_u32(c);
            gbx_x64_call_indirect(c, type, x64_read_u32(c));
            continue;
        }
        case OP_RETURN_CALL: gbx_x64_tail_call(c, x64_read_u32(c)); return false;
        case OP_RETURN_CALL_INDIRECT: {
            u32 const type = x64_read_u32(c);
            gbx_x64_tail_call_indirect(c, type, x64_read_u32(c));
            return false;
        }
        case OP_DROP: gbx_x64_drop(c, x64_pop(c)); continue;
        case OP_SELECT_T:
            emit_skip(c);
            c->pc++; /* one type, of one byte */
            gbx_x64_select(c);
            continue;
        case OP_SELECT: gbx_x64_select(c); continue;
        case OP_LOCAL_GET:
            c->access++;
            gbx_x64_local_get(c, x64_read_u32(c));
            continue;
        case OP_LOCAL_SET:
        case OP_LOCAL_TEE:
            c->access++;
            gbx_x64_local_set(c, x64_read_u32(c), op == OP_LOCAL_TEE);
            continue;
        case OP_GLOBAL_GET:
            c->access++;
            gbx_x64_global_get(c, x64_read_u32(c));
            continue;
        case OP_GLOBAL_SET:
            c->access++;
            gbx_x64_global_set(c, x64_read_u32(c));
            continue;
        case OP_TABLE_GET: gbx_x64_table_get(c, x64_read_u32(c)); continue;
        case OP_TABLE_SET: gbx_x64_table_set(c, x64_read_u32(c)); continue;
        case OP_I32_LOAD ... OP_I64_LOAD32_U: gbx_x64_load(c, op); continue;
        case OP_I32_STORE ... OP_I64_STORE32: gbx_x64_store(c, op); continue;
        case OP_MEMORY_SIZE: gbx_x64_memory_size(c, x64_read_u32(c)); continue;
        case OP_MEMORY_GROW:
            gbx_x64_libcall(c, GBX_TIER_MEMORY_GROW, x64_read_u32(c), 0, 1, 1);
            continue;
        case OP_I32_CONST: x64_push_const(c, (u32)x64_read_s64(c), false); continue;
        case OP_I64_CONST: x64_push_const(c, x64_read_s64(c), true); continue;
        case OP_F32_CONST: emit_float_const(c, false); continue;
        case OP_F64_CONST: emit_float_const(c, true); continue;
        case OP_I32_EQZ: gbx_x64_eqz(c, false); continue;
        case OP_I64_EQZ: gbx_x64_eqz(c, true); continue;
        case OP_I32_EQ ... OP_I32_GE_U:
        case OP_I64_EQ ... OP_I64_GE_U: gbx_x64_compare(c, op); continue;
        case OP_I32_CLZ ... OP_I32_POPCNT:
        case OP_I64_CLZ ... OP_I64_POPCNT: gbx_x64_int_unary(c, op); continue;
        case OP_I32_ADD ... OP_I32_ROTR:
        case OP_I64_ADD ... OP_I64_ROTR: gbx_x64_int_binary(c, op); continue;
        case OP_I32_WRAP_I64: emit_wrap(c); continue;
        case OP_I64_EXTEND_I32_U: emit_extend_u(c); continue;
        case OP_I64_EXTEND_I32_S:
        case OP_I32_EXTEND8_S ... OP_I64_EXTEND32_S: gbx_x64_extend(c, op); continue;
        case OP_REF_NULL:
            emit_skip(c);
            x64_push_const(c, 0, true);
            continue;
        case OP_REF_IS_NULL: gbx_x64_eqz(c, true); continue;
        case OP_REF_FUNC: gbx_x64_ref_func(c, x64_read_u32(c)); continue;
        case OP_PREFIX_FC: emit_fc(c); continue;
        default: gbx_x64_float(c, op); continue;
        }
    }
    return true;
}

void
gbx_x64_add_line(x64_ctx *c)
{
    codegen_line const line = {c->b->len, c->wasm_offset};
    (void)x64_push_item(c, &c->s->lines, &line, sizeof line);
}

static void
emit_instructions(x64_ctx *c, u32 block)
{
    const facts_block *const b = &c->f.blocks[block];
    c->block = block;
    c->pc = c->m->bytes + b->off;
    c->end = c->m->bytes + b->end;
    c->access = c->f.accesses + b->access;
    bool const goes_on = emit_insns(c, b);
    x64_room(c->b);
    if (goes_on) gbx_x64_fall(c, b);
}

void
gbx_x64_block(x64_ctx *c, u32 block)
{
    const facts_block *const b = &c->f.blocks[block];
    bool const aligns = c->env->tune & CODEGEN_TUNE_BIT(ALIGN);
    if (aligns && b->marks & FACTS_MARK_HEAD) x64_align(c->b, EMIT_LOOP_ALIGN);
    c->bound[block] = c->b->len;
    if (!c->is_open) gbx_x64_enter_block(c, block);
    c->is_open = false;
    if (b->marks & FACTS_MARK_HEAD && b->height == 0) {
        codegen_head const head = {b->off, c->b->len};
        (void)x64_push_item(c, &c->s->heads, &head, sizeof head);
    }
    emit_instructions(c, block);
}

/* ---- Registers */

/* In the order they are given to locals, the heaviest first: short encodings first. The last are those of
 * globals, where the module has none to pin. */
static const u8 emit_local_regs[] = {RSI, RDI, RBP, R8, R9, R10, R11, R12, X64_PIN1, X64_PIN0};
static const u8 emit_metered_regs[] = {RSI, RDI, RBP, R8, R9, R10, R11, X64_PIN1, X64_PIN0};
#define EMIT_XMM_FIRST 2u /* below are temporaries */

static void
emit_assign(x64_ctx *c)
{
    u32 ints = 0, floats = EMIT_XMM_FIRST;
    u32 const pinned =
            (c->env->pins[0] != FACTS_NONE ? 1u : 0) + (c->env->pins[1] != FACTS_NONE ? 1u : 0);
    const u8 *const regs = c->is_metered ? emit_metered_regs : emit_local_regs;
    u32 const int_count =
            (u32)(c->is_metered ? GBX_LEN(emit_metered_regs) : GBX_LEN(emit_local_regs)) - pinned;
    c->temps = 1u << RAX | 1u << RCX | 1u << RDX;
    c->xtemps = (1u << EMIT_XMM_FIRST) - 1;
    c->assigned = 0;
    u32 const pinned_copy =
            c->f.copy_local == FACTS_NONE ? X64_NO_LOCAL : gbx_x64_pinned(c, c->f.copy_global);
    c->copy = c->copy_of = X64_NO_LOCAL;
    if (pinned_copy != X64_NO_LOCAL && c->env->tune & CODEGEN_TUNE_BIT(COPY)) {
        c->copy = c->f.locals[c->f.copy_local].idx;
        c->copy_of = pinned_copy;
    }
    for (u32 r = 0; r < X64_REGS; r++) c->reg_locals[r] = X64_NO_LOCAL;
    for (u32 i = 0; i < c->local_count; i++)
        c->locals[i] =
                (x64_local){.home = X64_NO_SLOT, .reg = X64_NO_REG, .rank = 255, .is_64 = true};
    for (u32 r = 0; r < c->f.local_count; r++) {
        x64_local *const l = &c->locals[c->f.locals[r].idx];
        l->rank = (u8)r;
        l->is_float = c->f.floats >> r & 1;
        u8 const type = c->f.locals[r].type;
        l->is_64 = type != WASM_I32 && type != WASM_F32;
        if (c->f.locals[r].idx == c->copy)
            continue; /* no masks, no home: nothing is ever done to it */
        if (l->is_float && floats < X64_SCRATCH0) l->reg = (u8)floats++;
        if (!l->is_float && ints < int_count) {
            l->reg = regs[ints++];
            c->reg_locals[l->reg] = c->f.locals[r].idx;
        }
        if (l->reg != X64_NO_REG) c->assigned |= 1ull << r;
    }
    for (; ints < int_count; ints++)
        c->temps |= 1u << regs[ints]; /* none is left for a local */
    for (; floats < X64_SCRATCH0; floats++) c->xtemps |= 1u << floats;
    for (u32 i = 0; i < CODEGEN_PINS; i++) {
        if (c->env->pins[i] == FACTS_NONE) continue;
        c->reg_locals[gbx_codegen_pin_reg(i)] = c->local_count + i;
        c->locals[c->local_count + i] =
                (x64_local){.home = X64_NO_SLOT,
                            .reg = (u8)gbx_codegen_pin_reg(i),
                            .rank = 255,
                            .is_64 = c->m->globals[c->env->pins[i]].type.type == WASM_I64};
    }
}

/* ---- The function */

static void *
emit_array(x64_ctx *c, x64_array *a, u64 count, size_t bytes)
{
    if (a->cap < count) {
        void *const items = gbx_base_realloc(a->items, count, bytes);
        if (!items) {
            c->failed = true;
            return NULL;
        }
        a->items = items;
        a->cap = (u32)count;
    }
    return a->items;
}

/* The function keeps something at home: a value over a call, or a local that has no register. What is left
 * out is seen when it shows. */
static bool
emit_has_homes(const x64_ctx *c)
{
    for (u32 r = 0; r < c->f.local_count; r++)
        if (!(c->assigned >> r & 1) && c->f.locals[r].idx != c->copy) return true;
    for (u32 i = 0; i < c->f.block_count; i++) {
        const facts_block *const b = &c->f.blocks[i];
        bool const calls = b->has & (FACTS_CALL | FACTS_CALL_INDIRECT);
        if (calls && b->live_in & b->live_out & ~b->defs & c->assigned) return true;
    }
    return c->f.locals_used > c->f.local_count;
}

static void
emit_guess_frame(x64_ctx *c)
{
    c->is_guessed = true;
    c->out_slots = c->f.values_max > 1 ? c->f.values_max : c->f.has & FACTS_CALL_VALUES ? 1 : 0;
    c->has_frame = c->out_slots || emit_has_homes(c);
}

static bool
emit_begin(x64_ctx *c)
{
    codegen_space *const s = c->s;
    s->fixups.count = s->colds.count = s->relocs.count = s->rows.count = s->heads.count = 0;
    s->frame_fixes.count = s->tables.count = s->items.count = s->self_calls.count = 0;
    s->lines.count = 0;
    c->b->len = 0;
    c->local_count = c->code->local_count;
    c->locals = emit_array(c, &s->locals, (u64)c->local_count + CODEGEN_PINS, sizeof *c->locals);
    c->stack = emit_array(c, &s->stack, (u64)c->f.height_max + 8, sizeof *c->stack);
    c->depth_homes = emit_array(c, &s->depths, (u64)c->f.height_max + 8, sizeof *c->depth_homes);
    c->bound = emit_array(c, &s->bound, (u64)c->f.block_count + 1, sizeof *c->bound);
    c->through = emit_array(c, &s->through, (u64)c->f.block_count + 1, sizeof *c->through);
    c->carried = emit_array(c, &s->carried, (u64)c->f.block_count + 1, sizeof *c->carried);
    c->tolls = emit_array(c, &s->tolls, (u64)c->f.block_count + 1, sizeof *c->tolls);
    if (c->failed) return false;
    memset(c->carried, 0, c->f.block_count * sizeof *c->carried);
    memset(c->bound, 0xff, c->f.block_count * sizeof *c->bound);
    memset(c->depth_homes, 0xff, (c->f.height_max + 8) * sizeof *c->depth_homes);
    c->slots = 0;
    c->out_need = 0;
    c->needs_frame = c->is_open = false;
    c->general = c->fresh = c->osr = FACTS_NONE;
    emit_assign(c);
    if (!c->is_guessed) {
        emit_guess_frame(c);
        gbx_x64_thread_jumps(c);
    }
    return true;
}

/* The order of blocks: those that end in a trap or are hardly ever reached come last, those that are not
 * emitted not at all. */
static u32
emit_order(x64_ctx *c, u32 first)
{
    u32 *const order = emit_array(c, &c->s->order, (u64)c->f.block_count + 1, sizeof *order);
    u32 const unlikely = c->env->tune & CODEGEN_TUNE_BIT(ASIDE) ? FACTS_MARK_UNLIKELY : 0;
    u32 const aside = FACTS_MARK_COLD | unlikely;
    u32 count = 0;
    if (!order) return 0;
    for (u32 cold = 0; cold < 2; cold++)
        for (u32 i = first; i < c->f.block_count; i++) {
            u32 const marks = c->f.blocks[i].marks;
            if ((i && marks & FACTS_MARK_END) || c->through[i] != i) continue;
            if (!(marks & aside) == !cold) order[count++] = i;
        }
    return count;
}

/* The guess about the frame has proved wrong: what is made from here on is thrown away. */
static bool
emit_is_vain(const x64_ctx *c)
{
    return c->needs_frame > c->has_frame || c->out_need > c->out_slots;
}

static void
emit_blocks(x64_ctx *c, u32 count)
{
    const u32 *const order = c->s->order.items;
    for (u32 i = 0; i < count && !c->failed && !c->b->failed && !emit_is_vain(c); i++) {
        c->next = i + 1 < count ? order[i + 1] : FACTS_NONE;
        gbx_x64_block(c, order[i]);
    }
}

/* With a dispatch: the fresh entry first, which runs what stands before the dispatch and goes on to the block
 * that 0 leads to; last the general one. RULE: S8. */
static void
emit_with_dispatch(x64_ctx *c)
{
    u32 const dispatch = c->f.dispatch;
    u32 const count = emit_order(c, dispatch + 1);
    u32 const first = count ? ((u32 *)c->s->order.items)[0] : FACTS_NONE;
    const facts_edge *const of_zero = &c->f.edges[c->f.blocks[dispatch].edge];
    facts_edge const fresh = {c->through[of_zero->to], of_zero->shuffle};
    for (u32 is_last = 0; is_last < 2; is_last++) {
        gbx_x64_entry(c, !is_last, is_last ? c->f.resume_live : c->f.fresh_live);
        gbx_x64_enter_block(c, 0);
        c->next = is_last ? FACTS_NONE : first;
        if (dispatch == 1) {
            const facts_block *const b = &c->f.blocks[0];
            c->block = 0;
            c->pc = c->m->bytes + b->off;
            c->end = c->m->bytes + b->end;
            c->access = c->f.accesses + b->access;
            (void)emit_insns(c, b);
        }
        x64_room(c->b);
        if (is_last) {
            gbx_x64_spend(c);
            gbx_x64_flush(c, c->height);
            gbx_x64_reload(c, c->f.blocks[dispatch].live_in);
            c->next = FACTS_NONE;
            gbx_x64_block(c, dispatch);
        } else {
            if (c->is_metered) c->spent += WASM_FUEL_DISPATCH + c->tolls[of_zero->to];
            if (fresh.to == first && !fresh.shuffle) {
                gbx_x64_spend(c);
                gbx_x64_flush(c, c->height);
                gbx_x64_reload(c, c->f.blocks[first].live_in);
            } else {
                gbx_x64_edge(c, &fresh);
            }
            emit_blocks(c, count);
            if (emit_is_vain(c)) return;
        }
    }
}

static void
emit_without_dispatch(x64_ctx *c)
{
    u32 const count = emit_order(c, 0);
    u64 const live = c->f.dispatch == FACTS_NONE ? c->f.fresh_live : c->f.resume_live;
    gbx_x64_entry(c, false, live);
    emit_blocks(c, count);
    if (!c->is_fresh || emit_is_vain(c)) return;
    gbx_x64_entry(c, true, live);
    x64_room(c->b);
    x64_jmp_back(c->b, c->bound[0]);
}

/* PERF: functions begin at places that differ in their lowest bits. Of two methods that are alike all
 * branches would otherwise be alike in these, and some processors then tell neither from what has been
 * executed which of them is called next (Zen 3: 4.4 times the time of a loop that calls two in turn). */
static void
emit_skew(x64_ctx *c)
{
    if (!(c->env->tune & CODEGEN_TUNE_BIT(SKEW))) return;
    u32 const hash = c->code->func_idx * 0x9e3779b1u;
    for (u32 left = hash >> 29 << 1; left; left--) x64_u8(c->b, 0xcc);
}

static void
emit_function(x64_ctx *c)
{
    if (!emit_begin(c)) return;
    emit_skew(c);
    c->has_dispatch = c->is_fresh && c->f.dispatch != FACTS_NONE && c->f.dispatch_local == 0;
    if (c->has_dispatch)
        emit_with_dispatch(c);
    else
        emit_without_dispatch(c);
    if (emit_is_vain(c) || c->b->failed) return;
    if (c->s->heads.count) gbx_x64_osr_entry(c);
    gbx_x64_finish(c);
}

static int
emit_by_offset(const void *a, const void *b)
{
    const codegen_head *const x = a, *const y = b;
    return x->wasm_offset < y->wasm_offset ? -1 : x->wasm_offset > y->wasm_offset;
}

/* RULE: S9. A local that copies a pinned global is in the global's register. */
static void
emit_describe(const x64_ctx *c, codegen_out *out)
{
    out->cold = c->cold_at;
    out->tables = c->tables_at;
    out->lines = c->s->lines.items;
    out->line_count = c->s->lines.count;
    for (u32 r = 0; r < c->f.local_count; r++) {
        u32 const idx = c->f.locals[r].idx;
        const x64_local *const l = &c->locals[idx == c->copy ? c->copy_of : idx];
        bool const is_at_home = l->reg == X64_NO_REG;
        out->regs[r] = is_at_home ? (u8)CODEGEN_NO_REG : (u8)(l->reg + (l->is_float ? X64_REGS : 0));
    }
}

const char *
gbx_codegen_reg_name(u8 reg)
{
    static const char names[][6] = {
            "rax",  "rcx",  "rdx",  "rbx",  "rsp",  "rbp",  "rsi",   "rdi",   "r8",    "r9",    "r10",
            "r11",  "r12",  "r13",  "r14",  "r15",  "xmm0", "xmm1",  "xmm2",  "xmm3",  "xmm4",  "xmm5",
            "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
    };
    return reg < GBX_LEN(names) ? names[reg] : "home";
}

gbx_code
gbx_codegen_compile(codegen_space *s, const codegen_env *env, const wasm_code *code,
                    codegen_out *out)
{
    *out = (codegen_out){.general = FACTS_NONE, .fresh = FACTS_NONE, .osr = FACTS_NONE};
    x64_ctx c = {.s = s, .b = &s->b, .env = env, .m = env->m, .code = code};
    c.is_metered = (env->tune & CODEGEN_METERED) != 0;
    u64 const begun_ns = gbx_base_os_now_ns();
    GBX_TRY(gbx_codegen_facts(s->facts, env->m, code, &c.f));
    out->facts_ns = gbx_base_os_now_ns() - begun_ns;
    out->beyond = c.f.beyond;
    if (out->beyond) return GBX_OK;
    c.sig = &env->m->types[code->type_idx];
    c.unfuse = gbx_wasm_unfuse[env->m->fuse_set];
    c.is_fresh = c.sig->param_count == 1 && c.sig->result_count <= 1 &&
                 (c.sig->params[0] == WASM_I32 || c.sig->params[0] == WASM_I64);
    u64 const most = (u64)(code->body_end - code->body_off) * WASM_MAX_CODE_GROWTH +
                     CODEGEN_FREE_BYTES;
    s->b.most = (u32)min_u64(most, X64_MOST);
    s->b.failed = s->b.is_long = false;
    for (bool is_needless = false;;) {
        emit_function(&c);
        if (s->b.is_long || s->b.len > s->b.most) {
            out->beyond = FACTS_BEYOND_GROWTH;
            return GBX_OK;
        }
        if (c.failed || s->b.failed) return GBX_NO_MEMORY;
        bool const is_large = (c.out_slots + c.slots) * 8 > EMIT_LARGE_FRAME;
        if (emit_is_vain(&c) || c.is_large < is_large) {
            c.has_frame = c.has_frame || c.needs_frame;
            c.out_slots = max_u32(c.out_slots, c.out_need);
            c.is_large = c.is_large || is_large;
        } else if (c.f.values_max <= 1 && c.has_frame > c.needs_frame && !is_needless) {
            is_needless = true;
            c.has_frame = false;
            c.out_slots = 0;
        } else {
            break;
        }
    }
    if (s->heads.count) qsort(s->heads.items, s->heads.count, sizeof(codegen_head), emit_by_offset);
    out->bytes = s->b.bytes;
    out->len = s->b.len;
    out->general = c.general;
    out->fresh = c.fresh;
    out->osr = c.osr;
    out->frame_bytes = c.has_frame ? (c.out_slots + c.slots) * 8 : 0;
    out->relocs = s->relocs.items;
    out->rows = s->rows.items;
    out->heads = s->heads.items;
    out->reloc_count = s->relocs.count;
    out->row_count = s->rows.count;
    out->head_count = c.osr == FACTS_NONE ? 0 : s->heads.count;
    if (env->wants_lines) emit_describe(&c, out);
    return GBX_OK;
}

codegen_space *
gbx_codegen_space_new(void)
{
    codegen_space *const s = gbx_base_alloc_zero(1, sizeof *s);
    if (!s) return NULL;
    s->facts = gbx_codegen_facts_space_new();
    if (s->facts && x64_grow(&s->b, (u32)64 << 10)) return s;
    gbx_codegen_space_free(s);
    return NULL;
}

void
gbx_codegen_space_free(codegen_space *s)
{
    if (!s) return;
    x64_array *const arrays[] = {&s->locals, &s->stack,  &s->saved,       &s->fixups,
                                 &s->colds,  &s->relocs, &s->rows,        &s->heads,
                                 &s->bound,  &s->order,  &s->frame_fixes, &s->depths,
                                 &s->tables, &s->items,  &s->self_calls,  &s->through, &s->tolls, &s->carried,
                                 &s->lines};
    for (u32 i = 0; i < GBX_LEN(arrays); i++) gbx_base_free(arrays[i]->items);
    gbx_base_free(s->b.bytes);
    gbx_codegen_facts_space_free(s->facts);
    gbx_base_free(s);
}
