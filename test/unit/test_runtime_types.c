/* Canonical types: equal ids exactly for equal types, ids used again, references counted. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "runtime/runtime_int.h"

static wasm_functype
sig(const char *params, const char *results)
{
    return (wasm_functype){.param_count = (u32)strlen(params),
                           .result_count = (u32)strlen(results),
                           .params = (const wasm_valtype *)params,
                           .results = (const wasm_valtype *)results};
}

#define I32 "\x7f"
#define I64 "\x7e"
#define FUNCREF "\x70"

static void
test_equal(void **state)
{
    (void)state;
    runtime_types t = {0};
    gbx_runtime_types_init(&t);
    /* All different, though some have the same letters in all. */
    wasm_functype const sigs[] = {sig("", ""),       sig(I32, ""),        sig("", I32),
                                  sig(I32, I32),     sig(I32 I32, ""),    sig("", I32 I32),
                                  sig(I32 I64, I32), sig(I32, I64 I32),   sig(I64 I32, I32),
                                  sig(FUNCREF, ""),  sig(I32 I64 I32, "")};
    runtime_type *types[GBX_LEN(sigs)];
    for (size_t i = 0; i < GBX_LEN(sigs); i++) {
        types[i] = gbx_runtime_type_get(&t, &sigs[i]);
        assert_non_null(types[i]);
        for (size_t k = 0; k < i; k++) assert_int_not_equal(types[i]->id, types[k]->id);
    }
    char params[] = I32 I64, results[] = I32; /* other bytes, the same type */
    wasm_functype const again = sig(params, results);
    assert_ptr_equal(gbx_runtime_type_get(&t, &again), types[6]);
    params[0] = 0; /* the registry has copies */
    assert_int_equal(types[6]->sig.params[0], WASM_I32);
    assert_int_equal(types[6]->params[0], GBX_I32);
    assert_int_equal(types[6]->params[1], GBX_I64);
    assert_int_equal(types[6]->results[0], GBX_I32);
    assert_int_equal(types[9]->params[0], GBX_FUNCREF);
    gbx_runtime_type_put(&t, types[6]);
    for (size_t i = 0; i < GBX_LEN(sigs); i++) gbx_runtime_type_put(&t, types[i]);
    gbx_runtime_types_deinit(&t);
}

/* A registry that sees new types for ever stays small, and never gives a live type's id away. */
static void
test_reuse(void **state)
{
    (void)state;
    runtime_types t = {0};
    gbx_runtime_types_init(&t);
    wasm_functype const kept_sig = sig(I32, I32);
    runtime_type *const kept = gbx_runtime_type_get(&t, &kept_sig);
    char params[] = I32 I32 I32 I32 I32 I32 I32 I32 I32 I32;
    for (unsigned round = 0; round < 1000; round++) {
        for (unsigned bit = 0; bit < 10; bit++) params[bit] = round >> bit & 1 ? '\x7f' : '\x7e';
        wasm_functype const s = sig(params, "");
        runtime_type *const type = gbx_runtime_type_get(&t, &s);
        assert_non_null(type);
        assert_int_not_equal(type->id, kept->id);
        gbx_runtime_type_put(&t, type);
    }
    assert_true(t.issued <= 2);
    assert_int_equal(t.types.len, 1);
    gbx_runtime_type_put(&t, kept);
    gbx_runtime_types_deinit(&t);
}

static void
test_faults(void **state)
{
    (void)state;
    for (u64 n = 1;; n++) {
        runtime_types t = {0};
        gbx_runtime_types_init(&t);
        wasm_functype const a = sig(I32, I64), b = sig(I64, "");
        gbx_base_fault_arm(n);
        runtime_type *const ta = gbx_runtime_type_get(&t, &a);
        runtime_type *const tb = gbx_runtime_type_get(&t, &b);
        bool const covered = gbx_base_fault_count() < n;
        gbx_base_fault_arm(0);
        if (covered) assert_true(ta && tb);
        if (ta && tb) assert_int_not_equal(ta->id, tb->id);
        gbx_runtime_type_put(&t, ta);
        gbx_runtime_type_put(&t, tb);
        gbx_runtime_types_deinit(&t);
        if (covered) break;
    }
}

static void *
thread_types(void *data)
{
    runtime_types *const t = data;
    for (unsigned round = 0; round < 2000; round++) {
        char params[] = I32 I32 I32;
        for (unsigned bit = 0; bit < 3; bit++) params[bit] = round >> bit & 1 ? '\x7f' : '\x7e';
        wasm_functype const s = sig(params, "");
        runtime_type *const a = gbx_runtime_type_get(t, &s);
        runtime_type *const b = gbx_runtime_type_get(t, &s);
        if (!a || a != b || !gbx_wasm_functype_equal(&a->sig, &s)) return "wrong";
        gbx_runtime_type_put(t, a);
        gbx_runtime_type_put(t, b);
    }
    return NULL;
}

static void
test_threads(void **state)
{
    (void)state;
    runtime_types t = {0};
    gbx_runtime_types_init(&t);
    pthread_t threads[8];
    for (size_t i = 0; i < GBX_LEN(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, thread_types, &t), 0);
    }
    for (size_t i = 0; i < GBX_LEN(threads); i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    assert_int_equal(t.types.len, 0);
    gbx_runtime_types_deinit(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_equal),
            cmocka_unit_test(test_reuse),
            cmocka_unit_test(test_faults),
            cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
