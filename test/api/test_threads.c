/* Many threads, each with a store of its own, over one module: the library's promise to hosts. Run under
 * ThreadSanitizer it finds what they share without saying so. */
#include <pthread.h>
#include <stdatomic.h>

#include "api/guest.h"

enum { THREADS = 64, ROUNDS = 3 };

static gbx_engine *engine;
static gbx_module *module;

static const char text[] =
        "(module (import \"env\" \"count\" (func $count (param i32)))"
        "(memory (export \"mem\") 1) (data (i32.const 16) \"seed\")"
        "(type $t (func (param i32) (result i32)))"
        "(table 1 funcref) (elem (i32.const 0) $fib)"
        "(func $fib (type $t) (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))"
        "  (then (local.get 0)) (else (i32.add"
        "    (call $fib (i32.sub (local.get 0) (i32.const 1)))"
        "    (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 2)) (i32.const 0))))))"
        "(func (export \"run\") (param i32) (result i32)"
        "  (call $count (i32.const 1)) (drop (memory.grow (i32.const 2)))"
        "  (i32.store (i32.const 131072) (local.get 0))"
        "  (i32.add (i32.load (i32.const 131072)) (call $fib (i32.const 12))))"
        "(func (export \"spin\") (loop (br 0)))"
        "(func $named_boom (export \"boom\") unreachable))";

static gbx_trap_code
count(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)caller;
    (void)results;
    *(int32_t *)data += args[0].of.i32;
    return GBX_TRAP_NONE;
}

/* One tenant: a store, an instance, calls that return, trap, and meet their deadline. */
static const char *
tenant(int32_t id)
{
    static const gbx_valtype i32s[] = {GBX_I32};
    gbx_store_opts const opts = {.size = sizeof opts, .timeout_ns = 2000000000};
    gbx_store *store;
    gbx_linker *linker;
    gbx_instance *i;
    gbx_trap trap;
    int32_t counted = 0;
    if (gbx_store_new(engine, &opts, &store, NULL) || gbx_linker_new(store, &linker, NULL)) return "store";
    if (gbx_linker_define_func(linker, "env", "count", i32s, 1, NULL, 0, count, &counted, NULL)) {
        return "define";
    }
    if (gbx_instance_new(store, module, linker, &i, &trap, NULL)) return "instance";
    gbx_val v = guest_i32(id);
    for (int k = 0; k < 20; k++) {
        v = guest_i32(id + k);
        if (gbx_func_call(gbx_instance_func(i, "run"), &v, 1, &v, 1, &trap)) return "run";
        if (v.of.i32 != id + k + 144) return "result";
    }
    if (counted != 20) return "host function";
    if (gbx_func_call(gbx_instance_func(i, "boom"), NULL, 0, NULL, 0, &trap) != GBX_TRAP_UNREACHABLE) {
        return "boom";
    }
    if (strcmp(trap.frames[0].name, "named_boom") != 0) return "name";
    gbx_extern_info info;
    if (!gbx_module_export(module, (size_t)id % 4, &info)) return "export";
    gbx_linker_release(linker);
    gbx_store_release(store);
    return NULL;
}

static void *
thread_tenants(void *data)
{
    for (int round = 0; round < ROUNDS; round++) {
        const char *const wrong = tenant(*(int32_t *)data);
        if (wrong) return (void *)(uintptr_t)wrong;
    }
    return NULL;
}

static void
open_module(void)
{
    gbx_bytes const wasm = guest_wat(text);
    assert_int_equal(gbx_engine_new(NULL, &engine, NULL), GBX_OK);
    assert_int_equal(gbx_module_compile(engine, wasm, NULL, &module, NULL), GBX_OK);
    free((void *)(uintptr_t)wasm.data);
}

static void
test_a91_tenants(void **state)
{
    (void)state;
    static int32_t ids[THREADS];
    pthread_t threads[THREADS];
    open_module();
    for (int k = 0; k < THREADS; k++) {
        ids[k] = k;
        assert_int_equal(pthread_create(&threads[k], NULL, thread_tenants, &ids[k]), 0);
    }
    gbx_engine_release(engine); /* the stores keep it */
    for (int k = 0; k < THREADS; k++) {
        void *wrong;
        pthread_join(threads[k], &wrong);
        if (wrong) fail_msg("thread %d: %s", k, (const char *)wrong);
    }
    gbx_module_release(module);
}

/* Stores that spin until another thread cancels them or their deadline does, whichever is first. */
typedef struct spinner {
    gbx_store *store;
    gbx_func *spin;
    atomic_bool done;
    int rounds[2]; /* ended by deadline, by cancellation */
} spinner;

static void *
thread_spin(void *data)
{
    spinner *const s = data;
    const char *wrong = NULL;
    for (int k = 0; k < 30 && !wrong; k++) {
        gbx_trap_code const code = gbx_func_call(s->spin, NULL, 0, NULL, 0, NULL);
        if (code == GBX_TRAP_DEADLINE) s->rounds[0]++;
        else if (code == GBX_TRAP_CANCELLED) s->rounds[1]++;
        else wrong = gbx_trap_slug(code);
    }
    atomic_store(&s->done, true);
    return (void *)(uintptr_t)wrong;
}

static void
test_stop(void **state)
{
    (void)state;
    enum { SPINNERS = 8 };
    static const gbx_valtype i32s[] = {GBX_I32};
    static spinner spinners[SPINNERS];
    pthread_t threads[SPINNERS];
    open_module();
    for (int k = 0; k < SPINNERS; k++) {
        spinner *const s = &spinners[k];
        gbx_store_opts const opts = {.size = sizeof opts, .timeout_ns = 1000000u + 500000u * (unsigned)k};
        gbx_linker *linker;
        gbx_instance *i;
        assert_int_equal(gbx_store_new(engine, &opts, &s->store, NULL), GBX_OK);
        assert_int_equal(gbx_linker_new(s->store, &linker, NULL), GBX_OK);
        assert_int_equal(gbx_linker_define_func(linker, "env", "count", i32s, 1, NULL, 0, count, NULL,
                                                NULL), GBX_OK);
        assert_int_equal(gbx_instance_new(s->store, module, linker, &i, NULL, NULL), GBX_OK);
        gbx_linker_release(linker);
        s->spin = gbx_instance_func(i, "spin");
        assert_int_equal(pthread_create(&threads[k], NULL, thread_spin, s), 0);
    }
    for (bool busy = true; busy;) {
        busy = false;
        for (int k = 0; k < SPINNERS; k++) {
            if (k % 2) gbx_store_cancel(spinners[k].store);
            busy |= !atomic_load(&spinners[k].done);
        }
        usleep(300);
    }
    for (int k = 0; k < SPINNERS; k++) {
        void *wrong;
        pthread_join(threads[k], &wrong);
        if (wrong) fail_msg("spinner %d: %s", k, (const char *)wrong);
        assert_int_equal(spinners[k].rounds[0] + spinners[k].rounds[1], 30);
        if (k % 2 == 0) assert_int_equal(spinners[k].rounds[0], 30);
        gbx_store_release(spinners[k].store);
    }
    gbx_module_release(module);
    gbx_engine_release(engine);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a91_tenants), cmocka_unit_test(test_stop)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
