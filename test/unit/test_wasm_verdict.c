/* A module that is made from a verdict is, field by field and byte by byte, the one that was validated, at once
 * or after functions that the verdict does not have were made ready, in whatever order; and a verdict of
 * another module is refused. */
#include "wasm_build.h"

#include "wasm/wasm_int.h"

static u8 *
verdict_of(const wasm_module *m, const u8 *keep, size_t *len)
{
    *len = gbx_wasm_verdict_bytes(m, keep);
    u8 *const bytes = gbx_base_alloc(*len, 1);
    assert_non_null(bytes);
    memset(bytes, 0xa5, *len); /* what is not written would show */
    gbx_wasm_verdict_write(m, keep, bytes);
    return bytes;
}

typedef struct verdict_given {
    u8 *bytes;
    size_t len;
    u32 asked;
} verdict_given;

static u8 *
verdict_give(void *data, const wasm_module *m, size_t *len)
{
    assert_non_null(m);
    verdict_given *const given = data;
    given->asked++;
    *len = given->len;
    return given->bytes;
}

static wasm_module *
verdict_module(const u8 *raw, size_t len, u8 *verdict, size_t verdict_len)
{
    wasm_module *m;
    gbx_err err;
    u8 *const copy = gbx_base_alloc(len + WASM_PAD_BYTES, 1);
    assert_non_null(copy);
    memcpy(copy, raw, len);
    verdict_given given = {verdict, verdict_len, 0};
    if (gbx_wasm_module_open(copy, len, 0, 1, (wasm_known){.verdict = verdict_give, .data = &given}, &m, &err) != GBX_OK)
        fail_msg("%s", err.text);
    assert_int_equal(given.asked, 1);
    return m;
}

static void
verdict_same_code(const wasm_module *a, const wasm_module *b, u32 i)
{
    wasm_code x = a->codes[i], y = b->codes[i];
    assert_int_equal(x.entry - a->bytes, y.entry - b->bytes);
    assert_int_equal(x.side == NULL, y.side == NULL);
    if (x.side) assert_memory_equal(x.side, y.side, x.side_count * sizeof *x.side);
    assert_int_equal(x.tries == NULL, y.tries == NULL);
    if (x.tries) assert_memory_equal(x.tries, y.tries, x.try_count * sizeof *x.tries);
    assert_int_equal(x.catches == NULL, y.catches == NULL);
    if (x.catches) assert_memory_equal(x.catches, y.catches, x.catch_count * sizeof *x.catches);
    x.entry = y.entry = NULL;
    x.side = y.side = NULL;
    x.tries = y.tries = NULL;
    x.catches = y.catches = NULL;
    assert_memory_equal(&x, &y, sizeof x); /* arenas are zeroed: padding too */
}

static void
verdict_same(const wasm_module *a, const wasm_module *b)
{
    assert_int_equal(a->len, b->len);
    assert_memory_equal(a->bytes, b->bytes, a->len);
    assert_int_equal(a->uses, b->uses);
    assert_int_equal(a->fuse_set, b->fuse_set);
    assert_int_equal(a->func_count, b->func_count);
    for (u32 i = 0; i < a->func_count - a->imported_funcs; i++) verdict_same_code(a, b, i);
    for (u32 i = 0; i < a->global_count; i++) assert_int_equal(a->globals[i].uses, b->globals[i].uses);
    for (u32 i = 0; i < a->table_count; i++) assert_int_equal(a->tables[i].is_written, b->tables[i].is_written);
}

/* Blocks, branches, a br_table, two globals, a table that is written, exceptions, a v128. */
static const u8 verdict_raw[] = {
    0, 'a', 's', 'm', 1, 0, 0, 0,
    1, 8, 2, 0x60, 0, 0, 0x60, 1, 0x7f, 0,
    3, 4, 3, 0, 1, 0,
    4, 4, 1, 0x70, 0, 2,
    5, 3, 1, 0, 1,
    13, 3, 1, 0, 1,
    6, 11, 2, 0x7f, 1, 0x41, 0, 0x0b, 0x7f, 1, 0x41, 0, 0x0b,
    10, 72, 3,
    /* 0: loop with br_if, global.get twice, table.set */
    27, 0, 0x03, 0x40, 0x23, 0, 0x0d, 0, 0x0b, 0x23, 0, 0x1a, 0x41, 0, 0xd0, 0x70, 0x26, 0, 0x02, 0x40, 0x41,
    1, 0x0d, 0, 0x0c, 0, 0x0b, 0x0b,
    /* 1: br_table over its parameter, a store, a v128 local */
    23, 1, 1, 0x7b, 0x02, 0x40, 0x02, 0x40, 0x20, 0, 0x0e, 1, 0, 1, 0x0b, 0x20, 0, 0x24, 1, 0x0b, 0x20, 1,
    0x1a, 0x0b,
    /* 2: block, try_table catch 0 -> the block (i32), throw; drop */
    18, 0, 0x02, 0x7f, 0x1f, 0x40, 1, 0, 0, 0, 0x41, 7, 0x08, 0, 0x0b, 0x00, 0x0b, 0x1a, 0x0b,
};

static void
test_verdict_all(void **state)
{
    (void)state;
    size_t len;
    wasm_module *const a = verdict_module(verdict_raw, sizeof verdict_raw, NULL, 0);
    assert_null(a->verdict);
    assert_true(a->codes[0].side_count > 2 && a->codes[2].try_count == 1 && a->codes[2].catch_count == 1);
    assert_true(a->globals[0].uses == 2 && a->tables[0].is_written && a->codes[1].has_v128);
    u8 *const kept = verdict_of(a, NULL, &len);
    u8 *const copy = gbx_base_alloc(len, 1);
    assert_non_null(copy);
    memcpy(copy, kept, len);
    wasm_module *const b = verdict_module(verdict_raw, sizeof verdict_raw, kept, len);
    assert_non_null(b->verdict);
    verdict_same(a, b);
    size_t again_len;
    u8 *const again = verdict_of(b, NULL, &again_len);
    assert_int_equal(again_len, len);
    assert_memory_equal(again, copy, len);
    gbx_base_free(copy);
    gbx_base_free(again);
    gbx_wasm_module_free(a);
    gbx_wasm_module_free(b);
}

static void
test_verdict_some(void **state)
{
    (void)state;
    size_t len, all_len;
    wasm_module *const a = verdict_module(verdict_raw, sizeof verdict_raw, NULL, 0);
    gbx_base_free(verdict_of(a, NULL, &all_len));
    for (u32 kept = 0; kept < 8; kept++) {
        u8 const keep[3] = {kept & 1, kept >> 1 & 1, kept >> 2 & 1};
        u8 *const bytes = verdict_of(a, keep, &len);
        assert_int_equal(len == all_len, kept == 7);
        wasm_module *const b = verdict_module(verdict_raw, sizeof verdict_raw, bytes, len);
        assert_non_null(b->verdict);
        for (u32 i = 0; i < 3; i++) {
            assert_int_equal(wasm_code_is_ready(&b->codes[i]), keep[i]);
            assert_int_equal(b->codes[i].func_idx, i);
            assert_int_equal(b->codes[i].type_idx, a->codes[i].type_idx);
            assert_int_equal(b->codes[i].param_count, a->codes[i].param_count);
        }
        for (u32 i = 3; i-- > 0;) assert_true(gbx_wasm_make_ready(b, i));
        assert_true(gbx_wasm_make_ready(b, 1));
        verdict_same(a, b);
        gbx_wasm_module_free(b);
    }
    gbx_wasm_module_free(a);
}

/* Then the module is validated, and as it would have been. */
static void
test_verdict_of_another(void **state)
{
    (void)state;
    size_t len;
    wasm_module *const a = verdict_module(verdict_raw, sizeof verdict_raw, NULL, 0);
    for (size_t cut = 0; cut < 40; cut++) {
        u8 *const kept = verdict_of(a, NULL, &len);
        wasm_module *const b = verdict_module(verdict_raw, sizeof verdict_raw, kept, cut < 20 ? cut : len - cut);
        assert_null(b->verdict);
        verdict_same(a, b);
        gbx_wasm_module_free(b);
    }
    static const u8 empty[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    u8 *const kept = verdict_of(a, NULL, &len);
    wasm_module *const b = verdict_module(empty, sizeof empty, kept, len);
    assert_null(b->verdict);
    gbx_wasm_module_free(a);
    gbx_wasm_module_free(b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdict_all),
        cmocka_unit_test(test_verdict_some),
        cmocka_unit_test(test_verdict_of_another),
    };
    return cmocka_run_group_tests_name("wasm-verdict", tests, NULL, NULL);
}
