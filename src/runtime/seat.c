/* Seats: what a thread keeps from one call to the next, so that a call costs little (RULE: S18).
 *
 * A thread that calls a guest needs a lane, the handlers of faults in place, its signals unblocked and a
 * stack to handle them on. To get these and give them back takes eight system calls and two locks. So they
 * stay with the thread: who calls the same store again on the same thread finds its exec as it was left,
 * and begins at once.
 *
 * What the host may have changed meanwhile (a handler, the thread's signal stack or mask) is looked at
 * again. At each call, until SEAT_STREAK of them have come within a few milliseconds of each other; then
 * at the first of each tick of the system's coarse clock, which is the only one that such calls read; and
 * at the next one after a trap, or after gbx_signals_changed. That look notes the time, and deadlines
 * count from it and a tick more.
 *
 * A thread has one lane at most; a call that one of its host functions makes into another store takes one
 * from the engine for as long as it lasts. Stores hold nothing: a store that is not called costs neither
 * stack nor descriptor (RULE: S19). Who sits where is said on both sides, and compared, never followed:
 * either may be gone, and something else at its address, which then does not say so.
 *
 * A seat's lane belongs to an engine, which takes it back when it dies; and the thread gives it back when it
 * ends. `seat_lock` is between these two. What is read without it, `store`, is compared with one that
 * lives, and so does its engine. */
#include "base/alloc.h"
#include "base/os_mem.h"
#include "base/os_sync.h"
#include "runtime/runtime_int.h"

#define SEAT_STREAK      64u
#define SEAT_STREAK_NS   ((u64)20000000) /* between two looks of a streak */

_Thread_local runtime_seat *gbx_runtime_seat_mine __attribute__((tls_model("initial-exec")));
_Atomic u64 gbx_runtime_seat_signals;

static pthread_mutex_t seat_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t seat_once = PTHREAD_ONCE_INIT;
static pthread_key_t seat_key;
static bool seat_has_key;

/* ---- lanes */

/* Under the lock. */
static void
seat_drop_lane(runtime_seat *seat)
{
    atomic_store_explicit(&seat->store, NULL, memory_order_relaxed);
    if (!seat->lane) return;
    gbx_runtime_lane_put(seat->lanes, seat->lane);
    *seat->link = seat->next;
    if (seat->next) seat->next->link = seat->link;
    seat->lane = NULL;
    seat->lanes = NULL;
}

void
gbx_runtime_seats_end(runtime_lanes *l)
{
    (void)pthread_mutex_lock(&seat_lock);
    while (l->seats) seat_drop_lane(l->seats);
    (void)pthread_mutex_unlock(&seat_lock);
}

/* The seat's own lane, or a new one, for a call that nobody of this thread waits behind. */
static runtime_lane *
seat_lane(runtime_seat *seat, runtime_lanes *l, u64 stack_bytes, const char **why)
{
    (void)pthread_mutex_lock(&seat_lock);
    bool const is_right = seat->lanes == l && seat->lane->wanted_bytes == stack_bytes;
    if (!is_right) seat_drop_lane(seat);
    if (!seat->lane) seat->lane = gbx_runtime_lane_get(l, stack_bytes, why);
    if (seat->lane && !is_right) {
        seat->lanes = l;
        seat->next = l->seats;
        seat->link = &l->seats;
        if (seat->next) seat->next->link = &seat->next;
        l->seats = seat;
    }
    (void)pthread_mutex_unlock(&seat_lock);
    return seat->lane;
}

/* ---- threads */

static void
seat_free(void *data)
{
    runtime_seat *const seat = data;
    (void)pthread_mutex_lock(&seat_lock);
    seat_drop_lane(seat);
    (void)pthread_mutex_unlock(&seat_lock);
    if (seat->is_ready) gbx_runtime_fault_thread_end(&seat->thread);
    if (seat->alt) gbx_base_os_unmap(seat->alt, seat->alt_bytes);
    gbx_runtime_seat_mine = NULL;
    gbx_base_free(seat);
}

static void
seat_begin(void)
{
    seat_has_key = pthread_key_create(&seat_key, seat_free) == 0;
}

/* This thread's; NULL: memory is short. */
static runtime_seat *
seat_get(void)
{
    if (gbx_runtime_seat_mine) return gbx_runtime_seat_mine;
    (void)pthread_once(&seat_once, seat_begin);
    runtime_seat *const seat = seat_has_key ? gbx_base_alloc_zero(1, sizeof *seat) : NULL;
    if (!seat) return NULL;
    if (pthread_setspecific(seat_key, seat) != 0) {
        gbx_base_free(seat);
        return NULL;
    }
    gbx_runtime_seat_mine = seat;
    return seat;
}

/* The stack for signals: below it nothing, so that a handler that needs more than there is ends the process
 * and writes nowhere. */
static bool
seat_make_alt(runtime_seat *seat)
{
    if (seat->alt) return true;
    size_t const guard = gbx_base_os_page_bytes();
    seat->alt_bytes = guard + FAULT_ALTSTACK_BYTES;
    seat->alt = gbx_base_os_reserve(seat->alt_bytes);
    if (seat->alt && gbx_base_os_commit(seat->alt + guard, FAULT_ALTSTACK_BYTES)) return true;
    if (seat->alt) gbx_base_os_unmap(seat->alt, seat->alt_bytes);
    seat->alt = NULL;
    return false;
}

/* Look at what the host may have changed. False: there is no memory for a stack to handle signals on. */
static bool
seat_look(runtime_seat *seat, bool has_code)
{
    u64 const now = gbx_base_os_now_ns();
    seat->streak = now - seat->looked_ns < SEAT_STREAK_NS ? seat->streak + 1 : 0;
    seat->looked_ns = now;
    seat->tick = 0;
    if (seat->streak >= SEAT_STREAK)
        seat->tick = gbx_base_os_tick(&seat->now) +
                     atomic_load_explicit(&gbx_runtime_seat_signals, memory_order_relaxed);
    if (!has_code) return true;
    if (!seat_make_alt(seat)) return false;
    gbx_runtime_fault_reinstall();
    if (!seat->is_ready)
        gbx_runtime_fault_thread_begin(&seat->thread, seat->alt + seat->alt_bytes - FAULT_ALTSTACK_BYTES,
                                       FAULT_ALTSTACK_BYTES);
    else
        gbx_runtime_fault_thread_again(&seat->thread);
    seat->is_ready = true;
    return true;
}

bool
gbx_runtime_seat_take(gbx_store *s, const char **why)
{
    *why = "no memory for what a thread keeps between calls";
    runtime_seat *const seat = seat_get();
    if (!seat) return false;
    gbx_engine *const e = s->engine;
    bool const is_guest = seat->calls != 0; /* a host function of another call makes this one */
    s->lane = is_guest ? gbx_runtime_lane_get(&e->lanes, s->limits.stack_bytes, why)
                       : seat_lane(seat, &e->lanes, s->limits.stack_bytes, why);
    if (!s->lane) return false;
    gbx_runtime_lane_let(s->lane, s->tenant, &e->pool.written);
    *why = "no memory for a stack to handle signals on";
    if (!seat_look(seat, s->has_code)) {
        if (is_guest) gbx_runtime_lane_put(&e->lanes, s->lane);
        s->lane = NULL;
        return false;
    }
    s->seat = seat;
    s->sits = is_guest ? STORE_STANDS : seat;
    if (!is_guest) atomic_store_explicit(&seat->store, s, memory_order_relaxed);
    if (s->is_plain) s->due_ns = watch_due(seat->looked_ns + gbx_base_os_tick_ns(), s->limits.timeout_ns);
    s->exec.is_untidy = true; /* who sits anew tells call_end, once */
    seat->is_lent = seat->is_ready && gbx_runtime_fault_thread_is_lent(&seat->thread);
    seat->calls++;
    return true;
}

void
gbx_runtime_seat_give(gbx_store *s)
{
    runtime_seat *const seat = s->seat;
    seat->calls--;
    bool const is_guest = s->lane != seat->lane;
    if (is_guest) {
        gbx_runtime_lane_put(&s->engine->lanes, s->lane);
        s->lane = NULL;
    }
    if (seat->calls || !seat->is_lent) return;
    gbx_runtime_fault_thread_end(&seat->thread);
    seat->is_ready = seat->is_lent = false;
    atomic_store_explicit(&seat->store, NULL, memory_order_relaxed);
}

void
gbx_runtime_seat_signals_changed(void)
{
    (void)atomic_fetch_add_explicit(&gbx_runtime_seat_signals, 1, memory_order_relaxed);
}
