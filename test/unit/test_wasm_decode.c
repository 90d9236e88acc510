/* Bytes -> module: what is refused, with which words, at which offset; every limit; canonical types; names;
 * memory that runs out. The official suite tests what is valid; this tests what we say and survive. */
#include "wasm_build.h"

/* Decode a copy; bytes stay the caller's. */
static gbx_code
decode_bytes(const build *b, wasm_module **out, gbx_err *err)
{
    u8 *const copy = gbx_base_alloc(b->len, 1);
    assert_non_null(copy);
    if (b->len) memcpy(copy, b->data, b->len);
    memset(err, 0, sizeof *err);
    return gbx_wasm_module_new(copy, b->len, 0, out, err);
}

/* A module of the sections in `raw`, each with its id and size. */
static build
decode_raw(const u8 *raw, size_t len)
{
    build b = {0};
    BUILD(&b, 0, 'a', 's', 'm', 1, 0, 0, 0);
    build_bytes(&b, raw, len);
    return b;
}

#define TYPE0 1, 4, 1, 0x60, 0, 0       /* type 0: () -> () */
#define FUNC1 3, 2, 1, 0                /* one function of it */
#define MEMORY1 5, 3, 1, 0, 1

typedef struct decode_row {
    gbx_code code;
    u32 offset;
    const char *words[3]; /* that stand in the message, in this order */
    u32 len;
    u8 raw[48];
} decode_row;
#define RAW(...) sizeof((const u8[]){__VA_ARGS__}), {__VA_ARGS__}

static const decode_row decode_rows[] = {
    /* sections */
    {GBX_MALFORMED, 8, {"malformed section id", "in a section header"}, RAW(14, 0)},
    {GBX_MALFORMED, 9, {"integer representation too long"}, RAW(1, 0x80, 0x80, 0x80, 0x80, 0x80, 0)},
    {GBX_TRUNCATED, 8, {"type section", "5 bytes, 2 are there, 3 are missing"}, RAW(1, 5, 1, 0x60)},
    {GBX_MALFORMED, 14, {"type section", "repeated or out of order"}, RAW(TYPE0, TYPE0)},
    {GBX_MALFORMED, 13, {"type section", "repeated or out of order"}, RAW(MEMORY1, TYPE0)},
    {GBX_MALFORMED, 14, {"section size mismatch", "1 bytes too many", "type section"},
     RAW(1, 5, 1, 0x60, 0, 0, 0)},
    {GBX_MALFORMED, 14, {"unexpected end", "type section"}, RAW(1, 4, 1, 0x60, 1, 0x7f)},
    {GBX_MALFORMED, 10, {"length out of bounds", "type section"}, RAW(1, 1, 5)},
    {GBX_MALFORMED, 10, {"custom"}, RAW(0, 3, 1, 0xff, 0)},
    /* types */
    {GBX_MALFORMED, 11, {"malformed function type", "in the type section"}, RAW(1, 4, 1, 0x61, 0, 0)},
    {GBX_MALFORMED, 13, {"malformed value type"}, RAW(1, 5, 1, 0x60, 1, 0x40, 0)},
    {GBX_UNSUPPORTED, 13, {"stack switching"}, RAW(1, 5, 1, 0x60, 1, 0x68, 0)},
    {GBX_UNSUPPORTED, 13, {"typed function references"}, RAW(1, 6, 1, 0x60, 1, 0x64, 0x70, 0)},
    {GBX_UNSUPPORTED, 13, {"garbage collection"}, RAW(1, 5, 1, 0x60, 1, 0x6e, 0)},
    {GBX_UNSUPPORTED, 11, {"garbage collection"}, RAW(1, 3, 1, 0x5f, 0)},
    /* imports, functions, tables, memories */
    {GBX_INVALID, 14, {"unknown type", "in the import section"}, RAW(2, 5, 1, 0, 0, 0, 0)},
    {GBX_MALFORMED, 13, {"malformed import kind"}, RAW(2, 5, 1, 0, 0, 9, 0)},
    {GBX_INVALID, 15, {"unknown type"}, RAW(2, 6, 1, 0, 0, 4, 0, 0)},
    {GBX_MALFORMED, 20, {"malformed tag attribute"}, RAW(TYPE0, 2, 6, 1, 0, 0, 4, 1, 0)},
    {GBX_MALFORMED, 11, {"malformed UTF-8"}, RAW(2, 6, 1, 1, 0xc0, 0, 0, 0)},
    {GBX_INVALID, 11, {"unknown type", "in the function section"}, RAW(3, 2, 1, 0)},
    {GBX_MALFORMED, 11, {"malformed reference type"}, RAW(4, 4, 1, 0x7f, 0, 0)},
    {GBX_INVALID, 12, {"size minimum must not be greater"}, RAW(4, 5, 1, 0x70, 1, 2, 1)},
    {GBX_UNSUPPORTED, 11, {"typed function references"}, RAW(4, 4, 1, 0x40, 0, 0x70)},
    {GBX_MALFORMED, 12, {"malformed limits flags"}, RAW(4, 4, 1, 0x70, 8, 1)},
    {GBX_INVALID, 11, {"at most 65536 pages"}, RAW(5, 5, 1, 0, 0x81, 0x80, 0x04)},
    {GBX_UNSUPPORTED, 11, {"threads"}, RAW(5, 4, 1, 3, 1, 1)},
    {GBX_INVALID, 11, {"at most 65536 pages"}, RAW(5, 7, 1, 0, 0x80, 0x80, 0x80, 0x80, 0x10)},
    {GBX_INVALID, 11, {"at most 2^48 pages"},
     RAW(5, 9, 1, 4, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40)},
    {GBX_UNSUPPORTED, 11, {"custom page sizes"}, RAW(5, 4, 1, 8, 1, 0)},
    {GBX_MALFORMED, 11, {"malformed limits flags"}, RAW(5, 3, 1, 0x10, 1)},
    {GBX_INVALID, 12, {"unknown type", "tag section"}, RAW(13, 3, 1, 0, 0)},
    {GBX_INVALID, 18, {"non-empty tag result type"}, RAW(1, 5, 1, 0x60, 0, 1, 0x7f, 13, 3, 1, 0, 0)},
    /* globals and constant expressions */
    {GBX_MALFORMED, 12, {"malformed mutability", "in the global section"}, RAW(6, 6, 1, 0x7f, 2, 0x41, 0, 0x0b)},
    {GBX_INVALID, 15, {"type mismatch in a constant"}, RAW(6, 6, 1, 0x7f, 0, 0x42, 0, 0x0b)},
    {GBX_INVALID, 13, {"type mismatch in a constant"}, RAW(6, 4, 1, 0x7f, 0, 0x0b)},
    {GBX_INVALID, 17, {"type mismatch in a constant"}, RAW(6, 8, 1, 0x7f, 0, 0x41, 0, 0x41, 0, 0x0b)},
    {GBX_INVALID, 13, {"constant expression required"}, RAW(6, 6, 1, 0x7f, 0, 0x20, 0, 0x0b)},
    {GBX_INVALID, 13, {"unknown global"}, RAW(6, 6, 1, 0x7f, 0, 0x23, 9, 0x0b)},
    {GBX_INVALID, 13, {"unknown function"}, RAW(6, 6, 1, 0x70, 0, 0xd2, 0, 0x0b)},
    {GBX_MALFORMED, 13, {"illegal opcode"}, RAW(6, 6, 1, 0x7f, 0, 0x27, 0, 0x0b)},
    {GBX_INVALID, 21, {"global is mutable"}, RAW(2, 6, 1, 0, 0, 3, 0x7f, 1, 6, 6, 1, 0x7f, 0, 0x23, 0, 0x0b)},
    /* exports, start */
    {GBX_INVALID, 13, {"unknown function", "in the export section"}, RAW(7, 5, 1, 1, 'a', 0, 0)},
    {GBX_INVALID, 13, {"unknown memory"}, RAW(7, 5, 1, 1, 'a', 2, 0)},
    {GBX_MALFORMED, 13, {"malformed export kind"}, RAW(7, 5, 1, 1, 'a', 9, 0)},
    {GBX_INVALID, 21, {"duplicate export name \"\\x07\""},
     RAW(MEMORY1, 7, 9, 2, 1, 7, 2, 0, 1, 7, 2, 0)},
    {GBX_INVALID, 10, {"unknown function", "in the start section"}, RAW(8, 1, 0)},
    {GBX_INVALID, 21, {"start function must be"},
     RAW(1, 5, 1, 0x60, 1, 0x7f, 0, 3, 2, 1, 0, 8, 1, 0, 10, 4, 1, 2, 0, 0x0b)},
    /* segments */
    {GBX_INVALID, 12, {"unknown table", "in the element section"}, RAW(9, 6, 1, 0, 0x41, 0, 0x0b, 0)},
    {GBX_MALFORMED, 11, {"malformed elements segment kind"}, RAW(9, 2, 1, 8)},
    {GBX_MALFORMED, 12, {"malformed element kind"}, RAW(9, 4, 1, 1, 1, 0)},
    {GBX_INVALID, 11, {"unknown memory", "in the data section"}, RAW(11, 6, 1, 0, 0x41, 0, 0x0b, 0)},
    {GBX_MALFORMED, 16, {"malformed data segment kind"}, RAW(MEMORY1, 11, 2, 1, 3)},
    /* what only the whole shows */
    {GBX_MALFORMED, 18, {"inconsistent lengths", "1 functions are declared"}, RAW(TYPE0, FUNC1)},
    {GBX_MALFORMED, 20, {"inconsistent lengths", "in the code section"}, RAW(TYPE0, FUNC1, 10, 1, 0)},
    {GBX_MALFORMED, 11, {"data count", "inconsistent lengths: 1 and 0"}, RAW(12, 1, 1)},
    /* bodies */
    {GBX_MALFORMED, 25, {"in function 0; in the code section"}, RAW(TYPE0, FUNC1, 10, 5, 1, 3, 0, 0x01, 0x01)},
    {GBX_MALFORMED, 24, {"goes on behind its final end"}, RAW(TYPE0, FUNC1, 10, 5, 1, 3, 0, 0x0b, 0x0b)},
    {GBX_INVALID, 23, {"type mismatch: i32 is expected, the operand stack is empty"},
     RAW(TYPE0, FUNC1, 10, 5, 1, 3, 0, 0x45, 0x0b)},
    {GBX_INVALID, 25, {"type mismatch: i64 is expected, there is i32"},
     RAW(TYPE0, FUNC1, 10, 7, 1, 5, 0, 0x41, 0, 0x50, 0x0b)},
    {GBX_INVALID, 25, {"values remain on the stack"}, RAW(TYPE0, FUNC1, 10, 6, 1, 4, 0, 0x41, 0, 0x0b)},
    {GBX_INVALID, 23, {"unknown local"}, RAW(TYPE0, FUNC1, 10, 6, 1, 4, 0, 0x20, 0, 0x0b)},
    {GBX_INVALID, 23, {"unknown global"}, RAW(TYPE0, FUNC1, 10, 6, 1, 4, 0, 0x23, 0, 0x0b)},
    {GBX_INVALID, 23, {"unknown function"}, RAW(TYPE0, FUNC1, 10, 6, 1, 4, 0, 0x10, 1, 0x0b)},
    {GBX_INVALID, 23, {"unknown label"}, RAW(TYPE0, FUNC1, 10, 6, 1, 4, 0, 0x0c, 1, 0x0b)},
    {GBX_INVALID, 25, {"unknown memory"}, RAW(TYPE0, FUNC1, 10, 9, 1, 7, 0, 0x41, 0, 0x28, 2, 0, 0x0b)},
    {GBX_MALFORMED, 23, {"illegal opcode"}, RAW(TYPE0, FUNC1, 10, 5, 1, 3, 0, 0x27, 0x0b)},
    {GBX_MALFORMED, 23, {"illegal opcode"}, RAW(TYPE0, FUNC1, 10, 6, 1, 4, 0, 0xfc, 18, 0x0b)},
    {GBX_MALFORMED, 23, {"illegal opcode"}, RAW(TYPE0, FUNC1, 10, 7, 1, 5, 0, 0xfd, 0x9a, 0x01, 0x0b)},
    {GBX_UNSUPPORTED, 24, {"typed function references"},
     RAW(TYPE0, FUNC1, 10, 7, 1, 5, 0, 0xd0, 0, 0x1a, 0x0b)},
    {GBX_UNSUPPORTED, 23, {"wide arithmetic"}, RAW(TYPE0, FUNC1, 10, 6, 1, 4, 0, 0xfc, 0x13, 0x0b)},
    {GBX_UNSUPPORTED, 23, {"threads"}, RAW(TYPE0, FUNC1, 10, 6, 1, 4, 0, 0xfe, 3, 0x0b)},
    {GBX_UNSUPPORTED, 23, {"garbage collection"}, RAW(TYPE0, FUNC1, 10, 6, 1, 4, 0, 0xfb, 3, 0x0b)},
    {GBX_UNSUPPORTED, 23, {"legacy exceptions"}, RAW(TYPE0, FUNC1, 10, 6, 1, 4, 0, 0x06, 0x40, 0x0b)},
    {GBX_UNSUPPORTED, 23, {"legacy exceptions"}, RAW(TYPE0, FUNC1, 10, 6, 1, 4, 0, 0x09, 0, 0x0b)},
    {GBX_UNSUPPORTED, 23, {"legacy exceptions"}, RAW(TYPE0, FUNC1, 10, 6, 1, 4, 0, 0x18, 0, 0x0b)},
    {GBX_INVALID, 23, {"unknown tag"}, RAW(TYPE0, FUNC1, 10, 6, 1, 4, 0, 0x08, 0, 0x0b)},
    {GBX_INVALID, 23, {"exnref is expected"}, RAW(TYPE0, FUNC1, 10, 5, 1, 3, 0, 0x0a, 0x0b)},
    {GBX_MALFORMED, 26, {"malformed catch clause"},
     RAW(TYPE0, FUNC1, 10, 10, 1, 8, 0, 0x1f, 0x40, 1, 4, 0, 0x0b, 0x0b)},
    {GBX_INVALID, 23, {"unknown tag"}, RAW(TYPE0, FUNC1, 10, 11, 1, 9, 0, 0x1f, 0x40, 1, 0, 0, 0, 0x0b, 0x0b)},
    /* its own label does not count: the body's is the only one */
    {GBX_INVALID, 23, {"unknown label"}, RAW(TYPE0, FUNC1, 10, 10, 1, 8, 0, 0x1f, 0x40, 1, 2, 1, 0x0b, 0x0b)},
    {GBX_INVALID, 23, {"catch clause gives its label other values"},
     RAW(TYPE0, FUNC1, 10, 10, 1, 8, 0, 0x1f, 0x40, 1, 3, 0, 0x0b, 0x0b)},
    {GBX_INVALID, 23, {"invalid lane index"}, RAW(TYPE0, FUNC1, 10, 7, 1, 5, 0, 0xfd, 21, 16, 0x0b)},
    {GBX_INVALID, 23, {"unknown memory"}, RAW(TYPE0, FUNC1, 10, 7, 1, 5, 0, 0x3f, 1, 0x1a, 0x0b)},
    {GBX_INVALID, 30, {"unknown memory"},
     RAW(TYPE0, FUNC1, MEMORY1, 10, 11, 1, 9, 0, 0x41, 0, 0x28, 0x42, 1, 0, 0x1a, 0x0b)},
    {GBX_MALFORMED, 31, {"malformed memop flags"},
     RAW(TYPE0, FUNC1, MEMORY1, 10, 11, 1, 9, 0, 0x41, 0, 0x28, 0x82, 1, 0, 0x1a, 0x0b)},
    {GBX_INVALID, 30, {"offset out of range"},
     RAW(TYPE0, FUNC1, MEMORY1, 10, 14, 1, 12, 0, 0x41, 0, 0x28, 2, 0x80, 0x80, 0x80, 0x80, 0x10, 0x1a, 0x0b)},
    /* bodies that end inside an instruction, with the next bytes as they like */
    {GBX_MALFORMED, 25, {"unexpected end"}, RAW(TYPE0, FUNC1, 10, 5, 1, 3, 0, 1, 0xfc)},
    {GBX_MALFORMED, 25, {"unexpected end"}, RAW(TYPE0, FUNC1, 10, 5, 1, 3, 0, 1, 0xfd)},
    {GBX_MALFORMED, 25, {"unexpected end"}, RAW(TYPE0, FUNC1, 10, 5, 1, 3, 0, 1, 0x20, 0, 2, 1, 0)},
    {GBX_MALFORMED, 23, {"unexpected else"}, RAW(TYPE0, FUNC1, 10, 5, 1, 3, 0, 0x05, 0x0b)},
    {GBX_MALFORMED, 32, {"data count section required"},
     RAW(TYPE0, FUNC1, 10, 7, 1, 5, 0, 0xfc, 9, 0, 0x0b, 11, 3, 1, 1, 0)},
};

static void
test_messages(void **state)
{
    (void)state;
    u32 wrong = 0;
    for (size_t i = 0; i < GBX_LEN(decode_rows); i++) {
        const decode_row *const row = &decode_rows[i];
        build b = decode_raw(row->raw, row->len);
        wasm_module *m;
        gbx_err err;
        gbx_code const code = decode_bytes(&b, &m, &err);
        assert_null(m);
        if (code != row->code) {
            print_error("row %zu: %s: %s\n", i, gbx_code_slug(code), err.text);
            wrong++;
        }
        assert_int_equal(err.code, code);
        if (err.offset != row->offset) {
            print_error("row %zu: offset %llu, not %u: %s\n", i, (unsigned long long)err.offset, row->offset,
                        err.text);
            wrong++;
        }
        const char *from = err.text;
        for (u32 k = 0; k < 3 && row->words[k]; k++) {
            from = strstr(from, row->words[k]);
            if (!from) {
                print_error("row %zu: no \"%s\" in: %s\n", i, row->words[k], err.text);
                wrong++;
                break;
            }
        }
        build_free(&b);
    }
    assert_int_equal(wrong, 0);
}

/* An error in a body tells the function's name, though names come last; control bytes are escaped. */
static void
test_function_names(void **state)
{
    (void)state;
    static const u8 raw[] = {TYPE0, 3, 3, 2, 0, 0, 10, 7, 2, 2, 0, 0x0b, 2, 0, 0x1a,
                             0, 16, 4, 'n', 'a', 'm', 'e', 1, 9, 2, 0, 1, 'a', 1, 3, 'b', 0x1b, '"'};
    build b = decode_raw(raw, sizeof raw);
    wasm_module *m;
    gbx_err err;
    assert_int_equal(decode_bytes(&b, &m, &err), GBX_INVALID);
    assert_non_null(strstr(err.text, "in function 1 \"b\\x1b\\\"\"; in the code section"));
    assert_int_equal(err.offset, 27);
    build_free(&b);
}

static void
test_preamble(void **state)
{
    (void)state;
    static const struct {
        gbx_code code;
        const char *words;
        u32 len;
        u8 bytes[12];
    } rows[] = {
        {GBX_BAD_MAGIC, "empty", 0, {0}},
        {GBX_BAD_MAGIC, "does not begin with", 4, {0x7f, 'E', 'L', 'F'}},
        {GBX_BAD_MAGIC, "does not begin with", 1, {'a'}},
        {GBX_TRUNCATED, "ends after 3 bytes", 3, {0, 'a', 's'}},
        {GBX_TRUNCATED, "ends after 7 bytes", 7, {0, 'a', 's', 'm', 1, 0, 0}},
        {GBX_BAD_MAGIC, "unknown binary version", 8, {0, 'a', 's', 'm', 2, 0, 0, 0}},
        {GBX_COMPONENT, "component", 8, {0, 'a', 's', 'm', 13, 0, 1, 0}},
    };
    for (size_t i = 0; i < GBX_LEN(rows); i++) {
        build b = {0};
        build_bytes(&b, rows[i].bytes, rows[i].len);
        wasm_module *m;
        gbx_err err;
        assert_int_equal(decode_bytes(&b, &m, &err), rows[i].code);
        assert_non_null(strstr(err.text, rows[i].words));
        build_free(&b);
    }
}

/* ---- Limits */

typedef void limit_section(build *b, u32 count);

static void
limit_types(build *b, u32 n)
{
    build s = {0};
    build_u32(&s, n);
    for (u32 i = 0; i < n; i++) BUILD(&s, 0x60, 0, 0);
    build_section(b, 1, &s);
}
static void
limit_functype(build *b, u32 params, u32 results)
{
    build s = {0};
    BUILD(&s, 1, 0x60);
    build_u32(&s, params);
    for (u32 i = 0; i < params; i++) BUILD(&s, WASM_I32);
    build_u32(&s, results);
    for (u32 i = 0; i < results; i++) BUILD(&s, WASM_I64);
    build_section(b, 1, &s);
}
static void
limit_params(build *b, u32 n)
{
    limit_functype(b, n, 0);
}
static void
limit_results(build *b, u32 n)
{
    limit_functype(b, 0, n);
}
static void
limit_imports(build *b, u32 n)
{
    build s = {0};
    build_u32(&s, n);
    for (u32 i = 0; i < n; i++) BUILD(&s, 0, 0, 3, WASM_I32, 0);
    build_section(b, 2, &s);
}
/* One import and n - 1 of its own: the limit is of the index space. */
static void
limit_globals(build *b, u32 n)
{
    build s = {0};
    limit_imports(b, 1);
    build_u32(&s, n - 1);
    for (u32 i = 1; i < n; i++) BUILD(&s, WASM_I32, 0, OP_I32_CONST, 0, OP_END);
    build_section(b, 6, &s);
}
static void
limit_tables(build *b, u32 n)
{
    build s = {0};
    build_u32(&s, n);
    for (u32 i = 0; i < n; i++) BUILD(&s, WASM_FUNCREF, 0, 0);
    build_section(b, 4, &s);
}
static void
limit_memories(build *b, u32 n)
{
    build s = {0};
    build_u32(&s, n);
    for (u32 i = 0; i < n; i++) BUILD(&s, 0, 0);
    build_section(b, 5, &s);
}
static void
limit_exports(build *b, u32 n)
{
    build s = {0};
    limit_tables(b, 1);
    build_u32(&s, n);
    for (u32 i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u", i);
        build_text(&s, name);
        BUILD(&s, 1, 0);
    }
    build_section(b, 7, &s);
}
static void
limit_bodies(build *b, u32 n)
{
    build s = {0}, codes = {0};
    limit_types(b, 1);
    build_u32(&s, n);
    build_u32(&codes, n);
    for (u32 i = 0; i < n; i++) {
        BUILD(&s, 0);
        BUILD(&codes, 2, 0, OP_END);
    }
    build_section(b, 3, &s);
    build_section(b, 10, &codes);
}
static void
limit_elems(build *b, u32 n)
{
    build s = {0};
    build_u32(&s, n);
    for (u32 i = 0; i < n; i++) BUILD(&s, 1, 0, 0);
    build_section(b, 9, &s);
}
static void
limit_segment_elems(build *b, u32 n)
{
    build s = {0};
    limit_bodies(b, 0);
    b->len -= 3 + 3; /* without its empty function and code sections */
    BUILD(&s, 1, 0);
    build_section(b, 3, &s);
    BUILD(&s, 1, 1, 0);
    build_u32(&s, n);
    for (u32 i = 0; i < n; i++) BUILD(&s, 0);
    build_section(b, 9, &s);
    BUILD(&s, 1, 2, 0, OP_END);
    build_section(b, 10, &s);
}
static void
limit_datas(build *b, u32 n)
{
    build s = {0};
    build_u32(&s, n);
    for (u32 i = 0; i < n; i++) BUILD(&s, 1, 0);
    build_section(b, 11, &s);
}
static void
limit_name(build *b, u32 n)
{
    build s = {0};
    build_u32(&s, n);
    for (u32 i = 0; i < n; i++) BUILD(&s, 'x');
    build_section(b, 0, &s);
}
static void
limit_const_stack(build *b, u32 n)
{
    build s = {0};
    BUILD(&s, 1, WASM_I32, 0);
    for (u32 i = 0; i < n; i++) BUILD(&s, OP_I32_CONST, 1);
    for (u32 i = 1; i < n; i++) BUILD(&s, OP_I32_ADD);
    BUILD(&s, OP_END);
    build_section(b, 6, &s);
}

/* One function () -> () with this body, which is freed. */
static void
limit_body(build *b, build *body)
{
    build s = {0};
    limit_types(b, 1);
    BUILD(&s, 1, 0);
    build_section(b, 3, &s);
    BUILD(&s, 1);
    build_u32(&s, body->len);
    build_bytes(&s, body->data, body->len);
    build_free(body);
    build_section(b, 10, &s);
}
static void
limit_locals(build *b, u32 n)
{
    build body = {0};
    BUILD(&body, 2, 1, WASM_I64);
    build_u32(&body, n - 1);
    BUILD(&body, WASM_F32, OP_END);
    limit_body(b, &body);
}
static void
limit_body_bytes(build *b, u32 n)
{
    build body = {0};
    BUILD(&body, 0);
    for (u32 i = 2; i < n; i++) BUILD(&body, OP_NOP);
    BUILD(&body, OP_END);
    limit_body(b, &body);
}
static void
limit_br_table(build *b, u32 n)
{
    build body = {0};
    BUILD(&body, 0, OP_I32_CONST, 0, OP_BR_TABLE);
    build_u32(&body, n);
    for (u32 i = 0; i <= n; i++) BUILD(&body, 0);
    BUILD(&body, OP_END);
    limit_body(b, &body);
}
static void
limit_operands(build *b, u32 n)
{
    build body = {0};
    BUILD(&body, 0);
    for (u32 i = 0; i < n; i++) BUILD(&body, OP_I32_CONST, 0);
    for (u32 i = 0; i < n; i++) BUILD(&body, OP_DROP);
    BUILD(&body, OP_END);
    limit_body(b, &body);
}
/* Results of calls, as many at once as there may be. */
static void
limit_operands_of_calls(build *b, u32 n)
{
    build s = {0}, body = {0};
    BUILD(&s, 2, 0x60, 0, 0, 0x60, 0);
    build_u32(&s, WASM_MAX_RESULTS);
    for (u32 i = 0; i < WASM_MAX_RESULTS; i++) BUILD(&s, WASM_I32);
    build_section(b, 1, &s);
    BUILD(&s, 2, 0, 1);
    build_section(b, 3, &s);
    BUILD(&body, 0);
    for (u32 i = 0; i < n % WASM_MAX_RESULTS; i++) BUILD(&body, OP_I32_CONST, 0);
    for (u32 i = 0; i < n / WASM_MAX_RESULTS; i++) BUILD(&body, OP_CALL, 1);
    BUILD(&body, OP_UNREACHABLE, OP_END);
    BUILD(&s, 2);
    build_u32(&s, body.len);
    build_bytes(&s, body.data, body.len);
    build_free(&body);
    BUILD(&s, 3, 0, OP_UNREACHABLE, OP_END);
    build_section(b, 10, &s);
}
/* The body itself is one of the blocks that are open. */
static void
limit_nesting(build *b, u32 n)
{
    build body = {0};
    BUILD(&body, 0);
    for (u32 i = 1; i < n; i++) BUILD(&body, OP_BLOCK, 0x40);
    for (u32 i = 0; i < n; i++) BUILD(&body, OP_END);
    limit_body(b, &body);
}

static void
limit_catches(build *b, u32 n)
{
    build body = {0};
    BUILD(&body, 0, OP_TRY_TABLE, 0x40);
    build_u32(&body, n);
    for (u32 i = 0; i < n; i++) BUILD(&body, WASM_CATCH_ALL, 0);
    BUILD(&body, OP_END, OP_END);
    limit_body(b, &body);
}
static void
limit_tags(build *b, u32 n)
{
    build s = {0};
    BUILD(b, TYPE0);
    build_u32(&s, n);
    for (u32 i = 0; i < n; i++) BUILD(&s, 0, 0);
    build_section(b, 13, &s);
}

/* At the limit a module is accepted, one beyond it is refused by the limit's name. */
static void
test_limits(void **state)
{
    (void)state;
    static const struct {
        limit_section *make;
        u64 limit;
        const char *why;
        gbx_code at_limit;
        u32 slack; /* room is looked for in steps: so much below or beyond */
    } rows[] = {
        {limit_types, WASM_MAX_TYPES, WASM_WHY_TYPES, GBX_OK, 0},
        {limit_params, WASM_MAX_PARAMS, WASM_WHY_PARAMS, GBX_OK, 0},
        {limit_results, WASM_MAX_RESULTS, WASM_WHY_RESULTS, GBX_OK, 0},
        {limit_imports, WASM_MAX_IMPORTS, WASM_WHY_IMPORTS, GBX_OK, 0},
        {limit_globals, WASM_MAX_GLOBALS, WASM_WHY_GLOBALS, GBX_OK, 0},
        {limit_tables, WASM_MAX_TABLES, WASM_WHY_TABLES, GBX_OK, 0},
        {limit_memories, WASM_MAX_MEMORIES, WASM_WHY_MEMORIES, GBX_OK, 0},
        {limit_exports, WASM_MAX_EXPORTS, WASM_WHY_EXPORTS, GBX_OK, 0},
        {limit_bodies, WASM_MAX_FUNCS, WASM_WHY_FUNCS, GBX_OK, 0},
        {limit_elems, WASM_MAX_ELEM_SEGMENTS, WASM_WHY_ELEM_SEGMENTS, GBX_OK, 0},
        {limit_segment_elems, WASM_MAX_SEGMENT_ELEMS, WASM_WHY_SEGMENT_ELEMS, GBX_OK, 0},
        {limit_datas, WASM_MAX_DATA_SEGMENTS, WASM_WHY_DATA_SEGMENTS, GBX_OK, 0},
        {limit_name, WASM_MAX_NAME_BYTES, "name-bytes", GBX_OK, 0},
        {limit_const_stack, WASM_MAX_CONST_EXPR_STACK, WASM_WHY_CONST_EXPR_STACK, GBX_OK, 0},
        {limit_locals, WASM_MAX_LOCALS, WASM_WHY_LOCALS, GBX_OK, 0},
        {limit_body_bytes, WASM_MAX_BODY_BYTES, WASM_WHY_BODY_BYTES, GBX_OK, 0},
        {limit_br_table, WASM_MAX_BR_TABLE, WASM_WHY_BR_TABLE, GBX_OK, 0},
        {limit_operands, WASM_MAX_OPERANDS, WASM_WHY_OPERANDS, GBX_OK, 32},
        {limit_operands_of_calls, WASM_MAX_OPERANDS, WASM_WHY_OPERANDS, GBX_OK, 32},
        {limit_nesting, WASM_MAX_NESTING, WASM_WHY_NESTING, GBX_OK, 0},
        {limit_catches, WASM_MAX_CATCH_CLAUSES, WASM_WHY_CATCH_CLAUSES, GBX_OK, 0},
        {limit_tags, WASM_MAX_TAGS, WASM_WHY_TAGS, GBX_OK, 0},
    };
    for (size_t i = 0; i < GBX_LEN(rows); i++) {
        for (u32 beyond = 0; beyond < 2; beyond++) {
            build b = {0};
            wasm_module *m;
            gbx_err err;
            BUILD(&b, 0, 'a', 's', 'm', 1, 0, 0, 0);
            rows[i].make(&b, (u32)rows[i].limit + (beyond ? 1 + rows[i].slack : 0u - rows[i].slack));
            gbx_code const code = decode_bytes(&b, &m, &err);
            if (code != (beyond ? GBX_LIMIT : rows[i].at_limit))
                fail_msg("%s, %s: %s %s", rows[i].why, beyond ? "beyond" : "at it", gbx_code_slug(code),
                         err.text);
            if (beyond && !strstr(err.text, rows[i].why)) fail_msg("%s: %s", rows[i].why, err.text);
            gbx_wasm_module_free(m);
            build_free(&b);
        }
    }
}

/* ---- Types, names */

static void
test_canonical_types(void **state)
{
    (void)state;
    enum { COUNT = 600 };
    static const u8 kinds[] = {WASM_I32, WASM_I64, WASM_F32, WASM_FUNCREF};
    build b = {0}, s = {0};
    u64 seed = 7;
    BUILD(&b, 0, 'a', 's', 'm', 1, 0, 0, 0);
    build_u32(&s, COUNT);
    for (u32 i = 0; i < COUNT; i++) {
        BUILD(&s, 0x60);
        for (u32 part = 0; part < 2; part++) {
            u32 const n = build_random(&seed, 4);
            build_u32(&s, n);
            for (u32 k = 0; k < n; k++) BUILD(&s, kinds[build_random(&seed, GBX_LEN(kinds))]);
        }
    }
    build_section(&b, 1, &s);
    wasm_module *m;
    gbx_err err;
    assert_int_equal(decode_bytes(&b, &m, &err), GBX_OK);
    u32 shared = 0;
    for (u32 i = 0; i < COUNT; i++) {
        u32 lowest = 0;
        while (!gbx_wasm_functype_equal(&m->types[i], &m->types[lowest])) lowest++;
        assert_int_equal(m->types[i].canon, lowest);
        shared += lowest != i;
    }
    assert_true(shared > 20 && shared < COUNT - 20);
    char text[64];
    gbx_wasm_functype_print(&(wasm_functype){.param_count = 2, .params = (const u8[]){WASM_I32, WASM_F64},
                                             .result_count = 1, .results = (const u8[]){WASM_EXTERNREF}},
                            text, sizeof text);
    assert_string_equal(text, "(i32, f64) -> (externref)");
    gbx_wasm_module_free(m);
    build_free(&b);
}

/* The name of function `idx` in a module with this name section's payload; the module is accepted. */
static void
expect_name(u32 idx, const char *want, const u8 *payload, size_t len)
{
    build b = {0}, s = {0};
    BUILD(&b, 0, 'a', 's', 'm', 1, 0, 0, 0);
    limit_bodies(&b, 3);
    build_text(&s, "name");
    build_bytes(&s, payload, len);
    build_section(&b, 0, &s);
    wasm_module *m;
    gbx_err err;
    assert_int_equal(decode_bytes(&b, &m, &err), GBX_OK);
    rd_name const name = gbx_wasm_func_name(m, idx);
    assert_int_equal(name.len, strlen(want));
    assert_memory_equal(name.text, want, name.len);
    gbx_wasm_module_free(m);
    build_free(&b);
}
#define PAYLOAD(...) (const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__})

static void
test_names(void **state)
{
    (void)state;
    expect_name(0, "a", PAYLOAD(1, 7, 2, 0, 1, 'a', 2, 1, 'c'));
    expect_name(1, "", PAYLOAD(1, 7, 2, 0, 1, 'a', 2, 1, 'c'));
    expect_name(2, "c", PAYLOAD(1, 7, 2, 0, 1, 'a', 2, 1, 'c'));
    expect_name(7, "", PAYLOAD(1, 7, 2, 0, 1, 'a', 2, 1, 'c'));
    /* behind other subsections, and before */
    expect_name(0, "a", PAYLOAD(0, 2, 1, 'm', 1, 4, 1, 0, 1, 'a', 2, 1, 0));
    /* damage: no name, and no failure */
    expect_name(0, "", PAYLOAD(1, 9, 2, 0, 1, 'a', 2, 1, 'c'));          /* longer than the section */
    expect_name(0, "", PAYLOAD(0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1)); /* a size that does not end */
    expect_name(0, "", PAYLOAD(1, 0));
    expect_name(0, "", PAYLOAD(1));
    expect_name(0, "", PAYLOAD(2, 1));
    expect_name(2, "", PAYLOAD(1, 7, 2, 0, 9, 'a', 2, 1, 'c'));          /* a name longer than that */
    expect_name(0, "", PAYLOAD(1, 4, 1, 0, 1, 0xff));                    /* not UTF-8 */
    expect_name(2, "", PAYLOAD(1, 7, 2, 0, 1, 0xff, 2, 1, 'c'));         /* behind one that is not */
    expect_name(2, "", PAYLOAD(1, 11, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 1, 'a', 1, 1, 'b')); /* the count */
    expect_name(1, "", PAYLOAD(1, 7, 2, 2, 1, 'c', 1, 1, 'b'));          /* out of order */
    expect_name(0, "", PAYLOAD(1, 3, 1, 0, 0));                          /* empty */
}

/* ---- Damage */

/* A module with everything build_whole knows. */
static build
decode_sample(void)
{
    static const build_func imports[] = {{"il", "d", "", NULL, 0}};
    static const u8 body[] = {OP_BLOCK, 0x40, OP_LOOP, 0x40, OP_BLOCK, 0x40, OP_LOCAL_GET, 0, OP_BR_TABLE, 2, 0,
                              1, 2, OP_END, OP_I32_CONST, 2, OP_LOCAL_SET, 0, OP_BR, 0, OP_END, OP_END,
                              OP_LOCAL_GET, 0, OP_IF, WASM_I64, OP_I64_CONST, 0xff, 0x7e, OP_ELSE, OP_I32_CONST,
                              4, OP_I64_LOAD, 3, 8, OP_END, OP_GLOBAL_SET, 0, OP_LOCAL_GET, 0, OP_I32_CONST, 0,
                              OP_CALL_INDIRECT, 2, 0, OP_END};
    static const build_func funcs[] = {
        {"i", "", "ilfd", body, sizeof body},
        {"i", "", "", body + sizeof body - 1, 1},
    };
    return build_whole(&(build_module){.import_from = "env", .imports = imports, .import_count = 1,
                                       .funcs = funcs, .func_count = 2, .pages = 2, .globals = "li"});
}

static void
test_truncated(void **state)
{
    (void)state;
    build whole = decode_sample();
    wasm_module *m;
    gbx_err err;
    assert_int_equal(decode_bytes(&whole, &m, &err), GBX_OK);
    gbx_wasm_module_free(m);
    u32 accepted = 0;
    for (size_t len = 0; len < whole.len; len++) {
        build const part = {.data = whole.data, .len = len};
        gbx_code const code = decode_bytes(&part, &m, &err);
        if (code == GBX_OK) {
            accepted++; /* between sections, before the functions are declared or behind their code */
            gbx_wasm_module_free(m);
        } else {
            assert_int_equal(err.code, code);
            assert_true(err.text[0] && err.offset <= len);
        }
    }
    assert_int_equal(accepted, 4); /* no section, type, import, all but names */
    build_free(&whole);
}

/* Any byte may be anything. What is still accepted has a side table and constants that can be used. */
static void
test_flipped(void **state)
{
    (void)state;
    build whole = decode_sample();
    u32 refused = 0;
    for (size_t at = 0; at < whole.len; at++) {
        u8 const kept = whole.data[at];
        for (u32 v = 0; v < 256; v += v < 16 || v > 240 ? 1 : 7) {
            wasm_module *m;
            gbx_err err;
            whole.data[at] = (u8)v;
            gbx_code const code = decode_bytes(&whole, &m, &err);
            refused += code != GBX_OK;
            if (code != GBX_OK) {
                assert_true(err.text[0]);
            } else {
                gbx_wasm_fuse_undo(m);
            }
            gbx_wasm_module_free(m);
        }
        whole.data[at] = kept;
    }
    assert_true(refused > 1000);
    build_free(&whole);
}

/* Every allocation may fail: an error then, and nothing is lost (the leak checker looks). */
static void
test_out_of_memory(void **state)
{
    (void)state;
    build whole = decode_sample();
    wasm_module *m;
    gbx_err err;
    u64 n = 1;
    for (;; n++) {
        u8 *const copy = gbx_base_alloc(whole.len, 1);
        memcpy(copy, whole.data, whole.len);
        gbx_base_fault_arm(n);
        gbx_code const code = gbx_wasm_module_new(copy, whole.len, 0, &m, &err);
        u64 const seen = gbx_base_fault_count();
        gbx_base_fault_arm(0);
        if (code == GBX_OK) {
            gbx_wasm_module_free(m);
            assert_true(seen < n);
            break;
        }
        assert_int_equal(code, GBX_NO_MEMORY);
        assert_null(m);
        assert_true(err.text[0]);
    }
    assert_true(n > 8);
    build_free(&whole);
}

/* ---- Numbers with surplus bytes */

/* Alignments are rewritten to one byte in our copy; what the instruction does and where it stands stays. */
static void
test_overlong_memarg(void **state)
{
    (void)state;
    build_func const funcs[] = {
        {"i", "i", "", BODY(OP_LOCAL_GET, 0x80, 0x80, 0, OP_I32_LOAD, 0x82, 0x80, 0x80, 0x80, 0,
                            0x88, 0x80, 0x80, 0x80, 0, OP_END)},
        {"i", "l", "", BODY(OP_LOCAL_GET, 0, OP_I64_LOAD, 0x83, 0x80, 0, 0x90, 0x80, 0x04, OP_END)},
        {"i", "", "", BODY(OP_LOCAL_GET, 0, OP_I64_CONST, 0x85, 0, OP_I64_STORE, 0x80, 0, 8, OP_END)},
    };
    world w = world_open(0, 0);
    gbx_instance *const inst =
            world_load(&w, build_whole(&(build_module){.funcs = funcs, .func_count = 3, .pages = 2}));
    u8 *data;
    size_t bytes;
    assert_true(gbx_instance_memory(inst, "m", &data, &bytes));
    for (u32 fused = 0; fused < 2; fused++) {
        world_fuse(&w, inst, fused);
        memset(data, 0, bytes);
        memcpy(data + 108, "\x01\x02\x03\x04", 4);
        memcpy(data + 0x10010 + 100, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
        assert_int_equal(world_value(inst, "f0", 100), 0x04030201);
        assert_int_equal(world_value(inst, "f1", 100), 0x0102030405060708);
        (void)world_value(inst, "f2", 100);
        assert_int_equal(data[108], 5);
        static const char *const names[] = {"f0", "f1", "f2"};
        static const u32 at[] = {4, 2, 5};
        for (u32 i = 0; i < 3; i++) {
            gbx_slot slots[2] = {UINT32_MAX};
            gbx_trap trap;
            assert_int_equal(world_call(inst, names[i], slots, &trap), GBX_TRAP_MEM_OOB);
            assert_int_equal(trap.frames[0].offset, inst->module->codes[i].insns_off + at[i]);
        }
    }
    world_close(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),        cmocka_unit_test(test_function_names),
        cmocka_unit_test(test_preamble),        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_canonical_types), cmocka_unit_test(test_names),
        cmocka_unit_test(test_truncated),       cmocka_unit_test(test_flipped),
        cmocka_unit_test(test_out_of_memory),   cmocka_unit_test(test_overlong_memarg),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
