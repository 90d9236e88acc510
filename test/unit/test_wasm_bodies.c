/* Validation by several threads gives what one thread gives: the same code, side tables and counts, and of
 * two mistakes the first. */
#include "wasm_build.h"

#define FUNCS 6000u

/* Loops, branches, locals, globals; different from function to function. */
static build
bodies_body(u32 i)
{
    build b = {0};
    u64 state = 77 + i;
    for (u32 k = 0; k < 12; k++) {
        u32 const n = build_random(&state, 100);
        BUILD(&b, OP_BLOCK, 0x40, OP_LOOP, 0x40, OP_LOCAL_GET, 0, OP_I32_CONST, (u8)(n & 63), OP_I32_ADD, OP_LOCAL_TEE, 0);
        if (n & 1) BUILD(&b, OP_BR_IF, 0, OP_GLOBAL_GET, (u8)(n % 3 ? 0 : 1), OP_GLOBAL_SET, (u8)(n % 3 ? 0 : 1));
        else BUILD(&b, OP_BR_IF, 1, OP_LOCAL_GET, 1, OP_I32_WRAP_I64, OP_BR_TABLE, 1, 0, 1);
        BUILD(&b, OP_END, OP_END, OP_LOCAL_GET, 1, OP_LOCAL_GET, 0, OP_I64_EXTEND_I32_U, OP_I64_ADD, OP_LOCAL_SET, 1);
    }
    BUILD(&b, OP_END);
    return b;
}

static wasm_module *
bodies_open(u32 threads, u32 bad, u32 worse, gbx_err *err)
{
    static build_func funcs[FUNCS];
    static build bodies[FUNCS];
    static const u8 wrong[] = {OP_I64_CONST, 1, OP_LOCAL_SET, 0, OP_END}, worst[] = {OP_LOCAL_GET, 99, OP_END};
    for (u32 i = 0; i < FUNCS; i++) {
        if (!bodies[i].data) bodies[i] = bodies_body(i);
        funcs[i] = (build_func){"i", "", "l", bodies[i].data, bodies[i].len};
        if (i == bad) funcs[i] = (build_func){"i", "", "l", wrong, sizeof wrong};
        if (i == worse) funcs[i] = (build_func){"i", "", "l", worst, sizeof worst};
    }
    build b = build_whole(&(build_module){.funcs = funcs, .func_count = FUNCS, .globals = "il"});
    wasm_module *m = NULL;
    u8 *const padded = gbx_base_realloc(b.data, b.len + WASM_PAD_BYTES, 1);
    assert_non_null(padded);
    gbx_code const code = gbx_wasm_module_open(padded, b.len, 0, threads, (wasm_known){0}, &m, err);
    assert_true((code == GBX_OK) == (m != NULL));
    if (!m) gbx_base_free(padded);
    return m;
}

static void
test_same(void **state)
{
    (void)state;
    gbx_err err;
    wasm_module *const one = bodies_open(1, FUNCS, FUNCS, &err);
    assert_non_null(one);
    assert_true(one->code_bytes > 1 << 20);
    for (u32 threads = 0; threads < 9; threads += 4) {
        wasm_module *const many = bodies_open(threads, FUNCS, FUNCS, &err);
        assert_non_null(many);
        assert_memory_equal(many->bytes, one->bytes, one->len);
        assert_int_equal(many->uses, one->uses);
        for (u32 i = 0; i < one->global_count; i++) {
            assert_true(one->globals[i].uses > FUNCS);
            assert_int_equal(many->globals[i].uses, one->globals[i].uses);
        }
        for (u32 i = 0; i < FUNCS; i++) {
            const wasm_code *const a = &one->codes[i], *const b = &many->codes[i];
            assert_int_equal(b->stack_max, a->stack_max);
            assert_int_equal(b->func_idx, i);
            assert_int_equal(b->entry - many->bytes, a->entry - one->bytes);
            assert_memory_equal(b->side, a->side, 12 * sizeof *a->side);
        }
        gbx_wasm_module_free(many);
    }
    gbx_wasm_module_free(one);
}

/* Whichever thread comes first: the lowest function is what is told. */
static void
test_mistakes(void **state)
{
    (void)state;
    static const u32 places[][2] = {{0, FUNCS - 1}, {FUNCS - 1, 0}, {2000, 2001}, {5999, 3000}, {17, 16}, {1500, FUNCS}};
    for (u32 i = 0; i < sizeof places / sizeof *places; i++) {
        gbx_err one, many;
        assert_null(bodies_open(1, places[i][0], places[i][1], &one));
        char want[40];
        (void)snprintf(want, sizeof want, "function %u", places[i][0] < places[i][1] ? places[i][0] : places[i][1]);
        assert_non_null(strstr(one.text, want));
        for (u32 k = 0; k < 4; k++) {
            assert_null(bodies_open(8, places[i][0], places[i][1], &many));
            assert_string_equal(many.text, one.text);
            assert_int_equal(many.code, one.code);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same), cmocka_unit_test(test_mistakes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
