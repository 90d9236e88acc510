/* Deadlines: one thread of the engine's, started when the first is armed.
 *
 * Calls are short and deadlines long, so arming must cost next to nothing. An armed watch is its
 * `due_ns` alone; the thread sleeps until `next_ns`, looks at all watches, fires those that are due and
 * sleeps until the earliest of the rest. Disarming wakes nobody. Arming wakes the thread only when
 * it would sleep past the new deadline, which a stream of calls with one timeout does once in every
 * timeout.
 *
 * No deadline is missed: the thread first sets next_ns to WATCH_OFF, then reads the watches, then sets
 * next_ns to their earliest; a call first sets its due_ns, then reads next_ns. If the thread did not see the
 * new due_ns, the call reads a next_ns that was set after, and wakes it if that is too late.
 *
 * No deadline hits the wrong call: firing first sets is_firing, then reads due_ns once more, and stops the
 * call only if that is still due; a call that ends first sets its due_ns to WATCH_OFF, then reads
 * is_firing, and where that is set waits for the lock, under which the thread then has stopped it or let
 * it be; only after that does the call clear its stop word. A call that began in between with the same
 * due_ns is stopped by its own deadline.
 *
 * Both are "write one, read the other" on two sides, and need a full barrier between the two on each.
 * Calls are many and looks are few: the thread makes all others pass a barrier (membarrier), and calls
 * have none. */
#include "base/os_sync.h"
#include "runtime/runtime_int.h"

void
gbx_runtime_watcher_init(runtime_watcher *w)
{
    int const rc = pthread_mutex_init(&w->lock, NULL);
    GBX_ASSERT(rc == 0);
    gbx_base_os_cond_init(&w->wake);
    atomic_init(&w->next_ns, WATCH_OFF);
    w->is_fenced = !gbx_base_os_barrier_begin();
}

/* What watch_fence is on the other side. */
static void
watch_barrier(const runtime_watcher *w)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (!w->is_fenced) gbx_base_os_barrier();
}

void
gbx_runtime_watcher_deinit(runtime_watcher *w)
{
    GBX_ASSERT(!w->list);
    if (w->running) {
        (void)pthread_mutex_lock(&w->lock);
        w->quitting = true;
        (void)pthread_cond_signal(&w->wake);
        (void)pthread_mutex_unlock(&w->lock);
        int const rc = pthread_join(w->thread, NULL);
        GBX_ASSERT(rc == 0);
    }
    (void)pthread_cond_destroy(&w->wake);
    (void)pthread_mutex_destroy(&w->lock);
}

/* Stop the call that is due, behind the barrier and under the lock, so that the store cannot die. */
static void
watch_fire(runtime_watch *watch)
{
    gbx_store *const s = watch->store;
    u32 none = 0;
    (void)atomic_compare_exchange_strong(&s->exec.stop, &none, (u32)GBX_TRAP_DEADLINE);
    (void)atomic_fetch_or(&s->exec.attention, GBX_ATTEND_STOP);
    gbx_base_os_event_set(atomic_load(&s->stop_fd));
}

/* Announce what is to be stopped. The earliest of the others; WATCH_OFF: there is none. */
static u64
watch_look(runtime_watcher *w, u64 now, bool *is_any)
{
    u64 next = WATCH_OFF;
    for (runtime_watch *i = w->list; i; i = i->next) {
        u64 const due = atomic_load_explicit(&i->due_ns, memory_order_relaxed);
        if (due == WATCH_OFF || atomic_load_explicit(&i->is_firing, memory_order_relaxed)) continue;
        if (due > now) {
            next = min_u64(next, due);
            continue;
        }
        *is_any = true;
        atomic_store_explicit(&i->is_firing, true, memory_order_relaxed);
        i->is_new = true;
    }
    return next;
}

/* Stop those that were announced, but for calls that have ended meanwhile; the earliest deadline of calls
 * that began. */
static u64
watch_fire_all(runtime_watcher *w, u64 now)
{
    u64 next = WATCH_OFF;
    for (runtime_watch *i = w->list; i; i = i->next) {
        if (!i->is_new) continue;
        i->is_new = false;
        u64 const due = atomic_load_explicit(&i->due_ns, memory_order_relaxed);
        if (due <= now) {
            watch_fire(i);
            continue;
        }
        atomic_store_explicit(&i->is_firing, false, memory_order_relaxed);
        next = min_u64(next, due);
    }
    return next;
}

static void *
watch_run(void *data)
{
    runtime_watcher *const w = data;
    (void)pthread_mutex_lock(&w->lock);
    while (!w->quitting) {
        bool is_any = false;
        atomic_store(&w->next_ns, WATCH_OFF);
        watch_barrier(w);
        u64 const now = gbx_base_os_now_ns();
        u64 next = watch_look(w, now, &is_any);
        if (is_any) {
            watch_barrier(w);
            next = min_u64(next, watch_fire_all(w, now));
        }
        atomic_store(&w->next_ns, next);
        gbx_base_os_cond_wait_until(&w->wake, &w->lock, next);
    }
    (void)pthread_mutex_unlock(&w->lock);
    return NULL;
}

void
gbx_runtime_watch_add(runtime_watcher *w, runtime_watch *watch, gbx_store *s)
{
    atomic_init(&watch->due_ns, WATCH_OFF);
    watch->store = s;
    (void)pthread_mutex_lock(&w->lock);
    watch->next = w->list;
    watch->link = &w->list;
    if (watch->next) watch->next->link = &watch->next;
    w->list = watch;
    (void)pthread_mutex_unlock(&w->lock);
}

void
gbx_runtime_watch_remove(runtime_watcher *w, runtime_watch *watch)
{
    (void)pthread_mutex_lock(&w->lock);
    *watch->link = watch->next;
    if (watch->next) watch->next->link = watch->link;
    (void)pthread_mutex_unlock(&w->lock);
}

bool
gbx_runtime_watch_wake(runtime_watcher *w, runtime_watch *watch, u64 due_ns)
{
    bool ok = true;
    (void)pthread_mutex_lock(&w->lock);
    if (!w->running) ok = w->running = gbx_base_os_thread_start(&w->thread, watch_run, w);
    else if (due_ns < atomic_load(&w->next_ns)) (void)pthread_cond_signal(&w->wake);
    (void)pthread_mutex_unlock(&w->lock);
    if (!ok) atomic_store(&watch->due_ns, WATCH_OFF);
    return ok;
}

void
gbx_runtime_watch_await(runtime_watcher *w, runtime_watch *watch)
{
    (void)pthread_mutex_lock(&w->lock);
    atomic_store_explicit(&watch->is_firing, false, memory_order_relaxed);
    (void)pthread_mutex_unlock(&w->lock);
}
