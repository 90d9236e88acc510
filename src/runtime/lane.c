/* Lanes: the guest stack and the stop event of a running call, pooled by the engine (RULE: S18).
 *
 * An idle store has neither: it costs no mapping (RULE: S19) and no descriptor for them. There are as
 * many lanes as threads that made calls (seat.c) and calls that ever ran at once, and a few for other sizes of
 * stack. A lane's event stays open
 * until the engine dies, because gbx_runtime_store_cancel may write to it a moment after the call
 * ended: at worst it wakes the next user of the lane, who finds its stop word clear and waits on; it
 * never hits a descriptor of somebody else's.
 *
 * A stack lies between two guards that nothing may touch. Where the address space for the wanted size
 * is refused (ulimit -v), a quarter of what can be had is taken, so that others get some too.
 *
 * A lane remembers the store it ran for. Before it runs for another one, what the first left on the stacks
 * is zeroed: nothing reads it, but nothing has to be trusted not to.
 *
 * The high halves of v128 stand in a twin of the stack, guards included, which is made when the first
 * call needs it (abi/layout.h) and lives as long as the stack. */
#include "base/alloc.h"
#include "base/os_mem.h"
#include "base/os_sync.h"
#include "runtime/runtime_int.h"

/* Larger than any access behind the end that a frame's first check has not seen: a frame may have
 * locals and operands beyond it, but they are compared with the end first (S20). */
#define LANE_GUARD_BYTES ((size_t)1 << 20)
#define LANE_UNIT_BYTES ((u64)64 << 10) /* whole pages on every system */
#define LANE_LEAST_BYTES ((u64)1 << 20)  /* less than this is not tried where address space is short */
#define LANE_SPARE 8u /* free lanes beyond which other sizes of stack are made of them */
#define LANE_CLEAN_BYTES ((size_t)1 << 20) /* of a stack, zeroed for another tenant and not given back */
#define LANE_KEEP_BYTES ((size_t)64 << 10) /* of stack, which a free lane keeps */

void
gbx_runtime_lanes_init(runtime_lanes *l)
{
    int const rc = pthread_mutex_init(&l->lock, NULL);
    GBX_ASSERT(rc == 0);
}

static void
lane_unmap(runtime_lane *lane)
{
    if (lane->region) gbx_base_os_unmap(lane->region, lane->region_bytes);
    if (lane->high_region) gbx_base_os_unmap(lane->high_region, lane->region_bytes);
    lane->region = lane->high_region = NULL;
    lane->tenant = 0;
    gbx_runtime_enter_stack_close(&lane->native);
}

/* A region of the lane's size, accessible between its guards; NULL where it cannot be had. */
static u8 *
lane_reserve(size_t region_bytes)
{
    u8 *const region = gbx_base_os_reserve(region_bytes);
    if (!region) return NULL;
    size_t const bytes = region_bytes - 2 * LANE_GUARD_BYTES;
    if (!gbx_base_os_commit(region + LANE_GUARD_BYTES, bytes)) {
        gbx_base_os_unmap(region, region_bytes);
        return NULL;
    }
    gbx_base_os_small_pages(region + LANE_GUARD_BYTES, bytes);
    return region;
}

static void
lane_free(runtime_lane *lane)
{
    lane_unmap(lane);
    gbx_base_os_event_close(lane->stop_fd);
    gbx_base_free(lane);
}

void
gbx_runtime_lanes_deinit(runtime_lanes *l)
{
    gbx_runtime_seats_end(l);
    while (l->free) {
        runtime_lane *const lane = l->free;
        l->free = lane->next;
        lane_free(lane);
    }
    (void)pthread_mutex_destroy(&l->lock);
}

static u64
lane_round_down(u64 bytes)
{
    return bytes & ~(LANE_UNIT_BYTES - 1);
}

static bool
lane_try(runtime_lane *lane, u64 stack_bytes)
{
    size_t const region_bytes = stack_bytes + 2 * LANE_GUARD_BYTES;
    u8 *const region = lane_reserve(region_bytes);
    if (!region) return false;
    u8 *const stack = region + LANE_GUARD_BYTES;
    lane->region = region;
    lane->region_bytes = region_bytes;
    lane->stack = (gbx_slot *)(void *)stack;
    lane->stack_end = (gbx_slot *)(void *)(stack + stack_bytes);
    return true;
}

static bool
lane_map(runtime_lane *lane, u64 wanted)
{
    lane_unmap(lane);
    lane->wanted_bytes = wanted;
    u64 const bytes = lane_round_down(wanted + LANE_UNIT_BYTES - 1);
    if (lane_try(lane, bytes)) return true;
    for (u64 most = bytes / 2; most >= LANE_LEAST_BYTES * 4; most /= 2) {
        if (!lane_try(lane, lane_round_down(most))) continue;
        lane_unmap(lane);
        return lane_try(lane, lane_round_down(most / 4));
    }
    return lane_try(lane, min_u64(bytes, LANE_LEAST_BYTES));
}

/* The first free lane with such a stack; where there is none, another one if there are many, to be
 * mapped anew; else NULL. */
static runtime_lane *
lane_take(runtime_lanes *l, u64 wanted)
{
    (void)pthread_mutex_lock(&l->lock);
    runtime_lane **at = &l->free;
    while (*at && (*at)->wanted_bytes != wanted) at = &(*at)->next;
    if (!*at && l->free_count >= LANE_SPARE) at = &l->free;
    runtime_lane *const lane = *at;
    if (lane) {
        *at = lane->next;
        l->free_count--;
    }
    (void)pthread_mutex_unlock(&l->lock);
    return lane;
}

runtime_lane *
gbx_runtime_lane_get(runtime_lanes *l, u64 stack_bytes, const char **why)
{
    runtime_lane *lane = lane_take(l, stack_bytes);
    if (lane && lane->region && lane->wanted_bytes == stack_bytes) return lane;
    if (!lane) {
        *why = "no memory for a guest stack";
        lane = gbx_base_alloc_zero(1, sizeof *lane);
        if (!lane) return NULL;
        lane->stop_fd = gbx_base_os_event_open();
        if (lane->stop_fd < 0) {
            *why = "no descriptor left for the stop event of a call (ulimit -n)";
            gbx_base_free(lane);
            return NULL;
        }
    }
    if (lane_map(lane, stack_bytes)) return lane;
    *why = "no address space for a guest stack (ulimit -v)";
    gbx_runtime_lane_put(l, lane);
    return NULL;
}

i64
gbx_runtime_lane_high(runtime_lane *lane)
{
    if (!lane->high_region) lane->high_region = lane_reserve(lane->region_bytes);
    if (!lane->high_region) return 0;
    return ((intptr_t)lane->high_region - (intptr_t)lane->region) / (i64)sizeof(gbx_slot);
}

/* PERF: asking about the whole of a stack takes 10 us for each GiB; what lies beyond the near end is rarely
 * there and given back unasked. */
static void
lane_clean(os_written *w, u8 *low, u8 *high, bool grows_down)
{
    size_t const bytes = (size_t)(high - low), near = min_u64(bytes, LANE_CLEAN_BYTES);
    u8 *const from = grows_down ? high - near : low;
    gbx_base_os_written_zero(w, from, from + near, near);
    gbx_base_os_discard(grows_down ? low : low + near, bytes - near);
}

void
gbx_runtime_lane_let(runtime_lane *lane, u64 tenant, os_written *w)
{
    if (lane->tenant == tenant) return;
    bool const is_fresh = lane->tenant == 0;
    lane->tenant = tenant;
    if (is_fresh) return;
    u8 *const low = (u8 *)lane->stack, *const high = (u8 *)lane->stack_end;
    lane_clean(w, low, high, false);
    if (lane->high_region) {
        u8 *const twin = lane->high_region + LANE_GUARD_BYTES;
        lane_clean(w, twin, twin + (high - low), false);
    }
    if (lane->native.region) lane_clean(w, lane->native.shown, lane->native.high, true);
}

void
gbx_runtime_lane_trim(runtime_lane *lane)
{
    size_t const stack_bytes = (size_t)((u8 *)lane->stack_end - (u8 *)lane->stack);
    if (stack_bytes <= LANE_KEEP_BYTES) return;
    gbx_base_os_discard((u8 *)lane->stack + LANE_KEEP_BYTES, stack_bytes - LANE_KEEP_BYTES);
    if (lane->high_region)
        gbx_base_os_discard(lane->high_region + LANE_GUARD_BYTES + LANE_KEEP_BYTES,
                            stack_bytes - LANE_KEEP_BYTES);
}

void
gbx_runtime_lane_put(runtime_lanes *l, runtime_lane *lane)
{
    (void)pthread_mutex_lock(&l->lock);
    lane->next = l->free;
    l->free = lane;
    l->free_count++;
    (void)pthread_mutex_unlock(&l->lock);
}
