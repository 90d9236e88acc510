/* What is counted, of whom, and how it is told: structs, JSON and Prometheus text that strict parsers take, names
 * and tenants in errors, traps and labels, and a bound on how many of them are told apart. */
#include <ctype.h>
#include <pthread.h>
#include <stdatomic.h>

#include "api/guest.h"
#include "base/alloc.h"

static const char text[] =
        "(module (import \"env\" \"host\" (func $h (param i32) (result i32)))"
        "(import \"wasi_snapshot_preview1\" \"fd_write\" (func $w (param i32 i32 i32 i32) (result i32)))"
        "(import \"wasi_snapshot_preview1\" \"fd_read\" (func $r (param i32 i32 i32 i32) (result i32)))"
        "(memory (export \"memory\") 2 9) (data (i32.const 8) \"hello\")"
        "(data (i32.const 64) \"\\08\\00\\00\\00\\05\\00\\00\\00\")"
        "(func (export \"add\") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))"
        "(func (export \"host\") (param i32) (result i32) (call $h (call $h (local.get 0))))"
        "(func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0)))"
        "(func (export \"write\") (param i32) (result i32)"
        "  (call $w (local.get 0) (i32.const 64) (i32.const 1) (i32.const 80)))"
        "(func (export \"read\") (param i32) (result i32)"
        "  (call $r (local.get 0) (i32.const 64) (i32.const 1) (i32.const 80)))"
        "(func (export \"boom\") (param i32) (result i32) unreachable)"
        "(func (export \"spin\") (param i32) (result i32) (loop $l (br $l)) (i32.const 0)))";

static gbx_bytes wasm;

static int
setup(void **state)
{
    (void)state;
    wasm = guest_wat(text);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    free((void *)(uintptr_t)wasm.data);
    gbx_shutdown();
    return 0;
}

/* One plugin of one tenant. */
typedef struct plugin {
    gbx_store *store;
    gbx_linker *linker;
    gbx_instance *instance;
    gbx_trap trap;
    gbx_err err;
} plugin;

static gbx_trap_code
host(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    (void)caller;
    (void)data;
    if (args[0].of.i32 == 13) return GBX_TRAP_HOST;
    results[0].of.i32 = args[0].of.i32 + 10;
    return GBX_TRAP_NONE;
}

static gbx_engine *
engine_new(uint32_t times)
{
    gbx_engine *e;
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    opts.times = times;
    assert_int_equal(gbx_engine_new(&opts, &e, NULL), GBX_OK);
    return e;
}

static gbx_module *
module_of(gbx_engine *e)
{
    gbx_module *m;
    assert_int_equal(gbx_module_compile(e, wasm, NULL, &m, NULL), GBX_OK);
    return m;
}

/* `stdio`: for descriptors 0 and 1, or -1. */
static void
plugin_open(plugin *p, gbx_engine *e, gbx_module *m, const gbx_store_opts *opts, int in, int out)
{
    static const gbx_valtype i32s[] = {GBX_I32};
    gbx_wasi *wasi = NULL;
    memset(p, 0, sizeof *p);
    if (gbx_store_new(e, opts, &p->store, &p->err) || gbx_linker_new(p->store, &p->linker, &p->err) ||
        gbx_linker_define_func(p->linker, "env", "host", i32s, 1, i32s, 1, host, NULL, &p->err) ||
        gbx_wasi_new(&wasi, &p->err))
        fail_msg("%s", p->err.text);
    if (in >= 0) assert_int_equal(gbx_wasi_stdio(wasi, 0, in, &p->err), GBX_OK);
    if (out >= 0) assert_int_equal(gbx_wasi_stdio(wasi, 1, out, &p->err), GBX_OK);
    if (gbx_wasi_link(wasi, p->linker, &p->err) ||
        gbx_instance_new(p->store, m, p->linker, &p->instance, &p->trap, &p->err))
        fail_msg("%s", p->err.text);
    gbx_wasi_release(wasi);
}

static void
plugin_close(plugin *p)
{
    gbx_linker_release(p->linker);
    gbx_store_release(p->store);
}

static gbx_trap_code
call(plugin *p, const char *name, int32_t arg)
{
    gbx_val v = guest_i32(arg);
    return gbx_func_call(gbx_instance_func(p->instance, name), &v, 1, &v, 1, &p->trap);
}

static gbx_metrics
of_store(const gbx_store *s)
{
    gbx_metrics m = GBX_METRICS_INIT;
    assert_int_equal(gbx_store_metrics(s, &m, NULL), GBX_OK);
    return m;
}

static gbx_metrics
of_engine(const gbx_engine *e)
{
    gbx_metrics m = GBX_METRICS_INIT;
    assert_int_equal(gbx_engine_metrics(e, &m, NULL), GBX_OK);
    return m;
}

static gbx_metrics
of_module(const gbx_module *mod)
{
    gbx_metrics m = GBX_METRICS_INIT;
    assert_int_equal(gbx_module_metrics(mod, &m, NULL), GBX_OK);
    return m;
}

static uint64_t
wasi_count(const gbx_metrics *m, const char *name)
{
    for (size_t i = 0; *gbx_wasi_call_name(i); i++)
        if (!strcmp(gbx_wasi_call_name(i), name)) return m->wasi_calls[i];
    fail_msg("no call %s", name);
    return 0;
}

/* ---- Counting */

/* Every figure of a store, one by one. */
static void
test_store(void **state)
{
    (void)state;
    gbx_engine *const e = engine_new(0);
    gbx_module *const m = module_of(e);
    plugin p;
    int in[2], out[2];
    char file[] = "/tmp/gbx-test-XXXXXX";
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    assert_int_equal(write(in[1], "abc", 3), 3);
    plugin_open(&p, e, m, NULL, in[0], out[1]);
    gbx_metrics s = of_store(p.store);
    assert_int_equal(s.instances, 1);
    assert_int_equal(s.instances_pooled, 0);
    assert_int_equal(s.calls, 0);
    assert_int_equal(s.memory_high_bytes, 2 * 65536);
    assert_true(s.instantiate_ns > 0);
    assert_int_equal(s.stores_now, 1);
    for (int k = 0; k < 2100; k++) assert_int_equal(call(&p, "add", k), GBX_TRAP_NONE);
    assert_int_equal(call(&p, "host", 1), GBX_TRAP_NONE);
    assert_int_equal(call(&p, "host", 13), GBX_TRAP_HOST);
    assert_int_equal(call(&p, "host", 3), GBX_TRAP_HOST); /* in its second call */
    assert_int_equal(call(&p, "grow", 3), GBX_TRAP_NONE);
    assert_int_equal(call(&p, "grow", 300), GBX_TRAP_NONE); /* in vain */
    for (int k = 0; k < 3; k++) assert_int_equal(call(&p, "write", 1), GBX_TRAP_NONE);
    assert_int_equal(call(&p, "write", 7), GBX_TRAP_NONE); /* no such descriptor */
    assert_int_equal(call(&p, "read", 0), GBX_TRAP_NONE);
    for (int k = 0; k < 4; k++) assert_int_equal(call(&p, "boom", 0), GBX_TRAP_UNREACHABLE);
    s = of_store(p.store);
    assert_int_equal(s.calls, 2100 + 3 + 2 + 5 + 4);
    assert_int_equal(s.calls_timed, (s.calls + 1023) / 1024);
    assert_int_equal(s.host_calls, 2 + 1 + 2);
    assert_int_equal(s.memory_high_bytes, 5 * 65536);
    assert_int_equal(wasi_count(&s, "fd_write"), 4);
    assert_int_equal(wasi_count(&s, "fd_read"), 1);
    assert_int_equal(s.stream_written_bytes, 15);
    assert_int_equal(s.stream_read_bytes, 3);
    assert_int_equal(s.file_written_bytes + s.file_read_bytes, 0);
    assert_int_equal(s.traps[GBX_TRAP_UNREACHABLE], 4);
    assert_int_equal(s.traps[GBX_TRAP_HOST], 2);
    assert_int_equal(s.traps[GBX_TRAP_NONE], 0);
    plugin_close(&p);

    int const fd = mkstemp(file);
    plugin_open(&p, e, m, NULL, fd, fd);
    assert_int_equal(call(&p, "write", 1), GBX_TRAP_NONE);
    assert_int_equal(lseek(fd, 1, SEEK_SET), 1);
    assert_int_equal(call(&p, "read", 0), GBX_TRAP_NONE);
    s = of_store(p.store);
    assert_int_equal(s.file_written_bytes, 5);
    assert_int_equal(s.file_read_bytes, 4);
    assert_int_equal(s.stream_written_bytes, 0);
    plugin_close(&p);
    close(fd);
    unlink(file);
    for (int k = 0; k < 2; k++) close(in[k]), close(out[k]);
    gbx_module_release(m);
    gbx_engine_release(e);
}

/* Module and engine count what their stores did, while those are alive and afterwards, once each. */
static void
test_sums(void **state)
{
    (void)state;
    gbx_shutdown();
    gbx_engine *const e = engine_new(0);
    gbx_module *const m = module_of(e);
    gbx_module_release(module_of(e));
    plugin p[5];
    for (int k = 0; k < 5; k++) {
        plugin_open(&p[k], e, m, NULL, -1, -1);
        for (int i = 0; i <= k; i++) assert_int_equal(call(&p[k], "add", i), GBX_TRAP_NONE);
        assert_int_equal(call(&p[k], "boom", 0), GBX_TRAP_UNREACHABLE);
        assert_int_equal(call(&p[k], "grow", k), GBX_TRAP_NONE);
        if (k % 2) plugin_close(&p[k]);
        gbx_metrics const now[] = {of_engine(e), of_module(m)};
        for (int which = 0; which < 2; which++) {
            assert_int_equal(now[which].calls, (k + 1) * (k + 2) / 2 + 2 * (k + 1));
            assert_int_equal(now[which].traps[GBX_TRAP_UNREACHABLE], k + 1);
            assert_int_equal(now[which].memory_high_bytes, (2 + k) * 65536);
            assert_int_equal(now[which].instances, k + 1);
            assert_int_equal(now[which].stores, k + 1);
            assert_int_equal(now[which].stores_now, k + 1 - (k + 1) / 2);
            assert_int_equal(now[which].compilations, 1);
            assert_int_equal(now[which].compilations_avoided, 1);
            assert_int_equal(now[which].module_bytes, wasm.len);
            assert_true(now[which].compile_ns > 0);
        }
    }
    assert_true(of_engine(e).instances_pooled > 0);
    for (int k = 0; k < 5; k += 2) plugin_close(&p[k]);
    gbx_metrics const last = of_engine(e);
    assert_int_equal(last.calls, 25);
    assert_int_equal(last.stores_now, 0);
    assert_int_equal(last.modules_kept, 0);
    gbx_module_release(m);
    assert_int_equal(of_engine(e).modules_kept, 1);
    assert_true(of_engine(e).modules_kept_bytes >= wasm.len);
    gbx_engine_release(e);

    gbx_engine *const again = engine_new(0); /* the same one, for another host: it begins anew */
    assert_ptr_equal(again, e);
    assert_int_equal(of_engine(again).calls, 0);
    assert_int_equal(of_engine(again).compilations, 0);
    gbx_module_release(module_of(again));
    assert_int_equal(of_engine(again).compilations, 0);
    assert_int_equal(of_engine(again).compilations_avoided, 1);
    gbx_engine_release(again);
}

/* Machine code, and time: all calls where the engine says so; waiting is no processor time. */
static void
test_times(void **state)
{
    (void)state;
    gbx_engine *e;
    gbx_engine_opts opts = GBX_ENGINE_OPTS_INIT;
    opts.times = 1;
    opts.tier = GBX_TIER_EAGER;
    assert_int_equal(gbx_engine_new(&opts, &e, NULL), GBX_OK);
    gbx_module *const m = module_of(e);
    gbx_store_opts store_opts = GBX_STORE_OPTS_INIT;
    store_opts.timeout_ns = 100000000;
    plugin p;
    plugin_open(&p, e, m, &store_opts, -1, -1);
    for (int k = 0; k < 10; k++) assert_int_equal(call(&p, "add", k), GBX_TRAP_NONE);
    gbx_metrics s = of_store(p.store);
    assert_int_equal(s.calls_timed, 10);
    assert_int_equal(call(&p, "spin", 0), GBX_TRAP_DEADLINE);
    uint64_t const spun_ns = of_store(p.store).cpu_ns;
    s = of_store(p.store);
    assert_int_equal(s.calls_timed, 11);
    assert_true(s.wall_ns >= 100000000);
    assert_true(s.cpu_ns > 0 && s.cpu_ns <= s.wall_ns + 10000000); /* clocks of two kinds */
    plugin_close(&p);

    int in[2];
    assert_int_equal(pipe(in), 0); /* a read that waits for its deadline */
    plugin_open(&p, e, m, &store_opts, in[0], -1);
    assert_int_equal(call(&p, "read", 0), GBX_TRAP_DEADLINE);
    s = of_store(p.store);
    assert_true(s.wall_ns >= 100000000);
    assert_true(s.cpu_ns < s.wall_ns / 2);
    assert_true(spun_ns > 0);
    plugin_close(&p);
    close(in[0]);
    close(in[1]);
    if (of_engine(e).functions_compiled) { /* where this machine has a compiler */
        gbx_metrics const n = of_engine(e);
        assert_int_equal(n.functions_compiled, 7);
        assert_true(n.code_bytes > 7 && n.code_ns > 0);
        assert_int_equal(of_module(m).functions_compiled, 7);
        assert_int_equal(of_module(m).code_bytes, n.code_bytes);
    }
    gbx_module_release(m);
    gbx_engine_release(e);
}

static void
test_arguments(void **state)
{
    (void)state;
    gbx_engine *const e = engine_new(0);
    gbx_err err;
    char *out = (char *)&err;
    struct {
        gbx_metrics m;
        uint64_t behind;
    } room;
    memset(&room, 0x5a, sizeof room);
    room.m.size = offsetof(gbx_metrics, wasi_calls);
    assert_int_equal(gbx_engine_metrics(e, &room.m, &err), GBX_OK);
    assert_int_equal(room.m.traps[GBX_METRICS_TRAPS - 1], 0);
    assert_int_equal(room.m.wasi_calls[0], 0x5a5a5a5a5a5a5a5a);
    room.m.size = sizeof room; /* of a version to come */
    assert_int_equal(gbx_engine_metrics(e, &room.m, &err), GBX_OK);
    assert_int_equal(room.behind, 0x5a5a5a5a5a5a5a5a);
    room.m.size = 0;
    assert_int_equal(gbx_engine_metrics(e, &room.m, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_engine_metrics(e, NULL, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_engine_metrics(NULL, &room.m, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_module_metrics(NULL, &room.m, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_store_metrics(NULL, &room.m, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_store_metrics_json(NULL, &out, &err), GBX_ARGUMENT);
    assert_null(out);
    assert_int_equal(gbx_module_metrics_json(NULL, &out, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_engine_metrics_json(e, NULL, &err), GBX_ARGUMENT);
    assert_int_equal(gbx_engine_prometheus(NULL, &out, &err), GBX_ARGUMENT);
    assert_string_equal(gbx_wasi_call_name(46), "");
    assert_string_equal(gbx_wasi_call_name(SIZE_MAX), "");
    gbx_text_free(NULL);
    gbx_engine_release(e);
}

/* ---- JSON, by its grammar (RFC 8259) */

static const char *json_value(const char *p);

static const char *
json_string(const char *p)
{
    if (*p++ != '"') return NULL;
    for (; *p != '"'; p++) {
        if ((uint8_t)*p < 0x20) return NULL;
        if (*p != '\\') continue;
        p++;
        if (*p == 'u') {
            for (int k = 0; k < 4; k++)
                if (!isxdigit((uint8_t)*++p)) return NULL;
        } else if (!*p || !strchr("\"\\/bfnrt", *p)) {
            return NULL;
        }
    }
    return p + 1;
}

static const char *
json_object(const char *p)
{
    if (*p++ != '{') return NULL;
    if (*p == '}') return p + 1;
    for (;;) {
        p = json_string(p);
        if (!p || *p != ':') return NULL;
        p = json_value(p + 1);
        if (!p) return NULL;
        if (*p == '}') return p + 1;
        if (*p++ != ',') return NULL;
    }
}

static const char *
json_value(const char *p)
{
    if (*p == '{') return json_object(p);
    if (*p == '"') return json_string(p);
    if (!strncmp(p, "null", 4)) return p + 4;
    if (!isdigit((uint8_t)*p) || (*p == '0' && isdigit((uint8_t)p[1]))) return NULL;
    while (isdigit((uint8_t)*p)) p++;
    return p;
}

static void
json_check(const char *json)
{
    const char *const end = json_object(json);
    if (!end || *end) fail_msg("no JSON: %s", json);
}

static void
json_has(const char *json, const char *member)
{
    json_check(json);
    if (!strstr(json, member)) fail_msg("no %s in %s", member, json);
}

static void
test_json(void **state)
{
    (void)state;
    gbx_shutdown();
    gbx_engine *const e = engine_new(0);
    gbx_module *const m = module_of(e);
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.name = "a\"b\\c\n\x01\xc3\xa9";
    plugin p;
    plugin_open(&p, e, m, &opts, -1, -1);
    assert_int_equal(call(&p, "boom", 0), GBX_TRAP_UNREACHABLE);
    assert_int_equal(call(&p, "write", 1), GBX_TRAP_NONE);
    char *json;
    assert_int_equal(gbx_store_metrics_json(p.store, &json, NULL), GBX_OK);
    json_has(json, "{\"name\":\"a\\\"b\\\\c\\n\\u0001\xc3\xa9\",\"tenant\":null,\"calls\":2,");
    json_has(json, "\"traps\":{\"unreachable\":1},\"wasi_calls\":{\"fd_write\":1}}");
    gbx_text_free(json);
    assert_int_equal(gbx_engine_metrics_json(e, &json, NULL), GBX_OK);
    json_has(json, "{\"calls\":2,");
    json_has(json, "\"traps\":{\"unreachable\":1}");
    json_has(json, "\"compilations\":1,");
    gbx_text_free(json);
    assert_int_equal(gbx_module_metrics_json(m, &json, NULL), GBX_OK);
    json_has(json, "{\"calls\":2,");
    gbx_text_free(json);
    for (uint64_t n = 1;; n++) { /* memory that is short */
        gbx_base_fault_arm(n);
        gbx_code const code = gbx_engine_metrics_json(e, &json, NULL);
        bool const covered = gbx_base_fault_count() < n;
        gbx_base_fault_arm(0);
        assert_int_equal(code, covered ? GBX_OK : GBX_NO_MEMORY);
        if (covered) break;
        assert_null(json);
    }
    gbx_text_free(json);
    plugin_close(&p);
    gbx_module_release(m);
    gbx_engine_release(e);
}

/* ---- Prometheus' text format 0.0.4, strictly: HELP, TYPE, then all samples of that name, each once */

typedef struct prom {
    char name[128]; /* of the family that is being read */
    bool is_counter;
    size_t families, samples;
    char **seen; /* series, and names of families */
    size_t seen_count;
} prom;

static void
prom_once(prom *p, const char *what, size_t len)
{
    char *const copy = strndup(what, len);
    for (size_t k = 0; k < p->seen_count; k++)
        if (!strcmp(p->seen[k], copy)) fail_msg("twice: %s", copy);
    p->seen = realloc(p->seen, (p->seen_count + 1) * sizeof *p->seen);
    assert_non_null(p->seen);
    p->seen[p->seen_count++] = copy;
}

static size_t
prom_name(const char *at)
{
    size_t n = 0;
    while (isalpha((uint8_t)at[n]) || at[n] == '_' || (n && isdigit((uint8_t)at[n]))) n++;
    if (!n) fail_msg("no name: %.40s", at);
    return n;
}

/* Behind the labels. */
static const char *
prom_labels(const char *at)
{
    if (*at != '{') return at;
    do {
        at++;
        at += prom_name(at);
        if (*at++ != '=' || *at++ != '"') fail_msg("no label: %.40s", at);
        for (; *at != '"'; at++) {
            if (*at == '\n' || !*at) fail_msg("a label has no end");
            if (*at == '\\' && !strchr("\\\"n", *++at)) fail_msg("an escape that is none: %.40s", at);
        }
        at++;
    } while (*at == ',');
    if (*at != '}') fail_msg("labels without an end: %.40s", at);
    return at + 1;
}

static const char *
prom_sample(prom *p, const char *at)
{
    size_t const len = prom_name(at);
    if (strncmp(at, p->name, len) != 0 || p->name[len]) fail_msg("a sample of another family: %.60s", at);
    const char *const end = prom_labels(at + len);
    prom_once(p, at, (size_t)(end - at));
    if (*end != ' ') fail_msg("no value: %.60s", at);
    char *after;
    errno = 0;
    double const value = strtod(end + 1, &after);
    if (errno || after == end + 1 || *after != '\n' || value < 0) fail_msg("no number: %.60s", at);
    p->samples++;
    return after + 1;
}

static const char *
prom_family(prom *p, const char *at)
{
    assert_int_equal(strncmp(at, "# HELP ", 7), 0);
    at += 7;
    size_t const len = prom_name(at);
    snprintf(p->name, sizeof p->name, "%.*s", (int)len, at);
    prom_once(p, at - 7, 7 + len);
    at = strchr(at, '\n') + 1;
    char type[160];
    snprintf(type, sizeof type, "# TYPE %s ", p->name);
    assert_int_equal(strncmp(at, type, strlen(type)), 0);
    at += strlen(type);
    p->is_counter = !strncmp(at, "counter\n", 8);
    if (!p->is_counter && strncmp(at, "gauge\n", 6) != 0) fail_msg("a type that is none: %.20s", at);
    const char *const tail = len > 6 ? p->name + len - 6 : "";
    if (p->is_counter != !strcmp(tail, "_total")) fail_msg("%s: a counter ends with _total", p->name);
    if (strstr(p->name, "_ns") || strstr(p->name, "_ms")) fail_msg("%s: seconds are the unit", p->name);
    p->families++;
    return strchr(at, '\n') + 1;
}

static prom
prom_check(const char *at)
{
    prom p = {0};
    while (*at) at = *at == '#' ? prom_family(&p, at) : prom_sample(&p, at);
    for (size_t k = 0; k < p.seen_count; k++) free(p.seen[k]);
    free(p.seen);
    p.seen = NULL;
    return p;
}

static void
prom_has(const char *prometheus, const char *line)
{
    const char *const at = strstr(prometheus, line);
    if (!at || (at != prometheus && at[-1] != '\n') || at[strlen(line)] != '\n')
        fail_msg("no line %s in %s", line, prometheus);
}

static void
test_prometheus(void **state)
{
    (void)state;
    gbx_shutdown();
    gbx_engine *const e = engine_new(0);
    gbx_module *const m = module_of(e);
    char *all;
    assert_int_equal(gbx_engine_prometheus(e, &all, NULL), GBX_OK); /* with nothing in it */
    size_t const families = prom_check(all).families;
    prom_has(all, "gbx_compilations_total 1");
    gbx_text_free(all);

    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    plugin p[4];
    plugin_open(&p[0], e, m, NULL, -1, -1);
    opts.name = "resize";
    opts.tenant = "acme \"x\"\\\n}{,=\xc3\xa9";
    plugin_open(&p[1], e, m, &opts, -1, -1);
    plugin_open(&p[2], e, m, &opts, -1, -1);
    opts.tenant = NULL;
    plugin_open(&p[3], e, m, &opts, -1, -1);
    for (int k = 0; k < 4; k++) {
        for (int i = 0; i <= k; i++) assert_int_equal(call(&p[k], "add", i), GBX_TRAP_NONE);
        assert_int_equal(call(&p[k], "boom", 0), GBX_TRAP_UNREACHABLE);
        assert_int_equal(call(&p[k], "write", 1), GBX_TRAP_NONE);
    }
    plugin_close(&p[1]); /* what has ended is in the sum as before */
    assert_int_equal(gbx_engine_prometheus(e, &all, NULL), GBX_OK);
    prom const seen = prom_check(all);
    assert_int_equal(seen.families, families);
    assert_true(seen.samples > 3 * 20);
#define ACME "{tenant=\"acme \\\"x\\\"\\\\\\n}{,=\xc3\xa9\",plugin=\"resize\""
    prom_has(all, "gbx_calls_total 3");
    prom_has(all, "gbx_calls_total" ACME "} 9");
    prom_has(all, "gbx_calls_total{plugin=\"resize\"} 6");
    prom_has(all, "gbx_traps_total" ACME ",reason=\"unreachable\"} 2");
    prom_has(all, "gbx_traps_total{reason=\"unreachable\"} 1");
    prom_has(all, "gbx_wasi_calls_total" ACME ",call=\"fd_write\"} 2");
    prom_has(all, "gbx_stores" ACME "} 1");
    prom_has(all, "# TYPE gbx_memory_high_bytes gauge");
    prom_has(all, "gbx_memory_high_bytes" ACME "} 131072");
    gbx_text_free(all);
    plugin_close(&p[0]);
    plugin_close(&p[2]);
    plugin_close(&p[3]);
    gbx_module_release(m);
    gbx_engine_release(e);
}

/* Names may come from users: so many series and no more. */
static void
test_cardinality(void **state)
{
    (void)state;
    gbx_shutdown();
    gbx_engine *const e = engine_new(0);
    char name[32], *all;
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.tenant = "t";
    opts.name = name;
    for (int k = 0; k < 1000; k++) {
        gbx_store *s;
        snprintf(name, sizeof name, "p%d", k);
        assert_int_equal(gbx_store_new(e, &opts, &s, NULL), GBX_OK);
        gbx_store_release(s);
    }
    assert_int_equal(gbx_engine_prometheus(e, &all, NULL), GBX_OK);
    (void)prom_check(all);
    prom_has(all, "gbx_stores_total{tenant=\"t\",plugin=\"p0\"} 1");
    prom_has(all, "gbx_stores_total{tenant=\"t\",plugin=\"p127\"} 1");
    prom_has(all, "gbx_stores_total{plugin=\"(others)\"} 872");
    assert_null(strstr(all, "\"p128\""));
    assert_int_equal(of_engine(e).stores, 1000);
    gbx_text_free(all);
    gbx_engine_release(e);
}

/* ---- Names */

static void
says(const char *got, const char *wanted)
{
    if (!strstr(got, wanted)) fail_msg("\"%s\" is not in \"%s\"", wanted, got);
}

static void
test_names(void **state)
{
    (void)state;
    gbx_engine *const e = engine_new(0);
    gbx_module *const m = module_of(e);
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.name = "resize";
    opts.tenant = "acme";
    opts.timeout_ns = 20000000;
    plugin p;
    plugin_open(&p, e, m, &opts, -1, -1);
    assert_string_equal(gbx_store_name(p.store), "resize");
    assert_string_equal(gbx_store_tenant(p.store), "acme");
    assert_int_equal(call(&p, "boom", 0), GBX_TRAP_UNREACHABLE);
    assert_string_equal(p.trap.message, "plugin resize of tenant acme");
    assert_int_equal(call(&p, "spin", 0), GBX_TRAP_DEADLINE);
    assert_string_equal(p.trap.message, "plugin resize of tenant acme: the call took longer than 0.020 s");
    assert_int_equal(call(&p, "host", 13), GBX_TRAP_HOST);
    assert_string_equal(p.trap.message, "plugin resize of tenant acme: host function `env::host` failed");
    gbx_store_cancel(p.store);
    assert_int_equal(call(&p, "add", 1), GBX_TRAP_CANCELLED);
    says(p.trap.message, "plugin resize of tenant acme: before the call began");
    gbx_val wrong = {.type = GBX_I64};
    assert_int_equal(gbx_func_call(gbx_instance_func(p.instance, "add"), &wrong, 1, &wrong, 1, &p.trap), GBX_TRAP_HOST);
    says(p.trap.message, "plugin resize of tenant acme: argument 0 is i64");

    /* An instance with a name of its own, and errors before there is one. */
    gbx_instance_opts inst = GBX_INSTANCE_OPTS_INIT;
    gbx_instance *second;
    inst.name = "second\x1b[2J";
    assert_int_equal(gbx_instance_new_with(p.store, m, NULL, &inst, &second, &p.trap, &p.err), GBX_UNKNOWN_IMPORT);
    says(p.err.text, "; of instance second\\x1b[2J of plugin resize of tenant acme");
    assert_int_equal(gbx_instance_new(p.store, m, NULL, &second, &p.trap, &p.err), GBX_UNKNOWN_IMPORT);
    says(p.err.text, "; of plugin resize of tenant acme");
    inst.name = "second";
    assert_int_equal(gbx_instance_new_with(p.store, m, p.linker, &inst, &second, &p.trap, &p.err), GBX_OK);
    gbx_val v = guest_i32(0);
    gbx_trap trap;
    assert_int_equal(gbx_func_call(gbx_instance_func(second, "boom"), &v, 1, &v, 1, &trap), GBX_TRAP_UNREACHABLE);
    assert_string_equal(trap.message, "instance second of plugin resize of tenant acme");

    gbx_bytes const starts = guest_wat("(module (memory 1) (data (i32.const 70000) \"x\"))");
    gbx_module *bad;
    assert_int_equal(gbx_module_compile(e, starts, NULL, &bad, NULL), GBX_OK);
    free((void *)(uintptr_t)starts.data);
    assert_int_equal(gbx_instance_new(p.store, bad, NULL, &second, &p.trap, &p.err), GBX_TRAPPED);
    says(p.err.text, "out of bounds memory access: plugin resize of tenant acme: ");
    gbx_module_release(bad);
    plugin_close(&p);

    plugin_open(&p, e, m, NULL, -1, -1); /* without names nothing is said */
    assert_int_equal(call(&p, "boom", 0), GBX_TRAP_UNREACHABLE);
    assert_string_equal(p.trap.message, "");
    assert_string_equal(gbx_store_name(p.store), "");
    plugin_close(&p);
    opts.name = NULL;
    plugin_open(&p, e, m, &opts, -1, -1);
    assert_int_equal(call(&p, "boom", 0), GBX_TRAP_UNREACHABLE);
    assert_string_equal(p.trap.message, "tenant acme");
    plugin_close(&p);
    gbx_module_release(m);
    gbx_engine_release(e);
}

/* Names that nobody should be shown as they are, too long ones, and ones that are no text. */
static void
test_bad_names(void **state)
{
    (void)state;
    gbx_engine *const e = engine_new(0);
    gbx_module *const m = module_of(e);
    char longest[130];
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    gbx_store *s;
    gbx_err err;
    plugin p;
    memset(longest, 'x', sizeof longest);
    longest[128] = 0;
    opts.name = longest;
    opts.tenant = "evil\n\x1b[31m";
    plugin_open(&p, e, m, &opts, -1, -1);
    assert_int_equal(call(&p, "host", 13), GBX_TRAP_HOST);
    says(p.trap.message, "xxx... of tenant evil\\n\\x1b[31m: host function `env::host` failed");
    plugin_close(&p);
    longest[128] = 'x';
    longest[129] = 0;
    assert_int_equal(gbx_store_new(e, &opts, &s, &err), GBX_ARGUMENT);
    assert_null(s);
    says(err.text, "name has 129 bytes, at most 128");
    opts.name = "fine";
    opts.tenant = "not \xff text";
    assert_int_equal(gbx_store_new(e, &opts, &s, &err), GBX_ARGUMENT);
    says(err.text, "tenant is not UTF-8");
    gbx_instance_opts inst = GBX_INSTANCE_OPTS_INIT;
    gbx_instance *i = NULL;
    inst.name = longest;
    plugin_open(&p, e, m, NULL, -1, -1);
    assert_int_equal(gbx_instance_new_with(p.store, m, p.linker, &inst, &i, NULL, &err), GBX_ARGUMENT);
    assert_null(i);
    plugin_close(&p);
    gbx_module_release(m);
    gbx_engine_release(e);
}

/* ---- Threads */

typedef struct asker {
    gbx_engine *engine;
    gbx_module *module;
    const gbx_store *store;
    _Atomic bool ends, ok;
} asker;

/* Snapshots while others run: counters never go back. */
static void *
ask(void *data)
{
    asker *const a = data;
    uint64_t calls[3] = {0};
    a->ok = true;
    while (!a->ends) {
        gbx_metrics const now[] = {of_engine(a->engine), of_module(a->module), of_store(a->store)};
        for (int k = 0; k < 3; k++) {
            if (now[k].calls < calls[k]) a->ok = false;
            calls[k] = now[k].calls;
        }
        char *all;
        if (gbx_engine_prometheus(a->engine, &all, NULL) != GBX_OK) a->ok = false;
        gbx_text_free(all);
    }
    return NULL;
}

static void *
work(void *data)
{
    asker *const a = data;
    for (int k = 0; k < 50; k++) {
        plugin p;
        plugin_open(&p, a->engine, a->module, NULL, -1, -1);
        for (int i = 0; i < 20; i++) (void)call(&p, i % 5 ? "add" : "boom", i);
        plugin_close(&p);
    }
    return NULL;
}

static void
test_threads(void **state)
{
    (void)state;
    gbx_shutdown();
    gbx_engine *const e = engine_new(0);
    gbx_module *const m = module_of(e);
    plugin p;
    plugin_open(&p, e, m, NULL, -1, -1);
    asker a = {.engine = e, .module = m, .store = p.store};
    pthread_t asking, working[2];
    assert_int_equal(pthread_create(&asking, NULL, ask, &a), 0);
    for (int k = 0; k < 2; k++) assert_int_equal(pthread_create(&working[k], NULL, work, &a), 0);
    for (int i = 0; i < 1000; i++) assert_int_equal(call(&p, "host", i + 100), GBX_TRAP_NONE);
    for (int k = 0; k < 2; k++) assert_int_equal(pthread_join(working[k], NULL), 0);
    a.ends = true;
    assert_int_equal(pthread_join(asking, NULL), 0);
    assert_true(a.ok);
    gbx_metrics const n = of_engine(e);
    assert_int_equal(n.calls, 1000 + 2 * 50 * 20);
    assert_int_equal(n.host_calls, 2000);
    assert_int_equal(n.traps[GBX_TRAP_UNREACHABLE], 2 * 50 * 4);
    assert_int_equal(n.stores, 101);
    plugin_close(&p);
    gbx_module_release(m);
    gbx_engine_release(e);
}

typedef struct intruder {
    plugin *p;
    _Atomic bool is_in, may_end;
    gbx_trap trap;
    gbx_trap_code code;
} intruder;

static gbx_trap_code
host_waits(gbx_caller *caller, void *data, const gbx_val *args, gbx_val *results)
{
    intruder *const in = data;
    (void)caller;
    (void)args;
    (void)results;
    in->is_in = true;
    while (!in->may_end) sched_yield();
    return GBX_TRAP_NONE;
}

static void *
intrude(void *data)
{
    intruder *const in = data;
    gbx_val v = guest_i32(1);
    while (!in->is_in) sched_yield();
    in->code = gbx_func_call(gbx_instance_func(in->p->instance, "add"), &v, 1, &v, 1, &in->trap);
    in->may_end = true;
    return NULL;
}

/* A second thread that enters a store in use is told so, and changes nothing. */
static void
test_two_threads_in_one_store(void **state)
{
    (void)state;
    gbx_engine *const e = engine_new(0);
    gbx_module *const m = module_of(e);
    static const gbx_valtype i32s[] = {GBX_I32};
    gbx_store_opts opts = GBX_STORE_OPTS_INIT;
    opts.name = "busy";
    plugin p;
    plugin_open(&p, e, m, &opts, -1, -1);
    intruder in = {.p = &p};
    assert_int_equal(gbx_linker_define_func(p.linker, "env", "host", i32s, 1, i32s, 1, host_waits, &in, NULL), GBX_OK);
    assert_int_equal(gbx_instance_new(p.store, m, p.linker, &p.instance, NULL, NULL), GBX_OK);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, intrude, &in), 0);
    assert_int_equal(call(&p, "host", 1), GBX_TRAP_NONE);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(in.code, GBX_TRAP_HOST);
    assert_string_equal(in.trap.message, "plugin busy: another thread's call is running in this store");
    assert_int_equal(call(&p, "add", 1), GBX_TRAP_NONE);
    gbx_metrics const s = of_store(p.store);
    assert_int_equal(s.calls, 2);
    assert_int_equal(s.traps[GBX_TRAP_HOST], 0);
    plugin_close(&p);
    gbx_module_release(m);
    gbx_engine_release(e);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(test_store),       cmocka_unit_test(test_sums),
            cmocka_unit_test(test_times),       cmocka_unit_test(test_arguments),
            cmocka_unit_test(test_json),        cmocka_unit_test(test_prometheus),
            cmocka_unit_test(test_cardinality), cmocka_unit_test(test_names),
            cmocka_unit_test(test_bad_names),   cmocka_unit_test(test_threads),
            cmocka_unit_test(test_two_threads_in_one_store),
    };
    return cmocka_run_group_tests_name("metrics", tests, setup, teardown);
}
