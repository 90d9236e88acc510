/* The code cache as an embedder has it: what engines take from it, its bound, and that no allocation that
 * fails makes it more than a cache that is not there. */
#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

#include "api/guest.h"
#include "base/alloc.h"
#include "base/mac.h"

static char top[] = "/tmp/gbx-test-XXXXXX";
static char dir[64];
static gbx_bytes modules[3];

/* Functions that are long enough to be worth keeping; they differ by `seed`. */
static gbx_bytes
cache_guest(int seed)
{
    size_t const cap = 400000;
    char *const text = malloc(cap);
    assert_non_null(text);
    size_t len = (size_t)snprintf(text, cap, "(module (memory 1)");
    for (int f = 0; f < 30; f++) {
        len += (size_t)snprintf(text + len, cap - len, "(func $f%d (param i32) (result i32)", f);
        for (int i = 0; i < 80; i++)
            len += (size_t)snprintf(text + len, cap - len,
                                    "(local.set 0 (i32.add (i32.mul (local.get 0) (i32.const %d)) (i32.load "
                                    "offset=%d (i32.and (local.get 0) (i32.const 4095)))))",
                                    (seed * 17 + f * 5 + i) | 1, i);
        if (f) len += (size_t)snprintf(text + len, cap - len, "(call $f%d (local.get 0)))", f - 1);
        else len += (size_t)snprintf(text + len, cap - len, "(local.get 0))");
    }
    len += (size_t)snprintf(text + len, cap - len,
                            "(func (export \"run\") (param i32) (result i32) (call $f29 (local.get 0)))"
                            "(type $t (func (param i32) (result i32))) (table funcref (elem $f28))"
                            "(func (export \"tail\") (param i32) (result i32) (return_call $f29 (local.get 0)))"
                            "(func (export \"indirect\") (param i32) (result i32) (i32.add (i32.const 3) "
                            "(call_indirect (type $t) (local.get 0) (i32.const 0)))))");
    assert_true(len < cap);
    gbx_bytes const b = guest_wat(text);
    free(text);
    return b;
}

static int
setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(top));
    snprintf(dir, sizeof dir, "%s/cache", top);
    for (int i = 0; i < 3; i++) modules[i] = cache_guest(i);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    gbx_cache_info info;
    gbx_err err;
    for (int i = 0; i < 3; i++) free((void *)(uintptr_t)modules[i].data);
    (void)gbx_cache_clear(dir, &info, &err);
    rmdir(dir);
    return rmdir(top);
}

/* Run a module from engine to end. False where memory was short. */
static bool
cache_run(gbx_bytes wasm, uint64_t cap_bytes, const char *where, gbx_cache_use *use, int32_t *result)
{
    gbx_engine *engine = NULL;
    gbx_module *module = NULL;
    gbx_store *store = NULL;
    gbx_linker *linker = NULL;
    gbx_instance *instance = NULL;
    gbx_err err;
    gbx_trap trap = {0};
    gbx_val arg = {.type = GBX_I32, .of.i32 = 41}, out = {0};
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    opts.keep_ms = GBX_KEEP_OFF;
    opts.tier = GBX_TIER_EAGER;
    opts.cache_dir = where;
    opts.cache_bytes = cap_bytes;
    gbx_code code = gbx_engine_new(&opts, &engine, &err);
    if (code == GBX_OK) code = gbx_module_compile(engine, wasm, NULL, &module, &err);
    if (code == GBX_OK) code = gbx_store_new(engine, NULL, &store, &err);
    if (code == GBX_OK) code = gbx_linker_new(store, &linker, &err);
    if (code == GBX_OK) code = gbx_instance_new(store, module, linker, &instance, &trap, &err);
    if (code == GBX_OK) {
        gbx_func *const f = gbx_instance_func(instance, "run");
        if (gbx_func_call(f, &arg, 1, &out, 1, &trap) == GBX_TRAP_NONE) *result = out.of.i32;
        else code = GBX_NO_MEMORY; /* for its stack */
    }
    gbx_module_cache_use(module, use);
    gbx_linker_release(linker);
    gbx_store_release(store);
    gbx_module_release(module);
    gbx_engine_release(engine);
    if (code != GBX_OK) assert_int_equal(code, GBX_NO_MEMORY);
    return code == GBX_OK;
}

/* The path of the only entry. */
static void
cache_find(char *path, size_t cap)
{
    DIR *const d = opendir(dir);
    assert_non_null(d);
    *path = 0;
    for (struct dirent *e; (e = readdir(d));)
        if (strstr(e->d_name, ".gbx")) snprintf(path, cap, "%s/%s", dir, e->d_name);
    closedir(d);
    assert_true(*path);
}

static void
test_cache_hit(void **state)
{
    (void)state;
    gbx_cache_use use;
    gbx_cache_info info;
    gbx_err err;
    int32_t plain = 0, first = 0, second = 0;
    if (!gbx_base_mac_works()) skip();
    assert_int_equal(gbx_cache_inspect(dir, &info, &err), GBX_NOT_FOUND);
    assert_true(cache_run(modules[0], 0, NULL, &use, &plain));
    assert_false(use.is_on || use.is_hit);
    assert_true(cache_run(modules[0], 0, dir, &use, &first));
    assert_true(use.is_on && !use.is_hit && use.taken == 0 && use.compiled == 33 && *use.why);
    assert_true(cache_run(modules[0], 0, dir, &use, &second));
    assert_true(use.is_on && use.is_hit && use.taken == 33 && use.compiled == 0 && !*use.why);
    assert_int_equal(first, plain);
    assert_int_equal(second, plain);
    assert_int_equal(gbx_cache_inspect(dir, &info, &err), GBX_OK);
    assert_true(info.entries == 1 && info.bytes > 1000);
    assert_int_equal(gbx_cache_clear(dir, &info, &err), GBX_OK);
    assert_int_equal(info.entries, 1);
    assert_int_equal(gbx_cache_inspect(dir, &info, &err), GBX_OK);
    assert_int_equal(info.entries, 0);
}

typedef struct cache_caller {
    gbx_module *module;
    gbx_engine *engine;
    const char *name;
    int32_t result;
} cache_caller;

static void *
cache_call(void *data)
{
    cache_caller *const c = data;
    gbx_store *store;
    gbx_linker *linker;
    gbx_instance *instance;
    gbx_err err;
    gbx_trap trap = {0};
    gbx_val arg = {.type = GBX_I32, .of.i32 = 41}, out = {0};
    assert_int_equal(gbx_store_new(c->engine, NULL, &store, &err), GBX_OK);
    assert_int_equal(gbx_linker_new(store, &linker, &err), GBX_OK);
    assert_int_equal(gbx_instance_new(store, c->module, linker, &instance, &trap, &err), GBX_OK);
    gbx_func *const f = gbx_instance_func(instance, c->name);
    assert_int_equal(gbx_func_call(f, &arg, 1, &out, 1, &trap), GBX_TRAP_NONE);
    c->result = out.of.i32;
    gbx_linker_release(linker);
    gbx_store_release(store);
    return NULL;
}

/* An entry says that a module is valid, and has no side tables of functions that were never interpreted: they
 * are made when one is first called, in whatever way, by whichever of several threads. */
static void
test_cache_functions_not_kept(void **state)
{
    (void)state;
    static const char *const names[] = {"run", "tail", "indirect", "tail"};
    int32_t plain[4], ignored;
    gbx_cache_use use;
    gbx_cache_info info;
    gbx_err err;
    if (!gbx_base_mac_works()) skip();
    assert_true(cache_run(modules[0], 0, dir, &use, &ignored)); /* all is compiled first: nothing is interpreted */
    for (int round = 0; round < 21; round++) {
        gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
        opts.keep_ms = GBX_KEEP_OFF;
        cache_caller callers[4];
        pthread_t threads[4];
        gbx_engine *engine;
        gbx_module *module;
        opts.tier = round % 2 ? GBX_TIER_AUTO : GBX_TIER_INTERP;
        opts.cache_dir = round ? dir : NULL;
        assert_int_equal(gbx_engine_new(&opts, &engine, &err), GBX_OK);
        assert_int_equal(gbx_module_compile(engine, modules[0], NULL, &module, &err), GBX_OK);
        gbx_module_cache_use(module, &use);
        assert_int_equal(use.is_hit, round > 0);
        for (int i = 0; i < 4; i++) {
            callers[i] = (cache_caller){.module = module, .engine = engine, .name = names[i]};
            assert_int_equal(pthread_create(&threads[i], NULL, cache_call, &callers[i]), 0);
        }
        for (int i = 0; i < 4; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            if (round == 0) plain[i] = callers[i].result;
            assert_int_equal(callers[i].result, plain[i]);
        }
        gbx_module_release(module);
        gbx_engine_release(engine);
    }
    assert_int_equal(gbx_cache_clear(dir, &info, &err), GBX_OK);
}

/* What has not been used for longest goes. */
static void
test_cache_bound(void **state)
{
    (void)state;
    gbx_cache_use use;
    gbx_cache_info info;
    gbx_err err;
    int32_t result;
    char path[400];
    if (!gbx_base_mac_works()) skip();
    assert_true(cache_run(modules[0], 0, dir, &use, &result));
    assert_int_equal(gbx_cache_inspect(dir, &info, &err), GBX_OK);
    uint64_t const cap = info.bytes * 5 / 2;
    cache_find(path, sizeof path);
    struct timespec const old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_true(cache_run(modules[1], cap, dir, &use, &result));
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    assert_true(cache_run(modules[2], cap, dir, &use, &result));
    assert_int_equal(gbx_cache_inspect(dir, &info, &err), GBX_OK);
    assert_true(info.entries == 2 && info.bytes <= cap);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_true(cache_run(modules[1], cap, dir, &use, &result) && use.is_hit);
    /* One that alone is more than the bound is not written. */
    assert_int_equal(gbx_cache_clear(dir, &info, &err), GBX_OK);
    assert_true(cache_run(modules[0], 100, dir, &use, &result));
    assert_int_equal(gbx_cache_inspect(dir, &info, &err), GBX_OK);
    assert_int_equal(info.entries, 0);
}

/* Many modules in turn, with room for four: never more than that, the last ones are there, and what goes makes
 * nothing wrong, in the second round either. */
static void
test_cache_many(void **state)
{
    (void)state;
    enum { MANY = 20 };
    gbx_bytes many[MANY];
    int32_t plain[MANY];
    gbx_cache_use use;
    gbx_cache_info info;
    gbx_err err;
    if (!gbx_base_mac_works()) skip();
    assert_true(gbx_cache_clear(dir, &info, &err) == GBX_OK);
    for (int i = 0; i < MANY; i++) {
        many[i] = cache_guest(100 + i);
        assert_true(cache_run(many[i], 0, NULL, &use, &plain[i]));
    }
    assert_true(cache_run(many[0], 0, dir, &use, &plain[0]));
    assert_int_equal(gbx_cache_inspect(dir, &info, &err), GBX_OK);
    uint64_t const cap = info.bytes * 9 / 2;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) {
            int32_t result = 0;
            assert_true(cache_run(many[i], cap, dir, &use, &result));
            assert_int_equal(result, plain[i]);
            if (round) assert_false(use.is_hit);
            assert_int_equal(gbx_cache_inspect(dir, &info, &err), GBX_OK);
            assert_true(info.bytes <= cap && info.entries <= 4);
            assert_true(cache_run(many[i], cap, dir, &use, &result) && use.is_hit && use.compiled == 0);
            assert_int_equal(result, plain[i]);
        }
    }
    assert_true(info.entries >= 3);
    for (int i = 0; i < MANY; i++) free((void *)(uintptr_t)many[i].data);
    assert_int_equal(gbx_cache_clear(dir, &info, &err), GBX_OK);
}

/* Its time of use is kept to a day. */
static void
test_cache_use_is_noted(void **state)
{
    (void)state;
    gbx_cache_use use;
    int32_t result;
    char path[400];
    struct stat st;
    if (!gbx_base_mac_works()) skip();
    assert_true(cache_run(modules[0], 0, dir, &use, &result));
    cache_find(path, sizeof path);
    struct timespec const old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    assert_true(cache_run(modules[0], 0, dir, &use, &result) && use.is_hit);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_mtime > time(NULL) - 100);
}

/* Every allocation of a run that fails, with an entry there and without. */
static void
test_cache_short_of_memory(void **state)
{
    (void)state;
    gbx_cache_use use;
    gbx_cache_info info;
    gbx_err err;
    int32_t expected = 0;
    uint64_t fine = 0;
    if (!gbx_base_mac_works()) skip();
    assert_true(cache_run(modules[0], 0, dir, &use, &expected));
    for (int is_cold = 0; is_cold < 2; is_cold++) {
        for (uint64_t n = 1;; n++) {
            int32_t result = expected;
            if (is_cold) assert_int_equal(gbx_cache_clear(dir, &info, &err), GBX_OK);
            gbx_base_fault_arm(n);
            fine += cache_run(modules[0], 0, dir, &use, &result);
            uint64_t const seen = gbx_base_fault_count();
            gbx_base_fault_arm(0);
            assert_int_equal(result, expected);
            if (seen < n) break;
        }
        assert_true(cache_run(modules[0], 0, dir, &use, &expected));
        assert_true(cache_run(modules[0], 0, dir, &use, &expected) && use.is_hit && use.compiled == 0);
    }
    assert_true(fine > 10);
}

static void
test_cache_arguments(void **state)
{
    (void)state;
    gbx_cache_info info;
    gbx_cache_use use = {.is_on = true};
    gbx_err err;
    assert_int_equal(gbx_cache_inspect(NULL, &info, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_cache_inspect(dir, NULL, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_cache_clear(NULL, &info, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_cache_clear("/dev/null", &info, &err), GBX_IO);
    gbx_module_cache_use(NULL, &use);
    assert_false(use.is_on);
    gbx_module_cache_use(NULL, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cache_hit),
        cmocka_unit_test(test_cache_functions_not_kept),
        cmocka_unit_test(test_cache_bound),
        cmocka_unit_test(test_cache_many),
        cmocka_unit_test(test_cache_use_is_noted),
        cmocka_unit_test(test_cache_short_of_memory),
        cmocka_unit_test(test_cache_arguments),
    };
    return cmocka_run_group_tests_name("cache", tests, setup, teardown);
}
