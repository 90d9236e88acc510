/* Deadlines: one thread of the engine's, started when the first is armed.
 *
 * Calls are short and deadlines long, so arming must cost next to nothing. An armed watch is its
 * `due_ns` alone; the thread sleeps until `next_ns`, looks at all watches, fires those that are due and
 * sleeps until the earliest of the rest. Disarming wakes nobody. Arming wakes the thread only when
 * it would sleep past the new deadline, which a stream of calls with one timeout does once in every
 * timeout.
 *
 * No deadline is missed: the thread first sets next_ns to WATCH_OFF, then reads the watches, then sets
 * next_ns to their earliest; a call first sets its due_ns, then reads next_ns (all sequentially
 * consistent). If the thread did not see the new due_ns, the call reads a next_ns that was set after,
 * and wakes it if that is too late.
 *
 * No deadline hits the wrong call: firing replaces the very due_ns that was seen by WATCH_FIRED, and a
 * call that finds WATCH_FIRED while disarming waits for the lock, under which the thread then has
 * stopped it; only after that does the call clear its stop word. */
#include "base/os_sync.h"
#include "runtime/runtime_int.h"

void
gbx_runtime_watcher_init(runtime_watcher *w)
{
    int const rc = pthread_mutex_init(&w->lock, NULL);
    GBX_ASSERT(rc == 0);
    gbx_base_os_cond_init(&w->wake);
    atomic_init(&w->next_ns, WATCH_OFF);
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

/* Stop the call that set `due`, unless it has ended. Under the lock, so that the store cannot die. */
static void
watch_fire(runtime_watch *watch, u64 due)
{
    if (!atomic_compare_exchange_strong(&watch->due_ns, &due, WATCH_FIRED)) return;
    gbx_store *const s = watch->store;
    u32 none = 0;
    (void)atomic_compare_exchange_strong(&s->exec.stop, &none, (u32)GBX_TRAP_DEADLINE);
    atomic_store(&s->exec.attention, 1);
    gbx_base_os_event_set(atomic_load(&s->stop_fd));
}

static u64
watch_look(runtime_watcher *w)
{
    u64 next = WATCH_OFF;
    u64 const now = gbx_base_os_now_ns();
    for (runtime_watch *i = w->list; i; i = i->next) {
        u64 const due = atomic_load(&i->due_ns);
        if (due == WATCH_OFF || due == WATCH_FIRED) continue;
        if (due <= now) watch_fire(i, due);
        else next = min_u64(next, due);
    }
    return next;
}

static void *
watch_run(void *data)
{
    runtime_watcher *const w = data;
    (void)pthread_mutex_lock(&w->lock);
    while (!w->quitting) {
        atomic_store(&w->next_ns, WATCH_OFF);
        u64 const next = watch_look(w);
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
gbx_runtime_watch_arm(runtime_watcher *w, runtime_watch *watch, u64 due_ns)
{
    GBX_ASSERT(due_ns != WATCH_OFF && due_ns != WATCH_FIRED);
    atomic_store(&watch->due_ns, due_ns);
    if (GBX_LIKELY(due_ns >= atomic_load(&w->next_ns))) return true;
    bool ok = true;
    (void)pthread_mutex_lock(&w->lock);
    if (!w->running) ok = w->running = gbx_base_os_thread_start(&w->thread, watch_run, w);
    else if (due_ns < atomic_load(&w->next_ns)) (void)pthread_cond_signal(&w->wake);
    (void)pthread_mutex_unlock(&w->lock);
    if (!ok) atomic_store(&watch->due_ns, WATCH_OFF);
    return ok;
}

void
gbx_runtime_watch_disarm(runtime_watcher *w, runtime_watch *watch)
{
    if (GBX_LIKELY(atomic_exchange(&watch->due_ns, WATCH_OFF) != WATCH_FIRED)) return;
    (void)pthread_mutex_lock(&w->lock);
    (void)pthread_mutex_unlock(&w->lock);
}
