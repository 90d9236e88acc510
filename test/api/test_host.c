/* Host functions: how they are defined and described, and what helps them with guests' memory, allocators and
 * names of files. Guests here are hostile: every helper gets the worst addresses and lengths there are. */
#include <signal.h>
#include <sys/stat.h>

#include "api/guest.h"

/* The host's functions are imported as they are needed by a test; `run` calls `hook` with three numbers. */
static const char guest_text[] =
        "(module (import \"host\" \"hook\" (func $hook (param i32 i32 i32) (result i32)))"
        "(memory (export \"memory\") 1 4)"
        "(data (i32.const 100) \"0123456789abcdefghijklmnopqrstuvwxyz\")"
        "(global $next (mut i32) (i32.const 4096))"
        "(func (export \"run\") (param i32 i32 i32) (result i32)"
        "  (call $hook (local.get 0) (local.get 1) (local.get 2)))"
        "(func (export \"poke\") (param i32 i32) (result i32)"
        "  (i32.store8 (local.get 0) (local.get 1)) (i32.load8_u (local.get 0)))"
        "(func (export \"peek\") (param i32) (result i32) (i32.load8_u (local.get 0)))"
        "(func (export \"alloc\") (param i32) (result i32) (local i32)"
        "  (local.set 1 (global.get $next)) (global.set $next (i32.add (global.get $next) (local.get 0)))"
        "  (local.get 1))"
        "(func (export \"alloc64\") (param i64) (result i64) (i64.const 64))"
        "(func (export \"alloc_grows\") (param i32) (result i32)"
        "  (i32.mul (memory.grow (i32.const 1)) (i32.const 65536)))"
        "(func (export \"alloc_null\") (param i32) (result i32) (i32.const 0))"
        "(func (export \"alloc_end\") (param i32) (result i32) (i32.mul (memory.size) (i32.const 65536)))"
        "(func (export \"alloc_high\") (param i32) (result i32) (i32.const -1))"
        "(func (export \"alloc_high64\") (param i64) (result i64) (i64.const -8))"
        "(func (export \"alloc_traps\") (param i32) (result i32) (unreachable))"
        "(func (export \"alloc_hooks\") (param i32) (result i32) (call $hook (i32.const 7) (i32.const 0) (i32.const 0)))"
        "(func (export \"alloc_two\") (param i32 i32) (result i32) (i32.const 64))"
        "(func (export \"alloc_mixed\") (param i32) (result i64) (i64.const 64)))";

typedef struct hooked hooked;
typedef gbx_trap_code hook(hooked *h, gbx_caller *c, const uint32_t a[3], uint32_t *result);

struct hooked {
    guest_world *w;
    gbx_instance *inst;
    hook *fn;
    int state;
    gbx_view view;
    uint8_t *kept;
};

static gbx_trap_code
on_hook(gbx_caller *c, void *data, const gbx_val *args, gbx_val *results)
{
    hooked *const h = data;
    uint32_t const a[3] = {(uint32_t)args[0].of.i32, (uint32_t)args[1].of.i32, (uint32_t)args[2].of.i32};
    uint32_t r = 0;
    gbx_trap_code const code = h->fn(h, c, a, &r);
    results[0].of.i32 = (int32_t)r;
    return code;
}

static void
hooked_open(hooked *h, guest_world *w, uint32_t checked, hook *fn)
{
    *h = (hooked){.w = w, .fn = fn};
    memset(w, 0, sizeof *w);
    gbx_engine_opts const opts = {.size = sizeof opts, .checked = checked};
    GUEST_OK(gbx_engine_new(&opts, &w->engine, &w->err));
    GUEST_OK(gbx_store_new(w->engine, NULL, &w->store, &w->err));
    GUEST_OK(gbx_linker_new(w->store, &w->linker, &w->err));
    gbx_host_func const f = {.size = sizeof f, .module = "host", .name = "hook", .signature = "(i32, i32, i32) -> i32",
                             .callback = on_hook, .data = h};
    GUEST_OK(gbx_linker_define(w->linker, &f, &w->err));
    h->inst = guest_instance(w, guest_text);
}

/* `run`; -1 where it trapped, and how is in w->trap. */
static int32_t
run(hooked *h, uint32_t a, uint32_t b, uint32_t c)
{
    int32_t const args[3] = {(int32_t)a, (int32_t)b, (int32_t)c};
    int32_t r = -1;
    return guest_call(h->w, h->inst, "run", args, 3, &r) ? -1 : r;
}

static int32_t
call1(hooked *h, const char *name, int32_t a, int32_t b, size_t count)
{
    int32_t r = -1;
    int32_t const args[2] = {a, b};
    assert_int_equal(guest_call(h->w, h->inst, name, args, count, &r), GBX_TRAP_NONE);
    return r;
}

/* ---- definitions */

static gbx_trap_code
nothing(gbx_caller *c, void *data, const gbx_val *args, gbx_val *results)
{
    (void)c, (void)data, (void)args, (void)results;
    return GBX_TRAP_NONE;
}

static void
test_signatures(void **state)
{
    (void)state;
    guest_world here, *const w = &here;
    guest_open(w, NULL);
    static const struct {
        const char *text, *shown; /* NULL: refused */
    } rows[] = {{"(i32, i64) -> f32", "(i32, i64) -> (f32)"},
                {"()", "() -> ()"},
                {" ( ) -> ( ) ", "() -> ()"},
                {"(funcref,externref)->(v128,f64)", "(funcref, externref) -> (v128, f64)"},
                {"(f64)->(i32)", "(f64) -> (i32)"},
                {"", NULL},      {"i32", NULL},      {"(i32", NULL},         {"(i32,) -> i32", NULL},
                {"(,)", NULL},   {"(i33)", NULL},    {"(i32) -> ", NULL},    {"(i32) - > i32", NULL},
                {"(i32) i32", NULL}, {"(i32) -> i32, i32", NULL}, {"(i32) -> i32 i32", NULL}, {"(I32)", NULL},
                {"(exnref)", NULL}, {"(i32)) -> i32", NULL}, {"(\x1b[2J)", NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gbx_host_func const f = {.size = sizeof f, .module = "m", .name = "f", .signature = rows[i].text, .callback = nothing};
        gbx_code const code = gbx_linker_define(w->linker, &f, &w->err);
        assert_int_equal(code, rows[i].shown ? GBX_OK : GBX_ARGUMENT);
        if (!rows[i].shown) {
            assert_non_null(strstr(w->err.text, "is no signature"));
            assert_null(strchr(w->err.text, '\x1b'));
            continue;
        }
        char *text;
        GUEST_OK(gbx_wasi_describe(w->linker, &text, &w->err));
        char want[64];
        snprintf(want, sizeof want, "\"type\": \"%s\"", rows[i].shown);
        assert_non_null(strstr(text, want));
        gbx_text_free(text);
    }
    static char many[6000] = "(i32";
    for (int i = 0; i < 1000; i++) strcat(many, ",i32");
    strcat(many, ")");
    gbx_valtype const i32 = GBX_I32;
    gbx_host_func f = {.size = sizeof f, .module = "m", .name = "f", .signature = many, .callback = nothing};
    assert_int_equal(gbx_linker_define(w->linker, &f, &w->err), GBX_ARGUMENT);
    many[strlen(many) - 5] = 0; /* 1,000 */
    strcat(many, ")");
    assert_int_equal(gbx_linker_define(w->linker, &f, &w->err), GBX_OK);
    f.params = &i32;
    f.param_count = 1;
    assert_int_equal(gbx_linker_define(w->linker, &f, &w->err), GBX_ARGUMENT);
    f.signature = NULL;
    assert_int_equal(gbx_linker_define(w->linker, &f, &w->err), GBX_OK);
    f.callback = NULL;
    assert_int_equal(gbx_linker_define(w->linker, &f, &w->err), GBX_ARGUMENT);
    assert_int_equal(gbx_linker_define(w->linker, NULL, &w->err), GBX_ARGUMENT);
    f = (gbx_host_func){.size = sizeof f, .signature = "()", .callback = nothing};
    assert_int_equal(gbx_linker_define(w->linker, &f, &w->err), GBX_ARGUMENT);
    gbx_text_free(NULL);
    guest_close(w);
}

/* Everything that is missing or of another type, at once, with both signatures; and how many more there are. */
static void
test_link_report(void **state)
{
    (void)state;
    guest_world here, *const w = &here;
    guest_open(w, NULL);
    char text[12000] = "(module (import \"a\" \"one\" (func (param i32 i64) (result f32)))"
                       "(import \"a\" \"two\" (func (param i32)))";
    for (int i = 0; i < 60; i++)
        snprintf(text + strlen(text), 100, "(import \"b\" \"n%d\" (func (param i64) (result i64)))", i);
    strcat(text, ")");
    gbx_host_func const f = {.size = sizeof f, .module = "a", .name = "one", .signature = "(i32) -> f32", .callback = nothing};
    GUEST_OK(gbx_linker_define(w->linker, &f, &w->err));
    gbx_module *const m = guest_compile(w, text);
    gbx_instance *i;
    assert_int_equal(gbx_instance_new(w->store, m, w->linker, &i, &w->trap, &w->err), GBX_UNKNOWN_IMPORT);
    assert_non_null(strstr(w->err.text, "`a::one` is wanted as (i32, i64) -> (f32), supplied is (i32) -> (f32)"));
    assert_non_null(strstr(w->err.text, "unknown import: `a::two` (i32) -> ()"));
    assert_non_null(strstr(w->err.text, "unknown import: `b::n0` (i64) -> (i64)"));
    const char *const more = strstr(w->err.text, " more");
    assert_non_null(more);
    int said = 0, unsaid = 0;
    for (const char *p = w->err.text; (p = strstr(p, "::")); p++) said++;
    assert_int_equal(sscanf(strstr(w->err.text, "and "), "and %d more", &unsaid), 1);
    assert_int_equal(said + unsaid, 62);
    gbx_module_release(m);
    guest_close(w);
}

/* ---- descriptions */

/* Python reads the text and checks what is said of it. */
static void
assert_json(guest_world *w, const char *checks)
{
    char *text, path[] = "/tmp/gbx-test-XXXXXX";
    GUEST_OK(gbx_wasi_describe(w->linker, &text, &w->err));
    int const fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    assert_null(strchr(text, '\n'));
    gbx_text_free(text);
    char script[4096];
    snprintf(script, sizeof script, "import json, sys\nd = json.load(open(sys.argv[1]))\n%s", checks);
    char *const argv[] = {"python3", "-c", script, path, NULL};
    guest_run_tool(argv, NULL);
    unlink(path);
}

static void
test_describe(void **state)
{
    (void)state;
    guest_world here, *const w = &here;
    gbx_store_opts const opts = {.size = sizeof opts, .timeout_ns = GBX_UNLIMITED, .output_bytes = 4096, .name = "plug"};
    guest_open(w, &opts);
    assert_json(w, "assert list(d) == ['store', 'bounds', 'wasi', 'imports'] and d['wasi'] is None and d['imports'] == []\n"
                   "assert d['store'] == {'name': 'plug', 'tenant': ''}\nb = d['bounds']\n"
                   "assert b['timeout_ns'] is None and b['memory_bytes'] == 256 << 20 and b['output_bytes'] == 4096\n"
                   "assert list(b)[:6] == ['timeout_ns', 'memory_bytes', 'stack_bytes', 'table_elems', 'output_bytes',"
                   " 'disk_bytes']\n");
    gbx_wasi *wasi;
    GUEST_OK(gbx_wasi_new(&wasi, &w->err));
    GUEST_OK(gbx_wasi_arg(wasi, "a \"b\"\n\x1b\xff\xe2\x80\xae\xf0\x9f\x99\x82", &w->err));
    GUEST_OK(gbx_wasi_env(wasi, "TOKEN", "secret", &w->err));
    GUEST_OK(gbx_wasi_dir(wasi, "/tmp", "/work", GBX_READ_WRITE, &w->err));
    GUEST_OK(gbx_wasi_file(wasi, "/files", "a/b", (gbx_bytes){(const uint8_t *)"12345", 5}, &w->err));
    GUEST_OK(gbx_wasi_stdin_bytes(wasi, (gbx_bytes){(const uint8_t *)"123", 3}, &w->err));
    GUEST_OK(gbx_wasi_capture(wasi, 1, 77, &w->err));
    GUEST_OK(gbx_wasi_stdio_file(wasi, 2, "/dev/null", GBX_APPEND, &w->err));
    char bound[GBX_ADDRESS_BYTES];
    GUEST_OK(gbx_wasi_listen(wasi, "127.0.0.1:0", bound, &w->err));
    GUEST_OK(gbx_wasi_link(wasi, w->linker, &w->err));
    gbx_host_func f = {.size = sizeof f, .module = "billing", .name = "charge", .signature = "(i64) -> i32",
                       .callback = nothing, .purpose = "charges the \"tenant\"", .touches = "the accounts"};
    GUEST_OK(gbx_linker_define(w->linker, &f, &w->err));
    f = (gbx_host_func){.size = sizeof f, .module = "\xff\x1b", .name = "", .signature = "()", .callback = nothing};
    GUEST_OK(gbx_linker_define(w->linker, &f, &w->err));
    GUEST_OK(gbx_linker_define_memory(w->linker, "billing", "buffer", 1, 2, &w->err));
    gbx_instance *const i = guest_instance(w, "(module (func (export \"f\") (result i32) (i32.const 1)))");
    GUEST_OK(gbx_linker_define_instance(w->linker, "other", i, &w->err));
    char checks[4096];
    snprintf(checks, sizeof checks,
             "w = d['wasi']\n"
             "assert w['args'] == ['a \"b\"\\n\\x1b\\ufffd\\u202e\\U0001f642'] and w['env'] == ['TOKEN'], w\n"
             "assert 'secret' not in open(sys.argv[1]).read()\n"
             "assert '\\x1b' not in open(sys.argv[1]).read() and '\\u202e' not in open(sys.argv[1]).read()\n"
             "assert w['stdin'] == {'kind': 'bytes', 'bytes': 3} and w['stdout'] == {'kind': 'memory', 'most_bytes': 77}\n"
             "assert w['stderr'] == {'kind': 'character device'}, w\n"
             "assert w['sockets'] == [{'fd': 3, 'kind': 'listener', 'address': '%s'}], w\n"
             "assert w['directories'] == [{'guest_path': '/work', 'kind': 'host', 'access': 'read-write',"
             " 'host_path': '/tmp'}, {'guest_path': '/files', 'kind': 'memory', 'access': 'read-only', 'files': 1,"
             " 'bytes': 5}], w\n"
             "assert (w['clock'], w['randomness'], w['special_files'], w['raw_terminals']) == ('fixed', 'system', False,"
             " False)\n"
             "i = d['imports']\n"
             "assert [(x['module'], x['name']) for x in i] == [('billing', 'buffer'), ('billing', 'charge'),"
             " ('other', 'f'), ('\\ufffd\\x1b', '')], i\n"
             "assert [x['kind'] for x in i] == ['memory', 'host function', 'guest function', 'host function'], i\n"
             "assert i[1]['type'] == '(i64) -> (i32)' and i[1]['purpose'] == 'charges the \"tenant\"'\n"
             "assert i[1]['touches'] == 'the accounts' and i[2]['purpose'] is None\n",
             bound);
    assert_json(w, checks);
    gbx_wasi_clock_real(wasi);
    gbx_wasi_random_seed(wasi, 1);
    gbx_wasi_special_files(wasi, true);
    GUEST_OK(gbx_wasi_link(wasi, w->linker, &w->err));
    assert_json(w, "w = d['wasi']\nassert (w['clock'], w['randomness'], w['special_files']) == ('real', 'seeded', True)\n");
    gbx_wasi_release(wasi);
    char *text;
    assert_int_equal(gbx_wasi_describe(NULL, &text, &w->err), GBX_ARGUMENT);
    assert_int_equal(gbx_wasi_describe(w->linker, NULL, &w->err), GBX_ARGUMENT);
    gbx_store_release(w->store);
    w->store = NULL;
    assert_int_equal(gbx_wasi_describe(w->linker, &text, &w->err), GBX_STATE);
    assert_null(text);
    guest_close(w);
}

/* A module, two tenants, two worlds: each has what it was given, and is described as what it was given. */
static void
test_side_by_side(void **state)
{
    (void)state;
    static const char text[] =
            "(module (import \"wasi_snapshot_preview1\" \"fd_write\" (func $w (param i32 i32 i32 i32) (result i32)))"
            "(import \"wasi_snapshot_preview1\" \"path_open\""
            "  (func $o (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))"
            "(import \"wasi_snapshot_preview1\" \"args_sizes_get\" (func $a (param i32 i32) (result i32)))"
            "(import \"app\" \"who\" (func $who (result i32)))"
            "(memory (export \"memory\") 1) (data (i32.const 32) \"config\")"
            "(func (export \"who\") (result i32) (i32.store (i32.const 0) (i32.const 32))"
            "  (i32.store (i32.const 4) (i32.const 6)) (drop (call $w (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))"
            "  (call $who))"
            "(func (export \"args\") (result i32) (drop (call $a (i32.const 16) (i32.const 20))) (i32.load (i32.const 16)))"
            "(func (export \"open\") (result i32) (call $o (i32.const 3) (i32.const 1) (i32.const 32) (i32.const 6)"
            "  (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 8))))";
    guest_world here[2];
    gbx_module *m = NULL;
    gbx_instance *inst[2];
    guest_world *w = &here[0];
    guest_open(w, NULL);
    m = guest_compile(w, text);
    here[1] = (guest_world){.engine = here[0].engine};
    for (int k = 0; k < 2; k++) {
        w = &here[k];
        gbx_store_opts const opts = {.size = sizeof opts, .output_bytes = k ? 3 : 100};
        if (k) {
            GUEST_OK(gbx_store_new(w->engine, &opts, &w->store, &w->err));
            GUEST_OK(gbx_linker_new(w->store, &w->linker, &w->err));
        }
        gbx_wasi *wasi;
        GUEST_OK(gbx_wasi_new(&wasi, &w->err));
        GUEST_OK(gbx_wasi_capture(wasi, 1, 0, &w->err));
        if (!k) {
            GUEST_OK(gbx_wasi_arg(wasi, "first", &w->err));
            GUEST_OK(gbx_wasi_file(wasi, "/", "config", (gbx_bytes){(const uint8_t *)"x", 1}, &w->err));
        }
        GUEST_OK(gbx_wasi_link(wasi, w->linker, &w->err));
        gbx_wasi_release(wasi);
        gbx_host_func const f = {.size = sizeof f, .module = "app", .name = "who", .signature = "() -> i32",
                                 .callback = nothing, .purpose = k ? "second" : "first"};
        GUEST_OK(gbx_linker_define(w->linker, &f, &w->err));
        GUEST_OK(gbx_instance_new(w->store, m, w->linker, &inst[k], &w->trap, &w->err));
    }
    int32_t r;
    for (int round = 0; round < 2; round++) {
        w = &here[0];
        assert_int_equal(guest_call(w, inst[0], "open", NULL, 0, &r), GBX_TRAP_NONE);
        assert_int_equal(r, 0);
        assert_int_equal(guest_call(w, inst[0], "args", NULL, 0, &r), GBX_TRAP_NONE);
        assert_int_equal(r, 1);
        assert_int_equal(guest_call(w, inst[0], "who", NULL, 0, &r), GBX_TRAP_NONE);
        w = &here[1];
        assert_int_equal(guest_call(w, inst[1], "open", NULL, 0, &r), GBX_TRAP_NONE);
        assert_int_equal(r, 8); /* EBADF: there is no descriptor 3 */
        assert_int_equal(guest_call(w, inst[1], "args", NULL, 0, &r), GBX_TRAP_NONE);
        assert_int_equal(r, 0);
        assert_int_equal(guest_call(w, inst[1], "who", NULL, 0, &r), GBX_TRAP_OUTPUT_LIMIT);
    }
    assert_int_equal(gbx_store_captured(here[0].store, 1).len, 12);
    assert_int_equal(gbx_store_captured(here[1].store, 1).len, 3);
    assert_json(&here[0], "assert d['wasi']['args'] == ['first'] and len(d['wasi']['directories']) == 1\n"
                          "assert d['bounds']['output_bytes'] == 16 << 20 and d['imports'][0]['purpose'] == 'first'\n");
    assert_json(&here[1], "assert d['wasi']['args'] == [] and d['wasi']['directories'] == []\n"
                          "assert d['bounds']['output_bytes'] == 3 and d['imports'][0]['purpose'] == 'second'\n");
    gbx_module_release(m);
    gbx_linker_release(here[1].linker);
    gbx_store_release(here[1].store);
    guest_close(&here[0]);
}

/* ---- views */

/* Addresses and lengths that are not inside a memory of one page. */
static const struct {
    uint64_t addr, len;
} outside[] = {{0, 65537},          {65536, 1},          {65537, 0},           {65535, 2},
               {UINT32_MAX, 1},     {1, UINT32_MAX},     {UINT32_MAX, UINT32_MAX}, {1ull << 32, 0},
               {1, UINT64_MAX},     {UINT64_MAX, 1},     {UINT64_MAX, UINT64_MAX}, {UINT64_MAX - 3, 4},
               {1ull << 63, 1ull << 63}};

static gbx_trap_code
hook_bad_views(hooked *h, gbx_caller *c, const uint32_t a[3], uint32_t *result)
{
    (void)a;
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        gbx_view v = {.idx = 1};
        assert_int_equal(gbx_view_open(c, outside[i].addr, outside[i].len, &v), GBX_TRAP_MEM_OOB);
        size_t len = 9;
        assert_null(gbx_view_data(v, &len));
        assert_int_equal(len, 0);
        assert_false(gbx_view_read(v, 0, NULL, 0));
        gbx_view_close(v);
    }
    gbx_view v, empty;
    assert_int_equal(gbx_view_open(c, 100, 10, &v), GBX_TRAP_NONE);
    assert_int_equal(gbx_view_open(c, 65536, 0, &empty), GBX_TRAP_NONE);
    assert_true(gbx_view_read(empty, 0, NULL, 0));
    assert_false(gbx_view_write(empty, 0, "x", 1));
    char buf[16] = "";
    static const struct {
        uint64_t offset;
        size_t len;
    } rows[] = {{0, 11}, {10, 1}, {11, 0}, {5, 6}, {UINT64_MAX, 1}, {1, SIZE_MAX}, {UINT64_MAX, SIZE_MAX}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_false(gbx_view_read(v, rows[i].offset, buf, rows[i].len));
        assert_false(gbx_view_write(v, rows[i].offset, buf, rows[i].len));
    }
    assert_true(gbx_view_read(v, 0, buf, 10));
    assert_string_equal(buf, "0123456789");
    gbx_view gone = v;
    gbx_view_close(v);
    gbx_view_close(v);
    assert_null(gbx_view_data(gone, NULL));
    assert_int_equal(gbx_view_open(c, 100, 10, &v), GBX_TRAP_NONE); /* in the place of the first */
    assert_int_equal(v.idx, gone.idx);
    assert_false(gbx_view_read(gone, 0, buf, 1));
    gbx_view_close(gone);
    assert_true(gbx_view_read(v, 0, buf, 1));
    gone.idx = UINT32_MAX;
    assert_false(gbx_view_read(gone, 0, buf, 1));
    h->view = empty; /* ends with this function */
    *result = 1;
    assert_int_equal(gbx_view_open(NULL, 0, 0, &v), GBX_TRAP_MEM_OOB);
    assert_int_equal(gbx_view_open(c, 0, 0, NULL), GBX_TRAP_HOST);
    return GBX_TRAP_NONE;
}

static void
test_views_bounds(void **state)
{
    (void)state;
    for (uint32_t checked = 0; checked < 2; checked++) {
        guest_world here;
        hooked h;
        hooked_open(&h, &here, checked, hook_bad_views);
        assert_int_equal(run(&h, 0, 0, 0), 1);
        assert_false(gbx_view_read(h.view, 0, NULL, 0));
        guest_close(&here);
    }
}

/* Two views that overlap, copies beside them, and a guest that runs in between: all see the same bytes. */
static gbx_trap_code
hook_coherent(hooked *h, gbx_caller *c, const uint32_t a[3], uint32_t *result)
{
    gbx_view v, o;
    char buf[8] = "";
    if (a[0] == 7) { /* nested: the outer view gives nothing, and one of its own does */
        assert_null(gbx_view_data(h->view, NULL));
        assert_int_equal(gbx_view_open(c, 101, 1, &v), GBX_TRAP_NONE);
        assert_true(gbx_view_write(v, 0, "N", 1));
        *result = 64;
        return GBX_TRAP_NONE; /* and ends unclosed */
    }
    assert_int_equal(gbx_view_open(c, 100, 10, &v), GBX_TRAP_NONE);
    assert_int_equal(gbx_view_open(c, 105, 10, &o), GBX_TRAP_NONE);
    size_t len;
    uint8_t *const p = gbx_view_data(v, &len);
    assert_int_equal(len, 10);
    assert_int_equal((uintptr_t)p % 4, 100 % 4); /* aligned as the guest's address is */
    p[0] = 'A';
    p[6] = 'B';
    assert_true(gbx_caller_read(c, 100, buf, 7));
    assert_memory_equal(buf, "A12345B", 7);
    assert_true(gbx_view_read(o, 0, buf, 2));
    assert_memory_equal(buf, "5B", 2);
    assert_true(gbx_caller_write(c, 107, "C", 1));
    assert_int_equal(p[7], 'C');
    assert_true(gbx_view_write(o, 3, "D", 1));
    assert_true(gbx_caller_read(c, 108, buf, 1));
    assert_int_equal(p[8], 'D');
    h->view = v;
    assert_int_equal(call1(h, "poke", 102, 'G', 2), 'G');
    assert_int_equal(call1(h, "peek", 106, 0, 1), 'B');
    assert_ptr_equal(gbx_view_data(v, NULL), p); /* the same place as before */
    assert_int_equal(p[2], 'G');
    uint64_t at;
    assert_int_equal(gbx_caller_alloc(c, "alloc_hooks", 1, &at), GBX_TRAP_NONE);
    assert_int_equal(p[1], 'N');
    gbx_view_close(o);
    p[9] = 'Z';
    *result = 1;
    return GBX_TRAP_NONE;
}

static void
test_views_coherent(void **state)
{
    (void)state;
    for (uint32_t checked = 0; checked < 2; checked++) {
        guest_world here;
        hooked h;
        hooked_open(&h, &here, checked, hook_coherent);
        assert_int_equal(run(&h, 0, 0, 0), 1);
        static const char want[] = "ANG345BCDZabcdef";
        for (int32_t i = 0; want[i]; i++) assert_int_equal(call1(&h, "peek", 100 + i, 0, 1), want[i]);
        guest_close(&here);
    }
}

/* What a host does that keeps a pointer, in a process of its own. */
static gbx_trap_code
hook_keeps(hooked *h, gbx_caller *c, const uint32_t a[3], uint32_t *result)
{
    gbx_view v;
    size_t len;
    if (a[0] == 1) { /* another host function: the view is over */
        *result = h->kept[0];
        return GBX_TRAP_NONE;
    }
    if (gbx_view_open(c, 100, 10, &v)) _exit(3);
    h->kept = gbx_view_data(v, &len);
    if (a[0] == 2) gbx_view_close(v);
    if (a[0] == 2) *result = h->kept[9];
    if (a[0] == 3) *result = h->kept[26]; /* far beyond the end */
    if (a[0] == 4) { /* while the guest runs that this function calls */
        h->fn = hook_keeps;
        int32_t const args[3] = {1, 0, 0};
        int32_t r = 0;
        (void)guest_call(h->w, h->inst, "run", args, 3, &r);
    }
    return GBX_TRAP_NONE;
}

static void
test_views_revoked(void **state)
{
    (void)state;
    for (uint32_t how = 1; how <= 4; how++) {
        for (uint32_t checked = 0; checked < 2; checked++) {
            pid_t const pid = fork();
            assert_true(pid >= 0);
            if (pid == 0) {
                signal(SIGSEGV, SIG_DFL);
                guest_world here;
                hooked h;
                hooked_open(&h, &here, checked, hook_keeps);
                run(&h, how == 1 ? 0 : how, 0, 0);
                if (how == 1) run(&h, 1, 0, 0);
                _exit(0);
            }
            int status;
            assert_int_equal(waitpid(pid, &status, 0), pid);
            if (checked) assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
            else assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
    }
}

/* Very many windows: old ones are given back, and memory with them. */
static gbx_trap_code
hook_many(hooked *h, gbx_caller *c, const uint32_t a[3], uint32_t *result)
{
    (void)h;
    for (uint32_t i = 0; i < a[0]; i++) {
        gbx_view v;
        gbx_trap_code const code = gbx_view_open(c, i % 60000, a[1], &v);
        if (code) return code;
        if (i % 2) gbx_view_close(v);
    }
    *result = 1;
    return GBX_TRAP_NONE;
}

static void
test_views_many(void **state)
{
    (void)state;
    guest_world here;
    hooked h;
    hooked_open(&h, &here, 1, hook_many);
    for (int i = 0; i < 40; i++) assert_int_equal(run(&h, 200, 4096, 0), 1);
    guest_close(&here);
}

/* ---- buffers with their length in front */

static gbx_trap_code
hook_prefixed(hooked *h, gbx_caller *c, const uint32_t a[3], uint32_t *result)
{
    (void)h;
    uint64_t at = 9;
    uint32_t len = 9;
    gbx_trap_code const code = gbx_caller_prefixed(c, a[0], a[1], &at, &len);
    *result = code ? 0 : len;
    if (code) assert_true(at == 0 && len == 0);
    else assert_true(at == (uint64_t)a[0] + 4);
    return code;
}

static void
put_u32_at(hooked *h, uint32_t at, uint32_t v)
{
    uint8_t *data;
    size_t bytes;
    assert_true(gbx_instance_memory(h->inst, "memory", &data, &bytes));
    memcpy(data + at, &v, sizeof v);
}

static gbx_trap_code
hook_write_prefixed(hooked *h, gbx_caller *c, const uint32_t a[3], uint32_t *result)
{
    (void)h, (void)a;
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        assert_int_equal(gbx_caller_write_prefixed(c, outside[i].addr, outside[i].len, "x", 1), GBX_TRAP_MEM_OOB);
        assert_false(gbx_caller_read(c, outside[i].addr, NULL, outside[i].len));
        uint64_t at;
        uint32_t len;
        if (outside[i].addr > 65532)
            assert_int_equal(gbx_caller_prefixed(c, outside[i].addr, UINT32_MAX, &at, &len), GBX_TRAP_MEM_OOB);
    }
    char got[8] = "";
    assert_int_equal(gbx_caller_write_prefixed(c, 200, 7, "abcd", 4), GBX_TRAP_MEM_OOB);
    assert_int_equal(gbx_caller_write_prefixed(c, 200, 3, "", 0), GBX_TRAP_MEM_OOB);
    assert_int_equal(gbx_caller_write_prefixed(c, 200, 100, "abcd", SIZE_MAX), GBX_TRAP_MEM_OOB);
    assert_int_equal(gbx_caller_write_prefixed(c, 200, 100, NULL, 1), GBX_TRAP_HOST);
    assert_true(gbx_caller_read(c, 200, got, 8));
    assert_memory_equal(got, "\0\0\0\0\0\0\0\0", 8); /* nothing was written */
    assert_int_equal(gbx_caller_write_prefixed(c, 200, 8, "abcd", 4), GBX_TRAP_NONE);
    assert_true(gbx_caller_read(c, 200, got, 8));
    assert_memory_equal(got, "\4\0\0\0abcd", 8);
    *result = 1;
    return GBX_TRAP_NONE;
}

static void
test_prefixed(void **state)
{
    (void)state;
    guest_world here;
    hooked h;
    hooked_open(&h, &here, 0, hook_prefixed);
    put_u32_at(&h, 1000, 5);
    assert_int_equal(run(&h, 1000, 100, 0), 5);
    assert_int_equal(run(&h, 1000, 5, 0), 5);
    assert_int_equal(run(&h, 1000, 4, 0), -1);
    assert_int_equal(here.trap.code, GBX_TRAP_MEM_OOB);
    assert_string_equal(here.trap.message, "a buffer of 5 bytes, at most 4 may be given");
    static const uint32_t lengths[] = {65532, 65533, 0x7fffffff, UINT32_MAX, UINT32_MAX - 3, 0};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        put_u32_at(&h, 0, lengths[i]);
        bool const fits = lengths[i] <= 65532;
        assert_int_equal(run(&h, 0, UINT32_MAX, 0), fits ? (int32_t)lengths[i] : -1);
        if (!fits) assert_int_equal(here.trap.code, GBX_TRAP_MEM_OOB);
    }
    put_u32_at(&h, 65532, 0);
    assert_int_equal(run(&h, 65532, 10, 0), 0);
    put_u32_at(&h, 65532, 1);
    static const uint32_t addrs[] = {65532, 65533, 65536, 0x80000000, UINT32_MAX, UINT32_MAX - 3};
    for (size_t i = 0; i < sizeof addrs / sizeof *addrs; i++) {
        assert_int_equal(run(&h, addrs[i], UINT32_MAX, 0), -1);
        assert_int_equal(here.trap.code, GBX_TRAP_MEM_OOB);
    }
    h.fn = hook_write_prefixed;
    assert_int_equal(run(&h, 0, 0, 0), 1);
    guest_close(&here);
}

/* ---- the guest's allocator */

static const char *alloc_name;

static gbx_trap_code
hook_alloc(hooked *h, gbx_caller *c, const uint32_t a[3], uint32_t *result)
{
    if (a[0] == 7) { /* called by the allocator: again, one deeper, until it is enough */
        uint64_t at;
        *result = 4096;
        return h->state-- > 0 ? gbx_caller_alloc(c, "alloc_hooks", 1, &at) : GBX_TRAP_NONE;
    }
    uint64_t at = 1;
    gbx_trap_code const code = gbx_caller_alloc(c, alloc_name, (uint64_t)a[1] << 32 | a[2], &at);
    if (code) assert_int_equal(at, 0);
    else assert_true(gbx_caller_write(c, at, "x", 1) || !a[2]);
    *result = (uint32_t)at;
    return code;
}

static void
test_alloc(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t len;
        int64_t at; /* -1: it traps, so: */
        gbx_trap_code trap;
        const char *says;
    } rows[] = {
            {"alloc", 16, 4096, GBX_TRAP_NONE, NULL},
            {"alloc", 16, 4112, GBX_TRAP_NONE, NULL},
            {"alloc64", 1, 64, GBX_TRAP_NONE, NULL},
            {"alloc_grows", 65536, 65536, GBX_TRAP_NONE, NULL}, /* inside what it has become */
            {"alloc_grows", 65537, -1, GBX_TRAP_MEM_OOB, "not inside the guest's memory: 65537 bytes at address 131072"},
            {"alloc_null", 0, 0, GBX_TRAP_NONE, NULL},
            {"alloc_null", 1, -1, GBX_TRAP_HOST, "\"alloc_null\" gave nothing: 1 bytes"},
            {"alloc_end", 1, -1, GBX_TRAP_MEM_OOB, "not inside"},
            {"alloc_high", 1, -1, GBX_TRAP_MEM_OOB, "at address 4294967295"},
            {"alloc_high64", 16, -1, GBX_TRAP_MEM_OOB, "not inside"},
            {"alloc64", UINT64_MAX, -1, GBX_TRAP_MEM_OOB, "not inside"},
            {"alloc64", UINT64_MAX - 63, -1, GBX_TRAP_MEM_OOB, "not inside"},
            {"alloc", UINT32_MAX, -1, GBX_TRAP_MEM_OOB, "not inside"},
            {"alloc", 1ull << 32, -1, GBX_TRAP_HOST, "takes sizes below 4 GiB"},
            {"alloc_traps", 1, -1, GBX_TRAP_UNREACHABLE, ""},
            {"alloc_two", 1, -1, GBX_TRAP_HOST, "is no function of a size that gives an address"},
            {"alloc_mixed", 1, -1, GBX_TRAP_HOST, "is no function of a size"},
            {"memory", 1, -1, GBX_TRAP_HOST, "is not there"},
            {"no\x1bne", 1, -1, GBX_TRAP_HOST, "\"no\\x1bne\" is not there"},
            {NULL, 1, -1, GBX_TRAP_HOST, "is not there"},
    };
    guest_world here;
    hooked h;
    hooked_open(&h, &here, 0, hook_alloc);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        alloc_name = rows[i].name;
        assert_int_equal(run(&h, 0, (uint32_t)(rows[i].len >> 32), (uint32_t)rows[i].len), rows[i].at);
        assert_int_equal(here.trap.code, rows[i].trap);
        if (rows[i].at < 0 && !strstr(here.trap.message, rows[i].says)) fail_msg("%s", here.trap.message);
    }
    /* And from outside of a call. */
    uint64_t at;
    assert_int_equal(gbx_instance_alloc(h.inst, "alloc64", 8, &at, &here.trap), GBX_TRAP_NONE);
    assert_int_equal(at, 64);
    assert_int_equal(gbx_instance_alloc(h.inst, "alloc_high", 8, &at, &here.trap), GBX_TRAP_MEM_OOB);
    assert_non_null(strstr(here.trap.message, "not inside"));
    assert_int_equal(at, 0);
    assert_int_equal(gbx_instance_alloc(h.inst, "alloc_traps", 8, &at, &here.trap), GBX_TRAP_UNREACHABLE);
    assert_true(here.trap.frame_count > 0);
    assert_int_equal(gbx_instance_alloc(h.inst, "alloc", 8, &at, NULL), GBX_TRAP_NONE);
    assert_int_equal(gbx_instance_alloc(NULL, "alloc", 8, &at, NULL), GBX_TRAP_HOST);
    assert_int_equal(gbx_caller_alloc(NULL, "alloc", 8, &at), GBX_TRAP_HOST);
    guest_close(&here);
    /* An allocator that calls the host, which allocates, and so on: some levels are fine, and there is an end. */
    hooked_open(&h, &here, 0, hook_alloc);
    alloc_name = "alloc_hooks";
    h.state = 20;
    assert_int_equal(run(&h, 0, 0, 1), 4096);
    h.state = 1000000;
    assert_int_equal(run(&h, 0, 0, 1), -1);
    assert_int_equal(here.trap.code, GBX_TRAP_STACK_EXHAUSTED);
    guest_close(&here);
}

/* ---- names of files */

static gbx_code
find(gbx_dir *d, const char *path, uint32_t flags, int *fd)
{
    gbx_err err;
    gbx_code const code = gbx_dir_find(d, path, strlen(path), flags, fd, &err);
    assert_true((code == GBX_OK) == (*fd >= 0));
    return code;
}

static void
test_dir(void **state)
{
    (void)state;
    char top[] = "/tmp/gbx-test-XXXXXX", path[128], other[128];
    assert_non_null(mkdtemp(top));
#define AT(name) (snprintf(path, sizeof path, "%s/%s", top, name), path)
    assert_int_equal(mkdir(AT("in"), 0755), 0);
    assert_int_equal(mkdir(AT("in/sub"), 0755), 0);
    FILE *f = fopen(AT("secret"), "w");
    assert_true(f && fputs("secret", f) >= 0 && fclose(f) == 0);
    f = fopen(AT("in/file"), "w");
    assert_true(f && fputs("mine", f) >= 0 && fclose(f) == 0);
    assert_int_equal(symlink("../secret", AT("in/up")), 0);
    snprintf(other, sizeof other, "%s/secret", top);
    assert_int_equal(symlink(other, AT("in/absolute")), 0);
    assert_int_equal(symlink("sub/../file", AT("in/fine")), 0);
    assert_int_equal(symlink("/proc/self/root/etc/passwd", AT("in/magic")), 0);
    assert_int_equal(mkfifo(AT("in/fifo"), 0600), 0);
    gbx_dir *d;
    gbx_err err;
    assert_int_equal(gbx_dir_open(AT("in"), &d, &err), GBX_OK);
    static const struct {
        const char *path;
        uint32_t flags;
        gbx_code want;
    } rows[] = {
            {"file", GBX_OPEN_READ, GBX_OK},          {"./sub/../file", GBX_OPEN_READ, GBX_OK},
            {"fine", GBX_OPEN_READ, GBX_OK},          {"sub", GBX_OPEN_READ | GBX_OPEN_DIRECTORY, GBX_OK},
            {".", GBX_OPEN_READ, GBX_OK},             {"none", GBX_OPEN_READ, GBX_NOT_FOUND},
            {"../secret", GBX_OPEN_READ, GBX_DENIED}, {"up", GBX_OPEN_READ, GBX_DENIED},
            {"absolute", GBX_OPEN_READ, GBX_DENIED},  {"magic", GBX_OPEN_READ, GBX_DENIED},
            {"..", GBX_OPEN_READ, GBX_DENIED},        {"sub/../../secret", GBX_OPEN_READ, GBX_DENIED},
            {"/etc/passwd", GBX_OPEN_READ, GBX_DENIED}, {"fifo", GBX_OPEN_READ, GBX_DENIED},
            {"../new", GBX_OPEN_WRITE | GBX_OPEN_CREATE, GBX_DENIED},
            {"up", GBX_OPEN_WRITE | GBX_OPEN_TRUNCATE, GBX_DENIED},
            {"up", GBX_OPEN_WRITE | GBX_OPEN_CREATE, GBX_DENIED},
            {"new", GBX_OPEN_WRITE | GBX_OPEN_CREATE | GBX_OPEN_EXCLUSIVE, GBX_OK},
            {"new", GBX_OPEN_WRITE | GBX_OPEN_CREATE | GBX_OPEN_EXCLUSIVE, GBX_IO},
            {"file/x", GBX_OPEN_READ, GBX_IO},        {"file", GBX_OPEN_READ | GBX_OPEN_DIRECTORY, GBX_IO},
            {"", GBX_OPEN_READ, GBX_ARGUMENT},        {"\xff", GBX_OPEN_READ, GBX_ARGUMENT},
            {"file", 0, GBX_ARGUMENT},                {"file", 1u << 30, GBX_ARGUMENT},
            {"file", GBX_OPEN_READ | GBX_OPEN_CREATE, GBX_ARGUMENT},
            {"file", GBX_OPEN_WRITE | GBX_OPEN_EXCLUSIVE, GBX_ARGUMENT},
            {"sub", GBX_OPEN_READ | GBX_OPEN_WRITE | GBX_OPEN_DIRECTORY, GBX_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int fd;
        gbx_code const got = find(d, rows[i].path, rows[i].flags, &fd);
        if (got != rows[i].want) fail_msg("%s %x: %s", rows[i].path, rows[i].flags, gbx_code_slug(got));
        if (fd < 0) continue;
        assert_true(fd > 2 && fcntl(fd, F_GETFD) == FD_CLOEXEC && !(fcntl(fd, F_GETFL) & O_NONBLOCK));
        close(fd);
    }
    int fd;
    assert_int_equal(find(d, "file", GBX_OPEN_READ | GBX_OPEN_WRITE | GBX_OPEN_APPEND, &fd), GBX_OK);
    assert_int_equal(write(fd, "!", 1), 1);
    char buf[16] = "";
    assert_int_equal(pread(fd, buf, sizeof buf, 0), 5);
    assert_string_equal(buf, "mine!");
    close(fd);
    gbx_bytes const secret = guest_read_file(other);
    assert_int_equal(secret.len, 6);
    free((void *)(uintptr_t)secret.data);
    char nul[] = "file\0x", big[5000];
    memset(big, 'x', sizeof big);
    assert_int_equal(gbx_dir_find(d, nul, 6, GBX_OPEN_READ, &fd, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_dir_find(d, big, sizeof big, GBX_OPEN_READ, &fd, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_dir_find(d, big, 4095, GBX_OPEN_READ, &fd, &err), GBX_IO);
    assert_int_equal(gbx_dir_find(d, NULL, 1, GBX_OPEN_READ, &fd, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_dir_find(NULL, "x", 1, GBX_OPEN_READ, &fd, &err), GBX_ARGUMENT);
    gbx_dir_close(d);
    assert_int_equal(gbx_dir_open("/nowhere", &d, &err), GBX_NOT_FOUND);
    assert_int_equal(gbx_dir_open("/etc/passwd", &d, &err), GBX_IO);
    assert_int_equal(gbx_dir_open("/proc", &d, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_dir_open(NULL, &d, &err), GBX_ARGUMENT);
    assert_null(d);
    gbx_dir_close(NULL);
    static const char *const names[] = {"in/file", "in/up", "in/absolute", "in/fine", "in/magic", "in/fifo", "in/new", "secret"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) assert_int_equal(unlink(AT(names[i])), 0);
    assert_int_equal(rmdir(AT("in/sub")), 0);
    assert_int_equal(rmdir(AT("in")), 0);
    assert_int_equal(rmdir(top), 0);
}

/* ---- log */

typedef struct logged {
    char text[2048]; /* "level:text|", with what was cut and dropped */
    size_t lines;
    uint64_t dropped;
    guest_world *w;
    gbx_instance *inst;
} logged;

static void
on_line(void *data, const gbx_log_line *line)
{
    logged *const l = data;
    assert_ptr_equal(line->store, l->w->store);
    assert_string_equal(line->name, "plug");
    assert_string_equal(line->tenant, "acme");
    assert_ptr_equal(line->instance, l->inst);
    assert_int_equal(strlen(line->text), line->len);
    l->lines++;
    l->dropped += line->dropped;
    size_t const at = strlen(l->text);
    if (at + line->len + 100 > sizeof l->text) return;
    snprintf(l->text + at, sizeof l->text - at, "%d:%s", line->level, line->text);
    if (line->cut_bytes) snprintf(l->text + strlen(l->text), 40, "(+%llu)", (unsigned long long)line->cut_bytes);
    if (line->dropped) snprintf(l->text + strlen(l->text), 40, "(-%llu)", (unsigned long long)line->dropped);
    snprintf(l->text + strlen(l->text), 4, "|");
}

static const char logging_text[] =
        "(module (import \"host\" \"log\" (func $log (param i32 i32 i32)))"
        "(memory (export \"memory\") 2)"
        "(func (export \"log\") (param i32 i32 i32) (call $log (local.get 0) (local.get 1) (local.get 2)))"
        "(func (export \"many\") (param i32) (loop $l (call $log (i32.const 1) (i32.const 0) (i32.const 3))"
        "  (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br_if $l (local.get 0)))))";

static void
log_open(logged *l, guest_world *w, gbx_log_opts opts)
{
    *l = (logged){.w = w};
    gbx_store_opts const store = {.size = sizeof store, .name = "plug", .tenant = "acme"};
    guest_open(w, &store);
    opts.size = sizeof opts;
    opts.write = on_line;
    opts.data = l;
    GUEST_OK(gbx_linker_define_log(w->linker, "host", "log", &opts, &w->err));
    l->inst = guest_instance(w, logging_text);
}

static const char *
log_said(logged *l, const char *bytes, size_t len, int32_t level)
{
    uint8_t *data;
    size_t room;
    assert_true(gbx_instance_memory(l->inst, "memory", &data, &room));
    memcpy(data + 16, bytes, len);
    l->text[0] = 0;
    int32_t const args[3] = {level, 16, (int32_t)len};
    assert_int_equal(guest_call(l->w, l->inst, "log", args, 3, NULL), GBX_TRAP_NONE);
    return l->text;
}
#define SAID(l, text, level) log_said((l), text, sizeof(text) - 1, (level))

static void
test_log(void **state)
{
    (void)state;
    guest_world here;
    logged l;
    log_open(&l, &here, (gbx_log_opts){.line_bytes = 8});
    assert_string_equal(SAID(&l, "hello", 3), "3:hello|");
    assert_string_equal(SAID(&l, "", 3), "");
    assert_string_equal(SAID(&l, "\n", -1), "-1:|");
    assert_string_equal(SAID(&l, "a\nb\n\nc", 0), "0:a|0:b|0:|0:c|");
    assert_string_equal(SAID(&l, "\x1b[2J\r", 0), "0:\\x1b[2J\\x0d|");
    assert_string_equal(SAID(&l, "\xff\xc3\xbc", 0), "0:\\xff\xc3\xbc|");
    assert_string_equal(SAID(&l, "\xe2\x80\xae" "a\0b", 0), "0:\\u{202e}a\\x00b|");
    assert_string_equal(SAID(&l, "0123456789abc\nd", 0), "0:01234567(+5)|0:d|");
    assert_string_equal(SAID(&l, "1234567\xc3\xbc", 0), "0:1234567\\xc3(+1)|"); /* cut within a character */
    static const uint32_t bad[][2] = {{0, 131073},     {131072, 1},          {131073, 0}, {UINT32_MAX, 1},
                                      {1, UINT32_MAX}, {UINT32_MAX, UINT32_MAX}, {0x80000000, 0x80000000}};
    l.text[0] = 0;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int32_t const args[3] = {0, (int32_t)bad[i][0], (int32_t)bad[i][1]};
        assert_int_equal(guest_call(&here, l.inst, "log", args, 3, NULL), GBX_TRAP_MEM_OOB);
        assert_non_null(strstr(here.trap.message, "not inside the memory"));
    }
    assert_string_equal(l.text, "");
    guest_close(&here);
    /* One line of the whole memory, and one of nothing but lines. */
    log_open(&l, &here, (gbx_log_opts){.line_bytes = 4, .lines_per_s = UINT32_MAX, .total_bytes = 40});
    int32_t all[3] = {1, 0, 131072};
    assert_int_equal(guest_call(&here, l.inst, "log", all, 3, NULL), GBX_TRAP_NONE);
    assert_string_equal(l.text, "1:\\x00\\x00\\x00\\x00(+131068)|");
    uint8_t *data;
    size_t bytes;
    assert_true(gbx_instance_memory(l.inst, "memory", &data, &bytes));
    memset(data, '\n', bytes);
    l.lines = 0;
    assert_int_equal(guest_call(&here, l.inst, "log", all, 3, NULL), GBX_TRAP_NONE);
    assert_int_equal(l.lines, 131072);
    guest_close(&here);
}

static void
test_log_bounds(void **state)
{
    (void)state;
    guest_world here;
    logged l;
    int32_t const many[1] = {1000};
    /* In all: three bytes a line. */
    log_open(&l, &here, (gbx_log_opts){.total_bytes = 31, .lines_per_s = UINT32_MAX});
    assert_int_equal(guest_call(&here, l.inst, "many", many, 1, NULL), GBX_TRAP_NONE);
    assert_int_equal(l.lines, 10);
    assert_string_equal(SAID(&l, "x", 0), "0:x(-990)|");
    assert_string_equal(SAID(&l, "x", 0), "");
    guest_close(&here);
    /* In a second: of ten thousand lines, which take less than some seconds, few; the rest is told of. */
    log_open(&l, &here, (gbx_log_opts){.lines_per_s = 7});
    int32_t const more[1] = {10000};
    assert_int_equal(guest_call(&here, l.inst, "many", more, 1, NULL), GBX_TRAP_NONE);
    assert_true(l.lines >= 7 && l.lines % 7 == 0 && l.lines + l.dropped <= 10000);
    guest_close(&here);
    guest_world *const w = &here;
    guest_open(w, NULL);
    gbx_log_opts opts = GBX_LOG_OPTS_INIT;
    assert_int_equal(gbx_linker_define_log(w->linker, "a", "b", &opts, &w->err), GBX_ARGUMENT);
    opts.write = on_line;
    opts.line_bytes = 65537;
    assert_int_equal(gbx_linker_define_log(w->linker, "a", "b", &opts, &w->err), GBX_ARGUMENT);
    opts.line_bytes = 65536;
    assert_int_equal(gbx_linker_define_log(w->linker, "a", "b", &opts, &w->err), GBX_OK);
    assert_int_equal(gbx_linker_define_log(w->linker, "a", NULL, &opts, &w->err), GBX_ARGUMENT);
    assert_int_equal(gbx_linker_define_log(w->linker, "a", "b", NULL, &w->err), GBX_ARGUMENT);
    assert_int_equal(gbx_linker_define_log(NULL, "a", "b", &opts, &w->err), GBX_ARGUMENT);
    guest_close(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_signatures),     cmocka_unit_test(test_link_report),
            cmocka_unit_test(test_describe),       cmocka_unit_test(test_side_by_side),
            cmocka_unit_test(test_views_bounds),   cmocka_unit_test(test_views_coherent),
            cmocka_unit_test(test_views_revoked),  cmocka_unit_test(test_views_many),
            cmocka_unit_test(test_prefixed),       cmocka_unit_test(test_alloc),
            cmocka_unit_test(test_dir),            cmocka_unit_test(test_log),
            cmocka_unit_test(test_log_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
