/* Many threads over one module whose functions become warm in all of them at once, and modules that come and go
 * beside threads that go on. Run under ThreadSanitizer it finds what they share without saying so. */
#include <pthread.h>
#include <stdatomic.h>

#include <gbx/unstable/compiled.h>

#include "api/guest.h"

enum { THREADS = 8, FUNCS = 48, CALLS = 400 };
#define TEXT_BYTES ((size_t)64 << 10)

/* Functions that are alike but for a number: each calls the one before it, loops, and reads memory. */
static gbx_bytes
many_functions(void)
{
    char *const text = malloc(TEXT_BYTES);
    assert_non_null(text);
    size_t at = (size_t)snprintf(text, TEXT_BYTES,
                                 "(module (memory 1) (global $g (mut i32) (i32.const 1))"
                                 "(func $f0 (export \"f0\") (param i32) (result i32) (local.get 0))");
    for (int i = 1; i < FUNCS; i++)
        at += (size_t)snprintf(
                text + at, TEXT_BYTES - at,
                "(func $f%d (export \"f%d\") (param i32) (result i32) (local i32 i32)"
                " (local.set 1 (i32.const 16)) (loop"
                "  (local.set 2 (i32.add (i32.mul (local.get 2) (i32.const %d)) (call $f%d (local.get 1))))"
                "  (i32.store (i32.const 64) (local.get 2)) (global.set $g (i32.add (global.get $g) (i32.const 1)))"
                "  (br_if 0 (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))"
                " (i32.add (local.get 0) (i32.load (i32.const 64))))",
                i, i, 2 * i + 1, i % 3 ? i - 1 : 0);
    at += (size_t)snprintf(text + at, TEXT_BYTES - at,
                           "(func $boom (export \"boom\") (param i32) (result i32) (i32.load offset=65536 (local.get 0))))");
    assert_true(at < TEXT_BYTES);
    gbx_bytes const wasm = guest_wat(text);
    free(text);
    return wasm;
}

typedef struct tenant {
    gbx_module *module;
    gbx_engine *engine;
    atomic_int *go;   /* threads that are ready; NULL: it need not wait for others */
    atomic_bool *end; /* not NULL: until then */
    int32_t sum;
    const char *failed;
} tenant;

/* A store of its own; each function CALLS times, in an order of its own, and a trap between. */
static void *
thread_tenant(void *data)
{
    tenant *const t = data;
    gbx_store *store = NULL;
    gbx_instance *i;
    gbx_trap trap;
    uint32_t sum = 0;
    t->failed = "store";
    if (gbx_store_new(t->engine, NULL, &store, NULL)) return NULL;
    t->failed = "instance";
    if (gbx_instance_new(store, t->module, NULL, &i, &trap, NULL)) goto out;
    if (t->go) {
        (void)atomic_fetch_add(t->go, 1);
        while (atomic_load(t->go) < THREADS) {}
    }
    do {
        for (int k = 0; k < CALLS; k++) {
            for (int f = 0; f < FUNCS; f++) {
                char name[8];
                snprintf(name, sizeof name, "f%d", (f * 5 + k) % FUNCS);
                gbx_val v = guest_i32(k);
                t->failed = "call";
                if (k % 40 && f) continue; /* once all, then the callees by their callers */
                if (gbx_func_call(gbx_instance_func(i, name), &v, 1, &v, 1, &trap)) goto out;
                sum += (uint32_t)v.of.i32;
            }
            gbx_val v = guest_i32(k);
            t->failed = "trap";
            if (gbx_func_call(gbx_instance_func(i, "boom"), &v, 1, &v, 1, &trap) != GBX_TRAP_MEM_OOB) goto out;
            if (trap.frame_count != 1 || strcmp(trap.frames[0].name, "boom") != 0) goto out;
        }
    } while (t->end && !atomic_load(t->end));
    t->failed = NULL;
    t->sum = (int32_t)sum;
out:
    gbx_store_release(store);
    return NULL;
}

static gbx_engine *
engine_of(gbx_tier_mode tier)
{
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    gbx_engine *engine;
    opts.tier = tier;
    assert_int_equal(gbx_engine_new(&opts, &engine, NULL), GBX_OK);
    return engine;
}

/* The interpreter's answer, once. */
static int32_t
expected_sum(gbx_bytes wasm)
{
    tenant t = {.engine = engine_of(GBX_TIER_INTERP)};
    assert_int_equal(gbx_module_compile(t.engine, wasm, NULL, &t.module, NULL), GBX_OK);
    (void)thread_tenant(&t);
    assert_null(t.failed);
    gbx_module_release(t.module);
    gbx_engine_release(t.engine);
    return t.sum;
}

/* Each function is compiled once, however many find it warm: those compiled are exactly all, so none is counted
 * twice. */
static void
test_warm_at_once(void **state)
{
    (void)state;
    gbx_bytes const wasm = many_functions();
    int32_t const sum = expected_sum(wasm);
    gbx_engine *const engine = engine_of(GBX_TIER_AUTO);
    gbx_module *module;
    assert_int_equal(gbx_module_compile(engine, wasm, NULL, &module, NULL), GBX_OK);
    pthread_t threads[THREADS];
    tenant tenants[THREADS];
    atomic_int go = 0;
    for (int k = 0; k < THREADS; k++) {
        tenants[k] = (tenant){.engine = engine, .module = module, .go = &go};
        assert_int_equal(pthread_create(&threads[k], NULL, thread_tenant, &tenants[k]), 0);
    }
    for (int k = 0; k < THREADS; k++) {
        assert_int_equal(pthread_join(threads[k], NULL), 0);
        if (tenants[k].failed) fail_msg("thread %d: %s", k, tenants[k].failed);
        assert_int_equal(tenants[k].sum, sum);
    }
    gbx_compiled n;
    gbx_compiled_get(module, &n);
    if (n.is_open) {
        assert_int_equal(n.refused, 0);
        assert_int_equal(n.compiled, n.funcs);
        assert_int_equal(n.body_bytes, n.func_bytes);
    }
    gbx_module_release(module);
    gbx_engine_release(engine);
    free((void *)(uintptr_t)wasm.data);
}

/* Modules of this engine and of another are compiled, run, trap and are dropped while threads of the first run
 * code and trap. */
static void
test_others_go_on(void **state)
{
    (void)state;
    gbx_bytes const wasm = many_functions();
    int32_t const sum = expected_sum(wasm);
    tenant going[2] = {0};
    pthread_t threads[2];
    atomic_bool end = false;
    for (int k = 0; k < 2; k++) {
        going[k] = (tenant){.engine = engine_of(k ? GBX_TIER_EAGER : GBX_TIER_AUTO), .end = &end};
        assert_int_equal(gbx_module_compile(going[k].engine, wasm, NULL, &going[k].module, NULL), GBX_OK);
        assert_int_equal(pthread_create(&threads[k], NULL, thread_tenant, &going[k]), 0);
    }
    for (int round = 0; round < 12; round++) {
        tenant passing = {.engine = round % 3 ? going[round % 2].engine : engine_of(GBX_TIER_EAGER)};
        assert_int_equal(gbx_module_compile(passing.engine, wasm, NULL, &passing.module, NULL), GBX_OK);
        (void)thread_tenant(&passing);
        if (passing.failed) fail_msg("round %d: %s", round, passing.failed);
        assert_int_equal(passing.sum, sum);
        gbx_module_release(passing.module);
        if (round % 3 == 0) gbx_engine_release(passing.engine);
    }
    atomic_store(&end, true);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(pthread_join(threads[k], NULL), 0);
        if (going[k].failed) fail_msg("thread %d: %s", k, going[k].failed);
        gbx_module_release(going[k].module);
        gbx_engine_release(going[k].engine);
    }
    free((void *)(uintptr_t)wasm.data);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_warm_at_once),
            cmocka_unit_test(test_others_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
