/* What machine code may take: of a function, of a module, of an engine. What does not fit is interpreted, gives
 * the same results, and is said to be refused for that reason. */
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gbx/unstable/compiled.h"
#include "unit/wasm_build.h"
#include "wasm/limits.h"

/* A body of `pairs` branches of 4 bytes, each of which takes `results` operands to their places. */
static build
branchy(u32 pairs, u32 results)
{
    build body = {0};
    for (u32 i = 0; i < results; i++) BUILD(&body, OP_I64_CONST, (u8)(i & 63));
    for (u32 i = 0; i < pairs; i++) BUILD(&body, OP_LOCAL_GET, 0, OP_BR_IF, 0);
    BUILD(&body, OP_END);
    return body;
}

/* `count` such functions, and behind them a plain one of a few bytes. */
static build
branchy_module(u32 count, u32 pairs, u32 results)
{
    char types[1001] = {0};
    assert_true(results < sizeof types);
    memset(types, 'l', results);
    build body = branchy(pairs, results);
    build_func *const funcs = calloc(count + 1, sizeof *funcs);
    assert_non_null(funcs);
    for (u32 i = 0; i < count; i++) funcs[i] = (build_func){"i", types, "", body.data, body.len};
    funcs[count] = (build_func){"i", "i", "", BODY(OP_LOCAL_GET, 0, OP_I32_CONST, 1, OP_I32_ADD, OP_END)};
    build_module const bm = {.funcs = funcs, .func_count = count + 1, .pages = 1};
    build const whole = build_whole(&bm);
    build_free(&body);
    free(funcs);
    return whole;
}

static gbx_engine *
open_engine(gbx_tier_mode tier)
{
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    gbx_engine *engine;
    opts.tier = tier;
    opts.keep_ms = GBX_KEEP_OFF;
    assert_int_equal(gbx_engine_new(&opts, &engine, NULL), GBX_OK);
    return engine;
}

/* Every function called in each way gives what it should, whoever runs it. */
static void
call_all(gbx_instance *inst, u32 count, u32 results)
{
    gbx_val *const out = calloc(results, sizeof *out);
    assert_non_null(out);
    for (u32 i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%u", (unsigned)i);
        for (int32_t taken = 0; taken < 2; taken++) {
            gbx_val const arg = {.type = GBX_I32, .of.i32 = taken};
            assert_int_equal(gbx_func_call(gbx_instance_func(inst, name), &arg, 1, out, results, NULL),
                             GBX_TRAP_NONE);
            for (u32 r = 0; r < results; r++) assert_int_equal(out[r].of.i64, (i64)(r & 63));
        }
    }
    free(out);
}

typedef struct bounds {
    gbx_engine *engine;
    gbx_store *store;
    gbx_module *module;
    gbx_compiled figures;
} bounds;

static bounds
bounds_open(gbx_engine *engine, u32 count, u32 pairs, u32 results)
{
    bounds b = {.engine = engine};
    gbx_instance *inst;
    build bytes = branchy_module(count, pairs, results);
    gbx_err err;
    if (gbx_module_compile(engine, (gbx_bytes){bytes.data, bytes.len}, NULL, &b.module, &err) != GBX_OK)
        fail_msg("%s", err.text);
    build_free(&bytes);
    assert_int_equal(gbx_store_new(engine, NULL, &b.store, NULL), GBX_OK);
    assert_int_equal(gbx_instance_new(b.store, b.module, NULL, &inst, NULL, NULL), GBX_OK);
    call_all(inst, count, results);
    gbx_compiled_get(b.module, &b.figures);
    return b;
}

static void
bounds_close(bounds *b)
{
    gbx_store_release(b->store);
    gbx_module_release(b->module);
}

/* All that are refused are so for this reason. */
static void
refused_for(const bounds *b, const char *why)
{
    gbx_refused r;
    u32 next = 0, seen = 0;
    for (; gbx_compiled_next_refused(b->module, &next, &r); seen++) assert_string_equal(r.why, why);
    assert_int_equal(seen, b->figures.refused);
    assert_true(seen > 0);
}

static void
test_function(void **state)
{
    (void)state;
    gbx_engine *const engine = open_engine(GBX_TIER_EAGER);
    bounds b = bounds_open(engine, 3, 5000, 200);
    if (b.figures.is_open) {
        assert_int_equal(b.figures.refused, 3);
        assert_int_equal(b.figures.compiled, 1);
        refused_for(&b, "growth");
    }
    bounds_close(&b);
    gbx_engine_release(engine);
}

/* The module's code stays within its share; the one function that is small is still compiled or not, but runs. */
static void
test_module(void **state)
{
    (void)state;
    enum { COUNT = 60, PAIRS = 5000, RESULTS = 8 };
    gbx_engine *const engine = open_engine(GBX_TIER_EAGER);
    bounds b = bounds_open(engine, COUNT, PAIRS, RESULTS);
    if (b.figures.is_open) {
        u64 const share = b.figures.func_bytes * WASM_MAX_CODE_SHARE + ((u64)1 << 20) + (COUNT + 1) * 64;
        assert_true(b.figures.code_bytes <= share);
        assert_true(b.figures.code_bytes > share / 2);
        assert_true(b.figures.compiled > 0);
        refused_for(&b, "share");
    }
    bounds_close(&b);
    gbx_engine_release(engine);
}

/* In a child whose files may have 4 MiB, so that an engine's code has no more either: what a second module has no
 * room for is interpreted, and compiled again once the first is gone. */
static void
engine_is_full(void)
{
    struct rlimit const small = {.rlim_cur = (rlim_t)4 << 20, .rlim_max = RLIM_INFINITY};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    gbx_engine *const engine = open_engine(GBX_TIER_EAGER);
    bounds first = bounds_open(engine, 14, 5000, 4), second = bounds_open(engine, 14, 5000, 4);
    if (first.figures.is_open) {
        assert_int_equal(first.figures.refused, 0);
        refused_for(&second, "room");
    }
    bounds_close(&first);
    bounds third = bounds_open(engine, 14, 5000, 4);
    assert_int_equal(third.figures.refused, 0);
    bounds_close(&second);
    bounds_close(&third);
    gbx_engine_release(engine);
}

static void
test_engine(void **state)
{
    (void)state;
    pid_t const child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        engine_is_full();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_function),
            cmocka_unit_test(test_module),
            cmocka_unit_test(test_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
