/* What is noted of guests by entry probes belongs to the store whose guest did it, where the engine watches all
 * calls: stores of one module do not mix, whichever ran first, in every tier. What is noted of the module is
 * what any of them did. */
#include <gbx/unstable/probes.h>
#include <gbx/unstable/tiers.h>

#include "api/guest.h"

static gbx_bytes wasm;

static int
setup(void **state)
{
    (void)state;
    wasm = guest_go("go/probes.go");
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    free((void *)(uintptr_t)wasm.data);
    return 0;
}

/* A store whose guest did what the words say; NULL ends them. */
static gbx_store *
run(gbx_engine *e, const gbx_module *m, const char *const words[])
{
    gbx_store *store;
    gbx_linker *linker;
    gbx_wasi *wasi;
    gbx_instance *instance;
    gbx_trap trap;
    const char *args[8] = {"probes"};
    size_t count = 1;
    for (; words[count - 1]; count++) args[count] = words[count - 1];
    assert_int_equal(gbx_store_new(e, NULL, &store, NULL), GBX_OK);
    assert_int_equal(gbx_linker_new(store, &linker, NULL), GBX_OK);
    assert_int_equal(gbx_wasi_new(&wasi, NULL), GBX_OK);
    for (size_t i = 0; i < count; i++) assert_int_equal(gbx_wasi_arg(wasi, args[i], NULL), GBX_OK);
    gbx_wasi_clock_real(wasi);
    assert_int_equal(gbx_wasi_link(wasi, linker, NULL), GBX_OK);
    assert_int_equal(gbx_instance_new(store, m, linker, &instance, &trap, NULL), GBX_OK);
    gbx_trap_code const code = gbx_func_call(gbx_instance_func(instance, "_start"), NULL, 0, NULL, 0, &trap);
    if (code != GBX_TRAP_EXIT) assert_int_equal(code, GBX_TRAP_NONE);
    assert_int_equal(trap.exit_status, 0);
    gbx_wasi_release(wasi);
    gbx_linker_release(linker);
    return store;
}

static bool
asked(const gbx_store *s, const char *name)
{
    const char *const *names;
    size_t const count = gbx_store_env_asked(s, &names, NULL);
    for (size_t i = 0; i < count; i++)
        if (!strcmp(names[i], name)) return true;
    return false;
}

static void
open_engine(gbx_engine **e, gbx_module **m, gbx_tier_mode tier, uint32_t calls)
{
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    opts.tier = tier;
    assert_int_equal(gbx_engine_new(&opts, e, NULL), GBX_OK);
    if (tier == GBX_TIER_AUTO) assert_int_equal(gbx_engine_set_warm_factor(*e, 1, NULL), GBX_OK);
    assert_int_equal(gbx_engine_watch(*e, calls, NULL), GBX_OK);
    assert_int_equal(gbx_module_compile(*e, wasm, NULL, m, NULL), GBX_OK);
}

static void
test_stores_apart(void **state)
{
    static const gbx_tier_mode tiers[] = {GBX_TIER_AUTO, GBX_TIER_INTERP, GBX_TIER_EAGER};
    (void)state;
    for (size_t t = 0; t < sizeof tiers / sizeof *tiers; t++) {
        gbx_engine *e;
        gbx_module *m;
        open_engine(&e, &m, tiers[t], GBX_WATCH_ALL);
        gbx_store *const none = run(e, m, (const char *[]){"FIRST", NULL});
        gbx_store *const all = run(e, m, (const char *[]){"many", "listen", "cores", "SECOND", NULL});
        gbx_store *const again = run(e, m, (const char *[]){"listen", "THIRD", NULL});
        assert_false(gbx_store_entered(none, "listen"));
        assert_false(gbx_store_entered(none, "cores"));
        assert_true(gbx_store_entered(none, "env"));
        assert_true(gbx_store_entered(all, "listen"));
        assert_true(gbx_store_entered(all, "cores"));
        assert_true(gbx_store_entered(again, "listen")); /* although another store was first */
        assert_false(gbx_store_entered(again, "cores"));
        assert_true(gbx_module_entered(m, "listen") && gbx_module_entered(m, "cores"));
        assert_true(asked(none, "FIRST") && !asked(none, "SECOND") && !asked(none, "THIRD"));
        assert_true(asked(all, "SECOND") && asked(all, "MANY") && !asked(all, "FIRST"));
        assert_true(asked(again, "THIRD") && !asked(again, "MANY"));
        gbx_store_release(none);
        gbx_store_release(all);
        gbx_store_release(again);
        gbx_module_release(m);
        gbx_engine_release(e);
    }
}

/* Where nothing is watched, stores that come later are told nothing that is not theirs. */
static void
test_unwatched(void **state)
{
    (void)state;
    gbx_engine *e;
    gbx_module *m;
    open_engine(&e, &m, GBX_TIER_AUTO, 0);
    gbx_store *const first = run(e, m, (const char *[]){"listen", "FIRST", NULL});
    gbx_store *const second = run(e, m, (const char *[]){"SECOND", NULL});
    assert_true(gbx_store_entered(first, "listen"));
    assert_false(gbx_store_entered(second, "listen"));
    assert_false(asked(first, "FIRST") || asked(second, "SECOND"));
    assert_true(gbx_module_entered(m, "listen"));
    assert_false(gbx_store_entered(NULL, "listen") || gbx_store_entered(first, NULL) ||
                 gbx_store_entered(first, "none"));
    gbx_store_release(first);
    gbx_store_release(second);
    gbx_module_release(m);
    gbx_engine_release(e);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stores_apart), cmocka_unit_test(test_unwatched)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
