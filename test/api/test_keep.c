/* Modules by their content, and what outlives its last release: the same module for the same bytes, in one
 * engine and in the next; that it is given back in time; and that nothing of it crosses to where it may not. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "api/guest.h"
#include "base/alloc.h"
#include "base/mac.h"

#define THREADS 8

static gbx_bytes plain, other;

static const char text[] = "(module (memory (export \"m\") 2) (global $g (export \"g\") (mut i32) (i32.const 7))"
                           "(func (export \"f\") (param i32) (result i32)"
                           "  (global.set $g (i32.add (global.get $g) (i32.const 1)))"
                           "  (i32.add (local.get 0) (i32.const %d))))";

static gbx_bytes
keep_guest(int adds)
{
    char buf[1000];
    snprintf(buf, sizeof buf, text, adds);
    return guest_wat(buf);
}

static int
setup(void **state)
{
    (void)state;
    plain = keep_guest(1);
    other = keep_guest(2);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    free((void *)(uintptr_t)plain.data);
    free((void *)(uintptr_t)other.data);
    return 0;
}

static gbx_kept
kept_now(void)
{
    gbx_kept k = GBX_KEPT_INIT;
    gbx_kept_get(&k);
    return k;
}

static gbx_engine *
engine_of(uint32_t keep_ms, gbx_tier_mode tier)
{
    gbx_engine *e;
    gbx_err err;
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    opts.keep_ms = keep_ms;
    opts.tier = tier;
    if (gbx_engine_new(&opts, &e, &err)) fail_msg("%s", err.text);
    return e;
}

static gbx_module *
compile(gbx_engine *e, gbx_bytes wasm)
{
    gbx_module *m;
    gbx_err err;
    if (gbx_module_compile(e, wasm, NULL, &m, &err)) fail_msg("%s", err.text);
    return m;
}

/* f(40) of a new instance, and that its global is as new. */
static int32_t
answer(gbx_engine *e, const gbx_module *m)
{
    gbx_store *store;
    gbx_instance *i;
    gbx_val v = guest_i32(40), g;
    assert_int_equal(gbx_store_new(e, NULL, &store, NULL), GBX_OK);
    assert_int_equal(gbx_instance_new(store, m, NULL, &i, NULL, NULL), GBX_OK);
    assert_true(gbx_instance_global(i, "g", &g));
    assert_int_equal(g.of.i32, 7);
    assert_int_equal(gbx_func_call(gbx_instance_func(i, "f"), &v, 1, &v, 1, NULL), GBX_TRAP_NONE);
    gbx_store_release(store);
    return v.of.i32;
}

static void
wait_ms(long ms)
{
    struct timespec const t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* The same bytes are the same module, from wherever they come; others are not. */
static void
test_same_bytes(void **state)
{
    (void)state;
    char path[] = "/tmp/gbx-test-XXXXXX";
    int const fd = mkstemp(path);
    assert_int_equal(write(fd, plain.data, plain.len), plain.len);
    close(fd);
    gbx_shutdown();
    gbx_kept const before = kept_now();
    gbx_engine *const e = engine_of(0, GBX_TIER_AUTO);
    gbx_module *const a = compile(e, plain), *const b = compile(e, plain), *const c = compile(e, other);
    gbx_module *from_file;
    assert_int_equal(gbx_module_compile_file(e, path, NULL, &from_file, NULL), GBX_OK);
    assert_ptr_equal(a, b);
    assert_ptr_equal(a, from_file);
    assert_ptr_not_equal(a, c);
    assert_int_equal(kept_now().modules_shared, before.modules_shared + 2);
    gbx_module_release(a);
    gbx_module_release(from_file);
    assert_int_equal(answer(e, b), 41); /* two references are gone, this one is not */
    assert_int_equal(answer(e, c), 42);
    assert_int_equal(kept_now().modules, 0);
    gbx_module_release(b);
    assert_int_equal(kept_now().modules, 1);
    assert_true(kept_now().bytes >= plain.len);
    gbx_module *const again = compile(e, plain);
    assert_int_equal(kept_now().modules, 0);
    assert_int_equal(kept_now().modules_reused, before.modules_reused + 1);
    assert_int_equal(answer(e, again), 41);
    gbx_module_release(again);
    gbx_module_release(c);
    gbx_engine_release(e);
    unlink(path);
    gbx_shutdown();
    assert_int_equal(kept_now().engines + kept_now().modules + kept_now().bytes, 0);
}

/* Bytes that are no module leave nothing behind, and everybody who tries is told so. */
static void
test_bad_bytes(void **state)
{
    (void)state;
    gbx_engine *const e = engine_of(0, GBX_TIER_AUTO);
    uint8_t *const bad = malloc(plain.len);
    memcpy(bad, plain.data, plain.len);
    bad[plain.len - 1] ^= 0xff;
    gbx_err first = {0}, second = {0};
    gbx_module *m;
    gbx_code const code = gbx_module_compile(e, (gbx_bytes){bad, plain.len - 3}, NULL, &m, &first);
    assert_int_not_equal(code, GBX_OK);
    assert_int_equal(gbx_module_compile(e, (gbx_bytes){bad, plain.len - 3}, NULL, &m, &second), code);
    assert_string_equal(first.text, second.text);
    assert_null(m);
    free(bad);
    gbx_engine_release(e);
    gbx_shutdown();
    assert_int_equal(kept_now().engines, 0);
}

/* An engine for each request: one compilation. */
static void
test_engine_per_request(void **state)
{
    (void)state;
    gbx_shutdown();
    gbx_kept const before = kept_now();
    for (int round = 0; round < 20; round++) {
        gbx_engine *const e = engine_of(0, GBX_TIER_EAGER);
        gbx_module *const m = compile(e, plain);
        assert_int_equal(answer(e, m), 41);
        gbx_module_release(m);
        gbx_engine_release(e);
    }
    gbx_kept const after = kept_now();
    assert_int_equal(after.engines_reused - before.engines_reused, 19);
    assert_int_equal(after.modules_reused - before.modules_reused, 19);
    assert_int_equal(after.engines, 1);
    gbx_shutdown();
}

static void
hint_is(const char *wanted, const char *compiled)
{
    char *hint;
    assert_int_equal(gbx_kept_hint(&hint, NULL), GBX_OK);
    if (!wanted) {
        if (hint) fail_msg("%s", hint);
        return;
    }
    assert_non_null(hint);
    if (!strstr(hint, wanted) || !strstr(hint, compiled)) fail_msg("%s", hint);
    assert_non_null(strstr(hint, "note[compiled-again]: "));
    assert_non_null(strstr(hint, "\n  fix: call gbx_engine_new and gbx_module_compile once and keep both; for each "
                                 "request gbx_store_new and gbx_instance_new"));
    gbx_text_free(hint);
}

/* Who compiles for each request is told so, whether keeping spared the work or not; who does what the hint
 * says is not, nor who has many modules, or one in some engines. */
static void
test_hint(void **state)
{
    (void)state;
    gbx_shutdown();
    for (int round = 0; round < 17; round++) {
        hint_is(NULL, NULL);
        gbx_engine *const e = engine_of(0, GBX_TIER_AUTO);
        gbx_module *const m = compile(e, plain);
        gbx_module_release(m);
        gbx_engine_release(e);
    }
    hint_is("asked 17 times for the same module", "compiled 1 times");
    gbx_shutdown();
    hint_is(NULL, NULL);
    uint64_t const before = kept_now().modules_compiled_again;
    for (int round = 0; round < 20; round++) {
        gbx_engine *const e = engine_of(1, GBX_TIER_AUTO);
        gbx_module_release(compile(e, plain));
        wait_ms(3);
        gbx_engine_release(e);
        wait_ms(3);
        gbx_trim();
    }
    assert_int_equal(kept_now().modules_compiled_again, before + 19);
    hint_is("asked 20 times for the same module", "compiled 20 times");

    /* What the hint says. */
    gbx_shutdown();
    gbx_engine *const e = engine_of(0, GBX_TIER_AUTO);
    gbx_module *const m = compile(e, plain);
    for (int request = 0; request < 40; request++) assert_int_equal(answer(e, m), 41);
    hint_is(NULL, NULL);

    for (int n = 0; n < 200; n++) {
        gbx_bytes const one = keep_guest(1000 + n);
        for (int round = 0; round < 2; round++) gbx_module_release(compile(e, one));
        free((void *)(uintptr_t)one.data);
    }
    hint_is(NULL, NULL);
    gbx_module_release(m);
    gbx_engine_release(e);
    assert_int_equal(gbx_kept_hint(NULL, NULL), GBX_ARGUMENT);
    gbx_shutdown();
}

/* Engines are equal when all their options are, and those alive at once are never the same. */
static void
test_other_options(void **state)
{
    (void)state;
    gbx_shutdown();
    gbx_engine *const first = engine_of(0, GBX_TIER_INTERP), *const second = engine_of(0, GBX_TIER_INTERP);
    assert_ptr_not_equal(first, second);
    gbx_module *const a = compile(first, plain), *const b = compile(second, plain);
    assert_ptr_not_equal(a, b);
    gbx_store *store;
    gbx_instance *i;
    assert_int_equal(gbx_store_new(first, NULL, &store, NULL), GBX_OK);
    assert_int_equal(gbx_instance_new(store, b, NULL, &i, NULL, NULL), GBX_ARGUMENT);
    gbx_store_release(store);
    gbx_module_release(a);
    gbx_module_release(b);
    gbx_engine_release(first);
    gbx_engine_release(second);
    assert_int_equal(kept_now().engines, 2);

    uint64_t const reused = kept_now().engines_reused;
    gbx_engine_opts differ[4];
    for (size_t k = 0; k < 4; k++) differ[k] = (gbx_engine_opts){.size = sizeof *differ, .tier = GBX_TIER_INTERP};
    differ[0].features_off = GBX_FEATURE_BIT(GBX_FEATURE_SIMD);
    differ[1].canonical_nans = 1;
    differ[2].tier = GBX_TIER_AUTO;
    differ[3].pool_instances = 3;
    for (size_t k = 0; k < 4; k++) {
        gbx_engine *e;
        assert_int_equal(gbx_engine_new(&differ[k], &e, NULL), GBX_OK);
        assert_true(e != first && e != second);
        gbx_engine_release(e);
    }
    gbx_engine *const off = engine_of(GBX_KEEP_OFF, GBX_TIER_INTERP);
    assert_int_equal(kept_now().engines_reused, reused);
    gbx_module *const own = compile(off, plain), *const own_too = compile(off, plain);
    assert_ptr_not_equal(own, own_too);
    gbx_module_release(own);
    gbx_module_release(own_too);
    gbx_engine_release(off);
    assert_int_equal(kept_now().engines, 6);
    gbx_shutdown();
}

/* At most 16 engines: those that were idle longest go. */
static void
test_many_engines(void **state)
{
    (void)state;
    gbx_engine *all[30];
    gbx_shutdown();
    uint64_t const dropped = kept_now().engines_dropped;
    for (int k = 0; k < 30; k++) all[k] = engine_of(0, GBX_TIER_INTERP);
    for (int k = 0; k < 30; k++) gbx_engine_release(all[k]);
    assert_int_equal(kept_now().engines, 16);
    assert_int_equal(kept_now().engines_dropped - dropped, 14);
    gbx_shutdown();
}

/* And at most 64 modules of one. */
static void
test_many_modules(void **state)
{
    (void)state;
    uint8_t bytes[8 + 5] = {0, 'a', 's', 'm', 1, 0, 0, 0, 0, 3, 1, 'x', 0}; /* a custom section */
    gbx_shutdown();
    gbx_engine *const e = engine_of(0, GBX_TIER_INTERP);
    gbx_module *newest = NULL;
    for (int k = 0; k < 100; k++) {
        bytes[12] = (uint8_t)k;
        newest = compile(e, (gbx_bytes){bytes, sizeof bytes});
        gbx_module_release(newest);
    }
    assert_int_equal(kept_now().modules, 64);
    gbx_module *const again = compile(e, (gbx_bytes){bytes, sizeof bytes});
    assert_ptr_equal(again, newest);
    gbx_module_release(again);
    gbx_engine_release(e);
    gbx_shutdown();
}

/* Mappings of this process of more than a page, in bytes. */
static size_t
mapped_bytes(void)
{
    FILE *const f = fopen("/proc/self/statm", "r");
    size_t pages = 0;
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%zu", &pages), 1);
    fclose(f);
    return pages * 4096;
}

/* When its time has passed, the next operation or gbx_trim frees what is kept, and not before. */
static void
test_expires(void **state)
{
    (void)state;
    gbx_shutdown();
    gbx_engine *const own = engine_of(GBX_KEEP_OFF, GBX_TIER_INTERP); /* whatever is made once a process is */
    gbx_module *const once = compile(own, plain);
    assert_int_equal(answer(own, once), 41);
    gbx_module_release(once);
    size_t const before = mapped_bytes();
    gbx_engine *e = engine_of(3600 * 1000, GBX_TIER_EAGER);
    gbx_module *m = compile(e, plain);
    assert_int_equal(answer(e, m), 41);
    assert_int_equal(answer(e, m), 41); /* one with an image, which stays in the pool */
    gbx_module_release(m);
    gbx_engine_release(e);
    gbx_trim();
    assert_int_equal(kept_now().engines, 1); /* an hour has not passed */
    assert_true(mapped_bytes() > before + ((size_t)1 << 30)); /* an idle instance, its guards and all */
    gbx_shutdown();
    assert_int_equal(kept_now().engines, 0);
    assert_true(mapped_bytes() < before + ((size_t)64 << 20));

    e = engine_of(1, GBX_TIER_EAGER); /* a millisecond passes */
    m = compile(e, plain);
    assert_int_equal(answer(e, m), 41);
    assert_int_equal(answer(e, m), 41);
    gbx_module_release(m);
    gbx_engine_release(e);
    wait_ms(3);
    gbx_trim();
    assert_int_equal(kept_now().engines + kept_now().modules + kept_now().bytes, 0);
    assert_true(mapped_bytes() < before + ((size_t)64 << 20));

    e = engine_of(1, GBX_TIER_EAGER); /* modules of an engine that is alive */
    gbx_module_release(compile(e, plain));
    wait_ms(3);
    uint64_t const dropped = kept_now().modules_dropped;
    m = compile(e, other); /* the next operation */
    assert_int_equal(kept_now().modules, 0);
    assert_int_equal(kept_now().modules_dropped, dropped + 1);
    gbx_module_release(m);
    gbx_engine_release(e);
    gbx_engine_release(own);
    gbx_shutdown();
}

typedef struct racer {
    pthread_t thread;
    pthread_barrier_t *start;
    gbx_engine *engine; /* NULL: one of its own each time */
    gbx_module *got;
    _Atomic bool ok;
} racer;

static void *
race(void *data)
{
    racer *const r = data;
    (void)pthread_barrier_wait(r->start);
    if (r->engine) {
        r->got = compile(r->engine, plain);
        r->ok = answer(r->engine, r->got) == 41;
        return NULL;
    }
    r->ok = true;
    for (int round = 0; r->ok && round < 30; round++) {
        gbx_engine *const e = engine_of(0, round % 3 ? GBX_TIER_AUTO : GBX_TIER_EAGER);
        gbx_module *const m = compile(e, round % 2 ? plain : other);
        r->ok = answer(e, m) == 42 - round % 2;
        gbx_module_release(m);
        if (round % 7 == 0) gbx_trim();
        gbx_engine_release(e);
    }
    return NULL;
}

static void
race_all(racer racers[THREADS], gbx_engine *e)
{
    pthread_barrier_t start;
    assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
    for (int k = 0; k < THREADS; k++) {
        racers[k] = (racer){.start = &start, .engine = e};
        assert_int_equal(pthread_create(&racers[k].thread, NULL, race, &racers[k]), 0);
    }
    for (int k = 0; k < THREADS; k++) {
        assert_int_equal(pthread_join(racers[k].thread, NULL), 0);
        assert_true(racers[k].ok);
    }
    pthread_barrier_destroy(&start);
}

/* Threads that compile the same bytes at once end with one module, and one compilation. */
static void
test_threads(void **state)
{
    (void)state;
    racer racers[THREADS];
    gbx_shutdown();
    gbx_engine *const e = engine_of(0, GBX_TIER_AUTO);
    for (int round = 0; round < 20; round++) {
        gbx_kept const before = kept_now();
        race_all(racers, e);
        for (int k = 1; k < THREADS; k++) assert_ptr_equal(racers[k].got, racers[0].got);
        uint64_t const spared = kept_now().modules_shared - before.modules_shared;
        assert_int_equal(spared, THREADS - 1);
        for (int k = 0; k < THREADS; k++) gbx_module_release(racers[k].got);
        assert_int_equal(kept_now().modules, 1);
        gbx_shutdown();
        assert_int_equal(kept_now().modules, 0);
    }
    gbx_engine_release(e);
    race_all(racers, NULL);
    gbx_kept const after = kept_now();
    assert_true(after.engines_reused > 0);
    assert_true(after.engines <= 16);
    gbx_shutdown();
    assert_int_equal(kept_now().engines + kept_now().modules, 0);
}

/* A child makes engines of its own: the parent's threads and code are not its. */
static void
test_fork(void **state)
{
    (void)state;
    gbx_shutdown();
    gbx_engine *const e = engine_of(0, GBX_TIER_EAGER);
    gbx_module *const m = compile(e, plain);
    assert_int_equal(answer(e, m), 41);
    gbx_module_release(m);
    gbx_engine_release(e);
    assert_int_equal(kept_now().engines, 1);
    pid_t const pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        gbx_engine *const mine = engine_of(0, GBX_TIER_EAGER);
        bool ok = mine != e && kept_now().engines == 0;
        gbx_module *const own = compile(mine, plain);
        ok = ok && answer(mine, own) == 41;
        gbx_module_release(own);
        gbx_engine_release(mine);
        ok = ok && kept_now().engines == 1;
        gbx_shutdown();
        _exit(ok && kept_now().engines == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    gbx_engine *const again = engine_of(0, GBX_TIER_EAGER);
    assert_ptr_equal(again, e);
    gbx_engine_release(again);
    gbx_shutdown();
}

/* Memory that is short when something is to be kept makes nothing fail that would not have failed. */
static void
test_faults(void **state)
{
    (void)state;
    gbx_engine *const e = engine_of(0, GBX_TIER_INTERP);
    bool covered = false;
    for (uint64_t n = 1; !covered; n++) {
        gbx_module *a = NULL, *b = NULL;
        gbx_shutdown();
        gbx_base_fault_arm(n);
        gbx_code const first = gbx_module_compile(e, plain, NULL, &a, NULL);
        gbx_code const second = gbx_module_compile(e, plain, NULL, &b, NULL);
        covered = gbx_base_fault_count() < n;
        gbx_base_fault_arm(0);
        assert_true(first == GBX_OK || first == GBX_NO_MEMORY);
        assert_true(second == GBX_OK || second == GBX_NO_MEMORY);
        assert_true(first == GBX_OK || second == GBX_OK);
        if (a) assert_int_equal(answer(e, a), 41);
        if (b) assert_int_equal(answer(e, b), 41);
        if (covered) assert_ptr_equal(a, b);
        gbx_module_release(a);
        gbx_module_release(b);
    }
    gbx_engine_release(e);
    gbx_shutdown();
}

/* An engine with a code cache is kept for whoever has that cache, which its key tells. */
static void
test_cache(void **state)
{
    (void)state;
    char top[] = "/tmp/gbx-test-XXXXXX", dir[64];
    assert_non_null(mkdtemp(top));
    snprintf(dir, sizeof dir, "%s/cache", top);
    gbx_shutdown();
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    opts.cache_dir = dir;
    gbx_engine *e, *next;
    gbx_err err;
    gbx_cache_info info;
    assert_int_equal(gbx_engine_new(&opts, &e, &err), GBX_OK);
    gbx_module_release(compile(e, plain));
    gbx_engine_release(e);
    char moved[80];
    snprintf(moved, sizeof moved, "%s/./cache", top); /* another name of the same directory */
    opts.cache_dir = moved;
    assert_int_equal(gbx_engine_new(&opts, &next, &err), GBX_OK);
    assert_ptr_equal(next, e);
    gbx_engine_release(next);
    assert_int_equal(gbx_cache_clear(dir, &info, &err), GBX_OK); /* with its key */
    assert_int_equal(gbx_engine_new(&opts, &next, &err), GBX_OK);
    assert_ptr_not_equal(next, e);
    gbx_engine_release(next);
    gbx_shutdown();
    assert_int_equal(gbx_cache_clear(dir, &info, &err), GBX_OK);
    rmdir(dir);
    rmdir(top);
}

/* Versions of the struct, and arguments that are missing. */
static void
test_arguments(void **state)
{
    (void)state;
    struct {
        gbx_kept k;
        uint64_t behind;
    } room;
    memset(&room, 0x5a, sizeof room);
    room.k.size = offsetof(gbx_kept, modules);
    gbx_kept_get(&room.k);
    assert_int_equal(room.k.size, offsetof(gbx_kept, modules));
    assert_int_equal(room.k.engines, 0);
    assert_int_equal(room.k.modules, 0x5a5a5a5a5a5a5a5a);
    room.k.size = 3;
    gbx_kept_get(&room.k);
    assert_int_equal(room.behind, 0x5a5a5a5a5a5a5a5a);
    gbx_kept_get(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_same_bytes),   cmocka_unit_test(test_bad_bytes),
            cmocka_unit_test(test_engine_per_request), cmocka_unit_test(test_other_options),
            cmocka_unit_test(test_many_engines), cmocka_unit_test(test_many_modules),
            cmocka_unit_test(test_expires),      cmocka_unit_test(test_threads),
            cmocka_unit_test(test_fork),         cmocka_unit_test(test_faults),
            cmocka_unit_test(test_cache),        cmocka_unit_test(test_arguments),
            cmocka_unit_test(test_hint),
    };
    if (!gbx_base_mac_works()) return 0; /* nothing is shared */
    return cmocka_run_group_tests_name("keep", tests, setup, teardown);
}
