/* The interpreter's frames: their records, backtraces, who catches what is thrown; and segments of compiled
 * code, which stand among them (abi/native.h). For interp.c alone. */
#ifndef GBX_INTERP_FRAMES_H
#define GBX_INTERP_FRAMES_H

#include <string.h>

#include "abi/native.h"
#include "interp/interp.h"
#include "wasm/fuel.h"
#include "wasm/opcodes.h"

enum { OP_RETURN_HOST = 0xfb, OP_RETURN_INSTANCE = 0xfe };
static const u8 interp_return_instance[1] = {OP_RETURN_INSTANCE};
static const u8 interp_return[1] = {OP_RETURN};

/* A frame of another instance takes the place of the one of this record. */
static void
interp_cross(gbx_record *rec)
{
    if (rec->ret_pc == gbx_interp_return_host || rec->ret_pc == interp_return_instance ||
        rec->ret_pc == gbx_interp_return_native)
        return;
    rec->caller->resume = rec->ret_pc;
    rec->ret_pc = interp_return_instance;
}

/* Record the frames from `rec` outwards, through the host's frames between guest calls, too. `pc` NULL: the
 * innermost is a segment that trapped. */
static void
interp_record_trap(gbx_exec *x, const gbx_record *rec, const u8 *pc)
{
    x->frame_count = 0;
    x->frames_total = 0;
    while (rec) {
        if (!rec->func) {
            x->tier->frames(x, (const gbx_segment *)(const void *)(rec + 1), pc == NULL);
            const gbx_record *const outer = rec->caller;
            bool const is_call =
                    rec->ret_pc != gbx_interp_return_host && rec->ret_pc != interp_return_instance;
            if (outer) pc = is_call ? rec->ret_pc : outer->resume;
            if (!pc) pc = gbx_interp_return_native;
            rec = outer;
            continue;
        }
        const gbx_instance *const inst = rec->func->inst;
        const wasm_code *const code = rec->func->code;
        if (x->frame_count < GBX_LEN(x->frames))
            x->frames[x->frame_count++] = (gbx_frame_ref){
                    inst, code->func_idx, gbx_wasm_insn_before(inst->module, code, pc)};
        x->frames_total++;
        const gbx_record *const caller = rec->caller;
        bool const crosses =
                rec->ret_pc == gbx_interp_return_host || rec->ret_pc == interp_return_instance;
        if (caller)
            pc = crosses ? caller->resume : rec->ret_pc; /* of a segment's it is any but NULL */
        if (!pc) pc = gbx_interp_return_native;
        rec = caller;
    }
}

/* The clause of the frame that catches what is thrown by the instruction before `pc`, or NULL. */
static const wasm_catch *
interp_find_clause(const gbx_record *rec, const u8 *pc, const gbx_exn *exn, u32 *origin)
{
    if (!rec->func) return NULL; /* what catches is not compiled */
    const gbx_instance *const inst = rec->func->inst;
    const wasm_code *const code = rec->func->code;
    u32 const at = (u32)(pc - inst->module->bytes);
    for (const wasm_try *t = code->tries; t < code->tries + code->try_count; t++) {
        if (at <= t->begin || at > t->end) continue;
        for (u32 i = 0; i < t->catch_count; i++) {
            const wasm_catch *const c = &code->catches[t->catch_first + i];
            bool const is_all = c->kind == WASM_CATCH_ALL || c->kind == WASM_CATCH_ALL_REF;
            if (!is_all && inst->tags[c->tag_idx] != exn->tag) continue;
            *origin = t->origin;
            return c;
        }
    }
    return NULL;
}

/* Leave what the clause gives on the operands that start at `base`: the place of the topmost. */
static gbx_slot *
interp_give_caught(const gbx_exec *x, gbx_slot *base, const wasm_catch *clause, const gbx_exn *exn)
{
    gbx_slot *top = base + clause->height;
    if (clause->kind == WASM_CATCH || clause->kind == WASM_CATCH_REF) {
        u32 const count = exn->tag->param_count;
        for (u32 i = 0; i < count; i++) {
            *++top = exn->values[i];
            if (exn->tag->has_v128) top[x->high] = exn->values[count + i];
        }
    }
    if (clause->kind == WASM_CATCH_REF || clause->kind == WASM_CATCH_ALL_REF)
        *++top = (gbx_slot)(uintptr_t)exn;
    return top;
}

/* Where a frame goes on; see the head of this file. */
typedef struct interp_frame {
    gbx_record *rec; /* NULL: nowhere */
    gbx_slot *fp, *sp;
    const u8 *pc;
    const wasm_side *side;
} interp_frame;

/* Catch x->exn, thrown by the instruction before `pc` of the frame `rec`: there or further out, up to the
 * frame that the host called. Uncaught, nothing has changed. */
__attribute__((noinline)) static interp_frame
interp_catch(gbx_exec *x, gbx_record *rec, gbx_slot *fp, const u8 *pc)
{
    const gbx_exn *const exn = x->exn;
    const wasm_catch *clause;
    u32 origin;
    while (!(clause = interp_find_clause(rec, pc, exn, &origin))) {
        if (rec->ret_pc == gbx_interp_return_host) return (interp_frame){0};
        if (!rec->func) x->tier->end(x, gbx_record_segment(rec));
        fp = rec->ret_fp;
        pc = rec->ret_pc == interp_return_instance ? rec->caller->resume : rec->ret_pc;
        rec = rec->caller;
    }
    const wasm_side *const entry = &rec->func->code->side[clause->side];
    x->exn = NULL;
    return (interp_frame){
            .rec = rec,
            .fp = fp,
            .sp = interp_give_caught(x, (gbx_slot *)(rec + 1), clause, exn),
            .pc = rec->func->inst->module->bytes + origin + entry->pc_delta,
            .side = entry + entry->side_delta,
    };
}

/* Something was asked for. True: it is to stop. The hint goes first, so that a stop that comes now sets
 * it again. */
__attribute__((noinline, cold)) static bool
interp_is_stopped(gbx_exec *x, const gbx_record *rec, const u8 *pc)
{
    u32 const asked = atomic_fetch_and(&x->attention, ~(u32)(GBX_ATTEND_STOP | GBX_ATTEND_SAMPLE));
    bool const stops = atomic_load(&x->stop) != 0;
    if (stops) (void)atomic_fetch_or(&x->attention, GBX_ATTEND_STOP);
    if (asked & GBX_ATTEND_SAMPLE && x->sampled) x->sampled(x, rec, pc);
    return stops;
}

/* What samples are told of the loops around this one. */
typedef struct interp_around {
    gbx_record *looping, *calling;
} interp_around;

/* What this loop runs has called nothing yet; what is around it goes on calling once it is over. */
static interp_around
interp_loops(gbx_exec *x, gbx_record *rec)
{
    interp_around const around = {x->looping, x->calling};
    x->calling = NULL;
    x->looping = rec;
    return around;
}

static void
interp_looped(gbx_exec *x, interp_around around)
{
    x->looping = around.looping;
    x->calling = around.calling;
}

/* ---- Compiled code */

#define INTERP_SHUFFLE_SPAN                                                                        \
    64 /* bytes, of a branch that moves operands: where it leads is not looked at */
#define INTERP_CALL_MOST 256u /* bytes of a body that a call is taken to execute */

/* RULE: S13. Count down what is left until f is compiled; true when it has code. args: see gbx_tier.warm. */
static bool
interp_heat(gbx_exec *x, const gbx_func *f, i32 by, const gbx_slot *args)
{
    gbx_cell *const cell = f->cell;
    i32 const heat = atomic_load_explicit(&cell->heat, memory_order_relaxed) - by;
    atomic_store_explicit(&cell->heat, heat, memory_order_relaxed);
    if (heat > 0) return false;
    x->tier->warm(x, f, args);
    return atomic_load_explicit(&cell->body, memory_order_acquire) != NULL;
}

static bool
interp_body(gbx_exec *x, const gbx_func *f, const gbx_slot *args)
{
    if (atomic_load_explicit(&f->cell->body, memory_order_acquire)) return true;
    u32 const bytes = (f->code->body_end - f->code->body_off) / 4;
    return interp_heat(x, f, (i32)(bytes < INTERP_CALL_MOST ? bytes + 8 : INTERP_CALL_MOST), args);
}

/* Where f's code takes over from a loop that goes round at `pc`, if it does. */
__attribute__((noinline)) static const gbx_native_head *
interp_head(gbx_exec *x, const gbx_func *f, i32 span, const u8 *pc)
{
    const gbx_body *body = atomic_load_explicit(&f->cell->body, memory_order_acquire);
    if (!body) {
        if (!interp_heat(x, f, span, NULL)) return NULL;
        body = atomic_load_explicit(&f->cell->body, memory_order_acquire);
    }
    u32 const offset = (u32)(pc - f->inst->module->bytes);
    u32 low = 0, high = body->head_count;
    while (low < high) {
        u32 const mid = low + (high - low) / 2;
        if (body->heads[mid].wasm_offset < offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low < body->head_count && body->heads[low].wasm_offset == offset ? &body->heads[low]
                                                                            : NULL;
}

/* ---- Fuel. RULE: S15 */

/* The return before `pc` was charged and is none of the text's: the end of the body, or the one behind a call
 * of the host. */
static inline bool
interp_is_end(const gbx_record *rec, const u8 *pc)
{
    return pc == rec->func->inst->module->bytes + rec->func->code->body_end || pc == interp_return + 1;
}

/* What was charged behind the instruction before `pc`, which has trapped in the frame `rec`. */
static i64
interp_unspent(const gbx_record *rec, const u8 *pc)
{
    if (!pc || !rec->func) return 0;
    return gbx_wasm_fuel_behind(rec->func->inst->module, rec->func->code, pc);
}

/* What compiled code left with, as a trap code. */
static gbx_trap_code
interp_native_trap(const gbx_exec *x)
{
    if (x->fault.kind == GBX_FAULT_GIVEN) return (gbx_trap_code)x->native.trap;
    if (x->fault.kind != GBX_FAULT_POLL) return (gbx_trap_code)x->fault.kind;
    return (gbx_trap_code)atomic_load_explicit(&x->stop, memory_order_acquire);
}

#endif
