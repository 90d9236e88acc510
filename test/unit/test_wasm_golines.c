/* Go's table of functions, files and lines: read in both forms, at every offset of a function, with damage in
 * any place. What Go's own linker writes is tested in test/api/test_reactor.c and test/cli. */
#include "wasm_build.h"

#include "wasm/golines.h"

enum { AT = 0x203, WORK = 2, NAMELESS = 3, PIECES = 5 };

/* The second function as Go's compiler lays one out: a br_table into three pieces, two of which end in a call
 * that is announced by the PC behind it. NOPs mark the middle of pieces. */
#define PC(block) OP_I64_CONST, 0x80 | ((block) & 0x7f), 0x80, 0x84, 0x80, 0x01 /* 0x1001 << 16 | block */
#define CALL(block) OP_I32_CONST, 8, PC(block), OP_I64_STORE, 3, 0, OP_CALL, 1, OP_DROP
static const u8 work[] = {
        OP_LOOP, 0x40, OP_BLOCK, 0x40, OP_BLOCK, 0x40, OP_BLOCK, 0x40,
        OP_LOCAL_GET, 0, OP_BR_TABLE, 4, 0, 0, 1, 1, 2, OP_END,
        OP_NOP, OP_BLOCK, 0x40, OP_NOP, OP_END, CALL(2), OP_END,
        OP_NOP, CALL(4), OP_END,
        OP_NOP, OP_END, OP_END,
};

static void
put_fixed(build *b, u64 v, u32 bytes)
{
    for (u32 i = 0; i < bytes; i++) BUILD(b, (u8)(v >> 8 * i));
}

/* What a part of the table is preceded by, so that nothing of it begins at 0. */
#define PAD 4

typedef struct parts {
    build names, units, files, values, funcs;
} parts;

/* runtime._func, of 44 bytes. */
static void
put_func(build *b, u32 entry, u32 name, u32 pcfile, u32 pcln, u32 unit, u32 line)
{
    u32 const words[] = {entry, name, 0, 0, 0, pcfile, pcln, 0, unit, line, 0};
    for (u32 i = 0; i < GBX_LEN(words); i++) put_fixed(b, words[i], 4);
}

static parts
table_parts(u32 shift)
{
    parts p = {0};
    build_bytes(&p.names, "\0\0\0\0main.(*t).work\0main.\033none", 29);
    put_fixed(&p.units, 0, PAD);
    put_fixed(&p.units, PAD, 4);           /* of the unit that begins at 1: its files 0 and 1 */
    put_fixed(&p.units, PAD + 8, 4);
    build_bytes(&p.files, "\0\0\0\0/a/a.go\0/b/b.go", 19);
    put_fixed(&p.values, 0, PAD);
    BUILD(&p.values, 22, 1, 2, 1, 18, 1, 2, 1, 18, 1, 0); /* lines 10, 11, 20, 21, 30 */
    BUILD(&p.values, 2, 2, 2, 3, 0);                      /* files 0 and 1 */
    u32 const first = 0x1000, at = 3 * 8 + 4;
    for (u32 i = 0; i < 3; i++) {
        put_fixed(&p.funcs, (u64)(first + i) << shift, 4);
        put_fixed(&p.funcs, at + 44 * (u64)i, 4);
    }
    put_fixed(&p.funcs, (u64)(first + 2) << shift, 4);
    put_func(&p.funcs, first << shift, PAD, PAD + 11, PAD, 1, 5);
    put_func(&p.funcs, (first + 1) << shift, PAD, PAD + 11, PAD, 1, 9);
    put_func(&p.funcs, (first + 2) << shift, PAD + 15, PAD + 11, 0, 1, 77); /* no lines */
    return p;
}

static build
table_image(u32 shift)
{
    static const u8 magic[] = {0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8};
    parts p = table_parts(shift);
    build *const all[] = {&p.names, &p.units, &p.files, &p.values, &p.funcs};
    build b = {0};
    build_bytes(&b, magic, sizeof magic);
    put_fixed(&b, 3, 8);
    put_fixed(&b, 2, 8);
    put_fixed(&b, 0, 8);
    u64 at = 72;
    for (u32 i = 0; i < GBX_LEN(all); i++) {
        put_fixed(&b, at, 8);
        at += all[i]->len;
    }
    for (u32 i = 0; i < GBX_LEN(all); i++) {
        build_bytes(&b, all[i]->data, all[i]->len);
        build_free(all[i]);
    }
    return b;
}

static void
put_segment(build *b, u64 at, const u8 *data, size_t len)
{
    BUILD(b, 0, OP_I32_CONST);
    build_i64(b, (i64)at);
    BUILD(b, OP_END);
    build_u32(b, len);
    build_bytes(b, data, len);
}

/* Data as Go's linker writes it: runs of zeros are left out. Something that begins like a table stands before. */
static void
put_data(build *b, const build *image)
{
    static const u8 decoy[] = {7, 0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8, 9, 9, 9, 9, 9, 9, 9, 9};
    build s = {0}, data = {0};
    u32 count = 1;
    put_segment(&data, 8, decoy, sizeof decoy);
    for (size_t from = 0, to = 0, zeros = 0; to <= image->len; to++) {
        bool const is_end = to == image->len;
        if (!is_end && image->data[to]) {
            if (zeros >= 8) from = to;
            zeros = 0;
            continue;
        }
        zeros++;
        if ((zeros == 8 || (is_end && zeros <= 8)) && to + 1 - zeros > from) {
            put_segment(&data, AT + from, image->data + from, to + 1 - zeros - from);
            count++;
        }
    }
    build_u32(&s, count);
    build_bytes(&s, data.data, data.len);
    build_free(&data);
    build_section(b, 11, &s);
}

static wasm_module *
table_module(u32 shift)
{
    build_func const imports[] = {{"", "", "", NULL, 0}};
    build_func const funcs[] = {{"", "i", "", BODY(OP_I32_CONST, 0, OP_END)},
                                       {"i", "", "", work, sizeof work},
                                       {"", "", "", BODY(OP_NOP, OP_END)},
                                       {"", "", "", BODY(OP_NOP, OP_END)}};
    build b = build_whole(&(build_module){.import_from = "h",
                                          .imports = imports,
                                          .import_count = 1,
                                          .funcs = funcs,
                                          .func_count = GBX_LEN(funcs),
                                          .pages = 1});
    build image = table_image(shift);
    put_data(&b, &image);
    build_free(&image);
    wasm_module *m;
    gbx_err err;
    if (gbx_wasm_module_new(b.data, b.len, 0, &m, &err) != GBX_OK) fail_msg("%s", err.text);
    return m;
}

static const char *
text_of(const wasm_module *m, const go_table *t, u64 at)
{
    static char buf[64];
    buf[gbx_wasm_go_text(m, t, at, buf, sizeof buf - 1)] = 0;
    return buf;
}

static go_place
place_of(const wasm_module *m, const go_table *t, u32 func_idx, u32 insn)
{
    go_place p;
    u64 budget = 1 << 20;
    u32 const from = m->codes[func_idx - m->imported_funcs].insns_off;
    assert_true(gbx_wasm_go_place(m, t, func_idx, from + insn, &budget, &p));
    return p;
}

/* The nth nop of `work`. */
static u32
nop(const wasm_module *m, u32 nth)
{
    const u8 *const from = m->bytes + m->codes[WORK - m->imported_funcs].insns_off;
    const u8 *pc = from;
    for (; gbx_wasm_unfuse[m->fuse_set][*pc] != OP_NOP || nth--; pc += gbx_wasm_insn_len(m, pc))
        assert_in_range(pc - from, 0, sizeof work - 1);
    return (u32)(pc - from);
}

static void
test_places(void **state)
{
    (void)state;
    wasm_module *const any = table_module(0);
    u32 const nop0 = nop(any, 0), nop2 = nop(any, 2), nop3 = nop(any, 3);
    gbx_wasm_module_free(any);
    const struct {
        u32 insn, line;
        go_line_kind kind;
        const char *file;
    } rows[] = {
            {0, 10, GO_LINE_NEAR, "/a/a.go"},
            {nop0, 10, GO_LINE_NEAR, "/a/a.go"},
            {nop0 + 3, 10, GO_LINE_NEAR, "/a/a.go"},
            {nop2 - 4, 11, GO_LINE_CALL, "/a/a.go"},
            {nop2, 20, GO_LINE_NEAR, "/b/b.go"},
            {nop3 - 4, 21, GO_LINE_CALL, "/b/b.go"},
            {nop3, 30, GO_LINE_NEAR, "/b/b.go"},
            {sizeof work - 1, 30, GO_LINE_NEAR, "/b/b.go"},
    };
    for (u32 shift = 0; shift <= 16; shift += 16) {
        wasm_module *const m = table_module(shift);
        go_table t;
        assert_true(gbx_wasm_go_find(m, &t));
        assert_int_equal(t.at, AT);
        assert_int_equal(t.entry_shift, shift);
        for (u32 i = 0; i < GBX_LEN(rows); i++) {
            go_place const p = place_of(m, &t, WORK, rows[i].insn);
            if (p.line != rows[i].line || p.kind != rows[i].kind) fail_msg("row %u: line %u, %d", i, p.line, p.kind);
            assert_string_equal(text_of(m, &t, p.file_at), rows[i].file);
            assert_string_equal(text_of(m, &t, p.name_at), "main.(*t).work");
        }
        gbx_wasm_module_free(m);
    }
}

/* Where no line can be had it is the function's; where there is no function, nothing. */
static void
test_what_is_missing(void **state)
{
    (void)state;
    wasm_module *const m = table_module(0);
    go_table t, none;
    go_place p;
    u64 budget = 1 << 20, little = sizeof work - 1;
    assert_true(gbx_wasm_go_find(m, &t));
    p = place_of(m, &t, NAMELESS, 0);
    assert_int_equal(p.kind, GO_LINE_FUNC);
    assert_int_equal(p.line, 77);
    assert_string_equal(text_of(m, &t, p.file_at), "/a/a.go");
    assert_string_equal(text_of(m, &t, p.name_at), "main.\033none");
    assert_true(gbx_wasm_go_place(m, &t, WORK, m->codes[1].insns_off, &little, &p));
    assert_int_equal(p.kind, GO_LINE_FUNC);
    assert_int_equal(p.line, 9);
    assert_int_equal(little, sizeof work - 1);
    u32 idx;
    assert_true(gbx_wasm_go_return(m, &t, 0x10010004, &idx, &p));
    assert_int_equal(idx, WORK);
    assert_int_equal(p.line, 21);
    assert_int_equal(p.kind, GO_LINE_CALL);
    assert_false(gbx_wasm_go_return(m, &t, 0x10030001, &idx, &p)); /* behind the table */
    assert_false(gbx_wasm_go_return(m, &t, 0x10040001, &idx, &p)); /* behind the module's functions */
    assert_false(gbx_wasm_go_return(m, &t, 0x0fff0001, &idx, &p));
    assert_false(gbx_wasm_go_place(m, &t, 0, 0, &budget, &p)); /* an import */
    assert_false(gbx_wasm_go_place(m, &t, 4, 0, &budget, &p)); /* behind the table */
    assert_int_equal(budget, 1 << 20);
    assert_true(gbx_wasm_go_place(m, &t, WORK, UINT32_MAX, &budget, &p));
    assert_int_equal(p.kind, GO_LINE_FUNC);
    none = (go_table){0};
    assert_false(gbx_wasm_go_place(m, &none, WORK, m->codes[1].insns_off, &budget, &p));
    m->data_count = 1; /* the decoy alone */
    assert_false(gbx_wasm_go_find(m, &none));
    gbx_wasm_module_free(m);
}

static u64
next_random(u64 *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

/* Everything that can be asked of a table, whatever it is. */
static u64
ask_all(const wasm_module *m)
{
    go_table t;
    go_place p;
    u64 sum = 0, budget = UINT64_MAX;
    char buf[2000];
    if (!gbx_wasm_go_find(m, &t)) return 0;
    for (u64 pc = 0; pc < 12; pc++) {
        u32 idx = 0;
        if (!gbx_wasm_go_return(m, &t, (0x1000 + pc / 2) << 16 | (pc & 1 ? pc / 2 : 0xffff), &idx, &p)) continue;
        assert_in_range(idx, m->imported_funcs, m->func_count - 1);
        sum += p.line;
    }
    for (u32 f = 0; f < m->func_count; f++) {
        u32 const at = f < m->imported_funcs ? 0 : m->codes[f - m->imported_funcs].insns_off;
        for (u32 i = 0; i < sizeof work; i += 7) {
            if (!gbx_wasm_go_place(m, &t, f, at + i, &budget, &p)) continue;
            assert_in_range(p.kind, GO_LINE_NONE, GO_LINE_FUNC);
            assert_int_equal(p.kind == GO_LINE_NONE, p.line == 0);
            sum += p.line + gbx_wasm_go_text(m, &t, p.name_at, buf, sizeof buf) +
                   gbx_wasm_go_text(m, &t, p.file_at, buf, sizeof buf);
        }
    }
    return sum;
}

/* A table may name functions that the module does not have. */
static void
test_no_such_function(void **state)
{
    (void)state;
    static const u8 third[] = {0x02, 0x10, 0, 0}, none[] = {0xea, 0x13, 0, 0};
    wasm_module *const m = table_module(0);
    go_table t;
    go_place place;
    u32 idx, found = 0;
    u64 name;
    for (u8 *p = m->bytes; (p = memmem(p, (size_t)(m->bytes + m->len - p), third, sizeof third)); found++)
        memcpy(p, none, sizeof none);
    assert_in_range(found, 2, 3); /* its entry, its record, and the end */
    assert_true(gbx_wasm_go_find(m, &t));
    assert_true(gbx_wasm_go_func(m, &t, 1, &idx, &name));
    assert_false(gbx_wasm_go_func(m, &t, 2, &idx, &name));
    assert_true(gbx_wasm_go_return(m, &t, (u64)0x1001 << 16, &idx, &place));
    assert_false(gbx_wasm_go_return(m, &t, (u64)0x13ea << 16, &idx, &place));
    assert_int_equal(gbx_wasm_go_func_of_pc(m, (u64)0x13ea << 16), UINT32_MAX);
    gbx_wasm_module_free(m);
}

/* SAFETY, of golines.c: the module's word is never believed. Bytes of the data, addresses and lengths of segments
 * are anything; the sanitizers look on, and it ends. */
static void
test_hostile(void **state)
{
    (void)state;
    u64 x = 0x9e3779b97f4a7c15, sum = 0;
    for (u32 shift = 0; shift <= 16; shift += 16) {
        wasm_module *const m = table_module(shift);
        wasm_data *const datas = malloc(m->data_count * sizeof *datas);
        u8 *const bytes = malloc(m->len);
        assert_non_null(datas);
        assert_non_null(bytes);
        memcpy(datas, m->datas, m->data_count * sizeof *datas);
        memcpy(bytes, m->bytes, m->len);
        for (u32 round = 0; round < 20000; round++) {
            for (u64 k = next_random(&x) % 6 + 1; k; k--) {
                wasm_data *const seg = &m->datas[1 + next_random(&x) % (m->data_count - 1)];
                u64 const how = next_random(&x) % 16;
                if (how < 13) m->bytes[seg->bytes_off + next_random(&x) % seg->bytes_len] = (u8)next_random(&x);
                else if (how == 13) seg->at = (u32)next_random(&x);
                else if (how == 14) seg->at += (u32)(next_random(&x) % 5) - 2;
                else seg->is_special = true;
            }
            sum += ask_all(m);
            memcpy(m->datas, datas, m->data_count * sizeof *datas);
            memcpy(m->bytes, bytes, m->len);
        }
        free(datas);
        free(bytes);
        gbx_wasm_module_free(m);
    }
    assert_true(sum > 0);
}

/* Values that never end, texts that never end: there is nothing behind the last segment but zeros. */
static void
test_endless(void **state)
{
    (void)state;
    wasm_module *const m = table_module(0);
    for (u32 k = 1; k < m->data_count; k++) {
        wasm_data *const seg = &m->datas[k];
        u8 *const at = m->bytes + seg->bytes_off;
        for (u32 i = 0; i < seg->bytes_len; i++)
            if (seg->at + i >= AT + 72 && seg->at + i < AT + 72 + 29 + 12 + 19 + 20) at[i] = 0x80;
    }
    (void)ask_all(m);
    for (u32 k = 1; k < m->data_count; k++) {
        wasm_data *const seg = &m->datas[k];
        u8 *const at = m->bytes + seg->bytes_off;
        for (u32 i = 0; i < seg->bytes_len; i++)
            if (seg->at + i >= AT + 72 + 29 + 12 + 19 && seg->at + i < AT + 72 + 29 + 12 + 19 + 20) at[i] = i & 1 ? 0 : 2;
    }
    (void)ask_all(m);
    gbx_wasm_module_free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_places),
            cmocka_unit_test(test_what_is_missing),
            cmocka_unit_test(test_no_such_function),
            cmocka_unit_test(test_hostile),
            cmocka_unit_test(test_endless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
