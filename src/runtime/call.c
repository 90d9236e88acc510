/* Entering the guest and coming back.
 *
 * An outermost call takes a seat (stack and stop event: seat.c), arms the deadline, and gives both back
 * when it ends, whichever way it ends. Calls that host functions make nest in it: they share its stack,
 * its deadline and its fate.
 *
 * The stop word belongs to the outermost call. A cancellation that arrives while none runs waits for
 * the next, which then ends before it begins; one that arrives while a call runs is used up by that
 * call, whether the guest noticed in time or not. RULE: S14, the word is the truth and the event a hint.
 *
 * A trap leaves the guest's memory as it was at that instruction. Whether further calls may come, life.c
 * says. */
#include <stdarg.h>
#include <string.h>

#include "base/os_sync.h"
#include "base/text.h"
#include "interp/interp.h"
#include "runtime/runtime_int.h"
#include "runtime/tier_call.h"
#include "runtime/value.h"

/* PERF: the interpreter's stack is trimmed after calls that took longer than this. Trimming costs 3 to 7
 * us whatever was used; a shorter call cannot have touched more than a few MiB, which the lane's next user
 * reuses. Measure: madvise(MADV_DONTNEED) over 8 GiB in a loop. What compiled code uses is known: enter.h. */
#define CALL_SHORT_NS ((u64)1000000)

/* PERF: kept out of what every call runs through, whose registers and jumps it would take. */
#define CALL_RARE __attribute__((noinline, cold))
#define CALL_HOT  __attribute__((always_inline))

const runtime_type *
gbx_runtime_func_type(const gbx_func *f)
{
    if (!f->code) return ((const runtime_host_func *)(const void *)f)->type;
    return gbx_runtime_module_func_type(instance_of(f->inst)->module, f->func_idx);
}

/* PERF: found once, it takes a tenth of a call. */
const runtime_type *
gbx_runtime_func_keep_type(gbx_func *f)
{
    const runtime_type *const type = gbx_runtime_func_type(f);
    const wasm_functype *const sig = &type->sig;
    bool const is_plain = !sig->has_v128 && !memchr(sig->params, WASM_EXNREF, sig->param_count) &&
                          !memchr(sig->params, WASM_FUNCREF, sig->param_count) &&
                          max_u32(sig->param_count, sig->result_count) <= RUNTIME_PLAIN_VALUES;
    if (f->code && is_plain) f->type = type;
    return type;
}

gbx_store *
gbx_runtime_func_store(const gbx_func *f)
{
    return f->code ? f->inst->store : ((const runtime_host_func *)(const void *)f)->store;
}

gbx_trap_code
gbx_runtime_trap(gbx_trap *trap, gbx_trap_code code, const char *fmt, ...)
{
    if (!trap) return code;
    trap->code = code;
    trap->exit_status = 0;
    trap->frame_count = 0;
    trap->frames_total = 0;
    trap->limit = trap->used = 0;
    text_buf t = gbx_base_text_init(trap->message, sizeof trap->message);
    va_list args;
    va_start(args, fmt);
    gbx_base_text_vprintf(&t, fmt, args);
    va_end(args);
    return code;
}

/* Where the store's last call was made by this thread, nobody has sat there since, and a look is not yet
 * due, all is as that call left it. */
static inline bool
call_is_seated(const gbx_store *s)
{
    runtime_seat *const seat = gbx_runtime_seat_mine;
    return s->sits == seat && atomic_load_explicit(&seat->store, memory_order_relaxed) == s &&
           seat->tick == gbx_base_os_tick(&seat->now) +
                                 atomic_load_explicit(&gbx_runtime_seat_signals, memory_order_relaxed);
}

GBX_MUST_USE CALL_RARE static bool
call_take_seat(gbx_store *s, gbx_trap *trap)
{
    const char *why;
    if (!gbx_runtime_seat_take(s, &why)) {
        (void)gbx_runtime_trap(trap, GBX_TRAP_NO_HOST_MEMORY, "%s", why);
        return false;
    }
    gbx_exec *const x = &s->exec;
    x->stack = x->sp = s->lane->stack;
    x->stack_end = s->lane->stack_end;
    x->high = s->has_v128 ? gbx_runtime_lane_high(s->lane) : 0;
    x->stop_fd = s->lane->stop_fd;
    atomic_store(&s->stop_fd, x->stop_fd); /* before the look at the stop word: see cancel */
    gbx_runtime_tier_begin(s);
    if (!s->has_v128 || x->high) return true;
    (void)gbx_runtime_trap(trap, GBX_TRAP_NO_HOST_MEMORY,
                           "no address space for vectors on the guest's stack (ulimit -v)");
    s->sits = STORE_STANDS;
    gbx_runtime_seat_give(s);
    return false;
}

/* What it says, the call ends with before it has begun. */
CALL_RARE static gbx_trap_code
call_refuse(const gbx_store *s, gbx_trap *trap)
{
    u32 const stop = atomic_load(&s->exec.stop);
    if (stop) return gbx_runtime_trap(trap, (gbx_trap_code)stop, "before the call began");
    return gbx_runtime_trap(trap, GBX_TRAP_NO_HOST_MEMORY,
                            "the system refuses the thread that watches deadlines");
}

CALL_HOT static inline bool
call_begin(gbx_store *s, bool is_special)
{
    if (GBX_UNLIKELY(atomic_load_explicit(&s->exec.stop, memory_order_acquire))) return false;
    if (!is_special || s->is_plain) return watch_arm(&s->engine->watcher, &s->watch, s->due_ns, false);
    u64 const due = watch_due(gbx_base_os_now_ns(), s->limits.timeout_ns);
    return watch_arm(&s->engine->watcher, &s->watch, due, true);
}

/* What long or deep calls leave; and what is this thread's for one call only. */
CALL_RARE static void
call_tidy(gbx_store *s)
{
    gbx_exec *const x = &s->exec;
    x->is_untidy = false;
    if (gbx_base_os_now_ns() - s->seat->looked_ns > CALL_SHORT_NS) gbx_runtime_lane_trim(s->lane);
    if (x->native.shown != s->lane->native.shown) gbx_runtime_tier_trim(s);
    gbx_runtime_seat_give(s);
}

/* It was stopped, or is about to be: whoever does that is through with it. */
CALL_RARE static void
call_clear_stop(gbx_exec *x)
{
    atomic_store(&x->stop, 0);
    atomic_store(&x->attention, x->tier != NULL);
    gbx_base_os_event_clear(x->stop_fd);
}

CALL_RARE static void
call_count_fuel(gbx_store *s)
{
    u64 const used = (u64)(s->fuel_given - s->exec.fuel);
    figure_add(&s->figures.fuel, used - s->fuel_counted);
    s->fuel_counted = used;
}

/* Nobody stops this store's next call on account of this one: the watcher is out of it before the stop
 * word is cleared. */
CALL_HOT static inline void
call_end(gbx_store *s, bool is_special)
{
    gbx_exec *const x = &s->exec;
    watch_disarm(&s->engine->watcher, &s->watch, is_special && !s->is_plain);
    if (GBX_UNLIKELY(atomic_load_explicit(&x->stop, memory_order_acquire))) call_clear_stop(x);
    x->exn = NULL;
    if (is_special && x->is_metered) call_count_fuel(s);
    if (GBX_LIKELY(!x->is_untidy)) s->seat->calls--;
    else call_tidy(s);
}

/* What the trap code alone does not say: the limit that was hit, or what the host function said. */
static void
call_explain(const gbx_store *s, gbx_trap_code code, text_buf *t)
{
    if (s->exec.message[0]) {
        gbx_base_text_printf(t, "%s", s->exec.message);
    } else if (code == GBX_TRAP_DEADLINE) {
        gbx_base_text_printf(t, "the call took longer than %llu.%03llu s",
                             (unsigned long long)(s->limits.timeout_ns / 1000000000u),
                             (unsigned long long)(s->limits.timeout_ns / 1000000u % 1000u));
    } else if (code == GBX_TRAP_FUEL) {
        gbx_base_text_printf(t, "the store's fuel of %llu units is used up",
                             (unsigned long long)s->fuel_given);
    } else if (code == GBX_TRAP_STACK_EXHAUSTED) {
        gbx_base_text_printf(t, "the guest stack has %llu KiB",
                             (unsigned long long)((u64)((u8 *)s->exec.stack_end -
                                                        (u8 *)s->exec.stack) >> 10));
    }
}

/* The bound that was met, in numbers. */
static void
call_measure(const gbx_store *s, gbx_trap_code code, gbx_trap *trap)
{
    trap->limit = trap->used = 0;
    switch (code) {
    case GBX_TRAP_DEADLINE:
        trap->limit = s->limits.timeout_ns;
        trap->used = gbx_base_os_now_ns() - s->seat->looked_ns;
        break;
    case GBX_TRAP_STACK_EXHAUSTED:
        trap->limit = trap->used = (u64)((u8 *)s->exec.stack_end - (u8 *)s->exec.stack);
        break;
    case GBX_TRAP_OUTPUT_LIMIT: trap->limit = trap->used = s->limits.output_bytes; break;
    case GBX_TRAP_FUEL:
        trap->limit = (u64)s->fuel_given;
        trap->used = (u64)(s->fuel_given - s->exec.fuel);
        break;
    default: break;
    }
}

/* What the execution context was left with stays there: a host function that returns a nested trap
 * passes its message and frames on (and where it goes on instead, api/ forgets the message). */
static void
call_report(gbx_store *s, gbx_trap_code code, gbx_trap *trap)
{
    if (!trap) return;
    trap->code = code;
    trap->exit_status = code == GBX_TRAP_EXIT ? s->exec.exit_status : 0;
    text_buf t = gbx_base_text_init(trap->message, sizeof trap->message);
    call_explain(s, code, &t);
    call_measure(s, code, trap);
    gbx_runtime_frames_copy(&s->exec, code != GBX_TRAP_EXIT, trap);
}

/* A call did not return: whose it was, and how it ended. */
CALL_RARE static gbx_trap_code
call_failed(gbx_store *s, const gbx_func *f, gbx_trap_code code, gbx_trap *trap)
{
    gbx_runtime_name_trap(s, f->inst, trap);
    if (s->depth == 0) (void)figure_add(&s->figures.traps[code], 1);
    return code;
}

/* The next call of this thread looks at what the host may have changed. */
CALL_RARE static void
call_trapped(gbx_store *s, const gbx_func *f, gbx_trap_code code, gbx_trap *trap)
{
    s->has_ended = true;
    gbx_runtime_seat_mine->streak = 0;
    gbx_runtime_seat_mine->tick = 0;
    call_report(s, code, trap);
    (void)call_failed(s, f, code, trap);
    gbx_runtime_life_ended(s, f, code);
    if (s->depth) return;
    s->exec.frame_count = 0;
    s->exec.frames_total = 0;
    s->exec.message[0] = 0;
}

/* Nothing of the guest has run: its instance is as it was. */
CALL_RARE static gbx_trap_code
call_spent(gbx_store *s, const gbx_func *f, gbx_trap *trap)
{
    call_report(s, GBX_TRAP_FUEL, trap);
    return call_failed(s, f, GBX_TRAP_FUEL, trap);
}

CALL_HOT static inline gbx_trap_code
call_run(gbx_store *s, const gbx_func *f, gbx_slot *slots, gbx_trap *trap, bool is_special)
{
    gbx_exec *const x = &s->exec;
    if (is_special && x->fuel < 0 && f->code) return call_spent(s, f, trap); /* RULE: S15 */
    s->depth++;
    bool const is_native =
            x->tier && f->cell && atomic_load_explicit(&f->cell->body, memory_order_acquire);
    gbx_trap_code const code =
            is_native ? tier_call(x, f, slots) : gbx_interp_call(x, f, slots);
    s->depth--;
    if (GBX_UNLIKELY(code != GBX_TRAP_NONE)) call_trapped(s, f, code, trap);
    return code;
}

/* A call that a host function makes in the course of one of its own store's. The interpreter counts guest
 * levels up to the same limit and knows their frames; this stops host functions that call each other
 * without end and no guest between. */
CALL_RARE static gbx_trap_code
call_nested(gbx_store *s, const gbx_func *f, gbx_slot *slots, gbx_trap *trap)
{
    gbx_exec *const x = &s->exec;
    if (s->seat != gbx_runtime_seat_mine) {
        (void)gbx_runtime_trap(trap, GBX_TRAP_HOST, "another thread's call is running in this store");
        gbx_runtime_name_trap(s, f->inst, trap);
        return GBX_TRAP_HOST;
    }
    x->frame_count = 0;
    x->frames_total = 0;
    x->exn = NULL;
    if (s->depth > WASM_MAX_REENTRY) {
        (void)gbx_runtime_trap(trap, GBX_TRAP_STACK_EXHAUSTED, "%u nested calls", s->depth);
        return call_failed(s, f, GBX_TRAP_STACK_EXHAUSTED, trap);
    }
    if (s->views) gbx_runtime_views_hide(s);
    gbx_trap_code const code = call_run(s, f, slots, trap, s->is_special);
    if (s->views) gbx_runtime_views_show(s);
    return code;
}

/* It has a seat and is counted. */
CALL_HOT static inline gbx_trap_code
call_seated(gbx_store *s, const gbx_func *f, gbx_slot *slots, gbx_trap *trap, bool is_special)
{
    gbx_trap_code const code = GBX_LIKELY(call_begin(s, is_special))
                                       ? call_run(s, f, slots, trap, is_special)
                                       : call_failed(s, f, call_refuse(s, trap), trap);
    if (is_special && s->is_timed) gbx_runtime_figures_timed(s);
    call_end(s, is_special);
    return code;
}

CALL_RARE static gbx_trap_code
call_specially(gbx_store *s, const gbx_func *f, gbx_slot *slots, gbx_trap *trap, bool is_timed)
{
    if (is_timed) gbx_runtime_figures_time(s);
    return call_seated(s, f, slots, trap, true);
}

CALL_HOT static inline gbx_trap_code
call_outermost(gbx_store *s, const gbx_func *f, gbx_slot *slots, gbx_trap *trap, bool is_special)
{
    if (GBX_LIKELY(call_is_seated(s))) s->seat->calls++;
    else if (!call_take_seat(s, trap)) return call_failed(s, f, GBX_TRAP_NO_HOST_MEMORY, trap);
    bool const is_sample = !(figure_add(&s->figures.calls, 1) & (FIGURES_SAMPLE - 1));
    if (is_special || GBX_UNLIKELY(is_sample))
        return call_specially(s, f, slots, trap, is_sample || s->engine->times_all);
    return call_seated(s, f, slots, trap, false);
}

/* In a store with instances that cannot be called just so (life.c), from a host function, or with more to be
 * done before and after than calls have as a rule. */
CALL_RARE static gbx_trap_code
call_aside(gbx_store *s, const gbx_func *f, gbx_slot *slots, gbx_trap *trap)
{
    gbx_trap_code const refused = s->unready ? gbx_runtime_life_enter(f, trap) : GBX_TRAP_NONE;
    if (refused != GBX_TRAP_NONE) return call_failed(s, f, refused, trap);
    return s->depth ? call_nested(s, f, slots, trap) : call_outermost(s, f, slots, trap, s->is_special);
}

CALL_HOT static inline gbx_trap_code
call_any(gbx_store *s, const gbx_func *f, gbx_slot *slots, gbx_trap *trap)
{
    if (trap) trap->code = GBX_TRAP_NONE;
    if (GBX_UNLIKELY(s->depth | s->unready | s->is_special)) return call_aside(s, f, slots, trap);
    return call_outermost(s, f, slots, trap, false);
}

gbx_trap_code
gbx_runtime_call(gbx_store *s, const gbx_func *f, gbx_slot *slots, gbx_trap *trap)
{
    return call_any(s, f, slots, trap);
}

gbx_trap_code
gbx_runtime_call_plain(const gbx_func *f, const gbx_val *args, gbx_val *results, gbx_trap *trap)
{
    GBX_UNINIT gbx_slot slots[RUNTIME_PLAIN_VALUES];
    for (u32 i = 0; i < f->param_count; i++) slots[i] = value_low(&args[i]);
    gbx_trap_code const code = call_any(f->inst->store, f, slots, trap);
    if (GBX_UNLIKELY(code != GBX_TRAP_NONE)) return code;
    for (u32 i = 0; i < f->result_count; i++) value_put(&results[i], f->type->results[i], slots[i], 0);
    return GBX_TRAP_NONE;
}
