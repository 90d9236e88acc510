/* Blocks and branches of the validator, and the side table they fill; the essay is in validate.c. */
#include <string.h>

#include "base/alloc.h"
#include "wasm/validate_int.h"

static inline val_ctrl *
control_top(val *v)
{
    return &v->ctrls[v->ctrl_len - 1];
}

/* Grow an array of the validator's to hold `need` items. */
static bool
control_grow(val *v, void **items, u32 *cap, u64 need, size_t bytes)
{
    if (need <= *cap) return true;
    u64 const grown_cap = max_u64(need, (u64)*cap * 2 + 64);
    void *const grown = grown_cap <= UINT32_MAX ? gbx_base_realloc(*items, grown_cap, bytes) : NULL;
    if (!grown) return gbx_wasm_val_fail(v, v->insn, GBX_NO_MEMORY, "out of memory");
    *items = grown;
    *cap = (u32)grown_cap;
    return true;
}

static inline bool
control_side_room(val *v, u64 more)
{
    if (GBX_LIKELY(v->side_len + more <= v->side_cap)) return true;
    void *items = v->side;
    bool const ok = control_grow(v, &items, &v->side_cap, v->side_len + more, sizeof *v->side);
    v->side = items;
    return ok;
}

const u8 *
gbx_wasm_val_skip(val *v, const u8 *pc)
{
    if (*pc != OP_END && *pc != OP_NOP) return pc;
    if (pc >= v->skip_from && pc < v->skip_to) return v->skip_to;
    const u8 *const from = pc;
    const u8 *const last = v->end - 1; /* the final end is never skipped: it returns */
    while (pc < last && (*pc == OP_END || *pc == OP_NOP)) pc++;
    v->skip_from = from;
    v->skip_to = pc;
    return pc;
}

/* One behind the block openings that stand at `pc`, of the plain kind that take no parameters. */
static const u8 *
control_run(const val *v, const u8 *pc, u32 *count)
{
    *count = 0;
    while (pc + 1 < v->end && (*pc == OP_BLOCK || *pc == OP_LOOP) && pc[1] < 0x80 && pc[1] >= 0x40) {
        pc += 2;
        ++*count;
    }
    return pc;
}

/* At the first of several block openings in a row: mark it to jump over all of them. Later ones of the
 * run are reached by nobody but a loop's own branches, which have a target behind the run. */
static bool
control_mark_run(val *v, u8 op)
{
    u32 count;
    const u8 *const end = control_run(v, v->insn, &count);
    v->run_end = end;
    if (count < 2) return true;
    if (!control_side_room(v, 1)) return false;
    v->side[v->side_len++] = (wasm_side){.pc_delta = (i32)(end - v->insn - 1), .side_delta = 1};
    v->m->bytes[v->insn - v->m->bytes] = op == OP_LOOP ? FUSED_LOOPS : FUSED_BLOCKS;
    return true;
}

/* A block opens with its parameters on the stack; it is zero but for what is said here. NULL after a
 * failure. */
static inline val_ctrl *
control_push(val *v, u8 op, const val_types *type)
{
    if (v->ctrl_len >= WASM_MAX_NESTING) {
        gbx_wasm_val_fail(v, v->insn, GBX_LIMIT, WASM_WHY_NESTING);
        return NULL;
    }
    if (GBX_UNLIKELY(v->ctrl_len == v->ctrl_cap)) {
        void *items = v->ctrls;
        bool const ok = control_grow(v, &items, &v->ctrl_cap, (u64)v->ctrl_len + 1, sizeof *v->ctrls);
        v->ctrls = items;
        if (!ok) return NULL;
    }
    val_ctrl *const c = &v->ctrls[v->ctrl_len++];
    *c = (val_ctrl){.type = *type, .height = (u32)(v->sp - v->types), .op = op};
    v->floor = v->sp;
    return val_push_types(v, type->params, type->param_count) ? c : NULL;
}

bool
gbx_wasm_val_open_body(val *v)
{
    /* Parameters are locals: none on the operand stack. */
    val_types const type = {.params = v->type->params,
                            .results = v->type->results,
                            .result_count = v->type->result_count};
    return control_push(v, OP_CALL, &type) != NULL;
}

/* The value type at `pc`, which is left there, is no number: false where it cannot be had. */
static bool
control_other_type(val *v)
{
    reader r = rd_init(v->m->bytes, (u64)(v->pc - v->m->bytes), v->m->len);
    if (gbx_wasm_read_valtype(v->m, &r) == WASM_V128) v->has_v128 = true;
    return rd_ok(&r) || gbx_wasm_val_fail(v, v->pc, r.code, r.why);
}

/* A block type: empty, one value type, or the index of a function type. PERF: of its two callers one has
 * 40,000 blocks in a Go program. */
__attribute__((always_inline)) static inline bool
control_block_type(val *v, val_types *c)
{
    static const wasm_valtype single[256] = {
        [WASM_I32] = WASM_I32,         [WASM_I64] = WASM_I64, [WASM_F32] = WASM_F32,
        [WASM_F64] = WASM_F64,         [WASM_FUNCREF] = WASM_FUNCREF,
        [WASM_EXTERNREF] = WASM_EXTERNREF, [WASM_V128] = WASM_V128, [WASM_EXNREF] = WASM_EXNREF,
    };
    u8 const b = *v->pc;
    *c = (val_types){.params = single, .results = single};
    if (b == 0x40) {
        v->pc++;
        return true;
    }
    if (single[b]) {
        if (GBX_UNLIKELY(b < WASM_F64) && !control_other_type(v)) return false;
        v->pc++;
        c->results = &single[b];
        c->result_count = 1;
        return true;
    }
    if (b < 0x80 && b & 0x40) return control_other_type(v);
    const u8 *const at = v->pc;
    i64 const idx = (i64)gbx_wasm_val_leb(v, LEB_I33);
    if (v->why) return false;
    if (idx < 0) return gbx_wasm_val_fail(v, at, GBX_MALFORMED, "malformed block type");
    if ((u64)idx >= v->m->type_count) return gbx_wasm_val_fail(v, at, GBX_INVALID, "unknown type");
    const wasm_functype *const t = &v->m->types[idx];
    if (!gbx_wasm_val_need(v, GBX_FEATURE_MULTI_VALUE)) return false;
    if (t->has_v128) v->has_v128 = true;
    c->params = t->params;
    c->param_count = t->param_count;
    c->results = t->results;
    c->result_count = t->result_count;
    return true;
}

/* Look ahead from a loop's head for the br_table of a dispatch: only block openings, then local.get.
 * Reads bytes that are validated later; what they say counts only when the walk arrives there. */
static void
control_expect_dispatch(val *v)
{
    const u8 *p = v->pc;
    while (p + 2 < v->end && p[0] == OP_BLOCK && p[1] == 0x40) p += 2;
    if (p + 3 >= v->end || p[0] != OP_LOCAL_GET || p[1] >= 0x80 || p[2] != OP_BR_TABLE) return;
    v->disp_at = p + 2;
    v->disp_local = p[1];
    v->disp_loop = v->ctrl_len - 1;
}

/* The plain blocks behind an opening that begins a run: thirty stand in a row where a Go function begins. */
static bool
control_push_run(val *v)
{
    static const wasm_valtype none[1];
    val_types const type = {.params = none, .results = none};
    while (v->pc < v->run_end && v->pc[0] == OP_BLOCK && v->pc[1] == 0x40) {
        v->insn = v->pc;
        if (!control_push(v, OP_BLOCK, &type)) return false;
        v->pc += 2;
    }
    return true;
}

bool
gbx_wasm_val_block(val *v, u8 op)
{
    val_types type;
    const u8 *const origin = v->pc;
    u32 else_fix = 0;
    if (op != OP_IF && v->insn >= v->run_end && !control_mark_run(v, op)) return false;
    if (!control_block_type(v, &type)) return false;
    if (op == OP_IF) {
        if (!val_pop(v, WASM_I32) || !control_side_room(v, 1)) return false;
        v->side[v->side_len] = (wasm_side){.pc_delta = (i32)(origin - v->m->bytes)};
        else_fix = ++v->side_len;
    }
    if (!val_pop_types(v, type.params, type.param_count)) return false;
    val_ctrl *const c = control_push(v, op, &type);
    if (!c) return false;
    c->else_fix = else_fix;
    if (op == OP_LOOP) {
        c->loop_off = (u32)((v->pc < v->run_end ? v->run_end : v->pc) - v->m->bytes);
        c->loop_side = v->side_len;
        if (type.param_count == 0) control_expect_dispatch(v);
    }
    return control_push_run(v);
}

/* Point entry `idx` at `pc` and side entry `side`. While it waits, its pc_delta is its origin. */
static void
control_resolve(val *v, u32 idx, const u8 *pc, u32 side)
{
    wasm_side *const e = &v->side[idx];
    e->pc_delta = (i32)((pc - v->m->bytes) - e->pc_delta);
    e->side_delta = (i32)((i64)side - (i64)idx);
}

static void
control_resolve_chain(val *v, u32 fix, const u8 *pc)
{
    while (fix) {
        u32 const next = (u32)v->side[fix - 1].side_delta;
        control_resolve(v, fix - 1, pc, v->side_len);
        fix = next;
    }
}

/* Results are there and nothing else: how a branch of a block must end. */
static bool
control_check_results(val *v, const val_ctrl *c)
{
    if (!val_pop_types(v, c->type.results, c->type.result_count)) return false;
    if (v->sp != v->floor)
        return gbx_wasm_val_fail(v, v->insn, GBX_INVALID,
                                 "type mismatch: values remain on the stack at the end of a block");
    return true;
}

/* An entry for a jump out of `c`, waiting for its end. */
static void
control_chain(val *v, val_ctrl *c, const u8 *origin, u32 shuffle)
{
    v->side[v->side_len] = (wasm_side){
        .pc_delta = (i32)(origin - v->m->bytes), .side_delta = (i32)c->fix, .shuffle = shuffle};
    c->fix = ++v->side_len;
}

bool
gbx_wasm_val_else(val *v)
{
    val_ctrl *const c = control_top(v);
    if (c->op != OP_IF)
        return gbx_wasm_val_fail(v, v->insn, GBX_MALFORMED, "unexpected else: no if is open");
    if (!control_check_results(v, c) || !control_side_room(v, 1)) return false;
    control_chain(v, c, v->pc, 0);
    control_resolve(v, c->else_fix - 1, gbx_wasm_val_skip(v, v->pc), v->side_len);
    c->else_fix = 0;
    c->op = OP_ELSE;
    c->unreachable = false;
    return val_push_types(v, c->type.params, c->type.param_count);
}

/* The innermost try_table ends: now it may be looked up. Inner ones ended before. */
static bool
control_close_try(val *v)
{
    wasm_try *const t = &v->open_tries[--v->open_try_len];
    t->end = (u32)(v->insn - v->m->bytes);
    if (t->catch_count == 0) return true;
    void *items = v->tries;
    bool const ok = control_grow(v, &items, &v->try_cap, (u64)v->try_len + 1, sizeof *v->tries);
    v->tries = items;
    if (ok) v->tries[v->try_len++] = *t;
    return ok;
}

bool
gbx_wasm_val_end(val *v)
{
    const val_ctrl *const c = control_top(v);
    if (!control_check_results(v, c)) return false;
    if (c->op == OP_CALL) {
        control_resolve_chain(v, c->fix, v->insn);
        v->ctrl_len = 0;
        return true;
    }
    if (c->op == OP_IF) {
        /* Without an else the false edge leaves the parameters as results. */
        const val_types *const t = &c->type;
        if (t->param_count != t->result_count || memcmp(t->params, t->results, t->param_count) != 0)
            return gbx_wasm_val_fail(v, v->insn, GBX_INVALID,
                                     "type mismatch: an if without else must give what it takes");
        control_resolve(v, c->else_fix - 1, gbx_wasm_val_skip(v, v->pc), v->side_len);
    } else if (GBX_UNLIKELY(c->op == OP_TRY_TABLE) && !control_close_try(v)) {
        return false;
    }
    if (c->fix) control_resolve_chain(v, c->fix, gbx_wasm_val_skip(v, v->pc));
    v->ctrl_len--;
    if (c->lead) v->dispatches[c->lead - 1].open = v->ctrl_len - 1;
    v->floor = v->types + control_top(v)->height;
    return val_push_types(v, c->type.results, c->type.result_count);
}

static const wasm_valtype *
control_label(const val_ctrl *c, u32 *count)
{
    bool const is_loop = c->op == OP_LOOP;
    *count = is_loop ? c->type.param_count : c->type.result_count;
    return is_loop ? c->type.params : c->type.results;
}

/* The block a branch of the depth at `pc` leaves for; NULL after a failure. */
static inline val_ctrl *
control_read_label(val *v)
{
    u32 const depth = val_u32(v);
    if (v->why) return NULL;
    if (depth >= v->ctrl_len) {
        gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "unknown label");
        return NULL;
    }
    return &v->ctrls[v->ctrl_len - 1 - depth];
}

static u32
control_shuffle_v128(const val_ctrl *c, u32 shuffle)
{
    u32 count;
    const wasm_valtype *const types = control_label(c, &count);
    bool const has_v128 = count && memchr(types, WASM_V128, count);
    return has_v128 ? shuffle | WASM_SIDE_V128 : shuffle;
}

/* drop << 10 | keep for a branch to `c` that carries `keep` values with `height` operands there; a
 * branch to the body's end needs none, since return takes the topmost values. In code that is never
 * reached heights mean nothing; what is computed there is never used. */
static inline u32
control_shuffle(const val *v, const val_ctrl *c, u32 height, u32 keep)
{
    if (c->op == OP_CALL || height <= c->height + keep) return 0;
    u32 const shuffle = (height - c->height - keep) << 10 | keep;
    return GBX_UNLIKELY(v->has_v128) ? control_shuffle_v128(c, shuffle) : shuffle;
}

static inline void
control_emit(val *v, val_ctrl *c, const u8 *origin, u32 shuffle)
{
    if (c->op != OP_LOOP) {
        control_chain(v, c, origin, shuffle);
        return;
    }
    v->side[v->side_len] = (wasm_side){.pc_delta = (i32)(origin - v->m->bytes), .shuffle = shuffle};
    control_resolve(v, v->side_len, v->m->bytes + c->loop_off, c->loop_side);
    v->side_len++;
}

/* Whether the two instructions before this one are `i32.const K; local.set L`, and K. */
static bool
control_sets_const(const val *v, u32 local, u32 *k)
{
    const u8 *const unfuse = gbx_wasm_unfuse[v->m->fuse_set];
    if (v->fused.count < 2) return false;
    const u8 *const put = v->fuse.at[(v->fused.count - 2) % FUSE_RING];
    const u8 *const set = v->fuse.at[(v->fused.count - 1) % FUSE_RING];
    if (unfuse[*put] != OP_I32_CONST || unfuse[*set] != OP_LOCAL_SET) return false;
    reader r = rd_init(v->m->bytes, (u64)(set + 1 - v->m->bytes), (u64)(v->end - v->m->bytes));
    if (gbx_base_rd_u32(&r) != local) return false;
    r.at = put + 1;
    *k = (u32)gbx_base_rd_i32(&r);
    return true;
}

/* RULE: S7. Emit the entry of `const K; set L; br loop` as a jump to where the loop's br_table sends K.
 * False when the table leads back to the loop itself: then the plain entry serves. */
static bool
control_emit_threaded(val *v, const val_ctrl *loop, const u8 *origin, u32 value)
{
    const val_dispatch *const d = &v->dispatches[loop->disp - 1];
    u32 const loop_idx = (u32)(loop - v->ctrls);
    u32 const k = min_u32(value, d->count - 1);
    u32 const target = v->targets[d->target + k];
    u32 const height = (u32)(v->sp - v->types);
    u32 const mark = v->m->features_off & WASM_METERED ? WASM_SIDE_THREADED : 0;
    if (target == loop_idx) return false;
    if (target < loop_idx || target <= d->open) {
        val_ctrl *const c = &v->ctrls[target];
        control_emit(v, c, origin, control_shuffle(v, c, height, 0) | mark);
        return true;
    }
    /* The block has ended: its entry in the br_table is resolved. */
    u32 const entry = d->side + k;
    const u8 *const pc = d->origin + v->side[entry].pc_delta;
    u32 const side = (u32)((i64)entry + v->side[entry].side_delta);
    v->side[v->side_len] = (wasm_side){.pc_delta = (i32)(origin - v->m->bytes),
                                       .shuffle = control_shuffle(v, loop, height, 0) | mark};
    control_resolve(v, v->side_len, pc, side);
    v->side_len++;
    return true;
}

bool
gbx_wasm_val_br(val *v)
{
    const u8 *const origin = v->pc;
    val_ctrl *const c = control_read_label(v);
    if (!c || !control_side_room(v, 1)) return false;
    u32 count;
    const wasm_valtype *const types = control_label(c, &count);
    u32 const height = (u32)(v->sp - v->types);
    if (!val_pop_types(v, types, count)) return false;
    u32 k;
    bool const threads = c->disp && control_sets_const(v, v->dispatches[c->disp - 1].local, &k);
    if (!threads || !control_emit_threaded(v, c, origin, k))
        control_emit(v, c, origin, control_shuffle(v, c, height, count));
    gbx_wasm_val_unreachable(v);
    return true;
}

bool
gbx_wasm_val_br_if(val *v)
{
    const u8 *const origin = v->pc;
    val_ctrl *const c = control_read_label(v);
    if (!c || !control_side_room(v, 1) || !val_pop(v, WASM_I32)) return false;
    u32 count;
    const wasm_valtype *const types = control_label(c, &count);
    u32 const height = (u32)(v->sp - v->types);
    if (!val_pop_types(v, types, count)) return false;
    control_emit(v, c, origin, control_shuffle(v, c, height, count));
    return val_push_types(v, types, count);
}

/* The types of a br_table's label against the stack, which is left as it was: below a branch the
 * labels of one table may differ in type as long as each fits. */
static bool
control_check_table_label(val *v, const val_ctrl *c, u32 arity)
{
    u32 count;
    const wasm_valtype *const types = control_label(c, &count);
    if (count != arity)
        return gbx_wasm_val_fail(v, v->insn, GBX_INVALID,
                                 "type mismatch: labels of a br_table take different numbers of values");
    return !count || gbx_wasm_val_fits(v, types, count) || val_pop_types(v, types, count); /* says why not */
}

/* Remember this br_table as the dispatch of the loop that looked ahead to it. */
static bool
control_note_dispatch(val *v, u32 first_side, u32 count, const u8 *origin)
{
    void *items = v->dispatches;
    if (control_top(v)->unreachable) return true;
    bool const ok = control_grow(v, &items, &v->dispatch_cap, (u64)v->dispatch_len + 1,
                                 sizeof *v->dispatches);
    v->dispatches = items;
    if (!ok) return false;
    v->dispatches[v->dispatch_len++] = (val_dispatch){.open = v->ctrl_len - 1,
                                                      .side = first_side,
                                                      .count = count,
                                                      .target = v->target_len - count,
                                                      .local = v->disp_local,
                                                      .origin = origin};
    v->ctrls[v->disp_loop].disp = v->dispatch_len;
    for (u32 i = v->disp_loop + 1; i < v->ctrl_len; i++) v->ctrls[i].lead = v->dispatch_len;
    return true;
}

/* The labels at `pc` as far as they are the usual ones: one byte, no loop, no values; at most `most`, for
 * which there is room. How many they were. PERF: a br_table of Go's has 30 of them.
 * SAFETY: `pc` may be behind the body's end already, by the number of labels. */
static u32
control_usual_labels(val *v, u32 most, const u8 *origin, u32 height, bool is_dispatch)
{
    i32 const off = (i32)(origin - v->m->bytes);
    u32 const len = v->ctrl_len, first = v->side_len;
    val_ctrl *const innermost = &v->ctrls[len - 1];
    wasm_side *const side = v->side + first;
    u32 *const targets = is_dispatch ? v->targets + v->target_len : NULL;
    const u8 *const pc = v->pc;
    u32 const count = pc < v->end ? (u32)min_u64(most, (u64)(v->end - pc)) : 0;
    u32 i = 0;
    for (; i < count && pc[i] < 0x80 && pc[i] < len; i++) {
        val_ctrl *const c = innermost - pc[i];
        if (c->op == OP_LOOP || c->type.result_count) break;
        side[i] = (wasm_side){off, (i32)c->fix, control_shuffle(v, c, height, 0)};
        c->fix = first + i + 1;
        if (targets) targets[i] = len - 1 - pc[i];
    }
    v->pc = pc + i;
    v->side_len = first + i;
    if (targets) v->target_len += i;
    return i;
}

bool
gbx_wasm_val_br_table(val *v)
{
    const u8 *const origin = v->pc;
    bool const is_dispatch = v->disp_at == v->insn;
    u32 const targets = val_u32(v);
    if (v->why || !val_pop(v, WASM_I32)) return false;
    if (targets > WASM_MAX_BR_TABLE)
        return gbx_wasm_val_fail(v, v->insn, targets >= v->end - v->pc ? GBX_MALFORMED : GBX_LIMIT,
                                 targets >= v->end - v->pc ? "unexpected end in a br_table"
                                                           : WASM_WHY_BR_TABLE);
    u32 const height = (u32)(v->sp - v->types);
    u32 const first = v->side_len;
    u32 arity = 0;
    if (!control_side_room(v, (u64)targets + 1)) return false;
    void *items = v->targets;
    bool const ok = !is_dispatch || control_grow(v, &items, &v->target_cap,
                                                 (u64)v->target_len + targets + 1, sizeof *v->targets);
    v->targets = items;
    if (!ok) return false;
    for (u32 i = control_usual_labels(v, targets + 1, origin, height, is_dispatch); i <= targets; i++) {
        if (v->pc >= v->end) return gbx_wasm_val_fail(v, v->end, GBX_MALFORMED, "unexpected end");
        val_ctrl *const c = control_read_label(v);
        if (!c) return false;
        if (i == 0) (void)control_label(c, &arity);
        if (!control_check_table_label(v, c, arity)) return false;
        control_emit(v, c, origin, control_shuffle(v, c, height, arity));
        if (is_dispatch) v->targets[v->target_len++] = (u32)(c - v->ctrls);
    }
    if (is_dispatch && !control_note_dispatch(v, first, targets + 1, origin)) return false;
    gbx_wasm_val_unreachable(v);
    return true;
}

bool
gbx_wasm_val_return(val *v)
{
    if (!val_pop_types(v, v->type->results, v->type->result_count)) return false;
    gbx_wasm_val_unreachable(v);
    return true;
}

/* Arguments off, results on; a tail call must give what the function gives, and ends the block. */
static bool
control_call_type(val *v, const wasm_functype *t, bool tail)
{
    if (!val_pop_types(v, t->params, t->param_count)) return false;
    if (t->has_v128) v->has_v128 = true;
    if (!tail) return val_push_types(v, t->results, t->result_count);
    if (t->result_count != v->type->result_count ||
        memcmp(t->results, v->type->results, t->result_count) != 0)
        return gbx_wasm_val_fail(v, v->insn, GBX_INVALID,
                                 "type mismatch: a tail call must give the function's own results");
    gbx_wasm_val_unreachable(v);
    return true;
}

bool
gbx_wasm_val_call(val *v, bool tail)
{
    u32 const idx = val_u32(v);
    if (v->why) return false;
    if (idx >= v->m->func_count) return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "unknown function");
    return control_call_type(v, &v->m->types[v->m->func_types[idx]], tail);
}

bool
gbx_wasm_val_call_indirect(val *v, bool tail)
{
    u32 const type_idx = val_u32(v);
    u32 const table_idx = val_u32(v);
    if (v->why) return false;
    if (table_idx >= v->m->table_count)
        return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "unknown table");
    if (table_idx && !gbx_wasm_val_need(v, GBX_FEATURE_REFERENCE_TYPES)) return false;
    const wasm_tabletype *const table = &v->m->tables[table_idx];
    if (table->elem != WASM_FUNCREF)
        return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "type mismatch: the table holds no functions");
    if (type_idx >= v->m->type_count) return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "unknown type");
    return val_pop(v, val_address_type(&table->limits)) &&
           control_call_type(v, &v->m->types[type_idx], tail);
}

/* What a clause hands to its label: a tag's values, and for _REF the exception. */
static bool
control_check_catch(val *v, const val_ctrl *label, const wasm_catch *clause)
{
    u32 count;
    const wasm_valtype *const types = control_label(label, &count);
    bool const has_tag = clause->kind == WASM_CATCH || clause->kind == WASM_CATCH_REF;
    bool const has_ref = clause->kind == WASM_CATCH_REF || clause->kind == WASM_CATCH_ALL_REF;
    const wasm_functype *const tag = has_tag ? &v->m->types[v->m->tags[clause->tag_idx]] : NULL;
    u32 const values = tag ? tag->param_count : 0;
    if (count != values + has_ref || (values && memcmp(types, tag->params, values) != 0) ||
        (has_ref && types[values] != WASM_EXNREF))
        return gbx_wasm_val_fail(v, v->insn, GBX_INVALID,
                                 "type mismatch: a catch clause gives its label other values");
    if (!gbx_wasm_val_reserve(v, count)) return false;
    if (v->types + label->height + count > v->sp_max) v->sp_max = v->types + label->height + count;
    return true;
}

/* One clause of the try_table whose opcode ends at `origin`. Its label is one of those around the
 * try_table, which is not open yet. */
static bool
control_catch(val *v, const u8 *origin)
{
    if (v->pc >= v->end) return gbx_wasm_val_fail(v, v->end, GBX_MALFORMED, "unexpected end");
    wasm_catch clause = {.kind = *v->pc++};
    if (clause.kind > WASM_CATCH_ALL_REF)
        return gbx_wasm_val_fail(v, v->pc - 1, GBX_MALFORMED, "malformed catch clause");
    if (clause.kind <= WASM_CATCH_REF) {
        clause.tag_idx = val_u32(v);
        if (v->why) return false;
        if (clause.tag_idx >= v->m->tag_count)
            return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "unknown tag");
    }
    val_ctrl *const label = control_read_label(v);
    if (!label || !control_check_catch(v, label, &clause)) return false;
    clause.side = v->side_len;
    clause.height = label->height;
    control_emit(v, label, origin, 0);
    v->catches[v->catch_len++] = clause;
    return true;
}

bool
gbx_wasm_val_try_table(val *v)
{
    val_types type;
    const u8 *const origin = v->pc;
    if (!control_block_type(v, &type)) return false;
    u32 const clauses = val_u32(v);
    if (v->why) return false;
    if (clauses > WASM_MAX_CATCH_CLAUSES)
        return gbx_wasm_val_fail(v, v->insn, clauses >= v->end - v->pc ? GBX_MALFORMED : GBX_LIMIT,
                                 clauses >= v->end - v->pc ? "unexpected end in a try_table"
                                                           : WASM_WHY_CATCH_CLAUSES);
    void *catches = v->catches, *tries = v->open_tries;
    bool ok = control_side_room(v, (u64)clauses + 1) &&
              control_grow(v, &catches, &v->catch_cap, (u64)v->catch_len + clauses, sizeof *v->catches);
    v->catches = catches;
    ok = ok && control_grow(v, &tries, &v->open_try_cap, (u64)v->open_try_len + 1, sizeof *v->tries);
    v->open_tries = tries;
    if (!ok) return false;
    u32 const first = v->side_len++;
    wasm_try t = {.origin = (u32)(origin - v->m->bytes), .catch_first = v->catch_len};
    while (t.catch_count < clauses && control_catch(v, origin)) t.catch_count++;
    if (v->why) return false;
    v->side[first] = (wasm_side){.pc_delta = (i32)(v->pc - origin), .side_delta = (i32)(clauses + 1)};
    t.begin = (u32)(v->pc - v->m->bytes);
    v->open_tries[v->open_try_len++] = t;
    return val_pop_types(v, type.params, type.param_count) && control_push(v, OP_TRY_TABLE, &type);
}

bool
gbx_wasm_val_throw(val *v)
{
    u32 const idx = val_u32(v);
    if (v->why) return false;
    if (idx >= v->m->tag_count) return gbx_wasm_val_fail(v, v->insn, GBX_INVALID, "unknown tag");
    const wasm_functype *const t = &v->m->types[v->m->tags[idx]];
    if (!val_pop_types(v, t->params, t->param_count)) return false;
    gbx_wasm_val_unreachable(v);
    return true;
}
