/* Compiled files as an embedder has them: made into memory and opened from there, whose code is taken, and what
 * allocations that fail make of both. */
#include <sys/stat.h>

#include "api/guest.h"
#include "base/alloc.h"
#include "base/mac.h"

static char top[] = "/tmp/gbx-test-XXXXXX";
static char dirs[2][64];
static gbx_bytes module;

typedef struct made {
    uint8_t *data;
    size_t len, cap;
    uint32_t writes_left;
} made;

static int
setup(void **state)
{
    (void)state;
    static const char text[] =
            "(module (memory 1) (table 2 funcref) (elem (i32.const 0) $a $b)"
            " (type $t (func (param i32) (result i32)))"
            " (func $a (param i32) (result i32) (i32.add (local.get 0) (i32.load (i32.const 16))))"
            " (func $b (param i32) (result i32) (call $a (i32.mul (local.get 0) (i32.const 3))))"
            " (func $v (export \"v\") (result i32) (i32x4.extract_lane 1 (v128.const i32x4 1 2 3 4)))"
            " (func (export \"run\") (param i32) (result i32)"
            "  (i32.add (call $b (local.get 0)) (call_indirect (type $t) (local.get 0) (i32.const 1)))))";
    assert_non_null(mkdtemp(top));
    for (int i = 0; i < 2; i++) snprintf(dirs[i], sizeof dirs[i], "%s/%d", top, i);
    module = guest_wat(text);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    gbx_cache_info info;
    gbx_err err;
    free((void *)(uintptr_t)module.data);
    for (int i = 0; i < 2; i++) {
        (void)gbx_cache_clear(dirs[i], &info, &err);
        rmdir(dirs[i]);
    }
    return rmdir(top);
}

static bool
take(void *data, const void *bytes, size_t len)
{
    made *const m = data;
    if (!m->writes_left--) return false;
    assert_true(len > 0);
    if (m->len + len > m->cap) {
        m->cap = (m->len + len) * 2;
        m->data = realloc(m->data, m->cap);
        assert_non_null(m->data);
    }
    memcpy(m->data + m->len, bytes, len);
    m->len += len;
    return true;
}

static gbx_code
make(const char *dir, gbx_bytes wasm, gbx_tier_mode tier, const gbx_precompile_opts *opts, uint32_t writes,
     made *out, gbx_err *err)
{
    gbx_engine *engine = NULL;
    gbx_engine_opts engine_opts = GBX_ENGINE_OPTS_INIT;
    engine_opts.cache_dir = dir;
    engine_opts.tier = tier;
    *out = (made){.writes_left = writes};
    gbx_code code = gbx_engine_new(&engine_opts, &engine, err);
    if (code == GBX_OK) code = gbx_precompile(engine, wasm, opts, take, out, err);
    gbx_engine_release(engine);
    return code;
}

static gbx_bytes
bytes_of(const made *m)
{
    return (gbx_bytes){m->data, m->len};
}

/* Open and call `run`. */
static gbx_code
run(const char *dir, gbx_bytes wasm, gbx_trust trust, gbx_cache_use *use, int32_t *result)
{
    gbx_engine *engine = NULL;
    gbx_module *m = NULL;
    gbx_store *store = NULL;
    gbx_linker *linker = NULL;
    gbx_instance *instance = NULL;
    gbx_err err;
    gbx_trap trap = {0};
    gbx_val arg = {.type = GBX_I32, .of.i32 = 7}, out = {0};
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    opts.keep_ms = GBX_KEEP_OFF;
    gbx_compile_opts compile_opts = GBX_COMPILE_OPTS_INIT;
    opts.tier = GBX_TIER_EAGER;
    opts.cache_dir = dir;
    compile_opts.trust = trust;
    gbx_code code = gbx_engine_new(&opts, &engine, &err);
    if (code == GBX_OK) code = gbx_module_compile(engine, wasm, &compile_opts, &m, &err);
    if (code == GBX_OK) code = gbx_store_new(engine, NULL, &store, &err);
    if (code == GBX_OK) code = gbx_linker_new(store, &linker, &err);
    if (code == GBX_OK) code = gbx_instance_new(store, m, linker, &instance, &trap, &err);
    if (code == GBX_OK) {
        gbx_func *const f = gbx_instance_func(instance, "run");
        if (gbx_func_call(f, &arg, 1, &out, 1, &trap) == GBX_TRAP_NONE) *result = out.of.i32;
        else code = GBX_NO_MEMORY; /* for its stack */
    }
    gbx_module_cache_use(m, use);
    gbx_linker_release(linker);
    gbx_store_release(store);
    gbx_module_release(m);
    gbx_engine_release(engine);
    return code;
}

static void
progress(void *data, uint32_t done, uint32_t all)
{
    uint32_t *const last = data;
    assert_true(done >= *last && done <= all && all == 4);
    *last = done;
}

static void
test_precompile_whose_code(void **state)
{
    (void)state;
    gbx_cache_use use;
    gbx_err err;
    made m;
    int32_t result = 0;
    uint32_t last = 0;
    gbx_precompile_info info;
    gbx_precompile_opts opts = GBX_PRECOMPILE_OPTS_INIT;
    if (!gbx_base_mac_works()) skip();
    opts.progress = progress;
    opts.progress_data = &last;
    opts.info = &info;
    assert_int_equal(make(dirs[0], module, GBX_TIER_AUTO, &opts, UINT32_MAX, &m, &err), GBX_OK);
    assert_int_equal(last, 4);
    assert_true(info.funcs == 4 && info.compiled == 3 && info.has_key && info.bytes == m.len);
    gbx_bytes const file = bytes_of(&m);

    assert_int_equal(run(NULL, module, GBX_TRUST_KEY, &use, &result), GBX_OK);
    assert_null(use.compiled_file);
    int32_t const expected = result;
    static const struct {
        int dir; /* 2: none */
        gbx_trust trust;
        gbx_code code;
        bool is_used;
    } rows[] = {
            {0, GBX_TRUST_KEY, GBX_OK, true},          {1, GBX_TRUST_KEY, GBX_UNTRUSTED, false},
            {2, GBX_TRUST_KEY, GBX_UNTRUSTED, false},  {0, GBX_TRUST_ANYBODY, GBX_OK, true},
            {1, GBX_TRUST_ANYBODY, GBX_OK, true},      {2, GBX_TRUST_ANYBODY, GBX_OK, true},
            {0, GBX_TRUST_NOTHING, GBX_OK, false},     {2, GBX_TRUST_NOTHING, GBX_OK, false},
            {0, GBX_TRUST_NOTHING + 1, GBX_ARGUMENT, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const dir = rows[i].dir < 2 ? dirs[rows[i].dir] : NULL;
        result = expected;
        assert_int_equal(run(dir, file, rows[i].trust, &use, &result), rows[i].code);
        if (rows[i].code != GBX_OK) continue;
        assert_int_equal(result, expected);
        assert_non_null(use.compiled_file);
        assert_int_equal(use.from_file, rows[i].is_used);
        assert_int_equal(!*use.compiled_file, rows[i].is_used);
        assert_int_equal(use.taken, rows[i].is_used ? 3 : 0);
        assert_int_equal(use.compiled, rows[i].is_used ? 0 : 3);
    }
    free(m.data);
}

/* A compiled file is compiled like its module; the key alone is another. */
static void
test_precompile_again(void **state)
{
    (void)state;
    gbx_err err;
    made a, b, c;
    if (!gbx_base_mac_works()) skip();
    assert_int_equal(make(dirs[0], module, GBX_TIER_AUTO, NULL, UINT32_MAX, &a, &err), GBX_OK);
    assert_int_equal(make(dirs[0], bytes_of(&a), GBX_TIER_AUTO, NULL, UINT32_MAX, &b, &err), GBX_OK);
    assert_int_equal(make(dirs[1], bytes_of(&a), GBX_TIER_EAGER, NULL, UINT32_MAX, &c, &err), GBX_OK);
    assert_true(a.len == b.len && !memcmp(a.data, b.data, a.len));
    assert_true(a.len == c.len && memcmp(a.data, c.data, a.len) != 0);
    assert_true(!memcmp(a.data + 200, c.data + 200, a.len - 200));
    free(a.data);
    free(b.data);
    free(c.data);
}

/* Every byte of it, one at a time: refused, or the right result. */
static void
test_precompile_damage(void **state)
{
    (void)state;
    gbx_cache_use use;
    gbx_err err;
    made m;
    int32_t expected = 0;
    size_t refused = 0, ran = 0;
    if (!gbx_base_mac_works()) skip();
    assert_int_equal(make(dirs[0], module, GBX_TIER_AUTO, NULL, UINT32_MAX, &m, &err), GBX_OK);
    assert_int_equal(run(NULL, module, GBX_TRUST_KEY, &use, &expected), GBX_OK);
    for (size_t i = 0; i < m.len; i++) {
        bool const is_mine = i % 2;
        int32_t result = expected;
        m.data[i] ^= (uint8_t)(1u << i % 8);
        gbx_code const code =
                run(dirs[!is_mine], bytes_of(&m), is_mine ? GBX_TRUST_KEY : GBX_TRUST_ANYBODY, &use, &result);
        m.data[i] ^= (uint8_t)(1u << i % 8);
        assert_int_equal(result, expected);
        if (i < 200 + module.len) assert_true(code == GBX_MALFORMED || code == GBX_BAD_MAGIC);
        else assert_true(code == GBX_OK && *use.compiled_file);
        refused += code != GBX_OK;
        ran += code == GBX_OK;
    }
    assert_true(refused == 200 + module.len && ran > 300);
    for (size_t len = 0; len < m.len; len += 13) {
        int32_t result;
        gbx_code const code = run(dirs[0], (gbx_bytes){m.data, len}, GBX_TRUST_ANYBODY, &use, &result);
        assert_true(code == GBX_TRUNCATED || (len < 8 && code == GBX_BAD_MAGIC));
    }
    free(m.data);
}

static void
test_precompile_short_of_memory(void **state)
{
    (void)state;
    gbx_cache_use use;
    gbx_err err;
    made whole, m;
    int32_t expected = 0;
    if (!gbx_base_mac_works()) skip();
    assert_int_equal(make(dirs[0], module, GBX_TIER_AUTO, NULL, UINT32_MAX, &whole, &err), GBX_OK);
    assert_int_equal(run(dirs[0], bytes_of(&whole), GBX_TRUST_KEY, &use, &expected), GBX_OK);
    for (uint64_t n = 1;; n++) { /* all of a file, or none */
        gbx_base_fault_arm(n);
        gbx_code const code = make(dirs[0], module, GBX_TIER_AUTO, NULL, UINT32_MAX, &m, &err);
        uint64_t const seen = gbx_base_fault_count();
        gbx_base_fault_arm(0);
        if (code == GBX_OK) {
            int32_t result = 0;
            assert_int_equal(run(dirs[0], bytes_of(&m), GBX_TRUST_ANYBODY, &use, &result), GBX_OK);
            assert_int_equal(result, expected);
            assert_true(use.from_file && use.is_hit);
        } else assert_true(code == GBX_NO_MEMORY || code == GBX_STATE);
        free(m.data);
        if (seen < n) break;
    }
    for (uint64_t n = 1;; n++) {
        int32_t result = expected;
        gbx_base_fault_arm(n);
        gbx_code const code = run(dirs[0], bytes_of(&whole), GBX_TRUST_KEY, &use, &result);
        uint64_t const seen = gbx_base_fault_count();
        gbx_base_fault_arm(0);
        assert_true(code == GBX_OK || code == GBX_NO_MEMORY);
        assert_int_equal(result, expected);
        if (seen < n) break;
    }
    free(whole.data);
}

static void
test_precompile_arguments(void **state)
{
    (void)state;
    gbx_err err;
    made m;
    gbx_engine *engine = NULL;
    if (!gbx_base_mac_works()) skip();
    assert_int_equal(gbx_engine_new(NULL, &engine, &err), GBX_OK);
    assert_int_equal(gbx_precompile(NULL, module, NULL, take, &m, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_precompile(engine, module, NULL, NULL, &m, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_precompile(engine, (gbx_bytes){NULL, 4}, NULL, take, &m, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_precompile_file(engine, NULL, "x", NULL, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_precompile_file(engine, "x", NULL, NULL, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_precompile_file(engine, "/does/not/exist", "x", NULL, &err), GBX_NOT_FOUND);
    gbx_engine_release(engine);
    gbx_bytes const none = {(const uint8_t *)"", 0}, other = {(const uint8_t *)"ship", 4};
    assert_int_equal(make(NULL, none, GBX_TIER_AUTO, NULL, 9, &m, &err), GBX_TRUNCATED);
    assert_int_equal(make(NULL, other, GBX_TIER_AUTO, NULL, 9, &m, &err), GBX_BAD_MAGIC);
    assert_int_equal(make(NULL, module, GBX_TIER_INTERP, NULL, 9, &m, &err), GBX_STATE);
    for (uint32_t writes = 0; writes < 4; writes++) {
        assert_int_equal(make(NULL, module, GBX_TIER_AUTO, NULL, writes, &m, &err), GBX_IO);
        free(m.data);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_precompile_whose_code),
            cmocka_unit_test(test_precompile_again),
            cmocka_unit_test(test_precompile_damage),
            cmocka_unit_test(test_precompile_short_of_memory),
            cmocka_unit_test(test_precompile_arguments),
    };
    return cmocka_run_group_tests_name("precompile", tests, setup, teardown);
}
