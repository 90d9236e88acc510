/* WebAssembly 3.0 in the decoder and the validator: features by name, constant expressions, what is
 * marked in bodies for vectors, the forms of memory accesses, the handlers of exceptions. The official
 * suite tests what is valid; this tests what the interpreter relies on. */
#include "wasm_build.h"

static gbx_code
v3_decode(const u8 *sections, size_t len, u64 features_off, wasm_module **out, gbx_err *err)
{
    static const u8 preamble[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    u8 *const copy = gbx_base_alloc(sizeof preamble + len, 1);
    assert_non_null(copy);
    memcpy(copy, preamble, sizeof preamble);
    memcpy(copy + sizeof preamble, sections, len);
    return gbx_wasm_module_new(copy, sizeof preamble + len, features_off, out, err);
}

#define SECTIONS(...) (const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__})

/* The module of these sections, which is accepted. */
static wasm_module *
v3_module(const u8 *sections, size_t len)
{
    wasm_module *m;
    gbx_err err;
    if (v3_decode(sections, len, 0, &m, &err) != GBX_OK) fail_msg("%s", err.text);
    return m;
}

#define TYPE0 1, 4, 1, 0x60, 0, 0
#define FUNC1 3, 2, 1, 0
#define MEMORY1 5, 3, 1, 0, 1

typedef struct v3_feature_row {
    gbx_feature feature;
    u32 len;
    u8 raw[64];
} v3_feature_row;
#define RAW(...) sizeof((const u8[]){__VA_ARGS__}), {__VA_ARGS__}

static const v3_feature_row v3_feature_rows[] = {
    {GBX_FEATURE_BULK_MEMORY, RAW(12, 1, 0)},
    {GBX_FEATURE_BULK_MEMORY, RAW(11, 3, 1, 1, 0)},
    {GBX_FEATURE_BULK_MEMORY,
     RAW(TYPE0, FUNC1, MEMORY1, 10, 13, 1, 11, 0, 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 11, 0, 0x0b)},
    {GBX_FEATURE_MULTI_VALUE, RAW(1, 6, 1, 0x60, 0, 2, 0x7f, 0x7f)},
    {GBX_FEATURE_MULTI_VALUE, RAW(TYPE0, FUNC1, 10, 7, 1, 5, 0, 2, 0, 0x0b, 0x0b)},
    {GBX_FEATURE_REFERENCE_TYPES, RAW(1, 5, 1, 0x60, 1, 0x6f, 0)},
    {GBX_FEATURE_REFERENCE_TYPES, RAW(4, 7, 2, 0x70, 0, 0, 0x70, 0, 0)},
    {GBX_FEATURE_REFERENCE_TYPES, RAW(TYPE0, FUNC1, 10, 7, 1, 5, 0, 0xd0, 0x70, 0x1a, 0x0b)},
    {GBX_FEATURE_SATURATING,
     RAW(TYPE0, FUNC1, 10, 12, 1, 10, 0, 0x43, 0, 0, 0, 0, 0xfc, 0, 0x1a, 0x0b)},
    {GBX_FEATURE_SIGN_EXTENSION, RAW(TYPE0, FUNC1, 10, 8, 1, 6, 0, 0x41, 0, 0xc0, 0x1a, 0x0b)},
    {GBX_FEATURE_SIMD, RAW(1, 5, 1, 0x60, 1, 0x7b, 0)},
    {GBX_FEATURE_SIMD, RAW(TYPE0, FUNC1, 10, 9, 1, 7, 0, 0x41, 0, 0xfd, 15, 0x1a, 0x0b)},
    {GBX_FEATURE_RELAXED_SIMD,
     RAW(TYPE0, FUNC1, 10, 16, 1, 14, 0, 0x41, 0, 0xfd, 15, 0x41, 0, 0xfd, 15, 0xfd, 0x80, 2, 0x1a, 0x0b)},
    {GBX_FEATURE_TAIL_CALL, RAW(TYPE0, FUNC1, 10, 6, 1, 4, 0, 0x12, 0, 0x0b)},
    {GBX_FEATURE_EXTENDED_CONST, RAW(6, 9, 1, 0x7f, 0, 0x41, 1, 0x41, 2, 0x6a, 0x0b)},
    {GBX_FEATURE_MULTI_MEMORY, RAW(5, 5, 2, 0, 1, 0, 1)},
    {GBX_FEATURE_MULTI_MEMORY,
     RAW(TYPE0, FUNC1, MEMORY1, 10, 11, 1, 9, 0, 0x41, 0, 0x28, 0x42, 0, 0, 0x1a, 0x0b)},
    {GBX_FEATURE_MEMORY64, RAW(5, 3, 1, 4, 1)},
    {GBX_FEATURE_MEMORY64, RAW(4, 4, 1, 0x70, 4, 1)},
    {GBX_FEATURE_EXCEPTIONS, RAW(1, 5, 1, 0x60, 1, 0x69, 0)},
    {GBX_FEATURE_EXCEPTIONS, RAW(TYPE0, 13, 3, 1, 0, 0)},
    {GBX_FEATURE_EXCEPTIONS, RAW(TYPE0, 2, 6, 1, 0, 0, 4, 0, 0)},
    {GBX_FEATURE_EXCEPTIONS, RAW(TYPE0, FUNC1, 10, 8, 1, 6, 0, 0x1f, 0x40, 0, 0x0b, 0x0b)},
};

/* Each feature is on, is noted, and is refused by its name where it is off; the others need not be on. */
static void
test_features(void **state)
{
    (void)state;
    u64 seen = 0;
    for (size_t i = 0; i < GBX_LEN(v3_feature_rows); i++) {
        const v3_feature_row *const row = &v3_feature_rows[i];
        u64 const bit = GBX_FEATURE_BIT(row->feature);
        wasm_module *m;
        gbx_err err;
        char words[64];
        if (v3_decode(row->raw, row->len, 0, &m, &err) != GBX_OK) fail_msg("row %zu: %s", i, err.text);
        if (!(m->uses & bit) && row->feature >= GBX_FEATURE_SIMD) fail_msg("row %zu: not noted", i);
        gbx_wasm_module_free(m);
        assert_int_equal(v3_decode(row->raw, row->len, bit, &m, &err), GBX_UNSUPPORTED);
        snprintf(words, sizeof words, "switched off (feature %s)", gbx_feature_name(row->feature));
        if (!strstr(err.text, words)) fail_msg("row %zu: no \"%s\" in: %s", i, words, err.text);
        seen |= bit;
    }
    for (u32 f = 0; f < GBX_FEATURE_COUNT; f++) {
        assert_int_equal(gbx_feature_find(gbx_feature_name((gbx_feature)f)), f);
        assert_int_equal(gbx_feature_supported((gbx_feature)f), (seen >> f & 1) != 0);
    }
    assert_int_equal(gbx_feature_find("none"), GBX_FEATURE_COUNT);
    assert_string_equal(gbx_feature_name(GBX_FEATURE_COUNT), "");
}

/* What the interpreter's choice of dialect rests on. */
static void
test_uses(void **state)
{
    (void)state;
    u64 const wide = GBX_FEATURE_BIT(GBX_FEATURE_SIMD) | GBX_FEATURE_BIT(GBX_FEATURE_MULTI_MEMORY) |
                     GBX_FEATURE_BIT(GBX_FEATURE_MEMORY64) | GBX_FEATURE_BIT(GBX_FEATURE_EXCEPTIONS);
    wasm_module *m = v3_module(SECTIONS(TYPE0, FUNC1, MEMORY1, 10, 8, 1, 6, 0, 0x3f, 0, 0x1a, 1, 0x0b));
    assert_int_equal(m->uses & wide, 0);
    gbx_wasm_module_free(m);
    /* The index 0 in two bytes. */
    m = v3_module(SECTIONS(TYPE0, FUNC1, MEMORY1, 10, 8, 1, 6, 0, 0x3f, 0x80, 0, 0x1a, 0x0b));
    assert_int_equal(m->uses & wide, GBX_FEATURE_BIT(GBX_FEATURE_MULTI_MEMORY));
    gbx_wasm_module_free(m);
    m = v3_module(SECTIONS(4, 4, 1, 0x70, 4, 1));
    assert_int_equal(m->uses & wide, GBX_FEATURE_BIT(GBX_FEATURE_MEMORY64));
    gbx_wasm_module_free(m);
}

static wasm_value
v3_global_get(void *data, u32 global_idx)
{
    return ((const wasm_value *)data)[global_idx];
}

static u64
v3_func_ref(void *data, u32 func_idx)
{
    (void)data;
    return func_idx;
}


/* Globals name earlier ones, whether imported or not, and a vector has two halves. */
static void
test_constants(void **state)
{
    (void)state;
    build b = {0}, s = {0};
    BUILD(&s, 4);
    BUILD(&s, WASM_I64, 0, OP_I64_CONST, 5, OP_END);
    BUILD(&s, WASM_V128, 0, OP_PREFIX_FD, OP_FD_V128_CONST, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
          16, OP_END);
    BUILD(&s, WASM_I64, 0, OP_GLOBAL_GET, 0, OP_I64_CONST, 7, OP_I64_MUL, OP_I64_CONST, 1, OP_I64_SUB, OP_END);
    BUILD(&s, WASM_V128, 0, OP_GLOBAL_GET, 1, OP_END);
    build_section(&b, 6, &s);
    wasm_module *const m = v3_module(b.data, b.len);
    wasm_value values[4] = {0};
    wasm_const_env const env = {v3_global_get, v3_func_ref, values};
    for (u32 i = 0; i < 4; i++) values[i] = gbx_wasm_const_eval(m, m->globals[i].init, &env);
    assert_int_equal(values[0].low, 5);
    assert_true(values[1].low == 0x0807060504030201 && values[1].high == 0x100f0e0d0c0b0a09);
    assert_int_equal(values[2].low, 34);
    assert_memory_equal(&values[3], &values[1], sizeof values[1]);
    gbx_wasm_module_free(m);
    build_free(&b);
}

/* ---- Bodies */

/* A module of one type (given as bytes), one function of it, and what stands between them. */
static wasm_module *
v3_body(const u8 *type, size_t type_len, const u8 *between, size_t between_len, const u8 *body, size_t len)
{
    build b = {0}, s = {0}, code = {0};
    BUILD(&s, 1, 0x60);
    build_bytes(&s, type, type_len);
    build_section(&b, 1, &s);
    BUILD(&b, FUNC1);
    build_bytes(&b, between, between_len);
    build_u32(&code, len);
    build_bytes(&code, body, len);
    BUILD(&s, 1);
    build_bytes(&s, code.data, code.len);
    build_section(&b, 10, &s);
    wasm_module *const m = v3_module(b.data, b.len);
    build_free(&b);
    build_free(&code);
    return m;
}

/* The bytes of the opcodes in function 0 are these, each in its place. */
static void
v3_expect_opcodes(wasm_module *m, const u8 *want, size_t count)
{
    gbx_wasm_fuse_undo(m);
    const u8 *pc = m->bytes + m->codes[0].insns_off;
    const u8 *const end = m->bytes + m->codes[0].body_end;
    for (size_t i = 0; i < count; i++, pc += gbx_wasm_insn_len(m, pc)) {
        assert_true(pc < end);
        if (*pc != want[i]) fail_msg("opcode %zu is 0x%02x, not 0x%02x", i, *pc, want[i]);
    }
    assert_ptr_equal(pc, end);
}

/* Whatever moves an operand of any type tells that it is a vector; the same with numbers does not. */
static void
test_vector_marks(void **state)
{
    (void)state;
    static const u8 between[] = {6, 22, 1, WASM_V128, 1, 0xfd, 12, 0, 0, 0, 0, 0, 0, 0, 0,
                                 0, 0,  0, 0,         0, 0,    0,  0, 0x0b};
    /* (i32, v128) -> (v128), one i32 and one v128 as locals */
    wasm_module *m = v3_body(
            SECTIONS(2, WASM_I32, WASM_V128, 1, WASM_V128), between, sizeof between,
            SECTIONS(2, 1, WASM_I32, 1, WASM_V128,
                     OP_LOCAL_GET, 0, OP_LOCAL_SET, 2, OP_LOCAL_GET, 1, OP_LOCAL_TEE, 3, OP_GLOBAL_SET, 0,
                     OP_LOCAL_GET, 1, OP_GLOBAL_GET, 0, OP_LOCAL_GET, 2, OP_SELECT, OP_LOCAL_SET, 0x81, 0,
                     OP_LOCAL_GET, 1, OP_LOCAL_GET, 3, OP_LOCAL_GET, 0, OP_SELECT_T, 1, WASM_V128, OP_DROP,
                     OP_I32_CONST, 1, OP_I32_CONST, 2, OP_LOCAL_GET, 0, OP_SELECT, OP_DROP,
                     OP_LOCAL_GET, 1, OP_RETURN, OP_END));
    static const u8 want[] = {
        OP_LOCAL_GET, OP_LOCAL_SET, FUSED_LOCAL_GET_V, FUSED_LOCAL_TEE_V, FUSED_GLOBAL_SET_V,
        FUSED_LOCAL_GET_V, FUSED_GLOBAL_GET_V, OP_LOCAL_GET, FUSED_SELECT_V, FUSED_LOCAL_SET_V,
        FUSED_LOCAL_GET_V, FUSED_LOCAL_GET_V, OP_LOCAL_GET, OP_SELECT_T, OP_DROP,
        OP_I32_CONST, OP_I32_CONST, OP_LOCAL_GET, OP_SELECT, OP_DROP,
        FUSED_LOCAL_GET_V, OP_RETURN, OP_RETURN};
    v3_expect_opcodes(m, want, sizeof want);
    assert_true(m->codes[0].has_v128 && m->types[0].has_v128);
    gbx_wasm_module_free(m);

    m = v3_body(SECTIONS(0, 1, WASM_I32), NULL, 0, SECTIONS(0, OP_I32_CONST, 1, OP_RETURN, OP_END));
    v3_expect_opcodes(m, (const u8[]){OP_I32_CONST, FUSED_RETURN1, FUSED_RETURN1}, 3);
    assert_false(m->codes[0].has_v128 || m->types[0].has_v128);
    gbx_wasm_module_free(m);
    /* A vector that is an operand only. */
    m = v3_body(SECTIONS(0, 0), NULL, 0,
                SECTIONS(0, OP_I32_CONST, 1, OP_PREFIX_FD, OP_FD_I32X4_SPLAT, OP_DROP, OP_END));
    assert_true(m->codes[0].has_v128);
    gbx_wasm_module_free(m);
}

/* A branch that slides values tells where a vector is among them. */
static void
test_vector_shuffle(void **state)
{
    (void)state;
    wasm_module *m = v3_body(
            SECTIONS(0, 0), NULL, 0,
            SECTIONS(0, OP_BLOCK, WASM_V128, OP_I32_CONST, 1, OP_I32_CONST, 1, OP_PREFIX_FD,
                     OP_FD_I32X4_SPLAT, OP_BR, 0, OP_END, OP_DROP,
                     OP_BLOCK, WASM_I32, OP_I32_CONST, 1, OP_I32_CONST, 1, OP_BR, 0, OP_END, OP_DROP, OP_END));
    assert_int_equal(m->codes[0].side[0].shuffle, WASM_SIDE_V128 | 1 << 10 | 1);
    assert_int_equal(WASM_SIDE_DROP(m->codes[0].side[0].shuffle), 1);
    assert_int_equal(WASM_SIDE_KEEP(m->codes[0].side[0].shuffle), 1);
    assert_int_equal(m->codes[0].side[1].shuffle, 1 << 10 | 1);
    gbx_wasm_module_free(m);
}

/* Immediates of every form have the length that validation read. */
static void
test_lengths(void **state)
{
    (void)state;
    wasm_module *m = v3_body(
            SECTIONS(0, 0), SECTIONS(5, 6, 2, 0, 1, 4, 0x80, 1),
            SECTIONS(0, OP_I32_CONST, 0, OP_I32_LOAD, 0x42, 0, 0x80, 1, OP_DROP,
                     OP_I64_CONST, 0, OP_I64_LOAD, 0xc3, 0x80, 0, 0x81, 0, 5, OP_DROP,
                     OP_I64_CONST, 0, OP_I32_LOAD, 0x40, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
                     OP_DROP,
                     OP_I64_CONST, 0, OP_I32_CONST, 1, OP_PREFIX_FD, OP_FD_I32X4_SPLAT,
                     OP_PREFIX_FD, OP_FD_V128_LOAD32_LANE, 0xc2, 0x80, 0, 1, 9, 3, OP_DROP,
                     OP_MEMORY_SIZE, 1, OP_DROP,
                     OP_I32_CONST, 0, OP_I64_CONST, 0, OP_I32_CONST, 0, OP_PREFIX_FC, OP_FC_MEMORY_COPY, 0, 1,
                     OP_END));
    const u8 *const at = m->bytes + m->codes[0].insns_off;
    static const u8 want[] = {
        OP_I32_CONST, OP_I32_LOAD, OP_DROP, OP_I64_CONST, OP_I64_LOAD, OP_DROP, OP_I64_CONST, OP_I32_LOAD, OP_DROP,
        OP_I64_CONST, OP_I32_CONST, OP_PREFIX_FD, OP_PREFIX_FD, OP_DROP, OP_MEMORY_SIZE, OP_DROP,
        OP_I32_CONST, OP_I64_CONST, OP_I32_CONST, OP_PREFIX_FC, OP_RETURN};
    v3_expect_opcodes(m, want, sizeof want);
    /* Surplus bytes of flags went behind the memory, into the offset. */
    assert_memory_equal(at + 10, ((const u8[]){OP_I64_LOAD, 0x43, 0x81, 0, 0x85, 0x80, 0, OP_DROP}), 8);
    gbx_wasm_module_free(m);
}

/* ---- Exceptions */

/* Where clause `c` of `t` leads, from its entry of the side table. */
static u32
v3_clause_target(const wasm_code *code, const wasm_try *t, u32 c)
{
    const wasm_side *const e = &code->side[code->catches[t->catch_first + c].side];
    assert_int_equal(e->shuffle, 0);
    return (u32)((i64)t->origin + e->pc_delta) - code->insns_off;
}

static void
test_handlers(void **state)
{
    (void)state;
    /* tag 0: (i32, i64); the function gives an i32 */
    build b = {0}, s = {0};
    BUILD(&s, 2, 0x60, 2, WASM_I32, WASM_I64, 0, 0x60, 0, 1, WASM_I32);
    build_section(&b, 1, &s);
    BUILD(&b, 3, 2, 1, 1, 13, 3, 1, 0, 0);
    static const u8 body[] = {
        0,
        /* 0 */ OP_I32_CONST, 7,
        /* 2 */ OP_BLOCK, WASM_EXNREF,
        /* 4 */ OP_I32_CONST, 8,
        /* 6 */ OP_TRY_TABLE, 0x40, 1, WASM_CATCH_ALL_REF, 0, /* to the block, above 7: height 1 */
        /* 11 */ OP_LOOP, 0x40,
        /* 13 */ OP_TRY_TABLE, 0x40, 2, WASM_CATCH_ALL, 0, WASM_CATCH_ALL, 1, /* the loop; the outer try_table */
        /* 20 */ OP_I32_CONST, 1, OP_I64_CONST, 2, OP_THROW, 0,
        /* 26 */ OP_END,
        /* 27 */ OP_END,
        /* 28 */ OP_NOP,
        /* 29 */ OP_END,
        /* 30 */ OP_DROP,
        /* 31 */ OP_REF_NULL, WASM_EXNREF,
        /* 33 */ OP_END,
        /* 34 */ OP_THROW_REF,
        /* 35 */ OP_END,
    };
    BUILD(&s, 1, sizeof body);
    build_bytes(&s, body, sizeof body);
    build_section(&b, 10, &s);
    wasm_module *const m = v3_module(b.data, b.len);
    const wasm_code *const c = &m->codes[0];
    u32 const off = c->insns_off;
    assert_int_equal(c->try_count, 2);
    const wasm_try *const inner = &c->tries[0], *const outer = &c->tries[1];
    assert_true(inner->begin == off + 20 && inner->end == off + 26 && inner->origin == off + 14);
    assert_true(outer->begin == off + 11 && outer->end == off + 29 && outer->origin == off + 7);
    assert_int_equal(inner->catch_count, 2);
    assert_int_equal(outer->catch_count, 1);
    const wasm_catch *const clauses = c->catches;
    assert_int_equal(clauses[outer->catch_first].kind, WASM_CATCH_ALL_REF);
    assert_int_equal(clauses[outer->catch_first].height, 1);
    assert_int_equal(clauses[inner->catch_first].height, 2);
    assert_int_equal(v3_clause_target(c, outer, 0), 34); /* behind the block: throw_ref */
    assert_int_equal(v3_clause_target(c, inner, 0), 13); /* the loop's head */
    assert_int_equal(v3_clause_target(c, inner, 1), 30); /* behind the outer try_table */
    /* Running on: each try_table has one entry that leads over its immediates, and its clauses'. */
    assert_true(c->side[0].pc_delta == 4 && c->side[0].side_delta == 2);
    assert_true(c->side[2].pc_delta == 6 && c->side[2].side_delta == 3);
    /* A loop's clause comes back before the inner try_table's entries. */
    const wasm_side *const again = &c->side[clauses[inner->catch_first].side];
    assert_ptr_equal(again + again->side_delta, &c->side[2]);
    assert_int_equal(m->tag_count, 1);
    gbx_wasm_module_free(m);
    build_free(&b);
}

/* What clauses hand over counts as operands, even where nothing else is ever pushed. */
static void
test_handler_room(void **state)
{
    (void)state;
    wasm_module *const m = v3_body(
            SECTIONS(0, 1, WASM_EXNREF), NULL, 0,
            SECTIONS(0, OP_TRY_TABLE, 0x40, 1, WASM_CATCH_ALL_REF, 0, OP_END, OP_UNREACHABLE, OP_END));
    assert_int_equal(m->codes[0].stack_max, 1);
    gbx_wasm_module_free(m);
}

int
main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(test_features), cmocka_unit_test(test_uses), cmocka_unit_test(test_constants),
        cmocka_unit_test(test_vector_marks), cmocka_unit_test(test_vector_shuffle),
        cmocka_unit_test(test_lengths), cmocka_unit_test(test_handlers), cmocka_unit_test(test_handler_room),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
