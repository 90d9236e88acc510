/* Host memory that runs out at every possible point: each attempt fails cleanly, and the next works.
 * Run under AddressSanitizer this also proves that no failing path leaks. */
#include "api/guest.h"
#include "base/alloc.h"
#include "base/base.h"

static const char text[] =
        "(module (import \"env\" \"host\" (func $h (param i32) (result i32)))"
        "(import \"env\" \"mem\" (memory 1 8)) (import \"env\" \"tab\" (table $t 4 funcref))"
        "(import \"env\" \"g\" (global $g i32))"
        "(table $own (export \"own\") 8 funcref) (global $n (mut i32) (i32.const 0))"
        "(func $f (param i32) (result i32) (call $h (local.get 0)))"
        "(elem (table $t) (i32.const 0) func $f) (elem $e func $f $f) (data (i32.const 0) \"abc\")"
        "(func $s (global.set $n (global.get $g))) (start $s)"
        "(func $boom unreachable)"
        "(func (export \"f\") (param i32) (result i32)"
        "  (table.init $own $e (i32.const 0) (i32.const 0) (i32.const 2))"
        "  (drop (memory.grow (i32.const 1)))"
        "  (drop (table.grow $own (ref.null func) (i32.const 100)))"
        "  (call $f (local.get 0)))"
        "(func (export \"boom\") (call $boom)))";

/* Each attempt begins with nothing, so that all of it can fail. */
static const gbx_engine_opts fresh = {.size = sizeof fresh, .keep_ms = GBX_KEEP_OFF};

static gbx_trap_code
host(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)caller;
    (void)data;
    results[0].of.i32 = args[0].of.i32 * 2;
    return GBX_TRAP_NONE;
}

/* The life of a small host; false where something failed. Every failure must be one of memory. */
static bool
life(gbx_bytes wasm, gbx_code *code, gbx_trap_code *trap_code)
{
    static const gbx_valtype i32s[] = {GBX_I32};
    gbx_engine *engine = NULL;
    gbx_module *module = NULL;
    gbx_store *store = NULL;
    gbx_linker *linker = NULL;
    gbx_instance *instance = NULL;
    gbx_extern_info info;
    gbx_trap trap = {0};
    gbx_err err = {.text = ""};
    gbx_val v = guest_i32(21);
    *trap_code = GBX_TRAP_NONE;
    bool ok = false;
    if ((*code = gbx_engine_new(&fresh, &engine, &err)) ||
        (*code = gbx_module_compile(engine, wasm, NULL, &module, &err)) ||
        (*code = gbx_store_new(engine, NULL, &store, &err)) ||
        (*code = gbx_linker_new(store, &linker, &err)) ||
        (*code = gbx_linker_define_func(linker, "env", "host", i32s, 1, i32s, 1, host, NULL, &err)) ||
        (*code = gbx_linker_define_memory(linker, "env", "mem", 1, 8, &err)) ||
        (*code = gbx_linker_define_table(linker, "env", "tab", GBX_FUNCREF, 4, 9, &err)) ||
        (*code = gbx_linker_define_global(linker, "env", "g", guest_i32(1), false, &err)) ||
        (*code = gbx_instance_new(store, module, linker, &instance, &trap, &err)) ||
        (*code = gbx_linker_define_instance(linker, "again", instance, &err))) {
        if (*code == GBX_TRAPPED) *trap_code = trap.code;
        assert_true(err.text[0] != 0);
        goto out;
    }
    if (!gbx_module_import(module, 0, &info) || !gbx_module_export(module, 0, &info)) {
        *code = GBX_NO_MEMORY;
        goto out;
    }
    *trap_code = gbx_func_call(gbx_instance_func(instance, "f"), &v, 1, &v, 1, &trap);
    if (*trap_code != GBX_TRAP_NONE) goto out;
    assert_int_equal(v.of.i32, 42);
    *trap_code = gbx_func_call(gbx_instance_func(instance, "boom"), NULL, 0, NULL, 0, &trap);
    if (*trap_code == GBX_TRAP_UNREACHABLE) *trap_code = GBX_TRAP_NONE;
    ok = *trap_code == GBX_TRAP_NONE;
out:
    gbx_linker_release(linker);
    gbx_store_release(store);
    gbx_module_release(module);
    gbx_engine_release(engine);
    return ok;
}

static void
test_sweep(void **state)
{
    (void)state;
    gbx_bytes const wasm = guest_wat(text);
    gbx_code code;
    gbx_trap_code trap;
    uint64_t failed = 0;
    for (uint64_t n = 1;; n++) {
        gbx_base_fault_arm(n);
        bool const ok = life(wasm, &code, &trap);
        bool const covered = gbx_base_fault_count() < n;
        gbx_base_fault_arm(0);
        if (covered) {
            assert_true(ok);
            break;
        }
        if (ok) continue; /* a failure that has a way around it: no guards, no growth, no name */
        failed++;
        bool const of_memory = code == GBX_NO_MEMORY || trap == GBX_TRAP_NO_HOST_MEMORY;
        if (!of_memory) fail_msg("allocation %llu: %s, %s", (unsigned long long)n,
                                 gbx_code_slug(code), gbx_trap_slug(trap));
    }
    assert_true(failed > 30);
    free((void *)(uintptr_t)wasm.data);
}

/* The same for WASI: grants, the link, a guest that looks at them. */
static const char wasi_text[] =
        "(module (import \"wasi_snapshot_preview1\" \"fd_prestat_get\""
        "  (func $p (param i32 i32) (result i32)))"
        "(import \"wasi_snapshot_preview1\" \"path_open\""
        "  (func $o (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))"
        "(memory (export \"memory\") 1) (data (i32.const 0) \"nowhere\")"
        "(func (export \"f\") (result i32)"
        "  (drop (call $o (i32.const -1) (i32.const 0) (i32.const 0) (i32.const 7) (i32.const 0)"
        "    (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 64)))"
        "  (call $p (i32.const 3) (i32.const 32))))";

static bool
wasi_life(gbx_bytes wasm, gbx_code *code, gbx_trap_code *trap_code)
{
    gbx_engine *engine = NULL;
    gbx_module *module = NULL;
    gbx_store *store = NULL;
    gbx_linker *linker = NULL;
    gbx_wasi *wasi = NULL;
    gbx_instance *instance = NULL;
    gbx_trap trap = {0};
    gbx_err err = {.text = ""};
    gbx_val v = guest_i32(-1);
    *trap_code = GBX_TRAP_NONE;
    if (!(*code = gbx_engine_new(&fresh, &engine, &err)) &&
        !(*code = gbx_module_compile(engine, wasm, NULL, &module, &err)) &&
        !(*code = gbx_store_new(engine, NULL, &store, &err)) &&
        !(*code = gbx_linker_new(store, &linker, &err)) && !(*code = gbx_wasi_new(&wasi, &err)) &&
        !(*code = gbx_wasi_arg(wasi, "a", &err)) && !(*code = gbx_wasi_env(wasi, "A", "1", &err)) &&
        !(*code = gbx_wasi_env(wasi, "A", "2", &err)) &&
        !(*code = gbx_wasi_dir(wasi, "/tmp", "/", GBX_READ_ONLY, &err)) &&
        !(*code = gbx_wasi_stdio(wasi, 1, 2, &err)) &&
        !(*code = gbx_wasi_link(wasi, linker, &err)) &&
        !(*code = gbx_instance_new(store, module, linker, &instance, &trap, &err))) {
        *trap_code = gbx_func_call(gbx_instance_func(instance, "f"), NULL, 0, &v, 1, &trap);
    }
    if (*code) assert_true(err.text[0] != 0);
    gbx_wasi_release(wasi);
    gbx_linker_release(linker);
    gbx_store_release(store);
    gbx_module_release(module);
    gbx_engine_release(engine);
    return *code == GBX_OK && *trap_code == GBX_TRAP_NONE && v.of.i32 == 0;
}

static void
test_sweep_wasi(void **state)
{
    (void)state;
    gbx_bytes const wasm = guest_wat(wasi_text);
    gbx_code code;
    gbx_trap_code trap;
    for (uint64_t n = 1;; n++) {
        gbx_base_fault_arm(n);
        bool const ok = wasi_life(wasm, &code, &trap);
        bool const covered = gbx_base_fault_count() < n;
        gbx_base_fault_arm(0);
        if (covered) {
            assert_true(ok);
            break;
        }
        if (code != GBX_OK && code != GBX_NO_MEMORY) {
            fail_msg("allocation %llu: %s", (unsigned long long)n, gbx_code_slug(code));
        }
    }
    free((void *)(uintptr_t)wasm.data);
}

/* Grants in memory, a description, a log, a view while the guest runs: f gives 1 where all went well. */
static const char world_text[] =
        "(module (import \"wasi_snapshot_preview1\" \"fd_write\" (func $w (param i32 i32 i32 i32) (result i32)))"
        "(import \"env\" \"look\" (func $look (result i32))) (import \"env\" \"log\" (func $log (param i32 i32 i32)))"
        "(memory (export \"memory\") 1)"
        "(func (export \"alloc\") (param i32) (result i32) (i32.const 4096))"
        "(func (export \"f\") (result i32)"
        "  (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 9000))"
        "  (call $log (i32.const 0) (i32.const 0) (i32.const 8))"
        "  (i32.and (call $look) (i32.eqz (call $w (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))))";

static gbx_trap_code
look(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)data, (void)args;
    gbx_view v;
    uint64_t at;
    gbx_trap_code code = gbx_view_open(caller, 128, 5000, &v);
    if (code == GBX_TRAP_NONE) code = gbx_caller_alloc(caller, "alloc", 8, &at);
    if (code == GBX_TRAP_NONE) results[0].of.i32 = gbx_view_write(v, 1, "x", 1); /* not where it could not be shown */
    return code;
}

static void
ignore_line(void *data, const gbx_log_line *line)
{
    (void)data, (void)line;
}

static bool
world_life(gbx_bytes wasm, gbx_code *code, gbx_trap_code *trap_code)
{
    gbx_engine_opts const opts = {.size = sizeof opts, .checked = 1};
    gbx_log_opts const log = {.size = sizeof log, .write = ignore_line};
    gbx_host_func const func = {.size = sizeof func, .module = "env", .name = "look", .signature = "() -> i32",
                                .callback = look, .purpose = "looks", .touches = "nothing"};
    gbx_bytes const bytes = {(const uint8_t *)"bytes", 5};
    gbx_engine *engine = NULL;
    gbx_module *module = NULL;
    gbx_store *store = NULL;
    gbx_linker *linker = NULL;
    gbx_wasi *wasi = NULL;
    gbx_instance *instance = NULL;
    gbx_dir *dir = NULL;
    char *told = NULL;
    gbx_trap trap = {0};
    gbx_err err = {.text = ""};
    gbx_val v = guest_i32(0);
    *trap_code = GBX_TRAP_NONE;
    if (!(*code = gbx_engine_new(&opts, &engine, &err)) &&
        !(*code = gbx_module_compile(engine, wasm, NULL, &module, &err)) &&
        !(*code = gbx_store_new(engine, NULL, &store, &err)) &&
        !(*code = gbx_linker_new(store, &linker, &err)) && !(*code = gbx_wasi_new(&wasi, &err)) &&
        !(*code = gbx_wasi_stdin_bytes(wasi, bytes, &err)) && !(*code = gbx_wasi_capture(wasi, 1, 0, &err)) &&
        !(*code = gbx_wasi_file(wasi, "/f", "a/b", bytes, &err)) && !(*code = gbx_wasi_link(wasi, linker, &err)) &&
        !(*code = gbx_wasi_file(wasi, "/f", "a/c", bytes, &err)) && !(*code = gbx_wasi_link(wasi, linker, &err)) &&
        !(*code = gbx_linker_define(linker, &func, &err)) &&
        !(*code = gbx_linker_define_log(linker, "env", "log", &log, &err)) &&
        !(*code = gbx_wasi_describe(linker, &told, &err)) && !(*code = gbx_dir_open("/tmp", &dir, &err)) &&
        !(*code = gbx_instance_new(store, module, linker, &instance, &trap, &err))) {
        *trap_code = gbx_func_call(gbx_instance_func(instance, "f"), NULL, 0, &v, 1, &trap);
    }
    if (*code) assert_true(err.text[0] != 0);
    gbx_text_free(told);
    gbx_dir_close(dir);
    gbx_wasi_release(wasi);
    gbx_linker_release(linker);
    gbx_store_release(store);
    gbx_module_release(module);
    gbx_engine_release(engine);
    return *code == GBX_OK && *trap_code == GBX_TRAP_NONE && v.of.i32 == 1;
}

static void
test_sweep_world(void **state)
{
    (void)state;
    gbx_bytes const wasm = guest_wat(world_text);
    gbx_code code;
    gbx_trap_code trap;
    for (uint64_t n = 1;; n++) {
        gbx_base_fault_arm(n);
        bool const ok = world_life(wasm, &code, &trap);
        bool const covered = gbx_base_fault_count() < n;
        gbx_base_fault_arm(0);
        if (covered) {
            assert_true(ok);
            break;
        }
        if ((code != GBX_OK && code != GBX_NO_MEMORY) || (trap != GBX_TRAP_NONE && trap != GBX_TRAP_NO_HOST_MEMORY))
            fail_msg("allocation %llu: %s, %s", (unsigned long long)n, gbx_code_slug(code), gbx_trap_slug(trap));
    }
    free((void *)(uintptr_t)wasm.data);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sweep), cmocka_unit_test(test_sweep_wasi),
                                       cmocka_unit_test(test_sweep_world)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
