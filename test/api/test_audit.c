/* A module looked at before it runs, variables that look like secrets, and what a run used: through the API. What
 * Go's modules say is tested in test/audit. */
#include <gbx/unstable/audit.h>

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/guest.h"

static const char guest_text[] =
        "(module (import \"wasi_snapshot_preview1\" \"path_open\" (func $open (param i32 i32 i32 "
        "i32 i32 i64 i64 i32 i32)"
        " (result i32)))"
        "(memory (export \"memory\") 2 5)"
        "(data (i32.const 512) \"sub/file\")"
        "(func $named (export \"open\") (param i32 i32) (result i32)"
        "  (call $open (local.get 0) (i32.const 1) (i32.const 512) (i32.const 8) (local.get 1)"
        "   (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 8))))";

static guest_one shared;

static int
setup(void **state)
{
    (void)state;
    return guest_one_open(&shared, guest_text);
}

static int
teardown(void **state)
{
    (void)state;
    return guest_one_close(&shared);
}

static void
test_audit(void **state)
{
    (void)state;
    gbx_audit *audit;
    gbx_audit_info info = {.file_bytes = 1};
    gbx_audit_setting setting;
    gbx_audit_package package;
    assert_int_equal(gbx_audit_new(shared.module, NULL, NULL), GBX_ARGUMENT);
    assert_int_equal(gbx_audit_new(NULL, &audit, NULL), GBX_ARGUMENT);
    assert_null(audit);
    assert_int_equal(gbx_audit_new(shared.module, &audit, NULL), GBX_OK);
    gbx_audit_get(audit, &info);
    assert_string_equal(info.language, "");
    assert_string_equal(info.version, "");
    assert_false(info.has_go_table);
    assert_int_equal(info.file_bytes, shared.bytes.len);
    assert_int_equal(info.func_count, 1);
    assert_int_equal(info.data_bytes, 8);
    assert_int_equal(info.memory_count, 1);
    assert_int_equal(info.memory_min_bytes, 2 << 16);
    assert_int_equal(info.memory_max_bytes, 5 << 16);
    assert_false(gbx_audit_setting_at(audit, 0, &setting));
    assert_false(gbx_audit_package_at(audit, 0, &package));
    assert_false(gbx_audit_has_func(audit, "main.main"));
    assert_false(gbx_audit_has_func(audit, NULL));
    assert_false(gbx_audit_has_func(NULL, "x"));
    gbx_audit_get(NULL, &info);
    gbx_audit_release(audit);
    gbx_audit_release(NULL);
}

static void
test_secrets(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
            {"AWS_SECRET_ACCESS_KEY", "x"}, {"npm_token", "x"},
            {"MYSQL_PASSWORD", "x"},        {"PLAIN", "ghp_0123"},
            {"FETCH", "ftp://u:p@host/x"},  {"PEM", "a\n-----BEGIN PRIVATE KEY-----"},
            {"DATABASE_URL", "x"},          {"MY_APIKEY", "x"},
    };
    static const char *const fine[][2] = {
            {"KEYBOARD", "us"},
            {"TOKENS_PER_LINE", "3"},
            {"HOME", "/home/a"},
            {"EMPTY_KEY", ""},
            {"URLS", "http://h/a:b@c"},
            {"AT", "http://host/x@y"},
            {"SITE", "http://user@host/"},
    };
    gbx_wasi *wasi;
    const char *names[2] = {NULL, NULL};
    assert_int_equal(gbx_wasi_secrets(NULL, NULL, 0), 0);
    assert_int_equal(gbx_wasi_new(&wasi, NULL), GBX_OK);
    for (size_t i = 0; i < (sizeof fine / sizeof fine[0]); i++) {
        assert_int_equal(gbx_wasi_env(wasi, fine[i][0], fine[i][1], NULL), GBX_OK);
        if (gbx_wasi_secrets(wasi, NULL, 0)) fail_msg("%s", fine[i][0]);
    }
    for (size_t i = 0; i < (sizeof rows / sizeof rows[0]); i++) {
        assert_int_equal(gbx_wasi_env(wasi, rows[i][0], rows[i][1], NULL), GBX_OK);
        if (gbx_wasi_secrets(wasi, names, 2) != i + 1) fail_msg("%s", rows[i][0]);
    }
    assert_memory_equal(names[0], "AWS_SECRET_ACCESS_KEY", 21);
    gbx_wasi_release(wasi);
}

static void
test_uses(void **state)
{
    (void)state;
    char root[] = "/var/tmp/gbx-audit-XXXXXX", path[64];
    gbx_store *store;
    gbx_linker *linker;
    gbx_wasi *wasi;
    gbx_instance *instance;
    const gbx_use *uses;
    bool is_whole = true;
    assert_non_null(mkdtemp(root));
    snprintf(path, sizeof path, "%s/sub", root);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(gbx_store_new(shared.engine, NULL, &store, NULL), GBX_OK);
    assert_int_equal(gbx_linker_new(store, &linker, NULL), GBX_OK);
    assert_int_equal(gbx_store_uses(store, &uses, &is_whole), 0);
    assert_false(is_whole);
    assert_int_equal(gbx_wasi_new(&wasi, NULL), GBX_OK);
    assert_int_equal(gbx_wasi_dir(wasi, root, "/g", GBX_READ_WRITE, NULL), GBX_OK);
    gbx_wasi_note_uses(wasi, true);
    assert_int_equal(gbx_wasi_link(wasi, linker, NULL), GBX_OK);
    assert_int_equal(gbx_instance_new(store, shared.module, linker, &instance, NULL, NULL), GBX_OK);
    gbx_func *const open_func = gbx_instance_func(instance, "open");
    gbx_val args[2] = {{.type = GBX_I32, .of.i32 = 3}, {.type = GBX_I32, .of.i32 = 1}}, result;
    assert_int_equal(gbx_func_call(open_func, args, 2, &result, 1, NULL), GBX_TRAP_NONE);
    assert_int_equal(result.of.i32, 0);
    args[0].of.i32 = -1;
    args[1].of.i32 = 0;
    assert_int_equal(gbx_func_call(open_func, args, 2, &result, 1, NULL), GBX_TRAP_NONE);
    assert_int_equal(gbx_store_uses(store, &uses, &is_whole), 2);
    assert_true(is_whole);
    assert_string_equal(uses[0].path, "/g/sub");
    assert_true(uses[0].changes && !uses[0].refused);
    assert_string_equal(uses[1].path, "/sub/file");
    assert_true(!uses[1].changes && uses[1].refused);
    gbx_wasi_release(wasi);
    gbx_linker_release(linker);
    gbx_store_release(store);
    snprintf(path, sizeof path, "%s/sub/file", root);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/sub", root);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(root), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_audit),
            cmocka_unit_test(test_secrets),
            cmocka_unit_test(test_uses),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
