/* Entering compiled code; see enter.h. What must hold: every record is out of both chains again when its
 * call is over, whichever way it ended, so that no fault is ever taken for that of a call that is gone. */
#include "runtime/enter.h"

#include "base/os_mem.h"
#include "runtime/fault.h"

/* More than gbx_runtime_enter_raw pushes before code of the guest runs: a fault there would have no row. */
#define ENTER_ROOM_BYTES ((size_t)256)
#define ENTER_EDGE_BYTES ((size_t)64 << 10)
/* PERF: a call that goes deeper costs 6 us more (a fault, two mprotect and a madvise), and none has to be timed to
 * know whether it may have. Go's programs, whose frames here are return addresses, seldom do: bench/calls. */
#define ENTER_SHOWN_BYTES ((u64)256 << 10)

/* From low to high: edge, guard, native stack, edge. */
bool
gbx_runtime_enter_stack_open(enter_stack *s, size_t stack_bytes)
{
    GBX_ASSERT(stack_bytes && stack_bytes % ENTER_EDGE_BYTES == 0);
    size_t const below = ENTER_EDGE_BYTES + ENTER_GUARD_BYTES;
    *s = (enter_stack){.region_bytes = below + stack_bytes + ENTER_EDGE_BYTES};
    s->region = gbx_base_os_reserve(s->region_bytes);
    if (s->region) {
        s->guard = s->region + ENTER_EDGE_BYTES;
        s->low = s->guard + ENTER_GUARD_BYTES;
        s->high = s->low + stack_bytes;
        s->shown = s->high - min_u64(stack_bytes, ENTER_SHOWN_BYTES);
        gbx_base_os_small_pages(s->low, stack_bytes);
        if (gbx_base_os_commit(s->shown, (size_t)(s->high - s->shown))) return true;
    }
    gbx_runtime_enter_stack_close(s);
    return false;
}

void
gbx_runtime_enter_stack_close(enter_stack *s)
{
    if (s->region) gbx_base_os_unmap(s->region, s->region_bytes);
    *s = (enter_stack){0};
}

bool
gbx_runtime_enter_stack_trim(enter_stack *s)
{
    size_t const bytes = (size_t)(s->shown - s->low);
    gbx_base_os_discard(s->low, bytes);
    return gbx_base_os_hide(s->low, bytes);
}

gbx_status
gbx_runtime_enter(gbx_exec *x, gbx_instance *inst, const void *code, gbx_slot *slots)
{
    GBX_ASSERT(gbx_runtime_enter_works() && x->native.high);
    u8 *top = x->entry ? x->entry->guest_sp : x->native.high;
    top = (u8 *)((uintptr_t)top & ~(uintptr_t)15);
    /* The guest's frames lie between low and high, or it would have trapped. */
    if (top < x->native.low + ENTER_ROOM_BYTES) {
        x->fault = (gbx_fault){.kind = GBX_TRAP_STACK_EXHAUSTED, .inst = inst};
        return GBX_STATUS_TRAP;
    }
    gbx_entry e = {.guest_sp = top,
                   .exec = x,
                   .exec_outer = x->entry,
                   .thread_outer = gbx_runtime_fault_running};
    x->entry = &e;
    gbx_runtime_fault_running = &e;
    atomic_signal_fence(memory_order_seq_cst); /* before what follows can fault */
    gbx_status const status = gbx_runtime_enter_raw(&e, code, x, inst, slots);
    gbx_runtime_fault_running = e.thread_outer;
    x->entry = e.exec_outer;
    return status;
}
