/* Deadlines: they fire, only on the call that set them, and not after it ended. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/os_sync.h"
#include "runtime/runtime_int.h"

#define MS ((u64)1000000)

typedef struct world {
    gbx_engine *engine;
    gbx_store *store;
} world;

static bool is_fenced; /* as where the system has no barrier for one side alone */

static gbx_engine *
open_engine(void)
{
    gbx_engine *e;
    assert_int_equal(gbx_runtime_engine_new(&(gbx_engine_opts)GBX_ENGINE_OPTS_INIT, &e, NULL), GBX_OK);
    e->watcher.is_fenced = e->watcher.is_fenced || is_fenced;
    return e;
}

static runtime_limits const limits = {.timeout_ns = UINT64_MAX, .stack_bytes = 65536};

static void
open_world(world *w)
{
    w->engine = open_engine();
    assert_int_equal(gbx_runtime_store_new(w->engine, &limits, &w->store, NULL), GBX_OK);
    int const fd = gbx_base_os_event_open();
    assert_true(fd >= 0);
    atomic_store(&w->store->stop_fd, fd);
}

static void
close_world(world *w)
{
    gbx_base_os_event_close(atomic_load(&w->store->stop_fd));
    gbx_runtime_store_free(w->store);
    gbx_runtime_engine_release(w->engine);
}

static bool
wait_for_event(gbx_store *s, int timeout_ms)
{
    struct pollfd p = {.fd = atomic_load(&s->stop_fd), .events = POLLIN};
    return poll(&p, 1, timeout_ms) == 1;
}

static void
arm(gbx_store *s, u64 in_ns)
{
    assert_true(watch_arm(&s->engine->watcher, &s->watch, gbx_base_os_now_ns() + in_ns,
                          s->engine->watcher.is_fenced));
}

static void
disarm(gbx_store *s)
{
    watch_disarm(&s->engine->watcher, &s->watch, s->engine->watcher.is_fenced);
    if (atomic_exchange(&s->exec.stop, 0)) gbx_base_os_event_clear(atomic_load(&s->stop_fd));
}

static void
test_fires(void **state)
{
    (void)state;
    world w;
    open_world(&w);
    assert_false(w.engine->watcher.running);
    u64 const start = gbx_base_os_now_ns();
    arm(w.store, 20 * MS);
    assert_true(w.engine->watcher.running);
    assert_true(wait_for_event(w.store, 10000));
    assert_true(gbx_base_os_now_ns() - start >= 20 * MS);
    assert_int_equal(atomic_load(&w.store->exec.stop), GBX_TRAP_DEADLINE);
    disarm(w.store);
    assert_int_equal(atomic_load(&w.store->exec.stop), 0);

    /* Again, and with a nearer deadline than the thread is asleep for. */
    arm(w.store, 10000 * MS);
    disarm(w.store);
    arm(w.store, 5 * MS);
    assert_true(wait_for_event(w.store, 10000));
    disarm(w.store);
    close_world(&w);
}

static void
test_disarmed(void **state)
{
    (void)state;
    world w;
    open_world(&w);
    arm(w.store, 10 * MS);
    disarm(w.store);
    assert_false(wait_for_event(w.store, 50));
    assert_int_equal(atomic_load(&w.store->exec.stop), 0);
    close_world(&w);
}

/* A cancellation came first: its word stays. */
static void
test_keeps_cancel(void **state)
{
    (void)state;
    world w;
    open_world(&w);
    gbx_runtime_store_cancel(w.store);
    gbx_base_os_event_clear(atomic_load(&w.store->stop_fd));
    arm(w.store, 1 * MS);
    assert_true(wait_for_event(w.store, 10000));
    assert_int_equal(atomic_load(&w.store->exec.stop), GBX_TRAP_CANCELLED);
    disarm(w.store);
    close_world(&w);
}

/* Calls that end in the very moment of their deadline, next to calls that must not be hit by it. */
static void
test_races(void **state)
{
    (void)state;
    world w;
    open_world(&w);
    for (unsigned round = 0; round < 3000; round++) {
        arm(w.store, 1000 * (round % 97));
        for (u64 until = gbx_base_os_now_ns() + 1000 * (round % 89); gbx_base_os_now_ns() < until;) {}
        disarm(w.store);
        assert_int_equal(atomic_load(&w.store->exec.stop), 0);
        arm(w.store, 3600 * 1000 * MS);
        for (unsigned i = 0; i < 50; i++) assert_int_equal(atomic_load(&w.store->exec.stop), 0);
        disarm(w.store);
    }
    assert_false(wait_for_event(w.store, 0));
    close_world(&w);
}

/* Stores that come and go while the thread looks at them. */
static void *
thread_stores(void *data)
{
    gbx_engine *const e = data;
    for (unsigned round = 0; round < 300; round++) {
        gbx_store *s;
        if (gbx_runtime_store_new(e, &limits, &s, NULL) != GBX_OK) return "store";
        u64 const due = gbx_base_os_now_ns() + 1000 * (round % 50);
        if (!watch_arm(&e->watcher, &s->watch, due, e->watcher.is_fenced)) return "arm";
        while (round % 2 && !atomic_load(&s->exec.stop)) {}
        watch_disarm(&e->watcher, &s->watch, e->watcher.is_fenced);
        gbx_runtime_store_free(s);
    }
    return NULL;
}

static void
test_threads(void **state)
{
    (void)state;
    gbx_engine *const e = open_engine();
    pthread_t threads[6];
    for (size_t i = 0; i < GBX_LEN(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, thread_stores, e), 0);
    }
    for (size_t i = 0; i < GBX_LEN(threads); i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    gbx_runtime_engine_release(e);
}

static void
test_no_thread(void **state)
{
    (void)state;
    world w;
    open_world(&w);
    gbx_base_fault_arm(1);
    assert_false(watch_arm(&w.engine->watcher, &w.store->watch, gbx_base_os_now_ns(), true));
    gbx_base_fault_arm(0);
    assert_int_equal(atomic_load(&w.store->watch.due_ns), WATCH_OFF);
    arm(w.store, 0); /* the next attempt works */
    assert_true(wait_for_event(w.store, 10000));
    disarm(w.store);
    close_world(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_fires),      cmocka_unit_test(test_disarmed),
            cmocka_unit_test(test_keeps_cancel), cmocka_unit_test(test_races),
            cmocka_unit_test(test_threads),    cmocka_unit_test(test_no_thread),
    };
    int failed = 0;
    for (u32 k = 0; k < 2; k++) {
        is_fenced = k == 1;
        failed |= cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
