/* gbx_linker_speak: a module that was built for another version of the host's interface is refused, with both
 * numbers, before it can be called. */
#include "api/guest.h"

#include <gbx/snapshot.h>

typedef struct row {
    const char *text;
    gbx_code two, three;   /* from a host that speaks 2, or 3 */
    gbx_code required;     /* from one that speaks 2 and wants it stated */
} row;

#define EXPORT_FUNC(n) "(module (func (export \"abi_version\") (result i32) (i32.const " n ")))"

static const row rows[] = {
        {"(module)", GBX_OK, GBX_OK, GBX_ABI_VERSION},
        {EXPORT_FUNC("2"), GBX_OK, GBX_ABI_VERSION, GBX_OK},
        {EXPORT_FUNC("-1"), GBX_ABI_VERSION, GBX_ABI_VERSION, GBX_ABI_VERSION},
        {"(module (func (export \"abi_version\") (result i32) unreachable))", GBX_TRAPPED, GBX_TRAPPED, GBX_TRAPPED},
        {"(module (global (export \"abi_version\") i32 (i32.const 2)))", GBX_OK, GBX_ABI_VERSION, GBX_OK},
        {"(module (global (export \"abi_version\") i64 (i64.const 3)))", GBX_ABI_VERSION, GBX_OK, GBX_ABI_VERSION},
        {"(module (global (export \"abi_version\") f32 (f32.const 3)))", GBX_OK, GBX_OK, GBX_ABI_VERSION},
        {"(module (func (export \"abi_version\") (result i64) (i64.const 0x100000002)))", GBX_ABI_VERSION,
         GBX_ABI_VERSION, GBX_ABI_VERSION},
        {"(module (func (export \"abi_version\") (result i64) (i64.const 2)))", GBX_OK, GBX_ABI_VERSION, GBX_OK},
        {"(module (func (export \"abi_version\") (param i32) (result i32) (i32.const 3)))", GBX_OK, GBX_OK,
         GBX_ABI_VERSION},
        {"(module (func (export \"abi_version_2\")))", GBX_OK, GBX_ABI_VERSION, GBX_OK},
        {"(module (func (export \"abi_version_2_0\")) (func (export \"abi_version_\")) (func (export \"xabi_version_9\")))",
         GBX_OK, GBX_OK, GBX_ABI_VERSION},
        {"(module (func (export \"abi_version_4294967298\")))", GBX_ABI_VERSION, GBX_ABI_VERSION, GBX_ABI_VERSION},
        {"(module (memory (export \"abi_version_2\") 1) (func (export \"abi_version_3\")))", GBX_ABI_VERSION,
         GBX_ABI_VERSION, GBX_ABI_VERSION},
        /* Missing as well, but that it is for another host is what helps. */
        {"(module (import \"env\" \"abi_version_3\" (func)) (import \"env\" \"other\" (func)))", GBX_ABI_VERSION,
         GBX_UNKNOWN_IMPORT, GBX_ABI_VERSION},
        {"(module (import \"env\" \"abi_version\" (func (result i32))))", GBX_OK, GBX_OK, GBX_OK},
        {"(module (import \"env\" \"abi_version\" (global i32)))", GBX_OK, GBX_OK, GBX_OK},
        {"(module (import \"env\" \"abi_version\" (func (result i64))))", GBX_OK, GBX_OK, GBX_OK},
        {"(module (import \"env\" \"abi_version\" (func (result f64))))", GBX_UNKNOWN_IMPORT, GBX_UNKNOWN_IMPORT,
         GBX_UNKNOWN_IMPORT},
        {"(module (import \"env\" \"abi_version\" (memory 1)))", GBX_UNKNOWN_IMPORT, GBX_UNKNOWN_IMPORT,
         GBX_UNKNOWN_IMPORT},
        /* A library states it once it is initialized. */
        {"(module (global $v (mut i32) (i32.const 0)) (func (export \"_initialize\") (global.set $v (i32.const 2)))"
         " (func (export \"abi_version\") (result i32) (global.get $v)))",
         GBX_OK, GBX_ABI_VERSION, GBX_OK},
};

static gbx_code
instantiate(guest_world *w, const char *text, uint32_t major, const gbx_speak_opts *opts)
{
    gbx_linker *l;
    gbx_instance *i = (gbx_instance *)(uintptr_t)1;
    gbx_module *const m = guest_compile(w, text);
    GUEST_OK(gbx_linker_new(w->store, &l, &w->err));
    GUEST_OK(gbx_linker_speak(l, major, opts, &w->err));
    gbx_code const code = gbx_instance_new(w->store, m, l, &i, &w->trap, &w->err);
    assert_int_equal(code == GBX_OK, i != NULL);
    gbx_module_release(m);
    gbx_linker_release(l);
    return code;
}

static void
test_versions(void **state)
{
    (void)state;
    guest_world w;
    guest_open(&w, NULL);
    gbx_speak_opts const required = {.size = sizeof required, .required = 1};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        const gbx_code got[] = {instantiate(&w, rows[k].text, 2, NULL), instantiate(&w, rows[k].text, 3, NULL),
                                instantiate(&w, rows[k].text, 2, &required)};
        const gbx_code want[] = {rows[k].two, rows[k].three, rows[k].required};
        for (int i = 0; i < 3; i++)
            if (got[i] != want[i]) fail_msg("%s, %d: %s", rows[k].text, i, gbx_code_slug(got[i]));
    }
    guest_close(&w);
}

static void
test_words(void **state)
{
    (void)state;
    guest_world w;
    guest_open(&w, NULL);
    assert_int_equal(instantiate(&w, EXPORT_FUNC("3"), 2, NULL), GBX_ABI_VERSION);
    assert_string_equal(w.err.text, "the module's `abi_version` is 3, this host speaks 2");
    assert_string_equal(gbx_code_slug(GBX_ABI_VERSION), "abi-version");
    gbx_speak_opts const named = {.size = sizeof named, .name = "plugin\033api", .required = 1};
    assert_int_equal(instantiate(&w, "(module (func (export \"plugin\\1bapi_7\")))", 2, &named), GBX_ABI_VERSION);
    assert_string_equal(w.err.text, "the module's `plugin\\x1bapi` is 7, this host speaks 2");
    assert_int_equal(instantiate(&w, EXPORT_FUNC("2"), 2, &named), GBX_ABI_VERSION);
    assert_string_equal(w.err.text, "the module states no `plugin\\x1bapi`, this host speaks 2");
    gbx_speak_opts const bad = {.size = sizeof bad, .name = ""};
    assert_int_equal(gbx_linker_speak(w.linker, 1, &bad, &w.err), GBX_ARGUMENT);
    assert_int_equal(gbx_linker_speak(NULL, 1, NULL, &w.err), GBX_ARGUMENT);
    guest_close(&w);
}

/* The guest is told what the host speaks, and by its own function where the host has one. */
static gbx_trap_code
host_nine(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)caller, (void)data, (void)args;
    results[0].of.i32 = 9;
    return GBX_TRAP_NONE;
}

static void
test_asking(void **state)
{
    (void)state;
    static const gbx_valtype i32s[] = {GBX_I32};
    guest_world w0, *const w = &w0;
    guest_open(w, NULL);
    GUEST_OK(gbx_linker_speak(w->linker, 7, NULL, &w->err));
    static const char text[] =
            "(module (import \"a\" \"abi_version\" (func $f (result i32))) (import \"b\" \"abi_version\" (global $g i32))"
            " (func (export \"sum\") (result i32) (i32.add (i32.mul (call $f) (i32.const 10)) (global.get $g))))";
    int32_t out = 0;
    assert_int_equal(guest_call(w, guest_instance(w, text), "sum", NULL, 0, &out), GBX_TRAP_NONE);
    assert_int_equal(out, 77);
    GUEST_OK(gbx_linker_define_func(w->linker, "a", "abi_version", NULL, 0, i32s, 1, host_nine, NULL, &w->err));
    assert_int_equal(guest_call(w, guest_instance(w, text), "sum", NULL, 0, &out), GBX_TRAP_NONE);
    assert_int_equal(out, 97);
    guest_close(w);
}

static void
test_snapshots(void **state)
{
    (void)state;
    guest_world w0, *const w = &w0;
    guest_open(w, NULL);
    gbx_instance *const first = guest_instance(w, EXPORT_FUNC("2"));
    gbx_snapshot *s;
    gbx_instance *i;
    GUEST_OK(gbx_snapshot_take(first, NULL, &s, &w->err));
    GUEST_OK(gbx_linker_speak(w->linker, 2, NULL, &w->err));
    GUEST_OK(gbx_instance_resume(w->store, s, w->linker, &i, NULL, &w->err));
    GUEST_OK(gbx_linker_speak(w->linker, 3, NULL, &w->err));
    assert_int_equal(gbx_instance_resume(w->store, s, w->linker, &i, NULL, &w->err), GBX_ABI_VERSION);
    assert_null(i);
    gbx_snapshot_release(s);
    guest_close(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_versions),
            cmocka_unit_test(test_words),
            cmocka_unit_test(test_asking),
            cmocka_unit_test(test_snapshots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
