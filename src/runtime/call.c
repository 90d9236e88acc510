/* Entering the guest and coming back.
 *
 * An outermost call takes a lane (stack and stop event), arms the deadline, and gives both back when it
 * ends, whichever way it ends. Calls that host functions make nest in it: they share its stack, its
 * deadline and its fate.
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

/* PERF: a stack is trimmed after calls that took longer than this. Trimming costs 3 to 7 us whatever
 * was used; a shorter call cannot have touched more than a few MiB, which the lane's next user
 * reuses. Measure: madvise(MADV_DONTNEED) over 8 GiB in a loop. */
#define CALL_SHORT_NS ((u64)1000000)

const runtime_type *
gbx_runtime_func_type(const gbx_func *f)
{
    if (!f->code) return ((const runtime_host_func *)(const void *)f)->type;
    return gbx_runtime_module_func_type(instance_of(f->inst)->module, f->func_idx);
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

static gbx_trap_code
call_begin(gbx_store *s, gbx_trap *trap)
{
    gbx_engine *const e = s->engine;
    const char *why;
    s->lane = gbx_runtime_lane_get(&e->lanes, s->limits.stack_bytes, &why);
    if (!s->lane) return gbx_runtime_trap(trap, GBX_TRAP_NO_HOST_MEMORY, "%s", why);
    gbx_runtime_lane_let(s->lane, s->tenant, &e->pool.written);
    gbx_exec *const x = &s->exec;
    x->stack = x->sp = s->lane->stack;
    x->stack_end = s->lane->stack_end;
    x->high = s->has_v128 ? gbx_runtime_lane_high(s->lane) : 0;
    if (s->has_v128 && !x->high) {
        return gbx_runtime_trap(trap, GBX_TRAP_NO_HOST_MEMORY,
                                "no address space for vectors on the guest's stack (ulimit -v)");
    }
    x->stop_fd = s->lane->stop_fd;
    x->message[0] = 0;
    atomic_store(&s->stop_fd, x->stop_fd); /* before the look at the stop word: see cancel */
    s->started_ns = gbx_base_os_now_ns();
    gbx_runtime_tier_begin(s);

    if (atomic_load(&x->stop)) {
        return gbx_runtime_trap(trap, (gbx_trap_code)atomic_load(&x->stop),
                                "before the call began");
    }
    u64 const timeout = s->limits.timeout_ns;
    if (timeout == UINT64_MAX) return GBX_TRAP_NONE;
    u64 due;
    if (__builtin_add_overflow(s->started_ns, timeout, &due) || due == WATCH_OFF) {
        return GBX_TRAP_NONE; /* centuries from now */
    }
    if (gbx_runtime_watch_arm(&e->watcher, &s->watch, due)) return GBX_TRAP_NONE;
    return gbx_runtime_trap(trap, GBX_TRAP_NO_HOST_MEMORY,
                            "the system refuses the thread that watches deadlines");
}

/* Whatever call_begin did. Nobody stops this store's next call on account of this one: the watcher is
 * out of it before the stop word is cleared. */
static void
call_end(gbx_store *s)
{
    if (!s->lane) return;
    gbx_exec *const x = &s->exec;
    gbx_runtime_watch_disarm(&s->engine->watcher, &s->watch);
    atomic_store(&s->stop_fd, -1);
    if (atomic_exchange(&x->stop, 0)) gbx_base_os_event_clear(x->stop_fd);
    x->stop_fd = -1;
    gbx_runtime_tier_end(s);
    x->stack = x->stack_end = x->sp = NULL;
    x->high = 0;
    x->exn = NULL;
    bool const is_deep = gbx_base_os_now_ns() - s->started_ns > CALL_SHORT_NS;
    gbx_runtime_lane_put(&s->engine->lanes, s->lane, is_deep);
    s->lane = NULL;
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
        trap->used = gbx_base_os_now_ns() - s->started_ns;
        break;
    case GBX_TRAP_STACK_EXHAUSTED:
        trap->limit = trap->used = (u64)((u8 *)s->exec.stack_end - (u8 *)s->exec.stack);
        break;
    case GBX_TRAP_OUTPUT_LIMIT: trap->limit = trap->used = s->limits.output_bytes; break;
    default: break;
    }
}

/* What the execution context was left with stays there: a host function that returns a nested trap
 * passes its message and frames on (and where it goes on instead, api/ forgets the message). */
static void
call_report(const gbx_store *s, gbx_trap_code code, gbx_trap *trap)
{
    if (!trap) return;
    trap->code = code;
    trap->exit_status = code == GBX_TRAP_EXIT ? s->exec.exit_status : 0;
    text_buf t = gbx_base_text_init(trap->message, sizeof trap->message);
    call_explain(s, code, &t);
    call_measure(s, code, trap);
    gbx_runtime_frames_copy(&s->exec, code != GBX_TRAP_EXIT, trap);
}

gbx_trap_code
gbx_runtime_call(gbx_store *s, const gbx_func *f, gbx_slot *slots, gbx_trap *trap)
{
    if (trap) trap->code = GBX_TRAP_NONE;
    if (GBX_UNLIKELY(s->unready)) {
        gbx_trap_code const refused = gbx_runtime_life_enter(f, trap);
        if (refused != GBX_TRAP_NONE) return refused;
    }
    /* The interpreter counts guest levels up to the same limit and knows their frames; this stops
     * host functions that call each other without end and no guest between. */
    if (s->depth > WASM_MAX_REENTRY) {
        return gbx_runtime_trap(trap, GBX_TRAP_STACK_EXHAUSTED,
                                "%u nested calls", s->depth);
    }
    bool const outermost = s->depth == 0;
    gbx_trap_code code = outermost ? call_begin(s, trap) : GBX_TRAP_NONE;
    if (code == GBX_TRAP_NONE) {
        s->exec.frame_count = 0;
        s->exec.frames_total = 0;
        s->depth++;
        code = gbx_interp_call(&s->exec, f, slots);
        s->depth--;
        if (code != GBX_TRAP_NONE) {
            s->has_ended = true;
            call_report(s, code, trap);
            gbx_runtime_life_ended(s, f, code);
        }
    }
    if (outermost) call_end(s);
    return code;
}
