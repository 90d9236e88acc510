/* unstable/inspect.h: instructions as text, machine code and what it belongs to, for hand-made bodies; and
 * what happens when memory runs out at any allocation. */
#include "gbx/unstable/inspect.h"
#include "wasm_build.h"

typedef struct inspect_case {
    gbx_engine *engine;
    gbx_module *module;
    gbx_inspect *in;
} inspect_case;

static const build_func imports[] = {{"i", "", "", NULL, 0}};

/* f1: a loop that loads, compares, goes round and calls. f2: what the compiler lacks. f3: indices. */
static const u8 loop_body[] = {
        OP_BLOCK, 0x40, OP_LOOP, 0x40,                                     /* 0, 2 */
        OP_LOCAL_GET, 0, OP_I32_LOAD, 2, 16, OP_BR_IF, 0,                  /* 4, 6, 9 */
        OP_LOCAL_GET, 0, OP_BR_TABLE, 1, 0, 1, OP_END, OP_END,             /* 11, 13, 17, 18 */
        OP_LOCAL_GET, 0, OP_CALL, 0,                                       /* 19, 21 */
        OP_I64_CONST, 0x7f, OP_END,                                        /* 23, 25 */
};
static const u8 simd_body[] = {OP_PREFIX_FD, 0x0c, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
                               OP_DROP, OP_END};
static const u8 misc_body[] = {
        OP_I32_CONST, 0, OP_IF, WASM_F64, OP_F64_CONST, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f, OP_ELSE,
        OP_F64_CONST, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, OP_END, OP_DROP,
        OP_REF_NULL, WASM_FUNCREF, OP_DROP, OP_I32_CONST, 1, OP_I32_CONST, 2, OP_CALL_INDIRECT, 0, 0,
        OP_GLOBAL_GET, 1, OP_GLOBAL_SET, 1, OP_I32_CONST, 0, OP_I32_CONST, 0, OP_I32_CONST, 0,
        OP_PREFIX_FC, OP_FC_MEMORY_FILL, 0, OP_END,
};
static const build_func funcs[] = {{"i", "l", "", loop_body, sizeof loop_body},
                                   {"", "", "", simd_body, sizeof simd_body},
                                   {"", "", "", misc_body, sizeof misc_body}};
static const build_module inspected = {.import_from = "m", .imports = imports, .import_count = 1,
                                       .funcs = funcs, .func_count = 3, .pages = 1, .globals = "li"};

static gbx_code
case_open(inspect_case *c, gbx_err *err)
{
    build bytes = build_whole(&inspected);
    gbx_bytes const wasm = {bytes.data, bytes.len};
    *c = (inspect_case){0};
    gbx_code code = gbx_engine_new(NULL, &c->engine, err);
    if (code == GBX_OK) code = gbx_module_compile(c->engine, wasm, NULL, &c->module, err);
    if (code == GBX_OK) code = gbx_inspect_new(c->module, &c->in, err);
    build_free(&bytes);
    return code;
}

static void
case_close(inspect_case *c)
{
    gbx_module_release(c->module); /* the inspect keeps it */
    gbx_engine_release(c->engine);
    gbx_inspect_release(c->in);
}

static inspect_case
case_new(void)
{
    inspect_case c;
    gbx_err err;
    if (case_open(&c, &err) != GBX_OK) fail_msg("%s", err.text);
    return c;
}

static gbx_inspect_info
info_of(inspect_case *c, uint32_t func_idx)
{
    gbx_inspect_info info;
    gbx_err err;
    if (gbx_inspect_func(c->in, func_idx, &info, &err) != GBX_OK) fail_msg("%s", err.text);
    return info;
}

typedef struct want_insn {
    uint32_t at, depth;
    const char *text, *comment;
} want_insn;

/* Comments may have %x, which is the offset of instruction `label` of the body. */
static void
expect_insns(inspect_case *c, uint32_t func_idx, const want_insn *want, size_t count)
{
    gbx_inspect_info const info = info_of(c, func_idx);
    gbx_inspect_insn insn;
    uint32_t at = info.offset + 1; /* behind an empty list of locals */
    for (size_t i = 0; i < count; i++) {
        assert_true(gbx_inspect_next(c->in, &insn));
        assert_int_equal(insn.offset, at);
        assert_string_equal(insn.text, want[i].text);
        assert_int_equal(insn.depth, want[i].depth);
        assert_int_equal(insn.offset - info.offset - 1, want[i].at);
        if (want[i].comment) assert_string_equal(insn.comment, want[i].comment);
        at += insn.bytes;
    }
    assert_false(gbx_inspect_next(c->in, &insn));
    assert_int_equal(at, info.offset + info.bytes);
}

static void
test_text(void **state)
{
    (void)state;
    inspect_case c = case_new();
    static const want_insn loop[] = {
            {0, 0, "block", ""}, {2, 1, "loop", ""}, {4, 2, "local.get 0", ""},
            {6, 2, "i32.load offset=16", ""}, {9, 2, "br_if 0", NULL}, {11, 2, "local.get 0", ""},
            {13, 2, "br_table 0 1", NULL}, {17, 1, "end", ""}, {18, 0, "end", ""},
            {19, 0, "local.get 0", ""}, {21, 0, "call 0", "fn0"}, {23, 0, "i64.const -1", ""}, {25, 0, "end", ""},
    };
    expect_insns(&c, 1, loop, GBX_LEN(loop));
    static const want_insn simd[] = {
            {0, 0, "v128.const i8x16 0x01 0x02 0x03 0x04 0x05 0x06 0x07 0x08 0x09 0x0a 0x0b 0x0c 0x0d 0x0e "
                   "0x0f 0x10", ""},
            {18, 0, "drop", ""}, {19, 0, "end", ""}};
    expect_insns(&c, 2, simd, GBX_LEN(simd));
    static const want_insn misc[] = {
            {0, 0, "i32.const 0", ""}, {2, 0, "if (result f64)", ""},
            {4, 1, "f64.const nan", "0x7ff8000000000000"}, {13, 0, "else", ""}, {14, 1, "f64.const 1.5", ""},
            {23, 0, "end", ""}, {24, 0, "drop", ""}, {25, 0, "ref.null func", ""}, {27, 0, "drop", ""},
            {28, 0, "i32.const 1", ""}, {30, 0, "i32.const 2", ""},
            {32, 0, "call_indirect 0 (type 0)", "(i32) -> ()"}, {35, 0, "global.get 1", ""},
            {37, 0, "global.set 1", ""}, {39, 0, "i32.const 0", ""}, {41, 0, "i32.const 0", ""},
            {43, 0, "i32.const 0", ""}, {45, 0, "memory.fill", ""}, {48, 0, "end", ""}};
    expect_insns(&c, 3, misc, GBX_LEN(misc));
    case_close(&c);
}

/* Where labels lead: the loop begins with instruction 2 of the body, the block around it with 0. */
static void
test_labels(void **state)
{
    (void)state;
    inspect_case c = case_new();
    uint32_t const body = info_of(&c, 1).offset + 1;
    char want[80];
    gbx_inspect_insn insn;
    while (gbx_inspect_next(c.in, &insn)) {
        if (!strcmp(insn.text, "br_if 0")) {
            snprintf(want, sizeof want, "to 0x%x", body + 2);
            assert_string_equal(insn.comment, want);
        } else if (!strcmp(insn.text, "br_table 0 1")) {
            snprintf(want, sizeof want, "to 0x%x, out of 0x%x; 1 and a default", body + 2, body);
            assert_string_equal(insn.comment, want);
        }
    }
    assert_string_equal(want + strlen(want) - 7, "default");
    case_close(&c);
}

static void
test_code(void **state)
{
    (void)state;
    inspect_case c = case_new();
    gbx_inspect_info const info = info_of(&c, 1);
    size_t lines, marks, facts;
    const gbx_inspect_line *const line = gbx_inspect_lines(c.in, &lines);
    const gbx_inspect_mark *const mark = gbx_inspect_marks(c.in, &marks);
    const gbx_inspect_fact *const fact = gbx_inspect_facts(c.in, &facts);
    assert_null(info.beyond);
    assert_string_equal(info.name, "fn1");
    assert_string_equal(info.signature, "(i32) -> (i64)");
    assert_true(info.code.len > 0 && info.blocks >= 3 && info.general < info.code.len);
    assert_true(info.tables <= info.code.len && info.cold <= info.tables);
    assert_true(lines > 4);
    assert_int_equal(line[0].code_offset, info.fresh < info.general ? info.fresh : info.general);
    bool has_load = false; /* the load is an operand of the branch behind it */
    for (size_t i = 0; i < lines; i++) {
        assert_true(line[i].code_offset < info.code.len);
        if (i) assert_true(line[i].code_offset >= line[i - 1].code_offset);
        if (line[i].offset == GBX_INSPECT_NONE) continue;
        assert_true(line[i].offset > info.offset && line[i].offset < info.offset + info.bytes);
        has_load = has_load || line[i].offset == info.offset + 1 + 9;
    }
    assert_true(has_load);
    bool may_trap = false;
    for (size_t i = 0; i < marks; i++)
        may_trap = may_trap || !strcmp(mark[i].text, "may trap: memory-out-of-bounds");
    assert_true(may_trap);
    size_t blocks = 0;
    for (size_t i = 0; i < facts; i++) blocks += fact[i].offset != GBX_INSPECT_NONE;
    assert_int_equal(blocks, info.blocks);
    case_close(&c);
}

static void
test_beyond(void **state)
{
    (void)state;
    inspect_case c = case_new();
    gbx_inspect_info const info = info_of(&c, 2);
    size_t lines, facts;
    assert_string_equal(info.beyond, "simd");
    assert_int_equal(info.code.len, 0);
    (void)gbx_inspect_lines(c.in, &lines);
    assert_int_equal(lines, 0);
    (void)gbx_inspect_facts(c.in, &facts);
    assert_true(facts > 1);
    case_close(&c);
}

static void
test_arguments(void **state)
{
    (void)state;
    inspect_case c = case_new();
    gbx_inspect_info info;
    gbx_inspect_insn insn;
    gbx_inspect *none;
    size_t count = 1;
    assert_int_equal(gbx_inspect_func_count(c.in), 4);
    assert_int_equal(gbx_inspect_import_count(c.in), 1);
    assert_string_equal(gbx_inspect_name(c.in, 4), "");
    assert_false(gbx_inspect_next(c.in, &insn)); /* no function yet */
    assert_null(gbx_inspect_facts(c.in, &count));
    assert_int_equal(count, 0);
    assert_int_equal(gbx_inspect_func(c.in, 0, &info, NULL), GBX_ARGUMENT);
    assert_int_equal(gbx_inspect_func(c.in, 4, &info, NULL), GBX_ARGUMENT);
    assert_int_equal(gbx_inspect_func(c.in, 1, NULL, NULL), GBX_ARGUMENT);
    assert_int_equal(gbx_inspect_new(NULL, &none, NULL), GBX_ARGUMENT);
    assert_int_equal(gbx_inspect_new(c.module, NULL, NULL), GBX_ARGUMENT);
    gbx_inspect_release(NULL);
    case_close(&c);
}

/* Everything once, with the n-th allocation failing, for every n. */
static void
test_no_memory(void **state)
{
    (void)state;
    inspect_case c = case_new();
    bool is_done = false;
    for (u32 n = 1; !is_done; n++) {
        gbx_inspect *in = NULL;
        gbx_inspect_info info;
        gbx_inspect_insn insn;
        size_t count;
        gbx_base_fault_arm(n);
        gbx_code code = gbx_inspect_new(c.module, &in, NULL);
        for (uint32_t i = 3; code == GBX_OK && i; i--) code = gbx_inspect_func(in, i, &info, NULL);
        while (code == GBX_OK && gbx_inspect_next(in, &insn)) assert_true(*insn.text);
        if (code == GBX_OK) (void)gbx_inspect_facts(in, &count);
        if (code == GBX_OK) (void)gbx_inspect_lines(in, &count);
        if (code == GBX_OK) (void)gbx_inspect_marks(in, &count);
        is_done = gbx_base_fault_count() < n;
        gbx_base_fault_arm(0);
        if (code != GBX_OK) assert_int_equal(code, GBX_NO_MEMORY);
        gbx_inspect_release(in);
        assert_true(n < 1000);
    }
    case_close(&c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_text),      cmocka_unit_test(test_labels),    cmocka_unit_test(test_code),
            cmocka_unit_test(test_beyond),    cmocka_unit_test(test_arguments), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
