/* What a module says of its making: the section of producers, Go's build information, the version where a tool
 * took the section away, and names of packages; with damage in any place. What Go's releases write is tested
 * in test/audit. */
#include "wasm_build.h"

#include "wasm/gobuild.h"

enum { AT = 0x400 };

static const char info_begin[] = "\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6";
static const char info_end[] = "\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2";
static const char info_text[] = "path\texample.com/app\nmod\texample.com/"
                                "app\t(devel)\t\ndep\tgolang.org/x/text\tv0.14.0\th1:x=\n"
                                "build\t-ldflags=\"-s -w=1\"\nbuild\tGOOS=wasip1\n";
#define VERSION "go1.26.8"

static void
put_name(build *b, const char *text)
{
    build_u32(b, strlen(text));
    build_bytes(b, text, strlen(text));
}

static void
put_producers(build *b)
{
    build s = {0};
    put_name(&s, "producers");
    BUILD(&s, 2);
    put_name(&s, "language");
    BUILD(&s, 2);
    put_name(&s, "Go");
    put_name(&s, VERSION);
    put_name(&s, "C");
    put_name(&s, "17");
    put_name(&s, "processed-by");
    BUILD(&s, 1);
    put_name(&s, "Go cmd/compile");
    put_name(&s, "go1.26.9");
    build_section(b, 0, &s);
}

/* A decoy, the string that runtime.buildVersion points to, the pointer, the build information; the length
 * ends the segment, its zeros left out. */
static void
put_data(build *b)
{
    build s = {0}, d = {0};
    build_bytes(&d, "go1.99 is no version here:" VERSION "ing", 37);
    build_bytes(&d, info_begin, 16);
    build_bytes(&d, info_text, sizeof info_text - 1);
    build_bytes(&d, info_end, 16);
    u32 const string = AT + 26;
    BUILD(&d, (u8)string, (u8)(string >> 8), 0, 0, 0, 0, 0, 0, sizeof VERSION - 1);
    BUILD(&s, 1, 0, OP_I32_CONST);
    build_i64(&s, AT);
    BUILD(&s, OP_END);
    build_u32(&s, d.len);
    build_bytes(&s, d.data, d.len);
    build_free(&d);
    build_section(b, 11, &s);
}

static wasm_module *
made(bool has_producers)
{
    build_func const funcs[] = {{"", "", "", BODY(OP_NOP, OP_END)}};
    build b = build_whole(&(build_module){.funcs = funcs, .func_count = 1, .pages = 1});
    put_data(&b);
    if (has_producers) put_producers(&b);
    wasm_module *m;
    gbx_err err;
    if (gbx_wasm_module_new(b.data, b.len, 0, &m, &err) != GBX_OK) fail_msg("%s", err.text);
    return m;
}

static void
assert_text(rd_name name, const char *text)
{
    if (name.len != strlen(text) || memcmp(name.text, text, name.len))
        fail_msg("%.*s: not %s", (int)name.len, name.text, text);
}

static void
test_said(void **state)
{
    (void)state;
    for (u32 i = 0; i < 2; i++) {
        wasm_module *const m = made(i == 0);
        go_build b;
        gbx_wasm_go_build(m, &b);
        assert_text(b.language, i == 0 ? "Go" : "");
        assert_text(b.version, VERSION);
        assert_text(b.tool, i == 0 ? "Go cmd/compile" : "");
        assert_text(b.tool_version, i == 0 ? "go1.26.9" : "");
        assert_text(b.info, info_text);
        gbx_wasm_module_free(m);
    }
}

static void
test_lines(void **state)
{
    (void)state;
    static const char *const rows[][3] = {{"path", "example.com/app", ""},
                                          {"mod", "example.com/app", "(devel)"},
                                          {"dep", "golang.org/x/text", "v0.14.0"},
                                          {"build", "-ldflags", "\"-s -w=1\""},
                                          {"build", "GOOS", "wasip1"}};
    rd_name rest = {info_text, sizeof info_text - 1};
    go_build_line line;
    for (u32 i = 0; i < GBX_LEN(rows); i++) {
        assert_true(gbx_wasm_go_build_line(&rest, &line));
        assert_text(line.kind, rows[i][0]);
        assert_text(line.name, rows[i][1]);
        assert_text(line.value, rows[i][2]);
    }
    assert_false(gbx_wasm_go_build_line(&rest, &line));
    rest = (rd_name){"alone", 5};
    assert_true(gbx_wasm_go_build_line(&rest, &line));
    assert_text(line.kind, "alone");
    assert_text(line.value, "");
    assert_false(gbx_wasm_go_build_line(&rest, &line));
}

static void
test_packages(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
            {"main.main", "main"},
            {"net/http.(*Transport).dial", "net/http"},
            {"gopkg.in/yaml%2ev3.Unmarshal", "gopkg.in/yaml.v3"},
            {"vendor/golang.org/x/net/dns/dnsmessage.(*Parser).Answer.func1",
             "vendor/golang.org/x/net/dns/dnsmessage"},
            {"slices.SortFunc[go.shape.[]a/b.T,go.shape.*uint8]", "slices"},
            {"type:.eq.main.T", ""},
            {"go:buildid", ""},
            {"(*net/http.Server).Serve", "net/http"},
            {"memcpy", ""},
            {"a%2", ""},
            {"a%2.b", "a%2"},
            {"a%zz.b", "a%zz"},
            {".x", ""},
            {"", ""},
            {"(", ""},
    };
    char out[64];
    for (u32 i = 0; i < GBX_LEN(rows); i++) {
        u32 const len = gbx_wasm_go_package(rows[i][0], (u32)strlen(rows[i][0]), out, sizeof out);
        assert_text((rd_name){out, len}, rows[i][1]);
    }
    assert_int_equal(gbx_wasm_go_package("long/path.f", 11, out, 4), 4);
}

static u64
next_random(u64 *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

/* SAFETY, of gobuild.c: bytes of the data, of the section and the place of segments are anything. The module
 * was decoded before: lengths of sections are as they were, what is in them is not. */
static void
test_hostile(void **state)
{
    (void)state;
    u64 x = 0x9e3779b97f4a7c15, sum = 0;
    wasm_module *const m = made(true);
    wasm_data const seg = m->datas[0];
    u32 const from = seg.bytes_off;
    u8 *const bytes = malloc(m->len);
    assert_non_null(bytes);
    memcpy(bytes, m->bytes, m->len);
    for (u32 round = 0; round < 40000; round++) {
        for (u64 k = next_random(&x) % 8 + 1; k; k--) {
            u64 const how = next_random(&x) % 16;
            if (how < 14)
                m->bytes[from + next_random(&x) % (m->len - from)] = (u8)next_random(&x);
            else if (how == 14)
                m->datas[0].at = (u32)next_random(&x);
            else
                m->datas[0].bytes_len = next_random(&x) % (seg.bytes_len + 1) & INT32_MAX;
        }
        go_build b;
        go_build_line line;
        char out[40];
        gbx_wasm_go_build(m, &b);
        for (rd_name rest = b.info; gbx_wasm_go_build_line(&rest, &line);) sum += line.value.len;
        sum += b.version.len + gbx_wasm_go_package(b.version.text, b.version.len, out, sizeof out);
        memcpy(m->bytes, bytes, m->len);
        m->datas[0] = seg;
    }
    assert_true(sum > 0);
    free(bytes);
    gbx_wasm_module_free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_said),
            cmocka_unit_test(test_lines),
            cmocka_unit_test(test_packages),
            cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
