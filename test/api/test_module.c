/* Engines and modules: what is refused, what a module says about itself, options, versions. */
#include <pthread.h>

#include "api/guest.h"

static gbx_engine *
new_engine(void)
{
    gbx_engine *e;
    gbx_err err;
    if (gbx_engine_new(NULL, &e, &err) != GBX_OK) fail_msg("%s", err.text);
    return e;
}

static gbx_code
compile(gbx_engine *e, const void *bytes, size_t len, gbx_err *err)
{
    gbx_module *m = (gbx_module *)(uintptr_t)1;
    gbx_code const code = gbx_module_compile(e, (gbx_bytes){bytes, len}, NULL, &m, err);
    assert_int_equal(m == NULL, code != GBX_OK);
    gbx_module_release(m);
    return code;
}

/* Slugs are promised: one word each, no two alike, of errors and traps together; and every code says something. */
static void
test_slugs(void **state)
{
    (void)state;
    const char *slugs[GBX_CODE_COUNT + GBX_TRAP_CODE_COUNT];
    size_t n = 0;
    for (int k = 0; k < GBX_CODE_COUNT; k++) {
        slugs[n++] = gbx_code_slug((gbx_code)k);
        assert_true(*gbx_code_text((gbx_code)k) && !strchr(gbx_code_remedy((gbx_code)k), '\n'));
    }
    for (int k = 0; k < GBX_TRAP_CODE_COUNT; k++) {
        slugs[n++] = gbx_trap_slug((gbx_trap_code)k);
        assert_true(*gbx_trap_text((gbx_trap_code)k) && !strchr(gbx_trap_remedy((gbx_trap_code)k), '\n'));
        assert_in_range(gbx_trap_exit_code((gbx_trap_code)k), 0, 255);
    }
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(strspn(slugs[i], "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(slugs[i]));
        assert_true(*slugs[i]);
        for (size_t k = 0; k < i; k++) assert_string_not_equal(slugs[i], slugs[k]);
    }
    assert_string_equal(gbx_code_slug(GBX_CODE_COUNT), gbx_code_slug(GBX_STATE));
    assert_string_equal(gbx_trap_slug(GBX_TRAP_CODE_COUNT), gbx_trap_slug(GBX_TRAP_HOST));
}

static void
test_version(void **state)
{
    (void)state;
    char text[32];
    assert_string_equal(gbx_version(), GBX_VERSION);
    snprintf(text, sizeof text, "%d.%d.%d", GBX_VERSION_MAJOR, GBX_VERSION_MINOR, GBX_VERSION_PATCH);
    assert_string_equal(gbx_version(), text);
}

static void
test_refused(void **state)
{
    (void)state;
    gbx_engine *const e = new_engine();
    gbx_err err;
    assert_int_equal(compile(e, NULL, 0, &err), GBX_TRUNCATED);
    assert_int_equal(compile(e, "\x7f" "ELF....", 8, &err), GBX_BAD_MAGIC);
    assert_int_equal(err.offset, 0);
    assert_non_null(strstr(err.text, "ELF"));
    assert_int_equal(compile(e, "\0asm\x0d\0\1\0", 8, &err), GBX_COMPONENT);
    assert_int_equal(compile(e, "\0asm\1\0\0\0", 8, &err), GBX_OK);
    assert_int_not_equal(compile(e, "\0asm\2\0\0\0", 8, &err), GBX_OK);
    assert_int_not_equal(compile(e, "\0asm\1\0\0", 7, &err), GBX_OK);
    assert_int_not_equal(compile(e, "\0asm\1\0\0\0\1", 9, &err), GBX_OK);
    assert_int_equal(compile(e, NULL, 1, &err), GBX_ARGUMENT);
    assert_int_equal(compile(NULL, "\0asm\1\0\0\0", 8, &err), GBX_ARGUMENT);
    assert_int_equal(compile(e, "nonsense", 8, NULL), GBX_BAD_MAGIC);
    gbx_module *m;
    assert_int_equal(gbx_module_compile(e, (gbx_bytes){0}, NULL, NULL, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_module_compile_file(e, NULL, NULL, &m, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_module_compile_file(e, "/does/not/exist", NULL, &m, &err), GBX_NOT_FOUND);
    assert_int_equal(gbx_module_compile(e, (gbx_bytes){(const uint8_t *)"", (size_t)2 << 30}, NULL, &m,
                                        &err),
                     GBX_LIMIT);
    gbx_engine_release(e);
}

/* Options of an older host lack fields, those of a newer one may not ask for what there is not. */
static void
test_options(void **state)
{
    (void)state;
    gbx_engine *const e = new_engine();
    gbx_store *s;
    gbx_err err;
    struct {
        gbx_store_opts known;
        uint64_t more;
    } newer = {.known = {.size = sizeof newer}};
    assert_int_equal(gbx_store_new(e, &newer.known, &s, &err), GBX_OK);
    gbx_store_release(s);
    newer.more = 1;
    assert_int_equal(gbx_store_new(e, &newer.known, &s, &err), GBX_ARGUMENT);
    assert_null(s);
    gbx_store_opts const none = {0};
    assert_int_equal(gbx_store_new(e, &none, &s, &err), GBX_ARGUMENT);
    assert_non_null(strstr(err.text, "_INIT"));
    gbx_store_opts const older = {.size = 2 * sizeof(uint64_t), .stack_bytes = 1};
    assert_int_equal(gbx_store_new(e, &older, &s, &err), GBX_OK);
    gbx_store_release(s);
    gbx_store_opts const large = {.size = sizeof large, .stack_bytes = (uint64_t)1 << 40};
    assert_int_equal(gbx_store_new(e, &large, &s, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_store_new(NULL, NULL, &s, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_store_new(e, NULL, NULL, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_engine_new(NULL, NULL, &err), GBX_ARGUMENT);
    gbx_engine *other = e;
    gbx_engine_opts const told = {.size = sizeof told, .symbols = GBX_SYMBOLS_GDB << 1};
    assert_int_equal(gbx_engine_new(&told, &other, &err), GBX_ARGUMENT);
    assert_null(other);
    gbx_store_release(NULL);
    gbx_module_release(NULL);
    gbx_linker_release(NULL);
    gbx_engine_release(NULL);
    gbx_engine_release(e);
}

static const char described[] =
        "(module (import \"a\" \"f\" (func (param i32 i64 f32 f64 funcref externref)))"
        "(import \"a\" \"f\" (func (param i32 i64 f32 f64 funcref externref)))"
        "(import \"b\\07\" \"t\" (table 4 8 funcref)) (import \"c\" \"m\" (memory 17))"
        "(import \"c\" \"g\" (global (mut i32)))"
        "(func (export \"sum\") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))"
        "(export \"table \\\"x\\\"\" (table 0)) (export \"\" (memory 0)) (export \"g\" (global 0)))";

static void
check_info(const gbx_extern_info *i, gbx_extern_kind kind, const char *module, const char *name,
           const char *signature)
{
    assert_int_equal(i->kind, kind);
    assert_string_equal(i->module_name, module);
    assert_string_equal(i->name, name);
    assert_string_equal(i->signature, signature);
}

static void
test_info(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    gbx_module *const m = guest_compile(w, described);
    static const char params[] = "(i32, i64, f32, f64, funcref, externref) -> ()";
    gbx_extern_info i, again;
    assert_int_equal(gbx_module_import_count(m), 5);
    assert_true(gbx_module_import(m, 0, &i));
    check_info(&i, GBX_EXTERN_FUNC, "a", "f", params);
    assert_true(gbx_module_import(m, 1, &i));
    check_info(&i, GBX_EXTERN_FUNC, "a", "f", params);
    assert_true(gbx_module_import(m, 2, &i));
    check_info(&i, GBX_EXTERN_TABLE, "b\\x07", "t", "table of 4 to 8 funcref");
    assert_true(gbx_module_import(m, 3, &i));
    check_info(&i, GBX_EXTERN_MEMORY, "c", "m", "memory of 17 or more pages");
    assert_true(gbx_module_import(m, 4, &i));
    check_info(&i, GBX_EXTERN_GLOBAL, "c", "g", "mutable i32");
    assert_false(gbx_module_import(m, 5, &i));
    assert_false(gbx_module_import(m, SIZE_MAX, &i));

    assert_int_equal(gbx_module_export_count(m), 4);
    assert_true(gbx_module_export(m, 0, &i));
    check_info(&i, GBX_EXTERN_FUNC, "", "sum", "(i32, i32) -> (i32)");
    assert_true(gbx_module_export(m, 1, &i));
    check_info(&i, GBX_EXTERN_TABLE, "", "table \\\"x\\\"", "table of 4 to 8 funcref");
    assert_true(gbx_module_export(m, 2, &i));
    check_info(&i, GBX_EXTERN_MEMORY, "", "", "memory of 17 or more pages");
    assert_true(gbx_module_export(m, 3, &i));
    assert_true(gbx_module_export(m, 3, &again));
    assert_ptr_equal(i.name, again.name); /* kept by the module */
    assert_false(gbx_module_export(m, 4, &i));
    gbx_module *const odd = guest_compile(w, "(module (memory (export \"a\\00b\") 1)"
                                             "(func (export \"a\\00c\")))");
    gbx_instance *inst;
    GUEST_OK(gbx_instance_new(w->store, odd, NULL, &inst, NULL, &w->err));
    assert_null(gbx_instance_func(inst, "a"));
    assert_null(gbx_instance_func_at(inst, 0)); /* not a function */
    assert_int_equal(gbx_func_call(gbx_instance_func_at(inst, 1), NULL, 0, NULL, 0, NULL), 0);
    assert_null(gbx_instance_func_at(inst, 2));
    assert_null(gbx_instance_func_at(NULL, 0));
    gbx_module_release(odd);
    assert_int_equal(gbx_module_import_count(NULL), 0);
    assert_false(gbx_module_export(NULL, 0, &i));
    assert_false(gbx_module_export(m, 0, NULL));
    gbx_module_release(m);
    guest_close(w);
}

/* Function names come from a custom section that nothing validates. */
static void
test_hostile_names(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {
            0,   'a', 's', 'm', 1,   0,   0,   0,   /* */
            1,   4,   1,   0x60, 0,  0,             /* type () -> () */
            3,   2,   1,   0,                       /* function 0 */
            7,   5,   1,   1,   'f', 0,   0,        /* export "f" */
            10,  5,   1,   3,   0,   0,   0x0b,     /* unreachable; end */
            0,   18,  4,   'n', 'a', 'm', 'e',      /* name section */
            1,   11,  1,   0,   8,                  /* function 0 has 8 bytes */
            'x', 0x1b, '[', '2', 'J', '\n', 0xc2, 0x85,
    };
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    gbx_module *m;
    gbx_instance *i;
    GUEST_OK(gbx_module_compile(w->engine, (gbx_bytes){bytes, sizeof bytes}, NULL, &m, &w->err));
    GUEST_OK(gbx_instance_new(w->store, m, NULL, &i, NULL, &w->err));
    gbx_module_release(m);
    assert_int_equal(guest_call(w, i, "f", NULL, 0, NULL), GBX_TRAP_UNREACHABLE);
    const char *const name = w->trap.frames[0].name;
    assert_string_equal(name, "x\\x1b[2J\\n\\u{85}");
    assert_int_equal(guest_call(w, i, "f", NULL, 0, NULL), GBX_TRAP_UNREACHABLE);
    assert_ptr_equal(w->trap.frames[0].name, name); /* made once */
    guest_close(w);
}

/* Release in any order: what is still needed lives on. */
static void
test_lifetimes(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    gbx_module *const m = guest_compile(w, "(module (func (export \"f\") (result i32) (i32.const 3)))");
    gbx_engine_release(w->engine);
    w->engine = NULL;
    gbx_instance *i;
    GUEST_OK(gbx_instance_new(w->store, m, NULL, &i, NULL, &w->err));
    gbx_module_release(m);
    int32_t v;
    assert_int_equal(guest_call(w, i, "f", NULL, 0, &v), GBX_TRAP_NONE);
    assert_int_equal(v, 3);
    gbx_store_release(w->store);
    w->store = NULL;
    gbx_linker_release(w->linker);
    w->linker = NULL;
    guest_close(w);
}

static void *
thread_describe(void *data)
{
    const gbx_module *const m = data;
    for (int round = 0; round < 100; round++) {
        for (size_t k = 0; k < 4; k++) {
            gbx_extern_info i;
            if (!gbx_module_export(m, k, &i) || !i.name || !i.signature[0]) return "wrong";
            if (!gbx_module_import(m, k, &i) || !i.name || !i.signature[0]) return "wrong";
        }
    }
    return NULL;
}

static void
test_info_threads(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    gbx_module *const m = guest_compile(w, described);
    pthread_t threads[8];
    for (int k = 0; k < 8; k++) {
        assert_int_equal(pthread_create(&threads[k], NULL, thread_describe, m), 0);
    }
    for (int k = 0; k < 8; k++) {
        void *wrong;
        pthread_join(threads[k], &wrong);
        assert_null(wrong);
    }
    gbx_module_release(m);
    guest_close(w);
}

/* call_indirect between modules compares types by structure, whatever their indices are. */
static void
test_types_across_modules(void **state)
{
    (void)state;
    guest_world world, *const w = &world;
    guest_open(w, NULL);
    gbx_instance *const a = guest_instance(
            w, "(module (type (func)) (type (func (param i64))) (type $t (func (param i32) (result i32)))"
               "(table (export \"tab\") 3 funcref) (func $f (type $t) (i32.mul (local.get 0) (i32.const 3)))"
               "(func $g (param i64) (result i32) (i32.const 0)) (elem (i32.const 0) $f $g))");
    GUEST_OK(gbx_linker_define_instance(w->linker, "a", a, &w->err));
    gbx_instance *const b = guest_instance(
            w, "(module (type $t (func (param i32) (result i32))) (type (func (param i32) (result i32)))"
               "(import \"a\" \"tab\" (table 3 funcref))"
               "(func (export \"f\") (param i32) (result i32)"
               "  (call_indirect (type $t) (i32.const 7) (local.get 0))))");
    int32_t at = 0, v;
    assert_int_equal(guest_call(w, b, "f", &at, 1, &v), GBX_TRAP_NONE);
    assert_int_equal(v, 21);
    at = 1;
    assert_int_equal(guest_call(w, b, "f", &at, 1, &v), GBX_TRAP_INDIRECT_TYPE);
    at = 2;
    assert_int_equal(guest_call(w, b, "f", &at, 1, &v), GBX_TRAP_UNINITIALIZED_ELEMENT);
    at = 3;
    assert_int_equal(guest_call(w, b, "f", &at, 1, &v), GBX_TRAP_UNDEFINED_ELEMENT);
    guest_close(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_slugs),
            cmocka_unit_test(test_version),       cmocka_unit_test(test_refused),
            cmocka_unit_test(test_options),       cmocka_unit_test(test_info),
            cmocka_unit_test(test_hostile_names), cmocka_unit_test(test_lifetimes),
            cmocka_unit_test(test_info_threads),  cmocka_unit_test(test_types_across_modules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
