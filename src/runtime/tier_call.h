/* Entering compiled code: what each call runs through, inlined into call.c and tier.c. See enter.h and
 * abi/native.h.
 *
 * PERF: a call of an export that returns at once takes some 300 instructions, from gbx_func_call to its
 * end (bench/calls); half of them were calls among our own functions, and registers saved for each. */
#ifndef GBX_RUNTIME_TIER_CALL_H
#define GBX_RUNTIME_TIER_CALL_H

#include "interp/interp.h"
#include "runtime/runtime_int.h"

#define TIER_STACK_ROOM ((size_t)4096)

static inline void
tier_show(gbx_exec *x, gbx_segment *seg)
{
    x->native.segment = seg;
    if (GBX_UNLIKELY(x->native.inst != seg->func->inst)) gbx_runtime_tier_show(&x->native, seg->func->inst);
}

static inline gbx_status
tier_run(gbx_exec *x, gbx_segment *seg, const u8 *stub)
{
    gbx_runtime_fault_running = &seg->entry;
    atomic_signal_fence(memory_order_seq_cst); /* before what follows can fault */
    gbx_status const status =
            gbx_runtime_enter_raw(&seg->entry, stub, x, x->native.inst, seg->slots);
    gbx_runtime_fault_running = seg->entry.thread_outer;
    if (GBX_UNLIKELY(status == GBX_STATUS_CALL)) gbx_runtime_tier_called_out(x, seg);
    return status;
}

/* Enter the body `at` of seg->func; what is outside of the segment is set. */
static inline gbx_status
tier_enter_at(gbx_exec *x, gbx_segment *seg, const gbx_func *f, const void *at)
{
    gbx_native *const n = &x->native;
    const gbx_entry *const outer = x->entry;
    u8 *const top = (u8 *)((uintptr_t)(outer ? outer->guest_sp : n->high) & ~(uintptr_t)15);
    seg->entry.guest_sp = top;
    seg->entry.thread_outer = gbx_runtime_fault_running;
    seg->suspended = NULL;
    x->entry = &seg->entry;
    tier_show(x, seg);
    u64 const area =
            max_u32(max_u32(f->param_count, f->result_count), n->tail_slots) * sizeof(gbx_slot);
    if (GBX_UNLIKELY((size_t)(top - n->low) < TIER_STACK_ROOM + area)) {
        x->fault = (gbx_fault){.kind = GBX_TRAP_STACK_EXHAUSTED, .inst = f->inst};
        return GBX_STATUS_TRAP;
    }
    n->call_code = at;
    seg->area_bytes = area;
    return tier_run(x, seg, n->enter);
}

/* Calls with at most so many values find their record laid. */
#define TIER_LAID_VALUES 16u

/* The record of a call with so many values at x->sp, and the segment behind it: what all calls that begin
 * there have in common. NULL: there is no room. */
static inline gbx_record *
tier_lay(gbx_exec *x, u32 values)
{
    gbx_slot *const sp = x->sp;
    gbx_record *const rec = (gbx_record *)(void *)(sp + values + 2);
    u64 const need = 2 * (u64)values + 2 + GBX_RECORD_SLOTS + GBX_SEGMENT_SLOTS + GBX_RECORD_SLACK;
    if (GBX_UNLIKELY(x->reentries >= WASM_MAX_REENTRY || (u64)(x->stack_end - sp) < need)) return NULL;
    *rec = (gbx_record){.ret_pc = gbx_interp_return_host,
                        .caller = x->frame,
                        .resume = gbx_interp_return_native};
    gbx_segment *const seg = gbx_record_segment(rec);
    seg->entry.exec = x;
    seg->entry.exec_outer = x->entry;
    seg->outer = x->native.segment;
    return rec;
}

/* The segment has called out or trapped. */
__attribute__((noinline, cold)) static gbx_trap_code
tier_go_on(gbx_exec *x, gbx_record *rec, gbx_slot *fp, gbx_slot *slots, gbx_status status)
{
    gbx_segment *const seg = gbx_record_segment(rec);
    const gbx_func *const f = seg->func;
    gbx_entry *const entry = seg->entry.exec_outer;
    gbx_segment *const outside = seg->outer;
    x->entry = &seg->entry;
    gbx_trap_code const trap = gbx_interp_go_on(x, rec, fp, status);
    if (trap == GBX_TRAP_NONE)
        for (u32 i = 0; i < f->result_count; i++) slots[i] = fp[i];
    x->entry = entry; /* segments that a trap left are over */
    x->native.segment = outside;
    return trap;
}

/* It has left its results, and its record laid, or not come so far. */
static inline gbx_trap_code
tier_leave(gbx_exec *x, gbx_record *rec, gbx_slot *sp, gbx_slot *slots, gbx_status status)
{
    gbx_segment *const seg = gbx_record_segment(rec);
    x->entry = seg->entry.exec_outer;
    if (GBX_UNLIKELY(status != GBX_STATUS_OK)) return tier_go_on(x, rec, sp + 1, slots, status);
    x->native.laid = rec;
    return GBX_TRAP_NONE;
}

/* A call that another one is around, or that finds no record. */
__attribute__((noinline)) static gbx_trap_code
tier_call_any(gbx_exec *x, const gbx_func *f, gbx_slot *slots)
{
    u32 const most = max_u32(f->param_count, f->result_count);
    gbx_slot *const sp = x->sp;
    void *const outer = x->frame;
    gbx_record *const rec = tier_lay(x, max_u32(most, TIER_LAID_VALUES));
    if (!rec) return gbx_interp_exhausted(x);
    gbx_segment *const seg = gbx_record_segment(rec);
    gbx_segment *const outside = seg->outer;
    x->native.laid = NULL;
    seg->func = f;
    seg->slots = seg->results = slots;
    x->sp = gbx_segment_top(seg);
    x->frame = rec;
    x->reentries++;
    const void *const at = atomic_load_explicit(&f->cell->general, memory_order_acquire);
    gbx_trap_code const trap = tier_leave(x, rec, sp, slots, tier_enter_at(x, seg, f, at));
    if (outside || outer || most > TIER_LAID_VALUES) x->native.laid = NULL;
    x->reentries--;
    x->sp = sp;
    x->frame = outer;
    x->native.segment = outside;
    if (outside) tier_show(x, outside);
    return trap;
}

/* PERF: the loop of the interpreter is not entered unless the segment calls out: that costs as much as all
 * else of a call (bench/calls). What is compiled has no v128. A record that is laid was that of an outermost
 * call, after which all stands as it found it: nothing is around, the stack had room. */
__attribute__((always_inline)) static inline gbx_trap_code
tier_call(gbx_exec *x, const gbx_func *f, gbx_slot *slots)
{
    gbx_native *const n = &x->native;
    gbx_record *const rec = n->laid;
    if (GBX_UNLIKELY(!rec || n->inst != f->inst || n->tail_slots > TIER_LAID_VALUES ||
                     max_u32(f->param_count, f->result_count) > TIER_LAID_VALUES))
        return tier_call_any(x, f, slots);
    gbx_segment *const seg = gbx_record_segment(rec);
    gbx_slot *const sp = x->sp;
    n->laid = NULL; /* for calls that this one makes */
    n->call_code = atomic_load_explicit(&f->cell->general, memory_order_acquire);
    n->segment = seg;
    seg->func = f;
    seg->slots = seg->results = slots;
    seg->area_bytes = TIER_LAID_VALUES * sizeof(gbx_slot);
    seg->suspended = NULL;
    seg->entry.guest_sp = n->high;
    seg->entry.thread_outer = gbx_runtime_fault_running;
    x->sp = gbx_segment_top(seg);
    x->frame = rec;
    x->entry = &seg->entry;
    x->reentries = 1;
    gbx_trap_code const trap = tier_leave(x, rec, sp, slots, tier_run(x, seg, n->enter));
    x->reentries = 0;
    x->sp = sp;
    x->frame = NULL;
    n->segment = NULL;
    return trap;
}

#endif
